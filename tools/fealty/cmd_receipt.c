/* fealty receipt: the group. */
#include "commands.h"

enum exit_code
cmd_receipt(int argc, char **argv)
{
	static const struct command commands[] = {
		{ "save", "SEQ|COMMAND FILE", "write the receipt of a transaction to a file", cmd_receipt_save },
		{ "verify", "FILE --policy POLICY", "verify a receipt, without a daemon, and tell what it proves", cmd_receipt_verify },
		{ NULL, NULL, NULL, NULL },
	};

	return command_group("receipt", commands, argc, argv);
}
