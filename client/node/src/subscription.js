// A subscription: the ledger from a place on, or the events of it, as an async iterator.
//
// Invariants.
// - #next is the seq that must come next, or is looked at next; it moves only over what the server sent in order, and a new connection goes on
//   from it, or from behind #place: the last event of a transaction that is not through.
// - Marks, which say how far the server has looked, wait among what it found, so that last_seq tells what the consumer is through with.
// - Credits that the server has, and transactions that wait here for the consumer, are together never more than the window.
// - `tag` is set while the server knows of the subscription on the link that is up.
import { invalidArgument, localError, protocolError, refusalError } from "./error.js";
import { TYPE } from "./frame.js";
import { decode, encodePlain, ledger, wire } from "./message.js";
import { encodeRequest, outcomeOf, requestOf, takeDeadline, takeObject } from "./ops.js";

const WINDOW_DEFAULT = 256;
const WINDOW_MAX = 65536;
const RETRY_MS = 100;

function takeCount(value, otherwise, min, max, name) {
	if (value === undefined || value === null)
		return otherwise;
	if (!Number.isSafeInteger(value) || value < min || value > max)
		throw invalidArgument(name, `must be a whole number from ${min} to ${max}`);
	return value;
}

const PLACE = /^(0|[1-9][0-9]{0,19})\.(0|[1-9][0-9]{0,9})\.(0|[1-9][0-9]{0,9})$/;

/** Whether an event's id is behind another's; undefined is before all. */
function isBehind(id, other) {
	if (other === undefined)
		return true;
	const a = id.split(".").map(BigInt), b = other.split(".").map(BigInt);
	const i = a.findIndex((n, k) => n !== b[k]);
	return i >= 0 && a[i] > b[i];
}

function seqOfPlace(id) {
	return Number(id.slice(0, id.indexOf(".")));
}

function seqOfTransaction(data) {
	return Number(decode(ledger("Transaction"), decode(ledger("SignedTransaction"), data).transaction).seq);
}

export class Subscription {
	#client;
	#fields;
	#window;
	#stopAtHead;
	#deadlineMs;
	#signal;
	#onAbort;
	#events;				// instead of transactions
	#filtered;				// of one member or program: seqs have gaps
	#next;					// seq
	#place;					// id of an event
	#waiting = [];				// {item} that the consumer has not taken, and {mark}
	#marks = 0;				// among them
	#takers = [];				// calls of next() that wait
	#granted = 0;				// credits that the server has
	#cancelled = false;			// CANCEL is sent, its answer has not come
	#end = null;				// {error}, undefined when it ended well; what waits is still handed out
	#retry;
	#outage;
	tag = undefined;
	/** Of the transaction that next() gave last: go on after it.  Before the first, the `after` that was given. */
	last_seq;
	/** Of the event that next() gave last, while the rest of its transaction has not come: go on after it. */
	last_event;

