"""Witnesses: their cosignatures are asked for, verified, stored and served; what they do wrong costs nobody else anything, and a fork is an alarm."""
import base64
import os
import shutil
import ssl
import subprocess
import threading
import time

from case import plain_build, reduced, seconds
from files import Copy, ledger_file, places, write_at
from test_admin import ANY_PORT, FAMILIES, Metrics, get, port
from test_checkpoint import stored
from test_keys import new_key, rotate
from test_log_http import enrol
from wire import SLOWNESS
from witness import DASH, Witness, lose, parse_vkey, split_note, verify_cosignature, verify_note, vkey
from world import eventually, expect
import programs

OPTIONS = ("--snapshot-seconds", "0")
OF_WITNESSES = {"fealty_cosigned_checkpoint_size", "fealty_witness_requests_total", "fealty_witness_answers_total", "fealty_witness_bad_answers_total",
                "fealty_witness_fork", "fealty_witness_cosigned_size", "fealty_witness_cosigned_age_seconds"}


def key_of(ledger):
    return ledger.cli("log", "key", ledger.data, json_output=False).out.strip()


def policy(world, witnesses, rule="any", name="policy", log=None, urls=True):
    lines = [f"log {log}"] if log else []
    lines += [f"witness w{i} {w.vkey}" + (f" {w.url}" if urls else "") for i, w in enumerate(witnesses)]
    lines += [f"group all-of-them {rule} " + " ".join(f"w{i}" for i in range(len(witnesses))), "quorum all-of-them"]
    return world.write(name, "".join(line + "\n" for line in lines))


def begin(world, n=1, rule="any", known=True):
    """A ledger that is initialised, its witnesses, running, and the options of its daemon."""
    ledger = world.ledger()
    witnesses = [Witness(world, f"witness.example/w{i}").start() for i in range(n)]
    for w in witnesses:
        if known:
            w.log_keys[ledger.origin] = key_of(ledger)
    options = (*ANY_PORT, *OPTIONS, "--witnesses", policy(world, witnesses, rule))
    ledger.start(*options)
    ledger.publish(programs.PLAIN)
    return ledger, witnesses, options


def served(where):
    a = get(where, "/checkpoint")
    return a.text if a.code == 200 else None


def size_of(note):
    return int(note.split("\n")[1]) if note else 0


def served_with(where, size, *witnesses):
    """The note of this size, once these witnesses are on it, and what they sign holds."""
    def look():
        note = served(where)
        return note if note and size_of(note) == size and all(verify_cosignature(note, w.vkey) is not None for w in witnesses) else None
    return eventually(look, f"the checkpoint of {size} with {[w.name for w in witnesses]}")


def rows(ledger):
    """{(size, hash of the key): line} as the data directory has them."""
    return {row["key"]: row["value"]["note"] for row in ledger.cli("dump", ledger.data, "cosignature").lines}


def events(ledger, name):
    return [line for line in ledger.daemon.log().splitlines() if f" {name} " in line]


# ---- as it should be ----

