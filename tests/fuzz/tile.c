/* Paths of tiles, behind eight bytes of a log's size: the same paths are tiles as by a reading of the specification letter by letter. */
#include "fuzz.h"
#include "merkle/tile.h"

static bool
digit(struct bytes text, size_t i)
{
	return i < text.len && text.data[i] >= '0' && text.data[i] <= '9';
}

static bool
literally(struct bytes text, size_t *i, const char *what)
{
	size_t len = strlen(what);

	if (text.len - *i < len || memcmp(text.data + *i, what, len) != 0)
		return false;
	*i += len;
	return true;
}

/* At most ${max}, of one to three digits, without a zero before others. */
static bool
decimal(struct bytes text, size_t *i, unsigned max, unsigned *ret)
{
	size_t begin = *i;

	for (*ret = 0; *i < begin + 3 && digit(text, *i); ++*i)
		*ret = *ret * 10 + (unsigned)(text.data[*i] - '0');
	return *i > begin && (*i == begin + 1 || text.data[begin] != '0') && *ret <= max;
}

static bool
three(struct bytes text, size_t *i, unsigned __int128 *index)
{
	if (!digit(text, *i) || !digit(text, *i + 1) || !digit(text, *i + 2))
		return false;
	for (size_t end = *i + 3; *i < end; ++*i)
		*index = *index * 10 + (unsigned)(text.data[*i] - '0');
	return *index <= UINT64_MAX;
}

static bool
by_the_letter(struct bytes text, struct tile *ret)
{
	unsigned __int128 index = 0;
	size_t i = 0;
	bool first = true;

	*ret = (struct tile){ .width = TILE_WIDTH };
	if (!literally(text, &i, "tile/"))
		return false;
	ret->entries = literally(text, &i, "entries");
	if (!ret->entries && !decimal(text, &i, 63, &ret->level))
		return false;
	if (!literally(text, &i, "/"))
		return false;
	for (; literally(text, &i, "x"); first = false)
		if (!three(text, &i, &index) || !literally(text, &i, "/") || (first && index == 0))
			return false;
	if (!three(text, &i, &index))
		return false;
	ret->index = (uint64_t)index;
	if (literally(text, &i, ".p/") && (!decimal(text, &i, 255, &ret->width) || ret->width == 0))
		return false;
	return i == text.len;
}

static void
widths(const struct tile *tile, uint64_t size)
{
	uint64_t n = tile->level > 7 ? 0 : size >> 8 * tile->level;
	unsigned __int128 begin = (unsigned __int128)tile->index * TILE_WIDTH;
	unsigned width = tile_width(tile->level, tile->index, size);

	assert(width == (begin >= n ? 0 : n - begin > TILE_WIDTH ? TILE_WIDTH : (unsigned)(n - begin)));
	assert((width == 0) == (tile->index >= tile_count(tile->level, size)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tape t = { bytes_of(data, size) };
	uint64_t log_size = tape_u64(&t);
	struct tile tile = { .level = 99 }, want;
	char printed[TILE_PATH_BYTES];

	bool is_tile = by_the_letter(t.rest, &want);
	enum tile_result result = tile_parse(t.rest, &tile);
	assert((result == TILE_OK) == is_tile);
	assert(strlen(tile_result_str(result)) > 0);
	if (!is_tile) {
		assert(tile.level == 99);
		return 0;
	}
	assert(tile.entries == want.entries && tile.level == want.level && tile.index == want.index && tile.width == want.width);
	struct writer w = writer_of(printed, sizeof(printed));
	tile_print(&w, &tile);
	assert(bytes_equal(writer_bytes(&w), t.rest));
	widths(&tile, log_size);
	return 0;
}
