/* What clients say.  A command's key is its index, so that an entry of the ledger tells which it was. */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fealty.pb-c.h"
#include "fiber.h"

#define COMMANDS_MAX 20000
#define BATCH_MAX 5

static struct {
	struct command *of;
	uint32_t n;
} commands;

static const char program_yaml[] =
    "id: club\n"
    "name: Club\n"
    "timezone: Asia/Seoul\n"
    "currency: KRW\n"
    "points: {unit: point, scale: 0}\n"
    "earn:\n"
    "  - {id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: \"%lld\", points: \"1\", whole_steps: true}}\n"
    "expiry: {after: {days: 10}}\n"
    "tiers:\n"
    "  - {id: basic, rank: 0}\n"
    "  - {id: gold, rank: 1, reach: {any: [{all: [{metric: points_earned, at_least: \"60\"}]}]}, window: {rolling_months: 1},\n"
    "     keep: {any: [{all: [{metric: points_earned, at_least: \"40\"}]}]}, valid: {months: 1, round_up_to: month}}\n"
    "birthday:\n"
    "  reward: {points: \"50\"}\n"
    "  window: {days_before: 0, days_after: 14}\n"
    "  issue: automatic\n"
    "  leap_day: feb_28\n"
    "  guard_days: 0\n"
    "redemption:\n"
    "  value: {points: \"1\", amount: \"10\"}\n"
    "  hold: {default_ttl: 15m, max_ttl: 30d}\n"
    "transfers: {min: \"1\", expiry: keep}\n"
    "unknown_alias: refuse\n";

const char *
deed_str(enum deed deed)
{
	static const char *const names[DEED_COUNT] = { "enrol", "purchase", "redeem", "hold", "capture", "release", "return", "transfer", "erase", "publish",
		"rotate_key", "clock_accept", "batch", "balance", "history", "vault" };

	return names[deed];
}

uint32_t
commands_count(void)
{
	return commands.n;
}

struct command *
command_at(uint32_t index)
{
	return &commands.of[index];
}

uint32_t
command_new(enum deed deed, unsigned client)
{
	if (commands.of == NULL)
		commands.of = calloc(COMMANDS_MAX, sizeof(*commands.of));	/* stays where it is: others point into it */
	if (commands.of == NULL || commands.n == COMMANDS_MAX)
		broken("there is no room for more commands");
	struct command *c = &commands.of[commands.n];
	*c = (struct command){ .deed = deed, .client = client, .of = NONE, .parent = NONE };
	snprintf(c->key, sizeof(c->key), "k%u", commands.n);
	figures.commands++;
	return commands.n++;
}

uint32_t
command_find(const char *key)
{
	char *end;
	unsigned long index = key[0] == 'k' ? strtoul(key + 1, &end, 10) : NONE;

	return index < commands.n && *end == '\0' ? (uint32_t)index : NONE;
}

void
commands_free(void)
{
	free(commands.of);
}

/* A newer one of a deed, of that member; NONE. */
static uint32_t
recent(struct dice *dice, enum deed deed, unsigned member)
{
	uint32_t from = commands.n > 300 ? commands.n - 300 : 0, found[32], n = 0;

	for (uint32_t i = commands.n; i > from && n < 32; i--) {
		if (commands.of[i - 1].deed == deed && commands.of[i - 1].member == member)
			found[n++] = i - 1;
	}
	return n == 0 ? NONE : found[dice_below(dice, n)];
}

static enum deed
choose(struct dice *dice, unsigned client)
{
	static const struct { enum deed deed; unsigned weight, from_client, to_client; } deeds[] = {
		{ DEED_ENROL, 6, 0, 99 }, { DEED_PURCHASE, 30, 0, 99 }, { DEED_REDEEM, 12, 0, 99 }, { DEED_HOLD, 12, 0, 99 }, { DEED_CAPTURE, 10, 0, 99 },
		{ DEED_RELEASE, 4, 0, 99 }, { DEED_RETURN, 5, 0, 99 }, { DEED_BALANCE, 10, 0, 99 }, { DEED_BATCH, 6, 0, 99 }, { DEED_TRANSFER, 12, 0, 1 },
		{ DEED_HISTORY, 6, 0, 1 }, { DEED_ERASE, 5, 0, 0 }, { DEED_PUBLISH, 3, 0, 0 }, { DEED_VAULT, 3, 0, 0 },
	};
	uint32_t sum = 0, n = sizeof(deeds) / sizeof(*deeds);

	for (uint32_t i = 0; i < n; i++)
		sum += client >= deeds[i].from_client && client <= deeds[i].to_client ? deeds[i].weight : 0;
	uint32_t at = dice_below(dice, sum);
	for (uint32_t i = 0;; i++) {
		if (client < deeds[i].from_client || client > deeds[i].to_client)
			continue;
		if (at < deeds[i].weight)
			return deeds[i].deed;
		at -= deeds[i].weight;
	}
}

