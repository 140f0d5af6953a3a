"""Lots: making them, paying debt first, taking from them, and ending them."""
import datetime as dt
from fractions import Fraction

from .dates import add_months
from .member import Lot
from .tiers import shown

FAR = dt.date.max


def term_today(program, member):
    """The expiry term of a lot that is earned today by no rule's own."""
    tier = shown(program, member)
    return tier.expiry if tier is not None and tier.expiry is not None else program.expiry


def ends(member, lot):
    """The last day of a lot as it stands, None for never."""
    if lot.clock is not None:
        return clock_end(member, lot.clock)
    return lot.last


def clock_end(member, term):
    return add_months(member.clock, term.months)


def make_lot(term, start, points, kind="earned"):
    if term.kind == "inactivity":
        return Lot(None, points, term, kind)
    return Lot(term.last_day(start), points, None, kind)


def put(member, lot):
    """Into the member's lots; equal terms are one."""
    if lot.points == 0:
        return
    member.posted.append(lot.part(0))
    for other in member.lots:
        if other.same_terms(lot):
            other.points += lot.points
            return
    member.lots.append(lot)


def pay_debt(member, points):
    member.credited |= points > 0
    paid = min(points, member.debt)
    member.debt -= paid
    member.advanced -= min(paid, member.advanced)
    return points - paid


def credit(member, term, start, points, kind="earned"):
    """New points: debt first, then a lot; the points of the lot."""
    left = pay_debt(member, points)
    if left:
        put(member, make_lot(term, start, left, kind))
    return left


def credit_all(member, lots):
    """Lots of one event: those of equal terms are one, and debt is paid by the first."""
    merged = []
    for lot in lots:
        same = next((other for other in merged if other.same_terms(lot)), None)
        if same is None:
            merged.append(lot)
        else:
            same.points += lot.points
    for lot in merged:
        put(member, lot.part(pay_debt(member, lot.points)))


def in_order(member, lots):
    return sorted(lots, key=lambda lot: (ends(member, lot) or FAR, lot.clock is not None))


def take(member, lots, points):
    """Takes points from a list of lots in consumption order, and returns what it took as lots."""
    taken = []
    for lot in in_order(member, lots):
        part = min(points, lot.points)
        if part:
            lot.points -= part
            points -= part
            taken.append(lot.part(part))
    lots[:] = [lot for lot in lots if lot.points]
    assert points == 0, "more was taken than there is"
    return taken


def rows(member, lots):
    """As replies show them: by last day, never-expiring ones last and without one."""
    sums = {}
    for lot in lots:
        last = ends(member, lot)
        sums[last] = sums.get(last, 0) + lot.points
    return sorted(sums.items(), key=lambda row: row[0] or FAR)


def clock_part(program, member, lots):
    """What the inactivity clock will take of lots, as [(last day, points)]."""
    sums = {}
    for lot in lots:
        if lot.clock is not None:
            key = (ends(member, lot), lot.clock.percent)
            sums[key] = sums.get(key, 0) + lot.points
    return [(last, program.round(Fraction(points * percent, 100))) for (last, percent), points in sums.items()]


def expiring(program, member):
    sums = {}
    for lot in member.lots:
        if lot.clock is None and lot.last is not None:
            sums[lot.last] = sums.get(lot.last, 0) + lot.points
    for last, points in clock_part(program, member, member.lots):
        sums[last] = sums.get(last, 0) + points
    return sorted((last, points) for last, points in sums.items() if points)


def expire_lots(member, today):
    """Lots whose last day is over; those under the clock are clock_ends()'s."""
    member.lots = [lot for lot in member.lots if lot.clock is not None or lot.last is None or lot.last >= today]


def clock_lots(member):
    """What the inactivity clock is for, held or not."""
    held = [lot for hold in member.holds.values() if hold.state == "open" for lot in hold.lots]
    return [lot for lot in member.lots + held if lot.clock is not None]


def clock_of(program):
    """The one inactivity term that a program has, wherever it is written; or None."""
    terms = [program.expiry] + [each.expiry for each in program.tiers + program.rules]
    return next((term for term in terms if term is not None and term.kind == "inactivity"), None)


def clock_goes_on(program, member, today):
    """A clock that ran out the day before with nothing under it starts again before anything comes this night."""
    term = clock_of(program)
    if term is not None and not clock_lots(member) and clock_end(member, term) < today:
        member.clock = today


def clock_ends(program, member, today):
    """The inactivity clock ran out the day before: takes its share and starts again today."""
    term = next((lot.clock for lot in clock_lots(member)), None) or clock_of(program)
    if term is None or clock_end(member, term) >= today:
        return
    last = clock_end(member, term)
    left = sum(lot.points for lot in member.lots if lot.clock is not None)
    taken = program.round(Fraction(left * term.percent, 100))
    for lot in member.lots:
        if lot.clock is not None:
            part = min(taken, lot.points)
            lot.points -= part
            taken -= part
    member.lots = [lot for lot in member.lots if lot.points]
    for hold in member.holds.values():
        if hold.state == "open" and term.percent == 100:
            for lot in hold.lots:
                if lot.clock is not None:
                    lot.last, lot.clock = last, None
    member.clock = today


def refresh(program, member, op, activity, day):
    """refresh_on: every dated open lot moves to the date of a lot earned today, never back."""
    term = term_today(program, member)
    if op not in term.refresh_on and activity not in term.refresh_on:
        return
    last = term.last_day(day)
    for lot in member.lots:
        if lot.clock is None and lot.last is not None and last is not None:
            if last > lot.last:
                lot.last = last
                member.posted.append(lot.part(0))
    merge_equal(member)


def merge_equal(member):
    old, member.lots = member.lots, []
    posted = list(member.posted)
    for lot in old:
        put(member, lot)
    member.posted = posted


def new_terms(program, member, term, start):
    """All open lots get a term (all_open_while_held)."""
    held = [lot for hold in member.holds.values() if hold.state == "open" for lot in hold.lots]
    for lot in member.lots + held:
        made = make_lot(term, start, 0)
        moved = lot.last != made.last or (lot.clock is None) != (made.clock is None)
        lot.last, lot.clock = made.last, made.clock
        if moved and lot not in held:
            member.posted.append(lot.part(0))
    merge_equal(member)
