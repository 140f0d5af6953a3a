"""PostgreSQL 15 as a peer: a function that does what a purchase does, driven by pgbench.

A session's first calls plan and compile, and pgbench takes its connecting for a part of its time: its first second, after connecting, does not count.
"""
import glob
import math
import os
import pwd
import re
import signal
import statistics

from place import Failed, last_words, run, until

HERE = os.path.dirname(os.path.abspath(__file__))
BIN = "/usr/lib/postgresql/15/bin"
CLIENTS = (16, 64, 128, 512)
MEMBERS = 10_000
SETTINGS = {
    "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "wal_sync_method": "fdatasync", "shared_buffers": "1GB", "wal_buffers": "16MB",
    "max_wal_size": "8GB", "checkpoint_timeout": "15min", "max_connections": "600", "jit": "off",
}
PURCHASE = """\\set n :n + 1
\\set member random(1, {members})
\\set amount random(1, 99)
SELECT purchase(:member, :amount, 'bench-' || :run || '-' || :client_id || '-' || :n);
"""
BALANCE = """\\set member random(1, {members})
SELECT balance_points FROM member WHERE id = :member;
"""


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


class PostgreSQL:
    name = "postgresql"

    def __init__(self, place):
        self.place, self.server, self.runs = place, None, 0
        self.purchases = 0
        self.connect_seconds = {}           # of so many clients, which pgbench takes for a part of its time
        self.data, self.socket_dir = place.path("pg", "data"), place.path("pg")
        self.as_user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}

    def version(self):
        return run([f"{BIN}/postgres", "--version"]).strip()

    def start(self):
        os.makedirs(self.socket_dir)
        if self.as_user:
            try:
                entry = pwd.getpwnam("postgres")
            except KeyError as e:
                raise Failed("there is no user postgres, and PostgreSQL does not run as root") from e
            os.chown(self.socket_dir, entry.pw_uid, entry.pw_gid)
        run([f"{BIN}/initdb", "-D", self.data, "--username=bench", "--auth=trust", "--encoding=UTF8", "--locale=C"], cwd="/", **self.as_user)
        settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        self.server = self.place.start([f"{BIN}/postgres", "-D", self.data, "-k", self.socket_dir, "-c", "listen_addresses=", *settings],
                                       self.place.path("postgresql.log"), end_signal=signal.SIGINT, cwd="/", **self.as_user)
        until(self._ready, "PostgreSQL is ready")
        self._fill()

    def _ready(self):
        if self.server.poll() is not None:
            raise Failed(f"PostgreSQL ended: {last_words(self.server)}")
        try:
            run([f"{BIN}/pg_isready", "-h", self.socket_dir, "-U", "bench"])
        except Failed:
            return False
        return True

    def sql(self, *words):
        return run([f"{BIN}/psql", "-h", self.socket_dir, "-U", "bench", "-d", "postgres", "-q", "-v", "ON_ERROR_STOP=1", *words])

    def _fill(self):
        self.sql("-f", os.path.join(HERE, "purchase.sql"))
        self.sql("-c", f"INSERT INTO member SELECT n, 0 FROM generate_series(1, {MEMBERS}) n", "-c", "VACUUM ANALYZE")
        for name, text in (("purchase", PURCHASE), ("balance", BALANCE)):
            with open(self.place.path(f"{name}.pgbench"), "w", encoding="ascii") as file:
                file.write(text.format(members=MEMBERS))

    def _pgbench(self, what, clients, *words):
        """What it prints; every transaction must have succeeded."""
        self.runs += 1
        out = run(["sh", "-c", 'exec "$0" "$@" 2>&1', f"{BIN}/pgbench", "-h", self.socket_dir, "-U", "bench", "-n", "-M", "prepared", "-f",
                   self.place.path(f"{what}.pgbench"), "-c", clients, "-j", min(2, clients), "-D", f"run={self.runs}", "-D", "n=0", *words, "postgres"])
        connect, done, failed = (re.search(rf"^{name}([\d.]+)", out, re.M) for name in (
            "initial connection time = ", "number of transactions actually processed: ", "number of failed transactions: "))
        if None in (connect, done, failed) or int(failed.group(1)) > 0:
            raise Failed(f"pgbench: {' '.join(out.split())[-300:]}")
        self.connect_seconds[clients] = float(connect.group(1)) / 1e3
        self.purchases += int(done.group(1)) if what == "purchase" else 0
        return out

    def _timed(self, what, clients, seconds):
        """(transactions a second, latencies in µs)"""
        log = self.place.path("pgbench-log")
        if clients not in self.connect_seconds:
            self._pgbench(what, clients, "-t", 1)
        time = math.ceil(1 + max(seconds, 1) + 1.5 * self.connect_seconds[clients])
        out = self._pgbench(what, clients, "-T", time, "-P", 1, "-l", f"--log-prefix={log}", "--sampling-rate=0.1")
        rates = [float(rate) for rate in re.findall(r"^progress: [\d.]+ s, ([\d.]+) tps", out, re.M)][1:]
        if not rates:
            raise Failed(f"pgbench with {clients} clients was done before it was measured: {' '.join(out.split())[-300:]}")
        return statistics.mean(rates), self._latencies_us(log)

    @staticmethod
    def _latencies_us(log):
        """Of the transactions that ended after the first second: client, number, µs, script, seconds and µs of the end."""
        rows = []
        for path in glob.glob(log + ".*"):
            with open(path, encoding="ascii") as file:
                rows += [[int(word) for word in line.split()[:6]] for line in file]
            os.unlink(path)
        begin = min((row[4] * 10**6 + row[5] for row in rows), default=0)
        return [row[2] for row in rows if row[4] * 10**6 + row[5] > begin + 10**6]

    def measure(self, figures, what, clients, seconds):
        rate, took = self._timed(what, clients, seconds)
        name = f"postgresql/{what}/{clients}"
        figures.add(name, rate)
        if took:
            figures.add(f"{name}/p50_ms", percentile(took, 0.5) / 1e3)
            figures.add(f"{name}/p99_ms", percentile(took, 0.99) / 1e3)

    def settle(self):
        """Its checkpoint now, rather than while somebody else is measured."""
        self.sql("-c", "CHECKPOINT")

    def verify(self):
        """That the function did what it is measured for."""
        entries = int(self.sql("-A", "-t", "-c", "SELECT count(*) FROM ledger"))
        if entries < self.purchases:
            raise Failed(f"PostgreSQL has {entries} ledger rows after {self.purchases} purchases")
