/**
 * One function for each message of the oneof.  It goes on after a refusal, so that a POINTS_NOT_POSITIVE gives way to an INVALID_ARGUMENT
 * that is found later; what it fills in then is not used.
 */
#include "codec/request_op.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "codec/arena_pb.h"
#include "codec/words.h"
#include "ledger/keys.h"
#include "ledger/terminal.h"

#define ALIASES_MAX 16		/* in one command, in each list */
#define SEGMENTS_MAX 16
#define HISTORY_LIMIT_MAX 100
#define HISTORY_LIMIT_DEFAULT 20
#define APPROVAL_SIGNATURE_BYTES 64
#define FOR_TERMINAL_BYTES_MAX 133	/* pos/<store>/<terminal> */
#define TERMINALS_MAX 100

static void
invalid(struct judge *j, const char *field, const char *why)
{
	judge_refuse(j, LEDGER_INVALID_ARGUMENT, field, why);
}

/* The same for a place in a list: "lines[2].amount"; ${name} NULL: the element itself. */
static void
invalid_at(struct judge *j, const char *list, size_t i, const char *name, const char *why)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%s[%zu]%s%s", list, i, name == NULL ? "" : ".", name == NULL ? "" : name);
	const char *field = arena_strdup(j->arena, path);
	if (field == NULL)
		j->status = ST_NOMEM;
	else
		invalid(j, field, why);
}

/* ---- values ---- */

static const char *
decimal_fault(const char *text, bool below_zero, struct decimal *ret)
{
	if (text == NULL)
		return "is missing";
	if (!decimal_parse(text, ret))
		return "is not a decimal number of at most 18 digits";
	if (ret->mantissa < 0 && !below_zero)
		return "is below zero";
	return NULL;
}

static void
take_money(struct judge *j, const char *field, const char *text, struct decimal *ret)
{
	const char *why = decimal_fault(text, false, ret);

	if (why != NULL)
		invalid(j, field, why);
}

static void
take_points(struct judge *j, const char *text, bool below_zero, struct decimal *ret)
{
	const char *why = decimal_fault(text, below_zero, ret);

	if (why != NULL)
		invalid(j, "points", why);
	else if (ret->mantissa == 0)
		judge_refuse(j, LEDGER_POINTS_NOT_POSITIVE, "points", "is zero");
}

void
take_order_amount(struct judge *j, const char *text, bool *ret_has, struct decimal *ret)
{
	*ret_has = text != NULL;
	if (text != NULL)
		take_money(j, "order_amount", text, ret);
}

void
judge_alias(struct judge *j, const char *alias)
{
	if (alias == NULL)
		invalid(j, "member", "is missing");
	else if (!alias_valid(alias))
		invalid(j, "member", "is not 1 to 128 bytes of text without control characters");
	j->ret->member = alias;
}

void
take_code(struct judge *j, const char *text, const char **ret)
{
	if (text == NULL)
		invalid(j, "reason", "is missing");
	else if (!words_code(text))
		invalid(j, "reason", "is not a code: 1 to 32 of a-z 0-9 _");
	*ret = text;
}

void
judge_other(struct judge *j, const char *field, const char *alias)
{
	if (alias == NULL)
		invalid(j, field, "is missing");
	else if (!alias_valid(alias))
		invalid(j, field, "is not 1 to 128 bytes of text without control characters");
	j->ret->other = alias;
}

static void
take_reference(struct judge *j, const char *field, const char *text)
{
	if (text == NULL)
		invalid(j, field, "is missing");
	else if (!request_id_valid(text))
		invalid(j, field, "is neither a request id nor the id of an entry");
	j->ret->reference = text;
}

static void
take_day(struct judge *j, const char *field, bool has, int32_t day, int32_t absent, int32_t *ret)
{
	*ret = has ? day : absent;
	if (!has)
		return;
	int year = date_of_day(day).year;
	if (year < 1 || year > 9999)
		invalid(j, field, "is not in the years 1 to 9999");
}

static void
take_birthday(struct judge *j, const char *text)
{
	struct request *r = j->ret;
	int32_t day;

	if (text == NULL)
		return;
	r->has_birthday = true;
	if (month_day_parse(text, &r->birthday_month, &r->birthday_day))
		return;
	if (day_parse(text, &day)) {
		struct date d = date_of_day(day);	/* the year is dropped */
		r->birthday_month = d.month;
		r->birthday_day = d.day;
		return;
	}
	invalid(j, "birthday", "is not a day of the year, MM-DD");
}

/* ${aliases} begins at ${list}[0]; an alias that stands in ${before} or twice is refused. */
static void
judge_aliases(struct judge *j, const char *list, char *const *aliases, size_t n, const char *const *before, size_t n_before)
{
	if (n > ALIASES_MAX) {
		invalid(j, list, "has more than 16 elements");
		return;
	}
	for (size_t i = 0; i < n; ++i) {
		bool again = false;

		for (size_t k = 0; k < n_before; ++k)
			again |= before[k] != NULL && strcmp(before[k], aliases[i]) == 0;
		for (size_t k = 0; k < i; ++k)
			again |= strcmp(aliases[k], aliases[i]) == 0;
		if (!alias_valid(aliases[i]))
			invalid_at(j, list, i, NULL, "is not 1 to 128 bytes of text without control characters");
		else if (again)
			invalid_at(j, list, i, NULL, "is named twice");
	}
}

