"""fealty-bench: every option does what it says, by what the ledger and /metrics say of it; and no figure flatters the daemon."""
import json
import math
import os
import pty
import re
import select
import signal
import subprocess
import time
from collections import Counter

import programs
from authority import Authority
from case import plain_build, reduced
from test_admin import Metrics, port
from wire import SLOWNESS, ledger as messages
from world import BUILD, SANITIZER, check_output, eventually

BENCH = os.path.join(BUILD, "tools", "fealty-bench")
ADMIN = ("--admin", "127.0.0.1:0")
LATENCY = {"p50", "p90", "p99", "p999", "max", "mean"}
KEYS = {"mix", "connections", "depth", "batch", "members", "threads", "receipts", "loop", "rate", "zipf", "principals", "tls", "warmup_seconds",
        "commands", "seconds", "per_second", "latency_us", "lost", "unanswered", "errors", "refusals", "operations", "tool"}
OPEN_KEYS = KEYS | {"offered", "late", "not_sent"}
DAEMON = {"seconds", "commits_per_second", "commands_per_commit", "transactions_per_commit", "commands_per_second", "cpu_us_per_command", "cpu_seconds",
          "memory_bytes"}


def begin(ledger, *arguments):
    return subprocess.Popen([BENCH, "--address", ledger.address, "--json", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(process, code=0):
    """What it printed."""
    out, err = process.communicate(timeout=60 * SLOWNESS)
    check_output("fealty-bench", process.returncode, err)
    assert process.returncode == code, f"exit {process.returncode}, not {code}: {out}{err}"
    return json.loads(out)


def bench(ledger, *arguments, code=0):
    return end(begin(ledger, *arguments), code)


def complains(*arguments, code=2):
    done = subprocess.run([BENCH, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60 * SLOWNESS)
    check_output("fealty-bench", done.returncode, done.stderr)
    assert done.returncode == code and not done.stdout, done
    return done.stderr


def transactions(ledger):
    return [messages.Transaction.FromString(messages.SignedTransaction.FromString(leaf).transaction) for leaf in ledger.leaves()]


def entries(ledger, op="purchase"):
    return [e for t in transactions(ledger) for e in t.entries if e.inputs.HasField(op)]


def whole(r):
    """What was due is told apart without a rest."""
    assert r["offered"] == r["commands"] + r["late"] + r["not_sent"] + r["unanswered"], r
    return r


def near(n, expected, deviation, what):
    """Five standard deviations: a good daemon fails this once in a million times."""
    assert abs(n - expected) <= 5 * deviation, f"{what}: {n}, and {expected:.1f} were to come, give or take {deviation:.1f}"


# ---- what it prints ----

@reduced
def test_a_number_of_requests(world):
    ledger = world.running(programs.PLAIN)
    r = bench(ledger, "-n", 2003, "-c", 8, "-d", 4, "-t", 3, "-m", 100)
    assert r.keys() == KEYS and r["latency_us"].keys() == LATENCY and r["operations"].keys() == {"purchase"}, r.keys()
    assert (r["commands"], r["errors"], r["refusals"], r["lost"], r["unanswered"]) == (2003, {}, {}, 0, 0), r
    assert (r["mix"], r["connections"], r["depth"], r["batch"], r["members"], r["threads"]) == ("purchase", 8, 4, 1, 100, 3), r
    assert (r["loop"], r["rate"], r["zipf"], r["principals"], r["tls"], r["warmup_seconds"], r["receipts"]) == ("closed", None, 0, 0, False, 0, False), r
    assert abs(r["per_second"] * r["seconds"] - 2003) < 1 and r["tool"]["cpu_us_per_command"] > 0, r
    latency = r["latency_us"]
    assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["p999"] <= latency["max"] and latency["mean"] <= latency["max"], latency
    assert r["operations"]["purchase"]["latency_us"] == latency and r["operations"]["purchase"]["commands"] == 2003, r
    made = entries(ledger)
    assert len(made) == 2003 and len({e.request_id for e in made}) == 2003 and len(entries(ledger, "enrol")) == 100
    assert {e.principal for e in made} == {"backend/bench"}
    assert min(e.inputs.purchase.amount for e in made) < max(e.inputs.purchase.amount for e in made)


def test_batches(world):
    ledger = world.running(programs.PLAIN)
    r = bench(ledger, "-n", 5500, "-b", 1000, "-c", 2, "-m", 2500)            # the last one of each connection is smaller
    assert r["commands"] == 5500 and r["batch"] == 1000 and r["errors"] == {}, r
    assert len(entries(ledger)) == 5500 and len(entries(ledger, "enrol")) == 2500
    assert "--batch: 1001 commands in a frame; the server allows 1000" in complains("-a", ledger.address, "-b", 1001, "--no-enrol")
    assert "--depth: 65 in flight on a connection; the server allows 64" in complains("-a", ledger.address, "-d", 65, "--no-enrol")


def test_receipts(world):
    ledger = world.running(programs.PLAIN)
    assert bench(ledger, "-n", 50, "-m", 10, "--receipt")["receipts"]
    r = bench(ledger, "-n", 2000, "-b", 1000, "-c", 1, "-m", 10, "--receipt", code=1)      # WIRE.md: a batch of 1 000 has no room for one
    assert r["errors"] == {"(no receipt)": 2000}, r


@reduced
def test_a_mix(world):
    """Shares as weights say; the daemon has counted just as many of each; a member without points is no error."""
    ledger = world.running(programs.PLAIN, *ADMIN)
    where = port(ledger)
    weights = {"purchase": 6, "redeem": 1, "balance": 2, "history": 1}
    n = 4000 if SANITIZER == "" else 600
    r = bench(ledger, "-n", n, "-c", 8, "-t", 2, "-m", 20, "--mix", ",".join(f"{op}={w}" for op, w in weights.items()))
    metrics = Metrics(where)
    assert r["operations"].keys() == weights.keys() and r["mix"] == "purchase=6,redeem=1,balance=2,history=1", r
    for op, weight in weights.items():
        done = r["operations"][op]
        near(done["commands"], n * weight / 10, math.sqrt(n * weight / 10 * (1 - weight / 10)), op)
        assert done["commands"] == metrics("fealty_commands_total", op=op) and done["latency_us"]["p50"] > 0, op
    assert sum(done["commands"] for done in r["operations"].values()) == n == r["commands"]
    # on members without points every redeem is refused, and truly so
    r = bench(ledger, "-n", 100, "-m", 20, "--prefix", "poor", "--mix", "redeem", "--redeem-points", "7")
    assert r["refusals"] == {"INSUFFICIENT_POINTS": 100} and r["errors"] == {} and r["commands"] == 100, r
    r = bench(ledger, "-n", 100, "-b", 50, "-c", 1, "-m", 20, "--prefix", "poor", "--mix", "redeem")
    assert r["refusals"] == {"INSUFFICIENT_POINTS": 100} and r["errors"] == {}, r
    bench(ledger, "-n", 400, "-m", 20, "--prefix", "poor")
    r = bench(ledger, "-n", 40, "-m", 20, "--prefix", "poor", "--mix", "redeem", "--redeem-points", "7")
    assert r["refusals"] == {} and {e.inputs.redeem.points for e in entries(ledger, "redeem")} >= {7}, r
    r = bench(ledger, "-n", 40, "-m", 20, "--mix", "redeem", "--redeem-points", "0.5", code=1)      # the program has whole points
    assert sum(r["errors"].values()) == 40 and r["refusals"] == {}, r


# ---- who, and for whom ----

def chi_square(counts, weights, n):
    total = sum(weights)
    return sum((had - n * w / total) ** 2 / (n * w / total) for had, w in zip(counts, weights, strict=True))


def test_zipf(world):
    """By the ledger: the purchases of each member, sorted, against the law; without the option, against equal shares."""
    ledger = world.running(programs.PLAIN)
    n, members = 10000, 40
    for exponent in (0, 0.99, 1.3):
        prefix = f"z{int(exponent * 100)}"
        r = bench(ledger, "-n", n, "-b", 500, "-c", 2, "-m", members, "--prefix", prefix, *(["--zipf", exponent] if exponent else []))
        assert r["zipf"] == exponent, r
        made = [e for e in entries(ledger) if e.request_id.startswith(prefix + "-")]
        by_member = Counter(e.touched[0].member for e in made)
        counts = sorted(by_member.values(), reverse=True) + [0] * (members - len(by_member))
        assert len(made) == n
        weights = [k ** -exponent for k in range(1, members + 1)]
        assert chi_square(counts, weights, n) < members + 5 * math.sqrt(2 * members), (exponent, counts)
        if exponent:
            first = sorted(by_member)[0]
            neighbours = [by_member[first + i] for i in range(3)]
            assert neighbours != counts[:3], "who buys most was not enrolled first"


@reduced
def test_principals(world):
    ledger = world.running(programs.PLAIN)
    r = bench(ledger, "-n", 600, "-c", 7, "-t", 2, "-m", 10, "--principal", "pos/1", "--principals", 3)
    assert r["principals"] == 3 and r["errors"] == {}, r
    made = Counter(e.principal for e in entries(ledger))
    assert made.keys() == {"pos/1/1", "pos/1/2", "pos/1/3"} and min(made.values()) >= 100, made
    assert {e.principal for e in entries(ledger, "enrol")} == {"pos/1/1"}
    r = bench(ledger, "-n", 50, "-m", 10, "--no-enrol", "--principal", "pos/1", "--principals", 2, "--mix", "history", "-c", 2, code=1)
    assert r["errors"] == {"PERMISSION_DENIED": 50} and r["commands"] == 50, r          # tills have no history
    assert "HELLO: " in complains("-a", ledger.address, "--no-enrol", "--principal", "nobody", code=1)


def test_members_of_an_earlier_run(world):
    ledger = world.running(programs.PLAIN, *ADMIN)
    where = port(ledger)

    def enrolled():
        return Metrics(where)("fealty_commands_total", op="enrol")
    bench(ledger, "-n", 10, "-m", 1234, "--prefix", "a")
    assert enrolled() == 1234
    bench(ledger, "-n", 10, "-m", 1234, "--prefix", "a", "--no-enrol")
    assert enrolled() == 1234
    bench(ledger, "-n", 10, "-m", 1234, "--prefix", "a", "--principal", "backend/other")      # they are there under other keys
    assert enrolled() == 2468 and len(entries(ledger, "enrol")) == 1234
    r = bench(ledger, "-n", 10, "-m", 50, "--prefix", "b", "--no-enrol", code=1)
    assert r["errors"] == {"NOT_FOUND": 10}, r
    # a key that enrolled somebody else is no member of this run
    with ledger.wire("backend/bench") as wire:
        wire.ok("enrol", member="x", key="c-e-0000000000")
    assert "enrolment: " in complains("-a", ledger.address, "-n", 10, "-m", 5, "--prefix", "c", code=1)


@plain_build
def test_many_members_are_enrolled_as_fast_as_few(world):
    """By the daemon's CPU time, whatever else the machine does: commits of 12 000 enrolments, against those of 100."""
    ledger = world.running(programs.PLAIN, *ADMIN)
    where = port(ledger)

    def cpu(prefix, members):
        before = Metrics(where)("process_cpu_seconds_total")
        bench(ledger, "-n", 1, "-c", 1, "-m", members, "--prefix", prefix)
        return (Metrics(where)("process_cpu_seconds_total") - before) * 1e6 / members
    few = sum(cpu(f"few{i}", 100) for i in range(20)) / 20
    many = cpu("many", 24000)
    print(f"{few:.0f} µs of CPU a member in hundreds, {many:.0f} µs in thousands")
    assert many < 2 * few, (few, many)


# ---- time ----

def test_a_warm_up_is_not_counted(world):
    ledger = world.running(programs.PLAIN)
    r = bench(ledger, "-s", 0.5, "--warmup", 1, "-c", 2, "-m", 10)
    made = len(entries(ledger))
    assert r["seconds"] == 0.5 and r["warmup_seconds"] == 1 and 0 < r["commands"] < 0.65 * made, (made, r)
    r = whole(bench(ledger, "-s", 0.5, "--warmup", 1, "--rate", 200, "-m", 10))
    near(r["offered"], 100, 10, "due in half a second")
    near(len(entries(ledger)) - made, 300, math.sqrt(300), "due in one and a half")


@reduced
def test_an_open_loop_keeps_its_rate(world):
    """As many as were asked for, and at random moments: as often in a short time as Poisson says, neither evenly nor in heaps."""
    ledger = world.running(programs.PLAIN, clock="real")
    rate, period = 300, 3
    r = whole(bench(ledger, "--rate", rate, "-s", period, "-c", 16, "-m", 50))
    assert r.keys() == OPEN_KEYS and r["loop"] == "open" and r["rate"] == rate and r["not_sent"] == 0, r
    near(r["offered"], rate * period, math.sqrt(rate * period), "commands due")
    made = [t.committed_at for t in transactions(ledger) for e in t.entries if e.inputs.HasField("purchase")]
    assert len(made) == r["offered"]
    if SANITIZER == "":
        assert abs(r["per_second"] - r["offered"] / period) < 0.05 * rate, r
        slots = Counter((at - made[0]) // 20000 for at in made)
        counts = [slots[i] for i in range(int(period / 0.02) - 1)]
        mean = sum(counts) / len(counts)
        dispersion = sum((c - mean) ** 2 for c in counts) / len(counts) / mean
        assert dispersion > 0.4, f"a Poisson process has 1, an even one almost 0: {dispersion:.2f}"
    r = whole(bench(ledger, "--rate", 400, "-s", 2, "-c", 4, "-d", 2, "-t", 2, "-m", 50, "--mix", "purchase=1,balance=1"))
    near(r["offered"], 800, math.sqrt(800), "commands due, of two threads")
    r = whole(bench(ledger, "--rate", 2000, "-s", 1, "-c", 4, "-b", 50, "-m", 50))
    assert r["offered"] % 50 == 0
    near(r["offered"] / 50, 40, math.sqrt(40), "batches due")
    r = whole(bench(ledger, "--rate", 500, "-n", 155, "-t", 2, "-b", 10, "-m", 50))
    assert r["offered"] == r["commands"] == 155, r


def stalled(ledger, *arguments, stall=0.6):
    """A run in whose middle the daemon stands still for so long."""
    process = begin(ledger, "-s", 3, "-c", 8, "-m", 50, "--no-enrol", *arguments)
    size = len(ledger.leaves())
    eventually(lambda: len(ledger.leaves()) > size + 5, "that it has begun")
    time.sleep(0.5)
    os.kill(ledger.daemon.pid, signal.SIGSTOP)
    time.sleep(stall)
    os.kill(ledger.daemon.pid, signal.SIGCONT)
    return end(process)


@plain_build
def test_a_server_that_stalls_is_not_flattered(world):
    """A fifth of what was due comes in the stall: an open loop says so. A closed one has eight commands in it, whatever had been due."""
    ledger = world.running(programs.PLAIN, clock="real")
    bench(ledger, "-n", 10, "-m", 50)
    opened = whole(stalled(ledger, "--rate", 300))
    near(opened["offered"], 900, 30, "due, stall or not")
    assert opened["not_sent"] == 0 and opened["unanswered"] == 0, opened
    assert opened["latency_us"]["p90"] > 150000 and 500000 < opened["latency_us"]["p99"] < 3000000, opened["latency_us"]
    closed = stalled(ledger)
    assert closed["latency_us"]["max"] > 500000, closed["latency_us"]
    assert closed["latency_us"]["p90"] < opened["latency_us"]["p90"] / 2, (opened["latency_us"], closed["latency_us"])


@reduced
def test_a_backlog_is_bounded(world):
    """More is due than one connection can take: what no longer waits is told, and the exit status is 1."""
    ledger = world.running(programs.PLAIN)
    r = whole(bench(ledger, "--rate", 200000, "-s", 0.5, "-c", 1, "--backlog", 20, "-m", 10, code=1))
    assert r["not_sent"] > 1000 and r["errors"] == {} and r["commands"] > 0, r
    assert len(entries(ledger)) == r["commands"] + r["late"], r
    assert r["late"] < 100, "twenty wait at the end, one is in flight, and a few more were due when the end was noticed"


# ---- the daemon's figures ----

@reduced
def test_what_the_daemon_says(world):
    ledger = world.running(programs.PLAIN, *ADMIN)
    where = port(ledger)
    r = bench(ledger, "-s", 1, "--warmup", 1, "-c", 1, "-b", 100, "-m", 500, "--admin", f"127.0.0.1:{where}")
    d = r["daemon"]
    assert d.keys() == DAEMON and 0.9 < d["seconds"] < (1.7 if SANITIZER == "" else 10), d
    assert d["commands_per_commit"] == 100, "one connection with one batch in flight; no enrolment, no warm-up"
    assert d["cpu_us_per_command"] > 0.5 and d["cpu_seconds"] > 0 and d["memory_bytes"] > 1 << 20, d
    assert abs(d["commits_per_second"] * d["commands_per_commit"] - d["commands_per_second"]) <= 0.2 * d["commands_per_second"] + 200, d
    if SANITIZER == "":
        assert abs(d["commands_per_second"] - r["per_second"]) < 0.3 * r["per_second"] + 200, r
    r = bench(ledger, "-n", 500, "-c", 1, "-m", 500, "--mix", "balance", "--admin", f"127.0.0.1:{where}")
    assert r["daemon"]["commands_per_commit"] is None and r["daemon"]["commits_per_second"] == 0, r
    for address, what in (("127.0.0.1:1", "no answer"), ("somewhere", "no address"), ("127.0.0.1:0", "no address"), ("127.0.0.1:99999", "no address")):
        assert what in complains("-a", ledger.address, "--admin", address, code=1)
    assert Metrics(where)("process_cpu_seconds_total") > 0


def test_a_daemon_that_dies(world):
    """What there was is told, and that it is not all."""
    ledger = world.running(programs.PLAIN, *ADMIN)
    process = begin(ledger, "-s", 30, "-c", 4, "-t", 2, "-m", 10, "--rate", 200, "--admin", f"127.0.0.1:{port(ledger)}")
    size = len(ledger.leaves())
    eventually(lambda: len(ledger.leaves()) > size + 20, "that it has begun")
    ledger.daemon.kill()
    r = whole(end(process, 1))
    assert r["lost"] == 4 and r["commands"] > 0 and 0 < r["seconds"] < 20 and r["daemon"] is None, r
    assert sum(r["errors"].values()) == 4, r


def test_a_daemon_that_shuts_down(world):
    ledger = world.running(programs.PLAIN)
    process = begin(ledger, "-s", 30, "-c", 4, "-m", 10)
    size = len(ledger.leaves())
    eventually(lambda: len(ledger.leaves()) > size + 20, "that it has begun")
    ledger.daemon.stop()
    r = end(process, 1)
    assert "(the server shuts down)" in r["errors"] and r["commands"] > 0 and r["seconds"] < 20, r
    assert "unix:" in complains("-a", ledger.address, "-n", 1, code=1)


# ---- doors and terminals ----

def test_tls(world):
    authority = Authority(world.dir)
    ledger = world.ledger()
    ledger.start(*authority.options())
    ledger.publish()
    own = authority.issue("backend/shop")
    ledger.address, socket = ledger.daemon.tcp_address(), ledger.address
    files = ("--tls-ca", authority.cert, "--tls-cert", own.cert, "--tls-key", own.key)
    r = bench(ledger, "-n", 500, "-c", 4, "-d", 4, "-t", 2, "-m", 10, *files, "--tls-server-name", "localhost")
    assert r["tls"] and r["commands"] == 500 and r["errors"] == {}, r
    r = whole(bench(ledger, "--rate", 300, "-s", 1, "-c", 2, "-b", 100, "-m", 10, *files))
    ledger.address = socket
    assert {e.principal for e in entries(ledger)} == {"backend/shop"}
    assert "certificate says" in complains("-a", "127.0.0.1:1", "--principals", 2, *files)
    assert "needs all of" in complains("-a", "127.0.0.1:1", *files[:4])


def test_progress_on_a_terminal(world):
    ledger = world.running(programs.PLAIN)
    ours, theirs = pty.openpty()
    process = subprocess.Popen([BENCH, "-a", ledger.address, "-s", "2.5", "-m", "20", "--rate", "100"], stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = b""
    while process.poll() is None or select.select([ours], [], [], 0)[0]:
        try:
            shown += os.read(ours, 4096) if select.select([ours], [], [], 0.1)[0] else b""
        except OSError:                  # the other end is closed
            break
    os.close(ours)
    text = process.communicate(timeout=60 * SLOWNESS)[0].decode()
    assert process.returncode == 0 and "open loop of 100/s" in text and "latency: p50" in text, text
    lines = re.findall(rb"\d+\.\d s  \d+ commands  \d+/s  \d+ wait", shown)
    assert 1 <= len(lines) <= 4, shown


# ---- wrong usage ----

WRONG = [
    ((), "--address is needed"),
    (("-a", "x", "-c", 0), "--connections: '0' is not a number from 1 to 65536"),
    (("-a", "x", "-c", "4x"), "--connections: '4x' is not a number from 1 to 65536"),
    (("-a", "x", "-m", 1000000001), "--members: '1000000001' is not a number from 1 to 1000000000"),
    (("-a", "x", "-t", 5, "-c", 4), "--threads: 5 is more than the 4 of --connections"),
    (("-a", "x", "--principals", 5, "-c", 4), "--principals: 5 is more than the 4 of --connections"),
    (("-a", "x", "--rate", 0), "--rate: '0' is not from 0.1 to 10000000"),
    (("-a", "x", "--rate", "nan"), "--rate: 'nan' is not from 0.1 to 10000000"),
    (("-a", "x", "--backlog", 5), "it needs --rate"),
    (("-a", "x", "--zipf", -1), "--zipf: '-1' is not from 0 to 10"),
    (("-a", "x", "--warmup", "1s"), "--warmup: '1s' is not from 0 to 86400"),
    (("-a", "x", "--warmup", 1, "-n", 5), "--warmup is for --seconds"),
    (("-a", "x", "-s", 1, "-n", 5), "only one of them"),
    (("-a", "x", "--mix", "purchase=70,refund=5"), "--mix: 'purchase=70,refund=5' has an operation that is none of"),
    (("-a", "x", "--mix", "purchase=0"), "has a weight that is no number from 1 to 1000000"),
    (("-a", "x", "--mix", "balance", "-b", 10), "a batch holds writes only"),
    (("-a", "x", "--mix", "purchase=1,history=1", "-b", 10), "a batch holds writes only"),
    (("-a", "x", "--mix", "balance", "--receipt"), "--receipt is for purchases"),
    (("-a", "x", "--redeem-points", 5), "--redeem-points is for redeems"),
    (("-a", "x", "--mix", "redeem", "--redeem-points", "-5"), "--redeem-points: '-5' is no number above 0"),
    (("-a", "x", "--prefix", "a:b"), "--prefix: 'a:b' is not 1 to 24 letters"),
    (("-a", "x", "--program", "a b"), "--program: 'a b' is not 1 to 64 letters"),
    (("--core", "--rate", 5), "--rate is of a load on a daemon"),
    (("--core", "--zipf", 1), "--zipf is of a load on a daemon"),
    (("-a", "x", "extra"), "Too many arguments"),
]


def test_wrong_usage(world):
    for arguments, words in WRONG:
        said = complains(*arguments)
        assert words in said, (arguments, said)
    text = subprocess.run([BENCH, "--help"], capture_output=True, text=True, check=True).stdout
    for word in ("--rate", "--principals", "--zipf", "--warmup", "--no-enrol", "--admin", "--mix", "--backlog", "Exit status: 0:"):
        assert word in text, word
