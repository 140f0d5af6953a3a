"""The whole language of programs and every command: none is forgotten, and each works live, in a simulation and in a replay."""
import glob
import json
import os
import re
import shutil

import program_pb2
import wire
import yaml
from case import seconds
from world import SOURCE, expect, run_fealty

EXAMPLES = os.path.join(SOURCE, "packaging", "examples")
GOLDEN = os.path.join(SOURCE, "tests", "golden")

WRITES = """enrol profile purchase return activity hold capture release redeem reverse_redeem adjust approve advance transfer pool_join pool_leave
    tier birthday voucher_use voucher_void batch opening consent approver_key rotate_key membership_start membership_renew membership_cancel
    freeze unfreeze merge close erase publish""".split()
READS = "quote balance history transaction proof checkpoint program vouchers subscribe report".split()

# A command that has no meaning in memory, where nothing is signed and nobody listens.
DAEMON_ONLY = {"rotate_key", "proof", "checkpoint", "subscribe", "transaction", "program"}
# What a file of events alone cannot do: a further version is a file of its own; golden cases have it, and test_programs.py.
ELSEWHERE = {"publish"}
# One that is no request: it is read from the ledger by the tools.
NO_REQUEST = {"batch", "report"}

# What the language can write and no program can mean, so the compiler refuses it; each has a row in test_programs.py.
REFUSED = {
    "earn.expiry.refresh_on",                   # lots do not remember which rule they came from
    "rewards.per_member.per: transaction",      # a redemption is of one reward
    "rewards.per_member.per: program",          # what all members take together is the stock
    "stamps.when.activity",                     # stamps are given for items that are bought
}


# ---- options ----

def leaves(descriptor, path=""):
    """Every option: its path, and with a word from a closed list each word."""
    for field in descriptor.fields:
        here = f"{path}.{field.name}" if path else field.name
        if field.message_type is not None and field.message_type.fields:
            yield from leaves(field.message_type, here)
        elif field.enum_type is not None:
            for value in field.enum_type.values:
                yield f"{here}: {value.name}"
        else:
            yield here


def used(descriptor, tree, path=""):
    """The same of a program file.  A word in place of a map is short for {word: {}}."""
    if isinstance(tree, str):
        tree = {tree: {}}
    for field in descriptor.fields:
        if not isinstance(tree, dict) or field.name not in tree:
            continue
        here = f"{path}.{field.name}" if path else field.name
        values = tree[field.name]
        for value in values if isinstance(values, list) else [values]:
            if field.message_type is not None and field.message_type.fields:
                yield from used(field.message_type, value, here)
            elif field.enum_type is not None:
                yield f"{here}: {value}"
            else:
                yield here


def program_of(path):
    with open(path, encoding="utf-8") as file:
        return yaml.load(file, Loader=yaml.BaseLoader)


def test_every_option_has_a_case(world):
    """Options of golden cases and examples that are played, so that each was seen to do something."""
    descriptor = program_pb2.Program.DESCRIPTOR
    wanted = {leaf for leaf in leaves(descriptor) if leaf not in REFUSED}
    assert len(wanted) > 200, len(wanted)
    seen = set()
    for folder in (GOLDEN, EXAMPLES):
        for path in glob.glob(os.path.join(folder, "*.yaml")):
            case = re.sub(r"(\.[0-9]+)?\.yaml$", "", path)        # NAME.2.yaml is a further program of NAME
            if os.path.exists(f"{case}.jsonl") and not os.path.exists(f"{case}.fail"):
                seen |= set(used(descriptor, program_of(path)))
    assert not wanted - seen, sorted(wanted - seen)


def test_everything_has_everything(world):
    """The example that is there to show how each option is written."""
    descriptor = program_pb2.Program.DESCRIPTOR
    keys = {leaf.split(":")[0] for leaf in leaves(descriptor)} - REFUSED
    shown = {leaf.split(":")[0] for leaf in used(descriptor, program_of(os.path.join(EXAMPLES, "everything.yaml")))}
    alternatives = {  # of which a place has one
        "expiry.never", "expiry.after.days", "expiry.after.years", "expiry.on", "expiry.years",
        "expiry.inactivity.months", "expiry.inactivity.activities", "expiry.inactivity.percent",
        "earn.expiry.never", "earn.expiry.after.months", "earn.expiry.after.years", "earn.expiry.round_up_to", "earn.expiry.on", "earn.expiry.years",
        "tiers.expiry.after.days", "tiers.expiry.after.months", "tiers.expiry.after.years", "tiers.expiry.round_up_to", "tiers.expiry.refresh_on",
        "tiers.expiry.inactivity.months", "tiers.expiry.inactivity.activities", "tiers.expiry.inactivity.percent",
        "tiers.window.lifetime", "tiers.window.since_tier_start", "tiers.valid.forever",
        "birthday.reward.points", "anniversary.reward.voucher", "returns.restore.original", "returns.restore.new_lot",
        "stamps.valid.days", "stamps.valid.years",
    }
    stamp_conditions = {f"stamps.when.{leaf}" for leaf in leaves(program_pb2.When.DESCRIPTOR)} - {"stamps.when.categories"}
    assert not keys - shown - alternatives - stamp_conditions, sorted(keys - shown - alternatives - stamp_conditions)


