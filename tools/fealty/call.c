/*
 * One command and its answer.  The outcome alone decides the exit code; a lost answer is never told as a failure, since the command may
 * have been applied.
 */
#include "call.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "context.h"
#include "ledger_text.h"
#include "log_guard.h"
#include "receipt_file.h"

#define CONNECTS_MAX 4			/* a till wants to know within a second that nobody is there */

/* Borrowed until the process ends; NULL: no context was named, or its end was told. */
static error_t
open_context(struct argp_state *state, const char *name, struct context **ret_context)
{
	static struct context context;
	char why[CONTEXT_WHY_BYTES];

	*ret_context = NULL;
	if (name == NULL)
		return 0;
	context_release(&context);
	if (!context_load(name, &context, why))
		return cli_usage(state, "%s", why);
	*ret_context = &context;
	return 0;
}

static char *
either(char *option, char *of_context)
{
	return option != NULL ? option : of_context;
}

/* TLS of options and context: it has what it needs, or a usage error is told.  A local door that was asked for by option has none of the context's. */
static error_t
settle_tls(struct argp_state *state, struct call_options *o, const struct context *context)
{
	bool by_option = o->tls_ca != NULL || o->tls_cert != NULL || o->tls_key != NULL || o->tls_server_name != NULL;

	if (address_is_local(o->address))
		return by_option ? cli_usage(state, "%s is a UNIX socket, which speaks no TLS: give --connect HOST:PORT, or leave the --tls options out", o->address)
		    : 0;
	if (context != NULL) {
		o->tls_ca = either(o->tls_ca, context->ca);
		o->tls_server_name = either(o->tls_server_name, context->server_name);
		if (o->tls_cert == NULL && o->tls_key == NULL) {		/* a pair */
			o->tls_cert = context->cert;
			o->tls_key = context->key;
		}
	}
	if ((o->tls_cert == NULL) != (o->tls_key == NULL))
		return cli_usage(state, "--tls-cert and --tls-key belong together, and one of them is missing");
	if (o->tls_ca == NULL && o->tls_cert != NULL)
		return cli_usage(state, "--tls-cert and --tls-key need --tls-ca: the authority that the daemon's certificate must be of");
	if (o->tls_ca == NULL && o->tls_server_name != NULL)
		return cli_usage(state, "--tls-server-name needs --tls-ca: the authority that the daemon's certificate must be of");
	return 0;
}

static error_t
settle_connection(struct argp_state *state, struct call_options *o, struct context *context)
{
	if (context != NULL && !o->has_address && context->connect != NULL)
		o->address = context->connect;
	if (context != NULL)
		o->principal = either(o->principal, context->principal);
	if (o->log_key != NULL && o->checkpoint == NULL)
		return cli_usage(state, "--log-key is what the checkpoint in --checkpoint FILE must be signed with: give that as well");
	return settle_tls(state, o, context);
}

