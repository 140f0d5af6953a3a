#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>

#include "note_world.h"

struct bytes
text_bytes(const char *text)
{
	return bytes_of(text, strlen(text));
}

void
assert_text(struct bytes have, const char *want)
{
	assert_int_equal(have.len, strlen(want));
	assert_memory_equal(have.data, want, have.len);
}

struct note_key
key_of(const char *vkey)
{
	struct note_key key;

	assert_int_equal(note_key_parse(text_bytes(vkey), &key), NOTE_KEY_OK);
	return key;
}

static size_t
join(const struct bytes *parts, size_t n_parts, uint8_t *ret_data, size_t cap)
{
	struct writer w = writer_of(ret_data, cap);

	for (size_t i = 0; i < n_parts; i++)
		writer_put(&w, parts[i]);
	return writer_bytes(&w).len;
}

enum status
ed25519_verify(void *ctx, const uint8_t public_key[static NOTE_PUBLIC_KEY_BYTES], const struct bytes *parts, size_t n_parts,
    const uint8_t signature[static NOTE_ED25519_BYTES])
{
	uint8_t message[4096];
	unsigned *calls = ctx;

	if (calls != NULL)
		++*calls;
	size_t len = join(parts, n_parts, message, sizeof(message));
	return crypto_sign_verify_detached(signature, message, len, public_key) == 0 ? ST_OK : ST_INVALID;
}

struct note_signer
signer_of(const char *name, enum note_type type, uint8_t seed)
{
	struct note_signer signer;
	uint8_t seed_bytes[crypto_sign_SEEDBYTES], public_key[NOTE_PUBLIC_KEY_BYTES];

	memset(seed_bytes, seed, sizeof(seed_bytes));
	assert_int_equal(crypto_sign_seed_keypair(public_key, signer.secret, seed_bytes), 0);
	signer.key = note_key_of(text_bytes(name), type, public_key);
	return signer;
}

void
sign_line(struct writer *w, const struct note_signer *signer, struct bytes text, uint64_t time_s)
{
	uint8_t message[4096], signature[NOTE_ED25519_BYTES], data[NOTE_COSIGNATURE_BYTES];
	char head[COSIGNATURE_HEAD_MAX];
	struct writer head_writer = writer_of(head, sizeof(head));
	bool cosigns = signer->key.type == NOTE_COSIGNATURE;

	if (cosigns)
		cosignature_head_print(&head_writer, time_s);
	const struct bytes parts[] = { writer_bytes(&head_writer), text };
	crypto_sign_detached(signature, NULL, message, join(parts, 2, message, sizeof(message)), signer->secret);
	cosignature_pack(time_s, signature, data);
	note_line_print(w, signer->key.name, signer->key.id, cosigns ? bytes_of(data, sizeof(data)) : bytes_of(signature, sizeof(signature)));
}

uint64_t
next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

static size_t
below(uint64_t *state, size_t n)
{
	return n == 0 ? 0 : (size_t)(next_random(state) % n);
}

static uint8_t
any_byte(uint64_t *state)
{
	static const char likely[] = "\n\n\n  +=/-x.p#09AZaz\t\xE2\x80\x94";

	return below(state, 4) == 0 ? (uint8_t)next_random(state) : (uint8_t)likely[below(state, sizeof(likely) - 1)];
}

static size_t
break_once(uint8_t *text, size_t len, size_t cap, uint64_t *state)
{
	size_t at = below(state, len), n = 1 + below(state, 8);

	switch (len == 0 ? 3 : below(state, 6)) {
	case 0:
		text[at] ^= (uint8_t)(1u << below(state, 8));
		return len;
	case 1:
		text[at] = any_byte(state);
		return len;
	case 2:
		n = n < len - at ? n : len - at;
		memmove(text + at, text + at + n, len - at - n);
		return len - n;
	case 3:
		n = n < cap - len ? n : cap - len;
		memmove(text + at + n, text + at, len - at);
		for (size_t i = 0; i < n; i++)
			text[at + i] = any_byte(state);
		return len + n;
	case 4:
		n = below(state, 200);
		n = n < len - at ? n : len - at;
		n = n < cap - len ? n : cap - len;
		memmove(text + at + n, text + at, len - at);
		return len + n;
	default:
		return at;
	}
}

size_t
break_text(uint8_t *text, size_t len, size_t cap, uint64_t *state)
{
	for (size_t n = 1 + below(state, 3); n > 0; n--)
		len = break_once(text, len, cap, state);
	return len;
}
