/*
 * Whether the server's log goes on from the one that was seen.  A smaller log, or one that the seen head is not the beginning of, is the
 * server's fault for certain, since it signed both; that it does not answer is nobody's.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "merkle/checkpoint.h"
#include "merkle/note.h"
#include "merkle/proof.h"
#include "signer/verify.h"

/* A note, taken apart; all of it borrows from the note's text. */
struct head {
	struct note note;
	struct checkpoint checkpoint;
};

static bool
head_parse(const char *text, struct head *ret)
{
	return note_parse(bytes_of(text, strlen(text)), &ret->note) == NOTE_OK &&
	    checkpoint_parse(ret->note.text, &ret->checkpoint) == CHECKPOINT_OK;
}

/* ---- what the server says ---- */

static enum fealty_log_answer
answer(struct fealty_log_check *check, enum fealty_log_answer answer, const char *sentence)
{
	if (sentence != NULL)
		say(check->message, "%s", sentence);
	return answer;
}

/* The response, or NULL: then check->answer is of no answer. */
static const Fealty__V1__Response *
ask(struct fealty_client *c, const Fealty__V1__Request *request, struct fealty_result *ret_result, struct fealty_log_check *check)
{
	if (fealty_call(c, request, ret_result) == FEALTY_OK)
		return ret_result->response;
	(void)answer(check, FEALTY_LOG_NO_ANSWER, ret_result->message[0] != '\0' ? ret_result->message : fealty_error_str(ret_result->error));
	return NULL;
}

static enum fealty_log_answer
fetch_note(struct fealty_client *c, uint32_t deadline_ms, struct fealty_log_check *check)
{
	Fealty__V1__Request request = FEALTY__V1__REQUEST__INIT;
	Fealty__V1__CheckpointGet body = FEALTY__V1__CHECKPOINT_GET__INIT;
	struct fealty_result result;

	request.op_case = FEALTY__V1__REQUEST__OP_CHECKPOINT;
	request.checkpoint = &body;
	request.has_deadline_ms = deadline_ms > 0;
	request.deadline_ms = deadline_ms;
	const Fealty__V1__Response *r = ask(c, &request, &result, check);
	if (r != NULL)
		check->note = strdup(r->note != NULL ? r->note : "");
	fealty_result_release(&result);
	if (r == NULL)
		return FEALTY_LOG_NO_ANSWER;
	return check->note != NULL ? FEALTY_LOG_HOLDS : answer(check, FEALTY_LOG_NO_ANSWER, fealty_error_str(FEALTY_ERROR_NOMEM));
}

static bool
proof_take(const Fealty__V1__Response *r, struct proof *ret_proof)
{
	if (r->n_hashes > PROOF_HASHES_MAX)
		return false;
	ret_proof->n_hashes = r->n_hashes;
	for (size_t i = 0; i < r->n_hashes; i++) {
		if (r->hashes[i].len != SHA256_BYTES)
			return false;
		memcpy(ret_proof->hash[i], r->hashes[i].data, SHA256_BYTES);
	}
	return true;
}

static enum fealty_log_answer
check_growth(struct fealty_client *c, uint32_t deadline_ms, const struct checkpoint *seen, const struct checkpoint *now,
    struct fealty_log_check *check)
{
	Fealty__V1__Request request = FEALTY__V1__REQUEST__INIT;
	Fealty__V1__ProofGet body = FEALTY__V1__PROOF_GET__INIT;
	struct fealty_result result;
	struct proof proof;

	request.op_case = FEALTY__V1__REQUEST__OP_PROOF;
	request.proof = &body;
	request.has_deadline_ms = deadline_ms > 0;
	request.deadline_ms = deadline_ms;
	body.has_from = body.has_to = true;
	body.from = seen->size;
	body.to = now->size;
	const Fealty__V1__Response *r = ask(c, &request, &result, check);
	bool holds = r != NULL && proof_take(r, &proof) &&
	    proof_check_consistency(&proof, seen->size, seen->root, now->size, now->root) == PROOF_OK;
	bool answered = r != NULL;
	fealty_result_release(&result);
	if (holds)
		return FEALTY_LOG_HOLDS;
	if (!answered)
		return FEALTY_LOG_NO_ANSWER;
	say(check->message, "the log of %" PRIu64 " transactions that was seen is not the beginning of the server's, of %" PRIu64, seen->size,
	    now->size);
	return FEALTY_LOG_FORKED;
}

