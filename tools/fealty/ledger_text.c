/* Lines for people.  A transaction of one entry is told whole on its line; one of many by how many there are of each kind. */
#include "ledger_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LEDGER_TEXT_ARENA_BYTES (64u << 20)

void
ledger_text_init(struct ledger_text *text)
{
	text->n = 0;
	arena_init(&text->arena, LEDGER_TEXT_ARENA_BYTES);
}

void
ledger_text_release(struct ledger_text *text)
{
	arena_release(&text->arena);
}

void
ledger_text_learn_program(struct ledger_text *text, uint32_t program, struct bytes definition)
{
	struct program_def *def;
	struct program_error error;
	unsigned digits;

	if (codec_program_def(definition, &text->arena, &def, &error) != ST_OK || def->currency == NULL ||
	    !currency_digits(def->currency, &digits))
		return;
	size_t i = 0;
	while (i < text->n && text->rows[i].program != program)
		i++;
	if (i == LEDGER_TEXT_PROGRAMS_MAX)
		return;
	text->rows[i].program = program;
	text->rows[i].scale = def->scale;
	text->rows[i].digits = digits;
	if (i == text->n)
		text->n++;
}

/* ---- numbers ---- */

struct number { char text[DECIMAL_TEXT_BYTES + 8]; };

static const char *
number_format(const struct ledger_text *text, struct number *n, uint32_t program, bool money, int64_t value)
{
	for (size_t i = 0; i < text->n; i++)
		if (text->rows[i].program == program)
			return decimal_format(value, money ? text->rows[i].digits : text->rows[i].scale, n->text);
	(void)snprintf(n->text, sizeof(n->text), "%" PRId64 " units", value);
	return n->text;
}

#define POINTS_OF(e, value) number_format(text, &(struct number){ { 0 } }, (e)->program, false, value)
#define MONEY_OF(e, value) number_format(text, &(struct number){ { 0 } }, (e)->program, true, value)

/* ---- one entry ---- */

static void
print_activity(const struct ledger_text *text, const struct entry *e, FILE *out)
{
	(void)fprintf(out, " %s", e->u.activity.activity);
	if (e->u.activity.qty != 1)
		(void)fprintf(out, " %" PRIu32 " times", e->u.activity.qty);
	if (e->u.activity.has_amount)
		(void)fprintf(out, " of %s", MONEY_OF(e, e->u.activity.amount));
	if (e->u.activity.has_score)
		(void)fprintf(out, " with score %" PRIu32, e->u.activity.score);
	if (e->u.activity.has_purchase)
		(void)fprintf(out, " for purchase %" PRIu64 ".%" PRIu32, e->u.activity.purchase.seq, e->u.activity.purchase.index);
}

/* Points that no longer wait, or are no longer there. */
static int64_t
left_pending(const struct entry *e)
{
	int64_t sum = 0;

	for (size_t i = 0; i < e->n_pendings; i++)
		if (e->pendings[i].p.points < 0)
			sum -= e->pendings[i].p.points;
	return sum;
}

static int64_t
moved_to(const struct entry *e, enum account account)
{
	int64_t sum = 0;

	for (size_t i = 0; i < e->n_postings; i++)
		if (e->postings[i].account == account)
			sum += e->postings[i].points;
	return sum;
}

static void
print_return(const struct ledger_text *text, const struct entry *e, FILE *out)
{
	if (e->u.past.has_amount)
		(void)fprintf(out, " %s", MONEY_OF(e, e->u.past.amount));
	else if (e->u.past.n_lines > 0)
		(void)fprintf(out, " %zu %s", e->u.past.n_lines, e->u.past.n_lines == 1 ? "line" : "lines");
	(void)fprintf(out, " of purchase %" PRIu64 ".%" PRIu32 ", clawed %s", e->u.past.entry.seq, e->u.past.entry.index,
	    POINTS_OF(e, moved_to(e, ACCOUNT_CLAWED) + moved_to(e, ACCOUNT_PARTNER_ISSUED)));
}

