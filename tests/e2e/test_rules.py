"""The rules, through a running daemon on a manual clock: amounts, holds, expiry, tiers, birthdays, and the vectors of PROGRAMS.md that this version's
options allow."""
import programs
from case import reduced
from wire import days, pb
from world import expect

UTC_DAY = "2026-03-12T10:00:00Z"


def member(ledger, principal="operator/test", at=None, **fields):
    wire = ledger.wire(principal)
    wire.ok("enrol", member="m1", key="e1", at=at, **fields)
    return wire


def expiring(reply):
    return [(row.points, row.last_day) for row in reply.expiring]


# ---- amounts ----

def test_amounts(world):
    ledger = world.running()
    wire = member(ledger)
    expect(wire.ok("purchase", member="m1", amount="0"), granted="0", available="0", visits=1)
    expect(wire.ok("purchase", member="m1", amount="0.00"), granted="0")
    expect(wire.ok("purchase", member="m1", amount="0.99"), granted="0", spend="0.99")
    expect(wire.ok("purchase", member="m1", amount="12.50"), granted="12", available="12", spend="13.49")
    for amount in ("-1", "-0.01", "1.234", "1.000", "1e3", "", " 1", "1 ", "+1", "1,5", "0x10", "NaN", ".5", "1.", "９"):
        r = wire.call("purchase", member="m1", amount=amount, key="bad")
        assert r.reason == "INVALID_ARGUMENT" and r.field == "amount", (amount, r)
    for amount in ("92233720368547758.08", "9" * 19, "9" * 40, "1" + "0" * 5000):
        r = wire.call("purchase", member="m1", amount=amount, key="bad")
        assert r.reason == "INVALID_ARGUMENT" and r.field == "amount", (amount[:30], r)
    expect(wire.ok("balance", member="m1"), available="12", spend="13.49", visits=4)


def test_sums_do_not_overflow(world):
    """Amounts that fit by themselves and not together: refused, and nothing is broken afterwards."""
    ledger = world.running()
    wire = member(ledger)
    large = "60000000000000000"          # 6e18 cents: two of them are beyond 2^63
    first = wire.call("purchase", member="m1", amount=large, key="p1")
    second = wire.call("purchase", member="m1", amount=large, key="p2")
    assert second.status != pb.OK and second.reason == "INVALID_ARGUMENT", (first, second)
    for points in ("9223372036854775807", "9223372036854775808", "-9223372036854775808", "99999999999999999999999"):
        wire.call("adjust", member="m1", points=points, reason="big", key=f"a{points}")
    r = wire.call("purchase", member="m1", amount="5", key="p3")
    assert r.status == pb.OK or r.reason == "INVALID_ARGUMENT", r
    with ledger.wire() as other:
        other.ok("enrol", member="m2", key="e2")
        expect(other.ok("purchase", member="m2", amount="5", key="p4"), granted="5")
    ledger.stop()
    expect(ledger.audit(), status="OK")


def test_points(world):
    ledger = world.running()
    wire = member(ledger)
    wire.ok("purchase", member="m1", amount="100", key="p1")
    wire.refused("POINTS_NOT_POSITIVE", "redeem", member="m1", points="0")
    wire.refused("POINTS_NOT_POSITIVE", "hold", member="m1", points="0")
    wire.refused("INVALID_ARGUMENT", "redeem", member="m1", points="-1")
    wire.refused("INVALID_ARGUMENT", "redeem", member="m1", points="1.5")
    wire.refused("INVALID_ARGUMENT", "redeem", member="m1", points="99999999999999999999")
    r = wire.refused("INSUFFICIENT_POINTS", "redeem", member="m1", points="101")
    expect(r, available="100", member_no=1)
    wire.refused("INSUFFICIENT_POINTS", "hold", member="m1", points="101")
    wire.ok("hold", member="m1", points="60", key="h1")
    wire.refused("INSUFFICIENT_POINTS", "redeem", member="m1", points="41")
    expect(wire.ok("redeem", member="m1", points="40", key="x1"), available="0", held="60", value="0.4")
    wire.refused("HOLD_TOO_SMALL", "capture", member="m1", hold="h1", points="61")
    wire.refused("POINTS_NOT_POSITIVE", "capture", member="m1", hold="h1", points="0")
    expect(wire.ok("capture", member="m1", hold="h1", points="60", key="c1"), held="0")


