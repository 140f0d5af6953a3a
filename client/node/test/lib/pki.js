// A CA of a test's own, and what it issues, made by the openssl command: nothing here is of the client.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { patience } from "./fake.js";

const DAY_MS = 86400000;
const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

function openssl(...words) {
	return execFileSync("openssl", words, { stdio: ["ignore", "pipe", "pipe"] });
}

/** YYYYMMDDHHMMSSZ, so many days from now. */
function day(days) {
	return `${new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 19).replace(/[-:T]/g, "")}Z`;
}

class Ca {
	#dir;
	#config;
	#issued = 0;

	constructor(dir, name) {
		this.#dir = dir;
		this.file = join(dir, `${name}.pem`);
		this.#config = join(dir, `${name}.conf`);
		this.name = name;
		writeFileSync(join(dir, `${name}.index`), "");
		writeFileSync(this.#config, `[ca]\ndefault_ca = it\n[it]\ndatabase = ${dir}/${name}.index\nnew_certs_dir = ${dir}\nrand_serial = yes\ndefault_md = sha256
policy = any\nunique_subject = no\ndefault_crl_days = 30\n[any]\ncommonName = supplied\n`);
		openssl("req", "-x509", ...KEY, "-nodes", "-keyout", `${this.#path}.key`, "-out", this.file, "-days", "30", "-subj", `/CN=${name}`,
			"-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign");
		this.pem = readFileSync(this.file, "utf8");
	}

	get #path() {
		return join(this.#dir, this.name);
	}

	#sign(...words) {
		return openssl("ca", "-config", this.#config, "-cert", this.file, "-keyfile", `${this.#path}.key`, "-batch", "-notext", ...words);
	}

	/** {cert, key, files}: PEM texts, and where they are.  `names` is a subjectAltName; `usage` an extendedKeyUsage; null leaves either out. */
	issue({ names = null, usage = null, from = -1, to = 20, common = "nobody" } = {}) {
		const path = `${this.#path}-${++this.#issued}`;
		const extensions = [usage && `extendedKeyUsage = ${usage}`, names && `subjectAltName = ${names}`].filter(Boolean);

		openssl("req", "-new", ...KEY, "-nodes", "-keyout", `${path}.key`, "-out", `${path}.csr`, "-subj", `/CN=${common}`);
		writeFileSync(`${path}.ext`, `basicConstraints = critical,CA:FALSE\n${extensions.join("\n")}\n`);
		this.#sign("-in", `${path}.csr`, "-out", `${path}.pem`, "-extfile", `${path}.ext`, "-startdate", day(from), "-enddate", day(to));
		return { cert: readFileSync(`${path}.pem`, "utf8"), key: readFileSync(`${path}.key`, "utf8"), files: { cert: `${path}.pem`, key: `${path}.key` } };
	}

	server({ names = "URI:spiffe://example.com/server/a,DNS:localhost,DNS:ledger.example.com,IP:127.0.0.1", usage = "serverAuth", ...more } = {}) {
		return this.issue({ names, usage, ...more });
	}

	/** With a principal: "backend/app". */
	client(principal = "backend/app", more = {}) {
		return this.issue({ names: `URI:spiffe://example.com/${principal}`, usage: "clientAuth", ...more });
	}

	revoke({ files }) {
		this.#sign("-revoke", files.cert);
	}

	/** Where the list of what was revoked until now is. */
	crl() {
		this.#sign("-gencrl", "-out", `${this.#path}.crl`);
		return `${this.#path}.crl`;
	}
}

/** Makes CAs, until the end of the test. */
export function pki(t) {
	const dir = mkdtempSync(join(tmpdir(), "fp-"));

	t.after(() => rmSync(dir, { recursive: true, force: true }));
	return { dir, ca: name => new Ca(dir, name) };
}

/** The SHA-256 of a certificate's SubjectPublicKeyInfo, as a deny list has it. */
export function spkiHash({ files }) {
	const key = openssl("x509", "-in", files.cert, "-noout", "-pubkey");
	const der = execFileSync("openssl", ["pkey", "-pubin", "-outform", "DER"], { input: key });
	return execFileSync("openssl", ["dgst", "-sha256", "-r"], { input: der }).toString().slice(0, 64);
}

/** What fealtyd is told to serve TLS with a certificate. */
export function serverArguments(ca, { files }, ...more) {
	return ["--listen", "127.0.0.1:0", "--tls-cert", files.cert, "--tls-key", files.key, "--tls-ca", ca.file, ...more];
}

export async function freePort() {
	const server = createServer().listen(0, "127.0.0.1");

	await once(server, "listening");
	const { port } = server.address();
	server.close();
	await once(server, "close");
	return port;
}

/**
 * Passes on what comes to a port of 127.0.0.1, and notes it.  `cut(bytes)`: of the server's next bytes so many still pass, then the client has a FIN, as
 * from a machine in between.
 */
export async function relay(t, port) {
	const sockets = new Set();
	const made = { connections: 0, closed: 0, port, fromClient: Buffer.alloc(0), fromServer: 0 };
	const server = createServer(client => {
		const upstream = connect(made.port, "127.0.0.1");
		made.connections++;
		made.fromClient = Buffer.alloc(0);
		made.fromServer = 0;
		let left = Infinity;
		made.cut = bytes => { left = bytes; };
		for (const socket of [client, upstream]) {
			sockets.add(socket);
			socket.on("error", () => {});
		}
		client.on("data", chunk => {
			made.fromClient = Buffer.concat([made.fromClient, chunk]);
			upstream.write(chunk);
		});
		upstream.on("data", chunk => {
			made.fromServer += chunk.length;
			client.write(chunk.subarray(0, left));
			if ((left -= chunk.length) <= 0)
				client.end();
		});
		client.on("close", () => upstream.end());
		client.on("end", () => upstream.end());
		upstream.on("close", () => {
			made.closed++;
			client.end();
		});
	}).listen(0, "127.0.0.1");

	await once(server, "listening");
	made.address = `127.0.0.1:${server.address().port}`;
	/** Resolves when all that came was passed on, and every connection has ended. */
	made.idle = async () => {
		while (made.closed < made.connections)
			await new Promise(resolve => setTimeout(resolve, 1));
	};
	t.after(() => {
		server.close();
		for (const socket of sockets)
			socket.destroy();
	});
	return made;
}

/** The openssl command as a server, which judges clients as the daemon does and says so by alerts.  Its port. */
export async function judge(t, { ca, server, words = [] }) {
	const port = await freePort();
	const child = spawn("openssl", ["s_server", "-accept", `127.0.0.1:${port}`, "-cert", server.files.cert, "-key", server.files.key, "-CAfile", ca.file,
		"-Verify", "3", "-verify_return_error", "-alpn", "fealty/1", "-tls1_3", ...words], { stdio: ["pipe", "pipe", "pipe"] });
	let said = "";
	const listening = new Promise((resolve, reject) => {
		child.stdout.on("data", chunk => {
			said += chunk;
			if (said.includes("ACCEPT"))
				resolve();
		});
		child.on("exit", () => reject(new Error(`openssl s_server ended: ${said}`)));
	});

	child.stderr.on("data", chunk => { said += chunk; });
	t.after(() => child.kill());
	await patience(listening, "openssl s_server");
	return port;
}
