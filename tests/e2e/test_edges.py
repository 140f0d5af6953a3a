"""Where parts that were made side by side meet: the largest replies, the slowest readers, what is said to nobody."""
import json
import os
import signal
import stat
import time

from case import long, seconds
import liar
import test_disk as disk
import test_offline as offline
import test_webhook as webhook
from test_events import lived
from test_people import DAY as PEOPLE_DAY
from test_people import PEOPLE
from wire import PUSH, keyless, pb, request
from world import eventually, expect, run_fealty

LONG = "v" * 32
MANY = f"""
id: many
name: Many
timezone: UTC
currency: USD
points: {{unit: point, scale: 0}}
earn: [{{id: base, priority: 10, on: purchase, kind: base, per_amount: {{amount: "1", points: "1", whole_steps: true}}}}]
vouchers: [{{id: {LONG}, name: {"N" * 60}}}]
redemption: {{value: {{points: "100", amount: "1"}}}}
auto_redeem: {{at: "1", voucher: {LONG}}}
returns: {{used_voucher: keep}}
"""
MONDAY = "2026-03-02T10:00:00Z"


def test_a_batch_that_issues_more_vouchers_than_a_reply_can_name(world):
    """Each command brings 400: their ids alone are 14 KB, and the answer to a batch has 1 MiB."""
    ledger = world.running(MANY)
    with ledger.wire("backend/app") as wire:
        members = [f"m{i}" for i in range(120)]
        r = wire.batch([keyless("enrol", member=m, at=MONDAY) for m in members], key="e")
        assert all(one.status == pb.OK for one in r.results)
        for round in range(2):
            r = wire.batch([keyless("purchase", member=m, amount="400") for m in members], key="p")
            assert len(r.results) == len(members) and all(one.status == pb.OK and one.replayed == (round == 1) for one in r.results), r.outcome
            assert all(one.ByteSize() <= 1032 for one in r.results)
        one = wire.ok("balance", member="m7")
        assert list(one.vouchers) == [LONG] * 400, len(one.vouchers)
        alone = wire.ok("purchase", member="m7", amount="400", key="alone")
        assert list(alone.issued) == [LONG] * 400 and len({c.code for c in alone.codes}) == 400
    ledger.stop()
    ledger.audit()


def test_no_command_stops_a_queue(world):
    """Whatever a till queued, each command gets an answer: one that the server refuses as nonsense holds up nobody behind it."""
    ledger = offline.opened(world)
    queue = world.path("queue")
    odd = [{"member": "x" * 4000}, {"member": ""}, {"member": "a\u0001b"}, {"member": "\U0001f600" * 60}, {"amount": "1e9"}, {"amount": ""},
           {"amount": "9" * 400}, {"amount": "-1"}, {"at": "2026-01-01T00:00:00Z"}, {"program": "none"}, {"program": ""},
           {"want_receipt": True}, {"deadline_ms": 1},
           {"store": "0042"}, {"partner": "p" * 300}, {"receipt_no": "r" * 2000}, {"lines": [{"sku": "s"}] * 500}, {"paid_with_points": "5"},
           {"occurred_at": "1970-01-01T00:00:00Z"}, {"occurred_at": "9999-12-31T23:59:59Z"},
           {"terminal_refused": [{"first": 9, "last": 1}]}, {"terminal_seq": 77}, {"key": "same"}, {"lines": [{"sku": "x" * 2000, "amount": "1"}] * 20}]
    added = 0
    for one in odd:
        done = offline.add(ledger, queue, [{**offline.purchase("1"), **one}], code=None)
        assert done.code in (0, 2) and (done.code == 0 or done.json["message"]), done
        added += done.code == 0
        offline.add(ledger, queue, [offline.purchase("1")])
        added += 1
    answers, end = offline.upload(ledger, queue, "--timeout", "20s", code=None)
    assert end["waiting"] == 0 and len(answers) == added and end["applied"] >= len(odd), end
    assert not any(a.get("retryable") for a in answers)
    # unpacks into more than a server holds for one batch
    offline.add(ledger, queue, [{**offline.purchase("1"), "lines": [{}] * 5000}] * 120 + [offline.purchase("1")])
    added += 121
    answers, end = offline.upload(ledger, queue, "--timeout", "30s", code=None)
    assert len(answers) == 121 and end["waiting"] == 0, end
    (row,) = offline.terminals(ledger)
    expect(row, last=added, missing=0, repeats=0)
    ledger.stop()
    ledger.audit()