def test_a_refusal_names_a_transaction_that_exists(world):
    """`seq` is of the newest transaction that a reply has seen, on refusals as well."""
    ledger = world.running()
    wire = member(ledger)
    newest = wire.ok("purchase", member="m1", amount="1").seq
    assert wire.refused("INSUFFICIENT_POINTS", "redeem", member="m1", points="101").seq == newest
    assert wire.refused("NOT_FOUND", "redeem", member="m2", points="101").seq <= newest


# ---- holds ----

def test_capture_twice(world):
    ledger = world.running()
    wire = member(ledger)
    wire.ok("purchase", member="m1", amount="100", key="p1")
    wire.ok("hold", member="m1", points="50", key="h1")
    expect(wire.ok("capture", member="m1", hold="h1", key="c1"), left="0", held="0")
    wire.refused("HOLD_NOT_OPEN", "capture", member="m1", hold="h1")
    wire.refused("HOLD_NOT_OPEN", "release", member="m1", hold="h1")
    expect(wire.ok("capture", member="m1", hold="h1", key="c1"), replayed=True)
    expect(wire.ok("balance", member="m1"), available="50", held="0")


def test_hold_of_somebody_else(world):
    ledger = world.running()
    wire = member(ledger)
    wire.ok("enrol", member="m2", key="e2")
    wire.ok("purchase", member="m1", amount="100", key="p1")
    held = wire.ok("hold", member="m1", points="50", key="h1")
    expect(wire.refused("NOT_FOUND", "capture", member="m2", hold="h1"), field="hold")
    expect(wire.refused("NOT_FOUND", "capture", member="m2", hold=held.id), field="hold")
    expect(wire.refused("NOT_FOUND", "capture", member="m1", hold="p1"), field="hold")        # a purchase is no hold


@reduced
def test_hold_times_out(world):
    ledger = world.running()
    wire = member(ledger, at=UTC_DAY)
    wire.ok("purchase", member="m1", amount="100", key="p1")
    r = wire.ok("hold", member="m1", points="60", ttl="300s", key="h1")
    assert r.ends_at == pb.Request(at=1773309900000000).at, r.ends_at
    # one microsecond before the end it is good
    expect(wire.ok("capture", member="m1", hold="h1", points="10", key="c1", at="2026-03-12T10:04:59.999999Z"), left="50")
    # at the end itself it is over, whether or not the sweep has come; and for ever
    wire.refused("HOLD_EXPIRED", "capture", member="m1", hold="h1", key="c2", at="2026-03-12T10:05:00Z")
    wire.refused("HOLD_EXPIRED", "release", member="m1", hold="h1")
    expect(wire.ok("balance", member="m1"), available="90", held="0")
    wire.refused("HOLD_EXPIRED", "capture", member="m1", hold="h1", at="2026-03-13T10:05:00Z")
    expect(wire.ok("capture", member="m1", hold="h1", points="10", key="c1"), replayed=True)
    books = ledger.books()
    timeouts = [e for _, e in books.entries() if e.inputs.HasField("hold_timeout")]
    assert len(timeouts) == 1 and timeouts[0].principal == "system" and timeouts[0].due_at == 1773309900000000, timeouts


# ---- expiry ----

def test_sb2_expiry_by_the_scheduler(world):
    """SB2: 6 months, to the month's end."""
    ledger = world.running(programs.HALF_YEAR, at="2020-12-01T00:00:00+09:00")
    wire = member(ledger)
    wire.ok("purchase", member="m1", amount="10000", at="2020-12-15T12:00:00+09:00", key="p1")
    r = wire.ok("purchase", member="m1", amount="5000", at="2021-01-02T12:00:00+09:00", key="p2")
    assert expiring(r) == [("10", days("2021-06-30")), ("5", days("2021-07-31"))], r
    wire.ok("enrol", member="clock", key="e2", at="2021-06-30T23:59:59.999999+09:00")
    expect(wire.ok("balance", member="m1"), available="15")
    # a read looks ahead without writing
    before = wire.ok("balance", member="m1").seq
    expect(wire.ok("balance", member="m1", as_of="2021-07-01T00:00:00+09:00"), available="5", seq=before)
    wire.ok("enrol", member="clock2", key="e3", at="2021-07-01T00:00:00+09:00")
    expect(wire.ok("balance", member="m1"), available="5")
    wire.ok("enrol", member="clock3", key="e4", at="2021-08-05T00:00:00+09:00")
    expect(wire.ok("balance", member="m1"), available="0")
    expired = [e for _, e in ledger.books().entries() if e.inputs.HasField("expire")]
    assert [e.principal for e in expired] == ["system", "system"], expired
    assert [e.business_date for e in expired] == [days("2021-07-01"), days("2021-08-01")], expired      # dated to the day it was due
    ledger.stop()
    expect(ledger.audit(), status="OK")


