/*
 * The keys are the genesis's and those that follow from it, and the genesis is signed by the key that it names itself: that finds damage, not
 * forgery.  Forgery is found by
 * whoever has the key from elsewhere.
 *
 * head.lock is read before the ledger, so that a ledger with a smaller head than it has lost something.
 */
#include "log_source.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "apply/apply.h"
#include "codec/codec.h"
#include "guard.h"
#include "signer/signer.h"

#define TRANSACTION_ARENA_BYTES (16u << 20)
#define PATH_BYTES 4096

/* ---- the keys ---- */

static enum status
verify_transaction(const uint8_t public_key[static PUBLIC_KEY_LEN], struct bytes transaction, struct bytes signature)
{
	return sign_verify(public_key, SIGNER_TRANSACTION_TYPE, transaction, signature);
}

/* Whose log it is, and when its newest transaction was made. */
static enum status
take_ends(struct log_source *source, struct bytes newest, struct arena *arena)
{
	struct signed_transaction s;
	struct transaction t;

	enum status st = codec_signed_decode(newest, &s);
	if (st == ST_OK)
		st = codec_transaction_decode_one(s.transaction, 0, arena, &t);
	if (st != ST_OK)
		return st == ST_NOTFOUND ? ST_CORRUPT : st;
	if (t.origin == NULL || strlen(t.origin) > LOG_ORIGIN_BYTES_MAX || !note_name_valid(bytes_of(t.origin, strlen(t.origin))))
		return ST_CORRUPT;
	(void)strcpy(source->origin, t.origin);
	source->committed_at_us = t.committed_at_us;
	return ST_OK;
}

/* The state saves reading all transactions, when it is there; what it says is not believed. */
static enum status
read_keys(struct log_source *source, struct store_txn *ledger)
{
	struct store_txn *state = NULL;
	struct replay_error error;

	if (store_state_trusted(source->store) && store_read(source->store, STORE_STATE, &state) != ST_OK)
		state = NULL;
	enum status st = store_renew(ledger);
	if (st == ST_OK && state != NULL)
		st = apply_read_keys(ledger, state, source->size, verify_transaction, &source->keys, &error);
	if (state == NULL || st == ST_CORRUPT || st == ST_INVALID)
		st = apply_read_keys(ledger, NULL, source->size, verify_transaction, &source->keys, &error);
	store_abort(state);
	return st == ST_INVALID ? ST_CORRUPT : st;
}

static enum status
read_log(struct log_source *source, struct store_txn *ledger, struct arena *arena)
{
	struct bytes key, newest;

	guard_at(GUARD_LEDGER, 0);
	enum status st = store_last(ledger, TABLE_TRANSACTION, &key, &newest);
	if (st == ST_OK && (key.len != 8 || get_be64(key.data) == UINT64_MAX))
		st = ST_CORRUPT;
	if (st == ST_OK)
		st = take_ends(source, newest, arena);
	if (st != ST_OK)
		return st;
	source->size = get_be64(key.data) + 1;
	return read_keys(source, ledger);
}

static enum status
open_log(struct log_source *source)
{
	struct store_txn *ledger;
	struct arena arena;

	enum status st = store_read(source->store, STORE_LEDGER, &ledger);
	if (st != ST_OK)
		return st;
	arena_init(&arena, TRANSACTION_ARENA_BYTES);
	st = read_log(source, ledger, &arena);
	arena_release(&arena);
	store_abort(ledger);
	return st;
}

static struct note_key
note_key_for(const struct log_source *source, const struct ledger_key *key)
{
	return note_key_of(bytes_of(source->origin, strlen(source->origin)), NOTE_ED25519, key->public_key);
}

struct note_key
log_key(const struct log_source *source, uint64_t size)
{
	return note_key_for(source, key_history_checkpoint(&source->keys, size));
}

bool
log_key_beside(const struct log_source *source, uint64_t size, int64_t committed_at_us, struct note_key *ret_key)
{
	const struct ledger_key *beside = key_history_beside(&source->keys, size, committed_at_us);

	if (beside != NULL)
		*ret_key = note_key_for(source, beside);
	return beside != NULL;
}

/* ---- the directory ---- */

static enum exit_code
tell_open(const struct log_source *source, enum status st)
{
	switch (st) {
	case ST_NOTFOUND:
		return cli_fail(source->json, EXIT_USAGE, "%s is no data directory of fealty", source->data_path);
	case ST_FORMAT:
		return cli_fail(source->json, EXIT_USAGE, "%s has another format than this program knows", source->data_path);
	case ST_CORRUPT:
		return cli_fail(source->json, EXIT_REFUSED, "the ledger in %s is damaged; \"fealty audit %s\" says where", source->data_path,
		    source->data_path);
	default:
		return cli_fail(source->json, EXIT_INTERNAL, "%s cannot be read: %s", source->data_path, cli_status_words(st));
	}
}

enum exit_code
log_source_open(const char *data_path, const char *head_lock, bool json, struct log_source *ret_source)
{
	char default_path[PATH_BYTES];
	struct store_params params = { .data_path = data_path, .read_only = true, .head_lock_path = head_lock };
	size_t len = strlen(data_path);

	*ret_source = (struct log_source){ .data_path = data_path, .json = json };
	while (len > 1 && data_path[len - 1] == '/')
		len--;
	if (head_lock == NULL && snprintf(default_path, PATH_BYTES, "%.*s.head.lock", (int)len, data_path) < PATH_BYTES)
		params.head_lock_path = default_path;
	guard_at(GUARD_FILE, 0);
	enum status st = store_open(&params, &ret_source->store);
	if (st != ST_OK)
		return tell_open(ret_source, st);
	st = open_log(ret_source);
	if (st == ST_OK)
		return EXIT_DONE;
	store_close(ret_source->store, false);
	return tell_open(ret_source, st == ST_NOTFOUND ? ST_CORRUPT : st);
}

