/* Buckets, the fair queue, the table of limits, access files and who counts for what: by numbers alone, with the clock as an argument. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "service/access.h"
#include "service/bucket.h"
#include "service/party.h"

/* ---- buckets ---- */

static void
a_bucket_gives_its_burst_and_then_its_rate(void **state)
{
	int64_t now = 5 * US_PER_SECOND;
	struct bucket b = bucket_full_of(3, now);

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(bucket_wait_us(&b, 10, 3, now), 0);
		bucket_take(&b, 1);
	}
	assert_int_equal(bucket_wait_us(&b, 10, 3, now), 100000);
	assert_int_equal(bucket_wait_us(&b, 10, 3, now + 99999), 1);
	assert_int_equal(bucket_wait_us(&b, 10, 3, now + 100000), 0);
	bucket_take(&b, 1);
	/* a rest brings the burst back and no more */
	now += 3600 * US_PER_SECOND;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(bucket_wait_us(&b, 10, 3, now), 0);
		bucket_take(&b, 1);
	}
	assert_int_equal(bucket_wait_us(&b, 10, 3, now), 100000);
}

static void
what_is_taken_in_advance_is_waited_for(void **state)
{
	struct bucket b = bucket_full_of(5, 0);

	(void)state;
	assert_int_equal(bucket_wait_us(&b, 10, 5, 0), 0);
	bucket_take(&b, 1000);		/* a batch goes through as a whole */
	assert_int_equal(bucket_wait_us(&b, 10, 5, 0), (1000 - 5 + 1) * 100000);
	assert_int_equal(bucket_wait_us(&b, 10, 5, 99600000), 0);
	assert_false(bucket_is_full(&b, 10, 5, 99600000));
	assert_true(bucket_is_full(&b, 10, 5, 100000000));
}

static void
a_bucket_takes_any_time_and_any_rule(void **state)
{
	struct bucket b = bucket_full_of(100, 1000);

	(void)state;
	bucket_take(&b, 100);
	assert_int_equal(bucket_wait_us(&b, 10, 100, 500), 100000);	/* a clock that goes back brings nothing */
	assert_int_equal(bucket_wait_us(&b, 999999999, 999999999, INT64_MAX / 2), 0);
	assert_true(bucket_is_full(&b, 999999999, 999999999, INT64_MAX / 2));
	/* a smaller burst holds at once */
	assert_int_equal(bucket_wait_us(&b, 1, 2, INT64_MAX / 2), 0);
	bucket_take(&b, 2);
	assert_int_equal(bucket_wait_us(&b, 1, 2, INT64_MAX / 2), US_PER_SECOND);
	for (int i = 0; i < 10; i++)
		bucket_take(&b, UINT32_MAX);
	assert_true(bucket_wait_us(&b, 1, 2, INT64_MAX / 2) > US_PER_SECOND);
}

/* ---- the fair queue ---- */

struct thing { struct fair_item item; char name; };

#define N_THINGS 400
struct stage {
	struct fair_queue q;
	struct fair_flow flows[4];
	struct thing things[N_THINGS];
	size_t n;
};

static struct thing *
put(struct stage *s, unsigned flow, uint32_t cost, bool may_part)
{
	struct thing *t = &s->things[s->n++];

	assert_true(s->n <= N_THINGS);
	t->name = (char)('a' + flow);
	fair_put(&s->q, &s->flows[flow], &t->item, cost, may_part);
	return t;
}

/* One round: "aaab", a letter for each item that comes out. */
static const char *
round_of(struct stage *s, uint32_t quantum)
{
	static char text[N_THINGS + 1];
	size_t n = 0;

	for (struct fair_item *list; (list = fair_turn(&s->q, quantum, false)) != NULL; ) {
		for (; list != NULL; list = list->next)
			text[n++] = ((struct thing *)(void *)list)->name;
	}
	text[n] = '\0';
	return text;
}

