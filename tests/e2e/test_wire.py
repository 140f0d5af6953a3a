"""Frames, limits and the order of events: WIRE.md, from the other side."""
import random
import socket
import struct

import programs
from case import reduced, seconds
from wire import (BATCH, CANCEL, CREDIT, ERROR, GOAWAY, HEADER, HELLO, HELLO_OK, PING, PONG, PUSH, REQUEST, RESPONSE, Closed, Fatal, Wire, frame, hello_message,
                  keyless, pb, request)
from world import expect

FRAME_MAX = 64 * 1024
BATCH_MAX = 1 << 20
HELLO_MAX = 4096


def served(world, **options):
    ledger = world.running(**options)
    with ledger.wire() as wire:
        wire.ok("enrol", member="m1", key="e1")
    return ledger


def still_serves(ledger):
    """Whatever one connection did, others are served."""
    with ledger.wire() as wire:
        expect(wire.ok("balance", member="m1"), member_no=1)


def test_hello_announces_the_limits(world):
    ledger = served(world)
    with ledger.wire("pos/0042/07") as wire:
        ok = wire.hello_ok
        expect(ok, version=1, origin=ledger.origin, principal="pos/0042/07", frame_bytes_max=FRAME_MAX, batch_bytes_max=BATCH_MAX, batch_commands_max=1000,
               reply_bytes_max=1 << 20, in_flight_max=64, idle_ms=600000, manual_clock=True, size=3)
        assert list(ok.features) == ["batch", "subscribe"] and ok.server_version, ok
        assert wire.ping(nonce=12345, tag=9) == 12345
        assert wire.ping(nonce=0) == 0
    with ledger.wire("") as wire:
        assert wire.hello_ok.principal == "operator/local"
    with Wire(ledger.address, hello=False) as wire:
        ok = wire.say_hello(pb.Hello(version_min=1, version_max=9, features=["batch", "no such thing"], checkpoint_size=1))
        assert ok.version == 1 and list(ok.features) == ["batch"], ok


def test_hello_refused(world):
    ledger = served(world)
    for reason, message in (
            ("NO_COMMON_VERSION", pb.Hello(version_min=2, version_max=3)),
            ("PRINCIPAL_REFUSED", hello_message("system")),
            ("PRINCIPAL_REFUSED", hello_message("system/x")),
            ("PRINCIPAL_REFUSED", hello_message("pos/0042")),
            ("PRINCIPAL_REFUSED", hello_message("pos/0042/07/1")),
            ("PRINCIPAL_REFUSED", hello_message("pos//07")),
            ("PRINCIPAL_REFUSED", hello_message("operator/a b")),
            ("PRINCIPAL_REFUSED", hello_message("backend/" + "x" * 128)),
            ("MALFORMED", b"\xff\xff\xff"),
            ("MALFORMED", b"\x32\x02\xc3\x28"),          # a principal that is no UTF-8
    ):
        with Wire(ledger.address, hello=False) as wire:
            wire.send(HELLO, message)
            wire.expect_fatal(reason)
    with ledger.wire() as wire:
        wire.send(HELLO, hello_message())
        wire.expect_fatal("HELLO_REPEATED")
    still_serves(ledger)


@reduced
def test_principals_per_door(world):
    ledger = world.running(programs.PLAIN, "--listen", "127.0.0.1:0", "--insecure-loopback")
    address = ledger.daemon.tcp_address()
    with Wire(address, "pos/0042/07") as wire:
        wire.ok("enrol", member="m1", key="e1")
        wire.ok("purchase", member="m1", amount="5", key="p1")
    with Wire(address, "backend/app") as wire:
        expect(wire.ok("balance", member="m1"), available="5")
    for principal in ("", "operator/local", "auditor/kpmg", "approver/a", "system", "nobody/x"):
        with Wire(address, hello=False) as wire:
            wire.send(HELLO, hello_message(principal))
            wire.expect_fatal("PRINCIPAL_REFUSED")
    for principal in ("pos/1/2", "backend/app", "auditor/kpmg", "operator/o", "approver/a"):
        with ledger.wire(principal) as wire:
            assert wire.hello_ok.principal == principal