static void
take_segments(struct judge *j, char **segments, size_t n)
{
	if (n > SEGMENTS_MAX) {
		invalid(j, "segments", "has more than 16 elements");
		return;
	}
	for (size_t i = 0; i < n; ++i)
		if (!words_id(segments[i]))
			invalid_at(j, "segments", i, NULL, "is not 1 to 32 of a-z 0-9 _ -");
	j->ret->has_segments = n > 0;
	j->ret->n_segments = n;
	j->ret->segments = (const char **)segments;
}

/* ---- writes ---- */

/* What the program language says of the definition; program_compile() and the zone are the service's. */
static void
take_definition(struct judge *j, struct bytes definition)
{
	struct program_error error;
	enum status st = codec_program_def(definition, j->arena, &j->ret->definition, &error);

	if (st != ST_INVALID) {
		j->status = st;
		return;
	}
	const char *path = arena_strdup(j->arena, error.path);
	if (path == NULL) {
		j->status = ST_NOMEM;
	} else if (j->refusal->result == LEDGER_OK) {
		*j->refusal = (struct refusal){ .result = LEDGER_INVALID_ARGUMENT, .field = path };
		(void)snprintf(j->refusal->sentence, sizeof(j->refusal->sentence), "%.199s", error.sentence);
	}
}

static void
judge_publish(struct judge *j, const Fealty__V1__Request *in)
{
	const Fealty__V1__Publish *p = in->publish;
	struct request *r = j->ret;
	struct bytes definition;

	if (p->has_version && p->version == 0)
		invalid(j, "version", "is zero: the first version is 1");
	if (p->definition == NULL) {
		invalid(j, "definition", "is missing");
		return;
	}
	j->status = arena_pb_pack_in(&p->definition->base, j->arena, &definition);
	if (j->status != ST_OK)
		return;
	if (definition.len > LEDGER_PROGRAM_BYTES_MAX) {
		invalid(j, "definition", "is larger than 40000 bytes");
		return;
	}
	take_definition(j, definition);
	if (r->definition == NULL)
		return;
	r->cmd.u.publish.definition = definition;
	r->cmd.u.publish.version = p->version;
	r->cmd.u.publish.id = r->definition->id;
	if (r->definition->id == NULL)
		invalid(j, "id", "is missing");
	else if (r->program != NULL && strcmp(r->program, r->definition->id) != 0)
		invalid(j, "program", "is not the id that the definition has");
}

void
judge_enrolled(struct judge *j, char *member, char *const *aliases, size_t n_aliases)
{
	struct request *r = j->ret;

	judge_alias(j, member);
	judge_aliases(j, "aliases", aliases, n_aliases, (const char *const *)&member, 1);
	if (n_aliases > ALIASES_MAX)
		return;
	r->n_aliases = n_aliases + 1;
	r->aliases = arena_alloc(j->arena, r->n_aliases * sizeof(*r->aliases));
	if (r->aliases == NULL) {
		j->status = ST_NOMEM;
		return;
	}
	r->aliases[0] = member;
	for (size_t i = 0; i < n_aliases; ++i)
		r->aliases[i + 1] = aliases[i];
}

static void
judge_enrol(struct judge *j, const Fealty__V1__Request *in)
{
	const Fealty__V1__Enrol *e = in->enrol;

	judge_enrolled(j, e->member, e->aliases, e->n_aliases);
	take_birthday(j, e->birthday);
	take_segments(j, e->segments, e->n_segments);
	j->ret->cmd.u.enrol.names_referrer = e->referrer != NULL;
	if (e->referrer != NULL)
		judge_other(j, "referrer", e->referrer);
	for (size_t i = 0; i <= e->n_aliases && e->referrer != NULL; ++i) {
		const char *alias = i == 0 ? e->member : e->aliases[i - 1];
		j->ret->cmd.u.enrol.names_self |= alias != NULL && strcmp(alias, e->referrer) == 0;
	}
}

static void
judge_profile(struct judge *j, const Fealty__V1__Request *in)
{
	const Fealty__V1__Profile *p = in->profile;
	struct request *r = j->ret;

	judge_alias(j, p->member);
	take_birthday(j, p->birthday);
	take_segments(j, p->segments, p->n_segments);
	if (p->has_no_segments && p->no_segments && p->n_segments > 0)
		invalid(j, "no_segments", "stands beside `segments`: give one of them");
	r->has_segments |= p->has_no_segments && p->no_segments;
	judge_aliases(j, "add_aliases", p->add_aliases, p->n_add_aliases, NULL, 0);
	judge_aliases(j, "remove_aliases", p->remove_aliases, p->n_remove_aliases, (const char *const *)p->add_aliases, p->n_add_aliases);
	r->n_aliases = p->n_add_aliases;
	r->aliases = (const char **)p->add_aliases;
	r->n_remove = p->n_remove_aliases;
	r->remove = (const char **)p->remove_aliases;
}

