"""What an event earns: the conditions that hold, and then, from those alone, the components with their wanted and granted points.

`conditions()` looks at the member; `evaluate()` looks only at the amounts and lines, at what conditions() found and at the room that
caps had, so that a return can ask it again about what is left of a purchase."""
import copy
from fractions import Fraction
import math

from .dates import add_months, day_of
from .program import WEEKDAYS


class Shape:
    """The amounts of an event: total, the part paid with points, and lines as [sku, category, qty, amount]."""

    def __init__(self, on, total=0, paid=0, lines=(), qty=1):
        self.on = on
        self.total = total
        self.paid = paid
        self.lines = [list(line) for line in lines]
        self.qty = qty

    def copy(self):
        return Shape(self.on, self.total, self.paid, self.lines, self.qty)

    def part(self, rule, within=None):
        """(eligible amount, quantity) of a rule; `within` is a rule whose lines alone count."""
        if self.on != "purchase":
            return self.total, self.qty
        lines = self.lines
        narrowed = rule.selects or within is not None and within.selects
        for chooser in (rule, within):
            if chooser is None:
                continue
            if chooser.categories:
                lines = [line for line in lines if line[1] in chooser.categories]
            if chooser.skus:
                lines = [line for line in lines if line[0] in chooser.skus]
        excluded = [line for line in lines if any(c and line[1] in (c.exclude or ()) for c in (rule, within))]
        lines = [line for line in lines if line not in excluded]
        if narrowed:
            amount = sum(line[3] for line in lines)
            amount -= self.paid * amount // self.total if self.total else 0
        else:
            amount = self.total - sum(line[3] for line in excluded) - self.paid
        return max(amount, 0), sum(line[2] for line in lines)


class Component:
    def __init__(self, name, rule, wanted):
        self.name = name
        self.rule = rule
        self.wanted = wanted       # before caps
        self.granted = wanted
        self.terms_of = None       # the rule whose pending and expiry hold


class Earned:
    def __init__(self):
        self.components = []
        self.counters = {}
        self.remainders = {}
        self.amounts = {}          # rule id → what it covers of the amount
        self.fired = set()         # ids of rules that gave something
        self.rejected = set()      # names of components that a cap rejected
        self.gave = set()          # names of components that wanted something, be it less than a unit
        self.gifts = []            # of voucher rules, one each

    @property
    def wanted(self):
        return sum(component.wanted for component in self.components)

    @property
    def granted(self):
        return sum(component.granted for component in self.components)


class Context:
    """Everything but amounts that an evaluation depends on, fixed when the event happened."""

    def __init__(self, held, tier, used, day, day_room, remainders, memberships=()):
        self.held = held           # ids of the rules whose conditions, but for amounts, hold
        self.tier = tier
        self.used = used           # cap key → use before the event
        self.day = day
        self.day_room = day_room   # of limits.earn_per_day, or None
        self.remainders = remainders
        self.memberships = memberships     # those that run
        self.past = None           # the first result, when what is left of the event is evaluated

    def again(self, result):
        """For what is left of the event; rules that carry give nothing then, a return takes their points back by steps."""
        context = copy.copy(self)
        context.past = result
        return context


def conditions(program, member, event, tier_id):
    """The ids of the rules of this event's kind whose conditions hold; those on amounts are evaluate()'s."""
    return {rule.id for rule in program.rules if rule.on == event.on and holds(program, member, event, tier_id, rule)}


def holds(program, member, event, tier_id, rule):
    when, local = rule.when, event.local
    if "activity" in when and event.activity != when["activity"]:
        return False
    if "stores" in when and event.store not in when["stores"]:
        return False
    if "tiers" in when and tier_id not in when["tiers"]:
        return False
    if "partners" in when and event.get("partner") not in when["partners"]:
        return False
    if "membership" in when and when["membership"] not in event.memberships:
        return False
    if "segments" in when and not set(when["segments"]) & set(member.segments):
        return False
    if "weekdays" in when and WEEKDAYS[local.weekday()] not in when["weekdays"]:
        return False
    if "hours" in when and not hours_hold(when["hours"], local):
        return False
    if "from" in when and event.day < day_of(when["from"]):
        return False
    if "until" in when and event.day > day_of(when["until"]):
        return False
    if str(when.get("first_purchase", False)).lower() == "true" and member.purchases_accepted:
        return False
    if "member_days_min" in when and (member.enrolled is None or (event.day - member.enrolled).days < int(when["member_days_min"])):
        return False
    if rule.min_gap is not None and any(abs(event.occurred - other) < rule.min_gap for other in member.fired.get(rule.id, ())):
        return False
    if "previous_month_spend" in when and not previous_month_holds(program, member, event, when["previous_month_spend"]):
        return False
    return True


