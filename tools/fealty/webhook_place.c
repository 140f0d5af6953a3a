#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "webhook.h"

#define FILE_BYTES_MAX 4096

enum exit_code
webhook_place_read(bool json, const char *path, const char *origin, struct event_after *ret_after)
{
	struct buf text;
	enum status st = file_read_all(path, FILE_BYTES_MAX, &text);

	*ret_after = (struct event_after){ .is_seq = false };
	if (st == ST_IO && errno == ENOENT)
		return EXIT_DONE;
	if (st != ST_OK)
		return cli_fail(json, EXIT_USAGE, "%s cannot be read: %s", path, cli_status_words(st));
	json_t *object = json_loadb((const char *)text.data, text.len, 0, NULL);
	buf_release(&text);
	const char *of = json_string_value(json_object_get(object, "origin")), *after = json_string_value(json_object_get(object, "after"));
	enum exit_code code = EXIT_DONE;
	if (of == NULL || after == NULL || (after[0] != '\0' && !event_after_parse(after, ret_after)))
		code = cli_fail(json, EXIT_USAGE, "%s is no place of `fealty webhook`: it has no `origin` and `after`. Name another file, or restore this one: "
		    "without it events that were sent are sent again", path);
	else if (strcmp(of, origin) != 0)
		code = cli_fail(json, EXIT_REFUSED, "%s is the place in the ledger %s, and this one is %s. Nothing was sent; name another file", path, of,
		    origin);
	json_decref(object);
	return code;
}

enum status
webhook_place_write(const char *path, const char *origin, const char *after)
{
	json_t *object = json_new();

	json_put_text(object, "origin", origin);
	json_put_text(object, "after", after);
	char *text = json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER);
	json_decref(object);
	if (text == NULL)
		return ST_NOMEM;
	size_t len = strlen(text);
	text[len] = '\n';			/* over the NUL */
	enum status st = file_write_private(path, bytes_of(text, len + 1));
	free(text);
	return st;
}
