// The client: calls, and the connection that it opens again when it is lost.
//
// Invariants.
// - A call is in exactly one place: #queued (to be sent), #inFlight (its tag is on the link), #waiting (for the end of a retry_after).  It
//   ends once, in #settle(), at its deadline at the latest.
// - A write is "failed" or "refused" only when no sending of it can have been applied: `inDoubt` is set when a connection ends under it, and
//   then only an answer that the server gives after its check for a replay clears the doubt.
// - Bodies are encoded once, without deadline_ms: every sending has the same bytes and the time that is left.
// - #abandoned are tags whose call ended before its answer; they are taken until that comes.
// - With a watch, nothing but its own reads is sent on a connection before the server's log was proved to continue the one seen before.
// - A client that once had a HELLO_OK never goes on with another ledger or as another principal: request ids are per principal and ledger.
import { EventEmitter } from "node:events";

import { parseAddress } from "./address.js";
import { FealtyError, invalidArgument, localError, protocolError, refusalError } from "./error.js";
import { TYPE } from "./frame.js";
import { newKey } from "./key.js";
import { Link } from "./link.js";
import { decodePlain, wire } from "./message.js";
import { OPS, encodeBatch, encodeRequest, finishReply, outcomeOf, readBatchResponse, readResponse, requestOf, settles, takeDeadline,
	takeKey, takeObject } from "./ops.js";
import { Subscription } from "./subscription.js";
import { Tls } from "./tls.js";
import { Watch, isDistrust } from "./watch.js";

const DEADLINE_FIELD = { [TYPE.REQUEST]: 0x18, [TYPE.BATCH]: 0x20 };	// tag and wire type of deadline_ms in Request and Batch
const RETRY_MS_DEFAULT = 100;
const BACKOFF_SHIFT_MAX = 20;
const FIRST_CHECKPOINT_MS = 1000;
const LIMITS = { frame_bytes_max: 65536, batch_bytes_max: 1048576, batch_commands_max: 1000, in_flight_max: 64 };
const OPTIONS = {
	deadline_ms: 10000, connect_ms: 5000, backoff_min_ms: 50, backoff_max_ms: 10000, queue_max: 1024, wait_ms: 0, size_seen: 0,
	watch_ms: 60000,
};
const TEXTS = ["principal", "program", "origin", "client_name", "client_version", "checkpoint_file"];
const KNOWN = new Set([...Object.keys(OPTIONS), ...TEXTS, "address", "ping_ms", "signal", "tls", "watch", "vkey", "checkpoint_store"]);

function takeOptions(options) {
	const taken = { client_name: "fealty-node", ...OPTIONS };

	for (const [name, value] of Object.entries(takeObject(options, "connect()'s argument"))) {
		if (!KNOWN.has(name))
			throw invalidArgument(name, "is no option of connect()");
		if (value === undefined || name === "signal")
			continue;
		if ((TEXTS.includes(name) || name === "address") && typeof value !== "string")
			throw invalidArgument(name, "must be a text");
		if ((name in OPTIONS || name === "ping_ms") && !(Number.isSafeInteger(value) && value >= 0 && (value < 2 ** 31 || name === "size_seen")))
			throw invalidArgument(name, "must be a whole number, not below 0");
		if (name === "watch" && typeof value !== "boolean")
			throw invalidArgument(name, "must be true or false");
		taken[name] = value;
	}
	for (const name of ["deadline_ms", "connect_ms", "queue_max", "ping_ms", "watch_ms"]) {
		if (taken[name] === 0)
			throw invalidArgument(name, "must be above 0");
	}
	taken.target = parseAddress(taken.address, taken.tls !== undefined);
	if (taken.tls !== undefined)
		taken.tls = new Tls(taken.tls, taken.target);
	return taken;
}

function takeSignal(signal) {
	if (signal !== undefined && typeof signal?.addEventListener !== "function")
		throw invalidArgument("signal", "must be an AbortSignal");
	return signal;
}

// Errors are made here, after the wait, so that their stack shows who called.
function ended({ value, fail }) {
	if (fail !== undefined)
		throw fail();
	return value;
}

