/* world.h: what the files of the simulation share: the commands that clients sent, and what became of them. */
#ifndef FEALTY_TESTS_SIMULATION_WORLD_H
#define FEALTY_TESTS_SIMULATION_WORLD_H

#include "codec/codec.h"
#include "dice.h"
#include "link.h"
#include "service/service.h"
#include "store/store.h"

#define MEMBERS 8
#define NONE UINT32_MAX

enum deed {
	DEED_ENROL, DEED_PURCHASE, DEED_REDEEM, DEED_HOLD, DEED_CAPTURE, DEED_RELEASE, DEED_RETURN, DEED_TRANSFER, DEED_ERASE, DEED_PUBLISH,
	DEED_ROTATE, DEED_CLOCK, DEED_BATCH, DEED_BALANCE, DEED_HISTORY, DEED_VAULT, DEED_COUNT
};
const char *deed_str(enum deed deed);

struct command {
	enum deed deed;
	unsigned client;
	char key[24];
	unsigned member, other;			/* indices of people */
	int64_t amount;				/* money of a purchase; points; publish: the price of a point */
	int64_t ttl_s;
	uint32_t of;				/* the hold or the purchase, a command */
	uint32_t parent, n_children;		/* of a batch: they come right behind it */
	bool atomic, checkpoint_key, wants_receipt;
	uint32_t deadline_ms;
	uint8_t new_key[32];

	unsigned n_sent, n_answered;
	int64_t first_us;			/* first sent, by the system's clock */
	uint64_t first_size;			/* transactions that had been followed by then */
	bool over;				/* nobody asks any more */
	bool ok;				/* acknowledged, with id and balance */
	struct entry_id id;
	int64_t available, held;
	const char *refused;			/* the newest refusal that was final; static, or NULL */

	bool recorded;				/* the ledger has it, there, and after it the member has */
	struct entry_id at;
	int64_t want_available, want_held;
};

/* A seed's life; one in a process. */
struct life { uint64_t commands, answers, refusals, crashes, power_losses, restarts, cuts, leaps, pushes, repeats; int64_t lived_us; };
extern struct life figures;

/* The seed failed: says why, with how to see it again, and ends the process. */
void broken(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* The disk has given the process a reason to fail. */
bool excused(void);
/* The ledger has been followed to its end: nothing that was decided by now is unknown to the model. */
bool up_to_date(void);
/* An event: into the digest, and printed with --trace. */
void trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
void trace_digest(uint8_t ret_digest[static SHA256_BYTES]);

/* ---- commands.c ---- */

uint32_t commands_count(void);
struct command *command_at(uint32_t index);
uint32_t command_new(enum deed deed, unsigned client);
/* By its key, whoever sent it; NONE. */
uint32_t command_find(const char *key);
void commands_free(void);
/* A new one that the client may send, as dice choose. */
uint32_t command_invent(struct dice *dice, unsigned client);
bool command_has_birthday(const struct command *enrol);
/* Whether the model knows what the answer says: not of who may be enrolled on their very birthday. */
bool command_is_predicted(const struct command *c);
/* Appends the body of a REQUEST, or of a BATCH. */
void command_encode(uint32_t index, struct arena *arena, struct buf *out);

/* ---- model.c: what the program says, once more ---- */

void model_entry(const struct transaction *t, uint32_t index, struct command *c);
/* How many are enrolled. */
unsigned model_people(void);
/* What the member would have at ${at_us} if no transaction above ${seq} was about it; false: there was one, or nobody can say. */
bool model_balance(unsigned member, uint64_t seq, int64_t at_us, bool *ret_there, int64_t *ret_available, int64_t *ret_held);
/* A command that was just refused, and that the model would have accepted when it was sent as well as now, with no transaction about its members since. */
bool model_would_accept(const struct command *c, int64_t now_us);

/* ---- clients.c ---- */

void clients_begin(struct dice *dice);
void clients_free(void);
void clients_receive(void *client, const struct frame_header *header, struct bytes body);
int64_t clients_due_us(void);
void clients_act(struct net *net);
/* Some connection is cut. */
void clients_cut_one(void);
/* No new commands: what was sent is brought to its end. */
void clients_settle(void);
bool clients_settled(uint64_t ledger_size);
/* The client of a command, which is new, is to send it; false: it has too much to do. */
bool client_command(uint32_t index);

/* ---- follow.c: the ledger, as it grows ---- */

/* Reads what is durable by now, in order, and compares it with the model.  False: it cannot be read just now, for which the process is excused. */
bool follow(struct store *store);
uint64_t followed(void);
/* Somebody was given transaction ${seq}, and this is its leaf's SHA-256. */
void follow_claim(uint64_t seq, const uint8_t leaf[static SHA256_BYTES]);
/* All that must hold of the directory of a process that ended. */
void follow_check(const char *data_path, const char *head_lock_path);

#endif