static void
take_line(struct judge *j, const Fealty__V1__Line *in, size_t i, bool of_return, struct line *ret)
{
	const char *plain = "is not 1 to 64 bytes of text without control characters";
	const char *why = of_return && in->amount == NULL ? NULL : decimal_fault(in->amount, false, &ret->amount);

	if (in->sku != NULL && !words_plain(in->sku, 64))
		invalid_at(j, "lines", i, "sku", plain);
	if (in->category != NULL && !words_plain(in->category, 64))
		invalid_at(j, "lines", i, "category", plain);
	if (in->has_qty && in->qty == 0)
		invalid_at(j, "lines", i, "qty", "is zero");
	if (why != NULL)
		invalid_at(j, "lines", i, "amount", why);
	ret->sku = in->sku;
	ret->category = in->category;
	ret->qty = in->has_qty ? in->qty : 1;
	ret->has_amount = in->amount != NULL;
}

/* Of a purchase, or of a return. */
static void
take_lines(struct judge *j, Fealty__V1__Line *const *in, size_t n, bool of_return, const struct line **ret_lines, size_t *ret_n)
{
	if (n > LEDGER_LINES_MAX) {
		invalid(j, "lines", "has more than 200 elements");
		return;
	}
	struct line *lines = arena_alloc(j->arena, n * sizeof(*lines));
	if (lines == NULL) {
		j->status = ST_NOMEM;
		return;
	}
	for (size_t i = 0; i < n; ++i)
		take_line(j, in[i], i, of_return, &lines[i]);
	*ret_lines = lines;
	*ret_n = n;
}

static void
take_partner(struct judge *j, const char *text, const char **ret)
{
	if (text != NULL && !words_id(text))
		invalid(j, "partner", "is not 1 to 32 of a-z 0-9 _ -");
	*ret = text;
}

static void
judge_activity(struct judge *j, const Fealty__V1__Request *in)
{
	const Fealty__V1__Activity *a = in->activity;
	struct cmd *cmd = &j->ret->cmd;

	judge_alias(j, a->member);
	if (a->activity == NULL)
		invalid(j, "activity", "is missing");
	else if (!words_id(a->activity))
		invalid(j, "activity", "is not 1 to 32 of a-z 0-9 _ -");
	cmd->u.activity.activity = a->activity;
	cmd->u.activity.has_amount = a->amount != NULL;
	if (a->amount != NULL)
		take_money(j, "amount", a->amount, &cmd->u.activity.amount);
	if (a->has_qty && a->qty == 0)
		invalid(j, "qty", "is zero");
	cmd->u.activity.qty = a->has_qty ? a->qty : 1;
	cmd->u.activity.has_score = a->has_score;
	cmd->u.activity.score = a->score;
	cmd->u.activity.names_purchase = a->purchase != NULL;
	if (a->purchase != NULL)
		take_reference(j, "purchase", a->purchase);
	take_partner(j, a->partner, &cmd->u.activity.partner);
}

static void
judge_purchase(struct judge *j, const Fealty__V1__Request *in)
{
	bool is_quote = in->op_case == FEALTY__V1__REQUEST__OP_QUOTE;
	const Fealty__V1__Purchase *p = is_quote ? in->quote : in->purchase;
	struct cmd *cmd = &j->ret->cmd;

	cmd->is_quote = is_quote;
	judge_alias(j, p->member);
	take_money(j, "amount", p->amount, &cmd->u.purchase.amount);
	if (p->n_lines > 0)
		take_lines(j, p->lines, p->n_lines, false, &cmd->u.purchase.lines, &cmd->u.purchase.n_lines);
	take_partner(j, p->partner, &cmd->u.purchase.partner);
	cmd->u.purchase.has_paid_with_points = p->paid_with_points != NULL;
	if (p->paid_with_points != NULL)
		take_money(j, "paid_with_points", p->paid_with_points, &cmd->u.purchase.paid_with_points);
	judge_plain(j, "receipt_no", p->receipt_no);
	cmd->u.purchase.receipt_no = p->receipt_no;
}

static void
judge_hold(struct judge *j, const Fealty__V1__Request *in)
{
	const Fealty__V1__Hold *h = in->hold;
	struct cmd *cmd = &j->ret->cmd;

	judge_alias(j, h->member);
	cmd->u.hold.of_voucher = h->voucher != NULL;
	if (h->voucher != NULL && h->points != NULL)
		invalid(j, "voucher", "stands beside `points`: give one of them");
	else if (h->voucher != NULL)
		judge_voucher(j, h->voucher);
	else
		take_points(j, h->points, false, &cmd->u.hold.points);
	cmd->u.hold.has_ttl = h->ttl != NULL;
	if (h->ttl != NULL && (!duration_parse(h->ttl, &cmd->u.hold.ttl_us) || cmd->u.hold.ttl_us < US_PER_SECOND))
		invalid(j, "ttl", "is not a duration of at least 1s, as in 15m: a number and s, m, h or d");
	take_order_amount(j, h->order_amount, &cmd->u.hold.has_order_amount, &cmd->u.hold.order_amount);
	cmd->u.hold.pool = h->has_pool && h->pool;
	if (cmd->u.hold.pool && cmd->u.hold.of_voucher)
		invalid(j, "pool", "goes with a hold of points; a voucher is its member's own");
	take_partner(j, h->partner, &cmd->u.hold.partner);
	struct terminal_name till;
	if (h->for_terminal != NULL && (!words_plain(h->for_terminal, FOR_TERMINAL_BYTES_MAX) || !terminal_name_parse(h->for_terminal, &till)))
		invalid(j, "for_terminal", "names no terminal: say 07 for one of your own store, 0042/07 or pos/0042/07");
	cmd->u.hold.for_terminal = h->for_terminal;
}

