"""How replies are compared with the model's, and what must hold in the replies alone."""
import decimal

FIRST = ["status", "reason", "replayed", "granted", "wanted", "clawed", "grants", "available", "pending", "held", "debt", "expiring", "tier", "tier_earned",
         "tier_since", "tier_until", "points_earned", "spend", "visits", "counters", "remainder", "value", "lots", "left", "ends_at", "member_no", "as_of",
         "notices", "points_to_next", "points_to_keep"]


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
    for name in FIRST:
        got, want = engine.get(name), model.get(name)
        if name == "remainder":
            if got is None or engine.get("replayed"):
                continue
            want = {rule: model["remainders"].get(rule) for rule in got} if isinstance(got, dict) else next(iter(model["remainders"].values()), None)
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


def properties(versions, events, replies):
    """None, or (event number, sentence, kind): what must hold whatever the rules are."""
    quoted = None
    for number, (event, reply) in enumerate(zip(events, replies)):
        for name in ("available", "pending", "held", "debt"):
            if name in reply and decimal.Decimal(reply[name]) < 0:
                return number, f"{name} is below zero: {reply[name]}", "negative"
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
        if "expiring" in reply and not reply.get("replayed"):
            total = sum(decimal.Decimal(row["points"]) for row in reply["expiring"])
            if total > decimal.Decimal(reply["available"]):
                return number, f"{total} are expiring, but {reply['available']} available", "expiring"
    return None
