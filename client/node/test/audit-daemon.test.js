// Two auditors, one ledger: what this one reads off an export, and what `fealty audit` finds in the ledger itself, are the same numbers.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { audit } from "../audit/auditor.js";
import { parseVkey } from "../audit/note.js";
import { openSource } from "../audit/source.js";
import { ledger as messageOf } from "../src/message.js";
import { readTransaction } from "../src/index.js";
import { approve } from "./lib/approver.js";
import { EXAMPLES, PROGRAM, daemon } from "./lib/daemon.js";
import { patience } from "./lib/fake.js";

const MAIN = fileURLToPath(new URL("../audit/main.js", import.meta.url));
const run = promisify(execFile);
const SHARED = ["status", "origin", "transactions", "entries", "signatures", "members", "head_seq", "root", "transaction_key", "keys", "programs", "losses"];

function pick(report) {
	return Object.fromEntries(SHARED.map(name => [name, report[name]]));
}

/** The ledger stopped, exported and audited by both; gives this auditor's report and the export. */
async function bothSay(ledger) {
	await ledger.stop();
	const dir = join(ledger.dir, "export");
	await ledger.fealty(["log", "export", ledger.data, dir]);
	const { key } = await ledger.fealty(["log", "key", ledger.data]);
	const theirs = await ledger.audit();
	const { stdout } = await run(process.execPath, [MAIN, dir, "--vkey", key, "--json"], { timeout: 120000, maxBuffer: 1 << 24 });
	const ours = JSON.parse(stdout);
	assert.deepEqual(pick(ours), pick(theirs));
	assert.equal(ours.status, "OK");
	return { ours, dir, key };
}

/** The kinds of entries that the ledger has. */
async function kindsIn(client) {
	const kinds = new Set();

	for await (const { data } of client.subscribe({ stop_at_head: true })) {
		for (const { inputs } of readTransaction(data).entries)
			kinds.add(Object.keys(inputs)[0]);
	}
	return kinds;
}

/** The same sequence each time. */
function makeDice(seed) {
	let state = seed;
	return n => {
		state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
		return Math.floor(state / 2 ** 32 * n);
	};
}

/** What a random member does next. */
function command(dice, members, keys) {
	const member = `m${dice(members)}`;
	const other = `m${dice(members)}`;
	const bought = keys.length > 0 ? keys[dice(keys.length)] : { member, key: "none" };
	const points = String(1 + dice(30));
	const table = [
		{ op: "purchase", member, amount: `${dice(200)}.${10 + dice(90)}` }, { op: "purchase", member, amount: String(dice(90)) },
		{ op: "purchase", member, amount: "40", lines: [{ sku: "a", qty: 2, amount: "30" }] },
		{ op: "return", member: bought.member, purchase: bought.key, amount: "5" }, { op: "return", member: bought.member, purchase: bought.key },
		{ op: "redeem", member, points }, { op: "redeem", member, points: "3" }, { op: "hold", member, points, ttl: "20m" }, { op: "activity", member, activity: "stay" },
		{ op: "transfer", member, to: other, points: String(10 + dice(20)) }, { op: "advance", member, points }, { op: "adjust", member, points: `-${points}`, reason: "fix" },
		{ op: "adjust", member, points, reason: "gift", last_day: "2027-01-31" }, { op: "tier", member, tier: "gold", reason: "gift" },
		{ op: "tier", member, tier: "gold", reason: "gift", until: "2026-06-30" }, { op: "birthday", member },
		{ op: "activity", member, activity: "gift" }, { op: "activity", member, activity: "gift" }, { op: "voucher_use", member, voucher: "drink" },
		{ op: "voucher_void", member, voucher: "drink", reason: "check" },
		{ op: "freeze", member, reason: "check" }, { op: "unfreeze", member }, { op: "profile", member, birthday: `0${1 + dice(9)}-20` },
	];
	return table[dice(table.length)];
}

/** Days of random commands in batches, some of them refused; expiries and time-outs come in between, by the clock that `at` moves. */
async function live(client, { dice, members, days, each, begin }) {
	const keys = [];
	const seen = {};
	const count = (op, ok) => { seen[`${op} ${ok ? "done" : "refused"}`] = (seen[`${op} ${ok ? "done" : "refused"}`] ?? 0) + 1; };

	for (let day = 0; day < days; day++) {
		const at = new Date(begin + day * 9 * 86400000 + dice(80000) * 1000);
		const commands = Array.from({ length: each }, (_, i) => ({ ...command(dice, members, keys), at, key: `d${day}-${i}` }));
		const { results } = await client.batch(commands, { atomic: false });
		for (const [i, result] of results.entries()) {
			count(commands[i].op, result.ok);
			if (!result.ok)
				continue;
			if (commands[i].op === "purchase")
				keys.push({ member: commands[i].member, key: commands[i].key });
			if (commands[i].op === "redeem" && dice(3) === 0)
				await client.reverse_redeem({ member: commands[i].member, redeem: commands[i].key, points: "1", at }).then(() => count("reverse", true), () => {});
			if (commands[i].op === "hold" && dice(4) === 0)
				await client.release({ member: commands[i].member, hold: commands[i].key, at }).then(() => count("release", true), () => {});
			else if (commands[i].op === "hold" && dice(2) === 0)
				await client.capture({ member: commands[i].member, hold: commands[i].key, points: "1", at }).then(() => count("capture", true), () => {});
		}
	}
	return seen;
}

