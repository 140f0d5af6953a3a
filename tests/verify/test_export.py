"""An exported log, verified by software that others wrote: main.go stands on golang.org/x/mod alone."""
import base64
import fcntl
import filecmp
import hashlib
import os
import random
import shutil
import subprocess

from case import long, plain_build, seconds
from files import Copy, flip_bit
from test_disk import fill, small_disk
from world import BUILD, Ledger, eventually, expect

VERIFY = os.path.join(BUILD, "verify-log")        # tests/run builds it
FULL = 256


def enrol(ledger, n, prefix):
    """So many transactions, one for each command."""
    with ledger.wire() as wire:
        for first in range(0, n, 60):
            for tag in [wire.start("enrol", member=f"{prefix}{i}", key=f"{prefix}{i}") for i in range(first, min(n, first + 60))]:
                wire.wait(tag)


def small(world, n=300):
    """A stopped ledger with a few files, and its export."""
    ledger = world.running()
    enrol(ledger, n, "m")
    ledger.stop()
    return ledger, export(ledger, world.path("export"))


def export(ledger, path, data=None, **options):
    result = ledger.cli("log", "export", data or ledger.data, path, **options)
    return result.json if result.code == 0 else result


def refused(ledger, path, words, code=1, **options):
    """The export is refused with these words, and leaves the directory as it was."""
    before = snapshot(path)
    result = export(ledger, path, code=code, **options)
    assert words in result.json["message"], f"\"{words}\" was to be said: {result}"
    assert snapshot(path) == before, "nothing is written"


def snapshot(path):
    return {name: read(os.path.join(path, name)) for name in files(path)}


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def files(path):
    """All of them, by their names from the top."""
    return sorted(os.path.relpath(os.path.join(top, name), path) for top, _, names in os.walk(path) for name in names)


def key_of(ledger):
    return ledger.cli("log", "key", ledger.data, json_output=False).out.strip()


