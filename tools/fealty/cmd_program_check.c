/* fealty program check: what publishing would say, without a daemon. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "commands.h"
#include "program_traps.h"

#define ERRORS_MAX 50			/* then others can wait */

enum { KEY_STRICT = KEY_COMMAND, KEY_ON };

struct check_input {
	struct args args;
	bool json, strict, has_on;
	int32_t on;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct check_input *in = state->input;

	switch (key) {
	case KEY_JSON:
		in->json = true;
		return 0;
	case KEY_STRICT:
		in->strict = true;
		return 0;
	case KEY_ON:
		in->has_on = true;
		return option_day(state, "--on", arg, &in->on);
	case ARGP_KEY_ARG:
		return args_take(state, arg, &in->args, 1);
	case ARGP_KEY_END:
		return args_need(state, &in->args, 1);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static enum exit_code
tell_good(const struct check_input *in, const struct program_file *file, const struct traps *traps)
{
	const struct program *p = file->program;
	enum exit_code code = in->strict && traps->n > 0 ? EXIT_REFUSED : EXIT_DONE;

	if (!in->json) {
		program_traps_tell(file->path, traps);
		(void)printf("%s: program %s (%s) is good: %zu %s, %zu %s, %s, %s; %zu bytes.\n", file->path, p->id, p->name, p->n_rules,
		    p->n_rules == 1 ? "rule" : "rules", p->n_tiers, p->n_tiers == 1 ? "tier" : "tiers", p->currency, p->timezone,
		    file->definition.len);
		if (traps->n > 0)
			(void)printf("%zu %s: it can be published, and hardly does what was meant.\n", traps->n, traps->n == 1 ? "warning" : "warnings");
		return code;
	}
	json_t *object = json_new();
	json_put_text(object, "status", "OK");
	json_put_text(object, "file", file->path);
	json_put_text(object, "program", p->id);
	json_put_text(object, "name", p->name);
	json_put_text(object, "timezone", p->timezone);
	json_put_text(object, "currency", p->currency);
	json_put_number(object, "scale", p->scale);
	json_put_number(object, "rules", p->n_rules);
	json_put_number(object, "tiers", p->n_tiers);
	json_put_number(object, "bytes", file->definition.len);
	json_put(object, "warnings", program_traps_json(traps));
	return json_print_line(object, code);
}

static enum exit_code
check(const struct check_input *in, const struct program_file *file)
{
	struct traps *traps = malloc(sizeof(*traps));

	if (traps == NULL)
		return cli_fail(in->json, EXIT_INTERNAL, "%s could not be checked: %s", file->path, cli_status_words(ST_NOMEM));
	program_traps_find(file, in->has_on ? zone_midnight_us(&file->program->zone, in->on) : clock_system().now_us(NULL), traps);
	enum exit_code code = tell_good(in, file, traps);
	free(traps);
	return code;
}

enum exit_code
cmd_program_check(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "strict", KEY_STRICT, NULL, 0, "Exit code 1 when there are warnings", 0 },
		{ "on", KEY_ON, "DATE", 0, "Look at campaigns as of this date (default: today)", 0 },
		{ "json", KEY_JSON, NULL, 0, "Print JSON", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "FILE",
		"Judge a program file as publishing it would: every key, every value, every reference.\v"
		"Exit code 1, and the lines of what is wrong, when something is: first all keys and values that cannot be read, and when there "
		"are none, all that cannot be meant, but what cannot be judged before something else is right. With --json the first is where a "
		"single one would be, and all of them in `errors`, each with line, column, field and message.\n\n"
		"What is allowed and can hardly be meant is a warning: a tier that nobody reaches, a rule that never applies, a birthday that "
		"can be moved into its own window. With --json they are in `warnings`, each with line, key and message.",
		NULL, NULL, NULL };
	struct check_input in = { 0 };
	static struct program_file_error errors[ERRORS_MAX];
	struct program_file file;
	size_t n;

	cli_parse(&argp, argc, argv, &in);
	enum status st = program_file_read_all(in.args.v[0], &file, errors, ERRORS_MAX, &n);
	enum exit_code code = EXIT_DONE;
	if (st == ST_OK)
		code = check(&in, &file);
	else if (st == ST_INVALID)
		code = program_file_tell_all(in.json, in.args.v[0], errors, n, file.text.data == NULL ? EXIT_USAGE : EXIT_REFUSED);
	else
		code = cli_fail(in.json, EXIT_INTERNAL, "%s could not be checked: %s", in.args.v[0], cli_status_words(st));
	program_file_release(&file);
	return code;
}
