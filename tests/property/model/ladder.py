"""The refusals that every command has, and what every command does."""
from .dates import day_of
from .lots import clock_of


class Refusal(Exception):
    """`reason` may be several, of which the rules leave open which one comes."""

    def __init__(self, reason, field=None):
        super().__init__(reason)
        self.reason = reason
        self.field = field


def refuse(reason, field=None):
    raise Refusal(reason, field)


def not_over(event, name, fields=None):
    """A last day that is over when it is given: malformed, as far as the clock tells."""
    day = (event.fields if fields is None else fields).get(name)
    if day and day_of(day) < event.today:
        refuse("INVALID_ARGUMENT", name)


def touch(model, event, member):
    """The inactivity clock, which each named activity restarts."""
    for activities in {tuple(sorted(term.activities)) for term in clock_terms(model, member)}:
        if event.op in activities or (event.activity is not None and event.activity in activities):
            member.clock = max(member.clock, event.day)


def clock_terms(model, member):
    terms = [lot.clock for lot in member.lots if lot.clock is not None]
    return terms + [term for term in (clock_of(model.program),) if term is not None]


def open_member(member):
    if member.closed:
        refuse("MEMBER_CLOSED")


def member_may(member):
    open_member(member)
    if member.enrolled is None:
        refuse("MEMBER_PROVISIONAL")


def spender(member):
    open_member(member)
    if member.frozen:
        refuse("MEMBER_FROZEN")
    member_may(member)