def test_a_name_in_a_file_is_printed_as_text(world):
    """A name of the old system may hold what a terminal obeys, another encoding, or be cut in the middle of a character."""
    ledger = world.running(MANY)
    rows = [b"member,points", b"\x1b[31mred,5", b"caf\xe9,5", "\uac00".encode() * 60 + b",5", b"tab\tbed,x"]
    path = world.path("old.csv")
    with open(path, "wb") as f:
        f.write(b"\n".join(rows) + b"\n")
    for arguments in ([], ["--dry-run"]):
        said = ledger.cli("import", "--opening", *arguments, path, code=1, json_output=False)
        assert not any(ord(c) < 32 and c != "\n" for c in said.out + said.err), said
        refusals = ledger.cli("import", "--opening", *arguments, path, code=1).json["refusals"]
        assert [r["line"] for r in refusals] == [2, 3, 4, 5, 5], refusals
        assert all("is no name" in r["message"] or "points are" in r["message"] for r in refusals), refusals
    with open(path, "wb") as f:
        f.write(b"member,\x1b]0;x\x07\xff\n")
    said = ledger.cli("import", "--opening", path, code=2, json_output=False)
    assert "names columns" in said.err and "\x1b" not in said.err, said


def files_below(*directories):
    return [os.path.join(root, name) for directory in directories for root, _, names in os.walk(directory) for name in names]


def test_secrets_stay_where_they_belong(world):
    """Keys, codes, the secret of a webhook and names of people: in no log, argument, error, nor in a file that others may read."""
    ledger = world.running(MANY, "--log-level", "debug")
    name, secret = "card:880055512345", world.path("secret")
    receiver = webhook.Receiver()
    webhook.write_secret(world, webhook.SECRET)
    hook = webhook.Webhook(world, ledger, receiver.url)
    with ledger.wire("backend/app") as wire:
        wire.ok("enrol", member=name, key="e", at=MONDAY)
        code = wire.ok("purchase", member=name, amount="1", key="p").codes[0].code
        wire.ok("voucher_use", member=name, voucher=code, key="u")
        for wrong in (code, code[:-1] + "0", "1" + code[1:]):
            assert code not in wire.call("voucher_use", member=name, voucher=wrong).message
        wire.refused("NOT_FOUND", "voucher_use", member=name + "0", voucher=code)
        wire.refused("INVALID_ARGUMENT", "hold", member=name, voucher=code, points="1")
    queue = world.path("queue")
    offline.add(ledger, queue, [{"op": "voucher_use", "member": name, "voucher": code, "occurred_at": MONDAY}], "pos/1/1")
    offline.upload(ledger, queue)
    eventually(lambda: len(receiver.taken) >= 3, "events come")
    for pid in (ledger.daemon.pid, hook.process.pid):
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            assert b"whsec" not in f.read()
    os.kill(hook.process.pid, signal.SIGTERM)
    hook.end()
    receiver.close()
    size = ledger.wire().hello_ok.size
    with ledger.wire() as wire:
        stored = b"".join(wire.leaves(wire.subscribe(credits=size), size))
    ledger.stop()
    keys = {n: open(os.path.join(ledger.keys, n), encoding="ascii").read().strip() for n in os.listdir(ledger.keys) if n.endswith(".key")}
    assert len(keys["voucher.key"]) == 64
    hidden = [name, code, code.replace("-", "")]
    said = ledger.daemon.log() + open(hook.log, encoding="utf-8").read()
    secrets = [*keys.values(), open(secret, encoding="ascii").read().strip()]
    for word in hidden + secrets:
        assert word not in said, f"{word} was told"
        assert word.encode() not in stored, f"{word} is in the ledger"
    for path in files_below(ledger.data, queue):
        with open(path, "rb") as f:
            data = f.read()
        assert code.encode() not in data or os.path.dirname(path) == queue, path
        assert not any(bytes.fromhex(k) in data or k.encode() in data for k in keys.values()), path
        assert os.path.dirname(path) == queue or name.encode() not in data, path
    for path in files_below(ledger.keys, queue):
        mode = stat.S_IMODE(os.stat(path).st_mode)
        assert mode & 0o077 == 0, f"{path} has mode {mode:o}"
    for path in (queue, ledger.data, os.path.join(ledger.data, "vault"), ledger.keys):
        assert os.path.isdir(path) and stat.S_IMODE(os.stat(path).st_mode) & 0o077 == 0, f"{path}: others may look into it"


