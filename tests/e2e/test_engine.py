"""The engine of programs, through the daemon's socket: activities, points that wait, tiers that end, anniversaries, members that are frozen or closed.

What a case has seen is looked at again after a kill -9, and the whole ledger is audited at the end.
"""
import programs
from case import reduced
from wire import days, day_text
from world import expect

SEOUL = "2026-01-01T00:00:00+09:00"

BASE = """
id: engine
name: Engine
timezone: Asia/Seoul
currency: KRW
points: {unit: point, scale: 0}
%sunknown_alias: refuse
"""
PURCHASES = 'earn:\n  - {id: base, priority: 10, on: purchase, kind: base, %sper_amount: {amount: "1000", points: "1", whole_steps: true}}\n'
NIGHTS = "counters: [nights]\n" + PURCHASES % "" + """\
  - {id: night, priority: 20, on: activity, kind: counter, counter: {id: nights, add: 1}, when: {activity: stay}}
  - {id: stay, priority: 30, on: activity, kind: bonus, fixed: {points: "500"}, when: {activity: stay}}
"""
TIERS = """\
tiers:
  - {id: green, rank: 0}
  - {id: gold, rank: 1, reach: {any: [{all: [{metric: points_earned, at_least: "10"}]}]}}
"""
REDEMPTION = 'redemption: {step: "1", hold: {default_ttl: 15m, max_ttl: 30d, expired_lot: capturable}}\n'

WAITS_FOR_DAYS = BASE % (PURCHASES % "pending: {days: 14}, " + "expiry: {after: {months: 1}}\n" + TIERS + REDEMPTION)
WAITS_FOR_DELIVERY = BASE % (PURCHASES % "pending: {on_activity: delivered, within_days: 30}, ")
ANNIVERSARY = BASE % (PURCHASES % "" + 'anniversary: {of: enrolment, reward: {points: "100"}}\n')

# SB1 of PROGRAMS.md whole: the stars with the validity of gold, a year.
STARS_FOR_A_YEAR = programs.STARS.replace("window: {rolling_months: 12},", "window: {rolling_months: 12}, valid: {months: 12},")


def running(world, program, at=SEOUL):
    """A ledger on a manual clock, with the member m1 enrolled at ${at}."""
    ledger = world.running(program, at=at)
    with ledger.wire() as wire:
        wire.ok("enrol", member="m1", key="e1", at=at)
    return ledger


def turn(wire, at):
    """Lets the scheduler do what is due at ${at}: the enrolment of somebody else brings the clock there."""
    wire.ok("enrol", member=f"clock {at}", key=f"clock-{at.replace('+', '_')}", at=at)


def killed(ledger):
    """Ends the daemon as the system would, without a word, and starts it again."""
    before = read_state(ledger)
    ledger.daemon.kill()
    ledger.start()
    after = read_state(ledger)
    assert before == after, f"{before}\nbefore, and after the restart\n{after}"
    return ledger.wire()


def read_state(ledger):
    """What the daemon says of the member and of its past, as bytes."""
    with ledger.wire() as wire:
        replies = [wire.ok("balance", member="m1"), wire.ok("history", member="m1")]
        return [r.SerializeToString(deterministic=True) for r in replies]


def system_entries(ledger, name):
    """The business dates of what the scheduler did as ${name}."""
    entries = [e for _, e in ledger.books().entries() if e.inputs.HasField(name)]
    assert all(e.principal == "system" for e in entries), entries
    return [day_text(e.business_date) for e in entries]


def told(ledger, words):
    """What a person reads of the ledger."""
    text = ledger.cli("subscribe", "--to-head", json_output=False).out
    assert words in text, f"{words!r} was to be in\n{text}"


def finish(ledger):
    ledger.stop()
    expect(ledger.audit(), status="OK")


def counters(reply):
    return {c.id: c.count for c in reply.counters}


