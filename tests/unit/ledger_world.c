#include "ledger_world.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ORIGIN "test.example/club"
#define ARENA_BYTES ((size_t)256 * 1024 * 1024)

const char club_yaml[] =
    "id: club\n"
    "name: Club\n"
    "timezone: Asia/Seoul\n"
    "currency: KRW\n"
    "points: {unit: point, scale: 0}\n"
    "earn:\n"
    "  - {id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: \"1000\", points: \"1\", whole_steps: true}}\n"
    "expiry: {after: {days: 10}}\n"
    "birthday:\n"
    "  reward: {points: \"50\"}\n"
    "  window: {days_before: 0, days_after: 14}\n"
    "  issue: automatic\n"
    "  leap_day: feb_28\n"
    "  guard_days: 0\n"
    "redemption:\n"
    "  value: {points: \"1\", amount: \"10\"}\n"
    "  hold: {default_ttl: 15m, max_ttl: 30d}\n"
    "unknown_alias: refuse\n";

int64_t
kst(const char *local)
{
	char text[64];
	int64_t at_us = 0;

	snprintf(text, sizeof(text), "%s+09:00", local);
	assert_true(instant_parse(text, &at_us));
	return at_us;
}

/* ---- files ---- */

static void
make_genesis(struct ledger_world *w, struct buf *leaf)
{
	struct entry entry = {
		.op = OP_GENESIS, .principal = "operator/local", .engine = LEDGER_ENGINE, .business_date = DAY_NONE, .birthday = DAY_NONE,
		.u.genesis = {
			.format = 1, .origin = ORIGIN, .manual_clock = w->manual_clock,
			.transaction_key = bytes_of(keys_public(w->keys, KEY_TRANSACTION), PUBLIC_KEY_BYTES),
			.checkpoint_key = bytes_of(keys_public(w->keys, KEY_CHECKPOINT), PUBLIC_KEY_BYTES),
		},
	};
	struct transaction t = {
		.origin = ORIGIN, .n_entries = 1, .entries = &entry, .committed_at_us = w->manual_clock ? 1 : kst("2026-03-01T09:00:00")
	};
	uint8_t signature[SIGNATURE_BYTES], key_id[KEY_ID_BYTES];
	struct buf bytes;

	buf_init(&bytes);
	assert_int_equal(codec_transaction_encode(&t, &w->arena, &bytes), ST_OK);
	assert_int_equal(sign_once(w->keys, KEY_TRANSACTION, SIGNER_TRANSACTION_TYPE, buf_bytes(&bytes), signature), ST_OK);
	key_id_of(keys_public(w->keys, KEY_TRANSACTION), key_id);
	codec_signed_encode(
	    &(struct signed_transaction){ .transaction = buf_bytes(&bytes), .signature = bytes_of(signature, sizeof(signature)),
		.key_id = bytes_of(key_id, sizeof(key_id)) },
	    leaf);
	buf_release(&bytes);
}

static void
append_leaf(struct store *store, uint64_t seq, struct bytes leaf)
{
	struct store_txn *txn;
	uint8_t key[8];

	put_be64(key, seq);
	assert_int_equal(store_write(store, STORE_LEDGER, &txn), ST_OK);
	store_append(txn, TABLE_TRANSACTION, bytes_of(key, sizeof(key)), leaf);
	assert_int_equal(store_commit(txn), ST_OK);
}

static struct store *
open_store(struct ledger_world *w)
{
	struct store_params params = { .data_path = w->data, .head_lock_path = w->head_lock, .boot_id = "boot" };
	struct store *store = NULL;

	assert_int_equal(store_open(&params, &store), ST_OK);
	return store;
}

static void
make_files(struct ledger_world *w)
{
	const char *bad;
	struct buf leaf;

	assert_int_equal(keys_create(w->keys_path), ST_OK);
	assert_int_equal(keys_load(w->keys_path, &w->keys, &bad), ST_OK);
	assert_int_equal(store_create(w->data), ST_OK);
	struct store *store = open_store(w);
	buf_init(&leaf);
	make_genesis(w, &leaf);
	append_leaf(store, 0, buf_bytes(&leaf));
	buf_release(&leaf);
	store_close(store, true);
}

