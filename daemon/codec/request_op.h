/* request_op.h: what request.c (a command's envelope) and request_op.c (its operation) share.  Internal to codec/. */
#ifndef FEALTY_CODEC_REQUEST_OP_H
#define FEALTY_CODEC_REQUEST_OP_H

#include "codec/codec.h"
#include "fealty.pb-c.h"

/* A command while it is judged.  The first refusal stands, but INVALID_ARGUMENT comes before POINTS_NOT_POSITIVE whenever it is found. */
struct judge {
	struct arena *arena;
	struct request *ret;
	struct refusal *refusal;
	enum status status;		/* ST_NOMEM sticks */
};

/* Refuses with the sentence "`field` why."; ${field} is static or in the arena. */
void judge_refuse(struct judge *j, enum ledger_result result, const char *field, const char *why);

/* An instant of the years 2 to 9998, so that every zone's date and every term from it is a date that we can name. */
void judge_instant(struct judge *j, const char *field, int64_t at_us);
/* 1 to 64 bytes without control characters; NULL is fine. */
void judge_plain(struct judge *j, const char *field, const char *text);

/* What several operations have: the member's alias; a reason; money of an order, which may be left out. */
void judge_alias(struct judge *j, const char *alias);
void take_code(struct judge *j, const char *text, const char **ret);
void take_order_amount(struct judge *j, const char *text, bool *ret_has, struct decimal *ret);

/* request_voucher.c: the word for a voucher, which is there; and operations. */
void judge_voucher(struct judge *j, const char *text);
void judge_voucher_use(struct judge *j, const Fealty__V1__Request *in);
void judge_voucher_void(struct judge *j, const Fealty__V1__Request *in);
void judge_vouchers(struct judge *j, const Fealty__V1__Request *in);

/* The member that a command is about; another that it names. */
void judge_alias(struct judge *j, const char *alias);
void judge_other(struct judge *j, const char *field, const char *alias);

/* request_household.c */
void judge_pool_join(struct judge *j, const Fealty__V1__Request *in);
void judge_pool_leave(struct judge *j, const Fealty__V1__Request *in);
void judge_membership_start(struct judge *j, const Fealty__V1__Request *in);
void judge_membership_renew(struct judge *j, const Fealty__V1__Request *in);
void judge_membership_cancel(struct judge *j, const Fealty__V1__Request *in);

/* request_op.c: the alias that the operation is about; that of somebody who is enrolled, with further ones. */
void judge_alias(struct judge *j, const char *alias);
void judge_enrolled(struct judge *j, char *member, char *const *aliases, size_t n_aliases);
/* request_people.c */
void judge_opening(struct judge *j, const Fealty__V1__Request *in);
void judge_consent(struct judge *j, const Fealty__V1__Request *in);
void judge_erase(struct judge *j, const Fealty__V1__Request *in);
void judge_freeze(struct judge *j, const Fealty__V1__Request *in);
void judge_unfreeze(struct judge *j, const Fealty__V1__Request *in);
void judge_close(struct judge *j, const Fealty__V1__Request *in);

enum request_op request_op_of(Fealty__V1__Request__OpCase op);
/* The fields of the operation, which is there; fills ret->cmd and what else is the operation's in ${ret}. */
void request_op_judge(struct judge *j, const Fealty__V1__Request *in);

#endif
