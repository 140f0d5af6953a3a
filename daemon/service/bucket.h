/**
 * bucket.h: a token bucket: ${per_second} tokens flow in, until there are ${burst}.  Rate, burst and time are arguments, so that they may change at
 * any moment, and a test needs no clock.  Not more than one thread at a time.
 */
#ifndef FEALTY_SERVICE_BUCKET_H
#define FEALTY_SERVICE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket {
	int64_t millionths;		/* of tokens; below 0: what was taken in advance */
	int64_t at_us;			/* monotonic: as of then */
};

struct bucket bucket_full_of(uint32_t burst, int64_t now_us);

/**
 * bucket_wait_us(): 0: there is a token; else how long until there is one.
 * bucket_take(): takes ${n}, also those that are not there yet: something large goes through as a whole, and what comes after it waits longer.
 * bucket_is_full(): nobody could tell it from a new one.
 */
int64_t bucket_wait_us(struct bucket *bucket, uint32_t per_second, uint32_t burst, int64_t now_us);
void bucket_take(struct bucket *bucket, uint32_t n);
bool bucket_is_full(struct bucket *bucket, uint32_t per_second, uint32_t burst, int64_t now_us);

#endif
