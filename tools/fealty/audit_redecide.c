/*
 * Each entry is decided once more on the state before it, where the replay stands anyway.  The first difference waits until its transaction
 * is applied: what evolve() refuses of the same entry says more.  An entry that cannot be decided again is counted, never passed over.
 */
#include "audit.h"
#include "guard.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define ENTRY_ARENA_BYTES ((size_t)64 << 20)

/* A program that does not compile is the replay's to refuse. */
static enum status
compile(struct audit_redecide *r, const struct entry *entry, struct redecide_given *given)
{
	struct program_error error;
	struct program *compiled;

	enum status st = program_from_bytes(entry->u.publish.definition, entry->u.publish.zone_data, &r->arena, &compiled, &error);
	if (st == ST_OK)
		given->published = compiled;
	return st == ST_INVALID || st == ST_CORRUPT ? ST_OK : st;
}

/* An entry that was replayed already, from its source once more; NULL: there is no such one. */
static enum status
read_entry(struct audit_redecide *r, struct entry_id id, const struct entry **ret_entry)
{
	struct signed_transaction s;
	struct transaction t;
	struct bytes leaf;

	*ret_entry = NULL;
	enum status st = r->find(r->find_ctx, id.seq, &r->arena, &leaf);
	if (st == ST_OK)
		st = codec_signed_decode(leaf, &s);
	if (st == ST_OK)
		st = codec_transaction_decode_one(s.transaction, id.index, &r->arena, &t);
	if (st == ST_OK)
		/* cppcheck-suppress autoVariables ; the entries are in the arena */
		*ret_entry = &t.entries[0];
	return st == ST_NOTFOUND ? ST_OK : st;
}

/* What came over the wire is gone. */
static enum status
look_up(struct audit_redecide *r, const struct ledger_state *state, const struct entry *entry, struct entry_id id, struct entry_id past,
    struct redecide_given *given)
{
	bool may = false;

	if (r->find == NULL)
		return ST_OK;
	given->looked = true;
	if (past.seq > id.seq || (past.seq == id.seq && past.index >= id.index))
		return ST_OK;
	enum status st = read_entry(r, past, &given->past);
	guard_at(GUARD_LEDGER, id.seq);
	if (st == ST_OK && given->past != NULL)
		st = entry_may_name(state, entry, given->past, &may);
	if (!may)
		given->past = NULL;
	return st;
}

static enum status
find_given(struct audit_redecide *r, const struct ledger_state *state, const struct entry *entry, struct entry_id id,
    struct redecide_given *given)
{
	struct entry_id past;

	*given = (struct redecide_given){ .looked = false };
	if (entry->op == OP_PUBLISH)
		return compile(r, entry, given);
	return entry_names(entry, &past) ? look_up(r, state, entry, id, past, given) : ST_OK;
}

/* It names what no decision can go by, such as more left of a purchase than was bought: whoever wrote that is found, too. */
static void
cannot_be_decided(struct redecide_difference *difference, enum op op)
{
	(void)snprintf(difference->field, sizeof(difference->field), "inputs.%s", op_str(op));
	(void)snprintf(difference->sentence, sizeof(difference->sentence), "what it goes by, in earlier entries, does not fit together");
}

/* What an operator has accepted with a restore: nothing to decide again, and for every reader of the report to see. */
static void
note_loss(struct audit_redecide *r, const struct entry *entry, struct entry_id id)
{
	json_t *loss = json_new();

	json_put_number(loss, "seq", id.seq);
	json_put_number(loss, "lost_size", entry->u.restore.lost_size);
	json_put_hex(loss, "lost_root", entry->u.restore.lost_root);
	json_put_text(loss, "principal", entry->principal);
	json_put_text(loss, "reason", entry->u.restore.reason);
	int failed = json_array_append_new(r->losses, loss);
	assert(failed == 0);
	(void)failed;
}

static enum status
judge(void *ctx, const struct ledger_state *state, const struct entry *entry, struct entry_id id, int64_t now_us)
{
	struct audit_redecide *r = ctx;
	struct redecide_given given;
	enum redecide_result result;

	r->seen++;
	if (entry->op == OP_RESTORE)
		note_loss(r, entry, id);
	if (r->differs || r->off)
		return ST_OK;
	arena_reset(&r->arena);
	enum status st = find_given(r, state, entry, id, &given);
	if (st == ST_OK)
		st = redecide(state, entry, &given, now_us, &r->arena, &result, &r->difference);
	if (st == ST_CORRUPT) {
		cannot_be_decided(&r->difference, entry->op);
		result = REDECIDE_DIFFERS;
		st = ST_OK;
	}
	if (st != ST_OK)
		return st;
	switch (result) {
	case REDECIDE_EQUAL:
		r->equal++;
		break;
	case REDECIDE_DIFFERS:
		r->differs = true;
		r->id = id;
		r->op = entry->op;
		break;
	case REDECIDE_OTHER_ENGINE:
		r->other_engine++;
		break;
	case REDECIDE_NOT_DECIDED:
		r->not_decided++;
		break;
	}
	return ST_OK;
}

void
audit_redecide_begin(struct audit_redecide *r, struct apply *apply)
{
	*r = (struct audit_redecide){ .begun = true, .find = r->find, .find_ctx = r->find_ctx };
	r->losses = json_array();
	assert(r->losses != NULL);
	arena_init(&r->arena, ENTRY_ARENA_BYTES);
	apply_set_judge(apply, judge, r);
}

void
audit_redecide_release(struct audit_redecide *r)
{
	if (r->begun) {
		json_decref(r->losses);
		arena_release(&r->arena);
	}
	r->begun = false;
}

enum status
audit_redecide_found(struct audit *audit, const struct replay_error *error)
{
	const struct audit_redecide *r = &audit->redecide;

	if (!r->differs || (error->what != REPLAY_OK && !(error->what == REPLAY_ENTRY && r->id.index < error->index)))
		return ST_OK;
	finding_set_at(&audit->finding, r->id.seq, "transaction %" PRIu64 ": entry %" PRIu32 " (%s) is not what is decided again: %s", r->id.seq,
	    r->id.index, op_str(r->op), r->difference.sentence);
	finding_reason(&audit->finding, "DECISION_DIFFERS");
	return ST_INVALID;
}
