/*
 * One thread, for all witnesses: their requests run side by side in the fetcher, and whoever is slow or silent holds up neither the others
 * nor a command.  It reads ledger and state in short transactions of its own and writes to neither.
 *
 * For each witness we remember the size that it has cosigned last, as `old`: from what is stored when we start, from its answers later; a
 * 409 teaches it when that is wrong, and is asked again at once, but only once in a row.  A witness that has a size beyond our newest
 * public checkpoint, another root at ours, or to which our tree does not lead (422), has seen another log of this name: that is an alarm, in
 * the log and as a metric, until it cosigns again.  We go on asking, and the daemon goes on serving: an operator has to judge.
 *
 * Which sizes have their quorum is counted in memory for the newest few; at a start the stored rows are verified again for it.
 */
#include "service/witness.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fetch/fetch.h"
#include "merkle/checkpoint.h"
#include "merkle/witness.h"

#define PATH "/add-checkpoint"
#define REQUEST_BYTES_MAX (4096 + CHECKPOINT_NOTE_MAX)
#define BACKOFF_SHIFT_MAX 8			/* 256 s */
#define RETRY_AFTER_MAX_S 3600
#define LOOK_BACK_ROWS_MAX 4096
#define ROUNDS 16
#define SETTLED_MAX (2 * POLICY_MEMBERS_MAX)

enum said { SAID_NOTHING, SAID_FINE, SAID_NO_ANSWER, SAID_REFUSES, SAID_BAD_ANSWER };

struct witness {
	struct witnesses *all;
	int member;				/* of the policy */
	char name[WITNESS_NAME_BYTES], url[FETCH_URL_BYTES + sizeof(PATH)];
	uint64_t known;				/* the size that it has cosigned last, as far as we know */
	uint64_t stored, handed;		/* the newest of which its cosignature is durable; and is being stored */
	bool asking, taught;			/* a request is under way; its last answer was a 409 that taught us */
	struct signed_head head;		/* what is asked for, */
	uint64_t old;				/* and from where */
	unsigned failures;			/* in a row */
	int64_t next_us;			/* monotonic: not before it */
	enum said said;				/* in the log, last */
	/* for figures */
	struct counter asked, answers[FIGURE_WITNESS_ANSWERS], bad_answers;
	atomic_uint_fast64_t cosigned_size;
	_Atomic int64_t cosigned_at_us;		/* by the witness's clock */
	atomic_bool fork;
};

/* Who has cosigned a size, durably. */
struct round {
	uint64_t size;				/* 0: free */
	bool witnessed[POLICY_MEMBERS_MAX];
};

struct settled {
	uint64_t size, time_s;
	int member;
	bool stored;
};

struct witnesses {
	struct service *service;
	struct witness_policy policy;
	struct fetcher *fetcher;
	char user_agent[64];
	pthread_t thread;
	bool started, looked_back, serve_again;
	atomic_bool stopping;
	size_t n;
	struct witness list[WITNESSES_MAX];
	struct round rounds[ROUNDS];
	uint64_t quorum_size;			/* the newest that has its quorum; 0: none */
	atomic_uint_fast64_t cosigned_size;	/* the same, for figures */
	_Atomic int64_t cosigned_at_us;		/* by our clock, or by the newest of its cosignatures */

	pthread_mutex_t lock;			/* guards what the commit thread tells */
	size_t n_settled;
	struct settled settled[SETTLED_MAX];
};

static struct log *
log_of(const struct witness *w)
{
	return w->all->service->log;
}

/* ---- what is asked, and when ---- */

/* Not before a second after the last request, or after a pause that doubles with each failure, or that the witness wants. */
static void
pause_for(struct witness *w, unsigned retry_after_s)
{
	int64_t wait_s = INT64_C(1) << (w->failures < BACKOFF_SHIFT_MAX ? w->failures : BACKOFF_SHIFT_MAX);

	if (retry_after_s > RETRY_AFTER_MAX_S)
		retry_after_s = RETRY_AFTER_MAX_S;
	if (wait_s < retry_after_s)
		wait_s = retry_after_s;
	w->failures++;
	w->next_us = clock_monotonic_us() + wait_s * US_PER_SECOND;
}

