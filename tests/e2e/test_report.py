"""`fealty report` and `fealty export sqlite`: figures worked out by hand, from a directory, an export and the daemon, in every form."""
import csv
import io
import json
import os
import random
import sqlite3
from datetime import date
from decimal import Decimal

from case import long, plain_build, seconds
from test_audit_log import export, flipped, read, write
from world import SOURCE, expect, run_fealty, skip

PROGRAM = """
id: shop
name: Shop
timezone: Asia/Seoul
currency: KRW
points: {unit: star, scale: 0}
earn:
  - {id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: "10", points: "1"}}
  - {id: survey, priority: 20, on: activity, kind: bonus, fixed: {points: "10"}, when: {activity: survey}}
expiry: {after: {days: 40}}
tiers:
  - {id: green, rank: 0}
  - {id: gold, rank: 1, reach: {any: [{all: [{metric: points_earned, at_least: "9000"}]}]}, window: lifetime}
redemption: {value: {points: "1", amount: "1"}}
transfers: {min: "1"}
unknown_alias: refuse
limits: {late_days: 45}
accounting: {cost_per_point: "0.66", expected_redemption: "0.95"}
"""
KINDS = ("liability", "rollforward", "kpi", "rfm", "churn")
BGNBD = "0.243,4.414,0.793,2.426"

# what a member does: the day, the operation, its fields
LIFE = (
    ("2026-01-02", "purchase", {"member": "m1", "amount": "100000", "key": "p1"}),          # 10 000 points, of 100 000 won 8 676 are theirs
    ("2026-01-05", "purchase", {"member": "m2", "amount": "2000", "key": "p2"}),            # 200 points; 174 won
    ("2026-01-12", "purchase", {"member": "m1", "amount": "1000", "key": "p3"}),            # 100 points; 87 won
    ("2026-01-20", "redeem", {"member": "m1", "points": "4500", "key": "r1"}),
    ("2026-01-25", "activity", {"member": "m2", "activity": "survey", "score": 9, "key": "a1"}),
    ("2026-02-01", "activity", {"member": "m1", "activity": "survey", "score": 3, "key": "a2"}),
    ("2026-02-02", "return", {"member": "m2", "purchase": "p2", "key": "b1"}),
    ("2026-02-03", "purchase", {"member": "m2", "amount": "500", "key": "p4", "occurred_at": "2026-01-30T10:00:00+09:00"}),     # 50; 43 won
    ("2026-02-20", "purchase", {"member": "m3", "amount": "700", "key": "p5"}),             # 70; 61 won; what m1 has from January is over
)


def lived(world):
    ledger = world.running(PROGRAM, at="2026-01-01T00:00:00+09:00")
    with ledger.wire() as wire:
        for m in ("m1", "m2", "m3", "m4"):
            wire.ok("enrol", member=m, key=f"e-{m}", at="2026-01-01T10:00:00+09:00")
        for day, op, fields in LIFE:
            wire.ok(op, at=f"{day}T12:00:00+09:00", **fields)
    return ledger


def report(ledger, kind, *arguments, code=0, where=None):
    return ledger.cli("report", kind, *([ledger.data] if where is None else where), *arguments, code=code).json


def as_csv(value):
    return "" if value is None else json.dumps(value) if isinstance(value, (bool, int)) else value


def test_every_form_from_every_place(world):
    """The same rows from the directory, an export and the daemon, as JSON and CSV; people see the figures."""
    ledger = lived(world)
    ledger.restart()            # its newest checkpoint is public then
    log = os.path.join(world.dir, "log")
    export(ledger, log)
    for kind in KINDS:
        more = ["--bgnbd", BGNBD] if kind == "churn" else []
        first = report(ledger, kind, *more)
        assert first["rows"], kind
        for where in ([], ["--log", log]):
            got = report(ledger, kind, *more, where=where)
            assert got == first, f"{kind} {where}: {got}\n{first}"
        text = ledger.cli("report", kind, ledger.data, "--csv", *more, json_output=False).out
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        assert rows == [{k: as_csv(v) for k, v in row.items()} for row in first["rows"]], f"{kind}:\n{text}"
        people = ledger.cli("report", kind, ledger.data, *more, json_output=False).out
        assert people.startswith(f"{kind} of program shop in {ledger.origin}, 16 transactions"), people
        assert "until 2026-02-20; that is not over yet" in people, people
        for row in first.get("summary", first["rows"]):
            assert all(as_csv(v) in people for v in row.values()), f"{row}\n{people}"
    before = report(ledger, "kpi")
    ledger.restart()
    assert report(ledger, "kpi", where=[]) == before
    ledger.stop()
    assert report(ledger, "kpi") == before


