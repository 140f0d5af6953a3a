/*
 * Statements of both versions are held against each other (program_facts.c); the engine says what a purchase earns and whether publishing
 * is taken.  A section of the file that no statement speaks of is compared as it is written, so that no difference goes unseen.
 */
#include "program_diff.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct differ {
	const struct program_file *old_file, *new_file;
	const struct program *old_p, *new_p;
	struct facts old_facts, new_facts;
	struct diff *diff;
};

#define SAY(d, ...) arena_printf((d)->diff->arena, __VA_ARGS__)

const char *
effect_str(enum effect effect)
{
	static const char *const names[EFFECT_COUNT] = { "refused", "worse", "better", "other" };

	return names[effect];
}

static void
add(struct differ *d, const struct change *change)
{
	struct change *grown = arena_grow(d->diff->arena, d->diff->changes, &d->diff->cap, d->diff->n + 1, sizeof(*grown));

	assert(grown != NULL);
	d->diff->changes = grown;
	grown[d->diff->n++] = *change;
}

/* ---- what publishing refuses ---- */

static void
add_refused(struct differ *d, const char *key, const char *old_text, const char *new_text, const char *message)
{
	add(d, &(struct change){ EFFECT_REFUSED, TOPIC_OTHER, key, message, old_text, new_text });
}

static void
find_refused(struct differ *d)
{
	const struct program *a = d->old_p, *b = d->new_p;

	if (strcmp(a->id, b->id) != 0) {
		add_refused(d, "id", a->id, b->id, SAY(d, "%s is another program than %s: it would stand beside it, with no members, and not be its next "
		    "version", b->id, a->id));
		return;
	}
	if (strcmp(a->timezone, b->timezone) != 0)
		add_refused(d, "timezone", a->timezone, b->timezone, SAY(d, "the time zone is %s for ever, because every date in the ledger is of it; "
		    "the new file says %s", a->timezone, b->timezone));
	if (strcmp(a->currency, b->currency) != 0)
		add_refused(d, "currency", a->currency, b->currency, SAY(d, "the currency is %s for ever; the new file says %s", a->currency,
		    b->currency));
	if (a->scale != b->scale)
		add_refused(d, "points.scale", SAY(d, "%u", a->scale), SAY(d, "%u", b->scale), SAY(d, "points have %u digits after the point for ever; "
		    "the new file says %u", a->scale, b->scale));
	for (size_t i = 0; i < a->n_counters; i++) {
		if (i >= b->n_counters || strcmp(a->counters[i], b->counters[i]) != 0)
			add_refused(d, "counters", a->counters[i], i < b->n_counters ? b->counters[i] : "", SAY(d, "the counter %s must stay in its place in "
			    "the list: members have counts of it", a->counters[i]));
	}
	for (size_t i = 0; i < a->n_tiers; i++) {
		if (program_tier(b, a->tiers[i].id) == NULL)
			add_refused(d, SAY(d, "tiers.%s", a->tiers[i].id), a->tiers[i].id, "", SAY(d, "tier %s is missing: a tier that members may hold cannot "
			    "be taken away; let nobody reach it instead", a->tiers[i].id));
	}
	for (size_t i = 0; i < a->n_memberships; i++) {
		const struct program_membership *was = &a->memberships[i], *is = program_membership(b, was->id);
		if (is == NULL || is->months != was->months)
			add_refused(d, SAY(d, "memberships.%s", was->id), was->id, "", SAY(d, "membership %s is missing, or has another term: members may hold it "
			    "by the terms that it has", was->id));
	}
}

static enum status
ask_engine(struct differ *d, int64_t now_us)
{
	struct refusal refusal;

	enum status st = program_publish_verdict(d->old_file, d->new_file, now_us, &refusal);
	if (st != ST_OK)
		return st;
	d->diff->publishable = refusal.result == LEDGER_OK && strcmp(d->old_p->id, d->new_p->id) == 0;
	if (!d->diff->publishable && d->diff->n == 0)
		add_refused(d, "", "", "", SAY(d, "%s", refusal.sentence));
	return ST_OK;
}

/* ---- statements ---- */

static const char *
key_of(struct differ *d, const struct fact *fact)
{
	return strcmp(fact->entity, fact->aspect) == 0 ? fact->entity : SAY(d, "%s.%s", fact->entity, fact->aspect);
}

static const char *
spoken(struct differ *d, const struct fact *fact)
{
	return fact->label[0] == '\0' ? fact->text : SAY(d, "%s %s", fact->label, fact->text);
}

