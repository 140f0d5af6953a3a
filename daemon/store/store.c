/*
 * The data directory: made whole or not at all (FORMAT is written last), written by one process (flock on "lock"), and opened only when
 * ledger and vault are sound.  State is derived, so whatever is wrong with it is no reason not to open.
 */
#include "store/internal.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT "fealty 2\n"
#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"

/* A sanitizer's shadow memory cannot cover three maps of a TiB. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif
#ifdef UNDER_SANITIZER
#define MAP_DEFAULT_BYTES ((size_t)1 << 30)
#else
#define MAP_DEFAULT_BYTES ((size_t)1 << 40)
#endif

static const char *const env_names[ENV_COUNT] = { [STORE_LEDGER] = "ledger", [STORE_VAULT] = "vault", [STORE_STATE] = "state" };

static const struct { const char *name; enum store_env env; } tables[TABLE_COUNT] = {
	[TABLE_TRANSACTION] = { "transaction", STORE_LEDGER },
	[TABLE_CHECKPOINT] = { "checkpoint", STORE_LEDGER },
	[TABLE_COSIGNATURE] = { "cosignature", STORE_LEDGER },
	[TABLE_VAULT_META] = { "vault_meta", STORE_VAULT },
	[TABLE_ALIAS] = { "alias", STORE_VAULT },
	[TABLE_PERSON] = { "person", STORE_VAULT },
	[TABLE_META] = { "meta", STORE_STATE },
	[TABLE_MEMBER] = { "member", STORE_STATE },
	[TABLE_HOLD] = { "hold", STORE_STATE },
	[TABLE_FOLLOWUP] = { "followup", STORE_STATE },
	[TABLE_REQUEST] = { "request", STORE_STATE },
	[TABLE_RECEIPT] = { "receipt", STORE_STATE },
	[TABLE_DUE] = { "due", STORE_STATE },
	[TABLE_PROGRAM] = { "program", STORE_STATE },
	[TABLE_VERSION] = { "version", STORE_STATE },
	[TABLE_TILE] = { "tile", STORE_STATE },
	[TABLE_KEY] = { "key", STORE_STATE },
	[TABLE_APPROVER] = { "approver", STORE_STATE },
	[TABLE_WAITING] = { "waiting", STORE_STATE },
	[TABLE_LOOK] = { "look", STORE_STATE },
	[TABLE_TERMINAL] = { "terminal", STORE_STATE },
};

const char *
store_table_str(enum store_table t)
{
	assert(t < TABLE_COUNT);
	return tables[t].name;
}

const char *
store_env_str(enum store_env env)
{
	return env_names[env];
}

enum store_env
store_table_env(enum store_table t)
{
	assert(t < TABLE_COUNT);
	return tables[t].env;
}

enum status
store_table_parse(const char *name, enum store_table *ret_table)
{
	for (enum store_table t = 0; t < TABLE_COUNT; t++) {
		if (strcmp(tables[t].name, name) == 0) {
			*ret_table = t;
			return ST_OK;
		}
	}
	return ST_NOTFOUND;
}

/* ---- create ---- */

static enum status
make_empty_dir(const char *path, bool *ret_made)
{
	*ret_made = mkdir(path, 0700) == 0;
	if (*ret_made)
		return ST_OK;
	if (errno != EEXIST)
		return errno == ENOSPC ? ST_FULL : ST_IO;

	DIR *dir = opendir(path);
	if (dir == NULL)
		return ST_IO;
	bool empty = true;
	for (struct dirent *d; (d = readdir(dir)) != NULL;)
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			empty = false;
	closedir(dir);
	return empty ? ST_OK : ST_BUSY;
}

static enum status
create_format(const char *data_path)
{
	char *path = file_path(data_path, "FORMAT");
	enum status st = path == NULL ? ST_NOMEM : file_replace(path, bytes_of(FORMAT, strlen(FORMAT)));

	free(path);
	return st;
}

static enum status
create_lock_file(const char *data_path)
{
	char *path = file_path(data_path, "lock");
	if (path == NULL)
		return ST_NOMEM;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	free(path);
	if (fd < 0)
		return file_status(errno);
	close(fd);
	return ST_OK;
}

