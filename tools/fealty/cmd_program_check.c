/* fealty program check: what publishing would say, without a daemon. */
#include <stdio.h>

#include "commands.h"
#include "program_file.h"

struct check_input {
	struct args args;
	bool json;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct check_input *in = state->input;

	switch (key) {
	case KEY_JSON:
		in->json = true;
		return 0;
	case ARGP_KEY_ARG:
		return args_take(state, arg, &in->args, 1);
	case ARGP_KEY_END:
		return args_need(state, &in->args, 1);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static enum exit_code
tell_good(bool json, const struct program_file *file)
{
	const struct program *p = file->program;

	if (!json) {
		(void)printf("%s: program %s (%s) is good: %zu %s, %zu %s, %s, %s; %zu bytes.\n", file->path, p->id, p->name, p->n_rules,
		    p->n_rules == 1 ? "rule" : "rules", p->n_tiers, p->n_tiers == 1 ? "tier" : "tiers", p->currency, p->timezone,
		    file->definition.len);
		return EXIT_DONE;
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
	return json_print_line(object, EXIT_DONE);
}

enum exit_code
cmd_program_check(int argc, char **argv)
{
	static const struct argp_option options[] = { { "json", KEY_JSON, NULL, 0, "Print JSON", 0 }, { 0 } };
	static const struct argp argp = { options, parse, "FILE",
		"Judge a program file as publishing it would: every key, every value, every reference.\v"
		"Exit code 1 and the line of what is wrong first, when something is. Options that the language has and the daemon does not "
		"evaluate yet "
		"are refused by name.",
		NULL, NULL, NULL };
	struct check_input in = { 0 };
	struct program_file file;
	struct program_file_error error;

	cli_parse(&argp, argc, argv, &in);
	enum status st = program_file_read(in.args.v[0], &file, &error);
	enum exit_code code = EXIT_DONE;
	if (st == ST_OK)
		code = tell_good(in.json, &file);
	else if (st == ST_INVALID)
		code = program_file_tell(in.json, in.args.v[0], &error, file.text.data == NULL ? EXIT_USAGE : EXIT_REFUSED);
	else
		code = cli_fail(in.json, EXIT_INTERNAL, "%s could not be checked: %s", in.args.v[0], cli_status_words(st));
	program_file_release(&file);
	return code;
}
