/**
 * ask.h: memory that will be looked at soon is asked for, so that the processor brings it while it does something else.  Nothing is read: the address
 * may be of anything.
 */
#ifndef FEALTY_BASE_ASK_H
#define FEALTY_BASE_ASK_H

#include <stddef.h>

#define ASK_LINE 64		/* bytes that come together */

static inline void
ask_for(const void *p, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += ASK_LINE)
		__builtin_prefetch((const char *)p + i);
}

#endif
