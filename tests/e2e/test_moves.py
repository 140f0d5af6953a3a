"""Points that go back or move on: returns, reversals, transfers, merges and lent points, through the daemon's socket and the command line.

What each case has made is looked at again after a kill -9, state is rebuilt from the ledger, and everything is audited at the end.
"""
import json
import os
import random
import shutil

import programs
from case import reduced, seconds
from wire import Closed, day_text, days, keyless, pb, request
from world import expect

MOVES = """
id: moves
name: Moves
timezone: UTC
currency: USD
points: {unit: point, scale: 0}
earn:
  - {id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: "1", points: "1", whole_steps: true}}
  - {id: wait, priority: 20, on: purchase, kind: bonus, fixed: {points: "5"}, pending: {days: 14}, when: {min_amount: "50"}}
  - {id: cakes, priority: 30, on: purchase, kind: bonus, per_item: {points: "2"}, when: {categories: [cake]}, caps: [{per: month, points: "20"}]}
expiry: {after: {months: 12}}
tiers:
  - {id: basic, rank: 0}
  - {id: gold, rank: 1, reach: {any: [{all: [{metric: points_earned, at_least: "1000"}]}]}, window: lifetime}
birthday: {reward: {points: "50"}, issue: automatic, guard_days: 0}
redemption:
  value: {points: "100", amount: "1"}
  hold: {default_ttl: 1d, max_ttl: 30d, expired_lot: capturable}
returns: {claw_back: unlimited}
transfers: {min: "10", times_per_year: 20}
advance: {max: "100"}
unknown_alias: refuse
"""

JANUARY = "2026-01-10T10:00:00Z"


def moves(world, *members):
    """A ledger with members who have a purchase of 100 each, under the key p-NAME."""
    ledger = world.running(MOVES)
    with ledger.wire() as wire:
        for name in members:
            wire.ok("enrol", member=name, key=f"e-{name}", at=JANUARY)
            expect(wire.ok("purchase", member=name, amount="100", key=f"p-{name}"), granted="105", available="100", pending="5")
    return ledger


def read_state(ledger, names):
    with ledger.wire() as wire:
        return [wire.ok(op, member=name).SerializeToString(deterministic=True) for name in names for op in ("balance", "history")]


def killed(ledger, *names):
    """Ends the daemon without a word, and starts it again: what it says of the members is as before."""
    before = read_state(ledger, names)
    ledger.daemon.kill()
    ledger.start()
    assert read_state(ledger, names) == before
    return ledger.wire()


def rebuilt(ledger, *names):
    """Throws state away: what the ledger alone brings back is as before."""
    before = read_state(ledger, names)
    ledger.stop()
    for name in ("state", "snapshot"):
        shutil.rmtree(os.path.join(ledger.data, name), ignore_errors=True)
    ledger.start()
    assert read_state(ledger, names) == before
    return ledger.wire()


def turn(wire, at):
    """Lets the scheduler do what is due at ${at}: the enrolment of somebody else brings the clock there."""
    wire.ok("enrol", member=f"clock {at}", key=f"clock-{at}", at=at)


def finish(ledger):
    """The whole ledger, read by an auditor who shares no code with it, and by ours."""
    ledger.books()
    ledger.stop()
    expect(ledger.audit(), status="OK")


def dump(ledger, table, key=None):
    return ledger.cli("dump", ledger.data, table, *([key] if key else []), json_output=False).out


def person_bytes(ledger):
    """How large the sealed profile of each member is; one row each."""
    rows = [line.split(None, 1) for line in dump(ledger, "person").splitlines() if line.strip()]
    sizes = {key.rsplit("/", 1)[0]: json.loads(value)["bytes"] for key, value in rows}
    assert len(sizes) == len(rows), rows
    return sizes


# ---- returns ----

@reduced
def test_return_by_amount(world):
    """In parts, too much, the rest, and once more: pending points first, then lots, then debt."""
    ledger = moves(world, "m")
    wire = ledger.wire("pos/1/1")
    expect(wire.ok("return", member="m", purchase="p-m", amount="40.25", key="r1"), clawed="41", wanted="41", available="64", pending="0", debt="0",
           spend="59.75", visits=1, points_earned="64", points_to_next="936", id="4.0")     # 59 by base, 5 by `wait`: 64 of 105
    r = wire.ok("return", member="m", purchase="p-m", amount="40.25", key="r1")
    assert [(lot.points, lot.last_day) for lot in r.lots] == [("36", days("2027-01-10"))], r            # 5 had waited
    expect(wire.ok("return", member="m", purchase="p-m", amount="0", key="r2"), clawed="0", available="64")
    r = wire.refused("RETURN_EXCEEDS_PURCHASE", "return", member="m", purchase="p-m", amount="59.76", key="r3")
    expect(r, field="amount", available="64", status=pb.FAILED_PRECONDITION)
    expect(wire.refused("INVALID_ARGUMENT", "return", member="m", purchase="p-m", amount="1.234"), field="amount")
    expect(wire.refused("INVALID_ARGUMENT", "return", member="m", purchase="p-m", amount="-1"), field="amount")
    wire.ok("redeem", member="m", points="30", key="x1")
    expect(wire.ok("return", member="m", purchase="p-m", key="r3"), clawed="64", available="0", debt="30", spend="0", visits=0, points_earned="0")
    wire = killed(ledger, "m")
    for fields in ({}, {"amount": "0.01"}, {"amount": "0"}):
        wire.refused("RETURN_EXCEEDS_PURCHASE", "return", member="m", purchase="p-m", **fields)
    expect(wire.ok("purchase", member="m", amount="20", key="p2"), granted="20", available="0", debt="10")        # what is earned is paid first
    wire = rebuilt(ledger, "m")
    wire.refused("RETURN_EXCEEDS_PURCHASE", "return", member="m", purchase="p-m")
    expect(wire.ok("return", member="m", purchase="p2", key="r4"), clawed="20", debt="30")
    row = dump(ledger, "followup", "3/0")
    assert '"left":0,"lines":[]' in row and '"clawed":105' in row, row
    finish(ledger)


