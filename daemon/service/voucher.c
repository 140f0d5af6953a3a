/* What commands about vouchers need of the service: whose word means which voucher, by the key that makes codes. */
#include "apply/vouchers.h"
#include "service/commit.h"

struct voucher_coder
voucher_coder_of(const struct service *service, uint32_t program)
{
	return (struct voucher_coder){ .key = keys_secret(service->keys, KEY_VOUCHER), .origin = service->origin, .program = program };
}

enum status
voucher_prepare(struct commit *c, struct request *request)
{
	const struct ledger_state *state = apply_state(c->apply);
	struct cmd *cmd = &request->cmd;
	struct voucher_coder coder = voucher_coder_of(c->service, cmd->program);
	const struct member *m = NULL;
	struct voucher_ref ref = { 0 };

	if (request->voucher == NULL || cmd->member == 0)
		return ST_OK;
	enum status st = state->member(state->ctx, cmd->program, cmd->member, &m);
	bool found = st == ST_OK && m != NULL && voucher_find(m, &coder, request->voucher, &ref);
	if (request->op == REQUEST_HOLD) {
		cmd->u.hold.found = found;
		cmd->u.hold.voucher = ref;
	} else {
		cmd->u.voucher.found = found;
		cmd->u.voucher.voucher = ref;
	}
	return st;
}
