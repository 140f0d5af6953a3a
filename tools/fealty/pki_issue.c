/*
 * Handing a certificate out.  Its directory is filled beside its place, then the list says that the certificate exists, then the directory gets its
 * name: whatever a crash leaves, no certificate is in anybody's hands that the list does not know.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/clock.h"
#include "pki_x509.h"

#define PEM_BYTES_MAX ((size_t)1 << 20)
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192		/* more costs the daemon too much at each handshake */

/* ---- the key ---- */

/* A curve by its name: parameters in full are refused by TLS. */
static bool
is_p256(const EVP_PKEY *key)
{
	char group[32], encoding[32];
	size_t len;

	return EVP_PKEY_get_group_name(key, group, sizeof(group), &len) == 1 && strcmp(group, "prime256v1") == 0 &&
	    EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING, encoding, sizeof(encoding), &len) == 1 &&
	    strcmp(encoding, OSSL_PKEY_EC_ENCODING_GROUP) == 0;
}

static bool
is_strong(const EVP_PKEY *key)
{
	if (EVP_PKEY_is_a(key, "EC"))
		return is_p256(key);
	if (EVP_PKEY_is_a(key, "RSA"))
		return EVP_PKEY_get_bits(key) >= RSA_BITS_MIN && EVP_PKEY_get_bits(key) <= RSA_BITS_MAX;
	return EVP_PKEY_is_a(key, "ED25519") == 1;
}

/* The request proves that its sender has the key; nothing else in it counts. */
static enum exit_code
key_of_request(const struct pki *pki, const char *path, EVP_PKEY **ret_key)
{
	struct buf text;
	enum status st = file_read_all(path, PEM_BYTES_MAX, &text);

	if (st != ST_OK)
		return cli_fail(pki->json, EXIT_USAGE, "--csr: %s cannot be read: %s", path, cli_status_words(st));
	BIO *bio = BIO_new_mem_buf(text.data, (int)text.len);
	X509_REQ *request = bio != NULL ? PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL) : NULL;
	EVP_PKEY *key = request != NULL ? X509_REQ_get_pubkey(request) : NULL;
	bool proven = key != NULL && X509_REQ_verify(request, key) == 1;
	X509_REQ_free(request);
	BIO_free(bio);
	buf_release(&text);
	ERR_clear_error();
	if (key != NULL && proven && is_strong(key)) {
		*ret_key = key;
		return EXIT_DONE;
	}
	const char *wrong = key == NULL ? "is no certificate request in PEM"
	    : !proven ? "is not signed by the key that it asks a certificate for"
		      : "has a key that is neither ECDSA P-256, nor Ed25519, nor RSA of 2048 to 8192 bits";
	EVP_PKEY_free(key);
	return cli_fail(pki->json, EXIT_USAGE, "--csr: %s %s", path, wrong);
}

/* A key stands for one principal, and not again for one that was revoked: the deny file turns away the key. */
static enum exit_code
judge_key(const struct pki *pki, const struct pki_certificate *c)
{
	for (size_t i = 0; i < pki->n_issued; i++) {
		const struct pki_certificate *other = &pki->issued[i];
		if (strcmp(other->spki, c->spki) != 0)
			continue;
		if (pki_state(pki, other) == PKI_REVOKED)
			return cli_fail(pki->json, EXIT_REFUSED, "this key was revoked, with the certificate %s of %s: make a new key", other->serial,
			    other->principal);
		if (strcmp(other->principal, c->principal) != 0)
			return cli_fail(pki->json, EXIT_REFUSED, "this key is that of %s already: make a key of its own for %s", other->principal, c->principal);
	}
	return EXIT_DONE;
}

/* ---- the directory ---- */

static enum status
fill(int dir, const struct pki *pki, X509 *certificate, EVP_PKEY *own_key)
{
	enum status st = own_key != NULL ? pki_key_new(dir, "key.pem", own_key) : ST_OK;

	if (st == ST_OK)
		st = pki_pem_new(dir, "cert.pem", certificate);
	if (st == ST_OK)
		st = pki_pem_new(dir, "ca.pem", pki->ca);
	return st == ST_OK ? pki_sync(dir) : st;
}

