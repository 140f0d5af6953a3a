"""`fealty rollforward`, against a sum of its own from the JSON of the ledger's entries."""
import base64
import hashlib
import os
from decimal import Decimal

import programs
from files import Copy
from test_audit_log import Server, enrol, export, flipped, key_of, read, write
from test_checkpoint import stored
from test_keys import rotate
from test_redecide import RETURNS, checkpoint, forged, lived
from world import Ledger, eventually, expect, run_fealty

LINES = ("issued", "reinstated", "redeemed", "expired", "clawed", "adjusted", "transferred", "advanced", "opening_import", "partner_issued",
         "partner_redeemed")
MEMBERS = ("member", "pending", "held", "debt")


def transactions(ledger):
    """As `fealty dump` prints them: the ledger's entries as JSON."""
    return [row["value"]["transaction"] for row in ledger.cli("dump", ledger.data, "transaction").lines]


def summed(ledger, first, end, program):
    """opening, a sum for each account, closing, from the postings of the entries alone."""
    opening, closing, moved = 0, 0, dict.fromkeys(LINES, 0)
    for t in transactions(ledger)[:end]:
        if t.get("program") != program:
            continue
        for p in (p for entry in t["entries"] for p in entry.get("postings", [])):
            points, account = int(p["points"]), p["account"].lower()
            if account in MEMBERS:
                closing += points
                opening += points if t["seq"] < first else 0
            elif t["seq"] >= first:
                moved["opening_import" if account == "opening" else account] -= points
    return opening, moved, closing


def rollforward(ledger, *arguments, code=0, **options):
    return ledger.cli("rollforward", *arguments, code=code, **options).json


def agrees(ledger, report, scale=0):
    for number, row in enumerate(report["programs"], 1):
        opening, moved, closing = summed(ledger, report["from"]["size"], report["to"]["size"], number)
        value = lambda points: int(Decimal(points).scaleb(scale))
        got = {line: value(row[line]) for line in LINES}
        assert (value(row["opening"]), got, value(row["closing"])) == (opening, moved, closing), f"{row}: {opening} {moved} {closing}"
        assert opening + sum(moved.values()) == closing, "it sums"
        for name, total in (("opening", opening), ("closing", closing)):
            assert sum(value(points) for points in row[f"{name}_accounts"].values()) == total
    return report


def with_checkpoints(world, program=RETURNS):
    """Some of everything, with checkpoints in between: a stopped ledger."""
    ledger = world.running(program, at="2026-01-01T00:00:00+09:00")
    with ledger.wire() as wire:
        for m in ("m1", "m2"):
            wire.ok("enrol", member=m, key=f"e-{m}", at="2026-01-02T10:00:00+09:00")
        wire.ok("purchase", member="m1", amount="20000", key="p1")
        wire.ok("purchase", member="m1", amount="9000", key="p2")
    ledger.restart()
    with ledger.wire() as wire:
        wire.ok("return", member="m1", purchase="p1", amount="5000", key="b1", at="2026-01-20T10:00:00+09:00")
        wire.ok("redeem", member="m1", points="4", key="r1")
        wire.ok("reverse_redeem", member="m1", redeem="r1", key="v1")
        wire.ok("adjust", member="m2", points="7", reason="gift", key="a1")
        wire.ok("adjust", member="m2", points="-2", reason="error", key="a2")
    ledger.restart()
    with ledger.wire() as wire:
        wire.ok("transfer", member="m1", to="m2", points="3", key="t1")
        wire.ok("hold", member="m2", points="2", key="h1", at="2026-02-01T10:00:00+09:00")
        wire.ok("purchase", member="m1", amount="12000", key="p3", at="2026-02-10T10:00:00+09:00")      # and lots ended meanwhile
    ledger.stop()
    return ledger


