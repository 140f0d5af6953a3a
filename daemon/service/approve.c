/*
 * Signatures of approvers.  What a signature is of is known since the adjust's transaction was sealed, and so is the key, so a verification costs one
 * look at state and no read of the ledger.
 */
#include "service/commit.h"

static enum status
verify(const uint8_t public_key[static PUBLIC_KEY_LEN], struct bytes body, struct bytes signature)
{
	return sign_verify(public_key, SIGNER_APPROVAL_TYPE, body, signature);
}

void
approve_replays(struct apply *apply)
{
	apply_set_approvals(apply, verify);
}

enum status
approve_verify(struct commit *c, struct request *request, const char *principal)
{
	struct cmd *cmd = &request->cmd;

	cmd->u.approve.verified = false;
	if (cmd->u.approve.entry == NULL)
		return ST_OK;
	return apply_check_approval(c->apply, principal, cmd->u.approve.id, cmd->u.approve.signature, verify, &cmd->u.approve.verified);
}

void
approver_key_check(const struct request *request, struct refusal *ret_refusal)
{
	if (!sign_key_usable(request->cmd.u.approver_key.public_key.data))
		refusal_set(ret_refusal, LEDGER_INVALID_ARGUMENT, "public_key",
		    "public_key is no Ed25519 public key, so nothing that it signs could be verified. `fealty approver-key new` makes one.");
}
