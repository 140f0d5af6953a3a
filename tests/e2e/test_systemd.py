"""The unit file: how systemd judges it, and that a daemon lives under the filter that it asks for."""
import os
import re
import subprocess

from case import plain_build
from world import FEALTYD, SOURCE, expect

UNIT = os.path.join(SOURCE, "packaging", "systemd", "fealtyd.service")
EXPOSURE_MAX = 1.5

# Begins a program under a filter that allows the calls which are named in a file, as systemd does it.
FILTER = r"""
#include <err.h>
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int
main(int argc, char **argv)
{
    FILE *names = argc > 2 ? fopen(argv[1], "r") : NULL;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    char name[100];
    if (names == NULL || filter == NULL)
        err(2, "filter");
    while (fscanf(names, "%99s", name) == 1) {
        int call = seccomp_syscall_resolve_name(name);
        if (call >= 0 && seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0) != 0)
            errx(2, "%s", name);
    }
    if (seccomp_load(filter) != 0)
        errx(2, "load");
    execv(argv[2], argv + 2);
    err(2, "%s", argv[2]);
}
"""


def settings(name):
    with open(UNIT, encoding="utf-8") as f:
        return [line.split("=", 1)[1].strip() for line in f if line.startswith(name + "=")]


def groups():
    """{"@basic-io": {"read", …}, …}, with groups in groups."""
    said = subprocess.run(["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True).stdout
    found, group = {}, None
    for line in re.sub(r"\x1b\[[0-9;]*m", "", said).splitlines():
        if line.startswith("@"):
            group = found[line.strip()] = set()
        elif line.startswith("    ") and not line.strip().startswith("#"):
            group.add(line.strip())
    return found


def expand(word, known):
    if not word.startswith("@"):
        return {word}
    return set().union(*(expand(w, known) for w in known[word]))


def allowed_calls():
    known, calls = groups(), set()
    calls |= expand("@default", known)
    for line in settings("SystemCallFilter"):
        for word in line.lstrip("~").split():
            calls = calls - expand(word, known) if line.startswith("~") else calls | expand(word, known)
    return calls


def test_exposure(_):
    said = subprocess.run(["systemd-analyze", "security", "--offline=true", UNIT], capture_output=True, text=True, check=False).stdout
    found = re.search(r"Overall exposure level for fealtyd.service: ([0-9.]+)", said)
    assert found and float(found.group(1)) <= EXPOSURE_MAX, said[-2000:]
    families = settings("RestrictAddressFamilies")[0].split()
    assert {"AF_UNIX", "AF_INET", "AF_INET6"} <= set(families), families        # it is not safe by serving nobody


@plain_build
def test_a_daemon_lives_under_its_filter(world):
    source, program = world.write("filter.c", FILTER), world.path("fealtyd-filtered")
    subprocess.run(["cc", "-o", world.path("filter"), source, "-lseccomp"], check=True)
    names = world.write("names", "\n".join(sorted(allowed_calls() | {"execve"})))
    with open(program, "w", encoding="utf-8") as f:
        f.write(f"#!/bin/sh\nexec {world.path('filter')} {names} {FEALTYD} \"$@\"\n")
    os.chmod(program, 0o755)
    ledger = world.ledger()
    ledger.start("--admin", "127.0.0.1:0", "--insecure-loopback", "--listen", "127.0.0.1:0", "--snapshot-seconds", "1", program=program)
    ledger.publish()
    with ledger.wire() as wire:
        wire.ok("enrol", member="m", key="e")
        expect(wire.ok("purchase", member="m", amount="5", key="p"), replayed=False)
    ledger.restart("--admin", "127.0.0.1:0", program=program)
    with ledger.wire() as wire:
        wire.ok("balance", member="m")
