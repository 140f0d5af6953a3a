/*
 * Everything that can be wrong with the files is found here, so that a daemon starts with what it can use or not at all, and a reload changes
 * all or nothing.
 */
#include "tls/internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#define DENY_LINE_BYTES 1024
#define DENIED_MAX 1000000u

static const unsigned char protocol[] = "\x08" "fealty/1";	/* ALPN, RFC 7301: a length, then the name */
#define PROTOCOL_BYTES (sizeof(protocol) - 1)

struct reader {
	struct tls *tls;
	const struct tls_files *files;
	char *message;
};

/* ---- saying ---- */

__attribute__((format(printf, 2, 3))) static bool
say(struct reader *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(r->message, TLS_MESSAGE_BYTES, format, args);
	va_end(args);
	return false;
}

/* What OpenSSL found, or what the system said. */
static const char *
reason(void)
{
	unsigned long error = ERR_peek_error();

	if (ERR_SYSTEM_ERROR(error))
		return strerror(ERR_GET_REASON(error));
	const char *words = error == 0 ? NULL : ERR_reason_error_string(error);
	return words == NULL ? "it cannot be read" : words;
}

int64_t
seconds_of(const ASN1_TIME *time)
{
	struct tm tm;

	return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

/* ---- our certificate and its key ---- */

static bool
judge_dates(struct reader *r, const char *path, const X509 *cert)
{
	char day[32] = "";
	time_t ends = (time_t)seconds_of(X509_get0_notAfter(cert));
	struct tm tm;

	(void)strftime(day, sizeof(day), "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&ends, &tm));
	if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
		return say(r, "the certificate %s is not valid yet: look at this machine's clock", path);
	if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
		return say(r, "the certificate %s ended at %s: issue a new one", path, day);
	r->tls->cert_ends_at = ends;
	return true;
}

static bool
take_domain(struct reader *r, X509 *cert)
{
	struct judged_name name;
	const char *domain = r->files->domain;

	if (r->tls->side == TLS_CLIENT)
		return true;
	if (domain != NULL && !tls_domain_valid(domain))
		return say(r, "\"%s\" is no trust domain: 1 to 255 of a-z, 0-9, '.', '-' and '_'", domain);
	if (domain != NULL) {
		snprintf(r->tls->domain, sizeof(r->tls->domain), "%s", domain);
		return true;
	}
	const char *wrong = judge_name(cert, &name);
	if (wrong != NULL)
		return say(r, "the certificate %s does not say the trust domain, %s: name it", r->files->cert, wrong);
	snprintf(r->tls->domain, sizeof(r->tls->domain), "%.*s", (int)name.domain.len, (const char *)name.domain.data);
	return true;
}

static bool
read_cert(struct reader *r)
{
	const char *path = r->files->cert;
	bool server = r->tls->side == TLS_SERVER;

	if (SSL_CTX_use_certificate_chain_file(r->tls->ctx, path) != 1)
		return say(r, "the certificate %s cannot be used: %s", path, reason());
	X509 *cert = SSL_CTX_get0_certificate(r->tls->ctx);
	if (!judge_usage(cert, r->tls->side))
		return say(r, "the certificate %s does not say that it is for %s", path, server ? "servers (serverAuth)" : "clients (clientAuth)");
	return judge_dates(r, path, cert) && take_domain(r, cert);
}

/* Keys with a password are refused: there is nobody to ask. */
static int
no_password(char *buf, int size, int writing, void *ctx)
{
	(void)buf, (void)size, (void)writing, (void)ctx;
	return -1;
}

/* Ours and nobody else's to read; or root's, who may let our group read it. */
static bool
is_private(const struct stat *st)
{
	return st->st_uid == geteuid() ? (st->st_mode & 077) == 0 : st->st_uid == 0 && (st->st_mode & 037) == 0;
}

static bool
use_key(struct reader *r, int fd)
{
	const char *path = r->files->key;
	struct stat st;
	BIO *bio = NULL;
	EVP_PKEY *key = NULL;
	bool ok = false;

	if (fstat(fd, &st) == -1)
		return say(r, "the key %s cannot be read: %s", path, strerror(errno));
	if (!is_private(&st))
		return say(r, "the key %s is open to others than its owner: chmod 0400, and ask yourself who has read it", path);
	bio = BIO_new_fd(fd, BIO_NOCLOSE);
	key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	if (key == NULL)
		say(r, "the key %s cannot be used: it is no private key in PEM without a password (%s)", path, reason());
	else if (SSL_CTX_use_PrivateKey(r->tls->ctx, key) != 1)
		say(r, "the key %s is not that of the certificate %s (%s)", path, r->files->cert, reason());
	else
		ok = true;
	EVP_PKEY_free(key);
	BIO_free(bio);
	return ok;
}

static bool
read_key(struct reader *r)
{
	int fd = open(r->files->key, O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		return say(r, "the key %s cannot be read: %s", r->files->key, strerror(errno));
	bool ok = use_key(r, fd);
	close(fd);
	return ok;
}

/* ---- the other side's ---- */

static bool
read_ca(struct reader *r)
{
	if (SSL_CTX_load_verify_file(r->tls->ctx, r->files->ca) == 1)
		return true;
	return say(r, "the CA %s cannot be used: %s", r->files->ca, reason());
}

static bool
take_crl(struct reader *r, X509_CRL *crl)
{
	const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);
	int64_t ends = next == NULL ? 0 : seconds_of(next);

	if (ends == 0)
		return say(r, "a list in %s does not say until when it is good (nextUpdate)", r->files->crl);
	if (r->tls->crl_ends_at == 0 || ends < r->tls->crl_ends_at)
		r->tls->crl_ends_at = ends;
	if (X509_STORE_add_crl(SSL_CTX_get_cert_store(r->tls->ctx), crl) != 1)
		return say(r, "a list in %s cannot be used: %s", r->files->crl, reason());
	return true;
}

static bool
read_crls(struct reader *r)
{
	BIO *bio = r->files->crl == NULL ? NULL : BIO_new_file(r->files->crl, "r");
	unsigned n = 0;
	bool ok = true;

	if (r->files->crl == NULL)
		return true;
	if (bio == NULL)
		return say(r, "the revocation list %s cannot be read: %s", r->files->crl, reason());
	for (X509_CRL *crl; ok && (crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) != NULL; n++) {
		ok = take_crl(r, crl);
		X509_CRL_free(crl);
	}
	/* The end of the file is an error, too: no more PEM. */
	if (ok && (n == 0 || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE))
		ok = say(r, "the revocation list %s cannot be used: %s", r->files->crl, reason());
	BIO_free(bio);
	ERR_clear_error();
	X509_STORE_set_flags(SSL_CTX_get_cert_store(r->tls->ctx), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	return ok;
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* A hash, then blanks; true and *${ret_any} false for a line without one. */
static bool
parse_deny_line(const char *line, struct key_hash *ret_hash, bool *ret_any)
{
	line += strspn(line, " \t");
	*ret_any = strcspn(line, "#\r\n") > 0;
	if (!*ret_any)
		return true;
	for (size_t i = 0; i < SHA256_BYTES; i++) {
		int high = hex_digit(line[0]), low = high < 0 ? -1 : hex_digit(line[1]);
		if (low < 0)
			return false;
		ret_hash->bytes[i] = (uint8_t)(high << 4 | low);
		line += 2;
	}
	line += strspn(line, " \t\r\n");
	return *line == '\0' || *line == '#';
}

static bool
add_denied(struct reader *r, const struct key_hash *hash, size_t *cap)
{
	struct tls *tls = r->tls;

	if (tls->n_denied == DENIED_MAX)
		return say(r, "the deny list %s has more than %u keys: issue from another CA instead", r->files->deny, DENIED_MAX);
	if (tls->n_denied == *cap) {
		size_t more = *cap == 0 ? 16 : *cap * 2;
		struct key_hash *grown = reallocarray(tls->denied, more, sizeof(*grown));
		if (grown == NULL)
			return say(r, "no memory for the deny list %s", r->files->deny);
		tls->denied = grown;
		*cap = more;
	}
	tls->denied[tls->n_denied++] = *hash;
	return true;
}

static bool
read_deny_lines(struct reader *r, FILE *f)
{
	char line[DENY_LINE_BYTES];
	size_t cap = 0;

	for (unsigned number = 1; fgets(line, sizeof(line), f) != NULL; number++) {
		struct key_hash hash;
		bool any;
		if (strlen(line) == sizeof(line) - 1 || !parse_deny_line(line, &hash, &any))
			return say(r, "line %u of the deny list %s is no SHA-256 in 64 hex digits", number, r->files->deny);
		if (any && !add_denied(r, &hash, &cap))
			return false;
	}
	if (ferror(f))
		return say(r, "the deny list %s cannot be read: %s", r->files->deny, strerror(errno));
	if (r->tls->n_denied > 0)
		qsort(r->tls->denied, r->tls->n_denied, sizeof(*r->tls->denied), key_hash_compare);
	return true;
}

static bool
read_deny(struct reader *r)
{
	if (r->files->deny == NULL)
		return true;
	FILE *f = fopen(r->files->deny, "re");
	if (f == NULL)
		return say(r, "the deny list %s cannot be read: %s", r->files->deny, strerror(errno));
	bool ok = read_deny_lines(r, f);
	(void)fclose(f);
	return ok;
}

/* ---- the context ---- */

static int
choose_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_len, const unsigned char *offered, unsigned offered_len, void *ctx)
{
	unsigned char *chosen;

	(void)ssl, (void)ctx;
	if (SSL_select_next_proto(&chosen, ret_len, protocol, PROTOCOL_BYTES, offered, offered_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*ret = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static bool
set_up(struct tls *tls)
{
	SSL_CTX *ctx = tls->ctx;
	long modes = SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS;

	SSL_CTX_set_mode(ctx, modes);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_max_cert_list(ctx, TLS_CHAIN_BYTES_MAX);
	SSL_CTX_set_security_level(ctx, TLS_SECURITY_LEVEL);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_verify_depth(ctx, TLS_DEPTH_MAX);
	SSL_CTX_set_cert_verify_callback(ctx, judge_callback, tls);
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
	return SSL_CTX_set_num_tickets(ctx, 0) == 1 && SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	    SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 && SSL_CTX_set_alpn_protos(ctx, protocol, PROTOCOL_BYTES) == 0;
}

static struct tls *
tls_new(enum tls_side side)
{
	struct tls *tls = calloc(1, sizeof(*tls));

	if (tls == NULL)
		return NULL;
	atomic_init(&tls->references, 1);
	tls->side = side;
	tls->ctx = SSL_CTX_new(side == TLS_SERVER ? TLS_server_method() : TLS_client_method());
	tls->socket = session_socket();
	if (tls->ctx != NULL && tls->socket != NULL && set_up(tls))
		return tls;
	tls_unref(tls);
	return NULL;
}

enum status
tls_open(enum tls_side side, const struct tls_files *files, struct tls **ret_tls, char ret_message[static TLS_MESSAGE_BYTES])
{
	struct reader r = { .files = files, .message = ret_message };

	assert(files->cert != NULL && files->key != NULL && files->ca != NULL);
	ERR_clear_error();
	r.tls = tls_new(side);
	if (r.tls == NULL) {
		say(&r, "no memory for TLS (%s)", reason());
		return ST_NOMEM;
	}
	if (read_cert(&r) && read_key(&r) && read_ca(&r) && read_crls(&r) && read_deny(&r)) {
		*ret_tls = r.tls;
		return ST_OK;
	}
	ERR_clear_error();
	tls_unref(r.tls);
	return ST_INVALID;
}

struct tls *
tls_ref(struct tls *tls)
{
	unsigned before = atomic_fetch_add(&tls->references, 1);

	assert(before > 0);
	return tls;
}

void
tls_unref(struct tls *tls)
{
	if (tls == NULL || atomic_fetch_sub(&tls->references, 1) > 1)
		return;
	SSL_CTX_free(tls->ctx);
	BIO_meth_free(tls->socket);
	free(tls->denied);
	free(tls);
}

int64_t
tls_cert_ends_at(const struct tls *tls)
{
	return tls->cert_ends_at;
}

int64_t
tls_crl_ends_at(const struct tls *tls)
{
	return tls->crl_ends_at;
}

const char *
tls_domain(const struct tls *tls)
{
	return tls->domain;
}
