/*
 * Invariants.
 * - At most one member is loaded: the one that the command is about.  Its record lives in `batch`, like a record of the daemon's overlay.
 * - Time moves from purchase to purchase and never back; what falls due for a member is played before its command, and not timed.
 * - The measured times are those of the step less what reading the clock twice takes.
 */
#include "bench_core.h"

#include <assert.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"
#include "ledger/decide.h"

#define ARENA_BYTES ((size_t)256 << 20)
#define PROGRAM_FILE_BYTES_MAX ((size_t)1 << 20)
#define ZONE_DIRECTORY "/usr/share/zoneinfo/"
#define BEGIN_US (INT64_C(1704067200) * US_PER_SECOND)		/* 2024-01-01 */
#define OPEN_US (INT64_C(9) * 3600 * US_PER_SECOND)		/* purchases are between nine and twenty-one, UTC */
#define LOTS_KEPT 48			/* a member who has more redeems half of the points */
#define RETURN_EVERY 8
#define LINES_MAX 3

/* Every kind of rule and of cap, conditions of many kinds, and three tiers. */
static const char ten_rules[] =
    "id: ten-rules\n"
    "name: Ten rules\n"
    "timezone: Europe/Berlin\n"
    "currency: EUR\n"
    "points: {unit: point, scale: 2}\n"
    "rounding: {mode: nearest, at: each}\n"
    "stacking: multiply\n"
    "counters: [coffees, weekends]\n"
    "earn:\n"
    "  - {id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: '1', points: '1'}, when: {exclude_categories: [gift_card, tobacco]}}\n"
    "  - id: online\n"
    "    priority: 20\n"
    "    on: purchase\n"
    "    kind: base\n"
    "    per_amount: {amount: '1', points: '3'}\n"
    "    when: {categories: [online], previous_month_spend: {min: '100', waive_months: 1}}\n"
    "    replaces: base\n"
    "    caps: [{per: month, points: '600', over: fallback, group: specials}]\n"
    "  - id: travel\n"
    "    priority: 30\n"
    "    on: purchase\n"
    "    kind: base\n"
    "    per_amount: {amount: '2', points: '5'}\n"
    "    when: {categories: [travel, fuel], min_amount: '20'}\n"
    "    replaces: base\n"
    "    caps: [{per: month, points: '600', over: fallback, group: specials}]\n"
    "  - id: coffee\n"
    "    priority: 40\n"
    "    on: purchase\n"
    "    kind: bonus\n"
    "    per_item: {points: '2'}\n"
    "    when: {skus: [coffee, tea]}\n"
    "    caps: [{per: day, count: 2, over: reject}, {per: month, points: '40', over: clip}]\n"
    "  - {id: weekend, priority: 50, on: purchase, kind: multiplier, multiply: '1.5', when: {weekdays: [sat, sun], hours: '08:00-20:00'}}\n"
    "  - id: friends\n"
    "    priority: 60\n"
    "    on: purchase\n"
    "    kind: multiplier\n"
    "    multiply: '2'\n"
    "    when: {segments: [friends, staff], categories: [online, books], from: '2024-02-01', member_days_min: 30}\n"
    "    caps: [{per: year, points: '5000', over: clip}]\n"
    "  - id: partner\n"
    "    priority: 70\n"
    "    on: purchase\n"
    "    kind: bonus\n"
    "    fixed: {points: '25'}\n"
    "    when: {partners: [bank, airline], min_amount: '30'}\n"
    "    caps: [{per: year, points: '500', over: clip}]\n"
    "    pending: {days: 14}\n"
    "  - id: visit\n"
    "    priority: 80\n"
    "    on: purchase\n"
    "    kind: bonus\n"
    "    fixed: {points: '5'}\n"
    "    when: {min_gap: 12h, stores: ['s1', 's2', 's3', 's4'], tiers: [silver, gold]}\n"
    "  - {id: coffees, priority: 90, on: purchase, kind: counter, counter: {id: coffees, add: 1, per: item}, when: {skus: [coffee]}}\n"
    "  - {id: weekends, priority: 100, on: purchase, kind: counter, counter: {id: weekends, add: 1}, when: {weekdays: [sat, sun]}}\n"
    "expiry: {after: {days: 365}}\n"
    "tiers:\n"
    "  - {id: basic, rank: 0}\n"
    "  - id: silver\n"
    "    rank: 1\n"
    "    reach: {any: [{all: [{metric: points_earned, at_least: '2000'}]}, {all: [{metric: visits, at_least: '60'}, {metric: coffees, at_least: '20'}]}]}\n"
    "    window: {rolling_months: 12}\n"
    "    valid: {months: 12}\n"
    "    downgrade: one\n"
    "    earn_multiplier: '1.1'\n"
    "  - id: gold\n"
    "    rank: 2\n"
    "    reach: {any: [{all: [{metric: points_earned, at_least: '20000'}, {metric: spend, at_least: '8000'}]}]}\n"
    "    window: {rolling_months: 12}\n"
    "    valid: {months: 12}\n"
    "    downgrade: full\n"
    "    earn_multiplier: '1.25'\n"
    "redemption: {step: '1'}\n"
    "limits: {earn_per_day: '2000'}\n";