static enum exit_code
hand_out(struct pki *pki, const char *out, const char *beside, const struct pki_certificate *certificate)
{
	enum exit_code code = pki_list_add(pki, certificate);

	if (code != EXIT_DONE)
		return code;
	enum status st = rename(beside, out) == 0 ? pki_sync_parent(out) : ST_IO;
	return st == ST_OK ? EXIT_DONE
			   : cli_fail(pki->json, EXIT_INTERNAL, "%s could not be made: %s; the certificate %s is in the list, and nobody has it", out, cli_status_words(st),
				 certificate->serial);
}

static enum exit_code
place(struct pki *pki, const char *out, X509 *x, EVP_PKEY *own_key, const struct pki_certificate *certificate)
{
	char beside[PATH_MAX];

	if (snprintf(beside, sizeof(beside), "%s.XXXXXX", out) >= (int)sizeof(beside) || mkdtemp(beside) == NULL)
		return cli_fail(pki->json, EXIT_USAGE, "no directory can be made beside %s: %s; no certificate was made", out, strerror(errno));
	int fd = open(beside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum status st = fd >= 0 ? fill(fd, pki, x, own_key) : ST_IO;
	enum exit_code code = st == ST_OK ? hand_out(pki, out, beside, certificate)
	    : cli_fail(pki->json, EXIT_INTERNAL, "%s could not be written: %s; no certificate was made", out, cli_status_words(st));
	if (fd >= 0)
		(void)close(fd);
	if (code != EXIT_DONE)
		directory_remove(beside);
	return code;
}

/* ---- the certificate ---- */

static enum exit_code
issue_for(struct pki *pki, const struct pki_order *order, EVP_PKEY *key, struct pki_certificate *ret)
{
	int64_t until_us = pki->now_us + order->days * US_PER_DAY, ca_until_us = pki_time_us(X509_get0_notAfter(pki->ca));
	X509 *x = pki_certificate_of(pki, order, key, until_us < ca_until_us ? until_us : ca_until_us);

	if (x == NULL || !pki_certificate_read(x, pki->domain, ret)) {
		X509_free(x);
		return pki_crypto_fail(pki->json, "the certificate could not be made");
	}
	enum exit_code code = judge_key(pki, ret);
	if (code == EXIT_DONE)
		code = place(pki, order->out, x, order->csr == NULL ? key : NULL, ret);
	X509_free(x);
	return code;
}

enum exit_code
pki_issue(struct pki *pki, const struct pki_order *order, struct pki_certificate *ret_certificate)
{
	struct stat about;
	EVP_PKEY *key = NULL;

	if (lstat(order->out, &about) == 0)
		return cli_fail(pki->json, EXIT_USAGE, "%s is there already, and no certificate takes the place of anything: move it away, or give another --out",
		    order->out);
	enum exit_code code = order->csr != NULL ? key_of_request(pki, order->csr, &key) : EXIT_DONE;
	if (code == EXIT_DONE && key == NULL && (key = pki_key_generate()) == NULL)
		code = pki_crypto_fail(pki->json, "no key could be made");
	if (code == EXIT_DONE)
		code = issue_for(pki, order, key, ret_certificate);
	EVP_PKEY_free(key);
	return code;
}

/* ---- one that is there ---- */

static bool
is_listed(const struct pki *pki, const char *serial)
{
	for (size_t i = 0; i < pki->n_issued; i++)
		if (strcmp(pki->issued[i].serial, serial) == 0)
			return true;
	return false;
}

enum exit_code
pki_read_certificate(struct pki *pki, const char *path, struct pki_certificate *ret_certificate)
{
	struct buf text;
	enum status st = file_read_all(path, PEM_BYTES_MAX, &text);

	if (st != ST_OK)
		return cli_fail(pki->json, EXIT_USAGE, "%s is no serial and no principal in the list of %s, and cannot be read as a file: %s", path, pki->dir,
		    cli_status_words(st));
	BIO *bio = BIO_new_mem_buf(text.data, (int)text.len);
	X509 *x = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	bool good = x != NULL && X509_verify(x, X509_get0_pubkey(pki->ca)) == 1 && pki_certificate_read(x, pki->domain, ret_certificate);
	X509_free(x);
	BIO_free(bio);
	buf_release(&text);
	ERR_clear_error();
	if (!good)
		return cli_fail(pki->json, EXIT_USAGE, "%s is no certificate that the authority in %s has issued", path, pki->dir);
	return is_listed(pki, ret_certificate->serial) ? EXIT_DONE : pki_list_add(pki, ret_certificate);
}
