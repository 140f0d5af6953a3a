/**
 * codec.h: bytes ↔ core structures.  The only user of protobuf-c in the daemon, so its types stop here.
 *
 * What is decoded lives in the caller's arena (or borrows from the input, which must outlive it).  The arena's budget bounds what a
 * message can make us allocate: beyond it decoding fails with ST_NOMEM and the arena can be reset.  Strings from the wire are checked:
 * valid UTF-8, no NUL inside.  In commands an unknown field is refused; in ledger transactions it is ignored.
 */
#ifndef FEALTY_CODEC_CODEC_H
#define FEALTY_CODEC_CODEC_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "ledger/crm.h"
#include "ledger/decide.h"
#include "ledger/ledger.h"
#include "ledger/program.h"
#include "ledger/terminal.h"

/* ---- the ledger ---- */

struct transaction {
	const char *origin;
	uint64_t seq;
	uint8_t prev[SHA256_BYTES];
	int64_t committed_at_us;
	uint32_t program;
	size_t n_entries;
	struct entry *entries;			/* each with .program set */
};

/* Appends the Transaction's bytes.  ${arena} is scratch.  ST_NOMEM. */
enum status codec_transaction_encode(const struct transaction *t, struct arena *arena, struct buf *out) MUST_CHECK;

/* Of a leaf around its entries: origin, prev, signature, key id, tags; of a touched member, whose balances come after the entry is measured. */
#define CODEC_TRANSACTION_OVERHEAD 512
#define CODEC_AFTER_MARGIN 208
/* The bytes that an entry takes inside a Transaction, tag and length included: to see whether one more fits.  It is written into ${scratch}. */
enum status codec_entry_bytes(const struct entry *e, struct buf *scratch, size_t *ret_bytes) MUST_CHECK;

/* ST_CORRUPT when the bytes are no Transaction, or an entry's operation or account is not one that we know. */
enum status codec_transaction_decode(struct bytes bytes, struct arena *arena, struct transaction *ret) MUST_CHECK;

/* The same with only the entry at ${index}, as entries[0]; the others are passed over unread. ST_NOTFOUND: it has fewer. */
enum status codec_transaction_decode_one(struct bytes bytes, uint32_t index, struct arena *arena, struct transaction *ret) MUST_CHECK;

/* Its place in the log, without its entries, which are counted and not looked at.  Borrowed from the bytes.  ST_CORRUPT. */
struct transaction_head {
	struct bytes origin, prev;		/* prev has SHA256_BYTES */
	uint64_t seq;
	int64_t committed_at_us;
	size_t n_entries;			/* above 0 */
};
enum status codec_transaction_head(struct bytes bytes, struct transaction_head *ret) MUST_CHECK;

/* Borrowed.  The second signature, with its key id, is of a transaction that rotates a key; empty otherwise. */
struct signed_transaction { struct bytes transaction, signature, key_id, second_signature, second_key_id; };
void codec_signed_encode(const struct signed_transaction *s, struct buf *out);
enum status codec_signed_decode(struct bytes leaf, struct signed_transaction *ret) MUST_CHECK;	/* ST_CORRUPT */
/* Of a leaf, whoever signed it. */
enum status codec_leaf_decode(struct bytes leaf, struct arena *arena, struct transaction *ret) MUST_CHECK;

/* ---- requests ---- */

