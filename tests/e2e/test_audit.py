"""`fealty audit` from the checkpoint of the last audit, by hashes alone, and what it leaves as evidence."""
import json
import os
import subprocess

from files import Copy
from test_audit_log import audit, enrol, export, files, flipped, key_of, read, write
from test_checkpoint import stored, swap
from test_keys import rotate
from test_redecide import checkpoint, forged, lived
from world import Ledger, eventually, expect, run_fealty


def grown(world):
    """A stopped ledger, the checkpoint of an audit of it, and how large it was then; it has grown since."""
    ledger = world.running()
    enrol(ledger, 40, "a")
    ledger.stop()
    kept = world.path("kept")
    size = expect(ledger.audit("--save-checkpoint", kept), status="OK")["transactions"]
    assert read(kept).decode() == stored(ledger)[size]
    ledger.start()
    enrol(ledger, 25, "b")
    ledger.stop()
    return ledger, kept, size


def places_of(world, ledger):
    """The three ways to the same ledger, as arguments; its daemon runs."""
    path = world.path("places")
    export(ledger, path)
    ledger.start()
    return {"directory": [ledger.data], "export": ["--log", path], "wire": []}


def test_from_the_last_audit(world):
    ledger, kept, size = grown(world)
    for place, where in places_of(world, ledger).items():
        report = expect(ledger.cli("audit", *where, "--from-checkpoint", kept).json, status="OK", transactions=size + 25)
        expect(report["from"], size=size, entries=size)
        assert report["signatures"] == 25, f"{place}: only what is new is verified: {report}"
        assert report["redecided"] == 25 and report["not_redecided"] == size, f"{place}: {report}"
        whole = ledger.cli("audit", *where).json
        assert whole["from"] is None and whole["signatures"] == size + 25
        for key in ("root", "members", "programs", "entries", "keys"):
            assert whole[key] == report[key], key
        words = ledger.cli("audit", *where, "--from-checkpoint", kept, json_output=False).out
        assert f"The first {size} of them, with {size} entries, are those of the last audit, by the root of its checkpoint" in words, words
    # from one audit to the next, and when nothing is new
    newer = world.path("newer")
    expect(ledger.audit("--from-checkpoint", kept, "--save-checkpoint", newer), status="OK")
    assert int(read(newer).split(b"\n")[1]) == size + 25
    for where in ([ledger.data], []):
        expect(ledger.cli("audit", *where, "--from-checkpoint", newer).json, status="OK", signatures=0, transactions=size + 25)


def test_a_ledger_that_was_rolled_back_or_forked(world):
    ledger = world.running()
    enrol(ledger, 5, "a")
    ledger.stop()
    old = Copy(ledger)
    ledger.start()
    enrol(ledger, 10, "b")
    ledger.stop()
    kept = world.path("kept")
    ledger.audit("--save-checkpoint", kept)
    swap(ledger, old)
    for place, where in places_of(world, ledger).items():
        found = ledger.cli("audit", *where, "--from-checkpoint", kept, code=1).json
        expect(found, status="DATA_LOSS", reason="HISTORY_DIFFERS", size=17)
        assert "the log was rolled back: its newest transactions are missing" in found["message"], f"{place}: {found}"
    enrol(ledger, 30, "c")
    eventually(lambda: export(ledger, world.path("forked"))["size"] == 37, "a checkpoint of all")
    for where in ([ledger.data], ["--log", world.path("forked")], [], ["--hashes-only", ledger.data], ["--log", world.path("forked"), "--hashes-only"]):
        found = ledger.cli("audit", *where, "--from-checkpoint", kept, code=1).json
        expect(found, status="DATA_LOSS", reason="HISTORY_DIFFERS", size=17)
        assert "the log was changed, or rolled back and gone on with" in found["message"], f"{where}: {found}"
    words = ledger.cli("audit", ledger.data, "--from-checkpoint", kept, code=1, json_output=False).err
    assert "the last audit saw 17 transactions with the root " in words and "and here 17 have the root " in words, words


