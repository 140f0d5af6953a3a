/*
 * The authority's directory.  It is made beside its place and renamed into it, so it is whole or not there; whoever opens it for signing locks it, and
 * its key is in memory from then on, in a process that leaves no core dump.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/clock.h"
#include "pki_x509.h"

#define PEM_BYTES_MAX ((size_t)1 << 20)

enum exit_code
pki_crypto_fail(bool json, const char *what)
{
	unsigned long error = ERR_peek_last_error();
	const char *reason = error != 0 ? ERR_reason_error_string(error) : NULL;

	ERR_clear_error();
	return cli_fail(json, EXIT_INTERNAL, "%s: %s", what, reason != NULL ? reason : "OpenSSL gives no reason");
}

/* ---- making it ---- */

static enum status
write_crl(int dir, const X509_CRL *crl)
{
	BIO *bio = BIO_new(BIO_s_mem());
	enum status st = bio != NULL && PEM_write_bio_X509_CRL(bio, crl) == 1 ? pki_file_new(dir, "crl.pem", 0644, pki_bio_bytes(bio)) : ST_NOMEM;

	BIO_free(bio);
	return st;
}

static enum status
fill(int dir, X509 *ca, EVP_PKEY *key, const X509_CRL *crl)
{
	enum status st = pki_key_new(dir, "ca.key", key);

	if (st == ST_OK)
		st = pki_pem_new(dir, "ca.pem", ca);
	if (st == ST_OK)
		st = write_crl(dir, crl);
	if (st == ST_OK)
		st = pki_file_new(dir, "deny", 0644, bytes_of(PKI_DENY_HEAD, strlen(PKI_DENY_HEAD)));
	if (st == ST_OK)
		st = pki_file_new(dir, "issued.jsonl", 0600, bytes_of(NULL, 0));
	return st == ST_OK ? pki_sync(dir) : st;
}

static enum exit_code
place(const char *path, X509 *ca, EVP_PKEY *key, const X509_CRL *crl, bool json)
{
	char beside[PATH_MAX];

	if (snprintf(beside, sizeof(beside), "%s.XXXXXX", path) >= (int)sizeof(beside) || mkdtemp(beside) == NULL)
		return cli_fail(json, EXIT_USAGE, "no directory can be made beside %s: %s", path, strerror(errno));
	int fd = open(beside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum status st = fd >= 0 ? fill(fd, ca, key, crl) : ST_IO;
	if (st == ST_OK && rename(beside, path) != 0)
		st = ST_IO;
	int error = errno;
	if (fd >= 0)
		(void)close(fd);
	if (st == ST_OK)
		st = pki_sync_parent(path);
	else
		directory_remove(beside);
	errno = error;
	return st == ST_OK ? EXIT_DONE : cli_fail(json, EXIT_INTERNAL, "%s could not be written: %s; nothing was left behind", path, cli_status_words(st));
}

enum exit_code
pki_create(const char *dir, const char *domain, unsigned days, bool json)
{
	struct clock clock = clock_system();
	int64_t now_us = clock.now_us(clock.ctx);
	struct stat about;

	if (lstat(dir, &about) == 0)
		return cli_fail(json, EXIT_USAGE, "%s is there already, and no authority takes the place of anything: give another name", dir);
	(void)prctl(PR_SET_DUMPABLE, 0);
	EVP_PKEY *key = pki_key_generate();
	X509 *ca = key != NULL ? pki_certificate_of_ca(domain, key, now_us, now_us + days * US_PER_DAY) : NULL;
	X509_CRL *crl = ca != NULL ? pki_crl_next(ca, key, NULL, now_us, PKI_CRL_DAYS, NULL) : NULL;
	enum exit_code code = crl != NULL ? place(dir, ca, key, crl, json) : pki_crypto_fail(json, "the authority could not be made");
	X509_CRL_free(crl);
	X509_free(ca);
	EVP_PKEY_free(key);
	return code;
}

/* ---- opening it ---- */

static enum exit_code
open_directory(struct pki *pki, const char *dir, enum pki_access access)
{
	struct stat about;
	size_t len = strlen(dir);

	while (len > 1 && dir[len - 1] == '/')
		len--;
	if (len >= sizeof(pki->dir) - 32)
		return cli_fail(pki->json, EXIT_USAGE, "DIR is too long a path");
	(void)snprintf(pki->dir, sizeof(pki->dir), "%.*s", (int)len, dir);
	pki->fd = open(pki->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (pki->fd < 0 || fstat(pki->fd, &about) != 0)
		return cli_fail(pki->json, EXIT_USAGE, "%s cannot be opened: %s; \"fealty pki init\" makes an authority", pki->dir, strerror(errno));
	if ((about.st_mode & 077) != 0)
		return cli_fail(pki->json, EXIT_USAGE, "%s is open to others than its owner; set its mode to 0700", pki->dir);
	if (flock(pki->fd, access == PKI_SIGN ? LOCK_EX : LOCK_SH) != 0)
		return cli_fail(pki->json, EXIT_INTERNAL, "%s could not be locked: %s", pki->dir, strerror(errno));
	return EXIT_DONE;
}

static enum exit_code
load_certificate(struct pki *pki)
{
	char path[PATH_MAX + 16];
	struct buf text;

	(void)snprintf(path, sizeof(path), "%s/ca.pem", pki->dir);
	enum status st = file_read_all(path, PEM_BYTES_MAX, &text);
	if (st != ST_OK)
		return cli_fail(pki->json, EXIT_USAGE, "%s cannot be read: %s; \"fealty pki init\" makes an authority", path, cli_status_words(st));
	BIO *bio = BIO_new_mem_buf(text.data, (int)text.len);
	pki->ca = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	buf_release(&text);
	ERR_clear_error();
	if (pki->ca == NULL || X509_check_ca(pki->ca) != 1 || !pki_domain_of(pki->ca, pki->domain))
		return cli_fail(pki->json, EXIT_USAGE, "%s is no certificate of an authority as \"fealty pki init\" makes it, with one URI spiffe://DOMAIN", path);
	return EXIT_DONE;
}

static enum exit_code
load_key(struct pki *pki)
{
	struct stat about;
	int fd = openat(pki->fd, "ca.key", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return cli_fail(pki->json, EXIT_USAGE, "%s/ca.key cannot be read: %s; nothing is signed without it", pki->dir, strerror(errno));
	if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode) || (about.st_mode & 077) != 0 || (about.st_uid != geteuid() && about.st_uid != 0)) {
		(void)close(fd);
		return cli_fail(pki->json, EXIT_USAGE, "%s/ca.key is no file of yours that nobody else can read: whoever read it can be anybody. Make a new authority "
		    "if somebody may have; else set its mode to 0400", pki->dir);
	}
	(void)prctl(PR_SET_DUMPABLE, 0);
	static char no_password[] = "";			/* and no question for one */
	BIO *bio = BIO_new_fd(fd, BIO_CLOSE);
	pki->key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, NULL, no_password) : NULL;
	BIO_free(bio);
	bool good = pki->key != NULL && X509_check_private_key(pki->ca, pki->key) == 1;
	ERR_clear_error();
	return good ? EXIT_DONE : cli_fail(pki->json, EXIT_USAGE, "%s/ca.key is not the key of ca.pem", pki->dir);
}

