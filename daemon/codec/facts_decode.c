/* What was decided besides postings: the facts of an entry.  See transaction_decode.c. */
#include "codec/ledger_reader.h"

static void
get_grant(struct message *parent, struct grant *g)
{
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(GRANT_RULE, GRANT_CAP));

	g->rule = "";
	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case GRANT_RULE: g->rule = get_text(&m); break;
		case GRANT_WANTED: g->wanted = get_sint(&m); break;
		case GRANT_GRANTED: g->granted = get_sint(&m); break;
		case GRANT_CAP: g->cap = get_text(&m); break;
		}
	}
}

/* A last counter of zero is never written: then equal entries have equal bytes. */
static void
get_counter(struct message *m, struct metric_day *day, size_t *n)
{
	int64_t v = get_sint(m);

	if (*n < LEDGER_COUNTERS_MAX)
		day->counters[(*n)++] = v;
	else
		fail(m->r, ST_CORRUPT);
}

static void
get_metrics(struct message *parent, struct metric_day *day)
{
	size_t n_counters = 0;
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(METRICS_POINTS_EARNED, METRICS_VISITS));

	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case METRICS_POINTS_EARNED: day->points_earned = get_sint(&m); break;
		case METRICS_SPEND: day->spend = get_sint(&m); break;
		case METRICS_VISITS: day->visits = get_sint(&m); break;
		case METRICS_COUNTERS: get_counter(&m, day, &n_counters); break;
		}
	}
	if (n_counters > 0 && day->counters[n_counters - 1] == 0)
		fail(m.r, ST_CORRUPT);
}

static void
get_tier_state(struct message *parent, struct tier_state *t)
{
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(TIER_STATE_EARNED, TIER_STATE_GRACE));

	*t = (struct tier_state){ .since = DAY_NONE, .until = DAY_NEVER, .gift_until = DAY_NEVER, .from = DAY_NONE, .start = DAY_NONE };
	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case TIER_STATE_EARNED: get_word(&m, t->earned); break;
		case TIER_STATE_SINCE: t->since = get_day(&m, DAY_NONE); break;
		case TIER_STATE_UNTIL: t->until = get_day(&m, DAY_NEVER); break;
		case TIER_STATE_GIFT: get_word(&m, t->gift); break;
		case TIER_STATE_GIFT_UNTIL: t->gift_until = get_day(&m, DAY_NEVER); break;
		case TIER_STATE_FROM: t->from = get_day(&m, DAY_NONE); break;
		case TIER_STATE_START: t->start = get_day(&m, DAY_NONE); break;
		case TIER_STATE_GRACE: t->grace = get_bool(&m); break;
		}
	}
}

static void
get_hold_state(struct message *parent, struct entry *e)
{
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(HOLD_STATE_ID, HOLD_STATE_FOR_TERMINAL));

	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case HOLD_STATE_ID: e->hold.id = get_entry_id(&m); break;
		case HOLD_STATE_ENDS_AT: e->hold.ends_at_us = get_fixed(&m); break;
		case HOLD_STATE_LEFT: e->hold.left = get_sint(&m); break;
		case HOLD_STATE_EXPIRE_AT_ONCE: e->hold.expire_at_once = get_bool(&m); break;
		case HOLD_STATE_FOR_STORE: e->hold.for_store = get_text(&m); break;
		case HOLD_STATE_FOR_TERMINAL: e->hold.for_terminal = get_text(&m); break;
		}
	}
	e->hold.has_id = seen(&m, HOLD_STATE_ID);
}

static void
get_tally(struct message *parent, struct tally *t)
{
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(TALLY_FIELD_KIND, TALLY_FIELD_COUNT));

	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case TALLY_FIELD_KIND: t->kind = (enum tally_kind)get_uint(&m, TALLY_KIND_COUNT - 1); break;
		case TALLY_FIELD_ID: get_word(&m, t->id); break;
		case TALLY_FIELD_PER: t->per = (enum period)get_uint(&m, PERIOD_COUNT - 1); break;
		case TALLY_FIELD_AT: t->at = get_sint(&m); break;
		case TALLY_FIELD_POINTS: t->points = get_sint(&m); break;
		case TALLY_FIELD_COUNT: t->count = get_sint(&m); break;
		}
	}
	if (t->kind == TALLY_NONE)
		fail(m.r, ST_CORRUPT);
}

