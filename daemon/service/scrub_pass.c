/*
 * A row is judged by what was computed when it was written: a transaction by the hash that state has of it, which the tree's signed roots bind in turn.
 * When the two differ, signature and chain say which of them is damaged.  Without a hash (its page is damaged too) they alone decide.
 *
 * The pages of a chunk that are damaged are told before its rows, so a gap between two rows is a fault of its own only when no such page explains it.
 */
#include "service/scrub_pass.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "merkle/checkpoint.h"
#include "merkle/note.h"
#include "service/scrub_tiles.h"
#include "service/vault_row.h"

#define SIGNATURES_OF 16		/* transactions, one is verified */
#define REST_ROWS 64
#define REST_LEAVES 4096
#define HOLES_MAX 16

struct hole { uint64_t first, end; };

struct scrub_pass {
	struct service *s;
	struct scrub_hooks hooks;
	struct key_history keys;
	uint64_t number, size;			/* transactions that this pass looks at */
	size_t stage;
	struct store_disk *disk;		/* of the stage's environment; NULL: not opened yet */
	struct store_disk_read read;
	struct store_key from;
	struct scrub_tiles *tiles;
	struct arena arena;
	uint64_t transactions, bytes;		/* bytes: since the last rest() */
	unsigned rows;				/* likewise */
	uint64_t stage_rows;			/* seen in this stage */
	bool stage_faults;			/* pages of it are damaged */
	bool stopped;
	enum status failed;			/* of us */
	/* transactions */
	uint64_t expected;			/* seq */
	bool has_prev;				/* the one before was good, and this is its hash: */
	uint8_t prev[SHA256_BYTES];
	size_t n_holes;				/* that damaged pages of this chunk explain */
	struct hole holes[HOLES_MAX];
	/* checkpoints */
	struct merkle_tree tree;
	bool tree_lost;				/* a hash was missing: no root can be compared any more */
	/* the vault */
	struct store_txn *vault;		/* keeps the key of its epoch */
};

struct stage {
	const char *name;
	enum store_env env;
	bool structure;
	enum store_table table;
	void (*row)(struct scrub_pass *p, struct bytes key, struct bytes value);
	void (*end)(struct scrub_pass *p);
};
static const struct stage stages[];

/* ---- what is found ---- */

static void __attribute__((format(printf, 7, 8)))
found(struct scrub_pass *p, enum figure_scrub kind, const char *environment, const char *what, uint64_t first, uint64_t last, const char *format, ...)
{
	struct scrub_fault fault = { .kind = kind, .environment = environment, .what = what, .has_seq = first != UINT64_MAX, .seq = first, .last = last };
	va_list args;

	va_start(args, format);
	vsnprintf(fault.where, sizeof(fault.where), format, args);
	va_end(args);
	p->hooks.found(p->hooks.ctx, &fault);
}

#define NO_SEQ UINT64_MAX, UINT64_MAX
#define ULL(n) ((unsigned long long)(n))

static void
found_transactions(struct scrub_pass *p, enum figure_scrub kind, const char *what, uint64_t first, uint64_t last)
{
	bool tile = kind == FIGURE_SCRUB_TILE;
	const char *environment = tile ? "state" : "ledger", *of = tile ? "hash of transaction" : "transaction";

	if (first == last)
		found(p, kind, environment, what, first, last, "%s %llu", of, ULL(first));
	else
		found(p, kind, environment, what, first, last, "%ss %llu to %llu", of, ULL(first), ULL(last));
}

static bool
rest(struct scrub_pass *p)
{
	p->bytes += scrub_tiles_bytes(p->tiles);
	p->rows = 0;
	if (!p->stopped && p->hooks.rest != NULL)
		p->stopped = !p->hooks.rest(p->hooks.ctx, p->bytes);
	p->bytes = 0;
	return !p->stopped;
}

