"""Tills without a connection: a queue on disk that is uploaded later, sequences of terminals, holds for one terminal.

The commands of a till are numbered by its queue; what the ledger says of the numbers is compared with what the case knows it queued.
"""
import json
import os
import random
import subprocess
import time
from datetime import datetime, timedelta, timezone

import programs
from case import plain_build, seconds
from world import FEALTY, eventually, expect

TILL = "pos/0042/07"
PROGRAM = programs.PLAIN.replace("redemption:", "redemption:\n  hold: {default_ttl: 15m, max_ttl: 30d}").replace("late_days: 45", "late_days: 3")


def instant(when):
    return when.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def now():
    return datetime.now(timezone.utc)


def add(ledger, queue, events, principal=TILL, code=0, *options):
    text = "".join(json.dumps(e) + "\n" for e in events)
    return ledger.cli("queue", "add", queue, *options, principal=principal, stdin=text, code=code)


def upload(ledger, queue, *options, code=0):
    result = ledger.cli("queue", "upload", queue, *options, code=code)
    return result.lines[:-1], result.lines[-1]


def show(ledger, queue, *options):
    lines = ledger.cli("queue", "show", queue, *options).lines
    return lines[:-1], lines[-1]


def terminals(ledger, *options):
    pages = ledger.cli("terminals", *options).lines
    return [row for page in pages for row in page.get("terminals", [])]


def purchase(amount="10", **more):
    return {"op": "purchase", "member": "card:1", "amount": amount, **more}


def opened(world, clock="real"):
    ledger = world.running(PROGRAM, clock=clock)
    ledger.cli("enrol", "card:1", *(["--at", "2026-01-01T00:00:01Z"] if clock == "manual" else []))
    return ledger