static void
get_clock(struct message *parent, struct inactivity_clock *c)
{
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(CLOCK_LAST_DAY, CLOCK_PERCENT));

	c->on = true;
	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case CLOCK_LAST_DAY: c->last_day = get_day(&m, DAY_NONE); break;
		case CLOCK_MONTHS: c->months = get_u32(&m); break;
		case CLOCK_PERCENT: c->percent = get_u32(&m); break;
		}
	}
	if (!seen(&m, CLOCK_LAST_DAY))
		fail(m.r, ST_CORRUPT);
}

static void
get_pending(struct message *parent, struct pending_change *c)
{
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(PENDING_FROM, PENDING_CLASS));

	c->p.class = LOT_EARNED;
	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case PENDING_FROM: c->p.from = get_entry_id(&m); break;
		case PENDING_DUE_DAY: c->p.due_day = get_day(&m, DAY_NONE); break;
		case PENDING_ACTIVITY_ID: get_word(&m, c->p.activity); break;
		case PENDING_TERM: get_word_of(&m, c->p.term, sizeof(c->p.term)); break;
		case PENDING_VERSION: c->p.version = get_u32(&m); break;
		case PENDING_POINTS: c->p.points = get_sint(&m); break;
		case PENDING_CLASS: c->p.class = (enum lot_class)get_uint(&m, LOT_CLASS_COUNT - 1); break;
		}
	}
	c->has_from = seen(&m, PENDING_FROM);
}

static void
get_voucher(struct message *parent, struct voucher_change *c)
{
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(VOUCHER_FROM, VOUCHER_LAST_DAY));

	c->v.last_day = DAY_NEVER;
	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case VOUCHER_FROM: c->v.from = get_entry_id(&m); break;
		case VOUCHER_N: c->v.n = get_u32(&m); break;
		case VOUCHER_ID: get_word(&m, c->v.id); break;
		case VOUCHER_STATE: c->v.state = (enum voucher_state)get_uint(&m, VOUCHER_STATE_COUNT - 1); break;
		case VOUCHER_SOURCE: c->v.source = (enum voucher_source)get_uint(&m, VOUCHER_SOURCE_COUNT - 1); break;
		case VOUCHER_OF: get_word(&m, c->v.of); break;
		case VOUCHER_AT: c->v.at = get_u32(&m); break;
		case VOUCHER_LAST_DAY: c->v.last_day = get_day(&m, DAY_NEVER); break;
		}
	}
	c->has_from = seen(&m, VOUCHER_FROM);
}

static void
get_fired(struct message *m, struct stamp_card *card)
{
	uint32_t at = get_u32(m);

	if (card->n_fired < LEDGER_MILESTONES_MAX)
		card->fired[card->n_fired++] = at;
	else
		fail(m->r, ST_CORRUPT);
}

static void
get_stamps(struct message *parent, struct stamp_change *c)
{
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(STAMP_CARD, STAMP_LAST_DAY) | FIELDS(STAMP_WANTED, STAMP_DROPPED));

	c->card.last_day = DAY_NEVER;
	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case STAMP_CARD: get_word(&m, c->card.id); break;
		case STAMP_STAMPS: c->card.stamps = get_sint(&m); break;
		case STAMP_LAST_DAY: c->card.last_day = get_day(&m, DAY_NEVER); break;
		case STAMP_FIRED: get_fired(&m, &c->card); break;
		case STAMP_WANTED: c->wanted = (int64_t)get_uint(&m, LEDGER_STAMPS_MAX); break;
		case STAMP_GRANTED: c->granted = (int64_t)get_uint(&m, LEDGER_STAMPS_MAX); break;
		case STAMP_DROPPED: c->dropped = (int64_t)get_uint(&m, LEDGER_STAMPS_MAX); break;
		}
	}
}

static void
get_fall(struct message *parent, struct metric_day *day)
{
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(DATED_DAY, DATED_METRICS));

	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case DATED_DAY: day->day = get_day(&m, DAY_NONE); break;
		case DATED_METRICS: get_metrics(&m, day); break;
		}
	}
}

