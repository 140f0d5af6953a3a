"""How replies are compared with the model's, and what must hold in the replies alone."""
import collections
import decimal
import json
import random

from model.dates import decimal_text

COMES_OR_GOES = ("expiry", "birthday", "anniversary", "on_activity", "auto_redeem", "referral", "used_voucher")
UNSUMMED = ("opening", "erase")        # commands whose replies do not say how many points they moved
FIRST = ["status", "reason", "replayed", "granted", "wanted", "clawed", "grants", "available", "pending", "held", "debt", "expiring", "tier", "tier_earned",
         "tier_since", "tier_until", "points_earned", "spend", "visits", "counters", "remainder", "value", "lots", "left", "ends_at", "member_no", "as_of",
         "notices", "points_to_next", "points_to_keep", "vouchers", "issued", "revoked", "stamps", "stamp_debt", "stamps_wanted", "stamps_granted",
         "membership", "membership_until", "refund", "conflict"]


def plain(value):
    """For comparing by value: decimals as numbers; nothing, false, zero and empty are the same."""
    if value is None or value is False or value == [] or value == {}:
        return None
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        try:
            number = decimal.Decimal(str(value))
        except decimal.InvalidOperation:
            return value
        return None if number == 0 else number.normalize()
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        result = {name: plain(item) for name, item in value.items()}
        return {name: item for name, item in result.items() if item is not None} or None
    return value


def compare(event, engine, model):
    """None, or (the first key that differs, a sentence)."""
    if not model.get("status") == "OK" and "member_no" not in model and "member_no" in engine:
        model = dict(engine, status=model["status"], reason=model["reason"])     # whose balance a refusal of a stranger shows is left open
    for name in FIRST:
        got, want = engine.get(name), model.get(name)
        if isinstance(want, tuple):        # the rules leave open which
            want = got if got in want else want[0]
        if name == "remainder":
            if got is None or "remainders" not in model or engine.get("replayed"):
                continue
            kept = model.get("remainders") or {}
            want = {rule: kept.get(rule) for rule in got} if isinstance(got, dict) else next(iter(kept.values()), None)
        elif name == "grants":
            got, want = same_grants(got), same_grants(want)
        elif name == "notices":
            got, want = in_order(got), in_order(want)
        elif name == "lots":
            got, want = same_lots(got), same_lots(want)
        elif name not in model and name in engine and name in ("left", "ends_at", "value", "lots", "member_no", "as_of"):
            continue
        elif name in ("points_to_next", "points_to_keep"):
            if got is None:
                continue
        elif name in ("left", "ends_at", "value") and name not in engine:
            continue
        if plain(got) != plain(want):
            reasons = f"(reason {engine.get('reason')} / {model.get('reason')})"
            return name, f"event {event.get('key', '')} {event['op']}: {name} is {engine.get(name)}, the model says {model.get(name)} {reasons}"
    return None


def same_grants(rows):
    return [{name: row.get(name) for name in ("rule", "wanted", "granted")} for row in rows or []]


def in_order(rows):
    return sorted(rows or [], key=lambda row: (row["due"], row["last_day"], row["kind"]))


def same_lots(rows):
    sums = {}
    for row in rows or []:
        last = row.get("last_day") or "never"
        sums[last] = sums.get(last, decimal.Decimal(0)) + decimal.Decimal(row["points"])
    return sorted([last, points] for last, points in sums.items())


# What must hold in the replies alone

def properties(versions, events, replies):
    """None, or (event number, sentence, kind): what must hold whatever the rules are."""
    for check in (nothing_below_zero, quote_is_purchase, claws_are_grants, sums_are_balances):
        found = check(versions, events, replies)
        if found:
            return found
    return None


def nothing_below_zero(versions, events, replies):
    for number, reply in enumerate(replies):
        for name in ("available", "pending", "held", "debt", "clawed", "granted"):
            if number_of(reply, name) < 0:
                return number, f"{name} is below zero: {reply[name]}", "negative"
        if "expiring" in reply and not reply.get("replayed"):
            total = sum(decimal.Decimal(row["points"]) for row in reply["expiring"])
            if total > number_of(reply, "available"):
                return number, f"{total} are expiring, but {reply['available']} available", "expiring"
    return None


def quote_is_purchase(versions, events, replies):
    """A purchase right after a quote of the same gets what the quote said."""
    quoted = None
    for number, (event, reply) in enumerate(zip(events, replies)):
        if event["op"] == "quote" and reply["status"] == "OK":
            quoted = (event, reply)
            continue
        if quoted is not None and event["op"] == "purchase" and reply["status"] == "OK" and not reply.get("replayed"):
            asked = {name: value for name, value in event.items() if name not in ("key", "op", "receipt_no")}
            if asked == {name: value for name, value in quoted[0].items() if name != "op"}:
                for name in ("granted", "wanted", "grants"):
                    if plain(reply.get(name)) != plain(quoted[1].get(name)):
                        return number, f"the quote said {name} {quoted[1].get(name)}, the purchase {reply.get(name)}", "quote"
        quoted = None
    return None


