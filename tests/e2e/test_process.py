"""What others on the machine see of a running daemon, what it may ask of the kernel, and where its keys are in its memory."""
import glob
import json
import os
import re
import shutil
import signal
import stat
import subprocess

from case import plain_build
from test_keys import key_files, new_key, rotate
from test_vouchers import MONDAY, PROGRAM
from world import FEALTYD, eventually, expect, skip

NOBODY = 65534
KEY_BYTES = 32

# A thread that is there before the filter is, waits for the file $GO, and then calls $CALL.
INTRUDER = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
static long
call(const char *name)
{
    if (strcmp(name, "execve") == 0)
        return execl("/bin/true", "true", (char *)NULL);
    if (strcmp(name, "ptrace") == 0)
        return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    if (strcmp(name, "open_by_handle_at") == 0)
        return syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, 0);
    if (strcmp(name, "process_vm_readv") == 0)
        return syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
    if (strcmp(name, "fork") == 0)
        return fork();
    return socket(AF_INET, SOCK_STREAM, 0);
}
static void *
intrude(void *arg)
{
    (void)arg;
    while (access(getenv("GO"), F_OK) != 0)
        usleep(1000);
    long answer = call(getenv("CALL"));
    char text[64];
    int n = snprintf(text, sizeof(text), "%s", answer >= 0 ? "done" : strerror(errno));
    int fd = open(getenv("SAID"), O_WRONLY | O_CREAT, 0600);
    if (write(fd, text, (size_t)n) < 0)
        abort();
    return NULL;
}
__attribute__((constructor)) static void
begin(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, intrude, NULL) != 0)
        abort();
}
"""


def status_of(path):
    with open(path, encoding="ascii") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


@plain_build
def test_every_thread_is_filtered(world):
    ledger = world.running(None, "--admin", "127.0.0.1:0")
    tasks = glob.glob(f"/proc/{ledger.daemon.pid}/task/*/status")
    assert len(tasks) >= 5, tasks
    for task in tasks:
        expect(status_of(task), Seccomp="2", NoNewPrivs="1")


@plain_build
def test_what_an_intruder_calls(world):
    library = world.path("intruder.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, world.write("intruder.c", INTRUDER)], check=True)
    ledger = world.ledger()
    for call in ("execve", "ptrace", "open_by_handle_at", "process_vm_readv"):
        go = world.path("go-" + call)
        daemon = ledger.launch(env={"LD_PRELOAD": library, "GO": go, "CALL": call, "SAID": world.path("said")}).wait_ready()
        world.write("go-" + call, "")
        daemon.wait_end(code=None)
        assert daemon.process.returncode == -signal.SIGSYS, (call, daemon.process.returncode)
        assert not os.path.exists(world.path("said")), call
    for call in ("fork", "socket"):
        said = world.path("said-" + call)
        daemon = ledger.launch(env={"LD_PRELOAD": library, "GO": world.path("go-" + call), "CALL": call, "SAID": said}).wait_ready()
        world.write("go-" + call, "")
        eventually(lambda: os.path.exists(said) and os.path.getsize(said), f"an answer to {call}")
        with open(said, encoding="ascii") as f:
            assert f.read() == "Operation not permitted", call
        daemon.stop()


def as_nobody(world, ledger, *, limits=None):
    """The ledger's files belong to a user of no privileges, and a daemon of that user runs; by which user a neighbour is, and the process."""
    user = NOBODY if os.geteuid() == 0 else None
    program = shutil.copy(FEALTYD, world.path("fealtyd"))        # the build's directory need not be open to others
    if user is not None:
        os.chmod(world.dir, 0o755)
        for top, directories, files in os.walk(world.dir):
            for name in [top, *(os.path.join(top, n) for n in directories + files)]:
                os.chown(name, user, user)
    command = [program, "--data", ledger.data, "--keys", ledger.keys, "--head-lock", ledger.head_lock, "--socket", ledger.socket, "--clock", "manual"]
    log = world.path("nobody.log")
    with open(log, "wb") as out:
        process = subprocess.Popen([*(["prlimit", *limits] if limits else []), *command], user=user, group=user, extra_groups=[] if user else None,
                                   stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    return user, process, log


def text_of(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


READ_IT = """
import sys
for name in ("mem", "environ", "maps", "auxv", "fd/0", "cwd/."):
    try:
        open(f"/proc/{sys.argv[1]}/{name}", "rb").read(1)
        print("read", name)
    except PermissionError:
        pass
    except OSError as e:
        print(name, e)
"""


@plain_build
def test_neighbours_see_nothing(world):
    """Another process of the same user reads neither memory nor environment, and no core file can come."""
    ledger = world.ledger()
    user, process, log = as_nobody(world, ledger)
    try:
        eventually(lambda: "daemon.ready" in text_of(log) or process.poll() is not None, "a start")
        assert process.poll() is None, text_of(log)
        seen = subprocess.run(["/usr/bin/python3", "-c", READ_IT, str(process.pid)], user=user, group=user, extra_groups=[] if user else None,
                              cwd="/", capture_output=True, text=True, check=False)
        assert seen.returncode == 0 and seen.stdout == "", seen
        if os.geteuid() == 0:        # the limits of a process that cannot be dumped are root's to read
            limits = text_of(f"/proc/{process.pid}/limits")
            assert re.search(r"^Max core file size +0 +0 ", limits, re.M), limits
            assert os.stat(f"/proc/{process.pid}/mem").st_uid == 0        # so the kernel shows that it is not dumpable
    finally:
        process.terminate()
        assert process.wait(30) == 0


@plain_build
def test_memory_that_cannot_be_locked(world):
    ledger = world.ledger()
    if os.geteuid() == 0 and shutil.which("prlimit") is None:
        skip("no prlimit")
    _, process, log = as_nobody(world, ledger, limits=["--memlock=0:0"])
    assert process.wait(60) == 1, text_of(log)
    assert "cannot be locked" in text_of(log) and "LimitMEMLOCK" in text_of(log), text_of(log)


def test_keys_that_others_may_read(world):
    ledger = world.ledger()
    for name in sorted(key_files(ledger)):
        path = os.path.join(ledger.keys, name)
        for mode in (0o440, 0o404, 0o444):
            os.chmod(path, mode)
            said = ledger.start_refused()
            assert name in said and "readable by others" in said, said
        os.chmod(path, 0o400)
    ledger.start()


def mappings(pid):
    """(begin, end, what is said of it, flags) of each piece of memory that can be read, or made readable."""
    found = []
    with open(f"/proc/{pid}/smaps", encoding="ascii") as f:
        for line in f:
            head = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) ", line)
            if head:
                found.append([int(head.group(1), 16), int(head.group(2), 16), line.rstrip(), []])
            elif line.startswith("VmFlags:"):
                found[-1][3] = line.split()[1:]
    return found


def places_of(pid, patterns):
    """[(name, flags, mapping)] of every place in the process where a pattern is."""
    found = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for begin, end, line, flags in mappings(pid):
            if end - begin > 1 << 32 or ".mdb" in line or "[v" in line:        # the environments are files, and have no key in them
                continue
            try:
                mem.seek(begin)
                data = mem.read(end - begin)
            except OSError:
                continue
            for name, pattern in patterns:
                if pattern in data:
                    found.append((name, flags, line))
    return found


@plain_build
def test_keys_are_in_locked_memory_only(world):
    """After a day's work with each key, and a rotation, no copy is left in a buffer, on a stack or in a heap."""
    if os.geteuid() != 0:
        skip("only root sees the memory of a daemon")
    ledger = world.ledger()
    ledger.start("--admin", "127.0.0.1:0")
    ledger.publish(PROGRAM)
    with ledger.wire("pos/1/1") as till, ledger.wire() as operator:
        for i in range(60):
            operator.ok("enrol", member=f"card:{i}", birthday="03-03", key=f"e{i}", at=MONDAY)
            till.ok("purchase", member=f"card:{i}", amount="12", key=f"p{i}", want_receipt=True)
            till.ok("balance", member=f"card:{i}")
    new = new_key(ledger)
    patterns = []
    for name in sorted(key_files(ledger)):
        text = text_of(os.path.join(ledger.keys, name)).strip()
        patterns += [(name, bytes.fromhex(text)), (name + " as text", text.encode())]
    rotate(ledger, key=new)
    with ledger.wire("pos/1/1") as till:
        till.ok("purchase", member="card:1", amount="12", key="last", want_receipt=True)
    found = places_of(ledger.daemon.pid, patterns)
    assert {name for name, flags, _ in found if "lo" in flags} >= {"transaction.next.key", "checkpoint.key", "alias.key", "vault.key"}, found
    assert all("lo" in flags and "dd" in flags for _, flags, _ in found), [(name, line) for name, flags, line in found if "lo" not in flags]
    assert not [name for name, _, _ in found if name.endswith("as text")], found


# ---- credentials ----

def credentials(world, ledger, *names):
    """The keys of these names, as the service manager would hand them over; they leave the key directory."""
    directory = world.path("credentials")
    os.makedirs(directory, exist_ok=True)
    for name in names:
        os.rename(os.path.join(ledger.keys, name), os.path.join(directory, name))
    os.chmod(directory, 0o500)
    return {"CREDENTIALS_DIRECTORY": directory}


def test_keys_that_are_credentials(world):
    ledger = world.ledger()
    environment = credentials(world, ledger, *(name for name in key_files(ledger) if name != "vault.1.key"))
    assert os.listdir(ledger.keys) == ["vault.1.key"]      # that of the epoch, which the daemon makes and destroys itself
    ledger.start(env=environment)
    ledger.publish()
    with ledger.wire() as wire:
        wire.ok("enrol", member="m", key="e")
    ledger.restart(env=environment)
    ledger.audit()
    ledger.stop()
    said = ledger.start_refused()
    assert ledger.keys in said, said
    path = os.path.join(environment["CREDENTIALS_DIRECTORY"], "vault.key")
    os.chmod(path, 0o444)
    said = ledger.start_refused(env=environment)
    assert path in said and "LoadCredential=" in said, said


def test_a_credential_is_not_rotated(world):
    """The daemon cannot change it, and says so before anything happens; the other key, a file, is rotated as ever; and so is this one as a file."""
    ledger = world.ledger()
    environment = credentials(world, ledger, "transaction.key")
    ledger.start(env=environment)
    new, said = rotate(ledger, code=1)
    assert "is a credential" in json.dumps(said) and "KEYS.md" in json.dumps(said), said
    rotate(ledger, "checkpoint")
    ledger.audit()
    ledger.stop()
    path = os.path.join(environment["CREDENTIALS_DIRECTORY"], "transaction.key")
    said = ledger.start_refused("--recover-key", "transaction:compromised", env=environment)
    assert "credential" in said and "nothing was changed" in said, said
    shutil.move(path, os.path.join(ledger.keys, "transaction.key"))
    ledger.start()
    rotate(ledger, key=new)
    ledger.stop()
    old = next(name for name in key_files(ledger) if name.startswith("transaction.") and name.endswith(".old.key"))
    shutil.copy(os.path.join(ledger.keys, old), path)
    os.chmod(path, stat.S_IRUSR)
    said = ledger.start_refused(env=environment)        # the manager still has the one that was replaced
    assert "The credential transaction.key is not the key" in said, said
    os.remove(path)
    shutil.copy(os.path.join(ledger.keys, "transaction.key"), path)
    os.chmod(path, stat.S_IRUSR)
    ledger.start(env=environment)
    ledger.audit()
