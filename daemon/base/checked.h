/* checked.h: int64 arithmetic that says when it overflows.  Each returns false, and writes nothing, on overflow.  Pure. */
#ifndef FEALTY_BASE_CHECKED_H
#define FEALTY_BASE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

static inline bool MUST_CHECK
checked_add(int64_t a, int64_t b, int64_t *ret)
{
	int64_t r;

	if (__builtin_add_overflow(a, b, &r))
		return false;
	*ret = r;
	return true;
}
static inline bool MUST_CHECK
checked_sub(int64_t a, int64_t b, int64_t *ret)
{
	int64_t r;

	if (__builtin_sub_overflow(a, b, &r))
		return false;
	*ret = r;
	return true;
}
static inline bool MUST_CHECK
checked_mul(int64_t a, int64_t b, int64_t *ret)
{
	int64_t r;

	if (__builtin_mul_overflow(a, b, &r))
		return false;
	*ret = r;
	return true;
}

/* Division towards minus infinity, and its remainder, which has the divisor's sign.  ${b} > 0. */
static inline int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0 ? 1 : 0);
}
static inline int64_t
floor_mod(int64_t a, int64_t b)
{
	return a % b + (a % b < 0 ? b : 0);
}

#endif
