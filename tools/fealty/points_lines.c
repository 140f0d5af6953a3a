/* One table for both roll-forwards, so that their lines have one name. */
#include "points_lines.h"

const struct points_line points_lines[POINTS_LINES] = {
	{ ACCOUNT_ISSUED, "issued", true },
	{ ACCOUNT_REINSTATED, "reinstated", true },
	{ ACCOUNT_REDEEMED, "redeemed", true },
	{ ACCOUNT_EXPIRED, "expired", true },
	{ ACCOUNT_CLAWED, "clawed", true },
	{ ACCOUNT_ADJUSTED, "adjusted", true },
	{ ACCOUNT_TRANSFERRED, "transferred", false },
	{ ACCOUNT_ADVANCED, "advanced", false },
	{ ACCOUNT_OPENING, "opening_import", false },
	{ ACCOUNT_PARTNER_ISSUED, "partner_issued", false },
	{ ACCOUNT_PARTNER_REDEEMED, "partner_redeemed", false },
};
