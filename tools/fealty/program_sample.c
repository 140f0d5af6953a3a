/* A simulation of one program and one member for each tier: enrolled long ago, with one small purchase then, so that no first purchase is
 * quoted and no limit of the day or the month is used up. */
#include "program_sample.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "fealty.h"
#include "sim.h"
#include "sim_event.h"

#define DAYS_BEFORE 400
#define STEP_OF_NONE 10			/* units of the currency, when no rule has a step */

static void
step_of(const struct program *p, int64_t *step)
{
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct rule *rule = &p->rules[i];

		if (rule->on == ON_PURCHASE && rule->measure == MEASURE_PER_AMOUNT && (*step == 0 || rule->amount < *step))
			*step = rule->amount;
	}
}

int64_t
sample_step(const struct program *a, const struct program *b)
{
	int64_t step = 0;

	step_of(a, &step);
	step_of(b, &step);
	if (step > 0)
		return step;
	step = STEP_OF_NONE;
	for (unsigned i = 0; i < a->currency_digits; i++)
		step *= 10;
	return step;
}

/* One event; the Response in ${out}. */
static enum status
play(struct sim *sim, const char *text, struct buf *out)
{
	struct sim_event event;
	struct text_error error;

	buf_clear(out);
	enum status st = sim_event_read(text, &sim->scratch, &event, &error);
	assert(st != ST_INVALID);		/* our own line */
	if (st == ST_OK) {
		struct sim_call call = { .principal = event.principal, .request = &event.batch.commands[0], .refusal = event.batch.refusals[0] };
		st = sim_play(sim, &call, out);
	}
	sim_event_release(&event);
	return st == ST_OK ? sim_event_end(sim) : st;
}

static enum status
quote(struct sim *sim, size_t member, const char *tier, int64_t amount, const char *at, struct buf *out,
    char ret_points[static SAMPLE_POINTS_BYTES])
{
	char text[256], money[DECIMAL_TEXT_BYTES];
	unsigned digits = sim->files[0].program->currency_digits;

	(void)snprintf(text, sizeof(text), "{\"op\":\"quote\",\"at\":\"%s\",\"member\":\"m%zu\",\"amount\":\"%s\"}", at, member,
	    decimal_format(amount, digits, money));
	enum status st = play(sim, text, out);
	if (st != ST_OK)
		return st;
	Fealty__V1__Response *r = fealty__v1__response__unpack(NULL, out->len, out->data);
	if (r == NULL)
		return ST_NOMEM;
	ret_points[0] = '\0';
	if (r->granted != NULL && (tier == NULL || (r->tier != NULL && strcmp(r->tier, tier) == 0)))
		(void)snprintf(ret_points, SAMPLE_POINTS_BYTES, "%s", r->granted);
	fealty__v1__response__free_unpacked(r, NULL);
	return ST_OK;
}

/* Members m0, m1, … as of long ago. */
static enum status
enrol(struct sim *sim, size_t n, int64_t at_us, struct buf *out)
{
	char text[256], at[INSTANT_TEXT_BYTES], money[DECIMAL_TEXT_BYTES];
	enum status st = sim_clock(sim, at_us);

	(void)instant_format(at_us, at);
	(void)decimal_format(1, sim->files[0].program->currency_digits, money);
	for (size_t i = 0; i < n && st == ST_OK; i++) {
		(void)snprintf(text, sizeof(text), "{\"op\":\"enrol\",\"at\":\"%s\",\"member\":\"m%zu\",\"key\":\"e%zu\"}", at, i, i);
		st = play(sim, text, out);
		(void)snprintf(text, sizeof(text), "{\"op\":\"purchase\",\"at\":\"%s\",\"member\":\"m%zu\",\"amount\":\"%s\",\"key\":\"p%zu\"}", at, i,
		    money, i);
		if (st == ST_OK)
			st = play(sim, text, out);
	}
	return st;
}

static enum status
gift(struct sim *sim, size_t member, const char *tier, const char *at, struct buf *out)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
	    "{\"op\":\"tier\",\"at\":\"%s\",\"member\":\"m%zu\",\"tier\":\"%s\",\"reason\":\"sample\",\"key\":\"t%zu\"}", at, member,
	    tier, member);
	return play(sim, text, out);
}

static struct sim_file
sim_file_of(const struct program_file *file)
{
	return (struct sim_file){
		.path = file->path, .definition = buf_bytes(&file->definition), .zone_data = buf_bytes(&file->zone), .program = file->program,
	};
}

enum status
program_sample(const struct program_file *file, const char *const *tiers, size_t n_tiers, int64_t step, int64_t now_us, struct sample *ret)
{
	struct sim_file files[1] = { sim_file_of(file) };
	char at[INSTANT_TEXT_BYTES];
	struct sim sim;
	struct buf out;

	memset(ret, 0, n_tiers * sizeof(*ret));
	sim_init(&sim, files, 1);
	buf_init(&out);
	(void)instant_format(now_us, at);
	enum status st = enrol(&sim, n_tiers, now_us - DAYS_BEFORE * US_PER_DAY, &out);
	if (st == ST_OK)
		st = sim_clock(&sim, now_us);
	for (size_t i = 0; i < n_tiers && st == ST_OK; i++) {
		const char *tier = tiers == NULL ? NULL : tiers[i];
		int64_t amount = step;

		if (tier != NULL && program_tier(file->program, tier) == NULL)
			continue;
		if (tier != NULL && program_tier(file->program, tier) != &file->program->tiers[0])
			st = gift(&sim, i, tier, at, &out);
		for (size_t k = 0; k < SAMPLE_AMOUNTS && st == ST_OK; k++) {
			st = quote(&sim, i, tier, amount, at, &out, ret[i].points[k]);
			if (__builtin_mul_overflow(amount, (int64_t)10, &amount))
				break;
		}
	}
	buf_release(&out);
	sim_release(&sim);
	return st;
}

enum status
program_publish_verdict(const struct program_file *before, const struct program_file *next, int64_t now_us, struct refusal *ret_refusal)
{
	struct sim_file files[2] = { sim_file_of(before), sim_file_of(next) };
	struct cmd cmd = { .principal = "simulate" };
	struct entry entry;
	struct sim sim;

	sim_init(&sim, files, 2);
	enum status st = sim_clock(&sim, now_us);
	sim_publish_cmd(&cmd, &files[1]);
	if (st == ST_OK)
		st = decide(&sim.state.ledger, &cmd, now_us, &sim.scratch, &entry, ret_refusal);
	ret_refusal->field = NULL;		/* it may live in the simulation */
	sim_release(&sim);
	return st;
}