/* Numbers of two currencies or scales are not held against each other. */
static enum effect
effect_of(const struct differ *d, const struct fact *before, const struct fact *after)
{
	__extension__ typedef __int128 wide;

	if (d->old_p->scale != d->new_p->scale || strcmp(d->old_p->currency, d->new_p->currency) != 0)
		return EFFECT_OTHER;
	if (after->better == 0 || before->better != after->better || strcmp(before->shape, after->shape) != 0)
		return EFFECT_OTHER;
	wide old_value = (wide)before->num * after->den, new_value = (wide)after->num * before->den;
	if (old_value == new_value)
		return EFFECT_OTHER;
	return (new_value > old_value) == (after->better > 0) ? EFFECT_BETTER : EFFECT_WORSE;
}

/* Everything that an entity says of itself, but for what goes without saying. */
static const char *
describe(struct differ *d, const struct facts *facts, const char *entity)
{
	const char *text = "";

	for (size_t i = 0; i < facts->n; i++) {
		if (strcmp(facts->v[i].entity, entity) == 0 && !facts->v[i].is_default)
			text = SAY(d, "%s%s%s", text, text[0] == '\0' ? "" : "; ", spoken(d, &facts->v[i]));
	}
	return text;
}

/* A rule that takes another's place may be there to give less. */
static enum effect
effect_of_being(const struct program *p, const struct fact *fact, bool comes)
{
	if (fact->topic == TOPIC_TIERS)
		return EFFECT_OTHER;
	for (size_t i = 0; fact->topic == TOPIC_EARNING && i < p->n_rules; i++) {
		if (strcmp(p->rules[i].id, fact->entity + strlen("earn.")) == 0 && (p->rules[i].replaces != RULE_NONE ||
		    p->rules[i].kind == RULE_COUNTER || p->rules[i].kind == RULE_VOUCHER))
			return EFFECT_OTHER;
	}
	return comes ? EFFECT_BETTER : EFFECT_WORSE;
}

static void
compare_facts(struct differ *d)
{
	for (size_t i = 0; i < d->new_facts.n; i++) {
		const struct fact *after = &d->new_facts.v[i];
		bool first = i == 0 || strcmp(d->new_facts.v[i - 1].entity, after->entity) != 0;

		if (!facts_have(&d->old_facts, after->entity)) {
			const char *text = first ? describe(d, &d->new_facts, after->entity) : "";
			if (first)
				add(d, &(struct change){ effect_of_being(d->new_p, after, true), after->topic, after->entity, SAY(d, "%s is new: it %s", after->who,
				    text), "", text });
			continue;
		}
		const struct fact *before = facts_find(&d->old_facts, after->entity, after->aspect);
		if (before == NULL || strcmp(before->text, after->text) == 0)
			continue;
		add(d, &(struct change){ effect_of(d, before, after), after->topic, key_of(d, after), SAY(d, "%s %s; before: %s", after->who, spoken(d,
		    after),
		    before->text), before->text, after->text });
	}
	for (size_t i = 0; i < d->old_facts.n; i++) {
		const struct fact *before = &d->old_facts.v[i];

		if (facts_have(&d->new_facts, before->entity) || (i > 0 && strcmp(d->old_facts.v[i - 1].entity, before->entity) == 0) ||
		    before->topic == TOPIC_TIERS)		/* a tier that is gone is refused */
			continue;
		const char *text = describe(d, &d->old_facts, before->entity);
		add(d, &(struct change){ effect_of_being(d->old_p, before, false), before->topic, before->entity, SAY(d, "%s is gone; it had: %s",
		    before->who,
		    text), text, "" });
	}
}

/* ---- order ---- */

/* Names of one version that the other has too, in their order. */
static const char *
common_rules(struct differ *d, const struct program *p, const struct program *other)
{
	const char *text = "";

	for (size_t i = 0; i < p->n_rules; i++) {
		for (size_t k = 0; k < other->n_rules; k++) {
			if (strcmp(p->rules[i].id, other->rules[k].id) == 0)
				text = SAY(d, "%s%s%s", text, text[0] == '\0' ? "" : ", ", p->rules[i].id);
		}
	}
	return text;
}

static const char *
common_tiers(struct differ *d, const struct program *p, const struct program *other)
{
	const char *text = "";

	for (size_t i = 0; i < p->n_tiers; i++) {
		if (program_tier(other, p->tiers[i].id) != NULL)
			text = SAY(d, "%s%s%s", text, text[0] == '\0' ? "" : ", ", p->tiers[i].id);
	}
	return text;
}

