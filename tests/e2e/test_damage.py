"""What a disk can do: a flipped bit in any stored transaction, a damaged page."""
import os
import random
import re

from case import long, seconds
from files import PAGE, Copy, LivePages, flip_bit, ledger_file, places, read, write_at
from test_checkpoint import stored
from wire import keyless, ledger as ledger_pb, pb
from world import eventually, expect, run_fealty

NEWEST = 1000           # start-up verifies so many


def filled(world, n, alone=False):
    """A stopped ledger of ${n} transactions and more, and its leaves; ${alone}: the genesis has a checkpoint of its own."""
    ledger = world.running(program=None)
    if alone:
        eventually(lambda: 1 in stored(ledger), "a checkpoint of the genesis")
    ledger.publish()
    ledger.fill(n)
    leaves = ledger.leaves()
    ledger.stop()
    expect(ledger.audit(), status="OK")
    return ledger, leaves


def parts(leaf):
    """An offset in each part of a stored leaf."""
    signed = ledger_pb.SignedTransaction.FromString(leaf)
    t = ledger_pb.Transaction.FromString(signed.transaction)
    body = leaf.index(signed.transaction)
    return {
        "the signature": leaf.index(signed.signature) + 20,
        "the key id": leaf.index(signed.key_id) + 3,
        "prev": body + signed.transaction.index(t.prev) + 5,
        "an entry": body + len(signed.transaction) - 3,
        "the origin": body + signed.transaction.index(t.origin.encode()) + 2,
        "the outer tag": 0,
        "the outer length": 1,
    }


@seconds(120)
def test_a_flipped_bit_among_the_newest(world):
    """Start-up refuses and names the transaction; so does the audit."""
    ledger, leaves = filled(world, 60)
    for seq in (5, 30, len(leaves) - 1):
        for what, offset in parts(leaves[seq]).items():
            copy = Copy(ledger)
            flip_bit(copy.data, leaves[seq], offset, bit=offset % 7)
            daemon = copy.launch()
            words = daemon.wait_refused()
            assert re.search(rf"\btransaction {seq}\b", words, re.I), f"{what} of {seq}: {words}"
            assert "state.not_trusted" not in daemon.log(), "a good state is not thrown away for a damaged ledger"
            done = copy.audit(1)
            expect(done.json, status="DATA_LOSS", seq=seq)
            assert f"transaction {seq}" in done.json["message"], done
            copy.remove()


@seconds(120)
def test_a_flipped_bit_in_the_genesis(world):
    ledger, leaves = filled(world, 5, alone=True)
    for what, offset in parts(leaves[0]).items():
        if what == "prev":
            continue            # 32 zero bytes: not easily found in the file by themselves
        copy = Copy(ledger)
        flip_bit(copy.data, leaves[0], offset)
        words = copy.launch().wait_refused()
        assert "ransaction 0" in words or "genesis" in words, f"{what}: {words}"
        expect(copy.audit(1).json, status="DATA_LOSS", reason="LEDGER_BROKEN", seq=0)
        copy.remove()


@seconds(120)
def test_a_flipped_bit_in_an_old_transaction(world):
    """Older than what start-up verifies: the audit names it, local and over the wire, and the daemon goes on."""
    ledger, leaves = filled(world, NEWEST + 100)
    for what, offset in parts(leaves[30]).items():
        copy = Copy(ledger)
        flip_bit(copy.data, leaves[30], offset, bit=offset % 7)
        expect(copy.audit(1).json, status="DATA_LOSS", seq=30)
        daemon = copy.launch().wait_ready()
        done = ledger.cli("audit", code=1, seconds=15)
        expect(done.json, seq=30)
        with ledger.wire() as wire:
            wire.ok("purchase", member="m1", amount="1", key="more")
            for m in range(10):
                wire.call("history", member=f"m{m}", limit=100, before=200)       # whatever it answers, it lives
            wire.call("transaction", seq=30)
            wire.ok("balance", member="m1")
        daemon.stop()
        assert what
        copy.remove()


