// Who approves adjustments: signs as WIRE.md says under "Approving an adjust".
import { createHash, sign } from "node:crypto";

import { readTransaction } from "../../src/index.js";
import { newKeys } from "./log.js";

const TYPE = "application/vnd.fealty.approval.v1";

/** Registers a key for `principal`, has it approve the adjust with the id `id`, and gives the answer. */
export async function approve(ledger, t, { operator, principal = "approver/kim", id, key }) {
	const keys = newKeys();
	const client = await ledger.client(t, { principal });
	const [seq, index] = id.split(".").map(Number);

	await operator.approver_key({ principal, public_key: keys.raw });
	const { hash } = readTransaction((await client.transaction({ seq })).transaction);
	const body = Buffer.concat([hash, Buffer.alloc(4)]);
	body.writeUInt32BE(index, hash.length);
	const said = Buffer.concat([Buffer.from(`DSSEv1 ${TYPE.length} ${TYPE} ${body.length} `), body]);
	return client.approve({ command: id, signature: sign(null, said, keys.privateKey), key_id: createHash("sha256").update(keys.raw).digest().subarray(0, 8), key });
}
