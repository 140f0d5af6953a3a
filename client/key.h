/*
 * key.h: request ids that sort by time: ULIDs (https://github.com/ulid/spec), 48 bits of milliseconds and 80 random bits in
 * Crockford's base 32.
 */
#ifndef FEALTY_CLIENT_KEY_H
#define FEALTY_CLIENT_KEY_H

#include <stdbool.h>
#include <stdint.h>

#define KEY_ULID_BYTES 26
#define KEY_RANDOM_BYTES 10

struct key_source {
	uint64_t last_ms;
	uint8_t random[KEY_RANDOM_BYTES];
};

/* Writes 26 characters and NUL.  Within one millisecond, or when the clock goes back, the random part counts up. */
void key_next(struct key_source *source, uint64_t now_ms, char ret_key[static KEY_ULID_BYTES + 1]);

/* 1 to 64 of [A-Za-z0-9._:-]. */
bool key_valid(const char *key);

/* A random number below ${n}, which is not 0. */
uint64_t random_below(uint64_t n);

#endif
