"""The model: events in, replies out."""
import copy
import json

from . import birthdays, commands, memberships, people, pools, returns, spending, vouchers
from .dates import SECOND, Malformed, decimal_text, instant, instant_text
from .ladder import Refusal
from .lots import expiring
from .nights import change_tier, notices, roll, settle
from .program import Program
from .tiers import earned, gift, look_up, points_to_keep, points_to_next, shown

STATUS = {
    "INVALID_ARGUMENT": "INVALID_ARGUMENT", "POINTS_NOT_POSITIVE": "INVALID_ARGUMENT", "REQUEST_ID_REUSED": "ALREADY_EXISTS",
    "RECEIPT_REUSED": "ALREADY_EXISTS", "CLOCK_SKEW": "OUT_OF_RANGE", "EVENT_TOO_OLD": "OUT_OF_RANGE", "NOT_FOUND": "NOT_FOUND",
    "ALREADY_EXISTS": "ALREADY_EXISTS", "CAP_REACHED": "RESOURCE_EXHAUSTED", "OUT_OF_STOCK": "RESOURCE_EXHAUSTED",
}
BARE = {"INVALID_ARGUMENT", "POINTS_NOT_POSITIVE", "REQUEST_ID_REUSED", "RECEIPT_REUSED"}
READS = {"balance", "quote"}
TABLE = {**commands.TABLE, **returns.TABLE, **spending.TABLE, **memberships.TABLE, **pools.TABLE, **people.TABLE}
EARNS = {"purchase", "quote", "activity"}       # what an alias that nobody has may do


class Event:
    """An event with its times: `now` is the daemon's, `occurred` the terminal's, `day` the business date."""

    def __init__(self, model, fields):
        self.fields = fields
        self.op = fields["op"]
        self.on = {"purchase": "purchase", "quote": "purchase", "activity": "activity", "enrol": "enrol"}.get(self.op)
        self.key = fields.get("key")
        self.store = fields.get("store")
        self.activity = fields.get("activity")
        self.now = model.now
        self.said = instant(fields["occurred_at"]) if "occurred_at" in fields else self.now
        self.occurred = min(self.said, self.now)
        zone = model.program.zone
        self.local = zone.local(self.occurred)
        self.day = self.local.date()
        self.today = zone.date(self.now)
        self.memberships = []          # ids of those that run

    def get(self, name, default=None):
        return self.fields.get(name, default)


