"""Receipts: of one command each, with its reply or later, and verified without a daemon."""
import base64
import hashlib
import os
import random
import stat
import threading

from nacl.signing import SigningKey

from case import plain_build, reduced, seconds
from programs import PLAIN
from receipt import Reader, alone
from test_checkpoint import leaves_of
from test_disk import fill, free_bytes, on_disk, small_disk
from test_keys import rotate
from test_proofs import until_public
from wire import Closed, keyless, ledger as ledger_pb, request
from world import eventually, expect, run_fealty

MOVES = PLAIN + 'transfers: {min: "1", times_per_year: 100}\n'


def enrolled(ledger, n):
    with ledger.wire() as wire:
        return {f"m{i}": wire.ok("enrol", member=f"m{i}", key=f"e{i}").member_no for i in range(n)}


def policy_of(world, ledger):
    return world.write("policy", ledger.cli("log", "policy", ledger.data, json_output=False).out)


def verify(path, policy, *arguments, code=0):
    result = run_fealty(["receipt", "verify", path, "--policy", policy, *arguments, "--json"])
    assert result.code == code, f"exit {code} was to come: {result}"
    return result.json


@reduced
def test_a_purchase_verifies_with_the_daemon_stopped(world):
    ledger = world.running()
    member = enrolled(ledger, 3)["m1"]
    with ledger.wire("pos/1/7") as wire:
        reply = wire.ok("purchase", member="m1", amount="12.00", key="p1", want_receipt=True)
        without = wire.ok("purchase", member="m1", amount="1.00", key="p2")
    assert not without.receipt and not without.no_receipt
    receipt = alone(Reader(ledger).of(reply), member, "p1")
    assert receipt.size == receipt.index + 1, "the checkpoint is of the very commit"
    policy, path = policy_of(world, ledger), world.write("r", reply.receipt)
    ledger.stop()
    found = verify(path, policy)
    expect(found, seq=receipt.index, size=receipt.size, origin=ledger.origin, signature="not_checked", witnesses=[])
    entry = found["transaction"]["transaction"]["entries"][0]
    assert entry["request_id"] == "p1" and found["leaf"] == receipt.leaf.hex()
    expect(verify(path, policy, "--public-key", ledger.public_key.hex()), signature="valid")
    words = run_fealty(["receipt", "verify", path, "--policy", policy, "--public-key", ledger.public_key.hex()]).out
    for word in (f"transaction {receipt.index} of {ledger.origin}", "program 1", f"purchase member {member}", "granted 12", "pos/1/7 p1",
                 f"signed by {ledger.origin}+", "No witness", "itself holds"):
        assert word in words, words
    piped = run_fealty(["receipt", "verify", "-", "--policy", policy], stdin=reply.receipt)
    assert piped.code == 0 and "was not checked" in piped.out, piped


def test_keys_that_change(world):
    """In an overlap the old policy still trusts a receipt; afterwards each receipt has the policy of its time."""
    ledger = world.running()
    enrolled(ledger, 1)

    def bought(key):
        with ledger.wire() as wire:
            return world.write(key, wire.ok("purchase", member="m0", amount="1", key=key, want_receipt=True).receipt)

    old, before = policy_of(world, ledger), bought("before")
    old = world.write("policy-old", open(old, encoding="utf-8").read())
    rotate(ledger, "checkpoint", overlap_days=1)
    both = world.write("policy-both", open(policy_of(world, ledger), encoding="utf-8").read())
    _, rotated = rotate(ledger)
    until_public(ledger, rotated["seq"] + 1)
    with ledger.wire() as wire:
        rotation = world.write("rotation", wire.ok("proof", command=rotated["id"], receipt=True).receipt)
    during = bought("during")
    assert open(both, encoding="utf-8").read().count("\nlog ") == 2
    for path in (before, during, rotation):
        verify(path, both)
        verify(path, old)
    rotate(ledger, "checkpoint", overlap_days=0, reason="compromised")
    after, new = bought("after"), policy_of(world, ledger)
    verify(after, new)
    for path, policy in ((after, old), (after, both), (during, new), (before, new)):
        refused = run_fealty(["receipt", "verify", path, "--policy", policy, "--json"])
        assert refused.code == 1 and "not to be trusted" in refused.json["message"], refused


