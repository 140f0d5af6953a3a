"""The null server (null_server.c) as it is measured: what is left to reach when nothing is decided and nothing is stored."""
import os
import shutil
import socket

from ours import Loaded
from place import Failed, last_words, until

# why.BESIDE's kinds
OPTIONS = {"null": (), "null-sign": ("-s",), "null-flush": ("-s", "-f")}


class NullServer(Loaded):
    """One at a time, started for each measurement: it keeps nothing that another would need."""

    def start(self, kind):
        directory = self.place.path(kind)
        os.mkdir(directory)
        self.socket = os.path.join(directory, "socket")
        self.server = self.place.start([os.path.join(self.build, "tests", "null_server"), *OPTIONS[kind], directory], self.place.path(f"{kind}.log"))
        until(self._ready, "the null server listens")

    def _ready(self):
        if self.server.poll() is not None:
            raise Failed(f"the null server ended: {last_words(self.server)}")
        with socket.socket(socket.AF_UNIX) as door:
            return door.connect_ex(self.socket) == 0

    def stop(self):
        if self.server is not None:
            self.place.stop(self.server)
            self.server = None
            shutil.rmtree(os.path.dirname(self.socket), ignore_errors=True)

    def measure_kind(self, figures, kind, work, *words):
        self.start(kind)
        try:
            self.measure(figures, f"{kind}/{work}", *words)
        finally:
            self.stop()
