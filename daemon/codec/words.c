/* Each form is a set of characters and a length; nothing here depends on the locale. */
#include "codec/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/field.h"

#define ALIAS_BYTES_MAX 128
#define PRINCIPAL_BYTES_MAX 128

enum { LOWER = 1, UPPER = 2, DIGIT = 4 };

/* 1 to ${max} characters of ${classes} and of ${others}. */
static bool
consists_of(struct bytes text, size_t max, int classes, const char *others)
{
	if (text.len == 0 || text.len > max)
		return false;
	for (size_t i = 0; i < text.len; ++i) {
		char c = (char)text.data[i];
		bool in = ((classes & LOWER) != 0 && c >= 'a' && c <= 'z') || ((classes & UPPER) != 0 && c >= 'A' && c <= 'Z') ||
		    ((classes & DIGIT) != 0 && c >= '0' && c <= '9') || (c != '\0' && strchr(others, c) != NULL);
		if (!in)
			return false;
	}
	return true;
}

static struct bytes
bytes_of_text(const char *text)
{
	return bytes_of(text, strlen(text));
}

bool
words_request_id(struct bytes text)
{
	return consists_of(text, LEDGER_REQUEST_ID_MAX, LOWER | UPPER | DIGIT, "._:-");
}

bool
request_id_valid(const char *text)
{
	return words_request_id(bytes_of_text(text));
}

bool
words_code(const char *text)
{
	return consists_of(bytes_of_text(text), LEDGER_ID_MAX, LOWER | DIGIT, "_");
}

bool
words_program(const char *text)
{
	return consists_of(bytes_of_text(text), LEDGER_ID_MAX, LOWER | DIGIT, "-");
}

bool
words_id(const char *text)
{
	return consists_of(bytes_of_text(text), LEDGER_ID_MAX, LOWER | DIGIT, "_-");
}

bool
words_plain(const char *text, size_t max)
{
	struct bytes b = bytes_of_text(text);

	if (b.len == 0 || b.len > max || !field_text_valid(b))
		return false;
	for (size_t i = 0; i < b.len; ++i) {
		if (b.data[i] < 0x20 || b.data[i] == 0x7f)
			return false;
		if (b.data[i] == 0xc2 && b.data[i + 1] < 0xa0)		/* U+0080 … U+009F; valid UTF-8, so there is a next byte */
			return false;
	}
	return true;
}

bool
alias_valid(const char *text)
{
	return words_plain(text, ALIAS_BYTES_MAX);
}

bool
principal_valid(const char *text)
{
	static const char *const roles[] = { "pos", "backend", "auditor", "operator", "approver" };
	size_t role_len = strcspn(text, "/");
	bool known = false;

	if (strlen(text) > PRINCIPAL_BYTES_MAX)
		return false;
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); ++i)
		known |= strlen(roles[i]) == role_len && memcmp(roles[i], text, role_len) == 0;
	for (;;) {
		size_t len = strcspn(text, "/");
		if (!consists_of(bytes_of(text, len), PRINCIPAL_BYTES_MAX, LOWER | UPPER | DIGIT, "._-"))
			return false;
		if (text[len] == '\0')
			return known;
		text += len + 1;
	}
}

/* pos/<store>/<terminal> */
static bool
till_parts(const char *text, char *ret_store, char *ret_terminal)
{
	const char *store = text + strlen("pos/");
	size_t store_len = strcspn(store, "/");
	const char *terminal = store + store_len + 1;

	if (store[store_len] == '\0' || strchr(terminal, '/') != NULL || store_len >= TILL_PART_BYTES || strlen(terminal) >= TILL_PART_BYTES)
		return false;
	memcpy(ret_store, store, store_len);
	ret_store[store_len] = '\0';
	strcpy(ret_terminal, terminal);
	return true;
}

bool
principal_may_enter(const char *text, char ret_store[static TILL_PART_BYTES], char ret_terminal[static TILL_PART_BYTES])
{
	ret_store[0] = ret_terminal[0] = '\0';
	if (!principal_valid(text) || strchr(text, '/') == NULL)
		return false;
	return strncmp(text, "pos/", strlen("pos/")) != 0 || till_parts(text, ret_store, ret_terminal);
}

/* A decimal without sign or leading zeros; moves *${text} behind it. */
static bool
take_number(const char **text, uint64_t max, uint64_t *ret)
{
	const char *p = *text;
	uint64_t v = 0;

	if (*p < '0' || *p > '9' || (*p == '0' && p[1] >= '0' && p[1] <= '9'))
		return false;
	for (; *p >= '0' && *p <= '9'; ++p) {
		uint64_t digit = (uint64_t)(*p - '0');
		if (v > (max - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*text = p;
	*ret = v;
	return true;
}

bool
entry_id_parse(const char *text, struct entry_id *ret)
{
	uint64_t seq, index;

	if (!take_number(&text, UINT64_MAX, &seq) || *text++ != '.' || !take_number(&text, UINT32_MAX, &index) || *text != '\0')
		return false;
	*ret = (struct entry_id){ .seq = seq, .index = (uint32_t)index };
	return true;
}

bool
voucher_name_parse(const char *text, struct voucher_ref *ret)
{
	uint64_t seq, index, n;

	if (!take_number(&text, UINT64_MAX, &seq) || *text++ != '.' || !take_number(&text, UINT32_MAX, &index) || *text++ != '.' ||
	    !take_number(&text, UINT32_MAX, &n) || *text != '\0')
		return false;
	*ret = (struct voucher_ref){ .from = { seq, (uint32_t)index }, .n = (uint32_t)n };
	return true;
}

const char *
voucher_name_format(const struct voucher *v, char text[static VOUCHER_NAME_TEXT_BYTES])
{
	(void)snprintf(text, VOUCHER_NAME_TEXT_BYTES, "%" PRIu64 ".%" PRIu32 ".%" PRIu32, v->from.seq, v->from.index, v->n);
	return text;
}
