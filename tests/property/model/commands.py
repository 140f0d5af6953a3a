"""Every command but returns and reversals: a function of (model, event, member) that changes the member and returns the outcome's
keys, or raises Refusal before it changed anything."""
from . import birthdays, earning, people, pools, stamps, vouchers
from .dates import day_of, decimal
from .ladder import member_may, not_over, open_member, refuse, touch
from .lots import credit, credit_all, make_lot, pay_debt, put, refresh, rows, take, term_today
from .member import Lot, Waiting
from .merging import absorb
from .nights import activate, change_tier
from .tiers import look_up, shown


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
    if event.op in ("purchase", "quote"):
        total = decimal(event.get("amount", "0"), 18)
        if decimal(event.get("paid_with_points", "0"), 18) > total:
            refuse("INVALID_ARGUMENT", "paid_with_points")
        if sum(decimal(line["amount"], 18) for line in event.get("lines") or []) > total:
            refuse("INVALID_ARGUMENT", "lines")


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
        self.gifts = []            # [(rule id, voucher)]
        self.referral = None       # people.Referral, when it made one due
        self.stamps = {}           # card → stamps.Stamped
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
    held = earning.conditions(program, member, event, tier_id(program, member))
    room = None if program.earn_per_day is None else program.earn_per_day - member.earned_on.get(event.day, 0)
    running = [kind for name, kind in program.memberships.items() if name in event.memberships]
    context = earning.Context(held, tier, used_before(model, program, member, event.day), event.day, room, dict(member.remainders), running)
    return context, earning.evaluate(program, shape, context)


def use_memberships(program, member, event, shape, result):
    """A benefit is used when an event got a membership's multiplier, or met `when.membership`."""
    held = earning.conditions(program, member, event, tier_id(program, member))
    met = {rule.when.get("membership") for rule in program.rules if rule.id in held and earning.amount_holds(shape, rule)}
    for name in event.memberships:
        if "membership:" + name in result.gave or name in met:
            member.memberships[name].used.append(event.today)


def tier_id(program, member):
    tier = shown(program, member)
    return tier.id if tier else None


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
    use_caps(model, member, result.components + result.gifts, event.day)
    use_memberships(program, member, event, shape, result)
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
    for gift in result.gifts:
        if gift.granted:
            voucher = vouchers.issue(model, member, gift.rule.voucher, event.day, ("rule", gift.name))
            if record:
                record.gifts.append((gift.name, voucher))
    for name, count in result.counters.items():
        member.add_metric(name, event.day, count)
    return record, result


def check_partner(model, event):
    if event.get("partner") is not None and event.get("partner") not in model.program.partners:
        refuse("NOT_FOUND", "partner")


def shape_of(model, event):
    money = model.program.money
    lines = [(line.get("sku"), line.get("category"), int(line.get("qty", 1)), money(line["amount"])) for line in event.get("lines") or []]
    if event.op == "activity":
        return earning.Shape("activity", money(event.get("amount", "0")), qty=int(event.get("qty", 1)))
    total = money(event.get("amount", "0"))
    if total < 0 or any(line[3] < 0 for line in lines) or sum(line[3] for line in lines) > total:
        refuse("INVALID_ARGUMENT", "lines")
    return earning.Shape(event.on, total, money(event.get("paid_with_points", "0")), lines)


def purchase(model, event, member):
    check_partner(model, event)
    shape = shape_of(model, event)
    open_member(member)
    touch(model, event, member)
    member.posted = []
    tier = shown(model.program, member)
    stamped = stamps.stamp(model, event, member, shape, tier)
    record, result = earn(model, event, member, shape, source=True)
    record.stamps = stamped
    refresh(model.program, member, "purchase", None, event.day)
    member.add_metric("spend", event.day, shape.total)
    member.add_metric("visits", event.day, 1)
    member.purchases_accepted += 1
    member.purchases[event.key] = record
    record.terms += member.posted
    done = people.with_reward(model, member, shape.total, outcome(model, result))
    others = people.refer(model, event, member, record)
    member.posted = []
    change_tier(model.program, member, event.today, lambda: look_up(model.program, member, event.day, event.today))
    record.terms += member.posted
    return {**done, **stamp_keys(stamped), "_others": [other for other in others if other is not member]}


def stamp_keys(stamped):
    return {"stamps_wanted": {name: one.wanted for name, one in stamped.items()},
            "stamps_granted": {name: one.granted for name, one in stamped.items()}}


def activity(model, event, member):
    check_partner(model, event)
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
    referrer = people.referrer_of(model, event)
    member = people.newcomer(model, event)
    member.segments = event.get("segments") or []
    member.referrer = referrer
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
        if model.aliases.get(name, member) is not member and model.aliases[name].enrolled is not None:
            refuse("ALREADY_EXISTS", "add_aliases")
    member_may(member)
    touch(model, event, member)
    if event.get("segments") is not None:
        member.segments = list(event.get("segments"))
    birth(event, member)
    for name in event.get("add_aliases") or []:
        other = model.aliases.get(name, member)
        if other is not member:
            absorb(model, member, other, event)
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
    member_may(member)
    if found is None or not birthdays.allowed(program, member, *found) or not birthdays.requires_met(program, member, event.day):
        refuse("NOT_ELIGIBLE")
    touch(model, event, member)
    granted = birthdays.grant(model, member, *found, event.day)
    if granted is None:
        return {}
    points = model.points(granted)
    return {"granted": points, "wanted": points, "grants": [{"rule": "birthday", "wanted": points, "granted": points}]}


# Points by hand, tiers, standing

def adjust(model, event, member):
    program = model.program
    points = program.points(event.get("points"))
    not_over(event, "last_day")
    member_may(member)
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
    not_over(event, "until")
    member_may(member)
    touch(model, event, member)
    until = day_of(event.get("until")) if event.get("until") else None

    def change():
        member.gift = (name, until) if name else None
    change_tier(program, member, event.today, change)
    return {}


def freeze(model, event, member):
    member_may(member)
    touch(model, event, member)
    member.frozen = event.op == "freeze"
    return {}


def close(model, event, member):
    member_may(member)
    if member.available or member.pending or member.held or member.debt:
        refuse("NOT_ELIGIBLE")
    member.closed = True
    pools.go(member)
    return {}


TABLE = {
    "purchase": purchase, "activity": activity, "profile": profile, "birthday": birthday, "adjust": adjust, "tier": tier,
    "freeze": freeze, "unfreeze": freeze, "close": close,
}
