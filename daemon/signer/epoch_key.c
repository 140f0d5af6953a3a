/*
 * The keys of the vault's epochs.  They are made and destroyed by the daemon itself, so their files are always in the key directory, whatever else
 * comes as a credential.  What seals is derived from the file and from a key that is no epoch's: either alone opens nothing.
 */
#include "signer/signer.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "signer/internal.h"

const char *
epoch_key_name(uint64_t epoch, char ret_name[static EPOCH_NAME_BYTES])
{
	snprintf(ret_name, EPOCH_NAME_BYTES, "vault.%" PRIu64 ".key", epoch);
	return ret_name;
}

static void
close_quietly(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}

struct epoch_key {
	uint64_t epoch;
	uint8_t secrets[EPOCH_USES][HASH_KEY_BYTES];
};

enum status
epoch_key_create(const char *dir, uint64_t epoch)
{
	char name[EPOCH_NAME_BYTES];
	int dir_fd;
	struct keys *scratch = keys_alloc();

	if (scratch == NULL)
		return ST_NOMEM;
	enum status st = key_dir_open(dir, &dir_fd);
	if (st == ST_OK) {
		st = key_file_create_random(dir_fd, epoch_key_name(epoch, name), scratch);
		if (st == ST_OK && fsync(dir_fd) != 0)
			st = ST_IO;
		close_quietly(dir_fd);
	}
	keys_free(scratch);
	return st;
}

static void
derive_epoch(const struct keys *keys, const uint8_t seed[static HASH_KEY_BYTES], struct epoch_key *key)
{
	static const struct { const char *label; enum key_name with; } uses[EPOCH_USES] = {
		[EPOCH_SEALS] = { "fealty vault seal", KEY_VAULT },
		[EPOCH_NAMES] = { "fealty vault name", KEY_ALIAS },
	};
	crypto_generichash_state state;
	uint8_t number[8];

	put_be64(number, key->epoch);
	for (size_t i = 0; i < EPOCH_USES; i++) {
		crypto_generichash_init(&state, keys_secret(keys, uses[i].with), HASH_KEY_BYTES, HASH_KEY_BYTES);
		crypto_generichash_update(&state, (const unsigned char *)uses[i].label, strlen(uses[i].label));
		crypto_generichash_update(&state, number, sizeof(number));
		crypto_generichash_update(&state, seed, HASH_KEY_BYTES);
		crypto_generichash_final(&state, key->secrets[i], HASH_KEY_BYTES);
	}
	sodium_memzero(&state, sizeof(state));
}

enum status
epoch_key_load(const char *dir, const struct keys *keys, uint64_t epoch, struct epoch_key **ret_key)
{
	char name[EPOCH_NAME_BYTES];
	const uint8_t *seed;
	int dir_fd;
	struct keys *scratch = keys_alloc();
	struct epoch_key *key = sodium_malloc(sizeof(*key));
	enum status st = scratch == NULL || key == NULL || !keys_lock_and_hide(key, sizeof(*key)) ? ST_NOMEM : key_dir_open(dir, &dir_fd);

	if (st == ST_OK) {
		st = key_file_load(dir_fd, epoch_key_name(epoch, name), scratch, &seed);
		close_quietly(dir_fd);
	}
	if (st == ST_OK) {
		key->epoch = epoch;
		derive_epoch(keys, seed, key);
		st = sodium_mprotect_readonly(key) != 0 ? ST_NOMEM : ST_OK;
	}
	keys_free(scratch);
	if (st != ST_OK) {
		sodium_free(key);
		return st;
	}
	*ret_key = key;
	return ST_OK;
}

void
epoch_key_free(struct epoch_key *key)
{
	sodium_free(key);
}

uint64_t
epoch_key_epoch(const struct epoch_key *key)
{
	return key->epoch;
}

const uint8_t *
epoch_key_secret(const struct epoch_key *key, enum epoch_use use)
{
	assert(use < EPOCH_USES);
	return key->secrets[use];
}

/* The epoch whose file has just this name; 0: none. */
static uint64_t
epoch_of_name(const char *file)
{
	char name[EPOCH_NAME_BYTES];

	if (strncmp(file, "vault.", strlen("vault.")) != 0)
		return 0;
	uint64_t epoch = strtoull(file + strlen("vault."), NULL, 10);
	return strcmp(epoch_key_name(epoch, name), file) == 0 ? epoch : 0;
}

static int
rising(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

enum status
epoch_key_list(const char *dir, uint64_t ret_epochs[static EPOCH_KEYS_MAX], size_t *ret_n)
{
	size_t n = 0;

	DIR *d = opendir(dir);
	if (d == NULL)
		return errno == ENOENT ? ST_NOTFOUND : ST_IO;
	for (struct dirent *e; n < EPOCH_KEYS_MAX && (e = readdir(d)) != NULL;) {
		uint64_t epoch = epoch_of_name(e->d_name);
		if (epoch != 0)
			ret_epochs[n++] = epoch;
	}
	closedir(d);
	qsort(ret_epochs, n, sizeof(*ret_epochs), rising);
	*ret_n = n;
	return ST_OK;
}

/* Of mode 0400, so it is made writable first. */
static enum status
overwrite(int dir_fd, const char *name)
{
	char noise[KEY_FILE_BYTES];

	if (fchmodat(dir_fd, name, 0600, 0) != 0)
		return errno == ENOENT ? ST_NOTFOUND : ST_IO;
	int fd = openat(dir_fd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return ST_IO;
	randombytes_buf(noise, sizeof(noise));
	enum status st = write(fd, noise, sizeof(noise)) == (ssize_t)sizeof(noise) && fsync(fd) == 0 ? ST_OK : ST_IO;
	close_quietly(fd);
	return st;
}

enum status
epoch_key_destroy(const char *dir, uint64_t epoch)
{
	char name[EPOCH_NAME_BYTES];
	int dir_fd;

	enum status st = key_dir_open(dir, &dir_fd);
	if (st != ST_OK)
		return st;
	st = overwrite(dir_fd, epoch_key_name(epoch, name));
	if (st == ST_OK && unlinkat(dir_fd, name, 0) != 0)
		st = ST_IO;
	if (st == ST_OK && fsync(dir_fd) != 0)
		st = ST_IO;
	close_quietly(dir_fd);
	return st == ST_NOTFOUND ? ST_OK : st;
}