enum request_op {
	REQUEST_NONE,
	REQUEST_PUBLISH, REQUEST_ENROL, REQUEST_PROFILE, REQUEST_PURCHASE, REQUEST_HOLD, REQUEST_CAPTURE, REQUEST_RELEASE,
	REQUEST_REDEEM, REQUEST_ADJUST, REQUEST_TIER, REQUEST_BIRTHDAY, REQUEST_FREEZE, REQUEST_UNFREEZE, REQUEST_CLOSE, REQUEST_ACTIVITY,
	REQUEST_RETURN, REQUEST_REVERSE_REDEEM, REQUEST_TRANSFER, REQUEST_MERGE, REQUEST_ADVANCE, REQUEST_VOUCHER_USE, REQUEST_VOUCHER_VOID,
	REQUEST_ROTATE_KEY, REQUEST_APPROVE, REQUEST_APPROVER_KEY, REQUEST_POOL_JOIN, REQUEST_POOL_LEAVE,
	REQUEST_MEMBERSHIP_START, REQUEST_MEMBERSHIP_RENEW, REQUEST_MEMBERSHIP_CANCEL,
	REQUEST_OPENING, REQUEST_CONSENT, REQUEST_ERASE,
	REQUEST_CLOCK_ACCEPT,			/* writes up to here */
	REQUEST_QUOTE, REQUEST_BALANCE, REQUEST_HISTORY, REQUEST_VOUCHERS, REQUEST_TRANSACTION, REQUEST_PROGRAM, REQUEST_CHECKPOINT, REQUEST_PROOF, REQUEST_TERMINALS,
	REQUEST_VAULT, REQUEST_SCRUB, REQUEST_PERSON, REQUEST_SUBSCRIBE,
	REQUEST_OP_COUNT
};
const char *request_op_str(enum request_op op);		/* RULINGS' names: "purchase", "program", … */
static inline bool
request_op_writes(enum request_op op)
{
	return op <= REQUEST_CLOCK_ACCEPT;
}

struct request {
	enum request_op op;
	const char *key;			/* NULL: none (reads) */
	bool has_at;
	int64_t at_us;
	uint32_t deadline_ms;			/* 0: none */
	bool want_receipt;			/* writes, and not in an atomic batch; proof: as a receipt */
	const char *program;			/* id; NULL: not given */
	const char *member;			/* an alias; NULL: the operation has none */
	const char *other;			/* transfer: to, merge: into, pool_join: head, enrol: referrer, an alias; NULL */
	const char *reference;			/* capture, release: the hold; activity, return: the purchase; reverse_redeem; approve, transaction, proof: the command; NULL */
	const char *voucher;			/* voucher_use, voucher_void, hold: the id, code or name of one; NULL */
	enum voucher_state voucher_state;	/* vouchers: those in it; VOUCHER_NONE: those that can be used */
	struct cmd cmd;				/* writes and quote: all but principal, fingerprint, program, member and what is looked up */

	/* enrol, profile: personal data, for the vault only */
	bool has_birthday, has_segments;
	int birthday_month, birthday_day;
	size_t n_aliases, n_remove, n_segments;
	const char **aliases, **remove, **segments;	/* enrol, opening: aliases[0] is member itself */

	/* publish */
	struct program_def *definition;		/* cmd.u.publish has the bytes */

	/* reads */
	bool pool;				/* balance: with the sums of its pool */
	bool has_before, has_after, has_seq, has_as_of, has_size, has_from, has_to;	/* proof: consistency when has_from */
	uint64_t before_seq, after_seq, seq, size, from_size, to_size;
	int64_t as_of_us;
	uint32_t limit, version, credits;
	bool turn_epoch;			/* vault */
	bool scrub_now;				/* scrub */
	uint64_t member_no;			/* person, history: when member is NULL */
	struct { const char *principal, *after; bool with_trouble; } terminals;	/* principal NULL: everybody's; after: as a reply's next_after, NULL */
	bool events, has_after_event;		/* subscribe */
	struct crm_place after_event;

	struct bytes canonical;			/* writes: what a fingerprint covers: the command without key, at, deadline_ms, want_receipt and terminal_refused, re-encoded */
};

/**
 * codec_request_decode(body, arena, ret, ret_refusal):
 * LEDGER_OK in ret_refusal->result, or INVALID_ARGUMENT or POINTS_NOT_POSITIVE with field and sentence: all of RULINGS' rows 1 and 2 that need neither program
 * nor state.  *${ret} has op and key as far as they were
 * read.  ST_INVALID: not a Request at all (a fatal protocol error); ST_NOMEM: beyond the budget.
 */
enum status codec_request_decode(struct bytes body, struct arena *arena, struct request *ret, struct refusal *ret_refusal) MUST_CHECK;

/**
 * codec_batch_decode(body, arena, ret):
 * Each command is judged by itself: commands[i] with refusals[i]; a command without key has "<batch key>.<i + 1>", or INVALID_ARGUMENT when there is no
 * batch key either.  Reads, publish and nested batches are INVALID_ARGUMENT in a batch.  More than FRAME_BATCH_COMMANDS_MAX is TOO_LARGE for
 * the whole: ret->refusal.
 */
