/* What was issued.  A line that a crash cut off was never handed out, so it is dropped; any other line that cannot be read is an error. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ledger/calendar.h"
#include "pki_x509.h"

#define LIST_BYTES_MAX ((size_t)256 << 20)

const char *
pki_state_str(enum pki_state state)
{
	switch (state) {
	case PKI_VALID: return "valid";
	case PKI_EXPIRED: return "expired";
	case PKI_REVOKED: return "revoked";
	}
	return "?";
}

size_t
pki_certificates(const struct pki *pki, const struct pki_certificate **ret_certificates)
{
	*ret_certificates = pki->issued;
	return pki->n_issued;
}

static bool
take_text(const json_t *object, const char *key, char *ret, size_t size)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL && snprintf(ret, size, "%s", text) < (int)size;
}

static bool
take_line(const char *line, size_t len, struct pki_certificate *ret)
{
	json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	char from[INSTANT_TEXT_BYTES], until[INSTANT_TEXT_BYTES];

	bool good = take_text(object, "serial", ret->serial, sizeof(ret->serial)) && ret->serial[0] != '\0' &&
	    ret->serial[strspn(ret->serial, "0123456789abcdef")] == '\0' &&
	    take_text(object, "principal", ret->principal, sizeof(ret->principal)) && pki_kind_of(ret->principal) != NULL &&
	    take_text(object, "spki_sha256", ret->spki, sizeof(ret->spki)) && strlen(ret->spki) == sizeof(ret->spki) - 1 &&
	    take_text(object, "from", from, sizeof(from)) && instant_parse(from, &ret->from_us) && take_text(object, "until", until, sizeof(until)) &&
	    instant_parse(until, &ret->until_us);
	json_decref(object);
	return good;
}

static void
keep(struct pki *pki, const struct pki_certificate *certificate)
{
	if ((pki->n_issued & (pki->n_issued - 1)) == 0) {		/* 0, 1, 2, 4, …: it is full */
		size_t room = pki->n_issued == 0 ? 1 : 2 * pki->n_issued;
		pki->issued = reallocarray(pki->issued, room, sizeof(*pki->issued));
		assert(pki->issued != NULL);
	}
	pki->issued[pki->n_issued++] = *certificate;
}

static void
path_of(const struct pki *pki, char ret_path[static PATH_MAX + 16])
{
	(void)snprintf(ret_path, PATH_MAX + 16, "%s/issued.jsonl", pki->dir);
}

enum exit_code
pki_list_load(struct pki *pki)
{
	char path[PATH_MAX + 16];
	struct pki_certificate certificate;
	enum exit_code code = EXIT_DONE;
	size_t at = 0;
	struct buf text;

	path_of(pki, path);
	enum status st = file_read_all(path, LIST_BYTES_MAX, &text);
	if (st != ST_OK)
		return cli_fail(pki->json, EXIT_INTERNAL, "%s cannot be read: %s", path, cli_status_words(st));
	for (unsigned line = 1; at < text.len && code == EXIT_DONE; line++) {
		const char *start = (const char *)text.data + at;
		const char *end = memchr(start, '\n', text.len - at);
		if (end == NULL)
			break;
		if (take_line(start, (size_t)(end - start), &certificate))
			keep(pki, &certificate);
		else
			code = cli_fail(pki->json, EXIT_INTERNAL, "%s, line %u: this is not what was written; take the file from a copy", path, line);
		at += (size_t)(end - start) + 1;
	}
	if (code == EXIT_DONE && at < text.len && pki->key != NULL && truncate(path, (off_t)at) != 0)
		code = cli_fail(pki->json, EXIT_INTERNAL, "%s: its last line was cut off, and cannot be removed: %s", path, strerror(errno));
	buf_release(&text);
	return code;
}

enum exit_code
pki_list_add(struct pki *pki, const struct pki_certificate *certificate)
{
	char path[PATH_MAX + 16], instant[INSTANT_TEXT_BYTES];
	json_t *object = json_new();

	json_put_text(object, "serial", certificate->serial);
	json_put_text(object, "principal", certificate->principal);
	json_put_text(object, "spki_sha256", certificate->spki);
	json_put_text(object, "from", instant_format(certificate->from_us, instant));
	json_put_text(object, "until", instant_format(certificate->until_us, instant));
	char *line = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	assert(line != NULL);
	size_t len = strlen(line);
	line[len] = '\n';			/* in the place of the NUL, so that the line is one write */
	path_of(pki, path);
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	enum status st = fd < 0 ? ST_IO : file_put(fd, bytes_of(line, len + 1));
	int error = errno;
	if (fd >= 0)
		(void)close(fd);
	free(line);
	errno = error;
	if (st != ST_OK)
		return cli_fail(pki->json, EXIT_INTERNAL, "%s could not be written: %s; no certificate was handed out", path, cli_status_words(st));
	keep(pki, certificate);
	return EXIT_DONE;
}