void
ledger_world_init(struct ledger_world *w, bool manual_clock)
{
	const char *tmp = getenv("TMPDIR");

	*w = (struct ledger_world){ .manual_clock = manual_clock, .now_us = kst("2026-03-02T10:00:00") };
	snprintf(w->root, sizeof(w->root), "%.32s/fealty-ledger.XXXXXX", tmp == NULL ? "/tmp" : tmp);
	assert_non_null(mkdtemp(w->root));
	snprintf(w->data, sizeof(w->data), "%s/data", w->root);
	snprintf(w->keys_path, sizeof(w->keys_path), "%s/keys", w->root);
	snprintf(w->head_lock, sizeof(w->head_lock), "%s/head.lock", w->root);
	snprintf(w->socket, sizeof(w->socket), "%s/socket", w->root);
	arena_init(&w->arena, ARENA_BYTES);
	make_files(w);
}

void
ledger_world_release(struct ledger_world *w)
{
	char command[128];

	world_close(w, true);
	keys_free(w->keys);
	arena_release(&w->arena);
	snprintf(command, sizeof(command), "rm -rf '%s'", w->root);
	assert_int_equal(system(command), 0);
}

void
world_open(struct ledger_world *w)
{
	struct replay_error error;

	assert_null(w->store);
	w->store = open_store(w);
	assert_true(store_state_trusted(w->store));
	assert_int_equal(apply_new(w->store, &w->apply), ST_OK);
	enum status st = apply_replay(w->apply, w->store, UINT64_MAX, NULL, NULL, &error);
	if (st != ST_OK)
		fail_msg("replay: %s, %s", status_str(st), error.sentence);
	w->open.n_entries = 0;
	w->n_leaves = 0;
}

void
world_close(struct ledger_world *w, bool clean)
{
	apply_free(w->apply);
	store_close(w->store, clean);
	w->apply = NULL;
	w->store = NULL;
}

/* ---- programs ---- */

struct bytes
world_definition(struct ledger_world *w, const char *yaml)
{
	struct yaml_lines *lines;
	struct text_error error;
	struct buf out;

	buf_init(&out);
	if (codec_yaml_parse(bytes_of(yaml, strlen(yaml)), &w->arena, &out, &lines, &error) != ST_OK)
		fail_msg("%s: %s", error.path, error.sentence);
	char *copy = arena_memdup(&w->arena, out.data, out.len);
	assert_non_null(copy);
	struct bytes definition = bytes_of(copy, out.len);
	buf_release(&out);
	return definition;
}

struct bytes
world_zone(struct ledger_world *w)
{
	FILE *f = fopen("/usr/share/zoneinfo/Asia/Seoul", "rb");
	char data[CALENDAR_ZONE_DATA_BYTES_MAX];

	assert_non_null(f);
	size_t n = fread(data, 1, sizeof(data), f);
	fclose(f);
	char *copy = arena_memdup(&w->arena, data, n);
	assert_non_null(copy);
	return bytes_of(copy, n);
}

/* ---- entries ---- */

struct cmd
world_cmd(enum op op, uint64_t member, const char *principal, const char *key)
{
	struct cmd cmd = { .op = op, .principal = principal, .request_id = key, .program = 1, .member = member };

	if (op == OP_ADJUST)
		cmd.u.adjust.last_day = DAY_NONE;
	memset(cmd.fingerprint, key == NULL ? 0 : key[0], sizeof(cmd.fingerprint));
	return cmd;
}

