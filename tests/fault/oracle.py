"""The model of tests/property as a daemon would be: with clients of several roles, a clock that they move, and batches.

Also what is between them: a reply of the wire as the model writes it, an event of the model as a request of the wire.
"""
import copy
import json
import os
import subprocess
import sys

PROPERTY = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "property")
sys.path.append(PROPERTY)

import checks                                                       # noqa: E402
from model import Model                                             # noqa: E402
from model import commands as model_commands                       # noqa: E402
from model.dates import Malformed, instant, instant_text            # noqa: E402
from model.engine import Event                                      # noqa: E402
from model.ladder import Refusal                                    # noqa: E402
from wire import day_text, days, pb, request                              # noqa: E402

READS = ("balance", "quote")
OPERATORS_ONLY = {"adjust", "tier", "freeze", "unfreeze", "close", "merge", "opening", "erase"}
NOT_TILLS = OPERATORS_ONLY | {"transfer", "advance", "voucher_void", "pool_join", "pool_leave"}
FORBIDDEN = {"pos": NOT_TILLS, "backend": OPERATORS_ONLY, "operator": set()}
# What the answer to a command of a batch leaves out when it would be too long.
LEFT_OUT = ("effects", "lots", "grants", "expiring", "counters", "remainder", "vouchers", "codes", "stamps", "stamp_debt", "stamps_wanted",
            "stamps_granted", "consents", "notices")
OURS = ("principal", "at_us", "at", "commands", "atomic", "in_batch", "store_unsaid")      # of an event, and no field of a request


def role(principal):
    return principal.split("/", 1)[0]


