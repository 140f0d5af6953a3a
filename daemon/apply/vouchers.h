/**
 * vouchers.h: the words by which people name vouchers: ids, names and codes.
 *
 * A code is XXXXX-XXXXXX: 50 bits and a check symbol in Crockford's Base 32, the check symbol being the number modulo 37 as he defines it.
 * The bits are the first of BLAKE2b-256, keyed, of origin, NUL, program, seq, index, n and a round, a number that is the least, from 0 on, for
 * which the check symbol is one of the 32 digits: program and index 4 bytes, seq 8, n 4, big-endian, round 1 byte.  So any single
 * wrong character and any two neighbours that changed places are noticed, nothing is stored, and without the key nobody can tell a code.
 */
#ifndef FEALTY_APPLY_VOUCHERS_H
#define FEALTY_APPLY_VOUCHERS_H

#include "codec/codec.h"

#define VOUCHER_CODE_BYTES 13		/* with its NUL */

/* What makes codes; all borrowed.  key: HASH_KEY_BYTES. */
struct voucher_coder {
	const uint8_t *key;
	const char *origin;
	uint32_t program;
};

/* The code of the voucher that entry ${from} issued at place ${n}. */
void voucher_code(const struct voucher_coder *coder, struct entry_id from, uint32_t n, char ret_code[static VOUCHER_CODE_BYTES]);

/**
 * A code as it was typed, in either case, with or without hyphens, O for 0, I and L for 1.  CODE_NONE: it has not the form of one;
 * CODE_MISTYPED: its check symbol does not fit; else *${ret_code} is as voucher_code() prints it.
 */
enum voucher_word { CODE_NONE, CODE_MISTYPED, CODE_READ };
enum voucher_word voucher_code_read(const char *word, char ret_code[static VOUCHER_CODE_BYTES]) MUST_CHECK;

/**
 * Which of the member's vouchers a word means: an id before a name, a name before a code.  False: none.  A code takes as long to find as not
 * to find.
 */
bool voucher_find(const struct member *m, const struct voucher_coder *coder, const char *word, struct voucher_ref *ret) MUST_CHECK;

/* Says so when a word that was not found (NOT_FOUND, field "voucher") is a code that was mistyped. */
void voucher_explain(const char *word, struct refusal *refusal);

/* Rows for a reply, in ${arena}: codes of the vouchers that entry ${id} issued; vouchers in ${state}, NONE: that can be used, first to end first. */
enum status voucher_codes(const struct voucher_coder *coder, const struct entry *entry, struct entry_id id, struct arena *arena,
    struct reply *reply) MUST_CHECK;
enum status voucher_rows(const struct voucher_coder *coder, const struct program *program, const struct member *m, enum voucher_state state,
    struct arena *arena, struct reply *reply) MUST_CHECK;

#endif