// Of every section something that comes by itself.
const BUSY = { ...PROGRAM, expiry: { after: { months: 6 }, round_up_to: "month" }, anniversary: { of: "enrolment", reward: { points: "5" } },
	limits: { adjust_without_approval: "1000" }, notices: { expiring_days: [30], downgrade_days: [10] },
	auto_redeem: { at: "5000", voucher: "drink" }, stamps: [{ id: "card", per_item: 1, size: 10, voucher: "drink", valid: { months: 3 } }],
	partners: [{ id: "air", issue_price: "0.01", redeem_price: "2/3", settlement: "postpaid" }],
	memberships: [{ id: "prime", term: "monthly", fee: "9.99", earn_multiplier: "2" }],
	earn: [...PROGRAM.earn, { id: "late", priority: 40, on: "purchase", kind: "bonus", fixed: { points: "3" }, pending: { days: 14 } },
		{ id: "sent", priority: 50, on: "purchase", kind: "bonus", fixed: { points: "2" }, pending: { on_activity: "stay", within_days: 20 } }],
	tiers: [PROGRAM.tiers[0], { id: "gold", rank: 1, reach: { any: [{ all: [{ metric: "points_earned", at_least: "300" }] }] }, window: { rolling_months: 2 },
		valid: { months: 3 } }, { id: "rich", rank: 2, reach: { any: [{ all: [{ metric: "balance", at_least: "350" }] }] }, valid: { months: 1 } }] };
// What a program without such a section, or a ledger without such a clock, does not have.
const ELSEWHERE = ["clock_accept", "hold_expire", "inactivity", "restore", "rotate_key", "zone_data"];

/** Who is frozen gets no vouchers for points: the night after does it. */
async function frozenAndRich(client) {
	await client.enrol({ member: "rich" });
	await client.freeze({ member: "rich", reason: "check" });
	for (let i = 0; i < 6; i++)
		await client.adjust({ member: "rich", points: "900", reason: "fix" });
	const { vouchers } = await client.unfreeze({ member: "rich" });
	assert.deepEqual(vouchers, []);
}

/** Two members of one household, and what they do at a partner. */
async function household(client) {
	for (const member of ["ann", "bob"]) {
		await client.enrol({ member });
		await client.membership_start({ member, membership: "prime" });
		await client.membership_renew({ member, membership: "prime" });
		await client.purchase({ member, amount: "100", partner: "air" });
	}
	await client.membership_cancel({ member: "bob", membership: "prime" });
	await client.pool_join({ member: "bob", head: "ann" });
	const { pool, available } = await client.balance({ member: "bob", pool: true });
	assert.equal(BigInt(pool.available), 2n * BigInt(available));
	const hold = await client.hold({ member: "bob", points: String(BigInt(available) + 20n), pool: true, partner: "air" });
	await client.capture({ member: "bob", hold: hold.id, points: available });
	await client.release({ member: "bob", hold: hold.id });
	await client.redeem({ member: "ann", points: "5", pool: true });
	await client.pool_leave({ member: "ann" });
	const { membership } = await client.enrol({ member: "carl", at: new Date("2028-09-01") }).then(() => client.balance({ member: "bob" }));
	assert.deepEqual(membership, { prime: "ended" });
}

