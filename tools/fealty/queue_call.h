/* queue_call.h: what the commands of `fealty queue` share. */
#ifndef FEALTY_TOOLS_QUEUE_CALL_H
#define FEALTY_TOOLS_QUEUE_CALL_H

#include "cli.h"
#include "fealty_queue.h"

/* Opens the queue, which must be there unless ${create}; tells why not.  On EXIT_DONE the caller closes *${ret_queue}. */
enum exit_code queue_open(const char *path, const struct fealty_queue_options *options, bool create, bool json, struct fealty_queue **ret_queue);

/* The exit code that an error stands for. */
enum exit_code queue_exit_code(enum fealty_queue_error error);

/* Tells of an error of a queue that is open. */
enum exit_code queue_tell(const struct fealty_queue *queue, enum fealty_queue_error error, bool json);

/* Tells people, on standard error, what the opening cut off or went past. */
void queue_warn(const struct fealty_queue *queue);

/* What a queue holds, as keys of ${object}. */
void queue_state_json(const struct fealty_queue *queue, json_t *object);

/* One of its commands: the event, and the answer when there is one. */
json_t *queue_item_json(const struct fealty_queue_item *item);

#endif
