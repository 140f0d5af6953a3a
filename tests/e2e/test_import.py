"""fealty import: totals, refused lines, going on after an interruption, and the CDNOW data set."""
import os
import random
import signal
import subprocess

import programs
from case import long, plain_build, seconds
from world import FEALTY, SOURCE, eventually, expect, skip

PROGRAM = programs.PLAIN
CDNOW_YAML = os.path.join(SOURCE, "packaging", "examples", "cdnow.yaml")


def csv(world, rows, name="purchases.csv", header="member,date,amount"):
    return world.write(name, "\n".join([header, *rows]) + "\n")


def ready(world, **options):
    return world.running(PROGRAM, at="2020-01-01T00:00:00Z", **options)


def test_small(world):
    """Sorted by date, equal rows are two purchases, unknown customers are enrolled."""
    ledger = ready(world)
    path = csv(world, ["c2,2020-03-05,20.50", "c1,2020-03-01,10.99", "c1,2020-03-01,10.99", "c3,2020-02-28,0", "c1,2020-03-09,5"])
    r = ledger.cli("import", path).json
    expect(r, status="OK", lines=5, members=3, enrolled=3, applied=5, replayed=0, refused=0, granted="45", spend="47.48")
    expect(ledger.cli("balance", "c1").json, available="25", visits=3, spend="26.98")
    expect(ledger.cli("balance", "c3").json, available="0", visits=1)
    dates = [row["business_date"] for row in ledger.cli("history", "c1").json["history"] if row["op"] == "purchase"]
    assert dates == ["2020-03-09", "2020-03-01", "2020-03-01"], dates
    size = ledger.wire().hello_ok.size
    again = ledger.cli("import", path).json
    expect(again, status="OK", applied=0, replayed=5, enrolled=0, refused=0, granted="45", spend="47.48", granted_now="0", spend_now="0")
    assert ledger.wire().hello_ok.size == size, "the same file again changes nothing"
    ledger.stop()
    expect(ledger.audit(), status="OK")


def test_columns(world):
    ledger = ready(world)
    path = csv(world, ["x;7;5.00;01.04.2020;s9", "y;8;6.00;02.04.2020;s9"], header="a;kunde;betrag;tag;laden")
    expect(ledger.cli("import", path, "--separator", ";", "--columns", "member=kunde,date=tag,amount=betrag,store=laden", "--date-format", "DD.MM.YYYY",
                      "--alias-prefix", "shop:").json, applied=2, enrolled=2, granted="11")
    expect(ledger.cli("balance", "shop:7").json, available="5")
    white = world.write("white.txt", " 00001 19970101  1 11.77\n 00002 19970112  5 77.00\n")
    other = world.running(PROGRAM, at="1997-01-01T00:00:00Z", name="other")
    expect(other.cli("import", white, "--columns", "member=1,date=2,amount=4").json, applied=2, enrolled=2, granted="88", spend="88.77")


def test_refused_lines(world):
    """A report at the end names them; the others count."""
    ledger = ready(world)
    rows = ["c1,2020-03-01,10", "c1,2020-03-02,-5", "c1,2020-03-03,1.234", "c2,2020-13-01,1", "c3,2020-03-04,abc", "c1,2020-03-05,7", ",2020-03-06,7",
            "c1,2020-03-07", "c1,2020-03-08,99999999999999999999"]
    path = csv(world, rows)
    refused = world.path("refused.tsv")
    done = ledger.cli("import", path, "--refused", refused, code=None)
    r = done.json
    expect(r, applied=2, refused=7, granted="17")
    assert done.code == 1, done
    assert sorted(x["line"] for x in r["refusals"]) == [3, 4, 5, 6, 8, 9, 10], r
    with open(refused, encoding="utf-8") as f:
        assert [int(line.split("\t")[0]) for line in f] == sorted(x["line"] for x in r["refusals"])
    assert os.stat(refused).st_mode & 0o777 == 0o600, "there may be names in it"
    os.chmod(refused, 0o644)
    with open(refused, "a", encoding="utf-8") as f:
        f.write("of another run\n" * 1000)
    ledger.cli("import", path, "--refused", refused, code=None)
    assert os.stat(refused).st_mode & 0o777 == 0o600, "it was there already"
    with open(refused, encoding="utf-8") as f:
        assert len(f.readlines()) == 7
    shown = ledger.cli("import", path, "--refused", "/dev/stdout", json_output=False, code=None)
    assert "\n3\tINVALID_ARGUMENT\t" in "\n" + shown.out, shown
    people = ledger.cli("import", path, json_output=False, code=None)
    assert "2 applied before" in people.out and "7 refused" in people.out and "line 3" in people.out, people
    unknown = ledger.cli("import", csv(world, ["nobody,2020-04-01,5"], "b.csv"), "--no-enrol", code=None)
    expect(unknown.json, applied=0, refused=1)
    expect(ledger.cli("balance", "nobody", code=1).json, reason="NOT_FOUND")


def test_files_that_are_none(world):
    ledger = ready(world)
    assert ledger.cli("import", world.path("nothing.csv"), code=None).code in (2, 5)
    assert ledger.cli("import", csv(world, ["a,b"], "c.csv", header="x,y"), code=None).code == 2          # no such columns
    expect(ledger.cli("import", csv(world, [], "empty.csv"), code=None).json, applied=0)
    assert ledger.cli("import", world.path("."), code=None).code in (2, 5)


