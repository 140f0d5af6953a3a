"""Bits that rot on the disk: in ledger, vault, state and snapshots, of a daemon that runs and of one that stands."""
import hashlib
import os
import random
import re
import shutil
import struct
import time
from urllib.error import HTTPError
from urllib.request import urlopen

from case import long, reduced, seconds, tell
from files import PAGE, Copy, LivePages, _tree, ledger_file, places, read, write_at
from wire import pb
from world import eventually

NEWEST = 1000           # start-up verifies so many
FAST = ("--scrub-mib-per-second", "1024")


class Tables(LivePages):
    """All rows of an environment's file as LMDB would find them, by a reader that is not the daemon's."""

    def __init__(self, path):
        self.file = read(path)
        self.rows, self.pages, self.transactions = {}, {0, 1}, set()
        newest = max((self._page(n)[16:] for n in (0, 1)), key=lambda meta: struct.unpack_from("<Q", meta, 128))
        self.pages |= {page for page, _ in self._walk(_tree(newest, 24))}
        for page, tables in self._walk(_tree(newest, 72)):
            self.pages.add(page)
            for name, table in tables:
                self.rows[name.decode()] = rows = {}
                for leaf, found in self._walk(_tree(table, 0)):
                    self.pages.add(leaf)
                    rows.update({key: (leaf, value) for key, value in found})
                    if name == b"transaction":      # a key that changed may be that of another row
                        self.transactions |= {(leaf, key, value) for key, value in found}

    def values(self):
        return {name: {key: value for key, (_, value) in rows.items()} for name, rows in self.rows.items()}

    def at(self, table, key, offset):
        """Where a byte of a value is in the file."""
        page, value = self.rows[table][key]
        place = self._page(page).find(value)
        assert place > 0 and 0 <= offset < len(value)
        return page * PAGE + place + offset

    def unused(self):
        return [page for page in range(len(self.file) // PAGE) if page not in self.pages]


def tables_of(path):
    """None: it cannot be read any more."""
    try:
        return Tables(path)
    except (struct.error, IndexError, ValueError, UnicodeDecodeError, RecursionError):
        return None


def flip(path, at, bit):
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 1 << bit]))


def filled(world, n, *arguments):
    """A ledger of ${n} transactions and more whose daemon runs, and nothing happens."""
    ledger = world.running(None, *arguments)
    ledger.publish()
    ledger.fill(n)
    size = len(ledger.leaves())
    eventually(lambda: struct.pack(">Q", size) in Tables(ledger_file(ledger.data)).rows["checkpoint"], "a checkpoint of all")
    return ledger


def scrub(ledger):
    """The state after a whole pass that began now."""
    def state(*arguments):
        return ledger.cli("admin", "scrub", *arguments, code=None).json["scrub"]
    eventually(lambda: not state()["running"], "a pass to end")
    before = state("--now")["passes"]
    eventually(lambda: state()["passes"] > before, "a pass")
    return state()


def names(faults, seq):
    return any(f["environment"] == "ledger" and f["kind"] == "transaction" and f.get("seq", seq + 1) <= seq <= f.get("last_seq", 0) for f in faults)


class Count(dict):
    def add(self, what):
        self[what] = self.get(what, 0) + 1

    def __str__(self):
        return f"{sum(self.values())} flips: " + ", ".join(f"{n} {what}" for what, n in sorted(self.items()))


def some_places(dice, tables, kind):
    """A random byte of a kind of page, mostly of those that say something."""
    leaves = sorted({page for page, _ in tables.rows["transaction"].values()})
    checkpoints = sorted({page for page, _ in tables.rows["checkpoint"].values()})
    others = sorted(tables.pages - set(leaves) - set(checkpoints))
    pages = {"a leaf": leaves, "a checkpoint": checkpoints, "LMDB's own": others, "a free page": tables.unused()}[kind]
    page = dice.choice(pages)
    if kind == "a free page" or dice.random() < 0.2:
        return page * PAGE + dice.randrange(PAGE)
    lower, upper = (168, PAGE) if page < 2 else struct.unpack_from("<HH", tables.file, page * PAGE + 12)
    return page * PAGE + dice.choice([*range(lower), *range(upper, PAGE)])


