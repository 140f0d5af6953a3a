/**
 * One queue under one lock.  unfinished counts the jobs submitted and not yet signed: those in the queue and those in a thread's hands.
 * A job belongs to the pool until unfinished has fallen to zero under the lock, which also makes its signature visible to the waiting
 * thread.  A worker is woken only when one sleeps that no earlier wake-up is on its way to (asleep > woken); a busy worker looks at the
 * queue again by itself before it sleeps, so no wake-up is lost; and one sleeps on while those that are awake have no more jobs than they
 * are.  The submitting thread never sleeps while the queue has a job: it signs.
 */
#include "signer/signer.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "signer/internal.h"

struct worker {
	struct signer *signer;
	pthread_t thread;
	struct buf pae;
};

struct signer {
	const struct keys *keys;
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	struct sign_job *head, *tail;
	size_t queued, unfinished;
	unsigned asleep, woken;			/* workers in a wait, and those of them that a signal was sent to */
	bool waiting, stopping;
	enum status failure;			/* of the jobs since the last signer_wait() */
	struct buf pae;				/* the submitting thread's */
	unsigned n_workers;
	struct worker workers[];
};

/* The next job, or NULL.  Under the lock. */
static struct sign_job *
take(struct signer *signer)
{
	struct sign_job *job = signer->head;

	if (job != NULL) {
		signer->head = job->next;
		job->next = NULL;
		signer->queued--;
	}
	return job;
}

/* Called and returns under the lock, which it lets go for the signature. */
static void
run(struct signer *signer, struct sign_job *job, struct buf *pae)
{
	pthread_mutex_unlock(&signer->lock);
	enum status st = keys_sign(signer->keys, KEY_TRANSACTION, pae, SIGNER_TRANSACTION_TYPE, job->body, job->signature);
	pthread_mutex_lock(&signer->lock);
	if (st != ST_OK)
		signer->failure = st;
	assert(signer->unfinished > 0);
	signer->unfinished--;
	if (signer->unfinished == 0 && signer->waiting)
		pthread_cond_signal(&signer->done);
}

static void *
worker_main(void *arg)
{
	struct worker *worker = arg;
	struct signer *signer = worker->signer;

	(void)pthread_setname_np(pthread_self(), "sign");
	pthread_mutex_lock(&signer->lock);
	while (!signer->stopping) {
		struct sign_job *job = take(signer);
		if (job != NULL) {
			run(signer, job, &worker->pae);
			continue;
		}
		signer->asleep++;
		pthread_cond_wait(&signer->work, &signer->lock);
		signer->asleep--;
		if (signer->woken > 0)			/* none is on its way when the wake-up was spurious */
			signer->woken--;
	}
	pthread_mutex_unlock(&signer->lock);
	return NULL;
}

/* Signals are for the threads that expect them. */
static int
start_worker(struct worker *worker)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&worker->thread, NULL, worker_main, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

enum status
signer_new(const struct keys *keys, unsigned threads, struct signer **ret_signer)
{
	struct signer *signer = calloc(1, sizeof(*signer) + threads * sizeof(signer->workers[0]));

	if (signer == NULL)
		return ST_NOMEM;
	signer->keys = keys;
	pthread_mutex_init(&signer->lock, NULL);
	pthread_cond_init(&signer->work, NULL);
	pthread_cond_init(&signer->done, NULL);
	for (; signer->n_workers < threads; signer->n_workers++) {
		struct worker *worker = &signer->workers[signer->n_workers];
		worker->signer = signer;
		if (start_worker(worker) != 0) {
			signer_free(signer);
			return ST_NOMEM;
		}
	}
	*ret_signer = signer;
	return ST_OK;
}

void
signer_free(struct signer *signer)
{
	if (signer == NULL)
		return;
	pthread_mutex_lock(&signer->lock);
	signer->stopping = true;
	pthread_cond_broadcast(&signer->work);
	pthread_mutex_unlock(&signer->lock);
	for (unsigned i = 0; i < signer->n_workers; i++) {
		pthread_join(signer->workers[i].thread, NULL);
		buf_release(&signer->workers[i].pae);
	}
	pthread_cond_destroy(&signer->done);
	pthread_cond_destroy(&signer->work);
	pthread_mutex_destroy(&signer->lock);
	buf_release(&signer->pae);
	free(signer);
}

void
signer_submit(struct signer *signer, struct sign_job *job)
{
	job->next = NULL;
	pthread_mutex_lock(&signer->lock);
	if (signer->head == NULL)
		signer->head = job;
	else
		signer->tail->next = job;
	signer->tail = job;
	signer->unfinished++;
	signer->queued++;
	unsigned awake = signer->n_workers - signer->asleep + signer->woken;
	bool wake = signer->asleep > signer->woken && signer->queued > awake;
	if (wake)
		signer->woken++;
	pthread_mutex_unlock(&signer->lock);
	if (wake)
		pthread_cond_signal(&signer->work);
}

enum status
signer_wait(struct signer *signer)
{
	struct sign_job *job;

	pthread_mutex_lock(&signer->lock);
	while ((job = take(signer)) != NULL)
		run(signer, job, &signer->pae);
	signer->waiting = true;
	while (signer->unfinished > 0)
		pthread_cond_wait(&signer->done, &signer->lock);
	signer->waiting = false;
	enum status st = signer->failure;
	signer->failure = ST_OK;
	pthread_mutex_unlock(&signer->lock);
	return st;
}