static void
print_told(const struct ledger_text *text, const struct entry *e, FILE *out)
{
	char day[DAY_TEXT_BYTES];

	for (size_t i = 0; i < e->n_told; i++) {
		const struct told *t = &e->told[i];

		(void)fprintf(out, i == 0 ? " " : ", ");
		if (t->kind == NOTICE_VOUCHER)
			(void)fprintf(out, "a voucher %s ends with %s", t->voucher, day_format(t->last_day, day));
		else if (t->kind == NOTICE_DOWNGRADE)
			(void)fprintf(out, "the tier ends with %s", day_format(t->last_day, day));
		else
			(void)fprintf(out, "%s end with %s", POINTS_OF(e, t->points), day_format(t->last_day, day));
	}
}

static void
print_rotation(const struct entry *e, FILE *out)
{
	char key[2 * PUBLIC_KEY_LEN + 1];

	(void)fprintf(out, " of %ss to %s", key_kind_str(e->u.rotate_key.kind),
	    e->u.rotate_key.new_key.len == PUBLIC_KEY_LEN ? hex_format(e->u.rotate_key.new_key, key) : "no key");
	if (e->u.rotate_key.recovery != RECOVERY_NONE)
		(void)fprintf(out, ", the one before was %s", key_recovery_str(e->u.rotate_key.recovery));
	if (e->u.rotate_key.overlap_days > 0)
		(void)fprintf(out, ", both for %" PRIu32 " %s", e->u.rotate_key.overlap_days, e->u.rotate_key.overlap_days == 1 ? "day" : "days");
}

static void
print_approver(const struct entry *e, FILE *out)
{
	char key[2 * PUBLIC_KEY_LEN + 1], date[DAY_TEXT_BYTES];

	(void)fprintf(out, " of %s: %s", e->u.approver_key.principal == NULL ? "nobody" : e->u.approver_key.principal,
	    e->u.approver_key.public_key.len == PUBLIC_KEY_LEN ? hex_format(e->u.approver_key.public_key, key) : "no key");
	if (e->u.approver_key.until != DAY_NEVER)
		(void)fprintf(out, " until %s", day_format(e->u.approver_key.until, date));
}

static void
print_membership(const struct ledger_text *text, const struct entry *e, FILE *out)
{
	(void)fprintf(out, " %s%s", e->u.membership.membership, e->u.membership.trial ? " for a trial" : "");
	if (e->has_refund)
		(void)fprintf(out, ", refund %s", MONEY_OF(e, e->refund));
}

static void
print_partner(const char *partner, FILE *out)
{
	if (partner != NULL)
		(void)fprintf(out, " at partner %s", partner);
}

static void
print_spent(const struct ledger_text *text, const struct entry *e, int64_t points, const char *partner, FILE *out)
{
	(void)fprintf(out, " %s", POINTS_OF(e, points));
	if ((e->op == OP_HOLD && e->u.hold.pool) || (e->op == OP_REDEEM && e->u.redeem.pool))
		(void)fprintf(out, " of the pool");
	print_partner(partner, out);
}

/* What is about a member rather than about its points. */
static void
print_people(const struct ledger_text *text, const struct entry *e, FILE *out)
{
	if (e->op == OP_ENROL && e->u.enrol.referrer != 0)
		(void)fprintf(out, " referred by member %" PRIu64, e->u.enrol.referrer);
	else if (e->op == OP_OPENING)
		(void)fprintf(out, " %s", POINTS_OF(e, -moved_to(e, ACCOUNT_OPENING)));
	else if (e->op == OP_CONSENT)
		(void)fprintf(out, " %s %s", e->u.consent.purpose, e->u.consent.given ? "given" : "withdrawn");
	else if (e->op == OP_MERGE)
		(void)fprintf(out, " takes member %" PRIu64, e->u.other.member);
	else if (e->op == OP_TIER)
		(void)fprintf(out, " %s for %s", e->u.tier.tier[0] != '\0' ? e->u.tier.tier : "removed", e->u.tier.reason);
	else if (e->op != OP_ENROL && e->u.standing.reason != NULL)
		(void)fprintf(out, " for %s", e->u.standing.reason);
}

static void
print_hold(const struct ledger_text *text, const struct entry *e, FILE *out)
{
	if (!e->u.hold.of_voucher)
		print_spent(text, e, e->u.hold.points, e->u.hold.partner, out);
}

