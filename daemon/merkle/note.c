/**
 * The whole note is looked at first, as UTF-8 without control characters, so that its lines can then be cut at bytes.  Signatures stay in
 * base64 until a known key asks for one: a line of an unknown key may be of any length, and is printed as it was read.
 */
#include "merkle/note.h"

#include <assert.h>

static const struct { uint32_t first, last; } spaces[] = {	/* the property White_Space of Unicode */
	{ 0x09, 0x0D }, { 0x20, 0x20 }, { 0x85, 0x85 }, { 0xA0, 0xA0 }, { 0x1680, 0x1680 }, { 0x2000, 0x200A }, { 0x2028, 0x2029 },
	{ 0x202F, 0x202F }, { 0x205F, 0x205F }, { 0x3000, 0x3000 },
};

static const char *const result_text[] = {
	[NOTE_OK] = "a signed note",
	[NOTE_BAD_UTF8] = "the note is not UTF-8",
	[NOTE_CONTROL_CHARACTER] = "the note has a control character",
	[NOTE_NO_SIGNATURES] = "the note has no signature line after an empty line",
	[NOTE_UNFINISHED] = "the last line of the note has no newline: it may be cut off",
	[NOTE_BAD_LINE] = "a signature line of the note is not \"— <key name> <base64>\"",
	[NOTE_BAD_NAME] = "the key name of a signature line is not valid",
	[NOTE_BAD_SIGNATURE] = "the signature of a line is not the base64 of a key id and a signature",
	[NOTE_TOO_MANY_SIGNATURES] = "the note has more than 100 signatures",
};

static const char *const key_result_text[] = {
	[NOTE_KEY_OK] = "a verifier key",
	[NOTE_KEY_BAD_FORM] = "the key is not <name>+<key id, eight hex digits>+<base64>",
	[NOTE_KEY_BAD_NAME] = "the key's name is not valid",
	[NOTE_KEY_BAD_BASE64] = "the key's last part is not base64",
	[NOTE_KEY_UNKNOWN_TYPE] = "the key is of a type that is not supported: only Ed25519 (1) and Ed25519 cosignatures (4) are",
	[NOTE_KEY_BAD_LENGTH] = "the public key does not have 32 bytes",
	[NOTE_KEY_WRONG_ID] = "the key id is not that of this name and key: the key was mistyped or changed",
};

const char *
note_result_str(enum note_result result)
{
	return result_text[result];
}

const char *
note_key_result_str(enum note_key_result result)
{
	return key_result_text[result];
}

/* ---- characters ---- */

/**
 * The character at the beginning of *${rest}, taken off; its shortest form only, no surrogates (RFC 3629).  False: it is not UTF-8.
 */
static bool
take_character(struct bytes *rest, uint32_t *ret_c)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint8_t lead = rest->data[0];
	unsigned len = lead < 0x80 ? 1 : lead < 0xC0 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF8 ? 4 : 0;
	uint32_t c = len == 1 ? lead : len == 0 ? 0 : lead & (0x7Fu >> len);

	if (len == 0 || rest->len < len)
		return false;
	for (unsigned i = 1; i < len; i++) {
		if ((rest->data[i] & 0xC0) != 0x80)
			return false;
		c = c << 6 | (rest->data[i] & 0x3Fu);
	}
	if (c < least[len] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
		return false;
	*rest = bytes_of(rest->data + len, rest->len - len);
	*ret_c = c;
	return true;
}

static bool
is_space(uint32_t c)
{
	for (size_t i = 0; i < sizeof(spaces) / sizeof(*spaces); i++)
		if (c >= spaces[i].first && c <= spaces[i].last)
			return true;
	return false;
}

bool
note_name_valid(struct bytes name)
{
	uint32_t c;

	if (name.len == 0)
		return false;
	while (name.len != 0)
		if (!take_character(&name, &c) || c < 0x20 || c == '+' || is_space(c))
			return false;
	return true;
}