function varint(n) {
	const bytes = [];
	for (; n > 127; n = Math.floor(n / 128))
		bytes.push(n % 128 + 128);
	bytes.push(n);
	return bytes;
}

export class Client {
	#options;
	#events = new EventEmitter();
	#link = null;
	#connectTimer;
	#nextConnectAt = 0;
	#failures = 0;				// connections in a row on which nothing was answered
	#opening = null;			// connect() waits: {resolve, reject, until}
	#ending = null;				// disconnect() waits: {promise, resolve}
	#dead = null;				// the FealtyError that ended the client
	#hello = null;
	#trouble = null;
	#nextTag = 1;
	#watch;					// undefined: none was asked for
	#watchTimer;
	#trusted = false;			// what the watch says of the server on this link

	#calls = new Set();
	#queued = [];
	#inFlight = new Map();
	#waiting = new Set();
	#pings = new Map();
	#abandoned = new Set();
	#subscriptions = new Set();

	/** The largest size of this ledger ever seen, by any message. */
	size_seen;
	/** A server once had fewer transactions than were seen before: an old copy was restored.  Stays true. */
	rolled_back = false;

	constructor(options) {
		this.#options = takeOptions(options);
		this.size_seen = this.#options.size_seen;
		this.#watch = Watch.of(this.#options);
	}

	/** What connect() waits for. */
	async open(signal) {
		takeSignal(signal);
		await this.#watch?.load();
		return this.#open(signal);
	}

	#open(signal) {
		const opened = new Promise((resolve, reject) => {
			this.#opening = { resolve, reject, until: performance.now() + this.#options.wait_ms };
		});
		const onAbort = () => this.#die(localError("ABORTED", "connect() was aborted", { cause: signal.reason }));

