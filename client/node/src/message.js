// Plain objects with the names of the .proto files, to protobuf messages and back, driven by their descriptors.
//
// One rule for each type, as the conventions of ledger.proto have it: sfixed64 is an instant (Date or RFC 3339), sint32 a date
// (YYYY-MM-DD), sint64 and all points and amounts are decimal texts, an enum is its value's name, other integers are numbers.  Two
// exceptions: rows of a name and a value are an object (`counters: {nights: 3}`), and in a program a member of a oneof that has no fields may be
// a word (`expiry: "never"`).
import { ScalarType, create, createFileRegistry, fromBinary, isFieldSet, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

import descriptor from "./descriptor.js";
import { invalidArgument, protocolError } from "./error.js";
import { formatDay, formatInstant, parseDay, parseInstant } from "./time.js";

const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, Buffer.from(descriptor, "base64")));
const LEDGER = "fealty.ledger.v1";
const PROGRAM = "fealty.program.v1";
const MAPS = new Set(["CounterRow", "RemainderRow", "MembershipRow", "MembershipUntilRow"].map(name => `fealty.v1.${name}`));
const UINT32_MAX = 0xffffffff;
const UINT64_MAX = 0xffffffffffffffffn;
const UNPAIRED = /\p{Surrogate}/u;

/** Description of a message of the wire: wire("Request"). */
export function wire(name) {
	return registry.getMessage(`fealty.v1.${name}`);
}

/** Description of a message of the ledger. */
export function ledger(name) {
	return registry.getMessage(`${LEDGER}.${name}`);
}

function isPlain(value) {
	return typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value) && !(value instanceof Date);
}

function join(path, name) {
	return path === "" ? name : `${path}.${name}`;
}

// ---- plain to message ----

function stringOf(value, path) {
	if (typeof value === "number" || typeof value === "bigint")
		throw invalidArgument(path, `must be a text: "${value}", not ${value}`);
	if (typeof value !== "string")
		throw invalidArgument(path, "must be a text");
	if (UNPAIRED.test(value))
		throw invalidArgument(path, "is no Unicode text: half of a surrogate pair stands in it");
	return value;
}

function integerOf(value, max, path) {
	const good = typeof value === "bigint" ? value >= 0n && value <= BigInt(max) : Number.isSafeInteger(value) && value >= 0 && value <= max;
	if (!good)
		throw invalidArgument(path, `must be a whole number from 0 to ${max}`);
	return value;
}

function required(value, path, what) {
	if (value === undefined)
		throw invalidArgument(path, `must be ${what}`);
	return value;
}

function scalarOf(type, value, path) {
	switch (type) {
	case ScalarType.STRING: return stringOf(value, path);
	case ScalarType.BOOL: return required(typeof value === "boolean" ? value : undefined, path, "true or false");
	case ScalarType.UINT32: return Number(integerOf(value, UINT32_MAX, path));
	case ScalarType.UINT64: return BigInt(integerOf(value, UINT64_MAX, path));
	case ScalarType.SFIXED64: return required(parseInstant(value), path, "a Date or a text such as \"2026-03-12T09:30:00Z\"");
	case ScalarType.SINT32: return required(parseDay(value), path, "a date such as \"2026-03-12\"");
	case ScalarType.BYTES: return required(value instanceof Uint8Array ? value : undefined, path, "a Uint8Array");
	default: throw new Error(`no rule for the type of ${path}`);
	}
}

function enumOf(desc, value, path) {
	const found = desc.values.find(v => v.name === value);

	return required(found, path, `one of ${desc.values.map(v => v.name).join(", ")}`).number;
}

function oneOf(field, value, path) {
	if (field.message !== undefined)
		return messageOf(field.message, value, path);
	return field.enum !== undefined ? enumOf(field.enum, value, path) : scalarOf(field.scalar, value, path);
}

function listOf(field, value, path) {
	if (!Array.isArray(value))
		throw invalidArgument(path, "must be a list");
	return value.map((v, i) => oneOf(field, v, `${path}[${i}]`));
}

/** Rows of a name and a value, given as {name: value}, or as a list of them. */
function mapOf(field, value, path) {
	const [name, what] = field.message.fields;

	if (Array.isArray(value))
		return listOf(field, value, path);
	if (!isPlain(value))
		throw invalidArgument(path, "must be an object");
	return Object.entries(value).map(([key, v]) => messageOf(field.message, { [name.name]: key, [what.name]: v }, join(path, key)));
}

