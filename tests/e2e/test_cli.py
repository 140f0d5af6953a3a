"""The command line as a program: exit codes, what goes where, audit and the example client."""
import json
import os
import socket
import subprocess
import threading

import programs
from case import reduced
from wire import BATCH, HEADER, HELLO_OK, REQUEST, frame, keyless, pb
from world import BUILD, SANITIZER, SLOWNESS, check_output, expect, run_fealty


def used(world, *arguments):
    ledger = world.running(programs.PLAIN, *arguments)
    with ledger.wire() as wire:
        for m in range(5):
            wire.ok("enrol", member=f"m{m}", key=f"e{m}")
        wire.batch([keyless("purchase", member=f"m{n % 5}", amount=str(n)) for n in range(300)], key="b")
        for n in range(100):
            wire.ok("purchase", member=f"m{n % 5}", amount="1", key=f"p{n}")
    return ledger


class Mute:
    """A server that greets, and answers no command: what becomes of a command there is not known."""

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(20)
        self.requests = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        data = b""
        ok = pb.HelloOk(version=1, origin="mute", principal="operator/local", frame_bytes_max=65536, batch_bytes_max=1 << 20, batch_commands_max=1000,
                        reply_bytes_max=1 << 20, in_flight_max=64, idle_ms=600000, size=1)
        while True:
            chunk = peer.recv(65536)
            if not chunk:
                return
            data += chunk
            while len(data) >= 16 and len(data) >= 16 + HEADER.unpack(data[:16])[0]:
                length, _, kind, _, _ = HEADER.unpack(data[:16])
                if kind == 1:
                    peer.sendall(frame(HELLO_OK, ok))
                elif kind in (REQUEST, BATCH):
                    self.requests.append((pb.Request if kind == REQUEST else pb.Batch).FromString(data[16:16 + length]))
                data = data[16 + length:]


def test_exit_codes(world):
    ledger = used(world)
    assert ledger.cli("balance", "m1").code == 0
    assert ledger.cli("balance", "m9", code=None).code == 1                                  # refused by the rules
    for words in (["balance"], ["balance", "m1", "m2"], ["balance", "m1", "--no-such-option"], ["nonsense"], [], ["purchase", "m1", "5", "--at", "yesterday"],
                  ["purchase", "m1", "5", "--key", "a b"], ["balance", "m1", "--connect", "nowhere"], ["history", "m1", "--limit", "x"],
                  ["program", "check", world.path("nothing.yaml")], ["admin"], ["admin", "clock"]):
        done = run_fealty(words, env={"FEALTY_CONNECT": ledger.address})
        assert done.code == 2 and done.err.strip() and not done.out.strip(), done
    nobody = {"FEALTY_CONNECT": "unix:" + world.path("nobody.sock")}
    for words in (["balance", "m1"], ["purchase", "m1", "5", "--key", "k"], ["subscribe", "--to-head"], ["audit"]):
        done = run_fealty([*words, "--timeout", "1s"], env=nobody)
        assert done.code == 3 and done.err.strip(), done
    assert run_fealty(["--help"]).code == 0 and run_fealty(["version"]).code == 0
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([os.path.join(BUILD, "tools", "fealty"), "balance", "m1", "--json"], stdout=full, stderr=subprocess.DEVNULL,
                              env={**os.environ, "FEALTY_CONNECT": ledger.address}, check=False)
    assert done.returncode == 5, done


def test_an_outcome_that_is_not_known(world):
    """Exit code 4, and the key under which to ask again; a read is only not answered."""
    path = world.path("mute.sock")
    mute = Mute(path)
    env = {"FEALTY_CONNECT": "unix:" + path}
    done = run_fealty(["purchase", "m1", "5", "--key", "k1", "--timeout", "1s", "--json"], env=env)
    assert done.code == 4, done
    expect(done.json, status="UNKNOWN", key="k1")
    done = run_fealty(["purchase", "m1", "5", "--timeout", "1s", "--json"], env=env)
    assert done.code == 4 and done.json["key"] == mute.requests[-1].key, (done, mute.requests[-1])
    done = run_fealty(["purchase", "m1", "5", "--timeout", "1s"], env=env)
    assert done.code == 4 and mute.requests[-1].key in done.err, done
    assert run_fealty(["balance", "m1", "--timeout", "1s"], env=env).code in (3, 4)


@reduced
def test_audit(world):
    """Beside a running daemon, stopped, and over the wire: the same verdict."""
    ledger = used(world)
    running = ledger.audit()
    wire = ledger.audit(where="wire")
    ledger.stop()
    stopped = ledger.audit()
    for r in (running, wire, stopped):
        expect(r, status="OK", transactions=wire["transactions"])
    assert running["root"] == wire["root"] == stopped["root"], (running, wire)
    for words in (["--threads", "1"], ["--threads", "3"], ["--no-state"], ["--public-key", ledger.public_key.hex()]):
        expect(ledger.audit(*words), status="OK")
    expect(ledger.audit("--key-id", "00" * 8, code=1), status="DATA_LOSS")
    people = ledger.cli("audit", ledger.data, json_output=False)
    assert "holds" in people.out and "{" not in people.out, people
    assert ledger.cli("audit", world.path("nothing"), code=None).code in (1, 2, 5)


