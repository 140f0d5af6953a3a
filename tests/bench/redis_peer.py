"""Redis 7 as a peer: a Lua script that does what a purchase does, each written to the disk before it is answered; driven by redis-benchmark."""
import csv
import os

from place import Failed, last_words, run, until

HERE = os.path.dirname(os.path.abspath(__file__))
MEMBERS = 10_000
SETTINGS = {"appendonly": "yes", "appendfsync": "always", "save": "", "auto-aof-rewrite-percentage": "0"}
FIRST_REQUESTS = 5000           # to learn how many take as long as a measurement shall
SEED = "for n = 0, {last} do redis.call('HSET', 'balance', string.format('%012d', n), 0) end return redis.call('HLEN', 'balance')"


class Redis:
    name = "redis"

    def __init__(self, place):
        self.place, self.server, self.sha = place, None, None
        self.socket = place.path("redis", "s")
        self.rates = {}
        self.purchases = 0

    def version(self):
        return "Redis " + run(["redis-server", "--version"]).split("v=")[1].split()[0]

    def start(self):
        os.makedirs(self.place.path("redis"))
        settings = [word for name, value in SETTINGS.items() for word in (f"--{name}", value)]
        self.server = self.place.start(["redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", self.place.path("redis"), "--daemonize", "no",
                                        *settings], self.place.path("redis.log"))
        until(self._ready, "Redis answers")
        with open(os.path.join(HERE, "purchase.lua"), encoding="ascii") as file:
            self.sha = self.cli("SCRIPT", "LOAD", file.read()).strip()
        if self.cli("EVAL", SEED.format(last=MEMBERS - 1), "0").strip() != str(MEMBERS):
            raise Failed("Redis did not take its members")

    def _ready(self):
        if self.server.poll() is not None:
            raise Failed(f"Redis ended: {last_words(self.server)}")
        try:
            return self.cli("PING").strip() == "PONG"
        except Failed:
            return False

    def cli(self, *words):
        return run(["redis-cli", "-s", self.socket, "-e", *words])

    def _benchmark(self, command, connections, depth, requests):
        out = run(["redis-benchmark", "-s", self.socket, "-c", connections, "-P", depth, "-n", requests, "-r", MEMBERS, "--csv", *command])
        self.purchases += requests if command[0] == "EVALSHA" else 0
        rows = list(csv.DictReader(line for line in out.splitlines() if line.startswith('"')))
        if len(rows) != 1:
            raise Failed(f"redis-benchmark: {' '.join(out.split())[-300:]}")
        return rows[0]

    def measure(self, figures, what, connections, depth, seconds):
        # each __rand_int__ is a number of its own below MEMBERS: three make a request id that does not come twice
        command = (["EVALSHA", self.sha, "3", "balance", "ledger", "r:__rand_int__:__rand_int__:__rand_int__", "25", "__rand_int__"]
                   if what == "purchase" else ["HGET", "balance", "__rand_int__"])
        name = f"redis/{what}/{connections}x{depth}"
        if name not in self.rates:
            self.rates[name] = float(self._benchmark(command, connections, depth, FIRST_REQUESTS)["rps"])
        row = self._benchmark(command, connections, depth, max(FIRST_REQUESTS, int(self.rates[name] * seconds)))
        self.rates[name] = float(row["rps"])
        figures.add(name, float(row["rps"]))
        figures.add(f"{name}/p50_ms", float(row["p50_latency_ms"]))
        figures.add(f"{name}/p99_ms", float(row["p99_latency_ms"]))

    def verify(self):
        """That the script did what it is measured for; one request id in 10^12 comes twice."""
        entries = int(self.cli("XLEN", "ledger"))
        if entries < 0.999 * self.purchases:
            raise Failed(f"Redis has {entries} entries after {self.purchases} purchases")
