// Reading a SignedTransaction, as WIRE.md says under "Verifying a transaction".
import { createHash, createPublicKey, verify } from "node:crypto";

import { invalidArgument, localError } from "./error.js";
import { decodePlain, ledger } from "./message.js";

const TYPE = "application/vnd.fealty.transaction.v1+protobuf";
const KEY_BYTES = 32;
const KEY_ID_BYTES = 8;
const SPKI = Buffer.from("302a300506032b6570032100", "hex");	// RFC 8410: what stands before an Ed25519 key in a SubjectPublicKeyInfo

function sha256(bytes) {
	return createHash("sha256").update(bytes).digest();
}

function takeKey(key) {
	const raw = typeof key === "string" && /^[0-9a-fA-F]{64}$/.test(key) ? Buffer.from(key, "hex") : key;

	if (!(raw instanceof Uint8Array) || raw.length !== KEY_BYTES)
		throw invalidArgument("key", "must be a public key of 32 bytes, or 64 hexadecimal digits");
	return raw;
}

function checkSignature({ transaction, signature, key_id }, raw) {
	const said = Buffer.concat([Buffer.from(`DSSEv1 ${TYPE.length} ${TYPE} ${transaction.length} `), transaction]);

	if (!sha256(raw).subarray(0, KEY_ID_BYTES).equals(key_id))
		throw localError("SIGNATURE", "the transaction is signed with another key");
	if (!verify(null, said, createPublicKey({ key: Buffer.concat([SPKI, raw]), format: "der", type: "spki" }), signature))
		throw localError("SIGNATURE", "the signature of the transaction is wrong");
}

/**
 * The fields of a Transaction of ledger.proto, of a SignedTransaction's bytes, and `hash`, which the next one must have as `prev`.  With
 * `key` its signature is checked first.
 */
export function readTransaction(data, { key } = {}) {
	if (!(data instanceof Uint8Array))
		throw invalidArgument("data", "must be a Uint8Array");
	const signed = { transaction: new Uint8Array(0), signature: new Uint8Array(0), key_id: new Uint8Array(0),
		...decodePlain(ledger("SignedTransaction"), data) };
	if (key !== undefined)
		checkSignature(signed, takeKey(key));
	return { ...decodePlain(ledger("Transaction"), signed.transaction), hash: new Uint8Array(sha256(signed.transaction)) };
}