def test_the_figures(world):
    ledger = lived(world)
    january = report(ledger, "liability", "--month", "2026-01")
    expect(january, status="OK", report="liability", program="shop", currency="KRW", closed=True, until="2026-01-31")
    (row,) = january["rows"]
    # 10 000 + 200 + 100 + 10 − 4 500; E = 95 % of 10 310 = 9 794.5; 8 937 × 4 500 / 9 794.5
    expect(row, open="5810", redeemed="4500", expired="0", cost_full="3834", cost_expected="3642", price="103000", ifrs_points="8937",
           ifrs_goods="94063", ifrs_expected="9795", ifrs_recognised="4106", ifrs_recognised_in_period="4106", ifrs_deferred="4831")
    (row,) = report(ledger, "rollforward", "--month", "2026-02")["rows"]
    # until the 20th nothing is over but 5 500 of the first purchase: through 11 February
    expect(row, opening="5810", issued="130", clawed="-200", expired="-5500", redeemed="0", closing="240")
    (row,) = report(ledger, "rollforward")["rows"]
    expect(row, opening="0", issued="10440", redeemed="-4500", clawed="-200", expired="-5500", closing="240")
    kpi = {(r["kpi"], r["of"]): r for r in report(ledger, "kpi", "--month", "2026-01")["rows"]}
    for name, value in (("members", 4), ("members_active", 2), ("active_rate", "50.00"), ("purchases", 3), ("spend", "103000"), ("purchasers", 2),
                        ("repeat_purchase_rate", "50.00"), ("purchase_frequency", "1.50"), ("average_order_value", "34333"),
                        ("points_issued", "10310"), ("redemption_rate", "43.65"), ("breakage_rate", "0.00")):
        assert kpi[name, None]["value"] == value, kpi[name, None]
    assert (kpi["redemption_rate_cohort", None]["part"], kpi["redemption_rate_cohort", None]["whole"]) == ("4500", "10110"), kpi
    assert kpi["breakage_rate_cohort", None]["part"] == "5500", kpi
    assert kpi["tier_members", "gold"]["value"] == 1 and kpi["tier_moves", "green>gold"]["value"] == 1, kpi
    assert kpi["nps", "survey"]["value"] == "100.00", kpi
    rfm = report(ledger, "rfm")
    got = [(r["member_no"], r["last_day"], r["frequency"], r["monetary"], r["r"], r["f"], r["m"]) for r in rfm["rows"]]
    assert got == [(1, "2026-01-12", 2, "101000", 1, 4, 4), (2, "2026-01-30", 1, "500", 2, 1, 1), (3, "2026-02-20", 1, "700", 4, 1, 2)], got
    assert sum(s["members"] for s in rfm["summary"]) == 3
    churn = report(ledger, "churn", "--bgnbd", BGNBD)
    one, two, three = churn["rows"]
    alive = 1 / (1 + .793 / 2.426 * ((4.414 + 49 / 7) / (4.414 + 10 / 7)) ** 1.243)
    expect(one, member_no=1, repeats=1, t_x_days=10, t_days=49, away_days=39, mean_gap_days="10.0", overdue=True, p_alive=f"{alive:.4f}")
    expect(two, first_day="2026-01-30", repeats=0, away_days=21, p_alive="1.0000")
    assert two["overdue"] is None and three["away_days"] == 0
    expect(churn["summary"][0], members=3, overdue=1, overdue_share="33.33", expected_alive=f"{alive + 2:.1f}")


