"""A disk that is full for an hour, from the middle of something on: writes wait, reads and time go on, and nothing is started again.

Full is every write to the ledger's files from a certain one on; the tests of a disk that is truly small are in e2e/test_disk.py.
"""
import errno
import os
import threading

import programs
from case import plain_build, seconds, tell
from injector import ANY, FILE, Fault
from rounds import ARGUMENTS
from wire import keyless, pb
from world import eventually, expect

HOUR = 3600


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Full:
    """A ledger on the real clock, with a hold that ends within the hour."""

    def __init__(self, world, *arguments):
        self.fault = Fault(world)
        self.ledger = world.ledger(clock="real")
        self.ledger.start(*ARGUMENTS, *arguments, env=self.fault.env)
        self.ledger.publish(programs.PLAIN, at=None)
        self.wire = self.ledger.wire()
        self.wire.ok("enrol", member="m1", aliases=["app:1"], birthday="01-02", key="e1")
        self.wire.ok("purchase", member="m1", amount="100", key="p1")
        self.wire.ok("hold", member="m1", points="10", ttl="30m", key="h1")

    def fill(self, at=1, call="", path=None):
        self.fault.arm(FILE, at, threads=ANY, error=errno.ENOSPC, lasting=True, call=call, path=path or self.ledger.data)

    def hour(self):
        """Refused clearly, read as ever, without a storm of tries, while the clock goes on."""
        self.fill()
        daemon, w = self.ledger.daemon, self.wire
        lines, used = daemon.log().count("\n"), cpu_seconds(daemon.pid)
        for minutes in range(0, 61, 10):
            self.fault.clocks(minutes * 60, minutes * 60)
            r = w.refused("UNAVAILABLE", "purchase", member="m1", amount="1", key="during")
            assert r.field == "disk" and r.retryable and r.retry_after_ms > 0 and "full" in r.message, r
            w.refused("UNAVAILABLE", "enrol", member=f"n{minutes}", key=f"n{minutes}")
            expect(w.ok("balance", member="app:1"), available="90" if minutes < 30 else "100", held="10" if minutes < 30 else "0")
            w.ok("history", member="m1")
            with self.ledger.wire("auditor/a") as other:
                other.ok("transaction", seq=2)
            if minutes >= 30:           # the hold is over
                eventually(lambda n=self.fault.fired: self.fault.fired > n, "that it tries by itself to say so")
        lines, used = daemon.log().count("\n") - lines, cpu_seconds(daemon.pid) - used
        assert lines < 150 and used < 2, f"{lines} lines, {used} s of processor time"
        return lines, used

    def back(self):
        """Space again: everything goes on, in the same process."""
        self.fault.disarm()
        w = self.wire
        eventually(lambda: w.call("purchase", member="m1", amount="1", key="during").status == pb.OK, "writes again")
        eventually(lambda: w.ok("balance", member="m1").held == "0", "the hold's end")
        timeouts = [e for _, e in self.ledger.books().entries() if e.inputs.HasField("hold_timeout")]
        assert len(timeouts) == 1 and timeouts[0].principal == "system", timeouts
        for minutes in range(0, 61, 10):
            w.ok("enrol", member=f"n{minutes}", key=f"n{minutes}")
        expect(w.ok("balance", member="m1"), available="101")

    def end(self):
        self.wire.close()
        assert self.ledger.daemon.log().count("daemon.ready") == 1
        self.ledger.stop()
        expect(self.ledger.audit(), status="OK")


@plain_build
@seconds(100)
def test_between_two_parts_of_a_batch(world):
    """Who sends little parts a large batch: some of it is durable, the rest is refused, and sent again it is applied once."""
    full = Full(world)
    stop = threading.Event()

    def till():
        with full.ledger.wire("pos/1/1") as w:
            while not stop.is_set():
                w.call("purchase", member="m1", amount="0")
    other = threading.Thread(target=till)
    other.start()
    try:
        rounds = 0
        while True:
            rounds += 1
            assert rounds < 20, "no batch was ever parted"
            commands = [keyless("purchase", member="m1", amount="0")] * 1000
            full.fill(at=2 + rounds % 3, call="fdatasync", path="/ledger/data.mdb")
            r = full.wire.batch(commands, key=f"b{rounds}")
            states = [one.status for one in r.results]
            if len(set(states)) == 2:
                break
            full.fault.disarm()
            eventually(lambda n=rounds: full.wire.batch(commands, key=f"b{n}").outcome.status == pb.OK, "the batch")
    finally:
        stop.set()
        other.join()
    durable = states.index(pb.UNAVAILABLE)
    assert set(states[durable:]) == {pb.UNAVAILABLE}, "what was applied is its beginning"
    lines, used = full.hour()
    full.fault.disarm()

    def whole():
        again = full.wire.batch(commands, key=f"b{rounds}")
        return again if all(one.status == pb.OK for one in again.results) else None
    again = eventually(whole, "the rest of the batch")
    assert [one.id for one in again.results[:durable]] == [one.id for one in r.results[:durable]]
    full.back()
    full.end()
    tell(f"{durable} of 1000 commands were durable when the disk was full; the hour took {lines} lines of log and {used:.2f} s of processor time")


@plain_build
@seconds(100)
def test_in_the_middle_of_a_turn_of_the_vault(world):
    full = Full(world)
    for at in (3, 9, 16):
        full.fill(at=at)
        done = full.ledger.cli("admin", "vault", "rotate", "--timeout", "1s", code=None)
        assert full.fault.fired > 0 and done.code != 0, done
        expect(full.wire.ok("balance", member="app:1"), member_no=1)
        full.fault.disarm()
        eventually(lambda n=at: full.wire.call("purchase", member="m1", amount="0", key=f"between-{n}").status == pb.OK, "writes again")
    full.fill(at=5)
    assert full.ledger.cli("admin", "vault", "rotate", "--timeout", "1s", code=None).code != 0
    full.hour()
    full.back()
    eventually(lambda: full.ledger.cli("admin", "vault", "rotate", code=None).code == 0, "a turn, when there is space")
    expect(full.wire.ok("balance", member="app:1"), member_no=1, available="101")
    full.end()


@plain_build
@seconds(100)
def test_while_a_snapshot_is_written(world):
    full = Full(world, "--snapshot-seconds", "1")
    full.fill(at=2, path="/snapshot/")
    full.wire.ok("purchase", member="m1", amount="0", key="more")
    eventually(lambda: full.fault.fired > 0, "a snapshot that meets the end of the disk")
    eventually(lambda: "snapshot.failed" in full.ledger.daemon.log(), "that it says so")
    full.hour()
    full.back()
    directory = os.path.join(full.ledger.data, "snapshot")
    eventually(lambda: any(n.endswith(".sum") for n in os.listdir(directory)), "a snapshot")
    full.end()
