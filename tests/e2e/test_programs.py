"""Program files: what `fealty program check` refuses, with which line and words; what it warns of; what `fealty program diff` says.

In a row the line that must be named ends in `#!`; without such a line the file as a whole is meant.
"""
import os

from case import seconds
from world import SOURCE, run_fealty

HEAD = """id: acme
name: Acme
timezone: Asia/Seoul
currency: USD
points: {unit: star, scale: 1}
"""
BASE = "  - {id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: \"1\", points: \"1\"}}\n"
TIERS = """tiers:
  - {id: low, rank: 0}
  - {id: high, rank: 1, reach: {any: [{all: [{metric: spend, at_least: "500"}]}]}}
"""

def head(old, new):
    assert old in HEAD, old
    return HEAD.replace(old, new)

def rule(text):
    """One rule r on purchases whose last lines are ${text}."""
    return HEAD + "earn:\n" + BASE + "  - id: r\n    priority: 20\n    on: purchase\n" + "".join(f"    {line}\n" for line in text.split("\n"))

def bonus(text):
    return rule("kind: bonus\nfixed: {points: \"5\"}\n" + text)

def when(text):
    return bonus("when:\n" + "\n".join("  " + line for line in text.split("\n")))

def more(text):
    return HEAD + "earn:\n" + BASE + text + "\n"

def tier(text):
    return HEAD + "tiers:\n  - id: low\n    rank: 0\n  - id: high\n    rank: 1\n" + "".join(f"    {line}\n" for line in text.split("\n"))

VOUCHERS = "vouchers:\n  - {id: mug, name: Mug}\n"

def reward(text):
    return HEAD + VOUCHERS + "rewards:\n  - id: mug\n    cost: \"5\"\n    voucher: mug\n    " + text + "\n"

REACH = 'reach: {any: [{all: [{metric: spend, at_least: "500"}]}]}\n'

