/*
 * Pages and names, both as of the last flush, are kept from the first change after it on.  A page that is lost is one that never was written; a name,
 * a call that never was made.  The journal of a file system keeps the order of names, so what is lost of them is the end of the list.
 */
#include "disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fiber.h"

#define PAGE 4096
#define SECTOR 512
#define FILES_MAX 256
#define PATH_BYTES 256
#define COPY_BYTES ((size_t)256 * 1024)
#define FREE_BLOCKS (UINT64_C(1) << 24)

/* A file with pages that are not on the disk yet. */
struct file {
	ino_t inode;
	int fd;				/* our own; 0: the slot is free */
	off_t synced_bytes;		/* its length on the disk */
	size_t n_pages;
	uint8_t **old;			/* [n_pages], what the disk has; NULL: what the file has */
};

enum name_change { NAME_MADE, NAME_MADE_DIR, NAME_REMOVED, NAME_REMOVED_DIR, NAME_MOVED };
struct name {
	enum name_change change;
	char path[PATH_BYTES], from[PATH_BYTES], saved[PATH_BYTES];	/* saved "": nothing was there */
};

static struct {
	struct dice *dice;
	char root[PATH_BYTES];
	struct file files[FILES_MAX];
	struct name *names;
	size_t n_names, cap_names;
	unsigned n_saved, boots;
	enum disk_fault planned;
	uint32_t calls_left;
	bool full, stopped, copies;	/* copies: what is overwritten takes space as well, as on a file system that copies on write */
	int64_t flush_us;
	struct disk_figures figures;
} disk;

const char *
disk_fault_str(enum disk_fault fault)
{
	static const char *const names[] = { "none", "kill", "power loss", "fsync fails", "disk full" };

	return names[fault];
}

static void
must(bool ok, const char *what, const char *path)
{
	if (ok)
		return;
	fprintf(stderr, "simulation: cannot %s %s: %s\n", what, path, strerror(errno));
	abort();
}

static void
write_boot_id(void)
{
	char path[PATH_BYTES + 16];

	snprintf(path, sizeof(path), "%s/boot_id", disk.root);
	FILE *f = fopen(path, "w");
	must(f != NULL, "write", path);
	fprintf(f, "boot-%u\n", disk.boots);
	fclose(f);
}

void
disk_begin(struct dice *dice, const char *root)
{
	disk.dice = dice;
	disk.copies = dice_once_in(dice, 4);
	snprintf(disk.root, sizeof(disk.root), "%s", root);
	write_boot_id();
}

void
disk_plan(enum disk_fault fault, uint32_t calls)
{
	disk.planned = fault;
	disk.calls_left = calls;
}

bool
disk_planned(void)
{
	return disk.planned != DISK_NO_FAULT;
}

void
disk_has_space(void)
{
	disk.full = false;
	if (disk.planned == DISK_FULL)
		disk.planned = DISK_NO_FAULT;
}

bool
disk_is_full(void)
{
	return disk.full;
}

void
disk_set_flush_us(int64_t us)
{
	disk.flush_us = us;
}

bool
disk_stopped(void)
{
	return disk.stopped;
}

void
disk_stop(void)
{
	disk.stopped = true;
}

void
disk_figures(struct disk_figures *ret)
{
	*ret = disk.figures;
}

/* ---- pages ---- */

static struct file *
file_of(int fd)
{
	struct stat st;
	struct file *free_slot = NULL;
	char path[64];

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return NULL;
	for (struct file *f = disk.files; f < disk.files + FILES_MAX; f++) {
		if (f->fd != 0 && f->inode == st.st_ino)
			return f;
		if (f->fd == 0 && free_slot == NULL)
			free_slot = f;
	}
	must(free_slot != NULL, "follow more files than", "256");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	*free_slot = (struct file){ .inode = st.st_ino, .synced_bytes = st.st_size };
	free_slot->fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
	must(free_slot->fd > 0, "open", path);
	return free_slot;
}

