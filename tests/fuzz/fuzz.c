/* Nothing here calls what it is to check, but for the printing of a signature line. */
#include "fuzz.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

uint8_t
tape_u8(struct tape *t)
{
	if (t->rest.len == 0)
		return 0;
	uint8_t byte = t->rest.data[0];
	t->rest = bytes_of(t->rest.data + 1, t->rest.len - 1);
	return byte;
}

uint64_t
tape_u64(struct tape *t)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | tape_u8(t);
	return v;
}

uint64_t
tape_below(struct tape *t, uint64_t n)
{
	uint64_t high = tape_u8(t);

	return (high << 8 | tape_u8(t)) % n;
}

/* ---- signatures ---- */

void
fake_sign(const uint8_t public_key[static NOTE_PUBLIC_KEY_BYTES], const struct bytes *parts, size_t n_parts,
    uint8_t ret_signature[static NOTE_ED25519_BYTES])
{
	for (unsigned half = 0; half < 2; half++) {
		crypto_hash_sha256_state state;
		uint8_t which = (uint8_t)half;
		crypto_hash_sha256_init(&state);
		crypto_hash_sha256_update(&state, &which, 1);
		crypto_hash_sha256_update(&state, public_key, NOTE_PUBLIC_KEY_BYTES);
		for (size_t i = 0; i < n_parts; i++)
			crypto_hash_sha256_update(&state, parts[i].data, parts[i].len);
		crypto_hash_sha256_final(&state, ret_signature + (size_t)half * 32);
	}
}

enum status
fake_verify(void *ctx, const uint8_t public_key[static NOTE_PUBLIC_KEY_BYTES], const struct bytes *parts, size_t n_parts,
    const uint8_t signature[static NOTE_ED25519_BYTES])
{
	uint8_t want[NOTE_ED25519_BYTES];

	(void)ctx;
	fake_sign(public_key, parts, n_parts, want);
	return memcmp(signature, want, sizeof(want)) == 0 ? ST_OK : ST_INVALID;
}

struct note_key
fake_key(const char *name, enum note_type type, uint8_t number)
{
	uint8_t public_key[NOTE_PUBLIC_KEY_BYTES];

	memset(public_key, number, sizeof(public_key));
	return note_key_of(bytes_of(name, strlen(name)), type, public_key);
}

void
fake_line(struct writer *w, const struct note_key *key, struct bytes text, uint64_t time_s)
{
	uint8_t data[NOTE_COSIGNATURE_BYTES];
	char head[COSIGNATURE_HEAD_MAX];
	struct writer h = writer_of(head, sizeof(head));

	if (key->type == NOTE_ED25519) {
		fake_sign(key->public_key, &text, 1, data);
		note_line_print(w, key->name, key->id, bytes_of(data, NOTE_ED25519_BYTES));
		return;
	}
	writer_put(&h, LITERAL("cosignature/v1\ntime "));
	writer_put_number(&h, time_s);
	writer_put(&h, LITERAL("\n"));
	const struct bytes parts[] = { writer_bytes(&h), text };
	put_be64(data, time_s);
	fake_sign(key->public_key, parts, 2, data + 8);
	note_line_print(w, key->name, key->id, bytes_of(data, NOTE_COSIGNATURE_BYTES));
}

bool
model_base64(struct bytes text, uint8_t *ret_data, size_t cap, size_t *ret_len)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] > 0x7F)
			return false;
	return sodium_base642bin(ret_data, cap, (const char *)text.data, text.len, NULL, ret_len, NULL, sodium_base64_VARIANT_ORIGINAL) == 0;
}

/* Whether these bytes, of a line of this key behind its id, are its signature. */
static bool
holds(const struct note_key *key, struct bytes text, const uint8_t *data, size_t len)
{
	uint8_t want[NOTE_ED25519_BYTES];
	char head[COSIGNATURE_HEAD_MAX];

	if (key->type == NOTE_ED25519) {
		fake_sign(key->public_key, &text, 1, want);
		return len == sizeof(want) && memcmp(data, want, sizeof(want)) == 0;
	}
	if (len != NOTE_COSIGNATURE_BYTES || data[0] >= 0x80)
		return false;
	int head_len = snprintf(head, sizeof(head), "cosignature/v1\ntime %llu\n", (unsigned long long)get_be64(data));
	const struct bytes parts[] = { bytes_of(head, (size_t)head_len), text };
	fake_sign(key->public_key, parts, 2, want);
	return memcmp(data + 8, want, sizeof(want)) == 0;
}