REFUSED = [
    # keys and types, at every level
    ("a key that is not there, at the top", HEAD + "colour: red #!", ["colour", "unknown key", "allowed"]),
    ("a misspelt section", HEAD + "tier: [5] #!", ["unknown key", "did you mean tiers?"]),
    ("in points", head("scale: 1}", "scale: 1, digits: 2} #!"), ["points.digits", "allowed: unit, scale"]),
    ("in a rule", bonus("colour: red #!"), ["earn[1].colour", "unknown key"]),
    ("in a measure", rule("kind: base\nper_amount: {amount: \"1\", points: \"1\", step: 2} #!"), ["earn[1].per_amount.step", "whole_steps"]),
    ("in when", when("minimum: \"5\" #!"), ["earn[1].when.minimum", "min_amount"]),
    ("in a cap", bonus("caps:\n  - per: day\n    points: \"5\"\n    limit: 7 #!"), ["earn[1].caps[0].limit", "allowed: per, points, count, over, group"]),
    ("in pending", bonus("pending: {day: 5} #!"), ["earn[1].pending.day", "did you mean days?"]),
    ("in expiry", HEAD + "expiry:\n  after: {months: 12}\n  round: month #!", ["expiry.round", "round_up_to"]),
    ("in expiry.after", HEAD + "expiry:\n  after: {weeks: 12} #!", ["expiry.after.weeks", "days, months, years"]),
    ("in a tier", tier(REACH + "colour: gold #!"), ["tiers[1].colour", "unknown key"]),
    ("in reach", tier("reach: {every: [5]} #!"), ["tiers[1].reach.every", "any"]),
    ("in a threshold", tier("reach: {any: [{all: [{metric: spend, least: \"5\"}]}]} #!"), ["tiers[1].reach.any[0].all[0].least", "at_least"]),
    ("in birthday", HEAD + "birthday: {reward: {points: \"5\"}, guard: 5} #!", ["birthday.guard", "guard_days"]),
    ("in redemption", HEAD + "redemption: {minimum: \"5\"} #!", ["redemption.minimum", "min"]),
    ("in limits", HEAD + "limits: {late: 5} #!", ["limits.late", "late_days"]),
    ("a section that is a word", HEAD + "redemption: yes #!", ["redemption", "map"]),
    ("a list that is a map", HEAD + "earn: {id: base} #!", ["earn", "list"]),
    ("a map that is a list", HEAD + "redemption: [5] #!", ["redemption", "map"]),
    ("a word that is a map", head("name: Acme", "name: {en: Acme} #!"), ["name", "single value"]),
    ("a number that is a word", rule("kind: bonus\nfixed: {points: \"5\"}").replace("priority: 20", "priority: high #!"), ["earn[1].priority", "whole number"]),
    ("a number below zero", rule("kind: bonus\nfixed: {points: \"5\"}").replace("priority: 20", "priority: -1 #!"), ["earn[1].priority", "whole number"]),
    ("a number with a point", tier(REACH).replace("rank: 1", "rank: 1.5 #!"), ["tiers[1].rank", "whole number"]),
    ("a number beyond 32 bits", rule("kind: bonus\nfixed: {points: \"5\"}").replace("priority: 20", "priority: 4294967296 #!"), ["earn[1].priority",
     "4294967295"]),
    ("a number beyond 64 bits", rule("kind: bonus\nfixed: {points: \"5\"}").replace("priority: 20", "priority: 99999999999999999999 #!"), ["earn[1].priority",
     "4294967295"]),
    ("a yes that is no truth value", HEAD + "carry_remainder: yes #!", ["carry_remainder", "true, false"]),
    ("a word that the list does not have", HEAD + "rounding: {mode: up} #!", ["rounding.mode", "floor, nearest, ceil"]),
    ("a kind that is none", rule("kind: extra #!\nfixed: {points: \"5\"}"), ["earn[1].kind", "base, multiplier, bonus"]),
    ("an event that is none", rule("kind: bonus\nfixed: {points: \"5\"}").replace("    on: purchase", "    on: refund #!"), ["earn[1].on",
     "purchase, activity, enrol"]),
    ("a value left empty", head("name: Acme", "name: #!"), ["name", "no value"]),
    ("a list left empty", HEAD + "earn: #!", ["earn", "no value"]),
    ("an empty list", HEAD + "earn: [] #!", ["earn", "empty list"]),
    ("an empty condition", when("categories: [] #!"), ["earn[1].when.categories", "empty list"]),
    ("an empty element", when("categories: [drink, ] #!").replace("drink, ", "drink, \"\""), ["earn[1].when.categories[1]", "1 to 64 bytes"]),
    ("two members of a choice", HEAD + "expiry:\n  never: {}\n  after: {months: 3} #!", ["expiry.after", "never"]),
    ("a word where a choice has others", HEAD + "expiry: always #!", ["expiry", "never"]),
    # YAML
    ("an anchor", HEAD + "rounding: &r {mode: floor} #!", ["anchors"]),
    ("an alias", HEAD + "rounding: {mode: floor}\nexpiry: *r #!", ["aliases"]),
    ("a merge key", HEAD + "redemption:\n  <<: {min: \"5\"} #!", ["<<", "unknown key"]),
    ("a tag", head("name: Acme", "name: !!str Acme #!"), ["tags"]),
    ("a tab", HEAD + "rounding:\n\tmode: floor #!", ["not YAML"]),
    ("a key that comes twice", HEAD + "name: Other #!", ["name", "twice"]),
    ("a key that comes twice within", HEAD + "rounding: {mode: floor, mode: ceil} #!", ["rounding.mode", "twice"]),
    ("a second document", HEAD + "--- #!\nid: other", ["second document"]),
    ("a list at the top", "- id: acme #!", ["map"]),
    ("a word at the top", "acme #!", ["map"]),
    ("a bracket that another closes", HEAD + "earn: [5, } #!", ["not YAML"]),
    ("a quote that stays open", HEAD + 'rounding: "floor #!\n', ["not YAML"]),
    ("a key that is a list", HEAD + "[a, b]: c #!", ["a key must be a word"]),
    ("deeper than anything", HEAD + "earn: " + "[" * 17 + "]" * 17 + " #!", ["16 levels"]),
    ("a line that is no pair", HEAD + "rounding #!", ["not YAML"]),
    # head
    ("no id", head("id: acme\n", ""), ["id", "required"]),
    ("an id in capitals", head("id: acme", "id: Acme #!"), ["id", "a-z, 0-9 and -"]),
    ("an id of 33 characters", head("id: acme", "id: " + "a" * 33 + " #!"), ["id", "1 to 32"]),
    ("no name", head("name: Acme\n", ""), ["name", "required"]),
    ("a name of 101 bytes", head("name: Acme", "name: " + "a" * 101 + " #!"), ["name", "1 to 100 bytes"]),
    ("no time zone", head("timezone: Asia/Seoul\n", ""), ["timezone", "required"]),
    ("a zone that does not exist", head("Asia/Seoul", "Asia/Atlantis #!"), ["timezone", "no such time zone"]),
    ("a zone that leaves the directory", head("Asia/Seoul", "../../../etc/passwd #!"), ["timezone", "no such time zone"]),
    ("a zone that is a directory", head("Asia/Seoul", "Asia #!"), ["timezone", "no such time zone"]),
    ("no currency", head("currency: USD\n", ""), ["currency", "required"]),
    ("a currency that does not exist", head("USD", "USS #!"), ["currency", "ISO 4217"]),
    ("a currency in small letters", head("USD", "usd #!"), ["currency", "capitals"]),
    ("no points", head("points: {unit: star, scale: 1}\n", ""), ["points", "required"]),
    ("no unit", head("unit: star, ", "").replace("points: {scale: 1}", "points: {scale: 1} #!"), ["points.unit", "required"]),
    ("no scale", head(", scale: 1}", "} #!"), ["points.scale", "required"]),
    ("a scale of 7", head("scale: 1}", "scale: 7} #!"), ["points.scale", "at most 6"]),
    ("a counter with a metric's name", HEAD + "counters: [spend] #!", ["counters[0]", "metric"]),
    ("a counter that stands twice", HEAD + "counters: [a, a] #!", ["counters[1]", "twice"]),
    ("a counter that is no id", HEAD + "counters: [Nights] #!", ["counters[0]", "a-z"]),
    ("too many counters", HEAD + "counters: [" + ", ".join(f"c{i}" for i in range(40)) + "] #!", ["counters", "at most"]),
    # rules
    ("a rule without an id", more("  - {priority: 20, on: purchase, kind: bonus, fixed: {points: \"1\"}} #!"), ["earn[1].id", "required"]),
    ("a rule without a priority", more("  - {id: r, on: purchase, kind: bonus, fixed: {points: \"1\"}} #!"), ["earn[1].priority", "required"]),
    ("a rule without an event", more("  - {id: r, priority: 20, kind: bonus, fixed: {points: \"1\"}} #!"), ["earn[1].on", "purchase, activity, enrol"]),
    ("a rule without a kind", more("  - {id: r, priority: 20, on: purchase, fixed: {points: \"1\"}} #!"), ["earn[1].kind", "base"]),
    ("two rules with one id", more("  - {id: base, priority: 20, on: purchase, kind: bonus, fixed: {points: \"1\"}} #!"), ["earn[1].id",
     "two rules have the id base"]),
    ("two rules with one priority", more("  - {id: r, priority: 10, on: purchase, kind: bonus, fixed: {points: \"1\"}} #!"), ["earn[1].priority",
     "base and r", "same priority"]),
    ("a rule without a measure", more("  - {id: r, priority: 20, on: purchase, kind: bonus} #!"), ["earn[1]", "per_amount, fixed and per_item"]),
    ("a rule with two measures", bonus("per_item: {points: \"1\"}").replace("  - id: r", "  - id: r #!"), ["earn[1]", "one of per_amount, fixed and per_item"]),
    ("a multiplier without multiply", rule("kind: multiplier\nfixed: {points: \"5\"}").replace("  - id: r", "  - id: r #!"), ["earn[1]", "multiply"]),
    ("a base rule that multiplies", rule("kind: base\nmultiply: \"2\"").replace("  - id: r", "  - id: r #!"), ["earn[1]", "per_amount, fixed and per_item"]),
    ("a multiplier below one", rule("kind: multiplier\nmultiply: \"0.5\" #!"), ["earn[1].multiply", "at least 1"]),
    ("a multiplier above a thousand", rule("kind: multiplier\nmultiply: \"1000.1\" #!"), ["earn[1].multiply", "at most 1000"]),
    ("a multiplier that overflows", rule("kind: multiplier\nmultiply: \"99999999999999999999\" #!"), ["earn[1].multiply"]),
    ("a multiplier of 7 digits", rule("kind: multiplier\nmultiply: \"1.1234567\" #!"), ["earn[1].multiply", "digits"]),
    ("multipliers whose product overflows", HEAD + "stacking: multiply\nearn:\n" + BASE
     + "".join(f"  - {{id: m{i}, priority: {20 + i}, on: purchase, kind: multiplier, multiply: \"999.999999\"}}{' #!' if i == 1 else ''}\n"
               for i in range(3)), ["earn[2].multiply", "fewer digits"]),
    ("an amount with surplus digits", rule("kind: base\nper_amount:\n  amount: \"1.005\" #!\n  points: \"1\""), ["earn[1].per_amount.amount", "2 of USD"]),
    ("an amount whose surplus digits are zeros", rule("kind: base\nper_amount:\n  amount: \"1.000\" #!\n  points: \"1\""), ["earn[1].per_amount.amount",
     "2 of USD"]),
    ("points with surplus digits", rule("kind: bonus\nfixed: {points: \"1.25\"} #!"), ["earn[1].fixed.points", "1 of points.scale"]),
    ("an amount of zero", rule("kind: base\nper_amount:\n  amount: \"0\" #!\n  points: \"1\""), ["earn[1].per_amount.amount", "at least 0.01"]),
    ("an amount below zero", rule("kind: base\nper_amount:\n  amount: \"-5\" #!\n  points: \"1\""), ["earn[1].per_amount.amount", "at least"]),
    ("an amount with an exponent", rule("kind: base\nper_amount:\n  amount: 1e3 #!\n  points: \"1\""), ["earn[1].per_amount.amount", "decimal"]),
    ("an amount with a comma", rule("kind: base\nper_amount:\n  amount: \"1,000\" #!\n  points: \"1\""), ["earn[1].per_amount.amount", "decimal"]),
    ("an amount that no ledger holds", rule("kind: base\nper_amount:\n  amount: \"99999999999999999\" #!\n  points: \"1\""), ["earn[1].per_amount.amount",
     "too large"]),
    ("points below zero", rule("kind: bonus\nfixed: {points: \"-1\"} #!"), ["earn[1].fixed.points", "at least 0"]),
    ("an amount left out", rule("kind: base\nper_amount: {points: \"1\"} #!"), ["earn[1].per_amount.amount", "required"]),
    ("points left out", rule("kind: base\nper_amount: {amount: \"1\"} #!"), ["earn[1].per_amount.points", "required"]),
    ("a counter that is not listed", rule("kind: counter\ncounter: {id: nights, add: 1} #!"), ["earn[1].counter.id", "nights"]),
    ("a counter that adds nothing", rule("kind: counter\ncounter: {id: nights, add: 0} #!").replace("earn:", "counters: [nights]\nearn:", 1),
     ["earn[1].counter.add", "1 to"]),
    ("replaces a rule that is not there", rule("kind: base\nfixed: {points: \"1\"}\nreplaces: other #!"), ["earn[1].replaces", "no rule other"]),
    ("replaces itself", rule("kind: base\nfixed: {points: \"1\"}\nreplaces: r #!"), ["earn[1].replaces", "another base rule"]),
    ("replaces in a circle",
     more("  - {id: a, priority: 20, on: purchase, kind: base, fixed: {points: \"1\"}, replaces: b} #!\n"
          "  - {id: b, priority: 30, on: purchase, kind: base, fixed: {points: \"1\"}, replaces: a}"), ["earn[1].replaces", "b replaces a rule itself"]),
    ("replaces what replaces",
     more("  - {id: a, priority: 20, on: purchase, kind: base, fixed: {points: \"1\"}, replaces: base}\n"
          "  - {id: b, priority: 30, on: purchase, kind: base, fixed: {points: \"1\"}, replaces: a} #!"), ["earn[2].replaces", "a replaces a rule itself"]),
    ("a bonus that replaces", bonus("replaces: base #!"), ["earn[1].replaces", "only a base rule"]),
    ("replaces a bonus",
     more("  - {id: b, priority: 20, on: purchase, kind: bonus, fixed: {points: \"1\"}}\n"
          "  - {id: c, priority: 30, on: purchase, kind: base, fixed: {points: \"1\"}, replaces: b} #!"), ["earn[2].replaces", "base rule"]),
    ("fallback without replaces",
     rule("kind: base\nper_amount: {amount: \"1\", points: \"5\"}\ncaps:\n  - per: month\n    points: \"5\"\n    over: fallback #!"), ["earn[1].caps[0].over",
     "replaces"]),
    ("fallback without per_amount",
     rule("kind: base\nfixed: {points: \"5\"}\nreplaces: base\ncaps:\n  - per: month\n    points: \"5\"\n    over: fallback #!"), ["earn[1].caps[0].over",
     "per_amount"]),
    ("a cap without a period", bonus("caps: [{points: \"5\"}] #!"), ["earn[1].caps[0].per", "transaction, day, month"]),
    ("a cap a week", bonus("caps: [{per: week, points: \"5\"}] #!"), ["earn[1].caps[0].per", "transaction, day, month"]),
    ("a cap of nothing", bonus("caps: [{per: day}] #!"), ["earn[1].caps[0]", "points and count"]),
    ("a cap of both", bonus("caps: [{per: day, points: \"5\", count: 5}] #!"), ["earn[1].caps[0]", "points and count"]),
    ("a cap of no event", bonus("caps: [{per: day, count: 0}] #!"), ["earn[1].caps[0].count", "at least 1"]),
    ("a cap in points with surplus digits", bonus("caps: [{per: day, points: \"5.55\"}] #!"), ["earn[1].caps[0].points", "points.scale"]),
    ("two caps alike", bonus("caps:\n  - {per: day, count: 5}\n  - {per: day, count: 6} #!"), ["earn[1].caps[1]", "another cap like it"]),
    ("nine caps", bonus("caps: [" + ", ".join("{per: day, count: 5}" for i in range(9)) + "] #!"), ["earn[1].caps", "at most 8"]),
    ("one group with two limits",
     more("  - {id: a, priority: 20, on: purchase, kind: bonus, fixed: {points: \"1\"}, caps: [{per: day, points: \"5\", group: g}]}\n"
          "  - {id: b, priority: 30, on: purchase, kind: bonus, fixed: {points: \"1\"},"
          " caps: [{per: day, points: \"6\", group: g}]} #!"), ["earn[2].caps[0].group", "group g", "different limits"]),
    ("one group with two periods",
     more("  - {id: a, priority: 20, on: purchase, kind: bonus, fixed: {points: \"1\"}, caps: [{per: day, points: \"5\", group: g}]}\n"
          "  - {id: b, priority: 30, on: purchase, kind: bonus, fixed: {points: \"1\"},"
          " caps: [{per: month, points: \"5\", group: g}]} #!"), ["earn[2].caps[0].group", "group g"]),
    ("a group that is no id", bonus("caps: [{per: day, count: 5, group: \"my group\"}] #!"), ["earn[1].caps[0].group", "a-z"]),
    # when
    ("min_amount with surplus digits", when("min_amount: \"1.555\" #!"), ["earn[1].when.min_amount", "USD"]),
    ("max_amount below min_amount", when("min_amount: \"10\"\nmax_amount: \"5\" #!"), ["earn[1].when.max_amount", "below min_amount"]),
    ("a tier that is not there", HEAD + "earn:\n" + BASE
     + "  - {id: r, priority: 20, on: purchase, kind: bonus, fixed: {points: \"5\"}, when: {tiers: [low, gold]}} #!\n" + TIERS, ["earn[1].when.tiers[1]",
     "no tier gold"]),
    ("a weekday that is none", when("weekdays: [mon, tues] #!"), ["earn[1].when.weekdays[1]", "mon, tue, wed"]),
    ("a weekday that stands twice", when("weekdays: [mon, mon] #!"), ["earn[1].when.weekdays[1]", "twice"]),
    ("a category that stands twice", when("categories: [drink, drink] #!"), ["earn[1].when.categories[1]", "twice"]),
    ("hours that are one hour", when("hours: \"07:00\" #!"), ["earn[1].when.hours", "07:00-09:30"]),
    ("hours that do not exist", when("hours: \"07:00-25:00\" #!"), ["earn[1].when.hours", "07:00-09:30"]),
    ("hours that are empty", when("hours: \"07:00-07:00\" #!"), ["earn[1].when.hours", "different times"]),
    ("a date that does not exist", when("from: 2026-02-30 #!"), ["earn[1].when.from", "YYYY-MM-DD"]),
    ("a date written otherwise", when("until: 30.06.2026 #!"), ["earn[1].when.until", "YYYY-MM-DD"]),
    ("from after until", when("from: 2026-06-02\nuntil: 2026-06-01 #!"), ["earn[1].when.until", "before from"]),
    ("a gap without a unit", when("min_gap: 3 #!"), ["earn[1].when.min_gap", "3m"]),
    ("a gap of ten years and more", when("min_gap: 9999d #!"), ["earn[1].when.min_gap", "3650d"]),
    ("first_purchase that is false", when("first_purchase: false #!"), ["earn[1].when.first_purchase", "true or left out"]),
    ("activity of a purchase", when("activity: ride #!"), ["earn[1].when.activity", "on: activity"]),
    ("too many days of membership", when("member_days_min: 99999 #!"), ["earn[1].when.member_days_min", "36500"]),
    ("previous_month_spend without min", when("previous_month_spend: {waive_months: 2} #!"), ["earn[1].when.previous_month_spend.min", "required"]),
    ("a membership that is not there", when("membership: prime #!"), ["earn[1].when.membership", "no membership prime"]),
    ("lines of an activity", more("  - {id: r, priority: 20, on: activity, kind: bonus, fixed: {points: \"5\"}, when: {categories: [drink]}} #!"),
     ["earn[1].when", "on: purchase"]),
    ("an amount of an enrolment", more("  - {id: r, priority: 20, on: enrol, kind: bonus, per_amount: {amount: \"1\", points: \"5\"}} #!"),
     ["earn[1].per_amount", "fixed"]),
    ("an enrolment with a smallest amount", more("  - {id: r, priority: 20, on: enrol, kind: bonus, fixed: {points: \"5\"}, when: {min_amount: \"5\"}} #!"),
     ["earn[1].when", "enrolment"]),
    # pending
    ("pending of two kinds", bonus("pending: {days: 5, until: next_month_start} #!"), ["earn[1].pending", "one of days, until and on_activity"]),
    ("pending of no kind", bonus("pending: {} #!"), ["earn[1].pending", "one of days, until and on_activity"]),
    ("pending until another day", bonus("pending: {until: next_year} #!"), ["earn[1].pending.until", "next_month_start"]),
    ("pending for longer than ten years", bonus("pending: {days: 9999} #!"), ["earn[1].pending.days", "3650"]),
    ("on_activity without within_days", bonus("pending: {on_activity: delivered} #!"), ["earn[1].pending.within_days", "on_activity"]),
    ("within_days without on_activity", bonus("pending: {days: 5, within_days: 5} #!"), ["earn[1].pending.within_days", "on_activity"]),
    # expiry
    ("expiry of two spans", HEAD + "expiry:\n  after: {months: 12, days: 5} #!", ["expiry.after", "one of days, months and years"]),
    ("expiry after no months", HEAD + "expiry:\n  after: {months: 0} #!", ["expiry.after.months", "1 to 1200"]),
    ("expiry after too many months", HEAD + "expiry:\n  after: {months: 1201} #!", ["expiry.after.months", "1 to 1200"]),
    ("round_up_to of what never ends", HEAD + "expiry: {never: {}, round_up_to: month} #!", ["expiry", "round_up_to"]),
    ("on a day that does not exist", HEAD + "expiry: {on: 02-30, years: 1} #!", ["expiry.on", "12-31"]),
    ("on a day without years", HEAD + "expiry: {on: 12-31} #!", ["expiry.years", "required"]),
    ("years without on", HEAD + "expiry: {never: {}, years: 1} #!", ["expiry.years", "on"]),
    ("inactivity of more than all", HEAD + "expiry: {inactivity: {months: 12, activities: [purchase], percent: 101}} #!", ["expiry.inactivity.percent",
     "1 to 100"]),
    ("inactivity of no months", HEAD + "expiry: {inactivity: {months: 0, activities: [purchase], percent: 100}} #!", ["expiry.inactivity.months", "1 to"]),
    ("inactivity that nothing ends", HEAD + "expiry: {inactivity: {months: 12, percent: 100}} #!", ["expiry.inactivity.activities", "1 to 16"]),
    ("refresh_on of what never ends", HEAD + "expiry: {never: {}, refresh_on: [purchase]} #!", ["expiry.refresh_on", "after and on"]),
    ("two clocks", tier(REACH + "expiry: {inactivity: {months: 6, activities: [purchase], percent: 100}} #!").replace("tiers:",
     "expiry: {inactivity: {months: 12, activities: [purchase], percent: 100}}\ntiers:"), ["tiers[1].expiry.inactivity", "one inactivity clock"]),
    # tiers
    ("a tier without an id", HEAD + "tiers:\n  - {rank: 0} #!", ["tiers[0].id", "required"]),
    ("a tier without a rank", HEAD + "tiers:\n  - {id: low} #!", ["tiers[0].rank", "required"]),
    ("two tiers with one id", tier(REACH).replace("id: high", "id: low #!"), ["tiers[1].id", "two tiers have the id low"]),
    ("two tiers with one rank", tier(REACH).replace("rank: 1", "rank: 0 #!"), ["tiers[1].rank", "same rank"]),
    ("reach of the lowest tier", HEAD + "tiers:\n  - id: low\n    rank: 0\n    reach: {any: [{all: [{metric: spend, at_least: \"5\"}]}]} #!",
     ["tiers[0].reach", "lowest tier"]),
    ("keep of the lowest tier", HEAD + "tiers:\n  - id: low\n    rank: 0\n    keep: {any: [{all: [{metric: spend, at_least: \"5\"}]}]} #!", ["tiers[0].keep",
     "lowest tier"]),
    ("valid of the lowest tier", HEAD + "tiers:\n  - id: low\n    rank: 0\n    valid: {months: 12} #!", ["tiers[0].valid", "lowest tier"]),
    ("grace of the lowest tier", HEAD + "tiers:\n  - id: low\n    rank: 0\n    grace: {months: 1} #!", ["tiers[0].grace", "lowest tier"]),
    ("a higher tier without reach", tier("valid: {months: 12}").replace("  - id: high", "  - id: high #!"), ["tiers[1].reach", "required"]),
    ("reach of nothing", tier("reach: {} #!"), ["tiers[1].reach.any", "1 to 16"]),
    ("all of nothing", tier("reach: {any: [{}]} #!"), ["tiers[1].reach.any[0].all", "1 to 16"]),
    ("a metric that is none", tier("reach: {any: [{all: [{metric: nights, at_least: \"5\"}]}]} #!"), ["tiers[1].reach.any[0].all[0].metric",
     "points_earned, spend, visits, balance or a counter"]),
    ("half a visit", tier("reach: {any: [{all: [{metric: visits, at_least: \"5.5\"}]}]} #!"), ["tiers[1].reach.any[0].all[0].at_least", "visits"]),
    ("a threshold left out", tier("reach: {any: [{all: [{metric: visits}]}]} #!"), ["tiers[1].reach.any[0].all[0].at_least", "required"]),
    ("a window of no months", tier(REACH + "window: {rolling_months: 0} #!"), ["tiers[1].window.rolling_months", "1 to 120"]),
    ("a window that is none", tier(REACH + "window: year #!"), ["tiers[1].window", "calendar_year"]),
    ("a tier of no months", tier(REACH + "valid: {months: 0} #!"), ["tiers[1].valid.months", "1 to 120"]),
    ("a tier through another end", tier(REACH + "valid: {through: end_of_month} #!"), ["tiers[1].valid.through", "end_of_year, end_of_next_year"]),
    ("a tier for ever, rounded", tier(REACH + "valid: {forever: {}, round_up_to: month} #!"), ["tiers[1].valid.round_up_to", "months"]),
    ("a tier for months and for ever", tier(REACH + "valid: {months: 12, forever: {}} #!"), ["tiers[1].valid.forever", "months"]),
    ("grace of no months", tier(REACH + "grace: {months: 0} #!"), ["tiers[1].grace.months", "1 to 24"]),
    ("a tier's multiplier below one", tier(REACH + "earn_multiplier: \"0.9\" #!"), ["tiers[1].earn_multiplier", "at least 1"]),
    ("a tier's window without a birthday", tier(REACH + "birthday: {days_after: 5} #!"), ["tiers[1].birthday", "birthday reward"]),
    ("seventeen tiers", HEAD + "tiers: #!\n  - {id: t0, rank: 0}\n"
     + "".join(f"  - {{id: t{i}, rank: {i}, reach: {{any: [{{all: [{{metric: spend, at_least: \"{i}\"}}]}}]}}}}\n" for i in range(1, 17)), ["tiers",
     "at most 16"]),
    ("a refresh of one rule's lots", HEAD + "earn:\n  - {id: a, priority: 1, on: purchase, kind: base, fixed: {points: \"1\"}, "
     "expiry: {after: {days: 30}, refresh_on: [purchase]}} #!", ["earn[0].expiry.refresh_on", "lots do not remember"]),
    # vouchers and what they are given for
    ("a reward for so many in one command", reward("per_member: {count: 1, per: transaction} #!"),
     ["rewards[0].per_member.per", "day, month, year or"]),
    ("a reward for so many of all members", reward("per_member: {count: 1, per: program} #!"), ["rewards[0].per_member.per", "`stock`"]),
    ("stamps for an activity", HEAD + VOUCHERS + "stamps:\n  - id: card\n    per_item: 1\n    size: 10\n    voucher: mug\n    when:\n      activity: ride #!\n",
     ["stamps[0].when.activity", "on: activity"]),
    # the rest
    ("a birthday without a reward", HEAD + "birthday: {guard_days: 5} #!", ["birthday.reward", "required"]),
    ("a birthday of no points", HEAD + "birthday: {reward: {points: \"0\"}} #!", ["birthday.reward.points", "at least 0.1"]),
    ("a birthday window of a year", HEAD + "birthday: {reward: {points: \"5\"}, window: {days_before: 181}} #!", ["birthday.window.days_before", "180"]),
    ("a guard of two years", HEAD + "birthday: {reward: {points: \"5\"}, guard_days: 700} #!", ["birthday.guard_days", "366"]),
    ("a birthday on another leap day", HEAD + "birthday: {reward: {points: \"5\"}, leap_day: feb_29} #!", ["birthday.leap_day", "feb_28, mar_1"]),
    ("requires without months", HEAD + "birthday: {reward: {points: \"5\"}, requires: {points_earned: \"1\"}} #!", ["birthday.requires.within_months",
     "required"]),
    ("an anniversary of nothing", HEAD + "anniversary: {reward: {points: \"5\"}} #!", ["anniversary.of", "enrolment"]),
    ("more than the whole order", HEAD + "redemption: {max_percent_of_order: 101} #!", ["redemption.max_percent_of_order", "at most 100"]),
    ("less than nothing of the order", HEAD + "redemption: {max_percent_of_order: -1} #!", ["redemption.max_percent_of_order", "whole number"]),
    ("a value without its amount", HEAD + "redemption: {value: {points: \"100\"}} #!", ["redemption.value.amount", "required"]),
    ("a value of no points", HEAD + "redemption: {value: {points: \"0\", amount: \"1\"}} #!", ["redemption.value.points", "at least 0.1"]),
    ("a step of zero", HEAD + "redemption: {step: \"0\"} #!", ["redemption.step", "at least 0.1"]),
    ("a hold that ends before it begins", HEAD + "redemption:\n  hold:\n    default_ttl: 2d\n    max_ttl: 1d #!", ["redemption.hold.max_ttl",
     "below default_ttl"]),
    ("a hold that the default max_ttl does not allow", HEAD + "redemption:\n  hold: {default_ttl: 31d} #!", ["redemption.hold.max_ttl", "30d when left out"]),
    ("a hold of no time", HEAD + "redemption:\n  hold: {default_ttl: 0s} #!", ["redemption.hold.default_ttl", "300s"]),
    ("a hold of weeks", HEAD + "redemption:\n  hold: {default_ttl: 1w} #!", ["redemption.hold.default_ttl", "300s"]),
    ("late for eleven years", HEAD + "limits: {late_days: 4000} #!", ["limits.late_days", "3650"]),
    ("a limit with surplus digits", HEAD + "limits: {earn_per_day: \"1.55\"} #!", ["limits.earn_per_day", "points.scale"]),
    ("one notice twice", HEAD + "notices: {expiring_days: [30, 30]} #!", ["notices.expiring_days[1]", "twice"]),
    ("a notice of eleven years", HEAD + "notices: {downgrade_days: [4000]} #!", ["notices.downgrade_days[0]", "3660"]),
    ("seventeen notices", HEAD + "notices: {expiring_days: [" + ", ".join(str(i) for i in range(17)) + "]} #!", ["notices.expiring_days", "at most 16"]),
    ("returns that claw otherwise", HEAD + "returns: {claw_back: some} #!", ["returns.claw_back", "unlimited, only_pending, within_balance"]),
    ("debt of a used voucher that has no value", HEAD + "earn:\n  - {id: v, priority: 1, on: purchase, kind: voucher, voucher: drink}\n"
     "vouchers: [{id: drink, name: Drink}]\nredemption: {value: {points: \"1\", amount: \"1\"}}\nreturns: {used_voucher: debt} #!",
     ["returns.used_voucher", "drink has none"]),
    ("debt of a used voucher without a value of points", HEAD + "returns: {used_voucher: debt} #!", ["returns.used_voucher", "redemption.value"]),
    ("returns restored for too long", HEAD + "returns: {restore: {grace_days: 40000}} #!", ["returns.restore.grace_days", "36500"]),
    ("returns restored in two ways", HEAD + "returns: {restore: {grace_days: 5, original: {}}} #!", ["returns.restore.original", "grace_days"]),
    ("a transfer with surplus digits", HEAD + 'transfers: {min: "1.55"} #!', ["transfers.min", "points.scale"]),
    ("a transfer with another expiry", HEAD + "transfers: {expiry: never} #!", ["transfers.expiry", "keep, restart"]),
    ("an advance without a limit", HEAD + "advance: {} #!", ["advance.max", "required"]),
    ("a pool of one", HEAD + "pools: {max_members: 1} #!", ["pools.max_members", "2 to 32"]),
    ("a partner without a price", HEAD + "partners: [{id: air, redeem_price: \"1\", settlement: postpaid}] #!", ["partners[0].issue_price", "required"]),
    ("a membership without a term", HEAD + "memberships: [{id: prime, fee: \"1\"}] #!", ["memberships[0].term", "required"]),
    ("a section that is empty", HEAD + "referral: {} #!", ["referral.referrer", "required"]),
    ("a referral without its pending days", HEAD + 'referral: {referrer: "1", referee: "0", min_amount: "5"} #!', ["referral.pending_days", "required"]),
    ("a referral that rewards nobody", HEAD + 'referral: {referrer: "0", referee: "0", min_amount: "5", pending_days: 0} #!', ["both zero"]),
    ("a referral with surplus digits", HEAD + 'referral: {referrer: "1.55", referee: "0", min_amount: "5", pending_days: 0} #!',
     ["referral.referrer", "points.scale"]),
    ("a referral that waits too long", HEAD + 'referral: {referrer: "1", referee: "0", min_amount: "5", pending_days: 99999} #!',
     ["referral.pending_days", "36500"]),
    ("another word for unknown aliases", HEAD + "unknown_alias: perhaps #!", ["unknown_alias", "provisional, refuse"]),
    ("sixty-five rules", HEAD + "earn: #!\n"
     + "".join(f"  - {{id: r{i}, priority: {i}, on: purchase, kind: bonus, fixed: {{points: \"1\"}}}}\n" for i in range(65)), ["earn", "at most 64"]),
    ("a control character", when("categories: [\"a\\tb\"] #!"), ["earn[1].when.categories[0]", "control characters"]),
]


