/**
 * What the log takes beside the core: its tree, its checkpoints, its proofs.  The leaves of the large log are all equal, so that a complete
 * subtree is one of eight hashes: making a proof then costs what it costs, but for finding hashes on the disk.
 */
#include "bench_core.h"

#include <dirent.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "merkle/checkpoint.h"
#include "merkle/note.h"
#include "merkle/proof.h"
#include "signer/signer.h"

#define LEAVES 100000
#define CHECKPOINTS 3000
#define PROOFS 500
#define LEVEL_BITS 8
#define ORIGIN "fealty-bench.example/log"

static void
must(enum status st, const char *what)
{
	if (st != ST_OK)
		errx(2, "%s: %s", what, status_str(st));
}

/* With the keys in it. */
static void
remove_dir(const char *path)
{
	DIR *dir = opendir(path);

	for (const struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL; )
		if (e->d_type == DT_REG)
			(void)unlinkat(dirfd(dir), e->d_name, 0);
	if (dir != NULL)
		closedir(dir);
	if (rmdir(path) != 0)
		warn("%s is left", path);
}

static struct keys *
keys_make(void)
{
	const char *top = getenv("TMPDIR"), *bad = "keys";
	struct keys *keys;
	char dir[256];

	if (snprintf(dir, sizeof(dir), "%s/fealty-bench-XXXXXX", top == NULL ? "/tmp" : top) >= (int)sizeof(dir) || mkdtemp(dir) == NULL)
		err(2, "%s", dir);
	must(keys_create(dir), dir);
	enum status st = keys_load(dir, &keys, &bad);
	remove_dir(dir);
	must(st, bad == NULL ? dir : bad);
	return keys;
}

/* As a batch takes them: a leaf after the other. */
static void
grow(struct core_figures *f, struct merkle_tree *tree)
{
	uint8_t leaf[CORE_LEAF_BYTES] = { 0 }, hash[SHA256_BYTES];

	merkle_tree_init(tree);
	for (uint64_t i = 0; i < LEAVES; i++) {
		put_be64(leaf, i);
		int64_t begin = core_now_ns();
		merkle_leaf_hash(bytes_of(leaf, sizeof(leaf)), hash);
		merkle_tree_append(tree, hash, NULL, NULL);
		core_note(f, CORE_LEAF, core_now_ns() - begin);
	}
}

static void
sign(struct core_figures *f, const struct merkle_tree *tree, const struct keys *keys)
{
	struct checkpoint head = { .origin = LITERAL(ORIGIN), .size = tree->size };
	struct note_key key = note_key_of(head.origin, NOTE_ED25519, keys_public(keys, KEY_CHECKPOINT));
	uint8_t signature[SIGNATURE_BYTES];
	char text[512];

	for (int i = 0; i < CHECKPOINTS; i++) {
		struct writer w = writer_of(text, sizeof(text));
		int64_t begin = core_now_ns();
		merkle_tree_root(tree, head.root);
		int64_t rooted = core_now_ns();
		checkpoint_print(&w, &head);
		must(sign_bytes(keys, KEY_CHECKPOINT, writer_bytes(&w), signature), "a signature");
		writer_put(&w, LITERAL("\n"));
		note_line_print(&w, key.name, key.id, bytes_of(signature, sizeof(signature)));
		core_note(f, CORE_CHECKPOINT, core_now_ns() - begin);
		core_note(f, CORE_ROOT, rooted - begin);
		must(writer_status(&w), "a checkpoint");
	}
}

/* ${ctx}: the root of 256^level equal leaves, for each level. */
static enum status
fetch(void *ctx, unsigned level, uint64_t index, uint8_t ret_hash[static SHA256_BYTES])
{
	uint8_t (*hash)[SHA256_BYTES] = ctx;

	(void)index;
	memcpy(ret_hash, hash[level], SHA256_BYTES);
	return ST_OK;
}

static void
prove(struct core_figures *f)
{
	uint8_t hash[64 / LEVEL_BITS][SHA256_BYTES] = { 0 }, other[SHA256_BYTES];
	struct proof proof;

	for (unsigned level = 1; level < 64 / LEVEL_BITS; level++) {
		memcpy(hash[level], hash[level - 1], SHA256_BYTES);
		for (unsigned k = 0; k < LEVEL_BITS; k++) {
			memcpy(other, hash[level], sizeof(other));
			merkle_node_hash(other, other, hash[level]);
		}
	}
	for (uint64_t i = 0; i < PROOFS; i++) {
		uint64_t at = 1 + i * (CORE_LOG_LEAVES - 2) / PROOFS;
		int64_t begin = core_now_ns();
		must(proof_inclusion(at, CORE_LOG_LEAVES, fetch, hash, &proof), "an inclusion proof");
		int64_t included = core_now_ns();
		must(proof_consistency(at, CORE_LOG_LEAVES, fetch, hash, &proof), "a consistency proof");
		core_note(f, CORE_CONSISTENCY, core_now_ns() - included);
		core_note(f, CORE_INCLUSION, included - begin);
	}
}

void
bench_core_log(struct core_figures *f)
{
	struct keys *keys = keys_make();
	struct merkle_tree tree;

	grow(f, &tree);
	sign(f, &tree, keys);
	prove(f);
	keys_free(keys);
}
