#include "event_text.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ledger_text.h"

#define TEXT_BYTES 256			/* of what the server says, for people */

json_t *
event_json(const Fealty__V1__Event *event)
{
	size_t len = fealty__v1__event__get_packed_size(event);
	uint8_t *bytes = malloc(len + 1);

	assert(bytes != NULL);
	fealty__v1__event__pack(event, bytes);
	json_t *object = message_json(CODEC_EVENT, bytes_of(bytes, len));
	free(bytes);
	assert(object != NULL);			/* it was unpacked from the wire, so it can be printed */
	return object;
}

static void
print_text(FILE *out, const char *before, const char *text)
{
	char clean[TEXT_BYTES];

	if (text == NULL)
		return;
	(void)snprintf(clean, sizeof(clean), "%s", text);
	text_clean(clean, strlen(clean));
	(void)fprintf(out, "%s%s", before, clean);
}

void
event_print(const Fealty__V1__Event *event, FILE *out)
{
	char day[DAY_TEXT_BYTES], at[INSTANT_TEXT_BYTES];

	print_text(out, "", event->id);
	(void)fprintf(out, "  %s  ", instant_format(event->at, at));
	print_text(out, "", event->type != NULL ? event->type : "?");
	(void)fprintf(out, "  member %" PRIu64, event->member_no);
	print_text(out, "  ", event->points);
	print_text(out, ", of which wait ", event->pending);
	print_text(out, "  from ", event->tier_from);
	print_text(out, event->tier_from != NULL ? " to " : "  ", event->tier);
	print_text(out, "  hold ", event->hold);
	print_text(out, "  voucher ", event->voucher);
	print_text(out, " ", event->voucher_name);
	if (event->has_last_day)
		(void)fprintf(out, "  through %s", day_format(event->last_day, day));
	(void)fprintf(out, "\n");
}

bool
event_after_parse(const char *text, struct event_after *ret_after)
{
	struct event_after after = { .is_seq = true };
	struct crm_place place;
	char *end;

	if (crm_place_parse(text, &place)) {
		after = (struct event_after){ .is_event = true, .seq = place.entry.seq };
		(void)snprintf(after.event, sizeof(after.event), "%s", text);
		*ret_after = after;
		return true;
	}
	errno = 0;
	after.seq = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || strspn(text, "0123456789") != strlen(text))
		return false;
	*ret_after = after;
	return true;
}

void
event_after_put(struct event_after *after, Fealty__V1__Subscribe *body)
{
	body->has_after = after->is_seq;
	body->after = after->is_seq ? after->seq : 0;
	if (after->is_event)
		body->after_event = after->event;
}
