// Subscriptions against a server that does what each case says.
import assert from "node:assert/strict";
import test from "node:test";

import { T, failure, frame, message, pair, patience } from "./lib/fake.js";

function leaf(seq) {
	return Buffer.from(`transaction ${seq}`);
}

function push(c, tag, first, n, more = {}) {
	c.send(T.PUSH, tag, "Push", { transactions: Array.from({ length: n }, (_, i) => leaf(first + i)), first_seq: first, last_seq: first + n - 1, head: 100,
		...more });
}

async function take(subscription, n) {
	const items = [];
	for (let i = 0; i < n; i++)
		items.push((await patience(subscription.next(), "a transaction")).value);
	return items;
}

test("credits: never more than the window, granted again as the loop takes them", async t => {
	const { client, c } = await pair(t);
	const subscription = client.subscribe({ after: 41, credits: 4 });
	const { plain, tag } = await c.request();

	assert.deepEqual(plain, { subscribe: { after: 41, credits: 4 } });
	push(c, tag, 42, 4);
	await c.quiet();
	assert.equal(subscription.last_seq, 41);
	const [first] = await take(subscription, 1);
	assert.deepEqual({ ...first, data: Buffer.from(first.data).toString() }, { seq: 42, head: 100, data: "transaction 42" });
	assert.equal(subscription.last_seq, 42);
	await c.quiet();
	await take(subscription, 1);
	const credit = await c.frame();
	assert.deepEqual([credit.type, credit.tag, credit.body.toString("hex")], [T.CREDIT, tag, "0802"]);
	push(c, tag, 46, 2);
	assert.deepEqual((await take(subscription, 4)).map(i => i.seq), [44, 45, 46, 47]);
	assert.equal(client.size_seen, 100);
});

test("from the beginning; a subscription is no call in flight", async t => {
	const { client, c } = await pair(t, {}, { in_flight_max: 1 });
	const subscription = client.subscribe();
	const { plain, tag } = await c.request();

	assert.deepEqual(plain, { subscribe: { credits: 256 } });
	const balance = client.balance({ member: "m" });
	c.respond((await c.request()).tag, { available: "1" });
	assert.equal((await balance).available, "1");
	push(c, tag, 0, 2);
	assert.deepEqual((await take(subscription, 2)).map(i => i.seq), [0, 1]);
});

test("after a lost connection it goes on behind what came, and asks for no more than fits", async t => {
	const { server, client, c } = await pair(t);
	const subscription = client.subscribe({ credits: 6 });

	push(c, (await c.request()).tag, 0, 5);
	assert.deepEqual((await take(subscription, 2)).map(i => i.seq), [0, 1]);
	c.destroy();
	const d = await server.next();
	await d.hello();
	const { plain, tag } = await d.request();
	assert.deepEqual(plain.subscribe, { after: 4, credits: 3 });
	push(d, tag, 5, 3);
	assert.deepEqual((await take(subscription, 6)).map(i => i.seq), [2, 3, 4, 5, 6, 7]);
});

test("a loop that is behind with its whole window makes no new subscription until it takes", async t => {
	const { server, client, c } = await pair(t);
	const subscription = client.subscribe({ credits: 2, deadline_ms: 100 });

	push(c, (await c.request()).tag, 0, 2);
	await take(subscription, 1);
	push(c, (await c.frame()).tag, 2, 1);
	await new Promise(resolve => setTimeout(resolve, 30));
	c.destroy();
	const d = await server.next();
	await d.hello();
	await d.quiet(200);			// longer than deadline_ms: there is a connection
	await take(subscription, 1);
	assert.deepEqual((await d.request()).plain.subscribe, { after: 2, credits: 1 });
});

test("GOAWAY: the close ends it, and it goes on on the next connection", async t => {
	const { server, client, c } = await pair(t);
	const subscription = client.subscribe();
	push(c, (await c.request()).tag, 0, 3);
	await take(subscription, 3);
	c.send(T.GOAWAY, 0, "Goaway", {});
	const d = await server.next();
	await d.hello();
	assert.equal((await d.request()).plain.subscribe.after, 2);
});

test("break sends CANCEL; what still comes is dropped; the connection goes on", async t => {
	const { client, c } = await pair(t);
	const seen = [];
	const subscription = client.subscribe({ credits: 8 });
	const done = (async () => {
		for await (const { seq } of subscription) {
			seen.push(seq);
			if (seq === 1)
				break;
		}
	})();
	const { tag } = await c.request();

	push(c, tag, 0, 3);
	await done;
	const cancel = await c.frame();
	assert.deepEqual([cancel.type, cancel.tag, cancel.body.length], [T.CANCEL, tag, 0]);
	push(c, tag, 3, 1);
	c.respond(tag, { status: "CANCELLED" });
	const balance = client.balance({ member: "m" });
	c.respond((await c.request()).tag, { available: "1" });
	await balance;
	assert.deepEqual(seen, [0, 1]);
	assert.deepEqual(await subscription.next(), { done: true, value: undefined });
	assert.equal(client.connected, true);
});

