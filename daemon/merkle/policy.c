/**
 * A name can be a member only once, and only of a group on a later line.  So the members are trees, each member knows its one group, and
 * going through them in the order of their lines settles every member before its group.
 */
#include "merkle/policy.h"

#include <assert.h>

static const char *const result_text[] = {
	[POLICY_OK] = "a policy",
	[POLICY_BAD_OCTET] = "the policy has a control character other than tab and newline",
	[POLICY_UNFINISHED] = "the policy's last line has no newline: it may be cut off",
	[POLICY_UNKNOWN_KEYWORD] = "the line does not begin with log, witness, group or quorum",
	[POLICY_BAD_FORM] = "the line has too few or too many items (a comment needs a line of its own)",
	[POLICY_BAD_KEY] = "the verifier key is not valid",
	[POLICY_WRONG_KEY_TYPE] = "a log's key must be of type 1 (Ed25519), a witness's of type 4 (cosignature)",
	[POLICY_KEY_TWICE] = "another line has the same public key",
	[POLICY_NAME_TWICE] = "an earlier line defines the same name",
	[POLICY_NAME_RESERVED] = "the name \"none\" is reserved",
	[POLICY_NAME_UNKNOWN] = "no earlier line defines a witness or group of that name",
	[POLICY_BAD_THRESHOLD] = "a group's threshold is \"all\", \"any\" or a number from 1 to its members",
	[POLICY_MEMBER_TWICE] = "a name can be a member of one group only, and once",
	[POLICY_QUORUM_TWICE] = "the policy has more than one quorum line",
	[POLICY_NO_QUORUM] = "the policy has no quorum line (\"quorum none\" asks for no witness)",
	[POLICY_TOO_MANY] = "the policy has more than 64 logs or more than 128 witnesses and groups",
};

static const char *const answer_text[] = {
	[POLICY_ACCEPTED] = "the policy accepts the checkpoint",
	[POLICY_ORIGIN_UNKNOWN] = "the policy has no log with the checkpoint's origin",
	[POLICY_LOG_UNSIGNED] = "the checkpoint is not signed by a log of the policy",
	[POLICY_FORGED] = "a signature on the checkpoint does not hold",
	[POLICY_QUORUM_MISSED] = "too few witnesses have cosigned the checkpoint",
};

const char *
policy_result_str(enum policy_result result)
{
	return result_text[result];
}

const char *
policy_answer_str(enum policy_answer answer)
{
	return answer_text[answer];
}

/* ---- parsing ---- */

struct parser {
	struct policy *policy;
	enum note_key_result key;	/* of the last key */
	bool has_quorum;
};

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* The next item of a line, taken off with the white space around it; false: there is none. */
static bool
take_item(struct bytes *rest, struct bytes *ret_item)
{
	size_t i = 0, begin;

	while (i < rest->len && is_blank(rest->data[i]))
		i++;
	for (begin = i; i < rest->len && !is_blank(rest->data[i]); i++)
		;
	if (begin == i)
		return false;
	*ret_item = bytes_of(rest->data + begin, i - begin);
	while (i < rest->len && is_blank(rest->data[i]))
		i++;
	*rest = bytes_of(rest->data + i, rest->len - i);
	return true;
}

/* The item that may end a line; false: more than it follows. */
static bool
take_last(struct bytes *rest, struct bytes *ret_item)
{
	*ret_item = bytes_of(NULL, 0);
	return !take_item(rest, ret_item) || rest->len == 0;
}

static int
find_member(const struct policy *policy, struct bytes name)
{
	for (size_t i = 0; i < policy->n_members; i++)
		if (bytes_equal(policy->member[i].name, name))
			return (int)i;
	return POLICY_NOBODY;
}

static bool
same_key(const struct note_key *a, const struct note_key *b)
{
	return memcmp(a->public_key, b->public_key, sizeof(a->public_key)) == 0;
}

static enum policy_result
parse_key(struct parser *p, struct bytes vkey, enum note_type type, struct note_key *ret_key)
{
	p->key = note_key_parse(vkey, ret_key);
	if (p->key != NOTE_KEY_OK)
		return POLICY_BAD_KEY;
	return ret_key->type == type ? POLICY_OK : POLICY_WRONG_KEY_TYPE;
}

static enum policy_result
parse_log(struct parser *p, struct bytes rest)
{
	struct policy_log log = { .url = bytes_of(NULL, 0) };
	struct bytes vkey;

	if (!take_item(&rest, &vkey) || !take_last(&rest, &log.url))
		return POLICY_BAD_FORM;
	enum policy_result result = parse_key(p, vkey, NOTE_ED25519, &log.key);
	if (result != POLICY_OK)
		return result;
	for (size_t i = 0; i < p->policy->n_logs; i++)
		if (same_key(&p->policy->log[i].key, &log.key))
			return POLICY_KEY_TWICE;
	if (p->policy->n_logs == POLICY_LOGS_MAX)
		return POLICY_TOO_MANY;
	p->policy->log[p->policy->n_logs++] = log;
	return POLICY_OK;
}

