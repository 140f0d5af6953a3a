/*
 * A program owes its members what is in their four accounts.  Each entry sums to zero, so what an account of the program lost is what the
 * members' gained: the lines are signed so, and sum by themselves.
 */
#include "rollforward.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "points_lines.h"

struct sheet {
	const struct audit_program *program;
	const int64_t *from, *to;		/* accounts */
	int64_t opening, closing;
	int64_t lines[POINTS_LINES];
};

static bool
sum_members(const int64_t *account, int64_t *ret_sum)
{
	*ret_sum = 0;
	for (enum account a = ACCOUNT_MEMBER; a <= ACCOUNT_DEBT; a++)
		if (!checked_add(*ret_sum, account[a], ret_sum))
			return false;
	return true;
}

/* False: it does not come out, which evolve() rules out. */
static bool
fill(const struct rollforward *r, const struct audit_program *p, struct sheet *ret)
{
	struct sheet s = { .program = p, .from = r->from.account[p->number - 1], .to = r->to.account[p->number - 1] };

	if (!sum_members(s.from, &s.opening) || !sum_members(s.to, &s.closing))
		return false;
	int64_t sum = s.opening;
	for (size_t i = 0; i < POINTS_LINES; i++) {
		enum account a = points_lines[i].account;
		if (!checked_sub(s.from[a], s.to[a], &s.lines[i]) || !checked_add(sum, s.lines[i], &sum))
			return false;
	}
	*ret = s;
	return sum == s.closing;
}

static bool
is_wanted(const struct rollforward *r, const struct audit_program *p)
{
	return r->program == NULL || strcmp(r->program, p->id) == 0;
}

/* ---- for people ---- */

static void
show_line(const char *name, int64_t points, unsigned scale)
{
	char text[DECIMAL_TEXT_BYTES];

	(void)printf("  %-18s%20s\n", name, decimal_format(points, scale, text));
}

static void
show_sheet(const struct sheet *s)
{
	char text[DECIMAL_TEXT_BYTES];
	unsigned scale = s->program->scale;

	(void)printf("\nProgram %s\n", s->program->id);
	show_line("opening", s->opening, scale);
	for (size_t i = 0; i < POINTS_LINES; i++)
		if (points_lines[i].always || s->lines[i] != 0)
			show_line(points_lines[i].name, s->lines[i], scale);
	show_line("closing", s->closing, scale);
	(void)printf("  of which");
	for (enum account a = ACCOUNT_MEMBER; a <= ACCOUNT_DEBT; a++)
		(void)printf("%s %s %s", a == ACCOUNT_MEMBER ? "" : ",", a == ACCOUNT_MEMBER ? "available" : account_str(a),
		    decimal_format(s->to[a], scale, text));
	(void)printf("\n");
}

static void
show_point(const char *word, const struct rollforward_point *point)
{
	char text[INSTANT_TEXT_BYTES], root[2 * SHA256_BYTES + 1];

	if (point->size == 0)
		(void)printf("%s the beginning of the ledger.\n", word);
	else
		(void)printf("%s %" PRIu64 " transactions, the last of them committed %s, root %s.\n", word, point->size,
	    instant_format(point->committed_at_us, text), hex_format(bytes_of(point->head.root, SHA256_BYTES), root));
	if (point->missed_at_us != 0)
		(void)printf("     There is no checkpoint between it and the next transaction, of %s: that is before the day, and not counted here.\n",
		    instant_format(point->missed_at_us, text));
}

static void
show_notes(const struct rollforward *r, const struct proof *proof)
{
	char text[64];
	const struct rollforward_point *points[] = { &r->from, &r->to };

	(void)printf("\nBoth heads are signed by the ledger's key, and the ledger has their roots at these sizes; the replay between them is of bytes "
		     "that the roots bind.\n");
	for (size_t i = 0; i < 2; i++)
		if (points[i]->size > 0)
			(void)printf("\n%.*s", (int)points[i]->head.note_bytes, (const char *)points[i]->head.note);
	(void)printf("\nConsistency proof, %" PRIu64 " to %" PRIu64 ", verified, %zu %s:\n", r->from.size, r->to.size, proof->n_hashes,
	    proof->n_hashes == 1 ? "hash" : "hashes");
	for (size_t i = 0; i < proof->n_hashes; i++) {
		struct writer w = writer_of(text, sizeof(text) - 1);
		writer_put_base64(&w, bytes_of(proof->hash[i], SHA256_BYTES));
		text[w.len] = '\0';
		(void)printf("%s\n", text);
	}
}

/* ---- for programs ---- */

