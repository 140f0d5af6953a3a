/* A member has few vouchers, so a code is found by making all of theirs. */
#include "apply/vouchers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS 11			/* with the check symbol */
#define CHECK_MODULUS 37
#define BASE 32
#define HYPHEN_AT 5
#define ORIGIN_BYTES_MAX 128
#define INPUT_BYTES (ORIGIN_BYTES_MAX + 1 + 4 + 8 + 4 + 4 + 1)

static const char symbols[BASE + 1] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* ---- codes ---- */

static uint64_t
bits_of(const struct voucher_coder *coder, struct entry_id from, uint32_t n, uint8_t round)
{
	uint8_t input[INPUT_BYTES] = { 0 }, hash[FINGERPRINT_BYTES];
	size_t len = strnlen(coder->origin, ORIGIN_BYTES_MAX);

	memcpy(input, coder->origin, len);
	uint8_t *p = input + len + 1;
	put_be32(p, coder->program);
	put_be64(p + 4, from.seq);
	put_be32(p + 12, from.index);
	put_be32(p + 16, n);
	p[20] = round;
	hash_keyed(hash, coder->key, bytes_of(input, len + 22));
	return get_be64(hash) >> 14;
}

static void
print(uint64_t number, unsigned check, char ret_code[static VOUCHER_CODE_BYTES])
{
	char digits[DIGITS];

	for (size_t i = DIGITS - 1; i > 0; i--, number /= BASE)
		digits[i - 1] = symbols[number % BASE];
	digits[DIGITS - 1] = symbols[check];
	memcpy(ret_code, digits, HYPHEN_AT);
	ret_code[HYPHEN_AT] = '-';
	memcpy(ret_code + HYPHEN_AT + 1, digits + HYPHEN_AT, DIGITS - HYPHEN_AT);
	ret_code[DIGITS + 1] = '\0';
}

void
voucher_code(const struct voucher_coder *coder, struct entry_id from, uint32_t n, char ret_code[static VOUCHER_CODE_BYTES])
{
	uint64_t number;
	uint8_t round = 0;

	do
		number = bits_of(coder, from, n, round++);
	while (number % CHECK_MODULUS >= BASE && round != 0);
	print(number, (unsigned)(number % CHECK_MODULUS % BASE), ret_code);
}

/* BASE: it is no digit. */
static unsigned
digit_of(char c)
{
	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	c = (char)(c == 'O' ? '0' : c == 'I' || c == 'L' ? '1' : c);
	const char *at = c == '\0' ? NULL : strchr(symbols, c);
	return at == NULL ? BASE : (unsigned)(at - symbols);
}

enum voucher_word
voucher_code_read(const char *word, char ret_code[static VOUCHER_CODE_BYTES])
{
	unsigned digits[DIGITS];
	uint64_t number = 0;
	size_t n = 0;

	for (; *word != '\0'; word++) {
		unsigned digit = digit_of(*word);

		if (*word == '-')
			continue;
		if (digit == BASE || n == DIGITS)
			return CODE_NONE;
		digits[n++] = digit;
	}
	if (n != DIGITS)
		return CODE_NONE;
	for (size_t i = 0; i + 1 < DIGITS; i++)
		number = number * BASE + digits[i];
	if (number % CHECK_MODULUS != digits[DIGITS - 1])
		return CODE_MISTYPED;
	print(number, digits[DIGITS - 1], ret_code);
	return CODE_READ;
}

/* ---- finding one ---- */

static bool
find_code(const struct member *m, const struct voucher_coder *coder, const char *word, struct voucher_ref *ret)
{
	char code[VOUCHER_CODE_BYTES] = "", other[VOUCHER_CODE_BYTES];
	bool found = false, read = voucher_code_read(word, code) == CODE_READ;

	for (size_t i = 0; i < m->n_vouchers; i++) {
		const struct voucher *v = &m->vouchers[i];
		unsigned differs = 0;

		voucher_code(coder, v->from, v->n, other);
		for (size_t k = 0; k < VOUCHER_CODE_BYTES; k++)
			differs |= (unsigned)(code[k] ^ other[k]);
		if (differs == 0 && read && !found) {
			*ret = (struct voucher_ref){ .from = v->from, .n = v->n };
			found = true;
		}
	}
	return found;
}