static error_t
parse_tls(int key, char *arg, struct call_options *o)
{
	switch (key) {
	case KEY_TLS_CA:
		o->tls_ca = arg;
		o->daemons = "--tls-ca";
		return 0;
	case KEY_TLS_CERT:
		o->tls_cert = arg;
		o->daemons = "--tls-cert";
		return 0;
	case KEY_TLS_KEY:
		o->tls_key = arg;
		o->daemons = "--tls-key";
		return 0;
	case KEY_TLS_SERVER_NAME:
		o->tls_server_name = arg;
		o->daemons = "--tls-server-name";
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t
parse_connect(int key, char *arg, struct argp_state *state)
{
	struct call_options *o = state->input;
	struct context *context;
	error_t failed;

	switch (key) {
	case KEY_CONTEXT:
		o->context = arg;
		o->daemons = "--context";
		return 0;
	case KEY_CONNECT:
		o->address = arg;
		o->has_address = true;
		return 0;
	case KEY_AS:
		o->principal = arg;
		o->daemons = "--as";
		return 0;
	case KEY_TIMEOUT:
		o->has_timeout = true;
		return option_duration_ms(state, "--timeout", arg, &o->timeout_ms);
	case KEY_SEEN:
		o->checkpoint = arg;
		o->daemons = "--checkpoint";
		return 0;
	case KEY_LOG_KEY:
		o->log_key = arg;
		o->daemons = "--log-key";
		return 0;
	case KEY_JSON:
		o->json = true;
		return 0;
	case ARGP_KEY_END:
		failed = open_context(state, o->context, &context);
		return failed != 0 ? failed : settle_connection(state, o, context);
	default:
		return parse_tls(key, arg, o);
	}
}

static error_t
parse_call(int key, char *arg, struct argp_state *state)
{
	struct call_options *o = state->input;
	struct context *context;
	error_t failed;

	switch (key) {
	case ARGP_KEY_END:
		failed = open_context(state, o->context, &context);
		if (failed == 0 && context != NULL)
			o->program = either(o->program, context->program);
		return failed != 0 ? failed : settle_connection(state, o, context);
	case KEY_PROGRAM:
		o->program = arg;
		return 0;
	case KEY_REQUEST_ID:
		o->key = arg;
		return 0;
	case KEY_AT:
		o->has_at = true;
		return option_instant(state, "--at", arg, &o->at_us);
	case KEY_OCCURRED_AT:
		o->has_occurred_at = true;
		return option_instant(state, "--occurred-at", arg, &o->occurred_at_us);
	case KEY_STORE:
		o->store = arg;
		return 0;
	case KEY_TERMINAL:
		o->terminal = arg;
		return 0;
	default:
		return parse_connect(key, arg, state);
	}
}

static error_t
parse_receipt(int key, char *arg, struct argp_state *state)
{
	struct call_options *o = state->input;

	if (key != KEY_RECEIPT)
		return parse_call(key, arg, state);
	o->receipt = arg;
	return 0;
}

#define CONNECT_OPTIONS \
	{ "context", KEY_CONTEXT, "NAME", 0, "Connect as the context NAME says, but for what other options say (default: $FEALTY_CONTEXT, or none); " \
	    "see \"fealty context\"", 0 }, \
	{ "connect", KEY_CONNECT, "ADDRESS", 0, "Where the daemon listens: unix:PATH or HOST:PORT (default: the context's, $FEALTY_CONNECT, " \
	    "or " CALL_ADDRESS_DEFAULT ")", 0 }, \
	{ "tls-ca", KEY_TLS_CA, "FILE", 0, "Connect by TLS, to a daemon with a certificate of this authority", 0 }, \
	{ "tls-cert", KEY_TLS_CERT, "FILE", 0, "One's own certificate, which says who asks", 0 }, \
	{ "tls-key", KEY_TLS_KEY, "FILE", 0, "Its private key, in a file that nobody else can read", 0 }, \
	{ "tls-server-name", KEY_TLS_SERVER_NAME, "NAME", 0, "The name or IP address that the daemon's certificate must have (default: the host of " \
	    "--connect)", 0 }, \
	{ "as", KEY_AS, "PRINCIPAL", 0, "Who asks: pos/STORE/TERMINAL, backend/NAME, auditor/NAME, approver/NAME or operator/NAME", 0 }, \
	{ "timeout", KEY_TIMEOUT, "DURATION", 0, "How long to wait for the answer, such as 10s", 0 }, \
	{ "checkpoint", KEY_SEEN, "FILE", 0, "Keep the log's newest checkpoint in FILE, and send nothing to a daemon whose ledger does " \
	    "not go on from it (default: $FEALTY_CHECKPOINT, or no check)", 0 }, \
	{ "log-key", KEY_LOG_KEY, "VKEY", 0, "The key that checkpoint must be signed with, as \"fealty log key\" prints it (default: " \
	    "$FEALTY_LOG_KEY, or not verified)", 0 }, \
	{ "json", KEY_JSON, NULL, 0, "Print JSON", 0 }

static const struct argp_option connect_options[] = { CONNECT_OPTIONS, { 0 } };
#define CALL_OPTIONS \
	CONNECT_OPTIONS, \
	{ "program", KEY_PROGRAM, "ID", 0, "Which program; needed only when there are several", 0 }, \
	{ "key", KEY_REQUEST_ID, "REQUEST_ID", 0, "Name of this command: running it again under the same name never applies it twice", 0 }, \
	{ "at", KEY_AT, "INSTANT", 0, "Manual ledgers only: the time at which the command comes", 0 }, \
	{ "occurred-at", KEY_OCCURRED_AT, "INSTANT", 0, "When it happened, if not just now", 0 }, \
	{ "store", KEY_STORE, "STORE", 0, "Where it happened", 0 }, \
	{ "terminal", KEY_TERMINAL, "TERMINAL", 0, "At which till", 0 }

static const struct argp_option call_option_list[] = { CALL_OPTIONS, { 0 } };
const struct argp_option call_every_option[] = {
	CALL_OPTIONS,
	{ "receipt", KEY_RECEIPT, "FILE", 0, "Ask for a receipt and write it to FILE, which must not be there yet", 0 },
	{ 0 },
};
static const struct argp connect_argp = { .options = connect_options, .parser = parse_connect };
static const struct argp call_argp = { .options = call_option_list, .parser = parse_call };
static const struct argp receipt_argp = { .options = call_every_option, .parser = parse_receipt };

const struct argp_child connect_children[] = { { &connect_argp, 0, "Connection and output:", 10 }, { 0 } };
const struct argp_child call_children[] = { { &call_argp, 0, "Connection, command and output:", 10 }, { 0 } };
const struct argp_child receipt_children[] = { { &receipt_argp, 0, "Connection, command and output:", 10 }, { 0 } };

/* Of the environment; NULL: it is not set, or empty. */
static char *
variable(const char *name)
{
	char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

error_t
named_parse(int key, char *arg, struct argp_state *state)
{
	struct named_input *in = state->input;
	error_t failed;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &in->call;
		return 0;
	case KEY_COMMAND_NAME:
		in->is_command = true;
		return 0;
	case ARGP_KEY_ARG:
		return args_take(state, arg, &in->args, in->n_words);
	case ARGP_KEY_END:
		failed = args_need(state, &in->args, in->n_words);
		return failed != 0 ? failed : option_transaction(state, in->args.v[0], &in->is_command, &in->seq);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

error_t
call_source(struct argp_state *state, const struct call_options *options, bool has_dir, const char *log)
{
	if (has_dir + (log != NULL) + options->has_address > 1)
		return cli_usage(state,
		    "give one of DIR, --log and --connect: a ledger's directory, an export of its log, or the daemon that has it");
	if ((has_dir || log != NULL) && options->daemons != NULL)
		return cli_usage(state, "%s is about a daemon, and none is asked with %s", options->daemons, has_dir ? "DIR" : "--log");
	if (has_dir && options->has_timeout)
		return cli_usage(state, "--timeout is about a daemon or a served log, and neither is asked with DIR");
	return 0;
}

void
call_options_init(struct call_options *options, uint32_t timeout_ms)
{
	char *address = variable("FEALTY_CONNECT");
	static char address_default[] = CALL_ADDRESS_DEFAULT;

	*options = (struct call_options){ .timeout_ms = timeout_ms };
	options->context = variable("FEALTY_CONTEXT");
	options->address = address != NULL ? address : address_default;
	options->checkpoint = variable("FEALTY_CHECKPOINT");
	options->log_key = options->checkpoint != NULL ? variable("FEALTY_LOG_KEY") : NULL;
}

void
call_input_init(struct call_input *in, unsigned n_min, unsigned n_max)
{
	*in = (struct call_input){ .n_min = n_min, .n_max = n_max };
	call_options_init(&in->call, CALL_TIMEOUT_MS);
}

error_t
call_input_parse(int key, char *arg, struct argp_state *state, struct call_input *in)
{
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &in->call;
		return 0;
	case ARGP_KEY_ARG:
		return args_take(state, arg, &in->args, in->n_max);
	case ARGP_KEY_END:
		return args_need(state, &in->args, in->n_min);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

error_t
call_parse(int key, char *arg, struct argp_state *state)
{
	return call_input_parse(key, arg, state, state->input);
}

void
call_request_init(const struct call_options *options, Fealty__V1__Request__OpCase op, Fealty__V1__Request *ret_request)
{
	fealty__v1__request__init(ret_request);
	ret_request->op_case = op;
	ret_request->key = options->key;
	ret_request->program = options->program;
	ret_request->store = options->store;
	ret_request->terminal = options->terminal;
	ret_request->has_at = options->has_at;
	ret_request->at = options->at_us;
	ret_request->has_occurred_at = options->has_occurred_at;
	ret_request->occurred_at = options->occurred_at_us;
	ret_request->has_want_receipt = ret_request->want_receipt = options->receipt != NULL;
	ret_request->has_deadline_ms = true;
	ret_request->deadline_ms = options->timeout_ms;
}

enum exit_code
call_client(const struct call_options *options, struct fealty_client **ret_client)
{
	struct fealty_options client_options;

	fealty_options_init(&client_options);
	client_options.principal = options->principal;
	client_options.client_name = "fealty";
	client_options.client_version = FEALTY_VERSION;
	client_options.deadline_ms = options->timeout_ms;
	client_options.connects_max = CONNECTS_MAX;
	client_options.tls_ca = options->tls_ca;
	client_options.tls_cert = options->tls_cert;
	client_options.tls_key = options->tls_key;
	client_options.tls_server_name = options->tls_server_name;
	switch (fealty_client_new(options->address, &client_options, NULL, ret_client)) {
	case FEALTY_ERROR_NONE: {
		enum exit_code code = options->checkpoint != NULL ? log_guard(options, *ret_client) : EXIT_DONE;
		if (code != EXIT_DONE)
			fealty_client_free(*ret_client);
		return code;
	}
	case FEALTY_ERROR_ADDRESS:
		return cli_fail(options->json, EXIT_USAGE,
		    "\"%s\" is no address: give --connect unix:PATH, or an address and a port such as 127.0.0.1:7450, or with TLS a name and a port", options->address);
	case FEALTY_ERROR_NO_TLS:
		return cli_fail(options->json, EXIT_USAGE, "%s is reached by TLS only: give --context NAME, or --tls-ca, --tls-cert and --tls-key",
		    options->address);
	default:
		return cli_fail(options->json, EXIT_INTERNAL, "no client could be made: out of memory");
	}
}

json_t *
response_json(const Fealty__V1__Response *response, const char *key)
{
	size_t len = fealty__v1__response__get_packed_size(response);
	uint8_t *bytes = malloc(len + 1);

	assert(bytes != NULL);
	fealty__v1__response__pack(response, bytes);
	json_t *object = message_json(CODEC_RESPONSE, bytes_of(bytes, len));
	free(bytes);
	assert(object != NULL);			/* it was unpacked from the wire, so it can be printed */
	if (key != NULL && key[0] != '\0')
		json_put_text(object, "key", key);
	return object;
}

/* The daemon's own "not now" is no refusal by the rules. */
static bool
response_is_unavailable(const Fealty__V1__Response *r)
{
	return r->retryable || r->status == FEALTY__V1__CODE__UNAVAILABLE || r->status == FEALTY__V1__CODE__DEADLINE_EXCEEDED;
}

enum exit_code
call_exit_code(const struct fealty_result *result)
{
	switch (result->outcome) {
	case FEALTY_OK:
		return EXIT_DONE;
	case FEALTY_REFUSED:
		return result->response != NULL && response_is_unavailable(result->response) ? EXIT_UNAVAILABLE : EXIT_REFUSED;
	case FEALTY_FAILED:
		return result->error == FEALTY_ERROR_KEY || result->error == FEALTY_ERROR_TOO_LARGE ? EXIT_USAGE : EXIT_UNAVAILABLE;
	case FEALTY_UNKNOWN:
		return EXIT_OUTCOME_UNKNOWN;
	}
	return EXIT_INTERNAL;
}

static const char *
no_answer_words(enum exit_code code)
{
	switch (code) {
	case EXIT_OUTCOME_UNKNOWN:
		return "It may have been applied or not.";
	case EXIT_UNAVAILABLE:
		return "Nothing has changed.";
	case EXIT_DONE:
	case EXIT_REFUSED:
	case EXIT_USAGE:
	case EXIT_INTERNAL:
		break;
	}
	return "";
}

static void
tell_people(const struct call_options *options, const struct fealty_result *result, enum exit_code code)
{
	const Fealty__V1__Response *r = result->response;
	const char *message = result->message[0] != '\0' ? result->message : fealty_error_str(result->error);

	(void)fflush(stdout);
	if (r != NULL && r->reason != NULL) {
		(void)fprintf(stderr, "%s: %s (%s", program_invocation_name, r->message != NULL ? r->message : message, r->reason);
		(void)fprintf(stderr, r->field != NULL ? ", %s)\n" : ")\n", r->field);
	} else {
		(void)fprintf(stderr, "%s: %s [%s]\n", program_invocation_name, message, options->address);
	}
	if (no_answer_words(code)[0] != '\0')
		(void)fprintf(stderr, "%s\n", no_answer_words(code));
	if (code == EXIT_OUTCOME_UNKNOWN)
		(void)fprintf(
		    stderr, "Run the same command again with --key %s to learn which: that never applies it twice.\n", result->key);
}

static json_t *
no_answer_json(const struct fealty_result *result, enum exit_code code)
{
	json_t *object = json_new();

	json_put_text(object, "status", code == EXIT_OUTCOME_UNKNOWN ? "UNKNOWN" : code == EXIT_USAGE ? "INVALID_ARGUMENT" : "UNAVAILABLE");
	json_put_text(object, "reason", exit_code_reason(code));
	json_put_text(object, "message", result->message[0] != '\0' ? result->message : fealty_error_str(result->error));
	if (result->key[0] != '\0')
		json_put_text(object, "key", result->key);
	return object;
}

enum exit_code
call_tell(const struct call_options *options, const struct fealty_result *result)
{
	enum exit_code code = call_exit_code(result);

	if (!options->json) {
		tell_people(options, result, code);
		return code;
	}
	return json_print_line(
	    result->response != NULL ? response_json(result->response, result->key) : no_answer_json(result, code), code);
}

/* What became of the receipt, for people and, in ${object}, for programs. */
static enum exit_code
tell_receipt(const struct call_options *options, const Fealty__V1__Response *r, enum exit_code kept, const char *why, json_t *object)
{
	if (object != NULL && why == NULL)
		json_put_text(object, "receipt_file", options->receipt);
	else if (object != NULL)
		json_put_text(object, "receipt_problem", why);
	else if (why == NULL)
		(void)printf("Its receipt is in %s.\n", options->receipt);
	else
		(void)fprintf(stderr, "%s: it was done (%s), but there is no receipt: %s\n", program_invocation_name,
		    r->id != NULL ? r->id : "without an id", why);
	return kept;
}

static enum exit_code
tell_answer(const struct call_options *options, const struct fealty_result *result, struct receipt_file *file, call_show_fn *show)
{
	const Fealty__V1__Response *r = result->response;
	json_t *object = options->json ? response_json(r, result->key) : NULL;
	enum exit_code code = EXIT_DONE;
	const char *why = NULL;

	if (object == NULL)
		show(r);
	if (options->receipt != NULL) {
		code = receipt_file_keep(file, r->receipt, r->no_receipt, &why);
		code = tell_receipt(options, r, code, why, object);
	}
	return object != NULL ? json_print_line(object, code) : code;
}

enum exit_code
call_run(const struct call_options *options, const Fealty__V1__Request *request, call_show_fn *show)
{
	struct fealty_client *client;
	struct fealty_result result;
	struct receipt_file file = RECEIPT_FILE_NONE;

	enum exit_code code = options->receipt == NULL ? EXIT_DONE : receipt_file_begin(options->receipt, options->json, &file);
	if (code == EXIT_DONE)
		code = call_client(options, &client);
	if (code == EXIT_DONE) {
		code = fealty_call(client, request, &result) == FEALTY_OK ? tell_answer(options, &result, &file, show) : call_tell(options, &result);
		fealty_result_release(&result);
		fealty_client_free(client);
	}
	receipt_file_end(&file);
	return code;
}

enum exit_code
call_request_read(bool json, const char *text, unsigned line, const char *undone, struct arena *arena, Fealty__V1__Request **ret)
{
	struct text_error error;
	struct buf bytes;

	buf_init(&bytes);
	enum status st = codec_json_parse(CODEC_REQUEST, text, arena, &bytes, &error);
	*ret = st == ST_OK ? fealty__v1__request__unpack(NULL, bytes.len, bytes.data) : NULL;
	buf_release(&bytes);
	if (st == ST_INVALID)
		return cli_fail(json, EXIT_USAGE, "line %u: %s%s%s; %s", line, error.path, error.path[0] != '\0' ? ": " : "", error.sentence, undone);
	return *ret != NULL ? EXIT_DONE : cli_fail(json, EXIT_INTERNAL, "line %u: %s", line, cli_status_words(ST_NOMEM));
}

enum fealty_outcome
call_program(const struct call_options *options, struct fealty_client *client, struct fealty_result *ret_result)
{
	Fealty__V1__Request request;
	Fealty__V1__ProgramGet body = FEALTY__V1__PROGRAM_GET__INIT;

	call_request_init(options, FEALTY__V1__REQUEST__OP_SHOW_PROGRAM, &request);
	request.key = NULL;
	request.show_program = &body;
	return fealty_call(client, &request, ret_result);
}

void
call_learn_program(const struct call_options *options, struct fealty_client *client, uint32_t number, struct ledger_text *text)
{
	struct fealty_result result;

	if (call_program(options, client, &result) == FEALTY_OK && result.response->program != NULL) {
		size_t len = fealty__program__v1__program__get_packed_size(result.response->program);
		uint8_t *definition = malloc(len + 1);
		assert(definition != NULL);
		fealty__program__v1__program__pack(result.response->program, definition);
		ledger_text_learn_program(text, number, bytes_of(definition, len));
		free(definition);
	}
	fealty_result_release(&result);
}

size_t
call_batch_results(const struct fealty_result *result, Fealty__V1__Response ***ret_responses)
{
	if (result->batch == NULL)
		return 0;
	*ret_responses = result->batch->results;
	return result->batch->n_results;
}
