// Adjustments that wait for another principal, and the approvals of them (Approve and ApproverKey in ledger.proto).
import { verify } from "node:crypto";

import { Finding } from "./finding.js";
import { keyIdOf, publicKey } from "./note.js";

const TYPE = "application/vnd.fealty.approval.v1";
const KEY_BYTES = 32;
const INDEX_BYTES = 4;

/** What an entry has to do with approvals, for Approvals.take(); undefined: nothing. */
export function readApproval(entry, { seq, index, program, hash }) {
	const { case: op, value } = entry.inputs.op;
	const one = { seq, index, program, principal: entry.principal };

	if (op === "approverKey")
		return { kind: "approver_key", ...one, of: value.principal, raw: value.publicKey,
			until: Object.hasOwn(value, "until") ? value.until : Infinity };
	if (op === "approve")
		return { kind: "approve", ...one, command: value.command && `${value.command.seq}.${value.command.index}`, signature: value.signature,
			keyId: Buffer.from(value.keyId).toString("hex"), date: entry.businessDate };
	return entry.facts?.waiting === true ? { kind: "waiting", ...one, hash, idle: op === "adjust" && entry.postings.length === 0 } : undefined;
}

export class Approvals {
	#keys = new Map();		// principal → {raw, until}
	#waiting = new Map();		// "<seq>.<index>" → {hash, index, principal, program}

	/** What readApproval() made of an entry, in the order of the ledger. */
	take(one) {
		const fault = (field, message) => new Finding(message, { seq: one.seq, entry: `${one.seq}.${one.index}`, field });

		if (one.kind === "approver_key")
			this.#register(one, fault);
		else if (one.kind === "waiting")
			this.#wait(one, fault);
		else
			this.#approve(one, fault);
	}

	#register({ program, of, raw, until }, fault) {
		if (program !== 0)
			throw fault("program", "an approver's key belongs to no program");
		if (!of.startsWith("approver/"))
			throw fault("inputs.approver_key.principal", `"${of}" is no approver`);
		if (raw.length !== KEY_BYTES)
			throw fault("inputs.approver_key.public_key", `it has ${raw.length} bytes, not ${KEY_BYTES}`);
		this.#keys.set(of, { raw: Buffer.from(raw), until });
	}

	#wait({ seq, index, idle, ...more }, fault) {
		if (!idle)
			throw fault("facts.waiting", "only an adjust that moves nothing waits");
		this.#waiting.set(`${seq}.${index}`, { index, ...more });
	}

	#approve({ command, principal, program, signature, keyId, date }, fault) {
		const asked = this.#waiting.get(command);
		const { raw, until } = this.#keys.get(principal) ?? {};

		if (asked === undefined || asked.program !== program)
			throw fault("inputs.approve.command", `${command ?? "nothing"} is no adjust of this program that waits`);
		if (asked.principal === principal)
			throw fault("principal", `it approves ${command}, which is its own`);
		if (raw === undefined)
			throw fault("principal", "no approver's key was registered for it");
		if (keyId !== keyIdOf(raw))
			throw fault("inputs.approve.key_id", `it is ${keyId}, and ${keyIdOf(raw)} is the key of ${principal}`);
		if (date > until)
			throw fault("principal", `the key of ${principal} had ended by then`);
		if (!this.#holds(asked, raw, signature))
			throw fault("inputs.approve.signature", `it is not a signature of ${command} by the key ${keyId}`);
		this.#waiting.delete(command);
	}

	#holds({ hash, index }, raw, signature) {
		const body = Buffer.alloc(hash.length + INDEX_BYTES);

		body.set(hash);
		body.writeUInt32BE(index, hash.length);
		return verify(null, Buffer.concat([Buffer.from(`DSSEv1 ${TYPE.length} ${TYPE} ${body.length} `), body]), publicKey(raw), signature);
	}
}
