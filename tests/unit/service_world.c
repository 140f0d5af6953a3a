#include "service_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "program.pb-c.h"

#define DEADLINE_MS 20000

static int64_t
now_of(void *ctx)
{
	return atomic_load(&((struct server *)ctx)->now_us);
}

static int64_t
boot_of(void *ctx)
{
	return atomic_load(&((struct server *)ctx)->boot_us);
}

static void
on_fatal(void *ctx)
{
	atomic_store(&((struct server *)ctx)->fatal, true);
}

void
server_init(struct server *s, bool manual_clock)
{
	const char *log = getenv("FEALTY_TEST_LOG");

	memset(s, 0, sizeof(*s));
	if (log != NULL)
		assert_int_equal(log_open(log, LOG_LEVEL_WARNING, &s->log), ST_OK);
	ledger_world_init(&s->w, manual_clock);
	atomic_store(&s->now_us, kst("2026-03-02T10:00:00"));
	atomic_store(&s->boot_us, 1000 * US_PER_SECOND);
}

void
server_start(struct server *s)
{
	struct service_params params = {
		.data_path = s->w.data,
		.keys_path = s->w.keys_path,
		.head_lock_path = s->w.head_lock,
		.manual_clock = s->w.manual_clock,
		.sign_threads = 2,
		.low_space_bytes = 1,
		.epoch_hours = 24,
		.erasure_days = 30,
		.clock = { now_of, boot_of, s },
		.version = "test",
		.log = s->log,
		.on_fatal = on_fatal,
		.fatal_ctx = s,
	};
	struct net_limits limits = net_limits_default();
	char message[SERVICE_MESSAGE_BYTES];

	assert_null(s->w.store);
	if (service_open(&params, &s->service, message) != ST_OK)
		fail_msg("%s", message);
	struct net_handler handler = service_handler(s->service);
	assert_int_equal(net_new(2, &limits, &handler, &s->net), ST_OK);
	assert_int_equal(service_attach(s->service, s->net), ST_OK);
	assert_int_equal(net_listen_unix(s->net, s->w.socket), ST_OK);
	assert_int_equal(net_start(s->net), ST_OK);
}

void
server_stop(struct server *s)
{
	if (s->service == NULL)
		return;
	net_stop_accepting(s->net);
	service_drain(s->service);
	net_stop(s->net);
	service_close(s->service);
	net_free(s->net);
	s->service = NULL;
	s->net = NULL;
}

void
server_release(struct server *s)
{
	server_stop(s);
	log_close(s->log);
	s->log = NULL;
	ledger_world_release(&s->w);
}

void
server_pass(struct server *s, int64_t us)
{
	atomic_fetch_add(&s->boot_us, us);
	atomic_fetch_add(&s->now_us, us);
}

void
server_jump(struct server *s, int64_t us)
{
	atomic_fetch_add(&s->now_us, us);
}

/* ---- clients ---- */

struct fealty_client *
client_of(const struct server *s, const char *principal)
{
	struct fealty_options options;
	struct fealty_client *c = NULL;
	char address[128];

	fealty_options_init(&options);
	options.principal = principal;
	options.deadline_ms = DEADLINE_MS;
	options.backoff_max_ms = 100;
	snprintf(address, sizeof(address), "unix:%s", s->w.socket);
	assert_int_equal(fealty_client_new(address, &options, NULL, &c), FEALTY_ERROR_NONE);
	return c;
}

static void
parse(enum codec_message message, const char *json, struct arena *arena, struct buf *out)
{
	struct text_error error;

	arena_init(arena, (size_t)16 * 1024 * 1024);
	buf_init(out);
	if (codec_json_parse(message, json, arena, out, &error) != ST_OK)
		fail_msg("%s: %s: %s", json, error.path, error.sentence);
}

struct fealty_result
call(struct fealty_client *c, const char *json)
{
	struct fealty_result result;
	struct arena arena;
	struct buf bytes;

	parse(CODEC_REQUEST, json, &arena, &bytes);
	Fealty__V1__Request *request = fealty__v1__request__unpack(NULL, bytes.len, bytes.data);
	assert_non_null(request);
	fealty_call(c, request, &result);
	fealty__v1__request__free_unpacked(request, NULL);
	buf_release(&bytes);
	arena_release(&arena);
	return result;
}