def check(world, text, *options):
    world.write("p.yaml", text)
    return run_fealty(["program", "check", world.path("p.yaml"), *options])


def marked_line(text):
    return next((i + 1 for i, line in enumerate(text.split("\n")) if "#!" in line), 0)


def judge(world, text, words):
    """What is wrong with the answer to a file that must be refused; None: nothing."""
    done = check(world, text)
    line = marked_line(text)
    begin = f"{world.path('p.yaml')}:{line}: " if line else f"{world.path('p.yaml')}: "
    if done.code != 1 or done.out or not done.err.startswith(begin):
        return f"should be refused at line {line}: exit {done.code} {done.out}{done.err}"
    if len(done.err.splitlines()) != 1:
        return f"has one mistake, and is told several: {done.err}"
    missing = [w for w in words if w not in done.err]
    return f"does not say {missing}: {done.err}" if missing else None


@seconds(120)
def test_refused(world):
    assert len({name for name, _, _ in REFUSED}) == len(REFUSED) >= 200
    faults = [f"{name}: {fault}" for name, text, words in REFUSED for fault in [judge(world, text, words)] if fault]
    assert not faults, "\n".join(faults)


def test_good_as_it_stands(world):
    """What the refused rows are made of is good itself, so each is refused for what it says."""
    for text in (HEAD, HEAD + "earn:\n" + BASE, HEAD + TIERS, tier(REACH), bonus(""), when('min_amount: "5"')):
        done = check(world, text)
        assert done.code == 0 and not done.err, done


