"""Damage, done to the files of a ledger whose daemon is stopped."""
import os
import shutil

PAGE = 4096


def ledger_file(data):
    return os.path.join(data, "ledger", "data.mdb")


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write_at(path, offset, data):
    with open(path, "r+b") as f:
        f.seek(offset)
        f.write(data)


def places(path, needle):
    """Where the bytes are.  Pages that LMDB has freed hold older copies of a leaf, so there may be several."""
    data = read(path)
    found, at = [], data.find(needle)
    while at >= 0:
        found.append(at)
        at = data.find(needle, at + 1)
    assert found, "the transaction's bytes are not in the file"
    return found


def flip_bit(data, leaf, offset, bit=0):
    """In all copies of a stored leaf."""
    path = ledger_file(data)
    for at in places(path, leaf):
        write_at(path, at + offset, bytes([leaf[offset] ^ 1 << bit]))


def pages_of(data, leaf):
    return sorted({at // PAGE for at in places(ledger_file(data), leaf)})


class Copy:
    """A copy of a ledger's files that may be broken."""

    def __init__(self, ledger):
        self.ledger = ledger
        number = ledger.world.next_number()
        self.data = f"{ledger.data}-copy{number}"
        self.head_lock = f"{self.data}.head.lock"
        shutil.copytree(ledger.data, self.data)
        if os.path.exists(ledger.head_lock):
            shutil.copy(ledger.head_lock, self.head_lock)

    def launch(self, *arguments):
        return self.ledger.launch("--head-lock", self.head_lock, *arguments, data=self.data)

    def audit(self, code=None):
        return self.ledger.cli("audit", self.data, code=code)

    def remove(self):
        shutil.rmtree(self.data)
