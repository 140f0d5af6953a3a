"""Where parts that were made side by side meet: the largest replies, the slowest readers, what is said to nobody."""
import test_offline as offline
from wire import keyless, pb
from world import expect

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
    odd = [{"member": "x" * 4000}, {"member": ""}, {"member": "a\u0001b"}, {"member": "\U0001f600" * 60}, {"amount": "1e9"}, {"amount": ""}, {"amount": "9" * 400},
           {"amount": "-1"}, {"at": "2026-01-01T00:00:00Z"}, {"program": "none"}, {"program": ""}, {"want_receipt": True}, {"deadline_ms": 1},
           {"store": "0042"}, {"partner": "p" * 300}, {"receipt_no": "r" * 2000}, {"lines": [{"sku": "s"}] * 500}, {"paid_with_points": "5"},
           {"occurred_at": "1970-01-01T00:00:00Z"}, {"occurred_at": "9999-12-31T23:59:59Z"}, {"terminal_refused": [{"first": 9, "last": 1}]},
           {"terminal_seq": 77}, {"key": "same"}, {"lines": [{"sku": "x" * 2000, "amount": "1"}] * 20}]
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
    offline.add(ledger, queue, [{**offline.purchase("1"), "lines": [{}] * 5000}] * 120 + [offline.purchase("1")])      # unpacks into more than a server holds for one batch
    added += 121
    answers, end = offline.upload(ledger, queue, "--timeout", "30s", code=None)
    assert len(answers) == 121 and end["waiting"] == 0, end
    (row,) = offline.terminals(ledger)
    expect(row, last=added, missing=0, repeats=0)
    ledger.stop()
    ledger.audit()
