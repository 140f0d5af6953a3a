"""A network that delays, cuts, splits and resets, a daemon that is killed, stopped and started again, and clients that send until they have an answer.

At the end nothing that was acknowledged is lost, nothing is there twice, what was given up is there at most once, balances are the model's, a
terminal's numbers have no gap, every subscription got each transaction once, in order, and an audit passes.

The faults follow from the seed; a failure prints it.  FEALTY_SEED=7 makes the short cases play that one.
"""
import collections
import json
import os
import random
import subprocess
import threading
import time

import oracle
import players
from authority import Authority
from case import long, seconds, tell
from disturbance import Disturbance
from history import check
from proxy import Proxy
from test_oracle import entries_of
from wire import PATIENCE_SECONDS, Closed, Fatal
from world import BUILD, FEALTY, SOURCE, expect, skip

PROGRAM = {"id": "p", "name": "Plain", "timezone": "UTC", "currency": "USD", "points": {"unit": "point", "scale": 0}, "unknown_alias": "refuse",
           "earn": [{"id": "base", "priority": 10, "on": "purchase", "kind": "base", "per_amount": {"amount": "1.00", "points": "1", "whole_steps": True}}],
           "tiers": [{"id": "basic", "rank": 0},
                     {"id": "gold", "rank": 1, "reach": {"any": [{"all": [{"metric": "points_earned", "at_least": "200"}]}]}, "window": "lifetime",
                      "earn_multiplier": "1.5"}],
           "redemption": {"value": {"points": "1", "amount": "0.01"}}, "transfers": {}}
AT = "2026-01-01T00:00:00Z"
BY_TCP = ("backend/app", "backend/b", "pos/st1/01", "pos/st2/02")
ANSWER_SECONDS = 1.0            # after which a client takes a connection for lost
QUEUED = "pos/st9/09"


def shopping(dice, count, members):
    """Commands on a few members, many of which refuse each other."""
    events, holds, bought = [], [], []

    def add(op, **fields):
        events.append({"at": AT, "op": op, "key": f"k{len(events)}", **fields})
        return events[-1]
    for _ in range(count):
        member, kind = dice.choice(members), dice.random()
        if kind < .4 or not bought:
            bought.append(add("purchase", member=member, amount=f"{dice.randint(1, 40)}.00"))
        elif kind < .55:
            add("redeem", member=member, points=str(dice.randint(1, 30)))
        elif kind < .65:
            holds.append(add("hold", member=member, points=str(dice.randint(1, 20)), ttl="1h"))
        elif kind < .75 and holds:
            hold = dice.choice(holds)
            add(dice.choice(("capture", "release")), member=hold["member"], hold=hold["key"])
        elif kind < .83:
            add("return", member=dice.choice(bought)["member"], purchase=dice.choice(bought)["key"], amount=f"{dice.randint(1, 20)}.00")
        elif kind < .9:
            add("transfer", member=member, to=dice.choice([m for m in members if m != member]), points=str(dice.randint(1, 20)))
        elif kind < .95:
            events.append({"at": AT, "op": "balance", "member": member})
        else:
            events.append(dict(dice.choice([event for event in events if "key" in event])))
    return events


