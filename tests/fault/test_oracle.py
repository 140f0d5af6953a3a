"""A daemon under several clients at once, against the model of tests/property: every answer is one that the model gives too, in the order of the ledger.

A failure prints its seed (FEALTY_SEED=17 makes `oracle:a_few_seeds` and `..._under_kills` play that one, ten times, since what overtakes what
differs), what is wrong with the commands around it, the program, and the commands of the ledger in order: lines of a file of events for `fealty simulate`.
"""
import json
import os
import threading
import time

import oracle
import players
from case import long, seconds, tell
from disturbance import Disturbance
from history import Entry, Wrong, check
from wire import PATIENCE_SECONDS
from world import expect

BEFORE = "2025-12-01T00:00:00Z"         # when programs are published: before any case begins
WITHOUT = ("versions",)                 # they are published between commands, by the case
ONLY = (("holds", "redeem", "caps"), ("tiers", "expiry", "pending"), ("returns", "reverse"), ("pools", "transfers"), ("vouchers", "stamps"),
        ("memberships", "referral"), ("replays", "errors"), ("birthday", "anniversary"))


def entries_of(books, principals=players.PRINCIPALS):
    return [Entry((t.seq, index), e.principal, e.request_id, e.at) for t in books.transactions for index, e in enumerate(t.entries)
            if e.principal in principals]


def split(events):
    """(the events, those at the end that look at everybody)."""
    n = len(events)
    while n and events[n - 1]["op"] == "balance" and "as_of" not in events[n - 1]:
        n -= 1
    return events[:n], events[n:]


# ---- what is compared ----

def check_rows(rows, books):
    """A page of a history is what the ledger had at that point, newest first."""
    touching = {}
    for t in books.transactions:
        for index, e in enumerate(t.entries):
            for touched in e.touched:
                touching.setdefault(touched.member, []).append((t.seq, f"{t.seq}.{index}"))
    for op, ids, more in rows:
        if op.reply["status"] != "OK":
            continue
        wanted = [name for seq, name in touching[op.reply["member_no"]] if seq <= op.seen][::-1]
        if ids != wanted[:len(ids)] or (len(ids) < len(wanted)) != bool(more):
            raise Wrong("stale", f"the history is {ids}, and was to be {wanted}", [op])


def in_order(ops, entries):
    """The commands that the ledger has, as a file of events."""
    of = {op.who: op for op in sorted(ops, key=lambda op: op.place is not None) if not op.read}
    lines = []
    for entry in sorted(entries):
        op = of.get((entry.principal, entry.key))
        if op is not None:
            event = {name: value for name, value in op.event.items() if name not in ("at_us", "in_batch", "store_unsaid")}
            lines.append(json.dumps({"at": oracle.instant_text(entry.now), **event}))
    return "\n".join(lines)


def judge(ledger, play, versions, seed, restarts):
    books = ledger.books()
    entries = entries_of(books)
    try:
        check_rows(play.rows, books)
        return check(play.ops, entries, oracle.Oracle(versions), restarts)
    except AssertionError as wrong:
        raise AssertionError(f"seed {seed}: {wrong}\n{json.dumps(versions[0])}\n{in_order(play.ops, entries)}") from None


# ---- what is played ----

def one_case(world, seed, case, disturbed, totals):
    versions, events = case
    ledger = world.ledger(f"l{world.next_number()}")
    ledger.start()
    ledger.publish(json.dumps(versions[0]), at=BEFORE)
    body, looks = split(events)
    parcels = players.plan(body, seed)
    members = sorted({event["member"] for event in body if "member" in event})
    play = players.Play(lambda principal: players.TimedWire(ledger.address, principal), parcels, members, seed)
    if disturbed:
        disturbance = Disturbance(ledger, f"{seed} {totals['seeds']}", lambda: ledger.start("--snapshot-seconds", "1"))
        disturbance.start()
        try:
            play.run()
        finally:
            disturbance.end()
        totals["kills"] += disturbance.counts["kills"]
        totals["stops"] += disturbance.counts["stops"]
    else:
        play.run()
    play.more(players.look(parcels, looks))
    totals["answers judged"] += judge(ledger, play, versions, seed, disturbed)
    totals["seeds"] += 1
    totals["commands"] += sum(not op.read for op in play.ops)
    totals["applied"] += sum(op.place is not None for op in play.ops)
    totals["reads"] += sum(op.read for op in play.ops)
    totals["connections made again"] += play.sent_again
    ledger.stop()
    if disturbed:
        expect(ledger.audit(), status="OK")


