/*
 * fealty simulate: programs over a file of events, in memory.  An event that is refused is an answer like any other; what ends the run
 * with exit code 2 is a file that is not what it should be: a line that is no JSON, time that runs backwards, an expectation of a key
 * that does not exist, a version that never came into force.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "commands.h"
#include "program_file.h"
#include "sim_expect.h"
#include "sim_reader.h"
#include "sim_report.h"
#include "sim_summary.h"

enum { KEY_CHECK = KEY_COMMAND, KEY_SUMMARY, KEY_SYSTEM, KEY_EVENTS };

#define ZONE_DIRECTORY "/usr/share/zoneinfo/"
#define OUTPUT_BYTES (1u << 20)
#define ARENA_BYTES_MAX ((size_t)64 << 20)

struct simulation {
	struct args args;
	bool json, check, summary, system, events, quiet;
	size_t n_programs;
	const char **paths;
	struct program_file *programs;
	struct buf *zones;
	struct sim_file *files;

	struct sim sim;
	struct sim_tally tally;
	json_t *ids;			/* that a dotted key of `expect` may name */
	const char *path;		/* of the events */
	unsigned line;
	uint64_t checked, differing;
	struct buf reply, text;		/* a Response and its JSON; what the system does comes in between, so it has its own */
	struct buf system_reply, system_text;
	struct buf events_text;		/* lines that a batch which fails takes back */
	char place[96];			/* of the field for which one failed */
	struct arena arena;		/* of printing */
	enum status status;		/* of a callback */
};

static error_t
add_program(struct simulation *s, const char *path)
{
	const char **grown = realloc(s->paths, (s->n_programs + 1) * sizeof(char *));

	if (grown == NULL)
		return ENOMEM;
	s->paths = grown;
	s->paths[s->n_programs++] = path;
	return 0;
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct simulation *s = state->input;

	switch (key) {
	case KEY_PROGRAM: return add_program(s, arg);
	case KEY_CHECK: s->check = true; return 0;
	case KEY_SUMMARY: s->summary = true; return 0;
	case KEY_SYSTEM: s->system = true; return 0;
	case KEY_EVENTS: s->events = true; return 0;
	case KEY_JSON: s->json = true; return 0;
	case 'q': s->quiet = true; return 0;
	case ARGP_KEY_ARG: return args_take(state, arg, &s->args, 1);
	case ARGP_KEY_END:
		if (s->n_programs == 0)
			return cli_usage(state, "no program is given; say --program FILE.yaml");
		return args_need(state, &s->args, 1);
	default: return ARGP_ERR_UNKNOWN;
	}
}

/* ---- programs ---- */

static enum exit_code
read_program(struct simulation *s, size_t i)
{
	struct program_file_error error;
	struct program_file *file = &s->programs[i];
	char path[160];

	enum status st = program_file_read(s->paths[i], file, &error);
	if (st == ST_INVALID)
		return program_file_tell(s->json, s->paths[i], &error, EXIT_USAGE);
	if (st != ST_OK)
		return cli_fail(s->json, EXIT_INTERNAL, "%s: %s", s->paths[i], cli_status_words(st));
	(void)snprintf(path, sizeof(path), ZONE_DIRECTORY "%s", file->program->timezone);
	st = file_read_all(path, CALENDAR_ZONE_DATA_BYTES_MAX, &s->zones[i]);
	if (st != ST_OK)
		return cli_fail(s->json, EXIT_INTERNAL, "%s: %s", path, cli_status_words(st));
	s->files[i] = (struct sim_file){
		.path = s->paths[i], .definition = buf_bytes(&file->definition), .zone_data = buf_bytes(&s->zones[i]), .program = file->program,
	};
	st = sim_expect_ids(s->ids, s->files[i].definition, &s->arena);
	arena_reset(&s->arena);
	return st == ST_OK ? EXIT_DONE : cli_fail(s->json, EXIT_INTERNAL, "%s: %s", s->paths[i], cli_status_words(st));
}

static enum exit_code
read_programs(struct simulation *s)
{
	enum exit_code code = EXIT_DONE;

	s->programs = calloc(s->n_programs, sizeof(*s->programs));
	s->zones = calloc(s->n_programs, sizeof(*s->zones));
	s->files = calloc(s->n_programs, sizeof(*s->files));
	if (s->programs == NULL || s->zones == NULL || s->files == NULL)
		return cli_fail(s->json, EXIT_INTERNAL, "%s", cli_status_words(ST_NOMEM));
	for (size_t i = 0; i < s->n_programs && code == EXIT_DONE; i++)
		code = read_program(s, i);
	return code;
}

