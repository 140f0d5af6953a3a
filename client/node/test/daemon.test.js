// Against the real daemon.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import test from "node:test";

import { connect, newKey, readTransaction } from "../src/index.js";
import { OPS } from "../src/ops.js";
import { EXAMPLES, FIRST_DAY, PROGRAM, daemon } from "./lib/daemon.js";
import { failure, patience } from "./lib/fake.js";

/** What the command line prints of the same: `fealty --json` leaves empty lists out. */
function bare(value) {
	if (value instanceof Uint8Array)
		return Buffer.from(value).toString("hex");
	if (Array.isArray(value))
		return value.map(bare);
	if (typeof value !== "object" || value === null)
		return value;
	return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, bare(v)]).filter(([, v]) => typeof v !== "object" || Object.keys(v).length > 0));
}

/** The root that an audit path leads to from a leaf, by RFC 9162, section 2.1.3.2. */
function rootBy(hashes, leaf, { index, size }) {
	const node = (...parts) => createHash("sha256").update(Buffer.concat(parts)).digest();
	let fn = index, sn = size - 1, r = node(Buffer.of(0), leaf);

	for (const p of hashes) {
		assert.notEqual(sn, 0, "the path is too long");
		if (fn % 2 === 1 || fn === sn) {
			r = node(Buffer.of(1), p, r);
			for (; fn % 2 === 0 && fn > 0; fn /= 2)
				sn = Math.floor(sn / 2);
		} else {
			r = node(Buffer.of(1), r, p);
		}
		fn = Math.floor(fn / 2);
		sn = Math.floor(sn / 2);
	}
	assert.equal(sn, 0, "the path is too short");
	return r;
}

/** What is of the log, and not of a member. */
async function askOfTheLog(client, ledger, bought) {
	const rootOf = note => Buffer.from(note.split("\n")[2], "base64");
	const newest = await until(async () => {
		const got = await client.checkpoint();
		return got.size > Number(bought.id.split(".")[0]) && got;
	});
	assert.equal(newest.note.split("\n")[0], ledger.origin);
	assert.deepEqual((await client.checkpoint({ size: newest.size })).note, newest.note);
	const of = await client.proof({ command: bought.key });
	const { transaction } = await client.transaction({ command: bought.key });
	assert.deepEqual(rootBy(of.hashes, transaction, of), rootOf(of.note));
	assert.deepEqual((await client.proof({ from: 0, to: 1 })).hashes, []);
	assert.ok((await client.proof({ from: 1, to: newest.size })).hashes.length > 0);
	const { vault } = await client.vault({});
	assert.deepEqual([vault.epoch, vault.turning], [1, false]);
	assert.equal(typeof vault.begun_at, "string");
	const { scrub } = await client.scrub({ now: true });
	assert.deepEqual([scrub.enabled, scrub.known_faults, scrub.faults], [true, 0, undefined]);
	const { person, member_no } = await client.person({ member_no: 1 });
	assert.ok(member_no === 1 && Array.isArray(person.aliases));
	const accepted = await client.clock_accept();
	assert.match(accepted.id, /^\d+\.0$/);
	const rotated = await client.rotate_key({ kind: "checkpoint", new_key: await ledger.newKey("checkpoint"), overlap_days: 3 });
	assert.match(rotated.ends_at, /^20\d\d-/);
	const seqOf = Number(rotated.id.split(".")[0]);
	const { entries: [entry] } = readTransaction((await client.transaction({ seq: seqOf })).transaction, { key: ledger.transactionKey });
	assert.deepEqual([entry.inputs.rotate_key.kind, entry.facts.key_change.old_until], ["CHECKPOINT_KEY", rotated.ends_at]);
}

async function until(ask) {
	let got = false;

	await patience((async () => {
		while (got === false) {
			got = await ask().catch(() => false);
			if (got === false)
				await new Promise(resolve => setTimeout(resolve, 20));
		}
	})(), "what was waited for");
	return got;
}

