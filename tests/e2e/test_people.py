"""Who is a member: provisional members, referrals, openings, consents and erasure, through the daemon's socket and the command line.

What each case has made is looked at again after a kill -9, state is rebuilt from the ledger, and everything is audited at the end.
"""
import os
import shutil

from case import reduced
from wire import days, keyless
from world import expect

PEOPLE = """
id: people
name: People
timezone: UTC
currency: USD
points: {unit: point, scale: 0}
counters: [nights]
earn:
  - {id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: "1", points: "1", whole_steps: true}}
  - {id: hello, priority: 20, on: enrol, kind: bonus, fixed: {points: "10"}}
  - {id: vip, priority: 30, on: purchase, kind: bonus, fixed: {points: "1"}, when: {segments: [vip]}}
expiry: {after: {months: 12}}
tiers:
  - {id: basic, rank: 0}
  - {id: gold, rank: 1, reach: {any: [{all: [{metric: points_earned, at_least: "1000"}]}]}, window: lifetime}
birthday: {reward: {points: "50"}, issue: automatic, guard_days: 0}
redemption:
  value: {points: "100", amount: "1"}
referral: {referrer: "500", referee: "300", min_amount: "20", pending_days: 14, per_year: 10}
"""

DAY = "2026-01-10T10:00:00Z"


def read_state(ledger, names):
    with ledger.wire() as wire:
        return [wire.call(op, member=name).SerializeToString(deterministic=True) for name in names for op in ("balance", "history")]


def killed(ledger, *names):
    before = read_state(ledger, names)
    ledger.daemon.kill()
    ledger.start()
    assert read_state(ledger, names) == before
    return ledger.wire()


def rebuilt(ledger, *names):
    before = read_state(ledger, names)
    ledger.stop()
    for name in ("state", "snapshot"):
        shutil.rmtree(os.path.join(ledger.data, name), ignore_errors=True)
    ledger.start()
    assert read_state(ledger, names) == before
    return ledger.wire()


def dump(ledger, table, key=None):
    return ledger.cli("dump", ledger.data, table, *([key] if key else []), json_output=False).out


def rows(ledger, table):
    return [line for line in dump(ledger, table).splitlines() if line.strip()]


def finish(ledger):
    ledger.books()
    ledger.stop()
    expect(ledger.audit(), status="OK", other_engine=0)


def on_disk(ledger, *needles):
    """Whether any file of the ledger and of state has one of the texts."""
    for folder in ("ledger", "state"):
        for name in os.listdir(os.path.join(ledger.data, folder)):
            with open(os.path.join(ledger.data, folder, name), "rb") as f:
                data = f.read()
            for needle in needles:
                if needle.encode() in data:
                    return f"{folder}/{name}: {needle}"
    return None


@reduced
def test_unknown_alias_earns_and_enrols(world):
    ledger = world.running(PEOPLE)
    wire = ledger.wire("pos/1/1")
    expect(wire.refused("NOT_FOUND", "balance", member="card:1"), field="member")
    quote = wire.ok("quote", member="card:1", amount="7.50", at=DAY)
    expect(quote, granted="7", available="0", provisional=True)
    assert not quote.HasField("member_no"), "a quote makes nobody"
    wire.refused("NOT_FOUND", "balance", member="card:1")
    expect(wire.ok("purchase", member="card:1", amount="7.50", key="p1", at=DAY), granted="7", member_no=1, provisional=True, id="2.0")
    expect(wire.ok("purchase", member="card:1", amount="7.50", key="p1"), replayed=True, granted="7", id="2.0")
    expect(wire.refused("MEMBER_PROVISIONAL", "redeem", member="card:1", points="1", key="x1"), available="7")
    batch = wire.batch([keyless("purchase", member="card:2", amount="5"), keyless("purchase", member="card:2", amount="6"),
                        keyless("enrol", member="card:2", aliases=["card:1", "app:2"])], key="b")
    expect(batch.results[0], granted="5", member_no=2, available="5")
    expect(batch.results[1], granted="6", member_no=2, available="11")
    expect(batch.results[2], granted="10", member_no=2, available="28", visits=3)
    wire = killed(ledger, "card:1", "card:2", "app:2")
    expect(wire.ok("balance", member="card:1"), member_no=2, available="28", points_earned="28")
    expect(wire.ok("return", member="app:2", purchase="p1"), clawed="7", available="21")
    person = rows(ledger, "person")
    assert len(person) == 1, "the row of who went into the other is gone: " + str(person)
    wire.ok("purchase", member="card:3", amount="4", key="p3")
    expect(wire.refused("ALREADY_EXISTS", "profile", member="card:3", add_aliases=["app:2"], key="f0"), field="add_aliases", available="4")
    expect(wire.refused("NOT_FOUND", "profile", member="card:3", remove_aliases=["app:2"], key="f0"), field="remove_aliases")
    expect(wire.refused("MEMBER_PROVISIONAL", "profile", member="card:3", add_aliases=["card:9"], key="f0"), field="member")
    expect(wire.ok("profile", member="app:2", add_aliases=["card:3"], segments=["vip"], key="f"), available="25", member_no=2)
    expect(wire.ok("profile", member="app:2", add_aliases=["card:3"], segments=["vip"], key="f"), replayed=True, available="25")
    expect(wire.ok("purchase", member="card:3", amount="1", key="p4"), granted="2", available="27", member_no=2)
    wire = rebuilt(ledger, "card:1", "card:2", "card:3")
    expect(wire.ok("balance", member="card:3"), available="27")
    assert on_disk(ledger, "card:1", "card:2", "app:2") is None
    finish(ledger)


