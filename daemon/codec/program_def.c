/**
 * The table names every option that engine 1 evaluates.  A program is walked against it before anything is read, so an option that is
 * missing here cannot be ignored: it is refused.  A row is added together with the code in ledger/ that acts on it.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "codec/arena_pb.h"
#include "codec/scan.h"
#include "codec/text_message.h"
#include "program.pb-c.h"

typedef Fealty__Program__V1__Program PbProgram;

/* ---- what is built ---- */

/* A path without places in lists.  words: of those that the language has, the ones that are built, a space between; NULL: all. */
static const struct built { const char *path, *words; } built_table[] = {
	{ "id", NULL }, { "name", NULL }, { "timezone", NULL }, { "currency", NULL },
	{ "points.unit", NULL }, { "points.scale", NULL },
	{ "rounding.mode", NULL }, { "rounding.at", NULL },
	{ "stacking", NULL },			/* a tier's is the only multiplier: the three give the same */
	{ "carry_remainder", "false" },
	{ "earn.id", NULL }, { "earn.priority", NULL }, { "earn.on", "purchase" }, { "earn.kind", "base bonus" },
	{ "earn.per_amount.amount", NULL }, { "earn.per_amount.points", NULL }, { "earn.per_amount.whole_steps", NULL },
	{ "earn.fixed.points", NULL },
	{ "expiry.never", NULL }, { "expiry.after.days", NULL }, { "expiry.after.months", NULL }, { "expiry.after.years", NULL },
	{ "expiry.round_up_to", NULL },
	{ "tiers.id", NULL }, { "tiers.rank", NULL },
	{ "tiers.reach.any.all.metric", NULL }, { "tiers.reach.any.all.at_least", NULL },
	{ "tiers.window.lifetime", NULL }, { "tiers.window.calendar_year", NULL }, { "tiers.window.rolling_months", NULL },
	{ "tiers.valid.forever", NULL },
	{ "tiers.earn_multiplier", NULL },
	{ "tiers.expiry.never", NULL }, { "tiers.expiry.after.days", NULL }, { "tiers.expiry.after.months", NULL },
	{ "tiers.expiry.after.years", NULL }, { "tiers.expiry.round_up_to", NULL },
	{ "tiers.expiry_applies", "new_lots" },
	{ "birthday.reward.points", NULL },
	{ "birthday.window.days_before", NULL }, { "birthday.window.days_after", NULL },
	{ "birthday.issue", NULL }, { "birthday.leap_day", NULL }, { "birthday.guard_days", NULL },
	{ "redemption.value.points", NULL }, { "redemption.value.amount", NULL },
	{ "redemption.min", NULL }, { "redemption.step", NULL }, { "redemption.max_percent_of_order", NULL },
	{ "redemption.hold.default_ttl", NULL }, { "redemption.hold.max_ttl", NULL }, { "redemption.hold.expired_lot", "capturable" },
	{ "unknown_alias", "refuse" },
	{ "limits.late_days", NULL },
};

static bool
word_in(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *w = words; *w != '\0'; w += strcspn(w, " "), w += *w == ' ') {
		if (strcspn(w, " ") == len && memcmp(w, word, len) == 0)
			return true;
	}
	return false;
}

/* The option's row; for a section that is there but empty, the row of something in it. */
static const struct built *
built_find(const char *path, bool section)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < sizeof(built_table) / sizeof(built_table[0]); i++) {
		const char *row = built_table[i].path;

		if (strncmp(row, path, len) == 0 && (row[len] == '\0' || (section && row[len] == '.')))
			return &built_table[i];
	}
	return NULL;
}

/* ---- the walk ---- */

static enum status
program_fail(struct program_error *ret_error, const struct text_place *place, const char *before, const char *what, const char *after)
{
	*ret_error = (struct program_error){ 0 };
	text_path(place, ret_error->path, sizeof(ret_error->path));
	snprintf(ret_error->sentence, sizeof(ret_error->sentence), "%s`%s`%s", before, what, after);
	return ST_INVALID;
}

