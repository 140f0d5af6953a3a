/* Epochs of the vault: a turn loses nobody who is left, whatever the writer does meanwhile, and has nothing of those who were forgotten. */
#include "service_world.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/vault_copy.h"
#include "service/vault_row.h"

#define PEOPLE 700		/* more than a chunk of the copy */

struct fixture {
	struct ledger_world w;
	struct vault *vault;
	struct arena arena;
	struct epochs epochs;
	uint64_t seq;
};

static void
open_vault(struct fixture *f)
{
	f->w.store = NULL;
	world_open(&f->w);
	assert_int_equal(vault_new(f->w.store, f->w.keys, f->w.keys_path, &f->vault), ST_OK);
}

static void
reopen(struct fixture *f)
{
	vault_free(f->vault);
	world_close(&f->w, false);
	open_vault(f);
}

static int
setup(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));

	ledger_world_init(&f->w, true);
	arena_init(&f->arena, (size_t)64 * 1024 * 1024);
	open_vault(f);
	f->seq = 5;
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	vault_free(f->vault);
	arena_release(&f->arena);
	ledger_world_release(&f->w);
	test_free(f);
	return 0;
}

static void
commit(struct fixture *f)
{
	assert_int_equal(vault_write_additions(f->vault), ST_OK);
	assert_int_equal(vault_write_removals(f->vault), ST_OK);
	f->seq++;
}

/* ---- people: member n has the aliases "card:n" and "app:n", until they change ---- */

static char *
name(struct fixture *f, const char *kind, uint64_t n)
{
	char text[64];

	snprintf(text, sizeof(text), "%s:%llu", kind, (unsigned long long)n);
	return arena_strdup(&f->arena, text);
}

static void
enrol(struct fixture *f, uint64_t n)
{
	struct profile p;

	vault_profile_init(&p);
	p.aliases[p.n_aliases++] = name(f, "card", n);
	p.aliases[p.n_aliases++] = name(f, "app", n);
	p.segments[p.n_segments++] = name(f, "segment", n);
	p.dates[p.n_dates++] = (struct birthday_date){ (int)(n % 12) + 1, (int)(n % 28) + 1, 20000 };
	for (size_t i = 0; i < p.n_aliases; i++)
		assert_int_equal(vault_link(f->vault, 1, p.aliases[i], n, f->seq), ST_OK);
	assert_int_equal(vault_put_profile(f->vault, 1, n, f->seq, &p), ST_OK);
}

static void
enrol_all(struct fixture *f)
{
	for (uint64_t n = 1; n <= PEOPLE; n++)
		enrol(f, n);
	commit(f);
}

static void
forget(struct fixture *f, uint64_t n)
{
	struct profile p;

	assert_int_equal(vault_profile(f->vault, 1, n, &f->arena, &p), ST_OK);
	for (size_t i = 0; i < p.n_aliases; i++)
		assert_int_equal(vault_unlink(f->vault, 1, p.aliases[i], f->seq), ST_OK);
	assert_int_equal(vault_forget(f->vault, 1, n, f->seq), ST_OK);
}

/* The alias "app:from" is taken from one and given to another. */
static void
move_alias(struct fixture *f, uint64_t from, uint64_t to)
{
	struct profile a, b;

	assert_int_equal(vault_profile(f->vault, 1, from, &f->arena, &a), ST_OK);
	assert_int_equal(vault_profile(f->vault, 1, to, &f->arena, &b), ST_OK);
	const char *alias = a.aliases[--a.n_aliases];
	b.aliases[b.n_aliases++] = alias;
	assert_int_equal(vault_unlink(f->vault, 1, alias, f->seq), ST_OK);
	assert_int_equal(vault_put_profile(f->vault, 1, from, f->seq, &a), ST_OK);
	assert_int_equal(vault_link(f->vault, 1, alias, to, f->seq), ST_OK);
	assert_int_equal(vault_put_profile(f->vault, 1, to, f->seq, &b), ST_OK);
}

static uint64_t
who_is(struct fixture *f, const char *alias)
{
	uint64_t member = 0;
	enum status st = vault_find(f->vault, 1, alias, &member);

	assert_true(st == ST_OK || st == ST_NOTFOUND);
	return st == ST_OK ? member : 0;
}

