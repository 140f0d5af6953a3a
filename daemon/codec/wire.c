/**
 * What is said on a connection besides commands and replies.  A HELLO may hold fields that we do not know: a newer client says what an
 * older server need not understand.  Its texts are checked all the same, for the principal becomes part of the ledger.
 */
#include "codec/arena_pb.h"
#include "codec/codec.h"
#include "codec/field.h"
#include "fealty.pb-c.h"

#define PROTOCOL_VERSION 1

enum { PONG_NONCE = 1 };
enum { GOAWAY_MESSAGE = 1 };

/* ---- from the client ---- */

/* Every text field of a flat message; protobuf-c would have cut one at its NUL. */
static bool
texts_valid(const ProtobufCMessageDescriptor *type, struct bytes rest)
{
	struct field f;
	bool malformed;

	while (field_next(&rest, &f, &malformed)) {
		const ProtobufCFieldDescriptor *d = protobuf_c_message_descriptor_get_field(type, f.number);
		if (d != NULL && d->type == PROTOBUF_C_TYPE_STRING && f.type == WIRE_BYTES && !field_text_valid(f.bytes))
			return false;
	}
	return !malformed;
}

static const char *
or_empty(const char *text)
{
	return text == NULL ? "" : text;
}

enum status
codec_hello_decode(struct bytes body, struct arena *arena, struct hello *ret)
{
	ProtobufCMessage *m;

	if (!texts_valid(&fealty__v1__hello__descriptor, body))
		return ST_INVALID;
	enum status st = arena_pb_unpack(&fealty__v1__hello__descriptor, body, arena, &m);
	if (st != ST_OK)
		return st;
	const Fealty__V1__Hello *h = (const Fealty__V1__Hello *)m;
	*ret = (struct hello){
		.version_min = h->version_min,
		.version_max = h->version_max,
		.principal = or_empty(h->principal),
		.client_name = or_empty(h->client_name),
		.client_version = or_empty(h->client_version),
		.n_features = h->n_features,
		.features = (const char **)h->features,
		.checkpoint_size = h->checkpoint_size,
		.checkpoint_root = bytes_of(h->checkpoint_root.data, h->checkpoint_root.len),
	};
	return ST_OK;
}

enum status
codec_ping_decode(struct bytes body, struct arena *arena, uint64_t *ret_nonce)
{
	ProtobufCMessage *m;
	enum status st = arena_pb_unpack(&fealty__v1__ping__descriptor, body, arena, &m);

	if (st == ST_OK)
		*ret_nonce = ((const Fealty__V1__Ping *)m)->nonce;
	return st;
}

enum status
codec_credit_decode(struct bytes body, struct arena *arena, uint32_t *ret_credits)
{
	ProtobufCMessage *m;
	enum status st = arena_pb_unpack(&fealty__v1__credit__descriptor, body, arena, &m);

	if (st == ST_OK)
		*ret_credits = ((const Fealty__V1__Credit *)m)->credits;
	return st;
}

/* ---- to the client ---- */

/* protobuf-c's structures have pointers to char; nothing writes through them. */
static char *
text_of(const char *text)
{
	union { const char *in; char *out; } u = { .in = text };

	return u.out;
}

enum status
codec_hello_ok_encode(const struct hello_ok *h, struct arena *arena, struct buf *out)
{
	Fealty__V1__HelloOk m = FEALTY__V1__HELLO_OK__INIT;
	char **features = arena_alloc(arena, h->n_features * sizeof(*features));

	if (features == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < h->n_features; ++i)
		features[i] = text_of(h->features[i]);
	m.has_version = m.has_frame_bytes_max = m.has_batch_bytes_max = m.has_batch_commands_max = m.has_reply_bytes_max = 1;
	m.has_in_flight_max = m.has_idle_ms = m.has_size = 1;
	m.version = PROTOCOL_VERSION;
	m.n_features = h->n_features;
	m.features = features;
	m.server_version = text_of(h->server_version);
	m.origin = text_of(h->origin);
	m.principal = text_of(h->principal);
	m.frame_bytes_max = h->frame_bytes_max;
	m.batch_bytes_max = h->batch_bytes_max;
	m.batch_commands_max = h->batch_commands_max;
	m.reply_bytes_max = h->reply_bytes_max;
	m.in_flight_max = h->in_flight_max;
	m.idle_ms = h->idle_ms;
	m.has_manual_clock = m.manual_clock = h->manual_clock;
	m.size = h->size;
	arena_pb_pack(&m.base, out);
	return buf_status(out);
}

void
codec_pong_encode(uint64_t nonce, struct buf *out)
{
	field_put_uint(out, PONG_NONCE, nonce);
}

void
codec_goaway_encode(const char *message, struct buf *out)
{
	field_put_text(out, GOAWAY_MESSAGE, message);
}
