"""Plays the events of a generated case from several connections at once, and keeps what each saw.

Which connection sends what, and in what parcels, follows from the seed; what overtakes what does not.  No connection begins an event that is more
than WINDOW behind the oldest that is not answered, so that time in the case goes on for all alike.
"""
import random
import threading
import time

import oracle
from history import Op
from wire import PATIENCE_SECONDS, Closed, Fatal, Wire, pb

WINDOW = 10
PRINCIPALS = ("operator/a", "operator/b", "backend/app", "pos/st1/01", "pos/st2/02")


class TimedWire(Wire):
    """Knows when each answer came."""

    def __init__(self, *arguments, **options):
        self.came = {}
        super().__init__(*arguments, **options)

    def take(self):
        before = set(self.answers)
        super().take()
        now = time.monotonic_ns()
        for tag in self.answers.keys() - before:
            self.came[tag] = now


class Parcel:
    """What is sent at once: commands one after the other in a pipeline, or a BATCH of them."""

    def __init__(self, first, principal, events, kind):
        self.first, self.principal, self.events, self.kind = first, principal, events, kind


def store_of(principal):
    return principal.split("/")[1] if principal.startswith("pos/") else None


def may_send(principal, event):
    """A till speaks for its own store only.  What its role may not is sent all the same, now and then."""
    return store_of(principal) is None or event.get("store") in (None, store_of(principal))


def as_sent(event, principal, clock):
    """The event as it is sent, and as the model sees it: at a till that does not say the store it is the till's."""
    sent = {name: value for name, value in event.items() if name not in ("at", "expect")}
    sent["principal"] = principal
    if store_of(principal) and "store" not in event:
        sent |= {"store": store_of(principal), "store_unsaid": True}
    at = oracle.instant(event["at"])
    if event["op"] in oracle.READS or at == clock:
        return sent, clock
    return sent | {"at_us": at}, at


def plan(events, seed, principals=PRINCIPALS):
    """Parcels, in the order of the events.  Every request id belongs to one principal, and so do all that repeat it."""
    dice = random.Random(seed)
    owners, parcels, clock = {}, [], None
    for event in events:
        allowed = [p for p in principals if may_send(p, event)]
        fitting = [p for p in allowed if event["op"] not in oracle.FORBIDDEN[oracle.role(p)]]
        principal = dice.choice(allowed if dice.random() < .04 else fitting)
        if event.get("key"):
            principal = owners.setdefault(event["key"], principal)
        sent, clock = as_sent(event, principal, clock)
        last = parcels[-1] if parcels else None
        joins = last is not None and last.principal == principal and len(last.events) < 6 and dice.random() < .6
        if joins and fits_in(last, sent):
            last.events.append(sent)
        else:
            kind = dice.choice(("one", "pipeline", "pipeline", "batch", "atomic"))
            kind = "one" if kind in ("batch", "atomic") and sent["op"] in oracle.READS else kind
            kind = "batch" if kind == "atomic" and "at_us" in sent else kind       # which is of one instant
            parcels.append(Parcel(0, principal, [sent], kind))
    first = 0
    for parcel in parcels:
        parcel.first = first
        first += len(parcel.events)
    return parcels


def fits_in(parcel, event):
    if parcel.kind == "one":
        return False
    if parcel.kind == "pipeline":
        return True
    twice = any(event.get("key") == other.get("key") for other in parcel.events)
    return event["op"] not in oracle.READS and not twice and not (parcel.kind == "atomic" and event.get("at_us"))


def look(parcels, events, principal="operator/a"):
    """The same events, one after the other, each as of its own instant."""
    first = parcels[-1].first + len(parcels[-1].events) if parcels else 0
    return [Parcel(first + n, principal, [as_sent(event, principal, None)[0] | {"at_us": oracle.instant(event["at"])}], "one")
            for n, event in enumerate(events)]