def test_a_full_disk_under_a_queue(world):
    """What cannot be kept is not acknowledged, what was acknowledged is kept, and answers that find no room are fetched again."""
    ledger = offline.opened(world)
    with disk.small_disk(world, 2) as path:
        queue = os.path.join(path, "queue")
        offline.add(ledger, queue, [offline.purchase("1")] * 10)
        ballast = disk.fill(path, 0)
        failed = ledger.cli("queue", "add", queue, stdin=json.dumps(offline.purchase("1", receipt_no="first")), code=None)
        n = 0
        while failed.code == 0:
            n += 1
            failed = ledger.cli("queue", "add", queue, stdin=json.dumps(offline.purchase("1", receipt_no=f"receipt-{n}")), code=None)
        assert failed.code == 5 and "No space" in failed.json["message"], failed
        waiting = offline.show(ledger, queue)[1]
        full = ledger.cli("queue", "upload", queue, code=5).lines[-1]
        assert "No space" in full["message"] and full["waiting"] == waiting["waiting"], full
        expect(offline.show(ledger, queue)[1], waiting=waiting["waiting"], answered=0, cut_bytes=0, lost_bytes=0)
        os.unlink(ballast)
        answers, end = offline.upload(ledger, queue)
        assert [a["terminal_seq"] for a in answers] == list(range(1, waiting["next_seq"])) and end["waiting"] == 0, end
        expect(ledger.cli("balance", "card:1").json, visits=waiting["waiting"])
        offline.add(ledger, queue, [offline.purchase("1")])
        expect(offline.upload(ledger, queue)[1], applied=1, gaps=0, repeats=0)
        (row,) = offline.terminals(ledger)
        expect(row, last=waiting["next_seq"], missing=0, repeats=0)
        ledger.stop()
        ledger.audit()


def test_a_full_disk_under_the_place_of_a_webhook(world):
    """The place stays whole, whoever sends says so and ends, and the next one goes on from there."""
    ledger = lived(world)
    events = webhook.all_events(ledger)
    receiver = webhook.Receiver()
    with disk.small_disk(world, 1) as path:
        state = os.path.join(path, "state.json")
        hook = webhook.Webhook(world, ledger, receiver.url, "--to-head", state="disk/state.json")
        hook.end()
        place = hook.place()
        with ledger.wire() as wire:
            wire.ok("purchase", member="m1", amount="9000", key="more")
        ballast = disk.fill(path, 0)
        hook = webhook.Webhook(world, ledger, receiver.url, "--to-head", state="disk/state.json")
        hook.end(code=5)
        assert hook.place() == place and any("no space" in line["message"] for line in hook.lines()), hook.lines()
        os.unlink(ballast)
        hook = webhook.Webhook(world, ledger, receiver.url, "--to-head", state="disk/state.json")
        hook.end()
        more = [e.id for e in webhook.all_events(ledger)][len(events):]
        assert len(more) > 0 and set(receiver.ids()) == {e.id for e in events} | set(more) and webhook.in_order(receiver)
        os.unlink(state)
        disk.fill(path, 0)
        before = len(receiver.tries)
        webhook.Webhook(world, ledger, receiver.url, "--to-head", state="disk/state.json").end(code=2)
        assert len(receiver.tries) == before, "nothing is sent before a place can be noted"
    receiver.close()


def test_ranges_that_are_none_reach_no_entry(world):
    """A command that is refused for its `terminal_refused` hands it to nobody: in an entry it would make the ledger unreadable."""
    ledger = offline.opened(world)
    bad = ([(9, 1)], [(0, 0)], [(5, 9), (1, 2)], [(3, 900)], [(1, 2)] * 65, [(0, 3), (0, 9)], [(2**64 - 1, 2**64 - 1)], [(5, 7), (6, 7)])
    with ledger.wire(offline.TILL) as wire:
        for i, ranges in enumerate(bad):
            said = [{"first": a, "last": b} for a, b in ranges]
            number = 2 * i + 1
            r = wire.batch([request("purchase", member="card:1", amount="1", terminal_seq=number, terminal_refused=said),
                            request("purchase", member="card:1", amount="1", terminal_seq=number + 1)], key=f"x{i}")
            assert [x.reason for x in r.results] == ["INVALID_ARGUMENT", ""] and r.results[0].field == "terminal_refused", (ranges, r)
            expect(r.results[1], terminal_gap=0, terminal_repeat=False)
    ledger.daemon.kill()
    ledger.start()
    (row,) = offline.terminals(ledger)
    expect(row, last=2 * len(bad), missing=0, repeats=0)
    ledger.stop()
    ledger.audit()


