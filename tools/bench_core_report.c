/* Percentiles are exact: every time is kept.  The mean holds what other processes of the machine took, the median hardly. */
#include "bench_core.h"

#include <assert.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/status.h"

static const struct { const char *key, *words; } step_names[CORE_STEP_COUNT] = {
	[CORE_QUOTE] = { "quote", "deciding (a quote)" },
	[CORE_DECIDE] = { "decide", "deciding a purchase" },
	[CORE_EVOLVE] = { "evolve", "evolving it" },
	[CORE_PURCHASE] = { "purchase", "both" },
	[CORE_RETURN] = { "return", "a return, both" },
	[CORE_DECODE] = { "record_decode", "record: decode" },
	[CORE_CHECK] = { "record_check", "record: check" },
	[CORE_COPY] = { "record_copy", "record: copy" },
	[CORE_ENCODE] = { "record_encode", "record: encode" },
	[CORE_LEAF] = { "log_leaf", "log: hash, append" },
	[CORE_ROOT] = { "log_root", "log: root" },
	[CORE_CHECKPOINT] = { "log_checkpoint", "log: sign a checkpoint" },
	[CORE_INCLUSION] = { "log_inclusion", "log: inclusion proof" },
	[CORE_CONSISTENCY] = { "log_consistency", "log: consistency proof" },
};

int64_t
core_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void
core_note(struct core_figures *f, enum core_step step, int64_t ns)
{
	struct core_series *s = &f->step[step];

	if (s->n == s->cap) {
		size_t cap = s->cap == 0 ? 1u << 16 : s->cap * 2;
		uint32_t *grown = realloc(s->ns, cap * sizeof(*grown));
		if (grown == NULL)
			errx(2, "%s", status_str(ST_NOMEM));
		s->ns = grown;
		s->cap = cap;
	}
	ns -= f->clock_ns;
	s->ns[s->n++] = ns < 0 ? 0 : ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

static int
ns_order(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static uint32_t
percentile(const struct core_series *s, unsigned of_hundred)
{
	return s->n == 0 ? 0 : s->ns[(s->n - 1) * of_hundred / 100];
}

static double
mean(const struct core_series *s)
{
	double sum = 0;

	for (size_t i = 0; i < s->n; i++)
		sum += s->ns[i];
	return s->n == 0 ? 0 : sum / (double)s->n;
}

static void
print_json(const struct core_figures *f, bool within)
{
	double n = (double)f->members;

	printf("{\"core\":{\"program\":\"%s\",\"rules\":%zu,\"members\":%zu,\"purchases\":%zu,", f->program, f->rules, f->members,
	    f->step[CORE_DECIDE].n);
	printf("\"record\":{\"bytes\":%.1f,\"lots\":%.1f,\"days\":%.1f,\"tallies\":%.1f,\"pendings\":%.1f},\"ns\":{", (double)f->record_bytes / n,
	    (double)f->lots / n, (double)f->days / n, (double)f->tallies / n, (double)f->pendings / n);
	for (size_t i = 0; i < CORE_STEP_COUNT; i++) {
		const struct core_series *s = &f->step[i];
		printf("%s\"%s\":{\"p50\":%u,\"p99\":%u,\"mean\":%.0f}", i > 0 ? "," : "", step_names[i].key, percentile(s, 50), percentile(s, 99), mean(s));
	}
	printf("},\"decide_limit_ns\":%d,\"within_limit\":%s}}\n", CORE_DECIDE_LIMIT_NS, within ? "true" : "false");
}

static void
print_text(const struct core_figures *f, bool within)
{
	double n = (double)f->members;

	printf("core: program %s with %zu rule%s, %zu members, %zu purchases\n", f->program, f->rules, f->rules == 1 ? "" : "s", f->members,
	    f->step[CORE_DECIDE].n);
	printf("  a record: %.0f bytes, %.0f lots, %.0f days of metrics, %.0f tallies, %.0f rows of pending points\n", (double)f->record_bytes / n,
	    (double)f->lots / n, (double)f->days / n, (double)f->tallies / n, (double)f->pendings / n);
	printf("  %-22s %9s %9s %9s\n", "ns", "p50", "p99", "mean");
	for (size_t i = 0; i < CORE_STEP_COUNT; i++) {
		const struct core_series *s = &f->step[i];
		printf("  %-22s %9u %9u %9.0f\n", step_names[i].words, percentile(s, 50), percentile(s, 99), mean(s));
	}
	printf("  log: leaves of %d bytes; proofs in one of %llu leaves, without the reading of tiles\n", CORE_LEAF_BYTES, (unsigned long long)CORE_LOG_LEAVES);
	printf("  deciding takes %.1f µs, and may take %.1f µs: %s\n", (double)percentile(&f->step[CORE_QUOTE], 50) / 1e3,
	    CORE_DECIDE_LIMIT_NS / 1e3, within ? "good" : "too slow");
}

bool
core_report(struct core_figures *f, bool json)
{
	for (size_t i = 0; i < CORE_STEP_COUNT; i++) {
		if (f->step[i].n > 0)
			qsort(f->step[i].ns, f->step[i].n, sizeof(*f->step[i].ns), ns_order);
	}
	bool within = percentile(&f->step[CORE_QUOTE], 50) <= CORE_DECIDE_LIMIT_NS && percentile(&f->step[CORE_DECIDE], 50) <= CORE_DECIDE_LIMIT_NS;
	if (json)
		print_json(f, within);
	else
		print_text(f, within);
	return within;
}
