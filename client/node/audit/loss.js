// What an operator has accepted when a backup was restored that is older than what had been published (Restore in ledger.proto).
import { Finding } from "./finding.js";

const HASH_BYTES = 32;

/** An acceptance is made at a start of the daemon, which is nobody's request. */
export function restores(entry) {
	return entry.inputs?.op.case === "restore";
}

/** The loss that an entry records; undefined when it is none. */
export function readLoss(entry, { seq, index, program }) {
	const where = { seq, entry: `${seq}.${index}` };
	const wrong = (field, message) => new Finding(message, { ...where, field: `inputs.restore.${field}` });

	if (!restores(entry))
		return undefined;
	const { lostSize, lostRoot, reason } = entry.inputs.op.value;
	if (program !== 0 || !entry.principal.startsWith("operator/"))
		throw new Finding("a loss is accepted by an operator, for the whole ledger", { ...where, field: "principal" });
	if (lostSize === 0n)
		throw wrong("lost_size", "it is missing");
	if (lostRoot.length !== HASH_BYTES)
		throw wrong("lost_root", `it has ${lostRoot.length} bytes, not ${HASH_BYTES}`);
	if (reason === "")
		throw wrong("reason", "it is missing");
	return { seq, index, kind: "loss", lost_size: Number(lostSize), lost_root: Buffer.from(lostRoot).toString("hex"), principal: entry.principal, reason };
}
