/* Two keys of one source never repeat: the pair (millisecond, random part) only grows. */
#include "key.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>

#include "fealty.h"

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static void
random_bytes(void *data, size_t len)
{
	ssize_t n = getrandom(data, len, 0);	/* up to 256 bytes come whole */

	assert(n == (ssize_t)len);
}

static void
count_up(struct key_source *source)
{
	for (size_t i = KEY_RANDOM_BYTES; i-- > 0;)
		if (++source->random[i] != 0)
			return;
	source->last_ms++;			/* 2^80 keys in a millisecond: the order stays */
}

void
key_next(struct key_source *source, uint64_t now_ms, char ret_key[static KEY_ULID_BYTES + 1])
{
	if (now_ms > source->last_ms) {
		source->last_ms = now_ms;
		random_bytes(source->random, sizeof source->random);
		source->random[0] &= 0x7f;	/* room to count */
	} else {
		count_up(source);
	}

	for (unsigned i = 0; i < 10; i++)
		ret_key[i] = alphabet[source->last_ms >> (45 - 5 * i) & 31];
	unsigned bits = 0, n_bits = 0;
	char *out = ret_key + 10;
	for (size_t i = 0; i < KEY_RANDOM_BYTES; i++) {
		bits = bits << 8 | source->random[i];
		n_bits += 8;
		for (; n_bits >= 5; n_bits -= 5)
			*out++ = alphabet[bits >> (n_bits - 5) & 31];
	}
	*out = '\0';
	assert(out == ret_key + KEY_ULID_BYTES);
}

bool
key_valid(const char *key)
{
	size_t len = strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-");

	return len >= 1 && len <= FEALTY_KEY_BYTES_MAX && key[len] == '\0';
}

uint64_t
random_below(uint64_t n)
{
	uint64_t v;

	assert(n > 0);
	random_bytes(&v, sizeof v);
	return v % n;				/* the bias of a modulus does not matter to jitter */
}
