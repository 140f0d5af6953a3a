#!/usr/bin/python3
"""Clients that do not play by the rules, each by one attack, until SIGTERM.

    PYTHONPATH=build/e2e-messages tests/e2e/hostile_client.py ADDRESS ATTACK [--from A.B.C.D] [--tls CA CERT KEY] [--principal P]

ADDRESS is unix:PATH or HOST:PORT; --from is the address that it comes from, so that what is counted by address tells it from others; --tls gives
what a door with TLS asks for.  Prints "ready" when it is under way, and at the end what it did, a JSON object: connections that it made, those
that the server ended (by ERROR's reason, or "closed"), frames that came and bytes that were sent.  With few instructions for many bytes: what it
sends is made beforehand, since it shares its processors with those whom it disturbs.
"""
import argparse
import collections
import itertools
import json
import os
import random
import resource
import signal
import socket
import ssl
import struct
import sys
import time

from wire import BATCH, CREDIT, ERROR, HEADER, HELLO, PING, REQUEST, frame, hello_message, pb, request

LINGER_0 = struct.pack("ii", 1, 0)          # close() resets
DRIP_SECONDS = 1.0
MEMBER = "m1"


class Gone(Exception):
    """The server has ended the connection."""


class Peer:
    """A connection, not blocking."""

    def __init__(self, attacker, raw):
        self.attacker = attacker
        self.waiting = b""                  # for the socket to take it
        self.rest = b""                     # of a frame that has begun
        self.socket = attacker.door.connect(raw)
        self.socket.setblocking(False)

    def send(self, data=b""):
        """True when all was taken."""
        self.waiting += data
        try:
            while self.waiting:
                n = self.socket.send(self.waiting[:1 << 18])
                self.attacker.counts["sent"] += n
                self.waiting = self.waiting[n:]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return False
        except OSError as e:
            self.read()                     # why, if it said so
            raise Gone from e
        return True

    def read(self):
        """Takes what came, and counts it."""
        try:
            for _ in range(16):
                data = self.socket.recv(1 << 18)
                if not data:
                    self.end("closed")
                self.take(self.rest + data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:
            self.end("reset")

    def take(self, data):
        at = 0
        while len(data) - at >= HEADER.size:
            length, _, kind, _, _ = HEADER.unpack_from(data, at)
            if len(data) - at < HEADER.size + length:
                break
            self.attacker.counts["frames"] += 1
            if kind == ERROR:
                self.end(pb.Error.Reason.Name(pb.Error.FromString(data[at + HEADER.size:at + HEADER.size + length]).reason))
            at += HEADER.size + length
        self.rest = data[at:]

    def end(self, why):
        self.attacker.counts["ended " + why] += 1
        raise Gone

    def close(self, reset=False):
        if reset and self.socket.family == socket.AF_INET:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
        self.socket.close()


class Door:
    def __init__(self, address, source=None, tls=None):
        self.address, self.source = address, source
        self.context = None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self.context.load_verify_locations(tls[0])
            self.context.load_cert_chain(tls[1], tls[2])
            self.context.set_alpn_protocols(["fealty/1"])

    def connect(self, raw):
        if self.address.startswith("unix:"):
            s = socket.socket(socket.AF_UNIX)
            s.connect(self.address[len("unix:"):])
            return s
        host, port = self.address.rsplit(":", 1)
        s = socket.create_connection((host, int(port)), timeout=10, source_address=(self.source, 0) if self.source else None)
        if self.context is None or raw:
            return s
        try:
            return self.context.wrap_socket(s, server_hostname=host)
        except OSError:
            s.close()
            raise


class Attacker:
    def __init__(self, door, principal):
        self.door, self.principal = door, principal
        self.counts = collections.Counter()
        self.peers = []

    def peer(self, hello=True, raw=False):
        """A new connection, or None: the server has no room, or is slow to say so."""
        try:
            p = Peer(self, raw)
        except OSError as e:
            self.counts["refused " + type(e).__name__] += 1
            return None
        self.counts["connections"] += 1
        self.peers.append(p)
        try:
            if hello:
                p.send(frame(HELLO, hello_message(self.principal)))
        except Gone:
            self.drop(p)
            return None
        return p

    def drop(self, p, reset=False):
        p.close(reset)
        self.peers.remove(p)

    def keep(self, n, per_turn=20, **options):
        """So many connections, a few new ones at a time; the new ones."""
        return [p for p in (self.peer(**options) for _ in range(min(per_turn, n - len(self.peers)))) if p is not None]

    def each(self, act):
        """${act} with each connection; those that have ended go."""
        for p in list(self.peers):
            try:
                act(p)
            except Gone:
                self.drop(p)


# ---- the attacks: each goes on as long as it is asked to ----

def drip(a, data, hello):
    """A byte a second, on many connections."""
    at = collections.defaultdict(int)
    while True:
        a.keep(200, hello=hello, raw=not hello)

        def one(p):
            p.read()
            p.send(data[at[p]:at[p] + 1])
            at[p] += 1
        a.each(one)
        yield DRIP_SECONDS


def slow_hello(a):
    """A HELLO by the byte; at a door with TLS its handshake."""
    hello = frame(HELLO, hello_message(a.principal))
    return drip(a, b"\x16\x03\x01\x02\x00" + b"\x01" * 600 if a.door.context else hello, hello=False)


def slow_frame(a):
    """A later frame by the byte."""
    return drip(a, frame(REQUEST, b"\x0a\xff" * 2000, tag=1), hello=True)


def connections(a):
    """As many as it can, without a word; the oldest are reset."""
    while True:
        a.keep(1500, per_turn=64, hello=False, raw=True)
        if len(a.peers) >= 1500:
            for p in a.peers[:64]:
                a.drop(p, reset=True)
        a.each(lambda p: p.read())
        yield 0.04


def half_open(a):
    """Says that it sends nothing more, in the middle or after HELLO, and stays."""
    half = frame(HELLO, hello_message(a.principal))[:20]
    while True:
        for p in a.keep(400, hello=False, raw=True):
            try:
                if random.random() < 0.5 or a.door.context:
                    p.send(half)
                else:
                    p.send(frame(HELLO, hello_message(a.principal)) + balances(50))
                p.socket.shutdown(socket.SHUT_WR)
            except (Gone, OSError):
                a.drop(p)
        a.each(lambda p: p.read())
        yield 0.05


def lengths(a):
    """Lengths that lie, and what is no frame at all."""
    lies = [frame(REQUEST, b"", tag=1, length=n) + b"x" * 10 for n in (1, 4096, 65536, 65537, 1 << 20, (1 << 20) + 1, 0xffffffff)]
    lies += [frame(BATCH, b"", tag=1, length=n) for n in ((1 << 20) + 1, 0xffffffff)]
    lies += [frame(77, b"x"), frame(REQUEST, b"x", version=9), random.randbytes(5000)]
    while True:
        for p, lie in zip(a.keep(60), itertools.cycle(lies)):
            try:
                p.send(lie)
            except Gone:
                a.drop(p)
        a.each(lambda p: p.read())
        for p in a.peers[:10]:
            a.drop(p, reset=random.random() < 0.5)
        yield 0.05


def flood(a, n, data, reads):
    """Sends as fast as it is taken."""
    while True:
        for p in a.keep(n, per_turn=4):
            p.waiting = data

        def one(p):
            if reads:
                p.read()
            if p.send():
                p.waiting = data
        a.each(one)
        yield 0.005


def balances(n):
    body = request("balance", member=MEMBER)
    return b"".join(frame(REQUEST, body, tag=i + 1) for i in range(n))


def pings(a):
    return flood(a, 4, b"".join(frame(PING, pb.Ping(nonce=i), tag=i) for i in range(2000)), reads=True)


def pings_unread(a):
    return flood(a, 8, b"".join(frame(PING, pb.Ping(nonce=i), tag=i) for i in range(2000)), reads=False)


def pipeline(a):
    """Far more in flight than is allowed, whatever the answers say."""
    return flood(a, 4, balances(1000), reads=True)


def unread(a):
    """Long answers that nobody takes."""
    body = request("history", member=MEMBER, limit=100)
    return flood(a, 16, b"".join(frame(REQUEST, body, tag=i + 1) for i in range(60)), reads=False)


def batches(a):
    """A mebibyte that unpacks into much: half a million commands, thirty with 15 000 lines each, a thousand with as many lines as may be."""
    field = pb.Batch.DESCRIPTOR.fields_by_name["commands"].number << 3 | 2
    lines = pb.Request.DESCRIPTOR.fields_by_name["purchase"].message_type.fields_by_name["lines"].number << 3 | 2

    def commands(n, n_lines):
        purchase = request("purchase", key="x", member=MEMBER, amount="1")
        purchase.purchase.MergeFromString(bytes([lines, 0]) * n_lines)
        return pb.Batch(commands=[purchase] * n).SerializeToString()
    bodies = bytes([field, 0]) * ((1 << 19) - 8), commands(30, 15000), commands(1000, 200)
    return flood(a, 4, b"".join(frame(BATCH, body, tag=i + 1) for i, body in enumerate(bodies)), reads=True)


def subscriptions(a):
    """As many as there are, for all that comes, and nothing of it is read."""
    body = request("subscribe", credits=1 << 30)
    hoard = b"".join(frame(REQUEST, body, tag=i + 1) for i in range(20)) + frame(CREDIT, pb.Credit(credits=1 << 31), tag=1) * 50
    while True:
        for p in a.keep(40, per_turn=4):
            p.waiting = hoard
        a.each(lambda p: p.send())
        yield 0.02


ATTACKS = {f.__name__: f for f in (slow_hello, slow_frame, connections, half_open, lengths, pings, pings_unread, pipeline, unread, batches, subscriptions)}


def main():
    p = argparse.ArgumentParser(description="A client that does not play by the rules.")
    p.add_argument("address")
    p.add_argument("attack", choices=ATTACKS)
    p.add_argument("--from", dest="source")
    p.add_argument("--tls", nargs=3, metavar=("CA", "CERT", "KEY"))
    p.add_argument("--principal", default="backend/hostile")
    o = p.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    a = Attacker(Door(o.address, o.source, o.tls), o.principal)
    try:
        for turn, pause in enumerate(ATTACKS[o.attack](a)):
            if turn == 1:
                print("ready", flush=True)
            time.sleep(pause if turn > 0 else 0.01)
    finally:
        print(json.dumps(a.counts), flush=True)
        os._exit(0)


if __name__ == "__main__":
    main()