struct batch {
	bool atomic;
	uint32_t deadline_ms;
	struct refusal refusal;			/* of the whole; LEDGER_OK */
	size_t n;
	struct request *commands;
	struct refusal *refusals;
};
enum status codec_batch_decode(struct bytes body, struct arena *arena, struct batch *ret) MUST_CHECK;

/* A request id, or a reference, is 1 to 64 of [A-Za-z0-9._:-].  An id "<seq>.<index>" parses as an entry's id as well. */
bool request_id_valid(const char *text) MUST_CHECK;
bool entry_id_parse(const char *text, struct entry_id *ret) MUST_CHECK;
/* A voucher's name, "<seq>.<index>.<n>", of which ${ret} gets from and n. */
#define VOUCHER_NAME_TEXT_BYTES 48
bool voucher_name_parse(const char *text, struct voucher_ref *ret) MUST_CHECK;
const char *voucher_name_format(const struct voucher *v, char text[static VOUCHER_NAME_TEXT_BYTES]);
/* [A-Za-z0-9._-]+ parts joined by '/', 1 to 128 bytes, first part one of pos backend auditor operator approver (`simulate` and `system` are not). */
bool principal_valid(const char *text) MUST_CHECK;
/* Such a principal that may be somebody: a role and a name behind it, of a till pos/<store>/<terminal>, which are copied ("" for the others). */
#define TILL_PART_BYTES 65		/* a store, a terminal: 1 to 64 bytes and a NUL */
bool principal_may_enter(const char *text, char ret_store[static TILL_PART_BYTES], char ret_terminal[static TILL_PART_BYTES]) MUST_CHECK;
/* 1 to 128 bytes of UTF-8 without control characters, as in `card:8801…`. */
bool alias_valid(const char *text) MUST_CHECK;

/* ---- replies ---- */

struct history_row {
	struct entry_id id;
	int64_t at_us;
	int32_t business_date;
	enum op op;
	const char *principal, *key, *store, *tier;
	int64_t points, available, pending, held, debt, amount;
	bool has_amount, has_wanted, waiting;
	int64_t wanted;				/* of an adjust that waits, or waited */
};

struct reply_terminal { const char *principal; const struct terminal_name *name; const struct terminal_state *state; };

struct reply_code { const char *id, *code; int32_t last_day; };
struct reply_voucher { const struct voucher *v; const char *title, *code; bool has_value; int64_t value; };	/* title "": the program has it no more */

struct reply_old_epoch { uint64_t epoch; int64_t replaced_us, destroyed_us; };
struct reply_vault {
	uint64_t epoch, turns;
	int64_t begun_us;
	bool turning;
	const char *failed;			/* NULL: the newest turn did not fail */
	size_t n_old;
	const struct reply_old_epoch *old;
};
struct reply_scrub_fault {
	const char *kind, *environment, *where, *what, *remedy;
	bool has_seq;
	uint64_t seq, last;
};
struct reply_scrub {
	bool enabled, running, direct;
	uint64_t bytes_per_second, position, size, passes, last_ms, bytes, transactions, n_known;
	const char *stage;
	int64_t last_at_us;			/* 0: no pass has ended */
	size_t n_faults;
	const struct reply_scrub_fault *faults;
};
struct reply_person {
	size_t n_dates, n_aliases, n_segments, n_absorbed;
	const struct birthday_date *dates;
	const char *const *aliases, *const *segments;
	const uint64_t *absorbed;
};

struct reply {
	struct refusal refusal;			/* result LEDGER_OK: status OK, no reason */
	size_t bytes_max;			/* longer than this, it is sent without its lists, the longest first; 0: never */
	bool retryable;
	uint32_t retry_after_ms;
	bool replayed, has_id, has_member;
	struct entry_id id;
	uint64_t member_no;
	unsigned scale, currency_digits;	/* of the program, for all that follows */
	const struct program *rules;		/* by which effects are told; NULL: none are */