static void
assert_there(struct fixture *f, uint64_t n)
{
	struct profile p;

	assert_int_equal(who_is(f, name(f, "card", n)), n);
	assert_int_equal(vault_profile(f->vault, 1, n, &f->arena, &p), ST_OK);
	assert_string_equal(p.aliases[0], name(f, "card", n));
	assert_string_equal(p.segments[0], name(f, "segment", n));
	assert_int_equal(p.dates[0].month, n % 12 + 1);
	arena_reset(&f->arena);
}

static void
assert_gone(struct fixture *f, uint64_t n)
{
	struct profile p;

	assert_int_equal(who_is(f, name(f, "card", n)), 0);
	assert_int_equal(vault_profile(f->vault, 1, n, &f->arena, &p), ST_NOTFOUND);
}

/* ---- turns ---- */

static struct vault_copy *
copy_begin(struct fixture *f, uint64_t epoch)
{
	struct vault_copy *copy;

	f->epochs.begun_us = 77;
	f->epochs.n_old = 1;
	f->epochs.old[0] = (struct epoch_old){ epoch - 1, 77 };
	assert_int_equal(vault_copy_new(f->vault, f->w.keys_path, epoch, &f->epochs, &copy), ST_OK);
	return copy;
}

static void
copy_end(struct vault_copy *copy)
{
	bool harmless;

	assert_int_equal(vault_copy_finish(copy, &harmless), ST_OK);
	assert_int_equal(vault_copy_settle(copy), ST_OK);
	vault_copy_free(copy);
}

static void
turn(struct fixture *f, uint64_t epoch)
{
	struct vault_copy *copy = copy_begin(f, epoch);

	assert_int_equal(vault_copy_run(copy, NULL), ST_OK);
	copy_end(copy);
	assert_int_equal(store_vault_epoch(f->w.store), epoch);
}

/* What is under vault/, sorted by nothing: the one name, or how many. */
static void
assert_vaults(struct fixture *f, const char *want)
{
	char path[160], found[64] = "";

	snprintf(path, sizeof(path), "%s/vault", f->w.data);
	DIR *d = opendir(path);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		if (e->d_name[0] != '.')
			strcat(found, e->d_name);
	closedir(d);
	assert_string_equal(found, want);
}

static bool
key_there(struct fixture *f, uint64_t epoch)
{
	uint64_t epochs[EPOCH_KEYS_MAX];
	size_t n;

	assert_int_equal(epoch_key_list(f->w.keys_path, epochs, &n), ST_OK);
	for (size_t i = 0; i < n; i++)
		if (epochs[i] == epoch)
			return true;
	return false;
}

static void
a_turn_keeps_all(void **state)
{
	struct fixture *f = *state;
	struct profile p;
	struct store_txn *txn;

	enrol_all(f);
	/* A merge: 2 has the alias in its profile, and its row is 1's still. */
	assert_int_equal(vault_profile(f->vault, 1, 2, &f->arena, &p), ST_OK);
	p.aliases[p.n_aliases++] = "merged";
	p.absorbed[p.n_absorbed++] = 1;
	assert_int_equal(vault_link(f->vault, 1, "merged", 1, f->seq), ST_OK);
	assert_int_equal(vault_put_profile(f->vault, 1, 2, f->seq, &p), ST_OK);
	commit(f);
	for (uint64_t epoch = 2; epoch <= 3; epoch++) {
		turn(f, epoch);
		for (uint64_t n = 1; n <= PEOPLE; n++)
			assert_there(f, n);
		assert_int_equal(who_is(f, "merged"), 1);
		assert_vaults(f, epoch == 2 ? "2" : "3");
	}
	assert_int_equal(store_read(f->w.store, STORE_VAULT, &txn), ST_OK);
	assert_int_equal(vault_epochs_read(txn, &f->epochs), ST_OK);
	store_abort(txn);
	assert_true(f->epochs.begun_us == 77 && f->epochs.n_old == 1 && f->epochs.old[0].epoch == 2);
	reopen(f);
	assert_there(f, PEOPLE);
	assert_int_equal(who_is(f, "merged"), 1);
	enrol(f, PEOPLE + 1);
	commit(f);
	assert_there(f, PEOPLE + 1);
}