function setField(message, field, value, path) {
	if (field.fieldKind === "list")
		message[field.localName] = MAPS.has(field.message?.typeName) ? mapOf(field, value, path) : listOf(field, value, path);
	else if (field.oneof === undefined)
		message[field.localName] = oneOf(field, value, path);
	else if (message[field.oneof.localName].case !== undefined)
		throw invalidArgument(path, "excludes another key that stands beside it");
	else
		message[field.oneof.localName] = { case: field.localName, value: oneOf(field, value, path) };
}

function messageOf(desc, value, path) {
	if (typeof value === "string") {
		const word = desc.fields.find(f => f.name === value && f.oneof !== undefined && f.message?.fields.length === 0);
		return messageOf(desc, { [required(word, path, "an object").name]: {} }, path);
	}
	const message = create(desc);
	if (!isPlain(value))
		throw invalidArgument(path, "must be an object");
	for (const [name, v] of Object.entries(value)) {
		if (v === undefined || v === null)
			continue;
		const field = desc.fields.find(f => f.name === name);
		if (field === undefined)
			throw invalidArgument(join(path, name), "is not known");
		setField(message, field, v, join(path, name));
	}
	return message;
}

/** Throws a FealtyError that names the field that is wrong. */
export function toMessage(desc, plain, path = "") {
	return messageOf(desc, plain, path);
}

export function encode(desc, message) {
	return toBinary(desc, message);
}

/** The bytes of a message that is given as a plain object. */
export function encodePlain(desc, plain) {
	return toBinary(desc, toMessage(desc, plain));
}

// ---- message to plain ----

function readable(value, what) {
	if (value === undefined)
		throw protocolError(`the server sent ${what} that cannot be said`);
	return value;
}

// A ledger may hold a number that a client chose; those of the wire count things that there are.
function plainUnsigned(field, value) {
	if (value <= BigInt(Number.MAX_SAFE_INTEGER))
		return Number(value);
	return readable(field.parent.file.proto.package === LEDGER ? String(value) : undefined, "a number");
}

function plainScalar(field, value) {
	switch (field.scalar) {
	case ScalarType.UINT64: return plainUnsigned(field, value);
	case ScalarType.SFIXED64: return readable(formatInstant(value), "an instant");
	case ScalarType.SINT32: return readable(formatDay(value), "a date");
	case ScalarType.SINT64: return String(value);
	case ScalarType.BYTES: return Uint8Array.from(value);		// not a view that keeps the whole frame
	default: return value;
	}
}

function plainOne(field, value) {
	if (field.message !== undefined)
		return toPlain(field.message, value);
	if (field.enum !== undefined)
		return field.enum.values.find(v => v.number === value)?.name ?? value;
	return plainScalar(field, value);
}

/** A row without a value says nothing. */
function plainMap(field, rows) {
	const [name, value] = field.message.fields;

	return Object.fromEntries(rows.filter(row => isFieldSet(row, value)).map(row => [row[name.localName], plainOne(value, row[value.localName])]));
}

function plainField(field, value) {
	if (field.fieldKind !== "list")
		return plainOne(field, value);
	return MAPS.has(field.message?.typeName) ? plainMap(field, value) : value.map(v => plainOne(field, v));
}

// What is a word when it is the only thing set.
function isWord(field) {
	return field.oneof !== undefined && field.message?.fields.length === 0 && field.parent.file.proto.package === PROGRAM;
}

const membersOf = new WeakMap();

/** Members of a message by the name that the library gives them. */
function members(desc) {
	let found = membersOf.get(desc);

	if (found === undefined) {
		found = new Map(desc.members.map(member => [member.localName, member]));
		membersOf.set(desc, found);
	}
	return found;
}

/** What is set in a message, and nothing else.  Unknown fields are left out. */
export function toPlain(desc, message) {
	const plain = {};
	let n = 0, last;

	for (const name of Object.keys(message)) {		// what is not set is not the message's own, or an empty list
		const member = members(desc).get(name);
		const value = message[name];
		const field = member?.kind === "oneof" ? member.fields.find(f => f.localName === value.case) : member;

		if (field === undefined || !isFieldSet(message, field))
			continue;
		plain[field.name] = plainField(field, field === member ? value : value.value);
		last = field;
		n++;
	}
	return n === 1 && isWord(last) ? last.name : plain;
}

/** The bytes as a message.  Throws a FealtyError PROTOCOL when they are none. */
export function decode(desc, bytes) {
	try {
		return fromBinary(desc, bytes);
	} catch (e) {
		throw protocolError(`the server sent bytes that are no ${desc.name}`, e);
	}
}

export function decodePlain(desc, bytes) {
	return toPlain(desc, decode(desc, bytes));
}
