/**
 * Program files: YAML, JSON, or the bytes that a client sends, by the first byte of the input; and then all that a publication does: the definition and
 * the rules.  What is refused is told with a sentence.  A file that is read is written as YAML and as JSON, and read again as the same bytes; a program
 * that compiles does so again from the copy that a ledger keeps, which is the same bytes.
 */
#include "codec/codec.h"
#include "fuzz.h"
#include "ledger/program.h"

#define BUDGET_BYTES ((size_t)64 << 20)
#define ERRORS_MAX 50

static struct arena arena;

static enum status
read_yaml(struct bytes text, struct buf *out)
{
	struct yaml_lines *lines;
	struct text_error error = { .line = 0 };
	enum status st = codec_yaml_parse(text, &arena, out, &lines, &error);

	assert(st == ST_OK || st == ST_INVALID || st == ST_NOMEM);
	assert(st != ST_INVALID || error.sentence[0] != '\0');
	if (st == ST_OK)
		(void)yaml_line_of(lines, "earn[0].id");
	return st;
}

static enum status
read_json(struct bytes text, struct buf *out)
{
	struct text_error error = { .line = 0 };
	char *copy = arena_alloc(&arena, text.len + 1);

	if (copy == NULL)
		return ST_NOMEM;
	if (text.len > 0)
		memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	enum status st = codec_json_parse(CODEC_PROGRAM, copy, &arena, out, &error);
	assert(st == ST_OK || st == ST_INVALID || st == ST_NOMEM);
	assert(st != ST_INVALID || error.sentence[0] != '\0');
	return st;
}

static void
reads_again(enum status (*read)(struct bytes, struct buf *), struct bytes definition, const struct buf *text)
{
	struct buf again;

	buf_init(&again);
	enum status st = read(buf_bytes(text), &again);
	assert(st == ST_OK || st == ST_NOMEM);
	assert(st != ST_OK || bytes_equal(definition, buf_bytes(&again)));
	buf_release(&again);
}

static void
print_and_read(struct bytes definition)
{
	struct buf text;

	buf_init(&text);
	enum status st = codec_yaml_print(definition, &arena, &text);
	assert(st == ST_OK || st == ST_NOMEM);
	if (st == ST_OK)
		reads_again(read_yaml, definition, &text);
	buf_clear(&text);
	st = codec_json_print(CODEC_PROGRAM, definition, tape_u8(&(struct tape){ definition }) % 2 == 0, &arena, &text);
	assert(st == ST_OK || st == ST_NOMEM);
	if (st == ST_OK)
		reads_again(read_json, definition, &text);
	buf_release(&text);
}

/* The first of all that is wrong is what a daemon says, and all of them are sentences. */
static void
says_alike(const struct program_def *def, const struct zone *zone, enum status st, const struct program_error *first)
{
	static struct program_error all[ERRORS_MAX];
	struct program *program;
	size_t n = 0;

	enum status again = program_compile_all(def, zone, &arena, &program, all, ERRORS_MAX, &n);
	assert(again == st || again == ST_NOMEM || st == ST_NOMEM);
	if (again != ST_INVALID || st != ST_INVALID)
		return;
	assert(n > 0 && n <= ERRORS_MAX && strcmp(all[0].path, first->path) == 0 && strcmp(all[0].sentence, first->sentence) == 0);
	for (size_t i = 0; i < n; i++)
		assert(all[i].sentence[0] != '\0');
}

static enum status
compile(struct bytes definition, const char **ret_id)
{
	const struct zone zone = { .first_offset_s = 9 * 3600 };
	struct program_error error = { .sentence = "" };
	struct program_def *def;
	struct program *program;

	enum status st = codec_program_def(definition, &arena, &def, &error);
	if (st == ST_OK) {
		st = program_compile(def, &zone, &arena, &program, &error);
		says_alike(def, &zone, st, &error);
	}
	assert(st == ST_OK || st == ST_INVALID || st == ST_NOMEM);
	assert(st != ST_INVALID || error.sentence[0] != '\0');
	if (st == ST_OK)
		*ret_id = program->id;
	return st;
}

static void
judge(struct bytes definition)
{
	const char *id, *again;

	if (compile(definition, &id) != ST_OK)
		return;
	enum status st = compile(definition, &again);
	assert(st == ST_NOMEM || (st == ST_OK && strcmp(id, again) == 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tape t = { bytes_of(data, size) };
	struct buf definition;

	if (arena.budget_bytes == 0)
		arena_init(&arena, BUDGET_BYTES);
	arena_reset(&arena);
	buf_init(&definition);
	uint8_t form = tape_u8(&t);
	enum status st = form == 'b' ? ST_OK : form == '{' ? read_json(bytes_of(data, size), &definition) : read_yaml(bytes_of(data, size), &definition);
	if (form == 'b')
		judge(t.rest);
	if (form != 'b' && st == ST_OK) {
		print_and_read(buf_bytes(&definition));
		judge(buf_bytes(&definition));
	}
	buf_release(&definition);
	return 0;
}
