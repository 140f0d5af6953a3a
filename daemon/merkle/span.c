/**
 * On each level h, the complete subtrees of 2^h leaves that have a leaf of the span are numbered from before->size >> h on.  A node that a
 * proof needs, or that a node is made of, is one of these, or the one to the left of the first.  That one is wholly of the old tree, and
 * since its sibling is not, it is a maximal complete subtree there: so the old tree's frontier has it.  What is behind the last complete
 * subtree of a level is the ragged edge, of which RFC 6962's tree has at most one root a level.
 */
#include "merkle/span.h"

#include <assert.h>

size_t
span_hashes_max(size_t n_leaves)
{
	return 2 * n_leaves + 64;	/* a level has at most half of the one below, and one more */
}

static const uint8_t *
node(const struct span *s, unsigned h, uint64_t index)
{
	uint64_t first = s->before->size >> h;

	if (index + 1 == first) {
		assert((first & 1) == 1);
		return s->before->frontier[h];
	}
	assert(index >= first && index < s->size >> h);
	return s->hashes[s->level[h] + (index - first)];
}

static bool
has_edge(const struct span *s, unsigned h)
{
	return h > 0 && (s->size & ((UINT64_C(1) << h) - 1)) != 0;
}

/* Level h + 1 of the subtrees and of the edge, from level h. */
static void
rise(struct span *s, unsigned h)
{
	uint64_t first = s->before->size >> (h + 1), end = s->size >> (h + 1);
	size_t at = s->level[h + 1];

	for (uint64_t i = first; i < end; i++)
		merkle_node_hash(node(s, h, 2 * i), node(s, h, 2 * i + 1), s->hashes[at++]);
	s->level[h + 2] = at;

	uint64_t n = s->size >> h;
	if ((n & 1) == 0)
		memcpy(s->edge[h + 1], s->edge[h], SHA256_BYTES);
	else if (has_edge(s, h))
		merkle_node_hash(node(s, h, n - 1), s->edge[h], s->edge[h + 1]);
	else
		memcpy(s->edge[h + 1], node(s, h, n - 1), SHA256_BYTES);
}

void
span_init(struct span *span, const struct merkle_tree *before, uint8_t (*hashes)[SHA256_BYTES], size_t n_leaves)
{
	assert(n_leaves > 0);
	*span = (struct span){ .before = before, .size = before->size + n_leaves, .hashes = hashes };
	span->level[1] = n_leaves;
	for (unsigned h = 0; h + 1 < 64 && (span->size - 1) >> h != 0; h++)
		rise(span, h);
}

void
span_inclusion(const struct span *span, uint64_t index, struct proof *ret_proof)
{
	assert(index >= span->before->size && index < span->size);
	ret_proof->n_hashes = 0;
	for (unsigned h = 0; h < 64 && (span->size - 1) >> h != 0; h++) {
		uint64_t sibling = (index >> h) ^ 1, end = span->size >> h;
		const uint8_t *hash = sibling < end ? node(span, h, sibling) : sibling == end && has_edge(span, h) ? span->edge[h] : NULL;
		if (hash != NULL)
			memcpy(ret_proof->hash[ret_proof->n_hashes++], hash, SHA256_BYTES);
	}
}
