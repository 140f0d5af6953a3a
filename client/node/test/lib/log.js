// Logs that a test makes up, transaction by transaction, well signed or not; and exports of them, written with none of the auditor's code.
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { create, createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

import descriptor from "../../src/descriptor.js";

const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, Buffer.from(descriptor, "base64")));
const TYPE = "application/vnd.fealty.transaction.v1+protobuf";

export const sha256 = (...parts) => parts.reduce((h, part) => h.update(part), createHash("sha256")).digest();

export function message(name, init) {
	const desc = registry.getMessage(`fealty.${name}`);
	return toBinary(desc, create(desc, init));
}

export function newKeys() {
	const { publicKey, privateKey } = generateKeyPairSync("ed25519");
	const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
	return { raw, privateKey, id: sha256(raw).subarray(0, 8) };
}

/** The leaf of a transaction's bytes; `second` signs as well. */
export function signed(transaction, keys, more = {}, second = undefined) {
	const said = Buffer.concat([Buffer.from(`DSSEv1 ${TYPE.length} ${TYPE} ${transaction.length} `), transaction]);
	const two = second === undefined ? {} : { secondSignature: sign(null, said, second.privateKey), secondKeyId: second.id };
	return message("ledger.v1.SignedTransaction", { transaction, signature: sign(null, said, keys.privateKey), keyId: keys.id, ...two, ...more });
}

/** Merkle tree hash, straight from RFC 6962, section 2.1. */
export function mth(leaves) {
	if (leaves.length === 0)
		return sha256();
	if (leaves.length === 1)
		return sha256(Buffer.of(0), leaves[0]);
	let k = 1;
	while (2 * k < leaves.length)
		k *= 2;
	return sha256(Buffer.of(1), mth(leaves.slice(0, k)), mth(leaves.slice(k)));
}

/** The consistency proof of RFC 6962, section 2.1.2, from the first `m` leaves to all. */
export function consistency(m, leaves, whole = true) {
	if (m === leaves.length)
		return whole ? [] : [mth(leaves)];
	let k = 1;
	while (2 * k < leaves.length)
		k *= 2;
	return m <= k ? [...consistency(m, leaves.slice(0, k), whole), mth(leaves.slice(k))]
		: [...consistency(m - k, leaves.slice(k), false), mth(leaves.slice(0, k))];
}

export function vkey(name, raw) {
	const typed = Buffer.concat([Buffer.of(1), raw]);
	return `${name}+${sha256(`${name}\n`, typed).subarray(0, 4).toString("hex")}+${typed.toString("base64")}`;
}

/** A note that each of `keys` has signed. */
export function note(text, name, ...keys) {
	const lines = keys.map(({ raw, privateKey }) => {
		const id = sha256(`${name}\n`, Buffer.of(1), raw).subarray(0, 4);
		return `\u2014 ${name} ${Buffer.concat([id, sign(null, Buffer.from(text), privateKey)]).toString("base64")}\n`;
	});
	return `${text}\n${lines.join("")}`;
}

/** A ledger that is put together by hand; `change` may spoil a transaction or an entry before it is signed. */
export class Ledger {
	origin = "test.example/made-up";
	leaves = [];
	transaction = newKeys();
	checkpoint = newKeys();
	prev = Buffer.alloc(32);
	#balances = new Map();
	#heads = new Map();

	constructor({ program = true } = {}) {
		this.add([{ principal: "operator/local", engine: 1, inputs: { op: { case: "genesis", value: { format: 1, origin: this.origin,
			transactionKey: this.transaction.raw, checkpointKey: this.checkpoint.raw, clock: 1 } } } }], { program: 0 });
		if (program)
			this.add([this.publish("shop", 1)]);
	}

	publish(program, version, scale = 0) {
		return { principal: "operator/local", requestId: `p${this.leaves.length}`, engine: 1, programVersion: version, inputs: { op: { case: "publish",
			value: { program, version, definition: message("program.v1.Program", { id: program, points: { scale } }) } } } };
	}

