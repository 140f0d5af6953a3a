#include "bench_mix.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct { const char *name; bool writes; } ops[BENCH_OP_COUNT] = {
	[BENCH_PURCHASE] = { "purchase", true }, [BENCH_REDEEM] = { "redeem", true }, [BENCH_BALANCE] = { "balance", false },
	[BENCH_HISTORY] = { "history", false },
};

const char *
bench_op_str(enum bench_op op)
{
	return ops[op].name;
}

bool
bench_op_writes(enum bench_op op)
{
	return ops[op].writes;
}

static const char *
parse_row(const char *text, size_t len, struct mix *mix)
{
	const char *equals = memchr(text, '=', len);
	size_t name_len = equals == NULL ? len : (size_t)(equals - text);
	unsigned long weight = 1;
	char *end = NULL;
	enum bench_op op;

	for (op = 0; op < BENCH_OP_COUNT; op++)
		if (strlen(ops[op].name) == name_len && memcmp(ops[op].name, text, name_len) == 0)
			break;
	if (op == BENCH_OP_COUNT)
		return "has an operation that is none of purchase, redeem, balance and history";
	if (mix->weight[op] != 0)
		return "names an operation twice";
	if (equals != NULL && equals[1] >= '0' && equals[1] <= '9')
		weight = strtoul(equals + 1, &end, 10);
	if (equals != NULL && (end != text + len || weight < 1 || weight > MIX_WEIGHT_MAX))
		return "has a weight that is no number from 1 to 1000000";
	mix->weight[op] = (unsigned)weight;
	return NULL;
}

const char *
mix_parse(const char *text, struct mix *ret)
{
	struct mix mix = { 0 };
	const char *wrong = NULL;

	for (const char *p = text; wrong == NULL; p = strchr(p, ',') + 1) {
		wrong = parse_row(p, strcspn(p, ","), &mix);
		if (strchr(p, ',') == NULL)
			break;
	}
	if (wrong == NULL)
		*ret = mix;
	return wrong;
}

void
mix_text(const struct mix *mix, char ret_text[static MIX_TEXT_BYTES])
{
	size_t len = 0;

	*ret_text = '\0';
	for (enum bench_op op = 0; op < BENCH_OP_COUNT; op++) {
		if (mix->weight[op] == mix_sum(mix))
			len += (size_t)snprintf(ret_text + len, MIX_TEXT_BYTES - len, "%s", ops[op].name);
		else if (mix->weight[op] > 0)
			len += (size_t)snprintf(ret_text + len, MIX_TEXT_BYTES - len, "%s%s=%u", len > 0 ? "," : "", ops[op].name, mix->weight[op]);
		assert(len < MIX_TEXT_BYTES);
	}
}

bool
mix_reads(const struct mix *mix)
{
	for (enum bench_op op = 0; op < BENCH_OP_COUNT; op++)
		if (mix->weight[op] > 0 && !ops[op].writes)
			return true;
	return false;
}

unsigned
mix_sum(const struct mix *mix)
{
	unsigned sum = 0;

	for (enum bench_op op = 0; op < BENCH_OP_COUNT; op++)
		sum += mix->weight[op];
	return sum;
}

enum bench_op
mix_at(const struct mix *mix, uint64_t at)
{
	enum bench_op op = 0;

	while (at >= mix->weight[op]) {
		at -= mix->weight[op++];
		assert(op < BENCH_OP_COUNT);
	}
	return op;
}