static enum note_result
check_characters(struct bytes text)
{
	uint32_t c;

	while (text.len != 0) {
		if (!take_character(&text, &c))
			return NOTE_BAD_UTF8;
		if (c < 0x20 && c != '\n')
			return NOTE_CONTROL_CHARACTER;
	}
	return NOTE_OK;
}

/* ---- lines ---- */

static enum note_result
parse_line(struct bytes line, struct note_signature *ret_signature)
{
	uint8_t head[6];	/* what the first eight characters are the base64 of */
	size_t len;

	if (!lines_take_prefix(&line, LITERAL("— ")))
		return NOTE_BAD_LINE;
	const uint8_t *space = line.len == 0 ? NULL : memchr(line.data, ' ', line.len);
	if (space == NULL)
		return NOTE_BAD_LINE;
	size_t name_len = (size_t)(space - line.data);
	ret_signature->name = bytes_of(line.data, name_len);
	ret_signature->base64 = bytes_of(space + 1, line.len - name_len - 1);
	if (!note_name_valid(ret_signature->name))
		return NOTE_BAD_NAME;
	if (!lines_base64(ret_signature->base64, NULL, 0, &len) || len < 5)
		return NOTE_BAD_SIGNATURE;
	bool decoded = lines_base64(bytes_of(ret_signature->base64.data, 8), head, sizeof(head), &len);
	assert(decoded);
	ret_signature->key_id = get_be32(head);
	return NOTE_OK;
}

static enum note_result
parse_lines(struct bytes rest, struct note *note)
{
	struct bytes line;

	note->n_signatures = 0;
	if (rest.len == 0)
		return NOTE_NO_SIGNATURES;
	while (lines_take(&rest, &line)) {
		if (note->n_signatures == NOTE_SIGNATURES_MAX)
			return NOTE_TOO_MANY_SIGNATURES;
		enum note_result result = parse_line(line, &note->signature[note->n_signatures]);
		if (result != NOTE_OK)
			return result;
		note->n_signatures++;
	}
	return rest.len == 0 ? NOTE_OK : NOTE_UNFINISHED;
}

enum note_result
note_parse(struct bytes text, struct note *ret_note)
{
	enum note_result result = check_characters(text);

	if (result != NOTE_OK)
		return result;
	for (size_t i = text.len; i >= 2; i--)
		if (text.data[i - 1] == '\n' && text.data[i - 2] == '\n') {
			ret_note->text = bytes_of(text.data, i - 1);
			return parse_lines(bytes_of(text.data + i, text.len - i), ret_note);
		}
	return NOTE_NO_SIGNATURES;
}

enum note_result
note_parse_lines(struct bytes lines, struct note *ret_note)
{
	enum note_result result = check_characters(lines);

	ret_note->text = bytes_of(NULL, 0);
	return result != NOTE_OK ? result : parse_lines(lines, ret_note);
}

bool
note_is_line(struct bytes line, uint32_t key_id)
{
	struct note note;

	return note_parse_lines(line, &note) == NOTE_OK && note.n_signatures == 1 && note.signature[0].key_id == key_id;
}

/* The base64 of ${data} is written, or it is ${base64} already. */
static void
print_line(struct writer *w, struct bytes name, struct bytes base64, struct bytes data)
{
	writer_put(w, LITERAL("— "));
	writer_put(w, name);
	writer_put(w, LITERAL(" "));
	writer_put(w, base64);
	writer_put_base64(w, data);
	writer_put(w, LITERAL("\n"));
}

void
note_print(struct writer *w, const struct note *note)
{
	writer_put(w, note->text);
	writer_put(w, LITERAL("\n"));
	for (size_t i = 0; i < note->n_signatures; i++)
		print_line(w, note->signature[i].name, note->signature[i].base64, bytes_of(NULL, 0));
}

