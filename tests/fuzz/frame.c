/* Headers of frames, for each party: one that is taken has a body within the limit and is written back as it was. */
#include "frame.h"
#include "fuzz.h"

static void
judge(const uint8_t *bytes, const struct frame_limits *limits)
{
	uint8_t again[FRAME_HEADER_BYTES];
	struct frame_header h;
	enum frame_error error = frame_header_decode(bytes, limits, &h);

	assert(h.body_bytes == get_be32(bytes) && h.version == bytes[4] && h.type == bytes[5] && h.flags == (bytes[6] << 8 | bytes[7]));
	assert(h.tag == get_be64(bytes + 8));
	assert(strlen(frame_error_str(error)) > 0 && strlen(frame_type_str(h.type)) > 0);
	frame_header_encode(&h, again);
	assert(memcmp(again, bytes, sizeof(again)) == 0);
	if (error != FRAME_ERROR_NONE)
		return;
	assert(h.version == FRAME_VERSION && h.type < 16 && (limits->types >> h.type & 1) != 0 && h.flags >> 8 == 0);
	assert(h.body_bytes <= (h.type == FRAME_BATCH ? limits->batch_bytes_max : limits->body_bytes_max));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct frame_limits limits[] = { frame_limits_before_hello(), frame_limits_server(), frame_limits_client() };

	for (size_t at = 0; size - at >= FRAME_HEADER_BYTES; at += FRAME_HEADER_BYTES)
		for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
			judge(data + at, &limits[i]);
	return 0;
}
