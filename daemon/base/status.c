#include "base/status.h"

const char *
status_str(enum status st)
{
	switch (st) {
	case ST_OK: return "ok";
	case ST_NOMEM: return "out of memory";
	case ST_IO: return "input/output error";
	case ST_CORRUPT: return "corrupt data";
	case ST_FORK: return "the ledger lacks its published head";
	case ST_FULL: return "no space";
	case ST_FORMAT: return "another format or origin";
	case ST_BUSY: return "in use by another process";
	case ST_NOTFOUND: return "not found";
	case ST_INVALID: return "invalid input";
	case ST_TOO_LARGE: return "too large";
	case ST_INTERRUPTED: return "interrupted";
	}
	return "unknown status";
}