@reduced
def test_activity(world):
    ledger = running(world, BASE % NIGHTS)
    wire = ledger.wire()
    r = wire.ok("activity", member="m1", activity="stay", qty=3, score=7, key="a1", at="2026-01-10T10:00:00+09:00")
    expect(r, granted="500", available="500", replayed=False)
    assert counters(r) == {"nights": 3}, r
    expect(wire.ok("activity", member="m1", activity="walk", key="a2"), granted="0", available="500")
    expect(wire.ok("purchase", member="m1", amount="1000", key="p1"), granted="1", available="501")
    expect(wire.refused("INVALID_ARGUMENT", "activity", member="m1", activity="stay", qty=0), field="qty")
    expect(wire.refused("NOT_FOUND", "activity", member="m1", activity="stay", purchase="none"), field="purchase")
    wire.refused("NOT_FOUND", "activity", member="m2", activity="stay")
    wire = killed(ledger)
    expect(wire.ok("activity", member="m1", activity="stay", qty=3, score=7, key="a1"), replayed=True, granted="500")
    wire.refused("REQUEST_ID_REUSED", "activity", member="m1", activity="stay", qty=4, score=7, key="a1")
    r = wire.ok("activity", member="m1", activity="stay", key="a3")
    assert counters(r) == {"nights": 4}, r
    expect(wire.ok("balance", member="m1"), available="1001", points_earned="1001", visits=1)
    finish(ledger)


def test_pending_by_the_scheduler(world):
    """Points that wait 14 days count on the day on which they activate: for the tier, for the months of their expiry."""
    ledger = running(world, WAITS_FOR_DAYS)
    wire = ledger.wire()
    r = wire.ok("purchase", member="m1", amount="10000", at="2026-01-10T23:59:59+09:00", key="p1")
    expect(r, granted="10", pending="10", available="0", tier="green", points_earned="0")
    wire = killed(ledger)
    turn(wire, "2026-01-23T23:59:59.999999+09:00")
    expect(wire.ok("balance", member="m1"), pending="10", available="0", tier="green")
    wire.refused("INSUFFICIENT_POINTS", "redeem", member="m1", points="1")
    turn(wire, "2026-01-24T00:00:00+09:00")
    wire = killed(ledger)
    r = expect(wire.ok("balance", member="m1"), pending="0", available="10", tier="gold", points_earned="10")
    assert [(row.points, row.last_day) for row in r.expiring] == [("10", days("2026-02-24"))], r
    told(ledger, "activate member 1 10 that waited, available 10, now gold (system)")
    assert system_entries(ledger, "activate") == ["2026-01-24"], system_entries(ledger, "activate")
    finish(ledger)


def test_pending_until_an_activity(world):
    ledger = running(world, WAITS_FOR_DELIVERY)
    wire = ledger.wire()
    wire.ok("purchase", member="m1", amount="10000", at="2026-01-10T10:00:00+09:00", key="p1")
    expect(wire.ok("purchase", member="m1", amount="5000", key="p2"), pending="15", available="0")
    expect(wire.ok("activity", member="m1", activity="posted", purchase="p1", key="a0"), pending="15")
    expect(wire.ok("activity", member="m1", activity="delivered", purchase="p1", key="a1"), pending="5", available="10")
    wire = killed(ledger)
    turn(wire, "2026-02-09T23:59:59+09:00")
    expect(wire.ok("balance", member="m1"), pending="5", available="10")
    turn(wire, "2026-02-10T00:00:00+09:00")
    wire = killed(ledger)
    expect(wire.ok("balance", member="m1"), pending="0", available="10")
    told(ledger, "purchase member 1 10000, granted 10, available 0, pending 10 (")
    told(ledger, "lapse member 1 5 that waited, available 10 (system)")
    assert system_entries(ledger, "lapse") == ["2026-02-10"], system_entries(ledger, "lapse")
    finish(ledger)


