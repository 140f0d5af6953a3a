/* fealty admin: operating a daemon. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "call.h"
#include "commands.h"
#include "ledger/calendar.h"

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	if (key != ARGP_KEY_INIT)
		return ARGP_ERR_UNKNOWN;
	state->child_inputs[0] = state->input;
	return 0;
}

static void
show_accepted(const Fealty__V1__Response *r)
{
	(void)printf("The clock is accepted (%s); writes go on.\n", r->id != NULL ? r->id : "-");
}

static enum exit_code
clock_accept(int argc, char **argv)
{
	static const struct argp argp = { NULL, parse, NULL,
		"Vouch for a clock that jumped ahead.\v"
		"When the clock is further ahead than the daemon believes, writes wait, so that points do not expire by mistake. If the "
		"clock is right, accept it; "
		"that is recorded in the ledger. If it is wrong, set it right instead.",
		call_children, NULL, NULL };
	struct call_options options;
	Fealty__V1__Request request;
	Fealty__V1__ClockAccept body = FEALTY__V1__CLOCK_ACCEPT__INIT;

	call_options_init(&options, 10000);
	cli_parse(&argp, argc, argv, &options);
	call_request_init(&options, FEALTY__V1__REQUEST__OP_CLOCK_ACCEPT, &request);
	request.clock_accept = &body;
	return call_run(&options, &request, show_accepted);
}

static enum exit_code
admin_clock(int argc, char **argv)
{
	static const struct command commands[] = {
		{ "accept", "", "vouch for a clock that jumped ahead", clock_accept },
		{ NULL, NULL, NULL, NULL },
	};

	return command_group("admin clock", commands, argc, argv);
}

/* ---- the vault's epochs ---- */

#define POLL_NS 100000000L

static void
show_vault(const Fealty__V1__Response *r)
{
	const Fealty__V1__VaultState *v = r->vault;
	char at[INSTANT_TEXT_BYTES];

	if (v == NULL)
		return;
	(void)printf("The vault is in epoch %" PRIu64 ", which began %s.\n", v->epoch, v->begun_at != 0 ? instant_format(v->begun_at, at) : "at an unknown time");
	if (v->turning)
		(void)printf("The next is being made.\n");
	if (v->failed != NULL)
		(void)printf("The newest turn came to nothing: %s. The daemon's log says more, and it tries again.\n", v->failed);
	for (size_t i = 0; i < v->n_old; i++)
		(void)printf("  key of epoch %" PRIu64 ": kept until %s\n", v->old[i]->epoch, instant_format(v->old[i]->destroyed_at, at));
}

static enum exit_code
ask_vault(const struct call_options *options, struct fealty_client *client, bool rotate, struct fealty_result *ret_result)
{
	Fealty__V1__Vault body = FEALTY__V1__VAULT__INIT;
	Fealty__V1__Request request;

	call_request_init(options, FEALTY__V1__REQUEST__OP_VAULT, &request);
	body.has_rotate = body.rotate = rotate;
	request.vault = &body;
	if (fealty_call(client, &request, ret_result) == FEALTY_OK && ret_result->response->vault != NULL)
		return EXIT_DONE;
	enum exit_code code = call_tell(options, ret_result);
	fealty_result_release(ret_result);
	return code;
}

/* Until the turn that was asked for is over; it may take minutes, and goes on without us. */
static enum exit_code
wait_turned(const struct call_options *options, struct fealty_client *client, struct fealty_result *result)
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	enum exit_code code = EXIT_DONE;

	while (code == EXIT_DONE && result->response->vault->turning) {
		fealty_result_release(result);
		nanosleep(&pause, NULL);
		code = ask_vault(options, client, false, result);
	}
	return code;
}

static enum exit_code
tell_vault(const struct call_options *options, const struct fealty_result *result, bool rotate)
{
	const char *failed = rotate ? result->response->vault->failed : NULL;

	if (failed != NULL)
		return cli_fail(options->json, EXIT_INTERNAL, "the vault's epoch did not turn (%s): the vault is as it was, and the daemon's log says more", failed);
	if (options->json)
		return json_print_line(response_json(result->response, NULL), EXIT_DONE);
	show_vault(result->response);
	return EXIT_DONE;
}

static enum exit_code
run_vault(int argc, char **argv, const struct argp *argp, bool rotate)
{
	struct call_options options;
	struct fealty_client *client;
	struct fealty_result result;

	call_options_init(&options, CALL_TIMEOUT_MS);
	cli_parse(argp, argc, argv, &options);
	enum exit_code code = call_client(&options, &client);
	if (code != EXIT_DONE)
		return code;
	code = ask_vault(&options, client, rotate, &result);
	if (code == EXIT_DONE && rotate)
		code = wait_turned(&options, client, &result);
	if (code == EXIT_DONE) {
		code = tell_vault(&options, &result, rotate);
		fealty_result_release(&result);
	}
	fealty_client_free(client);
	return code;
}

static enum exit_code
vault_show(int argc, char **argv)
{
	static const struct argp argp = { NULL, parse, NULL, "Show in which epoch the vault is, and how long the keys of old ones are kept.", connect_children, NULL,
		NULL };

	return run_vault(argc, argv, &argp, false);
}

