/*
 * Where a server is: a path, an address in digits, or with TLS a name, which is looked up for each connection.  libevent's resolver is used, so
 * that nobody's loop waits for it: it knows /etc/hosts and the servers of /etc/resolv.conf.
 * A request that was given up may still call back: it is on the heap, and knows then that nobody wants to hear it.
 */
#include "internal.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <event2/dns.h>
#include <event2/util.h>

#define HOST_BYTES_MAX 253	/* of a DNS name, RFC 1035 */

/* ---- reading one ---- */

static bool
parse_unix(const char *path, struct fealty_client *c)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&c->address;
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof un->sun_path)
		return false;
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, len + 1);
	c->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
	return true;
}

static bool
has_port(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_port != 0;
	return a->ss_family == AF_INET6 && ((const struct sockaddr_in6 *)a)->sin6_port != 0;
}

static bool
is_loopback(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return a->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

/* "host:port" or "[v6]:port"; the host is copied, without brackets. */
static bool
split(const char *text, struct fealty_client *c)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon == NULL ? 0 : (size_t)(colon - text);
	size_t digits = colon == NULL ? 0 : strspn(colon + 1, "0123456789");

	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (len == 0 || len > HOST_BYTES_MAX || digits == 0 || digits > 5 || colon[1 + digits] != '\0' || strtoul(colon + 1, NULL, 10) - 1 > 65534)
		return false;
	c->host = strndup(text, len);
	memcpy(c->port, colon + 1, digits + 1);
	return true;
}

static bool
is_name(const char *host)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";

	return host[strspn(host, letters)] == '\0' && host[0] != '-' && host[0] != '.';
}

/* In digits to c->address; false: it may be a name. */
static bool
parse_digits(const char *text, struct fealty_client *c)
{
	int len = sizeof c->address;

	if (evutil_parse_sockaddr_port(text, (struct sockaddr *)&c->address, &len) != 0 || !has_port(&c->address))
		return false;
	c->address_len = (socklen_t)len;
	return true;
}

enum fealty_error
address_parse(struct fealty_client *c, const char *text)
{
	bool tls = c->tls_ca != NULL;
	bool is_path = *text == '/' || strncmp(text, "unix:", 5) == 0;

	if (is_path)
		return !tls && parse_unix(*text == '/' ? text : text + 5, c) ? FEALTY_ERROR_NONE : FEALTY_ERROR_ADDRESS;
	if (!split(text, c))
		return FEALTY_ERROR_ADDRESS;
	if (c->host == NULL)
		return FEALTY_ERROR_NOMEM;
	if (parse_digits(text, c))
		return tls || is_loopback(&c->address) ? FEALTY_ERROR_NONE : FEALTY_ERROR_NO_TLS;
	if (!is_name(c->host))
		return FEALTY_ERROR_ADDRESS;
	c->is_named = true;
	return tls ? FEALTY_ERROR_NONE : FEALTY_ERROR_NO_TLS;
}

/* ---- looking a name up ---- */

struct resolution {
	struct fealty_client *client;	/* NULL: given up */
	struct evdns_getaddrinfo_request *request;
	bool done;			/* before evdns_getaddrinfo() returned */
};

/* One after the other, when the first does not answer. */
static void
choose(struct fealty_client *c, const struct evutil_addrinfo *all)
{
	unsigned n = 0;

	for (const struct evutil_addrinfo *a = all; a != NULL; a = a->ai_next)
		n++;
	const struct evutil_addrinfo *chosen = all;
	for (unsigned i = c->link.connect_failures % n; i > 0; i--)
		chosen = chosen->ai_next;
	memcpy(&c->address, chosen->ai_addr, chosen->ai_addrlen);
	c->address_len = (socklen_t)chosen->ai_addrlen;
}

static void
on_resolved(int error, struct evutil_addrinfo *all, void *ctx)
{
	struct resolution *r = ctx;
	struct fealty_client *c = r->client;
	bool inside = r->request == NULL;

	r->done = true;
	if (c != NULL) {
		c->resolution = NULL;
		if (error == 0 && all != NULL)
			choose(c, all);
	}
	if (!inside)
		free(r);
	if (c != NULL)
		link_resolved(c, error == 0 && all != NULL ? NULL : error == 0 ? "it has no address" : evutil_gai_strerror(error));
	if (all != NULL)
		evutil_freeaddrinfo(all);
}

void
address_resolve(struct fealty_client *c)
{
	struct evutil_addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP };
	struct resolution *r = calloc(1, sizeof *r);

	if (c->dns == NULL)
		c->dns = evdns_base_new(c->base, EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (c->dns == NULL || r == NULL) {
		free(r);
		link_resolved(c, "this machine has no name servers");
		return;
	}
	r->client = c;
	c->resolution = r;
	r->request = evdns_getaddrinfo(c->dns, c->host, c->port, &hints, on_resolved, r);
	if (r->done)
		free(r);
}

void
address_give_up(struct fealty_client *c)
{
	struct resolution *r = c->resolution;

	if (r == NULL)
		return;
	r->client = NULL;
	c->resolution = NULL;
	evdns_getaddrinfo_cancel(r->request);
}

void
address_release(struct fealty_client *c)
{
	address_give_up(c);
	if (c->dns != NULL)
		evdns_base_free(c->dns, 1);
	c->dns = NULL;
	free(c->host);
}
