"""Mutual TLS: who gets in, as whom, for how long; and what a peer that does not play by the rules can do."""
import os
import select
import signal
import socket
import ssl
import subprocess
import threading
import time

from authority import CLIENT, SERVER, Authority, openssl
from case import plain_build, reduced
from test_clock import faketime, jump
from wire import ERROR, GOAWAY, HELLO, Closed, Fatal, Wire, frame, hello_message, keyless, pb
from world import eventually, expect


class Door:
    """A daemon that listens with TLS, and the authority that it trusts."""

    def __init__(self, world, *arguments, env=None):
        self.authority = Authority(world.dir)
        self.server = self.authority.server()
        self.ledger = world.ledger(clock="manual" if env is None else "real")
        self.ledger.start(*self.authority.options(self.server), *arguments, env=env)
        self.ledger.publish()
        self.address = self.ledger.daemon.tcp_address()

    def wire(self, certificate, principal="", alpn="fealty/1", **options):
        return Wire(self.address, principal, tls=self.authority.context(certificate, alpn), **options)

    def log_has(self, *words):
        def look():
            return [line for line in self.ledger.daemon.log().splitlines() if all(w in line for w in words)]
        return eventually(look, f"a line of the log with {words}")

    def reload(self):
        before = self.ledger.daemon.log().count("tls.")
        self.ledger.daemon.signal(signal.SIGHUP)
        eventually(lambda: self.ledger.daemon.log().count("tls.") > before, "a reload")


def refused(door, certificate, alpn="fealty/1", context=None):
    """What the client is told: in TLS 1.3 it may think that it is connected, and learns it from what comes next."""
    try:
        with Wire(door.address, "", tls=context or door.authority.context(certificate, alpn)):
            raise AssertionError("it got in")
    except ssl.SSLError as e:
        return str(e)
    except Closed as e:
        return str(e)


def test_the_certificate_says_who_it_is(world):
    door = Door(world)
    till, operator = door.authority.issue("pos/0042/07"), door.authority.issue("operator/kim")
    with door.wire(till) as wire:
        expect(wire.hello_ok, principal="pos/0042/07")
        wire.ok("enrol", member="m1", key="e1")
        expect(wire.ok("purchase", member="m1", amount="12.00", key="p1"), replayed=False)
        wire.refused("PERMISSION_DENIED", "adjust", member="m1", points="5", reason="gift", key="a1")
        expect(wire.refused("PERMISSION_DENIED", "purchase", member="m1", amount="1", store="0043", key="p2"), field="store")
        assert wire.socket.version() == "TLSv1.3"
    with door.wire(till, "pos/0042/07") as wire:
        expect(wire.hello_ok, principal="pos/0042/07")
    with door.wire(operator) as wire:
        wire.ok("adjust", member="m1", points="5", reason="gift", key="a1")
    for said in ("pos/0042/08", "operator/kim", "system"):
        try:
            with door.wire(till, said):
                raise AssertionError("it was believed")
        except Fatal as e:
            assert e.reason == "PRINCIPAL_REFUSED", e
    # a good certificate of nobody's: the daemon's own kind of name, or a till's without a terminal
    for name in ("server/x", "pos/0042", "operator", "system/x", "pos/1/2/3"):
        try:
            with door.wire(door.authority.issue(name)):
                raise AssertionError(f"{name} got in")
        except Fatal as e:
            assert e.reason == "PRINCIPAL_REFUSED", e


