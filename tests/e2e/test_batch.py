"""BATCH frames: one by one, or all or nothing."""
import json

import programs
from case import reduced
from wire import BATCH, frame, keyless, pb, request
from world import FIRST_DAY, expect, run_fealty


def served(world):
    ledger = world.running()
    with ledger.wire() as wire:
        wire.ok("enrol", member="m1", key="e1")
        wire.ok("purchase", member="m1", amount="100", key="p0")
    return ledger


def statuses(response):
    return [r.reason or "OK" for r in response.results]


@reduced
def test_one_by_one(world):
    ledger = served(world)
    wire = ledger.wire()
    commands = [
        keyless("enrol", member="m2"),
        keyless("purchase", member="m2", amount="50"),
        keyless("purchase", member="m9", amount="1"),
        keyless("redeem", member="m2", points="51"),
        request("redeem", member="m2", points="50", key="own"),
        keyless("redeem", member="m2", points="1"),
        keyless("purchase", member="m2", amount="1.234"),
        request("purchase", member="m2", amount="7", key="bad key"),
        keyless("balance", member="m2"),
        keyless("purchase", member="m1", amount="3"),
    ]
    want = ["OK", "OK", "NOT_FOUND", "INSUFFICIENT_POINTS", "OK", "INSUFFICIENT_POINTS", "INVALID_ARGUMENT", "INVALID_ARGUMENT", "INVALID_ARGUMENT", "OK"]
    r = wire.batch(commands, key="up")
    assert r.outcome.status == pb.OK and statuses(r) == want, r
    expect(r.results[4], available="0")                # a later one sees what an earlier one did
    again = wire.batch(commands, key="up")
    assert statuses(again) == want, again
    assert [one.replayed for one in again.results if not one.reason] == [True] * 4, again
    assert [one.id for one in again.results] == [one.id for one in r.results]
    # the keys are those that WIRE.md says
    expect(wire.ok("purchase", member="m2", amount="50", key="up.2"), replayed=True)
    expect(wire.ok("redeem", member="m2", points="50", key="own"), replayed=True)
    expect(wire.ok("purchase", member="m1", amount="3", key="up.10"), replayed=True)
    expect(wire.ok("balance", member="m1"), available="103")


def test_keys(world):
    ledger = served(world)
    wire = ledger.wire()
    r = wire.batch([keyless("purchase", member="m1", amount="1"), request("purchase", member="m1", amount="1", key="k")])
    assert statuses(r) == ["INVALID_ARGUMENT", "OK"], r
    r = wire.batch([keyless("purchase", member="m1", amount="1")] * 10, key="x" * 62)
    assert statuses(r) == ["OK"] * 9 + ["INVALID_ARGUMENT"], r         # the tenth has 65 bytes
    r = wire.batch([request("purchase", member="m1", amount="1", key="d"), request("purchase", member="m1", amount="1", key="d"),
                    request("purchase", member="m1", amount="2", key="d")])
    assert statuses(r) == ["OK", "OK", "REQUEST_ID_REUSED"] and r.results[1].replayed, r


def test_atomic(world):
    ledger = served(world)
    wire = ledger.wire()
    size = wire.ok("balance", member="m1").seq
    commands = [request("redeem", member="m1", points="60", key="a1"), request("purchase", member="m1", amount="5", key="a2"),
                request("redeem", member="m1", points="60", key="a3")]
    r = wire.batch(commands, key="at", atomic=True)
    assert r.outcome.reason == "INSUFFICIENT_POINTS" and r.outcome.field.startswith("commands[2]") and not r.results, r
    expect(wire.ok("balance", member="m1"), available="100", visits=1, seq=size)       # nothing has happened
    r = wire.batch([*commands[:2], keyless("enrol", member="m2"), keyless("purchase", member="m2", amount="-1")], key="at", atomic=True)
    assert r.outcome.reason == "INVALID_ARGUMENT" and r.outcome.field == "commands[3].amount" and not r.results, r
    wire.refused("NOT_FOUND", "balance", member="m2")
    expect(wire.ok("balance", member="m1"), available="100", seq=size)
    r = wire.batch([*commands[:2], keyless("enrol", member="m2"), keyless("purchase", member="m2", amount="9")], key="at", atomic=True)
    assert r.outcome.status == pb.OK and statuses(r) == ["OK"] * 4, r
    ids = [one.id for one in r.results]
    assert len({i.split(".")[0] for i in ids}) == 1 and [i.split(".")[1] for i in ids] == ["0", "1", "2", "3"], ids        # one transaction
    again = wire.batch([*commands[:2], keyless("enrol", member="m2"), keyless("purchase", member="m2", amount="9")], key="at", atomic=True)
    assert again.outcome.status == pb.OK and all(one.replayed for one in again.results) and [one.id for one in again.results] == ids, again
    expect(wire.ok("balance", member="m2"), available="9")
    ledger.restart()
    with ledger.wire() as other:
        expect(other.ok("balance", member="m1"), available="45")
        again = other.batch(commands[:2], key="at", atomic=True)
        assert all(one.replayed for one in again.results), again
    ledger.stop()
    expect(ledger.audit(), status="OK")


def test_atomic_that_does_not_fit(world):
    ledger = served(world)
    wire = ledger.wire()
    size = wire.ok("balance", member="m1").seq
    r = wire.batch([keyless("purchase", member="m1", amount="1")] * 900, key="big", atomic=True)
    assert r.outcome.reason == "TOO_LARGE" and r.outcome.status == pb.INVALID_ARGUMENT and not r.results, r
    expect(wire.ok("balance", member="m1"), available="100", visits=1, seq=size)
    assert all(r.status == pb.OK for r in wire.batch([keyless("purchase", member="m1", amount="1")] * 900, key="big").results)      # not atomic it does
    expect(wire.ok("balance", member="m1"), available="1000")
    assert max(len(leaf) for leaf in ledger.leaves()) <= 60000


