/*
 * What a witness answers: a line of Content-Type, then the body.  A size is taken where one is by other hands and nowhere else; signature lines are
 * those of a note whose text is another one.
 */
#include <stdlib.h>
#include <strings.h>

#include "fuzz.h"
#include "merkle/witness.h"

static bool
by_other_hands(struct bytes type, struct bytes body, uint64_t *ret)
{
	static const char wanted[] = "text/x.tlog.size";
	char text[24] = { 0 };
	size_t len = 0;

	while (len < type.len && type.data[len] != ';')
		len++;
	while (len > 0 && (type.data[len - 1] == ' ' || type.data[len - 1] == '\t'))
		len--;
	if (len != sizeof(wanted) - 1 || strncasecmp((const char *)type.data, wanted, len) != 0)
		return false;
	if (body.len < 2 || body.len > 21 || body.data[body.len - 1] != '\n' || (body.data[0] == '0' && body.len > 2))
		return false;
	memcpy(text, body.data, body.len - 1);
	if (strspn(text, "0123456789") != body.len - 1)
		return false;
	if (body.len == 21 && strcmp(text, "18446744073709551615") > 0)
		return false;
	*ret = strtoull(text, NULL, 10);
	return true;
}

/* The same lines behind a text of a note. */
static void
lines_of_a_note(struct bytes lines)
{
	static const char before[] = "text\n\n";
	const size_t len = sizeof(before) - 1;
	struct note alone, whole;
	uint8_t *text = malloc(len + lines.len);

	assert(text != NULL);
	memcpy(text, before, len);
	if (lines.len > 0)
		memcpy(text + len, lines.data, lines.len);
	enum note_result result = note_parse_lines(lines, &alone);
	if (result == NOTE_OK) {
		assert(note_parse(bytes_of(text, len + lines.len), &whole) == NOTE_OK && alone.text.len == 0);
		assert(alone.n_signatures == whole.n_signatures);
		for (size_t i = 0; i < alone.n_signatures; i++)
			assert(alone.signature[i].key_id == whole.signature[i].key_id && bytes_equal(alone.signature[i].name, whole.signature[i].name));
	}
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t have = 7, want = 7;
	size_t end = 0;

	while (end < size && data[end] != '\n')
		end++;
	struct bytes type = bytes_of(data, end), body = end < size ? bytes_of(data + end + 1, size - end - 1) : bytes_of(data, 0);
	bool is_size = by_other_hands(type, body, &want);
	assert(witness_size_parse(type, body, &have) == is_size && have == want);
	lines_of_a_note(body);
	return 0;
}