/* ---- printing ---- */

static enum status
print_json(struct simulation *s, const struct buf *reply, struct buf *text)
{
	buf_clear(text);
	enum status st = codec_json_print(CODEC_RESPONSE, buf_bytes(reply), false, &s->arena, text);
	arena_reset(&s->arena);
	return st;
}

static enum status
reply_text(struct simulation *s)
{
	return print_json(s, &s->reply, &s->text);
}

static void
print_text(const struct buf *text)
{
	(void)fwrite(text->data, 1, text->len, stdout);
	(void)putchar('\n');
}

/* What the system did: a reply that begins with the operation, the instant it was due at, and the member. */
static enum status
print_system(struct simulation *s, const struct entry *entry, struct entry_id id)
{
	const struct sim_profile *profile = sim_book_profile(&s->sim.book, entry->program, entry->member);
	char at[INSTANT_TEXT_BYTES];

	buf_clear(&s->system_reply);
	enum status st = sim_answer_entry(&s->sim, entry, id, &s->system_reply);
	if (st == ST_OK)
		st = print_json(s, &s->system_reply, &s->system_text);
	if (st != ST_OK)
		return st;
	json_t *member = profile == NULL || profile->n_aliases == 0 ? json_null() : json_string(profile->aliases[0]);
	char *alias = json_dumps(member, JSON_ENCODE_ANY);
	json_decref(member);
	if (alias == NULL)
		return ST_NOMEM;
	(void)printf("{\"op\":\"%s\",\"at\":\"%s\",\"member\":%s,", op_str(entry->op), instant_format(entry->due_at_us, at), alias);
	free(alias);
	(void)fwrite(s->system_text.data + 1, 1, s->system_text.len - 1, stdout);
	(void)putchar('\n');
	return ST_OK;
}

static enum status
print_events(struct simulation *s, const struct entry *entry, struct entry_id id)
{
	const struct ledger_state *state = &s->sim.state.ledger;
	const struct program *program = state->program_version(state->ctx, entry->program, entry->program_version);
	struct crm_event *events;
	struct arena arena;
	size_t n;

	arena_init(&arena, ARENA_BYTES_MAX);
	enum status st = crm_events(entry, id, s->sim.now_us, program, &arena, &events, &n);
	for (size_t i = 0; st == ST_OK && i < n; i++) {
		buf_clear(&s->system_reply);
		buf_clear(&s->system_text);
		codec_event_encode(&events[i], &s->system_reply);
		st = codec_json_print(CODEC_EVENT, buf_bytes(&s->system_reply), false, &s->arena, &s->system_text);
		arena_reset(&s->arena);
		buf_put(&s->events_text, s->system_text.data, s->system_text.len);
		buf_put(&s->events_text, "\n", 1);
	}
	arena_release(&arena);
	return st == ST_OK ? buf_status(&s->events_text) : st;
}

static void
on_entry(void *ctx, const struct entry *entry, struct entry_id id)
{
	struct simulation *s = ctx;

	sim_tally_entry(&s->tally, entry);
	if (s->system && entry->has_due_at && s->status == ST_OK)
		s->status = print_system(s, entry, id);
	if (s->events && s->status == ST_OK)
		s->status = print_events(s, entry, id);
}

static void
on_difference(void *ctx, const char *key, json_t *expected, json_t *got)
{
	const struct simulation *s = ctx;
	char *wanted = json_dumps(expected, JSON_ENCODE_ANY | JSON_COMPACT);
	char *have = got == NULL ? NULL : json_dumps(got, JSON_ENCODE_ANY | JSON_COMPACT);

	(void)fprintf(stderr, "%s:%u: %s: expected %s, got %s\n", s->path, s->line, key,
	    wanted == NULL ? "?" : wanted, have == NULL ? "nothing" : have);
	free(wanted);
	free(have);
}

static enum status
compare(struct simulation *s, json_t *expect)
{
	json_t *reply = json_loadb((const char *)s->text.data, s->text.len, 0, NULL);

	if (reply == NULL)
		return ST_CORRUPT;
	s->checked++;
	if (!sim_expect_compare(expect, reply, on_difference, s)) {
		s->differing++;
		(void)fprintf(stderr, "%s:%u: the reply was %.*s\n", s->path, s->line, (int)s->text.len, (const char *)s->text.data);
	}
	json_decref(reply);
	return ST_OK;
}

