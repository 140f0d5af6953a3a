"""Where parts that were made side by side meet: the largest replies, the slowest readers, what is said to nobody."""
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
