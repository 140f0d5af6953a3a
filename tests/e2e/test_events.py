"""Events for a CRM: what a subscription yields, from every place and after every kind of end."""
from decimal import Decimal
import shutil

from case import reduced
from test_approval import approval, register
from wire import pb, request
from world import expect

LIFE = """
id: life
name: Life
timezone: Asia/Seoul
currency: KRW
points: {unit: point, scale: 1}
unknown_alias: refuse
earn:
  - {id: base, priority: 1, on: purchase, kind: base, per_amount: {amount: "1000", points: "1"}}
  - {id: later, priority: 2, on: purchase, kind: bonus, fixed: {points: "2.5"}, when: {min_amount: "5000"}, pending: {days: 3}}
  - {id: gift, priority: 3, on: purchase, kind: voucher, voucher: drink, when: {min_amount: "5000"}}
expiry: {after: {days: 60}}
redemption: {value: {points: "1", amount: "1"}}
tiers:
  - {id: green, rank: 0}
  - {id: gold, rank: 1, reach: {any: [{all: [{metric: points_earned, at_least: "10"}]}]}, window: {rolling_months: 1}, valid: {months: 1}}
vouchers: [{id: drink, name: Free drink, valid: {days: 20}}]
notices: {expiring_days: [10], downgrade_days: [5]}
"""


def lived(world):
    """Two members; one has most of what there is, the other a purchase."""
    ledger = world.running(LIFE, at="2026-01-01T00:00:00+09:00")
    with ledger.wire() as wire:
        wire.ok("enrol", member="m1", key="e1", at="2026-01-01T10:00:00+09:00")
        wire.ok("enrol", member="m2", key="e2")
        wire.ok("purchase", member="m1", amount="8000", key="p1")
        wire.ok("purchase", member="m2", amount="3000", key="p2")
        wire.batch([request("purchase", member=m, amount="1000", key=f"b{i}") for i, m in enumerate(["m1", "m2", "m1"])], key="b")
        wire.ok("hold", member="m1", points="3", ttl="60s", key="h1", at="2026-01-05T10:00:00+09:00")
        wire.ok("profile", member="m1", birthday="03-04", key="pr", at="2026-01-05T11:00:00+09:00")
        wire.ok("redeem", member="m1", points="4.5", key="r1")
        wire.ok("purchase", member="m2", amount="1000", key="p3", at="2026-03-20T10:00:00+09:00")
    return ledger


MOVES = """
id: moves
name: Moves
timezone: Asia/Seoul
currency: KRW
points: {unit: point, scale: 1}
earn:
  - {id: base, priority: 1, on: purchase, kind: base, per_amount: {amount: "1000", points: "1"}}
redemption: {value: {points: "1", amount: "1"}}
returns: {}
transfers: {min: "1"}
advance: {max: "500"}
limits: {adjust_without_approval: "100"}
"""
WANTED = [("member.enrolled", 1), ("member.enrolled", 2), ("points.earned", 1), ("voucher.issued", 1), ("points.earned", 2), ("points.earned", 1),
          ("points.earned", 2), ("points.earned", 1), ("tier.upgraded", 1), ("points.activated", 1), ("hold.expired", 1), ("points.spent", 1),
          ("voucher.expiring", 1), ("tier.will_downgrade", 1), ("tier.downgraded", 1), ("points.expiring", 1), ("points.expiring", 2), ("points.expiring", 1),
          ("points.expired", 1), ("points.expired", 2), ("points.expired", 1), ("points.earned", 2)]


