/* Invariants: a flow is in the ring exactly while it has items; its deficit is 0 when it has none; n is the sum over the flows. */
#include "service/fair.h"

#include <assert.h>

static void
ring_append(struct fair_queue *q, struct fair_flow *flow)
{
	flow->next = NULL;
	if (q->last == NULL)
		q->first = flow;
	else
		q->last->next = flow;
	q->last = flow;
}

static struct fair_flow *
ring_take(struct fair_queue *q)
{
	struct fair_flow *flow = q->first;

	q->first = flow->next;
	if (q->first == NULL)
		q->last = NULL;
	return flow;
}

void
fair_put(struct fair_queue *q, struct fair_flow *flow, struct fair_item *item, uint32_t cost, bool may_part)
{
	assert(cost > 0);
	item->cost = cost;
	item->may_part = may_part;
	item->next = NULL;
	if (flow->n == 0) {
		flow->first = item;
		ring_append(q, flow);
	} else {
		flow->last->next = item;
	}
	flow->last = item;
	flow->n++;
	q->n++;
}

void
fair_put_back(struct fair_queue *q, struct fair_flow *flow, struct fair_item *item)
{
	assert(item->granted < item->cost);
	item->cost -= item->granted;
	item->next = flow->first;
	if (flow->n == 0) {
		flow->last = item;
		ring_append(q, flow);
	}
	flow->first = item;
	flow->n++;
	q->n++;
}

void
fair_round(struct fair_queue *q)
{
	q->round++;
	q->ran_dry = q->has_more = false;
}

void
fair_batch(struct fair_queue *q)
{
	fair_round(q);
	q->batch_round = q->round;
}

/* What the flow can pay for, off its front. */
static struct fair_item *
spend(struct fair_queue *q, struct fair_flow *flow, bool parts, bool *ret_is_part)
{
	struct fair_item *first = NULL, *last = NULL;

	while (flow->n > 0 && flow->deficit > 0 && (flow->first->cost <= flow->deficit || (parts && flow->first->may_part))) {
		struct fair_item *item = flow->first;
		*ret_is_part = item->cost > flow->deficit;
		item->granted = *ret_is_part ? (uint32_t)flow->deficit : item->cost;
		flow->deficit -= item->granted;
		flow->first = item->next;
		flow->n--;
		q->n--;
		item->next = NULL;
		if (last == NULL)
			first = item;
		else
			last->next = item;
		last = item;
	}
	return first;
}

/* Its turn, and its place in the ring after it. */
static struct fair_item *
turn(struct fair_queue *q, struct fair_flow *flow, uint32_t quantum, bool parts)
{
	bool is_new = flow->round < q->batch_round;

	flow->round = q->round;
	flow->deficit += quantum;
	bool is_part = false;
	struct fair_item *list = spend(q, flow, parts, &is_part);
	q->has_more |= is_part || flow->n > 0;
	if (flow->n > 0) {
		ring_append(q, flow);
		return list;
	}
	flow->last = NULL;
	flow->deficit = 0;
	q->ran_dry |= is_new && !is_part;
	return list;
}

/* Goes round the ring once; a flow may have come anew while others had their turn. */
struct fair_item *
fair_turn(struct fair_queue *q, uint32_t quantum, bool parts)
{
	struct fair_flow *end = q->last;

	while (end != NULL) {
		struct fair_flow *flow = ring_take(q);
		struct fair_item *list = NULL;
		bool last = flow == end;
		if (flow->round == q->round)
			ring_append(q, flow);
		else
			list = turn(q, flow, quantum, parts);
		if (list != NULL || last)
			return list;
	}
	return NULL;
}

uint32_t
fair_allowance(int64_t flush_us, int64_t work_ns)
{
	int64_t n = work_ns <= 0 ? FAIR_ALLOWANCE_MAX : flush_us * 1000 / 4 / work_ns;

	return n < FAIR_ALLOWANCE_MIN ? FAIR_ALLOWANCE_MIN : n > FAIR_ALLOWANCE_MAX ? FAIR_ALLOWANCE_MAX : (uint32_t)n;
}
