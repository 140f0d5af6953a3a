/* Errors, arguments, JSON and files for all subcommands.  A usage error ends the process here, since argp would do so as well. */
#include "cli.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/text_node.h"
#include "ledger/calendar.h"

#define SENTENCE_BYTES 1024

const char *
exit_code_reason(enum exit_code code)
{
	switch (code) {
	case EXIT_DONE:
		return "DONE";
	case EXIT_REFUSED:
		return "CHECK_FAILED";
	case EXIT_USAGE:
		return "USAGE";
	case EXIT_UNAVAILABLE:
		return "UNAVAILABLE";
	case EXIT_OUTCOME_UNKNOWN:
		return "OUTCOME_UNKNOWN";
	case EXIT_INTERNAL:
		return "INTERNAL";
	}
	return "INTERNAL";
}

static const char *
exit_code_status(enum exit_code code)
{
	switch (code) {
	case EXIT_DONE:
		return "OK";
	case EXIT_REFUSED:
		return "FAILED_PRECONDITION";
	case EXIT_USAGE:
		return "INVALID_ARGUMENT";
	case EXIT_UNAVAILABLE:
		return "UNAVAILABLE";
	case EXIT_OUTCOME_UNKNOWN:
		return "UNKNOWN";
	case EXIT_INTERNAL:
		return "INTERNAL";
	}
	return "INTERNAL";
}

static enum exit_code
fail_with(bool json, enum exit_code code, const char *sentence)
{
	if (!json) {
		(void)fflush(stdout);
		(void)fprintf(stderr, "%s: %s\n", program_invocation_name, sentence);
		return code;
	}
	json_t *object = json_new();
	json_put_text(object, "status", exit_code_status(code));
	json_put_text(object, "reason", exit_code_reason(code));
	json_put_text(object, "message", sentence);
	return json_print_line(object, code);
}

enum exit_code
cli_fail(bool json, enum exit_code code, const char *format, ...)
{
	char sentence[SENTENCE_BYTES];
	va_list values;

	va_start(values, format);
	(void)vsnprintf(sentence, sizeof(sentence), format, values);
	va_end(values);
	return fail_with(json, code, sentence);
}

const char *
cli_status_words(enum status st)
{
	if (st == ST_IO && errno != 0)
		return strerror(errno);
	return status_str(st);
}

/* ---- arguments ---- */

static bool
looks_negative(const char *word)
{
	return word[0] == '-' && ((word[1] >= '0' && word[1] <= '9') || (word[1] == '.' && word[2] >= '0' && word[2] <= '9'));
}

bool
args_guard(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (!looks_negative(argv[i]))
			continue;
		char *guarded = malloc(strlen(argv[i]) + 2);
		if (guarded == NULL)
			return false;
		guarded[0] = ' ';
		strcpy(guarded + 1, argv[i]);
		argv[i] = guarded;
	}
	return true;
}

error_t
args_take(struct argp_state *state, char *arg, struct args *args, unsigned n_max)
{
	assert(n_max <= ARGS_MAX);

	if (args->n == n_max)
		return cli_usage(state, "there is one word too many: \"%s\"", arg);
	args->v[args->n++] = looks_negative(arg + (arg[0] == ' ')) ? arg + (arg[0] == ' ') : arg;
	return 0;
}

error_t
args_need(struct argp_state *state, const struct args *args, unsigned n_min)
{
	if (args->n >= n_min)
		return 0;
	return cli_usage(state, "%u of %u needed arguments are there; --help shows which", args->n, n_min);
}

