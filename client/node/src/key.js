// Request ids as ULIDs.  Two of one process never repeat: the pair (millisecond, random part) only grows.
import { randomFillSync } from "node:crypto";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const RANDOM_BYTES = 10;
const KEY = /^[A-Za-z0-9._:-]{1,64}$/;

export function isKey(text) {
	return typeof text === "string" && KEY.test(text);
}

/** A source of keys; `now` gives milliseconds since 1970. */
export class KeySource {
	#lastMs = -1;
	#random = new Uint8Array(RANDOM_BYTES);
	#now;

	constructor(now = Date.now) {
		this.#now = now;
	}

	next() {
		const now = this.#now();

		if (now > this.#lastMs) {
			this.#lastMs = now;
			randomFillSync(this.#random);
			this.#random[0] &= 0x7f;			// room to count
		} else {
			this.#countUp();
		}
		return this.#timeText() + this.#randomText();
	}

	#countUp() {
		for (let i = RANDOM_BYTES - 1; i >= 0; i--) {
			this.#random[i] = (this.#random[i] + 1) & 0xff;
			if (this.#random[i] !== 0)
				return;
		}
		this.#lastMs++;
	}

	#timeText() {
		let text = "";
		for (let i = 0, ms = this.#lastMs; i < 10; i++, ms = Math.floor(ms / 32))
			text = ALPHABET[ms % 32] + text;
		return text;
	}

	#randomText() {
		let text = "", bits = 0, n = 0;

		for (const byte of this.#random) {
			bits = ((bits << 8) | byte) & 0xfff;
			for (n += 8; n >= 5; n -= 5)
				text += ALPHABET[(bits >> (n - 5)) & 31];
		}
		return text;
	}
}

const source = new KeySource();

/** A new request id: 26 characters that sort by time. */
export function newKey() {
	return source.next();
}