test("audit: a year and a half of mixed days: both auditors have equal numbers", async t => {
	const ledger = await daemon(t, { program: BUSY });
	const client = await ledger.client(t);
	const dice = makeDice(4);
	const members = 60;
	const begin = Date.parse("2026-01-05T09:00:00Z");

	await client.batch(Array.from({ length: members }, (_, i) => ({ op: "enrol", member: `m${i}`, birthday: `0${1 + i % 9}-15`, at: new Date(begin) })));
	const seen = await live(client, { dice, members, days: 60, each: 40, begin });
	for (const op of ["purchase", "return", "redeem", "hold", "activity", "transfer", "advance", "adjust", "tier", "freeze", "unfreeze", "reverse", "capture",
		"release", "birthday", "profile", "voucher_use", "voucher_void"])
		assert.ok(seen[`${op} done`] > 0, `${op} must have been done: ${JSON.stringify(seen)}`);
	const at = new Date(begin + 61 * 9 * 86400000);
	for (let i = 0; i < 12; i += 2)
		await client.merge({ member: `m${i}`, into: `m${i + 1}`, at });
	await client.enrol({ member: "last", at: new Date("2028-06-01") });
	await client.purchase({ member: "last", amount: "100" });
	await client.hold({ member: "last", points: "30" });
	for (const points of ["1001", "-1001"]) {
		const { id, waiting } = await client.adjust({ member: "last", points, reason: "fix" });
		assert.equal(waiting, true);
		assert.equal((await approve(ledger, t, { operator: client, id })).status, "OK");
	}
	await client.adjust({ member: "last", points: "5000", reason: "fix" });
	await client.enrol({ member: "gone" });
	await client.close({ member: "gone", reason: "wish" });
	await client.erase({ member: "gone" });
	await client.opening({ member: "old", lots: [{ points: "20" }] });
	await client.consent({ member: "old", purpose: "mail", given: true });
	await client.publish({ definition: { ...BUSY, name: "Shop 2" } });
	await frozenAndRich(client);
	await household(client);
	const kinds = await kindsIn(client);
	const all = messageOf("Inputs").fields.map(field => field.name);
	assert.deepEqual(all.filter(kind => !kinds.has(kind)).sort(), ELSEWHERE, "the other kinds of entries are in it");
	const { ours } = await bothSay(ledger);
	const [{ accounts, members: n }] = ours.programs;
	assert.deepEqual([BigInt(accounts.member) >= 70n, accounts.held, BigInt(accounts.debt) < 0n], [true, "0", true], JSON.stringify(accounts));
	assert.ok(ours.entries > 1000 && n === members + 7, JSON.stringify(ours));
	for (const name of ["issued", "redeemed", "expired", "adjusted", "clawed", "reinstated", "partner_issued", "partner_redeemed"])
		assert.notEqual(BigInt(accounts[name] ?? 0), 0n, `nothing moved on ${name}: ${JSON.stringify(accounts)}`);
});