/* ST_NOTFOUND, ST_CORRUPT: as scrub_tiles_get(); what else fails is ours, and the hash counts as not known. */
static enum status
tile_at(struct scrub_pass *p, unsigned level, uint64_t index, uint8_t ret_hash[static SHA256_BYTES])
{
	enum status st = scrub_tiles_get(p->tiles, level, index, ret_hash);

	if (st != ST_OK && st != ST_NOTFOUND && st != ST_CORRUPT) {
		p->failed = st;
		return ST_CORRUPT;
	}
	return st;
}

/* ---- transactions ---- */

static enum status
verify(const uint8_t public_key[static PUBLIC_KEY_LEN], struct bytes transaction, struct bytes signature)
{
	return sign_verify(public_key, SIGNER_TRANSACTION_TYPE, transaction, signature);
}

/* Whether it is signed by whoever has to; of what cannot be decoded, no. */
static bool
is_signed(struct scrub_pass *p, uint64_t seq, const struct signed_transaction *signed_t)
{
	enum replay_fault fault = REPLAY_OK;
	struct transaction t;

	arena_reset(&p->arena);
	enum status st = codec_transaction_decode(signed_t->transaction, &p->arena, &t);
	if (st == ST_OK)
		st = apply_check_signatures(&p->keys, seq, signed_t, &t, verify, &fault);
	if (st == ST_NOMEM)
		p->failed = st;
	return st == ST_OK && fault == REPLAY_OK;
}

struct look {
	bool readable, placed, chained, is_signed;
	enum status has_hash;			/* ST_OK; ST_NOTFOUND; ST_CORRUPT */
	bool same;				/* as the leaf's */
	struct signed_transaction signed_t;
};

static void
look_at(struct scrub_pass *p, uint64_t seq, struct bytes leaf, struct look *l)
{
	uint8_t hash[SHA256_BYTES], stored[SHA256_BYTES];
	struct transaction_head head;

	l->readable = codec_signed_decode(leaf, &l->signed_t) == ST_OK && codec_transaction_head(l->signed_t.transaction, &head) == ST_OK;
	l->placed = l->readable && head.seq == seq;
	l->chained = l->placed && (!p->has_prev || memcmp(head.prev.data, p->prev, SHA256_BYTES) == 0);
	merkle_leaf_hash(leaf, hash);
	l->has_hash = tile_at(p, 0, seq, stored);
	l->same = l->has_hash == ST_OK && memcmp(hash, stored, sizeof(hash)) == 0;
	bool must_verify = !l->same || (seq + p->number) % SIGNATURES_OF == 0;
	l->is_signed = l->readable && (!must_verify || is_signed(p, seq, &l->signed_t));
}

static const char *
words_of(const struct look *l)
{
	if (!l->readable)
		return "it is no transaction any more";
	if (!l->placed)
		return "its seq is not its place";
	if (!l->is_signed)
		return "its bytes are not those that were signed";
	return l->chained ? NULL : "it does not follow the one before it";
}

static void
check_transaction(struct scrub_pass *p, uint64_t seq, struct bytes leaf)
{
	struct look l;

	look_at(p, seq, leaf, &l);
	const char *what = words_of(&l);
	if (what != NULL)
		found_transactions(p, FIGURE_SCRUB_TRANSACTION, what, seq, seq);
	else if (l.has_hash == ST_OK && !l.same)
		found_transactions(p, FIGURE_SCRUB_TILE, "it is another than the transaction's, which is signed and in its place", seq, seq);
	else if (l.has_hash == ST_NOTFOUND)
		found_transactions(p, FIGURE_SCRUB_TILE, "it is missing", seq, seq);
	p->has_prev = what == NULL;
	if (!p->has_prev)
		return;
	hash_sha256(p->prev, &l.signed_t.transaction, 1);
	arena_reset(&p->arena);
	if (apply_follow_keys(&p->keys, seq, leaf, &p->arena) != ST_OK)
		p->failed = ST_NOMEM;
}

