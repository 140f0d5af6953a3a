"""A client of fealty's protocol, written from proto/WIRE.md and from nothing else.

It shares no code with the C client, so that a misunderstanding which the daemon and libfealty have in common shows here.  Blocking, one thread
per connection.  The messages are made by protoc into the build directory (run.py puts it on sys.path).
"""
import itertools
import os
import socket
import struct
import uuid
from datetime import date, datetime, timedelta, timezone
from typing import NamedTuple

import fealty_pb2 as pb
import ledger_pb2 as ledger  # noqa: F401  for those who import this module
import program_pb2  # noqa: F401

HELLO, HELLO_OK, REQUEST, RESPONSE, PUSH, PING, PONG, GOAWAY, BATCH, CREDIT, CANCEL, ERROR = range(1, 13)
HEADER = struct.Struct(">IBBHQ")        # body length, version, type, flags, tag
VERSION = 1

WRITES = {"publish", "enrol", "profile", "purchase", "hold", "capture", "release", "redeem", "adjust", "tier", "birthday", "activity",
          "freeze", "unfreeze", "close", "return", "reverse_redeem", "transfer", "merge", "advance", "clock_accept",
          "rotate_key", "approve", "approver_key", "membership_start", "membership_renew", "membership_cancel",
          "pool_join", "pool_leave",
          "voucher_use", "voucher_void", "opening", "consent", "erase"}
COMMON = {"key", "at", "deadline_ms", "program", "occurred_at", "store", "terminal", "terminal_seq", "want_receipt", "terminal_refused"}
INSTANTS = {"at", "occurred_at", "as_of"}
DAYS = {"last_day", "until"}

# Sanitizers make everything slower; run.py says by how much.
SLOWNESS = float(os.environ.get("FEALTY_E2E_SLOWNESS", "1"))
PATIENCE_SECONDS = 20 * SLOWNESS


class Closed(Exception):
    """The server closed the connection (or reset it)."""


class Fatal(Exception):
    """The server sent an ERROR frame."""

    def __init__(self, error, tag):
        super().__init__(f"{pb.Error.Reason.Name(error.reason)}: {error.message} (tag {tag})")
        self.reason = pb.Error.Reason.Name(error.reason)
        self.error = error
        self.tag = tag


class Frame(NamedTuple):
    type: int
    flags: int
    tag: int
    body: bytes


def microseconds(text):
    """RFC 3339 to microseconds since 1970."""
    delta = datetime.fromisoformat(text.replace("Z", "+00:00")) - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (delta.days * 86400 + delta.seconds) * 1000000 + delta.microseconds


def days(text):
    """YYYY-MM-DD to days since 1970-01-01."""
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def day_text(number):
    return (date(1970, 1, 1) + timedelta(days=number)).isoformat()


def instant_text(us):
    return (datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=us)).isoformat().replace("+00:00", "Z")


def fill(message, fields):
    for name, value in fields.items():
        if value is None:
            continue
        if name in INSTANTS and isinstance(value, str):
            value = microseconds(value)
        elif name in DAYS and isinstance(value, str):
            value = days(value)
        field = message.DESCRIPTOR.fields_by_name[name]
        if field.label == field.LABEL_REPEATED:
            for one in value:
                if isinstance(one, dict):
                    fill(getattr(message, name).add(), one)
                else:
                    getattr(message, name).append(one)
        elif field.message_type is not None:
            getattr(message, name).CopyFrom(value)
        else:
            setattr(message, name, value)


def request(op, key=None, **fields):
    """A Request; a write without a key gets a new one."""
    r = pb.Request()
    if key is None and op in WRITES:
        key = uuid.uuid4().hex
    if key:
        r.key = key
    fill(r, {name: value for name, value in fields.items() if name in COMMON})
    body = getattr(r, op)
    body.SetInParent()
    fill(body, {name: value for name, value in fields.items() if name not in COMMON})
    return r


def keyless(op, **fields):
    """A Request of a batch that takes its key from the batch."""
    r = request(op, key="x", **fields)
    r.ClearField("key")
    return r


def bytes_of(message):
    return message if isinstance(message, bytes) else message.SerializeToString()


def frame(kind, body=b"", tag=0, flags=0, version=VERSION, length=None):
    data = bytes_of(body)
    return HEADER.pack(len(data) if length is None else length, version, kind, flags, tag) + data


def hello_message(principal="", **fields):
    h = pb.Hello(version_min=1, version_max=1, features=["batch", "subscribe"], client_name="e2e", client_version="1")
    if principal:
        h.principal = principal
    fill(h, fields)
    return h