static void on_answer(void *ctx, const struct fetch_answer *answer);

static enum status
fetch_hash(void *ctx, unsigned level, uint64_t index, uint8_t ret_hash[static SHA256_BYTES])
{
	return apply_read_tile(ctx, level, index, ret_hash);
}

static enum status
print_request(struct witness *w, struct writer *writer)
{
	struct proof proof = { .n_hashes = 0 };
	struct store_txn *state;

	enum status st = store_read(w->all->service->store, STORE_STATE, &state);
	if (st != ST_OK)
		return st;
	st = proof_consistency(w->old, w->head.head.size, fetch_hash, state, &proof);
	store_abort(state);
	if (st != ST_OK)
		return st;
	witness_request_print(writer, w->old, &proof, bytes_of(w->head.note, w->head.note_bytes));
	return writer_status(writer);
}

static void
ask(struct witness *w, const struct signed_head *head)
{
	char text[REQUEST_BYTES_MAX];
	struct writer writer = writer_of(text, sizeof(text));

	w->head = *head;
	w->old = w->known < head->head.size ? w->known : head->head.size;
	w->next_us = clock_monotonic_us() + US_PER_SECOND;
	enum status st = print_request(w, &writer);
	if (st == ST_OK)
		st = fetch_post(w->all->fetcher, w->url, writer_bytes(&writer), on_answer, w);
	if (st == ST_OK) {
		w->asking = true;
		counter_add(&w->asked, 1);
	} else if (st != ST_NOTFOUND) {		/* state waits for space, and so do we */
		log_event(log_of(w), LOG_LEVEL_ERROR, "witness.not_asked", "witness", w->name, "why", status_str(st), NULL);
		pause_for(w, 0);
	}
}

/* ---- answers ---- */

static const struct { int code; const char *name, *remedy; } answer_table[FIGURE_WITNESS_ANSWERS] = {
	{ 200, "200", "" },
	{ 403, "403", "it trusts another key for this log: give its operator what `fealty log key` prints" },
	{ 404, "404", "it does not know this log: give its operator what `fealty log key` prints" },
	{ 409, "409", "" },
	{ 422, "422", "" },
	{ 429, "429", "it has too much to do" },
	{ 500, "5xx", "it has a failure of its own" },
	{ -1, "other", "the protocol has no such answer: is the URL its submission prefix?" },
	{ 0, "none", "" },
};

const char *
figure_witness_answer_str(size_t answer)
{
	assert(answer < FIGURE_WITNESS_ANSWERS);
	return answer_table[answer].name;
}

static size_t
answer_index(int code)
{
	int wanted = code >= 500 && code <= 599 ? 500 : code;
	size_t i = 0, other = 0;

	for (; i < FIGURE_WITNESS_ANSWERS; i++) {
		if (answer_table[i].code == wanted)
			return i;
		if (answer_table[i].code == -1)
			other = i;
	}
	return other;
}

/* Said once, until it is something else. */
static void
say(struct witness *w, enum said said, enum log_level level, const char *event, const char *key, const char *what, const char *remedy)
{
	if (w->said == said)
		return;
	w->said = said;
	log_event(log_of(w), level, event, "witness", w->name, key, what, "remedy", remedy, NULL);
}

static void
bad_answer(struct witness *w, const char *why)
{
	counter_add(&w->bad_answers, 1);
	say(w, SAID_BAD_ANSWER, LOG_LEVEL_ERROR, "witness.bad_answer", "why", why, "nothing of it is stored; tell its operator");
	pause_for(w, 0);
}