def claws_are_grants(versions, events, replies):
    """
    Returns of a purchase take what it was granted and no more; but steps of remainders may be those of other purchases, and a friend that went
    into its referrer gives back what both had.
    """
    if any(version.get("carry_remainder") for version in versions):
        return None
    if any(version.get("referral") for version in versions) and any(event["op"] == "merge" for event in events):
        return None
    granted, clawed = collections.Counter(), collections.Counter()
    for number, (event, reply) in enumerate(zip(events, replies)):
        if reply["status"] != "OK" or reply.get("replayed"):
            continue
        if event["op"] == "purchase":
            granted[event["key"]] = number_of(reply, "granted")
        elif event["op"] == "return":
            clawed[event["purchase"]] += number_of(reply, "clawed")
            if clawed[event["purchase"]] > granted[event["purchase"]]:
                return number, f"{clawed[event['purchase']]} were clawed of {event['purchase']}, {granted[event['purchase']]} granted", "claw"
    return None


def sums_are_balances(versions, events, replies):
    """Where nothing ends or comes by itself, all points are those of the replies."""
    if any(word in json.dumps(versions) for word in COMES_OR_GOES) or any("last_day" in event or event["op"] in UNSUMMED for event in events):
        return None
    total, redeemed = decimal.Decimal(0), {}
    for event, reply in zip(events, replies):
        if reply["status"] != "OK" or reply.get("replayed"):
            continue
        if event["op"] in ("purchase", "activity", "enrol", "birthday"):
            total += number_of(reply, "granted")
        elif event["op"] == "adjust":
            total += decimal.Decimal(event["points"])
        elif event["op"] == "return":
            total -= number_of(reply, "clawed")
        elif event["op"] in ("redeem", "capture"):
            redeemed[event["key"]] = sum(decimal.Decimal(row["points"]) for row in reply.get("lots", []))
            total -= redeemed[event["key"]]
        elif event["op"] == "reverse_redeem":
            back = decimal.Decimal(event["points"]) if "points" in event else redeemed[event["redeem"]]
            redeemed[event["redeem"]] -= back
            total += back
    blocks = at_the_end(events, replies)
    if blocks is None:
        return None
    there = sum(number_of(block, "available") + number_of(block, "pending") + number_of(block, "held") - number_of(block, "debt")
                for block in blocks.values())
    if there != total:
        return len(events) - 1, f"members have {there} in all, what came and went sums to {total}", "sums"
    return None


def at_the_end(events, replies):
    """Every member's balance, by number, when they come after the last write; else None."""
    everybody, blocks = {reply["member_no"] for reply in replies if reply.get("member_no") is not None}, {}
    for event, reply in zip(reversed(events), reversed(replies)):
        if event["op"] != "balance" or "as_of" in event:
            break
        blocks[reply.get("member_no")] = reply
    merged = {event["member"] for event, reply in zip(events, replies) if event["op"] == "merge" and reply["status"] == "OK"}
    return blocks if merged or everybody <= set(blocks) else None


def number_of(reply, name):
    return decimal.Decimal(reply.get(name) or 0)


# Every command once more

def once_more(events, replies):
    """At the end: everybody's balance, each command that was accepted once more, everybody's balance."""
    at = events[-1]["at"] if events else "2026-01-01T00:00:00Z"
    balances = [dict(event, at=at) for event in {event["member"]: event for event in events if event["op"] == "balance"}.values()]
    balances = [{name: value for name, value in event.items() if name != "as_of"} for event in balances]
    gone = {reply["member_no"] for event, reply in zip(events, replies) if event["op"] == "erase" and reply["status"] == "OK"}
    personal = ("enrol", "profile", "opening")
    written = [dict(event, at=at) for event, reply in zip(events, replies)
               if reply["status"] == "OK" and "key" in event and not reply.get("replayed")
               and not (event["op"] in personal and reply.get("member_no") in gone)]
    return balances + written + balances


