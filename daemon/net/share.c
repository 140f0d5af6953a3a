/*
 * Whoever is alone on a loop may have all of it.  With others there, one that took SHARE_BURST_US more than a quarter of the time rests until that is
 * made good: so a peer's dear requests, however few, cost the others a fifth of the loop's time at most.
 * Company is looked for among the last two that were served, which is enough to know whether there is any.
 */
#include "net/internal.h"

#define SHARE_BURST_US (NET_REST_MS * 1000 / 4)		/* what a rest makes good */
#define COMPANY_US (2 * NET_REST_MS * 1000)		/* since it was served, that another counts as there */

static bool
has_company(const struct net_loop *loop, const struct net_share *share, int64_t now_us)
{
	const struct net_company *other = &loop->company[loop->company[0].share == (uintptr_t)share ? 1 : 0];

	return other->share != 0 && now_us - other->at_us < COMPANY_US;
}

static void
remember(struct net_loop *loop, const struct net_share *share, int64_t now_us)
{
	if (loop->company[0].share != (uintptr_t)share) {
		loop->company[1] = loop->company[0];
		loop->company[0].share = (uintptr_t)share;
	}
	loop->company[0].at_us = now_us;
}

bool
share_rests(const struct net_share *share, int64_t now_us)
{
	return share != NULL && now_us < share->rest_until_us;
}

void
share_charge(struct net_loop *loop, struct net_share *share, int64_t begun_us, int64_t now_us)
{
	if (share == NULL)
		return;
	int64_t made_good_us = (begun_us - share->at_us) / 4;
	share->used_us = (share->used_us > made_good_us ? share->used_us - made_good_us : 0) + now_us - begun_us;
	share->at_us = now_us;
	if (share->used_us > SHARE_BURST_US && has_company(loop, share, now_us))
		share->rest_until_us = now_us + NET_REST_MS * 1000;
	remember(loop, share, now_us);
}