static void
page_keep(struct file *f, size_t page)
{
	if (page >= f->n_pages) {
		size_t n = page + 64;
		f->old = realloc(f->old, n * sizeof(*f->old));
		must(f->old != NULL, "remember", "pages");
		memset(f->old + f->n_pages, 0, (n - f->n_pages) * sizeof(*f->old));
		f->n_pages = n;
	}
	if (f->old[page] != NULL)
		return;
	f->old[page] = calloc(1, PAGE);
	must(f->old[page] != NULL && pread(f->fd, f->old[page], PAGE, (off_t)page * PAGE) >= 0, "read", "a page");
}

/* Before the write. */
static void
pages_keep(int fd, off_t offset, size_t len)
{
	struct file *f = len == 0 ? NULL : file_of(fd);

	if (f == NULL)
		return;
	for (size_t page = (size_t)offset / PAGE; page <= ((size_t)offset + len - 1) / PAGE; page++)
		page_keep(f, page);
}

/* All of it is on the disk: nothing to remember until it is written to again. */
static void
pages_forget(struct file *f)
{
	for (size_t i = 0; i < f->n_pages; i++)
		free(f->old[i]);
	free(f->old);
	close(f->fd);
	*f = (struct file){ 0 };
}

/* What was written by a descriptor that syncs is on the disk, whatever else of its page is not. */
static void
pages_synced(int fd, off_t offset, const uint8_t *data, size_t len)
{
	struct file *f = file_of(fd);

	for (size_t i = 0; f != NULL && i < len; i++) {
		size_t at = (size_t)offset + i;
		if (at / PAGE < f->n_pages && f->old[at / PAGE] != NULL)
			f->old[at / PAGE][at % PAGE] = data[i];
	}
}

static void
page_lose(struct file *f, size_t page, off_t bytes)
{
	uint8_t now[PAGE] = { 0 };
	uint32_t how = dice_below(disk.dice, 3);

	must(pread(f->fd, now, PAGE, (off_t)page * PAGE) >= 0, "read", "a page");
	for (size_t at = 0; at < PAGE; at += SECTOR) {
		if (how == 0 || (how == 1 && dice_once_in(disk.dice, 2)))
			memcpy(now + at, f->old[page] + at, SECTOR);
	}
	disk.figures.pages_lost += how != 2;
	off_t left = bytes - (off_t)page * PAGE;
	size_t len = left < PAGE ? (size_t)(left < 0 ? 0 : left) : PAGE;
	must(pwrite(f->fd, now, len, (off_t)page * PAGE) == (ssize_t)len, "write", "a page");
}

static void
file_lose(struct file *f)
{
	struct stat st;

	must(fstat(f->fd, &st) == 0, "look at", "a file");
	bool dirty = false;
	for (size_t i = 0; i < f->n_pages; i++)
		dirty |= f->old[i] != NULL;
	if (!dirty)
		return;
	off_t bytes = st.st_size > f->synced_bytes && dice_once_in(disk.dice, 2) ? f->synced_bytes : st.st_size;
	for (size_t i = 0; i < f->n_pages; i++) {
		if (f->old[i] != NULL)
			page_lose(f, i, bytes);
	}
	must(ftruncate(f->fd, bytes) == 0, "cut", "a file");
}

/* ---- names ---- */

/* The path of what the call names; false: it is not under the root. */
static bool
path_of(int dir_fd, const char *name, char ret[static PATH_BYTES])
{
	char link[64], dir[PATH_BYTES / 2] = "";

	if (name[0] == '/') {
		snprintf(ret, PATH_BYTES, "%s", name);
	} else {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", dir_fd);
		if (dir_fd == AT_FDCWD || readlink(link, dir, sizeof(dir) - 1) < 0)
			return false;
		snprintf(ret, PATH_BYTES, "%s/%.120s", dir, name);
	}
	return strncmp(ret, disk.root, strlen(disk.root)) == 0;
}

