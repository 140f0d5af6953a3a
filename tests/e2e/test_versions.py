"""What a new version makes due for members whom nobody touches: at its night, live as simulated, whatever happens to the daemon meanwhile."""
import json
import os
import shutil
import time

import programs
from case import plain_build, seconds, tell
from test_clock import faketime
from wire import microseconds, pb, request
from world import SOURCE, eventually, expect, run_fealty

DAY_US = 86400 * 10**6
GOLDEN = os.path.join(SOURCE, "tests/golden/version-gives-at-night-what-it-adds")
VERSIONS = [GOLDEN + ending for ending in (".yaml", ".2.yaml", ".3.yaml")]


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def simulated():
    """(what, due, member, available) of each entry of the system."""
    options = [word for path in VERSIONS for word in ("--program", path)]
    rows = [json.loads(line) for line in run_fealty(["simulate", "--system", "--quiet", *options, GOLDEN + ".jsonl"]).out.splitlines()]
    return [(row["op"], microseconds(row["at"]), row["member_no"], int(row["available"])) for row in rows]


def nightly(ledger):
    return [(e.inputs.WhichOneof("op"), e.due_at, e.touched[0].member, int(e.after[0].available))
            for t in ledger.books().transactions for e in t.entries if e.principal == "system"]


def play(ledger, between):
    """The events of the golden case; between(ledger) after each."""
    left = VERSIONS[1:]
    for line in read(GOLDEN + ".jsonl").splitlines():
        event = json.loads(line)
        op, wanted, at = event.pop("op"), event.pop("expect", {}), event.pop("at")
        if op == "publish":
            ledger.publish(read(left.pop(0)), at=at)
        else:
            with ledger.wire() as wire:
                if op == "balance":
                    wire.refused("NOT_FOUND", "purchase", member="nobody", amount="1", at=at)      # what is due by then runs
                reply = wire.ok(op, **event, **({} if op == "balance" else {"at": at}))
                for name in set(wanted) & {"available", "tier"}:
                    assert getattr(reply, name) == wanted[name], (line, reply)
                assert sorted(reply.vouchers) == wanted.get("vouchers", sorted(reply.vouchers)), (line, reply)
        between(ledger)


def killed(ledger):
    ledger.daemon.kill()
    ledger.start()


def without_state(ledger):
    ledger.stop()
    shutil.rmtree(os.path.join(ledger.data, "state"))
    ledger.start()


@seconds(120)
def test_as_it_is_simulated(world):
    """Undisturbed; killed after each event; and with a state that is made again after each."""
    wanted = simulated()
    assert {row[0] for row in wanted} >= {"anniversary", "auto_redeem", "tier_look", "notice"}, wanted
    for name, between in (("still", lambda ledger: None), ("killed", killed), ("rebuilt", without_state)):
        ledger = world.running(read(VERSIONS[0]), name=name, at="2025-03-05T10:00:00+09:00")
        play(ledger, between)
        got = nightly(ledger)
        assert got == wanted, f"{name}: live {got}, simulated {wanted}"
        ledger.stop()
        expect(ledger.audit(), status="OK")


# ---- many members, a real clock, and an end in the middle ----

MEMBERS = 20000
GIVES = programs.PLAIN + """
vouchers: [{id: drink, name: Drink, valid: {days: 90}}]
auto_redeem: {at: "7", voucher: drink}
"""


def fill(wire):
    for first in range(0, MEMBERS, 500):
        numbers = range(first, first + 500)
        commands = [request("enrol", member=f"m{n}", key=f"e{n}") for n in numbers]
        commands += [request("purchase", member=f"m{n}", amount="7", key=f"p{n}") for n in numbers]
        r = wire.batch(commands, key=f"b{first}")
        assert all(one.status == pb.OK for one in r.results), r
    return r.results[-1].as_of


def looked_at(ledger):
    """Up to which member the newest version's look has come, by the schedule's row; all: MEMBERS."""
    rows = [json.loads(line) for line in run_fealty(["dump", ledger.data, "meta", "schedule", "--json"]).out.splitlines()]
    position = bytes.fromhex(rows[0]["value"]["hex"])
    version, member = int.from_bytes(position[12:16], "big"), int.from_bytes(position[16:24], "big")
    return 0 if version < 2 else min(member - 1, MEMBERS)


@plain_build
@seconds(120)
def test_a_look_that_is_cut_short_goes_on(world):
    """Killed while members are looked at, again and again; purchases are taken meanwhile, and at midnight everybody has what the version gives, in the
    order of their numbers, once."""
    ledger = world.running(programs.PLAIN, clock="real")
    with ledger.wire() as wire:
        midnight_us = (fill(wire) // DAY_US + 1) * DAY_US
    ledger.publish(GIVES, at=None)
    cuts = []
    for n in range(8):
        ledger.daemon.kill()
        cuts.append(looked_at(ledger))
        ledger.start()
        with ledger.wire() as wire:
            began = time.monotonic()
            while time.monotonic() < began + n * 0.02:
                wire.ok("purchase", member="m0", amount="0.50")
    tell(f"the look was cut at {cuts}")
    assert cuts == sorted(cuts), cuts
    ledger.stop()
    offset = midnight_us / 10**6 - 0.5 - time.time()
    ledger.start(env=faketime(world, f"+{offset:.6f}"))
    with ledger.wire() as wire:
        eventually(lambda: wire.ok("balance", member=f"m{MEMBERS - 1}").as_of >= midnight_us, "the midnight")
        before = -1
        while before != (before := wire.ok("balance", member="m0").seq):
            time.sleep(0.5)
    night = [(e.inputs.WhichOneof("op"), e.due_at, e.touched[0].member) for t in ledger.books().transactions for e in t.entries if e.principal == "system"]
    ledger.stop()
    assert night == [("auto_redeem", midnight_us, n + 1) for n in range(MEMBERS)], (len(night), night[:3], night[-3:])
    expect(ledger.audit(), status="OK")
