// The parts that need no socket: frames, keys, times, addresses, and plain objects against messages.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";

import { parseAddress } from "../src/address.js";
import { FrameReader, TYPE, encodeFrame } from "../src/frame.js";
import { KeySource, isKey, newKey } from "../src/key.js";
import { decodePlain, encodePlain, wire } from "../src/message.js";
import { OPS, encodeRequest, readResponse, requestOf } from "../src/ops.js";
import { formatDay, formatInstant, parseDay, parseInstant } from "../src/time.js";

const here = fileURLToPath(new URL(".", import.meta.url));

/** Whole frames of WIRE.md: the hexadecimal columns of the example that follows `title`. */
function example(title, n = 0) {
	const text = readFileSync(join(here, "../../../proto/WIRE.md"), "utf8");
	const block = text.slice(text.indexOf(title)).split("```")[1].split("\n\n")[n];

	return Buffer.from([...block.matchAll(/^((?:[0-9a-f]{2} {0,2})+)/gm)].map(m => m[1].replaceAll(" ", "")).join(""), "hex");
}

test("frames: the examples of WIRE.md", () => {
	const hello = encodePlain(wire("Hello"), { version_min: 1, version_max: 1, client_name: "till", client_version: "1.0", principal: "pos/0042/07" });
	assert.deepEqual(encodeFrame(TYPE.HELLO, 0, hello), example("**HELLO** of the till"));

	const purchase = requestOf("purchase", { key: "07-20260312-0031", member: "card:8801", amount: "12.50" }, {});
	assert.deepEqual(encodeFrame(TYPE.REQUEST, 2, encodeRequest(purchase)), example("**A purchase** of 12.50"));

	const hello_ok = example("**HELLO_OK**, 81 bytes");
	assert.deepEqual(decodePlain(wire("HelloOk"), hello_ok.subarray(16)), {
		version: 1, server_version: "1.0", origin: "ledger.example/acme", principal: "pos/0042/07", frame_bytes_max: 65536, batch_bytes_max: 1048576,
		batch_commands_max: 1000, reply_bytes_max: 1048576, in_flight_max: 64, idle_ms: 600000, size: 1205,
	});
	const balance = example("**A balance**, asked", 1);
	assert.deepEqual(readResponse(balance.subarray(16)), {
		status: "OK", member_no: 17, available: "120", pending: "0", held: "0", debt: "0", tier: "silver", seq: 1204,
	});
});

test("frames: a stream cut anywhere gives the same frames", () => {
	const bodies = [Buffer.alloc(0), Buffer.from("a"), Buffer.alloc(300, 7), Buffer.alloc(0), Buffer.alloc(70000, 9)];
	const stream = Buffer.concat(bodies.map((body, i) => encodeFrame(TYPE.RESPONSE, i + 1, body)));

	for (const size of [1, 2, 15, 16, 17, 33, 1000, 65536, stream.length]) {
		const reader = new FrameReader(() => {});
		const got = [];
		for (let at = 0; at < stream.length; at += size)
			got.push(...reader.frames(stream.subarray(at, at + size)));
		assert.deepEqual(got.map(f => f.tag), [1, 2, 3, 4, 5], `pieces of ${size}`);
		assert.ok(got.every((f, i) => Buffer.compare(f.body, bodies[i]) === 0), `pieces of ${size}`);
		assert.equal(reader.partial, false);
	}
});

test("frames: a header is judged before anything of its body is kept", () => {
	const judged = [];
	const reader = new FrameReader(h => {
		judged.push(h);
		throw new Error("no");
	});
	const bytes = encodeFrame(TYPE.RESPONSE, 3);

	bytes.writeUInt32BE(0xffffffff, 0);
	assert.deepEqual([...reader.frames(bytes.subarray(0, 15))], []);
	assert.throws(() => [...reader.frames(bytes.subarray(15))], /no/);
	assert.deepEqual(judged, [{ bodyBytes: 0xffffffff, version: 1, type: TYPE.RESPONSE, flags: 0, tag: 3 }]);
});

