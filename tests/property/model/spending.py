"""Spending: redemption and holds of points, of one's own or of a pool's; vouchers; and rewards, which sell vouchers for points."""
from . import pools
from .commands import check_partner
from .dates import SECOND, duration, instant_text
from .ladder import member_may, refuse, spender, touch
from .lots import FAR, refresh, rows, take
from .member import Hold
from .nights import change_tier, end_hold
from .program import period_key
from .tiers import look_up, shown
from .vouchers import issue, revoke


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
    """What a redeem or a capture took, of whom, and how much of it was given back."""

    def __init__(self, taken, day):
        self.day = day                 # for whose limit it counts
        self.taken = [(owner, lot.part(lot.points)) for owner, lot in taken]


def take_points(event, member, points):
    """[(owner, lot)] of the member alone, or of its pool."""
    taken = pools.take_from(pools.owners(member) if event.get("pool") else [member], points)
    if taken is None:
        refuse("INSUFFICIENT_POINTS")
    return taken


def owner_rows(model, taken):
    sums = {}
    for owner, lot in taken:
        for last, points in rows(owner, [lot]):
            sums[last] = sums.get(last, 0) + points
    return [{"last_day": last.isoformat() if last else None, "points": model.points(points)} for last, points in sums.items()]


def others_of(member, taken):
    return {"_others": [owner for owner in dict.fromkeys(owner for owner, _ in taken) if owner is not member]}


def redeem(model, event, member):
    check_partner(model, event)
    pools.check(model, event, member)
    if event.get("reward") is not None:
        return redeem_reward(model, event, member)
    points = model.program.points(event.get("points"))
    redemption_of(model)
    spender(member)
    points = check_redemption(model, event, points)
    check_day(model, event, member, points)
    taken = take_points(event, member, points)
    touch(model, event, member)
    shown_rows = owner_rows(model, taken)
    refresh(model.program, member, "redeem", None, event.day)
    count_redeemed(model, event, member, points)
    member.redeems[event.key] = Debit(taken, event.day)
    return {"lots": shown_rows, **value_of(model, points), **others_of(member, taken)}


def hold(model, event, member):
    check_partner(model, event)
    pools.check(model, event, member)
    if event.get("voucher") is not None:
        return hold_voucher(model, event, member)
    points = model.program.points(event.get("points"))
    program = redemption_of(model)
    ttl = duration(event.get("ttl")) if event.get("ttl") else program.default_ttl
    if not SECOND <= ttl <= program.max_ttl:
        refuse("INVALID_ARGUMENT", "ttl")
    spender(member)
    check_redemption(model, event, points)
    check_day(model, event, member, points)
    taken = take_points(event, member, points)
    made = pools.hold_of(member, event.key, event.now + ttl, taken, event.day)
    touch(model, event, member)
    shown_rows = owner_rows(model, taken)
    refresh(program, member, "hold", None, event.day)
    member.holds[event.key] = made
    count_redeemed(model, event, member, points)
    return {"lots": shown_rows, "left": model.points(points), "ends_at": instant_text(made.ends), **others_of(member, taken)}


def open_hold(event, member):
    found = member.holds.get(event.get("hold"))
    if found is None or found.ends is None:
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
    if found.voucher is not None and points is not None:
        refuse(("INVALID_ARGUMENT", "HOLD_EXPIRED", "HOLD_NOT_OPEN", "MEMBER_CLOSED", "MEMBER_FROZEN"), "points")
    if found.voucher is not None and found.state == "open" and points is not None:
        refuse("INVALID_ARGUMENT", "points")
    spender(member)
    check_hold(found)
    if found.voucher is not None:
        return capture_voucher(model, event, member, found)
    points = found.whole if points is None else points
    if points > found.whole:
        refuse("HOLD_TOO_SMALL")
    taken = pools.capture_from(member, found, points)
    touch(model, event, member)
    shown_rows = owner_rows(model, taken)
    if not found.whole:
        found.state = "closed"
        member.redeemed_on[found.day] = member.redeemed_on.get(found.day, 0) - found.lost
    refresh(model.program, member, "capture", None, event.day)
    member.redeems[event.key] = Debit(taken, found.day)
    return {"lots": shown_rows, "left": model.points(found.whole), **value_of(model, points), **others_of(member, taken)}


