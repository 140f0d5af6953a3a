"""Who may include whom: the table of daemon/ARCHITECTURE.md, as a test.

A module is a folder (or main.c).  A row names the modules whose headers it may include besides its own; a header called internal.h is only for its own
module.  The second table says who may include which foreign header; a header that includes one is for its own module only, so that no foreign type
crosses a border.  The third names identifiers that some modules must not use.
"""
import os
import re

# module -> the modules that it may include
LAYERS = {
    "base": set(),
    "proto": {"base"},
    "ledger": {"base"},
    "merkle": {"base"},
    "codec": {"base", "ledger", "proto", "messages"},
    "store": {"base"},
    "signer": {"base"},
    "tls": {"base"},
    "net": {"base", "proto", "tls"},
    "apply": {"base", "ledger", "codec", "store", "merkle"},
    "service": {"base", "ledger", "codec", "store", "merkle", "signer", "net", "apply", "fetch", "proto"},
    "fetch": {"base"},
    "admin": {"base", "net", "service"},
    "sandbox": {"base"},
    "config": {"base", "service", "tls"},
    "main": {"base", "net", "service", "admin", "config", "sandbox", "tls"},
    "client": {"base", "proto", "messages", "merkle", "signer", "tls"},
    "examples": {"client", "messages"},
    "tools": {"base", "proto", "messages", "client", "ledger", "codec", "merkle", "store", "apply", "signer", "fetch"},
    "bench": {"base", "proto", "messages", "client", "ledger", "codec", "merkle", "signer", "tls"},
    "tests": {"base", "proto", "messages", "client", "ledger", "codec", "merkle", "store", "apply", "signer", "tls", "net", "fetch", "service",
              "admin", "sandbox", "tools", "bench"},
}

# Some may look at a part of a module only: (who, whose) -> the headers
PARTS = {
    ("admin", "service"): {"daemon/service/figures.h", "daemon/service/log_read.h"},
    ("config", "service"): {"daemon/service/limits.h"},
    ("client", "signer"): {"daemon/signer/verify.h"},
    ("tests", "bench"): {f"tools/bench_{part}.h" for part in ("daemon", "disk", "encode", "figures", "mix", "random", "zipf")},
    ("tests", "tools"): {"tools/fealty/report_math.h", "tools/fealty/sim.h", "tools/fealty/program_file.h"},
}

# foreign header (a prefix) -> the modules that may include it; what is not here belongs to the C library and is for all but FORBIDDEN_HEADERS
FOREIGN = {
    "protobuf-c/": {"codec", "client", "tools", "bench", "tests"},
    "lmdb.h": {"store", "tests"},
    "event2/": {"net", "admin", "main", "client", "bench", "tests"},
    "yaml.h": {"codec", "tests"},
    "jansson.h": {"codec", "tools", "tests"},          # tools print JSON, and read it by codec/
    "curl/": {"fetch", "tools"},
    "sqlite3.h": {"tools"},
    "seccomp.h": {"sandbox"},
    "sodium.h": {"base", "signer", "service", "tests"},
    "openssl/": {"base", "tls", "tools"},              # tools make certificates
    "systemd/": {"main"},
    "cmocka.h": {"tests"},
    "argp.h": {"config", "tools", "bench"},
}

