import base64, hashlib, os, shutil, signal, socket, time, threading, json, subprocess
from case import seconds
from files import Copy, ledger_file, places, write_at
from test_admin import ANY_PORT, get, port, exchange, Metrics
from test_keys import fill, new_key, rotate, notes, signers, key_id, newest_note, key_files
from test_witness import begin, key_of, policy, served, served_with, size_of, OPTIONS, enrol, events, rows
from test_receipts import policy_of, until_public
from witness import Witness, verify_note, verify_cosignature, split_note
from wire import keyless
from world import eventually, expect, run_fealty, Ledger
import programs
out = open("/tmp/review-out", "a", buffering=1)


@seconds(120)
def test_kill_witness_load(world):
    """kill -9 under load with a witness, rotations in between; afterwards no fork alarm."""
    ledger, (a,), options = begin(world)
    for n in range(6):
        stop = threading.Event()
        def run(k):
            try:
                with ledger.wire() as w:
                    i = 0
                    while not stop.is_set():
                        w.ok("enrol", member=f"k{n}-{k}-{i}", key=f"k{n}-{k}-{i}")
                        i += 1
            except Exception: pass
        ts = [threading.Thread(target=run, args=(k,)) for k in range(4)]
        for t in ts: t.start()
        time.sleep(1.1 + 0.17 * n)
        if n % 2 == 0:
            rotate(ledger, "checkpoint", overlap_days=0 if n else 5)
            a.log_keys[ledger.origin] = key_of(ledger).split("\n")[0]
            time.sleep(0.3 * n)
        ledger.daemon.kill()
        stop.set()
        for t in ts: t.join()
        ledger.start(*options)
    where = port(ledger)
    with ledger.wire() as w: size = w.hello_ok.size
    served_with(where, size, a)
    assert not events(ledger, "witness.fork")
    print("answers", a.codes(), file=out)
    ledger.stop()
    expect(ledger.audit(), status="OK")


def test_cosignature_damage(world):
    """A cosignature row whose bytes the disk changed."""
    ledger, (a,), options = begin(world)
    size = enrol(ledger, 3)
    served_with(port(ledger), size, a)
    ledger.stop()
    for kind in ("bit", "newline", "dash"):
        copy = Copy(ledger)
        r = [(k, v) for k, v in rows(ledger).items() if k.startswith(f"{size}/")]
        line = r[0][1].encode()
        for at in places(ledger_file(copy.data), line):
            if kind == "bit": write_at(ledger_file(copy.data), at + len(line) - 30, b"A" if line[-30:-29] != b"A" else b"B")
            if kind == "newline": write_at(ledger_file(copy.data), at + len(line) - 30, b"\n")
            if kind == "dash": write_at(ledger_file(copy.data), at, b"xxx")
        print(kind, copy.audit().json["status"], file=out)
        print(ledger.cli("log", "export", copy.data, world.path("ex" + kind), code=None), file=out)
        d = copy.launch(*options)
        d.started()
        ledger.daemon = d
        note = None
        eventually(lambda: served(port(ledger)), "served")
        time.sleep(1.5)
        print(served(port(ledger)), file=out)
        print([l for l in d.log().splitlines() if "cosign" in l or "witness" in l or "served" in l], file=out)
        d.stop()
