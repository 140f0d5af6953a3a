"""Every command but returns and reversals: a function of (model, event, member) that changes the member and returns the outcome's
keys, or raises Refusal before it changed anything."""
from . import birthdays, earning
from .dates import SECOND, day_of, decimal, duration, instant_text
from .lots import credit, credit_all, make_lot, pay_debt, put, refresh, rows, take, term_today
from .member import Hold, Lot, Member, Waiting
from .nights import activate, change_tier, end_hold
from .tiers import hold_tier, look_up, shown


def refuse(reason, field=None):
    from .engine import Refusal
    raise Refusal(reason, field)


# Syntax, and what every command does

def syntax(model, event):
    """What is refused before a replay is looked for."""
    points = event.get("points")
    if points is not None:
        value = decimal(points, 18)
        if value == 0:
            refuse("POINTS_NOT_POSITIVE", "points")
        if value < 0 and event.op != "adjust":
            refuse("INVALID_ARGUMENT", "points")


def touch(model, event, member):
    """The inactivity clock, which each named activity restarts."""
    for activities in {tuple(sorted(term.activities)) for term in clock_terms(model, member)}:
        if event.op in activities or (event.activity is not None and event.activity in activities):
            member.clock = max(member.clock, event.day)


def clock_terms(model, member):
    terms = [lot.clock for lot in member.lots if lot.clock is not None]
    terms += [term for term in (model.program.expiry, term_today(model.program, member)) if term.kind == "inactivity"]
    return terms


def open_member(member):
    if member.closed:
        refuse("MEMBER_CLOSED")


def spender(member):
    open_member(member)
    if member.frozen:
        refuse("MEMBER_FROZEN")


def lot_rows(model, member, lots):
    return [{"last_day": last.isoformat() if last else None, "points": model.points(points)} for last, points in rows(member, lots)]


# Earning

class Record:
    """A purchase, as returns need it."""

    def __init__(self, event, shape, context, program, result):
        self.event = event
        self.day = event.day
        self.shape = shape
        self.rest = shape.copy()
        self.returned = False
        self.bought = [list(line) for line in shape.lines]
        self.context = context
        self.program = program
        self.granted = result.granted
        self.clawed = 0
        self.never = 0             # of what waited for an activity
        self.result = result
        self.parts = []
        self.terms = []            # of the lots that it, and the activations of its points, posted
        self.counters = dict(result.counters)      # as the last return left them
        self.owed = {}             # component → room of its caps that comes back when more is clawed
        self.stepped = {}          # rule that carries → points of the steps that returns took back

    def activated(self, waiting, day):
        for part in self.parts:
            if part.when is waiting:
                part.when = day
        self.terms.append(make_lot(waiting.expiry, day, 0))

    def lapsed(self, waiting):
        """Points that never came are neither granted nor earned by the rest."""
        self.never += waiting.points


class Part:
    """Points of a purchase that are not clawed: pending ones (when: the Waiting), or since a day."""

    def __init__(self, points, when):
        self.points = points
        self.when = when


def used_before(model, program, member, day):
    """The use of every cap of the program as it stands."""
    used = {}
    for rule in program.rules:
        for cap in rule.caps:
            if cap.per != "transaction":
                key = cap.key(day)
                used[key] = (model.program_used if cap.per == "program" else member.used).get(key, 0)
    return used


def evaluate(model, event, member, shape):
    program = model.program
    tier = shown(program, member)
    held = earning.conditions(program, member, event, tier.id if tier else None)
    room = None if program.earn_per_day is None else program.earn_per_day - member.earned_on.get(event.day, 0)
    context = earning.Context(held, tier, used_before(model, program, member, event.day), event.day, room, dict(member.remainders))
    return context, earning.evaluate(program, shape, context)


def outcome(model, result):
    scale = model.points
    return {"granted": scale(result.granted), "wanted": scale(result.wanted),
            "grants": [{"rule": component.name, "wanted": scale(component.wanted), "granted": scale(component.granted)}
                       for component in result.components if component.wanted or component.granted]}


def use_caps(model, member, components, day):
    for component in components:
        if component.rule is None or component.granted == 0:
            continue
        for cap in component.rule.caps:
            if cap.per != "transaction":
                used = model.program_used if cap.per == "program" else member.used
                key = cap.key(day)
                used[key] = used.get(key, 0) + (component.granted if cap.points is not None else 1)


