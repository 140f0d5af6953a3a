"""A member as the model keeps it."""


class Lot:
    """`last` is the last day, None for never; `clock` is the inactivity term that ends it instead; `kind` is what the points came by."""

    def __init__(self, last, points, clock=None, kind="earned"):
        self.last = last
        self.points = points
        self.clock = clock
        self.kind = kind

    def part(self, points):
        return Lot(self.last, points, self.clock, self.kind)

    def same_terms(self, other):
        return self.last == other.last and (self.clock is None) == (other.clock is None) and self.kind == other.kind


class Waiting:
    """Pending points of one component."""

    def __init__(self, points, day, pending, expiry, source, order):
        self.points = points
        self.due = pending.due(day)
        self.activity = pending.activity
        self.cancel = None if self.activity is None else day.fromordinal(day.toordinal() + pending.within + 1)
        self.expiry = expiry
        self.source = source           # the record of the purchase, or None
        self.order = order             # of what is due the same day
        self.came = None               # the terms of the lot, once it is one
        self.kind = "earned"           # the kind of the lot it becomes


class Hold:
    """Of a pool's points it has the lots of whoever holds; those of the others are in holds of theirs, its `parts`."""

    def __init__(self, key, ends, lots, day):
        self.key = key
        self.day = day                 # it counts for redeem_per_day while it is open
        self.ends = ends               # None for a part
        self.lots = lots               # [Lot]
        self.state = "open"            # open | closed | expired
        self.voucher = None            # held instead of points
        self.parts = []                # [(owner, Hold)], in the order of the pool
        self.lost = 0                  # of others' points: taken out of it by their erasure

    @property
    def left(self):
        """Of the member's own points."""
        return sum(lot.points for lot in self.lots)

    @property
    def whole(self):
        return self.left + sum(part.left for _, part in self.parts)


class Voucher:
    def __init__(self, name, last, source, value):
        self.id = name
        self.last = last               # its last day, None for ever
        self.source = source           # what issued it: ("rule", id), ("card", id), ("milestone", id), ("reward", id), ("birthday",) …
        self.value = value
        self.key = None                # of the command that issued it; None: the system did
        self.number = 0                # in order of issuing
        self.state = "issued"          # issued | held | used | expired | revoked


class Card:
    """A stamp card: `net` stamps, and how many vouchers they have filled.  Places count through all cards: net - size × filled is what is on
    the one at hand."""

    def __init__(self, size):
        self.size = size
        self.net = 0
        self.filled = 0
        self.begun = {}                # number of a card → day of its first stamp
        self.fired = set()             # (number of a card, at)

    @property
    def on(self):
        return self.net - self.size * self.filled


class Pool:
    def __init__(self, head):
        self.members = [head]          # the head first, then as they joined

    @property
    def head(self):
        return self.members[0]


class Member:
    def __init__(self, number, aliases, day, segments=(), enrolled=True):
        self.no = number
        self.aliases = list(aliases)
        self.enrolled = day if enrolled else None      # None: provisional
        self.segments = list(segments)
        self.rolled = day              # the last date whose night is done
        self.lots = []
        self.posted = []               # the terms of lots that the event at hand made or moved
        self.waiting = []
        self.holds = {}
        self.debt = 0
        self.advanced = 0
        self.metrics = {}              # name → {day: n}
        self.totals = {}
        self.used = {}                 # cap key → n
        self.earned_on = {}            # day → granted by earn rules, for earn_per_day
        self.redeemed_on = {}
        self.fired = {}                # rule id → [instant]
        self.remainders = {}
        self.purchases_accepted = 0
        self.purchases = {}            # key → record
        self.redeems = {}              # key → record
        self.rank = None               # index into program.tiers of the tier earned
        self.since = None
        self.lowest_from_the_start = True
        self.start = None              # validity counts from the day after
        self.until = None
        self.in_grace = False
        self.gift = None               # (tier id, until)
        self.births = []               # [(entered, month, day)]
        self.births_paid = {}          # birthday year → (date, (month, day))
        self.clock = day               # of inactivity
        self.clock_order = 0
        self.frozen = self.closed = self.erased = False
        self.noticed = day             # up to this day notices were told
        self.events = 0                # that earned, to tell their pending points apart
        self.transfers_out = {}        # year → [points, times]
        self.transfers_in = {}
        self.vouchers = []
        self.cards = {}                # stamp id → Card
        self.rewards_used = {}         # (reward, period, key) → n
        self.memberships = {}          # id → memberships.Holding
        self.tried = False             # the one trial is used
        self.pool = None
        self.referrer = None
        self.referral = None           # people.Referral, once it was due
        self.referrals = {}            # year → rewards as a referrer
        self.credited = False          # the event at hand gave something that pays debt first

    @property
    def available(self):
        return sum(lot.points for lot in self.lots)

    @property
    def pending(self):
        return sum(waiting.points for waiting in self.waiting)

    @property
    def held(self):
        return sum(hold.left for hold in self.holds.values() if hold.state == "open")

    def add_metric(self, name, day, count):
        if count:
            days = self.metrics.setdefault(name, {})
            days[day] = days.get(day, 0) + count
            self.totals[name] = self.totals.get(name, 0) + count

    def metric(self, name, after, through):
        """The sum over the days after `after` (None: all) through `through`."""
        if name == "balance":
            return self.available + self.held
        return sum(count for day, count in self.metrics.get(name, {}).items() if (after is None or day > after) and (through is None or day <= through))

    def year_metric(self, name, year, through):
        if name == "balance":
            return self.available + self.held
        return sum(count for day, count in self.metrics.get(name, {}).items() if day.year == year and (through is None or day <= through))