def test_sb1_gold_ends(world):
    """SB1 to its end: gold through 2027-04-02, green from 2027-04-03 by the program's midnight."""
    ledger = running(world, STARS_FOR_A_YEAR, at="2026-03-01T00:00:00-05:00")
    wire = ledger.wire()
    wire.ok("purchase", member="m1", amount="100.00", at="2026-03-12T12:00:00-04:00", key="a")
    expect(wire.ok("purchase", member="m1", amount="399.00", at="2026-04-01T12:00:00-04:00", key="b"), tier="green", points_to_next="1")
    expect(wire.ok("purchase", member="m1", amount="2.00", at="2026-04-02T12:00:00-04:00", key="c"), granted="2.00", available="501.00", tier="gold",
           tier_since=days("2026-04-02"), tier_until=days("2027-04-02"))
    expect(wire.ok("purchase", member="m1", amount="10.00", at="2026-04-03T12:00:00-04:00", key="d"), granted="12.00", available="513.00")
    expect(wire.ok("redeem", member="m1", points="100", at="2026-04-04T12:00:00-04:00", key="f"), available="413.00", tier="gold")
    wire = killed(ledger)
    turn(wire, "2027-04-02T23:59:59.999999-04:00")
    expect(wire.ok("balance", member="m1"), tier="gold", tier_until=days("2027-04-02"))
    assert system_entries(ledger, "tier_review") == []
    turn(wire, "2027-04-03T00:00:00-04:00")
    wire = killed(ledger)
    r = expect(wire.ok("balance", member="m1"), tier="green", available="413.00", points_earned="513.00")
    assert not r.HasField("tier_until"), r
    told(ledger, "granted 2.00, available 501.00, now gold until 2027-04-02 (")
    told(ledger, "tier_review member 1, available 413.00, now green (system)")
    assert system_entries(ledger, "tier_review") == ["2027-04-03"], system_entries(ledger, "tier_review")
    expect(wire.ok("purchase", member="m1", amount="10.00", key="g"), granted="10.00", tier="green")        # and no fifth more
    finish(ledger)


def test_anniversary(world):
    """Of 29 February: the 28th in a common year; after years without a command each comes once, dated to its day."""
    ledger = running(world, ANNIVERSARY, at="2024-02-29T10:00:00+09:00")
    wire = ledger.wire()
    turn(wire, "2025-02-27T23:59:59.999999+09:00")
    expect(wire.ok("balance", member="m1"), available="0")
    turn(wire, "2025-02-28T00:00:00+09:00")
    wire = killed(ledger)
    expect(wire.ok("balance", member="m1"), available="100", points_earned="0")
    turn(wire, "2028-02-28T10:00:00+09:00")
    expect(wire.ok("balance", member="m1"), available="300")
    wire = killed(ledger)
    turn(wire, "2028-02-29T00:00:00+09:00")
    expect(wire.ok("balance", member="m1"), available="400")
    wire = killed(ledger)
    expect(wire.ok("balance", member="m1"), available="400")
    told(ledger, "anniversary member 1, granted 100, available 100 (system)")
    mine = [e for _, e in ledger.books().entries() if e.inputs.HasField("anniversary") and e.member == 1]
    assert [day_text(e.business_date) for e in mine] == ["2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"], mine
    finish(ledger)


@reduced
def test_frozen(world):
    """Refuses to spend, goes on earning; through the command line as well."""
    ledger = running(world, BASE % (PURCHASES % "" + REDEMPTION))
    wire = ledger.wire()
    wire.ok("adjust", member="m1", points="100", reason="opening", key="o")
    wire.ok("hold", member="m1", points="10", ttl="30d", key="h1")
    wire.refused("INVALID_ARGUMENT", "freeze", member="m1", reason="Not a code")
    expect(ledger.cli("freeze", "m1", "fraud", "--key", "f1").json, status="OK", available="90")
    wire = killed(ledger)
    expect(wire.refused("MEMBER_FROZEN", "redeem", member="m1", points="1", key="r1"), available="90")
    wire.refused("MEMBER_FROZEN", "hold", member="m1", points="1")
    wire.refused("MEMBER_FROZEN", "capture", member="m1", hold="h1")
    expect(wire.ok("purchase", member="m1", amount="5000", key="p1"), granted="5", available="95")
    expect(wire.ok("release", member="m1", hold="h1", key="rl"), available="105", held="0")
    expect(ledger.cli("freeze", "m1", "fraud", "--key", "f1").json, status="OK", replayed=True)
    expect(ledger.cli("redeem", "m1", "1", code=1).json, reason="MEMBER_FROZEN")
    expect(ledger.cli("unfreeze", "m1", "cleared", "--key", "u1").json, status="OK")
    wire = killed(ledger)
    expect(wire.ok("redeem", member="m1", points="1", key="r1"), available="104")        # the same command, now applied
    finish(ledger)


