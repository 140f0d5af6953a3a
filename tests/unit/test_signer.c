/**
 * Keys on disk and in memory, single signatures and the pool.  Expected signatures were made with OpenSSL over the encoding written out
 * by hand; the key pairs are those of RFC 8032, section 7.1.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "key_place.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0		/* the sanitizers turn mlock() into nothing */
#endif


static struct keys *
load(struct place *p)
{
	struct keys *keys;
	const char *bad = "untouched";

	assert_int_equal(keys_load(p->dir, &keys, &bad), ST_OK);
	assert_null(bad);
	return keys;
}

static struct keys *
load_seeds(struct place *p, const char *transaction, const char *checkpoint)
{
	assert_int_equal(keys_create(p->dir), ST_OK);
	write_file(p, "transaction.key", transaction, 0400);
	write_file(p, "checkpoint.key", checkpoint, 0400);
	return load(p);
}

/* ---- key files ---- */

static void
create_makes_private_files(void **state)
{
	struct place *p = *state;
	char texts[KEY_COUNT][80];
	struct stat s;
	mode_t mask = umask(0);

	assert_int_equal(keys_create(p->dir), ST_OK);
	umask(mask);
	assert_int_equal(stat(p->dir, &s), 0);
	assert_int_equal(s.st_mode & 07777, 0700);
	for (int i = 0; i < KEY_COUNT; i++) {
		FILE *f = fopen(path_of(p, key_names[i]), "r");
		assert_non_null(f);
		assert_int_equal(fstat(fileno(f), &s), 0);
		assert_int_equal(s.st_mode & 07777, 0400);
		assert_int_equal(fread(texts[i], 1, sizeof(texts[i]), f), 65);
		fclose(f);
		assert_int_equal(strspn(texts[i], "0123456789abcdef"), 64);
		assert_int_equal(texts[i][64], '\n');
		for (int j = 0; j < i; j++)
			assert_memory_not_equal(texts[i], texts[j], 64);
	}

	struct keys *keys = load(p);
	assert_memory_not_equal(keys_public(keys, KEY_TRANSACTION), keys_public(keys, KEY_CHECKPOINT), PUBLIC_KEY_BYTES);
	for (int i = KEY_ALIAS; i < KEY_COUNT; i++) {
		texts[i][64] = '\0';
		assert_hex(keys_secret(keys, (enum key_name)i), 32, texts[i]);
	}
	keys_free(keys);
	keys_free(NULL);
}

/* Whichever file is there already: it stays as it was, and no other is made. */
static void
create_never_overwrites(void **state)
{
	struct place *p = *state;
	struct stat s;

	assert_int_equal(mkdir(p->dir, 0700), 0);
	for (int i = 0; i < KEY_COUNT; i++) {
		write_file(p, key_names[i], "precious", 0400);
		assert_int_equal(keys_create(p->dir), ST_BUSY);
		for (int j = 0; j < KEY_COUNT; j++)
			assert_int_equal(stat(path_of(p, key_names[j]), &s), i == j ? 0 : -1);
		assert_int_equal(stat(path_of(p, key_names[i]), &s), 0);
		assert_int_equal(s.st_size, 8);
		unlink(p->path);
	}
	assert_int_equal(symlink("nowhere", path_of(p, "vault.key")), 0);
	assert_int_equal(keys_create(p->dir), ST_BUSY);
	unlink(p->path);
	assert_int_equal(keys_create(p->dir), ST_OK);
	assert_int_equal(keys_create(p->dir), ST_BUSY);
	keys_free(load(p));
}

static void
create_needs_a_private_place(void **state)
{
	struct place *p = *state;
	char path[160];

	assert_int_equal(mkdir(p->dir, 0700), 0);
	assert_int_equal(chmod(p->dir, 0750), 0);
	assert_int_equal(keys_create(p->dir), ST_INVALID);
	assert_int_equal(access(path_of(p, key_names[0]), F_OK), -1);
	assert_int_equal(rmdir(p->dir), 0);

	snprintf(path, sizeof(path), "%s/no/keys", p->root);
	assert_int_equal(keys_create(path), ST_IO);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(keys_create("/dev/null"), ST_IO);
	assert_int_equal(errno, ENOTDIR);
}

