/**
 * witness.h: the log's witnesses, by a policy file of C2SP tlog-policy: witness_policy.c (who they are), witness.c (asking them, by C2SP
 * tlog-witness, on a thread of its own) and cosignature.c (storing what they answer, on the commit thread).
 *
 * Every public checkpoint, and no other, is sent to all witnesses that have a URL, each at its own pace: at most once a second, and one that
 * fails after a pause that doubles up to 256 s, or that it asks for.  What they answer is verified before it is stored.
 *
 * Which checkpoint is served then (service/log_read.h): the newest public one that the quorum has cosigned, since no other is of use to
 * whoever has the policy; as long as there is none, the newest public one.  Its size never falls while the process lives: when the first
 * quorum is met for an older one than is served already, that one stays until a quorum reaches it.
 */
#ifndef FEALTY_SERVICE_WITNESS_H
#define FEALTY_SERVICE_WITNESS_H

#include "merkle/policy.h"
#include "service/internal.h"

#define WITNESSES_MAX 32			/* that can be asked */
#define WITNESS_NAME_BYTES 65			/* in the policy, with its NUL */
#define WITNESS_KEY_NAME_BYTES_MAX 255
#define COSIGNATURE_LINE_MAX 400		/* with the longest key name */

/* ---- policy ---- */

/* A policy that suits this log; its text is kept for what it borrows. */
struct witness_policy {
	uint8_t *text;
	struct policy policy;
	bool lacks_newest_key;			/* it has logs, this one only by keys that were replaced */
};

/**
 * witness_policy_read(path, origin, keys, ret_policy, ret_message):
 * If the policy has logs, one must be ${origin} with a checkpoint key that it has or had.  The witnesses with a URL must be able to meet the
 * quorum.  The caller ends it with witness_policy_release().  On failure ${ret_message} (SERVICE_MESSAGE_BYTES) is a sentence.
 * Errors: ST_INVALID; ST_IO; ST_NOMEM.
 */
enum status witness_policy_read(const char *path, struct bytes origin, const struct key_history *keys, struct witness_policy *ret_policy,
    char *ret_message) MUST_CHECK;
void witness_policy_release(struct witness_policy *policy);

/* SHA-256(name ‖ 0x0A ‖ type ‖ public key), whose first four bytes are the key id. */
void witness_key_hash(const struct note_key *key, uint8_t ret_hash[static SHA256_BYTES]);

/* ---- asking ---- */

struct witnesses;

/* Reads ${params.witnesses_path}.  Errors as witness_policy_read(). */
enum status witnesses_new(struct service *service, struct witnesses **ret_witnesses, char *ret_message) MUST_CHECK;
enum status witnesses_start(struct witnesses *witnesses) MUST_CHECK;
void witnesses_stop(struct witnesses *witnesses);	/* at once, whatever is under way; accepts NULL */
void witnesses_free(struct witnesses *witnesses);	/* accepts NULL */
void witnesses_wake(struct witnesses *witnesses);	/* any thread: another checkpoint is public */
void witnesses_figures(const struct witnesses *witnesses, struct figures *ret);

/* ---- storing ---- */

struct cosignature {
	uint64_t size;
	int member;				/* of the policy */
	uint8_t key_hash[SHA256_BYTES];
	size_t len;
	uint8_t line[COSIGNATURE_LINE_MAX];	/* as it stands in a note, with its newline */
};

/* The witnesses' thread hands verified cosignatures over; false: there is no room, or the service ends. */
bool commit_cosign(struct commit *commit, const struct cosignature *list, size_t n) MUST_CHECK;
/* Called by the commit thread when they are durable, or dropped for want of space. */
void witnesses_settled(struct witnesses *witnesses, const struct cosignature *list, size_t n, bool stored);

#endif