static enum status
create_dir(const char *data_path, const char *name)
{
	char *path = file_path(data_path, name);
	enum status st = path == NULL ? ST_NOMEM : file_make_dir(path);

	free(path);
	return st;
}

static enum status
create_content(const char *data_path)
{
	enum status st = create_lock_file(data_path);
	char *path;

	for (enum store_env e = 0; e < ENV_COUNT && st == ST_OK; e++) {
		if (e == STORE_VAULT) {
			st = create_dir(data_path, "vault");
			path = vault_path(data_path, 1, "");
		} else {
			path = file_path(data_path, env_names[e]);
		}
		if (st == ST_OK)
			st = path == NULL ? ST_NOMEM : env_create(path, e);
		free(path);
	}
	if (st == ST_OK)
		st = create_dir(data_path, "snapshot");
	return st == ST_OK ? create_format(data_path) : st;
}

/* What create_content() may have left, so that the next try finds an empty directory. */
static void
remove_content(const char *data_path)
{
	static const char *const files[] = { "FORMAT", "FORMAT.tmp", "lock" };
	char *path;

	(void)!vault_clean(data_path, 0);
	for (enum store_env e = 0; e < ENV_COUNT; e++) {
		if ((path = file_path(data_path, env_names[e])) != NULL && env_remove_files(path) == ST_OK)
			rmdir(path);
		free(path);
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if ((path = file_path(data_path, files[i])) != NULL)
			unlink(path);
		free(path);
	}
	if ((path = file_path(data_path, "snapshot")) != NULL)
		rmdir(path);
	free(path);
}

enum status
store_create(const char *data_path)
{
	bool made;

	enum status st = make_empty_dir(data_path, &made);
	if (st != ST_OK)
		return st;
	st = create_content(data_path);
	if (st == ST_OK && made) {
		char *parent = file_path(data_path, "..");
		st = parent == NULL ? ST_NOMEM : file_sync_dir(parent);
		free(parent);
	}
	if (st != ST_OK) {
		int err = errno;
		remove_content(data_path);
		if (made)
			rmdir(data_path);
		errno = err;
	}
	return st;
}

/* ---- open ---- */

enum status
store_check_format(const char *data_path)
{
	uint8_t text[sizeof(FORMAT)];	/* one more than the right one has */
	size_t len;

	char *path = file_path(data_path, "FORMAT");
	if (path == NULL)
		return ST_NOMEM;
	enum status st = file_read(path, text, sizeof(text), &len);
	free(path);
	if (st == ST_IO && errno == ENOTDIR)
		return ST_NOTFOUND;
	if (st != ST_OK)
		return st;
	return bytes_equal(bytes_of(text, len), bytes_of(FORMAT, strlen(FORMAT))) ? ST_OK : ST_FORMAT;
}