/* It has seen another log than this one under this name. */
static void
tell_fork(struct witness *w, uint64_t theirs, const char *why)
{
	atomic_store(&w->fork, true);
	w->said = SAID_NOTHING;
	log_event(log_of(w), LOG_LEVEL_ERROR, "witness.fork", "witness", w->name, "why", why, "its_size", LOG_N(theirs), "our_size",
	    LOG_N(w->head.head.size), "remedy",
	    "the log was forked, or this is a restored older copy: stop, keep both, and compare them with `fealty audit` before anything else", NULL);
	pause_for(w, 0);
}

/* "" when the lines are cosignatures of what was asked, and its own among them; else why they are not. */
static const char *
judge_lines(struct witness *w, struct bytes body, struct note *note, struct policy_verdict *verdict)
{
	struct note asked;

	if (note_parse_lines(body, note) != NOTE_OK)
		return "it is not made of signature lines";
	if (note_parse(bytes_of(w->head.note, w->head.note_bytes), &asked) != NOTE_OK)
		return "our own checkpoint cannot be read";
	note->text = asked.text;
	if (policy_check_witnesses(&w->all->policy.policy, note, verify_parts, NULL, verdict) != ST_OK)
		return "it could not be verified";
	if (verdict->answer == POLICY_FORGED)
		return "a signature does not hold";
	return verdict->witnessed[w->member] ? "" : "it has no cosignature by the key in the policy";
}

static const struct note_signature *
line_of(const struct note *note, const struct note_key *key)
{
	for (size_t i = 0; i < note->n_signatures; i++) {
		if (note->signature[i].key_id == key->id && bytes_equal(note->signature[i].name, key->name))
			return &note->signature[i];
	}
	return NULL;
}

static void
print_cosignature(const struct witness *w, const struct note *note, int member, struct cosignature *ret)
{
	const struct note_key *key = &w->all->policy.policy.member[member].key;
	const struct note_signature *line = line_of(note, key);
	uint8_t data[NOTE_COSIGNATURE_BYTES];
	struct writer writer = writer_of(ret->line, sizeof(ret->line));

	assert(line != NULL && note_signature_bytes(line, data, sizeof(data)));		/* it was verified */
	*ret = (struct cosignature){ .size = w->head.head.size, .member = member };
	witness_key_hash(key, ret->key_hash);
	note_line_print(&writer, key->name, key->id, bytes_of(data, sizeof(data)));
	ret->len = writer_bytes(&writer).len;
}

/* Others of the policy that one service answers for are as welcome as its own. */
static void
take_lines(struct witness *w, const struct fetch_answer *answer)
{
	struct cosignature list[WITNESSES_MAX];
	struct policy_verdict verdict;
	struct note note;
	size_t n = 0;

	const char *why = judge_lines(w, answer->body, &note, &verdict);
	if (why[0] != '\0') {
		bad_answer(w, why);
		return;
	}
	print_cosignature(w, &note, w->member, &list[n++]);
	for (int i = 0; i < (int)w->all->policy.policy.n_members && n < WITNESSES_MAX; i++) {
		if (verdict.witnessed[i] && i != w->member && w->all->policy.policy.member[i].key.name.len <= WITNESS_KEY_NAME_BYTES_MAX)
			print_cosignature(w, &note, i, &list[n++]);
	}
	w->known = w->head.head.size;
	w->failures = 0;
	w->taught = false;
	atomic_store(&w->fork, false);
	if (commit_cosign(w->all->service->commit, list, n))
		w->handed = w->head.head.size;
	else
		pause_for(w, 0);
}

static void
take_size(struct witness *w, const struct fetch_answer *answer)
{
	uint64_t theirs, ours = w->head.head.size;

	if (!witness_size_parse(bytes_of(answer->content_type, strlen(answer->content_type)), answer->body, &theirs)) {
		bad_answer(w, "a 409 without a size");
		return;
	}
	if (theirs > ours) {
		w->known = theirs;
		tell_fork(w, theirs, "it has cosigned a larger size than any that is public here");
	} else if (theirs == w->old && theirs == ours) {
		tell_fork(w, theirs, "it has cosigned another root for this size");
	} else if (theirs == w->old) {
		bad_answer(w, "a 409 with the size that it was asked from");
	} else {
		w->known = theirs;
		if (w->taught)
			pause_for(w, 0);
		else
			w->next_us = 0;
		w->taught = true;
	}
}