class Follower:
    """A subscription to events, to the head."""

    def __init__(self, wire, credits=1000, **fields):
        self.wire, self.size = wire, wire.hello_ok.size
        self.tag = wire.subscribe(credits=credits, events=True, **fields)
        self.events, self.last_seq, self.marks = [], None, 0

    def take(self):
        pushes = self.wire.pushes
        while not pushes.get(self.tag):
            self.wire.take()
        push = pushes[self.tag].pop(0)
        assert not push.transactions and not push.HasField("first_seq")
        self.marks += not push.events
        self.events += push.events
        if push.HasField("last_seq"):
            assert self.last_seq is None or push.last_seq >= self.last_seq
            self.last_seq = push.last_seq
        return push

    def to_head(self):
        while self.last_seq is None or self.last_seq < self.size - 1:
            self.take()
        return self.events

    def cancel(self):
        self.wire.cancel(self.tag)
        assert self.wire.wait(self.tag).status == pb.CANCELLED


def order(event):
    return tuple(int(n) for n in event.id.split("."))


@reduced
def test_a_life_in_events(world):
    ledger = lived(world)
    with ledger.wire("backend/crm") as wire:
        events = Follower(wire).to_head()
    assert sorted((e.type, e.member_no) for e in events) == sorted(WANTED), [(e.id, e.type, e.member_no) for e in events]
    assert [order(e) for e in events] == sorted({order(e) for e in events})
    first = next(e for e in events if e.type == "points.earned")
    expect(first, points="10.5", pending="2.5", op="purchase", program="life", member_no=1)
    up = next(e for e in events if e.type == "tier.upgraded")
    expect(up, tier="gold", tier_from="green")
    issued, expiring = (next(e for e in events if e.type == t) for t in ("voucher.issued", "voucher.expiring"))
    assert issued.voucher == "drink" and issued.voucher_name == expiring.voucher_name and issued.last_day == expiring.last_day
    for principal, allowed in (("auditor/a", True), ("operator/o", True), ("pos/1/1", False)):
        with ledger.wire(principal) as wire:
            if allowed:
                assert Follower(wire).to_head() == events
            else:
                assert wire.wait(wire.subscribe(events=True)).reason == "PERMISSION_DENIED"
    ledger.audit()


def test_resumes_behind_every_event(world):
    """From each event on come exactly those behind it; the same from a place that a mark gave; one credit, one event."""
    ledger = lived(world)
    with ledger.wire("backend/crm") as wire:
        events = Follower(wire).to_head()
        for i, event in enumerate(events):
            follower = Follower(wire, after_event=event.id)
            assert follower.to_head() == events[i + 1:], event.id
            follower.cancel()
        for after in range(wire.hello_ok.size):
            follower = Follower(wire, after=after)
            if after < wire.hello_ok.size - 1:
                assert follower.to_head() == [e for e in events if order(e)[0] > after]
            follower.cancel()
        got, place = [], {}
        while len(got) < len(events):
            follower = Follower(wire, credits=1, **place)
            while not follower.events:
                follower.take()
            wire.ping()
            while wire.pushes.get(follower.tag):
                follower.take()
            assert len(follower.events) == 1, "one credit"
            got += follower.events
            place = {"after_event": got[-1].id}
            follower.cancel()
        assert got == events
        follower = Follower(wire, credits=0)
        for n in range(len(events)):
            wire.ping()
            while wire.pushes.get(follower.tag):
                follower.take()
            assert follower.events == events[:n]
            wire.credit(follower.tag, 1)
        assert follower.to_head() == events


def test_marks_move_on_without_events(world):
    """What has no events costs no credit, and is not looked through again."""
    ledger = world.running()
    with ledger.wire() as wire:
        wire.ok("enrol", member="m1", key="e1")
        for first in range(0, 1200, 50):
            tags = [wire.start("profile", member="m1", birthday="02-03", key=f"p{n}") for n in range(first, first + 50)]
            assert all(wire.wait(tag).status == pb.OK for tag in tags)
        wire.ok("purchase", member="m1", amount="5", key="buy")
    with ledger.wire("backend/crm") as wire:
        follower = Follower(wire, credits=2)
        events = follower.to_head()
        assert [e.type for e in events] == ["member.enrolled", "points.earned"], events
        assert follower.last_seq == wire.hello_ok.size - 1
        wire.credit(follower.tag, 1)
        with ledger.wire() as other:
            other.ok("profile", member="m1", birthday="02-04", key="late")
            while follower.last_seq < wire.hello_ok.size:
                follower.take()
            assert follower.marks >= 1 and len(follower.events) == 2, follower.marks
            other.ok("purchase", member="m1", amount="5", key="more")
        while len(follower.events) < 3:
            follower.take()


