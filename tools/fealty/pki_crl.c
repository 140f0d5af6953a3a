/*
 * What was revoked.  The deny file is written first, since it acts at once and needs no signature; the signed list is what counts for us, so a
 * revocation that was cut short in between is not believed to be done, and is finished by running it again.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/clock.h"
#include "ledger/calendar.h"
#include "pki_x509.h"

#define FILE_BYTES_MAX ((size_t)64 << 20)

static const struct { const char *name; int number; } reasons[] = {
	{ "unspecified", CRL_REASON_UNSPECIFIED }, { "keyCompromise", CRL_REASON_KEY_COMPROMISE },
	{ "affiliationChanged", CRL_REASON_AFFILIATION_CHANGED }, { "superseded", CRL_REASON_SUPERSEDED },
	{ "cessationOfOperation", CRL_REASON_CESSATION_OF_OPERATION }, { "privilegeWithdrawn", CRL_REASON_PRIVILEGE_WITHDRAWN },
};
const char pki_reasons[] = "unspecified, keyCompromise, affiliationChanged, superseded, cessationOfOperation, privilegeWithdrawn";

int
pki_reason_of(const char *name)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (strcmp(reasons[i].name, name) == 0)
			return reasons[i].number;
	return -1;
}

/* ---- the signed list ---- */

static bool
set_number(X509_CRL *crl, const X509_CRL *old)
{
	ASN1_INTEGER *number = old != NULL ? X509_CRL_get_ext_d2i(old, NID_crl_number, NULL, NULL) : ASN1_INTEGER_new();
	BIGNUM *next = number != NULL ? ASN1_INTEGER_to_BN(number, NULL) : NULL;

	bool good = next != NULL && BN_add_word(next, 1) == 1 && BN_to_ASN1_INTEGER(next, number) != NULL &&
	    X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, X509V3_ADD_REPLACE) == 1;
	BN_free(next);
	ASN1_INTEGER_free(number);
	return good;
}

static bool
set_issuer(X509_CRL *crl, X509 *ca)
{
	X509V3_CTX ctx;

	if (X509_CRL_get_ext_by_NID(crl, NID_authority_key_identifier, -1) >= 0)
		return true;
	X509V3_set_ctx(&ctx, ca, NULL, NULL, crl, 0);
	X509V3_set_ctx_nodb(&ctx);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid:always");
	bool good = extension != NULL && X509_CRL_add_ext(crl, extension, -1) == 1 && X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca)) == 1;
	X509_EXTENSION_free(extension);
	return good;
}

/* Not beyond the authority's own end. */
static bool
set_dates(X509_CRL *crl, X509 *ca, int64_t now_us, unsigned days)
{
	int64_t until_us = now_us + days * US_PER_DAY, ca_until_us = pki_time_us(X509_get0_notAfter(ca));
	ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)((now_us - PKI_BACK_US) / US_PER_SECOND));
	ASN1_TIME *until = ASN1_TIME_set(NULL, (time_t)((until_us < ca_until_us ? until_us : ca_until_us) / US_PER_SECOND));

	bool good = from != NULL && until != NULL && X509_CRL_set1_lastUpdate(crl, from) == 1 && X509_CRL_set1_nextUpdate(crl, until) == 1;
	ASN1_TIME_free(from);
	ASN1_TIME_free(until);
	return good;
}

static bool
add_revoked(X509_CRL *crl, const X509_REVOKED *revoked)
{
	X509_REVOKED *copy = X509_REVOKED_dup(revoked);

	if (copy != NULL && X509_CRL_add0_revoked(crl, copy) == 1)
		return true;
	X509_REVOKED_free(copy);
	return false;
}

X509_CRL *
pki_crl_next(X509 *ca, EVP_PKEY *key, const X509_CRL *old, int64_t now_us, unsigned days, X509_REVOKED *revoked)
{
	X509_CRL *crl = old != NULL ? X509_CRL_dup(old) : X509_CRL_new();

	if (crl != NULL && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 && set_issuer(crl, ca) && set_number(crl, old) &&
	    set_dates(crl, ca, now_us, days) && (revoked == NULL || add_revoked(crl, revoked)) && X509_CRL_sort(crl) == 1 &&
	    X509_CRL_sign(crl, key, EVP_sha256()) > 0)
		return crl;
	X509_CRL_free(crl);
	return NULL;
}

enum exit_code
pki_crl_load(struct pki *pki)
{
	char path[PATH_MAX + 16];
	struct buf text;

	(void)snprintf(path, sizeof(path), "%s/crl.pem", pki->dir);
	enum status st = file_read_all(path, FILE_BYTES_MAX, &text);
	if (st != ST_OK)
		return cli_fail(pki->json, EXIT_INTERNAL, "%s cannot be read: %s; take it from a copy, it says what was revoked", path, cli_status_words(st));
	BIO *bio = BIO_new_mem_buf(text.data, (int)text.len);
	pki->crl = bio != NULL ? PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	buf_release(&text);
	bool good = pki->crl != NULL && X509_CRL_verify(pki->crl, X509_get0_pubkey(pki->ca)) == 1;
	ERR_clear_error();
	return good ? EXIT_DONE
		    : cli_fail(pki->json, EXIT_INTERNAL, "%s is no list that this authority signed; take it from a copy, it says what was revoked", path);
}

