"""fealty backup and restore, from outside: what is in a backup, what is found in a damaged one, and what a restore refuses."""
import json
import os
import shutil
import signal
import stat
import subprocess
import threading

from case import long, plain_build, seconds, tell
from world import FEALTY, Ledger, eventually, expect


def backup(ledger, to, *words, code=0, **options):
    return ledger.cli("backup", "--data", ledger.data, "--to", to, *words, code=code, **options)


def verify(ledger, place, code=0):
    return ledger.cli("backup", "--verify", place, code=code).json


def restored(ledger, place, name, *words, keys=True, start=True, head_lock=True):
    """Another machine: a data directory from the backup, with the keys and, unless there is none, the head.lock of the first."""
    other = Ledger(ledger.world, name, ledger.clock)
    other.origin = ledger.origin
    if keys:
        shutil.copytree(ledger.keys, other.keys)
    if head_lock and os.path.exists(ledger.head_lock):
        shutil.copy(ledger.head_lock, other.head_lock)
    ledger.cli("restore", "--from", place, "--data", other.data, *words)
    if start:
        other.start()
    return other


def enrol(ledger, first, n):
    with ledger.wire() as wire:
        for i in range(first, first + n):
            wire.ok("enrol", member=f"card:{i}", key=f"e{i}", birthday="1980-06-15")
            wire.ok("purchase", member=f"card:{i}", amount="10", key=f"p{i}")


def names(place, kind=""):
    return sorted(n for n in os.listdir(place) if n.startswith(kind) and not n.startswith("manifest"))


def test_a_backup_restores_to_an_equal_ledger(world):
    ledger = world.running()
    place = world.path("backup")
    enrol(ledger, 0, 20)
    first = backup(ledger, place).json
    expect(first, status="OK", origin=ledger.origin, added=first["size"])
    enrol(ledger, 20, 15)
    second = backup(ledger, place).json
    expect(second, status="OK", added=30)
    expect(verify(ledger, place), status="OK", size=second["size"], root=second["root"])
    ledger.stop()
    want = ledger.audit()
    other = restored(ledger, place, "other")
    with other.wire() as wire:
        assert wire.ok("balance", member="card:3").member == wire.ok("balance", member="card:3").member
        wire.ok("purchase", member="card:34", amount="5", key="after")
        assert wire.ok("purchase", member="card:3", amount="10", key="p3").replayed, "what was acknowledged is known there"
    other.stop()
    got = other.audit()
    expect(got, status="OK", transactions=want["transactions"] + 1)


if __name__ == "__main__":
    pass