def flips_while_it_runs(world, counts, seed):
    """Each is named by the next pass when it changed a row, and forgotten when it is put back; one in a free page changes nothing."""
    ledger = filled(world, 400, *FAST)
    assert scrub(ledger)["known_faults"] == 0
    path = ledger_file(ledger.data)
    dice, told = random.Random(seed), Count()
    tables = Tables(path)
    good = tables.values()
    for kind, n in counts.items():
        for _ in range(n):
            at, bit = some_places(dice, tables, kind), dice.randrange(8)
            where = f"bit {bit} of byte {at % PAGE} of page {at // PAGE}, {kind}"
            flip(path, at, bit)
            after = tables_of(path)
            now = None if after is None else after.values()
            state = scrub(ledger)
            faults = state.get("faults", [])
            flip(path, at, bit)
            if kind == "a free page":
                assert now == good and not faults, f"{where}: {faults}"
            if now is not None and now != good or now is None:
                assert faults, f"{where}: not found"
            changed = [] if after is None else [struct.unpack(">Q", key)[0] for _, key, _ in tables.transactions - after.transactions]
            if kind == "a leaf":
                assert all(names(faults, seq) for seq in changed), f"{where}: {changed} are damaged, and told is {faults}"
            told.add(f"in {kind} {'named' if faults else 'without a change'}")
    assert scrub(ledger)["known_faults"] == 0, "what was put back is forgotten"
    ledger.stop()
    assert "scrub.fault" in world.daemons[-1].log() and "remedy=" in world.daemons[-1].log()
    tell(f"while it runs, {told}")


@seconds(120)
def test_a_bit_of_the_ledger_while_it_runs(world):
    flips_while_it_runs(world, {"a leaf": 24, "a checkpoint": 8, "LMDB's own": 12, "a free page": 8}, 1)


@long
@seconds(900)
def test_many_bits_of_the_ledger_while_it_runs(world):
    flips_while_it_runs(world, {"a leaf": 500, "a checkpoint": 200, "LMDB's own": 300, "a free page": 100}, 2)


def flips_while_it_stands(world, n, seed):
    """The start refuses with a sentence, or the first pass names it, or the audit finds nothing either."""
    ledger = filled(world, NEWEST + 300, *FAST)
    ledger.stop()
    dice, told = random.Random(seed), Count()
    tables = Tables(ledger_file(ledger.data))
    for i in range(n):
        kind = ("a leaf", "a leaf", "LMDB's own", "a checkpoint", "a free page")[i % 5]
        at, bit = some_places(dice, tables, kind), dice.randrange(8)
        where = f"bit {bit} of byte {at % PAGE} of page {at // PAGE}, {kind}"
        copy = Copy(ledger)
        flip(ledger_file(copy.data), at, bit)
        audit = copy.audit()
        assert audit.code in (0, 1), f"{where}: {audit}"
        daemon = copy.launch(*FAST)
        if not daemon.started():
            daemon.wait_end(None)
            assert daemon.process.returncode == 1 and "fealtyd: " in daemon.log(), f"{where}: {daemon.process.returncode}: {daemon.log()}"
            assert audit.code == 1 or kind != "a free page", where
            told.add("refused by the start")
        else:
            faults = scrub(ledger).get("faults", [])
            assert faults or audit.code == 0, f"{where}: {audit}"
            assert not faults or kind != "a free page", f"{where}: {faults}"
            if audit.code == 1 and kind == "a leaf":
                assert names(faults, audit.json["seq"]), f"{where}: {audit.json} and {faults}"
            told.add("named by the scrub" if faults else "without a change")
            daemon.stop()
        copy.remove()
    tell(f"while it stands, {told}")


@seconds(120)
def test_a_bit_of_the_ledger_while_it_stands(world):
    flips_while_it_stands(world, 20, 3)


@long
@seconds(1800)
def test_many_bits_of_the_ledger_while_it_stands(world):
    flips_while_it_stands(world, 400, 4)


@reduced
@seconds(120)
def test_nothing_is_told_of_what_changes(world):
    """Passes beside commands, checkpoints, snapshots and turns of the vault: what is being written is no damage."""
    ledger = filled(world, 300, *FAST, "--snapshot-seconds", "1")
    written = 0
    with ledger.wire() as wire:
        for turn in range(6):
            passes = wire.ok("scrub", now=True).scrub.passes
            while wire.ok("scrub", now=True).scrub.passes < passes + 2:
                tags = [wire.start("purchase", member=f"m{i % 10}", amount="3", key=f"w{written + i}") for i in range(30)]
                tags += [wire.start("enrol", member=f"w{written + i}", key=f"we{written + i}") for i in range(5)]
                assert all(wire.wait(tag).status == pb.OK for tag in tags)
                written += 30
            ledger.cli("admin", "vault", "rotate")
        state = wire.ok("scrub").scrub
        assert state.known_faults == 0 and state.passes >= 12, state
    assert scrub(ledger)["known_faults"] == 0
    ledger.stop()
    assert "scrub.f" not in world.daemons[-1].log(), world.daemons[-1].log()
    tell(f"beside {written} purchases and 6 turns of the vault {state.passes} passes found nothing")


