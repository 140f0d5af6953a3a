/* Commands: what is taken over, what is refused and by which field, what a fingerprint covers, and bytes that are no command. */
#include "request_world.h"

#include <stdio.h>

#include "codec/field.h"
#include "fealty.pb-c.h"
#include "frame.h"

/* ---- what is taken over ---- */

static void
purchase_is_taken_over(void **state)
{
	struct world *w = *state;
	struct request r;
	struct refusal refusal = decode_json(w,
	    "{'op':'purchase','key':'k1','at':'2026-03-12T10:00:00Z','deadline_ms':250,'program':'acme',"
	    "'occurred_at':'2026-03-12T09:00:00Z','store':'s1','terminal':'7','terminal_seq':9,'member':'card:1','amount':'12.50',"
	    "'paid_with_points':'1','receipt_no':'r-1','lines':[{'sku':'latte','category':'drink','qty':2,'amount':'4.5'},"
	    "{'amount':'0'}]}", &r);

	assert_refused("purchase", &refusal, LEDGER_OK, NULL);
	assert_int_equal(r.op, REQUEST_PURCHASE);
	assert_string_equal(r.key, "k1");
	assert_true(r.has_at);
	assert_int_equal(r.at_us, INT64_C(1773309600000000));
	assert_int_equal(r.deadline_ms, 250);
	assert_string_equal(r.program, "acme");
	assert_string_equal(r.member, "card:1");
	assert_null(r.reference);
	assert_int_equal(r.cmd.op, OP_PURCHASE);
	assert_false(r.cmd.is_quote);
	assert_null(r.cmd.principal);
	assert_string_equal(r.cmd.request_id, "k1");
	assert_string_equal(r.cmd.store, "s1");
	assert_string_equal(r.cmd.terminal, "7");
	assert_int_equal(r.cmd.terminal_seq, 9);
	assert_true(r.cmd.has_occurred_at);
	assert_int_equal(r.cmd.occurred_at_us, INT64_C(1773306000000000));
	assert_int_equal(r.cmd.u.purchase.amount.mantissa, 1250);
	assert_int_equal(r.cmd.u.purchase.amount.digits, 2);
	assert_true(r.cmd.u.purchase.has_paid_with_points);
	assert_int_equal(r.cmd.u.purchase.paid_with_points.mantissa, 1);
	assert_string_equal(r.cmd.u.purchase.receipt_no, "r-1");
	assert_null(r.cmd.u.purchase.partner);
	assert_int_equal(r.cmd.u.purchase.n_lines, 2);
	assert_string_equal(r.cmd.u.purchase.lines[0].sku, "latte");
	assert_string_equal(r.cmd.u.purchase.lines[0].category, "drink");
	assert_int_equal(r.cmd.u.purchase.lines[0].qty, 2);
	assert_int_equal(r.cmd.u.purchase.lines[0].amount.mantissa, 45);
	assert_null(r.cmd.u.purchase.lines[1].sku);
	assert_int_equal(r.cmd.u.purchase.lines[1].qty, 1);		/* when left out */
}

static void
spending_is_taken_over(void **state)
{
	struct world *w = *state;
	struct request r;
	struct refusal refusal = decode_json(w, "{'op':'hold','key':'h','member':'m','points':'20.5','ttl':'15m','order_amount':'9'}", &r);

	assert_refused("hold", &refusal, LEDGER_OK, NULL);
	assert_int_equal(r.op, REQUEST_HOLD);
	assert_int_equal(r.cmd.u.hold.points.mantissa, 205);
	assert_true(r.cmd.u.hold.has_ttl && r.cmd.u.hold.has_order_amount);
	assert_int_equal(r.cmd.u.hold.ttl_us, 900 * US_PER_SECOND);

	refusal = decode_json(w, "{'op':'capture','key':'c','member':'m','hold':'12.0'}", &r);
	assert_refused("capture", &refusal, LEDGER_OK, NULL);
	assert_string_equal(r.reference, "12.0");
	assert_false(r.cmd.u.capture.has_points || r.cmd.u.capture.found);

	refusal = decode_json(w, "{'op':'release','key':'c','member':'m','hold':'h'}", &r);
	assert_refused("release", &refusal, LEDGER_OK, NULL);
	assert_int_equal(r.cmd.op, OP_RELEASE);
	assert_string_equal(r.reference, "h");

	refusal = decode_json(w, "{'op':'redeem','key':'c','member':'m','points':'7','round_down':true,'pool':false}", &r);
	assert_refused("redeem", &refusal, LEDGER_OK, NULL);
	assert_true(r.cmd.u.redeem.round_down);
	assert_false(r.cmd.u.redeem.has_order_amount);
}

static void
changes_of_a_member_are_taken_over(void **state)
{
	struct world *w = *state;
	struct request r;
	struct refusal refusal = decode_json(w,
	    "{'op':'enrol','key':'e','member':'m','birthday':'1984-02-29','aliases':['app:1','card:2'],'segments':['staff']}", &r);

	assert_refused("enrol", &refusal, LEDGER_OK, NULL);
	assert_true(r.has_birthday && r.has_segments);
	assert_int_equal(r.birthday_month, 2);
	assert_int_equal(r.birthday_day, 29);
	assert_int_equal(r.n_aliases, 3);
	assert_string_equal(r.aliases[0], "m");
	assert_string_equal(r.aliases[2], "card:2");
	assert_int_equal(r.n_segments, 1);

	refusal = decode_json(w,
	    "{'op':'profile','key':'e','member':'m','birthday':'12-31','add_aliases':['a'],'remove_aliases':['b','c']}", &r);
	assert_refused("profile", &refusal, LEDGER_OK, NULL);
	assert_int_equal(r.birthday_month, 12);
	assert_int_equal(r.n_aliases, 1);
	assert_string_equal(r.aliases[0], "a");
	assert_int_equal(r.n_remove, 2);
	assert_string_equal(r.remove[1], "c");
	assert_false(r.has_segments);

	refusal = decode_json(w, "{'op':'adjust','key':'a','member':'m','points':'-3','reason':'goodwill','tier_points':true}", &r);
	assert_refused("adjust", &refusal, LEDGER_OK, NULL);
	assert_int_equal(r.cmd.u.adjust.points.mantissa, -3);
	assert_int_equal(r.cmd.u.adjust.last_day, DAY_NONE);
	assert_true(r.cmd.u.adjust.tier_points);

	refusal = decode_json(w, "{'op':'freeze','key':'a','member':'m','reason':'fraud'}", &r);
	assert_int_equal(refusal.result, LEDGER_OK);
	assert_int_equal(r.op, REQUEST_FREEZE);
	assert_int_equal(r.cmd.op, OP_FREEZE);
	assert_true(request_op_writes(r.op));
	assert_string_equal(r.member, "m");
	assert_string_equal(r.cmd.u.standing.reason, "fraud");
	refusal = decode_json(w, "{'op':'unfreeze','key':'a','member':'m'}", &r);
	assert_int_equal(refusal.result, LEDGER_OK);
	assert_int_equal(r.cmd.op, OP_UNFREEZE);
	assert_null(r.cmd.u.standing.reason);
	refusal = decode_json(w, "{'op':'close','key':'a','member':'m','reason':'left'}", &r);
	assert_int_equal(refusal.result, LEDGER_OK);
	assert_int_equal(r.cmd.op, OP_CLOSE);
	assert_string_equal(r.cmd.u.standing.reason, "left");
	refusal = decode_json(w, "{'op':'tier','key':'a','member':'m','tier':'','reason':'r'}", &r);
	assert_refused("tier", &refusal, LEDGER_OK, NULL);
	assert_string_equal(r.cmd.u.tier.tier, "");
	assert_int_equal(r.cmd.u.tier.until, DAY_NEVER);

	refusal = decode_json(w, "{'op':'activity','key':'a','member':'m','activity':'delivered','purchase':'r1','amount':'1.5','score':9,'partner':'air'}",
	    &r);
	assert_refused("activity", &refusal, LEDGER_OK, NULL);
	assert_int_equal(r.cmd.op, OP_ACTIVITY);
	assert_string_equal(r.cmd.u.activity.activity, "delivered");
	assert_string_equal(r.reference, "r1");
	assert_true(r.cmd.u.activity.names_purchase && r.cmd.u.activity.has_amount && r.cmd.u.activity.has_score);
	assert_int_equal(r.cmd.u.activity.amount.mantissa, 15);
	assert_int_equal(r.cmd.u.activity.score, 9);
	assert_int_equal(r.cmd.u.activity.qty, 1);
	assert_string_equal(r.cmd.u.activity.partner, "air");
	refusal = decode_json(w, "{'op':'birthday','key':'a','member':'m'}", &r);
	assert_refused("birthday", &refusal, LEDGER_OK, NULL);
	assert_int_equal(r.cmd.u.birthday.given, DAY_NONE);
}

