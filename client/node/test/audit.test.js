// The auditor against logs that were made up: what holds, and everything that does not, each found and named.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { sign } from "node:crypto";
import { createServer } from "node:http";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";

import { audit } from "../audit/auditor.js";
import { cutBundle } from "../audit/bundle.js";
import { checkLeaf } from "../audit/leaf.js";
import { parseNote, parseVkey } from "../audit/note.js";
import { openSource } from "../audit/source.js";
import { edgeOf, parseTileName, rootOfEdge, tileName } from "../audit/tree.js";
import { Ledger, message, mth, newKeys, note, sha256, signed, vkey, written } from "./lib/log.js";

const MAIN = fileURLToPath(new URL("../audit/main.js", import.meta.url));
const MEMBER = 1, PENDING = 2, HELD = 3, DEBT = 4, ISSUED = 5, REDEEMED = 6, PARTNER_ISSUED = 14;

function auditOf(t, ledger, files = ledger.files(), options = {}) {
	return audit(openSource(written(t, files)), { vkey: parseVkey(ledger.vkey), ...options });
}

/** The finding that must be the only one. */
async function finding(t, ledger, files, options) {
	const report = await auditOf(t, ledger, files, options);
	assert.deepEqual([report.status, report.reason, report.findings?.length], ["DATA_LOSS", "LEDGER_BROKEN", 1], JSON.stringify(report));
	assert.equal(report.message, report.findings[0].message);
	return report;
}

function run(...words) {
	return new Promise(resolve => execFile(process.execPath, [MAIN, ...words], { timeout: 60000 },
		(error, out, err) => resolve({ code: error?.code ?? 0, signal: error?.signal, out, err })));
}

// ---- the tree and the texts ----

