// run.mjs DIR [--list] [FILTER...]: runs DIR/*.test.js and prints what failed, and the numbers.
import { readFileSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { run } from "node:test";

const [dir, ...words] = process.argv.slice(2);
const list = words.includes("--list");
const filters = words.filter(word => word !== "--list");

/** Cases as FILE:CASE; a name that is made in a loop has "*" where the source has ${...}. */
function cases() {
	return readdirSync(dir).filter(name => name.endsWith(".test.js")).sort().flatMap(name => {
		const source = readFileSync(join(dir, name), "utf8");
		return [...source.matchAll(/^\t?test\((["`])(.*?)\1,/gm)].map(m => ({ file: join(dir, name), name: m[2].replace(/\$\{[^}]*\}/g, "*") }));
	});
}

function label({ file, name }) {
	return `${basename(file, ".test.js")}:${name}`;
}

function pattern(name) {
	return new RegExp(`^${name.replace(/[.+?^${}()|[\]\\/]/g, "\\$&").replaceAll("*", ".*")}$`);
}

const wanted = cases().filter(one => filters.length === 0 || filters.some(filter => label(one).includes(filter)));
const files = [...new Set(wanted.map(one => one.file))];

if (list) {
	for (const one of wanted)
		console.log(label(one));
} else if (wanted.length === 0) {
	console.log("RESULT 0 0 0");
} else {
	const numbers = { passed: 0, failed: 0, skipped: 0 };
	const failures = new Set();
	const stream = run({ files, concurrency: 2, testNamePatterns: filters.length === 0 ? undefined : wanted.map(one => pattern(one.name)) });
	const isFile = name => files.some(file => name === file || name.endsWith(basename(file)));

	stream.on("test:pass", ({ name, skip }) => {
		if (!isFile(name) && (skip === undefined || filters.length === 0))
			numbers[skip === undefined ? "passed" : "skipped"]++;
	});
	stream.on("test:fail", ({ name, file, details }) => {
		const error = details?.error;
		// a file fails with its cases; by itself only when it cannot be run
		if (isFile(name) && error?.failureType === "subtestsFailed")
			return;
		numbers.failed++;
		failures.add(name);
		console.log(`FAILED ${basename(file ?? "")} ${name}\n${error?.cause?.stack ?? error?.stack ?? error}\n`);
	});
	stream.resume();
	stream.on("end", () => {
		console.log(`RESULT ${numbers.passed} ${numbers.failed} ${numbers.skipped}`);
		process.exitCode = numbers.failed > 0 || numbers.passed === 0 ? 1 : 0;
	});
}