struct world {
	struct ledger_state state;
	struct arena programs, batch, scratch;		/* batch: the loaded record; scratch: one decision */
	struct buf definition;
	struct program *program;
	struct totals totals;
	struct buf *records;				/* [member - 1] */
	size_t n_members;
	struct member *loaded;
	int64_t now_us;
	uint64_t seq, random;
	bool measures;
	struct core_figures figures;
};

static void
must(enum status st)
{
	if (st != ST_OK)
		errx(2, "%s", status_str(st));
}

static uint64_t
next_random(struct world *w)			/* xorshift64* */
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return w->random * UINT64_C(0x2545f4914f6cdd1d) >> 16;
}

/* ---- times ---- */

static void
note(struct world *w, enum core_step step, int64_t ns)
{
	if (w->measures)
		core_note(&w->figures, step, ns);
}

static uint32_t
clock_cost_ns(void)
{
	int64_t least = INT64_MAX;

	for (int i = 0; i < 1000; i++) {
		int64_t begin = core_now_ns(), ns = core_now_ns() - begin;
		least = ns < least ? ns : least;
	}
	return (uint32_t)least;
}

/* ---- the state: one program, one loaded member ---- */

static enum status
on_member_edit(void *ctx, uint32_t program, uint64_t number, bool create, struct member **ret)
{
	struct world *w = ctx;

	(void)program;
	if (create) {
		w->loaded = arena_alloc(&w->batch, sizeof(*w->loaded));
		if (w->loaded == NULL)
			return ST_NOMEM;
		w->loaded->number = number;
	}
	*ret = w->loaded != NULL && w->loaded->number == number ? w->loaded : NULL;
	return ST_OK;
}

static enum status
on_member(void *ctx, uint32_t program, uint64_t number, const struct member **ret)
{
	struct member *m = NULL;
	enum status st = on_member_edit(ctx, program, number, false, &m);

	*ret = m;
	return st;
}

static const struct program *
on_program_version(void *ctx, uint32_t program, uint32_t version)
{
	(void)program, (void)version;
	return ((struct world *)ctx)->program;
}

static const struct program *
on_program_at(void *ctx, uint32_t program, int64_t at_us)
{
	(void)program, (void)at_us;
	return ((struct world *)ctx)->program;
}

static enum status
on_totals(void *ctx, uint32_t program, const struct totals **ret)
{
	(void)program;
	*ret = &((struct world *)ctx)->totals;
	return ST_OK;
}

static enum status
on_totals_edit(void *ctx, uint32_t program, struct totals **ret)
{
	(void)program;
	*ret = &((struct world *)ctx)->totals;
	return ST_OK;
}

/* A purchase is returned once, right after it. */
static enum status
on_followup(void *ctx, struct entry_id id, const struct followup **ret)
{
	(void)ctx, (void)id, (void)ret;
	return ST_NOTFOUND;
}

static enum status
on_put_followup(void *ctx, const struct followup *followup)
{
	(void)ctx, (void)followup;
	return ST_OK;
}

/* ---- the program ---- */