/* Transactions below ${seq} are not there; a page that is damaged, or that has them no more, has been told. */
static void
check_gap(struct scrub_pass *p, uint64_t seq)
{
	bool explained = false;

	for (size_t i = 0; i < p->n_holes; i++)
		explained |= p->holes[i].first < seq && p->holes[i].end > p->expected;
	if (p->expected < seq && !explained)
		found_transactions(p, FIGURE_SCRUB_TRANSACTION, "no row has it", p->expected, seq - 1);
	if (p->expected < seq)
		p->has_prev = false;
	p->expected = seq;
}

static void
on_transaction(struct scrub_pass *p, struct bytes key, struct bytes leaf)
{
	uint64_t seq = key.len == 8 ? get_be64(key.data) : UINT64_MAX;

	if (key.len != 8) {
		found(p, FIGURE_SCRUB_TRANSACTION, "ledger", "its key is none", NO_SEQ, "the row in place of transaction %llu", ULL(p->expected));
		return;
	}
	if (seq >= p->size || seq < p->expected)
		return;				/* newer than the pass; or the row of a chunk before */
	check_gap(p, seq);
	check_transaction(p, seq, leaf);
	p->expected = seq + 1;
	p->transactions++;
}

static void
end_transactions(struct scrub_pass *p)
{
	check_gap(p, p->size);
}

/* ---- checkpoints ---- */

static void
on_complete(void *ctx, unsigned level, uint64_t index, const uint8_t hash[static SHA256_BYTES])
{
	struct scrub_pass *p = ctx;
	uint8_t stored[SHA256_BYTES];

	if (level == 0 || level >= SCRUB_LEVELS)
		return;
	enum status st = tile_at(p, level, index, stored);
	if (st == ST_CORRUPT || (st == ST_OK && memcmp(stored, hash, sizeof(stored)) == 0))
		return;
	found(p, FIGURE_SCRUB_TILE, "state", st == ST_OK ? "it is not that of the hashes below it" : "it is missing", NO_SEQ,
	    "hash %llu of level %u of the tree", ULL(index), level);
}

static void
grow_tree(struct scrub_pass *p, uint64_t size)
{
	uint8_t hash[SHA256_BYTES];

	while (!p->tree_lost && p->tree.size < size && !p->stopped && p->failed == ST_OK) {
		p->tree_lost = tile_at(p, 0, p->tree.size, hash) != ST_OK;
		if (!p->tree_lost)
			merkle_tree_append(&p->tree, hash, on_complete, p);
		if (p->tree.size % REST_LEAVES == 0)
			rest(p);
	}
}

/* How many lines hold; false: one of a key that the ledger has or had does not. */
static bool
count_signed(struct scrub_pass *p, const struct note *note, struct bytes origin, uint64_t size, size_t *ret_n, bool *ret_must)
{
	const struct ledger_key *must = key_history_checkpoint(&p->keys, size);

	*ret_n = 0;
	*ret_must = false;
	for (size_t i = 0; i < p->keys.n; i++) {
		const struct ledger_key *k = &p->keys.keys[i];
		struct note_key key = note_key_of(origin, NOTE_ED25519, k->public_key);
		enum note_signed is;
		enum status st = note_verify(note, &key, verify_parts, NULL, &is);
		if (st != ST_OK)
			p->failed = st;
		if (st != ST_OK || is == NOTE_FORGED)
			return false;
		*ret_n += is == NOTE_SIGNED;
		*ret_must |= is == NOTE_SIGNED && k == must;
	}
	return true;
}

