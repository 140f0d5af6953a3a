"""Every command through the command line, with --json: the keys of PROGRAMS.md section 4 and RULINGS section 3."""
import os

from case import reduced
from world import SOURCE, expect

ACME = os.path.join(SOURCE, "packaging", "examples", "acme.yaml")
DAY = "2026-03-12T10:00:00+09:00"


def acme(world):
    ledger = world.ledger()
    ledger.start()
    expect(ledger.cli("program", "check", ACME).json, status="OK")
    expect(ledger.cli("program", "publish", ACME, "--at", DAY, "--key", "pub").json, status="OK", id="1.0", seq=1)
    return ledger


def rich(ledger, points):
    ledger.cli("adjust", "m1", str(points), "goodwill", "--key", f"rich{points}")


@reduced
def test_a_day_at_the_till(world):
    ledger = acme(world)
    till = "pos/0042/07"
    expect(ledger.cli("enrol", "m1", "--birthday", "03-10", "--alias", "app:u-1", "--key", "e1", principal=till).json,
           status="OK", member_no=1, available="0", pending="0", held="0", debt="0", tier="green", id="2.0", replayed=False)
    r = expect(ledger.cli("purchase", "m1", "23500", "--key", "r1", "--line", "latte:drink:1:4500", principal=till).json,
               status="OK", granted="24", wanted="24", available="24", tier="green", tier_since="2026-03-12", points_to_next="476",
               points_earned="24", spend="23500", visits=1, seq=3, id="3.0",
               expiring=[{"points": "24", "last_day": "2027-03-31"}])
    assert [(g["rule"], g["granted"]) for g in r["grants"]] == [("base", "23"), ("visit", "1")], r
    expect(ledger.cli("balance", "app:u-1", principal=till).json, status="OK", available="24", member_no=1, seq=3)
    expect(ledger.cli("quote", "m1", "5000", principal=till).json, status="OK", granted="6", available="24")
    expect(ledger.cli("balance", "m1", principal=till).json, available="24", seq=3)
    expect(ledger.cli("redeem", "m1", "99", "--key", "x0", principal=till, code=1).json, status="FAILED_PRECONDITION", reason="BELOW_MINIMUM")
    expect(ledger.cli("redeem", "m1", "100", "--key", "x1", principal=till, code=1).json,
           status="FAILED_PRECONDITION", reason="INSUFFICIENT_POINTS", available="24")
    ledger.stop()
    expect(ledger.audit(), status="OK")


def test_hold_capture_release(world):
    ledger = acme(world)
    ledger.cli("enrol", "m1", "--key", "e1")
    rich(ledger, 1000)
    expect(ledger.cli("hold", "m1", "300", "--ttl", "300s", "--key", "h1").json, status="OK", available="700", held="300", left="300",
           ends_at="2026-03-12T01:05:00Z", lots=[{"last_day": "2027-03-31", "points": "300"}])
    expect(ledger.cli("capture", "m1", "h1", "100", "--key", "c1").json, available="700", held="200", left="200", value="1000")
    expect(ledger.cli("release", "m1", "h1", "--key", "rl1").json, available="900", held="0", left="0")
    expect(ledger.cli("release", "m1", "h1", "--key", "rl2", code=1).json, reason="HOLD_NOT_OPEN")
    held = ledger.cli("hold", "m1", "200", "--key", "h2").json
    expect(ledger.cli("capture", "m1", held["id"], "--key", "c2").json, available="700", held="0", value="2000")
    expect(ledger.cli("capture", "m1", "h2", "--key", "c3", code=1).json, reason="HOLD_NOT_OPEN")
    expect(ledger.cli("capture", "m1", "nothing", "--key", "c4", code=1).json, status="NOT_FOUND", reason="NOT_FOUND", field="hold")
    expect(ledger.cli("redeem", "m1", "250", "--round-down", "--key", "x1").json, value="2000", available="500")
    expect(ledger.cli("redeem", "m1", "250", "--key", "x2", code=1).json, reason="NOT_A_STEP")
    expect(ledger.cli("redeem", "m1", "200", "--order-amount", "1000", "--key", "x3", code=1).json, reason="OVER_ORDER_TOTAL")


