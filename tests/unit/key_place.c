#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "key_place.h"

const char *const key_names[KEY_COUNT] = { "transaction.key", "checkpoint.key", "alias.key", "vault.key", "fingerprint.key", "voucher.key" };

static const char *const other_names[] = { "elsewhere", "transaction.next.key", "checkpoint.next.key", OLD_1, OLD_2, "vault.1.key" };

int
place_setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->root, "/tmp/test_signer.XXXXXX");
	assert_non_null(mkdtemp(p->root));
	snprintf(p->dir, sizeof(p->dir), "%s/keys", p->root);
	*state = p;
	return 0;
}

const char *
path_of(struct place *p, const char *name)
{
	snprintf(p->path, sizeof(p->path), "%s/%s", p->dir, name);
	return p->path;
}

int
place_teardown(void **state)
{
	struct place *p = *state;

	for (int i = 0; i < KEY_COUNT; i++) {
		unlink(path_of(p, key_names[i]));
		rmdir(p->path);
	}
	for (size_t i = 0; i < sizeof(other_names) / sizeof(other_names[0]); i++)
		unlink(path_of(p, other_names[i]));
	rmdir(p->dir);
	assert_int_equal(rmdir(p->root), 0);
	free(p);
	return 0;
}

void
write_file(struct place *p, const char *name, const char *text, mode_t mode)
{
	unlink(path_of(p, name));
	int fd = open(p->path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

void
assert_hex(const uint8_t *data, size_t len, const char *want)
{
	char text[2 * SIGNATURE_BYTES + 1];

	sodium_bin2hex(text, sizeof(text), data, len);
	assert_string_equal(text, want);
}