error_t
plain_parse(int key, char *arg, struct argp_state *state)
{
	struct plain_input *in = state->input;

	switch (key) {
	case KEY_JSON:
		in->json = true;
		return 0;
	case ARGP_KEY_ARG:
		return args_take(state, arg, &in->args, 1);
	case ARGP_KEY_END:
		return args_need(state, &in->args, 1);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

error_t
list_add(struct argp_state *state, struct list *list, char *text)
{
	if (list->n == LIST_MAX)
		return cli_usage(state, "an option may be given at most %d times", LIST_MAX);
	list->v[list->n++] = text;
	return 0;
}

bool
cli_wants_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--json") == 0)
			return true;
	return false;
}

/* getopt says nothing under ARGP_NO_ERRS, so what it found wrong can only be told in general. */
void
cli_parse(const struct argp *argp, int argc, char **argv, void *input)
{
	bool json = cli_wants_json(argc, argv);

	argp_err_exit_status = EXIT_USAGE;
	if (argp_parse(argp, argc, argv, json ? ARGP_NO_ERRS : 0, NULL, input) == 0)
		return;
	exit((int)cli_fail(json, EXIT_USAGE, "an option is unknown, ambiguous or lacks its value; see \"%s --help\"", argv[0]));
}

error_t
cli_usage(struct argp_state *state, const char *format, ...)
{
	char sentence[SENTENCE_BYTES];
	va_list values;

	va_start(values, format);
	(void)vsnprintf(sentence, sizeof(sentence), format, values);
	va_end(values);
	if ((state->flags & ARGP_NO_ERRS) != 0)
		exit((int)fail_with(true, EXIT_USAGE, sentence));
	argp_error(state, "%s", sentence);
	return EINVAL;
}

error_t
option_instant(struct argp_state *state, const char *option, const char *text, int64_t *ret_us)
{
	if (instant_parse(text, ret_us))
		return 0;
	return cli_usage(state, "%s: \"%s\" is no instant such as 2026-03-12T10:05:00+09:00", option, text);
}

error_t
option_day(struct argp_state *state, const char *option, const char *text, int32_t *ret_day)
{
	if (day_parse(text, ret_day))
		return 0;
	return cli_usage(state, "%s: \"%s\" is no date such as 2026-12-31", option, text);
}

error_t
option_number(struct argp_state *state, const char *option, const char *text, uint64_t max, uint64_t *ret_number)
{
	char *end;

	errno = 0;
	unsigned long long number = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number > max)
		return cli_usage(state, "%s: \"%s\" is no whole number up to %llu", option, text, (unsigned long long)max);
	*ret_number = number;
	return 0;
}

error_t
option_threads(struct argp_state *state, const char *text, uint64_t *ret_threads)
{
	if (option_number(state, "--threads", text, THREADS_MAX, ret_threads) == 0 && *ret_threads > 0)
		return 0;
	return cli_usage(state, "--threads: 1 to %d", THREADS_MAX);
}

error_t
option_transaction(struct argp_state *state, const char *text, bool *is_command, uint64_t *ret_seq)
{
	if (text[strspn(text, "0123456789")] != '\0')
		*is_command = true;
	return *is_command ? 0 : option_number(state, "SEQ", text, UINT64_MAX, ret_seq);
}

error_t
option_duration_ms(struct argp_state *state, const char *option, const char *text, uint32_t *ret_ms)
{
	int64_t us;

	if (!duration_parse(text, &us) || us > INT64_C(1000) * UINT32_MAX)
		return cli_usage(state, "%s: \"%s\" is no duration such as 10s or 5m", option, text);
	*ret_ms = (uint32_t)(us / 1000);
	return 0;
}

/* ---- JSON ---- */

enum exit_code
json_print_line(json_t *object, enum exit_code code)
{
	int failed = json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));

	json_decref(object);
	return failed != 0 || putchar('\n') == EOF ? EXIT_INTERNAL : code;
}

void
json_put(json_t *object, const char *key, json_t *value)
{
	int failed = json_object_set_new(object, key, value);
	assert(failed == 0);
}

void
json_put_text(json_t *object, const char *key, const char *text)
{
	/* Bytes that are no UTF-8, such as those of a file's name, must not keep us from telling what went wrong. */
	json_t *value = text == NULL ? json_null() : json_string(text);
	json_put(object, key, value != NULL ? value : json_string("(not UTF-8)"));
}

void
json_put_number(json_t *object, const char *key, uint64_t number)
{
	json_put(object, key, json_integer((json_int_t)number));
}

void
json_put_hex(json_t *object, const char *key, struct bytes bytes)
{
	char *text = malloc(2 * bytes.len + 1);

	assert(text != NULL);
	json_put_text(object, key, hex_format(bytes, text));
	free(text);
}

json_t *
json_new(void)
{
	json_t *object = json_object();

	assert(object != NULL);
	return object;
}

/* ---- files ---- */