LINES = [{"sku": "latte", "category": "drink", "qty": 3, "amount": "12.00"}, {"sku": "brownie", "category": "cake", "qty": 2, "amount": "5.00"},
         {"category": "drink", "qty": 1, "amount": "1.00"}]


def test_return_by_lines(world):
    """Pieces with their share or with an amount of their own; the cap of the cakes has its room again."""
    ledger = moves(world, "m")
    wire = ledger.wire()
    bought = wire.ok("purchase", member="m", amount="20.00", lines=LINES, key="p2")
    expect(bought, granted="24", available="124", id="4.0")                         # 20, and 2 for each cake

    def back(key, lines, clawed, spend):
        expect(wire.ok("return", member="m", purchase="p2", lines=lines, key=key), clawed=clawed, spend=spend)

    def refused(lines, reason="RETURN_EXCEEDS_PURCHASE", field="lines"):
        expect(wire.refused(reason, "return", member="m", purchase="p2", lines=lines), field=field)

    back("r1", [{"sku": "latte"}], "4", "116.00")                                   # a quantity left out is one: 4.00
    back("r2", [{"sku": "latte", "qty": 1, "amount": "3.50"}], "4", "112.50")       # 12.50 is left: 12 of 20
    refused([{"sku": "latte", "qty": 2}])
    refused([{"sku": "latte", "qty": 1, "amount": "4.51"}])                         # more than the line has left
    refused([{"sku": "tea", "qty": 1}])
    refused([{"sku": "latte", "category": "cake", "qty": 1}])
    refused([{"sku": "latte", "qty": 0}], "INVALID_ARGUMENT", "lines[0].qty")
    refused([{"sku": "latte", "qty": 1, "amount": "x"}], "INVALID_ARGUMENT", "lines[0].amount")
    expect(wire.refused("INVALID_ARGUMENT", "return", member="m", purchase="p2", amount="1", lines=[{"sku": "latte"}]), field="lines")
    back("r3", [{"category": "cake", "qty": 1}, {"sku": "latte", "qty": 1}], "9", "105.50")     # 2.50 and 4.50: 5 of 12 and a cake
    wire = killed(ledger, "m")
    expect(wire.ok("return", member="m", purchase="p2", amount="3.00", key="r4"), clawed="3", spend="102.50")      # first what has no line; then the last line
    row = dump(ledger, "followup", "4/0")
    assert '"left":250,"lines":[{"qty":0,"amount":0},{"qty":1,"amount":250},{"qty":0,"amount":0}]' in row, row
    expect(wire.ok("return", member="m", purchase="p2", key="r5"), clawed="4", spend="100.00", available="100", visits=1)
    cakes = [{"category": "cake", "qty": 11, "amount": "11.00"}]
    expect(wire.ok("purchase", member="m", amount="11.00", lines=cakes, key="p3"), granted="31", wanted="33")      # all 20 of the month are there again
    rebuilt(ledger, "m")
    finish(ledger)


def test_return_after_points_became_usable(world):
    """The followup of a purchase remembers on which day its pending points became usable; they fall on that day."""
    ledger = moves(world, "m")
    wire = ledger.wire()
    turn(wire, "2026-01-24T00:00:00Z")
    expect(wire.ok("balance", member="m"), available="105", pending="0", points_earned="105")
    row = dump(ledger, "followup", "3/0")
    assert '{"activations":[{"day":"2026-01-24","last_day":"2027-01-24","points":5}]}' in row, row
    wire = rebuilt(ledger, "m")
    expect(wire.ok("return", member="m", purchase="p-m", amount="60", key="r1"), clawed="65", available="40", points_earned="40", spend="40.00")
    falls = ledger.books().transactions[-1].entries[0].facts.falls
    assert [(day_text(f.day), f.metrics.points_earned) for f in falls] == [("2026-01-10", -65)], falls
    wire = killed(ledger, "m")
    expect(wire.ok("return", member="m", purchase="p-m", key="r2"), clawed="40", points_earned="0", visits=0)
    falls = ledger.books().transactions[-1].entries[0].facts.falls
    assert [(day_text(f.day), f.metrics.points_earned) for f in falls] == [("2026-01-10", -35), ("2026-01-24", -5)], falls
    finish(ledger)


def test_references(world):
    """By key and by the entry's id; of this member, of this kind; two of one key are ambiguous, an id never is."""
    ledger = moves(world, "m", "n")
    one, two = ledger.wire("pos/1/1"), ledger.wire("pos/1/2")
    a = one.ok("purchase", member="m", amount="10", key="same")
    b = two.ok("purchase", member="m", amount="20", key="same")
    two.ok("purchase", member="n", amount="30", key="other")
    expect(one.refused("INVALID_ARGUMENT", "return", member="m", purchase="same", key="r0"), field="purchase")
    expect(one.ok("return", member="m", purchase=b.id, key="r0"), clawed="20")
    expect(two.ok("return", member="m", purchase=a.id, key="r0"), clawed="10")
    no_purchase = ("0.0", "1.0", "2.0", f"{a.id.split('.')[0]}.1", "999999.0", "99999999999999999999.0", "1.99999999999")
    for purchase in ("none", "other", "p-n", "e-m", "r0", *no_purchase):
        expect(one.refused("NOT_FOUND" if purchase != "r0" else "INVALID_ARGUMENT", "return", member="m", purchase=purchase), field="purchase")
    expect(one.refused("NOT_FOUND", "return", member="nobody", purchase="p-m"), field="member")
    for purchase in ("", "a b", "x" * 65):
        expect(one.refused("INVALID_ARGUMENT", "return", member="m", purchase=purchase), field="purchase")
    # a request id that looks like an entry's id, and is that of the very entry
    size = one.ok("balance", member="m").seq + 1
    mine = one.ok("purchase", member="m", amount="7", key=f"{size}.0")
    assert mine.id == f"{size}.0", mine
    expect(one.ok("return", member="m", purchase=f"{size}.0", key="r1"), clawed="7")
    # and one that is that of another purchase: the id says neither, since it could be the key
    size = one.ok("balance", member="m").seq + 1
    one.ok("purchase", member="m", amount="7", key=f"{size + 1}.0")
    one.ok("purchase", member="m", amount="8", key="shadowed")
    one.refused("INVALID_ARGUMENT", "return", member="m", purchase=f"{size + 1}.0")
    expect(one.ok("return", member="m", purchase="shadowed", key="r2"), clawed="8")
    finish(ledger)