def rounds(world, seeds, only=(), disturbed=False, until=None):
    totals = dict.fromkeys(("seeds", "commands", "applied", "reads", "answers judged", "kills", "stops", "connections made again"), 0)
    for seed, case in zip(seeds, oracle.generated(seeds, only, WITHOUT)):
        if until is not None and time.monotonic() > until:
            break
        one_case(world, seed, case, disturbed, totals)
    assert totals["applied"] > 3 * totals["seeds"] > 0, totals
    assert not disturbed or totals["kills"] >= totals["seeds"], totals
    tell(f"from seed {seeds[0]}{' with ' + ', '.join(only) if only else ''}: " + ", ".join(f"{n} {what}" for what, n in totals.items() if n))


def chosen(seeds):
    return [int(os.environ["FEALTY_SEED"])] * 10 if os.environ.get("FEALTY_SEED") else seeds


def test_a_few_seeds(world):
    rounds(world, chosen(range(1, 4)))


def test_a_few_seeds_under_kills(world):
    rounds(world, chosen(range(101, 103)), disturbed=True)


@long
@seconds(480)
def test_many_seeds(world):
    until = time.monotonic() + 360
    for n, only in enumerate(((), *ONLY)):
        if time.monotonic() < until:
            rounds(world, range(1000 * (n + 1), 1000 * (n + 1) + (25 if only else 150)), only, until=until)


@long
@seconds(480)
def test_many_seeds_under_kills(world):
    rounds(world, range(20000, 20300), disturbed=True, until=time.monotonic() + 360)


def test_no_read_is_earlier_than_what_it_has_seen(world):
    """The clock moves with every purchase, while others read: an answer is never of an instant before the newest entry that it shows."""
    ledger = world.running(clock="manual")
    begin, writes = oracle.instant("2026-01-02T00:00:00Z"), 200
    with ledger.wire() as wire:
        wire.ok("enrol", member="m1", key="e1")
    readers = [Reader(ledger, number) for number in range(3)]
    for reader in readers:
        reader.start()
    with ledger.wire("backend/app") as wire:
        moves = {wire.ok("purchase", member="m1", amount="1", key=f"p{n}", at=begin + n).seq: begin + n for n in range(writes)}
    for reader in readers:
        reader.over = True
        reader.join(PATIENCE_SECONDS)
        assert reader.seen and not reader.is_alive(), reader.error
        for seq, as_of, available in reader.seen:
            at = moves.get(seq)
            assert at is None or as_of >= at, f"it has seen {seq}, of {oracle.instant_text(at)}, and says it is of {oracle.instant_text(as_of)}"
            assert at is None or available == str(at - begin + 1), f"{available} at {seq}"
    tell(f"{writes} writes, {sum(len(reader.seen) for reader in readers)} reads")


class Reader(threading.Thread):
    """Balances of m1, sixteen in flight: (seq, as_of, available) of each."""

    def __init__(self, ledger, number):
        super().__init__(daemon=True)
        self.wire, self.seen, self.over, self.error = ledger.wire(f"pos/1/{number}"), [], False, None

    def run(self):
        try:
            tags = [self.wire.start("balance", member="m1") for _ in range(16)]
            while tags:
                r = self.wire.wait(tags.pop(0))
                self.seen.append((r.seq, r.as_of, r.available))
                if not self.over:
                    tags.append(self.wire.start("balance", member="m1"))
        except BaseException as e:
            self.error = e
            self.seen = []
