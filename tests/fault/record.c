/*
 * Preloaded into fealtyd (and `fealty key new`): what it does to the files below $RECORD_ROOT is written down in $RECORD_LOG, in order and with the
 * bytes; nothing else changes.  disk.py reads it, and knows from it what a power loss may leave.
 *
 * A record is written under one lock together with the call, so the order of records is that of the calls.  A sync promises what was there when it
 * began and when it is over, so it waits outside the lock, $RECORD_SYNC_US longer than the disk does, and says how many records there were before.
 * An O_DSYNC write is two records: the bytes, as soon as they may be on the disk, and then that they are.  The waiting makes an answer that leaves
 * before its flush is over visible: the client sees the number of records without that of the flush.
 *
 * The log is mapped before main(), so the filter of system calls sees no more than the calls that fealtyd makes anyway.  Calls that change files and
 * that nobody wrote down end the process: the log is complete or there is none.  What is written through a shared map (LMDB's lock.mdb) is not
 * seen, and modes are not recorded.
 *
 * $RECORD_BOOT_ID names a file that is read for the id of this boot, also without a log.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define FD_MAX 65536
#define HEADER_BYTES 4096

/* disk.py has the same numbers. */
enum kind { START = 1, OPEN, CLOSE, WRITE, WRITTEN, SYNC, TRUNCATE, MKDIR, RMDIR, UNLINK, RENAME, LINK };

struct header {
	_Atomic uint64_t count, used;
	_Atomic uint32_t locked, frozen;	/* frozen: by whoever is about to kill us; nobody may begin a call */
};

struct record { uint32_t bytes, kind, pid, fd, flags, path_bytes, to_bytes, none; uint64_t a, data_bytes; };

static struct header *header;
static uint8_t *log_base;
static size_t log_bytes;
static const char *root;
static size_t root_len;
static long sync_us;
static uint32_t pid;
static _Atomic uint8_t tracked[FD_MAX];	/* 1: below the root; 2: with O_DSYNC */

#define REAL(name) ((__typeof__(&name))real(#name))

static void *
real(const char *name)
{
	void *call = dlsym(RTLD_NEXT, name);

	if (call == NULL)
		abort();
	return call;
}

static void
stop(const char *why)
{
	fprintf(stderr, "record: %s\n", why);
	abort();
}

/* ---- the log ---- */

static void
lock(void)
{
	for (;;) {
		while (atomic_exchange(&header->locked, 1) != 0)
			sched_yield();
		if (!atomic_load(&header->frozen))
			return;
		atomic_store(&header->locked, 0);
		usleep(1000);
	}
}

static void
unlock(void)
{
	atomic_store(&header->locked, 0);
}

static uint8_t *
put(uint8_t *to, const void *data, size_t len)
{
	if (len > 0)
		memcpy(to, data, len);
	return to + len;
}

/* Under the lock. */
static void
append(enum kind kind, int fd, int flags, uint64_t a, const char *path, const char *to, const struct iovec *data, size_t data_bytes)
{
	struct record r = { .kind = kind, .pid = pid, .fd = (uint32_t)fd, .flags = (uint32_t)flags, .a = a, .data_bytes = data_bytes };
	uint64_t used = atomic_load(&header->used);

	r.path_bytes = path == NULL ? 0 : (uint32_t)strlen(path);
	r.to_bytes = to == NULL ? 0 : (uint32_t)strlen(to);
	size_t whole = (sizeof(r) + r.path_bytes + r.to_bytes + data_bytes + 7) / 8 * 8;
	if (used + whole > log_bytes - HEADER_BYTES)
		stop("the log is full");
	r.bytes = (uint32_t)whole;
	uint8_t *at = log_base + HEADER_BYTES + used;
	at = put(at, &r, sizeof(r));
	at = put(at, path, r.path_bytes);
	at = put(at, to, r.to_bytes);
	for (size_t left = data_bytes; left > 0; data++) {
		size_t n = data->iov_len < left ? data->iov_len : left;
		at = put(at, data->iov_base, n);
		left -= n;
	}
	atomic_store(&header->used, used + whole);
	atomic_fetch_add(&header->count, 1);
}