# ---- reversals ----

@reduced
def test_reverse_redeem(world):
    """A redemption and a capture, in parts and whole; nothing comes back twice."""
    ledger = moves(world, "m")
    wire = ledger.wire("pos/1/1")
    redeemed = wire.ok("redeem", member="m", points="30", key="x1")
    expect(wire.ok("reverse_redeem", member="m", redeem="x1", points="10", key="v1"), available="80")
    expect(wire.refused("ALREADY_REVERSED", "reverse_redeem", member="m", redeem="x1", points="21"), field="points", available="80")
    expect(wire.refused("POINTS_NOT_POSITIVE", "reverse_redeem", member="m", redeem="x1", points="0"), field="points")
    wire = killed(ledger, "m")
    expect(wire.ok("reverse_redeem", member="m", redeem=redeemed.id, key="v2"), available="100")
    wire.refused("ALREADY_REVERSED", "reverse_redeem", member="m", redeem="x1")
    wire.ok("hold", member="m", points="40", key="h1")
    for hold in ("h1", "p-m", "e-m", "none", "0.0"):
        expect(wire.refused("NOT_FOUND", "reverse_redeem", member="m", redeem=hold), field="redeem")
    wire.ok("capture", member="m", hold="h1", points="25", key="c1")
    expect(wire.ok("reverse_redeem", member="m", redeem="c1", points="5", key="v3"), available="65", held="15")        # to the member, not to the hold
    wire.ok("capture", member="m", hold="h1", key="c2")
    wire = rebuilt(ledger, "m")
    expect(wire.ok("reverse_redeem", member="m", redeem="c1", key="v4"), available="85")
    expect(wire.ok("reverse_redeem", member="m", redeem="c2", key="v5"), available="100")
    # what came back can be spent, and is no new redemption
    wire.ok("redeem", member="m", points="100", key="x2")
    wire.refused("ALREADY_REVERSED", "reverse_redeem", member="m", redeem="x1")
    wire.ok("freeze", member="m", reason="fraud", key="f1")
    expect(wire.ok("reverse_redeem", member="m", redeem="x2", key="v6"), available="100")
    assert '"reversed":30' in dump(ledger, "followup", redeemed.id.replace(".", "/")), dump(ledger, "followup")
    finish(ledger)


# ---- transfers and lent points ----

@reduced
def test_transfer_and_advance(world):
    ledger = moves(world, "m", "n")
    wire = ledger.wire("backend/app")
    expect(wire.ok("transfer", member="m", to="n", points="60", key="t1"), member_no=1, available="40", points_earned="100")
    expect(wire.ok("balance", member="n"), available="160", points_earned="100")
    expect(wire.ok("advance", member="m", points="50", key="a1"), available="90", debt="50")
    expect(wire.refused("CAP_REACHED", "advance", member="m", points="51"), field="points", available="90", debt="50")
    wire = killed(ledger, "m", "n")
    expect(wire.ok("transfer", member="n", to="m", points="20", key="t2"), member_no=2, available="140")
    expect(wire.ok("balance", member="m"), available="90", debt="30")        # what is sent pays what is owed
    expect(wire.ok("advance", member="m", points="70", key="a2"), available="160", debt="100")
    expect(wire.refused("INSUFFICIENT_POINTS", "transfer", member="m", to="n", points="161"), available="160")
    expect(wire.refused("BELOW_MINIMUM", "transfer", member="m", to="n", points="9"), field="points")
    expect(wire.refused("NOT_FOUND", "transfer", member="m", to="nobody", points="10"), field="to")
    expect(wire.refused("NOT_FOUND", "transfer", member="nobody", to="m", points="10"), field="member")
    expect(wire.refused("INVALID_ARGUMENT", "transfer", member="m", to="m", points="10"), field="to")
    wire.ok("profile", member="m", add_aliases=["app:m"], key="al")
    expect(wire.refused("INVALID_ARGUMENT", "transfer", member="m", to="app:m", points="10"), field="to")
    operator = ledger.wire()
    operator.ok("freeze", member="n", reason="fraud", key="f1")
    wire.refused("MEMBER_FROZEN", "transfer", member="n", to="m", points="10")
    wire.refused("MEMBER_FROZEN", "advance", member="n", points="10")
    expect(wire.ok("transfer", member="m", to="n", points="10", key="t3"), available="150")
    wire = rebuilt(ledger, "m", "n")
    expect(wire.ok("balance", member="n"), available="150")
    assert [h.op for h in wire.ok("history", member="n", limit=3).history] == ["transfer", "freeze", "transfer"]
    finish(ledger)


def test_what_a_program_does_not_offer(world):
    """Returns and reversals need no section of their own; transfers and advances do."""
    ledger = world.running(programs.PLAIN)
    wire = ledger.wire()
    for name in ("m", "n"):
        wire.ok("enrol", member=name, key=f"e-{name}")
    wire.ok("purchase", member="m", amount="100", key="p1")
    wire.ok("redeem", member="m", points="40", key="x1")
    wire.refused("NOT_OFFERED", "transfer", member="m", to="n", points="10")
    wire.refused("NOT_OFFERED", "advance", member="m", points="10")
    expect(wire.ok("return", member="m", purchase="p1", amount="70", key="r1"), clawed="70", available="0", debt="10")
    expect(wire.ok("reverse_redeem", member="m", redeem="x1", key="v1"), available="40", debt="10")         # it pays no debt
    expect(wire.ok("merge", member="m", into="n", key="g1"), member_no=2, available="40", debt="10")
    finish(ledger)


# ---- who may ----

