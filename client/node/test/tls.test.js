// Mutual TLS: whom the client believes, what it says when it does not, and when it comes again.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import test from "node:test";
import { createSecureContext } from "node:tls";
import { inspect, promisify } from "node:util";

import { connect } from "../src/index.js";
import { Link } from "../src/link.js";
import { Tls } from "../src/tls.js";
import { T, failure, frame, message, patience, secureFake } from "./lib/fake.js";
import { freePort, judge, pki, relay } from "./lib/pki.js";

const QUICK = { backoff_min_ms: 1, backoff_max_ms: 10, deadline_ms: 5000 };
const BUY = { member: "card:1", amount: "5" };

/** {ca, other, app, tls}: a CA, another one, a client's certificate, and the option with it. */
function authority(t) {
	const made = pki(t);
	const ca = made.ca("ca");
	const app = ca.client();

	return { ca, other: made.ca("other"), app, tls: { ca: ca.pem, cert: app.cert, key: app.key } };
}

function serverOptions(ca, { cert, key } = ca.server()) {
	return { ca: ca.pem, cert, key };
}

/** A client whose first connection is at `server`. */
async function opened(t, server, options) {
	const opening = connect({ address: server.address, ...QUICK, ...options });
	opening.catch(() => {});
	const c = await server.next();
	c.said = await c.hello();
	const client = await opening;
	t.after(() => client.disconnect({ now: true }));
	return { client, c };
}

async function answer(c, plain) {
	const { tag } = await c.request();
	c.respond(tag, plain);
}

test("both show certificates, by TLS 1.3 and fealty/1; the server's name is DNS or IP, of the address or as it is said", async t => {
	const { ca, tls } = authority(t);
	const server = await secureFake(t, serverOptions(ca));

	for (const [address, more, servername] of [
		[`127.0.0.1:${server.port}`, {}, false], [`localhost:${server.port}`, {}, "localhost"],
		[`127.0.0.1:${server.port}`, { server_name: "ledger.example.com" }, "ledger.example.com"],
		[`localhost:${server.port}`, { server_name: "127.0.0.1" }, false], [`LOCALHOST:${server.port}`, { ca: Buffer.from(tls.ca), key: new Uint8Array(Buffer.from(tls.key)) }, "LOCALHOST"],
	]) {
		const { client, c } = await opened(t, server, { address, principal: "backend/test", tls: { ...tls, ...more } });
		assert.deepEqual(c.peer, { protocol: "TLSv1.3", names: "URI:spiffe://example.com/backend/app", servername, reused: false }, address);
		const reply = client.balance({ member: "card:1" });
		await answer(c, { available: "7" });
		assert.equal((await reply).available, "7");
		await client.disconnect();
	}
});

test("large commands and answers, in pieces as they come", async t => {
	const { ca, tls } = authority(t);
	const { client, c } = await opened(t, await secureFake(t, serverOptions(ca)), { tls });
	const commands = Array.from({ length: 1000 }, (_, i) => ({ op: "purchase", member: `card:${i}`, amount: "1", receipt_no: "r".repeat(64), lines: [] }));
	const done = client.batch(commands);
	const { tag, plain } = await c.request();

	assert.equal(plain.commands.length, 1000);
	c.send(T.RESPONSE, tag, "BatchResponse", { outcome: {}, results: commands.map((_, i) => ({ id: `${i}.0`, message: "m".repeat(500) })) });
	const { results } = await done;
	assert.deepEqual([results.length, results[999].reply.id], [1000, "999.0"]);
});

