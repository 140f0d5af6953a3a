"""Pools: who is in one, and debits that take from all of it."""
from .ladder import member_may, refuse, touch
from .lots import FAR, ends, take
from .member import Hold, Pool


def join(model, event, member):
    head = model.aliases.get(event.get("head"))
    if head is None:
        refuse("NOT_FOUND", "head")
    if head is member:
        refuse("INVALID_ARGUMENT", "head")
    if model.program.pools is None:
        refuse("NOT_OFFERED")
    if member.pool is not None or head.pool is not None and head.pool.head is not head:
        refuse("ALREADY_EXISTS")
    member_may(member)
    member_may(head)
    size = len(head.pool.members) if head.pool else 1
    if size + 1 > int(model.program.pools["max_members"]):
        refuse("CAP_REACHED")
    if head.pool is None:
        head.pool = Pool(head)
    head.pool.members.append(member)
    member.pool = head.pool
    touch(model, event, member)
    return {}


def leave(model, event, member):
    if model.program.pools is None:
        refuse("NOT_OFFERED")
    if member.pool is None:
        refuse("NOT_FOUND", "pool")
    member_may(member)
    go(member)
    touch(model, event, member)
    return {}


def go(member):
    pool = member.pool
    if pool is None:
        return
    if pool.head is member:
        for other in pool.members:
            other.pool = None
    else:
        pool.members.remove(member)
        member.pool = None
        if len(pool.members) == 1:
            pool.head.pool = None


def check(model, event, member):
    """Of a command that may be about a pool."""
    if event.get("pool") and model.program.pools is None:
        refuse("NOT_OFFERED", "pool")
    if event.get("pool") and member.pool is None:
        refuse("NOT_FOUND", "pool")


def owners(member):
    """Whose lots pay, in order; frozen members are passed over."""
    return [other for other in member.pool.members if not other.frozen and not other.closed]


def take_from(who, points):
    """[(owner, lot)], owner by owner, or None when there is not enough."""
    if sum(owner.available for owner in who) < points:
        return None
    taken = []
    for owner in who:
        part = min(points, owner.available)
        taken += [(owner, lot) for lot in take(owner, owner.lots, part)]
        points -= part
    return taken


def hold_of(member, key, until, taken, day):
    """The hold of lots of a pool: one of each owner's."""
    made = Hold(key, until, [lot for owner, lot in taken if owner is member], day)
    for owner in dict.fromkeys(owner for owner, _ in taken):
        if owner is not member:
            part = Hold(("pool", key, made), None, [lot for other, lot in taken if other is owner], day)
            owner.holds[part.key] = part
            made.parts.append((owner, part))
    return made


def capture_from(member, hold, points):
    """[(owner, lot)], in consumption order through all of the hold."""
    sources = [(member, hold)] + hold.parts
    order = {owner: place for place, owner in enumerate(member.pool.members if member.pool else [])}
    rows = sorted(((owner, part, lot) for owner, part in sources for lot in part.lots),
                  key=lambda row: (ends(row[0], row[2]) or FAR, row[2].clock is not None, order.get(row[0], 0)))
    taken = []
    for owner, part, lot in rows:
        some = min(points, lot.points)
        if some:
            lot.points -= some
            points -= some
            taken.append((owner, lot.part(some)))
    for _, part in sources:
        part.lots = [lot for lot in part.lots if lot.points]
    return taken


TABLE = {"pool_join": join, "pool_leave": leave}
