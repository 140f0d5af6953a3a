/*
 * Ratios stay in lowest terms and within 64 bits, so a product of one with points or money fits 128 bits; sums of such products are checked at
 * each step.
 */
#include "report_math.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES 64

/* ---- exact ratios ---- */

static wide
gcd(wide a, wide b)
{
	if (a < 0)
		a = -a;
	while (b != 0) {
		wide rest = a % b;
		a = b;
		b = rest;
	}
	return a;
}

static wide
floor_wide(wide num, wide den)
{
	return num / den - (num % den < 0 ? 1 : 0);
}

static bool
to_int64(wide value, int64_t *ret)
{
	if (value < INT64_MIN || value > INT64_MAX)
		return false;
	*ret = (int64_t)value;
	return true;
}

/* num / den to the nearest, a half up. */
static bool
nearest(wide num, wide den, int64_t *ret)
{
	wide twice, whole;

	if (__builtin_mul_overflow(num, 2, &twice) || __builtin_add_overflow(twice, den, &twice) || __builtin_mul_overflow(den, 2, &whole))
		return false;
	return to_int64(floor_wide(twice, whole), ret);
}

bool
ratio_of(wide num, wide den, struct ratio *ret)
{
	struct ratio r;

	assert(den > 0);
	wide common = gcd(num, den);
	if (!to_int64(num / common, &r.num) || !to_int64(den / common, &r.den))
		return false;
	*ret = r;
	return true;
}

static wide
power_of_ten(unsigned digits)
{
	wide power = 1;

	while (digits-- > 0)
		power *= 10;
	return power;
}

bool
ratio_of_decimal(struct decimal d, struct ratio *ret)
{
	return ratio_of(d.mantissa, power_of_ten(d.digits), ret);
}

bool
ratio_times(struct ratio a, struct ratio b, struct ratio *ret)
{
	return ratio_of((wide)a.num * b.num, (wide)a.den * b.den, ret);
}

bool
ratio_shift(struct ratio a, int digits, struct ratio *ret)
{
	wide num = a.num, den = a.den, by;

	if (digits < -18 || digits > 18)
		return false;
	by = power_of_ten((unsigned)(digits < 0 ? -digits : digits));
	return ratio_of(digits > 0 ? num * by : num, digits < 0 ? den * by : den, ret);
}

bool
ratio_parse(const char *text, struct ratio *ret)
{
	char first[TEXT_BYTES];
	const char *slash = strchr(text, '/');
	struct decimal num, den = { .mantissa = 1 };
	struct ratio a, b;

	if (strlen(text) >= sizeof(first))
		return false;
	(void)strcpy(first, text);
	if (slash != NULL)
		first[slash - text] = '\0';
	if (!decimal_parse(first, &num) || (slash != NULL && !decimal_parse(slash + 1, &den)) || den.mantissa <= 0)
		return false;
	if (!ratio_of_decimal(num, &a) || !ratio_of_decimal(den, &b))
		return false;
	return ratio_times(a, (struct ratio){ b.den, b.num }, ret);
}

bool
money_add(struct money_sum *sum, int64_t points, struct ratio price)
{
	wide common = gcd(sum->den, price.den), num, add, den;

	assert(sum->den > 0 && price.den > 0);
	if (__builtin_mul_overflow(sum->num, (wide)price.den / common, &num) ||
	    __builtin_mul_overflow((wide)points * price.num, sum->den / common, &add) || __builtin_add_overflow(num, add, &num) ||
	    __builtin_mul_overflow(sum->den, (wide)price.den / common, &den))
		return false;
	*sum = (struct money_sum){ num, den };
	return true;
}

bool
money_floor(const struct money_sum *sum, int64_t *ret)
{
	return to_int64(floor_wide(sum->num, sum->den), ret);
}

bool
money_of_points(int64_t points, struct ratio price, int64_t *ret)
{
	return to_int64(floor_wide((wide)points * price.num, price.den), ret);
}

bool
quotient_of(int64_t part, int64_t whole, unsigned digits, int64_t *ret)
{
	return whole > 0 && digits <= 18 && nearest((wide)part * power_of_ten(digits), whole, ret);
}

bool
percent_hundredths(int64_t part, int64_t whole, int64_t *ret_hundredths)
{
	return quotient_of(part, whole, 4, ret_hundredths);
}

/* ---- IFRS 15 ---- */

bool
ifrs_allocate(int64_t price, int64_t points, struct ratio point_price, int64_t *ret_points_part)
{
	wide worth, whole, num;

	assert(price >= 0 && points >= 0 && point_price.num >= 0);
	worth = (wide)points * point_price.num;			/* S × den */
	if (__builtin_add_overflow((wide)price * point_price.den, worth, &whole))
		return false;
	if (whole == 0) {
		*ret_points_part = 0;
		return true;
	}
	wide common = gcd(worth, whole);
	return !__builtin_mul_overflow(worth / common, price, &num) && nearest(num, whole / common, ret_points_part);
}

