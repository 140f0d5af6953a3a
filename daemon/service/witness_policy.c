/*
 * The file is what auditors and members have, too, so it may say more than the daemon needs: other logs, witnesses without a URL.  What could
 * never come true is refused: this log missing among the logs, nobody to ask, a quorum out of reach.  A log is told by any key that it has
 * or had: a start must not fail because a key was rotated and a file not yet changed.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fetch/fetch.h"
#include "service/witness.h"

#define POLICY_BYTES_MAX 65536

/* ---- keys ---- */

void
witness_key_hash(const struct note_key *key, uint8_t ret_hash[static SHA256_BYTES])
{
	const uint8_t between[] = { '\n', (uint8_t)key->type };
	const struct bytes parts[] = { key->name, bytes_of(between, sizeof(between)), bytes_of(key->public_key, sizeof(key->public_key)) };

	hash_sha256(ret_hash, parts, 3);
	assert(get_be32(ret_hash) == key->id);
}

/* ---- the file ---- */

#define SAY(...) snprintf(message, SERVICE_MESSAGE_BYTES, __VA_ARGS__)

static enum status
read_text(const char *path, struct witness_policy *p, size_t *ret_len, char *message)
{
	size_t len = 0;
	ssize_t n = 1;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	p->text = malloc(POLICY_BYTES_MAX + 1);
	while (fd != -1 && p->text != NULL && n > 0 && len <= POLICY_BYTES_MAX) {
		n = read(fd, p->text + len, POLICY_BYTES_MAX + 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (fd == -1 || n == -1)
		SAY("The policy of witnesses %s cannot be read: %s.", path, strerror(errno));
	else if (len > POLICY_BYTES_MAX)
		SAY("The policy of witnesses %s is larger than %d bytes.", path, POLICY_BYTES_MAX);
	if (fd != -1)
		close(fd);
	*ret_len = len;
	return p->text == NULL ? ST_NOMEM : fd == -1 || n == -1 ? ST_IO : len > POLICY_BYTES_MAX ? ST_INVALID : ST_OK;
}

static bool
is_label(struct bytes name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (name.data[i] < 0x21 || name.data[i] > 0x7e)
			return false;
	}
	return name.len < WITNESS_NAME_BYTES;
}

static enum status
check_witness(const char *path, const struct policy_member *member, char *message)
{
	int len = (int)(member->name.len < 200 ? member->name.len : 200);
	const char *name = (const char *)member->name.data;

	if (!is_label(member->name))
		SAY("In %s the name of the witness `%.*s' is not printable ASCII of at most %d characters; logs and metrics name it.", path, len, name,
		    WITNESS_NAME_BYTES - 1);
	else if (member->key.name.len > WITNESS_KEY_NAME_BYTES_MAX)
		SAY("In %s the key name of the witness %.*s is longer than %d bytes.", path, len, name, WITNESS_KEY_NAME_BYTES_MAX);
	else if (fetch_url_check(member->url) != FETCH_URL_OK)
		SAY("In %s the URL of the witness %.*s %s.", path, len, name, fetch_url_result_str(fetch_url_check(member->url)));
	else
		return ST_OK;
	return ST_INVALID;
}

static enum status
check_witnesses(const char *path, const struct policy *policy, char *message)
{
	bool can[POLICY_MEMBERS_MAX] = { false };
	size_t n = 0;

	for (size_t i = 0; i < policy->n_members; i++) {
		can[i] = policy->member[i].threshold == 0 && policy->member[i].url.len > 0;
		enum status st = can[i] ? check_witness(path, &policy->member[i], message) : ST_OK;
		if (st != ST_OK)
			return st;
		n += can[i] ? 1 : 0;
	}
	if (n == 0)
		SAY("No witness in %s has a URL, so there is nobody to ask. Give the submission prefix behind its key, or leave --witnesses out.", path);
	else if (n > WITNESSES_MAX)
		SAY("%zu witnesses in %s have a URL; at most %d can be asked.", n, path, WITNESSES_MAX);
	else if (!policy_quorum_met(policy, can))
		SAY("The quorum of %s cannot be met by the witnesses that have a URL: no checkpoint could ever be cosigned as it wants.", path);
	else
		return ST_OK;
	return ST_INVALID;
}

static enum status
check_logs(const char *path, struct bytes origin, const struct key_history *keys, struct witness_policy *p, char *message)
{
	const struct ledger_key *current = key_history_current(keys, KEY_OF_CHECKPOINTS);
	const struct policy *policy = &p->policy;
	bool is_there = policy->n_logs == 0;

	p->lacks_newest_key = policy->n_logs > 0;
	for (size_t i = 0; i < policy->n_logs; i++) {
		const struct note_key *key = &policy->log[i].key;
		const struct ledger_key *ours = bytes_equal(key->name, origin) ? key_history_find(keys, bytes_of(key->public_key, PUBLIC_KEY_LEN)) : NULL;
		is_there |= ours != NULL && ours->kind == KEY_OF_CHECKPOINTS;
		p->lacks_newest_key &= ours != current;
	}
	if (is_there)
		return ST_OK;
	SAY("The policy %s has logs, and this one is not among them: add a line with what `fealty log key` prints, or leave its logs out.", path);
	return ST_INVALID;
}

static enum status
parse(const char *path, struct bytes text, struct bytes origin, const struct key_history *keys, struct witness_policy *p, char *message)
{
	struct policy_fault fault;

	if (policy_parse(text, &p->policy, &fault) == POLICY_OK) {
		enum status st = check_logs(path, origin, keys, p, message);
		return st == ST_OK ? check_witnesses(path, &p->policy, message) : st;
	}
	SAY("The policy of witnesses is wrong in %s, line %zu: %s%s%s.", path, fault.line, policy_result_str(fault.result),
	    fault.result == POLICY_BAD_KEY ? ": " : "", fault.result == POLICY_BAD_KEY ? note_key_result_str(fault.key) : "");
	return ST_INVALID;
}

enum status
witness_policy_read(const char *path, struct bytes origin, const struct key_history *keys, struct witness_policy *ret_policy, char *message)
{
	size_t len;

	*ret_policy = (struct witness_policy){ .text = NULL };
	enum status st = read_text(path, ret_policy, &len, message);
	if (st == ST_OK)
		st = parse(path, bytes_of(ret_policy->text, len), origin, keys, ret_policy, message);
	if (st != ST_OK)
		witness_policy_release(ret_policy);
	return st;
}

void
witness_policy_release(struct witness_policy *policy)
{
	free(policy->text);
	policy->text = NULL;
}
