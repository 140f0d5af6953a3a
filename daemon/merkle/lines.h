/**
 * lines.h: what the C2SP texts are made of: lines that end in a newline (U+000A), ASCII decimals without leading zeros, standard base64
 * (RFC 4648, section 4).  They are read from borrowed bytes and written into a buffer of the caller.  Pure, no allocation.
 */
#ifndef FEALTY_MERKLE_LINES_H
#define FEALTY_MERKLE_LINES_H

#include "base/bytes.h"
#include "base/hash.h"

/* The text of ${literal}, without its NUL. */
#define LITERAL(literal) bytes_of("" literal, sizeof(literal) - 1)

/**
 * Writes to a borrowed buffer.  The first write that does not fit sticks: it and later ones write nothing, and writer_status() says
 * ST_TOO_LARGE, so that a writer checks once at its end.  What a writer was given must not lie in its buffer.
 */
struct writer {
	uint8_t *data;
	size_t len, cap;
	bool failed;
};
struct writer writer_of(void *data, size_t cap);
enum status writer_status(const struct writer *w) MUST_CHECK;
struct bytes writer_bytes(const struct writer *w);	/* borrowed from the buffer; asserts that nothing failed */
void writer_put(struct writer *w, struct bytes data);
void writer_put_number(struct writer *w, uint64_t number);
void writer_put_base64(struct writer *w, struct bytes data);

/**
 * lines_take(rest, ret_line):
 * The first line of *${rest}, without its newline, taken off.  False, and nothing is written, when there is no newline in it.
 */
bool lines_take(struct bytes *rest, struct bytes *ret_line) MUST_CHECK;

/* Takes ${prefix} off; false, and nothing is written, when the text does not begin with it. */
bool lines_take_prefix(struct bytes *rest, struct bytes prefix) MUST_CHECK;

/* A decimal below 2^64 and nothing else: digits, no sign, no leading zero but for "0" itself. */
bool lines_number(struct bytes text, uint64_t *ret_number) MUST_CHECK;

/**
 * lines_base64(text, ret_data, cap, ret_len):
 * The bytes that ${text} is the base64 of; with ${ret_data} NULL, only how many.  False when it is the base64 of nothing (another
 * alphabet, padding missing or too much, or bits behind the last byte that are not zero: each string of bytes has one text), or, unless
 * ${ret_data} is NULL, when there are more than ${cap} bytes.  On failure ${ret_data} may have been written to.
 */
bool lines_base64(struct bytes text, uint8_t *ret_data, size_t cap, size_t *ret_len) MUST_CHECK;

/* The base64 of exactly one SHA-256 hash. */
bool lines_hash(struct bytes text, uint8_t ret_hash[static SHA256_BYTES]) MUST_CHECK;

#endif
