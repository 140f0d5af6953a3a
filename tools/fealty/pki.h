/**
 * pki.h: a private certificate authority of the operator, for mutual TLS between fealtyd and those who may ask it.
 *
 * Its directory (mode 0700) needs no daemon and may live on a machine of its own:
 *   ca.pem        its certificate: ECDSA P-256, with the trust domain as the URI spiffe://<domain>
 *   ca.key        its private key, PKCS #8 in PEM, mode 0400; refused when others can read it
 *   crl.pem       what was revoked (RFC 5280), signed again at each revocation
 *   deny          the same for fealtyd's --tls-deny: lower-case hex SHA-256 of SubjectPublicKeyInfo, one a line, a remark in front of each
 *   issued.jsonl  what was issued: a JSON object a line, appended and synced before a certificate is handed out
 *
 * A certificate names one principal, by the URI spiffe://<domain>/<principal>.  The list says what there is, the revocation list what counts no more.
 * Who opens a directory for signing has it alone until pki_close().  All functions tell what goes wrong themselves.
 */
#ifndef FEALTY_TOOLS_PKI_H
#define FEALTY_TOOLS_PKI_H

#include "cli.h"

#define PKI_CA_DAYS 3650
#define PKI_CA_DAYS_MAX 7300
#define PKI_CRL_DAYS 365
#define PKI_DOMAIN_BYTES 256		/* with its NUL, as SPIFFE has it */
#define PKI_SERIAL_TEXT_BYTES 41	/* lower-case hex of at most 20 bytes */
#define PKI_SPKI_TEXT_BYTES 65
#define PKI_PRINCIPAL_BYTES 160

/* ---- names ---- */

/* Who may have a certificate: `prefix` of the principal, how long it lasts, and how long at most. */
struct pki_kind {
	const char *prefix;
	unsigned days, days_max;
	bool is_server;
};

/**
 * The kind of server/<name>, or of a principal that the daemon takes; NULL: it is neither.  The parts "." and ".." are none, as SPIFFE has no such paths.
 */
const struct pki_kind *pki_kind_of(const char *principal);

/* A trust domain by SPIFFE: 1 to 255 of a-z, 0-9, '.', '-' and '_'. */
bool pki_domain_valid(const char *domain) MUST_CHECK;

/* A host of a server's certificate: an IP address, which gives its 4 or 16 bytes, or a DNS name of letters, digits, '-' and '.', which gives 0. */
bool pki_address_parse(const char *address, uint8_t ret_ip[static 16], size_t *ret_ip_len) MUST_CHECK;

/* ---- the authority ---- */

struct pki;

/* Makes one in ${dir}, which must not be there; whole or not at all. */
enum exit_code pki_create(const char *dir, const char *domain, unsigned days, bool json) MUST_CHECK;

enum pki_access { PKI_LOOK, PKI_SIGN };
enum exit_code pki_open(const char *dir, enum pki_access access, bool json, struct pki **ret_pki) MUST_CHECK;
void pki_close(struct pki *pki);	/* accepts NULL */

struct pki_about {
	const char *dir, *domain;		/* borrowed */
	int64_t now_us, from_us, until_us;	/* of the authority's certificate */
	char spki[PKI_SPKI_TEXT_BYTES];
	uint64_t crl_number;
	int64_t crl_until_us;
};
struct pki_about pki_about(const struct pki *pki);

/* ---- certificates ---- */

struct pki_certificate {
	char serial[PKI_SERIAL_TEXT_BYTES], principal[PKI_PRINCIPAL_BYTES], spki[PKI_SPKI_TEXT_BYTES];
	int64_t from_us, until_us;
};

enum pki_state { PKI_VALID, PKI_EXPIRED, PKI_REVOKED };
const char *pki_state_str(enum pki_state state);	/* "valid", … */
enum pki_state pki_state(const struct pki *pki, const struct pki_certificate *certificate);

/* All that were issued, in the order of time; borrowed until the next one is issued. */
size_t pki_certificates(const struct pki *pki, const struct pki_certificate **ret_certificates);

/**
 * pki_issue(pki, order, ret_certificate):
 * Makes the directory order->out with cert.pem, ca.pem and, unless order->csr has one that was made elsewhere, key.pem.  It is there whole or not
 * at all, and never before the certificate is in the list.
 */
struct pki_order {
	const char *principal;
	const struct pki_kind *kind;
	const struct list *addresses;
	unsigned days;			/* fewer when the authority ends before */
	const char *csr, *out;		/* csr NULL: a new key */
};
enum exit_code pki_issue(struct pki *pki, const struct pki_order *order, struct pki_certificate *ret_certificate) MUST_CHECK;

/* A certificate in a file, which must be of this authority; it is put into the list when it is not there. */
enum exit_code pki_read_certificate(struct pki *pki, const char *path, struct pki_certificate *ret_certificate) MUST_CHECK;

/* ---- revoking ---- */

/* The reason's number in RFC 5280 by its name there; -1: none that a certificate of ours may have.  pki_reasons: their names, for people. */
int pki_reason_of(const char *name);
extern const char pki_reasons[];

/* *${ret_already}: it was revoked before, and nothing was left to do. */
enum exit_code pki_revoke(struct pki *pki, const struct pki_certificate *certificate, int reason, bool *ret_already) MUST_CHECK;

/* Signs the revocation list again, for so many days. */
enum exit_code pki_refresh_crl(struct pki *pki, unsigned days) MUST_CHECK;

#endif