/** The client, and the names of what it was asked for. */
function noting(client) {
	const asked = new Set();

	return [asked, new Proxy(client, { get(target, name) {
		asked.add(name);
		return typeof target[name] === "function" ? target[name].bind(target) : target[name];
	} })];
}

test("every command and every read", async t => {
	const ledger = await daemon(t);
	const [asked, client] = noting(await ledger.client(t));
	const m = "card:1";
	const standing = ({ available, pending, held, debt }) => [available, pending, held, debt].join(" ");

	const enrolled = await client.enrol({ member: m, birthday: "01-20", aliases: ["app:u-1"], segments: ["vip"], at: "2026-01-05T10:00:00Z" });
	assert.deepEqual([enrolled.member_no, enrolled.replayed, standing(enrolled)], [1, false, "0 0 0 0"]);
	assert.match(enrolled.id, /^\d+\.0$/);
	await client.enrol({ member: "card:2" });
	await client.enrol({ member: "card:3" });
	assert.equal((await client.profile({ member: m, segments: [] })).status, "OK");

	const quote = await client.quote({ member: m, amount: "120.50" });
	const bought = await client.purchase({ member: m, amount: "120.50", lines: [{ sku: "s", category: "cake", qty: 2, amount: "20.00" }], receipt_no: "r-1", store: "0042" });
	assert.deepEqual(quote.grants, bought.grants);
	assert.deepEqual([bought.granted, bought.grants, standing(bought)], ["120", [{ rule: "base", wanted: "120", granted: "120" }], "120 0 0 0"]);
	assert.deepEqual(bought.expiring, [{ points: "120", last_day: "2027-01-05" }]);

	const back = await client.return({ member: m, purchase: bought.id, amount: "20.50" });
	assert.deepEqual([back.clawed, standing(back)], ["20", "100 0 0 0"]);
	const stay = await client.activity({ member: m, activity: "stay" });
	assert.deepEqual([stay.granted, stay.counters, standing(stay)], ["7", { stays: 1 }, "107 0 0 0"]);

	const hold = await client.hold({ member: m, points: "60", ttl: "10m" });
	assert.deepEqual([hold.left, hold.ends_at, standing(hold)], ["60", "2026-01-05T10:10:00Z", "47 0 60 0"]);
	const captured = await client.capture({ member: m, hold: hold.id, points: "40" });
	assert.deepEqual([captured.left, captured.lots, standing(captured)], ["20", [{ last_day: "2027-01-05", points: "40" }], "47 0 20 0"]);
	assert.equal(standing(await client.release({ member: m, hold: hold.key })), "67 0 0 0");
	const redeemed = await client.redeem({ member: m, points: "50" });
	assert.deepEqual([redeemed.value, standing(redeemed)], ["0.50", "17 0 0 0"]);
	assert.equal(standing(await client.reverse_redeem({ member: m, redeem: redeemed.id, points: "10" })), "27 0 0 0");

	assert.equal(standing(await client.adjust({ member: m, points: "13", reason: "goodwill", last_day: "2026-12-31" })), "40 0 0 0");
	assert.equal(standing(await client.transfer({ member: m, to: "card:2", points: "10" })), "30 0 0 0");
	assert.equal(standing(await client.advance({ member: m, points: "70" })), "100 0 0 70");
	const given = await client.activity({ member: m, activity: "gift" });
	assert.deepEqual([given.issued, given.vouchers, given.codes.length], [["drink"], ["drink"], 1]);
	const { voucher_rows: [row] } = await client.vouchers({ member: m });
	assert.deepEqual([row.code, row.state, row.source, row.value], [given.codes[0].code, "issued", "rule", "3.00"]);
	const used = await client.voucher_use({ member: m, voucher: row.code, order_amount: "3" });
	assert.deepEqual([used.value, used.conflict, used.vouchers], ["3.00", undefined, []]);
	assert.equal((await client.voucher_use({ member: m, voucher: row.name, offline: true })).conflict, true);
	assert.deepEqual((await client.vouchers({ member: m, state: "used" })).voucher_rows.map(v => v.code), [row.code]);
	await client.activity({ member: m, activity: "gift" });
	const held = await client.hold({ member: m, voucher: "drink" });
	assert.deepEqual([held.left, held.vouchers], [undefined, []]);
	await client.release({ member: m, hold: held.id });
	assert.deepEqual((await client.voucher_void({ member: m, voucher: "drink", reason: "misprint" })).revoked, ["drink"]);
	await client.pool_join({ member: "card:3", head: m });
	assert.equal((await client.balance({ member: "card:3", pool: true })).pool.available, given.available);
	await client.pool_leave({ member: "card:3" });
	await client.membership_start({ member: "card:3", membership: "prime" });
	const gold = await client.tier({ member: m, tier: "gold", reason: "gift", until: "2026-06-30" });
	assert.deepEqual([gold.tier, gold.tier_earned, gold.tier_until], ["gold", "basic", "2026-06-30"]);
	await client.freeze({ member: m, reason: "fraud" });
	const frozen = await failure(client.redeem({ member: m, points: "1" }));
	assert.deepEqual([frozen.reason, frozen.status, frozen.outcome, frozen.reply.available], ["MEMBER_FROZEN", "FAILED_PRECONDITION", "refused", "100"]);
	await client.unfreeze({ member: m });
	await client.merge({ member: "card:3", into: m });
	const claimed = await client.birthday({ member: m, at: new Date("2026-01-21T08:00:00Z") });
	assert.deepEqual([claimed.granted, standing(claimed)], ["50", "100 0 0 20"]);
	assert.deepEqual((await client.membership_renew({ member: m, membership: "prime" })).membership_until, { prime: "2026-03-04" });
	const cancelled = await client.membership_cancel({ member: m, membership: "prime" });
	assert.deepEqual([BigInt(cancelled.refund.replace(".", "")) > 0n, cancelled.membership], [true, { prime: "ended" }]);
	await client.transfer({ member: "card:2", to: m, points: "10" });
	assert.equal((await client.close({ member: "card:2", reason: "moved" })).available, "0");

	const opened = await client.opening({ member: "old:1", aliases: ["card:9"], lots: [{ points: "5", last_day: "2026-12-31" }, { points: "6" }],
		tier: "gold", tier_until: "2026-06-30", counters: { stays: 3 } });
	assert.deepEqual([standing(opened), opened.tier, opened.tier_until, opened.counters], ["11 0 0 0", "gold", "2026-06-30", { stays: 3 }]);
	const agreed = await client.consent({ member: "card:9", purpose: "mail", given: false });
	assert.deepEqual(agreed.consents, [{ purpose: "mail", given: false, since: "2026-01-21" }]);
	assert.equal(standing(await client.erase({ member: "old:1" })), "0 0 0 0");
	assert.equal((await failure(client.balance({ member: "card:9" }))).reason, "NOT_FOUND");

	const batch = await client.batch([{ op: "purchase", member: m, amount: "5" }, { op: "redeem", member: m, points: "100000" },
		{ op: "adjust", member: m, points: "-5", reason: "fix", key: "own-key" }]);
	assert.deepEqual(batch.results.map(r => (r.ok ? r.reply.key : r.error.reason)), [`${batch.key}.1`, "INSUFFICIENT_POINTS", "own-key"]);
	const atomic = await failure(client.batch([{ op: "purchase", member: m, amount: "5" }, { op: "redeem", member: m, points: "100000" }], { atomic: true }));
	assert.deepEqual([atomic.reason, atomic.field.slice(0, 11), atomic.outcome], ["INSUFFICIENT_POINTS", "commands[1]", "refused"]);

	await client.ping();
	const balance = await client.balance({ member: m });
	assert.deepEqual(bare(balance), await ledger.fealty(["balance", m]));
	assert.equal((await client.balance({ member: m, as_of: "2027-01-06T00:00:00Z" })).as_of, "2027-01-06T00:00:00Z");
	const rows = [];
	for (let page = { next_before: undefined }; page !== undefined;) {
		const { history, next_before } = await client.history({ member: m, limit: 5, before: page.next_before });
		rows.push(...history);
		page = next_before === undefined ? undefined : { next_before };
	}
	const { history } = await ledger.fealty(["history", m, "--limit", "100"]);
	assert.deepEqual(rows, history);
	assert.ok(rows.some(r => r.op === "reverse_redeem") && rows.some(r => r.op === "merge"));
	assert.deepEqual((await client.program()).program, PROGRAM);
	assert.deepEqual(bare((await client.program({ version: 1 })).program), (await ledger.fealty(["program", "show"])).program);
	assert.deepEqual((await client.history({ member: "card:2", limit: 1 })).history[0].op, "close");
	await askOfTheLog(client, ledger, bought);
	assert.equal((await client.purchase({ member: m, amount: "1", store: "s", terminal: "1", terminal_seq: 3, terminal_refused: [{ first: 2, last: 2 }] }))
		.terminal_gap, 1);
	const { terminals } = await client.terminals({ with_trouble: true });
	assert.deepEqual(terminals.map(t => [t.store, t.terminal, t.last, t.missing, t.gaps]), [["s", "1", 3, 1, [{ first: 1, last: 1 }]]]);
	const again = await client.publish({ definition: { ...PROGRAM, name: "Another" } });
	assert.equal(again.version, 2);
	for await (const { seq } of client.subscribe({ after: 3, stop_at_head: true }))
		assert.ok(seq > 3);
	await followEvents(client, ledger);
	// approver_key and approve: approval.test.js
	assert.deepEqual(Object.keys(OPS).filter(op => !asked.has(op)), ["approve", "approver_key"], "each other op of fealty.proto was asked of the daemon");
	await client.disconnect();
	await ledger.stop();
	assert.equal((await ledger.audit()).status, "OK");
});

