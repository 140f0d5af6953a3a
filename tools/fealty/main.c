/* fealty: the command line of the loyalty-points ledger.  Nothing but the table of subcommands and what is said about all of them. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "front.h"

static const struct command commands[] = {
	{ "init", "DIR --origin NAME", "make a new ledger and its keys", cmd_init },
	{ "program", "check|diff|publish|show", "loyalty programs", cmd_program },
	{ "enrol", "MEMBER", "enrol a member", cmd_enrol },
	{ "profile", "MEMBER", "change a member's birthday, segments or aliases", cmd_profile },
	{ "purchase", "MEMBER AMOUNT", "record a purchase and grant its points", cmd_purchase },
	{ "activity", "MEMBER ACTIVITY", "record an activity and grant what it earns", cmd_activity },
	{ "return", "MEMBER PURCHASE", "return a purchase or a part of it", cmd_return },
	{ "quote", "MEMBER AMOUNT", "what a purchase would grant", cmd_quote },
	{ "batch", "[FILE]", "many commands: one JSON event a line", cmd_batch },
	{ "balance", "MEMBER", "a member's points and tier", cmd_balance },
	{ "history", "MEMBER", "a member's entries, newest first", cmd_history },
	{ "transaction", "SEQ|COMMAND", "one transaction of the ledger", cmd_transaction },
	{ "checkpoint", "[SIZE]", "a signed head of the log", cmd_checkpoint },
	{ "proof", "SEQ|COMMAND", "that a transaction is in the log, or that it only grew", cmd_proof },
	{ "receipt", "save|verify", "proof of one transaction, as a file that verifies offline", cmd_receipt },
	{ "redeem", "MEMBER POINTS", "spend points at once", cmd_redeem },
	{ "hold", "MEMBER [POINTS]", "set points or a voucher aside for a redemption", cmd_hold },
	{ "capture", "MEMBER HOLD [POINTS]", "spend points of a hold", cmd_capture },
	{ "release", "MEMBER HOLD", "give a hold's points back", cmd_release },
	{ "reverse-redeem", "MEMBER REDEMPTION", "give back points that were spent", cmd_reverse_redeem },
	{ "vouchers", "MEMBER", "a member's vouchers, with their codes", cmd_vouchers },
	{ "voucher-use", "MEMBER VOUCHER", "use a voucher", cmd_voucher_use },
	{ "voucher-void", "MEMBER VOUCHER REASON", "take a voucher away that was not used", cmd_voucher_void },
	{ "transfer", "MEMBER TO POINTS", "send points to another member", cmd_transfer },
	{ "advance", "MEMBER POINTS", "lend points before they are earned", cmd_advance },
	{ "pool", "join|leave", "members that spend each other's points", cmd_pool },
	{ "membership", "start|renew|cancel", "memberships that a member pays for", cmd_membership },
	{ "adjust", "MEMBER POINTS REASON", "add or take points by hand", cmd_adjust },
	{ "approve", "ADJUST", "let an adjust above the limit happen", cmd_approve },
	{ "tier", "MEMBER TIER REASON", "give a tier, or take a given one away", cmd_tier },
	{ "birthday", "MEMBER", "claim the birthday points", cmd_birthday },
	{ "freeze", "MEMBER REASON", "let a member spend no points", cmd_freeze },
	{ "unfreeze", "MEMBER [REASON]", "let a frozen member spend again", cmd_unfreeze },
	{ "merge", "MEMBER INTO", "make one member of two, for good", cmd_merge },
	{ "close", "MEMBER REASON", "close a member's account, for good", cmd_close },
	{ "queue", "add|upload|show|...", "a till's commands on disk until they can be sent", cmd_queue },
	{ "terminals", "", "sequences of tills: what is missing, what came twice", cmd_terminals },
	{ "consent", "MEMBER PURPOSE yes|no", "what a member agrees to, or does not", cmd_consent },
	{ "erase", "MEMBER", "forget a member, for good", cmd_erase },
	{ "member", "export", "everything that is kept about one person", cmd_member },
	{ "opening", "MEMBER", "move a member in from an old system", cmd_opening },
	{ "simulate", "EVENTS.jsonl", "play events against a program, without a daemon", cmd_simulate },
	{ "import", "FILE", "purchases, or members of an old system, from a file", cmd_import },
	{ "subscribe", "", "follow the ledger, one transaction or event a line", cmd_subscribe },
	{ "webhook", "", "post events for a CRM to a receiver, signed", cmd_webhook },
	{ "audit", "[DIR]", "verify a ledger, whole", cmd_audit },
	{ "rollforward", "[DIR]", "what a program owed, what changed it, and what it owes", cmd_rollforward },
	{ "report", "REPORT [DIR]", "liability, settlement, KPIs, segments, churn", cmd_report },
	{ "export", "sqlite", "the ledger as a database for analysts", cmd_export },
	{ "log", "export|key|policy", "the log as files for other people's tools, and its key", cmd_log },
	{ "backup", "--data DIR --to DIR", "ledger and vault, beside the daemon, as files", cmd_backup },
	{ "restore", "--from DIR --data DIR", "a data directory from a backup", cmd_restore },
	{ "dump", "DIR [TABLE [KEY]]", "print what is stored, readably", cmd_dump },
	{ "key", "new|rotate", "replace a key that signs", cmd_key },
	{ "approver-key", "new|set", "keys of those who approve", cmd_approver_key },
	{ "pki", "init|issue|revoke|...", "certificates for TLS: the authority, the daemon's, the tills'", cmd_pki },
	{ "context", "list|show", "connections that have a name", cmd_context },
	{ "admin", "clock|vault", "operate a daemon", cmd_admin },
	{ "version", "", "print the version", cmd_version },
	{ NULL, NULL, NULL, NULL },
};

static const char exit_codes[] =
    "Exit codes:\n"
    "  0  done, and all that was checked holds\n"
    "  1  refused by the rules, or a check (audit, program check, program diff) found something\n"
    "  2  wrong usage, or an input file that cannot be read as what it should be\n"
    "  3  no answer, and nothing has changed: try again when the daemon can be reached\n"
    "  4  the outcome is not known: run the command again with the same --key\n"
    "  5  the disk, memory, or something that should not happen\n";

static enum exit_code
overview(FILE *out)
{
	(void)fprintf(out,
	    "Usage: fealty COMMAND [ARGUMENT...] [OPTION...]\n\nA loyalty-points ledger: commands to its daemon, and tools for its "
	    "files.\n\n");
	for (const struct command *c = commands; c->name != NULL; c++)
		(void)fprintf(out, "  %-16s%-24s%s\n", c->name, c->arguments, c->summary);
	(void)fprintf(out,
	    "\n\"fealty COMMAND --help\" tells more about a command. With --json every command prints JSON.\n"
	    "The daemon is looked for at --connect ADDRESS, else where --context NAME or $FEALTY_CONTEXT says, else at $FEALTY_CONNECT, else at\n"
	    "unix:/run/fealty/fealtyd.sock. These and the other options that all commands to the daemon have may stand in front of COMMAND as well:\n"
	    "\"fealty --context NAME --json COMMAND\" is \"fealty COMMAND --context NAME --json\".\n\n%s",
	    exit_codes);
	return out == stdout ? EXIT_DONE : EXIT_USAGE;
}

static const struct command *
find(const struct command *table, const char *name)
{
	for (const struct command *c = table; c->name != NULL; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

/* The command sees "fealty purchase" as the name of the program, in its help and its errors. */
static enum exit_code
run(const char *prefix, const struct command *command, int argc, char **argv)
{
	static char name[64];

	(void)snprintf(name, sizeof(name), "%s %s", prefix, command->name);
	argv[0] = name;
	program_invocation_name = name;
	return command->run(argc, argv);
}