static bool
exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* Before the call.  What ${path} names and will no longer name is saved. */
static void
name_keep(enum name_change change, const char *from, const char *path)
{
	if (disk.n_names == disk.cap_names) {
		disk.cap_names = disk.cap_names * 2 + 16;
		disk.names = realloc(disk.names, disk.cap_names * sizeof(*disk.names));
		must(disk.names != NULL, "remember", path);
	}
	struct name *n = &disk.names[disk.n_names++];
	*n = (struct name){ .change = change };
	snprintf(n->path, sizeof(n->path), "%s", path);
	snprintf(n->from, sizeof(n->from), "%s", from);
	if ((change != NAME_REMOVED && change != NAME_MOVED) || !exists(path))
		return;
	snprintf(n->saved, sizeof(n->saved), "%.200s/saved.%u", disk.root, disk.n_saved++);
	if (syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, n->saved, 0) != 0)
		n->saved[0] = '\0';		/* a directory: never replaced, only empty ones are removed */
}

static void
name_undo(const struct name *n)
{
	switch (n->change) {
	case NAME_MADE: unlink(n->path); break;
	case NAME_MADE_DIR: must(rmdir(n->path) == 0 || errno == ENOENT, "take back", n->path); break;
	case NAME_REMOVED_DIR: must(mkdir(n->path, 0700) == 0, "bring back", n->path); break;
	case NAME_REMOVED: must(n->saved[0] == '\0' || rename(n->saved, n->path) == 0, "bring back", n->path); break;
	case NAME_MOVED:
		must(rename(n->path, n->from) == 0, "take back", n->path);
		must(n->saved[0] == '\0' || rename(n->saved, n->path) == 0, "bring back", n->path);
		break;
	}
}

static void
names_forget(void)
{
	for (size_t i = 0; i < disk.n_names; i++) {
		if (disk.names[i].saved[0] != '\0')
			syscall(SYS_unlinkat, AT_FDCWD, disk.names[i].saved, 0);	/* past our own unlink() */
	}
	disk.n_names = 0;
}

static void
names_lose(void)
{
	size_t kept = disk.n_names == 0 ? 0 : dice_below(disk.dice, (uint32_t)disk.n_names + 1);

	disk.figures.names_lost += disk.n_names - kept;
	while (disk.n_names > kept)
		name_undo(&disk.names[--disk.n_names]);
}

/* ---- a restart ---- */

static void
copy_file(const char *from, const char *to, mode_t mode)
{
	static uint8_t bytes[COPY_BYTES];
	ssize_t n;

	int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	must(in >= 0 && out >= 0, "copy", from);
	while ((n = read(in, bytes, sizeof(bytes))) > 0)
		must(write(out, bytes, (size_t)n) == n, "write", to);
	must(n == 0 && fchmod(out, mode) == 0, "copy", from);
	close(in);
	close(out);
}

/* And removes what it was copied from; "" as ${to}: only removes. */
static void
move_tree(const char *from, const char *to)
{
	DIR *dir = opendir(from);

	must(dir != NULL && (to[0] == '\0' || mkdir(to, 0700) == 0), "copy", from);
	for (struct dirent *d; (d = readdir(dir)) != NULL;) {
		char a[PATH_BYTES * 2], b[PATH_BYTES * 2] = "";
		struct stat st;
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		snprintf(a, sizeof(a), "%s/%s", from, d->d_name);
		bool wanted = to[0] != '\0' && strncmp(d->d_name, "saved.", 6) != 0;
		if (wanted)
			snprintf(b, sizeof(b), "%s/%s", to, d->d_name);
		must(lstat(a, &st) == 0, "look at", a);
		if (S_ISDIR(st.st_mode)) {
			move_tree(a, b);
			continue;
		}
		if (wanted)
			copy_file(a, b, st.st_mode & 07777);
		unlink(a);
	}
	closedir(dir);
	rmdir(from);
}

void
disk_remove(const char *path)
{
	move_tree(path, "");
}

void
disk_forget(void)
{
	for (struct file *f = disk.files; f < disk.files + FILES_MAX; f++) {
		if (f->fd != 0)
			pages_forget(f);
	}
	names_forget();
	free(disk.names);
	disk.names = NULL;
	disk.cap_names = 0;
}

