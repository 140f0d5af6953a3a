"""Checkpoints and proofs over the wire, verified by RFC 6962's own words and nothing of ours."""
import base64
import hashlib

from wire import request
from test_checkpoint import checked, leaves_of, tree_root
from programs import PLAIN
from world import eventually, expect, run_fealty


def leaf_hash(leaf):
    return hashlib.sha256(b"\0" + leaf).digest()


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def root_by_inclusion(index, size, leaf, hashes):
    """RFC 9162, section 2.1.3.2; None when the proof has another length."""
    at, last, h = index, size - 1, leaf_hash(leaf)
    for p in hashes:
        if last == 0:
            return None
        if at & 1 or at == last:
            h = node(p, h)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            h = node(h, p)
        at, last = at >> 1, last >> 1
    return h if last == 0 else None


def consistency(old, leaves):
    """PROOF(m, D[n]) of RFC 6962, section 2.1.2."""
    def sub(m, part, whole):
        n = len(part)
        if m == n:
            return [] if whole else [tree_root(part)]
        k = 1 << (n - 1).bit_length() - 1
        if m <= k:
            return sub(m, part[:k], whole) + [tree_root(part[k:])]
        return sub(m - k, part[k:], False) + [tree_root(part[:k])]
    return sub(old, leaves, True) if old else []


def public_size(ledger):
    with ledger.wire() as wire:
        reply = wire.call("checkpoint")
        return reply.size if not reply.reason else 0


def until_public(ledger, size):
    eventually(lambda: public_size(ledger) >= size, f"a public checkpoint of {size} transactions")


def filled(world, n=300):
    """A ledger of more than one tile of 256, all of it public, and its leaves."""
    ledger = world.running()
    with ledger.wire() as wire:
        for start in range(0, n, 50):
            tags = [wire.start("enrol", member=f"m{i}", key=f"e{i}") for i in range(start, min(start + 50, n))]
            for tag in tags:
                assert wire.wait(tag).status == 0
    with ledger.wire() as wire:
        for i in range(270):
            wire.ok("purchase", member="m1", amount="1.00", key=f"p{i}")
    leaves = leaves_of(ledger)
    assert len(leaves) > 260
    until_public(ledger, len(leaves))
    return ledger, leaves


def key_of(ledger):
    return next(ledger.books().entries())[1].inputs.genesis.checkpoint_key


def test_inclusion_of_every_transaction(world):
    ledger, leaves = filled(world)
    public_key = key_of(ledger)
    with ledger.wire("auditor/x") as wire:
        for seq, leaf in enumerate(leaves):
            proof = wire.ok("proof", seq=seq)
            assert proof.index == seq and proof.size == len(leaves)
            size, root = checked(ledger, proof.note, public_key)
            assert size == proof.size and root_by_inclusion(seq, size, leaf, proof.hashes) == root, seq
        wire.refused("NOT_FOUND", "proof", seq=len(leaves))
        wire.refused("NOT_FOUND", "proof", seq=2**64 - 1)
    with ledger.wire() as wire:
        bought = wire.ok("purchase", member="m2", amount="1.00", key="by-key")
        seq = int(bought.id.split(".")[0])
        leaf = wire.ok("transaction", seq=seq).transaction
        until_public(ledger, seq + 1)
        for command in ("by-key", bought.id):
            proof = wire.ok("proof", command=command)
            assert proof.index == seq
            assert root_by_inclusion(seq, proof.size, leaf, proof.hashes) == checked(ledger, proof.note, public_key)[1]


def test_consistency_between_sizes(world):
    ledger, leaves = filled(world)
    public_key, n = key_of(ledger), len(leaves)
    sizes = sorted({0, 1, 2, 3, 7, 8, 100, 255, 256, 257, n - 1, n})
    with ledger.wire("pos/1/1") as wire:
        for old in sizes:
            for new in sizes:
                if not 0 < new or old > new:
                    continue
                proof = wire.ok("proof", **{"from": old, "to": new})
                assert list(proof.hashes) == consistency(old, leaves[:new]), (old, new)
                assert proof.size == new and not proof.HasField("index")
                assert not proof.note or checked(ledger, proof.note, public_key) == (new, tree_root(leaves[:new]))
        newest = wire.ok("proof", **{"from": 5})
        assert list(newest.hashes) == consistency(5, leaves)
        assert checked(ledger, newest.note, public_key) == (n, tree_root(leaves))
        wire.refused("INVALID_ARGUMENT", "proof", **{"from": n + 1})
        wire.refused("INVALID_ARGUMENT", "proof", **{"from": 1, "to": n + 1})
        wire.refused("INVALID_ARGUMENT", "proof", **{"from": 2, "to": 1})
        wire.refused("INVALID_ARGUMENT", "proof", **{"from": 0, "to": 0})
        wire.refused("INVALID_ARGUMENT", "proof", to=1)
        wire.refused("INVALID_ARGUMENT", "proof", seq=1, **{"from": 1})
        wire.refused("INVALID_ARGUMENT", "proof", seq=1, command="x")
        wire.refused("INVALID_ARGUMENT", "proof")


