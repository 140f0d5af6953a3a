"""A witness as C2SP tlog-witness says, on loopback: it knows a log by its key, keeps the size and root that it has cosigned last in a file, verifies the
checkpoint's signature and the consistency proof by itself (hashlib and PyNaCl; none of our code), and answers 200, 400, 403, 404, 409 or 422.

What a case wants to go wrong it sets as `trick`: a function of the answer that it would have given.
"""
import base64
import hashlib
import http.server
import json
import os
import socket
import struct
import threading
import time

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

DASH = "\u2014"


def key_id(name, kind, public_key):
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public_key).digest()[:4]


def vkey(name, kind, public_key):
    return f"{name}+{key_id(name, kind, public_key).hex()}+{base64.b64encode(bytes([kind]) + public_key).decode()}"


def parse_vkey(text):
    """(name, id, kind, public key)"""
    name, number, data = text.split("+", 2)
    data = base64.b64decode(data)
    assert key_id(name, data[0], data[1:]).hex() == number
    return name, bytes.fromhex(number), data[0], data[1:]


def split_note(note):
    """(text, [(name, id, signature)])"""
    text, _, lines = note.rpartition("\n\n")
    found = []
    for line in lines.splitlines():
        dash, name, data = line.split(" ")
        assert dash == DASH
        data = base64.b64decode(data, validate=True)
        found.append((name, data[:4], data[4:]))
    return text + "\n", found


def verify_note(note, key):
    """Whether the log's key has signed it: NaCl's judgement."""
    name, number, _, public_key = parse_vkey(key)
    text, lines = split_note(note)
    for line_name, line_id, signature in lines:
        if (line_name, line_id) == (name, number):
            try:
                VerifyKey(public_key).verify(text.encode(), signature)
            except BadSignatureError:
                return False
            return True
    return False


