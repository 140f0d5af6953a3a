/**
 * queue_file.h: records in one file that only grows, so that a power loss takes at most the record that was being written.
 *
 *   file    header header record*
 *   header  "fealty queue 1\n", NUL, 16 random bytes that name the file, and the first 16 bytes of SHA-256 of these 32; it stands twice
 *   record  u32 length of the body | u8 type | 3 zero bytes | check | body          (integers big-endian)
 *   check   the first 16 bytes of SHA-256(name of the file | u64 offset of the record | its first 8 bytes | body)
 *
 * A record that does not verify is the end of the file when nothing behind it verifies: it was never acknowledged, and is cut off.  When
 * something behind it does, the file is damaged.  The offset is in the check, so nothing inside a body looks like a record.
 */
#ifndef FEALTY_CLIENT_QUEUE_FILE_H
#define FEALTY_CLIENT_QUEUE_FILE_H

#include "base/bytes.h"
#include "fealty_queue.h"

#define QUEUE_NAME_BYTES 16
#define QUEUE_HEADER_BYTES 48
#define QUEUE_RECORD_BYTES 24		/* before the body */
#define QUEUE_BODY_BYTES_MAX (16u * 1024 * 1024)

struct queue_file {
	int dir_fd, lock_fd, fd;	/* -1: none */
	uint8_t name[QUEUE_NAME_BYTES];
	uint64_t end;			/* of the last good record; the next is written here */
	bool broken;			/* a write failed and could not be taken back: nothing is written any more */
	uint64_t cut_bytes;		/* by queue_file_open(), from the end */
	uint64_t lost_bytes;		/* in salvage: that were no records */
	char trouble[FEALTY_MESSAGE_BYTES];
};

/* What is shown a record, in their order; ${body} is borrowed. */
typedef enum fealty_queue_error queue_record_fn(void *ctx, uint8_t type, struct bytes body);

/**
 * queue_file_open(file, path, salvage, on_record, ctx, ret_new):
 * Locks the directory ${path}, making it when it is not there, and shows every record.  *${ret_new}: there is no file yet; make one by
 * queue_file_replace().  With ${salvage} a damaged file is read past its damage and afterwards kept as `queue.damaged` by the next
 * queue_file_replace(), which the caller owes.  Errors: LOCKED, DAMAGED, IO, NOMEM, with file->trouble; what on_record() returns.  End it with
 * queue_file_close() whatever it returns.
 */
enum fealty_queue_error queue_file_open(struct queue_file *file, const char *path, bool salvage, queue_record_fn *on_record, void *ctx,
    bool *ret_new) FEALTY_MUST_CHECK;
void queue_file_close(struct queue_file *file);

/* Appends a record, and returns when it is on disk.  IO: nothing was appended, or (broken) the next open will tell. */
enum fealty_queue_error queue_file_append(struct queue_file *file, uint8_t type, struct bytes body) FEALTY_MUST_CHECK;

/* A record's bytes at the end of ${out}, which holds what a file named ${name} holds behind its headers. */
void queue_record_put(struct buf *out, const uint8_t name[static QUEUE_NAME_BYTES], uint8_t type, struct bytes body);

/* A new name, for queue_record_put() and queue_file_replace(). */
void queue_file_name(uint8_t ret_name[static QUEUE_NAME_BYTES]);

/* The file becomes these records, or stays what it was. */
enum fealty_queue_error queue_file_replace(struct queue_file *file, const uint8_t name[static QUEUE_NAME_BYTES], struct bytes records) FEALTY_MUST_CHECK;

#endif
