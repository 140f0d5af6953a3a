/* An option that says nothing with --core, or only with it, is refused: a figure must not look as if it had been measured otherwise. */
#include "bench_options.h"

#include <argp.h>
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOAD_MEMBERS 10000
#define LOAD_SECONDS 10
#define CORE_MEMBERS 200
#define CORE_SECONDS 3

enum { OPT_JSON = 256, OPT_PREFIX, OPT_MIX, OPT_PRINCIPAL, OPT_PROGRAM, OPT_DISK, OPT_CORE, OPT_RECEIPT, OPT_TLS_CA, OPT_TLS_CERT,
	OPT_TLS_KEY, OPT_TLS_NAME };

static const struct argp_option option_rows[] = {
	{ "address", 'a', "ADDRESS", 0, "unix:/path, /path or 127.0.0.1:port (needed, but with --core)", 0 },
	{ "connections", 'c', "N", 0, "connections (64)", 0 },
	{ "depth", 'd', "N", 0, "requests in flight on each (1)", 0 },
	{ "batch", 'b', "N", 0, "commands in a frame (1: plain requests)", 0 },
	{ "members", 'm', "N", 0, "members to enrol first and to spread commands over (10000; with --core 200)", 0 },
	{ "seconds", 's', "S", 0, "how long (10; with --core 3)", 0 },
	{ "requests", 'n', "N", 0, "how many commands, instead of --seconds", 0 },
	{ "threads", 't', "N", 0, "threads that make the load (1)", 0 },
	{ "mix", OPT_MIX, "MIX", 0, "purchase or balance (purchase)", 0 },
	{ "receipt", OPT_RECEIPT, NULL, 0, "every purchase wants a receipt; one without counts as not OK", 0 },
	{ "principal", OPT_PRINCIPAL, "P", 0, "who to be (backend/bench, with TLS what the certificate says)", 0 },
	{ "tls-ca", OPT_TLS_CA, "FILE", 0, "TLS: whom the server's certificate must come from, in PEM", 0 },
	{ "tls-cert", OPT_TLS_CERT, "FILE", 0, "the certificate to show, in PEM; it says who to be", 0 },
	{ "tls-key", OPT_TLS_KEY, "FILE", 0, "its private key, in PEM", 0 },
	{ "tls-server-name", OPT_TLS_NAME, "NAME", 0, "what the server's certificate must say (the address's host)", 0 },
	{ "program", OPT_PROGRAM, "ID", 0, "the program, when the ledger has several; with --core a program file, instead of one with ten rules", 0 },
	{ "prefix", OPT_PREFIX, "WORD", 0, "names members and keys; the same word finds the same members again (bench)", 0 },
	{ "disk", OPT_DISK, "DIR", 0, "measure fdatasync there first: the directory of the ledger", 0 },
	{ "core", OPT_CORE, NULL, 0, "measure deciding, records and the log in this process, without a daemon", 0 },
	{ "json", OPT_JSON, NULL, 0, "one JSON object", 0 },
	{ 0 },
};

struct parsing {
	struct settings *s;
	const char *of_load;		/* an option that --core has no use for; NULL: none was given */
};

static unsigned long
parse_number(struct argp_state *state, const char *name, const char *text, unsigned long max)
{
	char *end;

	errno = 0;
	unsigned long v = strtoul(text, &end, 10);
	if (errno != 0 || *text < '0' || *text > '9' || *end != '\0' || v < 1 || v > max)
		argp_error(state, "%s: '%s' is not a number from 1 to %lu", name, text, max);
	return v;
}

static void
parse_seconds(struct argp_state *state, const char *text, double *ret)
{
	char *end;

	*ret = strtod(text, &end);
	if (end == text || *end != '\0' || !(*ret >= 0.1 && *ret <= 86400))
		argp_error(state, "--seconds: '%s' is not from 0.1 to 86400", text);
}

static void
parse_mix(struct argp_state *state, const char *text, enum mix *ret)
{
	assert(text != NULL);		/* the option has an argument */
	if (strcmp(text, "purchase") != 0 && strcmp(text, "balance") != 0)
		argp_error(state, "--mix: '%s' is neither purchase nor balance", text);
	*ret = strcmp(text, "balance") == 0 ? MIX_BALANCE : MIX_PURCHASE;
}

