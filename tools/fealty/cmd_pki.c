/* fealty pki: the operator's certificate authority.  Nothing here needs a daemon. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "commands.h"
#include "ledger/calendar.h"
#include "pki.h"

enum { KEY_DOMAIN = KEY_COMMAND, KEY_DAYS };

#define WARN_DAYS 30

struct pki_input {
	struct plain_input plain;
	char *domain;
	uint64_t days, days_max;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct pki_input *in = state->input;

	switch (key) {
	case KEY_DOMAIN:
		in->domain = arg;
		return pki_domain_valid(arg) ? 0 : cli_usage(state, "--domain: \"%s\" is no trust domain: 1 to 255 of a-z, 0-9, '.', '-' and '_'", arg);
	case KEY_DAYS:
		if (option_number(state, "--days", arg, in->days_max, &in->days) == 0 && in->days > 0)
			return 0;
		return cli_usage(state, "--days: 1 to %u", (unsigned)in->days_max);
	default:
		return plain_parse(key, arg, state);
	}
}

/* ---- init ---- */

static enum exit_code
pki_init(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "domain", KEY_DOMAIN, "NAME", 0, "The trust domain: a name of your own such as points.example.com, in all certificates (needed)", 0 },
		{ "days", KEY_DAYS, "N", 0, "How long the authority lasts, up to 7300 (default: 3650)", 0 },
		{ "json", KEY_JSON, NULL, 0, "Print JSON", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "DIR",
		"Make a certificate authority in the new directory DIR.\v"
		"Its key never leaves DIR (mode 0700; ca.key, mode 0400), so DIR may be on a machine of its own, without a daemon. Keep a copy of it. "
		"packaging/TLS.md is the procedure.",
		NULL, NULL, NULL };
	struct pki_input in = { .days = PKI_CA_DAYS, .days_max = PKI_CA_DAYS_MAX };

	cli_parse(&argp, argc, argv, &in);
	const char *dir = in.plain.args.v[0];
	if (in.domain == NULL)
		return cli_fail(in.plain.json, EXIT_USAGE, "--domain is needed: a name of your own such as points.example.com, which all certificates have");
	enum exit_code code = pki_create(dir, in.domain, (unsigned)in.days, in.plain.json);
	struct pki *pki = NULL;
	if (code == EXIT_DONE)
		code = pki_open(dir, PKI_LOOK, in.plain.json, &pki);
	if (code != EXIT_DONE)
		return code;
	struct pki_about about = pki_about(pki);
	char until[INSTANT_TEXT_BYTES];
	if (in.plain.json) {
		json_t *object = json_new();
		json_put_text(object, "status", "OK");
		json_put_text(object, "directory", about.dir);
		json_put_text(object, "domain", about.domain);
		json_put_text(object, "spki_sha256", about.spki);
		json_put_text(object, "until", instant_format(about.until_us, until));
		code = json_print_line(object, code);
	} else {
		(void)printf("Made the authority of %s in %s, until %s.\n", about.domain, about.dir, instant_format(about.until_us, until));
		(void)printf("Keep a copy of it where nobody else can read it. The daemon's certificate is next:\n"
			     "  fealty pki issue %s server/NAME --address HOST\n", about.dir);
	}
	pki_close(pki);
	return code;
}

/* ---- crl ---- */

