/**
 * Who a peer says that it is, at each door, and what that allows.  Whoever is taken is one of the roles, as the text says, with a till's store and
 * terminal as they stand in it; nobody is `system`; loopback has tills and backends only; and a till acts for no other store and terminal, whatever
 * the command.
 */
#include <stdio.h>

#include "fuzz.h"
#include "service/internal.h"

/* By the grammar alone: <role>/<name>…, each name of letters, digits and ._- */
static enum role
model_role(const char *text)
{
	static const char *const names[] = { "pos", "backend", "auditor", "operator", "approver" };
	static const enum role roles[] = { ROLE_POS, ROLE_BACKEND, ROLE_AUDITOR, ROLE_OPERATOR, ROLE_APPROVER };
	const char *slash = strchr(text, '/');

	for (size_t i = 0; slash != NULL && i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == (size_t)(slash - text) && strncmp(text, names[i], strlen(names[i])) == 0)
			return roles[i];
	return ROLE_NONE;
}

static void
is_himself(const char *text, const struct identity *who)
{
	char again[PRINCIPAL_BYTES * 2];

	assert(strcmp(who->principal, text) == 0 && who->role == model_role(text) && who->role != ROLE_NONE);
	assert(text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/")] == '\0');
	assert(strstr(text, "//") == NULL && text[strlen(text) - 1] != '/');
	if (who->role == ROLE_POS) {
		int n = snprintf(again, sizeof(again), "pos/%s/%s", who->store, who->terminal);
		assert(n > 0 && strcmp(again, text) == 0);
	} else {
		assert(who->store[0] == '\0' && who->terminal[0] == '\0');
	}
}

/* Other stores and terminals, and the own. */
static void
what_is_allowed(const struct identity *who, struct tape *t)
{
	char other[sizeof(who->store) + 1];
	struct request request = { .op = (enum request_op)(1 + tape_below(t, REQUEST_OP_COUNT - 1)) };
	struct refusal refusal;

	(void)snprintf(other, sizeof(other), "%s%s", who->store, tape_u8(t) % 2 == 0 ? "" : "x");
	if (tape_u8(t) % 2 == 0)
		request.cmd.store = other;
	if (tape_u8(t) % 2 == 0)
		request.cmd.terminal = tape_u8(t) % 2 == 0 ? who->terminal : "another";
	identity_permit(who, NULL, &request, &refusal);	/* without an access file nobody asks for programs */
	assert(refusal.result == LEDGER_OK || (refusal.result == LEDGER_PERMISSION_DENIED && refusal.sentence[0] != '\0'));
	if (refusal.result != LEDGER_OK || who->role != ROLE_POS)
		return;
	assert(request.cmd.store == NULL || strcmp(request.cmd.store, who->store) == 0);
	assert(request.cmd.terminal == NULL || strcmp(request.cmd.terminal, who->terminal) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum net_door doors[] = { NET_DOOR_UNIX, NET_DOOR_LOOPBACK, NET_DOOR_TLS };
	static struct parties *parties;
	struct tape t = { bytes_of(data, size) };
	struct identity who;
	char text[512];

	if (parties == NULL) {
		struct limits limits = limits_default();
		enum status st = parties_new(&limits, NULL, &parties);
		assert(st == ST_OK);
	}
	size_t len = tape_below(&t, sizeof(text));
	len = len < t.rest.len ? len : t.rest.len;
	if (len > 0)
		memcpy(text, t.rest.data, len);
	text[len] = '\0';
	t.rest = bytes_of(t.rest.data + len, t.rest.len - len);
	for (size_t i = 0; i < sizeof(doors) / sizeof(doors[0]); i++) {
		if (!identity_parse(text, doors[i], &who))
			continue;
		assert(doors[i] != NET_DOOR_LOOPBACK || who.role == ROLE_POS || who.role == ROLE_BACKEND);
		is_himself(text[0] == '\0' && doors[i] == NET_DOOR_UNIX ? "operator/local" : text, &who);
		enum status st = parties_open(parties, PARTY_PRINCIPAL, who.principal, doors[i] == NET_DOOR_UNIX, 0, &who.party);
		assert(st == ST_OK);
		what_is_allowed(&who, &t);
		parties_close(parties, who.party, 0);
	}
	parties_sweep(parties, 0);
	return 0;
}