static enum note_signed
line_signed(struct bytes line, const struct note_key *key, struct bytes text)
{
	const struct bytes dash = LITERAL("— ");
	size_t before = dash.len + key->name.len + 1, len = 0;
	enum note_signed answer = NOTE_UNSIGNED;

	if (line.len < before || memcmp(line.data + dash.len, key->name.data, key->name.len) != 0 || line.data[before - 1] != ' ')
		return NOTE_UNSIGNED;
	uint8_t *data = malloc(line.len);
	assert(data != NULL);
	bool decoded = model_base64(bytes_of(line.data + before, line.len - before), data, line.len, &len);
	assert(decoded && len > 4);
	if (get_be32(data) == key->id)
		answer = holds(key, text, data + 4, len - 4) ? NOTE_SIGNED : NOTE_FORGED;
	free(data);
	return answer;
}

enum note_signed
model_signed(struct bytes lines, const struct note_key *key, struct bytes text)
{
	enum note_signed answer = NOTE_UNSIGNED;

	while (lines.len > 0 && answer != NOTE_FORGED) {
		const uint8_t *end = memchr(lines.data, '\n', lines.len);
		assert(end != NULL);
		size_t len = (size_t)(end - lines.data);
		enum note_signed one = line_signed(bytes_of(lines.data, len), key, text);
		if (one != NOTE_UNSIGNED)
			answer = one;
		lines = bytes_of(end + 1, lines.len - len - 1);
	}
	return answer;
}

/* ---- the tree ---- */

static void
node(const uint8_t *left, const uint8_t *right, uint8_t *ret)
{
	uint8_t data[1 + 2 * SHA256_BYTES] = { 1 };

	memcpy(data + 1, left, SHA256_BYTES);
	memcpy(data + 1 + SHA256_BYTES, right, SHA256_BYTES);
	crypto_hash_sha256(ret, data, sizeof(data));
}

/* The largest power of two below ${n}; n > 1. */
static uint64_t
split(uint64_t n)
{
	uint64_t k = 1;

	while (k < n - k)
		k *= 2;
	return k;
}

const uint8_t *
model_root(uint64_t begin, uint64_t n)
{
	static uint8_t table[MODEL_LEAVES + 1][MODEL_LEAVES + 1][SHA256_BYTES];
	static bool known[MODEL_LEAVES + 1][MODEL_LEAVES + 1];
	uint8_t *root = table[begin][n];

	assert(begin <= MODEL_LEAVES && n <= MODEL_LEAVES - begin);
	if (known[begin][n])
		return root;
	if (n == 0)
		crypto_hash_sha256(root, NULL, 0);
	else if (n == 1) {
		const uint8_t leaf[] = { 0, (uint8_t)(begin >> 8), (uint8_t)begin };
		crypto_hash_sha256(root, leaf, sizeof(leaf));
	} else
		node(model_root(begin, split(n)), model_root(begin + split(n), n - split(n)), root);
	known[begin][n] = true;
	return root;
}

static void
push(struct proof *proof, const uint8_t *hash)
{
	memcpy(proof->hash[proof->n_hashes++], hash, SHA256_BYTES);
}

static void
path(uint64_t m, uint64_t begin, uint64_t n, struct proof *proof)
{
	if (n == 1)
		return;
	uint64_t k = split(n);
	if (m < k) {
		path(m, begin, k, proof);
		push(proof, model_root(begin + k, n - k));
	} else {
		path(m - k, begin + k, n - k, proof);
		push(proof, model_root(begin, k));
	}
}

