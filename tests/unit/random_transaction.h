/* random_transaction.h: transactions that nobody would write, for the tests of the codec. */
#ifndef FEALTY_TESTS_RANDOM_TRANSACTION_H
#define FEALTY_TESTS_RANDOM_TRANSACTION_H

#include "codec_world.h"

/* ${n} × ${size} zeroed bytes of the world's arena. */
void *any_array(struct world *w, size_t n, size_t size);

/* ${n} entries in the world's arena, all of them ${op}; OP_NONE: each of its own operation. */
struct transaction any_transaction(struct world *w, size_t n, enum op op);

#endif
