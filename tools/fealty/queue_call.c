/* A queue that is damaged says so and stays as it is until somebody asks for `fealty queue repair`. */
#include "queue_call.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "call.h"
#include "codec/codec.h"

#define ITEM_ARENA_BYTES ((size_t)16 << 20)

enum exit_code
queue_exit_code(enum fealty_queue_error error)
{
	switch (error) {
	case FEALTY_QUEUE_OK: return EXIT_DONE;
	case FEALTY_QUEUE_OTHER: case FEALTY_QUEUE_NOT_OFFLINE: case FEALTY_QUEUE_KEY: case FEALTY_QUEUE_KEY_WAITS: case FEALTY_QUEUE_TOO_LARGE:
	case FEALTY_QUEUE_OPTIONS:
		return EXIT_USAGE;
	case FEALTY_QUEUE_UNREACHED: case FEALTY_QUEUE_ENDED: case FEALTY_QUEUE_LOCKED:
		return EXIT_UNAVAILABLE;
	case FEALTY_QUEUE_NOMEM: case FEALTY_QUEUE_IO: case FEALTY_QUEUE_DAMAGED: case FEALTY_QUEUE_BROKEN:
		return EXIT_INTERNAL;
	}
	return EXIT_INTERNAL;
}

enum exit_code
queue_open(const char *path, const struct fealty_queue_options *options, bool create, bool json, struct fealty_queue **ret_queue)
{
	char message[FEALTY_MESSAGE_BYTES];
	char file[4096];
	struct stat info;

	(void)snprintf(file, sizeof(file), "%s/queue", path);
	if (!create && stat(file, &info) != 0)
		return cli_fail(json, EXIT_USAGE, "there is no queue in %s: %s; `fealty queue add` makes one", path, strerror(errno));
	enum fealty_queue_error error = fealty_queue_open(path, options, ret_queue, message);
	if (error == FEALTY_QUEUE_OPTIONS)
		return cli_fail(json, EXIT_USAGE, "%s: --as, --store, --terminal", message);
	if (error == FEALTY_QUEUE_DAMAGED)
		return cli_fail(json, EXIT_INTERNAL, "%s: `fealty queue repair %s`", message, path);
	return error == FEALTY_QUEUE_OK ? EXIT_DONE : cli_fail(json, queue_exit_code(error), "%s", message);
}

enum exit_code
queue_tell(const struct fealty_queue *queue, enum fealty_queue_error error, bool json)
{
	const char *trouble = fealty_queue_trouble(queue);

	return cli_fail(json, queue_exit_code(error), "%s", trouble[0] != '\0' ? trouble : fealty_queue_error_str(error));
}

void
queue_warn(const struct fealty_queue *queue)
{
	struct fealty_queue_state state;

	fealty_queue_state(queue, &state);
	if (state.cut_bytes > 0)
		(void)fprintf(stderr, "%llu bytes were cut off the end of the queue: a command that was being added when the power failed.\n",
		    (unsigned long long)state.cut_bytes);
	if (state.lost_bytes > 0)
		(void)fprintf(stderr, "%llu bytes of the queue were damaged and are lost; the file is kept as queue.damaged.\n",
		    (unsigned long long)state.lost_bytes);
}

void
queue_state_json(const struct fealty_queue *queue, json_t *object)
{
	struct fealty_queue_state state;

	fealty_queue_state(queue, &state);
	json_put_text(object, "principal", fealty_queue_principal(queue));
	json_put_number(object, "next_seq", state.next_seq);
	json_put_number(object, "waiting", state.waiting);
	json_put_number(object, "answered", state.answered);
	json_put_number(object, "refused", state.refused);
	json_put_number(object, "cut_bytes", state.cut_bytes);
	json_put_number(object, "lost_bytes", state.lost_bytes);
}

static json_t *
request_json(const Fealty__V1__Request *request)
{
	struct arena arena;
	struct buf bytes, text;
	uint8_t chunk[1024];
	ProtobufCBufferSimple packed = PROTOBUF_C_BUFFER_SIMPLE_INIT(chunk);

	(void)fealty__v1__request__pack_to_buffer(request, &packed.base);
	arena_init(&arena, ITEM_ARENA_BYTES);
	buf_init(&bytes);
	buf_init(&text);
	buf_put(&bytes, packed.data, packed.len);
	PROTOBUF_C_BUFFER_SIMPLE_CLEAR(&packed);
	enum status st = codec_json_print(CODEC_REQUEST, buf_bytes(&bytes), false, &arena, &text);
	json_t *object = st == ST_OK ? json_loadb((const char *)text.data, text.len, 0, NULL) : NULL;
	buf_release(&text);
	buf_release(&bytes);
	arena_release(&arena);
	return object != NULL ? object : json_new();
}

json_t *
queue_item_json(const struct fealty_queue_item *item)
{
	json_t *object = json_new();

	json_put_number(object, "terminal_seq", item->seq);
	json_put_text(object, "key", item->key);
	json_put_text(object, "state", item->response == NULL ? "waiting" : item->refused ? "refused" : "applied");
	json_put(object, "command", request_json(item->request));
	if (item->response != NULL)
		json_put(object, "answer", response_json(item->response, NULL));
	return object;
}