test("stop_at_head ends at the head, also when there is nothing", async t => {
	const { client, c } = await pair(t);
	const subscription = client.subscribe({ after: 6, stop_at_head: true });
	const seen = [];
	const done = (async () => {
		for await (const { seq } of subscription)
			seen.push(seq);
	})();

	push(c, (await c.request()).tag, 7, 3, { head: 10 });
	await patience(done, "the end of the loop");
	assert.deepEqual(seen, [7, 8, 9]);
	assert.equal((await c.frame()).type, T.CANCEL);
	for await (const item of client.subscribe({ after: 9, stop_at_head: true }))
		assert.fail(`nothing was to come, not ${item.seq}`);
	await c.quiet();
});

test("a refusal is thrown; one that is retryable is tried again", async t => {
	const { client, c } = await pair(t);
	const subscription = client.subscribe({ after: 3 });
	const next = subscription.next();
	const one = await c.request();

	c.respond(one.tag, { status: "UNAVAILABLE", reason: "UNAVAILABLE", retryable: true, retry_after_ms: 20 });
	const two = await c.request();
	assert.deepEqual(two.plain, one.plain);
	push(c, two.tag, 4, 1);
	assert.equal((await next).value.seq, 4);
	const refused = failure(subscription.next());
	c.respond(two.tag, { status: "PERMISSION_DENIED", reason: "PERMISSION_DENIED", message: "no" });
	assert.deepEqual([(await refused).reason, (await refused).outcome], ["PERMISSION_DENIED", "refused"]);
	assert.deepEqual(await subscription.next(), { done: true, value: undefined });
});

test("what breaks the order or the credits ends it and the connection", async t => {
	const wrong = [
		["a gap", tag => [tag, 5, 1]], ["backwards", tag => [tag, 3, 1]], ["more than was granted", tag => [tag, 4, 3]],
		["left out", tag => [tag, 4, 1, { last_seq: 9 }]], ["nothing, and left out", tag => [tag, 4, 0, { first_seq: undefined, last_seq: 9 }]],
		["nobody's", tag => [tag + 1, 4, 1]],
	];
	for (const [name, args] of wrong) {
		const { client, c } = await pair(t);
		const subscription = client.subscribe({ after: 3, credits: 2 });
		const ended = failure(subscription.next());
		push(c, ...args((await c.request()).tag));
		assert.equal((await ended).reason, "PROTOCOL", name);
		await c.ended();
	}
});

test("a ledger that is shorter than what was seen is ROLLED_BACK", async t => {
	const { server, client, c } = await pair(t);
	const subscription = client.subscribe({ after: 20 });
	push(c, (await c.request()).tag, 21, 2);
	await take(subscription, 2);
	const ended = failure(subscription.next());
	c.destroy();
	await (await server.next()).hello({ size: 22 });
	const e = await ended;
	assert.deepEqual([e.reason, e.status], ["ROLLED_BACK", "DATA_LOSS"]);
	assert.match(e.message, /has 22 transactions, and transaction 22 was seen/);
	assert.equal((await failure(client.subscribe({ after: 22 }).next())).reason, "ROLLED_BACK");
});

test("without a connection it waits; with a deadline only so long", async t => {
	const { server, client, c } = await pair(t, { deadline_ms: 50, backoff_min_ms: 5, backoff_max_ms: 10 });
	const patient = client.subscribe(), hasty = client.subscribe({ deadline_ms: 120 });
	await c.request();
	await c.request();
	const ended = failure(hasty.next());
	const next = patient.next();
	c.destroy();
	const until = performance.now() + 400;
	while (performance.now() < until)
		(await server.next()).destroy();
	const e = await ended;
	assert.deepEqual([e.reason, e.cause?.reason], ["DEADLINE", "CONNECT"]);
	let d = await server.next();
	while (d.closed)
		d = await server.next();
	await d.hello();
	push(d, (await d.request()).tag, 0, 1);
	assert.equal((await patience(next, "the next transaction")).value.seq, 0);
});

test("signal and disconnect() end it", async t => {
	const { client, c } = await pair(t);
	const left = new AbortController();
	const aborted = client.subscribe({ signal: left.signal });
	const one = await c.request();
	push(c, one.tag, 0, 2);
	await take(aborted, 1);
	const reason = new Error("enough");
	left.abort(reason);
	const e = await failure(aborted.next());
	assert.deepEqual([e.reason, e.cause], ["ABORTED", reason]);
	assert.equal((await failure(client.subscribe({ signal: AbortSignal.abort() }).next())).reason, "ABORTED");

	const other = client.subscribe();
	const next = other.next();
	await patience(client.disconnect(), "the end");
	assert.deepEqual(await next, { done: true, value: undefined });
	assert.throws(() => client.subscribe(), { reason: "CLOSED" });
});

