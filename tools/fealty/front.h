/* front.h: options in front of a command: `fealty --context till --json balance m1`. */
#ifndef FEALTY_TOOLS_FRONT_H
#define FEALTY_TOOLS_FRONT_H

#include "cli.h"

#define FRONT_WHY_BYTES 480

/**
 * front_options(argc, argv, ret_why):
 * Options in front of the first word go behind the words, in front of the options there: `NAME OPTION... WORD... MORE...` becomes
 * `NAME WORD... OPTION... MORE...`, and so means the same.  They are those that all commands to the daemon have, with their names in full; --help and
 * --version count as words.  False: one of them is something else, or lacks its value or a command: *${ret_why} is what to tell.
 */
bool front_options(int argc, char **argv, char ret_why[static FRONT_WHY_BYTES]) MUST_CHECK;

#endif