def test_audit_beside_a_busy_daemon(world):
    ledger = used(world)
    stop = threading.Event()
    count = [0]

    def write():
        with ledger.wire("pos/1/1") as wire:
            while not stop.is_set():
                wire.ok("purchase", member="m1", amount="1", key=f"busy{count[0]}")
                count[0] += 1
    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        for _ in range(4):
            expect(ledger.audit(), status="OK")
            expect(ledger.audit(where="wire"), status="OK")
    finally:
        stop.set()
        writer.join(30)
    assert count[0] > 10, "it was not busy"


def test_nothing_is_written_by_reading(world):
    """audit and dump leave a stopped ledger byte for byte as it was."""
    ledger = used(world)
    ledger.stop()

    def state():
        found = {}
        for d, _, names in os.walk(ledger.data):
            for n in names:
                if n != "lock.mdb":
                    with open(os.path.join(d, n), "rb") as f:
                        found[os.path.join(d, n)] = f.read()
        return found
    before = state()
    ledger.audit()
    ledger.cli("dump", ledger.data)
    ledger.cli("dump", ledger.data, "transaction", "3")
    assert state() == before


def test_the_example_client(world):
    """The example of client/ builds with the rest; a till in one page."""
    ledger = world.running(programs.PLAIN, "--listen", "127.0.0.1:0", "--insecure-loopback")
    example = os.path.join(BUILD, "client", "example-purchase")

    def run(*words):
        done = subprocess.run([example, *words], capture_output=True, text=True, timeout=60, check=False)
        check_output("example-purchase", done.returncode, done.stderr)
        return done
    done = run(ledger.address)
    assert done.returncode == 0 and "12 points" in done.stdout, done
    done = run(ledger.address, "card:example-1")
    assert done.returncode == 0 and "a member already" in done.stdout and "24 points" in done.stdout, done
    done = run(ledger.daemon.tcp_address(), "card:2", "pos/0042/07")
    assert done.returncode == 0 and "12 points" in done.stdout, done
    expect(ledger.cli("balance", "card:2").json, available="12")
    assert run().returncode == 2
    assert run("nonsense").returncode == 2
    principals = {e.principal for _, e in ledger.books().entries()}
    assert {"operator/local", "pos/0042/07"} <= principals, principals
    assert SANITIZER in ("", "address", "thread")


def test_keys_are_generated_and_printed(world):
    ledger = used(world)
    a = ledger.cli("purchase", "m1", "5").json
    b = ledger.cli("purchase", "m1", "5").json
    assert a["key"] and a["key"] != b["key"] and a["key"] < b["key"], (a["key"], b["key"])          # they sort by time
    expect(ledger.cli("purchase", "m1", "5", "--key", a["key"]).json, replayed=True, id=a["id"])


def test_options_of_a_command(world):
    ledger = used(world)
    r = ledger.cli("purchase", "m1", "5", "--store", "s1", "--terminal", "t1", "--occurred-at", "2025-12-31T12:00:00Z", "--key", "o1",
                   principal="backend/app").json
    t = ledger.cli("transaction", r["id"].split(".")[0]).json["transaction"]["transaction"]
    entry = t["entries"][int(r["id"].split(".")[1])]
    expect(entry, store="s1", terminal="t1", occurred_at="2025-12-31T12:00:00Z", principal="backend/app", business_date="2025-12-31")
    expect(ledger.cli("purchase", "m1", "5", "--program", "other", code=1).json, reason="NOT_FOUND", field="program")
    expect(ledger.cli("adjust", "m1", "5", "x", principal="pos/1/2", code=1).json, reason="PERMISSION_DENIED")
    done = ledger.cli("balance", "m1", principal="nobody", code=None)
    assert done.code in (2, 3) and done.json["message"], done


STEPS = {"quote", "decide", "evolve", "purchase", "return", "record_decode", "record_check", "record_copy", "record_encode",
         "log_leaf", "log_root", "log_checkpoint", "log_inclusion", "log_consistency"}


def bench(*arguments):
    done = subprocess.run([os.path.join(BUILD, "tools", "fealty-bench"), *arguments], capture_output=True, text=True, timeout=60 * SLOWNESS, check=False)
    check_output("fealty-bench", done.returncode, done.stderr)
    return done


def test_bench_of_the_core(world):
    """The keys are stable, the members are as busy as they should be, and deciding under ten rules is within its limit."""
    done = bench("--core", "--members", "20", "--seconds", "0.1", "--json")
    core = json.loads(done.stdout)["core"]
    assert core.keys() == {"program", "rules", "members", "purchases", "record", "ns", "decide_limit_ns", "within_limit"}, core
    expect(core, program="ten-rules", rules=10, members=20, decide_limit_ns=5000)
    record = core["record"]
    assert record.keys() == {"bytes", "lots", "days", "tallies", "pendings"} and all(v > 0 for k, v in record.items() if k != "pendings"), record
    assert record["days"] > 150 and record["lots"] > 20, record
    assert core["ns"].keys() == STEPS, core["ns"]
    for step, ns in core["ns"].items():
        assert ns.keys() == {"p50", "p99", "mean"} and 0 < ns["p50"] <= ns["p99"], (step, ns)
    if SANITIZER == "":
        assert core["within_limit"] and done.returncode == 0, core
    path = os.path.join(world.dir, "plain.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(programs.PLAIN)
    done = bench("--core", "--members", "5", "--seconds", "0.1", "--program", path)
    assert "1 rule," in done.stdout and "deciding takes" in done.stdout, done
    done = bench("--core", "--connections", "4")
    assert done.returncode == 2 and "--core has none" in done.stderr, done
    done = bench("--core", "--program", os.path.join(world.dir, "none.yaml"))
    assert done.returncode == 2 and "none.yaml" in done.stderr, done
