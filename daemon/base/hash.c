#include "base/hash.h"

#include <sodium.h>

void
hash_sha256(uint8_t ret_hash[static SHA256_BYTES], const struct bytes *parts, size_t n_parts)
{
	crypto_hash_sha256_state state;

	crypto_hash_sha256_init(&state);
	for (size_t i = 0; i < n_parts; i++)
		crypto_hash_sha256_update(&state, parts[i].data, parts[i].len);
	crypto_hash_sha256_final(&state, ret_hash);
}

void
hash_keyed(uint8_t ret_hash[static FINGERPRINT_BYTES], const uint8_t key[static HASH_KEY_BYTES], struct bytes data)
{
	crypto_generichash(ret_hash, FINGERPRINT_BYTES, data.data, data.len, key, HASH_KEY_BYTES);
}