def test_it_agrees_with_the_entries(world):
    ledger = with_checkpoints(world)
    sizes = [0, *sorted(stored(ledger))]
    assert len(sizes) >= 4, sizes
    whole = agrees(ledger, rollforward(ledger, ledger.data))
    row = whole["programs"][0]
    expect(row, opening="0", issued="41", redeemed="-4", reinstated="4", clawed="-5", adjusted="5")
    assert int(row["expired"]) < 0, row
    for i, first in enumerate(sizes):
        for end in sizes[max(i, 1):]:
            report = agrees(ledger, rollforward(ledger, ledger.data, "--from", first, "--to", end))
            assert (report["from"]["size"], report["to"]["size"]) == (first, end)
            assert report["to"]["checkpoint"] == stored(ledger)[end]
            assert report["from"]["checkpoint"] == stored(ledger).get(first)
    # one period goes on where the last one ended
    rows = [rollforward(ledger, ledger.data, "--from", a, "--to", b)["programs"] for a, b in zip(sizes, sizes[1:])]
    closings = ["0", *(r[0]["closing"] if r else "0" for r in rows)]
    assert all(r[0]["opening"] == closings[i] for i, r in enumerate(rows) if r), rows


def test_the_proof_between_them(world):
    """The consistency proof leads from one root to the other, by RFC 6962 as written down here."""
    ledger = world.running()
    enrol(ledger, 70, "a")
    ledger.restart()
    enrol(ledger, 60, "b")
    ledger.stop()
    sizes = sorted(stored(ledger))
    for i, first in enumerate(sizes):
        for end in sizes[i:]:
            report = rollforward(ledger, ledger.data, "--from", first, "--to", end)
            proof = [base64.b64decode(text, validate=True) for text in report["consistency"]]
            assert consistent(first, end, bytes.fromhex(report["from"]["root"]), bytes.fromhex(report["to"]["root"]), proof), (first, end)
            assert first == end or not consistent(first, end, bytes(32), bytes.fromhex(report["to"]["root"]), proof)


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def consistent(first, second, first_root, second_root, path):
    """RFC 9162, 2.1.4.2."""
    if first == second:
        return path == [] and first_root == second_root
    if first & (first - 1) == 0:
        path = [first_root, *path]
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return fr == first_root and sr == second_root and sn == 0