def test_a_transaction_that_is_exchanged(world):
    """Whole and well signed, but of another ledger with the same name: the chain or the key tells."""
    ledger, leaves = filled(world, 20)
    other = world.ledger("other")
    assert other.public_key != ledger.public_key
    done = ledger.cli("audit", ledger.data, "--public-key", other.public_key.hex(), code=1)
    expect(done.json, seq=0)
    expect(ledger.cli("audit", ledger.data, "--public-key", ledger.public_key.hex()).json, status="OK")
    copy = Copy(ledger)
    path = ledger_file(copy.data)
    data = read(path)
    a, b = leaves[12], leaves[14]
    if len(a) != len(b):
        a, b = next((x, y) for i, x in enumerate(leaves[10:]) for y in leaves[i + 11:] if len(x) == len(y))
    swapped = data.replace(a, b"\0" * len(a)).replace(b, a).replace(b"\0" * len(a), b)
    with open(path, "wb") as f:
        f.write(swapped)
    copy.launch().wait_refused()
    expect(copy.audit(1).json, status="DATA_LOSS", seq=min(leaves.index(a), leaves.index(b)))


def patterns(dice, page):
    header = bytearray(page[:16])
    wild = bytearray(page)
    for _ in range(12):
        wild[dice.randrange(16, PAGE)] = dice.randrange(256)
    pointers = bytearray(page)
    for at in range(16, 48):
        pointers[at] = dice.randrange(256)
    return {"zeros": bytes(PAGE), "ones": b"\xff" * PAGE, "noise": dice.randbytes(PAGE),
            "noise behind a good header": bytes(header) + dice.randbytes(PAGE - 16), "wild bytes": bytes(wild), "wild pointers": bytes(pointers)}


def audit_of(ledger, page, pattern):
    """What the audit says when a page of the file holds that, and what it says to people."""
    copy = Copy(ledger)
    path = ledger_file(copy.data)
    write_at(path, page * PAGE, pattern)
    done = copy.audit()
    people = ledger.cli("audit", copy.data, json_output=False, code=done.code)
    copy.remove()
    return done, people.out + people.err


@seconds(120)
def test_a_damaged_page(world):
    """The audit ends with exit code 1 and says from which transaction on, whatever the page holds now."""
    ledger, leaves = filled(world, 300)
    dice = random.Random(1)
    live = LivePages(ledger.data)
    assert sorted(seq for seqs in live.leaves.values() for seq in seqs) == list(range(len(leaves)))
    for seq in (0, 40, 150, 290, len(leaves) - 1):
        page = live.leaf_of(seq)
        first, last = live.leaves[page][0], live.leaves[page][-1]
        for what, pattern in patterns(dice, live.file[page * PAGE:(page + 1) * PAGE]).items():
            done, people = audit_of(ledger, page, pattern)
            assert done.code == 1 and done.json["status"] == "DATA_LOSS", f"{what} over the page of {seq}: {done}"
            found = done.json["seq"]
            assert first <= found <= last and f"transaction {found}" in done.json["message"], f"{what} over {first} to {last}: {done}"
            assert f"transaction {found}" in people, people


