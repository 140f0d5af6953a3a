"""The public log over HTTP: /checkpoint and /tile/… as C2SP tlog-tiles has them, what is not public, and what hostile clients get."""
import os
import random
import select
import socket
import time

from case import plain_build, reduced, seconds
from test_admin import ANY_PORT, HEAD_BYTES_MAX, Answer, Metrics, exchange, get, port, read_to_end, send, survives
from wire import SLOWNESS, keyless
from world import eventually, expect
import programs

FULL = 256
IMMUTABLE = "public, max-age=31536000, immutable"


def enrol(ledger, n, prefix="m"):
    with ledger.wire() as wire:
        for first in range(0, n, 60):
            for tag in [wire.start("enrol", member=f"{prefix}{i}", key=f"{prefix}{i}") for i in range(first, min(n, first + 60))]:
                wire.wait(tag)
        return wire.hello_ok.size + n


def checkpoint_size(where):
    a = get(where, "/checkpoint")
    return int(a.text.split("\n")[1]) if a.code == 200 else 0


def public(where, size):
    eventually(lambda: checkpoint_size(where) == size, f"that {size} are public")


def index_path(n):
    """The path elements of an index, counted out by hand."""
    groups = [f"{n % 1000:03}"]
    while n >= 1000:
        n //= 1000
        groups.insert(0, f"x{n % 1000:03}")
    return "/".join(groups)


