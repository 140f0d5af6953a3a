#!/usr/bin/python3
"""Plays a million events through `fealty simulate` and holds its user CPU time against a limit.

The events are two years of 20 000 members under a program with two tiers and points that end after twelve months: purchases, one redemption
in fourteen, one adjustment in thirty; the same on every run.  CPU seconds, because a machine that is shared says nothing by the wall clock;
of both threads together, so they are more than the seconds waited for.  A limit is about twice of what a 2-core machine of 2024 took.
Usage: million.py [--fealty BINARY] [--events N] [--write FILE]; --write only writes the events, and the program beside them as FILE.yaml.
Exit code 0: all passed.  The last line is "N passed, N failed".
"""
import os
import random
import resource
import subprocess
import sys
import tempfile
import time

MEMBERS = 20000
SECONDS = 2 * 365 * 86400
BEGIN = 1704067200          # 2024-01-01
PROGRAM = """\
id: million
name: A million events
timezone: America/Los_Angeles
currency: USD
points: {unit: point, scale: 0}
earn:
  - {id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: "1", points: "1"}}
expiry: {after: {months: 12}}
tiers:
  - {id: green, rank: 0}
  - id: gold
    rank: 1
    reach: {any: [{all: [{metric: points_earned, at_least: "500"}]}]}
    window: {rolling_months: 12}
    valid: {months: 12}
    earn_multiplier: "1.2"
redemption: {step: "1"}
"""
# Of a million events: name, options, user CPU seconds.
RUNS = [("million-events-quietly", ["--quiet"], 15.0), ("million-events-with-replies", [], 24.0)]


def events(count):
    rng = random.Random(1)
    members = min(MEMBERS, count)
    for i in range(members):
        yield f'{{"at":"2024-01-01T00:00:00Z","op":"enrol","member":"m{i}","key":"e{i}"}}\n'
    for i in range(count - members):
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(BEGIN + i * SECONDS // (count - members)))
        begin = f'{{"at":"{at}","member":"m{rng.randrange(members)}","key":"p{i}","op":'
        kind = rng.random()
        if kind < 0.9:
            amount = f"{rng.randrange(1, 150)}.{rng.randrange(100):02d}"
            yield f'{begin}"purchase","amount":"{amount}","store":"s{rng.randrange(50)}"}}\n'
        elif kind < 0.97:
            yield f'{begin}"redeem","points":"{rng.randrange(1, 200)}"}}\n'
        else:
            yield f'{begin}"adjust","points":"{rng.randrange(1, 50)}","reason":"goodwill"}}\n'


def write(path, count):
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(events(count))
    with open(path + ".yaml", "w", encoding="utf-8") as file:
        file.write(PROGRAM)


def play(fealty, path, options, output):
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run([fealty, "simulate", *options, "--program", path + ".yaml", path], stdout=output, stderr=subprocess.PIPE, text=True,
                          timeout=600)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, after.ru_utime - before.ru_utime, time.monotonic() - began, after.ru_maxrss // 1024


def check(fealty, path, options, count, limit):
    """Trouble or None, and the figures."""
    with open(path + ".out", "wb+") as output:
        done, cpu, wall, megabytes = play(fealty, path, options, output)
        output.seek(0)
        lines = sum(1 for _ in output)
    figures = f"{cpu:.1f} s of user CPU (at most {limit:.1f}), {wall:.1f} s waited, {megabytes} MB"
    if done.returncode != 0:
        return f"exit code {done.returncode}\n{done.stderr}", figures
    if lines != (0 if "--quiet" in options else count):
        return f"{lines} lines of replies", figures
    return None if cpu <= limit else f"too slow: {figures}", figures


def main(arguments):
    fealty, count, target = os.environ.get("FEALTY", "fealty"), 1000000, None
    while arguments:
        word = arguments.pop(0)
        if word == "--fealty" and arguments:
            fealty = arguments.pop(0)
        elif word == "--events" and arguments:
            count = int(arguments.pop(0))
        elif word == "--write" and arguments:
            target = arguments.pop(0)
        else:
            print(__doc__, file=sys.stderr)
            return 2
    if target is not None:
        write(target, count)
        return 0
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "million.jsonl")
        write(path, count)
        for name, options, limit in RUNS:
            trouble, figures = check(fealty, path, options, count, limit * count / 1000000)
            failed += trouble is not None
            print(f"{'ok    ' if trouble is None else 'FAILED'} {name}: {figures if trouble is None else trouble}")
    print(f"{len(RUNS) - failed} passed, {failed} failed")
    return 0 if failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