test("several next() at once are served in order", async t => {
	const { client, c } = await pair(t);
	const subscription = client.subscribe();
	const all = [subscription.next(), subscription.next(), subscription.next()];
	const { tag } = await c.request();

	push(c, tag, 0, 1);
	push(c, tag, 1, 2);
	assert.deepEqual((await Promise.all(all)).map(r => r.value.seq), [0, 1, 2]);
});

test("data is a copy, not a view of the frame", async t => {
	const { client, c } = await pair(t);
	const subscription = client.subscribe();
	const { tag } = await c.request();

	c.raw(frame(T.PUSH, tag, message("Push", { transactions: [Buffer.alloc(10), Buffer.alloc(60000)], first_seq: 0, head: 2 })));
	const [{ data }] = await take(subscription, 1);
	assert.equal(data.buffer.byteLength, 10);
});

function pushEvents(c, tag, ids, more = {}) {
	c.send(T.PUSH, tag, "Push", { events: ids.map(id => ({ id, type: "points.earned", member_no: 3, points: "1.5" })), head: 100, ...more });
}

test("events: one credit each, and marks say how far one is through", async t => {
	const { server, client, c } = await pair(t);
	const subscription = client.subscribe({ events: true, credits: 4, after: 6 });
	const { plain, tag } = await c.request();

	assert.deepEqual(plain, { subscribe: { after: 6, credits: 4, events: true } });
	pushEvents(c, tag, [], { last_seq: 20 });
	pushEvents(c, tag, ["21.0.0", "21.3.0"], { last_seq: 20 });
	const [first] = await take(subscription, 1);
	assert.deepEqual(first, { id: "21.0.0", type: "points.earned", member_no: 3, points: "1.5" });
	assert.deepEqual([subscription.last_seq, subscription.last_event], [20, "21.0.0"]);
	c.destroy();
	const d = await server.next();
	await d.hello({ size: 100 });
	const again = await d.request();
	assert.deepEqual(again.plain.subscribe, { after_event: "21.3.0", credits: 3, events: true });
	pushEvents(d, again.tag, ["21.3.1"], { last_seq: 30 });
	await take(subscription, 1);
	assert.deepEqual([subscription.last_seq, subscription.last_event], [20, "21.3.0"]);
	await take(subscription, 1);
	assert.deepEqual([subscription.last_seq, subscription.last_event], [30, undefined]);
	assert.equal((await d.frame()).type, T.CREDIT);
	const other = client.subscribe({ events: true, after_event: "5.0.9" });
	assert.deepEqual((await d.request()).plain.subscribe, { after_event: "5.0.9", credits: 256, events: true });
	await other.return();
});

test("events: a ledger that is shorter than the last event is ROLLED_BACK", async t => {
	const { server, client, c } = await pair(t, {}, { size: 30 });
	const subscription = client.subscribe({ events: true, after: 6 });

	pushEvents(c, (await c.request()).tag, ["25.0.0"], { head: 30 });
	await take(subscription, 1);
	c.destroy();
	await (await server.next()).hello({ size: 25 });
	assert.equal((await failure(subscription.next())).reason, "ROLLED_BACK");
});

for (const [name, ids] of [["twice", ["21.0.0", "21.0.0"]], ["out of turn", ["21.10.0", "21.9.0"]], ["seen before", ["6.0.0"]], ["without a place", ["21.0"]]]) {
	test(`an event ${name} is no event`, async t => {
		const { client, c } = await pair(t);
		const subscription = client.subscribe({ events: true, after: 6, deadline_ms: 300 });
		pushEvents(c, (await c.request()).tag, ids);
		for (;;) {
			const next = await subscription.next().catch(e => e);
			if (next.reason !== undefined) {
				assert.equal(next.reason, "PROTOCOL");
				break;
			}
		}
	});
}

test("what is wrong in subscribe() is named", async t => {
	const { client } = await pair(t);

	for (const [fields, field] of [[{ after: -1 }, "after"], [{ after: 1.5 }, "after"], [{ credits: 0 }, "credits"], [{ credits: 1e9 }, "credits"],
		[{ from: 3 }, "from"], [{ member: 5 }, "member"], [{ deadline_ms: -1 }, "deadline_ms"], [{ after_event: "1.0.0" }, "after_event"],
		[{ events: true, after_event: "1.0" }, "after_event"], [{ events: true, after: 3, after_event: "1.0.0" }, "after_event"]])
		assert.throws(() => client.subscribe(fields), { name: "FealtyError", field }, field);
});