def test_a_receipt_that_was_there_already_is_no_gap(world):
    """A cashier keys in again what a till had sent: it is answered with the first one's entry, and its number is not missing for ever."""
    ledger = offline.opened(world)
    queue = world.path("queue")
    offline.add(ledger, queue, [offline.purchase("1", receipt_no=f"r{i % 2}") for i in range(7)])
    answers, end = offline.upload(ledger, queue, "--size", "3")
    assert [a.get("replayed", False) for a in answers] == [False, False] + [True] * 5 and end["gaps"] == 0, answers
    offline.add(ledger, queue, [offline.purchase("2", receipt_no="r0"), offline.purchase("3"), offline.purchase("1", receipt_no="r1"), offline.purchase("4")])
    answers, end = offline.upload(ledger, queue, code=1)
    assert [a.get("reason", "OK") for a in answers] == ["RECEIPT_REUSED", "OK", "OK", "OK"], answers
    expect(end, gaps=0, repeats=0)
    (row,) = offline.terminals(ledger)
    expect(row, last=11, missing=0, repeats=0)
    expect(ledger.cli("balance", "card:1").json, visits=4)
    ledger.stop()
    ledger.audit()


def lied_to(world, secret, receiver, pushes, hello=None, state=None):
    """`fealty webhook` at a server that sends these; its exit code and what it said."""
    name = f"liar{world.next_number()}"
    server = liar.Liar(world.path(name), lambda _: [(PUSH, push) for push in pushes], hello)
    if state is not None:
        world.write(name + ".state", state)
    done = run_fealty(["webhook", "--url", receiver.url, "--secret-file", secret, "--state", world.path(name + ".state"), "--to-head"],
                      env={"FEALTY_CONNECT": server.address})
    shown = run_fealty(["subscribe", "--events", "--to-head"], env={"FEALTY_CONNECT": server.address}) if hello is None else None
    server.close()
    assert shown is None or not any(ord(c) < 32 and c != "\n" for c in shown.out), shown
    return done


def test_a_server_that_lies_to_a_webhook(world):
    """It neither crashes nor ends as if all had been sent; what it posts is JSON whatever the event says."""
    receiver = webhook.Receiver()
    secret = webhook.write_secret(world, webhook.SECRET)
    whole = {"id": "1.0.0", "type": "points.earned", "program": "p", "member_no": 1, "at": 1, "date": 1, "op": "purchase"}

    def sent(**changes):
        fields = {k: v for k, v in {**whole, **changes}.items() if v is not None}
        return [pb.Push(head=10, last_seq=9, events=[pb.Event(**fields)])]
    odd = [sent(), sent(at=None, type=None, program=None, date=None, op=None), sent(at=-2**63, date=-2**31, last_day=-2**31), sent(at=2**63 - 1),
           sent(type="x\x1b[31m" * 200, tier="t" * 100000, member_no=2**64 - 1), [pb.Push(head=10, last_seq=9)],
           [b"\x18\x0a\x20\x09" + b"\x2a\x0f\x0a\x051.0.0\x12\x06ab\xff\xfe\xc3x"]]        # a type that is no UTF-8
    for pushes in odd:
        done = lied_to(world, secret, receiver, pushes)
        assert done.code == 0, done
    assert len(receiver.taken) == len(odd) - 1, receiver.taken
    for bad in ("1." + "0" * 2000 + ".1", "0" * 40 + "1.0.0", f"{2**64 - 1}.{2**64 - 1}.{2**64 - 1}"):
        done = lied_to(world, secret, receiver, sent(id=bad))
        assert done.code == 5 and "id is none" in done.err, done
    for hello in (pb.HelloOk(version=1, size=5, principal="backend/crm"), pb.HelloOk(version=1, origin="o" * 5000, size=5, principal="backend/crm")):
        done = lied_to(world, secret, receiver, sent(), hello, '{"origin":"o","after":"1.0.0"}\n')
        assert done.code == 5 and "which ledger" in done.err, done
    assert len(receiver.taken) == len(odd) - 1
    for state in ("", "{}", "[1,2]", '{"origin":1,"after":2}', '{"origin":"test.example/l","after":"99999999999999999999"}', "x" * 5000, "\0"):
        done = lied_to(world, secret, receiver, sent(), None, state)
        assert done.code == 2 and "liar" in done.err, done
    receiver.close()


