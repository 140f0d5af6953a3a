/* One row of ${forms} for each table: how its keys are built from numbers and texts; one function for each kind of value. */
#include "table_text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/apply.h"
#include "key_text.h"
#include "ledger_text.h"

/* ---- keys ---- */

/* A key's parts in order: '8' u64, '4' u32, '1' u8, 'T' instant of 8 bytes, 'D' date of 4, 's' text up to a NUL, 'e' text to the end, 'x'
 * hex to the end. */
static const struct { const char *parts, *form; } forms[TABLE_COUNT] = {
	[TABLE_TRANSACTION] = { "8", "SEQ" },
	[TABLE_CHECKPOINT] = { "8", "SIZE" },
	[TABLE_COSIGNATURE] = { "8x", "SIZE/KEYID" },
	[TABLE_VAULT_META] = { "e", "NAME" },
	[TABLE_ALIAS] = { "x", "HASH" },
	[TABLE_PERSON] = { "488", "PROGRAM/MEMBER/SEQ" },
	[TABLE_META] = { "e", "NAME" },
	[TABLE_MEMBER] = { "48", "PROGRAM/MEMBER" },
	[TABLE_HOLD] = { "84", "SEQ/INDEX" },
	[TABLE_FOLLOWUP] = { "84", "SEQ/INDEX" },
	[TABLE_REQUEST] = { "se", "REQUEST_ID/PRINCIPAL" },
	[TABLE_RECEIPT] = { "4ssD", "PROGRAM/STORE/RECEIPT_NO/DATE" },
	[TABLE_DUE] = { "T48", "INSTANT/PROGRAM/MEMBER" },
	[TABLE_PROGRAM] = { "4", "NUMBER" },
	[TABLE_VERSION] = { "44", "NUMBER/VERSION" },
	[TABLE_TILE] = { "18", "LEVEL/INDEX" },
	[TABLE_KEY] = { "4", "PLACE" },
	[TABLE_APPROVER] = { "e", "PRINCIPAL" },
	[TABLE_WAITING] = { "84", "SEQ/INDEX" },
	[TABLE_LOOK] = { "T48", "INSTANT/PROGRAM/MEMBER" },
	[TABLE_TERMINAL] = { "sse", "STORE/TERMINAL/PRINCIPAL" },
};

const char *
table_key_form(enum store_table table)
{
	return forms[table].form;
}

static size_t
part_bytes(char part, const struct cursor *c)
{
	size_t left = (size_t)(c->end - c->p);

	switch (part) {
	case '8':
	case 'T':
		return 8;
	case '4':
	case 'D':
		return 4;
	case '1':
		return 1;
	case 's':
		return strnlen((const char *)c->p, left);
	default:
		return left;
	}
}

static int
part_format(char part, struct bytes b, char *text, size_t room)
{
	char buffer[TABLE_KEY_TEXT_BYTES];

	switch (part) {
	case '8':
		return snprintf(text, room, "%" PRIu64, get_be64(b.data));
	case '4':
		return snprintf(text, room, "%" PRIu32, get_be32(b.data));
	case '1':
		return snprintf(text, room, "%u", b.data[0]);
	case 'T':
		return snprintf(text, room, "%s", instant_format((int64_t)get_be64(b.data), buffer));
	case 'D':
		return snprintf(text, room, "%s", day_format((int32_t)get_be32(b.data), buffer));
	case 's':
	case 'e':
		return snprintf(text, room, "%.*s", (int)b.len, (const char *)b.data);
	default:
		return snprintf(text, room, "%s", b.len * 2 < sizeof(buffer) ? hex_format(b, buffer) : "…");
	}
}

const char *
table_key_format(enum store_table table, struct bytes key, char ret_text[static TABLE_KEY_TEXT_BYTES])
{
	struct cursor c = cursor_of(key);
	size_t used = 0;

	for (const char *part = forms[table].parts; *part != '\0'; part++) {
		struct bytes b = cursor_bytes(&c, part_bytes(*part, &c));
		if (*part == 's')
			(void)cursor_u8(&c);
		if (!cursor_ok(&c) || used + 2 > TABLE_KEY_TEXT_BYTES)
			break;
		if (part != forms[table].parts)
			ret_text[used++] = '/';
		int n = part_format(*part, b, ret_text + used, TABLE_KEY_TEXT_BYTES - used);
		used += n > 0 && (size_t)n < TABLE_KEY_TEXT_BYTES - used ? (size_t)n : 0;
	}
	if (!cursor_done(&c))
		return key.len * 2 < TABLE_KEY_TEXT_BYTES ? hex_format(key, ret_text) : strcpy(ret_text, "(a key that is too long)");
	ret_text[used] = '\0';
	return ret_text;
}