static void
print_voucher(const struct entry *e, FILE *out)
{
	const struct voucher_ref *v = &e->u.voucher.voucher;

	(void)fprintf(out, " %" PRIu64 ".%" PRIu32 ".%" PRIu32, v->from.seq, v->from.index, v->n);
	if (e->u.voucher.reason != NULL)
		(void)fprintf(out, " for %s", e->u.voucher.reason);
	if (e->u.voucher.offline)
		(void)fprintf(out, " offline");
	if (e->conflict)
		(void)fprintf(out, ", in conflict: another till had it");
}

static void
print_redeemed(const struct ledger_text *text, const struct entry *e, FILE *out)
{
	int64_t points = moved_to(e, ACCOUNT_REDEEMED) + moved_to(e, ACCOUNT_PARTNER_REDEEMED);

	print_spent(text, e, points, e->op == OP_REDEEM ? e->u.redeem.partner : NULL, out);
	if (e->op == OP_REDEEM && e->u.redeem.reward != NULL)
		(void)fprintf(out, " for reward %s", e->u.redeem.reward);
}

static void
print_inputs(const struct ledger_text *text, const struct entry *e, FILE *out)
{
	switch (e->op) {
	case OP_GENESIS:
		(void)fprintf(out, " of %s%s", e->u.genesis.origin, e->u.genesis.manual_clock ? ", manual clock" : "");
		break;
	case OP_RESTORE:
		(void)fprintf(out, ", the published head of %" PRIu64 " transactions is lost: %s", e->u.restore.lost_size, e->u.restore.reason);
		break;
	case OP_PUBLISH:
		(void)fprintf(out, " %s version %" PRIu32, e->u.publish.id, e->u.publish.version);
		break;
	case OP_PURCHASE:
		(void)fprintf(out, " %s", MONEY_OF(e, e->u.purchase.amount));
		print_partner(e->u.purchase.partner, out);
		break;
	case OP_HOLD:
		print_hold(text, e, out);
		break;
	case OP_CAPTURE: case OP_RELEASE: case OP_HOLD_TIMEOUT:
		(void)fprintf(out, " of hold %" PRIu64 ".%" PRIu32, e->u.capture.hold.seq, e->u.capture.hold.index);
		break;
	case OP_HOLD_EXPIRE:
		(void)fprintf(out, " %s of hold %" PRIu64 ".%" PRIu32, POINTS_OF(e, moved_to(e, ACCOUNT_EXPIRED)), e->u.capture.hold.seq, e->u.capture.hold.index);
		break;
	case OP_AUTO_REDEEM:
	case OP_REDEEM:
		print_redeemed(text, e, out);
		break;
	case OP_ADJUST:
		(void)fprintf(out, " %s for %s%s", POINTS_OF(e, e->u.adjust.points), e->u.adjust.reason, e->waiting ? ", waits for approval" : "");
		break;
	case OP_TIER: case OP_ENROL: case OP_OPENING: case OP_CONSENT: case OP_MERGE: case OP_FREEZE: case OP_UNFREEZE: case OP_CLOSE:
		print_people(text, e, out);
		break;
	case OP_ACTIVITY:
		print_activity(text, e, out);
		break;
	case OP_RETURN:
		print_return(text, e, out);
		break;
	case OP_REVERSE_REDEEM:
		(void)fprintf(out, " %s of %" PRIu64 ".%" PRIu32, POINTS_OF(e, -moved_to(e, ACCOUNT_REINSTATED) - moved_to(e, ACCOUNT_PARTNER_REDEEMED)), e->u.past.entry.seq,
		    e->u.past.entry.index);
		break;
	case OP_TRANSFER:
		(void)fprintf(out, " %s to member %" PRIu64, POINTS_OF(e, e->u.other.points), e->u.other.member);
		break;
	case OP_POOL_JOIN:
		(void)fprintf(out, " of member %" PRIu64, e->u.other.member);
		break;
	case OP_ROTATE_KEY:
		print_rotation(e, out);
		break;
	case OP_APPROVE:
		(void)fprintf(out, " of %" PRIu64 ".%" PRIu32 ": %s", e->u.approve.command.seq, e->u.approve.command.index,
		    POINTS_OF(e, -moved_to(e, ACCOUNT_ADJUSTED)));
		break;
	case OP_APPROVER_KEY:
		print_approver(e, out);
		break;
	case OP_MEMBERSHIP_START: case OP_MEMBERSHIP_RENEW: case OP_MEMBERSHIP_CANCEL:
		print_membership(text, e, out);
		break;
	case OP_ADVANCE:
		(void)fprintf(out, " %s", POINTS_OF(e, e->u.advance.points));
		break;
	case OP_LAPSE: case OP_ACTIVATE:
		(void)fprintf(out, " %s that waited", POINTS_OF(e, left_pending(e)));
		break;
	case OP_EXPIRE: case OP_INACTIVITY:
		(void)fprintf(out, " %s", POINTS_OF(e, moved_to(e, ACCOUNT_EXPIRED)));
		break;
	case OP_VOUCHER_USE: case OP_VOUCHER_VOID:
		print_voucher(e, out);
		break;
	case OP_NOTICE: case OP_STAMP_EXPIRE:
	case OP_VOUCHER_EXPIRE:
	case OP_TIER_REVIEW: case OP_TIER_LOOK: case OP_ANNIVERSARY: case OP_NONE: case OP_ERASE: case OP_PROFILE:
	case OP_BIRTHDAY: case OP_TIER_END: case OP_MEMBERSHIP_END: case OP_POOL_LEAVE: case OP_CLOCK_ACCEPT: case OP_ZONE_DATA:
	case OP_COUNT:
		break;
	}
}

