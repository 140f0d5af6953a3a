// The client against a server that does what each case says: retries, deadlines, limits, endings.
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import test from "node:test";

import { connect } from "../src/index.js";
import { T, failure, fake, frame, header, message, pair, patience } from "./lib/fake.js";

const BUY = { member: "card:1", amount: "5" };
const UNAVAILABLE = { status: "UNAVAILABLE", reason: "UNAVAILABLE", retryable: true, field: "queue", message: "too many" };

test("HELLO says who we are; the reply has what the server said", async t => {
	const { client, c } = await pair(t, { principal: "backend/test", client_name: "shop", client_version: "7", size_seen: 4 });

	assert.deepEqual(c.said, { version_min: 1, version_max: 1, features: ["batch", "subscribe"], client_name: "shop", client_version: "7",
		principal: "backend/test", checkpoint_size: 4 });
	assert.equal(client.hello.origin, "test.example/fake");
	assert.equal(client.connected, true);
	assert.equal(client.size_seen, 10);
	const bought = client.purchase({ ...BUY, occurred_at: new Date(1000), terminal_seq: 9n });
	const { plain, tag, flags } = await c.request();
	assert.deepEqual({ ...plain, key: undefined, deadline_ms: undefined },
		{ key: undefined, deadline_ms: undefined, occurred_at: "1970-01-01T00:00:01Z", terminal_seq: 9, purchase: BUY });
	assert.match(plain.key, /^[0-9A-Z]{26}$/);
	assert.ok(plain.deadline_ms > 4000 && plain.deadline_ms <= 5000, plain.deadline_ms);
	assert.equal(flags, 0);
	c.respond(tag, { id: "10.0", granted: "5", wanted: "5", available: "5", seq: 10, member_no: 3 });
	assert.deepEqual(await bought, { status: "OK", key: plain.key, replayed: false, id: "10.0", granted: "5", wanted: "5", available: "5", seq: 10,
		member_no: 3, grants: [], expiring: [], notices: [], vouchers: [], counters: {}, remainder: {}, stamps: {}, stamp_debt: {} });
	assert.equal(client.size_seen, 11);
});

test("a refusal is a FealtyError with the reply", async t => {
	const { client, c } = await pair(t);
	const ended = failure(client.redeem({ member: "card:1", points: "9", key: "r-1" }));
	const { tag } = await c.request();

	c.respond(tag, { status: "FAILED_PRECONDITION", reason: "INSUFFICIENT_POINTS", field: "points", message: "5 are available", available: "5" });
	const e = await ended;
	assert.deepEqual({ ...e }, {
		name: "FealtyError", status: "FAILED_PRECONDITION", reason: "INSUFFICIENT_POINTS", outcome: "refused", retryable: false, attempts: 1, field: "points",
		key: "r-1", reply: { status: "FAILED_PRECONDITION", reason: "INSUFFICIENT_POINTS", field: "points", message: "5 are available", available: "5" },
	});
	assert.equal(e.message, "INSUFFICIENT_POINTS (points): 5 are available");
	assert.match(e.stack, /client\.test\.js/);
	assert.equal(JSON.parse(JSON.stringify(e)).message, e.message);
});

test("answers pair by tag, in any order", async t => {
	const { client, c } = await pair(t);
	const replies = ["1", "2", "3", "4"].map(n => client.balance({ member: n }));
	const requests = [];

	for (let i = 0; i < 4; i++)
		requests.push(await c.request());
	for (const i of [2, 0, 3, 1])
		c.respond(requests[i].tag, { available: requests[i].plain.balance.member });
	assert.deepEqual((await Promise.all(replies)).map(r => r.available), ["1", "2", "3", "4"]);
	assert.equal(new Set(requests.map(r => r.tag)).size, 4);
});