static const char *
judge_checkpoint(struct scrub_pass *p, uint64_t size, struct bytes text)
{
	struct checkpoint c;
	struct note note;
	uint8_t root[SHA256_BYTES];
	size_t n;
	bool must;

	if (note_parse(text, &note) != NOTE_OK || checkpoint_parse(note.text, &c) != CHECKPOINT_OK)
		return "it is no checkpoint any more";
	if (c.size != size || !bytes_equal(c.origin, bytes_of(p->s->origin, strlen(p->s->origin))))
		return "it is of another size or origin";
	if (size > p->size)
		return NULL;			/* newer than the pass, and so may be the key that signed it */
	if (!count_signed(p, &note, c.origin, size, &n, &must) || !must || n != note.n_signatures)
		return p->failed == ST_OK ? "its bytes are not those that were signed" : NULL;
	grow_tree(p, size);
	if (p->tree_lost || p->tree.size != size)
		return NULL;
	merkle_tree_root(&p->tree, root);
	if (memcmp(root, c.root, sizeof(root)) != 0) {
		p->tree_lost = true;		/* all that follow would differ as well */
		found(p, FIGURE_SCRUB_TILE, "state", "its hashes do not lead to the root of the checkpoint, which is signed", NO_SEQ, "the tree of size %llu", ULL(size));
	}
	return NULL;
}

static void
on_checkpoint(struct scrub_pass *p, struct bytes key, struct bytes text)
{
	uint64_t size = key.len == 8 ? get_be64(key.data) : UINT64_MAX;

	const char *what = key.len == 8 ? judge_checkpoint(p, size, text) : "its key is none";
	if (what != NULL && key.len == 8)
		found(p, FIGURE_SCRUB_CHECKPOINT, "ledger", what, size, size, "checkpoint of size %llu", ULL(size));
	else if (what != NULL)
		found(p, FIGURE_SCRUB_CHECKPOINT, "ledger", what, NO_SEQ, "a checkpoint");
}

/* What no checkpoint covers yet. */
static void
end_checkpoints(struct scrub_pass *p)
{
	grow_tree(p, p->size);
}

static void
on_cosignature(struct scrub_pass *p, struct bytes key, struct bytes line)
{
	if (key.len == COSIGNATURE_KEY_BYTES && note_is_line(line, get_be32(key.data + 8)))
		return;
	uint64_t size = key.len >= 8 ? get_be64(key.data) : 0;
	found(p, FIGURE_SCRUB_COSIGNATURE, "ledger", "it is no line of its witness any more", size, size, "a cosignature of size %llu", ULL(size));
}

/* ---- the vault ---- */

#define OPENS_NOT "it does not open under the epoch's key"

/* Of another epoch than the key that is held: the vault was just replaced, and the stage begins anew. */
static bool
is_other_epoch(const struct scrub_pass *p)
{
	return p->read.epoch != store_txn_epoch(p->vault);
}

static void
on_person(struct scrub_pass *p, struct bytes key, struct bytes value)
{
	if (is_other_epoch(p) || person_opens(vault_key(p->s->vault, p->read.epoch), key, value) == ST_OK)
		return;
	if (key.len == PERSON_KEY)
		found(p, FIGURE_SCRUB_VAULT, "vault", OPENS_NOT, NO_SEQ, "person %u/%llu, row of transaction %llu", get_be32(key.data),
		    ULL(get_be64(key.data + 4)), ULL(get_be64(key.data + 12)));
	else
		found(p, FIGURE_SCRUB_VAULT, "vault", "its key is none", NO_SEQ, "a person");
}

static void
on_alias(struct scrub_pass *p, struct bytes key, struct bytes value)
{
	if (is_other_epoch(p) || alias_opens(vault_key(p->s->vault, p->read.epoch), key, value) == ST_OK)
		return;
	found(p, FIGURE_SCRUB_VAULT, "vault", OPENS_NOT, NO_SEQ, "the alias whose hash begins with %016llx", ULL(key.len >= 8 ? get_be64(key.data) : 0));
}

/* ---- pages ---- */

static const char *
part_str(const struct store_disk_fault *f)
{
	switch (f->part) {
	case STORE_PART_META: return "meta";
	case STORE_PART_TABLES: return "list of tables";
	case STORE_PART_FREE: return "list of free pages";
	case STORE_PART_TABLE: return store_table_str(f->table);
	case STORE_PART_NONE:
	case STORE_PART_FILE: break;
	}
	return "file";
}

