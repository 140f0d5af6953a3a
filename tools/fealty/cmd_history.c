/* fealty history: a member's entries, a page at a time. */
#include <stdio.h>
#include <string.h>

#include "call.h"
#include "commands.h"
#include "ledger/calendar.h"
#include "show.h"

enum { KEY_LIMIT = KEY_COMMAND, KEY_BEFORE };

struct history_input {
	struct call_input base;
	bool has_limit, has_before;
	uint64_t limit, before;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct history_input *in = state->input;

	switch (key) {
	case KEY_LIMIT:
		in->has_limit = true;
		return option_number(state, "--limit", arg, UINT32_MAX, &in->limit);
	case KEY_BEFORE:
		in->has_before = true;
		return option_number(state, "--before", arg, UINT64_MAX, &in->before);
	default:
		return call_input_parse(key, arg, state, &in->base);
	}
}

static const char *
or_dash(const char *text)
{
	return text != NULL && text[0] != '\0' ? text : "-";
}

/* The first lines of the points column say the direction, since that is what the eye looks for. */
static void
show_history_row(const Fealty__V1__HistoryRow *row)
{
	char at[INSTANT_TEXT_BYTES], change[48];

	(void)instant_format(row->at, at);
	at[strcspn(at, ".Z")] = '\0';
	at[10] = ' ';
	const char *points = row->points != NULL ? row->points : "0";
	if (row->has_waiting && row->waiting)
		(void)snprintf(change, sizeof(change), "(%.40s)", row->wanted != NULL ? row->wanted : "0");
	else
		(void)snprintf(change, sizeof(change), "%s%.40s", points[0] != '-' && !points_are_zero(points) ? "+" : "", points);
	(void)printf("%-12s %s  %-13s %12s %12s  %-10s %12s  %-14s %s\n", or_dash(row->id), at, or_dash(row->op), change,
	    or_dash(row->available), or_dash(row->tier), or_dash(row->amount), or_dash(row->principal), or_dash(row->key));
}

static bool
any_waits(const Fealty__V1__Response *r)
{
	bool any = false;

	for (size_t i = 0; i < r->n_history; i++)
		any |= r->history[i]->has_waiting && r->history[i]->waiting;
	return any;
}

static void
show_history(const Fealty__V1__Response *r)
{
	(void)printf("%-12s %-19s  %-13s %12s %12s  %-10s %12s  %-14s %s\n", "entry", "time (UTC)", "what", "points", "available", "tier",
	    "amount", "who", "request id");
	for (size_t i = 0; i < r->n_history; i++)
		show_history_row(r->history[i]);
	if (any_waits(r))
		(void)printf("Points in parentheses wait for approval: fealty approve ENTRY\n");
	if (r->has_next_before)
		(void)printf("There is more: --before %llu\n", (unsigned long long)r->next_before);
}

enum exit_code
cmd_history(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "limit", KEY_LIMIT, "N", 0, "At most so many, 1 to 100 (default: 20)", 0 },
		{ "before", KEY_BEFORE, "SEQ", 0, "Those below this transaction", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "MEMBER", "Show a member's entries, newest first.", call_children, NULL, NULL };
	struct history_input in = { 0 };
	Fealty__V1__Request request;
	Fealty__V1__History body = FEALTY__V1__HISTORY__INIT;

	call_input_init(&in.base, 1, 1);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.base.call, FEALTY__V1__REQUEST__OP_HISTORY, &request);
	body.member = in.base.args.v[0];
	body.has_limit = in.has_limit;
	body.limit = (uint32_t)in.limit;
	body.has_before = in.has_before;
	body.before = in.before;
	request.history = &body;
	return call_run(&in.base.call, &request, show_history);
}
