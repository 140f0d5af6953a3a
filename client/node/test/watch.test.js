// A client that watches the log: it keeps the last checkpoint, and a server must prove that it goes on from there.
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";

import { connect } from "../src/index.js";
import { provesConsistency } from "../src/proof.js";
import { T, failure, fake, patience } from "./lib/fake.js";
import { daemon } from "./lib/daemon.js";
import { consistency, mth, newKeys, note, vkey } from "./lib/log.js";

const ORIGIN = "test.example/fake";
const BUY = { member: "card:1", amount: "5" };

test("watch: a consistency proof is taken whole, and no other", () => {
	const leaves = Array.from({ length: 40 }, (_, i) => Buffer.from(`leaf ${i}`));
	const roots = Array.from({ length: 41 }, (_, n) => mth(leaves.slice(0, n)));

	for (let to = 1; to <= 40; to++) {
		for (let from = 1; from <= to; from++) {
			const hashes = consistency(from, leaves.slice(0, to));
			const claim = { from, fromRoot: roots[from], to, toRoot: roots[to], hashes };
			const wrong = (change, words) => assert.equal(provesConsistency({ ...claim, ...change }), false, `${from} to ${to}: ${words}`);
			assert.equal(provesConsistency(claim), true, `${from} to ${to}`);
			wrong({ fromRoot: roots[0] }, "another old root");
			wrong({ toRoot: roots[0] }, "another new root");
			wrong({ hashes: [...hashes, roots[1]] }, "a hash too many");
			for (let i = 0; i < hashes.length; i++) {
				wrong({ hashes: hashes.filter((_, j) => j !== i) }, `without hash ${i}`);
				wrong({ hashes: hashes.map((hash, j) => (j === i ? roots[0] : hash)) }, `another hash ${i}`);
				wrong({ hashes: hashes.map((hash, j) => (j === i ? hash.subarray(1) : hash)) }, `a short hash ${i}`);
			}
			if (from < to) {
				wrong({ from: from + 1 }, "another old size");
				wrong({ from: to, to: from }, "the sizes exchanged");
			}
		}
	}
	assert.equal(provesConsistency({ from: 0, fromRoot: roots[0], to: 5, toRoot: roots[5], hashes: [] }), true);
	assert.equal(provesConsistency({ from: 0, fromRoot: roots[0], to: 5, toRoot: roots[5], hashes: [roots[1]] }), false);
});

// ---- against a server that does what a case says ----

class Log {
	keys = newKeys();

	constructor(n, word = "leaf") {
		this.leaves = Array.from({ length: n }, (_, i) => Buffer.from(`${word} ${i}`));
	}

	note(size = this.leaves.length, { origin = ORIGIN, keys = this.keys } = {}) {
		return note(`${origin}\n${size}\n${mth(this.leaves.slice(0, size)).toString("base64")}\n`, origin, keys);
	}

	get vkey() {
		return vkey(ORIGIN, this.keys.raw);
	}

	/** A log that has the same first `n`, and others then. */
	fork(n, size) {
		const other = new Log(size, "other");
		other.keys = this.keys;
		other.leaves = [...this.leaves.slice(0, n), ...other.leaves.slice(n)];
		return other;
	}

	/** Answers the question for the newest checkpoint. */
	async answer(c, { size = this.leaves.length, note: words = this.note(size) } = {}) {
		const { tag, plain } = await c.request();

		assert.deepEqual(plain.checkpoint, {});
		c.respond(tag, { note: words, size });
	}

	async prove(c) {
		const { tag, plain } = await c.request();
		const { from, to } = plain.proof;
		c.respond(tag, { hashes: consistency(from, this.leaves.slice(0, to)), size: to });
		return plain.proof;
	}
}

/** A client that has seen `log`, over a connection that the case goes on with. */
async function watching(t, log, options = {}) {
	const server = await fake(t);
	const opened = connect({ address: server.address, backoff_min_ms: 1, backoff_max_ms: 20, deadline_ms: 5000, vkey: log.vkey, ...options });
	opened.catch(() => {});
	const c = await server.next();
	c.said = await c.hello({ size: log.leaves.length });
	await log.answer(c);
	const client = await opened;
	t.after(() => client.disconnect({ now: true }));
	return { server, client, c };
}

/** The next connection, after the one is lost, with a HELLO of `size`. */
async function again(server, c, size) {
	c.destroy();
	const d = await server.next();
	d.said = await d.hello({ size });
	return d;
}