__attribute__((constructor)) static void
begin(void)
{
	const char *path = getenv("RECORD_LOG"), *wait = getenv("RECORD_SYNC_US");
	struct stat st;

	root = getenv("RECORD_ROOT");
	if (path == NULL || root == NULL)
		return;
	root_len = strlen(root);
	pid = (uint32_t)getpid();
	sync_us = wait == NULL ? 0 : atol(wait);
	int fd = REAL(open)(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0)
		stop("the log cannot be opened");
	log_bytes = (size_t)st.st_size;
	log_base = mmap(NULL, log_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	REAL(close)(fd);
	if (log_base == MAP_FAILED)
		stop("the log cannot be mapped");
	header = (struct header *)(void *)log_base;
	lock();
	append(START, -1, 0, 0, NULL, NULL, NULL, 0);
	unlock();
}

/* ---- which files ---- */

static bool
below_root(const char *path)
{
	return header != NULL && strncmp(path, root, root_len) == 0 && path[root_len] == '/';
}

/* ${path} as seen from ${dir_fd}; whoever gives a relative one without a directory is not recorded. */
static const char *
absolute(int dir_fd, const char *path, char buffer[static PATH_MAX])
{
	char link[64];

	if (path[0] == '/' || dir_fd == AT_FDCWD)
		return path;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", dir_fd);
	ssize_t n = readlink(link, buffer, PATH_MAX - 1);
	if (n < 0)
		stop("a directory has no name");
	snprintf(buffer + n, PATH_MAX - (size_t)n, "/%s", path);
	return buffer;
}

static int
track_of(int fd)
{
	return fd < 0 || fd >= FD_MAX || header == NULL ? 0 : atomic_load(&tracked[fd]);
}

static int
opened(int dir_fd, const char *path, int flags, mode_t mode)
{
	char buffer[PATH_MAX];

	if (strcmp(path, BOOT_ID) == 0 && getenv("RECORD_BOOT_ID") != NULL)
		path = getenv("RECORD_BOOT_ID");
	path = absolute(dir_fd, path, buffer);
	if (!below_root(path))
		return REAL(openat)(dir_fd, path, flags, mode);
	if ((flags & O_APPEND) != 0 || (flags & O_SYNC) == O_SYNC)
		stop("O_APPEND and O_SYNC are not known here");
	lock();
	int fd = REAL(openat)(AT_FDCWD, path, flags, mode);
	if (fd >= FD_MAX)
		stop("too many descriptors");
	if (fd >= 0) {
		atomic_store(&tracked[fd], (flags & O_DSYNC) != 0 ? 2 : 1);
		append(OPEN, fd, flags, 0, path, NULL, NULL, 0);
	}
	unlock();
	return fd;
}

#define MODE(flags, mode)						\
	do {								\
		va_list ap;						\
		va_start(ap, flags);					\
		mode = ((flags) & O_CREAT) != 0 ? va_arg(ap, mode_t) : 0; \
		va_end(ap);						\
	} while (0)

int
open(const char *path, int flags, ...)
{
	mode_t mode;

	MODE(flags, mode);
	return opened(AT_FDCWD, path, flags, mode);
}

int
open64(const char *path, int flags, ...)
{
	mode_t mode;

	MODE(flags, mode);
	return opened(AT_FDCWD, path, flags, mode);
}

int
openat(int dir_fd, const char *path, int flags, ...)
{
	mode_t mode;

	MODE(flags, mode);
	return opened(dir_fd, path, flags, mode);
}

int
openat64(int dir_fd, const char *path, int flags, ...)
{
	mode_t mode;

	MODE(flags, mode);
	return opened(dir_fd, path, flags, mode);
}

/* What a fortified build calls instead. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir_fd, const char *path, int flags);
int __openat64_2(int dir_fd, const char *path, int flags);
int __open_2(const char *path, int flags) { return opened(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return opened(AT_FDCWD, path, flags, 0); }
int __openat_2(int dir_fd, const char *path, int flags) { return opened(dir_fd, path, flags, 0); }
int __openat64_2(int dir_fd, const char *path, int flags) { return opened(dir_fd, path, flags, 0); }

int
close(int fd)
{
	if (track_of(fd) == 0)
		return REAL(close)(fd);
	lock();
	atomic_store(&tracked[fd], 0);
	append(CLOSE, fd, 0, 0, NULL, NULL, NULL, 0);
	int result = REAL(close)(fd);
	unlock();
	return result;
}

/* ---- bytes ---- */

static void
wait_for_disk(void)
{
	const struct timespec t = { .tv_sec = sync_us / 1000000, .tv_nsec = sync_us % 1000000 * 1000 };

	nanosleep(&t, NULL);
}

/* ${at} below 0: where the descriptor stands. */
static ssize_t
written(int fd, const struct iovec *iov, int n, off_t at)
{
	lock();
	off_t offset = at >= 0 ? at : lseek(fd, 0, SEEK_CUR);
	uint64_t number = atomic_load(&header->count);
	ssize_t done = at >= 0 ? REAL(pwritev)(fd, iov, n, at) : REAL(writev)(fd, iov, n);
	if (done > 0)
		append(WRITE, fd, 0, (uint64_t)offset, NULL, NULL, iov, (size_t)done);
	unlock();
	if (done <= 0 || track_of(fd) != 2)
		return done;
	int saved = errno;
	wait_for_disk();
	lock();
	append(WRITTEN, fd, 0, number, NULL, NULL, NULL, 0);
	unlock();
	errno = saved;
	return done;
}

static struct iovec
one(const void *data, size_t len)
{
	return (struct iovec){ .iov_base = (void *)(uintptr_t)data, .iov_len = len };
}

ssize_t
write(int fd, const void *data, size_t len)
{
	const struct iovec iov = one(data, len);

	return track_of(fd) == 0 ? REAL(write)(fd, data, len) : written(fd, &iov, 1, -1);
}

ssize_t
pwrite(int fd, const void *data, size_t len, off_t at)
{
	const struct iovec iov = one(data, len);

	return track_of(fd) == 0 ? REAL(pwrite)(fd, data, len, at) : written(fd, &iov, 1, at);
}

ssize_t
pwrite64(int fd, const void *data, size_t len, off64_t at)
{
	return pwrite(fd, data, len, at);
}

ssize_t
writev(int fd, const struct iovec *iov, int n)
{
	return track_of(fd) == 0 ? REAL(writev)(fd, iov, n) : written(fd, iov, n, -1);
}

ssize_t
pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
	return track_of(fd) == 0 ? REAL(pwritev)(fd, iov, n, at) : written(fd, iov, n, at);
}