@reduced
def test_cosigned_stored_and_served(world):
    ledger, (a, b), options = begin(world, 2, "all")
    where = port(ledger)
    key = key_of(ledger)
    size = enrol(ledger, 10)
    note = served_with(where, size, a, b)
    assert verify_note(note, key)
    text, lines = split_note(note)
    assert [name for name, _, _ in lines] == [ledger.origin, *[n for n, _, _ in lines[1:]]] and {n for n, _, _ in lines[1:]} == {a.name, b.name}
    assert a.size(ledger.origin) == size
    # the same bytes over the wire, and in an export
    with ledger.wire() as wire:
        assert wire.ok("checkpoint").note == note and wire.ok("checkpoint", size=size).note == note
        proof = wire.ok("proof", seq=3)
        assert proof.note == note and proof.size == size
    ledger.cli("log", "export", ledger.data, world.path("export"))
    with open(world.path("export/checkpoint"), encoding="utf-8") as f:
        assert f.read() == note
    # one row for each, under the size and the whole hash of its key
    mine = {k: v for k, v in rows(ledger).items() if k.startswith(f"{size}/")}
    assert len(mine) == 2 and set(mine.values()) == {line + "\n" for line in note.splitlines() if DASH in line and "witness.example" in line}, mine
    m = Metrics(where)
    assert set(m.types) == FAMILIES | OF_WITNESSES | {"fealty_cosigned_checkpoint_age_seconds"}, set(m.types) ^ FAMILIES ^ OF_WITNESSES
    assert m("fealty_cosigned_checkpoint_size") == m("fealty_served_checkpoint_size") == m("fealty_public_checkpoint_size") == size
    for i, w in enumerate((a, b)):
        assert m("fealty_witness_answers_total", witness=f"w{i}", code="200") == w.codes().count(200)
        assert m("fealty_witness_requests_total", witness=f"w{i}") == len(w.answers)
        assert m("fealty_witness_cosigned_size", witness=f"w{i}") == size and m("fealty_witness_fork", witness=f"w{i}") == 0
        assert m("fealty_witness_cosigned_age_seconds", witness=f"w{i}") < 60 * SLOWNESS
    # nothing new: nobody is asked, and nothing is written
    asked = len(a.answers)
    time.sleep(2.5)
    assert len(a.answers) == asked and set(a.codes()) <= {200, 409}
    size = enrol(ledger, 5, "n")
    served_with(where, size, a, b)
    ledger.stop()
    expect(ledger.audit(), status="OK")
    # every cosignature is of a stored checkpoint, and holds
    notes = stored(ledger)
    for row, line in rows(ledger).items():
        n = int(row.split("/")[0])
        w = a if a.name in line else b
        assert verify_cosignature(notes[n] + line, w.vkey) is not None


def test_asked_once_a_second_at_most(world):
    ledger, (a,), _ = begin(world)
    where = port(ledger)
    end = time.monotonic() + 5
    n = 0
    while time.monotonic() < end:
        size = enrol(ledger, 20, f"p{n}-")
        n += 1
    served_with(where, size, a)
    times = [t for code, _, t in a.answers if code == 200]
    assert 4 <= len(times) <= 9, times
    assert all(after - before > 0.9 for before, after in zip(times, times[1:])), times


def test_a_quorum_of_one_with_the_other_down(world):
    ledger, (a, b), _ = begin(world, 2, "any")
    where = port(ledger)
    b.stop()
    size = enrol(ledger, 10)
    note = served_with(where, size, a)
    assert verify_cosignature(note, b.vkey) is None
    for part in range(2):
        size = enrol(ledger, 3, f"x{part}-")
        served_with(where, size, a)
    assert len(events(ledger, "witness.no_answer")) == 1, "said once, not for each try"
    m = Metrics(where)
    assert m("fealty_witness_answers_total", witness="w1", code="none") >= 1 and m("fealty_witness_cosigned_size", witness="w1") == 0
    b.start()
    served_with(where, size, a, b)
    assert b.codes()[-1] == 200


def test_without_a_quorum_the_last_one_that_had_it_is_served(world):
    ledger, (a, b), options = begin(world, 2, "all")
    where = port(ledger)
    size = enrol(ledger, 10)
    note = served_with(where, size, a, b)
    b.stop()
    more = enrol(ledger, 10, "n")
    eventually(lambda: a.size(ledger.origin) == more, "that the other goes on")
    assert served(where) == note, "to whoever has the policy no other is of use"
    with ledger.wire() as wire:
        assert size_of(wire.ok("checkpoint").note) == more, "over the protocol a client holds us to the largest that it saw"
        # proofs do not wait for witnesses: of what is older to the cosigned one, of what is newer to the newest
        assert wire.ok("proof", seq=size - 1).note == note
        newer = wire.ok("proof", seq=more - 1)
        assert newer.size == more and verify_cosignature(newer.note, a.vkey) is not None
        assert size_of(wire.ok("checkpoint", size=more).note) == more
    assert get(where, f"/tile/0/000.p/{more}").code == 200, "tiles go as far as what is public"
    m = Metrics(where)
    assert m("fealty_public_checkpoint_size") == more and m("fealty_served_checkpoint_size") == m("fealty_cosigned_checkpoint_size") == size
    ledger.restart(*options)
    where = port(ledger)
    eventually(lambda: served(where) == note, "after a restart it is found again")
    b.start()
    served_with(where, more, a, b)


