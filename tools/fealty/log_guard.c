/* The file is replaced only by a checkpoint that goes on from it, so what is in it can always be held against the daemon. */
#include "log_guard.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NOTE_BYTES_MAX (64u * 1024)
#define PATH_BYTES 4096

/* The daemon's word against what was seen. */
static enum exit_code
tell_contradiction(const struct call_options *o, const struct fealty_log_check *check, const char *conflict)
{
	if (!o->json) {
		(void)fprintf(stderr, "%s: %s.\n", program_invocation_name, check->message);
		(void)fprintf(stderr, "Nothing was sent. %s and %s are the two signed heads that contradict each other: keep both, and ask the "
		    "ledger's operator.\n", o->checkpoint, conflict);
		return EXIT_REFUSED;
	}
	json_t *object = json_new();
	json_put_text(object, "status", "DATA_LOSS");
	json_put_text(object, "reason", fealty_log_answer_str(check->answer));
	json_put_text(object, "message", check->message);
	json_put_number(object, "size_seen", check->size_seen);
	json_put_number(object, "size", check->size);
	json_put_text(object, "conflict", conflict);
	return json_print_line(object, EXIT_REFUSED);
}

static enum exit_code
keep(const struct call_options *o, const char *path, const char *note)
{
	enum status st = file_write(path, bytes_of(note, strlen(note)));

	if (st == ST_OK)
		return EXIT_DONE;
	return cli_fail(o->json, EXIT_INTERNAL, "the checkpoint cannot be kept in %s: %s", path, cli_status_words(st));
}

static enum exit_code
judge(const struct call_options *o, const struct fealty_log_check *check, const char *seen)
{
	char conflict[PATH_BYTES];

	switch (check->answer) {
	case FEALTY_LOG_HOLDS:
		return seen != NULL && strcmp(seen, check->note) == 0 ? EXIT_DONE : keep(o, o->checkpoint, check->note);
	case FEALTY_LOG_ROLLED_BACK:
	case FEALTY_LOG_FORKED: {
		(void)snprintf(conflict, sizeof(conflict), "%s.conflict", o->checkpoint);
		enum exit_code code = keep(o, conflict, check->note);
		return code == EXIT_DONE ? tell_contradiction(o, check, conflict) : code;
	}
	case FEALTY_LOG_NOT_SIGNED:
		return cli_fail(o->json, EXIT_REFUSED, "%s; nothing was sent", check->message);
	case FEALTY_LOG_NO_ANSWER:
		return cli_fail(o->json, EXIT_UNAVAILABLE, "the daemon's log could not be compared with %s: %s; nothing was sent", o->checkpoint,
		    check->message);
	case FEALTY_LOG_BAD_TRUST:
		return cli_fail(o->json, EXIT_USAGE, "%s or --log-key: %s", o->checkpoint, check->message);
	}
	return EXIT_INTERNAL;
}

enum exit_code
log_guard(const struct call_options *o, struct fealty_client *client)
{
	struct fealty_log_check check;
	struct buf seen;

	buf_init(&seen);
	enum status st = file_read_all(o->checkpoint, NOTE_BYTES_MAX, &seen);
	bool is_new = st == ST_IO && errno == ENOENT;
	if (st != ST_OK && !is_new)
		return cli_fail(o->json, EXIT_USAGE, "--checkpoint: %s cannot be read: %s", o->checkpoint, cli_status_words(st));
	struct fealty_log_trust trust = { .seen = is_new ? NULL : (const char *)seen.data, .key = o->log_key };
	(void)fealty_log_check(client, &trust, o->timeout_ms, &check);
	enum exit_code code = judge(o, &check, trust.seen);
	fealty_log_check_release(&check);
	buf_release(&seen);
	return code;
}
