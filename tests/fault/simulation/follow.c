/*
 * Behind the commit thread, transaction by transaction, with nothing but what is durable: chain, books, each command once, and the model.
 * At the end, on a directory whose process has gone: signatures, tree and checkpoints, and a replay into a fresh state against the one that is there.
 */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#include "apply/apply.h"
#include "merkle/checkpoint.h"
#include "merkle/note.h"
#include "merkle/tree.h"
#include "signer/signer.h"
#include "signer/verify.h"

#define ARENA_BYTES ((size_t)64 * 1024 * 1024)

static struct {
	uint64_t size;
	uint64_t cap;
	uint8_t (*leaves)[SHA256_BYTES];	/* [cap], of those that were read; or, above size, that somebody claims */
	bool *claimed;
	uint8_t prev[SHA256_BYTES];
	int64_t committed_at_us;
	struct arena arena;
} log_seen;

uint64_t
followed(void)
{
	return log_seen.size;
}

static void
make_room(uint64_t seq)
{
	uint64_t cap = log_seen.cap;

	if (seq < cap)
		return;
	log_seen.cap = seq * 2 + 1024;
	log_seen.leaves = realloc(log_seen.leaves, log_seen.cap * sizeof(*log_seen.leaves));
	log_seen.claimed = realloc(log_seen.claimed, log_seen.cap * sizeof(*log_seen.claimed));
	if (log_seen.leaves == NULL || log_seen.claimed == NULL)
		broken("no memory for leaves");
	memset(log_seen.claimed + cap, 0, (log_seen.cap - cap) * sizeof(*log_seen.claimed));
}

void
follow_claim(uint64_t seq, const uint8_t leaf[static SHA256_BYTES])
{
	make_room(seq);
	if ((seq < log_seen.size || log_seen.claimed[seq]) && memcmp(leaf, log_seen.leaves[seq], SHA256_BYTES) != 0)
		broken("somebody was given another transaction %llu than there is", (unsigned long long)seq);
	memcpy(log_seen.leaves[seq], leaf, SHA256_BYTES);
	log_seen.claimed[seq] = true;
}

static void
hash(struct bytes bytes, uint8_t ret[static SHA256_BYTES])
{
	hash_sha256(ret, &bytes, 1);
}

static struct bytes
leaf_at(struct store_txn *ledger, uint64_t seq)
{
	struct bytes leaf;
	uint8_t key[8];

	put_be64(key, seq);
	enum status st = store_get(ledger, TABLE_TRANSACTION, bytes_of(key, sizeof(key)), &leaf);
	if (st != ST_OK)
		broken("transaction %llu cannot be read: %s", (unsigned long long)seq, status_str(st));
	return leaf;
}

static uint64_t
ledger_size(struct store_txn *ledger)
{
	struct bytes key, value;

	return store_last(ledger, TABLE_TRANSACTION, &key, &value) == ST_OK ? get_be64(key.data) + 1 : 0;
}

/* ---- an entry ---- */

static void
check_books(const struct transaction *t, uint32_t index)
{
	const struct entry *e = &t->entries[index];
	int64_t sum = 0;

	for (size_t i = 0; i < e->n_postings; i++)
		sum += e->postings[i].points;
	if (sum != 0)
		broken("the postings of %s %llu.%u sum to %lld", op_str(e->op), (unsigned long long)t->seq, index, (long long)sum);
}

static struct command *
command_of(const struct transaction *t, uint32_t index)
{
	const struct entry *e = &t->entries[index];

	if (e->request_id == NULL)
		return NULL;
	uint32_t i = command_find(e->request_id);
	if (i == NONE)
		broken("entry %llu.%u has the request id %s, which nobody sent", (unsigned long long)t->seq, index, e->request_id);
	struct command *c = command_at(i);
	if (c->recorded)
		broken("%s %s is in the ledger twice: %llu.%u and %llu.%u", deed_str(c->deed), c->key, (unsigned long long)c->at.seq, c->at.index,
		    (unsigned long long)t->seq, index);
	if (c->refused != NULL && c->n_sent == 1)
		broken("%s %s is in the ledger at %llu.%u, and was refused: %s", deed_str(c->deed), c->key, (unsigned long long)t->seq, index, c->refused);
	if (strcmp(op_str(e->op), deed_str(c->deed)) != 0)
		broken("%s was sent as %s and is in the ledger as %s", c->key, deed_str(c->deed), op_str(e->op));
	c->recorded = true;
	c->at = (struct entry_id){ t->seq, index };
	return c;
}

static void
check_acknowledged(const struct command *c)
{
	if (!c->ok || !c->recorded)
		return;
	if (c->id.seq != c->at.seq || c->id.index != c->at.index)
		broken("%s %s was acknowledged as %llu.%u and is in the ledger at %llu.%u", deed_str(c->deed), c->key, (unsigned long long)c->id.seq, c->id.index,
		    (unsigned long long)c->at.seq, c->at.index);
	if (command_is_predicted(c) && (c->available != c->want_available || c->held != c->want_held))
		broken("%s %s was answered with %lld available and %lld held; the model says %lld and %lld", deed_str(c->deed), c->key, (long long)c->available,
		    (long long)c->held, (long long)c->want_available, (long long)c->want_held);
}