static void
judge_capture(struct judge *j, const Fealty__V1__Request *in)
{
	const Fealty__V1__Capture *c = in->capture;
	struct cmd *cmd = &j->ret->cmd;

	judge_alias(j, c->member);
	take_reference(j, "hold", c->hold);
	cmd->u.capture.has_points = c->points != NULL;
	if (c->points != NULL)
		take_points(j, c->points, false, &cmd->u.capture.points);
}

static void
judge_release(struct judge *j, const Fealty__V1__Request *in)
{
	judge_alias(j, in->release->member);
	take_reference(j, "hold", in->release->hold);
}

/* What it costs is the program's, so nothing that is said of points goes with it. */
static void
take_reward(struct judge *j, const Fealty__V1__Redeem *r)
{
	if (!words_id(r->reward))
		invalid(j, "reward", "is not 1 to 32 of a-z 0-9 _ -");
	if (r->points != NULL)
		invalid(j, "points", "goes with a redemption of points; a reward has its cost");
	if (r->order_amount != NULL)
		invalid(j, "order_amount", "goes with a redemption of points; a reward has its cost");
	if (r->has_round_down && r->round_down)
		invalid(j, "round_down", "goes with a redemption of points; a reward has its cost");
	j->ret->cmd.u.redeem.reward = r->reward;
}

static void
judge_redeem(struct judge *j, const Fealty__V1__Request *in)
{
	const Fealty__V1__Redeem *r = in->redeem;
	struct cmd *cmd = &j->ret->cmd;

	judge_alias(j, r->member);
	if (r->reward != NULL) {
		take_reward(j, r);
	} else {
		take_points(j, r->points, false, &cmd->u.redeem.points);
		take_order_amount(j, r->order_amount, &cmd->u.redeem.has_order_amount, &cmd->u.redeem.order_amount);
		cmd->u.redeem.round_down = r->has_round_down && r->round_down;
	}
	cmd->u.redeem.pool = r->has_pool && r->pool;
	take_partner(j, r->partner, &cmd->u.redeem.partner);
}

static void
judge_adjust(struct judge *j, const Fealty__V1__Request *in)
{
	const Fealty__V1__Adjust *a = in->adjust;
	struct cmd *cmd = &j->ret->cmd;

	judge_alias(j, a->member);
	take_points(j, a->points, true, &cmd->u.adjust.points);
	take_code(j, a->reason, &cmd->u.adjust.reason);
	take_day(j, "last_day", a->has_last_day, a->last_day, DAY_NONE, &cmd->u.adjust.last_day);
	cmd->u.adjust.tier_points = a->has_tier_points && a->tier_points;
}

static void
judge_tier(struct judge *j, const Fealty__V1__Request *in)
{
	const Fealty__V1__Tier *t = in->tier;
	struct cmd *cmd = &j->ret->cmd;

	judge_alias(j, t->member);
	if (t->tier == NULL)
		invalid(j, "tier", "is missing");
	else if (t->tier[0] != '\0' && !words_id(t->tier))
		invalid(j, "tier", "is not 1 to 32 of a-z 0-9 _ -, nor empty");
	cmd->u.tier.tier = t->tier;
	take_code(j, t->reason, &cmd->u.tier.reason);
	take_day(j, "until", t->has_until, t->until, DAY_NEVER, &cmd->u.tier.until);
}

static void
judge_birthday(struct judge *j, const Fealty__V1__Request *in)
{
	judge_alias(j, in->birthday->member);
	j->ret->cmd.u.birthday.given = DAY_NONE;
}

static void
judge_return(struct judge *j, const Fealty__V1__Request *in)
{
	const Fealty__V1__Return *r = in->return_;
	struct cmd *cmd = &j->ret->cmd;

	judge_alias(j, r->member);
	take_reference(j, "purchase", r->purchase);
	cmd->u.past.has_amount = r->amount != NULL;
	if (r->amount != NULL)
		take_money(j, "amount", r->amount, &cmd->u.past.amount);
	if (r->has_no_lines && r->no_lines)
		invalid(j, "lines", "is empty: name lines, or leave it out to return all that is left");
	if (r->amount != NULL && r->n_lines > 0)
		invalid(j, "lines", "stands beside `amount`: give one of them");
	if (r->n_lines > 0)
		take_lines(j, r->lines, r->n_lines, true, &cmd->u.past.lines, &cmd->u.past.n_lines);
}

