// What a client may ask, as a table, and what its answers look like.
import { CODES, invalidArgument } from "./error.js";
import { isKey } from "./key.js";
import { decode, encode, toMessage, toPlain, wire } from "./message.js";

const BLOCK = ["expiring", "notices", "vouchers"];
const MAPS_OF_BLOCK = ["counters", "remainder", "stamps", "stamp_debt"];
const EARNS = { writes: true, program: true, lists: ["grants", ...BLOCK], maps: MAPS_OF_BLOCK };
const SPENDS = { writes: true, program: true, lists: ["lots", ...BLOCK], maps: MAPS_OF_BLOCK };
const CHANGES = { writes: true, program: true, lists: BLOCK, maps: MAPS_OF_BLOCK };

/**
 * By the method's name.  `field` is the op's name in Request where it differs; `writes`: it needs a key; `program`: the client's own program
 * stands in when none is said; `lists` and `maps`: what an answer always has, though it may be empty.
 */
export const OPS = {
	enrol: EARNS,
	profile: CHANGES,
	purchase: EARNS,
	activity: EARNS,
	birthday: EARNS,
	quote: { program: true, lists: ["grants"] },
	hold: SPENDS,
	capture: SPENDS,
	release: SPENDS,
	redeem: SPENDS,
	reverse_redeem: SPENDS,
	return: SPENDS,
	adjust: CHANGES,
	approve: CHANGES,
	transfer: CHANGES,
	merge: CHANGES,
	advance: CHANGES,
	pool_join: CHANGES,
	pool_leave: CHANGES,
	membership_start: CHANGES,
	membership_renew: CHANGES,
	membership_cancel: CHANGES,
	voucher_use: CHANGES,
	voucher_void: CHANGES,
	tier: CHANGES,
	freeze: CHANGES,
	unfreeze: CHANGES,
	close: CHANGES,
	opening: CHANGES,
	consent: CHANGES,
	erase: CHANGES,
	publish: { writes: true },
	clock_accept: { writes: true },
	rotate_key: { writes: true },
	approver_key: { writes: true },
	balance: { program: true, lists: BLOCK, maps: MAPS_OF_BLOCK },
	vouchers: { program: true, lists: ["voucher_rows", ...BLOCK], maps: MAPS_OF_BLOCK },
	history: { program: true, lists: ["history"] },
	transaction: {},
	checkpoint: {},
	proof: { lists: ["hashes"] },
	terminals: { lists: ["terminals"] },
	vault: {},
	scrub: {},
	person: { program: true },
	program: { field: "show_program", program: true },
	subscribe: { field: "subscribe" },
};

const REQUEST = wire("Request");
const COMMON = new Set(REQUEST.fields.filter(f => f.oneof === undefined).map(f => f.name));
const DEADLINE_MS_MAX = 0x7fffffff;		// what a timer of Node can wait for

function field(name) {
	return REQUEST.fields.find(f => f.name === name);
}

export function takeKey(key, name = "key") {
	if (!isKey(key))
		throw invalidArgument(name, "must be 1 to 64 of A-Z a-z 0-9 . _ : -");
	return key;
}

/** Milliseconds; `otherwise` when there are none. */
export function takeDeadline(value, otherwise, name = "deadline_ms") {
	if (value === undefined || value === null || value === 0)
		return otherwise;
	if (!Number.isInteger(value) || value < 1 || value > DEADLINE_MS_MAX)
		throw invalidArgument(name, `must be a whole number of milliseconds from 1 to ${DEADLINE_MS_MAX}`);
	return value;
}

export function takeObject(value, name) {
	if (typeof value !== "object" || value === null || Array.isArray(value))
		throw invalidArgument(name, "must be an object of fields");
	return value;
}

/** An empty list would be no list on the wire; where that differs, the message has a field that says it: `segments: []` is `no_segments`. */
function sayEmptyLists(desc, own) {
	const said = { ...own };

	for (const [name, value] of Object.entries(own)) {
		if (Array.isArray(value) && value.length === 0 && desc.fields.some(f => f.name === `no_${name}`))
			said[`no_${name}`] = true;
	}
	return said;
}

/**
 * The Request message of a flat object, in which the op's fields stand beside those of every command.  `path` stands before names in errors.
 */
export function requestOf(op, fields, defaults, path = "") {
	const row = OPS[op];
	const common = row.program ? { ...defaults } : {};
	const own = {};

	for (const [name, value] of Object.entries(fields))
		(COMMON.has(name) ? common : own)[name] = value ?? undefined;
	if (row.program && common.program === undefined)
		common.program = defaults.program;
	if (common.key !== undefined)
		takeKey(common.key, path === "" ? "key" : `${path}.key`);
	const message = toMessage(REQUEST, common, path);
	const member = field(row.field ?? op);
	message[member.oneof.localName] = { case: member.localName, value: toMessage(member.message, sayEmptyLists(member.message, own), path) };
	return message;
}

export function encodeRequest(message) {
	return encode(REQUEST, message);
}

export function encodeBatch(key, atomic, requests) {
	const desc = wire("Batch");
	const message = toMessage(desc, { key, atomic: atomic === true ? true : undefined });

	message.commands = requests;
	return encode(desc, message);
}

// ---- answers ----

const RESPONSE = wire("Response");
const STATUS_FIELD = 1;

/** What is no code of ours must not be taken for OK, which is the absence of one. */
function statusOf(message, plain) {
	if (message.$unknown?.some(f => f.no === STATUS_FIELD))
		return "UNKNOWN";
	return CODES.includes(plain.status) ? plain.status : "OK";
}

function responsePlain(message) {
	const plain = toPlain(RESPONSE, message);

	plain.status = statusOf(message, plain);
	return plain;
}

export function readResponse(body) {
	return responsePlain(decode(RESPONSE, body));
}

/** {outcome, results}, each as readResponse() gives it. */
export function readBatchResponse(body) {
	const message = decode(wire("BatchResponse"), body);
	const outcome = message.outcome === undefined ? { status: "UNKNOWN" } : responsePlain(message.outcome);

	return { outcome, results: message.results.map(responsePlain) };
}

/** An answer of OK with the lists that `op` answers with, and its key. */
export function finishReply(op, reply, key) {
	const row = OPS[op];
	const finished = row.writes ? { key, replayed: false, ...reply } : reply;

	for (const name of row.lists ?? [])
		finished[name] ??= [];
	for (const name of row.maps ?? [])
		finished[name] ??= {};
	return finished;
}

/** What an answer says of its command: "ok", "refused", or "unknown" when the server itself does not know. */
export function outcomeOf(reply) {
	switch (reply.status) {
	case "OK": return "ok";
	case "UNKNOWN": case "INTERNAL": case "DATA_LOSS": return "unknown";
	default: return "refused";
	}
}

// Refusals that the server gives without looking for an earlier sending; so are those that it calls retryable (RATE_LIMITED).
const UNSETTLED = new Set(["CANCELLED", "DEADLINE_EXCEEDED", "PERMISSION_DENIED", "ABORTED", "UNIMPLEMENTED", "UNAVAILABLE", "UNAUTHENTICATED"]);

/** Whether a refusal says that no earlier sending was applied either. */
export function settles(reply) {
	return !UNSETTLED.has(reply.status) && reply.retryable !== true;
}
