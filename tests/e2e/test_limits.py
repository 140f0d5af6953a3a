"""What a peer can have of the server: each limit with its reason and its counter; clients that come again; principals that take turns."""
import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import fealty_pb2 as pb
import programs
from case import alone, plain_build, reduced, seconds
from test_admin import Metrics, port
from wire import REQUEST, SLOWNESS, Fatal, Wire, frame, request
from world import BUILD, SOURCE, eventually, expect, run_fealty

TCP = ("--listen", "127.0.0.1:0", "--insecure-loopback", "--admin", "127.0.0.1:0")
BENCH = os.path.join(BUILD, "tools", "fealty-bench")


def started(world, *arguments, access=None, **options):
    more = ["--access", world.write("access.yaml", access)] if access else []
    ledger = world.running(programs.PLAIN, *TCP, *arguments, *more, **options)
    with ledger.wire() as op:
        op.ok("enrol", member="m")
    return ledger


def tcp(ledger, principal="pos/1/1"):
    return Wire(ledger.daemon.tcp_address(), principal)


def reached(ledger):
    """How often each limit was, by /metrics."""
    samples = Metrics(port(ledger)).samples
    return {labels.split('"')[1]: int(v) for (name, labels), v in samples.items() if name == "fealty_limit_reached_total"}


def limited(answer, limit):
    assert (answer.status, answer.reason, answer.field, answer.retryable) == (8, "RATE_LIMITED", limit, True), answer
    assert 1 <= answer.retry_after_ms <= 120000 and limit in answer.message and not answer.id, answer
    return answer


@reduced
def test_commands_a_second(world):
    ledger = started(world, "--limit", "principal_commands_per_second=5", "--limit", "principal_commands_burst=10")
    size = len(ledger.leaves())
    with tcp(ledger) as one, tcp(ledger) as two, tcp(ledger, "pos/1/2") as other:
        done = [wire.call("purchase", member="m", amount="1") for _ in range(10) for wire in (one, two)]
        assert 10 <= sum(a.status == 0 for a in done) <= 13, done          # both connections have one share, and some time passed
        refused = limited(next(a for a in reversed(done) if a.status), "principal_commands_per_second")
        assert refused.retry_after_ms <= 201
        applied = sum(a.status == 0 for a in done)
        assert len(ledger.leaves()) == size + applied, "a refusal writes nothing"
        # reads and subscriptions count as well, and another principal is not concerned
        while one.call("balance", member="m").status == 0:
            pass
        limited(one.call("balance", member="m"), "principal_commands_per_second")
        limited(one.wait(one.subscribe()), "principal_commands_per_second")
        assert one.ping() == 7
        other.ok("purchase", member="m", amount="1")
        # the time that it tells is enough
        answer = one.call("purchase", member="m", amount="1", key="again")
        while answer.status:
            time.sleep(limited(answer, "principal_commands_per_second").retry_after_ms / 1000)
            answer = one.call("purchase", member="m", amount="1", key="again")
        expect(answer, replayed=False)
        # by the UNIX socket the defaults hold for nobody
        with ledger.wire("pos/1/1") as local:
            for _ in range(30):
                local.ok("balance", member="m")
    counts = reached(ledger)
    assert counts["principal_commands_per_second"] >= 10 and sum(counts.values()) == counts["principal_commands_per_second"], counts
    ledger.stop()


def test_a_batch_counts_its_commands(world):
    ledger = started(world, "--limit", "principal_commands_per_second=50", "--limit", "principal_commands_burst=100")
    with tcp(ledger) as wire:
        batch = [request("purchase", member="m", amount="1") for _ in range(200)]
        assert wire.batch(batch, key="b").outcome.status == 0             # as a whole, in advance
        answer = wire.batch(batch, key="c")
        assert not answer.results and limited(answer.outcome, "principal_commands_per_second").retry_after_ms > 1000, answer
        limited(wire.call("balance", member="m"), "principal_commands_per_second")
    ledger.stop()