def test_roles(world):
    ledger = served(world)
    reads = {"balance": {"member": "m1"}, "quote": {"member": "m1", "amount": "1"}, "history": {"member": "m1"}, "transaction": {"seq": 2}, "show_program": {},
             "terminals": {}}
    member_writes = {"purchase": {"member": "m1", "amount": "1"}, "redeem": {"member": "m1", "points": "1"}, "profile": {"member": "m1", "birthday": "01-02"},
                     "hold": {"member": "m1", "points": "1"}, "capture": {"member": "m1", "hold": "x"}, "release": {"member": "m1", "hold": "x"},
                     "birthday": {"member": "m1"}, "enrol": {"member": "m1"}}
    operator = {"adjust": {"member": "m1", "points": "1", "reason": "x"}, "tier": {"member": "m1", "tier": "gold", "reason": "x"}, "clock_accept": {},
                "vault": {}, "scrub": {}, "person": {"member": "m1"}}
    allowed = {
        "pos/1/2": {*member_writes, "quote", "balance", "transaction", "show_program", "terminals"},
        "backend/a": {*member_writes, *reads},
        "auditor/a": {"transaction", "show_program", "terminals"},
        "approver/a": {"show_program"},
        "operator/a": {*member_writes, *reads, *operator},
    }
    for principal, ops in allowed.items():
        with ledger.wire(principal) as wire:
            for op, fields in {**reads, **member_writes, **operator}.items():
                r = wire.call(op, **fields)
                denied = r.reason == "PERMISSION_DENIED"
                assert denied == (op not in ops), f"{principal} {op}: {r}"
    with ledger.wire("pos/1/2") as wire:
        wire.refused("PERMISSION_DENIED", "purchase", member="m1", amount="1", store="9")
        wire.refused("PERMISSION_DENIED", "purchase", member="m1", amount="1", terminal="9")
        wire.ok("purchase", member="m1", amount="1", store="1", terminal="2")
        wire.refused("PERMISSION_DENIED", "subscribe", credits=1)
    with ledger.wire("approver/a") as wire:
        wire.refused("PERMISSION_DENIED", "subscribe", credits=1)


def test_garbage(world):
    ledger = served(world)
    dice = random.Random(2)
    for n in range(60):
        with Wire(ledger.address, hello=n % 2 == 0) as wire:
            try:
                wire.send_raw(dice.randbytes(dice.randint(16, 3000)))
                wire.expect_end()
            except (Fatal, Closed):
                pass
            except socket.timeout as e:
                raise AssertionError(f"garbage {n} was neither refused nor closed") from e
    for first in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaa", b"\0" * 64):
        with Wire(ledger.address, hello=False) as wire:
            wire.send_raw(first)
            wire.expect_fatal("BAD_VERSION")
    still_serves(ledger)


def test_garbage_in_bodies(world):
    """Well-formed headers, random bodies: an ERROR or a refusal, and never a write."""
    ledger = served(world)
    dice = random.Random(3)
    good = [request("purchase", member="m1", amount="x", key="k").SerializeToString(),
            pb.Batch(key="b", commands=[keyless("purchase", member="m1", amount="x")]).SerializeToString()]
    for n in range(150):
        with ledger.wire() as wire:
            kind = dice.choice([REQUEST, REQUEST, BATCH, PING, CREDIT, CANCEL])
            body = bytearray(dice.choice(good)) if dice.random() < 0.6 else bytearray(dice.randbytes(dice.randint(0, 200)))
            for _ in range(dice.randint(0, 3)):
                if body:
                    body[dice.randrange(len(body))] = dice.randrange(256)
            try:
                wire.send(kind, bytes(body), tag=5)
                wire.send(PING, pb.Ping(nonce=n), tag=6)
                if kind == BATCH:
                    wire.batches.add(5)
                while 6 not in wire.answers:
                    wire.take()
            except Fatal as fatal:
                assert fatal.reason in ("MALFORMED", "TAG_INVALID"), fatal
    with ledger.wire() as wire:
        assert wire.hello_ok.size == 3, "garbage was written into the ledger"


def test_truncated_frames(world):
    ledger = served(world)
    whole = frame(REQUEST, request("purchase", member="m1", amount="10", key="cut"), tag=1)
    for cut in (1, 4, 15, 16, 17, len(whole) - 1):
        with ledger.wire() as wire:
            wire.send_raw(whole[:cut])
            wire.socket.shutdown(socket.SHUT_WR)
            wire.expect_end()
    with ledger.wire() as wire:
        assert wire.hello_ok.size == 3
        wire.ok("purchase", member="m1", amount="10", key="cut")


