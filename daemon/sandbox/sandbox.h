/**
 * sandbox.h: what a process that was taken over could still ask of the kernel.  The only user of libseccomp.
 *
 * After sandbox_enter() every thread, and every one that comes later, is held to the calls that the daemon makes while it serves:
 *   - calls that only an intruder makes (execve, ptrace, process_vm_*, mount, bpf, kexec_load, init_module, open_by_handle_at, io_uring_*, …)
 *     end the process at once with SIGSYS, which the kernel's audit log names;
 *   - all others that are not in the list answer EPERM, and those which the C library knows how to do without answer ENOSYS;
 *   - of those in the list some depend on their arguments: no new process, only threads; no memory becomes executable; signals to itself only;
 *     of prctl() the name of a thread; sockets of the UNIX domain only, and none is bound, put to listening or connected.
 * Privileges can never grow again (no_new_privs).  None of it can be taken back.
 */
#ifndef FEALTY_SANDBOX_SANDBOX_H
#define FEALTY_SANDBOX_SANDBOX_H

#include <stdbool.h>

#include "base/status.h"

enum sandbox_reach {
	SANDBOX_SERVES,			/* takes connections from the sockets that listen already */
	SANDBOX_ASKS			/* also connects to others, and resolves their names: netlink, and files mapped as code that cannot be written */
};

/**
 * sandbox_enter(reach): holds all threads of the process; any thread, when what listens is listening.  On failure nothing has changed but that
 * privileges cannot grow.  ST_NOMEM; ST_IO with errno: the kernel has no such filter, or refuses it.  In a build without the filter (the option
 * `seccomp` of meson, or a sanitizer) only privileges are held; sandbox_filters() says which it is.
 */
enum status sandbox_enter(enum sandbox_reach reach) MUST_CHECK;
bool sandbox_filters(void) MUST_CHECK;

#endif
