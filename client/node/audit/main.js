#!/usr/bin/env node
// fealty-audit: the command line of the auditor.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { audit } from "./auditor.js";
import { Obstacle, sentence } from "./finding.js";
import { CHECKPOINT_BYTES_MAX, parseVkey } from "./note.js";
import { openSource } from "./source.js";

const USAGE = `Usage: fealty-audit [OPTION...] LOG
Verifies a log of fealty: a directory that \`fealty log export\` wrote, or the http(s) URL under which
checkpoint and tile/ are served.

      --vkey=VKEY         a verifier key that must have signed the checkpoint, as \`fealty log key\` prints it, got from whom
                          you trust
      --public-key=HEX    the transaction key that the genesis must name, got from whom you trust; the log's rotations are
                          followed from there
      --seen=FILE         a checkpoint of an earlier audit: the log must begin with what it is of
      --threads=N         how many threads verify signatures (default: one for each core)
      --json              print one JSON object
      --progress          show how far it is also when standard error is no terminal
      --help

Without either key the log is verified by those that stand in itself, which proves only that it agrees with itself.

It checks the checkpoint's signature, every tile against its root, every entry against its tile, every transaction's
signature by the key that was in force, seq, chain and time, the signatures of approvals, that each entry's postings sum to
zero, and replays them: no balance may fall below zero, the balances that an entry records must be the replayed ones, its
pointer to the member's entry before must be right, and each program's trial balance must be zero.

Exit code 0: it holds; 1: something does not, and is named; 2: wrong usage, or no log there; 3: no answer from the URL;
5: the disk, or something that should not happen.
`;
const EXIT = { usage: 2, unreachable: 3, io: 5 };
const STATUS = { usage: "INVALID_ARGUMENT", unreachable: "UNAVAILABLE", io: "INTERNAL" };
const PROGRESS_MS = 200;
const OPTIONS = { vkey: { type: "string" }, "public-key": { type: "string" }, seen: { type: "string" }, threads: { type: "string" },
	json: { type: "boolean" }, progress: { type: "boolean" }, help: { type: "boolean" } };

function usage(message) {
	return new Obstacle("usage", `${message}; see fealty-audit --help`);
}

function takeHex(text) {
	if (text !== undefined && !/^[0-9a-f]{64}$/i.test(text))
		throw usage("--public-key takes 64 hexadecimal digits");
	return text && Buffer.from(text, "hex");
}

function takeThreads(text) {
	if (text !== undefined && !/^([1-9]|[1-5]\d|6[0-4])$/.test(text))
		throw usage("--threads takes a number from 1 to 64");
	return text && Number(text);
}

function takeSeen(path) {
	if (path === undefined)
		return undefined;
	try {
		const bytes = readFileSync(path);
		if (bytes.length <= CHECKPOINT_BYTES_MAX)
			return { name: path, bytes };
	} catch (e) {
		throw usage(`--seen: ${e.message}`);
	}
	throw usage(`--seen: ${path} is longer than ${CHECKPOINT_BYTES_MAX} bytes, which no checkpoint is`);
}

function take(argv) {
	let parsed;

	try {
		parsed = parseArgs({ args: argv, options: OPTIONS, allowPositionals: true });
	} catch (e) {
		throw usage(e.message);
	}
	const { values, positionals } = parsed;
	if (!values.help && positionals.length !== 1)
		throw usage(positionals.length === 0 ? "LOG is missing: a directory, or a URL" : `one LOG at a time, not ${positionals.length}`);
	return { log: positionals[0], ...values, options: { vkey: values.vkey && parseVkey(values.vkey), transactionKey: takeHex(values["public-key"]),
		seen: takeSeen(values.seen), threads: takeThreads(values.threads) } };
}

/** Prints how far it is, a few times a second, in one line that is wiped at the end. */
function progress() {
	const began = performance.now();
	let shown = 0;

	return (done, size) => {
		const now = performance.now();
		if (now - shown < PROGRESS_MS && done < size)
			return;
		shown = now;
		const rate = Math.round(done / Math.max(now - began, 1) * 1000);
		process.stderr.write(`\r${done} of ${size} transactions, ${Math.floor(done / size * 100)} %, ${rate}/s\u001b[K${done < size ? "" : "\r\u001b[K"}`);
	};
}

const REMARK = "Remark: neither --vkey nor --public-key was given, so the log was verified by the keys that stand in itself: whoever wrote it could " +
	"have made them up.\n";

/** A key that was replaced without its own signature: nobody but the operator knows whether that was them. */
function attention({ kind, named_at, recovery }) {
	return `ATTENTION: transaction ${named_at} says that the ${kind} key before it was ${recovery}. It is signed without that key, by the ` +
		`${kind === "transaction" ? "checkpoint" : "transaction"} key and the new one: ask the operator whether it is theirs.\n`;
}

function describeKeys(keys) {
	return keys.filter(key => key.named_at > 0).map(key => `Since transaction ${key.named_at} ${key.kind}s are signed by ${key.key_id}.\n` +
		(key.recovery === undefined ? "" : attention(key))).join("");
}

function describeLosses(losses) {
	return losses.map(({ seq, lost_size, principal, reason }) => `ATTENTION: transaction ${seq} says that a backup of ${seq} transactions was restored when ` +
		`${lost_size} had been published; ${principal} accepted that (${reason}). What was published behind it is lost.\n`).join("");
}

function describe(report, log) {
	if (report.status !== "OK") {
		const lines = report.findings.map(({ message }) => `  ${message}\n`);
		return `${log} does not hold:\n${lines.join("")}${report.transactions} transactions before that were replayed.\n`;
	}
	const lines = report.programs.map(({ program, versions, members, accounts }) => {
		const sums = Object.entries(accounts).map(([name, points]) => `${name} ${points}`);
		return `  ${program}, ${versions} version${versions === 1 ? "" : "s"}, ${members} members: ${sums.join(", ")}\n`;
	});
	return `${report.origin} holds: ${report.transactions} transactions, ${report.entries} entries, ${report.signatures} signatures.\n` +
		`Root ${report.root}.\n${describeKeys(report.keys)}${describeLosses(report.losses)}` +
		`${lines.join("")}${Math.round(report.rate)} transactions a second, ${report.seconds} s.\n` +
		(report.key_given ? "" : REMARK);
}

function fail(e, json) {
	const kind = e instanceof Obstacle ? e.kind : undefined;
	const message = kind === undefined ? e.stack : e.message;

	if (json)
		process.stdout.write(`${JSON.stringify({ status: STATUS[kind] ?? "INTERNAL", message })}\n`);
	else
		process.stderr.write(`fealty-audit: ${message}\n`);
	process.exitCode = EXIT[kind] ?? EXIT.io;
}

async function main(argv) {
	const json = argv.includes("--json");

	try {
		const { log, help, options, ...more } = take(argv);
		if (help) {
			process.stdout.write(USAGE);
			return;
		}
		if (more.progress || process.stderr.isTTY)
			options.onProgress = progress();
		const report = await audit(openSource(log), options);
		process.stdout.write(json ? `${JSON.stringify(report)}\n` : describe(report, log));
		process.exitCode = report.status === "OK" ? 0 : 1;
	} catch (e) {
		fail(e, json);
	}
}

await main(process.argv.slice(2));