async function followEvents(client, ledger) {
	const events = [];
	for await (const event of client.subscribe({ events: true, stop_at_head: true, credits: 2 }))
		events.push(event);
	assert.deepEqual(events, await ledger.fealtyLines(["subscribe", "--events", "--to-head"]));
	assert.ok(new Set(events.map(e => e.type)).size > 3);
	for (const i of [0, Math.floor(events.length / 2), events.length - 1]) {
		const rest = client.subscribe({ events: true, stop_at_head: true, after_event: events[i].id }), found = [];
		for await (const event of rest)
			found.push(event);
		assert.deepEqual(found, events.slice(i + 1));
		assert.equal(rest.last_event, undefined);
	}
	const number = events.at(-1).member_no, mine = [];
	for await (const { data } of client.subscribe({ member: "card:1", program: events[0].program, stop_at_head: true }))
		mine.push(readTransaction(data, { key: ledger.transactionKey }));
	assert.ok(mine.length > 0 && mine.every(t => t.entries.some(e => e.touched?.some(m => m.member === mine.at(-1).entries[0].member))), String(number));
}

test("transactions read as the command line reads them, and their chain and signatures hold", async t => {
	const ledger = await daemon(t);
	const client = await ledger.client(t);
	const bought = [];

	await client.enrol({ member: "m" });
	for (let i = 0; i < 5; i++)
		bought.push(await client.purchase({ member: "m", amount: "10", terminal_seq: i === 4 ? 2n ** 64n - 1n : i }));
	const seen = [];
	for await (const item of client.subscribe({ stop_at_head: true, credits: 3 }))
		seen.push({ ...item, ...readTransaction(item.data, { key: ledger.transactionKey }) });
	assert.equal(seen.length, 8);
	for (const [i, { seq, prev, origin, entries, data }] of seen.entries()) {
		assert.equal(seq, i);
		assert.equal(origin, ledger.origin);
		assert.deepEqual(prev, i === 0 ? new Uint8Array(32) : seen[i - 1].hash);
		assert.equal((entries[0].postings ?? []).reduce((n, p) => n + BigInt(p.points), 0n), 0n);
		const { transaction } = await client.transaction({ seq: i });
		assert.deepEqual(transaction, data);
	}
	const { transaction } = await client.transaction({ command: bought[4].key });
	const said = await ledger.fealty(["transaction", bought[4].id]);
	const { hash, ...mine } = readTransaction(transaction);
	assert.equal(mine.entries[0].terminal_seq, String(2n ** 64n - 1n));
	assert.deepEqual(bare(mine), said.transaction.transaction ?? said.transaction);
	assert.equal(Buffer.from(hash).toString("hex"), createHash("sha256").update(signedPart(transaction)).digest("hex"));

	const forged = Uint8Array.from(transaction);
	forged[10] ^= 1;
	assert.throws(() => readTransaction(forged, { key: ledger.transactionKey }), { reason: "SIGNATURE" });
	assert.throws(() => readTransaction(transaction, { key: Buffer.alloc(32) }), { reason: "SIGNATURE", message: /another key/ });
	assert.throws(() => readTransaction(transaction, { key: "abc" }), { reason: "INVALID_ARGUMENT", field: "key" });
	assert.throws(() => readTransaction("text"), { field: "data" });
	assert.throws(() => readTransaction(Buffer.from([0xff])), { reason: "PROTOCOL" });
});

