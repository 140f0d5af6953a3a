"""Programs of the cases, small on purpose."""

# One point for each whole dollar, for ever; two tiers.
PLAIN = """
id: plain
name: Plain
timezone: UTC
currency: USD
points: {unit: point, scale: 0}
earn:
  - {id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: "1", points: "1", whole_steps: true}}
tiers:
  - {id: basic, rank: 0}
  - {id: gold, rank: 1, reach: {any: [{all: [{metric: points_earned, at_least: "10000"}]}]}, window: lifetime}
redemption:
  value: {points: "100", amount: "1"}
unknown_alias: refuse
limits: {late_days: 45}
"""

# SB1 of PROGRAMS.md, without the validity of its tier: cents of stars, gold earns a fifth more.
STARS = """
id: stars
name: Stars
timezone: America/New_York
currency: USD
points: {unit: star, scale: 2}
earn:
  - {id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: "1", points: "1"}}
tiers:
  - {id: green, rank: 0}
  - {id: gold, rank: 1, reach: {any: [{all: [{metric: points_earned, at_least: "500"}]}]}, window: {rolling_months: 12}, earn_multiplier: "1.2"}
redemption:
  value: {points: "1", amount: "0.04"}
unknown_alias: refuse
"""

# SB2: half a year, rounded up to the end of the month.
HALF_YEAR = """
id: half
name: Half
timezone: Asia/Seoul
currency: KRW
points: {unit: star, scale: 0}
earn:
  - {id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: "1000", points: "1", whole_steps: true}}
expiry: {after: {months: 6}, round_up_to: month}
redemption:
  value: {points: "1", amount: "10"}
unknown_alias: refuse
"""

# A birthday of 50 points once a year, and nothing else.
BIRTHDAY = """
id: bday
name: Birthday
timezone: Asia/Seoul
currency: KRW
points: {unit: star, scale: 0}
earn:
  - {id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: "1000", points: "1", whole_steps: true}}
birthday:
  reward: {points: "50"}
  window: {days_before: 0, days_after: %(days_after)d}
  issue: %(issue)s
  leap_day: %(leap_day)s
  guard_days: %(guard_days)d
unknown_alias: refuse
"""


def birthday(issue="automatic", leap_day="feb_28", guard_days=30, days_after=0):
    return BIRTHDAY % locals()
