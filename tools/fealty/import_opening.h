/* import_opening.h: `fealty import --opening`, a mode of cmd_import.c. */
#ifndef FEALTY_TOOLS_IMPORT_OPENING_H
#define FEALTY_TOOLS_IMPORT_OPENING_H

#include "call.h"

/* ${refused_path} NULL: bad and refused rows are written nowhere.  ${lines}: progress as lines. */
enum exit_code import_opening(const struct call_options *call, const char *path, bool dry_run, uint64_t batch, const char *refused_path,
    bool lines) MUST_CHECK;

#endif