def test_frames_in_pieces(world):
    ledger = served(world)
    with ledger.wire() as wire:
        data = b"".join(frame(REQUEST, request("purchase", member="m1", amount="1", key=f"p{n}"), tag=n) for n in range(1, 11))
        for byte in data[:200]:
            wire.send_raw(bytes([byte]))
        wire.send_raw(data[200:])
        for n in range(1, 11):
            assert wire.wait(n).status == pb.OK
        expect(wire.ok("balance", member="m1"), available="10")


def test_oversized_is_refused_on_the_header(world):
    ledger = served(world)
    for kind, length, hello in ((HELLO, HELLO_MAX + 1, False), (HELLO, 0xFFFFFFFF, False), (REQUEST, FRAME_MAX + 1, True), (REQUEST, 0xFFFFFFFF, True),
                                (BATCH, BATCH_MAX + 1, True), (PING, FRAME_MAX + 1, True), (CREDIT, 1 << 31, True)):
        with Wire(ledger.address, hello=hello) as wire:
            wire.send_raw(HEADER.pack(length, 1, kind, 0, 1 if hello else 0))      # nothing of the body
            wire.expect_fatal("FRAME_TOO_LARGE")
    with Wire(ledger.address, hello=False) as wire:                 # the largest that is allowed
        message = hello_message("operator/test")
        message.client_name = "x" * (HELLO_MAX - len(message.SerializeToString()) + len(message.client_name) - 1)
        assert len(message.SerializeToString()) == HELLO_MAX
        wire.say_hello(message)
    with ledger.wire() as wire:
        r = request("purchase", member="m1", amount="1", key="large", lines=[{"sku": "s", "category": "c", "qty": 1, "amount": "0"}] * 100)
        short = len(r.SerializeToString())
        r.purchase.lines[0].sku = "s" * (FRAME_MAX - short - 6)
        assert FRAME_MAX - 6 <= len(r.SerializeToString()) <= FRAME_MAX
        assert wire.wait(wire.start_request(r)).reason == "INVALID_ARGUMENT"      # taken in, and judged: a sku of 60 KB is none
    still_serves(ledger)


def test_header_is_judged_in_order(world):
    ledger = served(world)
    for reason, header in (
            ("BAD_VERSION", (0xFFFFFFFF, 2, 99, 0xFF00, 0)),
            ("UNKNOWN_TYPE", (0xFFFFFFFF, 1, 99, 0xFF00, 0)),
            ("UNKNOWN_TYPE", (0, 1, 0, 0, 1)),
            ("UNKNOWN_FLAG", (0xFFFFFFFF, 1, REQUEST, 0x0100, 0)),
            ("FRAME_TOO_LARGE", (0xFFFFFFFF, 1, REQUEST, 0, 0)),
            ("TAG_INVALID", (0, 1, REQUEST, 0, 0)),
            ("TAG_INVALID", (0, 1, BATCH, 0, 0))):
        with ledger.wire() as wire:
            wire.send_raw(HEADER.pack(*header))
            wire.expect_fatal(reason)
    for kind in (HELLO_OK, RESPONSE, PUSH, GOAWAY, ERROR, 13, 255):
        with ledger.wire() as wire:
            wire.send(kind, b"", tag=1)
            wire.expect_fatal("UNKNOWN_TYPE")


def test_flags(world):
    ledger = served(world)
    for bit in range(8):                    # the high byte must be understood
        with ledger.wire() as wire:
            wire.send(REQUEST, request("balance", member="m1"), tag=1, flags=0x100 << bit)
            wire.expect_fatal("UNKNOWN_FLAG")
    with ledger.wire() as wire:             # the low byte may be ignored
        wire.send(REQUEST, request("balance", member="m1"), tag=1, flags=0xFF)
        assert wire.wait(1).status == pb.OK
        wire.send(PING, pb.Ping(nonce=4), tag=2, flags=0x01)
        assert wire.wait(2).nonce == 4


def test_before_hello(world):
    ledger = served(world)
    for kind in (REQUEST, BATCH, PING, CREDIT, CANCEL):
        with Wire(ledger.address, hello=False) as wire:
            wire.send(kind, request("balance", member="m1"), tag=1)
            wire.expect_fatal("HELLO_REQUIRED")
    with Wire(ledger.address, hello=False) as wire:         # right behind it is allowed, without waiting
        wire.send_raw(frame(HELLO, hello_message("operator/test")) + frame(REQUEST, request("balance", member="m1"), tag=3))
        assert wire.read_frame().type == HELLO_OK
        assert wire.wait(3).status == pb.OK


