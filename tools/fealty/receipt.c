/* A receipt is judged as a whole: what does not fit together is none, whoever has signed its parts. */
#include "receipt.h"

#include <string.h>

#include "signer/signer.h"

static bool
fault(struct receipt_fault *ret, size_t line, const char *why)
{
	*ret = (struct receipt_fault){ .malformed = true, .line = line, .why = why };
	return false;
}

static bool
misfit(struct receipt_fault *ret, const char *why)
{
	*ret = (struct receipt_fault){ .why = why };
	return false;
}

static bool
read_leaf(struct receipt *r, struct receipt_fault *ret_fault)
{
	size_t len = 0;
	uint8_t *leaf = arena_alloc(&r->arena, LEDGER_LEAF_BYTES_MAX);

	if (!r->proof.has_extra)
		return fault(ret_fault, 2, "it has no extra data, so it is not said which transaction it proves");
	if (leaf == NULL)
		return fault(ret_fault, 0, "out of memory");
	if (!tlogproof_extra(&r->proof, leaf, LEDGER_LEAF_BYTES_MAX, &len))
		return fault(ret_fault, 2, "the extra data is longer than any transaction");
	r->leaf = bytes_of(leaf, len);
	if (codec_signed_decode(r->leaf, &r->sign) != ST_OK ||
	    codec_transaction_decode(r->sign.transaction, &r->arena, &r->transaction) != ST_OK)
		return fault(ret_fault, 2, "the extra data is no transaction that this program can read");
	return true;
}

static bool
read_checkpoint(struct receipt *r, struct receipt_fault *ret_fault)
{
	struct note note;

	enum note_result form = note_parse(r->proof.checkpoint, &note);
	if (form != NOTE_OK)
		return fault(ret_fault, r->proof.line, note_result_str(form));
	enum checkpoint_result result = checkpoint_parse(note.text, &r->checkpoint);
	return result == CHECKPOINT_OK ? true : fault(ret_fault, r->proof.line, checkpoint_result_str(result));
}

static bool
fits_together(const struct receipt *r, struct receipt_fault *ret_fault)
{
	uint8_t hash[SHA256_BYTES];

	merkle_leaf_hash(r->leaf, hash);
	enum proof_result result = proof_check_inclusion(&r->proof.proof, r->proof.index, r->checkpoint.size, hash, r->checkpoint.root);
	if (result != PROOF_OK)
		return misfit(ret_fault, proof_result_str(result));
	if (r->transaction.seq != r->proof.index)
		return misfit(ret_fault, "the transaction has another seq than the index that it is proved to be at");
	if (!bytes_equal(r->checkpoint.origin, bytes_of(r->transaction.origin, strlen(r->transaction.origin))))
		return misfit(ret_fault, "the transaction is of another ledger than the checkpoint");
	return true;
}

bool
receipt_read(struct bytes text, struct receipt *ret_receipt, struct receipt_fault *ret_fault)
{
	struct receipt *r = ret_receipt;

	*r = (struct receipt){ 0 };
	arena_init(&r->arena, (size_t)64 * 1024 * 1024);
	enum tlogproof_result result = tlogproof_parse(text, &r->proof);
	bool good = result == TLOGPROOF_OK ? true : fault(ret_fault, r->proof.line, tlogproof_result_str(result));
	good = good && read_leaf(r, ret_fault) && read_checkpoint(r, ret_fault) && fits_together(r, ret_fault);
	if (!good)
		receipt_release(r);
	return good;
}

void
receipt_release(struct receipt *receipt)
{
	arena_release(&receipt->arena);
}