void
note_line_print(struct writer *w, struct bytes name, uint32_t key_id, struct bytes signature)
{
	uint8_t data[4 + NOTE_COSIGNATURE_BYTES];

	assert(note_name_valid(name));
	assert(signature.len != 0 && signature.len <= NOTE_COSIGNATURE_BYTES);
	put_be32(data, key_id);
	memcpy(data + 4, signature.data, signature.len);
	print_line(w, name, bytes_of(NULL, 0), bytes_of(data, 4 + signature.len));
}

bool
note_signature_bytes(const struct note_signature *signature, uint8_t *ret_data, size_t len)
{
	uint8_t data[4 + NOTE_COSIGNATURE_BYTES];
	size_t got;

	assert(len <= NOTE_COSIGNATURE_BYTES);
	if (!lines_base64(signature->base64, data, sizeof(data), &got) || got != 4 + len)
		return false;
	memcpy(ret_data, data + 4, len);
	return true;
}

/* ---- keys ---- */

uint32_t
note_key_id(struct bytes name, enum note_type type, const uint8_t public_key[static NOTE_PUBLIC_KEY_BYTES])
{
	const uint8_t type_byte = (uint8_t)type;
	const struct bytes parts[] = { name, LITERAL("\n"), bytes_of(&type_byte, 1), bytes_of(public_key, NOTE_PUBLIC_KEY_BYTES) };
	uint8_t hash[SHA256_BYTES];

	hash_sha256(hash, parts, sizeof(parts) / sizeof(*parts));
	return get_be32(hash);
}

struct note_key
note_key_of(struct bytes name, enum note_type type, const uint8_t public_key[static NOTE_PUBLIC_KEY_BYTES])
{
	struct note_key key = { .name = name, .type = type, .id = note_key_id(name, type, public_key) };

	assert(note_name_valid(name));
	memcpy(key.public_key, public_key, sizeof(key.public_key));
	return key;
}

/* What is before the next '+', taken off with it. */
static bool
take_part(struct bytes *rest, struct bytes *ret_part)
{
	const uint8_t *plus = rest->len == 0 ? NULL : memchr(rest->data, '+', rest->len);

	if (plus == NULL)
		return false;
	size_t len = (size_t)(plus - rest->data);
	*ret_part = bytes_of(rest->data, len);
	*rest = bytes_of(plus + 1, rest->len - len - 1);
	return true;
}

static bool
parse_id(struct bytes hex, uint32_t *ret_id)
{
	uint32_t id = 0;

	if (hex.len != 8)
		return false;
	for (size_t i = 0; i < hex.len; i++) {
		uint8_t c = hex.data[i];
		uint32_t digit;
		if (c >= '0' && c <= '9')
			digit = (uint32_t)(c - '0');
		else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
			digit = (uint32_t)((c | 0x20) - 'a' + 10);
		else
			return false;
		id = id << 4 | digit;
	}
	*ret_id = id;
	return true;
}

enum note_key_result
note_key_parse(struct bytes vkey, struct note_key *ret_key)
{
	struct bytes name, hex;
	uint8_t data[1 + NOTE_PUBLIC_KEY_BYTES];
	uint8_t head[3];
	size_t len;
	uint32_t id;

	if (!take_part(&vkey, &name) || !take_part(&vkey, &hex) || !parse_id(hex, &id))
		return NOTE_KEY_BAD_FORM;
	if (!note_name_valid(name))
		return NOTE_KEY_BAD_NAME;
	if (!lines_base64(vkey, NULL, 0, &len) || len == 0)
		return NOTE_KEY_BAD_BASE64;
	bool decoded = lines_base64(bytes_of(vkey.data, 4), head, sizeof(head), &(size_t){ 0 });
	assert(decoded);
	if (head[0] != NOTE_ED25519 && head[0] != NOTE_COSIGNATURE)
		return NOTE_KEY_UNKNOWN_TYPE;
	if (!lines_base64(vkey, data, sizeof(data), &len) || len != sizeof(data))
		return NOTE_KEY_BAD_LENGTH;
	struct note_key key = note_key_of(name, (enum note_type)data[0], data + 1);
	if (key.id != id)
		return NOTE_KEY_WRONG_ID;
	*ret_key = key;
	return NOTE_KEY_OK;
}

