#include "audit_trust.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define POLICY_BYTES_MAX ((size_t)1 << 20)

static enum exit_code
read_policy(struct audit_trust *trust, struct audit *audit)
{
	struct policy_fault fault;

	enum status st = file_read_all(trust->policy_path, POLICY_BYTES_MAX, &trust->policy_text);
	if (st == ST_TOO_LARGE)
		return cli_fail(audit->json, EXIT_USAGE, "--policy: %s is no policy: it is longer than 1 MiB", trust->policy_path);
	if (st != ST_OK)
		return cli_fail(audit->json, EXIT_USAGE, "--policy: %s cannot be read: %s", trust->policy_path, cli_status_words(st));
	enum policy_result result = policy_parse(buf_bytes(&trust->policy_text), &trust->policy, &fault);
	if (result == POLICY_BAD_KEY)
		return cli_fail(audit->json, EXIT_USAGE, "--policy: %s, line %zu: %s: %s", trust->policy_path, fault.line, policy_result_str(result),
		    note_key_result_str(fault.key));
	if (result != POLICY_OK)
		return cli_fail(audit->json, EXIT_USAGE, "--policy: %s, line %zu: %s", trust->policy_path, fault.line, policy_result_str(result));
	audit->policy = &trust->policy;
	return EXIT_DONE;
}

enum exit_code
audit_trust_apply(struct audit_trust *trust, struct audit *audit)
{
	buf_init(&trust->policy_text);
	if (trust->policy_path != NULL)
		return read_policy(trust, audit);
	if (trust->vkey == NULL)
		return EXIT_DONE;
	enum note_key_result result = note_key_parse(bytes_of(trust->vkey, strlen(trust->vkey)), &audit->vkey);
	if (result != NOTE_KEY_OK)
		return cli_fail(audit->json, EXIT_USAGE, "--vkey: it is no verifier key as \"fealty log key\" prints it: %s", note_key_result_str(result));
	if (audit->vkey.type != NOTE_ED25519)
		return cli_fail(audit->json, EXIT_USAGE, "--vkey: it is the key of a witness, and a log's is wanted");
	audit->has_vkey = true;
	return EXIT_DONE;
}

void
audit_trust_release(struct audit_trust *trust)
{
	buf_release(&trust->policy_text);
}
