"""Receipts, read by the words of C2SP tlog-proof and RFC 9162 and by nothing of ours."""
import base64
from typing import NamedTuple

from test_checkpoint import checked
from test_proofs import key_of, root_by_inclusion
from wire import ledger as pb


class Receipt(NamedTuple):
    text: str
    leaf: bytes
    index: int
    hashes: list
    note: str
    size: int
    transaction: object

    @property
    def members(self):
        return {touched.member for entry in self.transaction.entries for touched in entry.touched}

    @property
    def keys(self):
        return [entry.request_id for entry in self.transaction.entries]


class Reader:
    """Of one ledger's receipts."""

    def __init__(self, ledger, public_key=None):
        self.ledger = ledger
        self.public_key = public_key or key_of(ledger)

    def read(self, text):
        head, _, note = text.partition("\n\n")
        lines = head.split("\n")
        assert lines[0] == "c2sp.org/tlog-proof@v1", text
        assert lines[1].startswith("extra ") and lines[2].startswith("index "), text
        leaf, index = base64.b64decode(lines[1][6:], validate=True), int(lines[2][6:])
        hashes = [base64.b64decode(line, validate=True) for line in lines[3:]]
        size, root = checked(self.ledger, note, self.public_key)
        assert root_by_inclusion(index, size, leaf, hashes) == root, text
        transaction = pb.Transaction.FromString(pb.SignedTransaction.FromString(leaf).transaction)
        assert transaction.seq == index
        return Receipt(text, leaf, index, hashes, note, size, transaction)

    def of(self, reply):
        """The receipt of a reply, which is about the entry that the reply names."""
        assert reply.receipt and not reply.no_receipt, reply
        receipt = self.read(reply.receipt)
        assert reply.id.split(".")[0] == str(receipt.index), reply.id
        return receipt


def alone(receipt, member, key):
    """It is about that one command."""
    assert receipt.keys == [key], receipt.transaction
    assert receipt.members == {member}, receipt.transaction
    return receipt
