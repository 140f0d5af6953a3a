/* Headers and their refusals, and the bytes of an ERROR frame. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "frame.h"

#define K (1024u)

enum role { BEFORE_HELLO, SERVER, CLIENT };

static struct frame_limits
limits_of(enum role role)
{
	switch (role) {
	case BEFORE_HELLO:
		return frame_limits_before_hello();
	case SERVER:
		return frame_limits_server();
	case CLIENT:
		return frame_limits_client();
	}
	return (struct frame_limits){ 0 };
}

static const struct { const char *name; enum role role; struct frame_header h; enum frame_error want; } cases[] = {
	/* one thing wrong, or nothing */
	{ "hello",                        BEFORE_HELLO, { 20, 1, FRAME_HELLO, 0, 0 }, FRAME_ERROR_NONE },
	{ "hello of 4 KiB",               BEFORE_HELLO, { 4 * K, 1, FRAME_HELLO, 0, 0 }, FRAME_ERROR_NONE },
	{ "hello of a byte more",         BEFORE_HELLO, { 4 * K + 1, 1, FRAME_HELLO, 0, 0 }, FRAME_ERROR_FRAME_TOO_LARGE },
	{ "hello with a tag",             BEFORE_HELLO, { 0, 1, FRAME_HELLO, 0, 9 }, FRAME_ERROR_NONE },
	{ "request before hello",         BEFORE_HELLO, { 0, 1, FRAME_REQUEST, 0, 1 }, FRAME_ERROR_HELLO_REQUIRED },
	{ "batch before hello",           BEFORE_HELLO, { 0, 1, FRAME_BATCH, 0, 1 }, FRAME_ERROR_HELLO_REQUIRED },
	{ "ping before hello",            BEFORE_HELLO, { 0, 1, FRAME_PING, 0, 0 }, FRAME_ERROR_HELLO_REQUIRED },
	{ "credit before hello",          BEFORE_HELLO, { 0, 1, FRAME_CREDIT, 0, 1 }, FRAME_ERROR_HELLO_REQUIRED },
	{ "cancel before hello",          BEFORE_HELLO, { 0, 1, FRAME_CANCEL, 0, 1 }, FRAME_ERROR_HELLO_REQUIRED },
	{ "server's type before hello",   BEFORE_HELLO, { 0, 1, FRAME_RESPONSE, 0, 1 }, FRAME_ERROR_UNKNOWN_TYPE },
	{ "type 0 before hello",          BEFORE_HELLO, { 0, 1, 0, 0, 1 }, FRAME_ERROR_UNKNOWN_TYPE },
	{ "second hello is the service's", SERVER, { 20, 1, FRAME_HELLO, 0, 0 }, FRAME_ERROR_NONE },
	{ "request",                      SERVER, { 64 * K, 1, FRAME_REQUEST, 0, 1 }, FRAME_ERROR_NONE },
	{ "request of a byte more",       SERVER, { 64 * K + 1, 1, FRAME_REQUEST, 0, 1 }, FRAME_ERROR_FRAME_TOO_LARGE },
	{ "largest length there is",      SERVER, { UINT32_MAX, 1, FRAME_REQUEST, 0, 1 }, FRAME_ERROR_FRAME_TOO_LARGE },
	{ "largest tag there is",         SERVER, { 0, 1, FRAME_REQUEST, 0, UINT64_MAX }, FRAME_ERROR_NONE },
	{ "batch",                        SERVER, { 1024 * K, 1, FRAME_BATCH, 0, 1 }, FRAME_ERROR_NONE },
	{ "batch of a byte more",         SERVER, { 1024 * K + 1, 1, FRAME_BATCH, 0, 1 }, FRAME_ERROR_FRAME_TOO_LARGE },
	{ "ping without tag",             SERVER, { 8, 1, FRAME_PING, 0, 0 }, FRAME_ERROR_NONE },
	{ "version 0",                    SERVER, { 0, 0, FRAME_REQUEST, 0, 1 }, FRAME_ERROR_BAD_VERSION },
	{ "version 2",                    SERVER, { 0, 2, FRAME_REQUEST, 0, 1 }, FRAME_ERROR_BAD_VERSION },
	{ "type 0",                       SERVER, { 0, 1, 0, 0, 1 }, FRAME_ERROR_UNKNOWN_TYPE },
	{ "type 13",                      SERVER, { 0, 1, 13, 0, 1 }, FRAME_ERROR_UNKNOWN_TYPE },
	{ "type 16",                      SERVER, { 0, 1, 16, 0, 1 }, FRAME_ERROR_UNKNOWN_TYPE },
	{ "type 35 is not REQUEST",       SERVER, { 0, 1, 35, 0, 1 }, FRAME_ERROR_UNKNOWN_TYPE },
	{ "type 255",                     SERVER, { 0, 1, 255, 0, 1 }, FRAME_ERROR_UNKNOWN_TYPE },
	{ "hello_ok from a client",       SERVER, { 0, 1, FRAME_HELLO_OK, 0, 1 }, FRAME_ERROR_UNKNOWN_TYPE },
	{ "response from a client",       SERVER, { 0, 1, FRAME_RESPONSE, 0, 1 }, FRAME_ERROR_UNKNOWN_TYPE },
	{ "push from a client",           SERVER, { 0, 1, FRAME_PUSH, 0, 1 }, FRAME_ERROR_UNKNOWN_TYPE },
	{ "pong from a client",           SERVER, { 0, 1, FRAME_PONG, 0, 1 }, FRAME_ERROR_UNKNOWN_TYPE },
	{ "goaway from a client",         SERVER, { 0, 1, FRAME_GOAWAY, 0, 1 }, FRAME_ERROR_UNKNOWN_TYPE },
	{ "error from a client",          SERVER, { 0, 1, FRAME_ERROR, 0, 1 }, FRAME_ERROR_UNKNOWN_TYPE },
	{ "low flags are ignored",        SERVER, { 0, 1, FRAME_REQUEST, 0x00ff, 1 }, FRAME_ERROR_NONE },
	{ "lowest must-understand flag",  SERVER, { 0, 1, FRAME_REQUEST, 0x0100, 1 }, FRAME_ERROR_UNKNOWN_FLAG },
	{ "highest must-understand flag", SERVER, { 0, 1, FRAME_REQUEST, 0x8000, 1 }, FRAME_ERROR_UNKNOWN_FLAG },
	{ "request without tag",          SERVER, { 0, 1, FRAME_REQUEST, 0, 0 }, FRAME_ERROR_TAG_INVALID },
	{ "batch without tag",            SERVER, { 0, 1, FRAME_BATCH, 0, 0 }, FRAME_ERROR_TAG_INVALID },
	{ "credit without tag",           SERVER, { 0, 1, FRAME_CREDIT, 0, 0 }, FRAME_ERROR_TAG_INVALID },
	{ "cancel without tag",           SERVER, { 0, 1, FRAME_CANCEL, 0, 0 }, FRAME_ERROR_TAG_INVALID },
	{ "hello_ok",                     CLIENT, { 0, 1, FRAME_HELLO_OK, 0, 0 }, FRAME_ERROR_NONE },
	{ "response",                     CLIENT, { 1024 * K, 1, FRAME_RESPONSE, 0, 1 }, FRAME_ERROR_NONE },
	{ "response of a byte more",      CLIENT, { 1024 * K + 1, 1, FRAME_RESPONSE, 0, 1 }, FRAME_ERROR_FRAME_TOO_LARGE },
	{ "response without tag",         CLIENT, { 0, 1, FRAME_RESPONSE, 0, 0 }, FRAME_ERROR_TAG_INVALID },
	{ "push without tag",             CLIENT, { 0, 1, FRAME_PUSH, 0, 0 }, FRAME_ERROR_TAG_INVALID },
	{ "goaway",                       CLIENT, { 0, 1, FRAME_GOAWAY, 0, 0 }, FRAME_ERROR_NONE },
	{ "pong",                         CLIENT, { 0, 1, FRAME_PONG, 0, 0 }, FRAME_ERROR_NONE },
	{ "error",                        CLIENT, { 0, 1, FRAME_ERROR, 0, 0 }, FRAME_ERROR_NONE },
	{ "request from a server",        CLIENT, { 0, 1, FRAME_REQUEST, 0, 1 }, FRAME_ERROR_UNKNOWN_TYPE },
	{ "batch from a server",          CLIENT, { 0, 1, FRAME_BATCH, 0, 1 }, FRAME_ERROR_UNKNOWN_TYPE },
	{ "hello from a server",          CLIENT, { 0, 1, FRAME_HELLO, 0, 1 }, FRAME_ERROR_UNKNOWN_TYPE },
	/* several things wrong: the first of the order counts */
	{ "all wrong: version",           SERVER, { UINT32_MAX, 9, 99, 0xffff, 0 }, FRAME_ERROR_BAD_VERSION },
	{ "then type",                    SERVER, { UINT32_MAX, 1, 99, 0xffff, 0 }, FRAME_ERROR_UNKNOWN_TYPE },
	{ "then hello",                   BEFORE_HELLO, { UINT32_MAX, 1, FRAME_REQUEST, 0xffff, 0 }, FRAME_ERROR_HELLO_REQUIRED },
	{ "then flags",                   SERVER, { UINT32_MAX, 1, FRAME_REQUEST, 0xffff, 0 }, FRAME_ERROR_UNKNOWN_FLAG },
	{ "then length",                  SERVER, { UINT32_MAX, 1, FRAME_REQUEST, 0, 0 }, FRAME_ERROR_FRAME_TOO_LARGE },
	{ "then tag",                     SERVER, { 0, 1, FRAME_REQUEST, 0, 0 }, FRAME_ERROR_TAG_INVALID },
};