struct fealty_result
call_ok(struct fealty_client *c, const char *json)
{
	struct fealty_result result = call(c, json);

	if (result.outcome != FEALTY_OK)
		fail_msg("%s: %s: %s", json, fealty_outcome_str(result.outcome), result.message);
	return result;
}

void
call_refused(struct fealty_client *c, const char *json, const char *reason, const char *field)
{
	struct fealty_result result = call(c, json);

	if (result.outcome != FEALTY_REFUSED || strcmp(result.response->reason, reason) != 0)
		fail_msg("%s: %s: %s", json, fealty_outcome_str(result.outcome), result.message);
	if (field != NULL) {
		assert_non_null(result.response->field);
		assert_string_equal(result.response->field, field);
	}
	fealty_result_release(&result);
}

struct fealty_result
call_batch(struct fealty_client *c, const char *json)
{
	struct fealty_result result;
	struct arena arena;
	struct buf bytes;

	parse(CODEC_BATCH, json, &arena, &bytes);
	Fealty__V1__Batch *batch = fealty__v1__batch__unpack(NULL, bytes.len, bytes.data);
	assert_non_null(batch);
	fealty_batch(c, batch, &result);
	fealty__v1__batch__free_unpacked(batch, NULL);
	buf_release(&bytes);
	arena_release(&arena);
	return result;
}

void
call_publish(struct fealty_client *c, const char *yaml, const char *key, int64_t at_us)
{
	Fealty__V1__Request request = FEALTY__V1__REQUEST__INIT;
	Fealty__V1__Publish publish = FEALTY__V1__PUBLISH__INIT;
	struct ledger_world scratch = { 0 };
	struct fealty_result result;

	arena_init(&scratch.arena, (size_t)16 * 1024 * 1024);
	struct bytes definition = world_definition(&scratch, yaml);
	publish.definition = fealty__program__v1__program__unpack(NULL, definition.len, definition.data);
	assert_non_null(publish.definition);
	request.op_case = FEALTY__V1__REQUEST__OP_PUBLISH;
	request.publish = &publish;
	request.key = (char *)(uintptr_t)key;
	request.has_at = at_us != 0;
	request.at = at_us;
	if (fealty_call(c, &request, &result) != FEALTY_OK)
		fail_msg("publish: %s", result.message);
	fealty_result_release(&result);
	fealty__program__v1__program__free_unpacked(publish.definition, NULL);
	arena_release(&scratch.arena);
}

void
assert_available(struct fealty_client *c, const char *alias, const char *want)
{
	char json[160];

	snprintf(json, sizeof(json), "{\"op\": \"balance\", \"member\": \"%s\"}", alias);
	struct fealty_result result = call_ok(c, json);
	assert_string_equal(result.response->available, want);
	fealty_result_release(&result);
}

void
assert_ops(struct server *s, uint64_t seq, const char *want)
{
	char got[1024] = "";
	size_t len = 0;

	assert_null(s->service);
	world_open(&s->w);
	for (; seq < apply_head(s->w.apply)->size; seq++) {
		struct signed_transaction leaf;
		struct transaction t;
		assert_int_equal(codec_signed_decode(world_leaf(&s->w, seq), &leaf), ST_OK);
		assert_int_equal(codec_transaction_decode(leaf.transaction, &s->w.arena, &t), ST_OK);
		for (size_t i = 0; i < t.n_entries; i++)
			len += (size_t)snprintf(got + len, sizeof(got) - len, "%s%s", len == 0 ? "" : " ", op_str(t.entries[i].op));
	}
	world_close(&s->w, true);
	assert_string_equal(got, want);
}

void
eventually(bool (*done)(void *ctx), void *ctx, const char *what)
{
	int64_t end_us = clock_monotonic_us() + 30 * US_PER_SECOND;

	while (!done(ctx)) {
		if (clock_monotonic_us() > end_us)
			fail_msg("it did not happen: %s", what);
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
	}
}