def test_bytes_a_second(world):
    ledger = started(world, "--limit", "principal_bytes_per_second=20000", "--limit", "principal_bytes_burst=50000")
    lines = [{"sku": f"sku-{i:050d}", "qty": 1, "amount": "1"} for i in range(150)]
    with tcp(ledger) as wire:
        answers = [wire.call("quote", member="m", amount="150", lines=lines) for _ in range(10)]
        assert 4 <= sum(a.status == 0 for a in answers) <= 7, [a.reason for a in answers]
        limited(answers[-1], "principal_bytes_per_second")
        # what has no answer that could refuse it is read more slowly
        begun = time.monotonic()
        for _ in range(10):
            wire.ping()
        assert time.monotonic() - begun > 0.3, "ten pings, and a rest after each"
    assert reached(ledger)["principal_bytes_per_second"] >= 10
    ledger.stop()


def test_who_does_not_heed_is_read_slowly(world):
    ledger = started(world, "--limit", "principal_commands_per_second=1", "--limit", "principal_commands_burst=1")
    with tcp(ledger) as wire:
        begun = time.monotonic()
        tags = [wire.start("balance", member="m") for _ in range(40)]
        assert sum(wire.wait(tag).status == 0 for tag in tags) <= 4
        assert time.monotonic() - begun > 0.8, "after sixteen refusals in a row each costs a rest"
    ledger.stop()


def test_in_flight(world):
    access = "principals:\n  pos/1/*: {limits: {principal_in_flight: 20, connection_in_flight: 8}}\n  pos/3/*: {limits: {connection_in_flight: 8}}\n"
    ledger = started(world, access=access)
    with ledger.wire("pos/1/1") as wire:
        assert wire.hello_ok.in_flight_max == 8
        for _ in range(8):
            wire.start_batch([request("purchase", member="m", amount="1") for _ in range(10)], key="x")
        answers = [wire.wait(tag) for tag in sorted(wire.batches)]
        refused = [a for a in answers if a.outcome.status]
        assert 1 <= len(refused) <= 7, answers
        assert limited(refused[0].outcome, "principal_in_flight").retry_after_ms == 100
        # nothing in flight: one batch of any size may go
        assert wire.batch([request("purchase", member="m", amount="1") for _ in range(30)], key="y").outcome.status == 0
    with ledger.wire("pos/3/1") as wire:
        wire.socket.sendall(b"".join(frame(REQUEST, request("purchase", member="m", amount="1"), tag) for tag in range(1, 10)))
        wire.expect_fatal("TOO_MANY_IN_FLIGHT", tag=9)
    with ledger.wire("pos/2/1") as wire:
        assert wire.hello_ok.in_flight_max == 64
    counts = reached(ledger)
    assert counts["principal_in_flight"] >= 1 and counts["connection_in_flight"] == 1, counts
    ledger.stop()


@reduced
def test_connections(world):
    ledger = started(world, "--limit", "principal_connections=2", "--limit", "address_connections=5", "--limit", "connections=9")
    open_ones = [tcp(ledger), tcp(ledger)]

    def refused(what, limit):
        try:
            what()
        except Fatal as fatal:
            assert fatal.reason == "TOO_MANY_CONNECTIONS" and limit in fatal.error.message, fatal
        else:
            raise AssertionError(f"{limit} did not refuse")
    refused(lambda: tcp(ledger), "principal_connections")
    open_ones += [tcp(ledger, f"pos/1/{i}") for i in range(2, 5)]
    refused(lambda: tcp(ledger, "pos/1/9"), "address_connections")
    open_ones += [ledger.wire(f"pos/2/{i}") for i in range(4)]
    refused(ledger.wire, "(limit connections)")
    counts = reached(ledger)
    assert (counts["principal_connections"], counts["address_connections"], counts["connections"]) == (1, 1, 1), counts
    for wire in open_ones:
        wire.ok("balance", member="m")
        wire.close()
    eventually(lambda: tcp_or_none(ledger), "room again")
    ledger.stop()