def test_from_the_daemon_and_from_an_export(world):
    ledger = with_checkpoints(world)
    sizes = sorted(stored(ledger))
    middle, newest = sizes[len(sizes) // 2], sizes[-1]
    files = {}
    for size in (middle, newest):
        files[size] = world.write(f"checkpoint-{size}", stored(ledger)[size])
    log = world.path("log")
    export(ledger, log)
    want = rollforward(ledger, ledger.data, "--from", middle)
    ledger.start()
    try:
        for where, points in ((["--log", log], ["--from", files[middle]]), ([], ["--from", middle]), ([], ["--from", files[middle], "--to", files[newest]]),
                              ([ledger.data], ["--from", files[middle], "--to", newest]), (["--log", log], ["--from", files[middle], "--to", files[newest]])):
            assert rollforward(ledger, *where, *points) == want, f"{where} {points}"
        with Server(log) as server:
            assert rollforward(ledger, "--log", server.url, "--from", files[middle], "--vkey", key_of(ledger)) == want
        whole = rollforward(ledger, ledger.data)
        assert rollforward(ledger, "--log", log) == whole == rollforward(ledger)
        # what they do not have is said
        for where, words in (([ledger.data], "the nearest are of"), (["--log", log], "has only its newest"), ([], "the newest is of")):
            between = next(size for size in range(sizes[0], newest) if size not in stored(ledger))
            found = rollforward(ledger, *where, "--from", between, code=1)
            assert f"--from: there is no checkpoint of {between} transactions" in found["message"] and words in found["message"], found
            found = rollforward(ledger, *where, "--to", 10**9, code=1)
            assert f"--to: there is no checkpoint of {10**9} transactions" in found["message"], found
    finally:
        ledger.stop()


def test_days(world):
    """A day is the last checkpoint before its local midnight; what comes behind it and is of the day before is told."""
    ledger = with_checkpoints(world)
    by_size = {t["seq"]: t["committed_at"] for t in transactions(ledger)}
    sizes = sorted(stored(ledger))

    def wanted(midnight):
        before = [s for s in sizes if by_size[s - 1] < midnight]
        return max(before, default=0)

    for first, last, start, end in (("2026-01-02", "2026-02-01", "2026-01-01T15:00:00Z", "2026-01-31T15:00:00Z"),
                                    ("2026-01-20", "2026-01-21", "2026-01-19T15:00:00Z", "2026-01-20T15:00:00Z"),
                                    ("2025-01-01", "2027-01-01", "2024-12-31T15:00:00Z", "2026-12-31T15:00:00Z"),
                                    ("2026-02-01", "2026-02-11", "2026-01-31T15:00:00Z", "2026-02-10T15:00:00Z")):
        report = agrees(ledger, rollforward(ledger, ledger.data, "--from", first, "--to", last))
        assert (report["from"]["size"], report["to"]["size"]) == (wanted(start), wanted(end)), report
        for point, midnight in (("from", start), ("to", end)):
            behind = by_size.get(report[point]["size"])
            assert report[point].get("missed_at") == (behind if behind is not None and behind < midnight else None), report[point]
    missed = rollforward(ledger, ledger.data, "--to", "2026-02-05")["to"]
    assert "missed_at" in missed, missed
    words = ledger.cli("rollforward", ledger.data, "--to", "2026-02-05", json_output=False).out
    assert "There is no checkpoint between it and the next transaction, of 2026-" in words, words
    found = rollforward(ledger, ledger.data, "--to", "2025-12-31", code=1)
    assert "nothing has happened by then" in found["message"], found
    for arguments, words in ((["--from", "2026-02-30"], "is no date"), (["--from", "2026-02-01", "--to", "2026-01-01"], "--from is after --to"),
                             (["--from", "5", "--to", "3"], "must not be after"),
                             (["--from", "yesterday"], "no day and no size"), (["--from", ""], "give a day"),
                             (["--policy", "x"], "--policy goes with --log")):
        result = run_fealty(["rollforward", ledger.data, *arguments])
        assert result.code in (1, 2) and words in result.err, result
    both = run_fealty(["rollforward", ledger.data, "--json", "--csv"])
    assert both.code == 2 and "give --json or --csv" in both.json["message"], both
    found = run_fealty(["rollforward", "--log", world.path("none"), "--from", "2026-01-01"])
    assert found.code == 2 and "only its directory has them" in found.err, found


def test_two_programs_in_two_zones(world):
    ledger = world.running(programs.STARS, at="2026-01-01T00:00:00Z")
    ledger.publish(programs.HALF_YEAR, at="2026-01-01T00:00:01Z")
    with ledger.wire() as wire:
        wire.ok("enrol", member="s", key="s", program="stars", at="2026-01-05T00:00:00Z")
        wire.ok("enrol", member="h", key="h", program="half")
        wire.ok("purchase", member="s", amount="12.34", key="s1", program="stars")
        wire.ok("purchase", member="h", amount="3000", key="h1", program="half")
    ledger.stop()
    report = rollforward(ledger, ledger.data)
    assert [row["program"] for row in report["programs"]] == ["stars", "half"]
    expect(report["programs"][0], opening="0.00", issued="12.34", closing="12.34")
    expect(report["programs"][1], opening="0", issued="3", closing="3")
    found = rollforward(ledger, ledger.data, "--to", "2026-01-06", code=2)
    assert "begins at different instants for the programs stars and half: give --program" in found["message"], found
    report = rollforward(ledger, ledger.data, "--to", "2026-01-06", "--program", "half")
    assert [row["program"] for row in report["programs"]] == ["half"]
    assert "there is no program none" in rollforward(ledger, ledger.data, "--program", "none", code=1)["message"]
    assert "there is no program none" in rollforward(ledger, ledger.data, "--to", "2026-01-06", "--program", "none", code=1)["message"]
    csv = run_fealty(["rollforward", ledger.data, "--csv"]).out.splitlines()
    assert csv[0] == "program,from_size,to_size,line,points" and f"stars,0,{len(transactions(ledger))},issued,12.34" in csv, csv
    words = run_fealty(["rollforward", ledger.data]).out
    assert "Program stars" in words and "closing" in words and "Consistency proof" in words, words


def test_what_does_not_hold(world):
    ledger, leaves = lived(world)
    sizes = sorted(stored(ledger))
    log = world.path("log")
    export(ledger, log)
    older = world.write("older", stored(ledger)[sizes[0]])
    # a checkpoint of another past, by the ledger's own key; of another log; of one that is longer
    other = Ledger(world, "other", "manual").init(origin=ledger.origin)
    for note, reason, words in ((checkpoint(ledger, stored(ledger)[sizes[0]], [b"x"] * sizes[0]), "CHECKPOINT_DIFFERS", "another root"),
                                (checkpoint(other, stored(ledger)[sizes[0]], leaves[:sizes[0]]), "CHECKPOINT_FORGED", "does not verify"),
                                (stored(ledger)[sizes[0]].replace("test.example/l", "test.example/m"), "CHECKPOINT_FOREIGN", "another log")):
        bad = world.write("bad", note)
        for where in ([ledger.data], ["--log", log]):
            found = rollforward(ledger, *where, "--from", bad, code=1)
            expect(found, status="DATA_LOSS", reason=reason, size=sizes[0])
            assert words in found["message"], found
    longer = world.write("longer", stored(ledger)[sizes[0]].replace(f"\n{sizes[0]}\n", "\n999\n"))
    for where in ([ledger.data], ["--log", log]):
        assert "is of 999 transactions, and " in rollforward(ledger, *where, "--from", longer, "--to", longer, code=1)["message"]
    assert "must not be after it" in rollforward(ledger, ledger.data, "--from", longer, code=2)["message"]
    assert "is no checkpoint" in rollforward(ledger, ledger.data, "--from", world.write("bad", "x"), code=2)["message"]
    expect(rollforward(ledger, ledger.data, "--from", older), status="OK")
    assert rollforward(ledger, ledger.data, "--vkey", key_of(other), code=1)["reason"] == "CHECKPOINT_FOREIGN"

    # an entry whose postings do not sum, signed and in the tree: the replay refuses it
    def a_point_from_nowhere(entry):
        entry.postings[1].points += 1
        entry.after[0].available += 1
    copy = forged(ledger, leaves, a_point_from_nowhere)
    found = run_fealty(["rollforward", copy.data, "--json"])
    assert found.code == 1 and found.json["reason"] == "LEDGER_BROKEN" and found.json["seq"] == len(leaves) - 1, found
    name = next(n for n in os.listdir(os.path.join(log, "tile/entries/000.p")))
    whole = os.path.join(log, "tile/entries/000.p", name)
    write(whole, flipped(read(whole), 700, 1))
    expect(rollforward(ledger, "--log", log, code=1), reason="LOG_DAMAGED", file=f"tile/entries/000.p/{name}")


def test_over_a_rotation(world):
    ledger = world.running()
    enrol(ledger, 5, "a")
    eventually(lambda: max(stored(ledger)) == 7, "a checkpoint of all")
    rotate(ledger, "checkpoint", overlap_days=0)
    with ledger.wire() as wire:
        wire.ok("purchase", member="a0", amount="5", key="p")
    ledger.stop()
    report = agrees(ledger, rollforward(ledger, ledger.data, "--from", 7, "--vkey", key_of(ledger)))
    expect(report["programs"][0], opening="0", issued="5", closing="5")
    log, older = world.path("log"), world.write("older", stored(ledger)[7])
    export(ledger, log)
    assert rollforward(ledger, "--log", log, "--from", older, "--vkey", key_of(ledger)) == report
    copy = Copy(ledger)
    assert rollforward(ledger, copy.data, "--from", older) == report
