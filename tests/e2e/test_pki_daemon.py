"""The certificates of `fealty pki` at the daemon's door, through contexts: packaging/TLS.md from nothing to another authority."""
import os
import shutil
import signal

from test_context import Contexts
from test_pki import Authority, pki
from world import World, eventually, expect


class Door:
    """A daemon with a certificate of ${ca}, and what its administrator does to it."""

    def __init__(self, world, ca, *, crl=True, deny=True):
        self.world, self.tls = world, world.path("tls")
        _, server = ca.issue("server/main", "--address", "127.0.0.1", "--address", "localhost")
        shutil.copytree(server, self.tls)
        self.copy(ca)
        self.ledger = world.ledger()
        self.ledger.start("--listen", "127.0.0.1:0", *self.words("cert", "cert.pem"), *self.words("key", "key.pem"), *self.words("ca", "ca.pem"),
                          *(self.words("crl", "crl.pem") if crl else []), *(self.words("deny", "deny") if deny else []))
        self.ledger.publish()
        with self.ledger.wire() as wire:
            wire.ok("enrol", member="m1", key="e1")
        self.address = self.ledger.daemon.tcp_address()

    def words(self, option, name):
        return [f"--tls-{option}", os.path.join(self.tls, name)]

    def copy(self, *authorities):
        """Their certificates, lists and deny files, one behind the other."""
        for name in ("ca.pem", "crl.pem", "deny"):
            with open(os.path.join(self.tls, name + ".new"), "wb") as f:
                f.write(b"".join(open(os.path.join(a.dir, name), "rb").read() for a in authorities))
            os.replace(os.path.join(self.tls, name + ".new"), os.path.join(self.tls, name))

    def reload(self):
        before = self.ledger.daemon.log().count("tls.")
        self.ledger.daemon.signal(signal.SIGHUP)
        eventually(lambda: self.ledger.daemon.log().count("tls.") > before, "a reload")
        assert "tls.reload_failed" not in self.ledger.daemon.log()


BALANCE = ("balance", "m1", "--timeout", "5s")


def test_from_nothing_to_a_balance(world):
    ca, c = Authority(world), Contexts(world)
    door = Door(world, ca)
    pki("issue", ca.dir, "operator/anna", "--context", "anna", "--server", door.address, env=c.env)
    _, till = ca.issue("pos/0042/07", out="till")
    with open(os.path.join(till, "shop42.yaml"), "w", encoding="ascii") as f:
        f.write(f"connect: {door.address.replace('127.0.0.1', 'localhost')}\nca: ca.pem\ncert: cert.pem\nkey: key.pem\n")
    moved = world.path("etc")
    os.rename(till, moved)
    done = c.json("--context", "shop42", "purchase", "m1", "5", "--key", "k1", FEALTY_CONTEXT_DIR=moved)
    shown = c.json("--context", "anna", "transaction", done["id"].split(".")[0])["transaction"]["transaction"]["entries"]
    assert shown[-1]["principal"] == "pos/0042/07"
    c.json(*BALANCE, FEALTY_CONTEXT="anna")
    expect(c.json("--context", "anna", "audit"), status="OK")
    expect(c.json("--context", "shop42", "adjust", "m1", "5", "x", code=1, FEALTY_CONTEXT_DIR=moved), reason="PERMISSION_DENIED")
    # the options by themselves
    options = ["--connect", door.address, "--tls-ca", f"{moved}/ca.pem", "--tls-cert", f"{moved}/cert.pem", "--tls-key", f"{moved}/key.pem"]
    c.json(*BALANCE, *options)
    c.json(*BALANCE, *options, "--tls-server-name", "localhost")
    c.run(*BALANCE, *options, "--tls-server-name", "other.example", code=3)
    c.run("--context", "anna", *BALANCE, "--as", "operator/ben", code=3)
    os.chmod(f"{moved}/key.pem", 0o444)
    assert "key.pem is open to others" in c.run(*BALANCE, *options, code=3).err


def test_a_till_that_is_revoked(world):
    """By the list, by the deny file, and by either alone; the till beside it goes on."""
    for n, how in enumerate(({"crl": True, "deny": True}, {"crl": True, "deny": False}, {"crl": False, "deny": True})):
        part = World(world.path(str(n)))
        part.daemons = world.daemons
        os.mkdir(part.dir)
        ca, c = Authority(part), Contexts(part)
        door = Door(part, ca, **how)
        for name in ("lost", "good"):
            pki("issue", ca.dir, f"pos/1/{name}", "--context", name, "--server", door.address, env=c.env)
            c.json("--context", name, *BALANCE)
        pki("revoke", ca.dir, "pos/1/lost")
        c.json("--context", "lost", *BALANCE)               # the daemon knows nothing of it yet
        door.copy(ca)
        door.reload()
        assert "revoked" in c.run("--context", "lost", *BALANCE, code=3).err
        c.json("--context", "good", *BALANCE)
        os.rename(os.path.join(c.dir, "lost"), os.path.join(c.dir, "lost.old"))
        os.unlink(os.path.join(c.dir, "lost.yaml"))
        pki("issue", ca.dir, "pos/1/lost", "--context", "lost", "--server", door.address, env=c.env)
        c.json("--context", "lost", *BALANCE)
        door.ledger.stop()


def test_another_authority_takes_the_daemon_over(world):
    old, new, c = Authority(world, "old"), Authority(world, "new"), Contexts(world)
    door = Door(world, old)
    pki("issue", old.dir, "pos/1/1", "--context", "before", "--server", door.address, env=c.env)
    pki("issue", new.dir, "pos/1/1", "--context", "after", "--server", door.address, env=c.env)
    assert c.run("--context", "after", *BALANCE, code=3)
    door.copy(old, new)
    door.reload()
    for name in ("before", "after"):
        path = os.path.join(c.dir, name, "ca.pem")
        os.unlink(path)
        shutil.copy(os.path.join(door.tls, "ca.pem"), path)
        c.json("--context", name, *BALANCE)
    _, server = new.issue("server/main", "--address", "127.0.0.1", out="next")
    for name in ("cert.pem", "key.pem"):
        os.replace(os.path.join(server, name), os.path.join(door.tls, name))
    door.copy(new)
    door.reload()
    c.json("--context", "after", *BALANCE)
    c.run("--context", "before", *BALANCE, code=3)
