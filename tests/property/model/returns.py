"""Returns, reversals, transfers, advances and merges."""
from . import earning
from .commands import lot_rows, open_member, refuse, spender, touch
from .lots import FAR, in_order, make_lot, pay_debt, put, refresh, take, term_today
from .member import Lot
from .nights import change_tier
from .tiers import hold_tier, look_up


# Returns

def give_back(model, event, member):
    record = member.purchases.get(event.get("purchase"))
    if record is None:
        refuse("NOT_FOUND", "purchase")
    if event.get("amount") is not None and event.get("lines") is not None:
        refuse("INVALID_ARGUMENT")
    rest = what_is_left(record, event)
    open_member(member)
    if rest is None:
        refuse("RETURN_EXCEEDS_PURCHASE")
    touch(model, event, member)
    returned = record.rest.total - rest.total
    wanted, result = claim(record, member, rest)
    taken, lots = claw(model, member, record, wanted)
    record.clawed += taken
    give_back_caps(model, member, record, result, taken)
    member.add_metric("spend", record.day, -returned)
    if rest.total == 0 and record.rest.total > 0:
        member.add_metric("visits", record.day, -1)
    for name in set(record.last.counters) | set(result.counters):
        now = min(result.counters.get(name, 0), record.last.counters.get(name, 0))     # a return never raises anything
        member.add_metric(name, record.day, now - record.last.counters.get(name, 0))
        result.counters[name] = now
    record.rest, record.last = rest, result
    refresh(model.program, member, "return", None, event.day)
    return {"wanted": model.points(taken), "clawed": model.points(taken), "lots": lot_rows(model, member, lots)}


def what_is_left(record, event):
    """The shape after this return, or None when it is more than there is."""
    rest = record.rest.copy()
    rest.paid = record.shape.paid
    money = record.program.money
    if event.get("lines") is not None:
        if not all(line_leaves(record, rest, line, money) for line in event.get("lines")):
            return None
    else:
        amount = money(event.get("amount")) if event.get("amount") is not None else rest.total
        if amount > rest.total or rest.total == 0:
            return None
        amount_leaves(rest, amount)
    rest.paid = min(rest.paid, rest.total)
    return rest


def amount_leaves(rest, amount):
    """First the part without a line, then the lines from the last to the first; a line's items leave with the whole of it."""
    loose = rest.total - sum(line[3] for line in rest.lines)
    rest.total -= amount
    amount -= min(loose, amount)
    for line in reversed(rest.lines):
        if amount == 0:
            break
        part = min(line[3], amount)
        line[3] -= part
        amount -= part
        if line[3] == 0:
            line[2] = 0