class Network:
    """A daemon behind two proxies, and how its clients get to it."""

    def __init__(self, world, seed, tls):
        self.world, self.seed, self.tls = world, seed, tls
        self.ledger = world.ledger(f"l{world.next_number()}")
        self.certificates, self.lock = {}, threading.Lock()
        self.authority = Authority(world.dir, f"ca{world.next_number()}") if tls else None
        self.server = self.authority.server() if tls else None
        self.proxies = [Proxy(f"{seed}-tcp"), Proxy(f"{seed}-unix", world.path(f"proxy{world.next_number()}.sock"))]
        self.dice = random.Random(seed)
        self.start()
        self.ledger.publish(json.dumps(PROGRAM), at=AT)

    def start(self):
        door = self.authority.options(self.server) if self.tls else ["--listen", "127.0.0.1:0", "--insecure-loopback"]
        self.ledger.start(*door, "--snapshot-seconds", "1", "--net-threads", "2")
        host, port = self.ledger.daemon.tcp_address().rsplit(":", 1)
        for proxy in self.proxies:
            proxy.upstream = (host, int(port))

    def certificate(self, principal):
        with self.lock:
            if principal not in self.certificates:
                self.certificates[principal] = self.authority.issue(principal)
            return self.certificates[principal]

    def connect(self, principal):
        with self.lock:
            proxy = self.dice.choice(self.proxies)
        tls = self.authority.context(self.certificate(principal)) if self.tls else None
        return players.TimedWire(proxy.address, principal, timeout=ANSWER_SECONDS, tls=tls)

    def options(self, principal):
        """For `fealty`."""
        if not self.tls:
            return ["--connect", self.proxies[0].address]
        c = self.certificate(principal)
        return ["--connect", self.proxies[0].address, "--tls-ca", self.authority.cert, "--tls-cert", c.cert, "--tls-key", c.key]

    def calm(self):
        for proxy in self.proxies:
            proxy.calm = True

    def close(self):
        for proxy in self.proxies:
            proxy.close()

    def counts(self):
        return self.proxies[0].counts + self.proxies[1].counts


class Worker(threading.Thread):
    """Something that goes on beside the others; result() raises what it raised."""

    def __init__(self, function):
        super().__init__(daemon=True)
        self.function, self.error, self.over = function, None, threading.Event()
        self.start()

    def run(self):
        try:
            self.function(self.over)
        except BaseException as e:
            self.error = e

    def result(self, limit):
        self.join(limit)
        assert not self.is_alive(), f"{self.function} did not end within {limit:.0f} s"
        if self.error is not None:
            raise self.error


class Follower:
    """A subscription that goes on behind the last seq that came, whatever becomes of its connection."""

    def __init__(self, network, principal):
        self.network, self.principal, self.leaves, self.resumed = network, principal, [], 0
        self.size = None                # how many there are to be at the end

    def follow(self, over):
        while not over.is_set() or len(self.leaves) < self.size:
            try:
                with self.network.connect(self.principal) as wire:
                    self.take(wire, over)
            except (Closed, Fatal, OSError):
                self.resumed += 1
                over.wait(.01)

    def take(self, wire, over):
        after = {"after": len(self.leaves) - 1} if self.leaves else {}
        tag = wire.subscribe(credits=1 << 20, **after)
        while not over.is_set() or len(self.leaves) < self.size:
            if tag not in wire.pushes:
                wire.take()
            for push in wire.pushes.pop(tag, []):
                assert push.first_seq == len(self.leaves) or not push.transactions, f"{push.first_seq} came where {len(self.leaves)} was to come"
                self.leaves += push.transactions


