"""Who may do what: roles and commands, tills and their terminals, backends and their programs, auditors and aliases, makers and checkers."""
import signal

import fealty_pb2 as pb
import programs
from case import reduced
from test_approval import KIM, LEE, LIMITED, approval, place, register
from wire import Fatal, Wire, ledger as proto, request
from world import eventually, expect

POS, BACKEND, AUDITOR, OPERATOR, APPROVER = "pos/1/1", "backend/app", "auditor/kpmg", "operator/test", "approver/kim"
EVERYBODY = {POS, BACKEND, AUDITOR, OPERATOR, APPROVER}
TILLS = {POS, BACKEND, OPERATOR}
OFFICE = {BACKEND, OPERATOR}

# Every operation of the protocol, with who may send it and what makes it well-formed.
MAY = {
    "publish": ({OPERATOR}, {}),
    "enrol": (TILLS, {"member": "a"}),
    "profile": (TILLS, {"member": "a"}),
    "purchase": (TILLS, {"member": "a", "amount": "1"}),
    "quote": (TILLS, {"member": "a", "amount": "1"}),
    "hold": (TILLS, {"member": "a", "points": "1"}),
    "capture": (TILLS, {"member": "a", "hold": "1.0"}),
    "release": (TILLS, {"member": "a", "hold": "1.0"}),
    "redeem": (TILLS, {"member": "a", "points": "1"}),
    "adjust": ({OPERATOR}, {"member": "a", "points": "1", "reason": "x"}),
    "tier": ({OPERATOR}, {"member": "a", "tier": "gold", "reason": "x"}),
    "birthday": (TILLS, {"member": "a"}),
    "balance": (TILLS, {"member": "a"}),
    "history": (OFFICE, {"member": "a"}),
    "transaction": (EVERYBODY, {"seq": 1}),
    "show_program": (EVERYBODY, {}),
    "subscribe": ({BACKEND, AUDITOR, OPERATOR}, {}),
    "clock_accept": ({OPERATOR}, {}),
    "freeze": ({OPERATOR}, {"member": "a", "reason": "x"}),
    "unfreeze": ({OPERATOR}, {"member": "a", "reason": "x"}),
    "close": ({OPERATOR}, {"member": "a", "reason": "x"}),
    "activity": (TILLS, {"member": "a", "activity": "x"}),
    "return": (TILLS, {"member": "a", "purchase": "1.0"}),
    "reverse_redeem": (TILLS, {"member": "a", "redeem": "1.0"}),
    "transfer": (OFFICE, {"member": "a", "to": "b", "points": "1"}),
    "merge": ({OPERATOR}, {"member": "a", "into": "b"}),
    "advance": (OFFICE, {"member": "a", "points": "1"}),
    "checkpoint": (EVERYBODY, {}),
    "proof": (EVERYBODY - {APPROVER}, {"seq": 1}),
    "rotate_key": ({OPERATOR}, {"kind": "transaction", "new_key": bytes(32)}),
    "approve": ({APPROVER}, {"command": "1.0", "signature": bytes(64), "key_id": bytes(8)}),
    "approver_key": ({OPERATOR}, {"principal": "approver/x", "public_key": bytes(32)}),
    "pool_join": (OFFICE, {"member": "a", "head": "b"}),
    "pool_leave": (OFFICE, {"member": "a"}),
    "membership_start": (TILLS, {"member": "a", "membership": "x"}),
    "membership_renew": (TILLS, {"member": "a", "membership": "x"}),
    "membership_cancel": (TILLS, {"member": "a", "membership": "x"}),
    "terminals": (EVERYBODY - {APPROVER}, {}),
    "voucher_use": (TILLS, {"member": "a", "voucher": "x"}),
    "voucher_void": (OFFICE, {"member": "a", "voucher": "x", "reason": "x"}),
    "vouchers": (TILLS, {"member": "a"}),
    "opening": ({OPERATOR}, {"member": "a"}),
    "consent": (TILLS, {"member": "a", "purpose": "x", "given": True}),
    "erase": ({OPERATOR}, {"member": "a"}),
    "vault": ({OPERATOR}, {}),
    "scrub": ({OPERATOR}, {}),
    "person": ({OPERATOR}, {"member": "a"}),
}


def sent(ledger, op, fields):
    message = request(op, **fields)
    if op == "publish":
        message.publish.definition.id = "x"
    return message


