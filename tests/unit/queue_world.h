/* queue_world.h: a queue in a directory of its own, and what tests do with it. */
#ifndef FEALTY_TEST_QUEUE_WORLD_H
#define FEALTY_TEST_QUEUE_WORLD_H

#include "base/bytes.h"
#include "fake_server.h"
#include "fealty_queue.h"

extern const struct fealty_queue_options queue_till;	/* pos/0042/07 */

struct place { char dir[40], queue[64], file[80]; };
void place_init(struct place *p);
void place_release(struct place *p);
void file_read(const struct place *p, struct buf *ret);
void file_put(const struct place *p, const uint8_t *data, size_t len);

/* Each asserts that it works, but queue_add(). */
struct fealty_queue *queue_open_ok(const struct place *p);
enum fealty_queue_error queue_add(struct fealty_queue *q, const char *key, struct fealty_queue_item *ret);
void queue_add_ok(struct fealty_queue *q, const char *key, uint64_t seq);

/* What it holds: numbers and keys. */
struct seen { size_t n; uint64_t seq[64]; char key[64][65]; };
struct seen queue_look(struct fealty_queue *q);

#endif
