/* fealtyd: wiring only.  Signals, and the order in which parts begin and end. */
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
#include "config/options.h"
#include "sandbox/sandbox.h"
#include "service/service.h"
#include "tls/tls.h"

#define TICK_SECONDS 1
#define FILTER_SECONDS_MAX 5		/* making it takes some milliseconds */

enum { EXIT_STARTED_NOT = 1, EXIT_FATAL = 70 };

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
	service_reload_access(d->service);
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
guard_signals(void (*handler)(int))
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
		.data_path = o->data, .keys_path = o->keys, .credentials_path = getenv("CREDENTIALS_DIRECTORY"), .head_lock_path = o->head_lock,
		.witnesses_path = o->witnesses, .manual_clock = o->manual_clock, .sign_threads = o->sign_threads, .snapshot_seconds = o->snapshot_seconds,
		.low_space_bytes = (uint64_t)o->low_space_mib * 1024 * 1024, .clock = clock_system(), .log = d->log, .version = FEALTY_VERSION,
		.recover_key = o->recover_key, .limits = &o->limits, .access_path = o->access,
		.scrub_mib_per_second = o->scrub_mib_per_second, .epoch_hours = o->epoch_hours, .erasure_days = o->erasure_days,
		.on_fatal = on_fatal, .fatal_ctx = d,
	};

	sd_notify(0, "STATUS=Recovering");
	guard_signals(on_damaged_page);
	enum status st = service_open(&params, &d->service, message);
	guard_signals(SIG_DFL);
	if (st == ST_OK)
		return true;
	fprintf(stderr, "fealtyd: %s\n", message);
	log_event(d->log, LOG_LEVEL_ERROR, "daemon.start_refused", "why", message, NULL);
	return false;
}

/* libseccomp 2.5 does not look whether it was given memory: without any it crashes, or goes round for ever. */
static void
on_filter_lost(int signal_number)
{
	static const char text[] = "fealtyd: the filter of system calls could not be made, most likely for want of memory. Start it again when there is some.\n";
	ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)n;
	(void)signal_number;
	_exit(EXIT_STARTED_NOT);
}

static enum status
enter_sandbox_guarded(enum sandbox_reach reach)
{
	guard_signals(on_filter_lost);
	(void)signal(SIGALRM, on_filter_lost);
	(void)alarm(FILTER_SECONDS_MAX);
	enum status st = sandbox_enter(reach);
	guard_signals(SIG_DFL);
	(void)signal(SIGALRM, SIG_IGN);		/* behind the filter the alarm cannot be taken back */
	return st;
}

/* When every door is open and nobody has come in. */
static bool
enter_sandbox(struct daemon *d, const struct options *o)
{
	if (enter_sandbox_guarded(o->witnesses != NULL ? SANDBOX_ASKS : SANDBOX_SERVES) != ST_OK) {
		fprintf(stderr, "fealtyd: the filter of system calls could not be installed: %s. The kernel must have CONFIG_SECCOMP_FILTER, and what starts "
		    "fealtyd must allow it; a build with -Dseccomp=false does without.\n", strerror(errno));
		return false;
	}
	if (!sandbox_filters())
		log_event(d->log, LOG_LEVEL_WARNING, "sandbox.not_built", "remedy", "for a daemon that faces others, build with -Dseccomp=true and "
		    "without a sanitizer", NULL);
	return true;
}

static bool
open_net(struct daemon *d, const struct options *o)
{
	struct net_limits limits = net_limits_default();
	limits.age_ms = o->connection_age_seconds * 1000;
	struct net_handler handler = service_handler(d->service);

	limits.connections_max = o->limits.of[LIMIT_CONNECTIONS];
	limits.address_connections_max = o->limits.of[LIMIT_ADDRESS_CONNECTIONS];

	if (net_new(o->net_threads, &limits, &handler, &d->net) != ST_OK || service_attach(d->service, d->net) != ST_OK) {
		fprintf(stderr, "fealtyd: the network loops could not be started: %s\n", strerror(errno));
		return false;
	}
	if (!listen_all(d, o) || !enter_sandbox(d, o))
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

/* Before a key is read: no core file, and no other process of our user sees our memory or environment. */
static bool
hide_process(void)
{
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0) == 0)
		return true;
	fprintf(stderr, "fealtyd: the process cannot be kept out of core files: %s\n", strerror(errno));
	return false;
}

/* Connections need descriptors. */
static void
prepare_process(void)
{
	struct rlimit files;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);		/* a file that may not grow shows as a failed write, as on a full disk */
	umask(077);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

static void
tell_file_limit(const struct daemon *d)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		log_event(d->log, LOG_LEVEL_WARNING, "files.limited", "bytes", LOG_N(limit.rlim_cur), "remedy", "writes are refused when a file of the ledger has "
		    "less than --low-space-mib left to it; raise it: LimitFSIZE=, ulimit -f, or prlimit --fsize while it runs", NULL);
}

int
main(int argc, char **argv)
{
	struct options o;
	struct daemon d = { .options = &o, .fatal_pipe = { -1, -1 } };
	int code = EXIT_STARTED_NOT;

	options_parse(argc, argv, &o);
	if (!hide_process())
		return EXIT_STARTED_NOT;
	prepare_process();
	if (log_open(o.log_path, o.level, &d.log) != ST_OK) {
		fprintf(stderr, "fealtyd: cannot open the log %s: %s\n", o.log_path == NULL ? "" : o.log_path, strerror(errno));
		return EXIT_STARTED_NOT;
	}
	tell_file_limit(&d);
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