def test_certificates_that_are_not_good(world):
    door = Door(world)
    a, other = door.authority, Authority(world.dir, "other")
    issue = a.issue
    for why, certificate, words in (
            ("none", None, "did not return a certificate"),
            ("another CA's", other.issue("pos/1/1"), "unable to get"),
            ("one that ended", issue("pos/1/1", days=("-days", "-1")), "expired"),
            ("a server's", issue("pos/1/1", usage=SERVER), "purpose"),
            ("one for nothing", issue("pos/1/1", usage=None), "does not say that it is for clients"),
            ("one without a name", issue(names=""), "exactly one URI"),
            ("one with two names", issue(names="URI:spiffe://example.com/pos/1/1,URI:spiffe://example.com/operator/x"), "exactly one URI"),
            ("one of another domain", issue(names="URI:spiffe://example.org/pos/1/1"), "another trust domain"),
            ("one with an odd name", issue(names="URI:spiffe://example.com/pos/1/1/"), "no SPIFFE ID"),
            ("one with a port", issue(names="URI:spiffe://example.com:1/pos/1/1"), "no SPIFFE ID"),
            ("one with a web address", issue(names="URI:https://example.com/pos/1/1"), "no SPIFFE ID"),
            ("one with a short key", issue("pos/1/1", newkey=("rsa:1024",)), "key too weak"),
    ):
        context = a.context(None)
        if certificate is not None:
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            context.load_cert_chain(certificate.cert, certificate.key)
        n = len(door.ledger.daemon.log().splitlines())
        said = refused(door, None, context=context)
        line = eventually(lambda n=n: [x for x in door.ledger.daemon.log().splitlines()[n:] if "conn.rejected" in x], f"a word about {why}")[0]
        assert words in line and "reason=NO_HANDSHAKE" in line and "address=127.0.0.1" in line, f"{why}: {line}"
        assert "alert" in said.lower(), f"{why}: {said}"
    with door.wire(issue("pos/1/1")) as wire:
        expect(wire.hello_ok, principal="pos/1/1")


def test_only_this_protocol_and_this_version(world):
    door = Door(world)
    till = door.authority.issue("pos/1/1")
    assert "alert" in refused(door, till, alpn="http/1.1").lower()
    assert refused(door, till, alpn=None)
    door.log_has("conn.rejected", "fealty/1 (ALPN)")
    old = door.authority.context(till)
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert "alert" in refused(door, till, context=old).lower()
    # no TLS at all
    with socket.create_connection(door.address.rsplit(":", 1)) as plain:
        plain.sendall(frame(HELLO, hello_message("pos/1/1")))
        plain.settimeout(20)
        said = b""
        while chunk := plain.recv(1000):
            said += chunk
        assert b"PRINCIPAL" not in said and len(said) < 16, said
    with door.wire(till) as wire:
        wire.ping(nonce=1)
        # no ticket was given, so nobody resumes without certificate and key
        assert not wire.socket.session.has_ticket, "a ticket"
        session = wire.socket.session
    context = door.authority.context(till)
    raw = socket.create_connection(door.address.rsplit(":", 1))
    with context.wrap_socket(raw, server_hostname="localhost", session=session if session.id else None) as again:
        assert not again.session_reused


@reduced
def test_revoked_at_once(world):
    door = Door(world)
    a = door.authority
    thief, lost, good = a.issue("pos/1/1"), a.issue("pos/1/2"), a.issue("pos/1/3")
    with door.wire(thief) as w1, door.wire(lost) as w2, door.wire(good) as w3:
        w3.ok("enrol", member="m1", key="e1")
        a.revoke(thief)
        a.write_deny(lost)
        door.reload()
        for wire, words in ((w1, "revoked"), (w2, "deny list")):
            f = wire.read_frame()
            error = pb.Error.FromString(f.body)
            assert f.type == ERROR and pb.Error.Reason.Name(error.reason) == "PRINCIPAL_REFUSED" and words in error.message, error
        expect(w3.ok("balance", member="m1"), member_no=1)     # the connection of before
        for certificate in (thief, lost):
            assert "revoked" in refused(door, certificate), certificate
        with door.wire(good) as wire:
            expect(wire.ok("balance", member="m1"), member_no=1)
        # what is taken off the list gets in again
        a.write_deny()
        door.reload()
        with door.wire(lost) as wire:
            expect(wire.hello_ok, principal="pos/1/2")


@reduced
def test_a_reload_changes_all_or_nothing(world):
    door = Door(world)
    a = door.authority
    till = a.issue("pos/1/1")
    with door.wire(till) as wire:
        wire.ok("enrol", member="m1", key="e1")
        before = wire.socket.getpeercert()["serialNumber"]
        for path, damage in ((a.deny, "not a hash\n"), (a.crl, "nothing\n"), (a.cert, ""), (door.server.cert, "x")):
            kept = open(path, encoding="ascii").read()
            with open(path, "w", encoding="ascii") as f:
                f.write(damage)
            door.reload()
            line = door.log_has("tls.reload_failed")[-1]
            assert path in line, line
            with open(path, "w", encoding="ascii") as f:
                f.write(kept)
            expect(wire.ok("balance", member="m1"), member_no=1)
            door.wire(till).close()
        renewed = a.server()
        os.replace(renewed.key, door.server.key)
        os.replace(renewed.cert, door.server.cert)
        door.reload()
        with door.wire(till) as new:
            assert new.socket.getpeercert()["serialNumber"] != before
        expect(wire.ok("balance", member="m1"), member_no=1)
        # another CA: who came by the old one goes, whoever comes by the new one gets in
        other = Authority(world.dir, "other")
        for mine, theirs in ((a.cert, other.cert), (a.crl, other.crl)):
            with open(theirs, encoding="ascii") as f, open(mine, "w", encoding="ascii") as g:
                g.write(f.read())
        door.reload()
        assert wire.read_frame().type == ERROR