class QueuedTill:
    """A till with a queue on disk, which `fealty queue upload` (libfealty) sends."""

    def __init__(self, network, count):
        self.network, self.count, self.path = network, count, network.world.path(f"queue{network.world.next_number()}")
        self.uploads, self.killed, self.answers, self.dice = 0, 0, {}, random.Random(network.seed)
        lines = "".join(json.dumps({"op": "purchase", "member": "queued" if n % 10 else "nobody", "amount": "1.00", "occurred_at": AT}) + "\n"
                        for n in range(1, count + 1))
        network.ledger.cli("queue", "add", self.path, principal=QUEUED, stdin=lines)

    def upload(self, over):
        waiting, end = self.count, time.monotonic() + 6 * PATIENCE_SECONDS
        while waiting:
            assert time.monotonic() < end, f"{waiting} commands still wait after {self.uploads} uploads"
            waiting = self.one_upload(self.uploads < 3 and self.dice.uniform(.05, 1))

    def one_upload(self, killed_after):
        """How many commands still wait.  ${killed_after}: seconds, or false."""
        command = [FEALTY, "queue", "upload", self.path, "--json", "--size", "5", "--timeout", "20s", *self.network.options(QUEUED)]
        till = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            out, err = till.communicate(timeout=killed_after or 2 * PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            till.kill()
            out, err = till.communicate()
            assert killed_after, f"an upload does not end: {out[-500:]} {err}"
        self.uploads += 1
        self.killed += till.returncode < 0
        lines = [json.loads(line) for line in out.splitlines() if line.endswith("}")]
        self.answers |= {line["terminal_seq"]: line for line in lines if "terminal_seq" in line}
        assert till.returncode < 0 or lines and till.returncode in (0, 1, 3), (till.returncode, out[-500:], err)
        return lines[-1]["waiting"] if till.returncode >= 0 else self.count

    def check(self, books):
        """Each number once; the refused ones are no gap."""
        refused = {n for n, answer in self.answers.items() if answer.get("reason")}
        assert refused == {n for n in range(1, self.count + 1) if n % 10 == 0}, refused
        entries = {e.terminal_seq: name for name, e in books.entries() if e.principal == QUEUED}
        assert sorted(entries) == [n for n in range(1, self.count + 1) if n % 10], "a number is not there, or twice"
        for number, name in entries.items():
            assert self.answers[number]["id"] == name, (number, name, self.answers[number])
        rows = [row for page in self.network.ledger.cli("terminals").lines for row in page.get("terminals", []) if row["principal"] == QUEUED]
        expect(rows[0], last=max(entries), missing=0, repeats=0)
        return sum(n % 10 != 0 for n in range(1, self.count + 1))


class NodeTill:
    """A backend by the client for Node, chaos_till.mjs."""

    PRINCIPAL = "backend/node"

    def __init__(self, network, node, count):
        self.network, self.node, self.count, self.answers, self.transactions = network, node, count, {}, 0

    def run(self, _):
        options = {"address": self.network.proxies[0].address, "principal": self.PRINCIPAL, "member": "node", "count": self.count, "prefix": "n"}
        if self.network.tls:
            c = self.network.certificate(self.PRINCIPAL)
            options["tls"] = {"ca": self.network.authority.cert, "cert": c.cert, "key": c.key}
        done = subprocess.run([self.node, os.path.join(SOURCE, "tests", "fault", "chaos_till.mjs"), os.path.join(SOURCE, "client", "node"),
                               json.dumps(options)], capture_output=True, text=True, timeout=4 * PATIENCE_SECONDS, check=False)
        assert done.returncode == 0, f"chaos_till.mjs ends with {done.returncode}:\n{done.stderr[-3000:]}"
        *answers, end = [json.loads(line) for line in done.stdout.splitlines()]
        self.answers, self.transactions = {answer["key"]: answer["id"] for answer in answers}, end["transactions"]
        assert end["transactions"] >= end["newest"], end

    def check(self, books):
        assert len(self.answers) == self.count
        there = {e.request_id: name for name, e in books.entries() if e.principal == self.PRINCIPAL}
        assert {key: name for key, name in there.items() if key != "nlast"} == self.answers and len(there) == self.count + 1


def node_of():
    done = subprocess.run([os.path.join(SOURCE, "tests", "fault", "node.sh"), BUILD], capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        skip(done.stderr.strip().splitlines()[-1])
    return done.stdout.strip()


def enrolment(members):
    events = [{"at": AT, "op": "enrol", "key": f"e-{m}", "member": m, "principal": "operator/a", "at_us": None} for m in members]
    return [players.Parcel(n, "operator/a", [event], "one") for n, event in enumerate(events)]


def looks(members):
    """Everybody's balance at the end."""
    return [players.Parcel(n, "operator/a", [{"op": "balance", "member": m, "principal": "operator/a"}], "one") for n, m in enumerate(members)]


def check_all(network, play, tills, follower, others):
    """What holds at the end.  ${others}: points of members whose commands the play did not send."""
    ledger = network.ledger
    books = ledger.books()                      # signatures, chain, sums, and no request id twice
    refused = {who for op in play.ops if op.reply and op.reply["status"] != "OK" and op.reply["reason"] != "REQUEST_ID_REUSED" for who in op.asked()}
    answered = {op.who for op in play.ops if op.reply and op.reply["status"] == "OK"}
    network.late = len({(e.principal, e.key) for e in entries_of(books, BY_TCP)} & refused - answered)
    judged = check(play.ops, entries_of(books, (*BY_TCP, "operator/a")), oracle.Oracle([PROGRAM], oracle.instant(AT)), restarts=True)
    for member, earned in others.items():
        with ledger.wire() as wire:
            expect(wire.ok("balance", member=member), points_earned=str(earned), visits=earned)
    for till in tills:
        till.check(books)
    leaves = ledger.leaves()
    assert [bytes(leaf) for leaf in follower.leaves] == [bytes(leaf) for leaf in leaves], "the subscription has other transactions than the ledger"
    ledger.stop()
    expect(ledger.audit(), status="OK")
    return judged


def chaos(world, seed, tls, count, totals, node=None):
    network = Network(world, seed, tls)
    dice = random.Random(seed)
    members = ["m1", "m2", "m3"]
    play = players.Play(None, [], members, seed, window=300, abandons=60)
    direct = play.connect = lambda principal: players.TimedWire(network.ledger.address, principal)
    play.more(enrolment([*members, "queued", "node"]))
    play.connect = network.connect
    play.set_parcels(players.plan(shopping(dice, count, members), seed, BY_TCP))
    till, follower = QueuedTill(network, count // 3), Follower(network, "backend/app")
    tills, workers = [till], [Worker(follower.follow), Worker(till.upload)]
    if node:
        tills.append(NodeTill(network, node, count))
        workers.append(Worker(tills[1].run))
    disturbance = Disturbance(network.ledger, seed, network.start, waits=(.05, .4), stops=(.01, .3), restarts=True, most=count // 10)
    disturbance.start()
    try:
        patience = (2 if count < 100 else 6) * PATIENCE_SECONDS
        play.run(patience)
        for worker in workers[1:]:
            worker.result(patience)
    finally:
        disturbance.end()
        network.calm()
    with network.ledger.wire("auditor/e2e") as wire:
        follower.size = wire.hello_ok.size
    workers[0].over.set()
    workers[0].result(PATIENCE_SECONDS)
    network.close()
    play.connect = direct
    play.more(looks(members))
    totals["answers judged"] += check_all(network, play, tills, follower, {"queued": till.count - till.count // 10, "node": count + 1 if node else 0})
    totals["of the client for Node"] += count + 1 if node else 0
    count_up(totals, play, network, disturbance)
    totals["uploads"] += till.uploads
    totals["of them killed"] += till.killed
    totals["queued commands"] += till.count
    totals["subscriptions resumed"] += follower.resumed


def count_up(totals, play, network, disturbance):
    totals["seeds"] += 1
    totals["applied after a later sending was refused"] += network.late
    totals["commands"] += sum(not op.read for op in play.ops)
    totals["reads"] += sum(op.read for op in play.ops)
    totals["retries"] += play.retried
    totals["given up"] += play.abandoned
    assert any(op.place is not None for op in play.ops), "nothing was applied"
    for name, n in {**network.counts(), **disturbance.counts}.items():
        totals[name] += n


def rounds(world, seeds, tls, count, until=None, node=None):
    totals = collections.Counter()
    for seed in seeds:
        if until is not None and time.monotonic() > until:
            break
        try:
            chaos(world, seed, tls, count, totals, node)
        except Exception as e:
            raise AssertionError(f"seed {seed}{' with TLS' if tls else ''}") from e
    tell(f"from seed {seeds[0]}: " + ", ".join(f"{n} {what}" for what, n in totals.items() if n))


def chosen(seeds):
    return [int(os.environ["FEALTY_SEED"])] * 3 if os.environ.get("FEALTY_SEED") else seeds


def test_without_tls(world):
    rounds(world, chosen([1]), False, 80)


def test_with_tls(world):
    rounds(world, chosen([2]), True, 60)


def test_the_client_for_node(world):
    rounds(world, chosen([3]), False, 50, node=node_of())


@long
@seconds(480)
def test_many_seeds(world):
    rounds(world, range(100, 400), False, 300, until=time.monotonic() + 330)


@long
@seconds(480)
def test_many_seeds_with_tls(world):
    rounds(world, range(500, 800), True, 300, until=time.monotonic() + 330)


@long
@seconds(480)
def test_the_client_for_node_with_tls(world):
    rounds(world, range(900, 1000), True, 200, until=time.monotonic() + 240, node=node_of())
