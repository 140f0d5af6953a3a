"""Every allocation, every call of LMDB and every write fails in turn, and the clock jumps: nothing crashes, hangs, is lost or applied twice."""
from collections import Counter

import programs
from case import long, plain_build, seconds, tell
from injector import AFTER, ANY, COMMIT, LMDB, LMDB_ERRORS, MEMORY, NET, Fault, attempt
from wire import Closed, Fatal, Wire, keyless, pb
from world import eventually, expect

ARGUMENTS = ("--sign-threads", "1", "--net-threads", "1")


def purchase(w, key, **fields):
    return w.call("purchase", member="m1", amount="3", key=key, **fields)


def batch(w, key, atomic=False):
    return w.batch([keyless("purchase", member="m1", amount="2"), keyless("enrol", member=f"b-{key}"), keyless("redeem", member="m1", points="1")], key=key, atomic=atomic)


definitions = {}


def take_definition(w, key):
    definitions[key] = w.ok("show_program").program
    definitions[key].name = f"plain {key}"


# name: (what there must be before it, the command)
WORK = {
    "enrol": (None, lambda w, key: w.call("enrol", member=f"n-{key}", birthday="03-04", aliases=[f"card:{key}"], key=key)),
    "profile": (lambda w, key: w.ok("enrol", member=f"p-{key}", key=key + ".e"),
                lambda w, key: w.call("profile", member=f"p-{key}", birthday="05-06", add_aliases=[f"app:{key}"], key=key)),
    "purchase": (None, purchase),
    "receipt": (None, lambda w, key: purchase(w, key, want_receipt=True)),
    "redeem": (None, lambda w, key: w.call("redeem", member="m1", points="2", key=key)),
    "batch": (None, batch),
    "atomic": (None, lambda w, key: batch(w, key, atomic=True)),
    "return": (lambda w, key: w.ok("purchase", member="m1", amount="9", key=key + ".p"),
               lambda w, key: w.call("return", member="m1", purchase=key + ".p", key=key)),
    "erase": (lambda w, key: w.ok("enrol", member=f"g-{key}", birthday="07-08", key=key + ".e"), lambda w, key: w.call("erase", member=f"g-{key}", key=key)),
    "publish": (take_definition, lambda w, key: w.call("publish", definition=definitions[key], key=key)),
    "hold": (None, lambda w, key: w.call("hold", member="m1", points="2", ttl="30d", key=key)),
    "capture": (lambda w, key: w.ok("hold", member="m1", points="2", ttl="30d", key=key + ".h"),
                lambda w, key: w.call("capture", member="m1", hold=key + ".h", points="1", key=key)),
    "replay": (lambda w, key: w.ok("purchase", member="m1", amount="9", key=key), lambda w, key: w.call("purchase", member="m1", amount="9", key=key)),
}


def prepared(world, fault, **options):
    ledger = world.ledger(**options)
    ledger.start(*ARGUMENTS, env=fault.env)
    ledger.publish(programs.PLAIN)
    with ledger.wire() as wire:
        wire.ok("enrol", member="m1", key="e1")
        wire.ok("adjust", member="m1", points="1000000", reason="opening", key="a1")
    return ledger


