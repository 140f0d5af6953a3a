/* One way to write each name: nothing is decoded, no case is folded, so two names are the same when their bytes are. */
#include "tls/tls_name.h"

#define SCHEME "spiffe://"

static bool
is_name_byte(uint8_t c, bool upper)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' || (upper && c >= 'A' && c <= 'Z');
}

/* The bytes up to a slash or the end. */
static struct bytes
take_segment(struct bytes *rest)
{
	size_t len = 0;

	while (len < rest->len && rest->data[len] != '/')
		len++;
	struct bytes segment = bytes_of(rest->data, len);
	*rest = bytes_of(rest->data + len, rest->len - len);
	return segment;
}

static bool
is_domain(struct bytes domain)
{
	if (domain.len == 0 || domain.len > TLS_DOMAIN_BYTES_MAX)
		return false;
	for (size_t i = 0; i < domain.len; i++) {
		if (!is_name_byte(domain.data[i], false))
			return false;
	}
	return true;
}

static bool
is_segment(struct bytes segment)
{
	if (segment.len == 0 || bytes_equal(segment, bytes_of(".", 1)) || bytes_equal(segment, bytes_of("..", 2)))
		return false;
	for (size_t i = 0; i < segment.len; i++) {
		if (!is_name_byte(segment.data[i], true))
			return false;
	}
	return true;
}

bool
tls_domain_valid(const char *domain)
{
	return is_domain(bytes_of(domain, strlen(domain)));
}

bool
tls_name_parse(struct bytes uri, struct bytes *ret_domain, struct bytes *ret_path)
{
	size_t scheme_len = strlen(SCHEME);

	if (uri.len > TLS_NAME_BYTES_MAX || uri.len <= scheme_len || memcmp(uri.data, SCHEME, scheme_len) != 0)
		return false;
	struct bytes rest = bytes_of(uri.data + scheme_len, uri.len - scheme_len);
	struct bytes domain = take_segment(&rest);
	if (!is_domain(domain) || rest.len == 0)
		return false;
	struct bytes path = bytes_of(rest.data + 1, rest.len - 1);
	while (rest.len > 0) {
		rest = bytes_of(rest.data + 1, rest.len - 1);
		if (!is_segment(take_segment(&rest)))
			return false;
	}
	*ret_domain = domain;
	*ret_path = path;
	return true;
}
