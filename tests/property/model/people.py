"""Who members are: provisional ones, members moved in from elsewhere, referrals, consent, and erasure."""
from . import pools
from .dates import day_of
from .ladder import member_may, not_over, refuse, touch
from .lots import in_order, put, term_today
from .member import Lot, Member, Waiting
from .merging import absorb
from .nights import activate, change_tier
from .program import Pending
from .tiers import hold_tier, look_up


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
        if member.lowest_from_the_start:
            member.since = event.day
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
    for lot in event.get("lots") or []:
        not_over(event, "last_day", lot)
    not_over(event, "tier_until")
    member = newcomer(model, event)
    for lot in event.get("lots") or []:
        points = program.points(lot["points"])
        put(member, Lot(day_of(lot["last_day"]) if lot.get("last_day") else None, points, None, "opening"))
    if event.get("tier") and names.index(event.get("tier")):
        hold_tier(program, member, names.index(event.get("tier")), event.day, event.day)
        model.tiers_before[member] = program.tiers[names.index(event.get("tier"))]       # it was held before
        if event.get("tier_until"):
            member.until = day_of(event.get("tier_until"))
    member.credited = bool(event.get("lots"))
    for name, count in (event.get("counters") or {}).items():
        member.add_metric(name, event.day, int(count))
    change_tier(program, member, event.today, lambda: look_up(program, member, event.day, event.today))
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
    if model.program.referral is None:
        refuse("NOT_OFFERED", "referrer")
    if other.closed:
        refuse("MEMBER_CLOSED", "referrer")
    return other


def is_due(model, member, total):
    spec = model.program.referral
    return spec is not None and member.referrer is not None and member.referral is None and total >= model.program.money(spec["min_amount"])


def with_reward(model, member, total, done):
    """An outcome of a purchase with the friend's own reward."""
    if not is_due(model, member, total):
        return done
    points = model.program.points(model.program.referral["referee"])
    for name in ("granted", "wanted"):
        done[name] = model.points(model.program.points(done[name]) + points)
    done["grants"].append({"rule": "referee", "wanted": model.points(points), "granted": model.points(points)})
    return done


def refer(model, event, member, record):
    """The friend's first purchase of at least min_amount: who is rewarded, the friend first."""
    spec = model.program.referral
    if not is_due(model, member, record.shape.total):
        return []
    member.referral = record.referral = made = Referral(record)
    other, year = member.referrer, event.day.year
    who = [(member, spec["referee"])]
    if other is not member and not other.closed and other.referrals.get(year, 0) < int(spec.get("per_year", 10 ** 9)):
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
    if not int(spec["pending_days"]):          # who gets nothing yet is not looked at before the night
        for each, _ in who[1:]:
            change_tier(model.program, each, event.today, lambda: look_up(model.program, other, event.today, event.today, only_balance=True))
    return [each for each, _ in who]


def refer_back(model, event, member, record):
    """What is left of the purchase fell below min_amount: both rewards go.  (The friend's points, the lots they were in, who else lost)"""
    spec, made = record.program.referral, record.referral
    if made is None or made.gone or record.rest.total >= record.program.money(spec["min_amount"]):
        return 0, [], []
    made.gone = True
    taken, lots = 0, []
    for number, (each, points, waiting) in enumerate(made.rewards):
        if number > 0:
            each.referrals[record.day.year] -= 1
        if waiting in each.waiting:
            each.waiting.remove(waiting)
            took = points, []
        else:
            took = claw_reward(each, points, waiting.came, record.program.returns.get("claw_back", "unlimited"))
        if each is member:
            taken, lots = taken + took[0], lots + took[1]
    return taken, lots, [each for each, _, _ in made.rewards if each is not member]


def claw_reward(member, wanted, came, policy):
    if policy == "only_pending":
        return 0, []
    points, lots = wanted, []
    own = [lot for lot in member.lots if lot.same_terms(came)]
    for among in (own, member.lots):
        for lot in in_order(member, among):
            took = min(lot.points, points)
            if took:
                lot.points -= took
                points -= took
                lots.append(lot.part(took))
    member.lots = [lot for lot in member.lots if lot.points]
    if policy == "unlimited":
        member.debt += points
        points = 0
    return wanted - points, lots


# Consent and erasure

def consent(model, event, member):
    member_may(member)
    touch(model, event, member)
    return {}


def erase(model, event, member):
    if member.enrolled is None:
        refuse("MEMBER_PROVISIONAL")
    pools.go(member)
    for other in model.members:
        for hold in other.holds.values():
            hold.lost += sum(part.left for owner, part in hold.parts if owner is member and part.state == "open")
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
    if model.program.tiers:
        hold_tier(model.program, member, 0, member.enrolled, member.enrolled)
        member.gift = None
    member.cards, member.memberships = {}, {}
    member.metrics, member.totals, member.remainders = {}, {}, {}
    member.referrer = None             # whom it referred is rewarded alone
    for name in [name for name, other in model.aliases.items() if other is member]:
        del model.aliases[name]
    member.closed = member.erased = True
    return {}


TABLE = {"consent": consent, "erase": erase}