def test_refused_as_json(world):
    done = check(world, HEAD + "expiry:\n  after: {months: 0}\n", "--json")
    assert done.code == 1 and not done.err, done
    assert {k: done.json[k] for k in ("status", "reason", "line", "field")} == {
        "status": "INVALID_ARGUMENT", "reason": "PROGRAM_REFUSED", "line": 7, "field": "expiry.after.months"}, done


# What can be read, and not meant: in every section, and several in lists.  The lines of those that are told at once end in `#!`.
MANY = HEAD + """earn:
  - {id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: "1.005", points: "1"}} #!
  - {id: good, priority: 20, on: purchase, kind: bonus, fixed: {points: "1"}}
  - {id: gift, priority: 30, on: purchase, kind: voucher, voucher: nothing} #!
  - {id: twice, priority: 20, on: purchase, kind: bonus, fixed: {points: "1"}} #!
expiry: {after: {days: 0}} #!
tiers:
  - {id: low, rank: 0, valid: {months: 12}} #!
  - {id: high, rank: 1} #!
birthday: {reward: {points: "0"}} #!
redemption: {min: "1.55", value: {points: "100", amount: "10"}} #!
rewards:
  - {id: mug, cost: "0", voucher: mug} #!
  - {id: cup, cost: "5", voucher: cup} #!
vouchers:
  - {id: mug, name: Mug, valid: {days: 0}} #!
returns: {used_voucher: debt}
partners: [{id: p1, issue_price: free, redeem_price: "1", settlement: postpaid}] #!
memberships: [{id: prime, term: monthly, fee: "-1"}] #!
limits: {redeem_per_day: "1.55"} #!
accounting: {cost_per_point: "6.6", expected_redemption: "1.80"} #!
"""


def marked_lines(text):
    return [i + 1 for i, line in enumerate(text.split("\n")) if "#!" in line]


def told_lines(done):
    return sorted(int(line.split(":")[1]) for line in done.err.splitlines())


def test_all_that_is_wrong_at_once(world):
    """What follows from a mistake is not told: debt for vouchers, that needs a good redemption; the order of rules, that needs all of them."""
    done = check(world, MANY)
    assert done.code == 1 and told_lines(done) == marked_lines(MANY), done
    first, *_ = done.err.splitlines()
    found = check(world, MANY, "--json")
    assert found.code == 1 and sorted(e["line"] for e in found.json["errors"]) == marked_lines(MANY), found
    one = found.json["errors"][0]
    assert {k: found.json[k] for k in ("line", "column", "field", "message")} == one, found
    assert f':{one["line"]}: {one["field"]}: {one["message"]}' in first, (found, first)
    text = MANY.replace(" #!", "").replace("fixed: {points", "fixd: {points", 1).replace("rank: 1}", "rank: x} #!").replace("min:", "mim:")
    text = text.replace("fixd: {points: \"1\"}}", "fixd: {points: \"1\"}} #!").replace('amount: "10"}}', 'amount: "10"}} #!')
    done = check(world, text)
    assert len(marked_lines(text)) == 3
    assert done.code == 1 and told_lines(done) == marked_lines(text), "what cannot be read comes first, all of it: " + done.err
    many = check(world, HEAD + "earn:\n" + "".join(f"  - {{id: r{i}, colour: red}}\n" for i in range(60)))
    assert many.code == 1 and len(many.err.splitlines()) == 50, "the others can wait"
    head_wrong = check(world, MANY.replace("currency: USD", "currency: usd"))
    assert head_wrong.code == 1 and told_lines(head_wrong) == [4], "without a currency no amount can be judged"


# Each has one mistake, and something elsewhere that reads what was wrong.
FOLLOWS = [
    ("debt for vouchers, by a value that is none", HEAD + "earn:\n  - {id: gift, priority: 1, on: purchase, kind: voucher, voucher: mug}\n"
     "redemption: {value: {points: \"100\", amount: \"0\"}} #!\nvouchers: [{id: mug, name: Mug, value: {amount: \"5\"}}]\nreturns: {used_voucher: debt}\n"),
    ("debt for a voucher whose value is none", HEAD + "earn:\n  - {id: gift, priority: 1, on: purchase, kind: voucher, voucher: mug}\n"
     "redemption: {value: {points: \"100\", amount: \"1\"}}\nvouchers: [{id: mug, name: Mug, valid: {days: 0}, value: {amount: \"5\"}}] #!\n"
     "returns: {used_voucher: debt}\n"),
    ("the product of multipliers, without a rule", HEAD + "stacking: multiply\nearn:\n" + BASE
     + "  - {id: more, priority: 20, on: purchase, kind: multiplier, multiply: \"0.5\"} #!\n"),
    ("a rule that takes the place of one that is wrong",
     HEAD + "earn:\n  - {id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: \"0\", points: \"1\"}} #!\n"
     "  - {id: other, priority: 20, on: purchase, kind: base, per_amount: {amount: \"1\", points: \"1\"}, replaces: base}\n"),
    ("the lowest tier, without a rank", HEAD + "tiers:\n  - {id: high, " + REACH.strip() + "} #!\n  - {id: low, rank: 1}\n"),
    ("a threshold of a counter that has no name", HEAD + "counters: [Nights] #!\ntiers:\n  - {id: low, rank: 0}\n"
     "  - {id: high, rank: 1, reach: {any: [{all: [{metric: nights, at_least: \"5\"}]}]}}\n"),
]


