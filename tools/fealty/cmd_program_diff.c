/* fealty program diff: what a new version changes, before it is published. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "call.h"
#include "commands.h"
#include "program_diff.h"

enum { KEY_VERSION = KEY_COMMAND, KEY_ON };

#define DIFF_ARENA_BYTES (64u << 20)

struct diff_input {
	struct call_input base;
	bool has_version, has_on;
	uint64_t version;
	int32_t on;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct diff_input *in = state->input;

	switch (key) {
	case KEY_VERSION:
		in->has_version = true;
		return option_number(state, "--version", arg, UINT32_MAX, &in->version);
	case KEY_ON:
		in->has_on = true;
		return option_day(state, "--on", arg, &in->on);
	default:
		return call_input_parse(key, arg, state, &in->base);
	}
}

/* ---- the two versions ---- */

/* A program's id has neither, and every file that is not in the way of one has. */
static bool
is_file(const char *word)
{
	return strpbrk(word, "./") != NULL || strcmp(word, "-") == 0;
}

static enum exit_code
tell_unreadable(const struct diff_input *in, const char *path, enum status st, const struct program_file_error *error)
{
	return st == ST_INVALID ? program_file_tell(in->base.call.json, path, error, EXIT_USAGE) :
	    cli_fail(in->base.call.json, EXIT_INTERNAL, "%s could not be read: %s", path, cli_status_words(st));
}

static enum exit_code
read_file(const struct diff_input *in, const char *path, struct program_file *file)
{
	struct program_file_error error;
	enum status st = program_file_read(path, file, &error);

	return st == ST_OK ? EXIT_DONE : tell_unreadable(in, path, st, &error);
}

static enum exit_code
take_answer(const struct diff_input *in, const Fealty__V1__Response *r, const char *name, struct program_file *file)
{
	struct program_file_error error;

	if (r->program == NULL)
		return cli_fail(in->base.call.json, EXIT_INTERNAL, "the daemon answered without the program %s", name);
	size_t len = fealty__program__v1__program__get_packed_size(r->program);
	uint8_t *definition = malloc(len + 1);
	assert(definition != NULL);
	fealty__program__v1__program__pack(r->program, definition);
	enum status st = program_file_take(name, bytes_of(definition, len), file, &error);
	free(definition);
	return st == ST_OK ? EXIT_DONE : tell_unreadable(in, name, st, &error);
}

/* The newest version that a daemon has, or the one that was asked for. */
static enum exit_code
fetch(struct diff_input *in, char *id, struct program_file *file, uint32_t *ret_version)
{
	Fealty__V1__Request request;
	Fealty__V1__ProgramGet body = FEALTY__V1__PROGRAM_GET__INIT;
	struct fealty_client *client;
	struct fealty_result result;

	in->base.call.program = id;
	call_request_init(&in->base.call, FEALTY__V1__REQUEST__OP_SHOW_PROGRAM, &request);
	body.has_version = in->has_version;
	body.version = (uint32_t)in->version;
	request.show_program = &body;
	enum exit_code code = call_client(&in->base.call, &client);
	if (code != EXIT_DONE)
		return code;
	if (fealty_call(client, &request, &result) != FEALTY_OK) {
		code = call_tell(&in->base.call, &result);
	} else {
		*ret_version = result.response->version;
		code = take_answer(in, result.response, id, file);
	}
	fealty_result_release(&result);
	fealty_client_free(client);
	return code;
}

/* ---- for people ---- */

static void
show_changes(const struct diff *diff)
{
	static const char *const titles[EFFECT_COUNT] = {
		"Publishing it will be refused", "Worse for members", "Better for members", "Otherwise",
	};

	for (size_t i = 0; i < diff->n; i++) {
		const struct change *c = &diff->changes[i];

		if (i == 0 || diff->changes[i - 1].effect != c->effect)
			(void)printf("\n%s:\n", titles[c->effect]);
		(void)printf("  - %s.\n", c->message);
	}
	if (!diff->publishable)
		return;
	(void)printf("\nAs it was:\n");
	for (size_t i = 0; i < diff->n_kept; i++)
		(void)printf("  - %s\n", diff->kept[i]);
}

static const char *
points_or_dash(const char *points)
{
	return points[0] == '\0' ? "-" : points;
}

static void
show_samples(const struct diff *diff, const struct program *p)
{
	char amount[DECIMAL_TEXT_BYTES];

	if (!diff->has_samples)
		return;
	(void)printf("\nWhat a purchase earns, without lines, store and partner, by a member who bought nothing of late:\n");
	(void)printf("  %-16s %16s %16s %16s\n", "tier", p->currency, "before", "after");
	for (size_t i = 0; i < diff->n_tiers; i++) {
		for (size_t k = 0; k < SAMPLE_AMOUNTS; k++) {
			const char *before = diff->samples_old[i].points[k], *later = diff->samples_new[i].points[k];

			(void)printf("  %-16s %16s %16s %16s%s\n", diff->tiers[i] == NULL ? "-" : diff->tiers[i],
			    decimal_format(diff->amounts[k], p->currency_digits, amount), points_or_dash(before), points_or_dash(later),
			    strcmp(before, later) == 0 ? "" : "  *");
		}
	}
}

static void
show(const struct diff *diff, const struct program_file *before, uint32_t version, const struct program_file *after)
{
	if (version > 0)
		(void)printf("%s, from version %u of the ledger to %s\n", before->program->id, version, after->path);
	else
		(void)printf("%s, from %s to %s\n", before->program->id, before->path, after->path);
	if (diff->same) {
		(void)printf("\nNothing changes: the two are the same program.\n");
		return;
	}
	show_changes(diff);
	show_samples(diff, after->program);
}