static bool
number_parse(const char *text, uint64_t max, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0' || strlen(text) > 20)
		return false;
	for (; *text != '\0'; text++)
		if (__builtin_mul_overflow(number, UINT64_C(10), &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*text - '0'), &number))
			return false;
	*ret_number = number;
	return number <= max;
}

static bool
hex_put_parsed(const char *text, struct buf *out)
{
	uint8_t bytes[512];
	size_t len = strlen(text) / 2;

	if (len > sizeof(bytes) || !hex_parse(text, bytes, len))
		return false;
	buf_put(out, bytes, len);
	return true;
}

static bool
part_parse(char part, const char *text, struct buf *out)
{
	uint64_t number = 0;
	int64_t at_us;
	int32_t day;

	switch (part) {
	case '8':
		if (!number_parse(text, UINT64_MAX, &number))
			return false;
		buf_put_be64(out, number);
		return true;
	case '4':
		if (!number_parse(text, UINT32_MAX, &number))
			return false;
		buf_put_be32(out, (uint32_t)number);
		return true;
	case '1':
		if (!number_parse(text, UINT8_MAX, &number))
			return false;
		buf_put_u8(out, (uint8_t)number);
		return true;
	case 'T':
		if (!instant_parse(text, &at_us))
			return false;
		buf_put_be64(out, (uint64_t)at_us);
		return true;
	case 'D':
		if (!day_parse(text, &day))
			return false;
		buf_put_be32(out, (uint32_t)day);
		return true;
	case 's':
		buf_put(out, text, strlen(text) + 1);
		return true;
	case 'e':
		buf_put(out, text, strlen(text));
		return true;
	default:
		return hex_put_parsed(text, out);
	}
}

bool
table_key_parse(enum store_table table, const char *text, struct buf *ret_key)
{
	char word[TABLE_KEY_TEXT_BYTES];

	for (const char *part = forms[table].parts; *part != '\0' && text != NULL; part++) {
		const char *slash = *part == 'e' ? NULL : strchr(text, '/');
		size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
		if (len >= sizeof(word))
			return false;
		memcpy(word, text, len);
		word[len] = '\0';
		if (!part_parse(*part, word, ret_key))
			return false;
		text = slash != NULL ? slash + 1 : NULL;
	}
	return text == NULL;
}

/* ---- values ---- */

static void
put_signed(json_t *object, const char *key, int64_t number)
{
	json_put(object, key, json_integer((json_int_t)number));
}

static void
put_day(json_t *object, const char *key, int32_t day)
{
	char text[DAY_TEXT_BYTES];

	json_put_text(object, key, day == DAY_NONE ? NULL : day_format(day, text));
}

static void
put_instant(json_t *object, const char *key, int64_t at_us)
{
	char text[INSTANT_TEXT_BYTES];

	json_put_text(object, key, at_us == INSTANT_NEVER ? NULL : instant_format(at_us, text));
}

static void
put_id(json_t *object, const char *key, struct entry_id id)
{
	char text[48];

	(void)snprintf(text, sizeof(text), "%" PRIu64 ".%" PRIu32, id.seq, id.index);
	json_put_text(object, key, text);
}

static void
put_last_day(json_t *object, int32_t last_day)
{
	if (last_day == DAY_CLOCK)
		json_put_text(object, "last_day", "inactivity");
	else
		put_day(object, "last_day", last_day);
}

static json_t *
lots_json(const struct lot *lots, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *lot = json_new();
		put_last_day(lot, lots[i].last_day);
		json_put_text(lot, "class", lot_class_str(lots[i].class));
		put_signed(lot, "points", lots[i].points);
		(void)json_array_append_new(list, lot);
	}
	return list;
}

/* Of a hold that is for one terminal. */
static void
put_till(json_t *object, const struct terminal_name *till)
{
	if (till->store[0] != 0)
		json_put_text(object, "for_store", till->store);
	if (till->terminal[0] != 0)
		json_put_text(object, "for_terminal", till->terminal);
}

static json_t *
numbers_json(const uint64_t *numbers, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(list, json_integer((json_int_t)numbers[i]));
	return list;
}