class Wire:
    """One connection.  ${address} is unix:PATH or HOST:PORT; ${tls}: an ssl.SSLContext."""

    def __init__(self, address, principal="operator/test", hello=True, timeout=PATIENCE_SECONDS, tls=None):
        if address.startswith("unix:"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            target = address[len("unix:"):]
        else:
            host, port = address.rsplit(":", 1)
            self.socket = socket.socket(socket.AF_INET)
            self.socket.settimeout(timeout)
            target = (host, int(port))
        try:
            self.socket.connect(target)
            if tls is not None:
                self.socket = tls.wrap_socket(self.socket, server_hostname="localhost", suppress_ragged_eofs=False)
        except OSError:
            self.socket.close()
            raise
        self.tags = itertools.count(1)
        self.batches = set()
        self.answers = {}
        self.pushes = {}
        self.goaway = None
        self.buffer = b""
        self.hello_ok = None
        if hello:
            try:
                self.hello_ok = self.say_hello(hello_message(principal))
            except BaseException:
                self.close()
                raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    # ---- frames ----

    def send_raw(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as e:
            raise Closed(str(e)) from e

    def send(self, kind, body=b"", tag=0, flags=0):
        self.send_raw(frame(kind, body, tag, flags))

    def _exactly(self, n):
        while len(self.buffer) < n:
            try:
                chunk = self.socket.recv(1 << 18)
            except ConnectionResetError as e:
                raise Closed(str(e)) from e
            if not chunk:
                raise Closed("in the middle of a frame" if self.buffer else "between frames")
            self.buffer += chunk
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def read_frame(self):
        length, version, kind, flags, tag = HEADER.unpack(self._exactly(HEADER.size))
        assert version == VERSION and flags == 0, (version, flags)
        assert length <= 1 << 20, f"the server sent {length} bytes in a frame"
        return Frame(kind, flags, tag, self._exactly(length))

    def say_hello(self, message):
        self.send(HELLO, message)
        f = self.read_frame()
        if f.type == ERROR:
            raise Fatal(pb.Error.FromString(f.body), f.tag)
        assert f.type == HELLO_OK and f.tag == 0, f
        return pb.HelloOk.FromString(f.body)

    def take(self):
        """Reads one frame and puts it where it belongs."""
        f = self.read_frame()
        if f.type == RESPONSE:
            is_batch = f.tag in self.batches
            self.batches.discard(f.tag)
            assert f.tag not in self.answers, f"two answers with tag {f.tag}"
            self.answers[f.tag] = (pb.BatchResponse if is_batch else pb.Response).FromString(f.body)
        elif f.type == PUSH:
            self.pushes.setdefault(f.tag, []).append(pb.Push.FromString(f.body))
        elif f.type == PONG:
            self.answers[f.tag] = pb.Pong.FromString(f.body)
        elif f.type == GOAWAY:
            self.goaway = pb.Goaway.FromString(f.body)
        elif f.type == ERROR:
            raise Fatal(pb.Error.FromString(f.body), f.tag)
        else:
            raise AssertionError(f"a server does not send type {f.type}")

    # ---- requests ----

    def start(self, op, **fields):
        return self.start_request(request(op, **fields))

    def start_request(self, message, tag=None):
        tag = next(self.tags) if tag is None else tag
        self.send(REQUEST, message, tag)
        return tag

    def start_batch(self, commands, key=None, atomic=False, deadline_ms=None):
        b = pb.Batch(commands=commands)
        if key:
            b.key = key
        if atomic:
            b.atomic = True
        if deadline_ms is not None:
            b.deadline_ms = deadline_ms
        return self.start_batch_message(b)

    def start_batch_message(self, message, tag=None):
        tag = next(self.tags) if tag is None else tag
        self.batches.add(tag)
        self.send(BATCH, message, tag)
        return tag

    def wait(self, tag):
        while tag not in self.answers:
            self.take()
        return self.answers.pop(tag)

    def call(self, op, **fields):
        return self.wait(self.start(op, **fields))

    def ok(self, op, /, **fields):
        r = self.call(op, **fields)
        assert r.status == pb.OK, f"{op} {fields}: {reason_of(r)} {r.field} {r.message}"
        return r

    def refused(self, reason, op, /, **fields):
        r = self.call(op, **fields)
        assert r.status != pb.OK, f"{op} {fields} was to be refused as {reason}, and is OK"
        assert r.reason == reason, f"{op} {fields} was to be refused as {reason}, not {reason_of(r)} {r.field} {r.message}"
        assert r.message, "a refusal has a sentence"
        assert not r.id, "a refusal names no entry"
        return r

    def batch(self, commands, **fields):
        return self.wait(self.start_batch(commands, **fields))

    def ping(self, nonce=7, tag=0):
        self.send(PING, pb.Ping(nonce=nonce), tag)
        while tag not in self.answers:
            self.take()
        return self.answers.pop(tag).nonce

    # ---- endings ----

    def expect_fatal(self, reason, tag=None):
        """Reads until the ERROR, and then to the end of the connection."""
        try:
            while True:
                self.take()
        except Fatal as fatal:
            assert fatal.reason == reason, f"{reason} was to come, not {fatal}"
            assert fatal.error.message, "an error has a sentence"
            if tag is not None:
                assert fatal.error.tag == tag and fatal.tag == tag, f"tag {tag} was to come, not {fatal.error.tag}, {fatal.tag}"
            self.expect_end()
            return fatal.error
        except Closed as e:
            raise AssertionError(f"{reason} was to come, and the connection was closed without a word") from e

    def expect_end(self):
        try:
            while True:
                self.take()
        except Closed:
            return

    # ---- subscriptions ----

    def subscribe(self, after=None, credits=100, **fields):
        return self.start("subscribe", **({} if after is None else {"after": after}), credits=credits, **fields)

    def credit(self, tag, n):
        self.send(CREDIT, pb.Credit(credits=n), tag)

    def cancel(self, tag):
        self.send(CANCEL, pb.Cancel(), tag)

    def leaves(self, tag, n):
        """The next ${n} leaves of a subscription, as stored bytes."""
        while sum(len(p.transactions) for p in self.pushes.get(tag, [])) < n:
            self.take()
        leaves = [leaf for p in self.pushes.pop(tag) for leaf in p.transactions]
        assert len(leaves) == n, f"{n} were granted, {len(leaves)} came"
        return leaves


def reason_of(response):
    return response.reason or pb.Code.Name(response.status)
