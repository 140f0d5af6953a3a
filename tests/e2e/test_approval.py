"""Adjustments above the limit: what waits, who lets it happen, what is refused; over a kill and a lost state, and with a forged approval."""
import hashlib
import os
import shutil
import stat

from nacl.signing import SigningKey

import programs
from case import reduced
from files import Copy, ledger_file, places, write_at
from verify import APPROVAL_TYPE, approval_body, pae
from wire import keyless, ledger as proto
from world import expect

LIMITED = programs.PLAIN.replace("limits: {late_days: 45}", "limits: {late_days: 45, adjust_without_approval: \"1000\"}")
KIM, LEE = SigningKey(b"k" * 32), SigningKey(b"l" * 32)


def key_id(key):
    return hashlib.sha256(bytes(key.verify_key)).digest()[:8]


def register(wire, signer=KIM, principal="approver/kim", **fields):
    return wire.ok("approver_key", principal=principal, public_key=bytes(signer.verify_key), **fields)


def place(entry_id):
    seq, index = entry_id.split(".")
    return int(seq), int(index)


def sign(ledger, entry_id, key=KIM):
    """An approver's signature, over the bytes that the daemon sends to an approver."""
    seq, index = place(entry_id)
    with ledger.wire("approver/kim") as wire:
        signed = proto.SignedTransaction.FromString(wire.ok("transaction", seq=seq).transaction)
    return key.sign(pae(approval_body(signed.transaction, index), APPROVAL_TYPE)).signature


def approval(ledger, entry_id, signer=KIM, **fields):
    return {"command": entry_id, "signature": sign(ledger, entry_id, signer), "key_id": key_id(signer), **fields}


def begin(world, *arguments):
    """A ledger with a member of 500 points, and kim's key."""
    ledger = world.running(LIMITED, *arguments)
    with ledger.wire() as wire:
        wire.ok("enrol", member="m", key="e1")
        wire.ok("adjust", member="m", points="500", reason="goodwill", key="a0")
        register(wire, key="kim")
    return ledger


def finish(ledger):
    ledger.stop()
    expect(ledger.audit(), status="OK")


@reduced
def test_above_the_limit_waits_until_another_principal_approves(world):
    ledger = begin(world)
    with ledger.wire() as wire, ledger.wire("approver/kim") as kim:
        assert not wire.ok("adjust", member="m", points="1000", reason="goodwill").waiting
        asked = wire.ok("adjust", member="m", points="1001", reason="goodwill", key="big")
        expect(asked, waiting=True, available="1500", replayed=False)
        expect(wire.ok("adjust", member="m", points="1001", reason="goodwill", key="big"), waiting=True, replayed=True, id=asked.id, available="1500")
        taken = wire.ok("adjust", member="m", points="-1400", reason="mistake", key="minus")
        expect(taken, waiting=True, available="1500")
        rows = wire.ok("history", member="m").history
        assert [(r.op, r.points, r.waiting, r.wanted) for r in rows[:3]] == [
            ("adjust", "0", True, "-1400"), ("adjust", "0", True, "1001"), ("adjust", "1000", False, "")]
        done = kim.ok("approve", key="ok1", **approval(ledger, asked.id))
        expect(done, available="2501", waiting=False)
        again = kim.ok("approve", key="ok1", **approval(ledger, asked.id))
        expect(again, replayed=True, id=done.id, available="2501")
        kim.refused("REQUEST_ID_REUSED", "approve", key="ok1", **approval(ledger, taken.id))
        # by the request id of the adjust, and by that of a command which two principals have sent
        by_name = approval(ledger, taken.id, command="minus")
        expect(kim.ok("approve", key="ok2", **by_name), available="1101")
        with ledger.wire("operator/other") as other:
            other.ok("adjust", member="m", points="1", reason="goodwill", key="big")
        assert kim.refused("INVALID_ARGUMENT", "approve", **approval(ledger, asked.id, command="big")).field == "command"
        rows = wire.ok("history", member="m").history
        assert [(r.op, r.points, r.waiting) for r in rows[:4]] == [
            ("adjust", "1", False), ("approve", "-1400", False), ("approve", "1001", False), ("adjust", "0", False)]
    books = ledger.books()
    assert set(books.waiting.values()) == {None}
    entry = dict(books.entries())[done.id]
    assert entry.inputs.approve.command.seq == place(asked.id)[0] and [p.points for p in entry.postings] == [-1001, 1001]
    finish(ledger)