static void
begin(struct ledger_world *w, uint32_t program)
{
	const struct apply_head *head = apply_head(w->apply);

	if (w->open.n_entries > 0 && w->open.program == program)
		return;
	world_seal(w);
	w->open = (struct transaction){
		.origin = ORIGIN,
		.seq = head->size,
		.program = program,
		.entries = w->entries,
		.committed_at_us = w->now_us > head->committed_at_us ? w->now_us : head->committed_at_us + 1,
	};
	memcpy(w->open.prev, head->prev, SHA256_BYTES);
}

static struct entry_id
apply_decided(struct ledger_world *w, const struct entry *entry)
{
	enum evolve_fault fault;

	begin(w, entry->op == OP_CLOCK_ACCEPT || entry->op == OP_ROTATE_KEY || entry->op == OP_APPROVER_KEY ? 0 : entry->program);
	assert_true(w->open.n_entries < WORLD_ENTRIES);
	struct entry_id id = { w->open.seq, (uint32_t)w->open.n_entries };
	struct entry *slot = &w->entries[w->open.n_entries];
	*slot = *entry;
	slot->program = w->open.program;
	if (entry->request_id != NULL)
		slot->request_id = arena_strdup(&w->arena, entry->request_id); /* until the seal */
	slot->has_at = w->manual_clock;
	slot->at_us = w->now_us;
	assert_int_equal(apply_entry(w->apply, slot, id, w->open.committed_at_us, EVOLVE_LIVE, &fault), ST_OK);
	assert_int_equal(fault, EVOLVE_OK);
	w->open.n_entries++;
	return id;
}

enum ledger_result
world_play(struct ledger_world *w, struct cmd *cmd, struct entry_id *ret_id)
{
	struct entry entry;

	assert_int_equal(decide(apply_state(w->apply), cmd, w->now_us, &w->arena, &entry, &w->refusal), ST_OK);
	if (w->refusal.result != LEDGER_OK)
		return w->refusal.result;
	struct entry_id id = apply_decided(w, &entry);
	if (ret_id != NULL)
		*ret_id = id;
	return LEDGER_OK;
}

void
world_publish(struct ledger_world *w, const char *yaml, const char *key)
{
	struct cmd cmd = world_cmd(OP_PUBLISH, 0, "operator/local", key);
	struct program_error error;
	struct program *compiled;

	cmd.u.publish.definition = world_definition(w, yaml);
	cmd.u.publish.zone_data = world_zone(w);
	if (program_from_bytes(cmd.u.publish.definition, cmd.u.publish.zone_data, &w->arena, &compiled, &error) != ST_OK)
		fail_msg("%s: %s", error.path, error.sentence);
	cmd.u.publish.id = compiled->id;
	cmd.u.publish.compiled = compiled;
	cmd.program = apply_state(w->apply)->program_number(w->apply, compiled->id);
	world_seal(w);
	assert_int_equal(world_play(w, &cmd, NULL), LEDGER_OK);
	world_seal(w);
}

uint64_t
world_enrol(struct ledger_world *w, const char *key)
{
	struct cmd cmd = world_cmd(OP_ENROL, 0, "pos/1/1", key);

	assert_int_equal(world_play(w, &cmd, NULL), LEDGER_OK);
	return w->entries[w->open.n_entries - 1].member;
}

struct entry_id
world_purchase(struct ledger_world *w, uint64_t member, const char *key, int64_t won)
{
	struct cmd cmd = world_cmd(OP_PURCHASE, member, "pos/1/1", key);
	struct entry_id id = { 0 };
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)won);
	assert_true(decimal_parse(text, &cmd.u.purchase.amount));
	assert_int_equal(world_play(w, &cmd, &id), LEDGER_OK);
	return id;
}

/* ---- transactions ---- */