static void
print_stamps(const struct entry *e, FILE *out)
{
	for (size_t i = 0; i < e->n_stamps; i++) {
		const struct stamp_change *c = &e->stamps[i];

		(void)fprintf(out, ", card %s ", c->card.id);
		if (c->granted > 0)
			(void)fprintf(out, "+%" PRId64 " stamps: ", c->granted);
		(void)fprintf(out, "%" PRId64, c->card.stamps);
	}
}

static void
print_vouchers(const struct entry *e, FILE *out)
{
	for (size_t i = 0; i < e->n_vouchers; i++)
		(void)fprintf(out, ", voucher %s %s", e->vouchers[i].v.id, voucher_state_str(e->vouchers[i].v.state));
}

static int64_t
granted(const struct entry *e)
{
	int64_t sum = 0;

	for (size_t i = 0; i < e->n_grants; i++)
		sum += e->grants[i].granted;
	return sum;
}

static void
print_standing(const struct ledger_text *text, const struct entry *e, FILE *out)
{
	const struct touched *after = &e->touched[0];
	char day[DAY_TEXT_BYTES];

	(void)fprintf(out, ", available %s", POINTS_OF(e, after->available));
	if (after->pending != 0)
		(void)fprintf(out, ", pending %s", POINTS_OF(e, after->pending));
	if (after->held != 0)
		(void)fprintf(out, ", held %s", POINTS_OF(e, after->held));
	if (after->debt != 0)
		(void)fprintf(out, ", owed %s", POINTS_OF(e, after->debt));
	if (!e->has_tier)
		return;
	(void)fprintf(out, ", now %s", after->tier[0] != '\0' ? after->tier : "without a tier");
	/* the day of the earned tier says nothing about a given one that is above it */
	if (strcmp(after->tier, e->tier.earned) == 0 && e->tier.until != DAY_NEVER)
		(void)fprintf(out, " until %s", day_format(e->tier.until, day));
}

static void
print_entry(const struct ledger_text *text, const struct entry *e, FILE *out)
{
	(void)fprintf(out, "%s", op_str(e->op));
	if (e->member != 0)
		(void)fprintf(out, " member %" PRIu64, e->member);
	print_inputs(text, e, out);
	if (e->n_grants > 0)
		(void)fprintf(out, ", granted %s", POINTS_OF(e, granted(e)));
	print_stamps(e, out);
	print_told(text, e, out);
	print_vouchers(e, out);
	if (e->n_touched > 0)
		print_standing(text, e, out);
	(void)fprintf(out, " (%s%s%s)\n", e->principal != NULL ? e->principal : "-", e->request_id != NULL ? " " : "",
	    e->request_id != NULL ? e->request_id : "");
}