/* Whether a witness or group may be defined under this name. */
static enum policy_result
check_name(const struct parser *p, struct bytes name)
{
	if (bytes_equal(name, LITERAL("none")))
		return POLICY_NAME_RESERVED;
	if (find_member(p->policy, name) != POLICY_NOBODY)
		return POLICY_NAME_TWICE;
	return p->policy->n_members == POLICY_MEMBERS_MAX ? POLICY_TOO_MANY : POLICY_OK;
}

static enum policy_result
parse_witness(struct parser *p, struct bytes rest)
{
	struct policy_member witness = { .group = POLICY_NOBODY };
	struct bytes vkey;

	if (!take_item(&rest, &witness.name) || !take_item(&rest, &vkey) || !take_last(&rest, &witness.url))
		return POLICY_BAD_FORM;
	enum policy_result result = check_name(p, witness.name);
	if (result == POLICY_OK)
		result = parse_key(p, vkey, NOTE_COSIGNATURE, &witness.key);
	if (result != POLICY_OK)
		return result;
	for (size_t i = 0; i < p->policy->n_members; i++)
		if (p->policy->member[i].threshold == 0 && same_key(&p->policy->member[i].key, &witness.key))
			return POLICY_KEY_TWICE;
	p->policy->member[p->policy->n_members++] = witness;
	return POLICY_OK;
}

/* Leading zeros are decimal too: the specification forbids them elsewhere, and not here. */
static bool
parse_threshold(struct bytes item, unsigned n_members, unsigned *ret_threshold)
{
	uint64_t k;

	if (bytes_equal(item, LITERAL("all")))
		k = n_members;
	else if (bytes_equal(item, LITERAL("any")))
		k = 1;
	else {
		while (item.len > 1 && item.data[0] == '0')
			item = bytes_of(item.data + 1, item.len - 1);
		if (!lines_number(item, &k) || k == 0 || k > n_members)
			return false;
	}
	*ret_threshold = (unsigned)k;
	return true;
}

static enum policy_result
parse_group(struct parser *p, struct bytes rest)
{
	struct policy_member group = { .group = POLICY_NOBODY };
	struct bytes threshold, name;

	if (!take_item(&rest, &group.name) || !take_item(&rest, &threshold) || rest.len == 0)
		return POLICY_BAD_FORM;
	enum policy_result result = check_name(p, group.name);
	if (result != POLICY_OK)
		return result;
	while (take_item(&rest, &name)) {
		int i = find_member(p->policy, name);
		if (i == POLICY_NOBODY)
			return POLICY_NAME_UNKNOWN;
		if (p->policy->member[i].group != POLICY_NOBODY)
			return POLICY_MEMBER_TWICE;
		p->policy->member[i].group = (int)p->policy->n_members;
		group.n_members++;
	}
	if (!parse_threshold(threshold, group.n_members, &group.threshold))
		return POLICY_BAD_THRESHOLD;
	p->policy->member[p->policy->n_members++] = group;
	return POLICY_OK;
}

static enum policy_result
parse_quorum(struct parser *p, struct bytes rest)
{
	struct bytes name;

	if (!take_item(&rest, &name) || rest.len != 0)
		return POLICY_BAD_FORM;
	if (p->has_quorum)
		return POLICY_QUORUM_TWICE;
	p->has_quorum = true;
	p->policy->quorum = find_member(p->policy, name);
	if (p->policy->quorum == POLICY_NOBODY && !bytes_equal(name, LITERAL("none")))
		return POLICY_NAME_UNKNOWN;
	return POLICY_OK;
}

static const struct { const char *word; enum policy_result (*parse)(struct parser *p, struct bytes rest); } keywords[] = {
	{ "log", parse_log }, { "witness", parse_witness }, { "group", parse_group }, { "quorum", parse_quorum },
};

static enum policy_result
parse_line(struct parser *p, struct bytes line)
{
	struct bytes word;

	for (size_t i = 0; i < line.len; i++)
		if ((line.data[i] < 0x20 && line.data[i] != '\t') || line.data[i] == 0x7F)
			return POLICY_BAD_OCTET;
	if (!take_item(&line, &word) || word.data[0] == '#')
		return POLICY_OK;
	for (size_t i = 0; i < sizeof(keywords) / sizeof(*keywords); i++)
		if (bytes_equal(word, bytes_of(keywords[i].word, strlen(keywords[i].word))))
			return keywords[i].parse(p, line);
	return POLICY_UNKNOWN_KEYWORD;
}