@seconds(90)
def test_slow_peers(world):
    """10 s from the connect to HELLO, and from the first byte of a frame to its last, however many bytes come meanwhile."""
    ledger = served(world)
    silent = Wire(ledger.address, hello=False, timeout=40)
    begun = ledger.wire(timeout=40)
    begun.send_raw(frame(REQUEST, request("balance", member="m1"), tag=1)[:3])
    dripping = ledger.wire(timeout=40)
    drip = frame(REQUEST, b"\0" * 60000, tag=1)
    idle = ledger.wire(timeout=40)
    dripping.socket.settimeout(0.25)
    at, error = 0, None
    while at < 200 and error is None:
        try:
            dripping.send_raw(drip[at:at + 1])
            at += 1
            dripping.take()
        except socket.timeout:
            continue
        except (Fatal, Closed) as e:
            error = e
    assert isinstance(error, Fatal) and error.reason == "TIMEOUT", f"after {at} bytes: {error!r}"
    silent.expect_fatal("TIMEOUT")
    begun.expect_fatal("TIMEOUT")
    expect(idle.ok("balance", member="m1"), member_no=1)        # an idle one that has said HELLO stays
    for wire in (silent, begun, dripping, idle):
        wire.close()


def field(number, wire_type, payload):
    return bytes([number << 3 | wire_type]) + payload if number < 16 else _varint(number << 3 | wire_type) + payload


def _varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def test_commands_are_read_strictly(world):
    """Unknown and doubled fields, bad UTF-8, NUL, numbers that no enum has: INVALID_ARGUMENT, nothing written, the connection lives."""
    ledger = served(world)
    good = request("purchase", member="m1", amount="10", key="strict")

    def with_body(raw):
        """A purchase whose inner bytes are ${raw}."""
        r = pb.Request(key="strict")
        return r.SerializeToString() + _varint(23 << 3 | 2) + _varint(len(raw)) + raw

    inner = pb.Purchase(member="m1", amount="10").SerializeToString()
    bad = {
        "an unknown field": good.SerializeToString() + field(15, 0, b"\x01"),
        "an unknown op": pb.Request(key="strict").SerializeToString() + _varint(90 << 3 | 2) + b"\0",
        "no op": pb.Request(key="strict").SerializeToString(),
        "an unknown field inside": with_body(inner + field(14, 0, b"\x01")),
        "a field twice": with_body(inner + b"\x12\x0211"),
        "a key twice": good.SerializeToString() + b"\x0a\x01k",
        "two ops": good.SerializeToString() + request("balance", member="m1").SerializeToString(),
        "no UTF-8": with_body(b"\x0a\x02\xc3\x28\x12\x0210"),
        "a surrogate": with_body(b"\x0a\x03\xed\xa0\x80\x12\x0210"),
        "overlong UTF-8": with_body(b"\x0a\x02\xc0\x80\x12\x0210"),
        "an embedded NUL": with_body(b"\x0a\x03m1\0\x12\x0210"),
        "a NUL in the amount": with_body(b"\x0a\x02m1\x12\x0310\0"),
        "a wrong wire type": with_body(field(1, 0, b"\x01") + b"\x12\x0210"),
    }
    with ledger.wire() as wire:
        for what, raw in bad.items():
            r = wire.wait(wire.start_request(raw))
            assert r.reason == "INVALID_ARGUMENT" and r.status == pb.INVALID_ARGUMENT and r.message, f"{what}: {r}"
        expect(wire.ok("balance", member="m1"), available="0", seq=2)
        wire.ok("purchase", member="m1", amount="10", key="strict")
    no_message = {"a length beyond the end": b"\x0a\x7fk", "a group": b"\x0b", "a varint without end": b"\x18" + b"\xff" * 11,
                  "an inner length beyond": with_body(b"\x0a\x7fm")}
    for what, raw in no_message.items():
        with ledger.wire() as wire:
            wire.send(REQUEST, raw, tag=1)
            try:
                r = wire.wait(1)
                assert what == "an inner length beyond" and r.reason == "INVALID_ARGUMENT", f"{what}: {r}"
            except Fatal as fatal:
                assert fatal.reason == "MALFORMED" and fatal.tag == 1, f"{what}: {fatal}"