def test_who_may_and_what_is_refused(world):
    ledger = begin(world)
    with ledger.wire() as wire, ledger.wire("approver/kim") as kim, ledger.wire("approver/lee") as lee:
        asked = wire.ok("adjust", member="m", points="5000", reason="goodwill", key="big")
        good = approval(ledger, asked.id)
        for principal in ("operator/test", "operator/kim", "pos/1/1", "backend/app", "auditor/kpmg"):
            with ledger.wire(principal) as one:
                one.refused("PERMISSION_DENIED", "approve", **good)
                if not principal.startswith("operator"):
                    one.refused("PERMISSION_DENIED", "approver_key", principal="approver/x", public_key=bytes(LEE.verify_key))
        kim.refused("PERMISSION_DENIED", "adjust", member="m", points="1", reason="goodwill")
        kim.refused("PERMISSION_DENIED", "approver_key", principal="approver/kim", public_key=bytes(LEE.verify_key))
        kim.refused("PERMISSION_DENIED", "balance", member="m")
        # approvers see what they approve, and no other transaction
        assert kim.ok("transaction", command=asked.id).transaction
        kim.refused("PERMISSION_DENIED", "transaction", seq=place(asked.id)[0] - 2)

        def no(reason, field, who=kim, **changes):
            assert who.refused(reason, "approve", **{**good, **changes}).field == field, changes

        no("NOT_FOUND", "command", command="77.0")
        no("NOT_FOUND", "command", command="no-such-key")
        no("NOT_FOUND", "key_id", who=lee)
        no("NOT_FOUND", "key_id", key_id=key_id(LEE))
        other = bytes(b ^ (i == 7) for i, b in enumerate(good["signature"]))
        no("INVALID_ARGUMENT", "signature", signature=other)
        no("INVALID_ARGUMENT", "signature", signature=sign(ledger, asked.id, LEE))
        seq, index = place(asked.id)
        body = ledger.leaves()[seq]
        transaction = proto.SignedTransaction.FromString(body).transaction
        no("INVALID_ARGUMENT", "signature", signature=KIM.sign(pae(approval_body(transaction, index + 1), APPROVAL_TYPE)).signature)
        no("INVALID_ARGUMENT", "signature", signature=KIM.sign(pae(approval_body(transaction, index))).signature)        # another type
        no("INVALID_ARGUMENT", "signature", signature=b"x")
        no("INVALID_ARGUMENT", "key_id", key_id=b"x")
        no("NOT_ELIGIBLE", "command", command="a0")
        no("NOT_ELIGIBLE", "command", command="e1")
        # keys: of a role that approves nothing, of no curve, the ledger's own
        for fields, field in (({"principal": "operator/x"}, "principal"), ({"principal": "approver"}, "principal"), ({"public_key": b"x"}, "public_key"),
                              ({"public_key": b"\2" + bytes(31)}, "public_key"), ({"public_key": bytes(32)}, "public_key")):
            fields = {"principal": "approver/x", "public_key": bytes(LEE.verify_key), **fields}
            assert wire.refused("INVALID_ARGUMENT", "approver_key", **fields).field == field, fields
        wire.refused("ALREADY_EXISTS", "approver_key", principal="approver/x", public_key=ledger.public_key)
        assert wire.batch([keyless("approver_key", principal="approver/x", public_key=bytes(32))], key="b").results[0].reason == "INVALID_ARGUMENT"
        # the key is replaced: the old one is over at once
        register(wire, LEE, key="kim2")
        no("NOT_FOUND", "key_id")
        register(wire, KIM, key="kim3", until="2025-12-31")
        r = kim.refused("NOT_ELIGIBLE", "approve", **good)
        assert r.field == "key_id" and "2025-12-31" in r.message, r
        register(wire, KIM, key="kim4", until="2026-02-28")
        kim.ok("approve", key="ok", at="2026-02-28T23:59:59Z", **good)
        r = kim.refused("ALREADY_EXISTS", "approve", **good)
        assert r.field == "command" and "approved already" in r.message, r
    finish(ledger)


