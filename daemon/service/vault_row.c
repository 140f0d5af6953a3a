/*
 * A profile is sealed under its member's key alone, bound to its row; that key is wrapped, and an alias's member sealed, under the epoch's key, bound to
 * row and epoch.  So another epoch costs a wrapped key and the alias rows, and a row is good in its own place only.
 */
#include "service/vault_row.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define MAC crypto_aead_xchacha20poly1305_ietf_ABYTES
#define ALIAS_PLAIN 12
#define PROFILE_BYTES_MAX 32768
#define PROFILE_FORMAT 1

static_assert(ALIAS_VALUE == 8 + NONCE + ALIAS_PLAIN + MAC, "an alias row: seq, nonce, box");

void
alias_hash(const struct epoch_key *key, uint32_t program, const char *alias, uint8_t ret_hash[static ALIAS_HASH_BYTES])
{
	crypto_generichash_state state;
	uint8_t number[4];

	put_be32(number, program);
	crypto_generichash_init(&state, epoch_key_secret(key, EPOCH_NAMES), HASH_KEY_BYTES, ALIAS_HASH_BYTES);
	crypto_generichash_update(&state, number, sizeof(number));
	crypto_generichash_update(&state, (const unsigned char *)alias, strlen(alias));
	crypto_generichash_final(&state, ret_hash, ALIAS_HASH_BYTES);
}

void
person_key(uint32_t program, uint64_t member, uint64_t seq, uint8_t ret_key[static PERSON_KEY])
{
	put_be32(ret_key, program);
	put_be64(ret_key + 4, member);
	put_be64(ret_key + 12, seq);
}

static void
seal(struct buf *out, const uint8_t *key, struct bytes plain, struct bytes bound)
{
	uint8_t nonce[NONCE], box[PROFILE_BYTES_MAX + MAC];
	unsigned long long len;

	assert(plain.len <= PROFILE_BYTES_MAX);
	randombytes_buf(nonce, sizeof(nonce));
	crypto_aead_xchacha20poly1305_ietf_encrypt(box, &len, plain.data, plain.len, bound.data, bound.len, NULL, nonce, key);
	buf_put(out, nonce, sizeof(nonce));
	buf_put(out, box, len);
}

/* What a box is bound to: its row, and the epoch. */
static void
bind(uint8_t *ret_bound, const struct epoch_key *key, struct bytes row_key)
{
	memcpy(ret_bound, row_key.data, row_key.len);
	put_be64(ret_bound + row_key.len, epoch_key_epoch(key));
}

/* Writes box.len - NONCE - MAC bytes. */
static enum status
unseal(uint8_t *ret_plain, const uint8_t *key, struct bytes box, struct bytes bound)
{
	if (box.len < NONCE + MAC)
		return ST_CORRUPT;
	int failed = crypto_aead_xchacha20poly1305_ietf_decrypt(ret_plain, NULL, NULL, box.data + NONCE, box.len - NONCE, bound.data, bound.len,
	    box.data, key);
	return failed != 0 ? ST_CORRUPT : ST_OK;
}

enum status
alias_seal(const struct epoch_key *key, const uint8_t hash[static ALIAS_HASH_BYTES], uint32_t program, uint64_t member, uint64_t seq,
    struct buf *out)
{
	uint8_t plain[ALIAS_PLAIN], bound[ALIAS_HASH_BYTES + 8];

	put_be32(plain, program);
	put_be64(plain + 4, member);
	buf_put_be64(out, seq);
	bind(bound, key, bytes_of(hash, ALIAS_HASH_BYTES));
	seal(out, epoch_key_secret(key, EPOCH_SEALS), bytes_of(plain, sizeof(plain)), bytes_of(bound, sizeof(bound)));
	return buf_status(out);
}