static void
judges_headers_in_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frame_limits limits = limits_of(cases[i].role);
		struct frame_header got;
		uint8_t bytes[FRAME_HEADER_BYTES];

		frame_header_encode(&cases[i].h, bytes);
		enum frame_error e = frame_header_decode(bytes, &limits, &got);
		if (e != cases[i].want)
			fail_msg("%s: %s, not %s", cases[i].name, frame_error_str(e), frame_error_str(cases[i].want));
		assert_int_equal(got.body_bytes, cases[i].h.body_bytes);	/* refused or not */
		assert_int_equal(got.version, cases[i].h.version);
		assert_int_equal(got.type, cases[i].h.type);
		assert_int_equal(got.flags, cases[i].h.flags);
		assert_true(got.tag == cases[i].h.tag);
	}
}

static void
lays_out_sixteen_bytes(void **state)
{
	static const uint8_t want[FRAME_HEADER_BYTES] = {
		0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
	};
	struct frame_header h = {
		.body_bytes = 0x01020304, .version = 5, .type = 6, .flags = 0x0708, .tag = UINT64_C(0x1112131415161718),
	};
	uint8_t got[FRAME_HEADER_BYTES];

	(void)state;
	frame_header_encode(&h, got);
	assert_memory_equal(got, want, sizeof(want));
}

