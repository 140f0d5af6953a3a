#include "store_world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct world world;

int
world_init(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	int n = snprintf(world.root, sizeof(world.root), "%s/test_store.XXXXXX", tmp == NULL ? "/tmp" : tmp);
	return n > 0 && (size_t)n < sizeof(world.root) && mkdtemp(world.root) != NULL ? 0 : -1;
}

int
world_release(void **state)
{
	(void)state;
	return rmdir(world.root);
}

void
path_in(char ret_path[static PATH_BYTES], const char *name)
{
	int n = snprintf(ret_path, PATH_BYTES, "%s/%s", world.data, name);

	assert_true(n > 0 && n < PATH_BYTES);
}

struct bytes
text(const char *s)
{
	return bytes_of(s, strlen(s));
}

struct store_params
params_of(bool read_only)
{
	return (struct store_params){
		.data_path = world.data, .head_lock_path = read_only ? NULL : world.head_lock, .boot_id = BOOT_A, .read_only = read_only,
	};
}

struct store *
open_as(const char *boot_id, bool read_only)
{
	struct store_params params = params_of(read_only);
	struct store *store = NULL;

	params.boot_id = boot_id;
	assert_int_equal(store_open(&params, &store), ST_OK);
	return store;
}

struct store *
open_writer(void)
{
	return open_as(BOOT_A, false);
}

enum status
try_open(bool read_only)
{
	struct store_params params = params_of(read_only);
	struct store *store = NULL;

	enum status st = store_open(&params, &store);
	assert_true((st == ST_OK) == (store != NULL));
	store_close(store, false);
	return st;
}

void
append_row(struct store_txn *txn, uint64_t seq, struct bytes value)
{
	uint8_t key[8];

	put_be64(key, seq);
	store_append(txn, TABLE_TRANSACTION, bytes_of(key, sizeof(key)), value);
}

enum status
append_rows(struct store *store, uint64_t from, uint64_t to, size_t value_bytes)
{
	struct store_txn *txn;
	enum status st = store_write(store, STORE_LEDGER, &txn);

	if (st != ST_OK)
		return st;
	uint8_t *value = malloc(value_bytes);
	if (value == NULL)
		abort();
	for (uint64_t seq = from; seq < to; seq++) {
		memset(value, (int)(seq % 251), value_bytes);
		append_row(txn, seq, bytes_of(value, value_bytes));
	}
	free(value);
	return store_commit(txn);
}

enum status
put_rows(struct store *store, enum store_table table, uint32_t from, uint32_t to, const char *value)
{
	struct store_txn *txn;
	enum status st = store_write(store, store_table_env(table), &txn);

	if (st != ST_OK)
		return st;
	for (uint32_t i = from; i < to; i++) {
		uint8_t key[4];
		put_be32(key, i);
		store_put(txn, table, bytes_of(key, sizeof(key)), text(value));
	}
	return store_commit(txn);
}

uint64_t
rows_of(struct store *store, enum store_table table)
{
	struct store_txn *txn;

	assert_int_equal(store_read(store, store_table_env(table), &txn), ST_OK);
	uint64_t rows = store_rows(txn, table);
	store_abort(txn);
	return rows;
}

void
write_file(const char *name, const void *content, size_t len)
{
	char path[PATH_BYTES];

	path_in(path, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, len), (ssize_t)len);
	close(fd);
}

uint8_t *
load_file(const char *name, size_t *ret_len)
{
	char path[PATH_BYTES];
	struct stat info;

	path_in(path, name);
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &info), 0);
	uint8_t *content = malloc((size_t)info.st_size + 1);
	assert_non_null(content);
	assert_int_equal(read(fd, content, (size_t)info.st_size), info.st_size);
	close(fd);
	content[info.st_size] = '\0';
	*ret_len = (size_t)info.st_size;
	return content;
}

void
assert_file_is(const char *name, const char *want)
{
	size_t len;
	uint8_t *content = load_file(name, &len);

	assert_string_equal((char *)content, want);
	free(content);
}

bool
exists(const char *name)
{
	char path[PATH_BYTES];

	path_in(path, name);
	return access(path, F_OK) == 0;
}

void
remove_file(const char *name)
{
	char path[PATH_BYTES];

	path_in(path, name);
	assert_int_equal(unlink(path), 0);
}

void
remove_tree(const char *path)
{
	char command[PATH_BYTES + 16];

	snprintf(command, sizeof(command), "rm -rf '%s'", path);
	assert_int_equal(system(command), 0);
}

int
world_setup(void **state)
{
	(void)state;
	snprintf(world.data, sizeof(world.data), "%s/data", world.root);
	snprintf(world.head_lock, sizeof(world.head_lock), "%s/head.lock", world.root);
	return store_create(world.data) == ST_OK ? 0 : -1;
}

int
world_teardown(void **state)
{
	(void)state;
	remove_tree(world.data);
	unlink(world.head_lock);
	return 0;
}

int
in_child(int (*run)(void))
{
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(run());
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}


void
peer_send(const struct peer *p)
{
	if (write(p->out, "x", 1) != 1)
		abort();
}

bool
peer_wait(const struct peer *p)
{
	char c;

	return read(p->in, &c, 1) == 1;
}

struct peer
peer_start(int (*run)(const struct peer *parent))
{
	int to[2], from[2];

	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(to[1]);
		close(from[0]);
		_exit(run(&(struct peer){ .in = to[0], .out = from[1] }));
	}
	close(to[0]);
	close(from[1]);
	return (struct peer){ .pid = pid, .in = from[0], .out = to[1] };
}

int
peer_end(const struct peer *p)
{
	int status;

	close(p->out);
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	close(p->in);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

unsigned
mode_of(const char *name)
{
	char path[PATH_BYTES];
	struct stat info;

	path_in(path, name);
	assert_int_equal(stat(path, &info), 0);
	return info.st_mode & 07777u;
}

void
limit_files(rlim_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}
