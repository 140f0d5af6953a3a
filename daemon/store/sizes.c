/* How much there is, asked of the file system: nothing here takes a lock or a slot of LMDB's readers. */
#include "store/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define US_PER_S INT64_C(1000000)

static enum status
env_bytes(struct store *store, enum store_env env, uint64_t *ret_bytes)
{
	struct env *e = env_hold(store, env);
	mdb_filehandle_t fd;
	struct stat st;
	enum status status = ST_OK;

	*ret_bytes = 0;
	if (e->mdb != NULL) {
		if (mdb_env_get_fd(e->mdb, &fd) != 0 || fstat(fd, &st) != 0)
			status = ST_IO;
		else
			*ret_bytes = (uint64_t)st.st_size;
	}
	env_release(e);
	return status;
}

enum status
store_room_bytes(struct store *store, uint64_t *ret_bytes)
{
	uint64_t room, bytes;
	struct rlimit limit;

	enum status st = store_free_bytes(store, &room);
	if (st != ST_OK)
		return st;
	bool limited = getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
	for (enum store_env env = 0; env < ENV_COUNT && limited; env++) {
		st = env_bytes(store, env, &bytes);
		if (st != ST_OK)
			return st;
		if (bytes >= limit.rlim_cur)
			room = 0;
		else if (limit.rlim_cur - bytes < room)
			room = limit.rlim_cur - bytes;
	}
	*ret_bytes = room;
	return ST_OK;
}

/* The newest; one that is pruned meanwhile counts as none. */
static void
look_at_snapshot(struct store *store, struct store_sizes *ret)
{
	struct stat st;
	uint64_t size;
	char *path;

	if (store_snapshot_find(store, UINT64_MAX, &size) != ST_OK || asprintf(&path, "%s/%" PRIu64 ".mdb", store->snapshot_path, size) < 0)
		return;
	if (stat(path, &st) == 0) {
		ret->has_snapshot = true;
		ret->snapshot_size = size;
		ret->snapshot_at_us = (int64_t)st.st_mtim.tv_sec * US_PER_S + st.st_mtim.tv_nsec / 1000;
	}
	free(path);
}

enum status
store_sizes(struct store *store, struct store_sizes *ret)
{
	*ret = (struct store_sizes){ 0 };
	for (enum store_env env = 0; env < ENV_COUNT; env++) {
		enum status st = env_bytes(store, env, &ret->env_bytes[env]);
		if (st != ST_OK)
			return st;
	}
	look_at_snapshot(store, ret);
	return store_free_bytes(store, &ret->free_bytes);
}
