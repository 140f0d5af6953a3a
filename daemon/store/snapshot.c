/*
 * A snapshot is published last: <size>.mdb gets its name only after it and its sum are on disk, so one that can be found is whole.  The sum
 * tells bit rot.  The copy is made from a read transaction and into our own file, because mdb_env_copy() does not fsync and without
 * MDB_CP_COMPACT would hold the writer up.
 */
#include "store/internal.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_BYTES ((size_t)1 << 20)
#define SUM_TEXT_BYTES (2 * SUM_BYTES + 1)

/* "<dir>/<size>.<end>" */
static char *
snapshot_file(const struct store *store, uint64_t size, const char *end)
{
	char *path;

	return asprintf(&path, "%s/%" PRIu64 ".%s", store->snapshot_path, size, end) < 0 ? NULL : path;
}

/* The size in "<size>.<end>", written as we write it. */
static bool
snapshot_parse(const char *name, const char *end, uint64_t *ret_size)
{
	char *rest;

	if (name[0] < '0' || name[0] > '9' || (name[0] == '0' && name[1] != '.'))
		return false;
	errno = 0;
	uint64_t size = strtoull(name, &rest, 10);
	if (errno != 0 || rest[0] != '.' || strcmp(rest + 1, end) != 0)
		return false;
	*ret_size = size;
	return true;
}

/*
 * The sum of a file, read in chunks: each chunk's BLAKE2b-256 is keyed with the sum so far, zeros at first.  Copies to ${to_fd} as it
 * reads, unless that is -1: what was summed is what was copied.
 */
static enum status
sum_file(int fd, int to_fd, uint8_t ret_sum[static SUM_BYTES])
{
	uint8_t sum[SUM_BYTES] = { 0 }, key[HASH_KEY_BYTES];
	enum status st = ST_OK;
	off_t offset = 0;
	size_t len;

	_Static_assert(sizeof(key) == sizeof(sum), "a sum is the next chunk's key");
	uint8_t *chunk = malloc(CHUNK_BYTES);
	if (chunk == NULL)
		return ST_NOMEM;
	do {
		for (len = 0; len < CHUNK_BYTES;) {
			ssize_t n = pread(fd, chunk + len, CHUNK_BYTES - len, offset);
			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				st = file_status(errno);
			if (n <= 0)
				break;
			len += (size_t)n;
			offset += n;
		}
		if (st == ST_OK && to_fd >= 0)
			st = file_write_pages(to_fd, bytes_of(chunk, len));
		memcpy(key, sum, sizeof(key));
		hash_keyed(sum, key, bytes_of(chunk, len));
	} while (st == ST_OK && len == CHUNK_BYTES);
	free(chunk);
	memcpy(ret_sum, sum, sizeof(sum));
	return st;
}

/* ---- find ---- */

enum status
store_snapshot_find(struct store *store, uint64_t size, uint64_t *ret_size)
{
	uint64_t best = 0, one;
	bool found = false;

	DIR *dir = opendir(store->snapshot_path);
	if (dir == NULL)
		return file_status(errno);
	for (struct dirent *d; (d = readdir(dir)) != NULL;) {
		if (snapshot_parse(d->d_name, "mdb", &one) && one <= size && (!found || one > best)) {
			found = true;
			best = one;
		}
	}
	closedir(dir);
	if (!found)
		return ST_NOTFOUND;
	*ret_size = best;
	return ST_OK;
}

/* ---- write ---- */

static bool
outdated(const char *name, uint64_t keep_from)
{
	static const char temporary[] = ".tmp";
	size_t len = strlen(name);
	uint64_t size;

	if (len > strlen(temporary) && strcmp(name + len - strlen(temporary), temporary) == 0)
		return true;
	return (snapshot_parse(name, "mdb", &size) || snapshot_parse(name, "sum", &size)) && size < keep_from;
}

/* Keeps ${size} and the one before it; one above it was not written by us and waits for its turn. */
static void
prune(struct store *store, uint64_t size)
{
	uint64_t keep_from;

	if (size == 0 || store_snapshot_find(store, size - 1, &keep_from) != ST_OK)
		keep_from = 0;
	DIR *dir = opendir(store->snapshot_path);
	if (dir == NULL)
		return;		/* what stays for a while harms nobody */
	for (struct dirent *d; (d = readdir(dir)) != NULL;)
		if (outdated(d->d_name, keep_from))
			unlinkat(dirfd(dir), d->d_name, 0);
	closedir(dir);
}