static void
load_refuses(void **state)
{
	static const struct { const char *name, *text; mode_t mode; enum status want; } cases[] = {
		{ "the group may read it", SEED_1 "\n", 0440, ST_INVALID },
		{ "others may read it", SEED_1 "\n", 0404, ST_INVALID },
		{ "the group may write it", SEED_1 "\n", 0420, ST_INVALID },
		{ "others may run it", SEED_1 "\n", 0401, ST_INVALID },
		{ "empty", "", 0400, ST_INVALID },
		{ "no newline", SEED_1, 0400, ST_INVALID },
		{ "one digit short", "d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60\n", 0400, ST_INVALID },
		{ "one digit more", SEED_1 "0\n", 0400, ST_INVALID },
		{ "two newlines", SEED_1 "\n\n", 0400, ST_INVALID },
		{ "carriage return", "d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60\r\n", 0400, ST_INVALID },
		{ "no hex digit", "xd61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60\n", 0400, ST_INVALID },
		{ "a space before", " d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60\n", 0400, ST_INVALID },
		{ "a hole in the middle", "9d61b19deffd5a60ba844af492ec2cc4:449c5697b326919703bac031cae7f60\n", 0400, ST_INVALID },
		{ "good", SEED_1 "\n", 0400, ST_OK },
		{ "good, and its owner may write it", SEED_1 "\n", 0600, ST_OK },
	};
	struct place *p = *state;

	assert_int_equal(keys_create(p->dir), ST_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (int n = 0; n < KEY_COUNT; n++) {
			struct keys *keys = NULL;
			const char *bad = "untouched";
			write_file(p, key_names[n], cases[i].text, cases[i].mode);
			enum status got = keys_load(p->dir, &keys, &bad);
			if (got != cases[i].want)
				fail_msg("%s in %s: %s", cases[i].name, key_names[n], status_str(got));
			if (got == ST_OK) {
				assert_null(bad);
			} else {
				assert_null(keys);
				assert_string_equal(bad, key_names[n]);
			}
			keys_free(keys);
			write_file(p, key_names[n], SEED_2 "\n", 0400);
		}
	}
}

static void
load_refuses_what_is_no_file(void **state)
{
	struct place *p = *state;
	struct keys *keys = NULL;
	const char *bad = "untouched";

	assert_int_equal(keys_load(p->dir, &keys, &bad), ST_NOTFOUND);
	assert_null(bad);
	assert_int_equal(keys_create(p->dir), ST_OK);

	write_file(p, "elsewhere", SEED_1 "\n", 0400);
	unlink(path_of(p, "alias.key"));
	assert_int_equal(keys_load(p->dir, &keys, &bad), ST_NOTFOUND);
	assert_string_equal(bad, "alias.key");

	assert_int_equal(symlink("elsewhere", p->path), 0);
	assert_int_equal(keys_load(p->dir, &keys, &bad), ST_INVALID);
	assert_string_equal(bad, "alias.key");

	unlink(p->path);
	assert_int_equal(mkdir(p->path, 0700), 0);
	assert_int_equal(keys_load(p->dir, &keys, &bad), ST_INVALID);
	assert_string_equal(bad, "alias.key");

	assert_int_equal(rmdir(p->path), 0);
	assert_int_equal(mkfifo(p->path, 0400), 0);
	assert_int_equal(keys_load(p->dir, &keys, &bad), ST_INVALID);

	write_file(p, "alias.key", SEED_1 "\n", 0400);
	assert_int_equal(chmod(p->dir, 0710), 0);
	assert_int_equal(keys_load(p->dir, &keys, &bad), ST_INVALID);
	assert_null(bad);
	assert_null(keys);
	assert_int_equal(chmod(p->dir, 0700), 0);
	keys_free(load(p));
}

