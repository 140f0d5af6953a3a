// A server that does what a test says, frame by frame.  It reads and writes frames by itself, not with the client's code.
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createSecureServer } from "node:tls";

import { connect } from "../../src/index.js";
import { decodePlain, encodePlain, wire } from "../../src/message.js";

export const T = {
	HELLO: 1, HELLO_OK: 2, REQUEST: 3, RESPONSE: 4, PUSH: 5, PING: 6, PONG: 7, GOAWAY: 8, BATCH: 9, CREDIT: 10, CANCEL: 11, ERROR: 12,
};
const PATIENCE_MS = 10000;

export const HELLO_OK = {
	version: 1, features: ["batch", "subscribe"], server_version: "fake", origin: "test.example/fake", principal: "backend/test",
	frame_bytes_max: 65536, batch_bytes_max: 1048576, batch_commands_max: 1000, reply_bytes_max: 1048576, in_flight_max: 64, idle_ms: 600000,
	size: 10,
};

export function header({ length, version = 1, type, flags = 0, tag = 0n }) {
	const bytes = Buffer.alloc(16);

	bytes.writeUInt32BE(length, 0);
	bytes.writeUInt8(version, 4);
	bytes.writeUInt8(type, 5);
	bytes.writeUInt16BE(flags, 6);
	bytes.writeBigUInt64BE(BigInt(tag), 8);
	return bytes;
}

export function frame(type, tag, body = Buffer.alloc(0), more = {}) {
	return Buffer.concat([header({ length: body.length, type, tag, ...more }), body]);
}

export function message(name, plain) {
	return Buffer.from(encodePlain(wire(name), plain));
}

export function patience(promise, what) {
	let timer;
	const late = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error(`it did not happen: ${what}`)), PATIENCE_MS);
	});
	return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

class Connection {
	#socket;
	#bytes = Buffer.alloc(0);
	#wake = () => {};
	closed = false;

	/** Over TLS: what the client showed. */
	peer;

	constructor(socket) {
		this.#socket = socket;
		if (socket.encrypted)
			this.peer = { protocol: socket.getProtocol(), names: socket.getPeerCertificate().subjectaltname, servername: socket.servername, reused: socket.isSessionReused() };
		socket.on("data", chunk => {
			this.#bytes = Buffer.concat([this.#bytes, chunk]);
			this.#wake();
		});
		socket.on("error", () => {});
		socket.on("close", () => {
			this.closed = true;
			this.#wake();
		});
	}

	raw(bytes) {
		this.#socket.write(bytes);
	}

	send(type, tag, name, plain) {
		this.raw(frame(type, tag, name === undefined ? undefined : message(name, plain)));
	}

	respond(tag, plain = {}) {
		this.send(T.RESPONSE, tag, "Response", plain);
	}