static void
publish_is_taken_over(void **state)
{
	struct world *w = *state;
	struct request r;
	struct refusal refusal = decode_json(w, "{'op':'publish','key':'p','version':2,'definition':{'id':'acme','name':'Acme'}}", &r);

	assert_refused("publish", &refusal, LEDGER_OK, NULL);
	assert_string_equal(r.cmd.u.publish.id, "acme");
	assert_int_equal(r.cmd.u.publish.version, 2);
	assert_non_null(r.definition);
	assert_string_equal(r.definition->name, "Acme");
	protobuf_c_message_free_unpacked(assert_as_generated(&fealty__program__v1__program__descriptor, r.cmd.u.publish.definition), NULL);
}

static void
reads_are_taken_over(void **state)
{
	struct world *w = *state;
	struct request r;
	struct refusal refusal = decode_json(w, "{'op':'history','member':'m','before':17}", &r);

	assert_refused("history", &refusal, LEDGER_OK, NULL);
	assert_null(r.key);
	assert_true(r.has_before);
	assert_int_equal(r.before_seq, 17);
	assert_int_equal(r.limit, 20);
	assert_int_equal(r.canonical.len, 0);

	refusal = decode_json(w, "{'op':'balance','member':'m','as_of':'2026-03-12T10:00:00Z'}", &r);
	assert_refused("balance", &refusal, LEDGER_OK, NULL);
	assert_true(r.has_as_of);

	refusal = decode_json(w, "{'op':'transaction','seq':0}", &r);
	assert_refused("transaction", &refusal, LEDGER_OK, NULL);
	assert_true(r.has_seq);
	refusal = decode_json(w, "{'op':'transaction','command':'k1'}", &r);
	assert_refused("transaction", &refusal, LEDGER_OK, NULL);
	assert_string_equal(r.reference, "k1");
	assert_false(r.has_seq);

	refusal = decode_json(w, "{'op':'program','version':3}", &r);
	assert_refused("program", &refusal, LEDGER_OK, NULL);
	assert_int_equal(r.version, 3);

	refusal = decode_json(w, "{'op':'subscribe','after':5,'credits':100}", &r);
	assert_refused("subscribe", &refusal, LEDGER_OK, NULL);
	assert_true(r.has_after);
	assert_int_equal(r.after_seq, 5);
	assert_int_equal(r.credits, 100);

	refusal = decode_json(w, "{'op':'quote','member':'m','amount':'0','occurred_at':'2026-03-12T10:00:00Z','store':'s'}", &r);
	assert_refused("quote", &refusal, LEDGER_OK, NULL);
	assert_int_equal(r.cmd.op, OP_PURCHASE);
	assert_true(r.cmd.is_quote);
}

/* ---- what is refused ---- */

#define W "'key':'k','member':'m',"		/* of a write */
#define PURCHASE "{'op':'purchase'," W "'amount':'1',"
#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ROTATE "{'op':'rotate_key','key':'k','new_key':'" HEX64 "'"
#define APPROVE "{'op':'approve','key':'k','command':'12.0','signature':'" HEX64 HEX64 "','key_id':'0123456789abcdef'"
#define APPROVER(principal, key) "{'op':'approver_key','key':'k','principal':'" principal "','public_key':'" key "'"
#define LONG65 "12345678901234567890123456789012345678901234567890123456789012345"

