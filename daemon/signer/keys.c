/**
 * Secrets, and the text of the files they come from, are only ever in one block of sodium_malloc(), which is locked (and the lock is
 * checked, which sodium_malloc() does not do), left out of core dumps, read-only once filled, and wiped by sodium_free().
 * Only the commit thread changes what is there, with no signature on its way in the pool; all others only read what does not change.
 *
 * A key file is created or it is left alone: O_EXCL, and whatever a failing keys_create() made it takes back.
 *
 * A credential is a key file that the service manager has put in place.  It lies in a directory that we cannot write to, so of a signing key that
 * comes from there the successor is not even looked for: the ledger must name the key that is there.
 */
#include "signer/signer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "signer/internal.h"

#define SEED_BYTES 32
#define SIGNING_KEYS 2				/* the first two of enum key_name */

static_assert(KEY_TRANSACTION < SIGNING_KEYS && KEY_CHECKPOINT < SIGNING_KEYS && KEY_ALIAS >= SIGNING_KEYS, "signing keys come first");
static_assert(SEED_BYTES == crypto_sign_SEEDBYTES && SEED_BYTES == HASH_KEY_BYTES, "one form for all keys");
static_assert(KEY_FILE_BYTES == 2 * SEED_BYTES + 1, "hex digits and a newline");
static_assert(PUBLIC_KEY_BYTES == crypto_sign_PUBLICKEYBYTES && SIGNATURE_BYTES == crypto_sign_BYTES, "Ed25519");

/* Of a signing key there is the one in use, and around a rotation its successor, and the one before. */
enum slot { SLOT_CURRENT, SLOT_NEXT, SLOT_OLD, SLOT_COUNT };
struct signing_key {
	bool there;
	uint8_t secret[crypto_sign_SECRETKEYBYTES];
	uint8_t public[PUBLIC_KEY_BYTES];
};

struct keys {
	uint8_t seed[KEY_COUNT][SEED_BYTES];
	struct signing_key signing[SIGNING_KEYS][SLOT_COUNT];
	bool is_credential[SIGNING_KEYS];
	char text[KEY_FILE_BYTES + 1];		/* a file, one more byte to see that it ends */
};

static const char *const file_names[KEY_COUNT] = {
	[KEY_TRANSACTION] = "transaction.key",
	[KEY_CHECKPOINT] = "checkpoint.key",
	[KEY_ALIAS] = "alias.key",
	[KEY_VAULT] = "vault.key",
	[KEY_FINGERPRINT] = "fingerprint.key",
	[KEY_VOUCHER] = "voucher.key",
};

static const char *const next_names[SIGNING_KEYS] = {
	[KEY_TRANSACTION] = "transaction.next.key",
	[KEY_CHECKPOINT] = "checkpoint.next.key",
};

/* Under which a key is kept that was replaced: "transaction.0123456789abcdef.old.key". */
#define OLD_NAME_BYTES 48
static const char *
old_name(enum key_name name, const uint8_t public_key[static PUBLIC_KEY_BYTES], char ret_name[static OLD_NAME_BYTES])
{
	uint8_t id[KEY_ID_BYTES];
	char hex[2 * KEY_ID_BYTES + 1];

	key_id_of(public_key, id);
	sodium_bin2hex(hex, sizeof(hex), id, sizeof(id));
	snprintf(ret_name, OLD_NAME_BYTES, "%s.%s.old.key", name == KEY_TRANSACTION ? "transaction" : "checkpoint", hex);
	return ret_name;
}

/* ---- memory ---- */

bool
keys_lock_and_hide(void *p, size_t len)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t begin = (uintptr_t)p / page * page;
	uintptr_t end = ((uintptr_t)p + len + page - 1) / page * page;

	return sodium_mlock(p, len) == 0 && madvise((void *)begin, end - begin, MADV_DONTDUMP) == 0;
}

