/* hash.h: the hash functions of the formats. */
#ifndef FEALTY_BASE_HASH_H
#define FEALTY_BASE_HASH_H

#include "base/bytes.h"

#define SHA256_BYTES 32
#define FINGERPRINT_BYTES 32
#define HASH_KEY_BYTES 32

/* SHA-256 (FIPS 180-4) of the parts one after the other. */
void hash_sha256(uint8_t ret_hash[static SHA256_BYTES], const struct bytes *parts, size_t n_parts);

/* HMAC-SHA-256 (RFC 2104) of the parts one after the other, with a key of any length. */
void hash_hmac_sha256(uint8_t ret_mac[static SHA256_BYTES], struct bytes key, const struct bytes *parts, size_t n_parts);

/* BLAKE2b-256 (RFC 7693) of ${data} keyed with ${key}. */
void hash_keyed(uint8_t ret_hash[static FINGERPRINT_BYTES], const uint8_t key[static HASH_KEY_BYTES], struct bytes data);

#endif