static void
refused(struct witness *w, const struct fetch_answer *answer)
{
	const char *remedy = answer_table[answer_index(answer->code)].remedy;
	char code[16];

	snprintf(code, sizeof(code), "%d", answer->code);
	if (answer->code == 0)
		say(w, SAID_NO_ANSWER, LOG_LEVEL_WARNING, "witness.no_answer", "why", answer->why, "it is asked again");
	else
		say(w, SAID_REFUSES, LOG_LEVEL_WARNING, "witness.refuses", "code", code, remedy);
	pause_for(w, answer->retry_after_s);
}

static void
on_answer(void *ctx, const struct fetch_answer *answer)
{
	struct witness *w = ctx;

	w->asking = false;
	counter_add(&w->answers[answer_index(answer->code)], 1);
	switch (answer->code) {
	case 200:
		take_lines(w, answer);
		break;
	case 409:
		take_size(w, answer);
		break;
	case 422:
		tell_fork(w, w->old, "our tree does not lead to the one that it has cosigned");
		w->known = 0;		/* it tells what it has now */
		break;
	default:
		refused(w, answer);
		break;
	}
}

/* ---- what is stored, and what is served ---- */

static struct witness *
witness_of(struct witnesses *ws, int member)
{
	for (size_t i = 0; i < ws->n; i++) {
		if (ws->list[i].member == member)
			return &ws->list[i];
	}
	return NULL;
}

static struct round *
round_of(struct witnesses *ws, uint64_t size)
{
	struct round *oldest = &ws->rounds[0];

	for (size_t i = 0; i < ROUNDS; i++) {
		if (ws->rounds[i].size == size)
			return &ws->rounds[i];
		if (ws->rounds[i].size < oldest->size)
			oldest = &ws->rounds[i];
	}
	*oldest = (struct round){ .size = size };
	return oldest;
}

static void
found_quorum(struct witnesses *ws, uint64_t size, int64_t at_us)
{
	ws->quorum_size = size;
	atomic_store(&ws->cosigned_at_us, at_us);
	atomic_store(&ws->cosigned_size, size);
}

/* The cosignature of a witness is durable. */
static void
note_stored(struct witness *w, uint64_t size, uint64_t time_s)
{
	if (size <= w->stored)
		return;
	w->stored = size;
	if (size > w->known)
		w->known = size;
	atomic_store(&w->cosigned_at_us, time_s > INT64_MAX / US_PER_SECOND ? INT64_MAX : (int64_t)time_s * US_PER_SECOND);
	atomic_store(&w->cosigned_size, size);
}

static void
take_stored(struct witnesses *ws, const struct settled *settled)
{
	struct service *s = ws->service;
	struct round *round = round_of(ws, settled->size);
	struct witness *w = witness_of(ws, settled->member);

	round->witnessed[settled->member] = true;
	if (settled->size > ws->quorum_size && policy_quorum_met(&ws->policy.policy, round->witnessed))
		found_quorum(ws, settled->size, s->params.clock.now_us(s->params.clock.ctx));
	ws->serve_again = true;
	if (w == NULL)
		return;
	note_stored(w, settled->size, settled->time_s);
	if (w->said != SAID_FINE)
		log_event(s->log, LOG_LEVEL_INFO, "witness.cosigned", "witness", w->name, "size", LOG_N(settled->size), NULL);
	w->said = SAID_FINE;
}

static void
take_settled(struct witnesses *ws)
{
	struct settled list[SETTLED_MAX];

	pthread_mutex_lock(&ws->lock);
	size_t n = ws->n_settled;
	memcpy(list, ws->settled, n * sizeof(*list));
	ws->n_settled = 0;
	pthread_mutex_unlock(&ws->lock);
	for (size_t i = 0; i < n; i++) {
		struct witness *w = witness_of(ws, list[i].member);
		if (list[i].stored) {
			take_stored(ws, &list[i]);
		} else if (w != NULL) {
			w->handed = 0;
			pause_for(w, 0);
		}
	}
}

static void
serve(struct witnesses *ws, uint64_t public_size)
{
	struct service *s = ws->service;
	uint64_t before = s->served.size, size = ws->quorum_size;		/* nobody else writes it */
	struct store_txn *ledger;
	struct log_note note;

	if (size == 0 || ws->policy.policy.quorum == POLICY_NOBODY)
		size = public_size;
	if (size < before)
		size = before;
	if (size == before && !ws->serve_again)
		return;
	enum status st = store_read(s->store, STORE_LEDGER, &ledger);
	if (st == ST_OK) {
		st = log_note_read(ledger, size, &note);
		store_abort(ledger);
	}
	if (st == ST_OK)
		log_note_serve(s, &note);
	else
		log_event(s->log, LOG_LEVEL_ERROR, "checkpoint.not_served", "why", status_str(st), NULL);
	ws->serve_again = false;
}

/* ---- what was stored before we started ---- */

/* Whether the quorum of this size is stored; *${ret_time_s} is the newest time that its witnesses say. */
static bool
has_quorum(struct witnesses *ws, struct store_txn *ledger, uint64_t size, bool first, uint64_t *ret_time_s)
{
	struct policy_verdict verdict;
	struct log_note text;
	struct note note;

	*ret_time_s = 0;
	if (log_note_read(ledger, size, &text) != ST_OK || note_parse(bytes_of(text.text, text.len), &note) != NOTE_OK ||
	    policy_check_witnesses(&ws->policy.policy, &note, verify_parts, NULL, &verdict) != ST_OK || verdict.answer == POLICY_FORGED) {
		log_event(ws->service->log, LOG_LEVEL_ERROR, "cosignature.damaged", "size", LOG_N(size), "remedy",
		    "a stored cosignature does not hold; `fealty audit` looks at the whole ledger", NULL);
		return false;
	}
	for (size_t i = 0; i < note.n_signatures; i++) {
		uint64_t time_s;
		if (cosignature_time(&note.signature[i], &time_s) && time_s > *ret_time_s)
			*ret_time_s = time_s;
	}
	if (first)
		memcpy(round_of(ws, size)->witnessed, verdict.witnessed, sizeof(verdict.witnessed));
	return verdict.answer == POLICY_ACCEPTED;
}

static void
look_at_row(struct witnesses *ws, uint64_t size, struct bytes key, struct bytes line)
{
	uint8_t hash[SHA256_BYTES];
	struct note note;

	for (size_t i = 0; i < ws->n; i++) {
		uint64_t time_s = 0;
		witness_key_hash(&ws->policy.policy.member[ws->list[i].member].key, hash);
		if (memcmp(key.data + 8, hash, sizeof(hash)) != 0)
			continue;
		if (note_parse_lines(line, &note) == NOTE_OK && note.n_signatures == 1 && cosignature_time(&note.signature[0], &time_s))
			note_stored(&ws->list[i], size, time_s);
	}
}

/* The greatest key below; false: there can be none. */
static bool
key_before(uint8_t *key, size_t len)
{
	while (len > 0 && key[len - 1]-- == 0)
		len--;
	return len > 0;
}

static bool
all_found(const struct witnesses *ws)
{
	for (size_t i = 0; i < ws->n; i++) {
		if (ws->list[i].stored == 0)
			return false;
	}
	return ws->quorum_size != 0;
}

/* From the newest row back, until a quorum and a row of each witness are found; of what is older than these rows witnesses tell us when asked. */
static enum status
look_back(struct witnesses *ws, struct store_txn *ledger)
{
	uint8_t data[COSIGNATURE_KEY_BYTES];
	uint64_t size_before = 0, time_s;
	struct bytes key, line;

	enum status st = store_last(ledger, TABLE_COSIGNATURE, &key, &line);
	for (unsigned i = 0; st == ST_OK && key.len == sizeof(data) && i < LOOK_BACK_ROWS_MAX && !all_found(ws); i++) {
		uint64_t size = get_be64(key.data);
		look_at_row(ws, size, key, line);
		memcpy(data, key.data, sizeof(data));
		if (size != size_before && ws->quorum_size == 0 && has_quorum(ws, ledger, size, i == 0, &time_s))
			found_quorum(ws, size, time_s > INT64_MAX / US_PER_SECOND ? INT64_MAX : (int64_t)time_s * US_PER_SECOND);
		size_before = size;
		st = key_before(data, sizeof(data)) ? store_floor(ledger, TABLE_COSIGNATURE, bytes_of(data, sizeof(data)), &key, &line) : ST_NOTFOUND;
	}
	return st == ST_NOTFOUND ? ST_OK : st;
}

static void
look_back_once(struct witnesses *ws)
{
	struct store_txn *ledger;

	if (ws->looked_back)
		return;
	enum status st = store_read(ws->service->store, STORE_LEDGER, &ledger);
	if (st == ST_OK) {
		st = look_back(ws, ledger);
		store_abort(ledger);
	}
	if (st != ST_OK)
		log_event(ws->service->log, LOG_LEVEL_ERROR, "cosignature.not_read", "why", status_str(st), NULL);
	ws->looked_back = true;
}

/* ---- the thread ---- */

/* Asks whoever is due; how long until the next is. */
static unsigned
ask_all(struct witnesses *ws, const struct signed_head *head)
{
	int64_t wait_us = US_PER_SECOND;

	for (size_t i = 0; i < ws->n; i++) {
		struct witness *w = &ws->list[i];
		if (w->asking || head->head.size <= w->stored || head->head.size <= w->handed)
			continue;
		int64_t left_us = w->next_us - clock_monotonic_us();
		if (left_us <= 0)
			ask(w, head);
		else if (left_us < wait_us)
			wait_us = left_us;
	}
	return (unsigned)(wait_us / 1000 + 1);
}

static void *
run(void *arg)
{
	struct witnesses *ws = arg;
	struct service *s = ws->service;
	struct signed_head head;

	(void)pthread_setname_np(pthread_self(), "witnesses");
	while (!atomic_load(&ws->stopping)) {
		unsigned wait_ms = 1000;
		pthread_mutex_lock(&s->head_lock);
		head = s->public_checkpoint;
		pthread_mutex_unlock(&s->head_lock);
		take_settled(ws);
		if (head.head.size > 0) {
			look_back_once(ws);
			serve(ws, head.head.size);
			wait_ms = ask_all(ws, &head);
		}
		fetcher_run(ws->fetcher, wait_ms);
	}
	return NULL;
}

void
witnesses_settled(struct witnesses *ws, const struct cosignature *list, size_t n, bool stored)
{
	pthread_mutex_lock(&ws->lock);
	for (size_t i = 0; i < n && ws->n_settled < SETTLED_MAX; i++) {
		struct settled *settled = &ws->settled[ws->n_settled++];
		struct note note;
		*settled = (struct settled){ .size = list[i].size, .member = list[i].member, .stored = stored };
		if (note_parse_lines(bytes_of(list[i].line, list[i].len), &note) != NOTE_OK || !cosignature_time(&note.signature[0], &settled->time_s))
			settled->time_s = 0;
	}
	pthread_mutex_unlock(&ws->lock);
	witnesses_wake(ws);
}

void
witnesses_wake(struct witnesses *ws)
{
	fetcher_wake(ws->fetcher);
}

/* ---- figures ---- */

