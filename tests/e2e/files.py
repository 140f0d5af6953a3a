"""Damage, done to the files of a ledger whose daemon is stopped."""
import os
import shutil
import struct

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


def _tree(page, at):
    depth, root = struct.unpack_from("<H", page, at + 6)[0], struct.unpack_from("<Q", page, at + 40)[0]
    return depth, root if root != 2**64 - 1 else None


class LivePages:
    """Which pages of a ledger's file hold what, as LMDB would find them (its data format 1).  All others are free, and may hold old copies."""

    def __init__(self, data):
        self.file = read(ledger_file(data))
        newest = max((self._page(n)[16:] for n in (0, 1)), key=lambda meta: struct.unpack_from("<Q", meta, 128))
        self.inner, self.leaves = [], {}
        self.free = [page for page, _ in self._walk(_tree(newest, 24))]
        self.tables, self.checkpoints = [], []
        for page, rows in self._walk(_tree(newest, 72)):
            self.tables.append(page)
            for name, table in rows:
                if name == b"transaction":
                    self._take(self._walk(_tree(table, 0)))
                elif name == b"checkpoint":
                    self.checkpoints += [page for page, _ in self._walk(_tree(table, 0))]

    def _take(self, pages):
        for page, rows in pages:
            if rows:
                self.leaves[page] = [int.from_bytes(key, "big") for key, _ in rows]
            else:
                self.inner.append(page)

    def _page(self, n):
        return self.file[n * PAGE:(n + 1) * PAGE]

    def _nodes(self, page):
        for i in range((struct.unpack_from("<H", page, 12)[0] - 16) // 2):
            at = struct.unpack_from("<H", page, 16 + 2 * i)[0]
            low, high, flags, key_len = struct.unpack_from("<4H", page, at)
            key, value = page[at + 8:at + 8 + key_len], page[at + 8 + key_len:at + 8 + key_len + (low | high << 16)]
            yield key, value, low | high << 16 | flags << 32

    def _walk(self, tree):
        """(page, rows), and no rows for a branch."""
        depth, root = tree
        if root is None:
            return
        page = self._page(root)
        if depth == 1:
            yield root, [(key, value) for key, value, _ in self._nodes(page)]
            return
        yield root, []
        for _, _, child in self._nodes(page):
            yield from self._walk((depth - 1, child))

    def leaf_of(self, seq):
        return next(page for page, seqs in self.leaves.items() if seq in seqs)

    def unused(self):
        live = {0, 1, *self.free, *self.tables, *self.inner, *self.leaves, *self.checkpoints}
        return [page for page in range(len(self.file) // PAGE) if page not in live]


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
