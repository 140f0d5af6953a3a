// A bundle of up to 256 entries: cut apart, held against its tile, and each transaction judged.  What a worker does.
import { Finding } from "./finding.js";
import { COLUMNS, checkLeaf } from "./leaf.js";
import { HASH_BYTES, TILE_WIDTH, hashAt, leafHash, rootOf } from "./tree.js";

export const BUNDLE_BYTES_MAX = TILE_WIDTH * (2 + 0xffff);

/** The entries of a bundle that must have `count`; `surplus`: it may have more (a full bundle stands in for a partial one). */
export function cutBundle(bytes, count, { file, first, surplus = false }) {
	const leaves = [];
	let at = 0;

	for (; leaves.length < count; at += 2 + leaves.at(-1).length) {
		const seq = first + leaves.length;
		if (at + 2 > bytes.length)
			throw new Finding(`it ends before this entry; ${count} must be in it`, { file, seq });
		const end = at + 2 + (bytes[at] << 8 | bytes[at + 1]);
		if (end > bytes.length)
			throw new Finding(`this entry has ${end - at - 2} bytes by its length, and ${bytes.length - at - 2} are left in the file`, { file, seq });
		leaves.push(bytes.subarray(at + 2, end));
	}
	if (!surplus && at !== bytes.length)
		throw new Finding(`${bytes.length - at} bytes stand behind its ${count} entries`, { file });
	return leaves;
}

/**
 * What is wrong against the tile's hashes, or null; where the tile is not to be had, against its root; where that is not known either, nothing
 * is.
 */
function wrongHash(leaves, { first, tile, tileName, root, rootName }) {
	const hashes = leaves.map(leafHash);
	const wrong = tile === null ? -1 : hashes.findIndex((hash, i) => !hash.equals(hashAt(tile, i)));

	if (wrong >= 0)
		return new Finding(`it is not the entry whose hash ${tileName} has`, { seq: first + wrong });
	if (root !== null && !rootOf(Buffer.concat(hashes, hashes.length * HASH_BYTES)).equals(root))
		return new Finding(`its entries do not give the hash that ${rootName} has`);
	return null;
}

/** Adds what one transaction did to what the bundle did. */
function collect(all, one, seq) {
	all.keys = one.keys;
	all.first ??= { prev: one.prev, committedAt: one.committedAt };
	all.last = { hash: one.hash, committedAt: one.committedAt };
	all.transactions++;
	all.entries += one.entries;
	for (const column of one.rows)
		all.rows.push(column);
	all.specials.push(...one.specials);
	for (const [account, points] of one.accounts)
		all.accounts.push([seq, one.program, account, points]);
}

/** A finding as it crosses from a worker.  `damage`: it is about the file, whatever its transactions say. */
function faultOf(finding, file, damage) {
	const { message, where } = finding.in(file);

	return { message, where, damage };
}

/**
 * `job`: {file, first, count, surplus, bytes, origin, tile, tileName, root, rootName, replay, keys}, `keys` being those in force before it.
 * Returns what its transactions did up to the first that does not hold, `fault`.  Without `replay` only hashes are looked at.
 */
export function checkBundle(job) {
	const all = { keys: job.keys, transactions: 0, entries: 0, rows: [], accounts: [], specials: [], fault: null };
	let damage = true;

	try {
		const leaves = cutBundle(job.bytes, job.count, job);
		const wrong = wrongHash(leaves, job);
		damage = false;
		const end = wrong === null ? job.first + job.count : wrong.where.seq ?? job.first;
		for (let seq = job.first; job.replay && seq < end; seq++)		// what stands before what is wrong is still looked at
			collect(all, checkLeaf(leaves[seq - job.first], { seq, origin: job.origin, before: all.last, keys: all.keys }), seq);
		if (wrong !== null)
			all.fault = faultOf(wrong, job.file, true);
	} catch (e) {
		if (!(e instanceof Finding))
			throw e;
		all.fault = faultOf(e, job.file, damage);
	}
	return all;
}

/** What crosses from a worker: rows as one array of integers. */
export function pack(all) {
	return { ...all, rows: BigInt64Array.from(all.rows) };
}

export const ROW = Object.freeze(Object.fromEntries(COLUMNS.map((name, i) => [name, i])));
export const ROW_WIDTH = COLUMNS.length;
