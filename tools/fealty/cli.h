/**
 * cli.h: what the subcommands of `fealty` share: exit codes, errors that people and programs read, arguments, JSON.
 *
 * With --json every command prints JSON on standard output, errors as well: one object with `status` (a code of gRPC), `reason`,
 * `message` and, for a command whose request id matters, `key`.  Without it answers go to standard output and errors to standard error.
 */
#ifndef FEALTY_TOOLS_CLI_H
#define FEALTY_TOOLS_CLI_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/bytes.h"

/* What scripts see; `fealty help` lists them. */
enum exit_code {
	EXIT_DONE = 0,			/* done, and all that was checked holds */
	EXIT_REFUSED = 1,		/* refused by the rules, or a check found something */
	EXIT_USAGE = 2,			/* wrong usage, or an input file that cannot be read as what it should be */
	EXIT_UNAVAILABLE = 3,		/* no answer, and nothing has changed: run it again when the daemon can be reached */
	EXIT_OUTCOME_UNKNOWN = 4,	/* sent, and no answer came: run it again with the same --key */
	EXIT_INTERNAL = 5,		/* the disk, memory or something that should not happen */
};

/* The reason in the JSON of an error that comes from this program and not from the daemon: "USAGE", "UNAVAILABLE", … */
const char *exit_code_reason(enum exit_code code);

typedef enum exit_code command_fn(int argc, char **argv);

struct command {
	const char *name;
	const char *arguments;		/* for the overview */
	const char *summary;
	command_fn *run;		/* argv[0] is "fealty <name>" */
};

/**
 * cli_fail(json, code, format, ...):
 * Tells what happened and gives ${code} back.
 */
enum exit_code cli_fail(bool json, enum exit_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The words for cli_fail() when a status came up: its name, and errno's words where they say more. */
const char *cli_status_words(enum status st);

/* ---- arguments ---- */

#define ARGS_MAX 4
struct args {
	unsigned n;
	char *v[ARGS_MAX];		/* borrowed from argv; the rest NULL */
};

/**
 * For a parser's ARGP_KEY_ARG and ARGP_KEY_END.  A word that looks like a negative number is an argument, not an option: see args_guard().
 */
error_t args_take(struct argp_state *state, char *arg, struct args *args, unsigned n_max);
error_t args_need(struct argp_state *state, const struct args *args, unsigned n_min);

/* The parser of a command with one word and --json; its input is a struct plain_input. */
struct plain_input {
	struct args args;
	bool json;
};
error_t plain_parse(int key, char *arg, struct argp_state *state);

/* An option that may be given again. */
#define LIST_MAX 64
struct list { size_t n; char *v[LIST_MAX]; };
error_t list_add(struct argp_state *state, struct list *list, char *text);

/* Puts a space before words like -5 and -0.50 up to a `--`, so that getopt takes them as arguments; args_take() drops it again.  Frees
 * nothing: once a run. */
bool args_guard(int argc, char **argv) MUST_CHECK;

/* Whether --json is among the words, so that also what is wrong with them is told so. */
bool cli_wants_json(int argc, char **argv) MUST_CHECK;

/**
 * cli_parse(argp, argc, argv, input):
 * As argp_parse(), with the usage errors in JSON when --json is among the words.  Does not return after --help, or a usage error.
 */
void cli_parse(const struct argp *argp, int argc, char **argv, void *input);

/* A usage error; returns EINVAL for the parser to return. */
error_t cli_usage(struct argp_state *state, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Option values; a usage error that names the option when they are malformed. */
error_t option_instant(struct argp_state *state, const char *option, const char *text, int64_t *ret_us);
error_t option_day(struct argp_state *state, const char *option, const char *text, int32_t *ret_day);
error_t option_number(struct argp_state *state, const char *option, const char *text, uint64_t max, uint64_t *ret_number);
/* What --threads says, 1 to THREADS_MAX. */
#define THREADS_MAX 256
error_t option_threads(struct argp_state *state, const char *text, uint64_t *ret_threads);
/* SEQ or COMMAND: digits are a seq, unless *${is_command} is true already. */
error_t option_transaction(struct argp_state *state, const char *text, bool *is_command, uint64_t *ret_seq);
error_t option_duration_ms(struct argp_state *state, const char *option, const char *text, uint32_t *ret_ms);

/* Key codes of long options; short ones are their letters. */
enum option_key {
	KEY_CONNECT = 0x1000, KEY_AS, KEY_PROGRAM, KEY_REQUEST_ID, KEY_AT, KEY_OCCURRED_AT, KEY_STORE, KEY_TERMINAL, KEY_TIMEOUT, KEY_JSON,
	KEY_SEEN, KEY_LOG_KEY, KEY_RECEIPT, KEY_COMMAND_NAME, KEY_CONTEXT, KEY_TLS_CA, KEY_TLS_CERT, KEY_TLS_KEY, KEY_TLS_SERVER_NAME,
	KEY_COMMAND = 0x2000,		/* a command's own begin here */
};

/* ---- JSON ---- */

/* One object and a newline on standard output; takes over ${object}. EXIT_INTERNAL when that fails, else ${code}. */
enum exit_code json_print_line(json_t *object, enum exit_code code);

/* Sets a key; takes over ${value}, which must not be NULL (asserted, as is memory: this program has no way on without it). */
void json_put(json_t *object, const char *key, json_t *value);
void json_put_text(json_t *object, const char *key, const char *text);	/* NULL: null */
void json_put_number(json_t *object, const char *key, uint64_t number);
void json_put_hex(json_t *object, const char *key, struct bytes bytes);
json_t *json_new(void);

/* ---- files ---- */

/**
 * file_read_all(path, bytes_max, ret_data):
 * The file's bytes with a NUL behind them that is not counted; "-" is standard input.  The caller releases ${ret_data}.
 * ST_IO with errno; ST_TOO_LARGE; ST_NOMEM.
 */
enum status file_read_all(const char *path, size_t bytes_max, struct buf *ret_data) MUST_CHECK;

/**
 * file_write(path, data):
 * The file becomes ${data}, whole or not at all, also over a crash: written beside it, synced, renamed.  ST_FULL; ST_IO with errno.
 * file_write_private() makes it one that its owner alone may read, whatever the umask is: what tells of members is written by it.
 */
enum status file_write(const char *path, struct bytes data) MUST_CHECK;
enum status file_write_private(const char *path, struct bytes data) MUST_CHECK;

/* A file that tells of members, to be written in place: made, or emptied, and its owner's alone.  -1 with errno.  The caller closes it. */
int file_open_private(const char *path) MUST_CHECK;

/* All of it into an open file, and synced. ST_FULL; ST_IO with errno. */
enum status file_put(int fd, struct bytes data) MUST_CHECK;

/* Removes a directory with all that is in it, as far as that works; follows no links. */
void directory_remove(const char *path);

/* Control characters but newlines, also those of two bytes (U+0080 to U+009F), become question marks: a terminal would obey them.  So do bytes
 * that are no UTF-8, such as a character that was cut off. */
void text_clean(char *text, size_t len);

/* Lower-case hex; ${ret_text} has room for 2 × len + 1. */
const char *hex_format(struct bytes bytes, char *ret_text);
/* Exactly ${len} bytes of hex. */
bool hex_parse(const char *text, uint8_t *ret_bytes, size_t len) MUST_CHECK;

#endif
