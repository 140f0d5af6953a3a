/* decimal.h: exact decimals as people write them.  Pure. */
#ifndef FEALTY_LEDGER_DECIMAL_H
#define FEALTY_LEDGER_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

#define DECIMAL_DIGITS_MAX 18
#define DECIMAL_TEXT_BYTES 32

/* mantissa × 10^-digits; digits as written, so "4.00" has two. */
struct decimal {
	int64_t mantissa;
	uint8_t digits;
};

/**
 * decimal_parse(text, ret):
 * An optional '-', digits, optionally '.' and at least one digit; nothing else, no exponent, no leading '+', no spaces.  False when it is
 * malformed, has more than DECIMAL_DIGITS_MAX fraction digits, or does not fit an int64.
 */
bool decimal_parse(const char *text, struct decimal *ret) MUST_CHECK;

enum decimal_result { DECIMAL_OK, DECIMAL_SURPLUS_DIGITS, DECIMAL_OVERFLOW };
/* The integer d × 10^scale.  Digits beyond the scale are surplus even when they are zeros. */
enum decimal_result decimal_scale(struct decimal d, unsigned scale, int64_t *ret) MUST_CHECK;

/* What is left of a decimal, in 10^-18: exact, and with room to spare, whatever the digits. */
__extension__ typedef __int128 decimal_rest;

/* All of ${d}. */
decimal_rest decimal_rest_of(struct decimal d);
/* False, and *${rest} as it was: ${part}, which is not below zero, is more than is left.  Else *${rest} is less by it. */
bool decimal_rest_take(decimal_rest *rest, struct decimal part) MUST_CHECK;

/* All digits of the scale: 413 at scale 2 is "4.13", 0 is "0.00".  Returns ret_text. */
const char *decimal_format(int64_t value, unsigned scale, char ret_text[static DECIMAL_TEXT_BYTES]);

#endif