static json_t *
holds_json(const struct member *m)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->n_holds; i++) {
		json_t *hold = json_new();
		put_id(hold, "id", m->holds[i].id);
		put_instant(hold, "ends_at", m->holds[i].ends_at_us);
		put_till(hold, &m->holds[i].till);
		json_put(hold, "lots", lots_json(m->holds[i].lots, m->holds[i].n_lots));
		if (m->holds[i].of_voucher)
			json_put(hold, "of_voucher", json_true());
		if (m->holds[i].partner[0] != '\0')
			json_put_text(hold, "partner", m->holds[i].partner);
		if (m->holds[i].part)
			json_put(hold, "part", json_true());
		if (m->holds[i].pooled != 0)
			put_signed(hold, "pooled", m->holds[i].pooled);
		if (m->holds[i].n_owners > 0)
			json_put(hold, "owners", numbers_json(m->holds[i].owners, m->holds[i].n_owners));
		(void)json_array_append_new(list, hold);
	}
	return list;
}

static json_t *
days_json(const struct member *m)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->n_days; i++) {
		json_t *day = json_new();
		put_day(day, "day", m->days[i].day);
		put_signed(day, "points_earned", m->days[i].points_earned);
		put_signed(day, "spend", m->days[i].spend);
		put_signed(day, "visits", m->days[i].visits);
		(void)json_array_append_new(list, day);
	}
	return list;
}

static json_t *
counts_json(const struct member *m)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->n_counts; i++) {
		json_t *row = json_new();
		put_day(row, "day", m->counts[i].day);
		json_put_number(row, "counter", m->counts[i].counter);
		put_signed(row, "count", m->counts[i].count);
		(void)json_array_append_new(list, row);
	}
	return list;
}

static json_t *
memberships_json(const struct member *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->n_memberships; i++) {
		const struct membership *s = &m->memberships[i];
		json_t *row = json_new();

		json_put_text(row, "id", s->id);
		json_put(row, "ended", json_boolean(s->ended));
		json_put(row, "cancelled", json_boolean(s->cancelled));
		put_day(row, "trial", s->trial);
		put_day(row, "anchor", s->anchor);
		json_put(row, "periods", json_integer(s->periods));
		put_day(row, "next", s->next);
		put_day(row, "ends", s->ends);
		put_day(row, "used", s->used);
		(void)json_array_append_new(rows, row);
	}
	return rows;
}

static json_t *
tier_json(const struct tier_state *tier)
{
	json_t *object = json_new();

	json_put_text(object, "earned", tier->earned);
	put_day(object, "since", tier->since);
	put_day(object, "until", tier->until);
	put_day(object, "from", tier->from);
	if (tier->grace)
		json_put(object, "grace", json_true());
	json_put_text(object, "gift", tier->gift);
	put_day(object, "gift_until", tier->gift_until);
	return object;
}

static json_t *
vouchers_json(const struct member *m)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->n_vouchers; i++) {
		const struct voucher *v = &m->vouchers[i];
		json_t *row = json_new();

		put_id(row, "from", v->from);
		json_put_number(row, "n", v->n);
		json_put_text(row, "id", v->id);
		json_put_text(row, "state", voucher_state_str(v->state));
		json_put_text(row, "source", voucher_source_str(v->source));
		if (v->of[0] != '\0')
			json_put_text(row, "of", v->of);
		put_day(row, "last_day", v->last_day);
		put_id(row, "by", v->by);
		(void)json_array_append_new(list, row);
	}
	return list;
}

static json_t *
stamps_json(const struct member *m)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->n_cards; i++) {
		const struct stamp_card *c = &m->cards[i];
		json_t *row = json_new(), *fired = json_array();

		json_put_text(row, "card", c->id);
		json_put(row, "stamps", json_integer(c->stamps));
		put_day(row, "last_day", c->last_day);
		for (size_t k = 0; k < c->n_fired; k++)
			(void)json_array_append_new(fired, json_integer(c->fired[k]));
		json_put(row, "fired", fired);
		(void)json_array_append_new(list, row);
	}
	return list;
}

static json_t *
consents_json(const struct member *m)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->n_consents; i++) {
		json_t *row = json_new();

		json_put_text(row, "purpose", m->consents[i].purpose);
		json_put(row, "given", json_boolean(m->consents[i].given));
		put_day(row, "since", m->consents[i].day);
		(void)json_array_append_new(list, row);
	}
	return list;
}

