/**
 * Subscriptions that look into transactions: events, and what concerns one member, or one program.
 *
 * A transaction that has nothing for the subscription costs no credit; how far one has looked is said all the same, so that whoever resumes does
 * not look through it again.  A transaction with more events than there are credits is sent in parts: `done` is the last that was sent.
 */
#include "service/session.h"

#define SCAN_TRANSACTIONS 1000		/* in one turn of the loop */
#define PUSH_ITEMS 256
#define PUSH_BYTES ((size_t)256 * 1024)

bool
subscription_looks(const struct subscription *sub)
{
	return sub->events || sub->member != 0 || sub->program != 0;
}

struct scan {
	struct session *session;
	struct subscription *sub;
	struct buf *out;
	uint64_t n, max;		/* transactions or events in this PUSH */
	bool stopped;			/* not through the transaction at next_seq */
	bool waits;			/* nor can one be, before another commit */
};

static bool
concerns(const struct transaction *t, const struct subscription *sub)
{
	if (t->program != sub->program || sub->member == 0)
		return t->program == sub->program;
	for (size_t i = 0; i < t->n_entries; i++) {
		for (size_t k = 0; k < t->entries[i].n_touched; k++) {
			if (t->entries[i].touched[k].member == sub->member)
				return true;
		}
	}
	return false;
}

/* Those behind the place where the subscription is, as many as there is room for. */
static void
put_events(struct scan *scan, const struct crm_event *events, size_t n)
{
	struct subscription *sub = scan->sub;

	for (size_t i = 0; i < n; i++) {
		struct crm_place place = { events[i].entry, events[i].n };

		if ((sub->has_done && crm_place_compare(place, sub->done) <= 0) || (sub->member != 0 && events[i].member != sub->member))
			continue;
		if (scan->n == scan->max) {
			scan->stopped = true;
			return;
		}
		codec_push_event(&events[i], scan->out);
		scan->n++;
		sub->done = place;
		sub->has_done = true;
	}
}

static enum status
look_for_events(struct scan *scan, const struct transaction *t)
{
	struct loop_context *loop = scan->session->loop;

	if (scan->sub->program != 0 && t->program != scan->sub->program)
		return ST_OK;
	for (size_t i = 0; i < t->n_entries && !scan->stopped; i++) {
		const struct entry *entry = &t->entries[i];
		const struct program *program = programs_version(loop->service->programs, t->program, entry->program_version);
		struct crm_event *events;
		size_t n;

		if (entry->member == 0)
			continue;
		if (program == NULL) {		/* readers do not see it while state has no room for it */
			scan->stopped = scan->waits = true;
			break;
		}
		enum status st = crm_events(entry, (struct entry_id){ t->seq, (uint32_t)i }, t->committed_at_us, program, &loop->arena, &events, &n);
		if (st != ST_OK)
			return st;
		if (n > 0)
			put_events(scan, events, n);
	}
	return ST_OK;
}

static enum status
look(struct scan *scan)
{
	struct loop_context *loop = scan->session->loop;
	struct signed_transaction s;
	struct transaction t;
	struct bytes leaf;

	arena_reset(&loop->arena);
	enum status st = read_good_leaf(loop->ledger, loop->state, scan->sub->next_seq, &leaf);
	if (st == ST_OK)
		st = codec_signed_decode(leaf, &s);
	if (st == ST_OK)
		st = codec_transaction_decode(s.transaction, &loop->arena, &t);
	if (st != ST_OK)
		return st;
	if (scan->sub->events)
		return look_for_events(scan, &t);
	if (concerns(&t, scan->sub)) {
		codec_push_transaction(leaf, scan->out);
		scan->n++;
	}
	return ST_OK;
}

/* What was found, or that nothing was up to here. */
static enum status
push(struct scan *scan, uint64_t head)
{
	const struct subscription *sub = scan->sub;
	uint64_t last_seq = sub->next_seq - 1;

	codec_push_end(head, sub->next_seq > 0 ? &last_seq : NULL, scan->out);
	enum status st = buf_status(scan->out);
	if (st == ST_OK)
		net_conn_send(scan->session->conn, FRAME_PUSH, 0, sub->tag, buf_bytes(scan->out));
	subscription_sent(scan->session);
	return st;
}

enum status
subscription_scan(struct session *s, struct subscription *sub, uint64_t head, bool *ret_more)
{
	struct scan scan = { .session = s, .sub = sub, .out = &s->loop->out, .max = sub->credits < PUSH_ITEMS ? sub->credits : PUSH_ITEMS };
	uint64_t begun = sub->next_seq, end = sub->next_seq > UINT64_MAX - SCAN_TRANSACTIONS ? UINT64_MAX : sub->next_seq + SCAN_TRANSACTIONS;
	enum status st = ST_OK;

	buf_clear(scan.out);
	while (st == ST_OK && !scan.stopped && scan.n < scan.max && scan.out->len < PUSH_BYTES && sub->next_seq < head && sub->next_seq < end) {
		st = look(&scan);
		if (st == ST_OK && !scan.stopped) {
			sub->next_seq++;
			sub->has_done = false;
		}
	}
	sub->credits -= scan.n;
	if (st == ST_OK && (scan.n > 0 || sub->next_seq > begun))
		st = push(&scan, head);
	*ret_more = sub->next_seq < head && sub->credits > 0 && !scan.waits;
	return st;
}
