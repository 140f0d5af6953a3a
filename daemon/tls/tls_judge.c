/*
 * OpenSSL judges the chain: signatures, dates, purposes, revocation lists, names of servers.  What it leaves open is closed here: a certificate
 * that does not say what it is for, one with several names or none, a key that is denied.
 * The alert that the other side gets follows from the error that is set, so revoked is told as revoked.
 */
#include "tls/internal.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/x509v3.h>

bool
judge_key_hash(X509 *cert, uint8_t ret_hash[static SHA256_BYTES])
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);

	if (len <= 0)
		return false;
	hash_sha256(ret_hash, &(struct bytes){ der, (size_t)len }, 1);
	OPENSSL_free(der);
	return true;
}

bool
judge_usage(X509 *cert, enum tls_side side)
{
	uint32_t usage = X509_get_extended_key_usage(cert);

	/* All bits are set when the certificate does not say. */
	return usage != UINT32_MAX && (usage & (side == TLS_SERVER ? XKU_SSL_SERVER : XKU_SSL_CLIENT)) != 0;
}

/* Borrowed from ${names}; false: none, or more than one. */
static bool
only_uri(const GENERAL_NAMES *names, struct bytes *ret_uri)
{
	unsigned found = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type != GEN_URI)
			continue;
		const ASN1_IA5STRING *uri = name->d.uniformResourceIdentifier;
		*ret_uri = bytes_of(ASN1_STRING_get0_data(uri), (size_t)ASN1_STRING_length(uri));
		found++;
	}
	return found == 1;
}

const char *
judge_name(X509 *cert, struct judged_name *ret)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	struct bytes uri;
	const char *wrong = "the URI among its names is no SPIFFE ID";

	if (names == NULL || !only_uri(names, &uri)) {
		wrong = "it does not have exactly one URI among its names";
	} else if (uri.len <= sizeof(ret->uri)) {
		memcpy(ret->uri, uri.data, uri.len);
		if (tls_name_parse(bytes_of(ret->uri, uri.len), &ret->domain, &ret->path))
			wrong = NULL;
	}
	GENERAL_NAMES_free(names);
	return wrong;
}

int
key_hash_compare(const void *a, const void *b)
{
	return memcmp(a, b, SHA256_BYTES);
}

static bool
is_denied(const struct tls *tls, const uint8_t hash[static SHA256_BYTES])
{
	return tls->n_denied > 0 && bsearch(hash, tls->denied, tls->n_denied, sizeof(*tls->denied), key_hash_compare) != NULL;
}

bool
tls_session_denied(const struct tls_session *s, const struct tls *tls)
{
	return is_denied(tls, s->key_hash);
}

/* What a server asks of a client's certificate besides; X509_V_OK, or an error and why. */
static int
judge_client(const struct tls *tls, X509 *cert, struct tls_session *s)
{
	struct judged_name name;
	const char *wrong = judge_name(cert, &name);
	uint8_t hash[SHA256_BYTES];

	if (wrong != NULL) {
		session_say(s, "the certificate names nobody: %s", wrong);
		return X509_V_ERR_APPLICATION_VERIFICATION;
	}
	if (!bytes_equal(name.domain, bytes_of(tls->domain, strlen(tls->domain)))) {
		session_say(s, "the certificate is of another trust domain, %.*s", (int)name.domain.len, (const char *)name.domain.data);
		return X509_V_ERR_APPLICATION_VERIFICATION;
	}
	if (!judge_key_hash(cert, hash))
		return X509_V_ERR_OUT_OF_MEM;
	if (is_denied(tls, hash)) {
		session_say(s, "the certificate's key is on the deny list");
		return X509_V_ERR_CERT_REVOKED;
	}
	return X509_V_OK;
}

/* True: good.  False: session_say() has said why. */
static bool
judge(const struct tls *tls, X509_STORE_CTX *store, struct tls_session *s)
{
	X509 *cert = X509_STORE_CTX_get0_cert(store);
	int error = X509_V_OK;

	if (X509_verify_cert(store) != 1) {
		error = X509_STORE_CTX_get_error(store);
		session_say(s, "the certificate is not good: %s", X509_verify_cert_error_string(error));
		return false;
	}
	if (!judge_usage(cert, tls->side == TLS_SERVER ? TLS_CLIENT : TLS_SERVER)) {
		session_say(s, "the certificate does not say that it is for %s", tls->side == TLS_SERVER ? "clients (clientAuth)" : "servers (serverAuth)");
		error = X509_V_ERR_INVALID_PURPOSE;
	} else if (tls->side == TLS_SERVER) {
		error = judge_client(tls, cert, s);
	}
	X509_STORE_CTX_set_error(store, error);
	return error == X509_V_OK;
}

int
judge_callback(X509_STORE_CTX *store, void *ctx)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());

	struct tls_session *s = session_of(ssl);

	s->distrusts = !judge(ctx, store, s);
	return s->distrusts ? 0 : 1;
}

bool
tls_session_still_good(struct tls_session *s, const struct tls *tls)
{
	X509 *cert = SSL_get0_peer_certificate(s->ssl);
	X509_STORE_CTX *store = X509_STORE_CTX_new();
	bool good = false;

	if (store != NULL && cert != NULL &&
	    X509_STORE_CTX_init(store, SSL_CTX_get_cert_store(tls->ctx), cert, SSL_get_peer_cert_chain(s->ssl)) == 1 &&
	    X509_STORE_CTX_set_default(store, "ssl_client") == 1) {
		X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(store);
		X509_VERIFY_PARAM_set_depth(param, TLS_DEPTH_MAX);
		X509_VERIFY_PARAM_set_auth_level(param, TLS_SECURITY_LEVEL);
		good = judge(tls, store, s);
	} else {
		session_say(s, "the certificate could not be verified again: no memory");
	}
	X509_STORE_CTX_free(store);
	return good;
}
