/**
 * Signed notes.  What is read is printed byte for byte, and each signature is what the model's base64 says.  The same text with lines of keys
 * that the target has is verified as by the model, and no longer when a bit of the text or of a line is another.
 */
#include <stdlib.h>

#include "fuzz.h"

#define OUT_BYTES(size) ((size) + 1024)

static struct note note, again;		/* too large for a stack with red zones */

/* Everything about the signature that lines of unknown keys are not asked for. */
static void
signature_is_its_base64(const struct note_signature *s)
{
	uint8_t *want = malloc(s->base64.len), have[NOTE_COSIGNATURE_BYTES];
	size_t len = 0;
	uint64_t time_s;

	assert(want != NULL && note_name_valid(s->name));
	bool decoded = model_base64(s->base64, want, s->base64.len, &len);
	assert(decoded && len >= 5 && s->key_id == get_be32(want));
	for (size_t n = 1; n <= sizeof(have); n += 71) {
		assert(note_signature_bytes(s, have, n) == (len == 4 + n));
		assert(len != 4 + n || memcmp(have, want + 4, n) == 0);
	}
	assert(cosignature_time(s, &time_s) == (len == 4 + NOTE_COSIGNATURE_BYTES && want[4] < 0x80));
	free(want);
}

static struct bytes
lines_of(struct bytes whole, const struct note *n)
{
	return bytes_of(whole.data + n->text.len + 1, whole.len - n->text.len - 1);
}

static void
verified_as_by_the_model(struct bytes whole, const struct note_key *key)
{
	enum note_signed have;

	assert(note_parse(whole, &again) == NOTE_OK);
	enum status st = note_verify(&again, key, fake_verify, NULL, &have);
	assert(st == ST_OK && have == model_signed(lines_of(whole, &again), key, again.text));
}

/* ${note} with two lines more, and then with one bit changed, the place of which is in the bytes themselves. */
static void
signed_again(struct bytes whole)
{
	const struct note_key keys[] = { fake_key("fuzz.example/log", NOTE_ED25519, 1), fake_key("fuzz.example/witness", NOTE_COSIGNATURE, 2) };
	uint8_t *out = malloc(OUT_BYTES(whole.len));
	struct writer w = writer_of(out, OUT_BYTES(whole.len));

	assert(out != NULL);
	writer_put(&w, whole);
	fake_line(&w, &keys[0], note.text, 0);
	fake_line(&w, &keys[1], note.text, whole.data[0] * UINT64_C(0x0101010101));
	enum note_result result = note_parse(writer_bytes(&w), &again);
	if (note.n_signatures > NOTE_SIGNATURES_MAX - 2)
		assert(result == NOTE_TOO_MANY_SIGNATURES);
	else {
		for (size_t i = 0; i < 2; i++)
			verified_as_by_the_model(writer_bytes(&w), &keys[i]);
		size_t at = (whole.len * 31 + whole.data[whole.len / 2] * 7u) % w.len;
		out[at] ^= (uint8_t)(1u << whole.len % 8);
		result = note_parse(writer_bytes(&w), &again);
		for (size_t i = 0; i < 2 && result == NOTE_OK; i++)
			verified_as_by_the_model(writer_bytes(&w), &keys[i]);
	}
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct bytes whole = bytes_of(data, size);
	enum note_result lines_only = note_parse_lines(whole, &note);

	assert(lines_only != NOTE_OK || (note.n_signatures > 0 && note.text.len == 0));
	enum note_result result = note_parse(whole, &note);
	assert(strlen(note_result_str(result)) > 0);
	if (result != NOTE_OK)
		return 0;
	assert(note.text.len > 0 && note.text.data == data && data[note.text.len - 1] == '\n');
	assert(note.n_signatures > 0 && note.n_signatures <= NOTE_SIGNATURES_MAX);
	for (size_t i = 0; i < note.n_signatures; i++)
		signature_is_its_base64(&note.signature[i]);
	uint8_t *printed = malloc(size);
	assert(printed != NULL);
	struct writer w = writer_of(printed, size);
	note_print(&w, &note);
	assert(bytes_equal(writer_bytes(&w), whole));
	free(printed);
	assert(note_parse_lines(lines_of(whole, &note), &again) == NOTE_OK && again.n_signatures == note.n_signatures);
	signed_again(whole);
	return 0;
}
