/*
 * A library to preload, in which a call fails when the case that runs the daemon says so: the k-th allocation, the k-th call of LMDB, the k-th
 * call that changes a file, of some threads or of all; and where clocks go wrong.
 *
 * The case and the daemon share a page of memory, struct fault, in the file that FAULT names; tests/fault/injector.py is its other side.  What is
 * counted and not yet failed goes through as it came.  A fault happens once, unless `lasting`: then until the case takes it back.
 *
 * Threads are known by the names that they give themselves; the first has none.  Allocations go to the C library's own entries, files to the
 * kernel, and only LMDB's functions are looked up: so nothing is asked of the dynamic linker while it may itself allocate.
 */
#undef _FILE_OFFSET_BITS		/* both open() and open64() are to be defined here */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FRAMES 24

enum kind { KIND_NONE, KIND_MEMORY, KIND_LMDB, KIND_FILE };
enum mode { MODE_INSTEAD, MODE_AFTER, MODE_SHORT };		/* it does not happen; it happens and fails all the same; half of a write */

struct fault {
	_Atomic uint64_t kind;			/* written last by the case, and back to KIND_NONE by a fault that does not last */
	uint64_t thread;			/* bits of enum thread_bit */
	uint64_t fail_at;			/* the first call is 1; 0: only count */
	int64_t error;				/* an errno, or LMDB's code */
	uint64_t mode, lasting;
	char call[32];				/* only calls with this name; "": all of the kind */
	char path[128];				/* of files: only those with this in their path */
	int64_t real_us, boot_us;		/* by how much CLOCK_REALTIME and CLOCK_BOOTTIME are ahead of what they are */
	_Atomic uint64_t seen, fired;		/* from here on for the case to read */
	_Atomic int64_t live;			/* allocations that were not freed */
	char what[32], file[128];
	uint64_t n_frames, base, frames[FRAMES];
};

enum thread_bit { THREAD_MAIN = 1, THREAD_COMMIT = 2, THREAD_NET = 4, THREAD_OTHER = 8 };

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *p);

static struct fault *fault;
static _Thread_local unsigned thread_bit __attribute__((tls_model("initial-exec")));	/* the other models may allocate */
static _Thread_local bool inside __attribute__((tls_model("initial-exec")));

/* ---- whether this call fails ---- */

static void
note(const char *call, const char *file)
{
	void *frames[FRAMES];

	inside = true;
	snprintf(fault->what, sizeof(fault->what), "%s", call);
	snprintf(fault->file, sizeof(fault->file), "%s", file);
	int n = backtrace(frames, FRAMES);
	for (int i = 0; i < n; i++)
		fault->frames[i] = (uint64_t)(uintptr_t)frames[i];
	fault->n_frames = (uint64_t)n;
	inside = false;
}

static bool
fails(enum kind kind, const char *call, const char *file)
{
	unsigned bit = thread_bit == 0 ? THREAD_OTHER : thread_bit;

	if (fault == NULL || inside || atomic_load(&fault->kind) != kind || (fault->thread & bit) == 0)
		return false;
	if ((fault->call[0] != '\0' && strcmp(fault->call, call) != 0) || (kind == KIND_FILE && strstr(file, fault->path) == NULL))
		return false;
	if (fault->error == ENOSPC && strcmp(call, "unlink") == 0)
		return false;		/* it makes space */
	uint64_t n = atomic_fetch_add(&fault->seen, 1) + 1;
	if (fault->fail_at == 0 || (fault->lasting ? n < fault->fail_at : n != fault->fail_at))
		return false;
	if (!fault->lasting)
		atomic_store(&fault->kind, KIND_NONE);
	if (atomic_fetch_add(&fault->fired, 1) == 0)
		note(call, file);
	errno = kind == KIND_LMDB ? errno : (int)fault->error;
	return true;
}

/* ---- memory ---- */

static void *
counted(void *p)
{
	if (p != NULL && fault != NULL)
		atomic_fetch_add(&fault->live, 1);
	return p;
}

void *
malloc(size_t size)
{
	return fails(KIND_MEMORY, "malloc", "") ? NULL : counted(__libc_malloc(size));
}

void *
calloc(size_t n, size_t size)
{
	return fails(KIND_MEMORY, "calloc", "") ? NULL : counted(__libc_calloc(n, size));
}

void *
realloc(void *p, size_t size)
{
	if (fails(KIND_MEMORY, "realloc", ""))
		return NULL;
	void *q = __libc_realloc(p, size);
	return p == NULL ? counted(q) : q;
}

void *
reallocarray(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (!__builtin_mul_overflow(n, size, &bytes))
		return realloc(p, bytes);
	errno = ENOMEM;
	return NULL;
}

int
posix_memalign(void **ret_p, size_t align, size_t size)
{
	void *p = fails(KIND_MEMORY, "posix_memalign", "") ? NULL : counted(__libc_memalign(align, size));

	if (p == NULL)
		return ENOMEM;
	*ret_p = p;
	return 0;
}

void *
aligned_alloc(size_t align, size_t size)
{
	return fails(KIND_MEMORY, "aligned_alloc", "") ? NULL : counted(__libc_memalign(align, size));
}

