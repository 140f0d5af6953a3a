/**
 * Commands, from their bytes to what they leave: a ledger in memory with a program of packaging/examples, and a row of requests of every type, each
 * built field by field from the input by the descriptor of the message, so that most mean something.  Each goes the way of the daemon: codec, names
 * to numbers, decide, evolve, answer.  What must hold:
 *   - a request that was built by the descriptor is a request, and its answer is a Response;
 *   - decide() and evolve() agree about every entry, and about what falls due (the simulation says when not);
 *   - an entry that is written is read as the same, and what was read makes the same state in a ledger of its own;
 *   - the postings of an entry sum to zero, and a program's totals are the sums over its members.
 */
#include <protobuf-c/protobuf-c.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../tools/fealty/program_file.h"
#include "../../tools/fealty/sim.h"
#include "fealty.pb-c.h"
#include "fuzz.h"

#define REQUESTS_MAX 24
#define DEPTH_MAX 3
#define FIRST_US INT64_C(1772442000000000)	/* 2026-03-02T09:00:00Z */
#define BUDGET_BYTES ((size_t)16 << 20)

/* Names of things in the programs: what stands behind `id: `. */
#define IDS_MAX 256
static char *ids[IDS_MAX];
static size_t n_ids;

static const char *const example_names[] = { "everything.yaml", "acme.yaml", "family-pool.yaml", "coalition.yaml", "stamp-card.yaml" };
#define EXAMPLES (sizeof(example_names) / sizeof(example_names[0]))
static struct program_file examples[EXAMPLES];

static void
collect_ids(struct bytes text)
{
	static const char before[] = "id: ";
	const char *at = (const char *)text.data, *end = at + text.len;

	while ((at = memmem(at, (size_t)(end - at), before, strlen(before))) != NULL && n_ids < IDS_MAX) {
		at += strlen(before);
		size_t len = 0;
		while (at + len < end && strchr(" ,}\n", at[len]) == NULL)
			len++;
		ids[n_ids] = strndup(at, len);
		assert(ids[n_ids] != NULL);
		n_ids++;
	}
}

static void
read_examples(void)
{
	struct program_file_error error;

	for (size_t i = 0; i < EXAMPLES; i++) {
		char *path = NULL;
		int n = asprintf(&path, "%s/%s", EXAMPLES_DIRECTORY, example_names[i]);
		enum status st = n < 0 ? ST_NOMEM : program_file_read(path, &examples[i], &error);
		if (st != ST_OK)
			(void)fprintf(stderr, "%s: %s\n", path, error.sentence);
		assert(st == ST_OK);
		collect_ids(buf_bytes(&examples[i].text));
		free(path);
	}
}

/* ---- a request, field by field ---- */

static int64_t now_us;				/* of the life that is played */
static const struct program_file *playing;

/* Of each pool the first few mean something everywhere, the others now and then. */
static const char *const aliases[] = { "card:1", "card:2", "card:3", "card:4", "app:u-1", "phone:+8210" };
static const char *const amounts[] = { "100", "1", "7000", "25", "250000", "0.01", "99.99", "0", "-1", "9223372036854775807", "1e3", "12.345" };
static const char *const points[] = { "10", "1", "100", "500", "5000", "-10", "0.01", "-100000", "0", "9223372036854775807", "1.2.3" };
static const char *const codes[] = { "goodwill", "fraud", "x", "marketing", "Bad Code" };
static const char *const dates[] = { "03-02", "02-29", "12-31", "1990-03-10", "13-01" };
static const char *const lengths[] = { "15m", "2d", "1s", "0s", "99999d", "x" };
static const char *const others[] = { "07", "gangnam", "sku-1", "x", "pos/0042/07", "fuel", "gift-card", "own-cup", "" };
static const char *const principals[] = { "operator/test", "operator/test", "pos/gangnam/07", "pos/mapo/1", "backend/app", "approver/ann", "approver/bob" };
#define FIRST_OF_POOL 4
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define PICK(table) table[tape_below(t, COUNT(table))]
#define PICK_WELL(table) table[any_index(t, COUNT(table))]

static size_t
any_index(struct tape *t, size_t n)
{
	uint8_t byte = tape_u8(t);

	return byte < 224 ? byte % FIRST_OF_POOL : byte % n;
}

static const char *
any_principal(struct tape *t)
{
	return PICK(principals);
}

static const char *
any_id(struct tape *t)
{
	return ids[tape_below(t, n_ids)];
}

static const char *
any_reference(struct tape *t, char text[static 32])
{
	unsigned a = (unsigned)tape_below(t, 40), b = (unsigned)tape_below(t, 3);

	if (a % 4 == 0)
		(void)snprintf(text, 32, "k%u", a);
	else if (a % 4 == 1)
		(void)snprintf(text, 32, "%u.%u.%u", a, b, (unsigned)tape_below(t, 3));
	else
		(void)snprintf(text, 32, "%u.%u", a, b);
	return text;
}