static json_t *
member_json(struct bytes value)
{
	struct arena arena;
	struct member m;
	json_t *object = NULL;

	arena_init(&arena, 16u << 20);
	if (member_decode(value, &arena, &m) == ST_OK) {
		object = json_new();
		put_day(object, "enrolled", m.enrolled_day);
		put_signed(object, "available", m.available);
		put_signed(object, "pending", m.pending);
		put_signed(object, "held", m.held);
		put_signed(object, "debt", m.debt);
		if (m.advanced != 0)
			put_signed(object, "advanced", m.advanced);
		put_signed(object, "points_earned", m.points_earned);
		put_signed(object, "spend", m.spend);
		put_signed(object, "visits", m.visits);
		json_put(object, "tier", tier_json(&m.tier));
		put_day(object, "birthday_paid", m.birthday_paid);
		if (m.pool != 0)
			json_put(object, "pool", json_integer((json_int_t)m.pool));
		if (m.n_joined > 0)
			json_put(object, "joined", numbers_json(m.joined, m.n_joined));
		if (m.n_memberships > 0)
			json_put(object, "memberships", memberships_json(&m));
		if (m.standing != STANDING_ACTIVE)
			json_put(object, "standing", json_string(m.standing == STANDING_FROZEN ? "frozen" : "closed"));
		if (m.merged_into != 0)
			json_put_number(object, "merged_into", m.merged_into);
		if (m.provisional)
			json_put(object, "provisional", json_true());
		if (m.referred_by != 0) {
			json_put_number(object, "referred_by", m.referred_by);
			json_put(object, "referral_done", json_boolean(m.referral_done));
		}
		if (m.n_consents > 0)
			json_put(object, "consents", consents_json(&m));
		if (m.clock.on)
			put_day(object, "inactivity_last_day", m.clock.last_day);
		if (m.has_anniversary)
			put_day(object, "anniversary", m.anniversary);
		if (m.has_look)
			put_day(object, "look_day", m.look_day);
		if (m.notice_day != 0)
			put_day(object, "notice_day", m.notice_day);
		if (m.has_head)
			put_id(object, "head", m.head);
		put_instant(object, "due_at", m.due_at_us);
		if (m.looked > 1)
			json_put_number(object, "looked_by", m.looked);
		json_put(object, "lots", lots_json(m.lots, m.n_lots));
		json_put(object, "holds", holds_json(&m));
		if (m.n_vouchers > 0)
			json_put(object, "vouchers", vouchers_json(&m));
		if (m.n_cards > 0)
			json_put(object, "stamps", stamps_json(&m));
		if (m.has_auto)
			put_day(object, "auto_redeem", m.auto_day);
		json_put(object, "days", days_json(&m));
		json_put(object, "counts", counts_json(&m));
	}
	arena_release(&arena);
	return object;
}

static json_t *
hold_json(struct bytes value)
{
	static const char *const ends[] = {
		[HOLD_END_TAKEN] = "taken", [HOLD_END_RELEASED] = "released", [HOLD_END_TIMED_OUT] = "timed_out"
	};
	struct closed_hold hold;

	if (closed_hold_decode(value, &hold) != ST_OK)
		return NULL;
	json_t *object = json_new();
	json_put_number(object, "program", hold.program);
	json_put_number(object, "member", hold.member);
	json_put_text(object, "end", ends[hold.end]);
	put_till(object, &hold.till);
	return object;
}

static json_t *
terminal_json(struct bytes value)
{
	struct terminal_state t;

	if (terminal_decode(value, &t) != ST_OK)
		return NULL;
	json_t *object = json_new(), *gaps = json_array();
	json_put_number(object, "last", t.last);
	put_id(object, "id", t.id);
	json_put_number(object, "missing", terminal_missing(&t));
	for (size_t i = 0; i < t.n_gaps; i++) {
		json_t *gap = json_new();
		json_put_number(gap, "first", t.gaps[i].first);
		json_put_number(gap, "last", t.gaps[i].last);
		(void)json_array_append_new(gaps, gap);
	}
	json_put(object, "gaps", gaps);
	json_put_number(object, "repeats", t.repeats);
	if (t.repeats > 0) {
		json_put_number(object, "repeat", t.repeat_seq);
		put_id(object, "repeat_id", t.repeat_id);
	}
	return object;
}