/* ---- playing ---- */

static void
count(struct sim_tally *tally, const struct sim_call *call)
{
	tally->by_reason[call->refusal.result]++;
	if (call->refusal.result != LEDGER_OK)
		tally->refused++;
	else if (call->replayed)
		tally->replayed++;
	else if (request_op_writes(call->request->op))
		tally->applied++;
}

static enum status
play(struct simulation *s, const struct sim_event *event, size_t i, struct buf *out, struct refusal *ret_refusal)
{
	struct sim_call call = { .principal = event->principal, .request = &event->batch.commands[i], .refusal = event->batch.refusals[i] };

	if (event->publish != NULL)
		call.file = sim_next_version(&s->sim, event->publish);
	if (event->is_batch && call.refusal.result == LEDGER_OK && call.request->has_at && call.request->at_us != s->sim.now_us)
		sim_refuse(&call.refusal, LEDGER_INVALID_ARGUMENT, "at", "The commands of a batch happen at the batch's `at`; leave it out of them.");
	enum status st = sim_play(&s->sim, &call, out);
	count(&s->tally, &call);
	*ret_refusal = call.refusal;
	return st;
}

/* As a daemon says where in a batch it is. */
static const char *
field_of(struct simulation *s, size_t index, const char *field)
{
	(void)snprintf(s->place, sizeof(s->place), "commands[%zu]%s%.60s", index, field == NULL ? "" : ".", field == NULL ? "" : field);
	return s->place;
}

/* All of a batch; the replies as a list in s->text when ${want}. */
static enum status
play_commands(struct simulation *s, const struct sim_event *event, bool want, struct buf *list, struct refusal *ret_whole)
{
	struct refusal refusal;
	enum status st = ST_OK;

	for (size_t i = 0; i < event->batch.n && st == ST_OK; i++) {
		buf_clear(&s->reply);
		st = play(s, event, i, want ? &s->reply : NULL, &refusal);
		if (st == ST_OK && event->batch.atomic && refusal.result != LEDGER_OK) {
			*ret_whole = refusal;
			ret_whole->field = field_of(s, i, refusal.field);
			return ST_OK;
		}
		if (st == ST_OK && want)
			st = reply_text(s);
		if (st == ST_OK && want) {
			buf_put(list, i == 0 ? "[" : ",", 1);
			buf_put(list, s->text.data, s->text.len);
		}
	}
	return st;
}

static enum status
play_batch(struct simulation *s, const struct sim_event *event, bool want)
{
	struct refusal whole = event->batch.refusal;
	struct buf list;
	enum status st = ST_OK;
	size_t told = s->events_text.len;

	buf_init(&list);
	if (event->batch.atomic)
		sim_mark(&s->sim);
	if (whole.result == LEDGER_OK)
		st = play_commands(s, event, want, &list, &whole);
	if (event->batch.atomic && whole.result == LEDGER_OK) {
		sim_keep(&s->sim);
	} else if (event->batch.atomic && st == ST_OK) {
		st = sim_back(&s->sim);
		s->events_text.len = told;
	}
	if (st == ST_OK && want) {
		buf_clear(&s->reply);
		st = sim_refusal(&s->sim, &whole, &s->reply);
		if (st == ST_OK)
			st = reply_text(s);
	}
	if (st == ST_OK && want && whole.result == LEDGER_OK) {
		s->text.len--;		/* its closing brace */
		buf_put(&s->text, ",\"results\":", 11);
		buf_put(&s->text, list.data, list.len);
		buf_put(&s->text, "]}", 2);
		st = buf_status(&list) == ST_OK ? buf_status(&s->text) : ST_NOMEM;
	}
	buf_release(&list);
	return st;
}

/* The reply with the rows at its end. */
static enum status
rows_text(struct simulation *s, const struct refusal *refusal, json_t *rows)
{
	buf_clear(&s->reply);
	enum status st = sim_refusal(&s->sim, refusal, &s->reply);
	if (st == ST_OK)
		st = reply_text(s);
	if (st != ST_OK || rows == NULL)
		return st;
	char *text = json_dumps(rows, JSON_COMPACT);
	if (text == NULL)
		return ST_NOMEM;
	s->text.len--;			/* its closing brace */
	buf_put(&s->text, ",\"rows\":", 8);
	buf_put(&s->text, text, strlen(text));
	buf_put(&s->text, "}", 1);
	free(text);
	return buf_status(&s->text);
}