/* E × den; what is redeemed, and at most what can be. */
static bool
expected_total(int64_t redeemed, int64_t open, int64_t kept, struct ratio expected, wide *ret)
{
	wide most, least = (wide)redeemed * expected.den, total = (wide)kept * expected.num;

	most = ((wide)redeemed + open) * expected.den;
	if (total > most)
		total = most;
	*ret = total < least ? least : total;
	return *ret >= 0;
}

bool
ifrs_expected(int64_t redeemed, int64_t open, int64_t kept, struct ratio expected, int64_t *ret)
{
	wide total;

	return expected_total(redeemed, open, kept, expected, &total) && nearest(total, expected.den, ret);
}

bool
ifrs_recognised(int64_t allocated, int64_t redeemed, int64_t open, int64_t kept, struct ratio expected, int64_t *ret)
{
	wide total, part = (wide)redeemed * expected.den, num;

	if (!expected_total(redeemed, open, kept, expected, &total))
		return false;
	if (total == 0) {			/* none were redeemed: all is revenue once none can be */
		*ret = open == 0 ? allocated : 0;
		return true;
	}
	wide common = gcd(part, total);
	if (common == 0)
		common = 1;
	return !__builtin_mul_overflow(part / common, allocated, &num) && nearest(num, total / common, ret);
}

/* ---- RFM ---- */

static int
value_order(const void *a, const void *b, void *values)
{
	int64_t x = ((const int64_t *)values)[*(const size_t *)a], y = ((const int64_t *)values)[*(const size_t *)b];

	return (x > y) - (x < y);
}

void
rfm_scores(const int64_t *values, size_t n, size_t *order, uint8_t *ret_scores)
{
	size_t rank = 0;

	for (size_t i = 0; i < n; i++)
		order[i] = i;
	if (n > 0)
		qsort_r(order, n, sizeof(*order), value_order, (void *)(uintptr_t)values);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && values[order[i]] != values[order[i - 1]])
			rank = i;
		ret_scores[order[i]] = (uint8_t)(1 + RFM_SCORES * rank / n);
	}
}

/* [recency - 1][frequency - 1] */
enum segment {
	HIBERNATING, AT_RISK, CANNOT_LOSE, ABOUT_TO_SLEEP, NEED_ATTENTION, LOYAL, PROMISING, NEW, POTENTIAL_LOYAL, CHAMPIONS,
};
static const enum segment grid[RFM_SCORES][RFM_SCORES] = {
	{ HIBERNATING, HIBERNATING, AT_RISK, AT_RISK, CANNOT_LOSE },
	{ HIBERNATING, HIBERNATING, AT_RISK, AT_RISK, CANNOT_LOSE },
	{ ABOUT_TO_SLEEP, ABOUT_TO_SLEEP, NEED_ATTENTION, LOYAL, LOYAL },
	{ PROMISING, POTENTIAL_LOYAL, POTENTIAL_LOYAL, LOYAL, LOYAL },
	{ NEW, POTENTIAL_LOYAL, POTENTIAL_LOYAL, CHAMPIONS, CHAMPIONS },
};
static const char *const segment_names[RFM_SEGMENTS] = {
	[HIBERNATING] = "hibernating", [AT_RISK] = "at_risk", [CANNOT_LOSE] = "cannot_lose", [ABOUT_TO_SLEEP] = "about_to_sleep",
	[NEED_ATTENTION] = "need_attention", [LOYAL] = "loyal", [PROMISING] = "promising", [NEW] = "new", [POTENTIAL_LOYAL] = "potential_loyal",
	[CHAMPIONS] = "champions",
};

const char *
rfm_segment(unsigned recency, unsigned frequency)
{
	assert(recency >= 1 && recency <= RFM_SCORES && frequency >= 1 && frequency <= RFM_SCORES);
	return segment_names[grid[recency - 1][frequency - 1]];
}

const char *
rfm_segment_name(size_t i)
{
	assert(i < RFM_SEGMENTS);
	return segment_names[i];
}

/* ---- churn ---- */

bool
bgnbd_parse(const char *text, struct bgnbd *ret)
{
	double v[4];

	for (size_t i = 0; i < 4; i++) {
		size_t len = strspn(text, "0123456789.");
		char part[TEXT_BYTES], *end;
		if (len == 0 || len >= sizeof(part) || text[len] != (i < 3 ? ',' : '\0'))
			return false;
		memcpy(part, text, len);
		part[len] = '\0';
		v[i] = strtod(part, &end);
		if (*end != '\0' || !(v[i] > 0) || !isfinite(v[i]))
			return false;
		text += len + 1;
	}
	*ret = (struct bgnbd){ v[0], v[1], v[2], v[3] };
	return true;
}

double
bgnbd_p_alive(const struct bgnbd *p, uint64_t x, double t_x, double t)
{
	double n = (double)x;

	if (x == 0)
		return 1;
	return 1 / (1 + p->a / (p->b + n - 1) * pow((p->alpha + t) / (p->alpha + t_x), p->r + n));
}

bool
own_gap_over(uint64_t x, int64_t span_days, int64_t away_days)
{
	return x > 0 && (wide)away_days * (wide)x > (wide)OWN_GAP_FACTOR * span_days;
}
