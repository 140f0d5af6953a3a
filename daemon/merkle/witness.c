/* A request is only ever printed and an answer only ever read: the other direction is a witness's. */
#include "merkle/witness.h"

#include <assert.h>

void
witness_request_print(struct writer *w, uint64_t old_size, const struct proof *proof, struct bytes note)
{
	assert(proof->n_hashes <= WITNESS_PROOF_MAX);
	writer_put(w, LITERAL("old "));
	writer_put_number(w, old_size);
	writer_put(w, LITERAL("\n"));
	for (size_t i = 0; i < proof->n_hashes; i++) {
		writer_put_base64(w, bytes_of(proof->hash[i], SHA256_BYTES));
		writer_put(w, LITERAL("\n"));
	}
	writer_put(w, LITERAL("\n"));
	writer_put(w, note);
}

static bool
is_size_type(struct bytes type)
{
	static const char wanted[] = WITNESS_SIZE_TYPE;
	size_t len = sizeof(wanted) - 1;

	if (type.len < len)
		return false;
	for (size_t i = 0; i < len; i++) {
		uint8_t c = type.data[i];
		if ((c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c) != wanted[i])
			return false;
	}
	while (len < type.len && (type.data[len] == ' ' || type.data[len] == '\t'))
		len++;
	return len == type.len || type.data[len] == ';';
}

bool
witness_size_parse(struct bytes content_type, struct bytes body, uint64_t *ret_size)
{
	struct bytes line;
	uint64_t size;

	if (!is_size_type(content_type) || !lines_take(&body, &line) || body.len != 0 || !lines_number(line, &size))
		return false;
	*ret_size = size;
	return true;
}
