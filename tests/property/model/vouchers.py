"""Vouchers: issuing, revoking and ending them, and auto-redeem, which buys them by itself.  What members do with them is in spending.py."""
from .lots import take
from .member import Voucher


def issue(model, member, name, day, source, last=None):
    """Usable through `last`, or as long as the voucher's own `valid` says."""
    kind = model.program.vouchers[name]
    voucher = Voucher(name, last or kind.valid.last_day(day), source, kind.value)
    voucher.key, voucher.number = model.key, len(model.all_issued)
    model.all_issued.append(voucher)
    member.vouchers.append(voucher)
    model.issued.append((member, name))
    return voucher


def revoke(model, member, voucher):
    """Its hold is over with it."""
    for hold in member.holds.values():
        if hold.voucher is voucher and hold.state == "open":
            hold.state = "closed"
    for hold in member.holds.values():
        if hold.voucher is voucher and hold.state == "open":
            hold.state = "closed"
    voucher.state = "revoked"
    model.revoked.append((member, voucher.id))


def expire_vouchers(member, today):
    for voucher in member.vouchers:
        if voucher.state == "issued" and voucher.last is not None and voucher.last < today:
            voucher.state = "expired"


def usable(member):
    return sorted(voucher.id for voucher in member.vouchers if voucher.state == "issued")


# Held ones

def let_go(member, hold, today):
    """A hold of a voucher ends without a capture."""
    if hold.voucher is not None and hold.voucher.state == "held":
        hold.voucher.state = "issued"
        expire_vouchers(member, today)


def leave_hold(member, today):
    """expire_at_once: a voucher leaves its hold at its own midnight."""
    for hold in member.holds.values():
        voucher = hold.voucher
        if hold.state == "open" and voucher is not None and voucher.last is not None and voucher.last < today:
            voucher.state, hold.state = "expired", "expired"


# By itself

def auto_redeem(model, member, day, tier):
    """As often as there is enough; `tier` is the one that was held before the event."""
    spec = model.program.auto_redeem
    if spec is None or member.frozen or member.closed or member.enrolled is None:
        return
    if spec.get("tiers") and (tier is None or tier.id not in spec["tiers"]):
        return
    at = model.program.points(spec["at"])
    while member.available >= at:
        take(member, member.lots, at)
        issue(model, member, spec["voucher"], day, ("auto_redeem",))
