/**
 * webhook_secret.h: the secrets that webhooks are signed with, and the signature, as of Standard Webhooks (standardwebhooks.com): a secret is
 * "whsec_" and the base64 of 24 to 64 bytes; a signature "v1," and the base64 of HMAC-SHA-256 over "<id>.<timestamp>.<body>".
 */
#ifndef FEALTY_TOOLS_WEBHOOK_SECRET_H
#define FEALTY_TOOLS_WEBHOOK_SECRET_H

#include "base/hash.h"
#include "cli.h"

#define WEBHOOK_SECRETS_MAX 4			/* while one is replaced by another, receivers take either */
#define WEBHOOK_SECRET_BYTES_MIN 24
#define WEBHOOK_SECRET_BYTES_MAX 64
struct webhook_secrets {
	size_t n;
	struct { size_t len; uint8_t bytes[WEBHOOK_SECRET_BYTES_MAX]; } v[WEBHOOK_SECRETS_MAX];
};

/**
 * webhook_secrets_read(json, path, ret): one secret a line.  Refused, and told: a file that others can read, that is not ours, or that has something
 * else in it.  The caller ends ${ret} with explicit_bzero().
 * webhook_secret_make(json, path): a new file, mode 0400, with a new secret.  Refused when there is one.
 */
enum exit_code webhook_secrets_read(bool json, const char *path, struct webhook_secrets *ret_secrets);
enum exit_code webhook_secret_make(bool json, const char *path);

/* What the header webhook-signature says: one signature for each secret. */
#define WEBHOOK_SIGNATURE_BYTES (WEBHOOK_SECRETS_MAX * 48)
void webhook_sign(const struct webhook_secrets *secrets, const char *id, int64_t timestamp_s, struct bytes body,
    char ret_text[static WEBHOOK_SIGNATURE_BYTES]);

#endif
