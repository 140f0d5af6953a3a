/**
 * Policies.  Of one that is read, a quorum is what it is by a reading of the lines over and over again; and a note that is signed by a log and
 * some of the witnesses is accepted exactly when they are a quorum.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "merkle/checkpoint.h"
#include "merkle/policy.h"

static struct policy policy;
static struct policy_verdict verdict;
static struct note note;

/* ---- the model ---- */

static bool
word_at(struct bytes text, size_t *at, struct bytes *ret)
{
	while (*at < text.len && (text.data[*at] == ' ' || text.data[*at] == '\t'))
		++*at;
	size_t begin = *at;
	while (*at < text.len && strchr(" \t\n", text.data[*at]) == NULL)
		++*at;
	*ret = bytes_of(text.data + begin, *at - begin);
	return *at > begin;
}

static bool
is(struct bytes word, const char *what)
{
	return word.len == strlen(what) && memcmp(word.data, what, word.len) == 0;
}

static bool witnessed_by(struct bytes text, struct bytes name, const bool *witnessed);

static bool
group_met(struct bytes text, size_t at, const bool *witnessed)
{
	struct bytes threshold, name;
	unsigned n = 0, met = 0;

	assert(word_at(text, &at, &threshold));
	while (word_at(text, &at, &name)) {
		n++;
		met += witnessed_by(text, name, witnessed) ? 1 : 0;
	}
	if (is(threshold, "all"))
		return met == n;
	unsigned long k = is(threshold, "any") ? 1 : strtoul((const char *)threshold.data, NULL, 10);
	assert(k >= 1 && k <= n);
	return met >= k;
}

/* ${name} is defined; its number is that of the lines that define something before it. */
static bool
witnessed_by(struct bytes text, struct bytes name, const bool *witnessed)
{
	size_t number = 0;

	for (size_t at = 0; at < text.len; at++) {
		struct bytes keyword, defined;
		bool any = word_at(text, &at, &keyword);
		if (any && (is(keyword, "witness") || is(keyword, "group"))) {
			assert(word_at(text, &at, &defined));
			if (bytes_equal(defined, name))
				return is(keyword, "witness") ? witnessed[number] : group_met(text, at, witnessed);
			number++;
		}
		while (at < text.len && text.data[at] != '\n')
			at++;
	}
	abort();		/* a name that is not defined */
}

static bool
quorum_met(struct bytes text, const bool *witnessed)
{
	for (size_t at = 0; at < text.len; at++) {
		struct bytes keyword, name;
		if (word_at(text, &at, &keyword) && is(keyword, "quorum")) {
			assert(word_at(text, &at, &name));
			return is(name, "none") || witnessed_by(text, name, witnessed);
		}
		while (at < text.len && text.data[at] != '\n')
			at++;
	}
	abort();		/* no quorum line */
}

/* ---- a note ---- */

static void
note_judged(struct bytes text, const bool *witnessed, bool log_signs)
{
	struct bytes origin = policy.n_logs == 0 ? LITERAL("fuzz.example/log") : policy.log[0].key.name;
	struct checkpoint checkpoint = { .origin = origin, .size = 7 };
	size_t cap = 4096 + 256 * NOTE_SIGNATURES_MAX + 2 * text.len, n_witnesses = 0;
	uint8_t *out = malloc(cap);
	struct writer w = writer_of(out, cap);

	assert(out != NULL);
	checkpoint_print(&w, &checkpoint);
	const struct bytes body = writer_bytes(&w);
	writer_put(&w, LITERAL("\n— nobody AAAAAAA=\n"));
	if (log_signs && policy.n_logs > 0)
		fake_line(&w, &policy.log[0].key, body, 0);
	for (size_t i = 0; i < policy.n_members; i++)
		if (policy.member[i].threshold == 0 && witnessed[i] && ++n_witnesses < NOTE_SIGNATURES_MAX - 1)
			fake_line(&w, &policy.member[i].key, body, 1000 + i);
	enum note_result read = note_parse(writer_bytes(&w), &note);
	assert(read == NOTE_OK);
	enum status st = policy_check(&policy, &note, origin, fake_verify, NULL, &verdict);
	assert(st == ST_OK && strlen(policy_answer_str(verdict.answer)) > 0);
	if (n_witnesses < NOTE_SIGNATURES_MAX - 1) {
		bool met = quorum_met(text, witnessed);
		assert(verdict.answer == (policy.n_logs == 0 ? POLICY_ORIGIN_UNKNOWN : !log_signs ? POLICY_LOG_UNSIGNED :
		    met ? POLICY_ACCEPTED : POLICY_QUORUM_MISSED));
		assert(verdict.n_witnessed == n_witnesses);
		st = policy_check_witnesses(&policy, &note, fake_verify, NULL, &verdict);
		assert(st == ST_OK && verdict.answer == (met ? POLICY_ACCEPTED : POLICY_QUORUM_MISSED));
	}
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct bytes text = bytes_of(data, size);
	struct policy_fault fault;
	size_t n_lines = 0;

	for (size_t i = 0; i < size; i++)
		n_lines += data[i] == '\n' ? 1 : 0;
	enum policy_result result = policy_parse(text, &policy, &fault);
	assert(fault.result == result && strlen(policy_result_str(result)) > 0);
	assert(fault.line <= n_lines + 1 && (fault.key != NOTE_KEY_OK) == (result == POLICY_BAD_KEY));
	if (result != POLICY_OK) {
		assert(fault.line > 0);
		return 0;
	}
	assert(policy.n_logs <= POLICY_LOGS_MAX && policy.n_members <= POLICY_MEMBERS_MAX && data[size - 1] == '\n');
	for (unsigned round = 0; round < 4; round++) {		/* nobody, everybody, and two parts */
		bool witnessed[POLICY_MEMBERS_MAX] = { false };
		for (size_t i = 0; i < policy.n_members; i++)
			witnessed[i] = round == 1 || (round > 1 && (data[i * 13 % size] + i) % 3 < round - 1);
		assert(policy_quorum_met(&policy, witnessed) == quorum_met(text, witnessed));
		note_judged(text, witnessed, round != 0);
	}
	return 0;
}
