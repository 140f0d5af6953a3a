"""fealty as it is measured: a daemon with both its doors, the load generator, and what /proc says of the daemon."""
import http.client
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import time

from audit import PROGRAM
from place import Failed, free_port, last_words, run, until

MEMBERS = 10_000
# By TCP a principal and an address have limits; the load is one principal from one address.
RAISED = {
    "connections": 20000, "principal_connections": 20000, "address_connections": 20000, "principal_in_flight": 1000000, "address_in_flight": 1000000,
    "principal_commands_per_second": 999999999, "address_commands_per_second": 999999999, "principal_bytes_per_second": 999999999,
    "address_bytes_per_second": 999999999,
}
READY_SECONDS = 600
WARMUP_SECONDS = 0.25
HELLO, HELLO_OK, HEADER = 1, 2, struct.Struct(">IBBHQ")         # proto/WIRE.md


def hello_frame(principal):
    body = bytes([0x08, 1, 0x10, 1]) + (bytes([0x32, len(principal)]) + principal.encode() if principal else b"")
    return HEADER.pack(len(body), 1, HELLO, 0, 0) + body


def greet(sock, principal):
    """Says HELLO and reads HELLO_OK."""
    sock.sendall(hello_frame(principal))
    got = b""
    while len(got) < HEADER.size or len(got) < HEADER.size + HEADER.unpack_from(got)[0]:
        more = sock.recv(4096)
        if not more:
            raise Failed("the daemon closed a connection that was to stay idle")
        got += more
    if HEADER.unpack_from(got)[2] != HELLO_OK:
        raise Failed("the daemon did not answer with HELLO_OK")


def thread_seconds(pid):
    """{(name, thread): CPU seconds}"""
    found = {}
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/comm", encoding="utf-8", errors="replace") as comm, \
                    open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as schedstat:
                found[comm.read().strip(), thread] = int(schedstat.read().split()[0]) / 1e9
        except OSError:                 # it ended meanwhile
            continue
    return found


