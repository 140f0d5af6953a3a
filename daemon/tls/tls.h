/**
 * tls.h: TLS 1.3 (RFC 8446) with certificates on both sides, over a non-blocking socket of the caller's.  The only user of libssl.
 *
 * Both sides must have a certificate from a CA that the other was given, no CA of the system counts.  A certificate must say what it is for
 * (extended key usage: serverAuth or clientAuth), and a client's must have exactly one URI among its names, a SPIFFE ID of the server's trust
 * domain.  Both sides speak ALPN "fealty/1".  There are no session tickets, no resumption, no early data, no renegotiation.
 *
 * A struct tls is what was read of the files at one moment.  It does not change, is counted, and may be used by any thread; new files make a
 * new one.  A struct tls_session is one connection's, and used by one thread at a time.
 */
#ifndef FEALTY_TLS_TLS_H
#define FEALTY_TLS_TLS_H

#include "base/bytes.h"
#include "base/hash.h"
#include "base/status.h"

#define TLS_MESSAGE_BYTES 512
#define TLS_READ_BYTES (64u * 1024)	/* at most, of the socket, in one call: no peer keeps a thread busy with what is no data */

struct tls;
struct tls_session;

enum tls_side { TLS_SERVER, TLS_CLIENT };

struct tls_files {
	const char *cert;	/* PEM: our certificate, then those between it and the CA */
	const char *key;	/* PEM: its private key, without a password; mode 0600 or less of ours, 0640 or less of root's */
	const char *ca;		/* PEM: whom the other side's certificate must come from; one or several */
	const char *crl;	/* PEM: a list of revoked certificates for each CA; NULL: none.  One that is out of date lets nobody in */
	const char *deny;	/* text: a line for each key that is refused, SHA-256 of its SubjectPublicKeyInfo (DER) in hex; `#` begins a comment; NULL: none */
	const char *domain;	/* a server's trust domain; NULL: that of the SPIFFE ID in ${cert} */
};

/**
 * tls_open(side, files, ret_tls, ret_message):
 * Reads and checks the files.  The caller owns a reference to *${ret_tls} and ends it with tls_unref().  Blocks on disk.
 * Errors, each with a sentence in ${ret_message}: ST_INVALID: a file cannot be read, is not of its form, is open to others, has ended or does
 * not fit the others; ST_NOMEM.
 */
enum status tls_open(enum tls_side side, const struct tls_files *files, struct tls **ret_tls, char ret_message[static TLS_MESSAGE_BYTES]) MUST_CHECK;
struct tls *tls_ref(struct tls *tls);
void tls_unref(struct tls *tls);	/* accepts NULL */

/* Seconds since 1970-01-01 UTC. */
int64_t tls_cert_ends_at(const struct tls *tls);
int64_t tls_crl_ends_at(const struct tls *tls);		/* the first list that will be out of date; 0: there is none */
const char *tls_domain(const struct tls *tls);		/* a server's */

/* ---- one connection ---- */

enum tls_result {
	TLS_OK = 0,
	TLS_WANT_READ,		/* again, when the socket has something, or had TLS_READ_BYTES of it */
	TLS_WANT_WRITE,		/* again, when the socket takes something */
	TLS_ENDED,		/* the other side said that it sends nothing more */
	TLS_TRUNCATED,		/* the socket ended, and the other side had not said so: something may be missing */
	TLS_FAILED,		/* tls_session_why() */
};

/**
 * tls_session_new(tls, fd, server_name):
 * ${fd} is borrowed and outlives the session.  ${server_name}: what a client's server must be called, a DNS name or an IP address; NULL on a
 * server.  NULL: no memory.  tls_session_free() accepts NULL and sends nothing.
 */
struct tls_session *tls_session_new(struct tls *tls, int fd, const char *server_name) MUST_CHECK;
void tls_session_free(struct tls_session *session);

/* TLS_OK: both sides are who they say, as far as this one knows: a client's server judges after that, and says so by what the next read finds. */
enum tls_result tls_session_handshake(struct tls_session *session) MUST_CHECK;

/* TLS_OK: *${ret_n} is above 0, and there may be more that the socket does not wake anybody for: read again before waiting for it. */
enum tls_result tls_session_read(struct tls_session *session, void *data, size_t max, size_t *ret_n) MUST_CHECK;
/* After TLS_WANT_...: again with the same bytes, and perhaps more behind them; they may have moved. */
enum tls_result tls_session_write(struct tls_session *session, struct bytes data, size_t *ret_n) MUST_CHECK;

/* Says that nothing more is sent (close_notify). */
enum tls_result tls_session_close(struct tls_session *session) MUST_CHECK;

/* After TLS_FAILED: why, for people; borrowed. */
const char *tls_session_why(const struct tls_session *session);
/* After TLS_FAILED: the other side refused us, or we refused it, and would again. */
bool tls_session_was_refused(const struct tls_session *session) MUST_CHECK;
bool tls_session_distrusts(const struct tls_session *session) MUST_CHECK;

/* A server's, after the handshake: the path of the client's SPIFFE ID, borrowed; SHA-256 of its SubjectPublicKeyInfo. */
const char *tls_session_name(const struct tls_session *session);
const uint8_t *tls_session_key_hash(const struct tls_session *session);
/* When the client's certificate ends, in seconds since 1970-01-01 UTC. */
int64_t tls_session_ends_at(const struct tls_session *session);

/* Whether a server's client is denied by name of its key: quick.  Whether it would be let in by ${tls} today: verifies signatures. */
bool tls_session_denied(const struct tls_session *session, const struct tls *tls) MUST_CHECK;
bool tls_session_still_good(struct tls_session *session, const struct tls *tls) MUST_CHECK;

#endif
