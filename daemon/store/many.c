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

#include "base/ask.h"
#include "store/page.h"

#define HEAD_BYTES (3 * ASK_LINE)	/* of a page: its header and where most of its nodes are */
#define VALUE_BYTES (3 * ASK_LINE)
#define NODE_BYTES 24			/* in front of a value: its node's head and a short key */
#define ASK_PAGE_BYTES ((uintptr_t)4096)	/* of a page, where it is not asked how large they are */

/* The way to one key: the next node to look at lies between ${low} and ${high} of a page. */
struct way {
	const uint8_t *page;
	size_t low, high;
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

/* The node that the next step compares, from its head to the end of its key; false: there is none left. */
static bool
ask_for_middle(const struct way *w, size_t key_len)
{
	if (w->low >= w->high)
		return false;
	const uint8_t *node = page_node_at(w->page, (w->low + w->high) / 2);
	ask_for(node, 1);
	ask_for(node + NODE_HEADER + key_len - 1, 1);
	return true;
}

/* Mostly the first eight bytes tell, or the last eight of a short key. */
static int
compare(const struct map *map, struct bytes a, struct bytes b)
{
	if (a.len >= 8 && b.len >= 8) {
		uint64_t x = get_be64(a.data), y = get_be64(b.data);
		if (x == y && a.len == b.len && a.len <= 16) {
			x = get_be64(a.data + a.len - 8);
			y = get_be64(b.data + b.len - 8);
			if (x == y)
				return 0;
		}
		if (x != y)
			return x < y ? -1 : 1;
	}
	return page_key_compare(&map->form, a, b);
}

/* False: there is nothing to search in the page. */
static bool
enter(struct way *w, const struct map *map, size_t key_len, bool leaf)
{
	uint64_t page_no = (uint64_t)(w->page - map->base) / map->form.psize;

	w->lost = !page_sane(&map->form, w->page, page_no, leaf);
	w->low = leaf ? 0 : 1;		/* a branch's first key is below all */
	w->high = w->lost ? 0 : page_nodes(w->page);
	return ask_for_middle(w, key_len);
}

/* One step within the page; false: the search is at its end, and in a leaf *${ret} is the key's row, or has no data. */
static bool
step(struct way *w, const struct map *map, struct bytes key, bool leaf, struct bytes *ret)
{
	size_t middle = (w->low + w->high) / 2;
	struct node node;

	if (!page_node(&map->form, w->page, middle, leaf, &node)) {
		w->lost = true;
		return false;
	}
	int order = compare(map, key, node.key);
	if (leaf && order == 0) {
		w->lost = node.flags != 0;
		if (!w->lost) {
			*ret = bytes_of(node.value, node.value_len);
			ask_for(node.value, VALUE_BYTES);
		}
		return false;
	}
	if (order < 0)
		w->high = middle;
	else
		w->low = middle + 1;
	return ask_for_middle(w, key.len);
}

/* To the page below, once the search has ended in a branch. */
static void
go_on(struct way *w, const struct map *map)
{
	struct node node;

	if (w->lost)
		return;
	w->lost = !page_node(&map->form, w->page, w->low - 1, false, &node) || node.child >= map->pages;
	if (!w->lost)
		w->page = map->base + node.child * map->form.psize;
}

/*
 * A page that was not looked at for long has no translation of its address at hand either, and finding that takes longer than the rest.  The processor
 * does several at once if it finds the requests close together: so all ways go from one level to the next together.
 */
static void
ask_for_pages(const struct way *ways, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ask_for(ways[i].page, 1);
	for (size_t i = 0; i < n; i++)
		ask_for(ways[i].page + ASK_LINE, HEAD_BYTES - ASK_LINE);
}

static void
search_pages(const struct map *map, const struct bytes *keys, size_t n, bool leaf, struct way *ways, struct bytes *ret_values)
{
	size_t open[STORE_MANY], n_open = 0;

	for (size_t i = 0; i < n; i++) {
		if (!ways[i].lost && enter(&ways[i], map, keys[i].len, leaf))
			open[n_open++] = i;
	}
	while (n_open > 0) {
		size_t left = 0;
		for (size_t i = 0; i < n_open; i++) {
			size_t k = open[i];
			if (step(&ways[k], map, keys[k], leaf, &ret_values[k]))
				open[left++] = k;
		}
		n_open = left;
	}
}

static void
go_down(const struct map *map, const struct bytes *keys, size_t n, struct way *ways, struct bytes *ret_values)
{
	for (size_t i = 0; i < n; i++)
		ways[i] = (struct way){ .page = map->base + map->tree.root * map->form.psize };
	for (unsigned level = map->tree.depth; level > 0; level--) {
		ask_for_pages(ways, n);
		search_pages(map, keys, n, level == 1, ways, ret_values);
		for (size_t i = 0; i < n && level > 1; i++)
			go_on(&ways[i], map);
	}
}

void
store_ask(const uint8_t *value)
{
	if (value == NULL)
		return;
	ask_for((const void *)((uintptr_t)value & ~(ASK_PAGE_BYTES - 1)), HEAD_BYTES);
	ask_for(value - NODE_BYTES, 1);
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
