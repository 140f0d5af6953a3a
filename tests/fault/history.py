"""Whether a history of commands is strictly serializable: each seems to have happened at one instant between its sending and its answer, in the
order of the ledger, and every answer is what a model says at that place.

Nothing here knows a daemon: an operation is what its client saw, the entries are what the ledger says, the model is an object with

    now                              where its clock stands
    at(event, now)                   the reply to one command, which may change the model
    copy()                           another one, as it is now
    differs(event, reply, wanted)    None, or a sentence
    refuses(reply)                   None, or a sentence
    clock_of(event, reply)           where the clock stood for it, if the reply says that; None

The clock moves with commands that carry `at_us`.  A read may have looked at it later than at the ledger, never before.

A place is (seq, index) of an entry.  A read happens behind all of the transaction `seen`; a refused command, or one that was answered from an
earlier one, anywhere in or behind that, and where its answer does not say, anywhere between its sending and its answer.
"""
import bisect
import json
from typing import NamedTuple

LAST = 1 << 62                      # behind every entry of a transaction
FIRST = (-1, -1)


class Wrong(AssertionError):
    """What is wrong, and the operations that show it."""

    def __init__(self, kind, sentence, ops=()):
        super().__init__(f"{kind}: {sentence}" + "".join(f"\n    {op}" for op in ops))
        self.kind = kind
        self.ops = list(ops)


class Entry(NamedTuple):
    place: tuple
    principal: str
    key: str
    now: int                        # the ledger's clock when it was decided


class Op:
    """A command and its answer, as one client saw them.  `sent` and `answered` are of one clock that never goes back; `answered` None: it has no
    answer, and may have happened or not."""

    def __init__(self, client, event, sent, answered=None, reply=None, *, read=False, place=None, seen=None, batch=None, number=0):
        self.client, self.event, self.sent, self.answered, self.reply = client, event, sent, answered, reply
        self.read = read
        self.place = place          # of the entry that it made; None: of none
        self.seen = seen            # seq of the newest transaction that the answer had seen; None: it does not say
        self.batch = batch          # the same for all commands of a batch; they happen in order
        self.number = number        # its place in the batch

    @property
    def who(self):
        return self.event.get("principal", ""), self.event.get("key")

    def asked(self):
        """Each command that it asked for, by who and which."""
        return {(event["principal"], event["key"]): event for event in self.event.get("commands", [self.event]) if event.get("key")}

    def low(self):
        """The earliest place that its answer allows."""
        if self.place is not None:
            return self.place
        return FIRST if self.seen is None else (self.seen, LAST) if self.read else (self.seen, -1)

    def high(self):
        if self.place is not None:
            return self.place
        return (LAST, LAST) if self.seen is None else (self.seen, LAST)

    def __str__(self):
        reply = {name: value for name, value in (self.reply or {}).items() if value not in (None, [], {}, "")}
        return f"[{self.client} {self.sent}..{self.answered} place {self.place} seen {self.seen}] {json.dumps(self.event)} -> {json.dumps(reply)}"


def check(ops, entries, model, restarts=False):
    """Raises Wrong; gives back how many operations the model has judged.  ${restarts}: the clock may have gone back to that of the newest entry."""
    entries = sorted(entries)
    check_once(ops, entries)
    check_real_time(ops)
    check_batches(ops)
    return check_answers(ops, entries, model, restarts)


# ---- each acknowledged command once, and nothing that nobody sent ----

def check_once(ops, entries):
    there = {}
    for entry in entries:
        if (entry.principal, entry.key) in there:
            raise Wrong("twice", f"{entry.key} of {entry.principal} has the entries {there[entry.principal, entry.key]} and {entry.place}")
        there[entry.principal, entry.key] = entry.place
    sent = {who for op in ops for who in op.asked()}
    for op in ops:
        if op.place is not None and there.get(op.who) != op.place:
            raise Wrong("lost", f"it was acknowledged as {op.place}, the ledger has {there.get(op.who)}", [op])
    for entry in entries:
        if (entry.principal, entry.key) not in sent:
            raise Wrong("foreign", f"nobody sent {entry}")


# ---- real time ----

def check_real_time(ops):
    """What was answered before another was sent comes before it: writes by their place, reads and refusals by what they have seen."""
    answered = sorted((op for op in ops if op.answered is not None), key=lambda op: op.answered)
    newest, done = None, 0
    for op in sorted(ops, key=lambda op: op.sent):
        while done < len(answered) and answered[done].answered < op.sent:
            if newest is None or answered[done].low() > newest.low():
                newest = answered[done]
            done += 1
        if newest is not None and (op.high() < newest.low() or op.place is not None and op.place == newest.low()):
            raise Wrong("stale" if op.place is None else "order", f"it was sent after another's answer, and comes before it: {op.high()} < {newest.low()}",
                        [newest, op])


def check_batches(ops):
    batches = {}
    for op in ops:
        if op.batch is not None and op.place is not None:
            batches.setdefault(op.batch, []).append(op)
    for batch in batches.values():
        batch.sort(key=lambda op: op.number)
        for one, other in zip(batch, batch[1:]):
            if one.place >= other.place:
                raise Wrong("order", "a later command of a batch comes before an earlier one", [one, other])


