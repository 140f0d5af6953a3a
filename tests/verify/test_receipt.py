"""Receipts, verified by software that others wrote: @sigstore/verify checks checkpoint and inclusion, @sigstore/core the transaction."""
import base64
import os
import subprocess

from receipt import Reader, alone
from test_proofs import until_public
from world import BUILD, SOURCE, run_fealty


def install():
    """tests/run has done it; a case by itself does it here.  Gives Node."""
    script = os.path.join(SOURCE, "tests", "verify", "sigstore", "install.sh")
    done = subprocess.run([script, BUILD], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Verifiers:
    """Theirs and ours, about one ledger."""

    def __init__(self, world, ledger):
        self.world = world
        self.key = ledger.cli("log", "key", ledger.data, json_output=False).out.strip()
        self.transaction_key = ledger.public_key.hex()
        self.policy = world.write("policy", ledger.cli("log", "policy", ledger.data, json_output=False).out)
        self.node = install()

    def theirs(self, paths):
        script = os.path.join(BUILD, "sigstore", "receipt.mjs")
        done = subprocess.run([self.node, script, self.key, self.transaction_key, *paths], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        verdicts = done.stdout.splitlines()
        assert len(verdicts) == len(paths), done.stdout
        return verdicts

    def ours(self, path):
        return run_fealty(["receipt", "verify", path, "--policy", self.policy, "--public-key", self.transaction_key, "--json"])

    def both(self, receipts):
        """[(holds for them, for us)] of texts."""
        paths = [self.world.write(f"receipt{self.world.next_number()}", text) for text in receipts]
        ours = [self.ours(path) for path in paths]
        for result in ours:
            assert result.code in (0, 1, 2), result
        return list(zip([line.startswith("ok ") for line in self.theirs(paths)], [result.code == 0 for result in ours]))


def filled(world):
    """A ledger of more than one tile, and receipts of all kinds: [(text, member number, key)]."""
    ledger = world.running()
    receipts = []
    with ledger.wire() as wire:
        members = [wire.ok("enrol", member=f"m{i}", key=f"e{i}").member_no for i in range(3)]
        for i in range(300):
            wants = i < 12 or i % 50 == 0 or i > 290
            reply = wire.ok("purchase", member=f"m{i % 3}", amount="1.00", key=f"p{i}", want_receipt=wants)
            if wants:
                receipts.append((reply.receipt, members[i % 3], f"p{i}"))
        until_public(ledger, int(reply.id.split(".")[0]) + 1)
        for i in (0, 1, 128, 255, 299):
            receipts.append((wire.ok("proof", command=f"p{i}", receipt=True).receipt, members[i % 3], f"p{i}"))
    return ledger, receipts


def flipped(data, bit):
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def in_base64(line, bits, before=""):
    """The line with one bit of what it is the base64 of changed, for each of the bits."""
    data = base64.b64decode(line[len(before):], validate=True)
    return [before + base64.b64encode(flipped(data, bit % (8 * len(data)))).decode() for bit in bits]


def broken(text):
    """(part, text with one bit of that part changed)."""
    lines = text.split("\n")
    empty = lines.index("")
    dash, name, signature = lines[-2].split(" ")

    def with_line(at, line):
        return "\n".join([*lines[:at], line, *lines[at + 1:]])

    for line in in_base64(lines[1], (0, 13, 100, 3001, -1, -600), "extra "):
        yield "extra", with_line(1, line)
    index = int(lines[2].removeprefix("index "))
    for bit in (0, 1, 5, 8, 40):
        yield "index", with_line(2, f"index {index ^ 1 << bit}")
    for at in range(3, empty):
        for line in in_base64(lines[at], (7, 255)):
            yield f"hash {at - 3}", with_line(at, line)
    yield "origin", with_line(empty + 1, chr(ord(lines[empty + 1][0]) ^ 1) + lines[empty + 1][1:])
    for bit in (0, 3, 9):
        yield "size", with_line(empty + 2, str(int(lines[empty + 2]) ^ 1 << bit))
    for line in in_base64(lines[empty + 3], (0, 200)):
        yield "root", with_line(empty + 3, line)
    for word in in_base64(signature, (0, 31, 32, 300, -1)):
        yield "signature", with_line(len(lines) - 2, f"{dash} {name} {word}")


def test_receipts_hold_for_others(world):
    ledger, receipts = filled(world)
    verifiers, reader = Verifiers(world, ledger), Reader(ledger)
    ledger.stop()
    assert len({reader.read(text).size for text, _, _ in receipts}) > 20
    for text, member, key in receipts:
        alone(reader.read(text), member, key)
    assert verifiers.both([text for text, _, _ in receipts]) == [(True, True)] * len(receipts)
    # the same, and the log is another
    other = Verifiers(world, world.ledger(name="other"))
    assert other.both([receipts[0][0]]) == [(False, False)]


def test_a_bit_in_each_part_of_a_receipt(world):
    ledger, receipts = filled(world)
    verifiers = Verifiers(world, ledger)
    parts = set()
    for text in (receipts[-3][0], receipts[3][0]):
        changed = list(broken(text))
        assert len({t for _, t in changed} | {text}) == len(changed) + 1, "each of them is changed"
        for (part, _), verdict in zip(changed, verifiers.both([t for _, t in changed])):
            assert verdict == (False, False), (part, verdict)
        parts |= {part.split(" ")[0] for part, _ in changed}
        assert verifiers.both([text]) == [(True, True)]
    assert sum(part.startswith("hash") for part, _ in broken(receipts[-3][0])) == 2 * 9, "the path from a leaf of the first tile"
    assert parts == {"extra", "index", "hash", "origin", "size", "root", "signature"}