test("a lost connection: sent again under the same key, with the same bytes, in the same order", async t => {
	const { server, client, c } = await pair(t);
	const lost = [];
	client.on("disconnected", e => lost.push(e));
	const both = [client.purchase(BUY), client.redeem({ member: "card:1", points: "1" }), client.balance({ member: "card:1" })];
	const first = [await c.request(), await c.request(), await c.request()];

	c.destroy();
	const d = await server.next();
	await d.hello();
	for (const [i, before] of first.entries()) {
		const again = await d.request();
		assert.deepEqual({ ...again.plain, deadline_ms: 0 }, { ...before.plain, deadline_ms: 0 });
		assert.ok(again.plain.deadline_ms <= before.plain.deadline_ms, "the time that is left");
		assert.notEqual(again.tag, before.tag);
		d.respond(again.tag, { id: `${i}.0`, replayed: i === 0 });
	}
	const [bought] = await Promise.all(both);
	assert.equal(bought.replayed, true);
	assert.equal(bought.key, first[0].plain.key);
	assert.equal(lost.length, 1);
	assert.equal(lost[0].reason, "CONNECT");
});

test("a server that closes in the middle of a frame has crashed: sent again", async t => {
	const { server, client, c } = await pair(t);
	const bought = client.purchase(BUY);
	const { tag } = await c.request();

	c.raw(frame(T.RESPONSE, tag, message("Response", { id: "1.0" })).subarray(0, 18));
	c.end();
	const d = await server.next();
	await d.hello();
	d.respond((await d.request()).tag, { id: "1.0", replayed: true });
	assert.equal((await bought).replayed, true);
});

test("deadline: a write that was sent is unknown, a read has failed, what was not sent has failed", async t => {
	const { client, c } = await pair(t, {}, { in_flight_max: 2 });
	const write = failure(client.purchase({ ...BUY, deadline_ms: 80 }));
	const read = failure(client.balance({ member: "card:1", deadline_ms: 80 }));
	const unsent = failure(client.purchase({ ...BUY, deadline_ms: 80, key: "k" }));

	await c.request();
	await c.request();
	const [w, r, u] = await Promise.all([write, read, unsent]);
	assert.deepEqual([w.reason, w.outcome, w.retryable, w.attempts, w.status], ["DEADLINE", "unknown", true, 1, "DEADLINE_EXCEEDED"]);
	assert.match(w.message, /outcome is not known/);
	assert.equal(w.key.length, 26);
	assert.deepEqual([r.reason, r.outcome, r.attempts], ["DEADLINE", "failed", 1]);
	assert.deepEqual([u.reason, u.outcome, u.attempts, u.key], ["DEADLINE", "failed", 0, "k"]);
});

test("an answer after the deadline is dropped, and its tag is taken until then", async t => {
	const { client, c } = await pair(t, {}, { in_flight_max: 2 });
	const late = failure(client.purchase({ ...BUY, deadline_ms: 60 }));
	const held = client.balance({ member: "held" });
	const [one, two] = [await c.request(), await c.request()];
	await late;

	const next = client.balance({ member: "next" });
	await c.quiet();
	c.respond(one.tag, { id: "1.0" });
	const three = await c.request();
	c.respond(three.tag, { available: "3" });
	c.respond(two.tag, { available: "2" });
	assert.equal((await next).available, "3");
	assert.equal((await held).available, "2");
});

test("a server that answers nothing is left for another connection", async t => {
	const { server, client, c } = await pair(t, {}, { in_flight_max: 1 });
	const late = failure(client.purchase({ ...BUY, deadline_ms: 60 }));

	await c.request();
	assert.equal((await late).outcome, "unknown");
	await c.ended();
	const balance = client.balance({ member: "card:1" });
	const d = await server.next();
	await d.hello({ in_flight_max: 1 });
	d.respond((await d.request()).tag, { available: "1" });
	assert.equal((await balance).available, "1");
});