def test_x6_month_ends(world):
    """X6: 31 January and a month is 28 February."""
    ledger = world.running(programs.HALF_YEAR.replace("months: 6}, round_up_to: month", "months: 1}"), at="2021-01-01T00:00:00+09:00")
    wire = member(ledger)
    assert expiring(wire.ok("purchase", member="m1", amount="1000", at="2021-01-25T12:00:00+09:00")) == [("1", days("2021-02-25"))]
    r = wire.ok("purchase", member="m1", amount="1000", at="2021-01-31T12:00:00+09:00")
    assert expiring(r) == [("1", days("2021-02-25")), ("1", days("2021-02-28"))], r


def test_al1_consumption_order(world):
    """AL1: lots 300 (never), 500 (through 2020-12-31), 200 (through 2021-12-31)."""
    ledger = world.running(at="2020-01-01T00:00:00Z")
    wire = member(ledger)
    wire.ok("adjust", member="m1", points="300", reason="opening", key="a1")
    wire.ok("adjust", member="m1", points="500", reason="opening", last_day="2020-12-31", key="a2")
    wire.ok("adjust", member="m1", points="200", reason="opening", last_day="2021-12-31", key="a3")
    r = wire.ok("redeem", member="m1", points="600", at="2020-06-01T00:00:00Z", key="x1")
    assert [(lot.points, lot.last_day) for lot in r.lots] == [("500", days("2020-12-31")), ("100", days("2021-12-31"))], r
    expect(r, available="400")
    wire.ok("enrol", member="clock", at="2021-01-01T00:00:00Z")
    expect(wire.ok("balance", member="m1"), available="400")
    wire.ok("enrol", member="clock2", at="2022-01-01T00:00:00Z")
    expect(wire.ok("balance", member="m1"), available="300", expiring=[])


def x4(world):
    ledger = world.running(at="2026-01-01T00:00:00Z")
    wire = member(ledger, at="2026-01-15T10:00:00Z")
    wire.ok("adjust", member="m1", points="100", reason="opening", last_day="2026-03-31", key="a1")
    wire.ok("adjust", member="m1", points="50", reason="opening", last_day="2026-01-31", key="a2")
    wire.ok("adjust", member="m1", points="70", reason="opening", key="a3")
    r = wire.ok("hold", member="m1", points="120", ttl="300s", key="h1")
    assert [(lot.points, lot.last_day) for lot in r.lots] == [("50", days("2026-01-31")), ("70", days("2026-03-31"))], r
    assert expiring(r) == [("30", days("2026-03-31"))], r
    expect(r, available="100", held="120")
    return ledger, wire


def test_x4_capture_and_release(world):
    _, wire = x4(world)
    r = wire.ok("capture", member="m1", hold="h1", points="60", key="c1")
    assert [(lot.points, lot.last_day) for lot in r.lots] == [("50", days("2026-01-31")), ("10", days("2026-03-31"))], r
    r = wire.ok("release", member="m1", hold="h1", key="r1")
    assert [(lot.points, lot.last_day) for lot in r.lots] == [("60", days("2026-03-31"))], r
    assert expiring(r) == [("90", days("2026-03-31"))], r
    expect(r, available="160", held="0")


def test_x4_time_out(world):
    _, wire = x4(world)
    r = wire.ok("enrol", member="clock", key="e2", at="2026-01-15T10:05:00Z")
    r = wire.ok("balance", member="m1")
    assert expiring(r) == [("50", days("2026-01-31")), ("100", days("2026-03-31"))], r
    expect(r, available="220", held="0")


def test_held_points_outlive_their_last_day(world):
    """`capturable`: a lot may end while it is held; captured it counts, released it expires."""
    ledger = world.running(at="2026-01-01T00:00:00Z")
    wire = member(ledger, at="2026-01-30T10:00:00Z")
    wire.ok("adjust", member="m1", points="100", reason="opening", last_day="2026-01-31", key="a1")
    wire.ok("hold", member="m1", points="60", ttl="3d", key="h1")
    expect(wire.ok("enrol", member="clock", key="e2", at="2026-02-01T10:00:00Z"), status=pb.OK)
    expect(wire.ok("balance", member="m1"), available="0", held="60")
    expect(wire.ok("capture", member="m1", hold="h1", points="20", key="c1"), held="40")
    expect(wire.ok("release", member="m1", hold="h1", key="r1"), held="0", available="0")
    ledger.stop()
    expect(ledger.audit(), status="OK")


