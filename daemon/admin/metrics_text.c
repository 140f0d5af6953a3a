/**
 * Each family is written whole: HELP, TYPE, samples.  A counter is there from the start with 0, so that its first increase is seen; only
 * refusals by operation *and* reason, most pairs of which can never be, appear with their first.  Seconds are printed from microseconds
 * without floating point, so a bound never changes its text.
 */
#include "admin/metrics_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define US_PER_SECOND UINT64_C(1000000)

/* ---- pieces ---- */

static void
put(struct buf *out, const char *text)
{
	buf_put(out, text, strlen(text));
}

static void
put_number(struct buf *out, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, n);
	put(out, text);
}

static void
put_seconds(struct buf *out, uint64_t us)
{
	char text[40];
	int len = snprintf(text, sizeof(text), "%" PRIu64 ".%06" PRIu64, us / US_PER_SECOND, us % US_PER_SECOND);

	while (text[len - 1] == '0')
		len--;
	if (text[len - 1] == '.')
		len--;
	buf_put(out, text, (size_t)len);
}

static void
put_escaped(struct buf *out, const char *value)
{
	for (const char *p = value; *p != '\0'; p++) {
		if (*p == '\n') {
			put(out, "\\n");
			continue;
		}
		if (*p == '"' || *p == '\\')
			put(out, "\\");
		buf_put(out, p, 1);
	}
}

static void
family(struct buf *out, const char *name, const char *type, const char *help)
{
	put(out, "# HELP ");
	put(out, name);
	put(out, " ");
	put(out, help);
	put(out, "\n# TYPE ");
	put(out, name);
	put(out, " ");
	put(out, type);
	put(out, "\n");
}

struct label { const char *name, *value; };

/* The beginning of a line, up to its value.  Labels end with the first whose name is NULL. */
static void
sample(struct buf *out, const char *name, const char *suffix, const struct label labels[static 3])
{
	put(out, name);
	put(out, suffix);
	for (size_t i = 0; i < 3 && labels[i].name != NULL; i++) {
		put(out, i == 0 ? "{" : ",");
		put(out, labels[i].name);
		put(out, "=\"");
		put_escaped(out, labels[i].value);
		put(out, "\"");
	}
	put(out, labels[0].name == NULL ? " " : "} ");
}

#define LABELS(...) ((const struct label[3]){ __VA_ARGS__ })
#define NO_LABEL LABELS({ NULL, NULL })

static void
count_of(struct buf *out, const char *name, const struct label labels[static 3], uint64_t n)
{
	sample(out, name, "", labels);
	put_number(out, n);
	put(out, "\n");
}

static void
seconds_of(struct buf *out, const char *name, uint64_t us)
{
	sample(out, name, "", NO_LABEL);
	put_seconds(out, us);
	put(out, "\n");
}

static void
counter(struct buf *out, const char *name, const char *help, uint64_t n)
{
	family(out, name, "counter", help);
	count_of(out, name, NO_LABEL, n);
}

static void
gauge(struct buf *out, const char *name, const char *help, uint64_t n)
{
	family(out, name, "gauge", help);
	count_of(out, name, NO_LABEL, n);
}

/* The samples of one histogram; ${label} may have no name. */
static void
histogram_of(struct buf *out, const char *name, struct label label, const struct figure_histogram *h,
    void (*put_value)(struct buf *out, uint64_t v))
{
	struct buf bound;
	uint64_t count = 0;

	buf_init(&bound);
	for (size_t i = 0; i <= h->n_bounds; i++) {
		count += h->counts[i];
		buf_clear(&bound);
		if (i < h->n_bounds)
			put_value(&bound, h->bounds[i]);
		else
			put(&bound, "+Inf");
		buf_put_u8(&bound, '\0');
		if (buf_status(&bound) != ST_OK) {
			out->failed = true;
			break;
		}
		struct label le = { "le", (const char *)bound.data };
		sample(out, name, "_bucket", label.name == NULL ? LABELS(le) : LABELS(label, le));
		put_number(out, count);
		put(out, "\n");
	}
	buf_release(&bound);
	sample(out, name, "_sum", LABELS(label));
	put_value(out, h->sum);
	put(out, "\n");
	sample(out, name, "_count", LABELS(label));
	put_number(out, count);
	put(out, "\n");
}

/* ---- families ---- */