def test_it_is_decided_again(world):
    ledger = begin(world)
    with ledger.wire() as wire, ledger.wire("approver/kim") as kim:
        wire.ok("adjust", member="m", points="1000", reason="goodwill")
        minus = wire.ok("adjust", member="m", points="-1500", reason="mistake", key="minus").id
        wire.refused("INSUFFICIENT_POINTS", "adjust", member="m", points="-1501", reason="mistake")
        wire.ok("redeem", member="m", points="100", key="r1")
        assert kim.refused("INSUFFICIENT_POINTS", "approve", **approval(ledger, minus)).available == "1400"
        wire.ok("adjust", member="m", points="100", reason="goodwill")
        wire.ok("freeze", member="m", reason="checking")
        expect(kim.ok("approve", **approval(ledger, minus)), available="0")
        # the member goes into another one: the points go where the member is
        plus = wire.ok("adjust", member="m", points="2000", reason="goodwill", key="plus").id
        over = wire.ok("adjust", member="m", points="2000", reason="goodwill", last_day="2026-01-31", key="over").id
        wire.ok("unfreeze", member="m")
        wire.ok("enrol", member="n", key="e2")
        wire.ok("merge", member="m", into="n", key="merge")
        expect(kim.ok("approve", **approval(ledger, plus)), available="2000", member_no=2)
        assert kim.refused("NOT_ELIGIBLE", "approve", at="2026-02-01T00:00:00Z", **approval(ledger, over)).field == "command"
        # a version without a limit frees nothing that waits
        ledger.publish(programs.PLAIN, at="2026-02-01T00:00:00Z")
        assert not wire.ok("adjust", member="n", points="100000", reason="goodwill").waiting
        shut = wire.ok("enrol", member="x", key="e3")
        ledger.publish(LIMITED, at="2026-02-01T00:00:00Z")
        waits = wire.ok("adjust", member="x", points="2000", reason="goodwill", key="late").id
        ledger.publish(programs.PLAIN, at="2026-02-01T00:00:00Z")
        wire.ok("close", member="x", reason="moved")
        expect(kim.refused("MEMBER_CLOSED", "approve", **approval(ledger, waits)), member_no=shut.member_no)
    finish(ledger)


def test_in_a_batch_and_for_tiers(world):
    ledger = begin(world)
    with ledger.wire() as wire, ledger.wire("approver/kim") as kim:
        wire.ok("enrol", member="n", key="e2")
        result = wire.batch([keyless("adjust", member="m", points="1", reason="goodwill"),
                             keyless("adjust", member="n", points="20000", reason="match", tier_points=True),
                             keyless("adjust", member="m", points="2000", reason="goodwill")], key="b")
        ids = [r.id for r in result.results]
        assert [r.waiting for r in result.results] == [False, True, True] and len({i.split(".")[0] for i in ids}) == 1, result
        assert wire.ok("balance", member="n").tier == "basic"
        batch = [keyless("approve", **approval(ledger, ids[2])), keyless("approve", **approval(ledger, ids[1]))]
        done = kim.batch(batch, key="oks", atomic=True)
        assert [r.status for r in done.results] == [0, 0], done
        expect(done.results[1], tier="gold", available="20000")
        expect(done.results[0], available="2501")
        assert kim.batch(batch, key="oks", atomic=True).results[0].replayed
        # one that is asked for and approved in a breath: nobody can have signed what is not written
        guess = {"command": "c.1", "signature": bytes(64), "key_id": key_id(KIM)}
        assert kim.refused("NOT_FOUND", "approve", **guess).field == "command"
    finish(ledger)


