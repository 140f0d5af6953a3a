/* fealty balance: all that a member has. */
#include <stdio.h>

#include "call.h"
#include "commands.h"
#include "ledger/calendar.h"
#include "show.h"

enum { KEY_AS_OF = KEY_COMMAND, KEY_POOL };

struct balance_input {
	struct call_input base;
	bool has_as_of, pool;
	int64_t as_of_us;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct balance_input *in = state->input;

	switch (key) {
	case KEY_AS_OF:
		in->has_as_of = true;
		return option_instant(state, "--as-of", arg, &in->as_of_us);
	case KEY_POOL:
		in->pool = true;
		return 0;
	default:
		return call_input_parse(key, arg, state, &in->base);
	}
}

static void
show_row(const char *what, const char *points)
{
	if (!points_are_zero(points))
		(void)printf("  %-10s %12s\n", what, points);
}

static void
show_tier_rows(const Fealty__V1__Response *r)
{
	char day[DAY_TEXT_BYTES];

	if (r->tier == NULL || r->tier[0] == '\0')
		return;
	(void)printf("  tier       %12s", r->tier);
	if (r->has_tier_since)
		(void)printf("   since %s", day_format(r->tier_since, day));
	if (r->has_tier_until && r->tier_until != DAY_NEVER)
		(void)printf("   until %s", day_format(r->tier_until, day));
	(void)putchar('\n');
	if (r->tier_earned != NULL && r->tier_earned[0] != '\0')
		(void)printf("  earned     %12s\n", r->tier_earned);
	show_row("to next", r->points_to_next);
}

static void
show_memberships(const Fealty__V1__Response *r)
{
	char day[DAY_TEXT_BYTES];

	for (size_t i = 0; i < r->n_membership; i++) {
		(void)printf("  %-10s %12s", r->membership[i]->id, r->membership[i]->state);
		if (i < r->n_membership_until)
			(void)printf("   through %s", day_format(r->membership_until[i]->until, day));
		(void)putchar('\n');
	}
}

static void
show_balance(const Fealty__V1__Response *r)
{
	char day[DAY_TEXT_BYTES], instant[INSTANT_TEXT_BYTES];

	(void)printf("Member %llu", (unsigned long long)r->member_no);
	if (r->has_as_of)
		(void)printf(" on %s", instant_format(r->as_of, instant));
	(void)printf("\n  available  %12s\n", r->available != NULL ? r->available : "0");
	show_row("pending", r->pending);
	show_row("held", r->held);
	show_row("owed", r->debt);
	for (size_t i = 0; i < r->n_expiring; i++)
		(void)printf("  %-10s %12s   through %s\n", i == 0 ? "expiring" : "", r->expiring[i]->points,
		    day_format(r->expiring[i]->last_day, day));
	show_tier_rows(r);
	for (size_t i = 0; i < r->n_vouchers; i++)
		(void)printf("  %-10s %12s\n", i == 0 ? "vouchers" : "", r->vouchers[i]);
	show_memberships(r);
	if (r->pool != NULL) {
		(void)printf("  in the pool%11s\n", r->pool->available != NULL ? r->pool->available : "0");
		show_row("its held", r->pool->held);
	}
	(void)printf("  In all: %s earned, %s spent in %llu %s.\n", POINTS(r->points_earned), r->spend != NULL ? r->spend : "0",
	    (unsigned long long)r->visits, r->visits == 1 ? "visit" : "visits");
}

enum exit_code
cmd_balance(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "as-of", KEY_AS_OF, "INSTANT", 0, "As it will be then if nothing happens; not before now", 0 },
		{ "pool", KEY_POOL, NULL, 0, "With the sums of the member's pool", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "MEMBER", "Show a member's points, what expires when, and the tier.",
		call_children, NULL, NULL };
	struct balance_input in = { 0 };
	Fealty__V1__Request request;
	Fealty__V1__Balance body = FEALTY__V1__BALANCE__INIT;

	call_input_init(&in.base, 1, 1);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.base.call, FEALTY__V1__REQUEST__OP_BALANCE, &request);
	body.member = in.base.args.v[0];
	body.has_as_of = in.has_as_of;
	body.as_of = in.as_of_us;
	body.has_pool = body.pool = in.pool;
	request.balance = &body;
	return call_run(&in.base.call, &request, show_balance);
}
