/* fealtyd: wiring only.  Options, signals, and the order in which parts begin and end. */
#include <argp.h>
#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "admin/admin.h"
#include "service/service.h"
#include "tls/tls.h"

#define LISTEN_MAX 8
#define TICK_SECONDS 1

enum { EXIT_STARTED_NOT = 1, EXIT_USAGE = 2, EXIT_FATAL = 70 };

const char *argp_program_version = "fealtyd " FEALTY_VERSION;

struct options {
	const char *data, *keys, *head_lock, *socket, *admin, *witnesses, *log_path, *recover_key;
	const char *listen[LISTEN_MAX];
	unsigned n_listen, net_threads, sign_threads, snapshot_seconds, connection_age_seconds;
	unsigned long low_space_mib;
	struct tls_files tls;			/* cert NULL: without */
	bool insecure_loopback, manual_clock;
	enum log_level level;
	char keys_default[4096], head_lock_default[4096];
};

enum { OPT_INSECURE = 256, OPT_CLOCK, OPT_NET, OPT_SIGN, OPT_LEVEL, OPT_SNAPSHOT, OPT_LOW, OPT_HEAD, OPT_ADMIN, OPT_RECOVER, OPT_WITNESSES,
	OPT_CERT, OPT_KEY, OPT_CA, OPT_CRL, OPT_DENY, OPT_DOMAIN, OPT_AGE };

static const struct argp_option option_table[] = {
	{ "data", 'd', "DIR", 0, "Data directory that `fealty init` made (required)", 0 },
	{ "keys", 'k', "DIR", 0, "Key directory; default: <data>.keys", 0 },
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
	{ "recover-key", OPT_RECOVER, "KIND:REASON", 0, "Replace a key that is lost or compromised by the next one, then serve; KIND is transaction or "
	    "checkpoint, REASON lost or compromised. Only once, and only as KEYS.md says", 0 },
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

/* ---- the daemon ---- */

struct daemon {
	const struct options *options;
	struct log *log;
	struct admin *admin;
	struct service *service;
	struct net *net;
	struct event_base *base;
	struct event *tick, *term, *interrupt, *hup;
	int fatal_pipe[2];
	struct event *fatal;
	bool failed;
};

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)fd; (void)what;
	service_tick(d->service);
	sd_notifyf(0, "WATCHDOG=1\nSTATUS=%llu transactions, %u connections", (unsigned long long)service_size(d->service),
	    net_connections(d->net));
}

static void
on_term(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)what;
	log_event(d->log, LOG_LEVEL_INFO, "daemon.stopping", "signal", fd == SIGTERM ? "SIGTERM" : "SIGINT", NULL);
	event_base_loopbreak(d->base);
}

/* What peers are judged by; false: why not is in ${ret_message}, and nothing has changed. */
static bool
load_tls(struct daemon *d, char ret_message[static TLS_MESSAGE_BYTES])
{
	struct tls *tls;

	if (tls_open(TLS_SERVER, &d->options->tls, &tls, ret_message) != ST_OK)
		return false;
	enum status st = net_set_tls(d->net, tls);
	if (st == ST_OK)
		log_event(d->log, LOG_LEVEL_INFO, "tls.loaded", "domain", tls_domain(tls), "cert_ends", LOG_N(tls_cert_ends_at(tls)), "crl_ends",
		    LOG_N(tls_crl_ends_at(tls)), NULL);
	else
		snprintf(ret_message, TLS_MESSAGE_BYTES, "%s", status_str(st));
	tls_unref(tls);
	return st == ST_OK;
}

static void
reload_tls(struct daemon *d)
{
	char message[TLS_MESSAGE_BYTES];

	if (d->options->tls.cert != NULL && !load_tls(d, message))
		log_event(d->log, LOG_LEVEL_ERROR, "tls.reload_failed", "why", message, NULL);
}

static void
on_hup(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)fd; (void)what;
	if (log_reopen(d->log) != ST_OK)
		log_event(d->log, LOG_LEVEL_ERROR, "log.reopen_failed", "why", strerror(errno), NULL);
	else
		log_event(d->log, LOG_LEVEL_INFO, "log.reopened", NULL);
	reload_tls(d);
}

/* From the commit thread. */
static void
on_fatal(void *ctx)
{
	struct daemon *d = ctx;
	ssize_t n = write(d->fatal_pipe[1], "x", 1);

	(void)n;
}

static void
on_fatal_event(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)fd; (void)what;
	d->failed = true;
	event_base_loopbreak(d->base);
}

