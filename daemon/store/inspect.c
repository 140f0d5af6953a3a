/*
 * LMDB maps its file and follows what it finds there: one bad page number or length and the process is gone.  Here the same pages are read
 * with pread() and every number is checked before it is used (page.h), so that damage is an answer.
 *
 * Keys must ascend over the whole walk, so no page can be visited twice and a walk always ends.
 *
 * Leaves of a table that only grows lie one behind the other: where two of them do, those that follow are read with the next one.  Pages of our
 * snapshot do not change meanwhile, and what else lies there is not looked at.
 */
#include "store/internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/page.h"

#define KEY_MAX STORE_KEY_MAX
#define METAS_TRIES 100
#define AHEAD_BYTES ((size_t)128 << 10)

struct walk {
	int fd;
	struct page_form form;
	uint64_t last_page;
	uint64_t file_bytes;
	uint8_t *pages;			/* one per level; behind them AHEAD_BYTES of leaves: */
	uint64_t ahead_no, leaf_no;	/* the first of those, and the leaf that was read last */
	size_t n_ahead;
	uint16_t depth;
	bool shallow;			/* the root only */
	bool is_main;			/* its values are trees */
	struct tree *ret_trees;		/* is_main: of each table found */
	uint64_t entries;
	uint8_t least[KEY_MAX];		/* what the next leaf's first key must reach */
	size_t least_len;
	struct store_key near;		/* the last key that was sound */
};

