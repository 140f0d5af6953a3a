// Adjustments above a program's limit, against the real daemon: what waits, and who lets it happen.
import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import test from "node:test";

import { readTransaction } from "../src/index.js";
import { PROGRAM, daemon } from "./lib/daemon.js";
import { failure } from "./lib/fake.js";

const TYPE = "application/vnd.fealty.approval.v1";
const sha256 = data => createHash("sha256").update(data).digest();

/** The bytes of the transaction in a leaf: its first field. */
function transactionOf(leaf) {
	assert.equal(leaf[0], 1 << 3 | 2);
	let length = 0, at = 1, shift = 0;
	do
		length |= (leaf[at] & 127) << shift, shift += 7;
	while (leaf[at++] >= 128);
	return leaf.subarray(at, at + length);
}

test("an adjust above the limit waits for another principal", async t => {
	const ledger = await daemon(t, { program: { ...PROGRAM, limits: { ...PROGRAM.limits, adjust_without_approval: "100" } } });
	const operator = await ledger.client(t), kim = await ledger.client(t, { principal: "approver/kim" });
	const pair = generateKeyPairSync("ed25519");
	const publicKey = pair.publicKey.export({ format: "der", type: "spki" }).subarray(-32);

	await operator.enrol({ member: "m" });
	assert.equal((await operator.adjust({ member: "m", points: "100", reason: "goodwill" })).waiting, undefined);
	const asked = await operator.adjust({ member: "m", points: "101", reason: "goodwill", key: "big" });
	assert.deepEqual([asked.waiting, asked.available], [true, "100"]);
	const registered = await operator.approver_key({ principal: "approver/kim", public_key: publicKey, until: "2027-01-01" });
	assert.equal(registered.status, "OK");

	const leaf = (await kim.transaction({ command: asked.id })).transaction;
	const entry = readTransaction(leaf).entries[0];
	assert.deepEqual([entry.inputs.adjust.reason, entry.facts.waiting], ["goodwill", true]);
	const body = Buffer.concat([sha256(transactionOf(leaf)), Buffer.alloc(4)]);
	const signature = sign(null, Buffer.concat([Buffer.from(`DSSEv1 ${TYPE.length} ${TYPE} ${body.length} `), body]), pair.privateKey);
	const command = { command: "big", signature, key_id: sha256(publicKey).subarray(0, 8), key: "ok" };
	const wrong = await failure(kim.approve({ ...command, signature: Buffer.alloc(64), key: "wrong" }));
	assert.deepEqual([wrong.reason, wrong.field, wrong.outcome], ["INVALID_ARGUMENT", "signature", "refused"]);
	assert.equal((await failure(operator.approve(command))).reason, "PERMISSION_DENIED");
	const done = await kim.approve(command);
	assert.deepEqual([done.available, done.replayed], ["201", false]);
	assert.deepEqual([(await kim.approve(command)).replayed, (await failure(kim.approve({ ...command, key: "again" }))).reason], [true, "ALREADY_EXISTS"]);
	const rows = (await operator.history({ member: "m" })).history.map(r => [r.op, r.points, r.waiting, r.wanted]);
	assert.deepEqual(rows.slice(0, 2), [["approve", "101", undefined, undefined], ["adjust", "0", undefined, "101"]]);
	assert.equal((await operator.batch([{ op: "adjust", member: "m", points: "-150", reason: "fix" }])).results[0].reply.waiting, true);
	assert.deepEqual((await operator.history({ member: "m" })).history.map(r => [r.op, r.waiting])[0], ["adjust", true]);
});