/* ---- memory ---- */

/* Whether the mapping that holds ${address} has the permission string and the flags, as the kernel tells. */
static void
assert_mapping(const void *address, const char *permissions, const char *flag)
{
	char line[512], found[8] = "";
	FILE *f = fopen("/proc/self/smaps", "r");

	assert_non_null(f);
	bool inside = false, flagged = false;
	while (fgets(line, sizeof(line), f) != NULL) {
		unsigned long begin, end;
		char allowed[8];
		if (sscanf(line, "%lx-%lx %7s", &begin, &end, allowed) == 3) {
			inside = (uintptr_t)address >= begin && (uintptr_t)address < end;
			if (inside)
				strcpy(found, allowed);
		} else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
			flagged = strstr(line, flag) != NULL;
		}
	}
	fclose(f);
	assert_string_equal(found, permissions);
	assert_true(flagged);
}

static void
secrets_are_locked_hidden_and_read_only(void **state)
{
	struct keys *keys = load_seeds(*state, SEED_1 "\n", SEED_2 "\n");

	assert_mapping(keys_secret(keys, KEY_ALIAS), "r--p", " dd");
	if (!SANITIZED)
		assert_mapping(keys_secret(keys, KEY_ALIAS), "r--p", " lo");
	keys_free(keys);
}

