/**
 * context.h: a connection that has a name, so that a command needs no more than `--context shop42`.
 *
 * NAME.yaml in $FEALTY_CONTEXT_DIR, else in $XDG_CONFIG_HOME/fealty/contexts, else in ~/.config/fealty/contexts, is a map of
 *   connect      as --connect
 *   ca cert key  files as --tls-ca, --tls-cert and --tls-key; a relative path is relative to the file's directory
 *   server_name  as --tls-server-name
 *   principal    as --as
 *   program      as --program
 * Each may be left out, but `ca` needs a `connect` that is no UNIX socket, `cert` and `key` need each other and `ca`, and `server_name` needs `ca`.
 */
#ifndef FEALTY_TOOLS_CONTEXT_H
#define FEALTY_TOOLS_CONTEXT_H

#include <limits.h>

#include "cli.h"

#define CONTEXT_NAME_BYTES_MAX 64
#define CONTEXT_WHY_BYTES (PATH_MAX + 512)

struct context {
	char path[PATH_MAX];		/* of its file */
	char *connect, *ca, *cert, *key, *server_name, *principal, *program;	/* owned; NULL: not there */
};

/* 1 to 64 of [A-Za-z0-9._-], and no dot in front. */
bool context_name_valid(const char *name) MUST_CHECK;

/* The directory of the contexts, and the path of one (asserted: the name is valid); false: the environment names none, or it is too long. */
bool context_directory(char ret_path[static PATH_MAX]) MUST_CHECK;
bool context_path(const char *name, char ret_path[static PATH_MAX]) MUST_CHECK;
/* Makes that directory, and those above it, unless they are there.  False with errno. */
bool context_make_directory(void) MUST_CHECK;

/**
 * context_load(name, ret_context, ret_why):
 * Reads a context; the caller ends it with context_release().  False, and ${ret_why} says what is wrong and where.
 */
bool context_load(const char *name, struct context *ret_context, char ret_why[static CONTEXT_WHY_BYTES]) MUST_CHECK;
void context_release(struct context *context);

/* Writes a context that is not there yet, whole or not at all, and its directory; what goes wrong is told. */
enum exit_code context_create(const char *name, const struct context *context, bool json) MUST_CHECK;

/* The text of such a file, as context_load() reads it; paths as they are.  A text with control characters fails the buffer. */
void context_print(const struct context *context, struct buf *out);

/* "unix:…" or a path, and no host. */
bool address_is_local(const char *address) MUST_CHECK;

#endif
