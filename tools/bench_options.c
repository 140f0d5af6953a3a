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
#define CONNECTIONS_MAX 65536
#define MEMBERS_MAX 1000000000
#define ID_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

enum { OPT_JSON = 256, OPT_PREFIX, OPT_MIX, OPT_PRINCIPAL, OPT_PRINCIPALS, OPT_PROGRAM, OPT_DISK, OPT_CORE, OPT_RECEIPT, OPT_RATE, OPT_BACKLOG, OPT_ZIPF,
	OPT_WARMUP, OPT_NO_ENROL, OPT_ADMIN, OPT_POINTS, OPT_TLS_CA, OPT_TLS_CERT, OPT_TLS_KEY, OPT_TLS_NAME };

static const struct argp_option option_rows[] = {
	{ "address", 'a', "ADDRESS", 0, "unix:/path, /path or 127.0.0.1:port (needed, but with --core)", 0 },
	{ "connections", 'c', "N", 0, "connections (64)", 0 },
	{ "depth", 'd', "N", 0, "requests, or batches, in flight on each (1)", 0 },
	{ "batch", 'b', "N", 0, "commands in a frame, all of one operation (1: plain requests); writes only", 0 },
	{ "threads", 't', "N", 0, "threads that make the load (1)", 0 },
	{ "seconds", 's', "S", 0, "how long is measured (10; with --core 3)", 0 },
	{ "warmup", OPT_WARMUP, "S", 0, "before that, the same load for so long without counting (0)", 0 },
	{ "requests", 'n', "N", 0, "how many commands, instead of --seconds", 0 },
	{ "rate", OPT_RATE, "N", 0, "open loop: N commands a second over all connections, whatever is answered, at random moments (Poisson); a latency "
	    "begins when its command was due. Without it the loop is closed: what is answered is followed by the next", 0 },
	{ "backlog", OPT_BACKLOG, "N", 0, "with --rate: frames that wait here while every connection has --depth in flight; what is due beyond them is not sent "
	    "(1000000)", 0 },
	{ "mix", OPT_MIX, "MIX", 0, "purchase, redeem, balance or history (purchase), or weights such as purchase=70,redeem=5,balance=20,history=5", 0 },
	{ "redeem-points", OPT_POINTS, "P", 0, "what a redeem spends (1)", 0 },
	{ "receipt", OPT_RECEIPT, NULL, 0, "every purchase wants a receipt; one without counts as not OK", 0 },
	{ "members", 'm', "N", 0, "members to enrol first and to spread commands over (10000; with --core 200)", 0 },
	{ "no-enrol", OPT_NO_ENROL, NULL, 0, "they are there: an earlier run had the same --prefix", 0 },
	{ "zipf", OPT_ZIPF, "S", 0, "a few members get most commands: the k-th of them in proportion to 1/k^S, such as 0.99 (0: all alike)", 0 },
	{ "prefix", OPT_PREFIX, "WORD", 0, "names members and keys; the same word finds the same members again (bench)", 0 },
	{ "principal", OPT_PRINCIPAL, "P", 0, "who to be (backend/bench, with TLS what the certificate says)", 0 },
	{ "principals", OPT_PRINCIPALS, "N", 0, "connections take turns in being P/1 to P/N; not with TLS, where the certificate says who it is", 0 },
	{ "program", OPT_PROGRAM, "ID", 0, "the program, when the ledger has several; with --core a program file, instead of one with ten rules", 0 },
	{ "admin", OPT_ADMIN, "ADDRESS", 0, "the daemon's --admin, such as 127.0.0.1:7451: tell what the daemon says of the measured time, too", 0 },
	{ "disk", OPT_DISK, "DIR", 0, "measure fdatasync there first: the directory of the ledger", 0 },
	{ "tls-ca", OPT_TLS_CA, "FILE", 0, "TLS: whom the server's certificate must come from, in PEM", 0 },
	{ "tls-cert", OPT_TLS_CERT, "FILE", 0, "the certificate to show, in PEM; it says who to be", 0 },
	{ "tls-key", OPT_TLS_KEY, "FILE", 0, "its private key, in PEM", 0 },
	{ "tls-server-name", OPT_TLS_NAME, "NAME", 0, "what the server's certificate must say (the address's host)", 0 },
	{ "core", OPT_CORE, NULL, 0, "measure deciding, records and the log in this process, without a daemon", 0 },
	{ "json", OPT_JSON, NULL, 0, "one JSON object", 0 },
	{ 0 },
};

