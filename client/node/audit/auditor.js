// An audit of a log, from its checkpoint down to the balances.
//
// Invariants.
// - Nothing is believed before what stands above it: the note by its key, the partial tiles by the root, a full tile by the tile above it, an
//   entry by its tile.
// - Bundles are judged by threads in any order, and replayed here in theirs; after the first transaction that does not hold nothing is
//   replayed any more, but hashes are still looked at, so that each damaged file is named.
// - What is kept at a time are a few bundles, one tile of each level, and the books.
import { availableParallelism } from "node:os";

import { Books } from "./books.js";
import { BUNDLE_BYTES_MAX, ROW, ROW_WIDTH, cutBundle } from "./bundle.js";
import { Finding, Obstacle } from "./finding.js";
import { checkLink, keyIdOf, readGenesisLeaf } from "./leaf.js";
import { CHECKPOINT_BYTES_MAX, noteKey, parseCheckpoint, parseNote, verifyNote } from "./note.js";
import { Pool } from "./pool.js";
import { findStrays } from "./stray.js";
import { Tiles } from "./tiles.js";
import { TILE_WIDTH } from "./tree.js";

const FINDINGS_MAX = 20;
const BUNDLES_FOR_EACH_THREAD = 3;
const BUNDLES_WITHOUT_THREADS = 3;	// judged sooner than a thread begins

/** Enough was found. */
class Enough extends Error {}

class Audit {
	#source;
	#options;
	#findings = [];
	#books = new Books();
	#pool = null;
	#tiles = null;
	#last = undefined;			// {hash, committedAt} of the newest transaction that was replayed
	#replay = true;
	#transactions = 0;
	#entries = 0;
	#signatures = 0;
	#checkpoints = 0;
	#checkpoint = null;
	#genesis = null;

	constructor(source, options) {
		this.#source = source;
		this.#options = options;
	}

	#note(finding) {
		this.#findings.push(finding);
		if (this.#findings.length >= FINDINGS_MAX)
			throw new Enough();
	}

	async run() {
		const began = performance.now();

		await this.#source.check();
		try {
			await this.#judge();
		} catch (e) {
			if (e instanceof Finding)
				this.#findings.push(e);
			else if (!(e instanceof Enough))
				throw e;
		} finally {
			await this.#pool?.close();
		}
		return this.#report((performance.now() - began) / 1000);
	}

	async #judge() {
		const { note, checkpoint } = await this.#readNote("checkpoint", await this.#source.read("checkpoint", CHECKPOINT_BYTES_MAX));

