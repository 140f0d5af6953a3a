"""kill -9 under load: no acknowledged command is lost, none is applied twice."""
import random
import threading

import programs
from case import long, reduced, seconds
from wire import PATIENCE_SECONDS, Closed, Fatal, keyless, pb
from world import expect

WRITERS = 6
MEMBERS = 12


class Till(threading.Thread):
    """Sends commands one after the other, each until it is answered: after a lost connection again, under the same request id.

    Every command's outcome depends only on itself, so that it can be checked afterwards: purchases, batches, holds with their captures.
    """

    def __init__(self, world, number, stop):
        super().__init__(daemon=True)
        self.world, self.number, self.stop = world, number, stop
        self.principal = f"pos/1/{number}"
        self.acknowledged = {}          # request id -> entry
        self.earned = {}                # member -> points, of what was acknowledged
        self.captured = {}
        self.uncertain = 0              # commands that were answered only on another connection
        self.error = None
        self.dice = random.Random(number)
        self.wire = None

    def run(self):
        try:
            n = 0
            while not self.stop.is_set():
                n += 1
                self.one(f"t{self.number}-{n}")
        except BaseException as e:
            self.error = e
        finally:
            if self.wire is not None:
                self.wire.close()

    def connected(self):
        while self.wire is None:
            try:
                self.wire = self.world.ledger_now.wire(self.principal)
            except (OSError, Closed, Fatal):
                if self.world.restarted.wait(PATIENCE_SECONDS):
                    continue
                raise
        return self.wire

    def until_answered(self, send):
        """${send} gives the answer; whatever ends the connection, it is sent again on the next one."""
        first = True
        while True:
            wire = self.connected()
            try:
                answer = send(wire)
            except (Closed, OSError):
                self.wire.close()
                self.wire = None
                self.world.gone.set()
                first = False
                continue
            if isinstance(answer, pb.Response) and answer.reason == "UNAVAILABLE":
                continue
            self.uncertain += not first
            return answer

    def note(self, key, response):
        assert response.status == pb.OK, f"{key}: {response}"
        assert key not in self.acknowledged
        self.acknowledged[key] = response.id

    def one(self, key):
        member = f"m{self.dice.randrange(MEMBERS)}"
        kind = self.dice.random()
        if kind < 0.7:
            amount = self.dice.randint(1, 99)
            self.note(key, self.until_answered(lambda w: w.call("purchase", key=key, member=member, amount=str(amount))))
            self.earned[member] = self.earned.get(member, 0) + amount
        elif kind < 0.85:
            amounts = [self.dice.randint(1, 9) for _ in range(20)]
            commands = [keyless("purchase", member=member, amount=str(a)) for a in amounts]
            atomic = kind < 0.77
            r = self.until_answered(lambda w: w.batch(commands, key=key, atomic=atomic))
            for i, (one, amount) in enumerate(zip(r.results, amounts, strict=True)):
                self.note(f"{key}.{i + 1}", one)
                self.earned[member] = self.earned.get(member, 0) + amount
        else:
            self.note(key, self.until_answered(lambda w: w.call("hold", key=key, member=member, points="7", ttl="30d")))
            self.note(key + "c", self.until_answered(lambda w: w.call("capture", key=key + "c", member=member, hold=key, points="5")))
            self.captured[member] = self.captured.get(member, 0) + 5
            self.note(key + "r", self.until_answered(lambda w: w.call("release", key=key + "r", member=member, hold=key)))


def check(ledger, tills, before):
    """Against the ledger as an auditor reads it, and against the balances that the daemon answers."""
    books = ledger.books()          # verifies signatures and chain, and that no request id is there twice
    for till in tills:
        for key, entry in till.acknowledged.items():
            assert books.requests.get((till.principal, key)) == entry, f"{key} was acknowledged as {entry}: {books.requests.get((till.principal, key))}"
        mine = {k for p, k in books.requests if p == till.principal}
        assert mine == set(till.acknowledged), f"{till.principal}: {mine ^ set(till.acknowledged)} were never acknowledged, and each was sent until it was"
    with ledger.wire() as wire:
        for m in range(MEMBERS):
            member = f"m{m}"
            want = before + sum(t.earned.get(member, 0) - t.captured.get(member, 0) for t in tills)
            expect(wire.ok("balance", member=member), available=str(want), held="0")