void
disk_restart(const char *root, bool power_loss)
{
	if (power_loss) {
		for (struct file *f = disk.files; f < disk.files + FILES_MAX; f++) {
			if (f->fd != 0)
				file_lose(f);
		}
		names_lose();
		disk.boots++;
	}
	disk_forget();
	move_tree(disk.root, root);
	snprintf(disk.root, sizeof(disk.root), "%s", root);
	write_boot_id();
	disk.stopped = false;
	disk.planned = DISK_NO_FAULT;
}

/* ---- a call ---- */

enum verdict { GO_ON, DIE_BEFORE, DIE_WITHIN, DIE_AFTER, FAIL };

static bool
is_ours(void)
{
	return fiber_inside() && disk.dice != NULL;
}

static enum verdict
judge(bool is_flush, bool needs_space)
{
	disk.figures.calls++;
	disk.figures.flushes += is_flush;
	if (disk.planned != DISK_NO_FAULT && disk.calls_left > 0)
		disk.calls_left--;
	else if (disk.planned == DISK_FULL)
		disk.full = true;
	else if (disk.planned == DISK_KILL || disk.planned == DISK_POWER_LOSS)
		return (enum verdict)(DIE_BEFORE + dice_below(disk.dice, 3));
	else if (disk.planned == DISK_FSYNC_FAILS && is_flush) {
		disk.planned = DISK_NO_FAULT;
		errno = EIO;
		return FAIL;
	}
	if (!disk.full || !needs_space)
		return GO_ON;
	errno = ENOSPC;
	return FAIL;
}

static void
die(void)
{
	disk.planned = DISK_NO_FAULT;
	disk.stopped = true;
	fiber_vanish();
}

/* Others go on meanwhile. */
static void
take_time(void)
{
	if (disk.flush_us > 0)
		(void)fiber_wait(&disk, time_us() + dice_between(disk.dice, 1, disk.flush_us));
}

static ssize_t
write_at(int fd, const struct iovec *v, int n, off_t offset)
{
	return syscall(SYS_pwritev, fd, v, n, (long)offset, 0L);
}

/* ${offset} -1: where the descriptor stands, which then moves on. */
static ssize_t
any_write(int fd, const struct iovec *v, int n, off_t offset)
{
	off_t at = offset < 0 ? lseek(fd, 0, SEEK_CUR) : offset;
	struct stat st = { .st_size = 0 };
	size_t len = 0;
	bool syncs = (fcntl(fd, F_GETFL) & O_DSYNC) != 0;

	if (at < 0)
		return syscall(SYS_writev, fd, v, n);		/* no file */
	for (int i = 0; i < n; i++)
		len += v[i].iov_len;
	(void)fstat(fd, &st);
	enum verdict verdict = judge(false, disk.copies || at + (off_t)len > st.st_size);
	if (verdict == FAIL)
		return -1;
	if (verdict == DIE_BEFORE)
		die();
	if (syncs)
		take_time();
	else
		pages_keep(fd, at, len);
	if (verdict == DIE_WITHIN) {
		struct iovec half = { v[0].iov_base, v[0].iov_len / 2 };
		write_at(fd, &half, 1, at);
		die();
	}
	ssize_t done = write_at(fd, v, n, at);
	if (done > 0 && offset < 0)
		lseek(fd, at + done, SEEK_SET);
	if (done > 0 && syncs)
		pages_synced(fd, at, v[0].iov_base, (size_t)done < v[0].iov_len ? (size_t)done : v[0].iov_len);
	if (verdict == DIE_AFTER)
		die();
	return done;
}

static int
any_flush(int fd, bool with_names)
{
	struct stat st;

	enum verdict verdict = judge(true, false);
	if (verdict == FAIL)
		return -1;
	if (verdict == DIE_BEFORE || verdict == DIE_WITHIN)
		die();
	take_time();
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		pages_forget(file_of(fd));
	}
	if (with_names)
		names_forget();
	if (verdict == DIE_AFTER)
		die();
	return 0;
}