static const struct { const char *json; enum ledger_result want; const char *field; } refused[] = {
	/* the envelope */
	{ "{'op':'purchase','member':'m','amount':'1'}", LEDGER_INVALID_ARGUMENT, "key" },
	{ "{'op':'clock_accept'}", LEDGER_INVALID_ARGUMENT, "key" },
	{ "{'op':'clock_accept','key':''}", LEDGER_INVALID_ARGUMENT, "key" },
	{ "{'op':'clock_accept','key':'a b'}", LEDGER_INVALID_ARGUMENT, "key" },
	{ "{'op':'clock_accept','key':'" LONG65 "'}", LEDGER_INVALID_ARGUMENT, "key" },
	{ "{'op':'clock_accept','key':'k'}", LEDGER_OK, NULL },

	/* rotate_key */
	{ ROTATE "}", LEDGER_OK, NULL },
	{ ROTATE ",'kind':'transaction'}", LEDGER_OK, NULL },
	{ ROTATE ",'kind':'checkpoint','overlap_days':365}", LEDGER_OK, NULL },
	{ ROTATE ",'kind':'checkpoint','reason':'lost','overlap_days':0}", LEDGER_OK, NULL },
	{ ROTATE ",'kind':'checkpoint','reason':'compromised'}", LEDGER_OK, NULL },
	{ "{'op':'rotate_key','key':'k'}", LEDGER_INVALID_ARGUMENT, "new_key" },
	{ "{'op':'rotate_key','key':'k','new_key':''}", LEDGER_INVALID_ARGUMENT, "new_key" },
	{ "{'op':'rotate_key','key':'k','new_key':'ab'}", LEDGER_INVALID_ARGUMENT, "new_key" },
	{ "{'op':'rotate_key','new_key':'" HEX64 "'}", LEDGER_INVALID_ARGUMENT, "key" },
	{ ROTATE ",'kind':'vault'}", LEDGER_INVALID_ARGUMENT, "kind" },
	{ ROTATE ",'kind':''}", LEDGER_INVALID_ARGUMENT, "kind" },
	{ ROTATE ",'overlap_days':0}", LEDGER_INVALID_ARGUMENT, "overlap_days" },
	{ ROTATE ",'kind':'checkpoint','overlap_days':366}", LEDGER_INVALID_ARGUMENT, "overlap_days" },
	{ ROTATE ",'kind':'checkpoint','overlap_days':1,'reason':'lost'}", LEDGER_INVALID_ARGUMENT, "overlap_days" },
	{ ROTATE ",'kind':'checkpoint','reason':'bored'}", LEDGER_INVALID_ARGUMENT, "reason" },
	{ ROTATE ",'reason':'lost'}", LEDGER_INVALID_ARGUMENT, "reason" },
	{ ROTATE ",'program':'acme'}", LEDGER_INVALID_ARGUMENT, "program" },
	/* approve, approver_key */
	{ APPROVE "}", LEDGER_OK, NULL },
	{ APPROVE ",'program':'acme'}", LEDGER_OK, NULL },
	{ "{'op':'approve','key':'k','signature':'" HEX64 HEX64 "','key_id':'0123456789abcdef'}", LEDGER_INVALID_ARGUMENT, "command" },
	{ "{'op':'approve','key':'k','command':'a b','signature':'" HEX64 HEX64 "','key_id':'0123456789abcdef'}", LEDGER_INVALID_ARGUMENT, "command" },
	{ "{'op':'approve','key':'k','command':'12.0','key_id':'0123456789abcdef'}", LEDGER_INVALID_ARGUMENT, "signature" },
	{ "{'op':'approve','key':'k','command':'12.0','signature':'" HEX64 "','key_id':'0123456789abcdef'}", LEDGER_INVALID_ARGUMENT, "signature" },
	{ "{'op':'approve','key':'k','command':'12.0','signature':'" HEX64 HEX64 "ab','key_id':'0123456789abcdef'}", LEDGER_INVALID_ARGUMENT, "signature" },
	{ "{'op':'approve','key':'k','command':'12.0','signature':'" HEX64 HEX64 "'}", LEDGER_INVALID_ARGUMENT, "key_id" },
	{ "{'op':'approve','key':'k','command':'12.0','signature':'" HEX64 HEX64 "','key_id':'0123456789abcd'}", LEDGER_INVALID_ARGUMENT, "key_id" },
	{ "{'op':'approve','command':'12.0','signature':'" HEX64 HEX64 "','key_id':'0123456789abcdef'}", LEDGER_INVALID_ARGUMENT, "key" },
	{ APPROVER("approver/kim", HEX64) "}", LEDGER_OK, NULL },
	{ APPROVER("approver/kim", HEX64) ",'until':'2026-12-31'}", LEDGER_OK, NULL },
	{ APPROVER("approver/kim", HEX64) ",'program':'acme'}", LEDGER_INVALID_ARGUMENT, "program" },
	{ APPROVER("approver/kim", "ab") "}", LEDGER_INVALID_ARGUMENT, "public_key" },
	{ APPROVER("approver", HEX64) "}", LEDGER_INVALID_ARGUMENT, "principal" },
	{ APPROVER("approver/", HEX64) "}", LEDGER_INVALID_ARGUMENT, "principal" },
	{ APPROVER("operator/kim", HEX64) "}", LEDGER_INVALID_ARGUMENT, "principal" },
	{ "{'op':'approver_key','key':'k','public_key':'" HEX64 "'}", LEDGER_INVALID_ARGUMENT, "principal" },
	{ "{'op':'approver_key','key':'k','principal':'approver/kim'}", LEDGER_INVALID_ARGUMENT, "public_key" },

	{ "{'op':'balance','member':'m','key':'k'}", LEDGER_INVALID_ARGUMENT, "key" },
	{ "{'op':'quote'," W "'amount':'1'}", LEDGER_INVALID_ARGUMENT, "key" },
	{ "{'op':'balance','member':'m','store':'s'}", LEDGER_INVALID_ARGUMENT, "store" },
	{ "{'op':'balance','member':'m','terminal':'s'}", LEDGER_INVALID_ARGUMENT, "terminal" },
	{ "{'op':'balance','member':'m','terminal_seq':1}", LEDGER_INVALID_ARGUMENT, "terminal_seq" },
	{ "{'op':'balance','member':'m','occurred_at':'2026-03-12T10:00:00Z'}", LEDGER_INVALID_ARGUMENT, "occurred_at" },
	{ PURCHASE "'occurred_at':'0001-12-31T23:59:59Z'}", LEDGER_INVALID_ARGUMENT, "occurred_at" },
	{ PURCHASE "'occurred_at':'0002-01-01T00:00:00Z'}", LEDGER_OK, NULL },
	{ PURCHASE "'at':'9998-12-31T23:59:59Z'}", LEDGER_OK, NULL },
	{ PURCHASE "'at':'9999-01-01T00:00:00Z'}", LEDGER_INVALID_ARGUMENT, "at" },
	{ "{'op':'balance','member':'m','terminal_refused':[{'first':1,'last':1}]}", LEDGER_INVALID_ARGUMENT, "terminal_refused" },
	{ PURCHASE "'terminal_seq':9,'terminal_refused':[{'first':1,'last':3},{'first':8,'last':8}]}", LEDGER_OK, NULL },
	{ PURCHASE "'terminal_seq':9,'terminal_refused':[{'first':9,'last':9}]}", LEDGER_INVALID_ARGUMENT, "terminal_refused" },
	{ PURCHASE "'terminal_seq':9,'terminal_refused':[{'first':3,'last':2}]}", LEDGER_INVALID_ARGUMENT, "terminal_refused" },
	{ PURCHASE "'terminal_seq':9,'terminal_refused':[{'first':3}]}", LEDGER_INVALID_ARGUMENT, "terminal_refused" },
	{ PURCHASE "'terminal_seq':9,'terminal_refused':[{'first':3,'last':4},{'first':1,'last':1}]}", LEDGER_INVALID_ARGUMENT, "terminal_refused" },
	{ PURCHASE "'terminal_refused':[{'first':1,'last':1}]}", LEDGER_INVALID_ARGUMENT, "terminal_refused" },
	{ "{'op':'vault'}", LEDGER_OK, NULL },
	{ "{'op':'vault','rotate':true}", LEDGER_OK, NULL },
	{ "{'op':'vault','key':'k'}", LEDGER_INVALID_ARGUMENT, "key" },
	{ "{'op':'vault','program':'p'}", LEDGER_INVALID_ARGUMENT, "program" },
	{ "{'op':'scrub'}", LEDGER_OK, NULL },
	{ "{'op':'scrub','now':true}", LEDGER_OK, NULL },
	{ "{'op':'scrub','key':'k'}", LEDGER_INVALID_ARGUMENT, "key" },
	{ "{'op':'scrub','program':'p'}", LEDGER_INVALID_ARGUMENT, "program" },
	{ "{'op':'person','member':'a'}", LEDGER_OK, NULL },
	{ "{'op':'person','member_no':7}", LEDGER_OK, NULL },
	{ "{'op':'person'}", LEDGER_INVALID_ARGUMENT, "member" },
	{ "{'op':'person','member_no':0}", LEDGER_INVALID_ARGUMENT, "member_no" },
	{ "{'op':'person','member':'a','member_no':7}", LEDGER_INVALID_ARGUMENT, "member_no" },
	{ "{'op':'history','member_no':7}", LEDGER_OK, NULL },
	{ "{'op':'history','member':'a','member_no':7}", LEDGER_INVALID_ARGUMENT, "member_no" },
	{ "{'op':'terminals'}", LEDGER_OK, NULL },
	{ "{'op':'terminals','principal':'pos/1/2','with_trouble':true,'limit':100,'after':'00ff'}", LEDGER_OK, NULL },
	{ "{'op':'terminals','principal':'till'}", LEDGER_INVALID_ARGUMENT, "principal" },
	{ "{'op':'terminals','limit':101}", LEDGER_INVALID_ARGUMENT, "limit" },
	{ "{'op':'terminals','limit':0}", LEDGER_INVALID_ARGUMENT, "limit" },
	{ "{'op':'terminals','key':'k'}", LEDGER_INVALID_ARGUMENT, "key" },
	{ PURCHASE "'store':''}", LEDGER_INVALID_ARGUMENT, "store" },
	{ PURCHASE "'store':'" LONG65 "'}", LEDGER_INVALID_ARGUMENT, "store" },
	{ PURCHASE "'terminal':'a\\tb'}", LEDGER_INVALID_ARGUMENT, "terminal" },
	{ PURCHASE "'terminal':'a\\u0085b'}", LEDGER_INVALID_ARGUMENT, "terminal" },
	{ PURCHASE "'terminal':'caf\\u00e9'}", LEDGER_OK, NULL },
	{ PURCHASE "'program':'Acme'}", LEDGER_INVALID_ARGUMENT, "program" },
	{ PURCHASE "'program':''}", LEDGER_INVALID_ARGUMENT, "program" },
	{ PURCHASE "'want_receipt':true}", LEDGER_OK, NULL },
	{ PURCHASE "'want_receipt':false}", LEDGER_OK, NULL },

	/* purchase */
	{ "{'op':'purchase','key':'k','amount':'1'}", LEDGER_INVALID_ARGUMENT, "member" },
	{ "{'op':'purchase','key':'k','member':'','amount':'1'}", LEDGER_INVALID_ARGUMENT, "member" },
	{ "{'op':'purchase','key':'k','member':'a\\u0001','amount':'1'}", LEDGER_INVALID_ARGUMENT, "member" },
	{ "{'op':'purchase','key':'k','member':'" LONG65 LONG65 "','amount':'1'}", LEDGER_INVALID_ARGUMENT, "member" },
	{ "{'op':'purchase','key':'k','member':'m'}", LEDGER_INVALID_ARGUMENT, "amount" },
	{ "{'op':'purchase'," W "'amount':'-1'}", LEDGER_INVALID_ARGUMENT, "amount" },
	{ "{'op':'purchase'," W "'amount':'1,5'}", LEDGER_INVALID_ARGUMENT, "amount" },
	{ "{'op':'purchase'," W "'amount':'99999999999999999999'}", LEDGER_INVALID_ARGUMENT, "amount" },
	{ "{'op':'purchase'," W "'amount':'0'}", LEDGER_OK, NULL },
	{ PURCHASE "'partner':'p p'}", LEDGER_INVALID_ARGUMENT, "partner" },
	{ "{'op':'activity'," W "'activity':'Review'}", LEDGER_INVALID_ARGUMENT, "activity" },
	{ "{'op':'activity','key':'k','member':'m'}", LEDGER_INVALID_ARGUMENT, "activity" },
	{ "{'op':'activity','key':'k','activity':'a'}", LEDGER_INVALID_ARGUMENT, "member" },
	{ "{'op':'activity'," W "'activity':'a','qty':0}", LEDGER_INVALID_ARGUMENT, "qty" },
	{ "{'op':'activity'," W "'activity':'a','amount':'-1'}", LEDGER_INVALID_ARGUMENT, "amount" },
	{ "{'op':'activity'," W "'activity':'a','purchase':'no such!'}", LEDGER_INVALID_ARGUMENT, "purchase" },
	{ "{'op':'activity'," W "'activity':'a','partner':'A'}", LEDGER_INVALID_ARGUMENT, "partner" },
	{ PURCHASE "'paid_with_points':'x'}", LEDGER_INVALID_ARGUMENT, "paid_with_points" },
	{ PURCHASE "'paid_with_points':'-1'}", LEDGER_INVALID_ARGUMENT, "paid_with_points" },
	{ PURCHASE "'paid_with_points':'1.00'}", LEDGER_OK, NULL },
	{ PURCHASE "'paid_with_points':'1.01'}", LEDGER_INVALID_ARGUMENT, "paid_with_points" },
	{ PURCHASE "'lines':[{'amount':'0.5'},{'amount':'0.500'}]}", LEDGER_OK, NULL },
	{ PURCHASE "'lines':[{'amount':'0.5'},{'amount':'0.501'}]}", LEDGER_INVALID_ARGUMENT, "lines" },
	{ PURCHASE "'receipt_no':''}", LEDGER_INVALID_ARGUMENT, "receipt_no" },
	{ PURCHASE "'lines':[{'sku':'a'}]}", LEDGER_INVALID_ARGUMENT, "lines[0].amount" },
	{ PURCHASE "'lines':[{'amount':'1'},{'amount':'-1'}]}", LEDGER_INVALID_ARGUMENT, "lines[1].amount" },
	{ PURCHASE "'lines':[{'amount':'1','qty':0}]}", LEDGER_INVALID_ARGUMENT, "lines[0].qty" },
	{ PURCHASE "'lines':[{'amount':'1','sku':''}]}", LEDGER_INVALID_ARGUMENT, "lines[0].sku" },
	{ PURCHASE "'lines':[{'amount':'1','category':'" LONG65 "'}]}", LEDGER_INVALID_ARGUMENT, "lines[0].category" },

	/* hold, capture, release, redeem */
	{ "{'op':'hold','key':'k','points':'1'}", LEDGER_INVALID_ARGUMENT, "member" },
	{ "{'op':'hold'," W "'ttl':'1s'}", LEDGER_INVALID_ARGUMENT, "points" },
	{ "{'op':'hold'," W "'points':'0'}", LEDGER_POINTS_NOT_POSITIVE, "points" },
	{ "{'op':'hold'," W "'points':'0.00','order_amount':'x'}", LEDGER_INVALID_ARGUMENT, "order_amount" },
	{ "{'op':'hold'," W "'points':'-1'}", LEDGER_INVALID_ARGUMENT, "points" },
	{ "{'op':'hold'," W "'points':'1','voucher':'v'}", LEDGER_INVALID_ARGUMENT, "voucher" },
	{ "{'op':'hold'," W "'voucher':'v'}", LEDGER_OK, NULL },
	{ "{'op':'hold'," W "'voucher':'a b'}", LEDGER_INVALID_ARGUMENT, "voucher" },
	{ "{'op':'voucher_use'," W "'voucher':'v'}", LEDGER_OK, NULL },
	{ "{'op':'voucher_use'," W "'voucher':'7N2ND-WQA08J','order_amount':'4500','offline':true}", LEDGER_OK, NULL },
	{ "{'op':'voucher_use','key':'k','voucher':'v'}", LEDGER_INVALID_ARGUMENT, "member" },
	{ "{'op':'voucher_use'," W "'order_amount':'1'}", LEDGER_INVALID_ARGUMENT, "voucher" },
	{ "{'op':'voucher_use'," W "'voucher':''}", LEDGER_INVALID_ARGUMENT, "voucher" },
	{ "{'op':'voucher_use'," W "'voucher':'v','order_amount':'-1'}", LEDGER_INVALID_ARGUMENT, "order_amount" },
	{ "{'op':'voucher_void'," W "'voucher':'v','reason':'misprint'}", LEDGER_OK, NULL },
	{ "{'op':'voucher_void'," W "'reason':'misprint'}", LEDGER_INVALID_ARGUMENT, "voucher" },
	{ "{'op':'voucher_void'," W "'voucher':'v'}", LEDGER_INVALID_ARGUMENT, "reason" },
	{ "{'op':'voucher_void'," W "'voucher':'v','reason':'Mis print'}", LEDGER_INVALID_ARGUMENT, "reason" },
	{ "{'op':'hold'," W "'points':'1','ttl':'0s'}", LEDGER_INVALID_ARGUMENT, "ttl" },
	{ "{'op':'hold'," W "'points':'1','ttl':'15'}", LEDGER_INVALID_ARGUMENT, "ttl" },
	{ "{'op':'hold'," W "'points':'1','ttl':'1s'}", LEDGER_OK, NULL },
	{ "{'op':'hold'," W "'points':'1','pool':true}", LEDGER_OK, NULL },
	{ "{'op':'hold'," W "'points':'1','partner':'p'}", LEDGER_OK, NULL },
	{ "{'op':'hold'," W "'points':'1','partner':'P'}", LEDGER_INVALID_ARGUMENT, "partner" },
	{ "{'op':'hold'," W "'points':'1','for_terminal':'t'}", LEDGER_OK, NULL },
	{ "{'op':'hold'," W "'points':'1','for_terminal':'pos/s/t'}", LEDGER_OK, NULL },
	{ "{'op':'hold'," W "'points':'1','for_terminal':''}", LEDGER_INVALID_ARGUMENT, "for_terminal" },
	{ "{'op':'hold'," W "'points':'1','for_terminal':'a/b/c'}", LEDGER_INVALID_ARGUMENT, "for_terminal" },
	{ "{'op':'hold'," W "'points':'1','for_terminal':'" LONG65 "'}", LEDGER_INVALID_ARGUMENT, "for_terminal" },
	{ "{'op':'capture'," W "'points':'1'}", LEDGER_INVALID_ARGUMENT, "hold" },
	{ "{'op':'capture'," W "'hold':'a b'}", LEDGER_INVALID_ARGUMENT, "hold" },
	{ "{'op':'capture'," W "'hold':'h','points':'0'}", LEDGER_POINTS_NOT_POSITIVE, "points" },
	{ "{'op':'capture'," W "'hold':'h','points':'-1'}", LEDGER_INVALID_ARGUMENT, "points" },
	{ "{'op':'capture','key':'k','hold':'h'}", LEDGER_INVALID_ARGUMENT, "member" },
	{ "{'op':'release'," W "'hold':''}", LEDGER_INVALID_ARGUMENT, "hold" },
	{ "{'op':'release','key':'k','hold':'h'}", LEDGER_INVALID_ARGUMENT, "member" },
	{ "{'op':'redeem'," W "'reward':'A reward'}", LEDGER_INVALID_ARGUMENT, "reward" },
	{ "{'op':'redeem'," W "'reward':'r','points':'1'}", LEDGER_INVALID_ARGUMENT, "points" },
	{ "{'op':'redeem'," W "'reward':'r','order_amount':'1'}", LEDGER_INVALID_ARGUMENT, "order_amount" },
	{ "{'op':'redeem'," W "'reward':'r','round_down':true}", LEDGER_INVALID_ARGUMENT, "round_down" },
	{ "{'op':'redeem'," W "'order_amount':'5'}", LEDGER_INVALID_ARGUMENT, "points" },
	{ "{'op':'redeem'," W "'points':'0'}", LEDGER_POINTS_NOT_POSITIVE, "points" },
	{ "{'op':'redeem'," W "'points':'1','order_amount':'-5'}", LEDGER_INVALID_ARGUMENT, "order_amount" },
	{ "{'op':'redeem'," W "'points':'1','pool':true}", LEDGER_OK, NULL },
	{ "{'op':'pool_join'," W "'head':'h'}", LEDGER_OK, NULL },
	{ "{'op':'pool_join'," W "'head':''}", LEDGER_INVALID_ARGUMENT, "head" },
	{ "{'op':'pool_join','key':'k','head':'h'}", LEDGER_INVALID_ARGUMENT, "member" },
	{ "{'op':'pool_leave','key':'k'}", LEDGER_INVALID_ARGUMENT, "member" },
	{ "{'op':'membership_start'," W "'membership':'prime','trial':true}", LEDGER_OK, NULL },
	{ "{'op':'membership_start'," W "'trial':true}", LEDGER_INVALID_ARGUMENT, "membership" },
	{ "{'op':'membership_renew'," W "'membership':'Prime'}", LEDGER_INVALID_ARGUMENT, "membership" },
	{ "{'op':'membership_cancel','key':'k','membership':'prime'}", LEDGER_INVALID_ARGUMENT, "member" },
	{ "{'op':'redeem'," W "'points':'1','partner':'p'}", LEDGER_OK, NULL },
	{ "{'op':'redeem'," W "'points':'1','partner':''}", LEDGER_INVALID_ARGUMENT, "partner" },

	/* adjust, tier, birthday */
	{ "{'op':'adjust'," W "'points':'0','reason':'r'}", LEDGER_POINTS_NOT_POSITIVE, "points" },
	{ "{'op':'adjust'," W "'points':'0'}", LEDGER_INVALID_ARGUMENT, "reason" },
	{ "{'op':'adjust'," W "'reason':'r'}", LEDGER_INVALID_ARGUMENT, "points" },
	{ "{'op':'adjust'," W "'points':'1','reason':'Free text'}", LEDGER_INVALID_ARGUMENT, "reason" },
	{ "{'op':'adjust'," W "'points':'1','reason':'a12345678901234567890123456789012'}", LEDGER_INVALID_ARGUMENT, "reason" },
	{ "{'op':'adjust'," W "'points':'1','reason':'r','last_day':'9999-12-31'}", LEDGER_OK, NULL },
	{ "{'op':'tier'," W "'reason':'r'}", LEDGER_INVALID_ARGUMENT, "tier" },
	{ "{'op':'tier'," W "'tier':'Gold','reason':'r'}", LEDGER_INVALID_ARGUMENT, "tier" },
	{ "{'op':'tier'," W "'tier':'gold'}", LEDGER_INVALID_ARGUMENT, "reason" },
	{ "{'op':'freeze','key':'k','member':'m'}", LEDGER_INVALID_ARGUMENT, "reason" },
	{ "{'op':'freeze','key':'k','reason':'r'}", LEDGER_INVALID_ARGUMENT, "member" },
	{ "{'op':'unfreeze'," W "'reason':'no code'}", LEDGER_INVALID_ARGUMENT, "reason" },
	{ "{'op':'close','key':'k','member':'m'}", LEDGER_INVALID_ARGUMENT, "reason" },
	{ "{'op':'close','member':'m','reason':'r'}", LEDGER_INVALID_ARGUMENT, "key" },
	{ "{'op':'birthday','key':'k'}", LEDGER_INVALID_ARGUMENT, "member" },

	/* enrol, profile */
	{ "{'op':'enrol','key':'k'}", LEDGER_INVALID_ARGUMENT, "member" },
	{ "{'op':'enrol'," W "'birthday':'02-30'}", LEDGER_INVALID_ARGUMENT, "birthday" },
	{ "{'op':'enrol'," W "'birthday':'2-3'}", LEDGER_INVALID_ARGUMENT, "birthday" },
	{ "{'op':'enrol'," W "'birthday':''}", LEDGER_INVALID_ARGUMENT, "birthday" },
	{ "{'op':'enrol'," W "'birthday':'2025-02-29'}", LEDGER_INVALID_ARGUMENT, "birthday" },
	{ "{'op':'enrol'," W "'referrer':'r'}", LEDGER_OK, NULL },
	{ "{'op':'enrol'," W "'referrer':''}", LEDGER_INVALID_ARGUMENT, "referrer" },

	/* opening, consent, erase */
	{ "{'op':'opening'," W "'aliases':['a'],'lots':[{'points':'5','last_day':'2026-01-01'},{'points':'1'}],'tier':'gold','tier_until':'2026-02-01',"
	    "'counters':{'nights':3}}", LEDGER_OK, NULL },
	{ "{'op':'opening','key':'k'}", LEDGER_INVALID_ARGUMENT, "member" },
	{ "{'op':'opening'," W "'aliases':['m']}", LEDGER_INVALID_ARGUMENT, "aliases[0]" },
	{ "{'op':'opening'," W "'lots':[{'points':'5'},{'last_day':'2026-01-01'}]}", LEDGER_INVALID_ARGUMENT, "lots[1].points" },
	{ "{'op':'opening'," W "'lots':[{'points':'x'}]}", LEDGER_INVALID_ARGUMENT, "lots[0].points" },
	{ "{'op':'opening'," W "'lots':[{'points':'-1'}]}", LEDGER_INVALID_ARGUMENT, "lots[0].points" },
	{ "{'op':'opening'," W "'lots':[{'points':'0.00'}]}", LEDGER_POINTS_NOT_POSITIVE, "lots[0].points" },
	{ "{'op':'opening'," W "'lots':[{'points':'0'},{'points':'-1'}]}", LEDGER_INVALID_ARGUMENT, "lots[1].points" },
	{ "{'op':'opening'," W "'tier':'No'}", LEDGER_INVALID_ARGUMENT, "tier" },
	{ "{'op':'opening'," W "'tier_until':'2026-02-01'}", LEDGER_INVALID_ARGUMENT, "tier_until" },
	{ "{'op':'opening'," W "'counters':{'No':3}}", LEDGER_INVALID_ARGUMENT, "counters[0].id" },
	{ "{'op':'consent'," W "'purpose':'mail','given':false}", LEDGER_OK, NULL },
	{ "{'op':'consent'," W "'given':false}", LEDGER_INVALID_ARGUMENT, "purpose" },
	{ "{'op':'consent'," W "'purpose':'no code','given':true}", LEDGER_INVALID_ARGUMENT, "purpose" },
	{ "{'op':'consent'," W "'purpose':'mail'}", LEDGER_INVALID_ARGUMENT, "given" },
	{ "{'op':'erase','key':'k'}", LEDGER_INVALID_ARGUMENT, "member" },
	{ "{'op':'erase','member':'m'}", LEDGER_INVALID_ARGUMENT, "key" },
	{ "{'op':'enrol'," W "'aliases':['a','']}", LEDGER_INVALID_ARGUMENT, "aliases[1]" },
	{ "{'op':'enrol'," W "'aliases':['a','a']}", LEDGER_INVALID_ARGUMENT, "aliases[1]" },
	{ "{'op':'enrol'," W "'aliases':['m']}", LEDGER_INVALID_ARGUMENT, "aliases[0]" },
	{ "{'op':'enrol'," W "'aliases':['1','2','3','4','5','6','7','8','9','10','11','12','13','14','15','16']}", LEDGER_OK, NULL },
	{ "{'op':'enrol'," W "'aliases':['1','2','3','4','5','6','7','8','9','10','11','12','13','14','15','16','17']}",
	    LEDGER_INVALID_ARGUMENT, "aliases" },
	{ "{'op':'enrol'," W "'segments':['A']}", LEDGER_INVALID_ARGUMENT, "segments[0]" },
	{ "{'op':'profile'," W "'segments':['1','2','3','4','5','6','7','8','9','10','11','12','13','14','15','16','17']}",
	    LEDGER_INVALID_ARGUMENT, "segments" },
	{ "{'op':'profile'," W "'add_aliases':['a'],'remove_aliases':['a']}", LEDGER_INVALID_ARGUMENT, "remove_aliases[0]" },
	{ "{'op':'profile','key':'k'}", LEDGER_INVALID_ARGUMENT, "member" },

	/* publish */
	{ "{'op':'publish','key':'k'}", LEDGER_INVALID_ARGUMENT, "definition" },
	{ "{'op':'publish','key':'k','version':0,'definition':{'id':'a'}}", LEDGER_INVALID_ARGUMENT, "version" },
	{ "{'op':'publish','key':'k','definition':{'name':'a'}}", LEDGER_INVALID_ARGUMENT, "id" },
	{ "{'op':'publish','key':'k','definition':{'id':'a','earn':[{'id':'x'}]}}", LEDGER_INVALID_ARGUMENT, "earn[0].on" },

	/* reads */
	{ "{'op':'balance'}", LEDGER_INVALID_ARGUMENT, "member" },
	{ "{'op':'balance','member':'m','pool':true}", LEDGER_OK, NULL },
	{ "{'op':'balance','member':'m','as_of':'9999-06-01T00:00:00Z'}", LEDGER_INVALID_ARGUMENT, "as_of" },
	{ "{'op':'history','member':'m','limit':0}", LEDGER_INVALID_ARGUMENT, "limit" },
	{ "{'op':'history','member':'m','limit':101}", LEDGER_INVALID_ARGUMENT, "limit" },
	{ "{'op':'history','member':'m','limit':100}", LEDGER_OK, NULL },
	{ "{'op':'transaction'}", LEDGER_INVALID_ARGUMENT, "command" },
	{ "{'op':'transaction','seq':1,'command':'k'}", LEDGER_INVALID_ARGUMENT, "command" },
	{ "{'op':'transaction','command':'a/b'}", LEDGER_INVALID_ARGUMENT, "command" },
	{ "{'op':'checkpoint'}", LEDGER_OK, NULL },
	{ "{'op':'checkpoint','size':0}", LEDGER_INVALID_ARGUMENT, "size" },
	{ "{'op':'proof'}", LEDGER_INVALID_ARGUMENT, "command" },
	{ "{'op':'proof','seq':0}", LEDGER_OK, NULL },
	{ "{'op':'proof','seq':0,'command':'k'}", LEDGER_INVALID_ARGUMENT, "command" },
	{ "{'op':'proof','seq':0,'from':1}", LEDGER_INVALID_ARGUMENT, "from" },
	{ "{'op':'proof','seq':0,'to':1}", LEDGER_INVALID_ARGUMENT, "to" },
	{ "{'op':'proof','from':2,'to':1}", LEDGER_INVALID_ARGUMENT, "to" },
	{ "{'op':'proof','from':0,'to':0}", LEDGER_INVALID_ARGUMENT, "to" },
	{ "{'op':'proof','from':0}", LEDGER_OK, NULL },
	{ "{'op':'program','version':0}", LEDGER_INVALID_ARGUMENT, "version" },
	{ "{'op':'subscribe','member':'m'}", LEDGER_OK, NULL },
	{ "{'op':'subscribe','member':''}", LEDGER_INVALID_ARGUMENT, "member" },
	{ "{'op':'subscribe','events':true,'after_event':'41.0.2'}", LEDGER_OK, NULL },
	{ "{'op':'subscribe','after_event':'41.0.2'}", LEDGER_INVALID_ARGUMENT, "after_event" },
	{ "{'op':'subscribe','events':true,'after':41,'after_event':'41.0.2'}", LEDGER_INVALID_ARGUMENT, "after_event" },
	{ "{'op':'subscribe','events':true,'after_event':'41.0'}", LEDGER_INVALID_ARGUMENT, "after_event" },
	{ "{'op':'quote','member':'m'}", LEDGER_INVALID_ARGUMENT, "amount" },
};