static const char *
env_str(enum store_env env)
{
	switch (env) {
	case STORE_LEDGER: return "ledger";
	case STORE_VAULT: return "vault";
	case STORE_STATE: return "state";
	}
	abort();
}

/* The first seq that a bound lets through. */
static uint64_t
seq_of(const struct store_key *key, uint64_t otherwise)
{
	if (key->len < 8)
		return otherwise;
	uint64_t seq = get_be64(key->data);
	return key->len > 8 && seq < UINT64_MAX ? seq + 1 : seq;
}

static void
found_page_of_transactions(struct scrub_pass *p, const struct store_disk_fault *f)
{
	uint64_t first = seq_of(&f->from, 0), end = seq_of(&f->before, p->size);

	if (end > p->size)
		end = p->size;
	if (first >= end)
		return;				/* newer than the pass */
	if (p->n_holes < HOLES_MAX)
		p->holes[p->n_holes++] = (struct hole){ first, end };
	found_transactions(p, FIGURE_SCRUB_TRANSACTION, f->unreadable ? "the disk does not give their page" : "their page is damaged", first, end - 1);
}

static void
on_fault(void *ctx, const struct store_disk_fault *f)
{
	struct scrub_pass *p = ctx;

	p->stage_faults = true;
	if (f->part == STORE_PART_TABLE && f->table == TABLE_TRANSACTION)
		found_page_of_transactions(p, f);
	found(p, FIGURE_SCRUB_PAGE, env_str(f->env), f->unreadable ? "the disk does not give it" : "its bytes are not what LMDB wrote", NO_SEQ,
	    "page %llu, %s", ULL(f->page), part_str(f));
}

static void
on_row(void *ctx, struct bytes key, struct bytes value)
{
	struct scrub_pass *p = ctx;

	if (p->stopped || p->failed != ST_OK)
		return;
	p->stage_rows++;
	stages[p->stage].row(p, key, value);
	if (++p->rows >= REST_ROWS && stages[p->stage].env == STORE_LEDGER)
		rest(p);
}

/* ---- steps ---- */

static const struct stage stages[] = {
	{ .name = "ledger", .env = STORE_LEDGER, .structure = true },
	{ .name = "transactions", .env = STORE_LEDGER, .table = TABLE_TRANSACTION, .row = on_transaction, .end = end_transactions },
	{ .name = "checkpoints", .env = STORE_LEDGER, .table = TABLE_CHECKPOINT, .row = on_checkpoint, .end = end_checkpoints },
	{ .name = "cosignatures", .env = STORE_LEDGER, .table = TABLE_COSIGNATURE, .row = on_cosignature },
	{ .name = "vault", .env = STORE_VAULT, .structure = true },
	{ .name = "persons", .env = STORE_VAULT, .table = TABLE_PERSON, .row = on_person },
	{ .name = "aliases", .env = STORE_VAULT, .table = TABLE_ALIAS, .row = on_alias },
};
#define STAGES (sizeof(stages) / sizeof(*stages))

/* Rows are only added to these tables, and behind all others: who has read all has read as many as there are in the newest snapshot. */
static void
check_count(struct scrub_pass *p)
{
	const struct stage *stage = &stages[p->stage];
	bool grows = !stage->structure && (stage->table == TABLE_TRANSACTION || stage->table == TABLE_CHECKPOINT);

	if (grows && !p->stage_faults && p->stage_rows != p->read.entries)
		found(p, FIGURE_SCRUB_PAGE, env_str(stage->env), "it says another number of rows than it has", NO_SEQ, "the table %s", store_table_str(stage->table));
}

static void
next_stage(struct scrub_pass *p)
{
	p->stage++;
	p->stage_rows = 0;
	p->stage_faults = false;
	p->from.len = 0;
	if (p->stage < STAGES && stages[p->stage].env == stages[p->stage - 1].env)
		return;
	store_disk_close(p->disk);
	p->disk = NULL;
}

