// Files of an exported directory that the log of its checkpoint does not need: partial tiles of earlier sizes may stay, and must be true.
import { Finding } from "./finding.js";
import { BUNDLE_BYTES_MAX } from "./bundle.js";
import { HASH_BYTES, TILE_BYTES, TILE_WIDTH, hashesAt, parseTileName, tileName } from "./tree.js";

/** How many hashes or entries the log has in that tile. */
function widthOf({ level, index }, size) {
	return Math.min(TILE_WIDTH, hashesAt(level === "entries" ? 0 : level, size) - index * TILE_WIDTH);
}

/** The bytes of the first `n` entries of a bundle. */
function entriesBytes(bundle, n) {
	let at = 0;

	for (let i = 0; i < n && at + 2 <= bundle.length; i++)
		at += 2 + bundle.readUInt16BE(at);
	return at;
}

/** Whether an older partial tile is the beginning of what the log has now; true when that cannot be read, which is told elsewhere. */
async function isBeginning(source, tiles, name, tile, width) {
	if (tile.level === "entries") {
		const now = await tiles.file("entries", tile.index, width, BUNDLE_BYTES_MAX).catch(() => undefined);
		const old = await source.read(name, BUNDLE_BYTES_MAX);
		return now === undefined || (old.equals(now.bytes.subarray(0, old.length)) && old.length === entriesBytes(now.bytes, tile.width));
	}
	const now = await tiles.hashesOf(tile.level, tile.index);
	const old = await source.read(name, TILE_BYTES);
	return now === null || old.equals(now.subarray(0, tile.width * HASH_BYTES));
}

async function judge(source, tiles, size, name) {
	const tile = parseTileName(name);
	const width = tile === undefined ? 0 : widthOf(tile, size);

	if (tile === undefined || width <= 0 || tile.width > width)
		throw new Finding(`it is no part of a log of ${size} transactions; an export that was interrupted leaves such, and does away with it when it runs again`,
			{ file: name });
	if (tile.width < width && !await isBeginning(source, tiles, name, tile, width))
		throw new Finding(`it is not the beginning of ${tileName(tile.level, tile.index, width)}`, { file: name });
}

/** Findings about files under tile/ that the audit itself does not read.  A log over HTTP cannot be listed. */
export async function *findStrays(source, tiles, size) {
	if (source.names === undefined)
		return;
	for await (const name of source.names("tile")) {
		try {
			await judge(source, tiles, size, name);
		} catch (e) {
			if (!(e instanceof Finding))
				throw e;
			yield e;
		}
	}
}
