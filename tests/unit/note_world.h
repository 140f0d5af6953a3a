/**
 * note_world.h: what the tests of notes, policies and log proofs share: Ed25519 as the modules want it, real keys and a real checkpoint,
 * and texts that are broken at random from a seed.
 */
#ifndef FEALTY_TESTS_NOTE_WORLD_H
#define FEALTY_TESTS_NOTE_WORLD_H

#include "merkle/note.h"

struct bytes text_bytes(const char *text);

/* cmocka's comparison of bytes and a string. */
void assert_text(struct bytes have, const char *want);

/* A verifier key that must parse. */
struct note_key key_of(const char *vkey);

/* note_verify_fn by libsodium; ${ctx}: NULL, or a counter of calls. */
enum status ed25519_verify(void *ctx, const uint8_t public_key[static NOTE_PUBLIC_KEY_BYTES], const struct bytes *parts, size_t n_parts,
    const uint8_t signature[static NOTE_ED25519_BYTES]);

/* A key pair whose seed is the byte ${seed} 32 times. */
struct note_signer {
	struct note_key key;
	uint8_t secret[64];
};
struct note_signer signer_of(const char *name, enum note_type type, uint8_t seed);

/* Appends the signature line of ${signer} for ${text}; ${time_s} is of cosignatures. */
void sign_line(struct writer *w, const struct note_signer *signer, struct bytes text, uint64_t time_s);

/* Numbers from a seed: splitmix64. */
uint64_t next_random(uint64_t *state);

/**
 * Changes ${text}, of up to ${cap} bytes, in one to three places: a bit, a byte, bytes taken out, repeated or put in, the end cut off.  The
 * new length.  Bytes put in are those that matter to these formats, mostly.
 */
size_t break_text(uint8_t *text, size_t len, size_t cap, uint64_t *state);

/* ---- known answers ---- */

/* The example of C2SP signed-note. */
#define SPEC_VKEY "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
#define SPEC_NOTE "This is an example message.\n\n" \
	"— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"

/* golang.org/x/mod/sumdb/note. */
#define PETER_VKEY "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
#define ENOCH_VKEY "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
#define PETER_TEXT "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
#define PETER_SIGNATURE "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
#define PETER_LINE "— PeterNeumann " PETER_SIGNATURE "\n"
#define ENOCH_LINE "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"

/* A checkpoint of the Go checksum database, as C2SP tlog-checkpoint shows it with another first line and name. */
#define SUMDB_VKEY "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
#define SUMDB_NOTE "go.sum database tree\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n" \
	"— sum.golang.org Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"

/**
 * A checkpoint of a certificate log of the public witness network, with the signature of the log as RFC 6962 has it (type 5, unknown here),
 * its Ed25519 signature, and the cosignatures of four witnesses.
 */
#define ARCHE_ORIGIN "arche2025h1.staging.ct.transparency.dev"
#define ARCHE_SIZE UINT64_C(1432088532)
#define ARCHE_TIME_S UINT64_C(1779573024)
#define ARCHE_TEXT ARCHE_ORIGIN "\n1432088532\nU7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n"
#define ARCHE_LINES \
	"— " ARCHE_ORIGIN " zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ" \
	"55lvGt0=\n" \
	"— " ARCHE_ORIGIN " ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=\n" \
	"— transparency.dev/DEV:witness-little-garden " \
	"2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==\n" \
	"— witness1.smartit.nu/witness1 " \
	"pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==\n" \
	"— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==\n" \
	"— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==\n"
#define ARCHE_NOTE ARCHE_TEXT "\n" ARCHE_LINES
#define ARCHE_VKEY ARCHE_ORIGIN "+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f"
#define GARDEN_VKEY "transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM"
#define SMARTIT_VKEY "witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO"
#define REMORA_VKEY "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
#define STAGEMOLE_VKEY "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv"

#endif