static void
get_line_left(struct message *parent, struct line_left *l)
{
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(LINE_LEFT_QTY, LINE_LEFT_AMOUNT));

	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case LINE_LEFT_QTY: l->qty = get_u32(&m); break;
		case LINE_LEFT_AMOUNT: l->amount = get_sint(&m); break;
		}
	}
}

static void
get_activation(struct message *parent, struct activation *a)
{
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(ACTIVATION_DAY, ACTIVATION_POINTS));
	bool clock = false;

	a->last_day = DAY_NEVER;
	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case ACTIVATION_DAY: a->day = get_day(&m, DAY_NONE); break;
		case ACTIVATION_LAST_DAY: a->last_day = get_day(&m, DAY_NEVER); break;
		case ACTIVATION_INACTIVITY: clock = get_bool(&m); break;
		case ACTIVATION_POINTS: a->points = get_sint(&m); break;
		}
	}
	if (a->last_day == DAY_CLOCK || (clock && seen(&m, ACTIVATION_LAST_DAY)))
		fail(m.r, ST_CORRUPT);
	if (clock)
		a->last_day = DAY_CLOCK;
}

static void
get_owed(struct message *parent, struct owed *o)
{
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(OWED_RULE, OWED_POINTS));

	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case OWED_RULE: get_word_of(&m, o->rule, sizeof(o->rule)); break;
		case OWED_POINTS: o->points = get_sint(&m); break;
		}
	}
}

static void
get_followup(struct message *parent, struct followup *f)
{
	void *lines = NULL, *activations = NULL, *owed = NULL, *stepped = NULL, *row;
	size_t cap_lines = 0, cap_activations = 0, cap_owed = 0, cap_stepped = 0;
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(FOLLOWUP_ENTRY, FOLLOWUP_LEFT) |
	    FIELDS(FOLLOWUP_CLAWED, FOLLOWUP_CLAWED) | FIELDS(FOLLOWUP_FALLEN, FOLLOWUP_FALLEN) | FIELDS(FOLLOWUP_REVERSED, FOLLOWUP_LAPSED) |
	    FIELDS(FOLLOWUP_REFEREE_CLAWED, FOLLOWUP_REFERRER_CLAWED));

	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case FOLLOWUP_ENTRY: f->entry = get_entry_id(&m); break;
		case FOLLOWUP_RETURNED: f->returned = get_bool(&m); break;
		case FOLLOWUP_LEFT: f->left = get_sint(&m); break;
		case FOLLOWUP_LINES:
			row = append(m.r, &lines, &f->n_lines, &cap_lines, sizeof(struct line_left));
			if (row != NULL)
				get_line_left(&m, row);
			break;
		case FOLLOWUP_CLAWED: f->clawed = get_sint(&m); break;
		case FOLLOWUP_STEPPED:
			row = append(m.r, &stepped, &f->n_stepped, &cap_stepped, sizeof(struct owed));
			if (row != NULL)
				get_owed(&m, row);
			break;
		case FOLLOWUP_FALLEN: f->fallen = get_sint(&m); break;
		case FOLLOWUP_ACTIVATIONS:
			row = append(m.r, &activations, &f->n_activations, &cap_activations, sizeof(struct activation));
			if (row != NULL)
				get_activation(&m, row);
			break;
		case FOLLOWUP_OWED:
			row = append(m.r, &owed, &f->n_owed, &cap_owed, sizeof(struct owed));
			if (row != NULL)
				get_owed(&m, row);
			break;
		case FOLLOWUP_REVERSED: f->reversed = get_sint(&m); break;
		case FOLLOWUP_LAPSED: f->lapsed = get_sint(&m); break;
		case FOLLOWUP_REFEREE_CLAWED: f->referee_clawed = get_sint(&m); break;
		case FOLLOWUP_REFERRER_CLAWED: f->referrer_clawed = get_sint(&m); break;
		}
	}
	if (!f->returned && (f->left != 0 || f->n_lines > 0))
		fail(m.r, ST_CORRUPT);
	f->lines = lines;
	f->activations = activations;
	f->owed = owed;
	f->stepped = stepped;
}

