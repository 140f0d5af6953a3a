/**
 * store_world.h: for the tests of store: a fresh data directory for each, files in it, and children.  What fails in a helper fails the test
 * that runs.
 *
 * LMDB forbids an environment that is opened twice in a process, or across fork(): children that open a store are started while the parent
 * has none open.  They must not assert, and give their verdict as exit status.
 */
#ifndef FEALTY_TESTS_STORE_WORLD_H
#define FEALTY_TESTS_STORE_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "store/store.h"

#define BOOT_A "11111111-aaaa"
#define BOOT_B "22222222-bbbb"
#define PATH_BYTES 256

struct world {
	char root[PATH_BYTES / 4];		/* of all tests */
	char data[PATH_BYTES / 2];		/* the data directory of the one that runs */
	char head_lock[PATH_BYTES / 2];
};
extern struct world world;

/* Of a group, and of a test: cmocka's set-ups. */
int world_init(void **state);
int world_release(void **state);
int world_setup(void **state);
int world_teardown(void **state);
#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

/* ---- opening ---- */

struct store_params params_of(bool read_only);
struct store *open_as(const char *boot_id, bool read_only);
struct store *open_writer(void);
/* Opens and closes. */
enum status try_open(bool read_only);

/* ---- rows ---- */

struct bytes text(const char *s);
void append_row(struct store_txn *txn, uint64_t seq, struct bytes value);
/* One commit each; these two assert nothing, so that children can use them.  Keys are be64 and be32. */
enum status append_rows(struct store *store, uint64_t from, uint64_t to, size_t value_bytes) MUST_CHECK;
enum status put_rows(struct store *store, enum store_table table, uint32_t from, uint32_t to, const char *value) MUST_CHECK;
uint64_t rows_of(struct store *store, enum store_table table);

/* ---- files, named from the data directory ---- */

void path_in(char ret_path[static PATH_BYTES], const char *name);
void write_file(const char *name, const void *content, size_t len);
/* On the heap, with a NUL behind it. */
uint8_t *load_file(const char *name, size_t *ret_len);
void assert_file_is(const char *name, const char *want);
bool exists(const char *name);
unsigned mode_of(const char *name);
void remove_file(const char *name);
void remove_tree(const char *path);
/* Writes beyond ${bytes} of any file fail from now on. */
void limit_files(rlim_t bytes);

/* ---- children ---- */

/* The exit status of ${run} in a child, or the signal that ended it as a negative number. */
int in_child(int (*run)(void));

/* A child that goes step by step with its parent: each side waits for the other's byte.  peer_wait(): false when the other is gone. */
struct peer { pid_t pid; int in, out; };
struct peer peer_start(int (*run)(const struct peer *parent));
void peer_send(const struct peer *p);
bool peer_wait(const struct peer *p);
/* As in_child(). */
int peer_end(const struct peer *p);

#endif