static void
what_breaks_a_rule_is_refused_by_its_field(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); ++i) {
		struct request r;
		world_clear(w);
		struct refusal refusal = decode_json(w, refused[i].json, &r);
		assert_refused(refused[i].json, &refusal, refused[i].want, refused[i].field);
	}
}

static void
a_purchase_has_at_most_200_lines(void **state)
{
	struct world *w = *state;

	for (size_t n = LEDGER_LINES_MAX; n <= LEDGER_LINES_MAX + 1; ++n) {
		struct request r;
		buf_clear(&w->out);
		field_put_text(&w->out, 1, "k");
		size_t purchase = field_begin(&w->out, 23);
		field_put_text(&w->out, 1, "m");
		field_put_text(&w->out, 2, "1");
		for (size_t i = 0; i < n; ++i) {
			size_t line = field_begin(&w->out, 3);
			field_put_text(&w->out, 4, "0");
			field_end(&w->out, line);
		}
		field_end(&w->out, purchase);
		struct refusal refusal = decode_bytes(w, buf_bytes(&w->out), &r);
		assert_refused("lines", &refusal, n > LEDGER_LINES_MAX ? LEDGER_INVALID_ARGUMENT : LEDGER_OK, "lines");
	}
}

/* ---- what the wire can say and a client cannot ---- */

