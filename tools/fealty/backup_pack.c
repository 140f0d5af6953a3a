/*
 * A row is a letter for its table, the length of the key (one byte) and of the value (four, big-endian), key and value.  A file is put together in
 * memory, so that it gets the name that has its hash at once.
 */
#include "backup.h"

#include <assert.h>
#include <string.h>

static const struct { char letter; enum store_table table; } tables[] = {
	{ 'T', TABLE_TRANSACTION }, { 'C', TABLE_CHECKPOINT }, { 'W', TABLE_COSIGNATURE },
	{ 'M', TABLE_VAULT_META }, { 'A', TABLE_ALIAS }, { 'P', TABLE_PERSON },
};
#define TABLES (sizeof(tables) / sizeof(tables[0]))

void
backup_pack_begin(struct backup_pack *p, struct backup_dir *dir, struct backup_manifest *manifest, enum backup_kind kind, uint64_t first,
    const struct buf *data)
{
	*p = (struct backup_pack){ .dir = dir, .manifest = manifest, .kind = kind, .first = first };
	if (data != NULL)
		p->data = *data;
	else
		buf_init(&p->data);
}

void
backup_pack_release(struct backup_pack *p)
{
	buf_release(&p->data);
	buf_init(&p->data);
}

enum status
backup_pack_cut(struct backup_pack *p, uint64_t first)
{
	struct backup_file file = { .kind = p->kind, .first = p->first, .bytes = p->data.len };
	struct bytes data = buf_bytes(&p->data);
	char name[BACKUP_NAME_BYTES];

	p->first = first;
	if (data.len == 0)
		return ST_OK;
	hash_sha256(file.sha256, &data, 1);
	enum status st = backup_dir_put(p->dir, backup_file_name(&file, name), data);
	buf_clear(&p->data);
	return st == ST_OK ? backup_manifest_add(p->manifest, &file) : st;
}

enum status
backup_pack_row(struct backup_pack *p, enum store_table table, struct bytes key, struct bytes value)
{
	size_t i = 0;

	while (i < TABLES && tables[i].table != table)
		i++;
	assert(i < TABLES && key.len <= 255 && value.len <= BACKUP_FILE_BYTES_MAX - 2 * BACKUP_FILE_BYTES);
	if (p->kind != BACKUP_LEDGER && p->data.len >= BACKUP_FILE_BYTES) {
		enum status st = backup_pack_cut(p, p->first + 1);
		if (st != ST_OK)
			return st;
	}
	buf_put_u8(&p->data, (uint8_t)tables[i].letter);
	buf_put_u8(&p->data, (uint8_t)key.len);
	buf_put_be32(&p->data, (uint32_t)value.len);
	buf_put(&p->data, key.data, key.len);
	buf_put(&p->data, value.data, value.len);
	p->rows++;
	return buf_status(&p->data);
}

bool
backup_row_take(struct bytes *rest, struct backup_row *ret_row)
{
	struct cursor c = cursor_of(*rest);
	uint8_t letter = cursor_u8(&c);
	size_t i = 0, key_len = cursor_u8(&c), value_len = cursor_be32(&c);

	ret_row->key = cursor_bytes(&c, key_len);
	ret_row->value = cursor_bytes(&c, value_len);
	while (i < TABLES && tables[i].letter != (char)letter)
		i++;
	if (!cursor_ok(&c) || i == TABLES)
		return false;
	ret_row->table = tables[i].table;
	*rest = bytes_of(c.p, (size_t)(c.end - c.p));
	return true;
}