class Play:
    """One run of a plan against a daemon."""

    def __init__(self, connect, parcels, members, seed, *, readers=2, window=WINDOW, abandons=0):
        """${abandons}: how often of a thousand a command whose connection was lost is not sent again."""
        self.window, self.abandons, self.dice = window, abandons, random.Random(seed)
        self.connect, self.members, self.seed = connect, members, seed
        self.ops, self.rows = [], []            # rows: histories that were read
        self.lock = threading.Condition()
        self.set_parcels(parcels)
        self.failed = None
        self.names = iter(range(1 << 30))
        self.sent_again = self.retried = self.abandoned = 0
        self.readers = readers
        self.over = False

    def set_parcels(self, parcels):
        self.parcels = list(parcels)
        self.open = {parcel.first: parcel for parcel in parcels}

    def run(self, seconds=4 * PATIENCE_SECONDS):
        threads = [threading.Thread(target=self.guarded, args=(self.till, principal, n), daemon=True)
                   for principal in sorted({parcel.principal for parcel in self.parcels}) for n in range(2)]
        watchers = [threading.Thread(target=self.guarded, args=(self.watch, "backend/app", n), daemon=True) for n in range(self.readers)]
        for thread in threads + watchers:
            thread.start()
        end = time.monotonic() + seconds
        for thread in threads:
            thread.join(max(0, end - time.monotonic()))
        self.over = True
        for thread in watchers:
            thread.join(max(1, end - time.monotonic()))
        if self.failed is not None:
            raise self.failed
        hung = [thread.name for thread in threads + watchers if thread.is_alive()]
        assert not hung, f"{hung} have no answer within {seconds:.0f} s; open: {[p.events for p in list(self.open.values())[:3]]}"
        return self

    def more(self, parcels):
        """One after the other, all as one principal."""
        link = Link(self, parcels[0].principal, "alone")
        for parcel in parcels:
            link.play(parcel)
        link.close()

    def guarded(self, function, *arguments):
        try:
            function(*arguments)
        except BaseException as e:
            with self.lock:
                self.failed = self.failed or e
                self.over = True
                self.lock.notify_all()

    # ---- parcels ----

    def next_parcel(self, principal):
        """The next of this principal, when it is not too far ahead of the others; None: there is none any more."""
        with self.lock:
            while True:
                mine = [p for p in self.parcels if p.principal == principal]
                if not mine or self.failed is not None:
                    return None
                if mine[0].first < min(self.open) + self.window:
                    self.parcels.remove(mine[0])
                    return mine[0]
                self.lock.wait(.1)

    def done(self, parcel):
        with self.lock:
            del self.open[parcel.first]
            self.lock.notify_all()

    def till(self, principal, number):
        link = Link(self, principal, f"{principal}#{number}")
        while (parcel := self.next_parcel(principal)) is not None:
            link.play(parcel)
            self.done(parcel)
        link.close()

    # ---- reads that nobody asked for ----

    def watch(self, principal, number):
        dice = random.Random(f"{self.seed}-{number}")
        link = Link(self, principal, f"{principal}#w{number}")
        while not self.over:
            member = dice.choice(self.members)
            op = "history" if dice.random() < .25 else "balance"
            link.play(Parcel(-1, principal, [{"op": op, "member": member, "principal": principal} for _ in range(dice.randint(1, 3))], "pipeline"))
            time.sleep(dice.random() / 200)
        link.close()