def test_a_closed_month_stays_as_it_is(world):
    ledger = lived(world)
    before = {kind: report(ledger, kind, "--month", "2026-01") for kind in ("liability", "rollforward")}
    with ledger.wire() as wire:
        wire.ok("purchase", member="m4", amount="9000", key="late", at="2026-02-21T12:00:00+09:00", occurred_at="2026-01-31T12:00:00+09:00")
        wire.ok("return", member="m1", purchase="p1", amount="50000", key="b9")
    for kind, was in before.items():
        now = report(ledger, kind, "--month", "2026-01")
        assert (now["rows"], now["closed"]) == (was["rows"], True), f"{kind}: {now} {was}"
    (row,) = report(ledger, "rollforward", "--month", "2026-02")["rows"]
    expect(row, opening="5810", issued="1030")


def test_simulated_and_live_alike(world):
    """A simulation's `report` has the rows of `fealty report`."""
    ledger = lived(world)
    program, events = os.path.join(world.dir, "p.yaml"), os.path.join(world.dir, "e.jsonl")
    with open(program, "w", encoding="utf-8") as out:
        out.write(PROGRAM)
    lines = [{"at": "2026-01-01T10:00:00+09:00", "op": "enrol", "member": m, "key": f"e-{m}"} for m in ("m1", "m2", "m3", "m4")]
    lines += [{"at": f"{day}T12:00:00+09:00", "op": op, **fields} for day, op, fields in LIFE]
    asked = [{"report": kind} for kind in KINDS] + [{"report": kind, "from": "2026-01-10", "until": "2026-02-02"} for kind in KINDS]
    lines += [{"at": "2026-02-20T12:00:00+09:00", "op": "report", **one} for one in asked]
    with open(events, "w", encoding="utf-8") as out:
        out.writelines(json.dumps(line) + "\n" for line in lines)
    replies = run_fealty(["simulate", "--program", program, events]).lines[-len(asked):]
    for one, reply in zip(asked, replies):
        arguments = [w for name in ("from", "until") if name in one for w in (f"--{name}", one[name])]
        assert reply["rows"] == report(ledger, one["report"], *arguments)["rows"], one


COALITION = """
id: coalition
name: Coalition
timezone: Asia/Seoul
currency: USD
points: {unit: point, scale: 1}
earn:
  - {id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: "1", points: "1"}}
redemption: {value: {points: "1", amount: "0.01"}}
partners:
  - {id: p1, issue_price: "2/3", redeem_price: "1/7", settlement: postpaid}
  - {id: p2, issue_price: "0.01", redeem_price: "0.005", settlement: prepaid}
unknown_alias: refuse
"""


def test_settlement(world):
    """Prices as exact ratios, rounded once and down; what comes back is of its own month, at the price it had; a closed month stays."""
    ledger = world.running(COALITION, at="2026-03-01T00:00:00+09:00")
    with ledger.wire() as wire:
        wire.ok("enrol", member="m1", key="e1", at="2026-03-01T10:00:00+09:00")
        for n in range(3):          # 1/15 of a dollar each: each by itself would be 0.06
            wire.ok("purchase", member="m1", amount="0.10", partner="p1", key=f"a{n}", at="2026-03-02T10:00:00+09:00")
        wire.ok("purchase", member="m1", amount="30.00", partner="p2", key="b1")
        wire.ok("purchase", member="m1", amount="70.00", key="own")
        wire.ok("redeem", member="m1", points="8.5", partner="p1", key="r1", at="2026-03-31T23:59:59+09:00")
    march = report(ledger, "settlement", "--month", "2026-03")
    assert march["closed"] is False
    one, two = march["rows"]
    expect(one, partner="p1", settlement="postpaid", issued="0.3", issue_price="2/3", issued_amount="0.20", redeemed="8.5", redeem_price="1/7",
           redeemed_amount="1.21", due="-1.01")
    expect(two, partner="p2", settlement="prepaid", issued="30.0", issued_amount="0.30", redeemed="0", due="0")
    ledger.publish(COALITION.replace('"2/3"', '"1"').replace('"1/7"', '"1"'), at="2026-04-01T00:00:00+09:00")
    with ledger.wire() as wire:
        wire.ok("purchase", member="m1", amount="5.00", partner="p1", key="late", at="2026-04-02T10:00:00+09:00", occurred_at="2026-03-30T10:00:00+09:00")
        wire.ok("return", member="m1", purchase="a0", key="x0")
        wire.ok("reverse_redeem", member="m1", redeem="r1", points="3.5", key="v1")
    now = report(ledger, "settlement", "--month", "2026-03")
    assert (now["rows"], now["closed"]) == (march["rows"], True), now
    (april,) = report(ledger, "settlement", "--month", "2026-04", "--partner", "p1")["rows"]
    # 5 × 1 − 0.1 × 2/3 = 4.9333…; −3.5 × 1/7 = −0.5
    expect(april, issued="4.9", returned="0.1", issue_price="1", issued_amount="4.93", redeemed="-3.5", reversed="3.5", redeemed_amount="-0.50", due="5.43")
    result = ledger.cli("report", "settlement", ledger.data, "--partner", "p3", code=1)
    assert "no partner `p3`" in result.json["message"], result
    settles_alike(world, ledger, scale=1)
    ledger.stop()
    expect(ledger.audit(), status="OK")


