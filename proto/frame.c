/*
 * One table says who sends which type and whether its tag may be 0; every judgement reads it.  A header is judged in the order that
 * frame.h documents, so that two servers refuse the same header for the same reason.
 */
#include "frame.h"

#include <assert.h>
#include <string.h>

#define FLAGS_MUST_UNDERSTAND 0xff00u	/* version 1 defines none of them */
#define TYPE_BIT(type) ((uint16_t)(1u << (type)))

static const struct type_row { const char *name; bool from_client, from_server, needs_tag; } types[] = {
	[FRAME_HELLO]    = { "HELLO",    true,  false, false },
	[FRAME_HELLO_OK] = { "HELLO_OK", false, true,  false },
	[FRAME_REQUEST]  = { "REQUEST",  true,  false, true },
	[FRAME_RESPONSE] = { "RESPONSE", false, true,  true },
	[FRAME_PUSH]     = { "PUSH",     false, true,  true },
	[FRAME_PING]     = { "PING",     true,  false, false },
	[FRAME_PONG]     = { "PONG",     false, true,  false },
	[FRAME_GOAWAY]   = { "GOAWAY",   false, true,  false },
	[FRAME_BATCH]    = { "BATCH",    true,  false, true },
	[FRAME_CREDIT]   = { "CREDIT",   true,  false, true },
	[FRAME_CANCEL]   = { "CANCEL",   true,  false, true },
	[FRAME_ERROR]    = { "ERROR",    false, true,  false },
};
#define TYPES (sizeof(types) / sizeof(types[0]))
static_assert(TYPES <= 16, "frame_limits.types has a bit for each type");

static const char *const errors[] = {
	[FRAME_ERROR_NONE] = "NONE",
	[FRAME_ERROR_BAD_VERSION] = "BAD_VERSION",
	[FRAME_ERROR_UNKNOWN_TYPE] = "UNKNOWN_TYPE",
	[FRAME_ERROR_UNKNOWN_FLAG] = "UNKNOWN_FLAG",
	[FRAME_ERROR_FRAME_TOO_LARGE] = "FRAME_TOO_LARGE",
	[FRAME_ERROR_MALFORMED] = "MALFORMED",
	[FRAME_ERROR_HELLO_REQUIRED] = "HELLO_REQUIRED",
	[FRAME_ERROR_HELLO_REPEATED] = "HELLO_REPEATED",
	[FRAME_ERROR_NO_COMMON_VERSION] = "NO_COMMON_VERSION",
	[FRAME_ERROR_PRINCIPAL_REFUSED] = "PRINCIPAL_REFUSED",
	[FRAME_ERROR_TAG_INVALID] = "TAG_INVALID",
	[FRAME_ERROR_TAG_IN_USE] = "TAG_IN_USE",
	[FRAME_ERROR_TOO_MANY_IN_FLIGHT] = "TOO_MANY_IN_FLIGHT",
	[FRAME_ERROR_TIMEOUT] = "TIMEOUT",
	[FRAME_ERROR_SLOW_READER] = "SLOW_READER",
	[FRAME_ERROR_TOO_MANY_CONNECTIONS] = "TOO_MANY_CONNECTIONS",
	[FRAME_ERROR_SHUTTING_DOWN] = "SHUTTING_DOWN",
	[FRAME_ERROR_INTERNAL] = "INTERNAL",
};
#define ERRORS (sizeof(errors) / sizeof(errors[0]))

struct frame_limits
frame_limits_before_hello(void)
{
	return (struct frame_limits){ .body_bytes_max = FRAME_BEFORE_HELLO_BYTES_MAX, .types = TYPE_BIT(FRAME_HELLO) };
}

/* HELLO among them: a second one reaches the service, which answers HELLO_REPEATED. */
struct frame_limits
frame_limits_server(void)
{
	struct frame_limits l = { .body_bytes_max = FRAME_BODY_BYTES_MAX, .batch_bytes_max = FRAME_BATCH_BYTES_MAX };

	for (unsigned t = 0; t < TYPES; t++)
		if (types[t].from_client)
			l.types |= TYPE_BIT(t);
	return l;
}

struct frame_limits
frame_limits_client(void)
{
	struct frame_limits l = { .body_bytes_max = FRAME_REPLY_BYTES_MAX };

	for (unsigned t = 0; t < TYPES; t++)
		if (types[t].from_server)
			l.types |= TYPE_BIT(t);
	return l;
}