test("watch: the first checkpoint is taken, kept, and said in the next HELLO; the log must go on from it", async t => {
	const log = new Log(10);
	const saved = [];
	const { server, client, c } = await watching(t, log, { checkpoint_store: { load: () => null, save: async words => { saved.push(words); } } });

	assert.deepEqual([c.said.checkpoint_size, c.said.checkpoint_root], [undefined, undefined]);
	assert.deepEqual([client.checkpoint_seen.size, client.checkpoint_seen.origin, client.checkpoint_seen.note], [10, ORIGIN, log.note()]);
	assert.deepEqual(saved, [log.note()]);
	const bought = client.purchase(BUY);
	const { tag } = await c.request();
	c.respond(tag, { id: "9.0" });
	await bought;

	log.leaves.push(Buffer.from("more"), Buffer.from("and more"), Buffer.from("x"));
	const balance = client.balance({ member: "m" });
	await c.request();
	const d = await again(server, c, 13);
	assert.deepEqual([d.said.checkpoint_size, Buffer.from(d.said.checkpoint_root)], [10, mth(log.leaves.slice(0, 10))]);
	await log.answer(d);
	assert.deepEqual(await log.prove(d), { from: 10, to: 13 });
	const asked = await d.request();
	assert.ok(asked.plain.balance, "what waited is sent after the proof, and not before");
	d.respond(asked.tag, { available: "1" });
	assert.equal((await balance).available, "1");
	assert.deepEqual([client.checkpoint_seen.size, saved.length, saved[1]], [13, 2, log.note()]);

	const same = client.balance({ member: "m" });
	await d.request();
	const e = await again(server, d, 13);
	await log.answer(e);
	const { plain, tag: last } = await e.request();
	assert.ok(plain.balance, "the same size needs no proof");
	e.respond(last, {});
	await same;
	assert.equal(saved.length, 2);
});

const BROKEN = [
	["a HELLO of a shorter ledger", "ROLLED_BACK", /the server has 7 transactions, and a checkpoint of 10 was seen before/, async ({ server, c }) => { await again(server, c, 7); }],
	["a checkpoint of fewer transactions", "ROLLED_BACK", /newest checkpoint is of 9 transactions, and a checkpoint of 10/,
		async ({ server, c, log }) => { await log.answer(await again(server, c, 12), { size: 9 }); }],
	["a fork of the same size", "FORKED", /cannot prove/, async ({ server, c, log }) => { await log.fork(4, 10).answer(await again(server, c, 10)); }],
	["a fork that is longer", "FORKED", /its log of 15 transactions begins with the 10 whose checkpoint was seen before/, async ({ server, c, log }) => {
		const d = await again(server, c, 15);
		const other = log.fork(9, 15);
		await other.answer(d);
		await other.prove(d);
	}],
	["a proof of nothing", "FORKED", /cannot prove/, async ({ server, c, log }) => {
		const d = await again(server, c, 12);
		log.leaves.push(Buffer.from("a"), Buffer.from("b"));
		await log.answer(d);
		const { tag } = await d.request();
		d.respond(tag, { hashes: [] });
	}],
	["a checkpoint of another key", "SIGNATURE", /the server's checkpoint: it is not signed by a vkey that was given/, async ({ server, c, log }) => {
		await log.answer(await again(server, c, 12), { note: log.note(10, { keys: newKeys() }) });
	}],
	["a checkpoint of another log", "SIGNATURE", /the server's checkpoint/, async ({ server, c, log }) => {
		await log.answer(await again(server, c, 12), { note: log.note(10, { origin: "test.example/other" }) });
	}],
	["a checkpoint that is none", "SIGNATURE", /no blank line/, async ({ server, c, log }) => { await log.answer(await again(server, c, 12), { note: "hello" }); }],
];