static void
each_has_its_turn(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	(void)state;
	for (int i = 0; i < 10; i++)
		put(s, 0, 1, false);
	put(s, 1, 1, false);
	for (int i = 0; i < 4; i++)
		put(s, 2, 1, false);
	fair_batch(&s->q);
	assert_string_equal(round_of(s, 3), "aaabccc");
	assert_true(fair_someone_waits(&s->q));		/* b has all of its own; a has more */
	assert_int_equal(s->q.n, 8);
	assert_string_equal(round_of(s, 3), "");	/* each had its turn in this round */
	/* who comes anew within a round has a turn in it; who had one has not */
	put(s, 3, 1, false);
	put(s, 1, 1, false);
	assert_string_equal(round_of(s, 3), "d");
	fair_batch(&s->q);
	assert_string_equal(round_of(s, 3), "baaac");
	fair_round(&s->q);
	assert_string_equal(round_of(s, 3), "aaa");
	assert_false(fair_someone_waits(&s->q));	/* nobody else is there */
	fair_round(&s->q);
	assert_string_equal(round_of(s, 3), "a");
	assert_true(s->q.n == 0 && s->q.first == NULL);
	assert_string_equal(round_of(s, 3), "");
	free(s);
}

static void
a_flow_alone_is_no_waiting(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	(void)state;
	fair_batch(&s->q);
	for (int i = 0; i < 9; i++)
		put(s, 0, 1, false);
	assert_string_equal(round_of(s, 4), "aaaa");
	assert_false(fair_someone_waits(&s->q));
	for (int i = 0; i < 9; i++)
		put(s, 1, 1, false);
	fair_round(&s->q);
	assert_string_equal(round_of(s, 4), "aaaabbbb");
	assert_false(fair_someone_waits(&s->q));	/* two who both have much: neither waits for the other alone */
	fair_round(&s->q);
	assert_string_equal(round_of(s, 4), "abbbb");
	assert_false(fair_someone_waits(&s->q));	/* a ran dry in its third turn: it had as much as b */
	free(s);
}

static void
dear_items_save_up(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	(void)state;
	put(s, 0, 25, false);
	put(s, 0, 1, false);
	for (int i = 0; i < 60; i++)
		put(s, 1, 1, false);
	fair_batch(&s->q);
	assert_string_equal(round_of(s, 10), "bbbbbbbbbb");
	fair_round(&s->q);
	assert_string_equal(round_of(s, 10), "bbbbbbbbbb");
	fair_round(&s->q);
	assert_string_equal(round_of(s, 10), "aabbbbbbbbbb");	/* 30 saved: 25 and 1, in their order */
	assert_int_equal(s->flows[0].deficit, 0);		/* who is gone saves nothing */
	free(s);
}

/* With parts, what is left stays in front of what came later. */
static void
parts_go_on_where_they_were(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));
	uint32_t done = 0;

	(void)state;
	struct thing *big = put(s, 0, 25, true);
	put(s, 0, 1, true);
	for (int i = 0; i < 3; i++) {
		fair_batch(&s->q);
		struct fair_item *list = fair_turn(&s->q, 10, true);
		assert_ptr_equal(list, &big->item);
		assert_int_equal(list->granted, i < 2 ? 10 : 5);
		done += list->granted;
		if (i < 2) {
			assert_null(list->next);
			assert_true(s->q.has_more);
			fair_put_back(&s->q, &s->flows[0], list);
			assert_null(fair_turn(&s->q, 10, true));
		} else {
			assert_non_null(list->next);
		}
	}
	assert_int_equal(done, 25);
	assert_int_equal(s->q.n, 0);
	/* one that must not be parted waits until it is paid for */
	put(s, 0, 25, false);
	fair_batch(&s->q);
	assert_null(fair_turn(&s->q, 10, true));
	/* the last of a flow, in part: it is no one who waits */
	put(s, 1, 25, true);
	put(s, 2, 1, false);
	fair_batch(&s->q);
	struct fair_item *list = fair_turn(&s->q, 10, true);
	assert_true(list->granted == 10 && ((struct thing *)(void *)list)->name == 'b');
	assert_false(fair_someone_waits(&s->q));
	list = fair_turn(&s->q, 10, true);
	assert_int_equal(((struct thing *)(void *)list)->name, 'c');
	assert_true(fair_someone_waits(&s->q));
	free(s);
}

