/* A ledger's keys in words and in JSON. */
#include "key_text.h"

#include <inttypes.h>
#include <stdio.h>

#define INSTANT_PRINT(object, key, at_us) json_put_text(object, key, instant_format(at_us, (char[INSTANT_TEXT_BYTES]){ 0 }))

const char *
key_id_format(const uint8_t public_key[static PUBLIC_KEY_LEN], char ret_text[static KEY_ID_TEXT_BYTES])
{
	struct bytes key = bytes_of(public_key, PUBLIC_KEY_LEN);
	uint8_t hash[SHA256_BYTES];

	hash_sha256(hash, &key, 1);
	return hex_format(bytes_of(hash, (KEY_ID_TEXT_BYTES - 1) / 2), ret_text);
}

json_t *
key_json(const struct ledger_key *key)
{
	char id[KEY_ID_TEXT_BYTES];
	json_t *object = json_new();

	json_put_text(object, "kind", key_kind_str(key->kind));
	json_put_hex(object, "key", bytes_of(key->public_key, PUBLIC_KEY_LEN));
	json_put_text(object, "key_id", key_id_format(key->public_key, id));
	json_put_number(object, "named_at", key->named_at);
	json_put_number(object, "from", key->from);
	if (key->until != UINT64_MAX)
		json_put_number(object, "until", key->until);
	if (key->until != UINT64_MAX && key->kind == KEY_OF_CHECKPOINTS)
		INSTANT_PRINT(object, "overlap_until", key->until_us);
	if (key->recovery != RECOVERY_NONE)
		json_put_text(object, "recovery", key_recovery_str(key->recovery));
	return object;
}

json_t *
key_history_json(const struct key_history *history)
{
	json_t *array = json_array();

	for (size_t i = 0; i < history->n; i++)
		(void)json_array_append_new(array, key_json(&history->keys[i]));
	return array;
}

json_t *
approver_json(const struct approver *approver)
{
	char id[KEY_ID_TEXT_BYTES], date[DAY_TEXT_BYTES];
	json_t *object = json_new();

	json_put_hex(object, "key", bytes_of(approver->public_key, PUBLIC_KEY_LEN));
	json_put_text(object, "key_id", key_id_format(approver->public_key, id));
	if (approver->until != DAY_NEVER)
		json_put_text(object, "until", day_format(approver->until, date));
	return object;
}

void
key_history_print(const struct key_history *history, FILE *out)
{
	char id[KEY_ID_TEXT_BYTES];

	for (size_t i = 2; i < history->n; i++) {
		const struct ledger_key *key = &history->keys[i];
		(void)fprintf(out, "Keys: since transaction %" PRIu64 ", %ss are signed by %s.\n", key->named_at, key_kind_str(key->kind),
		    key_id_format(key->public_key, id));
		if (key->recovery == RECOVERY_NONE)
			continue;
		(void)fprintf(out, "ATTENTION: transaction %" PRIu64 " says that the %s key before it was %s. ", key->named_at, key_kind_str(key->kind),
		    key_recovery_str(key->recovery));
		(void)fprintf(out, "It is signed without that key, by the %s key and the new one: ask the operator whether it is theirs.\n",
		    key->kind == KEY_OF_TRANSACTIONS ? "checkpoint" : "transaction");
	}
}
