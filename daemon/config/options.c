/* An option that would do nothing with the others is refused: what was asked for is what is done. */
#include "config/options.h"

#include <argp.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE 2

const char *argp_program_version = "fealtyd " FEALTY_VERSION;

enum { OPT_INSECURE = 256, OPT_CLOCK, OPT_NET, OPT_SIGN, OPT_LEVEL, OPT_SNAPSHOT, OPT_LOW, OPT_HEAD, OPT_ADMIN, OPT_RECOVER, OPT_WITNESSES,
	OPT_CERT, OPT_KEY, OPT_CA, OPT_CRL, OPT_DENY, OPT_DOMAIN, OPT_AGE, OPT_ACCESS, OPT_LIMIT, OPT_EPOCH, OPT_ERASURE, OPT_SCRUB };

static const struct argp_option option_table[] = {
	{ "data", 'd', "DIR", 0, "Data directory that `fealty init` made (required)", 0 },
	{ "keys", 'k', "DIR", 0, "Key directory; default: <data>.keys. A key in $CREDENTIALS_DIRECTORY goes before it", 0 },
	{ "head-lock", OPT_HEAD, "FILE", 0, "Where the last published head is kept, outside the data directory; default: <data>.head.lock", 0 },
	{ "socket", 's', "PATH", 0, "UNIX socket to listen on, mode 0600", 0 },
	{ "listen", 'l', "ADDRESS", 0, "Address and port in digits, as 0.0.0.0:7450 or [::]:7450, for mutual TLS 1.3; needs the first three of:", 0 },
	{ "tls-cert", OPT_CERT, "FILE", 0, "This daemon's certificate, then those between it and the CA, in PEM", 0 },
	{ "tls-key", OPT_KEY, "FILE", 0, "Its private key, in PEM, readable by the daemon's user alone", 0 },
	{ "tls-ca", OPT_CA, "FILE", 0, "CAs of clients' certificates, in PEM; no other CA counts", 0 },
	{ "tls-crl", OPT_CRL, "FILE", 0, "A list of revoked certificates for each of these CAs, in PEM; default: none", 0 },
	{ "tls-deny", OPT_DENY, "FILE", 0, "Keys that are refused: a line for each, SHA-256 of its SubjectPublicKeyInfo in hex; default: none", 0 },
	{ "tls-domain", OPT_DOMAIN, "NAME", 0, "Trust domain of clients' SPIFFE IDs; default: that of --tls-cert", 0 },
	{ "connection-age", OPT_AGE, "SECONDS", 0, "A connection with TLS is told to begin anew after this; 0: never; default 86400", 0 },
	{ "admin", OPT_ADMIN, "ADDRESS", 0, "Loopback address and port for HTTP: probes, metrics and the public log; as 127.0.0.1:7451; default: none", 0 },
	{ "witnesses", OPT_WITNESSES, "FILE", 0, "Policy of witnesses (C2SP tlog-policy), which are asked to cosign checkpoints; default: none", 0 },
	{ "insecure-loopback", OPT_INSECURE, NULL, 0, "--listen is without TLS, on loopback only, as 127.0.0.1:7450, for pos/ and backend/ principals", 0 },
	{ "clock", OPT_CLOCK, "real|manual", 0, "manual: for tests and simulations, on a ledger that was made so", 0 },
	{ "net-threads", OPT_NET, "N", 0, "Threads for connections, 1 to 64; default 2", 0 },
	{ "sign-threads", OPT_SIGN, "N", 0, "Threads that sign, 1 to 64; default: one for each processor", 0 },
	{ "snapshot-seconds", OPT_SNAPSHOT, "N", 0, "Between two snapshots of the derived state; 0: never; default 600", 0 },
	{ "low-space-mib", OPT_LOW, "N", 0, "Refuse writes when less is free on the ledger's disk; default 64", 0 },
	{ "scrub-mib-per-second", OPT_SCRUB, "N", 0, "How fast ledger and vault are read from the disk in the background, over and over, and compared with what was "
	    "written; 0: never; at most 1024; default 4", 0 },
	{ "epoch-hours", OPT_EPOCH, "N", 0, "Between two turns of the vault's epoch, which leave erased rows behind, at night from 24 on; 6 to 8760; 0: only when "
	    "asked; default 24", 0 },
	{ "erasure-days", OPT_ERASURE, "N", 0, "Days that an epoch's key outlives it, as old as backups get, until what was erased before cannot be read there "
	    "either; 0 to 366; default 30", 0 },
	{ "recover-key", OPT_RECOVER, "KIND:REASON", 0, "Replace a key that is lost or compromised by the next one, then serve; KIND is transaction or "
	    "checkpoint, REASON lost or compromised. Only once, and only as KEYS.md says", 0 },
	{ "access", OPT_ACCESS, "FILE", 0, "Which principals may act for which programs, and limits of their own; read again on SIGHUP; default: none, and "
	    "every backend may act for every program", 0 },
	{ "limit", OPT_LIMIT, "NAME=VALUE", 0, "Set a limit; may be given again; the list is below", 0 },
	{ "log", 'L', "FILE", 0, "Log file, opened again on SIGHUP; default: standard error", 0 },
	{ "log-level", OPT_LEVEL, "debug|info|warning|error", 0, "Default info", 0 },
	{ 0 }
};