static size_t
bytes_in(struct fixture *f, uint64_t epoch, const uint8_t *what, size_t len)
{
	char path[160];
	size_t n = 0;
	struct stat s;

	snprintf(path, sizeof(path), "%s/vault/%llu/data.mdb", f->w.data, (unsigned long long)epoch);
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0 && fstat(fd, &s) == 0);
	uint8_t *data = malloc((size_t)s.st_size);
	assert_true(read(fd, data, (size_t)s.st_size) == s.st_size);
	close(fd);
	for (const uint8_t *at = data; (at = memmem(at, (size_t)(data + s.st_size - at), what, len)) != NULL; at++)
		n++;
	free(data);
	return n;
}

/* LMDB keeps what was deleted; the next epoch has neither that nor what else was under the old keys. */
static void
who_was_forgotten_is_not_in_the_next(void **state)
{
	struct fixture *f = *state;
	uint8_t hash[ALIAS_HASH_BYTES], hash_of_next[ALIAS_HASH_BYTES], wrapped[72];
	struct bytes key, value;
	struct store_txn *txn;

	enrol_all(f);
	alias_hash(vault_key(f->vault, 1), 1, "card:9", hash);
	assert_int_equal(store_read(f->w.store, STORE_VAULT, &txn), ST_OK);
	assert_int_equal(person_row(txn, 1, 9, &key, &value), ST_OK);
	memcpy(wrapped, value.data, sizeof(wrapped));
	store_abort(txn);
	forget(f, 9);
	commit(f);
	assert_gone(f, 9);
	assert_true(bytes_in(f, 1, wrapped, sizeof(wrapped)) > 0);	/* this is why there are epochs */
	assert_true(bytes_in(f, 1, hash, sizeof(hash)) > 0);
	turn(f, 2);
	assert_gone(f, 9);
	alias_hash(vault_key(f->vault, 2), 1, "card:9", hash_of_next);
	assert_memory_not_equal(hash, hash_of_next, sizeof(hash));
	assert_int_equal(bytes_in(f, 2, wrapped, sizeof(wrapped)), 0);
	assert_int_equal(bytes_in(f, 2, hash, sizeof(hash)), 0);
	assert_int_equal(bytes_in(f, 2, hash_of_next, sizeof(hash_of_next)), 0);
	assert_there(f, 8);
}

static void
what_changes_meanwhile_is_in_it(void **state)
{
	struct fixture *f = *state;

	enrol_all(f);
	struct vault_copy *copy = copy_begin(f, 2);
	assert_int_equal(vault_copy_run(copy, NULL), ST_OK);
	forget(f, 1);
	move_alias(f, 2, 3);
	move_alias(f, 5, 4);
	enrol(f, PEOPLE + 1);
	commit(f);
	move_alias(f, 3, 6);		/* once more */
	forget(f, 7);
	commit(f);
	enrol(f, 7);			/* its aliases are another's now, or its own again */
	commit(f);
	copy_end(copy);
	assert_gone(f, 1);
	assert_int_equal(who_is(f, "app:1"), 0);
	assert_int_equal(who_is(f, "app:2"), 6);
	assert_int_equal(who_is(f, "app:5"), 4);
	assert_int_equal(who_is(f, "app:3"), 3);
	for (uint64_t n = 2; n <= PEOPLE + 1; n++)
		assert_there(f, n);
}

static void *
run_copy(void *copy)
{
	return vault_copy_run(copy, NULL) == ST_OK ? copy : NULL;
}

/* The writer writes all the while. */
static void
beside_a_busy_writer(void **state)
{
	struct fixture *f = *state;
	uint64_t born = PEOPLE, dead = 0;
	pthread_t thread;
	void *went_well;

	enrol_all(f);
	for (uint64_t epoch = 2; epoch <= 4; epoch++) {
		struct vault_copy *copy = copy_begin(f, epoch);
		assert_int_equal(pthread_create(&thread, NULL, run_copy, copy), 0);
		for (int i = 0; i < 40; i++) {
			forget(f, ++dead);
			enrol(f, ++born);
			move_alias(f, 200 + dead, 500 + dead);
			commit(f);
		}
		assert_int_equal(pthread_join(thread, &went_well), 0);
		assert_non_null(went_well);
		forget(f, ++dead);
		enrol(f, ++born);
		commit(f);
		copy_end(copy);
		for (uint64_t n = 1; n <= born; n++) {
			if (n <= dead)
				assert_gone(f, n);
			else
				assert_there(f, n);
		}
		assert_int_equal(who_is(f, "app:201"), 501);
	}
	reopen(f);
	assert_gone(f, dead);
	assert_there(f, dead + 1);
	assert_there(f, born);
}

