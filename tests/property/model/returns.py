"""Returns, reversals, transfers, advances and merges."""
from . import earning, people, stamps, vouchers
from .commands import lot_rows
from .ladder import member_may, open_member, refuse, spender, touch
from .lots import in_order, make_lot, pay_debt, put, refresh, take, term_today
from .member import Lot
from .merging import absorb
from .nights import change_tier
from .tiers import look_up


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
    wanted, before, after, result = claim(record, member, rest)
    taken, lots = claw(model, member, record, wanted)
    record.clawed += taken
    give_back_caps(model, member, record, before, after, taken)
    member.add_metric("spend", record.day, -returned)
    if rest.total == 0 and record.rest.total > 0:
        member.add_metric("visits", record.day, -1)
    for name in set(record.counters) | set(result.counters):
        now = min(result.counters.get(name, 0), record.result.counters.get(name, 0))
        member.add_metric(name, record.day, now - record.counters.get(name, 0))
        record.counters[name] = now
    stamps.stamps_back(model, member, record, rest)
    vouchers_back(model, member, record, result)
    record.rest, record.returned = rest, True
    reward, reward_lots, others = people.refer_back(model, event, member, record)
    refresh(model.program, member, "return", None, event.day)
    return {"wanted": model.points(taken + reward), "clawed": model.points(taken + reward), "lots": lot_rows(model, member, lots + reward_lots),
            "_others": others}