static unsigned
parse_number(struct argp_state *state, const char *arg, const char *name, unsigned long min, unsigned long max)
{
	char *end;

	errno = 0;
	unsigned long n = strtoul(arg, &end, 10);
	if (errno != 0 || *end != '\0' || end == arg || arg[0] == '-' || n < min || n > max)
		argp_error(state, "--%s takes a number from %lu to %lu, not `%s'", name, min, max, arg);
	return (unsigned)n;
}

/* Shorter ones would only leave more keys than can be kept. */
static unsigned
parse_epoch(struct argp_state *state, const char *arg)
{
	unsigned hours = parse_number(state, arg, "epoch-hours", 0, 8760);

	if (hours > 0 && hours < 6)
		argp_error(state, "--epoch-hours takes 0, or a number from 6 to 8760, not `%s'", arg);
	return hours;
}

static const char *
parse_recovery(struct argp_state *state, const char *arg)
{
	static const char *const all[] = { "transaction:lost", "transaction:compromised", "checkpoint:lost", "checkpoint:compromised" };

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (strcmp(arg, all[i]) == 0)
			return arg;
	argp_error(state, "--recover-key is transaction:lost, transaction:compromised, checkpoint:lost or checkpoint:compromised, not `%s'", arg);
	return NULL;
}

static void
check_tls(struct argp_state *state, const struct options *o)
{
	const struct tls_files *t = &o->tls;
	bool all = t->cert != NULL && t->key != NULL && t->ca != NULL;
	bool any = t->cert != NULL || t->key != NULL || t->ca != NULL || t->crl != NULL || t->deny != NULL || t->domain != NULL;

	if (any && !all)
		argp_error(state, "TLS needs all of --tls-cert, --tls-key and --tls-ca");
	if (any && o->insecure_loopback)
		argp_error(state, "--listen is with TLS or without: give --tls-cert and its like, or --insecure-loopback, not both");
	if (any && o->n_listen == 0)
		argp_error(state, "TLS has nothing to listen on: give --listen ADDRESS");
	if (o->n_listen > 0 && !any && !o->insecure_loopback)
		argp_error(state, "TCP needs mutual TLS: give --tls-cert, --tls-key and --tls-ca (`fealty pki' makes them); on loopback, --insecure-loopback "
		    "allows it without");
}

static void
parse_limit(struct argp_state *state, const char *arg, struct limits *limits)
{
	char why[LIMITS_WHY_BYTES];

	if (limits_parse(arg, limits, why) != ST_OK)
		argp_error(state, "--limit: %s", why);
}

/* The table of limits, behind the rest of the help. */
static char *
help_filter(int key, const char *text, void *input)
{
	char *list = NULL;
	size_t len = 0;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)(uintptr_t)text;
	FILE *out = open_memstream(&list, &len);
	if (out == NULL)
		return (char *)(uintptr_t)text;
	fprintf(out, "Limits, as NAME=DEFAULT. On the UNIX socket only those of a connection hold, and what the access file says:\n");
	for (size_t i = 0; i < LIMIT_COUNT; i++)
		fprintf(out, "  %s=%u: %s\n", limit_table[i].name, limit_table[i].usual, limit_table[i].help);
	fprintf(out, "\n%s", text);
	return fclose(out) == 0 ? list : (char *)(uintptr_t)text;
}

