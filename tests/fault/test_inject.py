"""Every allocation and every call of LMDB fails in turn: nothing crashes, hangs, is lost or applied twice."""
from collections import Counter
from http.client import HTTPConnection, HTTPException

from case import long, plain_build, seconds, tell
from injector import AFTER, ANY, COMMIT, LMDB, LMDB_ERRORS, MEMORY, NET, OTHER, Fault, passes_over, running
from rounds import ARGUMENTS, WORK, Round, batch, fail_starts, prepared, purchase, said
from test_admin import port
from test_tls import Door
from wire import Closed, Fatal, Wire, keyless, pb
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


EACH_OF_THE_FIRST = 40               # what is of ours comes before the library's thousands


def ended_well(try_once):
    """How a connection ended that met a fault: never in silence, never with the blame on the peer."""
    try:
        answer = try_once()
        bad = [] if answer is None else [p for p in (getattr(answer, "results", None) or [answer]) if isinstance(p, pb.Response) and p.status != pb.OK]
        for p in bad:
            ours = p.status in (pb.UNAVAILABLE, pb.INTERNAL, pb.RESOURCE_EXHAUSTED)
            assert p.message and (ours or p.status == pb.INVALID_ARGUMENT and p.field == "amount"), p
        return "refused" if bad else "ok"
    except Fatal as e:
        assert e.reason == "INTERNAL" or "no memory" in e.error.message, f"no fault of the peer's: {e}"
        return "error"
    except TimeoutError as e:
        raise AssertionError("neither answered nor closed") from e
    except (Closed, HTTPException, OSError):
        return "closed"


def grows(fault, before):
    """Whether there is more memory in use than before, for longer than what is under way may take."""
    try:
        eventually(lambda: fault.live <= before, "", seconds=0.5)
        return False
    except AssertionError:
        return True


def loses_memory(fault, try_once, name, k):
    """What stays for later use does not grow each time."""
    for again in range(5):
        before = fault.live
        ended_well(lambda n=again: try_once(f"leak-{name}-{k}-{n}", k))
        fault.disarm()
        if not grows(fault, before):
            return False
    return True


def each_allocation(ledger, fault, name, try_once, step, ends):
    """${try_once} arms the fault, and does what is to meet it."""
    k = 1
    while True:
        label = f"{name}-{k}"
        passed_over = passes_over(label)
        if passed_over is None:
            before = fault.live
            try:
                how = ended_well(lambda n=k, key=label: try_once(key, n))
                fired = fault.fired > 0
                fault.disarm()
                assert how != "closed" or running(ledger.daemon), "the daemon is gone"
                assert not fired or not grows(fault, before) or not loses_memory(fault, try_once, name, k), "memory is lost"
            except BaseException:
                print(f"{label}: {fault.what()}")
                raise
            ends[how] += fired
        if passed_over is False or passed_over is None and not fired:
            return
        k += 1 if k < EACH_OF_THE_FIRST else step


def try_net(fault, connect, act):
    def once(key, k):
        if act is None:
            fault.arm(MEMORY, k, threads=NET)
        with connect() as wire:
            if act is None:
                return None
            fault.arm(MEMORY, k, threads=NET)
            return act(wire, key)
    return once


def fail_net_allocations(world, step):
    fault = Fault(world)
    ledger = prepared(world, fault)
    ends = Counter()
    for name, act in NET_WORK.items():
        each_allocation(ledger, fault, name, try_net(fault, lambda: Wire(ledger.address, timeout=10), act), step, ends)
    ledger.books()                                  # no request id is there twice
    ledger.stop()
    expect(ledger.audit(), status="OK")
    tell(f"{ends.total()} allocations for connections failed; {said(ends)}")


@plain_build
@seconds(100)
def test_allocations_of_connections(world):
    fail_net_allocations(world, 5)


@long
@plain_build
@seconds(900)
def test_every_allocation_of_connections(world):
    fail_net_allocations(world, 1)


def fail_tls_allocations(world, step):
    fault = Fault(world)
    door = Door(world, *ARGUMENTS, env=fault.env)
    till = door.authority.issue("pos/0042/07")
    ends = Counter()
    each_allocation(door.ledger, fault, "handshake", try_net(fault, lambda: door.wire(till, timeout=10), None), step, ends)
    with door.wire(till) as wire:
        wire.ping()
    tell(f"{ends.total()} allocations of a TLS handshake failed; {said(ends)}")