def test_roles(world):
    ledger = moves(world, "m", "n")
    with ledger.wire() as wire:
        wire.ok("redeem", member="m", points="50", key="x1")
    asked = {"return": {"member": "m", "purchase": "p-m", "amount": "1"}, "reverse_redeem": {"member": "m", "redeem": "x1", "points": "1"},
             "transfer": {"member": "m", "to": "n", "points": "10"}, "advance": {"member": "m", "points": "1"}, "merge": {"member": "n", "into": "m"}}
    may = {"pos/1/1": {"return", "reverse_redeem"}, "backend/app": {"return", "reverse_redeem", "transfer", "advance"}, "auditor/a": set(),
           "approver/a": set(), "operator/o": set(asked)}
    for principal, allowed in may.items():
        with ledger.wire(principal) as wire:
            for op, fields in asked.items():
                if op in allowed:
                    wire.ok(op, **fields)
                else:
                    expect(wire.refused("PERMISSION_DENIED", op, **fields), field="op")
    with ledger.wire("pos/1/1") as wire:
        expect(wire.refused("PERMISSION_DENIED", "return", member="m", purchase="p-m", amount="1", store="2"), field="store")
        expect(wire.ok("return", member="m", purchase="p-m", amount="1", store="1", key="own"))         # bought elsewhere: what counts is where it is returned
    finish(ledger)


# ---- request ids ----

@reduced
def test_replays(world):
    """The first answer again: after the state has moved on, after a kill, and with state made anew."""
    ledger = moves(world, "m", "n", "o")
    wire = ledger.wire()
    commands = [("return", {"member": "m", "purchase": "p-m", "amount": "20"}), ("redeem", {"member": "m", "points": "50"}),
                ("reverse_redeem", {"member": "m", "redeem": "k1", "points": "30"}), ("transfer", {"member": "m", "to": "n", "points": "15"}),
                ("advance", {"member": "m", "points": "40"}), ("merge", {"member": "o", "into": "m"})]
    kept = ("id", "member_no", "clawed", "wanted", "value", "available", "pending", "held", "debt", "tier")

    def outcome(r):
        return [getattr(r, name) for name in kept] + [(lot.last_day, lot.points) for lot in r.lots]

    first = [outcome(wire.ok(op, key=f"k{i}", **fields)) for i, (op, fields) in enumerate(commands)]
    changed = {"amount": "21", "points": "11", "into": "n"}
    for step in range(4):
        for i, (op, fields) in enumerate(commands):
            r = wire.ok(op, key=f"k{i}", **fields)
            assert r.replayed and outcome(r) == first[i], f"{op}, step {step}: {r}\nnot {first[i]}"
            other = {name: changed.get(name, value) for name, value in fields.items()}
            expect(wire.refused("REQUEST_ID_REUSED", op, key=f"k{i}", **other), field="key")
        with ledger.wire("operator/another") as another:
            another.refused("RETURN_EXCEEDS_PURCHASE", "return", member="m", purchase="p-m", amount="200", key="k0")
        if step == 0:
            expect(wire.ok("return", member="m", purchase="p-m", key="rest"), clawed="85")
            expect(wire.ok("reverse_redeem", member="m", redeem="k1", key="rest-x"))
            wire.refused("RETURN_EXCEEDS_PURCHASE", "return", member="m", purchase="p-m", amount="20", key="new")
            wire.refused("ALREADY_REVERSED", "reverse_redeem", member="m", redeem="k1", points="30", key="new")
            wire = killed(ledger, "m", "n")
        elif step == 1:
            wire = rebuilt(ledger, "m", "n")
        elif step == 2:
            wire.ok("merge", member="n", into="m", key="g2")
    finish(ledger)


# ---- batches ----

def test_a_return_in_the_batch_of_its_purchase(world):
    ledger = moves(world, "m", "n")
    wire = ledger.wire()
    commands = [keyless("purchase", member="m", amount="30"), keyless("return", member="m", purchase="b.1", amount="10"),
                keyless("return", member="m", purchase="b.1", amount="21"), keyless("redeem", member="m", points="50"),
                keyless("reverse_redeem", member="m", redeem="b.4"), keyless("transfer", member="m", to="n", points="20"),
                keyless("advance", member="n", points="5"), keyless("return", member="m", purchase="b.1")]
    want = ["OK", "OK", "RETURN_EXCEEDS_PURCHASE", "OK", "OK", "OK", "OK", "OK"]
    for again in (False, True):
        r = wire.batch(commands, key="b")
        assert [one.reason or "OK" for one in r.results] == want, r
        assert all(one.replayed == again for one in r.results if not one.reason), r
        expect(r.results[1], clawed="10", available="120")
        expect(r.results[7], clawed="20", available="80")
        wire = killed(ledger, "m", "n")
    r = wire.batch([keyless("purchase", member="m", amount="5"), keyless("return", member="m", purchase="a.1")], key="a", atomic=True)
    assert len({one.id.split(".")[0] for one in r.results}) == 1 and r.results[1].clawed == "5", r
    rebuilt(ledger, "m", "n")
    finish(ledger)


def test_an_atomic_batch_is_undone(world):
    """The return, the merge and the lent points before the command that was refused have never been; nor in the vault."""
    ledger = moves(world, "m", "n", "o")
    wire = ledger.wire()
    wire.ok("profile", member="n", birthday="06-20", key="b1")
    wire.ok("return", member="m", purchase="p-m", amount="10", key="r1")
    wire.ok("redeem", member="m", points="40", key="x1")
    before = read_state(ledger, ["m", "n", "o"]), dump(ledger, "followup"), dump(ledger, "member"), dump(ledger, "person")
    good = [keyless("return", member="m", purchase="p-m", amount="50"), keyless("reverse_redeem", member="m", redeem="x1"),
            keyless("transfer", member="m", to="o", points="10"), keyless("advance", member="o", points="50"),
            keyless("merge", member="n", into="m"), keyless("return", member="m", purchase="p-n", amount="100"),
            keyless("purchase", member="n", amount="7"), keyless("return", member="m", purchase="at.7")]
    for bad in (keyless("return", member="m", purchase="p-m", amount="50"), keyless("redeem", member="m", points="1000")):
        r = wire.batch([*good, bad], key="at", atomic=True)
        assert r.outcome.reason in ("RETURN_EXCEEDS_PURCHASE", "INSUFFICIENT_POINTS") and r.outcome.field.startswith("commands[8]") and not r.results, r
        assert (read_state(ledger, ["m", "n", "o"]), dump(ledger, "followup"), dump(ledger, "member"), dump(ledger, "person")) == before
        wire.refused("NOT_FOUND", "return", member="m", purchase="p-n", key="none")
    r = wire.batch(good, key="at", atomic=True)
    assert r.outcome.status == pb.OK and [one.replayed for one in r.results] == [False] * 8, r
    assert len({one.id.split(".")[0] for one in r.results}) == 1, r
    expect(r.results[5], clawed="105")
    expect(r.results[7], clawed="7")
    wire = killed(ledger, "m", "n", "o")
    assert all(one.replayed for one in wire.batch(good, key="at", atomic=True).results)
    expect(wire.ok("balance", member="n"), member_no=1)
    finish(ledger)


