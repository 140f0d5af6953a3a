"""A power loss or a kill at any moment: on every image of the disk that it may leave, nothing is lost, halved, or made up.

FEALTY_IMAGES_SEED makes other images (a number; what was used is told), FEALTY_IMAGES says how many of a power loss each case tries.  One that fails is
named; run.py's --keep keeps the recording, of which `tests/fault/disk.py RECORDING IMAGE DIRECTORY` makes it again.
"""
import copy
import os
import random
import shutil
import time
from collections import Counter

from case import long, plain_build, seconds, tell
from disk import KINDS, OPEN, START, SYNC, WRITE, WRITTEN, Image
from images import check
from recording import Recording, Recovery

SEED = int(os.environ.get("FEALTY_IMAGES_SEED", "1"))
BUSY_SECONDS = 420                      # after so long no other life begins
POWER = [kind for kind in KINDS if kind != "killed"]


def points(records, n, dice, first=0):
    """${n} moments to crash at: half of them anywhere, half next to something that makes durable or changes a name."""
    marked = [i for i, r in enumerate(records) if r.kind not in (OPEN, WRITE) or (i > 0 and records[i - 1].kind in (SYNC, WRITTEN))]
    chosen = [dice.choice(marked) + dice.randint(0, 1) for _ in range(n // 2)] + [dice.randint(first, len(records)) for _ in range(n - n // 2)]
    return sorted(max(first, at) for at in chosen)


def images(records, n, killed, dice):
    """${n} images of a power loss and ${killed} of a kill, in the order of their moments."""
    kinds = dice.sample(POWER, len(POWER))
    power = [Image(at, kinds[i % len(kinds)], dice.getrandbits(32)) for i, at in enumerate(dice.sample(points(records, n, dice), n))]
    return sorted(power + [Image(at, "killed", dice.getrandbits(32)) for at in points(records, killed, dice)])


def each(history, chosen):
    """Each image in a directory of its own, while it is looked at."""
    disk = history.disk()
    for image in chosen:
        while disk.number < image.at:
            disk.play(history.records[disk.number])
        path = f"{history.root}.image"
        image.write(disk, path)
        yield image, path
        shutil.rmtree(path, ignore_errors=True)


def try_image(world, history, image, path):
    try:
        return check(world, history, path, image.at, image.kind == "killed", random.Random(image.seed))
    except BaseException as e:
        raise AssertionError(f"image {image} of {history.dir} (seed {SEED}): {e}") from e


def try_all(world, history, chosen):
    return [try_image(world, history, image, path) for image, path in each(history, chosen)]


class Tally:
    """What was tried, of how much."""

    def __init__(self):
        self.recordings = self.calls = self.commands = self.moments = 0
        self.kinds, self.states = Counter(), Counter()

    def add(self, history, tried, states):
        self.recordings += 1
        self.calls += len(history.records)
        self.commands += sum(c.acked_at is not None for c in history.commands)
        self.moments += len({image.at for image in tried})
        self.kinds.update(image.kind for image in tried)
        self.states.update(states)

    def say(self):
        tell(f"{sum(self.kinds.values())} images at {self.moments} crash points of {self.recordings} recordings, of {self.calls} calls and "
             f"{self.commands} acknowledged commands (seed {SEED}): {', '.join(f'{n} {kind}' for kind, n in sorted(self.kinds.items()))}; "
             f"state was made of {', '.join(f'{what} in {n}' for what, n in sorted(self.states.items()))}")


def how_many(usual):
    return int(os.environ.get("FEALTY_IMAGES", usual))


def live(world, tally, rounds, n, killed, seed=SEED):
    dice = random.Random(f"images {seed}")
    with Recording(world, seed, rounds) as recording:
        recording.run()
        chosen = images(recording.records, n, killed, dice)
        tally.add(recording, chosen, try_all(world, recording, chosen))


def recovery(world, tally, recording, image, path, n, dice):
    """A start on the image, and what it does, are recorded in turn; the images of that are tried."""
    commands = [copy.copy(c) for c in recording.commands]
    for c in commands:
        c.acked_at = 0 if c.acked_at is not None and c.acked_at <= image.at else None
    erased = {c.fields["member"] for c in commands if c.op == "erase"}
    alive = [c.fields["member"] for c in commands if c.op == "enrol" and c.acked_at == 0 and c.fields["member"] not in erased]
    again = Recovery(world, path, commands)
    try:
        again.run(alive[:5])
        chosen = images(again.records, n, n // 5, dice)
        states = try_all(world, again, chosen)
    except BaseException as e:
        raise AssertionError(f"image {image} of {recording.dir} (seed {SEED}), recovering: {e}") from e
    shutil.rmtree(again.dir)
    tally.add(again, chosen, states)


def recoveries(world, tally, rounds, n, each_n, seed=SEED):
    """Crashes in the start after a crash."""
    dice = random.Random(f"recoveries {seed}")
    with Recording(world, seed, rounds) as recording:
        recording.run()
        for image, path in each(recording, images(recording.records, n, 0, dice)):
            recovery(world, tally, recording, image, path, each_n, dice)


def lives(world, one, n, *arguments):
    """${n} of them, from seeds in a row; on a machine that is busy with other things fewer, but two."""
    tally, end = Tally(), time.monotonic() + BUSY_SECONDS
    for i in range(n):
        if i < 2 or time.monotonic() < end:
            one(world, tally, *arguments, seed=SEED + i)
    tally.say()


@plain_build
@seconds(300)
def test_after_a_power_loss_or_a_kill(world):
    lives(world, live, 1, 40, how_many(34), 6)


@plain_build
@seconds(120)
def test_in_the_recovery_after_a_power_loss(world):
    lives(world, recoveries, 1, 20, 4, 5)


@long
@plain_build
@seconds(900)
def test_thousands_after_a_power_loss_or_a_kill(world):
    lives(world, live, 8, 80, how_many(200), 50)


@long
@plain_build
@seconds(900)
def test_hundreds_in_the_recovery_after_a_power_loss(world):
    lives(world, recoveries, 4, 40, 20, 10)


# ---- disks that lie ----

def lying(history, is_lie):
    """The records when some flushes, by the path of what is flushed, do nothing."""
    paths, records = {}, []
    for r in history.records:
        if r.kind == OPEN:
            paths[r.fd] = r.path[len(history.root) + 1:]
        lie = r.kind in (SYNC, WRITTEN) and is_lie(paths[r.fd], r.kind)
        records.append(r._replace(kind=START) if lie else r)
    return records


def ends(*words):
    return lambda path, kind: path.endswith(words)


# Each flush that something depends on: without it, some image must fail.
LIES = {
    "no flush at all": lambda path, kind: True,
    "data pages of the ledger": lambda path, kind: path == "l/ledger/data.mdb" and kind == SYNC,
    "the ledger's newest commit": lambda path, kind: path == "l/ledger/data.mdb" and kind == WRITTEN,
    "the vault": lambda path, kind: path.startswith("l/vault/") and path.endswith("data.mdb"),
    "state, before it is marked clean": ends("l/state/data.mdb"),
    "the mark of state": ends("state.mark.tmp", "l"),
    "the fresh vault's directory": lambda path, kind: path.startswith("l/vault/") and not path.endswith("data.mdb"),
    "names of vaults": ends("l/vault"),
    "the head": ends("head.lock.tmp"),
    "an epoch's key": lambda path, kind: path.startswith("l.keys/vault."),
    "names of keys": ends("l.keys"),
}
EAGER = ("none", "late", "no-names", "names", "file", "torn", "half", "only-last")


PASS = 12                               # images of one way through a recording


def after_lies(moments, length, dice):
    """Soon after a lie, or some time after it, when something else depends on it."""
    return sorted(Image(min(dice.choice(moments) + int(1.5 ** dice.uniform(0, 16)), length), EAGER[i % len(EAGER)], dice.getrandbits(32)) for i in range(PASS))


def noticed_in(world, history, chosen):
    """How many images it took the daemon, or what is looked at afterwards, to find out; None: they did not."""
    for tried, (image, path) in enumerate(each(history, chosen)):
        try:
            try_image(world, history, image, path)
        except AssertionError:
            shutil.rmtree(path)
            return tried + 1
    return None


def tries_until_noticed(world, history, name, passes, dice):
    honest, history.records = history.records, lying(history, LIES[name])
    moments = [i for i, r in enumerate(history.records) if r is not honest[i]]
    assert moments, f"nothing of {name} was ever flushed"
    try:
        for n in range(passes):
            tried = noticed_in(world, history, after_lies(moments, len(honest), dice))
            if tried is not None:
                return n * PASS + tried
    finally:
        history.records = honest
    raise AssertionError(f"a disk that does not flush {name} went unnoticed in {passes * PASS} images (seed {SEED})")


def lies(world, names, passes):
    dice = random.Random(f"lies {SEED}")
    with Recording(world, SEED, 40) as recording:
        recording.run()
        told = [f"{name} in {tries_until_noticed(world, recording, name, passes, dice)}" for name in names]
        world.daemons.clear()
    tell(f"a disk that lies about its flushes was noticed after so many images: {', '.join(told)}")


@plain_build
@seconds(120)
def test_a_disk_that_lies_is_noticed(world):
    lies(world, ["data pages of the ledger", "the ledger's newest commit", "the vault"], 20)


@long
@plain_build
@seconds(600)
def test_each_flush_is_needed(world):
    lies(world, LIES, 60)
