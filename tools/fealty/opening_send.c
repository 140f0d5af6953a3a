/*
 * A request id is the file's hash and a member's line, and not the member's name: request ids are in the ledger, where a name must not be, nor
 * anything that a name can be tested against.  So the same file goes on where it stopped; a member whom a changed file brings again is
 * refused as known.
 */
#include "opening_send.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "ledger/decimal.h"

#define FRAME_SPARE_BYTES 4096

struct sender {
	const struct call_options *call;
	struct opening_file *file;
	struct opening_report *report;
	struct progress *progress;
	struct fealty_client *client;
	size_t commands_max, bytes_max, next;
	bool manual_clock;
};

/* ---- by the program ---- */

static bool
has_tier(const Fealty__Program__V1__Program *p, const char *id)
{
	for (size_t i = 0; i < p->n_tiers; i++)
		if (p->tiers[i]->id != NULL && strcmp(p->tiers[i]->id, id) == 0)
			return true;
	return false;
}

static bool
has_counter(const Fealty__Program__V1__Program *p, const char *id)
{
	for (size_t i = 0; i < p->n_counters; i++)
		if (strcmp(p->counters[i], id) == 0)
			return true;
	return false;
}

/* Today where the program is; on a manual ledger nobody knows it here. */
static int32_t
today_of(const struct sender *s, const Fealty__Program__V1__Program *p)
{
	time_t now = time(NULL);
	struct tm local;

	if (s->manual_clock || p->timezone == NULL)
		return INT32_MIN;
	setenv("TZ", p->timezone, 1);
	tzset();
	if (localtime_r(&now, &local) == NULL)
		return INT32_MIN;
	return day_of_date((struct date){ local.tm_year + 1900, local.tm_mon + 1, local.tm_mday });
}

static void
judge(const struct sender *s, struct opening_member *m, const Fealty__Program__V1__Program *p, int32_t today)
{
	const Fealty__V1__Opening *o = &m->o.body;
	unsigned scale = p->points != NULL && p->points->has_scale ? p->points->scale : 0;
	struct decimal points;
	int64_t scaled;

	for (size_t i = 0; i < o->n_lots; i++) {
		const Fealty__V1__OpeningLot *lot = o->lots[i];

		if (decimal_parse(lot->points, &points) && decimal_scale(points, scale, &scaled) != DECIMAL_OK)
			opening_file_bad(s->file, m, m->line, "points have more digits than the program's points.scale: ", lot->points);
		if (lot->has_last_day && lot->last_day < today)
			opening_file_bad(s->file, m, m->line, "a lot's last day is over; leave the lot out: ", lot->points);
	}
	if (o->tier != NULL && !has_tier(p, o->tier))
		opening_file_bad(s->file, m, m->line, "the program has no such tier: ", o->tier);
	for (size_t i = 0; i < o->n_counters; i++) {
		if (!has_counter(p, o->counters[i]->id))
			opening_file_bad(s->file, m, m->line, "the program has no such counter: ", o->counters[i]->id);
	}
}

static enum exit_code
judge_all(struct sender *s)
{
	struct fealty_result result;
	enum exit_code code = EXIT_DONE;

	if (call_program(s->call, s->client, &result) != FEALTY_OK || result.response->program == NULL) {
		code = call_tell(s->call, &result);
	} else {
		int32_t today = today_of(s, result.response->program);
		for (size_t i = 0; i < s->file->n; i++)
			judge(s, &s->file->members[i], result.response->program, today);
	}
	fealty_result_release(&result);
	return code;
}

/* ---- what became of it ---- */

static void
add_tier(struct opening_totals *t, char *tier)
{
	struct opening_member m = { .line = 0 };

	opening_init(&m.o, NULL);
	m.o.body.tier = tier;
	opening_totals_add(t, &m);
	t->members--;
}

