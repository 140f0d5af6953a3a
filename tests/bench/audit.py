#!/usr/bin/python3
"""How fast audits are, on a ledger made for it: the whole of it against signatures alone, and hashes alone against 300 000 transactions a second.

    tests/bench/audit.py --build build [--transactions N] [--runs N] [--json]

A run verifies now and then a chunk of the same signatures with nothing beside, by as many threads (fealty audit --measure), so that both rates
are of the same moments on the same machine.  The best of the runs counts: what else the machine does can only slow them.  An audit of the
directory compares each row of the daemon's state too; that of an export hashes each entry against its tile.  "by processor time" is what the
share would be if nothing else ran.  Exit code 1: a target was missed.
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

WHOLE_TARGET = 0.9              # of what all cores verify
HASHES_TARGET = 300_000         # transactions a second

PROGRAM = """
id: bench
name: Bench
timezone: UTC
currency: USD
points: {unit: point, scale: 0}
earn:
  - {id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: "1", points: "1", whole_steps: true}}
tiers:
  - {id: basic, rank: 0}
  - {id: gold, rank: 1, reach: {any: [{all: [{metric: points_earned, at_least: "10000"}]}]}, window: lifetime}
unknown_alias: refuse
"""


class Place:
    def __init__(self, build, top):
        self.tools, self.daemon = os.path.join(build, "tools"), os.path.join(build, "daemon", "fealtyd")
        self.top, self.data, self.log = top, os.path.join(top, "l"), os.path.join(top, "log")
        self.socket = os.path.join(top, "s")

    def fealty(self, *words):
        done = subprocess.run([os.path.join(self.tools, "fealty"), *words], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"fealty {' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def audit(self, *words):
        return json.loads(self.fealty("audit", "--json", *words))


def wait_for(path, process):
    end = time.monotonic() + 60
    while not os.path.exists(path):
        if process.poll() is not None or time.monotonic() > end:
            sys.exit("the daemon did not start")
        time.sleep(0.01)


def fill(place, transactions):
    """A ledger of so many purchases, each a transaction of its own, and its export."""
    place.fealty("init", place.data, "--origin", "bench.example/audit")
    process = subprocess.Popen([place.daemon, "--data", place.data, "--socket", place.socket], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(place.socket, process)
        program = os.path.join(place.top, "bench.yaml")
        with open(program, "w", encoding="utf-8") as file:
            file.write(PROGRAM)
        place.fealty("program", "publish", program, "--connect", f"unix:{place.socket}")
        subprocess.run([os.path.join(place.tools, "fealty-bench"), "-a", place.socket, "-m", "2000", "-n", str(transactions), "-d", "16"],
                       stdout=subprocess.DEVNULL, check=True)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
    place.fealty("log", "export", place.data, place.log)


def share(report):
    return report["rate"] / report["verify_rate"]


def measure(place, runs):
    whole = [place.audit(place.data, "--measure") for _ in range(runs)]
    exported = [place.audit("--log", place.log, "--measure") for _ in range(runs)]
    hashes = [place.audit(place.data, "--hashes-only") for _ in range(runs)]
    best, beside, fastest = max(whole, key=share), max(exported, key=share), max(hashes, key=lambda report: report["rate"])
    return {
        "transactions": best["transactions"], "threads": best["threads"], "verify_rate": round(best["verify_rate"]), "rate": round(best["rate"]),
        "share": round(share(best), 3), "shares": [round(share(report), 3) for report in whole], "share_target": WHOLE_TARGET,
        "share_by_cpu": round(max(report["verify_cpu_us"] / report["cpu_us"] for report in whole), 3),
        "export_rate": round(beside["rate"]), "export_share": round(share(beside), 3),
        "hashes_rate": round(fastest["rate"]), "hashes_rates": [round(report["rate"]) for report in hashes], "hashes_target": HASHES_TARGET,
    }


def main():
    parser = argparse.ArgumentParser(description="Measures fealty audit.")
    parser.add_argument("--build", default="build", help="the build directory (build)")
    parser.add_argument("--transactions", type=int, default=100_000, help="in the ledger (100000)")
    parser.add_argument("--runs", type=int, default=3, help="of each audit; the best counts (3)")
    parser.add_argument("--json", action="store_true")
    o = parser.parse_args()
    top = tempfile.mkdtemp(prefix="fealty-bench-")
    try:
        place = Place(os.path.abspath(o.build), top)
        fill(place, o.transactions)
        figures = measure(place, o.runs)
    finally:
        shutil.rmtree(top, ignore_errors=True)
    figures["passed"] = figures["share"] >= WHOLE_TARGET and figures["hashes_rate"] >= HASHES_TARGET
    if o.json:
        print(json.dumps(figures))
    else:
        print(f"{figures['transactions']} transactions, {figures['threads']} threads\n"
              f"signatures alone      {figures['verify_rate']:>9}/s\n"
              f"audit                 {figures['rate']:>9}/s  {figures['share']} of that, the target is {WHOLE_TARGET}; all runs: {figures['shares']}; "
              f"by processor time {figures['share_by_cpu']}\n"
              f"audit of an export    {figures['export_rate']:>9}/s  {figures['export_share']}\n"
              f"by hashes alone       {figures['hashes_rate']:>9}/s  the target is {HASHES_TARGET}; all runs: {figures['hashes_rates']}")
    return 0 if figures["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