/* Whoever reads goes on in the old vault, and is waited for. */
static void
a_reader_is_waited_for(void **state)
{
	struct fixture *f = *state;
	struct store_txn *txn;
	uint64_t member;
	bool harmless;

	enrol_all(f);
	assert_int_equal(store_read(f->w.store, STORE_VAULT, &txn), ST_OK);
	struct vault_copy *copy = copy_begin(f, 2);
	assert_int_equal(vault_copy_run(copy, NULL), ST_OK);
	assert_int_equal(vault_copy_finish(copy, &harmless), ST_OK);
	enrol(f, PEOPLE + 1);
	commit(f);
	assert_true(store_txn_outdated(txn));
	assert_int_equal(store_txn_epoch(txn), 1);
	assert_int_equal(vault_lookup(f->vault, txn, 1, "card:17", &member), ST_OK);
	assert_int_equal(member, 17);
	assert_int_equal(vault_copy_settle(copy), ST_BUSY);
	assert_int_equal(store_renew(txn), ST_OK);
	assert_int_equal(store_txn_epoch(txn), 2);
	assert_int_equal(vault_lookup(f->vault, txn, 1, name(f, "card", PEOPLE + 1), &member), ST_OK);
	assert_int_equal(vault_copy_settle(copy), ST_OK);
	vault_copy_free(copy);
	store_abort(txn);
	assert_vaults(f, "2");
}

/* Ended before its end, by us or by a crash: the vault is as it was, and the next turn has another number. */
static void
a_copy_that_is_given_up_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	atomic_bool stop = true;

	enrol_all(f);
	struct vault_copy *copy = copy_begin(f, 2);
	assert_int_equal(vault_copy_run(copy, &stop), ST_INTERRUPTED);
	vault_copy_free(copy);
	assert_vaults(f, "1");
	assert_false(key_there(f, 2));
	assert_there(f, 3);
	forget(f, 3);
	commit(f);

	copy = copy_begin(f, 2);
	assert_int_equal(vault_copy_run(copy, NULL), ST_OK);
	char path[160], keep[160];		/* a crash: what is on the disk stays as it is */
	snprintf(path, sizeof(path), "%s/vault/2.new", f->w.data);
	snprintf(keep, sizeof(keep), "%s/vault/x", f->w.data);
	assert_int_equal(rename(path, keep), 0);
	vault_copy_free(copy);
	assert_int_equal(rename(keep, path), 0);
	assert_int_equal(epoch_key_create(f->w.keys_path, 2), ST_OK);
	reopen(f);
	assert_vaults(f, "1");
	assert_int_equal(store_vault_epoch(f->w.store), 1);
	assert_gone(f, 3);
	assert_there(f, 4);
	assert_int_equal(vault_copy_new(f->vault, f->w.keys_path, 2, &f->epochs, &copy), ST_BUSY);
	turn(f, 3);
	assert_gone(f, 3);
	assert_there(f, 4);
}

/* An alias that no profile has cannot be copied: better no turn than one that loses it. */
static void
a_copy_that_lacks_a_row_is_not_taken(void **state)
{
	struct fixture *f = *state;
	bool harmless = false;

	enrol_all(f);
	assert_int_equal(vault_link(f->vault, 1, "nobody's", 1, f->seq), ST_OK);
	commit(f);
	struct vault_copy *copy = copy_begin(f, 2);
	assert_int_equal(vault_copy_run(copy, NULL), ST_OK);
	assert_int_equal(vault_copy_finish(copy, &harmless), ST_CORRUPT);
	assert_true(harmless);
	vault_copy_free(copy);
	assert_vaults(f, "1");
	assert_false(key_there(f, 2));
	assert_int_equal(who_is(f, "nobody's"), 1);
	assert_there(f, 5);
}

