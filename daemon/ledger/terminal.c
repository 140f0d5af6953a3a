/*
 * Invariants: gaps rise, are disjoint and lie below `last`; a number is in at most one of: the ledger, a gap, `forgotten`, or what some
 * entry says was refused.  Whatever an entry says, the rows stay so: ranges that name what is not missing change nothing.
 */
#include "ledger/terminal.h"

#include <assert.h>
#include <string.h>

/* ---- which one ---- */

static bool
part_copy(char ret[static LEDGER_TERMINAL_MAX + 1], const char *text, size_t len)
{
	if (len > LEDGER_TERMINAL_MAX)
		return false;
	memcpy(ret, text, len);
	ret[len] = '\0';
	return true;
}

bool
terminal_name_set(struct terminal_name *name, const char *store, const char *terminal)
{
	*name = (struct terminal_name){ .store = "" };
	return part_copy(name->store, store == NULL ? "" : store, store == NULL ? 0 : strlen(store)) &&
	    part_copy(name->terminal, terminal == NULL ? "" : terminal, terminal == NULL ? 0 : strlen(terminal));
}

/* "<store>/<terminal>". */
static bool
parse_pair(const char *text, struct terminal_name *ret)
{
	const char *slash = strchr(text, '/');

	return slash != NULL && slash != text && slash[1] != '\0' && strchr(slash + 1, '/') == NULL &&
	    part_copy(ret->store, text, (size_t)(slash - text)) && part_copy(ret->terminal, slash + 1, strlen(slash + 1));
}

bool
terminal_name_parse(const char *text, struct terminal_name *ret_name)
{
	struct terminal_name name = { .store = "" };
	const char *slash = strchr(text, '/');
	bool ok;

	if (slash == NULL)
		ok = text[0] != '\0' && part_copy(name.terminal, text, strlen(text));
	else if (strncmp(text, LEDGER_TILL, strlen(LEDGER_TILL)) == 0 && strchr(slash + 1, '/') != NULL)
		ok = parse_pair(text + strlen(LEDGER_TILL), &name);
	else
		ok = parse_pair(text, &name);
	if (ok)
		*ret_name = name;
	return ok;
}

void
terminal_of_command(const struct cmd *cmd, struct terminal_name *ret_name)
{
	struct terminal_name own = { .store = "" };
	bool is_till = cmd->principal != NULL && strncmp(cmd->principal, LEDGER_TILL, strlen(LEDGER_TILL)) == 0 &&
	    terminal_name_parse(cmd->principal, &own);

	if (!terminal_name_set(ret_name, cmd->store, cmd->terminal))
		*ret_name = (struct terminal_name){ .store = "" };
	if (is_till && cmd->store == NULL)
		memcpy(ret_name->store, own.store, sizeof(own.store));
	if (is_till && cmd->terminal == NULL)
		memcpy(ret_name->terminal, own.terminal, sizeof(own.terminal));
}

bool
terminal_is(const struct terminal_name *wanted, const struct terminal_name *is)
{
	return strcmp(wanted->terminal, is->terminal) == 0 && (wanted->store[0] == '\0' || strcmp(wanted->store, is->store) == 0);
}

/* ---- ranges ---- */

bool
seq_ranges_valid(const struct seq_range *ranges, size_t n, uint64_t seq)
{
	for (size_t i = 0; i < n; i++) {
		if (ranges[i].first == 0 || ranges[i].first > ranges[i].last || ranges[i].last >= seq)
			return false;
		if (i > 0 && ranges[i].first <= ranges[i - 1].last)
			return false;
	}
	return n <= LEDGER_REFUSED_MAX;
}

/* Behind all that are there; one that follows directly, or overlaps, becomes one with the last. */
static void
append(struct seq_range *ranges, size_t *n, size_t max, struct seq_range r)
{
	if (*n > 0 && r.first <= ranges[*n - 1].last + 1) {
		if (r.last > ranges[*n - 1].last)
			ranges[*n - 1].last = r.last;
		return;
	}
	if (*n == max)
		memmove(ranges, ranges + 1, --*n * sizeof(*ranges));
	ranges[(*n)++] = r;
}

size_t
seq_ranges_below(struct seq_range *ranges, size_t n, uint64_t seq)
{
	while (n > 0 && ranges[n - 1].first >= seq)
		n--;
	if (n > 0 && ranges[n - 1].last >= seq)
		ranges[n - 1].last = seq - 1;
	return n;
}

size_t
seq_ranges_join(const struct seq_range *a, size_t n_a, const struct seq_range *b, size_t n_b,
    struct seq_range ret_ranges[static LEDGER_REFUSED_MAX])
{
	size_t n = 0, i = 0, k = 0;

	while (i < n_a || k < n_b) {
		bool from_a = k == n_b || (i < n_a && a[i].first <= b[k].first);
		append(ret_ranges, &n, LEDGER_REFUSED_MAX, from_a ? a[i++] : b[k++]);
	}
	return n;
}

/* ---- the sequence ---- */

static uint64_t
range_count(struct seq_range r)
{
	return r.last - r.first + 1;
}

static void
forget_first(struct terminal_state *t)
{
	uint64_t count = range_count(t->gaps[0]);

	t->forgotten = count > UINT64_MAX - t->forgotten ? UINT64_MAX : t->forgotten + count;
	memmove(t->gaps, t->gaps + 1, --t->n_gaps * sizeof(*t->gaps));
}