def test_every_command_that_writes(world):
    """And each of them alone; those about two members for operators only."""
    ledger = world.running(MOVES)
    numbers = enrolled(ledger, 4)
    reader = Reader(ledger)
    with ledger.wire() as wire:
        def ok(op, member="m0", **fields):
            reply = wire.ok(op, want_receipt=True, **({"member": member} if member else {}), **fields)
            receipt = reader.of(reply)
            assert len(receipt.transaction.entries) == 1 and receipt.keys == [fields["key"]], receipt.transaction
            return reply, receipt

        assert ok("enrol", "new", key="w-enrol")[1].members
        ok("profile", key="w-profile", add_aliases=["other"])
        ok("purchase", key="w-buy", amount="900")
        ok("hold", key="w-hold", points="20")
        ok("capture", key="w-capture", hold="w-hold", points="5")
        ok("release", key="w-release", hold="w-hold")
        ok("redeem", key="w-redeem", points="10")
        ok("reverse_redeem", key="w-reverse", redeem="w-redeem")
        ok("return", key="w-return", purchase="w-buy", amount="100")
        ok("adjust", key="w-adjust", points="50", reason="x")
        ok("tier", key="w-tier", tier="gold", reason="x")
        ok("freeze", key="w-freeze", reason="x")
        ok("unfreeze", key="w-unfreeze")
        ok("close", "m3", key="w-close", reason="x")
        both = ok("transfer", key="w-transfer", to="m1", points="5")[1]
        assert both.members == {numbers["m0"], numbers["m1"]}
        ok("merge", "m2", key="w-merge", into="m1")
        ok("clock_accept", None, key="w-clock")
        ok("publish", None, key="w-publish", definition=wire.ok("show_program").program)
    with ledger.wire("backend/app") as wire:
        before = wire.ok("balance", member="m0").available
        expect(wire.refused("PERMISSION_DENIED", "transfer", member="m0", to="m1", points="5", key="b1", want_receipt=True), field="want_receipt")
        answer = wire.batch([request("transfer", key="b2", member="m0", to="m1", points="5", want_receipt=True),
                             request("purchase", key="b3", member="m0", amount="1.00", want_receipt=True)])
        assert answer.results[0].reason == "PERMISSION_DENIED" and answer.results[0].field == "want_receipt"
        alone(reader.of(answer.results[1]), numbers["m0"], "b3")
        assert float(wire.ok("balance", member="m0").available) == float(before) + 1, "refused before any effect"
        until_public(ledger, int(wire.ok("transfer", member="m0", to="m1", points="5", key="b1").id.split(".")[0]) + 1)
        for op, fields in (("quote", {"member": "m0", "amount": "1.00"}), ("balance", {"member": "m0"}), ("history", {"member": "m0"}),
                           ("proof", {"seq": 2}), ("checkpoint", {})):
            expect(wire.refused("INVALID_ARGUMENT", op, want_receipt=True, **fields), field="want_receipt")
            wire.ok(op, want_receipt=False, **fields)
    ledger.audit()


def test_nobody_else_is_in_a_receipt_under_load(world):
    """Pipelined on several connections, with others that want none, batches, and things that fall due of the same members."""
    ledger = world.running(PLAIN, "--net-threads", "2", clock="real", at=None)
    numbers = enrolled(ledger, 12)
    reader, faults, taken = Reader(ledger), [], []
    leaves_before = len(leaves_of(ledger))

    def run(which):
        try:
            with ledger.wire(f"backend/b{which}") as wire:
                tags = {}
                for i in range(150):
                    if len(tags) == 60:
                        drain(wire, tags)
                    member = f"m{(i * 7 + which) % 12}"
                    key = f"k{which}.{i}"
                    if i % 10 == 9:
                        commands = [request("purchase", key=f"{key}.{n}", member=f"m{n}", amount="1.00", want_receipt=n % 2 == 0) for n in range(8)]
                        tags[wire.start_batch(commands)] = [(f"m{n}", f"{key}.{n}", n % 2 == 0) for n in range(8)]
                    else:
                        tags[wire.start("purchase", key=key, member=member, amount="1.00", want_receipt=i % 3 != 0)] = [(member, key, i % 3 != 0)]
                drain(wire, tags)
        except BaseException as e:  # noqa: B902  told by the main thread
            faults.append(e)

    def drain(wire, tags):
        for tag, wanted in tags.items():
            answer = wire.wait(tag)
            replies = list(answer.results) if hasattr(answer, "results") else [answer]
            for reply, (member, key, wants) in zip(replies, wanted):
                assert reply.status == 0, reply
                assert bool(reply.receipt) == wants and not reply.no_receipt, reply
                if wants:
                    taken.append((reply, member, key))
        tags.clear()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults, faults
    assert len(taken) > 500
    sizes = set()
    for reply, member, key in taken:
        sizes.add(alone(reader.of(reply), numbers[member], key).size)
    leaves = leaves_of(ledger)
    for reply, _, _ in random.Random(7).sample(taken, 50):
        receipt = reader.read(reply.receipt)
        assert leaves[receipt.index] == receipt.leaf, "the very bytes of the ledger"
    assert len(sizes) < len(taken), "several of a group commit share a checkpoint"
    assert max(sizes) <= len(leaves) and min(sizes) > leaves_before


