/* Comparing entries. */
#ifndef FEALTY_TESTS_SAME_ENTRY_H
#define FEALTY_TESTS_SAME_ENTRY_H

struct entry;

/* Fails the test when any field of the two differs. */
void same_entry(const struct entry *a, const struct entry *b);

#endif
