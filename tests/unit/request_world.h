/* request_world.h: what the tests of commands and of batches share: bytes from readable JSON, and what a refusal says. */
#ifndef FEALTY_TESTS_REQUEST_WORLD_H
#define FEALTY_TESTS_REQUEST_WORLD_H

#include "codec_world.h"

#define RAW(s) { (const uint8_t *)(s), sizeof(s) - 1 }

/* The bytes of a command, on the heap.  ${quoted} is JSON with ' for ", which reads better in C. */
static inline struct bytes
of_json(struct world *w, enum codec_message message, const char *quoted)
{
	char *json = arena_strdup(&w->arena, quoted);
	struct text_error error;
	struct buf b;

	assert_non_null(json);
	for (char *p = json; *p != '\0'; ++p)
		if (*p == '\'')
			*p = '"';
	buf_init(&b);
	enum status st = codec_json_parse(message, json, &w->arena, &b, &error);
	if (st != ST_OK)
		fail_msg("%s: %s: %s", json, error.path, error.sentence);
	struct bytes copy = heap_copy(buf_bytes(&b));
	buf_release(&b);
	return copy;
}

static inline struct refusal
decode_bytes(struct world *w, struct bytes b, struct request *ret)
{
	struct refusal refusal;

	assert_int_equal(codec_request_decode(b, &w->arena, ret, &refusal), ST_OK);
	return refusal;
}

/* ${ret} must be looked at before the next command: what it borrows is the arena's only. */
static inline struct refusal
decode_json(struct world *w, const char *json, struct request *ret)
{
	struct bytes b = of_json(w, CODEC_REQUEST, json);
	struct refusal refusal = decode_bytes(w, b, ret);

	heap_free(b);
	return refusal;
}

static inline void
assert_refused(const char *name, const struct refusal *got, enum ledger_result want, const char *field)
{
	if (got->result != want || (want != LEDGER_OK && (got->field == NULL || strcmp(got->field, field) != 0)))
		fail_msg("%s: %s, field %s: %s", name, ledger_result_str(got->result), got->field == NULL ? "none" : got->field,
		    got->sentence);
	if (want != LEDGER_OK)
		assert_true(got->sentence[0] != '\0');
}

static inline bool
same_canonical(struct world *w, const char *a, const char *b)
{
	struct request r, s;
	struct refusal refusal = decode_json(w, a, &r);

	assert_refused(a, &refusal, LEDGER_OK, NULL);
	refusal = decode_json(w, b, &s);
	assert_refused(b, &refusal, LEDGER_OK, NULL);
	assert_true(r.canonical.len > 0);
	return bytes_equal(r.canonical, s.canonical);
}

#endif
