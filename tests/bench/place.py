"""Where a measurement happens: a directory on a disk, and processes that end with the one that measures."""
import ctypes
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PR_SET_PDEATHSIG = 1
STOP_SECONDS = 60
NOT_DISKS = ("tmpfs", "ramfs", "devtmpfs")


class Failed(Exception):
    """It could not be measured; says why."""


def run(argv, seconds=900, codes=(0,), **options):
    """What a program prints; Failed with its words when it takes too long, or ends with none of ${codes}."""
    argv = [str(word) for word in argv]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False, **options)
    except FileNotFoundError as e:
        raise Failed(f"{argv[0]} is not installed") from e
    except (OSError, subprocess.TimeoutExpired) as e:
        raise Failed(f"{os.path.basename(argv[0])}: {e}") from e
    if done.returncode not in codes:
        words = " ".join((done.stderr.strip() or done.stdout.strip()).split())
        raise Failed(f"{os.path.basename(argv[0])}: exit {done.returncode}: {words[-300:]}")
    return done.stdout


def until(condition, what, seconds=STOP_SECONDS, pause=0.002):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"within {seconds} s: {what}")
        time.sleep(pause)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def filesystem_of(path):
    """(type, source, options) of the file system that holds ${path}."""
    return run(["findmnt", "-n", "-o", "FSTYPE,SOURCE,OPTIONS", "-T", path]).strip().split(None, 2)


def raise_file_limit(wanted):
    """How many descriptors a process may have, after asking for ${wanted}."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for most in (max(hard, wanted), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(wanted, most)), most))
            break
        except (ValueError, OSError):
            continue
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class Place:
    """A directory that goes, with every process that was started for it."""

    def __init__(self, parent):
        os.makedirs(parent, exist_ok=True)
        kind = filesystem_of(parent)[0]
        if kind in NOT_DISKS:
            raise Failed(f"{parent} is on {kind}, where a flush costs nothing: give a directory on a disk with --dir")
        self.top = tempfile.mkdtemp(prefix="fealty-bench-", dir=parent)
        os.chmod(self.top, 0o711)           # PostgreSQL's user passes through it
        self.servers = []

    def path(self, *names):
        return os.path.join(self.top, *names)

    def start(self, argv, log, end_signal=signal.SIGTERM, **options):
        """A server; it is told to end when we do, in whatever way."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open(log, "ab") as file:
            server = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
                                      preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, int(end_signal), 0, 0, 0), **options)
        server.end_signal, server.log = end_signal, log
        self.servers.append(server)
        return server

    def stop(self, server, how=None):
        if server not in self.servers:
            return
        self.servers.remove(server)
        server.send_signal(how or server.end_signal)
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()

    def close(self):
        while self.servers:
            self.stop(self.servers[-1])
        shutil.rmtree(self.top, ignore_errors=True)


def last_words(server):
    with open(server.log, encoding="utf-8", errors="replace") as file:
        return " ".join(file.read()[-400:].split())
