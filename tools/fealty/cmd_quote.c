/* fealty quote: what a purchase would grant. */
#include <stdio.h>

#include "commands.h"
#include "purchase_call.h"
#include "show.h"

static void
show_quote(const Fealty__V1__Response *r)
{
	(void)printf("Would grant %s; nothing was recorded.\n", POINTS(r->granted));
	purchase_show_grants(r);
}

enum exit_code
cmd_quote(int argc, char **argv)
{
	static const struct argp argp = { purchase_options, purchase_parse, "MEMBER AMOUNT",
		"Tell what a purchase would grant; records nothing.", call_children, NULL, NULL };

	return purchase_call(&argp, argc, argv, FEALTY__V1__REQUEST__OP_QUOTE, show_quote);
}
