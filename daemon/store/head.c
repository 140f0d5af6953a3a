/* The published head: "<size> <64 hex digits>\n", read strictly, because a head that was misread would let a restored old copy start. */
#include "store/internal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_TEXT_MAX (20 + 1 + 2 * SHA256_BYTES + 1)

static bool
head_parse(char *text, size_t len, struct store_head *ret_head)
{
	char *end;

	if (len == 0 || text[0] < '0' || text[0] > '9' || (text[0] == '0' && text[1] != ' '))
		return false;
	errno = 0;
	uint64_t size = strtoull(text, &end, 10);
	if (errno != 0 || *end != ' ' || len - (size_t)(end - text) != 1 + 2 * SHA256_BYTES + 1 || text[len - 1] != '\n')
		return false;
	struct store_head head = { .size = size };
	if (!hex_get(head.root, sizeof(head.root), end + 1))
		return false;
	*ret_head = head;
	return true;
}

enum status
store_head_read(struct store *store, struct store_head *ret_head)
{
	uint8_t text[HEAD_TEXT_MAX + 2];
	size_t len;

	if (store->head_lock_path == NULL)
		return ST_NOTFOUND;
	enum status st = file_read(store->head_lock_path, text, sizeof(text) - 1, &len);
	if (st != ST_OK)
		return st;
	text[len] = '\0';
	return head_parse((char *)text, len, ret_head) ? ST_OK : ST_CORRUPT;
}

enum status
store_head_write(struct store *store, const struct store_head *head)
{
	char text[HEAD_TEXT_MAX + 1];

	assert(!store->read_only && store->head_lock_path != NULL);
	int n = snprintf(text, sizeof(text), "%" PRIu64 " ", head->size);
	assert(n > 0 && (size_t)n + 2 * SHA256_BYTES + 1 <= HEAD_TEXT_MAX);
	size_t len = (size_t)n;
	hex_put(text + len, bytes_of(head->root, sizeof(head->root)));
	len += 2 * SHA256_BYTES;
	text[len++] = '\n';
	return file_replace(store->head_lock_path, bytes_of(text, len));
}
