/* A second has a million microseconds and a token a million parts, so a microsecond brings as many parts as a second brings tokens: no rounding. */
#include "service/bucket.h"

#include <assert.h>

#define TOKEN INT64_C(1000000)
#define LEAST (INT64_MIN / 2)		/* whoever owes more than that has waited out any clock */

struct bucket
bucket_full_of(uint32_t burst, int64_t now_us)
{
	return (struct bucket){ .millionths = burst * TOKEN, .at_us = now_us };
}

/* Up to now; a clock that went back brings nothing. */
static void
flow_in(struct bucket *b, uint32_t per_second, uint32_t burst, int64_t now_us)
{
	int64_t full = burst * TOKEN, missing = full - b->millionths, passed_us = now_us - b->at_us;

	assert(per_second > 0);
	if (passed_us <= 0 && missing >= 0)
		return;
	if (missing <= 0 || passed_us > missing / per_second)
		b->millionths = full;
	else
		b->millionths += passed_us * per_second;
	b->at_us = now_us;
}

int64_t
bucket_wait_us(struct bucket *b, uint32_t per_second, uint32_t burst, int64_t now_us)
{
	flow_in(b, per_second, burst, now_us);
	return b->millionths >= TOKEN ? 0 : (TOKEN - b->millionths + per_second - 1) / per_second;
}

void
bucket_take(struct bucket *b, uint32_t n)
{
	b->millionths = b->millionths < LEAST ? b->millionths : b->millionths - n * TOKEN;
}

bool
bucket_is_full(struct bucket *b, uint32_t per_second, uint32_t burst, int64_t now_us)
{
	flow_in(b, per_second, burst, now_us);
	return b->millionths == burst * TOKEN;
}
