"""A full disk: writes are refused with a clear reason, reads go on, nothing that was acknowledged is lost, and it recovers when there is space."""
import contextlib
import ctypes
import errno
import os
import resource
import subprocess

from case import plain_build, seconds
from wire import keyless, pb
from world import FEALTY, Ledger, eventually, expect, skip
import programs

MIB = 1 << 20
libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def small_disk(world, mib):
    path = world.path("disk")
    os.makedirs(path)
    if libc.mount(b"tmpfs", path.encode(), b"tmpfs", 0, f"size={mib}m".encode()) != 0:
        skip(f"a tmpfs cannot be mounted here: {errno.errorcode.get(ctypes.get_errno())}")
    try:
        yield path
    finally:
        world.abandon()
        libc.umount2(path.encode(), 2)          # MNT_DETACH


def free_bytes(path):
    s = os.statvfs(path)
    return s.f_bavail * s.f_frsize


def fill(path, leave):
    """A file that leaves so many bytes free."""
    ballast = os.path.join(path, "ballast")
    with open(ballast, "wb") as f:
        while free_bytes(path) > leave:
            f.write(bytes(max(4096, min(MIB, free_bytes(path) - leave) // 4096 * 4096)))
            f.flush()
    return ballast


def on_disk(world, name, *arguments):
    ledger = Ledger(world, name, "manual").init()
    ledger.start(*arguments)
    ledger.publish(programs.PLAIN)
    with ledger.wire() as wire:
        wire.ok("enrol", member="m1", key="e1")
        wire.ok("purchase", member="m1", amount="100", key="p1")
    return ledger


@seconds(90)
def test_below_the_mark(world):
    with small_disk(world, 32) as path:
        ledger = on_disk(world, "disk/l", "--low-space-mib", "8")
        wire = ledger.wire()
        ballast = fill(path, 7 * MIB)

        def refused():
            r = wire.call("purchase", member="m1", amount="1")
            return r if r.status != pb.OK else None
        r = eventually(refused, "a refusal below the mark")
        expect(r, reason="UNAVAILABLE", field="disk", retryable=True)
        assert r.status == pb.UNAVAILABLE and r.retry_after_ms > 0 and "disk" in r.message, r
        size = wire.ok("balance", member="m1").seq
        wire.refused("UNAVAILABLE", "enrol", member="m2")
        wire.refused("UNAVAILABLE", "redeem", member="m1", points="1")
        wire.refused("UNAVAILABLE", "adjust", member="m1", points="1", reason="x")
        b = wire.batch([keyless("purchase", member="m1", amount="1")] * 3, key="b")
        assert b.outcome.reason == "UNAVAILABLE" or all(x.reason == "UNAVAILABLE" for x in b.results), b
        assert len(wire.ok("history", member="m1").history) == 2
        wire.ok("transaction", seq=2)
        expect(ledger.cli("balance", "m1").json, status="OK")
        done = ledger.cli("purchase", "m1", "1", "--key", "cli", "--timeout", "2s", code=3)      # tried again, and then said that nothing has changed
        expect(done.json, status="UNAVAILABLE")
        assert wire.ok("balance", member="m1").seq == size
        os.unlink(ballast)
        eventually(lambda: wire.call("purchase", member="m1", amount="1", key="after").status == pb.OK, "writes again")
        ledger.stop()
        expect(ledger.audit(), status="OK")


@contextlib.contextmanager
def little_disk(path, leave):
    ballast = fill(path, leave)
    yield
    os.unlink(ballast)


@contextlib.contextmanager
def short_files(ledger, leave):
    """None of its files may grow by more, by a limit of the process (RLIMIT_FSIZE)."""
    longest = max(os.path.getsize(os.path.join(directory, name)) for directory, _, names in os.walk(ledger.data) for name in names)
    _, hard = resource.prlimit(ledger.daemon.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(ledger.daemon.pid, resource.RLIMIT_FSIZE, (longest + leave, hard))
    yield
    resource.prlimit(ledger.daemon.pid, resource.RLIMIT_FSIZE, (hard, hard))


def run_into_the_end(ledger, little_room):
    """The room ends while LMDB writes: the batch is refused whole, or was durable; each acknowledged command is there, and each key counts once."""
    wire = ledger.wire()
    lines = [{"sku": "s" * 32, "category": "c" * 32, "qty": 1, "amount": "0.01"}] * 10
    done, refused = {}, set()

    def send(numbers):
        """Several batches at once, so that one commit is larger than what is free above the mark.  True when all of them were applied."""
        made = [pb.Batch(key=f"b{n}", commands=[keyless("enrol", member=f"x{n}")] + [keyless("purchase", member=f"x{n}", amount="1", lines=lines)] * 999)
                for n in numbers]
        made = [b.SerializeToString() for b in made]        # first made, then sent: faster than they are decided
        tags = {n: wire.start_batch_message(b) for n, b in zip(numbers, made)}
        for n, tag in tags.items():
            r = wire.wait(tag)
            for i, one in enumerate(list(r.results) or [r.outcome] * 1000):
                key = f"b{n}.{i + 1}"
                if one.status == pb.OK:
                    assert done.setdefault(key, one.id) == one.id, f"{key} was {done[key]} and is {one.id}"
                else:
                    assert one.reason == "UNAVAILABLE" and one.field == "disk" or one.reason == "NOT_FOUND", one
                    refused.add(key)
        return all(f"b{n}.{i}" in done for n in numbers for i in range(1, 1001))
    # The first batch is mostly committed alone and leaves just enough for the others to be begun: LMDB meets the end.  How they group
    # is a matter of time, so it is tried with more or less space until it happened.
    rounds = 0
    while rounds < 3 or "disk_full" not in ledger.daemon.log():
        assert rounds < 16, "it never ended in the middle of a commit"
        numbers = range(6 * rounds, 6 * rounds + 6)
        with little_room((2200 + 400 * (rounds % 4)) << 10):
            send(numbers)
            expect(wire.ok("balance", member="m1"), available="100")
            wire.call("purchase", member="m1", amount="0", key=f"small{rounds}")
        eventually(lambda: send(numbers), f"batches {numbers} after there is space")
        rounds += 1
    assert refused
    books = ledger.books()
    for key, entry in done.items():
        assert books.requests["operator/test", key] == entry, key
    assert len(done) == rounds * 6000 and sum(k.startswith("b") for _, k in books.requests) == len(done)
    for i in range(6 * rounds):
        expect(wire.ok("balance", member=f"x{i}"), available="999", visits=999)
    ledger.daemon.kill()
    ledger.start("--low-space-mib", "1")
    with ledger.wire() as other:
        expect(other.ok("balance", member="x0"), available="999")
    ledger.stop()
    expect(ledger.audit(), status="OK")


@plain_build
@seconds(90)
def test_in_the_middle_of_a_commit(world):
    with small_disk(world, 192) as path:
        ledger = on_disk(world, "disk/l", "--low-space-mib", "1")
        run_into_the_end(ledger, lambda leave: little_disk(path, leave))


@plain_build
@seconds(90)
def test_files_that_may_not_grow(world):
    """What a file may be at most is the end of a disk, and no signal that ends the daemon."""
    ledger = on_disk(world, "l", "--low-space-mib", "1")
    run_into_the_end(ledger, lambda leave: short_files(ledger, leave))
    script = f"ulimit -f 16; exec {FEALTY} init {world.path('other')} --origin test.example/other"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 5 and "no space" in done.stderr, done


@seconds(90)
def test_kill_while_full(world):
    """Killed on a full disk and started on it: nothing is lost, reads are answered or the start says why; with space it goes on."""
    with small_disk(world, 32) as path:
        ledger = on_disk(world, "disk/l", "--low-space-mib", "8")
        wire = ledger.wire()
        ballast = fill(path, 4096 * 8)
        eventually(lambda: wire.call("purchase", member="m1", amount="1").reason == "UNAVAILABLE", "a refusal")
        ledger.daemon.kill()
        daemon = ledger.launch("--low-space-mib", "8")
        if daemon.started():
            with ledger.wire() as other:
                expect(other.ok("balance", member="m1"), points_earned=other.ok("balance", member="m1").points_earned)
                other.refused("UNAVAILABLE", "purchase", member="m1", amount="1")
            daemon.kill()
        else:
            assert daemon.wait_end(1)
        os.unlink(ballast)
        ledger.start("--low-space-mib", "8")
        with ledger.wire() as other:
            other.ok("purchase", member="m1", amount="1", key="after")
            expect(other.ok("purchase", member="m1", amount="100", key="p1"), replayed=True)
        ledger.stop()
        expect(ledger.audit(), status="OK")
