/*
 * Nobody is interrupted: a fiber gives up the processor where a thread could block, and nowhere else.  So a mutex is only ever found locked when its
 * holder waits inside, for the disk as a rule.
 */
#include "fiber.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>

#include "base/clock.h"

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#define STACK_BYTES ((size_t)4 << 20)
#define FIBERS_MAX 32
#define BEGIN_US (INT64_C(3600) * US_PER_SECOND)

struct fiber {
	ucontext_t context;
	void *stack;
	void *fake_stack;		/* the sanitizer's */
	void *(*run)(void *);
	void *arg, *result;
	bool used, done, waits, timed_out;
	const void *what;		/* waits for it */
	int64_t until_us;
};

static struct {
	struct dice *dice;
	struct fiber fibers[FIBERS_MAX];
	struct fiber *current;		/* NULL: the main context */
	ucontext_t main_context;
	void *main_fake_stack;
	const void *main_stack;
	size_t main_stack_bytes;
	int64_t now_us, real_minus_us;
} all = { .now_us = BEGIN_US };

static _Noreturn void
stuck(const char *why)
{
	fprintf(stderr, "simulation: %s\n", why);
	abort();
}

/* ---- switching ---- */

static void
leave(void **fake_stack, const void *stack, size_t bytes)
{
#ifdef WITH_ASAN
	__sanitizer_start_switch_fiber(fake_stack, stack, bytes);
#else
	(void)fake_stack;
	(void)stack;
	(void)bytes;
#endif
}

static void
arrive(void *fake_stack, const void **stack, size_t *bytes)
{
#ifdef WITH_ASAN
	__sanitizer_finish_switch_fiber(fake_stack, stack, bytes);
#else
	(void)fake_stack;
	(void)stack;
	(void)bytes;
#endif
}

static void
to_main(struct fiber *f)
{
	leave(f->done ? NULL : &f->fake_stack, all.main_stack, all.main_stack_bytes);
	swapcontext(&f->context, &all.main_context);
	arrive(f->fake_stack, &all.main_stack, &all.main_stack_bytes);
}

static void
begin(void)
{
	struct fiber *f = all.current;

	arrive(NULL, &all.main_stack, &all.main_stack_bytes);
	f->result = f->run(f->arg);
	f->done = true;
	fiber_notify(f, true);
	to_main(f);
	stuck("a thread that ended ran again");
}

static void
free_stack(struct fiber *f)
{
#ifdef WITH_ASAN
	__asan_unpoison_memory_region(f->stack, STACK_BYTES);
#endif
	munmap(f->stack, STACK_BYTES);
	f->stack = NULL;
}

void
fibers_begin(struct dice *dice)
{
	all.dice = dice;
}

static void
give_context(struct fiber *fiber)
{
	if (getcontext(&fiber->context) != 0)
		stuck("no context for a thread");
	fiber->context.uc_stack.ss_sp = fiber->stack;
	fiber->context.uc_stack.ss_size = STACK_BYTES;
	makecontext(&fiber->context, begin, 0);
}

struct fiber *
fiber_new(void *(*run)(void *), void *arg)
{
	struct fiber *f = all.fibers;

	while (f < all.fibers + FIBERS_MAX && f->used)
		f++;
	if (f == all.fibers + FIBERS_MAX)
		return NULL;
	*f = (struct fiber){ .run = run, .arg = arg, .used = true };
	f->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (f->stack == MAP_FAILED)
		stuck("no memory for a stack");
	give_context(f);
	return f;
}

bool
fiber_done(const struct fiber *fiber)
{
	return fiber->done;
}

bool
fiber_inside(void)
{
	return all.current != NULL;
}

bool
fibers_step(void)
{
	struct fiber *can[FIBERS_MAX];
	uint32_t n = 0;

	for (struct fiber *f = all.fibers; f < all.fibers + FIBERS_MAX; f++) {
		if (f->used && !f->done && f->waits && f->until_us <= all.now_us) {
			f->waits = false;
			f->timed_out = true;
		}
		if (f->used && !f->done && !f->waits)
			can[n++] = f;
	}
	if (n == 0)
		return false;
	struct fiber *f = can[dice_below(all.dice, n)];
	all.current = f;
	leave(&all.main_fake_stack, f->stack, STACK_BYTES);
	swapcontext(&all.main_context, &f->context);
	arrive(all.main_fake_stack, NULL, NULL);
	all.current = NULL;
	if (f->done && f->stack != NULL)
		free_stack(f);
	return true;
}

int64_t
fibers_due_us(void)
{
	int64_t least = FIBER_FOR_EVER;

	for (struct fiber *f = all.fibers; f < all.fibers + FIBERS_MAX; f++) {
		if (f->used && !f->done && f->waits && f->until_us < least)
			least = f->until_us;
	}
	return least;
}

