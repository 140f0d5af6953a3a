/* The sum has as many digits as the most exact of its parts; an overflow sticks. */
#include "sum.h"

#include <string.h>

#include "base/checked.h"

static bool
add(struct sum *sum, struct decimal d)
{
	while (sum->digits < d.digits) {
		if (!checked_mul(sum->mantissa, 10, &sum->mantissa))
			return false;
		sum->digits++;
	}
	while (d.digits < sum->digits) {
		if (!checked_mul(d.mantissa, 10, &d.mantissa))
			return false;
		d.digits++;
	}
	return checked_add(sum->mantissa, d.mantissa, &sum->mantissa);
}

void
sum_add(struct sum *sum, const char *text)
{
	struct decimal d;

	if (text != NULL && decimal_parse(text, &d) && !add(sum, d))
		sum->overflowed = true;
}

const char *
sum_format(const struct sum *sum, char ret_text[static DECIMAL_TEXT_BYTES])
{
	if (sum->overflowed)
		return strcpy(ret_text, "overflow");
	return decimal_format(sum->mantissa, sum->digits, ret_text);
}