@seconds(90)
def test_a_large_batch(world):
    """Purchases and their returns over several transactions of one frame: a return may name an entry that is not on disk yet."""
    ledger = moves(world, "m")
    wire = ledger.wire()
    n = 450
    commands = [request("purchase", member="m", amount=str(i + 1), key=f"lp{i}") for i in range(n)]
    commands += [request("return", member="m", purchase=f"lp{i}", amount="1", key=f"lr{i}") for i in range(n)]
    r = wire.batch(commands, key="big")
    assert all(one.status == pb.OK for one in r.results), next(one for one in r.results if one.status != pb.OK)
    assert len({one.id.split(".")[0] for one in r.results}) > 2, "they fit one transaction"
    # 50 and more bring 5 that wait, at 49 they are gone
    assert [one.clawed for one in r.results[n:]] == ["6" if i == 49 else "1" for i in range(n)]
    expect(wire.ok("balance", member="m"), spend=str(100 + sum(range(n))), available=str(100 + sum(range(n)) + n - 50), pending=str(5 + 4 * (n - 50)))
    wire = killed(ledger, "m")
    rows = dump(ledger, "followup").splitlines()
    assert len([row for row in rows if '"left"' in row]) == n, len(rows)
    finish(ledger)


# ---- merges ----

@reduced
def test_merge(world):
    """Both names mean the one that stays, for writes and for reads; what the other had done is found under either."""
    ledger = moves(world, "m", "n", "z")
    wire = ledger.wire()
    wire.ok("profile", member="n", add_aliases=["card:n"], key="al")
    held = wire.ok("hold", member="n", points="40", key="h-n")
    wire.ok("hold", member="n", points="10", key="h-gone")
    wire.ok("capture", member="n", hold="h-gone", key="c-gone")
    wire.ok("redeem", member="n", points="20", key="x-n")
    wire.ok("return", member="n", purchase="p-n", amount="10", key="r-n")           # 10: the 5 that wait, and 5 more
    wire.ok("advance", member="m", points="30", key="a-m")
    r = wire.ok("merge", member="n", into="m", key="g1")
    expect(r, member_no=1, available="155", held="40", pending="5", debt="30", points_earned="195", spend="190.00", visits=2)
    for restart in (killed, rebuilt, killed):
        for name in ("m", "n", "card:n"):
            expect(wire.ok("balance", member=name), member_no=1)
            wire.refused("ALREADY_EXISTS", "enrol", member=name)
        assert wire.ok("history", member="n").history == wire.ok("history", member="m").history
        expect(wire.refused("INVALID_ARGUMENT", "merge", member="n", into="m"), field="into")
        expect(wire.refused("INVALID_ARGUMENT", "transfer", member="card:n", to="m", points="10"), field="to")
        expect(wire.refused("HOLD_NOT_OPEN", "release", member="m", hold="h-gone"), field="hold")
        expect(wire.refused("NOT_FOUND", "return", member="z", purchase="p-n"), field="purchase")
        wire = restart(ledger, "m", "n", "card:n", "z")
    expect(wire.ok("capture", member="m", hold="h-n", points="15", key="c1"), held="25", left="25")
    expect(wire.ok("release", member="card:n", hold=held.id, key="rl"), held="0", available="180")
    expect(wire.ok("return", member="m", purchase="p-n", amount="20", key="r2"), clawed="20", spend="170.00")
    wire.refused("RETURN_EXCEEDS_PURCHASE", "return", member="n", purchase="p-n", amount="70.01")
    expect(wire.ok("return", member="n", purchase="p-m", key="r3"), clawed="105", spend="70.00", visits=1)
    expect(wire.ok("reverse_redeem", member="m", redeem="x-n", key="v1"), available="80")
    expect(wire.ok("reverse_redeem", member="n", redeem="c-gone", key="v2"), available="90")
    expect(wire.ok("purchase", member="card:n", amount="10", key="p3"), member_no=1, debt="20")
    expect(wire.ok("balance", member="z"), available="100", pending="5", member_no=3)
    assert '"merged_into":1' in dump(ledger, "member", "1/2") and '"standing":"closed"' in dump(ledger, "member", "1/2")
    finish(ledger)


