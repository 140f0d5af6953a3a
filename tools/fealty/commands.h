/* commands.h: the subcommands; each is in the file cmd_<name>.c. */
#ifndef FEALTY_TOOLS_COMMANDS_H
#define FEALTY_TOOLS_COMMANDS_H

#include "cli.h"

command_fn cmd_init, cmd_program, cmd_enrol, cmd_profile, cmd_purchase, cmd_quote, cmd_batch, cmd_balance, cmd_history, cmd_transaction,
    cmd_redeem, cmd_hold, cmd_capture, cmd_release, cmd_adjust, cmd_tier, cmd_birthday, cmd_import, cmd_subscribe, cmd_webhook, cmd_audit, cmd_dump,
    cmd_version, cmd_admin, cmd_simulate, cmd_activity, cmd_freeze, cmd_unfreeze, cmd_close, cmd_return,
    cmd_reverse_redeem, cmd_transfer, cmd_merge, cmd_advance, cmd_log, cmd_checkpoint, cmd_proof, cmd_key, cmd_receipt, cmd_approve,
    cmd_approver_key, cmd_rollforward, cmd_membership, cmd_queue, cmd_terminals, cmd_report, cmd_export, cmd_voucher_use, cmd_voucher_void,
    cmd_vouchers, cmd_pool, cmd_opening, cmd_consent, cmd_erase, cmd_context, cmd_pki, cmd_member, cmd_backup, cmd_restore;

/* The groups' own: `fealty program …`. */
command_fn cmd_program_check, cmd_program_diff, cmd_program_publish, cmd_program_show;
command_fn cmd_export_sqlite;
command_fn cmd_log_export, cmd_log_key, cmd_log_policy;
command_fn cmd_queue_add, cmd_queue_upload, cmd_queue_show, cmd_queue_forget, cmd_queue_repair;
command_fn cmd_receipt_save, cmd_receipt_verify;
command_fn cmd_pki_issue, cmd_pki_revoke;
command_fn cmd_member_export;
command_fn cmd_pool_join, cmd_pool_leave;
command_fn cmd_membership_start, cmd_membership_renew, cmd_membership_cancel;

/**
 * command_group(name, table, argc, argv):
 * Runs the row of ${table} (ended by a name of NULL) that argv[1] names; tells when there is none.
 */
enum exit_code command_group(const char *name, const struct command *table, int argc, char **argv);

#endif
