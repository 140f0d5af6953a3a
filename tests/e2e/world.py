"""What a case needs: ledgers in a directory of their own, daemons, and the command line.

Nothing here sleeps for a fixed time: a daemon says by sd_notify when it is ready, and the end of a process is waited for on a pidfd.
"""
import json
import os
import select
import signal
import socket
import subprocess
import threading
import time
from decimal import Decimal, InvalidOperation

import programs
from verify import read_books
from wire import PATIENCE_SECONDS, SLOWNESS, Wire

BUILD = os.environ.get("FEALTY_BUILD", "")
SOURCE = os.environ.get("FEALTY_SOURCE", "")
SANITIZER = os.environ.get("FEALTY_SANITIZER", "")
FEALTY = os.path.join(BUILD, "tools", "fealty")
FEALTYD = os.path.join(BUILD, "daemon", "fealtyd")
FIRST_DAY = "2026-01-01T00:00:00Z"

COMPLAINTS = ("Sanitizer", "runtime error:", "Assertion", "WARNING: ThreadSanitizer", "stack smashing", "free(): ", "double free", "corrupted size")


class Skip(Exception):
    """The case cannot run here; says why."""


def skip(reason):
    raise Skip(reason)


def eventually(condition, what, seconds=PATIENCE_SECONDS):
    """Waits until ${condition} gives something true, and gives it back."""
    end = time.monotonic() + seconds
    pause = 0.002
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"it did not happen within {seconds:.0f} s: {what}"
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def equal(got, want):
    if isinstance(want, str) and isinstance(got, str):
        try:
            return Decimal(got) == Decimal(want)
        except InvalidOperation:
            return got == want
    if isinstance(want, list):
        got = list(got)
        return len(got) == len(want) and all(equal(g, w) for g, w in zip(got, want))
    if isinstance(want, dict) and isinstance(got, dict):
        return all(equal(got.get(k), v) for k, v in want.items())
    return got == want


def expect(reply, **wanted):
    """Compares the keys that are named: numbers by value, as `expect` of a simulation does; what is absent equals "0", "", [] and False."""
    for name, want in wanted.items():
        got = reply.get(name) if isinstance(reply, dict) else getattr(reply, name)
        if got is None:
            got = [] if isinstance(want, list) else False if isinstance(want, bool) else "0" if want != "" else ""
        assert equal(got, want), f"{name} is {got!r} and should be {want!r} in {reply}"
    return reply


class CliResult:
    def __init__(self, arguments, done, check):
        self.arguments = arguments
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr
        if check:
            check_output("fealty " + " ".join(arguments), done.returncode, done.stdout + done.stderr)

    def __str__(self):
        return f"fealty {' '.join(self.arguments)}: exit {self.code}\n{self.out}{self.err}"

    @property
    def lines(self):
        return [json.loads(line) for line in self.out.splitlines() if line.strip()]

    @property
    def json(self):
        lines = self.lines
        assert len(lines) == 1, f"one JSON object was to come: {self}"
        return lines[0]


def check_output(name, code, text):
    # LMDB prints this before the audit's guard takes over, when it meets a page that is none
    text = "".join(line for line in text.splitlines(True) if not line.startswith("mdb.c:"))
    assert code >= 0, f"{name} was ended by signal {-code}:\n{text[-4000:]}"
    for complaint in COMPLAINTS:
        assert complaint not in text, f"{name} complains:\n{text[-8000:]}"


def run_fealty(arguments, stdin=None, env=None, seconds=60, check=True):
    try:
        done = subprocess.run([FEALTY, *arguments], input=stdin, stdin=subprocess.DEVNULL if stdin is None else None, capture_output=True, text=True,
                              timeout=seconds * SLOWNESS, env={**os.environ, **(env or {})}, check=False)
    except subprocess.TimeoutExpired as e:
        raise AssertionError(f"fealty {' '.join(arguments)} did not end within {seconds * SLOWNESS:.0f} s") from e
    return CliResult(arguments, done, check)


class Daemon:
    def __init__(self, ledger, arguments, env, program=None):
        self.ledger = ledger
        self.log_path = os.path.join(ledger.world.dir, f"daemon{ledger.world.next_number()}.log")
        self.notify_path = self.log_path + ".notify"
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(self.notify_path)
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([program or FEALTYD, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, "NOTIFY_SOCKET": self.notify_path, **(env or {})})
        self.pidfd = os.pidfd_open(self.process.pid)
        self.ended = False

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def started(self):
        """True when it is ready, False when it ended instead."""
        ready = self._until_ready_or_ended()
        if ready:
            self._stop_listening()
        return ready

    def _until_ready_or_ended(self):
        poll = select.poll()
        poll.register(self.notify, select.POLLIN)
        poll.register(self.pidfd, select.POLLIN)
        end = time.monotonic() + 3 * PATIENCE_SECONDS
        while True:
            ready = [fd for fd, _ in poll.poll(max(0, end - time.monotonic()) * 1000)]
            assert ready, f"the daemon is neither ready nor ended:\n{self.log()}"
            if self.notify.fileno() in ready:
                if "READY=1" in self.notify.recv(4096).decode().splitlines():
                    return True
            elif self.pidfd in ready:
                return False

    def wait_ready(self):
        if not self.started():
            self._reap()
            raise AssertionError(f"the daemon did not start, exit {self.process.returncode}:\n{self.log()}")
        return self

    def wait_refused(self):
        """Its words, when it ended by itself with exit code 1."""
        if self.started():
            self.kill()
            raise AssertionError(f"the daemon was to refuse, and started:\n{self.log()}")
        self._reap()
        check_output("fealtyd", self.process.returncode, self.log())
        assert self.process.returncode == 1, f"exit {self.process.returncode}:\n{self.log()}"
        return self.log()

    def _stop_listening(self):
        """A socket that nobody reads any more would block the daemon's notifications."""
        if self.notify.fileno() >= 0:
            self.notify.close()
            os.unlink(self.notify_path)

    def _reap(self):
        if self.ended:
            return
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        if not poll.poll(3 * PATIENCE_SECONDS * 1000):
            self.process.kill()
            self.process.wait()
            self.ended = True
            raise AssertionError(f"the daemon did not end:\n{self.log()[-4000:]}")
        self.process.wait()
        self.ended = True
        os.close(self.pidfd)
        self._stop_listening()

    def stop(self, how=signal.SIGTERM, code=0):
        if self.ended:
            return self.log()
        self.process.send_signal(how)
        return self.wait_end(code)

    def wait_end(self, code=0):
        """${code} None: whatever it is."""
        self._reap()
        if code is None:
            return self.log()
        check_output("fealtyd", self.process.returncode, self.log())
        assert self.process.returncode == code, f"exit {self.process.returncode}, not {code}:\n{self.log()[-4000:]}"
        return self.log()

    def kill(self):
        if self.ended:
            return
        self.process.kill()
        self._reap()

    def signal(self, how):
        self.process.send_signal(how)

    def tcp_address(self):
        for line in self.log().splitlines():
            if "net.listening" in line and " port=" in line:
                fields = dict(word.split("=", 1) for word in line.split() if "=" in word)
                return f"127.0.0.1:{fields['port']}"
        raise AssertionError("it listens on no TCP address")


