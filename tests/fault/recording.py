"""A daemon's life, recorded: everything that it must not lose is done in it, by clients that note what they were told and when."""
import mmap
import os
import random
import shutil
import subprocess
import tempfile
import time

import programs
from disk import COUNTERS, Disk, read_log
from wire import keyless, pb, request
from world import BUILD, FEALTY, Ledger, eventually

LIBRARY = os.path.join(BUILD, "tests", "record.so")
LOG_BYTES = 1 << 30                     # address space; the file has holes
SYNC_US = 500
CLIENTS = 4
OPTIONS = ("--snapshot-seconds", "1", "--erasure-days", "0")
PATIENCE_SECONDS = 30


SCRATCH = "fealty-images-"


def scratch(world):
    """A directory in memory, where it can be: thousands of images come and go.  Those of cases that were killed are removed."""
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else world.dir
    for name in os.listdir(parent):
        if name.startswith(SCRATCH) and not os.path.exists(f"/proc/{name.split('-')[2]}"):
            shutil.rmtree(os.path.join(parent, name), ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"{SCRATCH}{os.getpid()}-", dir=parent)


class Log:
    """What record.c writes, as it grows."""

    def __init__(self, path):
        self.path = path
        with open(path, "wb") as f:
            f.truncate(LOG_BYTES)
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 4096)

    def count(self):
        return COUNTERS.unpack_from(self.map)[0]

    def freeze(self, frozen):
        """While it is frozen nobody is in the middle of a call, or begins one."""
        self.map[20:24] = frozen.to_bytes(4, "little")
        if frozen:
            eventually(lambda: COUNTERS.unpack_from(self.map)[2] == 0, "the calls that run to end")
        else:
            self.map[16:20] = bytes(4)

    def environment(self, root, boot_id):
        return {"LD_PRELOAD": LIBRARY, "RECORD_LOG": self.path, "RECORD_ROOT": root, "RECORD_SYNC_US": str(SYNC_US), "RECORD_BOOT_ID": boot_id}


class Command:
    """One that was sent: a request, or a batch of them.  ${acked_at}: how many records there were when its answer had come."""

    def __init__(self, principal, key, op, fields, batch=None, atomic=False):
        self.principal, self.key, self.op, self.fields, self.batch, self.atomic = principal, key, op, fields, batch, atomic
        self.acked_at = None
        self.ids = []                   # of the entries, as they were acknowledged

    def keys(self):
        return [f"{self.key}.{i + 1}" for i in range(len(self.batch))] if self.batch else [self.key]

    def start(self, wire):
        if self.batch:
            return wire.start_batch([keyless(op, **fields) for op, fields in self.batch], key=self.key, atomic=self.atomic)
        return wire.start_request(request(self.op, key=self.key, **self.fields))

    def note(self, answer, count):
        results = answer.results if self.batch else [answer]
        assert len(results) == len(self.keys()) and all(r.status == pb.OK for r in results), f"{self.op} {self.key}: {answer}"
        self.ids = [r.id for r in results]
        self.acked_at = count


class History:
    """What a daemon does to the files below ${root}, which begin as they are now; the files ${initial}, ${log} and ${root} in ${dir} tell it again."""

    def __init__(self, world, root, commands=()):
        number = world.next_number()
        self.world, self.root, self.commands = world, root, list(commands)
        self.dir = world.path(f"recording{number}")
        self.boot_id = world.write(f"boot{number}", f"boot-of-recording-{number}\n")
        os.mkdir(self.dir)
        self.initial = os.path.join(self.dir, "initial")
        self.ledger = Ledger(world, os.path.join(root, "l"), "real")
        if not os.path.exists(root):
            os.mkdir(root)
            self.ledger.init()
        shutil.copytree(root, self.initial, ignore=shutil.ignore_patterns("*.sock"))
        world.write(f"recording{number}/root", root)
        self.log = Log(os.path.join(self.dir, "log"))
        self.env = self.log.environment(root, self.boot_id)
        self.wires = []
        self.leaves = self.records = None

    def same_boot(self):
        """The environment of a daemon that starts after a crash of the process alone."""
        return {"LD_PRELOAD": LIBRARY, "RECORD_BOOT_ID": self.boot_id}

    def running_mark(self):
        with open(self.boot_id, encoding="ascii") as f:
            return f"running {f.read()}"

    def start(self):
        self.ledger.start(*OPTIONS, env=self.env)
        self.wires = [self.ledger.wire(f"operator/{n}") for n in range(CLIENTS)]

    def stop(self, kill=False):
        if kill:
            self.log.freeze(True)
            self.ledger.daemon.kill()
            self.log.freeze(False)
        for wire in self.wires:
            wire.close()
        if not kill:
            self.ledger.stop()

    def command(self, op, batch=None, atomic=False, **fields):
        n = len(self.commands)
        self.commands.append(Command(f"operator/{n % CLIENTS}", f"k{n}", op, fields, batch, atomic))
        return self.commands[-1]

    def together(self, commands):
        """All are sent before the first answer is read."""
        tags = [(c, self.wires[int(c.principal[-1])], c.start(self.wires[int(c.principal[-1])])) for c in commands]
        for c, wire, tag in tags:
            c.note(wire.wait(tag), self.log.count())

    def finish(self):
        """Reads what was recorded.  It must be all that happened: played from the beginning it gives the files that are there."""
        self.leaves = self.ledger.leaves()
        self.stop()
        self.records = read_log(self.log.path)
        disk = self.disk()
        for r in self.records:
            disk.play(r)
        differences = disk.differences(self.root)
        assert not differences, f"the recording is not complete: {differences}"
        return self

    def disk(self):
        return Disk(self.initial, self.root)


