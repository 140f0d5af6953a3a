/* fealty log key: the verifier keys of the newest checkpoint, as the ledger names them. */
#include <stdio.h>

#include "commands.h"
#include "key_text.h"
#include "log_source.h"

#define VKEY_TEXT_BYTES (LOG_ORIGIN_BYTES_MAX + 64)

static const char *
vkey_format(const struct note_key *key, char ret_text[static VKEY_TEXT_BYTES + 1])
{
	struct writer w = writer_of(ret_text, VKEY_TEXT_BYTES);

	note_key_print(&w, key);
	ret_text[writer_bytes(&w).len] = '\0';
	return ret_text;
}

/* The newest first. */
static enum exit_code
print_keys(const struct log_source *source, bool json)
{
	char text[VKEY_TEXT_BYTES + 1];
	struct note_key keys[2] = { log_key(source, source->size) };
	size_t n = log_key_beside(source, source->size, source->committed_at_us, &keys[1]) ? 2 : 1;

	if (!json) {
		for (size_t i = 0; i < n; i++)
			(void)puts(vkey_format(&keys[i], text));
		return EXIT_DONE;
	}
	json_t *object = json_new(), *all = json_array();
	json_put_text(object, "status", "OK");
	json_put_text(object, "origin", source->origin);
	json_put_text(object, "key", vkey_format(&keys[0], text));
	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(all, json_string(vkey_format(&keys[i], text)));
	json_put(object, "keys", all);
	json_put(object, "history", key_history_json(&source->keys));
	return json_print_line(object, EXIT_DONE);
}

enum exit_code
cmd_log_key(int argc, char **argv)
{
	static const struct argp_option options[] = { { "json", KEY_JSON, NULL, 0, "Print JSON", 0 }, { 0 } };
	static const struct argp argp = { options, plain_parse, "DATA",
		"Print the key that verifies the checkpoints of the ledger in the data directory DATA: a verifier key by C2SP signed-note.\v"
		"It is the one that the ledger's genesis names, or that a rotation put in its place. For a time after a rotation checkpoints are "
		"signed by two keys, either of which verifies them: then both are printed, the newest first. Whoever verifies the log must get "
		"it from you by a way that they trust, and not with the log itself.",
		NULL, NULL, NULL };

	return log_source_command(&argp, argc, argv, print_keys);
}