# ---- tiers and earning ----

def test_sb1_tier_from_the_next_event(world):
    """SB1, as far as a tier without validity shows it."""
    ledger = world.running(programs.STARS, at="2026-03-01T00:00:00-05:00")
    wire = member(ledger)
    expect(wire.ok("purchase", member="m1", amount="100.00", at="2026-03-12T12:00:00-04:00"), granted="100.00", available="100.00", tier="green")
    expect(wire.ok("purchase", member="m1", amount="399.00", at="2026-04-01T12:00:00-04:00"), available="499.00", tier="green")
    r = wire.ok("purchase", member="m1", amount="2.00", at="2026-04-02T12:00:00-04:00")
    expect(r, granted="2.00", available="501.00", tier="gold", tier_since=days("2026-04-02"))
    r = wire.ok("purchase", member="m1", amount="10.00", at="2026-04-03T12:00:00-04:00")
    expect(r, granted="12.00", available="513.00")
    assert [(g.rule, g.granted) for g in r.grants] == [("base", "10.00"), ("tier:gold", "2.00")], r
    expect(wire.ok("redeem", member="m1", points="100", at="2026-04-04T12:00:00-04:00"), available="413.00", points_earned="513.00", tier="gold")


def test_hc8_local_dates(world):
    """HC8: 2026-03-31T15:30:00Z is 1 April in Seoul."""
    ledger = world.running(programs.HALF_YEAR, at="2026-03-01T00:00:00Z")
    wire = member(ledger)
    wire.ok("purchase", member="m1", amount="1000", at="2026-03-31T15:30:00Z", key="p1")
    r = wire.ok("history", member="m1")
    assert r.history[0].business_date == days("2026-04-01"), r


def test_ht1_rounding(world):
    """HT1: 10 per dollar, gold a quarter more; each: 123 + 30, once: 154."""
    text = programs.PLAIN.replace('points: "1", whole_steps: true', 'points: "10"').replace(
        'window: lifetime}', 'window: lifetime, earn_multiplier: "1.25"}').replace('"10000"', '"1"')
    for name, where, want in (("each", "", "153"), ("once", "rounding: {mode: floor, at: once}\n", "154")):
        ledger = world.running(text.replace("id: plain\n", f"id: plain\n{where}"), name=name)
        wire = member(ledger)
        expect(wire.ok("purchase", member="m1", amount="412.60"), granted="4126", tier="gold")
        expect(wire.ok("quote", member="m1", amount="412.60"), granted="5157")
        expect(wire.ok("purchase", member="m1", amount="12.39"), granted=want, wanted=want)


def test_late_and_early_events(world):
    ledger = world.running(programs.HALF_YEAR, at="2026-03-01T00:00:00+09:00")
    wire = member(ledger, at="2026-06-01T12:00:00+09:00")
    # 45 days are the default: exactly so old is taken, a microsecond more is not
    r = wire.ok("purchase", member="m1", amount="1000", occurred_at="2026-04-17T12:00:00+09:00", key="p1")
    assert expiring(r) == [("1", days("2026-10-31"))], r
    wire.refused("EVENT_TOO_OLD", "purchase", member="m1", amount="1000", occurred_at="2026-04-17T11:59:59.999999+09:00")
    wire.ok("purchase", member="m1", amount="1000", occurred_at="2026-06-01T12:05:00+09:00", key="p2")
    wire.refused("CLOCK_SKEW", "purchase", member="m1", amount="1000", occurred_at="2026-06-01T12:05:00.000001+09:00")


def test_the_clock_does_not_go_back(world):
    ledger = world.running()
    wire = member(ledger, at=UTC_DAY)
    r = wire.refused("INVALID_ARGUMENT", "purchase", member="m1", amount="1", at="2026-03-12T09:59:59.999999Z")
    assert r.field == "at", r
    wire.ok("purchase", member="m1", amount="1", at=UTC_DAY)
    real = world.running(name="real", clock="real")
    with real.wire() as other:
        other.ok("enrol", member="m1", key="e1")
        r = other.refused("INVALID_ARGUMENT", "purchase", member="m1", amount="1", at="2030-01-01T00:00:00Z")
        assert r.field == "at", r


# ---- birthdays ----

