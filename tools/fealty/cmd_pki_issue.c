/* fealty pki issue: a certificate, and a context that uses it.  All that can be refused is refused before anything is signed. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "commands.h"
#include "context.h"
#include "ledger/calendar.h"
#include "pki.h"

enum { KEY_ADDRESS = KEY_COMMAND, KEY_DAYS, KEY_OUT, KEY_CSR, KEY_CONTEXT_NAME, KEY_SERVER };

#define DAYS_MAX 825			/* of all kinds; each has its own */

struct issue_input {
	struct args args;
	bool json, own_out;
	struct list addresses;
	uint64_t days;			/* 0: the default */
	char *csr, *context, *server;
	struct pki_order order;
	char out[PATH_MAX];
};

/* HOST:PORT with something in front of the last colon, and digits behind it. */
static bool
is_host_and_port(const char *text)
{
	const char *colon = strrchr(text, ':');
	char *end;

	if (address_is_local(text) || colon == NULL || colon == text || colon[1] < '1' || colon[1] > '9')
		return false;
	unsigned long port = strtoul(colon + 1, &end, 10);
	return *end == '\0' && port <= UINT16_MAX;
}

static error_t
judge_context(struct argp_state *state, const struct issue_input *in)
{
	char path[PATH_MAX];

	if ((in->context == NULL) != (in->server == NULL))
		return cli_usage(state, "--context NAME and --server HOST:PORT belong together: a context says where the daemon is");
	if (in->context == NULL)
		return 0;
	if (in->order.kind->is_server)
		return cli_usage(state, "--context is for those who ask, and %s answers", in->order.principal);
	if (in->csr != NULL)
		return cli_usage(state, "--context needs the key, which --csr leaves where it was made: write the context there");
	if (!is_host_and_port(in->server))
		return cli_usage(state, "--server: \"%s\" is not HOST:PORT", in->server);
	if (!context_name_valid(in->context))
		return cli_usage(state, "--context: \"%s\" is no name: 1 to %d letters, digits, '.', '_' and '-'", in->context, CONTEXT_NAME_BYTES_MAX);
	if (!context_path(in->context, path))
		return cli_usage(state, "where is the context to be? Set FEALTY_CONTEXT_DIR, XDG_CONFIG_HOME or HOME");
	return access(path, F_OK) != 0 ? 0 : cli_usage(state, "the context %s is there already, and none takes the place of another: move it away", path);
}

static error_t
judge_addresses(struct argp_state *state, const struct issue_input *in)
{
	uint8_t ip[16];
	size_t ip_len;

	if (in->order.kind->is_server != (in->addresses.n > 0))
		return cli_usage(state, in->order.kind->is_server
			? "--address is needed: the names and IP addresses that clients reach %s by"
			: "--address is for a server; %s has no address of its own", in->order.principal);
	for (size_t i = 0; i < in->addresses.n; i++)
		if (!pki_address_parse(in->addresses.v[i], ip, &ip_len))
			return cli_usage(state, "--address: \"%s\" is neither an IP address nor a DNS name; ports and wildcards have no place in it",
			    in->addresses.v[i]);
	return 0;
}