def test_merge_refused(world):
    ledger = moves(world, "m", "n", "o")
    wire = ledger.wire()
    expect(wire.refused("NOT_FOUND", "merge", member="none", into="m"), field="member")
    expect(wire.refused("NOT_FOUND", "merge", member="m", into="none"), field="into")
    expect(wire.refused("INVALID_ARGUMENT", "merge", member="m", into="m"), field="into")
    expect(wire.refused("INVALID_ARGUMENT", "merge", member="m"), field="into")
    for name in ("m", "n"):                                                         # 64 holds together are too many
        for i in range(33):
            wire.ok("hold", member=name, points="1", key=f"h-{name}-{i}")
    wire.refused("CAP_REACHED", "merge", member="m", into="n")
    wire.ok("release", member="m", hold="h-m-0", key="rl0")
    wire.refused("CAP_REACHED", "merge", member="m", into="n")
    wire.ok("release", member="m", hold="h-m-1", key="rl1")
    for i in range(32):                                                             # and so are 64 names
        wire.ok("profile", member="m", add_aliases=[f"m{i}"], key=f"am{i}")
        if i > 0:
            wire.ok("profile", member="o", add_aliases=[f"o{i}"], key=f"ao{i}")
    before = read_state(ledger, ["m", "n", "o"])
    expect(wire.refused("CAP_REACHED", "merge", member="m", into="o"), field="into")
    assert read_state(ledger, ["m", "n", "o"]) == before
    wire.ok("profile", member="m", remove_aliases=["m0"], key="un")
    wire = killed(ledger, "m", "n", "o")
    expect(wire.ok("merge", member="m", into="o", key="g1"), member_no=3, held="31", available="169")
    for name in ("m", "m31", "o", "o31"):
        expect(wire.ok("balance", member=name), member_no=3)
    wire.refused("NOT_FOUND", "balance", member="m0")
    # a closed one neither takes nor goes
    for i in range(33):
        wire.ok("release", member="n", hold=f"h-n-{i}", key=f"rl-n-{i}")
    expect(wire.ok("return", member="n", purchase="p-n", key="r1"), available="0", debt="0")
    wire.ok("close", member="n", reason="left", key="cl")
    wire.refused("MEMBER_CLOSED", "merge", member="n", into="o")
    expect(wire.refused("MEMBER_CLOSED", "merge", member="o", into="n"), field="into")
    expect(wire.refused("MEMBER_CLOSED", "transfer", member="o", to="n", points="10"), field="to")
    rebuilt(ledger, "m", "n")
    finish(ledger)


def test_merge_of_merged(world):
    """A name stays with the number that it was given to, and is followed from one to the next."""
    ledger = moves(world, "a", "b", "c", "d")
    wire = ledger.wire()
    wire.ok("redeem", member="a", points="10", key="x-a")
    wire.ok("merge", member="a", into="b", key="g1")
    wire.ok("merge", member="b", into="c", key="g2")
    expect(wire.ok("merge", member="a", into="d", key="g3"), member_no=4, available="390", pending="20", visits=4)         # a is c by now
    for name in "abcd":
        expect(wire.ok("balance", member=name), member_no=4)
    wire = rebuilt(ledger, *"abcd")
    for i, name in enumerate("abcd"):
        expect(wire.ok("return", member="dabc"[i], purchase=f"p-{name}", amount="40", key=f"r{i}"), clawed="40")
    expect(wire.ok("reverse_redeem", member="b", redeem="x-a", key="v1"), available="260", pending="0")
    expect(wire.refused("INVALID_ARGUMENT", "merge", member="a", into="b"), field="into")
    # what was sent before is answered as it was, to the name it was sent for
    expect(wire.ok("purchase", member="a", amount="100", key="p-a"), replayed=True, member_no=1, available="100")
    expect(wire.ok("enrol", member="a", key="e-a"), replayed=True, member_no=1)
    expect(wire.ok("merge", member="b", into="c", key="g2"), replayed=True, member_no=3)
    finish(ledger)


def test_merge_and_profiles(world):
    """The birthday moves when the other has none; names can be taken away, and belong to somebody new then; nobody else's are touched."""
    ledger = world.running(MOVES)
    wire = ledger.wire()
    wire.ok("enrol", member="a", birthday="02-10", aliases=["card:a"], key="e1", at=JANUARY)
    wire.ok("enrol", member="b", key="e2")
    wire.ok("enrol", member="c", birthday="02-11", key="e3")
    wire.ok("enrol", member="d", birthday="02-12", aliases=["card:d"], key="e4")
    wire.ok("enrol", member="bystander", birthday="02-10", aliases=["card:x"], key="e5")
    sealed = person_bytes(ledger)
    wire.ok("merge", member="a", into="b", key="g1")             # b had none: it is born on 10 February now
    wire.ok("merge", member="d", into="c", key="g2")             # c keeps its own
    after = person_bytes(ledger)
    assert set(after) == set(sealed) and after["1/1"] < sealed["1/1"] and after["1/4"] < sealed["1/4"], "who went keeps no name and no birthday"
    assert after["1/2"] > sealed["1/2"] and after["1/3"] > sealed["1/3"] and after["1/5"] == sealed["1/5"], (sealed, after)
    wire = killed(ledger, *"abcd")
    turn(wire, "2026-02-13T00:00:00Z")
    expect(wire.ok("balance", member="a"), available="50", member_no=2)
    expect(wire.ok("balance", member="c"), available="50", member_no=3)
    born = [(e.member, day_text(e.facts.birthday)) for _, e in ledger.books().entries() if e.inputs.HasField("birthday")]
    assert born == [(2, "2026-02-10"), (5, "2026-02-10"), (3, "2026-02-11")], born
    expect(wire.ok("profile", member="b", remove_aliases=["a", "b"], key="un1"), member_no=2)
    for name in ("a", "b"):
        wire.refused("NOT_FOUND", "balance", member=name)
    expect(wire.ok("balance", member="card:a"), member_no=2)
    expect(wire.refused("INVALID_ARGUMENT", "profile", member="card:a", remove_aliases=["card:a"]), field="remove_aliases")
    expect(wire.refused("NOT_FOUND", "profile", member="card:d", remove_aliases=["card:x"]), field="remove_aliases")
    expect(wire.refused("ALREADY_EXISTS", "profile", member="card:x", add_aliases=["card:a"]), field="add_aliases")
    wire = killed(ledger, "card:a", "c", "bystander")
    new = wire.ok("enrol", member="a", key="e6")
    assert new.member_no not in (1, 2, 3, 4, 5), new
    expect(wire.ok("purchase", member="a", amount="100", key="p1"), member_no=new.member_no, available="100")
    expect(wire.ok("balance", member="card:a"), available="50", member_no=2)
    wire.ok("profile", member="a", add_aliases=["b"], key="ad1")
    expect(wire.ok("merge", member="card:a", into="b", key="g3"), member_no=new.member_no, available="150")
    for name in ("a", "b", "card:a"):
        expect(wire.ok("balance", member=name), member_no=new.member_no)
    wire = rebuilt(ledger, "a", "c", "bystander")
    turn(wire, "2027-02-13T00:00:00Z")                          # once a year, whoever it was paid to before
    born = [(e.member, day_text(e.facts.birthday)) for _, e in ledger.books().entries() if e.inputs.HasField("birthday")]
    assert born[3:] == [(5, "2027-02-10"), (new.member_no, "2027-02-10"), (3, "2027-02-11")], born
    expect(wire.ok("balance", member="card:x"), member_no=5)
    assert wire.ok("balance", member="bystander").available == wire.ok("balance", member="card:x").available
    finish(ledger)


