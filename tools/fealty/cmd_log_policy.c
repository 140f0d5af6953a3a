/* fealty log policy: whom to trust, as a file that `fealty receipt verify` and other people's tools read. */
#include <stdio.h>

#include "commands.h"
#include "log_source.h"

#define POLICY_TEXT_BYTES (2 * LOG_ORIGIN_BYTES_MAX + 512)

static enum exit_code
print_policy(const struct log_source *source, bool json)
{
	char text[POLICY_TEXT_BYTES + 1];
	struct writer w = writer_of(text, POLICY_TEXT_BYTES);
	struct note_key keys[2] = { log_key(source, source->size) };
	size_t n = log_key_beside(source, source->size, source->committed_at_us, &keys[1]) ? 2 : 1;

	writer_put(&w, LITERAL("# The log; a witness more is a line \"witness NAME VKEY\" before the quorum, and \"quorum NAME\" asks for it.\n"));
	for (size_t i = 0; i < n; i++) {
		writer_put(&w, LITERAL("log "));
		note_key_print(&w, &keys[i]);
		writer_put(&w, LITERAL("\n"));
	}
	writer_put(&w, LITERAL("quorum none\n"));
	text[writer_bytes(&w).len] = '\0';
	if (!json) {
		(void)fputs(text, stdout);
		return EXIT_DONE;
	}
	json_t *object = json_new();
	json_put_text(object, "status", "OK");
	json_put_text(object, "origin", source->origin);
	json_put_text(object, "policy", text);
	return json_print_line(object, EXIT_DONE);
}

enum exit_code
cmd_log_policy(int argc, char **argv)
{
	static const struct argp_option options[] = { { "json", KEY_JSON, NULL, 0, "Print JSON", 0 }, { 0 } };
	static const struct argp argp = { options, plain_parse, "DATA",
		"Print a trust policy (C2SP tlog-policy) for the log of the ledger in the data directory DATA: its key, or the "
		"two of an overlap, and no witnesses.\v"
		"A receipt from before a rotation needs the policy of then. Whoever verifies receipts by it must get it from you by a way "
		"that they trust. Add the witnesses that you ask for.",
		NULL, NULL, NULL };

	return log_source_command(&argp, argc, argv, print_policy);
}