def hours_hold(text, local):
    begin, end = (int(part[:2]) * 60 + int(part[3:]) for part in text.split("-"))
    now = local.hour * 60 + local.minute
    if begin <= end:
        return begin <= now < end
    return now >= begin or now < end


def previous_month_holds(program, member, event, spec):
    waive = int(spec.get("waive_months") or 0) if member.enrolled else 0
    months = waive and (event.day.year - member.enrolled.year) * 12 + event.day.month - member.enrolled.month
    if 0 <= months < waive:
        return True
    before = add_months(event.day.replace(day=1), -1)
    spent = sum(n for day, n in member.metrics.get("spend", {}).items() if (day.year, day.month) == (before.year, before.month))
    return spent >= program.money(spec["min"])


def amount_holds(shape, rule):
    amount, _ = shape.part(rule)
    if shape.on == "purchase" and amount == 0:
        return False
    if rule.min_amount is not None and amount < rule.min_amount:
        return False
    return rule.max_amount is None or amount <= rule.max_amount


def evaluate(program, shape, context):
    earned = Earned()
    rules = [rule for rule in program.rules if rule.id in context.held and amount_holds(shape, rule)]
    bases = base_components(program, shape, context, rules, earned)
    gave = {component.name for component in context.past.components if component.wanted} if context.past else ()
    first = next((base.rule for base in bases if base.wanted or (base.rule.carries and base.rule.id in gave)), None)
    earned.components += bases
    earned.components += shares(program, shape, context, rules, bases, first)
    for rule in rules:
        if rule.kind == "bonus":
            amount, qty = shape.part(rule)
            points = measure(program, rule, amount, qty, context, earned)
            earned.amounts[rule.id] = amount
            if rule.carries and context.past is not None:
                points = 0
            component = Component(rule.id, rule, points if program.once else program.round(points))
            component.terms_of = rule
            earned.components.append(component)
    earned.gave = {component.name for component in earned.components if component.wanted}
    apply_caps(program, context, earned)
    if program.once:
        cumulate(program, earned.components, "wanted")
        cumulate(program, earned.components, "granted")
    clip_day(context, earned)
    for rule in rules:
        if rule.kind == "counter":
            name, add, per = rule.counter
            count = shape.part(rule)[1] if per == "item" or shape.on == "activity" else 1
            if add * count:
                earned.counters[name] = earned.counters.get(name, 0) + add * count
                earned.fired.add(rule.id)
        if rule.kind == "voucher":
            earned.gifts.append(Component(rule.id, rule, 1))
    give(context, earned)
    earned.fired |= {component.rule.id for component in earned.components + earned.gifts if component.rule and component.granted > 0}
    return earned


def measure(program, rule, amount, qty, context, earned, carry=True):
    """The exact points of a base rule or bonus for an amount and a quantity."""
    if rule.fixed is not None:
        return rule.fixed
    if rule.per_item is not None:
        return rule.per_item * qty
    step, points = rule.per_amount
    if not rule.whole_steps:
        return Fraction(points * amount, step)
    before = 0
    if rule.carries and carry and context.past is None:
        before = context.remainders.get(rule.id, 0)
        earned.remainders[rule.id] = (before + amount) % step
    return (before + amount) // step * points


def base_components(program, shape, context, rules, earned, within=None):
    """Base rules by priority; those that replace are evaluated first, and take their amount off the rule they replace."""
    bases = [rule for rule in rules if rule.kind == "base"]
    taken, points = {}, {}
    context.reserved = {}
    for rule in sorted(bases, key=lambda rule: (rule.replaces is None, rule.priority)):
        amount, qty = shape.part(rule, within)
        if rule.replaces is None:
            amount = max(amount - taken.get(rule.id, 0), 0)
        if shape.on == "purchase" and amount == 0:
            points[rule.id] = 0
            continue
        exact = measure(program, rule, amount, qty, context, earned, carry=within is None)
        keep = amount
        room = fallback_room(rule, context) if within is None else None     # shares are taken before caps
        if room is not None and program.round(exact) > room:
            keep = min(fitting_amount(program, rule, room, context), amount)
            exact = measure(program, rule, keep, qty, context, earned, carry=within is None)
        if rule.replaces is not None:
            taken[rule.replaces] = taken.get(rule.replaces, 0) + keep
            reserve(rule, context, program.round(exact))
        points[rule.id] = exact if program.once else program.round(exact)
        if rule.carries and context.past is not None:
            points[rule.id] = 0
        if within is None:
            earned.amounts[rule.id] = keep
    context.reserved = {}
    result = []
    for rule in bases:
        component = Component(rule.id, rule, points[rule.id])
        component.terms_of = rule
        result.append(component)
    return result


