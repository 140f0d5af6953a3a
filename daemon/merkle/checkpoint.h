/**
 * checkpoint.h: the text of a checkpoint, by C2SP tlog-checkpoint: three lines, origin, tree size and root hash in base64, and extension
 * lines, if any.  The note around it is note.h's.  Pure, no allocation.
 */
#ifndef FEALTY_MERKLE_CHECKPOINT_H
#define FEALTY_MERKLE_CHECKPOINT_H

#include "merkle/lines.h"

struct checkpoint {
	struct bytes origin;		/* borrowed; not empty, no newline; "clients must not assume" any other form of it */
	uint64_t size;			/* leaves */
	uint8_t root[SHA256_BYTES];
	struct bytes extensions;	/* borrowed; lines that are not empty, each with its newline; usually none */
};

enum checkpoint_result {
	CHECKPOINT_OK,
	CHECKPOINT_BAD_ORIGIN,		/* missing or empty */
	CHECKPOINT_BAD_SIZE,		/* not a decimal without leading zeros below 2^64 */
	CHECKPOINT_BAD_ROOT,		/* not the base64 of 32 bytes */
	CHECKPOINT_EMPTY_EXTENSION,
	CHECKPOINT_UNFINISHED,		/* the last line has no newline */
};
const char *checkpoint_result_str(enum checkpoint_result result);

/* ${text} is the text of a note (note.h): *${ret_checkpoint} borrows from it, and is untouched on failure. */
enum checkpoint_result checkpoint_parse(struct bytes text, struct checkpoint *ret_checkpoint) MUST_CHECK;

/* An origin of the form above is asserted. */
void checkpoint_print(struct writer *w, const struct checkpoint *checkpoint);

#endif
