/* Verifier keys: one that is read is printed as it was, but for the case of its id, and its id is that of its name and key. */
#include <ctype.h>
#include <stdlib.h>

#include "fuzz.h"

static void
printed_again(const struct note_key *key, struct bytes vkey)
{
	uint8_t *printed = malloc(vkey.len);
	struct writer w = writer_of(printed, vkey.len);
	size_t id = key->name.len + 1;

	assert(printed != NULL);
	note_key_print(&w, key);
	struct bytes have = writer_bytes(&w);
	assert(have.len == vkey.len);
	for (size_t i = 0; i < have.len; i++)
		assert(have.data[i] == (i >= id && i < id + 8 ? tolower(vkey.data[i]) : vkey.data[i]));
	free(printed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct bytes vkey = bytes_of(data, size);
	struct note_key key = { .id = 77 };

	enum note_key_result result = note_key_parse(vkey, &key);
	assert(strlen(note_key_result_str(result)) > 0);
	if (result == NOTE_KEY_OK) {
		assert(note_name_valid(key.name) && key.id == note_key_id(key.name, key.type, key.public_key));
		printed_again(&key, vkey);
	} else
		assert(key.id == 77 && key.name.len == 0);
	if (note_name_valid(vkey)) {		/* the same bytes as a name */
		char out[256];
		struct writer w = writer_of(out, sizeof(out));
		struct note_key named = note_key_of(vkey, NOTE_COSIGNATURE, (const uint8_t[NOTE_PUBLIC_KEY_BYTES]){ 7 });
		note_key_print(&w, &named);
		if (writer_status(&w) == ST_OK)
			assert(note_key_parse(writer_bytes(&w), &key) == NOTE_KEY_OK && key.type == NOTE_COSIGNATURE);
		else
			assert(vkey.len > sizeof(out) - 100);
	}
	return 0;
}
