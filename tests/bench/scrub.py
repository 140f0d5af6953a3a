#!/usr/bin/python3
"""What the scrub costs: purchases a second with it and without it, in turns on one ledger that is large enough to keep it busy.

    tests/bench/scrub.py --build build [--transactions N] [--seconds S] [--runs N] [--rate MIB] [--json]

Runs alternate, so that what else the machine does meets both; medians are compared.  Each run says how much the scrub read meanwhile.
"""
import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

from audit import PROGRAM, Place, wait_for


class Daemon:
    def __init__(self, place, rate):
        self.place = place
        self.process = subprocess.Popen([place.daemon, "--data", place.data, "--socket", place.socket, "--scrub-mib-per-second", str(rate)],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(place.socket, self.process)

    def bench(self, *words):
        done = subprocess.run([os.path.join(self.place.tools, "fealty-bench"), "-a", self.place.socket, "--json", *words],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"fealty-bench: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def scrub(self):
        return json.loads(self.place.fealty("admin", "scrub", "--json", "--connect", f"unix:{self.place.socket}"))["scrub"]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def fill(place, transactions):
    place.fealty("init", place.data, "--origin", "bench.example/scrub")
    daemon = Daemon(place, 0)
    program = os.path.join(place.top, "bench.yaml")
    with open(program, "w", encoding="utf-8") as file:
        file.write(PROGRAM)
    place.fealty("program", "publish", program, "--connect", f"unix:{place.socket}")
    daemon.bench("-m", "2000", "-n", str(transactions), "-d", "16")
    daemon.stop()


def run(place, rate, seconds, number):
    daemon = Daemon(place, rate)
    figures = daemon.bench("-m", "2000", "-s", str(seconds), "--prefix", f"run{number}")
    scrub = daemon.scrub()
    daemon.stop()
    if rate > 0 and scrub["passes"] > 0:
        print("the ledger is too small: a pass ended within the run", file=sys.stderr)
    return figures, scrub["bytes"]


def main():
    parser = argparse.ArgumentParser(description="Measures purchases beside the scrub.")
    parser.add_argument("--build", default="build", help="the build directory (build)")
    parser.add_argument("--transactions", type=int, default=200_000, help="in the ledger (200000)")
    parser.add_argument("--seconds", type=int, default=10, help="of a run (10)")
    parser.add_argument("--runs", type=int, default=4, help="with it, and as many without (4)")
    parser.add_argument("--rate", type=int, default=4, help="MiB/s (4)")
    parser.add_argument("--json", action="store_true")
    o = parser.parse_args()
    top = tempfile.mkdtemp(prefix="fealty-bench-")
    off, on, read = [], [], []
    try:
        place = Place(os.path.abspath(o.build), top)
        fill(place, o.transactions)
        for number in range(2 * o.runs):
            figures, read_bytes = run(place, o.rate if number % 2 else 0, o.seconds, number)
            (on if number % 2 else off).append(figures)
            if number % 2:
                read.append(read_bytes)
            if not o.json:
                print(f"{'with' if number % 2 else 'without':8} {json.dumps(figures)}  load {os.getloadavg()[0]:.1f}", flush=True)
    finally:
        shutil.rmtree(top, ignore_errors=True)
    print(json.dumps({"off": off, "on": on, "read_bytes": read, "median_off": statistics.median(f["per_second"] for f in off),
                      "median_on": statistics.median(f["per_second"] for f in on)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