static bool
is_any(const char *name, const char *words)
{
	const char *at = strstr(words, name);

	return at != NULL && at[strlen(name)] == ' ';
}

/* What a field of this name would say. */
static const char *
any_text(struct tape *t, const char *name, char text[static 32])
{
	if (is_any(name, "member into to head referrer aliases add_aliases remove_aliases "))
		return PICK_WELL(aliases);
	if (is_any(name, "amount order_amount paid_with_points "))
		return PICK_WELL(amounts);
	if (is_any(name, "points "))
		return PICK_WELL(points);
	if (is_any(name, "reason purpose "))
		return PICK_WELL(codes);
	if (is_any(name, "principal "))
		return principals[COUNT(principals) - 1 - any_index(t, COUNT(principals))];
	if (is_any(name, "birthday "))
		return PICK_WELL(dates);
	if (is_any(name, "ttl "))
		return PICK_WELL(lengths);
	if (is_any(name, "store terminal for_terminal "))
		return PICK_WELL(others);
	if (is_any(name, "hold purchase redeem command voucher "))
		return tape_u8(t) % 4 == 0 ? any_id(t) : any_reference(t, text);
	if (is_any(name, "activity reward tier membership segments partner program id category sku "))
		return tape_u8(t) % 8 == 0 ? PICK_WELL(others) : any_id(t);
	return PICK_WELL(others);
}

static uint64_t
any_number(struct tape *t)
{
	static const uint64_t edges[] = { 0, 1, 2, 20, 100, 366, 20514, 20600, UINT32_MAX, INT64_MAX, UINT64_MAX };
	uint8_t byte = tape_u8(t);

	return byte < 128 ? byte : edges[byte % (sizeof(edges) / sizeof(edges[0]))];
}

static void
put_random(struct buf *out, const char *name, struct tape *t)
{
	uint64_t n = tape_u8(t) % 16 == 15 ? tape_below(t, 70) : strcmp(name, "signature") == 0 ? 64 : strcmp(name, "key_id") == 0 ? 8 : 32;

	while (n-- > 0)
		buf_put_u8(out, tape_u8(t));
}

static void put_message(struct buf *out, const ProtobufCMessageDescriptor *d, struct tape *t, unsigned depth);

static void
put_field(struct buf *out, const ProtobufCFieldDescriptor *f, struct tape *t, unsigned depth)
{
	struct buf inner;
	char text[32];

	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING: {
		const char *said = any_text(t, f->name, text);
		buf_put_varint(out, (uint64_t)f->id << 3 | 2);
		buf_put_varint(out, strlen(said));
		buf_put(out, said, strlen(said));
		return;
	}
	case PROTOBUF_C_TYPE_BYTES: case PROTOBUF_C_TYPE_MESSAGE:
		buf_init(&inner);
		if (f->type == PROTOBUF_C_TYPE_BYTES)
			put_random(&inner, f->name, t);
		else if (strcmp(f->name, "definition") == 0 && tape_u8(t) % 4 != 3)
			buf_put(&inner, playing->definition.data, playing->definition.len);
		else
			put_message(&inner, f->descriptor, t, depth + 1);
		buf_put_varint(out, (uint64_t)f->id << 3 | 2);
		buf_put_varint(out, inner.len);
		buf_put(out, inner.data, inner.len);
		buf_release(&inner);
		return;
	case PROTOBUF_C_TYPE_SFIXED64: case PROTOBUF_C_TYPE_FIXED64: case PROTOBUF_C_TYPE_DOUBLE: {
		int64_t at_us = now_us - ((int64_t)any_index(t, 200) - 1) * 86400 * 1000000 / 2;
		buf_put_varint(out, (uint64_t)f->id << 3 | 1);
		for (int i = 0; i < 8; i++)
			buf_put_u8(out, (uint8_t)(at_us >> 8 * i));
		return;
	}
	default:
		buf_put_varint(out, (uint64_t)f->id << 3);
		buf_put_varint(out, f->type == PROTOBUF_C_TYPE_BOOL ? tape_u8(t) % 2 : f->type == PROTOBUF_C_TYPE_UINT32 ? (uint32_t)any_number(t)
		    : f->type == PROTOBUF_C_TYPE_SINT32 ? (uint32_t)any_number(t) * 2 : any_number(t));
		return;
	}
}

