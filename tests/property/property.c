/*
 * property [--list] [--long] [--cases N] [--seed N] [NAME]
 *
 * Lives random lives, and looks whether what should hold of all holds of each.  Case i has the seed i, so a run is the same every time; more
 * cases are further seeds.  A case that fails is made smaller and told: seed, program, commands, and how to run it again.
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checks.h"

#define CASES 300
#define CASES_LONG 10000
#define CASES_ENVIRONMENT "FEALTY_PROPERTY_CASES"
#define COMPILES_AT_LEAST 90		/* per cent of the programs */

const struct property properties[] = {
	{ "sums", "the postings of every entry sum to zero", .applied = sums_to_zero },
	{ "parts", "a balance is the sum of its lots, and a program's totals are those of its members", .applied = parts_are_equal },
	{ "books", "lots and holds are what postings say", .begin = books_begin, .applied = books_follow },
	{ "vouchers", "a voucher is in one state, is used but once, and is where entries say", .begin = vouchers_begin, .applied = vouchers_follow },
	{ "zero", "nothing is ever below zero", .applied = nothing_is_below_zero },
	{ "caps", "no cap and no limit is exceeded", .begin = caps_begin, .applied = caps_are_kept },
	{ "quote", "a quote is what the purchase right after it gets", .begin = quotes_begin, .command = quote_is_grant, .decided = quoted_entry },
	{ "pure", "deciding changes nothing, and gives the same again", .command = deciding_changes_nothing },
	{ "record", "a record is read as it was written", .applied = record_survives },
	{ "replay", "replaying what is stored gives the same state, byte for byte", .end = replay_is_equal },
	{ "redecide", "an entry that is stored is decided again as it was", .decided = decides_again },
	{ "forgery", "an entry that somebody has changed is noticed, by the name of the field", .decided = forgery_differs },
	{ "claw", "returns take what was granted and no more", .begin = claws_begin, .applied = claws_are_fair },
	{ "order", "it does not matter in which order parts are returned", .end = order_is_the_same },
	{ "conserve", "transfers and merges make no points, and lose none", .begin = keeping_begin, .decided = keeping_before, .applied = points_are_kept },
	{ "nights", "nights may be slept through", .sleepless = true },
	{ "census", "everything that can happen does", .decided = census_decided },
};
const size_t n_properties = sizeof(properties) / sizeof(properties[0]);

/* ---- assertions of the core, and signals ---- */

static struct life *living;		/* what is lived just now; NULL: nothing */
static const char *running_name;
static unsigned long long running_seed;

/* Takes the place of the C library's: a failed assertion is a case that fails, and can be made smaller. */
void
__assert_fail(const char *expression, const char *file, unsigned line, const char *function)
{
	struct life *l = living;

	if (l == NULL || l->failed) {
		(void)fprintf(stderr, "%s:%u: %s: %s\n", file, line, function, expression);
		abort();
	}
	life_fail(l, "assertion %s in %s(), %s:%u", expression, function, file, line);
}

