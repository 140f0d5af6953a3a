/* The audit's way through a ledger, wherever it is, with somebody who looks at each transaction. */
#include "report_source.h"

#include "audit_wire.h"
#include "guard.h"

#define THREADS 2
#define WIRE_TIMEOUT_MS 60000

void
report_source_init(struct report_source *s)
{
	call_options_init(&s->call, WIRE_TIMEOUT_MS);
}

error_t
report_source_parse(int key, char *arg, struct report_source *s)
{
	switch (key) {
	case KEY_SOURCE_LOG: s->log = arg; return 0;
	case KEY_SOURCE_VKEY: s->trust.vkey = arg; return 0;
	case KEY_SOURCE_POLICY: s->trust.policy_path = arg; return 0;
	case KEY_SOURCE_HEAD_LOCK: s->head_lock = arg; return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

error_t
report_source_judge(struct argp_state *state, const struct report_source *s)
{
	error_t failed = call_source(state, &s->call, s->data_path != NULL, s->log);

	if (failed != 0)
		return failed;
	if (s->head_lock != NULL && s->data_path == NULL)
		return cli_usage(state, "--head-lock is about a directory, and no DIR is given");
	if (s->trust.policy_path != NULL && (s->log == NULL || s->trust.vkey != NULL))
		return cli_usage(state, "--policy goes with --log, and not with --vkey");
	return 0;
}

static enum exit_code
tell(const struct report_source *s, enum status st)
{
	if (st == ST_INVALID)
		return audit_report_finding(&s->audit);
	if (st == ST_INTERRUPTED)
		return EXIT_INTERNAL;
	return cli_fail(s->call.json, EXIT_INTERNAL, "%s could not be read to its end: %s", s->place, cli_status_words(st));
}

static enum exit_code
open_source(struct report_source *s)
{
	if (s->data_path == NULL && s->log == NULL)
		return call_client(&s->call, &s->client);
	if (s->log != NULL)
		return EXIT_DONE;
	guard_begin(s->call.json);
	enum exit_code code = log_source_open(s->data_path, s->head_lock, s->call.json, &s->directory);
	guard_end();
	return code;
}

static enum status
read_source(struct report_source *s, enum exit_code *ret_code)
{
	if (s->log != NULL)
		return audit_log(&s->audit, s->log, ret_code);
	if (s->client != NULL)
		return audit_wire(&s->audit, &s->call, s->client, ret_code);
	return audit_directory(&s->audit, s->directory.store, true);
}

static enum exit_code
pass(struct report_source *s)
{
	struct progress progress;
	enum exit_code code = EXIT_DONE;

	s->audit.progress = &progress;
	progress_start(&progress, "transactions", s->call.json, false);
	guard_begin(s->call.json);
	enum status st = read_source(s, &code);
	guard_end();
	progress_end(&progress);
	return st == ST_OK ? code : tell(s, st);
}

enum exit_code
report_source_read(struct report_source *s, enum audit_depth depth, report_link_fn *on_link, void *ctx)
{
	s->place = s->log != NULL ? s->log : s->data_path != NULL ? s->data_path : s->call.address;
	s->audit = (struct audit){
		.depth = depth, .json = s->call.json, .no_redecide = true, .until = UINT64_MAX, .timeout_ms = s->call.timeout_ms,
		.on_link = on_link, .on_ctx = ctx,
	};
	enum exit_code code = audit_trust_apply(&s->trust, &s->audit);
	if (code == EXIT_DONE)
		code = open_source(s);
	if (code != EXIT_DONE)
		return code;
	enum status st = audit_init(&s->audit, THREADS);
	return st == ST_OK ? pass(s) : tell(s, st);
}

void
report_source_close(struct report_source *s)
{
	if (s->audit.pool != NULL)
		audit_release(&s->audit);
	if (s->directory.store != NULL)
		log_source_close(&s->directory);
	fealty_client_free(s->client);
	audit_trust_release(&s->trust);
}
