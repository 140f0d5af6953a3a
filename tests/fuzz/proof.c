/**
 * Proofs.  The input chooses two sizes, or an index and a size, and breaks the proof, the roots and the sizes; what the checker answers must
 * be what the model says (fuzz.h).  In small trees every hash there is may be put in; in large ones the roots are those that arbitrary
 * hashes lead to.
 */
#include "fuzz.h"

#define BREAKS_MAX 24

struct claim {
	bool consistency;
	uint64_t at, size;		/* at: the index, or the old size */
	uint8_t start[SHA256_BYTES], root[SHA256_BYTES];	/* start: the leaf's hash, or the old root */
	struct proof proof;
};

static bool
same(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, SHA256_BYTES) == 0;
}

static enum proof_result
expected_consistency(const struct claim *c)
{
	uint8_t old_root[SHA256_BYTES], root[SHA256_BYTES];

	if (c->at > c->size)
		return PROOF_OUT_OF_RANGE;
	if (c->at == 0 || c->at == c->size) {
		if (c->proof.n_hashes != 0)
			return PROOF_TOO_LONG;
		if (c->at == c->size && !same(c->start, c->root))
			return PROOF_WRONG;
		return c->at != 0 || same(c->start, model_root(0, 0)) ? PROOF_OK : PROOF_WRONG;
	}
	enum proof_result result = model_grow(&c->proof, c->at, c->size, c->start, old_root, root);
	if (result != PROOF_OK)
		return result;
	return same(old_root, c->start) && same(root, c->root) ? PROOF_OK : PROOF_WRONG;
}

static enum proof_result
expected(const struct claim *c)
{
	uint8_t root[SHA256_BYTES];

	if (c->consistency)
		return expected_consistency(c);
	enum proof_result result = model_climb(&c->proof, c->at, c->size, c->start, root);
	return result != PROOF_OK ? result : same(root, c->root) ? PROOF_OK : PROOF_WRONG;
}

static enum proof_result
answered(const struct claim *c)
{
	return c->consistency ? proof_check_consistency(&c->proof, c->at, c->start, c->size, c->root) :
	    proof_check_inclusion(&c->proof, c->at, c->size, c->start, c->root);
}

/* ---- small trees ---- */

/* Of the model's trees: any part that has a root. */
static const uint8_t *
any_root(struct tape *t)
{
	uint64_t begin = tape_below(t, MODEL_LEAVES);

	return model_root(begin, tape_below(t, MODEL_LEAVES - begin + 1));
}

static void
break_hash(struct claim *c, struct tape *t, uint8_t what)
{
	struct proof *p = &c->proof;
	size_t i = (size_t)tape_below(t, p->n_hashes), j = (size_t)tape_below(t, p->n_hashes);
	uint8_t hash[SHA256_BYTES];

	memcpy(hash, p->hash[i], sizeof(hash));
	switch (what) {
	case 0:
		p->hash[i][j % SHA256_BYTES] ^= (uint8_t)(1u << tape_below(t, 8));
		break;
	case 1:
		memmove(p->hash[i], p->hash[i + 1], (p->n_hashes - i - 1) * SHA256_BYTES);
		p->n_hashes--;
		break;
	case 2:
		memcpy(p->hash[i], p->hash[j], sizeof(hash));
		memcpy(p->hash[j], hash, sizeof(hash));
		break;
	default:
		memcpy(p->hash[i], any_root(t), sizeof(hash));
		break;
	}
}

static void
insert_hash(struct claim *c, struct tape *t)
{
	struct proof *p = &c->proof;
	size_t i = (size_t)tape_below(t, p->n_hashes + 1);

	if (p->n_hashes == PROOF_HASHES_MAX)
		return;
	memmove(p->hash[i + 1], p->hash[i], (p->n_hashes - i) * SHA256_BYTES);
	memcpy(p->hash[i], any_root(t), SHA256_BYTES);
	p->n_hashes++;
}