def test_what_the_last_audit_kept_must_be_this_logs(world):
    ledger, kept, size = grown(world)
    note = read(kept)
    for words, content in (("is no checkpoint", note[:-20]), ("is no checkpoint", b""), ("is no checkpoint", b"hello\n"), ("longer than", note * 300)):
        path = world.path("bad")
        write(path, content)
        found = ledger.audit("--from-checkpoint", path, code=2)
        assert words in found["message"] and path in found["message"], found
    assert ledger.audit("--from-checkpoint", world.path("none"), code=2)["message"].endswith("No such file or directory")
    assert ledger.audit("--from-checkpoint", ledger.data, code=2)
    # the right root under the wrong signature, or of somebody else's log
    other = Ledger(world, "other", "manual").init(origin=ledger.origin)
    leaves = [b"x"] * size
    resigned = checkpoint(other, note.decode(), leaves).encode()
    write(world.path("bad"), resigned)
    expect(ledger.audit("--from-checkpoint", world.path("bad"), code=1), reason="CHECKPOINT_FORGED", size=size)
    write(world.path("bad"), note.replace(b"test.example/l", b"test.example/m"))
    expect(ledger.audit("--from-checkpoint", world.path("bad"), code=1), reason="CHECKPOINT_FOREIGN")
    write(world.path("bad"), note.replace(b"\n%d\n" % size, b"\n%d\n" % (size + 1000)))
    expect(ledger.audit("--from-checkpoint", world.path("bad"), code=1), reason="CHECKPOINT_FOREIGN", size=size + 1000)


def test_a_row_that_was_removed_is_missed(world):
    """A checkpoint that the last audit has, and that the ledger does not store any more, though its transactions are there."""
    ledger, kept, size = grown(world)
    note = read(kept).decode()
    other = stored(ledger)
    assert size in other
    fewer = world.path("fewer")
    text = note.split("\n")
    # one that was signed and never stored: the log's key on the true root of a size in between
    ledger.start()
    all_leaves = ledger.leaves()
    ledger.stop()
    between = next(n for n in range(size + 1, len(all_leaves)) if n not in other)
    text[1] = str(between)
    write(fewer, checkpoint(ledger, "\n".join(text), all_leaves[:between]).encode())
    found = expect(ledger.audit("--from-checkpoint", fewer, code=1), reason="CHECKPOINT_MISSING", size=between)
    assert "is not stored any more, though its transactions are there" in found["message"], found


def test_hashes_only(world):
    ledger, leaves = lived(world)
    path = world.path("export")
    export(ledger, path)
    for report in (ledger.audit("--hashes-only"), audit(path, "--hashes-only")):
        expect(report, status="OK", depth="hashes", transactions=13, checkpoint_key_by="genesis")
        assert report["root"] == ledger.audit()["root"] and report["rate"] > 0
        assert not {"signatures", "entries", "programs", "members"} & set(report), "it looked at none"
    words = ledger.cli("audit", ledger.data, "--hashes-only", json_output=False).out
    assert "no signature and no entry was looked at" in words, words
    # a forged decision passes, since no entry is looked at; broken bytes, and a broken chain, do not

    def one_more(entry):
        entry.facts.grants[0].granted = entry.facts.grants[0].wanted = entry.facts.metrics.points_earned = 13
        entry.postings[0].points, entry.postings[1].points = -13, 13
        entry.after[0].available += 1
    copy = forged(ledger, leaves, one_more)
    expect(ledger.cli("audit", copy.data, "--hashes-only").json, status="OK")
    copy = forged(ledger, leaves, one_more, checkpoint_too=False)
    expect(ledger.cli("audit", copy.data, "--hashes-only", code=1).json, reason="CHECKPOINT_DIFFERS", size=13)


# ---- evidence ----