@seconds(120)
def test_what_is_told_of_a_damaged_record(world):
    """DATA_LOSS to whoever asks for it, in a read, a replay, a return and over HTTP; all others go on, and so does the daemon."""
    ledger = filled(world, 600, *FAST, "--admin", "127.0.0.1:0")
    leaves = ledger.leaves()
    path = ledger_file(ledger.data)
    with ledger.wire() as wire:
        bought = wire.ok("purchase", member="m3", amount="20", key="the-one")
        seq = int(bought.id.split(".")[0])
        for i in range(20):         # its page is full, and nothing is written to it any more
            wire.ok("purchase", member="m4", amount="20", key=f"another-{i}")
        leaf = wire.ok("transaction", seq=seq).transaction
        at = Tables(path).at("transaction", struct.pack(">Q", seq), len(leaf) // 2)
        port = re.search(r"admin.listening .* port=(\d+)", world.daemons[-1].log()).group(1)
        bundle = f"http://127.0.0.1:{port}/tile/entries/{seq // 256:03}.p/{len(leaves) % 256}"
        eventually(lambda: status_of(f"http://127.0.0.1:{port}/checkpoint") == 200, "a checkpoint")
        flip(path, at, 3)
        for op, fields in (("transaction", {"seq": seq}), ("history", {"member": "m3"}), ("purchase", {"member": "m3", "amount": "20", "key": "the-one"}),
                           ("return", {"member": "m3", "purchase": "the-one", "key": "back"}), ("proof", {"seq": seq})):
            answer = wire.call(op, **fields)
            assert (answer.status, answer.reason) == (pb.DATA_LOSS, "RECORD_DAMAGED"), f"{op}: {answer}"
        wire.ok("balance", member="m3")
        wire.ok("purchase", member="m3", amount="20", key="more")
        wire.ok("transaction", seq=seq + 1)
        assert names(scrub(ledger)["faults"], seq)
        with urlopen(f"http://127.0.0.1:{port}/metrics") as page:
            text = page.read().decode()
        assert re.search(r'^fealty_scrub_faults\{kind="transaction"\} 1$', text, re.M), text
        assert status_of(f"http://127.0.0.1:{port}/readyz") == 200, "writes go on"
        whole = (seq // 256 + 1) * 256 <= len(leaves)
        if not whole:
            width = seq % 256 + 1
            bundle = f"http://127.0.0.1:{port}/tile/entries/{tile_path(seq // 256)}.p/{width}"
        eventually(lambda: status_of(bundle) in (200, 500), "the bundle to be public")
        assert status_of(bundle) == 500
        flip(path, at, 3)
        assert wire.ok("transaction", seq=seq).transaction == leaf
        assert wire.ok("purchase", member="m3", amount="20", key="the-one").replayed
        assert status_of(bundle) == 200
    ledger.stop()


def tile_path(n):
    parts = [f"{n % 1000:03}"]
    while n >= 1000:
        n //= 1000
        parts.insert(0, f"x{n % 1000:03}")
    return "/".join(parts)


def status_of(url):
    try:
        with urlopen(url) as page:
            page.read()
            return page.status
    except HTTPError as e:
        return e.code


@seconds(120)
def test_a_bit_of_the_tree(world):
    """State's hash of a transaction: the transaction is signed and chained, so it is state that is damaged."""
    ledger = filled(world, 300, *FAST)
    path = os.path.join(ledger.data, "state", "data.mdb")
    leaves = ledger.leaves()
    dice = random.Random(5)
    for seq in dice.sample(range(len(leaves)), 8):
        tile = hashlib.sha256(b"\0" + leaves[seq]).digest()
        at, bit = dice.randrange(32), dice.randrange(8)
        copies = places(path, tile)
        for place in copies:
            flip(path, place + at, bit)
        faults = scrub(ledger)["faults"]
        assert any(f["kind"] == "tile" and f["environment"] == "state" and f.get("seq") == seq for f in faults), faults
        assert all(f["environment"] == "state" for f in faults), faults
        for place in copies:
            flip(path, place + at, bit)
    assert scrub(ledger)["known_faults"] == 0
    ledger.stop()


@seconds(120)
def test_a_bit_of_the_vault(world):
    """Rows that do not open any more are named; their person is told DATA_LOSS, others are not concerned, and the daemon lives."""
    ledger = filled(world, 10, *FAST)
    path = os.path.join(ledger.data, "vault", "1", "data.mdb")
    tables = Tables(path)
    dice, told = random.Random(6), Count()
    for table, kind, first in (("alias", "the alias whose", 8), ("person", "person ", 0)):
        for key, (_, value) in tables.rows[table].items():
            at, bit = tables.at(table, key, dice.randrange(first, len(value))), dice.randrange(8)
            flip(path, at, bit)
            state = scrub(ledger)
            assert [f["kind"] for f in state["faults"]] == ["vault"] and state["faults"][0]["where"].startswith(kind), state
            with ledger.wire() as wire:
                answers = [wire.call("purchase", member=f"m{m}", amount="1", key=f"{key.hex()[:40]}-{m}") for m in range(10)]
            lost = [a for a in answers if a.status != pb.OK]
            assert all((a.status, a.reason) == (pb.DATA_LOSS, "RECORD_DAMAGED") for a in lost), lost
            assert len(lost) <= 1, lost         # the writer may remember who an alias is
            flip(path, at, bit)
            told.add(f"in {table} named")
    assert scrub(ledger)["known_faults"] == 0
    at = Tables(path).at("alias", next(iter(tables.rows["alias"])), 40)
    flip(path, at, 2)
    ledger.restart(*FAST)                       # nobody remembers any more
    with ledger.wire() as wire:
        answers = [wire.call("purchase", member=f"m{m}", amount="1", key=f"again-{m}") for m in range(10)]
        assert sorted(a.reason for a in answers) == [""] * 9 + ["RECORD_DAMAGED"], answers
    flip(path, at, 2)
    for _ in range(10):
        at, bit = dice.choice(Tables(path).unused()) * PAGE + dice.randrange(PAGE), dice.randrange(8)
        flip(path, at, bit)
        assert scrub(ledger)["known_faults"] == 0
        told.add("in a free page without a change")
    ledger.stop()
    tell(f"in the vault, {told}")


# ---- snapshots ----

def of_state(data):
    """What is in state, but for how far the schedule has come, which is not the ledger's."""
    values = Tables(os.path.join(data, "state", "data.mdb")).values()
    values["meta"].pop(b"schedule", None)
    return values


def without_state(ledger):
    copy = Copy(ledger)
    shutil.rmtree(os.path.join(copy.data, "state"))
    if os.path.exists(os.path.join(copy.data, "state.mark")):
        os.unlink(os.path.join(copy.data, "state.mark"))
    return copy


def snapshots_of(data):
    where = os.path.join(data, "snapshot")
    return sorted((int(name.split(".")[0]), os.path.join(where, name)) for name in os.listdir(where) if name.endswith(".mdb"))


def with_snapshots(world):
    ledger = world.running(None, "--snapshot-seconds", "1")
    ledger.publish()
    with ledger.wire() as wire:
        for m in range(10):
            wire.ok("enrol", member=f"m{m}", key=f"e{m}")
        for batch in range(200):
            tags = [wire.start("purchase", member=f"m{i}", amount=str(1 + i % 50), key=f"p{batch}-{i}") for i in range(10)]
            assert all(wire.wait(tag).status == pb.OK for tag in tags)
            if len(snapshots_of(ledger.data) if os.path.isdir(os.path.join(ledger.data, "snapshot")) else []) == 2:
                break
            time.sleep(0.05)
        wire.ok("purchase", member="m1", amount="1", key="behind-them")
    ledger.stop()
    assert len(snapshots_of(ledger.data)) == 2
    return ledger


def start_from(copy, want):
    """Starts it, and gives the sizes of the snapshots that were looked at, with whether each was taken."""
    daemon = copy.launch().wait_ready()
    daemon.stop()
    assert of_state(copy.data) == want, "state is another than a rebuild from empty"
    taken = re.findall(r"state\.snapshot size=(\d+) usable=(yes|no)", daemon.log())
    copy.remove()
    return [(int(size), usable) for size, usable in taken]


def flips_of_snapshots(world, n, seed):
    ledger = with_snapshots(world)
    empty = without_state(ledger)
    shutil.rmtree(os.path.join(empty.data, "snapshot"))
    empty.launch().wait_ready().stop()
    want = of_state(empty.data)
    (older, _), (newest, _) = snapshots_of(ledger.data)
    assert start_from(without_state(ledger), want) == [(newest, "yes")]
    dice, told = random.Random(seed), Count()
    for i in range(n):
        copy = without_state(ledger)
        both = snapshots_of(copy.data)
        hit = both if i % 5 == 4 else both[1:] if i % 5 < 3 else both[:1]
        for _, path in hit:
            target = path if i % 7 != 6 else path.removesuffix(".mdb") + ".sum"
            flip(target, dice.randrange(os.path.getsize(target)), dice.randrange(8))
        looked = start_from(copy, want)
        expected = {1: [(newest, "no"), (older, "yes")], 2: [(newest, "no"), (older, "no")]}[len(hit)] if hit[-1] == both[1] else [(newest, "yes")]
        assert looked == expected, f"flip {i} in {hit}: {looked}"
        told.add({1: "passed over, and the older one taken", 2: "passed over twice, and state rebuilt from empty"}[len(hit)] if hit[-1] == both[1]
                 else "in the older one, which nobody looks at")
    tell(f"of snapshots, {told}")


@seconds(120)
def test_a_bit_of_a_snapshot(world):
    flips_of_snapshots(world, 20, 8)


@long
@seconds(1800)
def test_many_bits_of_snapshots(world):
    flips_of_snapshots(world, 400, 9)