def test_what_follows_from_a_mistake_is_not_told(world):
    for name, text in FOLLOWS:
        done = check(world, text)
        assert done.code == 1 and told_lines(done) == marked_lines(text), (name, done)


def test_publishing_still_names_the_first(world):
    ledger = world.running()
    found = check(world, MANY, "--json").json
    published = ledger.cli("program", "publish", world.path("p.yaml"), code=2).json
    assert {k: published[k] for k in ("line", "field", "message")} == {k: found[k] for k in ("line", "field", "message")}, (published, found)


# name, bytes, exit code, words
FILES = [
    ("nothing in it", b"", 1, "the file is empty"),
    ("a comment only", b"# a program\n", 1, "the file is empty"),
    ("a document of nothing", b"---\n", 1, "the file is empty"),
    ("a byte order mark", b"\xef\xbb\xbf" + HEAD.encode(), 0, "is good"),
    ("lines ended by CR and LF", HEAD.replace("\n", "\r\n").encode(), 0, "is good"),
    ("a mistake behind CR and LF", HEAD.replace("\n", "\r\n").encode() + b"colour: red\r\n", 1, ":6: colour"),
    ("Latin-1", HEAD.replace("Acme\n", "Caf\xe9\n").encode("latin-1"), 1, ":2: "),
    ("UTF-16", HEAD.encode("utf-16"), 1, "UTF-8"),
    ("a surrogate", HEAD.encode() + b"# \xed\xa0\x80\n", 1, ":6: "),
    ("a NUL", HEAD.encode() + b"# \x00\n", 1, "control characters"),
    ("a NUL that is written", HEAD.encode() + b'unknown_alias: "\\0"\n', 1, "NUL"),
    ("a control character in a key", HEAD.encode() + b'"\\e[31m": 1\n', 1, ":6: ?[31m: unknown key"),
    ("half a million brackets", b"a: " + b"[" * 500000, 1, "16 levels"),
    ("ten megabytes", b"#" * 10_000_000, 2, "1 MiB"),
    ("forty kilobytes of rules", HEAD.encode() + b"earn:\n" + b"".join(
        b'  - {id: r%d, priority: %d, on: purchase, kind: bonus, fixed: {points: "1"}, when: {categories: [%s]}}\n'
        % (i, i, b",".join(b"c%d_%s" % (k, b"x" * 50) for k in range(20))) for i in range(60)), 1, "40 000 bytes"),
]


def test_files(world):
    for name, data, code, words in FILES:
        with open(world.path("p.yaml"), "wb") as f:
            f.write(data)
        done = run_fealty(["program", "check", world.path("p.yaml")])
        assert done.code == code and words in done.out + done.err, (name, done)
    os.mkdir(world.path("d.yaml"))
    for path in ("d.yaml", "nothing.yaml"):
        done = run_fealty(["program", "check", world.path(path)])
        assert done.code == 2 and "cannot be read" in done.err and not done.out, done
    done = run_fealty(["program", "check", "-"], stdin=HEAD)
    assert done.code == 0, done


# ---- warnings ----

def two(rules, rest=""):
    """A program of the given rules, one a line."""
    return HEAD + "earn:\n" + "".join(f"  - {{{line}}}\n" for line in rules.strip().split("\n")) + rest


PER = 'id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: "1", points: "1"}'

def gold(text, reach='{metric: points_earned, at_least: "500"}'):
    return f"tiers:\n  - {{id: low, rank: 0}}\n  - {{id: gold, rank: 1, reach: {{any: [{{all: [{reach}]}}]}}, {text}}}\n"


def fed(cap, text="window: {rolling_months: 12}", limits="", reach='{metric: points_earned, at_least: "500"}'):
    """Gold at 500 points under a rule with a cap."""
    return two(PER + cap, gold(text, reach) + limits)


def capped(kind, limit, per="day"):
    return f', caps: [{{per: {per}, {kind}: "{limit}"}}]'


GAINS = 'id: visit, priority: 20, on: purchase, kind: bonus, fixed: {points: "5"}'
STARVED = ('id: a, priority: 20, on: purchase, kind: bonus, fixed: {{points: "{0}"}}, caps: [{{per: day, points: "50", group: g}}]\n'
           'id: b, priority: 30, on: purchase, kind: bonus, fixed: {{points: "10"}}, caps: [{{per: day, points: "50", group: g}}]')
OTHER = 'id: r, priority: 20, on: purchase, kind: base, per_amount: {amount: "1", points: "5"}, replaces: base'
LADDER = """tiers:
  - {{id: low, rank: 0}}
  - {{id: silver, rank: 1, reach: {{any: [{{all: [{{metric: {2}, at_least: "{0}"}}]}}]}}, window: {3}}}
  - {{id: gold, rank: 2, reach: {{any: [{{all: [{{metric: {2}, at_least: "{1}"}}]}}]}}, window: {4}}}
"""


def ladder(silver, gold_, metric="spend", window="lifetime", gold_window="lifetime"):
    return two(PER, LADDER.format(silver, gold_, metric, window, gold_window))


def birthday(text):
    return HEAD + 'birthday: {reward: {points: "5"}, ' + text + "}\n"


def redemption(text, more=""):
    return HEAD + "redemption: {" + text + "}\n" + more


