/**
 * internal.h: what the files of tls/ share.  Who does what:
 *   tls.c          the credentials: reading and checking files
 *   tls_judge.c    whether a certificate of the other side is good
 *   tls_session.c  a connection's bytes
 */
#ifndef FEALTY_TLS_INTERNAL_H
#define FEALTY_TLS_INTERNAL_H

#include <stdatomic.h>

#include <openssl/ssl.h>

#include "tls/tls.h"
#include "tls/tls_name.h"

#define TLS_DEPTH_MAX 4			/* certificates between the other side's and the CA */
#define TLS_CHAIN_BYTES_MAX (16u * 1024)	/* of certificates that the other side may send */
#define TLS_SECURITY_LEVEL 2		/* 112 bits: RSA of 2 048, SHA-256 */

struct key_hash { uint8_t bytes[SHA256_BYTES]; };

struct tls {
	atomic_uint references;
	enum tls_side side;
	SSL_CTX *ctx;
	BIO_METHOD *socket;
	char domain[TLS_DOMAIN_BYTES_MAX + 1];
	int64_t cert_ends_at, crl_ends_at;
	struct key_hash *denied;	/* in order */
	size_t n_denied;
};

struct tls_session {
	struct tls *tls;
	SSL *ssl;
	int fd;
	size_t may_read;		/* bytes of the socket in this call */
	bool ended;			/* the socket has */
	bool refused, distrusts;
	char why[TLS_MESSAGE_BYTES];
	char *name;
	uint8_t key_hash[SHA256_BYTES];
	int64_t ends_at;
};

/* ---- tls.c ---- */

/* Since 1970-01-01 UTC; 0: it is no time. */
int64_t seconds_of(const ASN1_TIME *time);

/* ---- tls_judge.c ---- */

/* Of two struct key_hash, for qsort() and bsearch(). */
int key_hash_compare(const void *a, const void *b);

/* SHA-256 of the SubjectPublicKeyInfo; false: no memory. */
bool judge_key_hash(X509 *cert, uint8_t ret_hash[static SHA256_BYTES]) MUST_CHECK;

/* The one SPIFFE ID among the names.  NULL, or what is wrong with it. */
struct judged_name {
	uint8_t uri[TLS_NAME_BYTES_MAX];
	struct bytes domain, path;	/* of uri */
};
const char *judge_name(X509 *cert, struct judged_name *ret) MUST_CHECK;

/* Whether a certificate says that it is for this. */
bool judge_usage(X509 *cert, enum tls_side side) MUST_CHECK;

/* As SSL_CTX_set_cert_verify_callback() wants it; its argument is the struct tls. */
int judge_callback(X509_STORE_CTX *store, void *tls);

/* ---- tls_session.c ---- */

/* The BIO over session->fd; NULL: no memory. */
BIO_METHOD *session_socket(void) MUST_CHECK;
/* The session of an SSL of ours. */
struct tls_session *session_of(const SSL *ssl);
void session_say(struct tls_session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