def breaks_the_protocol(world, timeout, tellings):
    """Until a webhook has said so as often as that; then a ledger is back, and what there is to send is sent.  `subscribe` gives up."""
    receiver = webhook.Receiver()
    path, nonsense = world.path("nonsense"), [True]
    event = pb.Event(id="1.0.0", type="points.earned", program="p", member_no=1, at=1, date=1, op="purchase", points="5")

    def lie(request):
        server.asked.append(time.monotonic())
        if nonsense[0]:
            return [(PUSH, [pb.Push(head=10, events=[pb.Event(id="no place")]), b"\xff\xff\xff", pb.Push(transactions=[b"x"], head=10)][len(server.asked) % 3])]
        return [(PUSH, pb.Push(head=10, last_seq=9, events=[event]))]
    server = liar.Liar(path, lie)
    server.asked = []
    ledger = type("Ledger", (), {"address": server.address})
    hook = webhook.Webhook(world, ledger, receiver.url, "--timeout", timeout, "--to-head")
    eventually(lambda: len(hook.told("webhook.bad_ledger")) >= tellings, "that it says what is wrong", 150)
    told = hook.told("webhook.bad_ledger")
    assert all("does not fit" in line["message"] for line in told) and "asked again in 2 s" in told[0]["message"], told
    assert [line["pause_ms"] for line in told] == [2000 << i for i in range(len(told))] and not receiver.taken, told
    assert len(server.asked) <= 15 * tellings, f"{len(server.asked)} connections"
    done = run_fealty(["subscribe", "--events", "--timeout", "1s"], env={"FEALTY_CONNECT": server.address})
    assert done.code == 3 and "does not fit" in done.err, done
    nonsense[0] = False
    hook.end()
    assert receiver.ids() == ["1.0.0"], receiver.taken
    server.close()
    receiver.close()


def test_a_server_that_breaks_the_protocol(world):
    breaks_the_protocol(world, "1s", 1)


@long
@seconds(200)
def test_a_server_that_breaks_the_protocol_for_ever(world):
    breaks_the_protocol(world, "4s", 4)


def test_names_that_come_and_go_in_one_batch(world):
    """A name that is enrolled, earned under, added, erased and used again, in one batch and across a kill: each time somebody new, and nothing of before."""
    ledger = world.running(PEOPLE, at=PEOPLE_DAY)
    life = [keyless("purchase", member="a", amount="1000"), keyless("enrol", member="b", birthday="03-10"),
            keyless("profile", member="b", add_aliases=["a", "c"]),
            keyless("erase", member="c"), keyless("purchase", member="a", amount="2000"), keyless("enrol", member="a", aliases=["b"]),
            keyless("profile", member="b", remove_aliases=["a"]), keyless("erase", member="b"), keyless("enrol", member="a"), keyless("enrol", member="b"),
            keyless("merge", member="a", into="b"), keyless("erase", member="a"), keyless("purchase", member="b", amount="5000")]
    with ledger.wire() as wire:
        for round in range(3):
            key = f"life{round}"
            first = wire.batch(life, key=key)
            assert all(r.status == pb.OK for r in first.results), [(i, r.reason, r.field, r.message) for i, r in enumerate(first.results) if r.status]
            numbers = [r.member_no for r in first.results]
            assert numbers[4] != numbers[1] and numbers[12] not in numbers[:12], numbers
            expect(wire.ok("balance", member="b"), available=first.results[12].available, member_no=numbers[12])
            wire.refused("NOT_FOUND", "balance", member="a")
            again = wire.batch(life, key=key)
            assert all(r.replayed or r.reason in ("REQUEST_ID_REUSED", "NOT_FOUND") for r in again.results), again
            expect(wire.ok("enrol", member="b"), member_no=numbers[12])
            wire.ok("erase", member="b")
    ledger.daemon.kill()
    ledger.start()
    with ledger.wire() as wire:
        wire.refused("NOT_FOUND", "balance", member="b")
        expect(wire.ok("enrol", member="b"), available="10", granted="10", member_no=numbers[12] + 1)
    ledger.stop()
    ledger.audit()
    for path in files_below(ledger.data):
        assert "vault" in path or b"03-10" not in open(path, "rb").read(), path