static error_t
judge(struct argp_state *state, struct issue_input *in)
{
	error_t failed = args_need(state, &in->args, 2);

	if (failed != 0)
		return failed;
	in->order.principal = in->args.v[1];
	in->order.kind = pki_kind_of(in->order.principal);
	if (in->order.kind == NULL)
		return cli_usage(state, "\"%s\" is no principal: server/NAME, pos/STORE/TERMINAL, backend/NAME, auditor/NAME, operator/NAME or approver/NAME, "
		    "of letters, digits, '.', '_' and '-'", in->order.principal);
	if (in->days > in->order.kind->days_max)
		return cli_usage(state, "--days: a certificate of %s... lasts %u days at most", in->order.kind->prefix, in->order.kind->days_max);
	in->order.days = in->days != 0 ? (unsigned)in->days : in->order.kind->days;
	in->order.addresses = &in->addresses;
	in->order.csr = in->csr;
	failed = judge_addresses(state, in);
	return failed != 0 ? failed : judge_context(state, in);
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct issue_input *in = state->input;

	switch (key) {
	case KEY_ADDRESS:
		return list_add(state, &in->addresses, arg);
	case KEY_DAYS:
		if (option_number(state, "--days", arg, DAYS_MAX, &in->days) == 0 && in->days > 0)
			return 0;
		return cli_usage(state, "--days: 1 to %d", DAYS_MAX);
	case KEY_OUT:
		in->own_out = true;
		return snprintf(in->out, sizeof(in->out), "%s", arg) < (int)sizeof(in->out) - 32 ? 0 : cli_usage(state, "--out: the path is too long");
	case KEY_CSR:
		in->csr = arg;
		return 0;
	case KEY_CONTEXT_NAME:
		in->context = arg;
		return 0;
	case KEY_SERVER:
		in->server = arg;
		return 0;
	case KEY_JSON:
		in->json = true;
		return 0;
	case ARGP_KEY_ARG:
		return args_take(state, arg, &in->args, 2);
	case ARGP_KEY_END:
		return judge(state, in);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- where to ---- */

/* Without --out: beside the context that uses it, else here under the principal's name. */
static enum exit_code
choose_out(struct issue_input *in)
{
	char path[PATH_MAX];
	size_t len = strlen(in->out);

	if (in->own_out) {
		while (len > 1 && in->out[len - 1] == '/')
			in->out[--len] = '\0';
	} else if (in->context != NULL) {
		if (!context_path(in->context, path) || !context_make_directory())
			return cli_fail(in->json, EXIT_INTERNAL, "the directory of the contexts could not be made: %s", strerror(errno));
		(void)snprintf(in->out, sizeof(in->out), "%.*s", (int)(strlen(path) - strlen(".yaml")), path);
	} else {
		(void)snprintf(in->out, sizeof(in->out), "%s", in->order.principal);
		for (char *slash = strchr(in->out, '/'); slash != NULL; slash = strchr(slash, '/'))
			*slash = '-';
	}
	in->order.out = in->out;
	return EXIT_DONE;
}

static char *
joined(const char *directory, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

/* Paths beside the context are told from it on, so that both can be moved together; others from the root on. */
static enum exit_code
write_context(const struct issue_input *in)
{
	char *directory = in->own_out ? realpath(in->out, NULL) : strdup(in->context);
	struct context context = { .connect = in->server, .principal = in->args.v[1] };
	enum exit_code code;

	if (directory == NULL)
		return cli_fail(in->json, EXIT_INTERNAL, "%s: %s", in->out, strerror(errno));
	context.ca = joined(directory, "ca.pem");
	context.cert = joined(directory, "cert.pem");
	context.key = joined(directory, "key.pem");
	if (context.ca == NULL || context.cert == NULL || context.key == NULL)
		code = cli_fail(in->json, EXIT_INTERNAL, "%s", cli_status_words(ST_NOMEM));
	else
		code = context_create(in->context, &context, in->json);
	free(context.ca);
	free(context.cert);
	free(context.key);
	free(directory);
	return code;
}

/* ---- what people see ---- */

static enum exit_code
tell(const struct issue_input *in, const struct pki_certificate *c, struct pki_about about)
{
	char from[INSTANT_TEXT_BYTES], until[INSTANT_TEXT_BYTES];
	bool shortened = c->until_us < about.now_us / US_PER_SECOND * US_PER_SECOND + in->order.days * US_PER_DAY;

	(void)instant_format(c->from_us, from);
	(void)instant_format(c->until_us, until);
	if (in->json) {
		json_t *object = json_new();
		json_put_text(object, "status", "OK");
		json_put_text(object, "principal", c->principal);
		json_put_text(object, "serial", c->serial);
		json_put_text(object, "spki_sha256", c->spki);
		json_put_text(object, "from", from);
		json_put_text(object, "until", until);
		json_put_text(object, "directory", in->out);
		json_put_text(object, "context", in->context);
		return json_print_line(object, EXIT_DONE);
	}
	(void)printf("Issued a certificate for %s, serial %s, until %s%s.\n", c->principal, c->serial, until,
	    shortened ? " (the authority's own end)" : "");
	(void)printf("  %s/cert.pem and ca.pem%s\n", in->out, in->csr == NULL ? ", and key.pem, which nobody else may read" : "");
	if (in->context != NULL)
		(void)printf("Use it:\n  fealty --context %s COMMAND\n", in->context);
	else if (in->order.kind->is_server)
		(void)printf("Start the daemon with it:\n  fealtyd ... --listen ADDR:PORT --tls-cert %s/cert.pem --tls-key %s/key.pem --tls-ca %s/ca.pem\n"
			     "packaging/TLS.md has the rest.\n", in->out, in->out, in->out);
	return EXIT_DONE;
}

enum exit_code
cmd_pki_issue(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "address", KEY_ADDRESS, "HOST|IP", 0, "A server's DNS name or IP address; may be given again", 0 },
		{ "days", KEY_DAYS, "N", 0, "How long it lasts", 0 },
		{ "out", KEY_OUT, "DIR2", 0, "The new directory for cert.pem, key.pem and ca.pem (default: the principal with - for /, or beside --context)", 0 },
		{ "csr", KEY_CSR, "FILE", 0, "Certify the key of this request (PKCS #10 in PEM) instead of making one; the names in it do not count", 0 },
		{ "context", KEY_CONTEXT_NAME, "NAME", 0, "Write a context too, for \"fealty --context NAME ...\"; with --server", 0 },
		{ "server", KEY_SERVER, "HOST:PORT", 0, "Where the context finds the daemon", 0 },
		{ "json", KEY_JSON, NULL, 0, "Print JSON", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "DIR PRINCIPAL",
		"Issue a certificate by the authority in DIR, for server/NAME, pos/STORE/TERMINAL, backend/NAME, auditor/NAME, operator/NAME or approver/NAME.\v"
		"It lasts 397 days for a server, a till and a backend (825 at most), 90 days for an auditor, an operator and an approver (397 at most), and "
		"never longer than the authority. The key is ECDSA P-256, in a file of mode 0400; of a request also Ed25519 or RSA of 2048 to 8192 bits. "
		"Nothing is overwritten: to renew, move the directory away, issue again, and revoke the old one.",
		NULL, NULL, NULL };
	static struct issue_input in;
	struct pki_certificate certificate;
	struct pki *pki = NULL;

	cli_parse(&argp, argc, argv, &in);
	enum exit_code code = pki_open(in.args.v[0], PKI_SIGN, in.json, &pki);
	if (code == EXIT_DONE)
		code = choose_out(&in);
	if (code == EXIT_DONE)
		code = pki_issue(pki, &in.order, &certificate);
	if (code == EXIT_DONE && in.context != NULL)
		code = write_context(&in);
	if (code == EXIT_DONE)
		code = tell(&in, &certificate, pki_about(pki));
	pki_close(pki);
	return code;
}