def test_adjust_and_tier(world):
    ledger = acme(world)
    ledger.cli("enrol", "m1", "--key", "e1")
    expect(ledger.cli("adjust", "m1", "120", "goodwill", "--last-day", "2026-12-31", "--key", "a1").json, available="120",
           expiring=[{"points": "120", "last_day": "2026-12-31"}], points_earned="0")
    expect(ledger.cli("adjust", "m1", "-20", "mistake", "--key", "a2").json, available="100")
    expect(ledger.cli("adjust", "m1", "-101", "mistake", "--key", "a3", code=1).json, reason="INSUFFICIENT_POINTS")
    expect(ledger.cli("adjust", "m1", "0", "mistake", "--key", "a4", code=1).json, reason="POINTS_NOT_POSITIVE")
    expect(ledger.cli("tier", "m1", "gold", "vip", "--until", "2026-12-31", "--key", "t1").json, tier="gold", tier_earned="green",
           tier_until="2026-12-31")
    expect(ledger.cli("purchase", "m1", "10000", "--key", "p1").json, granted="13")       # 10, 2 for gold, 1 for the visit
    expect(ledger.cli("tier", "m1", "", "no_longer", "--key", "t2").json, tier="green")
    expect(ledger.cli("tier", "m1", "diamond", "vip", "--key", "t3", code=1).json, reason="NOT_FOUND", field="tier")


def test_history_and_transaction(world):
    ledger = acme(world)
    ledger.cli("enrol", "m1", "--key", "e1")
    for i in range(5):
        ledger.cli("purchase", "m1", "1000", "--key", f"p{i}", "--store", "s1")
    h = ledger.cli("history", "m1", "--limit", "4").json
    assert [row["key"] for row in h["history"]] == ["p4", "p3", "p2", "p1"], h
    expect(h["history"][0], op="purchase", points="2", available="10", amount="1000", store="s1", id="7.0", business_date="2026-03-12",
           principal="operator/local")
    rest = ledger.cli("history", "m1", "--before", h["next_before"]).json
    assert [row["key"] for row in rest["history"]] == ["p0", "e1"] and "next_before" not in rest, rest
    by_seq = ledger.cli("transaction", 7).json
    by_key = ledger.cli("transaction", "p4").json
    assert by_seq["transaction"] == by_key["transaction"], by_key
    entry = by_seq["transaction"]["transaction"]["entries"][0]
    assert entry["request_id"] == "p4" and entry["principal"] == "operator/local", entry
    expect(ledger.cli("transaction", 999, code=1).json, reason="NOT_FOUND")


def test_profile_and_birthday(world):
    ledger = acme(world)
    ledger.cli("enrol", "m1", "--birthday", "06-20", "--key", "e1")
    expect(ledger.cli("profile", "m1", "--add-alias", "card:9", "--key", "pr1").json, status="OK")
    expect(ledger.cli("balance", "card:9").json, member_no=1)
    expect(ledger.cli("profile", "m1", "--remove-alias", "m1", "--key", "pr2", code=None).json, status="OK")
    expect(ledger.cli("balance", "m1", code=1).json, reason="NOT_FOUND", field="member")
    expect(ledger.cli("birthday", "card:9", "--key", "b1", code=1).json, reason="NOT_ELIGIBLE")
    # it is granted on the day by itself, so the till that asks comes too late
    expect(ledger.cli("birthday", "card:9", "--at", "2026-06-20T10:00:00+09:00", "--key", "b2", code=1).json, status="ALREADY_EXISTS",
           reason="ALREADY_EXISTS", available="50")


def test_enrol_refusals(world):
    ledger = acme(world)
    ledger.cli("enrol", "m1", "--key", "e1")
    expect(ledger.cli("enrol", "m1", "--key", "e2", code=1).json, status="ALREADY_EXISTS", reason="ALREADY_EXISTS")
    expect(ledger.cli("enrol", "m2", "--alias", "m1", "--key", "e3", code=1).json, reason="ALREADY_EXISTS")
    expect(ledger.cli("balance", "m2", code=1).json, reason="NOT_FOUND")
    for birthday in ("13-01", "02-30", "xx", "2000-06-31"):
        expect(ledger.cli("enrol", "m3", "--birthday", birthday, "--key", "e4", code=None).json, status="INVALID_ARGUMENT")
    expect(ledger.cli("enrol", "m3", "--birthday", "1990-02-28", "--key", "e5").json, status="OK")      # a year is dropped


