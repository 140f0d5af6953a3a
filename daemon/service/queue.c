/**
 * What waits for the commit thread, and how much of it goes into one group commit.
 *
 * Principals take turns (fair.h).  As long as nobody waits for another, a group commit goes on, round after round, until nothing is left: this is
 * what makes it cheap.  But one that holds thousands of commands of one principal delays the single one of another.  So when somebody has all that
 * they sent in a batch while another has more, the batch ends with that round; and for a second from then on a group commit is one round, in which
 * nobody has more than an allowance, taken from how long commands and flushes take here, so that the next command of who sends few does not meet
 * a long one either: a batch that is not atomic goes on in the next group commit, and is answered as ever, when its last command is durable.  What one
 * principal loses by it is throughput of its own, and only while others are there.
 */
#include "service/commit.h"
#include "service/keeper.h"

#include <stddef.h>
#include <time.h>

#define QUEUE_MAX 65536
#define FLOW_MAX (QUEUE_MAX / 4)		/* of one principal: nobody fills the queue alone */
#define TURN 64					/* commands of a turn while nobody waits: how soon who comes anew has theirs */
#define GENTLE_US US_PER_SECOND
#define BEFORE_ANY_FLUSH_US 2000		/* for a first allowance */
#define BEFORE_ANY_WORK_NS 20000

static struct work *
work_of(struct fair_item *item)
{
	return item == NULL ? NULL : (struct work *)(void *)((char *)item - offsetof(struct work, item));
}

struct work *
work_next(const struct work *work)
{
	return work_of(work->item.next);
}

bool
commit_submit(struct commit *c, struct work *work)
{
	struct fair_flow *flow = party_flow(work->party);

	pthread_mutex_lock(&c->lock);
	bool room = c->queue.n < QUEUE_MAX && flow->n < FLOW_MAX && !c->stopping;
	if (room) {
		fair_put(&c->queue, flow, &work->item, (uint32_t)work->batch.n, !work->batch.atomic);
		c->queue_length = c->queue.n;
		if (c->queue.n == 1)
			pthread_cond_signal(&c->wake);
	}
	pthread_mutex_unlock(&c->lock);
	return room;
}

void
commit_wake(struct commit *c)
{
	pthread_mutex_lock(&c->lock);
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
}

size_t
commit_queue_length(const struct commit *c)
{
	return atomic_load_explicit(&c->queue_length, memory_order_relaxed);
}

static void
timespec_of(int64_t us, struct timespec *ret)
{
	ret->tv_sec = us / US_PER_SECOND;
	ret->tv_nsec = us % US_PER_SECOND * 1000;
}

bool
queue_wait(struct commit *c, int64_t wait_us, bool *ret_stopping)
{
	struct timespec until;

	pthread_mutex_lock(&c->lock);
	timespec_of(clock_monotonic_us() + wait_us, &until);
	while (c->queue.n == 0 && !c->stopping && !cosign_waits(c) && !keeper_waits(c) && wait_us > 0) {
		if (pthread_cond_timedwait(&c->wake, &c->lock, &until) != 0)
			break;
	}
	bool works = c->queue.n > 0;
	*ret_stopping = c->stopping;
	pthread_mutex_unlock(&c->lock);
	return works;
}

void
queue_batch(struct commit *c)
{
	c->pace.gentle = clock_monotonic_us() < c->pace.gentle_until_us;
	c->pace.commands = 0;
	c->pace.work_us = c->pace.flush_us = 0;
	pthread_mutex_lock(&c->lock);
	fair_batch(&c->queue);
	pthread_mutex_unlock(&c->lock);
}

struct work *
queue_turn(struct commit *c)
{
	const struct pace *p = &c->pace;
	uint32_t quantum = p->gentle ? fair_allowance(p->usual_flush_us, p->usual_work_ns) : TURN;

	pthread_mutex_lock(&c->lock);
	struct fair_item *list = fair_turn(&c->queue, quantum, p->gentle);
	c->queue_length = c->queue.n;
	pthread_mutex_unlock(&c->lock);
	return work_of(list);
}

void
queue_put_back(struct commit *c, struct work *work)
{
	pthread_mutex_lock(&c->lock);
	fair_put_back(&c->queue, party_flow(work->party), &work->item);
	c->queue_length = c->queue.n;
	pthread_mutex_unlock(&c->lock);
}

bool
queue_goes_on(struct commit *c)
{
	struct pace *p = &c->pace;

	pthread_mutex_lock(&c->lock);
	bool someone_waits = fair_someone_waits(&c->queue), more = c->queue.n > 0;
	if (more)
		fair_round(&c->queue);
	pthread_mutex_unlock(&c->lock);
	if (someone_waits)
		p->gentle_until_us = clock_monotonic_us() + GENTLE_US;
	/* a round in which a large batch still saved its turns has brought nothing to flush */
	return more && (p->commands == 0 || !(p->gentle || someone_waits));
}

void
queue_free(struct commit *c)
{
	fair_batch(&c->queue);
	for (struct work *list; (list = work_of(fair_turn(&c->queue, UINT32_MAX, false))) != NULL; ) {
		for (struct work *w = list, *next; w != NULL; w = next) {
			next = work_next(w);
			if (!w->active)		/* else a part of it is in the batch that failed, and it goes with that */
				work_free(w);
		}
	}
}

/* ---- how long things take ---- */

void
pace_step(struct pace *pace, enum figure_step step, int64_t us)
{
	if (step == FIGURE_STEP_DECIDE || step == FIGURE_STEP_SIGN)
		pace->work_us += us;
	else
		pace->flush_us += us;
}

void
pace_init(struct pace *pace)
{
	*pace = (struct pace){ .usual_work_ns = BEFORE_ANY_WORK_NS, .usual_flush_us = BEFORE_ANY_FLUSH_US };
}

/* One strange sample hardly moves it. */
static int64_t
blend(int64_t usual, int64_t sample)
{
	return usual + (sample - usual) / 8;
}

void
pace_learn(struct pace *p)
{
	if (p->commands > 0) {
		p->usual_work_ns = blend(p->usual_work_ns, p->work_us * 1000 / (int64_t)p->commands);
		p->usual_flush_us = blend(p->usual_flush_us, p->flush_us);
	}
	p->commands = 0;
	p->work_us = p->flush_us = 0;
}