static void
put_process(struct buf *out, const struct metrics_process *process, const struct figures *f)
{
	family(out, "fealty_build_info", "gauge", "The version that runs.");
	count_of(out, "fealty_build_info", LABELS({ "version", process->version }), 1);
	family(out, "fealty_uptime_seconds", "gauge", "Since the process began.");
	seconds_of(out, "fealty_uptime_seconds", process->uptime_us);
	family(out, "process_cpu_seconds_total", "counter", "CPU time of all threads, in user code and in the kernel.");
	seconds_of(out, "process_cpu_seconds_total", process->cpu_us);
	if (process->memory_bytes > 0)
		gauge(out, "process_resident_memory_bytes", "Memory that is resident, files that are mapped included.", process->memory_bytes);
	gauge(out, "fealty_ready", "1 when writes are accepted; /readyz says why not.", f != NULL && f->readiness == SERVICE_READY);
}

static void
put_ledger(struct buf *out, const struct figures *f)
{
	char engine[16];

	snprintf(engine, sizeof(engine), "%" PRIu32, f->engine);
	family(out, "fealty_ledger_info", "gauge", "The ledger's origin, its kind of clock, and the engine that decides.");
	count_of(out, "fealty_ledger_info",
	    LABELS({ "origin", f->origin }, { "clock", f->manual_clock ? "manual" : "real" }, { "engine", engine }), 1);
	gauge(out, "fealty_ledger_transactions", "Durable transactions in the ledger.", f->transactions);
	family(out, "fealty_entries_total", "counter", "Entries written to the ledger, by operation.");
	for (size_t i = 0; i < f->n_entries; i++)
		count_of(out, "fealty_entries_total", LABELS({ "op", f->entries[i].name }), f->entries[i].count);
	counter(out, "fealty_system_entries_total", "Entries that fell due by themselves: expiry, tiers, birthdays, time-outs.", f->system_entries);
}

static void
put_commands(struct buf *out, const struct figure_commands *c)
{
	family(out, "fealty_commands_total", "counter", "Commands answered, by operation; each command of a batch by itself.");
	for (size_t op = 0; op < c->n_ops; op++) {
		uint64_t n = 0;
		for (size_t reason = 0; reason < c->n_reasons; reason++)
			n += c->counts[op][reason];
		count_of(out, "fealty_commands_total", LABELS({ "op", c->ops[op] }), n);
	}
	family(out, "fealty_results_total", "counter", "Commands answered, by the reason of the answer; OK: not refused.");
	for (size_t reason = 0; reason < c->n_reasons; reason++) {
		uint64_t n = 0;
		for (size_t op = 0; op < c->n_ops; op++)
			n += c->counts[op][reason];
		count_of(out, "fealty_results_total", LABELS({ "reason", c->reasons[reason] }), n);
	}
	family(out, "fealty_refusals_total", "counter", "Commands refused, by operation and reason, as far as there were any.");
	for (size_t op = 0; op < c->n_ops; op++) {
		for (size_t reason = 1; reason < c->n_reasons; reason++) {
			if (c->counts[op][reason] > 0)
				count_of(out, "fealty_refusals_total", LABELS({ "op", c->ops[op] }, { "reason", c->reasons[reason] }), c->counts[op][reason]);
		}
	}
}

static void
put_commits(struct buf *out, const struct figures *f)
{
	static const struct label none = { NULL, NULL };

	counter(out, "fealty_replays_total", "Commands answered with the outcome that they had before.", f->replays);
	counter(out, "fealty_terminal_gaps_total", "Commands whose number showed that earlier ones of their terminal are missing.", f->terminal_gaps);
	counter(out, "fealty_terminal_repeats_total", "Commands whose number another command of their terminal had.", f->terminal_repeats);
	counter(out, "fealty_commits_total", "Group commits to the ledger.", f->commits);
	counter(out, "fealty_commits_undone_total", "Group commits that found no space and were undone.", f->commits_undone);
	family(out, "fealty_commit_transactions", "histogram", "Transactions of a group commit.");
	histogram_of(out, "fealty_commit_transactions", none, &f->commit_transactions, put_number);
	family(out, "fealty_commit_step_seconds", "histogram",
	    "Time of a group commit by step: decide the batch, wait for signatures, vault, ledger with its fsync, state.");
	for (enum figure_step step = 0; step < FIGURE_STEP_COUNT; step++)
		histogram_of(out, "fealty_commit_step_seconds", (struct label){ "step", figure_step_str(step) }, &f->steps_us[step], put_seconds);
	family(out, "fealty_write_seconds", "histogram", "From the arrival of a write, or of a batch, until its answer is durable and leaves.");
	histogram_of(out, "fealty_write_seconds", none, &f->answer_us, put_seconds);
	gauge(out, "fealty_queue_length", "Requests and batches that wait for the commit thread.", f->queue_length);
}

