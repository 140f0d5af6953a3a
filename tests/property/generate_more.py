"""The parts of random programs and events that are about vouchers, stamps, rewards, memberships, pools, partners and who members are."""
import datetime as dt
import json

from model.dates import decimal_text

FEATURES = {                      # as in generate.py
    "vouchers": .2, "voucher_use": .6, "voucher_holds": .15, "rewards": .12, "auto_redeem": .12, "stamps": .2, "birthday_voucher": .3,
    "pools": .12, "partners": .12, "memberships": .15,
    "referral": .15, "opening": .12, "consent": .08, "erase": 0, "provisional": 0,
}
PARTNERS = ["p1", "p2"]
VOUCHERS = ["cookie", "drink", "mug"]
PERIODS = ["transaction", "day", "month", "year", "lifetime", "program"]


class MoreProgram:
    """Of generate.Maker."""

    def more_sections(self, program):
        if self.has("provisional"):
            if self.chance(.5):
                del program["unknown_alias"]
            else:
                program["unknown_alias"] = "provisional"
        if any(self.has(name) for name in ("vouchers", "voucher_holds", "rewards", "auto_redeem", "stamps", "birthday_voucher")):
            self.voucher_sections(program)
        if self.has("referral"):
            program["referral"] = {"referrer": self.points(1, 30), "referee": self.points(1, 30), "min_amount": self.money(1, 30),
                                   "pending_days": self.pick(0, 1, 14), "per_year": self.rng.randint(1, 3)}
        if self.has("pools"):
            program["pools"] = {"max_members": self.rng.randint(2, 4)}
        if self.has("partners"):
            self.partners(program)
        if self.has("memberships"):
            self.memberships(program)

    def voucher_sections(self, program):
        rng = self.rng
        names = self.some(VOUCHERS, 3)
        program["vouchers"] = [self.voucher(name) for name in names]
        if self.has("vouchers"):
            for number in range(rng.randint(1, 2)):
                program["earn"].append(self.gift_rule(f"gift{number}", rng.choice(names), program))
        worth = (program.get("redemption") or {}).get("value")
        if self.has("returns") and worth and self.chance(.6):
            program.setdefault("returns", {})["used_voucher"] = self.pick("keep", "debt", "debt")
            for voucher in program["vouchers"]:
                voucher.setdefault("value", {"amount": self.money(1, 9)})
        if self.has("rewards"):
            program["rewards"] = [self.reward(f"r{number}", rng.choice(names), program) for number in range(rng.randint(1, 2))]
        if self.has("auto_redeem"):
            balances = '"balance"' in json.dumps(program.get("tiers", []))      # at must be above what any tier asks for
            program["auto_redeem"] = {"at": self.points(*((211, 260) if balances else (10, 60))), "voucher": rng.choice(names)}
            if program.get("tiers") and self.chance(.4):
                program["auto_redeem"]["tiers"] = self.some([tier["id"] for tier in program["tiers"]])
        if self.has("stamps"):
            program["stamps"] = [self.stamp(f"card{number}", names, program) for number in range(rng.randint(1, 2))]
            for tier in program.get("tiers", [])[1:]:
                if self.chance(.3):
                    tier["forfeit_stamps_on_downgrade"] = True
        if self.has("birthday_voucher"):
            for section in ("birthday", "anniversary"):
                if section in program and self.chance(.75):
                    program[section]["reward"] = {"voucher": rng.choice(names)}

    def voucher(self, name):
        voucher = {"id": name, "name": name.capitalize()}
        if self.chance(.75):
            voucher["valid"] = self.pick({"days": self.rng.randint(1, 60)}, {"days": self.rng.randint(1, 10)}, {"months": self.rng.randint(1, 3)}, {"years": 1})
        if self.chance(.4):
            voucher["value"] = {"amount": self.money(1, 9)}
        return voucher

    def gift_rule(self, name, voucher, program):
        on = self.pick("purchase", "purchase", "purchase", "activity", "enrol")
        rule = {"id": name, "priority": 900 + len(program["earn"]), "on": on, "kind": "voucher", "voucher": voucher}
        when = self.when(program, on, self.chance(.3), "voucher") if on != "enrol" else {}
        if on == "purchase" and self.chance(.5):
            when["min_amount"] = self.money(2, 30)
            when.pop("max_amount", None)
        if when:
            rule["when"] = when
        if self.has("caps") and self.chance(.5):
            rule["caps"] = [{"per": self.pick("day", "month", "year", "lifetime", "program"), "count": self.rng.randint(1, 3)}]
        return rule

    def reward(self, name, voucher, program):
        rng = self.rng
        step = (program.get("redemption") or {}).get("step")
        reward = {"id": name, "cost": self.points(10, 30), "voucher": voucher}
        if step or "min" in (program.get("redemption") or {}):      # a cost that both would let pass
            unit = 10 ** self.scale
            size = int(step.replace(".", "")) if step else unit
            reward["cost"] = decimal_text(-(-10 * unit // size) * size * rng.randint(1, 3), self.scale)
        if self.chance(.3):
            reward["stock"] = rng.randint(1, 3)
        if self.chance(.4):
            reward["per_member"] = {"count": rng.randint(1, 2), "per": self.pick("day", "month", "year", "lifetime")}
        if program.get("tiers") and self.chance(.3):
            reward["tiers"] = self.some([tier["id"] for tier in program["tiers"]])
        if self.chance(.2):
            reward["from"] = self.day(0, 200)
        if self.chance(.2):
            reward["until"] = self.day(200, 500)
        return reward

    def stamp(self, name, names, program):
        rng = self.rng
        size = rng.randint(2, 10)
        stamp = {"id": name, "per_item": self.pick(1, 1, 1, 2), "size": size, "voucher": rng.choice(names)}
        when = self.when(program, "purchase", self.chance(.6), "stamp")
        if when:
            stamp["when"] = when
        if self.chance(.4):
            stamp["cap"] = {"per": self.pick("day", "day", "month", "transaction", "year", "lifetime"), "count": rng.randint(1, 7)}
        if self.chance(.5):
            stamp["milestones"] = [{"at": at, "voucher": rng.choice(names)} for at in sorted(rng.sample(range(1, size), min(size - 1, rng.randint(1, 2))))]
        if self.chance(.4):
            stamp["overflow"] = self.pick("carry", "drop")
        if self.chance(.4):
            stamp["valid"] = self.pick({"days": rng.randint(3, 40)}, {"months": rng.randint(1, 6)})
        return stamp

    def partners(self, program):
        names = self.some(PARTNERS)
        program["partners"] = [{"id": name, "issue_price": self.pick("1", "0.5", "2/3"), "redeem_price": self.pick("1", "2/3"),
                                "settlement": self.pick("postpaid", "prepaid")} for name in names]
        for rule in program["earn"]:
            if rule["on"] != "enrol" and self.chance(.3):
                rule.setdefault("when", {})["partners"] = self.some(names)

    def memberships(self, program):
        program["memberships"] = []
        for name in ("prime", "plus")[:self.rng.randint(1, 2)]:
            kind = {"id": name, "term": self.pick("monthly", "monthly", "annual"), "fee": self.money(1, 20)}
            if self.chance(.5):
                kind["trial_days"] = self.rng.randint(1, 40)
            if self.chance(.6):
                kind["grace_days"] = self.rng.randint(0, 10)
            if self.chance(.5):
                kind["refund_if_unused"] = self.chance(.8)
            if self.chance(.7):
                kind["earn_multiplier"] = self.pick("1.5", "2", "1.1")
            program["memberships"].append(kind)
            if self.chance(.4):
                rule = {"id": f"only-{name}", "priority": 800 + len(program["earn"]), "on": "purchase", "kind": self.pick("bonus", "base"),
                        "fixed": {"points": self.points(1, 9)}, "when": {"membership": name}}
                program["earn"].append(rule)


    # Caps that meet, and what another version has otherwise

    def longer_cap(self, per):
        """Beside a cap that falls back: one of a longer period, which does not.  Of a shorter one the rules leave open which is asked first."""
        longer = PERIODS[PERIODS.index(per) + 1:]
        return {"per": self.rng.choice(longer), "points": self.points(3, 30), "over": self.pick("clip", "reject")}

    def share_cap(self, rules):
        """Makes a cap of one rule that of a group with another.  Rules that replace and others share none: which is filled first is left open."""
        capped = [rule for rule in rules if rule["on"] == "purchase" and rule["kind"] != "counter" and "replaces" not in rule and rule.get("caps")]
        if len(capped) < 2:
            return
        one, other = self.rng.sample(capped, 2)
        cap = one["caps"][0]
        if "points" not in cap or any(each["per"] == cap["per"] for each in other["caps"]):
            return
        cap["group"] = "shared"
        other["caps"].append(dict(cap, over=self.pick("clip", "reject")))

    def vary(self, program):
        """Nothing that a night looks for without an event: balances that tiers ask for, and what is redeemed by itself."""
        for rule in program["earn"]:
            for cap in rule.get("caps", []):
                if "group" not in cap and self.chance(.5):
                    cap.update({"points": self.points(1, 60)} if "points" in cap else {"count": self.rng.randint(1, 4)})
        for tier in program.get("tiers", [])[1:]:
            self.vary_tier(tier, "balance" in json.dumps(program["tiers"]))
        for name in ("earn_per_day", "redeem_per_day"):
            if name in program.get("limits", {}) and self.chance(.5):
                program["limits"][name] = self.points(10, 80)
        for stamp in program.get("stamps", []):
            if "cap" in stamp and self.chance(.5):
                stamp["cap"]["count"] = self.rng.randint(1, 7)
        if "points" in program.get("birthday", {}).get("reward", {}) and self.chance(.4):
            program["birthday"]["reward"]["points"] = self.points(5, 50)
        for voucher in program.get("vouchers", []):
            if "valid" in voucher and self.chance(.4):
                voucher["valid"] = {"days": self.rng.randint(1, 60)}

    def vary_tier(self, tier, by_balance):
        rng = self.rng
        if self.chance(.4):
            tier["earn_multiplier"] = self.pick("1.1", "1.3", "2")
        if "months" in tier.get("valid", {}) and self.chance(.4):
            tier["valid"]["months"] = rng.randint(1, 5)
        for alternative in tier["reach"]["any"] if self.chance(.3) and not by_balance else []:
            threshold = alternative["all"][0]
            if threshold["metric"] == "points_earned":
                threshold["at_least"] = decimal_text(rng.randint(10, 90) * 10 ** self.scale, self.scale)
            if threshold["metric"] == "spend":
                threshold["at_least"] = decimal_text(rng.randint(10, 90) * self.unit, self.digits)


class MoreEvents:
    """Of generate.Events."""

    def more_choices(self):
        maker = self.maker
        table = {}
        for feature, name, weight in (("rewards", "reward", 4), ("pools", "pool", 3), ("memberships", "membership", 5), ("consent", "consent", 1),
                                      ("opening", "opening", .6), ("erase", "erase", .5), ("provisional", "stranger", 2), ("referral", "friend", 1.5)):
            if maker.has(feature):
                table[name] = weight
        if self.program.get("vouchers"):
            if maker.has("voucher_use"):
                table["use"] = 4
                table["void"] = .8
            if maker.has("voucher_holds"):
                table["hold_voucher"] = 3
        return table

    def voucher_name(self):
        return self.rng.choice([voucher["id"] for voucher in self.program["vouchers"]])

    def use(self):
        self.add("voucher_use", member=self.who(), voucher=self.voucher_name(), offline=True if self.rng.random() < .2 else None)

    def void(self):
        self.add("voucher_void", member=self.who(), voucher=self.voucher_name(), reason="test")

    def hold_voucher(self):
        ttl = self.rng.choice([None, "30s", "1h", "3d", "20d"])
        self.holds.append(self.add("hold", member=self.who(), voucher=self.voucher_name(), ttl=ttl))

    def reward(self):
        reward = self.rng.choice(self.program["rewards"])["id"] if self.rng.random() < .95 else "none"
        self.add("redeem", member=self.who(), reward=reward)

    def pool(self):
        kind = self.rng.random()
        if kind < .3:
            self.add("pool_leave", member=self.who())
        elif len(self.members) > 1:
            member = self.who()
            head = self.members[0] if self.rng.random() < .6 else self.who()
            if head != member:
                self.add("pool_join", member=member, head=head)

    def membership(self):
        kind = self.rng.choice(self.program["memberships"])
        op = self.rng.choice(["start", "start", "renew", "renew", "renew", "cancel"])
        trial = True if op == "start" and "trial_days" in kind and self.rng.random() < .5 else None
        self.add("membership_" + op, member=self.who(), membership=kind["id"], trial=trial)

    def consent(self):
        self.add("consent", member=self.who(), purpose=self.rng.choice(["email", "profiling"]), given=self.rng.random() < .6)

    def opening(self):
        if len(self.members) > 5:
            return
        rng, name = self.rng, f"o{len(self.members) + 1}"
        today = self.maker.zone.date(self.now)
        lots = [{"points": self.maker.points(1, 60)} for _ in range(rng.randint(0, 3))]
        for lot in lots:
            if rng.random() < .8:
                lot["last_day"] = (today + dt.timedelta(days=rng.randint(0, 100))).isoformat()
        fields = {"lots": lots or None}
        if self.program.get("tiers") and rng.random() < .6:
            fields["tier"] = rng.choice(self.program["tiers"][1:])["id"]
            fields["tier_until"] = (today + dt.timedelta(days=rng.randint(1, 100))).isoformat()
        if self.program.get("counters") and rng.random() < .5:
            fields["counters"] = {rng.choice(self.program["counters"]): rng.randint(1, 20)}
        self.members.append(name)
        self.add("opening", member=name, **fields)

    def erase(self):
        if len(self.members) > 1:
            self.add("erase", member=self.who())

    def stranger(self):
        """Earns under an alias that nobody enrolled, or enrols one that earned."""
        rng = self.rng
        name = f"x{rng.randint(1, 4)}"
        kind = rng.random()
        if kind < .5:
            fields = self.bought()
            event = self.add("purchase", member=name, **fields)
            self.purchases.append(event)
            if name not in self.members:
                self.members.append(name)
        elif kind < .65:
            self.add("enrol", member=name)
            if name not in self.members:
                self.members.append(name)
        elif kind < .8 and self.members:
            self.add("profile", member=self.who(), add_aliases=[name])
        elif kind < .9:
            self.add("enrol", member=f"n{self.number}", aliases=[name])
            self.members.append(f"n{self.number}")
        else:
            self.add("quote", key=False, member=name, **self.bought())

    def friend(self):
        if len(self.members) < 7:
            name = f"f{len(self.members) + 1}"
            self.add("enrol", member=name, referrer=self.who())
            self.members.append(name)