def terms(model, member, component):
    """(pending, expiry, whose expiry) of a component: its own rule's, the first base rule's for a share, then the tier's, the program's."""
    pending = expiry = None
    name, tier = "", shown(model.program, member)
    for rule in (component.rule, getattr(component, "first", None)):
        if rule is not None:
            pending = pending or rule.pending
            if expiry is None and rule.expiry is not None:
                expiry, name = rule.expiry, "rule:" + rule.id
    if expiry is None and tier is not None and tier.expiry is not None:
        name = "tier:" + tier.id
    return pending, expiry or term_today(model.program, member), name


def earn(model, event, member, shape, source=None):
    """Evaluates an event and books what it earns."""
    program = model.program
    context, result = evaluate(model, event, member, shape)
    record = Record(event, shape, context, program, result) if source else None
    book = [(component, *terms(model, member, component)) for component in result.components if component.granted]
    use_caps(model, member, result.components, event.day)
    member.earned_on[event.day] = member.earned_on.get(event.day, 0) + result.granted
    member.remainders.update(result.remainders)
    for rule in result.fired:
        member.fired.setdefault(rule, []).append(event.occurred)
    lots = []
    member.events += 1
    for component, pending, expiry, name in book:
        if pending is not None and pending.days != 0:
            waiting = Waiting(component.granted, event.day, pending, expiry, record, (member.events, pending.activity or "", name))
            member.waiting.append(waiting)
            if record:
                record.parts.append(Part(component.granted, waiting))
            continue
        lots.append(make_lot(expiry, event.day, component.granted))
        member.add_metric("points_earned", event.day, component.granted)
        if record:
            record.parts.append(Part(component.granted, event.day))
    credit_all(member, lots)
    for name, count in result.counters.items():
        member.add_metric(name, event.day, count)
    return record, result


def shape_of(model, event):
    money = model.program.money
    lines = [(line.get("sku"), line.get("category"), int(line.get("qty", 1)), money(line["amount"])) for line in event.get("lines") or []]
    if event.op == "activity":
        return earning.Shape("activity", money(event.get("amount", "0")), qty=int(event.get("qty", 1)))
    total = money(event.get("amount", "0"))
    if total < 0 or any(line[3] < 0 for line in lines) or sum(line[3] for line in lines) > total:
        refuse("INVALID_ARGUMENT", "lines")
    return earning.Shape(event.on, total, money(event.get("paid_with_points", "0")), lines)


def purchase(model, event, member, quote=False):
    shape = shape_of(model, event)
    open_member(member)
    if quote:
        return outcome(model, evaluate(model, event, member, shape)[1])
    touch(model, event, member)
    member.posted = []
    record, result = earn(model, event, member, shape, source=True)
    refresh(model.program, member, "purchase", None, event.day)
    member.add_metric("spend", event.day, shape.total)
    member.add_metric("visits", event.day, 1)
    member.purchases_accepted += 1
    member.purchases[event.key] = record
    change_tier(model.program, member, event.today, lambda: look_up(model.program, member, event.day, event.today))
    record.terms += member.posted
    return outcome(model, result)


def activity(model, event, member):
    shape = shape_of(model, event)
    completes = None
    if event.get("purchase") is not None:
        completes = member.purchases.get(event.get("purchase"))
        if completes is None:
            refuse("NOT_FOUND", "purchase")
    open_member(member)
    touch(model, event, member)
    _, result = earn(model, event, member, shape)
    if completes is not None:
        activate(member, [waiting for waiting in member.waiting if waiting.source is completes and waiting.activity == event.activity], event.day)
    refresh(model.program, member, "activity", event.activity, event.day)
    change_tier(model.program, member, event.today, lambda: look_up(model.program, member, event.day, event.today))
    return outcome(model, result)