static void
parse_prefix(struct argp_state *state, const char *text, const char **ret)
{
	if (*text == '\0' || strlen(text) > 24 || strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") != strlen(text))
		argp_error(state, "--prefix: 1 to 24 letters, digits, - and _");
	*ret = text;
}

static void
parse_end(struct argp_state *state, const struct parsing *p)
{
	struct settings *s = p->s;

	if (s->core && p->of_load != NULL)
		argp_error(state, "%s is of a load on a daemon, and --core has none", p->of_load);
	if (!s->core && s->address == NULL)
		argp_error(state, "--address is needed");
	if ((s->tls.ca != NULL || s->tls.cert != NULL || s->tls.key != NULL || s->tls_server_name != NULL) &&
	    (s->tls.ca == NULL || s->tls.cert == NULL || s->tls.key == NULL))
		argp_error(state, "TLS needs all of --tls-ca, --tls-cert and --tls-key");
	if (s->principal == NULL)
		s->principal = s->tls.ca != NULL ? "" : "backend/bench";
	if (s->mix == MIX_BALANCE && s->batch > 1)
		argp_error(state, "a batch holds writes only: --batch is for purchases");
	if (s->mix == MIX_BALANCE && s->receipt)
		argp_error(state, "a read has no receipt: --receipt is for purchases");
	if (s->requests % s->batch != 0)
		argp_error(state, "--requests must be a multiple of --batch");
	if (s->threads > s->connections)
		argp_error(state, "more --threads than --connections");
	if (s->members == 0)
		s->members = s->core ? CORE_MEMBERS : LOAD_MEMBERS;
	if (s->seconds <= 0)
		s->seconds = s->core ? CORE_SECONDS : LOAD_SECONDS;
}

static error_t
parse_load_option(int key, char *arg, struct argp_state *state)
{
	struct parsing *p = state->input;
	struct settings *s = p->s;

	switch (key) {
	case 'a': s->address = arg; p->of_load = "--address"; return 0;
	case 'c': s->connections = (unsigned)parse_number(state, "--connections", arg, 65536); p->of_load = "--connections"; return 0;
	case 'd': s->depth = (unsigned)parse_number(state, "--depth", arg, 65536); p->of_load = "--depth"; return 0;
	case 'b': s->batch = (unsigned)parse_number(state, "--batch", arg, 100000); p->of_load = "--batch"; return 0;
	case 'n': s->requests = parse_number(state, "--requests", arg, 1000000000000); p->of_load = "--requests"; return 0;
	case 't': s->threads = (unsigned)parse_number(state, "--threads", arg, 256); p->of_load = "--threads"; return 0;
	case OPT_PRINCIPAL: s->principal = arg; p->of_load = "--principal"; return 0;
	case OPT_DISK: s->disk = arg; p->of_load = "--disk"; return 0;
	case OPT_TLS_CA: s->tls.ca = arg; p->of_load = "--tls-ca"; return 0;
	case OPT_TLS_CERT: s->tls.cert = arg; p->of_load = "--tls-cert"; return 0;
	case OPT_TLS_KEY: s->tls.key = arg; p->of_load = "--tls-key"; return 0;
	case OPT_TLS_NAME: s->tls_server_name = arg; p->of_load = "--tls-server-name"; return 0;
	case OPT_RECEIPT: s->receipt = true; p->of_load = "--receipt"; return 0;
	case OPT_MIX: parse_mix(state, arg, &s->mix); p->of_load = "--mix"; return 0;
	case OPT_PREFIX: parse_prefix(state, arg, &s->prefix); p->of_load = "--prefix"; return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
	struct parsing *p = state->input;
	struct settings *s = p->s;

	switch (key) {
	case 'm': s->members = parse_number(state, "--members", arg, 1000000000); return 0;
	case 's': parse_seconds(state, arg, &s->seconds); return 0;
	case OPT_PROGRAM: s->program = arg; return 0;
	case OPT_JSON: s->json = true; return 0;
	case OPT_CORE: s->core = true; return 0;
	case ARGP_KEY_END: parse_end(state, p); return 0;
	default:
		return parse_load_option(key, arg, state);
	}
}

void
options_parse(int argc, char **argv, struct settings *ret)
{
	struct parsing parsing = { .s = ret };
	const struct argp argp = {
		.options = option_rows, .parser = parse_option,
		.doc = "Measures a fealtyd: enrols members, then keeps it busy and prints throughput and latency; or, with --core, the core alone.\v"
		    "The exit status is 0 when every command was answered OK (with --core: when half of all decisions took 5 µs at most), else 1.",
	};

	*ret = (struct settings){ .prefix = "bench", .connections = 64, .depth = 1, .batch = 1, .threads = 1 };
	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &parsing);
}