static json_t *
waiting_json(const struct waiting_adjust *w)
{
	char id[40];
	json_t *object = json_new();

	json_put_number(object, "program", w->program);
	json_put_number(object, "member", w->member);
	json_put_hex(object, "transaction_hash", bytes_of(w->transaction_hash, SHA256_BYTES));
	if (w->approved) {
		(void)snprintf(id, sizeof(id), "%" PRIu64 ".%" PRIu32, w->by.seq, w->by.index);
		json_put_text(object, "approved_by", id);
	}
	return object;
}

static json_t *
lines_left_json(const struct followup *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->n_lines; i++) {
		json_t *line = json_new();
		json_put_number(line, "qty", f->lines[i].qty);
		put_signed(line, "amount", f->lines[i].amount);
		(void)json_array_append_new(list, line);
	}
	return list;
}

static json_t *
activations_json(const struct followup *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->n_activations; i++) {
		json_t *row = json_new();
		put_day(row, "day", f->activations[i].day);
		put_last_day(row, f->activations[i].last_day);
		put_signed(row, "points", f->activations[i].points);
		(void)json_array_append_new(list, row);
	}
	return list;
}

static json_t *
points_json(const struct owed *points, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *row = json_new();
		json_put_text(row, "rule", points[i].rule);
		put_signed(row, "points", points[i].points);
		(void)json_array_append_new(list, row);
	}
	return list;
}

/* Numbers as they are stored, like those of a transaction's facts; what does not concern the entry is left out. */
static json_t *
followup_json(struct bytes value)
{
	struct arena arena;
	struct followup f;
	json_t *object = NULL;

	arena_init(&arena, (size_t)1 << 20);
	if (followup_decode(value, &arena, &f) == ST_OK) {
		object = json_new();
		if (f.returned) {
			put_signed(object, "left", f.left);
			json_put(object, "lines", lines_left_json(&f));
			json_put(object, "stepped", points_json(f.stepped, f.n_stepped));
			put_signed(object, "fallen", f.fallen);
			json_put(object, "owed", points_json(f.owed, f.n_owed));
		}
		if (f.returned || f.clawed != 0)
			put_signed(object, "clawed", f.clawed);
		if (f.n_activations > 0)
			json_put(object, "activations", activations_json(&f));
		if (f.reversed != 0)
			put_signed(object, "reversed", f.reversed);
	}
	arena_release(&arena);
	return object;
}

/* Requests and receipts: seq, index, then the rest, a digest last. */
static json_t *
entry_row_json(struct bytes value, bool has_program, const char *digest_name)
{
	struct cursor c = cursor_of(value);
	struct entry_id id = { .seq = cursor_be64(&c) };

	id.index = cursor_be32(&c);
	uint32_t program = has_program ? cursor_be32(&c) : 0;
	uint64_t member = cursor_be64(&c);
	struct bytes digest = cursor_bytes(&c, 32);
	if (!cursor_done(&c))
		return NULL;
	json_t *object = json_new();
	put_id(object, "entry", id);
	if (has_program)
		json_put_number(object, "program", program);
	json_put_number(object, "member", member);
	json_put_hex(object, digest_name, digest);
	return object;
}

static json_t *
totals_json(struct bytes value)
{
	struct totals totals;

	if (totals_decode(value, &totals) != ST_OK)
		return NULL;
	json_t *object = json_new(), *accounts = json_new();
	json_put_number(object, "members", totals.members);
	json_put_number(object, "versions", totals.versions);
	for (enum account a = ACCOUNT_MEMBER; a < ACCOUNT_COUNT; a++)
		if (totals.account[a] != 0 || a <= ACCOUNT_DEBT)
			put_signed(accounts, account_str(a), totals.account[a]);
	json_put(object, "accounts", accounts);
	return object;
}

static json_t *
version_json(struct bytes value)
{
	struct cursor c = cursor_of(value);
	int64_t at_us = (int64_t)cursor_be64(&c);
	size_t zone_bytes = (size_t)cursor_varint(&c);

	(void)cursor_bytes(&c, zone_bytes);
	struct bytes definition = cursor_bytes(&c, (size_t)(c.end - c.p));
	json_t *program = cursor_done(&c) ? message_json(CODEC_PROGRAM, definition) : NULL;
	if (program == NULL)
		return NULL;
	json_t *object = json_new();
	put_instant(object, "in_force", at_us);
	json_put_number(object, "zone_bytes", zone_bytes);
	json_put(object, "program", program);
	return object;
}

