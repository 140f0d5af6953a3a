"""What a new version makes due for members whom nobody touches: at its night, live as simulated, whatever happens to the daemon meanwhile."""
import json
import os
import shutil

from case import seconds
from wire import microseconds
from world import SOURCE, expect, run_fealty

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
