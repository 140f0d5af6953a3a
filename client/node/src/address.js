import { isIP } from "node:net";

import { invalidArgument, localError } from "./error.js";

const UNIX_PATH_BYTES_MAX = 107;		// sun_path without its NUL

function unixOptions(path) {
	if (path === "" || path.includes("\0") || Buffer.byteLength(path) > UNIX_PATH_BYTES_MAX)
		throw invalidArgument("address", `has no path of 1 to ${UNIX_PATH_BYTES_MAX} bytes`);
	return { path };
}

/**
 * What net.connect() takes, of "unix:PATH", "/PATH", "127.0.0.1:7450" or "[::1]:7450".  No names are looked up, and nothing but this
 * machine is reached without TLS.
 */
export function parseAddress(address) {
	if (typeof address !== "string" || address === "")
		throw invalidArgument("address", "is missing; write \"unix:/run/fealty/fealtyd.sock\" or \"127.0.0.1:7450\"");
	if (/^tls:/i.test(address))
		throw localError("INVALID_ARGUMENT", "address: TLS is not built yet; connect to the daemon's UNIX socket, or to its loopback port",
			{ field: "address", status: "UNIMPLEMENTED" });
	if (address.startsWith("unix:"))
		return unixOptions(address.slice("unix:".length));
	if (address.startsWith("/"))
		return unixOptions(address);
	const m = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(address);
	const host = m?.[1] ?? m?.[2];
	const port = Number(m?.[3]);
	if (m === null || isIP(host) !== (m[1] === undefined ? 4 : 6) || port < 1 || port > 65535)
		throw invalidArgument("address", "is none of unix:PATH, A.B.C.D:PORT and [IPv6]:PORT; names are not looked up");
	return { host, port };
}
