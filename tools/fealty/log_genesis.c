#include "log_genesis.h"

#include <string.h>

#include "codec/codec.h"

#define GENESIS_ARENA_BYTES (1u << 20)

static enum status
read_in(struct bytes leaf, struct arena *arena, struct log_genesis *ret)
{
	struct signed_transaction s;
	struct transaction t;

	enum status st = codec_signed_decode(leaf, &s);
	if (st == ST_OK)
		st = codec_transaction_decode_one(s.transaction, 0, arena, &t);
	if (st != ST_OK)
		return st == ST_NOTFOUND ? ST_CORRUPT : st;
	const struct entry *e = &t.entries[0];
	if (t.seq != 0 || e->op != OP_GENESIS || t.origin == NULL || strlen(t.origin) > LOG_ORIGIN_BYTES_MAX ||
	    !note_name_valid(bytes_of(t.origin, strlen(t.origin))) || e->u.genesis.transaction_key.len != PUBLIC_KEY_BYTES ||
	    e->u.genesis.checkpoint_key.len != NOTE_PUBLIC_KEY_BYTES)
		return ST_CORRUPT;
	st = sign_verify(e->u.genesis.transaction_key.data, SIGNER_TRANSACTION_TYPE, s.transaction, s.signature);
	if (st != ST_OK)
		return st == ST_INVALID ? ST_CORRUPT : st;
	(void)strcpy(ret->origin, t.origin);
	memcpy(ret->transaction_key, e->u.genesis.transaction_key.data, PUBLIC_KEY_BYTES);
	return ST_OK;
}

enum status
log_genesis_read(struct bytes leaf, struct log_genesis *ret)
{
	struct arena arena;

	arena_init(&arena, GENESIS_ARENA_BYTES);
	enum status st = read_in(leaf, &arena, ret);
	arena_release(&arena);
	return st;
}