void
model_path(uint64_t index, uint64_t size, struct proof *ret_proof)
{
	ret_proof->n_hashes = 0;
	path(index, 0, size, ret_proof);
}

static void
subproof(uint64_t m, uint64_t begin, uint64_t n, bool whole, struct proof *proof)
{
	if (m == n) {
		if (!whole)
			push(proof, model_root(begin, n));
		return;
	}
	uint64_t k = split(n);
	if (m <= k) {
		subproof(m, begin, k, whole, proof);
		push(proof, model_root(begin + k, n - k));
	} else {
		subproof(m - k, begin + k, n - k, false, proof);
		push(proof, model_root(begin, k));
	}
}

void
model_consistency(uint64_t old_size, uint64_t size, struct proof *ret_proof)
{
	ret_proof->n_hashes = 0;
	subproof(old_size, 0, size, true, ret_proof);
}

enum status
model_fetch(void *ctx, unsigned level, uint64_t index, uint8_t ret_hash[static SHA256_BYTES])
{
	uint64_t n = UINT64_C(1) << 8 * level;

	(void)ctx;
	assert(level < 2 && (index + 1) * n <= MODEL_LEAVES);
	memcpy(ret_hash, model_root(index * n, n), SHA256_BYTES);
	return ST_OK;
}

/* The last hash that is left; NULL: none is. */
static const uint8_t *
pop(const struct proof *proof, size_t *left)
{
	return *left == 0 ? NULL : proof->hash[--*left];
}

static bool
climb(const struct proof *proof, size_t *left, uint64_t m, uint64_t n, const uint8_t *leaf_hash, uint8_t *ret)
{
	if (n == 1) {
		memcpy(ret, leaf_hash, SHA256_BYTES);
		return true;
	}
	uint64_t k = split(n);
	const uint8_t *hash = pop(proof, left);
	if (hash == NULL || !(m < k ? climb(proof, left, m, k, leaf_hash, ret) : climb(proof, left, m - k, n - k, leaf_hash, ret)))
		return false;
	node(m < k ? ret : hash, m < k ? hash : ret, ret);
	return true;
}

enum proof_result
model_climb(const struct proof *proof, uint64_t index, uint64_t size, const uint8_t leaf_hash[static SHA256_BYTES],
    uint8_t ret_root[static SHA256_BYTES])
{
	size_t left = proof->n_hashes;

	if (index >= size)
		return PROOF_OUT_OF_RANGE;
	if (!climb(proof, &left, index, size, leaf_hash, ret_root))
		return PROOF_TOO_SHORT;
	return left == 0 ? PROOF_OK : PROOF_TOO_LONG;
}

static bool
grow(const struct proof *proof, size_t *left, uint64_t m, uint64_t n, const uint8_t *whole, uint8_t *ret_old, uint8_t *ret)
{
	if (m == n) {
		const uint8_t *hash = whole != NULL ? whole : pop(proof, left);
		if (hash == NULL)
			return false;
		memcpy(ret_old, hash, SHA256_BYTES);
		memcpy(ret, hash, SHA256_BYTES);
		return true;
	}
	uint64_t k = split(n);
	const uint8_t *hash = pop(proof, left);
	if (hash == NULL)
		return false;
	if (m <= k) {
		if (!grow(proof, left, m, k, whole, ret_old, ret))
			return false;
		node(ret, hash, ret);
		return true;
	}
	if (!grow(proof, left, m - k, n - k, NULL, ret_old, ret))
		return false;
	node(hash, ret_old, ret_old);
	node(hash, ret, ret);
	return true;
}

enum proof_result
model_grow(const struct proof *proof, uint64_t old_size, uint64_t size, const uint8_t old_root[static SHA256_BYTES],
    uint8_t ret_old_root[static SHA256_BYTES], uint8_t ret_root[static SHA256_BYTES])
{
	size_t left = proof->n_hashes;

	assert(old_size != 0 && old_size < size);
	if (!grow(proof, &left, old_size, size, old_root, ret_old_root, ret_root))
		return PROOF_TOO_SHORT;
	return left == 0 ? PROOF_OK : PROOF_TOO_LONG;
}