@reduced
def test_kill_between_and_after(world):
    ledger = begin(world)
    with ledger.wire() as wire:
        asked = wire.ok("adjust", member="m", points="5000", reason="goodwill", key="big").id
    ledger.daemon.kill()
    ledger.start()
    with ledger.wire() as wire:
        assert wire.ok("history", member="m").history[0].waiting
        expect(wire.ok("adjust", member="m", points="5000", reason="goodwill", key="big"), waiting=True, replayed=True)
    good = approval(ledger, asked)
    with ledger.wire("approver/kim") as kim:
        done = kim.ok("approve", key="ok", **good)
    ledger.daemon.kill()
    ledger.start()
    with ledger.wire("approver/kim") as kim:
        expect(kim.ok("approve", key="ok", **good), replayed=True, id=done.id, available="5500")
        kim.refused("ALREADY_EXISTS", "approve", **good)
    # state is made again from the ledger, with every signature of an approver
    ledger.stop()
    rows = ledger.cli("dump", ledger.data, "waiting").lines
    assert rows[0]["value"]["approved_by"] == done.id and len(rows) == 1, rows
    shutil.rmtree(os.path.join(ledger.data, "state"))
    shutil.rmtree(os.path.join(ledger.data, "snapshot"), ignore_errors=True)
    ledger.start()
    with ledger.wire() as wire:
        expect(wire.ok("balance", member="m"), available="5500")
    assert ledger.cli("dump", ledger.data, "waiting").lines == rows
    assert ledger.cli("dump", ledger.data, "approver").lines[0]["value"]["key_id"] == key_id(KIM).hex()
    finish(ledger)


def test_a_forged_approval_is_found(world):
    """By somebody who has the key that signs transactions, and not that of the approver."""
    ledger = begin(world)
    with ledger.wire() as wire, ledger.wire("approver/kim") as kim:
        asked = wire.ok("adjust", member="m", points="5000", reason="goodwill", key="big").id
        twin = wire.ok("adjust", member="m", points="5000", reason="goodwill", key="twin").id
        register(wire, LEE, "approver/lee", key="lee")
        kim.ok("approve", key="ok", **approval(ledger, asked))
    leaves = ledger.leaves()
    ledger.stop()
    with open(os.path.join(ledger.keys, "transaction.key"), encoding="ascii") as f:
        transaction_key = SigningKey(bytes.fromhex(f.read().strip()))

    def forged(change):
        s = proto.SignedTransaction.FromString(leaves[-1])
        t = proto.Transaction.FromString(s.transaction)
        change(t.entries[0])
        s.transaction = t.SerializeToString()
        s.signature = transaction_key.sign(pae(s.transaction)).signature
        data = s.SerializeToString()
        assert len(data) == len(leaves[-1]), "the row keeps its length"
        copy = Copy(ledger)
        for at in places(ledger_file(copy.data), leaves[-1]):
            write_at(ledger_file(copy.data), at, data)
        return copy

    def set_signature(entry, signature):
        entry.inputs.approve.signature = signature

    def name_twin(entry):
        entry.inputs.approve.command.seq = place(twin)[0]

    def other_principal(entry):
        entry.principal = "approver/lee"

    def other_key(entry):
        entry.inputs.approve.key_id = key_id(LEE)

    asked_body = approval_body(proto.SignedTransaction.FromString(leaves[place(asked)[0]]).transaction, place(asked)[1])
    signature = "its principal's key, or not of the adjust"
    for change, words in (
            (lambda e: set_signature(e, LEE.sign(pae(asked_body, APPROVAL_TYPE)).signature), signature),
            (lambda e: set_signature(e, KIM.sign(pae(asked_body)).signature), signature),
            (lambda e: set_signature(e, bytes(64)), signature),
            (name_twin, signature), (other_principal, signature), (other_key, "it approves what does not wait for it, or not by the key")):
        copy = forged(change)
        found = expect(copy.audit(code=1).json, seq=len(leaves) - 1)
        assert words in found["message"], found
        shutil.rmtree(os.path.join(copy.data, "state"))
        assert words in copy.launch().wait_refused()
        copy.remove()

    def more(entry):
        for posting, sign_of in zip(entry.postings, (-1, 1), strict=True):
            posting.points = sign_of * 5001
        entry.after[0].available += 1
    found = expect(forged(more).audit(code=1).json, seq=len(leaves) - 1, reason="DECISION_DIFFERS")
    assert "postings[0].points" in found["message"], found