static void
read_file(const char *path, size_t bytes_max, struct buf *ret)
{
	FILE *file = fopen(path, "rb");
	uint8_t *p = buf_room(ret, bytes_max + 1);

	if (file == NULL)
		err(2, "%s", path);
	if (p == NULL)
		errx(2, "%s: there is no memory for it", path);
	size_t n = fread(p, 1, bytes_max + 1, file);
	if (ferror(file) != 0 || n > bytes_max)
		errx(2, "%s: it cannot be read, or has more than %zu bytes", path, bytes_max);
	ret->len += n;
	(void)fclose(file);
}

static struct zone
zone_of(const char *name)
{
	struct zone zone;
	struct buf tzif;
	char path[128];

	if (name == NULL || name[0] == '/' || strstr(name, "..") != NULL || strlen(name) > 64)
		errx(2, "timezone: give one such as Europe/Berlin");
	(void)snprintf(path, sizeof(path), ZONE_DIRECTORY "%s", name);
	buf_init(&tzif);
	read_file(path, CALENDAR_ZONE_DATA_BYTES_MAX, &tzif);
	if (zone_parse(buf_bytes(&tzif), &zone) != ST_OK)
		errx(2, "%s: no time zone data", path);
	buf_release(&tzif);
	return zone;
}

/* What is wrong with a file `fealty program check` says better, line by line. */
static void
program_open(struct world *w, const char *path)
{
	struct yaml_lines *lines;
	struct text_error text_error;
	struct program_error error;
	struct program_def *def;
	struct buf text;

	buf_init(&text);
	if (path == NULL)
		buf_put(&text, ten_rules, sizeof(ten_rules) - 1);
	else
		read_file(path, PROGRAM_FILE_BYTES_MAX, &text);
	must(buf_status(&text));
	enum status st = codec_yaml_parse(buf_bytes(&text), &w->programs, &w->definition, &lines, &text_error);
	if (st == ST_INVALID)
		errx(2, "line %u: %s: %s", text_error.line, text_error.path, text_error.sentence);
	must(st);
	st = codec_program_def(buf_bytes(&w->definition), &w->programs, &def, &error);
	if (st == ST_OK) {
		struct zone zone = zone_of(def->timezone);
		st = program_compile(def, &zone, &w->programs, &w->program, &error);
	}
	if (st == ST_INVALID)
		errx(2, "%s: %s", error.path, error.sentence);
	must(st);
	buf_release(&text);
	w->program->number = w->program->version = 1;
	w->totals.versions = 1;
}

/* ---- commands ---- */

static struct cmd
command(enum op op, uint64_t member)
{
	return (struct cmd){ .op = op, .principal = "pos/0042/07", .request_id = "07-0031", .terminal = "07", .program = 1, .member = member };
}

static void
apply_entry(struct world *w, struct entry *entry)
{
	enum evolve_fault fault;

	must(evolve(&w->state, entry, (struct entry_id){ ++w->seq, 0 }, w->now_us, EVOLVE_LIVE, &fault));
	if (fault != EVOLVE_OK)
		errx(2, "evolve: %s", evolve_fault_str(fault));
}

/* False: refused. */
static bool
play(struct world *w, const struct cmd *cmd, struct entry *ret_entry)
{
	struct refusal refusal;

	must(decide(&w->state, cmd, w->now_us, &w->scratch, ret_entry, &refusal));
	if (refusal.result != LEDGER_OK)
		return false;
	apply_entry(w, ret_entry);
	return true;
}

static void
roll_forward(struct world *w)
{
	struct due due;
	struct entry entry;

	while (due_next(w->loaded, w->program, w->now_us, &due)) {
		enum status st = decide_due(&w->state, 1, w->loaded->number, &due, &w->scratch, &entry);
		if (st == ST_NOTFOUND)
			break;
		must(st);
		apply_entry(w, &entry);
	}
}

struct basket { struct cmd cmd; struct line lines[LINES_MAX]; };