/** The first field of a SignedTransaction, cut out by hand. */
function signedPart(data) {
	assert.equal(data[0], 0x0a);
	const long = data[1] > 127;
	const length = long ? (data[1] & 127) + data[2] * 128 : data[1];
	return data.subarray(long ? 3 : 2, (long ? 3 : 2) + length);
}

test("a repeated command is answered as a replay; its key with another body is refused", async t => {
	const ledger = await daemon(t);
	const client = await ledger.client(t);
	const key = newKey();

	await client.enrol({ member: "m" });
	const first = await client.purchase({ member: "m", amount: "10", key });
	const second = await client.purchase({ member: "m", amount: "10", key });
	assert.deepEqual([first.replayed, second.replayed, second.id, second.available], [false, true, first.id, "10"]);
	const other = await failure(client.purchase({ member: "m", amount: "11", key }));
	assert.deepEqual([other.reason, other.status, other.key], ["REQUEST_ID_REUSED", "ALREADY_EXISTS", key]);
	const nobody = await failure(client.balance({ member: "nobody" }));
	assert.deepEqual([nobody.reason, nobody.field, nobody.outcome], ["NOT_FOUND", "member", "refused"]);
});

test("kill -9 in the middle of 400 purchases, twice: each is applied once", async t => {
	const ledger = await daemon(t, { clock: "real" });
	const client = await ledger.client(t, { deadline_ms: 60000, backoff_min_ms: 5, backoff_max_ms: 50, principal: "backend/app" });
	let answered = 0;

	await client.enrol({ member: "m" });
	const all = Array.from({ length: 400 }, async (_, i) => {
		const reply = await client.purchase({ member: "m", amount: String(i + 1), key: `p-${i}` });
		answered++;
		return reply;
	});
	for (const n of [40, 200]) {
		await patience((async () => {
			while (answered < n)
				await new Promise(resolve => setTimeout(resolve, 1));
		})(), `${n} answers`);
		await ledger.kill();
		ledger.launch();
	}
	const replies = await Promise.all(all);
	assert.equal(new Set(replies.map(r => r.id)).size, 400);
	const { available, visits } = await client.balance({ member: "m" });
	assert.deepEqual([available, visits], ["80200", 400]);
	await client.disconnect();
	await ledger.stop();
	assert.equal((await ledger.audit()).status, "OK");
});