test("keys sort in the order in which they were made, also when the clock goes back", () => {
	let now = 1700000000000;
	const source = new KeySource(() => now);
	const keys = [];
	for (let i = 0; i < 3000; i++) {
		now += [0, 0, 0, 1, -5][i % 5];
		keys.push(source.next());
	}
	assert.deepEqual(keys, [...keys].sort());
	assert.equal(new Set(keys).size, keys.length);
	assert.ok(keys.every(key => /^[0-9A-HJKMNP-TV-Z]{26}$/.test(key)));
	assert.equal(new KeySource(() => 1469918176385).next().slice(0, 10), "01ARYZ6S41");	// of the ULID specification
	assert.ok(isKey(newKey()));
	for (const bad of ["", "a b", "ä", "x".repeat(65), 5, undefined])
		assert.equal(isKey(bad), false, String(bad));
});

test("instants: RFC 3339 and Date", () => {
	const cases = [
		["1970-01-01T00:00:00Z", 0n, "1970-01-01T00:00:00Z"],
		["2026-03-12T09:30:00+09:00", 1773275400000000n, "2026-03-12T00:30:00Z"],
		["2026-03-12T00:00:00-05:30", 1773293400000000n, "2026-03-12T05:30:00Z"],
		["1969-12-31T23:59:59.999999Z", -1n, "1969-12-31T23:59:59.999999Z"],
		["2024-02-29t12:00:00.5z", 1709208000500000n, "2024-02-29T12:00:00.500000Z"],
		["0001-01-01T00:00:00Z", -62135596800000000n, "0001-01-01T00:00:00Z"],
		["9999-12-31T23:59:59Z", 253402300799000000n, "9999-12-31T23:59:59Z"],
	];
	for (const [text, us, back] of cases) {
		assert.equal(parseInstant(text), us, text);
		assert.equal(formatInstant(us), back);
	}
	assert.equal(parseInstant(new Date("2026-03-12T00:30:00.123Z")), 1773275400123000n);
	for (const bad of ["2026-02-29T00:00:00Z", "2026-03-12", "2026-03-12T09:30:00", "2026-03-12T24:00:00Z", "2026-03-12T09:30:00.1234567Z",
		"2026-13-01T00:00:00Z", new Date(NaN), 5, null, "x"])
		assert.equal(parseInstant(bad), undefined, String(bad));
	assert.equal(formatInstant(2n ** 63n - 1n), undefined);
	assert.equal(formatInstant(-(2n ** 63n)), undefined);
});

test("dates", () => {
	for (const [text, days] of [["1970-01-01", 0], ["1969-12-31", -1], ["2024-02-29", 19782], ["0001-01-01", -719162], ["9999-12-31", 2932896]]) {
		assert.equal(parseDay(text), days, text);
		assert.equal(formatDay(days), text);
	}
	for (const bad of ["2026-02-29", "2026-1-1", "0000-01-01", "26-01-01", "", 7, new Date()])
		assert.equal(parseDay(bad), undefined, String(bad));
	for (const days of [2932897, -719163, 2 ** 31 - 1, -(2 ** 31)])
		assert.equal(formatDay(days), undefined);
});