def tcp_or_none(ledger):
    try:
        with tcp(ledger) as wire:
            return wire.ok("balance", member="m")
    except Fatal:
        return None


def test_subscriptions(world):
    access = "principals:\n  backend/a: {programs: all, limits: {principal_subscriptions: 3, connection_subscriptions: 2}}\n"
    ledger = started(world, access=access)
    with ledger.wire("backend/a") as one, ledger.wire("backend/a") as two:
        tags = [one.subscribe(credits=0), one.subscribe(credits=0), two.subscribe(credits=0)]
        assert one.refused("CAP_REACHED", "subscribe").field == "connection_subscriptions"
        assert two.refused("CAP_REACHED", "subscribe").field == "principal_subscriptions"
        one.cancel(tags[0])
        one.wait(tags[0])
        two.cancel(two.subscribe(credits=0))
    eventually(lambda: ledger.daemon.log().count("conn.closed") >= 4, "they are gone")
    with ledger.wire("backend/a") as again:
        again.subscribe(credits=0)
        again.subscribe(credits=0)
        assert again.ping() == 7
    counts = reached(ledger)
    assert (counts["connection_subscriptions"], counts["principal_subscriptions"]) == (1, 1), counts
    ledger.stop()


def test_an_address(world):
    """Many tills behind one address: together they have the address's share, and each its own of it."""
    ledger = started(world, "--limit", "address_commands_per_second=10", "--limit", "address_commands_burst=30", "--limit", "principal_commands_per_second=5",
                     "--limit", "principal_commands_burst=10")
    tills = [tcp(ledger, f"pos/1/{i}") for i in range(1, 6)]
    greedy = [tills[0].call("balance", member="m") for _ in range(100)]
    limited(greedy[-1], "principal_commands_per_second")                  # alone it cannot use up what all have
    answers = [till.call("balance", member="m") for _ in range(8) for till in tills[1:]]
    assert {a.field for a in answers if a.status} == {"address_commands_per_second"}, {a.field for a in answers}
    assert sum(a.status == 0 for a in answers) >= 15
    with ledger.wire("pos/1/1") as local:
        local.ok("balance", member="m")
    ledger.stop()


