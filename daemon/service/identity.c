/* Who may do what, in one table; and for which programs, by the access file (access.h). */
#include <stdio.h>
#include <string.h>

#include "service/internal.h"

#define TILLS (ROLE_POS | ROLE_BACKEND | ROLE_OPERATOR)

static const unsigned permitted[REQUEST_OP_COUNT] = {
	[REQUEST_PUBLISH] = ROLE_OPERATOR,
	[REQUEST_ENROL] = TILLS,
	[REQUEST_PROFILE] = TILLS,
	[REQUEST_PURCHASE] = TILLS,
	[REQUEST_HOLD] = TILLS,
	[REQUEST_CAPTURE] = TILLS,
	[REQUEST_RELEASE] = TILLS,
	[REQUEST_REDEEM] = TILLS,
	[REQUEST_ADJUST] = ROLE_OPERATOR,
	[REQUEST_TIER] = ROLE_OPERATOR,
	[REQUEST_BIRTHDAY] = TILLS,
	[REQUEST_ACTIVITY] = TILLS,
	[REQUEST_FREEZE] = ROLE_OPERATOR,
	[REQUEST_UNFREEZE] = ROLE_OPERATOR,
	[REQUEST_CLOSE] = ROLE_OPERATOR,
	[REQUEST_RETURN] = TILLS,
	[REQUEST_REVERSE_REDEEM] = TILLS,
	[REQUEST_TRANSFER] = ROLE_BACKEND | ROLE_OPERATOR,
	[REQUEST_MERGE] = ROLE_OPERATOR,
	[REQUEST_ADVANCE] = ROLE_BACKEND | ROLE_OPERATOR,
	[REQUEST_VOUCHER_USE] = TILLS,
	[REQUEST_VOUCHER_VOID] = ROLE_BACKEND | ROLE_OPERATOR,
	[REQUEST_ROTATE_KEY] = ROLE_OPERATOR,
	[REQUEST_APPROVE] = ROLE_APPROVER,
	[REQUEST_APPROVER_KEY] = ROLE_OPERATOR,
	[REQUEST_POOL_JOIN] = ROLE_BACKEND | ROLE_OPERATOR,
	[REQUEST_POOL_LEAVE] = ROLE_BACKEND | ROLE_OPERATOR,
	[REQUEST_MEMBERSHIP_START] = TILLS,
	[REQUEST_MEMBERSHIP_RENEW] = TILLS,
	[REQUEST_MEMBERSHIP_CANCEL] = TILLS,
	[REQUEST_OPENING] = ROLE_OPERATOR,
	[REQUEST_CONSENT] = TILLS,
	[REQUEST_ERASE] = ROLE_OPERATOR,
	[REQUEST_CLOCK_ACCEPT] = ROLE_OPERATOR,
	[REQUEST_QUOTE] = TILLS,
	[REQUEST_BALANCE] = TILLS,
	[REQUEST_HISTORY] = ROLE_BACKEND | ROLE_OPERATOR,
	[REQUEST_VOUCHERS] = TILLS,
	[REQUEST_TRANSACTION] = TILLS | ROLE_AUDITOR | ROLE_APPROVER,
	[REQUEST_PROGRAM] = TILLS | ROLE_AUDITOR | ROLE_APPROVER,
	[REQUEST_CHECKPOINT] = TILLS | ROLE_AUDITOR | ROLE_APPROVER,
	[REQUEST_PROOF] = TILLS | ROLE_AUDITOR,
	[REQUEST_TERMINALS] = TILLS | ROLE_AUDITOR,
	[REQUEST_VAULT] = ROLE_OPERATOR,
	[REQUEST_SCRUB] = ROLE_OPERATOR,
	[REQUEST_PERSON] = ROLE_OPERATOR,
	[REQUEST_SUBSCRIBE] = ROLE_BACKEND | ROLE_AUDITOR | ROLE_OPERATOR,
};

static enum role
role_of(const char *principal)
{
	static const struct { const char *name; enum role role; } roles[] = {
		{ "pos/", ROLE_POS }, { "backend/", ROLE_BACKEND }, { "auditor/", ROLE_AUDITOR },
		{ "operator/", ROLE_OPERATOR }, { "approver/", ROLE_APPROVER },
	};

	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++) {
		if (strncmp(principal, roles[i].name, strlen(roles[i].name)) == 0)
			return roles[i].role;
	}
	return ROLE_NONE;
}