@reduced
def test_every_command_of_every_role(world):
    assert set(MAY) == {f.name for f in pb.Request.DESCRIPTOR.oneofs_by_name["op"].fields}, "an operation without a row, or a row without one"
    ledger = world.running()
    for principal in sorted(EVERYBODY):
        with ledger.wire(principal) as wire:
            for op, (may, fields) in MAY.items():
                if op == "subscribe" and principal in may:
                    tag = wire.subscribe(credits=0)
                    assert wire.ping(tag=1000) == 7 and tag not in wire.answers
                    continue
                answer = wire.wait(wire.start_request(sent(ledger, op, fields)))
                denied = answer.reason == "PERMISSION_DENIED" and answer.field == "op"
                assert denied == (principal not in may), f"{principal} {op}: {answer}"
                if answer.reason == "PERMISSION_DENIED" and not denied:
                    assert op in ("transaction", "proof") and answer.field == "seq", (op, answer)      # this one is not for everybody
                if answer.reason == "INVALID_ARGUMENT":                                     # what is malformed is not judged by its role
                    assert op in ("publish", "opening", "approver_key") and not denied, (op, answer)
    ledger.stop()


def test_a_till_is_where_it_is(world):
    ledger = world.running()
    with ledger.wire() as op, ledger.wire("pos/0042/07") as till:
        op.ok("enrol", member="m")
        till.ok("purchase", member="m", amount="5")
        till.ok("purchase", member="m", amount="5", store="0042", terminal="07")
        for fields, field in (({"store": "0043"}, "store"), ({"terminal": "08"}, "terminal"), ({"store": "0042", "terminal": "7"}, "terminal"),
                              ({"store": "00", "terminal": "42/07"}, "store")):
            assert till.refused("PERMISSION_DENIED", "purchase", member="m", amount="5", **fields).field == field
            result = till.batch([request("purchase", member="m", amount="5", **fields)], key="b").results[0]
            assert (result.reason, result.field) == ("PERMISSION_DENIED", field)
            assert till.refused("PERMISSION_DENIED", "quote", member="m", amount="5", **fields).field == field
    stored = [e for _, e in ledger.books().entries() if e.principal == "pos/0042/07"]
    assert [(e.store, e.terminal) for e in stored] == [("0042", "07")] * 2
    ledger.stop()


# ---- programs ----

ACCESS = """
principals:
  backend/plain: {programs: [plain]}
  backend/both: {programs: [plain, stars]}
  backend/any: {programs: all}
  backend/unborn: {programs: [later]}
  pos/9/*: {programs: [stars]}
"""


def two_programs(world, *arguments, access=ACCESS):
    path = world.write("access.yaml", access)
    ledger = world.running(programs.PLAIN, "--access", path, *arguments)
    ledger.publish(programs.STARS)
    with ledger.wire() as op:
        for program in ("plain", "stars"):
            op.ok("enrol", member="m", program=program)
            op.ok("purchase", member="m", amount="5", program=program, key=f"op-{program}")
    return ledger, path


def denied(wire, op, **fields):
    answer = wire.refused("PERMISSION_DENIED", op, **fields)
    assert answer.field == "program" and not answer.member_no and not answer.HasField("available"), answer
    return answer


@reduced
def test_a_backend_acts_for_its_programs(world):
    ledger, _ = two_programs(world)
    size = len(ledger.leaves())
    samples = {op: fields for op, (may, fields) in MAY.items() if BACKEND in may and op not in ("transaction", "checkpoint", "proof", "terminals")}
    assert len(samples) > 25
    with ledger.wire("backend/plain") as plain:
        for op, fields in samples.items():
            denied(plain, op, program="stars", **fields)
            denied(plain, op, program="no-such", **fields)      # nor does it learn which there are
            denied(plain, op, **fields)                         # the ledger has two: which one is meant must be said
        result = plain.batch([request("purchase", member="m", amount="1", program=p) for p in ("stars", "plain")], key="b")
        assert [(r.reason, r.field) for r in result.results] == [("PERMISSION_DENIED", "program"), ("", "")], result
        atomic = plain.batch([request("purchase", member="m", amount="1", program=p) for p in ("plain", "stars")], key="c", atomic=True)
        assert (atomic.outcome.reason, atomic.outcome.field) == ("PERMISSION_DENIED", "commands[1].program"), atomic
        assert len(ledger.leaves()) == size + 1
        expect(plain.ok("balance", member="m", program="plain"), available="6")
        eventually(lambda: plain.call("checkpoint").status == 0, "a public checkpoint")
        # transactions: of its own program only; and their proofs
        seqs = {}
        for seq, leaf in enumerate(ledger.leaves()):
            t = proto.Transaction.FromString(proto.SignedTransaction.FromString(leaf).transaction)
            seqs.setdefault(t.program, []).append(seq)
        assert set(seqs) == {0, 1, 2}
        assert plain.ok("transaction", seq=seqs[1][-1]).transaction
        for seq in seqs[2] + seqs[0]:
            denied(plain, "transaction", seq=seq)
        eventually(lambda: plain.call("proof", seq=seqs[1][-1]).status == 0, "a public checkpoint")
        denied(plain, "proof", seq=seqs[2][-1])
        denied(plain, "proof", seq=seqs[2][-1], receipt=True)
    with ledger.wire("backend/nobody") as nobody:               # no row names it
        for op, fields in samples.items():
            denied(nobody, op, program="plain", **fields)
        denied(nobody, "transaction", seq=seqs[1][-1])
    with ledger.wire("backend/both") as both, ledger.wire("backend/any") as anyone:
        for wire in (both, anyone):
            expect(wire.ok("balance", member="m", program="stars"), available="5.00")
            expect(wire.ok("balance", member="m", program="plain"), available="6")
            assert wire.ok("transaction", seq=seqs[2][-1]).transaction
        assert anyone.refused("INVALID_ARGUMENT", "balance", member="m").field == "program"
    with ledger.wire("pos/9/1") as bound, ledger.wire("pos/8/1") as free:
        denied(bound, "purchase", member="m", amount="1", program="plain")
        bound.ok("purchase", member="m", amount="1", program="stars")
        free.ok("purchase", member="m", amount="1", program="plain")
    ledger.stop()