@seconds(120)
def test_a_damaged_page_of_lmdbs_own(world):
    """A page without transactions, on the way to them or beside it: what is damaged, and up to where the transactions can be read."""
    ledger, leaves = filled(world, 300)
    dice = random.Random(2)
    live = LivePages(ledger.data)
    newest = len(leaves) - 1
    kinds = {"its list of free pages": (live.free, newest), "where its tables are": (live.tables, newest - 64),
             "the table transaction": (live.inner, newest - 64), "its first pages": ([0, 1], newest - 64)}
    for words, (pages, readable) in kinds.items():
        assert pages, words
        for page in pages:
            for what, pattern in patterns(dice, live.file[page * PAGE:(page + 1) * PAGE]).items():
                done, people = audit_of(ledger, page, pattern)
                if what == "wild bytes" and done.code == 0:
                    continue            # they fell between what the page holds
                assert done.code == 1 and done.json["status"] == "DATA_LOSS", f"{what} over page {page}, {words}: {done}"
                assert done.json["message"] in people, people
                if what in ("zeros", "ones", "noise"):
                    assert done.json["reason"] == "LEDGER_DAMAGED" and words in done.json["message"], f"{what} over page {page}, {words}: {done}"
                    if pages is live.inner and "no transaction can be read" in done.json["message"]:
                        continue        # the newest commit brought a checkpoint only: the one before has the same page
                    upto = int(re.search(r"transactions 0 to (\d+) can", done.json["message"]).group(1))
                    assert readable <= upto <= newest, f"{what} over page {page}, {words}, {newest} is the newest: {done}"
    copy = Copy(ledger)
    write_at(ledger_file(copy.data), live.free[0] * PAGE, bytes(PAGE))
    assert f"its list of free pages cannot be read; transactions 0 to {newest} can" in copy.launch().wait_refused()


def test_pages_that_hold_nothing(world):
    """Old copies of transactions lie in them; nobody misses those."""
    ledger, _ = filled(world, 300)
    unused = LivePages(ledger.data).unused()
    assert unused
    for page in unused:
        write_at(ledger_file(ledger.data), page * PAGE, b"\xa5" * PAGE)
    expect(ledger.audit(), status="OK")
    ledger.start()
    with ledger.wire() as wire:
        for i in range(30):
            wire.ok("purchase", member="m1", amount="1", key=f"after-{i}")
    ledger.stop()
    expect(ledger.audit(), status="OK")


def test_a_file_that_is_gone(world):
    ledger, _ = filled(world, 5)
    for name, reason, words in (("ledger", "LEDGER_DAMAGED", "ledger/data.mdb is damaged: it is missing"),
                                ("vault/1", "VAULT_DAMAGED", "vault/1/data.mdb is damaged: its first pages")):
        copy = Copy(ledger)
        path = os.path.join(copy.data, name, "data.mdb")
        if "missing" in words:
            os.unlink(path)
        else:
            write_at(path, 0, bytes(2 * PAGE))
        done = copy.audit(1)
        assert done.json["status"] == "DATA_LOSS" and done.json["reason"] == reason and words in done.json["message"], done
        copy.remove()


def audit_survives(copy):
    done = run_fealty(["audit", copy.data, "--json"], check=False)
    return None if done.code in (0, 1) else f"the audit ends with {done.code}"


def start_survives(copy):
    """Refuses with a sentence what the audit finds."""
    damaged = run_fealty(["audit", copy.data, "--json"], check=False).code != 0
    daemon = copy.launch()
    if daemon.started():
        daemon.stop()
        return "the audit finds damage, and the daemon starts" if damaged else None
    daemon.wait_end(None)
    code = daemon.process.returncode
    if code == 1 and "fealtyd: " in daemon.log():
        return None
    return f"the daemon was ended by signal {-code}" if code < 0 else f"the daemon ended with {code} and without a word"


def sweep(world, n, step, survives):
    """Any page of the file, also those of LMDB's own; all that goes wrong is told."""
    ledger, _ = filled(world, n)
    dice = random.Random(7)
    pages = os.path.getsize(ledger_file(ledger.data)) // PAGE
    problems = []
    for page in range(0, pages, step):
        copy = Copy(ledger)
        path = ledger_file(copy.data)
        kinds = patterns(dice, read(path)[page * PAGE:(page + 1) * PAGE])
        what = dice.choice(sorted(kinds))
        write_at(path, page * PAGE, kinds[what])
        problem = survives(copy)
        if problem is not None:
            problems.append(f"page {page} of {pages}, {what}: {problem}")
        copy.remove()
    assert not problems, f"{len(problems)} of {pages // step}:\n" + "\n".join(problems[:20])


@seconds(120)
def test_audit_survives_any_page(world):
    sweep(world, 150, 3, audit_survives)


