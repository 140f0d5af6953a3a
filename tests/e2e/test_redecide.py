"""The audit decides every entry once more: a ledger that was forged with its own keys, and holds in all else, is found out."""
import base64
import hashlib
import os

from nacl.signing import SigningKey

import programs
from files import Copy, ledger_file, places, write_at
from test_checkpoint import stored, tree_root
from verify import pae
from wire import ledger as ledger_pb
from world import expect

RETURNS = """
id: returns
name: Returns
timezone: Asia/Seoul
currency: KRW
points: {scale: 0, unit: point}
unknown_alias: refuse
earn:
  - {id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: "1000", points: "1"}}
expiry: {after: {months: 1}}
redemption: {step: "1"}
transfers: {min: "1"}
"""


def lived(world):
    """A stopped ledger with some of everything; its leaves."""
    ledger = world.running(RETURNS, at="2026-01-01T00:00:00+09:00")
    with ledger.wire() as wire:
        for m in ("m1", "m2"):
            wire.ok("enrol", member=m, key=f"e-{m}", at="2026-01-02T10:00:00+09:00")
        wire.ok("purchase", member="m1", amount="20000", key="p1")
        wire.ok("purchase", member="m1", amount="9000", key="p2")
        expect(wire.ok("return", member="m1", purchase="p1", amount="5000", key="b1"), clawed="5")
        wire.ok("redeem", member="m1", points="4", key="r1")
        wire.ok("reverse_redeem", member="m1", redeem="r1", key="v1")
        wire.ok("transfer", member="m1", to="m2", points="3", key="t1")
        wire.ok("hold", member="m2", points="2", key="h1")
        wire.ok("purchase", member="m1", amount="12000", key="p3", at="2026-02-10T10:00:00+09:00")      # and lots ended meanwhile
    leaves = ledger.leaves()
    ledger.stop()
    return ledger, leaves


def transaction_of(leaf):
    return ledger_pb.Transaction.FromString(ledger_pb.SignedTransaction.FromString(leaf).transaction)


def key_of(ledger, name):
    with open(os.path.join(ledger.keys, name), "rb") as f:
        return SigningKey(bytes.fromhex(f.read().decode().strip()))


def signed(ledger, transaction):
    """A leaf as the daemon would sign it: the key's file has the seed."""
    key = key_of(ledger, "transaction.key")
    assert bytes(key.verify_key) == ledger.public_key
    body = transaction.SerializeToString()
    return ledger_pb.SignedTransaction(transaction=body, signature=key.sign(pae(body)).signature,
                                       key_id=hashlib.sha256(ledger.public_key).digest()[:8]).SerializeToString()


def checkpoint(ledger, note, leaves):
    """The note with another root, signed as the daemon would."""
    origin, size, _ = note.split("\n")[:3]
    assert int(size) == len(leaves)
    text = f"{origin}\n{size}\n{base64.b64encode(tree_root(leaves)).decode()}\n"
    line = note.rpartition(" ")
    signature = base64.b64decode(line[2])[:4] + key_of(ledger, "checkpoint.key").sign(text.encode()).signature
    return f"{text}\n\u2014 {origin} {base64.b64encode(signature).decode()}\n"


def forged(ledger, leaves, change, checkpoint_too=True):
    """A copy of the ledger whose newest transaction was changed by whoever has its keys, and whom no published head binds."""
    leaf, note = leaves[-1], stored(ledger)[len(leaves)]
    transaction = transaction_of(leaf)
    change(transaction.entries[0])
    other = signed(ledger, transaction)
    assert len(other) == len(leaf) and other != leaf
    copy = Copy(ledger)
    for at in places(ledger_file(copy.data), leaf):
        write_at(ledger_file(copy.data), at, other)
    for at in places(ledger_file(copy.data), note.encode()) if checkpoint_too else []:
        write_at(ledger_file(copy.data), at, checkpoint(ledger, note, [*leaves[:-1], other]).encode())
    if os.path.exists(copy.head_lock):
        os.unlink(copy.head_lock)
    return copy


def test_every_entry_is_decided_again(world):
    ledger, leaves = lived(world)
    n = sum(len(transaction_of(leaf).entries) for leaf in leaves)
    expect(ledger.audit(), status="OK", entries=n, redecided=n - 1, not_redecided=1)                     # all but the genesis
    expect(ledger.audit("--no-redecide"), status="OK", entries=n, redecided=0, not_redecided=n)
    words = ledger.cli("audit", ledger.data, json_output=False).out
    assert f"{n - 1} entries decided again, each with the same outcome; 1 not" in words, words
    words = ledger.cli("audit", ledger.data, "--no-redecide", json_output=False).out
    assert "No entry was decided again, as asked." in words, words


def test_over_the_wire_what_names_an_earlier_entry_is_counted(world):
    ledger, leaves = lived(world)
    n = sum(len(transaction_of(leaf).entries) for leaf in leaves)
    ledger.start()
    expect(ledger.audit(where="wire"), status="OK", entries=n, redecided=n - 3, not_redecided=3)         # and the return, and the reversal


