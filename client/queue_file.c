/*
 * Invariants: `end` is behind the last record that verifies, and all before it is on disk; the file is longer only while a write is under
 * way, or after one that failed (then `broken`, unless it could be cut off again).  The lock is a file of its own, since the other is replaced.
 */
#include "queue_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"

#define MAGIC "fealty queue 1\n"		/* its NUL included */
#define MAGIC_BYTES 16
#define CHECK_BYTES 16
#define HEADERS_BYTES (2 * QUEUE_HEADER_BYTES)
#define DAMAGED_MAX 99

_Static_assert(sizeof MAGIC == MAGIC_BYTES, "the magic fills its place");

static enum fealty_queue_error
fail(struct queue_file *f, enum fealty_queue_error error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(f->trouble, sizeof f->trouble, format, ap);
	va_end(ap);
	return error;
}

static enum fealty_queue_error
fail_io(struct queue_file *f, const char *what)
{
	return fail(f, FEALTY_QUEUE_IO, "the queue's %s: %s", what, strerror(errno));
}

/* ---- the format ---- */

static void
header_make(const uint8_t name[static QUEUE_NAME_BYTES], uint8_t ret[static QUEUE_HEADER_BYTES])
{
	uint8_t hash[SHA256_BYTES];

	memcpy(ret, MAGIC, MAGIC_BYTES);
	memcpy(ret + MAGIC_BYTES, name, QUEUE_NAME_BYTES);
	hash_sha256(hash, &(struct bytes){ ret, MAGIC_BYTES + QUEUE_NAME_BYTES }, 1);
	memcpy(ret + MAGIC_BYTES + QUEUE_NAME_BYTES, hash, CHECK_BYTES);
}

static void
check_make(const uint8_t name[static QUEUE_NAME_BYTES], uint64_t offset, const uint8_t head[static 8], struct bytes body, uint8_t ret[static CHECK_BYTES])
{
	uint8_t at[8], hash[SHA256_BYTES];
	const struct bytes parts[] = { bytes_of(name, QUEUE_NAME_BYTES), bytes_of(at, sizeof at), bytes_of(head, 8), body };

	put_be64(at, offset);
	hash_sha256(hash, parts, sizeof parts / sizeof *parts);
	memcpy(ret, hash, CHECK_BYTES);
}

static void
record_put_at(struct buf *out, const uint8_t name[static QUEUE_NAME_BYTES], uint64_t offset, uint8_t type, struct bytes body)
{
	uint8_t head[8] = { 0 }, check[CHECK_BYTES];

	put_be32(head, (uint32_t)body.len);
	head[4] = type;
	check_make(name, offset, head, body, check);
	buf_put(out, head, sizeof head);
	buf_put(out, check, sizeof check);
	buf_put(out, body.data, body.len);
}

void
queue_record_put(struct buf *out, const uint8_t name[static QUEUE_NAME_BYTES], uint8_t type, struct bytes body)
{
	record_put_at(out, name, HEADERS_BYTES + out->len, type, body);
}

/* The record at ${offset} of the file's bytes, if one is there that verifies. */
static bool
record_at(const struct queue_file *f, struct bytes file, uint64_t offset, uint8_t *ret_type, struct bytes *ret_body)
{
	uint8_t check[CHECK_BYTES];

	if (offset > file.len || file.len - offset < QUEUE_RECORD_BYTES)
		return false;
	const uint8_t *head = file.data + offset;
	uint32_t len = get_be32(head);
	if (len > QUEUE_BODY_BYTES_MAX || len > file.len - offset - QUEUE_RECORD_BYTES || head[5] != 0 || head[6] != 0 || head[7] != 0)
		return false;
	struct bytes body = bytes_of(head + QUEUE_RECORD_BYTES, len);
	check_make(f->name, offset, head, body, check);
	if (memcmp(check, head + 8, CHECK_BYTES) != 0)
		return false;
	*ret_type = head[4];
	*ret_body = body;
	return true;
}

/* The first place from ${offset} on where a record verifies; the file's length when there is none. */
static uint64_t
next_record(const struct queue_file *f, struct bytes file, uint64_t offset)
{
	uint8_t type;
	struct bytes body;

	while (offset < file.len && !record_at(f, file, offset, &type, &body))
		offset++;
	return offset;
}

/* ---- reading ---- */

static bool
header_at(struct bytes file, size_t offset, uint8_t ret_name[static QUEUE_NAME_BYTES])
{
	uint8_t want[QUEUE_HEADER_BYTES];

	if (file.len < offset + QUEUE_HEADER_BYTES)
		return false;
	header_make(file.data + offset + MAGIC_BYTES, want);
	if (memcmp(want, file.data + offset, sizeof want) != 0)
		return false;
	memcpy(ret_name, want + MAGIC_BYTES, QUEUE_NAME_BYTES);
	return true;
}