@seconds(120)
def test_start_survives_any_page(world):
    sweep(world, 150, 3, start_survives)


@long
@seconds(600)
def test_audit_survives_every_page(world):
    sweep(world, 600, 1, audit_survives)


@long
@seconds(600)
def test_start_survives_every_page(world):
    sweep(world, 600, 1, start_survives)


def test_a_truncated_file(world):
    ledger, _ = filled(world, 200)
    size = os.path.getsize(ledger_file(ledger.data))
    for keep in (0, 1, PAGE, 2 * PAGE, size // 2 // PAGE * PAGE, size // 2 + 123, size - PAGE, size - 1):
        copy = Copy(ledger)
        os.truncate(ledger_file(copy.data), keep)
        done = copy.audit()
        assert done.code == 1 or (done.code == 0 and keep >= size - PAGE), f"{keep} of {size} bytes: {done}"
        daemon = copy.launch()
        if daemon.started():
            assert done.code == 0, f"{keep} of {size} bytes: the audit finds damage, and the daemon starts"
            daemon.stop()
        else:
            daemon.wait_end(1)
        copy.remove()


def test_damaged_state_is_rebuilt_or_refused(world):
    """state/ is derived: the audit tells that it differs, and without it all is there again."""
    ledger, _ = filled(world, 100)
    copy = Copy(ledger)
    path = os.path.join(copy.data, "state", "data.mdb")
    for page in range(2, os.path.getsize(path) // PAGE):
        write_at(path, page * PAGE, b"\xa5" * PAGE)
    done = copy.audit()
    assert done.code in (0, 1), done
    for name in ("data.mdb", "lock.mdb"):
        if os.path.exists(os.path.join(copy.data, "state", name)):
            os.unlink(os.path.join(copy.data, "state", name))
    daemon = copy.launch().wait_ready()
    with ledger.wire() as wire:
        r = wire.batch([keyless("purchase", member="m1", amount="1")], key="x")
        assert r.results[0].status == pb.OK
    daemon.stop()
    expect(copy.audit(0).json, status="OK")


def test_state_that_lies(world):
    """A member's row that was changed by hand: the audit names what differs."""
    ledger, leaves = filled(world, 50)
    copy = Copy(ledger)
    path = os.path.join(copy.data, "state", "data.mdb")
    data = read(path)
    needle = b"basic"
    assert needle in data and leaves
    with open(path, "wb") as f:
        f.write(data.replace(needle, b"basil"))
    done = copy.audit(1)
    assert done.json["reason"] == "STATE_DIFFERS", done


def test_numbers_that_no_ledger_reaches(world):
    """The greatest number as a row's key, or in an export's checkpoint, is damage with a sentence like any other."""
    ledger, leaves = filled(world, 20)
    size, newest = max(stored(ledger).items())
    for row in (size - 1).to_bytes(8, "big") + leaves[size - 1], size.to_bytes(8, "big") + newest.encode():
        copy = Copy(ledger)
        for at in places(ledger_file(copy.data), row):
            write_at(ledger_file(copy.data), at, b"\xff" * 8)
        expect(copy.audit(1).json, status="DATA_LOSS")
        assert "newest" in copy.launch().wait_refused()
        ledger.cli("log", "key", copy.data, code=None)
        ledger.cli("log", "export", copy.data, world.path("never"), code=1)
        copy.remove()
    export = world.path("export")
    ledger.cli("log", "export", ledger.data, export)
    with open(os.path.join(export, "checkpoint"), "r+", encoding="utf-8") as f:
        text = f.read().replace(f"\n{size}\n", f"\n{2**64 - 1}\n")
        f.seek(0)
        f.write(text)
    assert "is no checkpoint" in ledger.cli("log", "export", ledger.data, export, code=1).json["message"]
    for point in ("--from", "--to"):
        told = ledger.cli("rollforward", ledger.data, point, os.path.join(export, "checkpoint"), code=2).json["message"]
        assert "more transactions than a ledger can have" in told, told