class Model:
    """Programs are versions of one, the first in force from the start."""

    def __init__(self, specs):
        self.versions = [Program(spec) for spec in specs]
        self.program = self.versions[0]
        self.now = None
        self.members = []
        self.aliases = {}
        self.done = {}                 # (principal, key) → (body, member, outcome, after)
        self.receipts = {}
        self.program_used = {}         # use of `program` caps
        self.sold = {}                 # reward → n
        self.issued = []               # by the event at hand: (member, voucher id)
        self.revoked = []
        self.key = None                # of the command at hand; None at night
        self.all_issued = []
        self.chosen = {}               # key of a command → the voucher that its id meant
        self.tiers_before = {}         # member → the tier held before the event at hand

    # Replies

    def points(self, value):
        return decimal_text(value, self.program.scale)

    def money(self, value):
        return decimal_text(value, self.program.digits)

    def block(self, member):
        program = self.program
        today = program.zone.date(self.now)
        block = {
            "member_no": member.no, "available": self.points(member.available), "pending": self.points(member.pending),
            "held": self.points(member.held), "debt": self.points(member.debt),
            "expiring": [{"points": self.points(points), "last_day": last.isoformat()} for last, points in expiring(program, member)],
            "points_earned": self.points(member.totals.get("points_earned", 0)), "spend": self.money(member.totals.get("spend", 0)),
            "visits": member.totals.get("visits", 0), "as_of": instant_text(self.now),
            "counters": {name: member.totals.get(name, 0) for name in program.counters},
        }
        carried = [rule.id for rule in program.rules if rule.carries]
        block["remainders"] = {name: self.money(member.remainders.get(name, 0)) for name in carried}
        block["vouchers"] = vouchers.usable(member)
        block["stamps"] = {name: max(card.on, 0) for name, card in member.cards.items()}
        block["stamp_debt"] = {name: max(-card.on, 0) for name, card in member.cards.items()}
        block.update(memberships.block(member, today))
        if program.tiers:
            self.tier_block(member, block, today)
        return block

    def tier_block(self, member, block, today):
        program = self.program
        tier, own = shown(program, member), earned(program, member)
        given = gift(program, member)
        block["tier"] = tier.id
        block["tier_earned"] = own.id
        block["tier_since"] = member.since.isoformat()
        until = member.gift[1] if given is tier and tier is not own else member.until
        block["tier_until"] = until.isoformat() if until else None
        missing = points_to_next(program, member, today)
        block["points_to_next"] = None if missing is None else self.points(missing)
        missing = points_to_keep(program, member, today)
        block["points_to_keep"] = None if missing is None else self.points(missing)

    # Events

    def apply(self, fields):
        """The reply to one event."""
        self.now = instant(fields["at"])
        self.key = None
        roll(self, self.now)
        self.key = fields.get("key")
        self.issued, self.revoked = [], []
        self.tiers_before = {member: shown(self.program, member) for member in self.members}
        for member in self.members:
            member.credited = False
        today = self.program.zone.date(self.now)
        tells = self.program.expiring_days or self.program.downgrade_days
        self.before = {member: self.due_rows(member, today) for member in self.members if tells}
        try:
            return self.run(fields)
        except Malformed:
            return {"status": "INVALID_ARGUMENT", "reason": "INVALID_ARGUMENT"}
        except Refusal as refusal:
            reasons = refusal.reason if isinstance(refusal.reason, tuple) else (refusal.reason,)
            reply = {"status": tuple(STATUS.get(reason, "FAILED_PRECONDITION") for reason in reasons), "reason": reasons}
            member = self.aliases.get(fields.get("member"))
            if member is not None and not set(reasons) & BARE:
                reply.update(self.block(member))
            return reply

    def run(self, fields):
        if fields["op"] == "publish":
            return self.publish(fields)
        event = Event(self, fields)
        commands.syntax(self, event)
        body = json.dumps({name: value for name, value in fields.items() if name not in ("key", "at", "expect")}, sort_keys=True)
        if event.op not in READS:
            done = self.done.get((fields.get("principal", "simulate"), event.key))
            if done is not None:
                return self.replay(done, body)
            if event.said > self.now + 300 * SECOND:
                raise Refusal("CLOCK_SKEW")
            if self.now - event.said > self.program.late_days * 86400 * SECOND:
                raise Refusal("EVENT_TOO_OLD")
        if event.op == "enrol":
            return self.finish(event, commands.enrol(self, event), body)
        if event.op == "opening":
            return self.finish(event, people.opening(self, event), body)
        member = self.aliases.get(fields["member"])
        if member is None:
            return self.stranger(event, body)
        event.memberships = memberships.running(member, event.today)
        if event.op == "balance":
            return self.balance(event, member)
        if event.op == "quote":
            return self.quote(event, member)
        same = self.same_receipt(event, member)
        if same is not None:
            return same
        return self.finish(event, (member, TABLE[event.op](self, event, member)), body)

    def quote(self, event, member):
        """What the purchase would get, in a copy of everything."""
        other = self.copy()
        its = other.members[self.members.index(member)]
        outcome = commands.purchase(other, event, its)
        other.auto_redeem(event, its)
        outcome["issued"] = sorted(name for who, name in other.issued if who is its)
        del outcome["_others"]
        return self.reply(member, outcome)

    def copy(self):
        same = {id(each): each for each in self.versions + [self.done, self.receipts, self.before]}
        return copy.deepcopy(self, same)

    def stranger(self, event, body):
        """An alias that nobody has; a quote leaves nobody behind."""
        if not self.program.provisional or event.op not in EARNS:
            raise Refusal("NOT_FOUND", "member")
        kept = self.aliases, self.members
        self.aliases, self.members = dict(self.aliases), list(self.members)
        member = people.provisional(self, event.get("member"), event.day, event.today)
        if event.op == "quote":
            reply = self.quote(event, member)
            self.aliases, self.members = kept
            return {name: value for name, value in reply.items() if name != "member_no"}
        try:
            same = self.same_receipt(event, member)
            return same or self.finish(event, (member, TABLE[event.op](self, event, member)), body)
        except Refusal:
            self.aliases, self.members = kept
            raise

    def finish(self, event, done, body):
        member, outcome = done
        member = outcome.pop("_block", member)
        concerned = [member] + outcome.pop("_others", [])
        for each in concerned:
            self.auto_redeem(event, each)
        outcome["issued"] = sorted(name for who, name in self.issued if who is member)
        outcome["revoked"] = sorted(name for who, name in self.revoked if who is member)
        block = self.block(member)     # an entry records the balances right after it, before what it made due
        after = {name: block[name] for name in ("available", "pending", "held", "debt", "tier") if name in block}
        self.between = self.due_rows(member, event.today)
        for each in concerned:
            settle(self, each, event.today)
        if event.op in ("enrol", "profile"):
            if birthdays.birthday_night(self, member, event.today):
                change_tier(self.program, member, event.today, lambda: look_up(self.program, member, event.today, event.today, only_balance=True))
        kept = (body, member, outcome, after)
        self.done[(event.get("principal", "simulate"), event.key)] = kept
        if event.op == "purchase" and event.get("receipt_no") and event.store:
            self.receipts[(event.store, event.get("receipt_no"), event.day)] = (self.receipt_body(event, member), kept)
        return self.reply(member, outcome, written=True)

    def tier_before(self, member):
        """A new member held the lowest."""
        return self.tiers_before.get(member) or next(iter(self.program.tiers), None)

    def auto_redeem(self, event, member):
        """The last step of an event that gave points."""
        if member.credited:
            vouchers.auto_redeem(self, member, event.day, self.tier_before(member))

    def reply(self, member, outcome, after=None, written=False):
        reply = {"status": "OK"}
        reply.update(self.block(member))
        reply.update(outcome)
        if after is not None:
            reply.update(after)
            reply["replayed"] = True
        else:
            self.tell(member, reply, written)
        return reply

    def replay(self, done, body):
        if done[0] != body:
            raise Refusal("REQUEST_ID_REUSED")
        if done[1].erased and json.loads(body)["op"] in ("enrol", "profile", "opening"):      # whose alias it named nobody knows any more
            raise Refusal("REQUEST_ID_REUSED")
        return self.reply(done[1], done[2], done[3])

    def receipt_body(self, event, member):
        return json.dumps([member.no, event.get("amount"), event.get("lines")], sort_keys=True)

    def same_receipt(self, event, member):
        if event.op != "purchase" or not event.get("receipt_no") or not event.store:
            return None
        found = self.receipts.get((event.store, event.get("receipt_no"), event.day))
        if found is None:
            return None
        if found[0] != self.receipt_body(event, member):
            raise Refusal("RECEIPT_REUSED")
        return self.reply(found[1][1], found[1][2], found[1][3])

    def tell(self, member, reply, written):
        """The notices; a command that is written has told them, a read has not."""
        if not self.program.expiring_days and not self.program.downgrade_days:
            return
        today = self.program.zone.date(self.now)
        reply["notices"] = [dict(notice, last_day=notice["last_day"].isoformat(), due=notice["due"].isoformat(),
                                 points=None if notice["points"] is None else self.points(notice["points"]))
                            for notice in self.still_due(member, today, written)]
        if written:
            member.noticed = today

    def still_due(self, member, today, written):
        """After a command: as much as there still is of what was due before it, and what became available right after it."""
        for notice in notices(self.program, member, today):
            if written and notice["kind"] == "expiring":
                row = notice["last_day"], notice["due"]
                came = max(notice["points"] - self.between.get(row, 0), 0)
                notice["points"] = min(notice["points"], self.before.get(member, {}).get(row, 0) + came)
            if notice["kind"] == "downgrade" or notice["points"]:
                yield notice

    def due_rows(self, member, today):
        return {(notice["last_day"], notice["due"]): notice["points"] for notice in notices(self.program, member, today) if notice["kind"] == "expiring"}

    def balance(self, event, member):
        if "as_of" not in event.fields:
            return self.reply(member, {})
        then = instant(event.get("as_of"))
        if then < self.now:
            raise Refusal("INVALID_ARGUMENT", "as_of")
        ahead = self.copy()
        ahead.now = then
        roll(ahead, then)
        return ahead.reply(ahead.members[self.members.index(member)], {})

    def publish(self, fields):
        done = self.done.get((fields.get("principal", "simulate"), fields["key"]))
        if done is not None:
            return {"status": "OK", "replayed": True}
        index = self.versions.index(self.program) + 1
        self.program = self.versions[index]
        self.done[(fields.get("principal", "simulate"), fields["key"])] = ("publish", None, {}, {})
        return {"status": "OK"}
