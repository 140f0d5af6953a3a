/* words.h: the forms of short texts in commands, besides those that codec.h declares.  Internal to codec/. */
#ifndef FEALTY_CODEC_WORDS_H
#define FEALTY_CODEC_WORDS_H

#include "codec/codec.h"

bool words_request_id(struct bytes text) MUST_CHECK;		/* request_id_valid() of what has no NUL behind it */
bool words_code(const char *text) MUST_CHECK;			/* [a-z0-9_]{1,32}: a reason */
bool words_program(const char *text) MUST_CHECK;		/* [a-z0-9-]{1,32} */
bool words_id(const char *text) MUST_CHECK;			/* [a-z0-9_-]{1,32}: a tier, a segment */
/* 1 to ${max} bytes of UTF-8 without control characters (C0, DEL, C1). */
bool words_plain(const char *text, size_t max) MUST_CHECK;

#endif
