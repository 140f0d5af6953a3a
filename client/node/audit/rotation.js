// A transaction that replaces a key: what it may say, and who must have signed it (RotateKey in ledger.proto).
import { Finding } from "./finding.js";

export const KEY_KIND = Object.freeze({ transaction: 1, checkpoint: 2 });
const KEY_BYTES = 32;
const RECOVERIES = ["", "lost", "compromised"];
const OVERLAP_DAYS_MAX = 365;
const DAY_US = 86400000000n;

function rotationOf(entry) {
	return entry.inputs?.op.case === "rotateKey" ? entry.inputs.op.value : undefined;
}

/** A key is recovered at a start of the daemon, which is nobody's request. */
export function recovers(entry) {
	return (rotationOf(entry)?.recovery ?? "") !== "";
}

/** What a rotation says of itself: one of the two kinds, a whole key, and an overlap that there can be. */
function checkRotation(rotation, wrong) {
	const { kind, newKey, recovery, overlapDays } = rotation;
	const most = kind === KEY_KIND.checkpoint && recovery === "" ? OVERLAP_DAYS_MAX : 0;

	if (kind !== KEY_KIND.transaction && kind !== KEY_KIND.checkpoint)
		throw wrong("inputs.rotate_key.kind", "it is none of ledger.proto");
	if (newKey.length !== KEY_BYTES)
		throw wrong("inputs.rotate_key.new_key", `it has ${newKey.length} bytes, not ${KEY_BYTES}`);
	if (!RECOVERIES.includes(recovery))
		throw wrong("inputs.rotate_key.recovery", "it is neither `lost` nor `compromised`");
	if (overlapDays > most)
		throw wrong("inputs.rotate_key.overlap_days", `it is ${overlapDays}, and at most ${most} are possible here`);
}

/** What it says of the key that it replaces, which is `old`: that ends at the end of the overlap at the latest. */
function checkChange(change, rotation, { old, committedAt, wrong }) {
	const ends = change !== undefined && Object.hasOwn(change, "oldUntil");

	if (change === undefined || Buffer.compare(change.oldKey, old) !== 0)
		throw wrong("facts.key_change.old_key", "it is not the key in force");
	if (ends !== (rotation.kind === KEY_KIND.checkpoint))
		throw wrong("facts.key_change.old_until", ends ? "only checkpoint keys overlap" : "it is missing");
	if (ends && change.oldUntil > committedAt + BigInt(rotation.overlapDays) * DAY_US)
		throw wrong("facts.key_change.old_until", `the old key would sign for longer than ${rotation.overlapDays} days`);
}

/** The rotation of transaction `seq`, in which it must be alone; undefined when there is none.  `keys` are those in force. */
export function readRotation(transaction, seq, keys) {
	const index = transaction.entries.findIndex(entry => rotationOf(entry) !== undefined);
	const stray = transaction.entries.findIndex(entry => rotationOf(entry) === undefined && entry.facts?.keyChange !== undefined);
	const wrong = (field, message) => new Finding(message, { seq, entry: `${seq}.${index < 0 ? stray : index}`, field });

	if (stray >= 0 && index < 0)
		throw wrong("facts.key_change", "the entry rotates no key");
	if (index < 0)
		return undefined;
	if (transaction.entries.length !== 1 || transaction.program !== 0)
		throw wrong("inputs.rotate_key", "a key is rotated by a transaction of its own, which belongs to no program");
	const [entry] = transaction.entries;
	const rotation = rotationOf(entry);
	const { kind: keyKind, newKey, recovery } = rotation;
	checkRotation(rotation, wrong);
	const old = keyKind === KEY_KIND.transaction ? keys.transaction : keys.checkpoint;
	checkChange(entry.facts?.keyChange, rotation, { old, committedAt: transaction.committedAt, wrong });
	return { seq, index, kind: "rotate", keyKind, newKey, recovery,
		oldUntil: keyKind === KEY_KIND.checkpoint ? entry.facts.keyChange.oldUntil : undefined };
}

/** The table at RotateKey in ledger.proto: who signs, first and second, and the keys that are in force after it. */
export function signersBy(rotation, keys) {
	if (rotation === undefined)
		return { first: keys.transaction, next: keys };
	const { keyKind, newKey, recovery } = rotation;
	if (keyKind === KEY_KIND.checkpoint)
		return { first: keys.transaction, second: newKey, next: { ...keys, checkpoint: newKey } };
	const next = { ...keys, transaction: newKey };
	return recovery === "" ? { first: keys.transaction, second: newKey, next } : { first: newKey, second: keys.checkpoint, next };
}