def test_of_one_member(world):
    """Events and transactions of a member by its alias, also after a merge; nobody else's."""
    ledger = lived(world)
    with ledger.wire("backend/crm") as wire:
        events = Follower(wire).to_head()
        for alias, number in (("m1", 1), ("m2", 2)):
            follower = Follower(wire, member=alias)
            assert follower.to_head() == [e for e in events if e.member_no == number]
            follower.cancel()
        r = wire.wait(wire.subscribe(events=True, member="nobody"))
        expect(r, status=pb.NOT_FOUND, field="member")
    books = ledger.books()
    wanted = [seq for seq, t in enumerate(books.transactions) if any(touched.member == 2 for e in t.entries for touched in e.touched)]
    with ledger.wire("backend/crm") as wire:
        tag = wire.subscribe(member="m2", credits=1000)
        got, last = [], -1
        while last < wire.hello_ok.size - 1:
            if not wire.pushes.get(tag):
                wire.take()
                continue
            push = wire.pushes[tag].pop(0)
            got += push.transactions
            last = push.last_seq
        assert got == [ledger.leaves()[seq] for seq in wanted]
    with ledger.wire() as wire:
        wire.ok("merge", member="m2", into="m1", key="merge")
    with ledger.wire("backend/crm") as wire:
        assert {e.member_no for e in Follower(wire, member="m2").to_head()} == {1}


def test_the_same_after_a_restart_and_from_a_rebuilt_state(world):
    ledger = lived(world)
    with ledger.wire("backend/crm") as wire:
        events = Follower(wire).to_head()
    ledger.restart()
    with ledger.wire("backend/crm") as wire:
        assert Follower(wire).to_head() == events
    ledger.stop()
    shutil.rmtree(ledger.data + "/state")
    shutil.rmtree(ledger.data + "/snapshot", ignore_errors=True)
    ledger.start()
    with ledger.wire("backend/crm") as wire:
        assert Follower(wire).to_head() == events


def test_bad_places_are_refused(world):
    ledger = world.running()
    with ledger.wire("backend/crm") as wire:
        for fields, words in (({"after_event": "1.0"}, "<seq>.<index>.<n>"), ({"after_event": "1.0.x"}, "<seq>"), ({"after_event": ""}, "<seq>"),
                              ({"after_event": "01.0.0"}, "<seq>"), ({"after_event": "1.0.0", "after": 1}, "`after`"),
                              ({"after_event": "18446744073709551616.0.0"}, "<seq>")):
            r = wire.wait(wire.subscribe(events=True, **fields))
            expect(r, status=pb.INVALID_ARGUMENT, field="after_event")
            assert words in r.message, r
        r = wire.wait(wire.subscribe(after_event="1.0.0"))
        assert r.status == pb.INVALID_ARGUMENT and "events" in r.message, r
        tag = wire.subscribe(events=True, after_event="18446744073709551615.4294967295.4294967295")
        wire.ping()
        assert not wire.pushes.get(tag), "it waits"


SUMS = {"points.earned": 1, "points.adjusted": 1, "points.spent": -1, "points.expired": -1}


def told_points(events, member_no):
    return sum(SUMS.get(e.type, 0) * Decimal(e.points or "0") for e in events if e.member_no == member_no)