def test_a_day_without_a_connection(world):
    """A thousand purchases of a day, uploaded in the evening: each is one entry, dated when it happened, and the numbers have no gap."""
    ledger = opened(world)
    ledger.stop()
    queue = world.path("queue")
    begin = now() - timedelta(hours=20)
    events = [purchase(str(i), occurred_at=instant(begin + timedelta(minutes=i))) for i in range(1, 1001)]
    added = add(ledger, queue, events).lines
    assert [a["terminal_seq"] for a in added] == list(range(1, 1001)) and len({a["key"] for a in added}) == 1000
    assert add(ledger, queue, [purchase("5")]).json["terminal_seq"] == 1001
    answers, end = upload(ledger, queue, "--timeout", "1s", code=3)
    assert answers == [] and end["status"] == "UNAVAILABLE" and end["waiting"] == 1001, end
    ledger.start()
    answers, end = upload(ledger, queue)
    assert [a["terminal_seq"] for a in answers] == list(range(1, 1002)), answers[:3]
    assert all(a["granted"] == str(i + 1) for i, a in enumerate(answers[:1000])) and answers[1000]["granted"] == "5"
    assert not any("terminal_gap" in a or "terminal_repeat" in a or "replayed" in a for a in answers)
    expect(end, applied=1001, refused=0, gaps=0, repeats=0, waiting=0, status="OK", batches=2)
    expect(ledger.cli("balance", "card:1").json, available=str(1000 * 1001 // 2 + 5), visits=1001)
    (row,) = terminals(ledger)
    expect(row, principal=TILL, store="0042", terminal="07", last=1001, missing=0, repeats=0)
    assert show(ledger, queue) == ([], {"principal": TILL, "next_seq": 1002, "waiting": 0, "answered": 0, "refused": 0, "cut_bytes": 0, "lost_bytes": 0})
    assert upload(ledger, queue)[1]["applied"] == 0, "an empty queue has nothing to send"
    entries = {e.terminal_seq: e for t in ledger.books().transactions for e in t.entries if e.terminal_seq}
    assert sorted(entries) == list(range(1, 1002))
    assert all(entries[i].occurred_at == int((begin + timedelta(minutes=i)).timestamp() * 1000000) for i in (1, 500, 1000))
    ledger.restart()
    assert terminals(ledger) == [row]
    ledger.stop()
    assert ledger.audit()["redecided"] > 1000
    dumped = ledger.cli("dump", ledger.data, "terminal", "0042/07/pos/0042/07").json["value"]
    expect(dumped, last=1001, missing=0, repeats=0)


def test_the_till_is_killed_while_it_uploads(world):
    """kill -9 of the till at any moment: the next upload gives the rest, nothing is applied twice."""
    ledger = opened(world)
    queue = world.path("queue")
    dice = random.Random(7)
    given, total, kills = set(), 400, 0
    add(ledger, queue, [purchase("1") for _ in range(total)])
    while kills < 12:
        till = subprocess.Popen([FEALTY, "queue", "upload", queue, "--json", "--size", "20", "--connect", ledger.address], stdout=subprocess.PIPE, text=True)
        for _ in range(dice.randrange(1, 60)):
            line = till.stdout.readline()
            if not line:
                break
            if "terminal_seq" in line:
                given.add(json.loads(line)["terminal_seq"])
        till.kill()
        rest = till.stdout.read().splitlines()
        given.update(json.loads(line)["terminal_seq"] for line in rest if "terminal_seq" in line and line.endswith("}"))
        till.wait()
        till.stdout.close()
        kills += 1
    answers, end = upload(ledger, queue)
    given.update(a["terminal_seq"] for a in answers)
    assert given == set(range(1, total + 1)), f"{total - len(given)} commands were never answered"
    expect(end, refused=0, waiting=0)
    expect(ledger.cli("balance", "card:1").json, available=str(total), visits=total)
    (row,) = terminals(ledger)
    expect(row, last=total, missing=0, repeats=0)


@seconds(120)
def test_the_daemon_is_killed_while_a_till_uploads(world):
    """kill -9 of the daemon: the upload goes on with the next one, under the same request ids."""
    ledger = opened(world)
    queue = world.path("queue")
    total = 600
    add(ledger, queue, [purchase("1") for _ in range(total)])
    till = subprocess.Popen([FEALTY, "queue", "upload", queue, "--json", "--size", "10", "--timeout", "60s", "--connect", ledger.address],
                            stdout=subprocess.PIPE, text=True)
    answers, kills = [], 0
    for line in till.stdout:
        answers.append(json.loads(line))
        if kills < 5 and len(answers) > 100 * (kills + 1) - 50:
            kills += 1
            ledger.daemon.kill()
            ledger.start()
    assert till.wait() == 0 and kills == 5, (till.returncode, kills)
    till.stdout.close()
    end = answers.pop()
    assert [a["terminal_seq"] for a in answers] == list(range(1, total + 1))
    expect(end, applied=total, refused=0, waiting=0, gaps=0, repeats=0)
    expect(ledger.cli("balance", "card:1").json, available=str(total), visits=total)
    (row,) = terminals(ledger)
    expect(row, last=total, missing=0, repeats=0)
    ledger.stop()
    ledger.audit()


def test_a_queue_that_is_uploaded_twice(world):
    """A copy of the till's disk: the request ids answer as replays, and what is new on the copy is a repeat."""
    ledger = opened(world)
    queue, copy = world.path("queue"), world.path("copy")
    add(ledger, queue, [purchase("1"), purchase("2")])
    subprocess.run(["cp", "-r", queue, copy], check=True)
    answers, _ = upload(ledger, queue)
    assert [a["granted"] for a in answers] == ["1", "2"]
    add(ledger, queue, [purchase("3")])
    add(ledger, copy, [purchase("4")])
    assert upload(ledger, queue)[1]["applied"] == 1
    answers, end = upload(ledger, copy)
    assert [(a.get("replayed", False), a.get("terminal_repeat", False)) for a in answers] == [(True, False), (True, False), (False, True)]
    expect(end, applied=3, repeats=1)
    (row,) = terminals(ledger, "--trouble")
    expect(row, last=3, missing=0, repeats=1, repeat=3)
    assert row["repeat_id"] == answers[2]["id"]
    assert "terminal.repeat" in ledger.daemon.log()


def test_gaps_are_reported_filled_and_kept(world):
    ledger = opened(world)
    log = ledger.daemon.log
    with ledger.wire(TILL) as wire:
        def buy(key, number, **more):
            return wire.ok("purchase", key=key, member="card:1", amount="1", terminal_seq=number, **more)
        expect(buy("a1", 1), terminal_gap=0, terminal_repeat=False)
        expect(buy("a5", 5), terminal_gap=3)
        expect(buy("a5", 5), replayed=True, terminal_gap=0, terminal_repeat=False)
        expect(buy("a3", 3), terminal_gap=0, terminal_repeat=False)
        expect(buy("b3", 3), terminal_repeat=True)
        wire.refused("NOT_FOUND", "purchase", key="a6", member="nobody", amount="1", terminal_seq=6)
        expect(buy("a7", 7, terminal_refused=[{"first": 6, "last": 6}]), terminal_gap=0)
        expect(buy("a7", 7), replayed=True)
        wire.refused("INVALID_ARGUMENT", "terminals", principal="operator/o", limit=0)
        for after in ("", "0", "0G", "zz", "00" * 512):
            wire.refused("INVALID_ARGUMENT", "terminals", after=after)
        wire.refused("PERMISSION_DENIED", "terminals", principal="pos/1/1")
        assert [t.terminal for t in wire.ok("terminals").terminals] == ["07"]
    (row,) = terminals(ledger)
    expect(row, last=7, missing=2, repeats=1, repeat=3, gaps=[{"first": 2, "last": 2}, {"first": 4, "last": 4}])
    assert log().count("terminal.gap") == 1 and log().count("terminal.repeat") == 1 and "card:1" not in log()
    ledger.restart()
    assert terminals(ledger, "--trouble") == [row] and terminals(ledger, "--of", "pos/1/1") == []
    people = ledger.cli("terminals", json_output=False).out
    assert "missing 2, 4" in people and "repeated 3" in people, people
    ledger.stop()
    ledger.audit()


def test_pages_of_terminals(world):
    ledger = opened(world)
    with ledger.wire("backend/gate") as wire:
        for i in range(130):
            wire.ok("purchase", key=f"k{i}", member="card:1", amount="1", store=f"s{i // 50}", terminal=f"{i:03}", terminal_seq=1 + i % 2)
        page = wire.ok("terminals", limit=7)
        assert len(page.terminals) == 7 and page.next_after
    rows = terminals(ledger)
    assert [r["terminal"] for r in rows] == [f"{i:03}" for i in range(130)] and len(ledger.cli("terminals").lines) == 2
    assert [r["terminal"] for r in terminals(ledger, "--trouble")] == [f"{i:03}" for i in range(1, 130, 2)]


def test_what_is_refused_is_no_gap_and_stays_for_people(world):
    """Refused commands leave no entry, and still neither this upload nor a later one makes gaps of them; a daemon that was killed in between neither."""
    ledger = opened(world)
    queue = world.path("queue")
    nobody = {"op": "purchase", "member": "card:none", "amount": "1"}
    old, skewed = instant(now() - timedelta(days=3, minutes=5)), instant(now() + timedelta(seconds=400))
    add(ledger, queue, [purchase("1"), nobody, purchase("1", occurred_at=old), purchase("1", occurred_at=skewed), purchase("2"), nobody])
    answers, end = upload(ledger, queue, code=1)
    assert [a.get("reason", "OK") for a in answers] == ["OK", "NOT_FOUND", "EVENT_TOO_OLD", "CLOCK_SKEW", "OK", "NOT_FOUND"], answers
    expect(end, applied=2, refused=4, gaps=0, waiting=0, status="OK")
    ledger.daemon.kill()
    ledger.start()
    add(ledger, queue, [nobody, purchase("3"), nobody])
    answers, end = upload(ledger, queue, "--size", "1", code=1)
    expect(end, applied=1, refused=2, gaps=0)
    add(ledger, queue, [purchase("4", occurred_at=instant(now() - timedelta(days=2, hours=23)))])
    expect(upload(ledger, queue)[1], applied=1, gaps=0)
    (row,) = terminals(ledger)
    expect(row, last=10, missing=0, repeats=0)
    assert "terminal.gap" not in ledger.daemon.log()
    commands, state = show(ledger, queue, "--refused")
    assert [c["terminal_seq"] for c in commands] == [2, 3, 4, 6, 7, 9] and state["refused"] == 6
    assert commands[0]["answer"]["reason"] == "NOT_FOUND" and commands[0]["command"]["member"] == "card:none"
    assert "EVENT_TOO_OLD" in ledger.cli("queue", "show", queue, json_output=False).out
    assert ledger.cli("queue", "forget", queue, "3").json["forgotten"] == 1
    assert ledger.cli("queue", "forget", queue, "3", code=2) and ledger.cli("queue", "forget", queue, "10", code=2)
    assert ledger.cli("queue", "forget", queue).json["forgotten"] == 5 and show(ledger, queue)[0] == []
    ledger.stop()
    ledger.audit()


def test_a_hold_for_one_terminal(world):
    """Granted while there was a connection, captured without one, uploaded later; another till is refused, by any door."""
    ledger = opened(world)
    queue, other = world.path("queue"), world.path("other")
    ledger.cli("purchase", "card:1", "100")
    with ledger.wire("backend/app") as wire:
        held = wire.ok("hold", key="h", member="card:1", points="40", ttl="30d", for_terminal=TILL)
        expect(held, held="40", available="60")
        wire.refused("PERMISSION_DENIED", "capture", key="c0", member="card:1", hold="h")
        wire.refused("INVALID_ARGUMENT", "hold", key="h2", member="card:1", points="1", for_terminal="a/b/c")
    assert ledger.cli("hold", "card:1", "1", "--for-terminal", "0042/07", "--key", "h3", principal="backend/b").json["held"] == "41"
    ledger.stop()
    add(ledger, queue, [{"op": "capture", "member": "card:1", "hold": "h", "points": "30"}])
    add(ledger, other, [{"op": "capture", "member": "card:1", "hold": "h"}, {"op": "release", "member": "card:1", "hold": "h"}], "pos/0042/08")
    refused = add(ledger, queue, [{"op": "redeem", "member": "card:1", "points": "5"}], TILL, 2)
    assert "for_terminal" in refused.json["message"], refused
    for event in ({"op": "hold", "member": "card:1", "points": "5"}, {"op": "balance", "member": "card:1"},
                  {"op": "adjust", "member": "card:1", "points": "5", "reason": "gift"}):
        assert "cannot be queued" in add(ledger, queue, [event], TILL, 2).json["message"]
    ledger.start()
    answers, _ = upload(ledger, other, code=1)
    assert [a["reason"] for a in answers] == ["PERMISSION_DENIED", "PERMISSION_DENIED"] and "0042" in answers[0]["message"], answers
    (answer,), _ = upload(ledger, queue)
    expect(answer, held="11", left="10")
    ledger.restart()
    with ledger.wire("backend/app") as wire:
        wire.refused("PERMISSION_DENIED", "capture", key="c3", member="card:1", hold="h")
        expect(wire.ok("release", key="r", member="card:1", hold="h"), held="1", available="69")
        wire.refused("PERMISSION_DENIED", "capture", key="c4", member="card:1", hold="h")
    with ledger.wire(TILL) as wire:
        wire.refused("HOLD_NOT_OPEN", "capture", key="c5", member="card:1", hold="h")
        expect(wire.ok("capture", key="c6", member="card:1", hold="h3"), held="0")
    ledger.stop()
    ledger.audit()


def test_a_hold_that_ended_before_the_upload(world):
    """The daemon's clock decides, however early the capture happened."""
    ledger = opened(world, clock="manual")
    queue = world.path("queue")
    with ledger.wire("backend/app") as wire:
        wire.ok("purchase", key="p", at="2026-01-02T10:00:00Z", member="card:1", amount="100")
        wire.ok("hold", key="h", at="2026-01-02T10:00:00Z", member="card:1", points="40", ttl="2d", for_terminal=TILL)
    capture = {"op": "capture", "member": "card:1", "hold": "h", "points": "10"}
    add(ledger, queue, [{**capture, "at": "2026-01-04T09:59:59Z", "occurred_at": "2026-01-02T11:00:00Z"},
                        {**capture, "at": "2026-01-04T10:00:00Z", "occurred_at": "2026-01-02T11:00:00Z"}])
    answers, _ = upload(ledger, queue, code=1)
    assert [a.get("reason") for a in answers] == [None, "HOLD_EXPIRED"], answers
    expect(answers[1], held="0", available="90")


def has_a_lock(pid):
    with open("/proc/locks", encoding="ascii") as f:
        return any("FLOCK" in line and str(pid) in line.split() for line in f)


def test_a_queue_belongs_to_one_till_and_one_process(world):
    ledger = opened(world)
    queue = world.path("queue")
    assert "--as" in add(ledger, queue, [purchase()], None, 2).json["message"]
    add(ledger, queue, [purchase()])
    assert "belongs to" in add(ledger, queue, [purchase()], "pos/0042/08", 2).json["message"]
    assert "another" in add(ledger, queue, [purchase(store="0043")], TILL, 2).json["message"]
    assert add(ledger, queue, [purchase(key="mine")], None).json["terminal_seq"] == 2
    assert "waits already" in add(ledger, queue, [purchase(key="mine")], None, 2).json["message"]
    assert ledger.cli("queue", "show", world.path("none"), code=2) and not os.path.exists(world.path("none"))
    bad = add(ledger, queue, [purchase(), {"op": "purchase", "membre": "card:1"}], None, 2)
    assert "line 2" in bad.json["message"] and show(ledger, queue)[1]["waiting"] == 2
    ledger.stop()
    till = subprocess.Popen([FEALTY, "queue", "upload", queue, "--connect", ledger.address, "--timeout", "60s"], stdout=subprocess.PIPE, text=True)
    eventually(lambda: has_a_lock(till.pid), "the upload has locked the queue")
    locked = ledger.cli("queue", "show", queue, code=3)
    assert "another process" in locked.json["message"], locked
    ledger.start()
    assert till.wait() == 0
    till.stdout.close()
    other = world.running(PROGRAM, name="another", clock="real")
    add(ledger, queue, [purchase()])
    wrong = other.cli("queue", "upload", queue, code=2).lines[-1]
    assert "was uploaded to the ledger" in wrong["message"], wrong
    expect(upload(ledger, queue)[1], applied=1)


def test_a_new_queue_goes_on_behind_the_last_number(world):
    ledger = opened(world)
    add(ledger, world.path("old"), [purchase("1"), purchase("2")])
    upload(ledger, world.path("old"))
    (row,) = terminals(ledger)
    add(ledger, world.path("new"), [purchase("3")], TILL, 0, "--first-seq", str(row["last"] + 1))
    expect(upload(ledger, world.path("new"))[1], applied=1, gaps=0, repeats=0)
    add(ledger, world.path("gate"), [purchase("4")], "backend/gate", 0, "--store", "0042", "--terminal", "07")
    expect(upload(ledger, world.path("gate"))[1], applied=1, gaps=0, repeats=0)
    assert len(terminals(ledger)) == 2, "who forwards has a sequence of its own"


def test_a_damaged_queue_says_so_and_can_be_repaired(world):
    ledger = opened(world)
    queue = world.path("queue")
    add(ledger, queue, [purchase(str(i)) for i in range(1, 6)])
    path = os.path.join(queue, "queue")
    with open(path, "rb") as f:
        whole = f.read()
    at = whole.index(b"\x12\x01" + b"3") if b"\x12\x01" + b"3" in whole else len(whole) // 2
    with open(path, "wb") as f:
        f.write(whole[:at + 2] + b"7" + whole[at + 3:])
    for command in ("show", "upload"):
        assert "repair" in ledger.cli("queue", command, queue, code=5).json["message"]
    repaired = ledger.cli("queue", "repair", queue).json
    assert repaired["waiting"] == 4 and repaired["lost_bytes"] > 0 and os.path.exists(path + ".damaged"), repaired
    answers, end = upload(ledger, queue)
    assert [a["granted"] for a in answers] == ["1", "2", "4", "5"] and end["gaps"] == 1
    (row,) = terminals(ledger)
    expect(row, last=5, missing=1, gaps=[{"first": 3, "last": 3}])
    with open(path, "ab") as f:
        f.write(b"torn")
    assert show(ledger, queue)[1]["cut_bytes"] == 4 and show(ledger, queue)[1]["cut_bytes"] == 0


@plain_build
def test_a_disk_without_room_is_an_error(world):
    """What was not written is not in the queue, and is said."""
    ledger = opened(world)
    queue = world.path("queue")
    add(ledger, queue, [purchase("1")])
    size = os.path.getsize(os.path.join(queue, "queue"))
    lines = "".join(json.dumps(purchase(str(i))) + "\n" for i in range(2, 50))
    done = subprocess.run(["bash", "-c", f"trap '' XFSZ; ulimit -f {size // 1024 + 2}; exec {FEALTY} queue add {queue} --json"], input=lines,
                          capture_output=True, text=True, check=False)
    added = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 5 and "File too large" in added[-1]["message"], (done.returncode, done.stdout[-300:], done.stderr)
    commands, _ = show(ledger, queue)
    assert [c["terminal_seq"] for c in commands] == list(range(1, len(added) + 1))
    assert add(ledger, queue, [purchase("9")]).json["terminal_seq"] == len(added) + 1


def test_the_example_till(world):
    ledger = opened(world)
    example = os.path.join(os.path.dirname(FEALTY), "..", "client", "example-till")
    ledger.stop()
    for _ in range(2):
        done = subprocess.run([example, world.path("queue"), TILL, "card:1", "7.00", ledger.address], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0 and "is queued as" in done.stdout, (done.stdout, done.stderr)
        if ledger.daemon.ended:
            assert "0 applied, 0 refused, 1 wait" in done.stdout, done.stdout
            ledger.start()
    assert "2 applied" in done.stdout and "granted 7" in done.stdout, done.stdout