static bool
sums_equal(const struct sum *a, const char *text)
{
	char minus[DECIMAL_TEXT_BYTES + 1] = "-", plain[DECIMAL_TEXT_BYTES];
	struct sum rest = { .mantissa = 0 };

	sum_add(&rest, text);
	(void)snprintf(minus + 1, sizeof(minus) - 1, "%s", sum_format(a, plain));
	sum_add(&rest, minus);
	return rest.mantissa == 0 && !rest.overflowed && !a->overflowed;
}

static void
compare(struct sender *s, const struct opening_member *m, const Fealty__V1__Response *r)
{
	const char *tier = r->tier == NULL ? "" : r->tier, *wanted = m->o.body.tier;
	char sentence[200], points[DECIMAL_TEXT_BYTES];
	bool same_points = sums_equal(&m->points, r->available), same_tier = wanted == NULL || strcmp(tier, wanted) == 0;

	if (same_points && same_tier)
		return;
	(void)snprintf(sentence, sizeof(sentence), "the ledger has %s points and tier %s, the file %s and %s", r->available == NULL ? "no" : r->available,
	    tier, sum_format(&m->points, points), wanted == NULL ? "none" : wanted);
	import_refused(&s->report->refusals, m->line, "DIFFERS", sentence);
	s->report->n_differ++;
}

static void
take_answer(struct sender *s, const struct opening_member *m, const Fealty__V1__Response *r)
{
	struct opening_report *report = s->report;

	if (fealty_response_outcome(r) != FEALTY_OK) {
		if (r->reason != NULL && strcmp(r->reason, "ALREADY_EXISTS") == 0) {
			report->known++;
			return;
		}
		report->n_refused++;
		import_refused(&report->refusals, m->line, r->reason != NULL ? r->reason : fealty_code_str(r->status),
		    r->message != NULL ? r->message : "");
		return;
	}
	if (r->has_replayed && r->replayed)
		report->opened_before++;
	else
		report->opened++;
	opening_totals_add(&report->sent, m);
	report->ledger.members++;
	sum_add(&report->ledger.points, r->available);
	if (r->tier != NULL && r->tier[0] != '\0' && m->o.body.tier != NULL)
		add_tier(&report->ledger, r->tier);
	compare(s, m, r);
}

/* ---- sending ---- */

struct parcel {
	size_t n;
	struct opening_member **members;
	Fealty__V1__Request *requests;
	Fealty__V1__Request **list;
	char (*keys)[FEALTY_KEY_BYTES_MAX + 1];
};

static void
fill(const struct sender *s, struct parcel *p, struct opening_member *m)
{
	Fealty__V1__Request *request = &p->requests[p->n];

	call_request_init(s->call, FEALTY__V1__REQUEST__OP_OPENING, request);
	request->has_deadline_ms = false;
	(void)snprintf(p->keys[p->n], sizeof(p->keys[p->n]), "%s-o%u", s->file->lines.key_prefix, m->line);
	request->key = p->keys[p->n];
	request->opening = &m->o.body;
	p->list[p->n] = request;
	p->members[p->n++] = m;
}

/* The next good ones, as far as a frame holds them. */
static void
load(struct sender *s, struct parcel *p)
{
	size_t bytes = FRAME_SPARE_BYTES;

	for (p->n = 0; s->next < s->file->n && p->n < s->commands_max; s->next++) {
		struct opening_member *m = &s->file->members[s->next];

		if (m->bad)
			continue;
		fill(s, p, m);
		bytes += fealty__v1__request__get_packed_size(p->list[p->n - 1]) + 16;
		if (p->n > 1 && bytes > s->bytes_max) {
			p->n--;
			return;
		}
	}
}