/* Of two who always have more, each has half of the cost, whatever their items cost. */
static void
shares_are_equal(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));
	uint64_t cost[2] = { 0, 0 };

	(void)state;
	put(s, 0, 1, false);
	put(s, 1, 37, false);
	put(s, 1, 37, false);
	for (int i = 0; i < 2000; i++) {
		fair_batch(&s->q);
		for (struct fair_item *list; (list = fair_turn(&s->q, 16, false)) != NULL; ) {
			while (list != NULL) {
				struct fair_item *next = list->next;
				unsigned flow = (unsigned)(((struct thing *)(void *)list)->name - 'a');
				cost[flow] += list->cost;
				fair_put(&s->q, &s->flows[flow], list, list->cost, false);
				while (flow == 0 && s->flows[0].n < 32)
					put(s, 0, 1, false);
				list = next;
			}
		}
	}
	assert_in_range(cost[0], 2000 * 16 - 100, 2000 * 16 + 100);
	assert_in_range(cost[1], 2000 * 16 - 100, 2000 * 16 + 100);
	free(s);
}

static void
an_allowance_follows_the_disk(void **state)
{
	(void)state;
	assert_int_equal(fair_allowance(4000, 20000), 50);
	assert_int_equal(fair_allowance(100, 20000), FAIR_ALLOWANCE_MIN);
	assert_int_equal(fair_allowance(INT64_C(10000000), 1000), FAIR_ALLOWANCE_MAX);
	assert_int_equal(fair_allowance(4000, 0), FAIR_ALLOWANCE_MAX);
}

/* ---- the table ---- */

static void
limits_are_said_by_name(void **state)
{
	static const struct { const char *text, *why; } bad[] = {
		{ "connection", "there is no limit `connection'; there are connections, connection_in_flight, " },
		{ "", "there is no limit `'" }, { "=5", "there is no limit `'" },
		{ "connections", "takes a number from 1 to" }, { "connections=", "takes a number" }, { "connections=0", "from 1 to 1000000" },
		{ "connections=1000001", "takes" }, { "connections=-1", "takes" }, { "connections=5x", "takes" }, { "connections=99999999999", "takes" },
		{ "connection_in_flight=65", "from 1 to 64" },
		{ "a_name_that_is_longer_than_any_limit_could_ever_be_or_should_ever_become=1", "there is no limit" },
	};
	struct limits l = limits_default();
	char why[LIMITS_WHY_BYTES];

	(void)state;
	for (enum limit i = 0; i < LIMIT_COUNT; i++) {
		const struct limit_row *row = &limit_table[i];
		enum limit found;
		assert_true(limit_find(row->name, &found) && found == i && row->usual >= row->least && row->usual <= row->most);
		assert_true(row->help[0] != '\0' && (row->counts_as == i || limit_is_rate(row->counts_as)));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(limits_parse(bad[i].text, &l, why), ST_INVALID);
		if (strstr(why, bad[i].why) == NULL)
			fail_msg("%s: %s", bad[i].text, why);
	}
	assert_int_equal(limits_parse("connections=7", &l, why), ST_OK);
	assert_int_equal(l.of[LIMIT_CONNECTIONS], 7);
	/* a rate alone means that of a second, unless the burst is said as well, before or after */
	assert_int_equal(limits_parse("principal_commands_per_second=5", &l, why), ST_OK);
	assert_int_equal(l.of[LIMIT_PRINCIPAL_COMMANDS_BURST], 5);
	assert_int_equal(limits_parse("address_bytes_burst=77", &l, why), ST_OK);
	assert_int_equal(limits_parse("address_bytes_per_second=5", &l, why), ST_OK);
	assert_int_equal(l.of[LIMIT_ADDRESS_BYTES_BURST], 77);
}

/* ---- access files ---- */

static char *
file_of(const char *text)
{
	static char path[] = "/tmp/fealty-access-XXXXXX";

	strcpy(path + strlen(path) - 6, "XXXXXX");
	int fd = mkstemp(path);
	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	return path;
}

static struct access *
loaded(const char *text)
{
	char why[ACCESS_WHY_BYTES];
	struct access *access = NULL;
	char *path = file_of(text);

	if (access_load(path, &access, why) != ST_OK)
		fail_msg("%s", why);
	unlink(path);
	return access;
}