static void
put_raw_purchase(struct buf *b, struct bytes more_outside, struct bytes more_inside)
{
	field_put_text(b, 1, "k");
	buf_put(b, more_outside.data, more_outside.len);
	size_t purchase = field_begin(b, 23);
	field_put_text(b, 1, "m");
	field_put_text(b, 2, "1");
	buf_put(b, more_inside.data, more_inside.len);
	field_end(b, purchase);
}


static void
what_protobuf_would_let_pass_is_refused(void **state)
{
	struct world *w = *state;
	static const struct { const char *name; struct bytes outside, inside; const char *field; } cases[] = {
		{ "unknown field", RAW("\x98\x06\x01"), RAW(""), "99" },
		{ "unknown field inside", RAW(""), RAW("\x98\x06\x01"), "99" },
		{ "unknown field in a line", RAW(""), RAW("\x1a\x05\x22\x01\x31\x28\x01"), "lines[0].5" },
		{ "unknown field in the second line", RAW(""), RAW("\x1a\x03\x22\x01\x31\x1a\x02\x28\x01"), "lines[1].5" },
		{ "NUL", RAW("\x32\x03" "a\0b"), RAW(""), "store" },
		{ "NUL at the end", RAW("\x32\x02" "a\0"), RAW(""), "store" },
		{ "NUL inside", RAW(""), RAW("\x32\x03" "a\0b"), "receipt_no" },
		{ "no UTF-8", RAW("\x32\x01\xff"), RAW(""), "store" },
		{ "over-long UTF-8", RAW("\x32\x02\xc0\xaf"), RAW(""), "store" },
		{ "surrogate", RAW("\x32\x03\xed\xa0\x80"), RAW(""), "store" },
		{ "beyond Unicode", RAW("\x32\x04\xf4\x90\x80\x80"), RAW(""), "store" },
		{ "cut character", RAW("\x32\x02\xe2\x82"), RAW(""), "store" },
		{ "twice", RAW("\x32\x01" "a\x32\x01" "a"), RAW(""), "store" },
		{ "key twice", RAW("\x0a\x01k"), RAW(""), "key" },
		{ "twice inside", RAW(""), RAW("\x12\x01" "1"), "amount" },
		{ "another type", RAW("\x30\x01"), RAW(""), "store" },
		{ "another type inside", RAW(""), RAW("\x1a\x02\x1a\x00"), "lines[0].qty" },
		{ "line as a number", RAW(""), RAW("\x18\x01"), "lines[0]" },
		{ "beyond uint32", RAW("\x18\x80\x80\x80\x80\x10"), RAW(""), "deadline_ms" },
		{ "bool of 2", RAW("\x48\x02"), RAW(""), "want_receipt" },
		{ "two operations", RAW("\xaa\x02\x00"), RAW(""), "purchase" },		/* the second of them */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
		struct request r;
		world_clear(w);
		put_raw_purchase(&w->out, cases[i].outside, cases[i].inside);
		struct bytes b = heap_copy(buf_bytes(&w->out));
		struct refusal refusal = decode_bytes(w, b, &r);
		assert_refused(cases[i].name, &refusal, LEDGER_INVALID_ARGUMENT, cases[i].field);
		assert_string_equal(r.key, "k");			/* known all the same */
		assert_true(r.op != REQUEST_NONE);
		heap_free(b);
	}
}

