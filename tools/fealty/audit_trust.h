/**
 * audit_trust.h: which keys an auditor trusts, from the options --vkey and --policy of audit and rollforward.
 */
#ifndef FEALTY_TOOLS_AUDIT_TRUST_H
#define FEALTY_TOOLS_AUDIT_TRUST_H

#include "audit.h"

struct audit_trust {
	char *vkey, *policy_path;	/* borrowed from argv; NULL: not given */
	struct buf policy_text;
	struct policy policy;
};

/**
 * audit_trust_apply(trust, audit): reads them into ${audit}, which borrows from ${trust}; it was told why not unless EXIT_DONE.  The caller
 * ends it with audit_trust_release(), whatever came of it.
 */
enum exit_code audit_trust_apply(struct audit_trust *trust, struct audit *audit) MUST_CHECK;
void audit_trust_release(struct audit_trust *trust);

#endif