@plain_build
@seconds(100)
def test_allocations_of_a_handshake(world):
    fail_tls_allocations(world, 61)


@long
@plain_build
@seconds(900)
def test_every_allocation_of_a_handshake(world):
    fail_tls_allocations(world, 1)


def get(ledger, path):
    connection = HTTPConnection("127.0.0.1", port(ledger), timeout=2)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def get_without_memory(ledger, path, fault):
    """evhttp of libevent 2.1 does not survive each failure of its own: those of ours must be answered."""
    try:
        status = get(ledger, path)
        assert status in (200, 400, 404, 500, 503), status
        how = "answered"
    except (HTTPException, OSError) as e:
        how = "silent" if isinstance(e, TimeoutError) else "closed"
    if how != "answered" and not running(ledger.daemon):
        how = "ended by evhttp"
    evhttp_alone = fault.what().count("(") == 1 and "run(admin.c:" in fault.what()
    assert how != "silent" and "ended" not in how or evhttp_alone, f"{how}: {fault.what()}"
    return how


def fail_http_allocations(world, step):
    fault = Fault(world)
    arguments = ("--admin", "127.0.0.1:0")
    ledger = prepared(world, fault, arguments)
    ends = Counter()
    for path in ("/metrics", "/readyz", "/checkpoint", "/tile/0/000", "/nothing"):
        for k in range(1, 1000, step):
            if passes_over(f"{path}-{k}") is not None:
                continue
            fault.arm(MEMORY, k, threads=OTHER)
            try:
                how = get_without_memory(ledger, path, fault)
            except BaseException:
                print(f"{path}-{k}: {fault.what()}")
                raise
            if fault.fired == 0:
                break
            ends[how] += 1
            if "ended" in how:
                ledger.daemon.wait_end(None)
                ledger.start(*ARGUMENTS, *arguments, env=fault.env)
        fault.disarm()
        assert get(ledger, path) in (200, 404), path
    ledger.stop()
    expect(ledger.audit(), status="OK")
    tell(f"{ends.total()} allocations for HTTP failed; {said(ends)}")


@plain_build
@seconds(100)
def test_allocations_of_http(world):
    fail_http_allocations(world, 13)


@long
@plain_build
@seconds(900)
def test_every_allocation_of_http(world):
    fail_http_allocations(world, 1)


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


def fail_lmdb(world, names, pick, most=1000):
    """${pick} says which of the errors of a call are tried at its k-th, for k up to ${most}."""
    r = Round(world, Fault(world))
    by_error = Counter()
    for name in names:
        for call, errors in LMDB_CALLS.items():
            tried = [(e, mode) for e in errors for mode in ((0, AFTER) if call == "txn_commit" and e == "EIO" else (0,))]
            k, left = 1, True
            while left and k <= most:
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
    fail_lmdb(world, ("enrol", "purchase", "publish"), lambda tried, k: [tried[k % len(tried)]])


@plain_build
@seconds(100)
def test_a_command_that_fails_when_what_was_due_before_it_is_flushed(world):
    """A version's look at six hundred members has a flush in it, and comes before the first command after a start."""
    r = Round(world, Fault(world))
    results = r.wire.batch([keyless("enrol", member=f"x-{i}") for i in range(600)], key="many").results
    assert all(result.status == pb.OK for result in results)
    for k in range(1, 9):
        for name in ("publish", "purchase"):
            r.one(name, f"d-{name}-{k}", at=k, kind=LMDB, call="cursor_open", error=LMDB_ERRORS["BAD_TXN"], mode=0)
    assert r.ends["ended"] > 4, r.ends
    r.finish()


@long
@plain_build
@seconds(1800)
def test_every_call_of_lmdb_in_a_commit(world):
    fail_lmdb(world, [name for name in WORK if name != "rotate"], lambda tried, k: tried)


@long
@plain_build
@seconds(900)
def test_every_call_of_lmdb_in_a_rotation(world):
    # a ledger has 256 keys at most, and each rotation writes them all
    fail_lmdb(world, ["rotate"], lambda tried, k: [tried[k % len(tried)]], 30)


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
