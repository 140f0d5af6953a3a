"""`fealty audit --log`: exports replayed without the daemon and its database, from a directory and over HTTP; what is wrong is named with its file."""
import base64
import contextlib
import hashlib
import http.server
import os
import random
import re
import shutil
import subprocess
import threading
import time

import programs
from case import seconds
from test_admin import ANY_PORT, port
from test_checkpoint import stored
from test_keys import rotate
from test_log_http import public
from test_redecide import lived
from world import FEALTY, Ledger, eventually, expect, run_fealty

SAME = ("origin", "depth", "transactions", "head_seq", "root", "transaction_key", "checkpoint_key", "keys", "entries", "redecided", "members", "programs")


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)


def files(path):
    return sorted(os.path.relpath(os.path.join(top, name), path) for top, _, names in os.walk(path) for name in names)


def enrol(ledger, n, prefix="m"):
    """So many transactions."""
    with ledger.wire() as wire:
        for first in range(0, n, 60):
            for tag in [wire.start("enrol", member=f"{prefix}{i}", key=f"{prefix}{i}") for i in range(first, min(n, first + 60))]:
                wire.wait(tag)


def export(ledger, path):
    return ledger.cli("log", "export", ledger.data, path).json


def exported(world, n=300):
    """A stopped ledger, and its export: with n of 300 a full tile and a partial one, and a level above."""
    ledger = world.running()
    enrol(ledger, n)
    ledger.stop()
    path = world.path("export")
    export(ledger, path)
    return ledger, path


def audit(place, *arguments, code=0, seconds=60):
    result = run_fealty(["audit", "--log", place, *arguments, "--json"], seconds=seconds)
    assert result.code == code, f"exit {code} was to come: {result}"
    return result.json


def key_of(ledger):
    return ledger.cli("log", "key", ledger.data, json_output=False).out.strip()


def flipped(data, at, bit):
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1:]


def test_it_finds_what_the_directory_has(world):
    ledger, _ = lived(world)
    path = world.path("export")
    export(ledger, path)
    ledger.start()
    by = {"directory": ledger.audit(), "wire": ledger.audit(where="wire"), "export": audit(path), "trailing slash": audit(path + "/")}
    for place, report in by.items():
        expect(report, status="OK", signatures=13, checkpoint_key_by="genesis")
        for key in SAME:
            if not (place == "wire" and key == "redecided"):
                assert report[key] == by["directory"][key], f"{key} by {place}: {report[key]} and not {by['directory'][key]}"
    assert [by[place]["checkpoints"] for place in by] == [len(stored(ledger)), 1, 1, 1]
    assert by["export"]["state"] == {"compared": False, "size": 0, "rows": 0, "note": "an export has none"}
    words = run_fealty(["audit", "--log", path])
    assert words.code == 0 and "Their key is the genesis's own: that finds damage, and not a forger" in words.out, words
    words = run_fealty(["audit", "--log", path, "--vkey", key_of(ledger)])
    assert words.code == 0 and "not a forger" not in words.out, words


