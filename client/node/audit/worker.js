// A thread that judges bundles: {id, job} in, {id, done} or {id, error} out; {keys} are the keys from then on.
import { parentPort } from "node:worker_threads";

import { checkBundle, pack } from "./bundle.js";
import { ringOf } from "./leaf.js";

let ring = new Map();

parentPort.on("message", ({ id, job, keys }) => {
	if (keys !== undefined) {
		ring = ringOf(keys);
		return;
	}
	try {
		job.tile &&= Buffer.from(job.tile.buffer, job.tile.byteOffset, job.tile.length);
		job.root &&= Buffer.from(job.root.buffer, job.root.byteOffset, job.root.length);
		const done = pack(checkBundle(job, ring));
		parentPort.postMessage({ id, done }, [done.rows.buffer]);
	} catch (e) {
		parentPort.postMessage({ id, error: e.stack });
	}
});
