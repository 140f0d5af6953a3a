// An audit of a log, from its checkpoint down to the balances.
//
// Invariants.
// - Nothing is believed before what stands above it: the note by the key that was given, the partial tiles by the root, a full tile by the tile
//   above it, an entry by its tile.
// - Who must have signed the note, the log says itself, by its genesis and its rotations: that is judged when all is replayed.
// - A bundle is judged with the keys that were in force when it was begun; when a rotation came in between, once more with those that are.
// - Bundles are judged by threads in any order, and replayed here in theirs; after the first transaction that does not hold nothing is
//   replayed any more, but hashes are still looked at, so that each damaged file is named.
// - What is kept at a time are a few bundles, one tile of each level, and the books.
import { availableParallelism } from "node:os";

import { Approvals } from "./approvals.js";
import { Books } from "./books.js";
import { BUNDLE_BYTES_MAX, ROW, ROW_WIDTH, cutBundle } from "./bundle.js";
import { Finding, Obstacle } from "./finding.js";
import { KeyHistory } from "./keys.js";
import { checkLink, readGenesisLeaf } from "./leaf.js";
import { CHECKPOINT_BYTES_MAX, keyIdOf, noteKey, parseCheckpoint, parseNote, verifyNote } from "./note.js";
import { Pool } from "./pool.js";
import { findStrays } from "./stray.js";
import { Tiles } from "./tiles.js";
import { TILE_WIDTH } from "./tree.js";

const FINDINGS_MAX = 20;
const BUNDLES_FOR_EACH_THREAD = 3;
const BUNDLES_WITHOUT_THREADS = 3;	// judged sooner than a thread begins

function vkeyName({ name, id }) {
	return `${name}+${id.toString("hex")}`;
}

/** Enough was found. */
class Enough extends Error {}

class Audit {
	#source;
	#options;
	#findings = [];
	#books = new Books();
	#approvals = new Approvals();
	#pool = null;
	#tiles = null;
	#last = undefined;			// {hash, committedAt} of the newest transaction that was replayed
	#replay = true;
	#transactions = 0;
	#entries = 0;
	#losses = [];
	#signatures = 0;
	#checkpoints = 0;
	#checkpoint = null;
	#genesis = null;
	#keys = null;

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
		await this.#begin(note, checkpoint);
		await this.#tiles.judgeEdge();
		await this.#judgeBundles();
		if (this.#replay) {
			this.#books.close();
			this.#judgeSigners(note, checkpoint);
			this.#checkpoints++;
		}
		await this.#judgeSeen();
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

	/** By the key that was given, and by the genesis, as far as a note can be judged before the log is replayed. */
	async #begin(note, checkpoint) {
		const { vkey } = this.#options;