		this.#checkpoint = checkpoint;
		this.#tiles = new Tiles(this.#source, checkpoint, finding => this.#note(finding));
		await this.#judgeNote(note, checkpoint);
		this.#checkpoints++;
		await this.#tiles.judgeEdge();
		await this.#judgeSeen();
		await this.#judgeBundles();
		if (this.#replay)
			this.#books.close();
		for await (const finding of findStrays(this.#source, this.#tiles, checkpoint.size))
			this.#note(finding);
	}

	// ---- what is signed ----

	async #readNote(file, bytes) {
		if (bytes === undefined)
			throw new Finding("it is missing", { file });
		const note = parseNote(bytes, file);
		return { note, checkpoint: parseCheckpoint(note.text, file) };
	}

	/** With a key that was given the note is judged first; without one the genesis must be read to have any. */
	async #judgeNote(note, checkpoint) {
		const { vkey } = this.#options;
		const sure = key => {
			if (verifyNote(note, [key], "checkpoint") === 0)
				throw new Finding(`it is not signed by ${key.name}+${key.id.toString("hex")}`, { file: "checkpoint" });
		};

		if (vkey !== undefined) {
			sure(vkey);
			if (vkey.name !== checkpoint.origin)
				throw new Finding(`it is of "${checkpoint.origin}", and the key is of "${vkey.name}"`, { file: "checkpoint" });
		}
		if (checkpoint.size === 0)
			throw new Finding("it is of an empty log, which has no genesis", { file: "checkpoint" });
		this.#genesis = await this.#readGenesis(checkpoint);
		const own = noteKey(checkpoint.origin, Buffer.from(this.#genesis.checkpointKey));
		if (vkey === undefined)
			sure(own);
		else if (!own.raw.equals(vkey.raw))
			throw new Finding("it is another key than the one that was given", { seq: 0, entry: "0.0", field: "inputs.genesis.checkpoint_key" });
	}

	/** What `read()` finds wrong is in this file. */
	#at(file, read) {
		try {
			return read();
		} catch (e) {
			throw e instanceof Finding ? e.in(file) : e;
		}
	}

	async #readGenesis(checkpoint) {
		const job = await this.#bundle(0);
		const [leaf] = cutBundle(job.bytes, 1, { ...job, surplus: true });
		const genesis = this.#at(job.file, () => readGenesisLeaf(leaf));
		const { transactionKey } = this.#options;

		if (genesis.origin !== checkpoint.origin)
			throw new Finding(`it is of "${genesis.origin}", and the checkpoint is of "${checkpoint.origin}"`, { seq: 0, field: "origin" });
		if (transactionKey !== undefined && !transactionKey.equals(genesis.transactionKey))
			throw new Finding("it is another key than the one that was given", { seq: 0, entry: "0.0", field: "inputs.genesis.transaction_key" });
		return genesis;
	}

	async #judgeSeen() {
		try {
			if (this.#options.seen !== undefined)
				await this.#compareSeen(this.#options.seen);
		} catch (e) {
			if (!(e instanceof Finding))
				throw e;
			this.#note(e);
		}
	}

	/** A checkpoint of this log that somebody saw earlier: it must be of its beginning. */
	async #compareSeen(seen) {
		const { note, checkpoint } = await this.#readNote(seen.name, seen.bytes);
		const key = this.#options.vkey ?? noteKey(checkpoint.origin, Buffer.from(this.#genesis.checkpointKey));
		if (checkpoint.origin !== this.#checkpoint.origin)
			throw new Finding(`it is of another log, "${checkpoint.origin}"`, { file: seen.name });
		if (verifyNote(note, [key], seen.name) === 0)
			throw new Finding(`it is not signed by ${key.name}+${key.id.toString("hex")}`, { file: seen.name });
		if (checkpoint.size > this.#checkpoint.size)
			throw new Finding(`it is of ${this.#checkpoint.size} transactions, and ${seen.name} of ${checkpoint.size}: the log was rolled back`, { file: "checkpoint" });
		const root = await this.#tiles.rootAt(checkpoint.size);
		if (root !== null && !root.equals(checkpoint.root))
			throw new Finding(`the first ${checkpoint.size} transactions have the root ${root.toString("hex")}, and ${seen.name} has ` +
				`${checkpoint.root.toString("hex")}: the log was forked`, { file: "checkpoint" });
		this.#checkpoints++;
	}

	// ---- bundles ----

	get #bundles() {
		return Math.ceil(this.#checkpoint.size / TILE_WIDTH);
	}

	/** The bundle `n` as a job, its bytes and what they must have; throws when it is not to be had. */
	async #bundle(n) {
		const first = n * TILE_WIDTH;
		const count = Math.min(TILE_WIDTH, this.#checkpoint.size - first);
		const { bytes, file, whole } = await this.#tiles.file("entries", n, count, BUNDLE_BYTES_MAX);

		return { file, first, count, surplus: !whole, bytes };
	}

	/** {done}: a promise of what a thread says of the bundle `n`, or the finding that it is not to be had. */
	async #start(n) {
		try {
			const job = await this.#bundle(n);
			Object.assign(job, await this.#tiles.judgesOf(n), { origin: this.#checkpoint.origin, replay: this.#replay });
			const done = this.#pool.run(job);
			done.catch(() => {});			// when another ends the audit, nobody waits for this one
			return { done };
		} catch (e) {
			if (!(e instanceof Finding))
				throw e;
			return { done: { fault: { message: e.message, where: e.where, damage: true } } };
		}
	}

	#stop(finding) {
		this.#replay = false;
		this.#note(finding);
	}

