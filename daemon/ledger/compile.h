/* compile.h: what program.c and program_earn.c share: judging a program key by key.  Nobody else includes it. */
#ifndef FEALTY_LEDGER_COMPILE_H
#define FEALTY_LEDGER_COMPILE_H

#include "ledger/internal.h"

#define MULTIPLIER_MAX (1000 * MULTIPLIER_ONE)

struct compiler {
	const struct program_def *def;
	struct program *p;
	struct program_error *errors;	/* in their order, and how many there may be before it ends */
	size_t n_errors, max_errors;
	struct arena *arena;		/* the program's */
	bool no_memory;			/* then the program is not at fault */
};

/* Always false, so that `return wrong(…)` ends the compilation, or what of it does not go on. */
bool wrong(struct compiler *c, const char *path, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Whether what is left is looked at although something was wrong.  What reads of the program what was wrong in it is not for this. */
bool compile_goes_on(const struct compiler *c) MUST_CHECK;

/* A path such as "earn[3].id", in a buffer of the caller's block. */
#define PATH_BYTES 96
#define PATH(...) path_of((char [PATH_BYTES]){ 0 }, __VA_ARGS__)
const char *path_of(char buffer[static PATH_BYTES], const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Each is false when the value was refused.  Decimals are judged from ${least} on; a text that is NULL is required and missing. */
bool compile_id(struct compiler *c, const char *path, const char *id, char ret_id[static LEDGER_ID_MAX + 1]) MUST_CHECK;
bool compile_decimal(struct compiler *c, const char *path, const char *text, unsigned scale, const char *what, int64_t least,
    int64_t *ret) MUST_CHECK;
bool compile_text(struct compiler *c, const char *path, const char *text, size_t max, char *ret_text) MUST_CHECK;
bool compile_points(struct compiler *c, const char *path, const char *text, int64_t least, int64_t *ret) MUST_CHECK;
bool compile_money(struct compiler *c, const char *path, const char *text, int64_t least, int64_t *ret) MUST_CHECK;
bool compile_at_most(struct compiler *c, const char *path, uint32_t value, uint32_t max, uint32_t *ret) MUST_CHECK;
bool compile_multiplier(struct compiler *c, const char *path, const char *text, int64_t *ret) MUST_CHECK;	/* NULL: 1 */
bool compile_expiry(struct compiler *c, const char *path, const struct expiry_def *def, struct expiry *ret) MUST_CHECK;

/* Exactly one of days, months and years, at least 1. */
bool compile_term(struct compiler *c, const char *path, const struct term_def *def, struct term *ret) MUST_CHECK;
/* An id of the program's vouchers; NULL is required and missing. */
bool compile_voucher_ref(struct compiler *c, const char *path, const char *id, size_t *ret_index) MUST_CHECK;
bool compile_vouchers(struct compiler *c) MUST_CHECK;
bool compile_used_voucher(struct compiler *c) MUST_CHECK;		/* after redemption and vouchers */

/* partners; memberships; both expect the currency. */
bool compile_partners(struct compiler *c) MUST_CHECK;
bool compile_memberships(struct compiler *c) MUST_CHECK;

/* Conditions of ${path}, a rule or a card of stamps, for events of a kind. */
bool compile_when(struct compiler *c, const char *path, const struct when_def *def, enum rule_on on, struct when *w) MUST_CHECK;
/* Of the program's tiers, none twice. */
bool compile_tier_list(struct compiler *c, const char *path, const struct word_list *def, struct word_list *ret) MUST_CHECK;
bool compile_dates(struct compiler *c, const char *path, const char *from, const char *until, int32_t *ret_from, int32_t *ret_until) MUST_CHECK;
/* Exactly one of points and a voucher. */
bool compile_grant(struct compiler *c, const char *path, const char *points, const char *voucher, int64_t *ret_points, size_t *ret_voucher) MUST_CHECK;
/* auto_redeem, rewards and stamps; they need the tiers. */
bool compile_rewards(struct compiler *c) MUST_CHECK;
/* Caps of the period program, and stocks. */
size_t program_stores(const struct program *p);

bool compile_referral(struct compiler *c) MUST_CHECK;

/* stacking, carry_remainder, counters, earn and limits.earn_per_day; compile_stacking() needs the tiers. */
bool compile_counters(struct compiler *c) MUST_CHECK;
bool compile_earn(struct compiler *c) MUST_CHECK;
bool compile_stacking(struct compiler *c) MUST_CHECK;

#endif