def test_before_the_first_quorum_the_newest_is_served(world):
    ledger, (a,), _ = begin(world, known=False)
    where = port(ledger)
    size = enrol(ledger, 5)
    eventually(lambda: size_of(served(where)) == size, "the newest")
    eventually(lambda: 404 in a.codes() and events(ledger, "witness.refuses"), "that it does not know the log")
    assert "does not know this log" in events(ledger, "witness.refuses")[0]
    assert Metrics(where)("fealty_cosigned_checkpoint_size") == 0
    size = enrol(ledger, 5, "n")
    eventually(lambda: size_of(served(where)) == size, "the newest, still")
    a.log_keys[ledger.origin] = key_of(ledger)
    served_with(where, size, a)


def test_its_size_never_falls(world):
    """The first quorum comes for a checkpoint that is older than what was shown meanwhile."""
    ledger, (a,), _ = begin(world, known=False)
    where = port(ledger)
    gate = threading.Event()
    older = enrol(ledger, 5)
    a.trick = lambda answer, handler: (answer[0] == 200 and a.answers[-1][1] == older and gate.wait(9), answer)[1]
    eventually(lambda: (404, older) in [(code, n) for code, n, _ in a.answers], "that it is asked")
    a.log_keys[ledger.origin] = key_of(ledger)
    eventually(lambda: a.size(ledger.origin) == older, "that it cosigns, and keeps the answer")
    newer = enrol(ledger, 5, "n")
    eventually(lambda: size_of(served(where)) == newer, "that the newer one is served")
    sizes = []
    gate.set()
    end = time.monotonic() + 20 * SLOWNESS
    while verify_cosignature(served(where), a.vkey) is None:
        sizes.append(size_of(served(where)))
        assert time.monotonic() < end
    assert set(sizes) <= {newer}, sizes
    assert any(row.startswith(f"{older}/") for row in rows(ledger)), "the older one is kept all the same"


# ---- what it does not know, and what it knows better ----

def test_another_key_is_refused(world):
    ledger, (a,), _ = begin(world, known=False)
    where = port(ledger)
    other = world.ledger("other")
    a.log_keys[ledger.origin] = vkey(ledger.origin, 1, parse_vkey(key_of(other))[3])
    size = enrol(ledger, 5)
    eventually(lambda: 403 in a.codes(), "that it trusts another key")
    eventually(lambda: events(ledger, "witness.refuses"), "that it is said")
    assert size_of(served(where)) <= size and not rows(ledger)
    assert Metrics(where)("fealty_witness_answers_total", witness="w0", code="403") >= 1


def test_it_teaches_the_size(world):
    """Kill -9 between its answer and our disk: it has a size of which we have nothing."""
    ledger, (a,), options = begin(world)
    where = port(ledger)
    size = enrol(ledger, 10)
    served_with(where, size, a)
    a.trick = lose
    more = enrol(ledger, 10, "n")
    eventually(lambda: a.size(ledger.origin) > size, "that it cosigns")
    ledger.daemon.kill()
    a.trick, asked = None, len(a.answers)
    ledger.start(*options)
    where = port(ledger)
    served_with(where, more, a)
    after = a.codes()[asked:]
    learned = after.index(200)
    assert learned > 0 and set(after[:learned]) == {409} and set(after[learned:]) == {200}, a.answers
    assert not events(ledger, "witness.fork")
    # it was asked for a second signature of that size; a further restart asks for nothing
    asked = len(a.answers)
    ledger.restart(*options)
    served_with(port(ledger), more, a)
    time.sleep(1.5)
    assert len(a.answers) == asked, a.answers[asked:]