static enum exit_code
pki_crl(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "days", KEY_DAYS, "N", 0, "How long the list is good for, up to 825 (default: 365)", 0 },
		{ "json", KEY_JSON, NULL, 0, "Print JSON", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "DIR",
		"Sign the revocation list of the authority in DIR again.\v"
		"Needed when nothing was revoked for a year: a daemon turns everybody away when its list has ended. Copy DIR/crl.pem to it afterwards, and "
		"send it SIGHUP.",
		NULL, NULL, NULL };
	struct pki_input in = { .days = PKI_CRL_DAYS, .days_max = 825 };
	struct pki *pki = NULL;

	cli_parse(&argp, argc, argv, &in);
	enum exit_code code = pki_open(in.plain.args.v[0], PKI_SIGN, in.plain.json, &pki);
	if (code == EXIT_DONE)
		code = pki_refresh_crl(pki, (unsigned)in.days);
	if (code == EXIT_DONE) {
		struct pki_about about = pki_about(pki);
		char until[INSTANT_TEXT_BYTES], path[4096];
		(void)snprintf(path, sizeof(path), "%s/crl.pem", about.dir);
		(void)instant_format(about.crl_until_us, until);
		if (in.plain.json) {
			json_t *object = json_new();
			json_put_text(object, "status", "OK");
			json_put_text(object, "crl", path);
			json_put_number(object, "crl_number", about.crl_number);
			json_put_text(object, "until", until);
			code = json_print_line(object, code);
		} else {
			(void)printf("Signed %s, number %llu, good until %s.\nCopy it to the daemon's machine, and send the daemon SIGHUP.\n", path,
			    (unsigned long long)about.crl_number, until);
		}
	}
	pki_close(pki);
	return code;
}

/* ---- list ---- */

struct listing {
	const struct pki *pki;
	struct pki_about about;
	json_t *warnings;		/* NULL: they are printed */
	bool any;
};

static void __attribute__((format(printf, 2, 3)))
warn(struct listing *l, const char *format, ...)
{
	char text[512];
	va_list values;

	va_start(values, format);
	(void)vsnprintf(text, sizeof(text), format, values);
	va_end(values);
	if (l->warnings != NULL)
		(void)json_array_append_new(l->warnings, json_string(text));
	else
		(void)printf("%sWarning: %s\n", l->any ? "" : "\n", text);
	l->any = true;
}

static bool
ends_soon(const struct listing *l, int64_t until_us)
{
	return until_us - l->about.now_us < WARN_DAYS * US_PER_DAY;
}

static int
compare(const void *a, const void *b)
{
	const struct pki_certificate *x = a, *y = b;
	int order = strcmp(x->principal, y->principal);

	if (order != 0)
		return order;
	if (x->until_us != y->until_us)
		return x->until_us < y->until_us ? -1 : 1;
	return strcmp(x->serial, y->serial);
}

/* Of one principal they are beside each other, the last to end behind: one that ends soon is no trouble when another one goes on. */
static void
warn_of_ends(struct listing *l, const struct pki_certificate *c, size_t n)
{
	char until[INSTANT_TEXT_BYTES];

	for (size_t i = 0; i < n; i++) {
		bool last = true;
		for (size_t j = i + 1; j < n && strcmp(c[j].principal, c[i].principal) == 0; j++)
			last &= pki_state(l->pki, &c[j]) != PKI_VALID;
		if (last && pki_state(l->pki, &c[i]) == PKI_VALID && ends_soon(l, c[i].until_us))
			warn(l, "%s has no certificate after %s: issue another one", c[i].principal, instant_format(c[i].until_us, until));
	}
	if (ends_soon(l, l->about.crl_until_us))
		warn(l, "the revocation list ends at %s: run \"fealty pki crl %s\"", instant_format(l->about.crl_until_us, until), l->about.dir);
	if (ends_soon(l, l->about.until_us))
		warn(l, "the authority ends at %s: make another one", instant_format(l->about.until_us, until));
}

static json_t *
row_json(const struct listing *l, const struct pki_certificate *c)
{
	char instant[INSTANT_TEXT_BYTES];
	json_t *object = json_new();

	json_put_text(object, "serial", c->serial);
	json_put_text(object, "principal", c->principal);
	json_put_text(object, "spki_sha256", c->spki);
	json_put_text(object, "from", instant_format(c->from_us, instant));
	json_put_text(object, "until", instant_format(c->until_us, instant));
	json_put_text(object, "state", pki_state_str(pki_state(l->pki, c)));
	return object;
}

