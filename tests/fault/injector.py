"""The case's side of fault.c: makes the k-th call of a kind fail in a daemon, and tells what came of it."""
import errno
import mmap
import os
import struct
import subprocess

from wire import Closed, Fatal, pb
from world import BUILD, FEALTYD, skip

LIBRARY = os.path.join(BUILD, "tests", "fault.so")
MEMORY, LMDB, FILE = 1, 2, 3
INSTEAD, AFTER, SHORT = 0, 1, 2                     # it does not happen; it happens and fails all the same; half of a write
MAIN, COMMIT, NET, OTHER = 1, 2, 4, 8
ANY = MAIN | COMMIT | NET | OTHER

# Codes of lmdb.h, and of the system.
LMDB_ERRORS = {"MAP_FULL": -30792, "TXN_FULL": -30788, "PAGE_NOTFOUND": -30797, "CORRUPTED": -30796, "BAD_TXN": -30782, "READERS_FULL": -30790,
               "ENOMEM": errno.ENOMEM, "EIO": errno.EIO, "ENOSPC": errno.ENOSPC}

HEAD = struct.Struct("<QQQqQQ32s128sqq")             # struct fault, up to what the daemon writes
TAIL = struct.Struct("<QQq32s128sQQ24Q")
BYTES = HEAD.size + TAIL.size


ONLY = os.environ.get("FEALTY_FAULT", "")           # one failing point alone, by the label that is printed when it fails


def passes_over(label):
    """None: it is to be played.  Otherwise whether there may be one to play behind it; a label ends with the number of the call."""
    if label == ONLY or not ONLY:
        return None
    name, _, number = label.rpartition("-")
    wanted, _, last = ONLY.rpartition("-")
    return name == wanted and int(number) < int(last)


class Fault:
    """One at a time.  ${fired} counts how often it happened, ${seen} the calls that it could have been."""

    def __init__(self, world):
        if not os.path.exists(LIBRARY):
            skip("a build with a sanitizer has no library to preload")
        self.path = world.path("fault")
        with open(self.path, "wb") as f:
            f.write(bytes(mmap.PAGESIZE))
        with open(self.path, "r+b") as f:
            self.page = mmap.mmap(f.fileno(), mmap.PAGESIZE)
        self.ahead = (0, 0)
        self.env = {"LD_PRELOAD": LIBRARY, "FAULT": self.path}

    def arm(self, kind, at, threads=COMMIT, error=errno.ENOMEM, mode=INSTEAD, lasting=False, call="", path=""):
        self.disarm()
        self.page[HEAD.size:HEAD.size + 16] = bytes(16)
        self.page[8:HEAD.size] = HEAD.pack(0, threads, at, error, mode, lasting, call.encode(), path.encode(), *self.ahead)[8:]
        self.page[0:8] = struct.pack("<Q", kind)
        return self

    def clocks(self, real_seconds, boot_seconds=0):
        """By how much the daemon's clocks are ahead from now on; CLOCK_MONOTONIC never is."""
        self.ahead = (int(real_seconds * 1e6), int(boot_seconds * 1e6))
        self.page[HEAD.size - 16:HEAD.size] = struct.pack("<qq", *self.ahead)

    def disarm(self):
        self.page[0:8] = bytes(8)

    def _tail(self):
        return TAIL.unpack(self.page[HEAD.size:BYTES])

    @property
    def seen(self):
        return self._tail()[0]

    @property
    def fired(self):
        return self._tail()[1]

    @property
    def live(self):
        """Allocations of the daemon that were not freed yet."""
        return self._tail()[2]

    def what(self):
        """What failed, where: the call, its file, and the functions of ours that asked for it."""
        _, _, _, call, path, n, base, *frames = self._tail()
        text = call.split(b"\0")[0].decode() + " " + path.split(b"\0")[0].decode() + " in "
        lines = subprocess.run(["addr2line", "-f", "-s", "-e", FEALTYD, *(hex(f - base - 1) for f in frames[:n] if f > base)], capture_output=True, text=True,
                               check=False).stdout.splitlines()
        functions = [f"{name}({where.split(' ')[0]})" for name, where in zip(lines[::2], lines[1::2]) if "?" not in name + where]
        return text + " < ".join(functions[:9])


class Outcome:
    """How a command that met a fault ended: "ok", "refused", "closed" (the connection), "ended" (the daemon)."""

    def __init__(self, how, answer=None, why=""):
        self.how, self.answer, self.why = how, answer, why


def judge(answer):
    """Of a response, or of all of a batch's."""
    parts = [answer.outcome, *answer.results] if isinstance(answer, pb.BatchResponse) else [answer]
    bad = [p for p in parts if p.status != pb.OK]
    for p in bad:
        if p.reason == "RECORD_DAMAGED":        # LMDB says of a row that is asked for that its page is damaged: no other command has to end for it
            assert p.status == pb.DATA_LOSS and p.message and not p.retryable, p
            continue
        assert p.status in (pb.UNAVAILABLE, pb.RESOURCE_EXHAUSTED) and p.message and p.retryable, f"no clear refusal: {p}"
    return Outcome("refused" if bad else "ok", answer, bad[0].message if bad else "")


def attempt(ledger, wire, act):
    """${act} gives the answer to one command; an end of the daemon must be a deliberate one."""
    try:
        return judge(act(wire))
    except (Closed, Fatal, OSError) as e:
        if isinstance(e, TimeoutError):
            raise AssertionError(f"no answer, and no end:\n{ledger.daemon.log()[-2000:]}") from e
        wire.close()
        if ledger.daemon.log().count("commit.failed") == 0 and running(ledger.daemon):
            return Outcome("closed", None, str(e))
        log = ledger.daemon.wait_end(70)
        assert "commit.failed" in log and "remedy=" in log, log[-2000:]
        return Outcome("ended", None, log.splitlines()[-1])


def running(daemon):
    """Whether it goes on, once what it was about to do is done: it answers somebody."""
    try:
        with daemon.ledger.wire("operator/alive") as other:
            other.ping()
        return True
    except (Closed, Fatal, OSError):
        return False