for (const [name, reason, words, act] of BROKEN) {
	test(`watch: ${name} ends the client, and nothing is sent to that server`, async t => {
		const log = new Log(10);
		const { server, client, c } = await watching(t, log);
		const told = new Promise(resolve => client.once("distrusted", resolve));
		const rolled = new Promise(resolve => client.once("rolled_back", resolve));
		const bought = failure(client.purchase({ ...BUY, key: "k" }));
		const held = log.note();

		await c.request();
		await act({ server, client, c, log });
		const e = await bought;
		assert.deepEqual([e.reason, e.status, e.outcome], [reason, "DATA_LOSS", "unknown"], "it was sent to the server before, and may have been applied there");
		assert.match(e.message, words);
		assert.equal((await patience(told, "the event")).reason, reason);
		assert.equal(client.rolled_back, reason === "ROLLED_BACK");
		if (reason === "ROLLED_BACK")
			assert.equal((await patience(rolled, "the event")).size_seen, 10);
		if (reason !== "SIGNATURE")
			assert.equal(e.notes?.[0] ?? (await failure(client.ping())).notes[0], held, "the checkpoints are evidence");
		const later = await failure(client.balance({ member: "m" }));
		assert.deepEqual([later.reason, later.outcome], [reason, "failed"]);
		assert.equal(client.checkpoint_seen.size, 10);
		assert.equal(server.connections, 2);
	});
}

test("watch: a key that is being replaced: any of the vkeys will do, and both are needed once", async t => {
	const log = new Log(10);
	const before = log.vkey, oldKeys = log.keys;
	const { server, client, c } = await watching(t, log, { vkey: [before, vkey(ORIGIN, newKeys().raw)] });
	await client.disconnect({ now: true });
	await c.ended();
	log.keys = newKeys();
	const after = log.vkey;
	const kept = log.note(10, { keys: oldKeys });
	const store = { load: () => kept, save() {} };

	const opened = connect({ address: server.address, vkey: [before, after], checkpoint_store: store });
	const d = await server.next();
	await d.hello({ size: 12 });
	log.leaves.push(Buffer.from("more"));
	await log.answer(d);
	await log.prove(d);
	const later = await opened;
	t.after(() => later.disconnect({ now: true }));
	assert.equal(later.checkpoint_seen.size, 11);
	const e = await failure(connect({ address: server.address, vkey: after, checkpoint_store: store }));
	assert.deepEqual([e.reason, /give both, the one before and the one of today/.test(e.message)], ["CHECKPOINT", true], e.message);
	for (const given of [[], [7], [after, "x"], 7]) {
		const f = await failure(connect({ address: server.address, vkey: given }));
		assert.deepEqual([f.reason, f.field], ["INVALID_ARGUMENT", "vkey"]);
	}
});

test("watch: no checkpoint yet is no reason to wait, unless one was seen", async t => {
	const server = await fake(t);
	const log = new Log(3);
	const opened = connect({ address: server.address, watch: true, backoff_min_ms: 1, backoff_max_ms: 5, deadline_ms: 5000 });
	const c = await server.next();
	await c.hello({ size: 3 });
	const unavailable = { status: "UNAVAILABLE", reason: "UNAVAILABLE", retryable: true, field: "size", message: "none is public yet" };
	c.respond((await c.request()).tag, unavailable);
	const client = await opened;
	t.after(() => client.disconnect({ now: true }));
	assert.equal(client.checkpoint_seen, undefined);

	const balance = client.balance({ member: "m" });
	await c.request();
	const d = await again(server, c, 3);
	await log.answer(d);
	d.respond((await d.request()).tag, {});
	await balance;
	assert.equal(client.checkpoint_seen.size, 3, "without a vkey any key's");

	const waiting = client.balance({ member: "m" });
	await d.request();
	const e = await again(server, d, 3);
	e.respond((await e.request()).tag, { ...unavailable, retry_after_ms: 1 });
	await log.answer(e);
	e.respond((await e.request()).tag, {});
	await waiting;
});

test("watch: with a checkpoint seen, a server that never shows one is not trusted", async t => {
	const log = new Log(10);
	const { server, client, c } = await watching(t, log, { deadline_ms: 150 });
	const balance = failure(client.balance({ member: "m" }));

	await c.request();
	const d = await again(server, c, 10);
	d.respond((await d.request()).tag, { status: "UNAVAILABLE", reason: "UNAVAILABLE", retryable: true, retry_after_ms: 10000 });
	assert.deepEqual((({ reason, status }) => [reason, status])(await balance), ["DEADLINE", "DEADLINE_EXCEEDED"]);
	await d.ended();
	await d.quiet(20);
});