def granted_birthdays(ledger):
    return [(day_of(e), e.principal) for _, e in ledger.books().entries() if e.inputs.HasField("birthday")]


def day_of(entry):
    return entry.facts.birthday


def test_birthday_once_a_year(world):
    ledger = world.running(programs.birthday(), at="2026-01-01T00:00:00+09:00")
    wire = member(ledger, birthday="06-20")
    wire.ok("enrol", member="clock", key="c1", at="2026-06-19T23:59:59+09:00")
    expect(wire.ok("balance", member="m1"), available="0")
    wire.ok("enrol", member="clock2", key="c2", at="2026-06-20T00:00:00+09:00")
    expect(wire.ok("balance", member="m1"), available="50")
    wire.refused("ALREADY_EXISTS", "birthday", member="m1", at="2026-06-20T12:00:00+09:00")
    ledger.restart()
    wire = ledger.wire()
    wire.ok("enrol", member="clock3", key="c3", at="2026-06-25T00:00:00+09:00")
    expect(wire.ok("balance", member="m1"), available="50")
    # two years at once: each comes once, dated to its day
    wire.ok("enrol", member="clock4", key="c4", at="2028-06-25T00:00:00+09:00")
    expect(wire.ok("balance", member="m1"), available="150")
    assert granted_birthdays(ledger) == [(days(f"{y}-06-20"), "system") for y in (2026, 2027, 2028)], granted_birthdays(ledger)
    ledger.stop()
    expect(ledger.audit(), status="OK")


def test_birthday_on_29_february(world):
    for rule, feb in (("feb_28", "2026-02-28"), ("mar_1", "2026-03-01")):
        ledger = world.running(programs.birthday(leap_day=rule), name=rule, at="2025-12-01T00:00:00+09:00")
        wire = member(ledger, birthday="02-29")
        wire.ok("enrol", member="clock", key="c1", at="2028-04-01T00:00:00+09:00")
        want = [days(feb), days(feb.replace("2026", "2027")), days("2028-02-29")]
        assert [d for d, _ in granted_birthdays(ledger)] == want, (rule, granted_birthdays(ledger))
        expect(wire.ok("balance", member="m1"), available="150")


def test_birthday_guard_days(world):
    """Entered on day E it counts for a birthday B when E + guard_days <= B."""
    ledger = world.running(programs.birthday(guard_days=30), at="2026-05-20T00:00:00+09:00")
    wire = ledger.wire()
    wire.ok("enrol", member="late", birthday="06-20", key="e1", at="2026-05-22T12:00:00+09:00")       # 29 days before
    wire.ok("enrol", member="intime", birthday="06-21", key="e2")                                     # 30 days before
    wire.ok("enrol", member="clock", key="c1", at="2026-07-01T00:00:00+09:00")
    expect(wire.ok("balance", member="late"), available="0")
    expect(wire.ok("balance", member="intime"), available="50")
    # a changed date waits as well; until it counts the old one stands, and a year has one birthday
    wire.ok("profile", member="intime", birthday="07-20", key="pr1")
    wire.ok("profile", member="late", birthday="09-01", key="pr2")
    wire.ok("enrol", member="clock2", key="c2", at="2026-12-31T00:00:00+09:00")
    expect(wire.ok("balance", member="intime"), available="50")
    expect(wire.ok("balance", member="late"), available="50")
    wire.ok("enrol", member="clock3", key="c3", at="2027-12-31T00:00:00+09:00")
    expect(wire.ok("balance", member="intime"), available="100")
    expect(wire.ok("balance", member="late"), available="100")


def test_birthday_on_claim(world):
    ledger = world.running(programs.birthday(issue="on_claim", guard_days=0, days_after=3), at="2026-01-01T00:00:00+09:00")
    wire = member(ledger, birthday="06-20")
    wire.refused("NOT_ELIGIBLE", "birthday", member="m1", at="2026-06-19T12:00:00+09:00")
    expect(wire.ok("birthday", member="m1", at="2026-06-23T23:59:59+09:00", key="b1"), available="50")
    wire.refused("ALREADY_EXISTS", "birthday", member="m1")
    expect(wire.ok("birthday", member="m1", key="b1"), replayed=True, available="50")
    wire.refused("NOT_ELIGIBLE", "birthday", member="m1", at="2027-06-24T00:00:00+09:00")
    expect(wire.ok("balance", member="m1"), available="50")
    plain = world.running(name="plain")
    with plain.wire() as other:
        other.ok("enrol", member="m1", key="e1")
        other.refused("NOT_OFFERED", "birthday", member="m1")