static enum exit_code
replace_crl(struct pki *pki, X509_REVOKED *revoked, unsigned days)
{
	char path[PATH_MAX + 16];
	X509_CRL *crl = pki_crl_next(pki->ca, pki->key, pki->crl, pki->now_us, days, revoked);
	BIO *bio = BIO_new(BIO_s_mem());

	(void)snprintf(path, sizeof(path), "%s/crl.pem", pki->dir);
	if (crl == NULL || bio == NULL || PEM_write_bio_X509_CRL(bio, crl) != 1) {
		BIO_free(bio);
		X509_CRL_free(crl);
		return pki_crypto_fail(pki->json, "the revocation list could not be signed");
	}
	enum status st = file_write(path, pki_bio_bytes(bio));
	BIO_free(bio);
	if (st == ST_OK)
		st = pki_sync(pki->fd);
	if (st != ST_OK) {
		X509_CRL_free(crl);
		return cli_fail(pki->json, EXIT_INTERNAL, "%s could not be written: %s; run the command again", path, cli_status_words(st));
	}
	X509_CRL_free(pki->crl);
	pki->crl = crl;
	return EXIT_DONE;
}

enum exit_code
pki_refresh_crl(struct pki *pki, unsigned days)
{
	return replace_crl(pki, NULL, days);
}

/* ---- what is in it ---- */

static ASN1_INTEGER *
serial_of(const char *text)
{
	BIGNUM *number = NULL;
	ASN1_INTEGER *serial = BN_hex2bn(&number, text) > 0 ? BN_to_ASN1_INTEGER(number, NULL) : NULL;

	BN_free(number);
	return serial;
}

static bool
is_revoked(const struct pki *pki, const char *serial_text)
{
	ASN1_INTEGER *serial = serial_of(serial_text);
	X509_REVOKED *found = NULL;

	assert(serial != NULL);
	int answer = X509_CRL_get0_by_serial(pki->crl, &found, serial);
	ASN1_INTEGER_free(serial);
	return answer == 1;
}

enum pki_state
pki_state(const struct pki *pki, const struct pki_certificate *certificate)
{
	if (is_revoked(pki, certificate->serial))
		return PKI_REVOKED;
	return pki->now_us > certificate->until_us ? PKI_EXPIRED : PKI_VALID;
}

/* ---- the deny file ---- */

static bool
has_line(const struct buf *text, const char *line)
{
	size_t len = strlen(line);

	for (const char *at = (const char *)text->data, *end = at + text->len; at < end;) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t n = (size_t)((stop != NULL ? stop : end) - at);
		if (n == len && memcmp(at, line, len) == 0)
			return true;
		at += n + 1;
	}
	return false;
}

/* *${ret_added}: it was not in there. */
static enum exit_code
deny(struct pki *pki, const struct pki_certificate *c, bool *ret_added)
{
	char path[PATH_MAX + 16], lines[512], instant[INSTANT_TEXT_BYTES];
	struct buf text;

	(void)snprintf(path, sizeof(path), "%s/deny", pki->dir);
	enum status st = file_read_all(path, FILE_BYTES_MAX, &text);
	if (st != ST_OK)
		return cli_fail(pki->json, EXIT_INTERNAL, "%s cannot be read: %s; take it from a copy. Nothing was revoked", path, cli_status_words(st));
	*ret_added = !has_line(&text, c->spki);
	if (*ret_added) {
		int n = snprintf(lines, sizeof(lines), "%s# %s, serial %s, revoked %s\n%s\n", text.len > 0 && text.data[text.len - 1] != '\n' ? "\n" : "",
		    c->principal, c->serial, instant_format(pki->now_us / US_PER_SECOND * US_PER_SECOND, instant), c->spki);
		assert(n < (int)sizeof(lines));
		buf_put(&text, lines, (size_t)n);
		st = buf_status(&text);
		if (st == ST_OK)
			st = file_write(path, buf_bytes(&text));
	}
	buf_release(&text);
	return st == ST_OK ? EXIT_DONE
			   : cli_fail(pki->json, EXIT_INTERNAL, "%s could not be written: %s; nothing was revoked", path, cli_status_words(st));
}

/* ---- revoking ---- */

/* RFC 5280 section 5.3.1: "unspecified" is said by saying nothing. */
static bool
fill_revoked(X509_REVOKED *revoked, const char *serial_text, int reason, int64_t now_us)
{
	ASN1_INTEGER *serial = serial_of(serial_text);
	ASN1_TIME *date = ASN1_TIME_set(NULL, (time_t)(now_us / US_PER_SECOND));
	ASN1_ENUMERATED *why = ASN1_ENUMERATED_new();

	bool good = serial != NULL && date != NULL && why != NULL && X509_REVOKED_set_serialNumber(revoked, serial) == 1 &&
	    X509_REVOKED_set_revocationDate(revoked, date) == 1 &&
	    (reason == CRL_REASON_UNSPECIFIED ||
		(ASN1_ENUMERATED_set(why, reason) == 1 && X509_REVOKED_add1_ext_i2d(revoked, NID_crl_reason, why, 0, X509V3_ADD_DEFAULT) == 1));
	ASN1_ENUMERATED_free(why);
	ASN1_TIME_free(date);
	ASN1_INTEGER_free(serial);
	return good;
}

enum exit_code
pki_revoke(struct pki *pki, const struct pki_certificate *certificate, int reason, bool *ret_already)
{
	bool added, in_list = is_revoked(pki, certificate->serial);
	enum exit_code code = deny(pki, certificate, &added);

	*ret_already = in_list && !added;
	if (code != EXIT_DONE || in_list)
		return code;
	X509_REVOKED *revoked = X509_REVOKED_new();
	if (revoked != NULL && fill_revoked(revoked, certificate->serial, reason, pki->now_us))
		code = replace_crl(pki, revoked, PKI_CRL_DAYS);
	else
		code = pki_crypto_fail(pki->json, "the revocation could not be written");
	X509_REVOKED_free(revoked);
	return code;
}
