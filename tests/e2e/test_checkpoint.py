"""Checkpoints: one at most a second, one at the end; signed as a C2SP note, and never behind head.lock."""
import base64
import hashlib
import os
import shutil

from nacl.signing import VerifyKey

from files import Copy, ledger_file, places, write_at
from wire import hello_message
from world import eventually, expect


def tree_root(leaves):
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + tree_root(leaves[:split]) + tree_root(leaves[split:])).digest()


def stored(ledger):
    """{size: note} as the data directory has them."""
    return {int(row["key"]): row["value"]["note"] for row in ledger.cli("dump", ledger.data, "checkpoint").lines}


def checked(ledger, note, public_key):
    """(size, root) of a note whose signature holds."""
    text, _, line = note.rpartition("\n\n")
    text += "\n"
    dash, name, signature = line.rstrip("\n").split(" ")
    origin, size, root = text.rstrip("\n").split("\n")
    assert (dash, name) == ("\u2014", origin) and origin == "test.example/l", note
    key_id = hashlib.sha256(name.encode() + b"\n\1" + public_key).digest()[:4]
    signed = base64.b64decode(signature)
    assert signed[:4] == key_id, note
    VerifyKey(public_key).verify(text.encode(), signed[4:])
    return int(size), base64.b64decode(root)


def leaves_of(ledger):
    with ledger.wire() as wire:
        tag = wire.subscribe(credits=wire.hello_ok.size)
        return list(wire.leaves(tag, wire.hello_ok.size))


def test_every_checkpoint_is_of_this_log(world):
    ledger = world.running()
    with ledger.wire() as wire:
        for i in range(40):
            wire.ok("enrol", member=f"m{i}", key=f"e{i}")
        first = wire.hello_ok.size
    eventually(lambda: max(stored(ledger), default=0) > first, "a checkpoint of what was written")
    with ledger.wire() as wire:
        for i in range(7):
            wire.ok("enrol", member=f"n{i}", key=f"f{i}")
    leaves = leaves_of(ledger)
    books = ledger.books()
    public_key = next(books.entries())[1].inputs.genesis.checkpoint_key
    ledger.stop()
    notes = stored(ledger)
    assert max(notes) == len(leaves), "the end has one"
    for size, note in notes.items():
        assert checked(ledger, note, public_key) == (size, tree_root(leaves[:size]))
    with open(ledger.head_lock, encoding="ascii") as file:
        size, root = file.read().split()
    assert (int(size), bytes.fromhex(root)) == (len(leaves), tree_root(leaves)), "head.lock is the newest of them"
    expect(ledger.audit(), status="OK")


def test_after_a_kill_the_newest_is_found_again(world):
    ledger = world.running()
    with ledger.wire() as wire:
        wire.ok("enrol", member="a", key="e")
    eventually(lambda: stored(ledger), "a checkpoint")
    before = stored(ledger)
    ledger.daemon.kill()
    ledger.start()
    ledger.stop()
    after = stored(ledger)
    assert {size: after[size] for size in before} == before, "none is ever changed"


def test_one_that_was_changed_is_refused(world):
    ledger = world.running()
    with ledger.wire() as wire:
        wire.ok("enrol", member="a", key="e")
    ledger.stop()
    newest = stored(ledger)[max(stored(ledger))].encode()
    copy = Copy(ledger)
    for at in places(ledger_file(copy.data), newest):
        line = newest.rindex(b" ") + 12
        write_at(ledger_file(copy.data), at + line, b"A" if newest[line:line + 1] != b"A" else b"B")
    assert "newest checkpoint" in copy.launch().wait_refused()
    assert os.path.exists(copy.data)


def several_of(world, name):
    """A stopped ledger with checkpoints of at least three sizes from 10 to 99, and {size: note}."""
    ledger = world.running(name=name)
    for part in range(3):
        with ledger.wire() as wire:
            for i in range(10):
                wire.ok("enrol", member=f"{part}-{i}", key=f"{part}-{i}")
        ledger.restart()
    ledger.stop()
    notes = {size: note for size, note in stored(ledger).items() if 10 <= size <= 99}
    assert len(notes) >= 3, notes
    return ledger, notes


