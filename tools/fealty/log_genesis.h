/** log_genesis.h: whose a log is, from its first transaction. */
#ifndef FEALTY_TOOLS_LOG_GENESIS_H
#define FEALTY_TOOLS_LOG_GENESIS_H

#include "log_head.h"
#include "signer/signer.h"

struct log_genesis {
	char origin[LOG_ORIGIN_BYTES_MAX + 1];
	uint8_t transaction_key[PUBLIC_KEY_BYTES];	/* its first */
};

/**
 * log_genesis_read(leaf, ret_genesis):
 * Transaction 0 as it is stored; its signature is verified by the key that it names itself, which finds damage and not forgery.
 * ST_CORRUPT: it is no genesis, or its signature does not hold; ST_NOMEM.
 */
enum status log_genesis_read(struct bytes leaf, struct log_genesis *ret_genesis) MUST_CHECK;

#endif
