/* bench_mix.h: what a load asks for, and how much of each. */
#ifndef FEALTY_BENCH_MIX_H
#define FEALTY_BENCH_MIX_H

#include <stdbool.h>
#include <stdint.h>

enum bench_op { BENCH_PURCHASE, BENCH_REDEEM, BENCH_BALANCE, BENCH_HISTORY, BENCH_OP_COUNT };
#define MIX_WEIGHT_MAX 1000000u
#define MIX_TEXT_BYTES 128

const char *bench_op_str(enum bench_op op);		/* "purchase" */
bool bench_op_writes(enum bench_op op);

/* Weights: of all commands purchase[weight] in the sum of all weights are purchases. */
struct mix { unsigned weight[BENCH_OP_COUNT]; };

/* "purchase=70,redeem=5", or one operation alone.  NULL, or what is wrong with it, as a sentence's end; static. */
const char *mix_parse(const char *text, struct mix *ret);

/* As it is parsed: one operation alone without a weight. */
void mix_text(const struct mix *mix, char ret_text[static MIX_TEXT_BYTES]);

bool mix_reads(const struct mix *mix);			/* some of it is no write */
unsigned mix_sum(const struct mix *mix);

/* ${at} below mix_sum(). */
enum bench_op mix_at(const struct mix *mix, uint64_t at);

#endif