test("AbortSignal: before it is sent, in the queue, and in flight", async t => {
	const { client, c } = await pair(t, {}, { in_flight_max: 1 });
	const reason = new Error("the user left");
	const unused = new AbortController();
	const answered = client.balance({ member: "m", signal: unused.signal });
	c.respond((await c.request()).tag, {});
	await answered;
	assert.deepEqual(getEventListeners(unused.signal, "abort"), []);

	const before = await failure(client.purchase({ ...BUY, signal: AbortSignal.abort(reason) }));
	const flight = new AbortController(), queue = new AbortController();
	const flying = failure(client.purchase({ ...BUY, signal: flight.signal }));
	const queued = failure(client.purchase({ ...BUY, signal: queue.signal }));
	const { tag } = await c.request();

	queue.abort(reason);
	flight.abort(reason);
	const [f, q] = await Promise.all([flying, queued]);
	assert.deepEqual([before, f, q].map(e => [e.status, e.reason, e.outcome, e.cause]), [
		["CANCELLED", "ABORTED", "failed", reason], ["CANCELLED", "ABORTED", "unknown", reason], ["CANCELLED", "ABORTED", "failed", reason]]);
	await c.ended();			// its only place was taken by a call that nobody waits for
	assert.ok(tag > 0);
	assert.deepEqual([...getEventListeners(flight.signal, "abort"), ...getEventListeners(queue.signal, "abort")], []);
});

test("a refusal that is retryable is tried again, under the same key, after its time", async t => {
	const { client, c } = await pair(t);
	const bought = client.purchase(BUY);
	const first = await c.request();
	const began = performance.now();

	c.respond(first.tag, { ...UNAVAILABLE, retry_after_ms: 80 });
	const second = await c.request();
	assert.ok(performance.now() - began >= 79, "not before retry_after_ms");
	assert.equal(second.plain.key, first.plain.key);
	c.respond(second.tag, { id: "1.0" });
	assert.equal((await bought).id, "1.0");
});

test("a refusal that is retryable is told when there is no time left", async t => {
	const { client, c } = await pair(t);
	const began = performance.now();
	const ended = failure(client.purchase({ ...BUY, deadline_ms: 3000 }));

	c.respond((await c.request()).tag, { ...UNAVAILABLE, retry_after_ms: 4000 });
	const e = await ended;
	assert.deepEqual([e.outcome, e.reason, e.retryable, e.retry_after_ms, e.attempts], ["refused", "UNAVAILABLE", true, 4000, 1]);
	assert.ok(performance.now() - began < 2000, "at once, not at the deadline");
	const late = failure(client.purchase({ ...BUY, deadline_ms: 150 }));
	c.respond((await c.request()).tag, { ...UNAVAILABLE, retry_after_ms: 20 });
	await c.request();
	assert.deepEqual([(await late).outcome, (await late).reason, (await late).attempts], ["unknown", "DEADLINE", 2]);
});

test("a refusal that did not look for an earlier sending leaves it unknown", async t => {
	for (const [refusal, outcome] of [[{ status: "PERMISSION_DENIED", reason: "PERMISSION_DENIED" }, "unknown"],
		[{ status: "RESOURCE_EXHAUSTED", reason: "RATE_LIMITED", retryable: true, retry_after_ms: 600000 }, "unknown"],
		[{ status: "RESOURCE_EXHAUSTED", reason: "CAP_REACHED" }, "refused"], [{ status: "NOT_FOUND", reason: "NOT_FOUND" }, "refused"]]) {
		const { server, client, c } = await pair(t);
		const ended = failure(client.purchase(BUY));
		await c.request();
		c.destroy();
		const d = await server.next();
		await d.hello();
		d.respond((await d.request()).tag, refusal);
		const e = await ended;
		assert.deepEqual([e.outcome, e.attempts, e.retryable], [outcome, 2, outcome === "unknown"]);
	}
});

test("codes after which the server itself does not know", async t => {
	const { client, c } = await pair(t);

	for (const [call, outcome] of [[() => client.purchase(BUY), "unknown"], [() => client.balance({ member: "m" }), "refused"]]) {
		const ended = failure(call());
		c.respond((await c.request()).tag, { status: "INTERNAL", reason: "INTERNAL" });
		assert.equal((await ended).outcome, outcome);
	}
	const ended = failure(client.purchase(BUY));
	c.raw(frame(T.RESPONSE, (await c.request()).tag, Buffer.from([8, 77])));		// a status of a later version
	assert.deepEqual([(await ended).status, (await ended).outcome], ["UNKNOWN", "unknown"]);
});