static void
print_postings(const struct ledger_text *text, const struct entry *e, FILE *out)
{
	char day[DAY_TEXT_BYTES];

	for (size_t i = 0; i < e->n_postings; i++) {
		const struct posting *p = &e->postings[i];
		(void)fprintf(out, "      %-12s", account_str(p->account));
		if (p->member != 0)
			(void)fprintf(out, " %" PRIu64, p->member);
		(void)fprintf(out, "  %s", POINTS_OF(e, p->points));
		if (p->has_hold)
			(void)fprintf(out, "  of hold %" PRIu64 ".%" PRIu32, p->hold.seq, p->hold.index);
		if (p->partner != NULL)
			(void)fprintf(out, "  of partner %s", p->partner);
		if (p->class != LOT_NONE)
			(void)fprintf(out, "  %s, last day %s", lot_class_str(p->class),
			    p->last_day == DAY_CLOCK ? "of inactivity" : day_format(p->last_day, day));
		(void)fputc('\n', out);
	}
}

/* ---- one transaction ---- */

static void
print_kinds(const struct transaction *t, FILE *out)
{
	size_t count[OP_COUNT] = { 0 };
	const char *separator = ":";

	(void)fprintf(out, "%zu %s", t->n_entries, t->n_entries == 1 ? "entry" : "entries");
	for (size_t i = 0; i < t->n_entries; i++)
		count[t->entries[i].op]++;
	for (enum op op = OP_NONE; op < OP_COUNT; op++) {
		if (count[op] == 0)
			continue;
		(void)fprintf(out, "%s %zu %s", separator, count[op], op_str(op));
		separator = ",";
	}
	(void)fputc('\n', out);
}

static void
print_long(const struct ledger_text *text, const struct transaction *t, FILE *out)
{
	for (size_t i = 0; i < t->n_entries; i++) {
		(void)fprintf(out, "  %" PRIu64 ".%zu  ", t->seq, i);
		print_entry(text, &t->entries[i], out);
		print_postings(text, &t->entries[i], out);
	}
}

uint32_t
ledger_text_program_of(struct ledger_text *text, struct bytes leaf)
{
	struct transaction t;

	arena_reset(&text->arena);
	if (codec_leaf_decode(leaf, &text->arena, &t) != ST_OK)
		return 0;
	return t.program;
}

static void
print_transaction(struct ledger_text *text, const struct transaction *t, bool long_form, FILE *out)
{
	char at[INSTANT_TEXT_BYTES];

	for (size_t i = 0; i < t->n_entries; i++)
		if (t->entries[i].op == OP_PUBLISH)
			ledger_text_learn_program(text, t->program, t->entries[i].u.publish.definition);
	(void)fprintf(out, "%" PRIu64 "  %s  ", t->seq, instant_format(t->committed_at_us, at));
	if (t->n_entries == 1 && !long_form)
		print_entry(text, &t->entries[0], out);
	else
		print_kinds(t, out);
	if (long_form)
		print_long(text, t, out);
}

/* Whoever signed it may have written what moves a terminal's cursor, or changes what stands there: so it is cleaned as a whole. */
enum status
ledger_text_print(struct ledger_text *text, struct bytes leaf, bool long_form, FILE *out)
{
	struct transaction t;
	char *lines = NULL;
	size_t len = 0;

	arena_reset(&text->arena);
	enum status st = codec_leaf_decode(leaf, &text->arena, &t);
	if (st != ST_OK)
		return st;
	FILE *memory = open_memstream(&lines, &len);
	if (memory == NULL)
		return ST_NOMEM;
	print_transaction(text, &t, long_form, memory);
	bool whole = fclose(memory) == 0;
	if (whole) {
		text_clean(lines, len);
		(void)fwrite(lines, 1, len, out);
	}
	free(lines);
	return whole ? ST_OK : ST_NOMEM;
}

json_t *
message_json(enum codec_message message, struct bytes bytes)
{
	struct arena arena;
	struct buf text;

	arena_init(&arena, LEDGER_TEXT_ARENA_BYTES);
	buf_init(&text);
	enum status st = codec_json_print(message, bytes, false, &arena, &text);
	json_t *object = st == ST_OK ? json_loadb((const char *)text.data, text.len, JSON_DECODE_ANY, NULL) : NULL;
	buf_release(&text);
	arena_release(&arena);
	return object;
}

json_t *
ledger_text_json(struct bytes leaf)
{
	return message_json(CODEC_SIGNED_TRANSACTION, leaf);
}
