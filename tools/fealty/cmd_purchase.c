/* fealty purchase: what was bought, and the points for it. */
#include <stdio.h>

#include "commands.h"
#include "purchase_call.h"
#include "show.h"

static void
show_next_tier(const Fealty__V1__Response *r)
{
	if (!points_are_zero(r->points_to_next))
		(void)printf("%s to the next tier.\n", POINTS(r->points_to_next));
}

static void
show_purchase(const Fealty__V1__Response *r)
{
	(void)printf("Granted %s. ", POINTS(r->granted));
	show_standing(r);
	purchase_show_grants(r);
	show_next_tier(r);
	show_end(r);
}

enum exit_code
cmd_purchase(int argc, char **argv)
{
	static const struct argp argp = { purchase_options, purchase_parse, "MEMBER AMOUNT",
		"Record a purchase and grant its points.\v"
		"AMOUNT is the whole receipt in the program's currency, such as 412.60. Give --key when the command comes from a till, so "
		"that it can be run again.",
		receipt_children, NULL, NULL };

	return purchase_call(&argp, argc, argv, FEALTY__V1__REQUEST__OP_PURCHASE, show_purchase);
}