def test_events_sum_to_what_members_have(world):
    """Whatever moved them; also of entries that are not about a member, and across a merge."""
    ledger = world.running(MOVES, at="2026-01-01T00:00:00+09:00")
    with ledger.wire("operator/a") as wire, ledger.wire("backend/crm") as crm:
        def told(**has):
            """`has`: available, pending, held, debt of members by alias."""
            crm.ping()
            follower = Follower(crm)
            follower.size = wire.ok("balance", member="a").seq + 1
            events = follower.to_head()
            follower.cancel()
            for alias in has:
                b = wire.ok("balance", member=alias)
                have = Decimal(b.available) + Decimal(b.pending) + Decimal(b.held) - Decimal(b.debt)
                assert told_points(events, b.member_no) == have == Decimal(has[alias]), (alias, have, [(e.id, e.type, e.points) for e in events])
            return events

        wire.ok("enrol", member="a", key="e1", at="2026-01-01T10:00:00+09:00")
        wire.ok("enrol", member="b", key="e2")
        wire.ok("adjust", member="a", points="50", reason="sorry", key="a1")
        told(a="50", b="0")
        wire.ok("transfer", member="a", to="b", points="20.5", key="t1")
        wire.ok("advance", member="a", points="9", key="l1")
        events = told(a="29.5", b="20.5")
        assert [(e.type, e.points) for e in events if e.op == "advance"] == [("points.advanced", "9.0")], events
        wire.ok("purchase", member="a", amount="12000", key="p1")
        wire.ok("return", member="a", purchase="p1", amount="7000", key="r1")
        told(a="34.5")
        wire.ok("hold", member="a", points="20", key="h1")
        wire.ok("capture", member="a", hold="h1", points="5", key="c1")
        wire.ok("release", member="a", hold="h1", key="c2")
        wire.ok("reverse_redeem", member="a", redeem="c1", points="2", key="c3")
        told(a="31.5", b="20.5")
        waits = wire.ok("adjust", member="b", points="500", reason="large", key="a2")
        assert waits.waiting
        told(b="20.5")
        register(wire, key="kim")
        with ledger.wire("approver/kim") as kim:
            kim.ok("approve", key="ok", **approval(ledger, waits.id))
        told(b="520.5")
        wire.ok("merge", member="a", into="b", key="m1")
        events = told(b="552")
        assert told_points(events, 1) == 0, "nothing is left of who went"
        only = [e for e in events if e.type == "points.adjusted"]
    assert [line["id"] for line in ledger.cli("subscribe", "--events", "--to-head").lines if line["type"] == "points.adjusted"] == [e.id for e in only]
    ledger.audit()


def test_the_cli_follows_events(world):
    ledger = lived(world)
    with ledger.wire("backend/crm") as wire:
        events = Follower(wire).to_head()
    lines = ledger.cli("subscribe", "--events", "--to-head").lines
    assert [line["id"] for line in lines] == [e.id for e in events] and lines[0]["type"] == "member.enrolled"
    assert lines[2]["points"] == "10.5" and lines[2]["at"].endswith("Z") and lines[2]["date"] == "2026-01-01"
    for place in (events[4].id, events[4].id.split(".")[0]):
        rest = ledger.cli("subscribe", "--events", "--to-head", "--after", place).lines
        assert rest == [line for line in lines if tuple(map(int, line["id"].split("."))) > tuple(map(int, place.split("."))) and
                        (place.count(".") or int(line["id"].split(".")[0]) > int(place))]
    assert [line["id"] for line in ledger.cli("subscribe", "--events", "--count", 3).lines] == [e.id for e in events[:3]]
    assert {line["member_no"] for line in ledger.cli("subscribe", "--events", "--to-head", "--member", "m2").lines} == {2}
    told = ledger.cli("subscribe", "--events", "--to-head", json_output=False).out.splitlines()
    assert len(told) == len(events) and "tier.upgraded  member 1  from green to gold" in "\n".join(told), told
    for wrong in (["--after", "x"], ["--after", "1.0.0"], ["--after", "1.0", "--events"], ["--after", "-1"]):
        ledger.cli("subscribe", *wrong, code=2)
    refused = ledger.cli("subscribe", "--events", "--member", "nobody", code=1)
    assert refused.json["reason"] == "NOT_FOUND", refused