/* A row of one epoch opens in no other, though the file was put there. */
static void
a_row_is_bound_to_its_epoch(void **state)
{
	struct fixture *f = *state;
	uint8_t key[PERSON_KEY], row[512];
	struct bytes found, value;
	struct store_txn *txn;
	struct profile p;

	enrol(f, 1);
	commit(f);
	assert_int_equal(store_read(f->w.store, STORE_VAULT, &txn), ST_OK);
	assert_int_equal(person_row(txn, 1, 1, &found, &value), ST_OK);
	assert_true(value.len <= sizeof(row));
	size_t len = value.len;
	memcpy(key, found.data, sizeof(key));
	memcpy(row, value.data, len);
	store_abort(txn);
	turn(f, 2);
	assert_there(f, 1);
	assert_int_equal(store_write(f->w.store, STORE_VAULT, &txn), ST_OK);
	store_put(txn, TABLE_PERSON, bytes_of(key, sizeof(key)), bytes_of(row, len));
	assert_int_equal(store_commit(txn), ST_OK);
	vault_discard(f->vault);	/* what a batch reads is of its beginning */
	assert_int_equal(vault_profile(f->vault, 1, 1, &f->arena, &p), ST_CORRUPT);
}

static void
without_its_key_a_vault_is_closed(void **state)
{
	struct fixture *f = *state;

	enrol(f, 1);
	commit(f);
	vault_free(f->vault);
	assert_int_equal(epoch_key_destroy(f->w.keys_path, 1), ST_OK);
	assert_int_equal(vault_new(f->w.store, f->w.keys, f->w.keys_path, &f->vault), ST_NOTFOUND);
	f->vault = NULL;
}

/* ---- the key files ---- */

static void
keys_of_epochs(void **state)
{
	struct fixture *f = *state;
	struct epoch_key *a, *b;
	uint64_t epochs[EPOCH_KEYS_MAX];
	char path[160], text[80] = "", second[160];
	size_t n;

	assert_int_equal(epoch_key_create(f->w.keys_path, 1), ST_BUSY);
	assert_int_equal(epoch_key_create(f->w.keys_path, 12), ST_OK);
	assert_int_equal(epoch_key_create(f->w.keys_path, 9), ST_OK);
	assert_int_equal(epoch_key_list(f->w.keys_path, epochs, &n), ST_OK);
	assert_true(n == 3 && epochs[0] == 1 && epochs[1] == 9 && epochs[2] == 12);
	assert_int_equal(epoch_key_load(f->w.keys_path, f->w.keys, 9, &a), ST_OK);
	assert_int_equal(epoch_key_load(f->w.keys_path, f->w.keys, 12, &b), ST_OK);
	for (int i = 0; i < EPOCH_USES; i++)
		assert_memory_not_equal(epoch_key_secret(a, (enum epoch_use)i), epoch_key_secret(b, (enum epoch_use)i), HASH_KEY_BYTES);
	assert_memory_not_equal(epoch_key_secret(a, EPOCH_SEALS), epoch_key_secret(a, EPOCH_NAMES), HASH_KEY_BYTES);
	uint8_t of_nine[EPOCH_USES][HASH_KEY_BYTES];
	for (int i = 0; i < EPOCH_USES; i++)
		memcpy(of_nine[i], epoch_key_secret(a, (enum epoch_use)i), HASH_KEY_BYTES);
	epoch_key_free(a);
	epoch_key_free(b);

	/* Overwritten: a second name shows what was in it. */
	snprintf(path, sizeof(path), "%s/vault.9.key", f->w.keys_path);
	snprintf(second, sizeof(second), "%s/second", f->w.keys_path);
	assert_int_equal(link(path, second), 0);
	int fd = open(second, O_RDONLY);
	assert_int_equal(read(fd, text, 65), 65);
	assert_int_equal(epoch_key_destroy(f->w.keys_path, 9), ST_OK);
	char after[80] = "";
	assert_int_equal(pread(fd, after, sizeof(after), 0), 65);
	assert_memory_not_equal(text, after, 64);
	close(fd);
	unlink(second);
	assert_false(key_there(f, 9));
	assert_int_equal(epoch_key_destroy(f->w.keys_path, 9), ST_OK);
	assert_int_equal(epoch_key_load(f->w.keys_path, f->w.keys, 9, &a), ST_NOTFOUND);

	/* What comes of the file depends on it, and not on the number and the lasting keys alone. */
	assert_int_equal(epoch_key_create(f->w.keys_path, 9), ST_OK);
	assert_int_equal(epoch_key_load(f->w.keys_path, f->w.keys, 9, &a), ST_OK);
	for (int i = 0; i < EPOCH_USES; i++)
		assert_memory_not_equal(epoch_key_secret(a, (enum epoch_use)i), of_nine[i], HASH_KEY_BYTES);
	epoch_key_free(a);
	snprintf(path, sizeof(path), "%s/vault.12.key", f->w.keys_path);
	assert_int_equal(chmod(path, 0444), 0);
	assert_int_equal(epoch_key_load(f->w.keys_path, f->w.keys, 12, &a), ST_INVALID);
}