static void
judge_reverse_redeem(struct judge *j, const Fealty__V1__Request *in)
{
	const Fealty__V1__ReverseRedeem *r = in->reverse_redeem;
	struct cmd *cmd = &j->ret->cmd;

	judge_alias(j, r->member);
	take_reference(j, "redeem", r->redeem);
	cmd->u.past.has_points = r->points != NULL;
	if (r->points != NULL)
		take_points(j, r->points, false, &cmd->u.past.points);
}

static void
judge_transfer(struct judge *j, const Fealty__V1__Request *in)
{
	judge_alias(j, in->transfer->member);
	judge_other(j, "to", in->transfer->to);
	take_points(j, in->transfer->points, false, &j->ret->cmd.u.other.points);
}

static void
judge_merge(struct judge *j, const Fealty__V1__Request *in)
{
	judge_alias(j, in->merge->member);
	judge_other(j, "into", in->merge->into);
}

static void
judge_advance(struct judge *j, const Fealty__V1__Request *in)
{
	judge_alias(j, in->advance->member);
	take_points(j, in->advance->points, false, &j->ret->cmd.u.advance.points);
}

static void
take_overlap(struct judge *j, const Fealty__V1__RotateKey *r)
{
	struct cmd *cmd = &j->ret->cmd;
	bool of_transactions = cmd->u.rotate_key.kind == KEY_OF_TRANSACTIONS;

	if (r->has_overlap_days && of_transactions)
		invalid(j, "overlap_days", "is for checkpoint keys: a transaction has one key");
	else if (r->has_overlap_days && r->overlap_days > LEDGER_OVERLAP_DAYS_MAX)
		invalid(j, "overlap_days", "is above 365");
	else if (r->has_overlap_days && r->overlap_days > 0 && r->reason != NULL)
		invalid(j, "overlap_days", "is not 0, and a key that is lost or compromised ends at once");
	else if (!of_transactions && r->reason == NULL)
		cmd->u.rotate_key.overlap_days = r->has_overlap_days ? r->overlap_days : LEDGER_OVERLAP_DAYS_DEFAULT;
}

/* A transaction key that is lost cannot sign its rotation, and one in wrong hands proves nothing by it. */
static void
judge_rotate_key(struct judge *j, const Fealty__V1__Request *in)
{
	const Fealty__V1__RotateKey *r = in->rotate_key;
	struct cmd *cmd = &j->ret->cmd;

	cmd->u.rotate_key.kind = r->kind == NULL ? KEY_OF_TRANSACTIONS : key_kind_of(r->kind);
	cmd->u.rotate_key.recovery = r->reason == NULL ? RECOVERY_NONE : key_recovery_of(r->reason);
	cmd->u.rotate_key.new_key = bytes_of(r->new_key.data, r->new_key.len);
	if (!r->has_new_key)
		invalid(j, "new_key", "is missing");
	else if (r->new_key.len != PUBLIC_KEY_LEN)
		invalid(j, "new_key", "is not a public key of 32 bytes");
	if (cmd->u.rotate_key.kind == KEY_OF_NOTHING)
		invalid(j, "kind", "is neither transaction nor checkpoint");
	if (r->reason != NULL && cmd->u.rotate_key.recovery == RECOVERY_NONE)
		invalid(j, "reason", "is neither lost nor compromised");
	else if (r->reason != NULL && cmd->u.rotate_key.kind == KEY_OF_TRANSACTIONS)
		invalid(j, "reason", "is for checkpoint keys; a transaction key is recovered by `fealtyd --recover-key`, see KEYS.md");
	if (in->program != NULL)
		invalid(j, "program", "is given, and a key is the whole ledger's");
	take_overlap(j, r);
}

static void
judge_approve(struct judge *j, const Fealty__V1__Request *in)
{
	const Fealty__V1__Approve *a = in->approve;
	struct cmd *cmd = &j->ret->cmd;

	take_reference(j, "command", a->command);
	if (!a->has_signature)
		invalid(j, "signature", "is missing");
	else if (a->signature.len != APPROVAL_SIGNATURE_BYTES)
		invalid(j, "signature", "is not a signature of 64 bytes");
	if (!a->has_key_id)
		invalid(j, "key_id", "is missing");
	else if (a->key_id.len != LEDGER_KEY_ID_LEN)
		invalid(j, "key_id", "is not the id of a key, the first 8 bytes of SHA-256 of its public half");
	cmd->u.approve.signature = bytes_of(a->signature.data, a->signature.len);
	cmd->u.approve.key_id = bytes_of(a->key_id.data, a->key_id.len);
}