def test_what_falls_due_stays_out(world):
    """Of the member itself too: it goes into transactions before and after."""
    program = PLAIN.replace("limits: {late_days: 45}", "expiry: {after: {days: 30}}\nlimits: {late_days: 45}")
    ledger = world.running(program)
    with ledger.wire() as wire:
        member = wire.ok("enrol", member="m", key="e", at="2026-01-02T00:00:00Z").member_no
        wire.ok("purchase", member="m", amount="50.00", key="p0", at="2026-01-02T00:00:00Z")
        wire.ok("hold", member="m", points="10", ttl="20d", key="h", at="2026-01-02T00:00:00Z")
        reply = wire.ok("purchase", member="m", amount="7.00", key="p1", want_receipt=True, at="2026-04-01T00:00:00Z")
        expect(reply, available="7", held="0")
        alone(Reader(ledger).of(reply), member, "p1")
        again = wire.ok("hold", member="m", points="3", ttl="1s", key="h2", want_receipt=True, at="2026-04-01T00:00:00Z")
        alone(Reader(ledger).of(again), member, "h2")
    assert any(e.principal == "system" for t in ledger.books().transactions for e in t.entries), "something did fall due"
    ledger.audit()


def test_batches(world):
    ledger = world.running()
    numbers = enrolled(ledger, 6)
    reader = Reader(ledger)
    with ledger.wire() as wire:
        answer = wire.batch([request("purchase", key=f"a{i}", member=f"m{i % 6}", amount="2.00", want_receipt=i in (1, 2, 7)) for i in range(10)])
        assert all(r.status == 0 for r in answer.results)
        for i, reply in enumerate(answer.results):
            assert bool(reply.receipt) == (i in (1, 2, 7))
            if reply.receipt:
                alone(reader.of(reply), numbers[f"m{i % 6}"], f"a{i}")
        # what does not want one shares as before: 0 | 1 | 2 | 3-6 | 7 | 8, 9
        assert len({r.id.split(".")[0] for r in answer.results}) == 6, [r.id for r in answer.results]
        atomic = wire.batch([request("purchase", key="x1", member="m1", amount="1.00"),
                             request("purchase", key="x2", member="m2", amount="1.00", want_receipt=True)], atomic=True)
        expect(atomic.outcome, reason="INVALID_ARGUMENT", field="commands[1].want_receipt")
        assert not atomic.results
        wire.refused("NOT_FOUND", "transaction", command="x1")
        # keys from the batch, a refusal and a replay among them
        mixed = wire.batch([keyless("purchase", member="m1", amount="3.00", want_receipt=True),
                            request("purchase", key="r", member="nobody", amount="3.00", want_receipt=True),
                            request("purchase", key="a1", member="m1", amount="2.00", want_receipt=True)], key="mixed")
        alone(reader.of(mixed.results[0]), numbers["m1"], "mixed.1")
        expect(mixed.results[1], reason="NOT_FOUND", receipt="", no_receipt="")
        assert mixed.results[2].replayed and alone(reader.of(mixed.results[2]), numbers["m1"], "a1")