def test_unknown_alias_is_refused_when_the_program_says_so(world):
    ledger = world.running(PEOPLE + "unknown_alias: refuse\n")
    wire = ledger.wire("pos/1/1")
    for op, fields in (("purchase", {"amount": "1"}), ("activity", {"activity": "a"}), ("quote", {"amount": "1"})):
        expect(wire.refused("NOT_FOUND", op, member="card:1", **fields, **({} if op == "quote" else {"key": f"k-{op}"})), field="member")
    assert rows(ledger, "member") == [] and rows(ledger, "person") == []
    finish(ledger)


def test_referral(world):
    ledger = world.running(PEOPLE)
    wire = ledger.wire()
    wire.ok("enrol", member="a", key="e-a", at=DAY)
    wire.ok("enrol", member="f", referrer="a", key="e-f")
    expect(wire.ok("enrol", member="f", referrer="a", key="e-f"), replayed=True)
    wire.refused("REQUEST_ID_REUSED", "enrol", member="f", key="e-f")
    r = wire.ok("purchase", member="f", amount="20", key="p")
    expect(r, granted="320", available="30", pending="300")
    till = ledger.wire("pos/1/1")
    wire.ok("enrol", member="g", referrer="a", key="e-g")
    shared = till.ok("purchase", member="g", amount="30", key="pg", want_receipt=True)
    expect(shared, granted="330", no_receipt="SHARED")
    ledger.wire("pos/1/2").refused("PERMISSION_DENIED", "transaction", seq=int(shared.id.split(".")[0]))
    row = wire.ok("history", member="a").history[0]
    expect(row, op="purchase", pending="1000", points="0", amount="")
    wire = killed(ledger, "a", "f", "g")
    expect(wire.ok("return", member="f", purchase="p", amount="1", key="r"), clawed="301", pending="0", available="29")
    expect(wire.ok("balance", member="a"), pending="500")
    expect(wire.ok("balance", member="a", as_of="2026-01-24T00:00:00Z"), pending="0", available="510")
    wire.ok("merge", member="a", into="f", key="m", at="2026-01-25T10:00:00Z")
    expect(wire.ok("return", member="g", purchase="pg", key="r2"), clawed="330", debt="0", available="10")
    wire = rebuilt(ledger, "a", "f", "g")
    expect(wire.ok("balance", member="f"), member_no=2, available="39")
    finish(ledger)


