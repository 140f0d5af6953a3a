"""Nights: what falls due at midnight, beside the day's work and after days without a daemon."""
import collections
import os
import random
import re
import time

import programs
from case import long, plain_build, seconds
from test_clock import faketime
from wire import day_text, days, ledger as ledger_pb, pb, request
from world import SOURCE, expect

DAY_US = 86400 * 10**6


# ---- a night beside purchases ----

# Points live through tomorrow; every fourth member has gold through tomorrow, and a birthday on the day after.
SHORT_LIVED = programs.PLAIN.replace("tiers:", """\
expiry: {after: {days: 1}}
birthday: {reward: {points: "50"}, issue: automatic, guard_days: 0}
tiers:""", 1)
MEMBERS = 20000
GIFTED = 4


def sched_chunk():
    with open(os.path.join(SOURCE, "daemon/service/commit.h"), encoding="utf-8") as f:
        return int(re.search(r"#define SCHED_CHUNK (\d+)", f.read()).group(1))


def fill(wire):
    """Every member has points whose last day is tomorrow; gives that day."""
    birthday = day_text(time.time_ns() // 1000 // DAY_US + 2)[5:]
    for first in range(0, MEMBERS, 500):
        numbers = range(first, first + 500)
        commands = [request("enrol", member=f"m{n}", key=f"e{n}", birthday=birthday if n % GIFTED == 0 else None) for n in numbers]
        commands += [request("purchase", member=f"m{n}", amount="7", key=f"p{n}") for n in numbers]
        r = wire.batch(commands, key=f"b{first}")
        assert all(one.status == pb.OK for one in r.results), r
    last_day = wire.ok("balance", member=f"m{MEMBERS - 1}").expiring[0].last_day
    for first in range(0, MEMBERS, 1000 * GIFTED):
        r = wire.batch([request("tier", member=f"m{n}", tier="gold", reason="gift", until=last_day, key=f"t{n}")
                        for n in range(first, first + 1000 * GIFTED, GIFTED)], key=f"g{first}")
        assert all(one.status == pb.OK for one in r.results), r
    return last_day


class Visit:
    def __init__(self, wire, number, offset):
        """A balance and a purchase of a member whom the night has not come to."""
        self.number = number
        self.before = wire.ok("balance", member=f"m{number}")
        self.sent_us = int((time.time() + offset) * 10**6)
        started = time.monotonic()
        self.reply = wire.ok("purchase", member=f"m{number}", amount="3", key=f"n{number}")
        self.seconds = time.monotonic() - started
        self.seq = self.reply.seq


def visits_until_the_night_is_over(ledger, wire, midnight_us, offset):
    """From the last member on, since the night begins at the first.  A version that has no birthdays any more comes in the middle of it."""
    visits = []
    quiet = 0
    published = False
    while quiet < 10:
        v = Visit(wire, MEMBERS - 1 - len(visits), offset)
        if v.sent_us > midnight_us and not published:
            published = True
            ledger.publish(re.sub("birthday:.*\n", "", SHORT_LIVED), at=None)
        alone = bool(visits) and v.seq == visits[-1].seq + 1
        quiet = quiet + 1 if alone and v.sent_us > midnight_us else 0
        visits.append(v)
        assert len(visits) < MEMBERS // 2
    return visits


def nightly(books):
    """(index of the transaction, entry) of all that the system did."""
    return [(t.seq, e) for t in books.transactions for e in t.entries if e.principal == "system"]


@plain_build
@seconds(120)
def test_purchases_while_a_night_is_swept(world):
    """A purchase waits for no more than the flush that is running and the chunk that shares its own, and neither it nor a balance shows how far
    the night has come."""
    ledger = world.running(SHORT_LIVED, clock="real")
    with ledger.wire() as wire:
        midnight_us = (fill(wire) + 1) * DAY_US
    ledger.stop()
    offset = midnight_us / 10**6 - 0.5 - time.time()
    ledger.start(env=faketime(world, f"+{offset:.6f}"))
    with ledger.wire() as wire:
        visits = visits_until_the_night_is_over(ledger, wire, midnight_us, offset)
    for v in visits:
        if v.before.as_of >= midnight_us:
            gift = 50 if v.number % GIFTED == 0 else 0
            expect(v.before, available=str(gift))
            expect(v.reply, available=str(gift + 3))
            assert v.before.tier == v.reply.tier == "basic", v.reply

    books = ledger.books()
    night = nightly(books)
    assert len(night) == MEMBERS + 2 * (MEMBERS // GIFTED) and all(e.due_at == midnight_us for _, e in night)
    first, last = books.transactions[night[0][0]].committed_at, books.transactions[night[-1][0]].committed_at
    during = [v for v in visits if first < v.sent_us and v.seq < night[-1][0]]
    assert len(during) >= 5, f"{len(during)} purchases came while the night was swept, which took {last - first} us"
    chunk = sched_chunk()
    chunk_seconds = (last - first) / 10**6 / (len(night) / chunk)
    waited = sorted(sum(v.sent_us <= books.transactions[seq].committed_at and seq < v.seq for seq, _ in night) for v in during)
    took = sorted(v.seconds for v in during)
    # the daemon's threads may have to wait for a processor: hence most of them, and not all
    assert waited[len(waited) * 8 // 10] <= 2.5 * chunk, f"entries of the night before a purchase that was sent: {waited}"
    assert took[len(took) // 2] <= 3 * chunk_seconds, f"purchases took {took} s, a chunk {chunk_seconds} s"
    ledger.stop()
    expect(ledger.audit(), status="OK")


# ---- catching up ----

NIGHTS = """
id: nights
name: Nights
timezone: Asia/Seoul
currency: KRW
points: {unit: point, scale: 0}
earn:
  - id: base
    priority: 10
    on: purchase
    kind: base
    per_amount: {amount: "1000", points: "1", whole_steps: true}
    expiry: {after: {months: %(months)d}, round_up_to: month}
  - {id: later, priority: 20, on: purchase, kind: bonus, fixed: {points: "7"}, pending: {days: 9}, when: {min_amount: "20000"}}
  - id: delivered
    priority: 30
    on: purchase
    kind: bonus
    fixed: {points: "5"}
    pending: {on_activity: delivered, within_days: 25}
    when: {min_amount: "40000"}
  - {id: idle, priority: 40, on: purchase, kind: bonus, fixed: {points: "3"}}
expiry: {inactivity: {months: 2, activities: [purchase], percent: 50}}
tiers:
  - {id: green, rank: 0}
  - id: silver
    rank: 1
    reach: {any: [{all: [{metric: points_earned, at_least: "60"}]}]}
    window: {rolling_months: 3}
    valid: {months: 3}
    grace: {months: 1}
    downgrade: one
  - id: gold
    rank: 2
    reach: {any: [{all: [{metric: points_earned, at_least: "150"}]}, {all: [{metric: balance, at_least: "260"}]}]}
    window: {rolling_months: 3}
    valid: {months: 2}
    downgrade: one
%(birthday)s
anniversary: {of: enrolment, reward: {points: "%(anniversary)d"}}
redemption: {step: "1", hold: {default_ttl: 1d, max_ttl: 30d, expired_lot: expire_at_once}}
unknown_alias: refuse
limits: {late_days: 45}
"""
BIRTHDAY = 'birthday: {reward: {points: "50"}, leap_day: %s, guard_days: 10, requires: {points_earned: "20", within_months: 6}}'
VERSIONS = [
    NIGHTS % {"months": 2, "anniversary": 100, "birthday": BIRTHDAY % "feb_28"},
    NIGHTS % {"months": 4, "anniversary": 11, "birthday": BIRTHDAY % "mar_1"},
    NIGHTS % {"months": 1, "anniversary": 12, "birthday": ""},
]
SEOUL_US = 9 * 3600 * 10**6
NIGHTS_BETWEEN = 100
NIGHTLY = {"hold_timeout", "lapse", "activate", "birthday", "anniversary", "tier_end", "tier_review", "expire", "inactivity", "hold_expire"}
BIRTHDAYS = ["02-29", "02-28", "03-01", "01-15", "02-01", "12-31", "01-01", "07-04", "02-29", None]


def midnight(day):
    return day * DAY_US - SEOUL_US


def story(dice, first_day, n_days, prefix):
    """(op, fields) of some weeks, in the order of their times."""
    times = sorted(dice.randrange(midnight(first_day), midnight(first_day + n_days)) for _ in range(90))
    for i, at in enumerate(times):
        who = f"m{dice.randrange(len(BIRTHDAYS))}"
        op = dice.choice(["purchase"] * 6 + ["hold"] * 2 + ["tier", "activity", "adjust"])
        fields = {"member": who, "key": f"{prefix}-{i}", "at": at}
        if op == "purchase":
            fields.update(amount=str(dice.choice([1000, 15000, 25000, 45000, 90000])), occurred_at=at - dice.choice([0, 0, 0, 20 * DAY_US]))
        elif op == "hold":
            fields.update(points="1", ttl=dice.choice(["600s", "3d", "20d", "30d"]))
        elif op == "tier":
            fields.update(tier=dice.choice(["silver", "gold"]), reason="gift", until=first_day + n_days + dice.randrange(60))
        elif op == "activity":
            fields.update(activity="delivered")
        else:
            fields.update(points=str(dice.randrange(1, 90)), reason="gift", last_day=first_day + n_days + dice.randrange(90))
        yield op, fields


def live(world, name, seed, nights, night):
    """Three versions with weeks of work, and ${nights} nights after each, which ${night}(ledger, wire, day) lets pass or not."""
    dice = random.Random(seed)
    day = days("2027-12-10")
    ledger = world.running(VERSIONS[0], at=midnight_text(day), name=name)
    with ledger.wire() as wire:
        for n, birthday in enumerate(BIRTHDAYS):
            wire.ok("enrol", member=f"m{n}", key=f"e{n}", birthday=birthday, at=midnight(day) + n)
    for version, text in enumerate(VERSIONS):
        if version > 0:
            ledger.publish(text, at=midnight_text(day))
        with ledger.wire() as wire:
            for op, fields in story(dice, day, 25, f"v{version}"):
                wire.call(op, **fields)
        day += 25
        for _ in range(nights):
            day += 1
            night(ledger, day)
    with ledger.wire() as wire:
        wire.refused("NOT_FOUND", "purchase", member="nobody", amount="1", at=midnight(day))
    return ledger, day


def midnight_text(day):
    return f"{day_text(day)}T00:00:00+09:00"


def every_night(ledger, day):
    if day % 20 == 0:
        ledger.daemon.kill()
        ledger.start()
    with ledger.wire() as wire:
        wire.refused("NOT_FOUND", "purchase", member="nobody", amount="1", at=midnight(day))


def numbered(message, ordinals):
    """Names of entries are exchanged for their numbers in the whole ledger."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for one in value if field.label == field.LABEL_REPEATED else [value]:
            if field.message_type.name == "EntryId":
                one.seq, one.index = ordinals[one.seq, one.index], 0
            elif field.message_type.name == "Touched" and one.HasField("prev_seq"):
                one.prev_seq, one.prev_index = ordinals[one.prev_seq, one.prev_index], 0
            else:
                numbered(one, ordinals)


def entries_of(books):
    """What must not depend on when the nights were gone through: all but places in the log, the clock, and what a ledger's own keys make."""
    ordinals, entries = {}, []
    for t in books.transactions:
        for i, e in enumerate(t.entries):
            ordinals[t.seq, i] = len(ordinals)
            one = ledger_pb.Entry()
            one.CopyFrom(e)
            for name in ("at", "fingerprint"):
                one.ClearField(name)
            if one.inputs.HasField("publish"):
                one.ClearField("request_id")        # of the command line's own making
            numbered(one, ordinals)
            entries.append(one)
    return entries[1:]          # the genesis has keys


def kinds_of(entries):
    return collections.Counter(e.inputs.WhichOneof("op") for e in entries if e.principal == "system")


def same_entries(world, seeds):
    kinds = collections.Counter()
    for seed in seeds:
        nightly_ledger, day = live(world, f"nightly{seed}", seed, NIGHTS_BETWEEN, every_night)
        jumping, _ = live(world, f"jumping{seed}", seed, NIGHTS_BETWEEN, lambda *_: None)
        a, b = entries_of(nightly_ledger.books()), entries_of(jumping.books())
        for n, (x, y) in enumerate(zip(a, b)):
            assert x == y, f"seed {seed}, entry {n + 2}, night by night:\n{x}\nand at once:\n{y}"
        assert len(a) == len(b), f"seed {seed}: {len(a)} entries night by night, {len(b)} at once"
        kinds += kinds_of(a)
        with nightly_ledger.wire() as one, jumping.wire() as other:
            for n in range(len(BIRTHDAYS)):
                x, y = (w.ok("balance", member=f"m{n}", at=midnight(day)) for w in (one, other))
                x.ClearField("seq")
                y.ClearField("seq")
                assert x == y, f"seed {seed}, member m{n}, night by night:\n{x}\nand at once:\n{y}"
        for ledger in (nightly_ledger, jumping):
            ledger.stop()
            expect(ledger.audit(), status="OK")
    missing = NIGHTLY - set(kinds)
    assert not missing, f"{missing} did not happen: {kinds}"


@seconds(120)
def test_catching_up_makes_the_same_entries(world):
    """Every night by itself, with kills in between, and all nights at once; holds, pending points, tiers, birthdays, over three versions."""
    same_entries(world, (1, 2))


@long
@seconds(300)
def test_catching_up_many_times(world):
    same_entries(world, range(3, 13))


def test_a_night_that_is_over_is_not_gone_through_again(world):
    """What was not earned on the birthday is not granted because a daemon starts later, when a late purchase has come."""
    program = programs.birthday(guard_days=0).replace('reward: {points: "50"}', 'reward: {points: "50"}\n  requires: {points_earned: "10", within_months: 12}')
    ledger = world.running(program, at="2026-01-01T00:00:00+09:00")
    with ledger.wire() as wire:
        wire.ok("enrol", member="m1", birthday="06-20", key="e1", at="2026-05-01T12:00:00+09:00")
        wire.ok("enrol", member="m2", key="e2", at="2026-06-25T12:00:00+09:00")
        wire.ok("purchase", member="m1", amount="10000", occurred_at="2026-06-10T12:00:00+09:00", key="p1")
    ledger.restart()
    with ledger.wire() as wire:
        wire.ok("enrol", member="m3", key="e3", at="2026-06-26T12:00:00+09:00")
        expect(wire.ok("balance", member="m1"), available="10")
        expect(wire.ok("purchase", member="m1", amount="10000", key="p2"), available="20")
        wire.ok("enrol", member="m4", key="e4", at="2027-06-20T00:00:00+09:00")
        expect(wire.ok("balance", member="m1"), available="70")


def test_a_night_that_was_looked_at_in_vain_comes_again_after_a_restart(world):
    """A refused command moves the clock over midnights on which nothing happens.  After a restart the clock stands at the newest entry again, and what
    is entered then has its birthday on one of them."""
    ledger = world.running(programs.birthday(guard_days=0), at="2026-01-01T00:00:00+09:00")
    for n, end in enumerate(("stop", "kill")):
        with ledger.wire() as wire:
            wire.ok("enrol", member=f"m{n}", key=f"e{n}", at=f"2026-0{2 + n}-01T12:00:00+09:00")
            wire.refused("NOT_FOUND", "purchase", member="nobody", amount="1", at=f"2026-0{2 + n}-20T12:00:00+09:00")
            wire.ping()
        getattr(ledger.daemon, end)()
        ledger.start()
        with ledger.wire() as wire:
            wire.ok("enrol", member=f"b{n}", birthday=f"0{2 + n}-10", key=f"b{n}", at=f"2026-0{2 + n}-02T12:00:00+09:00")
            wire.ok("purchase", member=f"m{n}", amount="1000", at=f"2026-0{2 + n}-15T12:00:00+09:00")
            expect(wire.ok("balance", member=f"b{n}"), available="50")
    ledger.stop()
    expect(ledger.audit(), status="OK")
