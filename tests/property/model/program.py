"""A program file as the model uses it: every default filled in, every decimal an int or a Fraction."""
from fractions import Fraction

from .dates import DAY, DIGITS, add_months, day_of, decimal, duration, round_up, year_day, zone
import datetime as dt

PERIODS = ["transaction", "day", "month", "year", "lifetime", "program"]
WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def word(value, key="none"):
    """`{a: {...}}` or the word `a`, as (name, map)."""
    if isinstance(value, dict):
        return value
    return {value: {}}


class Expiry:
    """The term of a lot: `never`, `after`, `on` or `inactivity`."""

    def __init__(self, spec):
        spec = word(spec)
        self.refresh_on = set(spec.get("refresh_on") or [])
        self.round_up_to = spec.get("round_up_to")
        self.kind = next(kind for kind in ("never", "after", "on", "inactivity") if kind in spec)
        if self.kind == "after":
            self.unit, self.count = next((unit, int(count)) for unit, count in spec["after"].items())
        elif self.kind == "on":
            self.month, self.day = (int(part) for part in spec["on"].split("-"))
            self.years = int(spec.get("years") or 0)
        elif self.kind == "inactivity":
            inner = spec["inactivity"]
            self.months = int(inner["months"])
            self.activities = set(inner["activities"])
            self.percent = int(inner.get("percent", 100))

    def last_day(self, start):
        if self.kind == "after":
            if self.unit == "days":
                last = start + dt.timedelta(days=self.count)
            else:
                last = add_months(start, self.count * (12 if self.unit == "years" else 1))
            return round_up(last, self.round_up_to)
        if self.kind == "on":
            first = year_day(start.year, self.month, self.day)
            if first < start:
                first = year_day(start.year + 1, self.month, self.day)
            return year_day(first.year + self.years, self.month, self.day)
        return None


NEVER = Expiry("never")


class Span:
    """`{days: n}`, months or years from a day; of nothing there is no end."""

    def __init__(self, spec):
        self.unit, self.count = next(((unit, int(count)) for unit, count in (spec or {}).items()), (None, 0))

    def last_day(self, start):
        if self.unit is None:
            return None
        if self.unit == "days":
            return start + dt.timedelta(days=self.count)
        return add_months(start, self.count * (12 if self.unit == "years" else 1))


class Voucher:
    def __init__(self, spec, program):
        self.id = spec["id"]
        self.valid = Span(spec.get("valid"))
        self.value = program.money(spec["value"]["amount"]) if spec.get("value") else None


class Reward:
    def __init__(self, spec, program):
        self.id = spec["id"]
        self.cost = program.points(spec["cost"])
        self.voucher = spec["voucher"]
        self.stock = int(spec["stock"]) if "stock" in spec else None
        self.per_member = spec.get("per_member")
        self.tiers = spec.get("tiers")
        self.first = day_of(spec["from"]) if "from" in spec else None
        self.last = day_of(spec["until"]) if "until" in spec else None


class Stamp:
    def __init__(self, spec, program):
        self.id = spec["id"]
        self.per_item = int(spec["per_item"])
        self.rule = Rule({"id": "stamps:" + spec["id"], "priority": 0, "on": "purchase", "kind": "stamp", "when": spec.get("when")}, program)
        self.cap = spec.get("cap")
        self.size = int(spec["size"])
        self.voucher = spec["voucher"]
        self.milestones = {int(one["at"]): one["voucher"] for one in spec.get("milestones") or []}
        self.drops = spec.get("overflow", "carry") == "drop"
        self.valid = Span(spec.get("valid"))


class Membership:
    def __init__(self, spec, program):
        self.id = spec["id"]
        self.months = 12 if spec["term"] == "annual" else 1
        self.fee = program.money(spec["fee"])
        self.trial_days = int(spec["trial_days"]) if "trial_days" in spec else None
        self.grace_days = int(spec.get("grace_days", 0))
        self.refunds = str(spec.get("refund_if_unused", False)).lower() == "true"
        self.multiplier = Fraction(spec.get("earn_multiplier", "1"))


def period_key(per, day):
    """What tells the use of a limit in one calendar period from that in another."""
    return {"day": day, "month": (day.year, day.month), "year": day.year}.get(per)


