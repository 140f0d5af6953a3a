/*
 * What is needed is fetched before the transactions are: a checkpoint that a daemon has shown must be of the ledger that it sends afterwards.
 */
#include "audit_wire.h"

#include <inttypes.h>
#include <string.h>

/* ---- checkpoints ---- */

static bool
is_none(const struct fealty_result *result)
{
	const Fealty__V1__Response *r = result->response;

	return r != NULL && r->status == FEALTY__V1__CODE__NOT_FOUND;
}

enum exit_code
audit_wire_head(const struct call_options *call, struct fealty_client *client, uint64_t size, struct log_head *ret_head, bool *ret_found)
{
	Fealty__V1__Request request;
	Fealty__V1__CheckpointGet body = FEALTY__V1__CHECKPOINT_GET__INIT;
	struct fealty_result result;
	enum exit_code code = EXIT_DONE;
	const char *why = "it is empty";

	call_request_init(call, FEALTY__V1__REQUEST__OP_CHECKPOINT, &request);
	body.has_size = size > 0;
	body.size = size;
	request.checkpoint = &body;
	*ret_found = fealty_call(client, &request, &result) == FEALTY_OK;
	const char *note = *ret_found ? result.response->note : NULL;
	if (!*ret_found && !is_none(&result))
		code = call_tell(call, &result);
	else if (*ret_found && (note == NULL || !log_head_read(bytes_of(note, strlen(note)), ret_head, &why)))
		code = cli_fail(call->json, EXIT_REFUSED, "what %s gives for its checkpoint is none: %s", call->address, why);
	fealty_result_release(&result);
	return code;
}

/* ---- transactions ---- */

struct listener { struct audit *audit; enum status status; };

static enum status
take(struct audit *audit, const struct fealty_transaction *t)
{
	struct bytes leaf = bytes_of(t->data, t->data_bytes);
	uint64_t seq = audit->first + audit->n;

	if (t->seq != seq) {
		finding_set_at(&audit->finding, seq, "transaction %" PRIu64 ": it is missing", seq);
		return ST_INVALID;
	}
	if (leaf.len == 0 || leaf.len > LEDGER_LEAF_BYTES_MAX) {
		finding_set_at(&audit->finding, seq, "transaction %" PRIu64 ": it has %zu bytes, and 1 to %d are allowed", seq, leaf.len,
		    LEDGER_LEAF_BYTES_MAX);
		return ST_INVALID;
	}
	audit->total = t->head < audit->until ? t->head : audit->until;
	enum status st = audit_fits(audit, leaf.len) ? ST_OK : audit_chunk(audit);
	if (st == ST_OK)
		audit_take(audit, leaf);
	return st;
}

static bool
on_transaction(void *ctx, const struct fealty_transaction *t)
{
	struct listener *l = ctx;

	l->status = take(l->audit, t);
	return l->status == ST_OK && l->audit->first + l->audit->n < l->audit->until;
}

static enum status
judge_end(struct audit *audit)
{
	const struct log_head *last = audit->n_extra > 0 ? &audit->extra[audit->n_extra - 1] : NULL;

	if (last != NULL && last->size > audit->first && audit->first < audit->until) {
		finding_set_checkpoint(&audit->finding, last->size, "CHECKPOINT_DIFFERS", "is of more than the ledger has");
		return ST_INVALID;
	}
	enum status st = audit->checkpoints.newest.size > 0 ? audit_checkpoint_trusted(audit, &audit->checkpoints.newest) : ST_OK;
	return st == ST_OK ? audit_from_end(audit) : st;
}

enum status
audit_wire(struct audit *audit, const struct call_options *call, struct fealty_client *client, enum exit_code *ret_code)
{
	struct listener listener = { .audit = audit, .status = ST_OK };
	struct fealty_subscriber subscriber = { .ctx = &listener, .on_transaction = on_transaction, .stop_at_head = true };
	Fealty__V1__Request request;
	Fealty__V1__Subscribe body = FEALTY__V1__SUBSCRIBE__INIT;
	struct fealty_result result;

	*ret_code = EXIT_DONE;
	call_request_init(call, FEALTY__V1__REQUEST__OP_SUBSCRIBE, &request);
	request.subscribe = &body;
	enum fealty_outcome outcome = fealty_subscribe(client, &request, &subscriber, &result);
	enum status st = listener.status;
	if (st == ST_OK && outcome == FEALTY_OK)
		st = audit_drain(audit);
	else if (st == ST_OK)
		*ret_code = call_tell(call, &result);
	fealty_result_release(&result);
	return st == ST_OK && *ret_code == EXIT_DONE ? judge_end(audit) : st;
}