def test_a_full_batch_has_receipts_as_long_as_they_fit(world):
    ledger = world.running()
    numbers = enrolled(ledger, 5)
    reader = Reader(ledger)
    for n, at_least, at_most in ((1000, 0, 0), (600, 50, 400), (100, 100, 100)):
        with ledger.wire() as wire:
            answer = wire.batch([keyless("purchase", member=f"m{i % 5}", amount="1.00", want_receipt=True) for i in range(n)], key=f"full{n}")
            assert len(answer.results) == n and answer.ByteSize() <= 1 << 20
            given = [i for i, r in enumerate(answer.results) if r.receipt]
            assert at_least <= len(given) <= at_most, (n, len(given))
            for i, reply in enumerate(answer.results):
                assert reply.status == 0 and (bool(reply.receipt) != (reply.no_receipt == "REPLY_FULL")), reply
            for i in given[::10]:
                alone(reader.of(answer.results[i]), numbers[f"m{i % 5}"], f"full{n}.{i + 1}")
            if len(given) < n:
                last = answer.results[-1]
                until_public(ledger, int(last.id.split(".")[0]) + 1)
                later = reader.read(wire.ok("proof", command=last.id, receipt=True).receipt)
                alone(later, numbers[f"m{(n - 1) % 5}"], f"full{n}.{n}")


@reduced
def test_replays(world):
    ledger = world.running(MOVES)
    numbers = enrolled(ledger, 4)
    reader = Reader(ledger)
    fields = {"member": "m1", "amount": "5.00"}
    with ledger.wire("pos/1/1") as wire:
        first = wire.ok("purchase", key="p", want_receipt=True, **fields)
        for want in (True, None):
            again = wire.ok("purchase", key="p", want_receipt=want, **fields)
            assert again.replayed and again.id == first.id
            assert bool(again.receipt) == bool(want)
            assert not want or reader.of(again).leaf == reader.of(first).leaf
        # one that wanted none at first is about one member all the same
        plain = wire.ok("purchase", key="q", **fields)
        again = wire.ok("purchase", key="q", want_receipt=True, **fields)
        assert again.replayed and again.id == plain.id
        alone(reader.of(again), numbers["m1"], "q")
        # in a batch with others
        shared = wire.batch([request("purchase", key=f"s{i}", member=f"m{i}", amount="1.00") for i in range(3)])
        assert len({r.id.split(".")[0] for r in shared.results}) == 1
        again = wire.ok("purchase", key="s1", want_receipt=True, member="m1", amount="1.00")
        expect(again, replayed=True, receipt="", no_receipt="SHARED", id=shared.results[1].id)
        own = wire.batch([request("purchase", key=f"o{i}", member="m3", amount="1.00") for i in range(3)])
        again = wire.ok("purchase", key="o1", want_receipt=True, member="m3", amount="1.00")
        receipt = reader.of(again)
        assert receipt.keys == ["o0", "o1", "o2"] and receipt.members == {numbers["m3"]} and again.id == own.results[1].id
        # both in one batch, so that the first is not on disk yet
        twice = wire.batch([request("purchase", key="t", want_receipt=True, **fields), request("purchase", key="t", want_receipt=True, **fields),
                            request("purchase", key="u", **fields), request("purchase", key="u2", member="m2", amount="1.00"),
                            request("purchase", key="u", want_receipt=True, **fields)])
        a, b, _, _, d = twice.results
        assert b.replayed and a.id == b.id and reader.of(a).leaf == reader.of(b).leaf
        expect(d, replayed=True, receipt="", no_receipt="SHARED")
        # the same paper receipt from another till
        paper = wire.ok("purchase", key="n1", receipt_no="77", store="1", **fields)
    with ledger.wire("pos/1/2") as wire:
        again = wire.ok("purchase", key="n2", receipt_no="77", want_receipt=True, **fields)
        assert again.replayed and again.id == paper.id
        alone(reader.of(again), numbers["m1"], "n1")
    with ledger.wire("operator/x") as wire:
        wire.ok("transfer", key="tr", member="m1", to="m2", points="1")
        again = wire.ok("transfer", key="tr", member="m1", to="m2", points="1", want_receipt=True)
        assert again.replayed and reader.of(again).members == {numbers["m1"], numbers["m2"]}