@reduced
def test_erasure(world):
    """Names, profile and key go; a replay under them is no replay any more; the ledger stays as it was."""
    ledger = world.running(PEOPLE)
    wire = ledger.wire()
    enrolment = dict(member="m", aliases=["card:1"], birthday="03-03", segments=["vip"], key="e-m")
    wire.ok("enrol", **enrolment, at=DAY)
    wire.ok("enrol", member="n", key="e-n")
    wire.ok("purchase", member="m", amount="100", key="p")
    wire.ok("hold", member="m", points="20", key="h")
    wire.ok("merge", member="n", into="m", key="g")
    expect(wire.ok("balance", member="n"), available="101", held="20")
    expect(ledger.wire("backend/app").refused("PERMISSION_DENIED", "erase", member="m", key="w0"), field="op")
    expect(wire.ok("erase", member="m", key="w"), available="0", held="0", pending="0", debt="0", points_earned="0", member_no=1)
    assert rows(ledger, "person") == [] and rows(ledger, "alias") == [], "of the one that was merged too"
    wire = killed(ledger, "m", "n", "card:1")
    for name in ("m", "n", "card:1"):
        wire.refused("NOT_FOUND", "balance", member=name)
        wire.refused("NOT_FOUND", "history", member=name)
    expect(wire.ok("erase", member="m", key="w"), replayed=True, available="0", member_no=1)
    wire.refused("REQUEST_ID_REUSED", "enrol", **enrolment)
    wire.refused("REQUEST_ID_REUSED", "enrol", member="n", key="e-n")
    expect(wire.ok("purchase", member="card:1", amount="3", key="p2"), member_no=3, available="3", provisional=True)
    results = wire.batch([keyless("enrol", member="x", birthday="03-03"), keyless("erase", member="x"), keyless("purchase", member="x", amount="2")],
                         key="b").results
    expect(results[1], available="0", member_no=4)
    expect(results[2], available="2", member_no=5, provisional=True)
    wire.ok("enrol", member="clock", key="clock", at="2026-03-04T10:00:00Z")
    expect(wire.ok("balance", member="x"), available="2", member_no=5)
    wire = rebuilt(ledger, "card:1", "x", "m")
    assert '"due_at":null' in dump(ledger, "member", "1/1"), "nothing falls due for who is forgotten"
    assert on_disk(ledger, "card:1", "03-03") is None
    finish(ledger)


FAMILY = """
id: family
name: Family
timezone: UTC
currency: USD
points: {unit: point, scale: 0}
earn:
  - {id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: "1", points: "1"}}
redemption: {hold: {default_ttl: 1h, max_ttl: 30d}}
pools: {max_members: 4}
"""


def test_erasure_of_who_is_in_a_pools_hold(world):
    """Of its own hold the others' parts go back; its part of another's hold goes with it, and who holds goes on with the rest."""
    ledger = world.running(FAMILY)
    wire = ledger.wire()
    for place, (name, points) in enumerate((("a", "10"), ("b", "20"), ("c", "30"))):
        wire.ok("enrol", member=name, key="e-" + name, **({} if place else {"at": DAY}))
        wire.ok("adjust", member=name, points=points, reason="gift", key="g-" + name)
        if place:
            wire.ok("pool_join", member=name, head="a", key="j-" + name)
    expect(wire.ok("hold", member="b", points="35", pool=True, key="h1"), held="20", left="35")
    expect(wire.ok("hold", member="c", points="22", pool=True, key="h2"), held="27", left="22")
    expect(wire.ok("erase", member="b", key="w-b"), available="0", held="0")
    wire = killed(ledger, "a", "c")
    expect(wire.ok("balance", member="c"), available="8", held="22")
    expect(wire.ok("balance", member="a"), available="10", held="0")
    expect(wire.ok("hold", member="c", points="15", pool=True, key="h3"), held="27")
    expect(wire.ok("erase", member="a", key="w-a"), available="0", held="0")
    wire = rebuilt(ledger, "c", "b")
    expect(wire.refused("HOLD_TOO_SMALL", "capture", member="c", hold="h3", points="6", key="c0"))
    expect(wire.ok("capture", member="c", hold="h3", key="c1"), left="0", held="22")
    expect(wire.ok("erase", member="c", key="w-c"), available="0", held="0")
    rebuilt(ledger, "c")
    finish(ledger)


