// A server that breaks the protocol: every call ends with a FealtyError, the connection is closed, the process goes on, and the next
// connection works.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import test from "node:test";

import { connect } from "../src/index.js";
import { Link } from "../src/link.js";
import { HELLO_OK, T, failure, fake, frame, header, message, pair, patience } from "./lib/fake.js";

const BUY = { member: "card:1", amount: "5" };

function varint(n) {
	const bytes = [];
	for (n = BigInt(n); n > 127n; n >>= 7n)
		bytes.push(Number(n & 127n) | 128);
	return Buffer.from([...bytes, Number(n)]);
}

/** A field of a message: length-delimited with bytes, a varint with a number. */
function field(number, value) {
	if (Buffer.isBuffer(value))
		return Buffer.concat([varint(number << 3 | 2), varint(value.length), value]);
	return Buffer.concat([varint(number << 3), varint(value)]);
}

function answer(tag, ...fields) {
	return frame(T.RESPONSE, tag, Buffer.concat(fields));
}

// What comes instead of an answer to the request with `tag`.
const HOSTILE = {
	"a length of 4 GiB": tag => header({ length: 0xffffffff, type: T.RESPONSE, tag }),
	"a length just above what was announced": tag => header({ length: HELLO_OK.reply_bytes_max + 1, type: T.RESPONSE, tag }),
	"version 2": tag => frame(T.RESPONSE, tag, undefined, { version: 2 }),
	"version 0": tag => frame(T.RESPONSE, tag, undefined, { version: 0 }),
	"type 0": tag => frame(0, tag),
	"type 13": tag => frame(13, tag),
	"type 255": tag => frame(255, tag),
	"a REQUEST": tag => frame(T.REQUEST, tag),
	"a BATCH": tag => frame(T.BATCH, tag),
	"a PING": tag => frame(T.PING, tag),
	"a second HELLO_OK": () => frame(T.HELLO_OK, 0, message("HelloOk", HELLO_OK)),
	"a flag that must be understood": tag => frame(T.RESPONSE, tag, undefined, { flags: 0x0100 }),
	"an answer with tag 0": () => frame(T.RESPONSE, 0),
	"an answer to nobody": () => frame(T.RESPONSE, 99),
	"an answer with the largest tag": () => frame(T.RESPONSE, 2n ** 64n - 1n),
	"a PUSH to a call": tag => frame(T.PUSH, tag, message("Push", { transactions: [Buffer.alloc(1)] })),
	"a PUSH with tag 0": () => frame(T.PUSH, 0),
	"a body that is no message": tag => answer(tag, Buffer.from("fffefdfcfb", "hex")),
	"text": () => Buffer.from("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
	"a length inside that lies": tag => answer(tag, Buffer.from([0x12, 0xff, 0xff, 0xff, 0x07]), Buffer.from("short")),
	"a length inside of 2^64": tag => answer(tag, Buffer.from([0x12]), varint(2n ** 64n - 1n)),
	"a varint that does not end": tag => answer(tag, Buffer.from([0x48]), Buffer.alloc(20, 0xff)),
	"half a varint": tag => answer(tag, Buffer.from([0x48, 0x80])),
	"field 0": tag => answer(tag, Buffer.from([0x02, 0x00])),
	"a wire type that is none": tag => answer(tag, Buffer.from([0x0f, 0x00])),
	"the end of a group that did not begin": tag => answer(tag, Buffer.from([0x0c])),
	"groups in groups": tag => answer(tag, Buffer.alloc(500000, 0xf3)),
	"messages in messages": tag => {
		let body = Buffer.alloc(0);
		for (let i = 0; i < 3000; i++)
			body = field(24, body);
		return answer(tag, field(43, field(10, body)), Buffer.from([0xff]));
	},
	"a member number that no number can say": tag => answer(tag, field(9, 2n ** 53n)),
	"a seq of 2^64 - 1": tag => answer(tag, field(35, 2n ** 64n - 1n)),
	"an instant in the year 292277": tag => answer(tag, Buffer.concat([varint(34 << 3 | 1), Buffer.from("ffffffffffffff7f", "hex")])),
	"a date in the year 5881580": tag => answer(tag, field(27, 0xfffffffe)),
	"half a million empty rows": tag => answer(tag, Buffer.alloc(2 * 500000, Buffer.from([0x6a, 0x00])), Buffer.from([0xff])),
	"a PONG that is none": () => frame(T.PONG, 0, Buffer.from([0xff])),
	"a GOAWAY that is none": () => frame(T.GOAWAY, 0, Buffer.from([0x0a, 0x7f])),
	"an ERROR that is none": () => frame(T.ERROR, 0, Buffer.from([0x12, 0x7f])),
};

for (const [name, make] of Object.entries(HOSTILE)) {
	test(`instead of an answer: ${name}`, async t => {
		const { server, client, c } = await pair(t);
		const [write, read] = [failure(client.purchase({ ...BUY, key: "w" })), failure(client.balance({ member: "m" }))];
		const subscription = client.subscribe({ credits: 1 });
		const tags = [await c.request(), await c.request(), await c.request()].map(r => r.tag);
		const next = failure(subscription.next());

		c.raw(make(tags[0]));
		await c.ended();
		const [w, r, s] = await Promise.all([write, read, next]);
		assert.deepEqual([w.reason, w.outcome, w.key, w.retryable], ["PROTOCOL", "unknown", "w", true]);
		assert.equal(s.reason, "PROTOCOL");
		assert.deepEqual([r.reason, r.outcome], ["PROTOCOL", "failed"]);

		const again = client.purchase({ ...BUY, key: "w" });
		const d = await server.next();
		await d.hello();
		d.respond((await d.request()).tag, { id: "1.0", replayed: true });
		assert.equal((await again).replayed, true);
	});
}

const HOSTILE_HELLO = {
	"text": Buffer.from("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"),
	"an answer": frame(T.RESPONSE, 1),
	"a GOAWAY": frame(T.GOAWAY, 0),
	"another version of the protocol": frame(T.HELLO_OK, 0, message("HelloOk", { ...HELLO_OK, version: 2 })),
	"no version": frame(T.HELLO_OK, 0),
	"64 KiB and a byte": header({ length: 65537, type: T.HELLO_OK }),
	"no message": frame(T.HELLO_OK, 0, Buffer.from([0x22, 0x50, 0x50])),
	"sizes of 2^64 - 1": frame(T.HELLO_OK, 0, Buffer.concat([field(1, 1), field(13, 2n ** 64n - 1n)])),
};

for (const [name, bytes] of Object.entries(HOSTILE_HELLO)) {
	test(`instead of HELLO_OK: ${name}`, async t => {
		const server = await fake(t);
		const opened = failure(connect({ address: server.address, wait_ms: 10000 }));
		const c = await server.next();

		await c.frame();
		c.raw(bytes);
		const e = await opened;
		assert.deepEqual([e.reason, e.outcome, e.status], ["PROTOCOL", "failed", "INTERNAL"]);
		await c.ended();
	});
}

test("limits of nothing and of everything do no harm", async t => {
	for (const limits of [{ in_flight_max: 0, frame_bytes_max: 0, batch_bytes_max: 0, batch_commands_max: 0, reply_bytes_max: 0, idle_ms: 0 },
		{ in_flight_max: 2 ** 32 - 1, frame_bytes_max: 2 ** 32 - 1, reply_bytes_max: 2 ** 32 - 1, idle_ms: 2 ** 32 - 1 }, { idle_ms: 1 }]) {
		const { client, c } = await pair(t, {}, limits);
		const reply = client.purchase(BUY);
		c.respond((await c.request()).tag, { id: "1.0" });
		assert.equal((await reply).id, "1.0");
		const refused = failure(client.purchase(BUY));
		c.raw(header({ length: 17 * 1024 * 1024, type: T.RESPONSE, tag: (await c.request()).tag }));
		assert.equal((await refused).reason, "PROTOCOL");
	}
});

test("flags that may be ignored are, and so are PONGs that nobody asked for", async t => {
	const { client, c } = await pair(t);
	const reply = client.balance({ member: "m" });
	const { tag } = await c.request();

	c.raw(frame(T.PONG, 5, message("Pong", { nonce: 2n ** 53n - 1n })));
	c.raw(frame(T.RESPONSE, tag, message("Response", { available: "1" }), { flags: 0x00ff }));
	assert.equal((await reply).available, "1");
});

test("a frame that does not end in time loses the connection, however busily it drips", async t => {
	const server = await fake(t);
	const ended = new Promise(resolve => {
		const link = new Link({ target: { path: server.address.slice(5) }, hello: {}, connectMs: 1000, frameMs: 150,
			on: { ready: () => {}, frame: () => {}, writable: () => {}, down: resolve } });
		t.after(() => link.close());
	});
	const c = await server.next();
	await c.hello();
	c.raw(header({ length: 1000, type: T.RESPONSE, tag: 1 }));
	const began = performance.now();
	const drip = setInterval(() => c.raw(Buffer.from([0])), 10);
	const { kind, error } = await patience(ended, "the end of the link");
	clearInterval(drip);
	assert.equal(kind, "lost");
	assert.match(error.message, /did not finish a frame/);
	assert.ok(performance.now() - began < 2000);
	await c.ended();
});

test("an endless body costs no more memory than its frame may have", async t => {
	const { client, c } = await pair(t);
	const ended = failure(client.purchase({ ...BUY, deadline_ms: 1000 }));
	const { tag } = await c.request();
	const before = process.memoryUsage().arrayBuffers;

	c.raw(header({ length: HELLO_OK.reply_bytes_max, type: T.RESPONSE, tag }));
	for (let i = 0; i < 200; i++) {
		c.raw(Buffer.from([0x55]));
		await new Promise(resolve => setImmediate(resolve));
	}
	const more = process.memoryUsage().arrayBuffers - before;
	assert.ok(more < 24 * 1024 * 1024, `${more} bytes`);
	assert.equal((await ended).outcome, "unknown");
});

// A generator of numbers that gives the same ones each time.
function random(seed) {
	return n => {
		seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
		return Math.floor(seed / 2 ** 32 * n);
	};
}

/** A good stream with some of its bytes changed, cut out, or put in. */
function mutate(good, pick) {
	const bytes = [...good];

	for (let n = 1 + pick(4); n > 0; n--) {
		const at = pick(bytes.length);
		switch (pick(4)) {
		case 0: bytes[at] = pick(256); break;
		case 1: bytes[at] ^= 1 << pick(8); break;
		case 2: bytes.splice(at, 1 + pick(8)); break;
		default: bytes.splice(at, 0, ...Array.from({ length: 1 + pick(8) }, () => pick(256)));
		}
	}
	return Buffer.from(bytes);
}

test("mutated streams: 1000 connections, and no call is left, no exception, no handle", async t => {
	const pick = random(20261122);
	const reply = message("Response", { id: "1.0", granted: "5", available: "5", lots: [{ last_day: "2026-12-31", points: "5" }], seq: 12,
		counters: [{ id: "nights", count: 2 }], as_of: "2026-01-01T00:00:00Z", transaction: Buffer.from("abc") });
	const hello = frame(T.HELLO_OK, 0, message("HelloOk", HELLO_OK));
	const stream = Buffer.concat([frame(T.RESPONSE, 2, reply), frame(T.PONG, 0, message("Pong", { nonce: 0 })),
		frame(T.PUSH, 1, message("Push", { transactions: [Buffer.from("leaf")], first_seq: 0, last_seq: 0, head: 12 })),
		frame(T.RESPONSE, 3, message("BatchResponse", { outcome: {}, results: [{ id: "1.0" }] })), frame(T.GOAWAY, 0, message("Goaway", { message: "bye" }))]);
	const server = createServer(socket => {
		socket.on("error", () => {});
		socket.once("data", () => {
			socket.write(pick(3) === 0 ? mutate(hello, pick) : hello);
			socket.once("data", () => socket.end(pick(8) === 0 ? Buffer.from(Array.from({ length: 200 }, () => pick(256))) : mutate(stream, pick)));
		});
	}).listen(0, "127.0.0.1");
	await once(server, "listening");
	t.after(() => server.close());
	const address = `127.0.0.1:${server.address().port}`;
	const ends = { opened: 0, closed: 0, answered: 0, failed: 0 };

	async function one() {
		let client;
		try {
			client = await connect({ address, deadline_ms: 15, connect_ms: 50, backoff_min_ms: 1, backoff_max_ms: 1 });
			ends.opened++;
		} catch (e) {
			assert.equal(e.name, "FealtyError", e.stack);
			ends.closed++;
			return;
		}
		const subscription = client.subscribe({ deadline_ms: 15 });
		const calls = [client.purchase(BUY), client.batch([{ op: "purchase", ...BUY }]), subscription.next()];
		for (const end of await patience(Promise.allSettled(calls), "the end of the calls")) {
			ends[end.status === "fulfilled" ? "answered" : "failed"]++;
			assert.ok(end.status === "fulfilled" || end.reason.name === "FealtyError", end.reason?.stack);
		}
		await patience(client.disconnect(), "the end");
	}
	for (let round = 0; round < 100; round++)
		await Promise.all(Array.from({ length: 10 }, one));
	t.diagnostic(JSON.stringify(ends));
	assert.ok(ends.opened > 500 && ends.closed > 50 && ends.answered > 300 && ends.failed > 500, JSON.stringify(ends));
});