void
world_seal(struct ledger_world *w)
{
	struct buf transaction, leaf;
	static const uint8_t nothing[SIGNATURE_BYTES];
	bool rotates = w->open.n_entries > 0 && w->open.entries[0].op == OP_ROTATE_KEY;

	if (w->open.n_entries == 0)
		return;
	buf_init(&transaction);
	buf_init(&leaf);
	assert_int_equal(codec_transaction_encode(&w->open, &w->arena, &transaction), ST_OK);
	codec_signed_encode(
	    &(struct signed_transaction){
		.transaction = buf_bytes(&transaction), .signature = bytes_of(nothing, SIGNATURE_BYTES), .key_id = bytes_of(nothing, KEY_ID_BYTES),
		.second_signature = bytes_of(nothing, rotates ? SIGNATURE_BYTES : 0), .second_key_id = bytes_of(nothing, rotates ? KEY_ID_BYTES : 0),
	    },
	    &leaf);
	apply_seal(w->apply, &w->open, buf_bytes(&transaction));
	assert_int_equal(apply_leaf(w->apply, buf_bytes(&leaf)), ST_OK);
	char *copy = arena_memdup(&w->arena, leaf.data, leaf.len);
	assert_non_null(copy);
	assert_true(w->n_leaves < WORLD_LEAVES);
	w->leaves[w->n_leaves++] = bytes_of(copy, leaf.len);
	w->open.n_entries = 0;
	buf_release(&leaf);
	buf_release(&transaction);
}

void
world_commit_ledger(struct ledger_world *w)
{
	world_seal(w);
	for (size_t i = 0; i < w->n_leaves; i++)
		append_leaf(w->store, apply_head(w->apply)->size - w->n_leaves + i, w->leaves[i]);
	w->n_leaves = 0;
}

void
world_commit(struct ledger_world *w)
{
	world_commit_ledger(w);
	assert_int_equal(apply_flush(w->apply), ST_OK);
}

const struct member *
world_member(struct ledger_world *w, uint64_t number)
{
	const struct member *m = NULL;

	assert_int_equal(apply_state(w->apply)->member(w->apply, 1, number, &m), ST_OK);
	return m;
}

struct bytes
world_leaf(struct ledger_world *w, uint64_t seq)
{
	struct store_txn *txn;
	struct bytes leaf;
	uint8_t key[8];

	put_be64(key, seq);
	assert_int_equal(store_read(w->store, STORE_LEDGER, &txn), ST_OK);
	assert_int_equal(store_get(txn, TABLE_TRANSACTION, bytes_of(key, sizeof(key)), &leaf), ST_OK);
	char *copy = arena_memdup(&w->arena, leaf.data, leaf.len);
	assert_non_null(copy);
	store_abort(txn);
	return bytes_of(copy, leaf.len);
}

/* ---- a disk that fails ---- */

static bool
is_file(int fd, const char *path)
{
	char link[64], target[256];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, target, sizeof(target) - 1);
	return n >= 0 && (size_t)n == strlen(path) && memcmp(target, path, (size_t)n) == 0;
}

void
world_break(struct ledger_world *w, const char *environment, bool for_good)
{
	char path[160];

	assert_int_equal(w->n_broken, 0);
	snprintf(path, sizeof(path), "%s/%s/data.mdb", w->data, strcmp(environment, "vault") == 0 ? "vault/1" : environment);
	int full = open("/dev/full", O_RDWR | O_CLOEXEC), read_only = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(full >= 0 && read_only >= 0);
	for (int fd = 3; fd < 512; fd++) {
		if (fd == read_only || !is_file(fd, path))
			continue;
		assert_true(w->n_broken < sizeof(w->broken) / sizeof(w->broken[0]));
		int kept = fcntl(fd, F_DUPFD_CLOEXEC, 512);
		assert_true(kept >= 0);
		w->broken[w->n_broken].fd = fd;
		w->broken[w->n_broken++].kept = kept;
		assert_int_equal(dup2(for_good ? read_only : full, fd), fd);
	}
	close(full);
	close(read_only);
	assert_true(w->n_broken > 0);
}

void
world_mend(struct ledger_world *w)
{
	for (; w->n_broken > 0; w->n_broken--) {
		int fd = w->broken[w->n_broken - 1].fd, kept = w->broken[w->n_broken - 1].kept;
		assert_int_equal(dup2(kept, fd), fd);
		close(kept);
	}
}
