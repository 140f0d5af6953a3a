/* The mantissa is gathered below zero, where int64 has one value more, so that every int64 can be read back as it was written. */
#include "ledger/decimal.h"

#include <assert.h>
#include <stddef.h>

#include "base/checked.h"

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
push_digit(int64_t *negated, char c)
{
	int64_t tenfold;

	return checked_mul(*negated, 10, &tenfold) && checked_sub(tenfold, c - '0', negated);
}

bool
decimal_parse(const char *text, struct decimal *ret)
{
	const char *p = text;
	bool negative = *p == '-';
	int64_t negated = 0, mantissa;
	unsigned digits = 0;

	if (negative)
		p++;
	if (!is_digit(*p))
		return false;
	for (; is_digit(*p); p++)
		if (!push_digit(&negated, *p))
			return false;
	if (*p == '.') {
		p++;
		if (!is_digit(*p))
			return false;
		for (; is_digit(*p); p++, digits++)
			if (digits == DECIMAL_DIGITS_MAX || !push_digit(&negated, *p))
				return false;
	}
	if (*p != '\0')
		return false;
	if (negative)
		mantissa = negated;
	else if (!checked_sub(0, negated, &mantissa))
		return false;
	*ret = (struct decimal){ .mantissa = mantissa, .digits = (uint8_t)digits };
	return true;
}

enum decimal_result
decimal_scale(struct decimal d, unsigned scale, int64_t *ret)
{
	int64_t value = d.mantissa;

	if (d.digits > scale)
		return DECIMAL_SURPLUS_DIGITS;
	for (unsigned i = d.digits; i < scale && value != 0; i++)
		if (!checked_mul(value, 10, &value))
			return DECIMAL_OVERFLOW;
	*ret = value;
	return DECIMAL_OK;
}

decimal_rest
decimal_rest_of(struct decimal d)
{
	decimal_rest value = d.mantissa;

	assert(d.digits <= DECIMAL_DIGITS_MAX);
	for (unsigned i = d.digits; i < DECIMAL_DIGITS_MAX; i++)
		value *= 10;
	return value;
}

bool
decimal_rest_take(decimal_rest *rest, struct decimal part)
{
	decimal_rest value = decimal_rest_of(part);

	assert(value >= 0);
	if (value > *rest)
		return false;
	*rest -= value;
	return true;
}

const char *
decimal_format(int64_t value, unsigned scale, char ret_text[static DECIMAL_TEXT_BYTES])
{
	uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	char reversed[DECIMAL_TEXT_BYTES];	/* at most 19 digits, a point and a sign */
	size_t n = 0;

	assert(scale <= DECIMAL_DIGITS_MAX);
	for (unsigned digit = 0; digit <= scale || magnitude > 0; digit++, magnitude /= 10) {
		if (digit == scale && scale > 0)
			reversed[n++] = '.';
		reversed[n++] = (char)('0' + magnitude % 10);
	}
	if (value < 0)
		reversed[n++] = '-';
	for (size_t i = 0; i < n; i++)
		ret_text[i] = reversed[n - 1 - i];
	ret_text[n] = '\0';
	return ret_text;
}
