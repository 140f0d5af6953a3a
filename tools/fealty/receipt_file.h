/**
 * receipt_file.h: the file that a receipt goes to.  It appears whole or not at all, and never takes the place of another: that it can be
 * made is known before the command is sent.
 */
#ifndef FEALTY_TOOLS_RECEIPT_FILE_H
#define FEALTY_TOOLS_RECEIPT_FILE_H

#include "cli.h"

struct receipt_file {
	const char *path;		/* borrowed */
	char *temporary;		/* beside it; NULL: none was made */
	int fd;
};
#define RECEIPT_FILE_NONE (struct receipt_file){ .fd = -1 }

/* EXIT_USAGE: there is a file of this name, or none can be made there; told.  End it with receipt_file_end() either way. */
enum exit_code receipt_file_begin(const char *path, bool json, struct receipt_file *ret_file) MUST_CHECK;

/**
 * receipt_file_keep(file, text, no_receipt, ret_why):
 * Checks a receipt from the daemon (receipt_read()) and makes it the file; *${ret_why} stays NULL then.  Otherwise it says why there is no
 * file, as the end of a sentence: EXIT_DONE: the daemon gave none, for the reason ${no_receipt}; EXIT_INTERNAL: it is no receipt, or the
 * file could not be written.
 */
enum exit_code receipt_file_keep(struct receipt_file *file, const char *text, const char *no_receipt, const char **ret_why) MUST_CHECK;

void receipt_file_end(struct receipt_file *file);

#endif
