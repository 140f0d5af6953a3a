"""Seeded random programs and events.  A case is (versions of one program, events); the same seed gives the same case.

Features switch parts of the language; `without` names what must not occur."""
import copy
import datetime as dt
import random

import generate_more
from model.dates import DAY, add_months, decimal_text, instant_text, zone, DIGITS, SECOND

ZONES = [("Asia/Seoul", "KRW"), ("America/Los_Angeles", "USD"), ("UTC", "USD"), ("America/Santiago", "CLP"), ("Asia/Seoul", "USD"),
         ("Australia/Sydney", "AUD"), ("Africa/Cairo", "KWD"), ("Asia/Beirut", "BHD"), ("Pacific/Apia", "JPY"), ("Australia/Lord_Howe", "AUD")]
CATEGORIES = ["food", "drink", "toy"]
SKUS = ["s1", "s2", "s3", "s4", "s5"]
STORES = ["st1", "st2"]
SEGMENTS = ["vip", "staff"]
ACTIVITIES = ["delivered", "checkin"]
FEATURES = {                      # feature → how often a case has it
    "multipliers": .4, "caps": .35, "replaces": .25, "fallback": .5, "bonuses": .35, "counters": .25, "when": .4, "carry": .12, "once": .2,
    "expiry": .7, "inactivity": .12, "refresh": .15, "rule_expiry": .2, "pending": .3, "adjust": .5, "tiers": .5, "balance_tiers": .2,
    "tier_expiry": .25, "gifts": .3, "birthday": .25, "anniversary": .12, "redeem": .5, "holds": .35, "limits": .25, "notices": .12,
    "late": .2, "versions": .12, "receipts": .08, "freeze": .08, "close": .05, "replays": .25, "quotes": .3, "as_of": .08, "activities": .3,
    "enrol_rules": .15, "paid": .15, "lines": .5, "profile": .12, "errors": .15, "long": .15,
    "returns": .5, "reverse": .3, "transfers": .2, "merge": .08, "advance": .1,
    **generate_more.FEATURES,
}


def nightly(program):
    """Its sections by which something falls due without an event, and which it can do without."""
    names = ("anniversary", "auto_redeem", "notices") + (() if any("birthday" in tier for tier in program.get("tiers", [])) else ("birthday",))
    return [name for name in names if name in program]


