/* The HTTP door without a browser: the text of /metrics, the table of paths, what is counted where, and which addresses are taken. */
#include "service_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin.h"
#include "admin/metrics_text.h"
#include "admin/route.h"
#include "service/metrics.h"

/* ---- text ---- */

static void
assert_text(const struct metrics_process *process, const struct figures *figures, const char *const *lines, bool whole)
{
	struct buf out;

	buf_init(&out);
	metrics_text(process, figures, &out);
	buf_put_u8(&out, '\0');
	assert_int_equal(buf_status(&out), ST_OK);
	const char *text = (const char *)out.data;
	for (size_t i = 0; lines[i] != NULL; i++) {
		const char *found = strstr(text, lines[i]);
		if (found == NULL || (found != text && found[-1] != '\n'))
			fail_msg("no line `%s' in:\n%s", lines[i], text);
		assert_true(found[strlen(lines[i])] == '\n');
	}
	if (whole) {
		for (size_t i = 0; lines[i] != NULL; i++) {
			assert_memory_equal(text, lines[i], strlen(lines[i]));
			text += strlen(lines[i]) + 1;
		}
		assert_string_equal(text, "");
	}
	buf_release(&out);
}

static void
before_the_service_is_open_there_is_the_process(void **state)
{
	static const struct metrics_process process = { "0.1.0", 1500000, 2250000, 4096 };
	static const char *const lines[] = {
		"# HELP fealty_build_info The version that runs.",
		"# TYPE fealty_build_info gauge",
		"fealty_build_info{version=\"0.1.0\"} 1",
		"# HELP fealty_uptime_seconds Since the process began.",
		"# TYPE fealty_uptime_seconds gauge",
		"fealty_uptime_seconds 1.5",
		"# HELP process_cpu_seconds_total CPU time of all threads, in user code and in the kernel.",
		"# TYPE process_cpu_seconds_total counter",
		"process_cpu_seconds_total 2.25",
		"# HELP process_resident_memory_bytes Memory that is resident, files that are mapped included.",
		"# TYPE process_resident_memory_bytes gauge",
		"process_resident_memory_bytes 4096",
		"# HELP fealty_ready 1 when writes are accepted; /readyz says why not.",
		"# TYPE fealty_ready gauge",
		"fealty_ready 0",
		NULL,
	};

	(void)state;
	assert_text(&process, NULL, lines, true);
}

static struct figures *
figures_new(void)
{
	struct figures *f = test_calloc(1, sizeof(*f));

	f->origin = "test.example/x";
	f->engine = 1;
	return f;
}

static void
labels_are_escaped(void **state)
{
	static const struct metrics_process process = { "\"\\\n", 0, 0, 0 };
	static const char *const lines[] = {
		"fealty_build_info{version=\"\\\"\\\\\\n\"} 1",
		"fealty_ledger_info{origin=\"test.example/x\",clock=\"manual\",engine=\"1\"} 1",
		NULL,
	};
	struct figures *f = figures_new();

	(void)state;
	f->manual_clock = true;
	assert_text(&process, f, lines, false);
	test_free(f);
}