def nothing_changed(events, replies, count):
    """Of what once_more() put after `count` events: each answers as the first time, and balances stay."""
    first = {event["key"]: reply for event, reply in reversed(list(zip(events[:count], replies))) if "key" in event and reply["status"] == "OK"}
    before = {}
    for number in range(count, len(events)):
        event, reply = events[number], replies[number]
        if "key" not in event:
            name = event["member"]
            block = {key: value for key, value in reply.items() if key != "notices"}
            if plain(before.setdefault(name, block)) != plain(block):
                return number, f"replays changed the balance of {name}: {before[name]} became {block}", "again"
            continue
        if not reply.get("replayed"):
            return number, f"{event['op']} {event['key']} was not replayed: {reply.get('reason', 'it was done again')}", "again"
        for name in ("id", "member_no", "granted", "wanted", "clawed", "grants", "lots", "value", "left", "ends_at"):
            if plain(reply.get(name)) != plain(first[event["key"]].get(name)):
                return number, f"the replay of {event['op']} {event['key']} says {name} {reply.get(name)}, at first {first[event['key']].get(name)}", "again"
    return None


# Returns in another order

def any_order(versions, events, replies, number):
    """Whether the parts of this purchase may be returned in any order: less of it must never bring more."""
    event = events[number]
    if event["op"] != "purchase" or replies[number]["status"] != "OK" or replies[number].get("replayed") or "occurred_at" in event:
        return False
    if any(version.get("carry_remainder") for version in versions):
        return False
    return not any(less_may_bring_more(version.get("earn", [])) for version in versions)


def less_may_bring_more(rules):
    """A rule that a smaller rest meets, or one that covers another's amount and then does not, or covers more than the other has."""
    replacing = [rule for rule in rules if "replaces" in rule]
    replaced = [rule for rule in rules if rule["id"] in {other["replaces"] for other in replacing}]
    return (any("max_amount" in rule.get("when", {}) for rule in rules) or any("min_amount" in rule.get("when", {}) for rule in replacing)
            or len(replacing) > 1 or any({"categories", "skus", "exclude_categories"} & set(rule.get("when", {})) for rule in replaced))


def orders(event):
    """The same returns of a purchase in two orders: by amount, or by lines."""
    rng = random.Random(event["key"] + event["amount"])
    parts = []
    if event.get("lines") and rng.random() < .5:
        for line in event["lines"]:
            left = line["qty"]
            while left:
                some = rng.randint(1, left)
                parts.append({"lines": [{"sku": line["sku"], "category": line["category"], "qty": some}]})
                left -= some
    else:
        digits = len(event["amount"].partition(".")[2])
        minor = int(event["amount"].replace(".", ""))
        for _ in range(rng.randint(2, 4)):
            some = rng.randint(0, minor)
            minor -= some
            if some:
                parts.append({"amount": decimal_text(some, digits)})
    returns = [{"at": event["at"], "op": "return", "member": event["member"], "purchase": event["key"], "key": f"part{place}", **part}
               for place, part in enumerate(parts)]
    other = list(returns)
    rng.shuffle(other)
    return returns, other if other != returns else returns[::-1]


def same_end(one, other):
    """None, or a sentence: what two orders of the same returns leave, each a list of replies that ends with a balance."""
    for replies in (one, other):
        for reply in replies[:-1]:
            if reply["status"] != "OK":
                return f"a return is refused in one order: {reply['reason']}"
    sums = [sum(number_of(reply, "clawed") for reply in replies) for replies in (one, other)]
    if sums[0] != sums[1]:
        return f"in one order {sums[0]} are clawed, in another {sums[1]}"
    last = [{name: value for name, value in replies[-1].items() if name != "seq"} for replies in (one, other)]
    if plain(last[0]) != plain(last[1]):
        return f"one order leaves {last[0]}, another {last[1]}"
    return None


# Codes of vouchers

def with_codes(events, replies, model):
    """The events, with the code in place of the id where a command named a voucher whose code a reply told."""
    codes, of = collections.defaultdict(list), {}
    for event, reply in zip(events, replies):
        for row in [] if reply.get("replayed") else reply.get("codes") or []:
            codes[event.get("key"), row["id"], row.get("last_day")].append(row["code"])
    for voucher in model.all_issued:
        mine = codes[voucher.key, voucher.id, voucher.last.isoformat() if voucher.last else None]
        if mine:
            of[voucher] = mine.pop(0)
    # a key that comes again after a refusal may have chosen a voucher that was not there at first
    times = collections.Counter(event.get("key") for event in events)
    named = {event.get("key"): of.get(model.chosen.get(event.get("key"))) for event in events if "voucher" in event and times[event.get("key")] == 1}
    return [dict(event, voucher=named[event["key"]]) if "voucher" in event and named.get(event["key"]) else event for event in events]


def same_but_codes(events, replies, coded):
    for number, (event, one, other) in enumerate(zip(events, replies, coded)):
        if plain(one) != plain(other):
            return number, f"event {event.get('key', '')} {event['op']} by code: {other}; by id: {one}", "codes"
    return None