static void
get_side(struct message *parent, struct side *s)
{
	void *tallies = NULL, *vouchers = NULL, *pendings = NULL, *row;
	size_t cap = 0, cap_vouchers = 0, cap_pendings = 0;
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(SIDE_MEMBER, SIDE_INACTIVITY));

	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case SIDE_MEMBER: s->member = get_uint(&m, UINT64_MAX); break;
		case SIDE_TIER: get_tier_state(&m, &s->tier); break;
		case SIDE_INACTIVITY: get_clock(&m, &s->clock); break;
		case SIDE_TALLIES:
			row = append(m.r, &tallies, &s->n_tallies, &cap, sizeof(struct tally));
			if (row != NULL)
				get_tally(&m, row);
			break;
		case SIDE_VOUCHERS:
			row = append(m.r, &vouchers, &s->n_vouchers, &cap_vouchers, sizeof(struct voucher_change));
			if (row != NULL)
				get_voucher(&m, row);
			break;
		case SIDE_PENDINGS:
			row = append(m.r, &pendings, &s->n_pendings, &cap_pendings, sizeof(struct pending_change));
			if (row != NULL)
				get_pending(&m, row);
			break;
		}
	}
	s->pendings = pendings;
	s->has_tier = seen(&m, SIDE_TIER);
	s->vouchers = vouchers;
	s->tallies = tallies;
}

static void
get_membership_state(struct message *parent, struct membership *s)
{
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(STATE_ID, STATE_USED));

	*s = (struct membership){ .trial = DAY_NONE, .anchor = DAY_NONE, .used = DAY_NONE };
	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case STATE_ID: get_word(&m, s->id); break;
		case STATE_ENDED: s->ended = get_bool(&m); break;
		case STATE_CANCELLED: s->cancelled = get_bool(&m); break;
		case STATE_TRIAL: s->trial = get_day(&m, DAY_NONE); break;
		case STATE_ANCHOR: s->anchor = get_day(&m, DAY_NONE); break;
		case STATE_PERIODS: s->periods = get_u32(&m); break;
		case STATE_NEXT: s->next = get_day(&m, DAY_NONE); break;
		case STATE_ENDS: s->ends = get_day(&m, DAY_NONE); break;
		case STATE_USED: s->used = get_day(&m, DAY_NONE); break;
		}
	}
	if (!seen(&m, STATE_NEXT) || !seen(&m, STATE_ENDS))
		fail(m.r, ST_CORRUPT);
}

static void
get_told(struct message *parent, struct told *t)
{
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(TOLD_KIND, TOLD_N));
	uint64_t kind = 0;

	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case TOLD_KIND: kind = get_uint(&m, NOTICE_KIND_COUNT); break;
		case TOLD_POINTS: t->points = get_sint(&m); break;
		case TOLD_LAST_DAY: t->last_day = get_day(&m, DAY_NONE); break;
		case TOLD_VOUCHER: t->voucher = get_text(&m); break;
		case TOLD_FROM: t->from = get_entry_id(&m); break;
		case TOLD_N: t->n = get_u32(&m); break;
		}
	}
	if (kind == 0 || !seen(&m, TOLD_LAST_DAY) || (kind == NOTICE_VOUCHER + 1) != (t->voucher != NULL) ||
	    (t->voucher == NULL) == seen(&m, TOLD_FROM) || (t->voucher == NULL && seen(&m, TOLD_N)))
		fail(m.r, ST_CORRUPT);
	else
		t->kind = (enum notice_kind)(kind - 1);
}

/* The lists of facts while they grow. */
struct fact_lists {
	void *tallies, *pendings, *segments, *grants, *used, *falls, *followups, *sides, *vouchers, *memberships, *multiplied_by, *told, *stamps, *merged;
	size_t cap_tallies, cap_pendings, cap_segments, cap_grants, cap_used, cap_falls, cap_followups, cap_sides, cap_vouchers, cap_memberships,
	    cap_multiplied_by, cap_told, cap_stamps, cap_merged;
};