static void
basket_fill(struct world *w, struct basket *b)
{
	static const char *const categories[] = { "food", "online", "travel", "books", "gift_card" };
	static const char *const skus[] = { "coffee", "tea", "bread", "ticket", "novel" };
	static const char *const stores[] = { "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8" };
	static const char *const segments[] = { "staff" };
	uint64_t member = next_random(w) % w->n_members + 1;

	b->cmd = command(OP_PURCHASE, member);
	b->cmd.store = stores[next_random(w) % 8];
	b->cmd.segments = segments;
	b->cmd.n_segments = member % 4 == 0;
	b->cmd.u.purchase.partner = next_random(w) % 10 == 0 ? "bank" : NULL;
	b->cmd.u.purchase.n_lines = next_random(w) % (LINES_MAX + 1);
	b->cmd.u.purchase.lines = b->lines;
	b->cmd.u.purchase.amount.mantissa = (int64_t)(next_random(w) % 20) + 1;
	for (size_t i = 0; i < b->cmd.u.purchase.n_lines; i++) {
		size_t kind = next_random(w) % 5;
		b->lines[i] = (struct line){ .sku = skus[kind], .category = categories[kind], .qty = (uint32_t)(next_random(w) % 3) + 1,
		    .has_amount = true, .amount = { (int64_t)(next_random(w) % 40) + 1, 0 } };
		b->cmd.u.purchase.amount.mantissa += b->lines[i].amount.mantissa;
	}
}

/* ---- one purchase ---- */

static void
load(struct world *w, uint64_t number)
{
	struct member *m = arena_alloc(&w->batch, sizeof(*m));
	int64_t begin = core_now_ns();

	if (m == NULL)
		errx(2, "there is no memory for a member");
	must(member_decode(buf_bytes(&w->records[number - 1]), &w->batch, m));
	note(w, CORE_DECODE, core_now_ns() - begin);
	m->program = 1;
	m->number = number;
	w->loaded = m;
}

static void
store(struct world *w)
{
	struct buf *record = &w->records[w->loaded->number - 1];
	int64_t begin = core_now_ns();

	buf_clear(record);
	member_encode(w->loaded, record);
	note(w, CORE_ENCODE, core_now_ns() - begin);
	must(buf_status(record));
	w->loaded = NULL;
	arena_reset(&w->batch);
	arena_reset(&w->scratch);
}

static void
measure_record(struct world *w)
{
	struct member copy;
	int64_t begin = core_now_ns();
	enum evolve_fault fault = member_check(w->loaded);

	note(w, CORE_CHECK, core_now_ns() - begin);
	assert(fault == EVOLVE_OK);
	begin = core_now_ns();
	must(member_copy(w->loaded, &w->scratch, &copy));
	note(w, CORE_COPY, core_now_ns() - begin);
}

static void
measure_quote(struct world *w, struct cmd cmd)
{
	struct entry entry;
	struct refusal refusal;
	int64_t begin = core_now_ns();

	cmd.is_quote = true;
	must(decide(&w->state, &cmd, w->now_us, &w->scratch, &entry, &refusal));
	note(w, CORE_QUOTE, core_now_ns() - begin);
	if (refusal.result != LEDGER_OK)
		errx(2, "the program refuses a purchase: %s", refusal.sentence);
}

static void
give_back(struct world *w, const struct entry *purchase)
{
	struct cmd cmd = command(OP_RETURN, w->loaded->number);
	struct entry entry;
	int64_t begin = core_now_ns();

	cmd.u.past.entry = purchase;
	cmd.u.past.id = w->loaded->head;
	cmd.u.past.has_amount = true;
	cmd.u.past.amount.mantissa = 1;
	bool done = play(w, &cmd, &entry);
	if (done)
		note(w, CORE_RETURN, core_now_ns() - begin);
}

static void
redeem_half(struct world *w)
{
	struct cmd cmd = command(OP_REDEEM, w->loaded->number);
	struct entry entry;
	int64_t scale = 1;

	for (unsigned i = 0; i < w->program->scale; i++)
		scale *= 10;
	cmd.u.redeem.points.mantissa = w->loaded->available / scale / 2;
	cmd.u.redeem.round_down = true;
	if (cmd.u.redeem.points.mantissa > 0)
		(void)play(w, &cmd, &entry);		/* a program may refuse: then its members have more lots */
}

