/*
 * Rot is on the disk, and what reads a mapped file sees memory: a page that LMDB has touched stays in the page cache as it was, whatever became of its
 * sectors.  So the file is opened once more, with O_DIRECT, and each page comes from the device; a file system that has no O_DIRECT is asked to forget the
 * range before it is read, which it need not do (`direct` tells).
 *
 * A read transaction of LMDB's own keeps the pages of its snapshot from being used again, and all of them were synced before it could begin.  It is open
 * while a chunk is read and no longer: rows are copied, and shown when it has ended.
 *
 * A page is judged whole before a row of it is taken: its own number, bounds, the order of keys, and that they lie between those of the branch above.  A
 * bad one is read a second time.  Then it is a fault, and the walk goes on behind it.
 */
#include "store/internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/page.h"

#define BLOCK_BYTES 4096		/* what O_DIRECT is aligned to */
#define PAGES_AHEAD 32			/* leaves that are read together, each once: neighbours in the tree are rarely neighbours in the file */
#define AHEAD_BYTES ((size_t)PAGES_AHEAD * BLOCK_BYTES)
#define FAULTS_MAX 16			/* of a chunk */
#define BEGIN_TRIES 100

struct store_disk {
	enum store_env env;
	struct store_txn *txn;		/* at rest between two reads; NULL: none can begin, because of what a meta page says */
	int fd;				/* of the file that the transaction is in */
	uint64_t epoch;			/* the vault's that it is */
	bool direct;
	uint64_t bytes_read;		/* for this chunk */
	uint64_t bytes_taken, bytes_max;	/* of the pages that it is made of */
	struct page_form form;
	uint64_t last_page;
	uint8_t *one;			/* a page, of any size */
	uint8_t *ahead;			/* leaves, of ahead_pages[] */
	size_t n_ahead;
	uint64_t ahead_pages[PAGES_AHEAD];
	/* the tree that is walked */
	uint8_t *levels;		/* a page for each level above the leaves */
	uint16_t depth;
	struct bytes from;
	unsigned node_flags;		/* of the values, besides NODE_BIGDATA */
	void (*take)(struct store_disk *d, struct bytes key, struct bytes value);
	bool full;			/* the chunk is; next is where the rest begins */
	bool ended;			/* there is nothing behind it */
	struct store_key next, last;	/* last: the newest key that was sound */
	uint64_t n_taken;		/* rows */
	enum status failed;		/* of us, not of the file */
	/* what was found */
	struct tree trees[TABLE_COUNT];
	size_t n_trees;
	struct store_disk_fault fault;	/* the beginning of one: which part is read */
	size_t n_faults;
	struct store_disk_fault faults[FAULTS_MAX];
	struct buf rows;		/* key_len be32, value_len be32, key, value; … */
};

/* ---- bytes ---- */