def test_a_list_that_is_out_of_date_lets_nobody_in(world):
    door = Door(world)
    till = door.authority.issue("pos/1/1")
    door.authority.write_crl("-crlsec", "1")
    time.sleep(1.1)
    door.reload()
    refused(door, till)
    door.log_has("conn.rejected", "CRL has expired")
    door.authority.write_crl()
    door.reload()
    door.wire(till).close()


def test_starts_with_what_it_can_use_or_not_at_all(world):
    a = Authority(world.dir)
    ledger = world.ledger()

    def says(server, *words, **changed):
        options = dict(zip(a.options(server)[::2], a.options(server)[1::2]))
        options.update({"--" + k.replace("_", "-"): v for k, v in changed.items()})
        said = ledger.start_refused(*[x for pair in options.items() for x in pair])
        assert all(w in said for w in words), said

    good = a.server()
    loose = a.server()
    os.chmod(loose.key, 0o440)
    says(loose, loose.key, "open to others", "chmod 0400")
    says(good, "not that of the certificate", tls_key=a.server().key)
    says(a.issue("pos/1/1", usage=CLIENT), "for servers")
    says(a.server(days=("-days", "-1")), "ended at")
    says(a.server(names="DNS:localhost"), "trust domain", "exactly one URI")
    says(good, "\"EXAMPLE\" is no trust domain", tls_domain="EXAMPLE")
    says(good, "/nowhere", "No such file", tls_ca="/nowhere")
    says(good, "/nowhere", "No such file", tls_cert="/nowhere")
    says(good, "/nowhere", "No such file", tls_key="/nowhere")
    says(good, "/nowhere", "No such file", tls_crl="/nowhere")
    says(good, "/nowhere", "No such file", tls_deny="/nowhere")
    says(good, "no address", listen="localhost:7450")
    locked = a.issue("x", usage=SERVER)
    openssl("ec", "-in", locked.key, "-aes256", "-passout", "pass:secret", "-out", locked.key + ".locked")
    os.chmod(locked.key + ".locked", 0o400)
    says(locked, "without a password", tls_key=locked.key + ".locked")
    ledger.start(*a.options(a.server(names="DNS:localhost")), "--tls-domain", "example.com")
    with Wire(ledger.daemon.tcp_address(), "", tls=a.context(a.issue("pos/1/1"))) as wire:
        expect(wire.hello_ok, principal="pos/1/1")


def test_ends_are_said(world):
    door = Door(world)
    till = door.authority.issue("pos/1/1")
    wire = door.wire(till)
    wire.socket.unwrap().close()            # says that it sends nothing more, and waits until the server has said so
    door.log_has("conn.closed", "reason=PEER_CLOSED")
    wire = door.wire(till)
    raw = socket.socket(fileno=wire.socket.detach())
    raw.close()                             # just ends
    door.log_has("conn.closed", "reason=TRUNCATED")
    with door.wire(till) as wire:
        wire.send(HELLO, hello_message(""))     # twice: fatal
        assert wire.read_frame().type == ERROR
        assert wire.socket.recv(1) == b""       # an end without close_notify would be an error here


def test_an_aged_connection_is_told_to_begin_anew(world):
    door = Door(world, "--connection-age", "1")
    with door.wire(door.authority.issue("pos/1/1")) as wire:
        f = wire.read_frame()
        assert f.type == GOAWAY and "old" in pb.Goaway.FromString(f.body).message, f
        wire.ok("enrol", member="m1", key="e1")     # what is sent all the same is answered


