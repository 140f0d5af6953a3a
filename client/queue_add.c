/*
 * What may come into a queue.  The table is by the names of the protocol, so that it can name operations of a newer server; what is not in
 * it may not be queued.
 */
#include "queue_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define COMMAND_BYTES_MAX 60000

/* What spends and may be queued all the same is listed with what makes sure that it is not spent twice. */
static const struct offline_op { const char *name; bool marks_offline; } offline_ops[] = {
	{ "enrol", false }, { "profile", false }, { "purchase", false }, { "activity", false }, { "return", false },
	{ "reverse_redeem", false }, { "birthday", false }, { "release", false },
	{ "capture", false },		/* of a hold that the server granted beforehand */
	{ "voucher_use", true },	/* a second use becomes a conflict */
};

/* Of the others: what to do instead. */
static const struct { const char *name, *instead; } online_ops[] = {
	{ "redeem", "ask for a hold with for_terminal while the server can be reached, and queue its capture" },
	{ "hold", "a hold is granted by the server, so ask for it while it can be reached" },
	{ "voucher_void", "a voucher is voided by the server, so ask for it while it can be reached" },
};

/* The field of the request's operation; NULL: it has none. */
static const ProtobufCFieldDescriptor *
op_field(const Fealty__V1__Request *request)
{
	return request->op_case == FEALTY__V1__REQUEST__OP__NOT_SET ? NULL
	    : protobuf_c_message_descriptor_get_field(&fealty__v1__request__descriptor, (unsigned)request->op_case);
}

static enum fealty_queue_error
check_op(struct fealty_queue *q, const ProtobufCFieldDescriptor *op, const struct offline_op **ret_row)
{
	const char *name = op == NULL ? "a command without an operation" : op->name;

	for (size_t i = 0; op != NULL && i < sizeof offline_ops / sizeof *offline_ops; i++) {
		if (strcmp(offline_ops[i].name, name) == 0) {
			*ret_row = &offline_ops[i];
			return FEALTY_QUEUE_OK;
		}
	}
	for (size_t i = 0; i < sizeof online_ops / sizeof *online_ops; i++) {
		if (strcmp(online_ops[i].name, name) == 0)
			return queue_fail(q, FEALTY_QUEUE_NOT_OFFLINE, "%s cannot be queued: %s", name, online_ops[i].instead);
	}
	return queue_fail(q, FEALTY_QUEUE_NOT_OFFLINE, "%s cannot be queued: send it while the server can be reached", name);
}

static bool
contradicts(const char *said, const char *is)
{
	return said != NULL && said != protobuf_c_empty_string && strcmp(said, is) != 0;
}

static enum fealty_queue_error
check_request(struct fealty_queue *q, const Fealty__V1__Request *request)
{
	if (contradicts(request->store, q->store) || contradicts(request->terminal, q->terminal))
		return queue_fail(q, FEALTY_QUEUE_OTHER, "the queue is of terminal %.64s of store %.64s, and the command names another", q->terminal, q->store);
	if (request->key == NULL)
		return FEALTY_QUEUE_OK;
	if (!key_valid(request->key))
		return queue_fail(q, FEALTY_QUEUE_KEY, "the command's key is not 1 to 64 of A-Z a-z 0-9 . _ : -");
	for (size_t i = 0; i < q->n; i++) {
		if (q->items[i].state == ITEM_WAITS && strcmp(q->items[i].key, request->key) == 0)
			return queue_fail(q, FEALTY_QUEUE_KEY_WAITS, "a command with the key %s waits already, as number %llu", request->key,
			    (unsigned long long)q->items[i].seq);
	}
	return FEALTY_QUEUE_OK;
}

static bool
pack(const ProtobufCMessage *message, struct buf *out)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	uint8_t *bytes = malloc(len > 0 ? len : 1);

	if (bytes == NULL)
		return false;
	protobuf_c_message_pack(message, bytes);
	buf_put(out, bytes, len);
	free(bytes);
	return buf_status(out) == ST_OK;
}

