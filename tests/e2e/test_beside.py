"""tests/bench/run: what its table says of made-up measurements, and that a short run measures all of it and leaves nothing behind."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

from case import alone, long, plain_build, seconds
from world import BUILD, SOURCE, eventually, skip

sys.path.append(os.path.join(SOURCE, "tests", "bench"))
import report  # noqa: E402
import why  # noqa: E402
from figures import Figures  # noqa: E402

RUN = os.path.join(SOURCE, "tests", "bench", "run")
FACTS = {
    "machine": {"processor": "a made-up one"}, "cores": 2, "load_average": 0.01, "versions": {"fealty": "0"}, "date": "today", "command": "tests/bench/run",
    "rounds": 3, "seconds": 4.0, "took_seconds": 90, "quick": False, "idle_connections": 10, "settings": {"fealty": {}, "postgresql": {}, "redis": {}},
}
SAMPLES = {
    "fealty/purchase/64x1": [9000, 30000, 10000], "postgresql/purchase/64": [5000], "postgresql/purchase/128": [4000, 8000, 6000],
    "limits/fdatasync_ms": [2.0], "limits/sign_one": [20000], "fealty/purchase/64x16": [12000], "fealty/batch/1000": [119000],
    "fealty/balance/64x1": [60000], "fealty/half-of-64x1/p99_ms": [12.0], "fealty/half-of-64x16/p99_ms": [12.1],
    "growth/10000000/batch/begin/wall_us": [10], "growth/10000000/batch/wall_us": [20.1], "restart/1000000/seconds": [0.4, 0.6, 0.5],
    "null/purchase/64x1": [40000], "null-sign/purchase/64x1": [20000], "null-flush/purchase/64x1": [12500, 12800, 11000],
    "null-flush/half-of-64x16/p99_ms": [6.05],
}
# what a figure's cause is told by: cores, threads and flushes
CAUSE = {"fealty/purchase/64x1/busy": [0.5], "fealty/purchase/64x1/cpu_us": [40], "fealty/purchase/64x1/load_us": [10],
         "fealty/purchase/64x1/thread/commit": [0.7], "fealty/purchase/64x1/thread/net": [0.2]}


def made_up(missing=None, samples=None, **facts):
    """(the text, {(work, beside): the cells of its row}, the rows of --json)"""
    figures, about = Figures({**SAMPLES, **(samples or {})}, missing), {**FACTS, **facts}
    text = report.results(about, figures)
    rows, work = {}, ""
    for line in text.split("## Targets")[1].split("## How")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 7 and cells[0] != "work" and not cells[0].startswith("---"):
            work = cells[0] or work
            rows[work, cells[2]] = cells
    return text, rows, {(row["figure"], row["beside"]): row for row in report.as_json(about, figures)["rows"]}


def test_ratios_are_of_medians(_world):
    _, rows, judged = made_up()
    for beside, that, ratio, target, met in (
            ("PostgreSQL, 64 clients", "5,000/s", "2.00 ×", "≥ 1.5 ×", "yes"), ("PostgreSQL's best", "6,000/s (clients: 128)", "1.67 ×", "", ""),
            ("flush limit", "16,000/s (64 ÷ (2 × 2 ms))", "0.62 ×", "≥ 0.8 ×", "**NOT MET**"),
            ("what the cores sign", "40,000/s (2 × 20,000)", "0.25 ×", "", "")):
        cells = rows["single purchases, 64 connections", beside]
        assert cells[1] == "10,000/s (9,000 … 30,000)" and cells[3:] == [that, ratio, target, met], cells
    assert judged["fealty/purchase/64x1", "PostgreSQL, 64 clients"]["ratio"] == 2.0
    assert judged["fealty/purchase/64x1", "flush limit"]["met"] is False


def test_a_target_is_met_at_its_edge_and_not_beyond(_world):
    _, rows, judged = made_up()
    assert rows["batches of 1 000", "TigerBeetle"][4:] == ["1.00 ×", "≥ 1 ×", "yes"]
    assert rows["batches of 1 000", "TigerBeetle, the next aim"][4:] == ["1.00 ×", "≥ 2 ×", "**NOT MET**"]
    assert judged["fealty/half-of-64x1/p99_ms", "fdatasync"]["met"] is True         # 6 of them
    assert judged["fealty/half-of-64x16/p99_ms", "fdatasync"]["met"] is False
    assert judged["growth/10000000/batch/wall_us", "at 10,000 members"]["met"] is False
    assert judged["restart/1000000/seconds", "1 s"]["met"] is True
    assert judged["fealty/purchase/64x16", "what the cores sign"]["ratio"] == 0.3


def test_a_peer_that_is_missing_is_no_zero(_world):
    text, rows, judged = made_up({"redis": "there is no redis-server"})
    assert rows["balance queries, 64 connections × 1", "Redis HGET"][1:] == ["60,000/s", "Redis HGET", "missing", "—", "≥ 1 ×", "not measured"]
    row = judged["fealty/balance/64x1", "Redis HGET"]
    assert row["that"] is None and row["ratio"] is None and row["met"] is None, row
    assert "- redis: there is no redis-server" in text
    assert rows["audit: replay and verify", "what the cores verify"][1] == "missing"


def test_what_is_not_met_comes_first(_world):
    text, rows, judged = made_up()
    first = text.split("## Targets")[1].split("| work |")[0]
    missed = [row for row in judged.values() if row["met"] is False]
    assert f"{sum(row['met'] is True for row in judged.values())} targets met, **{len(missed)} not met**" in first, first
    assert first.count("- **NOT MET**: ") == len(missed) == sum(cells[6] == "**NOT MET**" for cells in rows.values()) > 3
    assert "single purchases, 64 connections: 0.62 × flush limit, where ≥ 0.8 × is the target" in first


def limit_of(target, **options):
    """The sentence behind a target that is not met."""
    line = next(line for line in made_up(**options)[0].splitlines() if line.startswith(f"- **NOT MET**: {target}"))
    return line.split("is the target. ")[1]


def test_what_the_machine_leaves_stands_beside_what_is_not_met(_world):
    _, rows, judged = made_up()
    for beside, that, ratio in (("null server", "40,000/s", "0.25 ×"), ("null server, signing", "20,000/s", "0.50 ×"),
                                ("null server, signing and flushing", "12,500/s", "0.80 ×")):
        assert rows["single purchases, 64 connections", beside][3:] == [that, ratio, "", ""], rows
    assert judged["fealty/half-of-64x16/p99_ms", "null server, signing and flushing"]["ratio"] == 2.0
    assert ("fealty/half-of-64x1/p99_ms", "null server, signing and flushing") not in judged, "its target is met"
    assert rows["purchases pipelined, 64 connections × 16", "null server"][3:5] == ["missing", "—"]
    met = made_up(samples={"fealty/purchase/64x1": [13000]})[1]
    assert ("single purchases, 64 connections", "null server") not in met, "nothing is to be explained"


def test_what_limits_is_said_by_numbers_of_the_run(_world):
    single = "single purchases, 64 connections"
    assert limit_of(single) == ("Out of reach on this machine: a server that decides nothing, but signs and flushes, reaches 12,500/s, where 12,800/s are "
                                "asked for, and fealty 80 % of it.")
    assert limit_of(single, samples={"null-flush/purchase/64x1": [12800]}).startswith("The machine allows it: "), "at the edge"
    nothing = "neither the cores (50 % busy) nor a thread (`commit`, 70 %) are full"
    for changed, cause in (
            ({}, f"{nothing}."), ({"commits": [50]}, f"{nothing}, and two fdatasyncs for each commit are 20 % of the time."),
            ({"commits": [300]}, f"{nothing}, and flushes fill the time."),
            ({"thread/net": [0.9]}, "one thread, `net`, is full (90 % busy), while the cores are 50 % busy."),
            ({"load_us": [95]}, "the load's one thread is full: the daemon takes 40.0 µs and the load 95.0 µs for a command, and the cores are 50 % busy."),
            ({"busy": [0.95], "load_us": [95]}, "the 2 cores are full (95 % busy): the daemon takes 40.0 µs and the load 95.0 µs for a command.")):
        said = limit_of(single, samples={**CAUSE, **{f"fealty/purchase/64x1/{name}": values for name, values in changed.items()}})
        assert said.endswith("; " + cause), (changed, said)
    assert limit_of("p99 of a purchase, open loop at half of what 64 × 16") == (
        "The machine allows it: at the same rate the p99 of a server that decides nothing, but signs and flushes, is 6.05 ms, where 12.00 ms are asked for, "
        "and fealty's is 2.0 times as long.")
    assert limit_of("p99 of", samples={"null-flush/half-of-64x16/p99_ms": [12.05]}).startswith("Out of reach on this machine: at the same rate")
    assert limit_of("purchases pipelined") == "What limits it was not measured."


def test_what_limits_audits_and_growth(_world):
    audit = {"audit/rate": [20000], "audit/verify_rate": [25000]}
    assert limit_of("audit", samples=audit) == ("Of the 100.0 µs of a core that a transaction takes, 80.0 µs are its signature's; all else takes 20.0 µs, for "
                                                "which the target leaves 8.9 µs.")
    growth = {"growth/10000000/batch/begin/cpu_us": [11], "growth/10000000/batch/cpu_us": [20.5], "growth/10000000/batch/thread/commit": [0.97],
              "growth/10000/disk_mib": [7], "growth/10000000/disk_mib": [7489]}
    target = "growth to 10,000,000 members: time of a command; purchases in batches"
    assert limit_of(target, samples=growth) == (
        "A command takes 10.1 µs longer and 9.5 µs more CPU time of the daemon: it works more, and does not wait; its files have 7,489 MiB instead of 7, and "
        "its busiest thread, `commit`, is 97 % busy.")
    assert "the rest is waiting" in limit_of(target, samples={**growth, "growth/10000000/batch/cpu_us": [20]})
    assert limit_of(target) == "What limits it was not measured."


def test_a_busy_machine_and_a_quick_run_are_said(_world):
    assert "machine was busy" not in made_up()[0] and "quick run" not in made_up()[0]
    assert "machine was busy before this began (load average 1.70 on 2 cores)" in made_up(load_average=1.7)[0]
    assert "A quick run" in made_up(quick=True)[0]


# ---- the whole, as short as it can be ----

def bench_dir():
    """On a disk, and PostgreSQL's user may pass."""
    if os.geteuid() != 0 and not os.path.exists("/usr/lib/postgresql/15/bin/initdb"):
        skip("PostgreSQL is not installed, and we may not install it")
    directory = tempfile.mkdtemp(prefix="fealty-test-", dir="/var/tmp")
    os.chmod(directory, 0o711)
    return directory