def release(model, event, member):
    found = open_hold(event, member)
    member_may(member)
    check_hold(found)
    touch(model, event, member)
    back = [(member, lot) for lot in found.lots] + [(owner, lot) for owner, part in found.parts for lot in part.lots]
    shown_rows = owner_rows(model, back)
    for owner, _ in back:
        owner.credited = True
    end_hold(model, member, found, event.today, "closed")
    refresh(model.program, member, "release", None, event.day)
    change_tier(model.program, member, event.today, lambda: look_up(model.program, member, event.today, event.today, only_balance=True))
    return {"lots": shown_rows, "left": model.points(0), **others_of(member, back)}


# Vouchers

def choose(model, member, name):
    """(the voucher that ends first, None) or (None, reasons that fit)."""
    mine = [voucher for voucher in member.vouchers if voucher.id == name]
    open_ones = [voucher for voucher in mine if voucher.state == "issued"]
    if open_ones:
        return min(open_ones, key=lambda voucher: (voucher.last or FAR, voucher.number)), None
    reasons = {"used": "ALREADY_USED", "expired": "VOUCHER_EXPIRED", "held": "ALREADY_USED", "revoked": "NOT_FOUND"}
    found = {reasons[voucher.state] for voucher in mine}
    for reason in ("ALREADY_USED", "VOUCHER_EXPIRED"):
        if reason in found:
            return None, reason
    return None, "NOT_FOUND"


def named(model, event, member):
    """The voucher that a command names and no reason, or what stands against it."""
    voucher, reason = choose(model, member, event.get("voucher"))
    if reason == "NOT_FOUND":
        refuse("NOT_FOUND", "voucher")
    model.chosen[event.key] = voucher
    return voucher, reason


def voucher_use(model, event, member):
    voucher, reason = named(model, event, member)
    spender(member)
    if reason == "ALREADY_USED" and event.get("offline"):
        return {"conflict": True}
    if reason:
        refuse(reason)
    voucher.state = "used"
    touch(model, event, member)
    return {}


def voucher_void(model, event, member):
    voucher, reason = named(model, event, member)
    member_may(member)
    if reason:
        refuse(reason)
    revoke(model, member, voucher)
    touch(model, event, member)
    return {}


def hold_voucher(model, event, member):
    voucher, reason = named(model, event, member)
    ttl = duration(event.get("ttl")) if event.get("ttl") else model.program.default_ttl
    if not SECOND <= ttl <= model.program.max_ttl:
        refuse("INVALID_ARGUMENT", "ttl")
    spender(member)
    if reason:
        refuse(reason)
    voucher.state = "held"
    made = Hold(event.key, event.now + ttl, [], event.day)
    made.voucher = voucher
    member.holds[event.key] = made
    touch(model, event, member)
    return {"ends_at": instant_text(made.ends)}


def capture_voucher(model, event, member, found):
    found.voucher.state = "used"
    found.state = "closed"
    member.redeems[event.key] = Debit([], found.day)
    member.redeems[event.key] = Debit([], found.day)        # with nothing to reverse
    touch(model, event, member)
    return {}


# Rewards

def redeem_reward(model, event, member):
    program = model.program
    reward = program.rewards.get(event.get("reward"))
    if not program.rewards:
        refuse("NOT_OFFERED", "reward")
    if reward is None:
        refuse("NOT_FOUND", "reward")
    spender(member)
    tier = shown(program, member)
    if reward.tiers and (tier is None or tier.id not in reward.tiers):
        refuse("NOT_ELIGIBLE")
    if reward.first and event.day < reward.first or reward.last and event.day > reward.last:
        refuse("NOT_ELIGIBLE")
    key = None
    if reward.per_member:
        key = reward.id, reward.per_member["per"], period_key(reward.per_member["per"], event.day)
        if member.rewards_used.get(key, 0) >= int(reward.per_member["count"]):
            refuse("CAP_REACHED")
    check_day(model, event, member, reward.cost)
    if reward.stock is not None and model.sold.get(reward.id, 0) >= reward.stock:
        refuse("OUT_OF_STOCK")
    if reward.cost > member.available:
        refuse("INSUFFICIENT_POINTS")
    taken = take(member, member.lots, reward.cost)
    touch(model, event, member)
    rows = owner_rows(model, [(member, lot) for lot in taken])
    refresh(program, member, "redeem", None, event.day)
    count_redeemed(model, event, member, reward.cost)
    if key:
        member.rewards_used[key] = member.rewards_used.get(key, 0) + 1
    model.sold[reward.id] = model.sold.get(reward.id, 0) + 1
    issue(model, member, reward.voucher, event.day, ("reward", reward.id))
    member.redeems[event.key] = Debit([(member, lot) for lot in taken], event.day)
    return {"lots": rows}


TABLE = {"redeem": redeem, "hold": hold, "capture": capture, "release": release, "voucher_use": voucher_use, "voucher_void": voucher_void}
