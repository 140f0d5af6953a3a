/*
 * fealty init: a data directory, a directory of keys, and the genesis.  Both directories must be new, so everything in them is ours and is
 * removed again when a later step fails.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "codec/codec.h"
#include "commands.h"
#include "signer/signer.h"
#include "store/store.h"

enum { KEY_ORIGIN = KEY_COMMAND, KEY_CLOCK, KEY_KEYS };

#define ORIGIN_BYTES_MAX 128
#define GENESIS_ARENA_BYTES (1u << 20)
#define FORMAT_NUMBER 1
#define MANUAL_EPOCH_US 1		/* every `at` after 1970 is later */
#define PATH_BYTES 4096

struct init_input {
	struct args args;
	bool json, manual_clock;
	char *origin, *keys;
	char data_path[PATH_BYTES], keys_path[PATH_BYTES];
};

static void
strip_slashes(char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		path[--len] = '\0';
}

static error_t
judge(struct argp_state *state, struct init_input *in)
{
	error_t failed = args_need(state, &in->args, 1);

	if (failed != 0)
		return failed;
	if (in->origin == NULL)
		return cli_usage(state, "--origin is needed: a name of the ledger that nobody else uses, such as points.example.com/2026");
	size_t len = strlen(in->origin);
	if (len == 0 || len > ORIGIN_BYTES_MAX)
		return cli_usage(state, "--origin: 1 to %d bytes are needed, \"%s\" has %zu", ORIGIN_BYTES_MAX, in->origin, len);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)in->origin[i] <= ' ' || in->origin[i] == '+' || in->origin[i] == 0x7f)
			return cli_usage(state, "--origin: \"%s\" has a space, a '+' or a control character", in->origin);
	json_t *text = json_string(in->origin);
	if (text == NULL)
		return cli_usage(state, "--origin must be UTF-8");
	json_decref(text);
	if (snprintf(in->data_path, PATH_BYTES, "%s", in->args.v[0]) >= PATH_BYTES - 16 || in->data_path[0] == '\0')
		return cli_usage(state, "DIR is no path, or too long");
	strip_slashes(in->data_path);
	int n = in->keys != NULL ? snprintf(in->keys_path, PATH_BYTES, "%s", in->keys)
				 : snprintf(in->keys_path, PATH_BYTES, "%.4080s.keys", in->data_path);
	return n < PATH_BYTES ? 0 : cli_usage(state, "--keys: the path is too long");
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct init_input *in = state->input;

	switch (key) {
	case KEY_ORIGIN:
		in->origin = arg;
		return 0;
	case KEY_CLOCK:
		if (strcmp(arg, "real") != 0 && strcmp(arg, "manual") != 0)
			return cli_usage(state, "--clock: \"%s\" is neither real nor manual", arg);
		in->manual_clock = strcmp(arg, "manual") == 0;
		return 0;
	case KEY_KEYS:
		in->keys = arg;
		return 0;
	case KEY_JSON:
		in->json = true;
		return 0;
	case ARGP_KEY_ARG:
		return args_take(state, arg, &in->args, 1);
	case ARGP_KEY_END:
		return judge(state, in);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- the genesis ---- */

static enum status
encode_genesis(const struct init_input *in, const struct keys *keys, struct arena *arena, struct buf *out)
{
	struct entry entry = {
		.op = OP_GENESIS, .principal = "operator/local", .engine = LEDGER_ENGINE, .business_date = DAY_NONE, .birthday = DAY_NONE,
	};
	struct transaction t = { .origin = in->origin, .n_entries = 1, .entries = &entry };

	entry.u.genesis.format = FORMAT_NUMBER;
	entry.u.genesis.origin = in->origin;
	entry.u.genesis.transaction_key = bytes_of(keys_public(keys, KEY_TRANSACTION), PUBLIC_KEY_BYTES);
	entry.u.genesis.checkpoint_key = bytes_of(keys_public(keys, KEY_CHECKPOINT), PUBLIC_KEY_BYTES);
	entry.u.genesis.manual_clock = in->manual_clock;
	struct clock clock = clock_system();
	t.committed_at_us = in->manual_clock ? MANUAL_EPOCH_US : clock.now_us(clock.ctx);
	return codec_transaction_encode(&t, arena, out);
}

static enum status
sign_genesis(const struct keys *keys, struct bytes transaction, struct buf *out)
{
	uint8_t signature[SIGNATURE_BYTES], key_id[KEY_ID_BYTES];

	enum status st = sign_once(keys, KEY_TRANSACTION, SIGNER_TRANSACTION_TYPE, transaction, signature);
	if (st != ST_OK)
		return st;
	key_id_of(keys_public(keys, KEY_TRANSACTION), key_id);
	struct signed_transaction s = { .transaction = transaction, .signature = bytes_of(signature, sizeof(signature)),
		.key_id = bytes_of(key_id, sizeof(key_id)) };
	codec_signed_encode(&s, out);
	return buf_status(out);
}

static enum status
store_genesis(const struct init_input *in, struct bytes leaf)
{
	struct store_params params = { .data_path = in->data_path };
	struct store *store;
	struct store_txn *txn;
	uint8_t key[8];

	enum status st = store_open(&params, &store);
	if (st != ST_OK)
		return st;
	put_be64(key, 0);
	st = store_write(store, STORE_LEDGER, &txn);
	if (st == ST_OK) {
		store_append(txn, TABLE_TRANSACTION, bytes_of(key, sizeof(key)), leaf);
		st = store_commit(txn);
	}
	store_close(store, st == ST_OK);
	return st;
}

static enum status
write_genesis(const struct init_input *in, const struct keys *keys)
{
	struct arena arena;
	struct buf transaction, leaf;

	arena_init(&arena, GENESIS_ARENA_BYTES);
	buf_init(&transaction);
	buf_init(&leaf);
	enum status st = encode_genesis(in, keys, &arena, &transaction);
	if (st == ST_OK)
		st = sign_genesis(keys, buf_bytes(&transaction), &leaf);
	if (st == ST_OK)
		st = store_genesis(in, buf_bytes(&leaf));
	buf_release(&leaf);
	buf_release(&transaction);
	arena_release(&arena);
	return st;
}

/* ---- what people see ---- */

static void
shell_quote(char *out, size_t out_bytes, const char *path)
{
	bool plain = path[strspn(path, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-./:@%")] == '\0';

	(void)snprintf(out, out_bytes, plain ? "%s" : "\"%s\"", path);
}

static enum exit_code
tell(const struct init_input *in, const struct keys *keys)
{
	uint8_t transaction_id[KEY_ID_BYTES], checkpoint_id[KEY_ID_BYTES];
	char id[2 * KEY_ID_BYTES + 1], key[2 * PUBLIC_KEY_BYTES + 1], start[3 * PATH_BYTES], data[PATH_BYTES + 2], key_dir[PATH_BYTES + 2],
	    keys_option[PATH_BYTES + 16] = "";

	key_id_of(keys_public(keys, KEY_TRANSACTION), transaction_id);
	key_id_of(keys_public(keys, KEY_CHECKPOINT), checkpoint_id);
	shell_quote(data, sizeof(data), in->data_path);
	shell_quote(key_dir, sizeof(key_dir), in->keys_path);
	if (in->keys != NULL)
		(void)snprintf(keys_option, sizeof(keys_option), " --keys %s", key_dir);
	(void)snprintf(start, sizeof(start), "fealtyd --data %s%s%s --socket %s.sock", data, keys_option,
	    in->manual_clock ? " --clock manual" : "", data);
	struct bytes transaction_key = bytes_of(keys_public(keys, KEY_TRANSACTION), PUBLIC_KEY_BYTES);
	struct bytes checkpoint_key = bytes_of(keys_public(keys, KEY_CHECKPOINT), PUBLIC_KEY_BYTES);
	if (!in->json) {
		(void)printf("Made the ledger %s in %s, with its keys in %s.\n", in->origin, in->data_path, in->keys_path);
		(void)printf("  transactions are signed by  %s\n", hex_format(transaction_key, key));
		(void)printf("                   key id     %s\n", hex_format(bytes_of(transaction_id, KEY_ID_BYTES), id));
		(void)printf("  checkpoints are signed by   %s\n", hex_format(checkpoint_key, key));
		(void)printf("                   key id     %s\n", hex_format(bytes_of(checkpoint_id, KEY_ID_BYTES), id));
		(void)printf("Keep a copy of the keys apart from the data; without them the ledger cannot go on.\n");
		if (in->manual_clock)
			(void)printf("The clock is manual: commands carry their time. Such a ledger is for tests and simulations and never "
				     "runs on the real clock.\n");
		(void)printf("Start it:\n  %s\n", start);
		return EXIT_DONE;
	}
	json_t *object = json_new();
	json_put_text(object, "status", "OK");
	json_put_text(object, "origin", in->origin);
	json_put_text(object, "data", in->data_path);
	json_put_text(object, "keys", in->keys_path);
	json_put_text(object, "clock", in->manual_clock ? "manual" : "real");
	json_put_hex(object, "transaction_key", transaction_key);
	json_put_hex(object, "transaction_key_id", bytes_of(transaction_id, KEY_ID_BYTES));
	json_put_hex(object, "checkpoint_key", checkpoint_key);
	json_put_hex(object, "checkpoint_key_id", bytes_of(checkpoint_id, KEY_ID_BYTES));
	json_put_text(object, "start", start);
	return json_print_line(object, EXIT_DONE);
}

/* ---- the steps ---- */

static bool
exists(const char *path)
{
	struct stat about;

	return lstat(path, &about) == 0;
}

/* ST_NOMEM of keys_load() means that they could not be locked. */
static enum exit_code
make(const struct init_input *in, struct keys **ret_keys)
{
	const char *bad = NULL;

	enum status st = store_create(in->data_path);
	if (st != ST_OK)
		return cli_fail(in->json, EXIT_INTERNAL, "%s could not be made: %s", in->data_path, cli_status_words(st));
	st = keys_create(in->keys_path);
	if (st != ST_OK)
		return cli_fail(in->json, EXIT_INTERNAL, "the keys could not be made in %s: %s; nothing was left behind", in->keys_path,
		    cli_status_words(st));
	st = keys_load(in->keys_path, ret_keys, &bad);
	if (st != ST_OK)
		return cli_fail(in->json, EXIT_INTERNAL, "the new keys could not be loaded (%s): %s; nothing was left behind",
		    bad != NULL ? bad : "memory",
		    st == ST_NOMEM ? "memory could not be locked, raise RLIMIT_MEMLOCK" : cli_status_words(st));
	st = write_genesis(in, *ret_keys);
	if (st != ST_OK)
		return cli_fail(in->json, EXIT_INTERNAL, "the genesis could not be stored in %s: %s; nothing was left behind",
		    in->data_path, cli_status_words(st));
	return EXIT_DONE;
}

/* The daemon keeps the last head it published beside the data, and would take a new ledger for an old copy of that one. */
static bool
head_lock_exists(const struct init_input *in)
{
	char path[PATH_BYTES + 16];

	(void)snprintf(path, sizeof(path), "%s.head.lock", in->data_path);
	return exists(path);
}

enum exit_code
cmd_init(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "origin", KEY_ORIGIN, "NAME", 0,
		    "Name of the ledger, for ever: it is in every transaction and checkpoint. A name that nobody else uses, such as "
		    "points.example.com/2026",
		    0 },
		{ "clock", KEY_CLOCK, "real|manual", 0, "manual: commands carry their time; for tests and simulations only (default: real)",
		    0 },
		{ "keys", KEY_KEYS, "KEYDIR", 0, "Directory of the keys (default: DIR.keys)", 0 },
		{ "json", KEY_JSON, NULL, 0, "Print JSON", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "DIR",
		"Make a new ledger in DIR, its keys beside it, and its first transaction.\v"
		"Neither directory may exist.",
		NULL, NULL, NULL };
	static struct init_input in;
	struct keys *keys = NULL;

	cli_parse(&argp, argc, argv, &in);
	if (exists(in.data_path) || exists(in.keys_path))
		return cli_fail(in.json, EXIT_USAGE, "%s exists already; a new ledger needs a directory of its own",
		    exists(in.data_path) ? in.data_path : in.keys_path);
	if (head_lock_exists(&in))
		return cli_fail(in.json, EXIT_USAGE,
		    "%s.head.lock is there: it is of a ledger that was here before. Remove it, or choose another place", in.data_path);
	enum exit_code code = make(&in, &keys);
	if (code == EXIT_DONE) {
		code = tell(&in, keys);
	} else {
		directory_remove(in.keys_path);
		directory_remove(in.data_path);
	}
	keys_free(keys);
	return code;
}
