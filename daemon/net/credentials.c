/*
 * Each loop has a reference of its own to what its connections are judged by, so new ones need no lock: they come as a message like any other.
 * Then the loop's connections are judged again.  Denied keys first and all at once, which is a search in memory; the rest, which verifies
 * signatures, NET_JUDGED_PER_TURN at a time, so that thousands of tills cost the others no pause.  Those that were judged go to the end of the
 * loop's list, where new ones come as well: as long as the first is of an older judgement, there is work.
 */
#include "net/internal.h"

#include <stdio.h>
#include <stdlib.h>

static void
refuse(struct net_conn *conn)
{
	char message[TLS_MESSAGE_BYTES + 64];

	snprintf(message, sizeof(message), "the certificate that this connection came with is not accepted any more: %s", tls_session_why(conn->tls));
	net_conn_fail(conn, FRAME_ERROR_PRINCIPAL_REFUSED, message, 0, 0);
}

static bool
is_to_be_judged(const struct net_conn *conn)
{
	return conn->tls != NULL && conn->state == CONN_OPEN;
}

static void
refuse_denied(struct net_loop *loop)
{
	struct net_conn *conn, *next;

	for (conn = TAILQ_FIRST(&loop->all); conn != NULL; conn = next) {
		next = TAILQ_NEXT(conn, all);
		if (is_to_be_judged(conn) && tls_session_denied(conn->tls, loop->tls))
			net_conn_fail(conn, FRAME_ERROR_PRINCIPAL_REFUSED, "the key of this connection's certificate is on the deny list now", 0, 0);
	}
}

void
loop_judge_some(struct net_loop *loop)
{
	struct net_conn *conn;

	for (unsigned n = 0; n < NET_JUDGED_PER_TURN; n++) {
		conn = TAILQ_FIRST(&loop->all);
		loop->judging = conn != NULL && conn->judgement != loop->judgement;
		if (!loop->judging)
			return;
		TAILQ_REMOVE(&loop->all, conn, all);
		TAILQ_INSERT_TAIL(&loop->all, conn, all);
		conn->judgement = loop->judgement;
		if (is_to_be_judged(conn) && !tls_session_still_good(conn->tls, loop->tls))
			refuse(conn);
	}
}

struct new_tls {
	struct net_message message;
	struct tls *tls;
};

static void
take_tls(struct net_message *m, struct net_loop *loop, struct net_conn *none)
{
	struct new_tls *new = (struct new_tls *)(void *)m;

	(void)none;
	tls_unref(loop->tls);
	loop->tls = new->tls;
	loop->judgement++;
	loop->judging = true;
	refuse_denied(loop);
	free(new);
}

enum status
net_set_tls(struct net *net, struct tls *tls)
{
	struct new_tls **new = calloc(net->n_loops, sizeof(struct new_tls *));
	enum status st = new == NULL ? ST_NOMEM : ST_OK;

	for (unsigned i = 0; st == ST_OK && i < net->n_loops; i++) {
		new[i] = calloc(1, sizeof(*new[i]));
		if (new[i] == NULL)
			st = ST_NOMEM;
	}
	for (unsigned i = 0; i < net->n_loops && new != NULL; i++) {
		if (st != ST_OK) {
			free(new[i]);
			continue;
		}
		new[i]->tls = tls_ref(tls);
		new[i]->message.run = take_tls;
		net_post(&net->loops[i], &new[i]->message, &new[i]->message);
	}
	free(new);
	if (st == ST_OK) {
		atomic_store(&net->cert_ends_at, tls_cert_ends_at(tls));
		atomic_store(&net->crl_ends_at, tls_crl_ends_at(tls));
	}
	return st;
}