def settles_alike(world, ledger, scale):
    """The view of a database and the report, to the last unit; the rows of the view."""
    path = os.path.join(world.dir, "x.db")
    ledger.cli("export", "sqlite", path, ledger.data)
    rows = query(path, "SELECT * FROM report_settlement")
    for row in rows:
        (other,) = report(ledger, "settlement", "--month", row["month"], "--partner", row["partner"])["rows"]
        for name in ("issued", "returned", "redeemed", "reversed"):
            assert row[name] == int(Decimal(other[name]).scaleb(scale)), f"{name}: {row} {other}"
        for name in ("issued_amount", "redeemed_amount"):
            assert type(row[name]) is int and row[name] == int(Decimal(other[name]).scaleb(2)), f"{name}: {row} {other}"
    return rows


def test_a_database_settles_exactly(world):
    """Ratios without a decimal, of several versions with other denominators in one month, sums beyond a double, and returns that go below zero."""
    prices = [("2/3", "1/7"), ("5/11", "2/3"), ("999999893/999999937", "3/13"), ("0.07", "1/999999937")]

    def priced(issue, redeem):
        return COALITION.replace('"2/3"', f'"{issue}"').replace('"1/7"', f'"{redeem}"')
    ledger = world.running(priced(*prices[0]), at="2026-03-01T00:00:00+09:00")
    dice, bought, spent = random.Random(23), [], []
    with ledger.wire() as wire:
        wire.ok("enrol", member="m1", key="e1", at="2026-03-01T10:00:00+09:00")
        wire.ok("adjust", member="m1", points="1000", reason="start", key="a1")
        for v, terms in enumerate(prices):
            if v > 0:
                ledger.publish(priced(*terms), at=f"2026-03-{v + 1:02d}T00:00:00+09:00")
            for n in range(12):
                amount = dice.choice(["0.10", "0.20", f"{dice.randrange(1, 10**6)}.30", f"{dice.randrange(10**13, 3 * 10**13)}.70"])
                bought.append(wire.ok("purchase", member="m1", amount=amount, partner="p1", key=f"p{v}-{n}").id)
                spent.append(wire.ok("redeem", member="m1", points="0.1" if n % 2 else str(dice.randrange(1, 9)) + ".7", partner="p1", key=f"r{v}-{n}").id)
        dice.shuffle(bought)
        for month in ("03", "04"):
            for n in range(10):
                wire.ok("return", member="m1", purchase=bought.pop(), key=f"b{month}-{n}", at=f"2026-{month}-20T10:00:00+09:00")
                wire.ok("reverse_redeem", member="m1", redeem=spent.pop(dice.randrange(len(spent))), key=f"v{month}-{n}")
    march, april = settles_alike(world, ledger, scale=1)
    assert march["issued_amount"] > 2**53 and april["issued_amount"] < 0 and april["redeemed_amount"] < 0, (march, april)


