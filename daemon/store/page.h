/**
 * page.h: LMDB's pages as bytes: every number in them is checked before it is used.  The layout is that of LMDB's data format 1 (mdb.c: MDB_meta,
 * MDB_page, MDB_node, MDB_db) on a 64-bit machine in its own byte order.  Pure: who reads the bytes, and from where, is the others'.
 */
#ifndef FEALTY_STORE_PAGE_H
#define FEALTY_STORE_PAGE_H

#include <lmdb.h>
#include <stdbool.h>

#include "base/bytes.h"
#include "store/store.h"

#define PAGE_HEADER 16
#define NODE_HEADER 8
#define PAGE_META_BYTES (PAGE_HEADER + 136)	/* of a page, what page_meta() looks at */
#define PAGE_BYTES_MIN 512
#define PAGE_BYTES_MAX 65536
#define TREE_DEPTH_MAX 32
#define TREE_BYTES 48		/* a row of the main tree */
/* Pages that a transaction took at the end of the file and gave back are never written; it can have no more than this. */
#define UNWRITTEN_PAGES_MAX 131072

enum { NODE_BIGDATA = 0x01, NODE_SUBDATA = 0x02 };

struct tree {
	uint16_t flags, depth;
	uint64_t entries, root;		/* UINT64_MAX: it is empty */
};

struct meta {
	uint32_t psize;			/* bytes of a page */
	struct tree free_tree, main_tree;
	uint64_t last_page, txn_id;
};

/* What a tree's pages are judged by. */
struct page_form {
	uint32_t psize;
	bool integer_keys;		/* of the tree of free pages */
};

/* A node of a page: its key, and for a branch the child, for a leaf the flags and the length of the value. */
struct node {
	struct bytes key;		/* both borrowed from the page */
	const uint8_t *value;
	size_t value_len;		/* NODE_BIGDATA: of what lies in overflow pages; value has their number */
	uint64_t child;
	unsigned flags;
};

/* ${data} is the beginning of page ${page_no}; ${psize} is what the other meta page says, 0: nothing yet.  ST_CORRUPT. */
enum status page_meta(const uint8_t data[static PAGE_META_BYTES], uint64_t page_no, uint32_t psize, struct meta *ret_meta) MUST_CHECK;
/* Each commit writes the page of its number's parity, so the two are of commits that follow each other; of a file without one both are 0. */
bool metas_follow(const struct meta metas[static 2]);
/* A file of so many bytes may belong to it. */
bool meta_long_enough(const struct meta *meta, uint64_t bytes);
/* The value of a row of the main tree. */
struct tree tree_load(const uint8_t value[static TREE_BYTES]);
/* Whether there are pages to read: ST_OK; ST_NOTFOUND, it is empty; ST_CORRUPT. */
enum status tree_judge(const struct tree *tree, bool integer_keys) MUST_CHECK;

bool page_sane(const struct page_form *form, const uint8_t *page, uint64_t page_no, bool leaf) MUST_CHECK;
size_t page_nodes(const uint8_t *page);
uint64_t page_number(const uint8_t *page);	/* that it says of itself */
/* Where a node of a sane page says that it is: to be asked for, not to be read. */
const uint8_t *page_node_at(const uint8_t *page, size_t index);
/* False: it is not inside its page. */
bool page_node(const struct page_form *form, const uint8_t *page, size_t index, bool leaf, struct node *ret_node) MUST_CHECK;
/* memcmp()'s order, or that of numbers. */
int page_key_compare(const struct page_form *form, struct bytes a, struct bytes b);

/* The first overflow page of a NODE_BIGDATA value, how many there are, and whether ${head}, that page's header, says so too. */
uint64_t node_overflow(const struct page_form *form, const struct node *node, uint64_t *ret_count);
bool page_is_overflow(const uint8_t head[static PAGE_HEADER], uint64_t first, uint64_t count) MUST_CHECK;

#endif
