"""Whole lives of a ledger, each from a seed: tests/fault/simulation.c.  What fails prints its seed; put it into seeds.txt, which is always played."""
import json
import os
import shutil
import subprocess
import tempfile

from case import long, seconds, tell
from world import BUILD

HERE = os.path.dirname(os.path.abspath(__file__))
SHORT_SEEDS = 20
LONG_SECONDS = 480
LONG_FIRST = 1000000                # beyond those of the short case


def simulate(*arguments):
    """What it printed; files are in memory where there is room for them."""
    place = tempfile.mkdtemp(prefix="fe-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    try:
        return subprocess.run([os.path.join(BUILD, "tests", "simulation"), *arguments], env={**os.environ, "TMPDIR": place},
                              capture_output=True, text=True, check=False)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def expect_good(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def say(figures):
    tell(f"at {figures['commit']}: {figures['seeds']} seeds from {figures['from']}, {figures['days']} simulated days, {figures['commands']} commands, "
         f"{figures['repeats']} sent again, {figures['crashes']} crashes of which {figures['power_losses']} power losses, {figures['restarts']} restarts, "
         f"{figures['cuts']} connections cut, {figures['leaps']} leaps in time")


def known_seeds():
    with open(os.path.join(HERE, "seeds.txt"), encoding="utf-8") as f:
        return [line.split()[0] for line in f if line.strip() and not line.startswith("#")]


def test_lives(_):
    """Some lives, always the same ones."""
    say(json.loads(expect_good(simulate("--from", "1", "--count", str(SHORT_SEEDS))).splitlines()[-1]))


def test_known_seeds(_):
    """Lives in which something went wrong once."""
    for seed in known_seeds():
        expect_good(simulate("--seed", seed))


def test_a_seed_repeats_itself(_):
    """The same seed gives the same life: every frame, transaction and fault at the same instant, and the same state at the end."""
    for seed in ("3", "7"):
        first, second = (expect_good(simulate("--seed", seed, "--trace")) for _ in range(2))
        assert first == second, f"seed {seed} gives two lives"
        assert len(first.splitlines()) > 100
    assert expect_good(simulate("--seed", "3")) != expect_good(simulate("--seed", "4"))


@long
@seconds(LONG_SECONDS + 120)
def test_many_lives(_):
    """As many lives as there is time for, others each time but told."""
    first = LONG_FIRST + int.from_bytes(os.urandom(4), "big")
    say(json.loads(expect_good(simulate("--from", str(first), "--count", "1000000", "--seconds", str(LONG_SECONDS))).splitlines()[-1]))