static enum status
read_at(int fd, uint8_t *ret_data, size_t len, uint64_t offset)
{
	if (offset > INT64_MAX - len)
		return ST_CORRUPT;
	while (len > 0) {
		ssize_t n = pread(fd, ret_data, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return file_status(errno);
		if (n == 0)
			return ST_CORRUPT;	/* past the end */
		ret_data += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return ST_OK;
}

/* ---- meta pages ---- */

static enum status
read_meta(int fd, uint64_t page, uint32_t psize, struct meta *ret_meta)
{
	uint8_t data[PAGE_META_BYTES];

	enum status st = read_at(fd, data, sizeof(data), page * psize);
	return st == ST_OK ? page_meta(data, page, psize, ret_meta) : st;
}

static enum status
read_metas(int fd, struct meta ret_metas[static 2])
{
	enum status st = read_meta(fd, 0, 0, &ret_metas[0]);

	return st == ST_OK ? read_meta(fd, 1, ret_metas[0].psize, &ret_metas[1]) : st;
}

/* A writer beside us may commit between the two. */
static enum status
read_metas_following(int fd, struct meta ret_metas[static 2])
{
	enum status st = ST_OK;

	for (int tries = 0; tries < METAS_TRIES && st == ST_OK; tries++) {
		st = read_metas(fd, ret_metas);
		if (st == ST_OK && metas_follow(ret_metas))
			return ST_OK;
	}
	return st == ST_OK ? ST_CORRUPT : st;
}

static enum status
file_bytes(int fd, uint64_t *ret_bytes)
{
	struct stat info;

	if (fstat(fd, &info) != 0)
		return file_status(errno);
	if (!S_ISREG(info.st_mode))
		return ST_CORRUPT;
	*ret_bytes = (uint64_t)info.st_size;
	return ST_OK;
}

static enum status
open_file(const char *env_path, int *ret_fd)
{
	char *path = file_path(env_path, "data.mdb");
	if (path == NULL)
		return ST_NOMEM;
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
	int err = errno;
	free(path);
	if (*ret_fd >= 0)
		return ST_OK;
	return err == ENOTDIR ? ST_NOTFOUND : file_status(err);
}

enum status
inspect_file(const char *env_path)
{
	struct meta metas[2];
	uint64_t bytes = 0;
	int fd;

	enum status st = open_file(env_path, &fd);
	if (st != ST_OK)
		return st;
	st = file_bytes(fd, &bytes);
	if (st == ST_OK)
		st = read_metas_following(fd, metas);
	if (st == ST_OK)
		st = file_bytes(fd, &bytes);	/* after the metas: a writer beside us only makes it longer */
	close(fd);
	for (size_t i = 0; i < 2 && st == ST_OK; i++)
		if (!meta_long_enough(&metas[i], bytes))
			st = ST_CORRUPT;
	return st;
}

/* ---- trees ---- */

static struct bytes
near_bytes(const struct walk *w)
{
	return bytes_of(w->near.data, w->near.len);
}

static enum status
walk_overflow(const struct walk *w, const struct node *node)
{
	uint8_t head[PAGE_HEADER];
	uint64_t count, first = node_overflow(&w->form, node, &count);

	if (first < 2 || first > w->last_page || count > w->last_page - first + 1 || (first + count) * w->form.psize > w->file_bytes)
		return ST_CORRUPT;
	enum status st = read_at(w->fd, head, sizeof(head), first * w->form.psize);
	if (st != ST_OK)
		return st;
	return page_is_overflow(head, first, count) ? ST_OK : ST_CORRUPT;
}

static enum status
walk_value(struct walk *w, const struct node *node)
{
	if (w->is_main) {
		if (node->flags != NODE_SUBDATA || node->value_len != 48)
			return ST_CORRUPT;
		for (enum store_table t = 0; t < TABLE_COUNT; t++)
			if (bytes_equal(node->key, bytes_of(store_table_str(t), strlen(store_table_str(t)))))
				w->ret_trees[t] = tree_load(node->value);
		return ST_OK;
	}
	if (node->flags == NODE_BIGDATA)
		return walk_overflow(w, node);
	return node->flags == 0 ? ST_OK : ST_CORRUPT;
}

static enum status
walk_leaf(struct walk *w, const uint8_t *page)
{
	size_t keys = page_nodes(page);
	struct node node;

	for (size_t i = 0; i < keys; i++) {
		if (!page_node(&w->form, page, i, true, &node))
			return ST_CORRUPT;
		if (w->near.len > 0 && page_key_compare(&w->form, node.key, near_bytes(w)) <= 0)
			return ST_CORRUPT;
		if (i == 0 && w->least_len > 0 && page_key_compare(&w->form, node.key, bytes_of(w->least, w->least_len)) < 0)
			return ST_CORRUPT;
		enum status st = walk_value(w, &node);
		if (st != ST_OK)
			return st;
		memcpy(w->near.data, node.key.data, node.key.len);
		w->near.len = node.key.len;
		w->entries++;
	}
	return ST_OK;
}

static enum status walk_page(struct walk *w, uint64_t page_no, uint16_t level);

static enum status
walk_branch(struct walk *w, const uint8_t *page, uint16_t level)
{
	size_t keys = page_nodes(page);
	struct node node;

	for (size_t i = 0; i < keys; i++) {
		if (!page_node(&w->form, page, i, false, &node))
			return ST_CORRUPT;
		if (i > 0) {	/* the first key of a branch is not used: whatever is below the second */
			if (node.key.len == 0 || (w->near.len > 0 && page_key_compare(&w->form, node.key, near_bytes(w)) <= 0))
				return ST_CORRUPT;
			memcpy(w->least, node.key.data, node.key.len);
			w->least_len = node.key.len;
		}
		if (w->shallow)
			continue;
		enum status st = walk_page(w, node.child, (uint16_t)(level + 1));
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

/* Whether the leaf is among those that were read ahead.  One that cannot be is read by itself, which says why. */
static bool
read_ahead(struct walk *w, uint64_t page_no, const uint8_t **ret_page)
{
	uint8_t *ahead = w->pages + (size_t)w->depth * w->form.psize;
	bool follows = page_no == w->leaf_no + 1;

	w->leaf_no = page_no;
	if (follows && page_no - w->ahead_no >= w->n_ahead) {
		ssize_t n = pread(w->fd, ahead, AHEAD_BYTES, (off_t)(page_no * w->form.psize));
		w->ahead_no = page_no;
		w->n_ahead = n > 0 ? (size_t)n / w->form.psize : 0;
	}
	if (page_no - w->ahead_no >= w->n_ahead)
		return false;
	*ret_page = ahead + (size_t)(page_no - w->ahead_no) * w->form.psize;
	return true;
}

static enum status
walk_page(struct walk *w, uint64_t page_no, uint16_t level)
{
	bool leaf = level + 1 == w->depth;
	uint8_t *own = w->pages + (size_t)level * w->form.psize;
	const uint8_t *page = own;
	enum status st = ST_OK;

	if (page_no < 2 || page_no > w->last_page)
		return ST_CORRUPT;
	if (!leaf || !read_ahead(w, page_no, &page))
		st = read_at(w->fd, own, w->form.psize, page_no * w->form.psize);
	if (st != ST_OK)
		return st;
	if (!page_sane(&w->form, page, page_no, leaf))
		return ST_CORRUPT;
	return leaf ? walk_leaf(w, page) : walk_branch(w, page, level);
}

/* Uses the settings of ${w}, and leaves entries and near of this walk in it. */
static enum status
walk_tree(struct walk *w, const struct tree *tree)
{
	w->depth = tree->depth;
	w->entries = 0;
	w->least_len = 0;
	w->near.len = 0;
	enum status judged = tree_judge(tree, w->form.integer_keys);
	if (judged != ST_OK)
		return judged == ST_NOTFOUND ? ST_OK : judged;

	w->leaf_no = 0;
	w->n_ahead = 0;
	w->pages = malloc((size_t)w->depth * w->form.psize + AHEAD_BYTES);
	if (w->pages == NULL)
		return ST_NOMEM;
	enum status st = walk_page(w, tree->root, 0);
	free(w->pages);
	w->pages = NULL;
	if (st == ST_OK && !w->shallow && w->entries != tree->entries)
		return ST_CORRUPT;
	return st;
}

/* ---- environments ---- */

static void
trees_init(struct tree trees[static TABLE_COUNT])
{
	for (enum store_table t = 0; t < TABLE_COUNT; t++)
		trees[t] = (struct tree){ .root = UINT64_MAX };
}

/* ST_NOTFOUND: the meta page of ${txn} was written over since it began, or never was a sound one. */
static enum status
walk_init(struct walk *w, MDB_env *mdb, MDB_txn *txn, struct meta *ret_meta)
{
	struct meta metas[2];
	int fd;

	if (mdb_env_get_fd(mdb, &fd) != 0)
		return ST_IO;
	*w = (struct walk){ .fd = fd };
	enum status st = read_metas(fd, metas);
	if (st == ST_OK)
		st = file_bytes(fd, &w->file_bytes);
	if (st != ST_OK)
		return st;
	for (size_t i = 0; i < 2; i++) {
		if (metas[i].txn_id != mdb_txn_id(txn))
			continue;
		w->form.psize = metas[i].psize;
		w->last_page = metas[i].last_page;
		*ret_meta = metas[i];
		return ST_OK;
	}
	return ST_NOTFOUND;
}

static enum status
walk_main(struct walk *w, const struct meta *meta, struct tree ret_trees[static TABLE_COUNT])
{
	trees_init(ret_trees);
	w->is_main = true;
	w->ret_trees = ret_trees;
	enum status st = walk_tree(w, &meta->main_tree);
	w->is_main = false;
	w->ret_trees = NULL;
	return st;
}

/* A writer beside us may commit twice between our transaction's begin and our look at the meta pages: then begin again. */
static enum status
walk_begin(struct walk *w, MDB_env *mdb, MDB_txn *txn, struct meta *ret_meta)
{
	enum status st = walk_init(w, mdb, txn, ret_meta);

	for (int tries = 0; st == ST_NOTFOUND && tries < 100; tries++) {
		mdb_txn_reset(txn);
		int rc = mdb_txn_renew(txn);
		if (rc != 0)
			return file_status(rc > 0 ? rc : EIO);
		st = walk_init(w, mdb, txn, ret_meta);
	}
	return st == ST_NOTFOUND ? ST_CORRUPT : st;
}

enum status
inspect_env(MDB_env *mdb, MDB_txn *txn)
{
	struct tree trees[TABLE_COUNT];
	struct meta meta;
	struct walk w;

	enum status st = walk_begin(&w, mdb, txn, &meta);
	if (st == ST_OK)
		st = walk_main(&w, &meta, trees);
	w.shallow = st == ST_OK && w.file_bytes / w.form.psize > w.last_page;
	for (enum store_table t = 0; t < TABLE_COUNT && st == ST_OK; t++)
		st = walk_tree(&w, &trees[t]);
	w.form.integer_keys = true;
	return st == ST_OK ? walk_tree(&w, &meta.free_tree) : st;
}

enum status
store_inspect(struct store *store, enum store_table table, struct store_key *ret_near)
{
	struct tree trees[TABLE_COUNT];
	struct store_txn *txn;
	struct meta meta;
	struct walk w;

	enum status st = store_read(store, store_table_env(table), &txn);
	if (st != ST_OK)
		return st;
	st = walk_begin(&w, txn->env->mdb, txn->mdb, &meta);
	if (st == ST_OK)
		st = walk_main(&w, &meta, trees);
	w.near.len = 0;		/* of the tables' names */
	if (st == ST_OK)
		st = walk_tree(&w, &trees[table]);
	store_abort(txn);
	if (st == ST_CORRUPT)
		*ret_near = w.near;
	return st;
}

/* ---- what is damaged ---- */

/* Those that make sense, the newest first. */
static enum status
sound_metas(int fd, struct meta ret_metas[static 2], size_t *ret_n)
{
	size_t n = 0;

	enum status st = read_meta(fd, 0, 0, &ret_metas[0]);
	if (st == ST_OK)
		n++;
	else if (st != ST_CORRUPT)
		return st;
	st = read_meta(fd, 1, n == 1 ? ret_metas[0].psize : (uint32_t)sysconf(_SC_PAGESIZE), &ret_metas[n]);
	if (st == ST_OK)
		n++;
	if (n == 2 && ret_metas[0].txn_id < ret_metas[1].txn_id) {
		struct meta older = ret_metas[0];
		ret_metas[0] = ret_metas[1];
		ret_metas[1] = older;
	}
	*ret_n = n;
	return st == ST_CORRUPT ? ST_OK : st;
}

static void
damage_note(struct store_damage *damage, enum store_part part, enum store_table table)
{
	if (damage->part != STORE_PART_NONE)
		return;
	damage->part = part;
	damage->table = table;
}

/* Its keys are 0, 1, 2, …: the rows are counted, since a key that was misread may be far off. */
static void
note_transactions(struct store_damage *damage, uint64_t rows, bool earlier)
{
	if (damage->has_transactions && rows <= damage->transactions)
		return;
	damage->has_transactions = true;
	damage->transactions = rows;
	damage->earlier = earlier;
}

static enum status
damage_of_tables(struct walk *w, const struct tree trees[static TABLE_COUNT], bool earlier, struct store_damage *damage)
{
	enum status st = ST_OK;

	for (enum store_table t = 0; t < TABLE_COUNT && (st == ST_OK || st == ST_CORRUPT); t++) {
		if (store_table_env(t) != damage->env)
			continue;
		st = walk_tree(w, &trees[t]);
		if (st == ST_CORRUPT)
			damage_note(damage, STORE_PART_TABLE, t);
		if (t == TABLE_TRANSACTION)
			note_transactions(damage, w->entries, earlier);
	}
	return st == ST_CORRUPT ? ST_OK : st;
}

static enum status
damage_of_commit(int fd, const struct meta *meta, bool earlier, struct store_damage *damage)
{
	struct walk w = { .fd = fd, .form.psize = meta->psize, .last_page = meta->last_page };
	struct tree trees[TABLE_COUNT];

	enum status st = file_bytes(fd, &w.file_bytes);
	if (st == ST_OK)
		st = walk_main(&w, meta, trees);
	if (st != ST_OK) {
		damage_note(damage, STORE_PART_TABLES, 0);
		return st == ST_CORRUPT ? ST_OK : st;
	}
	st = damage_of_tables(&w, trees, earlier, damage);
	w.form.integer_keys = true;
	if (st == ST_OK)
		st = walk_tree(&w, &meta->free_tree);
	if (st == ST_CORRUPT)
		damage_note(damage, STORE_PART_FREE, 0);
	if (!meta_long_enough(meta, w.file_bytes))
		damage_note(damage, STORE_PART_FILE, 0);
	return st == ST_CORRUPT ? ST_OK : st;
}

static enum status
damage_of_file(int fd, struct store_damage *damage)
{
	struct meta metas[2], both[2];
	size_t n;

	enum status st = sound_metas(fd, metas, &n);
	if (st != ST_OK)
		return st;
	if (n < 2 || read_metas_following(fd, both) != ST_OK)
		damage_note(damage, STORE_PART_META, 0);
	for (size_t i = 0; i < n && st == ST_OK; i++) {
		st = damage_of_commit(fd, &metas[i], i > 0, damage);
		if (damage->part == STORE_PART_NONE || damage->part == STORE_PART_FREE)
			break;		/* the earlier commit cannot have more */
	}
	return st;
}

static enum status
damage_of_env(const char *data_path, struct store_damage *damage)
{
	int fd;
	char *path = NULL;
	enum status st;

	if (damage->env == STORE_VAULT)
		st = vault_find_path(data_path, &path, &damage->epoch);
	else
		st = (path = file_path(data_path, store_env_str(damage->env))) == NULL ? ST_NOMEM : ST_OK;
	if (st == ST_OK)
		st = open_file(path, &fd);
	free(path);
	if (st == ST_NOTFOUND) {
		damage_note(damage, STORE_PART_FILE, 0);
		return ST_OK;
	}
	if (st != ST_OK)
		return st;
	st = damage_of_file(fd, damage);
	close(fd);
	return st;
}

enum status
store_damage_find(const char *data_path, struct store_damage *ret_damage)
{
	struct store_damage ledger = { .env = STORE_LEDGER }, vault = { .env = STORE_VAULT };

	enum status st = store_check_format(data_path);
	if (st == ST_OK)
		st = damage_of_env(data_path, &ledger);
	if (st == ST_OK && ledger.part == STORE_PART_NONE)
		st = damage_of_env(data_path, &vault);
	if (st != ST_OK)
		return st;
	if (ledger.part == STORE_PART_NONE && vault.part != STORE_PART_NONE) {
		ledger.env = STORE_VAULT;
		ledger.part = vault.part;
		ledger.table = vault.table;
		ledger.epoch = vault.epoch;
	}
	*ret_damage = ledger;
	return ST_OK;
}

static const char *
part_words(const struct store_damage *damage)
{
	switch (damage->part) {
	case STORE_PART_NONE: return "no page of it is";
	case STORE_PART_FILE: return "it is missing or cut short";
	case STORE_PART_META: return "its first pages are not those of a database";
	case STORE_PART_TABLES: return "where its tables are cannot be read";
	case STORE_PART_TABLE: return "it cannot be read to its end, in the table ";
	case STORE_PART_FREE: return "its list of free pages cannot be read";
	}
	abort();
}

char *
store_damage_format(const struct store_damage *damage, char ret_text[static STORE_DAMAGE_TEXT_BYTES])
{
	const char *when = damage->earlier ? " as the commit before the newest had them" : "";
	char epoch[24] = "";

	if (damage->epoch != 0)
		snprintf(epoch, sizeof(epoch), "/%" PRIu64, damage->epoch);
	int n = snprintf(ret_text, STORE_DAMAGE_TEXT_BYTES, "%s%s/data.mdb is damaged: %s%s", store_env_str(damage->env), epoch, part_words(damage),
	    damage->part == STORE_PART_TABLE ? store_table_str(damage->table) : "");

	assert(n > 0 && n < STORE_DAMAGE_TEXT_BYTES);
	char *rest = ret_text + n;
	size_t room = STORE_DAMAGE_TEXT_BYTES - (size_t)n;
	if (!damage->has_transactions)
		return ret_text;
	if (damage->transactions == 0)
		n = snprintf(rest, room, "; no transaction can be read");
	else if (damage->transactions == 1)
		n = snprintf(rest, room, "; only transaction 0 can be read%s", when);
	else
		n = snprintf(rest, room, "; transactions 0 to %" PRIu64 " can be read%s", damage->transactions - 1, when);
	assert(n > 0 && (size_t)n < room);
	return ret_text;
}