test("no more in flight than the server allows", async t => {
	const { client, c } = await pair(t, {}, { in_flight_max: 3 });
	const replies = Array.from({ length: 8 }, (_, i) => client.balance({ member: String(i) }));

	for (let answered = 0; answered < 8;) {
		const seen = [];
		for (let i = 0; i < Math.min(3, 8 - answered); i++)
			seen.push(await c.request());
		await c.quiet(20);
		for (const { tag } of seen)
			c.respond(tag);
		answered += seen.length;
	}
	assert.equal((await Promise.all(replies)).length, 8);
});

test("queue_max calls wait, one more is refused", async t => {
	const { client } = await pair(t, { queue_max: 2 }, { in_flight_max: 1 });
	const waiting = [1, 2, 3].map(() => client.purchase(BUY));
	const e = await failure(client.purchase(BUY));

	assert.deepEqual([e.reason, e.outcome, e.retryable], ["QUEUE_FULL", "failed", true]);
	await client.disconnect({ now: true });
	const ends = await Promise.all(waiting.map(failure));
	assert.deepEqual(ends.map(x => [x.reason, x.outcome]), [["CLOSED", "unknown"], ["CLOSED", "failed"], ["CLOSED", "failed"]]);
});

test("what is too large is not sent, and harms nobody", async t => {
	const { client, c } = await pair(t, {}, { frame_bytes_max: 200, batch_bytes_max: 400, batch_commands_max: 3 });
	const long = "x".repeat(200);
	const commands = n => Array.from({ length: n }, () => ({ op: "purchase", ...BUY }));
	const ends = await Promise.all([client.purchase({ member: long, amount: "1" }), client.batch(commands(4)),
		client.batch([{ op: "purchase", member: long + long, amount: "1" }])].map(failure));

	assert.deepEqual(ends.map(e => [e.reason, e.outcome, e.attempts]), [["TOO_LARGE", "failed", 0], ["TOO_LARGE", "failed", 0], ["TOO_LARGE", "failed", 0]]);
	const good = client.batch(commands(3));
	const { type, tag } = await c.request();
	assert.equal(type, T.BATCH);
	c.send(T.RESPONSE, tag, "BatchResponse", { outcome: {}, results: [{ id: "1.0" }, {}, {}] });
	assert.equal((await good).results.length, 3);
});

test("batch: results one by one, with their keys", async t => {
	const { client, c } = await pair(t, { program: "acme" });
	const done = client.batch([{ op: "purchase", ...BUY }, { op: "redeem", member: "card:1", points: "9" }, { op: "purchase", ...BUY, key: "own" }],
		{ key: "upload-7", atomic: false });
	const { plain, tag } = await c.request();

	assert.deepEqual({ ...plain, deadline_ms: 0 }, { key: "upload-7", deadline_ms: 0, commands: [{ program: "acme", purchase: BUY },
		{ program: "acme", redeem: { member: "card:1", points: "9" } }, { program: "acme", key: "own", purchase: BUY }] });
	c.send(T.RESPONSE, tag, "BatchResponse", { outcome: {}, results: [{ id: "1.0", granted: "5" },
		{ status: "FAILED_PRECONDITION", reason: "INSUFFICIENT_POINTS", message: "no" }, { id: "1.1" }] });
	const { key, results } = await done;
	assert.equal(key, "upload-7");
	assert.deepEqual(results.map(r => r.ok), [true, false, true]);
	assert.deepEqual(results.map(r => (r.ok ? r.reply.key : r.error.key)), ["upload-7.1", "upload-7.2", "own"]);
	assert.deepEqual([results[1].error.outcome, results[1].error.reason], ["refused", "INSUFFICIENT_POINTS"]);
	assert.deepEqual(results[0].reply.grants, []);
});

test("batch: an atomic one that is refused is an error; a wrong number of answers breaks the protocol", async t => {
	const { client, c } = await pair(t);
	const commands = [{ op: "purchase", ...BUY }, { op: "redeem", member: "card:1", points: "9" }];
	const refused = failure(client.batch(commands, { atomic: true }));
	const one = await c.request();

	assert.equal(one.plain.atomic, true);
	c.send(T.RESPONSE, one.tag, "BatchResponse", { outcome: { status: "FAILED_PRECONDITION", reason: "INSUFFICIENT_POINTS", field: "commands[1].points" } });
	assert.equal((await refused).field, "commands[1].points");

	const short = failure(client.batch(commands));
	c.send(T.RESPONSE, (await c.request()).tag, "BatchResponse", { outcome: {}, results: [{ id: "1.0" }] });
	assert.deepEqual([(await short).reason, (await short).outcome], ["PROTOCOL", "unknown"]);
	await c.ended();
});

