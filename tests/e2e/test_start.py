"""What start-up refuses, what it rebuilds, and how the daemon ends."""
import os
import shutil
import signal
import threading

import programs
from case import reduced, seconds
from files import Copy, read, write_at
from wire import Closed, Fatal, keyless, pb
from world import Daemon, eventually, expect, run_fealty


def used(world, *arguments, n=30):
    ledger = world.running(programs.PLAIN, *arguments)
    with ledger.wire() as wire:
        use(wire, "a", n)
    return ledger


def use(wire, name, n):
    for i in range(n):
        wire.ok("enrol", member=f"{name}{i}", key=f"{name}e{i}", birthday="01-02")
        wire.ok("purchase", member=f"{name}{i}", amount=str(100 + i), key=f"{name}p{i}")
    wire.ok("hold", member=f"{name}1", points="30", ttl="30d", key=f"{name}h1")
    wire.ok("redeem", member=f"{name}2", points="30", key=f"{name}x1")


def balances(ledger, names):
    shown = ("available", "held", "tier", "points_earned", "spend", "visits", "member_no")
    with ledger.wire() as wire:
        answers = {n: wire.ok("balance", member=n) for n in names}
    return {n: tuple(getattr(r, f) for f in shown) for n, r in answers.items()}


def members(name, n=30):
    return [f"{name}{i}" for i in range(n)]


# ---- refusals ----

def test_a_second_daemon(world):
    ledger = used(world, n=3)
    second = Daemon(ledger, ["--data", ledger.data, "--socket", ledger.data + "2.sock", "--clock", "manual"], None)
    world.daemons.append(second)
    words = second.wait_refused()
    assert "another" in words.lower() or "running" in words.lower() or "lock" in words.lower(), words
    with ledger.wire() as wire:
        wire.ok("purchase", member="a1", amount="1")
    # another directory, the same socket: the first keeps it
    other = world.ledger("other")
    words = Daemon(other, ["--data", other.data, "--socket", ledger.socket, "--clock", "manual"], None)
    world.daemons.append(words)
    assert ledger.socket in words.wait_refused()
    with ledger.wire() as wire:
        wire.ok("purchase", member="a1", amount="1")


def test_a_stale_socket_is_replaced(world):
    ledger = used(world, n=3)
    ledger.daemon.kill()
    assert os.path.exists(ledger.socket)
    ledger.start()
    assert os.stat(ledger.socket).st_mode & 0o777 == 0o600
    with ledger.wire() as wire:
        wire.ok("balance", member="a1")


def test_another_format(world):
    ledger = used(world, n=3)
    ledger.stop()
    path = os.path.join(ledger.data, "FORMAT")
    for text in (b"fealty 1\n", b"", b"fealty 2", b"something else entirely\n"):
        with open(path, "wb") as f:
            f.write(text)
        assert "format" in ledger.start_refused().lower()
        done = ledger.cli("audit", ledger.data, code=None)
        assert done.code in (1, 2, 5) and "format" in done.json["message"].lower(), done
    with open(path, "wb") as f:
        f.write(b"fealty 2\n")
    ledger.start()
    os.makedirs(world.path("empty"))
    assert ledger.launch(data=world.path("empty")).wait_refused()
    assert ledger.launch(data=world.path("nothing")).wait_refused()


def test_wrong_keys(world):
    ledger = used(world, n=3)
    ledger.stop()
    other = world.ledger("other")
    kept = ledger.keys + ".kept"
    shutil.move(ledger.keys, kept)
    shutil.copytree(other.keys, ledger.keys)
    words = ledger.start_refused()
    assert "key" in words.lower(), words
    shutil.rmtree(ledger.keys)
    assert "key" in ledger.start_refused().lower()
    shutil.move(kept, ledger.keys)
    ledger.start()


def test_keys_that_others_can_read(world):
    ledger = used(world, n=3)
    ledger.stop()
    for name in sorted(os.listdir(ledger.keys)):
        path = os.path.join(ledger.keys, name)
        assert os.stat(path).st_mode & 0o777 == 0o400, path
        for mode in (0o444, 0o440, 0o644):
            os.chmod(path, mode)
            words = ledger.start_refused()
            assert name in words, f"{name} {mode:o}: {words}"
        os.chmod(path, 0o400)
        text = read(path)
        os.chmod(path, 0o600)
        with open(path, "wb") as f:
            f.write(text[:-10])
        os.chmod(path, 0o400)
        assert name in ledger.start_refused()
        os.chmod(path, 0o600)
        with open(path, "wb") as f:
            f.write(text)
        os.chmod(path, 0o400)
    ledger.start()


