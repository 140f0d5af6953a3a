/**
 * Names in certificates: what is taken apart goes together again as the URI that it was, by parts that a SPIFFE ID may have; and whoever it names is
 * somebody at the socket only by the grammar of principals.
 */
#include "fuzz.h"
#include "service/internal.h"
#include "tls/tls_name.h"

static bool
all_of(struct bytes text, const char *more)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && (c == '\0' || strchr(more, c) == NULL))
			return false;
	}
	return true;
}

/* No segment is empty, "." or "..". */
static bool
segments_are_names(struct bytes path)
{
	size_t begin = 0;

	for (size_t i = 0; i <= path.len; i++) {
		if (i < path.len && path.data[i] != '/')
			continue;
		size_t len = i - begin;
		if (len == 0 || (len == 1 && path.data[begin] == '.') || (len == 2 && path.data[begin] == '.' && path.data[begin + 1] == '.'))
			return false;
		begin = i + 1;
	}
	return true;
}

static void
taken(struct bytes uri, struct bytes domain, struct bytes path)
{
	const struct bytes scheme = LITERAL("spiffe://");
	char text[TLS_DOMAIN_BYTES_MAX + 1];

	assert(uri.len == scheme.len + domain.len + 1 + path.len && uri.len <= TLS_NAME_BYTES_MAX);
	assert(memcmp(uri.data, scheme.data, scheme.len) == 0);
	assert(domain.data == uri.data + scheme.len && path.data == domain.data + domain.len + 1 && path.data[-1] == '/');
	assert(domain.len > 0 && domain.len <= TLS_DOMAIN_BYTES_MAX && all_of(domain, "._-"));
	assert(path.len > 0 && all_of(path, "ABCDEFGHIJKLMNOPQRSTUVWXYZ._-/") && segments_are_names(path));
	memcpy(text, domain.data, domain.len);
	text[domain.len] = '\0';
	assert(tls_domain_valid(text));
}

static void
named(struct bytes path)
{
	char text[TLS_NAME_BYTES_MAX + 1];
	struct identity who;

	memcpy(text, path.data, path.len);
	text[path.len] = '\0';
	if (identity_parse(text, NET_DOOR_UNIX, &who))
		assert(strcmp(who.principal, text) == 0 && who.role != ROLE_NONE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes uri = bytes_of(data, size), domain, path;

	if (tls_name_parse(uri, &domain, &path)) {
		taken(uri, domain, path);
		named(path);
	}
	return 0;
}
