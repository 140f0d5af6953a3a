"""The public log as it is served over HTTP, fetched by a client that knows C2SP tlog-tiles alone, and verified by main.go."""
import os
import threading

from test_admin import ANY_PORT, get, port
from test_export import enrol, export, files, key_of, snapshot, verify, wanted, write
from test_log_http import public
from world import eventually
import programs


def fetch(where, path):
    """The log of the checkpoint that is served, as files; its size."""
    note = get(where, "/checkpoint").body
    size = int(note.split(b"\n")[1])
    for name in wanted(size):
        whole = os.path.join(path, name)
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        a = get(where, "/" + name) if name != "checkpoint" else None
        assert a is None or a.code == 200, (name, a.code)
        write(whole, note if a is None else a.body)
    return size


def test_what_is_served_verifies_and_grows(world):
    ledger = world.running(programs.PLAIN, *ANY_PORT)
    where = port(ledger)
    key = key_of(ledger)
    sizes = []
    for part, n in (("a", 300), ("b", 500)):
        enrol(ledger, n, part)
        target = (sizes[-1] if sizes else 2) + n
        public(where, target)
        sizes.append(fetch(where, world.path(part)))
        assert f"{target} entries" in verify(key, world.path(part))
    assert f"the log of {sizes[0]} entries is its beginning" in verify(key, world.path("b"), world.path("a"))
    export(ledger, world.path("export"))
    assert set(files(world.path("export"))) == wanted(sizes[1])
    assert snapshot(world.path("export")) == snapshot(world.path("b")), "byte for byte"


def test_it_verifies_while_it_grows(world):
    """Tiles are fetched after the checkpoint, while more come: they are still those of that checkpoint."""
    ledger = world.running(programs.PLAIN, *ANY_PORT)
    where = port(ledger)
    key = key_of(ledger)
    eventually(lambda: get(where, "/checkpoint").code == 200, "a checkpoint")
    writer = threading.Thread(target=enrol, args=(ledger, 2000, "m"))
    writer.start()
    sizes = []
    while writer.is_alive() or len(sizes) < 2:
        path = world.path(f"f{len(sizes)}")
        sizes.append(fetch(where, path))
        assert f"{sizes[-1]} entries" in verify(key, path, world.path("f0") if sizes[1:] else None)
    writer.join()
    assert sizes == sorted(sizes)