test("audit: the edge of every size gives the root of RFC 6962", () => {
	const leaves = Array.from({ length: 300 }, (_, i) => Buffer.from(`leaf ${i}`));
	const hashes = leaves.map(leaf => sha256(Buffer.of(0), leaf));

	for (let size = 0; size <= leaves.length; size++) {
		const tiles = edgeOf(size).map(({ level, index, width }) => (level === 0
			? Buffer.concat(hashes.slice(index * 256, index * 256 + width)) : mth(leaves.slice(0, 256))));
		assert.deepEqual(rootOfEdge(tiles), mth(leaves.slice(0, size)), `size ${size}`);
	}
	assert.deepEqual(edgeOf(70000), [{ level: 0, index: 273, width: 112 }, { level: 1, index: 1, width: 17 }, { level: 2, index: 0, width: 1 }]);
	// RFC 6962's eight leaves, as every implementation tests them
	const classic = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
		.map(hex => sha256(Buffer.of(0), Buffer.from(hex, "hex")));
	assert.equal(rootOfEdge([Buffer.concat(classic)]).toString("hex"), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
});

test("audit: names of tiles are those of tlog-tiles, in one spelling", () => {
	assert.equal(tileName(0, 1234067), "tile/0/x001/x234/067");
	assert.equal(tileName("entries", 5, 9), "tile/entries/005.p/9");
	for (const name of ["tile/0/x001/x234/067", "tile/entries/005.p/9", "tile/63/000.p/255"]) {
		const { level, index, width } = parseTileName(name);
		assert.equal(tileName(level, index, width), name);
	}
	for (const name of ["tile/0/0", "tile/00/000", "tile/0/x000/000", "tile/data/000", "tile/0/000.p/256", "tile/0/000.p/0", "tile/0/000.p/01", "tile/0/001/002",
		"tile/0/x001", "tile/0/000.p", "tile/x/000", "checkpoint", "tile/0/000/"])
		assert.equal(parseTileName(name), undefined, name);
});

test("audit: a vkey and a note by the specification's example", () => {
	const keys = newKeys();
	const text = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n";
	const read = parseNote(Buffer.from(note(text, "quasimodo.example/salvatore", keys)), "note");
	assert.equal(read.text, text);
	assert.deepEqual(read.signatures.map(s => [s.name, s.signature.length]), [["quasimodo.example/salvatore", 64]]);
	const good = vkey("a.example/b", keys.raw);
	assert.deepEqual(Buffer.from(parseVkey(good).raw), keys.raw);
	const [name, id, key] = good.split("+", 1).concat(good.slice("a.example/b+".length, 20), good.slice(21));
	for (const bad of ["", "x", name, `${name}+${id}`, `${name}+00000000+${key}`, `${name}+${id.toUpperCase()}X+${key}`, `b+${id}+${key}`, `${name}+${id}+AA==`,
		`${name}+${id}+${key}=`, `${good}\n`])
		assert.throws(() => parseVkey(bad), { name: "Obstacle", kind: "usage" }, bad);
	for (const [bad, words] of [["a\n\nb\n", "signature line 1"], ["a\n", "no blank line"], ["a\n\n\u2014 n AAAA\n", "signature line 1"], ["a\n\n\u2014 n AAAAAAA=", "newline at its end"],
		["a\u0000\n\n\u2014 n AAAAAAA=\n", "control character"], [`a\n\n${"\u2014 n AAAAAAA=\n".repeat(65)}`, "65 signatures"]])
		assert.throws(() => parseNote(Buffer.from(bad), "f"), e => e.name === "Finding" && e.message.includes(words) && e.where.file === "f", bad);
	assert.throws(() => parseNote(Buffer.from([0xff, 10, 10]), "f"), /not UTF-8/);
});

// ---- what holds ----

test("audit: logs of sizes around a tile hold, with and without a key", async t => {
	for (const n of [0, 1, 253, 254, 255, 510, 600]) {
		const ledger = new Ledger().grow(n);
		const report = await auditOf(t, ledger);
		assert.deepEqual([report.status, report.transactions, report.head_seq, report.root, report.key_given],
			["OK", n + 2, n + 1, mth(ledger.leaves).toString("hex"), true], report.message);
		assert.deepEqual((await auditOf(t, ledger, undefined, { vkey: undefined, threads: 1 })).programs, report.programs);
	}
});

test("audit: balances are replayed for each program, in its digits", async t => {
	const ledger = new Ledger();
	ledger.earn(1, 100).earn(2, 50).add([{ ...ledger.publish("miles", 1, 2) }], { program: 2 });
	ledger.add([ledger.entry("hold", [[MEMBER, 1, -30], [HELD, 1, 30]])]);
	ledger.add([ledger.entry("capture", [[HELD, 1, -20], [REDEEMED, 0, 20]], [1])]);
	ledger.add([ledger.entry("transfer", [[MEMBER, 1, -10], [MEMBER, 2, 10]])]);
	ledger.add([ledger.entry("purchase", [[PENDING, 2, 7], [ISSUED, 0, -7]], [2])]);
	ledger.add([ledger.entry("return", [[MEMBER, 2, -60], [DEBT, 2, -5], [10, 0, 65]], [2])]);
	ledger.add([ledger.entry("purchase", [[MEMBER, 9, 1250], [PARTNER_ISSUED, 0, -1250]].map(row => row), [9])].map(entry => {
		entry.postings[1].partner = "bank";
		return entry;
	}), { program: 2 });
	ledger.add([ledger.entry("freeze", [], [1])]);
	const report = await auditOf(t, ledger);
	assert.deepEqual(report.programs, [
		{ program: "shop", number: 1, versions: 1, members: 2, accounts: { member: "60", pending: "7", held: "10", debt: "-5", issued: "-157", redeemed: "20", clawed: "65" } },
		{ program: "miles", number: 2, versions: 1, members: 1, accounts: { member: "12.50", pending: "0.00", held: "0.00", debt: "0.00", "partner_issued": "-12.50" } },
	], report.message);
});

// ---- what was done to the files ----

test("audit: a bit in each file, each file missing, each file cut short", async t => {
	const ledger = new Ledger().grow(598);
	const files = ledger.files();
	assert.equal(files.size, 8);

	for (const [name, bytes] of files) {
		for (const at of [0, bytes.length >> 1, bytes.length - 2]) {
			const changed = Buffer.from(bytes);
			changed[at] ^= 1 << at % 7;
			const { findings } = await auditOf(t, ledger, new Map(files).set(name, changed));
			assert.deepEqual([...new Set(findings.map(one => one.file))], [name], JSON.stringify(findings));
		}
		for (const changed of [undefined, bytes.subarray(0, -1), Buffer.concat([bytes, Buffer.of(0)]), Buffer.alloc(0)]) {
			const spoilt = new Map(files);
			if (changed === undefined)
				spoilt.delete(name);
			else
				spoilt.set(name, changed);
			const { findings } = await auditOf(t, ledger, spoilt);
			assert.deepEqual([...new Set(findings.map(one => one.file))], [name], JSON.stringify(findings));
		}
	}
});

test("audit: a bit in every byte of a log in which keys were replaced", async () => {
	const ledger = new Ledger().earn(1, 4).rotate(1).earn(2, 5).rotate(2, { overlapDays: 3 }).earn(1, 2);
	const files = ledger.files();
	const source = { check() {}, read: name => files.get(name), names: under => [...files.keys()].filter(name => name.startsWith(under)) };
	const options = { vkey: parseVkey(ledger.vkey) };

	for (const [name, bytes] of files) {
		for (let at = 0; at < bytes.length; at++) {
			const changed = Buffer.from(bytes);
			changed[at] ^= 1 << at % 8;
			const { findings } = await audit({ ...source, read: asked => (asked === name ? changed : files.get(asked)) }, options);
			assert.deepEqual([...new Set(findings?.map(finding => finding.file))], [name], `byte ${at} of ${name}: ${JSON.stringify(findings)}`);
		}
	}
	assert.equal((await audit(source, options)).status, "OK");
});

test("audit: a damaged tile is told from damaged entries, and what holds is still replayed", async t => {
	const ledger = new Ledger().grow(598);
	const files = ledger.files();
	const flip = (name, at) => files.set(name, Buffer.from(files.get(name).map((byte, i) => (i === at ? byte ^ 1 : byte))));

	flip("tile/0/001", 40);
	flip("tile/0/002.p/88", 40);
	flip("tile/entries/002.p/88", 500);
	const { findings, transactions } = await auditOf(t, ledger, files);
	assert.deepEqual(findings.map(one => [one.file, one.seq]), [["checkpoint", undefined], ["tile/0/001", undefined], ["tile/entries/002.p/88", 513]],
		JSON.stringify(findings));
	assert.equal(transactions, 513);
});

test("audit: entries exchanged and the tiles made anew: the old checkpoint tells, and seq", async t => {
	const ledger = new Ledger().grow(298);
	const leaves = [...ledger.leaves];
	[leaves[260], leaves[270]] = [leaves[270], leaves[260]];
	const { findings } = await auditOf(t, ledger, ledger.files(leaves, ledger.note()));

	assert.deepEqual(findings.map(({ file, seq, field }) => ({ file, seq, field })), [{ file: "checkpoint", seq: undefined, field: undefined },
		{ file: "tile/entries/001.p/44", seq: 260, field: "seq" }]);
	assert.match(findings[0].message, /signs the root [0-9a-f]{64}, and the tiles of 300 transactions give [0-9a-f]{64}/);
	assert.match(findings[1].message, /transaction 260, seq: it says that it is 270/);
});

test("audit: the tail removed: from the files; from files and checkpoint, which only an earlier checkpoint tells", async t => {
	const ledger = new Ledger().grow(298);
	const files = ledger.files();
	for (const name of ["tile/entries/001.p/44", "tile/0/001.p/44"])
		files.delete(name);
	const { findings } = await auditOf(t, ledger, files);
	assert.deepEqual(findings.map(one => one.file), ["tile/0/001.p/44", "tile/entries/001.p/44"]);

	const seen = { name: "last-year", bytes: Buffer.from(ledger.note()) };
	const shorter = ledger.files(ledger.leaves.slice(0, 280));
	assert.equal((await auditOf(t, ledger, shorter)).status, "OK");
	const rolled = await finding(t, ledger, shorter, { seen });
	assert.match(rolled.message, /checkpoint: it is of 280 transactions, and last-year of 300: the log was rolled back/);
});

test("audit: an earlier checkpoint, of the same log and of one that parted from it", async t => {
	const ledger = new Ledger().grow(300);
	for (const size of [1, 255, 256, 257, 302]) {
		const seen = { name: "seen", bytes: Buffer.from(ledger.note(ledger.leaves.slice(0, size))) };
		assert.deepEqual([(await auditOf(t, ledger, undefined, { seen })).status, size], ["OK", size]);
		const leaves = [...ledger.leaves.slice(0, size - 1), Buffer.from("another")];
		const parted = { name: "seen", bytes: Buffer.from(ledger.note(leaves)) };
		const { message: words } = await finding(t, ledger, undefined, { seen: parted });
		assert.match(words, new RegExp(`the first ${size} transactions have the root .* the log was forked`));
	}
	const other = new Ledger();
	const strange = await finding(t, ledger, undefined, { seen: { name: "seen", bytes: Buffer.from(other.note()) } });
	assert.match(strange.message, /seen: it is not signed by/);
});

test("audit: partial tiles of earlier sizes may stay, and must be true; other files are no part of the log", async t => {
	const ledger = new Ledger().grow(598);
	const files = ledger.files();
	const old = ledger.files(ledger.leaves.slice(0, 540));
	for (const name of ["tile/0/002.p/28", "tile/entries/002.p/28"])
		files.set(name, old.get(name));
	assert.equal((await auditOf(t, ledger, files)).status, "OK");
	for (const name of ["tile/0/002.p/28", "tile/entries/002.p/28"]) {
		for (const at of [0, 20, old.get(name).length - 1]) {
			const changed = Buffer.from(old.get(name).map((byte, i) => (i === at ? byte ^ 1 : byte)));
			const { findings: [only] } = await finding(t, ledger, new Map(files).set(name, changed));
			assert.match(only.message, /is not the beginning of tile\/\w+\/002\.p\/88/);
			assert.equal(only.file, name);
		}
	}
	for (const name of ["tile/0/003", "tile/entries/003.p/1", "tile/0/002.p/89", "tile/5/000.p/1", "tile/0/2", "tile/entries/x000/000", "tile/a", "tile/1/2/3/4/5/6/7/8/9/10/11/12/13"])
		assert.match((await finding(t, ledger, new Map(files).set(name, Buffer.alloc(32)))).message, /it is no part of a log of 600 transactions/, name);
});

test("audit: a full tile stands in for a partial one that a longer log did away with", async t => {
	const ledger = new Ledger().grow(600);
	const checkpoint = ledger.note(ledger.leaves.slice(0, 300));
	const files = ledger.files().set("checkpoint", Buffer.from(checkpoint));
	files.set("tile/1/000.p/1", ledger.files(ledger.leaves.slice(0, 300)).get("tile/1/000.p/1"));
	const server = await serve(t, files);
	const report = await audit(openSource(server.url), { vkey: parseVkey(ledger.vkey) });
	assert.deepEqual([report.status, report.transactions], ["OK", 300], report.message);
});

// ---- what the keys tell ----

test("audit: a checkpoint of other keys, origins and sizes", async t => {
	const ledger = new Ledger().grow(20);
	const files = ledger.files();
	const strange = newKeys();
	const text = (origin, size, root = mth(ledger.leaves)) => `${origin}\n${size}\n${root.toString("base64")}\n`;
	const rows = [
		[note(text(ledger.origin, 22), ledger.origin, strange), "it is not signed by test.example/made-up+"],
		[note(text(ledger.origin, 22), "other.example/x", ledger.checkpoint), "it is not signed by test.example/made-up+"],
		[note(text("other.example/x", 22), ledger.origin, ledger.checkpoint), "is of \"other.example/x\", and the key is of \"test.example/made-up\""],
		[note(text(ledger.origin, 0, sha256()), ledger.origin, ledger.checkpoint), "of an empty log"],
		[note(text(ledger.origin, "022"), ledger.origin, ledger.checkpoint), "it is no checkpoint"],
		[note(text(ledger.origin, "99999999999999999999"), ledger.origin, ledger.checkpoint), "counts to 9007199254740991"],
		[note(text(ledger.origin, 22, Buffer.alloc(31)), ledger.origin, ledger.checkpoint), "is no root"],
		[note(`${ledger.origin}\n22\n`, ledger.origin, ledger.checkpoint), "it is no checkpoint"],
	];

	for (const [bytes, words] of rows) {
		const { findings: [only] } = await finding(t, ledger, new Map(files).set("checkpoint", Buffer.from(bytes)));
		assert.ok(only.message.includes(words) && only.file === "checkpoint", only.message);
	}
	const twice = `${ledger.note()}${note(text(ledger.origin, 22), "witness.example/w", strange).split("\n\n")[1]}`;
	assert.equal((await auditOf(t, ledger, new Map(files).set("checkpoint", Buffer.from(twice)))).status, "OK", "signatures of others are passed over");
	const wrong = ledger.note().replace(/\n\n.*$/s, m => m + note(text(ledger.origin, 21), ledger.origin, ledger.checkpoint).split("\n\n")[1]);
	assert.match((await finding(t, ledger, new Map(files).set("checkpoint", Buffer.from(wrong)))).message, /the signature of .* is wrong/);
	const huge = note(text(ledger.origin, String(2 ** 52)), ledger.origin, ledger.checkpoint);
	const report = await auditOf(t, ledger, new Map(files).set("checkpoint", Buffer.from(huge)));
	assert.equal(report.status, "DATA_LOSS", "a size that nothing is there of ends soon");
	assert.ok(report.findings.length <= 20);
});

test("audit: the key that was given must be the genesis'", async t => {
	const ledger = new Ledger().grow(3);
	const strange = newKeys();
	const files = ledger.files(ledger.leaves, ledger.note(ledger.leaves, strange));
	const report = await finding(t, ledger, files, { vkey: parseVkey(vkey(ledger.origin, strange.raw)) });
	assert.deepEqual([report.seq, report.field], [0, "inputs.genesis.checkpoint_key"]);
	const other = await finding(t, ledger, undefined, { transactionKey: strange.raw });
	assert.deepEqual([other.seq, other.field], [0, "inputs.genesis.transaction_key"]);
	assert.equal((await auditOf(t, ledger, undefined, { transactionKey: ledger.transaction.raw })).status, "OK");
});

// ---- transactions that are well signed and wrong ----

const entry = (ledger, moves, change = {}) => ({ ...ledger.entry("purchase", moves), ...change });
const earned = (ledger, change) => entry(ledger, [[MEMBER, 1, 5], [ISSUED, 0, -5]], change);
const WRONG = [
	["signed by another key", l => l.add([earned(l)], { keys: newKeys() }), "key_id", /signed with the key [0-9a-f]{16}, and [0-9a-f]{16} is the one that must sign here/],
	["by another key under the right id", l => l.add([earned(l)], { keys: { ...newKeys(), id: l.transaction.id } }), "signature", /is not a signature/],
	["a signature of 63 bytes", l => l.add([earned(l)], { leaf: { signature: Buffer.alloc(63) } }), "signature", /is not a signature/],
	["a key id of 4 bytes", l => l.add([earned(l)], { leaf: { keyId: Buffer.alloc(4) } }), "key_id", /4 bytes, not 8/],
	["a seq left out", l => l.add([earned(l)], { seq: 9n }), "seq", /it says that it is 9/],
	["another origin", l => l.add([earned(l)], { origin: "x" }), "origin", /it is of "x"/],
	["another prev", l => l.add([earned(l)], { prev: Buffer.alloc(32) }), "prev", /not the hash of transaction 3/],
	["a prev of 31 bytes", l => l.add([earned(l)], { prev: l.prev.subarray(1) }), "prev", /not the hash/],
	["the same instant as before", l => l.add([earned(l)], { committedAt: 1003n }), "committed_at", /not later than that of transaction 3/],
	["no entry", l => l.add([]), "entries", /it has none/],
	["a second genesis", l => l.add([{ ...earned(l), inputs: { op: { case: "genesis", value: {} } } }]), "inputs", /it is not transaction 0/],
	["no principal", l => l.add([earned(l, { principal: "" })]), "principal", /missing/],
	["no request id", l => l.add([earned(l, { requestId: "" })]), "request_id", /missing/],
	["no engine", l => l.add([earned(l, { engine: 0 })]), "engine", /missing/],
	["no inputs", l => l.add([earned(l, { inputs: undefined })]), "inputs", /missing/],
	["due, and not the system's", l => l.add([earned(l, { dueAt: 1n })]), "due_at", /only the system/],
	["postings that do not cancel out", l => l.add([entry(l, [[MEMBER, 1, 5], [ISSUED, 0, -4]])]), "postings", /sum to 1, not to zero/],
	["a posting of no account", l => l.add([entry(l, [[MEMBER, 1, 5], [0, 0, -5]])]), "postings[1].account", /none of ledger.proto/],
	["of an account of later times", l => l.add([entry(l, [[MEMBER, 1, 5], [77, 0, -5]])]), "postings[1].account", /none of ledger.proto/],
	["of a member without a number", l => l.add([entry(l, [[MEMBER, 0, 5], [ISSUED, 0, -5]])]), "postings[0].account", /no member is named/],
	["of the program, with a member", l => l.add([earned(l)].map(e => { e.postings[1].member = 1n; return e; })), "postings[1].member", /the account is the program's/],
	["of a partner without a name", l => l.add([entry(l, [[MEMBER, 1, 5], [PARTNER_ISSUED, 0, -5]])]), "postings[1].account", /no partner is named/],
	["points beyond an account", l => l.add([entry(l, [[MEMBER, 1, 2n ** 63n - 1n], [MEMBER, 1, 1n], [ISSUED, 0, -(2n ** 63n - 1n)], [ISSUED, 0, -1n]],
		{ after: [{}] })]), "postings[1].points", /beyond what an account can hold/],
	["a balance beyond an account", l => l.add([entry(l, [[MEMBER, 1, 2n ** 63n - 1n], [ISSUED, 0, -(2n ** 62n)], [8, 0, 1n - 2n ** 62n]], { after: [{ available: 1n }] })]),
		"postings", /beyond what an account can hold/],
	["hold named where none is", l => l.add([earned(l)].map(e => { e.postings[0].hold = { seq: 1n }; return e; })), "postings[0].hold", /held/],
	["a balance below zero", l => l.add([entry(l, [[MEMBER, 1, -9], [REDEEMED, 0, 9]])]), "postings", /available of member 1 would be -5, below zero/],
	["held below zero", l => l.add([entry(l, [[HELD, 1, -1], [REDEEMED, 0, 1]])]), "postings", /held of member 1 would be -1, below zero/],
	["debt above zero", l => l.add([entry(l, [[DEBT, 1, 2], [MEMBER, 1, -2]])]), "postings", /debt of member 1 would be -2, below zero/],
	["another balance after it", l => l.add([earned(l, { after: [{ available: 8n }] })]), "after.available", /is 9 by the postings so far, and it says 8/],
	["points that were never pending", l => l.add([earned(l, { after: [{ available: 9n, pending: 1n }] })]), "after.pending", /is 0 by the postings so far, and it says 1/],
	["no balance after it", l => l.add([earned(l, { after: [] })]), "after", /there are 0, and 1 members are touched/],
	["a member that is not touched", l => l.add([earned(l, { touched: [{ member: 2n }] })]), "touched", /member 1 is missing/],
	["a member touched twice", l => l.add([earned(l, { touched: [{ member: 1n }, { member: 1n }], after: [{}, {}] })]), "touched", /twice/],
	["another entry before it", l => l.add([earned(l, { touched: [{ member: 1n, prevSeq: 1n, prevIndex: 0 }] })]), "touched", /the entry before it of member 1 is 2\.0, and it says 1\.0/],
	["no entry before it", l => l.add([earned(l, { touched: [{ member: 1n }] })]), "touched", /is 2\.0, and it says none/],
	["one before the first", l => l.add([{ ...l.entry("purchase", [[MEMBER, 7, 1], [ISSUED, 0, -1]]), touched: [{ member: 7n, prevSeq: 3n, prevIndex: 0 }] }]), "touched", /is none, and it says 3\.0/],
	["points of no program", l => l.add([earned(l)], { program: 0 }), "postings", /belongs to no program/],
	["a program that is not published", l => l.add([earned(l)], { program: 3 }), "program", /program 3 has not been published/],
	["a version that is not published", l => l.add([earned(l, { programVersion: 2 })]), "program_version", /versions 1 to 1 are published/],
	["a version left out", l => l.add([l.publish("shop", 3)]), "inputs.publish.version", /it is 3, and 2 comes next/],
	["another program under its number", l => l.add([l.publish("shop2", 2)]), "inputs.publish", /program 1 is "shop"/],
	["the same program under another number", l => l.add([l.publish("shop", 1)], { program: 2 }), "program", /has another number already/],
	["another scale", l => l.add([l.publish("shop", 2, 3)]), "inputs.publish", /with 0 digits/],
	["a program without a number", l => l.add([l.publish("zero", 1)], { program: 0 }), "program", /needs a number/],
	["a definition of another program", l => { const e = l.publish("shop", 2); e.inputs.op.value.program = "y"; return l.add([e]); }, "inputs.publish.program", /the definition is of "shop"/],
	["a definition that is none", l => { const e = l.publish("shop", 2); e.inputs.op.value.definition = Buffer.of(0xff); return l.add([e]); },
		"inputs.publish.definition", /it is no Program/],
];

for (const [name, spoil, field, words] of WRONG) {
	test(`audit: ${name}`, async t => {
		const ledger = new Ledger().earn(1, 4).earn(2, 4);
		spoil(ledger);
		ledger.earn(3, 1);
		const report = await finding(t, ledger);
		assert.match(report.message, words);
		assert.deepEqual([report.seq, report.field], [4, field], report.message);
		assert.ok(report.transactions <= 4);
	});
}

test("audit: a wrong link or balance across two bundles", async t => {
	const late = new Ledger().grow(254);
	late.add([earned(late)], { prev: Buffer.alloc(32) });
	assert.deepEqual([(await finding(t, late)).seq, late.leaves.length], [256, 257]);
	const same = new Ledger().grow(254);
	same.add([earned(same)], { committedAt: 1255n });
	assert.deepEqual((await finding(t, same)).field, "committed_at");
	const first = new Ledger().grow(300);
	first.add([earned(first, { after: [{ available: 1n }] })]).add([]);
	assert.equal((await finding(t, first)).seq, 302, "nothing is said of what comes after the first");
});

test("audit: transaction 0 must be a genesis of this log", async t => {
	const made = new Ledger();
	const spoilt = [
		[{}, "inputs", e => { e.inputs = { op: { case: "enrol", value: {} } }; }],
		[{}, "inputs.genesis.format", e => { e.inputs.op.value.format = 2; }],
		[{}, "inputs.genesis.origin", e => { e.inputs.op.value.origin = "x"; }],
		[{}, "inputs.genesis.transaction_key", e => { e.inputs.op.value.transactionKey = Buffer.alloc(31); }],
		[{}, "inputs.genesis.checkpoint_key", e => { e.inputs.op.value.checkpointKey = Buffer.alloc(0); }],
		[{ prev: Buffer.alloc(32, 1) }, "prev", () => {}],
		[{ origin: "x" }, "inputs.genesis.origin", () => {}],
	];
	for (const [more, field, change] of spoilt) {
		const ledger = new Ledger({ program: false });
		const genesis = { principal: "operator/local", engine: 1, inputs: { op: { case: "genesis", value: { format: 1, origin: ledger.origin,
			transactionKey: ledger.transaction.raw, checkpointKey: ledger.checkpoint.raw, clock: 1 } } } };
		change(genesis);
		ledger.leaves.length = 0;
		ledger.prev = Buffer.alloc(32);
		ledger.add([genesis], { program: 0, ...more });
		const report = await finding(t, ledger);
		assert.deepEqual([report.seq, report.field], [0, field], report.message);
	}
	assert.equal((await auditOf(t, made)).status, "OK");
});

// ---- keys that were replaced ----

const KEY_OF = { transaction: 1, checkpoint: 2 };
const DAY_US = 86400000000n;

test("audit: keys that are replaced in turn are followed, within a bundle and across many", async t => {
	for (const gap of [0, 3, 260, 900]) {
		const ledger = new Ledger();
		const first = { ...ledger };
		ledger.grow(gap).rotate(KEY_OF.transaction).grow(gap).rotate(KEY_OF.checkpoint).rotate(KEY_OF.transaction).rotate(KEY_OF.transaction, { recovery: "lost" });
		const compromised = ledger.checkpoint;
		ledger.grow(gap).rotate(KEY_OF.checkpoint, { recovery: "compromised" }).grow(gap);
		for (const threads of gap > 300 ? [1, 3] : [undefined]) {
			const report = await auditOf(t, ledger, undefined, { transactionKey: first.transaction.raw, threads });
			assert.deepEqual([report.status, report.transactions], ["OK", ledger.leaves.length], report.message);
			const at = [gap + 2, 2 * gap + 3, 2 * gap + 4, 2 * gap + 5, 3 * gap + 6];
			assert.deepEqual(report.keys.map(({ kind, named_at, from, until, recovery }) => [kind, named_at, from, until, recovery]), [
				["transaction", 0, 0, at[0] + 1, undefined], ["checkpoint", 0, 0, at[1] + 1, undefined], ["transaction", at[0], at[0] + 1, at[2] + 1, undefined],
				["checkpoint", at[1], at[1] + 1, at[4] + 1, undefined], ["transaction", at[2], at[2] + 1, at[3], undefined],
				["transaction", at[3], at[3], undefined, "lost"], ["checkpoint", at[4], at[4] + 1, undefined, "compromised"]]);
			assert.equal(report.keys[6].key, ledger.checkpoint.raw.toString("hex"));
			assert.equal(report.keys[3].overlap_until, "1970-01-01T00:00:00." + String(1000 + at[4]).padStart(6, "0") + "Z");
		}
		const old = ledger.files(undefined, ledger.note(undefined, compromised));
		assert.match((await finding(t, ledger, old, { vkey: undefined })).message, /checkpoint: it is not signed by test.example\/made-up\+[0-9a-f]{8}, which signs checkpoints since/);
		const text = await run(written(t, ledger.files()));
		assert.match(text.out, /Since transaction \d+ transactions are signed by [0-9a-f]{16}\.\n.*ATTENTION: transaction \d+ says that the transaction key before it was lost\./s);
		assert.match(text.out, /ATTENTION: transaction \d+ says that the checkpoint key before it was compromised\. It is signed without that key, by the transaction key/);
	}
});

test("audit: in an overlap the note has both signatures, the new one always, and after it no old one", async t => {
	const overlap = new Ledger().grow(5);
	const old = overlap.checkpoint, oldVkey = overlap.vkey;
	overlap.rotate(KEY_OF.checkpoint, { overlapDays: 2 }).grow(3);
	const both = overlap.files(undefined, overlap.note(undefined, overlap.checkpoint, old));
	for (const vkey of [undefined, parseVkey(overlap.vkey), parseVkey(oldVkey)])
		assert.equal((await auditOf(t, overlap, both, { vkey })).status, "OK");
	assert.equal((await auditOf(t, overlap)).status, "OK", "the old key's file may be gone");
	const alone = overlap.files(undefined, overlap.note(undefined, old));
	assert.match((await finding(t, overlap, alone)).message, /it is not signed by test.*; if the log's key was replaced, `fealty log key` prints the one of today/);
	assert.match((await finding(t, overlap, alone, { vkey: parseVkey(oldVkey) })).message, /it is not signed by .*, which signs checkpoints since transaction 7/);
	const strange = overlap.files(undefined, overlap.note(undefined, overlap.checkpoint, newKeys()));
	assert.match((await finding(t, overlap, strange)).message, /checkpoint: it is also signed by test.*, which is no key of the log, or was one at another time/);
	const lines = both.get("checkpoint").toString().split("\n");
	const signature = Buffer.from(lines.at(-2).split(" ")[2], "base64");
	signature[20] ^= 4;
	const spoilt = [...lines.slice(0, -2), `\u2014 ${overlap.origin} ${signature.toString("base64")}`, ""].join("\n");
	assert.match((await finding(t, overlap, overlap.files(undefined, spoilt))).message, /checkpoint: the signature of test.* on it is wrong/);

	overlap.grow(1).earn(1, 1);
	overlap.add([earned(overlap)], { committedAt: 3n * DAY_US });
	const late = overlap.files(undefined, overlap.note(undefined, overlap.checkpoint, old));
	assert.match((await finding(t, overlap, late)).message, /it is also signed by/);
	assert.match((await finding(t, overlap, late, { vkey: parseVkey(oldVkey) })).message, /it is another key than the one that was given/);
	const end = new Ledger().rotate(KEY_OF.checkpoint, { overlapDays: 0 });
	assert.equal((await auditOf(t, end)).status, "OK");
});

test("audit: checkpoints seen before a rotation, and behind a rotation that was rolled back", async t => {
	const ledger = new Ledger().grow(20);
	const early = { name: "early", bytes: Buffer.from(ledger.note()) };
	const before = [...ledger.leaves], beforeKey = ledger.checkpoint, beforeVkey = parseVkey(ledger.vkey);
	ledger.rotate(KEY_OF.checkpoint).grow(20);
	const late = { name: "late", bytes: Buffer.from(ledger.note()) };
	for (const seen of [early, late])
		assert.equal((await auditOf(t, ledger, undefined, { seen })).status, "OK", seen.name);
	const forged = { name: "forged", bytes: Buffer.from(ledger.note(ledger.leaves.slice(0, 30), beforeKey)) };
	assert.match((await finding(t, ledger, undefined, { seen: forged })).message, /forged: it is not signed by the key that the log has for 30 transactions$/);
	const shorter = ledger.files(before, ledger.note(before, beforeKey));
	assert.match((await finding(t, ledger, shorter, { vkey: beforeVkey, seen: late })).message, /late: it is not signed .*; it has only 22: either it was rolled back/);
	assert.match((await finding(t, ledger, ledger.files(before.slice(0, 9), ledger.note(before.slice(0, 9), beforeKey)), { vkey: beforeVkey, seen: early })).message,
		/the log was rolled back/);
});

const ROTATED_WRONGLY = [
	["by a key that is not the old one", 1, { change: (_, s) => { s.keys = newKeys(); } }, "key_id", /and [0-9a-f]{16} is the one that must sign here/],
	["without the new key", 1, { change: (_, s) => { s.second = undefined; } }, "second_signature", /it is missing, and the transaction rotates a key/],
	["with another second key", 1, { change: (_, s) => { s.second = newKeys(); } }, "second_key_id", /is the one that must sign here/],
	["with a second signature of other bytes", 1, { leaf: { secondSignature: Buffer.alloc(64) } }, "second_signature", /is not a signature of this transaction/],
	["with a second signature that is short", 1, { leaf: { secondSignature: Buffer.alloc(63) } }, "second_signature", /is not a signature of this transaction/],
	["recovered by the lost key itself", 1, { recovery: "lost", change: (_, s) => { [s.keys, s.second] = [s.second, s.keys]; } }, "key_id", /must sign here/],
	["recovered without the checkpoint key", 1, { recovery: "lost", change: (_, s) => { s.second = newKeys(); } }, "second_key_id", /must sign here/],
	["recovered without a word that says why", 1, { recovery: "mislaid" }, "inputs.rotate_key.recovery", /neither `lost` nor `compromised`/],
	["the checkpoint key, signed by itself alone", 2, { change: (_, s) => { s.keys = s.second; } }, "key_id", /must sign here/],
	["of no kind", 1, { change: e => { e.inputs.op.value.kind = 3; } }, "inputs.rotate_key.kind", /none of ledger.proto/],
	["with a short key", 1, { change: e => { e.inputs.op.value.newKey = Buffer.alloc(31); } }, "inputs.rotate_key.new_key", /31 bytes, not 32/],
	["saying another old key", 1, { change: e => { e.facts.keyChange.oldKey = Buffer.alloc(32); } }, "facts.key_change.old_key", /not the key in force/],
	["saying no old key", 2, { change: e => { e.facts = undefined; } }, "facts.key_change.old_key", /not the key in force/],
	["a transaction key with an overlap", 1, { change: e => { e.facts.keyChange.oldUntil = 5n; } }, "facts.key_change.old_until", /only checkpoint keys overlap/],
	["a checkpoint key without an end", 2, { change: e => { e.facts.keyChange.oldUntil = undefined; } }, "facts.key_change.old_until", /missing/],
	["an overlap that is longer than it says", 2, { overlapDays: 2, change: e => { e.facts.keyChange.oldUntil += 1n; } }, "facts.key_change.old_until", /longer than 2 days/],
	["an overlap of years", 2, { overlapDays: 366 }, "inputs.rotate_key.overlap_days", /at most 365/],
	["an overlap with a lost key", 2, { recovery: "lost", overlapDays: 1 }, "inputs.rotate_key.overlap_days", /at most 0/],
	["beside another entry", 1, { beside: [{ principal: "operator/local", requestId: "k", engine: 1, inputs: { op: { case: "clockAccept", value: {} } } }] },
		"inputs.rotate_key", /a transaction of its own/],
	["in a transaction of a program", 1, { program: 1 }, "inputs.rotate_key", /a transaction of its own/],
	["not asked for by anybody", 1, { change: e => { e.requestId = ""; } }, "request_id", /missing/],
];

for (const [name, kind, how, field, words] of ROTATED_WRONGLY) {
	test(`audit: a key that is replaced ${name}`, async t => {
		const ledger = new Ledger().earn(1, 4).earn(2, 4);
		ledger.rotate(kind, how).earn(3, 1);
		const report = await finding(t, ledger, undefined, { vkey: undefined });
		assert.match(report.message, words);
		assert.deepEqual([report.seq, report.field, report.transactions], [4, field, 4], report.message);
	});
}

// ---- what a restore has lost ----

function restored(change = () => {}) {
	const entry = { principal: "operator/kim", engine: 1, inputs: { op: { case: "restore", value: { lostSize: 9n, lostRoot: Buffer.alloc(32, 7),
		reason: "disk_lost" } } } };

	change(entry, entry.inputs.op.value);
	return entry;
}

test("audit: an accepted loss is in the report", async t => {
	const ledger = new Ledger().earn(1, 4).add([restored()], { program: 0 }).earn(2, 4);
	const report = await auditOf(t, ledger);
	assert.deepEqual([report.status, report.losses], ["OK", [{ seq: 3, lost_size: 9, lost_root: "07".repeat(32), principal: "operator/kim", reason: "disk_lost" }]]);
	const { out } = await run(written(t, ledger.files()), "--vkey", ledger.vkey);
	assert.match(out, /transaction 3 says that a backup of 3 transactions was restored when 9 had been published; operator\/kim accepted that \(disk_lost\)/);
	assert.deepEqual((await auditOf(t, new Ledger().earn(1, 4))).losses, []);
});

const RESTORED_WRONGLY = [
	["by a till", e => { e.principal = "pos/1/1"; }, 0, "principal"],
	["for one program", () => {}, 1, "principal"],
	["of nothing", (_, r) => { r.lostSize = 0n; }, 0, "inputs.restore.lost_size"],
	["with half a root", (_, r) => { r.lostRoot = Buffer.alloc(16); }, 0, "inputs.restore.lost_root"],
	["without a reason", (_, r) => { r.reason = ""; }, 0, "inputs.restore.reason"],
];

for (const [name, change, program, field] of RESTORED_WRONGLY) {
	test(`audit: a loss that is accepted ${name}`, async t => {
		const report = await finding(t, new Ledger().earn(1, 4).add([restored(change)], { program }));
		assert.deepEqual([report.seq, report.field], [3, field], report.message);
	});
}

test("audit: what is near a rotation and must not be", async t => {
	const again = new Ledger().earn(1, 4);
	const first = again.transaction;
	again.rotate(KEY_OF.transaction);
	again.rotate(KEY_OF.transaction, { change: (e, s) => { e.inputs.op.value.newKey = first.raw; s.second = first; } });
	const report = await finding(t, again);
	assert.match(report.message, /the ledger has, or had, this key since transaction 0/);
	assert.deepEqual([report.seq, report.field], [4, "inputs.rotate_key.new_key"]);

	const after = new Ledger().earn(1, 4);
	const old = after.transaction;
	after.rotate(KEY_OF.transaction).add([earned(after)], { keys: old });
	assert.deepEqual([(await finding(t, after)).seq, after.leaves.length], [4, 5], "the old key signs nothing more");

	const stray = new Ledger().earn(1, 4);
	stray.add([earned(stray, { facts: { keyChange: { oldKey: Buffer.alloc(32) } } })]);
	assert.equal((await finding(t, stray)).field, "facts.key_change");

	const second = new Ledger().earn(1, 4);
	second.add([earned(second)], { second: newKeys() });
	assert.match((await finding(t, second)).message, /second_signature: there is one, and the transaction rotates no key/);

	const hidden = new Ledger().earn(1, 4);
	hidden.rotate(KEY_OF.transaction, { leaf: { secondSignature: undefined, secondKeyId: undefined } });
	assert.match((await finding(t, hidden)).message, /second_signature: it is missing, and the transaction rotates a key/);
});

// ---- adjustments that wait ----

const APPROVAL = "application/vnd.fealty.approval.v1";
const approver = (ledger, keys, value = {}) => ({ principal: "operator/local", requestId: `a${ledger.leaves.length}`, engine: 1,
	inputs: { op: { case: "approverKey", value: { principal: "approver/kim", publicKey: keys.raw, ...value } } } });
const asking = (ledger, change) => ({ ...ledger.entry("adjust", [], [1]), principal: "operator/ann", facts: { waiting: true }, ...change });

/** The approval of the newest transaction's only entry. */
function approving(ledger, keys, { entry: change = {}, ...value } = {}) {
	const body = Buffer.concat([ledger.prev, Buffer.alloc(4)]);
	const said = Buffer.concat([Buffer.from(`DSSEv1 ${APPROVAL.length} ${APPROVAL} ${body.length} `), body]);
	return { ...ledger.entry("approve", [[MEMBER, 1, 9], [ISSUED + 3, 0, -9]]), principal: "approver/kim", businessDate: 100, inputs: { op: { case: "approve", value: {
		command: { seq: BigInt(ledger.leaves.length - 1), index: 0 }, signature: sign(null, said, keys.privateKey), keyId: keys.id, ...value } } }, ...change };
}

/** A ledger in which an approval is spoilt by `how`: {registered, asked, approved}, changes of the three entries. */
function approved({ registered = {}, asked = {}, approved: last = {}, by } = {}) {
	const keys = newKeys();
	const ledger = new Ledger().earn(1, 4);
	ledger.add([approver(ledger, keys, registered)], { program: 0 });
	ledger.add([asking(ledger, asked)]);
	ledger.add([approving(ledger, by ?? keys, { keyId: keys.id, ...last })]);
	return ledger;
}

test("audit: an adjust that waits is approved once, by the key of another principal", async t => {
	for (const registered of [{}, { until: 100 }])
		assert.equal((await auditOf(t, approved({ registered }))).status, "OK");
	const rows = [
		[{ by: newKeys() }, 5, "inputs.approve.signature", /not a signature of 4\.0/],
		[{ approved: { signature: Buffer.alloc(0) } }, 5, "inputs.approve.signature", /not a signature/],
		[{ approved: { keyId: Buffer.alloc(8) } }, 5, "inputs.approve.key_id", /it is 0{16}, and [0-9a-f]{16} is the key of approver\/kim/],
		[{ approved: { command: { seq: 2n, index: 0 } } }, 5, "inputs.approve.command", /2\.0 is no adjust of this program that waits/],
		[{ approved: { command: undefined } }, 5, "inputs.approve.command", /nothing is no adjust/],
		[{ approved: { entry: { principal: "approver/lee" } } }, 5, "principal", /no approver's key was registered/],
		[{ asked: { principal: "approver/kim" } }, 5, "principal", /it approves 4\.0, which is its own/],
		[{ registered: { until: 99 } }, 5, "principal", /had ended by then/],
		[{ registered: { principal: "operator/ann" } }, 3, "inputs.approver_key.principal", /"operator\/ann" is no approver/],
		[{ registered: { publicKey: Buffer.alloc(31) } }, 3, "inputs.approver_key.public_key", /31 bytes/],
		[{ asked: { inputs: { op: { case: "redeem", value: {} } } } }, 4, "facts.waiting", /only an adjust that moves nothing waits/],
	];
	for (const [how, seq, field, words] of rows) {
		const report = await finding(t, approved(how));
		assert.match(report.message, words);
		assert.deepEqual([report.seq, report.field], [seq, field], report.message);
	}
	const twice = approved();
	const again = { ...twice.entry("approve", [], [1]), principal: "approver/kim", inputs: { op: { case: "approve", value: { command: { seq: 4n, index: 0 } } } } };
	assert.match((await finding(t, twice.add([again]))).message, /4\.0 is no adjust of this program that waits/);
	const moving = new Ledger().earn(1, 4);
	moving.add([{ ...moving.entry("adjust", [[MEMBER, 1, 1], [ISSUED + 3, 0, -1]]), facts: { waiting: true } }]);
	assert.equal((await finding(t, moving)).field, "facts.waiting");
	const inside = new Ledger().earn(1, 4);
	inside.add([approver(inside, newKeys())]);
	assert.match((await finding(t, inside)).message, /belongs to no program|programs? 1|program_version/);
});

// ---- hostile bytes ----

function varint(n) {
	const bytes = [];
	for (; n > 127; n = Math.floor(n / 128))
		bytes.push(n % 128 + 128);
	return Buffer.from([...bytes, n]);
}

function field(no, bytes) {
	return Buffer.concat([varint(no * 8 + 2), varint(bytes.length), bytes]);
}

/** A transaction of made-up bytes, well signed. */
function raw(ledger, transaction) {
	ledger.leaves.push(Buffer.from(signed(transaction, ledger.transaction)));
	return ledger;
}

test("audit: leaves that are no transactions: truncated, endless lengths, groups, a leaf above the limit", async t => {
	const good = new Ledger().earn(1, 4);
	const whole = good.leaves[2];
	const bytes = [
		Buffer.alloc(0), Buffer.of(0x0a), Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]), Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
		Buffer.alloc(60000, 0x0b), Buffer.alloc(60000, 0xff), Buffer.alloc(60000, 0x80), Buffer.alloc(65535), Buffer.alloc(60001, 0x0a),
		...Array.from({ length: 40 }, (_, i) => whole.subarray(0, Math.floor(whole.length * i / 40))),
	];
	for (const leaf of bytes) {
		const ledger = new Ledger();
		ledger.leaves.push(leaf);
		const report = await finding(t, ledger);
		assert.deepEqual([report.seq, report.file], [2, "tile/entries/000.p/3"], report.message);
	}
	const bodies = [Buffer.alloc(0), Buffer.of(0x32), Buffer.from([0x32, 0xff, 0xff, 0xff, 0xff, 0x07]), Buffer.alloc(50000, 0x33), field(6, field(15, Buffer.alloc(40000, 0x0b))),
		Buffer.concat(Array(14000).fill(field(6, Buffer.alloc(0)))), field(6, Buffer.concat(Array(11000).fill(field(17, Buffer.of(8, 1))))),
		field(6, Buffer.concat(Array(14000).fill(field(15, Buffer.alloc(0)))))];
	for (const body of bodies)
		assert.equal((await finding(t, raw(new Ledger(), body))).seq, 2);
});

test("audit: an entry that fills a leaf with touched members is read, and found wrong in a moment", async t => {
	const ledger = new Ledger();
	const members = Array.from({ length: 3500 }, (_, i) => i + 1);
	ledger.add([ledger.entry("freeze", [], members)]);
	assert.ok(ledger.leaves[2].length > 40000);
	const report = await auditOf(t, ledger);
	assert.deepEqual([report.status, report.members], ["OK", 3500], report.message);
});

test("audit: random bytes in a leaf give a finding, and nothing else", () => {
	const ledger = new Ledger().earn(1, 4);
	const keys = { transaction: ledger.transaction.raw, checkpoint: ledger.checkpoint.raw };
	let seed = 7;
	const dice = n => {
		seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
		return (seed >>> 8) % n;
	};
	const whole = message("ledger.v1.Transaction", { origin: ledger.origin, seq: 3n, prev: ledger.prev, committedAt: 9999n, program: 1, entries: [earned(ledger)] });

	for (let i = 0; i < 3000; i++) {
		const body = Buffer.from(whole);
		for (let n = 1 + dice(3); n > 0; n--)
			body[dice(body.length)] = dice(256);
		const leaf = Buffer.from(signed(body.subarray(0, dice(4) > 0 ? body.length : dice(body.length)), ledger.transaction));
		try {
			checkLeaf(leaf, { seq: 3, origin: ledger.origin, before: undefined, keys });
		} catch (e) {
			assert.equal(e.name, "Finding", e.stack);
		}
	}
	for (const bundle of [Buffer.of(0), Buffer.of(0xff, 0xff), Buffer.of(0, 1), Buffer.alloc(3)])
		assert.throws(() => cutBundle(bundle, 2, { file: "f", first: 0 }), { name: "Finding" });
});

// ---- where it comes from ----

/** An HTTP server of files, or of what `answer(name, response)` does. */
async function serve(t, files, answer) {
	const asked = [];
	const server = createServer((request, response) => {
		const name = request.url.replace("/log/", "");
		asked.push(name);
		if (answer?.(name, response))
			return;
		const bytes = files.get(name);
		response.writeHead(bytes === undefined ? 404 : 200, { "content-type": "application/octet-stream" });
		response.end(bytes);
	});
	await new Promise(resolve => server.listen(0, "127.0.0.1", resolve));
	t.after(() => {
		server.closeAllConnections();
		server.close();
	});
	return { url: `http://127.0.0.1:${server.address().port}/log/`, asked };
}

test("audit: over HTTP it says the same, and asks for each file once", async t => {
	const ledger = new Ledger().grow(1500);
	const files = ledger.files();
	const server = await serve(t, files);
	const options = { vkey: parseVkey(ledger.vkey) };
	const report = await audit(openSource(server.url), options);
	const local = await auditOf(t, ledger);
	const timeless = ({ seconds, rate, ...rest }) => rest;
	assert.deepEqual([report.status, typeof report.seconds, typeof report.rate], ["OK", "number", "number"]);
	assert.deepEqual(timeless(report), timeless(local));
	assert.deepEqual([...new Set(server.asked)].sort(), [...files.keys()].sort());
	assert.ok(server.asked.length <= files.size + 1, "the genesis' bundle twice at most");
	files.delete("tile/entries/003");
	assert.equal((await audit(openSource(server.url), options)).message, "tile/entries/003: it is missing");
});

test("audit: a server that fails, hangs up, or sends too much", async t => {
	const ledger = new Ledger().grow(10);
	const files = ledger.files();
	let times = 0;
	const flaky = await serve(t, files, (name, response) => {
		if (++times % 3 !== 1)
			return false;
		if (times % 2 === 0)
			response.writeHead(503).end();
		else
			response.destroy();
		return true;
	});
	assert.equal((await audit(openSource(flaky.url))).status, "OK", "it is asked again");
	const dead = await serve(t, files, (_, response) => response.writeHead(500).end());
	await assert.rejects(audit(openSource(dead.url)), { name: "Obstacle", kind: "unreachable" });
	const endless = await serve(t, files, (name, response) => {
		if (name === "checkpoint")
			return false;
		response.writeHead(200);
		const timer = setInterval(() => response.write(Buffer.alloc(1 << 20)), 1);
		response.on("close", () => clearInterval(timer));
		return true;
	});
	const report = await audit(openSource(endless.url));
	assert.match(report.message, /it is longer than \d+ bytes, which no such file of a log is/);
});

// ---- the program ----

test("audit: the program's exit codes and words", async t => {
	const ledger = new Ledger().grow(300);
	const dir = written(t, ledger.files());
	const good = await run(dir, "--vkey", ledger.vkey);
	assert.deepEqual([good.code, good.err], [0, ""]);
	assert.match(good.out, /^test\.example\/made-up holds: 302 transactions, 302 entries, 302 signatures\.\nRoot [0-9a-f]{64}\.\n {2}shop, 1 version, 5 members: member 1197,/);
	assert.doesNotMatch(good.out, /Remark/);
	assert.match((await run(dir)).out, /Remark: neither --vkey nor --public-key was given, so the log was verified by the keys that stand in itself/);
	const json = JSON.parse((await run(dir, "--json", "--threads", "1", "--public-key", ledger.transaction.raw.toString("hex"))).out);
	assert.deepEqual([json.status, json.transactions, json.key_given], ["OK", 302, true]);
	const shown = await run(dir, "--progress");
	assert.match(shown.err, /302 of 302 transactions, 100 %/);
	writeFileSync(join(dir, "seen"), ledger.note(ledger.leaves.slice(0, 100)));
	assert.equal((await run(dir, "--seen", join(dir, "seen"))).code, 0);

	const usage = [[], [dir, dir], [dir, "--nonsense"], [dir, "--vkey", "x"], [dir, "--threads", "0"], [dir, "--threads", "99"], [dir, "--public-key", "ab"], [dir, "--seen", "/nowhere"],
		[join(dir, "nowhere")], [join(dir, "checkpoint")], [join(dir, "tile")]];
	for (const words of usage) {
		const done = await run(...words);
		assert.deepEqual([done.code, done.out, done.err.split("\n").length], [2, "", 2], `${words}: ${done.err}`);
		const said = JSON.parse((await run(...words, "--json")).out);
		assert.equal(said.status, "INVALID_ARGUMENT");
		assert.ok(done.err.includes(said.message));
	}
	assert.equal((await run("http://127.0.0.1:1/", "--json")).code, 3);
	assert.match((await run("--help")).out, /^Usage: fealty-audit/);

	rmSync(join(dir, "tile/entries/000"));
	mkdirSync(join(dir, "tile/entries/000"));
	const bad = await run(dir, "--vkey", ledger.vkey, "--json");
	const said = JSON.parse(bad.out);
	assert.deepEqual([bad.code, said.status, said.reason, said.file, said.message], [1, "DATA_LOSS", "LEDGER_BROKEN", "tile/entries/000",
		"tile/entries/000: it is not a regular file"]);
	assert.match((await run(dir)).out, /does not hold:\n {2}tile\/entries\/000: it is not a regular file\n0 transactions before that were replayed\.\n/);
});

test("audit: a FIFO in the place of a file does not make it wait", async t => {
	const ledger = new Ledger().grow(3);
	const dir = written(t, ledger.files());
	rmSync(join(dir, "tile/0/000.p/5"));
	await new Promise((resolve, reject) => execFile("mkfifo", [join(dir, "tile/0/000.p/5")], e => (e ? reject(e) : resolve())));
	const done = await run(dir);
	assert.deepEqual([done.code, done.signal], [1, null]);
	assert.match(done.out, /tile\/0\/000\.p\/5: it is not a regular file/);
});
