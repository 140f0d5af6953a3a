"""A server that speaks the protocol and says what a case wants of it; nothing behind it."""
import socket
import threading

import wire
from wire import pb


class Liar:
    """Greets with ${hello}; answers a subscription with the frames that ${lie}(request) yields: pairs of type and body."""

    def __init__(self, path, lie, hello=None):
        self.address, self.lie, self.requests = "unix:" + path, lie, []
        self.hello = hello or pb.HelloOk(version=1, origin="test.example/l", principal="backend/crm", size=1000, features=["subscribe"])
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen(8)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        peer = wire.Wire.__new__(wire.Wire)
        peer.socket, peer.buffer = connection, b""
        try:
            while True:
                f = peer.read_frame()
                if f.type == wire.HELLO:
                    peer.send(wire.HELLO_OK, self.hello)
                elif f.type == wire.PING:
                    peer.send(wire.PONG, pb.Pong(nonce=pb.Ping.FromString(f.body).nonce), f.tag)
                elif f.type == wire.CANCEL:
                    peer.send(wire.RESPONSE, pb.Response(status=pb.CANCELLED), f.tag)
                elif f.type == wire.REQUEST:
                    request = pb.Request.FromString(f.body)
                    self.requests.append(request)
                    for kind, body in self.lie(request):
                        peer.send(kind, body, f.tag)
        except (wire.Closed, OSError):
            connection.close()

    def close(self):
        self.socket.close()
