// index.d.ts against the compiler, and against the descriptors: a field that the .proto files gain must be in it.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";

import { ScalarType } from "@bufbuild/protobuf";
import ts from "typescript";

import { OPS } from "../src/ops.js";
import { ledger, wire } from "../src/message.js";

const here = fileURLToPath(new URL(".", import.meta.url));
const INPUT = { [ScalarType.STRING]: "string", [ScalarType.BOOL]: "boolean", [ScalarType.UINT32]: "number", [ScalarType.UINT64]: "number | bigint",
	[ScalarType.SFIXED64]: "Date | string", [ScalarType.SINT32]: "string", [ScalarType.BYTES]: "Uint8Array" };
const OUTPUT = { ...INPUT, [ScalarType.UINT64]: "number", [ScalarType.SFIXED64]: "string", [ScalarType.SINT64]: "string" };

function compile(files) {
	const program = ts.createProgram(files, {
		strict: true, noEmit: true, exactOptionalPropertyTypes: false, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext,
		moduleResolution: ts.ModuleResolutionKind.NodeNext, lib: ["lib.es2022.d.ts", "lib.dom.d.ts", "lib.esnext.disposable.d.ts"], types: [],
	});
	return ts.getPreEmitDiagnostics(program).map(d => {
		const at = d.file?.getLineAndCharacterOfPosition(d.start);
		const line = d.file?.text.split("\n")[at.line];
		return `${d.file?.fileName}:${at?.line + 1}: ${ts.flattenDiagnosticMessageText(d.messageText, "\n")}\n\t${line}`;
	});
}

test("index.d.ts compiles, and refuses what is wrong", () => {
	assert.deepEqual(compile([join(here, "types/use.ts")]), []);
});

/** Lines that compile only when the type has just these fields, with these types where they are scalars. */
function check(type, fields, scalars, more = []) {
	const names = [...fields.map(f => f.name), ...more].map(n => JSON.stringify(n)).join(" | ");
	const lines = [`same<keyof ${type}, ${names}>(true);`];

	for (const field of fields) {
		if (field.fieldKind === "scalar")
			lines.push(`same<NonNullable<${type}["${field.name}"]>, ${scalars[field.scalar]}>(true);`);
	}
	return lines;
}

test("index.d.ts has the fields of the .proto files, and no others", () => {
	const request = wire("Request");
	const common = request.fields.filter(f => f.oneof === undefined);
	const pascal = op => op.split("_").map(w => w[0].toUpperCase() + w.slice(1)).join("");
	const lines = ["import type * as F from \"../index.js\";",
		"declare function same<A, B>(_: [A] extends [B] ? [B] extends [A] ? true : false : false): void;"];

	for (const [op, row] of Object.entries(OPS)) {
		const own = request.fields.find(f => f.name === (row.field ?? op)).message.fields;
		if (op === "subscribe") {
			lines.push(`same<Exclude<keyof F.SubscribeFields, "stop_at_head" | "key" | "at">, ${[...common, ...own].map(f => f.name)
				.filter(n => n !== "key" && n !== "at").map(n => `"${n}"`).join(" | ")}>(true);`);
			continue;
		}
		const type = op === "quote" ? "F.PurchaseFields" : `F.${pascal(op)}Fields`;
		lines.push(...check(type, [...common, ...own], INPUT), `same<Parameters<F.Client["${op}"]>[0], ${type} & F.Abortable` +
			`${["program", "clock_accept", "checkpoint"].includes(op) ? " | undefined" : ""}>(true);`);
	}
	lines.push(...check("F.Line", wire("Line").fields, INPUT));
	lines.push(...check("F.Reply", wire("Response").fields, OUTPUT), ...check("F.Hello", wire("HelloOk").fields, OUTPUT));
	for (const [type, name] of [["F.Expiring", "Expiring"], ["F.Notice", "Notice"], ["F.LotRow", "LotRow"], ["F.GrantRow", "GrantRow"], ["F.Effect", "Effect"],
		["F.HistoryRow", "HistoryRow"], ["F.CrmEvent", "Event"], ["F.TerminalRow", "TerminalRow"], ["F.SeqRange", "SeqRange"], ["F.VaultState", "VaultState"], ["F.OldEpoch", "OldEpoch"], ["F.ScrubState", "ScrubState"], ["F.ScrubFault", "ScrubFault"],
		["F.PersonRow", "PersonRow"],
		["F.BirthdayRow", "BirthdayRow"]])
		lines.push(...check(type, wire(name).fields, OUTPUT));
	const terminal = { ...OUTPUT };
	lines.push(...check("F.Transaction", ledger("Transaction").fields, terminal, ["hash"]), ...check("F.Posting", ledger("Posting").fields, terminal),
		...check("F.Entry", ledger("Entry").fields.filter(f => f.name !== "terminal_seq"), terminal, ["terminal_seq"]));
	lines.push(`same<F.BatchCommand["op"], ${Object.entries(OPS).filter(([op, row]) => row.writes && !["publish", "rotate_key", "approver_key"].includes(op)).map(([op]) => `"${op}"`).join(" | ")}>(true);`);

	const dir = mkdtempSync(join(here, "fields-"));
	try {
		writeFileSync(join(dir, "check.ts"), lines.join("\n").replace("../index.js", "../../index.js"));
		assert.deepEqual(compile([join(dir, "check.ts")]), []);
		writeFileSync(join(dir, "check.ts"), [...lines.slice(0, 2), "same<keyof F.Line, \"sku\">(true);"].join("\n").replace("../index.js", "../../index.js"));
		assert.equal(compile([join(dir, "check.ts")]).length, 1, "the check itself must be able to fail");
	} finally {
		rmSync(dir, { recursive: true });
	}
});
