/* checks.h: the hooks of the properties in property.c's table, one file for each kind. */
#ifndef FEALTY_TESTS_PROPERTY_CHECKS_H
#define FEALTY_TESTS_PROPERTY_CHECKS_H

#include "life.h"

/* ---- check_books.c ---- */

void sums_to_zero(struct life *l, const struct entry *entry);
void parts_are_equal(struct life *l, const struct entry *entry);
void nothing_is_below_zero(struct life *l, const struct entry *entry);
/* Lots and holds once more, from postings alone. */
void books_begin(struct life *l);
void books_follow(struct life *l, const struct entry *entry);

/* ---- check_caps.c ---- */

void caps_begin(struct life *l);
void caps_are_kept(struct life *l, const struct entry *entry);

/* ---- check_decisions.c ---- */

void quote_is_grant(struct life *l, const struct cmd *cmd);
void quoted_entry(struct life *l, const struct entry *entry);
void quotes_begin(struct life *l);
void deciding_changes_nothing(struct life *l, const struct cmd *cmd);
void decides_again(struct life *l, const struct entry *entry);
void forgery_differs(struct life *l, const struct entry *entry);

/* ---- check_records.c ---- */

void record_survives(struct life *l, const struct entry *entry);
void replay_is_equal(struct life *l);

/* ---- check_returns.c ---- */

void claws_begin(struct life *l);
void claws_are_fair(struct life *l, const struct entry *entry);
void order_is_the_same(struct life *l);
void keeping_begin(struct life *l);
void keeping_before(struct life *l, const struct entry *entry);
void points_are_kept(struct life *l, const struct entry *entry);

/* ---- check_vouchers.c ---- */

/* Vouchers once more, from entries alone. */
void vouchers_begin(struct life *l);
void vouchers_follow(struct life *l, const struct entry *entry);

/* ---- census.c: what happened at all, over all lives ---- */

void census_decided(struct life *l, const struct entry *entry);
/* What has never happened, a word each; 0: nothing is missing. */
size_t census_missing(FILE *out);

#endif