@seconds(120)
def test_a_bit_in_any_file_is_seen(world):
    ledger, path = exported(world)
    key, dice, names = key_of(ledger), random.Random(11), files(path)
    assert names == ["checkpoint", "tile/0/000", "tile/0/001.p/46", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/46"]
    expect(audit(path), status="OK", transactions=302)
    for name in names:
        whole = os.path.join(path, name)
        data = read(whole)
        places = range(0, len(data), 7) if name == "checkpoint" else {0, 1, len(data) - 1, *(dice.randrange(len(data)) for _ in range(6))}
        changes = [flipped(data, at, dice.randrange(8)) for at in places] + [data[:-1], data[:len(data) // 2], data + b"\0", b""]
        if name.startswith("tile/entries/"):
            changes.append(data + b"\0\1x")
        for change in changes:
            write(whole, change)
            for trust in (("--hashes-only",), ("--vkey", key)):
                found = audit(path, *trust, code=1)
                assert found["status"] == "DATA_LOSS" and found["message"], found
                if name == "checkpoint":
                    assert found["reason"].startswith("CHECKPOINT_") or found.get("file") == "checkpoint", found
                else:
                    assert found["reason"] == "LOG_DAMAGED" and name in found["message"], f"{name}: {found}"
        os.unlink(whole)
        if name == "checkpoint":
            assert "has no checkpoint" in audit(path, code=2)["message"]
        else:
            expect(audit(path, code=1), reason="LOG_DAMAGED", file=name, message=f"{name} is missing")
        write(whole, data)
    expect(audit(path, "--vkey", key), status="OK", checkpoint_key_by="auditor")


def test_what_is_wrong_is_said(world):
    _, path = exported(world)

    def finds(name, change, words, **wanted):
        data = read(os.path.join(path, name))
        write(os.path.join(path, name), change(data))
        found = expect(audit(path, code=1), **wanted)
        write(os.path.join(path, name), data)
        assert re.search(words, found["message"]), f"{words}: {found}"

    damage = {"reason": "LOG_DAMAGED"}
    finds("tile/0/000", lambda d: d[:-1], r"^tile/0/000 has 8191 bytes, and its 256 hashes are 8192$", file="tile/0/000", **damage)
    finds("tile/0/000", lambda d: flipped(d, 40, 0), r"^tile/0/000 is damaged: the tile above has the hash of another one$", file="tile/0/000", **damage)
    finds("tile/1/000.p/1", lambda d: flipped(d, 3, 0), r"^tile/1/000.p/1 has another hash in place 0 than tile/0/000 gives: one of the two is damaged$",
          file="tile/1/000.p/1", **damage)
    finds("tile/entries/000", lambda d: d[:-1], r"^tile/entries/000 is damaged at its entry 255, transaction 255: ", file="tile/entries/000", **damage)
    finds("tile/entries/000", lambda d: flipped(d, 1000, 4), r"^tile/entries/000 is damaged at its entry \d+, transaction \d+: ", **damage)
    finds("tile/entries/001.p/46", lambda d: flipped(d, 9, 4), r"^tile/entries/001.p/46 is damaged at its entry 0, transaction 256: ", **damage)
    finds("tile/entries/001.p/46", lambda d: d + bytes(9), r"^tile/entries/001.p/46 is damaged at its entry 46, ", **damage)
    finds("tile/0/001.p/46", lambda d: flipped(d, 40, 0), r"tile/(0|entries)/001.p/46 ", **damage)
    finds("tile/0/001.p/46", lambda d: d * 100, r"^tile/0/001.p/46 is longer than a tile can be: ", **damage)
    finds("checkpoint", lambda d: d[:-3], r"^checkpoint cannot be read: ", reason="CHECKPOINT_DAMAGED", file="checkpoint")
    finds("checkpoint", lambda d: d * 300, r"^checkpoint cannot be read: it is longer", reason="CHECKPOINT_DAMAGED")
    finds("checkpoint", lambda d: d.replace(b"\n302\n", b"\n303\n"), r"tile/0/001.p/47 is missing", **damage)
    finds("checkpoint", lambda d: d[:-31] + (b"B" if d[-31:-30] == b"A" else b"A") + d[-30:], "has a signature that does not verify",
          reason="CHECKPOINT_FORGED", size=302)
    os.unlink(os.path.join(path, "tile/entries/000"))
    os.mkdir(os.path.join(path, "tile/entries/000"))
    assert "tile/entries/000 cannot be read: it is no file" in audit(path, code=3)["message"]


def right_edge(path, size):
    """A log of which only the tiles at its right edge are there, with hashes of nothing that add up to the checkpoint's root."""
    node = lambda a, b: hashlib.sha256(b"\1" + a + b).digest()
    edge, level, n = [], 0, size
    while n > 0:
        width, n = n % 256, n // 256
        groups = re.findall("...", str(n).zfill((len(str(n)) + 2) // 3 * 3))
        name = "/".join(["x" + g for g in groups[:-1]] + groups[-1:])
        if width > 0:
            write(os.path.join(path, "tile", str(level), f"{name}.p/{width}"), bytes(32 * width))
        below, bit = bytes(32), 1
        while bit < 256:
            edge += [below] if width & bit else []
            below, bit = node(below, below), bit * 2
        level += 1
    root = edge[0]
    for left in edge[1:]:
        root = node(left, root)
    name = "test.example/nothing"
    signature = base64.b64encode(bytes(68)).decode()
    write(os.path.join(path, "checkpoint"), f"{name}\n{size}\n{base64.b64encode(root).decode()}\n\n\u2014 {name} {signature}\n".encode())


def test_a_log_of_hashes_alone_holds_nothing(world):
    """However large a server says that it is: without a transaction there is nothing that could hold."""
    for size in (2**64 - 1, 2**64 - 255, 2**64 - 256, 2**63, 2**40 + 1, 257):
        place = world.path(f"nothing-{size}")
        right_edge(place, size)
        for option in ((), ("--hashes-only",), ("--evidence", world.path(f"evidence-{size}"))):
            expect(audit(place, *option, code=1), status="DATA_LOSS", transactions=0,
                   reason="LOG_DAMAGED" if size < 2**64 - 1 else "CHECKPOINT_DAMAGED")
        run = run_fealty(["rollforward", "--log", place, "--json"])
        assert run.code == 1, run


def test_a_checkpoint_of_another_log(world):
    ledger, path = exported(world, 20)
    good, key = read(os.path.join(path, "checkpoint")), key_of(ledger)
    cases = []
    for name, origin in (("b", "test.example/b"), ("c", ledger.origin)):
        other = Ledger(world, name, "manual").init(origin)
        other.start()
        other.publish()
        enrol(other, 20)
        other.stop()
        other_path = world.path(f"export-{name}")
        export(other, other_path)
        cases.append((other, other_path))
        # its checkpoint here: the same size and another root
        write(os.path.join(path, "checkpoint"), read(os.path.join(other_path, "checkpoint")))
        expect(audit(path, code=1), reason="LOG_DAMAGED", file="checkpoint")
        expect(audit(path, "--vkey", key, code=1), reason="CHECKPOINT_FOREIGN")
        write(os.path.join(path, "checkpoint"), good)
        # all of it: whole in itself, and not what the auditor trusts
        expect(audit(other_path), status="OK")
        expect(audit(other_path, "--vkey", key, code=1), reason="CHECKPOINT_FOREIGN", size=22)
        policy = world.write(f"policy-{name}", f"log {key}\nquorum none\n")
        expect(audit(other_path, "--policy", policy, code=1), reason="CHECKPOINT_FOREIGN")
        expect(audit(path, "--policy", policy), status="OK", checkpoint_key_by="auditor")
    # the log's own key on a tree that is not of these entries
    (other, other_path) = cases[1]
    shutil.copytree(os.path.join(other_path, "tile"), world.path("mixed/tile"))
    write(world.path("mixed/checkpoint"), good)
    expect(audit(world.path("mixed"), "--vkey", key, code=1), reason="LOG_DAMAGED")


def test_a_policy_with_witnesses_that_did_not_sign(world):
    ledger, path = exported(world, 3)
    name, key = "w1.example", b"\4" + bytes(range(32))
    key_id = hashlib.sha256(name.encode() + b"\n" + key).hexdigest()[:8]
    witness = f"{name}+{key_id}+{base64.b64encode(key).decode()}"
    policy = world.write("p", f"log {key_of(ledger)}\nwitness w1 {witness}\nquorum w1\n")
    expect(audit(path, "--policy", policy, code=1), reason="CHECKPOINT_UNWITNESSED", size=5)
    expect(audit(path, "--policy", world.write("p", "quorum none\n"), code=1), reason="CHECKPOINT_FOREIGN")
    for bad, words in ((f"log {key_of(ledger)[:-4]}\nquorum none\n", "line 1"), ("nonsense\n", "line 1"), ("", "quorum")):
        got = run_fealty(["audit", "--log", path, "--policy", world.write("p", bad), "--json"])
        assert got.code == 2 and words in got.json["message"], got
    assert run_fealty(["audit", "--log", path, "--policy", world.path("none"), "--json"]).code == 2


def test_places_that_are_no_export(world):
    os.mkdir(world.path("empty"))
    for place, words in ((world.path("empty"), "has no checkpoint: it is no log"), (world.path("nowhere"), "No such file"), ("ftp://x/", "only http"),
                         ("http://", "http"), ("", "")):
        result = run_fealty(["audit", "--log", place, "--json"])
        assert result.code == 2 and words in result.json["message"], result
    for arguments, words in ((["--log", "x", world.path("empty")], "give one of DIR, --log and --connect"),
                             (["--log", "x", "--connect", "unix:/x"], "give one of DIR, --log and --connect"),
                             (["--as", "auditor/a", world.path("empty")], "--as is about a daemon"),
                             (["--log", "x", "--checkpoint", "y"], "--checkpoint is about a daemon"),
                             (["--timeout", "5s", world.path("empty")], "--timeout is about a daemon or a served log"),
                             (["--log", "x", "--no-state"], "no DIR is given"), (["--log", "x", "--vkey", "y"], "--vkey: "),
                             (["--log", "x", "--policy", "y", "--vkey", "z"], "--policy"), ([world.path("empty"), "--policy", "y"], "--policy is about --log"),
                             (["--log", "x", "--hashes-only", "--evidence", "y"], "--hashes-only")):
        result = run_fealty(["audit", *arguments])
        assert result.code == 2 and words in result.err, result


def test_an_export_follows_the_keys(world):
    """Both keys are rotated: what was signed before and after is verified by whoever had to sign it then."""
    ledger = world.running()
    enrol(ledger, 5, "a")
    before = world.path("before")
    eventually(lambda: export(ledger, before)["size"] == 7, "a checkpoint of all")
    old_key = key_of(ledger)
    for kind, options in (("transaction", {}), ("checkpoint", {"overlap_days": 0})):
        rotate(ledger, kind, **options)
        enrol(ledger, 5, kind)
    ledger.stop()
    after = world.path("after")
    export(ledger, after)
    report, by_directory = audit(after), ledger.audit()
    assert len(report["keys"]) == 4 and report["keys"] == by_directory["keys"], report["keys"]
    for depth in ((), ("--hashes-only",)):
        expect(audit(after, *depth, "--vkey", key_of(ledger)), status="OK", transactions=19)
        expect(audit(after, *depth, "--vkey", old_key, code=1), reason="CHECKPOINT_FOREIGN")
        expect(audit(before, *depth, "--vkey", old_key), status="OK", transactions=7)
        # the checkpoint that the old key signed is where the last audit ended
        expect(audit(after, *depth, "--from-checkpoint", os.path.join(before, "checkpoint")), status="OK")
        assert ledger.audit(*depth, "--vkey", key_of(ledger))["checkpoints"] == len(stored(ledger))


# ---- over HTTP ----

class Server:
    """Serves a directory, and misbehaves as it is told: {path: what to do}."""

    def __init__(self, directory, faults=None):
        self.faults, self.seen = faults or {}, []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status, body=b"", **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                name = self.path.removeprefix("/sub/")
                server.seen.append(name)
                fault = server.faults.get(name)
                path = os.path.join(directory, name)
                with contextlib.suppress(OSError):
                    if fault is not None:
                        fault(self, path)
                    elif os.path.isfile(path):
                        self.answer(200, read(path))
                    else:
                        self.answer(404, b"none")

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/sub"
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()


def test_over_http(world):
    ledger, path = exported(world, 1100)
    with Server(path) as server:
        report = audit(server.url, "--vkey", key_of(ledger))
        expect(report, status="OK", transactions=1102, checkpoints=1)
        assert report["root"] == ledger.audit()["root"]
        assert sorted(set(server.seen)) == files(path), "each file is asked for, and nothing else"
        assert len(server.seen) == len(set(server.seen)), f"each once: {server.seen}"
        expect(audit(server.url + "/", "--hashes-only"), status="OK", transactions=1102)


def test_over_the_daemons_own_door(world):
    """While it is written to: the audit is of the head that is public when it begins."""
    ledger = world.running(programs.PLAIN, *ANY_PORT)
    enrol(ledger, 300)
    url = f"http://127.0.0.1:{port(ledger)}"
    public(port(ledger), 302)
    expect(audit(url, "--vkey", key_of(ledger)), status="OK", transactions=302)
    enrol(ledger, 300, "n")
    report = expect(audit(url), status="OK")
    assert 302 <= report["transactions"] <= 602
    public(port(ledger), 602)
    evidence = world.path("evidence")
    expect(audit(url, "--evidence", evidence), status="OK", transactions=602)
    expect(audit(url, "--from-checkpoint", os.path.join(evidence, "checkpoint")), status="OK", signatures=0)
    rolled = ledger.cli("rollforward", "--log", url).json
    assert rolled["to"]["size"] == 602 and rolled["programs"][0]["closing"] == "0", rolled


def refuses(answer):
    return lambda handler, path: handler.answer(*answer) if not callable(answer) else answer(handler, path)


@seconds(120)
def test_a_server_that_fails(world):
    _, path = exported(world, 300)

    def stays_busy(handler, _):
        handler.answer(503, b"later")

    def redirects(handler, _):
        handler.answer(302, b"", Location="/elsewhere")

    def is_huge(handler, _):
        handler.send_response(200)
        handler.send_header("Content-Length", str(1 << 40))
        handler.end_headers()
        for _ in range(1 << 14):
            handler.wfile.write(bytes(1 << 16))

    def never_ends(handler, _):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for _ in range(1 << 14):
            handler.wfile.write(b"10000\r\n" + bytes(1 << 16) + b"\r\n")

    def breaks_off(handler, file):
        data = read(file)
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[:-7])
        handler.close_connection = True

    def is_wrong(handler, file):
        handler.answer(200, flipped(read(file), 20, 1))

    def is_short(handler, file):
        handler.answer(200, read(file)[:-32])

    tile, bundle = "tile/0/000", "tile/entries/000"
    cases = [
        ("checkpoint", refuses((404,)), 2, "has no checkpoint"), ("checkpoint", stays_busy, 3, "status 503"), ("checkpoint", redirects, 3, "not followed"),
        ("checkpoint", is_huge, 1, "longer than a checkpoint can be"), ("checkpoint", never_ends, 1, "longer than a checkpoint can be"),
        ("checkpoint", breaks_off, 3, "checkpoint: "), ("checkpoint", refuses((403,)), 3, "status 403"),
        (tile, refuses((404,)), 1, "tile/0/000 is missing"), (tile, refuses((410,)), 1, "tile/0/000 is missing"), (tile, stays_busy, 3, "tile/0/000: "),
        (tile, is_huge, 1, "tile/0/000 is longer than a tile can be"), (tile, never_ends, 1, "tile/0/000 is longer than a tile can be"),
        (tile, is_wrong, 1, "tile/0/000 is damaged"), (tile, is_short, 1, "tile/0/000 has 8160 bytes"), (tile, breaks_off, 3, "tile/0/000: "),
        (bundle, refuses((404,)), 1, "tile/entries/000 is missing"), (bundle, is_huge, 1, "tile/entries/000 is longer"),
        (bundle, is_wrong, 1, "tile/entries/000 is damaged"), (bundle, breaks_off, 3, "tile/entries/000: "),
    ]
    for name, fault, code, words in cases:
        with Server(path, {name: fault}) as server:
            found = audit(server.url, code=code)
            assert words in found["message"], f"{name}: {found}"


def test_a_server_that_fails_once(world):
    _, path = exported(world, 300)
    lock, failed = threading.Lock(), set()

    def once(handler, file):
        with lock:
            first = file not in failed
            failed.add(file)
        if first:
            handler.answer(500, b"sorry")
        else:
            handler.answer(200, read(file))

    with Server(path, {name: once for name in files(path)}) as server:
        expect(audit(server.url), status="OK", transactions=302)
    assert len(failed) == 6


def test_a_full_tile_instead_of_a_partial_one(world):
    """C2SP tlog-tiles lets a log drop a partial tile when the full one is there; the checkpoint that was kept is older than that."""
    ledger = world.running()
    enrol(ledger, 300)
    path, old = world.path("export"), world.path("old")
    eventually(lambda: export(ledger, old)["size"] == 302, "a checkpoint of all")
    enrol(ledger, 300, "n")
    ledger.stop()
    export(ledger, path)
    write(os.path.join(path, "checkpoint"), read(os.path.join(old, "checkpoint")))
    shutil.rmtree(os.path.join(path, "tile/0/001.p"), ignore_errors=True)
    shutil.rmtree(os.path.join(path, "tile/entries/001.p"), ignore_errors=True)
    write(os.path.join(path, "tile/1/000.p/1"), read(os.path.join(old, "tile/1/000.p/1")))
    expect(audit(path, "--vkey", key_of(ledger)), status="OK", transactions=302)
    data = read(os.path.join(path, "tile/entries/001"))
    write(os.path.join(path, "tile/entries/001"), flipped(data, 100, 2))
    expect(audit(path, code=1), reason="LOG_DAMAGED")


@seconds(120)
def test_servers_that_hang(world):
    """Nobody at the port, one that takes the connection and says nothing, one that drips: each is told within the limits."""
    _, path = exported(world, 3)
    with Server(path) as server:
        dead = server.url
    assert "127.0.0.1" in audit(dead, code=3)["message"]

    gone = threading.Event()

    def silent(_handler, _path):
        gone.wait(100)

    with Server(path, {"checkpoint": silent}) as server:
        begun = time.monotonic()
        process = subprocess.Popen([FEALTY, "audit", "--log", server.url, "--timeout", "2s", "--json"], stdout=subprocess.PIPE, text=True)
        out, _ = process.communicate(timeout=90)
        assert process.returncode == 3 and "checkpoint" in out, out
        assert time.monotonic() - begun < 60
    gone.set()