struct keys *
keys_alloc(void)
{
	struct keys *keys = sodium_init() < 0 ? NULL : sodium_malloc(sizeof(*keys));

	if (keys != NULL && !keys_lock_and_hide(keys, sizeof(*keys))) {
		sodium_free(keys);
		return NULL;
	}
	if (keys != NULL)
		sodium_memzero(keys, sizeof(*keys));
	return keys;
}

void
keys_free(struct keys *keys)
{
	sodium_free(keys);
}

/* ---- creating ---- */

static void
close_quietly(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}

static enum status
write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return ST_IO;
		data += n;
		len -= (size_t)n;
	}
	return ST_OK;
}

/* Writes what is in ${keys}' text; the file must not be there. */
static enum status
create_file(int dir_fd, const char *name, const struct keys *keys)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);

	if (fd < 0)
		return errno == EEXIST ? ST_BUSY : ST_IO;
	enum status st = fchmod(fd, 0400) == 0 ? write_all(fd, keys->text, KEY_FILE_BYTES) : ST_IO;
	if (st == ST_OK && fsync(fd) != 0)
		st = ST_IO;
	close_quietly(fd);
	if (st != ST_OK) {
		int saved = errno;
		unlinkat(dir_fd, name, 0);
		errno = saved;
	}
	return st;
}

