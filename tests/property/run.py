#!/usr/bin/python3
"""Plays random programs and events through `fealty simulate` and through the model in tests/property/model, and compares the replies.

A case is a program, or versions of one, and 20 to 60 events; its seed is S + its number.  Some play every command once more at the end,
some return a purchase in parts and then, in a second run, in another order, and some use vouchers by code instead.  What must hold is in checks.py.
On a difference it drops events and parts of the program while the difference stays, prints what is left, and exits 1.
Exit code 2: wrong usage, or no such binary.
--only turns a feature on in every case and most others off, --without leaves one out; the names are in generate.py.
One case: run.py --fealty BIN --seed S --cases 1.
"""
import argparse
import collections
import copy
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import checks  # noqa: E402
import generate  # noqa: E402
import vectors  # noqa: E402
from model import Model  # noqa: E402

PLAY_SECONDS = 20
SHRINK_SECONDS = 40
AGAIN_EVERY, PARTS_EVERY, CODES_EVERY = 3, 4, 2        # cases
REQUIRED = ("at", "op", "key", "member", "amount", "points", "reason", "activity", "hold", "purchase", "redeem", "to", "into", "tier", "program",
            "voucher", "reward", "head", "membership", "purpose", "given")


class Refused(Exception):
    """The engine did not take the program or the events file."""


