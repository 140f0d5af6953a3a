/**
 * Reading takes no lock: numbers that belong together may be a moment apart, and each by itself only rises.  A histogram's count is the
 * sum of its buckets, so that it agrees with them.
 */
#include "service/metrics.h"

#include <assert.h>
#include <string.h>

#include "service/scrub.h"
#include "service/witness.h"

/* ---- histograms ---- */

static const struct bounds { size_t n; uint64_t at[FIGURE_BOUNDS_MAX]; } bounds_table[] = {
	[HISTOGRAM_US] = { 16, { 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000,
	    10000000 } },
	[HISTOGRAM_SIZE] = { 13, { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096 } },
};

void
histogram_add(struct histogram *h, enum histogram_kind kind, uint64_t value)
{
	const struct bounds *bounds = &bounds_table[kind];
	size_t i = 0;

	while (i < bounds->n && value > bounds->at[i])
		i++;
	counter_add(&h->counts[i], 1);
	counter_add(&h->sum, value);
}

void
histogram_read(const struct histogram *h, enum histogram_kind kind, struct figure_histogram *ret)
{
	const struct bounds *bounds = &bounds_table[kind];

	ret->n_bounds = bounds->n;
	memcpy(ret->bounds, bounds->at, sizeof(ret->bounds));
	for (size_t i = 0; i <= bounds->n; i++)
		ret->counts[i] = counter_read(&h->counts[i]);
	ret->sum = counter_read(&h->sum);
}

/* ---- names ---- */

const char *
figure_step_str(enum figure_step step)
{
	static const char *const names[FIGURE_STEP_COUNT] = { "decide", "sign", "vault", "ledger", "receipts", "state" };

	assert(step < FIGURE_STEP_COUNT);
	return names[step];
}

const char *
figure_state_str(enum figure_state state)
{
	static const char *const names[FIGURE_STATE_COUNT] = { "kept", "snapshot", "empty" };

	assert(state < FIGURE_STATE_COUNT);
	return names[state];
}

const char *
figure_scrub_str(enum figure_scrub kind)
{
	static const char *const names[FIGURE_SCRUB_COUNT] = { "transaction", "checkpoint", "cosignature", "tile", "vault", "page" };

	assert(kind < FIGURE_SCRUB_COUNT);
	return names[kind];
}

/* ---- the copy ---- */

static void
add_commands(const struct command_counts *counts, struct figure_commands *ret)
{
	for (size_t op = 0; op < REQUEST_OP_COUNT; op++) {
		for (size_t result = 0; result < LEDGER_RESULT_COUNT; result++)
			ret->counts[op][result] += counter_read(&counts->n[op][result]);
	}
}

static void
read_commands(const struct service *s, struct figure_commands *ret)
{
	_Static_assert((int)REQUEST_OP_COUNT <= FIGURE_OPS_MAX && (int)LEDGER_RESULT_COUNT <= FIGURE_REASONS_MAX, "the table has room");
	_Static_assert((int)LEDGER_OK == 0, "OK comes first");

	ret->n_ops = REQUEST_OP_COUNT;
	ret->n_reasons = LEDGER_RESULT_COUNT;
	for (enum request_op op = 0; op < REQUEST_OP_COUNT; op++)
		ret->ops[op] = request_op_str(op);
	for (enum ledger_result result = 0; result < LEDGER_RESULT_COUNT; result++)
		ret->reasons[result] = ledger_result_str(result);
	add_commands(&s->metrics.commands, ret);
	for (unsigned i = 0; i < net_loop_count(s->net); i++)
		add_commands(&s->loops[i].commands, ret);
}

static void
read_entries(const struct metrics *m, struct figures *ret)
{
	_Static_assert((int)OP_COUNT <= FIGURE_OPS_MAX, "the list has room");

	for (enum op op = 0; op < OP_COUNT; op++) {
		if (op_known(op))
			ret->entries[ret->n_entries++] = (struct figure_count){ op_str(op), counter_read(&m->entries[op]) };
	}
	ret->system_entries = counter_read(&m->system_entries);
}

