"""fealty backup and restore, from outside: what is in a backup, what is found in a damaged one, and what a restore refuses: packaging/BACKUP.md."""
import hashlib
import os
import shutil
import stat
import subprocess
import threading
import time

import programs
from case import long, plain_build, seconds, tell
from test_disk import MIB, fill, free_bytes, small_disk
from test_keys import rotate
from test_privacy import turn
from test_witness import begin, enrol as enrol_some, port, served_with
from wire import keyless
from world import BUILD, FEALTY, Ledger, eventually, expect, run_fealty

# Ends the process before the Nth call that changes something in a directory.
KILL_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
static int calls;
static void
count(void)
{
    if (++calls == atoi(getenv("KILL_AT")))
        kill(getpid(), SIGKILL);
}
#define REAL(name, type) ((type)dlsym(RTLD_NEXT, name))
int mkdir(const char *p, mode_t m) { count(); return REAL("mkdir", int (*)(const char *, mode_t))(p, m); }
int rename(const char *a, const char *b) { count(); return REAL("rename", int (*)(const char *, const char *))(a, b); }
int renameat(int d, const char *a, int e, const char *b) { count(); return REAL("renameat", int (*)(int, const char *, int, const char *))(d, a, e, b); }
int unlink(const char *p) { count(); return REAL("unlink", int (*)(const char *))(p); }
int unlinkat(int d, const char *p, int f) { count(); return REAL("unlinkat", int (*)(int, const char *, int))(d, p, f); }
int fsync(int fd) { count(); return REAL("fsync", int (*)(int))(fd); }
int fdatasync(int fd) { count(); return REAL("fdatasync", int (*)(int))(fd); }
ssize_t write(int fd, const void *b, size_t n) { count(); return REAL("write", ssize_t (*)(int, const void *, size_t))(fd, b, n); }
"""


def backup(ledger, to, *words, code=0, **options):
    return ledger.cli("backup", "--data", ledger.data, "--to", to, *words, code=code, **options).json


def verify(ledger, place, code=0):
    return ledger.cli("backup", "--verify", place, code=code).json


def other_place(ledger, name, keys=True, head_lock=True):
    """Another machine: the keys, and unless there is none the head.lock, of the first."""
    other = Ledger(ledger.world, name, ledger.clock)
    other.origin, other.public_key = ledger.origin, ledger.public_key
    if keys:
        shutil.copytree(ledger.keys, other.keys)
    if head_lock and os.path.exists(ledger.head_lock):
        shutil.copy(ledger.head_lock, other.head_lock)
    return other


def restore(other, place, *words, code=0):
    return other.cli("restore", "--from", place, "--data", other.data, *words, code=code).json


def restored(ledger, place, name, *words):
    other = other_place(ledger, name)
    restore(other, place, *words)
    other.start()
    return other


def enrol(ledger, first, n, buy=True):
    with ledger.wire() as wire:
        for i in range(first, first + n):
            wire.ok("enrol", member=f"card:{i}", key=f"e{i}")
            if buy:
                wire.ok("purchase", member=f"card:{i}", amount="10", key=f"p{i}")


def files(place, kind=""):
    return sorted(n for n in os.listdir(place) if n.startswith(kind) and not n.startswith("manifest"))


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def head(ledger):
    size, root = read(ledger.head_lock).decode().split()
    return int(size), root


def table(ledger, name):
    return ledger.cli("dump", ledger.data, name).lines


def test_a_backup_restores_to_an_equal_ledger(world):
    ledger = world.running()
    place = world.path("backup")
    enrol(ledger, 0, 12)
    first = backup(ledger, place)
    expect(first, status="OK", origin=ledger.origin, added=first["size"])
    enrol(ledger, 12, 9)
    second = backup(ledger, place)
    expect(second, status="OK", added=18)
    expect(verify(ledger, place), status="OK", size=second["size"], root=second["root"], epoch=1)
    ledger.stop()
    want, rows, notes = ledger.audit(), table(ledger, "member"), table(ledger, "checkpoint")
    assert want["root"] == second["root"]
    other = other_place(ledger, "other")
    expect(restore(other, place), status="OK", size=second["size"], head_compared=True, lost_size="0")
    assert not os.path.exists(os.path.join(other.data, "loss.accepted"))
    other.start()
    other.stop()
    got = other.audit()
    same = ("origin", "transactions", "root", "entries", "members", "programs", "checkpoints", "keys")
    assert {k: got[k] for k in same} == {k: want[k] for k in same}
    assert table(other, "member") == rows and table(other, "checkpoint") == notes
    assert table(other, "alias") == table(ledger, "alias") and table(other, "person") == table(ledger, "person")
    other.start()
    with other.wire() as wire:
        expect(wire.ok("balance", member="card:20"), available="10")
        assert wire.ok("purchase", member="card:3", amount="10", key="p3").replayed, "what was acknowledged is known there"
        wire.ok("purchase", member="card:3", amount="10", key="after")
    other.stop()
    expect(other.audit(), status="OK", transactions=want["transactions"] + 1)


def test_nothing_new_is_nothing_written(world):
    ledger = world.running()
    place = world.path("backup")
    enrol(ledger, 0, 5)
    first = backup(ledger, place)
    before = files(place)
    again = backup(ledger, place)
    expect(again, added=0, size=first["size"], written=1)          # the manifest
    assert files(place) == before
    with ledger.wire() as wire:
        wire.ok("purchase", member="card:1", amount="10", key="one")
    third = backup(ledger, place)
    expect(third, added=1)
    assert files(place, "vault") == [n for n in before if n.startswith("vault")], "the vault has not changed"
    assert len(files(place, "ledger")) == 1, "a short file goes on"
    expect(verify(ledger, place), size=third["size"])


def test_only_the_owner_can_read_it(world):
    ledger = world.running()
    place = world.path("backup")
    enrol(ledger, 0, 2)
    os.umask(0)
    backup(ledger, place)
    assert stat.S_IMODE(os.stat(place).st_mode) == 0o700
    for name in os.listdir(place):
        assert stat.S_IMODE(os.stat(os.path.join(place, name)).st_mode) == 0o600, name
    for name in os.listdir(place):
        data = read(os.path.join(place, name))
        assert b"card:1" not in data
        for path in os.listdir(ledger.keys):
            assert read(os.path.join(ledger.keys, path)).strip() not in data, "no key is in a backup"


@seconds(120)
def test_under_load(world):
    """Backups while four tills write and the vault turns its epochs: each is whole, and the last has all that was acknowledged up to its size, and its
    members."""
    ledger = world.running(clock="real", at=None)
    place, stop, done, failures = world.path("backup"), threading.Event(), [], []

    def till(number):
        try:
            with ledger.wire(f"pos/0042/{number}") as wire:
                i = 0
                while not stop.is_set():
                    name = f"card:{number}-{i}"
                    wire.ok("enrol", member=name, key=f"e{number}-{i}")
                    reply = wire.ok("purchase", member=name, amount="10", key=f"p{number}-{i}")
                    done.append((int(reply.id.split(".")[0]), name, f"pos/0042/{number}", f"p{number}-{i}"))
                    i += 1
        except Exception as e:          # noqa: BLE001: told below
            failures.append(e)

    def keeper():
        try:
            while not stop.is_set():
                turns.append(turn(ledger)["epoch"])
        except Exception as e:          # noqa: BLE001: told below
            failures.append(e)

    turns = []
    threads = [*(threading.Thread(target=till, args=(n,)) for n in range(4)), threading.Thread(target=keeper)]
    for t in threads:
        t.start()
    sizes = [backup(ledger, place)["size"]]
    while len(sizes) < 4:
        eventually(lambda: failures or len(done) > 40 * len(sizes), "some purchases")
        assert not failures, failures
        sizes.append(backup(ledger, place)["size"])
        expect(verify(ledger, place), size=sizes[-1])
    stop.set()
    for t in threads:
        t.join()
    assert not failures, failures
    assert sizes == sorted(sizes) and len(set(sizes)) == 4, sizes
    ledger.daemon.kill()
    other = other_place(ledger, "other", head_lock=False)
    restore(other, place)
    other.start()
    with other.wire() as wire:
        for seq, name, _, key in done:
            if seq < sizes[-1]:
                expect(wire.ok("balance", member=name), available="10")
    for principal in {p for _, _, p, _ in done}:
        with other.wire(principal) as wire:
            for seq, name, by, key in done:
                if by == principal and seq < sizes[-1]:
                    assert wire.ok("purchase", member=name, amount="10", key=key).replayed
    other.stop()
    expect(other.audit(), status="OK", transactions=sizes[-1])
    assert len(turns) > 1, turns
    tell(f"{len(sizes)} backups beside {len(done)} purchases and {len(turns)} turns of the epoch")


def killer(world):
    source, library = world.write("kill.c", KILL_SOURCE), world.path("kill.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return lambda at: {"LD_PRELOAD": library, "KILL_AT": str(at)}


@plain_build
@seconds(120)
def test_killed_at_every_step(world):
    """The former backup stays whole whatever step a run is killed at, and the next one goes on."""
    ledger = world.running()
    enrol(ledger, 0, 4)
    env, first = killer(world), world.path("first")
    size = backup(ledger, first)["size"]
    enrol(ledger, 4, 4)
    eventually(lambda: head(ledger)[0] == size + 8, "the checkpoint of all")
    words = ["backup", "--data", ledger.data, "--to"]
    steps = 0
    while True:
        steps += 1
        for place in (world.path("again"), world.path("fresh")):
            shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(first, world.path("again"))
        done = [run_fealty([*words, world.path(n), "--json"], env=env(steps), check=False).code for n in ("again", "fresh")]
        assert all(c in (0, -9) for c in done), done
        expect(verify(ledger, world.path("again")), status="OK")
        if done == [0, 0]:
            break
        for name in ("again", "fresh"):
            expect(backup(ledger, world.path(name)), size=size + 8)
            expect(verify(ledger, world.path(name)), size=size + 8)
            assert not [n for n in os.listdir(world.path(name)) if n.startswith(".") or n == "manifest.partial"]
    assert steps > 10, steps
    tell(f"killed before each of {steps - 1} calls")


@plain_build
@seconds(120)
def test_a_restore_that_is_killed_leaves_no_directory_to_start_on(world):
    ledger = world.running()
    enrol(ledger, 0, 4)
    place, env = world.path("backup"), killer(world)
    size = backup(ledger, place)["size"]
    steps = 0
    while True:
        steps += 1
        data = world.path(f"other{steps}")
        code = run_fealty(["restore", "--from", place, "--data", data, "--json"], env=env(steps), check=False).code
        if code == 0:
            break
        assert code == -9, code
        if os.path.exists(data):         # after its name it is whole
            expect(ledger.cli("audit", data, "--no-state").json, transactions=size)
            continue
        expect(ledger.cli("restore", "--from", place, "--data", data).json, size=size)
        assert not os.path.exists(data + ".restoring")
    assert steps > 20, steps
    tell(f"killed before each of {steps - 1} calls")


def damages(data):
    yield "a bit", data[:len(data) // 2] + bytes([data[len(data) // 2] ^ 4]) + data[len(data) // 2 + 1:]
    yield "the first bit", bytes([data[0] ^ 1]) + data[1:]
    yield "the last bit", data[:-1] + bytes([data[-1] ^ 0x80])
    yield "cut short", data[:-7]
    yield "empty", b""
    yield "longer", data + b"x"
    yield "missing", None


@seconds(120)
def test_damage_in_any_file_is_named(world):
    ledger, _, _ = begin(world, 1)
    enrol_some(ledger, 10)
    eventually(lambda: table(ledger, "cosignature"), "a cosignature")
    place = world.path("backup")
    size = backup(ledger, place)["size"]
    assert {n.split("-")[0] for n in files(place)} == {"ledger", "vault", "cosignatures"}
    n = 0
    for name in [*files(place), "manifest"]:
        data = read(os.path.join(place, name))
        for what, damaged in damages(data):
            if damaged is None:
                os.unlink(os.path.join(place, name))
            else:
                write(os.path.join(place, name), damaged)
            code = 2 if (name, damaged) == ("manifest", None) else 1
            other = world.path("other")
            for words in (["backup", "--verify", place], ["restore", "--from", place, "--data", other]):
                found = ledger.cli(*words, code=code).json
                assert name in found["message"], (name, what, found)
                assert code == 2 or (found["file"] == name and found["status"] == "DATA_LOSS"), (name, what, found)
                if name.startswith("ledger") and what in ("a bit", "cut short"):
                    assert 0 <= found["seq"] <= size, (what, found)
                assert not os.path.exists(other) and not os.path.exists(other + ".restoring")
                n += 1
            write(os.path.join(place, name), data)
    expect(verify(ledger, place), status="OK")
    tell(f"{n} looks at damaged files")


def test_the_transaction_that_is_damaged_is_named(world):
    """Also when somebody made the sums right."""
    ledger = world.running()
    enrol(ledger, 0, 10)
    place = world.path("backup")
    backup(ledger, place)
    (name,) = files(place, "ledger")
    leaf = list(ledger.leaves())[7]
    data = read(os.path.join(place, name))
    at = data.index(leaf) + len(leaf) // 2
    write(os.path.join(place, name), data[:at] + bytes([data[at] ^ 1]) + data[at + 1:])
    found = verify(ledger, place, code=1)
    assert found["seq"] == 7 and found["file"] == name and "transaction 7" in found["message"], found
    # a manifest that agrees
    changed = read(os.path.join(place, name))
    sha = hashlib.sha256(changed).hexdigest()
    new = f"{name[:-16]}{sha[:16]}"
    os.rename(os.path.join(place, name), os.path.join(place, new))
    lines = read(os.path.join(place, "manifest")).decode().splitlines()[:-1]
    lines = [f"file {new} {len(changed)} {sha}" if f" {name} " in line else line for line in lines]
    text = "".join(line + "\n" for line in lines)
    write(os.path.join(place, "manifest"), (text + f"sum {hashlib.sha256(text.encode()).hexdigest()}\n").encode())
    found = verify(ledger, place, code=1)
    assert found["seq"] == 7 and found["file"] == new, found
    found = ledger.cli("restore", "--from", place, "--data", world.path("other"), code=1).json
    assert found["seq"] == 7, found


def test_a_ledger_that_does_not_verify_is_not_backed_up(world):
    from files import Copy, flip_bit
    ledger = world.running()
    enrol(ledger, 0, 6)
    place = world.path("backup")
    size = backup(ledger, place)["size"]
    before = read(os.path.join(place, "manifest"))
    enrol(ledger, 6, 6)
    leaf = list(ledger.leaves())[size + 3]
    ledger.stop()
    copy = Copy(ledger)
    flip_bit(copy.data, leaf, leaf.index(b"card") if b"card" in leaf else len(leaf) // 2)
    found = ledger.cli("backup", "--data", copy.data, "--to", place, "--head-lock", ledger.head_lock, code=1).json
    expect(found, status="DATA_LOSS", seq=size + 3)
    assert read(os.path.join(place, "manifest")) == before
    expect(verify(ledger, place), size=size)


def test_a_place_that_is_none(world):
    ledger = world.running()
    enrol(ledger, 0, 2)
    inside = os.path.join(ledger.data, "backup")
    assert "inside the data directory" in backup(ledger, inside, code=2)["message"]
    assert "inside the data directory" in backup(ledger, ledger.data, code=2)["message"]
    assert not os.path.exists(inside)
    link = world.path("link")
    os.symlink(ledger.data, link)
    assert "inside the data directory" in backup(ledger, os.path.join(link, "b"), code=2)["message"]
    os.mkdir(world.path("full"))
    write(world.path("full/holiday.jpg"), b"x")
    assert "no backup" in backup(ledger, world.path("full"), code=2)["message"]
    assert os.listdir(world.path("full")) == ["holiday.jpg"]
    write(world.path("file"), b"x")
    backup(ledger, world.path("file"), code=2)
    backup(ledger, world.path("no/such/parent"), code=2)
    ledger.cli("backup", "--data", world.path("nothing"), "--to", world.path("b"), code=2)
    ledger.cli("backup", "--verify", world.path("full"), code=2)
    ledger.cli("backup", "--verify", world.path("nothing"), code=2)
    ledger.cli("backup", "--to", world.path("b"), code=2)
    ledger.cli("backup", "--verify", world.path("b"), "--to", world.path("b"), code=2)
    place = world.path("backup")
    backup(ledger, place)
    for data in (world.path("full"), ledger.data, world.path("file")):
        found = ledger.cli("restore", "--from", place, "--data", data, code=2).json
        assert "writes over nothing" in found["message"], found
    os.mkdir(world.path("empty"))
    expect(ledger.cli("restore", "--from", place, "--data", world.path("empty") + "/").json, status="OK")
    for words in (["--reason", "x"], ["--accept-loss-from", "x"], ["--accept-loss-from", "3"], ["--accept-loss-from", "3", "--reason", "No Way"],
                  ["--accept-loss-from", "3", "--reason", "fire", "--as", "pos/1/1"]):
        ledger.cli("restore", "--from", place, "--data", world.path("new"), *words, code=2)


def test_somebody_elses_backup(world):
    ledger, other = world.running(name="a"), world.running(name="b")
    enrol(ledger, 0, 3)
    enrol(other, 0, 3)
    place = world.path("backup")
    backup(ledger, place)
    before = read(os.path.join(place, "manifest"))
    assert "is a backup of test.example/a" in backup(other, place, code=1)["message"]
    # an older copy of the same ledger, and one that parted from it
    ledger.stop()
    shutil.copytree(ledger.data, world.path("older"))
    ledger.start()
    enrol(ledger, 3, 3)
    backup(ledger, place)
    before = read(os.path.join(place, "manifest"))
    found = ledger.cli("backup", "--data", world.path("older"), "--to", place, code=1).json
    assert "older copy" in found["message"], found
    ledger.stop()
    fork = other_place(ledger, "fork", head_lock=False)
    shutil.copytree(world.path("older"), fork.data)
    fork.start()
    enrol(fork, 100, 9)
    eventually(lambda: os.path.exists(fork.head_lock) and head(fork)[0] > 20, "its head")
    assert "parted" in backup(fork, place, code=1)["message"]
    assert read(os.path.join(place, "manifest")) == before
    expect(verify(ledger, place), status="OK")


@plain_build
@seconds(90)
def test_a_full_disk_leaves_the_former_backup(world):
    with small_disk(world, 8) as disk:
        ledger = world.running()
        enrol(ledger, 0, 5)
        place = os.path.join(disk, "backup")
        size = backup(ledger, place)["size"]
        before = sorted(os.listdir(place))
        with ledger.wire() as wire:
            wire.batch([keyless("enrol", member=f"many:{i}") for i in range(500)], key="many")
        ballast = fill(disk, 16384)
        found = backup(ledger, place, code=5)
        assert "no space" in found["message"], found
        assert sorted(os.listdir(place)) == before
        expect(verify(ledger, place), size=size)
        os.unlink(ballast)
        more = backup(ledger, place)
        assert more["size"] > size
        expect(verify(ledger, place), size=more["size"])
        # and a restore
        fill(disk, 64 * 1024)
        found = ledger.cli("restore", "--from", place, "--data", os.path.join(disk, "r"), code=5).json
        assert "no space" in found["message"] and not os.path.exists(os.path.join(disk, "r")), found
        assert free_bytes(disk) >= 32 * 1024 and MIB
        ledger.stop()


def test_keys_and_epochs_that_change_between_runs(world):
    ledger = world.running()
    place = world.path("backup")
    enrol(ledger, 0, 3)
    backup(ledger, place)
    rotate(ledger, "transaction")
    enrol(ledger, 3, 3)
    expect(backup(ledger, place), status="OK", epoch=1)
    rotate(ledger, "checkpoint")
    expect(turn(ledger), epoch=2)
    enrol(ledger, 6, 3)
    expect(backup(ledger, place), status="OK", epoch=2)
    enrol(ledger, 9, 3)
    last = backup(ledger, place)
    expect(verify(ledger, place), size=last["size"], epoch=2)
    ledger.stop()
    other = restored(ledger, place, "other")
    with other.wire() as wire:
        for i in range(12):
            expect(wire.ok("balance", member=f"card:{i}"), available="10")
    expect(turn(other), epoch=3)
    other.stop()
    expect(other.audit(), status="OK", transactions=last["size"])


def test_checkpoints_and_cosignatures_come_along(world):
    ledger, (w,), _ = begin(world, 1)
    where, place = port(ledger), world.path("backup")
    for part in range(3):
        served_with(where, enrol_some(ledger, 3, f"{part}-"), w)
        backup(ledger, place)
    eventually(lambda: len(table(ledger, "cosignature")) >= 3, "cosignatures")
    ledger.stop()
    backup(ledger, place)
    other = other_place(ledger, "other")
    restore(other, place)
    assert table(other, "cosignature") == table(ledger, "cosignature") and table(other, "checkpoint") == table(ledger, "checkpoint")
    expect(other.audit(), status="OK")


def test_who_was_erased_stays_so(world):
    """A backup from before an erasure, when the key of its epoch is destroyed: nobody can be read in it, and its daemon does not start."""
    ledger = world.running(programs.PLAIN, "--erasure-days", "0")
    enrol(ledger, 0, 4)
    older, newer = world.path("older"), world.path("newer")
    expect(backup(ledger, older), epoch=1)
    with ledger.wire() as wire:
        wire.ok("erase", member="card:2", key="erase")
    turn(ledger)
    eventually(lambda: not os.path.exists(os.path.join(ledger.keys, "vault.1.key")), "the end of the first epoch's key")
    expect(backup(ledger, newer), epoch=2)
    ledger.stop()
    other = other_place(ledger, "older-data", head_lock=False)
    restore(other, older)
    said = other.start_refused()
    assert "vault.1.key is not there" in said, said
    other = restored(ledger, newer, "newer-data")
    with other.wire() as wire:
        wire.refused("NOT_FOUND", "balance", member="card:2")
        expect(wire.ok("balance", member="card:3"), available="10")
    other.stop()
    expect(other.audit(), status="OK")


# ---- forks ----

def behind(world):
    """A ledger that has published more than its backup has, stopped; and the backup, with its size."""
    ledger = world.running()
    place = world.path("backup")
    enrol(ledger, 0, 5)
    size = backup(ledger, place)["size"]
    enrol(ledger, 5, 5)
    ledger.stop()
    assert head(ledger)[0] == size + 10
    return ledger, place, size


def test_a_loss_is_refused(world):
    ledger, place, size = behind(world)
    other = other_place(ledger, "other")
    found = restore(other, place, code=1)
    assert f"published {size + 10}" in found["message"] and f"--accept-loss-from {size}" in found["message"], found
    assert not os.path.exists(other.data) and not os.path.exists(other.data + ".restoring")
    accept = ["--accept-loss-from", size, "--reason", "disk_lost", "--as", "operator/kim"]
    wrong = ["--accept-loss-from", size + 1, "--reason", "disk_lost", "--as", "operator/kim"]
    assert "the loss would be from" in restore(other, place, *wrong, code=2)["message"]
    write(other.head_lock, b"rubbish\n")
    assert "cannot be read" in restore(other, place, *accept, code=2)["message"]
    # without a head.lock nothing can be compared, and nothing accepted
    os.unlink(other.head_lock)
    assert "nothing says" in restore(other, place, *accept, code=2)["message"]
    expect(restore(other, place), head_compared=False)
    # then the daemon finds it out, and says how to go on
    shutil.copy(ledger.head_lock, other.head_lock)
    assert "fealty restore" in other.start_refused()
    # nothing is lost: nothing can be accepted
    backup(ledger, place)
    third = other_place(ledger, "third")
    assert "nothing is lost" in restore(third, place, "--accept-loss-from", size + 10, "--reason", "x", "--as", "operator/kim", code=2)["message"]


def test_an_accepted_loss_is_in_the_ledger(world):
    ledger, place, size = behind(world)
    lost = head(ledger)
    other = other_place(ledger, "other")
    expect(restore(other, place, "--accept-loss-from", size, "--reason", "disk_lost", "--as", "operator/kim"), size=size, lost_size=lost[0])
    assert os.path.exists(os.path.join(other.data, "loss.accepted"))
    other.start()
    assert "ledger.loss_recorded" in other.daemon.log()
    eventually(lambda: head(other)[0] == size + 1, "head.lock goes on from there")
    eventually(lambda: not os.path.exists(os.path.join(other.data, "loss.accepted")), "the order is carried out")
    with other.wire() as wire:
        wire.ok("purchase", member="card:1", amount="10", key="after")
        wire.refused("NOT_FOUND", "balance", member="card:7")
    entry = next(e for e in other.books().entries() if e[1].inputs.WhichOneof("op") == "restore")[1]
    assert entry.principal == "operator/kim" and entry.inputs.restore.reason == "disk_lost"
    assert (entry.inputs.restore.lost_size, entry.inputs.restore.lost_root.hex()) == lost
    assert "disk_lost" in other.cli("transaction", size, json_output=False).out
    other.restart()
    other.stop()
    found = other.audit()
    expect(found, status="OK", transactions=size + 2)
    expect(found["losses"][0], seq=size, lost_size=lost[0], lost_root=lost[1], principal="operator/kim", reason="disk_lost")
    assert len(found["losses"]) == 1
    told = other.cli("audit", other.data, json_output=False).out
    assert f"a backup of {size} transactions was restored when {lost[0]} had been published; operator/kim accepted that (disk_lost)" in told, told
    expect(ledger.audit(), losses=[])
    # whoever saw more is told; and the former ledger's files cannot go on either
    other.start()
    other.stop()
    shutil.copy(other.head_lock, ledger.head_lock)
    assert "does not contain the head" in ledger.start_refused()


@plain_build
def test_an_acceptance_survives_a_crash(world):
    """Killed when the entry is in the ledger and head.lock still has the head that is lost: it is recorded once."""
    ledger, place, size = behind(world)
    other = other_place(ledger, "other")
    restore(other, place, "--accept-loss-from", size, "--reason", "disk_lost", "--as", "operator/kim")
    old_head, order = read(other.head_lock), read(os.path.join(other.data, "loss.accepted"))
    other.start()
    other.daemon.kill()
    write(other.head_lock, old_head)
    write(os.path.join(other.data, "loss.accepted"), order)
    other.start()
    other.stop()
    expect(other.audit(), transactions=size + 1)
    # the order of another loss is none
    write(other.head_lock, old_head[:-3] + (b"00" if old_head[-3:-1] != b"00" else b"11") + b"\n")
    write(os.path.join(other.data, "loss.accepted"), order)
    assert "does not contain the head" in other.start_refused()
    # nor is one that was changed
    write(other.head_lock, old_head)
    write(os.path.join(other.data, "loss.accepted"), order + b" ")
    assert "does not contain the head" in other.start_refused()


def test_a_fork_of_the_same_size_is_a_loss_too(world):
    ledger, place, size = behind(world)
    fork = other_place(ledger, "fork", head_lock=False)
    restore(fork, place)
    fork.start()
    enrol(fork, 50, 10)
    fork.stop()
    forked = world.path("forked")
    backup(fork, forked)
    other = other_place(ledger, "other")
    found = restore(other, forked, code=1)
    assert "another history" in found["message"], found
    expect(restore(other, forked, "--accept-loss-from", size + 20, "--reason", "kept_the_fork", "--as", "operator/kim"), lost_size=size + 10)
    other.start()
    other.stop()
    expect(other.audit()["losses"][0], seq=size + 20, lost_size=size + 10)


# ---- long ----

@long
def test_without_a_checkpoint_it_waits_and_says_so(world):
    """A daemon that died within the second: nobody has signed what it wrote last."""
    ledger = world.running()
    place = world.path("backup")
    enrol(ledger, 0, 2)
    size = backup(ledger, place)["size"]

    def newest():
        return max(int(row["key"]) for row in table(ledger, "checkpoint"))
    for i in range(20):
        enrol(ledger, 10 + i, 1)
        ledger.daemon.kill()
        if newest() < ledger.audit("--no-state")["transactions"]:
            break
        ledger.start()
    else:
        raise AssertionError("it was never killed in between")
    found = backup(ledger, place, code=3)
    assert "have no checkpoint" in found["message"], found
    expect(verify(ledger, place), size=size)
    ledger.start()
    assert backup(ledger, place)["size"] > size
    expect(verify(ledger, place), status="OK")


@long
@plain_build
@seconds(540)
def test_many_transactions(world):
    """A hundred thousand: how fast, how it goes on when it is killed, and how long a restore takes."""
    ledger = world.running(clock="real", at=None)
    bench = os.path.join(BUILD, "tools", "fealty-bench")
    begun = time.monotonic()
    subprocess.run([bench, "-a", ledger.address, "-n", "100000", "-m", "1000", "-c", "32", "-d", "16"], check=True, stdout=subprocess.DEVNULL)
    written = time.monotonic() - begun
    place = world.path("backup")
    words = [FEALTY, "backup", "--data", ledger.data, "--to", place]
    cut = subprocess.Popen(words)
    eventually(lambda: os.path.exists(os.path.join(place, "manifest.partial")) or cut.poll() is not None, "the first file", seconds=120)
    cut.kill()
    assert cut.wait() != 0, "it was to be killed"
    done = backup(ledger, place, seconds=300)
    assert done["added"] < done["size"], "it goes on where it was"
    whole = backup(ledger, world.path("whole"), seconds=300)
    tell(f"{whole['size']} transactions written in {written:.1f} s; backup of {whole['bytes'] / MIB:.1f} MB in {whole['seconds']:.1f} s by one thread: "
         f"{whole['size'] / whole['seconds']:.0f} transactions/s, {whole['bytes'] / MIB / whole['seconds']:.1f} MB/s; after a kill {done['added']} were left")
    looked = ledger.cli("backup", "--verify", place, seconds=300).json
    expect(looked, size=whole["size"], root=whole["root"])
    ledger.stop()
    other = other_place(ledger, "other")
    made = other.cli("restore", "--from", place, "--data", other.data, seconds=300).json
    begun = time.monotonic()
    other.start()
    rebuilt = time.monotonic() - begun
    other.stop()
    expect(other.cli("audit", other.data, "--hashes-only").json, transactions=whole["size"])
    tell(f"verified in {looked['seconds']:.1f} s, restored in {made['seconds']:.1f} s, state rebuilt in {rebuilt:.1f} s: "
         f"{whole['size'] / rebuilt:.0f} transactions/s")