static enum exit_code
print_json(struct listing *l, const struct pki_certificate *c, size_t n)
{
	char instant[INSTANT_TEXT_BYTES];
	json_t *object = json_new(), *rows = json_array();

	l->warnings = json_array();
	warn_of_ends(l, c, n);
	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(rows, row_json(l, &c[i]));
	json_put_text(object, "status", "OK");
	json_put_text(object, "domain", l->about.domain);
	json_put_text(object, "spki_sha256", l->about.spki);
	json_put_text(object, "until", instant_format(l->about.until_us, instant));
	json_put_number(object, "crl_number", l->about.crl_number);
	json_put_text(object, "crl_until", instant_format(l->about.crl_until_us, instant));
	json_put(object, "certificates", rows);
	json_put(object, "warnings", l->warnings);
	return json_print_line(object, EXIT_DONE);
}

static enum exit_code
print_people(struct listing *l, const struct pki_certificate *c, size_t n)
{
	char from[INSTANT_TEXT_BYTES], until[INSTANT_TEXT_BYTES];

	(void)printf("%s, until %s; revocation list %llu, until %s\n\n", l->about.domain, instant_format(l->about.until_us, until),
	    (unsigned long long)l->about.crl_number, instant_format(l->about.crl_until_us, from));
	for (size_t i = 0; i < n; i++)
		(void)printf("%-24s %-8s %.10s to %.10s  serial %s\n%34skey %s\n", c[i].principal, pki_state_str(pki_state(l->pki, &c[i])),
		    instant_format(c[i].from_us, from), instant_format(c[i].until_us, until), c[i].serial, "", c[i].spki);
	if (n == 0)
		(void)printf("No certificate was issued yet.\n");
	warn_of_ends(l, c, n);
	return EXIT_DONE;
}

static enum exit_code
pki_list(int argc, char **argv)
{
	static const struct argp_option options[] = { { "json", KEY_JSON, NULL, 0, "Print JSON", 0 }, { 0 } };
	static const struct argp argp = { options, parse, "DIR",
		"List what the authority in DIR has issued, by principal: serial, SHA-256 of the key, from, until, and valid, expired or revoked.\v"
		"It warns of principals whose last certificate ends within 30 days, and of a revocation list or an authority that does. ca.key is not needed.",
		NULL, NULL, NULL };
	struct pki_input in = { .days = 0 };
	const struct pki_certificate *issued;
	struct pki *pki = NULL;

	cli_parse(&argp, argc, argv, &in);
	enum exit_code code = pki_open(in.plain.args.v[0], PKI_LOOK, in.plain.json, &pki);
	if (code != EXIT_DONE)
		return code;
	struct listing listing = { .pki = pki, .about = pki_about(pki) };
	size_t n = pki_certificates(pki, &issued);
	struct pki_certificate *sorted = calloc(n + 1, sizeof(*sorted));
	if (sorted == NULL) {
		pki_close(pki);
		return cli_fail(in.plain.json, EXIT_INTERNAL, "%s", cli_status_words(ST_NOMEM));
	}
	if (n > 0)
		memcpy(sorted, issued, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare);
	code = in.plain.json ? print_json(&listing, sorted, n) : print_people(&listing, sorted, n);
	free(sorted);
	pki_close(pki);
	return code;
}

enum exit_code
cmd_pki(int argc, char **argv)
{
	static const struct command commands[] = {
		{ "init", "DIR --domain NAME", "make a certificate authority", pki_init },
		{ "issue", "DIR PRINCIPAL", "a certificate for the daemon, a till, a backend or a person", cmd_pki_issue },
		{ "revoke", "DIR SERIAL|CERT.pem|PRINCIPAL", "let a certificate count no more", cmd_pki_revoke },
		{ "crl", "DIR", "sign the revocation list again", pki_crl },
		{ "list", "DIR", "what was issued, until when, and what was revoked", pki_list },
		{ NULL, NULL, NULL, NULL },
	};

	return command_group("pki", commands, argc, argv);
}
