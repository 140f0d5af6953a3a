// Which keys sign a log, as it says itself: those of the genesis, and what each rotation puts in the place of one of them (RotateKey in
// ledger.proto).
//
// Invariants: of each kind the keys follow each other without a gap, the last of them without an end; no key is there twice.
import { formatInstant } from "../src/time.js";
import { Finding } from "./finding.js";
import { keyIdOf } from "./note.js";
import { KEY_KIND } from "./rotation.js";

const KIND_WORDS = { [KEY_KIND.transaction]: "transaction", [KEY_KIND.checkpoint]: "checkpoint" };

export class KeyHistory {
	#keys = [];

	constructor({ transactionKey, checkpointKey }) {
		this.#add(KEY_KIND.transaction, transactionKey, { namedAt: 0, from: 0 });
		this.#add(KEY_KIND.checkpoint, checkpointKey, { namedAt: 0, from: 0 });
	}

	#add(kind, raw, more) {
		this.#keys.push({ kind, raw: Buffer.from(raw), until: Infinity, ...more });
	}

	#at(kind, place) {
		return this.#keys.find(key => key.kind === kind && key.from <= place && place < key.until);
	}

	#current(kind) {
		return this.#at(kind, Number.MAX_SAFE_INTEGER);
	}

	/** {transaction, checkpoint}: the raw keys that sign what comes next. */
	get inForce() {
		return { transaction: this.#current(KEY_KIND.transaction).raw, checkpoint: this.#current(KEY_KIND.checkpoint).raw };
	}

	/** Takes up what checkLeaf() made of a rotation; its signatures hold, and the old key is the one in force. */
	follow({ seq, index, keyKind, newKey, recovery, oldUntil }) {
		const there = this.#keys.find(key => key.raw.equals(newKey));

		if (there !== undefined)
			throw new Finding(`the ledger has, or had, this key since transaction ${there.namedAt}`,
				{ seq, entry: `${seq}.${index}`, field: "inputs.rotate_key.new_key" });
		const old = this.#current(keyKind);
		const from = keyKind === KEY_KIND.transaction && recovery !== "" ? seq : seq + 1;
		Object.assign(old, { until: from, untilUs: oldUntil });
		this.#add(keyKind, newKey, { namedAt: seq, from, recovery });
	}

	/** The key that must sign checkpoints of `size` transactions. */
	signerOf(size) {
		return this.#at(KEY_KIND.checkpoint, size);
	}

	/** The one that may sign them as well, as long as their newest transaction is before the end of an overlap; or undefined. */
	besideOf(size, committedAt) {
		const { from } = this.signerOf(size);
		const before = from === 0 ? undefined : this.#at(KEY_KIND.checkpoint, from - 1);

		return before !== undefined && committedAt < before.untilUs ? before : undefined;
	}

	/** As `fealty audit --json` has them. */
	toJSON() {
		return this.#keys.map(({ kind, raw, namedAt, from, until, untilUs, recovery }) => ({
			kind: KIND_WORDS[kind], key: raw.toString("hex"), key_id: keyIdOf(raw), named_at: namedAt, from,
			...(until === Infinity ? {} : { until }), ...(untilUs === undefined ? {} : { overlap_until: formatInstant(untilUs) }),
			...(recovery ? { recovery } : {}),
		}));
	}
}
