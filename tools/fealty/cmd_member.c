/* fealty member: all about one person. */
#include "commands.h"

enum exit_code
cmd_member(int argc, char **argv)
{
	static const struct command commands[] = {
		{ "export", "MEMBER", "everything that is kept about one person", cmd_member_export },
		{ NULL, NULL, NULL, NULL },
	};

	return command_group("member", commands, argc, argv);
}
