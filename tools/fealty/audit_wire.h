/** audit_wire.h: a ledger as a daemon sends it, to `fealty audit` and `fealty rollforward`. */
#ifndef FEALTY_TOOLS_AUDIT_WIRE_H
#define FEALTY_TOOLS_AUDIT_WIRE_H

#include "audit.h"
#include "call.h"

/**
 * audit_wire_head(call, client, size, ret_head, ret_found):
 * The public checkpoint of ${size} transactions, or with 0 the newest; *${ret_found} is false when there is none, and *${ret_head} untouched.
 * Nothing of it is verified but that it is a checkpoint.  EXIT_DONE, or it was told why there is no answer.
 */
enum exit_code audit_wire_head(const struct call_options *call, struct fealty_client *client, uint64_t size, struct log_head *ret_head,
    bool *ret_found) MUST_CHECK;

/**
 * audit_wire(audit, call, client, ret_code):
 * All transactions up to the head, or to audit->until, through audit_chunk(); that none of audit->extra is of more than came; and the checkpoint of
 * the last audit.  *${ret_code} is not EXIT_DONE when there was no answer, which was told then.
 */
enum status audit_wire(struct audit *audit, const struct call_options *call, struct fealty_client *client, enum exit_code *ret_code) MUST_CHECK;

#endif
