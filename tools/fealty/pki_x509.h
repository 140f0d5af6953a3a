/* pki_x509.h: what the parts of the authority share, with OpenSSL's types.  For the files pki_*.c alone. */
#ifndef FEALTY_TOOLS_PKI_X509_H
#define FEALTY_TOOLS_PKI_X509_H

#include <limits.h>
#include <sys/types.h>

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "pki.h"

#define PKI_BACK_US (INT64_C(300) * 1000000)	/* certificates and lists begin so long ago: for clocks that are behind */

struct pki {
	bool json;
	int fd;				/* of the directory, locked */
	char dir[PATH_MAX], domain[PKI_DOMAIN_BYTES];
	int64_t now_us;
	X509 *ca;
	EVP_PKEY *key;			/* NULL: opened for looking */
	X509_CRL *crl;
	struct pki_certificate *issued;
	size_t n_issued;
};

/* Tells that ${what} failed, with OpenSSL's reason. */
enum exit_code pki_crypto_fail(bool json, const char *what);

/* ---- pki_file.c ---- */

/* A file that must not be there; synced, with that very mode.  ST_IO with errno, ST_FULL. */
enum status pki_file_new(int dir, const char *name, mode_t mode, struct bytes data) MUST_CHECK;
enum status pki_key_new(int dir, const char *name, EVP_PKEY *key) MUST_CHECK;
enum status pki_pem_new(int dir, const char *name, X509 *certificate) MUST_CHECK;
/* Syncs a directory, or the one that ${path} is in. */
enum status pki_sync(int dir) MUST_CHECK;
enum status pki_sync_parent(const char *path) MUST_CHECK;
/* What a memory BIO holds; borrowed from it. */
struct bytes pki_bio_bytes(BIO *bio);

/* ---- pki_certificate.c ---- */

EVP_PKEY *pki_key_generate(void);
/* NULL: OpenSSL failed. */
X509 *pki_certificate_of_ca(const char *domain, EVP_PKEY *key, int64_t now_us, int64_t until_us);
X509 *pki_certificate_of(const struct pki *pki, const struct pki_order *order, EVP_PKEY *key, int64_t until_us);
/* False: not of our form. */
bool pki_certificate_read(X509 *x, const char *domain, struct pki_certificate *ret) MUST_CHECK;
/* The trust domain of an authority's certificate; false: it has none. */
bool pki_domain_of(X509 *ca, char ret_domain[static PKI_DOMAIN_BYTES]) MUST_CHECK;
void pki_spki_format(X509_PUBKEY *key, char ret_text[static PKI_SPKI_TEXT_BYTES]);
void pki_serial_format(const ASN1_INTEGER *serial, char ret_text[static PKI_SERIAL_TEXT_BYTES]);
int64_t pki_time_us(const ASN1_TIME *t);

/* ---- pki_list.c ---- */

enum exit_code pki_list_load(struct pki *pki) MUST_CHECK;
/* Appends, and syncs. */
enum exit_code pki_list_add(struct pki *pki, const struct pki_certificate *certificate) MUST_CHECK;

/* ---- pki_crl.c ---- */

/* The list that follows ${old} (NULL: the first one), with *${revoked} as well unless NULL; signed.  NULL: OpenSSL failed. */
X509_CRL *pki_crl_next(X509 *ca, EVP_PKEY *key, const X509_CRL *old, int64_t now_us, unsigned days, X509_REVOKED *revoked);
enum exit_code pki_crl_load(struct pki *pki) MUST_CHECK;

#define PKI_DENY_HEAD "# Keys that fealtyd turns away (--tls-deny): SHA-256 of SubjectPublicKeyInfo, one a line.\n"

#endif