enum policy_result
policy_parse(struct bytes text, struct policy *ret_policy, struct policy_fault *ret_fault)
{
	struct parser p = { .policy = ret_policy };
	enum policy_result result = POLICY_OK;
	struct bytes line;
	size_t n = 0;

	ret_policy->n_logs = ret_policy->n_members = 0;
	ret_policy->quorum = POLICY_NOBODY;
	while (result == POLICY_OK && lines_take(&text, &line)) {
		result = parse_line(&p, line);
		n++;
	}
	if (result == POLICY_OK && text.len != 0) {
		result = POLICY_UNFINISHED;
		n++;
	}
	if (result == POLICY_OK && !p.has_quorum) {
		result = POLICY_NO_QUORUM;
		n++;
	}
	*ret_fault = (struct policy_fault){ .result = result, .key = result == POLICY_BAD_KEY ? p.key : NOTE_KEY_OK, .line = n };
	return result;
}

/* ---- judging ---- */

bool
policy_quorum_met(const struct policy *policy, const bool witnessed[static POLICY_MEMBERS_MAX])
{
	unsigned count[POLICY_MEMBERS_MAX] = { 0 };	/* of a group: members that witness */
	bool met = true;

	assert(policy->quorum < (int)policy->n_members);
	for (int i = 0; i <= policy->quorum; i++) {	/* none: POLICY_NOBODY is below 0 */
		const struct policy_member *member = &policy->member[i];
		assert(member->group == POLICY_NOBODY || member->group > i);
		met = member->threshold == 0 ? witnessed[i] : count[i] >= member->threshold;
		if (met && member->group != POLICY_NOBODY)
			count[member->group]++;
	}
	return met;
}

/* Moves the verdict to POLICY_FORGED when the key's signature does not hold. */
static enum status
check_key(const struct note *note, const struct note_key *key, note_verify_fn *verify, void *ctx, struct policy_verdict *verdict,
    bool *ret_signed)
{
	enum note_signed answer;
	enum status st = note_verify(note, key, verify, ctx, &answer);

	if (st != ST_OK)
		return st;
	if (answer == NOTE_FORGED) {
		verdict->answer = POLICY_FORGED;
		verdict->forged_name = key->name;
	}
	*ret_signed = answer == NOTE_SIGNED;
	return ST_OK;
}

static enum status
check_witnesses(const struct policy *policy, const struct note *note, note_verify_fn *verify, void *ctx, struct policy_verdict *verdict)
{
	for (size_t i = 0; i < policy->n_members && verdict->answer != POLICY_FORGED; i++) {
		if (policy->member[i].threshold != 0)
			continue;
		enum status st = check_key(note, &policy->member[i].key, verify, ctx, verdict, &verdict->witnessed[i]);
		if (st != ST_OK)
			return st;
		verdict->n_witnessed += verdict->witnessed[i] ? 1 : 0;
	}
	if (verdict->answer == POLICY_ACCEPTED && !policy_quorum_met(policy, verdict->witnessed))
		verdict->answer = POLICY_QUORUM_MISSED;
	return ST_OK;
}

/* POLICY_ACCEPTED so far, when a log with this origin has signed. */
static enum status
check_logs(const struct policy *policy, const struct note *note, struct bytes origin, note_verify_fn *verify, void *ctx,
    struct policy_verdict *verdict)
{
	verdict->answer = POLICY_ORIGIN_UNKNOWN;
	for (size_t i = 0; i < policy->n_logs && verdict->answer != POLICY_FORGED; i++) {
		bool is_signed, is_origin = bytes_equal(policy->log[i].key.name, origin);
		if (is_origin && verdict->answer == POLICY_ORIGIN_UNKNOWN)
			verdict->answer = POLICY_LOG_UNSIGNED;
		enum status st = check_key(note, &policy->log[i].key, verify, ctx, verdict, &is_signed);
		if (st != ST_OK)
			return st;
		if (is_signed && is_origin && verdict->answer == POLICY_LOG_UNSIGNED) {
			verdict->answer = POLICY_ACCEPTED;
			verdict->log = i;
		}
	}
	return ST_OK;
}

enum status
policy_check_witnesses(const struct policy *policy, const struct note *note, note_verify_fn *verify, void *ctx,
    struct policy_verdict *ret_verdict)
{
	*ret_verdict = (struct policy_verdict){ .answer = POLICY_ACCEPTED };
	return check_witnesses(policy, note, verify, ctx, ret_verdict);
}

enum status
policy_check(const struct policy *policy, const struct note *note, struct bytes origin, note_verify_fn *verify, void *ctx,
    struct policy_verdict *ret_verdict)
{
	*ret_verdict = (struct policy_verdict){ .answer = POLICY_ORIGIN_UNKNOWN };
	enum status st = check_logs(policy, note, origin, verify, ctx, ret_verdict);
	if (st != ST_OK)
		return st;
	return check_witnesses(policy, note, verify, ctx, ret_verdict);
}
