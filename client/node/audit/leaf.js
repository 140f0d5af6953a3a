// One transaction, judged by itself, the one before it and the keys in force: what ledger.proto says of its bytes, its signatures, its place in
// the chain, and that what it moves sums to zero.  What it moves comes out as rows for the books, which know what was before.
import { verify } from "node:crypto";

import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

import descriptor from "../src/descriptor.js";
import { readApproval } from "./approvals.js";
import { Finding } from "./finding.js";
import { readLoss, restores } from "./loss.js";
import { keyIdOf, publicKey } from "./note.js";
import { readRotation, recovers, signersBy } from "./rotation.js";
import { sha256 } from "./tree.js";

export const LEAF_BYTES_MAX = 60000;
const PAYLOAD_TYPE = "application/vnd.fealty.transaction.v1+protobuf";
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const KEY_ID_BYTES = 8;
const FORMAT = 1;
const POINTS_MAX = 2n ** 63n - 1n;
const NO_HASH = Buffer.alloc(32);
const MEMBER_ACCOUNTS = 4;		// MEMBER, PENDING, HELD, DEBT are 1 to 4
const HELD = 3;
const PROGRAM_ACCOUNTS = ["issued", "redeemed", "expired", "adjusted", "transferred", "clawed", "reinstated", "advanced", "opening"];
const PARTNER_ACCOUNTS = ["issued", "redeemed"];
const PARTNER_FIRST = MEMBER_ACCOUNTS + PROGRAM_ACCOUNTS.length + 1;

const OPENED_MAX = 1024;		// keys that are kept open

/** The columns of a row: one member's share of one entry. */
export const COLUMNS = ["seq", "index", "program", "version", "member", "available", "pending", "held", "debt", "hasPrev", "prevSeq", "prevIndex",
	"afterAvailable", "afterPending", "afterHeld", "afterDebt"];

const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, Buffer.from(descriptor, "base64")));
const messageOf = name => registry.getMessage(`fealty.${name}`);
const SIGNED = messageOf("ledger.v1.SignedTransaction");
const TRANSACTION = messageOf("ledger.v1.Transaction");
const PROGRAM = messageOf("program.v1.Program");

/** Whether a field without a default of its own is there: what is absent is not the message's own property. */
const has = (message, name) => Object.hasOwn(message, name);

function decode(desc, bytes, where) {
	try {
		return fromBinary(desc, bytes);
	} catch (e) {
		throw new Finding(`it is no ${desc.name}: ${e.message}`, where);
	}
}

function equal(a, b) {
	return Buffer.compare(a, b) === 0;
}

