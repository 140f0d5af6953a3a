/**
 * The message types of the three .proto files: none recurs (protobuf-c has no depth limit), and all fit what scan.c keeps for a type.
 * And the numbers that code by hand uses are those of the fields it means.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <ctype.h>
#include <string.h>

#include "codec/ledger_fields.h"

#include "fealty.pb-c.h"
#include "ledger.pb-c.h"
#include "ledger/ledger.h"
#include "program.pb-c.h"

#define DEPTH_MAX 12
#define FIELDS_MAX 128

/* Every type that a frame, a leaf or a program file begins with; what they hold is reached from them. */
static const ProtobufCMessageDescriptor *const roots[] = {
	&fealty__v1__hello__descriptor, &fealty__v1__hello_ok__descriptor, &fealty__v1__ping__descriptor, &fealty__v1__pong__descriptor,
	&fealty__v1__goaway__descriptor, &fealty__v1__credit__descriptor, &fealty__v1__cancel__descriptor, &fealty__v1__error__descriptor,
	&fealty__v1__request__descriptor, &fealty__v1__batch__descriptor, &fealty__v1__response__descriptor,
	&fealty__v1__batch_response__descriptor, &fealty__v1__push__descriptor,
	&fealty__ledger__v1__signed_transaction__descriptor, &fealty__ledger__v1__transaction__descriptor,
	&fealty__program__v1__program__descriptor,
};
#define N_ROOTS (sizeof(roots) / sizeof(roots[0]))

/* The types on the way from a root to the one at hand. */
struct path {
	const ProtobufCMessageDescriptor *types[DEPTH_MAX];
	unsigned depth, deepest;
	bool met_line;			/* fealty.v1.Line, which is well inside */
};

/* The first type that holds itself, directly or through others; NULL when none does. */
static const ProtobufCMessageDescriptor *
recurs(struct path *p, const ProtobufCMessageDescriptor *type)
{
	const ProtobufCMessageDescriptor *found = NULL;

	assert_int_equal(type->magic, PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC);
	assert_true(type->n_fields <= FIELDS_MAX);
	for (unsigned i = 0; i < p->depth; ++i)
		if (p->types[i] == type)
			return type;
	assert_true(p->depth < DEPTH_MAX);

	p->met_line |= type == &fealty__v1__line__descriptor;
	p->types[p->depth++] = type;
	if (p->depth > p->deepest)
		p->deepest = p->depth;
	for (unsigned i = 0; i < type->n_fields && found == NULL; ++i)
		if (type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
			found = recurs(p, type->fields[i].descriptor);
	p->depth--;
	return found;
}

static void
no_type_recurs(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROOTS; ++i) {
		struct path p = { .depth = 0 };
		const ProtobufCMessageDescriptor *found = recurs(&p, roots[i]);
		if (found != NULL)
			fail_msg("%s is recursive", found->name);
		assert_int_equal(p.depth, 0);
	}
}

/* What the walk must be able to see: nested types, and a type that holds one that holds it. */
static void
walk_sees_what_it_looks_for(void **state)
{
	static ProtobufCMessageDescriptor inner, outer;
	ProtobufCFieldDescriptor to_inner = { .type = PROTOBUF_C_TYPE_MESSAGE, .descriptor = &inner };
	ProtobufCFieldDescriptor to_outer = { .type = PROTOBUF_C_TYPE_MESSAGE, .descriptor = &outer };
	struct path p = { .depth = 0 }, q = { .depth = 0 };

	(void)state;
	assert_null(recurs(&p, &fealty__v1__batch__descriptor));
	assert_true(p.met_line);
	assert_true(p.deepest >= 4);

	outer.magic = inner.magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC;
	outer.n_fields = inner.n_fields = 1;
	outer.fields = &to_inner;
	inner.fields = &to_outer;
	assert_ptr_equal(recurs(&q, &outer), &outer);
}

