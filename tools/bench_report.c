/* Keys of the JSON object are stable: scripts read them.  What cannot be said is null. */
#include "bench_report.h"

#include <math.h>
#include <stdio.h>

#include "bench_disk.h"

static double
per(double sum, double n)
{
	return n > 0 ? sum / n : NAN;
}

static struct histogram
latency_of_all(const struct figures *f)
{
	struct histogram all = { 0 };

	for (enum bench_op op = 0; op < BENCH_OP_COUNT; op++)
		histogram_add(&all, &f->latency[op]);
	return all;
}

static double
disk_allows(const struct settings *s)
{
	return disk_limit(s->flush_seconds, (double)s->connections * s->depth * s->batch);
}

/* ---- the daemon's part ---- */

struct rates {
	double seconds, commits_per_second, commands_per_commit, transactions_per_commit, commands_per_second;
	double cpu_us_per_command, cpu_seconds, memory_bytes;
};

static struct rates
rates_of(const struct marks *m)
{
	const struct daemon_reading *a = &m->daemon[0], *b = &m->daemon[1];
	double seconds = (double)(b->at_us - a->at_us) / 1e6, commits = b->commits - a->commits, commands = b->commands - a->commands;

	return (struct rates){
		.seconds = seconds,
		.commits_per_second = per(commits, seconds),
		.commands_per_commit = per(b->entries - a->entries, commits),
		.transactions_per_commit = per(b->transactions - a->transactions, commits),
		.commands_per_second = per(commands, seconds),
		.cpu_us_per_command = per((b->cpu_seconds - a->cpu_seconds) * 1e6, commands),
		.cpu_seconds = b->cpu_seconds - a->cpu_seconds,
		.memory_bytes = b->memory_bytes,
	};
}

static double
tool_cpu_seconds(const struct marks *m)
{
	return m->tool[1].cpu_seconds - m->tool[0].cpu_seconds;
}

static double
tool_cpu_us_per_command(const struct marks *m)
{
	return per(tool_cpu_seconds(m) * 1e6, (double)(m->tool[1].answered - m->tool[0].answered));
}

/* ---- JSON ---- */

static void
json_number(const char *name, double v, int digits)
{
	if (isfinite(v))
		printf(",\"%s\":%.*f", name, digits, v);
	else
		printf(",\"%s\":null", name);
}

static void
json_reasons(const char *name, const struct reasons *r)
{
	printf(",\"%s\":{", name);
	for (unsigned i = 0; i < r->n_rows; i++) {
		printf("%s\"", i > 0 ? "," : "");
		for (const char *p = r->rows[i].text; *p != '\0'; p++)	/* from the server: only what needs no escape */
			putchar((unsigned char)*p < ' ' || (unsigned char)*p > '~' || *p == '"' || *p == '\\' ? '?' : *p);
		printf("\":%lu", r->rows[i].n);
	}
	putchar('}');
}

static void
json_latency(const struct histogram *h)
{
	printf(",\"latency_us\":{\"p50\":%llu,\"p90\":%llu,\"p99\":%llu,\"p999\":%llu,\"max\":%llu,\"mean\":%.1f}",
	    (unsigned long long)histogram_percentile_us(h, 0.5), (unsigned long long)histogram_percentile_us(h, 0.9),
	    (unsigned long long)histogram_percentile_us(h, 0.99), (unsigned long long)histogram_percentile_us(h, 0.999),
	    (unsigned long long)h->max_us, histogram_mean_us(h));
}

static void
json_settings(const struct settings *s)
{
	char mix[MIX_TEXT_BYTES];

	mix_text(&s->mix, mix);
	printf("{\"mix\":\"%s\",\"connections\":%u,\"depth\":%u,\"batch\":%u,\"members\":%lu,\"threads\":%u,\"receipts\":%s", mix, s->connections, s->depth,
	    s->batch, s->members, s->threads, s->receipt ? "true" : "false");
	printf(",\"loop\":\"%s\"", s->rate > 0 ? "open" : "closed");
	json_number("rate", s->rate > 0 ? s->rate : NAN, 3);
	printf(",\"zipf\":%g,\"principals\":%u,\"tls\":%s,\"warmup_seconds\":%g", s->zipf, s->principals, s->tls.ca != NULL ? "true" : "false",
	    s->warmup_seconds);
}

static void
json_operations(const struct settings *s, const struct figures *f, double seconds)
{
	const char *comma = "";

	printf(",\"operations\":{");
	for (enum bench_op op = 0; op < BENCH_OP_COUNT; op++) {
		if (s->mix.weight[op] == 0)
			continue;
		printf("%s\"%s\":{\"commands\":%lu", comma, bench_op_str(op), f->commands[op]);
		json_number("per_second", seconds > 0 ? (double)f->commands[op] / seconds : 0, 1);
		json_latency(&f->latency[op]);
		putchar('}');
		comma = ",";
	}
	putchar('}');
}

static void
json_daemon(struct rates r)
{
	printf(",\"daemon\":{\"seconds\":%.6f", r.seconds);
	json_number("commits_per_second", r.commits_per_second, 1);
	json_number("commands_per_commit", r.commands_per_commit, 2);
	json_number("transactions_per_commit", r.transactions_per_commit, 2);
	json_number("commands_per_second", r.commands_per_second, 1);
	json_number("cpu_us_per_command", r.cpu_us_per_command, 3);
	json_number("cpu_seconds", r.cpu_seconds, 3);
	json_number("memory_bytes", r.memory_bytes, 0);
	putchar('}');
}