static void
no_batch_when_its_limit_is_zero(void **state)
{
	struct frame_limits limits = frame_limits_server();
	struct frame_header h = { .version = 1, .type = FRAME_BATCH, .tag = 1 }, got;
	uint8_t bytes[FRAME_HEADER_BYTES];

	(void)state;
	limits.batch_bytes_max = 0;
	frame_header_encode(&h, bytes);
	assert_int_equal(frame_header_decode(bytes, &limits, &got), FRAME_ERROR_UNKNOWN_TYPE);
}

static void
puts_frames_one_behind_another(void **state)
{
	static const uint8_t want[] = {
		0, 0, 0, 2, 1, 4, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 'h', 'i',
		0, 0, 0, 0, 1, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	};
	struct buf out;

	(void)state;
	buf_init(&out);
	frame_put(&out, FRAME_RESPONSE, 1, 256, bytes_of("hi", 2));
	frame_put(&out, FRAME_PONG, 0, 0, bytes_of(NULL, 0));
	assert_int_equal(buf_status(&out), ST_OK);
	assert_int_equal(out.len, sizeof(want));
	assert_memory_equal(out.data, want, sizeof(want));
	buf_release(&out);
}

/* fealty.v1.Error written by hand: 08 reason, 12 length message, 18 tag, 20 resume_after. */
static const struct {
	const char *name;
	enum frame_error reason;
	const char *message;
	uint64_t tag, resume_after;
	uint8_t want[64];
	size_t want_len;
} error_cases[] = {
	{ "all fields", FRAME_ERROR_SLOW_READER, "slow", 300, 7,
	    { 0, 0, 0, 13, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 1, 44, 0x08, 14, 0x12, 4, 's', 'l', 'o', 'w', 0x18, 0xac, 0x02, 0x20, 7 }, 29 },
	{ "no message, no tag", FRAME_ERROR_TIMEOUT, NULL, 0, 0,
	    { 0, 0, 0, 2, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 13 }, 18 },
	{ "empty message", FRAME_ERROR_BAD_VERSION, "", 1, 0,
	    { 0, 0, 0, 4, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x08, 1, 0x18, 1 }, 20 },
	{ "nothing at all", FRAME_ERROR_NONE, NULL, 0, 0, { 0, 0, 0, 0, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }, 16 },
};

