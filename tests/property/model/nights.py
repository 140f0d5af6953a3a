"""What the system does by itself: hold time-outs at their instant, and the night of each local date."""
from . import stamps, vouchers
from .birthdays import anniversary_night, birthday_night
from .dates import DAY
from .lots import clock_ends, clock_goes_on, credit_all, expire_lots, expiring, make_lot, new_terms, put, term_today
from .tiers import earned, kept, look_up, points_to_keep, review, shown


def roll(model, now):
    """Everything that is due up to and including `now`: time-outs at their instant, then the night of each date, member by member."""
    program = model.program
    today = program.zone.date(now)
    for member in model.members:
        if member.closed and member.gift is not None and member.gift[1] is not None and member.gift[1] < today:
            member.gift = None
    living = [member for member in model.members if not member.closed]
    while living:
        day = min(member.rolled for member in living) + DAY
        midnight = program.zone.midnight(day)
        over = [(hold.ends, member.no, member, hold) for member in living for hold in member.holds.values()
                if hold.state == "open" and hold.ends is not None and hold.ends <= min(midnight, now)]
        for ends, _, member, hold in sorted(over, key=lambda row: row[:2]):
            owners = [member] + [owner for owner, _ in hold.parts]
            end_hold(model, member, hold, program.zone.date(ends), "expired")
            for owner in owners:
                vouchers.auto_redeem(model, owner, program.zone.date(ends), shown(program, owner))
        if midnight > now:
            break
        for member in living:
            if member.rolled < day:
                member.rolled = day
                night(model, member, day)


def end_hold(model, member, hold, today, state):
    """Its lots go back to whose they are; those that ended meanwhile expire."""
    hold.state = state
    member.redeemed_on[hold.day] = member.redeemed_on.get(hold.day, 0) - hold.whole - hold.lost
    for owner, part in [(member, hold)] + hold.parts:
        lots, part.lots, part.state = part.lots, [], state
        for lot in lots:
            put(owner, lot)
        expire_lots(owner, today)
    vouchers.let_go(member, hold, today)


def night(model, member, today):
    program = model.program
    clock_goes_on(program, member, today)
    if member.waiting:
        lapse(member, today)
        activate_due(model, member, today)
    birthday_night(model, member, today)
    anniversary_night(model, member, today)
    vouchers.auto_redeem(model, member, today, shown(program, member))
    end_tiers(program, member, today)
    expire_lots(member, today)
    clock_ends(program, member, today)
    if program.redemption is not None and program.at_once:
        leave_holds(model, member, today)
        vouchers.leave_hold(member, today)
    vouchers.expire_vouchers(member, today)
    stamps.expire_cards(program, member, today)
    change_tier(program, member, today, lambda: look_up(program, member, today, today, only_balance=True))


def lapse(member, today):
    """Pending points whose activity did not come in time."""
    for waiting in [waiting for waiting in member.waiting if waiting.cancel is not None and waiting.cancel <= today]:
        member.waiting.remove(waiting)
        if waiting.source is not None:
            waiting.source.lapsed(waiting)


def activate_due(model, member, today):
    """Pending points whose day has come: each day's are an event of their own, which sees the tier held before it."""
    ready = sorted((waiting for waiting in member.waiting if waiting.due is not None and waiting.due <= today),
                   key=lambda waiting: (waiting.due, waiting.order))
    for due in sorted({waiting.due for waiting in ready}):
        tier = shown(model.program, member)
        activate(member, [waiting for waiting in ready if waiting.due == due], due)
        change_tier(model.program, member, due, lambda: look_up(model.program, member, due, due))
        vouchers.auto_redeem(model, member, due, tier)


def activate(member, ready, day):
    ready = sorted(ready, key=lambda waiting: waiting.order)
    credit_all(member, [make_lot(waiting.expiry, day, waiting.points, waiting.kind) for waiting in ready])
    for waiting in ready:
        member.waiting.remove(waiting)
        waiting.came = make_lot(waiting.expiry, day, 0, waiting.kind)
        if waiting.kind == "earned":
            member.add_metric("points_earned", day, waiting.points)
        if waiting.source is not None:
            waiting.source.activated(waiting, day)


def change_tier(program, member, today, change):
    """Runs what may change the tier held, and lets open lots follow it."""
    before = shown(program, member)
    change()
    after = shown(program, member)
    if before is after or before is None or after is None:
        return
    if after.rank > before.rank and after.all_open:
        new_terms(program, member, after.expiry or program.expiry, today)
    if after.rank < before.rank and (before.all_open or after.all_open):
        new_terms(program, member, term_today(program, member), today)
    if after.rank < before.rank and before.forfeits:
        stamps.forfeit(member)


def end_tiers(program, member, today):
    if not program.tiers:
        return

    def change():
        if member.gift is not None and member.gift[1] is not None and member.gift[1] < today:
            member.gift = None
        review(program, member, today)
    change_tier(program, member, today, change)


def leave_holds(model, member, today):
    """expire_at_once: a lot leaves the hold at its own midnight."""
    for hold in member.holds.values():
        if hold.state == "open" and hold.voucher is None:
            left = hold.left
            hold.lots = [lot for lot in hold.lots if lot.clock is not None or lot.last is None or lot.last >= today]
            whose, main = next((other, one) for other in model.members for one in other.holds.values()
                               if one.ends is not None and (one is hold or any(part is hold for _, part in one.parts)))
            whose.redeemed_on[hold.day] -= left - hold.left
            if not main.whole and main.state == "open":
                main.state = "expired"
                for _, part in main.parts:
                    part.state = "expired"


def notices(program, member, today):
    """What fell due after the last command's day: of lots that are open, and of a tier that will not be kept as things stand."""
    if member.closed:
        return []
    rows = []
    for last, points in expiring(program, member):
        for days in program.expiring_days:
            due = last.fromordinal(last.toordinal() - days)
            if member.noticed < due <= today:
                rows.append({"kind": "expiring", "points": points, "last_day": last, "due": due})
    tier = earned(program, member)
    if tier is not None and member.until is not None and tier.downgrade != "none" and (member.in_grace or not kept(member, tier, today)):
        for days in program.downgrade_days:
            due = member.until.fromordinal(member.until.toordinal() - days)
            if member.noticed < due <= today:
                rows.append({"kind": "downgrade", "points": points_to_keep(program, member, today), "last_day": member.until, "due": due})
    return sorted(rows, key=lambda row: (row["due"], row["last_day"]))


def settle(model, member, today):
    """After an event: what of it is due or over already."""
    if member.waiting:
        lapse(member, today)
        activate_due(model, member, today)
    end_tiers(model.program, member, today)     # one that was reached on a day in the past may have ended since
    expire_lots(member, today)
    vouchers.expire_vouchers(member, today)
    stamps.expire_cards(model.program, member, today)