def test_gifted_tier_ends(world):
    ledger = world.running()
    wire = member(ledger, at=UTC_DAY)
    wire.ok("tier", member="m1", tier="gold", reason="vip", until="2026-04-30", key="t1")
    wire.ok("enrol", member="clock", key="c1", at="2026-04-30T23:59:59Z")
    expect(wire.ok("balance", member="m1"), tier="gold", tier_until=days("2026-04-30"))
    wire.ok("enrol", member="clock2", key="c2", at="2026-05-01T00:00:00Z")
    expect(wire.ok("balance", member="m1"), tier="basic")


# ---- receipts ----

def test_receipt_numbers(world):
    ledger = world.running()
    wire = member(ledger, principal="pos/42/1", at=UTC_DAY)
    wire.ok("enrol", member="m2", key="e2")
    first = wire.ok("purchase", member="m1", amount="10", receipt_no="R-1", key="p1")
    # the same receipt, whoever sends it: answered like a replay
    expect(wire.ok("purchase", member="m1", amount="10", receipt_no="R-1", key="p2"), replayed=True, id=first.id)
    with ledger.wire("pos/42/2") as other:
        expect(other.ok("purchase", member="m1", amount="10.00", receipt_no="R-1", key="p1"), replayed=True, id=first.id)
        r = other.refused("RECEIPT_REUSED", "purchase", member="m1", amount="11", receipt_no="R-1")
        assert r.status == pb.ALREADY_EXISTS and not r.available, r
        other.refused("RECEIPT_REUSED", "purchase", member="m2", amount="10", receipt_no="R-1")
        other.refused("RECEIPT_REUSED", "purchase", member="m1", amount="10", receipt_no="R-1", lines=[{"sku": "a", "qty": 1, "amount": "1"}])
    with ledger.wire("pos/43/1") as other:
        expect(other.ok("purchase", member="m1", amount="10", receipt_no="R-1", key="p1"), replayed=False)       # another store
    expect(wire.ok("purchase", member="m1", amount="10", receipt_no="R-1", key="p3", at="2026-03-13T10:00:00Z"), replayed=False)     # another day
    expect(wire.ok("balance", member="m1"), available="30", visits=3)
    ledger.restart()
    with ledger.wire("pos/42/2") as other:
        other.refused("RECEIPT_REUSED", "purchase", member="m1", amount="12", receipt_no="R-1")
        expect(other.ok("purchase", member="m1", amount="10", receipt_no="R-1", key="p9"), replayed=True)


def test_no_program_and_two_programs(world):
    ledger = world.running(program=None)
    with ledger.wire() as wire:
        wire.refused("NOT_FOUND", "enrol", member="m1")
        wire.refused("NOT_FOUND", "balance", member="m1")
        wire.refused("NOT_FOUND", "show_program")
        ledger.publish(programs.PLAIN)
        ledger.publish(programs.STARS, at=None)
        r = wire.refused("INVALID_ARGUMENT", "enrol", member="m1")
        assert r.field == "program", r
        expect(wire.ok("enrol", member="m1", program="plain", key="e1"), member_no=1)
        expect(wire.ok("enrol", member="m1", program="stars", key="e2"), member_no=1)
        expect(wire.ok("purchase", member="m1", amount="1.50", program="stars", key="p1"), available="1.50")
        expect(wire.ok("balance", member="m1", program="plain"), available="0")
        r = wire.refused("NOT_FOUND", "enrol", member="m1", program="none")
        assert r.field == "program", r
    ledger.stop()
    expect(ledger.audit(), status="OK")


def test_versions_of_a_program(world):
    ledger = world.running()
    wire = member(ledger)
    wire.ok("purchase", member="m1", amount="10", key="p1")
    expect(ledger.publish(programs.PLAIN.replace('points: "1", whole', 'points: "3", whole'), at=None).json, status="OK")
    expect(wire.ok("purchase", member="m1", amount="10", key="p2"), granted="30", available="40")
    assert wire.ok("show_program").version == 2 and wire.ok("show_program", version=1).program.earn[0].per_amount.points == "1"
    wire.refused("NOT_FOUND", "show_program", version=3)
    versions = [e.program_version for _, e in ledger.books().entries() if e.inputs.HasField("purchase")]
    assert versions == [1, 2], versions
    ledger.restart()
    with ledger.wire() as other:
        expect(other.ok("purchase", member="m1", amount="10", key="p3"), granted="30", available="70")
