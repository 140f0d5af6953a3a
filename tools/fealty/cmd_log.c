/* fealty log: the group. */
#include "commands.h"

enum exit_code
cmd_log(int argc, char **argv)
{
	static const struct command commands[] = {
		{ "export", "DATA DIR", "write the log as static files that other people's tools verify", cmd_log_export },
		{ "key", "DATA", "print the key that verifies the log's checkpoints", cmd_log_key },
		{ "policy", "DATA", "print the trust policy that receipts are verified by", cmd_log_policy },
		{ NULL, NULL, NULL, NULL },
	};

	return command_group("log", commands, argc, argv);
}
