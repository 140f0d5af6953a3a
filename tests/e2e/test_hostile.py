"""Ledgers whose own operator wrote nonsense into them, signed and chained: an audit may find it or not judge it, and must neither fail nor crash."""
import os
import random
import shutil
import time

from google.protobuf.descriptor import FieldDescriptor as Field

from case import long, seconds
from test_redecide import lived, rewritten, transaction_of
from world import run_fealty

NUMBERS = (0, 1, 2, 7, -1, 100, 2**31 - 1, 2**40, 2**62, 2**63 - 1, -2**63, 2**64 - 1)
LIMITS = {Field.TYPE_INT32: (-2**31, 2**31 - 1), Field.TYPE_SINT32: (-2**31, 2**31 - 1), Field.TYPE_SFIXED32: (-2**31, 2**31 - 1),
          Field.TYPE_UINT32: (0, 2**32 - 1), Field.TYPE_UINT64: (0, 2**64 - 1)}


def any_value(field, rnd):
    if field.type == Field.TYPE_STRING:
        return rnd.choice(("a", "base", "x" * 40, "", "later", "\x1b[2J"))
    if field.type == Field.TYPE_BYTES:
        return bytes(rnd.choice((0, 1, 8, 32, 64)))
    if field.type == Field.TYPE_BOOL:
        return rnd.random() < 0.5
    if field.type == Field.TYPE_ENUM:
        return rnd.choice(field.enum_type.values).number
    least, most = LIMITS.get(field.type, (-2**63, 2**63 - 1))
    return max(least, min(most, rnd.choice(NUMBERS)))


def change_rows(rows, rnd):
    """One more often than it can be, one less, or one that is another."""
    if len(rows) == 0:
        rows.add()
    how = rnd.random()
    if how < 0.25:
        row = rows[rnd.randrange(len(rows))]
        for _ in range(rnd.choice((1, 2, 70, 300))):
            rows.add().CopyFrom(row)
        for i, row in enumerate(rows):
            for field in row.DESCRIPTOR.fields:
                if field.type == Field.TYPE_STRING and rnd.random() < 0.8:
                    setattr(row, field.name, f"g{i}")
    elif how < 0.4:
        del rows[rnd.randrange(len(rows))]
    else:
        change(rows[rnd.randrange(len(rows))], rnd)


def change(message, rnd):
    there = [field for field, _ in message.ListFields()]
    fields = there if there and rnd.random() < 0.9 else list(message.DESCRIPTOR.fields)
    if not fields:
        return
    field = rnd.choice(fields)
    value = getattr(message, field.name)
    if rnd.random() < 0.07:
        message.ClearField(field.name)
    elif field.label == Field.LABEL_REPEATED and field.type == Field.TYPE_MESSAGE:
        change_rows(value, rnd)
    elif field.label == Field.LABEL_REPEATED:
        value.append(any_value(field, rnd))
    elif field.type == Field.TYPE_MESSAGE:
        value.SetInParent()
        change(value, rnd)
    else:
        setattr(message, field.name, any_value(field, rnd))


def change_some(transactions, rnd):
    for _ in range(rnd.choice((1, 1, 2, 4))):
        entry = rnd.choice(rnd.choice(transactions[2:]).entries)
        change(rnd.choice((entry, entry.facts, entry.facts, entry.inputs, entry.inputs)), rnd)
        if rnd.random() < 0.6:
            entry.engine = 77            # so that it is not judged itself, and others go by it
    if rnd.random() < 0.3:
        for transaction in transactions[2:]:
            for entry in transaction.entries:
                entry.engine = entry.engine if entry.inputs.WhichOneof("op") == "return" else 77


def many_returns(ledger):
    """Of lines, of amounts and of the rest; and what else names an earlier entry."""
    lines = [{"sku": "a", "category": "x", "qty": 3, "amount": "3000"}, {"sku": "b", "qty": 2, "amount": "4000"}]
    ledger.start()
    with ledger.wire() as wire:
        for i in range(3):
            wire.ok("purchase", member="m1", amount="9000", key=f"l{i}", lines=lines)
            wire.ok("return", member="m1", purchase=f"l{i}", lines=[{"sku": "a", "qty": 1}])
            wire.ok("return", member="m1", purchase=f"l{i}", amount="100")
            wire.ok("return", member="m1", purchase=f"l{i}")
        wire.ok("merge", member="m2", into="m1")
    leaves = ledger.leaves()
    ledger.stop()
    return leaves


@long
@seconds(180)
def test_audits_of_nonsense(world):
    ledger, _ = lived(world)
    leaves = many_returns(ledger)
    assert len(leaves) < 256 and transaction_of(leaves[-1]).entries
    rnd = random.Random(int(os.environ.get("FEALTY_SEED", "1")))
    end, codes = time.monotonic() + 60, {}
    while time.monotonic() < end:
        try:
            place = rewritten(world, ledger, leaves, lambda transactions: change_some(transactions, rnd))
        except OverflowError:
            continue                     # longer than a bundle can say
        done = run_fealty(["audit", "--log", place, "--json"])
        codes[done.code] = codes.get(done.code, 0) + 1
        assert done.code in (0, 1), f"{codes}: {done}, of {place}"
        shutil.rmtree(place)
    assert codes[0] > 20 and codes[1] > 20, codes


@long
@seconds(180)
def test_reports_of_nonsense(world):
    """A report reads what entries say without replaying them; a database replays them."""
    ledger, _ = lived(world)
    leaves = many_returns(ledger)
    rnd = random.Random(int(os.environ.get("FEALTY_SEED", "1")))
    end, codes = time.monotonic() + 60, {}
    while time.monotonic() < end:
        try:
            place = rewritten(world, ledger, leaves, lambda transactions: change_some(transactions, rnd))
        except OverflowError:
            continue
        words = [["report", kind] for kind in ("liability", "rollforward", "settlement", "kpi", "rfm", "churn")] + [["export", "sqlite", place + ".db"]]
        done = run_fealty([*rnd.choice(words), "--log", place, "--json"])
        codes[done.code] = codes.get(done.code, 0) + 1
        assert done.code in (0, 1), f"{codes}: {done}, of {place}"
        shutil.rmtree(place)
    assert codes[0] > 20 and codes[1] > 20, codes
