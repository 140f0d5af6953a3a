/* fealty pool: the group, and its two. */
#include "call.h"
#include "commands.h"
#include "show.h"

enum exit_code
cmd_pool(int argc, char **argv)
{
	static const struct command commands[] = {
		{ "join", "MEMBER HEAD", "a member joins the pool that HEAD heads", cmd_pool_join },
		{ "leave", "MEMBER", "a member leaves its pool; the head's leaving dissolves it", cmd_pool_leave },
		{ NULL, NULL, NULL, NULL },
	};

	return command_group("pool", commands, argc, argv);
}

enum exit_code
cmd_pool_join(int argc, char **argv)
{
	static const struct argp argp = { NULL, call_parse, "MEMBER HEAD",
		"A member joins a pool, whose members may spend each other's points.\v"
		"The head is in its own pool from the first join. Lots stay their owners'; `redeem --pool` and `hold --pool` take the head's first, then "
		"the others' in the order in which they joined.", receipt_children, NULL, NULL };
	struct call_input in;
	Fealty__V1__Request request;
	Fealty__V1__PoolJoin body = FEALTY__V1__POOL_JOIN__INIT;

	call_input_init(&in, 2, 2);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_POOL_JOIN, &request);
	body.member = in.args.v[0];
	body.head = in.args.v[1];
	request.pool_join = &body;
	return call_run(&in.call, &request, show_done);
}

enum exit_code
cmd_pool_leave(int argc, char **argv)
{
	static const struct argp argp = { NULL, call_parse, "MEMBER",
		"A member leaves its pool with its points. When the head leaves, the pool is dissolved.", receipt_children, NULL, NULL };
	struct call_input in;
	Fealty__V1__Request request;
	Fealty__V1__PoolLeave body = FEALTY__V1__POOL_LEAVE__INIT;

	call_input_init(&in, 1, 1);
	cli_parse(&argp, argc, argv, &in);
	call_request_init(&in.call, FEALTY__V1__REQUEST__OP_POOL_LEAVE, &request);
	body.member = in.args.v[0];
	request.pool_leave = &body;
	return call_run(&in.call, &request, show_done);
}
