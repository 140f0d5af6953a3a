"""An auditor of its own: verifies stored transactions as WIRE.md says, with PyNaCl, and adds up their postings."""
import hashlib

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from wire import Wire, ledger

TYPE = b"application/vnd.fealty.transaction.v1+protobuf"
BALANCES = {ledger.MEMBER: "available", ledger.PENDING: "pending", ledger.HELD: "held", ledger.DEBT: "debt"}


def pae(body):
    return b"DSSEv1 %d %s %d %s" % (len(TYPE), TYPE, len(body), body)


class Books:
    """Checks one leaf after the other, from the genesis on."""

    def __init__(self, public_key):
        self.public_key = public_key
        self.key_id = hashlib.sha256(public_key).digest()[:8]
        self.verify_key = VerifyKey(public_key)
        self.size = 0
        self.prev = bytes(32)
        self.committed_at = -1
        self.origin = None
        self.transactions = []
        self.requests = {}              # (principal, request id) -> "seq.index"
        self.balances = {}              # (program, member) -> {available, pending, held, debt}
        self.heads = {}                 # (program, member) -> the newest entry that touched it

    def add(self, leaf):
        signed = ledger.SignedTransaction.FromString(leaf)
        assert len(leaf) <= 60000, f"transaction {self.size} has {len(leaf)} bytes"
        assert signed.key_id == self.key_id, f"transaction {self.size}: key id {signed.key_id.hex()}"
        try:
            self.verify_key.verify(pae(signed.transaction), signed.signature)
        except BadSignatureError as e:
            raise AssertionError(f"transaction {self.size}: the signature does not verify") from e
        t = ledger.Transaction.FromString(signed.transaction)
        if self.size == 0:
            self.origin = t.origin
            genesis = t.entries[0].inputs.genesis
            assert genesis.format == 1 and genesis.origin == t.origin and genesis.transaction_key == self.public_key, genesis
        assert t.origin == self.origin and t.seq == self.size, f"transaction {self.size} says {t.origin} {t.seq}"
        assert t.prev == self.prev, f"transaction {self.size}: prev is not the hash of the one before"
        assert t.committed_at > self.committed_at, f"transaction {self.size}: committed_at does not rise"
        assert len(t.entries) > 0, f"transaction {self.size} has no entry"
        for index, entry in enumerate(t.entries):
            self._entry(t, index, entry)
        self.prev = hashlib.sha256(signed.transaction).digest()
        self.committed_at = t.committed_at
        self.size += 1
        self.transactions.append(t)
        return t

    def _entry(self, t, index, entry):
        name = f"{t.seq}.{index}"
        assert entry.principal and entry.engine >= 1, f"{name}: no principal or engine"
        if entry.request_id:
            assert (entry.principal, entry.request_id) not in self.requests, f"{name} repeats the request id {entry.request_id}"
            self.requests[entry.principal, entry.request_id] = name
        else:
            assert entry.principal == "system" or t.seq == 0, f"{name}: only the system has no request id"
        assert sum(p.points for p in entry.postings) == 0, f"{name}: its postings do not sum to zero"
        for p in entry.postings:
            if p.account in BALANCES:
                account = self.balances.setdefault((t.program, p.member), dict.fromkeys(BALANCES.values(), 0))
                account[BALANCES[p.account]] += p.points
        for touched, after in zip(entry.touched, entry.after, strict=True):
            key = (t.program, touched.member)
            account = self.balances.setdefault(key, dict.fromkeys(BALANCES.values(), 0))
            assert (account["available"], account["pending"], account["held"], -account["debt"]) == (
                after.available, after.pending, after.held, after.debt), f"{name}: the balances after it are not the sums: {account} {after}"
            assert min(account["available"], account["pending"], account["held"]) >= 0, f"{name}: a balance is below zero"
            before = (touched.prev_seq, touched.prev_index) if touched.HasField("prev_seq") else None
            assert self.heads.get(key) == before, f"{name}: its back-pointer is {before}, not {self.heads.get(key)}"
            self.heads[key] = (t.seq, index)

    def entries(self):
        for t in self.transactions:
            for index, entry in enumerate(t.entries):
                yield f"{t.seq}.{index}", entry


def read_books(address, public_key, principal="auditor/e2e"):
    """The whole ledger over the wire, verified."""
    books = Books(public_key)
    with Wire(address, principal) as wire:
        size = wire.hello_ok.size
        tag = wire.subscribe(credits=size)
        for leaf in wire.leaves(tag, size):
            books.add(leaf)
    return books