static void
take(uint64_t seq, struct bytes leaf)
{
	struct signed_transaction signed_t;
	struct transaction t;

	arena_reset(&log_seen.arena);
	if (codec_signed_decode(leaf, &signed_t) != ST_OK || codec_leaf_decode(leaf, &log_seen.arena, &t) != ST_OK)
		broken("transaction %llu cannot be decoded", (unsigned long long)seq);
	if (t.seq != seq || memcmp(t.prev, log_seen.prev, SHA256_BYTES) != 0 || t.committed_at_us <= log_seen.committed_at_us)
		broken("transaction %llu does not follow the one before", (unsigned long long)seq);
	make_room(seq);
	uint8_t leaf_hash[SHA256_BYTES];
	hash(leaf, leaf_hash);
	follow_claim(seq, leaf_hash);
	hash(signed_t.transaction, log_seen.prev);
	log_seen.committed_at_us = t.committed_at_us;
	log_seen.size = seq + 1;
	for (uint32_t i = 0; i < t.n_entries; i++) {
		check_books(&t, i);
		struct command *c = command_of(&t, i);
		model_entry(&t, i, c);
		if (c != NULL)
			check_acknowledged(c);
	}
	trace("transaction %llu: %s, %zu entries", (unsigned long long)seq, op_str(t.entries[0].op), t.n_entries);
}

bool
follow(struct store *store)
{
	struct store_txn *ledger;

	if (log_seen.arena.budget_bytes == 0)
		arena_init(&log_seen.arena, ARENA_BYTES);
	enum status st = store_read(store, STORE_LEDGER, &ledger);
	if (st != ST_OK && excused())
		return false;
	if (st != ST_OK)
		broken("the ledger cannot be read: %s", status_str(st));
	uint64_t size = ledger_size(ledger);
	if (size < log_seen.size)
		broken("the ledger has %llu transactions, and had %llu", (unsigned long long)size, (unsigned long long)log_seen.size);
	for (uint64_t seq = log_seen.size; seq < size; seq++)
		take(seq, leaf_at(ledger, seq));
	store_abort(ledger);
	return true;
}

/* ---- at the end ---- */

static enum status
verify(const uint8_t public_key[static PUBLIC_KEY_LEN], struct bytes transaction, struct bytes signature)
{
	return sign_verify(public_key, SIGNER_TRANSACTION_TYPE, transaction, signature);
}

static void
check_signatures(struct store_txn *ledger)
{
	struct key_history keys;
	struct replay_error error;

	if (apply_read_keys(ledger, NULL, log_seen.size, verify, &keys, &error) != ST_OK)
		broken("who signs cannot be told: %s", error.sentence);
	for (uint64_t seq = 0; seq < log_seen.size; seq++) {
		struct signed_transaction signed_t;
		struct transaction t;
		enum replay_fault fault;
		struct bytes leaf = leaf_at(ledger, seq);
		uint8_t now[SHA256_BYTES];
		hash(leaf, now);
		if (memcmp(now, log_seen.leaves[seq], SHA256_BYTES) != 0)
			broken("transaction %llu is not what it was", (unsigned long long)seq);
		arena_reset(&log_seen.arena);
		if (codec_signed_decode(leaf, &signed_t) != ST_OK || codec_leaf_decode(leaf, &log_seen.arena, &t) != ST_OK
		    || apply_check_signatures(&keys, seq, &signed_t, &t, verify, &fault) != ST_OK)
			broken("transaction %llu cannot be verified", (unsigned long long)seq);
		if (fault != REPLAY_OK)
			broken("transaction %llu: %s", (unsigned long long)seq, replay_fault_str(fault));
	}
}

/* Each checkpoint that is stored is of the tree as it was then. */
static void
check_checkpoints(struct store_txn *ledger)
{
	struct store_cursor *cursor;
	struct bytes key, text;
	struct merkle_tree tree;
	uint64_t n = 0;

	merkle_tree_init(&tree);
	if (store_cursor_open(ledger, TABLE_CHECKPOINT, bytes_of(NULL, 0), &cursor) != ST_OK)
		broken("the checkpoints cannot be read");
	while (store_cursor_next(cursor, &key, &text) == ST_OK) {
		struct checkpoint c;
		struct note note;
		uint8_t root[SHA256_BYTES];
		uint64_t size = get_be64(key.data);
		if (size > log_seen.size)
			broken("there is a checkpoint of %llu transactions", (unsigned long long)size);
		while (tree.size < size) {
			struct bytes leaf = leaf_at(ledger, tree.size);
			uint8_t leaf_hash[SHA256_BYTES];
			merkle_leaf_hash(leaf, leaf_hash);
			merkle_tree_append(&tree, leaf_hash, NULL, NULL);
		}
		merkle_tree_root(&tree, root);
		if (note_parse(text, &note) != NOTE_OK || checkpoint_parse(note.text, &c) != CHECKPOINT_OK || c.size != size
		    || memcmp(c.root, root, SHA256_BYTES) != 0)
			broken("the checkpoint of %llu transactions is of another tree", (unsigned long long)size);
		n++;
	}
	store_cursor_close(cursor);
	if (n == 0 && log_seen.size > 1)
		broken("there is no checkpoint");
}

