import base64, hashlib, os, shutil, signal, socket, time, threading, json, subprocess
from case import seconds
from test_admin import ANY_PORT, get, port
from test_keys import fill, new_key, rotate, notes, newest_note
from test_witness import begin, key_of, policy, served, served_with, size_of, OPTIONS, enrol, events, rows
from test_receipts import policy_of, until_public
from witness import Witness
from world import eventually, expect, run_fealty, Ledger
import programs
out = open("/tmp/review-out", "a", buffering=1)


def test_long_origin(world):
    for n in (128, 129, 127):
        origin = "x" * (n - 2) + "/é"[:2]
        r = run_fealty(["init", world.path(f"z{n}"), "--origin", origin, "--clock", "manual", "--json"])
        print(n, r.code, r.out, r.err, file=out)
    l = Ledger(world, "y", "manual").init("x" * 126 + "/y")
    ws = [Witness(world, "w" * 240 + f"/{i}").start() for i in range(5)]
    for w in ws: w.log_keys[l.origin] = key_of(l)
    l.start(*ANY_PORT, *OPTIONS, "--witnesses", policy(world, ws, "all"))
    l.publish(programs.PLAIN)
    fill(l, 2)
    k1 = key_of(l)
    rotate(l, "checkpoint", overlap_days=3)
    with l.wire() as w:
        r = w.ok("purchase", member="m0", amount="1", want_receipt=True)
        p = world.write("r", r.receipt)
    print(len(r.receipt), file=out)
    pol = policy_of(world, l)
    x = run_fealty(["receipt", "verify", p, "--policy", pol, "--json"]); assert x.code == 0, x
    with l.wire() as w: size = w.hello_ok.size
    note = served_with(port(l), size, *ws)
    print(len(note), file=out)
    l.cli("log", "export", l.data, world.path("ex"))
    assert open(world.path("ex/checkpoint"), encoding="utf-8").read() == note
    seen = world.path("seen")
    l.cli("balance", "m0", "--checkpoint", seen, "--log-key", k1)
    l.stop()
    expect(l.audit(), status="OK")