enum exit_code
command_group(const char *name, const struct command *table, int argc, char **argv)
{
	char prefix[32], why[FRONT_WHY_BYTES];

	if (!front_options(argc, argv, why))
		return cli_fail(cli_wants_json(argc, argv), EXIT_USAGE, "%s", why);
	const struct command *command = argc > 1 ? find(table, argv[1]) : NULL;

	if (command != NULL) {
		(void)snprintf(prefix, sizeof(prefix), "fealty %s", name);
		return run(prefix, command, argc - 1, argv + 1);
	}
	bool help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0);
	FILE *out = help ? stdout : stderr;
	for (const struct command *c = table; c->name != NULL; c++)
		(void)fprintf(
		    out, "%s fealty %s %s %s\n         %s\n", c == table ? "Usage:" : "      ", name, c->name, c->arguments, c->summary);
	return help ? EXIT_DONE : EXIT_USAGE;
}

static enum exit_code
dispatch(int argc, char **argv)
{
	static char help[] = "--help";
	char why[FRONT_WHY_BYTES];
	bool json = cli_wants_json(argc, argv);

	if (!front_options(argc, argv, why))
		return cli_fail(json, EXIT_USAGE, "%s", why);
	if (argc < 2)
		return overview(stderr);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0 || (strcmp(argv[1], "help") == 0 && argc == 2))
		return overview(stdout);
	if (strcmp(argv[1], "--version") == 0)
		return run("fealty", find(commands, "version"), argc - 1, argv + 1);
	if (strcmp(argv[1], "help") == 0) {
		argv[1] = argv[2];
		argv[2] = help;
		argc = 3;
	}
	const struct command *command = find(commands, argv[1]);
	if (command == NULL)
		return cli_fail(json, EXIT_USAGE, "there is no command \"%s\"; \"fealty help\" lists them all", argv[1]);
	return run("fealty", command, argc - 1, argv + 1);
}

int
main(int argc, char **argv)
{
	static char name[] = "fealty";

	program_invocation_name = name;
	(void)signal(SIGPIPE, SIG_IGN);		/* a reader that leaves shows as a failed write below */
	(void)signal(SIGXFSZ, SIG_IGN);		/* so does a file that may not grow */
	if (!args_guard(argc, argv))
		return EXIT_INTERNAL;
	enum exit_code code = dispatch(argc, argv);
	if ((fflush(stdout) != 0 || ferror(stdout) != 0) && code == EXIT_DONE) {
		(void)fprintf(stderr, "%s: the output could not be written: %s\n", program_invocation_name, strerror(errno));
		code = EXIT_INTERNAL;
	}
	return (int)code;
}