static enum fealty_queue_error
read_header(struct queue_file *f, struct bytes file, bool salvage)
{
	bool first = header_at(file, 0, f->name);

	if (first && header_at(file, QUEUE_HEADER_BYTES, f->name))
		return FEALTY_QUEUE_OK;
	if (!first && !header_at(file, QUEUE_HEADER_BYTES, f->name))
		return fail(f, FEALTY_QUEUE_DAMAGED, "the file `queue` does not begin as a queue does, and nothing of it can be read");
	if (!salvage)
		return fail(f, FEALTY_QUEUE_DAMAGED, "the file `queue` is damaged at its beginning: read what is left of it by salvage");
	f->lost_bytes += QUEUE_HEADER_BYTES;
	return FEALTY_QUEUE_OK;
}

static enum fealty_queue_error
cut_tail(struct queue_file *f, uint64_t len)
{
	f->cut_bytes = len - f->end;
	if (ftruncate(f->fd, (off_t)f->end) != 0 || fsync(f->fd) != 0)
		return fail_io(f, "torn end cannot be cut off");
	return FEALTY_QUEUE_OK;
}

static enum fealty_queue_error
read_records(struct queue_file *f, struct bytes file, bool salvage, queue_record_fn *on_record, void *ctx)
{
	enum fealty_queue_error error = read_header(f, file, salvage);

	f->end = HEADERS_BYTES;
	while (error == FEALTY_QUEUE_OK && f->end < file.len) {
		uint8_t type;
		struct bytes body;
		if (record_at(f, file, f->end, &type, &body)) {
			f->end += QUEUE_RECORD_BYTES + body.len;
			error = on_record(ctx, type, body);
			continue;
		}
		uint64_t next = next_record(f, file, f->end + 1);
		if (next == file.len)
			return cut_tail(f, file.len);
		if (!salvage)
			return fail(f, FEALTY_QUEUE_DAMAGED,
			    "the file `queue` is damaged from byte %llu to byte %llu, with commands behind it: read what is left by salvage",
			    (unsigned long long)f->end, (unsigned long long)next);
		f->lost_bytes += next - f->end;
		f->end = next;
	}
	return error;
}

