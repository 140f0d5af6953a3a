#!/usr/bin/python3
"""Runs the end-to-end cases against a build.

    run.py --build DIR [--cases DIR] [--long] [--reduced] [--jobs N] [--keep] [FILTER...]

FILTER is a part of "file:case", such as `wire:` or `kill`; a long case also runs without --long when it is named in full.  Each case runs in a
process and a directory of its own; several at a time.  A line is printed for each case that fails or is skipped, and for each one with -v.  The last
line is "RESULT passed failed skipped".
"""
import argparse
import glob
import importlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
CASE_SECONDS = 60
SLOWNESS = {"": 1, "address": 4, "thread": 10}
PASSED, FAILED, SKIPPED = 0, 1, 77
TOLD = "told: "                     # begins a line of a case's output that is worth printing although it passed: see case.tell()


def options():
    p = argparse.ArgumentParser(description="End-to-end cases against a build.")
    p.add_argument("--build", required=True, help="meson's build directory")
    p.add_argument("--cases", default=HERE, help="a directory with other cases than the ones beside this file")
    p.add_argument("--long", action="store_true", help="also the cases that take long")
    p.add_argument("--only-long", action="store_true", help="only those")
    p.add_argument("--reduced", action="store_true", help="only the reduced set")
    p.add_argument("--sanitizer", default="", choices=sorted(SLOWNESS), help="what the build has: more patience")
    p.add_argument("--jobs", type=int, default=4, help="cases at a time")
    p.add_argument("--keep", action="store_true", help="keep the directories of the cases that fail")
    p.add_argument("--list", action="store_true", help="print the names")
    p.add_argument("-v", "--verbose", action="store_true", help="a line for each case")
    p.add_argument("filter", nargs="*", help="parts of file:case")
    return p.parse_args()


def generate(source, build):
    """The messages, by protoc; again only when a .proto is newer."""
    out = os.path.join(build, "e2e-messages")
    protos = [os.path.join(source, "proto", name + ".proto") for name in ("fealty", "ledger", "program")]
    made = [os.path.join(out, name + "_pb2.py") for name in ("fealty", "ledger", "program")]
    if not all(os.path.exists(m) and os.path.getmtime(m) >= os.path.getmtime(p) for m, p in zip(made, protos)):
        os.makedirs(out, exist_ok=True)
        subprocess.run(["protoc", "-I", os.path.join(source, "proto"), "--python_out", out, *protos], check=True)
    sys.path.insert(0, out)


class Case:
    def __init__(self, module, name):
        self.function = getattr(module, name)
        self.name = f"{module.__name__.removeprefix('test_')}:{name.removeprefix('test_')}"
        self.seconds = getattr(self.function, "seconds", CASE_SECONDS)
        self.long = getattr(self.function, "long", False)
        self.reduced = getattr(self.function, "reduced", False)
        self.plain_build = getattr(self.function, "plain_build", False)
        self.alone = getattr(self.function, "alone", False)


def cases(o):
    found = []
    for path in sorted(glob.glob(os.path.join(o.cases, "test_*.py"))):
        module = importlib.import_module(os.path.basename(path)[:-3])
        names = [n for n in vars(module) if n.startswith("test_") and callable(getattr(module, n))]
        found += [Case(module, n) for n in names]
    if o.filter:
        found = [c for c in found if any(f.replace("test_", "") in c.name for f in o.filter)]
    if o.reduced:
        found = [c for c in found if c.reduced]
    if o.sanitizer:
        found = [c for c in found if not c.plain_build]
    if o.only_long:
        found = [c for c in found if c.long]
    elif not o.long:
        found = [c for c in found if not c.long or c.name in o.filter]
    # the long ones first, so that they do not run alone at the end, where those are that are to run so
    return sorted(found, key=lambda c: (c.alone, -c.seconds))


def in_child(case, directory, keep):
    """Never returns: the exit code is the verdict, what is printed the explanation."""
    from world import Skip, World
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    world = World(directory)
    verdict = FAILED
    try:
        case.function(world)
        world.finish()
        verdict = PASSED
    except Skip as why:
        print(why)
        world.finish()
        verdict = SKIPPED
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        for daemon in world.daemons[-2:]:
            print(f"---- {daemon.log_path}\n{daemon.log()[-3000:]}")
    finally:
        world.abandon()
        if not keep or verdict != FAILED:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            print(f"kept: {directory}")
        sys.stdout.flush()
        os._exit(verdict)


class Running:
    def __init__(self, case, o):
        self.case = case
        self.directory = tempfile.mkdtemp(prefix="fe-")
        self.output = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        self.started = time.monotonic()
        self.limit = case.seconds * SLOWNESS[o.sanitizer]
        self.timed_out = False
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os.dup2(self.output.fileno(), 1)
            os.dup2(self.output.fileno(), 2)
            in_child(case, self.directory, o.keep)

    def seconds(self):
        return time.monotonic() - self.started

    def check_time(self):
        if self.seconds() > self.limit and not self.timed_out:
            self.timed_out = True
            self.end_group(signal.SIGKILL)

    def end_group(self, how):
        """The case and the daemons that it started: its own process group."""
        try:
            os.killpg(self.pid, how)
        except ProcessLookupError:
            pass

    def text(self):
        self.output.seek(0)
        return self.output.read()


def report(running, verdict, o, counts):
    case = running.case
    text = running.text()
    if running.timed_out:
        verdict = FAILED
        text += f"it took longer than {running.limit:.0f} s\n"
        shutil.rmtree(running.directory, ignore_errors=True)
    word = {PASSED: "ok", SKIPPED: "skipped"}.get(verdict, "FAILED")
    counts[word] += 1
    told = [line.removeprefix(TOLD) for line in text.splitlines() if line.startswith(TOLD)]
    if word == "ok":
        print("".join(f"{case.name}: {line}\n" for line in told), end="", flush=True)
    if word == "ok" and not o.verbose:
        return
    print(f"{word:8} {case.name} ({running.seconds():.1f} s)" + (f": {text.strip()}" if word == "skipped" else ""))
    if word == "FAILED":
        print("".join(f"         {line}\n" for line in text.splitlines()), end="")
    sys.stdout.flush()


def main():
    o = options()
    source = os.path.dirname(os.path.dirname(HERE))
    os.environ.update(FEALTY_BUILD=os.path.abspath(o.build), FEALTY_SOURCE=source, FEALTY_SANITIZER=o.sanitizer,
                      FEALTY_E2E_SLOWNESS=str(SLOWNESS[o.sanitizer]), TZ="UTC", PYTHONDONTWRITEBYTECODE="1")
    sys.dont_write_bytecode = True
    generate(source, o.build)
    sys.path[:0] = [os.path.abspath(o.cases), HERE]
    todo = cases(o)
    if o.list:
        print("\n".join(c.name for c in todo))
        return 0
    counts = {"ok": 0, "FAILED": 0, "skipped": 0}
    active = {}
    try:
        while todo or active:
            while todo and len(active) < (1 if todo[0].alone else o.jobs):
                r = Running(todo.pop(0), o)
                active[r.pid] = r
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                for r in active.values():
                    r.check_time()
                time.sleep(0.01)
            elif pid in active:
                r = active.pop(pid)
                r.end_group(signal.SIGKILL)
                report(r, os.waitstatus_to_exitcode(status), o, counts)
    finally:
        for r in active.values():
            r.end_group(signal.SIGKILL)
    print(f"RESULT {counts['ok']} {counts['FAILED']} {counts['skipped']}")
    return 1 if counts["FAILED"] or not sum(counts.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