@plain_build
def test_a_certificate_that_ends_while_its_connection_is_open(world):
    door = Door(world, env=faketime(world, "+0d"))
    short, long = door.authority.issue("pos/1/1", days=("-days", "1")), door.authority.issue("pos/1/2")
    with door.wire(short) as wire, door.wire(long) as other:
        wire.ok("enrol", member="m1", key="e1")
        jump(world, "+25h")
        wire.start("balance", member="m1")
        f = wire.read_frame()
        assert f.type == ERROR and "has ended" in pb.Error.FromString(f.body).message, f
        expect(other.ok("balance", member="m1"), member_no=1)


def test_a_handshake_has_ten_seconds(world):
    door = Door(world)
    with socket.create_connection(door.address.rsplit(":", 1)) as slow, door.wire(door.authority.issue("pos/1/1")) as wire:
        begin = time.monotonic()
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
        slow.settimeout(0.5)
        ended = False
        for byte in hello:
            try:
                slow.sendall(bytes([byte]))
                ended = slow.recv(10) == b""
            except TimeoutError:
                continue
            except OSError:
                ended = True
            if ended:
                break
        took = time.monotonic() - begin
        assert ended and 8 < took < 20, f"{took} s"
        wire.ping(nonce=1)
    door.log_has("conn.rejected", "reason=HANDSHAKE_TIMEOUT")


@reduced
def test_much_at_once_through_many_records(world):
    door = Door(world)
    a = door.authority
    with door.wire(a.issue("operator/kim")) as wire, door.wire(a.issue("auditor/kim")) as auditor:
        for b in range(4):
            answer = wire.batch([keyless("enrol", member=f"card:{b}-{i}-{'x' * 80}") for i in range(1000)], key=f"b{b}")
            assert len(answer.results) == 1000 and not any(r.reason for r in answer.results), answer
        leaves = auditor.leaves(auditor.subscribe(credits=12), 12)
        assert sum(len(leaf) for leaf in leaves) > 100000, leaves
    door.ledger.stop()
    door.ledger.audit()


# ---- libfealty, by way of the command line ----

def client(door, certificate, *words, code=0, address=None, **files):
    """What `fealty` says with these files instead of those that are right."""
    options = {"ca": door.authority.cert, "cert": certificate.cert, "key": certificate.key, **files}
    return door.ledger.cli(*words, "--connect", address or door.address, *[x for k, v in options.items() for x in (f"--tls-{k.replace('_', '-')}", v)],
                           code=code)


def says(result, *words):
    assert all(w in result.json["message"] for w in words), result


def test_a_client_knows_its_server(world):
    door = Door(world)
    till, other = door.authority.issue("pos/1/1"), Authority(world.dir, "other")
    port = door.address.rsplit(":", 1)[1]
    client(door, till, "enrol", "m1", "--key", "e1")
    client(door, till, "balance", "m1", address=f"localhost:{port}")         # a name, which is looked up
    client(door, till, "balance", "m1", server_name="localhost")
    says(client(door, till, "balance", "m1", code=3, server_name="shop.example.com"), "not good", "ostname mismatch")
    says(client(door, till, "balance", "m1", code=3, server_name="127.0.0.2"), "not good", "IP address mismatch")
    says(client(door, till, "balance", "m1", code=3, ca=other.cert), "not good", "certificate")
    says(client(door, till, "balance", "m1", code=3, address=f"nobody.invalid:{port}"), "nobody.invalid", "cannot be looked up")
    # a client's certificate is no server's, whoever signed it
    fake = door.authority.issue(usage=CLIENT, names="URI:spiffe://example.com/pos/1/1,IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(fake.cert, fake.key)
    context.set_alpn_protocols(["fealty/1"])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept_one, args=(listener, context), daemon=True).start()
        says(client(door, till, "balance", "m1", code=3, address=f"127.0.0.1:{listener.getsockname()[1]}"), "purpose")
    # nor is one that speaks something else
    context.load_cert_chain(door.server.cert, door.server.key)
    context.set_alpn_protocols(["http/1.1"])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept_one, args=(listener, context), daemon=True).start()
        client(door, till, "balance", "m1", "--timeout", "2s", code=3, address=f"127.0.0.1:{listener.getsockname()[1]}")


def accept_one(listener, context):
    """A server that shakes one hand and waits for the end."""
    try:
        raw, _ = listener.accept()
        with context.wrap_socket(raw, server_side=True) as s:
            s.recv(1)
    except OSError:
        pass