void
log_source_close(struct log_source *source)
{
	store_close(source->store, false);
	source->store = NULL;
}

enum exit_code
log_source_command(const struct argp *argp, int argc, char **argv, log_source_print_fn *print)
{
	struct plain_input in = { .json = false };
	static struct log_source source;

	cli_parse(argp, argc, argv, &in);
	guard_begin(in.json);
	enum exit_code code = log_source_open(in.args.v[0], NULL, in.json, &source);
	if (code != EXIT_DONE)
		return code;
	code = print(&source, in.json);
	log_source_close(&source);
	guard_end();
	return code;
}

/* ---- checkpoints ---- */

enum log_head_result
log_source_head(const struct log_source *source, struct bytes text, struct log_head *ret_head)
{
	struct log_head head;
	const char *why;

	if (!log_head_read(text, &head, &why))
		return LOG_HEAD_NOT_A_CHECKPOINT;
	struct note_key key = log_key(source, head.size);
	enum log_head_result result = log_head_verify(&head, &key);
	if (result == LOG_HEAD_OK)
		*ret_head = head;
	return result;
}

/* The row of a size, or the newest at or below it. */
static enum status
read_head(const struct log_source *source, uint64_t size, bool exactly, struct log_head *ret_head)
{
	struct bytes key, note;
	struct store_txn *ledger;
	uint8_t wanted[8];

	enum status st = store_read(source->store, STORE_LEDGER, &ledger);
	if (st != ST_OK)
		return st;
	put_be64(wanted, size);
	guard_at(GUARD_FILE, 0);
	st = store_floor(ledger, TABLE_CHECKPOINT, bytes_of(wanted, sizeof(wanted)), &key, &note);
	if (st == ST_OK && exactly && !bytes_equal(key, bytes_of(wanted, sizeof(wanted))))
		st = ST_NOTFOUND;
	if (st == ST_OK && (log_source_head(source, note, ret_head) != LOG_HEAD_OK || key.len != 8 || get_be64(key.data) != ret_head->size))
		st = ST_CORRUPT;
	if (st == ST_OK)
		st = apply_put_cosignatures(ledger, ret_head->size, ret_head->note, &ret_head->note_bytes);
	store_abort(ledger);
	return st;
}

enum status
log_head_of(const struct log_source *source, uint64_t size, struct log_head *ret_head)
{
	return read_head(source, size, true, ret_head);
}

enum status
log_head_near(const struct log_source *source, uint64_t size, uint64_t *ret_below, uint64_t *ret_above)
{
	struct bytes key, note;
	struct store_txn *ledger;
	uint8_t at[8], above[8];

	enum status st = store_read(source->store, STORE_LEDGER, &ledger);
	if (st != ST_OK)
		return st;
	put_be64(at, size);
	put_be64(above, size + 1);
	guard_at(GUARD_FILE, 0);
	st = store_floor(ledger, TABLE_CHECKPOINT, bytes_of(at, sizeof(at)), &key, &note);
	*ret_below = st == ST_OK && key.len == 8 ? get_be64(key.data) : 0;
	if (st == ST_OK || st == ST_NOTFOUND)
		st = store_ceil(ledger, TABLE_CHECKPOINT, bytes_of(above, sizeof(above)), &key, &note);
	*ret_above = st == ST_OK && key.len == 8 ? get_be64(key.data) : 0;
	store_abort(ledger);
	return st == ST_NOTFOUND ? ST_OK : st;
}

enum exit_code
log_head_newest(const struct log_source *source, struct log_head *ret_head)
{
	struct store_head published = { .size = UINT64_MAX };

	enum status st = store_head_read(source->store, &published);
	if (st != ST_OK && st != ST_NOTFOUND)
		return cli_fail(source->json, EXIT_INTERNAL, "the file with the head that was published last cannot be read: %s",
		    cli_status_words(st));
	bool has_published = st == ST_OK;
	st = read_head(source, published.size, false, ret_head);
	if (st == ST_NOTFOUND)
		return cli_fail(source->json, EXIT_UNAVAILABLE,
		    "the ledger in %s has no published checkpoint yet: its daemon makes the first one within a second when it runs",
		    source->data_path);
	if (st == ST_CORRUPT)
		return cli_fail(source->json, EXIT_REFUSED,
		    "a checkpoint stored in %s is damaged, or not signed by the key that the ledger had then; \"fealty audit %s\" looks further",
		    source->data_path, source->data_path);
	if (st != ST_OK)
		return tell_open(source, st);
	if (has_published && (ret_head->size != published.size || memcmp(ret_head->root, published.root, sizeof(published.root)) != 0))
		return cli_fail(source->json, EXIT_REFUSED,
		    "the ledger in %s does not have the head of %" PRIu64 " transactions that was published: it is an old copy, or was changed. "
		    "Nothing is exported, since it would contradict what others have seen",
		    source->data_path, published.size);
	return EXIT_DONE;
}