def verify(key, path, old=None, code=0):
    done = subprocess.run([VERIFY, "-key", key, *(["-old", old] if old else []), path], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, f"exit {code} was to come, not {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def wanted(size):
    """The files of a log of this size, counted out by hand from the specification."""
    names = {"checkpoint"}
    for level in ("entries", "0", "1", "2"):
        n = size // FULL ** (0 if level == "entries" else int(level))
        names |= {f"tile/{level}/{i:03}" for i in range(n // FULL)}
        if n % FULL:
            names.add(f"tile/{level}/{n // FULL:03}.p/{n % FULL}")
    return names


def test_two_sizes_and_the_step_between_them(world):
    ledger = world.running()
    enrol(ledger, 700, "a")
    grown, old, fresh, again = (world.path(name) for name in ("grown", "old", "fresh", "again"))
    first = eventually(lambda: (lambda r: r if r["size"] == 702 else None)(export(ledger, grown)), "a checkpoint of all, beside the running daemon")
    shutil.copytree(grown, old)
    enrol(ledger, 2600, "b")
    ledger.stop()
    second = export(ledger, grown)
    expect(second, size=3302, tiles=2 * 13 + 1)
    key = key_of(ledger)
    assert "702 entries" in verify(key, old)
    for path in (fresh, again):
        one = export(ledger, path)
        expect(one, size=3302, root=second["root"], entries_bytes=second["entries_bytes"], written=len(wanted(3302)), kept=0)
    assert set(files(fresh)) == wanted(3302) and set(files(old)) == wanted(702)
    assert snapshot(fresh) == snapshot(again), "two exports of one size are equal"
    expect(export(ledger, again), written=0, kept=len(wanted(3302)))
    # an old partial tile stays until the full one is there: of level 1 it is still the only one
    assert set(files(grown)) == wanted(3302) | {"tile/1/000.p/2"}
    assert all(filecmp.cmp(os.path.join(grown, name), os.path.join(fresh, name), shallow=False) for name in wanted(3302))
    assert second["written"] == len(wanted(3302)) - 2 * 2, "the full tiles of the first export are kept"
    for path in (fresh, grown):
        assert "702 entries is its beginning" in verify(key, path, old)
    assert "has 3302 entries, and this one only 702" in verify(key, old, fresh, code=1)
    assert first["root"] != second["root"]
    # files that a client which proves a few entries never asks for
    for name in ("tile/0/005", "tile/0/003", "tile/entries/005", "tile/1/000.p/2"):
        whole = os.path.join(grown, name)
        data = read(whole)
        write(whole, damaged(data, len(data) // 2, 5))
        assert "it does not hold: " in verify(key, grown, code=1)
        os.unlink(whole)
        if name in wanted(3302):
            assert name in verify(key, grown, code=1)
        write(whole, data)
    bundle = b"".join(len(e).to_bytes(2, "big") + e for e in list(entries(read(os.path.join(grown, "tile/entries/012.p/230"))))[:9])
    for change, code in ((bundle, 0), (damaged(bundle, 40, 1), 1), (bundle + b"\0\1x", 1)):
        write(os.path.join(grown, "tile/entries/012.p/9"), change)
        verify(key, grown, code=code)


@long
@seconds(300)
def test_a_full_tile_of_level_1(world):
    ledger = world.running()
    enrol(ledger, FULL * FULL - 100, "a")
    path, old = world.path("export"), world.path("old")
    eventually(lambda: export(ledger, path)["size"] == FULL * FULL - 98, "a checkpoint of all")
    shutil.copytree(path, old)
    enrol(ledger, 300, "b")
    ledger.stop()
    size = export(ledger, path)["size"]
    assert size == FULL * FULL + 202 and set(files(path)) == wanted(size)
    assert f"{len(wanted(size)) - 1} tiles and bundles" in verify(key_of(ledger), path, old)


def entries(bundle):
    while bundle:
        end = 2 + int.from_bytes(bundle[:2], "big")
        yield bundle[2:end]
        bundle = bundle[end:]


def damaged(data, at, bit):
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1:]


def test_a_bit_in_any_file_is_seen(world):
    ledger, done = small(world)
    path, key, dice = world.path("export"), key_of(ledger), random.Random(4)
    verify(key, path)
    names = files(path)
    assert set(names) == wanted(done["size"]) and len(names) == 6
    for name in names:
        whole = os.path.join(path, name)
        data = read(whole)
        places = range(len(data)) if name == "checkpoint" else {0, 1, len(data) - 1, *(dice.randrange(len(data)) for _ in range(20))}
        changes = [damaged(data, at, dice.randrange(8)) for at in places]
        # the last character of a signature has bits that stand for nothing
        changes += [damaged(data, len(data) - back, bit) for back in (1, 2, 3) for bit in range(8)] if name == "checkpoint" else []
        if name.startswith("tile/entries/"):
            changes += [data[:-2 - len(list(entries(data))[-1])], data + b"\0\1x"]
        for change in [*changes, data[:-1], data + b"\0", b""]:
            write(whole, change)
            assert "it does not hold: " in verify(key, path, code=1)
        os.unlink(whole)
        assert os.path.basename(name) in verify(key, path, code=1)
        write(whole, data)
    verify(key, path)


def test_names_that_are_no_tiles_are_seen(world):
    ledger, _ = small(world, 20)
    path, key = world.path("export"), key_of(ledger)
    for name in ("tile/0/0", "tile/0/x000/000", "tile/data/000", "tile/entries/001.p/256", "tile/entries/000.p/01"):
        whole = os.path.join(path, name)
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        write(whole, bytes(32))
        assert "no part of a log" in verify(key, path, code=1)
        os.unlink(whole)
    verify(key, path)


def test_another_key_verifies_nothing(world):
    ledger, _ = small(world, 5)
    name, key_id, text = key_of(ledger).split("+", 2)
    public_key = base64.b64decode(text)
    assert (name, public_key[:1], len(public_key)) == (ledger.origin, b"\1", 33)
    assert key_id == hashlib.sha256(name.encode() + b"\n" + public_key).hexdigest()[:8]
    expect(ledger.cli("log", "key", ledger.data).json, origin=ledger.origin, key=key_of(ledger))
    other = Ledger(world, "other", "manual").init(origin=ledger.origin)
    assert key_of(other) != key_of(ledger)
    assert "no verifiable signatures" in verify(key_of(other), world.path("export"), code=1)


def test_an_export_is_mended_and_goes_on(world):
    ledger, done = small(world)
    path = world.path("export")
    good = snapshot(path)
    # it was interrupted: no checkpoint yet, a file half written, others missing
    os.unlink(os.path.join(path, "checkpoint"))
    os.unlink(os.path.join(path, "tile/entries/000"))
    write(os.path.join(path, ".tmp"), b"half")
    expect(export(ledger, path), written=2, kept=done["tiles"] - 1)
    assert snapshot(path) == good
    write(os.path.join(path, ".tmp"), b"half")
    expect(export(ledger, path), written=0)
    assert snapshot(path) == good
    # a disk that rots
    for name in ("tile/0/000", "tile/entries/001.p/46", "tile/1/000.p/1"):
        write(os.path.join(path, name), damaged(good[name], 17, 3))
    expect(export(ledger, path), written=3, kept=done["tiles"] - 2)
    assert snapshot(path) == good
    # partial tiles of earlier sizes: those of a full tile go, the others are made right
    for name in ("tile/0/000.p/7", "tile/entries/000.p/255", "tile/0/001.p/9", "tile/entries/001.p/45"):
        whole = os.path.join(path, name)
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        write(whole, b"rotten")
    export(ledger, path)
    assert set(files(path)) == set(good) | {"tile/0/001.p/9", "tile/entries/001.p/45"}
    assert "7 tiles and bundles" in verify(key_of(ledger), path)
    assert not os.path.exists(os.path.join(path, "tile/0/000.p"))


def test_a_directory_of_another_log_is_refused(world):
    ledger, _ = small(world, 20)
    path = world.path("export")
    for name, origin, words in (("b", "test.example/b", "is of another log than"), ("c", ledger.origin, "not signed by the key")):
        other = Ledger(world, name, "manual").init(origin)
        other.start()
        eventually(lambda: other.cli("dump", other.data, "checkpoint").lines, "a checkpoint")
        other.stop()
        refused(other, path, words)
    good = read(os.path.join(path, "checkpoint"))
    write(os.path.join(path, "checkpoint"), good[:-9])
    refused(ledger, path, "is no checkpoint")
    write(os.path.join(path, "checkpoint"), damaged(good, good.index(b"\n") + 1, 0))
    refused(ledger, path, "not signed by the key")
    write(os.path.join(path, "checkpoint"), good)
    os.makedirs(world.path("home"))
    write(world.path("home/letter"), b"dear")
    refused(ledger, world.path("home"), "is no export", code=2)
    assert "is no export" in export(ledger, ledger.data, code=2).json["message"]
    refused(ledger, path, "no data directory", code=2, data=world.path("home"))
    fd = os.open(path, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    refused(ledger, path, "another export", code=3)
    os.close(fd)
    expect(export(ledger, path), written=0)


def test_before_the_first_checkpoint_there_is_nothing_to_export(world):
    ledger = world.ledger()
    result = ledger.cli("log", "export", ledger.data, world.path("export"), code=3)
    assert "no published checkpoint yet" in result.json["message"] and not os.path.exists(world.path("export"))


def test_two_logs_that_parted_are_told_apart(world):
    ledger, _ = small(world, 40)
    copy = Copy(ledger)
    key = key_of(ledger)
    exports = []
    for name, launch, data, n in (("left", ledger.launch, ledger.data, 10), ("right", copy.launch, copy.data, 25)):
        daemon = launch().wait_ready()
        enrol(ledger, n, name)
        daemon.stop()
        exports.append(world.path(name))
        export(ledger, exports[-1], data=data)
        verify(key, exports[-1], world.path("export"))
    left, right = exports
    assert "is not the beginning" in verify(key, right, left, code=1)
    refused(ledger, left, "have parted", data=copy.data)
    refused(ledger, right, "an old copy, or another one", data=ledger.data)
    # a restored old copy, beside the head that was published: what it would show contradicts what others saw
    shutil.copy(ledger.head_lock, copy.head_lock)
    refused(ledger, world.path("export"), "does not have the head", data=copy.data)


def test_a_damaged_ledger_spoils_no_good_export(world):
    ledger, _ = small(world)
    path, key = world.path("export"), key_of(ledger)
    leaf = list(read_leaves(path))[100]
    flip_bit(ledger.data, leaf, len(leaf) // 2)
    refused(ledger, path, "do not give the root")
    verify(key, path)
    result = export(ledger, world.path("new"), code=1)
    assert "do not give the root" in result.json["message"] and "checkpoint" not in files(world.path("new"))
    flip_bit(ledger.data, leaf[:len(leaf) // 2] + bytes([leaf[len(leaf) // 2] ^ 1]) + leaf[len(leaf) // 2 + 1:], len(leaf) // 2)
    export(ledger, world.path("new"))
    assert snapshot(world.path("new")) == snapshot(path), "what the damage left there is replaced"


def read_leaves(path):
    for name in sorted(n for n in files(path) if n.startswith("tile/entries/")):
        yield from entries(read(os.path.join(path, name)))


@plain_build
def test_a_full_disk_is_told_and_the_rest_follows(world):
    ledger, done = small(world)
    with small_disk(world, 1) as disk:
        path = os.path.join(disk, "export")
        ballast = fill(disk, 90 * 1024)
        result = export(ledger, path, code=5)
        assert "no space left" in result.json["message"], result
        assert "checkpoint" not in files(path)
        os.unlink(ballast)
        again = export(ledger, path)
        assert 0 < again["kept"] < done["tiles"], again
        assert snapshot(path) == snapshot(world.path("export"))