class Recording(History):
    """${rounds} rounds of commands from a new ledger on, with all that happens beside them."""

    def __init__(self, world, seed, rounds):
        self.scratch = scratch(world)
        super().__init__(world, os.path.join(self.scratch, "disk"))
        self.dice, self.rounds = random.Random(seed), rounds
        self.members = []               # that are there: their first aliases
        self.more_aliases = []          # (member, alias), acknowledged
        self.next_member = self.next_alias = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.scratch, ignore_errors=True)

    def alias(self):
        self.next_alias += 1
        return f"alias:{self.next_alias}"

    def enrol(self):
        name = f"card:{self.next_member}"
        self.next_member += 1
        return self.command("enrol", member=name, aliases=[self.alias()], birthday=f"{1 + self.next_member % 12:02}-11", segments=[f"s{self.next_member % 7}"])

    def any_command(self):
        member, kind = self.dice.choice(self.members), self.dice.random()
        if kind < 0.5:
            return self.command("purchase", member=member, amount=str(self.dice.randint(20, 99)))
        if kind < 0.6:
            return self.command("redeem", member=member, points=str(self.dice.randint(1, 9)))
        if kind < 0.7:
            return self.command("profile", member=member, add_aliases=[self.alias()])
        if kind < 0.75 and self.more_aliases:
            member, alias = self.more_aliases.pop(self.dice.randrange(len(self.more_aliases)))
            return self.command("profile", member=member, remove_aliases=[alias])
        if kind < 0.8:
            return self.command("profile", member=member, segments=[f"t{self.next_alias}"])
        batch = [("purchase", {"member": self.dice.choice(self.members), "amount": str(self.dice.randint(20, 99))}) for _ in range(self.dice.randint(2, 9))]
        return self.command("batch", batch=batch, atomic=kind < 0.9)

    def welcome(self, enrolled):
        if enrolled:
            self.together([self.command("purchase", member=c.fields["member"], amount="900") for c in enrolled])
            self.members += [c.fields["member"] for c in enrolled]

    def round(self, n):
        fresh = [self.enrol() for _ in range(self.dice.randint(1, 2))]
        commands = fresh + [self.any_command() for _ in range(self.dice.randint(1, 6))]
        self.together(commands)
        self.welcome(fresh)
        self.more_aliases += [(c.fields["member"], alias) for c in commands if c.op in ("enrol", "profile")
                              for alias in c.fields.get("aliases", c.fields.get("add_aliases", []))]
        if n % 2 == 1:
            gone = self.members.pop(self.dice.randrange(len(self.members)))
            self.more_aliases = [(member, alias) for member, alias in self.more_aliases if member != gone]
            purchase = self.command("purchase", member=self.members[0], amount="30")
            self.together([self.command("erase", member=gone), purchase])

    # ---- what happens beside them ----

    def publish(self):
        c = self.command("publish")
        path = self.world.write("program.yaml", programs.PLAIN.replace("name: Plain", f"name: Plain {c.key}"))
        done = self.ledger.cli("program", "publish", path, "--key", c.key, principal=c.principal).json
        c.ids, c.acked_at = [done["id"]], self.log.count()

    def rotate_key(self, kind):
        made = subprocess.run([FEALTY, "key", "new", self.ledger.keys, "--kind", kind, "--json"], env={**os.environ, **self.env}, check=True,
                              capture_output=True, text=True)
        key = bytes.fromhex(made.stdout.split('"public_key"')[1].split('"')[1])
        self.together([self.command("rotate_key", new_key=key, kind=kind)])

    def turn(self):
        self.wires[0].ok("vault", rotate=True)

    def turned(self):
        state = self.wires[0].ok("vault").vault
        return not state.turning and not state.old and not state.failed

    def settle(self):
        """Until the turn is over, its old key is destroyed, and a second has passed, in which the head is published and state is copied."""
        eventually(self.turned, "the end of a turn", PATIENCE_SECONDS)
        end = time.monotonic() + 1.2
        while time.monotonic() < end:
            self.together([self.any_command()])
            time.sleep(0.1)

    def restart(self, kill=False):
        self.stop(kill)
        self.start()

    def run(self):
        """The events come at equal distances."""
        self.start()
        self.publish()
        first = [self.enrol() for _ in range(6)]
        self.together(first)
        self.welcome(first)
        events = [self.turn, lambda: self.rotate_key("transaction"), self.settle, self.publish, self.restart, lambda: self.rotate_key("checkpoint"),
                  self.turn, lambda: self.restart(kill=True), self.turn, self.settle, lambda: self.rotate_key("transaction")]
        for n in range(self.rounds):
            self.round(n)
            due = n * len(events) // self.rounds
            if due != (n - 1) * len(events) // self.rounds:
                events[due]()
        return self.finish()


class Recovery(History):
    """A daemon starts on an image, which is ${root}; it recovers, and takes a few commands more."""

    def run(self, alive):
        self.start()
        self.together([self.command("purchase", member=m, amount="5") for m in alive])
        return self.finish()
