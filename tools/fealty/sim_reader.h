/* sim_reader.h: the events of a file, read and decoded on a thread of their own, ahead of whoever plays them. */
#ifndef FEALTY_TOOLS_SIM_READER_H
#define FEALTY_TOOLS_SIM_READER_H

#include <stdio.h>

#include "sim_event.h"

struct sim_line {
	unsigned number;		/* from 1 */
	enum status status;		/* of sim_event_read(); ST_IO: the file cannot be read from here on, with ${error_number} */
	int error_number;
	struct sim_event event;
	struct text_error error;
};

struct sim_reader;

/* ${in} is borrowed until sim_reader_free(), which waits for the thread.  ST_NOMEM. */
enum status sim_reader_new(FILE *in, struct sim_reader **ret_reader) MUST_CHECK;
void sim_reader_free(struct sim_reader *reader);		/* accepts NULL */

/* The next line that is not empty; NULL at the end.  It is the caller's until the next call; blocks until there is one. */
struct sim_line *sim_reader_next(struct sim_reader *reader);

#endif