def test_kills_in_a_row(world):
    ledger, (a, b), options = begin(world, 2, "all")
    for part in range(5):
        size = enrol(ledger, 7, f"k{part}-")
        if part % 2:
            eventually(lambda: a.size(ledger.origin) == size, "that it is cosigned")
        ledger.daemon.kill()
        ledger.start(*options)
    with ledger.wire() as wire:
        size = wire.hello_ok.size
    note = served_with(port(ledger), size, a, b)
    assert verify_note(note, key_of(ledger)) and not events(ledger, "witness.fork")
    ledger.stop()
    expect(ledger.audit(), status="OK")


def test_a_restored_older_copy_is_an_alarm(world):
    """Ledger, state and head.lock of yesterday, all together: only the witness knows better."""
    ledger, (a,), options = begin(world)
    where = port(ledger)
    size = enrol(ledger, 10)
    served_with(where, size, a)
    ledger.stop()
    shutil.copytree(ledger.data, world.path("old"))
    shutil.copy(ledger.head_lock, world.path("old.head.lock"))
    ledger.start(*options)
    newest = enrol(ledger, 10, "n")
    served_with(port(ledger), newest, a)
    ledger.stop()
    shutil.rmtree(ledger.data)
    shutil.copytree(world.path("old"), ledger.data)
    shutil.copy(world.path("old.head.lock"), ledger.head_lock)
    ledger.start(*options)
    where = port(ledger)
    enrol(ledger, 3, "other")
    line = eventually(lambda: events(ledger, "witness.fork"), "the alarm")[0]
    assert f"its_size={newest}" in line and "larger size" in line and "restored older copy" in line, line
    eventually(lambda: Metrics(where)("fealty_witness_fork", witness="w0") == 1, "and in the metrics")
    # it grows beyond what the witness has: no proof leads there
    enrol(ledger, 20, "grown")
    eventually(lambda: 422 in a.codes(), "that the proof does not hold", 60)
    eventually(lambda: any("does not lead" in event for event in events(ledger, "witness.fork")), "which is an alarm as well")
    assert all(int(row.split("/")[0]) <= size for row in rows(ledger)), "nothing of it is stored"
    assert Metrics(where)("fealty_witness_fork", witness="w0") == 1
    assert a.size(ledger.origin) == newest


# ---- what it does wrong ----

def test_bad_answers_are_not_stored(world):
    ledger, (a,), _ = begin(world)
    where = port(ledger)
    good = enrol(ledger, 5)
    served_with(where, good, a)
    stranger = Witness(world, a.name, seed="another key")
    kind = "text/plain"
    flipped = lambda line: line[:-20] + (b"A" if line[-20:-19] != b"A" else b"B") + line[-19:]
    bad = {
        "nothing": lambda line: (200, kind, b""),
        "words": lambda line: (200, kind, b"thank you\n"),
        "zeros": lambda line: (200, kind, bytes(1000)),
        "no newline": lambda line: (200, kind, line[:-1]),
        "a bit": lambda line: (200, kind, flipped(line)),
        "one good, one forged": lambda line: (200, kind, line + flipped(line)),
        "another's": lambda line: (200, kind, stranger.cosign("x")),
        "of another text": lambda line: (200, kind, a.cosign(f"{ledger.origin}\n7\n{base64.b64encode(bytes(32)).decode()}\n")),
        "a signature of a note": lambda line: (200, kind, f"{DASH} {a.name} AAAA\n".encode()),
        "huge": lambda line: (200, kind, line * 5000),
        "a 409 of words": lambda line: (409, "text/x.tlog.size", b"many\n"),
        "a 409 of another type": lambda line: (409, kind, b"3\n"),
        "a 409 with zeros in front": lambda line: (409, "text/x.tlog.size", b"0003\n"),
        "a redirect": lambda line: (307, kind, b"", ("Location", a.url + "elsewhere/add-checkpoint")),
        "created": lambda line: (201, kind, line),
        "too many lines": lambda line: (200, kind, b"".join(f"{DASH} x{i} AAAAAAA=\n".encode() for i in range(101)) + line),
    }
    before = rows(ledger)
    for number, (what, make) in enumerate(bad.items()):
        a.trick = lambda answer, handler, make=make: make(answer[2]) if answer[0] == 200 else answer
        asked = len(a.answers)
        # a new start: the pause after the one before would be long
        ledger.restart(*ANY_PORT, *OPTIONS, "--witnesses", world.path("policy"))
        where = port(ledger)
        size = enrol(ledger, 1, f"b{number}-")
        eventually(lambda: any(c == 200 and n == size for c, n, _ in a.answers[asked:]), f"{what}: that it is asked")
        said = ("witness.bad_answer", "witness.no_answer", "witness.refuses")
        eventually(lambda: [line for event in said for line in events(ledger, event)], f"{what}: that it is said")
        assert rows(ledger) == before, what
        assert size_of(served(where)) == good, what
        assert Metrics(where)("fealty_witness_cosigned_size", witness="w0") == good
    a.trick = None
    ledger.restart(*ANY_PORT, *OPTIONS, "--witnesses", world.path("policy"))
    served_with(port(ledger), size, a)


