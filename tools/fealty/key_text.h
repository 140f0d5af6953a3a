/* key_text.h: a ledger's keys for people and as JSON: in the audit's report, in a dump, and by `fealty log key`. */
#ifndef FEALTY_TOOLS_KEY_TEXT_H
#define FEALTY_TOOLS_KEY_TEXT_H

#include "cli.h"
#include "ledger/keys.h"

#define KEY_ID_TEXT_BYTES 17

/* The first 8 bytes of SHA-256 of the public key, in hex. */
const char *key_id_format(const uint8_t public_key[static PUBLIC_KEY_LEN], char ret_text[static KEY_ID_TEXT_BYTES]);

/**
 * kind, key, key_id, named_at; `from`: the first seq, or the smallest size, that it signs; `until`: the first that its successor signs;
 * `overlap_until`: it signs checkpoints beside its successor until that instant; `recovery`: lost or compromised, the key before it.  What does
 * not apply is left out.
 */
json_t *key_json(const struct ledger_key *key);
json_t *key_history_json(const struct key_history *history);

/* key, key_id, until (its last day, if it has one). */
json_t *approver_json(const struct approver *approver);

/* A line for each key that a rotation brought, if there was any; a recovery is told as what it is. */
void key_history_print(const struct key_history *history, FILE *out);

#endif