def test_checkpoints_of_each_size(world):
    ledger = world.running()
    for i in range(3):
        with ledger.wire() as wire:
            wire.ok("enrol", member=f"a{i}", key=f"a{i}")
        ledger.restart()
    leaves, public_key = leaves_of(ledger), key_of(ledger)
    until_public(ledger, len(leaves))
    found = []
    for principal in ("pos/1/1", "backend/b", "auditor/a", "operator/o", "approver/p"):
        with ledger.wire(principal) as wire:
            newest = wire.ok("checkpoint")
            assert checked(ledger, newest.note, public_key) == (len(leaves), tree_root(leaves)) and newest.size == len(leaves)
    with ledger.wire() as wire:
        for size in range(1, len(leaves) + 2):
            reply = wire.call("checkpoint", size=size)
            if reply.reason:
                expect(reply, reason="NOT_FOUND", field="size")
                continue
            found.append(size)
            assert checked(ledger, reply.note, public_key) == (size, tree_root(leaves[:size])) and reply.size == size
        wire.refused("INVALID_ARGUMENT", "checkpoint", size=0)
    assert found[-1] == len(leaves) and len(found) >= 3, found


def test_newer_than_the_checkpoint_comes_soon(world):
    ledger = world.running()
    with ledger.wire() as wire:
        waited = 0
        for i in range(5):
            wire.ok("enrol", member=f"n{i}", key=f"n{i}")
            reply = wire.call("proof", command=f"n{i}")
            if reply.reason:
                expect(reply, reason="UNAVAILABLE", retryable=True)
                waited += 1
        assert waited > 0, "one checkpoint a second cannot have all five"
        eventually(lambda: not wire.call("proof", command="n4").reason, "a proof")


def test_a_till_gets_no_proof_of_others(world):
    ledger = world.running(PLAIN + 'transfers: {min: "1", times_per_year: 20}\n')
    with ledger.wire() as wire:
        wire.ok("enrol", member="one", key="k1")
        wire.ok("enrol", member="two", key="k2")
        wire.ok("adjust", member="one", points="50", reason="x", key="k3")
        own = int(wire.ok("adjust", member="two", points="5", reason="x", key="k5").id.split(".")[0])
        both = int(wire.ok("transfer", member="one", to="two", points="5", key="k4").id.split(".")[0])
    until_public(ledger, both + 1)
    for principal in ("pos/1/1", "backend/b"):
        with ledger.wire(principal) as wire:
            assert wire.ok("proof", seq=own).index == own
            wire.refused("PERMISSION_DENIED", "proof", seq=both)
            wire.refused("PERMISSION_DENIED", "proof", seq=0)
            wire.refused("NOT_FOUND", "proof", command="k4")
    with ledger.wire("backend/b") as wire:
        wire.batch([request("enrol", member=f"own{i}", key=f"own{i}") for i in range(3)])
        batch = int(wire.ok("enrol", member="own0", key="own0").id.split(".")[0])
        assert wire.ok("transaction", seq=batch).seq == batch, "its own batch"
    until_public(ledger, batch + 1)
    with ledger.wire("backend/b") as wire:
        assert wire.ok("proof", command="own2").index == batch
    with ledger.wire("backend/c") as wire:
        wire.refused("PERMISSION_DENIED", "transaction", seq=batch)
    with ledger.wire("auditor/a") as wire:
        assert wire.ok("proof", seq=both).index == both
    with ledger.wire("approver/a") as wire:
        wire.refused("PERMISSION_DENIED", "proof", seq=own)


def test_two_programs_need_no_name(world):
    ledger = world.running()
    ledger.publish(PLAIN.replace("plain", "other"))
    until_public(ledger, 3)
    with ledger.wire() as wire:
        assert wire.ok("checkpoint").size >= 3
        assert wire.ok("proof", seq=1).index == 1
        assert wire.ok("transaction", seq=1).transaction


def test_the_command_line(world):
    ledger = world.running()
    ledger.cli("enrol", "anna", "--key", "anna-1")
    size = len(leaves_of(ledger))
    until_public(ledger, size)
    leaves, public_key = leaves_of(ledger), key_of(ledger)
    note = ledger.cli("checkpoint").json["note"]
    assert checked(ledger, note, public_key) == (size, tree_root(leaves))
    assert note in str(ledger.cli("checkpoint", json_output=False))
    assert ledger.cli("checkpoint", size).json["note"] == note
    expect(ledger.cli("checkpoint", size + 1, code=1).json, reason="NOT_FOUND")
    for words in (("anna-1",), (size - 1,)):
        proof = ledger.cli("proof", *words).json
        hashes = [bytes.fromhex(h) for h in proof["hashes"]]
        assert root_by_inclusion(proof["index"], proof["size"], leaves[proof["index"]], hashes) == tree_root(leaves)
    proof = ledger.cli("proof", "--from", 1).json
    assert [bytes.fromhex(h) for h in proof["hashes"]] == consistency(1, leaves)
    people = str(ledger.cli("proof", "--from", 1, json_output=False))
    assert all(base64.b64encode(h).decode() in people for h in consistency(1, leaves)) and note in people
    for wrong in (("proof",), ("proof", "1", "--from", 1), ("proof", "--to", 1), ("checkpoint", "x")):
        ledger.cli(*wrong, code=2)


def test_a_simulation_has_none(world):
    at = '"at": "2026-03-02T10:00:00Z"'
    events = world.write("events.jsonl", f'{{{at}, "op": "checkpoint", "size": 1}}\n{{{at}, "op": "proof", "command": "k"}}\n')
    done = run_fealty(["simulate", "--program", world.write("plain.yaml", PLAIN), events])
    for op in ("checkpoint", "proof"):
        assert f"{op}` is a daemon's" in str(done), done
