/* What the ledger says of terminals' sequences, a row for each: ledger/terminal.h has the rules. */
#include <string.h>

#include "apply/internal.h"

/* Of those that differ, tills beside each other are those of one store. */
static size_t
terminal_key(const char *store, const char *terminal, const char *principal, uint8_t ret_key[static STORE_KEY_MAX])
{
	size_t store_len = strlen(store) + 1, terminal_len = strlen(terminal) + 1, len = store_len + terminal_len + strlen(principal);

	if (len > STORE_KEY_MAX)
		return 0;
	memcpy(ret_key, store, store_len);
	memcpy(ret_key + store_len, terminal, terminal_len);
	/* A key's end is its length.  NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
	memcpy(ret_key + store_len + terminal_len, principal, strlen(principal));
	return len;
}

enum status
put_terminal(struct apply *a, const struct entry *e, struct entry_id id)
{
	uint8_t key[STORE_KEY_MAX];
	size_t len = terminal_key(e->store == NULL ? "" : e->store, e->terminal == NULL ? "" : e->terminal, e->principal == NULL ? "" : e->principal, key);
	struct terminal_state t = { .last = 0 };
	struct bytes value;
	struct buf out;

	if (len == 0)
		return ST_INVALID;
	enum status st = apply_row(a, TABLE_TERMINAL, bytes_of(key, len), &value);
	if (st == ST_OK)
		st = terminal_decode(value, &t);
	if (st != ST_OK && st != ST_NOTFOUND)
		return st;
	terminal_take(&t, e, id, &a->terminal_note);
	buf_init(&out);
	terminal_encode(&t, &out);
	st = buf_status(&out);
	if (st == ST_OK)
		st = overlay_put_row(&a->overlay, TABLE_TERMINAL, bytes_of(key, len), buf_bytes(&out));
	buf_release(&out);
	return st;
}

struct terminal_note
apply_terminal_note(const struct apply *a)
{
	return a->terminal_note;
}

enum status
terminal_row_decode(struct bytes key, struct bytes value, struct terminal_row *ret)
{
	size_t store_len = strnlen((const char *)key.data, key.len);
	size_t terminal_len = store_len == key.len ? 0 : strnlen((const char *)key.data + store_len + 1, key.len - store_len - 1);
	size_t before = store_len + terminal_len + 2;

	if (before > key.len || key.len - before > LEDGER_PRINCIPAL_MAX ||
	    !terminal_name_set(&ret->name, (const char *)key.data, (const char *)key.data + store_len + 1))
		return ST_CORRUPT;
	memcpy(ret->principal, key.data + before, key.len - before);
	ret->principal[key.len - before] = '\0';
	return terminal_decode(value, &ret->state);
}