def core_ticks():
    """Of all cores together, in ticks: (in which they worked, in all)."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, idle, iowait, irq, softirq, steal = (int(n) for n in file.readline().split()[1:9])
    worked = user + nice + system + irq + softirq + steal
    return worked, worked + idle + iowait


class Loaded:
    """A server that fealty-bench measures by ${self.socket}, and whose process is ${self.server}."""

    def __init__(self, place, build):
        self.place, self.build, self.server, self.socket = place, build, None, None

    def door(self, _tls):
        return [self.socket]

    def bench_argv(self, *words, tls=False, members=MEMBERS):
        return [os.path.join(self.build, "tools", "fealty-bench"), "--json", "-m", str(members), "-a", *self.door(tls), *map(str, words)]

    def bench(self, *words, **options):
        """The figures of fealty-bench; every command must have been answered OK."""
        out = run(self.bench_argv(*words, **options), seconds=3600, codes=(0, 1))
        if not out:
            raise Failed(f"fealty-bench {' '.join(map(str, words))}: the daemon did not serve it")
        figures = json.loads(out)
        if figures["errors"] or figures["refusals"] or figures["lost"] or figures["unanswered"] or figures.get("not_sent"):
            said = {name: figures.get(name, 0) for name in ("errors", "refusals", "lost", "unanswered", "not_sent")}
            raise Failed(f"not every command was sent and answered OK: {said}")
        if not figures["commands"]:
            raise Failed("no command was answered in the time that it had")
        return figures

    def measure(self, figures, name, *words, **options):
        """Adds commands a second, percentiles, the CPU time of the load, how busy the cores were, and each kind of thread at most."""
        begin, before, cores_before = time.monotonic(), thread_seconds(self.server.pid), core_ticks()
        warmup = () if "-n" in words else ("--warmup", WARMUP_SECONDS)
        got = self.bench("--no-enrol", *warmup, *words, **options)
        seconds, after, cores = time.monotonic() - begin, thread_seconds(self.server.pid), core_ticks()
        figures.add(name, got["per_second"])
        for part in ("p50", "p99"):
            figures.add(f"{name}/{part}_ms", got["latency_us"][part] / 1e3)
        figures.add(f"{name}/load_us", got["tool"]["cpu_us_per_command"])
        figures.add(f"{name}/busy", (cores[0] - cores_before[0]) / max(1, cores[1] - cores_before[1]))
        for kind in {kind for kind, _ in after}:
            busy = max(took - before.get(thread, 0) for thread, took in after.items() if thread[0] == kind)
            figures.add(f"{name}/thread/{kind}", busy / seconds)
        return got


class Fealty(Loaded):
    def __init__(self, place, build, name, snapshots=True):
        super().__init__(place, build)
        self.snapshots = () if snapshots else ("--snapshot-seconds", "0")
        self.data, self.socket = place.path(name), place.path(f"{name}.sock")
        self.pki, self.ports = place.path(f"{name}.pki"), {"tcp": free_port(), "admin": free_port()}

    def tool(self, *words):
        return run([os.path.join(self.build, "tools", "fealty"), *words])

    def create(self):
        self.tool("init", self.data, "--origin", "bench.example/run")
        self.tool("pki", "init", self.pki, "--domain", "bench.example")
        self.tool("pki", "issue", self.pki, "server/bench", "--address", "127.0.0.1", "--out", self.pki + ".server")
        self.tool("pki", "issue", self.pki, "backend/bench", "--out", self.pki + ".client")
        self.start()
        program = self.data + ".yaml"
        with open(program, "w", encoding="utf-8") as file:
            file.write(PROGRAM)
        self.tool("program", "publish", program, "--connect", f"unix:{self.socket}")

    def options(self):
        tls = ["--listen", f"127.0.0.1:{self.ports['tcp']}", "--tls-cert", f"{self.pki}.server/cert.pem", "--tls-key", f"{self.pki}.server/key.pem",
               "--tls-ca", f"{self.pki}.server/ca.pem"]
        return ["--data", self.data, "--socket", self.socket, "--admin", f"127.0.0.1:{self.ports['admin']}", "--log-level", "warning", *tls, *self.snapshots,
                *(f"--limit={name}={value}" for name, value in RAISED.items())]

    def start(self):
        """Seconds until it accepts writes."""
        begin = time.monotonic()
        self.server = self.place.start([os.path.join(self.build, "daemon", "fealtyd"), *self.options()], self.data + ".log")
        until(self._ready, "/readyz says 200", READY_SECONDS, pause=0.001)
        return time.monotonic() - begin

    def _ready(self):
        if self.server.poll() is not None:
            raise Failed(f"fealtyd ended: {last_words(self.server)}")
        door = http.client.HTTPConnection("127.0.0.1", self.ports["admin"], timeout=10)
        try:
            door.request("GET", "/readyz")
            return door.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            door.close()

    def stop(self, how=None):
        if self.server is not None:
            self.place.stop(self.server, how)
            self.server = None

    # ---- load ----

    def door(self, tls):
        if not tls:
            return [self.socket]
        files = (("ca", "ca"), ("cert", "cert"), ("key", "key"))
        return [f"127.0.0.1:{self.ports['tcp']}", *(f"--tls-{name}={self.pki}.client/{file}.pem" for name, file in files)]

    def enrol(self, members):
        self.bench("-c", 1, "-n", 1, members=members)

    def measure(self, figures, name, *words, **options):
        """And what the daemon itself says of that time."""
        got = super().measure(figures, name, "--admin", f"127.0.0.1:{self.ports['admin']}", *words, **options)
        for part, key in (("cpu_us", "cpu_us_per_command"), ("commits", "commits_per_second"), ("together", "commands_per_commit")):
            if got["daemon"] is not None and got["daemon"][key] is not None:       # reads have no commit
                figures.add(f"{name}/{part}", got["daemon"][key])
        return got

    def kill_under_load(self, members, seconds):
        """kill -9 in the middle of purchases."""
        load = subprocess.Popen(self.bench_argv("--no-enrol", "-c", 64, "-d", 16, "-s", seconds + 60, members=members), stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            time.sleep(seconds)
            if load.poll() is not None:
                raise Failed(f"the load ended by itself, exit {load.returncode}")
            self.stop(signal.SIGKILL)
        finally:
            load.kill()
            load.wait()

    # ---- what the daemon takes ----

    def memory_kib(self):
        """{"rss", "anon", "file"}; file is the page cache of the maps, which the kernel takes back when others need it."""
        with open(f"/proc/{self.server.pid}/status", encoding="ascii") as file:
            of = {line.split(":")[0]: int(line.split()[1]) for line in file if line.startswith(("VmRSS", "RssAnon", "RssFile"))}
        return {"rss": of["VmRSS"], "anon": of["RssAnon"], "file": of["RssFile"]}

    def disk_bytes(self):
        """Of the ledger, the state and the vault, as the file system has them; snapshots apart."""
        total = 0
        for directory, _, names in os.walk(self.data):
            if os.path.basename(directory) != "snapshot":
                total += sum(os.stat(os.path.join(directory, name)).st_blocks * 512 for name in names)
        return total

    def idle_connections(self, n, tls):
        """${n} connections that have said HELLO; to be closed by the caller."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(f"{self.pki}.client/ca.pem")
        context.load_cert_chain(f"{self.pki}.client/cert.pem", f"{self.pki}.client/key.pem")
        context.set_alpn_protocols(["fealty/1"])
        opened = []
        try:
            for _ in range(n):
                opened.append(self._idle(context if tls else None))
        except OSError as e:
            for sock in opened:
                sock.close()
            raise Failed(f"connection {len(opened) + 1} of {n}: {e}") from e
        return opened

    def _idle(self, context):
        if context is not None:
            plain = socket.create_connection(("127.0.0.1", self.ports["tcp"]), timeout=30)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock = context.wrap_socket(plain, server_hostname="127.0.0.1")
            greet(sock, "")
        else:
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(30)
            sock.connect(self.socket)
            greet(sock, "backend/bench")
        return sock
