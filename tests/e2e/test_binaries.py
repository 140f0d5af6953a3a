"""How the programs are built: what the linker left in them, and what the compiler was told, both read from what it made."""
import glob
import json
import os
import platform
import re
import subprocess

from case import plain_build
from world import BUILD, FEALTY, FEALTYD

PROGRAMS = (FEALTYD, FEALTY)
X86 = platform.machine() == "x86_64"
ENDBR64 = b"\xf3\x0f\x1e\xfa"
FLAGS = ("-D_FORTIFY_SOURCE=3", "-fstack-protector-strong", "-fstack-clash-protection", "-fno-plt", "-O2") + (("-fcf-protection=full",) if X86 else ())


def binaries():
    libraries = [path for path in glob.glob(os.path.join(BUILD, "client", "libfealty.so.*.*")) if os.path.isfile(path)]
    assert len(libraries) == 1, libraries
    return [*PROGRAMS, *libraries]


def readelf(path, *options):
    return subprocess.run(["readelf", "-W", *options, path], capture_output=True, text=True, check=True).stdout


@plain_build
def test_what_the_linker_left(_):
    for path in binaries():
        dynamic, segments, symbols = readelf(path, "-d"), readelf(path, "-l"), readelf(path, "--dyn-syms")
        assert re.search(r"Type: +DYN ", readelf(path, "-h")), path                               # loaded at an address that nobody knows
        assert path not in PROGRAMS or re.search(r"FLAGS_1.*\bPIE\b", dynamic), path
        assert re.search(r"FLAGS_1.*\bNOW\b", dynamic) and "GNU_RELRO" in segments, path          # no table of functions can be written
        assert "TEXTREL" not in dynamic and "RPATH" not in dynamic and "RUNPATH" not in dynamic, path
        assert re.search(r"GNU_STACK .* RW +0x", segments), path
        assert not re.search(r"LOAD .* (RWE|W ?E) ", segments), path                              # nothing is both written and executed
        assert "__stack_chk_fail" in symbols and "__memcpy_chk" in symbols, path
        if X86:
            assert "SHSTK" in readelf(path, "-n"), path


@plain_build
def test_where_calls_may_land(_):
    """Every function of ours begins with a mark, without which an indirect call to it is refused by processors that look."""
    for path in PROGRAMS if X86 else ():
        text = re.search(r"\] \.text +PROGBITS +([0-9a-f]+) ([0-9a-f]+) ", readelf(path, "-S"))
        address, offset = int(text.group(1), 16), int(text.group(2), 16)
        names = {"main", "parse_option", "on_term"} if path == FEALTYD else {"main"}
        found = set()
        with open(path, "rb") as f:
            for m in re.finditer(r"^ *\d+: ([0-9a-f]+) +\d+ FUNC +\w+ +\w+ +\d+ (\w+)$", readelf(path, "-s"), re.M):
                if m.group(2) in names:
                    f.seek(int(m.group(1), 16) - address + offset)
                    assert f.read(4) == ENDBR64, (path, m.group(2))
                    found.add(m.group(2))
        assert found == names, (path, found)


@plain_build
def test_what_the_compiler_was_told(_):
    with open(os.path.join(BUILD, "compile_commands.json"), encoding="utf-8") as f:
        commands = json.load(f)
    ours = [c for c in commands if re.match(r"(\.\./)*(.*/)?(daemon|proto|client|tools)/.*\.c$", c["file"])]
    assert len(ours) > 300, len(ours)
    for c in ours:
        words = c["command"].split()
        assert not [flag for flag in FLAGS if flag not in words], c
        assert "-fPIE" in words or "-fPIC" in words, c