static enum status
lock_writer(struct store *store)
{
	char *path = file_path(store->data_path, "lock");
	if (path == NULL)
		return ST_NOMEM;
	store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	free(path);
	if (store->lock_fd < 0)
		return file_status(errno);
	if (flock(store->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return ST_OK;
	return errno == EWOULDBLOCK ? ST_BUSY : file_status(errno);
}

static enum status
read_boot_id(struct store *store, const char *given)
{
	uint8_t text[BOOT_ID_MAX];
	size_t len;

	if (given != NULL) {
		len = strlen(given);
		assert(len > 0 && len <= BOOT_ID_MAX && strpbrk(given, " \n") == NULL);
		memcpy(store->boot_id, given, len);
		return ST_OK;
	}
	enum status st = file_read(BOOT_ID_FILE, text, sizeof(text), &len);
	if (st != ST_OK)
		return st == ST_NOTFOUND ? ST_IO : st;
	while (len > 0 && text[len - 1] == '\n')
		len--;
	memcpy(store->boot_id, text, len);
	return len > 0 ? ST_OK : ST_IO;
}

/* Ends a store that is half built, too. */
static void
store_free(struct store *store)
{
	env_free(store->fresh);		/* its files too are for the next writer to remove */
	env_free(store->old);
	for (enum store_env e = 0; e < ENV_COUNT; e++)
		env_free(store->envs[e]);
	if (store->lock_fd >= 0)
		close(store->lock_fd);
	pthread_mutex_destroy(&store->snapshot_mutex);
	pthread_mutex_destroy(&store->env_mutex);
	free(store->data_path);
	free(store->head_lock_path);
	free(store->mark_path);
	free(store->snapshot_path);
	free(store);
}

static enum status
store_new(const struct store_params *params, struct store **ret_store)
{
	struct store *store = calloc(1, sizeof(*store));
	if (store == NULL)
		return ST_NOMEM;
	store->lock_fd = -1;
	pthread_mutex_init(&store->snapshot_mutex, NULL);
	pthread_mutex_init(&store->env_mutex, NULL);
	store->read_only = params->read_only;
	store->low_space_bytes = params->low_space_bytes == 0 ? LOW_SPACE_DEFAULT_BYTES : params->low_space_bytes;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	store->map_bytes = params->map_bytes == 0 ? MAP_DEFAULT_BYTES : (params->map_bytes + page - 1) / page * page;

	bool ok = (store->data_path = strdup(params->data_path)) != NULL;
	ok = ok && (params->head_lock_path == NULL || (store->head_lock_path = strdup(params->head_lock_path)) != NULL);
	ok = ok && (store->mark_path = file_path(params->data_path, "state.mark")) != NULL;
	ok = ok && (store->snapshot_path = file_path(params->data_path, "snapshot")) != NULL;
	for (enum store_env e = 0; e < ENV_COUNT && ok; e++) {
		struct env *env = env_new(e, file_path(params->data_path, env_names[e]));
		store->envs[e] = env;
		ok = env != NULL;
	}
	if (!ok) {
		store_free(store);
		return ST_NOMEM;
	}
	*ret_store = store;
	return ST_OK;
}

static enum status
find_vault(struct store *store)
{
	struct env *e = store->envs[STORE_VAULT];
	char *path;

	enum status st = vault_find_path(store->data_path, &path, &e->epoch);
	if (st != ST_OK)
		return st;
	free(e->path);
	e->path = path;
	st = store->read_only ? ST_OK : vault_clean(store->data_path, e->epoch);
	return st == ST_OK ? env_open(store, e) : st;
}

static enum status
open_envs(struct store *store)
{
	enum status st = env_open(store, store->envs[STORE_LEDGER]);

	if (st != ST_OK)
		return st;
	st = find_vault(store);
	if (st == ST_NOTFOUND && store->read_only)
		st = find_vault(store);		/* another may have taken its place just now */
	if (st != ST_OK && !(store->read_only && (st == ST_NOTFOUND || (st == ST_IO && errno == EACCES))))
		return st;
	st = env_open(store, store->envs[STORE_STATE]);
	return st == ST_NOMEM ? st : ST_OK;
}

enum status
store_open(const struct store_params *params, struct store **ret_store)
{
	struct store *store;

	assert(params->data_path != NULL);
	enum status st = store_check_format(params->data_path);
	if (st != ST_OK)
		return st;
	st = store_new(params, &store);
	if (st != ST_OK)
		return st;
	st = read_boot_id(store, params->boot_id);
	if (st == ST_OK && !params->read_only)
		st = lock_writer(store);
	if (st == ST_OK)
		st = open_envs(store);
	if (st != ST_OK) {
		int err = errno;
		store_free(store);
		errno = err;
		return st;
	}
	state_judge(store);
	*ret_store = store;
	return ST_OK;
}

void
store_close(struct store *store, bool clean)
{
	if (store == NULL)
		return;
	/* When it cannot be marked, the mark still says "running", and that is what the next start must see. */
	if (clean && !store->read_only && store->state_trusted && state_mark_clean(store) != ST_OK)
		store->state_trusted = false;
	store_free(store);
}

enum status
store_writable(struct store *store)
{
	uint64_t room_bytes;

	enum status st = store_room_bytes(store, &room_bytes);
	if (st != ST_OK)
		return st;
	return room_bytes < store->low_space_bytes ? ST_FULL : ST_OK;
}

int
store_reader_check(struct store *store)
{
	int total = 0;

	for (enum store_env env = 0; env < ENV_COUNT; env++) {
		struct env *e = env_hold(store, env);
		int dead = 0;
		if (e->mdb != NULL && mdb_reader_check(e->mdb, &dead) == 0)
			total += dead;
		env_release(e);
	}
	return total;
}
