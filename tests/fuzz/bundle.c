/* Bundles of entries: taken apart and put together they are the same bytes, and only the entries of a tile are those of the tile. */
#include <stdlib.h>

#include "fuzz.h"
#include "merkle/tile.h"

static void
only_these_entries(struct bytes bundle, uint8_t *hashes, unsigned n)
{
	unsigned at;

	assert(bundle_check(bundle, hashes, n, &at) == BUNDLE_OK && at == n);
	assert(bundle_check(bundle, hashes, n + 1, &at) == BUNDLE_TOO_SHORT && at == n);
	if (n == 0)
		return;
	assert(bundle_check(bundle, hashes, n - 1, &at) == BUNDLE_TOO_LONG && at == n - 1);
	hashes[bundle.len % (n * SHA256_BYTES)] ^= 0x10;
	assert(bundle_check(bundle, hashes, n, &at) == BUNDLE_WRONG && at == bundle.len % (n * SHA256_BYTES) / SHA256_BYTES);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct bytes bundle = bytes_of(data, size);
	uint8_t *hashes = malloc((size / 2 + 2) * SHA256_BYTES), *again = malloc(size + 1);
	struct writer w = writer_of(again, size);
	struct bytes rest = bundle, entry;
	enum bundle_result result;
	unsigned n = 0, at;

	assert(hashes != NULL && again != NULL);
	while ((result = bundle_take(&rest, &entry)) == BUNDLE_OK) {
		bundle_put(&w, entry);
		merkle_leaf_hash(entry, hashes + (size_t)n++ * SHA256_BYTES);
	}
	assert(rest.data + rest.len == data + size || size == 0);
	if (result == BUNDLE_END) {
		assert(bytes_equal(writer_bytes(&w), bundle));
		only_these_entries(bundle, hashes, n);
	} else {
		assert(result == BUNDLE_CUT && rest.len > 0);
		assert(bundle_check(bundle, hashes, n + 1, &at) == BUNDLE_CUT && at == n);
	}
	free(hashes);
	free(again);
	return 0;
}