test("audit: keys of a daemon that are replaced, in turn and after a loss", async t => {
	const ledger = await daemon(t);
	const client = await ledger.client(t);
	const buy = async word => {
		await client.enrol({ member: word });
		await Promise.all(Array.from({ length: 130 }, (_, i) => client.purchase({ member: word, amount: String(i) })));
	};
	const keyOf = async kind => (await client.rotate_key({ kind, new_key: await ledger.newKey(kind) })).id.split(".")[0];

	await buy("a");
	const at = [await keyOf("transaction")];
	await buy("b");
	at.push(await keyOf("checkpoint"), await keyOf("transaction"));
	await buy("c");
	const overlap = await bothSay(ledger);
	const [now, before] = (await ledger.fealty(["log", "key", ledger.data])).keys;
	assert.equal(overlap.key, now);
	const seen = { name: "overlap", bytes: readFileSync(join(overlap.dir, "checkpoint")) };
	assert.equal((await audit(openSource(overlap.dir), { vkey: parseVkey(before) })).status, "OK", "the old key signs as well, for a while");

	rmSync(join(`${ledger.data}.keys`, "transaction.key"), { force: true });
	const recovered = await ledger.newKey("transaction");
	ledger.launch("--recover-key", "transaction:lost");
	await buy("d");
	await client.rotate_key({ kind: "checkpoint", new_key: await ledger.newKey("checkpoint"), reason: "compromised" });
	await buy("e");
	const { ours, dir, key } = await bothSay(ledger);
	assert.deepEqual(ours.keys.map(one => [one.kind, one.named_at, one.recovery]).slice(2, 5), [["transaction", Number(at[0]), undefined],
		["checkpoint", Number(at[1]), undefined], ["transaction", Number(at[2]), undefined]]);
	assert.deepEqual(ours.keys.slice(5).map(one => [one.kind, one.recovery]), [["transaction", "lost"], ["checkpoint", "compromised"]]);
	assert.equal(ours.keys[5].key, recovered.toString("hex"));
	const old = await audit(openSource(dir), { vkey: parseVkey(now) });
	assert.match(old.message, /^checkpoint: it is not signed by .*; if the log's key was replaced/);
	assert.equal((await audit(openSource(dir), { vkey: parseVkey(key), seen, transactionKey: Buffer.from(ledger.transactionKey, "hex") })).status, "OK");
});

test("audit: the log that a running daemon serves over HTTP, while it grows", async t => {
	const ledger = await daemon(t, { daemonArguments: ["--admin", "127.0.0.1:0"] });
	const client = await ledger.client(t);
	const url = `http://127.0.0.1:${/admin\.listening .*port=(\d+)/.exec(ledger.log)[1]}/`;
	const { key } = await ledger.fealty(["log", "key", ledger.data]);
	const grow = async word => {
		await client.enrol({ member: word });
		await Promise.all(Array.from({ length: 400 }, () => client.purchase({ member: word, amount: "3" })));
	};
	const newest = async atLeast => patience((async () => {
		for (;;) {
			const { size, note } = await client.checkpoint();
			if (size >= atLeast)
				return { size, note };
			await new Promise(resolve => setTimeout(resolve, 20));
		}
	})(), `a checkpoint of ${atLeast}`);

	await grow("a");
	const { size, note } = await newest(403);
	const growing = grow("b");
	const first = await audit(openSource(url), { vkey: parseVkey(key) });
	assert.deepEqual([first.status, first.transactions >= size], ["OK", true], first.message);
	await growing;
	await newest(804);
	const second = await audit(openSource(url), { vkey: parseVkey(key), seen: { name: "seen", bytes: Buffer.from(note) } });
	assert.deepEqual([second.status, second.transactions, second.checkpoints], ["OK", 804, 2], second.message);
	assert.deepEqual(pick(second), pick((await bothSay(ledger)).ours));
});

test("audit: two programs with digits, of files that ship with the daemon, one of them in several versions", async t => {
	const ledger = await daemon(t, { program: null });
	const at = "2026-02-01T00:00:00Z";
	for (const name of ["starbucks-us", "airline"])
		await ledger.fealty(["program", "publish", join(EXAMPLES, `${name}.yaml`), "--at", at]);
	const client = await ledger.client(t, { program: undefined });
	const ids = (await ledger.fealty(["audit", ledger.data])).programs.map(one => one.program);
	assert.equal(ids.length, 2);
	for (const program of ids) {
		for (let i = 0; i < 5; i++) {
			await client.enrol({ member: `m${i}`, program });
			await client.purchase({ member: `m${i}`, program, amount: `${10 + i}` });
		}
		const { program: definition } = await client.program({ program });
		await client.publish({ definition: { ...definition, name: "Other" } });
	}
	const { ours } = await bothSay(ledger);
	assert.deepEqual(ours.programs.map(one => [one.versions, one.members]), [[2, 5], [2, 5]]);
	assert.ok(ours.programs.some(one => one.accounts.member.includes(".")), "a scale above 0");
});

test("audit: purchases as CDNOW has them, uploaded by `fealty import`, a bundle and more", async t => {
	const ledger = await daemon(t, { program: null });
	const dice = makeDice(11);
	const client = await ledger.client(t);
	await client.publish({ definition: PROGRAM, at: "1996-12-31T00:00:00Z" });
	const csv = join(ledger.dir, "cdnow.txt");
	const row = () => `${dice(200)} 1997${String(1 + dice(12)).padStart(2, "0")}${10 + dice(18)} ${1 + dice(4)} ${dice(90)}.${10 + dice(90)}`;
	writeFileSync(csv, Array.from({ length: 600 }, row).join("\n"));
	const imported = await ledger.fealty(["import", csv, "--columns", "member=1,date=2,amount=4", "--alias-prefix", "cd:"]);
	assert.deepEqual([imported.applied, imported.refused], [600, 0], JSON.stringify(imported));
	const names = [...new Set(readFileSync(csv, "utf8").split("\n").map(line => `cd:${line.split(" ")[0]}`))];
	for (let i = 0; i < 700; i += 50)
		await Promise.all(Array.from({ length: 50 }, () => client.purchase({ member: names[dice(names.length)], amount: String(dice(50)) })));
	const { ours, dir, key } = await bothSay(ledger);
	assert.ok(ours.transactions > 700 && readdirSync(join(dir, "tile/0")).length > 2, JSON.stringify(ours));

	// a bit in each file of a real export
	const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter(one => one.isFile()).map(one => join(one.path, one.name));
	for (const name of files) {
		const whole = readFileSync(name);
		const changed = Buffer.from(whole);
		changed[dice(whole.length - 1)] ^= 1 << dice(8);
		writeFileSync(name, changed);
		const { status, findings } = await audit(openSource(dir), { vkey: parseVkey(key) });
		assert.deepEqual([status, [...new Set(findings.map(one => join(dir, one.file)))]], ["DATA_LOSS", [name]], JSON.stringify(findings));
		writeFileSync(name, whole);
	}
	assert.equal((await audit(openSource(dir), { vkey: parseVkey(key), threads: 2 })).status, "OK");
});
