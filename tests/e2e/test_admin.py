"""The HTTP door: /healthz, /readyz, /metrics, what it refuses and what it bounds; the log is in test_log_http.py.

Requests are written by hand, byte by byte where it matters.
"""
import os
import random
import re
import select
import signal
import socket
import threading
import time

from case import plain_build, reduced, seconds
from test_clock import faketime, jump
from test_disk import fill, on_disk, small_disk
from wire import PATIENCE_SECONDS, SLOWNESS, keyless, request
from world import SOURCE, eventually, expect
import programs

ANY_PORT = ("--admin", "127.0.0.1:0")
CONNECTIONS_MAX = 64
LIMIT_SECONDS = 10
HEAD_BYTES_MAX = 8192


# ---- a client ----

def port_of(daemon):
    fields = [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in daemon.log().splitlines() if "admin.listening" in line]
    return int(fields[0]["port"]) if fields else None


def port(ledger):
    return eventually(lambda: port_of(ledger.daemon), "that it listens")


def connect(where, patience=PATIENCE_SECONDS):
    return socket.create_connection(("127.0.0.1", where), timeout=patience)


def read_to_end(s):
    """All that came, and whether the connection ended by a reset."""
    data = b""
    while True:
        try:
            chunk = s.recv(1 << 16)
        except ConnectionResetError:
            return data, True
        if not chunk:
            return data, False
        data += chunk


def send(s, data):
    """The server may have answered and gone before the end of what it refuses."""
    try:
        s.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass


class Answer:
    def __init__(self, data):
        head, _, self.body = data.partition(b"\r\n\r\n")
        lines = head.decode("ascii").split("\r\n")
        assert re.fullmatch(r"HTTP/1\.[01] \d{3} [ -~]+", lines[0]), data[:200]
        self.code = int(lines[0].split()[1])
        self.headers = {}
        for line in lines[1:]:
            name, value = line.split(": ", 1)
            assert name.lower() not in self.headers, f"two headers {name}: {head!r}"
            self.headers[name.lower()] = value

    @property
    def text(self):
        return self.body.decode("utf-8")


def exchange(where, data):
    with connect(where) as s:
        send(s, data)
        answer, _ = read_to_end(s)
    return Answer(answer) if answer else None