static void *
aligned(size_t len)
{
	return aligned_alloc(BLOCK_BYTES, (len + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES);
}

static void
read_by_cache(struct store_disk *d)
{
	int flags = fcntl(d->fd, F_GETFL);

	d->direct = false;
	if (flags != -1)
		(void)fcntl(d->fd, F_SETFL, flags & ~O_DIRECT);
}

/* As much as there is; all numbers are multiples of BLOCK_BYTES.  ST_IO: the disk refuses. */
static enum status
read_blocks(struct store_disk *d, uint8_t *ret_data, size_t len, uint64_t offset, size_t *ret_len)
{
	size_t done = 0;

	while (done < len) {
		if (!d->direct)
			(void)posix_fadvise(d->fd, (off_t)(offset + done), (off_t)(len - done), POSIX_FADV_DONTNEED);
		ssize_t n = pread(d->fd, ret_data + done, len - done, (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EINVAL && d->direct) {
			read_by_cache(d);
			continue;
		}
		if (n < 0)
			return ST_IO;
		done += (size_t)n;
		if (n == 0 || done % BLOCK_BYTES != 0)
			break;		/* the end of the file */
	}
	d->bytes_read += done;
	*ret_len = done;
	return ST_OK;
}

/* ${count} pages.  ST_CORRUPT: the file ends before. */
static enum status
read_pages(struct store_disk *d, uint8_t *ret_data, uint64_t page_no, size_t count)
{
	size_t len = 0;

	enum status st = read_blocks(d, ret_data, count * d->form.psize, page_no * d->form.psize, &len);
	if (st != ST_OK)
		return st;
	return len == count * d->form.psize ? ST_OK : ST_CORRUPT;
}

static int
page_order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static const uint8_t *
find_ahead(const struct store_disk *d, uint64_t page_no)
{
	for (size_t i = 0; i < d->n_ahead; i++)
		if (d->ahead_pages[i] == page_no)
			return d->ahead + i * d->form.psize;
	return NULL;
}

/* The children of a branch from ${first} on, in the order of the file.  What cannot be read is left to whoever comes to it. */
static void
read_ahead(struct store_disk *d, const uint8_t *branch, size_t first)
{
	uint64_t pages[PAGES_AHEAD];
	size_t n = 0, most = AHEAD_BYTES / d->form.psize;
	uint64_t left = d->bytes_taken < d->bytes_max ? (d->bytes_max - d->bytes_taken) / d->form.psize : 0;
	struct node node;

	if (left < most)
		most = left == 0 ? 1 : (size_t)left;
	for (size_t i = first; i < page_nodes(branch) && n < most && page_node(&d->form, branch, i, false, &node); i++)
		pages[n++] = node.child;
	qsort(pages, n, sizeof(*pages), page_order);
	d->n_ahead = 0;
	for (size_t i = 0, run; i < n; i += run) {
		for (run = 1; i + run < n && pages[i + run] == pages[i] + run; run++)
			;
		if (read_pages(d, d->ahead + d->n_ahead * d->form.psize, pages[i], run) != ST_OK)
			continue;
		memcpy(d->ahead_pages + d->n_ahead, pages + i, run * sizeof(*pages));
		d->n_ahead += run;
	}
}

/* Borrowed until the next leaf is asked for. */
static enum status
leaf_at(struct store_disk *d, uint64_t page_no, const uint8_t **ret_page)
{
	*ret_page = find_ahead(d, page_no);
	if (*ret_page != NULL)
		return ST_OK;
	*ret_page = d->one;
	return read_pages(d, d->one, page_no, 1);
}

/* ---- pages ---- */

static struct bytes
key_bytes(const struct store_key *key)
{
	return bytes_of(key->data, key->len);
}

static void
key_set(struct store_key *key, struct bytes to)
{
	assert(to.len <= sizeof(key->data));
	if (to.len > 0)
		memcpy(key->data, to.data, to.len);
	key->len = to.len;
}

/* The least key above ${key}. */
static void
key_set_behind(struct store_key *key, struct bytes of)
{
	key_set(key, of);
	if (key->len < sizeof(key->data))
		key->data[key->len++] = 0;
}

/* Rows at or above ${from} and below ${before} were there.  The walk goes on at ${before}; no bytes: nothing is behind it. */
static void
note_fault(struct store_disk *d, uint64_t page_no, bool unreadable, struct bytes from, struct bytes before)
{
	struct store_disk_fault *f = &d->faults[d->n_faults++];

	*f = d->fault;
	f->page = page_no;
	f->unreadable = unreadable;
	key_set(&f->from, from);
	key_set(&f->before, before);
	if (d->n_faults < FAULTS_MAX)
		return;
	d->full = true;
	d->ended = before.len == 0;
	key_set(&d->next, before);
}

/* ${low} is at or below the first key, ${high} above the last; no bytes: no bound.  The first key of a branch is not used. */
static bool
page_good(const struct store_disk *d, const uint8_t *page, uint64_t page_no, bool leaf, struct bytes low, struct bytes high)
{
	struct bytes before = { 0 };
	struct node node;

	if (!page_sane(&d->form, page, page_no, leaf))
		return false;
	for (size_t i = 0; i < page_nodes(page); i++) {
		if (!page_node(&d->form, page, i, leaf, &node))
			return false;
		if (leaf && (node.flags & ~(unsigned)NODE_BIGDATA) != d->node_flags)
			return false;
		if (!leaf && (node.child < 2 || node.child > d->last_page))
			return false;
		if (!leaf && i == 0)
			continue;
		bool rises = before.len == 0 || page_key_compare(&d->form, node.key, before) > 0;
		bool above = low.len == 0 || page_key_compare(&d->form, node.key, low) >= 0;
		bool below = high.len == 0 || page_key_compare(&d->form, node.key, high) < 0;
		if (node.key.len == 0 || !rises || !above || !below)
			return false;
		before = node.key;
	}
	return true;
}

/* ST_CORRUPT; ST_IO: the disk refuses. */
static enum status
good_page(struct store_disk *d, uint64_t page_no, unsigned level, struct bytes low, struct bytes high, const uint8_t **ret_page)
{
	bool leaf = level + 1 == d->depth;
	uint8_t *own = leaf ? d->one : d->levels + (size_t)level * d->form.psize;

	if (page_no < 2 || page_no > d->last_page)
		return ST_CORRUPT;
	d->bytes_taken += d->form.psize;
	*ret_page = own;
	enum status st = leaf ? leaf_at(d, page_no, ret_page) : read_pages(d, own, page_no, 1);
	if (st == ST_OK && page_good(d, *ret_page, page_no, leaf, low, high))
		return ST_OK;
	*ret_page = own;
	st = read_pages(d, own, page_no, 1);
	if (st == ST_OK && !page_good(d, own, page_no, leaf, low, high))
		st = ST_CORRUPT;
	return st;
}

/* ---- trees ---- */

static enum status
overflow_at(struct store_disk *d, const struct node *node, uint8_t **ret_pages)
{
	uint64_t count, first = node_overflow(&d->form, node, &count);

	if (first < 2 || first > d->last_page || count > d->last_page - first + 1)
		return ST_CORRUPT;
	uint8_t *pages = aligned((size_t)count * d->form.psize);
	if (pages == NULL) {
		d->failed = ST_NOMEM;
		return ST_NOMEM;
	}
	d->bytes_taken += count * d->form.psize;
	enum status st = read_pages(d, pages, first, (size_t)count);
	if (st == ST_OK && !page_is_overflow(pages, first, count))
		st = ST_CORRUPT;
	if (st == ST_OK)
		*ret_pages = pages;
	else
		free(pages);
	return st;
}

static void
take_node(struct store_disk *d, const struct node *node)
{
	uint8_t *pages = NULL;

	if ((node->flags & NODE_BIGDATA) == 0) {
		d->take(d, node->key, bytes_of(node->value, node->value_len));
		return;
	}
	enum status st = overflow_at(d, node, &pages);
	if (st == ST_OK) {
		d->take(d, node->key, bytes_of(pages + PAGE_HEADER, node->value_len));
	} else if (st != ST_NOMEM) {
		uint64_t count;
		struct store_key behind;
		key_set_behind(&behind, node->key);
		note_fault(d, node_overflow(&d->form, node, &count), st == ST_IO, node->key, key_bytes(&behind));
	}
	free(pages);
}

static void
walk_leaf(struct store_disk *d, const uint8_t *page)
{
	struct node node;

	for (size_t i = 0; i < page_nodes(page) && !d->full && d->failed == ST_OK; i++) {
		bool ok = page_node(&d->form, page, i, true, &node);
		assert(ok);
		if (d->from.len > 0 && page_key_compare(&d->form, node.key, d->from) < 0)
			continue;
		take_node(d, &node);
		d->n_taken++;
		key_set(&d->last, node.key);
	}
	if (!d->full && d->bytes_taken >= d->bytes_max && d->last.len > 0) {
		d->full = true;
		key_set_behind(&d->next, key_bytes(&d->last));
	}
}

static void walk_page(struct store_disk *d, uint64_t page_no, unsigned level, struct bytes low, struct bytes high);

static void
walk_branch(struct store_disk *d, const uint8_t *page, unsigned level, struct bytes low, struct bytes high)
{
	size_t n = page_nodes(page), first = 0;
	struct node node, next;

	for (size_t i = 1; i < n && d->from.len > 0; i++) {
		bool ok = page_node(&d->form, page, i, false, &node);
		assert(ok);
		if (page_key_compare(&d->form, node.key, d->from) > 0)
			break;
		first = i;
	}
	for (size_t i = first; i < n && !d->full && d->failed == ST_OK; i++) {
		bool ok = page_node(&d->form, page, i, false, &node) && (i + 1 == n || page_node(&d->form, page, i + 1, false, &next));
		assert(ok);
		if (level + 2 == d->depth && find_ahead(d, node.child) == NULL)
			read_ahead(d, page, i);
		walk_page(d, node.child, level + 1, i == 0 ? low : node.key, i + 1 == n ? high : next.key);
	}
}

static void
walk_page(struct store_disk *d, uint64_t page_no, unsigned level, struct bytes low, struct bytes high)
{
	const uint8_t *page;
	struct store_key behind = { .len = 0 };

	enum status st = good_page(d, page_no, level, low, high, &page);
	if (st != ST_OK && d->last.len > 0)
		key_set_behind(&behind, key_bytes(&d->last));
	if (st != ST_OK)
		note_fault(d, page_no, st == ST_IO, d->last.len > 0 ? key_bytes(&behind) : d->from, high);
	else if (level + 1 == d->depth)
		walk_leaf(d, page);
	else
		walk_branch(d, page, level, low, high);
}

static void
walk_tree(struct store_disk *d, const struct tree *tree)
{
	const struct bytes none = { 0 };

	enum status st = tree_judge(tree, d->form.integer_keys);
	d->n_ahead = 0;
	d->n_taken = 0;
	d->last.len = 0;
	if (st == ST_CORRUPT)
		note_fault(d, tree->root, false, none, none);
	if (st != ST_OK)
		return;
	d->depth = tree->depth;
	d->levels = aligned((size_t)d->depth * d->form.psize);
	if (d->levels == NULL) {
		d->failed = ST_NOMEM;
		return;
	}
	size_t before = d->n_faults;
	walk_page(d, tree->root, 0, none, none);
	free(d->levels);
	d->levels = NULL;
	bool whole = d->from.len == 0 && !d->full && d->failed == ST_OK && d->n_faults == before;
	if (whole && d->n_taken != tree->entries)
		note_fault(d, tree->root, false, none, none);
}

/* ---- the file ---- */

static void
close_file(struct store_disk *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

static enum status
open_file(struct store_disk *d, const struct env *e)
{
	struct stat own, mapped;
	int fd;

	char *path = file_path(e->path, "data.mdb");
	if (path == NULL)
		return ST_NOMEM;
	d->fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);
	d->direct = d->fd >= 0;
	if (d->fd < 0 && errno == EINVAL)
		d->fd = open(path, O_RDONLY | O_CLOEXEC);
	free(path);
	if (d->fd < 0)
		return file_status(errno);
	if (mdb_env_get_fd(e->mdb, &fd) != 0 || fstat(fd, &mapped) != 0 || fstat(d->fd, &own) != 0)
		return ST_IO;
	return own.st_dev == mapped.st_dev && own.st_ino == mapped.st_ino ? ST_OK : ST_NOTFOUND;	/* a vault that was just replaced */
}

/* The transaction is the newest, and the file is the one that it is in. */
static enum status
renew(struct store_disk *d)
{
	enum status st = store_renew(d->txn);
	uint64_t epoch = st == ST_OK && d->env == STORE_VAULT ? store_txn_epoch(d->txn) : 0;

	if (st != ST_OK)
		return st;
	if (d->fd >= 0 && d->epoch == epoch)
		return ST_OK;
	close_file(d);
	d->epoch = epoch;
	return open_file(d, d->txn->env);
}

/* The meta page of the transaction.  ST_NOTFOUND: neither is; then ${ret_bad} is one that is damaged, 2: none is. */
static enum status
find_meta(struct store_disk *d, struct meta *ret_meta, uint64_t *ret_bad)
{
	struct meta metas[2];
	uint32_t psize = 0;
	bool found = false;

	*ret_bad = 2;
	for (uint64_t i = 0; i < 2; i++) {
		struct meta meta;
		size_t len = 0;
		uint64_t offset = i * (psize != 0 ? psize : (uint64_t)sysconf(_SC_PAGESIZE));
		enum status st = read_blocks(d, d->one, BLOCK_BYTES, offset, &len);
		if (st == ST_OK)
			st = len < PAGE_META_BYTES ? ST_CORRUPT : page_meta(d->one, i, psize, &meta);
		if (st != ST_OK) {
			*ret_bad = i;
			continue;
		}
		metas[i] = meta;
		psize = meta.psize;
		if (meta.txn_id == mdb_txn_id(d->txn->mdb)) {
			*ret_meta = meta;
			found = true;
		}
	}
	if (found && psize % BLOCK_BYTES != 0 && d->direct)
		read_by_cache(d);
	return found && (*ret_bad != 2 || metas_follow(metas)) ? ST_OK : ST_NOTFOUND;
}

/* The meta page of which LMDB makes no transaction. */
static uint64_t
bad_head(struct store_disk *d)
{
	struct stat info;
	struct meta meta;
	size_t len = 0;

	uint64_t bytes = fstat(d->fd, &info) == 0 ? (uint64_t)info.st_size : 0;
	enum status st = read_blocks(d, d->one, BLOCK_BYTES, 0, &len);
	bool is_good = st == ST_OK && len >= PAGE_META_BYTES && page_meta(d->one, 0, 0, &meta) == ST_OK && meta_long_enough(&meta, bytes);
	return is_good ? 1 : 0;
}

/* A writer may commit twice between our transaction's begin and our look at the meta pages: then again. */
static enum status
begin(struct store_disk *d, struct meta *ret_meta)
{
	enum status st = ST_NOTFOUND;
	uint64_t bad = 2;
	bool stands = false;

	d->bytes_read = d->bytes_taken = 0;
	d->bytes_max = UINT64_MAX;
	d->n_faults = 0;
	d->full = d->ended = false;
	d->failed = ST_OK;
	d->from = bytes_of(NULL, 0);
	d->form.integer_keys = false;
	buf_clear(&d->rows);
	d->fault = (struct store_disk_fault){ .env = d->env, .part = STORE_PART_META };
	if (d->txn == NULL) {
		note_fault(d, bad_head(d), false, bytes_of(NULL, 0), bytes_of(NULL, 0));
		return ST_CORRUPT;
	}
	for (int i = 0; i < BEGIN_TRIES && st == ST_NOTFOUND; i++) {
		size_t id = mdb_txn_id(d->txn->mdb);
		st = renew(d);
		stands = st == ST_OK && mdb_txn_id(d->txn->mdb) == id;
		if (st == ST_OK)
			st = find_meta(d, ret_meta, &bad);
		else if (st == ST_NOTFOUND)
			close_file(d);
	}
	if (st == ST_NOTFOUND && bad == 2 && !stands)
		return ST_BUSY;
	if (st == ST_NOTFOUND && bad == 2)
		bad = mdb_txn_id(d->txn->mdb) & 1;	/* no writer was there: its number is another */
	if (st == ST_CORRUPT && (d->fd >= 0 || open_file(d, d->txn->env) == ST_OK))
		bad = bad_head(d);
	if (bad != 2)
		note_fault(d, bad, false, bytes_of(NULL, 0), bytes_of(NULL, 0));
	if (st != ST_OK)
		return st == ST_NOTFOUND ? ST_CORRUPT : st;
	struct stat info;
	if (fstat(d->fd, &info) == 0 && !meta_long_enough(ret_meta, (uint64_t)info.st_size))
		note_fault(d, mdb_txn_id(d->txn->mdb) & 1, false, bytes_of(NULL, 0), bytes_of(NULL, 0));
	d->form.psize = ret_meta->psize;
	d->last_page = ret_meta->last_page;
	return ST_OK;
}

/* ---- what is taken ---- */

static void
take_table(struct store_disk *d, struct bytes key, struct bytes value)
{
	for (enum store_table t = 0; t < TABLE_COUNT && value.len == 48; t++) {
		if (store_table_env(t) != d->env || !bytes_equal(key, bytes_of(store_table_str(t), strlen(store_table_str(t)))))
			continue;
		d->trees[t] = tree_load(value.data);
		d->n_trees++;
	}
}

static void
take_row(struct store_disk *d, struct bytes key, struct bytes value)
{
	buf_put_be32(&d->rows, (uint32_t)key.len);
	buf_put_be32(&d->rows, (uint32_t)value.len);
	buf_put(&d->rows, key.data, key.len);
	buf_put(&d->rows, value.data, value.len);
}

/* A list of free pages: how many, and their numbers.  One that is none would be written over. */
static void
take_free(struct store_disk *d, struct bytes key, struct bytes value)
{
	uint64_t count = 0, page;
	bool ok = value.len >= sizeof(count);

	if (ok)
		memcpy(&count, value.data, sizeof(count));
	ok = ok && count <= value.len / sizeof(page) - 1;
	for (uint64_t i = 1; ok && i <= count; i++) {
		memcpy(&page, value.data + i * sizeof(page), sizeof(page));
		ok = page >= 2 && page <= d->last_page;
	}
	if (!ok && !d->full)
		note_fault(d, 0, false, key, bytes_of(NULL, 0));
}

static void
walk_main(struct store_disk *d, const struct meta *meta)
{
	for (enum store_table t = 0; t < TABLE_COUNT; t++)
		d->trees[t] = (struct tree){ .root = UINT64_MAX };
	d->n_trees = 0;
	d->fault.part = STORE_PART_TABLES;
	d->take = take_table;
	d->node_flags = NODE_SUBDATA;
	walk_tree(d, &meta->main_tree);
	d->node_flags = 0;
	size_t wanted = 0;
	for (enum store_table t = 0; t < TABLE_COUNT; t++)
		wanted += store_table_env(t) == d->env;
	if (d->n_trees != wanted && d->n_faults == 0)
		note_fault(d, meta->main_tree.root, false, bytes_of(NULL, 0), bytes_of(NULL, 0));
}

/* ---- for callers ---- */

enum status
store_disk_open(struct store *store, enum store_env env, struct store_disk **ret_disk)
{
	struct store_disk *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return ST_NOMEM;
	d->env = env;
	d->fd = -1;
	d->one = aligned(PAGE_BYTES_MAX);
	d->ahead = aligned(AHEAD_BYTES);
	buf_init(&d->rows);
	enum status st = d->one == NULL || d->ahead == NULL ? ST_NOMEM : store_read(store, env, &d->txn);
	if (st == ST_CORRUPT) {
		struct env *e = env_hold(store, env);
		st = open_file(d, e);
		env_release(e);
	}
	if (st != ST_OK) {
		store_disk_close(d);
		return st;
	}
	if (d->txn != NULL)
		store_rest(d->txn);
	*ret_disk = d;
	return ST_OK;
}

void
store_disk_close(struct store_disk *d)
{
	if (d == NULL)
		return;
	store_abort(d->txn);
	close_file(d);
	free(d->one);
	free(d->ahead);
	buf_release(&d->rows);
	free(d);
}

static void
show_rows(const struct store_disk *d, const struct store_disk_visit *visit)
{
	for (size_t at = 0; at < d->rows.len;) {
		const uint8_t *p = d->rows.data + at;
		size_t key_len = get_be32(p), value_len = get_be32(p + 4);
		visit->row(visit->ctx, bytes_of(p + 8, key_len), bytes_of(p + 8 + key_len, value_len));
		at += 8 + key_len + value_len;
	}
}

static enum status
show(struct store_disk *d, enum status st, uint64_t entries, const struct store_disk_visit *visit, struct store_disk_read *ret)
{
	if (d->txn != NULL)
		store_rest(d->txn);
	*ret = (struct store_disk_read){ .bytes = d->bytes_read, .direct = d->direct, .done = !d->full || d->ended, .next = d->next, .epoch = d->epoch,
		.entries = entries };
	if (st == ST_OK)
		st = d->failed != ST_OK ? d->failed : buf_status(&d->rows);
	if (st == ST_CORRUPT)
		st = ST_OK;		/* the faults say it */
	if (st != ST_OK)
		return st;
	for (size_t i = 0; i < d->n_faults; i++)
		visit->fault(visit->ctx, &d->faults[i]);
	show_rows(d, visit);
	return ST_OK;
}

enum status
store_disk_read(struct store_disk *d, enum store_table table, const struct store_key *from, size_t bytes_max, const struct store_disk_visit *visit,
    struct store_disk_read *ret)
{
	struct meta meta;
	uint64_t entries = 0;

	assert(store_table_env(table) == d->env);
	enum status st = begin(d, &meta);
	if (st == ST_OK) {
		d->n_faults = 0;	/* of the meta page that is not ours: store_disk_structure() */
		walk_main(d, &meta);
	}
	if (st == ST_OK && d->n_faults == 0 && d->failed == ST_OK) {
		d->fault.part = STORE_PART_TABLE;
		d->fault.table = table;
		d->take = take_row;
		d->from = key_bytes(from);
		d->bytes_max = d->bytes_taken + bytes_max;
		walk_tree(d, &d->trees[table]);
		entries = d->trees[table].entries;
	}
	return show(d, st, entries, visit, ret);
}

enum status
store_disk_structure(struct store_disk *d, const struct store_disk_visit *visit, struct store_disk_read *ret)
{
	struct meta meta;

	enum status st = begin(d, &meta);
	if (st == ST_OK)
		walk_main(d, &meta);
	if (st == ST_OK && !d->full && d->failed == ST_OK) {
		d->fault.part = STORE_PART_FREE;
		d->form.integer_keys = true;
		d->take = take_free;
		walk_tree(d, &meta.free_tree);
	}
	return show(d, st, 0, visit, ret);
}
