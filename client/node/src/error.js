// What every rejected promise of this client holds.

/** gRPC's canonical codes, by number. */
export const CODES = ["OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL",
	"UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"];

// Reasons of the client itself: the status that fits, and whether the same call may succeed later without anybody changing anything.
const LOCAL = {
	INVALID_ARGUMENT: ["INVALID_ARGUMENT", false],
	TOO_LARGE: ["INVALID_ARGUMENT", false],
	QUEUE_FULL: ["RESOURCE_EXHAUSTED", true],
	CONNECT: ["UNAVAILABLE", true],
	DEADLINE: ["DEADLINE_EXCEEDED", true],
	ABORTED: ["CANCELLED", true],
	PROTOCOL: ["INTERNAL", false],
	CREDENTIALS: ["FAILED_PRECONDITION", true],
	CLIENT_CERTIFICATE: ["UNAUTHENTICATED", false],
	SERVER_CERTIFICATE: ["UNAUTHENTICATED", false],
	IDENTITY: ["FAILED_PRECONDITION", false],
	ROLLED_BACK: ["DATA_LOSS", false],
	FORKED: ["DATA_LOSS", false],
	SIGNATURE: ["DATA_LOSS", false],
	CHECKPOINT: ["FAILED_PRECONDITION", false],
	CLOSED: ["UNAVAILABLE", false],
};

// Reasons of an ERROR frame, which ends a connection.
const FATAL = {
	PRINCIPAL_REFUSED: "PERMISSION_DENIED",
	FRAME_TOO_LARGE: "INVALID_ARGUMENT",
	MALFORMED: "INVALID_ARGUMENT",
	NO_COMMON_VERSION: "UNIMPLEMENTED",
	TIMEOUT: "UNAVAILABLE",
	SLOW_READER: "UNAVAILABLE",
	TOO_MANY_CONNECTIONS: "UNAVAILABLE",
	SHUTTING_DOWN: "UNAVAILABLE",
	INTERNAL: "UNAVAILABLE",
};
const TRANSIENT = new Set(["TIMEOUT", "SLOW_READER", "TOO_MANY_CONNECTIONS", "SHUTTING_DOWN", "INTERNAL"]);

export class FealtyError extends Error {
	/**
	 * `outcome` says what is known of the command: "refused" and "failed" mean that nothing has changed; "unknown" that it may have been
	 * applied, which calling again with the same `key` tells.
	 */
	constructor(message, { outcome = "failed", retryable = false, attempts = 0, status, reason, field, retry_after_ms, reply, key, notes,
		cause }) {
		super(message, cause === undefined ? undefined : { cause });
		this.name = "FealtyError";
		Object.assign(this, { status, reason, outcome, retryable, attempts });
		for (const [name, value] of Object.entries({ field, retry_after_ms, key, reply, notes })) {
			if (value !== undefined)
				this[name] = value;
		}
	}

	toJSON() {
		return { message: this.message, ...this };
	}
}

/** An error that this client found by itself. */
export function localError(reason, message, more = {}) {
	const [status, retryable] = LOCAL[reason];

	return new FealtyError(message, { status, reason, retryable, ...more });
}

export function invalidArgument(field, message) {
	return localError("INVALID_ARGUMENT", field ? `${field} ${message}` : message, { field });
}

export function protocolError(message, cause) {
	return localError("PROTOCOL", message, { cause });
}

export function isTransient(reason) {
	return TRANSIENT.has(reason);
}

/** An ERROR frame; `error` is the message as it was read. */
export function fatalError(error) {
	const reason = error.reason ?? "NONE";

	return new FealtyError(`the server ended the connection: ${reason}${error.message ? `: ${error.message}` : ""}`,
		{ status: FATAL[reason] ?? "FAILED_PRECONDITION", reason, retryable: isTransient(reason) });
}

/** A reply whose status is not OK. */
export function refusalError(reply, outcome, key, attempts) {
	const words = reply.reason ?? reply.status;
	const message = `${words}${reply.field ? ` (${reply.field})` : ""}${reply.message ? `: ${reply.message}` : ""}`;

	return new FealtyError(message, {
		status: reply.status, reason: reply.reason, outcome, field: reply.field, retryable: reply.retryable === true || outcome === "unknown",
		retry_after_ms: reply.retry_after_ms, reply, key, attempts,
	});
}