static struct store *
open_store(const char *data_path, const char *head_lock_path)
{
	struct store_params params = { .data_path = data_path, .head_lock_path = head_lock_path, .boot_id = "of-nobody", .low_space_bytes = 1 };
	struct store *store;

	enum status st = store_open(&params, &store);
	if (st != ST_OK)
		broken("the directory cannot be opened afterwards: %s", status_str(st));
	return store;
}

/* All rows of state, in their order; but for how far the schedule came, which no ledger tells. */
static void
state_digest(struct store *store, enum store_table table, uint8_t ret[static SHA256_BYTES], uint64_t *ret_rows)
{
	struct store_cursor *cursor;
	struct store_txn *state;
	struct bytes key, value;
	struct buf all;

	buf_init(&all);
	*ret_rows = 0;
	if (store_read(store, STORE_STATE, &state) != ST_OK || store_cursor_open(state, table, bytes_of(NULL, 0), &cursor) != ST_OK)
		broken("state cannot be read");
	while (store_cursor_next(cursor, &key, &value) == ST_OK) {
		if (table == TABLE_META && bytes_equal(key, bytes_of("schedule", strlen("schedule"))))
			continue;
		buf_put_be64(&all, key.len);
		buf_put(&all, key.data, key.len);
		buf_put_be64(&all, value.len);
		buf_put(&all, value.data, value.len);
		(*ret_rows)++;
	}
	if (buf_status(&all) != ST_OK)
		broken("no memory for rows");
	hash(buf_bytes(&all), ret);
	buf_release(&all);
	store_cursor_close(cursor);
	store_abort(state);
}

static void
check_replay(struct store *store)
{
	uint8_t was[TABLE_COUNT][SHA256_BYTES], is[SHA256_BYTES];
	uint64_t rows[TABLE_COUNT], n;
	struct replay_error error;
	struct apply *apply;

	for (enum store_table t = TABLE_META; t < TABLE_COUNT; t++)
		state_digest(store, t, was[t], &rows[t]);
	if (store_state_discard(store) != ST_OK || apply_new(store, &apply) != ST_OK)
		broken("state cannot be emptied");
	enum status st = apply_replay(apply, store, UINT64_MAX, NULL, NULL, &error);
	if (st != ST_OK)
		broken("the ledger cannot be replayed: %s: %s", status_str(st), error.sentence);
	apply_free(apply);
	for (enum store_table t = TABLE_META; t < TABLE_COUNT; t++) {
		state_digest(store, t, is, &n);
		if (memcmp(is, was[t], SHA256_BYTES) != 0)
			broken("a replay gives another table %s: %llu rows, and %llu were there", store_table_str(t), (unsigned long long)n, (unsigned long long)rows[t]);
	}
}

/* Each has one alias and one profile, and nobody else has any: of those who were erased, or whose enrolment a crash took back, nothing is left. */
static void
check_vault(struct store *store)
{
	struct store_txn *vault;

	if (store_read(store, STORE_VAULT, &vault) != ST_OK)
		broken("the vault cannot be read");
	uint64_t aliases = store_rows(vault, TABLE_ALIAS), persons = store_rows(vault, TABLE_PERSON);
	store_abort(vault);
	if (aliases != model_people() || persons != model_people())
		broken("the vault has %llu aliases and %llu persons; the model has %u", (unsigned long long)aliases, (unsigned long long)persons, model_people());
}

static void
check_commands(void)
{
	for (uint32_t i = 0; i < commands_count(); i++) {
		const struct command *c = command_at(i);
		if (c->ok && !c->recorded && c->deed < DEED_BATCH)
			broken("%s %s was acknowledged as %llu.%u, and the ledger does not have it", deed_str(c->deed), c->key, (unsigned long long)c->id.seq, c->id.index);
		check_acknowledged(c);
	}
}

void
follow_check(const char *data_path, const char *head_lock_path)
{
	struct store_txn *ledger;

	struct store *store = open_store(data_path, head_lock_path);
	if (!follow(store))
		broken("the ledger cannot be read afterwards");
	check_commands();
	if (store_read(store, STORE_LEDGER, &ledger) != ST_OK)
		broken("the ledger cannot be read");
	check_signatures(ledger);
	check_checkpoints(ledger);
	store_abort(ledger);
	check_vault(store);
	check_replay(store);
	store_close(store, true);
	trace("ledger of %llu transactions", (unsigned long long)log_seen.size);
	arena_release(&log_seen.arena);
	free(log_seen.leaves);
	free(log_seen.claimed);
}