static void
enums_of_a_definition_are_checked(void **state)
{
	struct world *w = *state;
	struct request r;

	field_put_text(&w->out, 1, "k");
	size_t publish = field_begin(&w->out, 20), definition = field_begin(&w->out, 1);
	field_put_text(&w->out, 1, "acme");
	size_t rounding = field_begin(&w->out, 6);
	field_put_uint(&w->out, 1, 77);
	field_end(&w->out, rounding);
	field_end(&w->out, definition);
	field_end(&w->out, publish);
	struct refusal refusal = decode_bytes(w, buf_bytes(&w->out), &r);
	assert_refused("rounding 77", &refusal, LEDGER_INVALID_ARGUMENT, "rounding.mode");
	assert_int_equal(r.op, REQUEST_PUBLISH);
}

static void
what_is_no_request_is_invalid(void **state)
{
	struct world *w = *state;
	static const struct { const char *name; struct bytes body; } cases[] = {
		{ "cut tag", RAW("\x80") },
		{ "cut length", RAW("\x0a") },
		{ "length beyond the end", RAW("\x0a\x05k") },
		{ "field 0", RAW("\x00\x00") },
		{ "group", RAW("\x0b\x0c") },
		{ "wire type 7", RAW("\x0f") },
		{ "cut fixed64", RAW("\x11\x00\x00") },
		{ "varint of 11 bytes", RAW("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01") },
		{ "varint beyond 64 bits", RAW("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02") },
		{ "cut inside", RAW("\xba\x01\x02\x0a\x05") },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
		struct request r;
		struct refusal refusal;
		struct bytes b = heap_copy(cases[i].body);
		enum status st = codec_request_decode(b, &w->arena, &r, &refusal);
		if (st != ST_INVALID)
			fail_msg("%s: %s", cases[i].name, status_str(st));
		heap_free(b);
	}
}

