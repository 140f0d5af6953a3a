/* What was read once is read again where it is verified: the copy is the truth, and nothing points into a buffer of somebody else. */
#include "log_head.h"

#include <assert.h>
#include <string.h>

#include "signer/signer.h"

static bool
read_note(struct bytes text, struct note *note, struct checkpoint *c, const char **ret_why)
{
	if (text.len > LOG_NOTE_BYTES_MAX) {
		*ret_why = "it is longer than a checkpoint can be";
		return false;
	}
	enum note_result parsed = note_parse(text, note);
	if (parsed != NOTE_OK) {
		*ret_why = note_result_str(parsed);
		return false;
	}
	enum checkpoint_result read = checkpoint_parse(note->text, c);
	if (read != CHECKPOINT_OK) {
		*ret_why = checkpoint_result_str(read);
		return false;
	}
	*ret_why = c->size == 0 ? "it is of no transactions, and a ledger begins with one" : "it is of more transactions than a ledger can have";
	return c->size > 0 && c->size < UINT64_MAX;
}

bool
log_head_read(struct bytes text, struct log_head *ret_head, const char **ret_why)
{
	struct checkpoint c;
	struct note note;

	if (!read_note(text, &note, &c, ret_why))
		return false;
	ret_head->size = c.size;
	memcpy(ret_head->root, c.root, sizeof(c.root));
	ret_head->note_bytes = text.len;
	memmove(ret_head->note, text.data, text.len);
	return true;
}

enum log_head_result
log_head_verify(const struct log_head *head, const struct note_key *key)
{
	enum note_signed is_signed;
	struct checkpoint c;
	struct note note;
	const char *why;

	bool read = read_note(log_head_note(head), &note, &c, &why);
	assert(read);
	if (!bytes_equal(c.origin, key->name))
		return LOG_HEAD_OTHER_ORIGIN;
	if (note_verify(&note, key, verify_parts, NULL, &is_signed) != ST_OK || is_signed == NOTE_UNSIGNED)
		return LOG_HEAD_NOT_SIGNED;
	return is_signed == NOTE_SIGNED ? LOG_HEAD_OK : LOG_HEAD_FORGED;
}

struct bytes
log_head_note(const struct log_head *head)
{
	return bytes_of(head->note, head->note_bytes);
}
