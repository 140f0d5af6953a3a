"""Memberships, pools and partners through the daemon's socket and the command line: over a kill -9, a rebuild of state, and an audit at the end."""
import json
import os
import shutil

from case import reduced
from wire import day_text, days
from world import expect

HOUSEHOLD = """
id: household
name: Household
timezone: UTC
currency: USD
points: {unit: point, scale: 0}
earn:
  - {id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: "1", points: "1", whole_steps: true}}
  - {id: club, priority: 20, on: purchase, kind: bonus, fixed: {points: "5"}, when: {membership: prime}}
redemption: {hold: {default_ttl: 1d}}
pools: {max_members: 3}
partners:
  - {id: air, issue_price: "0.01", redeem_price: "2/3", settlement: postpaid}
memberships:
  - {id: prime, term: monthly, fee: "14.99", trial_days: 30, grace_days: 7, refund_if_unused: true, earn_multiplier: "2"}
unknown_alias: refuse
"""

JANUARY = "2026-01-31T10:00:00Z"


def household(world, *members):
    ledger = world.running(HOUSEHOLD)
    with ledger.wire() as wire:
        for name in members:
            wire.ok("enrol", member=name, key=f"e-{name}", at=JANUARY)
            wire.ok("purchase", member=name, amount="100", key=f"p-{name}")
    return ledger


def standing(reply):
    return {row.id: (row.state, day_text(until.until)) for row, until in zip(reply.membership, reply.membership_until, strict=True)}


def read_state(ledger, names):
    with ledger.wire() as wire:
        return [wire.ok(op, member=name).SerializeToString(deterministic=True) for name in names for op in ("balance", "history")]


def again(ledger, *names):
    """Killed, started again, stopped, and its state made anew: what it says of the members is as before."""
    before = read_state(ledger, names)
    ledger.daemon.kill()
    ledger.start()
    assert read_state(ledger, names) == before
    ledger.stop()
    shutil.rmtree(os.path.join(ledger.data, "state"))
    ledger.start()
    assert read_state(ledger, names) == before
    return ledger.wire("backend/app")


def finish(ledger):
    """Everything that was written holds: for our auditor, and for one that has none of our code."""
    ledger.books()
    ledger.stop()
    return ledger.audit()


@reduced
def test_membership(world):
    ledger = household(world, "m", "n")
    wire = ledger.wire("pos/1/1")
    expect(r := wire.ok("membership_start", member="m", membership="prime", trial=True, key="s1"), available="100")
    assert standing(r) == {"prime": ("trial", "2026-03-01")}
    expect(wire.ok("purchase", member="m", amount="10", key="p1"), granted="25")
    assert standing(wire.ok("membership_renew", member="m", membership="prime", key="r1", at="2026-02-10T10:00:00Z")) == {"prime": ("trial", "2026-04-01")}
    wire.refused("ALREADY_EXISTS", "membership_start", member="m", membership="prime")
    wire.refused("NOT_FOUND", "membership_start", member="n", membership="gold")
    assert standing(wire.ok("membership_start", member="n", membership="prime", key="s2")) == {"prime": ("active", "2026-03-09")}
    wire = again(ledger, "m", "n")
    expect(r := wire.ok("membership_cancel", member="n", membership="prime", key="c1"), refund="14.99")
    assert standing(r) == {"prime": ("ended", "2026-02-10")}
    wire.refused("MEMBERSHIP_ENDED", "membership_renew", member="n", membership="prime")
    expect(wire.ok("membership_cancel", member="n", membership="prime", key="c1"), refund="14.99", replayed=True)
    expect(wire.ok("purchase", member="m", amount="10", key="p2", at="2026-04-08T23:59:00Z"), granted="25")
    assert standing(wire.ok("balance", member="m")) == {"prime": ("grace", "2026-04-08")}
    expect(wire.ok("return", member="m", purchase="p1", key="t1"), clawed="25")
    assert standing(wire.ok("balance", member="m", as_of="2026-04-09T00:00:00Z")) == {"prime": ("ended", "2026-04-08")}
    expect(wire.ok("purchase", member="m", amount="10", key="p3", at="2026-04-09T00:00:00Z"), granted="10")
    assert [h.op for h in wire.ok("history", member="m", limit=3).history] == ["purchase", "membership_end", "return"]
    again(ledger, "m", "n")
    finish(ledger)


def test_erasing_gives_a_pools_points_back(world):
    ledger = household(world, "h", "b", "c")
    wire = ledger.wire("backend/app")
    for name in "bc":
        wire.ok("pool_join", member=name, head="h", key=f"j-{name}")
    expect(wire.ok("hold", member="b", points="250", pool=True, key="h1"), held="100", left="250")
    expect(wire.ok("hold", member="h", points="40", pool=True, key="h2"), held="100", left="40")
    ledger.wire().ok("erase", member="b", key="x1")
    expect(wire.ok("balance", member="h"), available="100", held="0")
    expect(wire.ok("balance", member="c"), available="60", held="40")
    wire = again(ledger, "h", "c")
    expect(wire.ok("capture", member="h", hold="h2", key="k1"), left="0", value="")
    expect(ledger.wire().ok("erase", member="c", key="x2"), available="0", held="0")
    again(ledger, "h")
    finish(ledger)