/* Takes ${r} out of gap ${i}, which it overlaps; the place to go on from: the first gap that may overlap what comes later. */
static size_t
cut(struct terminal_state *t, size_t i, struct seq_range r)
{
	struct seq_range gap = t->gaps[i];
	bool before = gap.first < r.first, behind = gap.last > r.last;

	if (before && behind) {
		if (t->n_gaps == TERMINAL_GAPS_MAX) {
			forget_first(t);
			if (i == 0)
				return 0;
			i--;
		}
		memmove(t->gaps + i + 1, t->gaps + i, (t->n_gaps++ - i) * sizeof(*t->gaps));
		t->gaps[i].last = r.first - 1;
		t->gaps[i + 1].first = r.last + 1;
		return i + 1;
	}
	if (before) {
		t->gaps[i].last = r.first - 1;
		return i + 1;
	}
	if (behind) {
		t->gaps[i].first = r.last + 1;
		return i;
	}
	memmove(t->gaps + i, t->gaps + i + 1, (--t->n_gaps - i) * sizeof(*t->gaps));
	return i;
}

static void
subtract(struct terminal_state *t, struct seq_range r)
{
	for (size_t i = 0; i < t->n_gaps && t->gaps[i].first <= r.last;)
		i = t->gaps[i].last < r.first ? i + 1 : cut(t, i, r);
}

static bool
is_missing(const struct terminal_state *t, uint64_t seq)
{
	for (size_t i = 0; i < t->n_gaps; i++) {
		if (t->gaps[i].first <= seq && seq <= t->gaps[i].last)
			return true;
	}
	return false;
}

/* What is missing directly before ${seq}, with the ranges refused out of it, becomes gaps. */
static uint64_t
open_gaps(struct terminal_state *t, uint64_t seq, const struct seq_range *refused, size_t n)
{
	uint64_t from = t->last + 1, missing = 0;

	for (size_t i = 0; i <= n && from < seq; i++) {
		uint64_t until = i < n ? refused[i].first : seq;
		if (until > seq)
			until = seq;
		if (until > from) {
			if (t->n_gaps == TERMINAL_GAPS_MAX)
				forget_first(t);
			t->gaps[t->n_gaps++] = (struct seq_range){ from, until - 1 };
			missing += until - from;
		}
		if (i < n && refused[i].last >= from)
			from = refused[i].last == UINT64_MAX ? seq : refused[i].last + 1;
	}
	return missing;
}

void
terminal_take(struct terminal_state *t, const struct entry *entry, struct entry_id id, struct terminal_note *ret_note)
{
	uint64_t seq = entry->terminal_seq;

	assert(seq > 0);
	*ret_note = (struct terminal_note){ .gap = 0 };
	for (size_t i = 0; i < entry->n_refused; i++)
		subtract(t, entry->refused[i]);
	if (seq > t->last) {
		ret_note->gap = open_gaps(t, seq, entry->refused, entry->n_refused);
		t->last = seq;
		t->id = id;
	} else if (is_missing(t, seq)) {
		subtract(t, (struct seq_range){ seq, seq });
	} else {
		ret_note->repeat = true;
		t->repeats++;
		t->repeat_seq = seq;
		t->repeat_id = id;
	}
}

uint64_t
terminal_missing(const struct terminal_state *t)
{
	uint64_t missing = t->forgotten;

	for (size_t i = 0; i < t->n_gaps; i++) {
		uint64_t count = range_count(t->gaps[i]);
		missing = count > UINT64_MAX - missing ? UINT64_MAX : missing + count;
	}
	return missing;
}

/* ---- the row ---- */

void
terminal_encode(const struct terminal_state *t, struct buf *out)
{
	buf_put_varint(out, t->last);
	buf_put_varint(out, t->id.seq);
	buf_put_varint(out, t->id.index);
	buf_put_varint(out, t->repeats);
	if (t->repeats > 0) {
		buf_put_varint(out, t->repeat_seq);
		buf_put_varint(out, t->repeat_id.seq);
		buf_put_varint(out, t->repeat_id.index);
	}
	buf_put_varint(out, t->forgotten);
	buf_put_varint(out, t->n_gaps);
	for (size_t i = 0; i < t->n_gaps; i++) {
		buf_put_varint(out, t->gaps[i].first);
		buf_put_varint(out, t->gaps[i].last);
	}
}

static struct entry_id
read_id(struct cursor *c, bool *ok)
{
	struct entry_id id = { .seq = cursor_varint(c) };
	uint64_t index = cursor_varint(c);

	*ok = *ok && index <= UINT32_MAX;
	id.index = (uint32_t)index;
	return id;
}

enum status
terminal_decode(struct bytes value, struct terminal_state *ret)
{
	struct cursor c = cursor_of(value);
	struct terminal_state t = { .last = cursor_varint(&c) };
	bool ok = true;

	t.id = read_id(&c, &ok);
	t.repeats = cursor_varint(&c);
	if (t.repeats > 0) {
		t.repeat_seq = cursor_varint(&c);
		t.repeat_id = read_id(&c, &ok);
	}
	t.forgotten = cursor_varint(&c);
	uint64_t n = cursor_varint(&c);
	for (uint64_t i = 0; i < n && n <= TERMINAL_GAPS_MAX && cursor_ok(&c); i++) {
		struct seq_range gap = { .first = cursor_varint(&c) };
		gap.last = cursor_varint(&c);
		t.gaps[t.n_gaps++] = gap;
	}
	if (!cursor_done(&c) || !ok || t.n_gaps != n || !seq_ranges_valid(t.gaps, t.n_gaps, t.last))
		return ST_CORRUPT;
	*ret = t;
	return ST_OK;
}
