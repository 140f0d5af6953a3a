"""Every allocation and every call of LMDB fails in turn: nothing crashes, hangs, is lost or applied twice."""
from collections import Counter

from case import long, plain_build, seconds, tell
from injector import AFTER, ANY, COMMIT, LMDB, LMDB_ERRORS, MEMORY, NET, Fault
from rounds import WORK, Round, batch, fail_starts, prepared, purchase, said
from wire import Closed, Fatal, Wire, pb
from world import eventually, expect

def fail_allocations(world, names, step):
    r = Round(world, Fault(world))
    points = Counter()
    for name in names:
        points[name] = r.all_of(name, "mem", step=step, kind=MEMORY, threads=COMMIT)
    r.finish()
    tell(f"{r.ends.total()} of {sum(points.values())} allocations of the commit thread failed; {said(r.ends)}")


@plain_build
@seconds(100)
def test_allocations_of_a_commit(world):
    fail_allocations(world, WORK, 7)


@long
@plain_build
@seconds(900)
def test_every_allocation_of_a_commit(world):
    fail_allocations(world, WORK, 1)


# ---- the threads of the connections ----

def follow(w, _):
    n = w.hello_ok.size
    return w.leaves(w.subscribe(credits=n), n) and None


NET_WORK = {
    "hello": None,
    "ping": lambda w, key: w.ping() and None,
    "balance": lambda w, key: w.call("balance", member="m1"),
    "history": lambda w, key: w.call("history", member="m1"),
    "transaction": lambda w, key: w.call("transaction", seq=2),
    "checkpoint": lambda w, key: w.call("checkpoint"),
    "proof": lambda w, key: w.call("proof", seq=1),
    "program": lambda w, key: w.call("show_program"),
    "lots": lambda w, key: w.call("balance", member="m1", as_of="2026-06-01T00:00:00Z"),
    "subscription": follow,
    "events": lambda w, key: w.cancel(w.subscribe(credits=50, events=True)) or w.ping() and None,
    "purchase": purchase,
    "batch": batch,
    "refused": lambda w, key: w.call("purchase", member="m1", amount="no number", key=key),
}


def net_attempt(ledger, fault, act, key, k):
    """How a connection ended that met the fault: never in silence, never with the blame on the peer."""
    wire = None
    try:
        if act is None:
            fault.arm(MEMORY, k, threads=NET)
        wire = Wire(ledger.address, timeout=10)
        if act is None:
            return "ok"
        fault.arm(MEMORY, k, threads=NET)
        answer = act(wire, key)
        bad = [] if answer is None else [p for p in (getattr(answer, "results", None) or [answer]) if isinstance(p, pb.Response) and p.status != pb.OK]
        for p in bad:
            assert p.message and (p.status in (pb.UNAVAILABLE, pb.INTERNAL, pb.RESOURCE_EXHAUSTED) or p.status == pb.INVALID_ARGUMENT and p.field == "amount"), p
        return "refused" if bad else "ok"
    except Fatal as e:
        assert e.reason == "INTERNAL", f"no fault of the peer's: {e}"
        return "error"
    except Closed:
        return "closed"
    except TimeoutError as e:
        raise AssertionError("neither answered nor closed") from e
    finally:
        if wire is not None:
            wire.close()


def grows(fault, before):
    """Whether there is more memory in use than before, for longer than what is under way may take."""
    try:
        eventually(lambda: fault.live <= before, "", seconds=0.5)
        return False
    except AssertionError:
        return True


def net_leaks(ledger, fault, act, name, k):
    """Four times more: what stays for later use does not grow each time."""
    for again in range(4):
        before = fault.live
        net_attempt(ledger, fault, act, f"leak-{name}-{k}-{again}", k)
        fault.disarm()
        if not grows(fault, before):
            return False
    return True


