/* scan.h: looks into protobuf bytes without unpacking them.  Pure. */
#ifndef FEALTY_CLIENT_SCAN_H
#define FEALTY_CLIENT_SCAN_H

#include "base/bytes.h"

/* The seq inside a SignedTransaction; false when the bytes are none. */
bool scan_transaction_seq(struct bytes signed_transaction, uint64_t *ret_seq) MUST_CHECK;

#endif
