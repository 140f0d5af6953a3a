"""What befalls a daemon while it works, from a seed: kill -9, SIGSTOP and SIGCONT, clean restarts."""
import random
import signal
import threading
import time

from wire import PATIENCE_SECONDS


class Disturbance(threading.Thread):
    """Until end(), or ${most} times; ${start} starts the daemon again after its end.  ${waits}, ${stops}: seconds, from the least to the most."""

    def __init__(self, ledger, seed, start, waits=(.002, .02), stops=(.001, .03), restarts=False, most=1 << 30):
        super().__init__(daemon=True)
        self.ledger, self.dice, self.start_daemon, self.waits, self.pauses = ledger, random.Random(seed), start, waits, stops
        self.over, self.most = threading.Event(), most
        self.todo = ["kill", "stop"] + ["restart"] * restarts
        self.counts = dict.fromkeys(("kills", "stops", "restarts"), 0)
        self.error = None

    def run(self):
        try:
            while sum(self.counts.values()) < self.most and not self.over.wait(self.dice.uniform(*self.waits)):
                what = self.todo[sum(self.counts.values()) % len(self.todo)]
                getattr(self, "do_" + what)()
                self.counts[what + "s"] += 1
        except BaseException as e:
            self.error = e

    def do_kill(self):
        self.ledger.daemon.kill()
        self.start_daemon()

    def do_restart(self):
        self.ledger.daemon.stop()
        self.start_daemon()

    def do_stop(self):
        self.ledger.daemon.signal(signal.SIGSTOP)
        time.sleep(self.dice.uniform(*self.pauses))
        self.ledger.daemon.signal(signal.SIGCONT)

    def end(self):
        self.over.set()
        self.join(4 * PATIENCE_SECONDS)
        assert not self.is_alive() and self.error is None, self.error