def test_a_client_learns_why_it_is_refused(world):
    door = Door(world)
    a = door.authority
    till, thief = a.issue("pos/1/1"), a.issue("pos/1/2")
    client(door, till, "enrol", "m1", "--key", "e1")
    a.revoke(thief)
    door.reload()
    # the handshake is over for the client when the server has judged: it is told later, and believes it
    says(client(door, thief, "balance", "m1", code=3), "refuses our certificate", "revoked")
    says(client(door, Authority(world.dir, "other").issue("pos/1/1"), "balance", "m1", code=3), "refuses our certificate", "unknown CA")
    says(client(door, a.issue(names=""), "balance", "m1", code=3), "refuses our certificate")
    old = a.issue("pos/1/1", days=("-days", "-1"))
    says(client(door, old, "balance", "m1", code=3), old.cert, "ended at")         # which nobody needs a server for
    says(client(door, a.server(), "balance", "m1", code=3), "for clients")
    loose = a.issue("pos/1/1")
    os.chmod(loose.key, 0o444)
    says(client(door, loose, "balance", "m1", code=3), loose.key, "open to others")
    says(client(door, till, "balance", "m1", code=3, cert="/nowhere"), "/nowhere", "No such file")
    says(client(door, till, "balance", "m1", "--as", "operator/kim", code=None), "PRINCIPAL_REFUSED")
    for words in (["--connect", "192.0.2.1:7450"], ["--connect", "ledger.example.com:7450"]):
        result = door.ledger.cli("balance", "m1", *words, code=2)
        says(result, "TLS", "--context")


def test_an_answer_that_is_cut_off_is_asked_for_again(world):
    """A FIN that does not come from the server is a lost connection: the command goes out again under its key, and happens once."""
    door = Door(world)
    till = door.authority.issue("pos/1/1")
    client(door, till, "enrol", "m1", "--key", "e1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        cut = []
        threading.Thread(target=cutting_proxy, args=(listener, door.address, cut), daemon=True).start()
        result = client(door, till, "purchase", "m1", "10.00", "--key", "p1", address=f"127.0.0.1:{listener.getsockname()[1]}")
        assert cut == [True], "nothing was cut off"
        expect(result.json, replayed=True)
    expect(client(door, till, "balance", "m1").json, available="10")
    door.log_has("conn.closed", "principal=pos/1/1")


def cutting_proxy(listener, address, cut):
    """Of the first connection, what the server says after HELLO_OK is kept back; then both sides are shut down in good order."""
    host, port = address.rsplit(":", 1)
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        far = socket.create_connection((host, int(port)))
        first, sent_by_client, said_by_server = not cut, 0, 0
        poll = select.poll()
        for s in (near, far):
            poll.register(s, select.POLLIN)
        open_both = True
        while open_both:
            for fd, _ in poll.poll():
                source, target = (near, far) if fd == near.fileno() else (far, near)
                data = source.recv(65536)
                if source is near and data:
                    sent_by_client += 1
                if source is far and data:
                    said_by_server += 1
                # the client says: handshake, its end and HELLO, the command; the server's answer to that is not passed on
                if not data or (first and source is far and sent_by_client >= 3 and said_by_server >= 3):
                    if data:
                        cut.append(True)
                    open_both = False
                    break
                target.sendall(data)
        near.close()
        far.close()


def test_key_updates_without_end(world):
    """They are no data, and cost the other connections nothing."""
    door = Door(world)
    till, noisy = door.authority.issue("pos/1/1"), door.authority.issue("pos/1/2")
    host_port = door.address
    talker = subprocess.Popen(["openssl", "s_client", "-connect", host_port, "-cert", noisy.cert, "-key", noisy.key, "-CAfile", door.authority.cert,
                               "-alpn", "fealty/1", "-tls1_3"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 2
        with door.wire(till) as wire:
            n = 0
            while time.monotonic() < end and talker.poll() is None:
                try:
                    talker.stdin.write(b"k\n" * 50)
                    talker.stdin.flush()
                except BrokenPipeError:
                    break
                begin = time.monotonic()
                wire.ping(nonce=n)
                assert time.monotonic() - begin < 2, "a ping waited"
                n += 1
            assert n > 3
    finally:
        talker.kill()
        talker.wait()
