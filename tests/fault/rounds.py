"""Commands that meet a fault, one after the other, and are made good; and starts that do."""
from collections import Counter

import programs
from injector import Fault, attempt, passes_over
from test_keys import new_key
from wire import Closed, Fatal, keyless, pb
from world import expect

ARGUMENTS = ("--sign-threads", "1", "--net-threads", "1")


def purchase(w, key, **fields):
    return w.call("purchase", member="m1", amount="3", key=key, **fields)


def batch(w, key, atomic=False):
    commands = [keyless("purchase", member="m1", amount="2"), keyless("enrol", member=f"b-{key}"), keyless("redeem", member="m1", points="1")]
    return w.batch(commands, key=key, atomic=atomic)


definitions, new_keys = {}, {}


def make_key(w, key):
    new_keys[key] = bytes.fromhex(new_key(w.ledger))


def take_definition(w, key):
    definitions[key] = w.ok("show_program").program
    definitions[key].name = f"plain {key}"


def rich(w, key):
    """A member may have 64 holds: each has another."""
    w.ok("enrol", member=f"h-{key}", key=key + ".e")
    return w.ok("adjust", member=f"h-{key}", points="100", reason="opening", key=key + ".a")


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
    "hold": (rich, lambda w, key: w.call("hold", member=f"h-{key}", points="2", ttl="30d", key=key)),
    "capture": (lambda w, key: rich(w, key) and w.ok("hold", member=f"h-{key}", points="2", ttl="30d", key=key + ".h"),
                lambda w, key: w.call("capture", member=f"h-{key}", hold=key + ".h", points="1", key=key)),
    "rotate": (make_key, lambda w, key: w.call("rotate_key", new_key=new_keys[key], key=key)),
    "replay": (lambda w, key: w.ok("purchase", member="m1", amount="9", key=key), lambda w, key: w.call("purchase", member="m1", amount="9", key=key)),
}


# The alias that a command gives to somebody, before its request id.
ALIAS = {"enrol": "n-", "profile": "app:", "atomic": "b-"}


def prepared(world, fault, arguments=(), **options):
    ledger = world.ledger(**options)
    ledger.start(*ARGUMENTS, *arguments, env=fault.env)
    ledger.publish(programs.PLAIN)
    with ledger.wire() as wire:
        wire.ok("enrol", member="m1", key="e1")
        wire.ok("adjust", member="m1", points="1000000", reason="opening", key="a1")
    return ledger


class Round:
    """Plays commands with a fault in each, and sends each again until it is applied."""

    def __init__(self, world, fault, arguments=(), **options):
        self.fault, self.arguments = fault, arguments
        self.ledger = prepared(world, fault, arguments, **options)
        self.connect()
        self.done = {}                  # request id -> entries, as they were answered
        self.ends = Counter()

    def again(self):
        """A daemon and a connection, whatever became of those before."""
        self.fault.disarm()
        if self.ledger.daemon.ended:
            self.ledger.start(*ARGUMENTS, *self.arguments, env=self.fault.env)
        self.wire.close()
        self.connect()

    def connect(self):
        self.wire = self.ledger.wire()
        self.wire.ledger = self.ledger

    def one(self, name, key, **fault):
        """True when the fault happened; it is made good."""
        passed_over = passes_over(key)
        if passed_over is not None:
            return passed_over
        before, act = WORK[name]
        if before:
            before(self.wire, key)
        self.fault.arm(**fault)
        try:
            first = attempt(self.ledger, self.wire, lambda w: act(w, key))
        except BaseException:
            print(f"{key}: {self.fault.what() if self.fault.fired else 'no fault'}")
            raise
        fired = self.fault.fired > 0
        try:
            self.made_good(name, key, act, first)
        except BaseException:
            print(f"{key}: {self.fault.what() if fired else 'no fault'}; then {first.how}, {first.why}")
            raise
        if fired:
            self.ends[first.how] += 1
        return fired

    def made_good(self, name, key, act, first):
        if first.how in ("ended", "closed"):
            self.again()
        self.fault.disarm()
        if name in ALIAS and first.how != "ok":
            self.is_nobody_elses(ALIAS[name] + key, first.how == "refused")
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
        if name == "rotate":            # a key's file that could not be renamed is put in its place by the next start
            self.ledger.stop()
            self.again()

    def is_nobody_elses(self, alias, refused):
        """What a command that did not happen put into the vault is not found, and least of all as the next one's, who has that number now."""
        other = self.wire.ok("enrol", member=f"other-{alias}")
        found = self.wire.call("balance", member=alias)
        assert found.reason == "NOT_FOUND" or not refused and found.member_no != other.member_no, f"{alias} is {found}, and {other.member_no} somebody else"

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


# ---- the start ----

def start_with(ledger, fault, label, **how):
    """How a start that met the fault ended: it serves, or says why not."""
    fault.arm(**how)
    daemon = ledger.daemon = ledger.launch(*ARGUMENTS, env=fault.env)
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
        print(f"{label}: {fault.what()}")
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


def fail_starts(world, first, step, name="l", **fault_of):
    fault = Fault(world)
    ledger = prepared(world, fault, name=name)
    with ledger.wire() as wire:
        wire.ok("enrol", member="card:2", birthday="02-03", key="e2")
    ends, k = Counter(), first
    ledger.daemon.kill()                            # so that there is something to recover
    while True:
        passed_over = passes_over(f"{name}-{k}")
        if passed_over:
            k += 1
            continue
        if passed_over is False:
            break
        how = start_with(ledger, fault, f"{name}-{k}", at=k, **fault_of)
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
