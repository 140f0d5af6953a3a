// Where a log comes from: a directory, or a prefix of URLs.  Both give whole files, bounded, or undefined for one that is not there.
import { constants } from "node:fs";
import { open, opendir, stat } from "node:fs/promises";
import { join } from "node:path";

import { Finding, Obstacle } from "./finding.js";

const FETCH_MS = 30000;			// for a file, its body included
const TRIES = 3;
const TRY_AGAIN_MS = 300;
const ABSENT = new Set(["ENOENT", "ENOTDIR"]);
const DEPTH_MAX = 9;			// tile/<L>/ and groups of three digits for 2^53 transactions, with .p

function tooLong(name, bytesMax) {
	return new Finding(`it is longer than ${bytesMax} bytes, which no such file of a log is`, { file: name });
}

export class DirectorySource {
	constructor(path) {
		this.path = path;
	}

	/** Not a directory, or none with anything of a log in it: usage. */
	async check() {
		const found = await stat(this.path).catch(e => {
			throw new Obstacle(ABSENT.has(e.code) ? "usage" : "io", `${this.path} cannot be read: ${e.message}`);
		});
		if (!found.isDirectory())
			throw new Obstacle("usage", `${this.path} is not a directory; give the one that \`fealty log export\` wrote`);
		const parts = await Promise.all(["checkpoint", "tile"].map(name => stat(join(this.path, name)).then(() => true, () => false)));
		if (!parts.includes(true))
			throw new Obstacle("usage", `${this.path} is no export of a log: neither checkpoint nor tile/ is in it`);
	}

	async read(name, bytesMax) {
		let file;

		try {
			file = await open(join(this.path, name), constants.O_RDONLY | constants.O_NONBLOCK);	// a FIFO must not make us wait
			const { size } = await this.#regular(file, name);
			if (size > bytesMax)
				throw tooLong(name, bytesMax);
			const bytes = Buffer.allocUnsafe(size);
			for (let at = 0; at < size;) {
				const { bytesRead } = await file.read(bytes, at, size - at, at);
				if (bytesRead === 0)
					throw new Finding("it became shorter while it was read", { file: name });
				at += bytesRead;
			}
			return bytes;
		} catch (e) {
			if (ABSENT.has(e.code))
				return undefined;
			throw e instanceof Finding ? e : new Obstacle("io", `${join(this.path, name)} cannot be read: ${e.message}`);
		} finally {
			await file?.close();
		}
	}

	async #regular(file, name) {
		const found = await file.stat();

		if (!found.isFile())
			throw new Finding("it is not a regular file", { file: name });
		return found;
	}

	/** Names of all that is in the directory `under` it, but for directories. */
	async *names(under, depth = 0) {
		const dir = await opendir(join(this.path, under)).catch(() => null);

		if (dir === null) {
			yield under;				// what cannot be opened is no tile either
			return;
		}
		for await (const entry of dir) {
			const name = `${under}/${entry.name}`;
			if (entry.isDirectory() && depth < DEPTH_MAX)
				yield* this.names(name, depth + 1);
			else
				yield name;
		}
	}
}

export class HttpSource {
	constructor(prefix) {
		this.prefix = prefix.replace(/\/+$/, "");
	}

	async check() {}

	async read(name, bytesMax) {
		for (let i = 1; ; i++) {
			try {
				return await this.#fetch(name, bytesMax);
			} catch (e) {
				if (e instanceof Finding)
					throw e;
				if (i === TRIES)
					throw new Obstacle("unreachable", `${this.prefix}/${name}: ${e.cause?.message ?? e.message}`);
			}
			await new Promise(resolve => setTimeout(resolve, TRY_AGAIN_MS * i));
		}
	}

	async #fetch(name, bytesMax) {
		const response = await fetch(`${this.prefix}/${name}`, { signal: AbortSignal.timeout(FETCH_MS), headers: { "accept-encoding": "gzip, identity" } });

		if (response.status === 404 || response.status === 410) {
			await response.body?.cancel();
			return undefined;
		}
		if (response.status !== 200) {
			await response.body?.cancel();
			throw new Error(`the server answered ${response.status}`);
		}
		const chunks = [];
		let bytes = 0;
		for await (const chunk of response.body ?? []) {
			bytes += chunk.length;
			if (bytes > bytesMax)
				throw tooLong(name, bytesMax);
			chunks.push(chunk);
		}
		return Buffer.concat(chunks, bytes);
	}
}

export function openSource(where) {
	return /^https?:\/\//i.test(where) ? new HttpSource(where) : new DirectorySource(where);
}
