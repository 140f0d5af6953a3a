/**
 * fair.h: a queue that is fair between flows (principals): deficit round robin, by Shreedhar and Varghese (SIGCOMM 1995), over items with a cost.
 *
 * Within a flow items come out in the order in which they went in.  Between flows each turn is worth a quantum: a flow whose next item costs more
 * saves its turns until it can pay, or has a part of it done, if it may be parted; and one that has nothing left saves nothing.  So however much one
 * flow has in the queue, another's item waits for one turn of each flow at most.  Nothing is allocated, and there is no lock: the owner has one.
 */
#ifndef FEALTY_SERVICE_FAIR_H
#define FEALTY_SERVICE_FAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fair_item {
	struct fair_item *next;
	uint32_t cost;			/* above 0 */
	uint32_t granted;		/* when it comes out: cost, or the part of it that is paid for */
	bool may_part;
};

/* Zeroed memory is one without items.  It may go away when it has none. */
struct fair_flow {
	struct fair_flow *next;		/* in the ring */
	struct fair_item *first, *last;
	size_t n;
	uint64_t deficit;		/* what its turns were worth and it has not spent */
	uint64_t round;			/* the last one in which it had its turn */
};

/* Zeroed memory is an empty queue. */
struct fair_queue {
	struct fair_flow *first, *last;	/* the ring, of flows with items */
	size_t n;			/* items */
	uint64_t round, batch_round;	/* that runs; with which the batch began */
	bool ran_dry, has_more;		/* in this round: a flow that had no turn before in the batch; a flow after its turn */
};

void fair_put(struct fair_queue *queue, struct fair_flow *flow, struct fair_item *item, uint32_t cost, bool may_part);
/* What is left of an item that came out in part, back to where it was. */
void fair_put_back(struct fair_queue *queue, struct fair_flow *flow, struct fair_item *item);

/* A new batch, of one or more rounds, in each of which each flow may have a turn; and its next round. */
void fair_batch(struct fair_queue *queue);
void fair_round(struct fair_queue *queue);

/**
 * fair_turn(queue, quantum, parts): what the next flow that had no turn yet in this round may send, as a list, which is the caller's.  NULL: there
 * is none.  With ${parts} the last of it may be a part of an item.
 */
struct fair_item *fair_turn(struct fair_queue *queue, uint32_t quantum, bool parts);

/* At the end of a round: somebody has all that they sent in this batch, and waits for its end, while another has more. */
static inline bool
fair_someone_waits(const struct fair_queue *queue)
{
	return queue->ran_dry && queue->has_more;
}

/**
 * fair_allowance(flush_us, work_ns): the quantum for a group commit that others wait for: how many commands of ${work_ns} each fit into a quarter of
 * the time that its flush takes.  Two such commits, the one that runs and one's own, then last less than three flushes.
 */
#define FAIR_ALLOWANCE_MIN 4
#define FAIR_ALLOWANCE_MAX 4096
uint32_t fair_allowance(int64_t flush_us, int64_t work_ns);

#endif