# name, a file with the trap, one like it without, key, words
TRAPS = [
    ("a counter that no rule feeds", HEAD + "counters: [nights]\n" + gold("window: lifetime", '{metric: nights, at_least: "5"}'),
     two("id: stay, priority: 10, on: activity, kind: counter, counter: {id: nights, add: 1}",
         "counters: [nights]\n" + gold("window: lifetime", '{metric: nights, at_least: "5"}')),
     "tiers[1].reach.any[0].all[0].at_least", ["nobody reaches gold", "5 of nights", "no rule gives any"]),
    ("points_earned where nothing is earned", HEAD + gold("window: lifetime"), two(PER, gold("window: lifetime")),
     "tiers[1].reach.any[0].all[0].at_least", ["nobody reaches gold", "500.0 of points_earned"]),
    ("a cap a day that never comes to the threshold", fed(capped("points", "1.3")), fed(capped("points", "1.4")),
     "tiers[1].reach.any[0].all[0].at_least", ["at most 475.8", "the tier's window"]),
    ("a cap for a lifetime", fed(capped("points", "499", "lifetime"), "window: lifetime"), fed(capped("points", "500", "lifetime"), "window: lifetime"),
     "tiers[1].reach.any[0].all[0].at_least", ["at most 499.0 within a lifetime"]),
    ("a cap of all members together", fed(capped("points", "499", "program"), "window: lifetime"), fed(capped("points", "500", "program"), "window: lifetime"),
     "tiers[1].reach.any[0].all[0].at_least", ["at most 499.0"]),
    ("the day's limit", fed("", limits='limits: {earn_per_day: "1"}\n'), fed("", limits='limits: {earn_per_day: "2"}\n'),
     "tiers[1].reach.any[0].all[0].at_least", ["at most 366.0"]),
    ("a calendar year of few points", fed(capped("points", "40", "month"), "window: calendar_year"), fed(capped("points", "42", "month"),
     "window: calendar_year"),
     "tiers[1].reach.any[0].all[0].at_least", ["at most 480.0"]),
    ("events that are counted", two(GAINS + ', caps: [{per: year, count: 10}]', gold("window: calendar_year")),
     two(GAINS + ', caps: [{per: year, count: 100}]', gold("window: calendar_year")), "tiers[1].reach.any[0].all[0].at_least", ["at most 50.0"]),
    ("enrolment alone", two('id: hello, priority: 10, on: enrol, kind: bonus, fixed: {points: "499"}', gold("window: lifetime")),
     two('id: hello, priority: 10, on: enrol, kind: bonus, fixed: {points: "500"}', gold("window: lifetime")),
     "tiers[1].reach.any[0].all[0].at_least", ["at most 499.0"]),
    ("one way of two leads nowhere", two(PER, "counters: [nights]\n" + gold("window: lifetime").replace(
        "reach: {any: [", 'reach: {any: [{all: [{metric: nights, at_least: "5"}]}, ')),
     two(PER + "\nid: stay, priority: 20, on: activity, kind: counter, counter: {id: nights, add: 1}", "counters: [nights]\n"
     + gold("window: lifetime").replace(
         "reach: {any: [", 'reach: {any: [{all: [{metric: nights, at_least: "5"}]}, ')),
     "tiers[1].reach.any[0].all[0].at_least", ["by this list nobody reaches gold"]),
    ("keep that nobody fills", fed(capped("points", "2"),
     'valid: {months: 3}, window: lifetime, keep: {any: [{all: [{metric: points_earned, at_least: "1000"}]}]}'
                                  ).replace("window: lifetime", "window: {rolling_months: 12}"),
     fed(capped("points", "2"), 'valid: {months: 12}, window: {rolling_months: 12}, keep: {any: [{all: [{metric: points_earned, at_least: "700"}]}]}'),
     "tiers[1].keep.any[0].all[0].at_least", ["nobody keeps gold", "1000.0"]),
    ("reach that a short validity does not allow again", fed(capped("points", "2"), "valid: {months: 3}, window: {rolling_months: 12}"),
     fed(capped("points", "2"), "valid: {months: 12}, window: {rolling_months: 12}"), "tiers[1].valid", ["nobody keeps gold"]),
    ("a higher tier that asks for less", ladder(500, 400), ladder(400, 500), "tiers[1].reach", ["nobody rises to silver", "gold"]),
    ("a higher tier that asks for as much over a longer time", ladder(500, 500, "spend", "{rolling_months: 6}", "{rolling_months: 12}"),
     ladder(500, 500, "spend", "{rolling_months: 12}", "{rolling_months: 6}"), "tiers[1].reach", ["nobody rises to silver"]),
    ("a higher tier over a lifetime", ladder(500, 500, "spend", "calendar_year", "lifetime"), ladder(500, 501, "spend", "calendar_year", "lifetime"),
     "tiers[1].reach", ["nobody rises to silver"]),
    ("a tier that asks for nothing", ladder(0, 500), ladder(1, 500), "tiers[1].reach", ["everybody reaches silver"]),
    ("keep of a tier for ever", two(PER, gold('keep: {any: [{all: [{metric: spend, at_least: "5"}]}]}')),
     two(PER, gold('valid: {months: 12}, keep: {any: [{all: [{metric: spend, at_least: "5"}]}]}')), "tiers[1].keep", ["keep is never asked"]),
    ("grace of a tier for ever", two(PER, gold("grace: {months: 1}")), two(PER, gold("valid: {months: 12}, grace: {months: 1}")), "tiers[1].grace",
     ["never asked"]),
    ("downgrade of a tier for ever", two(PER, gold("downgrade: one")), two(PER, gold("valid: {months: 12}, downgrade: one")), "tiers[1].downgrade",
     ["never asked"]),
    ("a tier's multiplier without a base", two(GAINS, gold('earn_multiplier: "2"')), two(PER, gold('earn_multiplier: "2"')),
     "tiers[1].earn_multiplier", ["gold multiplies nothing"]),
    ("a campaign that is over", two(PER + ", when: {until: 2026-05-31}"), two(PER + ", when: {until: 2026-06-01}"), "earn[0].when.until", ["over",
     "2026-05-31"]),
    ("weekdays that the campaign has not", two(PER + ", when: {weekdays: [sat, sun], from: 2026-06-08, until: 2026-06-12}"),
     two(PER + ", when: {weekdays: [sat, sun], from: 2026-06-08, until: 2026-06-13}"), "earn[0].when.weekdays", ["never applies", "2026-06-08"]),
    ("categories that are left out again", two(PER + ", when: {categories: [a, b], exclude_categories: [b, a]}"),
     two(PER + ", when: {categories: [a, b], exclude_categories: [b, c]}"), "earn[0].when.exclude_categories", ["never applies"]),
    ("a first purchase after much spending", two(PER + ', when: {first_purchase: true, previous_month_spend: {min: "5"}}'),
     two(PER + ', when: {first_purchase: true, previous_month_spend: {min: "5", waive_months: 1}}'), "earn[0].when.first_purchase", ["never applies", "5.00"]),
    ("an enrolment after much spending", two('id: r, priority: 1, on: enrol, kind: bonus, fixed: {points: "5"}, when: {previous_month_spend: {min: "5"}}'),
     two('id: r, priority: 1, on: enrol, kind: bonus, fixed: {points: "5"}, when: {previous_month_spend: {min: "5", waive_months: 1}}'),
     "earn[0].when.previous_month_spend", ["never applies"]),
    ("an enrolment of old members", two('id: r, priority: 1, on: enrol, kind: bonus, fixed: {points: "5"}, when: {member_days_min: 1}'),
     two('id: r, priority: 1, on: purchase, kind: bonus, fixed: {points: "5"}, when: {member_days_min: 1}'), "earn[0].when.member_days_min", ["never applies"]),
    ("an enrolment in a higher tier", two('id: r, priority: 1, on: enrol, kind: bonus, fixed: {points: "5"}, when: {tiers: [gold]}', gold("window: lifetime",
     '{metric: spend, at_least: "5"}')),
     two('id: r, priority: 1, on: enrol, kind: bonus, fixed: {points: "5"}, when: {tiers: [gold, low]}', gold("window: lifetime",
     '{metric: spend, at_least: "5"}')),
     "earn[0].when.tiers", ["never applies", "begins in low"]),
    ("a rule for a tier that nobody reaches", two(GAINS.replace("fixed", "when: {tiers: [gold]}, fixed"), "counters: [nights]\n" + gold("window: lifetime",
     '{metric: nights, at_least: "5"}')),
     two(GAINS.replace("fixed", "when: {tiers: [gold]}, fixed"), gold("window: lifetime", '{metric: visits, at_least: "5"}')), "earn[0].when.tiers",
     ["gifted"]),
    ("amounts below a step", two(PER.replace('points: "1"', 'points: "1", whole_steps: true').replace('amount: "1"', 'amount: "10"')
     + ', when: {max_amount: "9.99"}'),
     two(PER.replace('points: "1"', 'points: "1", whole_steps: true').replace('amount: "1"', 'amount: "10"') + ', when: {max_amount: "10.00"}'),
     "earn[0].when.max_amount", ["gives nothing", "10.00"]),
    ("times one", two(PER + '\nid: m, priority: 20, on: purchase, kind: multiplier, multiply: "1"'),
     two(PER + '\nid: m, priority: 20, on: purchase, kind: multiplier, multiply: "1.1"'), "earn[1].multiply", ["gives nothing"]),
    ("a bonus of nothing", two(GAINS.replace('"5"', '"0"')), two(GAINS), "earn[0]", ["gives nothing"]),
    ("a cap of nothing", two(PER + capped("points", "0")), two(PER + capped("points", "0.1")), "earn[0].caps[0].points", ["gives nothing"]),
    ("a day's limit of nothing", two(PER, 'limits: {earn_per_day: "0"}\n'), two(PER, 'limits: {earn_per_day: "1"}\n'), "limits.earn_per_day", ["nobody earns"]),
    ("a multiplier of activities that have no base", two(PER + '\nid: m, priority: 20, on: activity, kind: multiplier, multiply: "2"'),
     two(PER + '\nid: m, priority: 20, on: activity, kind: multiplier, multiply: "2"\nid: ride, priority: 30, on: activity, kind: base, fixed: {points: "5"}'),
     "earn[1].multiply", ["multiplies nothing", "activities"]),
    ("a base rule that is always replaced", two(PER + "\n" + OTHER), two(PER + "\n" + OTHER + ", when: {categories: [drink]}"), "earn[1].replaces",
     ["base never gives anything"]),
    ("a base rule that is replaced on its own days", two(PER + ", when: {weekdays: [sat]}\n" + OTHER + ", when: {weekdays: [sat, sun]}"),
     two(PER + ", when: {weekdays: [sat, mon]}\n" + OTHER + ", when: {weekdays: [sat, sun]}"), "earn[1].replaces", ["base never gives anything"]),
    ("a base rule that is replaced from a lower amount", two(PER + ', when: {min_amount: "20"}\n' + OTHER + ', when: {min_amount: "10"}'),
     two(PER + ', when: {min_amount: "10"}\n' + OTHER + ', when: {min_amount: "20"}'), "earn[1].replaces", ["base never gives anything"]),
    ("a rule that leaves nothing of its group", two(STARVED.format(50)), two(STARVED.format(49.9)), "earn[1].caps", ["b never gives anything",
     "a comes first", "50.0"]),
    ("an activity on the same day", two(PER + ", pending: {on_activity: delivered, within_days: 0}"),
     two(PER + ", pending: {on_activity: delivered, within_days: 1}"), "earn[0].pending.within_days", ["next midnight", "delivered"]),
    ("points that wait longer than they live", two(PER + ", pending: {days: 30}, expiry: {after: {days: 29}}"),
     two(PER + ", pending: {days: 30}, expiry: {after: {days: 30}}"), "earn[0].pending", ["wait up to 30 days", "29"]),
    ("a month of waiting, a tier's week", two(PER + ", pending: {until: next_month_start}", gold("expiry: {after: {days: 7}}")),
     two(PER + ", pending: {until: next_month_start}", gold("expiry: {after: {months: 2}}")), "earn[0].pending", ["31 days", "7"]),
    ("points of the last day of the year", two(PER, "expiry: {on: 12-31, years: 0}\n"), two(PER, "expiry: {on: 12-31, years: 1}\n"), "expiry.years", ["12-31",
     "that day only"]),
    ("refreshed by what does not exist", two(PER, "expiry: {after: {months: 6}, refresh_on: [purchases]}\n"),
     two(PER, "expiry: {after: {months: 6}, refresh_on: [purchase]}\n"), "expiry.refresh_on[0]", ["no command purchases"]),
    ("a clock that nothing restarts", two(PER, "expiry: {inactivity: {months: 6, activities: [purchase, ride], percent: 100}}\n"),
     two(PER + '\nid: ride, priority: 20, on: activity, kind: bonus, fixed: {points: "5"}, when: {activity: ride}',
         "expiry: {inactivity: {months: 6, activities: [purchase, ride], percent: 100}}\n"), "expiry.inactivity.activities[1]", ["no command ride"]),
    ("a birthday window beyond the guard", birthday("window: {days_before: 7, days_after: 7}, guard_days: 13"),
     birthday("window: {days_before: 7, days_after: 7}, guard_days: 14"),
     "birthday.window", ["14 days", "moves the birthday"]),
    ("a tier's birthday window beyond the guard", birthday("guard_days: 13") + gold("birthday: {days_before: 7, days_after: 7}",
     '{metric: spend, at_least: "5"}'),
     birthday("guard_days: 14") + gold("birthday: {days_before: 7, days_after: 7}", '{metric: spend, at_least: "5"}'), "tiers[1].birthday", ["14 days"]),
    ("a birthday that requires too much", two(PER + capped("points", "10", "month"),
     'birthday: {reward: {points: "5"}, requires: {points_earned: "141", within_months: 12}}\n'),
     two(PER + capped("points", "10", "month"), 'birthday: {reward: {points: "5"}, requires: {points_earned: "130", within_months: 12}}\n'),
     "birthday.requires.points_earned", ["nobody is paid", "141.0"]),
    ("min between two steps", redemption('min: "150", step: "100"'), redemption('min: "200", step: "100"'), "redemption.min", ["200.0"]),
    ("no part of an order", redemption('value: {points: "1", amount: "1"}, max_percent_of_order: 0'),
     redemption('value: {points: "1", amount: "1"}, max_percent_of_order: 1'),
     "redemption.max_percent_of_order", ["no order"]),
    ("a day's limit below the least", redemption('min: "100"', 'limits: {redeem_per_day: "99"}\n'), redemption('min: "100"',
     'limits: {redeem_per_day: "100"}\n'),
     "limits.redeem_per_day", ["nobody can redeem", "100.0"]),
    ("points that are worth nothing", redemption('value: {points: "100", amount: "0.01"}, min: "99"'),
     redemption('value: {points: "100", amount: "0.01"}, min: "100"'),
     "redemption.value", ["worth nothing", "0.01 USD"]),
    ("a hold longer than points live", redemption("hold: {max_ttl: 30d, expired_lot: expire_at_once}", "expiry: {after: {days: 29}}\n"),
     redemption("hold: {max_ttl: 29d, expired_lot: expire_at_once}", "expiry: {after: {days: 29}}\n"), "redemption.hold.max_ttl", ["30 days", "29"]),
    ("transfers that the year does not allow", HEAD + 'transfers: {min: "100", out_per_year: "99"}\n',
     HEAD + 'transfers: {min: "100", out_per_year: "100"}\n', "transfers.out_per_year", ["no transfer", "99.0", "100.0"]),
    ("transfers that nobody may take", HEAD + 'transfers: {min: "100", in_per_year: "99"}\n',
     HEAD + 'transfers: {min: "100", in_per_year: "100"}\n', "transfers.in_per_year", ["no transfer", "99.0"]),
    ("transfers of none a year", HEAD + "transfers: {times_per_year: 0}\n", HEAD + "transfers: {times_per_year: 1}\n",
     "transfers.times_per_year", ["no transfer"]),
    ("an advance of nothing", HEAD + 'advance: {max: "0"}\n', HEAD + 'advance: {max: "1"}\n', "advance.max", ["nobody"]),
    ("a notice of points that never end", two(PER, "notices: {expiring_days: [30]}\n"), two(PER,
     "expiry: {after: {months: 3}}\nnotices: {expiring_days: [30]}\n"),
     "notices.expiring_days", ["no points expire"]),
    ("a notice of tiers that never end", two(PER, gold("window: lifetime") + "notices: {downgrade_days: [30]}\n"),
     two(PER, gold("valid: {months: 12}") + "notices: {downgrade_days: [30]}\n"), "notices.downgrade_days", ["valid for ever"]),
]