def test_closed(world):
    ledger = running(world, BASE % (PURCHASES % "" + REDEMPTION))
    wire = ledger.wire()
    wire.ok("purchase", member="m1", amount="10000", key="p0")
    expect(wire.refused("NOT_ELIGIBLE", "close", member="m1", reason="left", key="c1"), available="10")
    wire.ok("redeem", member="m1", points="10", key="r1")
    expect(wire.ok("close", member="m1", reason="left", key="c1"), available="0")
    wire = killed(ledger)
    wire.refused("MEMBER_CLOSED", "purchase", member="m1", amount="5000")
    wire.refused("MEMBER_CLOSED", "redeem", member="m1", points="1")
    wire.refused("MEMBER_CLOSED", "activity", member="m1", activity="stay")
    expect(ledger.cli("close", "m1", "left", code=1).json, reason="MEMBER_CLOSED")
    expect(wire.ok("balance", member="m1"), available="0")
    assert [h.op for h in wire.ok("history", member="m1").history] == ["close", "redeem", "purchase", "enrol"]
    finish(ledger)


def test_the_command_line(world):
    """activity, freeze, unfreeze and close: their options, their exit codes, and how people read them."""
    ledger = running(world, BASE % (NIGHTS + REDEMPTION))
    expect(ledger.cli("activity", "m1", "stay", "--qty", "2", "--score", "9", "--amount", "1000", "--key", "a1").json,
           status="OK", granted="500", available="500")
    expect(ledger.cli("activity", "m1", "stay", "--qty", "0", code=1).json, field="qty")
    expect(ledger.cli("activity", "m1", "stay", "--qty", "many", code=2).json, reason="USAGE")
    expect(ledger.cli("activity", "m1", "stay", "--qty", "4294967296", code=2).json, reason="USAGE")
    expect(ledger.cli("activity", "m1", "stay", "--purchase", "none", code=1).json, reason="NOT_FOUND", field="purchase")
    purchase = ledger.cli("purchase", "m1", "1000", "--key", "p1").json["id"]
    expect(ledger.cli("activity", "m1", "delivered", "--purchase", purchase).json, status="OK", granted="0")
    assert "Granted 500 points." in ledger.cli("activity", "m1", "stay", json_output=False).out
    for words in (["activity", "m1"], ["freeze", "m1"], ["close", "m1"], ["unfreeze"], ["unfreeze", "m1", "a", "b"]):
        expect(ledger.cli(*words, code=2).json, reason="USAGE")
    ledger.cli("freeze", "m1", "fraud")
    ledger.cli("unfreeze", "m1")
    available = ledger.cli("balance", "m1").json["available"]
    ledger.cli("redeem", "m1", available)
    ledger.cli("close", "m1", "left")
    for words in ("activity member 1 stay 2 times of 1000 with score 9, granted 500", f"activity member 1 delivered for purchase {purchase}",
                  "  freeze member 1 for fraud", "unfreeze member 1, ", "close member 1 for left"):
        told(ledger, words)
    overview = ledger.cli("help", json_output=False).out
    for name in ("activity", "freeze", "unfreeze", "close"):
        assert f"\n  {name} " in overview, overview
    finish(ledger)