class Link:
    """A connection that is made again when it is lost; what was in flight is sent again, under the same request ids."""

    def __init__(self, play, principal, name):
        self.owner, self.principal, self.name, self.wire = play, principal, name, None

    def close(self):
        if self.wire is not None:
            self.wire.close()
            self.wire = None

    def play(self, parcel):
        first_sent = {}
        while parcel.events:
            try:
                self.wire = self.wire or self.owner.connect(self.principal)
                again = (self.play_batch if parcel.kind in ("batch", "atomic") else self.play_pipeline)(parcel, first_sent)
                parcel = Parcel(-1, self.principal, again, "pipeline")
            except (Closed, Fatal, OSError) as why:
                self.lost(parcel, first_sent, why)

    def lost(self, parcel, first_sent, why):
        """The connection.  Commands that were sent may have been applied or not; some are given up, the others are sent again."""
        self.close()
        owner = self.owner
        with owner.lock:
            owner.sent_again += 1
            if owner.failed is not None:
                raise owner.failed from why
            given_up = [e for e in parcel.events if e.get("key") in first_sent and owner.dice.randrange(1000) < owner.abandons and parcel.kind != "atomic"]
            owner.ops += [Op(self.name, event, first_sent[event["key"]]) for event in given_up]
            owner.abandoned += len(given_up)
            parcel.events = [event for event in parcel.events if not any(event is gone for gone in given_up)]
            owner.retried += sum(event.get("key") in first_sent for event in parcel.events)
            owner.lock.wait(.005)

    def note(self, event, sent, tag, response, **more):
        came = self.wire.came[tag]
        reply = oracle.plain(response)
        read = event["op"] in (*oracle.READS, "history")
        assert reply.get("reason") not in ("UNKNOWN", "INTERNAL", "RATE_LIMITED", "DATA_LOSS"), f"{event}: {reply}"
        seen = response.seq if response.HasField("seq") else None
        place = tuple(map(int, response.id.split("."))) if response.id and not response.replayed else None
        if response.id and seen is not None:
            assert int(response.id.split(".")[0]) <= seen, f"it says that it has seen no more than {seen}, and names {response.id}: {reply}"
        op = Op(self.name, event, sent, came, reply, read=read, place=place, seen=seen, **more)
        with self.owner.lock:
            if event["op"] == "history":
                self.owner.rows.append((op, [row.id for row in response.history], response.next_before))
            self.owner.ops.append(op)

    def play_pipeline(self, parcel, first_sent):
        """Gives back what is to be sent once more.  What was answered before the connection was lost leaves the parcel."""
        open_tags, again = {}, []
        for event in parcel.events:
            sent = first_sent.setdefault(event["key"], time.monotonic_ns()) if event.get("key") else time.monotonic_ns()
            open_tags[self.wire.start_request(oracle.request_of(event))] = event, sent
        try:
            while open_tags:
                self.wire.take()
                again += self.those_that_came(parcel, open_tags)
        except (Closed, Fatal, OSError):
            again += self.those_that_came(parcel, open_tags)
            parcel.events += again
            raise
        return parcel.events + again

    def those_that_came(self, parcel, open_tags):
        again = []
        for tag in self.wire.answers.keys() & open_tags.keys():
            event, sent = open_tags.pop(tag)
            response = self.wire.answers.pop(tag)
            if response.reason == "UNAVAILABLE":        # the daemon is about to end, or begins
                continue
            self.note(event, sent, tag, response)
            parcel.events = [other for other in parcel.events if other is not event]
            again += late(event, response)
        return again

    def play_batch(self, parcel, first_sent):
        for event in parcel.events:
            sent = first_sent.setdefault(event["key"], time.monotonic_ns())
        events, atomic = [dict(event, in_batch=True) for event in parcel.events], parcel.kind == "atomic"
        tag = self.wire.start_batch([oracle.request_of(event) for event in events], atomic=atomic)
        answer = self.wire.wait(tag)
        name = (self.name, tag, sent)
        if "UNAVAILABLE" in {answer.outcome.reason, *(one.reason for one in answer.results)}:
            raise Closed("the daemon is about to end")
        if answer.outcome.status != pb.OK:
            assert atomic and not answer.results, answer
            self.note({"op": "batch", "principal": self.principal, "key": None, "commands": events, "atomic": True}, sent, tag, answer.outcome)
            return []
        again = []
        for n, (event, response) in enumerate(zip(events, answer.results, strict=True)):
            self.note(event, sent, tag, response, batch=name, number=n)
            again += late(event, response)
        return again


def late(event, response):
    """What came after the clock had been moved on is sent once more, as of now; a refused command leaves its request id free."""
    if response.field != "at" or event["op"] in oracle.READS:
        return []
    return [{name: value for name, value in event.items() if name not in ("at_us", "in_batch")}]