class Pending:
    def __init__(self, spec):
        self.days = int(spec["days"]) if "days" in spec else None
        self.next_month = "until" in spec
        self.activity = spec.get("on_activity")
        self.within = int(spec.get("within_days") or 0)

    def due(self, day):
        """The date at whose first instant points earned on `day` activate, or None when an activity does it."""
        if self.activity is not None:
            return None
        if self.next_month:
            return add_months(day.replace(day=1), 1)
        return day + dt.timedelta(days=self.days)


class Rule:
    def __init__(self, spec, program):
        money, points = program.money, program.points
        self.id = spec["id"]
        self.priority = int(spec["priority"])
        self.on = spec["on"]
        self.kind = spec["kind"]
        self.per_amount = self.fixed = self.per_item = self.multiply = self.counter = None
        self.whole_steps = False
        if "per_amount" in spec:
            self.per_amount = (money(spec["per_amount"]["amount"]), points(spec["per_amount"]["points"]))
            self.whole_steps = str(spec["per_amount"].get("whole_steps", False)).lower() == "true"
        if "fixed" in spec:
            self.fixed = points(spec["fixed"]["points"])
        if "per_item" in spec:
            self.per_item = points(spec["per_item"]["points"])
        if "multiply" in spec:
            self.multiply = Fraction(spec["multiply"])
        if "counter" in spec:
            counter = spec["counter"]
            self.counter = (counter["id"], int(counter["add"]), counter.get("per", "event"))
        self.replaces = spec.get("replaces")
        self.voucher = spec.get("voucher")
        self.caps = sorted((Cap(cap, self, program) for cap in spec.get("caps") or []), key=lambda cap: PERIODS.index(cap.per))
        self.pending = Pending(spec["pending"]) if "pending" in spec else None
        self.expiry = Expiry(spec["expiry"]) if "expiry" in spec else None
        when = spec.get("when") or {}
        self.when = when
        self.min_amount = money(when["min_amount"]) if "min_amount" in when else None
        self.max_amount = money(when["max_amount"]) if "max_amount" in when else None
        self.categories = when.get("categories")
        self.skus = when.get("skus")
        self.exclude = when.get("exclude_categories")
        self.selects = bool(self.categories or self.skus)
        chosen = tuple(frozenset(words or ()) for words in (self.categories, self.skus, self.exclude))
        self.selection = chosen if any(chosen) else None       # of lines; None for the whole amount
        self.min_gap = duration(when["min_gap"]) if "min_gap" in when else None
        self.carries = program.carry and self.whole_steps


class Cap:
    def __init__(self, spec, rule, program):
        self.per = spec["per"]
        self.points = program.points(spec["points"]) if "points" in spec else None
        self.count = int(spec["count"]) if "count" in spec else None
        self.over = spec.get("over", "clip")
        self.group = spec.get("group")
        self.name = ("group", self.group) if self.group else ("rule", rule.id)

    @property
    def limit(self):
        return self.count if self.points is None else self.points

    def key(self, day):
        """Under which use is counted, for a business date."""
        return self.name + (self.per, period_key(self.per, day), self.points is None)


class Tier:
    def __init__(self, spec, program):
        self.id = spec["id"]
        self.rank = int(spec["rank"])
        self.reach = program.reach(spec["reach"]) if "reach" in spec else None
        self.keep = program.reach(spec["keep"]) if "keep" in spec else self.reach
        window = word(spec.get("window", "lifetime"))
        self.window = next(iter(window))
        self.rolling = int(window["rolling_months"]) if self.window == "rolling_months" else 0
        self.valid = word(spec.get("valid", "forever"))
        self.downgrade = spec.get("downgrade", "full")
        self.grace = spec.get("grace")
        self.multiplier = Fraction(spec.get("earn_multiplier", "1"))
        self.expiry = Expiry(spec["expiry"]) if "expiry" in spec else None
        self.all_open = spec.get("expiry_applies", "new_lots") == "all_open_while_held"
        self.birthday = spec.get("birthday")
        self.forfeits = str(spec.get("forfeit_stamps_on_downgrade", False)).lower() == "true"

    def valid_until(self, start):
        """The last day of a validity that is counted from `start`, or None."""
        if "months" in self.valid:
            return round_up(add_months(start, int(self.valid["months"])), self.valid.get("round_up_to"))
        if "through" in self.valid:
            return dt.date(start.year + (1 if self.valid["through"] == "end_of_next_year" else 0), 12, 31)
        return None

    def next_until(self, last):
        """The last day of the validity after the one that ended on `last`: it has at least a day."""
        until = self.valid_until(last)
        return until if until is None or until > last else self.valid_until(last + DAY)

    def grace_until(self, last):
        return round_up(add_months(last, int(self.grace["months"])), self.grace.get("round_up_to"))

    def looks_at_balance(self):
        return any(metric == "balance" for alternative in self.reach or [] for metric, _ in alternative)


