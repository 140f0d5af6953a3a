/**
 * note.h: signed notes, their signature lines and verifier keys, by C2SP signed-note.  Pure, no allocation: a parsed note borrows from the
 * text that it was parsed from, and Ed25519 (RFC 8032) is the caller's.
 *
 * A note is a text that ends in a newline, an empty line, and one or more lines
 *     — <key name> base64(key id ‖ signature)
 * It is UTF-8 without control characters but newline; the signatures begin behind its last empty line.
 */
#ifndef FEALTY_MERKLE_NOTE_H
#define FEALTY_MERKLE_NOTE_H

#include "merkle/lines.h"

#define NOTE_SIGNATURES_MAX 100		/* the specification asks for 16 at least; this is sumdb/note's limit */
#define NOTE_PUBLIC_KEY_BYTES 32
#define NOTE_ED25519_BYTES 64
#define NOTE_COSIGNATURE_BYTES 72	/* u64 time in big-endian, Ed25519 signature */

/* The signature types of the specification that are known here. */
enum note_type {
	NOTE_ED25519 = 0x01,		/* Ed25519 over the text */
	NOTE_COSIGNATURE = 0x04,	/* Ed25519 over cosignature_head() and the text of a checkpoint (C2SP tlog-cosignature) */
};

struct note_signature {
	struct bytes name;		/* of the key */
	uint32_t key_id;
	struct bytes base64;		/* of key id ‖ signature, as it stands in the note */
};

struct note {
	struct bytes text;		/* with its last newline; this is what is signed */
	size_t n_signatures;
	struct note_signature signature[NOTE_SIGNATURES_MAX];	/* in the order of the lines, those of unknown keys too */
};

enum note_result {
	NOTE_OK,
	NOTE_BAD_UTF8,
	NOTE_CONTROL_CHARACTER,
	NOTE_NO_SIGNATURES,		/* no empty line, or nothing behind it */
	NOTE_UNFINISHED,		/* the last line has no newline */
	NOTE_BAD_LINE,			/* behind the last empty line, and not of the form above */
	NOTE_BAD_NAME,
	NOTE_BAD_SIGNATURE,		/* not base64, or of fewer than five bytes */
	NOTE_TOO_MANY_SIGNATURES,
};
const char *note_result_str(enum note_result result);

/**
 * note_parse(text, ret_note):
 * Reads a signed note, which *${ret_note} borrows from.  Nothing is verified yet.  On failure *${ret_note} is undefined.
 */
enum note_result note_parse(struct bytes text, struct note *ret_note) MUST_CHECK;

/* As many signature lines as there are and nothing else, such as a witness answers with; text is empty then. */
enum note_result note_parse_lines(struct bytes lines, struct note *ret_note) MUST_CHECK;
/* Whether it is one such line, with its newline, of a key with that id: what may stand in a note. */
bool note_is_line(struct bytes line, uint32_t key_id) MUST_CHECK;

/**
 * note_print(w, note): text, empty line, signature lines.  What note_parse() read is printed byte for byte.
 * note_line_print(w, name, key_id, signature): one signature line; at most NOTE_COSIGNATURE_BYTES, and a valid name, are asserted.
 * So a note is made by writing its text, a newline, and a line for each key.
 */
void note_print(struct writer *w, const struct note *note);
void note_line_print(struct writer *w, struct bytes name, uint32_t key_id, struct bytes signature);

/* Not empty, UTF-8, without Unicode spaces, control characters and '+'. */
bool note_name_valid(struct bytes name);

/* The signature behind the key id; false: it is not of exactly ${len} bytes, at most NOTE_COSIGNATURE_BYTES. */
bool note_signature_bytes(const struct note_signature *signature, uint8_t *ret_data, size_t len) MUST_CHECK;

/* ---- keys ---- */

struct note_key {
	struct bytes name;		/* borrowed */
	uint32_t id;
	enum note_type type;
	uint8_t public_key[NOTE_PUBLIC_KEY_BYTES];
};

enum note_key_result {
	NOTE_KEY_OK,
	NOTE_KEY_BAD_FORM,		/* not three parts with '+' between, or the id is not eight hex digits */
	NOTE_KEY_BAD_NAME,
	NOTE_KEY_BAD_BASE64,
	NOTE_KEY_UNKNOWN_TYPE,		/* well-formed, but none of enum note_type */
	NOTE_KEY_BAD_LENGTH,		/* the public key does not have 32 bytes */
	NOTE_KEY_WRONG_ID,		/* the id is not that of this name and key */
};
const char *note_key_result_str(enum note_key_result result);

/* The first four bytes, big-endian, of SHA-256(name ‖ 0x0A ‖ type ‖ public key). */
uint32_t note_key_id(struct bytes name, enum note_type type, const uint8_t public_key[static NOTE_PUBLIC_KEY_BYTES]);

/* A key with its id, borrowing ${name}, whose validity is asserted. */
struct note_key note_key_of(struct bytes name, enum note_type type, const uint8_t public_key[static NOTE_PUBLIC_KEY_BYTES]);

/**
 * A verifier key: "<name>+<id, eight hex digits>+<base64(type ‖ public key)>".  Hex digits are read in either case, as sumdb/note does, and
 * written in lower case.  *${ret_key} borrows its name from ${vkey}, and is untouched on failure.
 */
enum note_key_result note_key_parse(struct bytes vkey, struct note_key *ret_key) MUST_CHECK;
void note_key_print(struct writer *w, const struct note_key *key);

/* ---- verifying ---- */

/**
 * Whether ${signature} is the key's Ed25519 signature over the parts one after the other: ST_OK: it is; ST_INVALID: it is not; others are
 * passed up.
 */
typedef enum status note_verify_fn(void *ctx, const uint8_t public_key[static NOTE_PUBLIC_KEY_BYTES], const struct bytes *parts,
    size_t n_parts, const uint8_t signature[static NOTE_ED25519_BYTES]);

enum note_signed {
	NOTE_UNSIGNED,		/* no line has this key's name and id */
	NOTE_SIGNED,		/* one or more have, and all of them hold */
	NOTE_FORGED,		/* a line has, and its signature does not hold: the whole note is to be rejected */
};

/**
 * note_verify(note, key, verify, ctx, ret_signed):
 * Whether ${key} signed the note.  A line with the key's name and id but another length of signature, or a cosignature's time of 2^63 or
 * above, is NOTE_FORGED.  Fails only as verify() does, with *${ret_signed} untouched.
 */
enum status note_verify(const struct note *note, const struct note_key *key, note_verify_fn *verify, void *ctx,
    enum note_signed *ret_signed) MUST_CHECK;

/* ---- cosignatures: Ed25519 of C2SP tlog-cosignature ---- */

#define COSIGNATURE_HEAD_MAX 48

/* "cosignature/v1\ntime <seconds since the epoch>\n", which the text of the checkpoint follows in what is signed. */
void cosignature_head_print(struct writer *w, uint64_t time_s);

/* The signature of a NOTE_COSIGNATURE line, from its time and the Ed25519 signature over head and text. */
void cosignature_pack(uint64_t time_s, const uint8_t ed25519[static NOTE_ED25519_BYTES], uint8_t ret_data[static NOTE_COSIGNATURE_BYTES]);

/* When a line of a key of type NOTE_COSIGNATURE was made; false: it is no cosignature. */
bool cosignature_time(const struct note_signature *signature, uint64_t *ret_time_s) MUST_CHECK;

#endif