def enrol(model, event):
    from .engine import Refusal
    names = [event.get("member")] + list(event.get("aliases") or [])
    if any(name in model.aliases for name in names):
        raise Refusal("ALREADY_EXISTS", "member")
    member = Member(len(model.members) + 1, names, event.day, event.get("segments") or [])
    member.rolled = event.today
    if model.program.tiers:
        hold_tier(model.program, member, 0, event.day, event.day)
        member.since_after = event.day.fromordinal(event.day.toordinal() - 1)     # nothing comes before an enrolment
    model.members.append(member)
    for name in names:
        model.aliases[name] = member
    birth(event, member)
    touch(model, event, member)
    _, result = earn(model, event, member, earning.Shape("enrol"))
    change_tier(model.program, member, event.today, lambda: look_up(model.program, member, event.day, event.today))
    done = outcome(model, result)
    if not any(rule.on == "enrol" for rule in model.program.rules):
        done = {}
    return member, done


def birth(event, member):
    text = event.get("birthday")
    if text:
        month, day = (int(part) for part in text[-5:].split("-"))
        if not member.births or member.births[-1][1:] != (month, day):
            member.births.append((event.day, month, day))


def profile(model, event, member):
    for name in event.get("add_aliases") or []:
        if model.aliases.get(name, member) is not member:
            refuse("ALREADY_EXISTS", "add_aliases")
    open_member(member)
    touch(model, event, member)
    if event.get("segments") is not None:
        member.segments = list(event.get("segments"))
    birth(event, member)
    for name in event.get("add_aliases") or []:
        model.aliases[name] = member
    for name in event.get("remove_aliases") or []:
        model.aliases.pop(name, None)
    return {}


def birthday(model, event, member):
    program = model.program
    if program.birthday is None:
        refuse("NOT_OFFERED")
    found = birthdays.due(program, member, event.day)
    if (found[0].year if found else event.day.year) in member.births_paid:
        refuse("ALREADY_EXISTS")
    open_member(member)
    if found is None or not birthdays.allowed(program, member, *found) or not birthdays.requires_met(program, member, event.day):
        refuse("NOT_ELIGIBLE")
    touch(model, event, member)
    points = model.points(birthdays.grant(program, member, *found, event.day))
    return {"granted": points, "wanted": points, "grants": [{"rule": "birthday", "wanted": points, "granted": points}]}


# Points by hand, tiers, standing

def adjust(model, event, member):
    program = model.program
    points = program.points(event.get("points"))
    open_member(member)
    if points < 0 and -points > member.available:
        refuse("INSUFFICIENT_POINTS")
    if points >= 0:
        touch(model, event, member)
    if points < 0:
        take(member, member.lots, -points)
        touch(model, event, member)
    elif event.get("last_day"):
        left = pay_debt(member, points)
        put(member, Lot(day_of(event.get("last_day")), left, None, "adjustment"))
    else:
        credit(member, term_today(program, member), event.day, points, "adjustment")
    refresh(program, member, "adjust", None, event.day)
    with_points = event.get("tier_points", False)
    if with_points:
        member.add_metric("points_earned", event.day, points)
    change_tier(program, member, event.today, lambda: look_up(program, member, event.day, event.today, only_balance=not with_points))
    return {}


def tier(model, event, member):
    program = model.program
    name = event.get("tier")
    if not program.tiers:
        refuse("NOT_OFFERED")
    if name and name not in [each.id for each in program.tiers]:
        refuse("NOT_FOUND", "tier")
    open_member(member)
    touch(model, event, member)
    until = day_of(event.get("until")) if event.get("until") else None

    def change():
        member.gift = (name, until) if name else None
    change_tier(program, member, event.today, change)
    return {}


def freeze(model, event, member):
    open_member(member)
    touch(model, event, member)
    member.frozen = event.op == "freeze"
    return {}


def close(model, event, member):
    open_member(member)
    if member.available or member.pending or member.held or member.debt:
        refuse("NOT_ELIGIBLE")
    member.closed = True
    return {}


# Redemption

def redemption_of(model):
    if model.program.redemption is None:
        refuse("NOT_OFFERED")
    return model.program


def check_redemption(model, event, points):
    """min, step and the share of the order; the points after round_down."""
    program = model.program
    if event.get("round_down"):
        points -= points % program.redeem_step
        if points == 0:
            refuse("NOT_A_STEP")
    if points < program.redeem_min:
        refuse("BELOW_MINIMUM")
    if points % program.redeem_step:
        refuse("NOT_A_STEP")
    if event.get("order_amount") is not None and program.worth is not None:
        order = program.money(event.get("order_amount"))
        if worth_of(program, points) * 100 > order * program.redeem_percent:
            refuse("OVER_ORDER_TOTAL")
    return points


