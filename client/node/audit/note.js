// Signed notes (C2SP signed-note, Ed25519 only) and checkpoints (C2SP tlog-checkpoint).
import { createPublicKey, verify } from "node:crypto";

import { Finding, Obstacle } from "./finding.js";
import { HASH_BYTES, sha256 } from "./tree.js";

const ED25519 = 1;
const KEY_BYTES = 32;
const SPKI = Buffer.from("302a300506032b6570032100", "hex");	// RFC 8410: what stands before an Ed25519 key in a SubjectPublicKeyInfo
const SIGNATURES_MAX = 64;
const SIGNATURE_LINE = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/u;
export const CHECKPOINT_BYTES_MAX = 64 * 1024;

/** A KeyObject of 32 raw bytes. */
export function publicKey(raw) {
	return createPublicKey({ key: Buffer.concat([SPKI, raw]), format: "der", type: "spki" });
}

/** The first 8 bytes of a key's SHA-256 in hexadecimal: the name of a key in the ledger, as against keyId() of a note. */
export function keyIdOf(raw) {
	return sha256(raw).subarray(0, 8).toString("hex");
}

/** Standard base64, and no other spelling of the same bytes; undefined for anything else. */
function base64(text) {
	const bytes = Buffer.from(text, "base64");

	return bytes.toString("base64") === text ? bytes : undefined;
}

function keyId(name, raw) {
	return sha256(Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(ED25519), raw])).subarray(0, 4);
}

/** The key of a name: {name, id, raw, key}. */
export function noteKey(name, raw) {
	return { name, id: keyId(name, raw), raw, key: publicKey(raw) };
}

/** Reads a verifier key, "name+id+base64". */
export function parseVkey(text) {
	const [, name, id, encoded] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/u.exec(text) ?? [];
	const bytes = base64(encoded ?? "");

	if (name === undefined || bytes === undefined)
		throw new Obstacle("usage", "the vkey is no verifier key: it looks like NAME+8 hexadecimal digits+base64, as `fealty log key` prints it");
	if (bytes[0] !== ED25519 || bytes.length !== 1 + KEY_BYTES)
		throw new Obstacle("usage", "the vkey is not an Ed25519 key, and no other kind is verified here");
	const parsed = noteKey(name, bytes.subarray(1));
	if (parsed.id.toString("hex") !== id)
		throw new Obstacle("usage", `the vkey says the id ${id}, and its name and key have ${parsed.id.toString("hex")}: it was copied wrong`);
	return parsed;
}

function bad(file, message) {
	return new Finding(message, { file });
}

/** {text, signatures: [{name, id, signature}]} of a note's bytes. */
export function parseNote(bytes, file) {
	let note;

	try {
		note = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
	} catch {
		throw bad(file, "it is no signed note: not UTF-8");
	}
	// eslint-disable-next-line no-control-regex
	if (/[\u0000-\u0009\u000b-\u001f]/.test(note))
		throw bad(file, "it is no signed note: a control character stands in it");
	const end = note.lastIndexOf("\n\n");
	if (end < 0 || !note.endsWith("\n"))
		throw bad(file, "it is no signed note: no blank line before its signatures, or no newline at its end");
	const lines = note.slice(end + 2, -1).split("\n");
	if (lines.length > SIGNATURES_MAX)
		throw bad(file, `it has ${lines.length} signatures, and at most ${SIGNATURES_MAX} are read`);
	return { text: note.slice(0, end + 1), signatures: lines.map((line, i) => {
		const [, name, encoded] = SIGNATURE_LINE.exec(line) ?? [];
		const decoded = encoded === undefined ? undefined : base64(encoded);
		if (decoded === undefined || decoded.length <= 4)
			throw bad(file, `its signature line ${i + 1} is none`);
		return { name, id: decoded.subarray(0, 4), signature: decoded.subarray(4) };
	}) };
}

/** {origin, size, root} of a note's text. */
export function parseCheckpoint(text, file) {
	const [origin, size, root, ...more] = text.slice(0, -1).split("\n");

	if (!origin || !/^(0|[1-9]\d{0,19})$/.test(size ?? "") || root === undefined || more.some(line => line === ""))
		throw bad(file, "it is no checkpoint: origin, size and root must be its first three lines");
	const hash = base64(root);
	if (hash === undefined || hash.length !== HASH_BYTES)
		throw bad(file, "its third line is no root: 32 bytes in base64");
	if (Number(size) > Number.MAX_SAFE_INTEGER)
		throw bad(file, `it is of ${size} transactions; this auditor counts to ${Number.MAX_SAFE_INTEGER}`);
	return { origin, size: Number(size), root: hash };
}

/** How many of the signatures are by one of `keys`, all of which must be right. */
export function verifyNote({ text, signatures }, keys, file) {
	const said = Buffer.from(text);
	let n = 0;

	for (const { name, id, signature } of signatures) {
		const known = keys.find(key => key.name === name && key.id.equals(id));
		if (known === undefined)
			continue;
		if (!verify(null, said, known.key, signature))
			throw bad(file, `the signature of ${name}+${id.toString("hex")} on it is wrong`);
		n++;
	}
	return n;
}