static enum status
play_report(struct simulation *s, const struct sim_event *event, bool want)
{
	struct refusal refusal = event->batch.refusals[0];
	json_t *rows = NULL;

	enum status st = refusal.result == LEDGER_OK ? sim_report(&s->sim, &event->report, &refusal, &rows) : ST_OK;
	s->tally.by_reason[refusal.result]++;
	s->tally.refused += refusal.result != LEDGER_OK;
	if (st == ST_OK && want)
		st = rows_text(s, &refusal, rows);
	json_decref(rows);
	return st;
}

static enum status
play_event(struct simulation *s, struct sim_event *event)
{
	struct refusal refusal;
	bool print = !s->quiet && (!s->summary || s->json), want = print || (s->check && event->expect != NULL);
	enum status st;

	if (event->is_batch) {
		st = play_batch(s, event, want);
	} else if (event->is_report) {
		st = play_report(s, event, want);
	} else {
		buf_clear(&s->reply);
		st = play(s, event, 0, want ? &s->reply : NULL, &refusal);
		if (st == ST_OK && want)
			st = reply_text(s);
	}
	if (st == ST_OK && s->status != ST_OK)
		st = s->status;
	if (st == ST_OK)
		st = sim_event_end(&s->sim);
	if (s->events_text.len > 0)
		(void)fwrite(s->events_text.data, 1, s->events_text.len, stdout);
	buf_clear(&s->events_text);
	if (st == ST_OK && print)
		print_text(&s->text);
	if (st == ST_OK && s->check && event->expect != NULL)
		st = compare(s, event->expect);
	return st;
}

/* ---- the file ---- */

static enum exit_code
fail_line(const struct simulation *s, const char *sentence)
{
	return cli_fail(s->json, EXIT_USAGE, "%s:%u: %s", s->path, s->line, sentence);
}

static enum exit_code
tell_trouble(const struct simulation *s, enum status st)
{
	if (st == ST_INVALID)
		return cli_fail(s->json, EXIT_USAGE, "%s", s->sim.trouble);
	return cli_fail(s->json, EXIT_INTERNAL, "%s:%u: %s", s->path, s->line, s->sim.trouble[0] != '\0' ? s->sim.trouble : cli_status_words(st));
}

static enum exit_code
run_event(struct simulation *s, struct sim_event *event)
{
	const char *unknown = event->expect == NULL ? NULL : sim_expect_unknown(event->expect, s->ids);
	enum status st = ST_OK;

	if (unknown != NULL)
		return cli_fail(s->json, EXIT_USAGE, "%s:%u: no reply has the key `%s` that is expected", s->path, s->line, unknown);
	if (event->has_at && s->sim.started && event->at_us < s->sim.now_us)
		return fail_line(s, "`at` is before that of an earlier line; time does not run backwards");
	if (event->has_at)
		st = sim_clock(&s->sim, event->at_us);
	if (st == ST_OK)
		st = play_event(s, event);
	return st == ST_OK ? EXIT_DONE : tell_trouble(s, st);
}

static enum exit_code
run_line(struct simulation *s, struct sim_line *line)
{
	s->line = line->number;
	s->tally.events++;
	if (line->status == ST_OK)
		return run_event(s, &line->event);
	if (line->status == ST_INVALID)
		return fail_line(s, line->error.sentence);
	if (line->status == ST_IO)
		return cli_fail(s->json, EXIT_USAGE, "%s cannot be read: %s", s->path, strerror(line->error_number));
	return tell_trouble(s, line->status);
}

static enum exit_code
run_lines(struct simulation *s, FILE *in)
{
	enum exit_code code = EXIT_DONE;
	struct sim_reader *reader;
	struct sim_line *line;

	enum status st = sim_reader_new(in, &reader);
	if (st != ST_OK)
		return cli_fail(s->json, EXIT_INTERNAL, "%s", cli_status_words(st));
	while (code == EXIT_DONE && (line = sim_reader_next(reader)) != NULL)
		code = run_line(s, line);
	sim_reader_free(reader);
	return code;
}

