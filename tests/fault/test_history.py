"""The checker of histories itself: it passes what is right, and finds each thing that was made wrong, by its name."""
import random

import oracle
from history import Entry, Op, Wrong, check

PROGRAM = {"id": "p", "name": "Plain", "timezone": "UTC", "currency": "USD", "points": {"unit": "point", "scale": 0}, "unknown_alias": "refuse",
           "earn": [{"id": "base", "priority": 10, "on": "purchase", "kind": "base", "per_amount": {"amount": "1.00", "points": "1"}}],
           "redemption": {"value": {"points": "1", "amount": "1.00"}}}
NOW = oracle.instant("2026-01-01T00:00:00Z")


class Past:
    """A history that a ledger without faults could have: commands in order, each sent a while before it happens and answered a while after."""

    def __init__(self, seed=1):
        self.dice = random.Random(seed)
        self.model = oracle.Oracle([PROGRAM], NOW)
        self.ops, self.entries, self.time, self.seq = [], [], 0, 0

    def do(self, op, client="a", slow=0, batch=None, number=0, **fields):
        """${slow}: how far its sending and its answer reach over its neighbours."""
        self.time += 100
        event = {"op": op, "principal": "operator/" + client, **fields}
        reply = self.model.at(event, NOW)
        read = op in oracle.READS
        place = None
        if not read and reply["status"] == "OK" and not reply.get("replayed"):
            if batch is None or number == 0:
                self.seq += 1
            place = (self.seq, number)
            self.entries.append(Entry(place, event["principal"], event["key"], NOW))
        if isinstance(reply.get("reason"), tuple):
            reply = reply | {"reason": reply["reason"][0], "status": reply["status"][0]}
        sent, answered = (self.time - 40 - self.dice.randint(0, slow), self.time + 40 + self.dice.randint(0, slow))
        self.ops.append(Op(client, event, sent, answered, reply, read=read, place=place, seen=self.seq, batch=batch, number=number))
        return self.ops[-1]

    def check(self):
        return check(self.ops, self.entries, oracle.Oracle([PROGRAM], NOW))

    def wrong(self, kind):
        try:
            self.check()
        except Wrong as wrong:
            assert wrong.kind == kind, f"it is to be {kind}: {wrong}"
            return
        raise AssertionError(f"{kind} was not found")


def shop(slow=0):
    """An enrolment, purchases, balances after each."""
    past = Past()
    past.do("enrol", member="m", key="e")
    for n in range(4):
        past.do("purchase", "ab"[n % 2], slow, member="m", amount="10.00", key=f"p{n}")
        past.do("balance", "abc"[n % 3], slow, member="m")
    past.do("redeem", "b", slow, member="m", points="15", key="r")
    past.do("balance", "a", slow, member="m")
    return past


def find(past, key):
    return next(op for op in past.ops if op.event.get("key") == key)


def balance(past, n):
    return [op for op in past.ops if op.read][n]


def test_what_is_right_passes(world):
    for slow in (0, 90, 400):
        past = shop(slow)
        assert past.check() == len(past.ops)
    past = shop()
    past.do("redeem", member="m", points="26", key="x")             # INSUFFICIENT_POINTS
    past.do("purchase", "b", member="m", amount="1.00", key="p3")   # a replay
    past.do("purchase", "b", member="m", amount="2.00", key="p3")   # REQUEST_ID_REUSED
    for number in range(3):
        past.do("purchase", "c", member="m", amount="5.00", key=f"b{number}", batch="b", number=number)
    assert past.ops[-4].reply["reason"] == "REQUEST_ID_REUSED" and past.check() == len(past.ops)


def test_a_stale_read(world):
    past = shop()
    old, new = balance(past, 0), balance(past, 1)
    new.reply, new.seen = old.reply, old.seen                       # it says itself how old it is
    past.wrong("stale")
    past = shop()
    balance(past, 1).reply = balance(past, 0).reply                 # it says that it is new
    past.wrong("state")
    past = shop()
    balance(past, 1).reply, balance(past, 1).seen = balance(past, 0).reply, None
    past.wrong("state")


def test_a_read_from_the_future(world):
    past = shop()
    balance(past, 0).reply, balance(past, 0).seen = balance(past, 1).reply, balance(past, 1).seen
    past.wrong("order")