static void
put_connections(struct buf *out, const struct figures *f)
{
	gauge(out, "fealty_connections", "Open connections.", f->connections);
	counter(out, "fealty_connections_accepted_total", "Connections accepted.", f->accepted);
	counter(out, "fealty_connections_refused_total", "Connections refused because there were too many.", f->refused);
	counter(out, "fealty_connections_rejected_total", "Connections whose TLS handshake failed.", f->rejected);
	if (f->cert_ends_at > 0)
		gauge(out, "fealty_certificate_ends_seconds", "When the server's certificate ends, in seconds since 1970.", (uint64_t)f->cert_ends_at);
	if (f->crl_ends_at > 0)
		gauge(out, "fealty_revocation_list_ends_seconds", "Until when the list of revoked certificates is good; nobody gets in after that.",
		    (uint64_t)f->crl_ends_at);
	counter(out, "fealty_received_bytes_total", "Bytes received from connections.", f->received_bytes);
	counter(out, "fealty_sent_bytes_total", "Bytes sent to connections.", f->sent_bytes);
	gauge(out, "fealty_subscriptions", "Open subscriptions.", f->subscriptions);
	family(out, "fealty_limit_reached_total", "counter", "Commands, frames and connections that a limit refused or slowed down, by the limit.");
	for (size_t i = 0; i < f->n_limits; i++)
		count_of(out, "fealty_limit_reached_total", LABELS({ "limit", f->limits[i].name }), f->limits[i].count);
}

static void
put_log(struct buf *out, const struct figures *f)
{
	gauge(out, "fealty_public_checkpoint_size", "Transactions of the newest public checkpoint; 0: there is none yet.", f->public_size);
	gauge(out, "fealty_served_checkpoint_size", "Transactions of the checkpoint that is served: with witnesses, one with its quorum.", f->served_size);
	if (f->n_witnesses == 0)
		return;
	gauge(out, "fealty_cosigned_checkpoint_size", "Transactions of the newest checkpoint that the quorum has cosigned; 0: none.", f->cosigned_size);
	if (f->cosigned_size == 0)
		return;
	family(out, "fealty_cosigned_checkpoint_age_seconds", "gauge", "Since the newest checkpoint with its quorum had it; absent when there is none.");
	seconds_of(out, "fealty_cosigned_checkpoint_age_seconds", f->cosigned_age_us);
}

static void
witness_family(struct buf *out, const struct figures *f, const char *name, const char *type, const char *help,
    uint64_t (*value)(const struct figure_witness *w))
{
	family(out, name, type, help);
	for (size_t i = 0; i < f->n_witnesses; i++)
		count_of(out, name, LABELS({ "witness", f->witnesses[i].name }), value(&f->witnesses[i]));
}

static uint64_t asked_of(const struct figure_witness *w) { return w->asked; }
static uint64_t bad_of(const struct figure_witness *w) { return w->bad_answers; }
static uint64_t fork_of(const struct figure_witness *w) { return w->fork; }
static uint64_t size_of(const struct figure_witness *w) { return w->cosigned_size; }

static void
put_witnesses(struct buf *out, const struct figures *f)
{
	if (f->n_witnesses == 0)
		return;
	witness_family(out, f, "fealty_witness_requests_total", "counter", "Requests to a witness to cosign a checkpoint.", asked_of);
	family(out, "fealty_witness_answers_total", "counter", "Answers of a witness by status code; none: it gave none in time.");
	for (size_t i = 0; i < f->n_witnesses; i++) {
		for (size_t a = 0; a < FIGURE_WITNESS_ANSWERS; a++)
			count_of(out, "fealty_witness_answers_total", LABELS({ "witness", f->witnesses[i].name }, { "code", figure_witness_answer_str(a) }),
			    f->witnesses[i].answers[a]);
	}
	witness_family(out, f, "fealty_witness_bad_answers_total", "counter", "Answers that are none by the protocol, or whose signatures do not hold.",
	    bad_of);
	witness_family(out, f, "fealty_witness_fork", "gauge", "1: it has seen another log of this name than ours, and has not cosigned since.", fork_of);
	witness_family(out, f, "fealty_witness_cosigned_size", "gauge", "Transactions of the newest checkpoint that it has cosigned; 0: none.", size_of);
	family(out, "fealty_witness_cosigned_age_seconds", "gauge", "Since its newest cosignature, by its clock; absent when there is none.");
	for (size_t i = 0; i < f->n_witnesses; i++) {
		if (f->witnesses[i].cosigned_size == 0)
			continue;
		sample(out, "fealty_witness_cosigned_age_seconds", "", LABELS({ "witness", f->witnesses[i].name }));
		put_seconds(out, f->witnesses[i].cosigned_age_us);
		put(out, "\n");
	}
}