	constructor(fields, client) {
		const { signal, after, after_event, credits, stop_at_head = false, deadline_ms, ...rest } = takeObject(fields, "subscribe()'s argument");

		this.#client = client;
		this.#fields = rest;
		this.last_seq = takeCount(after, undefined, 0, Number.MAX_SAFE_INTEGER - 1, "after");
		this.#events = rest.events === true;
		this.#filtered = rest.member !== undefined || rest.program !== undefined;
		if (after_event !== undefined && (!this.#events || after !== undefined || typeof after_event !== "string" || !PLACE.test(after_event)))
			throw invalidArgument("after_event", "must be the id of an event, with `events: true` and without `after`");
		this.last_event = this.#place = after_event;
		this.#next = after_event !== undefined ? seqOfPlace(after_event) : this.last_seq === undefined ? 0 : this.last_seq + 1;
		this.#window = takeCount(credits, WINDOW_DEFAULT, 1, WINDOW_MAX, "credits");
		this.#deadlineMs = takeDeadline(deadline_ms, undefined);
		this.#stopAtHead = stop_at_head === true;
		requestOf("subscribe", rest, {});		// what is wrong is said at once
		this.#signal = signal;
		this.#onAbort = () => {
			this.#drop();
			this.fail(localError("ABORTED", "it was aborted", { cause: signal.reason }));
		};
		signal?.addEventListener("abort", this.#onAbort, { once: true });
	}

	// ---- the consumer's side ----

	[Symbol.asyncIterator]() {
		return this;
	}

	next() {
		const taken = this.#take();
		return taken ?? new Promise((resolve, reject) => this.#takers.push({ resolve, reject }));
	}

	#drop() {
		this.#waiting = [];
		this.#marks = 0;
	}

	/** Ends it; what waits is dropped. */
	async return(value) {
		this.#drop();
		this.#finish();
		return { done: true, value };
	}

	/** What next() gives now; undefined: it must wait. */
	#take() {
		this.#takeMarks();
		const { item } = this.#waiting.shift() ?? {};

		if (item !== undefined) {
			if (this.#events)
				this.last_event = item.id;
			else
				this.last_seq = item.seq;
			this.#takeMarks();
			this.#grant();
			return Promise.resolve({ done: false, value: item });
		}
		if (this.#end === null)
			return undefined;
		const { error } = this.#end;
		this.#end = {};				// an error is told once
		return error === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(error);
	}

	#takeMarks() {
		while (this.#waiting[0]?.mark !== undefined) {
			this.last_seq = this.#waiting.shift().mark;
			this.last_event = undefined;
			this.#marks--;
		}
	}

	#serve() {
		while (this.#takers.length > 0) {
			const taken = this.#take();
			if (taken === undefined)
				return;
			const { resolve, reject } = this.#takers.shift();
			taken.then(resolve, reject);
		}
	}

	// ---- the server's side ----

	/** Sends it when it can be sent.  Once begun, the client calls again when there is a connection. */
	begin() {
		if (this.#signal?.aborted) {
			this.#onAbort();
			return;
		}
		const before = this.#client.rolledBack();
		if (typeof before === "number" && this.#seen() > before)
			this.fail(this.#rolledBack(before));
		else
			this.#send();
		if (this.#client.link() === null)
			this.#watchOutage();
	}

	/** Credits that may be granted now. */
	#free() {
		return this.#window - this.#granted - (this.#waiting.length - this.#marks);
	}

	#send() {
		const link = this.#client.link();

		if (this.#end !== null || this.tag !== undefined || link === null || this.#free() === 0)
			return;
		if (this.#stopAtHead && this.#next >= this.#client.size()) {
			this.#finish();
			return;
		}
		if (!this.#client.room()) {
			this.#retryIn(RETRY_MS);
			return;
		}
		const place = this.#place !== undefined ? { after_event: this.#place } : { after: this.#next > 0 ? this.#next - 1 : undefined };
		const request = requestOf("subscribe", { ...this.#fields, ...place, credits: this.#free() }, {});
		this.#granted = this.#free();
		this.tag = this.#client.tag();
		link.send(TYPE.REQUEST, this.tag, encodeRequest(request));
	}

	#retryIn(ms) {
		clearTimeout(this.#retry);
		this.#retry = setTimeout(() => this.#send(), ms);
	}

	/** Grants again what the consumer has taken, half a window at a time. */
	#grant() {
		const free = this.#free();

		if (this.tag === undefined) {
			this.#send();
			return;
		}
		if (this.#end !== null || free < Math.ceil(this.#window / 2))
			return;
		const link = this.#client.link();
		if (link !== null) {
			this.#granted += free;
			link.send(TYPE.CREDIT, this.tag, encodePlain(wire("Credit"), { credits: free }));
		}
	}

	onPush({ transactions = [], events = [], first_seq, head, last_seq }) {
		if (this.#cancelled)
			return;
		if (this.#events ? transactions.length > 0 : events.length > 0)
			throw protocolError("the server pushed something else than was asked for");
		if (this.#events)
			this.#takeEvents(events);
		else if (this.#filtered)
			this.#takeSome(transactions, head);
		else
			this.#takeAll(transactions, first_seq, head, last_seq);
		if (last_seq !== undefined && last_seq >= this.#next)
			this.#mark(last_seq);
		this.#client.saw(Math.max(head ?? 0, this.#next));
		if (this.#stopAtHead && head !== undefined && this.#next >= head)
			this.#finish();
		this.#serve();
	}

	#takeAll(transactions, firstSeq, head, lastSeq) {
		this.#check(transactions.length, firstSeq, lastSeq);
		this.#granted -= transactions.length;
		for (const data of transactions)
			this.#waiting.push({ item: { seq: this.#next++, head: head ?? this.#next, data } });
	}

	#takeSome(transactions, head) {
		this.#check(transactions.length);
		this.#granted -= transactions.length;
		for (const data of transactions) {
			const seq = seqOfTransaction(data);
			if (!(seq >= this.#next))
				throw protocolError(`the server pushed transaction ${seq}, and ${this.#next} or a later one is the next`);
			this.#next = seq + 1;
			this.#waiting.push({ item: { seq, head: head ?? seq + 1, data } });
		}
	}

	#takeEvents(events) {
		this.#check(events.length);
		this.#granted -= events.length;
		for (const event of events) {
			if (!PLACE.test(event.id ?? "") || seqOfPlace(event.id) < this.#next || !isBehind(event.id, this.#place))
				throw protocolError(`the server pushed event ${event.id} out of its turn`);
			this.#place = event.id;
			this.#waiting.push({ item: event });
		}
	}

	/** All up to ${seq} has been looked at. */
	#mark(seq) {
		this.#next = seq + 1;
		if (this.#place !== undefined && seqOfPlace(this.#place) <= seq)
			this.#place = undefined;
		if (this.#waiting.at(-1)?.mark !== undefined) {
			this.#waiting.pop();
			this.#marks--;
		}
		this.#waiting.push({ mark: seq });
		this.#marks++;
		if (this.#waiting.length === this.#marks)
			this.#takeMarks();
	}

	/** Consecutive, the next ones, and no more than were asked for. */
	#check(n, firstSeq, lastSeq) {
		if (n > this.#granted)
			throw protocolError("the server pushed more than it was given credits for");
		if (n > 0 && firstSeq !== undefined && firstSeq !== this.#next)
			throw protocolError(`the server pushed transaction ${firstSeq}, and ${this.#next} is the next`);
		if (lastSeq !== undefined && lastSeq > this.#next + n - 1)
			throw protocolError(`the server left out transactions up to ${lastSeq}`);
	}

	/** The last frame with our tag. */
	onResponse(reply) {
		this.tag = undefined;
		this.#granted = 0;
		if (this.#cancelled) {
			this.#client.ended();
		} else if (reply.retryable === true) {
			this.#retryIn(reply.retry_after_ms || RETRY_MS);
		} else {
			const outcome = outcomeOf(reply) === "ok" ? "failed" : "refused";
			this.fail(refusalError(reply, outcome, undefined, 1));
		}
	}

	/** Transactions that there were. */
	#seen() {
		return this.#place === undefined ? this.#next : seqOfPlace(this.#place) + 1;
	}

	#rolledBack(size) {
		return localError("ROLLED_BACK",
			`the ledger has ${size} transactions, and transaction ${this.#seen() - 1} was seen before: an old copy was restored`);
	}

	onReady({ size }) {
		clearTimeout(this.#outage);
		this.#outage = undefined;
		if (size !== undefined && this.#seen() > size)
			this.fail(this.#rolledBack(size));
		else
			this.#send();
	}

	/** The connection is gone.  With an error the subscription is as well. */
	onLost(error) {
		this.tag = undefined;
		this.#granted = 0;
		if (this.#cancelled)
			this.#client.ended();
		else if (error !== undefined)
			this.fail(error);
		else
			this.#watchOutage();
	}

	#watchOutage() {
		if (this.#deadlineMs === undefined || this.#end !== null)
			return;
		this.#outage ??= setTimeout(() => {
			const trouble = this.#client.trouble();
			this.fail(localError("DEADLINE", `no connection before the deadline${trouble ? `; ${trouble.message}` : ""}`, { cause: trouble }));
		}, this.#deadlineMs);
	}

	// ---- endings ----

	fail(error) {
		this.#finish(error);
	}

	#finish(error) {
		if (this.#end !== null)
			return;
		this.#end = { error };
		clearTimeout(this.#retry);
		clearTimeout(this.#outage);
		this.#signal?.removeEventListener("abort", this.#onAbort);
		if (this.tag !== undefined) {
			this.#cancelled = true;		// the client keeps us until the answer, or the end of the connection
			this.#client.link()?.send(TYPE.CANCEL, this.tag);
		} else {
			this.#client.ended();
		}
		this.#serve();
	}
}