enum status
alias_unseal(const struct epoch_key *key, const uint8_t hash[static ALIAS_HASH_BYTES], uint32_t program, struct bytes value, uint64_t *ret_member,
    uint64_t *ret_seq)
{
	uint8_t plain[ALIAS_PLAIN], bound[ALIAS_HASH_BYTES + 8];

	if (value.len != ALIAS_VALUE)
		return ST_CORRUPT;
	bind(bound, key, bytes_of(hash, ALIAS_HASH_BYTES));
	enum status st = unseal(plain, epoch_key_secret(key, EPOCH_SEALS), bytes_of(value.data + 8, value.len - 8), bytes_of(bound, sizeof(bound)));
	if (st != ST_OK)
		return st;
	if (get_be32(plain) != program)
		return ST_CORRUPT;
	*ret_seq = get_be64(value.data);
	*ret_member = get_be64(plain + 4);
	return ST_OK;
}

static void
profile_encode(const struct profile *p, struct buf *out)
{
	buf_put_u8(out, PROFILE_FORMAT);
	buf_put_varint(out, p->n_dates);
	for (size_t i = 0; i < p->n_dates; i++) {
		buf_put_u8(out, (uint8_t)p->dates[i].month);
		buf_put_u8(out, (uint8_t)p->dates[i].day);
		buf_put_svarint(out, p->dates[i].entered_day);
	}
	buf_put_varint(out, p->n_aliases);
	for (size_t i = 0; i < p->n_aliases; i++)
		buf_put_string(out, p->aliases[i]);
	buf_put_varint(out, p->n_segments);
	for (size_t i = 0; i < p->n_segments; i++)
		buf_put_string(out, p->segments[i]);
	buf_put_varint(out, p->n_absorbed);
	for (size_t i = 0; i < p->n_absorbed; i++)
		buf_put_varint(out, p->absorbed[i]);
}

static enum status
decode_texts(struct cursor *c, struct arena *arena, size_t max, const char **ret_texts, size_t *ret_n)
{
	uint64_t n = cursor_varint(c);

	if (n > max)
		return ST_CORRUPT;
	for (size_t i = 0; i < n; i++) {
		struct bytes text = cursor_string(c);
		ret_texts[i] = arena_memdup(arena, text.data, text.len);
		if (ret_texts[i] == NULL)
			return ST_NOMEM;
	}
	*ret_n = (size_t)n;
	return ST_OK;
}

static enum status
profile_decode(struct bytes plain, struct arena *arena, struct profile *ret)
{
	struct cursor c = cursor_of(plain);

	if (cursor_u8(&c) != PROFILE_FORMAT)
		return ST_CORRUPT;
	uint64_t n = cursor_varint(&c);
	if (n > LEDGER_BIRTHDAYS_MAX)
		return ST_CORRUPT;
	ret->n_dates = (size_t)n;
	for (size_t i = 0; i < n; i++) {
		ret->dates[i].month = cursor_u8(&c);
		ret->dates[i].day = cursor_u8(&c);
		ret->dates[i].entered_day = (int32_t)cursor_svarint(&c);
	}
	enum status st = decode_texts(&c, arena, PROFILE_ALIASES_MAX, ret->aliases, &ret->n_aliases);
	if (st == ST_OK)
		st = decode_texts(&c, arena, PROFILE_SEGMENTS_MAX, ret->segments, &ret->n_segments);
	if (st != ST_OK)
		return st;
	n = cursor_varint(&c);
	if (n > PROFILE_ABSORBED_MAX)
		return ST_CORRUPT;
	ret->n_absorbed = (size_t)n;
	for (size_t i = 0; i < n; i++)
		ret->absorbed[i] = cursor_varint(&c);
	return cursor_done(&c) ? ST_OK : ST_CORRUPT;
}

#define WRAPPED (NONCE + MEMBER_KEY_SECRET_BYTES + MAC)

static void
wrap(const struct epoch_key *epoch, const uint8_t key[static PERSON_KEY], const uint8_t member_key[static MEMBER_KEY_SECRET_BYTES], struct buf *out)
{
	uint8_t bound[PERSON_KEY + 8];

	bind(bound, epoch, bytes_of(key, PERSON_KEY));
	seal(out, epoch_key_secret(epoch, EPOCH_SEALS), bytes_of(member_key, MEMBER_KEY_SECRET_BYTES), bytes_of(bound, sizeof(bound)));
}

enum status
person_rewrap(const struct epoch_key *to, const uint8_t key[static PERSON_KEY], const struct profile *p, struct bytes value, struct buf *out)
{
	assert(value.len > WRAPPED);
	wrap(to, key, p->key, out);
	buf_put(out, value.data + WRAPPED, value.len - WRAPPED);
	return buf_status(out);
}

