/* fealty pki revoke: by serial, by principal, or by the certificate itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "pki.h"

enum { KEY_REASON = KEY_COMMAND };

struct revoke_input {
	struct args args;
	bool json;
	int reason;
	json_t *rows;			/* with --json */
	unsigned n, n_already;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct revoke_input *in = state->input;

	switch (key) {
	case KEY_REASON:
		in->reason = pki_reason_of(arg);
		return in->reason >= 0 ? 0 : cli_usage(state, "--reason: \"%s\" is none of %s", arg, pki_reasons);
	case KEY_JSON:
		in->json = true;
		return 0;
	case ARGP_KEY_ARG:
		return args_take(state, arg, &in->args, 2);
	case ARGP_KEY_END:
		return args_need(state, &in->args, 2);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* As others print it: in capitals, with colons. */
static bool
is_serial(const char *given, const char *serial)
{
	while (*given != '\0' && *serial != '\0') {
		int c = *given >= 'A' && *given <= 'F' ? *given - 'A' + 'a' : *given;
		given++;
		if (c == ':')
			continue;
		if (c != *serial++)
			return false;
	}
	return *given == '\0' && *serial == '\0';
}

/* Another valid certificate with the same key: the deny file turns it away too. */
static void
warn_of_key(const struct revoke_input *in, const struct pki *pki, const struct pki_certificate *revoked)
{
	const struct pki_certificate *all;
	size_t n = pki_certificates(pki, &all);

	for (size_t i = 0; i < n && !in->json; i++)
		if (strcmp(all[i].spki, revoked->spki) == 0 && pki_state(pki, &all[i]) == PKI_VALID)
			(void)printf("  serial %s has the same key, and is turned away with it\n", all[i].serial);
}

static enum exit_code
revoke_one(struct revoke_input *in, struct pki *pki, const struct pki_certificate *c)
{
	bool already;
	enum exit_code code = pki_revoke(pki, c, in->reason, &already);

	if (code != EXIT_DONE)
		return code;
	in->n++;
	in->n_already += already;
	if (in->json) {
		json_t *row = json_new();
		json_put_text(row, "serial", c->serial);
		json_put_text(row, "principal", c->principal);
		json_put_text(row, "spki_sha256", c->spki);
		json_put(row, "already", json_boolean(already));
		(void)json_array_append_new(in->rows, row);
		return code;
	}
	(void)printf(already ? "%s, serial %s, was revoked already.\n" : "Revoked %s, serial %s.\n", c->principal, c->serial);
	warn_of_key(in, pki, c);
	if (!already && pki_kind_of(c->principal)->is_server)
		(void)printf("  Clients look at no revocation list: give the daemon another certificate, and when this one's key may be known, let the clients trust "
			     "another authority (packaging/TLS.md).\n");
	return code;
}

/* A serial: that one.  A principal: all of its own that count; only if there is none, those that were revoked, to say so, or ended. */
static enum exit_code
revoke_listed(struct revoke_input *in, struct pki *pki, enum pki_state wanted)
{
	const struct pki_certificate *all;
	enum exit_code code = EXIT_DONE;

	for (size_t i = 0; i < pki_certificates(pki, &all) && code == EXIT_DONE; i++) {
		struct pki_certificate c = all[i];
		bool by_serial = is_serial(in->args.v[1], c.serial);
		if (by_serial || (strcmp(in->args.v[1], c.principal) == 0 && pki_state(pki, &c) == wanted))
			code = revoke_one(in, pki, &c);
	}
	return code;
}

static enum exit_code
revoke(struct revoke_input *in, struct pki *pki)
{
	struct pki_certificate of_file;
	enum exit_code code = revoke_listed(in, pki, PKI_VALID);

	if (code == EXIT_DONE && in->n == 0)
		code = revoke_listed(in, pki, PKI_REVOKED);
	if (code == EXIT_DONE && in->n == 0)
		code = revoke_listed(in, pki, PKI_EXPIRED);
	if (code != EXIT_DONE || in->n > 0)
		return code;
	code = pki_read_certificate(pki, in->args.v[1], &of_file);
	return code == EXIT_DONE ? revoke_one(in, pki, &of_file) : code;
}

static enum exit_code
tell(struct revoke_input *in, struct pki_about about)
{
	if (in->json) {
		json_t *object = json_new();
		json_put_text(object, "status", "OK");
		json_put(object, "revoked", in->rows);
		json_put_number(object, "crl_number", about.crl_number);
		return json_print_line(object, EXIT_DONE);
	}
	if (in->n_already < in->n)
		(void)printf("Copy %s/crl.pem and %s/deny to the daemon's machine, and send the daemon SIGHUP.\n", about.dir, about.dir);
	return EXIT_DONE;
}

enum exit_code
cmd_pki_revoke(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "reason", KEY_REASON, "REASON", 0, "Why: unspecified (the default), keyCompromise, affiliationChanged, superseded, cessationOfOperation or "
		    "privilegeWithdrawn", 0 },
		{ "json", KEY_JSON, NULL, 0, "Print JSON", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "DIR SERIAL|CERT.pem|PRINCIPAL",
		"Let a certificate count no more: DIR/crl.pem is signed anew, with a higher number, and DIR/deny names its key.\v"
		"A principal stands for all of its certificates that are valid. Copy both files to the daemon's machine and send the daemon SIGHUP: "
		"connections with that key end at once. The list is good for 365 days; \"fealty pki crl\" signs it again.",
		NULL, NULL, NULL };
	struct revoke_input in = { .json = false };
	struct pki *pki = NULL;

	cli_parse(&argp, argc, argv, &in);
	in.rows = in.json ? json_array() : NULL;
	enum exit_code code = pki_open(in.args.v[0], PKI_SIGN, in.json, &pki);
	if (code == EXIT_DONE)
		code = revoke(&in, pki);
	if (code == EXIT_DONE)
		code = tell(&in, pki_about(pki));
	else
		json_decref(in.rows);
	pki_close(pki);
	return code;
}
