/**
 * bench_zipf.h: members, of whom a few buy most.  The member of rank k is drawn in proportion to k^-s.
 *
 * By rejection-inversion: Hörmann and Derflinger, "Rejection-inversion to generate variates from monotone discrete distributions", ACM
 * Transactions on Modeling and Computer Simulation 6(3), 1996, 169-184.  Exact for every exponent above 0, without a table, in a time that does
 * not depend on the number of members.
 */
#ifndef FEALTY_BENCH_ZIPF_H
#define FEALTY_BENCH_ZIPF_H

#include <stdint.h>

#include "bench_random.h"

struct zipf {
	uint64_t members, stride;
	double exponent;			/* 0: all alike */
	double first, last, near;		/* see the .c */
};

/* ${members} from 1 to 2^31; ${exponent} at least 0. */
void zipf_init(struct zipf *z, uint64_t members, double exponent);

/* From 1 to members; the lower, the more often. */
uint64_t zipf_rank(const struct zipf *z, struct bench_random *random);

/* The member of a rank, from 0 to members - 1: each member has one rank.  Neighbours by rank are far from each other by number, as if who buys
 * much had been enrolled at any time. */
uint64_t zipf_member(const struct zipf *z, uint64_t rank);

/* Draws one. */
uint64_t zipf_draw(const struct zipf *z, struct bench_random *random);

#endif
