/* What a process in the sandbox can still ask of the kernel: each question in a child of its own, on a thread that was there before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/sandbox.h"

enum outcome { DONE, REFUSED, ABSENT, KILLED, OTHER };	/* REFUSED: EPERM; ABSENT: ENOSYS */

struct question {
	const char *name;
	long (*ask)(void);		/* negative, with errno: refused */
	enum outcome serving, asking;
};

static long ask_execve(void) { char *const none[] = { NULL }; return execve("/bin/true", none, none); }
static long ask_execveat(void) { return syscall(SYS_execveat, AT_FDCWD, "/bin/true", NULL, NULL, 0); }
static long ask_ptrace(void) { return ptrace(PTRACE_TRACEME, 0, NULL, NULL); }
static long ask_process_vm(void) { return syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0); }
static long ask_handle(void) { return syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, 0); }
static long ask_mount(void) { return syscall(SYS_mount, "none", "/nowhere", "tmpfs", 0, NULL); }
static long ask_bpf(void) { return syscall(SYS_bpf, 0, NULL, 0); }
static long ask_kexec(void) { return syscall(SYS_kexec_load, 0, 0, NULL, 0); }
static long ask_module(void) { return syscall(SYS_init_module, NULL, 0, ""); }
static long ask_uring(void) { return syscall(SYS_io_uring_setup, 1, NULL); }
static long ask_setuid(void) { return syscall(SYS_setuid, getuid()); }
static long ask_unshare(void) { return syscall(SYS_unshare, 0); }
static long ask_chroot(void) { return syscall(SYS_chroot, "/"); }
static long ask_keyctl(void) { return syscall(SYS_keyctl, 0, 0, 0, 0, 0); }
static long ask_settime(void) { return syscall(SYS_clock_settime, 0, NULL); }
static long ask_fork(void) { return fork(); }
static long ask_clone3(void) { return syscall(SYS_clone3, NULL, 0); }
static long ask_spare_call(void) { return syscall(SYS_inotify_init1, 0); }
static long ask_kill_parent(void) { return kill(getppid(), 0); }
static long ask_kill_self(void) { return kill(getpid(), 0); }
static long ask_dumpable(void) { return prctl(PR_SET_DUMPABLE, 1); }
static long ask_name(void) { return prctl(PR_SET_NAME, "renamed"); }
static long ask_core(void) { return setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }); }
static long ask_limits(void) { return getrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }); }
static long ask_tty(void) { return ioctl(0, TIOCSTI, "x"); }
static long ask_unix(void) { return socket(AF_UNIX, SOCK_DGRAM, 0); }
static long ask_inet(void) { return socket(AF_INET, SOCK_STREAM, 0); }
static long ask_inet6(void) { return socket(AF_INET6, SOCK_DGRAM, 0); }
static long ask_packet(void) { return socket(AF_PACKET, SOCK_RAW, 0); }
static long ask_listen(void) { return listen(0, 1); }
static long ask_random(void) { uint8_t byte; return syscall(SYS_getrandom, &byte, 1, 0); }

static long
ask_connect(void)
{
	const struct sockaddr_un nobody = { .sun_family = AF_UNIX, .sun_path = "/nonexistent" };
	int rc = connect(socket(AF_UNIX, SOCK_STREAM, 0), (const struct sockaddr *)&nobody, sizeof(nobody));

	return rc == -1 && errno == ENOENT ? 0 : rc;
}

static long
ask_resolve(void)
{
	struct addrinfo *found = NULL;
	int rc = getaddrinfo("localhost", "80", NULL, &found);

	if (rc == 0)
		freeaddrinfo(found);
	errno = EPERM;
	return rc == 0 ? 0 : -1;
}

