/*
 * Bytes go through a BIO of our own, for three things that OpenSSL's lacks: no SIGPIPE in a process that has not asked to ignore it; a bound on
 * what one call reads of the socket, however little of it is data (a peer may send key updates for ever); and knowing that the socket has ended.
 * OpenSSL keeps errors in a queue of the thread: it is emptied before each call, so that what is found there afterwards is this call's.
 */
#include "tls/internal.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

/* ---- the socket ---- */

static int
socket_read(BIO *bio, char *data, size_t max, size_t *ret_n)
{
	struct tls_session *s = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	*ret_n = 0;
	if (s->may_read == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	ssize_t n = recv(s->fd, data, max < s->may_read ? max : s->may_read, 0);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		BIO_set_retry_read(bio);
	if (n == 0)
		s->ended = true;
	if (n <= 0)
		return 0;
	s->may_read -= (size_t)n;
	*ret_n = (size_t)n;
	return 1;
}

static int
socket_write(BIO *bio, const char *data, size_t len, size_t *ret_n)
{
	struct tls_session *s = BIO_get_data(bio);
	ssize_t n;

	BIO_clear_retry_flags(bio);
	*ret_n = 0;
	do
		n = send(s->fd, data, len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		BIO_set_retry_write(bio);
	if (n < 0)
		return 0;
	*ret_n = (size_t)n;
	return 1;
}

static long
socket_control(BIO *bio, int what, long number, void *pointer)
{
	const struct tls_session *s = BIO_get_data(bio);

	(void)number, (void)pointer;
	switch (what) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_EOF:
		return s->ended;
	default:
		return 0;
	}
}

static int
socket_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

BIO_METHOD *
session_socket(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_TYPE_START | BIO_TYPE_SOURCE_SINK, "fealty socket");

	if (m != NULL && BIO_meth_set_read_ex(m, socket_read) == 1 && BIO_meth_set_write_ex(m, socket_write) == 1 &&
	    BIO_meth_set_ctrl(m, socket_control) == 1 && BIO_meth_set_create(m, socket_create) == 1)
		return m;
	BIO_meth_free(m);
	return NULL;
}

/* ---- life ---- */

struct tls_session *
session_of(const SSL *ssl)
{
	return SSL_get_app_data(ssl);
}

void
session_say(struct tls_session *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(s->why, sizeof(s->why), format, args);
	va_end(args);
}

/* A client's server is called this, and nothing like it. */
static bool
expect_name(SSL *ssl, const char *name)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	if (X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1)
		return true;
	ERR_clear_error();
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	return X509_VERIFY_PARAM_set1_host(param, name, 0) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

struct tls_session *
tls_session_new(struct tls *tls, int fd, const char *server_name)
{
	struct tls_session *s = calloc(1, sizeof(*s));

	assert((tls->side == TLS_CLIENT) == (server_name != NULL));
	if (s == NULL)
		return NULL;
	s->tls = tls_ref(tls);
	s->fd = fd;
	s->ssl = SSL_new(tls->ctx);
	BIO *bio = s->ssl == NULL ? NULL : BIO_new(tls->socket);
	if (bio == NULL)
		goto fail;
	BIO_set_data(bio, s);
	SSL_set_bio(s->ssl, bio, bio);
	if (SSL_set_app_data(s->ssl, s) != 1)
		goto fail;
	if (tls->side == TLS_SERVER)
		SSL_set_accept_state(s->ssl);
	else
		SSL_set_connect_state(s->ssl);
	if (server_name == NULL || expect_name(s->ssl, server_name))
		return s;
fail:
	tls_session_free(s);
	return NULL;
}

void
tls_session_free(struct tls_session *s)
{
	if (s == NULL)
		return;
	SSL_free(s->ssl);
	ERR_clear_error();
	tls_unref(s->tls);
	free(s->name);
	free(s);
}

/* ---- what became of a call ---- */

/* Alerts that a certificate, or its absence, is the reason of. */
static bool
is_about_us(int alert)
{
	switch (alert) {
	case SSL_AD_BAD_CERTIFICATE: case SSL_AD_UNSUPPORTED_CERTIFICATE: case SSL_AD_CERTIFICATE_REVOKED: case SSL_AD_CERTIFICATE_EXPIRED:
	case SSL_AD_CERTIFICATE_UNKNOWN: case SSL_AD_UNKNOWN_CA: case SSL_AD_ACCESS_DENIED: case SSL_AD_CERTIFICATE_REQUIRED:
	case SSL_AD_HANDSHAKE_FAILURE: case SSL_AD_PROTOCOL_VERSION: case SSL_AD_NO_APPLICATION_PROTOCOL: case SSL_AD_INSUFFICIENT_SECURITY:
		return true;
	default:
		return false;
	}
}

