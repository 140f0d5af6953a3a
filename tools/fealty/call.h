/**
 * call.h: one command to the daemon and its answer, for the subcommands that are no more than that.
 */
#ifndef FEALTY_TOOLS_CALL_H
#define FEALTY_TOOLS_CALL_H

#include "cli.h"
#include "fealty.h"

#define CALL_ADDRESS_DEFAULT "unix:/run/fealty/fealtyd.sock"

/* The options that every command to the daemon has; strings are borrowed from argv, the environment or the context. */
struct call_options {
	char *context;			/* its name, of --context or $FEALTY_CONTEXT; NULL: none.  An option that is given goes before what it says */
	char *tls_ca, *tls_cert, *tls_key, *tls_server_name;	/* NULL: no TLS; ca alone, or with cert and key */
	char *address, *principal, *program, *key, *store, *terminal;	/* NULL but address: not given */
	char *checkpoint, *log_key;		/* of log_guard.h; NULL: not asked for */
	bool json, has_address, has_at, has_occurred_at;	/* has_address: --connect was given */
	const char *daemons;		/* an option that was given and is about a daemon alone; NULL: none */
	bool has_timeout;
	int64_t at_us, occurred_at_us;
	uint32_t timeout_ms;
	char *receipt;			/* the file that the command's receipt goes to; NULL: none is wanted */
};

/* Children of a command's argp; the parent hands a struct call_options to them as input. The first is for commands that may
 * have a receipt and end in call_run(), the last for commands that only read or connect. */
extern const struct argp_child receipt_children[];
extern const struct argp_child call_children[];
extern const struct argp_child connect_children[];

/* All options that any of these has; an element without a name ends them. */
extern const struct argp_option call_every_option[];

/**
 * call_source(state, options, has_dir, log): what of DIR, --log and --connect says where the ledger is.  One at most, and no option that the
 * one given would ignore; otherwise a usage error is told.
 */
error_t call_source(struct argp_state *state, const struct call_options *options, bool has_dir, const char *log);

/* ${timeout_ms} is the default. */
void call_options_init(struct call_options *options, uint32_t timeout_ms);

/* What the parser of a command to the daemon fills: the first member of the command's own input. */
#define CALL_TIMEOUT_MS 10000
struct call_input {
	struct call_options call;
	struct args args;
	unsigned n_min, n_max;		/* arguments */
};
void call_input_init(struct call_input *in, unsigned n_min, unsigned n_max);

/* Handles arguments and the common options; a command's parser hands on what it does not know itself.  call_parse() is a whole parser, for
 * commands without options. */
error_t call_input_parse(int key, char *arg, struct argp_state *state, struct call_input *in);
error_t call_parse(int key, char *arg, struct argp_state *state);

/**
 * What the parser of a command about one transaction fills: its first word is SEQ or COMMAND, the latter for sure with KEY_COMMAND_NAME.  The
 * command's argp has connect_children or call_children.
 */
struct named_input {
	struct call_options call;
	struct args args;
	unsigned n_words;		/* as many as there must be */
	bool is_command;
	uint64_t seq;
};
error_t named_parse(int key, char *arg, struct argp_state *state);
#define NAMED_OPTION { "command", KEY_COMMAND_NAME, NULL, 0, "The word is a request id, even if it has digits only", 0 }

/* A request with the common options filled in; the strings are borrowed. */
void call_request_init(const struct call_options *options, Fealty__V1__Request__OpCase op, Fealty__V1__Request *ret_request);

/* Line ${line} of a file, an event in JSON; EXIT_DONE, or what is wrong with it was told, with ${undone} behind it.  The caller frees *${ret}. */
enum exit_code call_request_read(bool json, const char *text, unsigned line, const char *undone, struct arena *arena,
    Fealty__V1__Request **ret) MUST_CHECK;

/* What program the options mean, asked for; ${ret_result} is the caller's to release. */
enum fealty_outcome call_program(const struct call_options *options, struct fealty_client *client, struct fealty_result *ret_result) MUST_CHECK;

/* A client; EXIT_DONE, or the failure was told. The caller frees it. */
enum exit_code call_client(const struct call_options *options, struct fealty_client **ret_client);

/* Prints an accepted answer for people. */
typedef void call_show_fn(const Fealty__V1__Response *response);

/**
 * call_run(options, request, show):
 * Connects, sends, and prints what came of it: the answer through ${show}, or as JSON; a refusal, or why there is no answer.  A receipt
 * that was asked for is checked and kept; nothing is sent when its file cannot be made.
 */
enum exit_code call_run(const struct call_options *options, const Fealty__V1__Request *request, call_show_fn *show);

/* The same by steps: the exit code that an end stands for, and telling of one that is not FEALTY_OK. */
enum exit_code call_exit_code(const struct fealty_result *result);
enum exit_code call_tell(const struct call_options *options, const struct fealty_result *result);

/* The answers to a batch's commands, in their order: how many; borrowed from ${result}. */
size_t call_batch_results(const struct fealty_result *result, Fealty__V1__Response ***ret_responses);

struct ledger_text;
/**
 * call_learn_program(options, client, number, text):
 * Asks for the program that ${options} mean and lets ${text} print the points of program ${number} by it.  No answer is no error: integers
 * are printed then.
 */
void call_learn_program(const struct call_options *options, struct fealty_client *client, uint32_t number, struct ledger_text *text);

/* An answer as an object with the keys of fealty.proto, and `key` when the command had a request id (NULL or "": none). */
json_t *response_json(const Fealty__V1__Response *response, const char *key);

#endif