static void
seconds_are_exact(void **state)
{
	static const struct { uint64_t us; const char *line; } cases[] = {
		{ 0, "fealty_uptime_seconds 0" },
		{ 1, "fealty_uptime_seconds 0.000001" },
		{ 100, "fealty_uptime_seconds 0.0001" },
		{ 999999, "fealty_uptime_seconds 0.999999" },
		{ 1000000, "fealty_uptime_seconds 1" },
		{ 10000000, "fealty_uptime_seconds 10" },
		{ 1200300, "fealty_uptime_seconds 1.2003" },
		{ UINT64_MAX, "fealty_uptime_seconds 18446744073709.551615" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct metrics_process process = { "v", cases[i].us, 0, 0 };
		const char *const lines[] = { cases[i].line, NULL };
		assert_text(&process, NULL, lines, false);
	}
}

static void
a_histogram_is_cumulative(void **state)
{
	static const struct metrics_process process = { "v", 0, 0, 0 };
	static const char *const lines[] = {
		"# TYPE fealty_commit_transactions histogram",
		"fealty_commit_transactions_bucket{le=\"1\"} 2",
		"fealty_commit_transactions_bucket{le=\"2\"} 2",
		"fealty_commit_transactions_bucket{le=\"4\"} 3",
		"fealty_commit_transactions_bucket{le=\"4096\"} 3",
		"fealty_commit_transactions_bucket{le=\"+Inf\"} 4",
		"fealty_commit_transactions_sum 5003",
		"fealty_commit_transactions_count 4",
		"fealty_commit_step_seconds_bucket{step=\"ledger\",le=\"0.0025\"} 0",
		"fealty_commit_step_seconds_bucket{step=\"ledger\",le=\"0.005\"} 1",
		"fealty_commit_step_seconds_bucket{step=\"ledger\",le=\"+Inf\"} 1",
		"fealty_commit_step_seconds_sum{step=\"ledger\"} 0.0034",
		"fealty_commit_step_seconds_count{step=\"ledger\"} 1",
		"fealty_write_seconds_bucket{le=\"0.0001\"} 0",
		NULL,
	};
	struct histogram size = { 0 }, us = { 0 }, none = { 0 };
	struct figures *f = figures_new();

	(void)state;
	histogram_add(&size, HISTOGRAM_SIZE, 0);
	histogram_add(&size, HISTOGRAM_SIZE, 1);
	histogram_add(&size, HISTOGRAM_SIZE, 4);		/* a bound counts below itself */
	histogram_add(&size, HISTOGRAM_SIZE, 4998);		/* above the last */
	histogram_add(&us, HISTOGRAM_US, 3400);
	histogram_read(&size, HISTOGRAM_SIZE, &f->commit_transactions);
	histogram_read(&us, HISTOGRAM_US, &f->steps_us[FIGURE_STEP_LEDGER]);
	histogram_read(&none, HISTOGRAM_US, &f->answer_us);
	assert_text(&process, f, lines, false);
	test_free(f);
}

static void
commands_are_summed_by_operation_and_by_reason(void **state)
{
	static const struct metrics_process process = { "v", 0, 0, 0 };
	static const char *const lines[] = {
		"fealty_commands_total{op=\"purchase\"} 9",
		"fealty_commands_total{op=\"redeem\"} 4",
		"fealty_results_total{reason=\"OK\"} 8",
		"fealty_results_total{reason=\"NOT_FOUND\"} 5",
		"fealty_results_total{reason=\"CLOCK_SKEW\"} 0",
		"# TYPE fealty_refusals_total counter\n"
		"fealty_refusals_total{op=\"purchase\",reason=\"NOT_FOUND\"} 2\n"
		"fealty_refusals_total{op=\"redeem\",reason=\"NOT_FOUND\"} 3\n"
		"# HELP fealty_replays_total Commands answered with the outcome that they had before.",
		"# HELP fealty_terminal_gaps_total Commands whose number showed that earlier ones of their terminal are missing.",
		"# HELP fealty_terminal_repeats_total Commands whose number another command of their terminal had.",
		NULL,
	};
	struct figures *f = figures_new();

	(void)state;
	f->commands = (struct figure_commands){
		.n_ops = 2, .n_reasons = 3, .ops = { "purchase", "redeem" }, .reasons = { "OK", "NOT_FOUND", "CLOCK_SKEW" },
		.counts = { { 7, 2, 0 }, { 1, 3, 0 } },
	};
	assert_text(&process, f, lines, false);
	test_free(f);
}

static void
witnesses_are_there_when_there_are_any(void **state)
{
	static const struct metrics_process process = { "v", 0, 0, 0 };
	static const char *const lines[] = {
		"fealty_public_checkpoint_size 12",
		"fealty_served_checkpoint_size 10",
		"fealty_cosigned_checkpoint_size 10",
		"fealty_cosigned_checkpoint_age_seconds 1.5",
		"fealty_witness_requests_total{witness=\"w1\"} 9",
		"fealty_witness_answers_total{witness=\"w1\",code=\"200\"} 3",
		"fealty_witness_answers_total{witness=\"w1\",code=\"none\"} 4",
		"fealty_witness_answers_total{witness=\"w2\",code=\"5xx\"} 0",
		"fealty_witness_bad_answers_total{witness=\"w1\"} 2",
		"fealty_witness_fork{witness=\"w2\"} 1",
		"fealty_witness_cosigned_size{witness=\"w2\"} 0",
		"# TYPE fealty_witness_cosigned_age_seconds gauge\nfealty_witness_cosigned_age_seconds{witness=\"w1\"} 2",
		NULL,
	};
	static const char *const none[] = { "fealty_public_checkpoint_size 12", "fealty_served_checkpoint_size 10\n"
		"# HELP fealty_start_seconds How long the start took, until the ledger was verified and state complete.", NULL };
	struct figures *f = figures_new();

	(void)state;
	f->public_size = 12;
	f->served_size = 10;
	assert_text(&process, f, none, false);
	f->n_witnesses = 2;
	f->cosigned_size = 10;
	f->cosigned_age_us = 1500000;
	f->witnesses[0] = (struct figure_witness){ .name = "w1", .asked = 9, .answers = { 3, [8] = 4 }, .bad_answers = 2, .cosigned_size = 10,
		.cosigned_age_us = 2000000 };
	f->witnesses[1] = (struct figure_witness){ .name = "w2", .fork = true };
	assert_text(&process, f, lines, false);
	test_free(f);
}

static void
requests_to_the_door_are_counted_by_path_and_code(void **state)
{
	static const struct metrics_request requests[] = { { "/tile/", 200, 7 }, { "other", 404, 0 } };
	static const char want[] = "# HELP fealty_http_requests_total Requests to this door that were answered, by path and status code.\n"
		"# TYPE fealty_http_requests_total counter\n"
		"fealty_http_requests_total{path=\"/tile/\",code=\"200\"} 7\n"
		"fealty_http_requests_total{path=\"other\",code=\"404\"} 0\n";
	struct buf out;

	(void)state;
	buf_init(&out);
	metrics_requests_text(requests, 2, &out);
	assert_int_equal(out.len, sizeof(want) - 1);
	assert_memory_equal(out.data, want, sizeof(want) - 1);
	buf_release(&out);
}

/* ---- paths ---- */

static void
no_answer(struct admin *admin, const char *rest, struct page *page)
{
	(void)admin; (void)rest; (void)page;
	fail_msg("a path is only looked for");
}

static void
a_path_is_found_as_it_is(void **state)
{
	static const struct route routes[] = { { "/one", false, no_answer }, { "/tile/", true, no_answer }, { "/one/two", false, no_answer } };
	static const struct { const char *path; int want; const char *rest; } cases[] = {
		{ "/one", 0, "" },
		{ "/one/", -1, NULL },
		{ "/onE", -1, NULL },
		{ "/one/two", 2, "" },
		{ "/one/two/", -1, NULL },
		{ "/on", -1, NULL },
		{ "", -1, NULL },
		{ "/", -1, NULL },
		{ "/tile", -1, NULL },
		{ "/tile/", -1, NULL },
		{ "/tile/0/x001/067", 1, "0/x001/067" },
		{ "/tile/entries/000.p/3", 1, "entries/000.p/3" },
		{ "//tile/0", -1, NULL },
		{ "x/tile/0", -1, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *rest = NULL;
		const struct route *found = route_find(routes, sizeof(routes) / sizeof(*routes), cases[i].path, &rest);
		if (found != (cases[i].want < 0 ? NULL : &routes[cases[i].want]))
			fail_msg("%s", cases[i].path);
		if (found != NULL)
			assert_string_equal(rest, cases[i].rest);
	}
}

/* ---- what is counted ---- */

static int
setup(void **state)
{
	struct server *s = test_calloc(1, sizeof(*s));

	server_init(s, false);
	server_start(s);
	*state = s;
	return 0;
}

static int
teardown(void **state)
{
	server_release(*state);
	test_free(*state);
	return 0;
}

static uint64_t
commands_of(const struct figures *f, const char *op, const char *reason)
{
	for (size_t i = 0; i < f->commands.n_ops; i++) {
		for (size_t k = 0; strcmp(f->commands.ops[i], op) == 0 && k < f->commands.n_reasons; k++) {
			if (strcmp(f->commands.reasons[k], reason) == 0)
				return f->commands.counts[i][k];
		}
	}
	fail_msg("there is no %s of %s", reason, op);
	return 0;
}

static uint64_t
entries_of(const struct figures *f, const char *op)
{
	for (size_t i = 0; i < f->n_entries; i++) {
		if (strcmp(f->entries[i].name, op) == 0)
			return f->entries[i].count;
	}
	fail_msg("there is no %s", op);
	return 0;
}

static uint64_t
all_commands(const struct figures *f)
{
	uint64_t n = 0;

	for (size_t i = 0; i < f->commands.n_ops; i++) {
		for (size_t k = 0; k < f->commands.n_reasons; k++)
			n += f->commands.counts[i][k];
	}
	return n;
}

static uint64_t
count_of(const struct figure_histogram *h)
{
	uint64_t n = 0;

	for (size_t i = 0; i <= h->n_bounds; i++)
		n += h->counts[i];
	return n;
}

static void
done(struct fealty_result result)
{
	fealty_result_release(&result);
}

/* A command counts once, where its answer leaves, with the reason that it leaves with. */
static void
each_answer_is_counted_once(void **state)
{
	struct server *s = *state;
	struct fealty_client *op = client_of(s, "operator/local");
	struct figures *f = figures_new();

	call_publish(op, club_yaml, "p1", 0);
	done(call_ok(op, "{\"op\": \"enrol\", \"member\": \"m1\", \"key\": \"e1\"}"));
	done(call_ok(op, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"5000\", \"key\": \"b1\"}"));
	done(call_ok(op, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"5000\", \"key\": \"b1\"}"));
	call_refused(op, "{\"op\": \"redeem\", \"member\": \"m1\", \"points\": \"6\", \"key\": \"r1\"}", "INSUFFICIENT_POINTS", NULL);
	call_refused(op, "{\"op\": \"balance\", \"member\": \"m2\"}", "NOT_FOUND", NULL);
	done(call_ok(op, "{\"op\": \"balance\", \"member\": \"m1\"}"));
	done(call_batch(op, "{\"key\": \"c1\", \"commands\": [{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1000\"},"
	    "{\"op\": \"purchase\", \"member\": \"m2\", \"amount\": \"1000\"}]}"));
	done(call_batch(op, "{\"key\": \"c2\", \"atomic\": true, \"commands\": [{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1000\"},"
	    "{\"op\": \"enrol\", \"member\": \"m1\"}]}"));
	service_figures(s->service, f);
	assert_int_equal(commands_of(f, "publish", "OK"), 1);
	assert_int_equal(commands_of(f, "enrol", "OK"), 1);
	assert_int_equal(commands_of(f, "enrol", "ALREADY_EXISTS"), 1);
	assert_int_equal(commands_of(f, "purchase", "OK"), 3);
	assert_int_equal(commands_of(f, "purchase", "NOT_FOUND"), 1);
	assert_int_equal(commands_of(f, "purchase", "ALREADY_EXISTS"), 1);		/* undone with its batch */
	assert_int_equal(commands_of(f, "redeem", "INSUFFICIENT_POINTS"), 1);
	assert_int_equal(commands_of(f, "balance", "OK"), 1);
	assert_int_equal(commands_of(f, "balance", "NOT_FOUND"), 1);
	assert_int_equal(all_commands(f), 11);
	assert_int_equal(f->replays, 1);
	assert_int_equal(f->transactions, 5);
	assert_int_equal(entries_of(f, "publish"), 1);
	assert_int_equal(entries_of(f, "enrol"), 1);
	assert_int_equal(entries_of(f, "purchase"), 2);
	assert_int_equal(entries_of(f, "redeem"), 0);
	assert_int_equal(f->system_entries, 0);
	assert_int_equal(f->commits, 4);
	assert_int_equal(count_of(&f->commit_transactions), 4);
	assert_int_equal(f->commit_transactions.sum, 4);
	assert_int_equal(count_of(&f->steps_us[FIGURE_STEP_LEDGER]), 4);
	assert_int_equal(count_of(&f->steps_us[FIGURE_STEP_STATE]), 4);
	assert_int_equal(count_of(&f->steps_us[FIGURE_STEP_VAULT]), 1);
	assert_int_equal(count_of(&f->answer_us), 7);
	assert_int_equal(f->connections, 1);
	assert_int_equal(f->accepted, 1);
	assert_true(f->received_bytes > 300 && f->sent_bytes > 300);
	assert_true(f->has_sizes && f->file_bytes[0].count > 0 && f->free_bytes > 0);
	assert_false(f->has_snapshot);
	assert_int_equal(f->readiness, SERVICE_READY);
	test_free(f);
	fealty_client_free(op);
}

static void
what_found_no_space_counts_as_what_it_was_answered(void **state)
{
	struct server *s = *state;
	struct fealty_client *op = client_of(s, "operator/local");
	struct figures *f = figures_new();

	call_publish(op, club_yaml, "p1", 0);
	done(call_ok(op, "{\"op\": \"enrol\", \"member\": \"m1\", \"key\": \"e1\"}"));
	world_break(&s->w, "ledger", false);
	call_refused(op, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1000\", \"key\": \"b1\"}", "UNAVAILABLE", "disk");
	service_figures(s->service, f);
	assert_int_equal(commands_of(f, "purchase", "OK"), 0);
	assert_true(commands_of(f, "purchase", "UNAVAILABLE") > 0);	/* the client tries again */
	assert_int_equal(all_commands(f), 2 + commands_of(f, "purchase", "UNAVAILABLE"));
	assert_int_equal(entries_of(f, "purchase"), 0);
	assert_int_equal(f->commits, 2);
	assert_true(f->commits_undone > 0);
	world_mend(&s->w);
	done(call_ok(op, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1000\", \"key\": \"b1\"}"));
	service_figures(s->service, f);
	assert_int_equal(commands_of(f, "purchase", "OK"), 1);
	assert_int_equal(f->commits, 3);
	test_free(f);
	fealty_client_free(op);
}

static bool
is_ready(void *ctx)
{
	return service_readiness(((struct server *)ctx)->service) == SERVICE_READY;
}
static bool
waits_for_clock(void *ctx)
{
	return service_readiness(((struct server *)ctx)->service) == SERVICE_WAITS_FOR_CLOCK;
}
static bool
waits_for_disk(void *ctx)
{
	return service_readiness(((struct server *)ctx)->service) == SERVICE_WAITS_FOR_DISK;
}

static void
readiness_follows_the_clock(void **state)
{
	struct server *s = *state;
	struct fealty_client *op = client_of(s, "operator/local");

	assert_true(is_ready(s));
	server_jump(s, 30 * US_PER_DAY);
	eventually(waits_for_clock, s, "it waits for the clock");
	done(call_ok(op, "{\"op\": \"clock_accept\", \"key\": \"c1\"}"));
	assert_true(is_ready(s));
	server_jump(s, 30 * US_PER_DAY);
	eventually(waits_for_clock, s, "it waits again");
	server_jump(s, -30 * US_PER_DAY);
	eventually(is_ready, s, "the clock is right again");
	fealty_client_free(op);
}

/* On a manual clock nothing runs by itself: whoever looks at readiness before he writes must see it come back all the same. */
static void
readiness_comes_back_without_a_write(void **state)
{
	struct server *s = test_calloc(1, sizeof(*s));

	(void)state;
	server_init(s, true);
	server_start(s);
	struct fealty_client *op = client_of(s, "operator/local");
	call_publish(op, club_yaml, "p1", kst("2026-03-02T10:00:00"));
	done(call_ok(op, "{\"op\": \"enrol\", \"member\": \"m1\", \"key\": \"e1\"}"));
	world_break(&s->w, "state", false);
	done(call_ok(op, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1000\", \"key\": \"b1\"}"));
	call_refused(op, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1000\", \"key\": \"b2\"}", "UNAVAILABLE", "disk");
	assert_true(waits_for_disk(s));
	world_mend(&s->w);
	eventually(is_ready, s, "state has taken what waited");
	done(call_ok(op, "{\"op\": \"purchase\", \"member\": \"m1\", \"amount\": \"1000\", \"key\": \"b2\"}"));
	fealty_client_free(op);
	server_release(s);
	test_free(s);
}

/* No counter is shared by two services of one process. */
static void
two_services_count_for_themselves(void **state)
{
	struct server *one = *state, *two = test_calloc(1, sizeof(*two));
	struct figures *f = figures_new();

	server_init(two, false);
	server_start(two);
	struct fealty_client *op = client_of(one, "operator/local");
	call_publish(op, club_yaml, "p1", 0);
	service_figures(one->service, f);
	assert_int_equal(all_commands(f), 1);
	assert_int_equal(f->commits, 1);
	service_figures(two->service, f);
	assert_int_equal(all_commands(f), 0);
	assert_int_equal(f->commits, 0);
	assert_int_equal(f->accepted, 0);
	assert_int_equal(f->received_bytes, 0);
	fealty_client_free(op);
	server_release(two);
	test_free(two);
	test_free(f);
}

/* ---- the door ---- */

static void
only_loopback_addresses_are_taken(void **state)
{
	static const char *const refused[] = {
		"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1: 1", "0.0.0.0:0", "192.0.2.1:0",
		"126.255.255.255:0", "128.0.0.1:0", "[::]:0", "::1:0", "[::1]", "[::2]:0", "[::ffff:127.0.0.1]:0", "localhost:0", ":0", "*:0",
	};
	struct admin *admin = NULL, *other = NULL;
	uint16_t port;
	char address[32];

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		if (admin_open(refused[i], "v", &admin, &port) != ST_INVALID)
			fail_msg("`%s' was taken", refused[i]);
	}
	assert_null(admin);
	assert_int_equal(admin_open("127.0.0.2:0", "v", &admin, &port), ST_OK);
	assert_true(port != 0);
	snprintf(address, sizeof(address), "127.0.0.2:%u", port);
	assert_int_equal(admin_open(address, "v", &other, &port), ST_BUSY);
	admin_close(admin);
	assert_int_equal(admin_open(address, "v", &admin, &port), ST_OK);
	admin_detach(admin);
	admin_close(admin);
	admin_attach(NULL, NULL);
	admin_detach(NULL);
	admin_close(NULL);
}

int
main(void)
{
#define REAL(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(before_the_service_is_open_there_is_the_process),
		cmocka_unit_test(labels_are_escaped),
		cmocka_unit_test(seconds_are_exact),
		cmocka_unit_test(a_histogram_is_cumulative),
		cmocka_unit_test(commands_are_summed_by_operation_and_by_reason),
		cmocka_unit_test(witnesses_are_there_when_there_are_any),
		cmocka_unit_test(requests_to_the_door_are_counted_by_path_and_code),
		cmocka_unit_test(a_path_is_found_as_it_is),
		REAL(each_answer_is_counted_once),
		REAL(what_found_no_space_counts_as_what_it_was_answered),
		REAL(readiness_follows_the_clock),
		cmocka_unit_test(readiness_comes_back_without_a_write),
		REAL(two_services_count_for_themselves),
		cmocka_unit_test(only_loopback_addresses_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
