/*
 * What is in a certificate, and nothing that its owner chose: names come from the order, the key alone from a request.  The subject is empty and the
 * alternative name critical (RFC 5280 section 4.1.2.6), so that there is one name and one place to look for it.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/hash.h"
#include "pki_x509.h"

#define SCHEME "spiffe://"
#define SERIAL_BYTES 16

EVP_PKEY *
pki_key_generate(void)
{
	return EVP_EC_gen("P-256");
}

/* ---- parts ---- */

/* 128 random bits; the first byte is not zero, so that its text has one length. */
static bool
set_serial(X509 *x)
{
	uint8_t bytes[SERIAL_BYTES] = { 0 };

	while (bytes[0] == 0)
		if (RAND_bytes(bytes, sizeof(bytes)) != 1)
			return false;
	BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
	bool good = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x)) != NULL;
	BN_free(number);
	return good;
}

static bool
set_times(X509 *x, int64_t from_us, int64_t until_us)
{
	return ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(from_us / 1000000)) != NULL &&
	    ASN1_TIME_set(X509_getm_notAfter(x), (time_t)(until_us / 1000000)) != NULL;
}

static bool
add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	X509V3_set_ctx_nodb(&ctx);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	bool good = extension != NULL && X509_add_ext(x, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return good;
}

/* ${type}: GEN_URI, GEN_DNS or GEN_IPADD. */
static bool
add_name(GENERAL_NAMES *names, int type, const void *data, size_t len)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *value = ASN1_STRING_type_new(type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);

	if (name == NULL || value == NULL || ASN1_STRING_set(value, data, (int)len) != 1) {
		ASN1_STRING_free(value);
		GENERAL_NAME_free(name);
		return false;
	}
	GENERAL_NAME_set0_value(name, type, value);
	if (sk_GENERAL_NAME_push(names, name) > 0)
		return true;
	GENERAL_NAME_free(name);
	return false;
}

static bool
add_names(X509 *x, const char *domain, const char *principal, const struct list *addresses, int critical)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	char uri[sizeof(SCHEME) + PKI_DOMAIN_BYTES + PKI_PRINCIPAL_BYTES];
	uint8_t ip[16];
	size_t ip_len;

	int n = snprintf(uri, sizeof(uri), SCHEME "%s%s%s", domain, principal != NULL ? "/" : "", principal != NULL ? principal : "");
	bool good = names != NULL && n < (int)sizeof(uri) && add_name(names, GEN_URI, uri, (size_t)n);
	for (size_t i = 0; good && addresses != NULL && i < addresses->n; i++) {
		good = pki_address_parse(addresses->v[i], ip, &ip_len);
		assert(good);				/* the order was looked at */
		good = ip_len > 0 ? add_name(names, GEN_IPADD, ip, ip_len) : add_name(names, GEN_DNS, addresses->v[i], strlen(addresses->v[i]));
	}
	good = good && X509_add1_ext_i2d(x, NID_subject_alt_name, names, critical, X509V3_ADD_DEFAULT) == 1;
	sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
	return good;
}

/* ---- certificates ---- */

/* Authorities of one domain follow each other, and their names tell them apart. */
static bool
set_ca_name(X509 *x)
{
	char spki[PKI_SPKI_TEXT_BYTES], text[64];
	X509_NAME *name = X509_NAME_new();

	pki_spki_format(X509_get_X509_PUBKEY(x), spki);
	(void)snprintf(text, sizeof(text), "fealty CA %.16s", spki);
	bool good = name != NULL && X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, (const unsigned char *)text, -1, -1, 0) == 1 &&
	    X509_set_subject_name(x, name) == 1 && X509_set_issuer_name(x, name) == 1;
	X509_NAME_free(name);
	return good;
}

X509 *
pki_certificate_of_ca(const char *domain, EVP_PKEY *key, int64_t now_us, int64_t until_us)
{
	X509 *x = X509_new();

	if (x != NULL && X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) && set_times(x, now_us - PKI_BACK_US, until_us) &&
	    X509_set_pubkey(x, key) == 1 && set_ca_name(x) && add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
	    add_extension(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") && add_extension(x, x, NID_subject_key_identifier, "hash") &&
	    add_extension(x, x, NID_authority_key_identifier, "keyid:always") && add_names(x, domain, NULL, NULL, 0) &&
	    X509_sign(x, key, EVP_sha256()) > 0)
		return x;
	X509_free(x);
	return NULL;
}