static void
get_fact_row(struct message *m, struct entry *e, struct fact_lists *l)
{
	struct reader *r = m->r;
	void *row;

	switch (m->f.number) {
	case FACTS_PENDING:
		if ((row = append(r, &l->pendings, &e->n_pendings, &l->cap_pendings, sizeof(struct pending_change))) != NULL)
			get_pending(m, row);
		break;
	case FACTS_SEGMENTS:
		if ((row = append(r, &l->segments, &e->n_segments, &l->cap_segments, sizeof(const char *))) != NULL)
			*(const char **)row = get_text(m);
		break;
	case FACTS_TALLIES:
		if ((row = append(r, &l->tallies, &e->n_tallies, &l->cap_tallies, sizeof(struct tally))) != NULL)
			get_tally(m, row);
		break;
	case FACTS_GRANTS:
		if ((row = append(r, &l->grants, &e->n_grants, &l->cap_grants, sizeof(struct grant))) != NULL)
			get_grant(m, row);
		break;
	case FACTS_USED:
		if ((row = append(r, &l->used, &e->n_used, &l->cap_used, sizeof(struct tally))) != NULL)
			get_tally(m, row);
		break;
	case FACTS_FALLS:
		if ((row = append(r, &l->falls, &e->n_falls, &l->cap_falls, sizeof(struct metric_day))) != NULL)
			get_fall(m, row);
		break;
	case FACTS_FOLLOWUPS:
		if ((row = append(r, &l->followups, &e->n_followups, &l->cap_followups, sizeof(struct followup))) != NULL)
			get_followup(m, row);
		break;
	case FACTS_VOUCHERS:
		if ((row = append(r, &l->vouchers, &e->n_vouchers, &l->cap_vouchers, sizeof(struct voucher_change))) != NULL)
			get_voucher(m, row);
		break;
	case FACTS_MEMBERSHIPS:
		if ((row = append(r, &l->memberships, &e->n_memberships, &l->cap_memberships, sizeof(struct membership))) != NULL)
			get_membership_state(m, row);
		break;
	case FACTS_MULTIPLIED_BY:
		if ((row = append(r, &l->multiplied_by, &e->n_multiplied_by, &l->cap_multiplied_by, sizeof(const char *))) != NULL)
			*(const char **)row = get_text(m);
		break;
	case FACTS_STAMPS:
		if ((row = append(r, &l->stamps, &e->n_stamps, &l->cap_stamps, sizeof(struct stamp_change))) != NULL)
			get_stamps(m, row);
		break;
	case FACTS_MERGED:
		if ((row = append(r, &l->merged, &e->n_merged, &l->cap_merged, sizeof(uint64_t))) != NULL)
			*(uint64_t *)row = get_uint(m, UINT64_MAX);
		break;
	case FACTS_SIDES:
		if ((row = append(r, &l->sides, &e->n_sides, &l->cap_sides, sizeof(struct side))) != NULL)
			get_side(m, row);
		break;
	case FACTS_NOTICES:
		if ((row = append(r, &l->told, &e->n_told, &l->cap_told, sizeof(struct told))) != NULL)
			get_told(m, row);
		break;
	}
}

static void
get_key_change(struct message *parent, struct entry *e)
{
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(KEY_CHANGE_OLD_KEY, KEY_CHANGE_OLD_UNTIL));

	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case KEY_CHANGE_OLD_KEY: e->key_change.old_key = get_bytes(&m); break;
		case KEY_CHANGE_OLD_UNTIL: e->key_change.until_us = get_fixed(&m); break;
		}
	}
	e->key_change.has_until = seen(&m, KEY_CHANGE_OLD_UNTIL);
}