static void
access_files_are_read_strictly(void **state)
{
	static const struct { const char *text, *why; } bad[] = {
		{ "", "the file is empty" },
		{ "principal: {}\n", ":1: there is no key `principal` here; did you mean principals?" },
		{ "principals: []\n", ":1:" }, { "principals: all\n", "principals are a map" },
		{ "principals:\n  backend/a:\n    program: [x]\n", ":3: principals.backend/a: there is no key `program` here; did you mean programs?" },
		{ "principals:\n  backend/a: {programs: [x], programs: [y]}\n", ":2: principals.backend/a: the key `programs` stands here twice" },
		{ "principals:\n  backend/a: {programs: [x]}\n  backend/a: {programs: [y]}\n", ":3: principals: this principal stands here twice" },
		{ "principals:\n  backend/a: {limits: {connection_in_flight: 1}}\n", ":2: principals.backend/a: the programs of the backend are missing" },
		{ "principals:\n  backend/a: {}\n", "the programs of the backend are missing" },
		{ "principals:\n  backend/a: [x]\n", "a map" },
		{ "principals:\n  operator/a: {programs: [x]}\n", "only tills and backends are bound" },
		{ "principals:\n  system/a: {programs: [x]}\n", "this is no principal" }, { "principals:\n  backend: {programs: [x]}\n", "this is no principal" },
		{ "principals:\n  \"backend*\": {programs: [x]}\n", "this is no principal" }, { "principals:\n  \"*\": {programs: [x]}\n", "this is no principal" },
		{ "principals:\n  pos/*/7: {programs: [x]}\n", "this is no principal" }, { "principals:\n  \"/*\": {programs: [x]}\n", "this is no principal" },
		{ "principals:\n  backend/a: {programs: x}\n", "or the word `all`" }, { "principals:\n  backend/a: {programs: []}\n", "an empty list" },
		{ "principals:\n  backend/a: {programs: [X]}\n", "no id of a program" }, { "principals:\n  backend/a: {programs: [x, x]}\n", "twice" },
		{ "principals:\n  backend/a: {programs: [x], limits: 5}\n", "limits are a map" },
		{ "principals:\n  backend/a: {programs: [x], limits: {nothing: 5}}\n", ":2: principals.backend/a.limits: there is no limit `nothing'" },
		{ "principals:\n  pos/*:\n    limits:\n      connections: 5\n", ":4: principals.pos/*.limits: connections is not a principal's; say it with --limit" },
		{ "principals:\n  pos/*: {limits: {address_connections: 5}}\n", "is not a principal's" },
		{ "principals:\n  pos/*: {limits: {connection_in_flight: 65}}\n", "is a number from 1 to 64" },
		{ "principals:\n  pos/*: {limits: {connection_in_flight: 0}}\n", "is a number from 1 to 64" },
		{ "principals:\n  pos/*: {limits: {connection_in_flight: -1}}\n", "at most nine digits" },
		{ "principals:\n  pos/*: {limits: {connection_in_flight: 5, connection_in_flight: 6}}\n", "twice" },
		{ "principals: &a {}\n", "anchors" }, { "principals:\n  backend/a: {programs: [x\n", "not YAML" },
	};
	char why[ACCESS_WHY_BYTES];
	struct access *access;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char *path = file_of(bad[i].text);
		assert_int_equal(access_load(path, &access, why), ST_INVALID);
		if (strstr(why, path) == NULL || strstr(why, bad[i].why) == NULL)
			fail_msg("%s: %s", bad[i].text, why);
		unlink(path);
	}
	assert_int_equal(access_load("/nowhere/at/all", &access, why), ST_IO);
	assert_non_null(strstr(why, "cannot be opened"));
	access_free(loaded("principals: {}\n"));
}

