/**
 * log_read.h: the public log, for whoever shows it: the checkpoint, tiles and bundles of entries, by C2SP tlog-tiles.  Nothing that the
 * newest public checkpoint (the one that head.lock has) does not cover is ever shown.
 */
#ifndef FEALTY_SERVICE_LOG_READ_H
#define FEALTY_SERVICE_LOG_READ_H

#include "base/bytes.h"

struct service;

enum log_read {
	LOG_READ_OK,
	LOG_READ_NOTHING,	/* the path names no tile, or one that the public log does not have, or not yet */
	LOG_READ_NOT_NOW,	/* ask again: there is no room, or the hashes are behind the entries, as after a full disk */
	LOG_READ_FAILED,	/* the disk */
};

/**
 * Each appends to ${out}, which is untouched unless the answer is LOG_READ_OK.  Any thread, between service_open() and service_close();
 * they read in a transaction of their own, and wait for nobody but the disk.
 *
 * service_log_checkpoint(): the signed note of the checkpoint that is served: the newest public one, or, with a policy of witnesses, the
 * newest public one that its quorum has cosigned (witness.h says which before there is one).  Its cosignatures follow the log's signatures.
 *
 * service_log_tile(service, path, bytes_max, out): the tile or bundle of "<L>/<N>[.p/<W>]" or "entries/<N>[.p/<W>]".  LOG_READ_NOT_NOW, too,
 * when it has more than ${bytes_max}; no bundle has more than LOG_BUNDLE_BYTES_MAX.
 */
#define LOG_BUNDLE_BYTES_MAX ((size_t)256 * (2 + 65535))
enum log_read service_log_checkpoint(struct service *service, struct buf *out) MUST_CHECK;
enum log_read service_log_tile(struct service *service, const char *path, size_t bytes_max, struct buf *out) MUST_CHECK;

#endif
