"""Following the ledger, and verifying it without our code: signatures, chain and sums by PyNaCl and hashlib."""
import hashlib

from case import reduced
from verify import Books
from wire import keyless, ledger as ledger_pb, pb
from world import expect


def served(world, n):
    ledger = world.running()
    with ledger.wire() as wire:
        wire.ok("enrol", member="m1", key="e1")
        for i in range(n):
            wire.ok("purchase", member="m1", amount="1", key=f"p{i}")
    return ledger


@reduced
def test_exactly_as_many_as_credits(world):
    ledger = served(world, 20)
    books = Books(ledger.public_key)
    wire = ledger.wire("auditor/e2e")
    size = wire.hello_ok.size
    tag = wire.subscribe(credits=0)
    wire.ping()
    assert not wire.pushes.get(tag), "without credits nothing is sent"
    for n in (1, 2, 7, size - 10):
        wire.credit(tag, n)
        for leaf in wire.leaves(tag, n):
            books.add(leaf)
        wire.ping()         # what else it had to say comes before the PONG
        assert not wire.pushes.get(tag), "more was sent than was granted"
    assert books.size == size
    wire.credit(tag, 3)
    wire.ping()
    assert not wire.pushes.get(tag), "there is nothing more"
    with ledger.wire() as other:
        other.ok("purchase", member="m1", amount="1", key="new")
        books.add(wire.leaves(tag, 1)[0])
        assert books.transactions[-1].entries[0].request_id == "new"
        wire.cancel(tag)
        r = wire.wait(tag)
        assert r.status == pb.CANCELLED, r
        other.ok("purchase", member="m1", amount="1", key="newer")
        wire.ping()
        assert not wire.pushes.get(tag), "it was cancelled"
    expect({k: str(v) for k, v in books.balances[1, 1].items()}, available="21")


def test_every_leaf_verifies(world):
    """Batches, holds, expiry, birthdays: the whole ledger by an auditor that shares nothing with the daemon."""
    ledger = world.running()
    wire = ledger.wire()
    for n in range(20):
        wire.ok("enrol", member=f"m{n}", key=f"e{n}")
    wire.batch([keyless("purchase", member=f"m{n % 20}", amount=str(n)) for n in range(1000)], key="b1")
    for n in range(20):
        wire.ok("hold", member=f"m{n}", points="100", key=f"h{n}", ttl="1h")
        if n % 2:
            wire.ok("capture", member=f"m{n}", hold=f"h{n}", points="50", key=f"c{n}")
    wire.ok("purchase", member="m0", amount="1", at="2026-03-01T00:00:00Z", key="later")
    books = ledger.books()
    assert books.size == ledger.wire().hello_ok.size
    for n in range(20):
        r = wire.ok("balance", member=f"m{n}")
        account = books.balances[1, r.member_no]
        assert (int(r.available), int(r.held)) == (account["available"], account["held"]), (r, account)
    assert sum(1 for _, e in books.entries() if e.principal == "system") == 20       # each hold timed out once
    with ledger.wire("auditor/e2e") as other:
        for seq in (0, 1, 5, books.size - 1):
            leaf = other.ok("transaction", seq=seq).transaction
            assert hashlib.sha256(leaf).digest() == hashlib.sha256(ledger.leaves()[seq]).digest()
        assert ledger_pb.Transaction.FromString(ledger_pb.SignedTransaction.FromString(
            other.ok("transaction", command="21.3").transaction).transaction).seq == 21


def test_from_a_seq(world):
    ledger = served(world, 5)
    wire = ledger.wire("auditor/e2e")
    size = wire.hello_ok.size
    for after in (0, 3, size - 2):
        tag = wire.subscribe(after=after, credits=100)
        leaves = wire.leaves(tag, size - after - 1)
        first = ledger_pb.Transaction.FromString(ledger_pb.SignedTransaction.FromString(leaves[0]).transaction)
        assert first.seq == after + 1
        wire.cancel(tag)
        wire.wait(tag)
    tag = wire.subscribe(after=size + 1, credits=5)          # ahead of the head: it waits
    wire.ping()
    with ledger.wire() as other:
        for n in range(3):
            other.ok("purchase", member="m1", amount="1", key=f"n{n}")
    leaf = wire.leaves(tag, 1)[0]
    assert ledger_pb.Transaction.FromString(ledger_pb.SignedTransaction.FromString(leaf).transaction).seq == size + 2


def test_push_fields(world):
    ledger = served(world, 5)
    wire = ledger.wire("backend/app")
    size = wire.hello_ok.size
    tag = wire.subscribe(after=1, credits=4)
    while sum(len(p.transactions) for p in wire.pushes.get(tag, [])) < 4:
        wire.take()
    at = 2
    for push in wire.pushes[tag]:
        expect(push, first_seq=at, head=size, last_seq=at + len(push.transactions) - 1)
        at += len(push.transactions)


def test_sixteen_subscriptions(world):
    ledger = served(world, 3)
    wire = ledger.wire("auditor/e2e")
    tags = [wire.subscribe(credits=100) for _ in range(16)]
    r = wire.wait(wire.subscribe(credits=100))
    assert r.reason == "CAP_REACHED", r
    size = wire.hello_ok.size
    for tag in tags:
        assert len(wire.leaves(tag, size)) == size
    wire.cancel(tags[0])
    wire.wait(tags[0])
    tag = wire.subscribe(credits=1)
    assert len(wire.leaves(tag, 1)) == 1


def test_a_slow_reader(world):
    """Credits for everything, and nothing is read: the server's output is bounded, others are served, and reading on brings all, or an ERROR that says
    where to resume."""
    ledger = served(world, 1)
    with ledger.wire() as wire:
        lines = [{"sku": "s" * 32, "category": "c" * 32, "qty": 1, "amount": "0.01"}] * 10
        for n in range(30):
            assert wire.batch([keyless("purchase", member="m1", amount="1", lines=lines)] * 1000, key=f"b{n}").outcome.status == pb.OK
        total = sum(len(leaf) for leaf in ledger.leaves())
        assert total > 16 << 20, total
        slow = ledger.wire("auditor/e2e")
        size = slow.hello_ok.size
        tag = slow.subscribe(credits=1 << 30)
        for n in range(50):
            wire.ok("purchase", member="m1", amount="1", key=f"x{n}")
        with open(f"/proc/{ledger.daemon.pid}/status", encoding="ascii") as f:
            anonymous_kib = next(int(line.split()[1]) for line in f if line.startswith("RssAnon:"))
        assert anonymous_kib < 400 << 10, f"{anonymous_kib} KiB"
        books = Books(ledger.public_key)
        for leaf in slow.leaves(tag, size + 50):
            books.add(leaf)
        assert books.size == size + 50