def vouchers_back(model, member, record, result):
    """A voucher that the rest no longer earns is revoked; of a used one `used_voucher` decides, once."""
    program = record.program
    still = {gift.name for gift in result.gifts if gift.granted}
    for name, voucher in list(record.gifts):
        if name in still:
            continue
        if voucher.state in ("issued", "held"):
            vouchers.revoke(model, member, voucher)
            rule = next(rule for rule in program.rules if rule.id == name)
            for cap in rule.caps:
                used = model.program_used if cap.per == "program" else member.used
                used[cap.key(record.day)] = max(used.get(cap.key(record.day), 0) - 1, 0)
            record.gifts.remove((name, voucher))
        elif voucher.state == "used" and program.returns.get("used_voucher", "keep") == "debt":
            owe(member, -(-voucher.value // program.worth))
            record.gifts.remove((name, voucher))


def owe(member, points):
    """From available first."""
    now = min(points, member.available)
    member.debt += points - now
    take(member, member.lots, now)


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
        nothing = record.returned and rest.total == 0 and not any(line[2] for line in rest.lines)
        if amount > rest.total or nothing:
            return None
        amount_leaves(rest, amount)
        if rest.total == 0:
            for line in rest.lines:
                line[2] = 0
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
    """What is to be clawed now, what stands of each component before and after it, and what the rest earns."""
    program, context = record.program, record.context.again(record.result)
    whole, before, after = (earning.evaluate(program, shape, context) for shape in (record.shape, record.rest, rest))
    granted = {component.name: component.granted for component in record.result.components}
    for component in whole.components:      # without the points of steps a limit had room for more of another rule than it let through
        component.granted = min(component.granted, granted.get(component.name, 0))
    earlier = dict(record.stepped)
    steps_back(record, member, whole, before, after)
    carried = dict(granted)
    for component in whole.components:
        carried[component.name] = carried.get(component.name, 0) - component.granted
    waiting = sum(component.granted for component in waits(whole))
    lapsed = max(record.never - waiting, 0)
    was, back = stepped(record, earlier, whole, carried, lapsed), stepped(record, record.stepped, whole, carried, lapsed)
    for earned in (whole, before, after):
        if min(record.never, waiting):      # else what waits here took the terms of a rule that carries, because the first one gives no more
            clip(waits(earned), waiting - min(record.never, waiting))
        clip(earned.components, whole.granted)     # the rest never earns more than the whole
    target = whole.granted - after.granted + sum(back.values()) - record.clawed
    return max(target, 0), standing(before, carried, was), standing(after, carried, back), after


def waits(earned):
    """The components whose points wait for an activity."""
    result = []
    for component in earned.components:
        rules = [rule for rule in (component.rule, getattr(component, "first", None)) if rule is not None and rule.pending is not None]
        if rules and rules[0].pending.activity is not None:
            result.append(component)
    return result


def standing(earned, carried, back):
    """What stands of each component: of rules that carry, what steps did not take back; below zero when they were other purchases'."""
    rows = {component.name: component.granted for component in earned.components}
    for name, points in carried.items():
        if points or back.get(name):
            rows[name] = rows.get(name, 0) + points - back.get(name, 0)
    return rows


def clip(components, limit):
    """From the last component back."""
    over = sum(component.granted for component in components) - limit
    for component in reversed(components):
        cut = max(min(over, component.granted), 0)
        component.granted -= cut
        over -= cut


def steps_back(record, member, whole, before, after):
    """Rules that carry: the amount leaves the member's remainder, and each time it falls below zero a step is taken back.  The rest never
    has more of a rule than the whole had."""
    for rule in record.program.rules:
        had = whole.amounts.get(rule.id, 0) if rule.carries else 0
        gone = min(had, before.amounts.get(rule.id, 0)) - min(had, after.amounts.get(rule.id, 0))
        if gone <= 0:
            continue
        step, points = rule.per_amount
        left = member.remainders.get(rule.id, 0) - gone
        steps = max(-(left // step), 0)
        member.remainders[rule.id] = left + steps * step
        record.stepped[rule.id] = record.stepped.get(rule.id, 0) + steps * points


def stepped(record, steps, whole, carried, lapsed):
    """What the steps that this purchase's returns took back claw of each component: their points, and the shares taken from those of base
    rules; which lines a step was of nobody knows, so a multiplier of chosen lines gives back in the proportion of the base.
    What caps refused the purchase comes off first, and what lapsed is gone."""
    program, kinds = record.program, {rule.id: rule.kind for rule in record.program.rules}
    if not any(steps.values()):
        return {}
    refused = {component.name: component.wanted - component.granted for component in record.result.components}
    for component in whole.components:
        refused[component.name] = refused.get(component.name, 0) - component.wanted + component.granted
    rules = [rule for rule in program.rules if rule.id in record.context.held and rule.kind == "multiplier" and earning.amount_holds(record.shape, rule)]
    base = sum(points for name, points in steps.items() if kinds[name] == "base")
    shares = earning.shares(program, record.shape, record.context, rules, [earning.Component("steps", None, base)], None, best=False)
    back = dict(steps)
    wanted = {component.name: component.wanted for component in record.result.components}
    first = {component.name: component.wanted for component in whole.components}
    base_wanted = sum(wanted.get(rule.id, 0) for rule in program.rules if rule.carries and rule.kind == "base")
    for share in shares:
        if share.rule is None or share.rule.selection is None:
            back[share.name] = share.wanted
        elif base and base_wanted:
            back[share.name] = (wanted.get(share.name, 0) - first.get(share.name, 0)) * min(base, base_wanted) // base_wanted
    if program.stacking == "best":
        there = {component.name for component in record.result.components if component.wanted}
        back = {name: points for name, points in back.items() if name in there or name in steps}
    if program.once:
        back = rounded_once(program, back)
    back = {name: points - refused.get(name, 0) for name, points in back.items()}
    for component in waits(record.result):
        if component.wanted:
            gone = min(lapsed, carried[component.name])
            lapsed -= gone
            back[component.name] = min(back.get(component.name, 0), carried[component.name] - gone)
    return {name: max(points, 0) for name, points in back.items()}


def rounded_once(program, exact):
    """What each adds to the rounded sum."""
    total, result = 0, {}
    for name, points in exact.items():
        result[name] = program.round(total + points) - program.round(total)
        total += points
    return result


def claw(model, member, record, wanted):
    """Takes what the policy lets it take: (points, lots)."""
    policy = record.program.returns.get("claw_back", "unlimited")
    left, lots = wanted, []
    waiting = [part for part in record.parts if part.points and not hasattr(part.when, "toordinal")]
    for part in sorted(waiting, key=lambda part: (part.when.due or part.when.cancel, part.when.order)):
        if part.when in member.waiting:
            took = min(part.points, left)
            part.points -= took
            part.when.points -= took
            left -= took
    member.waiting = [waiting for waiting in member.waiting if waiting.points]
    if policy == "only_pending":
        return wanted - left, lots
    booked = left
    own = [lot for lot in member.lots if any(lot.same_terms(term) for term in record.terms)]
    for among in (own, member.lots):
        for lot in in_order(member, among):
            took = min(lot.points, left)
            if took:
                lot.points -= took
                left -= took
                lots.append(lot.part(took))
    member.lots = [lot for lot in member.lots if lot.points]
    if policy == "unlimited":
        member.debt += left
        left = 0
    lower_points_earned(member, record, booked - left)
    return wanted - left, lots


def lower_points_earned(member, record, points):
    came = [part for part in record.parts if hasattr(part.when, "toordinal")]
    for part in sorted(came, key=lambda part: part.when):
        took = min(part.points, points)
        part.points -= took
        points -= took
        member.add_metric("points_earned", part.when, -took)
    member.add_metric("points_earned", record.day, -points)     # steps beyond what the purchase itself was granted


def give_back_caps(model, member, record, before, after, taken):
    """Room comes back to the components from the last back, as far as points were taken; the rest of it is owed."""
    program, day = record.program, record.day
    before = {name: before.get(name, 0) + record.owed.get(name, 0) for name in [*before, *after, *record.owed]}
    short = sum(before.values()) - sum(after.values()) - taken
    record.owed = {}
    for name, points in before.items():
        owed = max(min(points - after.get(name, 0), short), 0)
        short -= owed
        record.owed[name] = owed
    keys = {}
    for rule in program.rules:
        for cap in rule.caps:
            if cap.per != "transaction":
                keys.setdefault((cap.per == "program", cap.key(day)), []).append((rule.id, cap))
    for (of_program, key), rows in keys.items():
        used = model.program_used if of_program else member.used
        was = sum(before.get(name, 0) for name, _ in rows)
        now = sum(after.get(name, 0) + record.owed.get(name, 0) for name, _ in rows)
        if now < was:
            back = was - now if rows[0][1].points is not None else int(now <= 0 < was)
            used[key] = max(used.get(key, 0) - back, 0)
    member.earned_on[day] = max(member.earned_on.get(day, 0) - taken, 0)


# Reversals

def reverse_redeem(model, event, member):
    debit = member.redeems.get(event.get("redeem"))
    if debit is None:
        refuse("NOT_FOUND", "redeem")
    member_may(member)
    left = sum(lot.points for _, lot in debit.taken)
    points = model.program.points(event.get("points")) if event.get("points") is not None else left
    if points > left or left == 0:
        refuse("ALREADY_REVERSED")
    touch(model, event, member)
    if debit.day == event.day:         # what was redeemed today no longer counts for today's limit
        member.redeemed_on[event.day] = max(member.redeemed_on.get(event.day, 0) - points, 0)
    owners = {}
    for owner, lot in reversed(debit.taken):   # what was taken last comes back first
        part = min(points, lot.points)
        lot.points -= part
        points -= part
        if part:
            owners[owner] = owner.credited = True
            restore(model, event, owner, lot.part(part))
    for owner in [member] + [other for other in owners if other is not member]:
        change_tier(model.program, owner, event.today, lambda who=owner: look_up(model.program, who, event.today, event.today, only_balance=True))
    return {"_others": [owner for owner in owners if owner is not member]}


def restore(model, event, member, lot):
    """To its own lot; what expired meanwhile as `returns.restore` says."""
    if lot.clock is not None or lot.last is None or lot.last >= event.today:
        put(member, lot)
        return
    how = model.program.returns.get("restore", "original")
    if isinstance(how, dict) and "grace_days" in how:
        put(member, Lot(event.today.fromordinal(event.today.toordinal() + int(how["grace_days"])), lot.points, None, lot.kind))
    elif how == "new_lot":
        put(member, make_lot(term_today(model.program, member), event.today, lot.points, lot.kind))
    else:
        put(member, lot)       # it is over: it expires before the reply


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
    member_may(receiver)
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
            put(receiver, make_lot(term_today(program, receiver), event.day, left, lot.kind))
        else:
            put(receiver, lot.part(left))
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
    member.credited = True
    put(member, make_lot(term_today(program, member), event.day, points, "lent"))
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
    member_may(member)
    member_may(into)
    absorb(model, into, member, event)
    return {"_block": into}


TABLE = {"return": give_back, "reverse_redeem": reverse_redeem, "transfer": transfer, "advance": advance, "merge": merge}