void
note_key_print(struct writer *w, const struct note_key *key)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t data[1 + NOTE_PUBLIC_KEY_BYTES];
	char hex[8];

	for (unsigned i = 0; i < sizeof(hex); i++)
		hex[i] = digits[key->id >> (28 - 4 * i) & 15];
	data[0] = (uint8_t)key->type;
	memcpy(data + 1, key->public_key, NOTE_PUBLIC_KEY_BYTES);
	writer_put(w, key->name);
	writer_put(w, LITERAL("+"));
	writer_put(w, bytes_of(hex, sizeof(hex)));
	writer_put(w, LITERAL("+"));
	writer_put_base64(w, bytes_of(data, sizeof(data)));
}

/* ---- verifying ---- */

/* ST_INVALID: the line does not hold. */
static enum status
verify_line(const struct note *note, const struct note_signature *line, const struct note_key *key, note_verify_fn *verify, void *ctx)
{
	uint8_t data[NOTE_COSIGNATURE_BYTES];
	char head[COSIGNATURE_HEAD_MAX];

	switch (key->type) {
	case NOTE_ED25519:
		if (!note_signature_bytes(line, data, NOTE_ED25519_BYTES))
			return ST_INVALID;
		return verify(ctx, key->public_key, &note->text, 1, data);
	case NOTE_COSIGNATURE:
		if (!note_signature_bytes(line, data, NOTE_COSIGNATURE_BYTES) || get_be64(data) > INT64_MAX)
			return ST_INVALID;
		struct writer w = writer_of(head, sizeof(head));
		cosignature_head_print(&w, get_be64(data));
		const struct bytes parts[] = { writer_bytes(&w), note->text };
		return verify(ctx, key->public_key, parts, 2, data + 8);
	}
	return ST_INVALID;
}

enum status
note_verify(const struct note *note, const struct note_key *key, note_verify_fn *verify, void *ctx, enum note_signed *ret_signed)
{
	enum note_signed answer = NOTE_UNSIGNED;

	for (size_t i = 0; i < note->n_signatures && answer != NOTE_FORGED; i++) {
		const struct note_signature *line = &note->signature[i];
		if (line->key_id != key->id || !bytes_equal(line->name, key->name))
			continue;
		enum status st = verify_line(note, line, key, verify, ctx);
		if (st != ST_OK && st != ST_INVALID)
			return st;
		answer = st == ST_OK ? NOTE_SIGNED : NOTE_FORGED;
	}
	*ret_signed = answer;
	return ST_OK;
}

/* ---- cosignatures ---- */

void
cosignature_head_print(struct writer *w, uint64_t time_s)
{
	assert(time_s <= INT64_MAX);
	writer_put(w, LITERAL("cosignature/v1\ntime "));
	writer_put_number(w, time_s);
	writer_put(w, LITERAL("\n"));
}

void
cosignature_pack(uint64_t time_s, const uint8_t ed25519[static NOTE_ED25519_BYTES], uint8_t ret_data[static NOTE_COSIGNATURE_BYTES])
{
	assert(time_s <= INT64_MAX);
	put_be64(ret_data, time_s);
	memcpy(ret_data + 8, ed25519, NOTE_ED25519_BYTES);
}

bool
cosignature_time(const struct note_signature *signature, uint64_t *ret_time_s)
{
	uint8_t data[NOTE_COSIGNATURE_BYTES];

	if (!note_signature_bytes(signature, data, sizeof(data)) || get_be64(data) > INT64_MAX)
		return false;
	*ret_time_s = get_be64(data);
	return true;
}