def test_with_one_program_it_need_not_be_named(world):
    path = world.write("access.yaml", "principals:\n  backend/plain: {programs: [plain]}\n  backend/later: {programs: [later]}\n")
    ledger = world.running(None, "--access", path)
    with ledger.wire("backend/plain") as plain, ledger.wire("backend/later") as later:
        assert plain.refused("NOT_FOUND", "enrol", member="m", key="e").field == "program"
        ledger.publish(programs.PLAIN)
        plain.ok("enrol", member="m", key="e")
        expect(plain.ok("balance", member="m"), available="0")
        denied(later, "balance", member="m")
        denied(later, "enrol", member="n", key="e")
    ledger.stop()


def test_terminals_are_its_own(world):
    ledger, _ = two_programs(world)
    with ledger.wire("pos/1/1") as till, ledger.wire("backend/plain") as plain, ledger.wire("backend/any") as anyone:
        till.ok("purchase", member="m", amount="1", program="stars", terminal_seq=1)
        plain.ok("purchase", member="m", amount="1", program="plain", store="1", terminal="1", terminal_seq=1)
        assert [r.principal for r in plain.ok("terminals").terminals] == ["backend/plain"]
        assert plain.refused("PERMISSION_DENIED", "terminals", principal="pos/1/1").field == "principal"
        assert {r.principal for r in anyone.ok("terminals").terminals} == {"backend/plain", "pos/1/1"}
    ledger.stop()


def programs_of(leaves):
    return {proto.Transaction.FromString(proto.SignedTransaction.FromString(leaf).transaction).program for leaf in leaves}


def test_subscriptions_are_of_its_programs(world):
    ledger, path = two_programs(world)
    with ledger.wire("backend/plain") as plain, ledger.wire("backend/any") as anyone, ledger.wire() as op:
        denied(plain, "subscribe")                                   # gaps would show: it must ask for them
        denied(plain, "subscribe", program="stars")
        denied(plain, "subscribe", program="stars", member="m")
        denied(plain, "subscribe", program="stars", events=True)
        denied(plain, "subscribe", events=True)
        assert anyone.refused("NOT_FOUND", "subscribe", program="none").field == "program"
        followed = plain.subscribe(program="plain")
        events = plain.subscribe(program="plain", events=True)
        for i in range(3):
            op.ok("purchase", member="m", amount="7", program="stars", key=f"s{i}")
            op.ok("purchase", member="m", amount="7", program="plain", key=f"p{i}")
        size = len(ledger.leaves())
        while not any(p.last_seq == size - 1 for p in plain.pushes.get(followed, [])):
            plain.take()
        leaves = [leaf for p in plain.pushes.pop(followed) for leaf in p.transactions]
        assert programs_of(leaves) == {1} and len(leaves) == 6, (len(leaves), programs_of(leaves))
        while not any(p.last_seq == size - 1 for p in plain.pushes.get(events, [])):
            plain.take()
        assert {e.program for p in plain.pushes.pop(events) for e in p.events} == {"plain"}
        # all of them, for who is bound to none, with the ledger's own
        everything = anyone.leaves(anyone.subscribe(credits=size), size)
        assert programs_of(everything) == {0, 1, 2}
        # new rules end what they do not allow any more, and leave the rest
        still = anyone.subscribe(program="stars", after=size - 1)
        with open(path, "w", encoding="utf-8") as f:
            f.write("principals:\n  backend/any: {programs: [stars]}\n  backend/plain: {programs: [stars]}\n")
        ledger.daemon.signal(signal.SIGHUP)
        for tag in (followed, events):
            assert (plain.wait(tag).reason, plain.ping()) == ("PERMISSION_DENIED", 7)
        op.ok("purchase", member="m", amount="7", program="stars", key="end")
        assert programs_of(anyone.leaves(still, 1)) == {2}
    # the command line asks for it in words
    done = ledger.cli("subscribe", "--program", "stars", "--to-head", principal="backend/any")
    assert done.lines and {line["transaction"]["program"] for line in done.lines} == {2}, done
    assert ledger.cli("subscribe", "--to-head", principal="backend/any", code=1).json["reason"] == "PERMISSION_DENIED"
    ledger.stop()


