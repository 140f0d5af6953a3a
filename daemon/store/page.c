/* A page says its own number, so one that a wrong number leads to is none; the rest is bounds. */
#include "store/page.h"

#include <string.h>

#define META_MAGIC UINT32_C(0xBEEFC0DE)
#define META_VERSION 1
#define KEY_MAX STORE_KEY_MAX

enum { P_BRANCH = 0x01, P_LEAF = 0x02, P_OVERFLOW = 0x04, P_META = 0x08, P_IN_MEMORY = 0xC010 };

_Static_assert(sizeof(size_t) == 8, "pages are read as a 64-bit machine writes them");

static uint16_t
load16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}
static uint32_t
load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}
static uint64_t
load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* ---- trees and meta pages ---- */

struct tree
tree_load(const uint8_t p[static TREE_BYTES])
{
	return (struct tree){ .flags = load16(p + 4), .depth = load16(p + 6), .entries = load64(p + 32), .root = load64(p + 40) };
}

enum status
tree_judge(const struct tree *tree, bool integer_keys)
{
	if (tree->root == UINT64_MAX)
		return tree->entries == 0 && tree->depth == 0 ? ST_NOTFOUND : ST_CORRUPT;
	if (tree->depth == 0 || tree->depth > TREE_DEPTH_MAX || tree->flags != (integer_keys ? MDB_INTEGERKEY : 0))
		return ST_CORRUPT;
	return ST_OK;
}

enum status
page_meta(const uint8_t data[static PAGE_META_BYTES], uint64_t page_no, uint32_t psize, struct meta *ret_meta)
{
	const uint8_t *m = data + PAGE_HEADER;
	if (load64(data) != page_no || (load16(data + 10) & P_META) == 0 || load32(m) != META_MAGIC || load32(m + 4) != META_VERSION)
		return ST_CORRUPT;
	struct meta meta = {
		.psize = load32(m + 24),
		.free_tree = tree_load(m + 24),
		.main_tree = tree_load(m + 72),
		.last_page = load64(m + 120),
		.txn_id = load64(m + 128),
	};
	bool psize_ok = meta.psize >= PAGE_BYTES_MIN && meta.psize <= PAGE_BYTES_MAX && (meta.psize & (meta.psize - 1)) == 0;
	if (!psize_ok || (psize != 0 && meta.psize != psize) || meta.free_tree.flags != MDB_INTEGERKEY || meta.main_tree.flags != 0)
		return ST_CORRUPT;
	if (meta.last_page == 0 || meta.last_page > INT64_MAX / PAGE_BYTES_MAX - 1)
		return ST_CORRUPT;
	*ret_meta = meta;
	return ST_OK;
}

bool
metas_follow(const struct meta metas[static 2])
{
	uint64_t a = metas[0].txn_id, b = metas[1].txn_id;

	if (a == 0 && b == 0)
		return true;
	return a % 2 == 0 && (b == a + 1 || b + 1 == a);
}

bool
meta_long_enough(const struct meta *meta, uint64_t bytes)
{
	return meta->last_page + 1 <= bytes / meta->psize + UNWRITTEN_PAGES_MAX;
}

/* ---- pages ---- */

int
page_key_compare(const struct page_form *form, struct bytes a, struct bytes b)
{
	if (form->integer_keys && a.len == 8 && b.len == 8) {
		uint64_t x = load64(a.data), y = load64(b.data);
		return (x > y) - (x < y);
	}
	size_t common = a.len < b.len ? a.len : b.len;
	int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

bool
page_sane(const struct page_form *form, const uint8_t *page, uint64_t page_no, bool leaf)
{
	size_t lower = load16(page + 12), upper = load16(page + 14);
	unsigned flags = load16(page + 10) & ~(unsigned)P_IN_MEMORY;
	size_t keys_min = leaf || form->integer_keys ? 1 : 2;

	if (load64(page) != page_no || flags != (leaf ? (unsigned)P_LEAF : (unsigned)P_BRANCH))
		return false;
	return lower >= PAGE_HEADER + 2 * keys_min && lower % 2 == 0 && lower <= upper && upper <= form->psize;
}

size_t
page_nodes(const uint8_t *page)
{
	return (load16(page + 12) - (size_t)PAGE_HEADER) / 2;
}

uint64_t
page_number(const uint8_t *page)
{
	return load64(page);
}

const uint8_t *
page_node_at(const uint8_t *page, size_t index)
{
	return page + load16(page + PAGE_HEADER + 2 * index);
}

bool
page_node(const struct page_form *form, const uint8_t *page, size_t index, bool leaf, struct node *ret_node)
{
	size_t offset = load16(page + PAGE_HEADER + 2 * index), upper = load16(page + 14);

	if (offset < upper || offset + NODE_HEADER > form->psize)
		return false;
	const uint8_t *p = page + offset;
	size_t key_len = load16(p + 6), room = form->psize - offset - NODE_HEADER;
	uint64_t low = load16(p), high = load16(p + 2), flags = load16(p + 4);
	if (key_len > room || key_len > KEY_MAX)
		return false;
	struct node node = { .key = bytes_of(p + NODE_HEADER, key_len), .value = p + NODE_HEADER + key_len };
	if (leaf) {
		node.flags = (unsigned)flags;
		node.value_len = (size_t)(low | high << 16);
		size_t inline_len = (flags & NODE_BIGDATA) != 0 ? sizeof(uint64_t) : node.value_len;
		if (key_len == 0 || inline_len > room - key_len)
			return false;
	} else {
		node.child = low | high << 16 | flags << 32;
	}
	*ret_node = node;
	return true;
}

uint64_t
node_overflow(const struct page_form *form, const struct node *node, uint64_t *ret_count)
{
	*ret_count = (PAGE_HEADER - 1 + node->value_len) / form->psize + 1;
	return load64(node->value);
}

bool
page_is_overflow(const uint8_t head[static PAGE_HEADER], uint64_t first, uint64_t count)
{
	return load64(head) == first && (load16(head + 10) & ~(unsigned)P_IN_MEMORY) == P_OVERFLOW && load32(head + 12) == count;
}