static void
the_closest_row_counts(void **state)
{
	static const struct { const char *principal, *program; } rows[] = {
		{ "backend/app", "one" }, { "backend/app2", "two" }, { "backend/app/x", "two" }, { "backend/shop/eu", "three" }, { "backend/shop", "two" },
		{ "pos/0042/07", "four" }, { "pos/0042/08", "five" }, { "pos/00421/08", NULL }, { "operator/a", NULL }, { "backend", NULL },
	};
	struct access *access = loaded("principals:\n  backend/app: {programs: [one]}\n  backend/*: {programs: [two]}\n  backend/shop/*: {programs: [three]}\n"
	    "  pos/0042/*: {programs: [five]}\n  pos/0042/07: {programs: [four]}\n  auditor/*: {limits: {principal_bytes_per_second: 9}}\n");
	struct limits limits = limits_default();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct access_row *row = access_find(access, rows[i].principal);
		assert_int_equal(row != NULL, rows[i].program != NULL);
		if (row != NULL && !access_has_program(row, rows[i].program))
			fail_msg("%s", rows[i].principal);
		assert_true(row == NULL || !access_has_program(row, "six"));
	}
	access_apply(access_find(access, "auditor/x"), &limits);
	assert_true(limits.of[LIMIT_PRINCIPAL_BYTES_PER_SECOND] == 9 && limits.of[LIMIT_PRINCIPAL_BYTES_BURST] == 9);
	access_free(access);
}

/* ---- parties ---- */

static struct party *
opened(struct parties *parties, const char *name, bool local)
{
	struct party *p = NULL;

	assert_int_equal(parties_open(parties, PARTY_PRINCIPAL, name, local, 0, &p), ST_OK);
	return p;
}

static void
connecting_anew_gives_no_new_burst(void **state)
{
	struct limits limits = limits_default();
	struct parties *parties;
	struct charge charge;
	char why[LIMITS_WHY_BYTES];
	struct party *p;

	(void)state;
	assert_int_equal(limits_parse("principal_commands_per_second=2", &limits, why), ST_OK);
	assert_int_equal(limits_parse("principal_connections=2", &limits, why), ST_OK);
	assert_int_equal(parties_new(&limits, NULL, &parties), ST_OK);
	for (int i = 0; i < 2; i++) {
		p = opened(parties, "pos/1/1", false);
		assert_true(party_charge(p, false, 100, 0, &charge));
		parties_close(parties, p, 0);
	}
	p = opened(parties, "pos/1/1", false);
	assert_false(party_charge(p, false, 100, 0, &charge));
	assert_true(charge.limit == LIMIT_PRINCIPAL_COMMANDS_PER_SECOND && charge.wait_us == 500000);
	/* two connections share it; a third is too many; another principal has its own */
	assert_ptr_equal(opened(parties, "pos/1/1", false), p);
	struct party *third = NULL;
	assert_int_equal(parties_open(parties, PARTY_PRINCIPAL, "pos/1/1", false, 0, &third), ST_FULL);
	struct party *other = opened(parties, "pos/1/2", false);
	assert_true(party_charge(other, false, 100, 0, &charge));
	/* by the UNIX socket the defaults count for nothing */
	for (int i = 0; i < 50; i++)
		assert_true(party_charge(p, true, 1000000, 0, &charge));
	parties_close(parties, p, 0);
	parties_close(parties, p, 0);
	parties_close(parties, other, 0);
	assert_int_equal(parties_count(parties), 2);
	parties_sweep(parties, 400000);
	assert_int_equal(parties_count(parties), 2);
	parties_sweep(parties, 1100000);		/* their tokens are all back */
	assert_int_equal(parties_count(parties), 0);
	parties_free(parties);
}

