"""fealty simulate --summary: what a program would have cost."""
import json
import os

from world import expect, run_fealty

PROGRAM = """
id: sum
name: Summary
timezone: UTC
currency: EUR
points: {unit: point, scale: 1}
earn: [{id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: "1", points: "1"}}]
redemption: {}
unknown_alias: refuse
accounting: {cost_per_point: "0.015", expected_redemption: "0.80"}
"""

EVENTS = [
    {"at": "2026-01-01T10:00:00Z", "op": "enrol", "member": "a", "key": "e1"},
    {"at": "2026-01-01T10:00:00Z", "op": "enrol", "member": "b", "key": "e2"},
    {"at": "2026-01-02T10:00:00Z", "op": "purchase", "member": "a", "amount": "100.00", "key": "p1"},
    {"at": "2026-01-02T10:00:00Z", "op": "purchase", "member": "a", "amount": "33.30", "key": "p2"},
    {"at": "2026-01-03T10:00:00Z", "op": "redeem", "member": "a", "points": "40", "key": "r1"},
    {"at": "2026-01-03T10:00:00Z", "op": "reverse_redeem", "member": "a", "redeem": "r1", "points": "10", "key": "v1"},
    {"at": "2026-01-04T10:00:00Z", "op": "return", "member": "a", "purchase": "p2", "key": "x1"},
    {"at": "2026-01-04T10:00:00Z", "op": "redeem", "member": "a", "points": "1000", "key": "r2"},
]


def test_cost_and_liability(world):
    """133.3 granted, 40 − 10 redeemed, 33.3 clawed: 70 are out; 1.5 cents each, of which 80 % are expected to come."""
    program, events = os.path.join(world.dir, "p.yaml"), os.path.join(world.dir, "e.jsonl")
    with open(program, "w", encoding="utf-8") as out:
        out.write(PROGRAM)
    with open(events, "w", encoding="utf-8") as out:
        out.writelines(json.dumps(event) + "\n" for event in EVENTS)
    done = run_fealty(["simulate", "--summary", "--quiet", "--json", "--program", program, events])
    summary = done.json
    expect(summary, events=8, applied=7, refused=1, purchases=2, redemptions=1, refusals={"INSUFFICIENT_POINTS": 1})
    (one,) = summary["programs"]
    expect(one, program="sum", members=2, members_active=1, members_repeat=0, spend="100.00", granted="133.3", redeemed="40.0",
           reinstated="10.0", clawed="33.3", available="70.0", liability="70.0", cost_granted="1.99", cost_redeemed="0.45", cost_expected="0.84")