	/** Takes what is there, or waits for it; undefined at the end of the connection. */
	#cut() {
		if (this.#bytes.length < 16)
			return undefined;
		const length = this.#bytes.readUInt32BE(0);
		if (this.#bytes.length < 16 + length)
			return undefined;
		const one = { type: this.#bytes[5], version: this.#bytes[4], flags: this.#bytes.readUInt16BE(6), tag: Number(this.#bytes.readBigUInt64BE(8)),
			body: this.#bytes.subarray(16, 16 + length), whole: this.#bytes.subarray(0, 16 + length) };
		this.#bytes = this.#bytes.subarray(16 + length);
		return one;
	}

	/** The next frame, without its wait for PINGs. */
	async frame() {
		for (;;) {
			const one = this.#cut();
			if (one !== undefined)
				return one;
			if (this.closed)
				throw new Error("the client closed the connection");
			await patience(new Promise(resolve => { this.#wake = resolve; }), "a frame of the client");
		}
	}

	/** The next REQUEST or BATCH, with `plain`; PINGs before it are answered. */
	async request() {
		const one = await this.frame();

		if (one.type === T.PING) {
			this.send(T.PONG, one.tag, "Pong", decodePlain(wire("Ping"), one.body));
			return this.request();
		}
		if (one.type !== T.REQUEST && one.type !== T.BATCH)
			throw new Error(`a request was to come, not type ${one.type}`);
		return { ...one, plain: decodePlain(wire(one.type === T.REQUEST ? "Request" : "Batch"), one.body) };
	}

	async hello(more = {}) {
		const one = await this.frame();

		if (one.type !== T.HELLO)
			throw new Error(`HELLO was to come, not type ${one.type}`);
		this.send(T.HELLO_OK, 0, "HelloOk", { ...HELLO_OK, ...more });
		return decodePlain(wire("Hello"), one.body);
	}

	/** Resolves when the client has closed it. */
	async ended() {
		while (!this.closed)
			await patience(new Promise(resolve => { this.#wake = resolve; }), "the end of the connection");
	}

	/** Nothing more comes from the client within a moment. */
	async quiet(ms = 60) {
		await new Promise(resolve => setTimeout(resolve, ms));
		const one = this.#cut();
		if (one !== undefined)
			throw new Error(`nothing was to come, and a frame of type ${one.type} did`);
	}

	end() {
		this.#socket.end();
	}

	/** As a crash does. */
	destroy() {
		this.#socket.destroy();
	}
}

class Fake {
	#server;
	#ready = [];
	#takers = [];
	#sockets = new Set();
	connections = 0;
	heard = 0;			// bytes that clients have sent, of all connections

	constructor(server, { event, address, dir }) {
		this.#server = server;
		this.dir = dir;
		this.address = address;
		server.on("tlsClientError", () => {});
		server.on(event, socket => {
			const connection = new Connection(socket);
			this.connections++;
			this.#sockets.add(socket);
			socket.on("data", chunk => { this.heard += chunk.length; });
			socket.on("close", () => this.#sockets.delete(socket));
			const taker = this.#takers.shift();
			if (taker)
				taker(connection);
			else
				this.#ready.push(connection);
		});
	}

	/** The next connection that a client makes. */
	next() {
		const connection = this.#ready.shift();
		return connection ? Promise.resolve(connection) : patience(new Promise(resolve => this.#takers.push(resolve)), "a connection");
	}

	async close() {
		for (const socket of this.#sockets)
			socket.destroy();
		this.#server.close();
		if (this.dir !== undefined)
			rmSync(this.dir, { recursive: true, force: true });
	}
}

/** A fake server that ends with the test `t`. */
export async function fake(t) {
	const dir = mkdtempSync(join(tmpdir(), "fn-"));
	const server = createServer().listen(join(dir, "s"));

	await once(server, "listening");
	const made = new Fake(server, { event: "connection", address: `unix:${join(dir, "s")}`, dir });
	t.after(() => made.close());
	return made;
}

/** The same behind mutual TLS, on a port of 127.0.0.1; `options` are of Node's tls.createServer(). */
export async function secureFake(t, options, host = "127.0.0.1") {
	const server = createSecureServer({ ALPNProtocols: ["fealty/1"], requestCert: true, rejectUnauthorized: true, ...options }).listen(0, host);

	await once(server, "listening");
	const made = new Fake(server, { event: "secureConnection", address: `${host.includes(":") ? `[${host}]` : host}:${server.address().port}` });
	made.port = server.address().port;
	made.renew = more => server.setSecureContext({ ...options, ...more });
	t.after(() => made.close());
	return made;
}

/** {server, client, c}: a client on its first connection. */
export async function pair(t, options = {}, hello = {}) {
	const server = await fake(t);
	const opened = connect({ address: server.address, backoff_min_ms: 1, backoff_max_ms: 20, deadline_ms: 5000, ...options });
	const c = await server.next();
	c.said = await c.hello(hello);
	const client = await opened;
	t.after(() => client.disconnect({ now: true }));
	return { server, client, c };
}

/** The FealtyError that a promise ends with. */
export async function failure(promise) {
	let value;
	try {
		value = await patience(Promise.resolve(promise), "the end of a call");
	} catch (e) {
		if (e.name !== "FealtyError")
			throw e;
		return e;
	}
	throw new Error(`an error was to come, and it is ${JSON.stringify(value)}`);
}
