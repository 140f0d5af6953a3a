/**
 * link.h: the network of a simulated process: net/net.h once more, without sockets.  Connections carry frames, each after a time that dice say, in order
 * within a direction and in any between connections.  What is lost is a connection, with all that was on its way, half a frame or many.
 *
 * Loops are fibers; what net.h says of callbacks holds.  That a peer's bytes are judged and its time is limited is net's own (tests/unit/test_net.c).
 */
#ifndef FEALTY_TESTS_SIMULATION_LINK_H
#define FEALTY_TESTS_SIMULATION_LINK_H

#include "dice.h"
#include "net/net.h"

#define LINK_LOOPS 2

/* The client's end; called in the main context.  ${header} NULL: the connection is gone, and the client's end of it with the return. */
typedef void link_receive_fn(void *client, const struct frame_header *header, struct bytes body);

/* ${dice} is borrowed for good. */
void links_begin(struct dice *dice, link_receive_fn *receive);
/* Frames take so long at most. */
void links_set_delay_us(int64_t us);
/* NULL when nobody listens. */
struct net_conn *link_open(struct net *net, enum net_door door, void *client);
void link_send(struct net_conn *conn, enum frame_type type, uint64_t tag, struct bytes body);
/* The client ends it, or the network does. */
void link_cut(struct net_conn *conn);
/* The error frame that ended it was sent when the process was excused(), which may have ended since. */
bool link_was_excused(const struct net_conn *conn);
/* The process is gone: what it sent may still come, and then the end. */
void links_orphan(void);
/* When the first frame arrives, on either side; INT64_MAX.  And hands over those that are there by now. */
int64_t links_due_us(void);
void links_deliver(void);
/* At the very end. */
void links_free(void);

#endif
