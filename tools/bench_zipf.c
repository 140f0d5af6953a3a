/*
 * The names of the paper: h(x) = x^-s, H its integral, H^-1 the inverse of that.  A point u between H(1.5) - h(1) and H(n + 0.5) is drawn, and
 * k is x = H^-1(u), rounded.  It is taken when u is in the part of k that has the area h(k); that is so at once when x is near enough to k.
 *
 * For s near 1, H(x) = (x^(1-s) - 1) / (1 - s) would be zero by zero: expm1() and log1p() of small numbers keep their digits.
 */
#include "bench_zipf.h"

#include <assert.h>
#include <math.h>

/* (e^x - 1) / x */
static double
expm1_over(double x)
{
	return fabs(x) > 1e-8 ? expm1(x) / x : 1 + x / 2;
}

/* ln(1 + x) / x */
static double
log1p_over(double x)
{
	return fabs(x) > 1e-8 ? log1p(x) / x : 1 - x / 2;
}

static double
area(const struct zipf *z, double x)				/* H */
{
	double l = log(x);

	return expm1_over((1 - z->exponent) * l) * l;
}

static double
height(const struct zipf *z, double x)				/* h */
{
	return exp(-z->exponent * log(x));
}

static double
area_inverse(const struct zipf *z, double u)			/* H^-1 */
{
	double t = u * (1 - z->exponent);

	return exp(log1p_over(t < -1 ? -1 : t) * u);		/* below -1 by rounding only */
}

static uint64_t
gcd(uint64_t a, uint64_t b)
{
	while (b != 0) {
		uint64_t rest = a % b;
		a = b;
		b = rest;
	}
	return a;
}

void
zipf_init(struct zipf *z, uint64_t members, double exponent)
{
	assert(members >= 1 && members <= UINT64_C(1) << 31 && exponent >= 0);

	*z = (struct zipf){ .members = members, .exponent = exponent };
	z->stride = (uint64_t)((double)members * 0.6180339887) + 1;		/* by the golden section neighbours are far apart */
	while (gcd(z->stride, members) != 1)
		z->stride++;
	if (exponent > 0) {
		z->first = area(z, 1.5) - 1;
		z->last = area(z, (double)members + 0.5);
		z->near = 2 - area_inverse(z, area(z, 2.5) - height(z, 2));
	}
}

uint64_t
zipf_rank(const struct zipf *z, struct bench_random *random)
{
	if (z->exponent <= 0)
		return random_below(random, z->members) + 1;
	for (;;) {
		double u = z->last + random_unit(random) * (z->first - z->last);
		double x = area_inverse(z, u), k = floor(x + 0.5);

		k = k < 1 ? 1 : k > (double)z->members ? (double)z->members : k;
		if (k - x <= z->near || u >= area(z, k + 0.5) - height(z, k))
			return (uint64_t)k;
	}
}

uint64_t
zipf_member(const struct zipf *z, uint64_t rank)
{
	assert(rank >= 1 && rank <= z->members);

	return (rank - 1) * z->stride % z->members;
}

uint64_t
zipf_draw(const struct zipf *z, struct bench_random *random)
{
	return zipf_member(z, zipf_rank(z, random));
}