test("a stop for an update: commands under way and a subscription go on behind it", async t => {
	const ledger = await daemon(t, { clock: "real" });
	const client = await ledger.client(t, { deadline_ms: 60000, backoff_min_ms: 5, backoff_max_ms: 50 });
	const seen = [];
	let goaways = 0;

	client.on("goaway", () => goaways++);
	await client.enrol({ member: "m" });
	const subscription = client.subscribe({ after: 2, credits: 8 });
	const followed = (async () => {
		for await (const item of subscription) {
			seen.push(item.seq);
			if (seen.length === 300)
				break;
		}
	})();
	for (let part = 0; part < 3; part++) {
		const bought = Array.from({ length: 100 }, () => client.purchase({ member: "m", amount: "1" }));
		if (part < 2) {
			await bought[10];
			await ledger.stop();
			ledger.launch();
		}
		await Promise.all(bought);
	}
	await patience(followed, "300 transactions");
	assert.deepEqual(seen, Array.from({ length: 300 }, (_, i) => i + 3));
	assert.equal(goaways, 2);
	assert.equal((await client.balance({ member: "m" })).available, "300");
});

test("64 in flight and more, from several clients at once", async t => {
	const ledger = await daemon(t, { clock: "real" });
	const clients = await Promise.all(Array.from({ length: 4 }, (_, i) => ledger.client(t, { principal: `backend/app${i}` })));

	await clients[0].enrol({ member: "m" });
	const replies = await Promise.all(clients.flatMap(client => Array.from({ length: 150 }, (_, i) => (i % 3 === 0
		? client.balance({ member: "m" })
		: client.purchase({ member: "m", amount: "1" })))));
	assert.equal(replies.length, 600);
	assert.equal((await clients[3].balance({ member: "m" })).available, "400");
});