static void
works_keep_a_party(void **state)
{
	struct limits limits = limits_default();
	struct parties *parties;
	enum limit limit;

	(void)state;
	limits.of[LIMIT_PRINCIPAL_IN_FLIGHT] = 10;
	limits.of[LIMIT_PRINCIPAL_SUBSCRIPTIONS] = 1;
	assert_int_equal(parties_new(&limits, NULL, &parties), ST_OK);
	struct party *p = opened(parties, "backend/a", false);
	assert_true(party_send(p, false, 1000, &limit));		/* one batch may be larger than the limit, when nothing else is there */
	assert_false(party_send(p, false, 1, &limit));
	assert_int_equal(limit, LIMIT_PRINCIPAL_IN_FLIGHT);
	party_answered(p, 1000);
	assert_true(party_send(p, false, 9, &limit));
	assert_false(party_send(p, false, 2, &limit));
	assert_true(party_send(p, false, 1, &limit));
	assert_true(party_subscribe(p, false, &limit));
	assert_false(party_subscribe(p, false, &limit));
	assert_int_equal(limit, LIMIT_PRINCIPAL_SUBSCRIPTIONS);
	party_unsubscribe(p);
	parties_close(parties, p, 0);
	parties_sweep(parties, US_PER_SECOND);
	assert_int_equal(parties_count(parties), 1);
	party_answered(p, 10);
	parties_sweep(parties, US_PER_SECOND);
	assert_int_equal(parties_count(parties), 0);
	/* an address is another party than a principal, with limits of its own */
	limit = LIMIT_CONNECTIONS;
	assert_int_equal(parties_open(parties, PARTY_ADDRESS, "backend/a", false, 0, &p), ST_OK);
	assert_true(party_send(p, false, 11, &limit));
	assert_true(party_send(p, false, limits.of[LIMIT_ADDRESS_IN_FLIGHT] - 11, &limit));
	assert_false(party_send(p, false, 1, &limit));
	assert_int_equal(limit, LIMIT_ADDRESS_IN_FLIGHT);
	party_answered(p, limits.of[LIMIT_ADDRESS_IN_FLIGHT]);
	parties_close(parties, p, 0);
	parties_free(parties);
}

static void
new_rules_hold_at_once(void **state)
{
	struct limits limits = limits_default();
	struct parties *parties;
	struct charge charge;

	(void)state;
	assert_int_equal(parties_new(&limits, NULL, &parties), ST_OK);
	struct party *shop = opened(parties, "backend/shop", true), *other = opened(parties, "backend/other", true), *till = opened(parties, "pos/1/1", true),
	    *auditor = opened(parties, "auditor/a", true);
	struct party *all[] = { shop, other, till, auditor };
	for (size_t i = 0; i < 4; i++)
		assert_true(!party_is_bound(all[i]) && party_may(all[i], "any") && party_is_free_locally(all[i]));

	parties_set_access(parties, loaded("principals:\n  backend/shop:\n    programs: [acme]\n    limits: {principal_commands_per_second: 1}\n"));
	assert_true(party_is_bound(shop) && party_may(shop, "acme") && !party_may(shop, "beta"));
	assert_true(party_is_bound(other) && !party_may(other, "acme"));	/* no row names it */
	assert_true(!party_is_bound(till) && !party_is_bound(auditor));
	assert_true(party_charge(shop, true, 1, US_PER_SECOND, &charge) && !party_charge(shop, true, 1, US_PER_SECOND, &charge));
	assert_true(party_charge(other, true, 1, US_PER_SECOND, &charge) && party_charge(other, true, 1, US_PER_SECOND, &charge));

	parties_set_access(parties, loaded("principals:\n  backend/*: {programs: all}\n  pos/1/*: {programs: [acme, beta]}\n"));
	assert_true(!party_is_bound(shop) && party_may(shop, "beta") && !party_is_bound(other));
	assert_true(party_is_bound(till) && party_may(till, "beta") && !party_may(till, "gamma"));
	assert_true(party_charge(shop, true, 1, US_PER_SECOND, &charge));
	for (size_t i = 0; i < 4; i++)
		parties_close(parties, all[i], US_PER_SECOND);
	parties_free(parties);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bucket_gives_its_burst_and_then_its_rate),
		cmocka_unit_test(what_is_taken_in_advance_is_waited_for),
		cmocka_unit_test(a_bucket_takes_any_time_and_any_rule),
		cmocka_unit_test(each_has_its_turn),
		cmocka_unit_test(a_flow_alone_is_no_waiting),
		cmocka_unit_test(dear_items_save_up),
		cmocka_unit_test(parts_go_on_where_they_were),
		cmocka_unit_test(shares_are_equal),
		cmocka_unit_test(an_allowance_follows_the_disk),
		cmocka_unit_test(limits_are_said_by_name),
		cmocka_unit_test(access_files_are_read_strictly),
		cmocka_unit_test(the_closest_row_counts),
		cmocka_unit_test(connecting_anew_gives_no_new_burst),
		cmocka_unit_test(works_keep_a_party),
		cmocka_unit_test(new_rules_hold_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