def play_engine(binary, versions, events, folder):
    names = []
    for place, program in enumerate(versions):
        names.append(os.path.join(folder, f"p{place}.yaml"))
        with open(names[-1], "w", encoding="utf-8") as file:
            json.dump(program, file)
    path = os.path.join(folder, "events.jsonl")
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(event) + "\n" for event in events)
    options = [part for name in names for part in ("--program", name)]
    done = subprocess.run([binary, "simulate", *options, path], capture_output=True, text=True, timeout=PLAY_SECONDS, check=False)
    if done.returncode != 0:
        raise Refused(f"exit {done.returncode}: {done.stderr.strip()[-400:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def play_model(versions, events):
    model = Model(versions)
    return [model.apply(event) for event in events]


def compare(events, got, want):
    if len(got) != len(want):
        return len(got), f"{len(got)} replies to {len(events)} events", "count"
    for number, (event, engine, model) in enumerate(zip(events, got, want)):
        said = checks.compare(event, engine, model)
        if said:
            return number, said[1], said[0]
    return None


def difference(binary, versions, events, folder, also=()):
    """None, or (event number, sentence, kind).  `also` may have "again", "parts" and "codes"."""
    count = len(events)
    try:
        want = play_model(versions, events)
        if "again" in also:
            events = events + checks.once_more(events, want)
            want = play_model(versions, events)
    except Exception:  # the model broke: that is a difference as well
        return count, "model: " + traceback.format_exc().strip()[-700:], "model"
    got = play_engine(binary, versions, events, folder)
    found = compare(events, got, want) or checks.properties(versions, events, got) or checks.nothing_changed(events, got, count)
    if found is None and "codes" in also:
        found = by_code(binary, versions, events, got, folder)
    if found is None and "parts" in also:
        found = in_another_order(binary, versions, events[:count], want, folder)
    return found


def by_code(binary, versions, events, replies, folder):
    """The same case with codes of vouchers instead of ids, as far as replies told them: the replies are the same."""
    model = Model(versions)
    for event in events:
        model.apply(event)
    coded = checks.with_codes(events, replies, model)
    if coded == events:
        return None
    return checks.same_but_codes(events, replies, play_engine(binary, versions, coded, folder))


def in_another_order(binary, versions, events, replies, folder):
    """The last purchase that may be returned in any order is, in two."""
    for number in reversed(range(len(events))):
        if checks.any_order(versions, events, replies, number):
            break
    else:
        return None
    said = []
    for returns in checks.orders(events[number]):
        look = {"at": events[number]["at"], "op": "balance", "member": events[number]["member"]}
        later = [event for event in events[number + 1:] if event["op"] == "publish"]     # each version has to come into force
        played = play_engine(binary, versions, events[:number + 1] + returns + [look] + later, folder)
        said.append(played[number + 1:number + 2 + len(returns)])
    sentence = checks.same_end(*said)
    return (number, sentence, "order") if sentence else None


def shrink(binary, versions, events, folder, kind, also):
    """Drops events, then parts of the program, while the same key differs."""
    def still(some_versions, some_events):
        try:
            found = difference(binary, some_versions, some_events, folder, also)
        except (Refused, subprocess.TimeoutExpired):
            return False
        return found is not None and found[2] == kind
    deadline = time.monotonic() + SHRINK_SECONDS
    changed = True
    while changed and time.monotonic() < deadline:
        changed = False
        size = max(len(events) // 2, 1)
        while size:
            place = 0
            while place < len(events) and time.monotonic() < deadline:
                fewer = events[:place] + events[place + size:]
                if still(versions, fewer):
                    events, changed = fewer, True
                else:
                    place += size
            size //= 2
        for smaller in smaller_programs(versions):
            if time.monotonic() > deadline:
                break
            if still(smaller, events):
                versions, changed = smaller, True
                break
        for smaller in smaller_events(events):
            if time.monotonic() > deadline:
                break
            if still(versions, smaller):
                events, changed = smaller, True
                break
    return versions, events


def smaller_programs(versions):
    for program in versions:
        for path in paths(program):
            if path == ("unknown_alias",):     # without enrolments every case would be one of provisional members
                continue
            smaller = copy.deepcopy(versions)
            for version in smaller:
                remove(version, path)
            yield smaller


def paths(node, path=()):
    items = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    for name, child in items:
        yield path + (name,)
    for name, child in items:
        yield from paths(child, path + (name,))


def remove(node, path):
    """Drops what is at a path, and what holds it as well when nothing is left of that."""
    above = [node]
    try:
        for name in path[:-1]:
            above.append(above[-1][name])
        for holder, name in zip(reversed(above), reversed(path)):
            del holder[name]
            if holder:
                return
    except (KeyError, IndexError, TypeError):
        return


def smaller_events(events):
    for number, event in enumerate(events):
        for name in [name for name in event if name not in REQUIRED]:
            smaller = list(events)
            smaller[number] = {other: value for other, value in event.items() if other != name}
            yield smaller
            if name == "lines" and len(event["lines"]) > 1:
                for place in range(len(event["lines"])):
                    fewer = event["lines"][:place] + event["lines"][place + 1:]
                    yield events[:number] + [dict(event, lines=fewer)] + events[number + 1:]


def run_case(job):
    binary, seed, only, without, do_shrink = job
    with tempfile.TemporaryDirectory(prefix="fealty-property-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        versions, events = generate.make_case(seed, only, without)
        also = ("again",) * (seed % AGAIN_EVERY == 0) + ("parts",) * (seed % PARTS_EVERY == 0) + ("codes",) * (seed % CODES_EVERY == 0)
        try:
            found = difference(binary, versions, events, folder, also)
        except Refused as refused:
            return {"seed": seed, "kind": "refused", "said": str(refused), "versions": versions, "events": []}
        except subprocess.TimeoutExpired:
            return {"seed": seed, "kind": "timeout", "said": f"no end within {PLAY_SECONDS} s", "versions": versions, "events": events}
        if found is None:
            return None
        number, said, kind = found
        if do_shrink:
            if kind != "model":
                events = events[:number + 1] + [event for event in events[number + 1:] if event["op"] == "publish"]
            versions, events = shrink(binary, versions, events, folder, kind, also)
            again = difference(binary, versions, events, folder, also)
            if again:
                number, said, kind = again
        return {"seed": seed, "kind": kind, "number": number, "said": said, "versions": versions, "events": events}


def tell(found):
    print(f"\nseed {found['seed']}: {found['said']}")
    for program in found["versions"]:
        print(json.dumps(program))
    for event in found["events"]:
        print(json.dumps(event))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fealty", required=True)
    parser.add_argument("--cases", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", default=[], choices=sorted(generate.FEATURES))
    parser.add_argument("--without", action="append", default=[], choices=sorted(generate.FEATURES))
    parser.add_argument("--jobs", type=int, default=2, choices=[1, 2])
    parser.add_argument("--no-shrink", action="store_true")
    parser.add_argument("--stop-after", type=int, default=1, help="differences to find before it stops")
    parser.add_argument("--time", type=float, default=0, help="seconds after which it stops")
    options = parser.parse_args()
    if not os.access(options.fealty, os.X_OK):
        print(f"run.py: there is no program {options.fealty}", file=sys.stderr)
        return 2
    wrong = list(vectors.failures())
    for sentence in wrong:
        print(f"the model is wrong about {sentence}")
    if wrong:
        return 1
    chosen = tuple(options.only), tuple(options.without)
    jobs = ((options.fealty, options.seed + number, *chosen, not options.no_shrink) for number in range(options.cases))
    start, count, kinds = time.monotonic(), 0, collections.Counter()
    with multiprocessing.Pool(options.jobs) as pool:
        for found in pool.imap_unordered(run_case, jobs, chunksize=4):
            count += 1
            if found is not None:
                kinds[found["kind"]] += 1
                tell(found)
                if sum(kinds.values()) >= options.stop_after:
                    pool.terminate()
                    break
            if options.time and time.monotonic() - start > options.time:
                pool.terminate()
                break
    failed = sum(kinds.values())
    if failed > 1:
        print(dict(kinds))
    print(f"{count - failed} passed, {failed} failed ({time.monotonic() - start:.0f} s)")
    return 1 if failed else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":          # a set's order is part of what a seed means
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})
    sys.exit(main())