@seconds(120)
def test_kill_while_merging(world):
    """Killed at any moment of a merge: it has happened whole, with its names and its birthday, or not at all."""
    ledger = world.running(MOVES)
    dice = random.Random(11)
    happened = 0
    rounds = 12
    for i in range(rounds):
        with ledger.wire() as wire:
            wire.ok("enrol", member=f"a{i}", birthday="03-01", aliases=[f"card:{i}"], key=f"ea{i}", at=JANUARY if i == 0 else None)
            wire.ok("enrol", member=f"b{i}", key=f"eb{i}")
            bought = wire.ok("purchase", member=f"a{i}", amount="60", key=f"p{i}")
            into = wire.ok("balance", member=f"b{i}").member_no
            command = {"member": f"a{i}", "into": f"b{i}", "key": f"g{i}"}
            tag = wire.start("merge", **command)
            if dice.random() < 0.5:
                with ledger.wire("auditor/e2e") as other:
                    other.leaves(other.subscribe(after=bought.seq, credits=1), 1)       # it is durable, and its answer under way
            ledger.daemon.kill()
            try:
                happened += wire.wait(tag).status == pb.OK
            except Closed:
                pass
        ledger.start()
        with ledger.wire() as wire:
            r = wire.ok("merge", **command)
            expect(r, member_no=into, available="60", pending="5")
            happened += r.replayed
            for name in (f"a{i}", f"b{i}", f"card:{i}"):
                expect(wire.ok("balance", member=name), member_no=into)
            expect(wire.ok("return", member=f"card:{i}", purchase=bought.id, amount="10", key=f"r{i}"), clawed="10", available="55", pending="0")
    assert happened > 0, "no kill came after a merge"
    with ledger.wire() as wire:
        turn(wire, "2026-03-02T00:00:00Z")
        for i in range(rounds):
            expect(wire.ok("balance", member=f"a{i}"), available="105")            # 55 and the birthday, once
            wire.ok("profile", member=f"b{i}", remove_aliases=[f"a{i}"], key=f"u{i}")
            wire.refused("NOT_FOUND", "balance", member=f"a{i}")
    finish(ledger)


# ---- the command line ----

EFFECTS = """
id: effects
name: Effects
timezone: Asia/Seoul
currency: KRW
points: {unit: point, scale: 0}
earn:
  - {id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: "1000", points: "1"}}
  - {id: wait, priority: 20, on: purchase, kind: bonus, fixed: {points: "5"}, when: {min_amount: "20000"}, pending: {on_activity: left, within_days: 30}}
  - {id: gift, priority: 30, on: purchase, kind: voucher, voucher: drink, when: {min_amount: "20000"}}
tiers:
  - {id: green, rank: 0}
  - {id: gold, rank: 1, reach: {any: [{all: [{metric: points_earned, at_least: "1000"}]}]}, window: lifetime}
vouchers: [{id: drink, name: Drink}]
redemption: {value: {points: "1", amount: "1"}}
rewards: [{id: mug, cost: "3", voucher: drink}]
returns: {}
transfers: {min: "1"}
advance: {max: "500"}
"""


@reduced
def test_people_read_what_a_command_did(world):
    """A line for each effect, under the sentence; none where there is none; in a batch as well."""
    ledger = world.running(EFFECTS)

    def did(*words, **options):
        told = ledger.cli(*words, json_output=False, **options).out.splitlines()
        return [line[2:] for line in told if line.startswith("  ") and not line.endswith((" from base", " from wait"))]

    assert did("enrol", "m", "--key", "e") == ["Enrolled (enrol)"]
    assert did("purchase", "m", "20000", "--key", "p") == ["25 points earned (base, wait)", "Issued the voucher drink"]
    again = ledger.cli("purchase", "m", "20000", "--key", "p", json_output=False).out.splitlines()
    assert again[-3:-1] == ["  25 points earned (base, wait)", "  Issued the voucher drink"] and "applied before" in again[-1], again
    assert did("activity", "m", "left", "--purchase", "p") == ["5 points can be spent from now on (activity)"]
    assert did("voucher-use", "m", "drink") == ["Used the voucher drink"]
    assert did("redeem", "m", "1", "--key", "r") == ["1 point spent (redeem)"]
    assert did("reverse-redeem", "m", "r") == ["1 point given back (reverse_redeem)"]
    assert did("redeem", "m", "--reward", "mug") == ["3 points spent (mug)", "Issued the voucher drink"]
    assert did("voucher-void", "m", "drink", "spoilt") == ["Revoked the voucher drink"]
    assert did("return", "m", "p", "--amount", "1000") == ["6 points taken back (return)"]
    assert did("adjust", "m", "9", "sorry") == ["9 points added (sorry)"]
    assert did("adjust", "m", "-1", "oops") == ["1 point taken (oops)"]
    assert did("hold", "m", "2", "--key", "h") == [] == did("release", "m", "h"), "points are where they were"
    ledger.cli("enrol", "n")
    assert did("transfer", "m", "n", "4") == ["4 points sent (transfer)"]
    assert did("advance", "n", "7") == ["7 points lent (advance)"]
    assert did("tier", "n", "gold", "match") == ["A higher tier (match)"]
    assert did("tier", "n", "amends", "--remove") == ["A lower tier (amends)"]
    batch = world.write("effects.jsonl", '{"op":"enrol","member":"o"}\n{"op":"purchase","member":"o","amount":"3000"}\n')
    assert did("batch", batch) == ["Enrolled (enrol)", "3 points earned (base)"]
    assert did("erase", "m") == ["20 points expired (ERASED)", "Erased (ERASED)"]