static void
buy(struct world *w)
{
	struct basket b;
	struct entry entry;
	struct refusal refusal;

	basket_fill(w, &b);
	load(w, b.cmd.member);
	roll_forward(w);
	if (w->measures) {
		measure_record(w);
		measure_quote(w, b.cmd);
	}
	int64_t begin = core_now_ns();
	must(decide(&w->state, &b.cmd, w->now_us, &w->scratch, &entry, &refusal));
	int64_t decided = core_now_ns();
	if (refusal.result != LEDGER_OK)
		errx(2, "the program refuses a purchase: %s", refusal.sentence);
	apply_entry(w, &entry);
	int64_t end = core_now_ns();
	note(w, CORE_DECIDE, decided - begin);
	note(w, CORE_EVOLVE, end - decided);
	note(w, CORE_PURCHASE, end - begin);
	if (next_random(w) % RETURN_EVERY == 0)
		give_back(w, &entry);
	if (w->loaded->n_lots > LOTS_KEPT)
		redeem_half(w);
	store(w);
}

/* ---- the whole ---- */

static void
enrol_all(struct world *w)
{
	struct entry entry;

	for (size_t i = 0; i < w->n_members; i++) {
		struct cmd cmd = command(OP_ENROL, 0);
		buf_init(&w->records[i]);
		if (!play(w, &cmd, &entry))
			errx(2, "the program refuses an enrolment");
		store(w);
	}
}

/* Purchases of a day: a member buys on every fourth.  False: the time is up. */
static bool
play_day(struct world *w, int64_t day, int64_t until_ns)
{
	int64_t n = (int64_t)(w->n_members + 3) / 4;

	for (int64_t i = 0; i < n; i++) {
		w->now_us = BEGIN_US + day * US_PER_DAY + OPEN_US + i * (US_PER_DAY / 2 / n);
		buy(w);
		if (until_ns != 0 && core_now_ns() >= until_ns)
			return false;
	}
	return true;
}

static void
sum_up(struct world *w)
{
	struct core_figures *f = &w->figures;
	struct member m;

	f->program = w->program->id;
	f->rules = w->program->n_rules;
	f->members = w->n_members;
	for (size_t i = 0; i < w->n_members; i++) {
		must(member_decode(buf_bytes(&w->records[i]), &w->batch, &m));
		f->record_bytes += w->records[i].len;
		f->lots += m.n_lots;
		f->days += m.n_days;
		f->tallies += m.n_tallies;
		f->pendings += m.n_pendings;
		arena_reset(&w->batch);
	}
}

static void
world_release(struct world *w)
{
	for (size_t i = 0; i < w->n_members; i++)
		buf_release(&w->records[i]);
	free(w->records);
	for (size_t i = 0; i < CORE_STEP_COUNT; i++)
		free(w->figures.step[i].ns);
	buf_release(&w->definition);
	arena_release(&w->programs);
	arena_release(&w->batch);
	arena_release(&w->scratch);
}

int
bench_core(const struct settings *settings)
{
	struct world w = { .n_members = settings->members, .now_us = BEGIN_US, .random = UINT64_C(0x9e3779b97f4a7c15), .figures.clock_ns = clock_cost_ns() };
	int64_t day = 1;

	w.state = (struct ledger_state){
		.ctx = &w, .arena = &w.batch, .member = on_member, .program_at = on_program_at, .program_version = on_program_version,
		.followup = on_followup, .put_followup = on_put_followup, .totals = on_totals, .totals_edit = on_totals_edit,
		.member_edit = on_member_edit,
	};
	arena_init(&w.programs, ARENA_BYTES);
	arena_init(&w.batch, ARENA_BYTES);
	arena_init(&w.scratch, ARENA_BYTES);
	buf_init(&w.definition);
	w.records = calloc(w.n_members, sizeof(*w.records));
	if (w.records == NULL)
		must(ST_NOMEM);
	program_open(&w, settings->program);
	enrol_all(&w);
	while (day <= (int64_t)w.program->metric_days)		/* from then on records grow no more */
		(void)play_day(&w, day++, 0);
	w.measures = true;
	int64_t until_ns = core_now_ns() + (int64_t)(settings->seconds * 1e9);
	while (play_day(&w, day, until_ns))
		day++;
	sum_up(&w);
	bench_core_log(&w.figures);
	bool within = core_report(&w.figures, settings->json);
	world_release(&w);
	return within ? 0 : 1;
}