test("batch: what cannot be in one is refused before it is sent", async t => {
	const { client, c } = await pair(t);

	for (const [commands, field] of [[[{ op: "balance", member: "m" }], "commands[0].op"], [[{ op: "nothing" }], "commands[0].op"],
		[[{ op: "toString" }], "commands[0].op"], [[{ op: "purchase", ...BUY }, null], "commands[1]"], ["x", "commands"],
		[[{ op: "purchase", member: "m", amount: 3 }], "commands[0].amount"], [[{ op: "purchase", ...BUY, key: "a b" }], "commands[0].key"]])
		assert.deepEqual([(await failure(client.batch(commands))).reason, (await failure(client.batch(commands))).field], ["INVALID_ARGUMENT", field]);
	assert.equal((await failure(client.batch([], { key: "a b" }))).field, "key");
	assert.equal((await failure(client.batch([], { atmoic: true }))).field, "atmoic");
	await c.quiet();
});

test("GOAWAY: what is in flight is answered, what is new goes to the next connection", async t => {
	const { server, client, c } = await pair(t);
	const said = [];
	client.on("goaway", m => said.push(m));
	const first = client.purchase(BUY);
	const one = await c.request();

	c.send(T.GOAWAY, 0, "Goaway", { message: "an update" });
	await patience(new Promise(resolve => client.once("goaway", resolve)), "goaway");
	assert.equal(client.connected, false);
	const second = client.purchase(BUY);
	await c.quiet();
	c.respond(one.tag, { id: "1.0" });
	assert.equal((await first).id, "1.0");
	await c.ended();
	const d = await server.next();
	await d.hello();
	d.respond((await d.request()).tag, { id: "2.0" });
	assert.equal((await second).id, "2.0");
	assert.deepEqual(said, ["an update"]);
});

test("another ledger or another principal after a reconnect ends the client", async t => {
	for (const other of [{ origin: "test.example/other" }, { principal: "backend/other" }]) {
		const { server, client, c } = await pair(t);
		const bought = failure(client.purchase(BUY));
		await c.request();
		c.destroy();
		const d = await server.next();
		await d.hello(other);
		assert.deepEqual([(await bought).reason, (await bought).outcome], ["IDENTITY", "unknown"]);
		await d.ended();
		const after = await failure(client.balance({ member: "m" }));
		assert.deepEqual([after.reason, after.outcome], ["IDENTITY", "failed"]);
	}
	const server = await fake(t);
	const opened = failure(connect({ address: server.address, origin: "test.example/mine" }));
	await (await server.next()).hello();
	assert.match((await opened).message, /the ledger "test.example\/fake", not "test.example\/mine"/);
});

test("a ledger with fewer transactions than were seen is told", async t => {
	const { server, client, c } = await pair(t);
	const told = new Promise(resolve => client.once("rolled_back", resolve));
	const balance = client.balance({ member: "m" });

	await c.request();
	c.destroy();
	const d = await server.next();
	assert.equal((await d.hello({ size: 7 })).checkpoint_size, 10);
	d.respond((await d.request()).tag, { available: "1" });
	assert.equal((await balance).available, "1");
	assert.deepEqual(await told, { size: 7, size_seen: 10 });
	assert.equal(client.rolled_back, true);
	assert.equal(client.size_seen, 10);
});