/* A change of a name, which is there or not. */
static enum verdict
before_name(bool needs_space)
{
	enum verdict verdict = judge(false, needs_space);

	if (verdict == DIE_BEFORE || verdict == DIE_WITHIN)
		die();
	return verdict;
}

static int
after_name(enum verdict verdict, long rc)
{
	if (rc < 0 && disk.n_names > 0)
		disk.n_names--;			/* it was not made, and what was saved stays where it was */
	if (verdict == DIE_AFTER)
		die();
	return (int)rc;
}

/* ---- what the C library would have done; by other names, since its headers may define some of them inline ---- */

int real_open(const char *path, int flags, ...) __asm__("open");
int real_open64(const char *path, int flags, ...) __asm__("open64");
int real_openat64(int dir_fd, const char *path, int flags, ...) __asm__("openat64");
ssize_t real_write(int fd, const void *data, size_t len) __asm__("write");
ssize_t real_pwrite(int fd, const void *data, size_t len, off_t offset) __asm__("pwrite");
ssize_t real_writev(int fd, const struct iovec *v, int n) __asm__("writev");
int real_ftruncate(int fd, off_t bytes) __asm__("ftruncate");
int real_fsync(int fd) __asm__("fsync");
int real_fdatasync(int fd) __asm__("fdatasync");
int real_rename(const char *from, const char *to) __asm__("rename");
int real_renameat(int from_fd, const char *from, int to_fd, const char *to) __asm__("renameat");
int real_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags) __asm__("linkat");
int real_unlink(const char *path) __asm__("unlink");
int real_unlinkat(int dir_fd, const char *path, int flags) __asm__("unlinkat");
int real_mkdir(const char *path, mode_t mode) __asm__("mkdir");
int real_rmdir(const char *path) __asm__("rmdir");
int real_statvfs(const char *path, struct statvfs *ret) __asm__("statvfs64");

static int
any_open(int dir_fd, const char *name, int flags, mode_t mode)
{
	char path[PATH_BYTES];

	if (is_ours() && strcmp(name, "/proc/sys/kernel/random/boot_id") == 0) {
		snprintf(path, sizeof(path), "%.240s/boot_id", disk.root);
		name = path;
	} else if (is_ours() && (flags & O_CREAT) != 0 && path_of(dir_fd, name, path) && !exists(path)) {
		enum verdict verdict = before_name(true);
		if (verdict == FAIL)
			return -1;
		name_keep(NAME_MADE, "", path);
		return after_name(verdict, syscall(SYS_openat, dir_fd, name, flags, mode));
	}
	int fd = (int)syscall(SYS_openat, dir_fd, name, flags & ~O_TRUNC, mode);
	if (fd >= 0 && (flags & O_TRUNC) != 0 && real_ftruncate(fd, 0) != 0 && errno != EINVAL) {
		close(fd);
		return -1;
	}
	return fd;
}

#define MODE_OF(flags, mode) do { \
	va_list args; \
	va_start(args, flags); \
	(mode) = ((flags) & O_CREAT) != 0 ? va_arg(args, mode_t) : 0; \
	va_end(args); \
} while (0)

int
real_open(const char *path, int flags, ...)
{
	mode_t mode;

	MODE_OF(flags, mode);
	return any_open(AT_FDCWD, path, flags, mode);
}

int
real_open64(const char *path, int flags, ...)
{
	mode_t mode;

	MODE_OF(flags, mode);
	return any_open(AT_FDCWD, path, flags, mode);
}

int
real_openat64(int dir_fd, const char *path, int flags, ...)
{
	mode_t mode;

	MODE_OF(flags, mode);
	return any_open(dir_fd, path, flags, mode);
}

ssize_t
real_write(int fd, const void *data, size_t len)
{
	struct iovec v = { (void *)(uintptr_t)data, len };

	return is_ours() ? any_write(fd, &v, 1, -1) : syscall(SYS_write, fd, data, len);
}