def test_a_database_without_a_common_denominator(world):
    """Prices whose sum no integer of 64 bits has: the view has no amount rather than a wrong one, and the report has it."""
    ratios = ["1/999999937", "1/999999929", "1/999999893"]
    ledger = world.running(COALITION.replace('"2/3"', f'"{ratios[0]}"'), at="2026-03-01T00:00:00+09:00")
    with ledger.wire() as wire:
        wire.ok("enrol", member="m1", key="e1", at="2026-03-01T10:00:00+09:00")
        for v, ratio in enumerate(ratios):
            if v > 0:
                ledger.publish(COALITION.replace('"2/3"', f'"{ratio}"'), at=f"2026-03-{v + 1:02d}T00:00:00+09:00")
            wire.ok("purchase", member="m1", amount="999999000.00", partner="p1", key=f"a{v}")
        wire.ok("redeem", member="m1", points="8.5", partner="p1", key="r1")
    path = os.path.join(world.dir, "x.db")
    ledger.cli("export", "sqlite", path, ledger.data)
    (row,) = query(path, "SELECT * FROM report_settlement")
    assert row["issued_amount"] is None and row["redeemed_amount"] == 121 and row["issued"] == 3 * 9999990000, row
    (told,) = report(ledger, "settlement", "--partner", "p1")["rows"]
    expect(told, issued_amount="2.99", redeemed_amount="1.21")


def test_bad_input(world):
    ledger = lived(world)
    for code, words, said in (
            (2, ["sales", ledger.data], 'no report "sales"'),
            (2, [], "argument"),
            (2, ["kpi", ledger.data, "--month", "2026-13"], '"2026-13" is no month'),
            (2, ["kpi", ledger.data, "--month", "2026-1"], "no month"),
            (2, ["kpi", ledger.data, "--month", "2026-01", "--from", "2026-01-01"], "--month is --from and --until"),
            (2, ["kpi", ledger.data, "--from", "2026-02-30"], "no date"),
            (2, ["kpi", ledger.data, "--from", "2026-02-02", "--until", "2026-02-01"], "--from is after --until"),
            (1, ["kpi", ledger.data, "--month", "2026-03"], "nothing of it has happened yet"),
            (1, ["kpi", ledger.data, "--program", "none"], "no program `none`"),
            (1, ["settlement", ledger.data], "no partners"),
            (2, ["kpi", ledger.data, "--partner", "p1"], "--partner is about the settlement"),
            (2, ["kpi", ledger.data, "--bgnbd", BGNBD], "--bgnbd is about churn"),
            (2, ["churn", ledger.data, "--bgnbd", "1,2,3"], "four parameters"),
            (2, ["churn", ledger.data, "--bgnbd", "1,2,3,-4"], "each above 0"),
            (2, ["kpi", ledger.data, "--csv"], "--json or --csv"),
            (2, ["kpi", ledger.data, "--log", "x"], "DIR"),
            (2, ["kpi", os.path.join(world.dir, "nowhere")], "no data directory"),
            (2, ["kpi", "--log", os.path.join(world.dir, "nowhere")], "nowhere"),
    ):
        result = ledger.cli("report", *words, code=code)
        assert result.json["status"] != "OK" and said in result.json["message"], f"{words}: {result}"
    ledger.publish(PROGRAM.replace("id: shop", "id: other", 1), at="2026-02-20T12:00:00+09:00")
    result = ledger.cli("report", "kpi", ledger.data, code=2)
    assert "There are 2 programs" in result.json["message"] and "--program" in result.json["message"], result
    assert report(ledger, "kpi", "--program", "shop")["program"] == "shop"
    assert report(ledger, "kpi", "--program", "other")["rows"][0] == {"kpi": "members", "of": None, "value": 0, "unit": "count", "part": None,
                                                                      "whole": None}


def test_an_export_that_was_changed_is_no_ground_for_a_report(world):
    ledger = lived(world)
    ledger.stop()
    log = os.path.join(world.dir, "log")
    export(ledger, log)
    bundle = next(os.path.join(d, n) for d, _, names in os.walk(os.path.join(log, "tile", "entries")) for n in names)
    write(bundle, flipped(read(bundle), 900, 3))
    result = ledger.cli("report", "kpi", "--log", log, code=1)
    expect(result.json, reason="LOG_DAMAGED")
    database = os.path.join(world.dir, "x.db")
    expect(ledger.cli("export", "sqlite", database, "--log", log, code=1).json, reason="LOG_DAMAGED")
    assert [name for name in os.listdir(world.dir) if name.startswith("x.db")] == []


# ---- the database ----

def query(path, sql):
    database = sqlite3.connect(path)
    database.row_factory = sqlite3.Row
    rows = [dict(row) for row in database.execute(sql)]
    database.close()
    return rows


