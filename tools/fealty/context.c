/* The file is all that a context is: nothing is kept between commands, and what it does not say is left to options and defaults. */
#include "context.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/codec.h"

#define FILE_BYTES_MAX ((size_t)64 * 1024)
#define ARENA_BYTES ((size_t)1 << 20)
#define NAME_BYTES "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

enum { CONNECT, CA, CERT, KEY, SERVER_NAME, PRINCIPAL, PROGRAM, KEY_COUNT };

static const struct { const char *name; bool is_file; } keys[KEY_COUNT] = {
	[CONNECT] = { "connect", false }, [CA] = { "ca", true }, [CERT] = { "cert", true }, [KEY] = { "key", true },
	[SERVER_NAME] = { "server_name", false }, [PRINCIPAL] = { "principal", false }, [PROGRAM] = { "program", false },
};

static char **
place_of(struct context *c, int key)
{
	char **const places[KEY_COUNT] = { &c->connect, &c->ca, &c->cert, &c->key, &c->server_name, &c->principal, &c->program };

	return places[key];
}

bool
context_name_valid(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= CONTEXT_NAME_BYTES_MAX && name[0] != '.' && name[strspn(name, NAME_BYTES)] == '\0';
}

bool
address_is_local(const char *address)
{
	return address[0] == '/' || strncmp(address, "unix:", strlen("unix:")) == 0;
}

/* ---- where ---- */