def test_the_file_is_read_again_or_kept(world):
    ledger, path = two_programs(world)
    with ledger.wire("backend/plain") as plain:
        plain.ok("balance", member="m", program="plain")

        def reload(text, event):
            before = ledger.daemon.log().count(event)
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            ledger.daemon.signal(signal.SIGHUP)
            eventually(lambda: ledger.daemon.log().count(event) > before, event)

        reload("principals:\n  backend/plain:\n    programs: [stars]\n", "access.reloaded")
        denied(plain, "balance", member="m", program="plain")
        plain.ok("balance", member="m", program="stars")
        for bad, why in (("principals:\n  backend/plain:\n    program: [plain]\n", ":3: principals.backend/plain: there is no key"), ("", "empty"),
                         ("principals:\n  backend/plain: {programs: [plain], limits: {speed: 1}}\n", "there is no limit")):
            reload(bad, "access.not_reloaded")
            assert why in ledger.daemon.log()
            denied(plain, "balance", member="m", program="plain")
            plain.ok("balance", member="m", program="stars")
        reload("principals: {}\n", "access.reloaded")
        denied(plain, "balance", member="m", program="stars")
    assert "there is no key `principal` here; did you mean principals?" in ledger.stop() + ledger.start_refused(
        "--access", world.write("bad.yaml", "principal: {}\n"))
    assert "cannot be opened" in ledger.start_refused("--access", world.path("none.yaml"))
    # without a file a backend may act for every program
    ledger.start()
    with ledger.wire("backend/nobody") as nobody:
        nobody.ok("balance", member="m", program="stars")
    ledger.stop()


def test_an_auditor_names_no_member(world):
    ledger = world.running()
    with ledger.wire() as op, ledger.wire("auditor/kpmg") as auditor:
        op.ok("enrol", member="card:1")
        for events in (False, True):
            r = auditor.refused("PERMISSION_DENIED", "subscribe", member="card:1", events=events)
            assert r.field == "member" and "card:1" not in r.message
            assert auditor.refused("PERMISSION_DENIED", "subscribe", member="nobody", events=events).message == r.message
        tag = auditor.subscribe(events=True)
        while not auditor.pushes.get(tag):
            auditor.take()
        for alias_op in (o for o, (may, fields) in MAY.items() if "member" in fields):
            assert AUDITOR not in MAY[alias_op][0]
    ledger.stop()


def test_principals_of_a_door(world):
    ledger = world.running(programs.PLAIN, "--listen", "127.0.0.1:0", "--insecure-loopback")
    for principal in ("operator/a", "auditor/a", "approver/a", "system", "", "pos/1"):
        try:
            Wire(ledger.daemon.tcp_address(), principal)
        except Fatal as fatal:
            assert fatal.reason == "PRINCIPAL_REFUSED", principal
        else:
            raise AssertionError(principal)
    ledger.stop()


# ---- maker and checker ----

def test_nobody_approves_alone(world):
    """Whoever sends the approval, and whatever key it is signed with."""
    ledger = world.running(LIMITED)
    with ledger.wire("operator/eve") as eve, ledger.wire("operator/bob") as bob, ledger.wire("approver/kim") as kim, ledger.wire("approver/lee") as lee:
        eve.ok("enrol", member="m")
        register(bob, KIM, "approver/kim", key="k")
        asked = eve.ok("adjust", member="m", points="5000", reason="goodwill", key="big")
        expect(asked, waiting=True, available="0")
        # an operator is no approver, whatever they sign with
        eve.refused("PERMISSION_DENIED", "approve", **approval(ledger, asked.id, KIM))
        # a principal without that key
        assert lee.refused("NOT_FOUND", "approve", **approval(ledger, asked.id, KIM)).field == "key_id"
        # nor is a key that is somebody else's theirs
        assert kim.refused("NOT_FOUND", "approve", **approval(ledger, asked.id, LEE)).field == "key_id"
        done = kim.ok("approve", key="ok", **approval(ledger, asked.id, KIM))
        expect(done, available="5000")
    entries = dict(ledger.books().entries())
    made, approved = entries[asked.id], entries[done.id]
    assert made.principal == "operator/eve" and not made.postings and approved.principal == "approver/kim", (made, approved)
    assert approved.inputs.approve.command.seq == place(asked.id)[0] and sum(p.points for p in approved.postings) == 0
    ledger.stop()
    expect(ledger.audit(), status="OK")