# ---- commands ----

def events_of(name):
    with open(os.path.join(EXAMPLES, name + ".jsonl"), encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def ops_of(event):
    return {event["op"]} | {command["op"] for command in event.get("commands", [])}


def test_every_command_is_in_the_list(world):
    """The list above and the protocol's are one, so that a new command is not forgotten here."""
    ops = {field.name for field in wire.pb.Request.DESCRIPTOR.oneofs_by_name["op"].fields} - {"clock_accept", "terminals", "vault", "scrub", "person"}
    ops = {"program" if op == "show_program" else op for op in ops}
    assert ops == set(WRITES + READS) - NO_REQUEST, ops ^ (set(WRITES + READS) - NO_REQUEST)


def simulated(name, world):
    done = run_fealty(["simulate", "--check", "--program", os.path.join(EXAMPLES, name + ".yaml"), os.path.join(EXAMPLES, name + ".jsonl")], check=False)
    assert done.code == 0, done
    return [json.loads(line) for line in done.out.splitlines()]


def live(ledger, world, event):
    """The reply of a daemon to an event of a simulation."""
    event = {key: value for key, value in event.items() if key != "expect"}
    principal = event.pop("principal", None) or "operator/test"
    if event["op"] == "balance":
        more = ["--pool"] if event.get("pool") else []
        return ledger.cli("balance", event["member"], "--as-of", event.get("as_of", event["at"]), *more, code=None, principal=principal).json
    if event["op"] == "vouchers":
        return ledger.cli("vouchers", event["member"], *(["--state", event["state"]] if "state" in event else []), code=None, principal=principal).json
    if event["op"] == "history":
        return ledger.cli("history", event["member"], code=None, principal=principal).json
    if event["op"] == "quote":
        return ledger.cli("quote", event["member"], event["amount"], code=None, principal=principal).json
    commands = event.get("commands", [event])
    for command in commands:
        command.setdefault("at", event["at"])
    file = world.write("event.jsonl", "".join(json.dumps(command) + "\n" for command in commands))
    options = ["--atomic"] if event.get("atomic") else []
    replies = [json.loads(line) for line in ledger.cli("batch", *options, file, code=None, principal=principal).out.splitlines()]
    if "commands" not in event:
        return replies[0]
    return {"results": replies} if len(replies) == len(commands) else replies[0]


# What differs from one ledger to the next, or says where something lies in it.
PLACES = {"id", "seq", "code", "name", "from", "message", "ends_at", "as_of", "principal", "at"}


def same(one, other, where):
    assert isinstance(other, type(one)), f"{where}: simulated {one!r}, live {other!r}"
    if isinstance(one, dict):
        for key, value in one.items():
            if key not in PLACES:
                same(value, other.get(key), f"{where}.{key}")
    elif isinstance(one, list):
        assert len(one) == len(other), f"{where}: simulated {one!r}, live {other!r}"
        for number, pair in enumerate(zip(one, other)):
            same(*pair, f"{where}[{number}]")
    else:
        assert one == other, f"{where}: simulated {one!r}, live {other!r}"


def balances(ledger, members, at):
    return {member: {key: value for key, value in ledger.cli("balance", member, "--as-of", at, code=None).json.items() if key not in PLACES}
            for member in members}


@seconds(180)
def test_every_example_lives_as_it_is_simulated(world):
    """Event by event the same replies; then a replay of the ledger gives the same state, and an audit decides it all again."""
    played = set()
    for name in ("everything", "stamp-card", "amazon-prime", "coalition", "family-pool"):
        events, ledger = events_of(name), world.ledger(name)
        ledger.start()
        ledger.cli("program", "publish", os.path.join(EXAMPLES, name + ".yaml"), "--at", "2025-12-01T00:00:00Z")
        for number, (event, one) in enumerate(zip(events, simulated(name, world))):
            played |= ops_of(event)
            if event["op"] in ("approve", "approver_key", "publish", "report"):
                continue                        # see test_approval.py, test_programs.py and the reports' cases: live they need a key, a file, a ledger
            same(one, live(ledger, world, event), f"{name}, event {number + 1}, {event['op']}")
        members = sorted({event["member"] for event in events if "member" in event})
        before = balances(ledger, members, events[-1]["at"])
        ledger.stop()
        shutil.rmtree(os.path.join(ledger.data, "state"))
        ledger.start()
        assert balances(ledger, members, events[-1]["at"]) == before
        ledger.stop()
        report = ledger.audit()
        expect(report, status="OK")
        assert report["redecided"] > 0 and report.get("other_engine", 0) == 0, report
    missing = set(WRITES + READS) - played - DAEMON_ONLY - ELSEWHERE
    assert not missing, sorted(missing)
