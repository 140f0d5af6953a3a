/* Strict on the way in: what is read has one way to be written, so that a text which was parsed and printed is the same text. */
#include "merkle/lines.h"

#include <assert.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

struct writer
writer_of(void *data, size_t cap)
{
	return (struct writer){ .data = data, .cap = cap };
}

enum status
writer_status(const struct writer *w)
{
	return w->failed ? ST_TOO_LARGE : ST_OK;
}

struct bytes
writer_bytes(const struct writer *w)
{
	assert(!w->failed);
	return bytes_of(w->data, w->len);
}

/* Where the next ${len} bytes go; NULL: they do not fit. */
static uint8_t *
room(struct writer *w, size_t len)
{
	if (w->failed || len > w->cap - w->len) {
		w->failed = true;
		return NULL;
	}
	w->len += len;
	return w->data + w->len - len;
}

void
writer_put(struct writer *w, struct bytes data)
{
	uint8_t *p = data.len == 0 ? NULL : room(w, data.len);

	if (p != NULL)
		memcpy(p, data.data, data.len);
}

void
writer_put_number(struct writer *w, uint64_t number)
{
	char digits[20];
	size_t i = sizeof(digits);

	do {
		digits[--i] = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	writer_put(w, bytes_of(digits + i, sizeof(digits) - i));
}

void
writer_put_base64(struct writer *w, struct bytes data)
{
	if (data.len > SIZE_MAX / 4) {
		w->failed = true;
		return;
	}
	uint8_t *p = data.len == 0 ? NULL : room(w, (data.len + 2) / 3 * 4);
	if (p == NULL)
		return;
	for (size_t i = 0; i < data.len; i += 3, p += 4) {
		size_t n = data.len - i < 3 ? data.len - i : 3;
		uint32_t v = (uint32_t)data.data[i] << 16;
		if (n > 1)
			v |= (uint32_t)data.data[i + 1] << 8;
		if (n > 2)
			v |= data.data[i + 2];
		p[0] = (uint8_t)alphabet[v >> 18];
		p[1] = (uint8_t)alphabet[v >> 12 & 63];
		p[2] = n > 1 ? (uint8_t)alphabet[v >> 6 & 63] : '=';
		p[3] = n > 2 ? (uint8_t)alphabet[v & 63] : '=';
	}
}

bool
lines_take(struct bytes *rest, struct bytes *ret_line)
{
	const uint8_t *end = rest->len == 0 ? NULL : memchr(rest->data, '\n', rest->len);

	if (end == NULL)
		return false;
	size_t len = (size_t)(end - rest->data);
	*ret_line = bytes_of(rest->data, len);
	*rest = bytes_of(end + 1, rest->len - len - 1);
	return true;
}

bool
lines_take_prefix(struct bytes *rest, struct bytes prefix)
{
	if (rest->len < prefix.len || !bytes_equal(bytes_of(rest->data, prefix.len), prefix))
		return false;
	*rest = bytes_of(rest->data + prefix.len, rest->len - prefix.len);
	return true;
}

bool
lines_number(struct bytes text, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (text.len == 0 || (text.len > 1 && text.data[0] == '0'))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		if (__builtin_mul_overflow(number, UINT64_C(10), &number) ||
		    __builtin_add_overflow(number, (uint64_t)(text.data[i] - '0'), &number))
			return false;
	}
	*ret_number = number;
	return true;
}

/* The six bits of a character; -1: it is not of the alphabet. */
static int
sextet(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters, of which the last ${pad} are padding, to 3 - ${pad} bytes. */
static bool
quartet(const uint8_t *text, unsigned pad, uint8_t ret_data[static 3])
{
	uint32_t v = 0;

	for (unsigned i = 0; i < 4; i++) {
		int bits = i < 4 - pad ? sextet(text[i]) : 0;
		if (bits < 0)
			return false;
		v = v << 6 | (uint32_t)bits;
	}
	ret_data[0] = (uint8_t)(v >> 16);
	ret_data[1] = (uint8_t)(v >> 8);
	ret_data[2] = (uint8_t)v;
	return (pad < 1 || ret_data[2] == 0) && (pad < 2 || ret_data[1] == 0);
}

bool
lines_base64(struct bytes text, uint8_t *ret_data, size_t cap, size_t *ret_len)
{
	unsigned pad = 0;

	if (text.len % 4 != 0)
		return false;
	if (text.len != 0 && text.data[text.len - 1] == '=')
		pad = text.data[text.len - 2] == '=' ? 2 : 1;
	size_t len = text.len / 4 * 3 - pad;
	if (ret_data != NULL && len > cap)
		return false;
	for (size_t i = 0, at = 0; i < text.len; i += 4, at += 3) {
		uint8_t three[3];
		if (!quartet(text.data + i, i + 4 == text.len ? pad : 0, three))
			return false;
		if (ret_data != NULL)
			memcpy(ret_data + at, three, len - at < 3 ? len - at : 3);
	}
	*ret_len = len;
	return true;
}

bool
lines_hash(struct bytes text, uint8_t ret_hash[static SHA256_BYTES])
{
	uint8_t hash[SHA256_BYTES];
	size_t len;

	if (!lines_base64(text, hash, sizeof(hash), &len) || len != sizeof(hash))
		return false;
	memcpy(ret_hash, hash, sizeof(hash));
	return true;
}
