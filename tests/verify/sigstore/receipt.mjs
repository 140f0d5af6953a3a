// Receipts, verified by @sigstore/verify and @sigstore/core alone: the checkpoint's signature, the inclusion of the transaction, and the
// transaction's own signature, which is a DSSE one.  What is ours is the reading of the two texts and of three fields.
//
//	node receipt.mjs VKEY TRANSACTION_KEY FILE...
//
// A line for each file: "ok SEQ SIZE", or "bad WHY".
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);
const verifyDir = dirname(require.resolve("@sigstore/verify"));
const { verifyCheckpoint } = require(join(verifyDir, "tlog/checkpoint.js"));
const { verifyMerkleInclusion } = require(join(verifyDir, "tlog/merkle.js"));
const { crypto, dsse } = require("@sigstore/core");

const SPKI_ED25519 = Buffer.from("302a300506032b6570032100", "hex");
const TYPE = "application/vnd.fealty.transaction.v1+protobuf";

function publicKey(bytes) {
	return createPublicKey({ key: Buffer.concat([SPKI_ED25519, bytes]), format: "der", type: "spki" });
}

// "<name>+<id in hex>+<base64 of 0x01 and the key>"; neither hex nor a name has a '+'
function trustedLog(vkey) {
	const [, name, id, key] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(vkey);
	return { baseURL: name, logID: Buffer.from(id, "hex"), publicKey: publicKey(Buffer.from(key, "base64").subarray(1)) };
}

// C2SP tlog-proof
function readProof(text) {
	const [header, extra, index, ...rest] = text.split("\n");
	const empty = rest.indexOf("");

	if (header !== "c2sp.org/tlog-proof@v1" || !extra.startsWith("extra ") || !/^index (0|[1-9][0-9]*)$/.test(index) || empty < 0)
		throw new Error("not a log proof with extra data");
	return {
		leaf: Buffer.from(extra.slice(6), "base64"),
		index: index.slice(6),
		hashes: rest.slice(0, empty).map(line => Buffer.from(line, "base64")),
		checkpoint: rest.slice(empty + 1).join("\n"),
	};
}

// SignedTransaction: fields 1 to 3, all of bytes
function readSigned(leaf) {
	const fields = {};
	let at = 0;

	while (at < leaf.length) {
		const tag = leaf[at++];
		let len = 0;
		for (let shift = 0, more = true; more; shift += 7) {
			len += (leaf[at] & 127) * 2 ** shift;
			more = leaf[at++] > 127;
		}
		if ((tag & 7) !== 2 || at + len > leaf.length)
			throw new Error("not a SignedTransaction");
		fields[tag >> 3] = leaf.subarray(at, at + len);
		at += len;
	}
	return { transaction: fields[1], signature: fields[2] };
}

function check(text, log, transactionKey) {
	const proof = readProof(text);
	const entry = {
		canonicalizedBody: proof.leaf,
		inclusionProof: { logIndex: proof.index, hashes: proof.hashes, checkpoint: { envelope: proof.checkpoint } },
	};
	const checkpoint = verifyCheckpoint(entry, [log]);
	verifyMerkleInclusion(entry, checkpoint);
	if (checkpoint.origin !== log.baseURL)
		throw new Error(`a checkpoint of ${checkpoint.origin}`);
	const { transaction, signature } = readSigned(proof.leaf);
	if (!crypto.verify(dsse.preAuthEncoding(TYPE, transaction), transactionKey, signature))
		throw new Error("the transaction's signature does not hold");
	return `ok ${proof.index} ${checkpoint.logSize}`;
}

const [vkey, keyHex, ...files] = process.argv.slice(2);
const log = trustedLog(vkey), transactionKey = publicKey(Buffer.from(keyHex, "hex"));

for (const file of files) {
	try {
		console.log(check(readFileSync(file, "utf8"), log, transactionKey));
	} catch (error) {
		console.log(`bad ${error.message}`);
	}
}
