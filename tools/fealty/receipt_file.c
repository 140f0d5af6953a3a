/* link() and not rename(): it fails when the name is taken. */
#include "receipt_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "receipt.h"

enum exit_code
receipt_file_begin(const char *path, bool json, struct receipt_file *ret_file)
{
	*ret_file = RECEIPT_FILE_NONE;
	ret_file->path = path;
	if (access(path, F_OK) == 0)
		return cli_fail(json, EXIT_USAGE, "%s is there already, and no receipt takes the place of another: give another name", path);
	if (asprintf(&ret_file->temporary, "%s.%ld.tmp", path, (long)getpid()) < 0) {
		ret_file->temporary = NULL;
		return cli_fail(json, EXIT_INTERNAL, "out of memory");
	}
	ret_file->fd = open(ret_file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (ret_file->fd >= 0)
		return EXIT_DONE;
	int error = errno;
	free(ret_file->temporary);
	ret_file->temporary = NULL;
	return cli_fail(json, EXIT_USAGE, "no receipt can be written to %s: %s; nothing was sent", path, strerror(error));
}

static bool
sync_directory(const char *path)
{
	char *copy = strdup(path);
	int fd = copy == NULL ? -1 : open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool good = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		(void)close(fd);
	free(copy);
	return good;
}

static const char *
words_of(const char *no_receipt)
{
	static const struct { const char *reason, *words; } rows[] = {
		{ "SHARED", "its transaction, of an earlier run without --receipt, shows other members as well" },
		{ "REPLY_FULL", "the reply had no room for it; `fealty receipt save` gets it" },
	};

	for (size_t i = 0; no_receipt != NULL && i < sizeof(rows) / sizeof(*rows); i++) {
		if (strcmp(no_receipt, rows[i].reason) == 0)
			return rows[i].words;
	}
	return no_receipt != NULL ? no_receipt : "the daemon sent none; it may be an older one, try `fealty receipt save`";
}

enum exit_code
receipt_file_keep(struct receipt_file *file, const char *text, const char *no_receipt, const char **ret_why)
{
	struct receipt receipt;
	struct receipt_fault fault;

	*ret_why = NULL;
	if (text == NULL) {
		*ret_why = words_of(no_receipt);
		return EXIT_DONE;
	}
	size_t len = strlen(text);
	if (!receipt_read(bytes_of(text, len), &receipt, &fault)) {
		*ret_why = fault.why;
		return EXIT_INTERNAL;
	}
	receipt_release(&receipt);
	if (file_put(file->fd, bytes_of(text, len)) == ST_OK && link(file->temporary, file->path) == 0 && sync_directory(file->path))
		return EXIT_DONE;
	*ret_why = strerror(errno);
	return EXIT_INTERNAL;
}

void
receipt_file_end(struct receipt_file *file)
{
	if (file->fd >= 0)
		(void)close(file->fd);
	if (file->temporary != NULL)
		(void)unlink(file->temporary);
	free(file->temporary);
	*file = RECEIPT_FILE_NONE;
}