/* Each field that is not one of several that exclude each other: the first mostly, the next perhaps, the others now and then. */
static void
put_message(struct buf *out, const ProtobufCMessageDescriptor *d, struct tape *t, unsigned depth)
{
	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		uint8_t wish = tape_u8(t);
		unsigned n = f->id == 1 ? wish % 32 != 31 : f->id == 2 ? wish % 8 != 7 : f->id == 3 ? wish % 4 == 3 : wish % 8 == 7;
		if (n == 1 && f->label == PROTOBUF_C_LABEL_REPEATED)
			n += wish / 4 % 3;
		if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 || depth == DEPTH_MAX)
			continue;
		while (n-- > 0)
			put_field(out, f, t, depth);
	}
}

static bool
is_of_request(const char *name)
{
	return is_any(name, "occurred_at store terminal terminal_seq terminal_refused ");
}

/* Of the request's operations: a purchase often, an end of somebody seldom. */
static const ProtobufCFieldDescriptor *
any_operation(struct tape *t)
{
	const ProtobufCMessageDescriptor *d = &fealty__v1__request__descriptor;
	uint64_t i = tape_below(t, d->n_fields);

	while ((d->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0)
		i = (i + 1) % d->n_fields;
	uint8_t wish = tape_u8(t);
	if (wish % 4 == 1 || (wish % 4 != 3 && is_any(d->fields[i].name, "erase close freeze merge publish ")))
		return protobuf_c_message_descriptor_get_field_by_name(d, "purchase");
	return &d->fields[i];
}

static bool
is_read(const char *name)
{
	return is_any(name, "quote balance history transaction show_program subscribe checkpoint proof terminals vouchers ");
}

static void
put_request(struct buf *out, struct tape *t, unsigned number)
{
	const ProtobufCMessageDescriptor *d = &fealty__v1__request__descriptor;
	const ProtobufCFieldDescriptor *operation = any_operation(t);
	char key[16];
	int n = snprintf(key, sizeof(key), "k%u", tape_u8(t) % 16 == 15 ? number / 2 : number);

	if (is_read(operation->name) == (tape_u8(t) % 16 == 15)) {
		buf_put_varint(out, 1 << 3 | 2);
		buf_put_varint(out, (uint64_t)n);
		buf_put(out, key, (size_t)n);
	}
	for (unsigned i = 0; i < d->n_fields; i++)
		if (is_of_request(d->fields[i].name) && tape_u8(t) % 32 == 31)
			put_field(out, &d->fields[i], t, 0);
	put_field(out, operation, t, 0);
}

/* ---- a second ledger, made of what was written ---- */

struct twin {
	struct arena arena;
	struct sim_undo undo;
	struct sim_state state;
	struct sim *sim;
};

static struct bytes
write_entry(const struct entry *entry, struct entry_id id, int64_t at_us, struct arena *arena, struct buf *out)
{
	struct entry one = *entry;
	const struct transaction t = { .origin = SIM_ORIGIN, .seq = id.seq, .committed_at_us = at_us, .program = entry->program, .n_entries = 1,
	    .entries = &one };
	enum status st = codec_transaction_encode(&t, arena, out);

	assert(st == ST_OK);
	return buf_bytes(out);
}

static void
check_postings(const struct entry *entry)
{
	int64_t sum = 0;

	for (size_t i = 0; i < entry->n_postings; i++) {
		bool overflow = __builtin_add_overflow(sum, entry->postings[i].points, &sum);
		assert(!overflow);
	}
	assert(sum == 0);
}

static void
on_entry(void *ctx, const struct entry *entry, struct entry_id id)
{
	struct twin *twin = ctx;
	int64_t at_us = twin->sim->now_us;
	struct buf first, second;
	struct transaction t;
	enum evolve_fault fault;

	check_postings(entry);
	buf_init(&first);
	buf_init(&second);
	struct bytes bytes = write_entry(entry, id, at_us, &twin->arena, &first);
	char *kept = arena_memdup(&twin->arena, bytes.data, bytes.len);
	assert(kept != NULL);
	enum status st = codec_transaction_decode(bytes_of(kept, bytes.len), &twin->arena, &t);
	assert(st == ST_OK && t.n_entries == 1 && t.seq == id.seq);
	bool same = bytes_equal(bytes, write_entry(&t.entries[0], id, at_us, &twin->arena, &second));
	assert(same);
	st = evolve(&twin->state.ledger, &t.entries[0], id, at_us, EVOLVE_REPLAY, &fault);
	assert(st == ST_OK && fault == EVOLVE_OK);
	buf_release(&first);
	buf_release(&second);
}

static void
same_bytes(struct buf *a, struct buf *b)
{
	bool same = bytes_equal(buf_bytes(a), buf_bytes(b));

	assert(same);
	buf_clear(a);
	buf_clear(b);
}

/* The two are the same byte for byte, each member is what its record must be, and the books balance. */
static void
compare(const struct sim_state *live, const struct sim_state *again)
{
	struct buf a, b;

	buf_init(&a);
	buf_init(&b);
	assert(live->n_programs == again->n_programs);
	for (uint32_t p = 0; p < live->n_programs; p++) {
		assert(live->programs[p].n_members == again->programs[p].n_members);
		for (uint64_t m = 0; m < live->programs[p].n_members; m++) {
			member_encode(live->programs[p].members[m], &a);
			member_encode(again->programs[p].members[m], &b);
			same_bytes(&a, &b);
		}
		totals_encode(&live->programs[p].totals, &a);
		totals_encode(&again->programs[p].totals, &b);
		same_bytes(&a, &b);
	}
	buf_release(&a);
	buf_release(&b);
}

/* ---- a life ---- */

static void
answer_is_one(struct buf *out)
{
	Fealty__V1__Response *response = fealty__v1__response__unpack(NULL, out->len, out->data);

	assert(response != NULL);
	fealty__v1__response__free_unpacked(response, NULL);
	buf_clear(out);
}

/* What is in ${body}. */
static void
play(struct sim *sim, const char *principal, struct arena *arena, struct buf *body, struct buf *out)
{
	struct request request;
	struct sim_call call = { .principal = principal, .request = &request };

	enum status st = codec_request_decode(buf_bytes(body), arena, &request, &call.refusal);
	assert(st == ST_OK || st == ST_NOMEM);
	if (st != ST_OK)
		return;
	if (call.refusal.result == LEDGER_OK) {
		sim_fingerprint(&request);
		call.file = request.op == REQUEST_PUBLISH ? sim_next_version(sim, sim->files[0].program->id) : NULL;
	}
	st = sim_play(sim, &call, out);
	if (st != ST_OK)
		(void)fprintf(stderr, "%s: %s\n", status_str(st), sim->trouble);
	assert(st == ST_OK);
	if (call.refusal.result != LEDGER_OK && !call.replayed)
		assert(call.refusal.sentence[0] != '\0');
	answer_is_one(out);
	st = sim_event_end(sim);
	assert(st == ST_OK);
	buf_clear(body);
	arena_reset(arena);
}

/* Three members, so that most of what follows is about somebody. */
static void
begin(struct sim *sim, struct arena *arena, struct buf *body, struct buf *out)
{
	static const char enrol[] = "\x0a\x02" "e0" "\xaa\x01\x0f" "\x0a\x06" "card:1" "\x12\x05" "03-03";

	for (char i = '1'; i <= '3'; i++) {
		buf_put(body, enrol, sizeof(enrol) - 1);
		body->data[3] = (uint8_t)i;
		body->data[14] = (uint8_t)i;
		play(sim, principals[0], arena, body, out);
	}
	assert(sim->state.programs[0].n_members == 3);
}

/* Seconds to years; what falls due on the way is done. */
static void
pass_time(struct sim *sim, struct tape *t)
{
	static const int64_t seconds[] = { 1, 1, 1, 1, 1, 60, 60, 3600, 3600, 86400, 86400, 86400 * 7, 86400 * 31, 86400 * 366 };
	enum status st = sim_clock(sim, sim->started ? sim->now_us + PICK(seconds) * 1000000 : FIRST_US);

	if (st != ST_OK)
		(void)fprintf(stderr, "%s: %s\n", status_str(st), sim->trouble);
	assert(st == ST_OK);
	st = sim_event_end(sim);
	assert(st == ST_OK);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tape t = { bytes_of(data, size) };
	struct buf body, out;
	struct arena arena;
	struct sim sim;

	if (examples[0].program == NULL)
		read_examples();
	const struct program_file *example = playing = &examples[tape_u8(&t) % EXAMPLES];
	const struct sim_file version = { .path = example->path, .definition = buf_bytes(&example->definition), .zone_data = buf_bytes(&example->zone),
	    .program = example->program };
	struct sim_file versions[] = { version, version };
	struct twin twin = { .sim = &sim };

	arena_init(&twin.arena, SIZE_MAX / 4);
	twin.undo.arena = &twin.arena;
	sim_state_init(&twin.state, &twin.arena, &twin.undo);
	sim_init(&sim, versions, 2);
	sim.on_entry = on_entry;
	sim.on_entry_ctx = &twin;
	arena_init(&arena, BUDGET_BYTES);
	buf_init(&body);
	buf_init(&out);
	pass_time(&sim, &t);
	begin(&sim, &arena, &body, &out);
	for (unsigned i = 0; i < REQUESTS_MAX && t.rest.len > 0; i++) {
		pass_time(&sim, &t);
		now_us = sim.now_us;
		const char *principal = any_principal(&t);
		put_request(&body, &t, i);
		play(&sim, principal, &arena, &body, &out);
	}
	compare(&sim.state, &twin.state);
	buf_release(&body);
	buf_release(&out);
	arena_release(&arena);
	sim_release(&sim);
	sim_state_release(&twin.state);
	arena_release(&twin.arena);
	return 0;
}
