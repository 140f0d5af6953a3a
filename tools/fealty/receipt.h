/**
 * receipt.h: receipts, read and checked: a C2SP tlog-proof with a SignedTransaction as its extra data.
 */
#ifndef FEALTY_TOOLS_RECEIPT_H
#define FEALTY_TOOLS_RECEIPT_H

#include "cli.h"
#include "codec/codec.h"
#include "merkle/tlogproof.h"

#define RECEIPT_BYTES_MAX ((size_t)1024 * 1024)	/* the largest leaf in base64 has 80 000, the lines of many witnesses come on top */

struct receipt {
	struct tlogproof proof;
	struct checkpoint checkpoint;
	struct bytes leaf;
	struct signed_transaction sign;
	struct transaction transaction;
	struct arena arena;
};

struct receipt_fault {
	bool malformed;			/* it cannot be read; otherwise its parts do not fit together */
	size_t line;			/* from 1; 0: no line in particular */
	const char *why;
};

/**
 * receipt_read(text, ret_receipt, ret_fault):
 * False: it is none, and *${ret_fault} says why.  Otherwise *${ret_receipt} borrows from ${text}, and receipt_release() ends it.  Nothing
 * is verified but that the proof leads to the checkpoint that it brings along, and that both are about this transaction.
 */
bool receipt_read(struct bytes text, struct receipt *ret_receipt, struct receipt_fault *ret_fault) MUST_CHECK;
void receipt_release(struct receipt *receipt);

#endif