static void
read_commits(const struct metrics *m, struct figures *ret)
{
	ret->commits = counter_read(&m->commits);
	ret->commits_undone = counter_read(&m->commits_undone);
	ret->replays = counter_read(&m->replays);
	ret->terminal_gaps = counter_read(&m->terminal_gaps);
	ret->terminal_repeats = counter_read(&m->terminal_repeats);
	histogram_read(&m->commit_transactions, HISTOGRAM_SIZE, &ret->commit_transactions);
	for (enum figure_step step = 0; step < FIGURE_STEP_COUNT; step++)
		histogram_read(&m->steps[step], HISTOGRAM_US, &ret->steps_us[step]);
	histogram_read(&m->answer, HISTOGRAM_US, &ret->answer_us);
	ret->start_state = m->start_state;
	ret->start_us = m->start_us;
	ret->start_replayed = m->start_replayed;
}

static void
read_limits(const struct service *s, const struct net_figures *net, struct figures *ret)
{
	_Static_assert((int)LIMIT_COUNT <= FIGURE_LIMITS_MAX, "the list has room");

	for (enum limit l = 0; l < LIMIT_COUNT; l++) {
		uint64_t n = l == LIMIT_CONNECTIONS ? net->refused : l == LIMIT_ADDRESS_CONNECTIONS ? net->refused_address : 0;
		if (limit_table[l].counts_as != l)
			continue;
		for (unsigned i = 0; i < net_loop_count(s->net); i++)
			n += counter_read(&s->loops[i].limits[l]);
		ret->limits[ret->n_limits++] = (struct figure_count){ limit_table[l].name, n };
	}
}

static void
read_net(const struct service *s, struct figures *ret)
{
	struct net_figures net;

	net_figures(s->net, &net);
	ret->connections = net.connections;
	ret->accepted = net.accepted;
	ret->refused = net.refused + net.refused_address;
	ret->rejected = net.rejected;
	ret->cert_ends_at = net.cert_ends_at;
	ret->crl_ends_at = net.crl_ends_at;
	read_limits(s, &net, ret);
	ret->received_bytes = net.received_bytes;
	ret->sent_bytes = net.sent_bytes;
	for (unsigned i = 0; i < net_loop_count(s->net); i++)
		ret->subscriptions += atomic_load(&s->loops[i].subscriptions);
}

static void
read_files(struct service *s, struct figures *ret)
{
	struct store_sizes sizes;

	if (store_sizes(s->store, &sizes) != ST_OK)
		return;
	ret->has_sizes = true;
	ret->file_bytes[0] = (struct figure_count){ "ledger", sizes.env_bytes[STORE_LEDGER] };
	ret->file_bytes[1] = (struct figure_count){ "vault", sizes.env_bytes[STORE_VAULT] };
	ret->file_bytes[2] = (struct figure_count){ "state", sizes.env_bytes[STORE_STATE] };
	ret->free_bytes = sizes.free_bytes;
	ret->has_snapshot = sizes.has_snapshot;
	ret->snapshot_transactions = sizes.snapshot_size;
	int64_t age_us = s->params.clock.now_us(s->params.clock.ctx) - sizes.snapshot_at_us;
	ret->snapshot_age_us = age_us < 0 ? 0 : (uint64_t)age_us;
}

enum service_readiness
service_readiness(struct service *s)
{
	if (atomic_load(&s->draining) || atomic_load(&s->failed))
		return SERVICE_STOPPING;
	enum service_readiness waits = commit_readiness(s->commit);
	if (waits != SERVICE_READY)
		return waits;
	return store_writable(s->store) == ST_OK ? SERVICE_READY : SERVICE_WAITS_FOR_DISK;	/* nobody has tried to write yet */
}

static void
read_log(struct service *s, struct figures *ret)
{
	pthread_mutex_lock(&s->head_lock);
	ret->public_size = s->public_checkpoint.head.size;
	ret->served_size = s->served.size;
	pthread_mutex_unlock(&s->head_lock);
	if (s->witnesses != NULL)
		witnesses_figures(s->witnesses, ret);
}

void
service_figures(struct service *s, struct figures *ret)
{
	*ret = (struct figures){
		.origin = s->origin,
		.manual_clock = s->manual_clock,
		.engine = LEDGER_ENGINE,
		.readiness = service_readiness(s),
		.transactions = service_size(s),
		.queue_length = commit_queue_length(s->commit),
	};
	read_commits(&s->metrics, ret);
	read_entries(&s->metrics, ret);
	read_commands(s, &ret->commands);
	read_net(s, ret);
	read_log(s, ret);
	scrub_figures(s->scrub, &ret->scrub);
	read_files(s, ret);
}
