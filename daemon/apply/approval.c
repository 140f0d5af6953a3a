/*
 * Who approves, and what waits for it.  An approver signs the bytes of the transaction that holds the adjust.  Their hash is kept with the adjust
 * from the moment that the bytes are final, so a signature is checked without the transaction at hand, by the service as by a replay; before that
 * moment nobody can have signed it, and zeros stand for a hash that nothing has.
 */
#include <string.h>

#include "apply/internal.h"

#define WAITING_KEY_BYTES 12

/* ---- rows ---- */

enum status
approver_row_decode(struct bytes value, struct approver *ret)
{
	struct cursor c = cursor_of(value);
	struct bytes key = cursor_bytes(&c, PUBLIC_KEY_LEN);
	int32_t until = (int32_t)cursor_be32(&c);

	if (!cursor_done(&c))
		return ST_CORRUPT;
	memcpy(ret->public_key, key.data, PUBLIC_KEY_LEN);
	ret->until = until;
	return ST_OK;
}

enum status
state_approver(void *ctx, const char *principal, struct approver *ret)
{
	struct bytes value;

	if (principal[0] == '\0' || strlen(principal) > LEDGER_PRINCIPAL_MAX)
		return ST_NOTFOUND;
	enum status st = apply_row(ctx, TABLE_APPROVER, bytes_of(principal, strlen(principal)), &value);
	return st == ST_OK ? approver_row_decode(value, ret) : st;
}

enum status
state_put_approver(void *ctx, const char *principal, const struct approver *approver)
{
	struct apply *a = ctx;
	uint8_t value[PUBLIC_KEY_LEN + 4];

	memcpy(value, approver->public_key, PUBLIC_KEY_LEN);
	put_be32(value + PUBLIC_KEY_LEN, (uint32_t)approver->until);
	return overlay_put_row(&a->overlay, TABLE_APPROVER, bytes_of(principal, strlen(principal)), bytes_of(value, sizeof(value)));
}

static void
waiting_key(struct entry_id id, uint8_t ret_key[static WAITING_KEY_BYTES])
{
	put_be64(ret_key, id.seq);
	put_be32(ret_key + 8, id.index);
}

enum status
waiting_row_decode(struct bytes value, struct waiting_adjust *ret)
{
	struct cursor c = cursor_of(value);
	struct waiting_adjust w = { .program = cursor_be32(&c) };

	w.member = cursor_be64(&c);
	struct bytes hash = cursor_bytes(&c, SHA256_BYTES);
	w.approved = cursor_u8(&c) != 0;
	if (w.approved) {
		w.by.seq = cursor_be64(&c);
		w.by.index = cursor_be32(&c);
	}
	if (!cursor_done(&c))
		return ST_CORRUPT;
	memcpy(w.transaction_hash, hash.data, SHA256_BYTES);
	*ret = w;
	return ST_OK;
}

enum status
state_waiting(void *ctx, struct entry_id id, struct waiting_adjust *ret)
{
	uint8_t key[WAITING_KEY_BYTES];
	struct bytes value;

	waiting_key(id, key);
	enum status st = apply_row(ctx, TABLE_WAITING, bytes_of(key, sizeof(key)), &value);
	return st == ST_OK ? waiting_row_decode(value, ret) : st;
}

enum status
apply_read_waiting(struct store_txn *state, struct entry_id id, struct waiting_adjust *ret)
{
	uint8_t key[WAITING_KEY_BYTES];
	struct bytes value;

	waiting_key(id, key);
	enum status st = store_get(state, TABLE_WAITING, bytes_of(key, sizeof(key)), &value);
	return st == ST_OK ? waiting_row_decode(value, ret) : st;
}

enum status
state_put_waiting(void *ctx, struct entry_id id, const struct waiting_adjust *w)
{
	struct apply *a = ctx;
	uint8_t key[WAITING_KEY_BYTES], value[4 + 8 + SHA256_BYTES + 1 + WAITING_KEY_BYTES];

	waiting_key(id, key);
	put_be32(value, w->program);
	put_be64(value + 4, w->member);
	memcpy(value + 12, w->transaction_hash, SHA256_BYTES);
	value[12 + SHA256_BYTES] = w->approved;
	waiting_key(w->by, value + 13 + SHA256_BYTES);
	return overlay_put_row(&a->overlay, TABLE_WAITING, bytes_of(key, sizeof(key)),
	    bytes_of(value, w->approved ? sizeof(value) : sizeof(value) - WAITING_KEY_BYTES));
}

enum status
waiting_seal(struct apply *a, const struct transaction *t, const uint8_t transaction_hash[static SHA256_BYTES])
{
	enum status st = ST_OK;

	for (uint32_t i = 0; i < t->n_entries && st == ST_OK; i++) {
		struct entry_id id = { t->seq, i };
		struct waiting_adjust w;

		if (!t->entries[i].waiting)
			continue;
		st = state_waiting(a, id, &w);
		if (st != ST_OK)
			break;
		memcpy(w.transaction_hash, transaction_hash, SHA256_BYTES);
		st = state_put_waiting(a, id, &w);
	}
	return st;
}

/* ---- signatures ---- */

void
approval_body(const uint8_t transaction_hash[static SHA256_BYTES], uint32_t index, uint8_t ret_body[static APPROVAL_BODY_BYTES])
{
	memcpy(ret_body, transaction_hash, SHA256_BYTES);
	put_be32(ret_body + SHA256_BYTES, index);
}

enum status
apply_check_approval(struct apply *a, const char *principal, struct entry_id adjust, struct bytes signature, apply_verify_fn *verify, bool *ret_ok)
{
	uint8_t body[APPROVAL_BODY_BYTES];
	struct approver approver;
	struct waiting_adjust waiting;

	*ret_ok = false;
	enum status st = state_approver(a, principal, &approver);
	if (st == ST_OK)
		st = state_waiting(a, adjust, &waiting);
	if (st != ST_OK)
		return st == ST_NOTFOUND ? ST_OK : st;
	approval_body(waiting.transaction_hash, adjust.index, body);
	st = verify(approver.public_key, bytes_of(body, sizeof(body)), signature);
	*ret_ok = st == ST_OK;
	return st == ST_INVALID ? ST_OK : st;
}
