// Watching the log: the last checkpoint that was seen is kept, and whatever the server shows later must begin with what it is of.
//
// Invariants.
// - What is public stays public (head.lock), so the server's newest checkpoint is never of fewer transactions than the kept one.
// - The kept checkpoint moves only to one that was proved to continue it, and is saved before it counts.
// - What the server did not sign, or cannot prove, is told apart from what it did not answer: only the first is a reason for distrust.
import { open, readFile, rename } from "node:fs/promises";

import { Finding, Obstacle, sentence } from "../audit/finding.js";
import { CHECKPOINT_BYTES_MAX, parseCheckpoint, parseNote, parseVkey, verifyNote } from "../audit/note.js";
import { invalidArgument, localError } from "./error.js";
import { provesConsistency } from "./proof.js";

/** A store that is a file, which is replaced whole. */
function fileStore(path) {
	return {
		async load() {
			try {
				return await readFile(path, "utf8");
			} catch (e) {
				if (e.code === "ENOENT")
					return undefined;
				throw e;
			}
		},
		async save(note) {
			const file = await open(`${path}.new`, "w");
			try {
				await file.writeFile(note);
				await file.sync();
			} finally {
				await file.close();
			}
			await rename(`${path}.new`, path);
		},
	};
}

function takeStore(store) {
	if (typeof store?.load !== "function" || typeof store?.save !== "function")
		throw invalidArgument("checkpoint_store", "must be an object with load() and save(note)");
	return store;
}

/** One, or some of which any will do: those of a log whose key is being replaced. */
function takeVkeys(given) {
	const texts = Array.isArray(given) ? given : [given];

	if (texts.length === 0 || texts.some(text => typeof text !== "string"))
		throw invalidArgument("vkey", "must be a text, or a list of texts");
	try {
		return texts.map(parseVkey);
	} catch (e) {
		if (e instanceof Obstacle)
			throw invalidArgument("vkey", e.message.replace("the vkey ", ""));
		throw e;
	}
}

export class Watch {
	#store;
	#vkeys;
	/** {origin, size, root, note}; undefined: none was seen. */
	kept;

	/** undefined unless an option asks for it. */
	static of({ watch, vkey, checkpoint_file: file, checkpoint_store: store }) {
		if (file !== undefined && store !== undefined)
			throw invalidArgument("checkpoint_store", "excludes checkpoint_file");
		if (!watch && vkey === undefined && file === undefined && store === undefined)
			return undefined;
		return new Watch(vkey === undefined ? undefined : takeVkeys(vkey),
			store !== undefined ? takeStore(store) : file !== undefined ? fileStore(file) : { load() {}, save() {} });
	}

	constructor(vkeys, store) {
		this.#vkeys = vkeys;
		this.#store = store;
	}

	/** Takes up what an earlier run kept. */
	async load() {
		let note;

		try {
			note = await this.#store.load();
			if (note !== undefined && note !== null && note !== "")
				this.kept = this.#read(String(note), "the checkpoint that was kept");
		} catch (e) {
			throw localError("CHECKPOINT", `the checkpoint that was kept cannot be used: ${e.message}`, { cause: e });
		}
	}

	/** A checkpoint, whose signature holds when there is a key for it. */
	#read(note, what) {
		try {
			if (Buffer.byteLength(note) > CHECKPOINT_BYTES_MAX)
				throw new Finding(`it has more than ${CHECKPOINT_BYTES_MAX} bytes`);
			const parsed = parseNote(Buffer.from(note));
			const checkpoint = parseCheckpoint(parsed.text);
			if (this.#vkeys !== undefined && verifyNote(parsed, this.#vkeys) === 0)
				throw new Finding("it is not signed by a vkey that was given; if the log's key was replaced, give both, the one before and the one of today");
			const other = this.#vkeys?.find(vkey => vkey.name !== checkpoint.origin);
			if (other !== undefined)
				throw new Finding(`it is of "${checkpoint.origin}", and the vkey is of "${other.name}"`);
			return { ...checkpoint, note };
		} catch (e) {
			if (e instanceof Finding)
				throw localError("SIGNATURE", `${what}: ${sentence(e)}`, { cause: e });
			throw e;
		}
	}

	/**
	 * Compares what the server has with what was kept, by `ask(op, fields, patient)`, and keeps the newer.  `origin` and `size` are of the server's HELLO.
	 * Throws ROLLED_BACK, FORKED, SIGNATURE or CHECKPOINT; what else `ask` throws says nothing of the log.
	 */
	async check({ origin, size }, ask) {
		if (this.kept !== undefined && this.kept.origin !== origin)
			throw localError("IDENTITY", `the server has the ledger "${origin}", and the checkpoint that was kept is of "${this.kept.origin}"`);
		this.#notShorter(size, "the server has");
		const note = await this.#newestNote(ask);
		if (note === undefined)
			return undefined;
		const newest = this.#read(note, "the server's checkpoint");

		if (newest.origin !== origin)
			throw localError("SIGNATURE", `the server's checkpoint is of "${newest.origin}", and its ledger is "${origin}"`);
		this.#notShorter(newest.size, "the server's newest checkpoint is of", [newest.note]);
		if (this.kept !== undefined)
			await this.#goesOn(newest, ask);
		if (newest.size !== this.kept?.size)
			await this.#keep(newest);
		return this.kept;
	}

	/** A server that has no checkpoint yet has nothing to compare, unless one was seen before: then there must be one. */
	async #newestNote(ask) {
		const patient = this.kept !== undefined;

		try {
			return (await ask("checkpoint", {}, patient)).note ?? "";
		} catch (e) {
			if (!patient && e.outcome === "refused" && e.retryable)
				return undefined;
			throw e;
		}
	}

	#notShorter(size, words, notes = []) {
		if (this.kept !== undefined && size < this.kept.size)
			throw localError("ROLLED_BACK", `${words} ${size} transactions, and a checkpoint of ${this.kept.size} was seen before: an old copy was restored`,
				{ notes: [this.kept.note, ...notes] });
	}

	async #goesOn(newest, ask) {
		const { size: from, root: fromRoot } = this.kept;
		const { size: to, root: toRoot } = newest;
		const { hashes } = from === to ? { hashes: [] } : await ask("proof", { from, to }, true);

		if (!provesConsistency({ from, fromRoot, to, toRoot, hashes }))
			throw localError("FORKED", `the server cannot prove that its log of ${to} transactions begins with the ${from} whose checkpoint was seen ` +
				"before: the log was forked, and others may see another one", { notes: [this.kept.note, newest.note] });
	}

	async #keep(newest) {
		try {
			await this.#store.save(newest.note);
		} catch (e) {
			throw localError("CHECKPOINT", `the checkpoint cannot be kept: ${e.message}`, { cause: e });
		}
		this.kept = newest;
	}
}

const DISTRUST = new Set(["ROLLED_BACK", "FORKED", "SIGNATURE", "IDENTITY"]);

/** Whether an error of check() is about the log, and not about the connection. */
export function isDistrust(error) {
	return DISTRUST.has(error.reason);
}