enum exit_code
pki_open(const char *dir, enum pki_access access, bool json, struct pki **ret_pki)
{
	struct clock clock = clock_system();
	struct pki *pki = calloc(1, sizeof(*pki));

	assert(pki != NULL);
	pki->json = json;
	pki->fd = -1;
	pki->now_us = clock.now_us(clock.ctx);
	enum exit_code code = open_directory(pki, dir, access);
	if (code == EXIT_DONE)
		code = load_certificate(pki);
	if (code == EXIT_DONE && access == PKI_SIGN)
		code = load_key(pki);
	if (code == EXIT_DONE)
		code = pki_crl_load(pki);
	if (code == EXIT_DONE)
		code = pki_list_load(pki);
	if (code == EXIT_DONE && access == PKI_SIGN && pki->now_us >= pki_time_us(X509_get0_notAfter(pki->ca)))
		code = cli_fail(json, EXIT_REFUSED, "the authority in %s has ended: make a new one, as packaging/TLS.md says", pki->dir);
	if (code == EXIT_DONE)
		*ret_pki = pki;
	else
		pki_close(pki);
	return code;
}

void
pki_close(struct pki *pki)
{
	if (pki == NULL)
		return;
	X509_CRL_free(pki->crl);
	EVP_PKEY_free(pki->key);
	X509_free(pki->ca);
	free(pki->issued);
	if (pki->fd >= 0)
		(void)close(pki->fd);
	free(pki);
}

struct pki_about
pki_about(const struct pki *pki)
{
	ASN1_INTEGER *number = X509_CRL_get_ext_d2i(pki->crl, NID_crl_number, NULL, NULL);
	struct pki_about about = {
		.dir = pki->dir, .domain = pki->domain, .now_us = pki->now_us,
		.from_us = pki_time_us(X509_get0_notBefore(pki->ca)), .until_us = pki_time_us(X509_get0_notAfter(pki->ca)),
		.crl_until_us = pki_time_us(X509_CRL_get0_nextUpdate(pki->crl)),
	};

	if (number != NULL)
		(void)ASN1_INTEGER_get_uint64(&about.crl_number, number);
	ASN1_INTEGER_free(number);
	pki_spki_format(X509_get_X509_PUBKEY(pki->ca), about.spki);
	return about;
}
