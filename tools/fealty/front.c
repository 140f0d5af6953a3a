/* Only options whose values are known to be values can be passed over: of any other the word behind it may be its value, or the command. */
#include "front.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "call.h"

static const struct argp_option *
find(const char *word)
{
	for (const struct argp_option *o = call_every_option; o->name != NULL; o++) {
		size_t len = strlen(o->name);
		if (strncmp(word, "--", 2) == 0 && strncmp(word + 2, o->name, len) == 0 && (word[2 + len] == '\0' || word[2 + len] == '='))
			return o;
	}
	return NULL;
}

static bool
is_word(const char *word)
{
	return word[0] != '-' || word[1] == '\0';
}

static bool
is_command(const char *word)
{
	return is_word(word) || strcmp(word, "--help") == 0 || strcmp(word, "-?") == 0 || strcmp(word, "--version") == 0;
}

/* How many words the option at ${at} is; 0: *${ret_why} says what is wrong. */
static int
option_words(int argc, char **argv, int at, char ret_why[static FRONT_WHY_BYTES])
{
	const struct argp_option *o = find(argv[at]);
	bool has_value = strchr(argv[at], '=') != NULL;

	if (o == NULL)
		(void)snprintf(ret_why, FRONT_WHY_BYTES, "%.64s is none of the options that may stand in front of a command: those that all commands to the "
		    "daemon have, written in full. Put it behind, as in \"%.64s COMMAND ... %.64s\"", argv[at], program_invocation_name, argv[at]);
	else if (o->arg == NULL && has_value)
		(void)snprintf(ret_why, FRONT_WHY_BYTES, "--%s takes no value", o->name);
	else if (o->arg != NULL && !has_value && at + 1 == argc)
		(void)snprintf(ret_why, FRONT_WHY_BYTES, "--%s: its value is missing (%s), and a command behind it", o->name, o->arg);
	else
		return o->arg != NULL && !has_value ? 2 : 1;
	return 0;
}

static void
reverse(char **words, int n)
{
	for (int i = 0; i < n / 2; i++) {
		char *word = words[i];
		words[i] = words[n - 1 - i];
		words[n - 1 - i] = word;
	}
}

bool
front_options(int argc, char **argv, char ret_why[static FRONT_WHY_BYTES])
{
	int command = 1, end;

	while (command < argc && !is_command(argv[command])) {
		int n = option_words(argc, argv, command, ret_why);
		if (n == 0)
			return false;
		command += n;
	}
	if (command == 1)
		return true;
	if (command == argc) {
		(void)snprintf(ret_why, FRONT_WHY_BYTES, "%.64s: a command is needed behind it; \"fealty help\" lists them all", argv[1]);
		return false;
	}
	for (end = command + 1; end < argc && is_word(argv[end]); end++)
		;
	reverse(argv + 1, command - 1);
	reverse(argv + command, end - command);
	reverse(argv + 1, end - 1);
	return true;
}