def test_others_lines_beside_its_own(world):
    """One service may answer for several keys: those of the policy are taken, those of strangers are not."""
    ledger, (a, b), _ = begin(world, 2, "all")
    where = port(ledger)
    b.stop()
    stranger = Witness(world, "stranger.example/s")

    def both(answer, handler):
        if answer[0] != 200:
            return answer
        text = checkpoint_text(ledger, a.size(ledger.origin))
        return 200, answer[1], stranger.cosign(text) + answer[2] + b.cosign(text)
    a.trick = both
    size = enrol(ledger, 5)
    note = served_with(where, size, a, b)
    assert stranger.name not in note


def checkpoint_text(ledger, size):
    return stored(ledger)[size].rpartition("\n\n")[0] + "\n"


def test_busy_and_broken_ones_are_asked_again(world):
    ledger, (a, b), _ = begin(world, 2, "all")
    where = port(ledger)
    turns = {"a": 0, "b": 0}

    def busy(answer, handler):
        turns["a"] += 1
        return (429, "text/plain", b"", ("Retry-After", "2")) if turns["a"] == 1 else answer

    def broken(answer, handler):
        turns["b"] += 1
        return ((503, "text/plain", b"") if turns["b"] == 1 else lose(answer, handler) if turns["b"] < 4 else answer)      # curl tries a used connection again
    a.trick, b.trick = busy, broken
    size = enrol(ledger, 5)
    served_with(where, size, a, b)
    m = Metrics(where)
    assert m("fealty_witness_answers_total", witness="w0", code="429") == 1 and m("fealty_witness_answers_total", witness="w1", code="5xx") == 1
    assert m("fealty_witness_answers_total", witness="w1", code="none") == 1
    times = [t for _, _, t in a.answers]
    assert times[1] - times[0] > 1.9, "it asked for two seconds"


