// The tiles of a log of a known size and root, each judged by what stands above it.
import { Finding } from "./finding.js";
import { BUNDLE_BYTES_MAX, cutBundle } from "./bundle.js";
import { HASH_BYTES, TILE_BYTES, TILE_WIDTH, edgeOf, hashAt, leafHash, rootOf, rootOfEdge, tileName } from "./tree.js";

export class Tiles {
	#source;
	#checkpoint;
	#note;
	#edge;
	#cache = new Map();		// level → {index, hashes}: of each level the tile that was asked for last
	#ahead = new Map();		// name → promise of its bytes
	/** Files that were read. */
	read = 0;

	/** `note(finding)` takes what does not hold. */
	constructor(source, checkpoint, note) {
		this.#source = source;
		this.#checkpoint = checkpoint;
		this.#note = note;
		this.#edge = new Map(edgeOf(checkpoint.size).map(one => [one.level, { ...one, hashes: null }]));
	}

	// ---- files ----

	async #read(name, bytesMax) {
		const bytes = await (this.#ahead.get(name) ?? this.#source.read(name, bytesMax));

		this.#ahead.delete(name);
		this.read += bytes === undefined ? 0 : 1;
		return bytes;
	}

	/**
	 * {bytes, file, whole}: a partial tile, or where that is not there any more the full one, of which it is the beginning (`whole` is false
	 * then).  Throws a Finding when there is neither.
	 */
	async file(level, index, width, bytesMax) {
		const name = tileName(level, index, width);
		const bytes = await this.#read(name, bytesMax);

		if (bytes !== undefined)
			return { bytes, file: name, whole: true };
		const full = width < TILE_WIDTH ? await this.#read(tileName(level, index), bytesMax) : undefined;
		if (full === undefined)
			throw new Finding("it is missing", { file: name });
		return { bytes: full, file: tileName(level, index), whole: false };
	}

	/** The bundles and their tiles that come next are read while others are judged. */
	readAhead(n, depth) {
		const last = Math.ceil(this.#checkpoint.size / TILE_WIDTH) - 1;

		for (let next = n + 1; next < Math.min(n + depth, last); next++) {
			for (const [level, bytesMax] of [["entries", BUNDLE_BYTES_MAX], [0, TILE_BYTES]]) {
				const name = tileName(level, next);
				if (this.#ahead.has(name) || (level === 0 && this.#cache.get(0)?.index >= next))
					continue;
				const promise = this.#source.read(name, bytesMax);
				promise.catch(() => {});		// who asks for it learns it
				this.#ahead.set(name, promise);
			}
		}
	}

	/** The hashes of a tile as its file has them. */
	async #hashes(level, index, width) {
		const { bytes, file, whole } = await this.file(level, index, width, TILE_BYTES);
		const wanted = whole ? width * HASH_BYTES : TILE_BYTES;

		if (bytes.length !== wanted)
			throw new Finding(`it has ${bytes.length} bytes, and ${wanted} are ${wanted / HASH_BYTES} hashes`, { file });
		return bytes.subarray(0, width * HASH_BYTES);
	}

	/** The same; null when they are not to be had, which is noted. */
	async #hashesOrNull(level, index, width) {
		try {
			return await this.#hashes(level, index, width);
		} catch (e) {
			if (!(e instanceof Finding))
				throw e;
			this.#note(e);
			return null;
		}
	}

	// ---- the edge ----

	/** The partial tiles against the signed root; when they do not give it, which one is to blame. */
	async judgeEdge() {
		const edge = [...this.#edge.values()];

		for (const one of edge)
			one.hashes = await this.#hashesOrNull(one.level, one.index, one.width);
		if (!this.#giveRoot(edge.map(one => one.hashes)))
			await this.#blame(edge);
	}

	#giveRoot(tiles) {
		return !tiles.includes(null) && rootOfEdge(tiles).equals(this.#checkpoint.root);
	}

	async #blame(edge) {
		const below = [];

		for (const one of edge)
			below.push(await this.#hashesBelow(one));
		if (this.#giveRoot(below.map((hashes, i) => hashes ?? edge[i].hashes))) {
			for (const [i, one] of edge.entries())
				this.#mend(one, below[i]);
		} else if (edge.every(one => one.hashes !== null)) {
			const { size, root } = this.#checkpoint;
			this.#note(new Finding(`it signs the root ${root.toString("hex")}, and the tiles of ${size} transactions give ` +
				rootOfEdge(edge.map(one => one.hashes)).toString("hex"), { file: "checkpoint" }));
		}
	}

