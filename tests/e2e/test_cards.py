"""Rewards, cards of stamps, points that become vouchers by themselves, and birthdays with vouchers: through the daemon's socket.

What each case has made is looked at again after a kill -9, state is rebuilt from the ledger, and everything is audited at the end.
"""
import os
import shutil

from world import expect

CARDS = """
id: cards
name: Cards
timezone: UTC
currency: USD
points: {unit: point, scale: 0}
earn:
  - {id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: "1", points: "1", whole_steps: true}}
expiry: {after: {months: 12}}
tiers:
  - {id: basic, rank: 0}
  - {id: gold, rank: 1, reach: {any: [{all: [{metric: points_earned, at_least: "1000"}]}]}, forfeit_stamps_on_downgrade: true}
birthday: {reward: {voucher: cake}, window: {days_before: 14, days_after: 7}}
anniversary: {of: enrolment, reward: {voucher: tea}}
redemption: {value: {points: "100", amount: "1"}}
auto_redeem: {at: "500", voucher: drink, tiers: [gold]}
rewards: [{id: mug, cost: "60", voucher: mug, stock: 2, per_member: {count: 1, per: year}}]
vouchers:
  - {id: drink, name: Free drink, valid: {days: 90}}
  - {id: cookie, name: Cookie}
  - {id: cake, name: Cake}
  - {id: tea, name: Tea, valid: {days: 10}}
  - {id: mug, name: A mug, valid: {days: 30}}
stamps: [{id: card, per_item: 1, when: {categories: [drink]}, cap: {per: day, count: 5}, size: 10, voucher: drink,
          milestones: [{at: 5, voucher: cookie}], valid: {months: 12}}]
transfers: {min: "10"}
unknown_alias: refuse
"""


def state_of(ledger, names):
    with ledger.wire() as wire:
        return [wire.ok(op, member=name).SerializeToString(deterministic=True) for name in names for op in ("balance", "history")]


def again(ledger, *names):
    """Ends the daemon without a word, starts it again, and then with state made anew from the ledger: what it says is as before."""
    before = state_of(ledger, names)
    ledger.daemon.kill()
    ledger.start()
    assert state_of(ledger, names) == before
    ledger.stop()
    for name in ("state", "snapshot"):
        shutil.rmtree(os.path.join(ledger.data, name), ignore_errors=True)
    ledger.start()
    assert state_of(ledger, names) == before


def finish(ledger):
    """The whole ledger, read by an auditor who shares no code with it, and by ours."""
    ledger.books()
    ledger.stop()
    expect(ledger.audit(), status="OK")


def counts(rows):
    return {row.id: row.count for row in rows}


def drinks(wire, name, n, key, at):
    return wire.ok("purchase", member=name, amount=str(4 * n), lines=[{"category": "drink", "qty": n, "amount": str(4 * n)}], key=key, at=at)


def test_a_card_of_stamps_fills_and_a_return_takes_it_back(world):
    ledger = world.running(CARDS)
    with ledger.wire() as wire:
        wire.ok("enrol", member="m1", key="e1", at="2026-01-10T10:00:00Z")
        assert counts(drinks(wire, "m1", 4, "p1", "2026-01-11T10:00:00Z").stamps) == {"card": 4}
        full = drinks(wire, "m1", 7, "p2", "2026-01-12T10:00:00Z")
        assert counts(full.stamps_wanted) == {"card": 7} and counts(full.stamps_granted) == {"card": 5}
        assert counts(full.stamps) == {"card": 9} and list(full.issued) == ["cookie"]
        over = drinks(wire, "m1", 3, "p3", "2026-01-13T10:00:00Z")
        assert counts(over.stamps) == {"card": 2} and list(over.issued) == ["drink"] and list(over.vouchers) == ["cookie", "drink"]
    again(ledger, "m1")
    with ledger.wire() as wire:
        replayed = drinks(wire, "m1", 3, "p3", "2026-01-13T11:00:00Z")
        assert replayed.replayed and list(replayed.issued) == ["drink"] and counts(replayed.stamps_granted) == {"card": 3}
        back = wire.ok("return", member="m1", purchase="p3", key="r3", at="2026-01-13T12:00:00Z")
        assert counts(back.stamps) == {"card": 9} and list(back.revoked) == ["drink"] and list(back.vouchers) == ["cookie"]
        drinks(wire, "m1", 1, "p4", "2026-01-14T12:00:00Z")
        owed = wire.ok("return", member="m1", purchase="p1", key="r1", at="2026-01-14T13:00:00Z")
        assert counts(owed.stamps) == {"card": 0} and counts(owed.stamp_debt) == {"card": 4}
        paid = drinks(wire, "m1", 5, "p5", "2026-01-15T12:00:00Z")
        assert counts(paid.stamps) == {"card": 1} and not paid.stamp_debt
        assert counts(wire.ok("balance", member="m1", as_of="2027-01-15T23:59:59Z").stamps) == {"card": 1}
        assert counts(wire.ok("balance", member="m1", as_of="2027-01-16T00:00:00Z").stamps) == {"card": 0}
    again(ledger, "m1")
    finish(ledger)