test("back-off: failures in a row wait longer and longer", async t => {
	t.mock.method(Math, "random", () => 0.999);
	const { server, client, c } = await pair(t, { backoff_min_ms: 40, backoff_max_ms: 200 });
	const ended = failure(client.balance({ member: "m", deadline_ms: 900 }));
	const times = [];

	c.destroy();
	const until = performance.now() + 850;
	while (performance.now() < until) {
		const d = await Promise.race([server.next(), new Promise(resolve => setTimeout(resolve, until - performance.now()))]);
		if (d === undefined)
			break;
		times.push(performance.now());
		d.destroy();
	}
	const e = await ended;
	const gaps = times.slice(1).map((at, i) => at - times[i]);
	assert.ok(gaps.length >= 3 && gaps.length <= 6, `${gaps}`);
	for (const [i, least] of [78, 158, 198, 198].entries())
		assert.ok(gaps[i] === undefined || gaps[i] >= least, `${gaps}`);
	assert.match(e.message, /^no connection before the deadline; (the server closed|write EPIPE|read ECONNRESET)/);
	assert.equal(e.cause.reason, "CONNECT");
});

test("PING keeps the connection, and a silent server loses it", async t => {
	const { client, c } = await pair(t, { ping_ms: 40 });
	const lost = new Promise(resolve => client.once("disconnected", resolve));

	for (let i = 0; i < 3; i++) {
		const ping = await c.frame();
		assert.equal(ping.type, T.PING);
		c.send(T.PONG, ping.tag, "Pong", { nonce: 0 });
	}
	assert.equal(client.connected, true);
	assert.equal((await c.frame()).type, T.PING);
	await c.ended();
	assert.match((await patience(lost, "the loss")).message, /silent/);
	assert.equal(client.connected, false);
});

test("ping() has its own answer", async t => {
	const { client, c } = await pair(t, {}, { in_flight_max: 1 });
	const held = client.balance({ member: "m" });
	const { tag } = await c.request();
	const pinged = client.ping();
	const ping = await c.frame();

	assert.equal(ping.type, T.PING);
	c.send(T.PONG, 0, "Pong", { nonce: 987654 });
	c.send(T.PONG, ping.tag, "Pong", { nonce: ping.tag });
	assert.equal(await pinged, undefined);
	c.respond(tag, {});
	await held;
	assert.deepEqual([(await failure(client.ping({ deadline_ms: 40 }))).reason], ["DEADLINE"]);
});

test("a fatal ERROR ends the client", async t => {
	const server = await fake(t);
	const opened = failure(connect({ address: server.address, principal: "system" }));
	const c = await server.next();

	await c.frame();
	c.send(T.ERROR, 0, "Error", { reason: "PRINCIPAL_REFUSED", message: "not you" });
	const e = await opened;
	assert.deepEqual([e.status, e.reason, e.retryable], ["PERMISSION_DENIED", "PRINCIPAL_REFUSED", false]);
	assert.match(e.message, /PRINCIPAL_REFUSED: not you/);
	await c.ended();
	assert.equal(server.connections, 1);
});

test("an ERROR about one frame ends that call; the others are sent again", async t => {
	const { server, client, c } = await pair(t);
	const [bad, good] = [failure(client.purchase({ ...BUY, key: "bad" })), client.purchase({ ...BUY, key: "good" })];
	const one = await c.request();

	await c.request();
	c.send(T.ERROR, one.tag, "Error", { reason: "MALFORMED", message: "not a Request", tag: one.tag });
	const d = await server.next();
	await d.hello();
	const again = await d.request();
	assert.equal(again.plain.key, "good");
	d.respond(again.tag, { id: "1.0" });
	assert.equal((await good).id, "1.0");
	assert.deepEqual([(await bad).reason, (await bad).outcome], ["MALFORMED", "failed"]);
});

test("a passing ERROR is a lost connection", async t => {
	const { server, client, c } = await pair(t);
	const bought = client.purchase(BUY);

	await c.request();
	c.send(T.ERROR, 0, "Error", { reason: "SHUTTING_DOWN" });
	const d = await server.next();
	await d.frame();
	d.send(T.ERROR, 0, "Error", { reason: "TOO_MANY_CONNECTIONS" });
	const e = await server.next();
	await e.hello();
	e.respond((await e.request()).tag, { id: "1.0" });
	assert.equal((await bought).id, "1.0");
});