		signal?.addEventListener("abort", onAbort, { once: true });
		if (signal?.aborted)
			onAbort();
		else
			this.#want();
		return opened.finally(() => signal?.removeEventListener("abort", onAbort));
	}

	/** HELLO_OK of the newest connection. */
	get hello() {
		return this.#hello;
	}

	get connected() {
		return this.#up && this.#trusted;
	}

	get #up() {
		return this.#link !== null && this.#link.ready && !this.#link.draining;
	}

	/** {origin, size, root, note} of the newest checkpoint that the watch has seen. */
	get checkpoint_seen() {
		return this.#watch?.kept;
	}

	on(event, listener) {
		this.#events.on(event, listener);
		return this;
	}

	once(event, listener) {
		this.#events.once(event, listener);
		return this;
	}

	off(event, listener) {
		this.#events.off(event, listener);
		return this;
	}

	// A listener that throws must not look like a server that breaks the protocol.
	#emit(event, ...args) {
		process.nextTick(() => this.#events.emit(event, ...args));
	}

	// ---- starting calls ----

	#admit() {
		if (this.#dead !== null)
			throw new FealtyError(this.#dead.message, { ...this.#dead, cause: this.#dead.cause });
		if (this.#ending !== null)
			throw localError("CLOSED", "the client is being disconnected");
	}

	#admitCall() {
		this.#admit();
		if (this.#queued.length >= this.#options.queue_max)
			throw localError("QUEUE_FULL", `${this.#queued.length} calls are waiting already`);
	}

	/** One command; `fields` are the op's and those of every command, and `signal`. */
	async call(op, given = {}) {
		const { signal, deadline_ms, ...fields } = takeObject(given, `${op}()'s argument`);
		const request = requestOf(op, fields, { program: this.#options.program });
		const deadlineMs = takeDeadline(deadline_ms, this.#options.deadline_ms);

		if (OPS[op].writes)
			request.key ||= newKey();
		const call = { type: TYPE.REQUEST, op, key: request.key || undefined, writes: OPS[op].writes === true, body: encodeRequest(request) };
		return finishReply(op, ended(await this.#start(call, deadlineMs, signal)), call.key);
	}

	/** Many commands at once; each is {op, …fields}. */
	async batch(commands, { key = newKey(), atomic, deadline_ms, signal, ...rest } = {}) {
		const [unknown] = Object.keys(rest);

		if (unknown !== undefined)
			throw invalidArgument(unknown, "is no option of a batch");
		if (!Array.isArray(commands))
			throw invalidArgument("commands", "must be a list");
		const requests = commands.map((command, i) => this.#batchCommand(command, `commands[${i}]`));
		const call = { type: TYPE.BATCH, key: takeKey(key), writes: true, commands: requests.length, body: encodeBatch(key, atomic, requests) };
		const results = ended(await this.#start(call, takeDeadline(deadline_ms, this.#options.deadline_ms), signal));
		return { key, results: results.map((reply, i) => this.#batchResult(commands[i].op, reply, requests[i].key || `${key}.${i + 1}`, call.attempts)) };
	}

	#batchCommand(command, path) {
		const { op, ...fields } = takeObject(command, path);

		if (!Object.hasOwn(OPS, op) || !OPS[op].writes)
			throw invalidArgument(`${path}.op`, "is no command that a batch may hold");
		const request = requestOf(op, fields, { program: this.#options.program }, path);
		takeDeadline(fields.deadline_ms, undefined, `${path}.deadline_ms`);
		return request;
	}

	#batchResult(op, reply, key, attempts) {
		const outcome = outcomeOf(reply);

		if (outcome === "ok")
			return { ok: true, reply: finishReply(op, reply, key) };
		return { ok: false, error: refusalError(reply, outcome, key, attempts) };
	}

	/** Asks the server for a sign of life. */
	async ping({ deadline_ms, signal } = {}) {
		const call = { type: TYPE.PING, writes: false, body: new Uint8Array(0) };

		ended(await this.#start(call, takeDeadline(deadline_ms, this.#options.deadline_ms), signal));
	}

	#start(call, deadlineMs, signal) {
		return new Promise(resolve => {
			if (!call.watch)
				this.#admitCall();
			if (takeSignal(signal)?.aborted)
				throw localError("ABORTED", "it was aborted before it was sent", { key: call.key, cause: signal.reason });
			Object.assign(call, { resolve, attempts: 0, inDoubt: false, signal, deadlineAt: performance.now() + deadlineMs });
			call.deadline = setTimeout(() => this.#onDeadline(call), deadlineMs);
			call.onAbort = () => this.#giveUp(call, localError("ABORTED", "it was aborted", { cause: signal.reason }));
			signal?.addEventListener("abort", call.onAbort, { once: true });
			this.#calls.add(call);
			this.#queue(call);
			this.#want();
			this.#pump();
		});
	}

	#queue(call) {
		call.place = "queued";
		this.#queued.push(call);
	}

	// ---- ending calls ----

	#remove(call) {
		if (call.place === "queued")
			this.#queued.splice(this.#queued.indexOf(call), 1);
		else if (call.place === "waiting")
			this.#waiting.delete(call);
		else if (call.place === "flight")
			(call.type === TYPE.PING ? this.#pings : this.#inFlight).delete(call.tag);
		clearTimeout(call.retry);
		call.place = "none";
	}

	/** `end` is {value}, or {fail}, which makes the error. */
	#settle(call, end) {
		this.#remove(call);
		clearTimeout(call.deadline);
		call.signal?.removeEventListener("abort", call.onAbort);
		this.#calls.delete(call);
		call.resolve(end);
		this.#checkEnded();
	}

	/** The end without an answer: only what was never sent, or changes nothing, has failed. */
	#unanswered(call, error) {
		const doubt = call.writes && (call.inDoubt || call.place === "flight");
		const more = { ...error, key: call.key, attempts: call.attempts, cause: error.cause };

		if (doubt)
			this.#settle(call, { fail: () => new FealtyError(`the outcome is not known (${error.message}); ask again with the same key`,
				{ ...more, outcome: "unknown", retryable: true }) });
		else if (call.refusal !== undefined && error.reason === "DEADLINE")
			this.#settle(call, { fail: () => refusalError(call.refusal, "refused", call.key, call.attempts) });
		else
			this.#settle(call, { fail: () => new FealtyError(error.message, { ...more, outcome: "failed" }) });
	}

	/** It ends though the connection goes on: its tag stays taken until its answer comes. */
	#giveUp(call, error) {
		if (call.place === "flight" && call.type !== TYPE.PING)
			this.#abandoned.add(call.tag);
		this.#unanswered(call, error);
		this.#checkDrained();
		if (this.#link?.ready && this.#inFlight.size === 0 && this.#abandoned.size >= this.#limit("in_flight_max"))
			this.#link.fail("lost", localError("CONNECT", "the server answers nothing"));
		this.#pump();
	}

	#onDeadline(call) {
		const late = call.place === "queued" && !this.#up && this.#trouble !== null;
		const message = late ? `no connection before the deadline; ${this.#trouble.message}` : "no answer before the deadline";

		this.#giveUp(call, localError("DEADLINE", message, { cause: late ? this.#trouble : undefined }));
	}

	// ---- sending ----

	#limit(name) {
		return this.#hello?.[name] || LIMITS[name];
	}

	#tooLarge(call, bytes) {
		if (call.type === TYPE.BATCH && call.commands > this.#limit("batch_commands_max"))
			return `the batch has ${call.commands} commands, and the server takes ${this.#limit("batch_commands_max")}`;
		const max = this.#limit(call.type === TYPE.BATCH ? "batch_bytes_max" : "frame_bytes_max");
		return bytes > max ? `it has ${bytes} bytes, and the server takes ${max}` : undefined;
	}

	/** What is sent next: before the server is trusted only what the watch asks. */
	#first() {
		return this.#trusted ? this.#queued[0] : this.#queued.find(call => call.watch);
	}

	#pump() {
		const link = this.#link;

		while (this.#up && !link.full) {
			const call = this.#first();
			if (call === undefined)
				break;
			if (call.type !== TYPE.PING && !this.hasRoom())
				break;
			this.#send(call);
		}
	}

	/** Whether another REQUEST may be in flight. */
	hasRoom() {
		return this.#inFlight.size + this.#abandoned.size < this.#limit("in_flight_max");
	}

	newTag() {
		return this.#nextTag++;
	}

	#send(call) {
		const left = Math.max(1, Math.floor(call.deadlineAt - performance.now()));
		const more = call.type === TYPE.PING ? [] : [DEADLINE_FIELD[call.type], ...varint(left)];
		const why = call.type === TYPE.PING ? undefined : this.#tooLarge(call, call.body.length + more.length);

		if (why !== undefined) {
			this.#unanswered(call, localError("TOO_LARGE", why));
			return;
		}
		this.#remove(call);
		call.place = "flight";
		call.tag = this.newTag();
		call.attempts++;
		(call.type === TYPE.PING ? this.#pings : this.#inFlight).set(call.tag, call);
		if (call.type === TYPE.PING)
			this.#link.ping(call.tag);
		else
			this.#link.send(call.type, call.tag, call.body, more);
	}

	// ---- answers ----

	#onResponse(tag, body) {
		const subscription = this.#subscriptionOf(tag);
		const call = this.#inFlight.get(tag);

		this.#failures = 0;
		if (subscription !== undefined) {
			subscription.onResponse(readResponse(body));
			return;
		}
		if (call === undefined) {
			if (!this.#abandoned.delete(tag))
				throw protocolError("the server answered a request that nobody sent");
			return;
		}
		const { outcome: reply, results } = call.type === TYPE.BATCH ? readBatchResponse(body) : { outcome: readResponse(body) };
		if (call.type === TYPE.BATCH && reply.status === "OK" && results.length !== call.commands)
			throw protocolError(`the server answered ${results.length} of ${call.commands} commands`);
		if (reply.seq !== undefined)
			this.saw(reply.seq + 1);
		this.#answered(call, reply, results);
	}

	#answered(call, reply, results) {
		let outcome = outcomeOf(reply);

		if (outcome === "ok") {
			this.#settle(call, { value: results ?? reply });
			return;
		}
		if (this.#retries(call, reply))
			return;
		if (outcome === "unknown" && !call.writes)
			outcome = "refused";				// a read: it has changed nothing, whatever broke
		if (outcome === "refused" && call.writes && call.inDoubt && !settles(reply))
			outcome = "unknown";
		this.#settle(call, { fail: () => refusalError(reply, outcome, call.key, call.attempts) });
	}

	/** True: the call waits, and is sent again under the same key. */
	#retries(call, reply) {
		const wait = reply.retry_after_ms || RETRY_MS_DEFAULT;
		const ms = wait + Math.random() * wait / 4;		// so that not all come back at once

		if (reply.retryable !== true || call.patient === false || performance.now() + ms >= call.deadlineAt)
			return false;
		this.#remove(call);
		call.refusal = reply;
		call.place = "waiting";
		this.#waiting.add(call);
		call.retry = setTimeout(() => {
			this.#remove(call);
			this.#queue(call);
			this.#want();
			this.#pump();
		}, ms);
		return true;
	}

	saw(size) {
		if (size > this.size_seen)
			this.size_seen = size;
	}

	#onPong(body) {
		const { nonce } = decodePlain(wire("Pong"), body);
		const call = this.#pings.get(nonce);

		if (call !== undefined)			// or it was the link's own, or its call has ended
			this.#settle(call, { value: undefined });
	}

	#onPush(tag, body) {
		const subscription = this.#subscriptionOf(tag);

		this.#failures = 0;
		if (subscription === undefined)
			throw protocolError("the server pushed to a subscription that there is not");
		subscription.onPush(decodePlain(wire("Push"), body));
	}

	#onFrame(type, tag, body) {
		if (type === TYPE.RESPONSE)
			this.#onResponse(tag, body);
		else if (type === TYPE.PUSH)
			this.#onPush(tag, body);
		else if (type === TYPE.PONG)
			this.#onPong(body);
		else if (type === TYPE.GOAWAY)
			this.#onGoaway(decodePlain(wire("Goaway"), body));
		this.#checkDrained();
		this.#pump();
	}

	#onGoaway({ message }) {
		if (this.#link.draining)
			return;
		this.#link.draining = true;
		this.#emit("goaway", message ?? "");
	}

	#checkDrained() {
		if (this.#link?.draining && this.#inFlight.size === 0)
			this.#link.fail("lost", localError("CONNECT", "the server is shutting down"));
	}

	// ---- the connection ----

	#hasWork() {
		return this.#opening !== null || this.#queued.length > 0 || this.#inFlight.size > 0 || this.#subscriptions.size > 0;
	}

	/** There is work: connects, now or after the back-off, unless it is under way. */
	#want() {
		if (this.#link !== null || this.#connectTimer !== undefined || this.#dead !== null)
			return;
		this.#connectTimer = setTimeout(() => {
			this.#connectTimer = undefined;
			if (this.#hasWork())
				this.#connect();
		}, Math.max(0, this.#nextConnectAt - performance.now()));
	}

	#connect() {
		const { target, tls, principal, client_name, client_version, connect_ms, ping_ms } = this.#options;
		const hello = { version_min: 1, version_max: 1, features: ["batch", "subscribe"], client_name, client_version, principal };

		const kept = this.#watch?.kept;
		if (kept !== undefined)
			Object.assign(hello, { checkpoint_size: kept.size, checkpoint_root: kept.root });
		else if (this.size_seen > 0)
			hello.checkpoint_size = this.size_seen;
		const link = new Link({
			target, tls, hello, connectMs: connect_ms, pingMs: ping_ms, on: {
				ready: answer => this.#onReady(link, answer),
				frame: (type, tag, body) => this.#onFrame(type, tag, body),
				writable: () => this.#pump(),
				down: end => this.#onDown(end),
			},
		});
		this.#link = link;
	}

	#misfit({ origin = "", principal = "" }) {
		const before = this.#hello;
		const wanted = this.#options.principal || before?.principal || principal;
		const ledger = this.#options.origin || before?.origin || origin;

		if (principal !== wanted)
			return `the server takes us for "${principal}", not "${wanted}"`;
		if (origin !== ledger)
			return `the server has the ledger "${origin}", not "${ledger}"`;
		return undefined;
	}

	#onReady(link, hello) {
		const why = this.#misfit(hello);

		if (why !== undefined) {
			link.fail("fatal", localError("IDENTITY", why));
			return;
		}
		this.#hello = Object.freeze(hello);
		this.#trouble = null;
		if (this.#watch !== undefined)
			this.#ask(link, hello);
		else
			this.#onTrusted(hello);
	}

	/** The watch compares what the server has with what was seen; its reads go before all that waits. */
	async #ask(link, hello) {
		try {
			await this.#compare(link, hello);
			if (hello.size < this.size_seen)
				throw localError("ROLLED_BACK", `the ledger has ${hello.size} transactions, and ${this.size_seen} were seen before: an old copy was restored`);
		} catch (error) {
			this.#onWatchFailed(link, error);
			return;
		}
		if (link === this.#link && link.ready)
			this.#onTrusted(hello);
	}

	#compare(link, hello) {
		return this.#watch.check(hello, (op, fields, patient) => this.#read(op, fields, { link, patient }));
	}

	/** A read of the watch, which ends with its link; without patience what cannot be answered now is not asked again. */
	async #read(op, fields, { link, patient }) {
		const call = { type: TYPE.REQUEST, op, writes: false, watch: true, patient, body: encodeRequest(requestOf(op, fields, {})) };

		if (link !== this.#link)
			throw localError("CONNECT", "the connection was lost");
		return finishReply(op, ended(await this.#start(call, this.#options.deadline_ms)));
	}

	/** A log that is not what it was ends the client; a server that does not answer is asked again on the next connection. */
	#onWatchFailed(link, error) {
		if (link !== this.#link)
			return;
		if (error.reason === "ROLLED_BACK")
			this.#noteRollBack(this.#hello.size ?? 0);
		if (isDistrust(error))
			this.#emit("distrusted", error);
		const final = isDistrust(error) || error.reason === "CHECKPOINT" || (error.outcome === "refused" && !error.retryable);
		link.fail(final ? "fatal" : "lost", error);
	}

	/** A connection that lasts is asked again now and then; no answer says nothing. */
	async #askAgain(link) {
		try {
			await this.#compare(link, { origin: this.#hello.origin, size: Infinity });
		} catch (error) {
			if (isDistrust(error) || error.reason === "CHECKPOINT")
				this.#onWatchFailed(link, error);
		}
		if (link === this.#link)
			this.#planToAsk();
	}

	/** Sooner while there is no checkpoint: a server publishes its first a second or two after its start. */
	#planToAsk() {
		const link = this.#link;
		const { watch_ms: ms } = this.#options;

		if (this.#watch !== undefined && this.#trusted)
			this.#watchTimer = setTimeout(() => this.#askAgain(link), this.#watch.kept === undefined ? Math.min(ms, FIRST_CHECKPOINT_MS) : ms);
	}

	#distrust() {
		this.#trusted = false;
		clearTimeout(this.#watchTimer);
		for (const call of [...this.#calls]) {
			if (!call.watch)
				continue;
			this.#remove(call);
			this.#unanswered(call, localError("CONNECT", "the connection was lost"));
		}
	}

	#noteRollBack(size) {
		if (this.rolled_back)
			return;
		this.rolled_back = true;
		this.#emit("rolled_back", { size, size_seen: Math.max(this.size_seen, this.#watch?.kept?.size ?? 0) });
	}

	/** Work goes on over this connection. */
	#onTrusted(hello) {
		this.#trusted = true;
		this.#planToAsk();
		if (hello.size < this.size_seen)
			this.#noteRollBack(hello.size);
		this.saw(hello.size ?? 0);
		this.#emit("connected", hello);
		this.#opening?.resolve();
		this.#opening = null;
		for (const subscription of [...this.#subscriptions])
			subscription.onReady(hello);
		this.#pump();
	}

	#onDown({ kind, error, tag }) {
		const connected = this.#link.ready || this.#link.hello !== undefined;

		this.#link = null;
		this.#distrust();
		this.#trouble = error;
		if (connected)
			this.#emit("disconnected", error);
		if (kind === "fatal") {
			this.#die(error);
			return;
		}
		this.#nextConnectAt = performance.now() + this.#backoff();
		this.#failures++;
		this.#takeBack(error, kind === "protocol" ? () => true : call => call.tag === tag, kind === "protocol");
		for (const subscription of [...this.#subscriptions])
			subscription.onLost(kind === "protocol" || (tag !== undefined && subscription.tag === tag) ? error : undefined);
		if (this.#opening !== null && (kind === "protocol" || this.#nextConnectAt > this.#opening.until))
			this.#die(error);
		else if (this.#hasWork())
			this.#want();
		this.#checkEnded();
	}

	/**
	 * What is in flight goes back to the head of the queue, in its order, or ends when `ends(call)`.  `applied`: the sending that ends it may
	 * have been applied.
	 */
	#takeBack(error, ends, applied) {
		const calls = [...this.#inFlight.values(), ...this.#pings.values()];

		this.#abandoned.clear();
		for (const call of calls) {
			if (ends(call)) {
				if (!applied)
					this.#remove(call);
				this.#unanswered(call, error);
			}
		}
		const back = calls.filter(call => call.place === "flight");
		for (const call of back) {
			this.#remove(call);
			call.inDoubt ||= call.writes;
			call.place = "queued";
		}
		this.#queued.unshift(...back);
	}

	/** Full jitter: anything from at once to the limit, which doubles with each failure. */
	#backoff() {
		const { backoff_min_ms: min, backoff_max_ms: max } = this.#options;

		return Math.random() * Math.min(max, min * 2 ** Math.min(this.#failures, BACKOFF_SHIFT_MAX));
	}

	/** Ends the client for good. */
	#die(error) {
		this.#dead ??= error;
		clearTimeout(this.#connectTimer);
		this.#connectTimer = undefined;
		this.#link?.close();
		this.#link = null;
		this.#distrust();
		this.#opening?.reject(error);
		this.#opening = null;
		for (const call of [...this.#calls])
			this.#unanswered(call, error);
		for (const subscription of [...this.#subscriptions])
			subscription.fail(error);
		this.#checkEnded();
	}

	/** Waits for the calls under way, ends the subscriptions, and closes the connection.  With `now` calls end as CLOSED. */
	disconnect({ now = false } = {}) {
		if (this.#ending === null) {
			let resolve;
			const promise = new Promise(r => { resolve = r; });
			this.#ending = { promise, resolve };
			for (const subscription of [...this.#subscriptions])
				subscription.return();
		}
		if (now)
			this.#die(localError("CLOSED", "the client was disconnected"));
		this.#checkEnded();
		return this.#ending.promise;
	}

	[Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]() {
		return this.disconnect();
	}

	#checkEnded() {
		if (this.#ending === null || this.#ending.closing || this.#calls.size > 0)
			return;
		this.#ending.closing = true;
		const link = this.#link;
		this.#link = null;
		this.#distrust();
		this.#dead ??= localError("CLOSED", "the client was disconnected");
		clearTimeout(this.#connectTimer);
		this.#connectTimer = undefined;
		Promise.resolve(link?.close()).then(this.#ending.resolve);
	}

	// ---- subscriptions ----

	#subscriptionOf(tag) {
		for (const subscription of this.#subscriptions) {
			if (subscription.tag === tag)
				return subscription;
		}
		return undefined;
	}

	/** Follows the ledger, as an async iterator. */
	subscribe(fields = {}) {
		this.#admit();
		const subscription = new Subscription(fields, {
			link: () => (this.connected ? this.#link : null),
			room: () => this.hasRoom(),
			tag: () => this.newTag(),
			size: () => this.size_seen,
			saw: size => this.saw(size),
			trouble: () => this.#trouble,
			rolledBack: () => this.rolled_back && this.#hello?.size,
			ended: () => {
				this.#subscriptions.delete(subscription);
				this.#checkEnded();
			},
		});
		this.#subscriptions.add(subscription);
		this.#want();
		subscription.begin();
		return subscription;
	}

	static {
		for (const op of Object.keys(OPS)) {
			if (op !== "subscribe")
				this.prototype[op] = function command(fields) {
					return this.call(op, fields);
				};
		}
		const closeMember = this.prototype.close;
		this.prototype.close = async function close(fields) {
			if (fields === undefined)
				throw invalidArgument("member", "is missing: close() closes a member; disconnect() ends the connection");
			return closeMember.call(this, fields);
		};
	}
}

/** A client whose first connection is made. */
export async function connect(options) {
	const client = new Client(options);

	await client.open(options.signal);
	return client;
}