@plain_build
@seconds(90)
def test_a_slow_one_delays_nothing(world):
    """One takes 8 s for a byte, one never answers: purchases go on as without witnesses, the third cosigns each second, and the end does not wait."""
    def measure(ledger):
        waits = []
        with ledger.wire() as wire:
            for i in range(300):
                start = time.monotonic()
                wire.ok("purchase", member="m0", amount="1", key=f"{time.monotonic_ns()}")
                waits.append(time.monotonic() - start)
        return sorted(waits)
    ledger, (a, b, c), _ = begin(world, 3, "any")
    where = port(ledger)
    never = threading.Event()
    a.trick = lambda answer, handler: (never.wait(8), answer)[1]

    def drip(answer, handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            if never.wait(0.5):
                break
    b.trick = drip
    enrol(ledger, 5)
    with_them = measure(ledger)
    with ledger.wire() as wire:
        size = wire.hello_ok.size
    served_with(where, size, c)
    eventually(lambda: Metrics(where)("fealty_witness_answers_total", witness="w1", code="none") >= 1, "that the drip is cut off", 30)
    before = time.monotonic()
    ledger.stop()
    took = time.monotonic() - before
    assert took < 3, f"the end took {took:.1f} s"
    ledger.start(*OPTIONS)
    without = measure(ledger)
    never.set()
    print(*(f"{name}: p50 {waits[150] * 1e3:.1f} ms, p99 {waits[297] * 1e3:.1f} ms" for name, waits in (("with", with_them), ("without", without))))
    assert with_them[150] < 3 * without[150] + 0.005, (with_them[150], without[150])
    assert with_them[299] < 1, with_them[290:]


def test_a_row_that_the_disk_has_changed(world):
    """It is left out, since it would make the note unreadable for everybody, and the audit says so."""
    ledger, (a,), options = begin(world)
    size = enrol(ledger, 3)
    note = served_with(port(ledger), size, a)
    ledger.stop()
    line, = (row.encode() for key, row in rows(ledger).items() if key.startswith(f"{size}/"))
    bare = note[:note.rindex(line.decode())]
    for n, (at, data) in enumerate(((len(line) - 30, b"\n"), (0, b"xxx"), (line.rindex(b" ") + 1, b"AAAA"))):
        copy = Copy(ledger)
        for place in places(ledger_file(copy.data), line):
            write_at(ledger_file(copy.data), place + at, data)
        expect(copy.audit(1).json, status="DATA_LOSS", reason="COSIGNATURE_DAMAGED", size=size)
        ledger.cli("log", "export", copy.data, world.path(f"export{n}"))
        with open(world.path(f"export{n}/checkpoint"), encoding="utf-8") as f:
            assert f.read() == bare
        copy.remove()
    for place in places(ledger_file(ledger.data), line):
        write_at(ledger_file(ledger.data), place, b"xxx")
    ledger.start(*options)
    eventually(lambda: size_of(served(port(ledger))) == size, "the newest checkpoint")
    assert served(port(ledger)) == bare


# ---- keys that change ----

@seconds(90)
def test_both_keys_of_an_overlap_then_the_new_one(world):
    """A witness that knows the old key signs as long as that signs; what it signed goes on being served until it knows the new one."""
    ledger, (a,), options = begin(world)
    where = port(ledger)
    old = key_of(ledger)
    rotate(ledger, "checkpoint", overlap_days=10)
    new, also = key_of(ledger).split("\n")
    assert also == old
    size = enrol(ledger, 3)
    note = served_with(where, size, a)
    assert verify_note(note, old) and verify_note(note, new)
    ledger.cli("log", "export", ledger.data, world.path("export"))
    with open(world.path("export/checkpoint"), encoding="utf-8") as f:
        assert f.read() == note
    ledger.daemon.kill()
    ledger.start(*options)
    where = port(ledger)
    assert served_with(where, size, a) == note
    rotate(ledger, "checkpoint", overlap_days=0)
    more = enrol(ledger, 3, "n")
    eventually(lambda: 403 in a.codes() and events(ledger, "witness.refuses"), "that it does not know the key")
    assert "it trusts another key" in events(ledger, "witness.refuses")[0]
    assert served(where) == note
    newest = key_of(ledger)
    a.log_keys[ledger.origin] = newest
    note = served_with(where, more, a)
    assert verify_note(note, newest) and not verify_note(note, old) and not verify_note(note, new)
    ledger.stop()
    expect(ledger.audit(), status="OK")


def test_a_policy_with_a_key_that_was_replaced(world):
    """A rotation, or a key's recovery, must not keep a daemon from starting because a file still has the log's former key."""
    ledger = world.ledger()
    a = Witness(world, "witness.example/a").start()
    a.log_keys[ledger.origin] = key_of(ledger)
    options = (*ANY_PORT, *OPTIONS, "--witnesses", policy(world, [a], log=key_of(ledger)))
    ledger.start(*options)
    assert not events(ledger, "witness.policy_is_old")
    ledger.publish(programs.PLAIN)
    rotate(ledger, "checkpoint", overlap_days=10)
    ledger.daemon.kill()
    ledger.start(*options)
    assert len(events(ledger, "witness.policy_is_old")) == 1
    served_with(port(ledger), enrol(ledger, 2), a)
    ledger.stop()
    # the key of transactions is none of checkpoints, and another log's key under this name is none either
    transaction_key = vkey(ledger.origin, 1, ledger.public_key)
    for key in (transaction_key, vkey(ledger.origin, 1, bytes(range(32)))):
        assert "not among them" in ledger.start_refused("--witnesses", policy(world, [a], name="other", log=key))
    options = ("--witnesses", policy(world, [a], name="newest", log=key_of(ledger).split("\n")[0]))
    os.unlink(os.path.join(ledger.keys, "checkpoint.key"))
    new_key(ledger, "checkpoint")
    ledger.start(*options, "--recover-key", "checkpoint:lost")
    ledger.restart(*options)
    assert len(events(ledger, "witness.policy_is_old")) == 1


# ---- the policy ----

def test_policies_that_cannot_be(world):
    ledger = world.ledger()
    a, b = Witness(world, "witness.example/a"), Witness(world, "witness.example/b")
    a.port = b.port = 1
    other = world.ledger("other")
    line = f"witness a {a.vkey} {a.url}\n"
    cases = (
        (None, "cannot be read"),
        ("", "no quorum line"),
        ("quorum none\n", "nobody to ask"),
        (line + "quorum none", "no newline"),
        (line, "no quorum line"),
        (f"witness a {a.vkey}\nquorum a\n", "nobody to ask"),
        (f"{line}witness b {b.vkey}\ngroup g all a b\nquorum g\n", "cannot be met"),
        (f"witness a {a.vkey} http://witness.example/\nquorum a\n", "loopback"),
        (f"witness a {a.vkey} http://127.evil.example/\nquorum a\n", "loopback"),
        (f"witness a {a.vkey} ftp://witness.example/\nquorum a\n", "https://"),
        (f"witness a {a.vkey} witness.example\nquorum a\n", "scheme and a host"),
        (f"witness a {a.vkey} https://me:secret@witness.example/\nquorum a\n", "a user"),
        (f"witness a {a.vkey} https://witness.example/?x=1\nquorum a\n", "query"),
        (f"witness a {a.vkey} https://witness.example/{'x' * 600}\nquorum a\n", "fewer than 512"),
        (f"witness {'n' * 65} {a.vkey} {a.url}\nquorum none\n", "printable ASCII"),
        (f"witness a\u00e9 {a.vkey} {a.url}\nquorum none\n", "printable ASCII"),
        (f"log {key_of(other)}\n{line}quorum a\n", "not among them"),
        (f"log {a.vkey}\n{line}quorum a\n", "line 1"),
        (f"{line}{line}quorum a\n", "line 2"),
        ("".join(f"witness w{i} {Witness(world, f'w{i}').vkey} {a.url}\n" for i in range(33)) + "quorum w1\n", "at most 32"),
        ("#" * 70000 + "\n", "larger than"),
    )
    for text, words in cases:
        path = world.path("missing") if text is None else world.write("policy", text)
        said = ledger.start_refused("--witnesses", path)
        assert words in said, (text and text[:200], words, said)
        assert "secret@" not in said
    # other logs beside this one, and witnesses without a URL, may be there
    text = f"# ours\nlog {key_of(other)}\nlog {key_of(ledger)}\n{line}witness b {b.vkey}\ngroup g any a b\nquorum g\n"
    ledger.start("--witnesses", world.write("policy", text))


def test_https_is_verified(world):
    """A certificate that nobody vouches for: it is not even asked."""
    ledger = world.ledger()
    a = Witness(world).start()
    a.log_keys[ledger.origin] = key_of(ledger)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", world.path("tls.key"), "-out", world.path("tls.crt")],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(world.path("tls.crt"), world.path("tls.key"))
    a.server.socket = context.wrap_socket(a.server.socket, server_side=True)
    path = world.write("policy", f"witness w0 {a.vkey} https://localhost:{a.port}/w\nquorum w0\n")
    ledger.start(*ANY_PORT, "--witnesses", path)
    ledger.publish(programs.PLAIN)
    line = eventually(lambda: events(ledger, "witness.no_answer"), "that it is not trusted")[0]
    assert "certificate" in line and not a.answers, line
