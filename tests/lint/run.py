#!/usr/bin/python3
"""Rules about the sources that no compiler knows: who may include whom, white space, line lengths, names in the daemon's public symbols.

    run.py [--list] [FILTER...]

Each rule proves itself first: it must find what is wrong in a sample that breaks it.  The last line is "RESULT passed failed skipped".
"""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import layers  # noqa: E402

LINE_MAX = 160          # 140 is the aim
FILE_LINES_MAX = 900
FUNCTION_LINES_MAX = 90
TEXT = (".c", ".h", ".py", ".sh", ".proto", ".build", ".yaml", ".map", ".in")
GENERATED_DIRS = ("build",)


def sources():
    """All files of ours: those that git knows or would add."""
    done = subprocess.run(["git", "-C", TOP, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], capture_output=True, check=False)
    paths = set(done.stdout.decode().split("\0"))
    if done.returncode != 0:        # no clone but an archive of one
        paths = {os.path.relpath(os.path.join(d, n), TOP) for d, _, names in os.walk(TOP) for n in names if "__pycache__" not in d}
    files = {}
    for path in sorted(paths):
        full = os.path.join(TOP, path)
        if not path or not os.path.isfile(full) or path.split("/")[0].startswith(GENERATED_DIRS):
            continue
        with open(full, "rb") as f:
            data = f.read()
        files[path] = data
    return files


def is_text(path, data):
    return path.endswith(TEXT) or data.startswith(b"#!")


def c_files(files):
    return {path: data.decode() for path, data in files.items() if path.endswith(layers.SUFFIXES)}


# ---- rules: each takes {path: bytes} and gives sentences ----

def include_rules(files):
    return layers.violations(c_files(files))


def white_space(files):
    found = []
    for path, data in files.items():
        if not is_text(path, data):
            continue
        if b"\r" in data:
            found.append(f"{path}: has carriage returns")
        if data and not data.endswith(b"\n"):
            found.append(f"{path}: does not end with a newline")
        if data.endswith(b"\n\n"):
            found.append(f"{path}: ends with an empty line")
        for n, line in enumerate(data.split(b"\n"), 1):
            if line != line.rstrip():
                found.append(f"{path}:{n}: white space at the end of the line")
            if path.endswith(layers.SUFFIXES) and re.match(rb" {8}|\t* {8}", line):
                found.append(f"{path}:{n}: indent with tabs")
            if path.endswith((".py", ".yaml", ".proto")) and b"\t" in line:
                found.append(f"{path}:{n}: a tab")
    return found


def line_length(files):
    found = []
    for path, data in files.items():
        if not is_text(path, data):
            continue
        for n, line in enumerate(data.decode().split("\n"), 1):
            if len(line) > LINE_MAX:
                found.append(f"{path}:{n}: {len(line)} characters, at most {LINE_MAX}")
    return found


def file_length(files):
    return [f"{path}: {data.count(10)} lines, at most {FILE_LINES_MAX}" for path, data in files.items()
            if path.endswith(layers.SUFFIXES) and data.count(10) > FILE_LINES_MAX]


def function_length(files):
    """A function begins at a line `name(` after its type and ends at a `}` in the first column."""
    found = []
    for path, text in c_files(files).items():
        if path.startswith("tests/"):
            continue
        start = None
        for n, line in enumerate(text.split("\n"), 1):
            if re.match(r"[a-z_]\w*\(", line):
                start = n
            elif line.startswith("}") and start is not None:
                if n - start > FUNCTION_LINES_MAX:
                    found.append(f"{path}:{start}: a function of {n - start} lines, at most {FUNCTION_LINES_MAX}")
                start = None
    return found


def no_stubs(files):
    pattern = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|not implemented")
    found = []
    for path, data in files.items():
        if not is_text(path, data) or path.startswith("tests/lint/"):
            continue
        for m in pattern.finditer(data.decode()):
            found.append(f"{path}:{layers.line_of(data.decode(), m.start())}: {m.group(0)}")
    return found


def header_guards(files):
    found = []
    for path, text in c_files(files).items():
        if path.endswith(".h") and not re.search(r"^#ifndef (\w+)\n#define \1\n", text, re.M):
            found.append(f"{path}: has no include guard")
    return found


def no_machine_paths(files):
    pattern = re.compile(rb"/work/|/home/\w|/root/")
    return [f"{path}:{data[:m.start()].count(10) + 1}: a path of somebody's machine" for path, data in files.items() if not path.startswith("tests/lint/")
            for m in pattern.finditer(data)]


# ---- SECURITY.md: each promise names tests, and each of them exists ----