static bool
listen_unix(struct daemon *d, const char *path)
{
	enum status st = net_listen_unix(d->net, path);

	if (st != ST_OK) {
		fprintf(stderr, "fealtyd: cannot listen on %s: %s\n", path, st == ST_BUSY ? "another process answers there"
		    : st == ST_INVALID ? "the path is too long for a UNIX socket" : strerror(errno));
		return false;
	}
	log_event(d->log, LOG_LEVEL_INFO, "net.listening", "socket", path, NULL);
	return true;
}

static bool
listen_tcp(struct daemon *d, const char *address, bool tls)
{
	uint16_t port;
	enum status st = tls ? net_listen_tls(d->net, address, &port) : net_listen_loopback(d->net, address, &port);

	if (st != ST_OK) {
		fprintf(stderr, "fealtyd: cannot listen on %s: %s\n", address, st == ST_BUSY ? "the port is in use"
		    : st != ST_INVALID ? strerror(errno) : tls ? "it is no address with a port in digits, as 0.0.0.0:7450 or [::]:7450"
		    : "without TLS only a loopback address with a port is allowed, as 127.0.0.1:7450 or [::1]:7450");
		return false;
	}
	log_event(d->log, tls ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, tls ? "net.listening" : "net.listening_without_tls", "address", address, "port",
	    LOG_N(port), NULL);
	return true;
}

static bool
listen_all(struct daemon *d, const struct options *o)
{
	char message[TLS_MESSAGE_BYTES];

	if (o->tls.cert != NULL && !load_tls(d, message)) {
		fprintf(stderr, "fealtyd: TLS cannot begin: %s\n", message);
		return false;
	}
	if (o->socket != NULL && !listen_unix(d, o->socket))
		return false;
	for (unsigned i = 0; i < o->n_listen; i++) {
		if (!listen_tcp(d, o->listen[i], o->tls.cert != NULL))
			return false;
	}
	return true;
}

/* Before the ledger is opened: a start that takes long is seen to be one. */
static bool
open_admin(struct daemon *d, const struct options *o)
{
	uint16_t port;

	if (o->admin == NULL)
		return true;
	enum status st = admin_open(o->admin, FEALTY_VERSION, &d->admin, &port);
	if (st != ST_OK) {
		fprintf(stderr, "fealtyd: cannot serve HTTP on %s: %s\n", o->admin, st == ST_BUSY ? "the port is in use"
		    : st == ST_INVALID ? "only a loopback address with a port is allowed, as 127.0.0.1:7451 or [::1]:7451; a proxy can serve others"
		    : strerror(errno));
		return false;
	}
	log_event(d->log, LOG_LEVEL_INFO, "admin.listening", "address", o->admin, "port", LOG_N(port), NULL);
	return true;
}

/* LMDB trusts its pages: a damaged one may lead it outside its file.  While we recover, that is a refusal to start and not a crash. */
static void
on_damaged_page(int signal_number)
{
	static const char text[] = "fealtyd: a page of the data directory is damaged: it cannot be read. Run `fealty audit` to learn where, and restore "
	    "the data directory from a backup; if only state/ is damaged, remove it, and it is rebuilt.\n";
	ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)n;
	(void)signal_number;
	_exit(EXIT_STARTED_NOT);
}

static void
guard_pages(void (*handler)(int))
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT };
	struct sigaction action = { .sa_handler = handler };

	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaction(signals[i], &action, NULL);
}

static bool
open_service(struct daemon *d, const struct options *o)
{
	char message[SERVICE_MESSAGE_BYTES];
	struct service_params params = {
		.data_path = o->data, .keys_path = o->keys, .head_lock_path = o->head_lock,
		.witnesses_path = o->witnesses, .manual_clock = o->manual_clock, .sign_threads = o->sign_threads, .snapshot_seconds = o->snapshot_seconds,
		.low_space_bytes = (uint64_t)o->low_space_mib * 1024 * 1024, .clock = clock_system(), .log = d->log, .version = FEALTY_VERSION,
		.recover_key = o->recover_key,
		.on_fatal = on_fatal, .fatal_ctx = d,
	};

	sd_notify(0, "STATUS=Recovering");
	guard_pages(on_damaged_page);
	enum status st = service_open(&params, &d->service, message);
	guard_pages(SIG_DFL);
	if (st == ST_OK)
		return true;
	fprintf(stderr, "fealtyd: %s\n", message);
	log_event(d->log, LOG_LEVEL_ERROR, "daemon.start_refused", "why", message, NULL);
	return false;
}