def rounds(world, n):
    dice = random.Random(n)
    ledger = world.running(programs.PLAIN, "--snapshot-seconds", "1")
    with ledger.wire() as wire:
        for m in range(MEMBERS):
            wire.ok("enrol", member=f"m{m}", key=f"e{m}")
            wire.ok("adjust", member=f"m{m}", points="1000000", reason="opening", key=f"a{m}")
    world.ledger_now, world.restarted, world.gone = ledger, threading.Event(), threading.Event()
    world.restarted.set()
    stop = threading.Event()
    tills = [Till(world, t, stop) for t in range(WRITERS)]
    for till in tills:
        till.start()
    try:
        for _ in range(n):
            so_far = sum(len(t.acknowledged) for t in tills)
            wanted = so_far + dice.randint(30, 400)
            while sum(len(t.acknowledged) for t in tills) < wanted:
                failed = [t.error for t in tills if t.error is not None]
                assert not failed, failed[0]
                stop.wait(dice.random() / 100)
            world.restarted.clear()
            ledger.daemon.kill()
            ledger.start("--snapshot-seconds", "1")
            world.restarted.set()
    finally:
        stop.set()
        world.restarted.set()
        for till in tills:
            till.join(2 * PATIENCE_SECONDS)
    failed = [t.error for t in tills if t.error is not None]
    assert not failed, failed[0]
    assert not any(t.is_alive() for t in tills)
    assert sum(t.uncertain for t in tills) >= n / 2, "the kills hit nothing that was in flight"
    check(ledger, tills, 1000000)
    ledger.stop()
    expect(ledger.audit(), status="OK")
    print(f"{n} rounds, {sum(len(t.acknowledged) for t in tills)} commands acknowledged, {sum(t.uncertain for t in tills)} of them sent again")


@reduced
@seconds(120)
def test_kill_five_rounds(world):
    rounds(world, 5)


@long
@seconds(600)
def test_kill_fifty_rounds(world):
    rounds(world, 50)


def test_kill_right_after_the_answer(world):
    """The one command that was acknowledged last is there, each time."""
    ledger = world.running()
    with ledger.wire() as wire:
        wire.ok("enrol", member="m1", key="e1")
    for n in range(8):
        wire = ledger.wire()
        r = wire.ok("purchase", member="m1", amount="10", key=f"p{n}")
        ledger.daemon.kill()
        wire.expect_end()
        ledger.start()
        with ledger.wire() as other:
            expect(other.ok("purchase", member="m1", amount="10", key=f"p{n}"), replayed=True, id=r.id, available=str(10 * (n + 1)))
    ledger.stop()
    expect(ledger.audit(), status="OK")


@seconds(90)
def test_kill_in_the_middle_of_a_night(world):
    """A thousand members' points expire and their birthdays fall on one day; killed in between, each happens once."""
    program = programs.birthday(guard_days=0) + "expiry: {after: {months: 1}}\n"
    ledger = world.running(program, at="2026-01-01T00:00:00+09:00")
    count = 1000
    with ledger.wire() as wire:
        for start in range(0, count, 250):
            names = [f"m{n}" for n in range(start, start + 250)]
            r = wire.batch([keyless("enrol", member=m, birthday="02-16", at="2026-01-15T12:00:00+09:00") for m in names], key=f"e{start}")
            assert all(x.status == pb.OK for x in r.results), r.results[0]
            r = wire.batch([keyless("purchase", member=m, amount="5000") for m in names], key=f"p{start}")
            assert all(x.status == pb.OK for x in r.results), r.results[0]
        size = wire.ok("balance", member="m0").seq
    # the clock is moved over the night by one command, which is killed at several points of it
    for attempt in range(4):
        wire = ledger.wire()
        tag = wire.start("purchase", member="m0", amount="0", key="mover", at="2026-02-20T00:00:00+09:00")
        if attempt < 3:
            watcher = ledger.wire("auditor/e2e")
            sub = watcher.subscribe(after=size, credits=1 + attempt)
            try:
                watcher.leaves(sub, 1 + attempt)
            except Closed:
                pass
            ledger.daemon.kill()
            ledger.start()
        else:
            assert wire.wait(tag).status == pb.OK
    books = ledger.books()
    expired = [e.member for _, e in books.entries() if e.inputs.HasField("expire")]
    born = [e.member for _, e in books.entries() if e.inputs.HasField("birthday")]
    assert sorted(expired) == sorted(born) == list(range(1, count + 1)), (len(expired), len(born))
    with ledger.wire() as wire:
        for n in range(0, count, 97):
            expect(wire.ok("balance", member=f"m{n}"), available="50")
    ledger.stop()
    expect(ledger.audit(), status="OK")