void
report_json(const struct settings *s, const struct figures *f, const struct marks *marks, double seconds)
{
	struct histogram all = latency_of_all(f);
	unsigned long commands = figures_commands(f);

	json_settings(s);
	printf(",\"commands\":%lu", commands);
	json_number("seconds", seconds, 6);
	json_number("per_second", seconds > 0 ? (double)commands / seconds : 0, 1);
	json_latency(&all);
	printf(",\"lost\":%lu,\"unanswered\":%lu", f->lost, f->unanswered);
	if (s->rate > 0)
		printf(",\"offered\":%lu,\"late\":%lu,\"not_sent\":%lu", f->offered, f->late, f->not_sent);
	json_reasons("errors", &f->errors);
	json_reasons("refusals", &f->refusals);
	json_operations(s, f, seconds);
	printf(",\"tool\":{\"cpu_seconds\":%.3f", tool_cpu_seconds(marks));
	json_number("cpu_us_per_command", tool_cpu_us_per_command(marks), 3);
	putchar('}');
	if (s->admin != NULL && marks->has_daemon)
		json_daemon(rates_of(marks));
	else if (s->admin != NULL)
		printf(",\"daemon\":null");
	if (s->flush_seconds > 0)
		printf(",\"fdatasync_ms\":%.4f,\"flush_limit_per_second\":%.0f", s->flush_seconds * 1e3, disk_allows(s));
	puts("}");
}

/* ---- text ---- */

static void
text_settings(const struct settings *s)
{
	char mix[MIX_TEXT_BYTES];

	mix_text(&s->mix, mix);
	printf("%s%s: %u connections, %u in flight each", mix, s->receipt ? " with a receipt" : "", s->connections, s->depth);
	if (s->batch > 1)
		printf(", batches of %u", s->batch);
	if (s->principals > 0)
		printf(", %u principals", s->principals);
	printf(", %lu members", s->members);
	if (s->zipf > 0)
		printf(" (Zipf %g)", s->zipf);
	printf(", %u thread%s", s->threads, s->threads == 1 ? "" : "s");
	if (s->rate > 0)
		printf(", open loop of %g/s", s->rate);
	putchar('\n');
}

static void
text_latency(const char *of, const struct histogram *h)
{
	printf("  %s: p50 %.3f ms  p90 %.3f ms  p99 %.3f ms  p99.9 %.3f ms  max %.3f ms\n", of, (double)histogram_percentile_us(h, 0.5) / 1e3,
	    (double)histogram_percentile_us(h, 0.9) / 1e3, (double)histogram_percentile_us(h, 0.99) / 1e3,
	    (double)histogram_percentile_us(h, 0.999) / 1e3, (double)h->max_us / 1e3);
}

static void
text_operations(const struct settings *s, const struct figures *f, double seconds)
{
	for (enum bench_op op = 0; op < BENCH_OP_COUNT; op++) {
		if (s->mix.weight[op] == 0 || s->mix.weight[op] == mix_sum(&s->mix))
			continue;		/* one alone is all there is */
		printf("  %s: %lu, %.0f/s\n", bench_op_str(op), f->commands[op], seconds > 0 ? (double)f->commands[op] / seconds : 0);
		text_latency("  latency", &f->latency[op]);
	}
}

static void
text_faults(const struct settings *s, const struct figures *f)
{
	for (unsigned i = 0; i < f->refusals.n_rows; i++)
		printf("  refused as it should be: %lu × %s\n", f->refusals.rows[i].n, f->refusals.rows[i].text);
	for (unsigned i = 0; i < f->errors.n_rows; i++)
		printf("  not OK: %lu × %s\n", f->errors.rows[i].n, f->errors.rows[i].text);
	if (f->lost > 0)
		printf("  connections lost: %lu\n", f->lost);
	if (f->unanswered > 0)
		printf("  sent and never answered: %lu\n", f->unanswered);
	if (s->rate > 0)
		printf("  due: %lu, of them answered after the end: %lu, never sent: %lu\n", f->offered, f->late, f->not_sent);
}

static void
text_machine(const struct settings *s, const struct marks *marks)
{
	printf("  fealty-bench: %.3f µs of CPU a command\n", tool_cpu_us_per_command(marks));
	if (marks->has_daemon) {
		struct rates r = rates_of(marks);

		printf("  the daemon: %.1f commits/s", r.commits_per_second);
		if (isfinite(r.commands_per_commit))
			printf(", %.1f commands a commit", r.commands_per_commit);
		printf(", %.3f µs of CPU a command, %.2f processors, %.0f MiB resident\n", r.cpu_us_per_command, per(r.cpu_seconds, r.seconds),
		    r.memory_bytes / (1 << 20));
	}
	if (s->flush_seconds > 0)
		printf("  the disk: %.3f ms a flush; at two flushes a commit it allows %.0f/s\n", s->flush_seconds * 1e3, disk_allows(s));
}

void
report_text(const struct settings *s, const struct figures *f, const struct marks *marks, double seconds)
{
	struct histogram all = latency_of_all(f);
	unsigned long commands = figures_commands(f);

	text_settings(s);
	printf("  %lu commands in %.3f s: %.0f/s\n", commands, seconds, seconds > 0 ? (double)commands / seconds : 0.0);
	text_latency(s->batch > 1 ? "latency of a batch" : "latency", &all);
	text_operations(s, f, seconds);
	text_faults(s, f);
	text_machine(s, marks);
}

bool
report_is_good(const struct figures *f)
{
	return f->errors.n_rows == 0 && f->lost == 0 && f->unanswered == 0 && f->not_sent == 0 && figures_commands(f) > 0;
}