def test_the_command_line(world):
    ledger = begin(world)
    path = world.path("kim.key")
    made = expect(ledger.cli("approver-key", "new", path).json, status="OK")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o400
    with open(path, encoding="ascii") as f:
        key = SigningKey(bytes.fromhex(f.read().strip()))
    assert made["public_key"] == bytes(key.verify_key).hex() and made["key_id"] == key_id(key).hex()
    assert "is there already" in ledger.cli("approver-key", "new", path, code=2).json["message"]
    ledger.cli("approver-key", "set", "approver/kim", "abc", code=2)
    expect(ledger.cli("approver-key", "set", "operator/kim", made["public_key"], code=1).json, reason="INVALID_ARGUMENT", field="principal")
    expect(ledger.cli("approver-key", "set", "approver/kim", made["public_key"], "--until", "2026-12-31").json, status="OK")

    text = ledger.cli("adjust", "m", "1001", "goodwill", "--key", "big", json_output=False).out
    seq = len(ledger.leaves()) - 1
    assert f"waits for approval ({seq}.0)" in text and f"fealty approve {seq}.0" in text and "Available 500" in text, text
    expect(ledger.cli("adjust", "m", "1001", "goodwill", "--key", "big").json, waiting=True, replayed=True)
    text = ledger.cli("history", "m", json_output=False).out
    assert "(1001)" in text and "wait for approval" in text, text

    def approve(*words, **options):
        return ledger.cli("approve", *words, principal="approver/kim", **options)
    assert "--key-file is missing" in approve(f"{seq}.0", code=2).json["message"]
    assert "is not the id of an entry" in approve("big", "--key-file", path, code=2).json["message"]
    assert "there is no" in approve(f"{seq}.0", "--key-file", path + ".no", code=2).json["message"]
    assert "no adjust that waits" in approve(f"{seq}.1", "--key-file", path, code=1).json["message"]
    expect(approve(f"{seq - 1}.0", "--key-file", path, code=1).json, reason="PERMISSION_DENIED")
    expect(ledger.cli("approve", f"{seq}.0", "--key-file", path, code=1).json, reason="PERMISSION_DENIED", field="op")
    os.chmod(path, 0o440)
    assert "readable by others" in approve(f"{seq}.0", "--key-file", path, code=2).json["message"]
    os.chmod(path, 0o400)
    text = approve(f"{seq}.0", "--key-file", path, "--key", "ok", json_output=False).out
    assert "adjust member 1 1001 for goodwill, waits for approval" in text and "Available 1501" in text, text
    expect(approve(f"{seq}.0", "--key-file", path, "--key", "ok").json, replayed=True, available="1501")
    expect(approve(f"{seq}.0", "--key-file", path, code=1).json, reason="ALREADY_EXISTS", field="command")
    # an approval has a receipt like any write of one member
    ledger.cli("adjust", "m", "-1001", "mistake", "--key", "minus")
    receipt = world.path("ok.receipt")
    expect(approve(f"{seq + 2}.0", "--key-file", path, "--receipt", receipt).json, available="500", receipt_file=receipt)
    assert os.path.getsize(receipt) > 200
    text = ledger.cli("transaction", seq + 1, json_output=False).out
    assert f"approve member 1 of {seq}.0: 1001" in text, text
    finish(ledger)


def test_program_files_with_a_limit(world):
    ledger = world.running(LIMITED)
    bad = world.write("bad.yaml", LIMITED.replace("\"1000\"", "\"-1\""))
    found = ledger.cli("program", "check", bad, code=1).json
    assert "adjust_without_approval" in str(found), found
    free = world.write("free.yaml", programs.PLAIN)
    changes = ledger.cli("program", "diff", world.write("limited.yaml", LIMITED), free, code=None).json["changes"]
    assert [c["old"].split(",")[-1] for c in changes if "adjust" in c["message"]], changes
    ledger.stop()
