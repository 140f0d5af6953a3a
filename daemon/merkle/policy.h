/**
 * policy.h: which checkpoints to trust, by C2SP tlog-policy: logs, witnesses, groups of witnesses and a quorum.  Pure, no allocation: a
 * parsed policy borrows from the text of its file.
 *
 *     log <vkey> [<url>]
 *     witness <name> <vkey> [<url>]
 *     group <name> all|any|<k> <name>...
 *     quorum <name>|none
 *
 * A checkpoint is accepted when one of the logs has signed it, whose key name is the checkpoint's origin, and the quorum has witnessed it:
 * a witness by its cosignature, a group by k of its members.
 */
#ifndef FEALTY_MERKLE_POLICY_H
#define FEALTY_MERKLE_POLICY_H

#include "merkle/note.h"

/* The specification asks for 32 logs, 32 witnesses and 32 groups at least. */
#define POLICY_LOGS_MAX 64
#define POLICY_MEMBERS_MAX 128		/* witnesses and groups together */
#define POLICY_NOBODY (-1)

struct policy_log {
	struct note_key key;		/* NOTE_ED25519; its name is the log's origin */
	struct bytes url;		/* empty: none given */
};

/* A witness or a group, in the order of their lines: members come before their group. */
struct policy_member {
	struct bytes name;		/* in the policy only */
	unsigned threshold;		/* of a group, k; of a witness, 0 */
	unsigned n_members;		/* of a group */
	int group;			/* the group that it is a member of, at most one, or POLICY_NOBODY */
	struct note_key key;		/* of a witness: NOTE_COSIGNATURE */
	struct bytes url;		/* of a witness; empty: none given */
};

struct policy {
	size_t n_logs, n_members;
	struct policy_log log[POLICY_LOGS_MAX];
	struct policy_member member[POLICY_MEMBERS_MAX];
	int quorum;			/* a member, or POLICY_NOBODY: "none" */
};

enum policy_result {
	POLICY_OK,
	POLICY_BAD_OCTET,		/* a control character other than tab and newline */
	POLICY_UNFINISHED,		/* the last line has no newline */
	POLICY_UNKNOWN_KEYWORD,
	POLICY_BAD_FORM,		/* too few or too many items for the line's keyword; comments have lines of their own */
	POLICY_BAD_KEY,			/* enum note_key_result says why */
	POLICY_WRONG_KEY_TYPE,		/* a log's key is not of type 1, or a witness's not of type 4 */
	POLICY_KEY_TWICE,		/* two logs, or two witnesses, with one public key, under whatever names */
	POLICY_NAME_TWICE,
	POLICY_NAME_RESERVED,		/* "none" */
	POLICY_NAME_UNKNOWN,		/* no witness or group on an earlier line has it */
	POLICY_BAD_THRESHOLD,		/* not "all", "any" or a decimal from 1 to the number of members */
	POLICY_MEMBER_TWICE,		/* a name can be a member once, in one group */
	POLICY_QUORUM_TWICE,
	POLICY_NO_QUORUM,
	POLICY_TOO_MANY,		/* beyond the limits above */
};
const char *policy_result_str(enum policy_result result);

/* What is wrong with a policy, and in which line, from 1; the line after the last for POLICY_NO_QUORUM. */
struct policy_fault {
	enum policy_result result;
	enum note_key_result key;	/* of POLICY_BAD_KEY */
	size_t line;
};

/* The result, which *${ret_fault} has too.  On failure *${ret_policy} is undefined. */
enum policy_result policy_parse(struct bytes text, struct policy *ret_policy, struct policy_fault *ret_fault) MUST_CHECK;

/* Whether these members (of whom only witnesses are looked at) are a quorum. */
bool policy_quorum_met(const struct policy *policy, const bool witnessed[static POLICY_MEMBERS_MAX]);

enum policy_answer {
	POLICY_ACCEPTED,
	POLICY_ORIGIN_UNKNOWN,		/* no log of the policy has this origin; of a policy without logs, always */
	POLICY_LOG_UNSIGNED,		/* none of the origin's logs has signed */
	POLICY_FORGED,			/* a line with the name and id of a known key does not hold: the note is to be rejected */
	POLICY_QUORUM_MISSED,
};
const char *policy_answer_str(enum policy_answer answer);

struct policy_verdict {
	enum policy_answer answer;
	size_t log;				/* that signed, when the answer is POLICY_ACCEPTED or POLICY_QUORUM_MISSED */
	struct bytes forged_name;		/* whose signature does not hold, when the answer is POLICY_FORGED; borrowed from the policy */
	bool witnessed[POLICY_MEMBERS_MAX];	/* the witnesses whose cosignatures hold */
	size_t n_witnessed;
};

/**
 * policy_check(policy, note, origin, verify, ctx, ret_verdict):
 * Judges a note whose text is a checkpoint of ${origin} (checkpoint.h).  Every line of a key of the policy is verified, lines of unknown
 * keys are ignored, and the times of cosignatures are not judged.  Fails only as verify() does, with *${ret_verdict} undefined.
 *
 * policy_check_witnesses(): the same for a caller that has verified the log's signature by itself: logs of the policy are not looked at.
 */
enum status policy_check(const struct policy *policy, const struct note *note, struct bytes origin, note_verify_fn *verify, void *ctx,
    struct policy_verdict *ret_verdict) MUST_CHECK;
enum status policy_check_witnesses(const struct policy *policy, const struct note *note, note_verify_fn *verify, void *ctx,
    struct policy_verdict *ret_verdict) MUST_CHECK;

#endif