SECURITY = "packaging/SECURITY.md"
TEST_NAME = re.compile(r"`(e2e|verify|unit|fuzz|property|golden|lint|static)/([\w.-]+)(?::(\w+))?`")


def text_of(files, path):
    return files.get(path, b"").decode()


def test_exists(files, suite, name, case):
    if suite in ("e2e", "verify"):
        return case is not None and f"\ndef test_{case}(" in text_of(files, f"tests/{suite}/test_{name}.py")
    if suite == "unit":
        text = text_of(files, f"tests/unit/test_{name}.c")
        return case is not None and re.search(rf"^{case}\(void \*\*", text, re.M) is not None and len(re.findall(rf"\b{case}\b", text)) > 1
    if suite == "fuzz":
        return f"tests/fuzz/{name}.c" in files and any(path.startswith(f"tests/fuzz/corpus/{name}/") for path in files)
    if suite == "golden":
        return f"tests/golden/{name}.jsonl" in files
    if suite == "property":
        return f"'{name}'" in text_of(files, "tests/meson.build")
    return f"def {name}(" in text_of(files, "tests/lint/run.py") if suite == "lint" else f'"{name}": ' in text_of(files, "tests/static/run.py")


def security_promises(files):
    found, promises = [], False
    for n, line in enumerate(text_of(files, SECURITY).split("\n"), 1):
        if line.startswith("|"):
            promises = line == "| promise | tests |" or promises
        else:
            promises = False
        tests = TEST_NAME.findall(line)
        found += [f"{SECURITY}:{n}: there is no test {suite}/{name}{':' if case else ''}{case}" for suite, name, case in tests
                  if not test_exists(files, suite, name, case or None)]
        if promises and not tests and line not in ("| promise | tests |", "|---|---|"):
            found.append(f"{SECURITY}:{n}: a promise without a test")
    return found


RULES = (include_rules, white_space, line_length, file_length, function_length, no_stubs, header_guards, no_machine_paths, security_promises)

