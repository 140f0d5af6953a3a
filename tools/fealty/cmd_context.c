/* fealty context: the contexts that are there, and what one says.  It only reads; a context that cannot be used is listed with the reason. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "context.h"

static error_t
parse_list(int key, char *arg, struct argp_state *state)
{
	struct plain_input *in = state->input;

	switch (key) {
	case KEY_JSON: in->json = true; return 0;
	case ARGP_KEY_ARG: return args_take(state, arg, &in->args, 0);
	default: return ARGP_ERR_UNKNOWN;
	}
}

static json_t *
context_json(const char *name, const struct context *c)
{
	json_t *object = json_new();

	json_put_text(object, "name", name);
	json_put_text(object, "file", c->path);
	json_put_text(object, "connect", c->connect);
	json_put_text(object, "ca", c->ca);
	json_put_text(object, "cert", c->cert);
	json_put_text(object, "key", c->key);
	json_put_text(object, "server_name", c->server_name);
	json_put_text(object, "principal", c->principal);
	json_put_text(object, "program", c->program);
	return object;
}

/* Into ${list}; NULL: it is printed. */
static void
list_one(const char *name, json_t *list)
{
	struct context context = { .connect = NULL };
	char why[CONTEXT_WHY_BYTES];
	bool good = context_load(name, &context, why);

	if (list == NULL && good)
		(void)printf("%-20s %-32s %s\n", name, context.connect != NULL ? context.connect : "-", context.principal != NULL ? context.principal : "-");
	else if (list == NULL)
		(void)printf("%-20s unusable: %s\n", name, why);
	else {
		json_t *object = good ? context_json(name, &context) : json_new();
		json_put_text(object, "name", name);
		json_put_text(object, "problem", good ? NULL : why);
		(void)json_array_append_new(list, object);
	}
	context_release(&context);
}

static int
is_context(const struct dirent *entry)
{
	char name[CONTEXT_NAME_BYTES_MAX + 1];
	size_t len = strlen(entry->d_name);

	if (len < strlen(".yaml") || len - strlen(".yaml") >= sizeof(name) || strcmp(entry->d_name + len - strlen(".yaml"), ".yaml") != 0)
		return 0;
	(void)snprintf(name, sizeof(name), "%.*s", (int)(len - strlen(".yaml")), entry->d_name);
	return context_name_valid(name);
}

static enum exit_code
context_list(int argc, char **argv)
{
	static const struct argp_option options[] = { { "json", KEY_JSON, NULL, 0, "Print JSON", 0 }, { 0 } };
	static const struct argp argp = { options, parse_list, "",
		"List the contexts, with their addresses and principals.\v"
		"They are the files NAME.yaml in $FEALTY_CONTEXT_DIR, else in $XDG_CONFIG_HOME/fealty/contexts, else in ~/.config/fealty/contexts.", NULL,
		NULL, NULL };
	struct plain_input in = { .json = false };
	struct dirent **entries;
	char dir[PATH_MAX];

	cli_parse(&argp, argc, argv, &in);
	if (!context_directory(dir))
		return cli_fail(in.json, EXIT_USAGE, "where are the contexts? Set FEALTY_CONTEXT_DIR, XDG_CONFIG_HOME or HOME");
	int n = scandir(dir, &entries, is_context, alphasort);
	if (n < 0 && errno != ENOENT)
		return cli_fail(in.json, EXIT_INTERNAL, "%s cannot be read: %s", dir, strerror(errno));
	json_t *list = in.json ? json_array() : NULL;
	for (int i = 0; i < n; i++) {
		entries[i]->d_name[strlen(entries[i]->d_name) - strlen(".yaml")] = '\0';
		list_one(entries[i]->d_name, list);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	if (!in.json) {
		if (n <= 0)
			(void)printf("There are no contexts in %s.\n", dir);
		return EXIT_DONE;
	}
	json_t *object = json_new();
	json_put_text(object, "status", "OK");
	json_put_text(object, "directory", dir);
	json_put(object, "contexts", list);
	return json_print_line(object, EXIT_DONE);
}

static enum exit_code
context_show(int argc, char **argv)
{
	static const struct argp_option options[] = { { "json", KEY_JSON, NULL, 0, "Print JSON", 0 }, { 0 } };
	static const struct argp argp = { options, plain_parse, "NAME", "Show what a context says, with the paths that are meant.", NULL, NULL, NULL };
	struct plain_input in = { .json = false };
	struct context context;
	char why[CONTEXT_WHY_BYTES];
	struct buf text;

	cli_parse(&argp, argc, argv, &in);
	if (!context_load(in.args.v[0], &context, why))
		return cli_fail(in.json, EXIT_USAGE, "%s", why);
	enum exit_code code = EXIT_DONE;
	if (in.json) {
		json_t *object = context_json(in.args.v[0], &context);
		json_put_text(object, "status", "OK");
		code = json_print_line(object, EXIT_DONE);
	} else {
		buf_init(&text);
		context_print(&context, &text);
		(void)printf("# %s\n%.*s", context.path, (int)text.len, text.data != NULL ? (const char *)text.data : "");
		buf_release(&text);
	}
	context_release(&context);
	return code;
}

enum exit_code
cmd_context(int argc, char **argv)
{
	static const struct command commands[] = {
		{ "list", "", "list the contexts", context_list },
		{ "show", "NAME", "show what a context says", context_show },
		{ NULL, NULL, NULL, NULL },
	};

	return command_group("context", commands, argc, argv);
}
