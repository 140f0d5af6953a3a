/**
 * bench_encode.h: the frames of a load.  Each operation is packed once; a command is a copy of that with its own digits in it, so that making
 * one takes neither memory nor a look at the schema.
 */
#ifndef FEALTY_BENCH_ENCODE_H
#define FEALTY_BENCH_ENCODE_H

#include "bench_mix.h"
#include "bench_options.h"
#include "bench_random.h"
#include "bench_zipf.h"
#include "base/bytes.h"

#define TEMPLATE_BYTES 512
#define TEMPLATE_ABSENT SIZE_MAX

struct template {
	uint8_t bytes[TEMPLATE_BYTES];
	size_t len;
	size_t key_at, member_at, amount_at;		/* of their digits; TEMPLATE_ABSENT: it has none */
};

struct encoder {
	struct template ops[BENCH_OP_COUNT];		/* a Request; in a batch a Batch with nothing but one command */
	struct template batch;				/* a Batch with nothing but its key */
	bool batches;
	struct zipf zipf;
};

/* The alias of member ${n}, from 0. */
#define ALIAS_BYTES 48
void encoder_alias(const struct settings *s, unsigned long n, char ret_alias[static ALIAS_BYTES]);

/* ${run_id}: in every key, so that two runs have none in common.  False: the program's id is too long. */
bool encoder_init(struct encoder *e, const struct settings *s, uint64_t run_id);

/* Body of the longest frame with ${commands}. */
size_t encoder_bytes_max(const struct encoder *e, unsigned commands);

/* Appends a frame: a REQUEST, or a BATCH of ${commands}.  ${number} is part of its key, and below 2^48.  A failure sticks to ${out}. */
void encoder_put(const struct encoder *e, struct buf *out, uint64_t tag, enum bench_op op, unsigned commands, uint64_t number,
    struct bench_random *random);

#endif
