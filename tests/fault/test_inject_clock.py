"""Clocks that jump, stand still, or disagree: the ledger's time rises, holds end when they should, and nothing spins."""
import signal
import time

import programs
from case import plain_build, seconds, tell
from injector import Fault
from rounds import ARGUMENTS
from test_inject_disk import cpu_seconds
from wire import pb
from world import eventually, expect

HOUR, DAY = 3600, 86400
NIGHTS = programs.PLAIN + "expiry: {after: {days: 1}}\n"


class Clocks:
    """A ledger on a real clock that the case sets, followed by somebody who must see everything once and in order."""

    def __init__(self, world, program=programs.PLAIN):
        self.fault = Fault(world)
        self.ledger = world.ledger(clock="real")
        self.start()
        self.ledger.publish(program, at=None)
        self.wire = self.ledger.wire()
        self.wire.ok("enrol", member="m1", key="e1")
        self.follower = self.ledger.wire("auditor/follows")
        self.tag = self.follower.subscribe(credits=100000)
        self.n = 0

    def start(self):
        self.ledger.start(*ARGUMENTS, env=self.fault.env)

    def set(self, real_seconds, boot_seconds=0):
        self.fault.clocks(real_seconds, boot_seconds)

    def restart(self, real_seconds, boot_seconds=0):
        self.wire.close()
        self.follower.close()
        self.ledger.stop()
        self.set(real_seconds, boot_seconds)
        self.start()
        self.wire = self.ledger.wire()
        self.follower = self.ledger.wire("auditor/follows")
        self.tag = self.follower.subscribe(credits=100000)

    def buy(self):
        self.n += 1
        return self.wire.ok("purchase", member="m1", amount="1", key=f"p{self.n}")

    def waits(self):
        """For somebody who says that the clock is right; an earlier command is still answered."""
        r = self.wire.refused("UNAVAILABLE", "purchase", member="m1", amount="1", key="waits")
        assert r.field == "clock" and r.retryable, r
        expect(self.wire.ok("purchase", member="m1", amount="1", key="p1"), replayed=True)
        self.wire.ok("balance", member="m1")

    def accept(self):
        expect(self.ledger.cli("admin", "clock", "accept").json, status="OK")
        self.wire.ok("purchase", member="m1", amount="1", key="waits")

    def quiet(self):
        used = cpu_seconds(self.ledger.daemon.pid)
        time.sleep(1)                   # what is measured is a second of doing nothing
        used = cpu_seconds(self.ledger.daemon.pid) - used
        assert used < 0.3, f"{used} s of processor time in a second without work"

    def finish(self):
        books = self.ledger.books()     # committed_at rises from one to the next
        assert len(self.follower.leaves(self.tag, books.size)) == books.size
        self.wire.close()
        self.follower.close()
        self.ledger.stop()
        expect(self.ledger.audit(), status="OK")
        return books


@plain_build
@seconds(90)
def test_back_and_forth_while_it_runs(world):
    c = Clocks(world)
    jumps = (0, -1, 0, -HOUR, -HOUR + 1, HOUR, -366 * DAY, 0, 23 * HOUR, -DAY, 0)
    for offset in jumps:
        c.set(offset)
        c.buy()
        c.buy()
    c.quiet()
    c.set(-366 * DAY)
    c.buy()
    c.quiet()
    c.set(25 * HOUR)
    c.waits()
    c.quiet()
    c.accept()
    c.set(25 * HOUR - 1)
    c.buy()
    books = c.finish()
    tell(f"{len(jumps) + 3} jumps under {books.size} transactions")


@plain_build
@seconds(90)
def test_back_and_forth_across_restarts(world):
    c = Clocks(world)
    offsets = (-1, -HOUR, -366 * DAY, HOUR, 0, 6 * DAY, 0)
    for offset in offsets:
        c.restart(offset)
        before = c.ledger.books().committed_at
        c.buy()
        assert c.ledger.books().committed_at > before
        expect(c.wire.ok("purchase", member="m1", amount="1", key="p1"), replayed=True)
    c.restart(20 * DAY)                 # the ledger has been at +6 days
    c.waits()
    c.quiet()
    c.restart(6 * DAY)                  # somebody set it right instead of accepting it
    c.buy()
    c.restart(20 * DAY)
    c.waits()
    c.accept()
    c.finish()
    tell(f"{len(offsets) + 3} restarts with another clock")