static enum fealty_log_answer
compare(struct fealty_client *c, uint32_t deadline_ms, const struct checkpoint *seen, const struct checkpoint *now,
    struct fealty_log_check *check)
{
	if (!bytes_equal(seen->origin, now->origin)) {
		say(check->message, "the server has the log '%.*s', and '%.*s' was seen", (int)now->origin.len, (const char *)now->origin.data,
		    (int)seen->origin.len, (const char *)seen->origin.data);
		return FEALTY_LOG_NOT_SIGNED;
	}
	if (now->size < seen->size) {
		say(check->message, "the server's log has %" PRIu64 " transactions, and %" PRIu64 " were seen: an old copy was restored",
		    now->size, seen->size);
		return FEALTY_LOG_ROLLED_BACK;
	}
	return check_growth(c, deadline_ms, seen, now, check);
}

/* Of keys with the log's name, the one that has signed it in place of ${key}; 0: there is none. */
static uint32_t
other_signer(const struct head *head, const struct note_key *key)
{
	for (size_t i = 0; i < head->note.n_signatures; i++)
		if (bytes_equal(head->note.signature[i].name, key->name) && head->note.signature[i].key_id != key->id)
			return head->note.signature[i].key_id;
	return 0;
}

/* HOLDS, or why it is not to be believed: a key that was rotated is told from a log that is another. */
static enum fealty_log_answer
judge_signature(const struct head *head, const struct note_key *key, struct fealty_log_check *check)
{
	struct bytes origin = head->checkpoint.origin;
	enum note_signed is_signed;
	uint32_t other = other_signer(head, key);

	if (note_verify(&head->note, key, verify_parts, NULL, &is_signed) != ST_OK)
		return answer(check, FEALTY_LOG_NO_ANSWER, fealty_error_str(FEALTY_ERROR_NOMEM));
	if (bytes_equal(origin, key->name) && is_signed == NOTE_SIGNED)
		return FEALTY_LOG_HOLDS;
	if (!bytes_equal(origin, key->name))
		say(check->message, "the server has the log '%.*s', and the key is of '%.*s'", (int)origin.len, (const char *)origin.data,
		    (int)key->name.len, (const char *)key->name.data);
	else if (is_signed == NOTE_FORGED)
		say(check->message, "the signature of the log's key on the server's checkpoint does not hold");
	else if (other == 0)
		say(check->message, "the server's checkpoint is not signed by the log's key");
	else
		say(check->message, "the server's checkpoint is not signed by the log's key %08" PRIx32 " but by %08" PRIx32
		    ": if the ledger's operator says, by a way that you trust, that the key was rotated, take up the new one", key->id, other);
	return FEALTY_LOG_NOT_SIGNED;
}

static enum fealty_log_answer
check_log(struct fealty_client *c, const struct fealty_log_trust *trust, uint32_t deadline_ms, struct fealty_log_check *check)
{
	struct head seen, now;
	struct note_key key;

	if (trust->key != NULL && (note_key_parse(bytes_of(trust->key, strlen(trust->key)), &key) != NOTE_KEY_OK || key.type != NOTE_ED25519))
		return answer(check, FEALTY_LOG_BAD_TRUST, "the log's key is no verifier key, as \"fealty log key\" prints it");
	if (trust->seen != NULL && !head_parse(trust->seen, &seen))
		return answer(check, FEALTY_LOG_BAD_TRUST, "what was seen is no signed checkpoint");
	enum fealty_log_answer got = fetch_note(c, deadline_ms, check);
	if (got != FEALTY_LOG_HOLDS)
		return got;
	if (!head_parse(check->note, &now))
		return answer(check, FEALTY_LOG_NOT_SIGNED, "what the server calls its checkpoint is none");
	check->size = now.checkpoint.size;
	if (trust->key != NULL)
		got = judge_signature(&now, &key, check);
	if (got != FEALTY_LOG_HOLDS || trust->seen == NULL)
		return got;
	check->size_seen = seen.checkpoint.size;
	return compare(c, deadline_ms, &seen.checkpoint, &now.checkpoint, check);
}

enum fealty_log_answer
fealty_log_check(struct fealty_client *c, const struct fealty_log_trust *trust, uint32_t deadline_ms, struct fealty_log_check *ret_check)
{
	*ret_check = (struct fealty_log_check){ .answer = FEALTY_LOG_NO_ANSWER };
	ret_check->answer = check_log(c, trust, deadline_ms, ret_check);
	return ret_check->answer;
}

void
fealty_log_check_release(struct fealty_log_check *check)
{
	free(check->note);
	check->note = NULL;
}
