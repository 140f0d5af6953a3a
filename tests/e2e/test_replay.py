"""Request ids: a command is applied once, whatever a till sends again."""
import programs
from case import reduced
from wire import pb
from wire import request as wire_request
from world import expect


def enrolled(world, *arguments, **options):
    ledger = world.running(*arguments, **options)
    with ledger.wire() as wire:
        wire.ok("enrol", member="m1", birthday="06-20", key="e1")
    return ledger


@reduced
def test_the_same_again(world):
    ledger = enrolled(world)
    for again in range(3):
        with ledger.wire() as wire:
            r = wire.ok("purchase", member="m1", amount="100", key="p1")
            expect(r, replayed=again > 0, granted="100", id="3.0", available="100")
            expect(wire.ok("enrol", member="m1", birthday="06-20", key="e1"), replayed=True, member_no=1, id="2.0")
            r = wire.ok("redeem", member="m1", points="100", key="x1")      # the last points: again it is OK, not INSUFFICIENT_POINTS
            expect(r, replayed=again > 0, id="4.0", available="0", value="1.00")
            wire.refused("INSUFFICIENT_POINTS", "redeem", member="m1", points="1")
            assert len(ledger.books().transactions) == 5
        if again == 1:
            ledger.restart()


def test_another_body(world):
    ledger = enrolled(world)
    wire = ledger.wire()
    wire.ok("purchase", member="m1", amount="100", key="p1")

    def reused(op, **fields):
        r = wire.refused("REQUEST_ID_REUSED", op, key="p1", **fields)
        assert r.status == pb.ALREADY_EXISTS and r.field == "key" and not r.available, r

    reused("purchase", member="m1", amount="101")
    reused("purchase", member="m1", amount="100.00")            # the body, not its meaning
    reused("purchase", member="m2", amount="100")               # before NOT_FOUND
    reused("purchase", member="m1", amount="100", store="s1")
    reused("purchase", member="m1", amount="100", occurred_at="2026-01-01T00:00:00Z")
    reused("purchase", member="m1", amount="100", paid_with_points="0")
    reused("redeem", member="m1", points="100")
    reused("enrol", member="m1")
    wire.refused("REQUEST_ID_REUSED", "enrol", member="m1", birthday="06-21", key="e1")
    wire.refused("REQUEST_ID_REUSED", "enrol", member="m1", key="e1")
    # key, at and the deadline are not of the body
    expect(wire.ok("purchase", member="m1", amount="100", key="p1", deadline_ms=60000, at="2026-02-01T00:00:00Z"), replayed=True)
    # a malformed command is refused for that first
    wire.refused("INVALID_ARGUMENT", "purchase", member="m1", amount="-1", key="p1")
    ledger.restart()
    wire = ledger.wire()
    reused("purchase", member="m1", amount="101")
    expect(wire.ok("balance", member="m1"), available="100")


def test_two_tills_with_the_same_id(world):
    ledger = enrolled(world)
    one, two = ledger.wire("pos/1/1"), ledger.wire("pos/1/2")
    a = one.ok("purchase", member="m1", amount="10", key="same")
    b = two.ok("purchase", member="m1", amount="20", key="same")
    expect(a, replayed=False, available="10")
    expect(b, replayed=False, available="30")
    assert a.id != b.id
    expect(one.ok("purchase", member="m1", amount="10", key="same"), replayed=True, id=a.id, granted="10", available="10")
    expect(two.ok("purchase", member="m1", amount="20", key="same"), replayed=True, id=b.id, granted="20", available="30")
    one.refused("REQUEST_ID_REUSED", "purchase", member="m1", amount="20", key="same")
    # a reference by request id is looked up among the member's commands, whoever sent them; two make it ambiguous
    h1 = one.ok("hold", member="m1", points="5", key="h")
    two.ok("hold", member="m1", points="5", key="h")
    one.refused("INVALID_ARGUMENT", "capture", member="m1", hold="h", key="c0")
    expect(one.ok("capture", member="m1", hold=h1.id, key="c1"), held="5")
    three = ledger.wire("pos/1/3")
    one.ok("hold", member="m1", points="5", key="only")
    expect(three.ok("capture", member="m1", hold="only", key="c1"), held="5")


def test_the_answer_is_as_it_was_then(world):
    """available, pending, held, debt and tier as they were after it; the rest of the block is of now."""
    ledger = enrolled(world, programs.PLAIN.replace('"10000"', '"150"'))
    wire = ledger.wire()
    wire.ok("purchase", member="m1", amount="100", key="p1")
    wire.ok("hold", member="m1", points="30", key="h1")
    wire.ok("purchase", member="m1", amount="100", key="p2")
    wire.ok("redeem", member="m1", points="50", key="x1")
    for _ in range(2):
        expect(wire.ok("purchase", member="m1", amount="100", key="p1"), replayed=True, available="100", held="0", tier="basic", granted="100",
               points_earned="200", visits=2)
        expect(wire.ok("hold", member="m1", points="30", key="h1"), replayed=True, available="70", held="30", tier="basic")
        expect(wire.ok("purchase", member="m1", amount="100", key="p2"), replayed=True, available="170", held="30", tier="gold")
        expect(wire.ok("balance", member="m1"), available="120", held="30", tier="gold")
        ledger.restart()
        wire = ledger.wire()


def test_a_refused_command_is_not_remembered(world):
    ledger = enrolled(world)
    wire = ledger.wire()
    wire.refused("INSUFFICIENT_POINTS", "redeem", member="m1", points="10", key="x1")
    wire.refused("NOT_FOUND", "purchase", member="m2", amount="10", key="p1")
    wire.ok("purchase", member="m1", amount="10", key="p1")
    expect(wire.ok("redeem", member="m1", points="10", key="x1"), replayed=False, available="0")


def test_the_same_id_at_the_same_time(world):
    """Ten connections of one principal send one command at once: one is applied, nine are answered with it."""
    ledger = enrolled(world)
    wires = [ledger.wire("pos/1/1") for _ in range(10)]
    for round_ in range(10):
        tags = [w.start("purchase", member="m1", amount="10", key=f"r{round_}") for w in wires]
        answers = [w.wait(t) for w, t in zip(wires, tags)]
        assert len({a.id for a in answers}) == 1 and sum(not a.replayed for a in answers) == 1, answers
    expect(wires[0].ok("balance", member="m1"), available="100", visits=10)


def test_a_replay_has_seen_the_entry_that_it_names(world):
    """Also of a command that is not sealed yet: the same twice in one batch, which is one transaction."""
    ledger = enrolled(world)
    with ledger.wire() as wire:
        r = wire.batch([wire_request("purchase", key=key, member="m1", amount="10") for key in ("p1", "p2", "p1")])
        first, second, again = r.results
        expect(again, replayed=True, id=first.id, granted="10")
        assert first.seq == second.seq == again.seq == 3, r.results
        expect(wire.ok("purchase", member="m1", amount="10", key="p1"), replayed=True, seq=3)