/* Says `offline: true` in the operation, which is a copy of the caller's. */
static void
mark_offline(ProtobufCMessage *op)
{
	const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(op->descriptor, "offline");

	if (field == NULL || field->type != PROTOBUF_C_TYPE_BOOL || field->label == PROTOBUF_C_LABEL_REPEATED)
		return;
	*(protobuf_c_boolean *)((char *)op + field->offset) = true;
	if (field->quantifier_offset != 0)
		*(protobuf_c_boolean *)((char *)op + field->quantifier_offset) = true;
}

static bool
pack_offline(const Fealty__V1__Request *request, struct buf *out)
{
	struct buf copy;

	buf_init(&copy);
	Fealty__V1__Request *mine = pack(&request->base, &copy) ? fealty__v1__request__unpack(NULL, copy.len, copy.data) : NULL;
	buf_release(&copy);
	if (mine == NULL)
		return false;
	const ProtobufCFieldDescriptor *op = op_field(mine);
	assert(op != NULL);			/* it was looked at before */
	mark_offline(*(ProtobufCMessage **)((char *)mine + op->offset));
	bool ok = pack(&mine->base, out);
	fealty__v1__request__free_unpacked(mine, NULL);
	return ok;
}

/* The command as it is sent, but for what was refused before it. */
static bool
complete(struct fealty_queue *q, const Fealty__V1__Request *request, const struct offline_op *row, struct queue_item *item)
{
	Fealty__V1__Request mine = *request;
	struct clock clock = clock_system();

	if (request->key != NULL)
		memcpy(item->key, request->key, strlen(request->key) + 1);
	else
		key_next(&q->keys, (uint64_t)(clock.now_us(clock.ctx) / 1000), item->key);
	item->seq = q->next_seq;
	mine.key = item->key;
	mine.store = q->store;
	mine.terminal = q->terminal;
	mine.has_terminal_seq = true;
	mine.terminal_seq = item->seq;
	mine.has_deadline_ms = false;
	mine.n_terminal_refused = 0;
	if (!mine.has_occurred_at) {
		mine.has_occurred_at = true;
		mine.occurred_at = clock.now_us(clock.ctx);
	}
	assert(row != NULL);
	return row->marks_offline ? pack_offline(&mine, &item->request) : pack(&mine.base, &item->request);
}

static enum fealty_queue_error
store(struct fealty_queue *q, const struct queue_item *item)
{
	struct buf body;

	if (item->request.len > COMMAND_BYTES_MAX)
		return queue_fail(q, FEALTY_QUEUE_TOO_LARGE, "the command has %zu bytes, and %d are allowed", item->request.len, COMMAND_BYTES_MAX);
	buf_init(&body);
	buf_put_varint(&body, item->seq);
	buf_put(&body, item->request.data, item->request.len);
	enum fealty_queue_error error = queue_append(q, QUEUE_COMMAND, &body);
	buf_release(&body);
	return error;
}

enum fealty_queue_error
fealty_queue_add(struct fealty_queue *q, const Fealty__V1__Request *request, struct fealty_queue_item *ret_item)
{
	const struct offline_op *row = NULL;
	assert(!q->giving);
	enum fealty_queue_error error = check_op(q, op_field(request), &row);

	if (error == FEALTY_QUEUE_OK)
		error = check_request(q, request);
	if (error != FEALTY_QUEUE_OK)
		return error;
	struct queue_item *item = queue_push(q);
	if (item == NULL)
		return queue_fail(q, FEALTY_QUEUE_NOMEM, "no memory for the queue");
	error = complete(q, request, row, item) ? store(q, item) : queue_fail(q, FEALTY_QUEUE_NOMEM, "no memory for the queue");
	if (error != FEALTY_QUEUE_OK) {
		queue_item_release(item);
		q->n--;
		return error;
	}
	q->next_seq++;
	return ret_item != NULL ? queue_show(q, item, ret_item) : FEALTY_QUEUE_OK;
}