	async #judgeBundles() {
		this.#pool = new Pool(this.#options.threads ?? (this.#bundles > BUNDLES_WITHOUT_THREADS ? availableParallelism() : 0));
		this.#pool.keys([this.#genesis.transactionKey]);
		const window = [];
		const depth = this.#pool.size * BUNDLES_FOR_EACH_THREAD;

		for (let n = 0; n < this.#bundles || window.length > 0;) {
			for (; n < this.#bundles && window.length < depth; n++) {
				this.#tiles.readAhead(n, depth);
				window.push(await this.#start(n));
			}
			this.#onBundle(await window.shift().done);
			this.#options.onProgress?.(this.#transactions, this.#checkpoint.size);
		}
	}

	#onBundle(done) {
		const { fault } = done;

		if (this.#replay) {
			try {
				this.#replayBundle(done);
			} catch (e) {
				if (!(e instanceof Finding))
					throw e;
				this.#stop(e);
			}
		}
		if (fault !== null && (this.#replay || fault.damage))
			this.#stop(new Finding(fault.message, fault.where));
	}

	#replayBundle({ first, last, rows, accounts, specials, transactions, entries }) {
		if (first === undefined)
			return;			// nothing in it holds
		const start = this.#transactions;
		const unsigned = new BigUint64Array(rows.buffer);
		let row = 0, special = 0, account = 0;

		checkLink(first, start, this.#last);
		for (let seq = start; seq < start + transactions; seq++) {
			for (; special < specials.length && specials[special].seq === seq; special++)
				this.#special(specials[special]);
			for (; account < accounts.length && accounts[account][0] === seq; account++)
				this.#books.account(...accounts[account]);
			for (; row < rows.length && Number(rows[row + ROW.seq]) === seq; row += ROW_WIDTH)
				this.#books.row(rows, unsigned, row);
			this.#transactions++;
		}
		this.#entries += entries;
		this.#signatures += transactions;
		this.#last = last;
	}

	#special(special) {
		if (special.kind === "publish")
			this.#books.publish(special);
	}

	// ---- what it came to ----

	#report(seconds) {
		const report = { status: "OK", origin: this.#checkpoint?.origin, transactions: this.#transactions, entries: this.#entries,
			signatures: this.#signatures };

		if (this.#findings.length > 0) {
			const [first] = this.#findings.map(finding => finding.toJSON());
			return { ...report, status: "DATA_LOSS", reason: "LEDGER_BROKEN", ...first, findings: this.#findings.map(finding => finding.toJSON()) };
		}
		return { ...report, members: this.#books.members, head_seq: this.#transactions - 1, root: this.#checkpoint.root.toString("hex"),
			transaction_key: Buffer.from(this.#genesis.transactionKey).toString("hex"), key_id: keyIdOf(this.#genesis.transactionKey),
			programs: this.#books.report(), checkpoints: this.#checkpoints, key_given: this.#options.vkey !== undefined,
			files: this.#tiles.read, seconds: Number(seconds.toFixed(3)), rate: Number((this.#transactions / seconds).toFixed(1)) };
	}
}

/**
 * Audits the log of `source`.  options: `vkey` (of parseVkey()) that must have signed the checkpoint, else the genesis' own; `transactionKey`, raw,
 * that must have signed the transactions; `seen`, {name, bytes} of an earlier checkpoint; `threads`; `onProgress(done, size)`.  Resolves to the
 * report, whose status is "OK" or "DATA_LOSS"; rejects with an Obstacle when nothing can be said.
 */
export function audit(source, options = {}) {
	return new Audit(source, options).run();
}

export { Finding, Obstacle };
