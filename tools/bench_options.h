/* bench_options.h: what fealty-bench was asked for. */
#ifndef FEALTY_BENCH_OPTIONS_H
#define FEALTY_BENCH_OPTIONS_H

#include <stdbool.h>

#include "bench_mix.h"
#include "tls/tls.h"

struct settings {
	bool core;				/* the core alone, without a daemon */
	const char *address, *admin, *principal, *program, *prefix, *disk, *redeem_points;
	unsigned connections, depth, batch, threads;
	unsigned principals;			/* 0: ${principal} itself */
	unsigned long members, requests;	/* requests 0: for ${seconds} */
	unsigned long backlog;			/* frames that may wait in an open loop */
	double seconds, warmup_seconds, flush_seconds;	/* flush: of one fdatasync on ${disk}; 0: not asked for */
	double rate;				/* commands a second; 0: a closed loop */
	double zipf;				/* 0: all members alike */
	struct mix mix;
	struct tls_files tls;			/* ca NULL: no TLS */
	const char *tls_server_name;		/* NULL: the host of the address */
	bool json, receipt, enrol;		/* receipt: every purchase wants one */
};

/* Reads the command line; wrong usage ends the process with 2. */
void options_parse(int argc, char **argv, struct settings *ret);

#endif