test("watch: names must be the same: of the ledger, of its checkpoint, of the vkey, and of what was kept", async t => {
	const log = new Log(3);
	const server = await fake(t);
	const meet = async (options, note) => {
		const opened = failure(connect({ address: server.address, ...options }));
		const c = await server.next();
		await c.hello({ size: 3 });
		if (note !== undefined)
			c.respond((await c.request()).tag, { note, size: 3 });
		return opened;
	};
	const text = (origin, name) => note(`${origin}\n3\n${mth(log.leaves).toString("base64")}\n`, name, log.keys);
	const rows = [
		[{ watch: true }, text("test.example/other", "test.example/other"), "SIGNATURE", /checkpoint is of "test.example\/other", and its ledger is "test.example\/fake"/],
		[{ vkey: vkey("test.example/other", log.keys.raw) }, text(ORIGIN, "test.example/other"), "SIGNATURE", /is of "test.example\/fake", and the vkey is of "test.example\/other"/],
		[{ checkpoint_store: { load: () => text("test.example/other", "test.example/other"), save() {} } }, undefined, "IDENTITY",
			/the server has the ledger "test.example\/fake", and the checkpoint that was kept is of "test.example\/other"/],
	];
	for (const [options, words, reason, message] of rows) {
		const e = await meet(options, words);
		assert.deepEqual([e.reason, message.test(e.message)], [reason, true], e.message);
	}
});

test("watch: a server that refuses to prove what it shows is no older copy", async t => {
	const log = new Log(10);
	const { server, client, c } = await watching(t, log);
	const balance = failure(client.balance({ member: "m" }));

	await c.request();
	log.leaves.push(Buffer.from("more"));
	const d = await again(server, c, 11);
	await log.answer(d);
	d.respond((await d.request()).tag, { status: "INVALID_ARGUMENT", reason: "INVALID_ARGUMENT", field: "to" });
	assert.deepEqual((({ reason, outcome }) => [reason, outcome])(await balance), ["INVALID_ARGUMENT", "failed"]);
	assert.equal(client.rolled_back, false);
});

test("watch: a connection that is lost in the middle, and a server that refuses proofs", async t => {
	const log = new Log(10);
	const { server, client, c } = await watching(t, log);
	const balance = client.balance({ member: "m" });

	await c.request();
	log.leaves.push(Buffer.from("more"));
	const d = await again(server, c, 11);
	await log.answer(d);
	await d.request();
	const e = await again(server, d, 11);
	await log.answer(e);
	await log.prove(e);
	e.respond((await e.request()).tag, {});
	await balance;

	log.leaves.push(Buffer.from("more"));
	const refused = failure(client.balance({ member: "m" }));
	await e.request();
	const f = await again(server, e, 12);
	await log.answer(f);
	f.respond((await f.request()).tag, { status: "PERMISSION_DENIED", reason: "PERMISSION_DENIED", field: "principal", message: "not for approvers" });
	assert.deepEqual((({ reason, outcome }) => [reason, outcome])(await refused), ["PERMISSION_DENIED", "failed"]);
	assert.equal((await failure(client.ping())).reason, "PERMISSION_DENIED");
});

test("watch: a connection that lasts is asked again", async t => {
	const log = new Log(10);
	const { client, c } = await watching(t, log, { watch_ms: 30 });
	const told = new Promise(resolve => client.once("distrusted", resolve));

	log.leaves.push(Buffer.from("more"));
	await log.answer(c);
	await log.prove(c);
	await log.answer(c);
	await log.fork(5, 11).answer(c);
	assert.equal((await patience(told, "the event")).reason, "FORKED");
	assert.equal((await failure(client.ping())).reason, "FORKED");
	assert.equal(client.checkpoint_seen.size, 11);
});

test("watch: a subscription begins after the proof", async t => {
	const log = new Log(10);
	const { server, client, c } = await watching(t, log);
	const items = client.subscribe({ after: 5 });
	const next = items.next();
	assert.ok((await c.request()).plain.subscribe);
	const d = await again(server, c, 10);
	await log.answer(d);
	const { tag, plain } = await d.request();
	assert.ok(plain.subscribe);
	d.send(T.PUSH, tag, "Push", { transactions: [Buffer.from("t")], first_seq: 6, head: 10, last_seq: 6 });
	assert.equal((await next).value.seq, 6);
});

