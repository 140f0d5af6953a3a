/*
 * Why EPERM and not death for what is neither known nor hostile: a newer C library asks the kernel in newer ways, and a ledger that dies of
 * an update serves nobody.  Its error is logged by whoever asked.  What is hostile is what this process has no reason to call whatever library
 * it is linked with; there an answer would only be a second try.
 *
 * clone3() keeps its flags in memory, where a filter cannot see them: ENOSYS makes the C library use clone().
 * A rule on an argument adds to the list; libseccomp takes the first that fits, and the default when none does.
 */
#include "sandbox/sandbox.h"

#include <assert.h>
#include <errno.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41		/* names a piece of memory; newer C libraries do */
#endif

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const int allowed[] = {
	/* files: the environments, snapshots, marks, keys, the log */
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(preadv), SCMP_SYS(pwritev),
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(close), SCMP_SYS(close_range), SCMP_SYS(lseek), SCMP_SYS(fcntl), SCMP_SYS(flock),
	SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(access),
	SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd), SCMP_SYS(getdents64),
	SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(sync_file_range), SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(fadvise64),
	SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(unlink), SCMP_SYS(unlinkat),
	SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(rmdir), SCMP_SYS(fchmod), SCMP_SYS(fchmodat),
	SCMP_SYS(copy_file_range), SCMP_SYS(sendfile),
	/* memory */
	SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(msync), SCMP_SYS(brk), SCMP_SYS(mlock), SCMP_SYS(mlock2), SCMP_SYS(munlock),
	/* threads, and the end of them */
	SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(membarrier), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity),
	SCMP_SYS(getcpu), SCMP_SYS(exit), SCMP_SYS(exit_group),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigtimedwait), SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall),
	/* who and when */
	SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(uname),
	SCMP_SYS(sysinfo), SCMP_SYS(getrusage), SCMP_SYS(getrlimit), SCMP_SYS(times), SCMP_SYS(getrandom),
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time),
	/* waiting */
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(eventfd2), SCMP_SYS(pipe), SCMP_SYS(pipe2), SCMP_SYS(dup), SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	/* connections */
	SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(shutdown),
	SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
};

/* bind(): of a netlink socket, by which the C library learns what addresses this machine has. */
static const int asking[] = { SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(sendmmsg), SCMP_SYS(recvmmsg) };

/* What the C library does without, when a kernel is older than it. */
static const int absent[] = { SCMP_SYS(clone3), SCMP_SYS(openat2), SCMP_SYS(futex_waitv) };

static const int hostile[] = {
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork),
	SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(process_madvise), SCMP_SYS(pidfd_getfd), SCMP_SYS(kcmp),
	SCMP_SYS(open_by_handle_at), SCMP_SYS(name_to_handle_at), SCMP_SYS(memfd_create), SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register),
	SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load), SCMP_SYS(reboot), SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(acct), SCMP_SYS(syslog), SCMP_SYS(quotactl),
	SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(unshare), SCMP_SYS(setns), SCMP_SYS(fsopen), SCMP_SYS(fsmount),
	SCMP_SYS(move_mount), SCMP_SYS(open_tree), SCMP_SYS(mount_setattr), SCMP_SYS(mknod), SCMP_SYS(mknodat),
	SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(setreuid), SCMP_SYS(setregid), SCMP_SYS(setresuid), SCMP_SYS(setresgid), SCMP_SYS(setfsuid),
	SCMP_SYS(setfsgid), SCMP_SYS(setgroups), SCMP_SYS(capset), SCMP_SYS(personality), SCMP_SYS(modify_ldt), SCMP_SYS(iopl), SCMP_SYS(ioperm),
	SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(keyctl), SCMP_SYS(clock_settime), SCMP_SYS(settimeofday), SCMP_SYS(sethostname),
	SCMP_SYS(setdomainname),
};

/* A call that is allowed when one argument, of it the bits of the mask, is this. */
struct argument { int call; unsigned index; uint64_t mask, value; };
#define WHOLE UINT64_MAX

static const struct argument arguments[] = {
	{ SCMP_SYS(clone), 0, CLONE_THREAD, CLONE_THREAD },
	{ SCMP_SYS(mprotect), 2, PROT_EXEC, 0 },
	{ SCMP_SYS(mmap), 2, PROT_EXEC, 0 },
	{ SCMP_SYS(prctl), 0, WHOLE, PR_SET_NAME },
	{ SCMP_SYS(prctl), 0, WHOLE, PR_SET_VMA },
	{ SCMP_SYS(prlimit64), 2, WHOLE, 0 },				/* to ask, not to set */
	{ SCMP_SYS(ioctl), 1, WHOLE, FIONREAD },
	{ SCMP_SYS(ioctl), 1, WHOLE, FIONBIO },
	{ SCMP_SYS(socket), 0, WHOLE, AF_UNIX },
	{ SCMP_SYS(socketpair), 0, WHOLE, AF_UNIX },
};

