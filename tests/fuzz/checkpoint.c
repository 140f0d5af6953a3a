/* Texts of checkpoints: the same are checkpoints as by a reading with other hands, and what is read is printed byte for byte. */
#include <stdlib.h>

#include "fuzz.h"
#include "merkle/checkpoint.h"

/* The line that begins at ${begin}, without its newline; false: there is no newline. */
static bool
line_at(struct bytes text, size_t begin, struct bytes *ret)
{
	size_t end = begin;

	while (end < text.len && text.data[end] != '\n')
		end++;
	*ret = bytes_of(begin == 0 ? text.data : text.data + begin, end - begin);
	return end < text.len;
}

static bool
decimal(struct bytes line, uint64_t *ret)
{
	unsigned __int128 v = 0;

	if (line.len == 0 || line.len > 20 || (line.data[0] == '0' && line.len > 1))
		return false;
	for (size_t i = 0; i < line.len; i++) {
		if (line.data[i] < '0' || line.data[i] > '9')
			return false;
		v = v * 10 + (unsigned)(line.data[i] - '0');
	}
	*ret = (uint64_t)v;
	return v <= UINT64_MAX;
}

static bool
by_other_hands(struct bytes text, struct checkpoint *ret)
{
	struct bytes size, root, line;
	size_t len = 0;

	if (!line_at(text, 0, &ret->origin) || ret->origin.len == 0)
		return false;
	size_t at = ret->origin.len + 1;
	if (!line_at(text, at, &size) || !decimal(size, &ret->size))
		return false;
	at += size.len + 1;
	if (!line_at(text, at, &root) || root.len != 44 || !model_base64(root, ret->root, SHA256_BYTES, &len) || len != SHA256_BYTES)
		return false;
	at += root.len + 1;
	ret->extensions = bytes_of(text.data + at, text.len - at);
	for (; at < text.len; at += line.len + 1)
		if (!line_at(text, at, &line) || line.len == 0)
			return false;
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct bytes text = bytes_of(data, size);
	struct checkpoint have, want;
	uint8_t *printed;

	bool is_checkpoint = by_other_hands(text, &want);
	enum checkpoint_result result = checkpoint_parse(text, &have);
	assert((result == CHECKPOINT_OK) == is_checkpoint);
	assert(strlen(checkpoint_result_str(result)) > 0);
	if (!is_checkpoint)
		return 0;
	assert(bytes_equal(have.origin, want.origin) && have.size == want.size && memcmp(have.root, want.root, SHA256_BYTES) == 0);
	assert(bytes_equal(have.extensions, want.extensions));
	printed = malloc(size);
	assert(printed != NULL);
	struct writer w = writer_of(printed, size);
	checkpoint_print(&w, &have);
	assert(bytes_equal(writer_bytes(&w), text));
	free(printed);
	return 0;
}