static bool
open_net(struct daemon *d, const struct options *o)
{
	struct net_limits limits = net_limits_default();
	limits.age_ms = o->connection_age_seconds * 1000;
	struct net_handler handler = service_handler(d->service);

	if (net_new(o->net_threads, &limits, &handler, &d->net) != ST_OK || service_attach(d->service, d->net) != ST_OK) {
		fprintf(stderr, "fealtyd: the network loops could not be started: %s\n", strerror(errno));
		return false;
	}
	if (!listen_all(d, o))
		return false;
	if (net_start(d->net) != ST_OK) {
		fprintf(stderr, "fealtyd: the network threads could not be started: %s\n", strerror(errno));
		return false;
	}
	return true;
}

static bool
open_events(struct daemon *d)
{
	const struct timeval every = { .tv_sec = TICK_SECONDS };

	if (pipe(d->fatal_pipe) != 0)
		return false;
	d->base = event_base_new();
	if (d->base == NULL)
		return false;
	d->tick = event_new(d->base, -1, EV_PERSIST, on_tick, d);
	d->term = evsignal_new(d->base, SIGTERM, on_term, d);
	d->interrupt = evsignal_new(d->base, SIGINT, on_term, d);
	d->hup = evsignal_new(d->base, SIGHUP, on_hup, d);
	d->fatal = event_new(d->base, d->fatal_pipe[0], EV_READ, on_fatal_event, d);
	if (d->tick == NULL || d->term == NULL || d->interrupt == NULL || d->hup == NULL || d->fatal == NULL)
		return false;
	return event_add(d->tick, &every) == 0 && event_add(d->term, NULL) == 0 && event_add(d->interrupt, NULL) == 0
	    && event_add(d->hup, NULL) == 0 && event_add(d->fatal, NULL) == 0;
}

static void
close_events(struct daemon *d)
{
	struct event *events[] = { d->tick, d->term, d->interrupt, d->hup, d->fatal };

	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
		if (events[i] != NULL)
			event_free(events[i]);
	}
	if (d->base != NULL)
		event_base_free(d->base);
}

static int
serve(struct daemon *d, const struct options *o)
{
	log_event(d->log, LOG_LEVEL_INFO, "daemon.ready", "origin", service_origin(d->service), "size", LOG_N(service_size(d->service)),
	    "version", FEALTY_VERSION, NULL);
	admin_attach(d->admin, d->service);
	sd_notify(0, "READY=1\nSTATUS=Ready");
	(void)o;
	event_base_dispatch(d->base);
	sd_notify(0, "STOPPING=1");
	net_stop_accepting(d->net);
	service_drain(d->service);
	net_stop(d->net);
	log_event(d->log, LOG_LEVEL_INFO, "daemon.stopped", "size", LOG_N(service_size(d->service)), NULL);
	return d->failed ? EXIT_FATAL : 0;
}

/* Keys must not reach a core file, and connections need descriptors. */
static void
prepare_process(void)
{
	struct rlimit files;

	prctl(PR_SET_DUMPABLE, 0);
	signal(SIGPIPE, SIG_IGN);
	umask(077);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

int
main(int argc, char **argv)
{
	static const struct argp argp = { option_table, parse_option, NULL, "The loyalty-points ledger daemon.\v"
	    "Exit status: 0 after SIGTERM or SIGINT, 1 when it could not start, 2 for a usage error, 70 when the disk failed.", NULL, NULL, NULL };
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	struct options o = { .net_threads = 2, .sign_threads = processors < 1 ? 1 : processors > 64 ? 64 : (unsigned)processors,
		.snapshot_seconds = 600, .connection_age_seconds = 86400, .low_space_mib = 64, .level = LOG_LEVEL_INFO };
	struct daemon d = { .options = &o, .fatal_pipe = { -1, -1 } };
	int code = EXIT_STARTED_NOT;

	argp_err_exit_status = EXIT_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	prepare_process();
	if (log_open(o.log_path, o.level, &d.log) != ST_OK) {
		fprintf(stderr, "fealtyd: cannot open the log %s: %s\n", o.log_path == NULL ? "" : o.log_path, strerror(errno));
		return EXIT_STARTED_NOT;
	}
	if (!open_events(&d))
		fprintf(stderr, "fealtyd: the event loop could not be started: %s\n", strerror(errno));
	else if (open_admin(&d, &o) && open_service(&d, &o) && open_net(&d, &o))
		code = serve(&d, &o);
	if (d.net != NULL && code == EXIT_STARTED_NOT)
		net_stop_accepting(d.net);
	admin_detach(d.admin);
	service_close(d.service);
	net_free(d.net);
	admin_close(d.admin);
	close_events(&d);
	log_close(d.log);
	return code;
}