/* As the table has it: keys only. */
static void
table_path(const struct text_place *place, char *ret_path, size_t size)
{
	struct text_place keys[TEXT_DEPTH_MAX], *last = NULL;
	const struct text_place *steps[2 * TEXT_DEPTH_MAX];
	size_t n = 0, n_keys = 0;

	for (; place != NULL; place = place->up)
		steps[n++] = place;
	while (n-- > 0) {
		if (steps[n]->key == NULL)
			continue;
		keys[n_keys] = (struct text_place){ .up = last, .key = steps[n]->key };
		last = &keys[n_keys++];
	}
	text_path(last, ret_path, size);
}

static const char *
value_word(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	if (field->type == PROTOBUF_C_TYPE_BOOL)
		return *(const protobuf_c_boolean *)text_value(message, field, 0) ? "true" : "false";
	assert(field->type == PROTOBUF_C_TYPE_ENUM);
	return protobuf_c_enum_descriptor_get_value(field->descriptor, *(const int *)text_value(message, field, 0))->name;
}

static enum status
check_option(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, const struct text_place *place,
    struct program_error *ret_error)
{
	static const char not_built[] = " is not built yet in this version of fealty; leave it out";
	char path[160];

	table_path(place, path, sizeof(path));
	const struct built *row = built_find(path, field->type == PROTOBUF_C_TYPE_MESSAGE);
	if (row == NULL)
		return program_fail(ret_error, place, "", field->name, not_built);
	if (row->words != NULL && !word_in(row->words, value_word(message, field)))
		return program_fail(ret_error, place, "the word ", value_word(message, field), not_built);
	return ST_OK;
}

static bool
is_empty(const ProtobufCMessage *message)
{
	for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
		if (text_count(message, &message->descriptor->fields[i]) > 0)
			return false;
	}
	return true;
}

