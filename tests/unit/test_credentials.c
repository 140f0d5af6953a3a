/* Keys that the service manager hands over: which of them count, and which are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "key_place.h"

/* Where the service manager puts them: <root>/credentials, as systemd leaves it. */
static const char *
credentials_of(struct place *p)
{
	static char path[96];

	snprintf(path, sizeof(path), "%s/credentials", p->root);
	if (mkdir(path, 0700) != 0)
		assert_int_equal(errno, EEXIST);
	return path;
}

static void
write_credential(struct place *p, const char *name, const char *text, mode_t mode, gid_t group)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", credentials_of(p), name);
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	if (geteuid() == 0)
		assert_int_equal(fchown(fd, 0, group), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void
credentials_remove(struct place *p)
{
	char path[160];

	for (int i = 0; i < KEY_COUNT; i++) {
		snprintf(path, sizeof(path), "%s/%s", credentials_of(p), key_names[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(credentials_of(p)), 0);
}

/* One key comes from there, the others from the key directory, and the one there counts also when both have it. */
static void
a_credential_goes_before_a_file(void **state)
{
	struct place *p = *state;
	struct keys_fault fault = { .file = "untouched" };
	struct keys *keys;

	assert_int_equal(keys_create(p->dir), ST_OK);
	write_file(p, "transaction.key", SEED_1 "\n", 0400);
	write_file(p, "checkpoint.key", SEED_1 "\n", 0400);
	write_file(p, "transaction.next.key", SEED_3 "\n", 0400);
	write_credential(p, "transaction.key", SEED_2 "\n", 0400, 0);
	write_credential(p, "alias.key", SEED_3 "\n", 0400, 0);
	assert_int_equal(keys_load_with(p->dir, credentials_of(p), &keys, &fault), ST_OK);
	assert_null(fault.file);
	assert_hex(keys_public(keys, KEY_TRANSACTION), 32, PUBLIC_2);
	assert_hex(keys_public(keys, KEY_CHECKPOINT), 32, PUBLIC_1);
	assert_hex(keys_secret(keys, KEY_ALIAS), 32, SEED_3);
	assert_true(keys_is_credential(keys, KEY_TRANSACTION));
	assert_false(keys_is_credential(keys, KEY_CHECKPOINT));
	assert_null(keys_next_public(keys, KEY_TRANSACTION));
	keys_free(keys);

	assert_int_equal(keys_load_with(p->dir, NULL, &keys, &fault), ST_OK);	/* the same without the manager */
	assert_hex(keys_public(keys, KEY_TRANSACTION), 32, PUBLIC_1);
	assert_false(keys_is_credential(keys, KEY_TRANSACTION));
	keys_free(keys);
	credentials_remove(p);
}

static void
a_key_directory_is_not_needed_when_all_are_credentials(void **state)
{
	struct place *p = *state;
	struct keys_fault fault;
	struct keys *keys;

	for (int i = 0; i < KEY_COUNT; i++)
		write_credential(p, key_names[i], SEED_1 "\n", 0400, 0);
	assert_int_equal(keys_load_with(p->dir, credentials_of(p), &keys, &fault), ST_OK);
	keys_free(keys);
	char vault[160];
	snprintf(vault, sizeof(vault), "%s/vault.key", credentials_of(p));
	assert_int_equal(unlink(vault), 0);
	assert_int_equal(keys_load_with(p->dir, credentials_of(p), &keys, &fault), ST_NOTFOUND);
	assert_null(fault.file);
	assert_false(fault.in_credentials);
	credentials_remove(p);
	assert_int_equal(keys_load_with(p->dir, "/nonexistent", &keys, &fault), ST_NOTFOUND);
	assert_true(fault.in_credentials);
}

static void
credentials_are_refused(void **state)
{
	static const struct { const char *name, *text; mode_t mode, dir_mode; gid_t group; enum status want; } cases[] = {
		{ "as systemd makes it for root", SEED_1 "\n", 0400, 0500, 0, ST_OK },
		{ "as systemd makes it, with an access list", SEED_1 "\n", 0440, 0550, 0, ST_OK },
		{ "of another group", SEED_1 "\n", 0440, 0500, 1, ST_INVALID },
		{ "others may read it", SEED_1 "\n", 0444, 0500, 0, ST_INVALID },
		{ "the group may write it", SEED_1 "\n", 0460, 0500, 0, ST_INVALID },
		{ "others may enter the directory", SEED_1 "\n", 0400, 0501, 0, ST_INVALID },
		{ "the group may change the directory", SEED_1 "\n", 0400, 0570, 0, ST_INVALID },
		{ "no key", "secret\n", 0400, 0500, 0, ST_INVALID },
	};
	struct place *p = *state;
	struct keys_fault fault;
	struct keys *keys = NULL;

	if (geteuid() != 0)
		skip();			/* root's group is the point */
	assert_int_equal(keys_create(p->dir), ST_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_credential(p, "vault.key", cases[i].text, cases[i].mode, cases[i].group);
		assert_int_equal(chmod(credentials_of(p), cases[i].dir_mode), 0);
		enum status got = keys_load_with(p->dir, credentials_of(p), &keys, &fault);
		if (got != cases[i].want)
			fail_msg("%s: %s", cases[i].name, status_str(got));
		assert_int_equal(fault.in_credentials, got != ST_OK);
		if (got == ST_OK)
			keys_free(keys);
	}
	credentials_remove(p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_credential_goes_before_a_file),
		TEST(a_key_directory_is_not_needed_when_all_are_credentials),
		TEST(credentials_are_refused),
	};

	return cmocka_run_group_tests_name("credentials", tests, NULL, NULL);
}