test("addresses", () => {
	assert.deepEqual(parseAddress("unix:/run/fealty/fealtyd.sock"), { path: "/run/fealty/fealtyd.sock" });
	assert.deepEqual(parseAddress("/tmp/s"), { path: "/tmp/s" });
	assert.deepEqual(parseAddress("127.0.0.1:7450"), { host: "127.0.0.1", port: 7450 });
	assert.deepEqual(parseAddress("[::1]:7450"), { host: "::1", port: 7450 });
	assert.deepEqual(parseAddress("127.8.8.8:1"), { host: "127.8.8.8", port: 1 });
	assert.deepEqual(parseAddress("[::ffff:127.0.0.1]:1"), { host: "::ffff:127.0.0.1", port: 1 });
	const neither = ["", undefined, "unix:", `unix:/${"x".repeat(107)}`, "unix:/a\0b", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "::1:5", "[127.0.0.1]:5", "http://x",
		"tls:ledger.example.com:7450", "1.2.3:7450", "256.0.0.1:7450", "a..b:7450", "-a:7450", `${"a.".repeat(127)}aa:7450`, "a b:7450", "a/b:7450", "caf\u00e9.example:7450"];
	const secureOnly = ["localhost:7450", "ledger.example.com:7450", "xn--caf-dma.example:7450", "10.0.0.1:7450", "0.0.0.0:7450", "128.0.0.1:7450", "[::]:7450", "[2001:db8::1]:7450",
		"[::ffff:10.0.0.1]:7450"];
	for (const bad of [...neither, ...secureOnly])
		assert.throws(() => parseAddress(bad), { name: "FealtyError", reason: "INVALID_ARGUMENT", field: "address" }, String(bad));
	for (const bad of neither.filter(address => !String(address).startsWith("unix:")))
		assert.throws(() => parseAddress(bad, true), { reason: "INVALID_ARGUMENT", field: "address" }, String(bad));
	for (const good of secureOnly)
		assert.equal(parseAddress(good, true).port, 7450, good);
});

test("what is wrong in a command is named", () => {
	const cases = [
		["purchase", { member: "m", amount: 12.5 }, "amount", /must be a text: "12.5"/],
		["purchase", { member: "m", amount: 5n }, "amount"],
		["purchase", { member: "m", amuont: "5" }, "amuont", /is not known/],
		["purchase", { member: "m", amount: "5", lines: [{ sku: "a" }, { qty: -1 }] }, "lines[1].qty"],
		["purchase", { member: "m", amount: "5", lines: {} }, "lines"],
		["purchase", { member: "m", amount: "5", key: "a b" }, "key"],
		["purchase", { member: "\ud800", amount: "5" }, "member", /surrogate/],
		["purchase", { member: "m", amount: "5", occurred_at: "yesterday" }, "occurred_at"],
		["purchase", { member: "m", amount: "5", terminal_seq: 1.5 }, "terminal_seq"],
		["purchase", { member: "m", amount: "5", terminal_seq: 2n ** 64n }, "terminal_seq"],
		["purchase", { member: "m", amount: "5", want_receipt: "yes" }, "want_receipt"],
		["adjust", { member: "m", points: "5", reason: "x", last_day: new Date() }, "last_day"],
		["publish", { definition: { id: "p", earn: [{ on: "purchas" }] } }, "definition.earn[0].on", /purchase, activity, enrol/],
		["publish", { definition: { expiry: "sometimes" } }, "definition.expiry"],
		["publish", { definition: { expiry: { never: {}, after: { days: 1 } } } }, "definition.expiry.after", /excludes/],
		["history", { member: "m", limit: 2 ** 32 }, "limit"],
		["history", { member: "m", __proto__: null, ["constructor"]: "x" }, "constructor"],
	];
	for (const [op, fields, field, message = /./] of cases)
		assert.throws(() => requestOf(op, fields, {}), { name: "FealtyError", status: "INVALID_ARGUMENT", field, message }, field);
});