class Maker(generate_more.MoreProgram):
    def __init__(self, seed, only=(), without=()):
        self.rng = random.Random(seed)
        rng = self.rng
        self.on = {name for name, chance in FEATURES.items() if rng.random() < chance}
        if only:
            self.on &= {name for name in self.on if rng.random() < .4}
            self.on |= set(only)
        self.on -= set(without)
        self.zone_name, self.currency = rng.choice(ZONES)
        self.zone = zone(self.zone_name)
        self.digits = DIGITS[self.currency]
        self.unit = 10 ** self.digits if self.digits else 1000     # minor units of one "thing" of money
        self.scale = rng.choice([0, 0, 0, 1, 2, 3, 6])
        self.priority = 0

    # Small pieces

    def has(self, name):
        return name in self.on

    def chance(self, p):
        return self.rng.random() < p

    def pick(self, *options):
        return self.rng.choice(options)

    def some(self, options, most=2):
        return sorted(self.rng.sample(options, self.rng.randint(1, min(most, len(options)))))

    def money(self, low, high):
        """A random amount of `low` to `high` things, often a round one."""
        rng = self.rng
        if rng.random() < .5:
            return decimal_text(rng.randint(low, high) * self.unit, self.digits)
        return decimal_text(rng.randint(low * self.unit, high * self.unit), self.digits)

    def points(self, low, high):
        rng = self.rng
        value = rng.randint(low, high) * 10 ** self.scale
        if self.scale and rng.random() < .3:
            value = max(1, value - rng.randint(0, 10 ** self.scale - 1))
        return decimal_text(value, self.scale)

    def case(self):
        program = self.program()
        versions = [program]
        if self.has("versions"):
            later = {name: program.pop(name) for name in nightly(program) if self.chance(.5)}
            for _ in range(self.rng.randint(1, 2)):
                versions.append(self.version(versions[-1], later))
        return versions, Events(self, versions).make()

    # The program

    def program(self):
        rng = self.rng
        if self.has("inactivity"):
            self.on -= {"notices", "auto_redeem"}      # whether what an event redeems by itself goes by the clock before it is left open
        if self.has("auto_redeem"):
            self.on -= {"notices"}                     # as is what is told of points that the same event redeems
        program = {"id": "p", "name": "Case", "timezone": self.zone_name, "currency": self.currency,
                   "points": {"unit": "point", "scale": self.scale}, "unknown_alias": "refuse"}
        if self.chance(.6) or self.has("once"):
            program["rounding"] = {"mode": self.pick("floor", "nearest", "ceil"), "at": "once" if self.has("once") else "each"}
        if self.chance(.6):
            program["stacking"] = self.pick("add", "multiply", "best")
        if self.has("carry"):
            program["carry_remainder"] = True
        if self.has("counters"):
            program["counters"] = ["nights", "miles"]
        if self.has("inactivity"):
            program["expiry"] = {"inactivity": {"months": rng.randint(1, 3),
                                                "activities": self.some(["purchase", "activity", "checkin", "redeem", "adjust"], 3),
                                                "percent": self.pick(100, 100, 50, 33)}}
            if self.has("holds"):
                program["expiry"]["inactivity"]["percent"] = 100
            self.clock = program["expiry"]
            if self.chance(.3):             # then tiers and rules may have it alone
                program["expiry"] = self.expiry()
        elif self.has("expiry"):
            program["expiry"] = self.expiry(top=True)
        if self.has("tiers") or self.has("gifts") or self.has("balance_tiers"):
            program["tiers"] = self.tiers(program)
        program["earn"] = self.rules(program)
        self.sections(program)
        return program

    def sections(self, program):
        rng = self.rng
        if self.has("birthday"):
            program["birthday"] = self.birthday()
        if self.has("anniversary"):
            program["anniversary"] = {"of": "enrolment", "reward": {"points": self.points(1, 50)}}
        if self.has("redeem") or self.has("holds"):
            program["redemption"] = self.redemption()
        limits = {}
        if self.has("limits"):
            if self.chance(.5):
                limits["earn_per_day"] = self.points(10, 80)
            if self.chance(.5):
                limits["redeem_per_day"] = self.points(10, 60)
            if self.chance(.3):
                limits["late_days"] = self.pick(0, 3, 10)
        if limits:
            program["limits"] = limits
        if self.has("notices"):
            program["notices"] = {"expiring_days": sorted(rng.sample([5, 10, 20, 30], 2), reverse=True), "downgrade_days": [15]}
        if self.has("returns") and self.chance(.7):
            program["returns"] = {"claw_back": self.pick("unlimited", "unlimited", "within_balance", "only_pending"),
                                  "restore": self.pick("original", "new_lot", {"grace_days": rng.randint(1, 20)})}
        if self.has("transfers"):
            program["transfers"] = {"expiry": self.pick("keep", "restart")}
            for name, value in (("min", self.points(5, 20)), ("out_per_year", self.points(30, 100)), ("in_per_year", self.points(30, 100)),
                                ("times_per_year", rng.randint(1, 3)), ("member_days_min", rng.randint(1, 30))):
                if self.chance(.35):
                    program["transfers"][name] = value
        if self.has("advance"):
            program["advance"] = {"max": self.points(20, 60)}
        self.more_sections(program)

    def expiry(self, top=False):
        rng = self.rng
        kind = rng.random()
        if kind < .1:
            return "never"
        if kind < .45:
            term = {"after": {"days": rng.randint(1, 90)}}
        elif kind < .8:
            term = {"after": {"months": rng.randint(1, 6)}}
        elif kind < .85:
            term = {"after": {"years": 1}}
        else:
            return {"on": self.pick("12-31", "03-31", "06-30"), "years": rng.randint(0, 1)}
        if self.chance(.4):
            term["round_up_to"] = self.pick("month", "quarter", "half_year", "year")
        if top and self.has("refresh"):
            term["refresh_on"] = self.some(["purchase", "activity", "checkin", "redeem"], 2)
        return term

    def own_expiry(self):
        """Of a tier or a rule: a program has one inactivity clock, so theirs is the same."""
        return copy.deepcopy(self.clock) if self.has("inactivity") and self.chance(.4) else self.expiry()

    def tiers(self, program):
        rng = self.rng
        tiers = [{"id": "green", "rank": 0}]
        count = rng.randint(1, 3)
        least = 0
        metric = "balance" if self.has("balance_tiers") else self.pick("points_earned", "points_earned", "spend", "visits")
        for rank in range(1, count + 1):
            least += rng.randint(15, 70)
            tier = {"id": ["silver", "gold", "black"][rank - 1], "rank": rank, "reach": self.reach(metric, least, program)}
            if self.chance(.7):
                tier["window"] = self.pick({"rolling_months": rng.randint(1, 6)}, {"rolling_months": 12}, "calendar_year", "lifetime", "since_tier_start")
            if self.chance(.6):
                tier["valid"] = self.pick({"months": rng.randint(1, 4)}, {"months": rng.randint(1, 12), "round_up_to": self.pick("month", "quarter", "year")},
                                          {"through": self.pick("end_of_year", "end_of_next_year")})
                if self.chance(.4):
                    tier["keep"] = self.reach(metric, rng.randint(5, 60), program)
                if self.chance(.4):
                    tier["downgrade"] = self.pick("none", "one", "full")
                if self.chance(.3):
                    tier["grace"] = {"months": rng.randint(1, 2)}
                    if self.chance(.5):
                        tier["grace"]["round_up_to"] = "month"
            if self.chance(.6):
                tier["earn_multiplier"] = self.pick("1.1", "1.2", "1.25", "1.5", "2", "1")
            if self.has("tier_expiry") and self.chance(.6):
                tier["expiry"] = self.pick("never", self.own_expiry())
                if self.chance(.5):
                    tier["expiry_applies"] = "all_open_while_held"
            if self.has("birthday") and self.chance(.3):
                tier["birthday"] = {"days_before": rng.randint(0, 5), "days_after": rng.randint(0, 5)}
            tiers.append(tier)
        return tiers

    def reach(self, metric, least, program):
        def threshold(name):
            if name == "spend":
                return {"metric": name, "at_least": decimal_text(least * self.unit, self.digits)}
            if name in ("points_earned", "balance"):
                return {"metric": name, "at_least": decimal_text(least * 10 ** self.scale, self.scale)}
            return {"metric": name, "at_least": str(max(1, least // 12))}
        names = ["points_earned", "spend", "visits"] + (program.get("counters") or [])
        alternatives = [{"all": [threshold(metric)]}]
        if self.chance(.2):
            alternatives[0]["all"].append(threshold(self.rng.choice([name for name in names if name != metric])))
        if self.chance(.25):
            alternatives.append({"all": [threshold(self.rng.choice(names))]})
        return {"any": alternatives}

    def birthday(self):
        rng = self.rng
        section = {"reward": {"points": self.points(5, 50)}}
        if self.chance(.6):
            section["window"] = {"days_before": rng.randint(0, 14), "days_after": rng.randint(0, 14)}
        section["issue"] = self.pick("automatic", "on_claim")
        section["leap_day"] = self.pick("feb_28", "mar_1")
        if self.chance(.5):
            section["guard_days"] = rng.randint(0, 30)
        if self.chance(.3):
            section["requires"] = {"points_earned": self.points(1, 20), "within_months": rng.randint(1, 6)}
        return section

    def redemption(self):
        section = {}
        if self.chance(.6):
            section["value"] = {"points": self.points(1, 10), "amount": decimal_text(self.rng.randint(1, 3) * self.unit, self.digits)}
        if self.chance(.4):
            section["min"] = self.points(1, 10)
        if self.chance(.4):
            section["step"] = self.points(1, 5)
        if self.chance(.3) and "value" in section:
            section["max_percent_of_order"] = self.pick(100, 50, 33)
        if self.has("holds"):
            section["hold"] = {"default_ttl": self.pick("15m", "1h", "2d", "20d"), "max_ttl": "30d",
                               "expired_lot": self.pick("capturable", "capturable", "expire_at_once")}
            if self.has("inactivity"):
                section["hold"]["expired_lot"] = "capturable"
        return section

    # Rules

    def rules(self, program):
        rng = self.rng
        rules = [self.rule("base", "base", program)]
        rules[0]["per_amount"] = self.rate()
        rules[0].pop("fixed", None)
        rules[0].pop("per_item", None)
        if self.has("once") and "caps" in rules[0]:
            rules[0]["per_amount"]["whole_steps"] = True
        if self.chance(.35):
            rules.append(self.rule("base2", "base", program))
        if self.has("replaces"):
            for number in range(rng.randint(1, 2)):
                rule = self.rule(f"special{number}", "base", program, lines=True)
                rule["replaces"] = "base"
                if self.has("fallback") and "per_amount" in rule:
                    if self.has("once"):
                        rule["per_amount"]["whole_steps"] = True
                    rule["caps"] = [{"per": self.pick("transaction", "day", "month"), "points": self.points(3, 30), "over": "fallback"}]
                    if self.chance(.3):
                        rule["caps"].append(self.longer_cap(rule["caps"][0]["per"]))
                rules.append(rule)
            specials = [rule for rule in rules if rule.get("caps") and rule["caps"][0]["over"] == "fallback"]
            if len(specials) == 2 and all(len(rule["caps"]) == 1 for rule in specials) and self.chance(.6):
                specials[1]["caps"] = [dict(specials[0]["caps"][0])]
                for rule in specials:
                    rule["caps"][0]["group"] = "g"
        if self.has("multipliers"):
            for number in range(rng.randint(1, 3)):
                rules.append(self.rule(f"times{number}", "multiplier", program))
        if self.has("bonuses"):
            for number in range(rng.randint(1, 2)):
                rules.append(self.rule(f"bonus{number}", "bonus", program))
        if self.has("counters"):
            for number in range(rng.randint(1, 3)):
                rules.append(self.rule(f"count{number}", "counter", program))
        if self.has("activities"):
            rules.append(self.rule("act", self.pick("base", "bonus"), program, on="activity"))
            if self.chance(.3):
                rules.append(self.rule("acttimes", "multiplier", program, on="activity"))
        if self.has("enrol_rules"):
            rules.append({"id": "hello", "on": "enrol", "kind": self.pick("base", "bonus"), "fixed": {"points": self.points(1, 60)}})
        if self.has("caps") and self.chance(.4):
            self.share_cap(rules)
        rng.shuffle(rules)
        for place, rule in enumerate(rules):
            rule["priority"] = (place + 1) * 10
        return rules

    def rate(self):
        rng = self.rng
        if self.chance(.6):
            rate = {"amount": decimal_text(self.unit, self.digits), "points": self.points(1, 3)}
        else:
            rate = {"amount": decimal_text(self.unit * rng.randint(2, 10), self.digits), "points": self.points(1, 15)}
        if self.chance(.5) or self.has("carry") and self.chance(.6):
            rate["whole_steps"] = True
        return rate

    def rule(self, name, kind, program, on="purchase", lines=False):
        rng = self.rng
        rule = {"id": name, "on": on, "kind": kind}
        capable = True
        if kind in ("base", "bonus"):
            measure = rng.random()
            if measure < .55:
                rule["per_amount"] = self.rate()
                capable = not self.has("once") or rule["per_amount"].get("whole_steps", False)
            elif measure < .8:
                rule["fixed"] = {"points": self.points(1, 15)}
            else:
                rule["per_item"] = {"points": self.points(1, 4)}
        elif kind == "multiplier":
            rule["multiply"] = self.pick("2", "1.5", "1.1", "3", "1.25", "1.75")
            capable = not self.has("once")
        else:
            rule["counter"] = {"id": rng.choice(program["counters"]), "add": rng.randint(1, 5)}
            if self.chance(.4):
                rule["counter"]["per"] = self.pick("item", "event")
        when = self.when(program, on, lines, kind)
        if when:
            rule["when"] = when
        if self.has("caps") and kind != "counter" and capable and self.chance(.6):
            rule["caps"] = self.caps()
        if kind != "counter":
            if self.has("pending") and self.chance(.5):
                rule["pending"] = self.pending(on)
            if self.has("rule_expiry") and self.chance(.5):
                rule["expiry"] = self.own_expiry()
        return rule

    def pending(self, on):
        kind = self.rng.random()
        if kind < .5:
            return {"days": self.rng.randint(0, 20)}
        if kind < .7 or on != "purchase":
            return {"until": "next_month_start"}
        return {"on_activity": "delivered", "within_days": self.rng.randint(0, 20)}

    def caps(self):
        rng = self.rng
        caps = []
        for per in self.some(["transaction", "day", "month", "year", "lifetime", "program"], 2):
            cap = {"per": per, "over": self.pick("clip", "clip", "reject")}
            if self.chance(.8) or per == "transaction":
                cap["points"] = self.points(1, 60)
            else:
                cap["count"] = rng.randint(1, 3)
            caps.append(cap)
        return caps

    def when(self, program, on, lines, kind):
        rng = self.rng
        when = {}
        if on == "activity" and self.chance(.6):
            when["activity"] = rng.choice(ACTIVITIES)
        if on == "purchase" and (lines and self.chance(.8) or self.has("when") and self.chance(.25)):
            which = self.pick("categories", "categories", "skus")
            when[which] = self.some(CATEGORIES if which == "categories" else SKUS)
        if not self.has("when"):
            return when
        if on == "purchase" and self.chance(.15):
            when["exclude_categories"] = self.some(CATEGORIES, 1)
        if self.chance(.15):
            when["min_amount"] = self.money(2, 20)
        if self.chance(.1):
            when["max_amount"] = self.money(20, 50)
        options = {"stores": lambda: self.some(STORES, 1), "segments": lambda: self.some(SEGMENTS, 1), "min_gap": lambda: self.pick("3m", "1h", "2d", "30s"),
                   "weekdays": lambda: sorted(rng.sample(["mon", "tue", "wed", "thu", "fri", "sat", "sun"], rng.randint(2, 5))),
                   "hours": lambda: self.pick("07:00-12:00", "22:00-06:00", "00:00-09:30"), "first_purchase": lambda: True,
                   "member_days_min": lambda: rng.randint(1, 60),
                   "previous_month_spend": lambda: {"min": self.money(5, 60)} | ({"waive_months": rng.randint(1, 3)} if self.chance(.5) else {}),
                   "from": lambda: self.day(0, 120), "until": lambda: self.day(60, 300)}
        if program.get("tiers"):
            options["tiers"] = lambda: self.some([tier["id"] for tier in program["tiers"]])
        for name in rng.sample(sorted(options), 2):
            if self.chance(.3):
                when[name] = options[name]()
        if "from" in when and "until" in when and when["from"] > when["until"]:
            del when["from"]
        return when

    def day(self, low, high):
        return (dt.date(2026, 1, 1) + dt.timedelta(days=self.rng.randint(low, high))).isoformat()

    def version(self, before, later):
        """The next version: other rates, multipliers, terms, caps and thresholds, more or less that falls due by itself; the same tiers, counters and ids."""
        program = copy.deepcopy(before)
        for name in nightly(program):
            if self.chance(.2):
                later[name] = program.pop(name)
        for name in list(later):
            if name not in before and self.chance(.8):
                program[name] = later.pop(name)
        for rule in program["earn"]:
            if "per_amount" in rule and self.chance(.5):
                whole = rule["per_amount"].get("whole_steps")
                rule["per_amount"] = self.rate()
                rule["per_amount"]["whole_steps"] = bool(whole)
            if "multiply" in rule and self.chance(.5):
                rule["multiply"] = self.pick("2", "1.5", "1.2")
        if self.has("expiry") and not self.has("inactivity") and self.chance(.5):
            program["expiry"] = self.expiry(top=True)
        self.vary(program)
        return program


class Events(generate_more.MoreEvents):
    def __init__(self, maker, versions):
        self.maker = maker
        self.rng = maker.rng
        self.versions = versions
        self.program = versions[0]
        self.now = maker.zone.midnight(dt.date(2026, 1, 1) + dt.timedelta(days=self.rng.randint(0, 330))) + self.rng.randint(0, 86400) * SECOND
        self.members = []
        self.number = 0
        self.events = []
        self.purchases = []            # (member, key, amount text, lines)
        self.holds = []
        self.redeems = []
        self.left = len(versions) - 1

    def make(self):
        maker, rng = self.maker, self.rng
        count = rng.randint(20, 60)
        for _ in range(rng.randint(1, 3)):
            self.enrol()
        while len(self.events) < count:
            self.step()
            makers = self.choices()
            names = list(makers)
            name = rng.choices(names, [makers[each] for each in names])[0]
            getattr(self, name)()
            if self.events and maker.has("replays") and rng.random() < .08:
                self.replay()
        while self.left:
            self.publish()
        self.finish()
        return self.events

    def choices(self):
        maker = self.maker
        table = {"purchase": 10, "enrol": .4 if len(self.members) < 4 else 0, "balance": 1}
        for feature, name, weight in (
                ("adjust", "adjust", 3), ("quotes", "quote", 2), ("redeem", "redeem", 4), ("holds", "hold", 4), ("gifts", "tier", 1.5),
                ("birthday", "claim", 2),
                ("versions", "publish", 1 if self.left else 0), ("freeze", "freeze", .7), ("close", "close", .5), ("profile", "profile", 1.5),
                ("activities", "activity", 4), ("as_of", "as_of", 1), ("returns", "give_back", 5), ("reverse", "reverse", 3), ("transfers", "transfer", 3),
                ("merge", "merge", .5), ("advance", "advance", 1.5), ("errors", "error", 1.5)):
            if maker.has(feature):
                table[name] = weight
        if maker.has("pending") and "activity" not in table:
            table["activity"] = 2
        table.update(self.more_choices())
        if self.holds:
            table["capture"] = table["release"] = 2
        return {name: weight for name, weight in table.items() if weight}

    def step(self):
        """Moves the clock: not at all, a little, to a midnight or a month's end, by days or months."""
        rng, zone_ = self.rng, self.maker.zone
        kind = rng.random()
        long = 3 if self.maker.has("long") else 1
        if kind < .2:
            return
        if kind < .4:
            self.now += rng.choice([1, 29, 30, 179, 180, 300, 899, 900, 3600]) * SECOND
        elif kind < .6:
            self.now += rng.randint(1, 86400) * SECOND
        elif kind < .72:
            midnight = zone_.midnight(zone_.date(self.now) + DAY * rng.randint(1, 5))
            self.now = midnight + rng.choice([-SECOND, 0, 0, SECOND])
        elif kind < .92:
            self.now += rng.randint(1, 10 * long) * 86400 * SECOND + rng.randint(0, 3600) * SECOND
        elif kind < .97:
            day = add_months(zone_.date(self.now).replace(day=1), 1)
            self.now = max(self.now, zone_.midnight(day) + rng.choice([-SECOND, 0, 0, SECOND]))
        else:
            self.now += rng.randint(20, 100 * long) * 86400 * SECOND

    def add(self, op, key=True, **fields):
        event = {"at": instant_text(self.now), "op": op}
        if key:
            self.number += 1
            event["key"] = f"k{self.number}"
        event.update({name: value for name, value in fields.items() if value is not None})
        if key and op not in ("publish",) and self.maker.has("late") and op in ("purchase", "activity", "adjust", "redeem") and self.rng.random() < .3:
            event["occurred_at"] = instant_text(self.now - self.rng.choice([1, 3600, 86400, 3 * 86400, 10 * 86400, 40 * 86400, -100, -300]) * SECOND)
        self.events.append(event)
        return event

    def who(self):
        return self.rng.choice(self.members)

    def enrol(self):
        name = f"m{len(self.members) + 1}"
        self.members.append(name)
        day = self.maker.zone.date(self.now)
        birthday = None
        if self.maker.has("birthday") and self.rng.random() < .9:
            birth = day + dt.timedelta(days=self.rng.randint(-10, 60))
            birthday = birth.strftime("%m-%d") if self.rng.random() < .9 else "02-29"
        segments = self.maker.some(SEGMENTS) if self.rng.random() < .4 else None
        self.add("enrol", member=name, birthday=birthday, segments=segments)

    def bought(self):
        """The fields of a purchase."""
        maker, rng = self.maker, self.rng
        if maker.has("returns"):
            amount = maker.money(1, 60)
        else:
            amount = maker.money(0, 60) if rng.random() < .95 else decimal_text(0, maker.digits)
        minor = int(amount.replace(".", ""))
        lines = None
        if maker.has("lines") and minor and rng.random() < .8:
            lines, left = [], minor
            for sku in rng.sample(SKUS, rng.randint(1, 3)):
                part = left if rng.random() < .2 else rng.randint(0, left)
                lines.append({"sku": sku, "category": rng.choice(CATEGORIES), "qty": rng.randint(1, 4), "amount": decimal_text(part, maker.digits)})
                left -= part
        paid = decimal_text(rng.randint(0, minor), maker.digits) if maker.has("paid") and rng.random() < .4 else None
        return {"amount": amount, "lines": lines, "paid_with_points": paid, "store": rng.choice(STORES) if rng.random() < .6 else None,
                "partner": self.at_partner()}

    def purchase(self):
        member, fields = self.who(), self.bought()
        if self.maker.has("receipts") and fields["store"] and self.rng.random() < .5:
            fields["receipt_no"] = str(self.rng.randint(1, 3))
        if self.maker.has("quotes") and self.rng.random() < .3:
            self.add("quote", key=False, member=member, **{name: value for name, value in fields.items() if name != "receipt_no"})
        event = self.add("purchase", member=member, **fields)
        self.purchases.append(event)

    def quote(self):
        self.add("quote", key=False, member=self.who(), **self.bought())

    def balance(self):
        self.add("balance", key=False, member=self.who(), pool=self.in_pool())

    def in_pool(self):
        return True if self.maker.has("pools") and self.rng.random() < .4 else None

    def at_partner(self):
        return self.rng.choice(generate_more.PARTNERS) if self.maker.has("partners") and self.rng.random() < .5 else None

    def as_of(self):
        self.add("balance", key=False, member=self.who(), as_of=instant_text(self.now + self.rng.randint(0, 200 * 86400) * SECOND))

    def activity(self):
        fields = {"activity": self.rng.choice(ACTIVITIES)}
        member = self.who()
        if self.rng.random() < .3:
            fields["qty"] = self.rng.randint(1, 5)
        if self.rng.random() < .4:
            fields["amount"] = self.maker.money(0, 30)
        if self.purchases and self.rng.random() < .6:
            of = self.rng.choice(self.purchases[-6:])
            member, fields["purchase"], fields["activity"] = of["member"], of["key"], "delivered"
        self.add("activity", member=member, partner=self.at_partner(), **fields)

    def adjust(self):
        points = self.maker.points(1, 60)
        fields = {}
        if self.rng.random() < .35:
            points = "-" + points
        elif self.rng.random() < .4:
            fields["last_day"] = (self.maker.zone.date(self.now) + dt.timedelta(days=self.rng.randint(0, 60))).isoformat()
            if self.maker.has("late"):
                fields = {}
        if not points.startswith("-") and self.rng.random() < .3:
            fields["tier_points"] = True
        self.add("adjust", member=self.who(), points=points, reason="test", **fields)

    def redeem(self):
        fields = {}
        if self.rng.random() < .3 and (self.program.get("redemption") or {}).get("value"):
            fields["order_amount"] = self.maker.money(1, 60)
        if self.rng.random() < .2:
            fields["round_down"] = True
        event = self.add("redeem", member=self.who(), points=self.maker.points(1, 40), pool=self.in_pool(), partner=self.at_partner(), **fields)
        self.redeems.append(event)

    def hold(self):
        ttl = self.rng.choice([None, "1s", "30s", "300s", "1h", "3d", "20d", "30d"])
        event = self.add("hold", member=self.who(), points=self.maker.points(1, 40), ttl=ttl, pool=self.in_pool(), partner=self.at_partner())
        self.holds.append(event)

    def capture(self):
        of = self.rng.choice(self.holds[-4:])
        event = self.add("capture", member=of["member"], hold=of["key"], points=self.maker.points(1, 20) if self.rng.random() < .6 else None)
        self.redeems.append(event)

    def release(self):
        of = self.rng.choice(self.holds[-4:])
        self.add("release", member=of["member"], hold=of["key"])

    def tier(self):
        names = [tier["id"] for tier in self.program["tiers"][1:]]
        if self.rng.random() < .2:
            self.add("tier", member=self.who(), tier="", reason="over")
            return
        until = (self.maker.zone.date(self.now) + dt.timedelta(days=self.rng.randint(0, 90))).isoformat() if self.rng.random() < .7 else None
        self.add("tier", member=self.who(), tier=self.rng.choice(names), reason="match", until=until)

    def claim(self):
        self.add("birthday", member=self.who())

    def profile(self):
        fields = {}
        if self.maker.has("birthday") and self.rng.random() < .7:
            fields["birthday"] = (self.maker.zone.date(self.now) + dt.timedelta(days=self.rng.randint(-20, 40))).strftime("%m-%d")
        if not fields or self.rng.random() < .4:
            fields["segments"] = self.rng.choice([["vip"], ["staff", "vip"], []])
        self.add("profile", member=self.who(), **fields)

    def publish(self):
        if self.left:
            self.left -= 1
            self.program = self.versions[len(self.versions) - 1 - self.left]
            self.add("publish", program="p")

    def freeze(self):
        self.add(self.rng.choice(["freeze", "unfreeze"]), member=self.who(), reason="test")

    def close(self):
        self.add("close", member=self.who(), reason="left")

    def error(self):
        member = self.who()
        kind = self.rng.randint(0, 4)
        if kind == 0:
            self.add("purchase", member="nobody", amount=self.maker.money(1, 9))
        elif kind == 1:
            self.add("redeem", member=member, points=self.rng.choice(["0", "-1"]))
        elif kind == 2:
            self.add("capture", member=member, hold="none")
        elif kind == 3:
            self.add("adjust", member=member, points="0", reason="test")
        else:
            self.add("tier", member=member, tier="none", reason="test")

    def replay(self):
        written = [event for event in self.events if "key" in event and event["op"] != "publish"]
        if not written:
            return
        event = dict(self.rng.choice(written[-8:]))
        event["at"] = instant_text(self.now)
        if "points" in event and self.rng.random() < .15:
            event["points"] = self.maker.points(1, 5)
        self.events.append(event)

    def give_back(self):
        if not self.purchases:
            return
        of = self.rng.choice(self.purchases[-6:])
        fields = {}
        kind = self.rng.random()
        if kind < .55:
            minor = int(of["amount"].replace(".", ""))
            some = self.rng.randint(1, max(1, minor)) if self.rng.random() < .7 else self.rng.randint(1, 20) * self.maker.unit
            fields["amount"] = decimal_text(some, self.maker.digits)
        elif kind < .85 and of.get("lines"):
            line = self.rng.choice(of["lines"])
            fields["lines"] = [{"sku": line["sku"], "category": line["category"], "qty": self.rng.randint(1, line["qty"])}]
        self.add("return", member=of["member"], purchase=of["key"], **fields)

    def reverse(self):
        if self.redeems:
            of = self.rng.choice(self.redeems[-4:])
            self.add("reverse_redeem", member=of["member"], redeem=of["key"], points=self.maker.points(1, 10) if self.rng.random() < .4 else None)

    def transfer(self):
        if len(self.members) > 1:
            member = self.who()
            to = self.rng.choice([name for name in self.members if name != member])
            self.add("transfer", member=member, to=to, points=self.maker.points(1, 40))

    def merge(self):
        if len(self.members) > 2:
            member = self.who()
            to = self.rng.choice([name for name in self.members if name != member])
            self.add("merge", member=member, into=to)

    def advance(self):
        self.add("advance", member=self.who(), points=self.maker.points(1, 40))

    def finish(self):
        """A look at everybody now and after a year."""
        for days in (0, 40, 400):
            self.now += days * 86400 * SECOND
            for member in self.members:
                self.add("balance", key=False, member=member)


def make_case(seed, only=(), without=()):
    return Maker(seed, only, without).case()
