"""Memberships: what runs today, and the three commands."""
import datetime as dt

from .dates import DAY, add_months
from .ladder import member_may, refuse, touch


class Holding:
    """One membership of one member.  All of it follows from dates: nothing has to be done at night."""

    def __init__(self, kind, day, trial):
        self.kind = kind
        self.trial_end = day + dt.timedelta(days=kind.trial_days) if trial else None      # the first day after it
        self.anchor = self.trial_end or day
        self.paid = 0 if trial else 1  # periods
        self.over = None               # the first day without, once it is cancelled
        self.last = None               # the day of a cancellation that ended it at once
        self.used = []                 # days on which a benefit was used

    def begins(self, period):
        return add_months(self.anchor, period * self.kind.months)

    def paid_to(self):
        """The first day that nothing was paid for."""
        return self.begins(self.paid)

    def ends(self):
        """The first day without benefits, as things stand."""
        if self.over is not None:
            return self.over
        if self.paid == 0:
            return self.trial_end
        return self.paid_to() + dt.timedelta(days=self.kind.grace_days)

    def state(self, today):
        if today >= self.ends():
            return "ended"
        if self.trial_end is not None and today < self.trial_end:
            return "trial"
        return "active" if today < self.paid_to() else "grace"

    def until(self, today):
        """The last day of what is paid, or of the grace that runs."""
        if self.last is not None:
            return self.last
        if self.over is not None or self.state(today) in ("grace", "ended"):
            return self.ends() - DAY
        return self.paid_to() - DAY

    def period_start(self, today):
        """Of what is paid: during a trial, of what comes after it."""
        period = 0
        while self.begins(period + 1) <= today:
            period += 1
        return self.begins(period)


def running(member, today):
    return [name for name, held in member.memberships.items() if held.state(today) != "ended"]


def block(member, today):
    held = member.memberships
    return {"membership": {name: one.state(today) for name, one in held.items()},
            "membership_until": {name: one.until(today).isoformat() for name, one in held.items()}}


def kind_of(model, event):
    kind = model.program.memberships.get(event.get("membership"))
    if not model.program.memberships:
        refuse("NOT_OFFERED", "membership")
    if kind is None:
        refuse("NOT_FOUND", "membership")
    return kind


def start(model, event, member):
    kind = kind_of(model, event)
    held = member.memberships.get(kind.id)
    if held is not None and held.state(event.today) != "ended":
        refuse("ALREADY_EXISTS", "membership")
    trial = event.get("trial", False)
    if trial and not kind.trial_days:
        refuse("NOT_OFFERED")
    member_may(member)
    if trial and member.tried:
        refuse("ALREADY_USED")
    member.tried |= trial
    member.memberships[kind.id] = Holding(kind, event.day, trial)
    touch(model, event, member)
    return {}


def held_of(model, event, member):
    kind = kind_of(model, event)
    held = member.memberships.get(kind.id)
    if held is None:
        refuse("NOT_FOUND", "membership")
    member_may(member)
    if held.state(event.today) == "ended":
        refuse("MEMBERSHIP_ENDED")
    return held


def renew(model, event, member):
    held = held_of(model, event, member)
    if event.day < held.paid_to() - dt.timedelta(days=30):
        refuse("NOT_ELIGIBLE")
    held.paid += 1
    held.over = None               # one that was to end goes on
    touch(model, event, member)
    return {}


def cancel(model, event, member):
    held = held_of(model, event, member)
    state, refund = held.state(event.today), 0
    if state == "grace":
        held.over = held.last = event.today
    elif held.paid and held.kind.refunds and not any(day >= held.period_start(event.today) for day in held.used):
        refund = held.kind.fee
        held.over = held.last = event.today
    else:
        held.over = held.paid_to() if held.paid else held.trial_end
    touch(model, event, member)
    return {"refund": model.money(refund)}


TABLE = {"membership_start": start, "membership_renew": renew, "membership_cancel": cancel}