test("what is null or undefined is left out; an empty list is said where it matters", () => {
	const plain = op => decodePlain(wire("Request"), encodeRequest(op));

	assert.deepEqual(plain(requestOf("hold", { member: "m", points: "5", ttl: null, store: undefined }, { program: "acme" })),
		{ program: "acme", hold: { member: "m", points: "5" } });
	assert.deepEqual(plain(requestOf("balance", { member: "m", program: "other" }, { program: "acme" })), { program: "other", balance: { member: "m" } });
	assert.deepEqual(plain(requestOf("transaction", { seq: 0 }, { program: "acme" })), { transaction: { seq: 0 } });
	assert.deepEqual(plain(requestOf("profile", { member: "m", segments: [] }, {})), { profile: { member: "m", no_segments: true } });
	assert.deepEqual(plain(requestOf("return", { member: "m", purchase: "p", lines: [] }, {})), { return: { member: "m", purchase: "p", no_lines: true } });
	assert.deepEqual(plain(requestOf("purchase", { member: "m", amount: "5", lines: [] }, {})), { purchase: { member: "m", amount: "5" } });
	assert.deepEqual(plain(requestOf("profile", { member: "m", segments: ["vip"] }, {})), { profile: { member: "m", segments: ["vip"] } });
});

test("a program goes there and back, words as words", () => {
	const program = {
		id: "acme", points: { unit: "star", scale: 0 }, stacking: "best", carry_remainder: true,
		earn: [{ id: "base", on: "purchase", kind: "base", per_amount: { amount: "1000", points: "1" }, caps: [{ per: "day", count: 3, over: "reject" }] }],
		expiry: { after: { months: 12 }, round_up_to: "month" },
		tiers: [{ id: "green", rank: 0, window: "lifetime", valid: { through: "end_of_year" } }, { id: "gold", window: { rolling_months: 12 }, expiry: "never" }],
		returns: { restore: { grace_days: 3 } },
	};
	const body = encodePlain(wire("Publish"), { definition: program });

	assert.deepEqual(decodePlain(wire("Publish"), body), { definition: program });
	assert.deepEqual(encodePlain(wire("Publish"), { definition: { expiry: { never: {} } } }), encodePlain(wire("Publish"), { definition: { expiry: "never" } }));
});

test("answers: maps, bytes that are a copy, fields of a later version, and a status that is none", () => {
	const body = Buffer.from(encodePlain(wire("Response"), {
		counters: [{ id: "nights", count: 19 }, { id: "__proto__", count: 1 }], remainder: [{ rule: "base", amount: "0.50" }, { rule: "empty" }],
		ends_at: "2026-03-12T09:30:00Z", tier_until: "2026-12-31", transaction: Buffer.from("abc"),
	}));
	const reply = readResponse(Buffer.concat([body, Buffer.from([0xfa, 0x3f, 1, 120])]));	// field 1023, a text

	assert.deepEqual(Object.entries(reply.counters), [["nights", 19], ["__proto__", 1]]);
	assert.deepEqual(reply.remainder, { base: "0.50" });
	assert.equal(reply.ends_at, "2026-03-12T09:30:00Z");
	assert.equal(reply.tier_until, "2026-12-31");
	assert.equal(reply.status, "OK");
	body.fill(0);
	assert.equal(Buffer.from(reply.transaction).toString(), "abc");
	assert.equal(readResponse(Buffer.from([8, 99])).status, "UNKNOWN");
	assert.equal(readResponse(Buffer.from([8, 14])).status, "UNAVAILABLE");
});

test("src/descriptor.js is that of proto/*.proto", () => {
	const dir = mkdtempSync(join(tmpdir(), "fn-"));
	try {
		execFileSync(join(here, "../tools/descriptor.sh"), [join(dir, "d.js")]);
		assert.ok(readFileSync(join(dir, "d.js")).equals(readFileSync(join(here, "../src/descriptor.js"))),
			"a .proto has changed: run client/node/tools/descriptor.sh, and add what is new to client/node/index.d.ts");
	} finally {
		rmSync(dir, { recursive: true });
	}
});

test("every op of fealty.proto has a method", () => {
	const ops = wire("Request").fields.filter(f => f.oneof !== undefined).map(f => f.name);

	assert.deepEqual(Object.entries(OPS).map(([name, row]) => row.field ?? name).sort(), ops.sort());
});