		if (vkey !== undefined && verifyNote(note, [vkey], "checkpoint") === 0)
			throw new Finding(`it is not signed by ${vkeyName(vkey)}; if the log's key was replaced, \`fealty log key\` prints the one of today`,
				{ file: "checkpoint" });
		if (vkey !== undefined && vkey.name !== checkpoint.origin)
			throw new Finding(`it is of "${checkpoint.origin}", and the key is of "${vkey.name}"`, { file: "checkpoint" });
		if (checkpoint.size === 0)
			throw new Finding("it is of an empty log, which has no genesis", { file: "checkpoint" });
		this.#genesis = await this.#readGenesis(checkpoint);
		this.#keys = new KeyHistory(this.#genesis);
	}

	/** The key of the log's own history must have signed, the one before it may have in an overlap, and nobody else in the log's name. */
	#judgeSigners(note, { origin, size }) {
		const { vkey } = this.#options;
		const must = this.#keys.signerOf(size);
		const may = [must, this.#keys.besideOf(size, this.#last.committedAt)].filter(key => key !== undefined)
			.map(key => noteKey(origin, key.raw));

		if (vkey !== undefined && !may.some(key => key.raw.equals(vkey.raw)))
			throw new Finding("it is another key than the one that was given", { seq: must.namedAt, entry: `${must.namedAt}.0`,
				field: must.namedAt === 0 ? "inputs.genesis.checkpoint_key" : "inputs.rotate_key.new_key" });
		if (verifyNote(note, [may[0]], "checkpoint") === 0)
			throw new Finding(`it is not signed by ${vkeyName(may[0])}, which signs checkpoints since transaction ${must.namedAt}`, { file: "checkpoint" });
		verifyNote(note, may, "checkpoint");
		const stranger = note.signatures.find(({ name, id }) => name === origin && !may.some(key => key.id.equals(id)));
		if (stranger !== undefined)
			throw new Finding(`it is also signed by ${vkeyName(stranger)}, which is no key of the log, or was one at another time`, { file: "checkpoint" });
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

	/** Whether a checkpoint that was seen is this log's, by the keys that it had then; undefined when they are not known. */
	#signedThen(note, { origin, size }, name) {
		const { vkey } = this.#options;
		const key = this.#keys?.signerOf(size);
		const keys = [key && noteKey(origin, key.raw), vkey].filter(one => one !== undefined);

		return verifyNote(note, keys, name) > 0 || (this.#replay ? false : undefined);
	}

	/** A checkpoint of this log that somebody saw earlier: it must be of its beginning. */
	async #compareSeen(seen) {
		const { note, checkpoint } = await this.#readNote(seen.name, seen.bytes);
		const longer = checkpoint.size > this.#checkpoint.size;

		if (checkpoint.origin !== this.#checkpoint.origin)
			throw new Finding(`it is of another log, "${checkpoint.origin}"`, { file: seen.name });
		const signed = this.#signedThen(note, checkpoint, seen.name);
		if (signed === false)
			throw new Finding(`it is not signed by the key that the log has for ${checkpoint.size} transactions` +
				(longer ? `; it has only ${this.#checkpoint.size}: either it was rolled back, or this checkpoint is not its own` : ""), { file: seen.name });
		if (signed === undefined)
			return;
		if (longer)
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

	/** {done, job}: a promise of what a thread says of the bundle `n`, or the finding that it is not to be had. */
	async #start(n) {
		try {
			const job = await this.#bundle(n);
			Object.assign(job, await this.#tiles.judgesOf(n), { origin: this.#checkpoint.origin, replay: this.#replay, keys: this.#keys.inForce });
			const done = this.#pool.run(job);
			done.catch(() => {});			// when another ends the audit, nobody waits for this one
			return { done, job };
		} catch (e) {
			if (!(e instanceof Finding))
				throw e;
			return { done: { fault: { message: e.message, where: e.where, damage: true } } };
		}
	}

	/** What was said of a bundle by the keys that are in force now. */
	async #end({ done, job }) {
		const keys = this.#keys.inForce;

		if (job === undefined || !this.#replay || (job.keys.transaction.equals(keys.transaction) && job.keys.checkpoint.equals(keys.checkpoint)))
			return done;
		await done;
		return this.#pool.run({ ...job, keys });
	}

	#stop(finding) {
		this.#replay = false;
		this.#note(finding);
	}

	async #judgeBundles() {
		this.#pool = new Pool(this.#options.threads ?? (this.#bundles > BUNDLES_WITHOUT_THREADS ? availableParallelism() : 0));
		const window = [];
		const depth = this.#pool.size * BUNDLES_FOR_EACH_THREAD;

		for (let n = 0; n < this.#bundles || window.length > 0;) {
			for (; n < this.#bundles && window.length < depth; n++) {
				this.#tiles.readAhead(n, depth);
				window.push(await this.#start(n));
			}
			this.#onBundle(await this.#end(window.shift()));
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
		else if (special.kind === "rotate")
			this.#keys.follow(special);
		else if (special.kind === "loss")
			this.#loss(special);
		else if (special.kind !== "genesis")
			this.#approvals.take(special);
	}

	#loss({ seq, lost_size, lost_root, principal, reason }) {
		this.#losses.push({ seq, lost_size, lost_root, principal, reason });
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
			keys: this.#keys.toJSON(), programs: this.#books.report(), checkpoints: this.#checkpoints,
			losses: this.#losses,
			key_given: this.#options.vkey !== undefined || this.#options.transactionKey !== undefined,
			files: this.#tiles.read, seconds: Number(seconds.toFixed(3)), rate: Number((this.#transactions / seconds).toFixed(1)) };
	}
}

/**
 * Audits the log of `source`.  options: `vkey` (of parseVkey()) that must have signed the checkpoint; `transactionKey`, raw, that must be the
 * genesis' own, and so have signed the transactions or those that rotate it; `seen`, {name, bytes} of an earlier checkpoint; `threads`; `onProgress(done, size)`.  Resolves to the
 * report, whose status is "OK" or "DATA_LOSS"; rejects with an Obstacle when nothing can be said.
 */
export function audit(source, options = {}) {
	return new Audit(source, options).run();
}

export { Finding, Obstacle };