def same(view, rows, names):
    """The columns of a view that a report has too, by value."""
    assert len(view) == len(rows), f"{view}\n{rows}"
    for one, other in zip(view, rows):
        for name in names:
            a, b = one[name], other[name]
            alike = a is None and b is None if a is None or b is None else float(a) == float(b) if not isinstance(a, str) else a == b
            assert alike, f"{name}: {a!r} in the view, {b!r} in the report"


def test_a_database_has_what_the_ledger_has(world):
    ledger = lived(world)
    with ledger.wire() as wire:
        wire.ok("hold", member="m3", points="20", key="h1", at="2026-02-20T13:00:00+09:00")
        wire.ok("purchase", member="m4", amount="3000", key="p6", store="0042", receipt_no="7")
        wire.ok("transfer", member="m4", to="m2", points="5", key="t1")
        wire.ok("merge", member="m4", into="m3", key="g1")
        wire.ok("return", member="m3", purchase="p6", amount="1000", key="b6")
    path = os.path.join(world.dir, "x.db")
    made = ledger.cli("export", "sqlite", path, ledger.data).json
    expect(made, status="OK", size=21, rows={"programs": 1, "members": 4, "entries": 21, "purchases": 6, "returns": 2})
    assert os.stat(path).st_mode & 0o777 == 0o600
    (about,) = query(path, "SELECT * FROM ledger")
    assert (about["origin"], about["size"]) == (ledger.origin, 21)
    # books that balance, and lots that are what members have
    assert query(path, "SELECT SUM(points) AS n FROM postings") == [{"n": 0}]
    assert query(path, "SELECT seq, idx FROM postings GROUP BY 1, 2 HAVING SUM(points) <> 0") == []
    for column, condition in (("available", "l.hold IS NULL"), ("held", "l.hold IS NOT NULL")):
        wrong = query(path, f"SELECT m.member FROM members m LEFT JOIN lots l ON l.program = m.program AND l.member = m.member AND {condition}"
                            f" GROUP BY m.member HAVING COALESCE(SUM(l.points), 0) <> m.{column}")
        assert wrong == [], (column, wrong)
    for account, column in (("member", "available"), ("held", "held"), ("pending", "pending")):
        wrong = query(path, f"SELECT m.member FROM members m LEFT JOIN postings p ON p.member = m.member AND p.account = '{account}'"
                            f" GROUP BY m.member HAVING COALESCE(SUM(p.points), 0) <> m.{column}")
        assert wrong == [], (account, wrong)
    assert query(path, "SELECT standing, merged_into FROM members WHERE member = 4") == [{"standing": "closed", "merged_into": 3}]
    (p,) = query(path, "SELECT * FROM purchases WHERE receipt_no = '7'")
    expect(p, amount=3000, granted=300, returned=1000, clawed=100, wholly_returned=0, store="0042", member=4, price=2000)
    assert query(path, "SELECT count(*) AS n FROM entries WHERE op = 'expire'")[0]["n"] == 1
    views(ledger, path)


def views(ledger, path):
    rows = report(ledger, "liability")["rows"]
    same(query(path, "SELECT * FROM report_liability"), rows, [name for name in rows[0] if name not in ("ifrs_expected", "ifrs_recognised_in_period")])
    months = query(path, "SELECT * FROM report_rollforward")
    assert [row["month"] for row in months] == ["2026-01", "2026-02"]
    for row in months:
        (other,) = report(ledger, "rollforward", "--month", row["month"])["rows"]
        same([row], [other], [name for name in other if name not in ("from", "until")])
    for row in query(path, "SELECT * FROM report_kpi"):
        kpi = {r["kpi"]: r["value"] for r in report(ledger, "kpi", "--month", row["month"])["rows"] if r["of"] is None}
        same([row], [kpi], [name for name in row if name not in ("program", "month")])
    (tiers,) = [{r["of"]: r["value"] for r in report(ledger, "kpi")["rows"] if r["kpi"] == "tier_members"}]
    assert {r["tier"]: r["members"] for r in query(path, "SELECT * FROM report_tiers")} == {k: v for k, v in tiers.items() if v}
    assert [(r["month"], r["responses"], r["nps"]) for r in query(path, "SELECT * FROM report_nps")] == [("2026-01", 1, 100.0), ("2026-02", 1, -100.0)]
    rows = report(ledger, "rfm")["rows"]
    same(query(path, "SELECT * FROM report_rfm ORDER BY member_no"), rows, list(rows[0]))
    rows = report(ledger, "churn")["rows"]
    same(query(path, "SELECT * FROM report_churn ORDER BY member_no"), rows, list(rows[0]))
    database = sqlite3.connect(path)
    database.execute(f"INSERT INTO bgnbd VALUES ({BGNBD})")
    database.commit()
    database.close()
    rows = report(ledger, "churn", "--bgnbd", BGNBD)["rows"]
    same(query(path, "SELECT * FROM report_churn ORDER BY member_no"), rows, list(rows[0]))


