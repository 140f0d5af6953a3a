#!/usr/bin/python3
"""A disk as a power loss may leave it: from what record.c wrote down, images of the files at any moment of it.

    disk.py RECORDING IMAGE DIRECTORY     makes one image again; RECORDING is what a case kept, IMAGE what it called the one that failed

The model, which is POSIX and not more; ext4 with data=ordered promises more than this, so it never leaves anything that is not among these images:

  - A file's bytes are durable when an fsync or fdatasync of that file began after they were written and is over, or when they were written through
    O_DSYNC and that write is over.  Syncing one file says nothing of another, nor of any name.
  - Of the bytes that are not durable each sector of 512 bytes is there as it was after any one of the writes to it since, or as it was before them.  A
    sector is never half of anything: LMDB builds on that too, with its meta page.
  - A file's length is one that it had since it was last durable.  Where no write has come yet, and the length has, there are zeroes.
  - What happens to names is durable when an fsync of their directory began after it and is over.  Before that each may be there without the others:
    a name that was made, moved or removed.  One rename is there wholly or not at all, and what is moved or linked is the file, whatever it was called.
  - A crash of the process alone takes nothing away: the image is everything up to then.

lock.mdb is written through a map, which nobody sees: its bytes are made up, zeroes or noise.  Modes are not recorded: files are their owner's only.
"""
import hashlib
import os
import random
import struct
import sys
from typing import NamedTuple

SECTOR = 512
START, OPEN, CLOSE, WRITE, WRITTEN, SYNC, TRUNCATE, MKDIR, RMDIR, UNLINK, RENAME, LINK = range(1, 13)
HEADER_BYTES = 4096
RECORD = struct.Struct("<IIIiIIIIQQ")
COUNTERS = struct.Struct("<QQII")
MAPPED = "lock.mdb"                     # LMDB writes it through a map
SOCKET = ".sock"


class Record(NamedTuple):
    kind: int
    fd: tuple                           # of which process, and its number
    flags: int
    a: int
    path: str
    to: str
    data: bytes


def read_log(path):
    """All records, in order."""
    with open(path, "rb") as f:
        count, used, _, _ = COUNTERS.unpack(f.read(COUNTERS.size))
        f.seek(HEADER_BYTES)
        data = f.read(used)
    records, at = [], 0
    while at < used:
        length, kind, pid, fd, flags, path_bytes, to_bytes, _, a, data_bytes = RECORD.unpack_from(data, at)
        start = at + RECORD.size
        path, to = data[start:start + path_bytes], data[start + path_bytes:start + path_bytes + to_bytes]
        start += path_bytes + to_bytes
        records.append(Record(kind, (pid, fd), flags, a, path.decode(), to.decode(), data[start:start + data_bytes]))
        at += length
    assert len(records) == count, (len(records), count)
    return records


def put_sector(content, n, sector):
    """Into a bytearray that grows as needed."""
    if len(content) < n * SECTOR:
        content.extend(bytes(n * SECTOR - len(content)))
    content[n * SECTOR:(n + 1) * SECTOR] = sector


