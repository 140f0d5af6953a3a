/* fealty program: the group. */
#include "commands.h"

enum exit_code
cmd_program(int argc, char **argv)
{
	static const struct command commands[] = {
		{ "check", "FILE", "judge a program file without a daemon", cmd_program_check },
		{ "diff", "OLD NEW.yaml", "say what a new version changes for members", cmd_program_diff },
		{ "publish", "FILE", "publish a program file as a new version", cmd_program_publish },
		{ "show", "[ID] [--version N]", "print a published program", cmd_program_show },
		{ NULL, NULL, NULL, NULL },
	};

	return command_group("program", commands, argc, argv);
}
