"""A network that misbehaves, from a seed: TCP to TCP, and UNIX to TCP.

What happens to a connection follows from the seed and its number: how each direction carries bytes (at once, late, one by one, all together, with
one long pause), and how it ends (not at all, by a reset, by an end of one direction or of both, after so many bytes).  What is on its way to a daemon
when its client has gone still arrives.
"""
import asyncio
import collections
import os
import random
import socket
import struct
import threading

SHAPES = ("plain", "plain", "late", "single", "together", "pause")
ENDINGS = ("none", "none", "none", "reset", "drop", "half")
CHUNK = 1 << 16


class Fate:
    """Of one connection."""

    def __init__(self, seed, number, calm):
        dice = random.Random(f"{seed} {number}")
        self.shapes = [dice.choice(SHAPES) for _ in range(2)]
        self.ending = "none" if calm else dice.choice(ENDINGS)
        self.ends_at = int(10 ** dice.uniform(0, 4.7))          # bytes, both directions together
        self.ends_for = dice.randrange(2)                       # which direction a half end is of
        self.pauses_at = int(10 ** dice.uniform(0, 4))
        self.pause = dice.uniform(.05, 1.2)
        self.single = dice.randint(1, 300)                      # bytes that come one by one
        self.dice = dice


class Proxy:
    """Forwards to `upstream`, (host, port), which may change.  `calm` ends no connection any more."""

    def __init__(self, seed, path=None):
        self.seed, self.path, self.upstream, self.calm = seed, path, None, False
        self.counts = collections.Counter()
        self.loop = asyncio.new_event_loop()
        self.tasks = set()
        self.address = None
        ready = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(ready,), daemon=True)
        self.thread.start()
        assert ready.wait(10), "the proxy does not listen"

    def run(self, ready):
        asyncio.set_event_loop(self.loop)
        listener = socket.socket(socket.AF_UNIX if self.path else socket.AF_INET)
        listener.bind(self.path or ("127.0.0.1", 0))
        listener.listen(64)
        listener.setblocking(False)
        self.address = "unix:" + self.path if self.path else f"127.0.0.1:{listener.getsockname()[1]}"
        accepting = self.loop.create_task(self.accept(listener))
        ready.set()
        self.loop.run_forever()
        for task in {accepting, *self.tasks}:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(accepting, *self.tasks, return_exceptions=True))
        listener.close()
        self.loop.close()

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        if self.path and os.path.exists(self.path):
            os.unlink(self.path)

    async def accept(self, listener):
        while True:
            client, _ = await self.loop.sock_accept(listener)
            client.setblocking(False)
            self.counts["connections"] += 1
            task = self.loop.create_task(Connection(self, client, Fate(self.seed, self.counts["connections"], self.calm)).run())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)


class Connection:
    def __init__(self, proxy, client, fate):
        self.proxy, self.loop, self.client, self.fate = proxy, proxy.loop, client, fate
        self.server = None
        self.carried = 0
        self.ended = asyncio.Event()

    async def run(self):
        tasks = []
        try:
            self.server = socket.socket(socket.AF_INET)
            self.server.setblocking(False)
            await self.loop.sock_connect(self.server, self.proxy.upstream)
            tasks += [self.loop.create_task(self.pump(0, self.client, self.server)), self.loop.create_task(self.pump(1, self.server, self.client)),
                      self.loop.create_task(self.ended.wait())]
            both = asyncio.gather(*tasks[:2], return_exceptions=True)
            await asyncio.wait({both, tasks[2]}, return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            self.proxy.counts["not connected"] += 1
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for one in (self.client, self.server):
                if one is not None:
                    one.close()

    async def pump(self, way, source, target):
        """Until its end, or until the connection's."""
        shape, alive = self.fate.shapes[way], True
        while alive:
            try:
                data = await self.loop.sock_recv(source, CHUNK)
                if data and shape == "together":
                    data += await self.more(source)
            except OSError:
                data = b""
            for part in self.parts(shape, data):
                alive = alive and await self.carry(way, shape, target, part)
            if not data:
                break
        self.shut(target)

    async def more(self, source):
        await asyncio.sleep(.01)
        try:
            return source.recv(CHUNK)
        except (BlockingIOError, OSError):
            return b""

    def parts(self, shape, data):
        if shape == "single":
            alone, self.fate.single = data[:self.fate.single], max(0, self.fate.single - len(data))
            self.proxy.counts["bytes sent alone"] += len(alone)
            yield from (alone[n:n + 1] for n in range(len(alone)))
            data = data[len(alone):]
        if data:
            yield data

    async def carry(self, way, shape, target, part):
        """False: this direction has ended."""
        fate = self.fate
        if shape == "late":
            await asyncio.sleep(fate.dice.uniform(0, .02))
        if shape == "pause" and self.carried >= fate.pauses_at and fate.pause:
            self.proxy.counts["pauses"] += 1
            pause, fate.pause = fate.pause, 0
            await asyncio.sleep(pause)
        left = max(fate.ends_at - self.carried, 0)
        ends = fate.ending != "none" and not self.proxy.calm and len(part) >= left
        self.carried += len(part)
        try:
            await self.loop.sock_sendall(target, part[:left] if ends else part)
            if ends and not self.end(way):
                return False
            if ends:
                await self.loop.sock_sendall(target, part[left:])       # it is the other direction's end: no byte of this one is lost
        except OSError:
            return False
        return True

    def end(self, way):
        """As its fate is."""
        ending, self.fate.ending = self.fate.ending, "none"
        self.proxy.counts[{"reset": "resets", "drop": "drops", "half": "half ends"}[ending]] += 1
        if ending == "half":
            if way == self.fate.ends_for:
                return False
            self.shut((self.server, self.client)[self.fate.ends_for])
            return True
        if ending == "reset":
            for one in (self.client, self.server):
                if one.family == socket.AF_INET:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.ended.set()
        return False

    @staticmethod
    def shut(target):
        try:
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass
