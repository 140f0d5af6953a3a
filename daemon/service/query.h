/* query.h: a read while it is answered: what query.c (members and programs) and query_log.c (the log) share. */
#ifndef FEALTY_SERVICE_QUERY_H
#define FEALTY_SERVICE_QUERY_H

#include "service/internal.h"

struct query {
	struct loop_context *loop;
	const struct identity *who;
	struct request *request;
	struct refusal refusal;
	uint32_t program;
	const struct program *rules;
	uint64_t member;
	int64_t now_us;
	const struct query_ahead *ahead;	/* NULL: nothing was looked for before */
	uint64_t size;			/* applied in the snapshot of state */
	struct view view;
};

/* Appends a Response with query->refusal. */
enum status query_refusal(struct query *q, struct buf *out) MUST_CHECK;

/* The program and the member that a request means, and who it is by now; OK in *${ret_refusal}, or why there is none. */
enum status query_member(struct loop_context *loop, const struct request *request, uint32_t *ret_program, uint64_t *ret_member,
    struct refusal *ret_refusal) MUST_CHECK;

/* Reads of the log: `transaction`, `checkpoint`, `proof`. */
enum status query_transaction(struct query *q, struct buf *out) MUST_CHECK;
enum status query_checkpoint(struct query *q, struct buf *out) MUST_CHECK;
enum status query_proof(struct query *q, struct buf *out) MUST_CHECK;

/* query_terminal.c */
enum status query_terminals(struct query *q, struct buf *out) MUST_CHECK;

/* query_scrub.c */
enum status query_scrub(struct query *q, struct buf *out) MUST_CHECK;

/* query_person.c: `person`, whose member is found; `vault`. */
enum status query_person(struct query *q, struct buf *out) MUST_CHECK;
enum status query_vault(struct query *q, struct buf *out) MUST_CHECK;

#endif
