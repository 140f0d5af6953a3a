/**
 * Single signatures: what is signed is never the body itself but its pre-authentication encoding, so that no body of one type passes for
 * another's.
 */
#include "signer/signer.h"

#include <stdio.h>
#include <string.h>

#include "signer/internal.h"

void
key_id_of(const uint8_t public_key[static PUBLIC_KEY_BYTES], uint8_t ret_id[static KEY_ID_BYTES])
{
	const struct bytes part = bytes_of(public_key, PUBLIC_KEY_BYTES);
	uint8_t hash[SHA256_BYTES];

	hash_sha256(hash, &part, 1);
	memcpy(ret_id, hash, KEY_ID_BYTES);
}

static void
put_length(struct buf *out, size_t len)
{
	char text[32];
	int n = snprintf(text, sizeof(text), " %zu ", len);

	buf_put(out, text, (size_t)n);
}

void
pae_put(struct buf *out, const char *type, struct bytes body)
{
	size_t type_len = strlen(type);

	buf_put(out, "DSSEv1", 6);
	put_length(out, type_len);
	buf_put(out, type, type_len);
	put_length(out, body.len);
	buf_put(out, body.data, body.len);
}

enum status
sign_once(const struct keys *keys, enum key_name name, const char *type, struct bytes body, uint8_t ret_signature[static SIGNATURE_BYTES])
{
	struct buf pae;

	buf_init(&pae);
	enum status st = keys_sign(keys, name, &pae, type, body, ret_signature);
	buf_release(&pae);
	return st;
}

enum status
sign_verify(const uint8_t public_key[static PUBLIC_KEY_BYTES], const char *type, struct bytes body, struct bytes signature)
{
	struct buf pae;

	buf_init(&pae);
	pae_put(&pae, type, body);
	enum status st = buf_status(&pae);
	if (st == ST_OK)
		st = verify_bytes(public_key, buf_bytes(&pae), signature);
	buf_release(&pae);
	return st;
}