# ---- every answer is that of one point between the writes ----

class Window:
    """Of an operation without an entry: behind how many entries it may have happened, from `least` to `most`."""

    def __init__(self, op, least, most):
        self.op, self.least, self.most = op, least, most
        self.said = []              # what the model says instead, place by place


def windows(ops, places):
    """By real time: behind what was answered before it was sent, before what was sent after its answer; and by what its answer has seen."""
    index = {place: n for n, place in enumerate(places)}
    placed = [op for op in ops if op.place is not None]
    before = Bound([(op.answered, index[op.place] + 1) for op in placed if op.answered is not None], max)
    after = Bound([(-op.sent, index[op.place]) for op in placed], min)
    found = []
    for op in ops:
        if op.place is not None or op.answered is None:
            continue
        least, most = before.of(op.sent, 0), after.of(-op.answered, len(places))
        for other in placed:
            if op.batch is not None and other.batch == op.batch:
                if other.number < op.number:
                    least = max(least, index[other.place] + 1)
                else:
                    most = min(most, index[other.place])
        if op.seen is not None:
            most = min(most, bisect.bisect_right(places, (op.seen, LAST)))
            least = max(least, bisect.bisect_right(places, (op.seen, LAST) if op.read else (op.seen, -1)))
        if least > most:
            raise Wrong("stale", f"no point between the writes is left for it: behind {least} entries and before the {most}th", [op])
        found.append(Window(op, least, most))
    return found


class Bound:
    """The best of what is said at keys below one: pairs of (key, value)."""

    def __init__(self, pairs, best):
        pairs.sort()
        self.keys = [key for key, _ in pairs]
        self.values = []
        for _, value in pairs:
            self.values.append(value if not self.values else best(self.values[-1], value))

    def of(self, key, otherwise):
        n = bisect.bisect_left(self.keys, key)
        return self.values[n - 1] if n else otherwise


def clocks(op, model, until, moves):
    """What the ledger's clock may have stood at: where it stands, or where a command wanted it, up to the next entry's."""
    possible = [model.now] + sorted({at for at in moves if at > model.now and (until is None or op.read or at <= until)})
    said = model.clock_of(op.event, op.reply)
    return possible if said is None else [said] if said in possible else []


def check_answers(ops, entries, model, restarts):
    places = [entry.place for entry in entries]
    of = {}                             # the op that made the entry, or whose body it has
    for op in sorted(ops, key=lambda op: (op.place is None, not (op.reply or {}).get("replayed"), op.sent)):
        for who, event in op.asked().items():
            of.setdefault(who, (op, event))
    waiting = sorted(windows(ops, places), key=lambda window: window.least)
    moves = {op.event["at_us"] for op in ops if op.event.get("at_us") is not None}
    open_windows, judged, done = [], 0, []
    for n in range(len(entries) + 1):
        while waiting and waiting[0].least <= n:
            open_windows.append(waiting.pop(0))
        until = entries[n].now if n < len(entries) and not restarts else None
        open_windows, fitting = those_left(open_windows, n, model, lambda op, u=until: clocks(op, model, u, moves), done)
        judged += fitting
        if n < len(entries):
            op, event = of[entries[n].principal, entries[n].key]
            if op.place is not None and event.get("at_us") not in (None, entries[n].now):
                raise Wrong("state", f"it was to be decided at {event['at_us']}, and was at {entries[n].now}", [op])
            wanted = model.at(event | {"at_us": None}, entries[n].now)
            said = model.differs(event, op.reply, wanted) if op.place is not None else model.refuses(wanted)
            if said:
                raise Wrong("state", f"the model says {said}", about(op, done) + [op])
            judged += op.place is not None
            done.append(op)
    return judged


def about(op, done):
    """The last commands before it that have a member in common with it."""
    def members(one):
        return {event[name] for event in one.event.get("commands", [one.event]) for name in ("member", "to", "into", "head", "referrer") if event.get(name)}
    return [one for one in done if members(one) & members(op)][-8:]


def those_left(open_windows, n, model, clocks_of, done):
    left, fitting = [], 0
    for window in open_windows:
        if fits(window, model, clocks_of(window.op)):
            fitting += 1
        elif n < window.most:
            left.append(window)
        else:
            said = "; or ".join(dict.fromkeys(window.said))
            raise Wrong("state", f"no state between its sending and its answer explains it ({window.least} to {window.most} entries): {said}",
                        about(window.op, done) + [window.op])
    return left, fitting


def fits(window, model, clock):
    op = window.op
    if not clock:
        window.said.append(f"the clock stood at {model.now}, and it says {model.clock_of(op.event, op.reply)}")
    for now in clock:
        trial = model if op.read and now == model.now else model.copy()         # a read changes nothing but the clock
        wanted = trial.at(op.event, now)
        said = model.differs(op.event, op.reply, wanted)
        if not said:
            return True
        window.said.append(said)
    return False