static void
break_claim(struct claim *c, struct tape *t)
{
	uint8_t what = (uint8_t)(tape_u8(t) % 11);

	switch (what) {
	case 0: case 1: case 2: case 3:
		if (c->proof.n_hashes > 0)
			break_hash(c, t, what);
		break;
	case 4:
		insert_hash(c, t);
		break;
	case 5: c->at++; break;
	case 6: c->at--; break;
	case 7: c->size++; break;
	case 8: c->size--; break;
	case 9: memcpy(c->root, any_root(t), sizeof(c->root)); break;
	case 10: memcpy(c->start, any_root(t), sizeof(c->start)); break;
	}
}

static void
made_is_the_model_s(const struct claim *c)
{
	struct proof made;
	enum status st = c->consistency ? proof_consistency(c->at, c->size, model_fetch, NULL, &made) :
	    proof_inclusion(c->at, c->size, model_fetch, NULL, &made);

	assert(st == ST_OK && made.n_hashes == c->proof.n_hashes);
	assert(memcmp(made.hash, c->proof.hash, made.n_hashes * SHA256_BYTES) == 0);
	assert(answered(c) == PROOF_OK);
}

static void
small(struct tape *t, bool consistency)
{
	struct claim c = { .consistency = consistency, .size = 1 + tape_below(t, MODEL_LEAVES) };

	c.at = tape_below(t, c.size);
	if (consistency)
		c.at++;
	if (consistency)
		model_consistency(c.at, c.size, &c.proof);
	else
		model_path(c.at, c.size, &c.proof);
	memcpy(c.start, consistency ? model_root(0, c.at) : model_root(c.at, 1), SHA256_BYTES);
	memcpy(c.root, model_root(0, c.size), SHA256_BYTES);
	made_is_the_model_s(&c);
	for (unsigned i = 0; i < BREAKS_MAX && t->rest.len > 0; i++) {
		break_claim(&c, t);
		assert(answered(&c) == expected(&c));
	}
}

/* ---- any trees ---- */

static void
large(struct tape *t, bool consistency)
{
	struct claim c = { .consistency = consistency };
	uint8_t seed = tape_u8(t);

	c.size = tape_u64(t);
	c.at = tape_u64(t);
	if (c.at > c.size && (seed & 1) == 0)
		c.at %= c.size + 1;
	size_t n = (size_t)tape_below(t, PROOF_HASHES_MAX + 1);
	for (size_t i = 0; i < PROOF_HASHES_MAX; i++)
		memset(c.proof.hash[i], (int)(seed + i), SHA256_BYTES);
	memset(c.start, seed ^ 0x80, sizeof(c.start));
	/* As many as these sizes need is the one case of interest, and one in 66 by chance. */
	for (c.proof.n_hashes = 0; c.proof.n_hashes < PROOF_HASHES_MAX && expected(&c) == PROOF_TOO_SHORT; c.proof.n_hashes++)
		;
	assert(answered(&c) == expected(&c));
	if (consistency && c.at != 0 && c.at < c.size) {	/* the old root need not be what the hashes lead to */
		uint8_t old_root[SHA256_BYTES];
		assert(model_grow(&c.proof, c.at, c.size, c.start, old_root, c.root) == PROOF_OK);
		memcpy(c.start, old_root, sizeof(c.start));
		assert(model_grow(&c.proof, c.at, c.size, c.start, old_root, c.root) == PROOF_OK);
		assert(answered(&c) == PROOF_OK);
	} else if (!consistency && c.at < c.size) {
		assert(model_climb(&c.proof, c.at, c.size, c.start, c.root) == PROOF_OK);
		assert(answered(&c) == PROOF_OK);
	}
	if (c.proof.n_hashes > 0) {
		c.proof.hash[n % c.proof.n_hashes][seed % SHA256_BYTES] ^= 1;
		assert(answered(&c) == PROOF_WRONG && expected(&c) == PROOF_WRONG);
	}
	c.proof.n_hashes = n;
	assert(answered(&c) == expected(&c));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tape t = { bytes_of(data, size) };
	uint8_t mode = tape_u8(&t);

	if ((mode & 2) != 0)
		large(&t, (mode & 1) != 0);
	else
		small(&t, (mode & 1) != 0);
	return 0;
}
