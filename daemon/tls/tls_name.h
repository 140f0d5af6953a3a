/**
 * tls_name.h: the name in a certificate.  Pure.
 * Format: SPIFFE ID, https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md, section 2.
 */
#ifndef FEALTY_TLS_TLS_NAME_H
#define FEALTY_TLS_TLS_NAME_H

#include "base/bytes.h"

#define TLS_NAME_BYTES_MAX 2048		/* of a SPIFFE ID */
#define TLS_DOMAIN_BYTES_MAX 255	/* of a trust domain, without its NUL */

/**
 * tls_name_parse(uri, ret_domain, ret_path):
 * Takes "spiffe://<trust domain>/<path>" apart; both parts are borrowed from ${uri}, and the path has no slash at its beginning.  False
 * when it is anything else: another scheme, a port, a query, an empty or dotted segment, a character that is not allowed.
 */
bool tls_name_parse(struct bytes uri, struct bytes *ret_domain, struct bytes *ret_path) MUST_CHECK;

/* Whether a text is a trust domain: 1 to 255 of [a-z0-9._-]. */
bool tls_domain_valid(const char *domain) MUST_CHECK;

#endif