def test_the_command_line(world):
    """Options, exit codes, what a cashier reads, --json, batches, and how entries and rows read."""
    ledger = moves(world, "m", "n")
    till = "pos/1/1"

    def said(*words, **options):
        return ledger.cli(*words, json_output=False, **options).out

    ledger.cli("purchase", "m", "20.00", "--line", "latte:drink:3:12.00", "--line", "brownie:cake:2:5.00", "--key", "p2")
    text = said("return", "m", "p2", "--line", "latte:drink:1", "--key", "r1", principal=till)
    assert text.startswith("Clawed back 4 points (7.0). Available 120, pending 5, tier basic.\n  4 of those through 2027-01-10\n"), text
    text = said("return", "m", "p2", "--line", "latte:drink:1", "--key", "r1", principal=till)
    assert "had been applied before" in text, text
    expect(ledger.cli("return", "m", "p2", "--line", "latte::1:3.50", "--line", ":cake:1", principal=till).json, status="OK", clawed="8", wanted="8",
           spend="110.00")
    expect(ledger.cli("return", "m", "p2", "--amount", "3", principal=till).json, clawed="3")
    expect(ledger.cli("return", "m", "6.0").json, clawed="9", spend="100.00")
    expect(ledger.cli("return", "m", "6.0", code=1).json, reason="RETURN_EXCEEDS_PURCHASE", status="FAILED_PRECONDITION")
    done = ledger.cli("return", "m", "none", code=1, json_output=False)
    assert "NOT_FOUND, purchase" in done.err and not done.out, done
    for words in (["return", "m"], ["return", "m", "p2", "3"], ["return", "m", "p2", "--amount", "3", "--line", "a:b:1"],
                  ["return", "m", "p2", "--line", "a:b"], ["return", "m", "p2", "--line", "a:b:x"], ["return", "m", "p2", "--line", "a:b:1:2:3:x:y"],
                  ["purchase", "m", "1", "--line", "a:b:1"], ["reverse-redeem", "m"], ["reverse-redeem", "m", "x", "1", "2"], ["transfer", "m", "n"],
                  ["transfer", "m"], ["merge", "m"], ["merge", "m", "n", "z"], ["advance", "m"], ["advance", "m", "1", "2"]):
        expect(ledger.cli(*words, code=2).json, reason="USAGE")
    ledger.cli("redeem", "m", "90", "--key", "x1")
    text = said("reverse-redeem", "m", "x1", "40", principal=till)
    assert "Available 50, pending 5" in text and text.startswith("Done ("), text
    expect(ledger.cli("reverse-redeem", "m", "x1", "51", code=1).json, reason="ALREADY_REVERSED")
    expect(ledger.cli("reverse-redeem", "m", "x1").json, available="100")
    expect(ledger.cli("transfer", "m", "n", "25").json, available="75", member_no=1)
    assert "Available 95, pending 5, owed 20" in said("advance", "m", "20", "--key", "a1")
    ledger.cli("redeem", "m", "95")
    text = said("return", "m", "p-m")
    assert text.startswith("Clawed back 105 points (") and "Available 0, owed 120, tier basic." in text, text
    text = said("merge", "m", "n")
    assert text.startswith("Merged into member 2 (") and "Available 125, pending 5, owed 120, tier basic." in text, text
    expect(ledger.cli("balance", "m").json, available="125", debt="120", member_no=2)
    for op, words in (("merge", ("m", "n")), ("transfer", ("m", "n", "10")), ("advance", ("m", "1"))):
        expect(ledger.cli(op, *words, code=1, principal=till).json, reason="PERMISSION_DENIED")

    lines = ['{"op":"purchase","member":"m","amount":"30"}', '{"op":"return","member":"m","purchase":"f.1","amount":"10"}',
             '{"op":"return","member":"m","purchase":"f.1","lines":[{"sku":"tea","qty":1}]}', '{"op":"redeem","member":"m","points":"5"}',
             '{"op":"reverse_redeem","member":"m","redeem":"f.4"}', '{"op":"advance","member":"m","points":"1"}',
             '{"op":"enrol","member":"k"}', '{"op":"transfer","member":"n","to":"k","points":"10"}', '{"op":"merge","member":"k","into":"m"}']
    path = world.write("moves.jsonl", "\n".join(lines) + "\n")
    done = ledger.cli("batch", path, "--key", "f", code=1)
    reasons = [line.get("reason", "OK") for line in done.lines]
    assert reasons == ["OK", "OK", "RETURN_EXCEEDS_PURCHASE", *["OK"] * 6], done
    expect(done.lines[1], clawed="10")
    text = said("batch", path, "--key", "f", code=1)
    assert "clawed back 10 points." in text and "8 applied, 1 refused, of 9." in text, text

    text = said("subscribe", "--to-head")
    for words in (f"return member 1 1 line of purchase 6.0, clawed 4, available 120, pending 5 ({till} r1)",
                  "return member 1 2 lines of purchase 6.0, clawed 8,", "return member 1 3.00 of purchase 6.0, clawed 3,",
                  "return member 1 of purchase 3.0, clawed 105, available 0, owed 120 (", "reverse_redeem member 1 40 of ",
                  "transfer member 1 25 to member 2, available 75", "advance member 1 20, available 95, pending 5, owed 20 (",
                  "merge member 2 takes member 1, "):
        assert words in text, f"{words!r} was to be in\n{text}"
    text = said("transaction", "7")
    assert "      member       1  -4  earned, last day 2027-01-10\n      clawed        4  earned, last day 2027-01-10\n" in text, text
    text = said("history", "n")
    for word in ("merge", "return", "reverse_redeem", "advance", "transfer"):
        assert f"  {word} " in text, text
    rows = dump(ledger, "followup")
    assert '6/0  {"left":0,"lines":[{"qty":0,"amount":0},{"qty":0,"amount":0}],' in rows and '"clawed":24}' in rows, rows
    assert "followup" in said("dump", ledger.data)
    overview = said("help")
    for name in ("return", "reverse-redeem", "transfer", "merge", "advance"):
        assert f"\n  {name} " in overview, overview
        assert f"Usage: fealty {name} " in said(name, "--help"), name
    finish(ledger)