test("a server's certificate that does not hold: nothing is said to it, and it is not asked again", async t => {
	const { ca, other, tls } = authority(t);
	const names = "DNS:localhost,IP:127.0.0.1";

	for (const [what, certificate, words, more] of [
		["another CA", other.server(), /is not of the CA in tls\.ca/],
		["expired", ca.server({ from: -9, to: -1 }), /has expired/],
		["not yet valid", ca.server({ from: 3 }), /is not valid yet/],
		["a client's", ca.server({ usage: "clientAuth" }), /is not for servers \(serverAuth\)/],
		["no usage", ca.server({ usage: null }), /is not for servers \(serverAuth\)/],
		["another name", ca.server({ names: "DNS:elsewhere.example.com" }), /is not for "127\.0\.0\.1", but for DNS:elsewhere\.example\.com; .*tls\.server_name/],
		["another address", ca.server({ names: "IP:127.0.0.2,DNS:localhost" }), /is not for "127\.0\.0\.1"/],
		["no name", ca.server({ names: "URI:spiffe://example.com/server/a" }), /is not for "127\.0\.0\.1"/],
		["a common name only", ca.server({ names: null, common: "ledger.example.com" }), /is not for "ledger\.example\.com", but for no name/, { server_name: "ledger.example.com" }],
		["an address as a name", ca.server({ names: "DNS:127.0.0.1" }), /is not for "127\.0\.0\.1"/],
		["part of a name", ca.server({ names: "DNS:led*.example.com" }), /is not for "ledger\.example\.com"/, { server_name: "ledger.example.com" }],
		["not as it is said", ca.server({ names }), /is not for "ledger\.example\.com"/, { server_name: "ledger.example.com" }],
	]) {
		const server = await secureFake(t, serverOptions(ca, certificate));
		const between = await relay(t, server.port);
		const e = await failure(connect({ address: between.address, ...QUICK, wait_ms: 5000, tls: { ...tls, ...more } }));
		await between.idle();
		assert.deepEqual([e.reason, e.status, e.retryable, e.outcome], ["SERVER_CERTIFICATE", "UNAUTHENTICATED", false, "failed"], what);
		assert.match(e.message, words);
		assert.ok(e.message.includes(between.address), e.message);
		assert.ok(!inspect(e, { depth: 9 }).includes(tls.key.split("\n")[1]), "an error that shows the key");
		assert.deepEqual([between.connections, server.heard], [1, 0], what);
	}
});

test("no CA of the system and no environment variable vouches for a server", async t => {
	const { ca, other, tls } = authority(t);
	const server = await secureFake(t, serverOptions(ca, other.server()));
	const index = JSON.stringify(new URL("../src/index.js", import.meta.url).href);
	const script = `import { connect } from ${index};
connect(${JSON.stringify({ address: server.address, tls })}).then(() => console.log("connected"), e => console.log(e.reason));`;

	for (const env of [{ NODE_EXTRA_CA_CERTS: other.file }, { NODE_TLS_REJECT_UNAUTHORIZED: "0" }, { SSL_CERT_FILE: other.file, NODE_OPTIONS: "--use-openssl-ca" }]) {
		const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], { env: { ...process.env, ...env }, timeout: 20000 });
		assert.equal(stdout, "SERVER_CERTIFICATE\n", inspect(env));
	}
});

test("a server that is no fealtyd, by TLS: PROTOCOL, and nothing is said to it", async t => {
	const { ca, tls } = authority(t);

	for (const [options, words] of [
		[{ ALPNProtocols: undefined }, /did not choose fealty\/1/], [{ ALPNProtocols: ["h2"] }, /no_application_protocol/], [{ maxVersion: "TLSv1.2" }, /protocol_version/],
	]) {
		const server = await secureFake(t, { ...serverOptions(ca), ...options });
		const between = await relay(t, server.port);
		const e = await failure(connect({ address: between.address, ...QUICK, wait_ms: 5000, tls }));
		await between.idle();
		assert.deepEqual([e.reason, e.retryable, between.connections, server.heard], ["PROTOCOL", false, 1, 0]);
		assert.match(e.message, words);
	}
	const plain = createServer(socket => socket.on("error", () => {}).end("HTTP/1.1 400 Bad Request\r\n\r\n")).listen(0, "127.0.0.1");
	t.after(() => plain.close());
	await once(plain, "listening");
	const e = await failure(connect({ address: `127.0.0.1:${plain.address().port}`, ...QUICK, wait_ms: 5000, tls }));
	assert.deepEqual([e.reason, /does not speak TLS 1\.3/.test(e.message)], ["PROTOCOL", true], e.message);
});