test("watch: what is kept in a file, or is to be, and cannot be used", async t => {
	const dir = mkdtempSync(join(tmpdir(), "fn-"));
	t.after(() => rmSync(dir, { recursive: true }));
	const file = join(dir, "checkpoint");
	const log = new Log(10);
	const { client, server, c } = await watching(t, log, { checkpoint_file: file });
	assert.equal(readFileSync(file, "utf8"), log.note());
	await client.disconnect({ now: true });
	await c.ended();

	const refused = async (options, reason, words) => {
		const e = await failure(connect({ address: server.address, vkey: log.vkey, ...options }));
		assert.equal(e.reason, reason, e.message);
		assert.match(e.message, words);
	};
	writeFileSync(file, "rubbish");
	await refused({ checkpoint_file: file }, "CHECKPOINT", /the checkpoint that was kept cannot be used: .*no signed note/);
	writeFileSync(file, log.note(9, { keys: newKeys() }));
	await refused({ checkpoint_file: file }, "CHECKPOINT", /not signed by a vkey/);
	await refused({ checkpoint_file: dir }, "CHECKPOINT", /cannot be used/);
	await refused({ checkpoint_store: { load() { throw new Error("no database"); }, save() {} } }, "CHECKPOINT", /no database/);
	for (const [options, field] of [[{ checkpoint_store: {} }, "checkpoint_store"], [{ checkpoint_file: file, checkpoint_store: {} }, "checkpoint_store"], [{ vkey: "x" }, "vkey"],
		[{ watch: 1 }, "watch"], [{ watch_ms: 0 }, "watch_ms"]]) {
		const e = await failure(connect({ address: server.address, ...options }));
		assert.deepEqual([e.reason, e.field], ["INVALID_ARGUMENT", field], e.message);
	}
	const opened = failure(connect({ address: server.address, checkpoint_store: { load() {}, save() { throw new Error("full"); } } }));
	const d = await server.next();
	await d.hello();
	await log.answer(d);
	assert.match((await opened).message, /cannot be kept: full/);

	writeFileSync(file, log.note(4));
	const later = connect({ address: server.address, vkey: log.vkey, checkpoint_file: file });
	const e = await server.next();
	const said = await e.hello();
	assert.deepEqual([said.checkpoint_size, Buffer.from(said.checkpoint_root)], [4, mth(log.leaves.slice(0, 4))]);
	await log.answer(e);
	await log.prove(e);
	const last = await later;
	t.after(() => last.disconnect({ now: true }));
	assert.equal(readFileSync(file, "utf8"), log.note());
});

// ---- against the daemon ----

test("watch: a restored old copy of a ledger is a roll-back, and a fork when it has grown again", async t => {
	const ledger = await daemon(t);
	const vkeyText = (await ledger.fealty(["log", "key", ledger.data])).key;
	const options = { vkey: vkeyText, checkpoint_file: join(ledger.dir, "seen"), watch_ms: 200 };
	const grow = async (n, word) => {
		const client = await ledger.client(t);
		for (let i = 0; i < n; i++)
			await client.enrol({ member: `${word}${i}` });
		await client.disconnect();
	};
	const copy = (from, to) => {
		for (const end of ["", ".head.lock"]) {
			rmSync(`${to}${end}`, { recursive: true, force: true });
			cpSync(`${from}${end}`, `${to}${end}`, { recursive: true });
		}
	};

	await grow(5, "a");
	await ledger.stop();
	copy(ledger.data, `${ledger.data}.old`);
	ledger.launch();
	await grow(20, "b");
	await ledger.stop();
	ledger.launch();
	const client = await ledger.client(t, options);
	const seen = size => patience((async () => {
		while (client.checkpoint_seen?.size !== size)
			await new Promise(resolve => setTimeout(resolve, 20));
	})(), `a checkpoint of ${size}`);
	await seen(27);
	await client.enrol({ member: "c" });
	await ledger.stop();
	ledger.launch();
	assert.equal((await client.enrol({ member: "d" })).status, "OK", "a restart that is honest");
	await seen(29);

	const distrusted = new Promise(resolve => client.once("distrusted", resolve));
	await ledger.stop();
	copy(`${ledger.data}.old`, ledger.data);
	ledger.launch();
	const e = await failure(client.balance({ member: "a1", deadline_ms: 9000 }));
	assert.deepEqual([e.reason, e.status, e.outcome], ["ROLLED_BACK", "DATA_LOSS", "failed"]);
	assert.equal((await patience(distrusted, "the event")).reason, "ROLLED_BACK");

	await grow(40, "f");
	await ledger.stop();
	ledger.launch();
	const forked = await failure(ledger.client(t, options));
	assert.deepEqual([forked.reason, forked.notes.length], ["FORKED", 2]);
	assert.equal(readFileSync(options.checkpoint_file, "utf8"), forked.notes[0], "what was seen is kept");
});