enum status
person_seal(const struct epoch_key *epoch, const uint8_t key[static PERSON_KEY], const struct profile *p, struct buf *out)
{
	struct buf plain;

	buf_init(&plain);
	profile_encode(p, &plain);
	enum status st = buf_status(&plain);
	if (st == ST_OK && plain.len > PROFILE_BYTES_MAX)
		st = ST_TOO_LARGE;
	if (st == ST_OK) {
		wrap(epoch, key, p->key, out);
		seal(out, p->key, buf_bytes(&plain), bytes_of(key, PERSON_KEY));
		st = buf_status(out);
	}
	if (plain.data != NULL)
		sodium_memzero(plain.data, plain.len);
	buf_release(&plain);
	return st;
}

enum status
person_unseal(const struct epoch_key *epoch, const uint8_t key[static PERSON_KEY], struct bytes value, struct arena *arena, struct profile *ret)
{
	uint8_t bound[PERSON_KEY + 8];

	if (value.len < WRAPPED + NONCE + MAC)
		return ST_CORRUPT;
	size_t plain_len = value.len - WRAPPED - NONCE - MAC;
	uint8_t *plain = arena_alloc(arena, plain_len);
	if (plain == NULL)
		return ST_NOMEM;
	bind(bound, epoch, bytes_of(key, PERSON_KEY));
	enum status st = unseal(ret->key, epoch_key_secret(epoch, EPOCH_SEALS), bytes_of(value.data, WRAPPED), bytes_of(bound, sizeof(bound)));
	if (st == ST_OK)
		st = unseal(plain, ret->key, bytes_of(value.data + WRAPPED, value.len - WRAPPED), bytes_of(key, PERSON_KEY));
	if (st == ST_OK)
		st = profile_decode(bytes_of(plain, plain_len), arena, ret);
	sodium_memzero(plain, plain_len);
	return st;
}

enum status
alias_opens(const struct epoch_key *key, struct bytes row_key, struct bytes value)
{
	uint8_t plain[ALIAS_PLAIN], bound[ALIAS_HASH_BYTES + 8];

	if (row_key.len != ALIAS_HASH_BYTES || value.len != ALIAS_VALUE)
		return ST_CORRUPT;
	bind(bound, key, row_key);
	enum status st = unseal(plain, epoch_key_secret(key, EPOCH_SEALS), bytes_of(value.data + 8, value.len - 8), bytes_of(bound, sizeof(bound)));
	sodium_memzero(plain, sizeof(plain));
	return st;
}

enum status
person_opens(const struct epoch_key *epoch, struct bytes row_key, struct bytes value)
{
	uint8_t bound[PERSON_KEY + 8], key[MEMBER_KEY_SECRET_BYTES], plain[PROFILE_BYTES_MAX];

	if (row_key.len != PERSON_KEY || value.len < WRAPPED + NONCE + MAC || value.len > WRAPPED + NONCE + MAC + sizeof(plain))
		return ST_CORRUPT;
	bind(bound, epoch, row_key);
	enum status st = unseal(key, epoch_key_secret(epoch, EPOCH_SEALS), bytes_of(value.data, WRAPPED), bytes_of(bound, sizeof(bound)));
	if (st == ST_OK)
		st = unseal(plain, key, bytes_of(value.data + WRAPPED, value.len - WRAPPED), row_key);
	sodium_memzero(key, sizeof(key));
	sodium_memzero(plain, sizeof(plain));
	return st;
}

enum status
person_row(struct store_txn *txn, uint32_t program, uint64_t member, struct bytes *ret_key, struct bytes *ret_value)
{
	uint8_t key[PERSON_KEY];

	person_key(program, member, UINT64_MAX, key);
	enum status st = store_floor(txn, TABLE_PERSON, bytes_of(key, sizeof(key)), ret_key, ret_value);
	if (st != ST_OK)
		return st;
	return ret_key->len == PERSON_KEY && memcmp(ret_key->data, key, 12) == 0 ? ST_OK : ST_NOTFOUND;
}
