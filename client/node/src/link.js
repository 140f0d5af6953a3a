// One connection, from connect() to its end.  It knows frames, HELLO, PING and timers; what is asked and answered is its owner's.
//
// Invariants.
// - on.down() runs once, later than the constructor, and nothing runs after it.
// - Nothing of a frame is kept before its header was judged; nothing a server sends throws out of here.
import { connect } from "node:net";

import { fatalError, isTransient, localError, protocolError } from "./error.js";
import { FrameReader, TYPE, VERSION, encodeFrame } from "./frame.js";
import { decodePlain, encodePlain, wire } from "./message.js";

const HELLO_BYTES_MAX = 64 * 1024;			// of an answer to HELLO
const REPLY_BYTES_DEFAULT = 1024 * 1024;
const REPLY_BYTES_CEILING = 16 * 1024 * 1024;		// whatever the server announces
const FRAME_MS = 10000;					// from the first byte of a frame to its last
const PULSE_MS_MIN = 100;
const PULSE_MS_MAX = 30000;
const CLOSE_MS = 1000;
const ABOUT_A_FRAME = new Set(["MALFORMED", "FRAME_TOO_LARGE", "UNKNOWN_TYPE", "UNKNOWN_FLAG"]);

/** Which frames a server may send, by state. */
const ALLOWED = {
	hello: new Set([TYPE.HELLO_OK, TYPE.ERROR]),
	ready: new Set([TYPE.RESPONSE, TYPE.PUSH, TYPE.PONG, TYPE.GOAWAY, TYPE.ERROR]),
};

/** What happened; an attempt at several addresses has a text only for each. */
function wordsOf(error) {
	return error.message || error.errors?.map(one => one.message).join("; ") || error.code;
}

export class Link {
	#on;
	#socket;				// undefined while the credentials for TLS are waited for
	#tls;
	#doubt;					// what may be wrong when the server answers HELLO by closing
	#state = "connecting";			// connecting, hello, ready, down
	#reader;
	#bodyBytesMax = HELLO_BYTES_MAX;
	#connectTimer;
	#frameTimer;
	#pulseTimer;
	#pingMs;
	#frameMs;
	#heard = true;				// since the last PING
	#corked = false;
	#trouble;
	hello;
	draining = false;

	/**
	 * `on` has ready(hello), frame(type, tag, body), writable() and down({kind, error, tag}).  kind: "lost" another connection may do
	 * better; "protocol" the server broke the protocol; "fatal" it would refuse again.  tag: the frame that an ERROR is about.
	 */
	constructor({ target, tls, hello, connectMs, pingMs, frameMs = FRAME_MS, on }) {
		this.#on = on;
		this.#pingMs = pingMs;
		this.#frameMs = frameMs;
		this.#reader = new FrameReader(header => this.#judge(header));
		this.#tls = tls;
		if (target.host !== undefined)
			this.#doubt = tls === undefined ? "if that door is one with TLS, give tls" : "if it refused our certificate, its log says why";
		this.#connectTimer = setTimeout(() => this.#lost(this.#whatIsLate()), connectMs);
		if (tls === undefined)
			this.#attach(connect({ ...target, noDelay: true }), "connect", hello);
		else
			this.#secure(hello, connectMs);
	}