/** Ed25519 over the DSSE pre-authentication encoding. */
export function verifyTransaction(transaction, signature, key) {
	const head = Buffer.from(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${transaction.length} `);

	return signature.length === SIGNATURE_BYTES && verify(null, Buffer.concat([head, transaction], head.length + transaction.length), key, signature);
}

/** {id, name, scale} of a publish entry, as far as the books need them. */
function readProgram({ program: id, version, definition }, where) {
	const decoded = decode(PROGRAM, definition, { ...where, field: "inputs.publish.definition" });

	if (decoded.id !== id)
		throw new Finding(`it publishes "${id}", and the definition is of "${decoded.id}"`, { ...where, field: "inputs.publish.program" });
	return { id, version, scale: decoded.points?.scale ?? 0 };
}

function readGenesis(genesis, transaction, where) {
	const finding = (field, message) => new Finding(message, { ...where, field: `inputs.genesis.${field}` });

	if (genesis.format !== FORMAT)
		throw finding("format", `it is ${genesis.format}; this auditor knows ${FORMAT}`);
	if (genesis.origin !== transaction.origin)
		throw finding("origin", `it is "${genesis.origin}", and the transaction is of "${transaction.origin}"`);
	for (const [field, raw] of [["transaction_key", genesis.transactionKey], ["checkpoint_key", genesis.checkpointKey]]) {
		if (raw.length !== KEY_BYTES)
			throw finding(field, `it has ${raw.length} bytes, not ${KEY_BYTES}`);
	}
	return { transactionKey: genesis.transactionKey, checkpointKey: genesis.checkpointKey, manual: genesis.clock === 2 };
}

// ---- postings ----

/** Where a posting goes: {member, column} or {account}. */
function targetOf(posting, fault) {
	const account = posting.account;

	if (has(posting, "partner") && account < PARTNER_FIRST)
		throw fault("partner", "a partner is named, and the account is no partner's");
	if (account >= 1 && account <= MEMBER_ACCOUNTS) {
		if (!(posting.member > 0n))
			throw fault("account", "it is a member's, and no member is named");
		return { member: posting.member, column: account - 1 };
	}
	if (has(posting, "member"))
		throw fault("member", "a member is named, and the account is the program's");
	if (account > MEMBER_ACCOUNTS && account < PARTNER_FIRST)
		return { account: PROGRAM_ACCOUNTS[account - MEMBER_ACCOUNTS - 1] };
	if (account >= PARTNER_FIRST && account < PARTNER_FIRST + PARTNER_ACCOUNTS.length && posting.partner !== "")
		return { account: `partner:${posting.partner}:${PARTNER_ACCOUNTS[account - PARTNER_FIRST]}` };
	throw fault("account", account >= PARTNER_FIRST ? "it is a partner's, and no partner is named" : "it is none of ledger.proto");
}

function bounded(n, fault, field) {
	if (n > POINTS_MAX || n < -POINTS_MAX)
		throw fault(field, `${n} is beyond what an account can hold`);
	return n;
}

/** Adds up an entry's postings into `moved` (member → four sums) and `accounts` (the program's), which must cancel out. */
function addPostings(entry, accounts, where) {
	const moved = new Map();
	let sum = 0n;

	for (const [i, posting] of entry.postings.entries()) {
		const fault = (field, message) => new Finding(message, { ...where, field: `postings[${i}].${field}` });
		const { member, column, account } = targetOf(posting, fault);
		if (has(posting, "hold") && posting.account !== HELD)
			throw fault("hold", "only points that are held are of a hold");
		sum += posting.points;
		if (account !== undefined) {
			accounts.set(account, bounded((accounts.get(account) ?? 0n) + posting.points, fault, "points"));
			continue;
		}
		if (!moved.has(member))
			moved.set(member, [0n, 0n, 0n, 0n]);
		const sums = moved.get(member);
		sums[column] = bounded(sums[column] + posting.points, fault, "points");
	}
	if (sum !== 0n)
		throw new Finding(`they sum to ${sum}, not to zero`, { ...where, field: "postings" });
	return moved;
}

// ---- entries ----

function checkTouched(entry, moved, where) {
	const touched = new Set(entry.touched.map(t => t.member));

	if (entry.after.length !== entry.touched.length)
		throw new Finding(`there are ${entry.after.length}, and ${entry.touched.length} members are touched`, { ...where, field: "after" });
	if (touched.size !== entry.touched.length)
		throw new Finding("a member stands in it twice", { ...where, field: "touched" });
	if (touched.has(0n))
		throw new Finding("a member has no number", { ...where, field: "touched" });
	for (const member of moved.keys()) {
		if (!touched.has(member))
			throw new Finding(`member ${member} is missing, whose points the entry moves`, { ...where, field: "touched" });
	}
}

function checkAsker(entry, seq, where) {
	const system = entry.principal === "system";

	if (entry.principal === "")
		throw new Finding("it is missing", { ...where, field: "principal" });
	if (entry.engine === 0)
		throw new Finding("it is missing", { ...where, field: "engine" });
	if (entry.requestId === "" && !system && seq > 0 && !recovers(entry) && !restores(entry))
		throw new Finding("it is missing, and only the system's entries have none", { ...where, field: "request_id" });
	if (has(entry, "dueAt") && !system)
		throw new Finding("only the system's entries fall due", { ...where, field: "due_at" });
	if (entry.inputs?.op.case === undefined)
		throw new Finding("they are missing, or of a kind that ledger.proto does not have", { ...where, field: "inputs" });
}

const NOTHING = [0n, 0n, 0n, 0n];

/** Adds the rows of an entry, flat, in the order of COLUMNS. */
function addRows(entry, { seq, program }, index, moved, rows) {
	for (const [i, touched] of entry.touched.entries()) {
		const after = entry.after[i];
		rows.push(seq, BigInt(index), BigInt(program), BigInt(entry.programVersion), touched.member, ...(moved.get(touched.member) ?? NOTHING),
			has(touched, "prevSeq") ? 1n : 0n, touched.prevSeq, BigInt(touched.prevIndex), after.available, after.pending, after.held, after.debt);
	}
}

function checkEntry(entry, index, transaction, out) {
	const seq = Number(transaction.seq);
	const where = { seq, entry: `${seq}.${index}` };

	checkAsker(entry, seq, where);
	const op = entry.inputs.op;
	if ((op.case === "genesis") !== (seq === 0 && index === 0))
		throw new Finding(seq === 0 ? "transaction 0 is no genesis" : "there is a genesis, and it is not transaction 0", { ...where, field: "inputs" });
	const moved = addPostings(entry, out.accounts, where);
	checkTouched(entry, moved, where);
	if (transaction.program === 0 && (moved.size > 0 || out.accounts.size > 0))
		throw new Finding("points move, and the transaction belongs to no program", { ...where, field: "postings" });
	addRows(entry, transaction, index, moved, out.rows);
	if (op.case === "genesis")
		out.specials.push({ seq, index, kind: "genesis", ...readGenesis(op.value, transaction, where) });
	const approval = readApproval(entry, { seq, index, program: transaction.program, hash: out.hash });
	if (approval !== undefined)
		out.specials.push(approval);
	const loss = readLoss(entry, { seq, index, program: transaction.program });
	if (loss !== undefined)
		out.specials.push(loss);
	if (op.case === "publish")
		out.specials.push({ seq, index, kind: "publish", program: transaction.program, ...readProgram(op.value, where) });
}

// ---- keys ----

const opened = new Map();

/** {id, key} of a public key. */
function openKey(raw) {
	const name = Buffer.from(raw).toString("hex");
	let one = opened.get(name);

	if (one === undefined) {
		if (opened.size >= OPENED_MAX)
			opened.clear();
		one = { id: keyIdOf(raw), key: publicKey(raw) };
		opened.set(name, one);
	}
	return one;
}

// ---- the transaction ----

/** The signature in the fields with the prefix `which`, by the key `raw`. */
function checkSignature({ transaction, signature, keyId }, raw, { seq, which = "" }) {
	const { id, key } = openKey(raw);
	const said = Buffer.from(keyId).toString("hex");

	if (keyId.length !== KEY_ID_BYTES)
		throw new Finding(`it has ${keyId.length} bytes, not ${KEY_ID_BYTES}`, { seq, field: `${which}key_id` });
	if (said !== id)
		throw new Finding(`it is signed with the key ${said}, and ${id} is the one that must sign here`, { seq, field: `${which}key_id` });
	if (!verifyTransaction(transaction, signature, key))
		throw new Finding(`it is not a signature of this transaction by the key ${id}`, { seq, field: `${which}signature` });
}

function checkSecond(signed, second, seq) {
	const { transaction, secondSignature: signature, secondKeyId: keyId } = signed;
	const there = has(signed, "secondSignature") || has(signed, "secondKeyId");

	if (second === undefined && there)
		throw new Finding("there is one, and the transaction rotates no key", { seq, field: "second_signature" });
	if (second !== undefined && !there)
		throw new Finding("it is missing, and the transaction rotates a key", { seq, field: "second_signature" });
	if (second !== undefined)
		checkSignature({ transaction, signature, keyId }, second, { seq, which: "second_" });
}

/** The transaction, whose signatures hold, its rotation, and the keys in force after it.  Only a rotation is read before it is known who signs. */
function openSigned(signed, seq, keys) {
	const read = () => decode(TRANSACTION, signed.transaction, { seq, field: "transaction" });
	const early = has(signed, "secondSignature") ? read() : undefined;
	const shown = early === undefined ? undefined : readRotation(early, seq, keys);
	const { first, second, next } = signersBy(shown, keys);

	checkSignature(signed, first, { seq });
	const transaction = early ?? read();
	const rotation = shown ?? readRotation(transaction, seq, keys);
	checkSecond(signed, rotation === undefined ? undefined : second ?? rotation.newKey, seq);
	return { transaction, rotation, next };
}

/** Transaction `seq` follows the one before it; either is {prev, hash, committedAt}.  The genesis follows none. */
export function checkLink(link, seq, before) {
	if (!equal(link.prev, before?.hash ?? NO_HASH))
		throw new Finding(seq === 0 ? "it is not 32 zero bytes" : `it is not the hash of transaction ${seq - 1}`, { seq, field: "prev" });
	if (before !== undefined && link.committedAt <= before.committedAt)
		throw new Finding(`it is not later than that of transaction ${seq - 1}`, { seq, field: "committed_at" });
}

function checkPlace(transaction, seq, origin) {
	if (transaction.seq !== BigInt(seq))
		throw new Finding(`it says that it is ${transaction.seq}`, { seq, field: "seq" });
	if (transaction.origin !== origin)
		throw new Finding(`it is of "${transaction.origin}", and the log is "${origin}"`, { seq, field: "origin" });
	if (transaction.entries.length === 0)
		throw new Finding("it has none", { seq, field: "entries" });
}

export function decodeSigned(leaf, seq) {
	if (leaf.length > LEAF_BYTES_MAX)
		throw new Finding(`it has ${leaf.length} bytes, and at most ${LEAF_BYTES_MAX} are allowed`, { seq });
	return decode(SIGNED, leaf, { seq });
}

/** The genesis of a log by itself, and the key in it that must have signed it: {transactionKey, checkpointKey, …}. */
export function readGenesisLeaf(leaf) {
	const where = { seq: 0, entry: "0.0" };
	const transaction = decode(TRANSACTION, decodeSigned(leaf, 0).transaction, { seq: 0, field: "transaction" });
	const op = transaction.entries[0]?.inputs?.op;

	if (op?.case !== "genesis")
		throw new Finding("transaction 0 is no genesis", { ...where, field: "inputs" });
	return { origin: transaction.origin, ...readGenesis(op.value, transaction, where) };
}

/**
 * Judges `leaf`, which stands at `seq` of the log `origin`.  `keys` are the raw keys in force, {transaction, checkpoint}; `before` is the
 * transaction before it, undefined when somebody else looks at the link.  Returns {prev, hash, committedAt, program, entries, rows, accounts,
 * specials, keys}, the keys being those for the next one.  Throws a Finding.
 */
export function checkLeaf(leaf, { seq, origin, before, keys }) {
	const signed = decodeSigned(leaf, seq);
	const { transaction, rotation, next } = openSigned(signed, seq, keys);

	checkPlace(transaction, seq, origin);
	const out = { prev: transaction.prev, hash: sha256(signed.transaction), committedAt: transaction.committedAt, program: transaction.program,
		entries: transaction.entries.length, rows: [], accounts: new Map(), specials: rotation === undefined ? [] : [rotation], keys: next };
	if (before !== undefined)
		checkLink(out, seq, before);
	for (const [index, entry] of transaction.entries.entries())
		checkEntry(entry, index, transaction, out);
	return out;
}