def test_reads_of_one_client_go_back(world):
    """Both overlap the purchase, so either alone may be as it is."""
    past = Past()
    past.do("enrol", member="m", key="e")
    early = past.do("balance", "c", member="m")
    bought = past.do("purchase", member="m", amount="10.00", key="p")
    late = past.do("balance", "c", member="m")
    bought.sent, bought.answered = early.sent - 1, late.answered + 1
    past.check()
    early.reply, late.reply = late.reply, early.reply
    early.seen, late.seen = late.seen, early.seen
    past.wrong("stale")


def test_a_lost_update(world):
    """The second of two purchases at once did not see the first, and all that follows goes on from it."""
    past = shop(slow=300)
    for op in past.ops[past.ops.index(find(past, "p1")):]:
        op.reply = op.reply | {"available": str(int(op.reply["available"]) - 10)}
    past.wrong("state")
    past = shop()                                                   # or it is in no answer of anybody else, and not in the ledger
    past.entries = [entry for entry in past.entries if entry.key != "p1"]
    past.wrong("lost")


def test_a_command_applied_twice(world):
    past = shop()
    for op in past.ops[past.ops.index(find(past, "p2")):]:
        op.reply = op.reply | {"available": str(int(op.reply["available"]) + 10)}
    past.wrong("state")
    past = shop()
    past.entries.append(Entry((past.seq + 1, 0), "operator/a", "p2", NOW))
    past.wrong("twice")


def test_an_order_that_is_not_that_of_time(world):
    past = shop()
    past.ops = [op for op in past.ops if not op.read]
    one, other = find(past, "p0"), find(past, "p2")
    one.place, other.place = other.place, one.place
    past.entries = [Entry(find(past, e.key).place, *e[1:]) for e in past.entries]
    past.wrong("order")
    past = shop()
    for number in range(3):
        past.do("purchase", "c", member="m", amount="5.00", key=f"b{number}", batch="b", number=number)
    one, other = find(past, "b0"), find(past, "b2")
    one.place, other.place = other.place, one.place
    one.sent = other.sent = find(past, "b1").sent
    one.answered = other.answered = find(past, "b1").answered
    past.entries = [Entry(find(past, e.key).place, *e[1:]) for e in past.entries]
    past.wrong("order")


def test_a_refusal_that_no_state_explains(world):
    past = shop()
    there = find(past, "r")
    there.place, there.reply = None, there.reply | {"status": "FAILED_PRECONDITION", "reason": "INSUFFICIENT_POINTS"}
    past.entries = [entry for entry in past.entries if entry.key != "r"]
    del past.ops[-1]
    past.wrong("state")
    for seen in (past.seq, None):
        past = shop()                                               # the right one is found, with the balance of then
        short = past.do("redeem", "c", member="m", points="26", key="x")
        past.check()
        short.reply, short.seen = short.reply | {"available": "24"}, seen
        past.wrong("state")
        short.reply = short.reply | {"available": "25", "reason": "NOT_A_STEP"}
        past.wrong("state")


def test_an_entry_that_nobody_sent(world):
    past = shop()
    past.entries.append(Entry((past.seq + 1, 0), "operator/a", "nobody", NOW))
    past.wrong("foreign")


def test_what_was_never_answered_may_be_there_or_not(world):
    for there in (True, False):
        past = Past()
        past.do("enrol", member="m", key="e")
        if there:
            past.do("purchase", member="m", amount="10.00", key="p").answered = None
            past.ops[-1].place = past.ops[-1].reply = None
        else:
            past.ops.append(Op("a", {"op": "purchase", "principal": "operator/a", "member": "m", "amount": "10.00", "key": "p"}, past.time))
        look = past.do("balance", "b", member="m")
        past.check()
        look.reply = look.reply | {"available": "0" if there else "10"}
        past.wrong("state")


def test_a_replay_before_its_command(world):
    past = shop()
    again = past.do("purchase", "a", member="m", amount="10.00", key="p2")
    assert again.reply["replayed"]
    past.check()
    again.sent, again.answered, again.seen = 1, 2, None
    past.wrong("state")


def test_a_clock_that_is_not_the_ledgers(world):
    past = shop()
    look = balance(past, 2)
    look.reply = look.reply | {"as_of": oracle.instant_text(NOW - 1)}
    past.wrong("state")
