/**
 * ledger_text.h: stored transactions as lines that people can read, and as JSON.
 *
 * The ledger has points and money as integers.  What they are worth is in the programs that it publishes, so whoever prints shows each
 * transaction to ledger_text_learn() first; numbers of a program that was not seen are printed as they are, followed by "units".
 */
#ifndef FEALTY_TOOLS_LEDGER_TEXT_H
#define FEALTY_TOOLS_LEDGER_TEXT_H

#include <stdio.h>

#include "cli.h"
#include "codec/codec.h"

#define LEDGER_TEXT_PROGRAMS_MAX 256

struct ledger_text {
	size_t n;
	struct { uint32_t program; unsigned scale, digits; } rows[LEDGER_TEXT_PROGRAMS_MAX];
	struct arena arena;
};

void ledger_text_init(struct ledger_text *text);
void ledger_text_release(struct ledger_text *text);

/* A program's number and its definition, a serialised Program; nothing is learnt from one that cannot be read. */
void ledger_text_learn_program(struct ledger_text *text, uint32_t program, struct bytes definition);

/* The number of the program that a leaf's entries belong to; 0: none, or the leaf cannot be read. */
uint32_t ledger_text_program_of(struct ledger_text *text, struct bytes leaf);

/**
 * ledger_text_print(text, leaf, long_form, out):
 * One line for a SignedTransaction; with ${long_form} another one for each entry, and one for each posting.  Learns from what it prints.
 * Control characters in it come out as question marks.  ST_CORRUPT, ST_NOMEM: it cannot be read, and nothing was printed.
 */
enum status ledger_text_print(struct ledger_text *text, struct bytes leaf, bool long_form, FILE *out) MUST_CHECK;

/* The leaf with all that is in it decoded; NULL when it cannot be read. */
json_t *ledger_text_json(struct bytes leaf);

/* Any message that the codec prints; NULL when it cannot be read. */
json_t *message_json(enum codec_message message, struct bytes bytes);

#endif