def test_a_point_too_many(world):
    """Balanced, signed, chained, with the right balance after it: only the rules tell that it is one point more than they give."""
    ledger, leaves = lived(world)
    seq = len(leaves) - 1

    def one_more(entry):
        assert entry.inputs.HasField("purchase") and entry.facts.grants[0].granted == 12, entry
        entry.facts.grants[0].granted = entry.facts.grants[0].wanted = entry.facts.metrics.points_earned = 13
        entry.postings[0].points, entry.postings[1].points = -13, 13
        entry.after[0].available += 1
    copy = forged(ledger, leaves, one_more)
    expect(ledger.cli("audit", copy.data, "--no-redecide", "--no-state").json, status="OK")
    done = expect(copy.audit(1).json, status="DATA_LOSS", reason="DECISION_DIFFERS", seq=seq, entry=f"{seq}.0", field="facts.grants[0].wanted")
    assert "stored as 13, and decided as 12" in done["message"], done
    words = ledger.cli("audit", copy.data, code=1, json_output=False)
    assert f"transaction {seq}: entry 0 (purchase) is not what is decided again: facts.grants[0].wanted" in words.err, words


def test_a_lot_that_lives_longer(world):
    ledger, leaves = lived(world)
    seq = len(leaves) - 1

    def longer(entry):
        for posting in entry.postings:
            posting.last_day += 1
    copy = forged(ledger, leaves, longer)
    expect(ledger.cli("audit", copy.data, "--no-redecide", "--no-state").json, status="OK")
    expect(copy.audit(1).json, reason="DECISION_DIFFERS", entry=f"{seq}.0", field="postings[0].last_day")


def test_a_checkpoint_gives_it_away(world):
    """Whoever signs another transaction and cannot sign another checkpoint is found without deciding anything again."""
    ledger, leaves = lived(world)

    def other_engine(entry):
        entry.engine = 77
    copy = forged(ledger, leaves, other_engine, checkpoint_too=False)
    done = expect(ledger.cli("audit", copy.data, "--no-redecide", "--no-state", code=1).json, reason="CHECKPOINT_DIFFERS", size=len(leaves))
    assert "another root" in done["message"], done


def test_another_engine_is_not_judged(world):
    """What other rules decided is taken as it is, and counted."""
    ledger, leaves = lived(world)

    def other_engine(entry):
        entry.engine = 77
        entry.facts.grants[0].wanted = 13
    copy = forged(ledger, leaves, other_engine)
    done = expect(ledger.cli("audit", copy.data, "--no-state").json, status="OK", not_redecided=2, other_engine=1)
    assert done["redecided"] == done["entries"] - 2, done
    words = ledger.cli("audit", copy.data, "--no-state", json_output=False).out
    assert "; 2 not." in words and "ATTENTION: 1 of them name another engine than 1" in words, words


def rewritten(world, ledger, leaves, change):
    """An export of less than a tile, of transactions that were changed, then chained and signed by whoever has the keys."""
    transactions, prev, others = [transaction_of(leaf) for leaf in leaves], bytes(32), []
    change(transactions)
    for transaction in transactions:
        transaction.prev = prev
        others.append(signed(ledger, transaction))
        prev = hashlib.sha256(transaction.SerializeToString()).digest()
    place, n = world.path("rewritten"), len(others)
    tiles = {f"0/000.p/{n}": b"".join(hashlib.sha256(b"\0" + leaf).digest() for leaf in others),
             f"entries/000.p/{n}": b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in others)}
    for name, data in tiles.items():
        path = os.path.join(place, "tile", name)
        os.makedirs(os.path.dirname(path))
        with open(path, "wb") as f:
            f.write(data)
    with open(os.path.join(place, "checkpoint"), "w", encoding="utf-8") as f:
        f.write(checkpoint(ledger, stored(ledger)[n], others))
    return place


def test_what_no_decision_can_go_by(world):
    """An earlier return, by an engine that is not judged, leaves more of the purchase than was bought: the next one is a finding, and no failure."""
    ledger, leaves = lived(world)
    ledger.start()
    with ledger.wire() as wire:
        wire.ok("return", member="m1", purchase="p1", amount="100", key="b2")
    leaves = ledger.leaves()
    ledger.stop()
    seqs = [seq for seq, leaf in enumerate(leaves) if any(e.request_id in ("b1", "b2") for e in transaction_of(leaf).entries)]

    def more(transactions):
        entry = next(e for e in transactions[seqs[0]].entries if e.request_id == "b1")
        entry.engine = 77
        assert entry.facts.followups[0].left == 15000
        entry.facts.followups[0].left = 20001
    place = rewritten(world, ledger, leaves, more)
    found = ledger.cli("audit", "--log", place, code=1).json
    expect(found, status="DATA_LOSS", reason="DECISION_DIFFERS", seq=seqs[1], field="inputs.return")
    assert "does not fit together" in found["message"], found


def test_programs_of_the_cases(world):
    """A plain program, whose entries are many to a transaction."""
    ledger = world.running(programs.PLAIN)
    with ledger.wire() as wire:
        wire.ok("enrol", member="m1", key="e1")
        for i in range(40):
            wire.ok("purchase", member="m1", amount=str(i), key=f"p{i}")
    ledger.stop()
    done = ledger.audit()
    assert done["redecided"] == done["entries"] - 1 and done["not_redecided"] == 1, done