bool
voucher_find(const struct member *m, const struct voucher_coder *coder, const char *word, struct voucher_ref *ret)
{
	*ret = (struct voucher_ref){ 0 };
	for (size_t i = 0; i < m->n_vouchers; i++) {
		if (strcmp(m->vouchers[i].id, word) == 0) {
			ret->id = word;
			return true;
		}
	}
	return voucher_name_parse(word, ret) || find_code(m, coder, word, ret);
}

void
voucher_explain(const char *word, struct refusal *refusal)
{
	char code[VOUCHER_CODE_BYTES];

	if (word == NULL || refusal->result != LEDGER_NOT_FOUND || refusal->field == NULL || strcmp(refusal->field, "voucher") != 0 ||
	    voucher_code_read(word, code) != CODE_MISTYPED)
		return;
	snprintf(refusal->sentence, sizeof(refusal->sentence),
	    "If this is a voucher's code, it was mistyped: its last character does not fit the others. Look at it again.");
}

/* ---- rows of replies ---- */

enum status
voucher_codes(const struct voucher_coder *coder, const struct entry *entry, struct entry_id id, struct arena *arena, struct reply *reply)
{
	struct reply_code *rows = arena_alloc(arena, (entry->n_vouchers + 1) * sizeof(*rows));

	if (rows == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < entry->n_vouchers; i++) {
		const struct voucher_change *c = &entry->vouchers[i];
		char *code = c->has_from ? NULL : arena_alloc(arena, VOUCHER_CODE_BYTES);

		if (c->has_from)
			continue;
		if (code == NULL)
			return ST_NOMEM;
		voucher_code(coder, id, c->v.n, code);
		rows[reply->n_codes++] = (struct reply_code){ .id = c->v.id, .code = code, .last_day = c->v.last_day };
	}
	reply->codes = rows;
	return ST_OK;
}

static bool
is_asked(const struct voucher *v, enum voucher_state state)
{
	return v->state == (state == VOUCHER_NONE ? VOUCHER_ISSUED : state) || (state == VOUCHER_USED && v->state == VOUCHER_SETTLED);
}

/* Those of one day in the order in which they were issued. */
static int
first_to_end(const void *a, const void *b)
{
	const struct voucher *x = ((const struct reply_voucher *)a)->v, *y = ((const struct reply_voucher *)b)->v;

	if (x->last_day != y->last_day)
		return x->last_day < y->last_day ? -1 : 1;
	return (x > y) - (x < y);
}

enum status
voucher_rows(const struct voucher_coder *coder, const struct program *program, const struct member *m, enum voucher_state state,
    struct arena *arena, struct reply *reply)
{
	struct reply_voucher *rows = arena_alloc(arena, (m->n_vouchers + 1) * sizeof(*rows));

	if (rows == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < m->n_vouchers; i++) {
		const struct voucher *v = &m->vouchers[i];
		const struct voucher_kind *kind = program_voucher(program, v->id);
		char *code = is_asked(v, state) ? arena_alloc(arena, VOUCHER_CODE_BYTES) : NULL;

		if (!is_asked(v, state))
			continue;
		if (code == NULL)
			return ST_NOMEM;
		voucher_code(coder, v->from, v->n, code);
		rows[reply->n_vouchers++] = (struct reply_voucher){ .v = v, .title = kind == NULL ? "" : kind->name, .code = code,
		    .has_value = kind != NULL && kind->has_value, .value = kind == NULL ? 0 : kind->value };
	}
	qsort(rows, reply->n_vouchers, sizeof(*rows), first_to_end);
	reply->vouchers = rows;
	return ST_OK;
}
