/**
 * sim_book.h: what a daemon keeps beside the state, in memory: who an alias is, profiles, request ids, receipt numbers, and the
 * transactions themselves.
 */
#ifndef FEALTY_TOOLS_SIM_BOOK_H
#define FEALTY_TOOLS_SIM_BOOK_H

#include "codec/codec.h"
#include "sim_table.h"

#define SIM_ALIASES_MAX 64		/* of a member; the daemon's vault has the same bound */
#define SIM_SEGMENTS_MAX 16

/* A profile is never changed, only replaced. */
struct sim_profile {
	size_t n_dates, n_aliases, n_segments;
	struct birthday_date dates[LEDGER_BIRTHDAYS_MAX];	/* oldest first */
	const char *aliases[SIM_ALIASES_MAX];
	const char *segments[SIM_SEGMENTS_MAX];
};

/* An applied command. */
struct sim_request {
	struct sim_request *same;	/* another command of the program with the same key, by another principal; only in references */
	struct sim_request *older;	/* the command before it, anybody's */
	struct entry_id id;
	uint32_t program;
	uint64_t member;		/* 0: none */
	uint8_t fingerprint[FINGERPRINT_BYTES];
	char key[];
};

struct sim_receipt {
	struct entry_id id;
	uint64_t member;
	uint8_t digest[32];
};

struct sim_book {
	struct arena *arena;
	struct sim_undo *undo;
	struct sim_table aliases, profiles, requests, receipts, terminals;
	struct sim_request *newest;
	struct sim_table references;	/* only once a command has referred to another */
	bool has_references;
	uint64_t n_transactions, cap_transactions;
	struct bytes *transactions;	/* [seq]; len 0: none */
	struct buf scratch;
};

void sim_book_init(struct sim_book *book, struct arena *arena, struct sim_undo *undo);
void sim_book_release(struct sim_book *book);

/* 0: nobody's. */
uint64_t sim_book_member(const struct sim_book *book, uint32_t program, const char *alias);
/* ${member} 0: takes the alias away. */
enum status sim_book_link(struct sim_book *book, uint32_t program, const char *alias, uint64_t member) MUST_CHECK;

/* NULL when there is none.  sim_book_put_profile() copies it, texts too. */
const struct sim_profile *sim_book_profile(const struct sim_book *book, uint32_t program, uint64_t member);
enum status sim_book_forget(struct sim_book *book, uint32_t program, uint64_t member) MUST_CHECK;
enum status sim_book_put_profile(struct sim_book *book, uint32_t program, uint64_t member, const struct sim_profile *profile) MUST_CHECK;

/* NULL when there is none.  A reference looks among the commands of a program, whoever sent them: one, with the others in `same`. */
const struct sim_request *sim_book_request(const struct sim_book *book, const char *principal, const char *key);
const struct sim_request *sim_book_reference(const struct sim_book *book, uint32_t program, const char *key);
/* Before the first sim_book_reference(). */
enum status sim_book_make_references(struct sim_book *book) MUST_CHECK;
/* An applied entry's request id, its receipt number if it has both that and a store, and its number in its terminal's sequence. */
enum status sim_book_put_entry(struct sim_book *book, const struct entry *entry, struct entry_id id, struct terminal_note *ret_note) MUST_CHECK;

const struct sim_receipt *sim_book_receipt(const struct sim_book *book, uint32_t program, const char *store, const char *receipt_no,
    int32_t business_date);

/**
 * Transactions, unsigned, by seq.  sim_book_entry(): one of them again, in ${arena}; ST_NOTFOUND.
 */
enum status sim_book_put_transaction(struct sim_book *book, const struct transaction *t, struct arena *scratch) MUST_CHECK;
struct bytes sim_book_transaction(const struct sim_book *book, uint64_t seq);
enum status sim_book_entry(const struct sim_book *book, struct entry_id id, struct arena *arena, struct transaction *ret_t,
    struct entry **ret_entry) MUST_CHECK;

#endif
