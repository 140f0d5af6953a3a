/* status.h: how machinery fails.  A status says that something broke; an answer (enum ..._result) says what is so. */
#ifndef FEALTY_BASE_STATUS_H
#define FEALTY_BASE_STATUS_H

#define MUST_CHECK __attribute__((warn_unused_result))

/* Zero is success; a caller that cannot mend a negative status passes it up unchanged. */
enum status {
	ST_OK = 0,
	ST_NOMEM = -1,		/* an allocation or an arena's budget failed */
	ST_IO = -2,		/* the disk or the system refused; errno says how */
	ST_CORRUPT = -3,	/* stored bytes are not what was written */
	ST_FORK = -4,		/* the ledger does not contain a head it has published */
	ST_FULL = -5,		/* no space: disk, map or low-space mark */
	ST_FORMAT = -6,		/* the files belong to another format or origin */
	ST_BUSY = -7,		/* another process holds it */
	ST_NOTFOUND = -8,	/* no such record or file */
	ST_INVALID = -9,	/* the caller's input breaks the documented rules */
	ST_TOO_LARGE = -10,	/* beyond a documented limit */
	ST_INTERRUPTED = -11,	/* told to stop before it was done */
};

/**
 * status_str(st):
 * A short English name such as "no space"; static, never NULL.
 */
const char *status_str(enum status st);

#endif