def simulated(world, batch):
    """The outcome of a batch after the enrolment and the purchase of served()."""
    events = [{"op": "enrol", "member": "m1", "key": "e1"}, {"op": "purchase", "member": "m1", "amount": "100", "key": "p0"}, {"op": "batch", **batch}]
    played = world.write("events.jsonl", "".join(json.dumps({"at": FIRST_DAY, "principal": "operator/test", **event}) + "\n" for event in events))
    return json.loads(run_fealty(["simulate", "--program", world.write("plain.yaml", programs.PLAIN), played]).out.splitlines()[-1])


def test_what_fits_is_what_fits_a_simulation(world):
    """The longest atomic batch that a simulation takes is the longest that the daemon takes."""
    command = {"op": "purchase", "member": "m1", "amount": "1", "lines": [{"sku": "s" * 20, "category": "c" * 20, "qty": 1, "amount": "0.01"}] * 5}
    fits, over = 1, 900
    while over - fits > 1:
        n = (fits + over) // 2
        reply = simulated(world, {"key": "b", "atomic": True, "commands": [command] * n})
        assert reply["status"] == "OK" or (reply["reason"] == "TOO_LARGE" and reply["field"].startswith("commands[")), reply
        fits, over = (n, over) if reply["status"] == "OK" else (fits, n)
    refused = simulated(world, {"key": "b", "atomic": True, "commands": [command] * over})
    ledger = served(world)
    with ledger.wire(principal="operator/test") as wire:
        commands = [keyless(**command)] * over
        r = wire.batch(commands, key="b", atomic=True)
        assert (r.outcome.reason, r.outcome.field, r.outcome.message) == tuple(refused[name] for name in ("reason", "field", "message")), r
        r = wire.batch(commands[:fits], key="b", atomic=True)
        assert r.outcome.status == pb.OK and len(r.results) == fits, r.outcome


def test_too_many_commands(world):
    ledger = served(world)
    wire = ledger.wire()
    r = wire.batch([keyless("purchase", member="m1", amount="1")] * 1001, key="many")
    assert r.outcome.reason == "TOO_LARGE" and not r.results, r
    r = wire.batch([], key="none")
    assert r.outcome.reason == "INVALID_ARGUMENT" and not r.results, r
    r = wire.batch([keyless("purchase", member="m1", amount="1")] * 1000, key="many")
    assert statuses(r) == ["OK"] * 1000
    expect(wire.ok("balance", member="m1"), available="1100")


def test_a_batch_of_a_mebibyte(world):
    """The largest frame that is allowed is taken; a byte more is refused on its header."""
    ledger = served(world)
    wire = ledger.wire()
    lines = [{"sku": "s" * 32, "category": "c" * 32, "qty": 1, "amount": "0.01"}] * 14
    b = pb.Batch(key="full", commands=[keyless("purchase", member="m1", amount="1", lines=lines)] * 900)
    while len(b.SerializeToString()) < 1 << 20:
        b.commands.add().CopyFrom(b.commands[0])
    while len(b.SerializeToString()) > 1 << 20:
        del b.commands[-1]
    assert (1 << 20) - 2000 < len(b.SerializeToString()) and len(b.commands) <= 1000
    r = wire.wait(wire.start_batch_message(b))
    assert r.outcome.status == pb.OK and statuses(r) == ["OK"] * len(b.commands), r.outcome
    assert len(ledger.books().requests) >= len(b.commands)
    wire.send_raw(frame(BATCH, b"", tag=99, length=(1 << 20) + 1))
    wire.expect_fatal("FRAME_TOO_LARGE", 99)


def test_time_in_batches(world):
    """On a manual ledger each command may move the clock; an atomic batch has one instant."""
    ledger = served(world)
    wire = ledger.wire()
    def on(day):
        return keyless("purchase", member="m1", amount="1", at=f"2026-02-{day}T00:00:00Z")
    r = wire.batch([on("01"), on("03"), on("02")], key="t")
    assert statuses(r) == ["OK", "OK", "INVALID_ARGUMENT"], r
    r = wire.batch([on("04"), on("05")], key="u", atomic=True)
    assert r.outcome.reason == "INVALID_ARGUMENT" and not r.results, r
    expect(wire.ok("balance", member="m1"), available="102")


def test_roles_in_batches(world):
    ledger = served(world)
    with ledger.wire("pos/1/2") as wire:
        r = wire.batch([keyless("purchase", member="m1", amount="1"), keyless("adjust", member="m1", points="1", reason="x"),
                        keyless("purchase", member="m1", amount="1", store="9")], key="b")
        assert statuses(r) == ["OK", "PERMISSION_DENIED", "PERMISSION_DENIED"], r


def test_malformed(world):
    ledger = served(world)
    with ledger.wire() as wire:
        b = pb.Batch(key="b", commands=[keyless("purchase", member="m1", amount="1")]).SerializeToString()
        wire.start_batch_message(b + b"\x1a\x02\xff\xff")           # a command that is no message
        wire.expect_fatal("MALFORMED")
    with ledger.wire() as wire:
        r = wire.wait(wire.start_batch_message(b + b"\x78\x01"))     # an unknown field of the batch
        assert r.outcome.reason == "INVALID_ARGUMENT" and not r.results, r
        r = wire.wait(wire.start_batch_message(pb.Batch(key="b", commands=[request("publish")]).SerializeToString()))
        assert r.results[0].reason == "INVALID_ARGUMENT" if r.results else r.outcome.reason == "INVALID_ARGUMENT", r
        expect(wire.ok("balance", member="m1"), available="100")