struct parsing {
	struct settings *s;
	const char *of_load;		/* an option that --core has no use for; NULL: none was given */
	bool has_seconds, has_backlog, has_points;
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

static double
parse_real(struct argp_state *state, const char *name, const char *text, double min, double max)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end != '\0' || !(v >= min && v <= max))
		argp_error(state, "%s: '%s' is not from %.10g to %.10g", name, text, min, max);
	return v;
}

static void
parse_mix(struct argp_state *state, const char *text, struct mix *ret)
{
	assert(text != NULL);		/* the option has an argument */
	const char *wrong = mix_parse(text, ret);

	if (wrong != NULL)
		argp_error(state, "--mix: '%s' %s", text, wrong);
}

static void
parse_word(struct argp_state *state, const char *name, const char *text, size_t max, const char **ret)
{
	if (*text == '\0' || strlen(text) > max || strspn(text, ID_LETTERS) != strlen(text))
		argp_error(state, "%s: '%s' is not 1 to %zu letters, digits, - and _", name, text, max);
	*ret = text;
}

static void
parse_points(struct argp_state *state, const char *text, const char **ret)
{
	if (*text < '0' || *text > '9' || strlen(text) > 18 || strspn(text, "0123456789.") != strlen(text) || strtod(text, NULL) <= 0)
		argp_error(state, "--redeem-points: '%s' is no number above 0 of at most 18 digits", text);
	*ret = text;
}

/* What asks for nothing would look as if it had been measured. */
static void
check_together(struct argp_state *state, const struct parsing *p)
{
	const struct settings *s = p->s;

	if (s->batch > 1 && mix_reads(&s->mix))
		argp_error(state, "a batch holds writes only: --batch is for purchases and redeems");
	if (s->receipt && s->mix.weight[BENCH_PURCHASE] == 0)
		argp_error(state, "--receipt is for purchases, and --mix has none");
	if (p->has_points && s->mix.weight[BENCH_REDEEM] == 0)
		argp_error(state, "--redeem-points is for redeems, and --mix has none");
	if (p->has_backlog && s->rate <= 0)
		argp_error(state, "--backlog is for an open loop: it needs --rate");
	if (s->requests > 0 && p->has_seconds)
		argp_error(state, "--requests is instead of --seconds: only one of them");
	if (s->requests > 0 && s->warmup_seconds > 0)
		argp_error(state, "--warmup is for --seconds: --requests counts every command");
	if (s->threads > s->connections)
		argp_error(state, "--threads: %u is more than the %u of --connections", s->threads, s->connections);
	if (s->principals > s->connections)
		argp_error(state, "--principals: %u is more than the %u of --connections", s->principals, s->connections);
	if (s->principals > 0 && s->tls.ca != NULL)
		argp_error(state, "--principals: with TLS the certificate says who a connection is");
	if ((s->tls.ca != NULL || s->tls.cert != NULL || s->tls.key != NULL || s->tls_server_name != NULL) &&
	    (s->tls.ca == NULL || s->tls.cert == NULL || s->tls.key == NULL))
		argp_error(state, "TLS needs all of --tls-ca, --tls-cert and --tls-key");
}

static void
parse_end(struct argp_state *state, const struct parsing *p)
{
	struct settings *s = p->s;

	if (s->core && p->of_load != NULL)
		argp_error(state, "%s is of a load on a daemon, and --core has none", p->of_load);
	if (!s->core && s->address == NULL)
		argp_error(state, "--address is needed");
	check_together(state, p);
	if (!s->core && s->program != NULL)
		parse_word(state, "--program", s->program, 64, &s->program);
	if (s->principal == NULL)
		s->principal = s->tls.ca != NULL ? "" : "backend/bench";
	if (s->members == 0)
		s->members = s->core ? CORE_MEMBERS : LOAD_MEMBERS;
	if (s->seconds <= 0)
		s->seconds = s->core ? CORE_SECONDS : LOAD_SECONDS;
}

