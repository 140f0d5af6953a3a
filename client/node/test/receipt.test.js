// Receipts: with a command's reply and later, against the real daemon, and verified after it has stopped.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";

import { readTransaction } from "../src/index.js";
import { daemon } from "./lib/daemon.js";
import { failure } from "./lib/fake.js";

/** The transaction that a receipt is about. */
function shown(receipt) {
	const [header, extra, index] = receipt.split("\n");

	assert.equal(header, "c2sp.org/tlog-proof@v1");
	const transaction = readTransaction(Buffer.from(extra.slice("extra ".length), "base64"));
	assert.equal(`index ${transaction.seq}`, index);
	return transaction;
}

test("a receipt with the reply, with a replay and later verifies without the daemon", async t => {
	const ledger = await daemon(t);
	const client = await ledger.client(t, { principal: "backend/app" });
	await client.enrol({ member: "a" });
	await client.enrol({ member: "b" });

	const bought = await client.purchase({ member: "a", amount: "12.50", want_receipt: true });
	assert.equal(bought.no_receipt, undefined);
	assert.deepEqual(shown(bought.receipt).entries.map(e => [e.request_id, e.member]), [[bought.key, 1]]);
	const plain = await client.purchase({ member: "b", amount: "1" });
	assert.equal(plain.receipt, undefined);
	const again = await client.purchase({ member: "b", amount: "1", key: plain.key, want_receipt: true });
	assert.deepEqual([again.replayed, again.id, shown(again.receipt).entries[0].member], [true, plain.id, 2]);

	const { results } = await client.batch([{ op: "purchase", member: "a", amount: "1", want_receipt: true }, { op: "purchase", member: "b", amount: "2" },
		{ op: "purchase", member: "a", amount: "3" }]);
	assert.deepEqual(results.map(r => typeof r.reply.receipt), ["string", "undefined", "undefined"]);
	const shared = await client.purchase({ member: "b", amount: "2", key: results[1].reply.key, want_receipt: true });
	assert.deepEqual([shared.replayed, shared.receipt, shared.no_receipt], [true, undefined, "SHARED"]);

	const later = await client.proof({ command: bought.key, receipt: true });
	assert.deepEqual([later.hashes, later.note], [[], undefined]);
	assert.deepEqual(shown(later.receipt), shown(bought.receipt));

	const { policy } = await ledger.fealty(["log", "policy", ledger.data]);
	await client.disconnect();
	await ledger.stop();
	writeFileSync(join(ledger.dir, "policy"), policy);
	for (const [i, receipt] of [bought.receipt, again.receipt, results[0].reply.receipt, later.receipt].entries()) {
		const path = join(ledger.dir, `receipt${i}`);
		writeFileSync(path, receipt);
		const verified = await ledger.fealty(["receipt", "verify", path, "--policy", join(ledger.dir, "policy"), "--public-key", ledger.transactionKey]);
		assert.deepEqual([verified.seq, verified.signature, verified.origin], [shown(receipt).seq, "valid", ledger.origin]);
	}
});

test("where there is no receipt", async t => {
	const ledger = await daemon(t);
	const client = await ledger.client(t, { principal: "backend/app" });
	await client.enrol({ member: "a" });
	await client.enrol({ member: "b" });
	await client.purchase({ member: "a", amount: "50" });
	const want_receipt = true;
	const refusals = [
		[() => client.transfer({ member: "a", to: "b", points: "10", want_receipt }), "PERMISSION_DENIED", "want_receipt"],
		[() => client.quote({ member: "a", amount: "1", want_receipt }), "INVALID_ARGUMENT", "want_receipt"],
		[() => client.batch([{ op: "purchase", member: "a", amount: "1", want_receipt }], { atomic: true }), "INVALID_ARGUMENT", "commands[0].want_receipt"],
		[() => client.proof({ from: 1, receipt: true }), "INVALID_ARGUMENT", "receipt"],
	];

	for (const [call, reason, field] of refusals) {
		const e = await failure(call());
		assert.deepEqual([e.reason, e.field, e.outcome], [reason, field, "refused"]);
	}
	assert.equal((await client.balance({ member: "a" })).available, "50");
});