def test_consent(world):
    ledger = world.running(PEOPLE)
    wire = ledger.wire("pos/1/1")
    wire.ok("enrol", member="m", key="e-m", at=DAY)
    r = wire.ok("consent", member="m", purpose="mail", given=True, key="c1")
    assert [(c.purpose, c.given, c.since) for c in r.consents] == [("mail", True, days("2026-01-10"))], r
    expect(wire.refused("INVALID_ARGUMENT", "consent", member="m", purpose="Mail!", given=True, key="c0"), field="purpose")
    done = ledger.cli("consent", "m", "ads", "no").json
    assert done["consents"] == [{"purpose": "ads", "given": False, "since": "2026-01-10"}, {"purpose": "mail", "given": True, "since": "2026-01-10"}], done
    wire = rebuilt(ledger, "m")
    assert len(wire.ok("balance", member="m").consents) == 2
    assert '"purpose":"mail"' in dump(ledger, "member", "1/1").replace(" ", "")
    finish(ledger)


OLD = """member,aliases,points,last_day,tier,tier_until,counter:nights
old:1,card:1;app:1,200,2026-12-31,gold,2026-08-31,12
old:1,,300,,,,
old:2,,,,,,
old:3,card:3,50,2026-12-31,,,
"""


@reduced
def test_import_opening(world):
    ledger = world.running(PEOPLE, at=DAY)
    path = world.write("old.csv", OLD)
    size = ledger.wire().hello_ok.size
    dry = ledger.cli("import", "--opening", "--dry-run", path).json
    expect(dry, dry_run=True, bad_rows=0)
    expect(dry["file"], members=3, lots=3, points="550", tiers={"gold": 1}, counters={"nights": 12},
           last_days=[{"lots": 1, "points": "300"}, {"last_day": "2026-12-31", "lots": 2, "points": "250"}])
    assert ledger.wire().hello_ok.size == size, "a dry run writes nothing"
    r = ledger.cli("import", "--opening", path).json
    expect(r, opened=3, opened_before=0, known=0, refused=0, differ=0)
    expect(r["ledger"], members=3, points="550", tiers={"gold": 1})
    wire = killed(ledger, "old:1", "card:3")
    b = wire.ok("balance", member="app:1")
    expect(b, available="500", tier="gold", tier_until=days("2026-08-31"), points_earned="0")
    assert [(c.id, c.count) for c in b.counters] == [("nights", 12)]
    again = ledger.cli("import", "--opening", path).json
    expect(again, opened=0, opened_before=3, known=0, differ=0)
    expect(again["ledger"], points="550")
    more = world.write("more.csv", OLD + "old:4,,7,,,,\n")
    expect(ledger.cli("import", "--opening", more).json, opened=1, known=3, refused=0)
    ledger.wire("backend/app").refused("PERMISSION_DENIED", "opening", member="old:9", key="o9")
    expect(ledger.cli("opening", "old:9", "--lot", "5@2026-05-05", "--lot", "6", "--counter", "nights=2").json, available="11")
    wire = rebuilt(ledger, "old:1", "old:4")
    finish(ledger)


def test_import_opening_says_what_is_wrong_and_where(world):
    ledger = world.running(PEOPLE, at=DAY)
    bad = world.write("bad.csv", """member,aliases,points,last_day,tier,tier_until,counter:nights
a,,5,,,,
b,,0,,,,
c,,5.5,,,,
d,,5,2026-13-01,,,
e,,5,,tin,,
f,,5,,,2026-12-31,
g,,5,,gold,,x
h,a,5,,,,
i,,5,,,,
a,,6,,,,
,,6,,,,
j,,5,,,,,,more
""")
    done = ledger.cli("import", "--opening", "--dry-run", bad, code=1)
    lines = [row["line"] for row in done.json["refusals"]]
    assert lines == [3, 4, 5, 6, 7, 8, 9, 11, 12, 13], done.json
    expect(done.json["file"], members=2, points="10")
    refused = world.path("refused.tsv")
    run = ledger.cli("import", "--opening", bad, "--refused", refused, code=1)
    expect(run.json, opened=2, refused=0)
    with open(refused) as f:
        assert len(f.read().splitlines()) == 10
    expect(ledger.wire().ok("balance", member="i"), available="5")
    for text in ("", "name,points\nx,1\n", "member,member\n", "member,colour\nx,red\n"):
        path = world.write("odd.csv", text)
        ledger.cli("import", "--opening", path, code=2)
    ledger.cli("import", "--dry-run", bad, code=2)
    finish(ledger)