static error_t
parse_place_option(int key, char *arg, struct argp_state *state)
{
	struct parsing *p = state->input;
	struct settings *s = p->s;

	switch (key) {
	case 'a': s->address = arg; p->of_load = "--address"; return 0;
	case OPT_ADMIN: s->admin = arg; p->of_load = "--admin"; return 0;
	case OPT_PRINCIPAL: s->principal = arg; p->of_load = "--principal"; return 0;
	case OPT_PRINCIPALS: s->principals = (unsigned)parse_number(state, "--principals", arg, CONNECTIONS_MAX); p->of_load = "--principals"; return 0;
	case OPT_DISK: s->disk = arg; p->of_load = "--disk"; return 0;
	case OPT_TLS_CA: s->tls.ca = arg; p->of_load = "--tls-ca"; return 0;
	case OPT_TLS_CERT: s->tls.cert = arg; p->of_load = "--tls-cert"; return 0;
	case OPT_TLS_KEY: s->tls.key = arg; p->of_load = "--tls-key"; return 0;
	case OPT_TLS_NAME: s->tls_server_name = arg; p->of_load = "--tls-server-name"; return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t
parse_load_option(int key, char *arg, struct argp_state *state)
{
	struct parsing *p = state->input;
	struct settings *s = p->s;

	switch (key) {
	case 'c': s->connections = (unsigned)parse_number(state, "--connections", arg, CONNECTIONS_MAX); p->of_load = "--connections"; return 0;
	case 'd': s->depth = (unsigned)parse_number(state, "--depth", arg, 65536); p->of_load = "--depth"; return 0;
	case 'b': s->batch = (unsigned)parse_number(state, "--batch", arg, 65536); p->of_load = "--batch"; return 0;
	case 'n': s->requests = parse_number(state, "--requests", arg, 1000000000000); p->of_load = "--requests"; return 0;
	case 't': s->threads = (unsigned)parse_number(state, "--threads", arg, 256); p->of_load = "--threads"; return 0;
	case OPT_RATE: s->rate = parse_real(state, "--rate", arg, 0.1, 1e7); p->of_load = "--rate"; return 0;
	case OPT_BACKLOG: s->backlog = parse_number(state, "--backlog", arg, 100000000); p->has_backlog = true; p->of_load = "--backlog"; return 0;
	case OPT_WARMUP: s->warmup_seconds = parse_real(state, "--warmup", arg, 0, 86400); p->of_load = "--warmup"; return 0;
	case OPT_ZIPF: s->zipf = parse_real(state, "--zipf", arg, 0, 10); p->of_load = "--zipf"; return 0;
	case OPT_NO_ENROL: s->enrol = false; p->of_load = "--no-enrol"; return 0;
	case OPT_POINTS: parse_points(state, arg, &s->redeem_points); p->has_points = true; p->of_load = "--redeem-points"; return 0;
	case OPT_RECEIPT: s->receipt = true; p->of_load = "--receipt"; return 0;
	case OPT_MIX: parse_mix(state, arg, &s->mix); p->of_load = "--mix"; return 0;
	case OPT_PREFIX: parse_word(state, "--prefix", arg, 24, &s->prefix); p->of_load = "--prefix"; return 0;
	default:
		return parse_place_option(key, arg, state);
	}
}

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
	struct parsing *p = state->input;
	struct settings *s = p->s;

	switch (key) {
	case 'm': s->members = parse_number(state, "--members", arg, MEMBERS_MAX); return 0;
	case 's': s->seconds = parse_real(state, "--seconds", arg, 0.1, 86400); p->has_seconds = true; return 0;
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
		    "Exit status: 0: every command was answered, and OK; that a member has not enough points to redeem is counted by itself and no error (with "
		    "--core: half of all decisions took 5 µs at most). 1: some were not, a connection was lost, some were due and not sent, or there was nobody "
		    "to measure. 2: wrong usage, or more in flight or in a batch than the server allows.",
	};

	*ret = (struct settings){ .prefix = "bench", .connections = 64, .depth = 1, .batch = 1, .threads = 1, .backlog = 1000000, .enrol = true,
		.redeem_points = "1", .mix.weight[BENCH_PURCHASE] = 1 };
	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &parsing);
}