def worth_of(program, points):
    value = points * program.worth
    return value.numerator // value.denominator


def value_of(model, points):
    return {} if model.program.worth is None else {"value": model.money(worth_of(model.program, points))}


def count_redeemed(model, event, member, points):
    member.redeemed_on[event.day] = member.redeemed_on.get(event.day, 0) + points


def check_day(model, event, member, points):
    limit = model.program.redeem_per_day
    if limit is not None and member.redeemed_on.get(event.day, 0) + points > limit:
        refuse("CAP_REACHED")


class Debit:
    """What a redeem or a capture took, and how much of it was given back."""

    def __init__(self, lots, day):
        self.day = day                 # for whose limit it counts
        self.lots = [lot.part(lot.points) for lot in lots]


def redeem(model, event, member):
    points = model.program.points(event.get("points"))
    redemption_of(model)
    spender(member)
    points = check_redemption(model, event, points)
    check_day(model, event, member, points)
    if points > member.available:
        refuse("INSUFFICIENT_POINTS")
    taken = take(member, member.lots, points)
    touch(model, event, member)
    shown_rows = lot_rows(model, member, taken)
    refresh(model.program, member, "redeem", None, event.day)
    count_redeemed(model, event, member, points)
    member.redeems[event.key] = Debit(taken, event.day)
    return {"lots": shown_rows, **value_of(model, points)}


def hold(model, event, member):
    points = model.program.points(event.get("points"))
    program = redemption_of(model)
    ttl = duration(event.get("ttl")) if event.get("ttl") else program.default_ttl
    if not SECOND <= ttl <= program.max_ttl:
        refuse("INVALID_ARGUMENT", "ttl")
    spender(member)
    check_redemption(model, event, points)
    check_day(model, event, member, points)
    if points > member.available:
        refuse("INSUFFICIENT_POINTS")
    made = Hold(event.key, event.now + ttl, take(member, member.lots, points), event.day)
    touch(model, event, member)
    shown_rows = lot_rows(model, member, made.lots)
    refresh(program, member, "hold", None, event.day)
    member.holds[event.key] = made
    count_redeemed(model, event, member, points)
    return {"lots": shown_rows, "left": model.points(points), "ends_at": instant_text(made.ends)}


def open_hold(event, member):
    found = member.holds.get(event.get("hold"))
    if found is None:
        refuse("NOT_FOUND", "hold")
    return found


def check_hold(found):
    if found.state == "expired":
        refuse("HOLD_EXPIRED")
    if found.state != "open":
        refuse("HOLD_NOT_OPEN")


def capture(model, event, member):
    points = model.program.points(event.get("points")) if event.get("points") else None
    found = open_hold(event, member)
    spender(member)
    check_hold(found)
    points = found.left if points is None else points
    if points > found.left:
        refuse("HOLD_TOO_SMALL")
    taken = take(member, found.lots, points)
    touch(model, event, member)
    shown_rows = lot_rows(model, member, taken)
    if not found.left:
        found.state = "closed"
    refresh(model.program, member, "capture", None, event.day)
    member.redeems[event.key] = Debit(taken, found.day)
    return {"lots": shown_rows, "left": model.points(found.left), **value_of(model, points)}


def release(model, event, member):
    found = open_hold(event, member)
    open_member(member)
    check_hold(found)
    touch(model, event, member)
    shown_rows = lot_rows(model, member, found.lots)
    end_hold(model, member, found, event.today, "closed")
    refresh(model.program, member, "release", None, event.day)
    change_tier(model.program, member, event.today, lambda: look_up(model.program, member, event.today, event.today, only_balance=True))
    return {"lots": shown_rows, "left": model.points(0)}


TABLE = {
    "purchase": purchase, "activity": activity, "profile": profile, "birthday": birthday, "adjust": adjust, "tier": tier,
    "freeze": freeze, "unfreeze": freeze, "close": close, "redeem": redeem, "hold": hold, "capture": capture, "release": release,
}