static enum exit_code
send_parcel(struct sender *s, const struct parcel *p)
{
	Fealty__V1__Batch batch = FEALTY__V1__BATCH__INIT;
	Fealty__V1__Response **responses = NULL;
	struct fealty_result result;
	enum exit_code code = EXIT_DONE;

	batch.n_commands = p->n;
	batch.commands = p->list;
	if (fealty_batch(s->client, &batch, &result) != FEALTY_OK)
		code = call_tell(s->call, &result);
	else if (call_batch_results(&result, &responses) != p->n)
		code = cli_fail(s->call->json, EXIT_INTERNAL, "the daemon did not answer each command of a batch");
	for (size_t i = 0; i < p->n && code == EXIT_DONE; i++) {
		assert(responses != NULL);
		if (responses[i]->has_retryable && responses[i]->retryable)
			code = cli_fail(s->call->json, EXIT_UNAVAILABLE, "the daemon puts commands off: %s",
			    responses[i]->message != NULL ? responses[i]->message : "");
	}
	for (size_t i = 0; i < p->n && code == EXIT_DONE; i++) {
		assert(responses != NULL);
		take_answer(s, p->members[i], responses[i]);
	}
	fealty_result_release(&result);
	return code;
}

static enum exit_code
send_all(struct sender *s)
{
	struct parcel p = { .members = calloc(s->commands_max, sizeof(*p.members)), .requests = calloc(s->commands_max, sizeof(*p.requests)),
	    .list = calloc(s->commands_max, sizeof(*p.list)), .keys = calloc(s->commands_max, sizeof(*p.keys)) };
	enum exit_code code = EXIT_DONE;

	assert(p.members != NULL && p.requests != NULL && p.list != NULL && p.keys != NULL);
	while (s->next < s->file->n && code == EXIT_DONE) {
		load(s, &p);
		if (p.n > 0)
			code = send_parcel(s, &p);
		progress_show(s->progress, s->next, s->file->n);
	}
	free(p.members);
	free(p.requests);
	free(p.list);
	free(p.keys);
	return code;
}

static enum exit_code
connect(struct sender *s, uint64_t batch)
{
	struct fealty_result result;

	if (fealty_ping(s->client, s->call->timeout_ms, &result) != FEALTY_OK) {
		enum exit_code code = call_tell(s->call, &result);
		fealty_result_release(&result);
		return code;
	}
	fealty_result_release(&result);
	const Fealty__V1__HelloOk *ok = fealty_hello(s->client)->ok;
	s->manual_clock = ok->manual_clock;
	s->bytes_max = ok->batch_bytes_max;
	s->commands_max = batch < ok->batch_commands_max ? (size_t)batch : ok->batch_commands_max;
	return EXIT_DONE;
}

enum exit_code
opening_send(const struct call_options *call, struct opening_file *file, bool dry_run, uint64_t batch, struct progress *progress,
    struct opening_report *ret_report)
{
	struct sender s = { .call = call, .file = file, .report = ret_report, .progress = progress };

	*ret_report = (struct opening_report){ .n_refused = 0 };
	enum exit_code code = call_client(call, &s.client);
	if (code != EXIT_DONE)
		return code;
	code = connect(&s, batch);
	if (code == EXIT_DONE)
		code = judge_all(&s);
	for (size_t i = 0; i < file->n && code == EXIT_DONE; i++) {
		if (!file->members[i].bad)
			opening_totals_add(&ret_report->file, &file->members[i]);
	}
	for (size_t i = 0; i < file->lines.n_bad; i++)
		import_refused(&ret_report->refusals, file->lines.bad[i].line, "INVALID_ARGUMENT", file->lines.bad[i].sentence);
	if (code == EXIT_DONE && !dry_run)
		code = send_all(&s);
	fealty_client_free(s.client);
	import_refusals_sort(&ret_report->refusals);
	return code == EXIT_DONE && ret_report->refusals.n_refusals > 0 ? EXIT_REFUSED : code;
}

void
opening_report_release(struct opening_report *report)
{
	opening_totals_release(&report->file);
	opening_totals_release(&report->sent);
	opening_totals_release(&report->ledger);
	import_totals_release(&report->refusals);
}