/* What a power loss must not take: the files' names, and the directory's own. */
static enum status
sync_names(int dir_fd)
{
	int parent_fd = openat(dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (parent_fd < 0)
		return ST_IO;
	enum status st = fsync(dir_fd) == 0 && fsync(parent_fd) == 0 ? ST_OK : ST_IO;
	close_quietly(parent_fd);
	return st;
}

enum status
key_file_create_random(int dir_fd, const char *name, struct keys *scratch)
{
	randombytes_buf(scratch->seed[0], SEED_BYTES);
	sodium_bin2hex(scratch->text, sizeof(scratch->text), scratch->seed[0], SEED_BYTES);
	scratch->text[KEY_FILE_BYTES - 1] = '\n';
	return create_file(dir_fd, name, scratch);
}

static enum status
create_files(int dir_fd, struct keys *scratch)
{
	enum status st = ST_OK;
	char first[EPOCH_NAME_BYTES];
	int made = 0;

	while (made <= KEY_COUNT && st == ST_OK) {
		st = key_file_create_random(dir_fd, made == KEY_COUNT ? epoch_key_name(1, first) : file_names[made], scratch);
		if (st == ST_OK)
			made++;
	}
	if (st == ST_OK)
		st = sync_names(dir_fd);
	if (st != ST_OK) {
		int saved = errno;
		while (made-- > 0)
			unlinkat(dir_fd, made == KEY_COUNT ? first : file_names[made], 0);
		errno = saved;
	}
	return st;
}

enum status
key_dir_open(const char *dir, int *ret_fd)
{
	struct stat s;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? ST_NOTFOUND : ST_IO;
	enum status st = fstat(fd, &s) != 0 ? ST_IO : (s.st_mode & 077) != 0 ? ST_INVALID : ST_OK;
	if (st == ST_OK)
		*ret_fd = fd;
	else
		close_quietly(fd);
	return st;
}

enum status
keys_create(const char *dir)
{
	char first[EPOCH_NAME_BYTES];
	int dir_fd;
	enum status st;
	struct stat s;
	struct keys *scratch = keys_alloc();

	if (scratch == NULL)
		return ST_NOMEM;
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		st = ST_IO;
	else
		st = key_dir_open(dir, &dir_fd);
	if (st != ST_OK) {
		keys_free(scratch);
		return st == ST_NOTFOUND ? ST_IO : st;
	}
	for (int i = 0; i < KEY_COUNT && st == ST_OK; i++)		/* before anything is made */
		if (fstatat(dir_fd, file_names[i], &s, AT_SYMLINK_NOFOLLOW) == 0)
			st = ST_BUSY;
	if (st == ST_OK && fstatat(dir_fd, epoch_key_name(1, first), &s, AT_SYMLINK_NOFOLLOW) == 0)
		st = ST_BUSY;
	if (st == ST_OK)
		st = create_files(dir_fd, scratch);
	close_quietly(dir_fd);
	keys_free(scratch);
	return st;
}

/* Where a daemon looks: a key made in another directory would be a secret that nobody needs, perhaps where it is copied and shown. */
static bool
has_keys(int dir_fd)
{
	struct stat s;

	for (int name = SIGNING_KEYS; name < KEY_COUNT; name++)
		if (fstatat(dir_fd, file_names[name], &s, AT_SYMLINK_NOFOLLOW) != 0)
			return false;
	return true;
}

enum status
keys_next_create(const char *dir, enum key_name name, uint8_t ret_public[static PUBLIC_KEY_BYTES])
{
	int dir_fd;
	struct keys *scratch = keys_alloc();

	assert(name < SIGNING_KEYS);
	if (scratch == NULL)
		return ST_NOMEM;
	enum status st = key_dir_open(dir, &dir_fd);
	if (st == ST_OK && !has_keys(dir_fd)) {
		close_quietly(dir_fd);
		st = ST_NOTFOUND;
	}
	if (st != ST_OK) {
		keys_free(scratch);
		return st;
	}
	st = key_file_create_random(dir_fd, next_names[name], scratch);
	if (st == ST_OK && fsync(dir_fd) != 0) {
		int saved = errno;
		unlinkat(dir_fd, next_names[name], 0);
		errno = saved;
		st = ST_IO;
	}
	if (st == ST_OK)
		crypto_sign_seed_keypair(ret_public, scratch->signing[name][SLOT_NEXT].secret, scratch->seed[0]);
	close_quietly(dir_fd);
	keys_free(scratch);
	return st;
}

/* ---- loading ---- */

enum place { IN_KEY_DIRECTORY, IN_CREDENTIALS };

/* A credential's mode shows a group where it has an access list, whose mask that is: systemd's, who makes them root:root, names the service's user. */
static bool
is_private(const struct stat *s, enum place place)
{
	if (s->st_uid != geteuid() && s->st_uid != 0)
		return false;
	if (place == IN_CREDENTIALS && s->st_gid == 0)
		return (s->st_mode & 027) == 0;
	return (s->st_mode & 077) == 0;
}

static enum status
open_file(int dir_fd, enum place place, const char *name, int *ret_fd)
{
	struct stat s;
	int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);	/* a FIFO must not hold us up */

	if (fd < 0)
		return errno == ENOENT ? ST_NOTFOUND : errno == ELOOP ? ST_INVALID : ST_IO;
	enum status st = ST_OK;
	if (fstat(fd, &s) != 0)
		st = ST_IO;
	else if (!S_ISREG(s.st_mode) || !is_private(&s, place))
		st = ST_INVALID;
	if (st == ST_OK)
		*ret_fd = fd;
	else
		close_quietly(fd);
	return st;
}