def test_unknown_member(world):
    ledger = acme(world)
    for words in (["purchase", "m9", "1000"], ["quote", "m9", "1000"], ["balance", "m9"], ["history", "m9"], ["redeem", "m9", "100"], ["hold", "m9", "100"],
                  ["capture", "m9", "h"], ["release", "m9", "h"], ["adjust", "m9", "1", "x"], ["tier", "m9", "gold", "x"], ["birthday", "m9"],
                  ["profile", "m9", "--birthday", "01-02"], ["activity", "m9", "stay"], ["freeze", "m9", "x"], ["unfreeze", "m9"], ["close", "m9", "x"]):
        expect(ledger.cli(*words, code=1).json, status="NOT_FOUND", reason="NOT_FOUND", field="member")


def test_batch_command(world):
    ledger = acme(world)
    events = "".join(line + "\n" for line in (
        '{"op":"enrol","member":"m1","key":"e1"}',
        '{"op":"purchase","member":"m1","amount":"5000"}',
        '{"op":"redeem","member":"m1","points":"100","key":"x1"}'))
    answers = ledger.cli("batch", "--key", "up", stdin=events, code=None)
    assert [a["status"] for a in answers.lines] == ["OK", "OK", "FAILED_PRECONDITION"], answers
    again = ledger.cli("batch", "--key", "up", stdin=events, code=None).lines
    assert [a.get("replayed", False) for a in again] == [True, True, False], again
    expect(ledger.cli("balance", "m1").json, available="6")


def test_subscribe_and_dump_and_version(world):
    ledger = acme(world)
    ledger.cli("enrol", "m1", "--key", "e1")
    lines = ledger.cli("subscribe", "--to-head").lines
    assert [line["transaction"]["seq"] for line in lines] == [0, 1, 2], lines
    lines = ledger.cli("subscribe", "--after", 0, "--count", 1).lines
    assert [line["transaction"]["seq"] for line in lines] == [1], lines
    dump = ledger.cli("dump", ledger.data, json_output=False).out
    for table in ("transaction", "checkpoint", "member", "request", "alias", "person", "tile"):
        assert table in dump, dump
        ledger.cli("dump", ledger.data, table)
    assert "basic" not in dump and "green" in ledger.cli("dump", ledger.data, "member", "1").out
    expect(ledger.cli("version").json, protocol=1, format=1)
    shown = ledger.cli("program", "show", json_output=False).out
    path = world.write("shown.yaml", shown)
    expect(ledger.cli("program", "check", path).json, status="OK")


def test_people_can_read_it(world):
    ledger = acme(world)
    out = ledger.cli("enrol", "m1", "--key", "e1", json_output=False).out
    assert "{" not in out and out.strip(), out
    out = ledger.cli("purchase", "m1", "23500", "--key", "p1", json_output=False).out
    assert "24" in out and "{" not in out, out
    out = ledger.cli("balance", "m1", json_output=False).out
    assert "24" in out and "green" in out, out
    done = ledger.cli("redeem", "m1", "100", "--key", "x1", json_output=False, code=1)
    assert "INSUFFICIENT_POINTS" in done.err, done


def test_program_refusals(world):
    ledger = world.ledger()
    ledger.start()
    with open(ACME, encoding="utf-8") as f:
        text = f.read()

    def refused(broken, *words):
        path = world.write("broken.yaml", broken)
        done = ledger.cli("program", "check", path, json_output=False, code=1)
        assert all(w in done.err + done.out for w in words), (words, str(done))
        assert ledger.cli("program", "publish", path, code=None).code != 0, "what check refuses was published"

    refused(text + "\nstampz: []\n", "stampz")
    refused(text.replace("priority: 20", "priority: 10"), "priority")
    refused(text + "\npools: {max_members: 33}\n", "pools", "2 to 32")
    refused(text.replace('amount: "1000"            #', 'amount: "1000.5"            #'), "amount")
    refused(text.replace("Asia/Seoul", "Asia/Seoull"), "timezone")
    refused(text.replace("unknown_alias: refuse", "unknown_alias: perhaps"), "unknown_alias", "provisional")
