/* fealty export: the group. */
#include "commands.h"

enum exit_code
cmd_export(int argc, char **argv)
{
	static const struct command commands[] = {
		{ "sqlite", "FILE [DIR]", "write members, lots, entries, postings and purchases as tables", cmd_export_sqlite },
		{ NULL, NULL, NULL, NULL },
	};

	return command_group("export", commands, argc, argv);
}
