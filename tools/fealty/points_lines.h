/**
 * points_lines.h: the lines between what a program owed its members and what it owes them.  In the order of the formula; each has the sign of
 * what it did to the members' points, so it is what the account of the program lost.
 */
#ifndef FEALTY_TOOLS_POINTS_LINES_H
#define FEALTY_TOOLS_POINTS_LINES_H

#include "ledger/ledger.h"

#define POINTS_LINES 11
struct points_line { enum account account; const char *name; bool always; };	/* always: people see it also when it is zero */
extern const struct points_line points_lines[POINTS_LINES];

#endif
