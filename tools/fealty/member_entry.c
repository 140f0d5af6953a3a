/*
 * Whose an entry is: its `member`, the members of its postings, those in `touched`, and those whom inputs and facts name: a referrer, a receiver, a pool's
 * head, members that were merged.
 */
#include "member_entry.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool
is_in(const struct member_set *set, uint64_t member)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->members[i] == member)
			return true;
	return false;
}

void
member_set_add(struct member_set *set, uint64_t member)
{
	if (is_in(set, member))
		return;
	assert(set->n < MEMBER_SET_MAX);
	set->members[set->n++] = member;
}

/* A row about no member is nobody else's. */
static bool
is_others(const json_t *row, const struct member_set *own)
{
	const json_t *member = json_object_get(row, "member");

	return member != NULL && !is_in(own, (uint64_t)json_integer_value(member));
}

/* Whether a number that stands for a member, anywhere below, is another's. */
static bool
names_others(const json_t *value, const struct member_set *own)
{
	static const char *const names[] = { "member", "referrer", "to", "from", "head", "merged" };
	json_t *child, *number;
	const char *key;
	size_t i;

	json_array_foreach(value, i, child)
		if (names_others(child, own))
			return true;
	for (size_t k = 0; k < sizeof(names) / sizeof(*names); k++) {
		json_t *named = json_object_get(value, names[k]);
		if (json_is_integer(named) && !is_in(own, (uint64_t)json_integer_value(named)))
			return true;
		json_array_foreach(named, i, number)
			if (json_is_integer(number) && !is_in(own, (uint64_t)json_integer_value(number)))
				return true;
	}
	json_object_foreach((json_t *)(uintptr_t)value, key, child)
		if (names_others(child, own))
			return true;
	return false;
}

static bool
touches(const json_t *entry, const struct member_set *own, bool *ret_others)
{
	const json_t *touched = json_object_get(entry, "touched"), *postings = json_object_get(entry, "postings");
	bool ours = false, others = is_others(entry, own);
	size_t i;
	json_t *row;

	json_array_foreach(touched, i, row) {
		if (is_others(row, own))
			others = true;
		else
			ours = true;
	}
	json_array_foreach(postings, i, row)
		others |= is_others(row, own);
	others |= names_others(json_object_get(entry, "inputs"), own) || names_others(json_object_get(entry, "facts"), own);
	*ret_others = others;
	return ours;
}

/* The rows of ${name} that are the person's; with ${by}, rows that stand beside those of it. */
static void
put_own(json_t *to, const json_t *entry, const char *name, const char *by, const struct member_set *own)
{
	const json_t *rows = json_object_get(entry, name), *whose = json_object_get(entry, by);
	json_t *list = json_array(), *row;
	size_t i;

	json_array_foreach(rows, i, row)
		if (!is_others(json_array_get(whose, i), own))
			json_array_append(list, row);
	json_put(to, name, list);
}

static void
put_names(json_t *to, const json_t *inputs)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)inputs, key, value) {
		json_put_text(to, "what", key);
		return;
	}
}

static json_t *
part_of(const json_t *entry, const struct member_set *own)
{
	static const char *const kept[] = { "principal", "request_id", "engine", "program_version", "occurred_at", "due_at", "business_date", "store",
		"terminal", "at" };
	json_t *part = json_new();

	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
		json_t *value = json_object_get(entry, kept[i]);
		if (value != NULL)
			json_put(part, kept[i], json_incref(value));
	}
	put_names(part, json_object_get(entry, "inputs"));
	put_own(part, entry, "postings", "postings", own);
	put_own(part, entry, "after", "touched", own);
	put_own(part, entry, "touched", "touched", own);
	json_put(part, "shared", json_true());
	return part;
}

static void
append(json_t *list, json_t *entry, const json_t *transaction, size_t index)
{
	char id[48];
	json_t *seq = json_object_get(transaction, "seq"), *at = json_object_get(transaction, "committed_at");

	(void)snprintf(id, sizeof(id), "%" JSON_INTEGER_FORMAT ".%zu", json_integer_value(seq), index);
	json_put_text(entry, "id", id);
	if (at != NULL)
		json_put(entry, "committed_at", json_incref(at));
	json_array_append_new(list, entry);
}

bool
member_entries_add(json_t *list, const json_t *transaction, const struct member_set *own)
{
	const json_t *entries = json_object_get(transaction, "entries");
	bool shared = false, others;
	json_t *entry;
	size_t i;

	json_array_foreach(entries, i, entry) {
		bool ours = touches(entry, own, &others);
		shared |= others || !ours;
		if (ours)
			append(list, others ? part_of(entry, own) : json_copy(entry), transaction, i);
	}
	return shared;
}