void
free(void *p)
{
	if (p != NULL && fault != NULL)
		atomic_fetch_sub(&fault->live, 1);
	__libc_free(p);
}

void *
mmap(void *p, size_t len, int protection, int flags, int fd, off_t offset)
{
	if (fails(KIND_MEMORY, "mmap", ""))
		return MAP_FAILED;
	return (void *)syscall(SYS_mmap, p, len, protection, flags, fd, offset);	/* NOLINT(performance-no-int-to-ptr) */
}

/* ---- files ---- */

static bool
descriptor_fails(const char *call, int fd)
{
	char link[32], path[256];

	if (fault == NULL || inside || atomic_load(&fault->kind) != KIND_FILE)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0 || path[0] != '/')
		return false;
	path[n] = '\0';
	return fails(KIND_FILE, call, path);
}

static bool
name_fails(const char *call, int directory, const char *name)
{
	char link[32], path[256];
	ssize_t n = 0;

	if (fault == NULL || inside || atomic_load(&fault->kind) != KIND_FILE)
		return false;
	if (name[0] != '/' && directory != AT_FDCWD) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", directory);
		n = readlink(link, path, sizeof(path) - 1);
	}
	snprintf(path + (n < 0 ? 0 : n), sizeof(path) - (size_t)(n < 0 ? 0 : n), n > 0 ? "/%s" : "%s", name);
	return fails(KIND_FILE, call, path);
}

/* What a failing write or sync gives: -1, or half of the bytes.  ${made} is what it gave when it happened all the same. */
static ssize_t
write_failed(int call, int fd, const void *data, size_t len, off_t offset)
{
	if (fault->mode == MODE_INSTEAD || len < 2)
		return -1;
	ssize_t n = syscall(call, fd, data, fault->mode == MODE_SHORT ? len / 2 : len, offset);
	if (fault->mode == MODE_SHORT)
		return n;
	errno = (int)fault->error;
	return -1;
}

ssize_t
write(int fd, const void *data, size_t len)
{
	return descriptor_fails("write", fd) ? write_failed(SYS_write, fd, data, len, 0) : syscall(SYS_write, fd, data, len);
}

ssize_t
pwrite(int fd, const void *data, size_t len, off_t offset)
{
	return descriptor_fails("pwrite", fd) ? write_failed(SYS_pwrite64, fd, data, len, offset) : syscall(SYS_pwrite64, fd, data, len, offset);
}

ssize_t
writev(int fd, const struct iovec *parts, int n)
{
	if (!descriptor_fails("writev", fd))
		return syscall(SYS_writev, fd, parts, n);
	return n == 0 ? -1 : write_failed(SYS_write, fd, parts[0].iov_base, parts[0].iov_len, 0);
}

static int
plain_failed(long result)
{
	if (fault->mode == MODE_AFTER && result == 0)
		errno = (int)fault->error;
	return -1;
}

int
fsync(int fd)
{
	if (!descriptor_fails("fsync", fd))
		return (int)syscall(SYS_fsync, fd);
	return plain_failed(fault->mode == MODE_AFTER ? syscall(SYS_fsync, fd) : 0);
}

int
fdatasync(int fd)
{
	if (!descriptor_fails("fdatasync", fd))
		return (int)syscall(SYS_fdatasync, fd);
	return plain_failed(fault->mode == MODE_AFTER ? syscall(SYS_fdatasync, fd) : 0);
}

int
ftruncate(int fd, off_t len)
{
	return descriptor_fails("ftruncate", fd) ? -1 : (int)syscall(SYS_ftruncate, fd, len);
}

int
renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	if (!name_fails("rename", to_fd, to))
		return (int)syscall(SYS_renameat, from_fd, from, to_fd, to);
	return plain_failed(fault->mode == MODE_AFTER ? syscall(SYS_renameat, from_fd, from, to_fd, to) : 0);
}

int
rename(const char *from, const char *to)
{
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int
linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	return name_fails("link", to_fd, to) ? -1 : (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
}

int
unlinkat(int fd, const char *path, int flags)
{
	return name_fails("unlink", fd, path) ? -1 : (int)syscall(SYS_unlinkat, fd, path, flags);
}

int
unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int
mkdir(const char *path, mode_t mode)
{
	return name_fails("mkdir", AT_FDCWD, path) ? -1 : (int)syscall(SYS_mkdir, path, mode);
}

/* Only to write: reading has failures of its own. */
int
openat64(int fd, const char *path, int flags, ...)
{
	va_list arguments;

	va_start(arguments, flags);
	mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	if ((flags & O_ACCMODE) != O_RDONLY && name_fails("open", fd, path))
		return -1;
	return (int)syscall(SYS_openat, fd, path, flags, mode);
}

int
open64(const char *path, int flags, ...)
{
	va_list arguments;

	va_start(arguments, flags);
	mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	return openat64(AT_FDCWD, path, flags, mode);
}

int
open(const char *path, int flags, ...)
{
	va_list arguments;

	va_start(arguments, flags);
	mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	return openat64(AT_FDCWD, path, flags, mode);
}

/* ---- clocks ---- */

int
clock_gettime(clockid_t id, struct timespec *ret_now)
{
	int64_t ahead_us = fault == NULL ? 0 : id == CLOCK_REALTIME ? fault->real_us : id == CLOCK_BOOTTIME ? fault->boot_us : 0;

	int rc = (int)syscall(SYS_clock_gettime, id, ret_now);
	if (rc != 0 || ahead_us == 0)
		return rc;
	int64_t us = (int64_t)ret_now->tv_sec * 1000000 + ret_now->tv_nsec / 1000 + ahead_us;
	*ret_now = (struct timespec){ .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };
	return 0;
}

time_t
time(time_t *ret_now)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (ret_now != NULL)
		*ret_now = now.tv_sec;
	return now.tv_sec;
}

