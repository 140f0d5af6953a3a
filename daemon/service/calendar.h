/**
 * calendar.h: which members have a birthday on which day of the year.  In memory only, built from the vault in the background; a member
 * may be listed
 * for a date that is no longer theirs, so the profile is always asked again.
 */
#ifndef FEALTY_SERVICE_CALENDAR_H
#define FEALTY_SERVICE_CALENDAR_H

#include "service/vault.h"

struct calendar;

/* Starts to read the vault on a thread of its own.  ${vault} is borrowed until calendar_free(). */
enum status calendar_new(const struct vault *vault, struct calendar **ret_calendar) MUST_CHECK;
void calendar_free(struct calendar *calendar);

/* The functions below are for one thread.  Whether the vault has been read, so that calendar_on() does not wait for that. */
bool calendar_ready(const struct calendar *calendar);
enum status calendar_add(struct calendar *calendar, uint32_t program, uint64_t member, int month, int day) MUST_CHECK;
/**
 * The members listed for a day of the year, rising, without duplicates; valid until the next calendar_add().  A 29 February list is also
 * asked for on 28 February and 1 March by the caller.
 */
enum status calendar_on(struct calendar *calendar, uint32_t program, int month, int day, const uint64_t **ret_members,
    size_t *ret_n) MUST_CHECK;

#endif