static void
a_command_names_an_operation(void **state)
{
	struct world *w = *state;
	static const struct { const char *name; struct bytes body; const char *key; } cases[] = {
		{ "nothing", RAW(""), NULL },
		{ "key only", RAW("\x0a\x01k"), NULL },
		{ "operation of a later version", RAW("\x0a\x01k\x9a\x06\x00"), "k" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
		struct request r;
		struct refusal refusal = decode_bytes(w, cases[i].body, &r);
		assert_refused(cases[i].name, &refusal, LEDGER_INVALID_ARGUMENT, "op");
		assert_int_equal(r.op, REQUEST_NONE);
		if (cases[i].key != NULL)
			assert_string_equal(r.key, cases[i].key);
	}
}

/* A command of op ${op} with as many empty elements of field ${repeated} as a frame holds. */
static enum status
decode_elements(struct world *w, uint32_t op, uint32_t repeated, struct arena *arena, struct refusal *ret_refusal)
{
	struct request r;

	buf_clear(&w->out);
	field_put_text(&w->out, 1, "k");
	size_t begun = field_begin(&w->out, op);
	while (w->out.len < FRAME_BODY_BYTES_MAX - 8)
		field_put_bytes(&w->out, repeated, bytes_of(NULL, 0));
	field_end(&w->out, begun);
	return codec_request_decode(buf_bytes(&w->out), arena, &r, ret_refusal);
}

static void
memory_is_bounded(void **state)
{
	struct world *w = *state;
	struct arena small;
	struct request r;
	struct refusal refusal;

	arena_init(&small, (size_t)256 * 1024);
	assert_int_equal(decode_elements(w, 21, 3, &small, &refusal), ST_NOMEM);	/* aliases: 2 bytes each, 32 when unpacked */
	assert_true(small.used_bytes <= small.budget_bytes);
	arena_reset(&small);

	struct bytes b = of_json(w, CODEC_REQUEST, PURCHASE "'store':'s'}");
	assert_int_equal(codec_request_decode(b, &small, &r, &refusal), ST_OK);
	assert_int_equal(refusal.result, LEDGER_OK);
	heap_free(b);
	arena_release(&small);
}

/* Tens of thousands of lines would be 64 bytes each for two on the wire, and as much work. */
static void
messages_beyond_number_are_not_unpacked(void **state)
{
	struct world *w = *state;
	struct arena small;
	struct refusal refusal;

	arena_init(&small, 4096);
	assert_int_equal(decode_elements(w, 23, 3, &small, &refusal), ST_OK);
	assert_int_equal(refusal.result, LEDGER_INVALID_ARGUMENT);
	assert_string_equal(refusal.field, "lines[1000]");
	arena_release(&small);
}

/* Whatever the budget, a command is either decoded or beyond it. */
static void
every_budget_gives_an_answer(void **state)
{
	struct world *w = *state;
	struct bytes b = of_json(w, CODEC_REQUEST,
	    "{'op':'enrol','key':'k','member':'m','aliases':['a','b'],'segments':['s'],'birthday':'01-31'}");
	size_t done = 0;

	for (size_t budget = 0; budget < 4096; budget += 16) {
		struct arena small;
		struct request r;
		struct refusal refusal;
		arena_init(&small, budget);
		enum status st = codec_request_decode(b, &small, &r, &refusal);
		assert_true(st == ST_OK || (st == ST_NOMEM && done == 0));
		done += st == ST_OK;
		arena_release(&small);
	}
	assert_true(done > 0);
	heap_free(b);
}

/* ---- fingerprints ---- */

static void
canonical_covers_all_but_key_at_and_deadline(void **state)
{
	struct world *w = *state;
	const char *base = "{'op':'purchase','key':'a','member':'m','amount':'1'}";

	assert_true(same_canonical(w, base, "{'op':'purchase','key':'b','member':'m','amount':'1'}"));
	assert_true(same_canonical(w, base,
	    "{'op':'purchase','key':'a','at':'2026-01-01T00:00:00Z','deadline_ms':5,'member':'m','amount':'1'}"));
	assert_false(same_canonical(w, base, "{'op':'purchase','key':'a','member':'m','amount':'2'}"));
	assert_false(same_canonical(w, base, "{'op':'purchase','key':'a','member':'n','amount':'1'}"));
	assert_false(same_canonical(w, base, "{'op':'purchase','key':'a','member':'m','amount':'1','store':'s'}"));
	assert_false(same_canonical(w, base,
	    "{'op':'purchase','key':'a','member':'m','amount':'1','occurred_at':'2026-01-01T00:00:00Z'}"));
	assert_false(same_canonical(w, "{'op':'birthday','key':'a','member':'m'}", "{'op':'enrol','key':'a','member':'m'}"));
}

static void
canonical_does_not_depend_on_the_order_on_the_wire(void **state)
{
	struct world *w = *state;
	struct request r, s;
	struct refusal refusal;
	struct buf other;

	put_raw_purchase(&w->out, bytes_of(NULL, 0), bytes_of(NULL, 0));
	refusal = decode_bytes(w, buf_bytes(&w->out), &r);
	assert_refused("in order", &refusal, LEDGER_OK, NULL);
	buf_init(&other);
	size_t purchase = field_begin(&other, 23);
	field_put_text(&other, 2, "1");
	field_put_text(&other, 1, "m");
	field_end(&other, purchase);
	field_put_text(&other, 1, "k");
	refusal = decode_bytes(w, buf_bytes(&other), &s);
	assert_refused("in disorder", &refusal, LEDGER_OK, NULL);
	assert_true(bytes_equal(r.canonical, s.canonical));
	buf_release(&other);
}

/* ---- garbage ---- */

static void
try_everything(struct world *w, struct bytes b, size_t *ret_decoded)
{
	struct request r;
	struct refusal refusal;
	struct batch batch;
	struct hello hello;
	struct signed_transaction s;
	uint64_t nonce;
	uint32_t credits;

	enum status st = codec_request_decode(b, &w->arena, &r, &refusal);
	assert_true(st == ST_OK || st == ST_INVALID);
	*ret_decoded += st == ST_OK && refusal.result == LEDGER_OK;
	if (st == ST_OK && refusal.result == LEDGER_OK && request_op_writes(r.op))
		assert_true(r.key != NULL && request_id_valid(r.key));
	st = codec_batch_decode(b, &w->arena, &batch);
	assert_true(st == ST_OK || st == ST_INVALID);
	st = codec_hello_decode(b, &w->arena, &hello);
	assert_true(st == ST_OK || st == ST_INVALID);
	st = codec_signed_decode(b, &s);
	assert_true(st == ST_OK || st == ST_CORRUPT);
	st = codec_ping_decode(b, &w->arena, &nonce);
	assert_true(st == ST_OK || st == ST_INVALID);
	st = codec_credit_decode(b, &w->arena, &credits);
	assert_true(st == ST_OK || st == ST_INVALID);
}

static void
damaged_commands_are_survived(void **state)
{
	struct world *w = *state;
	struct bytes whole[sizeof(refused) / sizeof(refused[0])];
	size_t n = sizeof(refused) / sizeof(refused[0]), decoded = 0, rounds = 100000;

	for (size_t i = 0; i < n; ++i)
		whole[i] = of_json(w, CODEC_REQUEST, refused[i].json);
	for (size_t i = 0; i < rounds; ++i) {
		world_clear(w);
		struct bytes b = mutated(w, whole[below(w, n)]);
		try_everything(w, b, &decoded);
		heap_free(b);
	}
	assert_in_range(decoded, rounds / 100, rounds - rounds / 100);
	for (size_t i = 0; i < n; ++i)
		heap_free(whole[i]);
}

static void
garbage_is_survived(void **state)
{
	struct world *w = *state;
	size_t decoded = 0;

	for (size_t i = 0; i < 100000; ++i) {
		uint8_t p[64];
		size_t len = (size_t)below(w, sizeof(p));
		for (size_t k = 0; k < len; ++k)
			p[k] = (uint8_t)(below(w, 3) == 0 ? any(w) : below(w, 16));
		world_clear(w);
		struct bytes b = heap_copy(bytes_of(p, len));
		struct transaction t;
		assert_int_equal(codec_transaction_decode(b, &w->arena, &t), ST_CORRUPT);
		try_everything(w, b, &decoded);
		heap_free(b);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(purchase_is_taken_over),
		TEST(spending_is_taken_over),
		TEST(changes_of_a_member_are_taken_over),
		TEST(publish_is_taken_over),
		TEST(reads_are_taken_over),
		TEST(what_breaks_a_rule_is_refused_by_its_field),
		TEST(a_purchase_has_at_most_200_lines),
		TEST(what_protobuf_would_let_pass_is_refused),
		TEST(enums_of_a_definition_are_checked),
		TEST(what_is_no_request_is_invalid),
		TEST(a_command_names_an_operation),
		TEST(memory_is_bounded),
		TEST(messages_beyond_number_are_not_unpacked),
		TEST(every_budget_gives_an_answer),
		TEST(canonical_covers_all_but_key_at_and_deadline),
		TEST(canonical_does_not_depend_on_the_order_on_the_wire),
		TEST(damaged_commands_are_survived),
		TEST(garbage_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