static void
get_referral(struct message *parent, struct entry *e)
{
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(REFERRAL_REFERRER, REFERRAL_REFEREE_INACTIVITY));
	bool clock[2] = { false, false };

	e->referral.referrer_last_day = e->referral.referee_last_day = DAY_NEVER;
	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case REFERRAL_REFERRER: e->referral.referrer = get_uint(&m, UINT64_MAX); break;
		case REFERRAL_REFERRER_POINTS: e->referral.referrer_points = get_sint(&m); break;
		case REFERRAL_REFEREE_POINTS: e->referral.referee_points = get_sint(&m); break;
		case REFERRAL_REFERRER_LAST_DAY: e->referral.referrer_last_day = get_day(&m, DAY_NEVER); break;
		case REFERRAL_REFEREE_LAST_DAY: e->referral.referee_last_day = get_day(&m, DAY_NEVER); break;
		case REFERRAL_REFERRER_INACTIVITY: clock[0] = get_bool(&m); break;
		case REFERRAL_REFEREE_INACTIVITY: clock[1] = get_bool(&m); break;
		}
	}
	if ((clock[0] && seen(&m, REFERRAL_REFERRER_LAST_DAY)) || (clock[1] && seen(&m, REFERRAL_REFEREE_LAST_DAY)) ||
	    e->referral.referrer_last_day == DAY_CLOCK || e->referral.referee_last_day == DAY_CLOCK)
		fail(m.r, ST_CORRUPT);
	if (clock[0])
		e->referral.referrer_last_day = DAY_CLOCK;
	if (clock[1])
		e->referral.referee_last_day = DAY_CLOCK;
}

void
get_facts(struct message *parent, struct entry *e)
{
	struct fact_lists l = { 0 };
	struct message m = message_of(parent->r, get_bytes(parent), FIELDS(FACTS_METRICS, FACTS_ENROLLED) |
	    FIELDS(FACTS_PROVISIONAL, FACTS_REFERRAL) | FIELDS(FACTS_CONDITIONS, FACTS_MULTIPLIED) |
	    FIELDS(FACTS_KEY_CHANGE, FACTS_WAITING) | FIELDS(FACTS_INACTIVITY, FACTS_INACTIVITY) |
	    FIELDS(FACTS_REFUND, FACTS_REFUND) |
	    FIELDS(FACTS_CONFLICT, FACTS_CONFLICT) |
	    FIELDS(FACTS_STAMP_CONDITIONS, FACTS_STAMP_CONDITIONS));

	for (uint32_t n; (n = next(&m)) != 0;) {
		switch (n) {
		case FACTS_METRICS: get_metrics(&m, &e->metrics); break;
		case FACTS_TIER: get_tier_state(&m, &e->tier); break;
		case FACTS_HOLD: get_hold_state(&m, e); break;
		case FACTS_BIRTHDAY: e->birthday = get_day(&m, DAY_NONE); break;
		case FACTS_VALUE: e->value = get_sint(&m); break;
		case FACTS_ENROLLED: e->enrolled = get_bool(&m); break;
		case FACTS_INACTIVITY: get_clock(&m, &e->clock); break;
		case FACTS_CONDITIONS: e->conditions = get_uint(&m, UINT64_MAX); break;
		case FACTS_STAMP_CONDITIONS: e->stamp_conditions = get_uint(&m, UINT64_MAX); break;
		case FACTS_MULTIPLIED: e->multiplied = get_text(&m); break;
		case FACTS_KEY_CHANGE: get_key_change(&m, e); break;
		case FACTS_WAITING: e->waiting = get_bool(&m); break;
		case FACTS_REFUND: e->refund = get_sint(&m); break;
		case FACTS_CONFLICT: e->conflict = get_bool(&m); break;
		case FACTS_PROVISIONAL: e->provisional = get_bool(&m); break;
		case FACTS_REFERRAL: get_referral(&m, e); break;
		default: get_fact_row(&m, e, &l); break;
		}
	}
	e->grants = l.grants;
	e->tallies = l.tallies;
	e->pendings = l.pendings;
	e->segments = l.segments;
	e->used = l.used;
	e->falls = l.falls;
	e->followups = l.followups;
	e->sides = l.sides;
	e->vouchers = l.vouchers;
	e->memberships = l.memberships;
	e->multiplied_by = l.multiplied_by;
	e->has_refund = seen(&m, FACTS_REFUND);
	e->told = l.told;
	e->stamps = l.stamps;
	e->merged = l.merged;
	e->has_referral = seen(&m, FACTS_REFERRAL);
	e->has_metrics = seen(&m, FACTS_METRICS);
	e->has_tier = seen(&m, FACTS_TIER);
	e->has_hold = seen(&m, FACTS_HOLD);
	e->has_key_change = seen(&m, FACTS_KEY_CHANGE);
	e->has_value = seen(&m, FACTS_VALUE);
}