static enum exit_code
run_file(struct simulation *s)
{
	bool standard_input = strcmp(s->args.v[0], "-") == 0;
	FILE *in = standard_input ? stdin : fopen(s->args.v[0], "re");

	s->path = standard_input ? "standard input" : s->args.v[0];
	if (in == NULL)
		return cli_fail(s->json, EXIT_USAGE, "%s cannot be read: %s", s->path, strerror(errno));
	enum exit_code code = run_lines(s, in);
	if (!standard_input)
		(void)fclose(in);
	for (size_t i = 0; i < s->n_programs && code == EXIT_DONE && s->sim.started; i++) {
		if (!s->files[i].published)
			code = cli_fail(s->json, EXIT_USAGE, "%s never came into force: no `publish` event of %s puts it there", s->paths[i],
			    s->files[i].program->id);
	}
	return code;
}

static enum exit_code
conclude(struct simulation *s)
{
	enum exit_code code = EXIT_DONE;

	if (s->summary)
		code = sim_summary_print(&s->sim, &s->tally, s->json);
	if (!s->check)
		return code;
	(void)fflush(stdout);
	(void)fprintf(stderr, "%s: %llu events, %llu with expectations, %llu of them not met\n", s->path, (unsigned long long)s->tally.events,
	    (unsigned long long)s->checked, (unsigned long long)s->differing);
	return s->differing > 0 ? EXIT_REFUSED : code;
}

static void
release(struct simulation *s)
{
	sim_release(&s->sim);
	for (size_t i = 0; i < s->n_programs && s->programs != NULL && s->zones != NULL; i++) {
		program_file_release(&s->programs[i]);
		buf_release(&s->zones[i]);
	}
	free(s->programs);
	free(s->zones);
	free(s->files);
	free(s->paths);
	buf_release(&s->reply);
	buf_release(&s->text);
	buf_release(&s->system_reply);
	buf_release(&s->system_text);
	buf_release(&s->events_text);
	arena_release(&s->arena);
	json_decref(s->ids);
}

enum exit_code
cmd_simulate(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "program", KEY_PROGRAM, "FILE", 0, "A program; again for others, or for further versions of one in their order", 0 },
		{ "check", KEY_CHECK, NULL, 0, "Compare each event's `expect` with the reply; exit code 1 when one differs", 0 },
		{ "summary", KEY_SUMMARY, NULL, 0, "Tell at the end what it came to, instead of the replies (with --json: after them)", 0 },
		{ "system", KEY_SYSTEM, NULL, 0, "Print what the system does by itself as well: expiry, birthdays, time-outs", 0 },
		{ "events", KEY_EVENTS, NULL, 0, "Print the events for a CRM as well, as `fealty subscribe --events` has them", 0 },
		{ "quiet", 'q', NULL, 0, "Print no replies", 0 },
		{ "json", KEY_JSON, NULL, 0, "Errors and the summary as JSON, as replies always are", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "EVENTS.jsonl",
		"Play events against programs in memory: no daemon, no ledger, nothing is written.\v"
		"EVENTS.jsonl (- is standard input) has one JSON event a line, such as\n"
		"{\"at\":\"2026-03-12T10:05:00+09:00\",\"op\":\"purchase\",\"key\":\"r1\",\"member\":\"m1\",\"amount\":\"12.50\","
		"\"expect\":{\"granted\":\"12\"}}\n"
		"Time moves by `at`, and what falls due up to it happens first.  Of several versions of one program the first is in force from "
		"the start; each event "
		"{\"op\":\"publish\",\"program\":\"ID\",…} puts the next one in force.  Exit code 2: a file is not what it should be; the "
		"line is named.", NULL, NULL, NULL };
	struct simulation s = { .ids = json_object() };

	cli_parse(&argp, argc, argv, &s);
	(void)setvbuf(stdout, NULL, _IOFBF, OUTPUT_BYTES);
	buf_init(&s.reply);
	buf_init(&s.text);
	buf_init(&s.system_reply);
	buf_init(&s.system_text);
	buf_init(&s.events_text);
	arena_init(&s.arena, ARENA_BYTES_MAX);
	s.tally.began_us = clock_monotonic_us();
	enum exit_code code = s.ids == NULL ? EXIT_INTERNAL : read_programs(&s);
	sim_init(&s.sim, s.files, s.n_programs);
	s.sim.on_entry = on_entry;
	s.sim.on_entry_ctx = &s;
	if (code == EXIT_DONE)
		code = run_file(&s);
	if (code == EXIT_DONE)
		code = conclude(&s);
	release(&s);
	return code;
}
