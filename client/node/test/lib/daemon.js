// A ledger with its daemon, in a directory of its own.  FEALTY_BUILD names the build directory.
import { execFile, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { connect } from "../../src/index.js";
import { patience } from "./fake.js";

const run = promisify(execFile);
const TOP = fileURLToPath(new URL("../../../..", import.meta.url));
const BUILD = process.env.FEALTY_BUILD || join(TOP, "build");
const COMPLAINTS = ["Sanitizer", "runtime error:", "Assertion", "stack smashing", "free(): ", "double free"];

export const EXAMPLES = join(TOP, "packaging/examples");
export const FIRST_DAY = "2026-01-01T00:00:00Z";

// A point for each whole dollar, and of every other section something.
export const PROGRAM = {
	id: "shop", name: "Shop", timezone: "UTC", currency: "USD", points: { unit: "point", scale: 0 }, counters: ["stays"],
	earn: [
		{ id: "base", priority: 10, on: "purchase", kind: "base", per_amount: { amount: "1", points: "1", whole_steps: true } },
		{ id: "stay", priority: 20, on: "activity", kind: "bonus", fixed: { points: "7" }, when: { activity: "stay" } },
		{ id: "stays", priority: 30, on: "activity", kind: "counter", counter: { id: "stays", add: 1, per: "event" }, when: { activity: "stay" } },
		{ id: "gift", priority: 35, on: "activity", kind: "voucher", voucher: "drink", when: { activity: "gift" } },
	],
	vouchers: [{ id: "drink", name: "Free drink", valid: { days: 30 }, value: { amount: "3" } }],
	expiry: { after: { months: 12 } },
	tiers: [
		{ id: "basic", rank: 0 },
		{ id: "gold", rank: 1, reach: { any: [{ all: [{ metric: "points_earned", at_least: "1000" }] }] }, window: "lifetime" },
	],
	birthday: { reward: { points: "50" }, window: { days_before: 0, days_after: 30 }, issue: "on_claim", guard_days: 0 },
	redemption: { value: { points: "100", amount: "1" }, hold: { default_ttl: "15m", max_ttl: "1d" } },
	returns: { claw_back: "unlimited" },
	transfers: { min: "10" },
	pools: { max_members: 4 },
	memberships: [{ id: "prime", term: "monthly", fee: "9.99", refund_if_unused: true, earn_multiplier: "2" }],
	advance: { max: "100" },
	unknown_alias: "refuse",
};

class Ledger {
	#child = null;
	#exit;
	#logs = 0;
	daemonArguments = [];

	constructor(dir, clock) {
		this.dir = dir;
		this.clock = clock;
		this.data = join(dir, "l");
		this.address = `unix:${this.data}.sock`;
		this.origin = "test.example/node";
	}

	async init() {
		const said = await this.fealty(["init", this.data, "--origin", this.origin, "--clock", this.clock]);
		this.transactionKey = said.transaction_key;
	}

	async #print(words) {
		const env = { ...process.env, FEALTY_CONNECT: this.address };
		const { stdout } = await run(join(BUILD, "tools/fealty"), [...words, "--json"], { env, timeout: 60000, maxBuffer: 1 << 26 });
		return stdout;
	}

	/** The JSON that the command line prints; and line by line. */
	async fealty(words) {
		return JSON.parse(await this.#print(words));
	}

	async fealtyLines(words) {
		return (await this.#print(words)).split("\n").filter(line => line !== "").map(line => JSON.parse(line));
	}

	get log() {
		return readFileSync(join(this.dir, `log${this.#logs}`), "utf8");
	}

	launch(...words) {
		const log = openSync(join(this.dir, `log${++this.#logs}`), "w");
		const { NOTIFY_SOCKET, ...env } = process.env;
		this.#child = spawn(join(BUILD, "daemon/fealtyd"), ["--data", this.data, "--keys", `${this.data}.keys`, "--head-lock", `${this.data}.head.lock`,
			"--socket", `${this.data}.sock`, ...(this.clock === "manual" ? ["--clock", "manual"] : []), ...this.daemonArguments, ...words],
		{ stdio: ["ignore", log, log], env });
		closeSync(log);
		this.#exit = new Promise((resolve, reject) => {
			this.#child.on("exit", (code, signal) => resolve(signal ?? code));
			this.#child.on("error", reject);
		});
		this.#exit.catch(() => {});
	}

	/** SIGHUP: reads its files again; resolves when it says that it has. */
	async reload() {
		const loads = () => this.log.match(/tls\.(loaded|reload_failed)/g).length;
		const before = loads();

		this.#child.kill("SIGHUP");
		for (let i = 0; loads() === before; i++) {
			if (i > 5000)
				throw new Error(`it did not load its files again\n${this.log}`);
			await new Promise(resolve => setTimeout(resolve, 2));
		}
	}

	/** "127.0.0.1:PORT" of its door with TLS. */
	get secureAddress() {
		return `127.0.0.1:${/net\.listening address=\S+ port=(\d+)/.exec(this.log)[1]}`;
	}

	async end(signal) {
		const child = this.#child;
		if (child === null)
			return;
		this.#child = null;
		child.kill(signal);
		const how = await patience(this.#exit, `the end of the daemon\n${this.log}`);
		const complaint = COMPLAINTS.find(words => this.log.includes(words));
		if (complaint !== undefined || how !== (signal === "SIGKILL" ? "SIGKILL" : 0))
			throw new Error(`the daemon ended with ${how}\n${this.log}`);
	}

	stop() {
		return this.end("SIGTERM");
	}

	kill() {
		return this.end("SIGKILL");
	}

	/** A client that is disconnected at the end of the test; it waits until the daemon is ready. */
	async client(t, options = {}) {
		const client = await connect({ address: this.address, principal: "operator/test", program: PROGRAM.id, wait_ms: 20000, ...options });
		t.after(() => client.disconnect({ now: true }));
		return client;
	}

	/** The public half of the next key, which the daemon finds in its key directory. */
	async newKey(kind) {
		return Buffer.from((await this.fealty(["key", "new", `${this.data}.keys`, "--kind", kind])).public_key, "hex");
	}

	audit() {
		return this.fealty(["audit", this.data]);
	}
}

/** A running daemon, and PROGRAM published, unless `program` is null. */
export async function daemon(t, { clock = "manual", program = PROGRAM, daemonArguments = [] } = {}) {
	const dir = mkdtempSync(join(tmpdir(), "fn-"));
	const ledger = new Ledger(dir, clock);

	t.after(async () => {
		try {
			await ledger.stop();
		} finally {
			rmSync(dir, { recursive: true, force: true });
		}
	});
	await ledger.init();
	ledger.daemonArguments = daemonArguments;
	ledger.launch();
	if (program !== null) {
		const client = await ledger.client(t);
		await client.publish({ definition: program, at: clock === "manual" ? FIRST_DAY : undefined });
		await client.disconnect();
	}
	return ledger;
}
