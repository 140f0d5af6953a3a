/**
 * admin.h: fealtyd's HTTP door, for probes, metrics and the public log by C2SP tlog-tiles: /healthz, /readyz, /metrics, /checkpoint,
 * /tile/….  GET and HEAD only, on loopback addresses only, one request a connection, and bounded: 8 KiB of request line and headers,
 * 64 connections (more wait to be accepted), 10 s from connect to the last byte, 64 MiB of answers on their way (beyond that a 503). It
 * has a thread of its own, so that whoever reads slowly delays nobody else; what it asks of the service takes no lock that commands
 * wait for.
 *
 *   admin_open()    listens; /healthz answers, /readyz says "starting"
 *   admin_attach()  the service is open: /readyz says whether writes are accepted, /metrics has all
 *   admin_detach()  before service_close(): /readyz says "stopping"
 *   admin_close()
 */
#ifndef FEALTY_ADMIN_ADMIN_H
#define FEALTY_ADMIN_ADMIN_H

#include <stdint.h>

#include "base/status.h"

struct admin;
struct service;

/**
 * admin_open(address, version, ret_admin, ret_port):
 * Listens on "127.0.0.1:7451" or "[::1]:7451", port 0 for any, and starts the thread.  ${version} is borrowed, for metrics.
 * Errors: ST_INVALID when it is no loopback address with a port; ST_BUSY when the port is in use; ST_NOMEM; ST_IO with errno.
 */
enum status admin_open(const char *address, const char *version, struct admin **ret_admin, uint16_t *ret_port) MUST_CHECK;

/* These three accept NULL: there is no such door. */
void admin_attach(struct admin *admin, struct service *service);	/* borrowed until admin_detach() */
void admin_detach(struct admin *admin);					/* returns when nobody looks at the service any more */
void admin_close(struct admin *admin);					/* connections end at once */

#endif