static uint64_t
age_us(const struct service *s, int64_t at_us)
{
	int64_t now_us = s->params.clock.now_us(s->params.clock.ctx);

	return now_us > at_us ? (uint64_t)(now_us - at_us) : 0;
}

void
witnesses_figures(const struct witnesses *ws, struct figures *ret)
{
	ret->n_witnesses = ws->n;
	ret->cosigned_size = atomic_load(&ws->cosigned_size);
	ret->cosigned_age_us = age_us(ws->service, atomic_load(&ws->cosigned_at_us));
	for (size_t i = 0; i < ws->n; i++) {
		const struct witness *w = &ws->list[i];
		struct figure_witness *f = &ret->witnesses[i];
		f->name = w->name;
		f->asked = counter_read(&w->asked);
		f->bad_answers = counter_read(&w->bad_answers);
		for (size_t a = 0; a < FIGURE_WITNESS_ANSWERS; a++)
			f->answers[a] = counter_read(&w->answers[a]);
		f->fork = atomic_load(&w->fork);
		f->cosigned_size = atomic_load(&w->cosigned_size);
		f->cosigned_age_us = age_us(ws->service, atomic_load(&w->cosigned_at_us));
	}
}

/* ---- life ---- */

static void
add_witness(struct witnesses *ws, int member)
{
	const struct policy_member *m = &ws->policy.policy.member[member];
	struct witness *w = &ws->list[ws->n++];
	size_t len = m->url.len;

	w->all = ws;
	w->member = member;
	memcpy(w->name, m->name.data, m->name.len);
	while (len > 0 && m->url.data[len - 1] == '/')
		len--;
	memcpy(w->url, m->url.data, len);
	strcpy(w->url + len, PATH);
}

enum status
witnesses_new(struct service *s, struct witnesses **ret_witnesses, char *message)
{
	struct witnesses *ws = calloc(1, sizeof(*ws));

	_Static_assert(WITNESSES_MAX <= FIGURE_WITNESSES_MAX, "figures have room");
	if (ws == NULL)
		return ST_NOMEM;
	ws->service = s;
	pthread_mutex_init(&ws->lock, NULL);
	snprintf(ws->user_agent, sizeof(ws->user_agent), "fealtyd/%s", s->params.version);
	enum status st = witness_policy_read(s->params.witnesses_path, bytes_of(s->origin, strlen(s->origin)), apply_keys(s->apply), &ws->policy,
	    message);
	if (st == ST_OK && ws->policy.lacks_newest_key)
		log_event(s->log, LOG_LEVEL_WARNING, "witness.policy_is_old", "remedy",
		    "the log's key was rotated: add what `fealty log key` prints to the policy, and tell whoever has a copy", NULL);
	if (st == ST_OK)
		st = fetcher_new(ws->user_agent, &ws->fetcher);
	if (st != ST_OK) {
		witnesses_free(ws);
		return st;
	}
	for (int i = 0; i < (int)ws->policy.policy.n_members; i++) {
		if (ws->policy.policy.member[i].threshold == 0 && ws->policy.policy.member[i].url.len > 0)
			add_witness(ws, i);
	}
	*ret_witnesses = ws;
	return ST_OK;
}

/* Signals are the main thread's. */
enum status
witnesses_start(struct witnesses *ws)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ws->started = pthread_create(&ws->thread, NULL, run, ws) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ws->started ? ST_OK : ST_NOMEM;
}

void
witnesses_stop(struct witnesses *ws)
{
	if (ws == NULL || !ws->started)
		return;
	atomic_store(&ws->stopping, true);
	witnesses_wake(ws);
	pthread_join(ws->thread, NULL);
	ws->started = false;
}

void
witnesses_free(struct witnesses *ws)
{
	if (ws == NULL)
		return;
	assert(!ws->started);
	fetcher_free(ws->fetcher);
	witness_policy_release(&ws->policy);
	pthread_mutex_destroy(&ws->lock);
	free(ws);
}