/* What was received as an alert is an error whose reason is beyond SSL_AD_REASON_OFFSET. */
static enum tls_result
judge_error(struct tls_session *s, unsigned long error)
{
	int reason = ERR_GET_REASON(error), alert = reason - SSL_AD_REASON_OFFSET;

	if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		return TLS_TRUNCATED;
	if (ERR_GET_LIB(error) == ERR_LIB_SSL && alert >= 0 && alert < 256) {
		s->refused = is_about_us(alert);
		session_say(s, "alert: %s", SSL_alert_desc_string_long(alert));
	} else if (reason != SSL_R_CERTIFICATE_VERIFY_FAILED || s->why[0] == '\0') {
		const char *words = ERR_reason_error_string(error);
		session_say(s, "%s", words == NULL ? "no TLS" : words);
	}
	return TLS_FAILED;
}

static enum tls_result
judge_result(struct tls_session *s, int rc)
{
	int e = errno;

	switch (SSL_get_error(s->ssl, rc)) {
	case SSL_ERROR_NONE:
		return TLS_OK;
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_ENDED;
	case SSL_ERROR_SSL:
		return judge_error(s, ERR_peek_error());
	default:
		if (s->ended)
			return TLS_TRUNCATED;
		session_say(s, "%s", e != 0 ? strerror(e) : "the connection ended");
		return TLS_FAILED;
	}
}

static void
begin(struct tls_session *s)
{
	ERR_clear_error();
	errno = 0;
	s->may_read = TLS_READ_BYTES;
}

/* ---- bytes ---- */

static bool
remember_client(struct tls_session *s)
{
	X509 *cert = SSL_get0_peer_certificate(s->ssl);
	struct judged_name name;

	if (cert == NULL || judge_name(cert, &name) != NULL || !judge_key_hash(cert, s->key_hash))
		return false;
	s->ends_at = seconds_of(X509_get0_notAfter(cert));
	s->name = strndup((const char *)name.path.data, name.path.len);
	return s->name != NULL;
}

enum tls_result
tls_session_handshake(struct tls_session *s)
{
	const unsigned char *protocol;
	unsigned len;

	begin(s);
	enum tls_result result = judge_result(s, SSL_do_handshake(s->ssl));
	if (result != TLS_OK)
		return result;
	SSL_get0_alpn_selected(s->ssl, &protocol, &len);
	if (len == 0) {		/* which a server's callback cannot refuse, since it is not asked then */
		s->distrusts = true;
		session_say(s, "the other side does not speak fealty/1 (ALPN)");
		return TLS_FAILED;
	}
	if (s->tls->side == TLS_SERVER && !remember_client(s)) {
		session_say(s, "no memory");
		return TLS_FAILED;
	}
	s->why[0] = '\0';
	return TLS_OK;
}

enum tls_result
tls_session_read(struct tls_session *s, void *data, size_t max, size_t *ret_n)
{
	begin(s);
	return judge_result(s, SSL_read_ex(s->ssl, data, max, ret_n));
}

enum tls_result
tls_session_write(struct tls_session *s, struct bytes data, size_t *ret_n)
{
	begin(s);
	return judge_result(s, SSL_write_ex(s->ssl, data.data, data.len, ret_n));
}

enum tls_result
tls_session_close(struct tls_session *s)
{
	begin(s);
	int rc = SSL_shutdown(s->ssl);
	return rc >= 0 ? TLS_OK : judge_result(s, rc);	/* 0: said, and the other side has not said it yet */
}

const char *
tls_session_why(const struct tls_session *s)
{
	return s->why;
}

bool
tls_session_was_refused(const struct tls_session *s)
{
	return s->refused;
}

bool
tls_session_distrusts(const struct tls_session *s)
{
	return s->distrusts;
}

const char *
tls_session_name(const struct tls_session *s)
{
	return s->name;
}

int64_t
tls_session_ends_at(const struct tls_session *s)
{
	return s->ends_at;
}

const uint8_t *
tls_session_key_hash(const struct tls_session *s)
{
	return s->key_hash;
}