static enum status
read_chunk(struct scrub_pass *p, size_t bytes)
{
	const struct store_disk_visit visit = { p, on_row, on_fault };
	const struct stage *stage = &stages[p->stage];

	p->n_holes = 0;
	p->read.bytes = 0;
	if (stage->structure)
		return store_disk_structure(p->disk, &visit, &p->read);
	return store_disk_read(p->disk, stage->table, &p->from, bytes, &visit, &p->read);
}

/* The vault's transaction keeps the key of the epoch that it is in, as long as rows are looked at. */
static enum status
read_stage(struct scrub_pass *p, size_t bytes, bool *ret_other)
{
	enum status st = ST_OK;

	*ret_other = false;
	if (p->disk == NULL)
		st = store_disk_open(p->s->store, stages[p->stage].env, &p->disk);
	if (st == ST_OK && stages[p->stage].env == STORE_VAULT)
		st = store_read(p->s->store, STORE_VAULT, &p->vault);
	if (st != ST_OK)
		return st;
	st = read_chunk(p, bytes);
	*ret_other = st == ST_OK && p->vault != NULL && is_other_epoch(p);
	store_abort(p->vault);
	p->vault = NULL;
	p->bytes += p->read.bytes;
	return st;
}

enum status
scrub_pass_step(struct scrub_pass *p, size_t bytes, bool *ret_done)
{
	bool other = false;

	assert(p->stage < STAGES);
	enum status st = read_stage(p, bytes, &other);
	if (st == ST_OK)
		st = p->failed;
	if (st == ST_OK && other)
		p->from.len = 0;
	else if (st == ST_OK && !p->read.done)
		p->from = p->read.next;
	else if (st == ST_OK && !p->stopped) {
		check_count(p);
		if (stages[p->stage].end != NULL)
			stages[p->stage].end(p);
		st = p->failed;
		if (st == ST_OK && !p->stopped)
			next_stage(p);
	}
	rest(p);
	*ret_done = st == ST_OK && p->stage == STAGES;
	return st == ST_OK && p->stopped ? ST_INTERRUPTED : st;
}

void
scrub_pass_progress(const struct scrub_pass *p, struct scrub_progress *ret)
{
	bool over = p->stage == STAGES;
	bool trees = !over && stages[p->stage].table == TABLE_CHECKPOINT;

	*ret = (struct scrub_progress){ .direct = p->read.direct, .stage = over ? "over" : stages[p->stage].name, .size = p->size,
		.position = trees ? p->tree.size : p->expected, .transactions = p->transactions };
}

static void
on_tile_fault(void *ctx, const struct store_disk_fault *fault)
{
	on_fault(ctx, fault);
}

enum status
scrub_pass_new(struct service *s, const struct key_history *keys, uint64_t number, const struct scrub_hooks *hooks, struct scrub_pass **ret_pass)
{
	struct scrub_pass *p = calloc(1, sizeof(*p));
	struct store_txn *state;

	if (p == NULL)
		return ST_NOMEM;
	p->s = s;
	p->hooks = *hooks;
	p->keys = *keys;
	p->number = number;
	arena_init(&p->arena, READ_ARENA_BYTES);
	merkle_tree_init(&p->tree);
	enum status st = store_read(s->store, STORE_STATE, &state);
	if (st == ST_OK) {
		st = apply_read_size(state, &p->size);
		store_abort(state);
	}
	if (st == ST_OK)
		st = scrub_tiles_new(s->store, on_tile_fault, p, &p->tiles);
	if (st != ST_OK) {
		scrub_pass_free(p);
		return st;
	}
	*ret_pass = p;
	return ST_OK;
}

void
scrub_pass_free(struct scrub_pass *p)
{
	if (p == NULL)
		return;
	store_disk_close(p->disk);
	scrub_tiles_free(p->tiles);
	arena_release(&p->arena);
	free(p);
}