static json_t *
point_json(const struct rollforward_point *point)
{
	json_t *object = json_new();
	char text[INSTANT_TEXT_BYTES];

	json_put_number(object, "size", point->size);
	json_put_text(object, "committed_at", point->size == 0 ? NULL : instant_format(point->committed_at_us, text));
	if (point->size == 0) {
		json_put_text(object, "root", NULL);
		json_put_text(object, "checkpoint", NULL);
	} else {
		json_put_hex(object, "root", bytes_of(point->head.root, SHA256_BYTES));
		json_put(object, "checkpoint", json_stringn((const char *)point->head.note, point->head.note_bytes));
	}
	if (point->missed_at_us != 0)
		json_put_text(object, "missed_at", instant_format(point->missed_at_us, text));
	return object;
}

static json_t *
accounts_json(const int64_t *account, unsigned scale)
{
	char text[DECIMAL_TEXT_BYTES];
	json_t *object = json_new();

	for (enum account a = ACCOUNT_MEMBER; a <= ACCOUNT_DEBT; a++)
		json_put_text(object, account_str(a), decimal_format(account[a], scale, text));
	return object;
}

static json_t *
sheet_json(const struct sheet *s)
{
	char text[DECIMAL_TEXT_BYTES];
	unsigned scale = s->program->scale;
	json_t *object = json_new();

	json_put_text(object, "program", s->program->id);
	json_put_text(object, "opening", decimal_format(s->opening, scale, text));
	for (size_t i = 0; i < POINTS_LINES; i++)
		json_put_text(object, points_lines[i].name, decimal_format(s->lines[i], scale, text));
	json_put_text(object, "closing", decimal_format(s->closing, scale, text));
	json_put(object, "opening_accounts", accounts_json(s->from, scale));
	json_put(object, "closing_accounts", accounts_json(s->to, scale));
	return object;
}

static enum exit_code
print_json(const struct rollforward *r, const struct audit *audit, const struct sheet *sheets, size_t n, const struct proof *proof)
{
	json_t *object = json_new(), *hashes = json_array(), *programs = json_array();
	char text[64];

	json_put_text(object, "status", "OK");
	json_put_text(object, "origin", audit->genesis.origin);
	json_put(object, "from", point_json(&r->from));
	json_put(object, "to", point_json(&r->to));
	for (size_t i = 0; i < proof->n_hashes; i++) {
		struct writer w = writer_of(text, sizeof(text) - 1);
		writer_put_base64(&w, bytes_of(proof->hash[i], SHA256_BYTES));
		(void)json_array_append_new(hashes, json_stringn(text, w.len));
	}
	json_put(object, "consistency", hashes);
	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(programs, sheet_json(&sheets[i]));
	json_put(object, "programs", programs);
	return json_print_line(object, EXIT_DONE);
}

static void
csv_line(const struct rollforward *r, const struct sheet *s, const char *line, int64_t points)
{
	char text[DECIMAL_TEXT_BYTES];

	(void)printf("%s,%" PRIu64 ",%" PRIu64 ",%s,%s\n", s->program->id, r->from.size, r->to.size, line,
	    decimal_format(points, s->program->scale, text));
}

/* A program's id has no comma and no quote. */
static enum exit_code
print_csv(const struct rollforward *r, const struct sheet *sheets, size_t n)
{
	(void)printf("program,from_size,to_size,line,points\n");
	for (size_t i = 0; i < n; i++) {
		csv_line(r, &sheets[i], "opening", sheets[i].opening);
		for (size_t k = 0; k < POINTS_LINES; k++)
			csv_line(r, &sheets[i], points_lines[k].name, sheets[i].lines[k]);
		csv_line(r, &sheets[i], "closing", sheets[i].closing);
	}
	return EXIT_DONE;
}

enum exit_code
rollforward_report(const struct rollforward *r, const struct audit *audit, const struct audit_books *books, const struct proof *proof)
{
	static struct sheet sheets[ROLLFORWARD_PROGRAMS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < books->n; i++) {
		if (!is_wanted(r, &books->programs[i]))
			continue;
		if (!fill(r, &books->programs[i], &sheets[n]))
			return cli_fail(r->json, EXIT_REFUSED, "program %s: its lines do not sum to what its members have", books->programs[i].id);
		n++;
	}
	if (n == 0 && r->program != NULL)
		return cli_fail(r->json, EXIT_REFUSED, "--program: there is no program %s in the first %" PRIu64 " transactions of %s", r->program,
		    r->to.size, r->place);
	if (r->json)
		return print_json(r, audit, sheets, n, proof);
	if (r->csv)
		return print_csv(r, sheets, n);
	(void)printf("What %s owes its members\n", audit->genesis.origin);
	show_point("from", &r->from);
	show_point("to", &r->to);
	for (size_t i = 0; i < n; i++)
		show_sheet(&sheets[i]);
	show_notes(r, proof);
	return EXIT_DONE;
}