static void
check_options(struct argp_state *state, struct options *o)
{
	if (o->data == NULL)
		argp_error(state, "--data is required: the directory that `fealty init' made");
	if (o->socket == NULL && o->n_listen == 0)
		argp_error(state, "nothing to listen on: give --socket PATH");
	check_tls(state, o);
	if (o->keys == NULL) {
		snprintf(o->keys_default, sizeof(o->keys_default), "%s.keys", o->data);
		o->keys = o->keys_default;
	}
	if (o->head_lock == NULL) {
		snprintf(o->head_lock_default, sizeof(o->head_lock_default), "%s.head.lock", o->data);
		o->head_lock = o->head_lock_default;
	}
}

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'd': o->data = arg; break;
	case 'k': o->keys = arg; break;
	case 's': o->socket = arg; break;
	case 'L': o->log_path = arg; break;
	case OPT_HEAD: o->head_lock = arg; break;
	case 'l':
		if (o->n_listen == LISTEN_MAX)
			argp_error(state, "at most %d --listen", LISTEN_MAX);
		o->listen[o->n_listen++] = arg;
		break;
	case OPT_ADMIN: o->admin = arg; break;
	case OPT_WITNESSES: o->witnesses = arg; break;
	case OPT_CERT: o->tls.cert = arg; break;
	case OPT_KEY: o->tls.key = arg; break;
	case OPT_CA: o->tls.ca = arg; break;
	case OPT_CRL: o->tls.crl = arg; break;
	case OPT_DENY: o->tls.deny = arg; break;
	case OPT_DOMAIN: o->tls.domain = arg; break;
	case OPT_AGE: o->connection_age_seconds = parse_number(state, arg, "connection-age", 0, 30 * 86400); break;
	case OPT_ACCESS: o->access = arg; break;
	case OPT_LIMIT: parse_limit(state, arg, &o->limits); break;
	case OPT_INSECURE: o->insecure_loopback = true; break;
	case OPT_CLOCK:
		if (strcmp(arg, "manual") != 0 && strcmp(arg, "real") != 0)
			argp_error(state, "--clock is real or manual, not `%s'", arg);
		o->manual_clock = strcmp(arg, "manual") == 0;
		break;
	case OPT_NET: o->net_threads = parse_number(state, arg, "net-threads", 1, 64); break;
	case OPT_SIGN: o->sign_threads = parse_number(state, arg, "sign-threads", 1, 64); break;
	case OPT_RECOVER: o->recover_key = parse_recovery(state, arg); break;
	case OPT_SNAPSHOT: o->snapshot_seconds = parse_number(state, arg, "snapshot-seconds", 0, 86400); break;
	case OPT_SCRUB: o->scrub_mib_per_second = parse_number(state, arg, "scrub-mib-per-second", 0, 1024); break;
	case OPT_EPOCH: o->epoch_hours = parse_epoch(state, arg); break;
	case OPT_ERASURE: o->erasure_days = parse_number(state, arg, "erasure-days", 0, 366); break;
	case OPT_LOW: o->low_space_mib = parse_number(state, arg, "low-space-mib", 1, 1024 * 1024); break;
	case OPT_LEVEL:
		if (log_level_parse(arg, &o->level) != ST_OK)
			argp_error(state, "--log-level is debug, info, warning or error, not `%s'", arg);
		break;
	case ARGP_KEY_ARG: argp_error(state, "unexpected argument `%s'", arg); break;
	case ARGP_KEY_END: check_options(state, o); break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

void
options_parse(int argc, char **argv, struct options *ret)
{
	static const struct argp argp = { option_table, parse_option, NULL, "The loyalty-points ledger daemon.\v"
	    "Exit status: 0 after SIGTERM or SIGINT, 1 when it could not start, 2 for a usage error, 70 when the disk failed.", NULL, help_filter, NULL };
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	*ret = (struct options){ .net_threads = 2, .sign_threads = processors < 1 ? 1 : processors > 64 ? 64 : (unsigned)processors,
		.snapshot_seconds = 600, .connection_age_seconds = 86400, .low_space_mib = 64, .scrub_mib_per_second = 4, .epoch_hours = 24, .erasure_days = 30,
		.level = LOG_LEVEL_INFO, .limits = limits_default() };
	argp_err_exit_status = EXIT_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, ret);
}