/* ---- LMDB ---- */

static struct {
	int (*env_open)(MDB_env *, const char *, unsigned, mdb_mode_t);
	int (*env_sync)(MDB_env *, int);
	int (*env_copyfd2)(MDB_env *, mdb_filehandle_t, unsigned);
	int (*reader_check)(MDB_env *, int *);
	int (*txn_begin)(MDB_env *, MDB_txn *, unsigned, MDB_txn **);
	int (*txn_renew)(MDB_txn *);
	int (*txn_commit)(MDB_txn *);
	void (*txn_abort)(MDB_txn *);
	int (*dbi_open)(MDB_txn *, const char *, unsigned, MDB_dbi *);
	int (*get)(MDB_txn *, MDB_dbi, MDB_val *, MDB_val *);
	int (*put)(MDB_txn *, MDB_dbi, MDB_val *, MDB_val *, unsigned);
	int (*del)(MDB_txn *, MDB_dbi, MDB_val *, MDB_val *);
	int (*cursor_open)(MDB_txn *, MDB_dbi, MDB_cursor **);
	int (*cursor_get)(MDB_cursor *, MDB_val *, MDB_val *, MDB_cursor_op);
} real;

#define LMDB_CALL(name, parameters, ...) \
	int \
	mdb_##name parameters \
	{ \
		return fails(KIND_LMDB, #name, "") ? (int)fault->error : real.name(__VA_ARGS__); \
	}

LMDB_CALL(env_open, (MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode), env, path, flags, mode)
LMDB_CALL(env_sync, (MDB_env *env, int force), env, force)
LMDB_CALL(env_copyfd2, (MDB_env *env, mdb_filehandle_t fd, unsigned flags), env, fd, flags)
LMDB_CALL(reader_check, (MDB_env *env, int *ret_dead), env, ret_dead)
LMDB_CALL(txn_begin, (MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **ret_txn), env, parent, flags, ret_txn)
LMDB_CALL(txn_renew, (MDB_txn *txn), txn)
LMDB_CALL(dbi_open, (MDB_txn *txn, const char *name, unsigned flags, MDB_dbi *ret_dbi), txn, name, flags, ret_dbi)
LMDB_CALL(get, (MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *ret_data), txn, dbi, key, ret_data)
LMDB_CALL(put, (MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data, unsigned flags), txn, dbi, key, data, flags)
LMDB_CALL(del, (MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data), txn, dbi, key, data)
LMDB_CALL(cursor_open, (MDB_txn *txn, MDB_dbi dbi, MDB_cursor **ret_cursor), txn, dbi, ret_cursor)
LMDB_CALL(cursor_get, (MDB_cursor *cursor, MDB_val *key, MDB_val *data, MDB_cursor_op op), cursor, key, data, op)

/* A commit that fails has ended its transaction all the same. */
int
mdb_txn_commit(MDB_txn *txn)
{
	if (!fails(KIND_LMDB, "txn_commit", ""))
		return real.txn_commit(txn);
	if (fault->mode == MODE_AFTER)
		(void)real.txn_commit(txn);
	else
		real.txn_abort(txn);
	return (int)fault->error;
}

/* ---- life ---- */

/* The name that a thread gives itself says which it is. */
int
pthread_setname_np(pthread_t thread, const char *name)
{
	(void)thread;
	thread_bit = strcmp(name, "commit") == 0 ? THREAD_COMMIT : strcmp(name, "net") == 0 ? THREAD_NET : THREAD_OTHER;
	return 0;
}

#define FIND(name) (*(void **)&real.name = dlsym(RTLD_NEXT, "mdb_" #name))

__attribute__((constructor)) static void
begin(void)
{
	const char *path = getenv("FAULT");
	void *warm[1];

	FIND(env_open), FIND(env_sync), FIND(env_copyfd2), FIND(reader_check), FIND(txn_begin), FIND(txn_renew), FIND(txn_commit), FIND(txn_abort);
	FIND(dbi_open), FIND(get), FIND(put), FIND(del), FIND(cursor_open), FIND(cursor_get);
	thread_bit = THREAD_MAIN;
	(void)backtrace(warm, 1);		/* what it loads, it loads now */
	int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	struct fault *f = mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (f == MAP_FAILED)
		return;
	f->base = getauxval(AT_PHDR) & ~UINT64_C(4095);		/* where the program lies: its headers are on its first page */
	fault = f;
}