	#attach(socket, connected, hello) {
		this.#socket = socket;
		socket.on(connected, () => this.#onConnect(hello));
		socket.on("data", chunk => this.#onData(chunk));
		socket.on("drain", () => this.#state === "ready" && this.#on.writable());
		socket.on("error", e => { this.#trouble = e; });
		socket.on("close", () => this.#onClose());
	}

	async #secure(hello, connectMs) {
		let credentials;

		try {
			credentials = await this.#tls.credentials();
		} catch (e) {
			this.#down(e.reason === "CREDENTIALS" ? "lost" : "fatal", e);
			return;
		}
		if (this.#state !== "down")
			this.#attach(this.#tls.connect(credentials, connectMs), "secureConnect", hello);
	}

	#whatIsLate() {
		if (this.#state === "hello")
			return "no answer to HELLO";
		if (this.#socket === undefined)
			return "tls() gave nothing in time";
		return this.#socket.connecting || this.#tls === undefined ? "no connection in time" : "the server did not end the TLS handshake in time";
	}

	get ready() {
		return this.#state === "ready";
	}

	/** Nothing more should be sent before on.writable(). */
	get full() {
		return this.#socket.writableNeedDrain;
	}

	send(type, tag, ...parts) {
		if (this.#state === "down")
			return;
		if (!this.#corked) {
			this.#corked = true;			// all that is sent in this turn goes out in one piece
			this.#socket.cork();
			process.nextTick(() => {
				this.#corked = false;
				this.#socket.uncork();
			});
		}
		this.#socket.write(encodeFrame(type, tag, ...parts));
	}

	ping(nonce) {
		this.send(TYPE.PING, nonce, encodePlain(wire("Ping"), { nonce }));
	}

	/** Ends the connection without a word to the owner; resolves when it is closed. */
	close() {
		this.#stop();
		const socket = this.#socket;
		return new Promise(resolve => {
			if (socket === undefined || socket.destroyed) {
				resolve();
				return;
			}
			const timer = setTimeout(() => socket.destroy(), CLOSE_MS);
			socket.once("close", () => {
				clearTimeout(timer);
				resolve();
			});
			socket.resume();
			if (socket.connecting || socket.secureConnecting)
				socket.destroy();
			else
				socket.end();
		});
	}

	// ---- endings ----

	#stop() {
		this.#state = "down";
		clearTimeout(this.#connectTimer);
		clearTimeout(this.#frameTimer);
		clearInterval(this.#pulseTimer);
	}

	#down(kind, error, tag) {
		if (this.#state === "down")
			return;
		this.#stop();
		this.#socket?.destroy();
		this.#on.down({ kind, error, tag });
	}

	#lost(why, cause) {
		this.#down("lost", localError("CONNECT", why, { cause }));
	}

	#onClose() {
		const trouble = this.#trouble;
		const end = trouble && this.#tls?.explain(trouble, this.#socket, this.#state === "connecting");
		const inside = this.#reader.partial ? " in the middle of a frame" : "";
		const unsaid = this.#state === "hello" && this.#doubt !== undefined ? ` before it answered HELLO; ${this.#doubt}` : "";

		if (end !== undefined)
			this.#down(end.kind, end.error);
		else
			this.#lost(`${trouble ? wordsOf(trouble) : `the server closed the connection${inside}`}${unsaid}`, trouble);
	}

	/** The owner ends the connection: "lost", "protocol" or "fatal". */
	fail(kind, error) {
		this.#down(kind, error);
	}

	// ---- input ----

	#onConnect(hello) {
		if (this.#state !== "connecting")
			return;
		const misfit = this.#tls?.misfit(this.#socket);
		if (misfit !== undefined) {
			this.#down("protocol", misfit);
			return;
		}
		this.#socket.setNoDelay(true);
		this.#state = "hello";
		this.send(TYPE.HELLO, 0, encodePlain(wire("Hello"), hello));
	}

	#judge({ bodyBytes, version, type, flags, tag }) {
		if (version !== VERSION)
			throw protocolError(`the server sent a frame of version ${version}`);
		if (!ALLOWED[this.#state].has(type))
			throw protocolError(`the server sent a frame of type ${type}, which does not belong here`);
		if (flags >> 8 !== 0)
			throw protocolError("the server sent a flag that must be understood, and is not");
		if (bodyBytes > this.#bodyBytesMax)
			throw protocolError(`the server sent a frame of ${bodyBytes} bytes, and ${this.#bodyBytesMax} are allowed`);
		if ((type === TYPE.RESPONSE || type === TYPE.PUSH) && !(tag > 0))
			throw protocolError("the server sent a tag that is nobody's");
	}

	#onData(chunk) {
		if (this.#state === "down")
			return;
		this.#heard = true;
		let completed = false;
		try {
			for (const { type, tag, body } of this.#reader.frames(chunk)) {
				completed = true;
				this.#onFrame(type, tag, body);
				if (this.#state === "down")
					return;
			}
		} catch (e) {
			this.#down("protocol", e.reason === "PROTOCOL" ? e : protocolError("the server sent a frame that cannot be read", e));
			return;
		}
		this.#watchFrame(completed);
	}

	/** A frame that has begun must end in time. */
	#watchFrame(completed) {
		if (completed) {
			clearTimeout(this.#frameTimer);
			this.#frameTimer = undefined;
		}
		if (this.#reader.partial)
			this.#frameTimer ??= setTimeout(() => this.#lost("the server did not finish a frame"), this.#frameMs);
	}

	#onFrame(type, tag, body) {
		if (type === TYPE.ERROR)
			this.#onError(body);
		else if (type === TYPE.HELLO_OK)
			this.#onHello(decodePlain(wire("HelloOk"), body));
		else
			this.#on.frame(type, tag, body);
	}

	#onError(body) {
		const plain = decodePlain(wire("Error"), body);
		const error = fatalError(plain);
		const again = isTransient(error.reason) || (this.#state === "ready" && ABOUT_A_FRAME.has(error.reason) && plain.tag > 0);

		this.#down(again ? "lost" : "fatal", error, again && !isTransient(error.reason) ? plain.tag : undefined);
	}

	#onHello(hello) {
		if (hello.version !== VERSION)
			throw protocolError(`the server chose protocol version ${hello.version}`);
		clearTimeout(this.#connectTimer);
		this.#state = "ready";
		this.hello = hello;
		this.#bodyBytesMax = Math.min(hello.reply_bytes_max || REPLY_BYTES_DEFAULT, REPLY_BYTES_CEILING);
		const third = hello.idle_ms > 0 ? Math.ceil(hello.idle_ms / 3) : PULSE_MS_MAX;
		this.#pulseTimer = setInterval(() => this.#onPulse(), this.#pingMs ?? Math.max(Math.min(third, PULSE_MS_MAX), PULSE_MS_MIN));
		this.#on.ready(hello);
	}

	/** Keeps the connection, and finds out when nobody is there any more. */
	#onPulse() {
		if (!this.#heard) {
			this.#lost("the server is silent");
			return;
		}
		this.#heard = false;
		this.ping(0);
	}
}