/* In a child that is not root and may lock nothing. */
static void
unlockable_memory_is_an_error(void **state)
{
	struct place *p = *state;
	int status;

	if (SANITIZED)
		skip();
	assert_int_equal(chmod(p->root, 0777), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const struct rlimit none = { 0, 0 };
		struct keys *keys;
		const char *bad;
		if (geteuid() == 0 && setuid(65534) != 0)
			_exit(100);
		if (setrlimit(RLIMIT_MEMLOCK, &none) != 0)
			_exit(101);
		if (keys_create(p->dir) != ST_NOMEM || access(p->dir, F_OK) == 0)
			_exit(102);
		_exit(keys_load(p->root, &keys, &bad) == ST_NOMEM && bad == NULL ? 0 : 103);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- signatures ---- */

static void
pae_is_that_of_dsse(void **state)
{
	static const char want[] = "xDSSEv1 29 http://example.com/HelloWorld 11 hello worldDSSEv1 0  0 ";
	struct buf out;
	(void)state;

	buf_init(&out);
	buf_put(&out, "x", 1);		/* appended, not put in its place */
	pae_put(&out, "http://example.com/HelloWorld", bytes_of("hello world", 11));
	pae_put(&out, "", bytes_of(NULL, 0));
	assert_int_equal(buf_status(&out), ST_OK);
	assert_true(bytes_equal(buf_bytes(&out), bytes_of(want, sizeof(want) - 1)));
	buf_release(&out);
}

static const struct { const char *seed, *public, *type, *body; size_t len; const char *signature; } vectors[] = {
	{ SEED_1 "\n", PUBLIC_1, "http://example.com/HelloWorld", "hello world", 11,
	    "e031d7dd99f8aa904abc48fb99a13c3bdbbd6e35c49cf2cb9f25d5509d8f5c94"
	    "7c0d22dc2f7403a45bdf24e8f7a41fd23c7b25e898386e8c6c31be8abee60007" },
	{ SEED_2 "\n", PUBLIC_2, SIGNER_TRANSACTION_TYPE, "", 0,
	    "169fa169f7daf422c1ec3d8c6778210efc6ee36a8ba1ea2fece8cac29a76fd27"
	    "08692d007763085425e9407a135a6e818db9ec0c6c05162a1e0b6e3f00f3c304" },
	{ SEED_3 "\n", PUBLIC_3, "", "\xaf\x82", 2,
	    "0819ad3c58eab94ec4c5b43c6c5b9a76098dcb4caf3dc8ddf41d46a9ad85470f"
	    "4e2d4fbe8f3222f775b6bc1bbbb268696efe8fb4faacb28d37d471065d52ef0d" },
};

static void
known_signatures(void **state)
{
	struct place *p = *state;

	assert_int_equal(keys_create(p->dir), ST_OK);
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		enum key_name name = i % 2 == 0 ? KEY_TRANSACTION : KEY_CHECKPOINT;
		struct bytes body = bytes_of(vectors[i].body, vectors[i].len);
		uint8_t signature[SIGNATURE_BYTES];
		write_file(p, key_names[name], vectors[i].seed, 0400);
		struct keys *keys = load(p);
		assert_hex(keys_public(keys, name), PUBLIC_KEY_BYTES, vectors[i].public);
		assert_int_equal(sign_once(keys, name, vectors[i].type, body, signature), ST_OK);
		assert_hex(signature, SIGNATURE_BYTES, vectors[i].signature);
		assert_int_equal(sign_verify(keys_public(keys, name), vectors[i].type, body, bytes_of(signature, SIGNATURE_BYTES)), ST_OK);
		keys_free(keys);
	}
}

static void
key_id_is_the_start_of_its_hash(void **state)
{
	struct keys *keys = load_seeds(*state, SEED_1 "\n", SEED_2 "\n");
	uint8_t id[KEY_ID_BYTES];

	key_id_of(keys_public(keys, KEY_TRANSACTION), id);
	assert_hex(id, sizeof(id), "21fe31dfa154a261");
	keys_free(keys);
}

static void
verify_refuses(void **state)
{
	static const char body[] = "a transaction";
	struct keys *keys = load_seeds(*state, SEED_1 "\n", SEED_2 "\n");
	const uint8_t *public_key = keys_public(keys, KEY_TRANSACTION);
	struct bytes b = bytes_of(body, sizeof(body));
	uint8_t signature[SIGNATURE_BYTES];
	struct bytes s = bytes_of(signature, sizeof(signature));

	assert_int_equal(sign_once(keys, KEY_TRANSACTION, "type", b, signature), ST_OK);
	assert_int_equal(sign_verify(public_key, "type", b, s), ST_OK);
	assert_int_equal(sign_verify(public_key, "typf", b, s), ST_INVALID);
	assert_int_equal(sign_verify(keys_public(keys, KEY_CHECKPOINT), "type", b, s), ST_INVALID);
	assert_int_equal(sign_verify(public_key, "type", bytes_of(body, sizeof(body) - 1), s), ST_INVALID);
	assert_int_equal(sign_verify(public_key, "type", b, bytes_of(signature, 63)), ST_INVALID);
	assert_int_equal(sign_verify(public_key, "type", b, bytes_of(NULL, 0)), ST_INVALID);
	for (unsigned bit = 0; bit < SIGNATURE_BYTES * 8; bit++) {
		signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(sign_verify(public_key, "type", b, s), ST_INVALID);
		signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(sign_verify(public_key, "type", b, s), ST_OK);
	keys_free(keys);
}

/* ---- rotating ---- */

static bool
there(struct place *p, const char *name)
{
	return access(path_of(p, name), F_OK) == 0;
}

static void
public_of(const char *hex, uint8_t ret[static PUBLIC_KEY_BYTES])
{
	size_t len;

	assert_int_equal(sodium_hex2bin(ret, PUBLIC_KEY_BYTES, hex, strlen(hex), NULL, &len, NULL), 0);
}

static void
a_next_key_is_made_once(void **state)
{
	struct place *p = *state;
	uint8_t public[PUBLIC_KEY_BYTES], again[PUBLIC_KEY_BYTES];
	enum key_file file;
	struct stat s;

	assert_int_equal(keys_next_create(p->dir, KEY_TRANSACTION, public), ST_NOTFOUND);
	struct keys *keys = load_seeds(p, SEED_1 "\n", SEED_2 "\n");
	assert_null(keys_next_public(keys, KEY_TRANSACTION));
	for (enum key_name name = KEY_TRANSACTION; name <= KEY_CHECKPOINT; name++) {
		const char *path = name == KEY_TRANSACTION ? "transaction.next.key" : "checkpoint.next.key";
		assert_int_equal(keys_next_create(p->dir, name, public), ST_OK);
		assert_int_equal(stat(path_of(p, path), &s), 0);
		assert_int_equal(s.st_mode & 07777, 0400);
		assert_int_equal(s.st_size, 65);
		assert_int_equal(keys_next_create(p->dir, name, again), ST_BUSY);
		assert_int_equal(keys_next_load(keys, p->dir, name, public, &file), ST_OK);
		assert_int_equal(file, KEY_FILE_OK);
		assert_true(keys_is_next(keys, name, public));
		assert_memory_equal(keys_next_public(keys, name), public, PUBLIC_KEY_BYTES);
	}
	keys_free(keys);
	assert_int_equal(chmod(p->dir, 0755), 0);
	unlink(path_of(p, "transaction.next.key"));
	assert_int_equal(keys_next_create(p->dir, KEY_TRANSACTION, public), ST_INVALID);
	assert_int_equal(chmod(p->dir, 0700), 0);
}

/* What is loaded is the key that was named, or nothing. */
static void
a_next_key_is_loaded_by_its_public_half(void **state)
{
	static const struct { const char *text; mode_t mode; enum key_file want; } rows[] = {
		{ SEED_3 "\n", 0400, KEY_FILE_OK }, { SEED_3 "\n", 0440, KEY_FILE_UNFIT }, { SEED_3 "\n", 0404, KEY_FILE_UNFIT },
		{ SEED_3, 0400, KEY_FILE_UNFIT }, { "", 0400, KEY_FILE_UNFIT }, { SEED_1 "\n", 0400, KEY_FILE_OTHER }, { NULL, 0, KEY_FILE_MISSING },
	};
	struct place *p = *state;
	struct keys *keys = load_seeds(p, SEED_1 "\n", SEED_2 "\n");
	uint8_t public[PUBLIC_KEY_BYTES], signature[SIGNATURE_BYTES];
	enum key_file file;

	public_of(PUBLIC_3, public);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		unlink(path_of(p, "transaction.next.key"));
		if (rows[i].text != NULL)
			write_file(p, "transaction.next.key", rows[i].text, rows[i].mode);
		assert_int_equal(keys_next_load(keys, p->dir, KEY_TRANSACTION, public, &file), ST_OK);
		assert_int_equal(file, rows[i].want);
		bool loaded = file == KEY_FILE_OK;
		assert_int_equal(keys_is_next(keys, KEY_TRANSACTION, public), loaded);
		assert_int_equal(keys_next_public(keys, KEY_TRANSACTION) != NULL, loaded);
		assert_int_equal(sign_bytes_as(keys, public, bytes_of("x", 1), signature), loaded ? ST_OK : ST_NOTFOUND);
		assert_hex(keys_public(keys, KEY_TRANSACTION), PUBLIC_KEY_BYTES, PUBLIC_1);
	}
	assert_int_equal(symlink("transaction.key", path_of(p, "transaction.next.key")), 0);
	assert_int_equal(keys_next_load(keys, p->dir, KEY_TRANSACTION, public, &file), ST_OK);
	assert_int_equal(file, KEY_FILE_UNFIT);
	keys_free(keys);
}

/* As when root made it and the daemon is not root. */
static void
a_next_key_that_cannot_be_opened_is_unfit(void **state)
{
	struct place *p = *state;
	struct keys *keys = load_seeds(p, SEED_1 "\n", SEED_2 "\n");
	uint8_t public[PUBLIC_KEY_BYTES];
	enum key_file file = KEY_FILE_OK;
	int status;

	if (geteuid() != 0)
		skip();
	public_of(PUBLIC_3, public);
	write_file(p, "transaction.next.key", SEED_3 "\n", 0400);
	assert_int_equal(chmod(p->root, 0755), 0);
	assert_int_equal(chown(p->dir, 65534, 65534), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (setuid(65534) != 0)
			_exit(100);
		_exit(keys_next_load(keys, p->dir, KEY_TRANSACTION, public, &file) == ST_OK && file == KEY_FILE_UNFIT ? 0 : 101);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(chown(p->dir, 0, 0), 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	keys_free(keys);
}

static void
assert_signs(const struct keys *keys, const char *public_hex, bool want)
{
	uint8_t public[PUBLIC_KEY_BYTES], signature[SIGNATURE_BYTES];

	public_of(public_hex, public);
	assert_int_equal(sign_once_as(keys, public, "type", bytes_of("body", 4), signature), want ? ST_OK : ST_NOTFOUND);
	if (want)
		assert_int_equal(sign_verify(public, "type", bytes_of("body", 4), bytes_of(signature, SIGNATURE_BYTES)), ST_OK);
}

static void
promotion_changes_memory_and_files(void **state)
{
	struct place *p = *state;
	uint8_t public[PUBLIC_KEY_BYTES], signature[SIGNATURE_BYTES];
	enum key_file file;
	struct keys *keys = load_seeds(p, SEED_1 "\n", SEED_2 "\n");

	public_of(PUBLIC_3, public);
	write_file(p, "transaction.next.key", SEED_3 "\n", 0400);
	assert_int_equal(keys_next_load(keys, p->dir, KEY_TRANSACTION, public, &file), ST_OK);
	assert_int_equal(keys_promote(keys, p->dir, KEY_TRANSACTION), ST_OK);
	assert_hex(keys_public(keys, KEY_TRANSACTION), PUBLIC_KEY_BYTES, PUBLIC_3);
	assert_signs(keys, PUBLIC_3, true);
	assert_signs(keys, PUBLIC_1, false);		/* a replaced transaction key is of no more use */
	assert_int_equal(sign_once(keys, KEY_TRANSACTION, "type", bytes_of("body", 4), signature), ST_OK);
	assert_int_equal(sign_verify(public, "type", bytes_of("body", 4), bytes_of(signature, SIGNATURE_BYTES)), ST_OK);
	assert_true(there(p, OLD_1) && there(p, "transaction.key") && !there(p, "transaction.next.key"));
	keys_free(keys);
	keys = load(p);
	assert_hex(keys_public(keys, KEY_TRANSACTION), PUBLIC_KEY_BYTES, PUBLIC_3);

	/* of checkpoints the one before goes on signing, also after another load */
	public_of(PUBLIC_1, public);
	write_file(p, "checkpoint.next.key", SEED_1 "\n", 0400);
	assert_int_equal(keys_next_load(keys, p->dir, KEY_CHECKPOINT, public, &file), ST_OK);
	assert_int_equal(keys_promote(keys, p->dir, KEY_CHECKPOINT), ST_OK);
	assert_signs(keys, PUBLIC_1, true);
	assert_signs(keys, PUBLIC_2, true);
	keys_free(keys);
	keys = load(p);
	assert_signs(keys, PUBLIC_2, false);
	public_of(PUBLIC_2, public);
	assert_int_equal(keys_old_load(keys, p->dir, KEY_CHECKPOINT, public, &file), ST_OK);
	assert_int_equal(file, KEY_FILE_OK);
	assert_signs(keys, PUBLIC_2, true);
	assert_int_equal(keys_old_load(keys, p->dir, KEY_TRANSACTION, public, &file), ST_OK);
	assert_int_equal(file, KEY_FILE_MISSING);
	keys_free(keys);
}

/* Cut short at each step: both names, or the old one alone; and with nothing in the place of the lost one. */
static void
promotion_goes_on_where_it_was_cut_short(void **state)
{
	struct place *p = *state;
	uint8_t public[PUBLIC_KEY_BYTES];
	const char *bad;

	public_of(PUBLIC_3, public);
	keys_free(load_seeds(p, SEED_1 "\n", SEED_2 "\n"));
	for (int step = 0; step < 3; step++) {
		write_file(p, "transaction.key", SEED_1 "\n", 0400);
		write_file(p, "transaction.next.key", SEED_3 "\n", 0400);
		unlink(path_of(p, OLD_1));
		if (step == 1)
			write_file(p, OLD_1, SEED_1 "\n", 0400);
		if (step == 2)
			unlink(path_of(p, "transaction.key"));
		struct keys *keys = load(p);
		assert_true(keys_is_next(keys, KEY_TRANSACTION, public));
		assert_int_equal(keys_promote(keys, p->dir, KEY_TRANSACTION), ST_OK);
		assert_hex(keys_public(keys, KEY_TRANSACTION), PUBLIC_KEY_BYTES, PUBLIC_3);
		assert_int_equal(there(p, OLD_1), step < 2);
		assert_true(there(p, "transaction.key") && !there(p, "transaction.next.key"));
		keys_free(keys);
	}
	/* a next key that is unfit does not keep the one in use from being loaded; without that one it does */
	struct keys *keys;
	write_file(p, "transaction.next.key", "half a ke", 0400);
	keys = load(p);
	assert_null(keys_next_public(keys, KEY_TRANSACTION));
	keys_free(keys);
	unlink(path_of(p, "transaction.key"));
	assert_int_equal(keys_load(p->dir, &keys, &bad), ST_NOTFOUND);
	assert_string_equal(bad, "transaction.key");
}

static void
files_that_cannot_be_renamed_wait(void **state)
{
	struct place *p = *state;
	uint8_t public[PUBLIC_KEY_BYTES];
	enum key_file file;
	struct keys *keys = load_seeds(p, SEED_1 "\n", SEED_2 "\n");

	public_of(PUBLIC_3, public);
	write_file(p, "transaction.next.key", SEED_3 "\n", 0400);
	assert_int_equal(keys_next_load(keys, p->dir, KEY_TRANSACTION, public, &file), ST_OK);
	unlink(path_of(p, "transaction.next.key"));
	assert_int_equal(keys_promote(keys, p->dir, KEY_TRANSACTION), ST_IO);
	assert_signs(keys, PUBLIC_3, true);
	assert_true(there(p, "transaction.key"));
	keys_free(keys);
}

/* ---- the pool ---- */

#define JOBS 10000

/* Rounds of changing size, as group commits come; bodies from nothing to some kilobytes. */
static void
pool_signs_all(void **state)
{
	struct keys *keys = load_seeds(*state, SEED_1 "\n", SEED_2 "\n");
	struct sign_job *jobs = calloc(JOBS, sizeof(*jobs));
	uint8_t *bodies = malloc(JOBS + 4096);

	randombytes_buf(bodies, JOBS + 4096);
	for (unsigned threads = 0; threads <= 4; threads++) {
		struct signer *signer;
		size_t submitted = 0;
		assert_int_equal(signer_new(keys, threads, &signer), ST_OK);
		memset(jobs, 0, JOBS * sizeof(*jobs));
		for (size_t round = 0; submitted < JOBS; round++) {
			for (size_t n = round * 37 % 301; n > 0 && submitted < JOBS; n--, submitted++) {
				size_t len = submitted % 10 == 0 ? submitted % 4096 : submitted % 200;
				jobs[submitted].body = bytes_of(bodies + submitted, len);
				signer_submit(signer, &jobs[submitted]);
			}
			assert_int_equal(signer_wait(signer), ST_OK);
			if (submitted > 0)		/* signed when the wait returns, not some time later */
				assert_false(sodium_is_zero(jobs[submitted - 1].signature, SIGNATURE_BYTES));
		}
		signer_free(signer);
		for (size_t i = 0; i < JOBS; i += threads == 2 ? 1 : 7)
			assert_int_equal(sign_verify(keys_public(keys, KEY_TRANSACTION), SIGNER_TRANSACTION_TYPE, jobs[i].body,
			    bytes_of(jobs[i].signature, SIGNATURE_BYTES)), ST_OK);
	}
	free(bodies);
	free(jobs);
	keys_free(keys);
}

/* Single jobs, the workers asleep before each: the wait races with the worker that was woken for the job. */
static void
pool_takes_single_jobs(void **state)
{
	struct keys *keys = load_seeds(*state, SEED_1 "\n", SEED_2 "\n");
	struct signer *signer;
	uint8_t want[SIGNATURE_BYTES];

	assert_int_equal(sign_once(keys, KEY_TRANSACTION, SIGNER_TRANSACTION_TYPE, bytes_of("one", 3), want), ST_OK);
	assert_int_equal(signer_new(keys, 2, &signer), ST_OK);
	for (int i = 0; i < 2000; i++) {
		struct sign_job job = { .body = bytes_of("one", 3) };
		signer_submit(signer, &job);
		assert_int_equal(signer_wait(signer), ST_OK);
		assert_memory_equal(job.signature, want, SIGNATURE_BYTES);
	}
	signer_free(signer);
	keys_free(keys);
}

static int64_t
cpu_us(int who)
{
	struct rusage u;

	assert_int_equal(getrusage(who, &u), 0);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * INT64_C(1000000) + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

/* The waiting thread could sign everything alone, and nobody would see it but in the processor time of the others. */
static void
workers_do_their_share(void **state)
{
	struct keys *keys = load_seeds(*state, SEED_1 "\n", SEED_2 "\n");
	struct sign_job jobs[50] = { 0 };
	struct signer *signer;

	assert_int_equal(signer_new(keys, 2, &signer), ST_OK);
	int64_t all_us = cpu_us(RUSAGE_SELF), own_us = cpu_us(RUSAGE_THREAD);
	for (int round = 0; round < 100; round++) {
		for (size_t i = 0; i < 50; i++) {
			jobs[i].body = bytes_of("shared", 6);
			signer_submit(signer, &jobs[i]);
		}
		assert_int_equal(signer_wait(signer), ST_OK);
	}
	all_us = cpu_us(RUSAGE_SELF) - all_us;
	own_us = cpu_us(RUSAGE_THREAD) - own_us;
	assert_true(all_us - own_us > all_us / 10);
	assert_true(own_us > all_us / 20);
	signer_free(signer);
	keys_free(keys);
}

static void
pool_starts_and_stops(void **state)
{
	struct keys *keys = load_seeds(*state, SEED_1 "\n", SEED_2 "\n");
	struct sign_job jobs[50] = { 0 };

	signer_free(NULL);
	for (int i = 0; i < 50; i++) {
		struct signer *signer;
		assert_int_equal(signer_new(keys, 4, &signer), ST_OK);
		assert_int_equal(signer_wait(signer), ST_OK);		/* nothing to wait for */
		for (int n = 0; n < i; n++) {
			jobs[n].body = bytes_of("left behind", 11);
			signer_submit(signer, &jobs[n]);
		}
		signer_free(signer);					/* with work in the queue and in hand */
	}
	keys_free(keys);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(create_makes_private_files),
		TEST(create_never_overwrites),
		TEST(create_needs_a_private_place),
		TEST(load_refuses),
		TEST(load_refuses_what_is_no_file),
		TEST(secrets_are_locked_hidden_and_read_only),
		TEST(unlockable_memory_is_an_error),
		TEST(pae_is_that_of_dsse),
		TEST(known_signatures),
		TEST(key_id_is_the_start_of_its_hash),
		TEST(verify_refuses),
		TEST(a_next_key_is_made_once),
		TEST(a_next_key_is_loaded_by_its_public_half),
		TEST(a_next_key_that_cannot_be_opened_is_unfit),
		TEST(promotion_changes_memory_and_files),
		TEST(promotion_goes_on_where_it_was_cut_short),
		TEST(files_that_cannot_be_renamed_wait),
		TEST(pool_signs_all),
		TEST(pool_takes_single_jobs),
		TEST(workers_do_their_share),
		TEST(pool_starts_and_stops),
	};

	return cmocka_run_group_tests_name("signer", tests, NULL, NULL);
}