X509 *
pki_certificate_of(const struct pki *pki, const struct pki_order *order, EVP_PKEY *key, int64_t until_us)
{
	X509 *x = X509_new();
	const char *usage = order->kind->is_server ? "serverAuth" : "clientAuth";
	int64_t ca_from_us = pki_time_us(X509_get0_notBefore(pki->ca)), from_us = pki->now_us - PKI_BACK_US;

	if (x != NULL && X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
	    set_times(x, from_us > ca_from_us ? from_us : ca_from_us, until_us) && X509_set_pubkey(x, key) == 1 &&
	    X509_set_issuer_name(x, X509_get_subject_name(pki->ca)) == 1 && add_extension(x, pki->ca, NID_basic_constraints, "critical,CA:FALSE") &&
	    add_extension(x, pki->ca, NID_key_usage, "critical,digitalSignature") && add_extension(x, pki->ca, NID_ext_key_usage, usage) &&
	    add_extension(x, pki->ca, NID_subject_key_identifier, "hash") &&
	    add_extension(x, pki->ca, NID_authority_key_identifier, "keyid:always") &&
	    add_names(x, pki->domain, order->principal, order->addresses, 1) && X509_sign(x, pki->key, EVP_sha256()) > 0)
		return x;
	X509_free(x);
	return NULL;
}

/* ---- reading ---- */

int64_t
pki_time_us(const ASN1_TIME *t)
{
	struct tm tm;

	return t != NULL && ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) * 1000000 : 0;
}

void
pki_serial_format(const ASN1_INTEGER *serial, char ret_text[static PKI_SERIAL_TEXT_BYTES])
{
	BIGNUM *number = ASN1_INTEGER_to_BN(serial, NULL);
	uint8_t bytes[(PKI_SERIAL_TEXT_BYTES - 1) / 2];

	ret_text[0] = '\0';
	if (number != NULL && BN_num_bytes(number) <= (int)sizeof(bytes))
		(void)hex_format(bytes_of(bytes, (size_t)BN_bn2bin(number, bytes)), ret_text);
	BN_free(number);
}

void
pki_spki_format(X509_PUBKEY *key, char ret_text[static PKI_SPKI_TEXT_BYTES])
{
	unsigned char *der = NULL;
	uint8_t hash[SHA256_BYTES];
	int len = i2d_X509_PUBKEY(key, &der);

	assert(len > 0);			/* it was decoded, or set: only memory can fail */
	struct bytes part = bytes_of(der, (size_t)len);
	hash_sha256(hash, &part, 1);
	OPENSSL_free(der);
	(void)hex_format(bytes_of(hash, sizeof(hash)), ret_text);
}

/* The one URI of the form spiffe://${domain}${behind}…; ${ret} gets what is behind the scheme. */
static bool
read_uri(X509 *x, char *ret, size_t size)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	int found = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type != GEN_URI)
			continue;
		const ASN1_STRING *uri = name->d.uniformResourceIdentifier;
		const char *text = (const char *)ASN1_STRING_get0_data(uri);
		size_t len = (size_t)ASN1_STRING_length(uri), scheme_len = strlen(SCHEME);
		found += len > scheme_len && len - scheme_len < size && memchr(text, '\0', len) == NULL && memcmp(text, SCHEME, scheme_len) == 0 ? 1 : 2;
		if (found == 1)
			(void)snprintf(ret, size, "%.*s", (int)(len - scheme_len), text + scheme_len);
	}
	sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
	return found == 1;
}

bool
pki_domain_of(X509 *ca, char ret_domain[static PKI_DOMAIN_BYTES])
{
	return read_uri(ca, ret_domain, PKI_DOMAIN_BYTES) && pki_domain_valid(ret_domain);
}

bool
pki_certificate_read(X509 *x, const char *domain, struct pki_certificate *ret)
{
	char uri[PKI_DOMAIN_BYTES + PKI_PRINCIPAL_BYTES];
	size_t domain_len = strlen(domain);

	if (!read_uri(x, uri, sizeof(uri)) || strncmp(uri, domain, domain_len) != 0 || uri[domain_len] != '/' ||
	    pki_kind_of(uri + domain_len + 1) == NULL)
		return false;
	int n = snprintf(ret->principal, sizeof(ret->principal), "%s", uri + domain_len + 1);
	assert(n < (int)sizeof(ret->principal));
	pki_serial_format(X509_get0_serialNumber(x), ret->serial);
	pki_spki_format(X509_get_X509_PUBKEY(x), ret->spki);
	ret->from_us = pki_time_us(X509_get0_notBefore(x));
	ret->until_us = pki_time_us(X509_get0_notAfter(x));
	return ret->serial[0] != '\0';
}