def verify_cosignature(note, key):
    """The time that the witness of this verifier key says, when its line is there and holds; else None."""
    name, number, kind, public_key = parse_vkey(key)
    assert kind == 4
    text, lines = split_note(note)
    for line_name, line_id, signature in lines:
        if (line_name, line_id) == (name, number):
            stamp, = struct.unpack(">Q", signature[:8])
            VerifyKey(public_key).verify(f"cosignature/v1\ntime {stamp}\n{text}".encode(), signature[8:])
            return stamp
    return None


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def consistent(old_size, old_root, size, root, proof):
    """RFC 9162, section 2.1.4.2."""
    if old_size == 0:
        return not proof
    if old_size == size:
        return not proof and old_root == root
    if not proof:
        return False
    if old_size & (old_size - 1) == 0:
        proof = [old_root, *proof]
    fn, sn = old_size - 1, size - 1
    while fn & 1:
        fn >>= 1
        sn >>= 1
    fr = sr = proof[0]
    for c in proof[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while fn and not fn & 1:
                fn >>= 1
                sn >>= 1
        else:
            sr = node(sr, c)
        fn >>= 1
        sn >>= 1
    return fr == old_root and sr == root and sn == 0


class Refusal(Exception):
    def __init__(self, code, body=b"", kind="text/plain"):
        super().__init__(code)
        self.answer = (code, kind, body)


def hang_up(connection):
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def lose(_, handler):
    """A trick: whatever was decided is decided, and the answer is lost."""
    handler.close_connection = True
    hang_up(handler.connection)


class Witness:
    def __init__(self, world, name="witness.example/w1", seed=None):
        self.name = name
        self.key = SigningKey(hashlib.sha256((seed or name).encode()).digest())
        self.public_key = bytes(self.key.verify_key)
        self.state_path = world.path(f"witness{world.next_number()}.json")
        self.log_keys = {}              # origin -> verifier key
        self.trick = None               # answer -> answer, or something that writes to the socket and returns None
        self.answers = []               # (code, size, time)
        self.lock = threading.Lock()
        self.server = None
        self.connections = []
        self.port = 0

    @property
    def vkey(self):
        return vkey(self.name, 4, self.public_key)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/w/"

    @property
    def state(self):
        """{origin: [size, root]}"""
        if not os.path.exists(self.state_path):
            return {}
        with open(self.state_path, encoding="utf-8") as f:
            return json.load(f)

    def set_state(self, state):
        with open(self.state_path + ".new", "w", encoding="utf-8") as f:
            json.dump(state, f)
            f.flush()
            os.fsync(f.fileno())
        os.rename(self.state_path + ".new", self.state_path)

    def size(self, origin):
        return self.state.get(origin, [0, ""])[0]

    # ---- the protocol ----

    def judge(self, body):
        try:
            head, _, note = body.decode("utf-8").partition("\n\n")
            lines = head.split("\n")
            assert lines[0].startswith("old ") and str(int(lines[0][4:])) == lines[0][4:] and len(lines) <= 64
            old = int(lines[0][4:])
            proof = [base64.b64decode(line, validate=True) for line in lines[1:]]
            assert all(len(h) == 32 for h in proof) and note.endswith("\n")
            text, _ = split_note(note)
            origin, size, root = text.rstrip("\n").split("\n")
            assert str(int(size)) == size
            size, root = int(size), base64.b64decode(root, validate=True)
        except (AssertionError, ValueError) as e:
            raise Refusal(400, repr(e).encode()) from e
        if origin not in self.log_keys:
            raise Refusal(404, b"unknown log\n")
        if not verify_note(note, self.log_keys[origin]):
            raise Refusal(403, b"not signed by a key that is trusted here\n")
        if old > size:
            raise Refusal(400, b"old is larger\n")
        state = self.state
        known, known_root = state.get(origin, [0, ""])
        if old != known or (old == size and known and bytes.fromhex(known_root) != root):
            raise Refusal(409, b"%d\n" % known, "text/x.tlog.size")
        if not consistent(old, bytes.fromhex(known_root), size, root, proof):
            raise Refusal(422, b"the proof does not hold\n")
        self.set_state({**state, origin: [size, root.hex()]})
        return 200, "text/plain; charset=utf-8", self.cosign(text)

    def cosign(self, text, when=None):
        stamp = int(time.time()) if when is None else when
        signature = self.key.sign(f"cosignature/v1\ntime {stamp}\n{text}".encode()).signature
        data = key_id(self.name, 4, self.public_key) + struct.pack(">Q", stamp) + signature
        return f"{DASH} {self.name} {base64.b64encode(data).decode()}\n".encode()

    # ---- the server ----

    def start(self):
        witness = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with witness.lock:
                    if self.path != "/w/add-checkpoint":
                        answer = (404, "text/plain", b"no such path\n")
                    else:
                        try:
                            answer = witness.judge(body)
                        except Refusal as refusal:
                            answer = refusal.answer
                    size = body.partition(b"\n\n")[2].split(b"\n")[1:2]
                    witness.answers.append((answer[0], int(size[0]) if size and size[0].isdigit() else None, time.monotonic()))
                    trick = witness.trick
                if trick is not None:
                    answer = trick(answer, self)
                if answer is not None:
                    self.reply(*answer)

            def reply(self, code, kind, data, *headers):
                self.send_response(code)
                for name, value in (("Content-Type", kind), ("Content-Length", str(len(data))), *headers):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def handle(self):
                try:
                    super().handle()
                except (ConnectionError, TimeoutError):
                    pass            # whoever asked had enough

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            allow_reuse_address = True

            def process_request(self, request, client_address):
                witness.connections.append(request)
                super().process_request(request, client_address)

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self):
        """Its port stays its own; start() goes on there."""
        self.server.shutdown()
        self.server.server_close()
        for connection in self.connections:
            hang_up(connection)
        self.connections.clear()

    def codes(self):
        return [code for code, _, _ in self.answers]