/* ---- by itself ---- */

struct epoch_wait {
	struct server *s;
	struct fealty_client *op;
	uint64_t epoch;
};

static uint64_t
epoch_of(struct fealty_client *op)
{
	struct fealty_result r = call_ok(op, "{\"op\": \"vault\"}");
	uint64_t epoch = r.response->vault->turning ? 0 : r.response->vault->epoch;

	fealty_result_release(&r);
	return epoch;
}

static bool
has_turned(void *ctx)
{
	struct epoch_wait *w = ctx;

	service_tick(w->s->service);
	return epoch_of(w->op) == w->epoch;
}

static void
stays(struct server *s, struct fealty_client *op, uint64_t epoch)
{
	for (int i = 0; i < 3; i++)
		service_tick(s->service);
	assert_int_equal(epoch_of(op), epoch);
}

static bool
key_is_there(struct server *s, unsigned epoch)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/vault.%u.key", s->w.keys_path, epoch);
	return access(path, F_OK) == 0;
}

#define HOUR (INT64_C(3600) * US_PER_SECOND)

/* After a day, in the local night of the program; a day late at any time; and the key goes thirty days after its epoch, over a restart too. */
static void
the_epoch_turns_at_night(void **state)
{
	(void)state;
	struct server *s = test_calloc(1, sizeof(*s));
	server_init(s, false);
	server_start(s);
	struct fealty_client *op = client_of(s, "operator/local");
	call_publish(op, club_yaml, "publish", 0);
	struct fealty_result enrolled = call_ok(op, "{\"op\": \"enrol\", \"member\": \"m1\", \"key\": \"e1\"}");
	fealty_result_release(&enrolled);
	stays(s, op, 1);
	server_pass(s, 16 * HOUR);			/* 02:00, and a day is not over */
	stays(s, op, 1);
	server_pass(s, 9 * HOUR);			/* 11:00 */
	stays(s, op, 1);
	server_pass(s, 15 * HOUR);			/* 02:00 in Seoul, 17:00 in UTC */
	eventually(has_turned, &(struct epoch_wait){ s, op, 2 }, "the first turn");
	assert_true(key_is_there(s, 1));
	server_pass(s, 23 * HOUR);
	stays(s, op, 2);
	fealty_client_free(op);
	server_stop(s);
	server_start(s);
	op = client_of(s, "operator/local");
	stays(s, op, 2);				/* it is known when this one began */
	server_pass(s, 20 * HOUR);			/* 21:00, 19 hours late */
	stays(s, op, 2);
	server_pass(s, 8 * HOUR);			/* 05:00 is no night */
	eventually(has_turned, &(struct epoch_wait){ s, op, 3 }, "a turn that is a day late");
	assert_available(op, "m1", "0");
	server_pass(s, 27 * 24 * HOUR);
	eventually(has_turned, &(struct epoch_wait){ s, op, 4 }, "another");
	assert_true(key_is_there(s, 1) && key_is_there(s, 2));
	server_pass(s, 2 * 24 * HOUR);
	eventually(has_turned, &(struct epoch_wait){ s, op, 5 }, "another");
	assert_false(key_is_there(s, 1));
	assert_true(key_is_there(s, 2));
	assert_available(op, "m1", "0");
	fealty_client_free(op);
	server_stop(s);
	server_release(s);
	test_free(s);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(a_turn_keeps_all),
		TEST(who_was_forgotten_is_not_in_the_next),
		TEST(what_changes_meanwhile_is_in_it),
		TEST(beside_a_busy_writer),
		TEST(a_reader_is_waited_for),
		TEST(a_copy_that_is_given_up_leaves_nothing),
		TEST(a_copy_that_lacks_a_row_is_not_taken),
		TEST(a_row_is_bound_to_its_epoch),
		TEST(without_its_key_a_vault_is_closed),
		TEST(keys_of_epochs),
		cmocka_unit_test(the_epoch_turns_at_night),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