def test_a_database_replaces_its_like_and_nothing_else(world):
    ledger = lived(world)
    path = os.path.join(world.dir, "x.db")
    first = ledger.cli("export", "sqlite", path).json
    with ledger.wire() as wire:
        wire.ok("purchase", member="m3", amount="100", key="p9", at="2026-02-22T12:00:00+09:00")
    ledger.stop()
    second = ledger.cli("export", "sqlite", path, ledger.data).json
    assert second["size"] > first["size"], (first, second)
    assert query(path, "SELECT size FROM ledger") == [{"size": second["size"]}]
    text = world.path("notes.txt")
    with open(text, "w", encoding="utf-8") as out:
        out.write("mine")
    foreign = world.path("foreign.db")
    other = sqlite3.connect(foreign)
    other.execute("CREATE TABLE t (x)")
    other.commit()
    other.close()
    for name in (text, foreign):
        result = ledger.cli("export", "sqlite", name, ledger.data, code=2)
        assert "no export of a ledger" in result.json["message"], result
    with open(text, encoding="utf-8") as file:
        assert file.read() == "mine"
    assert query(foreign, "SELECT name FROM sqlite_master") == [{"name": "t"}]
    result = ledger.cli("export", "sqlite", os.path.join(world.dir, "no", "x.db"), ledger.data, code=5)
    assert "cannot be made" in result.json["message"], result
    ledger.cli("export", "sqlite", code=2)
    assert sorted(name for name in os.listdir(world.dir) if "x.db" in name) == ["x.db"]


@long
@plain_build
@seconds(300)
def test_churn_of_cdnow(world):
    """The data that BG/NBD's parameters were estimated on, at the end of their 39 weeks: each customer, by the formula as it is written here."""
    source = os.environ.get("CDNOW") or os.path.join(os.path.dirname(SOURCE), "shared", "data", "cdnow_master.txt")
    if not os.path.exists(source):
        skip(f"{source} is not there; set CDNOW to where cdnow_master.txt is")
    with open(os.path.join(SOURCE, "packaging", "examples", "cdnow.yaml"), encoding="utf-8") as file:
        ledger = world.running(file.read(), at="1996-12-31T00:00:00Z")
    ledger.cli("import", source, "--columns", "member=1,date=2,amount=4", "--separator", "space", "--skip-lines", "1", seconds=200)
    ledger.stop()
    end, days = date(1997, 9, 30), {}
    with open(source, encoding="ascii") as file:
        for line in list(file)[1:]:
            customer, day = line.split()[:2]
            day = date(int(day[:4]), int(day[4:6]), int(day[6:]))
            if day <= end:
                days.setdefault(customer, set()).add(day)
    want = []
    for bought in days.values():
        x, t_x, t = len(bought) - 1, (max(bought) - min(bought)).days, (end - min(bought)).days
        alive = 1 / (1 + .793 / (2.426 + x - 1) * ((4.414 + t / 7) / (4.414 + t_x / 7)) ** (.243 + x)) if x > 0 else 1
        want.append((x, t_x, t, f"{alive:.4f}"))
    got = report(ledger, "churn", "--until", end, "--bgnbd", BGNBD)
    assert sorted((r["repeats"], r["t_x_days"], r["t_days"], r["p_alive"]) for r in got["rows"]) == sorted(want)
    assert len(want) == 23570
    kpi = {r["kpi"]: r["value"] for r in report(ledger, "kpi")["rows"]}
    expect(kpi, purchases=69659, spend="2500315.63", purchasers=23570, points_issued="2453159")