def test_the_wrong_clock(world):
    ledger = used(world, n=3)
    ledger.stop()
    assert "manual" in ledger.start_refused(clock="real")
    real = world.ledger("real", "real")
    assert "real" in real.start_refused(clock="manual")


def test_options(world):
    ledger = world.ledger()
    def code(*arguments):
        daemon = ledger.launch(*arguments)
        assert not daemon.started()
        daemon._reap()
        return daemon.process.returncode
    assert code("--listen", "127.0.0.1:0") == 2                                   # no TLS, and it was not allowed
    assert code("--no-such-option") == 2
    assert code("--net-threads", "0") == 2
    assert code("--snapshot-seconds", "x") == 2
    assert code("--log-level", "loud") == 2
    assert code("--insecure-loopback", "--listen", "0.0.0.0:0") == 1               # not loopback
    assert code("--insecure-loopback", "--listen", "192.0.2.1:7450") == 1
    assert code("--log", "/no/such/directory/log") == 1


# ---- the published head ----

def test_a_restored_old_copy(world):
    """It would fork the log: refused, for the published head is not in it."""
    ledger = used(world)
    ledger.stop()
    old = Copy(ledger)
    ledger.start()
    with ledger.wire() as wire:
        use(wire, "b", 5)
    ledger.stop()
    newest = Copy(ledger)
    shutil.rmtree(ledger.data)
    shutil.copytree(old.data, ledger.data)
    words = ledger.start_refused()
    assert "head" in words and "older copy" in words, words
    # one that went on elsewhere is longer, but another log
    fork = ledger.launch("--head-lock", world.path("fork.lock"), data=old.data).wait_ready()
    with ledger.wire() as wire:
        use(wire, "c", 10)
    fork.stop()
    shutil.rmtree(ledger.data)
    shutil.copytree(old.data, ledger.data)
    assert "head" in ledger.start_refused()
    shutil.rmtree(ledger.data)
    shutil.copytree(newest.data, ledger.data)
    ledger.start()
    balances(ledger, members("b", 5))


def test_the_head_is_published_while_it_runs(world):
    ledger = used(world, n=3)
    size = ledger.wire().hello_ok.size
    eventually(lambda: os.path.exists(ledger.head_lock) and int(read(ledger.head_lock).split()[0]) == size, "the head of the newest transaction")
    ledger.daemon.kill()
    ledger.start()
    ledger.stop()
    for text in (b"", b"nonsense\n", b"7\n", read(ledger.head_lock)[:-5]):
        with open(ledger.head_lock, "wb") as f:
            f.write(text)
        assert ledger.head_lock in ledger.start_refused()


# ---- what is rebuilt ----

