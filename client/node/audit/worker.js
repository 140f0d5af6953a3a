// A thread that judges bundles: {id, job} in, {id, done} or {id, error} out.
import { parentPort } from "node:worker_threads";

import { checkBundle, pack } from "./bundle.js";

parentPort.on("message", ({ id, job }) => {
	try {
		job.tile &&= Buffer.from(job.tile.buffer, job.tile.byteOffset, job.tile.length);
		job.root &&= Buffer.from(job.root.buffer, job.root.byteOffset, job.root.length);
		const done = pack(checkBundle(job));
		parentPort.postMessage({ id, done }, [done.rows.buffer]);
	} catch (e) {
		parentPort.postMessage({ id, error: e.stack });
	}
});