static void
fill(struct dice *dice, struct command *c)
{
	c->member = dice_below(dice, MEMBERS);
	c->other = (c->member + 1 + dice_below(dice, MEMBERS - 1)) % MEMBERS;
	c->deadline_ms = dice_once_in(dice, 10) ? 1 + dice_below(dice, 200) : 0;
	c->wants_receipt = c->deed < DEED_TRANSFER && dice_once_in(dice, 25);
	switch (c->deed) {
	case DEED_PURCHASE: c->amount = dice_between(dice, 1, 40) * 500; break;
	case DEED_PUBLISH: c->amount = INT64_C(500) << dice_below(dice, 3); break;
	case DEED_HOLD: c->ttl_s = dice_once_in(dice, 3) ? dice_between(dice, 86400, 20 * 86400) : dice_between(dice, 1, 1800); break;
	case DEED_CAPTURE: case DEED_RELEASE: c->of = recent(dice, DEED_HOLD, c->member); break;
	case DEED_RETURN: c->of = recent(dice, DEED_PURCHASE, c->member); break;
	case DEED_ENROL: case DEED_REDEEM: case DEED_TRANSFER: case DEED_ERASE: case DEED_ROTATE: case DEED_CLOCK: case DEED_BATCH: case DEED_BALANCE:
	case DEED_HISTORY: case DEED_VAULT: case DEED_COUNT: break;
	}
	if (c->deed == DEED_REDEEM || c->deed == DEED_HOLD || c->deed == DEED_CAPTURE || c->deed == DEED_TRANSFER)
		c->amount = dice_between(dice, 1, dice_once_in(dice, 4) ? 40 : 8);
	if ((c->deed == DEED_CAPTURE || c->deed == DEED_RELEASE || c->deed == DEED_RETURN) && c->of == NONE) {
		c->deed = DEED_PURCHASE;
		c->amount = 3000;
	}
}

uint32_t
command_invent(struct dice *dice, unsigned client)
{
	static const enum deed parts[] = { DEED_PURCHASE, DEED_REDEEM, DEED_HOLD, DEED_CAPTURE, DEED_PURCHASE };
	uint32_t index = command_new(choose(dice, client), client);
	struct command *c = command_at(index);

	if (index < 60 && dice_once_in(dice, 3))
		c->deed = DEED_ENROL;
	fill(dice, c);
	if (c->deed != DEED_BATCH)
		return index;
	c->atomic = dice_once_in(dice, 2);
	c->n_children = 1 + dice_below(dice, BATCH_MAX);
	for (uint32_t i = 0; i < c->n_children; i++) {
		struct command *child = command_at(command_new(parts[dice_below(dice, 5)], client));
		fill(dice, child);
		child->parent = index;
		child->deadline_ms = 0;
		child->wants_receipt = false;
	}
	return index;
}

bool
command_has_birthday(const struct command *enrol)
{
	return enrol->member % 4 == 3;
}

bool
command_is_predicted(const struct command *c)
{
	return c->deed < DEED_PUBLISH && !(c->deed == DEED_ENROL && command_has_birthday(c));
}

/* ---- bytes ---- */

struct text { char data[4096]; size_t len; };

static void add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
add(struct text *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int n = vsnprintf(t->data + t->len, sizeof(t->data) - t->len, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(t->data) - t->len)
		broken("a command is too long");
	t->len += (size_t)n;
}