void
frame_header_encode(const struct frame_header *h, uint8_t ret_bytes[static FRAME_HEADER_BYTES])
{
	put_be32(ret_bytes, h->body_bytes);
	ret_bytes[4] = h->version;
	ret_bytes[5] = h->type;
	ret_bytes[6] = (uint8_t)(h->flags >> 8);
	ret_bytes[7] = (uint8_t)h->flags;
	put_be64(ret_bytes + 8, h->tag);
}

static bool
accepts(const struct frame_limits *limits, uint8_t type)
{
	if (type == FRAME_BATCH && limits->batch_bytes_max == 0)
		return false;
	return type < TYPES && (limits->types & TYPE_BIT(type)) != 0;
}

static bool
waits_for_hello(const struct frame_limits *limits)
{
	return limits->types == TYPE_BIT(FRAME_HELLO);
}

enum frame_error
frame_header_decode(const uint8_t bytes[static FRAME_HEADER_BYTES], const struct frame_limits *limits, struct frame_header *ret_header)
{
	struct frame_header h = {
		.body_bytes = get_be32(bytes),
		.version = bytes[4],
		.type = bytes[5],
		.flags = (uint16_t)(bytes[6] << 8 | bytes[7]),
		.tag = get_be64(bytes + 8),
	};
	*ret_header = h;

	if (h.version != FRAME_VERSION)
		return FRAME_ERROR_BAD_VERSION;
	if (!accepts(limits, h.type)) {
		bool client_type = h.type < TYPES && types[h.type].from_client;
		return client_type && waits_for_hello(limits) ? FRAME_ERROR_HELLO_REQUIRED : FRAME_ERROR_UNKNOWN_TYPE;
	}
	if ((h.flags & FLAGS_MUST_UNDERSTAND) != 0)
		return FRAME_ERROR_UNKNOWN_FLAG;
	if (h.body_bytes > (h.type == FRAME_BATCH ? limits->batch_bytes_max : limits->body_bytes_max))
		return FRAME_ERROR_FRAME_TOO_LARGE;
	if (types[h.type].needs_tag && h.tag == 0)
		return FRAME_ERROR_TAG_INVALID;
	return FRAME_ERROR_NONE;
}

const char *
frame_error_str(enum frame_error e)
{
	return (size_t)e < ERRORS ? errors[e] : "unknown";
}

const char *
frame_type_str(uint8_t type)
{
	return type < TYPES && types[type].name != NULL ? types[type].name : "unknown";
}

static void
put_header(struct buf *out, enum frame_type type, uint16_t flags, uint64_t tag, size_t body_bytes)
{
	assert(body_bytes <= UINT32_MAX && type < TYPES && types[type].name != NULL);
	struct frame_header h = {
		.body_bytes = (uint32_t)body_bytes,
		.version = FRAME_VERSION,
		.type = (uint8_t)type,
		.flags = flags,
		.tag = tag,
	};
	uint8_t bytes[FRAME_HEADER_BYTES];

	frame_header_encode(&h, bytes);
	buf_put(out, bytes, sizeof(bytes));
}

void
frame_put(struct buf *out, enum frame_type type, uint16_t flags, uint64_t tag, struct bytes body)
{
	put_header(out, type, flags, tag, body.len);
	buf_put(out, body.data, body.len);
}

/* A protobuf field of wire type 0 (varint); absent when 0. */
static void
put_varint_field(struct buf *out, unsigned number, uint64_t v)
{
	if (v == 0)
		return;
	buf_put_varint(out, number << 3);
	buf_put_varint(out, v);
}

/* The header goes first with a length of 0, which is set when the body is there. */
void
frame_put_error(struct buf *out, enum frame_error reason, const char *message, uint64_t tag, uint64_t resume_after)
{
	size_t start = out->len;

	put_header(out, FRAME_ERROR, 0, tag, 0);
	put_varint_field(out, 1, reason);
	if (message != NULL && message[0] != '\0') {
		buf_put_u8(out, 2 << 3 | 2);	/* wire type 2: length and bytes */
		buf_put_string(out, message);
	}
	put_varint_field(out, 3, tag);
	put_varint_field(out, 4, resume_after);
	if (out->failed)
		return;

	size_t body_bytes = out->len - start - FRAME_HEADER_BYTES;
	assert(body_bytes <= FRAME_REPLY_BYTES_MAX);
	put_be32(out->data + start, (uint32_t)body_bytes);
}