bool
identity_parse(const char *principal, enum net_door door, struct identity *ret)
{
	struct identity who = { .role = ROLE_NONE };

	if (principal[0] == '\0' && door == NET_DOOR_UNIX)
		principal = "operator/local";
	if (!principal_may_enter(principal, who.store, who.terminal) || strlen(principal) >= sizeof(who.principal))
		return false;
	strcpy(who.principal, principal);
	who.role = role_of(principal);
	if (who.role == ROLE_NONE)
		return false;
	if (door == NET_DOOR_LOOPBACK && who.role != ROLE_POS && who.role != ROLE_BACKEND)
		return false;
	*ret = who;
	return true;
}

/* What the transaction of such a command, and so its receipt, shows is for those who may read it: query_transaction(). */
static bool
shows_two(const struct request *r)
{
	return r->op == REQUEST_TRANSFER || r->op == REQUEST_MERGE || r->op == REQUEST_POOL_JOIN || r->op == REQUEST_POOL_LEAVE ||
	    (r->op == REQUEST_HOLD && r->cmd.u.hold.pool) || (r->op == REQUEST_REDEEM && r->cmd.u.redeem.pool);
}

static bool
is_own(const char *said, const char *own)
{
	return said == NULL || strcmp(said, own) == 0;
}

bool
identity_may(const struct identity *who, struct programs *programs, uint32_t program)
{
	if (!party_is_bound(who->party))
		return true;
	const struct program *rules = program == 0 ? NULL : programs_at(programs, program, INT64_MAX);
	return rules != NULL && party_may(who->party, rules->id);
}

/* These are of the log, and look for themselves at what is in it. */
static bool
is_of_the_log(enum request_op op)
{
	return op == REQUEST_TRANSACTION || op == REQUEST_CHECKPOINT || op == REQUEST_PROOF || op == REQUEST_TERMINALS;
}

/* Transactions that are left out show to a client as gaps, so it must have asked for it. */
static bool
follows_all(const struct request *r)
{
	return r->op == REQUEST_SUBSCRIBE && r->member == NULL && !r->events;
}

/* The program is fixed here, since another thread may publish one before the command is decided. */
static void
permit_program(const struct identity *who, struct programs *programs, struct request *r, struct refusal *ret_refusal)
{
	uint32_t n = programs_count(programs);

	if (r->program == NULL && n == 0) {
		refusal_set(ret_refusal, LEDGER_NOT_FOUND, "program", "There is no such program in this ledger; publish one first, or look at its id.");
		return;
	}
	if (r->program == NULL && (n > 1 || follows_all(r))) {
		refusal_set(ret_refusal, LEDGER_PERMISSION_DENIED, "program", "%s acts only for its own programs; name the one that is meant.",
		    who->principal);
		return;
	}
	if (r->program == NULL)
		r->program = programs_at(programs, 1, INT64_MAX)->id;
	if (!party_may(who->party, r->program))
		refusal_set(ret_refusal, LEDGER_PERMISSION_DENIED, "program",
		    "%s may not act for this program; the server's access file says for which it may.", who->principal);
}

void
identity_permit(const struct identity *who, struct programs *programs, struct request *request, struct refusal *ret_refusal)
{
	ret_refusal->result = LEDGER_OK;
	if ((permitted[request->op] & who->role) == 0)
		refusal_set(ret_refusal, LEDGER_PERMISSION_DENIED, "op", "The principal %s may not send `%s`.", who->principal,
		    request_op_str(request->op));
	else if (request->op == REQUEST_HISTORY && request->member == NULL && who->role != ROLE_OPERATOR)
		refusal_set(ret_refusal, LEDGER_PERMISSION_DENIED, "member_no", "Only an operator may ask by a member's number; give an alias.");
	else if (who->role == ROLE_POS && !is_own(request->cmd.store, who->store))
		refusal_set(ret_refusal, LEDGER_PERMISSION_DENIED, "store", "The till %s acts only for its own store.", who->principal);
	else if (who->role == ROLE_POS && !is_own(request->cmd.terminal, who->terminal))
		refusal_set(ret_refusal, LEDGER_PERMISSION_DENIED, "terminal", "The till %s acts only for its own terminal.", who->principal);
	else if (who->role == ROLE_AUDITOR && (request->member != NULL || request->other != NULL))
		refusal_set(ret_refusal, LEDGER_PERMISSION_DENIED, "member",
		    "An auditor reads the ledger by its numbers and names no member; ask without the alias.");
	else if (request->want_receipt && shows_two(request) && who->role != ROLE_OPERATOR)
		refusal_set(ret_refusal, LEDGER_PERMISSION_DENIED, "want_receipt",
		    "The receipt of a %s shows two members, so only an operator may want it; send the command without want_receipt.",
		    request_op_str(request->op));
	else if (party_is_bound(who->party) && !is_of_the_log(request->op))
		permit_program(who, programs, request, ret_refusal);
}
