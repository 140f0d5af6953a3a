/*
 * What an operator has accepted when a backup was restored that is older than what was published: four lines, read strictly.  It is an order to the next
 * start, which records it in the ledger; the ledger's entry is what counts.
 */
#include "store/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOSS_FILE "loss.accepted"
#define TEXT_MAX 1024
#define HEX_BYTES (2 * SHA256_BYTES)

static int
print_head(char *out, size_t cap, const char *word, const struct store_head *head)
{
	char hex[HEX_BYTES + 1] = { 0 };

	hex_put(hex, bytes_of(head->root, sizeof(head->root)));
	return snprintf(out, cap, "%s %" PRIu64 " %s\n", word, head->size, hex);
}

static int
print_loss(const struct store_loss *loss, char text[static TEXT_MAX])
{
	int n = print_head(text, TEXT_MAX, "kept", &loss->kept);

	n += print_head(text + n, TEXT_MAX - (size_t)n, "lost", &loss->lost);
	return n + snprintf(text + n, TEXT_MAX - (size_t)n, "by %s\nreason %s\n", loss->principal, loss->reason);
}

enum status
store_loss_write(const char *data_path, const struct store_loss *loss)
{
	char text[TEXT_MAX];
	char *path = file_path(data_path, LOSS_FILE);

	if (path == NULL)
		return ST_NOMEM;
	int n = print_loss(loss, text);
	enum status st = file_replace(path, bytes_of(text, (size_t)n));
	free(path);
	return st;
}

static bool
take_word(const char **text, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*text, word, len) != 0)
		return false;
	*text += len;
	return true;
}

static bool
take_head(const char **text, const char *word, struct store_head *ret)
{
	char *end;

	if (!take_word(text, word))
		return false;
	errno = 0;
	ret->size = strtoull(*text, &end, 10);
	if (errno != 0 || *end != ' ' || strlen(end + 1) < HEX_BYTES || !hex_get(ret->root, sizeof(ret->root), end + 1))
		return false;
	*text = end + 1 + HEX_BYTES;
	return true;
}

static bool
take_text(const char **text, const char *word, char *ret, size_t cap)
{
	if (!take_word(text, word))
		return false;
	size_t len = strcspn(*text, "\n");
	if (len == 0 || len >= cap)
		return false;
	memcpy(ret, *text, len);
	*text += len;
	return true;
}

/* What is printed once more must be what was read. */
static bool
parse_loss(const char *text, size_t len, struct store_loss *ret)
{
	struct store_loss loss = { .principal = "" };
	const char *rest = text;
	char again[TEXT_MAX];

	if (!take_head(&rest, "kept ", &loss.kept) || !take_head(&rest, "\nlost ", &loss.lost) ||
	    !take_text(&rest, "\nby ", loss.principal, sizeof(loss.principal)) || !take_text(&rest, "\nreason ", loss.reason, sizeof(loss.reason)))
		return false;
	if (print_loss(&loss, again) != (int)len || memcmp(again, text, len) != 0)
		return false;
	*ret = loss;
	return true;
}

enum status
store_loss_read(struct store *store, struct store_loss *ret)
{
	uint8_t text[TEXT_MAX + 1];
	size_t len;

	char *path = file_path(store->data_path, LOSS_FILE);
	if (path == NULL)
		return ST_NOMEM;
	enum status st = file_read(path, text, TEXT_MAX, &len);
	free(path);
	if (st != ST_OK)
		return st;
	text[len] = '\0';
	return len < TEXT_MAX && parse_loss((char *)text, len, ret) ? ST_OK : ST_CORRUPT;
}

enum status
store_loss_remove(struct store *store)
{
	char *path = file_path(store->data_path, LOSS_FILE);
	if (path == NULL)
		return ST_NOMEM;
	enum status st = unlink(path) == 0 || errno == ENOENT ? ST_OK : file_status(errno);
	free(path);
	return st == ST_OK ? file_sync_dir(store->data_path) : st;
}
