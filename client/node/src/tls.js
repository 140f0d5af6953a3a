// TLS 1.3 to the daemon: what Node's tls module is given, and what its errors mean.
//
// Invariants.
// - Only the CA that was given vouches for a server: no CA of the system and no environment variable has a say.
// - A server's certificate is one for servers, and has the name that was asked for in its subjectAltName; its common name is nobody's.
// - TLS says "connected" before the server has judged our certificate, so an alert about that may come at any time before HELLO_OK.
// - Nothing is resumed: each connection shows its certificates.
import { X509Certificate, createPrivateKey } from "node:crypto";
import { isIP } from "node:net";
import { connect, createSecureContext } from "node:tls";

import { isName } from "./address.js";
import { invalidArgument, localError, protocolError } from "./error.js";

const ALPN = "fealty/1";
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";		// id-kp-serverAuth, RFC 5280 section 4.2.1.12
const FIELDS = ["ca", "cert", "key", "server_name"];
const CERTIFICATE = /-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs;

// Alerts of RFC 8446 section 6.2 about our certificate: what they say, and what helps.
const OUR_CERTIFICATE = {
	42: "bad_certificate: it is damaged, or what it names is no principal of this ledger; have one issued for it",
	43: "unsupported_certificate: it is not for clients (clientAuth), or of a kind that the server does not take; have one issued for a client",
	44: "certificate_revoked: its key is no longer trusted; have one issued with a new key",
	45: "certificate_expired: have it renewed; if it is not that, the server's list of revoked ones is out of date",
	46: "certificate_unknown: the server's log says why",
	48: "unknown_ca: it is not of a CA that the server trusts; give the certificate that this ledger's CA issued",
	49: "access_denied: its principal may not connect",
	116: "certificate_required: none came; give tls.cert and tls.key",
};
// Alerts that are about it as well when they come late, once TLS was connected: nothing else is judged then.
const OUR_CERTIFICATE_LATE = {
	40: "handshake_failure: what it names is no principal of this ledger, or it names several; have one issued for it",
	51: "decrypt_error: it, or the server's list of revoked ones, is not signed as it should be",
};
// Alerts of a server with which there is nothing to agree on.
const NO_COMMON = {
	40: "handshake_failure", 70: "protocol_version", 71: "insufficient_security", 112: "unrecognized_name", 120: "no_application_protocol",
};

// What is wrong with the server's certificate, by Node's code; any other says that it is not of the CA.
const THEIR_CERTIFICATE = {
	CERT_HAS_EXPIRED: "has expired; have it renewed there",
	CERT_NOT_YET_VALID: "is not valid yet; look at both clocks",
	INVALID_PURPOSE: "is not for servers (serverAuth); it was issued for something else",
};

/** Credentials that may be right the next time that they are asked for. */
function unusable(field, message, cause) {
	return localError("CREDENTIALS", `tls.${field} ${message}`, { field: `tls.${field}`, cause });
}

function textOf(pem) {
	return typeof pem === "string" ? pem : Buffer.from(pem).toString("utf8");
}

/** The certificates in a PEM text, each of which can be read. */
function certificatesOf(field, pem) {
	const found = pem.match(CERTIFICATE) ?? [];

	if (found.length === 0)
		throw unusable(field, "has no certificate in it; give the content of a PEM file, from -----BEGIN CERTIFICATE----- on");
	try {
		return found.map(one => ({ pem: one, certificate: new X509Certificate(one) }));
	} catch (e) {
		throw unusable(field, "has a certificate that cannot be read", e);
	}
}

function keyOf(pem) {
	try {
		return createPrivateKey(pem);
	} catch (e) {
		const why = pem.includes("ENCRYPTED") ? "is encrypted; give it without a passphrase" : "cannot be read; give the content of a PEM file";
		throw unusable("key", why, e);
	}
}

function takeShape(given) {
	if (given === null || typeof given !== "object" || Array.isArray(given))
		throw invalidArgument("tls", "must be an object with ca, cert and key, or a function that gives one");
	for (const name of Object.keys(given)) {
		if (!FIELDS.includes(name))
			throw invalidArgument(`tls.${name}`, `is none of ${FIELDS.join(", ")}`);
	}
	for (const name of ["ca", "cert", "key"]) {
		if (given[name] === undefined)
			throw invalidArgument(`tls.${name}`, "is missing: both sides show a certificate, so tls needs ca, cert and key");
		if (typeof given[name] !== "string" && !(given[name] instanceof Uint8Array))
			throw invalidArgument(`tls.${name}`, "must be the content of a PEM file, as a text or a Buffer");
	}
	const { server_name: name } = given;
	if (name !== undefined && !(typeof name === "string" && (isName(name) || isIP(name))))
		throw invalidArgument("tls.server_name", "must be a DNS name or an IP address");
}

