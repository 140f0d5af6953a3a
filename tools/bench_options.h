/* bench_options.h: what fealty-bench was asked for. */
#ifndef FEALTY_BENCH_OPTIONS_H
#define FEALTY_BENCH_OPTIONS_H

#include <stdbool.h>

#include "tls/tls.h"

enum mix { MIX_PURCHASE, MIX_BALANCE };

struct settings {
	bool core;				/* the core alone, without a daemon */
	const char *address, *principal, *program, *prefix, *disk;
	unsigned connections, depth, batch, threads;
	unsigned long members, requests;	/* requests 0: for ${seconds} */
	double seconds, flush_seconds;		/* of one fdatasync on ${disk}; 0: not asked for */
	enum mix mix;
	struct tls_files tls;			/* ca NULL: no TLS */
	const char *tls_server_name;		/* NULL: the host of the address */
	bool json, receipt;			/* receipt: every purchase wants one */
};

/* Reads the command line; wrong usage ends the process with 2. */
void options_parse(int argc, char **argv, struct settings *ret);

#endif