static const struct argument asking_arguments[] = {
	{ SCMP_SYS(socket), 0, WHOLE, AF_INET },
	{ SCMP_SYS(socket), 0, WHOLE, AF_INET6 },
	{ SCMP_SYS(socket), 0, WHOLE, AF_NETLINK },
};

static struct scmp_arg_cmp
masked(unsigned index, uint64_t mask, uint64_t value)
{
	return (struct scmp_arg_cmp){ .arg = index, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value };
}

/* A rule for a call that this processor does not have is none. */
static int
add(scmp_filter_ctx filter, uint32_t action, int call, unsigned n, const struct scmp_arg_cmp *compare)
{
	return call < 0 ? 0 : seccomp_rule_add_array(filter, action, call, n, compare);
}

static int
add_calls(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t n)
{
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = add(filter, action, calls[i], 0, NULL);
	return rc;
}

static int
add_arguments(scmp_filter_ctx filter, const struct argument *a, size_t n)
{
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		const struct scmp_arg_cmp compare = masked(a[i].index, a[i].mask, a[i].value);
		rc = add(filter, SCMP_ACT_ALLOW, a[i].call, 1, &compare);
	}
	return rc;
}

/* Signals to ourselves: that is how an assertion ends the process. */
static int
add_signals(scmp_filter_ctx filter)
{
	static const int calls[] = { SCMP_SYS(kill), SCMP_SYS(tgkill) };
	const struct scmp_arg_cmp to_us = masked(0, WHOLE, (uint64_t)getpid());
	int rc = 0;

	for (size_t i = 0; i < COUNT(calls) && rc == 0; i++)
		rc = add(filter, SCMP_ACT_ALLOW, calls[i], 1, &to_us);
	return rc;
}

/* A resolver's module: from a file, and never to be written. */
static int
add_modules(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp compare[] = {
		masked(2, PROT_EXEC | PROT_WRITE, PROT_EXEC),
		masked(3, MAP_ANONYMOUS, 0),
	};

	return add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), COUNT(compare), compare);
}

static int
fill(scmp_filter_ctx filter, enum sandbox_reach reach)
{
	int rc = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	rc = rc != 0 ? rc : seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	rc = rc != 0 ? rc : seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);	/* a tree of comparisons, not a row */
	rc = rc != 0 ? rc : add_calls(filter, SCMP_ACT_ALLOW, allowed, COUNT(allowed));
	rc = rc != 0 ? rc : add_arguments(filter, arguments, COUNT(arguments));
	rc = rc != 0 ? rc : add_signals(filter);
	if (reach == SANDBOX_ASKS) {
		rc = rc != 0 ? rc : add_calls(filter, SCMP_ACT_ALLOW, asking, COUNT(asking));
		rc = rc != 0 ? rc : add_arguments(filter, asking_arguments, COUNT(asking_arguments));
		rc = rc != 0 ? rc : add_modules(filter);
	}
	rc = rc != 0 ? rc : add_calls(filter, SCMP_ACT_ERRNO(ENOSYS), absent, COUNT(absent));
	return rc != 0 ? rc : add_calls(filter, SCMP_ACT_KILL_PROCESS, hostile, COUNT(hostile));
}

/* libseccomp 2.5 does not look whether it was given memory, and may load a filter that is not ours: this call is on no list. */
static bool
filter_holds(void)
{
	return syscall(SYS_getpriority, PRIO_PROCESS, 0) == -1 && errno == EPERM;
}

enum status
sandbox_enter(enum sandbox_reach reach)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return ST_IO;
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (filter == NULL)
		return ST_NOMEM;
	int rc = fill(filter, reach);
	if (rc == 0)
		rc = seccomp_load(filter);
	seccomp_release(filter);
	if (rc == 0 && !filter_holds())
		rc = -ENOTRECOVERABLE;
	if (rc == 0)
		return ST_OK;
	errno = -rc;
	return rc == -ENOMEM ? ST_NOMEM : ST_IO;
}

bool
sandbox_filters(void)
{
	return true;
}