void
fibers_abandon(void)
{
	for (struct fiber *f = all.fibers; f < all.fibers + FIBERS_MAX; f++) {
		if (f->used && f->stack != NULL)
			free_stack(f);
		f->used = false;
	}
}

/* ---- waiting ---- */

bool
fiber_wait(const void *what, int64_t until_us)
{
	struct fiber *f = all.current;

	if (f == NULL)
		stuck("the main context would wait");
	f->what = what;
	f->until_us = until_us;
	f->waits = true;
	f->timed_out = false;
	to_main(f);
	return !f->timed_out;
}

void
fiber_notify(const void *what, bool every)
{
	for (struct fiber *f = all.fibers; f < all.fibers + FIBERS_MAX; f++) {
		if (!f->used || f->done || !f->waits || f->what != what)
			continue;
		f->waits = false;
		if (!every)
			return;
	}
}

void
fiber_join(struct fiber *fiber)
{
	while (!fiber->done)
		(void)fiber_wait(fiber, FIBER_FOR_EVER);
	fiber->used = false;
}

void
fiber_vanish(void)
{
	struct fiber *f = all.current;

	f->waits = true;
	f->what = NULL;
	f->until_us = FIBER_FOR_EVER;
	to_main(f);
	stuck("a thread of a process that was killed ran again");
}

/* ---- time ---- */

int64_t
time_us(void)
{
	return all.now_us;
}

void
time_pass_to(int64_t us)
{
	if (us > all.now_us)
		all.now_us = us;
}

int64_t
time_real_us(void)
{
	return all.now_us + all.real_minus_us;
}

void
time_set_real(int64_t us)
{
	all.real_minus_us = us - all.now_us;
}

static int64_t
clock_now(void *ctx)
{
	(void)ctx;
	return time_real_us();
}

static int64_t
clock_boot(void *ctx)
{
	(void)ctx;
	return all.now_us;
}

struct clock
clock_system(void)
{
	return (struct clock){ .now_us = clock_now, .boot_us = clock_boot };
}

int64_t
clock_monotonic_us(void)
{
	return all.now_us;
}

/* ---- what the C library would have done; by other names, since its headers may define some of them inline ---- */

int real_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg) __asm__("pthread_create");
int real_join(pthread_t thread, void **ret) __asm__("pthread_join");
int real_lock(pthread_mutex_t *mutex) __asm__("pthread_mutex_lock");
int real_unlock(pthread_mutex_t *mutex) __asm__("pthread_mutex_unlock");
int real_wait(pthread_cond_t *cond, pthread_mutex_t *mutex) __asm__("pthread_cond_wait");
int real_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until) __asm__("pthread_cond_timedwait");
int real_signal(pthread_cond_t *cond) __asm__("pthread_cond_signal");
int real_broadcast(pthread_cond_t *cond) __asm__("pthread_cond_broadcast");
int real_nanosleep(const struct timespec *time, struct timespec *left) __asm__("nanosleep");

int
real_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	struct fiber *f = fiber_new(run, arg);

	(void)attr;
	if (f == NULL)
		return EAGAIN;
	*thread = (pthread_t)f;
	return 0;
}

int
real_join(pthread_t thread, void **ret)
{
	struct fiber *f = (struct fiber *)thread;

	fiber_join(f);
	if (ret != NULL)
		*ret = f->result;
	return 0;
}

int
real_lock(pthread_mutex_t *mutex)
{
	int rc;

	while ((rc = pthread_mutex_trylock(mutex)) == EBUSY)
		fiber_wait(mutex, FIBER_FOR_EVER);
	return rc;
}

int
real_unlock(pthread_mutex_t *mutex)
{
	static int (*unlock)(pthread_mutex_t *);

	if (unlock == NULL)
		*(void **)&unlock = dlsym(RTLD_NEXT, "pthread_mutex_unlock");
	int rc = unlock(mutex);
	fiber_notify(mutex, false);
	return rc;
}

static int
wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t until_us)
{
	real_unlock(mutex);
	bool told = fiber_wait(cond, until_us);
	int rc = real_lock(mutex);
	return rc != 0 ? rc : told ? 0 : ETIMEDOUT;
}

int
real_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	return wait_until(cond, mutex, FIBER_FOR_EVER);
}

int
real_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
	return wait_until(cond, mutex, (int64_t)until->tv_sec * US_PER_SECOND + until->tv_nsec / 1000);
}

int
real_signal(pthread_cond_t *cond)
{
	fiber_notify(cond, false);
	return 0;
}

int
real_broadcast(pthread_cond_t *cond)
{
	fiber_notify(cond, true);
	return 0;
}

int
real_nanosleep(const struct timespec *time, struct timespec *left)
{
	(void)left;
	fiber_wait(time, all.now_us + (int64_t)time->tv_sec * US_PER_SECOND + time->tv_nsec / 1000);
	return 0;
}
