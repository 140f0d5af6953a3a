"""tests/bench/null_server.c: it answers what fealty-bench sends, signs and flushes as it was told, and what it says and writes is as long as fealtyd's."""
import json
import os
import subprocess
import tempfile

from case import reduced
from test_bench import bench
from wire import Wire, keyless
from world import BUILD, SOURCE, check_output, eventually

NULL_SERVER = os.path.join(BUILD, "tests", "null_server")
NEAR = 0.1                      # of fealtyd's bytes: numbers have more or fewer digits
with open(os.path.join(SOURCE, "tests", "bench", "audit.py"), encoding="utf-8") as source:
    PROGRAM = source.read().split('PROGRAM = """')[1].split('"""')[0]       # the bench's


class NullServer:
    """As bench() wants a ledger."""

    def __init__(self, world, *options):
        self.directory = tempfile.mkdtemp(dir=world.dir)
        self.address = "unix:" + os.path.join(self.directory, "socket")
        self.process = subprocess.Popen([NULL_SERVER, *options, self.directory], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        eventually(self._listens, "the null server listens")

    def _listens(self):
        assert self.process.poll() is None, self.process.communicate()
        try:
            self.wire().close()
        except OSError:
            return False
        return True

    def wire(self):
        return Wire(self.address, "backend/bench")

    def end(self):
        """What its threads did."""
        self.process.terminate()
        out, err = self.process.communicate(timeout=60)
        check_output("null_server", self.process.returncode, err)
        assert self.process.returncode == 0, (self.process.returncode, err)
        return json.loads(out)


def answered(r, commands):
    assert (r["commands"], r["errors"], r["lost"], r["unanswered"]) == (commands, {}, 0, 0), r


@reduced
def test_each_command_is_answered_signed_and_flushed(world):
    server = NullServer(world, "-s", "-f")
    answered(bench(server, "--no-enrol", "-n", 600, "-c", 8, "-d", 4), 600)
    answered(bench(server, "--no-enrol", "-n", 300, "-c", 4, "--mix", "balance"), 300)
    did = server.end()
    assert (did["commands"], did["signatures"]) == (600, 600), did
    assert 600 / 32 <= did["commits"] <= 600, "32 are in flight, and each commit has one at least"


def test_a_batch_has_one_signature(world):
    server = NullServer(world, "-s", "-f")
    answered(bench(server, "--no-enrol", "-n", 5000, "-c", 2, "-b", 1000), 5000)
    did = server.end()
    assert (did["commands"], did["signatures"]) == (5000, 5) and 3 <= did["commits"] <= 5, did


def test_what_it_was_not_told_it_does_not_do(world):
    for options, signs, flushes in (((), False, False), (("-s",), True, False), (("-f",), False, True)):
        server = NullServer(world, *options)
        answered(bench(server, "--no-enrol", "-n", 100, "-c", 2), 100)
        did = server.end()
        assert (did["signatures"] == 100) == signs and (did["commits"] > 0) == flushes == (did["appended_bytes"] > 0), (options, did)


def near(null, real, what):
    assert abs(null - real) <= NEAR * real, f"{what}: {null} bytes, and fealtyd's are {real}"


def replies(wire):
    """The bytes of the answers to a purchase, a balance, and a batch of ten."""
    tags = [wire.start("purchase", member="bench:bench:0000000007", amount="55"), wire.start("balance", member="bench:bench:0000000007")]
    batch = [keyless("purchase", member=f"bench:bench:{i:010}", amount="55") for i in range(10)]
    answers, of_batch = [wire.wait(tag) for tag in tags], wire.batch(batch, key="of-ten")
    assert len(of_batch.results) == 10, of_batch
    return [answer.ByteSize() for answer in answers], of_batch.ByteSize()


def leaf_bytes(ledger):
    return sum(map(len, ledger.leaves()))


def test_it_is_as_long_as_fealtyd(world):
    ledger = world.running(PROGRAM, clock="real", at=None)
    bench(ledger, "-n", 2000, "-c", 1, "-b", 1000, "-m", 2000)
    before = leaf_bytes(ledger)
    bench(ledger, "--no-enrol", "-n", 200, "-c", 1, "-m", 2000)
    single = leaf_bytes(ledger) - before
    bench(ledger, "--no-enrol", "-n", 2000, "-c", 1, "-b", 1000, "-m", 2000)
    batched = leaf_bytes(ledger) - before - single
    with ledger.wire("backend/bench") as wire:
        real, real_batch = replies(wire)
    server = NullServer(world, "-f")
    with server.wire() as wire:
        null, null_batch = replies(wire)
    server.end()
    for at, what in enumerate(("purchase", "balance")):
        near(null[at], real[at], f"the answer to a {what}")
    near(null_batch, real_batch, "the answer to a batch")
    for words, commands, real_bytes in ((("-n", 200), 200, single), (("-n", 2000, "-b", 1000), 2000, batched)):
        server = NullServer(world, "-f")
        answered(bench(server, "--no-enrol", "-c", 1, *words), commands)
        near(server.end()["appended_bytes"], real_bytes, f"what {' '.join(map(str, words))} appends")


def test_what_it_does_not_know_is_refused(world):
    server = NullServer(world)
    with server.wire() as wire:
        wire.start("history", member="m")
        wire.expect_fatal("MALFORMED")
    with server.wire() as wire:
        wire.start_batch([], key="empty")
        wire.expect_fatal("MALFORMED")
    server.end()
