/* Sentences.  Every field of an answer may be absent; what is absent or zero is not told. */
#include "show.h"

#include <stdio.h>
#include <string.h>

#include "ledger/calendar.h"

bool
points_are_zero(const char *points)
{
	return points == NULL || points[strspn(points, "-0.")] == '\0';
}

const char *
points_text(struct points_text *t, const char *points)
{
	if (points == NULL)
		points = "0";
	bool one = strcmp(points, "1") == 0 || strcmp(points, "-1") == 0;
	(void)snprintf(t->text, sizeof(t->text), "%.48s %s", points, one ? "point" : "points");
	return t->text;
}

static void
show_tier(const Fealty__V1__Response *r)
{
	char day[DAY_TEXT_BYTES];

	if (r->tier == NULL || r->tier[0] == '\0')
		return;
	(void)printf(", tier %s", r->tier);
	if (r->has_tier_until && r->tier_until != DAY_NEVER)
		(void)printf(" until %s", day_format(r->tier_until, day));
}

static void
show_stamps(const Fealty__V1__Response *r)
{
	for (size_t i = 0; i < r->n_stamps; i++)
		if (r->stamps[i]->count > 0)
			(void)printf("Card %s: %llu %s.\n", r->stamps[i]->id, (unsigned long long)r->stamps[i]->count, r->stamps[i]->count == 1 ? "stamp" : "stamps");
	for (size_t i = 0; i < r->n_stamp_debt; i++)
		(void)printf("Card %s: owes %llu.\n", r->stamp_debt[i]->id, (unsigned long long)r->stamp_debt[i]->count);
}

void
show_standing(const Fealty__V1__Response *r)
{
	if (r->available == NULL)
		return;
	(void)printf("Available %s", r->available);
	if (!points_are_zero(r->pending))
		(void)printf(", pending %s", r->pending);
	if (!points_are_zero(r->held))
		(void)printf(", held %s", r->held);
	if (!points_are_zero(r->debt))
		(void)printf(", owed %s", r->debt);
	show_tier(r);
	(void)printf(".\n");
	show_stamps(r);
}

void
show_worth(const Fealty__V1__Response *r)
{
	char day[DAY_TEXT_BYTES];

	if (r->value != NULL)
		(void)printf("Worth %s.\n", r->value);
	for (size_t i = 0; i < r->n_lots; i++)
		if (r->lots[i]->has_last_day && r->lots[i]->last_day != DAY_NEVER)
			(void)printf("  %s of those through %s\n", r->lots[i]->points, day_format(r->lots[i]->last_day, day));
}

/* ---- effects ---- */

/* What it did comes behind the points, or before the voucher; ${taken}: of points below zero. */
static const struct effect_words { const char *type, *words, *taken; } effect_words[] = {
	{ "points.earned", "earned", NULL },
	{ "points.activated", "can be spent from now on", NULL },
	{ "points.spent", "spent", NULL },
	{ "points.expired", "expired", NULL },
	{ "points.adjusted", "added", "taken" },
	{ "points.clawed", "taken back", NULL },
	{ "points.reinstated", "given back", NULL },
	{ "points.transferred", "sent", NULL },
	{ "points.advanced", "lent", NULL },
	{ "tier.upgraded", "A higher tier", NULL },
	{ "tier.downgraded", "A lower tier", NULL },
	{ "voucher.issued", "Issued the voucher", NULL },
	{ "voucher.used", "Used the voucher", NULL },
	{ "voucher.revoked", "Revoked the voucher", NULL },
	{ "hold.expired", "out of a hold that is over", NULL },
	{ "member.enrolled", "Enrolled", NULL },
	{ "member.erased", "Erased", NULL },
};

/* One of a newer server has no words here, and is called as it is. */
static struct effect_words
words_of(const char *type)
{
	for (size_t i = 0; i < sizeof(effect_words) / sizeof(effect_words[0]); i++)
		if (strcmp(effect_words[i].type, type) == 0)
			return effect_words[i];
	return (struct effect_words){ type, type, NULL };
}

/* Rules are joined by commas. */
static void
show_reason(const char *reason)
{
	for (const char *at = reason; *at != '\0'; at++) {
		(void)putchar(*at);
		if (*at == ',')
			(void)putchar(' ');
	}
}

static void
show_effect(const char *type, const char *points, const char *reason)
{
	struct effect_words w = words_of(type);
	bool taken = points != NULL && points[0] == '-' && w.taken != NULL;
	bool voucher = strncmp(type, "voucher.", 8) == 0;

	(void)printf("  ");
	if (points != NULL)
		(void)printf("%s ", POINTS(points + taken));
	(void)printf("%s", taken ? w.taken : w.words);
	if (reason != NULL) {
		(void)fputs(voucher ? " " : " (", stdout);
		show_reason(reason);
		(void)fputs(voucher ? "" : ")", stdout);
	}
	(void)printf("\n");
}

void
show_effects(const Fealty__V1__Response *r)
{
	for (size_t i = 0; i < r->n_effects; i++)
		show_effect(r->effects[i]->type != NULL ? r->effects[i]->type : "?", r->effects[i]->points, r->effects[i]->reason);
}

void
show_end(const Fealty__V1__Response *r)
{
	show_effects(r);
	if (r->has_replayed && r->replayed)
		(void)printf("This command had been applied before; nothing was applied again.\n");
}

void
show_done(const Fealty__V1__Response *r)
{
	(void)printf("Done%s%s%s.\n", r->id != NULL ? " (" : "", r->id != NULL ? r->id : "", r->id != NULL ? ")" : "");
	show_standing(r);
	show_end(r);
}
