/**
 * log_head.h: a head of a log: a checkpoint (C2SP tlog-checkpoint) as a signed note, read and verified by the log's key.
 */
#ifndef FEALTY_TOOLS_LOG_HEAD_H
#define FEALTY_TOOLS_LOG_HEAD_H

#include "apply/apply.h"
#include "merkle/checkpoint.h"
#include "merkle/note.h"

#define LOG_ORIGIN_BYTES_MAX 255

struct log_head {
	uint64_t size;				/* transactions; above 0 once it was read */
	uint8_t root[SHA256_BYTES];
	size_t note_bytes;
	uint8_t note[LOG_NOTE_BYTES_MAX];	/* the checkpoint as it is signed */
};

enum log_head_result {
	LOG_HEAD_OK,
	LOG_HEAD_NOT_A_CHECKPOINT,
	LOG_HEAD_OTHER_ORIGIN,
	LOG_HEAD_NOT_SIGNED,		/* not by the log's key */
	LOG_HEAD_FORGED,		/* a line has the key's name and id, and its signature does not hold */
};

/**
 * log_head_read(note, ret_head, ret_why): whether ${note} is a checkpoint of 1 to 2^64 - 2 transactions; else *${ret_why} says why not, in
 * static words, and *${ret_head} is untouched.  Nothing is verified.
 * log_head_verify(head, key): whether the log with this key, whose name is its origin, signed it.
 */
bool log_head_read(struct bytes note, struct log_head *ret_head, const char **ret_why) MUST_CHECK;
enum log_head_result log_head_verify(const struct log_head *head, const struct note_key *key) MUST_CHECK;

struct bytes log_head_note(const struct log_head *head);	/* borrowed */

#endif