def test_after_a_restart_and_kill(world):
    ledger = world.running()
    numbers = enrolled(ledger, 3)
    reader = Reader(ledger)
    got = []
    for round_ in range(3):
        with ledger.wire() as wire:
            for i in range(20):
                got.append((wire.ok("purchase", key=f"k{round_}.{i}", member="m1", amount="1.00", want_receipt=True), f"k{round_}.{i}"))
            tags = [wire.start("purchase", key=f"l{round_}.{i}", member="m2", amount="1.00", want_receipt=True) for i in range(30)]
            ledger.daemon.kill()
            for i, tag in enumerate(tags):
                try:
                    got.append((wire.wait(tag), f"l{round_}.{i}"))
                except Closed:
                    break
        ledger.start()
    leaves = leaves_of(ledger)
    for reply, key in got:
        receipt = alone(reader.of(reply), numbers["m1" if key.startswith("k") else "m2"], key)
        assert leaves[receipt.index] == receipt.leaf and receipt.size <= len(leaves), "who has a receipt is in the ledger"
    ledger.restart()
    with ledger.wire() as wire:
        for reply, key in got[:3]:
            again = wire.ok("purchase", key=key, member="m1", amount="1.00", want_receipt=True)
            assert again.replayed and reader.of(again).leaf == reader.of(reply).leaf
        until_public(ledger, len(leaves))
        sizes = set()
        for reply, key in got:
            receipt = reader.read(wire.ok("proof", command=reply.id, receipt=True).receipt)
            assert receipt.leaf == reader.of(reply).leaf
            sizes.add(receipt.size)
        assert sizes == {len(leaves)}, "those of `proof` lead to the public checkpoint"
        expect(wire.refused("INVALID_ARGUMENT", "proof", receipt=True, **{"from": 1}), field="receipt")
        expect(wire.refused("NOT_FOUND", "proof", receipt=True, command="nothing"), field="command")
    ledger.audit()


@plain_build
@seconds(90)
def test_a_full_disk_gives_no_receipt_of_what_is_undone(world):
    """What was undone has none, what has one is in the ledger, and a second sending gets it."""
    lines = [{"sku": "s" * 60, "category": "c" * 60, "qty": 1, "amount": "0.01"}] * 150
    with small_disk(world, 64) as path:
        ledger = on_disk(world, "disk/l", "--low-space-mib", "1")
        reader = Reader(ledger)
        with ledger.wire() as wire:
            member = wire.ok("balance", member="m1").member_no
            ballast = fill(path, 3 << 20)
            fields = {"member": "m1", "amount": "5.00", "lines": lines, "want_receipt": True}
            sent = refused = 0
            given = {}
            while refused < 20:
                assert sent < 2000 and free_bytes(path) >= 0
                tags = {f"d{sent + i}": wire.start("purchase", key=f"d{sent + i}", **fields) for i in range(12)}
                sent += 12
                for key, tag in tags.items():
                    reply = wire.wait(tag)
                    if reply.status == 0:
                        given[key] = reply
                    else:
                        expect(reply, reason="UNAVAILABLE", field="disk", receipt="", no_receipt="")
                        refused += 1
            os.unlink(ballast)
            eventually(lambda: wire.call("purchase", member="m1", amount="1", key="after").status == 0, "writes again")
            for i in range(0, sent, 10):
                given[f"d{i}"] = wire.ok("purchase", key=f"d{i}", **fields)
        leaves = leaves_of(ledger)
        for key, reply in given.items():
            receipt = alone(reader.of(reply), member, key)
            assert leaves[receipt.index] == receipt.leaf
        assert any(r.replayed for r in given.values()) and not all(r.replayed for r in given.values())
        ledger.stop()
        ledger.audit()


def test_the_checkpoint_of_a_receipt_is_not_stored(world):
    """Only those that head.lock has are public, or there after a restart."""
    ledger = world.running()
    enrolled(ledger, 2)
    with ledger.wire() as wire:
        sizes = {Reader(ledger).of(wire.ok("purchase", member="m1", amount="1.00", key=f"p{i}", want_receipt=True)).size for i in range(40)}
    assert len(sizes) == 40
    ledger.stop()
    stored = {int(row["key"]) for row in ledger.cli("dump", ledger.data, "checkpoint").lines}
    assert len(stored & sizes) < 20, "one a second"
    ledger.audit()


def test_a_till_saves_no_receipt_of_others(world):
    ledger = world.running(MOVES)
    enrolled(ledger, 2)
    with ledger.wire() as wire:
        wire.ok("adjust", member="m0", points="50", reason="x", key="k3")
        both = wire.ok("transfer", member="m0", to="m1", points="5", key="k4")
        seq = int(both.id.split(".")[0])
        until_public(ledger, seq + 1)
        assert len(Reader(ledger).read(wire.ok("proof", seq=seq, receipt=True).receipt).members) == 2
    for principal in ("pos/1/1", "backend/b"):
        with ledger.wire(principal) as wire:
            assert not wire.refused("PERMISSION_DENIED", "proof", seq=seq, receipt=True).receipt
            assert wire.ok("proof", seq=seq - 1, receipt=True).receipt