def fail_net_allocations(world, names, step):
    fault = Fault(world)
    ledger = prepared(world, fault)
    ends, done = Counter(), 0
    for name in names:
        act = NET_WORK[name]
        for k in range(1, 10000, step):
            before = fault.live
            try:
                how = net_attempt(ledger, fault, act, f"net-{name}-{k}", k)
                fired = fault.fired > 0
                fault.disarm()
                if not fired:
                    break
                assert not grows(fault, before) or not net_leaks(ledger, fault, act, name, k), "memory is lost"
            except BaseException:
                print(f"{name} {k}: {fault.what()}")
                raise
            ends[how] += 1
            done += 1
    with ledger.wire() as wire:
        for name in ("purchase", "batch"):
            if name in names:
                NET_WORK[name](wire, f"net-{name}-1")
    ledger.books()
    ledger.stop()
    expect(ledger.audit(), status="OK")
    tell(f"{done} allocations for connections failed; {said(ends)}")


@plain_build
@seconds(100)
def test_allocations_of_connections(world):
    fail_net_allocations(world, NET_WORK, 5)


@long
@plain_build
@seconds(900)
def test_every_allocation_of_connections(world):
    fail_net_allocations(world, NET_WORK, 1)


# ---- LMDB ----

# What each call may plausibly say; a commit also may have happened all the same.
LMDB_CALLS = {
    "txn_begin": ("ENOMEM", "EIO", "READERS_FULL"),
    "put": ("MAP_FULL", "TXN_FULL", "PAGE_NOTFOUND", "CORRUPTED", "BAD_TXN", "ENOMEM", "EIO"),
    "del": ("MAP_FULL", "TXN_FULL", "CORRUPTED", "ENOMEM"),
    "get": ("PAGE_NOTFOUND", "CORRUPTED", "BAD_TXN", "ENOMEM", "EIO"),
    "cursor_open": ("ENOMEM", "BAD_TXN"),
    "cursor_get": ("PAGE_NOTFOUND", "CORRUPTED", "EIO"),
    "txn_commit": ("MAP_FULL", "TXN_FULL", "BAD_TXN", "ENOMEM", "EIO", "ENOSPC"),
    "env_sync": ("EIO", "ENOSPC"),
}


def fail_lmdb(world, names, pick):
    """${pick} says which of the errors of a call are tried at its k-th."""
    r = Round(world, Fault(world))
    by_error = Counter()
    for name in names:
        for call, errors in LMDB_CALLS.items():
            tried = [(e, mode) for e in errors for mode in ((0, AFTER) if call == "txn_commit" and e == "EIO" else (0,))]
            k, left = 1, True
            while left:
                left = False
                for error, mode in pick(tried, k):
                    fired = r.one(name, f"l-{name}-{call}-{error}-{mode}-{k}", at=k, kind=LMDB, call=call, error=LMDB_ERRORS[error], mode=mode)
                    by_error[error] += fired
                    left = left or fired
                k += 1
    r.finish()
    tell(f"{r.ends.total()} calls of LMDB failed ({said(by_error)}); {said(r.ends)}")


@plain_build
@seconds(100)
def test_calls_of_lmdb_in_a_commit(world):
    fail_lmdb(world, ("enrol", "purchase", "atomic", "erase"), lambda tried, k: [tried[k % len(tried)]])


@long
@plain_build
@seconds(1800)
def test_every_call_of_lmdb_in_a_commit(world):
    fail_lmdb(world, WORK, lambda tried, k: tried)


# ---- the start ----

@plain_build
@seconds(100)
def test_allocations_of_a_start(world):
    ends = fail_starts(world, 7, 131, kind=MEMORY, threads=ANY)
    tell(f"{ends.total()} allocations of a start failed; {said(ends)}")


@long
@plain_build
@seconds(1800)
def test_every_allocation_of_a_start(world):
    ends = fail_starts(world, 1, 1, kind=MEMORY, threads=ANY)
    tell(f"{ends.total()} allocations of a start failed; {said(ends)}")