def test_a_reward_is_redeemed_and_reversed(world):
    ledger = world.running(CARDS)
    with ledger.wire() as wire:
        for name in ("m1", "m2", "m3"):
            wire.ok("enrol", member=name, key=f"e-{name}", at="2026-01-10T10:00:00Z")
            wire.ok("purchase", member=name, amount="100", key=f"p-{name}", at="2026-01-10T10:00:00Z")
        first = wire.ok("redeem", member="m1", reward="mug", key="x1", at="2026-01-11T10:00:00Z")
        expect(first, available="40")
        assert list(first.issued) == ["mug"]
        wire.refused("CAP_REACHED", "redeem", member="m1", reward="mug", key="x2")
        wire.ok("redeem", member="m2", reward="mug", key="y1")
        wire.refused("OUT_OF_STOCK", "redeem", member="m3", reward="mug", key="z1")
    again(ledger, "m1", "m2", "m3")
    with ledger.wire() as wire:
        wire.refused("OUT_OF_STOCK", "redeem", member="m3", reward="mug", key="z2", at="2026-01-11T11:00:00Z")
        undone = wire.ok("reverse_redeem", member="m1", redeem="x1", key="u1")
        expect(undone, available="100")
        assert list(undone.revoked) == ["mug"] and not undone.vouchers
        expect(wire.ok("redeem", member="m3", reward="mug", key="z3"), available="40")
        wire.refused("ALREADY_REVERSED", "reverse_redeem", member="m1", redeem="x1", key="u2")
    again(ledger, "m1", "m2", "m3")
    finish(ledger)


def test_points_become_vouchers_by_themselves(world):
    ledger = world.running(CARDS)
    with ledger.wire() as wire:
        for name in ("m1", "m2"):
            wire.ok("enrol", member=name, key=f"e-{name}", at="2026-01-10T10:00:00Z")
        expect(wire.ok("purchase", member="m1", amount="1300", key="p1", at="2026-01-10T11:00:00Z"), available="1300", tier="gold")
        later = wire.ok("balance", member="m1", as_of="2026-01-11T00:00:00Z")
        expect(later, available="300")
        assert list(later.vouchers) == ["drink", "drink"]
        wire.ok("purchase", member="m2", amount="400", key="p2", at="2026-01-11T09:00:00Z")
        wire.ok("transfer", member="m2", to="m1", points="250", key="t1", at="2026-01-11T10:00:00Z")
        after = wire.ok("balance", member="m1")
        expect(after, available="50")
        assert list(after.vouchers) == ["drink"] * 3
    again(ledger, "m1", "m2")
    finish(ledger)


def test_a_birthday_voucher_comes_when_the_window_opens(world):
    ledger = world.running(CARDS)
    with ledger.wire() as wire:
        wire.ok("enrol", member="m1", birthday="03-20", key="e1", at="2026-01-10T10:00:00Z")
        wire.ok("enrol", member="m2", birthday="01-05", key="e2")
        inside = wire.ok("enrol", member="m3", birthday="01-20", key="e3")
        assert list(inside.vouchers) == ["cake"]
        assert not wire.ok("balance", member="m1", as_of="2026-03-05T23:59:59Z").vouchers
        assert list(wire.ok("balance", member="m1", as_of="2026-03-06T00:00:00Z").vouchers) == ["cake"]
    again(ledger, "m1", "m2", "m3")
    with ledger.wire() as wire:
        wire.ok("purchase", member="m2", amount="1", key="tick", at="2026-03-06T00:00:00Z")
        assert list(wire.ok("balance", member="m1").vouchers) == ["cake"]
        wire.refused("ALREADY_EXISTS", "birthday", member="m1", key="b1")
        wire.ok("purchase", member="m2", amount="1", key="tock", at="2026-12-22T00:00:00Z")
        assert list(wire.ok("balance", member="m2").vouchers) == ["cake"]
        wire.ok("purchase", member="m2", amount="1", key="tea", at="2027-01-10T00:00:00Z")
        assert list(wire.ok("balance", member="m2").vouchers) == ["cake", "tea"]
    again(ledger, "m1", "m2", "m3")
    finish(ledger)


def test_a_birthday_voucher_on_the_day_on_which_the_program_begins(world):
    ledger = world.running(CARDS, at="2026-01-10T09:00:00Z")
    with ledger.wire() as wire:
        inside = wire.ok("enrol", member="m", birthday="01-20", key="e", at="2026-01-10T10:00:00Z")
        assert list(inside.vouchers) == ["cake"]
    again(ledger, "m")
    finish(ledger)
