/* Names of certificates: what is a SPIFFE ID, and what only looks like one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tls/tls_name.h"

static const struct { const char *uri, *domain, *path; } good[] = {
	{ "spiffe://example.com/pos/0042/07", "example.com", "pos/0042/07" },
	{ "spiffe://a/b", "a", "b" },
	{ "spiffe://a_b-c.9/X.y_z-0", "a_b-c.9", "X.y_z-0" },
	{ "spiffe://example.com/...", "example.com", "..." },
};

static const char *const bad[] = {
	"", "spiffe", "spiffe://", "spiffe:///pos/1", "spiffe://example.com", "spiffe://example.com/", "spiffe://example.com/pos/", "spiffe://example.com//pos",
	"spiffe://example.com/pos//1", "spiffe://example.com/./pos", "spiffe://example.com/pos/..", "Spiffe://example.com/pos/1", "https://example.com/pos/1",
	"spiffe://Example.com/pos/1", "spiffe://example.com:1/pos", "spiffe://user@example.com/pos", "spiffe://example.com/pos?x", "spiffe://example.com/pos#x",
	"spiffe://example.com/p%6fs", "spiffe://example.com/p s", "spiffe://exam\xc3\xa4ple/pos", "spiffe://example.com/p\xc3\xb6s", " spiffe://example.com/pos",
	"spiffe://example.com/pos\n", "spiffe:/example.com/pos",
};

static struct bytes
text(const char *s)
{
	return bytes_of(s, strlen(s));
}

static void
test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct bytes domain, path;
		if (!tls_name_parse(text(good[i].uri), &domain, &path) || !bytes_equal(domain, text(good[i].domain)) ||
		    !bytes_equal(path, text(good[i].path)))
			fail_msg("%s", good[i].uri);
	}
}

static void
test_bad(void **state)
{
	struct bytes domain, path;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (tls_name_parse(text(bad[i]), &domain, &path))
			fail_msg("%s", bad[i]);
	}
	/* a certificate's string may hold a NUL, and whoever stops there reads another name */
	assert_false(tls_name_parse(bytes_of("spiffe://example.com/pos/1\0/2", 29), &domain, &path));
	assert_false(tls_name_parse(bytes_of("spiffe://example.com\0.evil/pos", 30), &domain, &path));
}

static void
test_lengths(void **state)
{
	char uri[TLS_NAME_BYTES_MAX + 2];
	struct bytes domain, path;

	(void)state;
	memset(uri, 'a', sizeof uri);
	memcpy(uri, "spiffe://d/", 11);
	assert_true(tls_name_parse(bytes_of(uri, TLS_NAME_BYTES_MAX), &domain, &path));
	assert_int_equal(path.len, TLS_NAME_BYTES_MAX - 11);
	assert_false(tls_name_parse(bytes_of(uri, TLS_NAME_BYTES_MAX + 1), &domain, &path));
	memset(uri, 'a', sizeof uri);
	memcpy(uri, "spiffe://", 9);
	uri[9 + TLS_DOMAIN_BYTES_MAX] = '/';
	assert_true(tls_name_parse(bytes_of(uri, 400), &domain, &path));
	uri[9 + TLS_DOMAIN_BYTES_MAX] = 'a';
	uri[10 + TLS_DOMAIN_BYTES_MAX] = '/';
	assert_false(tls_name_parse(bytes_of(uri, 400), &domain, &path));
	uri[9 + TLS_DOMAIN_BYTES_MAX] = '\0';
	assert_true(tls_domain_valid(uri + 9));
	assert_false(tls_domain_valid(""));
	assert_false(tls_domain_valid("a/b"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_good), cmocka_unit_test(test_bad), cmocka_unit_test(test_lengths) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
