/* The read `scrub`: how far it is, and what it has found.  It may ask for a pass, which is no command: the ledger says the same after it. */
#include "service/query.h"
#include "service/scrub.h"

static void
tell_fault(const struct scrub_fault *f, struct reply_scrub_fault *ret)
{
	*ret = (struct reply_scrub_fault){ .kind = figure_scrub_str(f->kind), .environment = f->environment, .where = f->where, .what = f->what,
		.remedy = scrub_remedy(f), .has_seq = f->has_seq, .seq = f->seq, .last = f->last };
}

enum status
query_scrub(struct query *q, struct buf *out)
{
	struct service *s = q->loop->service;
	struct scrub_state *state = arena_alloc(&q->loop->arena, sizeof(*state));
	struct reply_scrub_fault *faults = arena_alloc(&q->loop->arena, SCRUB_SHOWN_MAX * sizeof(*faults));

	if (state == NULL || faults == NULL)
		return ST_NOMEM;
	if (q->request->scrub_now)
		scrub_ask(s->scrub);
	scrub_state(s->scrub, state);
	const struct figure_scrubs *f = &state->figures;
	struct reply_scrub scrub = {
		.enabled = f->on, .running = f->running || state->waits, .direct = f->direct, .bytes_per_second = state->bytes_per_second,
		.position = f->position, .size = f->size, .passes = f->passes, .last_at_us = f->last_at_us, .last_ms = f->last_us / 1000, .bytes = f->bytes,
		.transactions = f->transactions, .stage = state->stage, .n_faults = state->n_faults, .faults = faults,
	};
	for (enum figure_scrub kind = 0; kind < FIGURE_SCRUB_COUNT; kind++)
		scrub.n_known += f->faults[kind];
	for (size_t i = 0; i < state->n_faults; i++)
		tell_fault(&state->faults[i], &faults[i]);
	struct reply reply = { .seq = q->size == 0 ? 0 : q->size - 1, .scrub = &scrub };
	return codec_reply_encode(&reply, &q->loop->arena, out);
}