static void
compare_orders(struct differ *d)
{
	const char *before = common_rules(d, d->old_p, d->new_p), *after = common_rules(d, d->new_p, d->old_p);

	if (strcmp(before, after) != 0)
		add(d, &(struct change){ EFFECT_OTHER, TOPIC_EARNING, "earn.order", SAY(d, "rules come in the order %s; before: %s", after, before),
		    before, after });
	before = common_tiers(d, d->old_p, d->new_p);
	after = common_tiers(d, d->new_p, d->old_p);
	if (strcmp(before, after) != 0)
		add(d, &(struct change){ EFFECT_OTHER, TOPIC_TIERS, "tiers.order", SAY(d, "tiers rise in the order %s; before: %s", after, before),
		    before, after });
}

static void
compare_counters(struct differ *d)
{
	for (size_t i = d->old_p->n_counters; i < d->new_p->n_counters; i++) {
		const char *id = d->new_p->counters[i];
		add(d, &(struct change){ EFFECT_OTHER, TOPIC_EARNING, SAY(d, "counters.%s", id), SAY(d, "%s is counted from now on, from 0", id), "",
		    id });
	}
}

/* ---- what no statement speaks of ---- */

static json_t *
json_of(const struct program_file *file, struct arena *arena)
{
	struct buf text;

	buf_init(&text);
	enum status st = codec_json_print(CODEC_PROGRAM, buf_bytes(&file->definition), false, arena, &text);
	json_t *object = st == ST_OK ? json_loadb((const char *)text.data, text.len, 0, NULL) : NULL;
	buf_release(&text);
	assert(object != NULL);			/* it was compiled, so it can be printed */
	return object;
}

static bool
spoken_of(const struct diff *diff, const char *section)
{
	size_t len = strlen(section);

	for (size_t i = 0; i < diff->n; i++) {
		const char *key = diff->changes[i].key;
		if (strncmp(key, section, len) == 0 && (key[len] == '\0' || key[len] == '.'))
			return true;
	}
	return false;
}

static const char *
written(struct differ *d, const json_t *value)
{
	char *text = value == NULL ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
	const char *copy = text == NULL ? "" : SAY(d, "%.400s", text);

	free(text);
	return copy;
}

/* Whether there are statements about a section of the file. */
static bool
facts_have_section(const struct facts *facts, const char *section)
{
	size_t len = strlen(section);

	for (size_t i = 0; i < facts->n; i++) {
		const char *entity = facts->v[i].entity;
		if (strncmp(entity, section, len) == 0 && (entity[len] == '\0' || entity[len] == '.'))
			return true;
	}
	return false;
}

/* What is written of ${a} otherwise than in ${b}; ${both}: sections of the other are left to the other way round. */
static void
compare_sections(struct differ *d, json_t *before, json_t *after, json_t *keys, bool both)
{
	const char *key;
	json_t *value;

	json_object_foreach(keys, key, value) {
		json_t *a = json_object_get(before, key), *b = json_object_get(after, key);

		if ((both && (a == NULL || b == NULL ? a == b : json_equal(a, b))) || (!both && b != NULL) || spoken_of(d->diff, key))
			continue;
		const char *old_text = written(d, a), *new_text = written(d, b), *name = SAY(d, "%s", key);
		const char *message = facts_have_section(&d->new_facts, key) ?
		    SAY(d, "%s is written otherwise, and says the same as far as this command reads it", name) :
		    a == NULL ? SAY(d, "%s is new: %s", name, new_text) : b == NULL ? SAY(d, "%s is gone: %s", name, old_text) :
		    SAY(d, "%s is written as %s; before: %s", name, new_text, old_text);
		add(d, &(struct change){ EFFECT_OTHER, TOPIC_OTHER, name, message, old_text, new_text });
	}
}

static void
compare_text(struct differ *d)
{
	json_t *before = json_of(d->old_file, d->diff->arena), *after = json_of(d->new_file, d->diff->arena);

	compare_sections(d, before, after, after, true);
	compare_sections(d, before, after, before, false);
	json_decref(before);
	json_decref(after);
}

/* ---- what stays ---- */

static void
keep(struct differ *d, const char *sentence)
{
	assert(d->diff->n_kept < sizeof(d->diff->kept) / sizeof(d->diff->kept[0]));
	d->diff->kept[d->diff->n_kept++] = sentence;
}

