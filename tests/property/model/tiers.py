"""Tiers: what is reached, kept and fallen to, and which of gift and earned is shown."""
from .dates import add_months


def earned(program, member):
    return program.tiers[member.rank] if program.tiers and member.rank is not None else None


def gift(program, member):
    """The gift, until the night takes it away."""
    if member.gift is None:
        return None
    return next((tier for tier in program.tiers if tier.id == member.gift[0]), None)


def shown(program, member):
    """The higher of gift and earned."""
    own, given = earned(program, member), gift(program, member)
    if given is not None and (own is None or given.rank > own.rank):
        return given
    return own


def window_sum(member, tier, metric, day):
    """A metric over a tier's window as seen on a day."""
    if tier.window == "calendar_year":
        return member.year_metric(metric, day.year, day)
    if tier.window == "rolling_months":
        return member.metric(metric, add_months(day, -tier.rolling), day)
    if tier.window == "since_tier_start":
        return member.metric(metric, member.since_after, day)
    return member.metric(metric, None, None)


def reached(member, tier, day):
    if tier.reach is None:
        return True
    return any(all(window_sum(member, tier, metric, day) >= least for metric, least in alternative) for alternative in tier.reach)


def validity_sum(member, tier, metric, through):
    """A metric over the days of the validity that runs, up to a day."""
    if tier.window == "calendar_year":
        return member.year_metric(metric, member.until.year, through)
    if tier.window == "lifetime":
        return member.metric(metric, None, through)
    return member.metric(metric, member.start, through)


def kept(member, tier, through):
    return any(all(validity_sum(member, tier, metric, through) >= least for metric, least in alternative) for alternative in tier.keep)


def hold_tier(program, member, index, since, start):
    member.lowest_from_the_start = member.rank is None
    member.rank = index
    member.since = since
    member.since_after = member.start = start      # both count from the day after
    member.until = program.tiers[index].valid_until(start)
    member.in_grace = False


def look_up(program, member, day, today, only_balance=False):
    """An upgrade, straight to the highest tier reached as seen on the day of the event or today; it begins today."""
    if not program.tiers or member.closed:
        return
    for index in range(len(program.tiers) - 1, member.rank, -1):
        tier = program.tiers[index]
        if only_balance and not tier.looks_at_balance():
            continue
        if reached(member, tier, day) or reached(member, tier, today):
            hold_tier(program, member, index, today, today)
            return


def review(program, member, today):
    """The validity, or the grace, of the earned tier ended yesterday."""
    tier = earned(program, member)
    if tier is None or member.until is None or member.until >= today:
        return
    last = member.until
    if not member.in_grace:
        if kept(member, tier, last):
            member.start = last
            member.until = tier.next_until(last)
            return
        if tier.grace is not None:
            member.in_grace = True
            member.until = tier.grace_until(last)
            if member.until >= today:
                return
            last = member.until
    if tier.downgrade == "none":
        member.in_grace = False
        member.start = last
        member.until = tier.next_until(last)
        return
    if tier.downgrade == "one":
        index = member.rank - 1
    else:
        index = next(i for i in range(len(program.tiers) - 1, -1, -1) if reached(member, program.tiers[i], last))
    if index == member.rank:
        member.in_grace = False
        member.start = last
        member.until = tier.next_until(last)
        return
    hold_tier(program, member, index, today, last)
    member.until = program.tiers[index].next_until(last)


def points_missing(alternatives, total):
    """Of alternatives that ask for points_earned, the fewest points that are missing; None without one."""
    missing = [max(least - total, 0) for alternative in alternatives or [] for metric, least in alternative if metric == "points_earned"]
    return min(missing) if missing else None


def points_to_next(program, member, today):
    held = shown(program, member)
    if held is None:
        return None
    above = [tier for tier in program.tiers if tier.rank > held.rank]
    if not above:
        return None
    return points_missing(above[0].reach, window_sum(member, above[0], "points_earned", today))


def points_to_keep(program, member, today):
    tier = earned(program, member)
    if tier is None or member.until is None or member.in_grace:
        return None
    return points_missing(tier.keep, validity_sum(member, tier, "points_earned", today))