def line_leaves(record, rest, wanted, money):
    for number, line in enumerate(rest.lines):
        if line[0] == wanted.get("sku") and line[1] == wanted.get("category") and line[2] > 0:
            quantity = int(wanted.get("qty", 1))
            if quantity > line[2]:
                return False
            bought = record.shape.lines[number]
            if wanted.get("amount") is not None:
                amount = money(wanted.get("amount"))
            else:
                amount = line[3] if quantity == line[2] else min(bought[3] * quantity // bought[2], line[3])
            if amount > line[3]:
                return False
            line[2] -= quantity
            line[3] -= amount
            rest.total -= amount
            return True
    return False


def claim(record, member, rest):
    """(points that this return wants, what the rest earns)."""
    context = record.context
    context.rejected = getattr(record.result, "rejected", set())
    program = record.program
    carrying = {rule.id for rule in program.rules if rule.carries and rule.id in context.held}
    if not carrying:
        result = earning.evaluate(program, rest, context)
        left = min(max(result.granted, 0), record.granted)
        return max(record.granted - left - record.clawed, 0), result
    return claim_carried(record, member, rest, carrying)


def claim_carried(record, member, rest, carrying):
    """Whole-steps rules that carry: the amount leaves the member's remainder, and a step is clawed each time it falls below zero."""
    program, context = record.program, record.context
    plain = earning.Context(context.held - carrying, context.tier, context.used, context.day, context.day_room, {})
    before, after = (earning.evaluate(program, shape, plain) for shape in (record.rest, rest))
    wanted = max(before.granted - after.granted, 0)
    for rule in program.rules:
        if rule.id not in carrying:
            continue
        gone = carried_amount(program, record.rest, context, rule) - carried_amount(program, rest, context, rule)
        step, points = rule.per_amount
        left = member.remainders.get(rule.id, 0) - gone
        while left < 0:
            left += step
            wanted += points + (shares_of(program, context, rest, points) if rule.kind == "base" else 0)
        member.remainders[rule.id] = left
    result = earning.evaluate(program, rest, context)
    return wanted, result


def carried_amount(program, shape, context, rule):
    if not earning.amount_holds(shape, rule):
        return 0
    amount = shape.part(rule)[0]
    for other in program.rules:
        if other.replaces == rule.id and other.id in context.held and earning.amount_holds(shape, other):
            amount -= shape.part(other)[0]
    return max(amount, 0)


def shares_of(program, context, shape, points):
    rules = [rule for rule in program.rules if rule.id in context.held and rule.kind == "multiplier"]
    base = earning.Component("step", None, points)
    return sum(share.wanted for share in earning.shares(program, shape, context, [rule for rule in rules if not rule.selects], [base], None))


def claw(model, member, record, wanted):
    """Takes what the policy lets it take: (points, lots)."""
    policy = record.program.returns.get("claw_back", "unlimited")
    left, lots = wanted, []
    waiting = [part for part in record.parts if part.points and not hasattr(part.when, "toordinal")]
    for part in sorted(waiting, key=lambda part: part.when.due or part.when.cancel):
        if part.when in member.waiting:
            took = min(part.points, left)
            part.points -= took
            part.when.points -= took
            left -= took
    member.waiting = [waiting for waiting in member.waiting if waiting.points]
    if policy == "only_pending":
        return wanted - left, lots
    booked = left
    terms = [part.terms for part in record.parts if part.terms is not None]
    own = [lot for lot in member.lots if any(lot.same_terms(term) for term in terms)]
    for among in (own, member.lots):
        for lot in in_order(member, among):
            took = min(lot.points, left)
            if took:
                lot.points -= took
                left -= took
                lots.append(Lot(lot.last, took, lot.clock))
    member.lots = [lot for lot in member.lots if lot.points]
    if policy == "unlimited":
        member.debt += left
        left = 0
    lower_points_earned(member, record, booked - left)
    return wanted - left, lots


def lower_points_earned(member, record, points):
    for part in record.parts:
        if hasattr(part.when, "toordinal"):
            took = min(part.points, points)
            part.points -= took
            points -= took
            member.add_metric("points_earned", part.when, -took)


def give_back_caps(model, member, record, result, taken):
    now = {component.name: component.granted for component in result.components}
    taken_left = taken
    for component in record.last.components:
        left = now.get(component.name, 0)
        back_points = min(component.granted - left, taken_left)
        taken_left -= max(back_points, 0)
        for cap in component.rule.caps if component.rule else []:
            if cap.per == "transaction":
                continue
            used = model.program_used if cap.per == "program" else member.used
            back = back_points if cap.points is not None else int(component.granted > 0 and left == 0 and back_points > 0)
            used[cap.key(record.day)] = max(used.get(cap.key(record.day), 0) - back, 0)
    member.earned_on[record.day] = max(member.earned_on.get(record.day, 0) - taken, 0)


# Reversals

def reverse_redeem(model, event, member):
    debit = member.redeems.get(event.get("redeem"))
    if debit is None:
        refuse("NOT_FOUND", "redeem")
    open_member(member)
    left = sum(lot.points for lot in debit.lots)
    points = model.program.points(event.get("points")) if event.get("points") is not None else left
    if points > left or left == 0:
        refuse("ALREADY_REVERSED")
    touch(model, event, member)
    for lot in reversed(in_order(member, debit.lots)):     # what was taken last comes back first
        part = min(points, lot.points)
        lot.points -= part
        points -= part
        restore(model, event, member, Lot(lot.last, part, lot.clock))
    change_tier(model.program, member, event.today, lambda: look_up(model.program, member, event.today, event.today, only_balance=True))
    return {}


def restore(model, event, member, lot):
    """To its own lot; what expired meanwhile as `returns.restore` says."""
    if lot.clock is not None or lot.last is None or lot.last >= event.today:
        put(member, lot)
        return
    how = model.program.returns.get("restore", "original")
    if isinstance(how, dict) and "grace_days" in how:
        put(member, Lot(event.today.fromordinal(event.today.toordinal() + int(how["grace_days"])), lot.points))
    elif how == "new_lot":
        put(member, make_lot(term_today(model.program, member), event.today, lot.points))


# Between members

def transfer(model, event, member):
    program = model.program
    points = program.points(event.get("points"))
    receiver = model.aliases.get(event.get("to"))
    if receiver is None:
        refuse("NOT_FOUND", "to")
    if receiver is member:
        refuse("INVALID_ARGUMENT", "to")
    terms = program.transfers
    if terms is None:
        refuse("NOT_OFFERED")
    open_member(member)
    open_member(receiver)
    spender(member)
    if points < program.points(terms.get("min", "0")):
        refuse("BELOW_MINIMUM")
    if (event.day - member.enrolled).days < int(terms.get("member_days_min", 0)):
        refuse("MEMBER_TOO_NEW")
    sent, times = member.transfers_out.get(event.day.year, (0, 0))
    got = receiver.transfers_in.get(event.day.year, 0)
    if "times_per_year" in terms and times + 1 > int(terms["times_per_year"]):
        refuse("CAP_REACHED")
    if "out_per_year" in terms and sent + points > program.points(terms["out_per_year"]):
        refuse("CAP_REACHED")
    if "in_per_year" in terms and got + points > program.points(terms["in_per_year"]):
        refuse("CAP_REACHED")
    if points > member.available:
        refuse("INSUFFICIENT_POINTS")
    member.transfers_out[event.day.year] = (sent + points, times + 1)
    receiver.transfers_in[event.day.year] = got + points
    taken = take(member, member.lots, points)
    touch(model, event, member)
    for lot in taken:
        left = pay_debt(receiver, lot.points)
        if terms.get("expiry", "keep") == "restart":
            put(receiver, make_lot(term_today(program, receiver), event.day, left))
        else:
            put(receiver, Lot(lot.last, left, lot.clock))
    change_tier(program, receiver, event.today, lambda: look_up(program, receiver, event.today, event.today, only_balance=True))
    return {"_others": [receiver]}


def advance(model, event, member):
    program = model.program
    points = program.points(event.get("points"))
    if program.advance is None:
        refuse("NOT_OFFERED")
    spender(member)
    if member.advanced + points > program.points(program.advance["max"]):
        refuse("CAP_REACHED")
    touch(model, event, member)
    put(member, make_lot(term_today(program, member), event.day, points))
    member.debt += points
    member.advanced += points
    return {}


def merge(model, event, member):
    into = model.aliases.get(event.get("into"))
    if into is None:
        refuse("NOT_FOUND", "into")
    if into is member:
        refuse("INVALID_ARGUMENT", "into")
    open_member(member)
    open_member(into)
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
    add_up(into, member)
    if model.program.tiers and (member.rank, member.until or FAR) > (into.rank, into.until or FAR):
        hold_tier(model.program, into, member.rank, member.since, member.start)
        into.until, into.in_grace, into.since_after = member.until, member.in_grace, member.since_after
    for name, other in list(model.aliases.items()):
        if other is member:
            model.aliases[name] = into
    member.lots, member.waiting, member.holds, member.debt, member.closed = [], [], {}, 0, True
    member.metrics, member.totals = {}, {}
    return {"_block": into}


def add_up(into, member):
    for name in ("used", "earned_on", "redeemed_on", "remainders"):
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
        into.births_paid.setdefault(year, paid)


TABLE = {"return": give_back, "reverse_redeem": reverse_redeem, "transfer": transfer, "advance": advance, "merge": merge}
