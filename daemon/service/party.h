/**
 * party.h: what a principal, or a peer's address, has of us at the moment, over all its connections and net threads: connections, commands in flight,
 * subscriptions, and tokens for commands and bytes; and the rules that hold for it.
 *
 * A party lives as long as somebody is connected as it, or a work of it is on its way, or its tokens are not all back: connecting anew gives
 * nobody a new burst.  By the UNIX socket, the operator's door, nothing is counted against the defaults: only what a row of the access file says.
 */
#ifndef FEALTY_SERVICE_PARTY_H
#define FEALTY_SERVICE_PARTY_H

#include "base/status.h"
#include "net/net.h"
#include "service/fair.h"
#include "service/limits.h"

struct access;
struct party;
struct parties;

enum party_kind { PARTY_PRINCIPAL, PARTY_ADDRESS };

/**
 * parties_new(limits, access, ret_parties): ${access} is taken over; NULL: there is no file, and a backend may act for every program.
 * parties_set_access(): the same rules anew, for all who are connected, too.
 * parties_sweep(): frees the parties that nothing keeps any more; once a second or so.
 * Any thread, but for the first and the last.
 */
enum status parties_new(const struct limits *limits, struct access *access, struct parties **ret_parties) MUST_CHECK;
void parties_set_access(struct parties *parties, struct access *access);
void parties_sweep(struct parties *parties, int64_t now_us);
void parties_free(struct parties *parties);		/* accepts NULL */
void parties_set_loops(struct parties *parties, unsigned n_loops);	/* before the first is opened */
size_t parties_count(struct parties *parties);

/**
 * parties_open(parties, kind, name, local, now_us, ret_party): one connection more; parties_close() ends it.  ${local}: by the UNIX socket.
 * ST_FULL: a principal has its connections already (those of an address are counted by net/); ST_NOMEM.
 */
enum status parties_open(struct parties *parties, enum party_kind kind, const char *name, bool local, int64_t now_us,
    struct party **ret_party) MUST_CHECK;
void parties_close(struct parties *parties, struct party *party, int64_t now_us);

/* The party's own value of a limit of connections. */
uint32_t party_limit(struct party *party, bool local, enum limit limit);

/* What is charged, and the limit that refused it. */
struct charge { enum limit limit; int64_t wait_us; };

/**
 * party_charge(party, local, bytes, now_us, ret_charge): a command of ${bytes}.  False: the party has had its share; how long until the next.
 * party_charge_more(): of a batch, the others.  It was let in as a whole.
 * party_send(party, local, n, ret_limit): ${n} commands are in flight from now on, until party_answered().  False: too many are.  Where none is,
 * a batch of any size may be.
 * party_subscribe(): likewise, one subscription, until party_unsubscribe().
 * Any thread.
 */
bool party_is_free_locally(struct party *party);	/* by the UNIX socket nothing would be charged */
bool party_charge(struct party *party, bool local, uint32_t bytes, int64_t now_us, struct charge *ret_charge) MUST_CHECK;
void party_charge_more(struct party *party, bool local, uint32_t commands);
bool party_send(struct party *party, bool local, uint32_t n, enum limit *ret_limit) MUST_CHECK;
void party_answered(struct party *party, uint32_t n);
bool party_subscribe(struct party *party, bool local, enum limit *ret_limit) MUST_CHECK;
void party_unsubscribe(struct party *party);

/* Whether it may act for some programs only; and for this one. */
bool party_is_bound(struct party *party);
bool party_may(struct party *party, const char *program);

/* What it takes of a net loop's time. */
struct net_share *party_share(struct party *party, unsigned loop);

/* Its place in the queue of the commit thread, whose lock guards it. */
struct fair_flow *party_flow(struct party *party);

#endif
