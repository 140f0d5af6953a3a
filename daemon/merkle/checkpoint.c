/* A text has one meaning and a meaning one text: what is parsed is printed byte for byte. */
#include "merkle/checkpoint.h"

#include <assert.h>

static const char *const result_text[] = {
	[CHECKPOINT_OK] = "a checkpoint",
	[CHECKPOINT_BAD_ORIGIN] = "the checkpoint has no origin in its first line",
	[CHECKPOINT_BAD_SIZE] = "the checkpoint's second line is not a tree size",
	[CHECKPOINT_BAD_ROOT] = "the checkpoint's third line is not a root hash in base64",
	[CHECKPOINT_EMPTY_EXTENSION] = "the checkpoint has an empty extension line",
	[CHECKPOINT_UNFINISHED] = "the checkpoint's last line has no newline: it may be cut off",
};

const char *
checkpoint_result_str(enum checkpoint_result result)
{
	return result_text[result];
}

static enum checkpoint_result
check_extensions(struct bytes rest)
{
	struct bytes line;

	while (lines_take(&rest, &line))
		if (line.len == 0)
			return CHECKPOINT_EMPTY_EXTENSION;
	return rest.len == 0 ? CHECKPOINT_OK : CHECKPOINT_UNFINISHED;
}

enum checkpoint_result
checkpoint_parse(struct bytes text, struct checkpoint *ret_checkpoint)
{
	struct checkpoint checkpoint;
	struct bytes line;

	if (text.len == 0 || text.data[text.len - 1] != '\n')
		return CHECKPOINT_UNFINISHED;
	if (!lines_take(&text, &checkpoint.origin) || checkpoint.origin.len == 0)
		return CHECKPOINT_BAD_ORIGIN;
	if (!lines_take(&text, &line) || !lines_number(line, &checkpoint.size))
		return CHECKPOINT_BAD_SIZE;
	if (!lines_take(&text, &line) || !lines_hash(line, checkpoint.root))
		return CHECKPOINT_BAD_ROOT;
	checkpoint.extensions = text;
	enum checkpoint_result result = check_extensions(text);
	if (result == CHECKPOINT_OK)
		*ret_checkpoint = checkpoint;
	return result;
}

void
checkpoint_print(struct writer *w, const struct checkpoint *checkpoint)
{
	assert(checkpoint->origin.len != 0 && memchr(checkpoint->origin.data, '\n', checkpoint->origin.len) == NULL);
	assert(check_extensions(checkpoint->extensions) == CHECKPOINT_OK);
	writer_put(w, checkpoint->origin);
	writer_put(w, LITERAL("\n"));
	writer_put_number(w, checkpoint->size);
	writer_put(w, LITERAL("\n"));
	writer_put_base64(w, bytes_of(checkpoint->root, SHA256_BYTES));
	writer_put(w, LITERAL("\n"));
	writer_put(w, checkpoint->extensions);
}