# ---- the command line ----

def test_the_command_line(world):
    ledger = world.running()
    ledger.cli("enrol", "anna", "--key", "e1")
    path, policy = world.path("bought"), policy_of(world, ledger)
    done = ledger.cli("purchase", "anna", "12.50", "--key", "p1", "--receipt", path)
    expect(done.json, receipt_file=path, id="3.0", granted="12")
    with open(path, encoding="utf-8") as f:
        assert f.read() == done.json["receipt"]
    assert verify(path, policy)["seq"] == 3
    words = ledger.cli("redeem", "anna", "5", "--receipt", world.path("spent"), json_output=False)
    assert world.path("spent") in words.out
    assert verify(world.path("spent"), policy)["seq"] == 4
    # a file that is there stays, and nothing is sent
    before = open(path, "rb").read()
    refused = ledger.cli("purchase", "anna", "1.00", "--receipt", path, code=2)
    assert "is there already" in refused.json["message"], refused
    no_place = ledger.cli("purchase", "anna", "1.00", "--receipt", world.path("none/there"), code=2)
    assert "nothing was sent" in no_place.json["message"], no_place
    assert open(path, "rb").read() == before and ledger.cli("balance", "anna").json["available"] == "7"
    # of an earlier command, named by either
    for name, words in (("a", ["p1"]), ("b", ["3"]), ("c", ["3.0"]), ("d", ["--command", "p1"])):
        saved = ledger.cli("receipt", "save", *words, world.path(name)).json
        expect(saved, receipt_file=world.path(name))
        expect(verify(world.path(name), policy, "--public-key", ledger.public_key.hex()), seq=3, signature="valid")
    assert "is there already" in ledger.cli("receipt", "save", "2", path, code=2).json["message"]
    expect(ledger.cli("receipt", "save", "none", world.path("z"), code=1).json, reason="NOT_FOUND")
    # a refused command, and one that has none
    expect(ledger.cli("redeem", "anna", "5000", "--receipt", world.path("y"), code=1).json, reason="INSUFFICIENT_POINTS")
    batch = world.write("batch", '{"op": "enrol", "member": "b", "key": "e2"}\n{"op": "purchase", "member": "b", "amount": "1.00", "key": "b1"}\n'
                                 '{"op": "purchase", "member": "anna", "amount": "1.00", "key": "b2", "want_receipt": true}\n')
    lines = ledger.cli("batch", batch).lines
    assert any("receipt" in line for line in lines), lines
    again = ledger.cli("enrol", "b", "--key", "e2", "--receipt", world.path("x"))
    assert again.json["replayed"]
    left = sorted(os.listdir(world.dir))
    assert not [name for name in left if name.endswith(".tmp")] and "y" not in left and "z" not in left, left
    assert stat.S_IMODE(os.stat(path).st_mode) & 0o111 == 0
    # reads do not take the option
    for read in (("balance", "anna"), ("history", "anna")):
        ledger.cli(*read, "--receipt", world.path("q"), code=2)


def test_a_simulation_has_none(world):
    at = '"at": "2026-03-02T10:00:00Z"'
    events = world.write("events.jsonl", f'{{{at}, "op": "enrol", "member": "a", "key": "e", "want_receipt": true}}\n'
                                         f'{{{at}, "op": "enrol", "member": "a", "key": "e", "want_receipt": false}}\n')
    done = run_fealty(["simulate", "--program", world.write("plain.yaml", PLAIN), events])
    lines = done.lines
    assert [line["status"] for line in lines] == ["OK", "OK"] and lines[1]["replayed"], lines
    assert not any("receipt" in line for line in lines), lines


