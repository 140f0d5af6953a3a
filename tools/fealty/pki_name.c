/* Who may have a certificate.  What a principal looks like is the daemon's own rule; a server's name is as the names behind the other roles. */
#include "pki.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "codec/codec.h"

#define SERVER "server/"
#define DNS_BYTES_MAX 253
#define LABEL_BYTES_MAX 63

/* Machines are renewed once a year and a month; people come and go. */
static const struct pki_kind kinds[] = {
	{ SERVER, 397, 825, true },
	{ "pos/", 397, 825, false },
	{ "backend/", 397, 825, false },
	{ "auditor/", 90, 397, false },
	{ "operator/", 90, 397, false },
	{ "approver/", 90, 397, false },
};

/* SPIFFE-ID, section 2.2: a path has no parts "." and "..". */
static bool
has_dot_part(const char *principal)
{
	for (const char *part = principal; part != NULL; part = strchr(part, '/')) {
		part += part[0] == '/';
		size_t len = strcspn(part, "/");
		if ((len == 1 && part[0] == '.') || (len == 2 && part[0] == '.' && part[1] == '.'))
			return true;
	}
	return false;
}

static bool
is_principal(const char *text)
{
	char store[TILL_PART_BYTES], terminal[TILL_PART_BYTES], as_backend[PKI_PRINCIPAL_BYTES];

	if (strncmp(text, SERVER, strlen(SERVER)) != 0)
		return principal_may_enter(text, store, terminal);
	int n = snprintf(as_backend, sizeof(as_backend), "backend/%s", text + strlen(SERVER));
	return n < (int)sizeof(as_backend) && principal_may_enter(as_backend, store, terminal);
}

const struct pki_kind *
pki_kind_of(const char *principal)
{
	if (!is_principal(principal) || has_dot_part(principal))
		return NULL;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strncmp(principal, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
			return &kinds[i];
	return NULL;
}

bool
pki_domain_valid(const char *domain)
{
	size_t len = strlen(domain);

	return len > 0 && len < PKI_DOMAIN_BYTES && domain[strspn(domain, "abcdefghijklmnopqrstuvwxyz0123456789.-_")] == '\0';
}

/* RFC 1123 section 2.1; the last label is no number, so that no mistyped IP address is a name. */
static bool
is_dns_name(const char *name)
{
	const char *label = name;
	size_t len;

	if (strlen(name) > DNS_BYTES_MAX)
		return false;
	for (;; label += len + 1) {
		len = strspn(label, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-");
		if (len == 0 || len > LABEL_BYTES_MAX || label[0] == '-' || label[len - 1] == '-')
			return false;
		if (label[len] != '.')
			return label[len] == '\0' && strspn(label, "0123456789") < len;
	}
}

bool
pki_address_parse(const char *address, uint8_t ret_ip[static 16], size_t *ret_ip_len)
{
	*ret_ip_len = inet_pton(AF_INET, address, ret_ip) == 1 ? 4 : inet_pton(AF_INET6, address, ret_ip) == 1 ? 16 : 0;
	return *ret_ip_len > 0 || is_dns_name(address);
}