	/** What is below a partial tile gives the signed root, so that is what the tile should have. */
	#mend(one, below) {
		if (below === null || one.hashes?.equals(below))
			return;
		if (one.hashes !== null)
			this.#note(new Finding("it does not have the hashes of what is below it, which give the root of the checkpoint",
				{ file: tileName(one.level, one.index, one.width) }));
		one.hashes = below;
	}

	/** What a partial tile should hold by the files one level below; null when one of them cannot be read. */
	async #hashesBelow({ level, index, width }) {
		const below = [];

		try {
			if (level === 0) {
				const { bytes, file, whole } = await this.file("entries", index, width, BUNDLE_BYTES_MAX);
				below.push(...cutBundle(bytes, width, { file, first: index * TILE_WIDTH, surplus: !whole }).map(leafHash));
			}
			for (let i = 0; level > 0 && i < width; i++)
				below.push(rootOf(await this.#hashes(level - 1, index * TILE_WIDTH + i, TILE_WIDTH)));
		} catch (e) {
			if (!(e instanceof Finding))
				throw e;
			return null;				// it is noted in its turn
		}
		return Buffer.concat(below);
	}

	// ---- full tiles ----

	/** The hashes of a tile, which what is above it vouches for; null when it does not, or they are not to be had. */
	async #tile(level, index) {
		const edge = this.#edge.get(level);
		if (edge?.index === index)
			return edge.hashes;
		const cached = this.#cache.get(level);
		if (cached?.index === index)
			return cached.hashes;
		const hashes = await this.#judged(level, index);
		this.#cache.set(level, { index, hashes });
		return hashes;
	}

	async #judged(level, index) {
		const above = await this.#above(level, index);
		const hashes = await this.#hashesOrNull(level, index, TILE_WIDTH);

		if (hashes === null || above.root === null || rootOf(hashes).equals(above.root))
			return hashes;
		this.#note(new Finding(`its hashes do not give the one that ${above.rootName} has of it`, { file: tileName(level, index) }));
		return null;
	}

	/** The hash of a full tile, and the name of the tile that has it. */
	async #above(level, index) {
		const up = Math.floor(index / TILE_WIDTH);
		const hashes = await this.#tile(level + 1, up);
		const edge = this.#edge.get(level + 1);
		const width = edge?.index === up ? edge.width : TILE_WIDTH;

		return { root: hashes === null ? null : Buffer.from(hashAt(hashes, index % TILE_WIDTH)), rootName: tileName(level + 1, up, width) };
	}

	/** What judges the bundle `n`: {tile, tileName, root, rootName}. */
	async judgesOf(n) {
		const tile = await this.#tile(0, n);
		const edge = this.#edge.get(0);

		if (edge?.index === n)
			return { tile, tileName: tileName(0, n, edge.width), root: null };
		return { tile, tileName: tileName(0, n), ...(tile === null ? await this.#above(0, n) : { root: null }) };
	}

	/** The hashes of a tile of this log, as many as there are; null when they do not hold. */
	hashesOf(level, index) {
		return this.#tile(level, index);
	}

	/** The root of the first `size` transactions; null when a tile that it needs does not hold. */
	async rootAt(size) {
		const tiles = [];

		for (const { level, index, width } of edgeOf(size)) {
			const hashes = await this.#tile(level, index);
			if (hashes === null)
				return null;
			tiles.push(hashes.subarray(0, width * HASH_BYTES));
		}
		return rootOfEdge(tiles);
	}
}