def fallback_room(rule, context):
    rooms = []
    for cap in rule.caps:
        if cap.over == "fallback":
            key = cap.key(context.day)
            used = context.used.get(key, 0) + getattr(context, "reserved", {}).get(key, 0)
            left = cap.limit - used
            rooms.append((left if cap.points is not None else (10 ** 18 if left > 0 else 0)))
    return max(min(rooms), 0) if rooms else None


def reserve(rule, context, points):
    """What a replacing rule takes of a shared cap is gone for the next one of the same event."""
    if not hasattr(context, "reserved"):
        context.reserved = {}
    for cap in rule.caps:
        key = cap.key(context.day)
        left = max(cap.limit - context.used.get(key, 0) - context.reserved.get(key, 0), 0)
        if cap.points is not None and points > left:
            points = 0 if cap.over == "reject" else left
        elif cap.points is None and not left:
            points = 0
        if points:
            context.reserved[key] = context.reserved.get(key, 0) + (points if cap.points is not None else 1)


def fitting_amount(program, rule, room, context):
    """The smallest amount whose rounded points reach the room; with whole steps, as many as fit."""
    step, points = rule.per_amount
    if rule.whole_steps:
        before = context.remainders.get(rule.id, 0) if rule.carries and context.past is None else 0
        return max(room // points * step - before, 0)
    low, high = 0, (room + 1) * step // points + step
    while low < high:
        middle = (low + high) // 2
        if program.round(Fraction(points * middle, step)) >= room:
            high = middle
        else:
            low = middle + 1
    return low


def shares(program, shape, context, rules, bases, first, best=True):
    """The shares of the tier and of multiplier rules, in their order.  Under `multiply` a share is taken from what the multipliers
    before it that reach its lines made of its base: those for everything, and those of the very same selection."""
    total = sum(component.wanted for component in bases)
    carried = any(rule.carries for rule in program.rules if rule.id in context.held)
    factors = []
    if context.tier is not None and context.tier.multiplier != 1:
        factors.append(("tier:" + context.tier.id, None, context.tier.multiplier, total))
    for membership in context.memberships:
        if membership.multiplier != 1:
            factors.append(("membership:" + membership.id, None, membership.multiplier, total))
    for rule in rules:
        if rule.kind == "multiplier":
            base = total
            if rule.selection is not None:
                alone = base_components(program, shape, context, rules, Earned(), within=rule)
                base = sum(component.wanted for component in alone)
            factors.append((rule.id, rule, rule.multiply, base))
    result, chain = [], []
    cut = (lambda value: value) if program.once else program.round
    for name, rule, factor, base in factors:
        selection = rule.selection if rule else None
        if program.stacking == "multiply":
            before = math.prod((other for of, other in chain if of is None or of == selection), start=Fraction(1))
            share = cut(base * before * factor) - cut(base * before)
            chain.append((selection, factor))
        else:
            share = cut(base * (factor - 1))
        component = Component(name, rule, share)
        component.terms_of = rule
        component.first = first
        result.append(component)
    if program.stacking == "best" and best and result:
        was = [component for component in result if context.past and component.name in {each.name for each in context.past.components}]
        result = was if was and carried else [max(result, key=lambda component: component.wanted)]
    return result


def apply_caps(program, context, earned):
    """Each component under its own rule's caps, the most specific first; a group's use adds up within the event too."""
    used = {}
    rejected = set()
    for component in earned.components:
        granted = component.wanted
        caps = component.rule.caps if component.rule else []
        for cap in caps:
            key = cap.key(context.day)
            left = cap.limit - context.used.get(key, 0) - used.get(key, 0)
            if cap.count is not None:
                granted = granted if left > 0 else 0
            elif granted > left:
                granted = 0 if cap.over == "reject" else max(left, 0)
                if cap.over == "reject":
                    rejected.add(component.name)
        if context.past is not None and component.name in context.past.rejected:
            granted = 0
        component.granted = granted
        for cap in caps:
            if granted > 0:
                key = cap.key(context.day)
                used[key] = used.get(key, 0) + (1 if cap.count is not None else granted)
    earned.rejected = rejected


def give(context, earned):
    """Vouchers, each as far as the counts of its rule's caps let it."""
    for gift in earned.gifts:
        if any(context.used.get(cap.key(context.day), 0) >= cap.limit for cap in gift.rule.caps):
            gift.granted = 0


def cumulate(program, components, field):
    """Rounded once: the sum is rounded, and a component has what its coming adds to the rounded sum."""
    exact, rounded = 0, 0
    for component in components:
        exact += getattr(component, field)
        now = program.round(exact)
        setattr(component, field, now - rounded)
        rounded = now


def clip_day(context, earned):
    if context.day_room is None:
        return
    over = earned.granted - max(context.day_room, 0)
    for component in reversed(earned.components):
        if over <= 0:
            break
        cut = min(over, component.granted)
        component.granted -= cut
        over -= cut