GOOD = "#include <string.h>\n"
# rule -> samples that break it, each with what the sentence must contain
BROKEN = {
    include_rules: [
        ({"daemon/ledger/a.c": '#include "store/store.h"\n', "daemon/store/store.h": GOOD}, "ledger may not include daemon/store/store.h"),
        ({"daemon/base/a.c": '#include "ledger/b.h"\n', "daemon/ledger/b.h": GOOD}, "base may not include"),
        ({"daemon/net/a.c": '#include "codec/b.h"\n', "daemon/codec/b.h": GOOD}, "net may not include"),
        ({"daemon/store/a.c": '#include "ledger/ledger.h"\n', "daemon/ledger/ledger.h": GOOD}, "store may not include"),
        ({"client/a.c": '#include "codec/b.h"\n', "daemon/codec/b.h": GOOD}, "client may not include"),
        ({"tools/fealty/a.c": '#include "service/service.h"\n', "daemon/service/service.h": GOOD}, "tools may not include"),
        ({"daemon/main.c": '#include "store/store.h"\n', "daemon/store/store.h": GOOD}, "main may not include"),
        ({"daemon/admin/a.c": '#include "service/service.h"\n', "daemon/service/service.h": GOOD}, "only daemon/service/figures.h, daemon/service/log_read.h"),
        ({"daemon/admin/a.c": '#include "ledger/ledger.h"\n', "daemon/ledger/ledger.h": GOOD}, "admin may not include"),
        ({"daemon/service/a.c": "#include <lmdb.h>\n"}, "service may not include <lmdb.h>"),
        ({"daemon/apply/a.c": '#include "fealty.pb-c.h"\n'}, "apply may not include the generated"),
        ({"daemon/service/a.c": "#include <event2/event.h>\n"}, "service may not include <event2/event.h>"),
        ({"daemon/service/a.c": "#include <curl/curl.h>\n"}, "service may not include <curl/curl.h>"),
        ({"daemon/fetch/a.c": '#include "merkle/b.h"\n', "daemon/merkle/b.h": GOOD}, "fetch may not include"),
        ({"daemon/service/a.c": "#include <jansson.h>\n"}, "service may not include"),
        ({"daemon/ledger/a.c": "#include <time.h>\n"}, "pure"),
        ({"daemon/service/a.c": '#include "net/internal.h"\n', "daemon/net/internal.h": GOOD}, "for net alone"),
        ({"daemon/service/a.c": '#include "net/net.h"\n', "daemon/net/net.h": "#include <event2/event.h>\n"}, "across the border"),
        ({"daemon/apply/a.c": '#include "codec/b.h"\n', "daemon/codec/b.h": '#include "codec/c.h"\n', "daemon/codec/c.h": "#include <yaml.h>\n"}, "across"),
        ({"daemon/novel/a.c": GOOD}, "no row"),
        ({"daemon/base/a.c": '#include "nothing.h"\n'}, "not a header of ours"),
        ({"daemon/ledger/a.c": "void *f(void) { return malloc(1); }\n"}, "may not call malloc()"),
        ({"daemon/merkle/a.c": "long f(void)\n{\n\treturn time(NULL);\n}\n"}, "a.c:3: merkle is pure and may not call time()"),
        ({"daemon/ledger/a.c": "void f(void) { clock_gettime (0, 0); }\n"}, "clock_gettime"),
        ({"daemon/ledger/a.c": 'void f(void) { fprintf(stderr, "x"); }\n'}, "fprintf"),
        ({"daemon/service/a.c": "int f(void) { return crypto_sign_detached(); }\n"}, "only signer"),
        ({"daemon/store/a.c": "void f(void) { exit(1); }\n"}, "library code"),
        ({"daemon/net/a.c": "void f(void) { log_event(); }\n"}, "library code"),
    ],
    white_space: [({"a.c": "int a; \n"}, "white space"), ({"a.c": "        int a;\n"}, "tabs"), ({"a.py": "\tx\n"}, "a tab"), ({"a.h": "x"}, "newline"),
                  ({"a.h": "x\r\n"}, "carriage")],
    line_length: [({"a.c": "x" * (LINE_MAX + 1) + "\n"}, "characters")],
    file_length: [({"a.c": "x\n" * (FILE_LINES_MAX + 1)}, "lines")],
    function_length: [({"a.c": "void\nf(void)\n{\n" + "\tx;\n" * FUNCTION_LINES_MAX + "}\n"}, "a function of")],
    no_stubs: [({"a.c": "/* TODO: later */\n"}, "TODO")],
    header_guards: [({"a.h": "int a;\n"}, "guard")],
    no_machine_paths: [({"a.md": "see /home/me/x\n"}, "path")],
    security_promises: [
        ({SECURITY: "| promise | tests |\n|---|---|\n| It holds. | |\n"}, ":3: a promise without"),
        ({SECURITY: "| promise | tests |\n|---|---|\n| It holds. | `e2e/a:b` |\n", "tests/e2e/test_a.py": "\ndef test_c(world):\n"}, "no test e2e/a:b"),
        ({SECURITY: "`unit/a:b`\n", "tests/unit/test_a.c": "static void\nb(void **state)\n{\n}\n"}, "no test unit/a:b"),      # never run
        ({SECURITY: "`fuzz/a`\n", "tests/fuzz/a.c": ""}, "no test fuzz/a"),
        ({SECURITY: "`property/a` `golden/a` `lint/a` `static/a`\n"}, "no test static/a"),
    ],
}
FINE = {
    include_rules: [
        {"daemon/service/a.c": '#include "net/net.h"\n#include <sodium.h>\n/* crypto_sign( */\n', "daemon/net/net.h": GOOD},
        {"daemon/ledger/a.c": '#include "ledger/internal.h"\n/* malloc( */\nconst char *x = "malloc(";\n', "daemon/ledger/internal.h": GOOD},
        {"daemon/ledger/a.c": 'int f(char *s) { return snprintf(s, 1, "x"); }\nint runtime(int timer);\n'},
        {"daemon/store/a.c": "#include <lmdb.h>\n"}, {"daemon/signer/a.c": "int f(void) { return crypto_sign_detached(); }\n"},
    ],
}


def prove(rule):
    """What keeps the rule from finding what it is for; empty: it does."""
    problems = []
    for files, words in BROKEN[rule]:
        found = rule({path: text.encode() for path, text in files.items()})
        if not any(words in sentence for sentence in found):
            problems.append(f"it does not find \"{words}\" in {files!r}, only {found}")
    for files in FINE.get(rule, []):
        found = rule({path: text.encode() for path, text in files.items()})
        if found:
            problems.append(f"it complains about what is right: {found}")
    return problems


def main():
    words = [w for w in sys.argv[1:] if not w.startswith("--")]
    rules = [r for r in RULES if not words or any(w in r.__name__ for w in words)]
    if "--list" in sys.argv:
        print("\n".join(r.__name__ for r in rules))
        return 0
    files = sources()
    failed = 0
    for rule in rules:
        problems = [f"the rule is broken: {p}" for p in prove(rule)] + rule(files)
        failed += bool(problems)
        if problems:
            print(f"FAILED   lint:{rule.__name__}")
            print("".join(f"         {p}\n" for p in problems[:60]), end="")
    print(f"RESULT {len(rules) - failed} {failed} 0")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