@plain_build
@seconds(90)
def test_a_machine_that_slept(world):
    """Both clocks ahead is a suspend, however long; only one of them ahead is a clock that is wrong."""
    c = Clocks(world)
    c.buy()
    for days in (1, 2, 10, 40):
        c.set(days * DAY, days * DAY)
        c.buy()
    c.set(40 * DAY + 23 * HOUR, 40 * DAY)
    c.buy()
    c.set(41 * DAY + HOUR, 40 * DAY)
    c.waits()
    c.set(41 * DAY + HOUR, 41 * DAY)    # the other one follows: right again, by itself
    eventually(lambda: c.wire.call("purchase", member="m1", amount="1", key="waits").status == pb.OK, "writes again")
    c.set(41 * DAY, 80 * DAY)           # slept, and the clock was not told
    c.buy()
    c.quiet()
    assert "clock.right_again" in c.ledger.daemon.log()
    c.finish()


@plain_build
@seconds(90)
def test_holds_and_nights(world):
    """A hold ends when the clock has jumped over its end, not before, and once; what expires at midnight does."""
    c = Clocks(world, NIGHTS)
    c.wire.ok("adjust", member="m1", points="100", reason="opening", key="a")
    c.wire.ok("hold", member="m1", points="10", ttl="30m", key="h1")
    c.wire.ok("hold", member="m1", points="10", ttl="3h", key="h2")
    for offset in (-HOUR, -366 * DAY, 60):
        c.set(offset)
        c.buy()
        expect(c.wire.ok("balance", member="m1"), held="20")
    c.set(HOUR)
    eventually(lambda: c.wire.ok("balance", member="m1").held == "10", "the end of the first hold")
    c.wire.refused("HOLD_EXPIRED", "capture", member="m1", hold="h1", key="c1")
    c.set(-HOUR)                        # what has ended does not come back
    c.buy()
    c.wire.refused("HOLD_EXPIRED", "capture", member="m1", hold="h1", key="c2")
    expect(c.wire.ok("balance", member="m1"), held="10")
    c.wire.ok("capture", member="m1", hold="h2", points="10", key="c3")
    c.set(3 * DAY, 3 * DAY)             # three midnights
    eventually(lambda: any(e.inputs.HasField("expire") for _, e in c.ledger.books().entries()), "what expires at night")
    c.set(0, 3 * DAY)
    c.buy()
    c.quiet()
    books = c.finish()
    ops = [e.inputs.WhichOneof("op") for _, e in books.entries()]
    assert ops.count("hold_timeout") == 1 and ops.count("expire") >= 1, ops


@plain_build
@seconds(90)
def test_a_daemon_that_stood_still(world):
    """Stopped and continued: timers fire once, connections go on."""
    c = Clocks(world)
    c.buy()
    for n in range(3):
        c.wire.ok("adjust", member="m1", points="10", reason="opening", key=f"a{n}")
        c.wire.ok("hold", member="m1", points="5", ttl="1s", key=f"h{n}")
        c.ledger.daemon.signal(signal.SIGSTOP)
        tag = c.wire.start("purchase", member="m1", amount="1", key=f"while-{n}")
        time.sleep(1.5)                 # longer than the hold
        c.set((n + 1) * HOUR)           # and the clock was set meanwhile
        c.ledger.daemon.signal(signal.SIGCONT)
        assert c.wire.wait(tag).status == pb.OK
        eventually(lambda: c.wire.ok("balance", member="m1").held == "0", "the end of the hold")
    c.quiet()
    books = c.finish()
    assert sum(e.inputs.HasField("hold_timeout") for _, e in books.entries()) == 3
