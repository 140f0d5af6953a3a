/* fealty membership: the group, and its three. */
#include <stdio.h>

#include "call.h"
#include "commands.h"
#include "ledger/calendar.h"
#include "show.h"

enum { KEY_TRIAL = KEY_COMMAND };

struct membership_input {
	struct call_input base;
	bool trial;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct membership_input *in = state->input;

	if (key != KEY_TRIAL)
		return call_input_parse(key, arg, state, &in->base);
	in->trial = true;
	return 0;
}

static void
show_memberships(const Fealty__V1__Response *r)
{
	if (r->refund != NULL)
		(void)printf("Refund %s. ", r->refund);
	for (size_t i = 0; i < r->n_membership; i++) {
		char until[DAY_TEXT_BYTES];

		(void)printf("%s: %s", r->membership[i]->id, r->membership[i]->state);
		if (i < r->n_membership_until)
			(void)printf(", through %s", day_format(r->membership_until[i]->until, until));
		(void)printf(". ");
	}
	show_done(r);
}

/* What all three have: MEMBER MEMBERSHIP. */
static void
begin(struct membership_input *in, const struct argp *argp, int argc, char **argv, Fealty__V1__Request__OpCase op, Fealty__V1__Request *request)
{
	call_input_init(&in->base, 2, 2);
	cli_parse(argp, argc, argv, in);
	call_request_init(&in->base.call, op, request);
}

enum exit_code
cmd_membership(int argc, char **argv)
{
	static const struct command commands[] = {
		{ "start", "MEMBER MEMBERSHIP", "a member joins, paid or as a trial", cmd_membership_start },
		{ "renew", "MEMBER MEMBERSHIP", "the next period is paid", cmd_membership_renew },
		{ "cancel", "MEMBER MEMBERSHIP", "a member leaves", cmd_membership_cancel },
		{ NULL, NULL, NULL, NULL },
	};

	return command_group("membership", commands, argc, argv);
}

enum exit_code
cmd_membership_start(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "trial", KEY_TRIAL, NULL, 0, "Begin with the trial, which a member has once; without it the fee is paid", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "MEMBER MEMBERSHIP", "A member joins a membership of the program, paid or as a trial.",
		receipt_children, NULL, NULL };
	struct membership_input in = { .trial = false };
	Fealty__V1__Request request;
	Fealty__V1__MembershipStart body = FEALTY__V1__MEMBERSHIP_START__INIT;

	begin(&in, &argp, argc, argv, FEALTY__V1__REQUEST__OP_MEMBERSHIP_START, &request);
	body.member = in.base.args.v[0];
	body.membership = in.base.args.v[1];
	body.has_trial = body.trial = in.trial;
	request.membership_start = &body;
	return call_run(&in.base.call, &request, show_memberships);
}

enum exit_code
cmd_membership_renew(int argc, char **argv)
{
	static const struct argp argp = { NULL, parse, "MEMBER MEMBERSHIP",
		"The fee of the next period of a membership is paid.\v"
		"From 30 days before the period begins until the end of its grace.", receipt_children, NULL, NULL };
	struct membership_input in = { .trial = false };
	Fealty__V1__Request request;
	Fealty__V1__MembershipRenew body = FEALTY__V1__MEMBERSHIP_RENEW__INIT;

	begin(&in, &argp, argc, argv, FEALTY__V1__REQUEST__OP_MEMBERSHIP_RENEW, &request);
	body.member = in.base.args.v[0];
	body.membership = in.base.args.v[1];
	request.membership_renew = &body;
	return call_run(&in.base.call, &request, show_memberships);
}

enum exit_code
cmd_membership_cancel(int argc, char **argv)
{
	static const struct argp argp = { NULL, parse, "MEMBER MEMBERSHIP",
		"Cancel a membership.\v"
		"It ends at once with a refund when the program gives one and no benefit was used in the period, and otherwise with the period.",
		receipt_children, NULL, NULL };
	struct membership_input in = { .trial = false };
	Fealty__V1__Request request;
	Fealty__V1__MembershipCancel body = FEALTY__V1__MEMBERSHIP_CANCEL__INIT;

	begin(&in, &argp, argc, argv, FEALTY__V1__REQUEST__OP_MEMBERSHIP_CANCEL, &request);
	body.member = in.base.args.v[0];
	body.membership = in.base.args.v[1];
	request.membership_cancel = &body;
	return call_run(&in.base.call, &request, show_memberships);
}
