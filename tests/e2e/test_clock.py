"""The real clock, and one that jumps: the daemon under libfaketime, everything else on the true time."""
import glob
import os
import time

from case import plain_build, seconds
from wire import pb, request
from world import eventually, expect, skip
import programs


def faketime(world, offset):
    """The environment of a daemon whose real-time clock is ${offset} off; jump() changes it while it runs."""
    libraries = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not libraries:
        skip("libfaketime is not installed")
    path = world.path("faketime")
    jump(world, offset)
    return {"LD_PRELOAD": libraries[0], "FAKETIME_TIMESTAMP_FILE": path, "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}


def jump(world, offset):
    with open(world.path("faketime.new"), "w", encoding="ascii") as f:
        f.write(offset + "\n")
    os.rename(world.path("faketime.new"), world.path("faketime"))


def real(world, **options):
    ledger = world.running(clock="real", **options)
    with ledger.wire() as wire:
        wire.ok("enrol", member="m1", key="e1")
        wire.ok("purchase", member="m1", amount="100", key="p1")
    return ledger


def waits_for_an_operator(ledger, wire):
    """Writes are refused, everything else goes on."""
    r = wire.refused("UNAVAILABLE", "purchase", member="m1", amount="1", key="w1")
    assert r.status == pb.UNAVAILABLE and r.field == "clock" and r.retryable and "clock accept" in r.message, r
    wire.refused("UNAVAILABLE", "enrol", member="m2", key="w2")
    b = wire.batch([request("purchase", member="m1", amount="1", key="w3")], key="b")
    assert (b.outcome.reason or b.results[0].reason) == "UNAVAILABLE", b
    expect(wire.ok("balance", member="m1"), available="100")
    wire.ok("history", member="m1")
    expect(wire.ok("purchase", member="m1", amount="100", key="p1"), replayed=True)
    with ledger.wire("pos/1/1") as till:
        till.refused("PERMISSION_DENIED", "clock_accept")


def heals(ledger, wire):
    expect(ledger.cli("admin", "clock", "accept").json, status="OK")
    expect(wire.ok("purchase", member="m1", amount="1", key="w1"), available="101", replayed=False)
    accepted = [e for _, e in ledger.books().entries() if e.inputs.HasField("clock_accept")]
    assert len(accepted) == 1 and accepted[0].principal == "operator/local", accepted


@plain_build
def test_a_year_ahead_at_start(world):
    ledger = real(world)
    ledger.restart(env=faketime(world, "+366d"))
    assert "clock.far_ahead" in ledger.daemon.log()
    wire = ledger.wire()
    waits_for_an_operator(ledger, wire)
    heals(ledger, wire)
    year = ledger.books().transactions[-1].committed_at - ledger.books().transactions[3].committed_at
    assert 365 * 86400e6 < year < 367 * 86400e6
    # with the true clock again, time does not go back: the ledger's goes on by microseconds
    wire.close()
    ledger.restart()
    with ledger.wire() as other:
        other.ok("purchase", member="m1", amount="1", key="back")
    t = ledger.books().transactions
    assert t[-1].committed_at == t[-2].committed_at + 1
    ledger.stop()
    expect(ledger.audit(), status="OK")


@plain_build
def test_a_week_ahead_at_start_is_fine(world):
    ledger = real(world)
    ledger.restart(env=faketime(world, "+6d"))
    with ledger.wire() as wire:
        wire.ok("purchase", member="m1", amount="1", key="w1")


@plain_build
@seconds(90)
def test_a_jump_while_it_runs(world):
    ledger = world.ledger(clock="real")
    ledger.start(env=faketime(world, "+0d"))
    ledger.publish(programs.PLAIN, at=None)
    wire = ledger.wire()
    wire.ok("enrol", member="m1", key="e1")
    wire.ok("purchase", member="m1", amount="99", key="p0")
    jump(world, "+23h")                     # less than a day: taken
    wire.ok("purchase", member="m1", amount="1", key="p1")
    jump(world, "+366d")
    eventually(lambda: "clock.jumped" in ledger.daemon.log(), "that it notices")
    r = wire.refused("UNAVAILABLE", "purchase", member="m1", amount="1", key="w1")
    assert r.field == "clock", r
    expect(wire.ok("balance", member="m1"), available="100")
    wire.ok("purchase", member="m1", amount="1", key="p1")        # a replay
    heals(ledger, wire)
    ledger.stop()


def test_the_real_clock(world):
    ledger = real(world)
    with ledger.wire() as wire:
        assert not wire.hello_ok.manual_clock
        before = time.time_ns() // 1000
        r = wire.ok("purchase", member="m1", amount="1", key="now")
        after = time.time_ns() // 1000
        assert before <= r.as_of <= after, (before, r.as_of, after)
        t = ledger.books().transactions[-1]
        assert before <= t.committed_at <= after and not t.entries[0].HasField("at")
        wire.refused("CLOCK_SKEW", "purchase", member="m1", amount="1", occurred_at=after + 310 * 10**6)
        wire.ok("purchase", member="m1", amount="1", occurred_at=after - 3600 * 10**6)


@seconds(60)
def test_a_hold_times_out_on_the_real_clock(world):
    """The scheduler wakes by itself."""
    ledger = real(world)
    with ledger.wire() as wire:
        r = wire.ok("hold", member="m1", points="50", ttl="1s", key="h1")
        expect(r, held="50")
        tag = wire.subscribe(after=r.seq, credits=1)
        leaf = wire.leaves(tag, 1)[0]
        assert b"system" in leaf
        expect(wire.ok("balance", member="m1"), held="0", available="100")
        timeout = ledger.books().transactions[-1]
        assert timeout.entries[0].inputs.HasField("hold_timeout") and timeout.entries[0].due_at == r.ends_at, timeout
        assert timeout.committed_at - r.ends_at < 2 * 10**6 and timeout.committed_at >= r.ends_at, timeout.committed_at - r.ends_at
        wire.refused("HOLD_EXPIRED", "capture", member="m1", hold="h1")