static void
writes_errors_as_protobuf(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(error_cases) / sizeof(error_cases[0]); i++) {
		struct buf out;

		buf_init(&out);
		buf_put_u8(&out, 0xee);		/* something before it stays what it was */
		frame_put_error(&out, error_cases[i].reason, error_cases[i].message, error_cases[i].tag, error_cases[i].resume_after);
		assert_int_equal(buf_status(&out), ST_OK);
		if (out.len != error_cases[i].want_len + 1 || memcmp(out.data + 1, error_cases[i].want, error_cases[i].want_len) != 0)
			fail_msg("%s: other bytes", error_cases[i].name);
		assert_int_equal(out.data[0], 0xee);
		buf_release(&out);
	}
}

static void
a_failed_buffer_stays_failed(void **state)
{
	struct buf out = { .failed = true };

	(void)state;
	frame_put_error(&out, FRAME_ERROR_TIMEOUT, "x", 1, 0);
	frame_put(&out, FRAME_PONG, 0, 0, bytes_of("x", 1));
	assert_int_equal(buf_status(&out), ST_NOMEM);
	assert_int_equal(out.len, 0);
}

static void
names_are_the_protocols(void **state)
{
	(void)state;
	assert_string_equal(frame_error_str(FRAME_ERROR_NONE), "NONE");
	assert_string_equal(frame_error_str(FRAME_ERROR_FRAME_TOO_LARGE), "FRAME_TOO_LARGE");
	assert_string_equal(frame_error_str(FRAME_ERROR_INTERNAL), "INTERNAL");
	assert_string_equal(frame_error_str((enum frame_error)18), "unknown");
	assert_string_equal(frame_type_str(FRAME_HELLO), "HELLO");
	assert_string_equal(frame_type_str(FRAME_ERROR), "ERROR");
	assert_string_equal(frame_type_str(0), "unknown");
	assert_string_equal(frame_type_str(13), "unknown");
	for (int e = 0; e <= FRAME_ERROR_INTERNAL; e++)
		assert_non_null(frame_error_str((enum frame_error)e));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judges_headers_in_order),
		cmocka_unit_test(lays_out_sixteen_bytes),
		cmocka_unit_test(no_batch_when_its_limit_is_zero),
		cmocka_unit_test(puts_frames_one_behind_another),
		cmocka_unit_test(writes_errors_as_protobuf),
		cmocka_unit_test(a_failed_buffer_stays_failed),
		cmocka_unit_test(names_are_the_protocols),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
