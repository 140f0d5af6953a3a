"""One member made of two."""
from . import pools, stamps
from .lots import FAR, put
from .nights import change_tier
from .tiers import gift, hold_tier


def absorb(model, into, member, event):
    """Everything of one member becomes another's, and it is closed; but the pool is left."""
    pools.go(member)
    for lot in member.lots:
        put(into, lot)
    into.waiting += member.waiting
    for key, hold in member.holds.items():
        into.holds[key] = hold
    into.debt += member.debt
    into.advanced += member.advanced
    for name, days in member.metrics.items():
        for day, count in days.items():
            into.add_metric(name, day, count)
    into.purchases.update(member.purchases)
    into.redeems.update(member.redeems)
    if into.referrer is None and member.referrer is not into:      # who referred whom goes along, rewarded or not
        into.referrer, into.referral = member.referrer, member.referral
    member.referrer = None
    for other in model.members:
        if other.referrer is member:
            other.referrer = into
        for debit in other.redeems.values():
            debit.taken = [(into if owner is member else owner, lot) for owner, lot in debit.taken]
        for hold in other.holds.values():
            hold.parts = [(into if owner is member else owner, part) for owner, part in hold.parts]
        for record in other.purchases.values():
            if record.referral is not None:
                record.referral.rewards = [(into if owner is member else owner, points, waiting) for owner, points, waiting in record.referral.rewards]
    into.vouchers += member.vouchers
    stamps.merge_cards(model, into, member, event.day)
    for name, held in member.memberships.items():
        mine = into.memberships.get(name)
        if mine is None or held.ends() > mine.ends():      # of the same one that lasts longer
            into.memberships[name] = held
    member.memberships = {}
    into.tried |= member.tried
    add_up(into, member)
    if model.program.tiers:
        change_tier(model.program, into, event.today, lambda: merge_tiers(model.program, into, member))
    into.frozen |= member.frozen
    into.births = into.births or member.births
    into.segments = into.segments or member.segments
    for name, other in list(model.aliases.items()):
        if other is member:
            model.aliases[name] = into
    member.lots, member.waiting, member.holds, member.debt, member.closed = [], [], {}, 0, True
    member.metrics, member.totals, member.vouchers, member.cards = {}, {}, [], {}


def merge_tiers(program, into, member):
    """The higher tier stands with its dates, of the same one that lasts longer; a gift likewise."""
    if (member.rank, member.until or FAR) > (into.rank, into.until or FAR):
        hold_tier(program, into, member.rank, member.since, member.start)
        into.until, into.in_grace, into.since_after = member.until, member.in_grace, member.since_after
    mine, its = gift(program, into), gift(program, member)
    if its is None:
        return
    if mine is None or its.rank > mine.rank or its is mine and (member.gift[1] or FAR) > (into.gift[1] or FAR):
        into.gift = member.gift


def add_up(into, member):
    for name in ("used", "earned_on", "redeemed_on", "remainders", "rewards_used", "referrals"):
        mine = getattr(into, name)
        for key, count in getattr(member, name).items():
            mine[key] = mine.get(key, 0) + count
    for year, (points, times) in member.transfers_out.items():
        sent, count = into.transfers_out.get(year, (0, 0))
        into.transfers_out[year] = (sent + points, count + times)
    for year, points in member.transfers_in.items():
        into.transfers_in[year] = into.transfers_in.get(year, 0) + points
    for rule, instants in member.fired.items():
        into.fired.setdefault(rule, []).extend(instants)
    into.purchases_accepted += member.purchases_accepted
    for year, paid in member.births_paid.items():
        into.births_paid[year] = max(into.births_paid.get(year, paid), paid)