/* proto2 with has_ everywhere: `required` cannot be taken back, and a default would make absence mean something else here than there. */
static void
all_fields_are_optional_or_repeated(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROOTS; ++i) {
		for (unsigned k = 0; k < roots[i]->n_fields; ++k) {
			const ProtobufCFieldDescriptor *f = &roots[i]->fields[k];
			assert_true(f->label == PROTOBUF_C_LABEL_OPTIONAL || f->label == PROTOBUF_C_LABEL_REPEATED);
			if (f->type != PROTOBUF_C_TYPE_ENUM)
				assert_null(f->default_value);
		}
	}
}

#define ROW(type, name, number) { &fealty__ledger__v1__##type##__descriptor, name, number }
static const struct { const ProtobufCMessageDescriptor *type; const char *name; unsigned number; } by_hand[] = {
	ROW(signed_transaction, "transaction", SIGNED_TRANSACTION), ROW(signed_transaction, "signature", SIGNED_SIGNATURE),
	ROW(signed_transaction, "key_id", SIGNED_KEY_ID), ROW(signed_transaction, "second_signature", SIGNED_SECOND_SIGNATURE),
	ROW(signed_transaction, "second_key_id", SIGNED_SECOND_KEY_ID),
	ROW(rotate_key, "kind", ROTATE_KEY_KIND), ROW(rotate_key, "new_key", ROTATE_KEY_NEW_KEY),
	ROW(rotate_key, "overlap_days", ROTATE_KEY_OVERLAP_DAYS), ROW(rotate_key, "recovery", ROTATE_KEY_RECOVERY),
	ROW(approve, "command", APPROVE_COMMAND), ROW(approve, "signature", APPROVE_SIGNATURE), ROW(approve, "key_id", APPROVE_KEY_ID),
	ROW(approver_key, "principal", APPROVER_KEY_PRINCIPAL), ROW(approver_key, "public_key", APPROVER_KEY_PUBLIC_KEY),
	ROW(approver_key, "until", APPROVER_KEY_UNTIL), ROW(facts, "waiting", FACTS_WAITING),
	ROW(facts, "key_change", FACTS_KEY_CHANGE), ROW(key_change, "old_key", KEY_CHANGE_OLD_KEY),
	ROW(key_change, "old_until", KEY_CHANGE_OLD_UNTIL),
	ROW(transaction, "origin", TRANSACTION_ORIGIN), ROW(transaction, "seq", TRANSACTION_SEQ),
	ROW(transaction, "prev", TRANSACTION_PREV),
	ROW(transaction, "committed_at", TRANSACTION_COMMITTED_AT), ROW(transaction, "program", TRANSACTION_PROGRAM),
	ROW(transaction, "entries", TRANSACTION_ENTRIES),
	ROW(entry, "principal", ENTRY_PRINCIPAL), ROW(entry, "request_id", ENTRY_REQUEST_ID), ROW(entry, "engine", ENTRY_ENGINE),
	ROW(entry, "program_version", ENTRY_PROGRAM_VERSION), ROW(entry, "occurred_at", ENTRY_OCCURRED_AT),
	ROW(entry, "due_at", ENTRY_DUE_AT),
	ROW(entry, "business_date", ENTRY_BUSINESS_DATE), ROW(entry, "member", ENTRY_MEMBER), ROW(entry, "store", ENTRY_STORE),
	ROW(entry, "terminal", ENTRY_TERMINAL), ROW(entry, "terminal_seq", ENTRY_TERMINAL_SEQ),
	ROW(entry, "fingerprint", ENTRY_FINGERPRINT),
	ROW(entry, "inputs", ENTRY_INPUTS), ROW(entry, "facts", ENTRY_FACTS), ROW(entry, "postings", ENTRY_POSTINGS),
	ROW(entry, "after", ENTRY_AFTER), ROW(entry, "touched", ENTRY_TOUCHED), ROW(entry, "at", ENTRY_AT),
	ROW(entry, "terminal_refused", ENTRY_TERMINAL_REFUSED), ROW(seq_range, "first", SEQ_RANGE_FIRST), ROW(seq_range, "last", SEQ_RANGE_LAST),
	ROW(posting, "account", POSTING_ACCOUNT), ROW(posting, "member", POSTING_MEMBER), ROW(posting, "points", POSTING_POINTS),
	ROW(posting, "last_day", POSTING_LAST_DAY), ROW(posting, "class", POSTING_CLASS), ROW(posting, "partner", POSTING_PARTNER),
	ROW(touched, "member", TOUCHED_MEMBER), ROW(touched, "prev_seq", TOUCHED_PREV_SEQ), ROW(touched, "prev_index", TOUCHED_PREV_INDEX),
	ROW(after, "available", AFTER_AVAILABLE), ROW(after, "pending", AFTER_PENDING), ROW(after, "held", AFTER_HELD),
	ROW(after, "debt", AFTER_DEBT), ROW(after, "tier", AFTER_TIER),
	ROW(after, "tier_from", AFTER_TIER_FROM), ROW(after, "tier_to", AFTER_TIER_TO),
	ROW(entry_id, "seq", ENTRY_ID_SEQ), ROW(entry_id, "index", ENTRY_ID_INDEX),
	ROW(genesis, "format", GENESIS_FORMAT), ROW(genesis, "origin", GENESIS_ORIGIN),
	ROW(genesis, "transaction_key", GENESIS_TRANSACTION_KEY), ROW(genesis, "checkpoint_key", GENESIS_CHECKPOINT_KEY),
	ROW(genesis, "clock", GENESIS_CLOCK),
	ROW(publish, "program", PUBLISH_PROGRAM), ROW(publish, "version", PUBLISH_VERSION), ROW(publish, "definition", PUBLISH_DEFINITION),
	ROW(publish, "zone_data", PUBLISH_ZONE_DATA),
	ROW(line, "sku", LINE_SKU), ROW(line, "category", LINE_CATEGORY), ROW(line, "qty", LINE_QTY), ROW(line, "amount", LINE_AMOUNT),
	ROW(purchase, "amount", PURCHASE_AMOUNT), ROW(purchase, "lines", PURCHASE_LINES), ROW(purchase, "partner", PURCHASE_PARTNER),
	ROW(purchase, "paid_with_points", PURCHASE_PAID_WITH_POINTS), ROW(purchase, "receipt_no", PURCHASE_RECEIPT_NO),
	ROW(facts, "memberships", FACTS_MEMBERSHIPS), ROW(facts, "refund", FACTS_REFUND), ROW(facts, "multiplied_by", FACTS_MULTIPLIED_BY),
	ROW(membership_start, "membership", MEMBERSHIP_MEMBERSHIP), ROW(membership_start, "trial", MEMBERSHIP_TRIAL),
	ROW(membership_renew, "membership", MEMBERSHIP_MEMBERSHIP), ROW(membership_cancel, "membership", MEMBERSHIP_MEMBERSHIP),
	ROW(membership_state, "id", STATE_ID), ROW(membership_state, "ended", STATE_ENDED), ROW(membership_state, "cancelled", STATE_CANCELLED),
	ROW(membership_state, "trial", STATE_TRIAL), ROW(membership_state, "anchor", STATE_ANCHOR),
	ROW(membership_state, "periods", STATE_PERIODS), ROW(membership_state, "next", STATE_NEXT), ROW(membership_state, "ends", STATE_ENDS),
	ROW(membership_state, "used", STATE_USED),
	ROW(hold, "pool", HOLD_POOL), ROW(redeem, "pool", REDEEM_POOL), ROW(pool_join, "head", POOL_JOIN_HEAD),
	ROW(hold, "partner", HOLD_PARTNER), ROW(redeem, "partner", REDEEM_PARTNER),
	ROW(hold, "points", HOLD_POINTS), ROW(hold, "ttl_us", HOLD_TTL_US), ROW(hold, "order_amount", HOLD_ORDER_AMOUNT),
	ROW(hold, "for_terminal", HOLD_FOR_TERMINAL),
	ROW(capture, "hold", CAPTURE_HOLD), ROW(capture, "points", CAPTURE_POINTS), ROW(release, "hold", CAPTURE_HOLD),
	ROW(hold_timeout, "hold", CAPTURE_HOLD),
	ROW(redeem, "points", REDEEM_POINTS), ROW(redeem, "order_amount", REDEEM_ORDER_AMOUNT),
	ROW(redeem, "round_down", REDEEM_ROUND_DOWN),
	ROW(adjust, "points", ADJUST_POINTS), ROW(adjust, "reason", ADJUST_REASON), ROW(adjust, "last_day", ADJUST_LAST_DAY),
	ROW(adjust, "tier_points", ADJUST_TIER_POINTS),
	ROW(tier, "tier", TIER_TIER), ROW(tier, "reason", TIER_REASON), ROW(tier, "until", TIER_UNTIL),
	ROW(zone_data, "zone_data", ZONE_DATA_ZONE_DATA),
	ROW(facts, "grants", FACTS_GRANTS), ROW(facts, "metrics", FACTS_METRICS), ROW(facts, "tier", FACTS_TIER),
	ROW(facts, "hold", FACTS_HOLD),
	ROW(facts, "birthday", FACTS_BIRTHDAY), ROW(facts, "value", FACTS_VALUE), ROW(facts, "enrolled", FACTS_ENROLLED),
	ROW(grant, "rule", GRANT_RULE), ROW(grant, "wanted", GRANT_WANTED), ROW(grant, "granted", GRANT_GRANTED),
	ROW(metrics, "points_earned", METRICS_POINTS_EARNED), ROW(metrics, "spend", METRICS_SPEND), ROW(metrics, "visits", METRICS_VISITS),
	ROW(grant, "cap", GRANT_CAP), ROW(metrics, "counters", METRICS_COUNTERS), ROW(facts, "tallies", FACTS_TALLIES),
	ROW(facts, "pendings", FACTS_PENDING), ROW(facts, "segments", FACTS_SEGMENTS),
	ROW(tally, "kind", TALLY_FIELD_KIND), ROW(tally, "id", TALLY_FIELD_ID), ROW(tally, "per", TALLY_FIELD_PER),
	ROW(tally, "at", TALLY_FIELD_AT), ROW(tally, "points", TALLY_FIELD_POINTS), ROW(tally, "count", TALLY_FIELD_COUNT),
	ROW(pending, "from", PENDING_FROM), ROW(pending, "due_day", PENDING_DUE_DAY), ROW(pending, "activity", PENDING_ACTIVITY_ID),
	ROW(pending, "term", PENDING_TERM), ROW(pending, "version", PENDING_VERSION), ROW(pending, "points", PENDING_POINTS),
	ROW(activity, "activity", ACTIVITY_ACTIVITY), ROW(activity, "amount", ACTIVITY_AMOUNT), ROW(activity, "qty", ACTIVITY_QTY),
	ROW(activity, "score", ACTIVITY_SCORE), ROW(activity, "purchase", ACTIVITY_PURCHASE), ROW(activity, "partner", ACTIVITY_PARTNER),
	ROW(tier_state, "earned", TIER_STATE_EARNED), ROW(tier_state, "since", TIER_STATE_SINCE),
	ROW(tier_state, "until", TIER_STATE_UNTIL),
	ROW(posting, "inactivity", POSTING_INACTIVITY), ROW(posting, "hold", POSTING_HOLD), ROW(facts, "inactivity", FACTS_INACTIVITY),
	ROW(inactivity_clock, "last_day", CLOCK_LAST_DAY), ROW(inactivity_clock, "months", CLOCK_MONTHS),
	ROW(inactivity_clock, "percent", CLOCK_PERCENT),
	ROW(tier_state, "from", TIER_STATE_FROM), ROW(tier_state, "start", TIER_STATE_START), ROW(tier_state, "grace", TIER_STATE_GRACE),
	ROW(freeze, "reason", STANDING_REASON), ROW(unfreeze, "reason", STANDING_REASON), ROW(close, "reason", STANDING_REASON),
	ROW(hold_expire, "hold", CAPTURE_HOLD),
	ROW(tier_state, "gift", TIER_STATE_GIFT), ROW(tier_state, "gift_until", TIER_STATE_GIFT_UNTIL),
	ROW(hold_state, "id", HOLD_STATE_ID), ROW(hold_state, "ends_at", HOLD_STATE_ENDS_AT), ROW(hold_state, "left", HOLD_STATE_LEFT),
	ROW(hold_state, "expire_at_once", HOLD_STATE_EXPIRE_AT_ONCE), ROW(hold_state, "for_store", HOLD_STATE_FOR_STORE),
	ROW(hold_state, "for_terminal", HOLD_STATE_FOR_TERMINAL),
	ROW(enrol, "referrer", ENROL_REFERRER), ROW(opening, "lots", OPENING_LOTS), ROW(opening, "tier", OPENING_TIER),
	ROW(opening, "tier_until", OPENING_TIER_UNTIL), ROW(opening, "counters", OPENING_COUNTERS),
	ROW(opening_lot, "points", OPENING_LOT_POINTS), ROW(opening_lot, "last_day", OPENING_LOT_LAST_DAY),
	ROW(opening_counter, "id", OPENING_COUNTER_ID), ROW(opening_counter, "count", OPENING_COUNTER_COUNT),
	ROW(consent, "purpose", CONSENT_PURPOSE), ROW(consent, "given", CONSENT_GIVEN),
	ROW(facts, "provisional", FACTS_PROVISIONAL), ROW(facts, "referral", FACTS_REFERRAL), ROW(facts, "merged", FACTS_MERGED),
	ROW(referral, "referrer", REFERRAL_REFERRER), ROW(referral, "referrer_points", REFERRAL_REFERRER_POINTS),
	ROW(referral, "referee_points", REFERRAL_REFEREE_POINTS), ROW(referral, "referrer_last_day", REFERRAL_REFERRER_LAST_DAY),
	ROW(referral, "referee_last_day", REFERRAL_REFEREE_LAST_DAY), ROW(referral, "referrer_inactivity", REFERRAL_REFERRER_INACTIVITY),
	ROW(referral, "referee_inactivity", REFERRAL_REFEREE_INACTIVITY), ROW(pending, "class", PENDING_CLASS),
	ROW(side, "pendings", SIDE_PENDINGS), ROW(followup, "referee_clawed", FOLLOWUP_REFEREE_CLAWED),
	ROW(followup, "referrer_clawed", FOLLOWUP_REFERRER_CLAWED),
};