def test_bad_input_says_what_and_where(world):
    ledger = world.running()
    ledger.cli("enrol", "anna", "--key", "e1")
    text = ledger.cli("purchase", "anna", "1.00", "--key", "p1", "--receipt", world.path("good")).json["receipt"]
    policy = policy_of(world, ledger)
    lines = text.split("\n")
    key = ledger.cli("log", "key", ledger.data, json_output=False).out.strip()
    other = world.ledger(name="other")
    other_policy = world.write("other-policy", other.cli("log", "policy", other.data, json_output=False).out)
    receipts = (
        ("", 2, "line 1: the first line is not"), ("x\n", 2, "line 1"), (text[:40], 2, "line 2"),
        ("\n".join([lines[0], *lines[2:]]), 2, "no extra data"),
        (text.replace("extra ", "extra !"), 2, "line 2: the extra data is not base64"),
        (text.replace("\nindex ", "\nindex 0"), 2, "line 3: there is no line"),
        (text.replace(lines[3], lines[3] + "AA"), 2, "line 4"),
        (text.replace("\nindex 3", "\nindex 1"), 1, "proves nothing"),
        (text.replace(lines[3] + "\n", ""), 1, "proves nothing"),
        ("\n".join(lines[:5]) + "\n", 2, "line"), (text.replace("\u2014", "-"), 2, "line"),
        (text.rstrip("\n"), 2, "line"), (text + "\u2014 x y\n", 2, "line"), (text.replace(lines[1], "extra AAAA"), 2, "line 2"),
        ("A" * (1 << 20) + "x", 2, "longer than"),
    )
    for i, (broken, code, words) in enumerate(receipts):
        found = verify(world.write(f"broken{i}", broken), policy, code=code)
        assert words in found["message"], (i, found)
    for i, (broken, code, words) in enumerate((
            ("", 2, "line 1"), ("log\n", 2, "line 1"), (f"log {key}", 2, "line 1"), (f"log {key}\n", 2, "line 2"),
            (f"log {key}\nquorum x\n", 2, "line 2"), (f"log {key[:-4]}AAAA\nquorum none\n", 2, "line 1"), ("frog\n", 2, "line 1"),
            (f"log {key}\nwitness w {key}\nquorum none\n", 2, "line 2"), ("quorum none\n", 1, "not to be trusted"))):
        found = verify(world.path("good"), world.write(f"policy{i}", broken), code=code)
        assert words in found["message"], (i, found)
    assert "test.example/l" in verify(world.path("good"), other_policy, code=1)["message"]
    assert "could not be read" in verify(world.path("nowhere"), policy, code=2)["message"]
    assert "could not be read" in verify(world.path("good"), world.path("nowhere"), code=2)["message"]
    good = world.path("good")
    assert "none of those given" in verify(good, policy, "--public-key", other.public_key.hex(), code=1)["message"]
    expect(verify(good, policy, "--public-key", other.public_key.hex(), "--public-key", ledger.public_key.hex()), signature="valid")
    verify(good, policy, "--public-key", "zz", code=2)
    assert run_fealty(["receipt", "verify", good]).code == 2 and run_fealty(["receipt"]).code == 2


def test_what_it_says_moves_no_terminal(world):
    """Who signs a ledger may write what he likes into it: on a terminal it stays text."""
    origin, key = "test.example/rogue", SigningKey(bytes(range(32)))
    key_id = hashlib.sha256(origin.encode() + b"\n\1" + bytes(key.verify_key)).digest()[:4]
    t = ledger_pb.Transaction(origin=origin, seq=0, prev=bytes(32), committed_at=1)
    entry = t.entries.add(principal="operator/\x1b[2Jred\u009b1m\x7f\r\u00e9", request_id="r", engine=1)
    entry.inputs.clock_accept.SetInParent()
    leaf = ledger_pb.SignedTransaction(transaction=t.SerializeToString(), signature=bytes(64), key_id=bytes(8)).SerializeToString()
    text = f"{origin}\n1\n{base64.b64encode(hashlib.sha256(bytes(1) + leaf).digest()).decode()}\n"
    line = base64.b64encode(key_id + key.sign(text.encode()).signature).decode()
    path = world.write("receipt", f"c2sp.org/tlog-proof@v1\nextra {base64.b64encode(leaf).decode()}\nindex 0\n\n{text}\n\u2014 {origin} {line}\n")
    vkey = base64.b64encode(b"\1" + bytes(key.verify_key)).decode()
    policy = world.write("policy", f"log {origin}+{key_id.hex()}+{vkey}\nquorum none\n")
    shown = run_fealty(["receipt", "verify", path, "--policy", policy])
    assert shown.code == 0 and "operator/?[2Jred??1m??\u00e9" in shown.out, shown
    assert all(c == "\n" or c.isprintable() for c in shown.out), shown.out
