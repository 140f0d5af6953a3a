/* programs.h: the table of published versions, compiled.  apply's own; apply.h has what readers call. */
#ifndef FEALTY_APPLY_PROGRAMS_H
#define FEALTY_APPLY_PROGRAMS_H

#include "apply/apply.h"

enum status programs_new(struct programs **ret_programs) MUST_CHECK;
void programs_free(struct programs *programs);

/* Compiles and adds; readers see it after programs_show().  ST_INVALID: it does not compile, or is not the next version. */
enum status programs_add(struct programs *programs, uint32_t number, uint32_t version, struct bytes definition, struct bytes zone_data,
    int64_t at_us) MUST_CHECK;
void programs_show(struct programs *programs);		/* all of them */
void programs_forget_hidden(struct programs *programs);

/* For the thread that adds: hidden ones as well. */
const struct program *programs_writer_at(const struct programs *programs, uint32_t number, int64_t at_us);
const struct program *programs_writer_version(const struct programs *programs, uint32_t number, uint32_t version);
uint32_t programs_writer_number(const struct programs *programs, const char *id);
uint32_t programs_writer_count(const struct programs *programs);

#endif