def start_run(world, directory, *words):
    with open(world.path("log"), "w", encoding="utf-8") as log:
        return subprocess.Popen([RUN, "--build", BUILD, "--dir", directory, "--output", world.path("R.md"), "--json", world.path("R.json"), *words],
                                stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def log_of(world):
    with open(world.path("log"), encoding="utf-8") as log:
        return log.read()


def left_behind(directory):
    """Files, and processes that were told of the directory."""
    found = os.listdir(directory)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read()
        except OSError:
            continue
        if directory.encode() in words and int(pid) != os.getpid():
            found.append(words.replace(b"\0", b" ").decode(errors="replace"))
    return found


@long
@alone
@plain_build
@seconds(540)
def test_a_short_run_measures_all_of_it(world):
    directory = bench_dir()
    try:
        run = start_run(world, directory, "--quick", "--rounds", "1", "--seconds", "3", "--members-max", "10000", "--idle", "200",
                        "--audit-transactions", "3000")
        assert run.wait() in (0, 1, 3), log_of(world)
        assert "FAILED" not in log_of(world), log_of(world)
        assert left_behind(directory) == []
    finally:
        shutil.rmtree(directory)
    with open(world.path("R.json"), encoding="utf-8") as file:
        judged = json.load(file)
    larger = re.compile(r"^(growth/1000000+/|restart/1000000/)")
    for row in judged["rows"]:
        assert (row["ratio"] is None) == bool(larger.match(row["figure"])), row
    assert set(judged["missing"]) == {"growth/1000000", "growth/10000000"}, judged["missing"]
    assert all(judged["samples"][f"{kind}/{work}"][0] > 0 for work, kinds in why.BESIDE.items() for kind in kinds), judged["samples"].keys()
    assert 0 < judged["samples"]["fealty/purchase/64x16/thread/commit"][0] < 1.05 and 0 < judged["samples"]["fealty/purchase/64x16/busy"][0] <= 1
    assert judged["samples"]["restart/10000/seconds"][0] > 0 and judged["samples"]["memory/idle-tls/connection_kib"][0] > 0
    with open(world.path("R.md"), encoding="utf-8") as file:
        text = file.read()
    assert all(row["work"] in text and row["beside"] in text for row in judged["rows"])


@long
@plain_build
@seconds(240)
def test_an_interrupted_run_leaves_nothing(world):
    directory = bench_dir()
    try:
        run = start_run(world, directory, "--quick", "--only", "load")
        eventually(lambda: "starting Redis: done" in log_of(world) or run.poll() is not None, "all peers run", 120)
        running = left_behind(directory)
        assert any("postgres" in words for words in running) and any("redis-server" in words for words in running), f"{running}\n{log_of(world)}"
        run.send_signal(signal.SIGTERM)
        assert run.wait(60) == 128 + signal.SIGTERM, log_of(world)
        assert left_behind(directory) == []
        assert not os.path.exists(world.path("R.md"))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