static void
on_signal(int number)
{
	char text[200];
	int n = snprintf(text, sizeof(text), "signal %d: property %s --seed %llu\n", number, running_name, running_seed);
	ssize_t written = write(STDERR_FILENO, text, (size_t)n);

	(void)written;
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

/* ---- a case ---- */

struct trial { const struct property *property; FILE *log; char failure[600]; bool compiles; };

static bool
live_once(struct trial *trial, struct tape *t, bool keeps_nights, struct life *l)
{
	memset(l, 0, sizeof(*l));
	living = l;
	trial->compiles = life_live(l, trial->property, t, trial->log, keeps_nights);
	living = NULL;
	if (l->failed)
		memcpy(trial->failure, l->failure, sizeof(trial->failure));
	return l->failed;
}

/* The next entry of the member from ${i} on. */
static size_t
next_of_member(struct life *reader, const struct life *l, size_t i)
{
	while (i < l->n_stored && life_read(reader, &l->stored[i])->member == 0)
		i++;
	return i;
}

/* The same life with every midnight kept: the member's entries are the same, whenever they were made. */
static bool
sleeps_badly(struct trial *trial, struct tape *t, const struct life *slept)
{
	static struct life kept;
	bool differs = live_once(trial, t, true, &kept);

	if (setjmp(kept.way_out) != 0) {
		memcpy(trial->failure, kept.failure, sizeof(trial->failure));
		life_release(&kept);
		return true;
	}
	for (size_t i = 0, k = 0; !differs; i++, k++) {
		i = next_of_member(&kept, slept, i);
		k = next_of_member(&kept, &kept, k);
		if (i >= slept->n_stored && k >= kept.n_stored)
			break;
		if (i < slept->n_stored && k < kept.n_stored) {
			struct entry *a = life_read(&kept, &slept->stored[i]), *b = life_read(&kept, &kept.stored[k]);
			if (bytes_equal(life_store(&kept, a, slept->stored[i].id, 0), life_store(&kept, b, kept.stored[k].id, 0)))
				continue;
		}
		struct entry_id id = i < slept->n_stored ? slept->stored[i].id : kept.stored[k].id;
		(void)snprintf(trial->failure, sizeof(trial->failure), "entry %llu.%u is another one when every night is kept: %zu and %zu entries",
		    (unsigned long long)id.seq, id.index, slept->n_stored, kept.n_stored);
		differs = true;
	}
	life_release(&kept);
	return differs;
}

/* A tape_fails_fn. */
static bool
fails(void *ctx, struct tape *t)
{
	static struct life l;
	struct trial *trial = ctx;
	bool failed = live_once(trial, t, false, &l);

	if (!failed && trial->compiles && trial->property->sleepless)
		failed = sleeps_badly(trial, t, &l);
	life_release(&l);
	return failed;
}

static void
fill(struct tape *t, unsigned long long seed)
{
	tape_fill(t, seed, BLOCK_COMMANDS + 10 + seed % (COMMANDS_MAX - 9));
}

static void
print_versions(const struct property *property, struct tape *t)
{
	static struct life l;
	struct trial trial = { .property = property };

	(void)live_once(&trial, t, false, &l);
	print_program(l.defs[0], stdout);
	if (l.ledger->programs[0].n_versions > 1) {
		(void)printf("-- and its second version\n");
		print_program(l.defs[1], stdout);
	}
	life_release(&l);
}

static void
tell(const struct property *property, unsigned long long seed, struct tape *t, const char *program_name)
{
	struct trial trial = { .property = property };

	unsigned tries = tape_shrink(t, BLOCK_COMMANDS, fails, &trial);
	(void)printf("\nFAILED %s: %s\nseed %llu, made smaller in %u tries:\n\n", property->name, property->what, seed, tries);
	print_versions(property, t);
	(void)printf("-- and what happened\n");
	trial.log = stdout;
	(void)fails(&trial, t);
	(void)printf("\n%s\nagain: %s %s --seed %llu\n", trial.failure, program_name, property->name, seed);
}

/* ---- many cases ---- */

static bool
run_property(const struct property *property, unsigned long long first, unsigned long long n, const char *program_name)
{
	unsigned long long compiled = 0;
	static struct tape t;

	running_name = property->name;
	for (unsigned long long seed = first; seed < first + n; seed++) {
		struct trial trial = { .property = property };

		running_seed = seed;
		fill(&t, seed);
		if (fails(&trial, &t)) {
			tell(property, seed, &t, program_name);
			return false;
		}
		compiled += trial.compiles;
	}
	(void)printf("%-9s %llu cases, %llu of them lived: %s\n", property->name, n, compiled, property->what);
	if (n >= CASES && compiled * 100 < n * COMPILES_AT_LEAST) {
		(void)printf("FAILED %s: the generator makes too many programs that do not compile\n", property->name);
		return false;
	}
	if (property->decided == census_decided && n >= CASES) {
		size_t missing = census_missing(stdout);
		if (missing > 0)
			(void)printf(" never happened\nFAILED %s: %s\n", property->name, property->what);
		return missing == 0;
	}
	return true;
}

static unsigned long long
number(const char *text)
{
	char *end;

	errno = 0;
	unsigned long long value = text == NULL ? 0 : strtoull(text, &end, 10);
	if (text == NULL || errno != 0 || *text < '0' || *text > '9' || *end != 0) {
		(void)fprintf(stderr, "property: a number is missing, or not one: %s\n", text == NULL ? "" : text);
		exit(2);
	}
	return value;
}

int
main(int argc, char **argv)
{
	const char *name = NULL, *environment = getenv(CASES_ENVIRONMENT);
	unsigned long long first = 1, n = environment != NULL ? number(environment) : CASES;
	bool all_hold = true, any = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--list") == 0) {
			for (size_t k = 0; k < n_properties; k++)
				(void)printf("%-9s %s\n", properties[k].name, properties[k].what);
			return 0;
		} else if (strcmp(argv[i], "--long") == 0) {
			n = CASES_LONG;
		} else if (strcmp(argv[i], "--cases") == 0) {
			n = number(argv[++i]);
		} else if (strcmp(argv[i], "--seed") == 0) {
			first = number(argv[++i]);
			n = 1;
		} else {
			name = argv[i];
		}
	}
	(void)signal(SIGSEGV, on_signal);
	(void)signal(SIGABRT, on_signal);
	for (size_t k = 0; k < n_properties; k++) {
		if (name != NULL && strcmp(name, properties[k].name) != 0)
			continue;
		any = true;
		all_hold &= run_property(&properties[k], first, n, argv[0]);
	}
	if (!any) {
		(void)fprintf(stderr, "property: there is no property \"%s\"; --list names them\n", name);
		return 2;
	}
	return all_hold ? 0 : 1;
}