def test_bad_values(world):
    ledger = served(world)
    with ledger.wire() as wire:
        for key in ("a b", "ä", "x" * 65, "a/b", "a\nb"):
            r = wire.call("purchase", member="m1", amount="1", key=key)
            assert r.reason == "INVALID_ARGUMENT" and r.field == "key", (key, r)
        r = wire.wait(wire.start_request(keyless("purchase", member="m1", amount="1")))
        assert r.reason == "INVALID_ARGUMENT" and r.field == "key", r
        r = wire.call("balance", member="m1", key="k")                # a read has no request id
        assert r.reason == "INVALID_ARGUMENT" and r.field == "key", r
        wire.ok("purchase", member="m1", amount="1", key="x" * 64)
        wire.ok("purchase", member="m1", amount="1", key="aZ09._:-")
        for fields in ({"member": ""}, {"member": "x" * 129}, {"member": "a\x01b"}):
            wire.refused("INVALID_ARGUMENT", "purchase", amount="1", **fields)
        wire.refused("INVALID_ARGUMENT", "purchase", member="m1")
        wire.refused("INVALID_ARGUMENT", "purchase", amount="1")
        wire.refused("INVALID_ARGUMENT", "hold", member="m1", points="1", ttl="0s")
        wire.refused("INVALID_ARGUMENT", "hold", member="m1", points="1", ttl="31d")
        wire.refused("INVALID_ARGUMENT", "hold", member="m1", points="1", ttl="5")
        wire.refused("INVALID_ARGUMENT", "history", member="m1", limit=101)
        wire.refused("INVALID_ARGUMENT", "adjust", member="m1", points="1", reason="Not A Code")
        wire.refused("INVALID_ARGUMENT", "purchase", member="m1", amount="1", lines=[{"sku": "a", "qty": 1, "amount": "2"}])
        wire.refused("NOT_FOUND", "balance", member="m1", program="nothing")
        wire.refused("INVALID_ARGUMENT", "balance", member="m1", at="2025-12-31T00:00:00Z")


@reduced
def test_pipelining_and_too_many_in_flight(world):
    ledger = served(world)
    with ledger.wire() as wire:
        tags = [wire.start("purchase", member="m1", amount="1", key=f"p{n}") for n in range(64)]
        answers = [wire.wait(tag) for tag in tags]
        assert all(a.status == pb.OK for a in answers)
        assert len({a.id for a in answers}) == 64
        expect(wire.ok("balance", member="m1"), available="64")
    # written at once they are read in turns of 32, so few answers come in between; the one too many ends the connection, and those before it are
    # decided all the same
    with ledger.wire() as wire:
        requests = [request("purchase", member="m1", amount="1", key=f"q{n}") for n in range(1, 1001)]
        wire.send_raw(b"".join(frame(REQUEST, r, tag=n) for n, r in enumerate(requests, 1)))
        last = wire.expect_fatal("TOO_MANY_IN_FLIGHT").tag
        assert last >= 65, last
    still_serves(ledger)
    with ledger.wire() as wire:
        for n in (1, 64, last - 1):
            r = wire.ok("purchase", member="m1", amount="1", key=f"q{n}")
            assert r.replayed, "what was in flight was to be decided"
        assert not wire.ok("purchase", member="m1", amount="1", key=f"q{last}").replayed, "the one too many was not to be decided"


def test_balances_that_come_together(world):
    """Read in one piece they are answered from one snapshot, each as if it had come alone, and before whatever ends the connection."""
    ledger = served(world)
    ledger.publish(programs.STARS, at=None)
    with ledger.wire() as wire:
        for n in range(40):
            wire.ok("enrol", program="plain", member=f"g{n}", key=f"ge{n}")
            wire.ok("purchase", program="plain", member=f"g{n}", amount=str(n), key=f"gp{n}")
        wire.ok("enrol", program="stars", member="g1", key="other")
        asked = [(program, f"g{n % 44}") for n in range(150) for program in (["plain", "stars"] if n % 7 == 0 else ["plain"])]
        asked += [(None, "g1"), ("plain", "g2"), ("nowhere", "g2"), ("plain", "")]
        alone = []
        for program, member in asked:
            tag = wire.start("balance", program=program, member=member)
            alone.append(wire.wait(tag))
        assert {a.status for a in alone} == {pb.OK, pb.NOT_FOUND, pb.INVALID_ARGUMENT}
        first = 10000
        wire.send_raw(b"".join(frame(REQUEST, request("balance", program=p, member=m), tag=first + n) for n, (p, m) in enumerate(asked)))
        for n, want in enumerate(alone):
            got = wire.wait(first + n)
            assert got == want, (asked[n], got, want)
    for ending, reason in ((b"\0" * 16, "BAD_VERSION"), (frame(REQUEST, b"\xff\xff", tag=9), "MALFORMED")):
        with ledger.wire() as wire:
            wire.send_raw(b"".join(frame(REQUEST, request("balance", program="plain", member=f"g{n}"), tag=n) for n in range(1, 6)) + ending)
            for n in range(1, 6):
                assert wire.wait(n).status == pb.OK, n
            wire.expect_fatal(reason)


