/* Commands about vouchers. */
#include "codec/request_op.h"

#include <string.h>

void
judge_voucher(struct judge *j, const char *text)
{
	if (text == NULL)
		judge_refuse(j, LEDGER_INVALID_ARGUMENT, "voucher", "is missing");
	else if (!request_id_valid(text))
		judge_refuse(j, LEDGER_INVALID_ARGUMENT, "voucher", "is neither the id of a voucher, nor a code, nor a name");
	j->ret->voucher = text;
}

void
judge_voucher_use(struct judge *j, const Fealty__V1__Request *in)
{
	const Fealty__V1__VoucherUse *v = in->voucher_use;
	struct cmd *cmd = &j->ret->cmd;

	judge_alias(j, v->member);
	judge_voucher(j, v->voucher);
	take_order_amount(j, v->order_amount, &cmd->u.voucher.has_order_amount, &cmd->u.voucher.order_amount);
	cmd->u.voucher.offline = v->has_offline && v->offline;
}

void
judge_voucher_void(struct judge *j, const Fealty__V1__Request *in)
{
	judge_alias(j, in->voucher_void->member);
	judge_voucher(j, in->voucher_void->voucher);
	take_code(j, in->voucher_void->reason, &j->ret->cmd.u.voucher.reason);
}

void
judge_vouchers(struct judge *j, const Fealty__V1__Request *in)
{
	const char *word = in->vouchers->state;

	judge_alias(j, in->vouchers->member);
	while (word != NULL && j->ret->voucher_state <= VOUCHER_REVOKED && strcmp(word, voucher_state_str(j->ret->voucher_state)) != 0)
		j->ret->voucher_state++;
	if (word != NULL && (j->ret->voucher_state > VOUCHER_REVOKED || j->ret->voucher_state == VOUCHER_NONE))
		judge_refuse(j, LEDGER_INVALID_ARGUMENT, "state", "is none of issued, held, used, expired, revoked");
}