def get(where, path, method="GET", headers=()):
    a = exchange(where, "".join([f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n", *(h + "\r\n" for h in headers), "\r\n"]).encode())
    assert a is not None, f"no answer to {method} {path}"
    assert a.headers["connection"] == "close" and a.headers["x-content-type-options"] == "nosniff", a.headers
    assert method == "HEAD" or int(a.headers["content-length"]) == len(a.body), a.headers
    return a


def readiness(where):
    a = get(where, "/readyz")
    assert a.code in (200, 503) and (a.code == 200) == (a.text == "ready\n"), (a.code, a.text)
    return a.text.strip()


# ---- metrics ----

LABEL = r'[a-z_]+="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"([a-z_]+)(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\d+(?:\.\d+)?)")


def parse(text):
    """{family: type}, {(name, labels as in the text): value}; every line must be valid, and each family in one piece."""
    assert text.endswith("\n")
    types, samples, family, helped = {}, {}, None, None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            helped = line.split(" ")[2]
            assert helped not in types and len(line.split(" ", 3)[3]) > 5, line
            continue
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            assert family == helped and kind in ("counter", "gauge", "histogram"), line
            types[family] = kind
            continue
        m = SAMPLE.fullmatch(line)
        assert m, f"no line of the text format: {line!r}"
        name, labels, value = m.group(1), m.group(2) or "", float(m.group(3))
        ends = ("_bucket", "_sum", "_count") if types[family] == "histogram" else ("",)
        assert any(name == family + end for end in ends), f"{name} in {family}"
        assert (types[family] == "counter") == name.endswith("_total"), name
        assert (name, labels) not in samples, line
        samples[name, labels] = value
    for name, kind in types.items():
        if kind == "histogram":
            check_histogram(samples, name)
    return types, samples


def check_histogram(samples, name):
    series = {}
    for (sample, labels), value in samples.items():
        if sample == name + "_bucket":
            rest, _, le = labels.rpartition('le="')
            series.setdefault(rest.rstrip(","), []).append((float(le.rstrip('"').replace("+Inf", "inf")), value))
    assert series, name
    for rest, buckets in series.items():
        assert buckets == sorted(buckets) and buckets[-1][0] == float("inf"), (name, rest, buckets)
        assert [v for _, v in buckets] == sorted(v for _, v in buckets), (name, rest, buckets)
        assert buckets[-1][1] == samples[name + "_count", rest], (name, rest)
        assert (name + "_sum", rest) in samples, (name, rest)


class Metrics:
    def __init__(self, where):
        a = get(where, "/metrics")
        assert a.code == 200 and a.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8", a.headers
        self.text = a.text
        self.types, self.samples = parse(a.text)

    def __call__(self, name, **labels):
        return self.samples[name, ",".join(f'{k}="{v}"' for k, v in labels.items())]

    def labels(self, name, label):
        return {re.search(rf'{label}="([^"]*)"', labels).group(1) for sample, labels in self.samples if sample == name}

    def total(self, name):
        return sum(v for (sample, _), v in self.samples.items() if sample == name)


# Names are a promise: dashboards and alerts are made of them.
PROCESS = {"fealty_build_info", "fealty_uptime_seconds", "fealty_ready", "fealty_http_requests_total", "process_cpu_seconds_total",
           "process_resident_memory_bytes"}
FAMILIES = PROCESS | {
    "fealty_ledger_info", "fealty_ledger_transactions", "fealty_entries_total", "fealty_system_entries_total",
    "fealty_commands_total", "fealty_results_total", "fealty_refusals_total", "fealty_replays_total", "fealty_terminal_gaps_total",
    "fealty_terminal_repeats_total",
    "fealty_commits_total", "fealty_commits_undone_total", "fealty_commit_transactions", "fealty_commit_step_seconds", "fealty_write_seconds",
    "fealty_queue_length", "fealty_connections", "fealty_connections_accepted_total", "fealty_connections_refused_total", "fealty_connections_rejected_total",
    "fealty_received_bytes_total", "fealty_sent_bytes_total", "fealty_subscriptions", "fealty_limit_reached_total",
    "fealty_start_seconds", "fealty_start_replayed_transactions", "fealty_start_state", "fealty_file_bytes", "fealty_disk_free_bytes",
    "fealty_public_checkpoint_size", "fealty_served_checkpoint_size",
    "fealty_scrub_enabled", "fealty_scrub_running", "fealty_scrub_direct", "fealty_scrub_passes_total", "fealty_scrub_read_bytes_total",
    "fealty_scrub_transactions_total", "fealty_scrub_position_transactions", "fealty_scrub_size_transactions", "fealty_scrub_last_pass_end_seconds",
    "fealty_scrub_last_pass_seconds", "fealty_scrub_faults",
}
SNAPSHOT = {"fealty_snapshot_age_seconds", "fealty_snapshot_transactions"}


def documented_reasons():
    """Those of the two tables in WIRE.md."""
    with open(os.path.join(SOURCE, "proto", "WIRE.md"), encoding="utf-8") as f:
        text = f.read()
    found = set(re.findall(r"^\| \d+ \| ([A-Z_]+) \| [A-Z_]{5,} \|", text, re.M)) | set(re.findall(r"^\| ([A-Z_]+) \| [A-Z_]+ \| (?:yes|no) \|", text, re.M))
    assert {"INSUFFICIENT_POINTS", "UNAVAILABLE", "DEADLINE_EXCEEDED"} < found and len(found) > 30, found
    return found


# ---- routes ----

@reduced
def test_routes(world):
    ledger = world.running(programs.PLAIN, *ANY_PORT)
    where = port(ledger)
    for path, text in (("/healthz", "ok\n"), ("/readyz", "ready\n")):
        a = get(where, path)
        assert a.code == 200 and a.text == text, (path, a.text)
        assert a.headers["content-type"] == "text/plain; charset=utf-8" and a.headers["cache-control"] == "no-store", a.headers
    assert get(where, "/metrics").headers["cache-control"] == "no-store"
    for path in ("/healthz", "/readyz", "/metrics", "/nothing"):
        full, head = get(where, path), get(where, path, "HEAD")
        assert head.code == full.code and head.body == b"", (path, head.body[:80])
        same = ("content-type", "cache-control", "connection")
        assert all(head.headers[name] == full.headers[name] for name in same), (head.headers, full.headers)
        assert path == "/metrics" or head.headers["content-length"] == full.headers["content-length"], path
        assert int(head.headers["content-length"]) > 0
    for path in ("/", "/metric", "/metricsx", "/metrics/", "/healthz/x", "/HEALTHZ", "//healthz", "/./healthz", "/x/../healthz", "/%68ealthz",
                 "/metrics%00", "/tile", "/tile/", "/checkpoint/", "/Checkpoint", "/" + "a" * 8000):
        a = get(where, path)
        assert a.code == 404 and "/metrics" in a.text, (path, a.code, a.text)
    for path in ("/healthz?", "/healthz?x=1", "/healthz?a=/../b", "http://localhost/healthz", "http://elsewhere.example:80/healthz?x#y"):
        assert exchange(where, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()).text == "ok\n", path


def test_versions_of_http(world):
    ledger = world.running(programs.PLAIN, *ANY_PORT)
    where = port(ledger)
    for data in (b"GET /healthz HTTP/1.0\r\n\r\n", b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
                 b"GET /healthz HTTP/1.1\r\nConnection: keep-alive\r\n\r\n", b"GET /healthz HTTP/1.1\nHost: x\n\n"):
        a = exchange(where, data)
        assert a.code == 200 and a.text == "ok\n" and a.headers["connection"] == "close", (data, a.headers)
    # One request a connection: what comes after it is not another one.
    with connect(where) as s:
        send(s, b"GET /healthz HTTP/1.1\r\n\r\nGET /readyz HTTP/1.1\r\n\r\n")
        data, _ = read_to_end(s)
    assert data.count(b"HTTP/1.1 ") == 1 and data.endswith(b"ok\n"), data
    # nor is a body, whose first line looks like one
    body = b"GET /metrics HTTP/1.1\r\n\r\n"
    with connect(where) as s:
        send(s, b"GET /healthz HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        data, _ = read_to_end(s)
    assert data.count(b"HTTP/1.1 ") == 1 and b" 400 " in data and b"fealty_" not in data, data
    for header, body in (("Transfer-Encoding: chunked", "0\r\n\r\n"), ("Transfer-Encoding: chunked", "1\r\nx\r\n0\r\n\r\n"), ("Transfer-Encoding: x", ""),
                         ("Content-Length: 1", "x"), ("Content-Length: x", ""), ("Content-Length: -1", ""), ("Content-Length: 00", "")):
        a = exchange(where, f"HEAD /healthz HTTP/1.1\r\n{header}\r\n\r\n{body}".encode())
        assert a.code == 400, (header, a.code)
    assert get(where, "/healthz", headers=["Content-Length: 0"]).code == 200


def test_wrong_methods(world):
    ledger = world.running(programs.PLAIN, *ANY_PORT)
    where = port(ledger)
    bodies = ([], ["Content-Length: 0"])
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "FOO", "get", "CONNECT"):
        for headers in bodies:
            with connect(where) as s:
                send(s, "".join([f"{method} {'a:1' if method == 'CONNECT' else '/metrics'} HTTP/1.1\r\n", *(h + "\r\n" for h in headers), "\r\n"]).encode())
                data = b""
                while b"here.\n" not in data:        # a CONNECT's connection stays until its time is over
                    chunk = s.recv(4096)
                    assert chunk, (method, data)
                    data += chunk
            a = Answer(data)
            assert a.code == 405 and a.headers["allow"] == "GET, HEAD" and "GET and HEAD" in a.text, (method, a.code, a.headers)
    for head, body in ((b"Content-Length: 5", b"abcde"), (b"Transfer-Encoding: chunked", b"5\r\nabcde\r\n0\r\n\r\n"),
                       (b"Content-Length: 8192", b"x" * 8192), (b"Content-Length: 5\r\nExpect: nonsense", b"abcde")):
        a = exchange(where, b"POST /healthz HTTP/1.1\r\n" + head + b"\r\n\r\n" + body)
        assert a.code in (405, 417), (head, a.code)
    for head, body in ((b"Content-Length: 8193", b"x" * 8193), (b"Content-Length: 3000000", b"x" * 3000000),
                       (b"Transfer-Encoding: chunked", b"ffff\r\n" + b"x" * 0xffff + b"\r\n0\r\n\r\n")):
        with connect(where) as s:
            send(s, b"PUT /healthz HTTP/1.1\r\n" + head + b"\r\n\r\n" + body)
            data, was_reset = read_to_end(s)
        assert was_reset or Answer(data).code in (400, 413), (head, data[:100])
    assert get(where, "/healthz").code == 200


# ---- what it does not take ----

def survives(ledger, where):
    assert get(where, "/healthz").code == 200
    assert "[warn]" not in ledger.daemon.log() and "[err]" not in ledger.daemon.log(), ledger.daemon.log()[-2000:]


@reduced
def test_long_requests(world):
    ledger = world.running(programs.PLAIN, *ANY_PORT)
    where = port(ledger)
    fits = HEAD_BYTES_MAX - 200
    assert exchange(where, b"GET /%s HTTP/1.1\r\n\r\n" % (b"a" * fits)).code == 404
    assert exchange(where, b"GET /healthz HTTP/1.1\r\nX: %s\r\n\r\n" % (b"a" * fits)).code == 200
    over = HEAD_BYTES_MAX + 1
    for data in (b"GET /%s HTTP/1.1\r\n\r\n" % (b"a" * over), b"GET /%s HTTP/1.1\r\n\r\n" % (b"a" * (4 << 20)),
                 b"GET /healthz HTTP/1.1\r\nX: %s\r\n\r\n" % (b"a" * over), b"GET /healthz HTTP/1.1\r\n" + b"X-1: y\r\n" * 2000 + b"\r\n",
                 b"GET /healthz HTTP/1.1\r\nX: a\r\n" + b" b\r\n" * 5000 + b"\r\n", b"A" * (4 << 20), b"\r\n" * (1 << 20)):
        with connect(where) as s:
            send(s, data)
            answer, was_reset = read_to_end(s)
        assert was_reset or Answer(answer).code == 400, (data[:40], answer[:100])
    survives(ledger, where)
    with open(f"/proc/{ledger.daemon.pid}/status", encoding="ascii") as f:
        anonymous_kib = next(int(line.split()[1]) for line in f if line.startswith("RssAnon:"))
    assert anonymous_kib < (100 << 10) * SLOWNESS, f"{anonymous_kib} KiB"


def test_garbage(world):
    ledger = world.running(programs.PLAIN, *ANY_PORT)
    where = port(ledger)
    known = (b"\r\n\r\n", b"GET\r\n\r\n", b"GET \r\n\r\n", b"GET /healthz\r\n\r\n", b"GET  /healthz  HTTP/1.1\r\n\r\n", b"GET /healthz HTTP/9.9\r\n\r\n",
             b"GET /healthz HTTP/1.1 x\r\n\r\n", b"GET /healthz XTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /x\0y HTTP/1.1\r\n\r\n",
             b"GET /healthz HTTP/1.1\r\nno colon\r\n\r\n", b"GET /healthz HTTP/1.1\r\n: empty\r\n\r\n", b"GET /healthz HTTP/1.1\r\n folded: first\r\n\r\n",
             b"GET http://[::1/healthz HTTP/1.1\r\n\r\n", b"GET \x80\xff HTTP/1.1\r\n\r\n", b"GET * HTTP/1.1\r\n\r\n", b"GET ?x HTTP/1.1\r\n\r\n",
             b"GET #x HTTP/1.1\r\n\r\n", b"GET :// HTTP/1.1\r\n\r\n", b"GET mailto:x@y HTTP/1.1\r\n\r\n",
             b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) + b"\r\n\r\n")
    for data in known:
        with connect(where) as s:
            send(s, data)
            s.shutdown(socket.SHUT_WR)
            answer, _ = read_to_end(s)
        assert not answer or Answer(answer).code in (200, 400, 404), (data, answer[:100])
    pick = random.Random(11)
    words = [b"GET", b"HEAD", b"POST", b" ", b"/healthz", b"/metrics", b"HTTP/1.1", b"\r\n", b"\r", b"\n", b"\r\n\r\n", b":", b"Content-Length", b"9", b"-1",
             b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"\0", b"\xff", b"%", b"?", b"#", b"http://", b"[", b"Connection: upgrade"]
    for _ in range(400):
        data = b"".join(pick.choice(words) if pick.random() < 0.8 else pick.randbytes(pick.randrange(1, 40)) for _ in range(pick.randrange(1, 20)))
        with connect(where) as s:
            send(s, data)
            s.shutdown(socket.SHUT_WR)
            answer, _ = read_to_end(s)
        assert not answer or answer.startswith(b"HTTP/1."), (data, answer[:100])
    survives(ledger, where)
    ledger.stop()


# ---- whoever is slow, and whoever is many ----

@plain_build
@seconds(90)
def test_slow_clients(world):
    """Whatever a connection does, it has ten seconds; nobody else waits for it."""
    ledger = world.running(programs.PLAIN, *ANY_PORT)
    where = port(ledger)
    ended = {}

    def run(name, pieces):
        with connect(where, 4 * LIMIT_SECONDS) as s:
            start = time.monotonic()
            for piece in pieces:
                if select.select([s], [], [], 0.25)[0]:
                    break
                send(s, piece)
            read_to_end(s)
            ended[name] = time.monotonic() - start

    endless = {
        "silent": [],
        "a byte at a time": [b"GET /healthz HTTP/1.1\r\nX: "] + [b"a"] * 200,
        "a header at a time": [b"GET /healthz HTTP/1.1\r\n"] + [b"X: y\r\n"] * 200,
        "a body that does not come": [b"POST /healthz HTTP/1.1\r\nContent-Length: 100\r\n\r\nx"],
        "a long body, slowly": [b"POST /healthz HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n"] + [b"x" * 100] * 200,
        "connect": [b"CONNECT a:1 HTTP/1.1\r\n\r\n"],
    }
    threads = [threading.Thread(target=run, args=item) for item in endless.items()]
    for t in threads:
        t.start()
    waits = []
    while any(t.is_alive() for t in threads):
        before = time.monotonic()
        assert get(where, "/readyz").code == 200
        waits.append(time.monotonic() - before)
        time.sleep(0.2)
    assert set(ended) == set(endless)
    early = {name: s for name, s in ended.items() if s < LIMIT_SECONDS - 1 and name != "connect"}
    late = {name: s for name, s in ended.items() if s > LIMIT_SECONDS + 3}
    assert not early and not late, ended
    assert max(waits) < 2, max(waits)
    # a reader that does not read gets what was sent to it, for the sockets hold it
    with connect(where) as s:
        send(s, b"GET /metrics HTTP/1.1\r\n\r\n")
        time.sleep(1)
        assert Answer(read_to_end(s)[0]).code == 200


@seconds(90)
def test_many_connections(world):
    ledger = world.running(programs.PLAIN, *ANY_PORT)
    where = port(ledger)
    idle = [connect(where) for _ in range(CONNECTIONS_MAX)]
    get_bytes = b"GET /healthz HTTP/1.1\r\n\r\n"
    with connect(where) as late:
        send(late, get_bytes)
        # All places are taken: it waits, while commands and signals do not.
        with ledger.wire() as wire:
            for i in range(50):
                wire.ok("enrol", member=f"m{i}")
        assert not select.select([late], [], [], 0.3)[0], "more than so many were served"
        ledger.daemon.signal(signal.SIGHUP)
        eventually(lambda: "log.reopened" in ledger.daemon.log(), "that SIGHUP is heard")
        send(idle[7], get_bytes)
        assert read_to_end(idle[7])[0].endswith(b"ok\n")
        before = time.monotonic()
        assert read_to_end(late)[0].endswith(b"ok\n")
        assert time.monotonic() - before < 2 * SLOWNESS
    idle[0].close()
    idle[1].close()
    idle[2].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")        # a reset
    idle[2].close()
    for _ in range(200):
        assert get(where, "/healthz").code == 200
    for s in idle:
        s.close()
    # a crowd is served, one after the other
    crowd = [connect(where) for _ in range(200)]
    for s in crowd:
        send(s, b"GET /metrics HTTP/1.1\r\n\r\n")
    for s in crowd:
        assert Answer(read_to_end(s)[0]).code == 200
        s.close()
    descriptors = len(os.listdir(f"/proc/{ledger.daemon.pid}/fd"))
    for _ in range(300):
        connect(where).close()
    assert get(where, "/healthz").code == 200
    eventually(lambda: len(os.listdir(f"/proc/{ledger.daemon.pid}/fd")) <= descriptors, "that no descriptor is lost")
    # its end does not wait for those who are silent
    idle = [connect(where) for _ in range(CONNECTIONS_MAX + 10)]
    before = time.monotonic()
    ledger.stop()
    assert time.monotonic() - before < 5 * SLOWNESS
    for s in idle:
        s.close()


# ---- metrics ----

@reduced
def test_names_are_stable(world):
    ledger = world.running(programs.PLAIN, *ANY_PORT)
    m = Metrics(port(ledger))
    assert set(m.types) == FAMILIES, set(m.types) ^ FAMILIES
    reasons = m.labels("fealty_results_total", "reason")
    assert reasons == {"OK"} | documented_reasons(), reasons ^ {"OK"} ^ documented_reasons()
    assert m.labels("fealty_commands_total", "op") >= {"none", "publish", "enrol", "purchase", "hold", "capture", "release", "redeem", "balance", "subscribe"}
    assert m.labels("fealty_entries_total", "op") >= {"publish", "purchase", "expire", "hold_timeout", "tier_review"}
    assert m.labels("fealty_commit_step_seconds_count", "step") == {"decide", "sign", "vault", "ledger", "receipts", "state"}
    assert m.labels("fealty_start_state", "source") == {"kept", "snapshot", "empty"} and m.total("fealty_start_state") == 1
    assert m("fealty_ledger_info", origin=ledger.origin, clock="manual", engine="1") == 1
    with ledger.wire() as wire:
        assert m("fealty_build_info", version=wire.hello_ok.server_version) == 1
    ledger.restart(*ANY_PORT, "--snapshot-seconds", "1")
    where = port(ledger)
    with ledger.wire() as wire:
        wire.ok("enrol", member="m1")
    m = eventually(lambda: next((m for m in [Metrics(where)] if "fealty_snapshot_age_seconds" in m.types), None), "a snapshot")
    assert set(m.types) == FAMILIES | SNAPSHOT
    assert 0 <= m("fealty_snapshot_age_seconds") < 60 * SLOWNESS
    assert m("fealty_snapshot_transactions") == m("fealty_ledger_transactions") == 3


def test_counters_move(world):
    ledger = world.running(programs.PLAIN, *ANY_PORT)
    where = port(ledger)
    a = Metrics(where)
    with ledger.wire() as wire:
        wire.ok("enrol", member="card:secret-8801", birthday="03-10", key="e1")
        wire.ok("purchase", member="card:secret-8801", amount="100", key="p1")
        wire.ok("purchase", member="card:secret-8801", amount="100", key="p1")
        wire.refused("INSUFFICIENT_POINTS", "redeem", member="card:secret-8801", points="100000")
        wire.refused("NOT_FOUND", "balance", member="card:nobody")
        wire.ok("balance", member="card:secret-8801")
        wire.ok("hold", member="card:secret-8801", points="10", ttl="60s", key="h1")
        wire.batch([keyless("purchase", member="card:secret-8801", amount="1")] * 7, key="b1")
        wire.batch([request("purchase", member="card:secret-8801", amount="1"), request("purchase", member="card:nobody", amount="1")], atomic=True)
        wire.batch([], key="b2")
        # a day later the hold has timed out, by itself
        wire.ok("purchase", member="card:secret-8801", amount="1", at="2026-01-03T00:00:00Z", key="p2")
        tag = wire.subscribe(credits=3)
        wire.leaves(tag, 3)
        with ledger.wire("pos/1/1") as till:
            till.refused("PERMISSION_DENIED", "adjust", member="card:secret-8801", points="1", reason="x")
        b = Metrics(where)

        def moved(name, **labels):
            return b(name, **labels) - a(name, **labels)
        assert moved("fealty_commands_total", op="purchase") == 2 + 7 + 2 + 1
        assert moved("fealty_commands_total", op="enrol") == 1
        assert moved("fealty_commands_total", op="redeem") == 1
        assert moved("fealty_commands_total", op="balance") == 2
        assert moved("fealty_commands_total", op="subscribe") == 1
        assert moved("fealty_commands_total", op="none") == 1
        assert moved("fealty_results_total", reason="INSUFFICIENT_POINTS") == 1
        assert moved("fealty_results_total", reason="NOT_FOUND") == 1 + 2
        assert moved("fealty_results_total", reason="PERMISSION_DENIED") == 1
        assert moved("fealty_results_total", reason="INVALID_ARGUMENT") == 1
        assert b("fealty_refusals_total", op="redeem", reason="INSUFFICIENT_POINTS") == 1
        assert b("fealty_refusals_total", op="purchase", reason="NOT_FOUND") == 2
        assert b.total("fealty_commands_total") == b.total("fealty_results_total")
        assert b.total("fealty_refusals_total") == b.total("fealty_results_total") - b("fealty_results_total", reason="OK")
        assert moved("fealty_replays_total") == 1
        assert moved("fealty_entries_total", op="purchase") == 1 + 7 + 1
        assert moved("fealty_entries_total", op="hold_timeout") == 1
        assert moved("fealty_system_entries_total") == 1
        assert b.total("fealty_entries_total") == len([e for _, e in ledger.books().entries()]) - 1        # the genesis is not of this daemon
        books = ledger.books()
        assert b("fealty_ledger_transactions") == books.size
        commits = moved("fealty_commits_total")
        assert moved("fealty_commit_transactions_count") == commits and moved("fealty_commit_transactions_sum") == moved("fealty_ledger_transactions")
        for step in ("decide", "sign", "ledger", "state"):
            assert moved("fealty_commit_step_seconds_count", step=step) == commits, step
        assert moved("fealty_commit_step_seconds_count", step="vault") == 1
        assert 0 < moved("fealty_commit_step_seconds_sum", step="ledger") < 20 * SLOWNESS
        assert moved("fealty_write_seconds_count") == 1 + 2 + 1 + 1 + 1 + 1 + 1       # without the batch of none
        assert moved("fealty_write_seconds_sum") > 0
        assert b("fealty_connections") == 1 and b("fealty_subscriptions") == 1
        assert moved("fealty_connections_accepted_total") == 2
        assert moved("fealty_received_bytes_total") > 500 and moved("fealty_sent_bytes_total") > 500
        assert b("fealty_queue_length") == 0
        assert b("fealty_ready") == 1 and b("fealty_uptime_seconds") > a("fealty_uptime_seconds")
        for environment, path in (("ledger", "ledger"), ("vault", "vault/1"), ("state", "state")):
            assert b("fealty_file_bytes", environment=environment) == os.stat(os.path.join(ledger.data, path, "data.mdb")).st_size
        assert b("fealty_disk_free_bytes") > 0
        for secret in ("secret", "8801", "03-10", "operator/", "pos/", "card:"):
            assert secret not in b.text, secret
    eventually(lambda: Metrics(where)("fealty_connections") == 0, "that the connections end")
    assert Metrics(where)("fealty_subscriptions") == 0


def test_counters_of_many_threads(world):
    """Each thread counts for itself, and nothing is lost."""
    ledger = world.running(programs.PLAIN, *ANY_PORT, "--net-threads", "3")
    where = port(ledger)
    with ledger.wire() as wire:
        wire.ok("enrol", member="m1")

    def work(n):
        with ledger.wire() as wire:
            for i in range(100):
                wire.ok("purchase", member="m1", amount="1", key=f"{n}-{i}")
                wire.ok("balance", member="m1")
    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for t in threads:
        t.start()
    while any(t.is_alive() for t in threads):
        m = Metrics(where)
        assert m.total("fealty_refusals_total") == 0
    m = Metrics(where)
    assert m("fealty_commands_total", op="purchase") == 600 and m("fealty_commands_total", op="balance") == 600
    assert m("fealty_write_seconds_count") == 602
    assert m("fealty_commits_total") <= m("fealty_ledger_transactions")


def test_what_the_start_did(world):
    ledger = world.running(programs.PLAIN, *ANY_PORT)
    with ledger.wire() as wire:
        wire.ok("enrol", member="m1")
        for i in range(20):
            wire.ok("purchase", member="m1", amount="1")
    ledger.restart(*ANY_PORT)
    m = Metrics(port(ledger))
    assert m("fealty_start_state", source="kept") == 1 and m("fealty_start_replayed_transactions") == 0 and m("fealty_start_seconds") > 0
    assert m("fealty_entries_total", op="purchase") == 0, "counters are of the process"
    ledger.stop()
    for name in ("state", "snapshot"):
        for root, _, files in os.walk(os.path.join(ledger.data, name)):
            for file in files:
                os.unlink(os.path.join(root, file))
    ledger.start(*ANY_PORT)
    m = Metrics(port(ledger))
    assert m("fealty_start_state", source="empty") == 1 and m("fealty_start_replayed_transactions") == m("fealty_ledger_transactions") == 23


# ---- readiness ----

def test_starting(world):
    """A start that takes long, because head.lock is a pipe that nobody writes to yet."""
    ledger = world.running(programs.PLAIN, *ANY_PORT)
    ledger.stop()
    with open(ledger.head_lock, "rb") as f:
        head = f.read()
    os.unlink(ledger.head_lock)
    os.mkfifo(ledger.head_lock)
    ledger.daemon = ledger.launch(*ANY_PORT)
    where = port(ledger)
    assert readiness(where) == "starting" and get(where, "/healthz").code == 200
    m = Metrics(where)
    assert set(m.types) == PROCESS and m("fealty_ready") == 0
    with open(ledger.head_lock, "wb") as f:
        f.write(head)
    ledger.daemon.wait_ready()
    assert readiness(where) == "ready" and set(Metrics(where).types) == FAMILIES


@seconds(90)
def test_stopping(world):
    """Whoever does not read keeps the daemon for a few seconds; meanwhile it lives, and is not ready."""
    ledger = world.running(programs.PLAIN, *ANY_PORT)
    where = port(ledger)
    with ledger.wire() as wire:
        wire.ok("enrol", member="m1")
        lines = [{"sku": "s" * 32, "category": "c" * 32, "qty": 1, "amount": "0.01"}] * 10
        for n in range(3):
            wire.batch([keyless("purchase", member="m1", amount="1", lines=lines)] * 1000, key=f"b{n}")
    slow = ledger.wire("auditor/e2e")
    slow.subscribe(credits=1 << 30)
    eventually(lambda: Metrics(where)("fealty_sent_bytes_total") > 100000, "that the subscriber is sent something")
    assert readiness(where) == "ready"
    ledger.daemon.signal(signal.SIGTERM)
    eventually(lambda: readiness(where) == "stopping", "that it says so")
    assert get(where, "/healthz").code == 200
    assert Metrics(where)("fealty_ready") == 0
    slow.close()
    ledger.daemon.wait_end()


@seconds(90)
def test_a_full_disk(world):
    with small_disk(world, 32) as path:
        ledger = on_disk(world, "disk/l", "--low-space-mib", "8", *ANY_PORT)
        where = port(ledger)
        assert readiness(where) == "ready"
        ballast = fill(path, 7 << 20)
        assert readiness(where) == "disk", "before anybody has tried to write"
        wire = ledger.wire()
        wire.refused("UNAVAILABLE", "purchase", member="m1", amount="1")
        assert readiness(where) == "disk" and Metrics(where)("fealty_ready") == 0
        assert Metrics(where)("fealty_disk_free_bytes") < 8 << 20
        assert Metrics(where)("fealty_refusals_total", op="purchase", reason="UNAVAILABLE") == 1
        os.unlink(ballast)
        eventually(lambda: readiness(where) == "ready", "ready again, although nobody wrote")
        wire.ok("purchase", member="m1", amount="1")
        ledger.stop()


@plain_build
@seconds(90)
def test_a_clock_that_jumps(world):
    ledger = world.ledger(clock="real")
    ledger.start(*ANY_PORT, env=faketime(world, "+0d"))
    ledger.publish(programs.PLAIN, at=None)
    where = port(ledger)
    assert readiness(where) == "ready"
    jump(world, "+366d")
    eventually(lambda: readiness(where) == "clock", "that it waits for an operator")
    assert get(where, "/healthz").code == 200
    expect(ledger.cli("admin", "clock", "accept").json, status="OK")
    assert readiness(where) == "ready"
    ledger.stop()


# ---- the option ----

def test_addresses(world):
    ledger = world.running()
    assert "admin.listening" not in ledger.daemon.log(), "without --admin there is no such door"
    ledger.stop()
    for address in ("0.0.0.0:0", "192.0.2.1:0", "[::]:0", "localhost:0", "127.0.0.1", "127.0.0.1:70000", ":0", ""):
        words = ledger.start_refused("--admin", address)
        assert "loopback" in words and "HTTP" in words, (address, words)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = ledger.start_refused("--admin", f"127.0.0.1:{taken.getsockname()[1]}")
        assert "in use" in words, words
    ledger.start("--admin", "127.0.0.1:0")
    first = port(ledger)
    ledger.stop()
    ledger.start("--admin", f"127.0.0.1:{first}")       # at once on the same port
    assert readiness(first) == "ready"
    with connect(first) as s:
        assert s.getpeername()[0] == "127.0.0.1"
