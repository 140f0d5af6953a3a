// Threads that judge bundles.
import { Worker } from "node:worker_threads";

import { checkBundle, pack } from "./bundle.js";

/** With 0 threads the caller's own judges. */
export class Pool {
	#workers;
	#waiting = new Map();
	#next = 0;

	constructor(n) {
		this.#workers = Array.from({ length: n }, () => {
			const worker = new Worker(new URL("./worker.js", import.meta.url));
			worker.jobs = 0;
			worker.on("message", answer => this.#onAnswer(worker, answer));
			worker.on("error", e => this.#onError(e));
			return worker;
		});
	}

	get size() {
		return Math.max(this.#workers.length, 1);
	}

	/** What pack() of bundle.js made of `job`, by the thread that has the least to do. */
	async run(job) {
		if (this.#workers.length === 0)
			return pack(checkBundle(job));
		const worker = this.#workers.reduce((best, one) => (one.jobs < best.jobs ? one : best));
		const id = this.#next++;

		worker.jobs++;
		return new Promise((resolve, reject) => {
			this.#waiting.set(id, { resolve, reject });
			worker.postMessage({ id, job });
		});
	}

	#onAnswer(worker, { id, done, error }) {
		const { resolve, reject } = this.#waiting.get(id);

		worker.jobs--;
		this.#waiting.delete(id);
		if (error === undefined)
			resolve(done);
		else
			reject(new Error(error));
	}

	#onError(e) {
		for (const { reject } of this.#waiting.values())
			reject(e);
		this.#waiting.clear();
	}

	async close() {
		await Promise.all(this.#workers.map(worker => worker.terminate()));
	}
}
