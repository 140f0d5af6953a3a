// The examples of README.md, each run as it stands there, but for addresses, paths and the names that it leaves to its reader.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";

import { EXAMPLES, daemon } from "./lib/daemon.js";
import { pki, serverArguments } from "./lib/pki.js";

const HERE = fileURLToPath(new URL("..", import.meta.url));
const BUILD = process.env.FEALTY_BUILD || join(HERE, "../../build");
const README = readFileSync(join(HERE, "README.md"), "utf8");
const blocks = language => [...README.matchAll(new RegExp(`^\\\`\\\`\\\`${language}\\n(.*?)^\\\`\\\`\\\``, "gms"))].map(([, code]) => code);

// By what an example begins with: what stands before it, what behind, and what it prints.
const EXAMPLES_OF_CODE = [
	["import { connect, newKey }", "", "", /^1\d\d 1\d\d \w+\n$/],
	["const { results } = await client.batch", "", "", /^\d+\n\d+\n$/],
	["const key = newKey();", `const id = 1, member = "app:u-77", show = console.log, later = () => {}, orders = { async save() {} };\n`, "", /^You have \d+ points\.\n$/],
	["import { readFile }", "", "", /^backend\/app\n$/],
	["for await (const { seq, data }", `let publicKey = process.env.PUBLIC_KEY, last;
const load = async () => undefined, save = async seq => { last = seq; if (seq + 1 === client.hello.size) client.disconnect(); };
const seen = [], project = async entry => seen.push(Object.keys(entry.inputs)[0]);\n`, "console.log(last, seen.join(\" \"));", /^\d+ genesis publish enrol/],
	["const subscription = client.subscribe({ events: true", `const load = async () => ({}), saved = [], save = async place => { saved.push(place); }, seen = [];
const handle = async event => { seen.push(event.type); if (seen.length === 3) client.disconnect(); };\n`,
	"console.log(seen.join(\" \"), JSON.stringify(saved[0]));", /^(member\.enrolled|points\.earned) .*\{"after(_event)?":/],
	["import { connect } from \"fealty\";", "", "", /^\d+\n$/],
];
const CLIENT = `import { connect, newKey, readTransaction } from "fealty";
const client = await connect({ address: "unix:/run/fealty/fealtyd.sock", principal: "operator/readme", program: "acme" });
for (const member of ["app:u-1", "app:u-2"])
	await client.enrol({ member }).catch(e => { if (e.reason !== "ALREADY_EXISTS") throw e; });\n`;

/** {code, out, err} of a program. */
function run(file, words, env = {}) {
	return new Promise(resolve => execFile(file, words, { timeout: 60000, env: { ...process.env, ...env } },
		(error, out, err) => resolve({ code: error?.code ?? error?.signal ?? 0, out, err })));
}

async function started(t, daemonArguments = []) {
	const ledger = await daemon(t, { program: null, clock: "real", daemonArguments });
	const client = await ledger.client(t);
	await ledger.fealty(["program", "publish", join(EXAMPLES, "acme.yaml")]);
	await client.checkpoint();				// it is asked again until one is public
	await client.disconnect();
	return { ledger, vkey: (await ledger.fealty(["log", "key", ledger.data])).key };
}

test("README.md: each example in JavaScript does what it says", async t => {
	const ca = pki(t).ca("ca");
	const app = ca.client();
	const { ledger, vkey } = await started(t, serverArguments(ca, ca.server()));
	for (const [name, pem] of Object.entries({ "ca.pem": ca.pem, "app.pem": app.cert, "app.key": app.key }))
		writeFileSync(join(ledger.dir, name), pem);
	const there = text => text.replaceAll("\"fealty\"", JSON.stringify(new URL("../src/index.js", import.meta.url).href))
		.replaceAll("unix:/run/fealty/fealtyd.sock", ledger.address).replaceAll("/var/lib/app", ledger.dir)
		.replaceAll("ledger.example.com:7450", ledger.secureAddress).replaceAll("/etc/app", ledger.dir);
	const codes = blocks("js");

	assert.deepEqual(codes.map(code => EXAMPLES_OF_CODE.findIndex(([begin]) => code.startsWith(begin))), EXAMPLES_OF_CODE.map((_, i) => i));
	for (const [i, code] of codes.entries()) {
		const [begin, before, behind, says] = EXAMPLES_OF_CODE[i];
		const whole = begin.startsWith("import") ? code : `${CLIENT}${before}${code}\n${behind}\nawait client.disconnect();`;
		const file = join(ledger.dir, `example${i}.mjs`);
		writeFileSync(file, there(whole));
		const { code: exit, out, err } = await run(process.execPath, [file], { FEALTY_VKEY: vkey, PUBLIC_KEY: ledger.transactionKey });
		assert.deepEqual([exit, err], [0, ""], `${begin}: ${out}`);
		assert.match(out, says, begin);
	}
	assert.ok(readFileSync(join(ledger.dir, "fealty.checkpoint"), "utf8").startsWith(`${ledger.origin}\n`));
});

test("README.md: the audit of an export", async t => {
	const { ledger, vkey } = await started(t);
	await ledger.stop();
	const bin = join(ledger.dir, "bin");
	const [shell] = blocks("sh").filter(code => code.includes("fealty-audit"));
	mkdirSync(bin);
	writeFileSync(join(bin, "fealty"), `#!/bin/sh\nexec "${join(BUILD, "tools/fealty")}" "$@"\n`, { mode: 0o755 });
	writeFileSync(join(bin, "fealty-audit"), `#!/bin/sh\nexec "${process.execPath}" "${join(HERE, JSON.parse(readFileSync(join(HERE, "package.json"))).bin["fealty-audit"])}" "$@"\n`,
		{ mode: 0o755 });
	const first = join(ledger.dir, "first");
	await ledger.fealty(["log", "export", ledger.data, first]);
	const script = shell.replaceAll("~/points", ledger.data).replaceAll("last-year.checkpoint", join(first, "checkpoint"));
	const done = await run("sh", ["-e", "-c", `cd "${ledger.dir}"; ${script}`], { VKEY: vkey, PATH: `${bin}:${process.env.PATH}` });
	assert.deepEqual([done.code, done.err], [0, ""], done.out);
	const report = JSON.parse(done.out.trim().split("\n").at(-1));
	assert.deepEqual([report.status, report.checkpoints, report.key_given], ["OK", 2, true]);
	assert.ok(existsSync(join(ledger.dir, "log/checkpoint")));
	for (const option of README.matchAll(/`(--[a-z-]+)`/g))
		assert.ok((await run(process.execPath, [join(HERE, "audit/main.js"), "--help"])).out.includes(option[1]), option[1]);
});
