/* sum.h: exact sums of decimals whose digits differ: "11.77" + "12" is "23.77". */
#ifndef FEALTY_TOOLS_SUM_H
#define FEALTY_TOOLS_SUM_H

#include <stdbool.h>

#include "ledger/decimal.h"

struct sum {
	int64_t mantissa;
	unsigned digits;
	bool overflowed;
};

/* Adds a decimal's text; one that is NULL or malformed adds nothing. */
void sum_add(struct sum *sum, const char *text);

/* "overflow" when it no longer fits.  Returns ret_text. */
const char *sum_format(const struct sum *sum, char ret_text[static DECIMAL_TEXT_BYTES]);

#endif