test("connect() fails at once without a server, and waits when it is told to", async t => {
	const server = await fake(t);
	const e = await failure(connect({ address: `${server.address}.none` }));
	assert.deepEqual([e.reason, e.status, e.retryable], ["CONNECT", "UNAVAILABLE", true]);
	assert.match(e.message, /ENOENT/);

	const opened = connect({ address: server.address, wait_ms: 5000, backoff_min_ms: 1, backoff_max_ms: 5 });
	for (let i = 0; i < 3; i++)
		(await server.next()).destroy();
	await (await server.next()).hello();
	const client = await opened;
	await client.disconnect();

	const late = await failure(connect({ address: `${server.address}.none`, wait_ms: 60, backoff_min_ms: 10 }));
	assert.match(late.message, /ENOENT/);
	const aborted = failure(connect({ address: `${server.address}.none`, wait_ms: 5000, signal: AbortSignal.timeout(30) }));
	assert.equal((await aborted).reason, "ABORTED");
	const quick = connect({ address: server.address, connect_ms: 80 });
	await (await server.next()).hello();
	const connected = await quick;
	await new Promise(resolve => setTimeout(resolve, 120));
	assert.equal(connected.connected, true);
	await connected.disconnect();
	const silent = failure(connect({ address: server.address, connect_ms: 50 }));
	const c = await server.next();
	assert.match((await silent).message, /no answer to HELLO/);
	await c.ended();
});

test("options that are none are named", async () => {
	for (const [more, field] of [[{ principle: "x" }, "principle"], [{ deadline_ms: 0 }, "deadline_ms"], [{ queue_max: 1.5 }, "queue_max"],
		[{ principal: 5 }, "principal"], [{ address: 5 }, "address"], [{ deadline_ms: 2 ** 31 }, "deadline_ms"], [{ signal: {} }, "signal"]])
		assert.deepEqual([(await failure(connect({ address: "/none", ...more }))).field], [field]);
	assert.equal((await failure(connect())).reason, "INVALID_ARGUMENT");
});

test("deadlines that no timer can wait for are refused", async t => {
	const { client, c } = await pair(t);

	for (const deadline_ms of [-1, 1.5, 2 ** 31, "5", NaN])
		assert.equal((await failure(client.balance({ member: "m", deadline_ms }))).field, "deadline_ms");
	assert.equal((await failure(client.balance("m"))).reason, "INVALID_ARGUMENT");
	assert.equal((await failure(client.balance({ member: "m", signal: 5 }))).field, "signal");
	await c.quiet();
	const reply = client.balance({ member: "m", deadline_ms: 2 ** 31 - 1 });
	c.respond((await c.request()).tag, {});
	await reply;
});

test("disconnect() waits for what is under way", async t => {
	const { client, c } = await pair(t);
	const bought = client.purchase(BUY);
	const { tag } = await c.request();
	const gone = client.disconnect();
	assert.equal((await failure(client.purchase(BUY))).reason, "CLOSED");
	await c.quiet();
	assert.equal(c.closed, false);
	c.respond(tag, { id: "1.0" });
	assert.equal((await bought).id, "1.0");
	await c.ended();
	await gone;
	await client.disconnect();
	assert.equal((await failure(client.balance({ member: "m" }))).reason, "CLOSED");
});

test("close() is the command; without a member it says so", async t => {
	const { client, c } = await pair(t);

	assert.match((await failure(client.close())).message, /disconnect\(\)/);
	const closed = client.close({ member: "card:1", reason: "moved" });
	const { plain, tag } = await c.request();
	assert.deepEqual(plain.close, { member: "card:1", reason: "moved" });
	c.respond(tag, { id: "1.0" });
	assert.equal((await closed).id, "1.0");
});

test("a listener that throws is not taken for a server that breaks the protocol", async t => {
	const { client, c } = await pair(t);
	const thrown = new Promise(resolve => {
		const others = process.listeners("uncaughtException");
		process.removeAllListeners("uncaughtException");
		process.once("uncaughtException", e => {
			for (const listener of others)
				process.on("uncaughtException", listener);
			resolve(e);
		});
	});
	client.on("goaway", () => {
		throw new Error("of the listener");
	});
	c.raw(Buffer.concat([header({ length: 0, type: T.GOAWAY })]));
	assert.equal((await thrown).message, "of the listener");
});