/* ---- for programs ---- */

static json_t *
side_json(const struct program_file *file, uint32_t version)
{
	json_t *object = json_new();

	json_put_text(object, "program", file->program->id);
	json_put_text(object, "file", version > 0 ? NULL : file->path);
	json_put(object, "version", version > 0 ? json_integer(version) : json_null());
	return object;
}

static void
append(json_t *list, json_t *value)
{
	int failed = json_array_append_new(list, value);

	assert(failed == 0);
}

static json_t *
changes_json(const struct diff *diff)
{
	json_t *list = json_array();

	for (size_t i = 0; i < diff->n; i++) {
		const struct change *c = &diff->changes[i];
		json_t *object = json_new();

		json_put_text(object, "effect", effect_str(c->effect));
		json_put_text(object, "topic", topic_str(c->topic));
		json_put_text(object, "key", c->key);
		json_put_text(object, "message", c->message);
		json_put_text(object, "old", c->old_text);
		json_put_text(object, "new", c->new_text);
		append(list, object);
	}
	return list;
}

static json_t *
samples_json(const struct diff *diff, const struct program *p)
{
	json_t *list = json_array();
	char amount[DECIMAL_TEXT_BYTES];

	for (size_t i = 0; diff->has_samples && i < diff->n_tiers * SAMPLE_AMOUNTS; i++) {
		size_t tier = i / SAMPLE_AMOUNTS, k = i % SAMPLE_AMOUNTS;
		const char *before = diff->samples_old[tier].points[k], *later = diff->samples_new[tier].points[k];
		json_t *object = json_new();

		json_put_text(object, "tier", diff->tiers[tier]);
		json_put_text(object, "amount", decimal_format(diff->amounts[k], p->currency_digits, amount));
		json_put_text(object, "old", before[0] == '\0' ? NULL : before);
		json_put_text(object, "new", later[0] == '\0' ? NULL : later);
		append(list, object);
	}
	return list;
}

static enum exit_code
print_json(const struct diff *diff, const struct program_file *before, uint32_t version, const struct program_file *after)
{
	json_t *object = json_new(), *kept = json_array();

	json_put_text(object, "status", diff->publishable ? "OK" : "INVALID_ARGUMENT");
	if (!diff->publishable) {
		json_put_text(object, "reason", "PROGRAM_REFUSED");
		json_put_text(object, "message", diff->changes[0].message);
	}
	json_put(object, "old", side_json(before, version));
	json_put(object, "new", side_json(after, 0));
	json_put(object, "changed", json_boolean(!diff->same));
	json_put(object, "publishable", json_boolean(diff->publishable));
	json_put(object, "changes", changes_json(diff));
	for (size_t i = 0; i < diff->n_kept; i++)
		append(kept, json_string(diff->kept[i]));
	json_put(object, "kept", kept);
	json_put(object, "samples", samples_json(diff, after->program));
	return json_print_line(object, diff->publishable ? EXIT_DONE : EXIT_REFUSED);
}

/* ---- the command ---- */

static enum exit_code
compare(const struct diff_input *in, const struct program_file *before, uint32_t version, const struct program_file *after)
{
	int64_t now_us = in->has_on ? zone_midnight_us(&after->program->zone, in->on) + US_PER_DAY / 2 : clock_system().now_us(NULL);
	enum exit_code code;
	struct arena arena;
	struct diff diff;

	arena_init(&arena, DIFF_ARENA_BYTES);
	enum status st = program_diff(before, after, now_us, &arena, &diff);
	if (st != ST_OK) {
		code = cli_fail(in->base.call.json, EXIT_INTERNAL, "%s and %s could not be compared: %s", before->path, after->path,
		    cli_status_words(st));
	} else if (in->base.call.json) {
		code = print_json(&diff, before, version, after);
	} else {
		show(&diff, before, version, after);
		code = diff.publishable ? EXIT_DONE : EXIT_REFUSED;
	}
	arena_release(&arena);
	return code;
}

enum exit_code
cmd_program_diff(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "version", KEY_VERSION, "N", 0, "Which version of the daemon's (default: the newest)", 0 },
		{ "on", KEY_ON, "DATE", 0, "Make the sample purchases at noon of this date (default: now)", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "OLD NEW.yaml",
		"Say what a new version of a program changes for members.\v"
		"OLD is a file, when it has a dot or a slash in it, or else the id of a program, of which the daemon's version is taken; NEW is a file. "
		"What is worse for members comes first, then what is better, then the rest, then what stays. The table shows what 1, 10 and 100 times "
		"the smallest step of money earn, as the engine decides it.\n\n"
		"Exit code 0: NEW can be published after OLD, changed or not. 1: publishing it would be refused, or the daemon does not have OLD. "
		"2: wrong usage, or a file that is no program. 3: no answer from the daemon.",
		call_children, NULL, NULL };
	struct diff_input in = { 0 };
	struct program_file before = { 0 }, after = { 0 };
	uint32_t version = 0;

	call_input_init(&in.base, 2, 2);
	cli_parse(&argp, argc, argv, &in);
	enum exit_code code = read_file(&in, in.base.args.v[1], &after);
	if (code == EXIT_DONE)
		code = is_file(in.base.args.v[0]) ? read_file(&in, in.base.args.v[0], &before) : fetch(&in, in.base.args.v[0], &before, &version);
	if (code == EXIT_DONE)
		code = compare(&in, &before, version, &after);
	program_file_release(&before);
	program_file_release(&after);
	return code;
}
