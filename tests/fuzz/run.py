#!/usr/bin/python3
"""Runs the fuzz targets of a build with -Dfuzz=true, each for a time, from its corpus and from what earlier runs in this build found.

    run.py [--build DIR] [--seconds N] [--jobs N] [--list] [FILTER...]

Prints a line for each target with the inputs that it played, and for one that failed what it said and how to play the input again.  New inputs
that reach new code stay in BUILD/fuzz/TARGET, crashes in BUILD/fuzz/crash.  The last line is "RESULT passed failed skipped".
"""
import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
CORPUS = os.path.join(HERE, "corpus")
INPUT_BYTES_MAX = 16384
SHORTER = {"commands": 2048}        # as long as it reads
SLOWEST_INPUT_SECONDS = 10
OPTIONS = {"ASAN_OPTIONS": "abort_on_error=0:exitcode=99:detect_stack_use_after_return=1", "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}
TOLD_LINES = 40


def fuzz(build, target, seconds):
    """None, or what went wrong; and the number of inputs."""
    found = os.path.join(build, "fuzz", target)
    crashes = os.path.join(build, "fuzz", "crash", target)
    shutil.rmtree(crashes, ignore_errors=True)
    os.makedirs(found, exist_ok=True)
    os.makedirs(crashes)
    program = os.path.join(build, "tests", "fuzz_" + target)
    command = [program, f"-max_total_time={seconds}", f"-max_len={SHORTER.get(target, INPUT_BYTES_MAX)}", f"-timeout={SLOWEST_INPUT_SECONDS}",
               "-print_final_stats=1", f"-artifact_prefix={crashes}/"]
    words = os.path.join(HERE, target + ".dict")
    if os.path.exists(words):
        command.append("-dict=" + words)
    try:
        done = subprocess.run(command + [found, os.path.join(CORPUS, target)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              timeout=seconds + 120, env={**os.environ, **OPTIONS})
    except subprocess.TimeoutExpired:
        return f"it did not end within {seconds + 120} s", 0
    text = done.stdout.decode(errors="replace")
    runs = re.search(r"^stat::number_of_executed_units: *(\d+)", text, re.M)
    if done.returncode == 0 and runs is not None:
        return None, int(runs.group(1))
    return "\n".join(text.splitlines()[-TOLD_LINES:]) + "\n" + again(program, crashes, target), int(runs.group(1)) if runs else 0


def again(program, crashes, target):
    names = sorted(os.listdir(crashes))
    if not names:
        return f"It left no input behind; run it by hand: {program} {os.path.join(CORPUS, target)}"
    path = os.path.join(crashes, names[0])
    return (f"Play it again:  {os.path.relpath(program)} {os.path.relpath(path)}\n"
            f"When it is mended, keep it:  cp {os.path.relpath(path)} {os.path.relpath(CORPUS)}/{target}/WHAT-IT-IS")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=os.path.join(TOP, "build-fuzz"))
    parser.add_argument("--seconds", type=int, default=int(os.environ.get("FEALTY_FUZZ_SECONDS", "60")))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("filters", nargs="*")
    options = parser.parse_args()
    targets = [t for t in sorted(os.listdir(CORPUS)) if not options.filters or any(f in "fuzz_" + t for f in options.filters)]
    if options.list:
        print("".join(f"fuzz_{t}\n" for t in targets), end="")
        return 0
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for target, (problem, runs) in zip(targets, pool.map(lambda t: fuzz(options.build, t, options.seconds), targets)):
            print(f"{'ok' if problem is None else 'FAILED':8} fuzz_{target}: {runs} inputs in {options.seconds} s", flush=True)
            if problem is not None:
                failed += 1
                print("".join(f"         {line}\n" for line in problem.splitlines()), end="", flush=True)
    print(f"RESULT {len(targets) - failed} {failed} 0")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
