/**
 * frame.h: the 16-byte header of every frame, and the two bodies a server must be able to send before it has decoded anything.  Pure.
 * Format: WIRE.md, "Frame".
 */
#ifndef FEALTY_FRAME_H
#define FEALTY_FRAME_H

#include "base/bytes.h"

#define FRAME_HEADER_BYTES 16
#define FRAME_VERSION 1

/* Limits that a server announces; these are the defaults. */
#define FRAME_BODY_BYTES_MAX (64u * 1024)		/* client to server, BATCH apart */
#define FRAME_BATCH_BYTES_MAX (1024u * 1024)
#define FRAME_BEFORE_HELLO_BYTES_MAX (4u * 1024)
#define FRAME_REPLY_BYTES_MAX (1024u * 1024)		/* server to client */
#define FRAME_IN_FLIGHT_MAX 64u
#define FRAME_BATCH_COMMANDS_MAX 1000u

enum frame_type {
	FRAME_HELLO = 1,
	FRAME_HELLO_OK = 2,
	FRAME_REQUEST = 3,
	FRAME_RESPONSE = 4,
	FRAME_PUSH = 5,
	FRAME_PING = 6,
	FRAME_PONG = 7,
	FRAME_GOAWAY = 8,
	FRAME_BATCH = 9,
	FRAME_CREDIT = 10,
	FRAME_CANCEL = 11,
	FRAME_ERROR = 12,
};

/* Reasons of an ERROR frame: the values of fealty.v1.Error.Reason. */
enum frame_error {
	FRAME_ERROR_NONE = 0,
	FRAME_ERROR_BAD_VERSION = 1,
	FRAME_ERROR_UNKNOWN_TYPE = 2,
	FRAME_ERROR_UNKNOWN_FLAG = 3,
	FRAME_ERROR_FRAME_TOO_LARGE = 4,
	FRAME_ERROR_MALFORMED = 5,
	FRAME_ERROR_HELLO_REQUIRED = 6,
	FRAME_ERROR_HELLO_REPEATED = 7,
	FRAME_ERROR_NO_COMMON_VERSION = 8,
	FRAME_ERROR_PRINCIPAL_REFUSED = 9,
	FRAME_ERROR_TAG_INVALID = 10,
	FRAME_ERROR_TAG_IN_USE = 11,
	FRAME_ERROR_TOO_MANY_IN_FLIGHT = 12,
	FRAME_ERROR_TIMEOUT = 13,
	FRAME_ERROR_SLOW_READER = 14,
	FRAME_ERROR_TOO_MANY_CONNECTIONS = 15,
	FRAME_ERROR_SHUTTING_DOWN = 16,
	FRAME_ERROR_INTERNAL = 17,
};

struct frame_header {
	uint32_t body_bytes;
	uint8_t version;
	uint8_t type;
	uint16_t flags;		/* low byte: ignore if unknown; high byte: must understand */
	uint64_t tag;
};

/* What a receiver allows, by type of frame; a server begins with frame_limits_before_hello(). */
struct frame_limits {
	uint32_t body_bytes_max;
	uint32_t batch_bytes_max;	/* 0: no BATCH */
	uint16_t types;			/* bit t: type t is accepted */
};
struct frame_limits frame_limits_before_hello(void);	/* a server's: HELLO only, 4 KiB */
struct frame_limits frame_limits_server(void);		/* a server's after HELLO */
struct frame_limits frame_limits_client(void);		/* a client's */

void frame_header_encode(const struct frame_header *h, uint8_t ret_bytes[static FRAME_HEADER_BYTES]);

/**
 * frame_header_decode(bytes, limits, ret_header):
 * Reads a header and judges it before any of the body is read.  FRAME_ERROR_NONE, or the first that applies of BAD_VERSION,
 * UNKNOWN_TYPE (not a type at all, or not one that a peer in this role sends), HELLO_REQUIRED (a client's type before HELLO),
 * UNKNOWN_FLAG, FRAME_TOO_LARGE, TAG_INVALID (0 where a tag is needed: REQUEST, RESPONSE, PUSH, BATCH, CREDIT, CANCEL).
 * *${ret_header} is written in any case, so that the error can name the tag.
 */
enum frame_error frame_header_decode(const uint8_t bytes[static FRAME_HEADER_BYTES], const struct frame_limits *limits,
    struct frame_header *ret_header) MUST_CHECK;

/* A name such as "FRAME_TOO_LARGE"; static. */
const char *frame_error_str(enum frame_error e);
const char *frame_type_str(uint8_t type);

/* Appends a whole ERROR frame (header and fealty.v1.Error body; zero values left out). */
void frame_put_error(struct buf *out, enum frame_error reason, const char *message, uint64_t tag, uint64_t resume_after);

/* Appends a header and ${body}. */
void frame_put(struct buf *out, enum frame_type type, uint16_t flags, uint64_t tag, struct bytes body);

#endif