	const struct entry *entry;		/* outcome: granted, wanted, value, lots, grants, ends_at, left come from it; NULL: none */
	const struct balance *balance;		/* NULL: no balance block */
	const struct pool_sums *pool;		/* NULL: not asked for */
	const struct touched *then;		/* replay: available, pending, held, debt and tier from here instead; NULL */
	int64_t as_of_us;
	uint64_t seq;				/* newest transaction seen */

	size_t n_codes;				/* of the vouchers that the entry issued */
	const struct reply_code *codes;
	size_t n_vouchers;
	const struct reply_voucher *vouchers;
	size_t n_history;
	const struct history_row *history;
	bool has_next_before;
	uint64_t next_before;
	struct bytes transaction;		/* a SignedTransaction; len 0: none */
	struct bytes program;			/* a program's bytes; len 0: none */
	uint32_t version;			/* with program */
	struct bytes note;			/* a checkpoint; len 0: none */
	bool has_index;
	uint64_t size, index;			/* of the tree, 0: none; of the leaf that is proved to be in it */
	size_t n_hashes;
	const uint8_t (*hashes)[SHA256_BYTES];
	struct bytes receipt;			/* a log proof's text; len 0: none */
	struct terminal_note terminal;		/* of the command's number */
	size_t n_terminals;
	const struct reply_terminal *terminals;
	struct bytes next_after;		/* len 0: none */
	const struct reply_vault *vault;	/* NULL: not asked for */
	const struct reply_person *person;	/* likewise */
	const struct reply_scrub *scrub;	/* likewise */
};

/* gRPC code of a result, by RULINGS section 2. */
unsigned ledger_result_code(enum ledger_result r);

/**
 * codec_reply_encode(reply, arena, out): appends a Response's bytes; ${arena} is scratch.
 * `lots` for hold, capture, redeem and release: the (last_day, points) that the postings took; `granted`/`wanted` for purchase, quote,
 * activity, birthday, anniversary, and every other entry that has grants.
 */
enum status codec_reply_encode(const struct reply *reply, struct arena *arena, struct buf *out) MUST_CHECK;

/* BatchResponse { outcome, results } around Responses that are encoded already. */
void codec_batch_reply_encode(struct bytes outcome, const struct bytes *responses, size_t n, struct buf *out);

/* Fields more at the end of a Response that is encoded already: its receipt; or, of at most CODEC_NO_RECEIPT_BYTES, why there is none. */
#define CODEC_NO_RECEIPT_BYTES 13
void codec_receipt_append(struct bytes text, struct buf *out);
void codec_no_receipt_append(const char *why, struct buf *out);

/* The Response that ends a cancelled subscription: status CANCELLED and nothing else. */
void codec_cancelled_encode(struct buf *out);

/* ---- connection ---- */

struct hello {
	uint32_t version_min, version_max;
	const char *principal, *client_name, *client_version;	/* "" when absent */
	size_t n_features;
	const char **features;
	uint64_t checkpoint_size;
	struct bytes checkpoint_root;
};
enum status codec_hello_decode(struct bytes body, struct arena *arena, struct hello *ret) MUST_CHECK;	/* ST_INVALID, ST_NOMEM */

struct hello_ok {
	const char *origin, *principal, *server_version;
	size_t n_features;
	const char *const *features;
	uint32_t frame_bytes_max, batch_bytes_max, batch_commands_max, reply_bytes_max, in_flight_max, idle_ms;
	bool manual_clock;
	uint64_t size;
};
enum status codec_hello_ok_encode(const struct hello_ok *h, struct arena *arena, struct buf *out) MUST_CHECK;

enum status codec_ping_decode(struct bytes body, struct arena *arena, uint64_t *ret_nonce) MUST_CHECK;
void codec_pong_encode(uint64_t nonce, struct buf *out);
void codec_goaway_encode(const char *message, struct buf *out);
enum status codec_credit_decode(struct bytes body, struct arena *arena, uint32_t *ret_credits) MUST_CHECK;

struct push { const struct bytes *transactions; size_t n; uint64_t first_seq, head, last_seq; };
void codec_push_encode(const struct push *p, struct buf *out);