static enum fealty_queue_error
read_all(struct queue_file *f, struct buf *out)
{
	uint8_t chunk[65536];
	ssize_t n;

	while ((n = read(f->fd, chunk, sizeof chunk)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_io(f, "file cannot be read");
		buf_put(out, chunk, (size_t)n);
	}
	return buf_status(out) == ST_OK ? FEALTY_QUEUE_OK : fail(f, FEALTY_QUEUE_NOMEM, "no memory for the queue");
}

static enum fealty_queue_error
open_directory(struct queue_file *f, const char *path)
{
	bool made = mkdir(path, 0700) == 0;

	if (!made && errno != EEXIST)
		return fail(f, FEALTY_QUEUE_IO, "the queue's directory %.100s cannot be made: %s", path, strerror(errno));
	f->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->dir_fd < 0)
		return fail(f, FEALTY_QUEUE_IO, "the queue's directory %.100s cannot be opened: %s", path, strerror(errno));
	if (made) {
		int parent = openat(f->dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		bool ok = parent >= 0 && fsync(parent) == 0;
		if (parent >= 0)
			close(parent);
		if (!ok)
			return fail_io(f, "directory cannot be made durable");
	}
	f->lock_fd = openat(f->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (f->lock_fd < 0)
		return fail_io(f, "lock cannot be opened");
	if (flock(f->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return FEALTY_QUEUE_OK;
	if (errno == EWOULDBLOCK)
		return fail(f, FEALTY_QUEUE_LOCKED, "another process has this queue open: one at a time may");
	return fail_io(f, "lock cannot be taken");
}

enum fealty_queue_error
queue_file_open(struct queue_file *f, const char *path, bool salvage, queue_record_fn *on_record, void *ctx, bool *ret_new)
{
	struct buf data;

	*f = (struct queue_file){ .dir_fd = -1, .lock_fd = -1, .fd = -1 };
	*ret_new = false;
	enum fealty_queue_error error = open_directory(f, path);
	if (error != FEALTY_QUEUE_OK)
		return error;
	f->fd = openat(f->dir_fd, "queue", O_RDWR | O_CLOEXEC);
	if (f->fd < 0 && errno == ENOENT) {
		*ret_new = true;
		return FEALTY_QUEUE_OK;
	}
	if (f->fd < 0)
		return fail_io(f, "file cannot be opened");
	buf_init(&data);
	error = read_all(f, &data);
	if (error == FEALTY_QUEUE_OK)
		error = read_records(f, buf_bytes(&data), salvage, on_record, ctx);
	buf_release(&data);
	return error;
}

void
queue_file_close(struct queue_file *f)
{
	int *fds[] = { &f->fd, &f->lock_fd, &f->dir_fd };

	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

/* ---- writing ---- */

static bool
write_all(int fd, struct bytes data, uint64_t offset)
{
	while (data.len > 0) {
		ssize_t n = pwrite(fd, data.data, data.len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO;
		if (n <= 0)
			return false;
		data = bytes_of(data.data + n, data.len - (size_t)n);
		offset += (uint64_t)n;
	}
	return true;
}

enum fealty_queue_error
queue_file_append(struct queue_file *f, uint8_t type, struct bytes body)
{
	struct buf record;

	if (f->broken)
		return fail(f, FEALTY_QUEUE_BROKEN, "an earlier write to the queue failed: close it, and open it again when the disk is well");
	if (body.len > QUEUE_BODY_BYTES_MAX)
		return fail(f, FEALTY_QUEUE_TOO_LARGE, "a record of the queue holds at most %u bytes", QUEUE_BODY_BYTES_MAX);
	buf_init(&record);
	record_put_at(&record, f->name, f->end, type, body);
	if (buf_status(&record) != ST_OK) {
		buf_release(&record);
		return fail(f, FEALTY_QUEUE_NOMEM, "no memory for a record of the queue");
	}
	enum fealty_queue_error error = FEALTY_QUEUE_OK;
	bool written = write_all(f->fd, buf_bytes(&record), f->end);
	if (!written)
		error = fail_io(f, "file cannot be written");
	else if (fdatasync(f->fd) != 0)
		error = fail_io(f, "file cannot be made durable");
	if (error == FEALTY_QUEUE_OK)
		f->end += record.len;
	else	/* after a failed sync nobody knows what is on disk */
		f->broken = written || ftruncate(f->fd, (off_t)f->end) != 0 || fsync(f->fd) != 0;
	buf_release(&record);
	return error;
}

void
queue_file_name(uint8_t ret_name[static QUEUE_NAME_BYTES])
{
	ssize_t n = getrandom(ret_name, QUEUE_NAME_BYTES, 0);

	if (n != QUEUE_NAME_BYTES)
		abort();	/* up to 256 bytes come whole */
}

/* What could not be read whole stays for people, under a name that is free. */
static enum fealty_queue_error
keep_damaged(struct queue_file *f)
{
	char name[32] = "queue.damaged";

	for (int i = 2; faccessat(f->dir_fd, name, F_OK, 0) == 0; i++) {
		if (i > DAMAGED_MAX)
			return fail(f, FEALTY_QUEUE_IO, "there are too many files `queue.damaged` in the queue's directory: move them away");
		(void)snprintf(name, sizeof name, "queue.damaged.%d", i);
	}
	return linkat(f->dir_fd, "queue", f->dir_fd, name, 0) == 0 ? FEALTY_QUEUE_OK : fail_io(f, "damaged file cannot be kept");
}

enum fealty_queue_error
queue_file_replace(struct queue_file *f, const uint8_t name[static QUEUE_NAME_BYTES], struct bytes records)
{
	uint8_t headers[HEADERS_BYTES];
	enum fealty_queue_error error = FEALTY_QUEUE_OK;

	header_make(name, headers);
	memcpy(headers + QUEUE_HEADER_BYTES, headers, QUEUE_HEADER_BYTES);
	int fd = openat(f->dir_fd, "queue.new", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_io(f, "new file cannot be made");
	if (!write_all(fd, bytes_of(headers, sizeof headers), 0) || !write_all(fd, records, sizeof headers) || fsync(fd) != 0)
		error = fail_io(f, "new file cannot be written");
	if (error == FEALTY_QUEUE_OK && f->lost_bytes > 0)
		error = keep_damaged(f);
	if (error == FEALTY_QUEUE_OK && renameat(f->dir_fd, "queue.new", f->dir_fd, "queue") != 0)
		error = fail_io(f, "new file cannot take the place of the old one");
	if (error != FEALTY_QUEUE_OK) {
		close(fd);
		(void)unlinkat(f->dir_fd, "queue.new", 0);
		return error;
	}
	if (f->fd >= 0)
		close(f->fd);
	f->fd = fd;
	f->end = HEADERS_BYTES + records.len;
	memcpy(f->name, name, QUEUE_NAME_BYTES);
	f->lost_bytes = 0;
	if (fsync(f->dir_fd) == 0)
		return FEALTY_QUEUE_OK;
	f->broken = true;	/* a power loss may bring the old file back: nothing may be added to the new one */
	return fail_io(f, "directory cannot be made durable");
}
