/*
 * Rows of many keys at once.  In a table of gigabytes every page on the way down from the root is far from the processor, and a way down waits for each
 * of them in turn: one row costs a microsecond or two in which nothing is done.  Here the ways of all keys go down side by side: a step of each asks
 * for the memory that its next step looks at, and then it is the others' turn.
 *
 * LMDB has no such call, so its pages are read here, with every number checked (page.h).  Where something does not fit, or a value lies in pages of its
 * own, LMDB is asked for that key alone.
 */
#include "store/internal.h"

#include <assert.h>
#include <string.h>

#include "store/page.h"

#define LINE 64				/* bytes that come together */
#define HEAD_LINES 3			/* of a page: its header and where most of its nodes are */
#define VALUE_LINES 3

/* The way to one key: the next node to look at lies between ${low} and ${high} of a page. */
struct way {
	const uint8_t *page;
	size_t low, high;
	unsigned depth;			/* levels left, the leaf's among them */
	bool entered;			/* the page's header was looked at */
	bool lost;
};

struct map {
	const uint8_t *base;		/* of page 0 */
	uint64_t pages;
	struct page_form form;
	struct tree tree;
};

/* Where the table begins in the transaction's snapshot, which has no page beyond the newest commit's last. */
static bool
find_map(struct store_txn *txn, enum store_table table, struct map *ret)
{
	MDB_envinfo info;
	MDB_stat stat;
	const char *name = store_table_str(table);
	MDB_val key = { strlen(name), (void *)(uintptr_t)name }, value;

	if (txn->env->map == NULL || mdb_env_info(txn->env->mdb, &info) != 0 || mdb_env_stat(txn->env->mdb, &stat) != 0 ||
	    mdb_get(txn->mdb, txn->env->main, &key, &value) != 0 || value.mv_size != TREE_BYTES)
		return false;
	*ret = (struct map){ .base = txn->env->map, .pages = info.me_last_pgno + 1, .form = { .psize = stat.ms_psize },
		.tree = tree_load(value.mv_data) };
	return tree_judge(&ret->tree, false) == ST_OK && ret->tree.root < ret->pages;
}

static void
ask_for(const uint8_t *p, size_t lines)
{
	for (size_t i = 0; i < lines; i++)
		__builtin_prefetch(p + i * LINE);
}

static void
enter(struct way *w, const struct map *map, uint64_t page_no)
{
	w->page = map->base + page_no * map->form.psize;
	w->entered = false;
	ask_for(w->page, HEAD_LINES);
}

/* The node that the next step compares, from its head to the end of its key; false: there is none left. */
static bool
ask_for_middle(struct way *w, size_t key_len)
{
	if (w->low >= w->high)
		return false;
	const uint8_t *node = page_node_at(w->page, (w->low + w->high) / 2);
	__builtin_prefetch(node);
	__builtin_prefetch(node + NODE_HEADER + key_len - 1);
	return true;
}

/* Mostly the first eight bytes tell. */
static int
compare(const struct map *map, struct bytes a, struct bytes b)
{
	if (a.len >= 8 && b.len >= 8) {
		uint64_t x = get_be64(a.data), y = get_be64(b.data);
		if (x != y)
			return x < y ? -1 : 1;
	}
	return page_key_compare(&map->form, a, b);
}

/* One step; false: the key's way is at its end, and *${ret} is its row, or has no data. */
static bool
step(struct way *w, const struct map *map, struct bytes key, struct bytes *ret)
{
	bool leaf = w->depth == 1;
	struct node node;

	if (!w->entered) {
		uint64_t page_no = (uint64_t)(w->page - map->base) / map->form.psize;
		if (!page_sane(&map->form, w->page, page_no, leaf))
			goto lost;
		w->low = leaf ? 0 : 1;		/* a branch's first key is below all */
		w->high = page_nodes(w->page);
		w->entered = true;
		if (ask_for_middle(w, key.len))
			return true;
	}
	if (w->low < w->high) {
		size_t middle = (w->low + w->high) / 2;
		if (!page_node(&map->form, w->page, middle, leaf, &node))
			goto lost;
		int order = compare(map, key, node.key);
		if (leaf && order == 0) {
			if (node.flags != 0)
				goto lost;
			*ret = bytes_of(node.value, node.value_len);
			ask_for(node.value, VALUE_LINES);
			return false;
		}
		if (order < 0)
			w->high = middle;
		else
			w->low = middle + 1;
		if (ask_for_middle(w, key.len))
			return true;
	}
	if (leaf)
		return false;
	if (!page_node(&map->form, w->page, w->low - 1, false, &node) || node.child >= map->pages)
		goto lost;
	w->depth--;
	enter(w, map, node.child);
	return true;
lost:
	w->lost = true;
	return false;
}

static void
go_down(const struct map *map, const struct bytes *keys, size_t n, struct way *ways, struct bytes *ret_values)
{
	size_t open[STORE_MANY], n_open = n;

	for (size_t i = 0; i < n; i++) {
		open[i] = i;
		ways[i] = (struct way){ .depth = map->tree.depth };
		enter(&ways[i], map, map->tree.root);
	}
	while (n_open > 0) {
		size_t left = 0;
		for (size_t i = 0; i < n_open; i++) {
			size_t k = open[i];
			if (step(&ways[k], map, keys[k], &ret_values[k]))
				open[left++] = k;
		}
		n_open = left;
	}
}

enum status
store_get_many(struct store_txn *txn, enum store_table table, const struct bytes *keys, size_t n, struct bytes *ret_values)
{
	struct way ways[STORE_MANY];
	struct map map;

	assert(n <= STORE_MANY && !txn->write && !txn->rested && store_table_env(table) == txn->env->env);
	for (size_t i = 0; i < n; i++)
		ret_values[i] = bytes_of(NULL, 0);
	bool side_by_side = n > 1 && find_map(txn, table, &map);
	if (side_by_side)
		go_down(&map, keys, n, ways, ret_values);
	for (size_t i = 0; i < n; i++) {
		if (side_by_side && !ways[i].lost)
			continue;
		enum status st = store_get(txn, table, keys[i], &ret_values[i]);
		if (st != ST_OK && st != ST_NOTFOUND)
			return st;
	}
	return ST_OK;
}