static void
say_kept(struct differ *d)
{
	keep(d, "Points that members have keep their last day, pending points the terms of the day on which they were earned, and open holds "
	    "their end.");
	if (d->old_p->has_inactivity)
		keep(d, d->new_p->has_inactivity ? "Points under the inactivity clock stay under it; it runs by the new rules from the member's next "
		    "activity." :
		    "Points under the inactivity clock stay under it as it is.");
	if (d->old_p->n_tiers > 0)
		keep(d, "Members keep the tier that they hold through its last day, whatever its thresholds are; what keeps it is asked then, by the "
		    "version of that day.");
	if (d->old_p->n_tiers > 0)
		keep(d, "Members who have what a lower threshold asks for rise with their next event; nobody falls because a threshold rose.");
}

/* ---- samples ---- */

static bool
tier_is_listed(const struct diff *diff, const char *id)
{
	for (size_t i = 0; i < diff->n_tiers; i++) {
		if (strcmp(diff->tiers[i], id) == 0)
			return true;
	}
	return false;
}

static void
list_tiers(struct differ *d)
{
	struct diff *diff = d->diff;
	const struct program *const programs[] = { d->new_p, d->old_p };

	diff->tiers = arena_alloc(diff->arena, (2 * PROGRAM_TIERS_MAX + 1) * sizeof(*diff->tiers));
	assert(diff->tiers != NULL);
	for (size_t k = 0; k < 2; k++) {
		for (size_t i = 0; i < programs[k]->n_tiers; i++) {
			if (!tier_is_listed(diff, programs[k]->tiers[i].id))
				diff->tiers[diff->n_tiers++] = programs[k]->tiers[i].id;
		}
	}
}

static enum status
take_samples(struct differ *d, int64_t now_us)
{
	struct diff *diff = d->diff;

	diff->has_samples = strcmp(d->old_p->currency, d->new_p->currency) == 0;
	if (!diff->has_samples)
		return ST_OK;
	list_tiers(d);
	size_t n = diff->n_tiers == 0 ? 1 : diff->n_tiers;
	const char *const *tiers = diff->n_tiers == 0 ? NULL : diff->tiers;
	diff->n_tiers = n;
	diff->samples_old = arena_alloc(diff->arena, n * sizeof(*diff->samples_old));
	diff->samples_new = arena_alloc(diff->arena, n * sizeof(*diff->samples_new));
	if (diff->samples_old == NULL || diff->samples_new == NULL)
		return ST_NOMEM;
	diff->amounts[0] = sample_step(d->old_p, d->new_p);
	for (size_t i = 1; i < SAMPLE_AMOUNTS; i++) {
		if (__builtin_mul_overflow(diff->amounts[i - 1], (int64_t)10, &diff->amounts[i]))
			diff->amounts[i] = INT64_MAX;
	}
	enum status st = program_sample(d->old_file, tiers, n, diff->amounts[0], now_us, diff->samples_old);
	return st == ST_OK ? program_sample(d->new_file, tiers, n, diff->amounts[0], now_us, diff->samples_new) : st;
}

/* ---- all of it ---- */

/* Stable: equal ones stay as the programs have them. */
static void
sort_changes(struct diff *diff)
{
	for (size_t i = 1; i < diff->n; i++) {
		struct change moved = diff->changes[i];
		size_t place = i;

		for (; place > 0; place--) {
			const struct change *before = &diff->changes[place - 1];
			if (before->effect < moved.effect || (before->effect == moved.effect && before->topic <= moved.topic))
				break;
			diff->changes[place] = *before;
		}
		diff->changes[place] = moved;
	}
}

enum status
program_diff(const struct program_file *old_program, const struct program_file *new_program, int64_t now_us, struct arena *arena,
    struct diff *ret)
{
	struct differ d = { .old_file = old_program, .new_file = new_program, .old_p = old_program->program, .new_p = new_program->program,
	    .diff = ret };

	*ret = (struct diff){ .arena = arena };
	find_refused(&d);
	enum status st = ask_engine(&d, now_us);
	if (st != ST_OK || strcmp(d.old_p->id, d.new_p->id) != 0)
		return st;			/* of two programs nothing is worse or better */
	program_facts(old_program, arena, &d.old_facts);
	program_facts(new_program, arena, &d.new_facts);
	compare_facts(&d);
	compare_orders(&d);
	compare_counters(&d);
	compare_text(&d);
	ret->same = ret->n == 0;
	sort_changes(ret);
	say_kept(&d);
	return take_samples(&d, now_us);
}
