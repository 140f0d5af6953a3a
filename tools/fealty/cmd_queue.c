/* fealty queue: the group. */
#include "commands.h"

enum exit_code
cmd_queue(int argc, char **argv)
{
	static const struct command commands[] = {
		{ "add", "DIR [FILE]", "put a till's commands on disk until they can be sent", cmd_queue_add },
		{ "upload", "DIR", "send what waits, and print an answer for each", cmd_queue_upload },
		{ "show", "DIR", "what waits, and what was refused", cmd_queue_show },
		{ "forget", "DIR [SEQ]", "refused commands that a person has looked at leave the queue", cmd_queue_forget },
		{ "repair", "DIR", "read what is left of a damaged queue", cmd_queue_repair },
		{ NULL, NULL, NULL, NULL },
	};

	return command_group("queue", commands, argc, argv);
}
