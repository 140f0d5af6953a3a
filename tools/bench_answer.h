/* bench_answer.h: what an answer says, by a look at its bytes. */
#ifndef FEALTY_BENCH_ANSWER_H
#define FEALTY_BENCH_ANSWER_H

#include "bench_figures.h"
#include "base/bytes.h"

/* Counts what is not OK in the body of a RESPONSE: of a BatchResponse when ${is_batch}.  ${wants_receipt}: one without counts as well. */
void answer_count(struct figures *f, struct bytes body, bool is_batch, bool wants_receipt);

#endif