def sums_hold(path, code=0):
    done = subprocess.run(["sha256sum", "-c", "--quiet", "--strict", "SHA256SUMS"], cwd=path, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (code == 0), f"{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def snapshot(path):
    return {name: read(os.path.join(path, name)) for name in files(path)}


def test_evidence(world):
    ledger = world.running()
    enrol(ledger, 100, "a")
    rotate(ledger, "transaction")
    enrol(ledger, 100, "b")
    rotate(ledger, "checkpoint", overlap_days=0)
    enrol(ledger, 100, "c")
    ledger.stop()
    by_directory, by_export, by_wire = world.path("by-directory"), world.path("by-export"), world.path("by-wire")
    expect(ledger.audit("--evidence", by_directory), status="OK", transactions=304)
    export(ledger, world.path("log"))
    audit(world.path("log"), "--evidence", by_export)
    ledger.start()
    expect(ledger.audit("--evidence", by_wire, where="wire"), status="OK", transactions=304)
    ledger.stop()
    evidence = snapshot(by_directory)
    tiles = ["tile/0/000", "tile/0/001.p/48", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/48"]
    assert set(evidence) == {"SHA256SUMS", "checkpoint", "keys.json", "policy", "report.json", *tiles}
    assert snapshot(by_export) == evidence
    for name in ("checkpoint", "keys.json", "policy", *tiles):
        assert read(os.path.join(by_wire, name)) == evidence[name], name
    sums_hold(by_directory)
    assert [line.split("  ")[1] for line in evidence["SHA256SUMS"].decode().splitlines()] == ["checkpoint", "keys.json", "policy", "report.json", *tiles]
    # who signed what
    report, keys = json.loads(evidence["report.json"]), json.loads(evidence["keys.json"])
    expect(report, status="OK", transactions=304, depth="whole", signatures=304, origin=ledger.origin)
    assert not {"seconds", "rate", "state"} & set(report), "nothing that another run would say otherwise"
    assert keys["origin"] == ledger.origin
    assert [(key["kind"], key["from"], key.get("until")) for key in keys["keys"]] == [
        ("transaction", 0, 103), ("checkpoint", 0, 204), ("transaction", 103, None), ("checkpoint", 204, None)]
    assert [key["vkey"] for key in keys["keys"] if key["kind"] == "checkpoint"][1] == key_of(ledger)
    assert key_of(ledger) in evidence["policy"].decode()
    # another auditor begins from it
    expect(audit(by_directory, "--policy", os.path.join(by_directory, "policy")), status="OK", transactions=304, checkpoint_key_by="auditor")
    again = world.path("again")
    expect(audit(by_directory, "--evidence", again), status="OK")
    assert snapshot(again) == evidence, "evidence of evidence is the same"
    assert ledger.audit("--evidence", by_directory)["status"] == "OK" and snapshot(by_directory) == evidence
    for name in evidence:
        data = evidence[name]
        write(os.path.join(by_directory, name), flipped(data, len(data) // 2, 3))
        sums_hold(by_directory, code=1)
        write(os.path.join(by_directory, name), data)
    sums_hold(by_directory)
    # spoilt evidence is made whole by the audit of what is sound
    write(os.path.join(by_directory, "report.json"), b"{}")
    os.unlink(os.path.join(by_directory, "tile/0/000"))
    ledger.audit("--evidence", by_directory)
    assert snapshot(by_directory) == evidence


def test_evidence_is_of_one_checkpoint(world):
    ledger, _, _ = grown(world)
    path = world.path("evidence")
    ledger.audit("--evidence", path)
    before = snapshot(path)
    ledger.start()
    enrol(ledger, 3, "later")
    ledger.stop()
    found = ledger.audit("--evidence", path, code=2)
    assert "Give a directory of its own" in found["message"] and snapshot(path) == before, found
    os.makedirs(world.path("home"))
    write(world.path("home/letter"), b"dear")
    assert "what is in it is no evidence" in ledger.audit("--evidence", world.path("home"), code=2)["message"]
    other = Ledger(world, "other", "manual").init()
    other.start()
    eventually(lambda: stored(other), "a checkpoint")
    other.stop()
    assert "Give a directory of its own" in other.audit("--evidence", path, code=2)["message"] and snapshot(path) == before
    for extra in (["--from-checkpoint", "x"], ["--no-redecide"], ["--hashes-only"]):
        assert run_fealty(["audit", ledger.data, "--evidence", world.path("new"), *extra]).code == 2
    assert not os.path.exists(world.path("new"))


def test_what_does_not_hold_leaves_no_evidence(world):
    ledger, _, _ = grown(world)
    log, path = world.path("log"), world.path("evidence")
    export(ledger, log)
    name = next(n for n in files(log) if "entries" in n)
    write(os.path.join(log, name), flipped(read(os.path.join(log, name)), 4000, 2))
    expect(audit(log, "--evidence", path, code=1), reason="LOG_DAMAGED")
    assert "SHA256SUMS" not in files(path) and "report.json" not in files(path), files(path)
    kept = world.path("kept-2")
    audit(log, "--save-checkpoint", kept, code=1)
    assert not os.path.exists(kept)


def test_a_size_that_is_not_the_newest(world):
    """Evidence beside a running daemon is of its newest published checkpoint, whatever comes behind it."""
    ledger = world.running()
    enrol(ledger, 30, "a")
    path = world.path("evidence")
    report = expect(ledger.audit("--evidence", path), status="OK")
    assert report["transactions"] in stored(ledger) and int(read(os.path.join(path, "checkpoint")).split(b"\n")[1]) == report["transactions"]
    sums_hold(path)