static void
add_command(struct text *t, const struct command *c)
{
	bool has_member = c->deed != DEED_ROTATE && c->deed != DEED_CLOCK && c->deed != DEED_VAULT;
	bool reads = c->deed == DEED_BALANCE || c->deed == DEED_HISTORY || c->deed == DEED_VAULT;

	add(t, "{\"op\": \"%s\"", deed_str(c->deed));
	if (!reads)
		add(t, ", \"key\": \"%s\"", c->key);
	if (has_member)
		add(t, ", \"member\": \"card:%u\"", c->member);
	if (c->deadline_ms != 0 && !reads)
		add(t, ", \"deadline_ms\": %u", c->deadline_ms);
	if (c->wants_receipt)
		add(t, ", \"want_receipt\": true");
	if (c->deed == DEED_ENROL && command_has_birthday(c))
		add(t, ", \"birthday\": \"%02u-%02u\"", 1 + c->member * 5 % 12, 1 + c->member * 7 % 28);
	if (c->deed == DEED_PURCHASE)
		add(t, ", \"amount\": \"%lld\"", (long long)c->amount);
	if (c->deed == DEED_REDEEM || c->deed == DEED_HOLD || c->deed == DEED_CAPTURE || c->deed == DEED_TRANSFER)
		add(t, ", \"points\": \"%lld\"", (long long)c->amount);
	if (c->deed == DEED_HOLD)
		add(t, ", \"ttl\": \"%llds\"", (long long)c->ttl_s);
	if (c->of != NONE)
		add(t, ", \"%s\": \"%s\"", c->deed == DEED_RETURN ? "purchase" : "hold", command_at(c->of)->key);
	if (c->deed == DEED_TRANSFER)
		add(t, ", \"to\": \"card:%u\"", c->other);
	if (c->deed == DEED_VAULT)
		add(t, ", \"rotate\": true");
	if (c->deed == DEED_ROTATE) {
		add(t, ", \"kind\": \"%s\", \"new_key\": \"", c->checkpoint_key ? "checkpoint" : "transaction");
		for (unsigned i = 0; i < sizeof(c->new_key); i++)
			add(t, "%02x", c->new_key[i]);
		add(t, "\"");
	}
	add(t, "}");
}

static void
encode_publish(const struct command *c, struct arena *arena, struct buf *out)
{
	Fealty__V1__Request request = FEALTY__V1__REQUEST__INIT;
	Fealty__V1__Publish publish = FEALTY__V1__PUBLISH__INIT;
	struct yaml_lines *lines;
	struct text_error error;
	struct buf definition;
	char yaml[2048];

	snprintf(yaml, sizeof(yaml), program_yaml, (long long)c->amount);
	buf_init(&definition);
	if (codec_yaml_parse(bytes_of(yaml, strlen(yaml)), arena, &definition, &lines, &error) != ST_OK)
		broken("the program: %s: %s", error.path, error.sentence);
	publish.definition = fealty__program__v1__program__unpack(NULL, definition.len, definition.data);
	buf_release(&definition);
	request.op_case = FEALTY__V1__REQUEST__OP_PUBLISH;
	request.publish = &publish;
	request.key = (char *)(uintptr_t)c->key;
	uint8_t *bytes = buf_room(out, fealty__v1__request__get_packed_size(&request));
	if (publish.definition == NULL || bytes == NULL)
		broken("no memory for a program");
	out->len += fealty__v1__request__pack(&request, bytes);
	fealty__program__v1__program__free_unpacked(publish.definition, NULL);
}

void
command_encode(uint32_t index, struct arena *arena, struct buf *out)
{
	const struct command *c = command_at(index);
	struct text_error error;
	struct text t = { .len = 0 };

	if (c->deed == DEED_PUBLISH) {
		encode_publish(c, arena, out);
		return;
	}
	if (c->deed == DEED_BATCH) {
		add(&t, "{\"key\": \"%s\", \"atomic\": %s, \"commands\": [", c->key, c->atomic ? "true" : "false");
		for (uint32_t i = 1; i <= c->n_children; i++) {
			add(&t, i == 1 ? "" : ", ");
			add_command(&t, command_at(index + i));
		}
		add(&t, "]}");
	} else {
		add_command(&t, c);
	}
	if (codec_json_parse(c->deed == DEED_BATCH ? CODEC_BATCH : CODEC_REQUEST, t.data, arena, out, &error) != ST_OK)
		broken("%s: %s: %s", t.data, error.path, error.sentence);
}