class Ledger:
    """A data directory with its keys, head lock and socket beside it."""

    def __init__(self, world, name, clock):
        self.world = world
        self.clock = clock
        self.data = os.path.join(world.dir, name)
        self.keys = self.data + ".keys"
        self.head_lock = self.data + ".head.lock"
        self.socket = self.data + ".sock"
        self.address = "unix:" + self.socket
        self.daemon = None
        self.public_key = None
        self.origin = None

    def init(self, origin=None):
        self.origin = origin or f"test.example/{os.path.basename(self.data)}"
        result = run_fealty(["init", self.data, "--origin", self.origin, "--clock", self.clock, "--json"])
        assert result.code == 0, result
        self.public_key = bytes.fromhex(result.json["transaction_key"])
        return self

    def launch(self, *arguments, env=None, data=None, clock=None, program=None):
        clock = clock or self.clock
        base = ["--data", data or self.data, "--keys", self.keys, "--head-lock", self.head_lock, "--socket", self.socket]
        daemon = Daemon(self, [*base, *(["--clock", "manual"] if clock == "manual" else []), *arguments], env, program)
        self.world.daemons.append(daemon)
        return daemon

    def start(self, *arguments, **options):
        assert self.daemon is None or self.daemon.ended
        self.daemon = self.launch(*arguments, **options)
        return self.daemon.wait_ready()

    def start_refused(self, *arguments, **options):
        return self.launch(*arguments, **options).wait_refused()

    def stop(self):
        return self.daemon.stop()

    def restart(self, *arguments, **options):
        self.stop()
        return self.start(*arguments, **options)

    def wire(self, principal="operator/test", **options):
        return Wire(self.address, principal, **options)

    def cli(self, *arguments, code=0, principal=None, json_output=True, stdin=None, env=None, seconds=60):
        words = [str(a) for a in arguments]
        if principal:
            words += ["--as", principal]
        if json_output:
            words.append("--json")
        result = run_fealty(words, stdin=stdin, env={"FEALTY_CONNECT": self.address, **(env or {})}, seconds=seconds)
        assert code is None or result.code == code, f"exit {code} was to come: {result}"
        return result

    def publish(self, program=programs.PLAIN, at=FIRST_DAY, code=0):
        path = os.path.join(self.world.dir, f"program{self.world.next_number()}.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(program)
        when = ["--at", at] if self.clock == "manual" and at else []
        return self.cli("program", "publish", path, *when, code=code)

    def fill(self, purchases):
        """Ten members, m0 to m9, and so many purchases of theirs."""
        with self.wire() as wire:
            for m in range(10):
                wire.ok("enrol", member=f"m{m}", key=f"e{m}")
            left = purchases
            while left > 0:
                tags = [wire.start("purchase", member=f"m{i % 10}", amount=str(1 + i % 50), key=f"p{left}-{i}") for i in range(min(60, left))]
                left -= len(tags)
                assert all(wire.wait(tag).status == 0 for tag in tags)

    def audit(self, *arguments, code=0, where="local"):
        result = self.cli("audit", *([self.data] if where == "local" else []), *arguments, code=code)
        return result.json

    def books(self):
        return read_books(self.address, self.public_key)

    def leaves(self):
        with self.wire("auditor/e2e") as wire:
            size = wire.hello_ok.size
            return wire.leaves(wire.subscribe(credits=size), size)


class World:
    def __init__(self, directory):
        self.dir = directory
        self.daemons = []
        self.numbers = 0
        self.lock = threading.Lock()

    def next_number(self):
        with self.lock:
            self.numbers += 1
            return self.numbers

    def ledger(self, name="l", clock="manual"):
        return Ledger(self, name, clock).init()

    def running(self, program=programs.PLAIN, *arguments, name="l", clock="manual", at=FIRST_DAY, **options):
        """A ledger with a daemon and a program."""
        ledger = self.ledger(name, clock)
        ledger.start(*arguments, **options)
        if program:
            ledger.publish(program, at=at)
        return ledger

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.path(name)

    def finish(self):
        """After a case that passed: what still runs must stop cleanly."""
        for daemon in self.daemons:
            daemon.stop()

    def abandon(self):
        for daemon in self.daemons:
            try:
                daemon.kill()
            except (AssertionError, OSError):
                pass
