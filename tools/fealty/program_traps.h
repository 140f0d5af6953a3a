/**
 * program_traps.h: what a program allows and its author can hardly want: a tier that nobody reaches, a rule that never applies.  A trap is
 * a warning; nothing here is refused.
 */
#ifndef FEALTY_TOOLS_PROGRAM_TRAPS_H
#define FEALTY_TOOLS_PROGRAM_TRAPS_H

#include "program_file.h"

#define TRAPS_MAX 100			/* those beyond it are not told */

struct trap { unsigned line; char key[160]; char message[400]; };	/* line 0: not known */
struct traps { size_t n; struct trap trap[TRAPS_MAX]; };

/* By line.  ${now_us}: whether a campaign is over is seen from there. */
void program_traps_find(const struct program_file *file, int64_t now_us, struct traps *ret);

/* As FILE:LINE: warning: KEY: MESSAGE on standard error. */
void program_traps_tell(const char *path, const struct traps *traps);
/* [{line, key, message}] */
json_t *program_traps_json(const struct traps *traps);

#endif
