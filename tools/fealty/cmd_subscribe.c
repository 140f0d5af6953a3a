/* fealty subscribe: follows the ledger; what is printed is flushed line by line, so that a pipe sees each transaction, or event, at once. */
#include <stdio.h>

#include "call.h"
#include "commands.h"
#include "event_text.h"
#include "ledger_text.h"

enum { KEY_AFTER = KEY_COMMAND, KEY_COUNT, KEY_TO_HEAD, KEY_EVENTS, KEY_MEMBER };

struct subscribe_input {
	struct call_options call;
	bool has_count, to_head, events;
	char *member;
	struct event_after after;
	uint64_t count;
};

struct follower {
	bool json, has_count;
	uint64_t left;
	enum exit_code code;
	struct ledger_text text;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct subscribe_input *in = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &in->call;
		return 0;
	case KEY_AFTER:
		if (!event_after_parse(arg, &in->after))
			return cli_usage(state, "--after is neither the number of a transaction nor the id of an event: %s", arg);
		return 0;
	case KEY_EVENTS:
		in->events = true;
		return 0;
	case KEY_MEMBER:
		in->member = arg;
		return 0;
	case ARGP_KEY_END:
		if (in->after.is_event && !in->events)
			return cli_usage(state, "--after names an event, which goes with --events alone; name a transaction");
		return 0;
	case KEY_COUNT:
		in->has_count = true;
		return option_number(state, "--count", arg, UINT64_MAX, &in->count);
	case KEY_TO_HEAD:
		in->to_head = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static bool
on_transaction(void *ctx, const struct fealty_transaction *t)
{
	struct follower *f = ctx;
	struct bytes leaf = bytes_of(t->data, t->data_bytes);

	if (f->json) {
		json_t *object = ledger_text_json(leaf);
		f->code = object != NULL ? json_print_line(object, EXIT_DONE) : EXIT_INTERNAL;
	} else if (ledger_text_print(&f->text, leaf, false, stdout) != ST_OK) {
		f->code = EXIT_INTERNAL;
	}
	if (f->code != EXIT_DONE)
		(void)cli_fail(f->json, f->code, "transaction %llu cannot be read or printed", (unsigned long long)t->seq);
	if (f->code != EXIT_DONE || fflush(stdout) != 0)
		return false;
	return !f->has_count || --f->left > 0;
}

static bool
on_event(void *ctx, const struct fealty_event *e)
{
	struct follower *f = ctx;

	if (f->json)
		f->code = json_print_line(event_json(e->event), EXIT_DONE);
	else
		event_print(e->event, stdout);
	if (f->code != EXIT_DONE || fflush(stdout) != 0)
		return false;
	return !f->has_count || --f->left > 0;
}

static enum exit_code
follow(const struct subscribe_input *in, struct fealty_client *client, const Fealty__V1__Request *request)
{
	struct follower follower = { .json = in->call.json, .has_count = in->has_count, .left = in->count };
	struct fealty_subscriber subscriber = { .ctx = &follower, .on_transaction = on_transaction, .on_event = on_event,
		.stop_at_head = in->to_head };
	struct fealty_result result;

	ledger_text_init(&follower.text);
	if (!in->call.json && !in->events && in->after.is_seq)
		call_learn_program(&in->call, client, 1, &follower.text);
	if (fealty_subscribe(client, request, &subscriber, &result) != FEALTY_OK)
		follower.code = call_tell(&in->call, &result);
	fealty_result_release(&result);
	ledger_text_release(&follower.text);
	return follower.code;
}

enum exit_code
cmd_subscribe(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "after", KEY_AFTER, "SEQ", 0, "Those behind this transaction, or with --events behind this event (default: from the first)", 0 },
		{ "events", KEY_EVENTS, NULL, 0, "What happened to members, for a CRM, instead of transactions", 0 },
		{ "member", KEY_MEMBER, "MEMBER", 0, "Only what concerns this member (--program: only what is of this program)", 0 },
		{ "count", KEY_COUNT, "N", 0, "End after so many", 0 },
		{ "to-head", KEY_TO_HEAD, NULL, 0, "End when nothing newer is there", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, NULL,
		"Follow the ledger: one transaction a line, or one event, as they are written.\v"
		"Goes on by itself when the connection is lost; --timeout limits how long it tries. Ends with --count, --to-head, or when "
		"it is interrupted.",
		call_children, NULL, NULL };
	struct subscribe_input in = { 0 };
	struct fealty_client *client;
	Fealty__V1__Request request;
	Fealty__V1__Subscribe body = FEALTY__V1__SUBSCRIBE__INIT;

	call_options_init(&in.call, 60000);
	cli_parse(&argp, argc, argv, &in);
	if (in.has_count && in.count == 0)
		return EXIT_DONE;
	enum exit_code code = call_client(&in.call, &client);
	if (code != EXIT_DONE)
		return code;
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_SUBSCRIBE, &request);
	request.key = NULL;
	event_after_put(&in.after, &body);
	body.member = in.member;
	body.has_events = body.events = in.events;
	request.subscribe = &body;
	code = follow(&in, client, &request);
	fealty_client_free(client);
	return code;
}