ssize_t
pwritev64(int fd, const struct iovec *iov, int n, off64_t at)
{
	return pwritev(fd, iov, n, at);
}

static int
synced(int fd, int (*call)(int))
{
	if (track_of(fd) == 0)
		return call(fd);
	lock();
	uint64_t before = atomic_load(&header->count);
	unlock();
	wait_for_disk();
	int result = call(fd);
	if (result != 0)
		return result;
	lock();
	append(SYNC, fd, 0, before, NULL, NULL, NULL, 0);
	unlock();
	return 0;
}

int fsync(int fd) { return synced(fd, REAL(fsync)); }
int fdatasync(int fd) { return synced(fd, REAL(fdatasync)); }

int
ftruncate(int fd, off_t size)
{
	if (track_of(fd) == 0)
		return REAL(ftruncate)(fd, size);
	lock();
	int result = REAL(ftruncate)(fd, size);
	if (result == 0)
		append(TRUNCATE, fd, 0, (uint64_t)size, NULL, NULL, NULL, 0);
	unlock();
	return result;
}

int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

/* ---- names ---- */

#define NAMED(kind, flags, path, call)					\
	do {								\
		lock();							\
		int result_ = (call);					\
		if (result_ == 0)					\
			append(kind, -1, flags, 0, path, NULL, NULL, 0); \
		unlock();						\
		return result_;						\
	} while (0)

int
mkdirat(int dir_fd, const char *path, mode_t mode)
{
	char buffer[PATH_MAX];

	path = absolute(dir_fd, path, buffer);
	if (!below_root(path))
		return REAL(mkdirat)(dir_fd, path, mode);
	NAMED(MKDIR, 0, path, REAL(mkdirat)(AT_FDCWD, path, mode));
}

int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int
unlinkat(int dir_fd, const char *path, int flags)
{
	char buffer[PATH_MAX];

	path = absolute(dir_fd, path, buffer);
	if (!below_root(path))
		return REAL(unlinkat)(dir_fd, path, flags);
	NAMED(flags == AT_REMOVEDIR ? RMDIR : UNLINK, 0, path, REAL(unlinkat)(AT_FDCWD, path, flags));
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int
renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	char a[PATH_MAX], b[PATH_MAX];

	from = absolute(from_fd, from, a);
	to = absolute(to_fd, to, b);
	if (!below_root(from) && !below_root(to))
		return REAL(renameat)(from_fd, from, to_fd, to);
	lock();
	int result = REAL(renameat)(AT_FDCWD, from, AT_FDCWD, to);
	if (result == 0)
		append(RENAME, -1, 0, 0, from, to, NULL, 0);
	unlock();
	return result;
}

int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }

int
linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	char a[PATH_MAX], b[PATH_MAX];

	from = absolute(from_fd, from, a);
	to = absolute(to_fd, to, b);
	if (!below_root(from) && !below_root(to))
		return REAL(linkat)(from_fd, from, to_fd, to, flags);
	lock();
	int result = REAL(linkat)(AT_FDCWD, from, AT_FDCWD, to, flags);
	if (result == 0)
		append(LINK, -1, 0, 0, from, to, NULL, 0);
	unlock();
	return result;
}

int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

/* ---- what nobody wrote down ---- */

#define NEVER(fd, name, ...)						\
	do {								\
		if (track_of(fd) != 0)					\
			stop(#name " is not recorded: teach it to");	\
		return REAL(name)(__VA_ARGS__);				\
	} while (0)

int msync(void *map, size_t len, int flags) { if (header != NULL) stop("msync: is something written through a map?"); return REAL(msync)(map, len, flags); }
int fallocate(int fd, int mode, off_t at, off_t len) { NEVER(fd, fallocate, fd, mode, at, len); }
int fallocate64(int fd, int mode, off64_t at, off64_t len) { NEVER(fd, fallocate64, fd, mode, at, len); }
int posix_fallocate(int fd, off_t at, off_t len) { NEVER(fd, posix_fallocate, fd, at, len); }
int posix_fallocate64(int fd, off64_t at, off64_t len) { NEVER(fd, posix_fallocate64, fd, at, len); }
int sync_file_range(int fd, off64_t at, off64_t len, unsigned flags) { NEVER(fd, sync_file_range, fd, at, len, flags); }
int dup(int fd) { NEVER(fd, dup, fd); }