test("who may do what", async t => {
	const ledger = await daemon(t, { daemonArguments: ["--listen", "127.0.0.1:0", "--insecure-loopback"] });
	const operator = await ledger.client(t);
	await operator.enrol({ member: "m" });
	const till = await ledger.client(t, { principal: "pos/0042/07" });
	assert.equal(till.hello.principal, "pos/0042/07");
	assert.equal(till.hello.manual_clock, true);
	const denied = await failure(till.adjust({ member: "m", points: "5", reason: "x" }));
	assert.deepEqual([denied.reason, denied.outcome], ["PERMISSION_DENIED", "refused"]);
	assert.equal((await failure(till.subscribe().next())).reason, "PERMISSION_DENIED");
	assert.equal((await failure(ledger.client(t, { principal: "system" }))).reason, "PRINCIPAL_REFUSED");

	const port = /net\.listening_without_tls .*port=(\d+)/.exec(ledger.log)[1];
	const tcp = await connect({ address: `127.0.0.1:${port}`, principal: "backend/app", program: "shop" });
	t.after(() => tcp.disconnect());
	assert.equal((await tcp.purchase({ member: "m", amount: "3" })).granted, "3");
	const refused = await failure(connect({ address: `127.0.0.1:${port}`, principal: "operator/app" }));
	assert.deepEqual([refused.reason, refused.status], ["PRINCIPAL_REFUSED", "PERMISSION_DENIED"]);
});

test("a program that the command line published from a file is published again as an object", async t => {
	for (const name of ["acme", "starbucks-us", "hotel"]) {
		const ledger = await daemon(t, { program: null });
		const client = await ledger.client(t, { program: undefined });
		await ledger.fealty(["program", "publish", join(EXAMPLES, `${name}.yaml`), "--at", FIRST_DAY]);
		const { program, version } = await client.program();
		assert.deepEqual(program, (await ledger.fealty(["program", "show"])).program, name);
		assert.equal(version, 1);
		await client.publish({ definition: program });
		const again = await client.program();
		assert.deepEqual([again.version, again.program], [2, program], name);
	}
});

test("a wrong program is refused by name", async t => {
	const ledger = await daemon(t, { program: null });
	const client = await ledger.client(t);
	const e = await failure(client.publish({ definition: { ...PROGRAM, currency: "XXXX" }, at: FIRST_DAY }));

	assert.deepEqual([e.reason, e.outcome], ["INVALID_ARGUMENT", "refused"]);
	assert.match(e.field, /currency/);
});
