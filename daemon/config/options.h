/* options.h: what fealtyd was asked for on its command line. */
#ifndef FEALTY_CONFIG_OPTIONS_H
#define FEALTY_CONFIG_OPTIONS_H

#include "base/log.h"
#include "service/limits.h"
#include "tls/tls.h"

#define LISTEN_MAX 8

/* Strings are the command line's, or in the struct itself; NULL: not said. */
struct options {
	const char *data, *keys, *head_lock, *socket, *admin, *witnesses, *access, *log_path, *recover_key;
	struct limits limits;
	const char *listen[LISTEN_MAX];
	unsigned n_listen, net_threads, sign_threads, snapshot_seconds, connection_age_seconds, epoch_hours, erasure_days,
	    scrub_mib_per_second;
	unsigned long low_space_mib;
	struct tls_files tls;			/* cert NULL: without */
	bool insecure_loopback, manual_clock;
	enum log_level level;
	char keys_default[4096], head_lock_default[4096];
};

/**
 * options_parse(argc, argv, ret):
 * Ends the process with 2 when the words make no sense, and with 0 after --help and --version.
 */
void options_parse(int argc, char **argv, struct options *ret);

#endif