def tiles_of(size):
    """{path: width} of the log of this size."""
    found = {}
    for level in ("entries", "0", "1", "2"):
        n = size // FULL ** (0 if level == "entries" else int(level))
        for i in range((n + FULL - 1) // FULL):
            width = min(FULL, n - i * FULL)
            found[f"/tile/{level}/{index_path(i)}" + (f".p/{width}" if width < FULL else "")] = width
    return found


def files(path):
    """{path of a URL: bytes} of an export."""
    found = {}
    for top, _, names in os.walk(path):
        for name in names:
            with open(os.path.join(top, name), "rb") as f:
                found["/" + os.path.relpath(os.path.join(top, name), path)] = f.read()
    return found


@reduced
def test_what_is_served_is_what_is_exported(world):
    ledger = world.running(programs.PLAIN, *ANY_PORT)
    where = port(ledger)
    size = enrol(ledger, 600)
    public(where, size)
    expect(ledger.cli("log", "export", ledger.data, world.path("export")).json, size=size)
    exported = files(world.path("export"))
    assert set(exported) == {"/checkpoint", *tiles_of(size)}
    for path, data in exported.items():
        a, head = get(where, path), get(where, path, "HEAD")
        assert a.code == head.code == 200 and a.body == data, path
        assert head.body == b"" and head.headers["content-length"] == str(len(data)), (path, head.headers)
        kind = ("text/plain; charset=utf-8", "public, max-age=1") if path == "/checkpoint" else ("application/octet-stream", IMMUTABLE)
        assert (a.headers["content-type"], a.headers["cache-control"]) == kind, (path, a.headers)
        assert get(where, path, "POST").code == 405 and get(where, path, "DELETE").code == 405
    # a partial tile of any smaller width is a prefix, also of a full one
    for whole, path in (("/tile/0/000", "/tile/0/000.p/"), (f"/tile/0/002.p/{size - 512}", "/tile/0/002.p/")):
        for width in (1, 2, 17, (size - 512) - 1):
            assert get(where, f"{path}{width}").body == exported[whole][:32 * width], (path, width)
    one = get(where, "/tile/entries/001.p/1").body
    assert exported["/tile/entries/001"].startswith(one) and int.from_bytes(one[:2], "big") == len(one) - 2
    for path in (f"/tile/0/002.p/{size - 512 + 1}", f"/tile/entries/002.p/{size - 512 + 1}", "/tile/0/002", "/tile/entries/002", "/tile/0/003",
                 "/tile/0/003.p/1", "/tile/1/000", "/tile/1/000.p/3", "/tile/1/001.p/1", "/tile/2/000.p/1", "/tile/2/000", "/tile/7/000.p/1",
                 "/tile/8/000.p/1", "/tile/63/000.p/1"):
        a = get(where, path)
        assert a.code == 404 and a.headers["cache-control"] == "no-store", (path, a.code, a.headers)
    m = Metrics(where)
    assert m("fealty_http_requests_total", path="/checkpoint", code="200") >= 3 and m("fealty_http_requests_total", path="/tile/", code="404") == 14
    assert m("fealty_http_requests_total", path="other", code="405") == 2 * len(exported)


def test_nothing_beyond_the_published_head_is_shown(world):
    """head.lock cannot be written any more: what came after it stays unseen, whatever is asked."""
    ledger = world.running(programs.PLAIN, *ANY_PORT)
    where = port(ledger)
    size = enrol(ledger, 300)
    public(where, size)
    note = get(where, "/checkpoint").body
    os.rename(ledger.head_lock, ledger.head_lock + ".kept")
    os.mkdir(ledger.head_lock)
    enrol(ledger, 300, "n")
    eventually(lambda: "head_lock.failed" in ledger.daemon.log(), "that it cannot be published")
    assert get(where, "/checkpoint").body == note
    assert get(where, f"/tile/0/001.p/{size - FULL}").code == 200 and get(where, "/tile/0/000").code == 200
    for path in (f"/tile/0/001.p/{size - FULL + 1}", f"/tile/entries/001.p/{size - FULL + 1}", "/tile/0/001", "/tile/entries/001", "/tile/0/002.p/1",
                 "/tile/1/000.p/2"):
        assert get(where, path).code == 404, path
    os.rmdir(ledger.head_lock)
    public(where, size + 300)
    assert get(where, "/tile/0/001").code == 200


def test_before_the_first_checkpoint_and_before_the_start_is_over(world):
    ledger = world.running(programs.PLAIN, *ANY_PORT)
    public(port(ledger), 2)
    ledger.stop()
    with open(ledger.head_lock, "rb") as f:
        head = f.read()
    os.unlink(ledger.head_lock)
    os.mkfifo(ledger.head_lock)         # the start waits for whoever writes to it
    ledger.daemon = ledger.launch(*ANY_PORT)
    where = port(ledger)
    for path in ("/checkpoint", "/tile/0/000.p/1", "/tile/entries/000.p/1"):
        a = get(where, path)
        assert a.code == 503 and a.headers["retry-after"] == "1" and a.text == "starting\n", (path, a.code, a.text)
    with open(ledger.head_lock, "wb") as f:
        f.write(head)
    ledger.daemon.wait_ready()
    eventually(lambda: checkpoint_size(where) == 2, "a checkpoint")


STRANGE = (
    "/tile", "/tile/", "/tile//", "/tile/0", "/tile/0/", "/tile/0/0", "/tile/0/00", "/tile/0/0000", "/tile/0/000/", "/tile/0/000.p", "/tile/0/000.p/",
    "/tile/0/000.p/0", "/tile/0/000.p/01", "/tile/0/000.p/256", "/tile/0/000.p/1/", "/tile/0/000.p/-1", "/tile/0/000.p/+1", "/tile/0/000.p/1x",
    "/tile/0/000.p/4294967297", "/tile/0/000.p/18446744073709551617", "/tile/00/000", "/tile/-0/000", "/tile/64/000", "/tile/256/000", "/tile/0x0/000",
    "/tile/0/x000/000", "/tile/0/x000/x000/000", "/tile/0/000/000", "/tile/0/x00/000", "/tile/0/X001/000", "/tile/0/%30%30%30", "/tile/%30/000",
    "/tile/0/000%2ep/1", "/tile/0/000%00", "/tile/0/%", "/tile/0/%g0", "/tile/0/..%2f000", "/tile/0/./000", "/tile/0/../0/000", "/tile/../tile/0/000",
    "/tile/../../../etc/passwd", "//tile/0/000", "/tile/entries", "/tile/entries/", "/tile/entries/0", "/tile/entries/000.p/257", "/tile/Entries/000",
    "/tile/data/000", "/tile/8/0/000", "/tile/entries/0/000", "/checkpoint/", "/checkpoint.", "/checkpoint%20", "/./checkpoint", "/tile/0/000;a",
    "/tile/0/000&",
    "/tile/18446744073709551616/000", "/tile/0/x999/x999/x999/x999/x999/x999/999", "/tile/0/x018/x446/x744/x073/x709/x551/615",
    "/tile/0/x018/x446/x744/x073/x709/x551/616", "/tile/7/x018/x446/x744/x073/x709/x551/615",
)


@reduced
def test_strange_paths(world):
    ledger = world.running(programs.PLAIN, *ANY_PORT)
    where = port(ledger)
    public(where, enrol(ledger, 300))
    for path in STRANGE:
        a = exchange(where, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert a.code in (400, 404), (path, a.code)
    for digits in (100, 1000, HEAD_BYTES_MAX - 100):
        assert get(where, "/tile/0/" + "1" * digits).code == 404
        assert get(where, "/tile/" + "1" * digits + "/000").code == 404
        assert get(where, "/tile/0/000.p/" + "1" * digits).code == 404
        assert get(where, "/tile/0/" + "x000/" * (digits // 5) + "000").code == 404
    for data in (b"GET /tile/0/" + b"1" * 10000 + b" HTTP/1.1\r\n\r\n", b"GET /tile/entries/" + b"x999/" * 2000 + b"999 HTTP/1.1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", where), timeout=20) as s:
            send(s, data)
            answer, was_reset = read_to_end(s)
        assert was_reset or Answer(answer).code == 400, answer[:100]
    for data in (b"GET /tile/0/000\0 HTTP/1.1\r\n\r\n", b"GET /tile/0/\xff HTTP/1.1\r\n\r\n", b"GET /tile/0/000", b"GET /tile/0/000 HTTP/1.1\r\n",
                 b"GET /checkpoint HTTP/1.1\r\nRange: bytes=0-3\r\n\r\n", b"GET /tile/0/000 HTTP/1.1\r\n\r\n" * 50,
                 b"HEAD /tile/entries/000 HTTP/1.1\r\n\r\nGET /tile/0/000 HTTP/1.1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", where), timeout=20) as s:
            send(s, data)
            s.shutdown(socket.SHUT_WR)
            answer, was_reset = read_to_end(s)
        assert was_reset or not answer or Answer(answer).code in (200, 400, 404), answer[:100]
        assert answer.count(b"HTTP/1.1 ") <= 1, "one request a connection"
    assert get(where, "/tile/0/000?x=/tile/0/001", headers=["Range: bytes=0-3", "Accept-Encoding: gzip"]).body == get(where, "/tile/0/000").body
    survives(ledger, where)


@seconds(90)
def test_random_paths(world):
    """Whatever is asked: only a path of the log, as it is written, is answered with a tile, and always with that one."""
    ledger = world.running(programs.PLAIN, *ANY_PORT)
    where = port(ledger)
    size = enrol(ledger, 300)
    public(where, size)
    tiles = tiles_of(size)
    right = {}
    for path, width in tiles.items():
        whole = path.split(".p/")[0]
        right[path] = get(where, path).body
        for w in range(1, width):
            right[f"{whole}.p/{w}"] = None         # any smaller width is there as well
    pick = random.Random(29)
    pieces = ["tile", "entries", "0", "1", "2", "000", "001", "x000", "x001", ".p", "p", "1", "44", "255", "256", "/", "//", ".", "..", "%2f", "%00", "-1", "x",
              "0" * 9]
    found = 0
    for _ in range(1500):
        if pick.random() < 0.5:
            path = "/" + "/".join(pick.choice(pieces) for _ in range(pick.randrange(1, 7)))
        else:
            path = list(pick.choice(list(right)))
            for _ in range(pick.randrange(0, 3)):
                at = pick.randrange(1, len(path) + 1)
                path[at:at + pick.randrange(2)] = pick.choice("0123456789x./pte%")
            path = "".join(path)
        a = exchange(where, f"GET {path} HTTP/1.1\r\n\r\n".encode())
        assert a.code in (200, 400, 404), (path, a.code)
        assert (a.code == 200) == (path in right), (path, a.code)
        if a.code == 200:
            found += 1
            want = right[path]
            assert want is None or a.body == want, path
    assert found > 100, found
    survives(ledger, where)


def resident_kib(ledger):
    """Memory of its own; the pages of the files do not count."""
    with open(f"/proc/{ledger.daemon.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("RssAnon:"))


def big_bundle(world):
    """A ledger with a bundle of 15 MB, the port of its door, and the bundle's path."""
    ledger = world.running(programs.PLAIN, *ANY_PORT)
    where = port(ledger)
    with ledger.wire() as wire:
        wire.ok("enrol", member="m1")
        lines = [{"sku": "s" * 32, "category": "c" * 32, "qty": 1, "amount": "0.01"}] * 10
        n = 0
        while Metrics(where)("fealty_ledger_transactions") < FULL:
            wire.batch([keyless("purchase", member="m1", amount="1", lines=lines)] * 1000, key=f"b{n}")
            n += 1
    path = "/tile/entries/000"
    eventually(lambda: get(where, path, "HEAD").code == 200, "that the bundle is full")
    return ledger, where, path


@plain_build
@seconds(120)
def test_many_who_read_big_bundles_slowly(world):
    """Sixty clients ask for 15 MB each and do not read: what is kept for them is bounded, and the others are told to come again."""
    ledger, where, path = big_bundle(world)
    length = int(get(where, path, "HEAD").headers["content-length"])
    assert length > 10 << 20, length
    base = resident_kib(ledger)
    before = time.monotonic()
    slow = []
    for i in range(60):
        s = socket.socket()
        if i > 0:        # the first will read, and quickly
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(30)
        s.connect(("127.0.0.1", where))
        slow.append(s)
        send(s, f"GET {path} HTTP/1.1\r\n\r\n".encode())
    first = []
    for s in slow:
        assert select.select([s], [], [], 20)[0]
        first.append(s.recv(16))
    codes = [int(data.split()[1]) for data in first]
    grown = resident_kib(ledger) - base
    assert set(codes) == {200, 503} and 3 <= codes.count(200) <= 6, codes
    assert grown < 80 << 10, f"{grown} KiB for {codes.count(200)} of {length} bytes"
    # small answers are given all the while, and commands are not delayed
    assert get(where, "/healthz").code == 200 and get(where, "/checkpoint").code == 200
    with ledger.wire() as wire:
        wire.ok("purchase", member="m1", amount="1")
    a = get(where, path)
    assert a.code == 503 and a.headers["retry-after"] == "1" and a.headers["cache-control"] == "no-store", (a.code, a.headers)
    assert time.monotonic() - before < 9, "the slow ones are still connected"
    assert len(Answer(first[0] + read_to_end(slow[0])[0]).body) == length
    for s in slow:
        s.close()
    assert eventually(lambda: (lambda a: a if a.code == 200 else None)(get(where, path)), "room again").headers["content-length"] == str(length)
    assert resident_kib(ledger) - base < (80 << 10) * SLOWNESS


def test_an_end_while_an_answer_is_on_its_way(world):
    ledger, where, path = big_bundle(world)
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(30)
        s.connect(("127.0.0.1", where))
        send(s, f"GET {path} HTTP/1.1\r\n\r\n".encode())
        assert s.recv(16)
        ledger.stop()
