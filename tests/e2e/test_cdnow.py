"""CDNOW under a program with tiers, points that last 12 months to the month's end, redemptions and partial returns: live and simulated alike."""
import json
import os
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal

from case import long, plain_build, seconds
from world import SOURCE, expect, run_fealty, skip

PROGRAM = """
id: cdnow-full
name: CDNOW
timezone: America/New_York
currency: USD
points: {unit: point, scale: 2}
rounding: {mode: nearest, at: each}
earn:
  - {id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: "1", points: "1"},
     caps: [{per: month, points: "300"}]}
  - {id: first, priority: 20, on: purchase, kind: bonus, fixed: {points: "25"}, when: {first_purchase: true, min_amount: "20"}, pending: {days: 30}}
expiry: {after: {months: 12}, round_up_to: month}
tiers:
  - {id: bronze, rank: 0}
  - {id: silver, rank: 1, reach: {any: [{all: [{metric: points_earned, at_least: "100"}]}]}, window: {rolling_months: 12},
     valid: {months: 12, round_up_to: month}, downgrade: one, grace: {months: 1}, earn_multiplier: "1.1"}
  - {id: gold, rank: 2, reach: {any: [{all: [{metric: spend, at_least: "500"}, {metric: visits, at_least: "3"}]}]}, window: {rolling_months: 12},
     valid: {months: 6}, downgrade: full, earn_multiplier: "1.25"}
redemption: {value: {points: "100", amount: "1"}, min: "10"}
unknown_alias: refuse
limits: {late_days: 0}
"""


def events(path):
    """By instant: enrolments and purchases at noon; of every ninth 40 % come back a fortnight later, of every 27th the rest; every 40th member redeems."""
    rows, known = [], set()
    with open(path, encoding="ascii") as file:
        lines = [line.split() for line in file][1:]
    for number, (member, day, _, amount) in enumerate(lines):
        when, key = date(int(day[:4]), int(day[4:6]), int(day[6:])), f"p{number}"
        if member not in known:
            known.add(member)
            rows.append((when, 0, number, {"op": "enrol", "member": member, "key": f"e{member}"}))
        rows.append((when, 1, number, {"op": "purchase", "member": member, "amount": amount, "key": key}))
        if number % 9 == 0:
            part = (Decimal(amount) * 4 / 10).quantize(Decimal("0.01"), ROUND_DOWN)
            rows.append((when + timedelta(14), 2, number, {"op": "return", "member": member, "purchase": key, "amount": str(part), "key": f"{key}-a"}))
        if number % 27 == 0:
            rows.append((when + timedelta(20), 2, number, {"op": "return", "member": member, "purchase": key, "key": f"{key}-b"}))
        if number % 40 == 0:
            rows.append((when + timedelta(9), 3, number, {"op": "redeem", "member": member, "points": "12.50", "key": f"{key}-r"}))
    rows.sort(key=lambda row: row[:3])
    for when, kind, _, event in rows:
        yield {"at": f"{when}T{12 + kind}:00:00-05:00", **event}
    for member in sorted(known)[::50]:
        yield {"at": "2000-03-01T12:00:00-05:00", "op": "balance", "member": member}


def played(lines):
    """What a reply says, without its place in the ledger."""
    return [{k: v for k, v in json.loads(line).items() if k not in ("id", "seq")} for line in lines]


@long
@plain_build
@seconds(900)
def test_live_and_simulated_alike(world):
    source = os.environ.get("CDNOW") or os.path.join(os.path.dirname(SOURCE), "shared", "data", "cdnow_master.txt")
    if not os.path.exists(source):
        skip(f"{source} is not there; set CDNOW to where cdnow_master.txt is")
    program, file = os.path.join(world.dir, "p.yaml"), os.path.join(world.dir, "e.jsonl")
    with open(program, "w", encoding="utf-8") as out:
        out.write(PROGRAM)
    with open(file, "w", encoding="utf-8") as out:
        n = sum(out.write(json.dumps(event) + "\n") > 0 for event in events(source))
    simulated = played(run_fealty(["simulate", "--program", program, file], seconds=300).out.splitlines())
    assert len(simulated) == n, (len(simulated), n)

    ledger = world.ledger()
    ledger.start()
    ledger.cli("program", "publish", program, "--at", "1997-01-01T00:00:00Z")
    writes = os.path.join(world.dir, "w.jsonl")
    with open(file, encoding="utf-8") as all_of_it, open(writes, "w", encoding="utf-8") as out:
        out.writelines(line for line in all_of_it if '"balance"' not in line)
    live = played(ledger.cli("batch", writes, seconds=600, code=None).out.splitlines())
    ledger.cli("enrol", "last", "--at", "2000-03-01T12:00:00-05:00")
    with open(file, encoding="utf-8") as all_of_it:
        reads = [json.loads(line) for line in all_of_it if '"balance"' in line]
    live += played(ledger.cli("balance", event["member"]).out.strip() for event in reads)

    for number, (one, other) in enumerate(zip(simulated, live)):
        other = {k: v for k, v in other.items() if k in one}
        assert one == other, f"event {number + 1}:\nsimulated {one}\nlive      {other}"
    assert len(live) == n
    granted = sum(Decimal(r.get("granted", "0")) for r in simulated)
    clawed = sum(Decimal(r.get("clawed", "0")) for r in simulated)
    returns = [r for r in simulated if "clawed" in r]
    assert len(returns) > 7000 and any(Decimal(r["clawed"]) > 0 for r in returns), len(returns)
    assert all(r["status"] == "OK" for r in returns)
    tiers = {r.get("tier") for r in simulated}
    assert tiers >= {"bronze", "silver", "gold"}, tiers
    assert 0 < clawed < granted, (clawed, granted)
    ledger.stop()
    expect(ledger.audit(), status="OK")
