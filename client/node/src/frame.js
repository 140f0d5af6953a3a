// Frames: a header of 16 bytes, big-endian (body length u32, version u8, type u8, flags u16, tag u64), and a body.

export const TYPE = Object.freeze({
	HELLO: 1, HELLO_OK: 2, REQUEST: 3, RESPONSE: 4, PUSH: 5, PING: 6, PONG: 7, GOAWAY: 8, BATCH: 9, CREDIT: 10, CANCEL: 11, ERROR: 12,
});
export const VERSION = 1;
export const HEADER_BYTES = 16;

const EMPTY = new Uint8Array(0);

/** A whole frame; `parts` are pieces of its body. */
export function encodeFrame(type, tag, ...parts) {
	const bodyBytes = parts.reduce((n, part) => n + part.length, 0);
	const frame = Buffer.allocUnsafe(HEADER_BYTES + bodyBytes);

	frame.writeUInt32BE(bodyBytes, 0);
	frame[4] = VERSION;
	frame[5] = type;
	frame.writeUInt16BE(0, 6);
	frame.writeBigUInt64BE(BigInt(tag), 8);
	let at = HEADER_BYTES;
	for (const part of parts) {
		frame.set(part, at);
		at += part.length;
	}
	return frame;
}

/** A tag that no safe integer can say is NaN: it is none of ours. */
function decodeHeader(bytes) {
	const tag = bytes.readBigUInt64BE(8);

	return {
		bodyBytes: bytes.readUInt32BE(0), version: bytes[4], type: bytes[5], flags: bytes.readUInt16BE(6),
		tag: tag <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(tag) : NaN,
	};
}

/**
 * Cuts a stream of bytes into frames.  `judge(header)` is asked before anything of the body is kept and throws when the frame may not be, so
 * a length that lies costs nothing.
 */
export class FrameReader {
	#judge;
	#head = Buffer.allocUnsafe(HEADER_BYTES);
	#headBytes = 0;
	#header = null;
	#body = EMPTY;
	#bodyBytes = 0;

	constructor(judge) {
		this.#judge = judge;
	}

	/** In the middle of a frame. */
	get partial() {
		return this.#headBytes > 0;
	}

	/** The frames that `chunk` completes, as {type, tag, body}; a body may share the memory of the chunk. */
	*frames(chunk) {
		let at = 0;

		for (;;) {
			if (this.#header === null) {
				at = this.#takeHead(chunk, at);
				if (this.#headBytes < HEADER_BYTES)
					return;
				const header = decodeHeader(this.#head);
				this.#judge(header);
				this.#header = header;
				this.#body = null;
				this.#bodyBytes = 0;
			}
			const { type, tag, bodyBytes } = this.#header;
			if (this.#body === null && chunk.length - at >= bodyBytes) {
				this.#body = chunk.subarray(at, at + bodyBytes);
				this.#bodyBytes = bodyBytes;
				at += bodyBytes;
			} else {
				at = this.#takeBody(chunk, at, bodyBytes);
				if (this.#bodyBytes < bodyBytes)
					return;
			}
			const body = this.#body;
			this.#header = null;
			this.#headBytes = 0;
			this.#body = EMPTY;
			yield { type, tag, body };
		}
	}

	#takeHead(chunk, at) {
		const n = Math.min(HEADER_BYTES - this.#headBytes, chunk.length - at);

		this.#head.set(chunk.subarray(at, at + n), this.#headBytes);
		this.#headBytes += n;
		return at + n;
	}

	#takeBody(chunk, at, bodyBytes) {
		const n = Math.min(bodyBytes - this.#bodyBytes, chunk.length - at);

		this.#body ??= Buffer.allocUnsafe(bodyBytes);
		this.#body.set(chunk.subarray(at, at + n), this.#bodyBytes);
		this.#bodyBytes += n;
		return at + n;
	}
}
