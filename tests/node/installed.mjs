// Exit code 0 when node_modules of the package in DIR holds what its lock file says.
import { readFileSync } from "node:fs";
import { join } from "node:path";

function versions(path) {
	const { packages } = JSON.parse(readFileSync(path, "utf8"));
	return JSON.stringify(Object.entries(packages).filter(([name]) => name !== "").map(([name, { version, integrity }]) => [name, version, integrity]).sort());
}

const dir = process.argv[2];
try {
	process.exitCode = versions(join(dir, "package-lock.json")) === versions(join(dir, "node_modules/.package-lock.json")) ? 0 : 1;
} catch {
	process.exitCode = 1;
}
