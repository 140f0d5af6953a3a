/**
 * disk.h: the disk of a simulated process.
 *
 * What a fiber does to files by write, pwrite, writev, ftruncate, fsync, fdatasync, open, rename, link, unlink, mkdir and rmdir comes here first, in the C
 * library's place, LMDB's calls too.  Files are real ones; beside them is remembered, page by page, what was on the disk at the last flush, and in
 * which order names were changed since the last fsync.  So it is known what a power loss may take away:
 *   of each page that was written since: nothing, all, or any of its sectors; of names: the newest changes, from some point on.
 * A process that is killed leaves the files as they are, but for the call that it was in, which may be done in part.
 */
#ifndef FEALTY_TESTS_SIMULATION_DISK_H
#define FEALTY_TESTS_SIMULATION_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "dice.h"

enum disk_fault {
	DISK_NO_FAULT,
	DISK_KILL,			/* the process ends in or beside a call */
	DISK_POWER_LOSS,		/* the machine does */
	DISK_FSYNC_FAILS,		/* one flush answers EIO */
	DISK_FULL			/* from a call on there is no space, until disk_has_space() */
};
const char *disk_fault_str(enum disk_fault fault);

/* All data lies under ${root}, an existing directory.  ${dice} is borrowed for good. */
void disk_begin(struct dice *dice, const char *root);
/* ${fault} comes at the call that is ${calls} away; one at a time. */
void disk_plan(enum disk_fault fault, uint32_t calls);
bool disk_planned(void);
void disk_has_space(void);
bool disk_is_full(void);
/* How long flushes take from now on, at most. */
void disk_set_flush_us(int64_t us);

/* The process is gone, in a call: kill or power loss; or at once, by disk_stop(). */
bool disk_stopped(void);
void disk_stop(void);
/**
 * What a next process will find, copied to ${root}, which is made and used from now on; the old one is removed.  After a power loss the boot id is
 * another one.  Nothing that ran before may run again.
 */
void disk_restart(const char *root, bool power_loss);
/* A directory with all that is in it. */
void disk_remove(const char *path);
/* Without a crash: nothing is owed to the disk any more. */
void disk_forget(void);

struct disk_figures { uint64_t calls, flushes, pages_lost, names_lost; };
void disk_figures(struct disk_figures *ret);

#endif