test("our certificate is refused after TLS has said that it is connected: final, with what helps", async t => {
	const { ca, other, tls } = authority(t);
	const revoked = ca.client("backend/revoked");
	ca.revoke(revoked);
	const port = await judge(t, { ca, server: ca.server(), words: ["-CRL", ca.crl(), "-crl_check"] });

	for (const [alert, given, words] of [
		["unknown_ca", other.client(), /this ledger's CA/], ["certificate_expired", ca.client("backend/app", { from: -9, to: -1 }), /renewed/],
		["certificate_revoked", revoked, /new key/], ["unsupported_certificate", ca.client("backend/app", { usage: "serverAuth" }), /clientAuth/],
	]) {
		const between = await relay(t, port);
		const e = await failure(connect({ address: between.address, ...QUICK, wait_ms: 5000, tls: { ...tls, cert: given.cert, key: given.key } }));
		assert.deepEqual([e.reason, e.status, e.retryable, e.outcome], ["CLIENT_CERTIFICATE", "UNAUTHENTICATED", false, "failed"], alert);
		assert.ok(e.message.includes(`${between.address} refused our certificate, ${alert}`), e.message);
		assert.match(e.message, words);
		assert.equal(between.connections, 1, alert);
	}
});

/** How a link with these credentials ends. */
function linkEnd(tls, target) {
	return patience(new Promise(resolve => new Link({ target, tls, hello: {}, connectMs: 3000, on: { down: resolve, ready() {}, frame() {}, writable() {} } })), "its end");
}

test("a connection without our certificate is refused as well", async t => {
	const { ca, tls } = authority(t);
	const target = { host: "127.0.0.1", port: await judge(t, { ca, server: ca.server() }) };
	const real = new Tls(tls, target);
	const bare = { name: "127.0.0.1", context: createSecureContext({ ca: tls.ca, minVersion: "TLSv1.3" }) };
	const without = { credentials: async () => bare, connect: (...words) => real.connect(...words), misfit: s => real.misfit(s), explain: (...words) => real.explain(...words) };
	const { kind, error } = await linkEnd(without, target);

	assert.deepEqual([kind, error.reason, /certificate_required/.test(error.message)], ["fatal", "CLIENT_CERTIFICATE", true], error.message);
});

test("a server that ends the connection without an alert: it is tried again, and the error says where to look", async t => {
	const { ca, other, tls } = authority(t);
	const server = await secureFake(t, serverOptions(ca));
	const between = await relay(t, server.port);
	const stranger = other.client();			// Node's server destroys the socket of one that it does not know
	const e = await failure(connect({ address: between.address, ...QUICK, wait_ms: 100, tls: { ...tls, cert: stranger.cert, key: stranger.key } }));

	assert.deepEqual([e.reason, e.retryable], ["CONNECT", true]);
	assert.match(e.message, /before it answered HELLO; if it refused our certificate, its log says why/);
	assert.ok(between.connections > 1, "it was not tried again");
});

test("refused on a reconnect: what is in doubt is unknown, the rest has failed, and the client has ended", async t => {
	const { ca, tls } = authority(t);
	const server = await secureFake(t, serverOptions(ca));
	const renewed = ca.client("backend/app", { from: -9, to: -1 });
	const strict = await judge(t, { ca, server: ca.server() });
	let given = tls;

	for (const [reason, turn] of [
		["CLIENT_CERTIFICATE", between => { given = { ...tls, cert: renewed.cert, key: renewed.key }; between.port = strict; }],
		["SERVER_CERTIFICATE", () => server.renew(serverOptions(ca, ca.server({ names: "DNS:elsewhere.example.com" })))],
	]) {
		const between = await relay(t, server.port);
		given = tls;
		const { client, c } = await opened(t, server, { address: between.address, tls: () => given });
		const ends = [client.purchase({ ...BUY, key: "k-1" }), client.balance({ member: "card:1" })].map(failure);
		await c.request();
		await c.request();
		turn(between);
		const lost = new Promise(resolve => client.once("disconnected", resolve));
		c.destroy();
		await lost;
		ends.push(failure(client.purchase({ ...BUY, key: "k-2" })));
		const [sent, read, unsent] = await Promise.all(ends);
		assert.deepEqual([sent.reason, sent.outcome, sent.key, sent.retryable], [reason, "unknown", "k-1", true]);
		assert.deepEqual([read.reason, read.outcome], [reason, "failed"]);
		assert.deepEqual([unsent.reason, unsent.outcome, unsent.key], [reason, "failed", "k-2"]);
		assert.equal((await failure(client.balance({ member: "card:1" }))).reason, reason);
		assert.equal(between.connections, 2);
	}
});

test("an address that does not answer, and a handshake that does not end, are tried again", async t => {
	const { ca, tls } = authority(t);
	const port = await freePort();
	const before = await failure(connect({ address: `127.0.0.1:${port}`, ...QUICK, tls }));
	assert.deepEqual([before.reason, before.retryable, /ECONNREFUSED/.test(before.message)], ["CONNECT", true, true]);
	const nobody = await failure(connect({ address: "nobody.invalid:7450", ...QUICK, tls: { ...tls, server_name: "localhost" } }));
	assert.deepEqual([nobody.reason, /nobody\.invalid/.test(nobody.message)], ["CONNECT", true]);

	const server = await secureFake(t, serverOptions(ca));
	const between = await relay(t, port);
	const opening = connect({ address: between.address, ...QUICK, wait_ms: 5000, tls });
	while (between.connections < 3)
		await new Promise(resolve => setTimeout(resolve, 2));
	between.port = server.port;
	await (await server.next()).hello();
	await (await opening).disconnect();
});

test("a server that feeds its handshake a byte at a time is left after connect_ms", async t => {
	const { tls } = authority(t);
	let closed = 0;
	const slow = createServer(socket => {
		const bytes = [22, 3, 3, 0x3f, 0xff];		// the head of a long record, and then zeros
		const timer = setInterval(() => socket.write(Buffer.from([bytes.shift() ?? 0])), 10);
		socket.on("error", () => {}).on("close", () => {
			clearInterval(timer);
			closed++;
		});
	}).listen(0, "127.0.0.1");
	t.after(() => slow.close());
	await once(slow, "listening");
	const began = performance.now();
	const e = await failure(connect({ address: `127.0.0.1:${slow.address().port}`, ...QUICK, connect_ms: 200, tls }));

	assert.deepEqual([e.reason, e.message], ["CONNECT", "the server did not end the TLS handshake in time"]);
	assert.ok(performance.now() - began < 2000);
	while (closed === 0)
		await new Promise(resolve => setTimeout(resolve, 1));
});

test("a FIN without close_notify within an answer is a lost connection: sent again under the same key", async t => {
	const { ca, tls } = authority(t);
	const server = await secureFake(t, serverOptions(ca));
	const between = await relay(t, server.port);
	const { client, c } = await opened(t, server, { address: between.address, tls });
	const lost = new Promise(resolve => client.once("disconnected", resolve));
	const bought = client.purchase(BUY);
	const { tag, plain } = await c.request();

	between.cut(20);						// within a record of TLS
	c.respond(tag, { id: "1.0", message: "m".repeat(300) });
	assert.equal((await patience(lost, "the loss")).reason, "CONNECT");
	const d = await server.next();
	await d.hello();
	const again = await d.request();
	assert.equal(again.plain.key, plain.key);

	const head = frame(T.RESPONSE, again.tag, message("Response", { id: "1.0" }));
	d.raw(head.subarray(0, 18));					// whole records, half a frame
	while (between.fromServer === 0 || client.connected === false)
		await new Promise(resolve => setTimeout(resolve, 1));
	await new Promise(resolve => setTimeout(resolve, 20));
	between.cut(0);
	d.raw(head.subarray(18));
	const e = await server.next();
	await e.hello();
	const third = await e.request();
	assert.equal(third.plain.key, plain.key);
	e.respond(third.tag, { id: "1.0", replayed: true });
	const reply = await bought;
	assert.deepEqual([reply.replayed, reply.key], [true, plain.key]);

	const unknown = failure(client.purchase({ ...BUY, key: "k-9", deadline_ms: 300 }));
	await e.request();
	between.cut(0);
	e.raw(Buffer.alloc(1));
	between.port = await freePort();
	const end = await unknown;
	assert.deepEqual([end.outcome, end.key], ["unknown", "k-9"]);
});

test("disconnect() says close_notify", async t => {
	const { ca, tls } = authority(t);
	const server = await secureFake(t, serverOptions(ca));
	const between = await relay(t, server.port);
	const { client } = await opened(t, server, { address: between.address, tls });

	between.fromClient = Buffer.alloc(0);
	await client.disconnect();
	assert.deepEqual([between.fromClient[0], between.fromClient.readUInt16BE(3), between.fromClient.length], [23, 19, 24], "one record, of an alert");
});

test("nothing is resumed, though the server offers tickets", async t => {
	const { ca, tls } = authority(t);
	const server = await secureFake(t, serverOptions(ca));
	const { client, c } = await opened(t, server, { tls });
	const peers = [c.peer];

	for (let before = c; peers.length < 3;) {
		before.destroy();
		const reply = client.balance({ member: "card:1" });
		before = await server.next();
		await before.hello();
		await answer(before, {});
		await reply;
		peers.push(before.peer);
	}
	assert.deepEqual(peers.map(peer => [peer.reused, peer.names]), Array(3).fill([false, "URI:spiffe://example.com/backend/app"]));
});

test("tls as a function: asked for each connection; what cannot be used is asked for again", async t => {
	const { ca, other, tls } = authority(t);
	const server = await secureFake(t, serverOptions(ca));
	const next = ca.client("backend/app-renewed");
	const stranger = other.client();
	const gives = [tls, () => { throw new Error("ENOENT: app.pem"); }, { ...tls, cert: next.cert }, { ...tls, cert: "" }, { ...tls, cert: next.cert, key: next.key }];
	let asked = 0;
	const { client, c } = await opened(t, server, { tls: async () => {
		const given = gives[asked++];
		return typeof given === "function" ? given() : given;
	} });

	assert.equal(c.peer.names, "URI:spiffe://example.com/backend/app");
	c.destroy();
	const reply = client.balance({ member: "card:1" });
	const d = await server.next();
	await d.hello();
	assert.equal(d.peer.names, "URI:spiffe://example.com/backend/app-renewed");
	await answer(d, { available: "3" });
	assert.deepEqual([(await reply).available, asked], ["3", 5]);

	const first = await failure(connect({ address: server.address, ...QUICK, tls: () => ({ ...tls, key: stranger.key }) }));
	assert.deepEqual([first.reason, first.status, first.field, first.retryable], ["CREDENTIALS", "FAILED_PRECONDITION", "tls.key", true]);
	const thrown = await failure(connect({ address: server.address, ...QUICK, tls: () => Promise.reject(new Error("no such file")) }));
	assert.deepEqual([thrown.reason, thrown.message], ["CREDENTIALS", "tls() failed: no such file"]);
	let times = 0;
	const wrong = await failure(connect({ address: server.address, ...QUICK, wait_ms: 5000, tls: () => { times++; return { ...tls, cafile: "x" }; } }));
	assert.deepEqual([wrong.reason, wrong.field, times], ["INVALID_ARGUMENT", "tls.cafile", 1]);
	const late = await failure(connect({ address: server.address, ...QUICK, connect_ms: 50, tls: () => new Promise(() => {}) }));
	assert.deepEqual([late.reason, late.message], ["CONNECT", "tls() gave nothing in time"]);
});

test("credentials that cannot be used are refused before anything is sent", async t => {
	const { other, app, tls } = authority(t);
	const address = "ledger.example.com:7450";
	const locked = (await promisify(execFile)("openssl", ["ec", "-in", app.files.key, "-aes128", "-passout", "pass:x"])).stdout;

	for (const [given, field, words] of [
		[5, "tls", /object/], [null, "tls", /object/], [[], "tls", /object/], [{ ...tls, cert: undefined }, "tls.cert", /both sides/], [{ ...tls, key: undefined }, "tls.key", /both sides/],
		[{ ...tls, ca: undefined }, "tls.ca", /both sides/], [{ ...tls, ca: "" }, "tls.ca", /no certificate/], [{ ...tls, ca: "/etc/ca.pem" }, "tls.ca", /content of a PEM file/],
		[{ ...tls, ca: ["x"] }, "tls.ca", /content/], [{ ...tls, cert: tls.cert.replace(/MI../, "AAAA") }, "tls.cert", /cannot be read/], [{ ...tls, key: "x" }, "tls.key", /cannot be read/],
		[{ ...tls, key: other.client().key }, "tls.key", /not the key of/], [{ ...tls, key: locked }, "tls.key", /encrypted/], [{ ...tls, server_name: "a b" }, "tls.server_name", /DNS name/],
		[{ ...tls, server_name: "" }, "tls.server_name", /DNS name/], [{ ...tls, rejectUnauthorized: false }, "tls.rejectUnauthorized", /none of/],
	]) {
		const e = await failure(connect({ address, tls: given }));
		assert.deepEqual([e.reason, e.field], ["INVALID_ARGUMENT", field], inspect(given));
		assert.match(e.message, words);
	}
	assert.match((await failure(connect({ address: "unix:/run/s", tls }))).message, /UNIX socket/);
	for (const [plain, words] of [["10.0.0.5:7450", /another machine, and without TLS/], ["[2001:db8::1]:7450", /another machine/], [address, /a name/], ["localhost:7450", /a name/]]) {
		const e = await failure(connect({ address: plain }));
		assert.deepEqual([e.reason, e.field], ["INVALID_ARGUMENT", "address"]);
		assert.match(e.message, words);
	}
});