/* The copy must not be what fills the disk. */
static enum status
check_space(struct store *store)
{
	MDB_envinfo info;
	MDB_stat stat;
	uint64_t free_bytes;

	enum status st = env_status(store, mdb_env_info(store->envs[STORE_STATE]->mdb, &info));
	if (st == ST_OK)
		st = env_status(store, mdb_env_stat(store->envs[STORE_STATE]->mdb, &stat));
	if (st == ST_OK)
		st = store_free_bytes(store, &free_bytes);
	if (st != ST_OK)
		return st;
	uint64_t copy_bytes = ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
	return free_bytes < store->low_space_bytes || free_bytes - store->low_space_bytes < copy_bytes ? ST_FULL : ST_OK;
}

static enum status
write_sum(struct store *store, uint64_t size, const uint8_t sum[static SUM_BYTES])
{
	char text[SUM_TEXT_BYTES];

	char *path = snapshot_file(store, size, "sum");
	if (path == NULL)
		return ST_NOMEM;
	hex_put(text, bytes_of(sum, SUM_BYTES));
	text[SUM_TEXT_BYTES - 1] = '\n';
	enum status st = file_replace(path, bytes_of(text, sizeof(text)));
	free(path);
	return st;
}

static enum status
write_copy(struct store *store, uint64_t size, const char *temp_path, const char *path)
{
	uint8_t sum[SUM_BYTES];

	int fd = open(temp_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return file_status(errno);
	enum status st = env_status(store, mdb_env_copyfd2(store->envs[STORE_STATE]->mdb, fd, MDB_CP_COMPACT));
	if (st == ST_OK)
		st = sum_file(fd, -1, sum);
	/* An older one of this size must not meet the new sum. */
	if (st == ST_OK && unlink(path) != 0 && errno != ENOENT)
		st = file_status(errno);
	if (st == ST_OK)
		st = write_sum(store, size, sum);
	if (st == ST_OK)
		return file_publish(fd, temp_path, path);
	close(fd);
	unlink(temp_path);
	return st;
}

static enum status
snapshot_write_locked(struct store *store, uint64_t size)
{
	enum status st = file_make_dir(store->snapshot_path);

	if (st == ST_OK)
		st = check_space(store);
	if (st != ST_OK)
		return st;
	char *path = snapshot_file(store, size, "mdb");
	char *temp_path = snapshot_file(store, size, "mdb.tmp");
	st = path == NULL || temp_path == NULL ? ST_NOMEM : write_copy(store, size, temp_path, path);
	free(path);
	free(temp_path);
	if (st == ST_OK)
		prune(store, size);
	return st;
}

enum status
store_snapshot_write(struct store *store, uint64_t size)
{
	struct env *state = env_hold(store, STORE_STATE);	/* the copy reads, so state must not be closed */

	assert(!store->read_only && store->state_trusted);
	pthread_mutex_lock(&store->snapshot_mutex);
	enum status st = snapshot_write_locked(store, size);
	pthread_mutex_unlock(&store->snapshot_mutex);
	env_release(state);
	return st;
}

/* ---- extract ---- */

static enum status
read_sum(struct store *store, uint64_t size, uint8_t ret_sum[static SUM_BYTES])
{
	uint8_t text[SUM_TEXT_BYTES + 1];
	size_t len;

	char *path = snapshot_file(store, size, "sum");
	if (path == NULL)
		return ST_NOMEM;
	enum status st = file_read(path, text, sizeof(text), &len);
	free(path);
	if (st == ST_NOTFOUND)
		return ST_CORRUPT;
	if (st != ST_OK)
		return st;
	bool ok = len == SUM_TEXT_BYTES && text[len - 1] == '\n' && hex_get(ret_sum, SUM_BYTES, (char *)text);
	return ok ? ST_OK : ST_CORRUPT;
}

static enum status
copy_checked(struct store *store, uint64_t size, int from_fd, int to_fd)
{
	uint8_t want[SUM_BYTES], have[SUM_BYTES];

	enum status st = read_sum(store, size, want);
	if (st == ST_OK)
		st = sum_file(from_fd, to_fd, have);
	if (st != ST_OK)
		return st;
	if (!bytes_equal(bytes_of(want, SUM_BYTES), bytes_of(have, SUM_BYTES)))
		return ST_CORRUPT;
	return fsync(to_fd) == 0 ? ST_OK : file_status(errno);
}

enum status
snapshot_extract(struct store *store, uint64_t size, const char *path)
{
	char *from_path = snapshot_file(store, size, "mdb");
	if (from_path == NULL)
		return ST_NOMEM;
	int from_fd = open(from_path, O_RDONLY | O_CLOEXEC);
	free(from_path);
	if (from_fd < 0)
		return file_status(errno);

	enum status st;
	int to_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (to_fd < 0) {
		st = file_status(errno);
	} else {
		st = copy_checked(store, size, from_fd, to_fd);
		close(to_fd);
		if (st != ST_OK)
			unlink(path);
	}
	close(from_fd);
	return st;
}