class File:
    """Its bytes as the kernel shows them, as they are durable, and what of each sector came between."""

    def __init__(self, content=b""):
        self.live = bytearray(content)
        self.durable = bytearray(content)       # may go on behind the durable length, with sectors that came before it
        self.size = len(content)
        self.pending = {}               # sector -> [(record, bytes)]
        self.sizes = []                 # [(record, size)]

    def _note(self, number, first, last):
        for n in range(first, last):
            self.pending.setdefault(n, []).append((number, bytes(self.live[n * SECTOR:(n + 1) * SECTOR]).ljust(SECTOR, b"\0")))

    def write(self, number, at, data):
        end = at + len(data)
        if end > len(self.live):
            self.live.extend(bytes(end - len(self.live)))
            self.sizes.append((number, end))
        self.live[at:end] = data
        self._note(number, at // SECTOR, (end + SECTOR - 1) // SECTOR)

    def truncate(self, number, size):
        before = len(self.live)
        if size < before:
            del self.live[size:]
            self._note(number, size // SECTOR, (before + SECTOR - 1) // SECTOR)
        else:
            self.live.extend(bytes(size - before))
        self.sizes.append((number, size))

    def sync(self, before, only=None):
        """Durable: the records below ${before}; of them only ${only}'s sectors, when it is given."""
        for n, versions in list(self.pending.items()):
            if only is not None and all(number != only for number, _ in versions):
                continue
            durable = [version for number, version in versions if number < before]
            if durable:
                put_sector(self.durable, n, durable[-1])
                self.pending[n] = [v for v in versions if v[0] >= before]
                if not self.pending[n]:
                    del self.pending[n]
        if only is None or any(number == only for number, _ in self.sizes):
            for number, size in self.sizes:
                if number < before:
                    self.size = size
            self.sizes = [s for s in self.sizes if s[0] >= before]

    def numbers(self):
        return {number for versions in self.pending.values() for number, _ in versions} | {number for number, _ in self.sizes}

    def image(self, keep):
        size = self.size
        for number, one in self.sizes:
            if keep(number, "size"):
                size = one
        content = bytearray(self.durable)
        for n, versions in self.pending.items():
            there = [version for number, version in versions if keep(number, n)]
            if there:
                put_sector(content, n, there[-1])
        return bytes(content[:size]).ljust(size, b"\0")


class Directory:
    def __init__(self):
        self.live, self.durable = {}, {}
        self.pending = []               # [(record, removed name or None, added name or None, what)]

    def change(self, number, removed, added, what=None):
        if removed is not None:
            del self.live[removed]
        if added is not None:
            self.live[added] = what
        self.pending.append((number, removed, added, what))

    def sync(self, before):
        self.durable = self.names(lambda number, _: number < before)
        self.pending = [p for p in self.pending if p[0] >= before]

    def numbers(self):
        return {p[0] for p in self.pending}

    def names(self, keep):
        names = dict(self.durable)
        for number, removed, added, what in self.pending:
            if keep(number, "name"):
                names.pop(removed, None)
                if added is not None:
                    names[added] = what
        return names


class Disk:
    """The files below ${root} (a path as the recording has it), first as they are in ${initial}, then record by record."""

    def __init__(self, initial, root):
        self.root = root
        self.files = []                 # all that ever were
        self.top = self._load(initial)
        self.descriptors = {}
        self.number = 0                 # records that were played

    def _load(self, path):
        directory = Directory()
        self.files.append(directory)
        for entry in os.scandir(path):
            if entry.name.endswith(SOCKET):
                continue
            if entry.is_dir():
                directory.live[entry.name] = self._load(entry.path)
                continue
            with open(entry.path, "rb") as f:
                directory.live[entry.name] = File(f.read())
            self.files.append(directory.live[entry.name])
        directory.durable = dict(directory.live)
        return directory

    def _parent(self, path):
        *folders, name = os.path.relpath(os.path.normpath(path), self.root).split("/")
        directory = self.top
        for folder in folders:
            directory = directory.live[folder]
        return directory, name

    def _find(self, path):
        directory, name = self._parent(path)
        return directory if name == "." else directory.live.get(name)

    def _new(self, what):
        self.files.append(what)
        return what

    def _open(self, n, r):
        what = self._find(r.path)
        if what is None:
            assert r.flags & os.O_CREAT, r
            directory, name = self._parent(r.path)
            what = self._new(File())
            directory.change(n, None, name, what)
        elif r.flags & os.O_TRUNC:
            what.truncate(n, 0)
        self.descriptors[r.fd] = what

    def _rename(self, n, r):
        directory, name = self._parent(r.path)
        to, new_name = self._parent(r.to)
        assert to is directory, f"{r.path} goes to another directory: the model has no such rename"
        directory.change(n, name, new_name, directory.live[name])

    def play(self, r):
        n = self.number
        self.number += 1
        if r.kind == OPEN:
            self._open(n, r)
        elif r.kind == CLOSE:
            del self.descriptors[r.fd]
        elif r.kind == WRITE:
            self.descriptors[r.fd].write(n, r.a, r.data)
        elif r.kind == WRITTEN:
            self.descriptors[r.fd].sync(r.a + 1, only=r.a)
        elif r.kind == SYNC:
            self.descriptors[r.fd].sync(r.a)
        elif r.kind == TRUNCATE:
            self.descriptors[r.fd].truncate(n, r.a)
        elif r.kind == RENAME:
            self._rename(n, r)
        elif r.kind != START:
            self._name(n, r)

    def _name(self, n, r):
        directory, name = self._parent(r.to or r.path)
        if r.kind == MKDIR:
            directory.change(n, None, name, self._new(Directory()))
        elif r.kind == LINK:
            directory.change(n, None, name, self._find(r.path))
        elif not name.endswith(SOCKET):
            assert r.kind in (UNLINK, RMDIR), r
            directory.change(n, name, None)

    def pending(self):
        """The numbers of the records of which something is not durable."""
        return sorted(set().union(*(f.numbers() for f in self.files)))

    def owner_of(self, number):
        return next(i for i, f in enumerate(self.files) if number in f.numbers())

    def write(self, path, keep, dice):
        """The image that ${keep} (record, sector or "size" or "name") leaves; ${path} must not be there."""
        self._write(self.top, path, keep, dice)

    def _write(self, directory, path, keep, dice):
        os.mkdir(path, 0o700)
        for name, what in directory.names(keep).items():
            below = os.path.join(path, name)
            if isinstance(what, Directory):
                self._write(what, below, keep, dice)
                continue
            content = what.image(keep)
            if name == MAPPED and dice.random() < 0.3:
                content = dice.randbytes(len(content))
            with open(os.open(below, os.O_WRONLY | os.O_CREAT, 0o400 if name.endswith(".key") else 0o600), "wb") as f:
                f.write(content)

    def differences(self, path, directory=None, name="."):
        """Where the files below ${path} are not what was recorded."""
        directory = self.top if directory is None else directory
        there = {e for e in os.listdir(path) if not e.endswith(SOCKET)}
        found = [f"{name}/{n} is in one of them only" for n in there ^ set(directory.live)]
        for n in there & set(directory.live):
            below, what = os.path.join(path, n), directory.live[n]
            if isinstance(what, Directory):
                found += self.differences(below, what, f"{name}/{n}")
                continue
            with open(below, "rb") as f:
                content = f.read()
            if len(content) != len(what.live) if n == MAPPED else content != what.live:
                found.append(f"{name}/{n} has other bytes ({len(content)}, recorded {len(what.live)})")
        return found


# ---- what of the pending is there ----

KINDS = ("killed", "none", "all", "prefix", "all-but-one", "only-one", "only-last", "late", "half", "few", "most", "torn", "torn-last", "file", "names",
         "no-names", "lengths")


def chooser(kind, disk, dice):
    """keep(record, part) for Disk.write()."""
    pending = disk.pending()
    one = dice.choice(pending) if pending else 0
    last = pending[-1] if pending else 0
    seed = dice.randbytes(8)

    def chance(p, *what):
        digest = hashlib.blake2b(repr(what).encode(), key=seed, digest_size=4).digest()
        return int.from_bytes(digest, "big") < p * 2**32
    if kind == "file":
        owners = {n: disk.owner_of(n) for n in pending}
        return lambda n, part: chance(0.5, owners[n])
    return {
        "killed": lambda n, part: True,
        "none": lambda n, part: False,
        "all": lambda n, part: True,
        "prefix": lambda n, part: n < one,
        "all-but-one": lambda n, part: n != one,
        "only-one": lambda n, part: n == one,
        "only-last": lambda n, part: n == last,
        "late": lambda n, part: n >= one,
        "half": lambda n, part: chance(0.5, n),
        "few": lambda n, part: chance(0.1, n),
        "most": lambda n, part: chance(0.9, n),
        "torn": lambda n, part: chance(0.5, n, part),
        "torn-last": lambda n, part: n != last or chance(0.5, n, part),
        "names": lambda n, part: part == "name",
        "no-names": lambda n, part: part != "name",
        "lengths": lambda n, part: part in ("name", "size"),
    }[kind]


class Image(NamedTuple):
    """Everything that makes one again from a recording: after how many records, what of the rest, and by which dice."""
    at: int
    kind: str
    seed: int

    def __str__(self):
        return f"{self.at}:{self.kind}:{self.seed}"

    def write(self, disk, path):
        assert disk.number == self.at
        dice = random.Random(f"{self}")
        disk.write(path, chooser(self.kind, disk, dice), dice)


def image_of(text):
    at, kind, seed = text.split(":")
    return Image(int(at), kind, int(seed))


def main():
    if len(sys.argv) != 4:
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    recording, image, path = sys.argv[1], image_of(sys.argv[2]), sys.argv[3]
    with open(os.path.join(recording, "root"), encoding="utf-8") as f:
        disk = Disk(os.path.join(recording, "initial"), f.read())
    for r in read_log(os.path.join(recording, "log"))[:image.at]:
        disk.play(r)
    image.write(disk, path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