static long
ask_executable(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

static long
ask_become_executable(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? 0 : mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static long
map_self(int protection)
{
	int fd = open("/proc/self/exe", O_RDONLY);

	return fd < 0 ? 0 : mmap(NULL, 4096, protection, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0;
}

static long ask_module_file(void) { return map_self(PROT_READ | PROT_EXEC); }
static long ask_writable_code(void) { return map_self(PROT_READ | PROT_WRITE | PROT_EXEC); }

static void *do_nothing(void *arg) { return arg; }

static long
ask_thread(void)
{
	pthread_t thread;
	int rc = pthread_create(&thread, NULL, do_nothing, NULL);

	errno = rc;
	return rc == 0 ? pthread_join(thread, NULL) : -1;
}

static const struct question questions[] = {
	{ "another program", ask_execve, KILLED, KILLED },
	{ "another program by its descriptor", ask_execveat, KILLED, KILLED },
	{ "tracing", ask_ptrace, KILLED, KILLED },
	{ "another's memory", ask_process_vm, KILLED, KILLED },
	{ "a file past its path", ask_handle, KILLED, KILLED },
	{ "mounting", ask_mount, KILLED, KILLED },
	{ "a program for the kernel", ask_bpf, KILLED, KILLED },
	{ "another kernel", ask_kexec, KILLED, KILLED },
	{ "a module of the kernel", ask_module, KILLED, KILLED },
	{ "calls past the filter", ask_uring, KILLED, KILLED },
	{ "another user", ask_setuid, KILLED, KILLED },
	{ "a namespace", ask_unshare, KILLED, KILLED },
	{ "another root", ask_chroot, KILLED, KILLED },
	{ "the kernel's keys", ask_keyctl, KILLED, KILLED },
	{ "setting the clock", ask_settime, KILLED, KILLED },
	{ "a process", ask_fork, REFUSED, REFUSED },
	{ "clone3", ask_clone3, ABSENT, ABSENT },
	{ "a call that the daemon does not need", ask_spare_call, REFUSED, REFUSED },
	{ "a signal to another", ask_kill_parent, REFUSED, REFUSED },
	{ "a signal to itself", ask_kill_self, DONE, DONE },
	{ "becoming dumpable", ask_dumpable, REFUSED, REFUSED },
	{ "a thread's name", ask_name, DONE, DONE },
	{ "limits of its own", ask_core, REFUSED, REFUSED },
	{ "what the limits are", ask_limits, DONE, DONE },
	{ "typing at a terminal", ask_tty, REFUSED, REFUSED },
	{ "memory that is code", ask_executable, REFUSED, REFUSED },
	{ "memory that becomes code", ask_become_executable, REFUSED, REFUSED },
	{ "a file as code", ask_module_file, REFUSED, DONE },
	{ "a file as code that can be written", ask_writable_code, REFUSED, REFUSED },
	{ "a UNIX socket", ask_unix, DONE, DONE },
	{ "an IPv4 socket", ask_inet, REFUSED, DONE },
	{ "an IPv6 socket", ask_inet6, REFUSED, DONE },
	{ "raw packets", ask_packet, REFUSED, REFUSED },
	{ "one more door", ask_listen, REFUSED, REFUSED },
	{ "connecting", ask_connect, REFUSED, DONE },
	{ "resolving a name", ask_resolve, DONE, DONE },	/* localhost is in a file */
	{ "randomness", ask_random, DONE, DONE },
	{ "a thread", ask_thread, DONE, DONE },
};

/* A thread that begins before the filter, and asks after it. */
struct asker { const struct question *question; pthread_barrier_t entered; };

static void *
ask_later(void *arg)
{
	struct asker *a = arg;

	pthread_barrier_wait(&a->entered);
	long answer = a->question->ask();
	_exit(answer >= 0 ? DONE : errno == EPERM ? REFUSED : errno == ENOSYS ? ABSENT : OTHER);
}

static void
be_child(const struct question *question, enum sandbox_reach reach)
{
	struct asker a = { .question = question };
	pthread_t thread;

	pthread_barrier_init(&a.entered, NULL, 2);
	if (pthread_create(&thread, NULL, ask_later, &a) != 0 || sandbox_enter(reach) != ST_OK)
		_exit(OTHER);
	pthread_barrier_wait(&a.entered);
	pthread_join(thread, NULL);
	_exit(OTHER);
}

static enum outcome
outcome_of(const struct question *question, enum sandbox_reach reach)
{
	int status;

	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		be_child(question, reach);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) == SIGSYS ? KILLED : OTHER : (enum outcome)WEXITSTATUS(status);
}

static void
each_question_has_its_answer(void **state)
{
	static const char *const words[] = { "done", "refused", "absent", "killed", "something else" };

	(void)state;
	if (!sandbox_filters())
		skip();
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		enum outcome serving = outcome_of(&questions[i], SANDBOX_SERVES), asking = outcome_of(&questions[i], SANDBOX_ASKS);
		if (serving != questions[i].serving || asking != questions[i].asking)
			fail_msg("%s: %s while serving, %s while asking", questions[i].name, words[serving], words[asking]);
	}
}

/* Also in a build without the filter. */
static void
privileges_never_grow(void **state)
{
	int status;

	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		bool was = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0;
		FILE *file = sandbox_enter(SANDBOX_SERVES) == ST_OK ? fopen("/proc/self/status", "r") : NULL;
		char line[200];
		while (file != NULL && fgets(line, sizeof(line), file) != NULL)
			if (strcmp(line, "NoNewPrivs:\t1\n") == 0)
				_exit(was ? 0 : 2);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_in_range(WEXITSTATUS(status) % 2, 0, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_question_has_its_answer),
		cmocka_unit_test(privileges_never_grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