class Program:
    def __init__(self, spec):
        self.spec = spec
        self.id = spec["id"]
        self.zone = zone(spec["timezone"])
        self.digits = DIGITS[spec["currency"]]
        self.scale = int(spec["points"]["scale"])
        rounding = spec.get("rounding") or {}
        self.mode = rounding.get("mode", "floor")
        self.once = rounding.get("at", "each") == "once"
        self.stacking = spec.get("stacking", "add")
        self.carry = str(spec.get("carry_remainder", False)).lower() == "true"
        self.counters = spec.get("counters") or []
        self.expiry = Expiry(spec.get("expiry", "never"))
        self.rules = sorted((Rule(rule, self) for rule in spec.get("earn") or []), key=lambda rule: rule.priority)
        self.tiers = sorted((Tier(tier, self) for tier in spec.get("tiers") or []), key=lambda tier: tier.rank)
        self.birthday = spec.get("birthday")
        self.anniversary = spec.get("anniversary")
        self.redemption = spec.get("redemption")
        self.returns = spec.get("returns") or {}
        self.transfers = spec.get("transfers")
        self.advance = spec.get("advance")
        self.provisional = spec.get("unknown_alias", "provisional") == "provisional"
        self.auto_redeem = spec.get("auto_redeem")
        self.vouchers = {one["id"]: Voucher(one, self) for one in spec.get("vouchers") or []}
        self.rewards = {one["id"]: Reward(one, self) for one in spec.get("rewards") or []}
        self.stamps = [Stamp(one, self) for one in spec.get("stamps") or []]
        self.memberships = {one["id"]: Membership(one, self) for one in spec.get("memberships") or []}
        self.partners = [one["id"] for one in spec.get("partners") or []]
        self.referral = spec.get("referral")
        self.pools = spec.get("pools")
        limits = spec.get("limits") or {}
        self.late_days = int(limits.get("late_days", 45))
        self.redeem_per_day = self.points(limits["redeem_per_day"]) if "redeem_per_day" in limits else None
        self.earn_per_day = self.points(limits["earn_per_day"]) if "earn_per_day" in limits else None
        notices = spec.get("notices") or {}
        self.expiring_days = [int(days) for days in notices.get("expiring_days") or []]
        self.downgrade_days = [int(days) for days in notices.get("downgrade_days") or []]
        self._compile_redemption(self.redemption or {})

    def _compile_redemption(self, spec):
        hold = spec.get("hold") or {}
        self.redeem_min = self.points(spec.get("min", "0"))
        self.redeem_step = self.points(spec["step"]) if "step" in spec else 1
        self.redeem_percent = int(spec.get("max_percent_of_order", 100))
        self.default_ttl = duration(hold.get("default_ttl", "15m"))
        self.max_ttl = duration(hold.get("max_ttl", "30d"))
        self.at_once = hold.get("expired_lot", "capturable") == "expire_at_once"
        value = spec.get("value")
        self.worth = Fraction(self.money(value["amount"]), self.points(value["points"])) if value else None

    def money(self, text):
        return decimal(text, self.digits)

    def points(self, text):
        return decimal(text, self.scale)

    def reach(self, spec):
        return [[(threshold["metric"], self.metric_value(threshold)) for threshold in alternative["all"]] for alternative in spec["any"]]

    def metric_value(self, threshold):
        if threshold["metric"] in ("points_earned", "balance"):
            return self.points(threshold["at_least"])
        if threshold["metric"] == "spend":
            return self.money(threshold["at_least"])
        return int(threshold["at_least"])

    def round(self, value):
        """A Fraction of units to units."""
        if isinstance(value, int):
            return value
        floor = value.numerator // value.denominator
        rest = value - floor
        if rest == 0 or self.mode == "floor":
            return floor
        if self.mode == "ceil":
            return floor + 1
        return floor + (1 if rest >= Fraction(1, 2) else 0)
