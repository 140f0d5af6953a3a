// The tree of RFC 6962, section 2.1, and its tiles (C2SP tlog-tiles).
//
// A tree of a given size is covered by complete subtrees of 256^level leaves; they are the hashes of the partial tiles, one for each level,
// and with them the root is known.  So those few tiles are judged by the signed root, and every full tile by its hash in the tile above it.
import { hash as oneShot, createHash } from "node:crypto";

export const HASH_BYTES = 32;
export const TILE_WIDTH = 256;
export const TILE_BYTES = HASH_BYTES * TILE_WIDTH;
const LEAF = Buffer.of(0);
const NODE = Buffer.of(1);

export const sha256 = oneShot === undefined ? bytes => createHash("sha256").update(bytes).digest() : bytes => oneShot("sha256", bytes, "buffer");

export function leafHash(leaf) {
	return createHash("sha256").update(LEAF).update(leaf).digest();
}

function nodeHash(left, right) {
	return sha256(Buffer.concat([NODE, left, right], 1 + 2 * HASH_BYTES));
}

/** Root over consecutive hashes, all of one level. */
export function rootOf(hashes) {
	const n = hashes.length / HASH_BYTES;

	if (n === 1)
		return Buffer.from(hashes);
	let left = 1;
	while (2 * left < n)
		left *= 2;
	return nodeHash(rootOf(hashes.subarray(0, left * HASH_BYTES)), rootOf(hashes.subarray(left * HASH_BYTES)));
}

/** The hash at place `i` of a tile. */
export function hashAt(tile, i) {
	return tile.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES);
}

function indexPath(index) {
	const groups = [];

	for (let n = index; groups.length === 0 || n > 0; n = Math.floor(n / 1000))
		groups.unshift(String(n % 1000).padStart(3, "0"));
	return groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join("/");
}

/** "tile/0/x001/234.p/5"; `level` is a number, or "entries". */
export function tileName(level, index, width = TILE_WIDTH) {
	return `tile/${level}/${indexPath(index)}${width === TILE_WIDTH ? "" : `.p/${width}`}`;
}

const NAME = /^tile\/(entries|0|[1-9]\d?)\/((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;

/** {level, index, width} of such a name; undefined for any other. */
export function parseTileName(name) {
	const [, level, path, width] = NAME.exec(name) ?? [];

	if (level === undefined)
		return undefined;
	const parsed = { level: level === "entries" ? level : Number(level), index: Number(path.replace(/[x/]/g, "")),
		width: width === undefined ? TILE_WIDTH : Number(width) };
	return tileName(parsed.level, parsed.index, parsed.width) === name ? parsed : undefined;
}

/** How many hashes the tree of `size` has at a level. */
export function hashesAt(level, size) {
	return Math.floor(size / TILE_WIDTH ** level);
}

/** The partial tiles of a tree, {level, index, width}, from the lowest. */
export function edgeOf(size) {
	const edge = [];

	for (let level = 0, n = size; n > 0; level++, n = Math.floor(n / TILE_WIDTH)) {
		if (n % TILE_WIDTH > 0)
			edge.push({ level, index: Math.floor(n / TILE_WIDTH), width: n % TILE_WIDTH });
	}
	return edge;
}

/** The root, of the hashes of edgeOf()'s tiles in its order. */
export function rootOfEdge(tiles) {
	if (tiles.length === 0)
		return sha256(Buffer.alloc(0));
	return tiles.reduce((right, tile) => {
		// the binary subtrees of a partial tile, from the right
		let at = tile.length / HASH_BYTES, root = right;
		for (let width = 1; at > 0; width *= 2) {
			if ((at & width) === 0)
				continue;
			const part = rootOf(tile.subarray((at - width) * HASH_BYTES, at * HASH_BYTES));
			root = root === null ? part : nodeHash(part, root);
			at -= width;
		}
		return root;
	}, null);
}