# Where one trap brings another along: without points the tier that asks for them is out of reach.
TOLD_WITH_IT = {"a rule for a tier that nobody reaches"}


def warnings(world, text, code=0, *options):
    done = check(world, text, "--json", "--on", "2026-06-01", *options)
    assert done.code == code, f"{done}\n{text}"
    return done.json["warnings"]


@seconds(120)
def test_traps(world):
    """Each shows, with its line, and its neighbour has no warning at all."""
    faults = []
    for name, bad, good, key, words in TRAPS:
        told = warnings(world, bad)
        found = [w for w in told if w["key"] == key]
        last = key.replace("]", "").replace("[", ".").split(".")[-1]
        if len(found) != 1 or not all(word in found[0]["message"] for word in words):
            faults.append(f"{name}: {told}")
        elif len(told) > 1 and name not in TOLD_WITH_IT:
            faults.append(f"{name}: also {told}")
        elif not last.isdigit() and last not in bad.split("\n")[found[0]["line"] - 1]:
            faults.append(f"{name}: it does not stand in line {found[0]['line']}")
        elif warnings(world, good):
            faults.append(f"{name}: the healthy one: {warnings(world, good)}")
    assert not faults, "\n".join(faults)


def test_traps_as_text(world):
    _, bad, good, key, _ = TRAPS[0]
    done = check(world, bad)
    line = next(i + 1 for i, text in enumerate(bad.split("\n")) if "at_least" in text)
    assert done.code == 0 and done.err.startswith(f"{world.path('p.yaml')}:{line}: warning: {key}: nobody reaches gold"), done
    assert "is good" in done.out and "1 warning" in done.out, done
    assert check(world, bad, "--strict").code == 1 and check(world, good, "--strict").code == 0
    warnings(world, bad, 1, "--strict")
    both = warnings(world, TRAPS[0][1] + "notices: {expiring_days: [30], downgrade_days: [30]}\n")
    assert [w["line"] for w in both] == sorted(w["line"] for w in both) and len(both) == 3, both


def test_examples_have_no_traps(world):
    folder = os.path.join(SOURCE, "packaging", "examples")
    for name in sorted(os.listdir(folder)):
        if name.endswith(".yaml"):
            done = run_fealty(["program", "check", "--strict", "--on", "2026-06-01", os.path.join(folder, name)])
            assert done.code == 0 and not done.err, done


def test_publish_warns(world):
    """On standard error, or in `warnings`; published all the same."""
    ledger = world.ledger()
    ledger.start()
    world.write("p.yaml", HEAD + "notices: {expiring_days: [30]}\nunknown_alias: refuse\n")
    done = ledger.cli("program", "publish", world.path("p.yaml"), "--at", "2026-06-01T00:00:00Z", json_output=False)
    assert done.err.startswith(f"{world.path('p.yaml')}:6: warning: notices.expiring_days: ") and "Published" in done.out, done
    done = ledger.cli("program", "publish", world.path("p.yaml"), "--at", "2026-06-01T00:00:01Z")
    assert [w["key"] for w in done.json["warnings"]] == ["notices.expiring_days"] and done.json["status"] == "OK" and not done.err, done
    world.write("p.yaml", HEAD)
    assert ledger.cli("program", "publish", world.path("p.yaml"), "--at", "2026-06-01T00:00:02Z").json["warnings"] == []
    world.write("p.yaml", two(PER + ", when: {until: 2026-05-31}"))
    done = ledger.cli("program", "publish", world.path("p.yaml"), "--at", "2026-06-01T00:00:03Z")
    assert [w["key"] for w in done.json["warnings"]] == ["earn[0].when.until"], done


# ---- diff ----

OLD = HEAD + """carry_remainder: false
counters: [nights]
earn:
  - {id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: "10", points: "1", whole_steps: true}}
  - {id: visit, priority: 20, on: purchase, kind: bonus, fixed: {points: "1"}, caps: [{per: day, count: 1}]}
expiry: {after: {months: 12}, round_up_to: month}
tiers:
  - {id: low, rank: 0}
  - {id: high, rank: 1, reach: {any: [{all: [{metric: points_earned, at_least: "500"}]}]}, window: {rolling_months: 12},
     valid: {months: 12}, earn_multiplier: "1.5"}
redemption: {value: {points: "100", amount: "1"}, min: "100"}
birthday: {reward: {points: "50"}, guard_days: 30}
limits: {late_days: 45}
notices: {expiring_days: [30]}
unknown_alias: refuse
"""

# what is replaced, by what, and the change: effect, topic, key, words
CHANGES = [
    ('amount: "10"', 'amount: "20"', "worse", "earning", "earn.base.gives", ["1 point for every full 20.00 USD", "before: 1 point for every full 10.00 USD"]),
    ('amount: "10", points: "1"', 'amount: "20", points: "3"', "better", "earning", "earn.base.gives", ["3 points for every full 20.00 USD"]),
    ("whole_steps: true", "whole_steps: false", "other", "earning", "earn.base.gives", ["for every 10.00 USD"]),
    ('fixed: {points: "1"}', 'fixed: {points: "2"}', "better", "earning", "earn.visit.gives", ["2 points for each purchase"]),
    ("kind: bonus, fixed", "kind: base, fixed", "other", "earning", "earn.visit.kind", ["base rule", "before: a bonus"]),
    ("count: 1}", "count: 2}", "better", "earning", "earn.visit.caps", ["at most 2 times a day", "at most 1 time a day"]),
    (", caps: [{per: day, count: 1}]", "", "other", "earning", "earn.visit.caps", ["no limit"]),
    ("caps: [{per", 'when: {min_amount: "5"}, caps: [{per', "worse", "earning", "earn.visit.min_amount", ["from 5.00 USD", "any amount"]),
    ("caps: [{per", "when: {weekdays: [sat, sun]}, caps: [{per", "other", "earning", "earn.visit.weekdays", ["Saturday, Sunday", "every day"]),
    ("caps: [{per", "pending: {days: 14}, caps: [{per", "worse", "earning", "earn.visit.pending", ["14 days later", "at once"]),
    ("caps: [{per", 'when: {hours: "07:00-09:30", from: 2026-07-01}, caps: [{per', "other", "earning", "earn.visit.hours", ["07:00 until before 09:30"]),
    ("caps: [{per", "when: {until: 2027-06-30}, caps: [{per", "worse", "earning", "earn.visit.until", ["after 2027-06-30", "never"]),
    ("caps: [{per", "expiry: {after: {days: 30}}, caps: [{per", "other", "earning", "earn.visit.expiry", ["expire after 30 days"]),
    ("  - {id: visit", "  - {id: new, priority: 15, on: purchase, kind: bonus, fixed: {points: \"5\"}, when: {first_purchase: true}}\n  - {id: visit",
     "better", "earning", "earn.new", ["rule new is new", "5 points for each purchase", "first purchase only"]),
    ("  - {id: visit", "  - {id: other", "worse", "earning", "earn.visit", ["rule visit is gone", "at most 1 time a day"]),
    ("priority: 10", "priority: 30", "other", "earning", "earn.order", ["visit, base", "before: base, visit"]),
    ("priority: 10", "priority: 11", "other", "other", "earn", ["written otherwise"]),
    ("carry_remainder: false", "carry_remainder: true", "better", "earning", "carry_remainder", ["is kept and counts next time"]),
    ("carry_remainder: false", "rounding: {mode: ceil}", "other", "earning", "rounding", ["rounds points up"]),
    ("carry_remainder: false", "stacking: best", "other", "earning", "stacking", ["the best one counts"]),
    ("counters: [nights]", "counters: [nights, flights]", "other", "earning", "counters.flights", ["counted from now on"]),
    ('at_least: "500"', 'at_least: "600"', "worse", "tiers", "tiers.high.reach", ["600 points earned in the last 12 months", "500 points"]),
    ("metric: points_earned", "metric: spend", "other", "tiers", "tiers.high.reach", ["500.00 USD spent"]),
    ("valid: {months: 12}", "valid: {months: 6}", "worse", "tiers", "tiers.high.valid", ["lasts 6 months"]),
    ("valid: {months: 12}", "valid: forever", "better", "tiers", "tiers.high.valid", ["for ever"]),
    ("valid: {months: 12}", "valid: {months: 12}, grace: {months: 1}", "better", "tiers", "tiers.high.grace", ["1 month of grace"]),
    ("valid: {months: 12}", "valid: {months: 12}, downgrade: one", "other", "tiers", "tiers.high.downgrade", ["one tier"]),
    ("valid: {months: 12}", 'valid: {months: 12}, keep: {any: [{all: [{metric: points_earned, at_least: "400"}]}]}', "other", "tiers", "tiers.high.keep",
     ["400 points earned while it lasts", "as much as reaches it"]),
    ('"1.5"', '"1.2"', "worse", "tiers", "tiers.high.earn_multiplier", ["1.2 times", "1.5 times"]),
    ('"1.5"', '"1.5", expiry: never', "other", "tiers", "tiers.high.expiry", ["never expire"]),
    ("redemption:", '  - {id: top, rank: 2, reach: {any: [{all: [{metric: visits, at_least: "50"}]}]}}\nredemption:', "other", "tiers", "tiers.top",
     ["tier top is new", "50 visits ever"]),
    ("expiry: {after: {months: 12}", "expiry: {after: {months: 6}", "worse", "expiry", "expiry", ["points expire after 6 months"]),
    ("expiry: {after: {months: 12}, round_up_to: month}", "expiry: never", "better", "expiry", "expiry", ["points never expire"]),
    ("expiry: {after: {months: 12}, round_up_to: month}", "expiry: {inactivity: {months: 12, activities: [purchase], percent: 50}}", "other", "expiry",
     "expiry", ["50 % of them", "without purchase"]),
    ('amount: "1"}', 'amount: "0.90"}', "worse", "redemption", "redemption.value", ["0.90 USD for 100 points"]),
    ('min: "100"', 'min: "50"', "better", "redemption", "redemption.min", ["50 points"]),
    ('min: "100"', 'min: "100", max_percent_of_order: 50', "worse", "redemption", "redemption.max_percent_of_order", ["50 % of an order"]),
    ('redemption: {value: {points: "100", amount: "1"}, min: "100"}\n', "", "worse", "redemption", "redemption", ["redemption is gone", "100 points"]),
    ('points: "50"', 'points: "60"', "better", "yearly", "birthday.reward", ["60 points"]),
    ("guard_days: 30", "guard_days: 20", "better", "yearly", "birthday.guard_days", ["20 days"]),
    ("birthday: {reward: {points: \"50\"}, guard_days: 30}\n", "", "worse", "yearly", "birthday", ["is gone"]),
    ("birthday:", 'anniversary: {of: enrolment, reward: {points: "10"}}\nbirthday:', "better", "yearly", "anniversary", ["10 points"]),
    ("late_days: 45", 'late_days: 45, earn_per_day: "100"', "worse", "limits", "limits.earn_per_day", ["at most 100 points a day", "without a daily limit"]),
    ("late_days: 45", "late_days: 30", "worse", "limits", "limits.late_days", ["30 days"]),
    ("[30]", "[60, 30]", "other", "notices", "notices.expiring_days", ["60, 30 days before"]),
    ("limits:", "returns: {claw_back: only_pending}\nlimits:", "better", "corrections", "returns.claw_back", ["only points that are pending"]),
    ("limits:", "returns: {restore: {grace_days: 30}}\nlimits:", "other", "corrections", "returns.restore", ["for 30 days"]),
    ("limits:", 'transfers: {min: "10", times_per_year: 3}\nlimits:', "better", "corrections", "transfers", ["10 points", "3 times"]),
    ("limits:", 'advance: {max: "10"}\nlimits:', "better", "corrections", "advance", ["10 points"]),
    ("unknown_alias: refuse", "unknown_alias: provisional", "better", "earning", "unknown_alias", ["earns, and can be enrolled", "is refused"]),
    ("limits:", 'referral: {referrer: "50", referee: "20", min_amount: "10", pending_days: 14}\nlimits:', "better", "other", "referral",
     ["50 points", "20 points", "at least 10.00 USD", "14 days"]),
    ("name: Acme", "name: Acme Plus", "other", "other", "name", ["Acme Plus", "before: Acme"]),
    ("unit: star", "unit: bean", "other", "other", "points.unit", ["bean"]),
    ("timezone: Asia/Seoul", "timezone: UTC", "refused", "other", "timezone", ["Asia/Seoul", "UTC"]),
    ("currency: USD", "currency: EUR", "refused", "other", "currency", ["USD", "EUR"]),
    ("scale: 1", "scale: 2", "refused", "other", "points.scale", ["1 digits", "2"]),
    ("counters: [nights]\n", "", "refused", "other", "counters", ["nights"]),
    ("id: high", "id: higher", "refused", "other", "tiers.high", ["tier high is missing"]),
    ("id: acme", "id: acme2", "refused", "other", "id", ["another program"]),
]