static enum status
read_to_end(int fd, size_t bytes_max, struct buf *data)
{
	uint8_t piece[64 * 1024];

	for (;;) {
		ssize_t n = read(fd, piece, sizeof(piece));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ST_IO;
		if (n == 0)
			break;
		if (data->len + (size_t)n > bytes_max)
			return ST_TOO_LARGE;
		buf_put(data, piece, (size_t)n);
	}
	buf_put_u8(data, 0);
	if (buf_status(data) == ST_OK)
		data->len--;
	return buf_status(data);
}

enum status
file_read_all(const char *path, size_t bytes_max, struct buf *ret_data)
{
	struct buf data;
	bool standard_input = strcmp(path, "-") == 0;
	int fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return ST_IO;
	buf_init(&data);
	enum status st = read_to_end(fd, bytes_max, &data);
	int error = errno;
	if (!standard_input)
		(void)close(fd);
	if (st == ST_OK)
		*ret_data = data;
	else
		buf_release(&data);
	errno = error;
	return st;
}

enum status
file_put(int fd, struct bytes data)
{
	while (data.len > 0) {
		ssize_t n = write(fd, data.data, data.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == ENOSPC || errno == EDQUOT ? ST_FULL : ST_IO;
		data = bytes_of(data.data + n, data.len - (size_t)n);
	}
	return fsync(fd) == 0 ? ST_OK : ST_IO;
}

static enum status
write_beside(const char *path, struct bytes data, mode_t mode)
{
	char beside[PATH_MAX];

	if (snprintf(beside, sizeof(beside), "%s.XXXXXX", path) >= (int)sizeof(beside)) {
		errno = ENAMETOOLONG;
		return ST_IO;
	}
	int fd = mkstemp(beside);
	if (fd < 0)
		return ST_IO;
	(void)fchmod(fd, mode);
	enum status st = file_put(fd, data);
	if (close(fd) != 0 && st == ST_OK)
		st = ST_IO;
	if (st == ST_OK && rename(beside, path) != 0)
		st = ST_IO;
	if (st != ST_OK) {
		int error = errno;
		(void)unlink(beside);
		errno = error;
	}
	return st;
}

enum status
file_write(const char *path, struct bytes data)
{
	mode_t mask = umask(0);

	(void)umask(mask);
	return write_beside(path, data, 0666 & ~mask);
}

enum status
file_write_private(const char *path, struct bytes data)
{
	return write_beside(path, data, 0600);
}

int
file_open_private(const char *path)
{
	struct stat about;
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);

	if (fd < 0 || fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))
		return fd;
	/* Others may have read one that was there; emptied after they no longer can. */
	if (fchmod(fd, 0600) == 0 && ftruncate(fd, 0) == 0)
		return fd;
	int error = errno;
	(void)close(fd);
	errno = error;
	return -1;
}

static int
remove_one(const char *path, const struct stat *about, int type, struct FTW *where)
{
	(void)about;
	(void)type;
	(void)where;
	(void)remove(path);
	return 0;
}

void
directory_remove(const char *path)
{
	(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

void
text_clean(char *text, size_t len)
{
	for (size_t i = 0, n; i < len; i += n) {
		unsigned char c = (unsigned char)text[i];

		n = text_utf8_bytes(text + i, len - i);
		if (n == 0 || (c < 0x20 && c != '\n') || c == 0x7F)
			text[i] = '?';
		else if (c == 0xC2 && (unsigned char)text[i + 1] < 0xA0)
			text[i] = text[i + 1] = '?';
		n += n == 0;
	}
}

const char *
hex_format(struct bytes bytes, char *ret_text)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < bytes.len; i++) {
		ret_text[2 * i] = digits[bytes.data[i] >> 4];
		ret_text[2 * i + 1] = digits[bytes.data[i] & 15];
	}
	ret_text[2 * bytes.len] = '\0';
	return ret_text;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool
hex_parse(const char *text, uint8_t *ret_bytes, size_t len)
{
	if (strlen(text) != 2 * len)
		return false;
	for (size_t i = 0; i < 2 * len; i++)
		if (hex_digit(text[i]) < 0)
			return false;
	for (size_t i = 0; i < len; i++)
		ret_bytes[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
	return true;
}