def overwrite(copy, size, note, by_size, by_note):
    """A row of a checkpoint, key and value, by another of the same length."""
    old, new = [s.to_bytes(8, "big") + n.encode() for s, n in ((size, note), (by_size, by_note))]
    assert len(old) == len(new)
    for at in places(ledger_file(copy.data), old):
        write_at(ledger_file(copy.data), at, new)


def finds(copy, reason, size):
    found = copy.audit(code=None).json
    expect(found, status="DATA_LOSS", reason=reason, size=size)
    return found["message"]


def test_the_audit_verifies_all_of_them(world):
    ledger, notes = several_of(world, "l")
    expect(ledger.audit(), status="OK", checkpoints=len(stored(ledger)))
    people = ledger.cli("audit", ledger.data, json_output=False)
    assert f"Checkpoints: {len(stored(ledger))} verified" in str(people), people
    ledger.start()
    assert ledger.audit(where="wire")["checkpoints"] == 1, "over the wire the newest comes"
    ledger.stop()
    first, middle, newest = min(notes), sorted(notes)[len(notes) // 2], max(notes)
    for size in (first, middle, newest):
        note = notes[size]
        text, _, line = note.rpartition("\n\n")
        root, signature = text.rindex("\n") + 5, len(note) - 30
        other = {at: note[:at] + ("A" if note[at] != "A" else "B") + note[at + 1:] for at in (3, root, signature)}
        for at, reason in ((3, "CHECKPOINT_FOREIGN"), (root, "CHECKPOINT_FORGED"), (signature, "CHECKPOINT_FORGED")):
            copy = Copy(ledger)
            overwrite(copy, size, note, size, other[at])
            finds(copy, reason, size)
        copy = Copy(ledger)
        overwrite(copy, size, note, size, note[:text.index("\n")] + " " + note[text.index("\n") + 1:])
        finds(copy, "CHECKPOINT_DAMAGED", size)


def test_the_audit_finds_one_of_another_tree(world):
    ledger, notes = several_of(world, "l")
    _, foreign = several_of(world, "m")
    older, newest = sorted(notes)[-2:]
    copy = Copy(ledger)
    overwrite(copy, newest, notes[newest], newest, foreign[max(foreign)])
    assert "origin" in finds(copy, "CHECKPOINT_FOREIGN", newest)
    copy = Copy(ledger)
    overwrite(copy, newest, notes[newest], newest, notes[older])
    assert "another size" in finds(copy, "CHECKPOINT_DIFFERS", newest)
    copy = Copy(ledger)
    overwrite(copy, newest, notes[newest], newest + 2**40, notes[newest])
    assert "more than the ledger has" in finds(copy, "CHECKPOINT_DIFFERS", newest + 2**40)
    copy = Copy(ledger)
    first = min(stored(ledger))
    overwrite(copy, first, stored(ledger)[first], 0, stored(ledger)[first])
    finds(copy, "CHECKPOINT_DAMAGED", 0)


# ---- what a client keeps ----

def vkey_of(name, public_key):
    key = b"\1" + public_key
    key_id = hashlib.sha256(name.encode() + b"\n" + key).hexdigest()[:8]
    return f"{name}+{key_id}+{base64.b64encode(key).decode()}"


def with_enrolments(ledger, prefix, n):
    with ledger.wire() as wire:
        for i in range(n):
            wire.ok("enrol", member=f"{prefix}{i}", key=f"{prefix}{i}")


def seen_by(world, ledger):
    """A file with the newest checkpoint, as a careful client keeps it."""
    path = world.path("seen")
    newest = lambda: os.path.exists(path) and int(read(path).split("\n")[1]) == ledger.wire().hello_ok.size
    eventually(lambda: (ledger.cli("balance", "a0", "--checkpoint", path), newest())[1], "a checkpoint of everything")
    return path


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def swap(ledger, source):
    """Another past, and nobody on the server's side who remembers."""
    shutil.rmtree(ledger.data)
    shutil.copytree(source.data, ledger.data)
    os.remove(ledger.head_lock)


def test_a_client_goes_on_with_a_log_that_grows(world):
    ledger = world.running()
    with_enrolments(ledger, "a", 3)
    vkey = ledger.cli("log", "key", ledger.data).json["key"]
    path = seen_by(world, ledger)
    before = read(path)
    with_enrolments(ledger, "b", 300)
    done = ledger.cli("purchase", "a0", "10.00", "--key", "p1", "--checkpoint", path, "--log-key", vkey)
    expect(done.json, status="OK")
    eventually(lambda: (ledger.cli("balance", "a0", "--checkpoint", path), read(path) != before)[1], "a newer checkpoint in the file")
    ledger.restart()
    expect(ledger.cli("balance", "a0", env={"FEALTY_CHECKPOINT": path, "FEALTY_LOG_KEY": vkey}).json, status="OK")
    assert not os.path.exists(path + ".conflict")


def test_a_client_notices_a_roll_back_and_a_fork(world):
    ledger = world.running()
    with_enrolments(ledger, "a", 3)
    ledger.stop()
    old = Copy(ledger)
    ledger.start()
    with_enrolments(ledger, "b", 5)
    path = seen_by(world, ledger)
    kept = read(path)
    ledger.stop()
    swap(ledger, old)
    ledger.start()
    told = ledger.cli("purchase", "a0", "10.00", "--key", "p1", "--checkpoint", path, code=1).json
    expect(told, status="DATA_LOSS", reason="ROLLED_BACK", size_seen=int(kept.split("\n")[1]), conflict=path + ".conflict")
    assert told["size"] < told["size_seen"] and "old copy" in told["message"], told
    assert "client.saw_another_log" not in ledger.daemon.log(), "it noticed by itself, before it said anything"
    with_enrolments(ledger, "c", 20)
    eventually(lambda: ledger.cli("checkpoint").json["size"] > told["size_seen"], "a longer log with another past")
    told = ledger.cli("purchase", "a0", "10.00", "--key", "p1", "--checkpoint", path, code=1)
    expect(told.json, status="DATA_LOSS", reason="FORKED")
    assert read(path) == kept and read(path + ".conflict") == ledger.cli("checkpoint", json_output=False).out
    text = ledger.cli("purchase", "a0", "10.00", "--checkpoint", path, code=1, json_output=False)
    assert "not the beginning" in text.err and "Nothing was sent" in text.err, text
    with ledger.wire() as wire:
        expect(wire.ok("balance", member="a0"), available="0")       # nothing was sent


def test_what_a_client_keeps_must_be_a_checkpoint(world):
    ledger = world.running()
    with_enrolments(ledger, "a", 1)
    path = seen_by(world, ledger)
    note = read(path)
    for words, content in (("no signed checkpoint", note[:-20]), ("no signed checkpoint", ""), ("no signed checkpoint", "hello\n"),
                           ("was seen", note.replace("test.example/l", "test.example/m"))):
        bad = world.write("bad", content)
        told = ledger.cli("balance", "a0", "--checkpoint", bad, code=1 if words == "was seen" else 2).json
        assert words in told["message"], (content, told)
        assert read(bad) == content
    vkey = ledger.cli("log", "key", ledger.data).json["key"]
    for code, key in ((2, "x"), (2, vkey[:-4]), (1, vkey_of("test.example/l", b"k" * 32)), (0, vkey)):
        told = ledger.cli("balance", "a0", "--checkpoint", path, "--log-key", key, code=code).json
        assert code == 0 or "key" in told["message"], told
    assert "--checkpoint" in ledger.cli("balance", "a0", "--log-key", vkey, code=2).json["message"]
    assert "cannot be read" in ledger.cli("balance", "a0", "--checkpoint", ledger.data, code=2).json["message"]
    assert "cannot be kept" in ledger.cli("balance", "a0", "--checkpoint", "/no/such/file", code=5).json["message"]


def test_the_daemon_tells_of_a_client_that_saw_more(world):
    ledger = world.running()
    with_enrolments(ledger, "a", 1)
    size = ledger.wire().hello_ok.size
    told = lambda: [line for line in ledger.daemon.log().split("\n") if "client.saw_another_log" in line]
    say = lambda **seen: ledger.wire(hello=False).say_hello(hello_message("operator/x", **seen))
    say(checkpoint_size=size, checkpoint_root=b"\0" * 31)
    eventually(lambda: max(stored(ledger), default=0) == size, "a checkpoint of that size")
    assert told() == []
    say(checkpoint_size=size, checkpoint_root=b"\0" * 32)
    say(checkpoint_size=size + 1)
    eventually(lambda: len(told()) == 2, "both")
    assert f"size_seen={size + 1} size={size}" in told()[1], told()