static void
judge_approver_key(struct judge *j, const Fealty__V1__Request *in)
{
	const Fealty__V1__ApproverKey *a = in->approver_key;
	struct cmd *cmd = &j->ret->cmd;

	if (a->principal == NULL)
		invalid(j, "principal", "is missing");
	else if (!principal_valid(a->principal) || strncmp(a->principal, LEDGER_APPROVER, strlen(LEDGER_APPROVER)) != 0)
		invalid(j, "principal", "is not that of an approver, " LEDGER_APPROVER "<name>");
	if (!a->has_public_key)
		invalid(j, "public_key", "is missing");
	else if (a->public_key.len != PUBLIC_KEY_LEN)
		invalid(j, "public_key", "is not a public key of 32 bytes");
	if (in->program != NULL)
		invalid(j, "program", "is given, and an approver is the whole ledger's");
	cmd->u.approver_key.principal = a->principal;
	cmd->u.approver_key.public_key = bytes_of(a->public_key.data, a->public_key.len);
	take_day(j, "until", a->has_until, a->until, DAY_NEVER, &cmd->u.approver_key.until);
}

static void
judge_nothing(struct judge *j, const Fealty__V1__Request *in)
{
	(void)j;
	(void)in;
}

/* ---- reads ---- */

static void
judge_balance(struct judge *j, const Fealty__V1__Request *in)
{
	const Fealty__V1__Balance *b = in->balance;

	judge_alias(j, b->member);
	if (b->has_as_of)
		judge_instant(j, "as_of", b->as_of);
	j->ret->has_as_of = b->has_as_of;
	j->ret->as_of_us = b->as_of;
	j->ret->pool = b->has_pool && b->pool;
}

/* One of the two. */
static void
judge_member_or_no(struct judge *j, char *member, bool has_no, uint64_t no)
{
	if (has_no && member != NULL)
		invalid(j, "member_no", "stands beside `member`: give one of them");
	else if (!has_no)
		judge_alias(j, member);
	else if (no == 0)
		invalid(j, "member_no", "is zero: the first member is 1");
	j->ret->member_no = no;
}

static void
judge_history(struct judge *j, const Fealty__V1__Request *in)
{
	const Fealty__V1__History *h = in->history;

	judge_member_or_no(j, h->member, h->has_member_no, h->member_no);
	if (h->has_limit && (h->limit < 1 || h->limit > HISTORY_LIMIT_MAX))
		invalid(j, "limit", "is not 1 to 100");
	j->ret->limit = h->has_limit ? h->limit : HISTORY_LIMIT_DEFAULT;
	j->ret->has_before = h->has_before;
	j->ret->before_seq = h->before;
}

static void
judge_transaction(struct judge *j, const Fealty__V1__Request *in)
{
	const Fealty__V1__TransactionGet *t = in->transaction;

	if (t->has_seq && t->command != NULL)
		invalid(j, "command", "stands beside `seq`: give one of them");
	else if (!t->has_seq)
		take_reference(j, "command", t->command);
	j->ret->has_seq = t->has_seq;
	j->ret->seq = t->seq;
}

static void
judge_program(struct judge *j, const Fealty__V1__Request *in)
{
	if (in->show_program->has_version && in->show_program->version == 0)
		invalid(j, "version", "is zero: the first version is 1");
	j->ret->version = in->show_program->version;
}

static void
judge_checkpoint(struct judge *j, const Fealty__V1__Request *in)
{
	if (in->checkpoint->has_size && in->checkpoint->size == 0)
		invalid(j, "size", "is zero: the first checkpoint has one transaction at least");
	j->ret->has_size = in->checkpoint->has_size;
	j->ret->size = in->checkpoint->size;
}

static void
judge_proof(struct judge *j, const Fealty__V1__Request *in)
{
	const Fealty__V1__ProofGet *p = in->proof;

	if (p->has_seq + (p->command != NULL) + p->has_from > 1)
		invalid(j, p->has_from ? "from" : "command", "stands beside another: give one of `seq`, `command` and `from`");
	else if (!p->has_seq && !p->has_from)
		take_reference(j, "command", p->command);
	if (p->has_to && !p->has_from)
		invalid(j, "to", "is for a proof of consistency: give `from` as well");
	else if (p->has_to && (p->to == 0 || p->to < p->from))
		invalid(j, "to", "is zero, or below `from`");
	j->ret->want_receipt = p->has_receipt && p->receipt;
	if (j->ret->want_receipt && p->has_from)
		invalid(j, "receipt", "is of a transaction: give `seq` or `command`");
	j->ret->has_seq = p->has_seq;
	j->ret->seq = p->seq;
	j->ret->has_from = p->has_from;
	j->ret->from_size = p->from;
	j->ret->has_to = p->has_to;
	j->ret->to_size = p->to;
}

static void
judge_terminals(struct judge *j, const Fealty__V1__Request *in)
{
	const Fealty__V1__Terminals *t = in->terminals;

	if (t->principal != NULL && !principal_valid(t->principal))
		invalid(j, "principal", "is not pos/<store>/<terminal>, backend/<name> or operator/<name>");
	if (t->has_limit && (t->limit == 0 || t->limit > TERMINALS_MAX))
		invalid(j, "limit", "is not 1 to 100");
	j->ret->limit = t->limit;
	j->ret->terminals.after = t->after;
	j->ret->terminals.principal = t->principal;
	j->ret->terminals.with_trouble = t->has_with_trouble && t->with_trouble;
}

static void
judge_vault(struct judge *j, const Fealty__V1__Request *in)
{
	j->ret->turn_epoch = in->vault->has_rotate && in->vault->rotate;
	if (in->program != NULL)
		invalid(j, "program", "is not for the vault, which is that of all programs");
}