@seconds(90)
def test_interrupted(world):
    """Killed in the middle, and the daemon too; the same command again goes on, and nothing is there twice."""
    ledger = ready(world)
    dice = random.Random(5)
    n, total = 20000, 0
    rows = []
    for i in range(n):
        amount = dice.randint(0, 50)
        total += amount
        rows.append(f"c{dice.randrange(3000)},2020-{1 + i * 11 // n:02d}-{1 + dice.randrange(28):02d},{amount}.{dice.randrange(100):02d}")
    path = csv(world, rows)
    for attempt in range(3):
        before = ledger.wire().hello_ok.size
        process = subprocess.Popen([FEALTY, "import", path, "--json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   env={**os.environ, "FEALTY_CONNECT": ledger.address})

        def grown():
            with ledger.wire() as wire:
                return wire.hello_ok.size > before + 3 or process.poll() is not None
        eventually(grown, "some of it")
        process.send_signal(signal.SIGKILL if attempt != 1 else signal.SIGINT)
        process.wait()
        if attempt == 2:
            ledger.daemon.kill()
            ledger.start()
    r = ledger.cli("import", path).json
    expect(r, status="OK", lines=n, refused=0, granted=str(total))
    assert r["applied"] + r["replayed"] == n and r["replayed"] > 0, r
    books = ledger.books()
    assert sum(1 for _, e in books.entries() if e.inputs.HasField("purchase")) == n
    assert sum(account["available"] for account in books.balances.values()) == total
    ledger.stop()
    expect(ledger.audit(), status="OK")


@seconds(60)
def test_the_daemon_restarts_meanwhile(world):
    """The client connects again by itself and sends the same request ids."""
    ledger = ready(world)
    n = 15000
    path = csv(world, [f"c{i % 2000},2020-02-{1 + i * 28 // n:02d},3" for i in range(n)])
    process = subprocess.Popen([FEALTY, "import", path, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "FEALTY_CONNECT": ledger.address})
    before = ledger.wire().hello_ok.size

    def grown():
        with ledger.wire() as wire:
            return wire.hello_ok.size > before + 3 or process.poll() is not None
    eventually(grown, "some of it")
    ledger.daemon.kill()
    ledger.start()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, (out, err)
    books = ledger.books()
    assert sum(account["available"] for account in books.balances.values()) == 3 * n
    assert sum(1 for _, e in books.entries() if e.inputs.HasField("purchase")) == n


def test_on_the_real_clock(world):
    """Dated back as far as late_days allow; older lines are refused by name."""
    from datetime import datetime, timedelta, timezone
    ledger = world.running(PROGRAM, clock="real")
    recent = (datetime.now(timezone.utc) - timedelta(days=10)).strftime("%Y-%m-%d")
    old = (datetime.now(timezone.utc) - timedelta(days=60)).strftime("%Y-%m-%d")
    done = ledger.cli("import", csv(world, [f"c1,{recent},10", f"c1,{old},10"]), code=None)
    expect(done.json, applied=1, refused=1)
    assert done.json["refusals"][0]["reason"] == "EVENT_TOO_OLD" and done.json["refusals"][0]["line"] == 3, done
    dates = [row["business_date"] for row in ledger.cli("history", "c1").json["history"] if row["op"] == "purchase"]
    assert dates == [recent], dates


@long
@plain_build
@seconds(900)
def test_cdnow(world):
    """All 69 659 purchases of 23 570 customers: the figures of the issue."""
    path = os.environ.get("CDNOW") or os.path.join(os.path.dirname(SOURCE), "shared", "data", "cdnow_master.txt")
    if not os.path.exists(path):
        skip(f"{path} is not there; set CDNOW to where cdnow_master.txt is")
    columns = ("--skip-lines", "1", "--columns", "member=1,date=2,amount=4")
    ledger = world.ledger()
    ledger.start()
    ledger.cli("program", "publish", CDNOW_YAML, "--at", "1997-01-01T00:00:00Z")
    r = ledger.cli("import", path, *columns, seconds=600).json
    expect(r, status="OK", lines=69659, members=23570, enrolled=23570, applied=69659, replayed=0, refused=0, granted="2453159", spend="2500315.63")
    books = ledger.books()
    assert sum(1 for _, e in books.entries() if e.inputs.HasField("purchase")) == 69659
    tiers, highest, total, spend = {}, 0, 0, 0
    for _, entry in books.entries():
        spend += entry.inputs.purchase.amount
        for touched, after in zip(entry.touched, entry.after):
            tiers[touched.member] = after.tier
    for account in books.balances.values():
        highest = max(highest, account["available"])
        total += account["available"]
    counts = {t: list(tiers.values()).count(t) for t in set(tiers.values())}
    assert len(tiers) == 23570 and counts["silver"] == 5430 and counts["gold"] == 720, counts
    assert (total, highest, spend) == (2453159, 13860, 250031563), (total, highest, spend)
    size = books.size
    expect(ledger.audit(where="wire"), status="OK")
    r = ledger.cli("import", path, *columns, seconds=600).json
    expect(r, status="OK", applied=0, replayed=69659, enrolled=0, refused=0, granted="2453159", granted_now="0", spend_now="0")
    assert ledger.wire().hello_ok.size == size, "importing again changes nothing"
    ledger.stop()
    expect(ledger.audit(), status="OK")