def test_tags(world):
    ledger = served(world)
    with ledger.wire() as wire:
        big = 2 ** 64 - 1
        wire.send(REQUEST, request("balance", member="m1"), tag=big)
        assert wire.wait(big).status == pb.OK
        wire.send(REQUEST, request("balance", member="m1"), tag=big)      # free again after its answer
        assert wire.wait(big).status == pb.OK
    with ledger.wire() as wire:
        tag = wire.subscribe(credits=0)
        wire.send(REQUEST, request("balance", member="m1"), tag=tag)
        wire.expect_fatal("TAG_IN_USE", tag)
    with ledger.wire() as wire:
        commands = [keyless("purchase", member="m1", amount="1") for _ in range(900)]
        wire.send_raw(frame(BATCH, pb.Batch(key="t", commands=commands), tag=4) + frame(REQUEST, request("purchase", member="m1", amount="1", key="tw"), tag=4))
        wire.expect_fatal("TAG_IN_USE", 4)


def test_credit_and_cancel_of_nothing(world):
    ledger = served(world)
    with ledger.wire() as wire:
        wire.credit(77, 5)
        wire.cancel(77)
        assert wire.ping() == 7
        wire.credit(0, 5)
        wire.expect_fatal("TAG_INVALID")


def test_deadline(world):
    ledger = served(world)
    with ledger.wire() as wire:
        expect(wire.ok("purchase", member="m1", amount="1", key="p1", deadline_ms=60000), available="1")
        # behind work of many milliseconds, a deadline of one passes before it is decided
        commands = [keyless("purchase", member="m1", amount="1") for _ in range(1000)]
        for n in range(6):
            wire.start_batch(commands, key=f"b{n}")
        tag = wire.start("purchase", member="m1", amount="1", key="late", deadline_ms=1)
        r = wire.wait(tag)
        expect(r, reason="DEADLINE_EXCEEDED", field="deadline_ms")
        assert r.status == pb.DEADLINE_EXCEEDED and not r.retryable
        expect(wire.ok("purchase", member="m1", amount="1", key="late"), replayed=False)


def test_many_connections(world):
    ledger = served(world)
    wires = [ledger.wire(f"pos/1/{n}") for n in range(300)]
    tags = [w.start("purchase", member="m1", amount="1", key="first") for w in wires]
    assert all(w.wait(t).status == pb.OK for w, t in zip(wires, tags))
    expect(wires[0].ok("balance", member="m1"), available="300")
    for w in wires:
        w.close()


def test_answers_that_nobody_reads(world):
    """A client that sends reads and takes no answers is bounded: reading it pauses, or it is closed; others are served."""
    ledger = served(world)
    with ledger.wire() as wire:
        for n in range(200):
            wire.ok("purchase", member="m1", amount="1", key=f"h{n}")
    greedy = ledger.wire(timeout=3)
    data = b"".join(frame(REQUEST, request("history", member="m1", limit=100), tag=n) for n in range(1, 51))
    sent = 0
    try:
        for _ in range(400):
            greedy.send_raw(data)
            sent += 50
    except (socket.timeout, Closed):
        pass
    assert sent < 20000, "20 000 answers were taken in for somebody who does not read"
    still_serves(ledger)
    greedy.close()
    still_serves(ledger)


def test_hello_bytes_of_the_documentation(world):
    """The example in WIRE.md, byte for byte."""
    ledger = served(world)
    with Wire(ledger.address, hello=False) as wire:
        wire.send_raw(bytes.fromhex("0000001c01010000000000000000000008011001220474696c6c2a03312e30320b706f732f303034322f3037"))
        f = wire.read_frame()
        assert f.type == HELLO_OK and pb.HelloOk.FromString(f.body).principal == "pos/0042/07"
        wire.send_raw(bytes.fromhex("000000110103000000000000000000011 8d00f82020b0a09636172643a38383031".replace(" ", "")))
        assert wire.wait(1).reason == "NOT_FOUND"
        assert struct.calcsize(">IBBHQ") == 16 and PONG == 7