static void
judge_scrub(struct judge *j, const Fealty__V1__Request *in)
{
	j->ret->scrub_now = in->scrub->has_now && in->scrub->now;
	if (in->program != NULL)
		invalid(j, "program", "is not for the scrub, which is that of all programs");
}

static void
judge_person(struct judge *j, const Fealty__V1__Request *in)
{
	const Fealty__V1__Person *p = in->person;

	judge_member_or_no(j, p->member, p->has_member_no, p->member_no);
}

static void
judge_subscribe(struct judge *j, const Fealty__V1__Request *in)
{
	const Fealty__V1__Subscribe *s = in->subscribe;

	j->ret->has_after = s->has_after;
	j->ret->after_seq = s->after;
	j->ret->credits = s->credits;
	j->ret->events = s->events;
	j->ret->has_after_event = s->after_event != NULL;
	if (s->member != NULL)
		judge_alias(j, s->member);
	if (s->after_event != NULL && (!s->events || s->has_after || !crm_place_parse(s->after_event, &j->ret->after_event)))
		invalid(j, "after_event", "must be the id of an event, <seq>.<index>.<n>, with `events` and without `after`");
}

/* ---- the table ---- */

static const struct op_row {
	const char *name;
	enum op op;			/* OP_NONE: a read that decides nothing */
	Fealty__V1__Request__OpCase member;
	void (*judge)(struct judge *j, const Fealty__V1__Request *in);
} op_rows[REQUEST_OP_COUNT] = {
	[REQUEST_NONE] = { "none", OP_NONE, FEALTY__V1__REQUEST__OP__NOT_SET, NULL },
	[REQUEST_PUBLISH] = { "publish", OP_PUBLISH, FEALTY__V1__REQUEST__OP_PUBLISH, judge_publish },
	[REQUEST_ENROL] = { "enrol", OP_ENROL, FEALTY__V1__REQUEST__OP_ENROL, judge_enrol },
	[REQUEST_PROFILE] = { "profile", OP_PROFILE, FEALTY__V1__REQUEST__OP_PROFILE, judge_profile },
	[REQUEST_PURCHASE] = { "purchase", OP_PURCHASE, FEALTY__V1__REQUEST__OP_PURCHASE, judge_purchase },
	[REQUEST_HOLD] = { "hold", OP_HOLD, FEALTY__V1__REQUEST__OP_HOLD, judge_hold },
	[REQUEST_CAPTURE] = { "capture", OP_CAPTURE, FEALTY__V1__REQUEST__OP_CAPTURE, judge_capture },
	[REQUEST_RELEASE] = { "release", OP_RELEASE, FEALTY__V1__REQUEST__OP_RELEASE, judge_release },
	[REQUEST_REDEEM] = { "redeem", OP_REDEEM, FEALTY__V1__REQUEST__OP_REDEEM, judge_redeem },
	[REQUEST_ADJUST] = { "adjust", OP_ADJUST, FEALTY__V1__REQUEST__OP_ADJUST, judge_adjust },
	[REQUEST_TIER] = { "tier", OP_TIER, FEALTY__V1__REQUEST__OP_TIER, judge_tier },
	[REQUEST_BIRTHDAY] = { "birthday", OP_BIRTHDAY, FEALTY__V1__REQUEST__OP_BIRTHDAY, judge_birthday },
	[REQUEST_ACTIVITY] = { "activity", OP_ACTIVITY, FEALTY__V1__REQUEST__OP_ACTIVITY, judge_activity },
	[REQUEST_FREEZE] = { "freeze", OP_FREEZE, FEALTY__V1__REQUEST__OP_FREEZE, judge_freeze },
	[REQUEST_UNFREEZE] = { "unfreeze", OP_UNFREEZE, FEALTY__V1__REQUEST__OP_UNFREEZE, judge_unfreeze },
	[REQUEST_CLOSE] = { "close", OP_CLOSE, FEALTY__V1__REQUEST__OP_CLOSE, judge_close },
	[REQUEST_RETURN] = { "return", OP_RETURN, FEALTY__V1__REQUEST__OP_RETURN, judge_return },
	[REQUEST_REVERSE_REDEEM] = { "reverse_redeem", OP_REVERSE_REDEEM, FEALTY__V1__REQUEST__OP_REVERSE_REDEEM, judge_reverse_redeem },
	[REQUEST_TRANSFER] = { "transfer", OP_TRANSFER, FEALTY__V1__REQUEST__OP_TRANSFER, judge_transfer },
	[REQUEST_MERGE] = { "merge", OP_MERGE, FEALTY__V1__REQUEST__OP_MERGE, judge_merge },
	[REQUEST_ADVANCE] = { "advance", OP_ADVANCE, FEALTY__V1__REQUEST__OP_ADVANCE, judge_advance },
	[REQUEST_VOUCHER_USE] = { "voucher_use", OP_VOUCHER_USE, FEALTY__V1__REQUEST__OP_VOUCHER_USE, judge_voucher_use },
	[REQUEST_VOUCHER_VOID] = { "voucher_void", OP_VOUCHER_VOID, FEALTY__V1__REQUEST__OP_VOUCHER_VOID, judge_voucher_void },
	[REQUEST_ROTATE_KEY] = { "rotate_key", OP_ROTATE_KEY, FEALTY__V1__REQUEST__OP_ROTATE_KEY, judge_rotate_key },
	[REQUEST_APPROVE] = { "approve", OP_APPROVE, FEALTY__V1__REQUEST__OP_APPROVE, judge_approve },
	[REQUEST_APPROVER_KEY] = { "approver_key", OP_APPROVER_KEY, FEALTY__V1__REQUEST__OP_APPROVER_KEY, judge_approver_key },
	[REQUEST_POOL_JOIN] = { "pool_join", OP_POOL_JOIN, FEALTY__V1__REQUEST__OP_POOL_JOIN, judge_pool_join },
	[REQUEST_POOL_LEAVE] = { "pool_leave", OP_POOL_LEAVE, FEALTY__V1__REQUEST__OP_POOL_LEAVE, judge_pool_leave },
	[REQUEST_MEMBERSHIP_START] = { "membership_start", OP_MEMBERSHIP_START, FEALTY__V1__REQUEST__OP_MEMBERSHIP_START, judge_membership_start },
	[REQUEST_MEMBERSHIP_RENEW] = { "membership_renew", OP_MEMBERSHIP_RENEW, FEALTY__V1__REQUEST__OP_MEMBERSHIP_RENEW, judge_membership_renew },
	[REQUEST_MEMBERSHIP_CANCEL] = { "membership_cancel", OP_MEMBERSHIP_CANCEL, FEALTY__V1__REQUEST__OP_MEMBERSHIP_CANCEL,
	    judge_membership_cancel },
	[REQUEST_OPENING] = { "opening", OP_OPENING, FEALTY__V1__REQUEST__OP_OPENING, judge_opening },
	[REQUEST_CONSENT] = { "consent", OP_CONSENT, FEALTY__V1__REQUEST__OP_CONSENT, judge_consent },
	[REQUEST_ERASE] = { "erase", OP_ERASE, FEALTY__V1__REQUEST__OP_ERASE, judge_erase },
	[REQUEST_CLOCK_ACCEPT] = { "clock_accept", OP_CLOCK_ACCEPT, FEALTY__V1__REQUEST__OP_CLOCK_ACCEPT, judge_nothing },
	[REQUEST_QUOTE] = { "quote", OP_PURCHASE, FEALTY__V1__REQUEST__OP_QUOTE, judge_purchase },
	[REQUEST_BALANCE] = { "balance", OP_NONE, FEALTY__V1__REQUEST__OP_BALANCE, judge_balance },
	[REQUEST_HISTORY] = { "history", OP_NONE, FEALTY__V1__REQUEST__OP_HISTORY, judge_history },
	[REQUEST_VOUCHERS] = { "vouchers", OP_NONE, FEALTY__V1__REQUEST__OP_VOUCHERS, judge_vouchers },
	[REQUEST_TRANSACTION] = { "transaction", OP_NONE, FEALTY__V1__REQUEST__OP_TRANSACTION, judge_transaction },
	[REQUEST_PROGRAM] = { "program", OP_NONE, FEALTY__V1__REQUEST__OP_SHOW_PROGRAM, judge_program },
	[REQUEST_CHECKPOINT] = { "checkpoint", OP_NONE, FEALTY__V1__REQUEST__OP_CHECKPOINT, judge_checkpoint },
	[REQUEST_PROOF] = { "proof", OP_NONE, FEALTY__V1__REQUEST__OP_PROOF, judge_proof },
	[REQUEST_TERMINALS] = { "terminals", OP_NONE, FEALTY__V1__REQUEST__OP_TERMINALS, judge_terminals },
	[REQUEST_VAULT] = { "vault", OP_NONE, FEALTY__V1__REQUEST__OP_VAULT, judge_vault },
	[REQUEST_SCRUB] = { "scrub", OP_NONE, FEALTY__V1__REQUEST__OP_SCRUB, judge_scrub },
	[REQUEST_PERSON] = { "person", OP_NONE, FEALTY__V1__REQUEST__OP_PERSON, judge_person },
	[REQUEST_SUBSCRIBE] = { "subscribe", OP_NONE, FEALTY__V1__REQUEST__OP_SUBSCRIBE, judge_subscribe },
};

const char *
request_op_str(enum request_op op)
{
	assert(op < REQUEST_OP_COUNT);
	return op_rows[op].name;
}

enum request_op
request_op_of(Fealty__V1__Request__OpCase member)
{
	for (enum request_op op = REQUEST_NONE; op < REQUEST_OP_COUNT; ++op)
		if (op_rows[op].member == member)
			return op;
	return REQUEST_NONE;
}

void
request_op_judge(struct judge *j, const Fealty__V1__Request *in)
{
	const struct op_row *row = &op_rows[j->ret->op];

	assert(row->judge != NULL && row->member == in->op_case);
	j->ret->cmd.op = row->op;
	row->judge(j, in);
}