/* The file's text, which may be longer than it should by the one byte that tells. */
static enum status
read_text(int fd, struct keys *keys, size_t *ret_len)
{
	size_t len = 0;

	while (len < sizeof(keys->text)) {
		ssize_t n = read(fd, keys->text + len, sizeof(keys->text) - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ST_IO;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret_len = len;
	return ST_OK;
}

static enum status
load_file(int dir_fd, enum place place, const char *name, struct keys *keys, uint8_t ret_seed[static SEED_BYTES])
{
	size_t len, seed_len;
	const char *end;
	int fd;
	enum status st = open_file(dir_fd, place, name, &fd);

	if (st != ST_OK)
		return st;
	st = read_text(fd, keys, &len);
	close_quietly(fd);
	if (st == ST_OK && (len != KEY_FILE_BYTES || keys->text[KEY_FILE_BYTES - 1] != '\n' ||
	    sodium_hex2bin(ret_seed, SEED_BYTES, keys->text, KEY_FILE_BYTES - 1, NULL, &seed_len, &end) != 0 ||
	    seed_len != SEED_BYTES || end != keys->text + KEY_FILE_BYTES - 1))
		st = ST_INVALID;
	sodium_memzero(keys->text, sizeof(keys->text));
	return st;
}

enum status
key_file_load(int dir_fd, const char *name, struct keys *scratch, const uint8_t **ret_seed)
{
	*ret_seed = scratch->seed[0];
	return load_file(dir_fd, IN_KEY_DIRECTORY, name, scratch, scratch->seed[0]);
}

static enum status
load_signing(int dir_fd, enum place place, const char *file, struct keys *keys, enum key_name name, enum slot slot)
{
	struct signing_key *key = &keys->signing[name][slot];
	enum status st = load_file(dir_fd, place, file, keys, keys->seed[name]);

	if (st == ST_OK)
		crypto_sign_seed_keypair(key->public, key->secret, keys->seed[name]);
	key->there = st == ST_OK;
	sodium_memzero(keys->seed[name], SEED_BYTES);
	return st;
}

/* Around a rotation, and after a loss, the successor may be there alone; which one is the ledger's is for the ledger to say. */
static enum status
load_either(int dir_fd, struct keys *keys, enum key_name name)
{
	enum status st = load_signing(dir_fd, IN_KEY_DIRECTORY, file_names[name], keys, name, SLOT_CURRENT);

	if (st != ST_OK && st != ST_NOTFOUND)
		return st;
	enum status next = load_signing(dir_fd, IN_KEY_DIRECTORY, next_names[name], keys, name, SLOT_NEXT);
	return next == ST_OK ? ST_OK : st;
}

/* Directories that are there and private; -1: it is not. */
struct places {
	int dir_fd, credentials_fd;
	enum status dir_status;			/* why there is no dir_fd: it need not be there when all keys are credentials */
};

/* ST_NOTFOUND: there is no such credential. */
static enum status
load_credential(const struct places *places, struct keys *keys, enum key_name name)
{
	assert(name < KEY_COUNT);
	if (places->credentials_fd < 0)
		return ST_NOTFOUND;
	if (name >= SIGNING_KEYS)
		/* cppcheck-suppress arrayIndexOutOfBoundsCond ; it is below KEY_COUNT */
		return load_file(places->credentials_fd, IN_CREDENTIALS, file_names[name], keys, keys->seed[name]);
	enum status st = load_signing(places->credentials_fd, IN_CREDENTIALS, file_names[name], keys, name, SLOT_CURRENT);
	keys->is_credential[name] = st == ST_OK;
	return st;
}

static enum status
load_all(const struct places *places, struct keys *keys, struct keys_fault *ret_fault)
{
	for (int i = 0; i < KEY_COUNT; i++) {
		enum key_name name = (enum key_name)i;
		enum status st = load_credential(places, keys, name);
		ret_fault->in_credentials = st != ST_NOTFOUND;
		if (st == ST_NOTFOUND && places->dir_fd < 0)
			return places->dir_status;
		if (st == ST_NOTFOUND)
			st = name < SIGNING_KEYS ? load_either(places->dir_fd, keys, name)
			    : load_file(places->dir_fd, IN_KEY_DIRECTORY, file_names[name], keys, keys->seed[name]);
		if (st != ST_OK) {
			ret_fault->file = file_names[name];
			return st;
		}
	}
	return ST_OK;
}

/* The manager's directory: nobody else's, and not for others to enter. */
static enum status
open_credentials(const char *path, int *ret_fd)
{
	struct stat s;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? ST_NOTFOUND : ST_IO;
	enum status st = fstat(fd, &s) != 0 ? ST_IO : !is_private(&s, IN_CREDENTIALS) ? ST_INVALID : ST_OK;
	if (st == ST_OK)
		*ret_fd = fd;
	else
		close_quietly(fd);
	return st;
}

static enum status
load_from(const char *dir, const char *credentials, struct keys *keys, struct keys_fault *ret_fault)
{
	struct places places = { .dir_fd = -1, .credentials_fd = -1 };
	enum status st = credentials == NULL ? ST_OK : open_credentials(credentials, &places.credentials_fd);

	if (st != ST_OK) {
		ret_fault->in_credentials = true;
		return st;
	}
	places.dir_status = key_dir_open(dir, &places.dir_fd);
	st = places.dir_status == ST_OK || places.dir_status == ST_NOTFOUND ? load_all(&places, keys, ret_fault) : places.dir_status;
	if (places.dir_fd >= 0)
		close_quietly(places.dir_fd);
	if (places.credentials_fd >= 0)
		close_quietly(places.credentials_fd);
	return st;
}

enum status
keys_load_with(const char *dir, const char *credentials, struct keys **ret_keys, struct keys_fault *ret_fault)
{
	struct keys *keys = keys_alloc();

	*ret_fault = (struct keys_fault){ .file = NULL };
	if (keys == NULL)
		return ST_NOMEM;
	enum status st = load_from(dir, credentials, keys, ret_fault);
	if (st == ST_OK && sodium_mprotect_readonly(keys) != 0)
		st = ST_NOMEM;
	if (st != ST_OK) {
		keys_free(keys);
		return st;
	}
	*ret_keys = keys;
	return ST_OK;
}

enum status
keys_load(const char *dir, struct keys **ret_keys, const char **ret_bad)
{
	struct keys_fault fault;
	enum status st = keys_load_with(dir, NULL, ret_keys, &fault);

	*ret_bad = fault.file;
	return st;
}

bool
keys_is_credential(const struct keys *keys, enum key_name name)
{
	assert(name < SIGNING_KEYS);
	return keys->is_credential[name];
}

/* ---- rotating ---- */

static bool
is_key(const struct signing_key *key, const uint8_t public_key[static PUBLIC_KEY_BYTES])
{
	return key->there && memcmp(key->public, public_key, PUBLIC_KEY_BYTES) == 0;
}

static enum status
load_named(struct keys *keys, const char *dir, const char *file, enum key_name name, enum slot slot,
    const uint8_t public_key[static PUBLIC_KEY_BYTES], enum key_file *ret_file)
{
	struct signing_key *key = &keys->signing[name][slot];
	int dir_fd;

	enum status st = key_dir_open(dir, &dir_fd);
	if (st != ST_OK)
		return st;
	if (sodium_mprotect_readwrite(keys) != 0) {
		close_quietly(dir_fd);
		return ST_NOMEM;
	}
	st = load_signing(dir_fd, IN_KEY_DIRECTORY, file, keys, name, slot);
	close_quietly(dir_fd);
	if (st == ST_IO && errno == EACCES)
		st = ST_INVALID;		/* another user has made it: the file is to blame, and not the directory */
	*ret_file = st == ST_NOTFOUND ? KEY_FILE_MISSING : st == ST_INVALID ? KEY_FILE_UNFIT : KEY_FILE_OK;
	if (st == ST_OK && !is_key(key, public_key)) {
		*ret_file = KEY_FILE_OTHER;
		sodium_memzero(key, sizeof(*key));
	}
	if (sodium_mprotect_readonly(keys) != 0)
		return ST_NOMEM;
	return st == ST_NOTFOUND || st == ST_INVALID ? ST_OK : st;
}

enum status
keys_next_load(struct keys *keys, const char *dir, enum key_name name, const uint8_t public_key[static PUBLIC_KEY_BYTES], enum key_file *ret_file)
{
	assert(name < SIGNING_KEYS);
	return load_named(keys, dir, next_names[name], name, SLOT_NEXT, public_key, ret_file);
}

enum status
keys_old_load(struct keys *keys, const char *dir, enum key_name name, const uint8_t public_key[static PUBLIC_KEY_BYTES], enum key_file *ret_file)
{
	char file[OLD_NAME_BYTES];

	assert(name < SIGNING_KEYS);
	return load_named(keys, dir, old_name(name, public_key, file), name, SLOT_OLD, public_key, ret_file);
}

/* The replaced one gets its second name before the first is taken from it, so that no moment lacks a file of either. */
static enum status
rename_files(const struct keys *keys, const char *dir, enum key_name name)
{
	const struct signing_key *old = &keys->signing[name][SLOT_OLD];
	char file[OLD_NAME_BYTES];
	int dir_fd;

	enum status st = key_dir_open(dir, &dir_fd);
	if (st != ST_OK)
		return ST_IO;
	if (old->there && linkat(dir_fd, file_names[name], dir_fd, old_name(name, old->public, file), 0) != 0 && errno != EEXIST)
		st = ST_IO;
	if (st == ST_OK && renameat(dir_fd, next_names[name], dir_fd, file_names[name]) != 0)
		st = ST_IO;
	if (st == ST_OK && fsync(dir_fd) != 0)
		st = ST_IO;
	close_quietly(dir_fd);
	return st;
}

enum status
keys_promote(struct keys *keys, const char *dir, enum key_name name)
{
	struct signing_key *key = keys->signing[name];

	assert(name < SIGNING_KEYS && key[SLOT_NEXT].there && !keys->is_credential[name]);
	if (sodium_mprotect_readwrite(keys) != 0)
		return ST_NOMEM;
	key[SLOT_OLD] = key[SLOT_CURRENT];
	key[SLOT_CURRENT] = key[SLOT_NEXT];
	sodium_memzero(&key[SLOT_NEXT], sizeof(key[SLOT_NEXT]));
	enum status st = rename_files(keys, dir, name);
	if (name == KEY_TRANSACTION)
		sodium_memzero(&key[SLOT_OLD], sizeof(key[SLOT_OLD]));
	return sodium_mprotect_readonly(keys) != 0 ? ST_NOMEM : st;
}

bool
keys_is_next(const struct keys *keys, enum key_name name, const uint8_t public_key[static PUBLIC_KEY_BYTES])
{
	assert(name < SIGNING_KEYS);
	return is_key(&keys->signing[name][SLOT_NEXT], public_key);
}

const uint8_t *
keys_next_public(const struct keys *keys, enum key_name name)
{
	assert(name < SIGNING_KEYS);
	return keys->signing[name][SLOT_NEXT].there ? keys->signing[name][SLOT_NEXT].public : NULL;
}

/* ---- using ---- */

static const struct signing_key *
find(const struct keys *keys, const uint8_t public_key[static PUBLIC_KEY_BYTES])
{
	for (int name = 0; name < SIGNING_KEYS; name++)
		for (int slot = 0; slot < SLOT_COUNT; slot++)
			if (is_key(&keys->signing[name][slot], public_key))
				return &keys->signing[name][slot];
	return NULL;
}

static void
sign_with(const struct signing_key *key, struct bytes bytes, uint8_t ret_signature[static SIGNATURE_BYTES])
{
	assert(key->there);
	int failed = crypto_sign_detached(ret_signature, NULL, bytes.data, bytes.len, key->secret);
	assert(failed == 0);		/* it has no way to fail */
}

enum status
sign_bytes_as(const struct keys *keys, const uint8_t public_key[static PUBLIC_KEY_BYTES], struct bytes bytes,
    uint8_t ret_signature[static SIGNATURE_BYTES])
{
	const struct signing_key *key = find(keys, public_key);

	if (key == NULL)
		return ST_NOTFOUND;
	sign_with(key, bytes, ret_signature);
	return ST_OK;
}

enum status
sign_once_as(const struct keys *keys, const uint8_t public_key[static PUBLIC_KEY_BYTES], const char *type, struct bytes body,
    uint8_t ret_signature[static SIGNATURE_BYTES])
{
	struct buf pae;

	buf_init(&pae);
	pae_put(&pae, type, body);
	enum status st = buf_status(&pae);
	if (st == ST_OK)
		st = sign_bytes_as(keys, public_key, buf_bytes(&pae), ret_signature);
	buf_release(&pae);
	return st;
}

const uint8_t *
keys_secret(const struct keys *keys, enum key_name name)
{
	assert(name >= SIGNING_KEYS && name < KEY_COUNT);
	return keys->seed[name];
}

const uint8_t *
keys_public(const struct keys *keys, enum key_name name)
{
	assert(name < SIGNING_KEYS);
	return keys->signing[name][SLOT_CURRENT].public;
}

enum status
sign_bytes(const struct keys *keys, enum key_name name, struct bytes bytes, uint8_t ret_signature[static SIGNATURE_BYTES])
{
	assert(name < SIGNING_KEYS);
	sign_with(&keys->signing[name][SLOT_CURRENT], bytes, ret_signature);
	return ST_OK;
}

enum status
keys_sign(const struct keys *keys, enum key_name name, struct buf *pae, const char *type, struct bytes body,
    uint8_t ret_signature[static SIGNATURE_BYTES])
{
	assert(name < SIGNING_KEYS);
	buf_clear(pae);
	pae_put(pae, type, body);
	if (buf_status(pae) != ST_OK)
		return ST_NOMEM;
	return sign_bytes(keys, name, buf_bytes(pae), ret_signature);
}

/* ---- a key outside a key directory ---- */

/* So that a power loss does not take the file's name. */
static enum status
sync_parent(const char *path)
{
	char parent[4096] = ".";
	const char *slash = strrchr(path, '/');

	if (slash != NULL && (size_t)(slash - path) + 2 > sizeof(parent))
		return ST_IO;
	if (slash != NULL) {
		memcpy(parent, path, (size_t)(slash - path) + 1);
		parent[slash - path + 1] = '\0';
	}
	int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return ST_IO;
	enum status st = fsync(fd) == 0 ? ST_OK : ST_IO;
	close_quietly(fd);
	return st;
}

enum status
key_file_create(const char *path, uint8_t ret_public[static PUBLIC_KEY_BYTES])
{
	struct keys *scratch = keys_alloc();

	if (scratch == NULL)
		return ST_NOMEM;
	enum status st = key_file_create_random(AT_FDCWD, path, scratch);
	if (st == ST_OK)
		st = sync_parent(path);
	if (st == ST_OK)
		crypto_sign_seed_keypair(ret_public, scratch->signing[KEY_TRANSACTION][SLOT_CURRENT].secret, scratch->seed[0]);
	keys_free(scratch);
	return st;
}

enum status
key_file_sign(const char *path, const char *type, struct bytes body, uint8_t ret_public[static PUBLIC_KEY_BYTES],
    uint8_t ret_signature[static SIGNATURE_BYTES])
{
	struct keys *keys = keys_alloc();

	if (keys == NULL)
		return ST_NOMEM;
	enum status st = load_signing(AT_FDCWD, IN_KEY_DIRECTORY, path, keys, KEY_TRANSACTION, SLOT_CURRENT);
	if (st == ST_OK)
		st = sign_once(keys, KEY_TRANSACTION, type, body, ret_signature);
	if (st == ST_OK)
		memcpy(ret_public, keys->signing[KEY_TRANSACTION][SLOT_CURRENT].public, PUBLIC_KEY_BYTES);
	keys_free(keys);
	return st;
}

bool
sign_key_usable(const uint8_t public_key[static PUBLIC_KEY_BYTES])
{
	return crypto_core_ed25519_is_valid_point(public_key) == 1;
}
