#!/usr/bin/python3
"""Plays every golden case through `fealty simulate` and prints a line for each.

A case is NAME.jsonl with NAME.yaml, and NAME.2.yaml, NAME.3.yaml … when it needs several programs or versions.  Beside it may stand
  NAME.fail    the run ends with exit code 2, and each line of this file is in what it says
  NAME.system  the entries of the system, one JSON object a line in their order; of each the keys that are named are compared
  NAME.events  the same of the events for a CRM
Of every case of one program, whatever it is about: at each reply the points that a CRM was told of are those that the member has.
Usage: run.py [--fealty BINARY] [--examples] [FILTER...]; --examples takes the program files in packaging/examples instead.
Exit code 0: all passed.  The last line is "N passed, N failed".
"""
import datetime
import decimal
import glob
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
TOLD_LINES_MAX = 12


def lines_of(path):
    with open(path, encoding="utf-8") as file:
        return [line.rstrip("\n") for line in file if line.strip()]


def programs_of(base):
    further = glob.glob(glob.escape(base) + ".[0-9]*.yaml")
    return [base + ".yaml"] + sorted(further, key=lambda path: int(path[len(base) + 1:-len(".yaml")]))


def simulate(fealty, base, *options, quiet=True):
    command = [fealty, "simulate", *(["--quiet"] if quiet else []), *options]
    for program in programs_of(base):
        command += ["--program", program]
    done = subprocess.run(command + [base + ".jsonl"], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def check_failure(fealty, base):
    code, _, err = simulate(fealty, base, "--check")
    if code != 2:
        return f"exit code {code}, not 2\n{err}"
    for line in lines_of(base + ".fail"):
        if line not in err:
            return f"does not say: {line}\nbut: {err}"
    return None


def check_lines(fealty, base, what):
    wanted = [json.loads(line) for line in lines_of(base + "." + what)]
    code, out, err = simulate(fealty, base, "--" + what)
    if code != 0:
        return f"exit code {code}\n{err}"
    got = [json.loads(line) for line in out.splitlines()]
    for i, want in enumerate(wanted):
        have = {key: got[i].get(key) for key in want} if i < len(got) else None
        if have != want:
            return f"line {i + 1} of --{what}: expected {json.dumps(want)}, got {json.dumps(got[i] if i < len(got) else None)}"
    if len(got) != len(wanted):
        return f"--{what} printed {len(got)} lines, {len(wanted)} were expected; the first more is {json.dumps(got[len(wanted)])}"
    return None


POINTS_OF = {"points.earned": 1, "points.adjusted": 1, "points.spent": -1, "points.expired": -1}


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def check_sums(base, out):
    """Of an answer from before (`replayed`), of a later day (`as_of`) and of who was erased there is no sum."""
    ids = {line for path in programs_of(base) for line in lines_of(path) if line.startswith("id:")}
    later = {instant(asked["as_of"]) for asked in map(json.loads, lines_of(base + ".jsonl")) if asked.get("as_of")}
    told, erased = {}, set()
    for line in map(json.loads, out.splitlines() if len(ids) == 1 else []):
        member = line.get("member_no")
        if "op" in line and "type" in line:
            erased.update([member] if line["type"] == "member.erased" else [])
            told[member] = told.get(member, 0) + POINTS_OF.get(line["type"], 0) * decimal.Decimal(line.get("points", "0"))
            continue
        if "available" not in line or member in erased or line.get("replayed") or ("id" not in line and instant(line["as_of"]) in later):
            continue
        has = sum(decimal.Decimal(line[key]) for key in ("available", "pending", "held")) - decimal.Decimal(line["debt"])
        if told.get(member, 0) != has:
            return f"events tell of {told.get(member, 0)} points of member {member}, and it has {has}: {json.dumps(line)}"
    return None


def check(fealty, base):
    if os.path.exists(base + ".fail"):
        return check_failure(fealty, base)
    code, out, err = simulate(fealty, base, "--check", "--events", quiet=False)
    if code != 0:
        return f"exit code {code}\n{err}"
    counted = re.search(r"(\d+) with expectations, 0 of them not met", err)
    if counted is None or int(counted.group(1)) == 0:
        return "it expects nothing, so it cannot fail"
    for what in ("system", "events"):
        wrong = check_lines(fealty, base, what) if os.path.exists(base + "." + what) else None
        if wrong is not None:
            return wrong
    return check_sums(base, out)


def main(arguments):
    fealty, folder, filters = os.environ.get("FEALTY", "fealty"), HERE, []
    while arguments:
        word = arguments.pop(0)
        if word == "--fealty" and arguments:
            fealty = arguments.pop(0)
        elif word == "--examples":
            folder = os.path.join(SOURCE, "packaging", "examples")
        elif word.startswith("-"):
            print(__doc__, file=sys.stderr)
            return 2
        else:
            filters.append(word)
    passed = failed = 0
    for path in sorted(glob.glob(os.path.join(folder, "*.jsonl"))):
        base = path[:-len(".jsonl")]
        name = os.path.basename(base)
        if filters and not any(word in name for word in filters):
            continue
        trouble = check(fealty, base)
        passed += trouble is None
        failed += trouble is not None
        print(f"{'ok    ' if trouble is None else 'FAILED'} {name}")
        if trouble is not None:
            told = trouble.rstrip().replace(SOURCE + "/", "").split("\n")
            print("\n".join("       " + line for line in told[:TOLD_LINES_MAX]))
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