/* As deep as the messages' types: they do not recur. */
static enum status
check_message(const ProtobufCMessage *message, const struct text_place *place, struct program_error *ret_error)
{
	enum status st = ST_OK;

	for (unsigned f = 0; f < message->descriptor->n_fields; f++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[f];
		struct text_place key = { .up = place, .key = field->name }, element = { .up = &key };
		bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
		size_t n = text_count(message, field);

		if (field->type != PROTOBUF_C_TYPE_MESSAGE)
			st = n == 0 ? ST_OK : check_option(message, field, &key, ret_error);
		for (; field->type == PROTOBUF_C_TYPE_MESSAGE && element.index < n && st == ST_OK; element.index++) {
			const ProtobufCMessage *sub = *(const ProtobufCMessage *const *)text_value(message, field, element.index);
			const struct text_place *here = repeated ? &element : &key;

			st = is_empty(sub) ? check_option(message, field, here, ret_error) : check_message(sub, here, ret_error);
		}
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

/* ---- filling in ---- */

static enum round_up
round_up_of(Fealty__Program__V1__RoundUp__Of v)
{
	switch (v) {
	case FEALTY__PROGRAM__V1__ROUND_UP__OF__none: return ROUND_UP_NONE;
	case FEALTY__PROGRAM__V1__ROUND_UP__OF__month: return ROUND_UP_MONTH;
	case FEALTY__PROGRAM__V1__ROUND_UP__OF__quarter: return ROUND_UP_QUARTER;
	case FEALTY__PROGRAM__V1__ROUND_UP__OF__half_year: return ROUND_UP_HALF_YEAR;
	case FEALTY__PROGRAM__V1__ROUND_UP__OF__year: return ROUND_UP_YEAR;
	default: break;			/* protobuf-c adds a value to its enums; scan_message() lets none but ours through */
	}
	assert(false);
	return ROUND_UP_NONE;
}

static enum rounding_mode
rounding_of(Fealty__Program__V1__RoundingMode__Of v)
{
	switch (v) {
	case FEALTY__PROGRAM__V1__ROUNDING_MODE__OF__floor: return ROUNDING_FLOOR;
	case FEALTY__PROGRAM__V1__ROUNDING_MODE__OF__nearest: return ROUNDING_NEAREST;
	case FEALTY__PROGRAM__V1__ROUNDING_MODE__OF__ceil: return ROUNDING_CEIL;
	default: break;
	}
	assert(false);
	return ROUNDING_FLOOR;
}

static void
fill_expiry(struct expiry_def *def, const Fealty__Program__V1__Expiry *e)
{
	if (e == NULL)
		return;
	*def = (struct expiry_def){
		.given = true,
		.never = e->term_case == FEALTY__PROGRAM__V1__EXPIRY__TERM_NEVER,
		.round_up = e->has_round_up_to ? round_up_of(e->round_up_to) : ROUND_UP_NONE,
	};
	if (e->term_case != FEALTY__PROGRAM__V1__EXPIRY__TERM_AFTER)
		return;
	def->has_days = e->after->has_days;
	def->has_months = e->after->has_months;
	def->has_years = e->after->has_years;
	def->days = e->after->days;
	def->months = e->after->months;
	def->years = e->after->years;
}

static void
fill_rule(struct rule_def *def, const Fealty__Program__V1__Earn *e)
{
	*def = (struct rule_def){
		.id = e->id,
		.has_priority = e->has_priority,
		.priority = e->priority,
		.has_kind = e->has_kind,
		.kind = e->kind == FEALTY__PROGRAM__V1__EARN_KIND__OF__bonus ? RULE_BONUS : RULE_BASE,
		.has_per_amount = e->per_amount != NULL,
		.has_fixed = e->fixed != NULL,
	};
	if (e->per_amount != NULL) {
		def->amount = e->per_amount->amount;
		def->points = e->per_amount->points;
		def->whole_steps = e->per_amount->has_whole_steps && e->per_amount->whole_steps;
	}
	if (e->fixed != NULL && e->per_amount == NULL)		/* with both program_compile() refuses the rule */
		def->points = e->fixed->points;
}

static void
fill_reach(struct tier_def *def, const Fealty__Program__V1__Reach *reach)
{
	def->has_reach = true;
	def->n_any = reach->n_any;
	for (size_t i = 0; i < reach->n_any && i < PROGRAM_REACH_MAX; i++) {
		const Fealty__Program__V1__AllOf *all = reach->any[i];

		def->any[i].n = all->n_all;
		for (size_t j = 0; j < all->n_all && j < PROGRAM_REACH_MAX; j++)
			def->any[i].thresholds[j] = (struct threshold_def){ all->all[j]->metric, all->all[j]->at_least };
	}
}

static void
fill_tier(struct tier_def *def, const Fealty__Program__V1__Tier *t)
{
	def->id = t->id;
	def->has_rank = t->has_rank;
	def->rank = t->rank;
	def->earn_multiplier = t->earn_multiplier;
	if (t->reach != NULL)
		fill_reach(def, t->reach);
	if (t->window != NULL && t->window->window_case == FEALTY__PROGRAM__V1__WINDOW__WINDOW_CALENDAR_YEAR)
		def->window = WINDOW_CALENDAR_YEAR;
	if (t->window != NULL && t->window->window_case == FEALTY__PROGRAM__V1__WINDOW__WINDOW_ROLLING_MONTHS) {
		def->window = WINDOW_ROLLING_MONTHS;
		def->rolling_months = t->window->rolling_months;
	}
	fill_expiry(&def->expiry, t->expiry);
}

static void
fill_birthday(struct program_def *def, const Fealty__Program__V1__Birthday *b)
{
	if (b == NULL)
		return;
	def->has_birthday = true;
	def->birthday_points = b->reward == NULL ? NULL : b->reward->points;
	if (b->window != NULL) {
		def->birthday_days_before = b->window->days_before;
		def->birthday_days_after = b->window->days_after;
	}
	def->guard_days = b->guard_days;
	def->birthday_on_claim = b->has_issue && b->issue == FEALTY__PROGRAM__V1__ISSUE__OF__on_claim;
	def->leap_to_march = b->has_leap_day && b->leap_day == FEALTY__PROGRAM__V1__LEAP_DAY__OF__mar_1;
}

static void
fill_redemption(struct program_def *def, const Fealty__Program__V1__Redemption *r)
{
	if (r == NULL)
		return;
	def->has_redemption = true;
	if (r->value != NULL) {
		def->value_points = r->value->points;
		def->value_amount = r->value->amount;
	}
	def->redeem_min = r->min;
	def->redeem_step = r->step;
	def->has_max_percent = r->has_max_percent_of_order;
	def->max_percent_of_order = r->max_percent_of_order;
	if (r->hold != NULL) {
		def->default_ttl = r->hold->default_ttl;
		def->max_ttl = r->hold->max_ttl;
	}
}

static void
fill_program(struct program_def *def, const PbProgram *p)
{
	def->id = p->id;
	def->name = p->name;
	def->timezone = p->timezone;
	def->currency = p->currency;
	def->has_points = p->points != NULL;
	if (p->points != NULL) {
		def->unit = p->points->unit;
		def->has_scale = p->points->has_scale;
		def->scale = p->points->scale;
	}
	if (p->rounding != NULL) {
		def->rounding = p->rounding->has_mode ? rounding_of(p->rounding->mode) : ROUNDING_FLOOR;
		def->round_once = p->rounding->has_at && p->rounding->at == FEALTY__PROGRAM__V1__ROUNDING_AT__OF__once;
	}
	def->n_rules = p->n_earn;
	for (size_t i = 0; i < p->n_earn && i < PROGRAM_RULES_MAX; i++)
		fill_rule(&def->rules[i], p->earn[i]);
	fill_expiry(&def->expiry, p->expiry);
	def->n_tiers = p->n_tiers;
	for (size_t i = 0; i < p->n_tiers && i < PROGRAM_TIERS_MAX; i++)
		fill_tier(&def->tiers[i], p->tiers[i]);
	fill_birthday(def, p->birthday);
	fill_redemption(def, p->redemption);
	def->has_late_days = p->limits != NULL && p->limits->has_late_days;
	if (def->has_late_days)
		def->late_days = p->limits->late_days;
}

/* What struct program_def has no room to leave out, because only one word of it is built. */
static enum status
check_required(const PbProgram *p, struct program_error *ret_error)
{
	for (size_t i = 0; i < p->n_earn; i++) {
		if (p->earn[i]->has_on)
			continue;
		struct text_place earn = { .key = "earn" }, rule = { .up = &earn, .index = i }, on = { .up = &rule, .key = "on" };
		return program_fail(ret_error, &on, "", "on", " is missing; allowed: purchase");
	}
	return ST_OK;
}

enum status
codec_program_def(struct bytes definition, struct arena *arena, struct program_def **ret_def, struct program_error *ret_error)
{
	struct scan_fault fault;
	ProtobufCMessage *message = NULL;

	enum scan_result scanned = scan_message(text_descriptor(CODEC_PROGRAM), definition, &fault);
	if (scanned == SCAN_REFUSED) {
		*ret_error = (struct program_error){ 0 };
		snprintf(ret_error->path, sizeof(ret_error->path), "%s", fault.path);
		snprintf(ret_error->sentence, sizeof(ret_error->sentence), "%s", fault.sentence);
		return ST_INVALID;
	}
	enum status st = ST_INVALID;
	if (scanned == SCAN_OK)
		st = arena_pb_unpack(text_descriptor(CODEC_PROGRAM), definition, arena, &message);
	if (st == ST_INVALID)
		*ret_error = (struct program_error){ .sentence = "this is not a program: its bytes are malformed" };
	if (st == ST_OK)
		st = check_message(message, NULL, ret_error);
	if (st == ST_OK)
		st = check_required((const PbProgram *)message, ret_error);
	if (st != ST_OK)
		return st;
	struct program_def *def = arena_alloc(arena, sizeof(*def));
	if (def == NULL)
		return ST_NOMEM;
	fill_program(def, (const PbProgram *)message);
	*ret_def = def;
	return ST_OK;
}