ssize_t
real_pwrite(int fd, const void *data, size_t len, off_t offset)
{
	struct iovec v = { (void *)(uintptr_t)data, len };

	return is_ours() ? any_write(fd, &v, 1, offset) : syscall(SYS_pwrite64, fd, data, len, offset);
}

ssize_t
real_writev(int fd, const struct iovec *v, int n)
{
	return is_ours() ? any_write(fd, v, n, -1) : syscall(SYS_writev, fd, v, n);
}

int
real_ftruncate(int fd, off_t bytes)
{
	struct stat st;

	if (is_ours() && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		enum verdict verdict = before_name(bytes > st.st_size);
		if (verdict == FAIL)
			return -1;
		if (st.st_size > bytes)
			pages_keep(fd, bytes, (size_t)(st.st_size - bytes));
		int rc = (int)syscall(SYS_ftruncate, fd, bytes);
		if (verdict == DIE_AFTER)
			die();
		return rc;
	}
	return (int)syscall(SYS_ftruncate, fd, bytes);
}

int
real_fsync(int fd)
{
	return is_ours() ? any_flush(fd, true) : 0;
}

int
real_fdatasync(int fd)
{
	return is_ours() ? any_flush(fd, false) : 0;
}

int
real_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	char a[PATH_BYTES], b[PATH_BYTES];

	if (!is_ours() || !path_of(from_fd, from, a) || !path_of(to_fd, to, b))
		return (int)syscall(SYS_renameat, from_fd, from, to_fd, to);
	enum verdict verdict = before_name(true);
	if (verdict == FAIL)
		return -1;
	name_keep(NAME_MOVED, a, b);
	return after_name(verdict, syscall(SYS_renameat, AT_FDCWD, a, AT_FDCWD, b));
}

int
real_rename(const char *from, const char *to)
{
	return real_renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int
real_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	char path[PATH_BYTES];

	if (!is_ours() || !path_of(to_fd, to, path))
		return (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
	enum verdict verdict = before_name(true);
	if (verdict == FAIL)
		return -1;
	name_keep(NAME_MADE, "", path);
	return after_name(verdict, syscall(SYS_linkat, from_fd, from, to_fd, to, flags));
}

int
real_unlinkat(int dir_fd, const char *name, int flags)
{
	char path[PATH_BYTES];

	if (!is_ours() || !path_of(dir_fd, name, path) || !exists(path))
		return (int)syscall(SYS_unlinkat, dir_fd, name, flags);
	enum verdict verdict = before_name(false);
	if (verdict == FAIL)
		return -1;
	name_keep((flags & AT_REMOVEDIR) != 0 ? NAME_REMOVED_DIR : NAME_REMOVED, "", path);
	return after_name(verdict, syscall(SYS_unlinkat, dir_fd, name, flags));
}

int
real_unlink(const char *path)
{
	return real_unlinkat(AT_FDCWD, path, 0);
}

int
real_rmdir(const char *path)
{
	return real_unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int
real_mkdir(const char *name, mode_t mode)
{
	char path[PATH_BYTES];

	if (!is_ours() || !path_of(AT_FDCWD, name, path) || exists(path))
		return (int)syscall(SYS_mkdir, name, mode);
	enum verdict verdict = before_name(true);
	if (verdict == FAIL)
		return -1;
	name_keep(NAME_MADE_DIR, "", path);
	return after_name(verdict, syscall(SYS_mkdir, name, mode));
}

/* The disk of the simulation, not of the machine that runs it. */
int
real_statvfs(const char *path, struct statvfs *ret)
{
	(void)path;
	*ret = (struct statvfs){ .f_bsize = PAGE, .f_frsize = PAGE, .f_blocks = FREE_BLOCKS * 2, .f_bfree = FREE_BLOCKS, .f_bavail = FREE_BLOCKS };
	if (disk.full)
		ret->f_bfree = ret->f_bavail = 0;
	return 0;
}
