"""An auditor of its own: verifies stored transactions as WIRE.md says, with PyNaCl, and adds up their postings."""
import hashlib

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from wire import Wire, ledger

TYPE = b"application/vnd.fealty.transaction.v1+protobuf"
BALANCES = {ledger.MEMBER: "available", ledger.PENDING: "pending", ledger.HELD: "held", ledger.DEBT: "debt"}


APPROVAL_TYPE = b"application/vnd.fealty.approval.v1"


def pae(body, kind=TYPE):
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)


def approval_body(transaction, index):
    """What an approver signs of an adjust: of the transaction that holds it the hash, and its index in it."""
    return hashlib.sha256(transaction).digest() + index.to_bytes(4, "big")


class Books:
    """Checks one leaf after the other, from the genesis on."""

    def __init__(self, public_key):
        self.public_key = public_key
        self.checkpoint_key = None      # both as they are after what was added
        self.overlap = None             # (the checkpoint key before, until when it signs as well)
        self.all_keys = [public_key]
        self.rotations = []             # (seq, RotateKey)
        self.size = 0
        self.prev = bytes(32)
        self.committed_at = -1
        self.origin = None
        self.transactions = []
        self.requests = {}              # (principal, request id) -> "seq.index"
        self.balances = {}              # (program, member) -> {available, pending, held, debt}
        self.heads = {}                 # (program, member) -> the newest entry that touched it
        self.approvers = {}             # principal -> public key
        self.waiting = {}               # (seq, index) -> (what an approver signs, who asked); None: approved

    def _rotation(self, t):
        """(who signs first, who signs second), by the table of ledger.proto; the keys that follow from it."""
        if not any(e.inputs.HasField("rotate_key") for e in t.entries):
            return self.public_key, None
        assert len(t.entries) == 1 and t.program == 0, f"transaction {t.seq} rotates a key, and not alone"
        r, change = t.entries[0].inputs.rotate_key, t.entries[0].facts.key_change
        of_checkpoints = r.kind == ledger.CHECKPOINT_KEY
        old = self.checkpoint_key if of_checkpoints else self.public_key
        assert change.old_key == old and r.new_key not in self.all_keys and len(r.new_key) == 32, f"transaction {t.seq}: {t.entries[0]}"
        assert change.HasField("old_until") == of_checkpoints
        self.all_keys.append(r.new_key)
        self.rotations.append((t.seq, r))
        if of_checkpoints:
            self.checkpoint_key = r.new_key
            self.overlap = (old, change.old_until)
            return self.public_key, r.new_key
        self.public_key = r.new_key
        return (r.new_key, self.checkpoint_key) if r.recovery else (old, r.new_key)

    def _verify(self, seq, public_key, key_id, body, signature):
        assert key_id == hashlib.sha256(public_key).digest()[:8], f"transaction {seq}: key id {key_id.hex()}"
        try:
            VerifyKey(public_key).verify(pae(body), signature)
        except BadSignatureError as e:
            raise AssertionError(f"transaction {seq}: the signature does not verify") from e

    def add(self, leaf):
        signed = ledger.SignedTransaction.FromString(leaf)
        assert len(leaf) <= 60000, f"transaction {self.size} has {len(leaf)} bytes"
        t = ledger.Transaction.FromString(signed.transaction)
        first, second = self._rotation(t)
        self._verify(self.size, first, signed.key_id, signed.transaction, signed.signature)
        assert signed.HasField("second_signature") == signed.HasField("second_key_id") == (second is not None), f"transaction {self.size}: {signed}"
        if second is not None:
            self._verify(self.size, second, signed.second_key_id, signed.transaction, signed.second_signature)
        if self.size == 0:
            self.origin = t.origin
            genesis = t.entries[0].inputs.genesis
            assert genesis.format == 1 and genesis.origin == t.origin and genesis.transaction_key == self.public_key, genesis
            self.checkpoint_key = genesis.checkpoint_key
            self.all_keys.append(genesis.checkpoint_key)
        assert t.origin == self.origin and t.seq == self.size, f"transaction {self.size} says {t.origin} {t.seq}"
        assert t.prev == self.prev, f"transaction {self.size}: prev is not the hash of the one before"
        assert t.committed_at > self.committed_at, f"transaction {self.size}: committed_at does not rise"
        assert len(t.entries) > 0, f"transaction {self.size} has no entry"
        for index, entry in enumerate(t.entries):
            self._entry(t, index, entry)
            self._approval(t, index, entry, signed.transaction)
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
            recovers = entry.inputs.HasField("rotate_key") and entry.inputs.rotate_key.recovery
            restores = entry.inputs.HasField("restore") and entry.principal.startswith("operator/")
            assert entry.principal == "system" or t.seq == 0 or recovers or restores, f"{name}: only the system has no request id"
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

    def _approval(self, t, index, entry, transaction):
        name = f"{t.seq}.{index}"
        inputs = entry.inputs
        if inputs.HasField("approver_key"):
            key = inputs.approver_key
            assert t.program == 0 and key.principal.startswith("approver/") and len(key.public_key) == 32, f"{name}: {key}"
            self.approvers[key.principal] = key.public_key
        if entry.facts.waiting:
            assert inputs.HasField("adjust") and not entry.postings, f"{name} waits, and moves points"
            self.waiting[t.seq, index] = (approval_body(transaction, index), entry.principal)
        if inputs.HasField("approve"):
            said = inputs.approve
            body, asked = self.waiting[said.command.seq, said.command.index]
            key = self.approvers[entry.principal]
            assert asked != entry.principal and said.key_id == hashlib.sha256(key).digest()[:8], f"{name}: {said}"
            VerifyKey(key).verify(pae(body, APPROVAL_TYPE), said.signature)
            self.waiting[said.command.seq, said.command.index] = None

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
