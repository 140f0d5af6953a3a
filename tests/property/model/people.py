"""Who members are: provisional ones, members moved in from elsewhere, referrals, consent, and erasure."""
from . import pools
from .dates import day_of
from .ladder import member_may, refuse, touch
from .lots import in_order, put, term_today
from .member import Lot, Member, Waiting
from .merging import absorb
from .nights import activate
from .program import Pending
from .tiers import hold_tier


# Provisional members

def provisional(model, name, day, today):
    """Whoever earns under an alias that nobody has."""
    member = Member(len(model.members) + 1, [name], day, enrolled=False)
    begin(model, member, day, today)
    model.members.append(member)
    model.aliases[name] = member
    return member


def begin(model, member, day, today):
    member.rolled = today
    if model.program.tiers:
        hold_tier(model.program, member, 0, day, day)
        member.since_after = day.fromordinal(day.toordinal() - 1)     # nothing comes before


def newcomer(model, event):
    """The member that enrol or opening makes: of an alias that a provisional one has it is that one; those of other aliases merge into it."""
    names = [event.get("member")] + list(event.get("aliases") or [])
    found = [model.aliases.get(name) for name in names]
    if any(other is not None and other.enrolled is not None for other in found):
        refuse("ALREADY_EXISTS", "member")
    member = found[0]
    if member is None:
        member = Member(len(model.members) + 1, names, event.day)
        begin(model, member, event.day, event.today)
        model.members.append(member)
    else:
        member.enrolled = event.day
        member.clock = max(member.clock, event.day)
    for other in found[1:]:
        if other is not None and other is not member and not other.closed:
            absorb(model, member, other, event)
    for name in names:
        model.aliases[name] = member
    return member


def opening(model, event):
    program = model.program
    names = [tier.id for tier in program.tiers]
    if event.get("tier") and event.get("tier") not in names:
        refuse("NOT_FOUND", "tier")
    member = newcomer(model, event)
    for lot in event.get("lots") or []:
        points = program.points(lot["points"])
        put(member, Lot(day_of(lot["last_day"]) if lot.get("last_day") else None, points, None, "opening"))
    if event.get("tier") and names.index(event.get("tier")):
        hold_tier(program, member, names.index(event.get("tier")), event.day, event.day)
        if event.get("tier_until"):
            member.until = day_of(event.get("tier_until"))
    for name, count in (event.get("counters") or {}).items():
        member.add_metric(name, event.day, int(count))
    return member, {}


# Referrals

class Referral:
    def __init__(self, record):
        self.record = record           # the purchase that made it due
        self.rewards = []              # [(member, points, Waiting or None, terms)]
        self.gone = False


def referrer_of(model, event):
    """Who referred a member that enrols; tested before anything changes."""
    name = event.get("referrer")
    if name is None:
        return None
    other = model.aliases.get(name)
    if name == event.get("member") or name in (event.get("aliases") or []):
        refuse("SELF_REFERRAL", "referrer")
    if other is None:
        refuse("NOT_FOUND", "referrer")
    if other is model.aliases.get(event.get("member")):
        refuse("SELF_REFERRAL", "referrer")
    return other


def refer(model, event, member, record):
    """The friend's first purchase of at least min_amount."""
    spec = model.program.referral
    if spec is None or member.referrer is None or member.referral is not None or record.shape.total < model.program.money(spec["min_amount"]):
        return []
    member.referral = made = Referral(record)
    other, year = member.referrer, event.day.year
    who = [(member, spec["referee"])]
    if not other.closed and other.referrals.get(year, 0) < int(spec["per_year"]):
        other.referrals[year] = other.referrals.get(year, 0) + 1
        who.append((other, spec["referrer"]))
    for each, points in who:
        points = model.program.points(points)
        each.events += 1
        waiting = Waiting(points, event.day, Pending({"days": spec["pending_days"]}), term_today(model.program, each), None, (each.events, "", ""))
        waiting.kind = "referral"
        each.waiting.append(waiting)
        if not int(spec["pending_days"]):
            activate(each, [waiting], event.day)
        made.rewards.append((each, points, waiting))
    return [each for each, _ in who]


def refer_back(model, event, member, record):
    """What is left of the purchase fell below min_amount: both rewards go."""
    spec, made = record.program.referral, member.referral
    if made is None or made.record is not record or made.gone or record.rest.total >= record.program.money(spec["min_amount"]):
        return []
    made.gone = True
    for each, points, waiting in made.rewards:
        if waiting in each.waiting:
            each.waiting.remove(waiting)
        else:
            claw_reward(each, points, record.program.returns.get("claw_back", "unlimited"))
    return [each for each, _, _ in made.rewards]


def claw_reward(member, points, policy):
    if policy == "only_pending":
        return
    own = [lot for lot in member.lots if lot.kind == "referral"]
    for among in (own, member.lots):
        for lot in in_order(member, among):
            took = min(lot.points, points)
            lot.points -= took
            points -= took
    member.lots = [lot for lot in member.lots if lot.points]
    if policy == "unlimited":
        member.debt += points


# Consent and erasure

def consent(model, event, member):
    member_may(member)
    touch(model, event, member)
    return {}


def erase(model, event, member):
    member_may(member)
    pools.go(member)
    for hold in member.holds.values():
        if hold.state == "open":
            for owner, part in hold.parts:
                for lot in part.lots:
                    put(owner, lot)
                part.lots, part.state = [], "closed"
            hold.state, hold.lots = "closed", []
    member.lots, member.waiting, member.debt, member.advanced = [], [], 0, 0
    for voucher in member.vouchers:
        if voucher.state in ("issued", "held"):
            voucher.state = "revoked"
    member.cards = {}
    for other in model.members:
        if other.referrer is member:
            other.referrer = None
    member.referrer = None
    for name in [name for name, other in model.aliases.items() if other is member]:
        del model.aliases[name]
    member.closed = member.erased = True
    return {}


TABLE = {"consent": consent, "erase": erase}
