"""What must hold on an image of the disk after a crash: the daemon starts on it, and what was acknowledged is there, whole, and once."""
import os

from recording import OPTIONS
from wire import ledger as proto
from wire import pb, reason_of
from world import Ledger, expect

AT_ONCE = 32                            # requests in flight; 64 are the protocol's limit


class Ledgered:
    """What the stored transactions say: which commands happened, who has which aliases, profiles and points."""

    def __init__(self, leaves, commands):
        self.ids, self.people, self.points, self.erased = {}, {}, {}, set()
        specs = {(c.principal, key): c for c in commands for key in c.keys()}
        for leaf in leaves:
            t = proto.Transaction.FromString(proto.SignedTransaction.FromString(leaf).transaction)
            for index, entry in enumerate(t.entries):
                if entry.request_id:
                    self.ids[entry.principal, entry.request_id] = f"{t.seq}.{index}"
                    self._person(entry.member, specs.get((entry.principal, entry.request_id)))
                for touched, after in zip(entry.touched, entry.after):
                    self.points[touched.member] = after.available

    def _person(self, number, command):
        if command is None or command.op not in ("enrol", "profile", "erase"):
            return
        fields = command.fields
        if command.op == "erase":
            self.erased.add(number)
            del self.people[number]
            return
        if command.op == "enrol":
            self.people[number] = {"aliases": [fields["member"]], "segments": [], "birthdays": [fields["birthday"]]}
        person = self.people[number]
        person["aliases"] += fields.get("aliases", fields.get("add_aliases", []))
        person["aliases"] = [alias for alias in person["aliases"] if alias not in fields.get("remove_aliases", [])]
        person["segments"] = fields.get("segments", person["segments"])

    def has(self, command):
        return sum((command.principal, key) in self.ids for key in command.keys())

    def names(self):
        return {alias: number for number, person in self.people.items() for alias in person["aliases"]}


def ask(wire, requests):
    """The answers to (op, fields), in their order."""
    answers = []
    for start in range(0, len(requests), AT_ONCE):
        tags = [wire.start(op, **fields) for op, fields in requests[start:start + AT_ONCE]]
        answers += [wire.wait(tag) for tag in tags]
    return answers


def published_size(path):
    with open(path, "rb") as f:
        return int(f.read().split()[0])


def trust(history, mark_path, killed):
    """Whether the derived state is good to go on with; None: the mark is not there."""
    if not os.path.exists(mark_path):
        return None
    with open(mark_path, encoding="ascii") as f:
        mark = f.read()
    return mark == "clean\n" or (killed and mark == history.running_mark())


def check_people(wire, books, commands):
    """Vault, ledger and state agree: each alias leads to who has it, or to nobody; profiles and points are those of the entries."""
    names = books.names()
    sent = {alias for c in commands if c.op in ("enrol", "profile") for alias in
            [*([c.fields["member"]] if c.op == "enrol" else []), *c.fields.get("aliases", c.fields.get("add_aliases", []))]}
    for alias, r in zip(sorted(sent), ask(wire, [("balance", {"member": alias}) for alias in sorted(sent)]), strict=True):
        if alias not in names:
            assert r.reason == "NOT_FOUND", f"{alias} is nobody's by the ledger: {r}"
            continue
        assert r.status == pb.OK, f"{alias} is member {names[alias]}'s by the ledger: {reason_of(r)} {r.message}"
        expect(r, member_no=names[alias], available=str(books.points[names[alias]]))
    people = sorted(books.people)
    for number, r in zip(people, ask(wire, [("person", {"member_no": n}) for n in people]), strict=True):
        assert r.status == pb.OK, f"member {number}: {reason_of(r)} {r.message}"
        have = {"aliases": sorted(r.person.aliases), "segments": list(r.person.segments), "birthdays": [b.birthday for b in r.person.birthdays]}
        want = {**books.people[number], "aliases": sorted(books.people[number]["aliases"])}
        assert have == want, f"member {number}: {have}, by the ledger {want}"
    for number, r in zip(books.erased, ask(wire, [("person", {"member_no": n}) for n in books.erased]), strict=True):
        assert not r.person.ListFields(), f"member {number} was erased: {r.person}"


def check_acknowledged(books, commands, at):
    """${at}: after so many records it crashed."""
    for c in commands:
        found = books.has(c)
        if c.acked_at is not None and c.acked_at <= at:
            for key, name in zip(c.keys(), c.ids, strict=True):
                have = books.ids.get((c.principal, key))
                assert have == name, f"LOST: {c.op} {key} of {c.principal} was acknowledged as {name} at {c.acked_at}, and is {have}"
        assert not c.atomic or found in (0, len(c.keys())), f"{found} of the {len(c.keys())} commands of the atomic batch {c.key} are there"


def repeat(ledger, books, commands, dice):
    """Whoever does not know sends it again under the same request id, and learns; and the ledger goes on."""
    alive = books.names()
    again = [c for c in commands if c.op in ("purchase", "redeem") and c.fields["member"] in alive]
    known = [c for c in again if books.has(c)]
    chosen = dice.sample(known, min(3, len(known))) + known[-1:] + [c for c in again if not books.has(c)][:2]
    for c in {c.key: c for c in chosen}.values():
        with ledger.wire(c.principal) as wire:
            r = wire.call(c.op, key=c.key, **c.fields)
            if r.reason == "INSUFFICIENT_POINTS" and not books.has(c):
                continue
            assert r.status == pb.OK, f"{c.op} {c.key}: {reason_of(r)} {r.message}"
            expect(r, replayed=bool(books.has(c)))
            assert not books.has(c) or r.id == books.ids[c.principal, c.key], (r, books.ids[c.principal, c.key])


def check(world, history, path, at, killed, dice):
    """The image at ${path} is one of ${history}, after ${at} records; ${killed}: of a crash of the process alone, so this is the same boot.

    Gives what state was made of.
    """
    ledger = Ledger(world, os.path.join(path, "l"), "real")
    trusted = trust(history, os.path.join(ledger.data, "state.mark"), killed)
    published = published_size(ledger.head_lock) if os.path.exists(ledger.head_lock) else 0
    ledger.start(*OPTIONS, env=history.same_boot() if killed else None)
    try:
        assert trusted is None or trusted == ("state.not_trusted" not in ledger.daemon.log()), ledger.daemon.log()
        check_started(ledger, history, at, published, dice)
        ledger.stop()
    except BaseException:
        ledger.daemon.kill()
        raise
    world.daemons.remove(ledger.daemon)
    audit = expect(ledger.audit("--head-lock", ledger.head_lock), status="OK")
    assert audit["state"]["compared"], audit
    log = ledger.daemon.log()
    os.unlink(ledger.daemon.log_path)
    return "what was there" if "state.not_trusted" not in log else "a snapshot" if "usable=yes" in log else "the ledger alone"


def check_started(ledger, history, at, published, dice):
    leaves = ledger.leaves()
    assert published <= len(leaves), f"head.lock says {published}, the ledger has {len(leaves)} transactions"
    assert leaves == history.leaves[:len(leaves)], "the ledger is not what was written"
    books = Ledgered(leaves, history.commands)
    check_acknowledged(books, history.commands, at)
    with ledger.wire("operator/images") as wire:
        check_people(wire, books, history.commands)
    repeat(ledger, books, history.commands, dice)
