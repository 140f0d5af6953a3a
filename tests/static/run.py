#!/usr/bin/python3
"""The sources by three readers that never run them: clang-tidy, cppcheck and gcc's -fanalyzer.

    run.py [--build DIR] [--jobs N] [--list] [FILTER...]

Each reads every C file of daemon/, proto/, client/ and tools/ as the build compiles it.  What they say is a failure.  What they are wrong about has its
reason where it is: NOLINT (clang-tidy) and cppcheck-suppress in the sources, .clang-tidy for whole checks, SUPPRESSED and ANALYZER_OFF below.
The last line is "RESULT passed failed skipped".
"""
import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OURS = re.compile(r"(daemon|proto|client|tools)/.*\.c$")

# cppcheck's checks that are off, each for the whole tree.
SUPPRESSED = {
    "varFuncNullUB": "log_event() ends with NULL, and so does everything of POSIX: a NULL there is a pointer on all that we run on",
    "unknownMacro": "json_object_foreach is jansson's",
    "missingIncludeSystem": "it reads our sources, and the C library only as far as it knows it itself",
}

# gcc's analyzer: checks that are off.
ANALYZER_OFF = {
    "malloc-leak": "it loses sight of what is kept in an element of an array; leaks are looked for where the code runs, by --suite asan",
}


def commands(build):
    """{file from the top: the words of its compilation, without what it would write}."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as f:
        rows = json.load(f)
    found = {}
    for row in rows:
        path = os.path.relpath(os.path.join(row["directory"], row["file"]), TOP)
        words = row["command"].split()
        if OURS.match(path):
            keep, skip = [], False
            for word in words:
                if skip or word in ("-MD", "-c") or word.endswith(row["file"]):
                    skip = False
                elif word in ("-o", "-MF", "-MQ"):
                    skip = True
                else:
                    keep.append(word.replace("\\", "").replace("'", ""))
            found.setdefault(path, keep)
    return found


def say(done):
    text = done.stdout.decode(errors="replace")
    return text if done.returncode != 0 or re.search(r"(warning|error|portability|style|performance): ", text) else ""


def clang_tidy(build, path, _):
    return say(subprocess.run(["clang-tidy", "-p", build, "--quiet", os.path.join(TOP, path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              check=False, cwd=TOP))


def cppcheck(build, path, words):
    options = [w for w in words if w.startswith(("-D", "-U", "-I"))]
    options = [f"-I{os.path.join(build, w[2:])}" if w.startswith("-I") and not w.startswith("-I/") else w for w in options]
    return say(subprocess.run(["cppcheck", "--enable=warning,portability,performance", "--inline-suppr", "--quiet", "--std=c11", "--error-exitcode=1",
                               "--max-configs=1", *(f"--suppress={name}" for name in SUPPRESSED), "--suppress=*:/usr/include/*", f"--suppress=*:{build}/*",
                               "-DPROTOBUF_C_VERSION_NUMBER=1004001", "-DPROTOBUF_C_MIN_COMPILER_VERSION=1000000",
                               "--template={file}:{line}: {severity}: {id}: {message}", *options, path],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, cwd=TOP))


def analyzer(build, path, words):
    off = [f"-Wno-analyzer-{name}" for name in ANALYZER_OFF]
    with tempfile.NamedTemporaryFile(suffix=".o") as out:
        return say(subprocess.run([*words, "-fanalyzer", *off, "-Wno-error", "-fdiagnostics-color=never", "-fdiagnostics-path-format=none",
                                   "-c", os.path.join(TOP, path), "-o", out.name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, cwd=build))


READERS = {"clang-tidy": clang_tidy, "cppcheck": cppcheck, "analyzer": analyzer}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=os.path.join(TOP, "build"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("filters", nargs="*")
    options = parser.parse_args()
    names = [n for n in READERS if not options.filters or any(f in n for f in options.filters)]
    if options.list:
        print("".join(f"{n}\n" for n in names), end="")
        return 0
    files = commands(os.path.abspath(options.build))
    failed = 0
    for name in names:
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            said = [text for text in pool.map(lambda item: READERS[name](os.path.abspath(options.build), *item), files.items()) if text]
        failed += bool(said)
        print(f"{'FAILED' if said else 'ok':8} {name}: {len(files)} files", flush=True)
        for text in said:
            print("".join(f"         {line}\n" for line in text.splitlines()[:12]), end="")
    print(f"RESULT {len(names) - failed} {failed} 0")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