/** {name, context}: the name that the server must have, and what TLS needs. */
function credentialsOf(given, host) {
	takeShape(given);
	const key = textOf(given.key);
	const [cas, chain] = ["ca", "cert"].map(field => certificatesOf(field, textOf(given[field])));
	const secret = keyOf(key);

	if (!chain[0].certificate.checkPrivateKey(secret))
		throw unusable("key", "is not the key of the first certificate in tls.cert");
	try {
		return { name: given.server_name ?? host, context: createSecureContext({
			ca: cas.map(one => one.pem), cert: chain.map(one => one.pem).join("\n"), key, minVersion: "TLSv1.3", maxVersion: "TLSv1.3",
		}) };
	} catch (e) {
		throw unusable("cert", `cannot be used: ${e.message}`, e);
	}
}

export class Tls {
	#target;
	#ask;

	/** `given` is the option `tls`: an object, which is judged here, or a function that gives one for each connection. */
	constructor(given, target) {
		this.#target = target;
		if (typeof given === "function") {
			this.#ask = given;
			return;
		}
		try {
			const credentials = credentialsOf(given, target.host);
			this.#ask = () => credentials;
		} catch (e) {
			throw e.reason === "CREDENTIALS" ? localError("INVALID_ARGUMENT", e.message, { field: e.field, cause: e.cause }) : e;
		}
	}

	get #server() {
		const { host, port } = this.#target;

		return `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
	}

	/** For one connection.  Rejects with CREDENTIALS when the next time may be better, and with INVALID_ARGUMENT when none will. */
	async credentials() {
		let given;

		try {
			given = await this.#ask();
		} catch (e) {
			throw localError("CREDENTIALS", `tls() failed: ${e?.message ?? e}`, { field: "tls", cause: e });
		}
		return given?.context === undefined ? credentialsOf(given, this.#target.host) : given;
	}

	/** A socket whose "secureConnect" comes when the server's certificate was found good. */
	connect({ name, context }, connectMs) {
		return connect({
			...this.#target, autoSelectFamily: true, autoSelectFamilyAttemptTimeout: Math.max(10, Math.ceil(connectMs / 4)),
			servername: isIP(name) ? "" : name, secureContext: context, ALPNProtocols: [ALPN], rejectUnauthorized: true,
			checkServerIdentity: (_, { raw }) => this.#judge(name, new X509Certificate(raw)),
		});
	}

	/** The certificate's chain holds; whether it is that of the server which was asked for. */
	#judge(name, certificate) {
		const named = isIP(name) ? certificate.checkIP(name) : certificate.checkHost(name, { subject: "never", partialWildcards: false });

		if (!certificate.keyUsage?.includes(SERVER_AUTH))
			return this.#theirs(THEIR_CERTIFICATE.INVALID_PURPOSE);
		if (named === undefined)
			return this.#theirs(`is not for "${name}", but for ${certificate.subjectAltName ?? "no name"}; ` +
				"connect by a name that it has, or say it as tls.server_name");
		return undefined;
	}

	#theirs(words, cause) {
		return localError("SERVER_CERTIFICATE", `the certificate of ${this.#server} ${words}`, { cause });
	}

	#ours(words, cause) {
		return localError("CLIENT_CERTIFICATE", `${this.#server} refused our certificate, ${words}`, { cause });
	}

	#stranger(words, cause) {
		return protocolError(`${this.#server} ${words}: it is no fealtyd, or another door of it`, cause);
	}

	/** What is wrong with a connection that TLS has made, if anything is. */
	misfit(socket) {
		return socket.alpnProtocol === ALPN ? undefined : this.#stranger(`speaks TLS, and did not choose ${ALPN}`);
	}

	/** {kind, error} of an error of `socket`, as Link's on.down() has them; undefined when the connection was just lost. */
	explain(error, socket, early) {
		const alert = Number(/SSL alert number (\d+)/.exec(error.message)?.[1]);

		if (error.reason === "SERVER_CERTIFICATE")
			return { kind: "fatal", error };
		if (socket.authorizationError)
			return { kind: "fatal", error: this.#theirs(THEIR_CERTIFICATE[error.code] ??
				`is not of the CA in tls.ca (${error.message}): give this ledger's CA; if you did, somebody stands in between`, error) };
		if (alert in OUR_CERTIFICATE || (!early && alert in OUR_CERTIFICATE_LATE))
			return { kind: "fatal", error: this.#ours(OUR_CERTIFICATE[alert] ?? OUR_CERTIFICATE_LATE[alert], error) };
		if (alert in NO_COMMON)
			return { kind: "protocol", error: this.#stranger(`does not take TLS 1.3 with ${ALPN} (${NO_COMMON[alert]})`, error) };
		if (early && Number.isNaN(alert) && String(error.code).startsWith("ERR_SSL_"))
			return { kind: "protocol", error: this.#stranger(`does not speak TLS 1.3 (${error.reason ?? error.message})`, error) };
		return undefined;
	}
}
