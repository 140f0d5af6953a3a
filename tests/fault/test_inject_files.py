"""Every write to the data directory, the keys and the head lock fails in turn: nothing is lost, applied twice, or acknowledged on a file that lied."""
import errno
import os
import shutil
from collections import Counter

from case import long, plain_build, seconds, tell
from injector import AFTER, ANY, FILE, INSTEAD, LMDB, LMDB_ERRORS, SHORT, Fault, passes_over
from rounds import ARGUMENTS, WORK, Round, fail_starts, said
from world import eventually, expect

# What a call says, and what it did: a sync that failed may have written all the same.
FAULTS = {"EIO": (errno.EIO, INSTEAD), "EIO, after it": (errno.EIO, AFTER), "ENOSPC": (errno.ENOSPC, INSTEAD), "EINTR": (errno.EINTR, INSTEAD),
          "half": (errno.ENOSPC, SHORT)}


def fail_files(world, names, pick, *arguments):
    r = Round(world, Fault(world), arguments=arguments)
    by_fault = Counter()
    for name in names:
        k, left = 1, True
        while left:
            left = False
            for what in pick(list(FAULTS), k):
                error, mode = FAULTS[what]
                label = f"f-{name}-{list(FAULTS).index(what)}-{k}"
                fired = r.one(name, label, at=k, kind=FILE, threads=ANY, error=error, mode=mode, path=r.ledger.data)
                by_fault[what] += fired
                left = left or fired
            k += 1
    r.finish()
    tell(f"{r.ends.total()} calls that change a file failed ({said(by_fault)}); {said(r.ends)}")


@plain_build
@seconds(100)
def test_writes_of_a_commit(world):
    fail_files(world, ("enrol", "purchase", "erase"), lambda faults, k: [faults[k % len(faults)], faults[(k + 2) % len(faults)]])


@long
@plain_build
@seconds(1800)
def test_every_write_of_a_commit(world):
    fail_files(world, WORK, lambda faults, k: faults)


# ---- what other threads write ----

def until_fired(fault, ledger, what, seconds_=4):
    """False: there were not so many calls."""
    try:
        return eventually(lambda: fault.fired > 0 or ledger.daemon.process.poll() is not None, what, seconds=seconds_)
    except AssertionError:
        return False


def in_turn(r, path, prefix, pick, step, play):
    """Each of the faults that ${pick} gives at the 1st call to ${path}, at the next, and so on, until ${play} says that none was met; how often each was."""
    by_fault = Counter()
    k, left = 1, True
    while left:
        left = False
        for what in pick(list(FAULTS), k):
            error, mode = FAULTS[what]
            label = f"{prefix}-{mode}-{error}-{k}"
            passed_over = passes_over(label)
            if passed_over is not None:
                left = left or passed_over
                continue
            r.fault.arm(at=k, kind=FILE, threads=ANY, error=error, mode=mode, path=path)
            if not play(label, f"{k}-{list(FAULTS).index(what)}"):
                break
            by_fault[what] += 1
            left = True
        k += step
    return by_fault


def fail_elsewhere(world, path, provoke, pick, good, *arguments, step=1):
    """${provoke} makes a thread that is not the writer's write to ${path}; ${good} looks at what there is in the end."""
    r = Round(world, Fault(world), arguments=arguments)

    def play(label, place):
        provoke(r, f"x-{place}")
        if not until_fired(r.fault, r.ledger, label):
            return False
        seen = r.fault.what()
        try:
            ended = r.ledger.daemon.process.poll() is not None
            if ended:
                log = r.ledger.daemon.wait_end(70)
                assert "commit.failed" in log, log
            r.ends["ended" if ended else "went on"] += 1
            r.again()
        except BaseException:
            print(f"{label}: {seen}")
            raise
        return True

    by_fault = in_turn(r, path, path.strip("/."), pick, step, play)
    r.fault.disarm()
    good(r)
    r.finish()
    tell(f"{sum(by_fault.values())} calls that change {path} failed ({said(by_fault)}); {said(r.ends)}")


def buy(r, key):
    """So that there is something new to write."""
    r.wire.ok("purchase", member="m1", amount="1", key=key)