# In the pure modules nothing comes from outside: no memory, no clock, no file, no thread.
PURE = {"ledger", "merkle"}
PURE_HEADERS = {"assert.h", "stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "string.h", "inttypes.h", "limits.h", "stdalign.h"}
PURE_CALLS = re.compile(
    r"\b(malloc|calloc|realloc|reallocarray|strdup|strndup|asprintf|vasprintf|free|time|gettimeofday|clock_gettime|clock|localtime\w*|gmtime\w*|mktime"
    r"|random|rand|getrandom|getenv|printf|vprintf|fprintf|vfprintf|puts|fputs|fopen|open|read|write|close|exit|abort|pthread_\w+)\s*\(")
# Only signer/ signs.
SIGNS = re.compile(r"\bcrypto_sign\w*\b")
# Library code neither ends the process (but by an assert) nor prints; logs are for service/ and main.
LIBRARY = {"base", "proto", "ledger", "merkle", "codec", "store", "signer", "tls", "net", "fetch", "apply", "service", "admin", "sandbox", "client"}
LIBRARY_CALLS = re.compile(r"\b(exit|_exit|printf|puts|perror|log_event)\s*\(")
LOGGERS = {"service"}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(["<])([^">]+)[">]', re.M)
COMMENT_OR_STRING = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
SUFFIXES = (".c", ".h")


def module_of(path):
    """The module of a file, by its path from the top; None: no code of ours."""
    parts = path.split("/")
    if not path.endswith(SUFFIXES):
        return None
    if path == "daemon/main.c":
        return "main"
    if parts[0] == "daemon" and len(parts) > 2:
        return parts[1]
    if parts[0] == "client" and len(parts) > 2:
        return "examples"
    if parts[0] == "tools" and len(parts) == 2:
        return "bench"
    if parts[0] in ("proto", "client", "tools", "tests"):
        return parts[0]
    return "unknown"


class Tree:
    """The sources: {path from the top: text}."""

    def __init__(self, files):
        self.files = {path: text for path, text in files.items() if module_of(path) is not None}
        self.includes = {path: INCLUDE.findall(text) for path, text in self.files.items()}

    def resolve(self, path, name):
        """The file that an include in quotes means."""
        for directory in (os.path.dirname(path), "daemon", "proto", "client", "tests/unit"):
            candidate = os.path.normpath(os.path.join(directory, name))
            if candidate in self.files:
                return candidate
        return None


def foreign_of(header):
    for prefix in FOREIGN:
        if header == prefix or (prefix.endswith("/") and header.startswith(prefix)):
            return prefix
    return None


def code_of(text):
    """Without comments and strings, with the lines where they were."""
    return COMMENT_OR_STRING.sub(lambda m: '""' + "\n" * m.group(0).count("\n"), text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def has_foreign(tree, path, seen=None):
    """The foreign header, other than of the C library, that ${path} includes, directly or not; None: none."""
    seen = seen if seen is not None else set()
    if path in seen:
        return None
    seen.add(path)
    for quote, name in tree.includes[path]:
        if quote == "<":
            if foreign_of(name) is not None:
                return name
        else:
            target = tree.resolve(path, name)
            found = has_foreign(tree, target, seen) if target is not None else None
            if found is not None:
                return found
    return None


def check_include(tree, path, quote, name):
    module = module_of(path)
    if quote == "<" and name != "fealty.h":
        prefix = foreign_of(name)
        if prefix is not None and module not in FOREIGN[prefix]:
            return f"{module} may not include <{name}>"
        if module in PURE and name not in PURE_HEADERS:
            return f"{module} is pure and may not include <{name}>"
        return None
    if name.endswith(".pb-c.h"):
        return None if module == "tests" or "messages" in LAYERS.get(module, ()) else f"{module} may not include the generated {name}"
    target = tree.resolve(path, name) if quote == '"' else "client/fealty.h"
    if target is None:
        return f"{name} is not a header of ours"
    theirs = module_of(target)
    if theirs == module:
        return None
    if theirs not in LAYERS[module]:
        return f"{module} may not include {target}"
    if target not in PARTS.get((module, theirs), {target}):
        return f"{module} may include of {theirs} only {', '.join(sorted(PARTS[module, theirs]))}, not {target}"
    if os.path.basename(target) == "internal.h" and module != "tests":
        return f"{target} is for {theirs} alone"
    foreign = has_foreign(tree, target) if module != "tests" else None
    if foreign is not None:
        return f"{target} brings <{foreign}> across the border of {theirs}"
    return None


def check_words(path, text):
    module = module_of(path)
    code = code_of(text)
    if module in PURE:
        for m in PURE_CALLS.finditer(code):
            yield line_of(code, m.start()), f"{module} is pure and may not call {m.group(1)}()"
    if module not in ("signer", "tests"):
        for m in SIGNS.finditer(code):
            yield line_of(code, m.start()), f"only signer uses {m.group(0)}"
    if module in LIBRARY:
        for m in LIBRARY_CALLS.finditer(code):
            if m.group(1) == "log_event" and (module in LOGGERS or path.startswith("daemon/base/log.")):
                continue
            yield line_of(code, m.start()), f"{module} is library code and may not call {m.group(1)}()"


def violations(files):
    """Sentences, one for each thing that breaks a rule."""
    tree = Tree(files)
    found = []
    for path, text in sorted(tree.files.items()):
        if module_of(path) not in LAYERS:
            found.append(f"{path}: its folder is in no row of the table")
            continue
        for m in INCLUDE.finditer(text):
            sentence = check_include(tree, path, m.group(1), m.group(2))
            if sentence is not None:
                found.append(f"{path}:{line_of(text, m.start())}: {sentence}")
        found += [f"{path}:{line}: {sentence}" for line, sentence in check_words(path, text)]
    return found