@reduced
def test_pool(world):
    ledger = household(world, "h", "b", "c", "d")
    wire = ledger.wire("backend/app")
    for name in "bc":
        expect(wire.ok("pool_join", member=name, head="h", key=f"j-{name}"), available="100")
    wire.refused("CAP_REACHED", "pool_join", member="d", head="h")
    ledger.wire("pos/1/1").refused("PERMISSION_DENIED", "pool_join", member="d", head="h")
    pool = wire.ok("balance", member="c", pool=True).pool
    assert (pool.available, pool.held) == ("300", "0"), pool
    expect(wire.ok("hold", member="b", points="250", pool=True, key="h1"), held="100", available="0", left="250")
    expect(wire.ok("balance", member="c"), held="50", available="50")
    wire.refused("NOT_FOUND", "capture", member="c", hold="h1")
    wire.refused("NOT_FOUND", "release", member="h", hold="h1")
    wire = again(ledger, "h", "b", "c")
    expect(wire.ok("capture", member="b", hold="h1", points="120", key="k1"), left="130", held="80")
    wire.ok("pool_leave", member="h", key="l1")
    wire.refused("NOT_FOUND", "pool_leave", member="c")
    expect(wire.ok("release", member="b", hold="h1", key="k2"), held="0", available="80")
    expect(wire.ok("balance", member="c"), held="0", available="100")
    expect(wire.ok("reverse_redeem", member="b", redeem="k1", key="v1"), available="100")
    expect(wire.ok("balance", member="h"), available="100")
    wire.ok("pool_join", member="b", head="c", key="j2")
    expect(wire.ok("redeem", member="b", points="150", pool=True, key="x1"), available="50")
    expect(wire.ok("hold", member="b", points="50", pool=True, key="h2"), held="50")
    operator = ledger.wire()
    expect(operator.ok("merge", member="c", into="d", key="g1"), available="100")
    wire.refused("NOT_FOUND", "pool_leave", member="b")
    again(ledger, "h", "b", "d")
    wire, operator = ledger.wire("backend/app"), ledger.wire()
    expect(wire.ok("hold", member="h", points="10", key="h3", at="2026-02-03T10:00:00Z"), held="10")
    expect(wire.ok("balance", member="b"), held="0", available="50")
    refused = wire.refused("PERMISSION_DENIED", "pool_leave", member="h", want_receipt=True)
    assert refused.field == "want_receipt", refused
    expect(operator.ok("pool_join", member="b", head="h", key="j3", want_receipt=True))
    finish(ledger)


def test_pool_is_rolled_forward(world):
    """A hold of a pool times out for each of its owners, whoever is touched first, and what falls due for them comes before they pay."""
    ledger = household(world, "h", "b")
    wire, operator = ledger.wire("backend/app"), ledger.wire()
    wire.ok("pool_join", member="b", head="h", key="j")
    operator.ok("adjust", member="h", points="50", reason="gift", last_day=days("2026-02-01"), key="a1")
    expect(wire.ok("hold", member="b", points="160", pool=True, key="h1"), held="10")
    expect(wire.ok("purchase", member="h", amount="1", key="p2", at="2026-02-01T10:00:00Z"), available="151")
    expect(wire.ok("balance", member="b"), held="0", available="100")
    wire.refused("HOLD_EXPIRED", "capture", member="b", hold="h1")
    # at midnight 50 of the head's points end; all of it in one command
    expect(wire.refused("INSUFFICIENT_POINTS", "redeem", member="b", points="202", pool=True, at="2026-02-02T00:00:00Z"), available="100")
    expect(wire.ok("redeem", member="b", points="201", pool=True, key="x1"), available="0")
    expect(wire.ok("balance", member="h"), available="0")
    finish(ledger)


def test_partners_accounts(world):
    ledger = household(world, "m")
    wire = ledger.wire("pos/1/1")
    expect(wire.ok("purchase", member="m", amount="100", partner="air", key="p1"), granted="100", available="200")
    refused = wire.refused("NOT_FOUND", "purchase", member="m", amount="100", partner="sea")
    assert refused.field == "partner", refused
    wire.ok("hold", member="m", points="50", partner="air", key="h1")
    wire = again(ledger, "m")
    wire.ok("capture", member="m", hold="h1", points="30", key="k1")
    wire.ok("redeem", member="m", points="20", partner="air", key="x1")
    wire.ok("reverse_redeem", member="m", redeem="k1", points="5", key="v1")
    expect(wire.ok("return", member="m", purchase="p1", amount="40", key="t1"), clawed="40")
    report = finish(ledger)
    accounts = report["programs"][0]["accounts"]
    assert (accounts["issued"], accounts["partner_issued"], accounts["partner_redeemed"]) == ("-100", "-60", "45"), accounts


def test_command_line(world):
    ledger = household(world, "m", "n")
    for words, said in ((("membership", "start", "m", "prime", "--trial"), '"membership":{"prime":"trial"}'),
                        (("membership", "renew", "m", "prime"), '"trial"'),
                        (("membership", "cancel", "m", "prime"), '"refund":"14.99"'), (("pool", "join", "n", "m"), '"available":"100"'),
                        (("balance", "n", "--pool"), '"pool":{"available":"200"'), (("redeem", "n", "150", "--pool", "--partner", "air"), '"available":"50"'),
                        (("hold", "n", "10", "--pool"), '"left":"10"'), (("pool", "leave", "m"), '"available":"0"')):
        done = ledger.cli(*words)
        assert said in json.dumps(done.json, separators=(",", ":")), (words, done.json)
    assert "prime" in ledger.cli("balance", "m", json_output=False).out
    finish(ledger)
