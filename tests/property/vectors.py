"""Vectors of the program language, which the model must give by itself: a model that is wrong about these is no judge of the engine."""
import datetime as dt

from model import Model
from model.memberships import Holding
from model.program import Program

STAMPS = {"id": "v", "name": "Vectors", "timezone": "Asia/Seoul", "currency": "KRW", "points": {"unit": "star", "scale": 0},
          "vouchers": [{"id": "drink", "name": "Drink"}, {"id": "cookie", "name": "Cookie"}],
          "stamps": [{"id": "card", "per_item": 1, "when": {"categories": ["drink"]}, "cap": {"per": "day", "count": 5}, "size": 10,
                      "voucher": "drink", "milestones": [{"at": 5, "voucher": "cookie"}]}],
          "memberships": [{"id": "monthly", "term": "monthly", "fee": "1"}, {"id": "annual", "term": "annual", "fee": "1"}]}


def drinks(at, key, count):
    lines = [{"sku": "latte", "category": "drink", "qty": count, "amount": str(count * 4500)}]
    return {"at": at, "op": "purchase", "member": "m", "key": key, "amount": str(count * 4500), "lines": lines}


ENROL = {"at": "2026-03-01T10:00:00+09:00", "op": "enrol", "member": "m", "key": "e"}
EVENTS = [
    ("ST1", [(ENROL, {}),
             (drinks("2026-03-01T10:00:00+09:00", "a", 5), {"stamps": {"card": 5}, "issued": ["cookie"]}),
             (drinks("2026-03-02T10:00:00+09:00", "b", 4), {"stamps": {"card": 9}, "issued": []}),
             (drinks("2026-03-03T10:00:00+09:00", "c", 3), {"stamps": {"card": 2}, "issued": ["drink"], "vouchers": ["cookie", "drink"]})]),
    ("ST3", [(ENROL, {}),
             (drinks("2026-03-01T23:59:00+09:00", "a", 7), {"stamps_wanted": {"card": 7}, "stamps_granted": {"card": 5}}),
             (drinks("2026-03-02T00:01:00+09:00", "b", 5), {"stamps_granted": {"card": 5}, "issued": ["drink"]})]),
]
RENEWALS = [
    ("PR1", "monthly", "2026-01-31", ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]),
    ("PR1", "annual", "2024-02-29", ["2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]),
]


def failures():
    """Sentences, none when the model gives them all."""
    for name, rows in EVENTS:
        model = Model([STAMPS])
        for event, want in rows:
            reply = model.apply(event)
            for key, value in want.items():
                if reply.get(key) != value:
                    yield f"{name}: after {event['key']} {key} is {reply.get(key)}, not {value}"
    kinds = Program(STAMPS).memberships
    for name, kind, day, days in RENEWALS:
        held = Holding(kinds[kind], dt.date.fromisoformat(day), False)
        begins = [held.begins(period).isoformat() for period in range(1, len(days) + 1)]
        if begins != days:
            yield f"{name}: {kind} from {day} is renewed on {begins}, not on {days}"