@reduced
def test_state_deleted(world):
    ledger = used(world)
    before = balances(ledger, members("a"))
    for names in (["state"], ["state", "state.mark"], ["state", "state.mark", "snapshot"], ["state.mark"]):
        ledger.stop()
        for name in names:
            path = os.path.join(ledger.data, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        ledger.start()
        assert balances(ledger, members("a")) == before
        with ledger.wire() as wire:
            expect(wire.ok("purchase", member="a0", amount="100", key="ap0"), replayed=True, id="3.0")
            wire.refused("REQUEST_ID_REUSED", "purchase", member="a0", amount="101", key="ap0")
            expect(wire.ok("enrol", member="a1", key="ae1", birthday="01-02"), replayed=True)
    ledger.stop()
    expect(ledger.audit(), status="OK")


def other_boot(ledger):
    with open(os.path.join(ledger.data, "state.mark"), "r+", encoding="ascii") as f:
        assert f.read().startswith("running ")
        f.seek(0)
        f.truncate()
        f.write("running 00000000-0000-4000-8000-000000000000\n")


def snapshots(ledger):
    return sorted(int(n.split(".")[0]) for n in os.listdir(os.path.join(ledger.data, "snapshot")) if n.endswith(".mdb"))


@seconds(90)
def test_power_loss(world):
    """Another boot and no clean mark: state is not trusted, however it looks; the newest snapshot and the ledger bring it back."""
    ledger = used(world, "--snapshot-seconds", "1")
    size = ledger.wire().hello_ok.size
    eventually(lambda: size in snapshots(ledger), "a snapshot of all that was written")
    with ledger.wire() as wire:
        use(wire, "b", 10)
    before = balances(ledger, members("a") + members("b", 10))
    end = ledger.wire().hello_ok.size
    ledger.daemon.kill()
    other_boot(ledger)
    path = os.path.join(ledger.data, "state", "data.mdb")       # what a power loss leaves of a file that was not synced
    for page in range(2, os.path.getsize(path) // 4096, 2):
        write_at(path, page * 4096, bytes(4096))
    newest = max(snapshots(ledger))
    ledger.start("--snapshot-seconds", "0")
    log = ledger.daemon.log()
    assert "state.not_trusted" in log and f"state.snapshot size={newest} usable=yes" in log, log
    if newest < end:
        assert f"replay.done from={newest} size={end}" in log, log
    assert balances(ledger, before) == before
    with ledger.wire() as wire:
        expect(wire.ok("purchase", member="b0", amount="100", key="bp0"), replayed=True)
        use(wire, "c", 3)
    # again, with snapshots that are damaged: the whole ledger is replayed
    ledger.daemon.kill()
    other_boot(ledger)
    for n in snapshots(ledger):
        write_at(os.path.join(ledger.data, "snapshot", f"{n}.mdb"), 8192, b"\x55" * 64)
    ledger.start("--snapshot-seconds", "0")
    log = ledger.daemon.log()
    assert "usable=yes" not in log and "replay.done from=0" in log, log
    assert balances(ledger, before) == before
    ledger.stop()
    expect(ledger.audit(), status="OK")


def test_vault_ahead_of_the_ledger(world):
    """Aliases of enrolments that the ledger never got are dropped at start."""
    ledger = used(world, n=5)
    ledger.stop()
    old = Copy(ledger)
    ledger.start()
    with ledger.wire() as wire:
        wire.ok("enrol", member="ghost", key="ge")
    ledger.stop()
    for name in ("ledger", "state", "state.mark"):
        path = os.path.join(ledger.data, name)
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        source = os.path.join(old.data, name)
        (shutil.copytree if os.path.isdir(source) else shutil.copy)(source, path)
    shutil.copy(old.head_lock, ledger.head_lock)
    ledger.start()
    with ledger.wire() as wire:
        wire.refused("NOT_FOUND", "balance", member="ghost")
        expect(wire.ok("enrol", member="ghost", key="ge2"), member_no=6)
        expect(wire.ok("balance", member="ghost"), available="0")
    ledger.stop()
    expect(ledger.audit(), status="OK")


# ---- endings ----

class Writer(threading.Thread):
    """Sends purchases as fast as they are answered, several in flight, until the connection ends; knows what was acknowledged."""

    def __init__(self, ledger, number, depth=8):
        super().__init__(daemon=True)
        self.ledger, self.number, self.depth = ledger, number, depth
        self.acknowledged, self.refused, self.error, self.goaway = {}, [], None, False

    def run(self):
        try:
            with self.ledger.wire(f"pos/1/{self.number}") as wire:
                self._send(wire)
        except (Closed, Fatal, OSError):
            pass
        except BaseException as e:
            self.error = e

    def _send(self, wire):
        flying, n = {}, 0
        try:
            while True:
                while len(flying) < self.depth and not wire.goaway:
                    n += 1
                    key = f"w{self.number}-{n}"
                    flying[wire.start("purchase", member=f"a{n % 3}", amount="1", key=key)] = key
                if not flying:
                    return
                wire.take()
                for tag in [t for t in flying if t in wire.answers]:
                    key, r = flying.pop(tag), wire.answers.pop(tag)
                    if r.status == pb.OK:
                        self.acknowledged[key] = r.id
                    else:
                        self.refused.append(r)
        finally:
            self.goaway = wire.goaway is not None


@reduced
def test_sigterm_under_load(world):
    """It drains: what was accepted is answered, what was answered is there, and what is refused is refused as UNAVAILABLE."""
    ledger = used(world, n=3)
    idle = ledger.wire("pos/9/9")
    writers = [Writer(ledger, n) for n in range(6)]
    for w in writers:
        w.start()
    eventually(lambda: sum(len(w.acknowledged) for w in writers) > 300, "some load")
    log = ledger.stop()
    for w in writers:
        w.join(30)
        assert not w.is_alive() and w.error is None, w.error
        assert all(r.reason == "UNAVAILABLE" and r.field == "shutdown" and r.retryable for r in w.refused), w.refused
        assert w.goaway, "the drain was not announced"
    idle.expect_end()
    assert idle.goaway is not None and idle.goaway.message
    assert "daemon.stopped" in log and read(os.path.join(ledger.data, "state.mark")) == b"clean\n"
    expect(ledger.audit(), status="OK")
    ledger.start()
    assert "replay.done" not in ledger.daemon.log(), "after a clean end nothing is replayed"
    requests = ledger.books().requests
    for w in writers:
        for key, entry in w.acknowledged.items():
            assert requests.get((f"pos/1/{w.number}", key)) == entry, f"{key} was acknowledged as {entry}"


def test_a_batch_in_flight_at_sigterm(world):
    ledger = used(world, n=3)
    wire = ledger.wire()
    tags = [wire.start_batch([keyless("purchase", member="a1", amount="1")] * 1000, key=f"b{n}") for n in range(20)]
    wire.wait(tags[0])
    ledger.daemon.signal(signal.SIGTERM)
    answers = [wire.wait(tag) for tag in tags[1:]]
    ledger.daemon.wait_end()
    assert all(a.outcome.status == pb.OK or (a.outcome.reason == "UNAVAILABLE" and not a.results) for a in answers), [a.outcome for a in answers]
    done = 1 + sum(a.outcome.status == pb.OK for a in answers)
    assert all(r.status == pb.OK for a in answers for r in a.results)
    ledger.start()
    assert sum(1 for _, e in ledger.books().entries() if e.request_id.startswith("b")) == done * 1000


def test_sigint_ends_as_well(world):
    ledger = used(world, n=3)
    ledger.daemon.stop(signal.SIGINT)
    assert read(os.path.join(ledger.data, "state.mark")) == b"clean\n"


def test_sighup_reopens_the_log(world):
    ledger = world.ledger()
    log = world.path("fealtyd.log")
    ledger.start("--log", log)
    eventually(lambda: b"daemon.ready" in read(log), "a log")
    os.rename(log, log + ".1")
    ledger.daemon.signal(signal.SIGHUP)
    eventually(lambda: os.path.exists(log) and b"log.reopened" in read(log), "a new log")
    with ledger.wire("pos/7/7"):
        pass
    eventually(lambda: b"pos/7/7" in read(log), "lines in the new log")
    assert b"pos/7/7" not in read(log + ".1")
    ledger.stop()
    assert b"daemon.stopped" in read(log)


def test_no_personal_data_where_it_does_not_belong(world):
    """Aliases and birthdays are in the vault, sealed; not in the ledger, the state, or the log."""
    ledger = world.running()
    with ledger.wire() as wire:
        wire.ok("enrol", member="card:secret-8801", aliases=["app:hidden-77"], birthday="11-23", segments=["staffseg"], key="e1")
        wire.ok("purchase", member="card:secret-8801", amount="10", key="p1")
        wire.ok("profile", member="app:hidden-77", add_aliases=["mail:hush-hush"], key="pr1")
        wire.refused("INSUFFICIENT_POINTS", "redeem", member="card:secret-8801", points="100")
        wire.refused("NOT_FOUND", "balance", member="card:stranger-9")
    log = ledger.stop()
    files = [os.path.join(d, n) for d, _, names in os.walk(ledger.data) for n in names]
    for word in (b"secret-8801", b"hidden-77", b"hush-hush", b"staffseg", b"stranger-9"):
        assert word.decode() not in log
        for path in files:
            assert word not in read(path), f"{word} is in {path}"
    for path in files:
        assert os.stat(path).st_mode & 0o077 == 0, path


def test_init_refuses(world):
    ledger = world.ledger()
    done = run_fealty(["init", ledger.data, "--origin", "x.example/y"])
    assert done.code == 2 and "exists" in done.err, done
    assert run_fealty(["init", world.path("n")]).code == 2                        # no origin
    assert run_fealty(["init", world.path("no/such/place"), "--origin", "x.example/y"]).code == 5
    assert run_fealty(["init", world.path("n"), "--origin", ""]).code == 2
    assert not os.path.exists(world.path("n")) and not os.path.exists(world.path("n.keys"))


def test_address_without_a_daemon(world):
    done = run_fealty(["balance", "m1", "--connect", "unix:" + world.path("nobody.sock"), "--timeout", "1s", "--json"])
    assert done.code == 3, done