static void
put_start(struct buf *out, const struct figures *f)
{
	family(out, "fealty_start_seconds", "gauge", "How long the start took, until the ledger was verified and state complete.");
	seconds_of(out, "fealty_start_seconds", f->start_us);
	gauge(out, "fealty_start_replayed_transactions", "Transactions that the start replayed into state.", f->start_replayed);
	family(out, "fealty_start_state", "gauge", "1 for where the start took state from: kept as it was, a snapshot, or empty and rebuilt.");
	for (enum figure_state state = 0; state < FIGURE_STATE_COUNT; state++)
		count_of(out, "fealty_start_state", LABELS({ "source", figure_state_str(state) }), state == f->start_state);
}

static void
put_files(struct buf *out, const struct figures *f)
{
	if (!f->has_sizes)
		return;
	family(out, "fealty_file_bytes", "gauge", "Length of an environment's file; the end of state's is a hole, for the next commits.");
	for (size_t i = 0; i < sizeof(f->file_bytes) / sizeof(*f->file_bytes); i++)
		count_of(out, "fealty_file_bytes", LABELS({ "environment", f->file_bytes[i].name }), f->file_bytes[i].count);
	gauge(out, "fealty_disk_free_bytes", "Free on the disk of the data directory.", f->free_bytes);
	if (!f->has_snapshot)
		return;
	family(out, "fealty_snapshot_age_seconds", "gauge", "Since the newest snapshot of state was written; absent when there is none.");
	seconds_of(out, "fealty_snapshot_age_seconds", f->snapshot_age_us);
	gauge(out, "fealty_snapshot_transactions", "Transactions in the newest snapshot; absent when there is none.", f->snapshot_transactions);
}

static void
put_scrub(struct buf *out, const struct figure_scrubs *b)
{
	gauge(out, "fealty_scrub_enabled", "1: ledger and vault are read from the disk in the background, and compared.", b->on);
	gauge(out, "fealty_scrub_running", "1: a pass is on its way; 0: between two passes.", b->running);
	gauge(out, "fealty_scrub_direct", "1: the newest read went to the disk; 0: the file system may have answered from memory.", b->direct);
	counter(out, "fealty_scrub_passes_total", "Whole passes.", b->passes);
	counter(out, "fealty_scrub_read_bytes_total", "Bytes read from the disk.", b->bytes);
	counter(out, "fealty_scrub_transactions_total", "Transactions looked at.", b->transactions);
	gauge(out, "fealty_scrub_position_transactions", "How far the pass is: the next transaction, or the size of the tree that checkpoints are compared with.",
	    b->position);
	gauge(out, "fealty_scrub_size_transactions", "How many transactions the pass has in all.", b->size);
	family(out, "fealty_scrub_last_pass_end_seconds", "gauge", "When the newest whole pass ended, in seconds since 1970; 0: none since the start.");
	seconds_of(out, "fealty_scrub_last_pass_end_seconds", (uint64_t)b->last_at_us);
	family(out, "fealty_scrub_last_pass_seconds", "gauge", "How long it took.");
	seconds_of(out, "fealty_scrub_last_pass_seconds", b->last_us);
	family(out, "fealty_scrub_faults", "gauge", "Damage that is known, by kind: found by the newest whole pass, or since. Anything but 0 needs a person.");
	for (enum figure_scrub kind = 0; kind < FIGURE_SCRUB_COUNT; kind++)
		count_of(out, "fealty_scrub_faults", LABELS({ "kind", figure_scrub_str(kind) }), b->faults[kind]);
}

void
metrics_text(const struct metrics_process *process, const struct figures *figures, struct buf *out)
{
	put_process(out, process, figures);
	if (figures == NULL)
		return;
	put_ledger(out, figures);
	put_commands(out, &figures->commands);
	put_commits(out, figures);
	put_connections(out, figures);
	put_log(out, figures);
	put_witnesses(out, figures);
	put_start(out, figures);
	put_files(out, figures);
	put_scrub(out, &figures->scrub);
}

void
metrics_requests_text(const struct metrics_request *requests, size_t n, struct buf *out)
{
	family(out, "fealty_http_requests_total", "counter", "Requests to this door that were answered, by path and status code.");
	for (size_t i = 0; i < n; i++) {
		char code[16];
		snprintf(code, sizeof(code), "%d", requests[i].code);
		count_of(out, "fealty_http_requests_total", LABELS({ "path", requests[i].path }, { "code", code }), requests[i].count);
	}
}
