"""Stamp cards: what a purchase puts on them, what its returns take off, and when a card ends."""
from . import earning, vouchers
from .member import Card
from .program import period_key


class Stamped:
    """What a purchase put on one card."""

    def __init__(self, card, day, room, granted, wanted):
        self.card = card
        self.day = day
        self.room = room               # of its cap before the purchase, or None
        self.granted = granted
        self.wanted = wanted
        self.capped = granted          # not given back to the cap
        self.left = granted            # on cards, and not taken by returns
        self.vouchers = []             # that it filled a card with
        self.milestones = []           # [(at, voucher)]


def wanted_of(card, shape, held):
    if not held or not earning.amount_holds(shape, card.rule):
        return 0
    return card.per_item * shape.part(card.rule)[1]


def cap_key(card, day):
    return ("stamps", card.id, card.cap["per"], period_key(card.cap["per"], day))


def stamp(model, event, member, shape, tier):
    """Every card of the program; {card id: Stamped}, and the outcome's keys."""
    program, done = model.program, {}
    for card in program.stamps:
        held = earning.holds(program, member, event, tier.id if tier else None, card.rule)
        wanted, room = wanted_of(card, shape, held), None
        granted = wanted
        if card.cap:
            used = (model.program_used if card.cap["per"] == "program" else member.used)
            key = cap_key(card, event.day)
            limit = int(card.cap["count"])
            room = limit if card.cap["per"] == "transaction" else max(limit - used.get(key, 0), 0)
            granted = min(wanted, room)
            used[key] = used.get(key, 0) + granted
        one = done[card.id] = Stamped(card, event.day, room, granted, wanted)
        one.held = held
        fill(model, member, one, granted)
        if granted and card.rule.id not in member.fired.setdefault(card.rule.id, []):
            member.fired[card.rule.id].append(event.occurred)
    return done


def state_of(member, card):
    return member.cards.setdefault(card.id, Card(card.size))


def fill(model, member, one, count):
    """One by one; under `drop` what a full card has no place for is gone."""
    card, state = one.card, state_of(member, one.card)
    for done in range(count):
        state.net += 1
        place = state.filled, state.on
        if state.on == 1:
            state.begun[state.filled] = one.day
        if state.on in card.milestones and place not in state.fired:
            one.milestones.append((state.on, vouchers.issue(model, member, card.milestones[state.on], one.day, ("milestone", card.id))))
            state.fired.add(place)
        if state.on >= card.size:
            one.vouchers.append(vouchers.issue(model, member, card.voucher, one.day, ("card", card.id)))
            state.filled += 1
            if card.drops:
                one.left = done + 1
                break


def stamps_back(model, member, record, rest):
    """What the rest of a purchase no longer earns leaves the cards, and then vouchers that it filled."""
    for one in record.stamps.values():
        card, state = one.card, state_of(member, one.card)
        still = wanted_of(card, rest, one.held)
        still = min(still if one.room is None else min(still, one.room), one.capped)
        back, one.capped = one.capped - still, still
        if card.cap:
            used = (model.program_used if card.cap["per"] == "program" else member.used)
            key = cap_key(card, one.day)
            used[key] = max(used.get(key, 0) - back, 0)
        gone = max(one.left - still, 0)
        one.left -= gone
        if not gone:
            continue
        state.net -= gone
        for voucher in reversed(one.vouchers):
            if state.on < 0 and voucher.state in ("issued", "held", "expired"):
                vouchers.revoke(model, member, voucher)
                state.filled -= 1
                state.begun[state.filled] = one.day
        uncover(model, member, one, state)
        uncover_owed(model, member, one, state, min(state.on + gone, 0))
        if state.on <= 0:
            state.begun.pop(state.filled, None)


def uncover(model, member, one, state):
    """Milestones that the sum no longer covers: as many of the purchase's vouchers go, the newest first, and they may fire again."""
    for number, at in sorted(state.fired, reverse=True):
        if number >= state.filled and state.net < number * state.size + at and revoke_newest(model, member, one, at):
            state.fired.discard((number, at))


def revoke_newest(model, member, one, at):
    mine = [voucher for where, voucher in one.milestones if where == at and voucher.state in ("issued", "held", "expired")]
    if mine:
        vouchers.revoke(model, member, mine[-1])
    return bool(mine)


def uncover_owed(model, member, one, state, before):
    """Below the beginning of the card at hand: of the milestones of cards that became vouchers which stay, what the sum has just left."""
    for at in one.card.milestones:
        left = [place for place in range(state.on + 1, before + 1) if (place - at) % state.size == 0]
        for _ in left:
            revoke_newest(model, member, one, at)


def wipe(state):
    """The card at hand ends: its stamps are gone, and the next one begins with the next stamp."""
    if state.on > 0:
        state.net = state.filled * state.size
    state.begun.pop(state.filled, None)
    state.fired = {place for place in state.fired if place[0] < state.filled}


def expire_cards(program, member, today):
    for card in program.stamps:
        state = member.cards.get(card.id)
        begun = state.begun.get(state.filled) if state is not None else None
        if begun is not None and state.on > 0:
            last = card.valid.last_day(begun)
            if last is not None and last < today:
                wipe(state)


def forfeit(member):
    for state in member.cards.values():
        if state.on > 0:
            wipe(state)


def merge_cards(model, into, member, day):
    """What is on both cards is on one, which lasts as long as the later; a milestone that fired for either has fired."""
    for card in model.program.stamps:
        other = member.cards.get(card.id)
        if other is None:
            continue
        mine = state_of(into, card)
        begun = [state.begun.get(state.filled) for state in (mine, other) if state.on > 0 and state.begun.get(state.filled)]
        fired = {(number - state.filled, at) for state in (mine, other) for number, at in state.fired if number >= state.filled}
        full = {place for place in mine.fired if place[0] < mine.filled} | {(number + mine.filled, at) for number, at in other.fired if number < other.filled}
        high = max(mine.on, other.on, 0)
        mine.net += other.net
        mine.filled += other.filled
        mine.fired = full | {(number + mine.filled, at) for number, at in fired}
        mine.begun = {mine.filled: max(begun)} if begun else {}
        one = Stamped(card, day, None, 0, 0)
        missing = max(mine.on - high, 0)
        mine.net -= missing
        fill(model, into, one, missing)
