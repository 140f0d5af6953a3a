import { BlockList, isIP } from "node:net";

import { invalidArgument } from "./error.js";

const UNIX_PATH_BYTES_MAX = 107;		// sun_path without its NUL
const NAME_CHARS_MAX = 253;
const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

function unixOptions(path) {
	if (path === "" || path.includes("\0") || Buffer.byteLength(path) > UNIX_PATH_BYTES_MAX)
		throw invalidArgument("address", `has no path of 1 to ${UNIX_PATH_BYTES_MAX} bytes`);
	return { path };
}

/** A DNS name, as it is asked for: letters, digits and hyphens; its last label is no number. */
export function isName(text) {
	return text.length <= NAME_CHARS_MAX && /^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)*(?!\d+$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i.test(text);
}

function hostAndPort(address) {
	const m = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(address);
	const [, six, other, port] = m ?? [];
	const family = isIP(six ?? other ?? "");

	if (m === null || (six !== undefined ? family !== 6 : family !== 4 && !isName(other)) || !(port >= 1 && port <= 65535))
		throw invalidArgument("address", "is none of unix:PATH, HOST:PORT, A.B.C.D:PORT and [IPv6]:PORT");
	return { host: six ?? other, port: Number(port), family };
}

/**
 * What net.connect() takes, of "unix:PATH", "/PATH", "127.0.0.1:7450", "[::1]:7450" or "ledger.example.com:7450".  Without TLS (`secure` is
 * false) nothing but this machine is reached, and no name is looked up, since it could be any machine's.
 */
export function parseAddress(address, secure = false) {
	if (typeof address !== "string" || address === "")
		throw invalidArgument("address", "is missing; write \"unix:/run/fealty/fealtyd.sock\", or \"ledger.example.com:7450\" with tls");
	if (address.startsWith("unix:") || address.startsWith("/")) {
		if (secure)
			throw invalidArgument("tls", "is for HOST:PORT; a UNIX socket knows its caller without it");
		return unixOptions(address.replace(/^unix:/, ""));
	}
	const { host, port, family } = hostAndPort(address);
	if (!secure && (family === 0 || !LOOPBACK.check(host, `ipv${family}`))) {
		const where = family === 0 ? "a name, which may be another machine's" : "another machine";
		throw invalidArgument("address", `${address} is ${where}, and without TLS anybody in between could read and change what is said; give tls: { ca, cert, key }`);
	}
	return { host, port };
}
