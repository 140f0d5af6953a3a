"""Keys that are replaced: in turn, with an overlap, after a loss; cut short anywhere, refused where they must be, and followed by all who verify."""
import base64
import glob
import hashlib
import json
import os
import shutil
import stat
import subprocess
import threading

from nacl.signing import SigningKey, VerifyKey

import programs
from case import plain_build, reduced, seconds
from files import Copy, ledger_file, places, write_at
from verify import pae
from wire import Closed, keyless, ledger as proto
from world import FIRST_DAY, eventually, expect

KILL_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* Ends the process at a call on a key's file: $KILL_AT is its name, with a + to be killed after it. */
static void
perhaps(const char *call, const char *path)
{
    const char *at = getenv("KILL_AT");
    if (at != NULL && strcmp(at, call) == 0 && strstr(path, ".key") != NULL)
        kill(getpid(), SIGKILL);
}
int
linkat(int a, const char *from, int b, const char *to, int flags)
{
    int (*real)(int, const char *, int, const char *, int) = (int (*)(int, const char *, int, const char *, int))dlsym(RTLD_NEXT, "linkat");
    perhaps("linkat", from);
    int result = real(a, from, b, to, flags);
    perhaps("linkat+", from);
    return result;
}
int
renameat(int a, const char *from, int b, const char *to)
{
    int (*real)(int, const char *, int, const char *) = (int (*)(int, const char *, int, const char *))dlsym(RTLD_NEXT, "renameat");
    perhaps("renameat", from);
    int result = real(a, from, b, to);
    perhaps("renameat+", from);
    return result;
}
int
openat64(int dir, const char *path, int flags, ...)
{
    int (*real)(int, const char *, int, ...) = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, "openat64");
    va_list ap;
    va_start(ap, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    if (access(getenv("KILL_WHEN"), F_OK) == 0 && strstr(path, ".next.key") != NULL)
        perhaps("openat", path);
    return real(dir, path, flags, mode);
}
int
__openat64_2(int dir, const char *path, int flags)
{
    return openat64(dir, path, flags);
}
"""


def new_key(ledger, kind="transaction"):
    made = expect(ledger.cli("key", "new", ledger.keys, "--kind", kind).json, status="OK", kind=kind)
    assert made["key_id"] == hashlib.sha256(bytes.fromhex(made["public_key"])).hexdigest()[:16]
    return made["public_key"]


def rotate(ledger, kind="transaction", key=None, code=0, **options):
    new = key or new_key(ledger, kind)
    extra = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)]
    return new, ledger.cli("key", "rotate", "--kind", kind, *extra, new, code=code).json


def key_files(ledger):
    return {os.path.basename(path) for path in glob.glob(os.path.join(ledger.keys, "*"))}


def key_id(public_hex):
    return hashlib.sha256(bytes.fromhex(public_hex)).hexdigest()[:16]


def history(ledger):
    """{(kind, key): row} of the state, as a dump prints it."""
    return [row["value"] for row in ledger.cli("dump", ledger.data, "key").lines]


def notes(ledger):
    return {int(row["key"]): row["value"]["note"] for row in ledger.cli("dump", ledger.data, "checkpoint").lines}


def signers(note, candidates):
    """Which of the public keys have signed a checkpoint; every line must be of one of them."""
    text, _, lines = note.rpartition("\n\n")
    text += "\n"
    found = []
    for line in lines.splitlines():
        dash, name, signature = line.split(" ")
        assert dash == "\u2014" and name == text.split("\n")[0], note
        data = base64.b64decode(signature)
        key = next(k for k in candidates if hashlib.sha256(name.encode() + b"\n\1" + bytes.fromhex(k)).digest()[:4] == data[:4])
        VerifyKey(bytes.fromhex(key)).verify(text.encode(), data[4:])
        found.append(key)
    return found


def newest_note(ledger, size):
    return eventually(lambda: next((note for at, note in sorted(notes(ledger).items(), reverse=True) if at >= size), None), "a checkpoint")


def fill(ledger, n, prefix="m"):
    with ledger.wire() as wire:
        for i in range(n):
            wire.ok("enrol", member=f"{prefix}{i}", key=f"{prefix}{i}")


def test_a_transaction_key_is_rotated(world):
    ledger = world.running()
    fill(ledger, 3)
    first = ledger.public_key.hex()
    new = new_key(ledger)
    assert stat.S_IMODE(os.stat(os.path.join(ledger.keys, "transaction.next.key")).st_mode) == 0o400
    assert "is there already" in ledger.cli("key", "new", ledger.keys, code=2).json["message"]
    with ledger.wire() as wire:
        done = wire.ok("rotate_key", new_key=bytes.fromhex(new), key="rotate-1")
        assert not done.HasField("ends_at") and not done.available
        expect(wire.ok("rotate_key", new_key=bytes.fromhex(new), key="rotate-1"), replayed=True, id=done.id)
        wire.refused("REQUEST_ID_REUSED", "rotate_key", new_key=bytes(32), key="rotate-1")
    assert key_files(ledger) == {"transaction.key", "checkpoint.key", "alias.key", "vault.key", "fingerprint.key", "voucher.key", "vault.1.key",
                                 f"transaction.{key_id(first)}.old.key"}
    fill(ledger, 3, "n")
    seq = int(done.id.split(".")[0])
    rows = history(ledger)
    assert [(r["kind"], r["key"], r["from"], r.get("until")) for r in rows if r["kind"] == "transaction"] == [
        ("transaction", first, 0, seq + 1), ("transaction", new, seq + 1, None)]
    books = ledger.books()
    assert books.public_key.hex() == new and [s for s, _ in books.rotations] == [seq]
    for where in ("wire", "local"):
        report = expect(ledger.audit("--public-key", first, "--key-id", key_id(first), where=where), status="OK", transaction_key=first)
        assert [row["key"] for row in report["keys"]] == [first, rows[1]["key"], new]
    assert "names another key" in ledger.audit("--public-key", new, code=1)["message"], "the anchor is the genesis's key"
    text = ledger.cli("transaction", seq, json_output=False).out
    assert f"rotate_key of transactions to {new}" in text, text
    # a restart, and a state made from nothing
    ledger.restart()
    fill(ledger, 2, "o")
    ledger.stop()
    shutil.rmtree(os.path.join(ledger.data, "state"))
    shutil.rmtree(os.path.join(ledger.data, "snapshot"), ignore_errors=True)
    ledger.start()
    assert history(ledger) == rows
    new2, _ = rotate(ledger)
    fill(ledger, 2, "p")
    assert ledger.books().public_key.hex() == new2
    ledger.stop()
    expect(ledger.audit(), status="OK")


def test_who_may_and_what_is_refused(world):
    ledger = world.running(programs.PLAIN, "--insecure-loopback", "--listen", "127.0.0.1:0")
    new = bytes.fromhex(new_key(ledger))
    path = os.path.join(ledger.keys, "transaction.next.key")
    for principal in ("pos/1/1", "backend/app", "auditor/kpmg", "approver/a"):
        with ledger.wire(principal) as wire:
            wire.refused("PERMISSION_DENIED", "rotate_key", new_key=new)
    with ledger.wire() as wire:
        batch = wire.batch([keyless("rotate_key", new_key=new)], key="b")
        assert batch.results[0].reason == "INVALID_ARGUMENT", batch

        def no_key(words, kind=None, key=new):
            r = wire.refused("NOT_FOUND", "rotate_key", new_key=key, kind=kind)
            assert r.field == "new_key" and words in r.message, r

        no_key("another key", key=ledger.public_key)
        no_key("There is no checkpoint.next.key", kind="checkpoint")
        for mode in (0o440, 0o404, 0o600):
            os.chmod(path, mode)
            if mode != 0o600:
                no_key("readable by others")
        good = open(path, encoding="ascii").read()
        for text in (good[:-1], "", good + good, good.replace(good[0], "x"), good.upper() if good.upper() != good else good[:-2]):
            os.chmod(path, 0o600)
            with open(path, "w", encoding="ascii") as f:
                f.write(text)
            if text == good.upper():
                continue
            no_key("is no key")
        os.unlink(path)
        os.symlink("transaction.key", path)
        no_key("is no key")
        os.unlink(path)
        no_key("There is no transaction.next.key")
        # a key that the ledger has had
        shutil.copy(os.path.join(ledger.keys, "checkpoint.key"), path)
        checkpoint_key = next(ledger.books().entries())[1].inputs.genesis.checkpoint_key
        r = wire.refused("ALREADY_EXISTS", "rotate_key", new_key=checkpoint_key)
        assert r.field == "new_key", r
        os.unlink(path)
    assert ledger.books().rotations == []
    done, _ = rotate(ledger)
    fill(ledger, 1)
    assert ledger.books().public_key.hex() == done
    ledger.stop()


def test_a_simulation_has_no_keys(world):
    program = world.write("p.yaml", programs.PLAIN)
    events = world.write("e.jsonl", json.dumps({"at": FIRST_DAY, "op": "rotate_key", "key": "k", "new_key": "ab" * 32}) + "\n")
    result = world.ledger().cli("simulate", "--program", program, events, json_output=False, code=None)
    assert "`rotate_key` is a daemon's" in result.out, result


def test_checkpoints_have_both_signatures_in_the_overlap(world):
    ledger = world.running()
    fill(ledger, 2)
    first = ledger.cli("dump", ledger.data, "key", "1").lines[0]["value"]["key"]
    newest_note(ledger, 3)
    new, done = rotate(ledger, "checkpoint", overlap_days=10)
    assert done["ends_at"].startswith("2026-01-11T"), done
    size = done["seq"] + 1
    note = newest_note(ledger, size)
    assert signers(note, [first, new]) == [new, first]
    assert len(ledger.cli("log", "key", ledger.data).json["keys"]) == 2
    third, again = rotate(ledger, "checkpoint", overlap_days=1, code=1)
    expect(again, reason="ALREADY_EXISTS", field="overlap_days")
    ledger.restart()
    with ledger.wire() as wire:
        wire.ok("enrol", member="x", key="x", at="2026-01-10T23:59:59Z")
        size = wire.ok("balance", member="x").seq + 1
    assert signers(newest_note(ledger, size), [first, new]) == [new, first]
    expect(ledger.audit(), status="OK")
    # without the old key's file a start goes on with the new one alone, and says so
    ledger.stop()
    old_file = os.path.join(ledger.keys, f"checkpoint.{key_id(first)}.old.key")
    os.rename(old_file, old_file + ".away")
    ledger.start()
    assert "key.overlap_cut_short" in ledger.daemon.log()
    fill(ledger, 1, "y")
    size += 1
    assert signers(newest_note(ledger, size), [first, new]) == [new]
    ledger.stop()
    os.rename(old_file + ".away", old_file)
    ledger.start()
    with ledger.wire() as wire:
        wire.ok("enrol", member="z", key="z", at="2026-01-11T00:00:01Z")
        size = wire.ok("balance", member="z").seq + 1
    assert signers(newest_note(ledger, size), [first, new]) == [new], "the overlap is over by the ledger's clock"
    assert len(ledger.cli("log", "key", ledger.data).json["keys"]) == 1
    # the next one at once, and one that is compromised
    rotate(ledger, "checkpoint", key=third, overlap_days=0)
    fourth_key = new_key(ledger, "checkpoint")
    _, done = rotate(ledger, "checkpoint", key=fourth_key, reason="compromised")
    assert signers(newest_note(ledger, done["seq"] + 1), [first, new, third, fourth_key]) == [fourth_key]
    ledger.stop()
    report = expect(ledger.audit(), status="OK", checkpoints=len(notes(ledger)))
    assert [row.get("recovery") for row in report["keys"]] == [None, None, None, None, "compromised"]
    people = ledger.cli("audit", ledger.data, json_output=False).out
    assert "ATTENTION" in people and "the checkpoint key before it was compromised" in people, people


def forge_checkpoint(ledger, size, keys):
    """The stored checkpoint of a size, signed once more by other seeds and of the same length, in a copy."""
    copy = Copy(ledger)
    old = notes(ledger)[size]
    text, _, lines = old.rpartition("\n\n")
    made = ""
    for seed in keys:
        key = SigningKey(seed)
        name = text.split("\n")[0]
        key_hash = hashlib.sha256(name.encode() + b"\n\1" + bytes(key.verify_key)).digest()[:4]
        made += f"\u2014 {name} {base64.b64encode(key_hash + key.sign((text + chr(10)).encode()).signature).decode()}\n"
    new = (text + "\n\n" + made).encode()
    assert len(new) == len(old.encode()), "the row keeps its length"
    for at in places(ledger_file(copy.data), size.to_bytes(8, "big") + old.encode()):
        write_at(ledger_file(copy.data), at + 8, new)
    return copy


def seed_of(ledger, name):
    return bytes.fromhex(open(os.path.join(ledger.keys, name), encoding="ascii").read().strip())


def test_a_checkpoint_by_an_old_key_is_found(world):
    ledger = world.running()
    fill(ledger, 2)
    first = ledger.cli("dump", ledger.data, "key", "1").lines[0]["value"]["key"]
    rotate(ledger, "checkpoint", overlap_days=10)
    fill(ledger, 1, "n")
    ledger.restart()
    both = max(notes(ledger))
    with ledger.wire() as wire:
        wire.ok("enrol", member="z", key="z", at="2026-02-01T00:00:01Z")
    ledger.stop()
    alone = max(notes(ledger))
    assert alone > both
    old, new = seed_of(ledger, f"checkpoint.{key_id(first)}.old.key"), seed_of(ledger, "checkpoint.key")
    expect(ledger.audit(), status="OK")
    for size, seeds, reason, words in (
            (alone, [old], "CHECKPOINT_FOREIGN", "not signed by the key that the ledger had then"),
            (alone, [b"\7" * 32], "CHECKPOINT_FOREIGN", "not signed by the key that the ledger had then"),
            (both, [old, old], "CHECKPOINT_FOREIGN", "not signed by the key that the ledger had then"),
            (both, [new, b"\7" * 32], "CHECKPOINT_FOREIGN", "by a key that is unknown, or was the ledger's at another time"),
            (both, [b"\7" * 32, old], "CHECKPOINT_FOREIGN", "not signed by the key that the ledger had then")):
        copy = forge_checkpoint(ledger, size, seeds)
        found = copy.audit(code=1).json
        expect(found, reason=reason, size=size)
        assert words in found["message"], found
        if size == alone:
            assert "newest checkpoint" in copy.launch().wait_refused()
            assert "not signed by the key" in ledger.cli("log", "export", copy.data, world.path(f"x{len(world.daemons)}"), code=1).json["message"]
        copy.remove()


def test_a_tail_that_the_old_key_signed_is_refused(world):
    ledger = world.running()
    fill(ledger, 2)
    first = ledger.public_key.hex()
    _, done = rotate(ledger)
    fill(ledger, 3, "n")
    leaves = ledger.leaves()
    ledger.stop()
    old = SigningKey(seed_of(ledger, f"transaction.{key_id(first)}.old.key"))
    stranger = SigningKey(b"\7" * 32)
    new = SigningKey(seed_of(ledger, "transaction.key"))
    seq = done["seq"]

    def forged(at, key, second=None):
        copy = Copy(ledger)
        s = proto.SignedTransaction.FromString(leaves[at])
        s.signature = key.sign(pae(s.transaction)).signature
        s.key_id = hashlib.sha256(bytes(key.verify_key)).digest()[:8]
        if second is not None:
            s.second_signature = second.sign(pae(s.transaction)).signature
            s.second_key_id = hashlib.sha256(bytes(second.verify_key)).digest()[:8]
        data = s.SerializeToString()
        assert len(data) == len(leaves[at])
        for place in places(ledger_file(copy.data), leaves[at]):
            write_at(ledger_file(copy.data), place, data)
        return copy

    for at, key, second, words in (
            (len(leaves) - 1, old, None, "signed by another key"), (len(leaves) - 1, stranger, None, "signed by another key"),
            (seq + 1, old, None, "signed by another key"), (seq - 1, new, None, "signed by another key"),
            (seq, new, new, "signed by another key"), (seq, old, stranger, "signed by another key"), (seq, old, old, "signed by another key")):
        copy = forged(at, key, second)
        found = copy.audit(code=1).json
        expect(found, seq=at)
        assert words in found["message"], found
        assert words in copy.launch().wait_refused()
        shutil.rmtree(os.path.join(copy.data, "state"))
        assert words in copy.launch().wait_refused(), "also when state is made again"
        copy.remove()
    # a rotation from which the second signature was cut: another leaf of the same length, with a field that nobody knows
    copy = Copy(ledger)
    s = proto.SignedTransaction.FromString(leaves[seq])
    cut = 2 + len(s.second_signature) + 2 + len(s.second_key_id)
    data = leaves[seq][:-cut] + bytes([15 << 3 | 2, cut - 2]) + bytes(cut - 2)
    for place in places(ledger_file(copy.data), leaves[seq]):
        write_at(ledger_file(copy.data), place, data)
    assert "does not have both signatures" in expect(copy.audit(code=1).json, seq=seq)["message"]
    assert "damaged" in copy.launch().wait_refused()


class Writer(threading.Thread):
    """Purchases, many at a time, each of which must be answered OK."""

    def __init__(self, ledger, number, stop):
        super().__init__(daemon=True)
        self.ledger, self.number, self.stop, self.done, self.error = ledger, number, stop, [], None

    def run(self):
        try:
            with self.ledger.wire(f"pos/1/{self.number}") as wire:
                while not self.stop.is_set():
                    tags = [wire.start("purchase", member="m0", amount="1", key=f"{self.number}-{len(self.done)}-{i}") for i in range(16)]
                    self.done += [wire.wait(tag).id for tag in tags]
        except BaseException as e:
            self.error = e


@reduced
@seconds(120)
def test_under_load_no_command_is_lost(world):
    ledger = world.running()
    fill(ledger, 1)
    stop = threading.Event()
    writers = [Writer(ledger, n, stop) for n in range(4)]
    for w in writers:
        w.start()
    keys = []
    for round_ in range(4):
        eventually(lambda: all(len(w.done) > 40 * (round_ + 1) or w.error for w in writers), "purchases")
        kind = ("transaction", "checkpoint")[round_ % 2]
        keys.append(rotate(ledger, kind, **({"overlap_days": 0} if kind == "checkpoint" else {}))[0])
    at = [len(w.done) for w in writers]
    eventually(lambda: all(len(w.done) > n + 40 or w.error for w, n in zip(writers, at)), "purchases after the last")
    stop.set()
    for w in writers:
        w.join()
        assert w.error is None, w.error
    ids = [i for w in writers for i in w.done]
    assert len(set(ids)) == len(ids) and all(ids)
    books = ledger.books()
    assert [r.new_key.hex() for _, r in books.rotations] == keys
    assert sum(e.inputs.HasField("purchase") for _, e in books.entries()) == len(ids)
    ledger.stop()
    expect(ledger.audit(), status="OK")


@plain_build
@seconds(120)
def test_killed_at_every_step_of_it(world):
    source, library = world.write("kill.c", KILL_SOURCE), world.path("kill.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    ledger = world.running()
    fill(ledger, 1)
    when = world.path("when")
    committed = 0
    for kind in ("transaction", "checkpoint"):
        for step in ("openat", "linkat", "linkat+", "renameat", "renameat+"):
            new = new_key(ledger, kind)
            ledger.restart(env={"LD_PRELOAD": library, "KILL_AT": step, "KILL_WHEN": when})
            world.write("when", "")
            key, options = f"{kind}-{step}".replace("+", ".after"), {"overlap_days": 0} if kind == "checkpoint" else {}
            wire = ledger.wire()
            try:
                wire.call("rotate_key", new_key=bytes.fromhex(new), kind=kind, key=key, **options)
                raise AssertionError(f"{step}: it lives")
            except (Closed, OSError):
                pass
            ledger.daemon.kill()
            os.unlink(when)
            ledger.start()
            assert ("key.rotation_completed" in ledger.daemon.log()) == (step in ("linkat", "linkat+", "renameat")), (step, ledger.daemon.log())
            with ledger.wire() as wire:
                r = wire.ok("rotate_key", new_key=bytes.fromhex(new), kind=kind, key=key, **options)
                assert r.replayed == (step != "openat"), step
                wire.ok("purchase", member="m0", amount="1", key=f"after-{key}")
            committed += 1
            assert f"{kind}.next.key" not in key_files(ledger)
            books = ledger.books()
            assert len(books.rotations) == committed
            assert (books.public_key if kind == "transaction" else books.checkpoint_key).hex() == new
    ledger.stop()
    expect(ledger.audit(), status="OK")


def test_a_lost_transaction_key_is_recovered(world):
    ledger = world.running()
    fill(ledger, 2)
    first = ledger.public_key.hex()
    ledger.stop()
    refused = ledger.start_refused("--recover-key", "transaction:lost")
    assert "there is no next key" in refused, refused
    os.unlink(os.path.join(ledger.keys, "transaction.key"))
    assert "transaction.key" in ledger.start_refused()
    new = new_key(ledger)
    refused = ledger.start_refused()
    assert key_id(first) in refused and "KEYS.md" in refused, refused
    before = ledger.audit()["transactions"]
    ledger.start("--recover-key", "transaction:lost")
    assert "transaction.next.key" not in key_files(ledger) and "transaction.key" in key_files(ledger)
    fill(ledger, 2, "n")
    books = ledger.books()
    (seq, rotation), = books.rotations
    assert (seq, rotation.recovery, rotation.new_key.hex()) == (before, "lost", new)
    for where in ("wire", "local"):
        report = expect(ledger.audit("--public-key", first, where=where), status="OK")
        assert report["keys"][2]["recovery"] == "lost" and report["keys"][2]["from"] == seq
    people = ledger.cli("audit", ledger.data, json_output=False).out
    assert "ATTENTION" in people and "the transaction key before it was lost" in people, people
    ledger.stop()
    assert "there is no next key" in ledger.start_refused("--recover-key", "transaction:lost"), "not a second time"
    ledger.start()
    fill(ledger, 1, "o")
    ledger.stop()
    expect(ledger.audit(), status="OK")


def test_a_compromised_key_is_replaced(world):
    ledger = world.running(clock="real")
    fill(ledger, 2)
    first = ledger.public_key.hex()
    ledger.stop()
    new = new_key(ledger)
    assert "is not lost" in ledger.start_refused("--recover-key", "transaction:lost")
    ledger.start("--recover-key", "transaction:compromised")
    assert f"transaction.{key_id(first)}.old.key" in key_files(ledger)
    fill(ledger, 1, "n")
    books = ledger.books()
    assert books.public_key.hex() == new and books.rotations[0][1].recovery == "compromised"
    rotate(ledger)          # and on, in the usual way
    fill(ledger, 1, "o")
    assert len(ledger.books().rotations) == 2
    ledger.stop()
    expect(ledger.audit(), status="OK")


def test_a_lost_checkpoint_key_is_recovered(world):
    ledger = world.running()
    fill(ledger, 2)
    first = ledger.cli("dump", ledger.data, "key", "1").lines[0]["value"]["key"]
    ledger.stop()
    os.unlink(os.path.join(ledger.keys, "checkpoint.key"))
    new = new_key(ledger, "checkpoint")
    assert key_id(first) in ledger.start_refused()
    ledger.start("--recover-key", "checkpoint:lost")
    fill(ledger, 1, "n")
    books = ledger.books()
    assert books.checkpoint_key.hex() == new and books.rotations[0][1].recovery == "lost"
    ledger.stop()
    note = notes(ledger)[max(notes(ledger))]
    assert signers(note, [first, new]) == [new]
    expect(ledger.audit(), status="OK")
    # both at once cannot be: each recovery needs the other key
    for name in ("transaction", "checkpoint"):
        os.unlink(os.path.join(ledger.keys, f"{name}.key"))
        new_key(ledger, name)
    for what in ("transaction:lost", "checkpoint:lost"):
        assert "KEYS.md" in ledger.start_refused("--recover-key", what)
    assert "--recover-key is" in ledger.launch("--recover-key", "both:lost").wait_end(2)


def test_keys_of_another_ledger_are_refused(world):
    ledger = world.running()
    ledger.stop()
    other = world.ledger("other")
    for name in ("transaction.key", "checkpoint.key"):
        kept = open(os.path.join(ledger.keys, name), encoding="ascii").read()
        path = os.path.join(ledger.keys, name)
        os.unlink(path)
        shutil.copy(os.path.join(other.keys, name), path)
        assert f"are not this ledger's: {name}" in ledger.start_refused()
        os.unlink(path)
        with open(path, "w", encoding="ascii") as f:
            f.write(kept)
        os.chmod(path, 0o400)
    ledger.start()


def test_a_client_with_the_old_key_is_told_why(world):
    ledger = world.running()
    fill(ledger, 2)
    seen, old = world.path("seen"), ledger.cli("log", "key", ledger.data, json_output=False).out.strip()

    def balance(key, code=0):
        return ledger.cli("balance", "m0", "--checkpoint", seen, "--log-key", key, code=code).json

    newest_note(ledger, 2)
    eventually(lambda: ledger.cli("balance", "m0", "--checkpoint", seen, "--log-key", old, code=None).code == 0, "a public checkpoint")
    for overlap in (10, 0):
        _, done = rotate(ledger, "checkpoint", overlap_days=overlap)
        eventually(lambda: ledger.cli("proof", done["seq"], code=None).code == 0, "a public checkpoint of the new key")
        new = ledger.cli("log", "key", ledger.data).json["key"]
        balance(new)
        if overlap > 0:
            balance(old)
    told = balance(old, code=1)["message"]
    assert old.split("+")[1] in told and new.split("+")[1] in told and "rotated" in told and "nothing was sent" in told, told
    stranger = "test.example/other" + new[new.index("+"):]
    assert "verifier key" in balance(stranger, code=2)["message"], "its id is of the name as well"
    receipt, policy = world.path("receipt"), world.write("policy", f"log {old}\nquorum none\n")
    ledger.cli("receipt", "save", done["seq"], receipt)
    assert "if the log's key was rotated" in ledger.cli("receipt", "verify", receipt, "--policy", policy, code=1).json["message"]


FAIL_SOURCE = r"""
#include <errno.h>
#include <sys/stat.h>
/* No directory can be made durable. */
int
fsync(int fd)
{
    struct stat s;
    errno = EIO;
    return fstat(fd, &s) == 0 && S_ISDIR(s.st_mode) ? -1 : 0;
}
"""


@plain_build
def test_a_new_key_that_is_not_durable_is_none(world):
    source, library = world.write("fail.c", FAIL_SOURCE), world.path("fail.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    ledger = world.ledger()
    files = key_files(ledger)
    said = ledger.cli("key", "new", ledger.keys, code=None, env={"LD_PRELOAD": library})
    assert said.code != 0 and "nothing was left behind" in said.json["message"], said
    assert key_files(ledger) == files


def test_an_older_copy_of_the_ledger_beside_newer_keys(world):
    """No word of keys that are lost: they are there, and the ledger is what is old."""
    ledger = world.running()
    fill(ledger, 1)
    ledger.stop()
    copy = Copy(ledger)
    for kind in ("transaction", "checkpoint"):
        ledger.start()
        rotate(ledger, kind)
        ledger.stop()
        said = copy.launch().wait_refused()
        assert "older copy" in said and "KEYS.md" not in said, said
    before = key_files(ledger)
    assert "key directory" in ledger.cli("key", "new", ledger.data, code=2).json["message"], "a secret among the data would be copied with it"
    assert not glob.glob(os.path.join(ledger.data, "*.key")) and key_files(ledger) == before
