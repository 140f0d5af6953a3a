/* Files that never take the place of others. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "pki_x509.h"

/* Nobody may look before the mode is right: it is made for its owner alone. */
static int
open_new(int dir, const char *name)
{
	return openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static enum status
close_new(int fd, mode_t mode, enum status st)
{
	if (st == ST_OK && (fchmod(fd, mode) != 0 || fsync(fd) != 0))
		st = ST_IO;
	int error = errno;
	if (close(fd) != 0 && st == ST_OK)
		return ST_IO;
	errno = error;
	return st;
}

enum status
pki_file_new(int dir, const char *name, mode_t mode, struct bytes data)
{
	int fd = open_new(dir, name);

	return fd < 0 ? ST_IO : close_new(fd, mode, file_put(fd, data));
}

/* Straight into the file, so that no other memory has held the key. */
enum status
pki_key_new(int dir, const char *name, EVP_PKEY *key)
{
	int fd = open_new(dir, name);
	BIO *bio = fd < 0 ? NULL : BIO_new_fd(fd, BIO_NOCLOSE);

	if (fd < 0)
		return ST_IO;
	errno = ENOMEM;
	bool good = bio != NULL && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1;
	int error = errno;
	BIO_free(bio);
	ERR_clear_error();
	errno = error;
	return close_new(fd, 0400, good ? ST_OK : ST_IO);
}

struct bytes
pki_bio_bytes(BIO *bio)
{
	char *data = NULL;
	long len = BIO_get_mem_data(bio, &data);

	return bytes_of(data, len > 0 ? (size_t)len : 0);
}

enum status
pki_pem_new(int dir, const char *name, X509 *certificate)
{
	BIO *bio = BIO_new(BIO_s_mem());
	enum status st = bio != NULL && PEM_write_bio_X509(bio, certificate) == 1 ? pki_file_new(dir, name, 0444, pki_bio_bytes(bio)) : ST_NOMEM;

	BIO_free(bio);
	return st;
}

enum status
pki_sync(int dir)
{
	return fsync(dir) == 0 ? ST_OK : ST_IO;
}

enum status
pki_sync_parent(const char *path)
{
	char *copy = strdup(path);
	int fd = copy == NULL ? -1 : open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum status st = fd < 0 ? ST_IO : pki_sync(fd);

	if (fd >= 0)
		(void)close(fd);
	free(copy);
	return st;
}