def diff(world, old, new, *options, code=0):
    world.write("old.yaml", old)
    world.write("new.yaml", new)
    done = run_fealty(["program", "diff", world.path("old.yaml"), world.path("new.yaml"), "--json", "--on", "2026-06-01", *options])
    assert done.code == code and not done.err, done
    return done.json


@seconds(120)
def test_diff(world):
    """Each change is found, with its effect; the other way round it has the other effect."""
    faults, opposite = [], {"worse": "better", "better": "worse", "other": "other"}
    for old_text, new_text, effect, topic, key, words in CHANGES:
        assert OLD.count(old_text) >= 1, old_text
        new, name = OLD.replace(old_text, new_text, 1), f"{old_text} -> {new_text}"
        got = diff(world, OLD, new, code=effect == "refused")
        found = [c for c in got["changes"] if c["key"] == key]
        if not got["changed"] or got["publishable"] != (effect != "refused") or len(found) != 1:
            faults.append(f"{name}: {got}")
        elif (found[0]["effect"], found[0]["topic"]) != (effect, topic) or not all(w in found[0]["message"] for w in words):
            faults.append(f"{name}: {found[0]}")
        elif effect != "refused" and key.count(".") > 1:
            back = [c for c in diff(world, new, OLD)["changes"] if c["key"] == key]
            if len(back) != 1 or back[0]["effect"] != opposite[effect] or back[0]["old"] != found[0]["new"]:
                faults.append(f"{name}, back: {back}")
    assert not faults, "\n".join(faults)


def test_diff_of_nothing(world):
    got = diff(world, OLD, OLD.replace("carry_remainder: false\n", "carry_remainder:   false   # as before\n"))
    assert not got["changed"] and got["publishable"] and got["changes"] == [], got
    done = run_fealty(["program", "diff", world.path("old.yaml"), world.path("new.yaml")])
    assert done.code == 0 and "Nothing changes" in done.out, done


def test_diff_is_ordered_and_says_what_stays(world):
    new = OLD.replace('amount: "10"', 'amount: "20"').replace("[30]", "[60]").replace('at_least: "500"', 'at_least: "400"').replace("late_days: 45",
    "late_days: 40")
    got = diff(world, OLD, new.replace("months: 12}, round", "months: 18}, round"))
    assert [c["key"] for c in got["changes"]] == ["earn.base.gives", "limits.late_days", "tiers.high.reach", "expiry", "notices.expiring_days"], got
    kept = " ".join(got["kept"])
    assert "keep their last day" in kept and "keep the tier that they hold through its last day" in kept, kept
    done = run_fealty(["program", "diff", world.path("old.yaml"), world.path("new.yaml")])
    parts = [done.out.index(title) for title in ("Worse for members:", "Better for members:", "Otherwise:", "As it was:", "What a purchase earns")]
    assert done.code == 0 and parts == sorted(parts), done
    refused = diff(world, OLD, OLD.replace("timezone: Asia/Seoul", "timezone: UTC").replace("scale: 1", "scale: 2"), code=1)
    assert refused["reason"] == "PROGRAM_REFUSED" and refused["message"] == refused["changes"][0]["message"], refused
    assert [c["key"] for c in refused["changes"] if c["effect"] == "refused"] == ["timezone", "points.scale"], refused


def test_diff_samples(world):
    """Points that the engine gives: the visit's bonus, full steps, and high's half more."""
    got = diff(world, OLD, OLD.replace('amount: "10"', 'amount: "20"').replace('"1.5"', '"2"'))
    rows = [(r["tier"], r["amount"], r["old"], r["new"]) for r in got["samples"]]
    assert rows == [("low", "10.00", "2.0", "1.0"), ("low", "100.00", "11.0", "6.0"), ("low", "1000.00", "101.0", "51.0"),
                    ("high", "10.00", "2.5", "1.0"), ("high", "100.00", "16.0", "11.0"), ("high", "1000.00", "151.0", "101.0")], rows
    got = diff(world, OLD, OLD.replace("redemption:",
    '  - {id: top, rank: 2, reach: {any: [{all: [{metric: visits, at_least: "50"}]}]}, earn_multiplier: "3"}\nredemption:'))
    rows = [(r["amount"], r["old"], r["new"]) for r in got["samples"] if r["tier"] == "top"]
    assert rows == [("10.00", None, "4.0"), ("100.00", None, "31.0"), ("1000.00", None, "301.0")], rows
    plain = HEAD + "earn:\n" + BASE
    rows = [(r["tier"], r["amount"], r["new"]) for r in diff(world, plain, plain.replace('points: "1"}', 'points: "2"}'))["samples"]]
    assert rows == [(None, "1.00", "2.0"), (None, "10.00", "20.0"), (None, "100.00", "200.0")], rows
    campaign = plain + '  - {id: june, priority: 20, on: purchase, kind: multiplier, multiply: "2", when: {until: 2026-06-01}}\n'
    world.write("new.yaml", campaign)
    for on, want in (("2026-06-01", "2.0"), ("2026-06-02", "1.0")):
        done = run_fealty(["program", "diff", world.path("old.yaml"), world.path("new.yaml"), "--json", "--on", on])
        assert done.json["samples"][0]["new"] == want, done


def test_diff_against_a_daemon(world):
    """The newest version, or the one that is named; what publishing then says is what the diff said."""
    ledger = world.running(OLD)
    ledger.publish(OLD.replace('amount: "10"', 'amount: "20"'), at="2026-01-02T00:00:00Z")
    world.write("new.yaml", OLD)
    got = ledger.cli("program", "diff", "acme", world.path("new.yaml")).json
    assert got["old"] == {"program": "acme", "file": None, "version": 2} and [c["effect"] for c in got["changes"]] == ["better"], got
    got = ledger.cli("program", "diff", "acme", world.path("new.yaml"), "--version", "1").json
    assert got["old"]["version"] == 1 and not got["changed"], got
    world.write("new.yaml", OLD.replace("id: high", "id: higher"))
    assert not ledger.cli("program", "diff", "acme", world.path("new.yaml"), code=1).json["publishable"]
    assert ledger.cli("program", "publish", world.path("new.yaml"), "--at", "2026-01-03T00:00:00Z", code=1).json["field"] == "tiers"
    done = ledger.cli("program", "diff", "nothing", world.path("new.yaml"), code=1)
    assert done.json["reason"] == "NOT_FOUND", done
    done = run_fealty(["program", "diff", "acme", world.path("new.yaml"), "--timeout", "1s"], env={"FEALTY_CONNECT": "unix:" + world.path("nobody.sock")})
    assert done.code == 3 and done.err, done


def test_diff_of_what_is_no_program(world):
    world.write("old.yaml", OLD)
    world.write("bad.yaml", OLD.replace("months: 12}, round", "months: 0}, round"))
    for words in ([world.path("old.yaml"), world.path("bad.yaml")], [world.path("bad.yaml"), world.path("old.yaml")], [world.path("old.yaml"),
    world.path("no.yaml")]):
        done = run_fealty(["program", "diff", *words])
        assert done.code == 2 and not done.out and (":11: expiry.after.months" in done.err or "cannot be read" in done.err), done
    assert run_fealty(["program", "diff", world.path("old.yaml")]).code == 2
    assert "Exit code 0" in run_fealty(["program", "diff", "--help"]).out
