/**
 * The event base is the thread's alone; others write to wake_fd, or change which service is looked at, under the lock that the thread
 * holds while it makes an answer. An answer is made whole before it is sent, so the lock is never held for a peer.
 */
#include "admin/internal.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/net.h"

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct admin *admin = arg;

	(void)fd; (void)what;
	admin->ending = true;
}

static void *
run(void *arg)
{
	struct admin *admin = arg;

	(void)pthread_setname_np(pthread_self(), "admin");
	while (!admin->ending) {
		int rc = event_base_loop(admin->base, EVLOOP_ONCE);
		assert(rc == 0);		/* -1: epoll itself is broken; 1: no event, but wake always is */
		http_end_turn(admin->http);
	}
	return NULL;
}

static enum status
make_base(struct admin *admin)
{
	struct event_config *config = event_config_new();

	if (config != NULL && event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0)
		admin->base = event_base_new_with_config(config);
	if (config != NULL)
		event_config_free(config);
	if (admin->base == NULL)
		return ST_NOMEM;
	admin->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (admin->wake_fd == -1)
		return ST_IO;
	admin->wake = event_new(admin->base, admin->wake_fd, EV_READ, on_wake, admin);
	return admin->wake != NULL && event_add(admin->wake, NULL) == 0 ? ST_OK : ST_NOMEM;
}

/* Signals are the main thread's. */
static enum status
start_thread(struct admin *admin)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = pthread_create(&admin->thread, NULL, run, admin);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0) {
		errno = rc;
		return ST_IO;
	}
	admin->has_thread = true;
	return ST_OK;
}

enum status
admin_open(const char *address, const char *version, struct admin **ret_admin, uint16_t *ret_port)
{
	int fd;

	enum status st = net_bind_loopback(address, &fd, ret_port);
	if (st != ST_OK)
		return st;
	struct admin *admin = calloc(1, sizeof(*admin));
	if (admin == NULL) {
		close(fd);
		return ST_NOMEM;
	}
	admin->version = version;
	admin->begun_us = clock_monotonic_us();
	admin->wake_fd = -1;
	pthread_mutex_init(&admin->lock, NULL);
	st = make_base(admin);
	if (st == ST_OK)
		st = http_new(admin->base, fd, admin, &admin->http);
	else
		close(fd);
	if (st == ST_OK)
		st = start_thread(admin);
	if (st != ST_OK) {
		int e = errno;
		admin_close(admin);
		errno = e;
		return st;
	}
	*ret_admin = admin;
	return ST_OK;
}

void
admin_attach(struct admin *admin, struct service *service)
{
	if (admin == NULL)
		return;
	pthread_mutex_lock(&admin->lock);
	admin->service = service;
	pthread_mutex_unlock(&admin->lock);
}

void
admin_detach(struct admin *admin)
{
	if (admin == NULL)
		return;
	pthread_mutex_lock(&admin->lock);
	admin->service = NULL;
	admin->stopping = true;
	pthread_mutex_unlock(&admin->lock);
}

void
admin_close(struct admin *admin)
{
	if (admin == NULL)
		return;
	if (admin->has_thread) {
		(void)eventfd_write(admin->wake_fd, 1);		/* the counter is 0 */
		pthread_join(admin->thread, NULL);
	}
	http_free(admin->http);
	if (admin->wake != NULL)
		event_free(admin->wake);
	if (admin->base != NULL)
		event_base_free(admin->base);
	if (admin->wake_fd != -1)
		close(admin->wake_fd);
	pthread_mutex_destroy(&admin->lock);
	free(admin);
}