def generated(seeds, only=(), without=()):
    """[(versions, events)], the same for a seed whatever process asks: a set's order is part of what a seed means."""
    code = "import sys, json, generate\nprint(json.dumps([generate.make_case(s, *map(tuple, sys_args[1:])) for s in sys_args[0]]))"
    done = subprocess.run([sys.executable, "-c", "import json, sys\nsys_args = json.loads(sys.argv[1])\n" + code, json.dumps([list(seeds), only, without])],
                          cwd=PROPERTY, env={**os.environ, "PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


# ---- the wire as the model writes it ----

def plain(response):
    """A Response with the keys and texts of JSON."""
    out = {"status": pb.Code.Name(response.status)}
    for field, value in response.ListFields():
        name = field.name
        if name in ("status", "transaction", "program", "history", "terminals"):
            continue
        if name in ("counters", "stamps", "stamp_debt", "stamps_wanted", "stamps_granted"):
            out[name] = {row.id: row.count for row in value}
        elif name == "remainder":
            out[name] = {row.rule: row.amount for row in value}
        elif name == "membership":
            out[name] = {row.id: row.state for row in value}
        elif name == "membership_until":
            out[name] = {row.id: day_text(row.until) for row in value}
        elif field.message_type is not None and field.label == field.LABEL_REPEATED:
            out[name] = [plain_row(row) for row in value]
        elif field.message_type is not None:
            out[name] = plain_row(value)
        elif field.label == field.LABEL_REPEATED:
            out[name] = list(value)
        else:
            out[name] = plain_value(field, value)
    return out


def plain_row(row):
    return {field.name: plain_value(field, value) for field, value in row.ListFields()}


def plain_value(field, value):
    if field.type == field.TYPE_SFIXED64:
        return instant_text(value)
    return day_text(value) if field.type == field.TYPE_SINT32 else value


def fields_of(event):
    """The fields of a request."""
    fields = {name: value for name, value in event.items() if name not in OURS and name != "op"}
    if event.get("store_unsaid"):
        del fields["store"]
    if event.get("at_us") is not None:
        fields["at"] = event["at_us"]
    if event["op"] == "profile" and fields.get("segments") == []:
        fields["no_segments"] = True
    if event["op"] == "return" and fields.get("lines") == []:
        fields["no_lines"] = True
    if "tier_until" in fields:
        fields["tier_until"] = days(fields["tier_until"])
    if isinstance(fields.get("counters"), dict):
        fields["counters"] = [{"id": name, "count": count} for name, count in fields["counters"].items()]
    return fields


def request_of(event):
    return request(event["op"], **fields_of(event))


# ---- the model as a daemon ----

class Oracle:
    def __init__(self, versions, now=None):
        self.model = Model(versions)
        self.now = instant("2026-01-01T00:00:00Z") if now is None else now

    def copy(self):
        other = object.__new__(type(self))
        other.model = copy.deepcopy(self.model, {id(version): version for version in self.model.versions})    # all but the programs, which stay
        other.now = self.now
        return other

    def at(self, event, now):
        """The reply to a command when the clock stands at ${now}, which its `at` has not moved yet or has."""
        if "commands" in event:
            return self.batch(event, now)
        early = event.get("at_us") is not None and event["at_us"] < now
        if event["op"] in READS and event.get("at_us") is not None:
            now = max(now, event["at_us"])
        fields = {name: value for name, value in event.items() if name not in ("at_us", "in_batch", "store_unsaid")} | {"at": instant_text(now)}
        self.now = now
        if event["op"] == "history":           # whose rows are compared with the ledger itself
            return self.known(event)
        forbidden = event["op"] in FORBIDDEN[role(event["principal"])]
        again = (event["principal"], event.get("key")) in self.model.done
        if forbidden or early and not again:
            why = self.syntax(fields) or (("PERMISSION_DENIED", "PERMISSION_DENIED") if forbidden else ("INVALID_ARGUMENT", "INVALID_ARGUMENT"))
            return {"status": why[0], "reason": why[1]}
        return self.model.apply(fields)

    @staticmethod
    def clock_of(event, reply):
        return instant(reply["as_of"]) if reply.get("as_of") and "as_of" not in event and not (event["op"] in READS and event.get("at_us")) else None

    def syntax(self, fields):
        """(status, reason) of what is refused before any state is looked at."""
        self.model.now = self.model.now or instant(fields["at"])
        try:
            model_commands.syntax(self.model, Event(self.model, fields))
        except Malformed:
            return "INVALID_ARGUMENT", "INVALID_ARGUMENT"
        except Refusal as refusal:
            return "INVALID_ARGUMENT", refusal.reason
        return None

    def known(self, event):
        return {"status": "OK"} if event["member"] in self.model.aliases else {"status": "NOT_FOUND", "reason": "NOT_FOUND"}

    def batch(self, event, now):
        """An atomic one: the replies in order, or the refusal of the first that is refused, and then nothing has happened."""
        trial, replies = self.copy(), []
        for n, command in enumerate(event["commands"]):
            replies.append(trial.at(command, now))
            if trial.refuses(replies[-1]):
                return {"status": replies[-1]["status"], "reason": replies[-1]["reason"], "at_command": n}
        return {"status": "OK", "results": replies}

    @staticmethod
    def refuses(reply):
        """None, or a sentence."""
        return None if reply["status"] == "OK" else f"{reply['reason']}"

    @staticmethod
    def differs(event, reply, wanted):
        """None, or a sentence.  `wanted` may leave open which of several reasons it is."""
        if "commands" in event:
            return differs_in_batch(reply, wanted)
        if event["op"] == "history":
            return None if reply["status"] == wanted["status"] else f"{wanted['status']}, and it is {reply['status']}"
        said = checks.compare(event, reply, wanted)
        if said and event.get("in_batch") and not any(name in reply for name in LEFT_OUT):
            said = checks.compare(event, reply, {name: value for name, value in wanted.items() if name not in LEFT_OUT})
        return said[1] if said else None


def differs_in_batch(reply, wanted):
    """Of an atomic batch that was refused."""
    if wanted["status"] == "OK":
        return f"nothing refuses the batch, and it was refused as {reply['reason']}"
    reasons = wanted["reason"] if isinstance(wanted["reason"], tuple) else (wanted["reason"],)
    place = f"commands[{wanted['at_command']}]"
    if reply["reason"] not in reasons or not (reply.get("field") or "").startswith(place):
        return f"{place} is to be refused as {' or '.join(reasons)}, and it was {reply['reason']} of {reply.get('field')}"
    return None