	/** An entry that moves `moves` ([account, member or 0, points]), with the balances and pointers that it must have. */
	entry(op, moves, members = [...new Set(moves.map(([, member]) => member).filter(member => member > 0))]) {
		const seq = this.leaves.length;

		return { principal: "pos/1/1", requestId: `k${seq}`, engine: 1, programVersion: 1, member: BigInt(members[0] ?? 0),
			inputs: { op: { case: op, value: {} } },
			postings: moves.map(([account, member, points]) => ({ account, points: BigInt(points), ...(member > 0 ? { member: BigInt(member) } : {}) })),
			touched: members.map(member => ({ member: BigInt(member), ...this.#heads.get(member) })),
			after: members.map(member => {
				const sums = this.#balances.get(member) ?? [0n, 0n, 0n, 0n];
				for (const [account, who, points] of moves) {
					if (who === member)
						sums[account - 1] += BigInt(points);
				}
				this.#balances.set(member, sums);
				this.#heads.set(member, { prevSeq: BigInt(seq), prevIndex: 0 });
				return { available: sums[0], pending: sums[1], held: sums[2], debt: -sums[3] };
			}) };
	}

	earn(member, points) {
		return this.add([this.entry("purchase", [[1, member, points], [5, 0, -points]])]);
	}

	/** Replaces a key, of kind 1 or 2; `change(entry, signers)` may spoil the entry, or who signs it; `beside` are further entries. */
	rotate(kind, { recovery, overlapDays, change = () => {}, beside = [], ...more } = {}) {
		const seq = this.leaves.length;
		const key = newKeys();
		const name = kind === 2 ? "checkpoint" : "transaction";
		const signers = name === "transaction" && recovery !== undefined ? { keys: key, second: this.checkpoint } : { keys: this.transaction, second: key };
		const entry = { principal: "operator/local", requestId: recovery === undefined ? `r${seq}` : "", engine: 1,
			inputs: { op: { case: "rotateKey", value: { kind, newKey: key.raw, overlapDays, recovery } } },
			facts: { keyChange: { oldKey: this[name].raw, oldUntil: kind === 2 ? BigInt(1000 + seq) + BigInt(overlapDays ?? 0) * 86400000000n : undefined } } };

		change(entry, signers);
		this.add([entry, ...beside], { program: 0, ...signers, ...more });
		this[name] = key;
		return this;
	}

	add(entries, { program = 1, keys = this.transaction, second, leaf = {}, ...more } = {}) {
		const seq = this.leaves.length;
		const bytes = message("ledger.v1.Transaction", { origin: this.origin, seq: BigInt(seq), prev: this.prev, committedAt: BigInt(1000 + seq), program,
			entries, ...more });

		this.prev = sha256(bytes);
		this.leaves.push(Buffer.from(signed(bytes, keys, leaf, second)));
		return this;
	}

	/** So many purchases by a few members. */
	grow(n) {
		for (let i = 0; i < n; i++)
			this.earn(1 + i % 5, 1 + i % 7);
		return this;
	}

	get vkey() {
		return vkey(this.origin, this.checkpoint.raw);
	}

	note(leaves = this.leaves, ...keys) {
		return note(`${this.origin}\n${leaves.length}\n${mth(leaves).toString("base64")}\n`, this.origin, ...(keys.length > 0 ? keys : [this.checkpoint]));
	}

	/** Files of the log, by name. */
	files(leaves = this.leaves, checkpoint = this.note(leaves)) {
		const files = new Map([["checkpoint", Buffer.from(checkpoint)]]);
		const path = n => String(n).padStart(3, "0");
		const put = (level, hashes) => {
			for (let i = 0; i < hashes.length; i += 256) {
				const tile = hashes.slice(i, i + 256);
				files.set(`tile/${level}/${path(i / 256)}${tile.length < 256 ? `.p/${tile.length}` : ""}`, Buffer.concat(tile));
			}
		};
		const bundle = leaves.map(leaf => Buffer.concat([Buffer.of(leaf.length >> 8, leaf.length & 255), leaf]));

		put("entries", bundle);
		let hashes = leaves.map(leaf => sha256(Buffer.of(0), leaf));
		for (let level = 0; hashes.length > 0; level++) {
			put(level, hashes);
			const up = [];
			for (let i = 0; i + 256 <= hashes.length; i += 256)
				up.push(mthOfHashes(hashes.slice(i, i + 256)));
			hashes = up;
		}
		return files;
	}
}

function mthOfHashes(hashes) {
	if (hashes.length === 1)
		return hashes[0];
	const half = hashes.length / 2;
	return sha256(Buffer.of(1), mthOfHashes(hashes.slice(0, half)), mthOfHashes(hashes.slice(half)));
}

/** Writes files into a directory that ends with the test `t`. */
export function written(t, files) {
	const dir = mkdtempSync(join(tmpdir(), "fn-"));

	t.after(() => rmSync(dir, { recursive: true, force: true }));
	for (const [name, bytes] of files) {
		mkdirSync(dirname(join(dir, name)), { recursive: true });
		writeFileSync(join(dir, name), bytes);
	}
	return dir;
}