/* The seq that linked it; what follows is sealed. */
static json_t *
alias_json(struct bytes value)
{
	struct cursor c = cursor_of(value);
	uint64_t seq = cursor_be64(&c);

	if (!cursor_ok(&c))
		return NULL;
	json_t *object = json_new();
	json_put_number(object, "seq", seq);
	json_put_number(object, "sealed_bytes", (uint64_t)(c.end - c.p));
	return object;
}

static json_t *
shape_json(struct bytes value)
{
	json_t *object = json_new();

	json_put_number(object, "bytes", value.len);
	return object;
}

static json_t *
hex_json(struct bytes value)
{
	json_t *object = json_new();

	json_put_hex(object, "hex", value);
	return object;
}

/* The row "head" of meta, as apply/ writes it. */
static json_t *
head_json(struct bytes value)
{
	struct cursor c = cursor_of(value);
	uint64_t size = cursor_be64(&c);
	struct bytes prev = cursor_bytes(&c, SHA256_BYTES);
	int64_t committed_at_us = (int64_t)cursor_be64(&c);
	int64_t clock_us = (int64_t)cursor_be64(&c);
	bool manual_clock = cursor_u8(&c) != 0;
	struct bytes transaction_key = cursor_bytes(&c, 32), checkpoint_key = cursor_bytes(&c, 32), origin = cursor_string(&c);

	if (!cursor_done(&c))
		return NULL;
	json_t *object = json_new();
	json_put_number(object, "size", size);
	json_put_hex(object, "prev", prev);
	put_instant(object, "committed_at", committed_at_us);
	put_instant(object, "now", clock_us);
	json_put_text(object, "clock", manual_clock ? "manual" : "real");
	json_put_hex(object, "transaction_key", transaction_key);
	json_put_hex(object, "checkpoint_key", checkpoint_key);
	json_t *name = json_stringn((const char *)origin.data, origin.len);
	json_put(object, "origin", name != NULL ? name : json_null());
	return object;
}

static json_t *
note_json(struct bytes value)
{
	json_t *text = json_stringn((const char *)value.data, value.len);

	if (text == NULL)
		return NULL;
	json_t *object = json_new();
	json_put(object, "note", text);
	return object;
}

json_t *
table_value_json(enum store_table table, struct bytes key, struct bytes value)
{
	struct ledger_key signing;
	struct approver approver;
	struct waiting_adjust waiting;
	json_t *object = NULL;

	switch (table) {
	case TABLE_TRANSACTION:
		object = ledger_text_json(value);
		break;
	case TABLE_CHECKPOINT:
	case TABLE_COSIGNATURE:
		object = note_json(value);
		break;
	case TABLE_VAULT_META:
	case TABLE_PERSON:
		return shape_json(value);
	case TABLE_ALIAS:
		object = alias_json(value);
		return object != NULL ? object : shape_json(value);
	case TABLE_MEMBER:
		object = member_json(value);
		break;
	case TABLE_HOLD:
		object = hold_json(value);
		break;
	case TABLE_FOLLOWUP:
		object = followup_json(value);
		break;
	case TABLE_REQUEST:
		object = entry_row_json(value, true, "fingerprint");
		break;
	case TABLE_RECEIPT:
		object = entry_row_json(value, false, "digest");
		break;
	case TABLE_DUE:
	case TABLE_LOOK:
		object = json_new();
		break;
	case TABLE_PROGRAM:
		object = totals_json(value);
		break;
	case TABLE_VERSION:
		object = version_json(value);
		break;
	case TABLE_META:
		object = bytes_equal(key, bytes_of("head", 4)) ? head_json(value) : NULL;
		break;
	case TABLE_KEY:
		object = ledger_key_decode(value, &signing) == ST_OK ? key_json(&signing) : NULL;
		break;
	case TABLE_APPROVER:
		object = approver_row_decode(value, &approver) == ST_OK ? approver_json(&approver) : NULL;
		break;
	case TABLE_WAITING:
		object = waiting_row_decode(value, &waiting) == ST_OK ? waiting_json(&waiting) : NULL;
		break;
	case TABLE_TERMINAL:
		object = terminal_json(value);
		break;
	case TABLE_TILE:
	case TABLE_COUNT:
		break;
	}
	return object != NULL ? object : hex_json(value);
}
