"""Checkpoints: one at most a second, one at the end; signed as a C2SP note, and never behind head.lock."""
import base64
import hashlib
import os

from nacl.signing import VerifyKey

from files import Copy, ledger_file, places, write_at
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
    assert ledger.audit(where="wire")["checkpoints"] is None, "over the wire none come"
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
