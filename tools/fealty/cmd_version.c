/* fealty version: of this program, and of what it reads and writes. */
#include <stdio.h>

#include "commands.h"
#include "ledger/ledger.h"

#define PROTOCOL_VERSION 1
#define LEDGER_FORMAT 1

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	bool *json = state->input;

	(void)arg;
	if (key != KEY_JSON)
		return ARGP_ERR_UNKNOWN;
	*json = true;
	return 0;
}

enum exit_code
cmd_version(int argc, char **argv)
{
	static const struct argp_option options[] = { { "json", KEY_JSON, NULL, 0, "Print JSON", 0 }, { 0 } };
	static const struct argp argp = { options, parse, NULL, "Print the version of fealty, and of what it speaks and reads.", NULL, NULL,
		NULL };
	bool json = false;

	cli_parse(&argp, argc, argv, &json);
	if (!json) {
		(void)printf("fealty %s (protocol %d, ledger format %d, engine %d)\n", FEALTY_VERSION, PROTOCOL_VERSION, LEDGER_FORMAT,
		    LEDGER_ENGINE);
		return EXIT_DONE;
	}
	json_t *object = json_new();
	json_put_text(object, "version", FEALTY_VERSION);
	json_put_number(object, "protocol", PROTOCOL_VERSION);
	json_put_number(object, "format", LEDGER_FORMAT);
	json_put_number(object, "engine", LEDGER_ENGINE);
	return json_print_line(object, EXIT_DONE);
}