def snapshot_is_good(r):
    """State made again from it is that of the ledger."""
    buy(r, "last")
    size = r.wire.ok("balance", member="m1").seq + 1
    name = os.path.join(r.ledger.data, "snapshot", f"{size}.mdb")
    eventually(lambda: any(n.endswith(".mdb") and int(n[:-4]) >= size for n in os.listdir(os.path.dirname(name))), "a snapshot", seconds=10)
    r.ledger.stop()
    shutil.rmtree(os.path.join(r.ledger.data, "state"))
    r.again()
    assert "state.snapshot" in r.ledger.daemon.log(), r.ledger.daemon.log()


def head_is_published(r):
    buy(r, "last")
    size = r.wire.ok("balance", member="m1").seq + 1

    def published():
        with open(r.ledger.head_lock, encoding="ascii") as f:
            return int(f.read().split()[0]) >= size
    eventually(published, "a published head")


@plain_build
@seconds(100)
def test_writes_of_a_snapshot(world):
    fail_elsewhere(world, "/snapshot/", buy, lambda faults, k: [faults[k % len(faults)]], snapshot_is_good, "--snapshot-seconds", "1", step=3)


@long
@plain_build
@seconds(900)
def test_every_write_of_a_snapshot(world):
    fail_elsewhere(world, "/snapshot/", buy, lambda faults, k: faults, snapshot_is_good, "--snapshot-seconds", "1")


@plain_build
@seconds(100)
def test_writes_of_the_published_head(world):
    fail_elsewhere(world, ".head.lock", buy, lambda faults, k: [faults[k % len(faults)]], head_is_published, step=2)


@long
@plain_build
@seconds(900)
def test_every_write_of_the_published_head(world):
    fail_elsewhere(world, ".head.lock", buy, lambda faults, k: faults, head_is_published)


# ---- a turn of the vault ----

def turn_of_the_vault(r):
    return r.ledger.cli("admin", "vault", "rotate", "--timeout", "1s", code=None)


def fail_turns(world, pick, step):
    """Whatever fails, everybody is still there, and the next turn does it."""
    r = Round(world, Fault(world))
    r.wire.ok("enrol", member="card:9", aliases=["app:9"], birthday="03-04", key="nine")

    def play(label, _):
        done = turn_of_the_vault(r)
        if r.fault.fired == 0:
            return False
        seen = r.fault.what()
        try:
            ended = r.ledger.daemon.process.poll() is not None
            assert done.code in (0, 3, 5, 6) or ended, done
            if ended:
                assert "commit.failed" in r.ledger.daemon.wait_end(70)
            r.ends["ended" if ended else "done" if done.code == 0 else "refused"] += 1
            r.again()
            expect(r.wire.ok("balance", member="app:9"), member_no=2)
        except BaseException:
            print(f"{label}: {seen}\n{done}")
            raise
        return True

    by_fault = in_turn(r, r.ledger.data, "turn", pick, step, play)
    r.again()
    assert turn_of_the_vault(r).code == 0
    expect(r.wire.ok("balance", member="app:9"), member_no=2)
    r.finish()
    tell(f"{sum(by_fault.values())} calls that change a file failed in a turn of the vault ({said(by_fault)}); {said(r.ends)}")


@plain_build
@seconds(100)
def test_writes_of_a_turn(world):
    fail_turns(world, lambda faults, k: [faults[k % len(faults)]], 4)


@long
@plain_build
@seconds(900)
def test_every_write_of_a_turn(world):
    fail_turns(world, lambda faults, k: faults, 1)


# ---- the start ----

def fail_files_and_lmdb_at_starts(world, faults, errors, step):
    ends = Counter()
    for error, mode in faults:
        ends += fail_starts(world, 1, step, name=f"f{error}{mode}", kind=FILE, threads=ANY, error=error, mode=mode, path=world.dir)
    files = ends.total()
    for error in errors:
        ends += fail_starts(world, 1, step, name=f"l{error}", kind=LMDB, threads=ANY, error=LMDB_ERRORS[error])
    tell(f"{files} calls that change a file failed at a start, {ends.total() - files} of LMDB; {said(ends)}")


@plain_build
@seconds(100)
def test_files_and_lmdb_at_a_start(world):
    fail_files_and_lmdb_at_starts(world, [FAULTS["EIO"], FAULTS["ENOSPC"]], ["CORRUPTED"], 5)


@long
@plain_build
@seconds(900)
def test_every_file_and_lmdb_at_a_start(world):
    fail_files_and_lmdb_at_starts(world, FAULTS.values(), LMDB_ERRORS, 1)