static void
numbers_used_by_hand_are_the_descriptors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(by_hand) / sizeof(by_hand[0]); ++i) {
		const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(by_hand[i].type, by_hand[i].name);
		if (f == NULL || f->id != by_hand[i].number)
			fail_msg("%s.%s is not %u", by_hand[i].type->name, by_hand[i].name, by_hand[i].number);
	}
}

static void
same_word(const char *proto, const char *ours)
{
	char lower[64];
	size_t n = strlen(proto);

	assert_true(n < sizeof(lower));
	for (size_t i = 0; i <= n; ++i)
		lower[i] = (char)tolower((unsigned char)proto[i]);
	assert_string_equal(lower, ours);
}

static void
enums_of_the_core_are_the_descriptors(void **state)
{
	const ProtobufCMessageDescriptor *inputs = &fealty__ledger__v1__inputs__descriptor;
	const ProtobufCEnumDescriptor *accounts = &fealty__ledger__v1__account__descriptor;
	const ProtobufCEnumDescriptor *classes = &fealty__ledger__v1__lot_class__descriptor;

	(void)state;
	unsigned known = 0;
	for (unsigned op = 0; op < OP_COUNT; ++op)
		known += op_known((enum op)op);
	assert_int_equal(inputs->n_fields, known);
	for (unsigned i = 0; i < inputs->n_fields; ++i) {
		assert_true(op_known((enum op)inputs->fields[i].id));
		assert_string_equal(inputs->fields[i].name, op_str((enum op)inputs->fields[i].id));
	}
	assert_int_equal(accounts->n_values, ACCOUNT_COUNT);
	for (int a = 1; a < ACCOUNT_COUNT; ++a)
		same_word(accounts->values[a].name, account_str((enum account)a));
	assert_int_equal(classes->n_values, LOT_CLASS_COUNT);
	for (int c = 1; c < LOT_CLASS_COUNT; ++c)
		same_word(classes->values[c].name, lot_class_str((enum lot_class)c));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_type_recurs),
		cmocka_unit_test(walk_sees_what_it_looks_for),
		cmocka_unit_test(all_fields_are_optional_or_repeated),
		cmocka_unit_test(numbers_used_by_hand_are_the_descriptors),
		cmocka_unit_test(enums_of_the_core_are_the_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
