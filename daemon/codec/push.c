/* What a subscription sends: stored transactions as they are, or events made of them. */
#include "codec/codec.h"
#include "codec/field.h"

enum { PUSH_TRANSACTIONS = 1, PUSH_FIRST_SEQ, PUSH_HEAD, PUSH_LAST_SEQ, PUSH_EVENTS };
enum {
	EVENT_ID = 1, EVENT_TYPE, EVENT_PROGRAM, EVENT_MEMBER_NO, EVENT_AT, EVENT_DATE, EVENT_OP, EVENT_POINTS, EVENT_PENDING, EVENT_LAST_DAY,
	EVENT_TIER, EVENT_TIER_FROM, EVENT_HOLD, EVENT_VOUCHER, EVENT_VOUCHER_NAME,
};

void
codec_push_encode(const struct push *p, struct buf *out)
{
	for (size_t i = 0; i < p->n; ++i)
		field_put_bytes(out, PUSH_TRANSACTIONS, p->transactions[i]);
	field_put_uint(out, PUSH_FIRST_SEQ, p->first_seq);
	field_put_uint(out, PUSH_HEAD, p->head);
	field_put_uint(out, PUSH_LAST_SEQ, p->last_seq);
}

void
codec_push_transaction(struct bytes leaf, struct buf *out)
{
	field_put_bytes(out, PUSH_TRANSACTIONS, leaf);
}

void
codec_push_event(const struct crm_event *event, struct buf *out)
{
	size_t begun = field_begin(out, PUSH_EVENTS);

	codec_event_encode(event, out);
	field_end(out, begun);
}

void
codec_push_end(uint64_t head, const uint64_t *last_seq, struct buf *out)
{
	field_put_uint(out, PUSH_HEAD, head);
	if (last_seq != NULL)
		field_put_uint(out, PUSH_LAST_SEQ, *last_seq);
}

/* ---- events ---- */

static void
put_points(struct buf *out, uint32_t number, const struct crm_event *event, int64_t points)
{
	char text[DECIMAL_TEXT_BYTES];

	field_put_text(out, number, decimal_format(points, event->program->scale, text));
}

void
codec_event_encode(const struct crm_event *event, struct buf *out)
{
	char text[CRM_PLACE_TEXT_BYTES];

	field_put_text(out, EVENT_ID, crm_place_format((struct crm_place){ event->entry, event->n }, text));
	field_put_text(out, EVENT_TYPE, crm_type_str(event->type));
	field_put_text(out, EVENT_PROGRAM, event->program->id);
	field_put_uint(out, EVENT_MEMBER_NO, event->member);
	field_put_fixed(out, EVENT_AT, event->at_us);
	field_put_sint(out, EVENT_DATE, event->date);
	field_put_text(out, EVENT_OP, op_str(event->op));
	if (event->has_points)
		put_points(out, EVENT_POINTS, event, event->points);
	if (event->pending != 0)
		put_points(out, EVENT_PENDING, event, event->pending);
	if (event->last_day != DAY_NONE)
		field_put_sint(out, EVENT_LAST_DAY, event->last_day);
	if (event->tier != NULL)
		field_put_text(out, EVENT_TIER, event->tier);
	if (event->tier_from != NULL)
		field_put_text(out, EVENT_TIER_FROM, event->tier_from);
	if (event->has_hold)
		field_put_text(out, EVENT_HOLD, crm_entry_format(event->hold, text));
	if (event->voucher == NULL)
		return;
	field_put_text(out, EVENT_VOUCHER, event->voucher);
	field_put_text(out, EVENT_VOUCHER_NAME, crm_place_format(event->voucher_name, text));
}
