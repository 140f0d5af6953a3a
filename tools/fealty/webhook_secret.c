/* Secrets stay in the struct of who asked for them and in no other memory; what was read on the way is wiped. */
#include "webhook_secret.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "merkle/lines.h"

#define PREFIX "whsec_"
#define FILE_BYTES_MAX 4096
#define NEW_SECRET_BYTES 32
#define BASE64_BYTES(n) (((n) + 2) / 3 * 4)

/* ---- reading ---- */

static enum exit_code
open_secret(bool json, const char *path, int *ret_fd)
{
	struct stat about;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);	/* a FIFO must not hold us up */

	if (fd < 0)
		return cli_fail(json, EXIT_USAGE, "%s cannot be read: %s; `fealty webhook --new-secret %s` makes one", path, strerror(errno), path);
	if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && (about.st_mode & 077) == 0 && (about.st_uid == geteuid() || about.st_uid == 0)) {
		*ret_fd = fd;
		return EXIT_DONE;
	}
	(void)close(fd);
	return cli_fail(json, EXIT_USAGE, "%s is no file of yours that nobody else can read: whoever has the secret can forge events. Make its mode 0400",
	    path);
}

static bool
take_line(struct bytes line, struct webhook_secrets *secrets)
{
	size_t len;

	if (line.len == 0)
		return true;
	if (secrets->n == WEBHOOK_SECRETS_MAX || !lines_take_prefix(&line, bytes_of(PREFIX, strlen(PREFIX))) ||
	    !lines_base64(line, secrets->v[secrets->n].bytes, WEBHOOK_SECRET_BYTES_MAX, &len) || len < WEBHOOK_SECRET_BYTES_MIN)
		return false;
	secrets->v[secrets->n++].len = len;
	return true;
}

enum exit_code
webhook_secrets_read(bool json, const char *path, struct webhook_secrets *ret_secrets)
{
	char text[FILE_BYTES_MAX + 2];
	size_t len = 0;
	ssize_t n;
	int fd;
	enum exit_code code = open_secret(json, path, &fd);

	if (code != EXIT_DONE)
		return code;
	while (len < FILE_BYTES_MAX && ((n = read(fd, text + len, FILE_BYTES_MAX - len)) > 0 || (n < 0 && errno == EINTR)))
		len += n > 0 ? (size_t)n : 0;
	(void)close(fd);
	text[len++] = '\n';		/* the last line may lack its own */

	struct webhook_secrets secrets = { .n = 0 };
	struct bytes rest = bytes_of(text, len), line;
	bool good = len <= FILE_BYTES_MAX;
	while (good && lines_take(&rest, &line))
		good = take_line(line, &secrets);
	explicit_bzero(text, sizeof(text));
	if (good && secrets.n > 0)
		*ret_secrets = secrets;
	else
		code = cli_fail(json, EXIT_USAGE, "%s does not hold 1 to %d lines of %s and the base64 of %d to %d bytes; `fealty webhook --new-secret FILE` "
		    "makes such a file", path, WEBHOOK_SECRETS_MAX, PREFIX, WEBHOOK_SECRET_BYTES_MIN, WEBHOOK_SECRET_BYTES_MAX);
	explicit_bzero(&secrets, sizeof(secrets));
	return code;
}

/* ---- making ---- */

enum exit_code
webhook_secret_make(bool json, const char *path)
{
	uint8_t secret[NEW_SECRET_BYTES], text[sizeof(PREFIX) + BASE64_BYTES(NEW_SECRET_BYTES) + 1];
	struct writer writer = writer_of(text, sizeof(text));

	if (getrandom(secret, sizeof(secret), 0) != sizeof(secret))
		return cli_fail(json, EXIT_INTERNAL, "there is no randomness to be had: %s", strerror(errno));
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
	if (fd < 0)
		return cli_fail(json, errno == EEXIST ? EXIT_REFUSED : EXIT_INTERNAL, "%s cannot be made: %s", path, strerror(errno));
	writer_put(&writer, bytes_of(PREFIX, strlen(PREFIX)));
	writer_put_base64(&writer, bytes_of(secret, sizeof(secret)));
	writer_put(&writer, bytes_of("\n", 1));
	struct bytes line = writer_bytes(&writer);
	bool good = file_put(fd, line) == ST_OK;
	int error = errno;
	explicit_bzero(secret, sizeof(secret));
	explicit_bzero(text, sizeof(text));
	if (close(fd) != 0 || !good) {
		(void)unlink(path);
		return cli_fail(json, EXIT_INTERNAL, "%s cannot be written: %s", path, strerror(error));
	}
	return EXIT_DONE;
}

/* ---- signing ---- */

void
webhook_sign(const struct webhook_secrets *secrets, const char *id, int64_t timestamp_s, struct bytes body,
    char ret_text[static WEBHOOK_SIGNATURE_BYTES])
{
	char head[160];
	int len = snprintf(head, sizeof(head), "%s.%" PRId64 ".", id, timestamp_s);
	struct bytes parts[] = { bytes_of(head, (size_t)len), body };
	struct writer writer = writer_of((uint8_t *)ret_text, WEBHOOK_SIGNATURE_BYTES - 1);

	assert(len > 0 && (size_t)len < sizeof(head));
	for (size_t i = 0; i < secrets->n; i++) {
		uint8_t mac[SHA256_BYTES];

		hash_hmac_sha256(mac, bytes_of(secrets->v[i].bytes, secrets->v[i].len), parts, 2);
		writer_put(&writer, i == 0 ? bytes_of("v1,", 3) : bytes_of(" v1,", 4));
		writer_put_base64(&writer, bytes_of(mac, sizeof(mac)));
	}
	ret_text[writer_bytes(&writer).len] = '\0';
}