static enum exit_code
vault_rotate(int argc, char **argv)
{
	static const struct argp argp = { NULL, parse, NULL,
		"Turn the vault's epoch now, and wait until it is done.\v"
		"All rows that are left are copied into a fresh file under fresh keys, the hashes of aliases too; what was erased is left behind. The daemon does it by "
		"itself each night (--epoch-hours), beside commands. The key of the old epoch is destroyed after --erasure-days: then no backup shows either "
		"who was erased. It is not recorded in the ledger, which says the same after it.",
		connect_children, NULL, NULL };

	return run_vault(argc, argv, &argp, true);
}

static enum exit_code
admin_vault(int argc, char **argv)
{
	static const struct command commands[] = {
		{ "rotate", "", "a fresh vault under fresh keys, without what was erased", vault_rotate },
		{ "show", "", "its epoch, and the keys of old ones", vault_show },
		{ NULL, NULL, NULL, NULL },
	};

	return command_group("admin vault", commands, argc, argv);
}

/* ---- the scrub ---- */

enum { OPT_SCRUB_NOW = 0x2000 };

static void
show_scrub_pass(const Fealty__V1__ScrubState *b)
{
	char at[INSTANT_TEXT_BYTES];

	if (b->running && b->stage != NULL)
		(void)printf("A pass is at the %s: %" PRIu64 " of %" PRIu64 " transactions.\n", b->stage, b->position, b->size);
	else if (b->running)
		(void)printf("A pass is about to begin.\n");
	if (b->passes > 0)
		(void)printf("The newest whole pass ended %s and took %" PRIu64 ".%03" PRIu64 " s; it was the %" PRIu64 ". since the daemon started.\n",
		    instant_format(b->last_at, at), b->last_ms / 1000, b->last_ms % 1000, b->passes);
	else
		(void)printf("No whole pass has ended since the daemon started.\n");
	if (!b->direct && b->bytes > 0)
		(void)printf("The file system answers from memory: what rots on the disk may be seen only after a restart of the machine.\n");
}

static void
show_scrub_faults(const Fealty__V1__ScrubState *b)
{
	if (b->known_faults == 0)
		(void)printf("No damage is known.\n");
	else
		(void)printf("Damage that is known: %" PRIu64 ".\n", b->known_faults);
	for (size_t i = 0; i < b->n_faults; i++) {
		const Fealty__V1__ScrubFault *f = b->faults[i];
		(void)printf("  %s: %s: %s.\n    What to do: %s.\n", f->environment, f->where, f->what, f->remedy);
	}
}

static enum exit_code
tell_scrub(const struct call_options *options, const Fealty__V1__Response *response, bool now)
{
	const Fealty__V1__ScrubState *b = response->scrub;

	if (b == NULL || (now && !b->enabled))
		return cli_fail(options->json, EXIT_REFUSED, "the scrub is off: start fealtyd with --scrub-mib-per-second above 0");
	if (options->json)
		return json_print_line(response_json(response, NULL), b->known_faults == 0 ? EXIT_DONE : EXIT_REFUSED);
	if (!b->enabled) {
		(void)printf("The scrub is off: fealtyd runs with --scrub-mib-per-second 0.\n");
		return EXIT_DONE;
	}
	(void)printf("Read from the disk at up to %" PRIu64 " KiB/s; %" PRIu64 " transactions and %" PRIu64 " bytes since the daemon started.\n",
	    b->bytes_per_second / 1024, b->transactions, b->bytes);
	show_scrub_pass(b);
	show_scrub_faults(b);
	return b->known_faults == 0 ? EXIT_DONE : EXIT_REFUSED;
}

struct scrub_arguments {
	struct call_options call;
	bool now;
};

static error_t
parse_scrub(int key, char *arg, struct argp_state *state)
{
	struct scrub_arguments *in = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &in->call; return 0;
	case OPT_SCRUB_NOW: in->now = true; return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

static enum exit_code
admin_scrub(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "now", OPT_SCRUB_NOW, NULL, 0, "Begin a pass, unless one is running; it goes on behind this command", 0 },
		{ 0 }
	};
	static const struct argp argp = { options, parse_scrub, NULL,
		"Show what the daemon reads of the disk in the background, and what of it is damaged.\v"
		"The daemon reads ledger and vault from the disk, over and over (--scrub-mib-per-second), and compares them with hashes and signatures. A pass begins "
		"with the daemon and an hour after the one before. Exit status 1: damage is known.",
		connect_children, NULL, NULL };
	struct scrub_arguments in = { .now = false };
	struct fealty_client *client;
	struct fealty_result result;
	Fealty__V1__Scrub body = FEALTY__V1__SCRUB__INIT;
	Fealty__V1__Request request;

	call_options_init(&in.call, CALL_TIMEOUT_MS);
	cli_parse(&argp, argc, argv, &in);
	enum exit_code code = call_client(&in.call, &client);
	if (code != EXIT_DONE)
		return code;
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_SCRUB, &request);
	body.has_now = body.now = in.now;
	request.scrub = &body;
	bool answered = fealty_call(client, &request, &result) == FEALTY_OK;
	code = answered ? tell_scrub(&in.call, result.response, in.now) : call_tell(&in.call, &result);
	fealty_result_release(&result);
	fealty_client_free(client);
	return code;
}

enum exit_code
cmd_admin(int argc, char **argv)
{
	static const struct command commands[] = {
		{ "clock", "accept", "vouch for a clock that jumped ahead", admin_clock },
		{ "vault", "rotate|show", "the epochs of the vault's keys", admin_vault },
		{ "scrub", "", "what is read of the disk in the background, and what of it is damaged", admin_scrub },
		{ NULL, NULL, NULL, NULL },
	};

	return command_group("admin", commands, argc, argv);
}
