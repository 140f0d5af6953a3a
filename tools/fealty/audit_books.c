/* The trial balance: what the program's accounts say must be what the members have, and everything together must be nothing. */
#include "audit.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/checked.h"

#define MEMBER_ARENA_BYTES (16u << 20)

struct sums { uint64_t members; int64_t account[ACCOUNT_DEBT + 1]; };

static enum status
broken(struct audit *audit, const struct audit_program *p, const char *what)
{
	finding_set(&audit->finding, "BOOKS_BROKEN", "program %s: %s", p->id, what);
	return ST_INVALID;
}

static bool
add_member(struct sums *sums, const struct member *m)
{
	sums->members++;
	return checked_add(sums->account[ACCOUNT_MEMBER], m->available, &sums->account[ACCOUNT_MEMBER]) &&
	    checked_add(sums->account[ACCOUNT_PENDING], m->pending, &sums->account[ACCOUNT_PENDING]) &&
	    checked_add(sums->account[ACCOUNT_HELD], m->held, &sums->account[ACCOUNT_HELD]) &&
	    checked_sub(sums->account[ACCOUNT_DEBT], m->debt, &sums->account[ACCOUNT_DEBT]);
}

static enum status
judge_member(
    struct audit *audit, const struct audit_books *books, struct sums *sums, struct bytes key, struct bytes value, struct arena *arena)
{
	struct member m;

	arena_reset(arena);
	if (key.len != 12 || get_be32(key.data) == 0 || get_be32(key.data) > books->n)
		return ST_CORRUPT;
	const struct audit_program *p = &books->programs[get_be32(key.data) - 1];
	enum status st = member_decode(value, arena, &m);
	if (st != ST_OK)
		return st;
	enum evolve_fault fault = member_check(&m);
	if (fault == EVOLVE_OK && add_member(&sums[p->number - 1], &m))
		return ST_OK;
	finding_set(&audit->finding, "BOOKS_BROKEN", "program %s, member %" PRIu64 ": %s", p->id, get_be64(key.data + 4),
	    fault != EVOLVE_OK ? evolve_fault_str(fault) : "the sums overflow");
	return ST_INVALID;
}

static enum status
sum_members(struct audit *audit, const struct audit_books *books, struct store_txn *state, struct sums *sums)
{
	struct store_cursor *cursor;
	struct bytes key, value;
	struct arena arena;

	enum status st = store_cursor_open(state, TABLE_MEMBER, bytes_of("", 0), &cursor);
	if (st != ST_OK)
		return st;
	arena_init(&arena, MEMBER_ARENA_BYTES);
	while (st == ST_OK && (st = store_cursor_next(cursor, &key, &value)) == ST_OK)
		st = judge_member(audit, books, sums, key, value, &arena);
	arena_release(&arena);
	store_cursor_close(cursor);
	return st == ST_NOTFOUND ? ST_OK : st;
}

static enum status
judge_program(struct audit *audit, const struct audit_program *p, const struct sums *sums)
{
	int64_t sum = 0;

	for (enum account a = ACCOUNT_MEMBER; a < ACCOUNT_COUNT; a++)
		if (!checked_add(sum, p->totals.account[a], &sum))
			return broken(audit, p, "the sum of its accounts overflows");
	if (sum != 0)
		return broken(audit, p, "its accounts do not sum to zero");
	for (enum account a = ACCOUNT_MEMBER; a <= ACCOUNT_DEBT; a++)
		if (p->totals.account[a] != sums->account[a])
			return broken(audit, p, "what its members have is not what its accounts say");
	return p->totals.members == sums->members ? ST_OK : broken(audit, p, "it does not have as many members as it counts");
}

static enum status
read_programs(struct audit *audit, struct store_txn *state, struct audit_books *books)
{
	struct programs *programs = apply_programs(audit->apply);
	uint32_t n = programs_count(programs);
	enum status st = ST_OK;

	books->programs = calloc(n + 1, sizeof(*books->programs));
	if (books->programs == NULL)
		return ST_NOMEM;
	for (uint32_t i = 0; i < n && st == ST_OK; i++) {
		struct audit_program *p = &books->programs[i];
		p->number = i + 1;
		st = apply_read_totals(state, p->number, &p->totals);
		if (st != ST_OK)
			break;
		const struct program *newest = programs_version(programs, p->number, p->totals.versions);
		if (newest == NULL)
			return ST_CORRUPT;
		p->versions = p->totals.versions;
		p->id = newest->id;
		p->scale = newest->scale;
		books->members += p->totals.members;
		books->n++;
	}
	return st;
}

static enum status
balance(struct audit *audit, struct store_txn *state, struct audit_books *books)
{
	enum status st = read_programs(audit, state, books);
	struct sums *sums = st == ST_OK ? calloc(books->n + 1, sizeof(*sums)) : NULL;

	if (st == ST_OK && sums == NULL)
		st = ST_NOMEM;
	if (st == ST_OK)
		st = sum_members(audit, books, state, sums);
	for (size_t i = 0; i < books->n && st == ST_OK; i++)
		st = judge_program(audit, &books->programs[i], &sums[i]);
	free(sums);
	return st;
}

enum status
audit_books(struct audit *audit, struct audit_books *ret_books)
{
	struct store_txn *state;

	*ret_books = (struct audit_books){ 0 };
	enum status st = store_read(audit->store, STORE_STATE, &state);
	if (st != ST_OK)
		return st;
	st = balance(audit, state, ret_books);
	store_abort(state);
	return st;
}

void
audit_books_release(struct audit_books *books)
{
	free(books->programs);
}