static const char *
variable(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

bool
context_directory(char ret_path[static PATH_MAX])
{
	const char *own = variable("FEALTY_CONTEXT_DIR"), *config = variable("XDG_CONFIG_HOME"), *home = variable("HOME");
	int n = -1;

	if (own != NULL)
		n = snprintf(ret_path, PATH_MAX, "%s", own);
	else if (config != NULL && config[0] == '/')		/* a relative one is to be ignored, says the specification */
		n = snprintf(ret_path, PATH_MAX, "%s/fealty/contexts", config);
	else if (home != NULL)
		n = snprintf(ret_path, PATH_MAX, "%s/.config/fealty/contexts", home);
	return n > 0 && n < PATH_MAX;
}

bool
context_path(const char *name, char ret_path[static PATH_MAX])
{
	char dir[PATH_MAX];

	assert(context_name_valid(name));
	if (!context_directory(dir))
		return false;
	int n = snprintf(ret_path, PATH_MAX, "%s/%s.yaml", dir, name);
	return n > 0 && n < PATH_MAX;
}

/* ---- reading ---- */

static char *
copy_of(const struct context *c, int key, const char *text)
{
	size_t dir_len = (size_t)(strrchr(c->path, '/') - c->path);
	bool relative = keys[key].is_file && text[0] != '/';
	char *copy;

	int n = relative ? asprintf(&copy, "%.*s/%s", (int)dir_len, c->path, text) : asprintf(&copy, "%s", text);
	assert(n >= 0);
	return copy;
}

/* What two keys do not allow together; NULL: they are fine. */
static const char *
contradiction(const struct context *c)
{
	if ((c->cert == NULL) != (c->key == NULL))
		return "cert and key belong together, and one of them is missing";
	if (c->ca == NULL && c->cert != NULL)
		return "cert and key are for TLS, which needs ca";
	if (c->ca == NULL && c->server_name != NULL)
		return "server_name is for TLS, which needs ca";
	if (c->ca != NULL && c->connect == NULL)
		return "ca is for TLS, which needs connect: HOST:PORT";
	if (c->ca != NULL && address_is_local(c->connect))
		return "ca is for TLS, which a UNIX socket does not speak";
	return NULL;
}

static bool
parse(struct context *c, struct bytes text, char ret_why[static CONTEXT_WHY_BYTES])
{
	struct yaml_setting settings[KEY_COUNT] = { 0 };
	struct text_error error = { .line = 0 };
	struct arena arena;

	for (int i = 0; i < KEY_COUNT; i++)
		settings[i].key = keys[i].name;
	arena_init(&arena, ARENA_BYTES);
	enum status st = codec_yaml_settings(text, &arena, settings, KEY_COUNT, &error);
	for (int i = 0; st == ST_OK && i < KEY_COUNT; i++)
		if (settings[i].text != NULL)
			*place_of(c, i) = copy_of(c, i, settings[i].text);
	arena_release(&arena);
	const char *wrong = st == ST_OK ? contradiction(c) : NULL;
	if (st == ST_INVALID)
		(void)snprintf(ret_why, CONTEXT_WHY_BYTES, "%s, line %u: %s%s%s", c->path, error.line, error.path, error.path[0] != '\0' ? ": " : "",
		    error.sentence);
	else if (st != ST_OK)
		(void)snprintf(ret_why, CONTEXT_WHY_BYTES, "%s cannot be read: %s", c->path, cli_status_words(st));
	else if (wrong != NULL)
		(void)snprintf(ret_why, CONTEXT_WHY_BYTES, "%s: %s", c->path, wrong);
	return st == ST_OK && wrong == NULL;
}

bool
context_load(const char *name, struct context *ret_context, char ret_why[static CONTEXT_WHY_BYTES])
{
	struct context context = { .connect = NULL };
	struct buf text;

	if (!context_name_valid(name)) {
		(void)snprintf(ret_why, CONTEXT_WHY_BYTES, "\"%s\" is no name of a context: 1 to %d letters, digits, '.', '_' and '-'", name,
		    CONTEXT_NAME_BYTES_MAX);
		return false;
	}
	if (!context_path(name, context.path)) {
		(void)snprintf(ret_why, CONTEXT_WHY_BYTES, "where is the context %s? Set FEALTY_CONTEXT_DIR, XDG_CONFIG_HOME or HOME", name);
		return false;
	}
	enum status st = file_read_all(context.path, FILE_BYTES_MAX, &text);
	if (st != ST_OK) {
		(void)snprintf(ret_why, CONTEXT_WHY_BYTES, "there is no context %s: %s cannot be read: %s; \"fealty context list\" shows those that are there",
		    name, context.path, cli_status_words(st));
		return false;
	}
	bool good = parse(&context, buf_bytes(&text), ret_why);
	buf_release(&text);
	if (good)
		*ret_context = context;
	else
		context_release(&context);
	return good;
}

void
context_release(struct context *context)
{
	for (int i = 0; i < KEY_COUNT; i++) {
		free(*place_of(context, i));
		*place_of(context, i) = NULL;
	}
}

/* ---- writing ---- */

/* Between single quotes every printable text is itself, once its own quotes are doubled. */
static void
print_quoted(const char *text, struct buf *out)
{
	buf_put_u8(out, '\'');
	for (; *text != '\0'; text++) {
		out->failed |= (unsigned char)*text < 0x20 || *text == 0x7f;
		if (*text == '\'')
			buf_put_u8(out, '\'');
		buf_put_u8(out, (uint8_t)*text);
	}
	buf_put_u8(out, '\'');
}

void
context_print(const struct context *context, struct buf *out)
{
	struct context copy = *context;		/* place_of() is for those who write as well */

	for (int i = 0; i < KEY_COUNT; i++) {
		const char *text = *place_of(&copy, i);
		if (text == NULL)
			continue;
		buf_put(out, keys[i].name, strlen(keys[i].name));
		buf_put(out, ": ", 2);
		print_quoted(text, out);
		buf_put_u8(out, '\n');
	}
}

bool
context_make_directory(void)
{
	char dir[PATH_MAX];

	errno = ENOENT;
	if (!context_directory(dir))
		return false;
	for (char *slash = strchr(dir + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(dir, 0700) != 0 && errno != EEXIST)
			return false;
		*slash = '/';
	}
	return mkdir(dir, 0700) == 0 || errno == EEXIST;
}

/* link() and not rename(): it fails when the name is taken. */
static enum status
write_new(const char *path, struct bytes text)
{
	char beside[PATH_MAX + 16];

	(void)snprintf(beside, sizeof(beside), "%s.%ld.tmp", path, (long)getpid());
	enum status st = file_write(beside, text);
	if (st == ST_OK && link(beside, path) != 0)
		st = ST_IO;
	int error = errno;
	(void)unlink(beside);
	errno = error;
	return st;
}

enum exit_code
context_create(const char *name, const struct context *context, bool json)
{
	char path[PATH_MAX];
	struct buf text;

	if (!context_path(name, path))
		return cli_fail(json, EXIT_USAGE, "where is the context %s to be? Set FEALTY_CONTEXT_DIR, XDG_CONFIG_HOME or HOME", name);
	buf_init(&text);
	context_print(context, &text);
	enum status st = buf_status(&text);
	if (st == ST_OK)
		st = context_make_directory() ? write_new(path, buf_bytes(&text)) : ST_IO;
	buf_release(&text);
	return st == ST_OK ? EXIT_DONE : cli_fail(json, EXIT_INTERNAL, "the context %s could not be written: %s", path, cli_status_words(st));
}
