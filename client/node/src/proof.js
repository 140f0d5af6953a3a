// Proofs of RFC 9162, section 2.1, for logs hashed as RFC 6962 does.
import { createHash } from "node:crypto";

const HASH_BYTES = 32;
const NODE = Buffer.of(1);

function nodeHash(left, right) {
	return createHash("sha256").update(NODE).update(left).update(right).digest();
}

/**
 * Whether `hashes` prove that the log of `from` entries, whose root is `fromRoot`, is the beginning of that of `to` entries (section 2.1.4.2).
 */
export function provesConsistency({ from, fromRoot, to, toRoot, hashes }) {
	const path = hashes.map(hash => Buffer.from(hash));
	let fn = BigInt(from) - 1n, sn = BigInt(to) - 1n;

	if (from === to)
		return path.length === 0 && fromRoot.equals(toRoot);
	if (from < 1 || from > to || path.some(hash => hash.length !== HASH_BYTES))
		return from === 0 && path.length === 0;
	if ((BigInt(from) & fn) === 0n)
		path.unshift(fromRoot);
	for (; (fn & 1n) === 1n; fn >>= 1n)
		sn >>= 1n;
	if (path.length === 0)
		return false;
	let fr = path[0], sr = path[0];
	for (const hash of path.slice(1)) {
		if (sn === 0n)
			return false;
		if ((fn & 1n) === 1n || fn === sn) {
			fr = nodeHash(hash, fr);
			sr = nodeHash(hash, sr);
			for (; fn !== 0n && (fn & 1n) === 0n; fn >>= 1n)
				sn >>= 1n;
		} else {
			sr = nodeHash(sr, hash);
		}
		fn >>= 1n;
		sn >>= 1n;
	}
	return fr.equals(fromRoot) && sr.equals(toRoot) && sn === 0n;
}