def test_options(world):
    ledger = world.ledger()

    def refused(*arguments):
        done = subprocess.run([os.path.join(BUILD, "daemon", "fealtyd"), "--data", ledger.data, "--socket", ledger.socket, *arguments],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 2, done
        return done.stderr
    assert "there is no limit `speed'; there are connections, connection_in_flight," in refused("--limit", "speed=5")
    assert "connection_in_flight takes a number from 1 to 64" in refused("--limit", "connection_in_flight=65")
    assert "takes a number" in refused("--limit", "connections")
    text = subprocess.run([os.path.join(BUILD, "daemon", "fealtyd"), "--help"], capture_output=True, text=True, check=True).stdout
    with open(os.path.join(SOURCE, "proto", "WIRE.md"), encoding="utf-8") as f:
        wire_md = f.read()
    ledger.start(*TCP)
    ledger.publish()
    names = reached(ledger)
    assert len(names) == 13 and not any(names.values()), names
    for name in names:
        assert f"  {name}=" in text and f"`{name}`" in wire_md, name
    ledger.stop()


def test_our_clients_come_again(world):
    ledger = started(world, "--limit", "principal_commands_per_second=4", "--limit", "principal_commands_burst=1")
    env = {"FEALTY_CONNECT": ledger.daemon.tcp_address()}
    for i in range(3):
        done = run_fealty(["purchase", "m", "1", "--as", "pos/1/1", "--key", f"p{i}", "--json"], env=env)
        assert done.code == 0, done
    assert reached(ledger)["principal_commands_per_second"] >= 1
    with ledger.wire() as op:
        expect(op.ok("balance", member="m"), available="3")
    ledger.stop()


# ---- fairness ----

def order_of(entry_id):
    return tuple(int(part) for part in entry_id.split("."))


@reduced
def test_batches_are_parted_and_answered_whole(world):
    """While a till sends one by one, the batches of another go on in parts, with the till's commands between them.  Each command of theirs is signed by
    itself, for its receipt, so that a batch is longer than a flush on any disk."""
    ledger = started(world, clock="real")
    n, rounds, singles, parted = 400, 0, [], False
    with ledger.wire() as op:
        op.ok("enrol", member="n")
    with ledger.wire("pos/1/2") as greedy, ledger.wire("pos/1/1") as till, ThreadPoolExecutor() as pool:
        while not parted and rounds < 5:          # nobody promises that this process gets a turn, when the machine is busy
            bodies = [pb.Batch(commands=[request("purchase", member="n", amount="1", key=f"b{rounds}.{i}.{k}", want_receipt=True,
                                                 terminal_seq=(rounds * 8 + i) * n + k + 1) for k in range(n)]).SerializeToString() for i in range(8)]
            sent = pool.submit(lambda: [greedy.wait(tag) for tag in [greedy.start_batch_message(body) for body in bodies]])
            while not sent.done():
                singles.append(till.ok("purchase", member="m", amount="1").id)
            parted = check_batches(sent.result(), n, singles)
            rounds += 1
    assert parted, "no command of the till came between those of a batch"
    with ledger.wire() as op:
        expect(op.ok("balance", member="n"), available=str(rounds * 8 * n))
        expect(op.ok("balance", member="m"), available=str(len(singles)))
        assert [(r.last, r.missing) for r in op.ok("terminals", principal="pos/1/2").terminals] == [(rounds * 8 * n, 0)]
    ledger.stop()
    expect(ledger.audit(), status="OK")


def check_batches(batches, n, singles):
    """Each whole and in its order, one after another; whether one of the singles came within one."""
    for batch in batches:
        assert batch.outcome.status == 0 and len(batch.results) == n, batch.outcome
        assert all(r.status == 0 and not r.terminal_gap and not r.terminal_repeat for r in batch.results)
    of_batches = [[order_of(r.id) for r in b.results] for b in batches]
    assert all(ids == sorted(ids) for ids in of_batches) and sum(of_batches, []) == sorted(sum(of_batches, []))
    return any(ids[0] < order_of(one) < ids[-1] for ids in of_batches for one in singles)


ACME = os.path.join(SOURCE, "packaging", "examples", "acme.yaml")


def bench(ledger, principal, prefix, *arguments, background=False):
    words = [BENCH, "--address", ledger.address, "--principal", principal, "--prefix", prefix, "--json", *map(str, arguments)]
    if background:
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60 * SLOWNESS)
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def till_p99_ms(ledger):
    return bench(ledger, "pos/1/1", "till", "-c", 1, "-m", 50, "-s", 2)["latency_us"]["p99"] / 1000


def ratio_under(ledger, *greed):
    """A till's p99 beside a greedy one, by its p99 right before and right after, in this run, on this machine."""
    before = till_p99_ms(ledger)
    greedy = bench(ledger, "pos/1/greedy", "greedy", "-m", 500, "-s", 4, *greed, background=True)
    time.sleep(1)
    during = till_p99_ms(ledger)
    greedy.communicate()
    after = till_p99_ms(ledger)
    print(f"greedy {greed}: p99 {before:.2f} and {after:.2f} ms alone, {during:.2f} ms beside it")
    return during / max(before, after)


@alone
@plain_build
@seconds(240)
def test_a_greedy_till_does_not_push_the_others(world):
    """Tries again: this is about the order in which works are taken, and not about what else this machine does just now."""
    ledger = world.running(None, clock="real")
    assert run_fealty(["program", "publish", ACME, "--json"], env={"FEALTY_CONNECT": ledger.address}).code == 0
    for greed in (("-c", 64, "-d", 16), ("-c", 4, "-b", 1000)):
        ratios = []
        while len(ratios) < 5 and (not ratios or min(ratios) > 3):
            ratios.append(ratio_under(ledger, *greed))
        print(f"{greed}: {ratios}")
        assert min(ratios) <= 3, f"{greed}: {ratios}"
    ledger.stop()
