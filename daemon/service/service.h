/**
 * service.h: the ledger as a service: opening it, answering connections, and ending it.
 *
 *   service_open()  checks keys, ledger, vault and published head, brings state up to the ledger, and starts the commit thread
 *   service_handler() is what net/ calls for its connections
 *   service_drain() answers what was accepted; then net_stop(); then service_close()
 */
#ifndef FEALTY_SERVICE_SERVICE_H
#define FEALTY_SERVICE_SERVICE_H

#include "base/clock.h"
#include "base/log.h"
#include "net/net.h"
#include "service/limits.h"

struct service;

struct service_params {
	const char *data_path, *keys_path, *head_lock_path;
	const char *credentials_path;		/* of the service manager; NULL: none */
	bool manual_clock;		/* must be what the genesis says */
	const char *recover_key;	/* "transaction:lost", "checkpoint:compromised", …: replaces that key by the next one first; NULL: none */
	unsigned sign_threads;
	unsigned snapshot_seconds;	/* between two snapshots of state, when it changed; 0: never */
	const char *witnesses_path;	/* a policy file (witness.h); NULL: no witness is asked */
	unsigned scrub_mib_per_second;		/* that the scrub reads of the disk; 0: never */
	unsigned epoch_hours;		/* of one epoch of the vault; 0: it turns only when asked */
	unsigned erasure_days;		/* that the key of an epoch outlives it: the age of the oldest backup */
	uint64_t low_space_bytes;	/* writes are refused below it; 0: the store's default */
	const struct limits *limits;	/* NULL: the defaults of limits.h; copied */
	const char *access_path;	/* an access file (codec/access.h); NULL: a backend may act for every program */
	struct clock clock;
	struct log *log;		/* borrowed; may be NULL */
	const char *version;		/* for HELLO_OK */
	void (*on_fatal)(void *ctx);	/* from the commit thread: the disk failed, nothing more will be committed; end the process */
	void *fatal_ctx;
};

/**
 * service_open(params, ret_service, ret_message):
 * On failure ${ret_message} (at least SERVICE_MESSAGE_BYTES) says in a sentence what is wrong and what to do.  Blocks: recovery may take as
 * long as the ledger needs to be replayed; the log shows progress.
 * Errors: ST_BUSY; ST_FORMAT: another format, origin, clock or keys; ST_FORK; ST_CORRUPT: a transaction or its signature is broken;
 * ST_NOTFOUND; ST_IO; ST_NOMEM; ST_FULL; ST_INVALID: the policy of witnesses, or the access file.
 */
#define SERVICE_MESSAGE_BYTES 512
enum status service_open(const struct service_params *params, struct service **ret_service, char *ret_message) MUST_CHECK;

/* Handlers for net_new(); then service_attach() before net_start(). ${net} is borrowed until service_close(). */
struct net_handler service_handler(struct service *service);
enum status service_attach(struct service *service, struct net *net) MUST_CHECK;

/* Reads the access file anew, for all who are connected, too.  A bad one changes nothing, and the log says what is wrong.  Main thread. */
void service_reload_access(struct service *service);

/* Once a second or so, from the main thread: publishes the head in head.lock, and starts snapshots.  ST_IO is logged, not returned. */
void service_tick(struct service *service);

/* Tells every connection that the server goes, refuses new commands, and returns when all that were accepted are durable and answered. */
void service_drain(struct service *service);

/* After net_stop().  Marks state clean when nothing failed.  Accepts NULL. */
void service_close(struct service *service);

const char *service_origin(const struct service *service);
uint64_t service_size(const struct service *service);	/* transactions that are durable */

#endif
