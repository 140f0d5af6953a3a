/*
 * What later entries did to an entry, as a row of state.  An entry that changes it carries it whole, so that a replay stores it and
 * needs no rule.
 */
#include <string.h>

#include "ledger/internal.h"

#define FOLLOWUP_FORMAT 1

static void
points_encode(const struct owed *rows, size_t n, struct buf *out)
{
	buf_put_varint(out, n);
	for (size_t i = 0; i < n; i++) {
		buf_put_string(out, rows[i].rule);
		buf_put_svarint(out, rows[i].points);
	}
}

void
followup_encode(const struct followup *f, struct buf *out)
{
	buf_put_u8(out, FOLLOWUP_FORMAT);
	buf_put_u8(out, f->returned);
	buf_put_svarint(out, f->left);
	buf_put_varint(out, f->n_lines);
	for (size_t i = 0; i < f->n_lines; i++) {
		buf_put_varint(out, f->lines[i].qty);
		buf_put_svarint(out, f->lines[i].amount);
	}
	buf_put_svarint(out, f->clawed);
	buf_put_svarint(out, f->fallen);
	buf_put_varint(out, f->n_activations);
	for (size_t i = 0; i < f->n_activations; i++) {
		buf_put_svarint(out, f->activations[i].day);
		buf_put_svarint(out, f->activations[i].last_day);
		buf_put_svarint(out, f->activations[i].points);
	}
	points_encode(f->owed, f->n_owed, out);
	points_encode(f->stepped, f->n_stepped, out);
	buf_put_svarint(out, f->reversed);
	buf_put_svarint(out, f->lapsed);
	buf_put_svarint(out, f->referee_clawed);
	buf_put_svarint(out, f->referrer_clawed);
}

struct reader {
	struct cursor c;
	struct arena *arena;
	enum status status;
};

/* Rows of at least ${least} bytes each; NULL for none. */
static void *
rows(struct reader *r, size_t least, size_t size, size_t *ret_n)
{
	uint64_t n = cursor_varint(&r->c);

	*ret_n = 0;
	if (r->status != ST_OK || !cursor_ok(&r->c) || n == 0)
		return NULL;
	if (n > (uint64_t)(r->c.end - r->c.p) / least) {
		r->status = ST_CORRUPT;
		return NULL;
	}
	void *made = arena_alloc(r->arena, (size_t)n * size);
	if (made == NULL)
		r->status = ST_NOMEM;
	else
		*ret_n = (size_t)n;
	return made;
}

static int32_t
read_day(struct reader *r)
{
	int64_t v = cursor_svarint(&r->c);

	if (v < INT32_MIN || v > INT32_MAX) {
		r->status = ST_CORRUPT;
		return 0;
	}
	return (int32_t)v;
}

static void
read_rule(struct reader *r, char *ret, size_t size)
{
	if (!text_decode(&r->c, ret, size))
		r->status = ST_CORRUPT;
}

static const struct owed *
read_points(struct reader *r, size_t *ret_n)
{
	struct owed *points = rows(r, 2, sizeof(*points), ret_n);

	for (size_t i = 0; i < *ret_n; i++) {
		read_rule(r, points[i].rule, sizeof(points[i].rule));
		points[i].points = cursor_svarint(&r->c);
	}
	return points;
}

enum status
followup_decode(struct bytes bytes, struct arena *arena, struct followup *ret)
{
	struct reader r = { .c = cursor_of(bytes), .arena = arena };
	struct followup f = { 0 };

	if (cursor_u8(&r.c) != FOLLOWUP_FORMAT)
		return ST_CORRUPT;
	uint8_t returned = cursor_u8(&r.c);
	f.returned = returned != 0;
	f.left = cursor_svarint(&r.c);
	struct line_left *lines = rows(&r, 2, sizeof(*lines), &f.n_lines);
	for (size_t i = 0; i < f.n_lines; i++) {
		uint64_t qty = cursor_varint(&r.c);
		if (qty > UINT32_MAX)
			r.status = ST_CORRUPT;
		lines[i] = (struct line_left){ .qty = (uint32_t)qty, .amount = cursor_svarint(&r.c) };
	}
	f.clawed = cursor_svarint(&r.c);
	f.fallen = cursor_svarint(&r.c);
	struct activation *activations = rows(&r, 3, sizeof(*activations), &f.n_activations);
	for (size_t i = 0; i < f.n_activations; i++) {
		activations[i].day = read_day(&r);
		activations[i].last_day = read_day(&r);
		activations[i].points = cursor_svarint(&r.c);
	}
	f.owed = read_points(&r, &f.n_owed);
	f.stepped = read_points(&r, &f.n_stepped);
	f.reversed = cursor_svarint(&r.c);
	f.lapsed = cursor_svarint(&r.c);
	f.referee_clawed = cursor_svarint(&r.c);
	f.referrer_clawed = cursor_svarint(&r.c);
	if (r.status == ST_NOMEM)
		return ST_NOMEM;
	if (r.status != ST_OK || !cursor_done(&r.c) || returned > 1)
		return ST_CORRUPT;
	f.lines = lines;
	f.activations = activations;
	*ret = f;
	return ST_OK;
}

bool
followup_ok(const struct followup *f)
{
	if (f->left < 0 || f->clawed < 0 || f->fallen < 0 || f->reversed < 0 || f->lapsed < 0 || f->referee_clawed < 0 ||
	    f->referrer_clawed < 0 || f->n_lines > LEDGER_LINES_MAX)
		return false;
	for (size_t i = 0; i < f->n_lines; i++) {
		if (f->lines[i].amount < 0)
			return false;
	}
	for (size_t i = 0; i < f->n_activations; i++) {
		if (!day_ok(f->activations[i].day) || !lot_day_ok(f->activations[i].last_day) || f->activations[i].points <= 0)
			return false;
	}
	for (size_t i = 0; i < f->n_owed + f->n_stepped; i++) {
		if ((i < f->n_owed ? f->owed[i] : f->stepped[i - f->n_owed]).points <= 0)
			return false;
	}
	return f->returned || (f->left == 0 && f->n_lines == 0);
}

/* Rows of later entries are added to a copy: the record in state is never written to. */
enum status
followup_load(const struct decision *d, struct entry_id id, struct followup *ret)
{
	const struct followup *there = NULL;
	enum status st = d->state->followup(d->state->ctx, id, &there);

	if (st != ST_OK && st != ST_NOTFOUND)
		return st;
	*ret = st == ST_OK ? *there : (struct followup){ 0 };
	ret->entry = id;
	return ST_OK;
}

enum status
decision_followup(struct decision *d, const struct followup *f)
{
	struct followup *grown = arena_grow(d->arena, d->followups, &d->cap_followups, d->entry->n_followups + 1, sizeof(*grown));

	if (grown == NULL)
		return ST_NOMEM;
	grown[d->entry->n_followups++] = *f;
	d->entry->followups = d->followups = grown;
	return ST_OK;
}
