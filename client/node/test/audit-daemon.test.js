// Two auditors, one ledger: what this one reads off an export, and what `fealty audit` finds in the ledger itself, are the same numbers.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { audit } from "../audit/auditor.js";
import { parseVkey } from "../audit/note.js";
import { openSource } from "../audit/source.js";
import { EXAMPLES, PROGRAM, daemon } from "./lib/daemon.js";

const MAIN = fileURLToPath(new URL("../audit/main.js", import.meta.url));
const run = promisify(execFile);
const SHARED = ["status", "origin", "transactions", "entries", "signatures", "members", "head_seq", "root", "transaction_key", "programs"];

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
		{ op: "adjust", member, points, reason: "gift", last_day: "2027-01-31" }, { op: "tier", member, tier: "gold", reason: "gift" }, { op: "birthday", member },
		{ op: "freeze", member, reason: "check" }, { op: "unfreeze", member },
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
			if (commands[i].op === "hold" && dice(2) === 0)
				await client.capture({ member: commands[i].member, hold: commands[i].key, points: "1", at }).then(() => count("capture", true), () => {});
		}
	}
	return seen;
}

test("audit: a year and a half of mixed days: both auditors have equal numbers", async t => {
	const ledger = await daemon(t, { program: { ...PROGRAM, expiry: { after: { months: 6 }, round_up_to: "month" } } });
	const client = await ledger.client(t);
	const dice = makeDice(4);
	const members = 60;
	const begin = Date.parse("2026-01-05T09:00:00Z");

	await client.batch(Array.from({ length: members }, (_, i) => ({ op: "enrol", member: `m${i}`, birthday: `0${1 + i % 9}-15`, at: new Date(begin) })));
	const seen = await live(client, { dice, members, days: 60, each: 40, begin });
	for (const op of ["purchase", "return", "redeem", "hold", "activity", "transfer", "advance", "adjust", "tier", "freeze", "unfreeze", "reverse", "capture"])
		assert.ok(seen[`${op} done`] > 0, `${op} must have been done: ${JSON.stringify(seen)}`);
	const at = new Date(begin + 61 * 9 * 86400000);
	for (let i = 0; i < 12; i += 2)
		await client.merge({ member: `m${i}`, into: `m${i + 1}`, at });
	await client.enrol({ member: "last", at: new Date("2028-06-01") });
	await client.purchase({ member: "last", amount: "100" });
	await client.hold({ member: "last", points: "30" });
	const { ours } = await bothSay(ledger);
	const [{ accounts, members: n }] = ours.programs;
	assert.deepEqual([accounts.member, accounts.held, BigInt(accounts.debt) < 0n], ["70", "30", true]);
	assert.ok(ours.entries > 1000 && n === members + 1, JSON.stringify(ours));
	for (const name of ["issued", "redeemed", "expired", "adjusted", "clawed", "reinstated"])
		assert.notEqual(BigInt(accounts[name] ?? 0), 0n, `nothing moved on ${name}: ${JSON.stringify(accounts)}`);
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
