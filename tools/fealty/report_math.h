/**
 * report_math.h: the formulas of the reports, each with its source.  Pure: no ledger, no clock, no memory but the caller's.
 *
 * Money is int64 in minor units and points int64 in units of the program's scale; both are exact, by integers of 128 bits.  Doubles are only
 * where a method is statistical.  False from any function: it does not fit, and nothing was written.
 */
#ifndef FEALTY_TOOLS_REPORT_MATH_H
#define FEALTY_TOOLS_REPORT_MATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "ledger/decimal.h"

__extension__ typedef __int128 wide;

/* ---- exact ratios ---- */

/* In lowest terms; den > 0. */
struct ratio { int64_t num, den; };
#define RATIO_ONE ((struct ratio){ 1, 1 })

bool ratio_of(wide num, wide den, struct ratio *ret) MUST_CHECK;	/* den > 0 */
/* "0.66", or two decimals with a slash: "2/3", "1/1.5"; the second above zero.  False as well when the text is neither. */
bool ratio_parse(const char *text, struct ratio *ret) MUST_CHECK;
bool ratio_of_decimal(struct decimal d, struct ratio *ret) MUST_CHECK;
bool ratio_times(struct ratio a, struct ratio b, struct ratio *ret) MUST_CHECK;
/* times 10^digits; digits may be negative. */
bool ratio_shift(struct ratio a, int digits, struct ratio *ret) MUST_CHECK;

/* Σ points × price, rounded once. */
struct money_sum { wide num, den; };					/* den > 0 */
#define MONEY_ZERO ((struct money_sum){ 0, 1 })
bool money_add(struct money_sum *sum, int64_t points, struct ratio price) MUST_CHECK;
/* Down: towards minus infinity. */
bool money_floor(const struct money_sum *sum, int64_t *ret) MUST_CHECK;
/* Of one product. */
bool money_of_points(int64_t points, struct ratio price, int64_t *ret) MUST_CHECK;

/* part / whole in hundredths of a percent, a half up; false when whole is not above 0. */
bool percent_hundredths(int64_t part, int64_t whole, int64_t *ret_hundredths) MUST_CHECK;
/* part / whole × 10^digits, a half up. */
bool quotient_of(int64_t part, int64_t whole, unsigned digits, int64_t *ret) MUST_CHECK;

/* ---- IFRS 15 ---- */

/**
 * ifrs_allocate(price, points, point_price, ret_points_part):
 * IFRS 15.74 and B42: of a transaction price, which is also the stand-alone selling price of the goods, what belongs to the points that came with
 * them: price × S / (price + S), S = points × ${point_price}, which has the likelihood of redemption in it.  To the nearest minor unit, a half
 * up; the goods have the rest.  Illustrative example 52: 100 000, 10 000 points × 1 × 95 %: 8 676.
 */
bool ifrs_allocate(int64_t price, int64_t points, struct ratio point_price, int64_t *ret_points_part) MUST_CHECK;

/**
 * ifrs_recognised(allocated, redeemed, open, kept, expected, ret):
 * IFRS 15.B40 and B46: what of ${allocated} is revenue by now: × redeemed / E, to the nearest, with E the points that will be redeemed in
 * total: ${kept} (all that members got and kept: redeemed, expired and still open) × ${expected}, but at least what is redeemed already,
 * and at most that and what is open still: when nothing is open any more, all is revenue.  Example 52: 4 500 of 9 500: 4 110; 8 500 of 9 700:
 * 7 603 in total.
 */
bool ifrs_recognised(int64_t allocated, int64_t redeemed, int64_t open, int64_t kept, struct ratio expected, int64_t *ret) MUST_CHECK;
/* E of above, rounded to the nearest point unit. */
bool ifrs_expected(int64_t redeemed, int64_t open, int64_t kept, struct ratio expected, int64_t *ret) MUST_CHECK;

/* ---- RFM ---- */

#define RFM_SCORES 5
/**
 * rfm_scores(values, n, order, ret_scores):
 * Quintiles: score = 1 + floor(5·i/n), i the rank of a value from 0, the smallest first; equal values have the lowest of their ranks.
 * ${order} is room for n indices.
 */
void rfm_scores(const int64_t *values, size_t n, size_t *order, uint8_t *ret_scores);
/* The segment of a recency and a frequency score: the usual grid of ten names. */
const char *rfm_segment(unsigned recency, unsigned frequency);
#define RFM_SEGMENTS 10
const char *rfm_segment_name(size_t i);

/* ---- churn ---- */

struct bgnbd { double r, alpha, a, b; };
/* "0.243,4.414,0.793,2.426": r, alpha, a, b, each above zero. */
bool bgnbd_parse(const char *text, struct bgnbd *ret) MUST_CHECK;
/**
 * bgnbd_p_alive(p, x, t_x, t): the probability that a customer with ${x} repeat purchases, the last of them ${t_x} after the first purchase and
 * ${t} observed, is still one: 1 / (1 + a/(b+x−1) · ((α+t)/(α+t_x))^(r+x)), 1 for x = 0.  BG/NBD: Fader, Hardie and Lee, "Counting your
 * customers" the easy way, Marketing Science 24(2), 2005, and their note "Computing P(alive) using the BG/NBD model", 2008.  The unit of time
 * is that of the parameters.
 */
double bgnbd_p_alive(const struct bgnbd *p, uint64_t x, double t_x, double t);

/* Whether somebody is away for longer than twice the mean of their own gaps: ${x} gaps, from the first to the last of ${span_days}. */
#define OWN_GAP_FACTOR 2
bool own_gap_over(uint64_t x, int64_t span_days, int64_t away_days);

#endif