/* The same piece by piece: what goes in, one by one, and the end.  ${last_seq} NULL: the first transaction is not through yet. */
void codec_push_transaction(struct bytes leaf, struct buf *out);
void codec_push_event(const struct crm_event *event, struct buf *out);
void codec_push_end(uint64_t head, const uint64_t *last_seq, struct buf *out);

/* An Event alone, for CODEC_EVENT. */
void codec_event_encode(const struct crm_event *event, struct buf *out);

/* ---- programs and text ---- */

/**
 * codec_program_def(definition, arena, ret_def, ret_error):
 * Reads a serialised Program into what program_compile() takes.  ST_INVALID: *${ret_error} names the first key whose word or text is
 * not of its form.
 */
enum status codec_program_def(struct bytes definition, struct arena *arena, struct program_def **ret_def, struct program_error *ret_error) MUST_CHECK;

/* Messages that the text converters know. */
enum codec_message { CODEC_REQUEST, CODEC_BATCH, CODEC_RESPONSE, CODEC_BATCH_RESPONSE, CODEC_PROGRAM, CODEC_TRANSACTION, CODEC_SIGNED_TRANSACTION,
	CODEC_EVENT };

/**
 * codec_json_print(message, bytes, indent, arena, out): one object, keys are field names in the order of their numbers, what is absent left out;
 * `indent` spreads it over lines.  ST_INVALID: the bytes are no such message; ST_NOMEM.
 * codec_json_parse(message, text, arena, out, ret_error): appends the message's bytes.  ST_INVALID with *${ret_error}; ST_NOMEM: beyond the budget.
 * A Request is a flat event: {"op": "purchase", "key": …, "member": …}; in `publish` the program is a map under `definition` or `program`.
 * Types: ledger.proto's conventions.  sint64 prints as a string, uint64 as a number below 2^53; both read either.  bytes are lower-case hex, but a
 * SignedTransaction's transaction and a Publish entry's definition print as the messages that they are.
 */
struct text_error { unsigned line, column; char path[160]; char sentence[240]; };	/* line 0: not known */
enum status codec_json_print(enum codec_message message, struct bytes bytes, bool indent, struct arena *arena, struct buf *out) MUST_CHECK;
enum status codec_json_parse(enum codec_message message, const char *text, struct arena *arena, struct buf *out, struct text_error *ret_error) MUST_CHECK;

/**
 * A program file.  ${lines} tells where each key stood, so that a program_error can be shown with its line.
 * codec_yaml_parse(): ST_INVALID with *${ret_error}: unknown key, wrong type, unknown word (with the list of those allowed), duplicate key, alias or anchor or
 * several documents, nesting beyond 16.
 */
struct yaml_lines;
enum status codec_yaml_parse(struct bytes text, struct arena *arena, struct buf *out, struct yaml_lines **ret_lines, struct text_error *ret_error) MUST_CHECK;
/* The same, with what is wrong with other keys as well, up to ${max}: *${ret_n} of ${errors} are written with ST_INVALID. */
enum status codec_yaml_parse_all(struct bytes text, struct arena *arena, struct buf *out, struct yaml_lines **ret_lines, struct text_error *errors,
    size_t max, size_t *ret_n) MUST_CHECK;
/* Line of a path such as `earn[0].id`, or of the nearest enclosing key; 0 when there is none.  ${lines} lives in the arena. */
unsigned yaml_line_of(const struct yaml_lines *lines, const char *path);
/**
 * codec_yaml_settings(text, arena, settings, n, ret_error):
 * A file of settings: a map of the keys in ${settings} to words.  Fills text and line of those that are there; they live in the arena.
 * ST_INVALID with *${ret_error}: not YAML, no map, another key, a key twice, a value that is no word; ST_NOMEM.
 */
struct yaml_setting { const char *key, *text; unsigned line; };		/* text NULL: it is not there */
enum status codec_yaml_settings(struct bytes text, struct arena *arena, struct yaml_setting *settings, size_t n, struct text_error *ret_error) MUST_CHECK;
/* A program's bytes as YAML, for `program show`. */
enum status codec_yaml_print(struct bytes definition, struct arena *arena, struct buf *out) MUST_CHECK;

#endif
