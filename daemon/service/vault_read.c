/* What any thread reads of the vault, in a read transaction of its own: what is committed. */
#include <assert.h>
#include <sodium.h>

#include "service/vault_row.h"

static const struct epoch_key *
key_of(const struct vault *v, const struct store_txn *txn)
{
	return vault_key(v, store_txn_epoch(txn));
}

enum status
vault_lookup_hash(const struct vault *v, struct store_txn *txn, uint32_t program, const uint8_t hash[static ALIAS_HASH_BYTES],
    uint64_t *ret_member)
{
	struct bytes value;
	uint64_t seq;

	enum status st = store_get(txn, TABLE_ALIAS, bytes_of(hash, ALIAS_HASH_BYTES), &value);
	return st != ST_OK ? st : alias_unseal(key_of(v, txn), hash, program, value, ret_member, &seq);
}

enum status
vault_lookup_hashes(const struct vault *v, struct store_txn *txn, uint32_t program, const struct bytes *hashes, size_t n, uint64_t *ret_members)
{
	struct bytes values[STORE_MANY];
	uint64_t seq;

	enum status st = store_get_many(txn, TABLE_ALIAS, hashes, n, values);
	for (size_t i = 0; i < n && st == ST_OK; i++) {
		ret_members[i] = 0;
		if (values[i].data != NULL && alias_unseal(key_of(v, txn), hashes[i].data, program, values[i], &ret_members[i], &seq) != ST_OK)
			ret_members[i] = 0;
	}
	return st;
}

enum status
vault_lookup(const struct vault *v, struct store_txn *txn, uint32_t program, const char *alias, uint64_t *ret_member)
{
	uint8_t hash[ALIAS_HASH_BYTES];

	alias_hash(key_of(v, txn), program, alias, hash);
	return vault_lookup_hash(v, txn, program, hash, ret_member);
}

enum status
vault_lookup_many(const struct vault *v, struct store_txn *txn, uint32_t program, const char *const *aliases, size_t n, uint64_t *ret_members)
{
	uint8_t hashes[STORE_MANY][ALIAS_HASH_BYTES];
	struct bytes keys[STORE_MANY];

	assert(n <= STORE_MANY);
	for (size_t i = 0; i < n; i++) {
		alias_hash(key_of(v, txn), program, aliases[i], hashes[i]);
		keys[i] = bytes_of(hashes[i], ALIAS_HASH_BYTES);
	}
	return vault_lookup_hashes(v, txn, program, keys, n, ret_members);
}

enum status
vault_read(const struct vault *v, struct store_txn *txn, uint32_t program, uint64_t member, struct arena *arena, struct profile *ret)
{
	struct bytes key, value;

	enum status st = person_row(txn, program, member, &key, &value);
	return st != ST_OK ? st : person_unseal(key_of(v, txn), key.data, value, arena, ret);
}

enum status
vault_each_birthday(const struct vault *v, bool (*visit)(void *ctx, uint32_t program, uint64_t member, const struct birthday_date *date),
    void *ctx)
{
	struct store_txn *txn;
	struct store_cursor *cursor;
	struct bytes key, value;
	struct arena arena;
	uint8_t first[1] = { 0 };
	bool go_on = true;

	enum status st = store_read(vault_store(v), STORE_VAULT, &txn);
	if (st != ST_OK)
		return st;
	st = store_cursor_open(txn, TABLE_PERSON, bytes_of(first, sizeof(first)), &cursor);
	if (st != ST_OK) {
		store_abort(txn);
		return st;
	}
	arena_init(&arena, (size_t)1024 * 1024);
	while (go_on && (st = store_cursor_next(cursor, &key, &value)) == ST_OK) {
		struct profile profile;
		arena_reset(&arena);
		st = key.len == PERSON_KEY ? person_unseal(key_of(v, txn), key.data, value, &arena, &profile) : ST_CORRUPT;
		if (st != ST_OK)
			break;
		for (size_t i = 0; i < profile.n_dates && go_on; i++)
			go_on = visit(ctx, get_be32(key.data), get_be64(key.data + 4), &profile.dates[i]);
		sodium_memzero(profile.key, sizeof(profile.key));
	}
	arena_release(&arena);
	store_cursor_close(cursor);
	store_abort(txn);
	return st == ST_NOTFOUND ? ST_OK : st;
}
