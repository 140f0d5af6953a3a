/**
 * fuzz.h: what the fuzz targets share.  Each target is one file with an LLVMFuzzerTestOneInput(): libFuzzer's main() feeds it from its own
 * mind, replay.c from files.  What must hold is asserted, so a fuzzer finds wrong answers as well as wrong accesses.
 */
#ifndef FEALTY_TESTS_FUZZ_H
#define FEALTY_TESTS_FUZZ_H

#include <assert.h>

#include "merkle/note.h"
#include "merkle/proof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- an input as a row of decisions: zeros when it has run out ---- */

struct tape { struct bytes rest; };
uint8_t tape_u8(struct tape *t);
uint64_t tape_u64(struct tape *t);				/* eight bytes, big-endian */
uint64_t tape_below(struct tape *t, uint64_t n);		/* of two bytes; n > 0 */

/* ---- signatures that a target can make and nobody need break: two hashes over the key and the parts ---- */

void fake_sign(const uint8_t public_key[static NOTE_PUBLIC_KEY_BYTES], const struct bytes *parts, size_t n_parts,
    uint8_t ret_signature[static NOTE_ED25519_BYTES]);
note_verify_fn fake_verify;

/* The key whose public key is the byte ${number} 32 times. */
struct note_key fake_key(const char *name, enum note_type type, uint8_t number);

/* The signature line of ${key} for ${text}; of a cosignature, made at ${time_s}. */
void fake_line(struct writer *w, const struct note_key *key, struct bytes text, uint64_t time_s);

/* What note_verify() must say of a note of ${text} with these signature lines; they are well-formed. */
enum note_signed model_signed(struct bytes lines, const struct note_key *key, struct bytes text);

/* Base64 by libsodium, but that libsodium 1.0.18 takes some bytes above 0x7F for letters.  False: it is none, or of more than ${cap} bytes. */
bool model_base64(struct bytes text, uint8_t *ret_data, size_t cap, size_t *ret_len);

/* ---- the tree as RFC 6962, section 2.1, writes it: by recursion, and from leaf hashes that are all different ---- */

#define MODEL_LEAVES 300

/* Borrowed for ever: the root of the ${n} leaves from ${begin} on; begin + n at most MODEL_LEAVES. */
const uint8_t *model_root(uint64_t begin, uint64_t n);

/* PATH(index, D[size]) and PROOF(old_size, D[size]); 0 < old_size <= size. */
void model_path(uint64_t index, uint64_t size, struct proof *ret_proof);
void model_consistency(uint64_t old_size, uint64_t size, struct proof *ret_proof);

/* merkle_fetch_fn of the model's leaves. */
merkle_fetch_fn model_fetch;

/**
 * The same definitions read backwards, for trees of any size: what the hashes lead to.  PROOF_OK: the roots are written; otherwise
 * OUT_OF_RANGE, TOO_SHORT or TOO_LONG.  In a consistency proof 0 < old_size < size, and ${old_root} stands for a part that is the whole old tree.
 */
enum proof_result model_climb(const struct proof *proof, uint64_t index, uint64_t size, const uint8_t leaf_hash[static SHA256_BYTES],
    uint8_t ret_root[static SHA256_BYTES]);
enum proof_result model_grow(const struct proof *proof, uint64_t old_size, uint64_t size, const uint8_t old_root[static SHA256_BYTES],
    uint8_t ret_old_root[static SHA256_BYTES], uint8_t ret_root[static SHA256_BYTES]);

#endif