class Round:
    """Plays commands with a fault in each, and sends each again until it is applied."""

    def __init__(self, world, fault, **options):
        self.world, self.fault = world, fault
        self.ledger = prepared(world, fault, **options)
        self.wire = self.ledger.wire()
        self.done = {}                  # request id -> entries, as they were answered
        self.ends = Counter()

    def again(self):
        """A daemon and a connection, whatever became of those before."""
        self.fault.disarm()
        if self.ledger.daemon.ended:
            self.ledger.start(*ARGUMENTS, env=self.fault.env)
        self.wire.close()
        self.wire = self.ledger.wire()

    def one(self, name, key, **fault):
        """True when the fault happened; it is made good."""
        before, act = WORK[name]
        if before:
            before(self.wire, key)
        self.fault.arm(**fault)
        try:
            first = attempt(self.ledger, self.wire, lambda w: act(w, key))
        except BaseException:
            print(f"the fault: {self.fault.what() if self.fault.fired else 'none'}")
            raise
        fired = self.fault.fired > 0
        try:
            self.made_good(name, key, act, first)
        except BaseException:
            print(f"the fault: {self.fault.what() if fired else 'none'}; then {first.how}, {first.why}")
            raise
        if fired:
            self.ends[first.how] += 1
        return fired

    def made_good(self, name, key, act, first):
        if first.how in ("ended", "closed"):
            self.again()
        self.fault.disarm()
        second = act(self.wire, key)
        results = second.results if isinstance(second, pb.BatchResponse) else [second]
        assert all(r.status == pb.OK for r in results) and len(results) > 0, second
        ids = [r.id for r in results]
        if first.how == "ok":
            said = first.answer.results if isinstance(first.answer, pb.BatchResponse) else [first.answer]
            assert [r.id for r in said] == ids and all(r.replayed for r in results), (first.answer, second)
        elif first.how == "refused" and name != "replay":
            assert not any(r.replayed for r in results) or name == "batch", f"it was refused, and applied: {second}"
        self.done[key] = ids

    def all_of(self, name, label, first=1, step=1, **fault):
        """The ${first}-th call fails, and so on, until one goes through without; how many there were."""
        k = first
        while self.one(name, f"{label}-{name}-{k}", at=k, **fault):
            k += step
        return k - 1

    def finish(self):
        """What was answered is there once, and the ledger is good."""
        self.fault.disarm()
        books = self.ledger.books()                 # verifies that no request id is there twice
        for key, ids in self.done.items():
            names = [f"{key}.{i + 1}" for i in range(len(ids))] if len(ids) > 1 else [key]
            for name, one in zip(names, ids, strict=True):
                assert books.requests["operator/test", name] == one, f"{name}: {one}"
        self.wire.close()
        self.ledger.stop()
        expect(self.ledger.audit(), status="OK")


def said(ends):
    return ", ".join(f"{how} {n}" for how, n in sorted(ends.items()))


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

def start_with(ledger, fault, arguments=(), **how):
    """How a start that met the fault ended: it serves, or says why not."""
    fault.arm(**how)
    daemon = ledger.daemon = ledger.launch(*ARGUMENTS, *arguments, env=fault.env)
    try:
        if daemon.started():
            return "started"
        log = daemon.wait_end(None)
        code = daemon.process.returncode
        if code < 0 and "sandbox_enter" in fault.what():
            return "ended by a filter that is none"     # libseccomp loads one that forbids everything, the last word as well
        assert code in (1, 70) and len(log.strip().splitlines()[-1]) > 20, f"exit {code}, and it said: {log}"
        assert code == 1 or "commit.failed" in log, log
        return "refused" if code == 1 else "ended"
    except BaseException:
        print(f"the fault: {fault.what()}")
        raise
    finally:
        fault.disarm()


def lives(ledger, fault, how):
    """A daemon that started in spite of it works and stops well, and so does the one after a refusal; but for one whose threads met it later."""
    if how == "started":
        try:
            with ledger.wire() as wire:
                wire.call("balance", member="m1")
        except (Closed, Fatal, ConnectionRefusedError, FileNotFoundError):
            pass
        log = ledger.daemon.stop(code=None)
        assert ledger.daemon.process.returncode in (0, 70), f"exit {ledger.daemon.process.returncode}: {fault.what()}\n{log}"


def fail_starts(world, first, step, **fault_of):
    fault = Fault(world)
    ledger = prepared(world, fault)
    with ledger.wire() as wire:
        wire.ok("enrol", member="card:2", birthday="02-03", key="e2")
    ends, k = Counter(), first
    ledger.daemon.kill()                            # so that there is something to recover
    while True:
        how = start_with(ledger, fault, at=k, **fault_of)
        if fault.fired == 0:
            break
        # libseccomp without memory mostly goes round until the daemon's patience ends: not each of its hundreds is waited for
        k += max(5 * step, 83) if "sandbox_enter" in fault.what() else step
        lives(ledger, fault, how)
        ends[how] += 1
    ledger.stop()
    ledger.start()
    with ledger.wire() as wire:
        expect(wire.ok("balance", member="m1"), available="1000000")
    ledger.stop()
    expect(ledger.audit(), status="OK")
    return ends


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
