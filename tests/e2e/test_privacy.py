"""What is known of people: where it is, that it is nowhere else, and that it goes: packaging/PRIVACY.md, from the other side."""
import base64
import datetime
import glob
import hashlib
import json
import os
import shutil
import signal
import struct
import subprocess
import threading

import programs
from case import plain_build, reduced, seconds
from test_language import events_of, live
from wire import Closed, Fatal, Wire, frame, pb
from world import FEALTYD, SOURCE, Ledger, eventually, expect

# Counts the calls that a turn of the vault's epoch makes on files of vault and keys, and ends the process before the one numbered $KILL_AT.
KILL_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
static atomic_int calls;
static void
count(const char *path)
{
    if (access(getenv("KILL_WHEN"), F_OK) != 0 || strstr(path, "vault") == NULL)
        return;
    if (atomic_fetch_add(&calls, 1) + 1 == atoi(getenv("KILL_AT")))
        kill(getpid(), SIGKILL);
}
static void
count_fd(int fd)
{
    char name[64], path[512] = "";
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    if (readlink(name, path, sizeof(path) - 1) > 0)
        count(strstr(path, ".keys") != NULL ? "vault" : path);
}
#define REAL(name, type) ((type)dlsym(RTLD_NEXT, name))
int mkdir(const char *p, mode_t m) { count(p); return REAL("mkdir", int (*)(const char *, mode_t))(p, m); }
int rmdir(const char *p) { count(p); return REAL("rmdir", int (*)(const char *))(p); }
int rename(const char *a, const char *b) { count(b); return REAL("rename", int (*)(const char *, const char *))(a, b); }
int unlink(const char *p) { count(p); return REAL("unlink", int (*)(const char *))(p); }
int unlinkat(int d, const char *p, int f) { count(p); return REAL("unlinkat", int (*)(int, const char *, int))(d, p, f); }
int fchmodat(int d, const char *p, mode_t m, int f) { count(p); return REAL("fchmodat", int (*)(int, const char *, mode_t, int))(d, p, m, f); }
int fsync(int fd) { count_fd(fd); return REAL("fsync", int (*)(int))(fd); }
int fdatasync(int fd) { count_fd(fd); return REAL("fdatasync", int (*)(int))(fd); }
ssize_t
pwrite64(int fd, const void *b, size_t n, off64_t at)
{
    count_fd(fd);
    return REAL("pwrite64", ssize_t (*)(int, const void *, size_t, off64_t))(fd, b, n, at);
}
int
openat64(int dir, const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    if ((flags & O_ACCMODE) != O_RDONLY)
        count(path);
    return REAL("openat64", int (*)(int, const char *, int, ...))(dir, path, flags, mode);
}
int __openat64_2(int dir, const char *path, int flags) { return openat64(dir, path, flags); }
"""


def must_be(got, want):
    assert got == want, f"{got!r} is not {want!r}"


def read(path):
    with open(path, "rb") as file:
        return file.read()


def files_below(*roots):
    return [path for root in roots for path in ([root] if os.path.isfile(root) else
            [os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names])]


def epoch(ledger):
    (name,) = os.listdir(os.path.join(ledger.data, "vault"))
    return int(name)


def epoch_keys(ledger):
    return {int(os.path.basename(path).split(".")[1]) for path in glob.glob(os.path.join(ledger.keys, "vault.*.key"))}


def turn(ledger):
    return ledger.cli("admin", "vault", "rotate").json["vault"]


def seed(ledger, name):
    return bytes.fromhex(read(os.path.join(ledger.keys, name)).decode().strip())


def alias_row(ledger, number, alias):
    """The key of an alias's row, from the files alone, as signer.h and vault.h have it."""
    own = seed(ledger, f"vault.{number}.key")
    key = hashlib.blake2b(b"fealty vault name" + struct.pack(">Q", number) + own, digest_size=32, key=seed(ledger, "alias.key")).digest()
    return hashlib.blake2b(struct.pack(">I", 1) + alias.encode(), digest_size=32, key=key).digest()


def wrapped_keys(ledger, member):
    """Of each row of a person that the vault's file has, deleted or not: nonce and wrapped key, which stand behind the row's key."""
    data = read(os.path.join(ledger.data, "vault", str(epoch(ledger)), "data.mdb"))
    start, found = struct.pack(">IQ", 1, member), set()
    at = data.find(start)
    while at >= 0:
        found.add(data[at + 20:at + 20 + 72])
        at = data.find(start, at + 1)
    return found


def forms(secret):
    """How it may be written: as it is, in hex, in base64 wherever it begins, in a URL."""
    raw = secret if isinstance(secret, bytes) else secret.encode()
    yield raw
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + raw)
        inner = text[-(-shift * 8 // 6):len(raw) * 8 // 6]
        yield inner
        yield inner.replace(b"+", b"-").replace(b"/", b"_")


def other_days(n):
    """Days of the year that are not about now, so that no time in a log looks like them; and none that the events have."""
    now = datetime.date.today()
    days = [d for d in ("06-15", "09-27", "07-19", "04-28") if abs((datetime.date(now.year, int(d[:2]), int(d[3:])) - now).days) > 20]
    return days[:n]


# ---- erasure ----

ANA, BEN = "card:ana-7c31e0b9", "card:ben-55d0aa21"
ANA_APP = "app:ana-4410-hidden"


def people(ledger, wire):
    birthday, other = other_days(2)
    ana = wire.ok("enrol", member=ANA, aliases=[ANA_APP], birthday=birthday, segments=["vip-segment-of-ana"], key="e-ana").member_no
    ben = wire.ok("enrol", member=BEN, birthday=other, segments=["segment-of-ben"], key="e-ben").member_no
    wire.ok("profile", member=ANA, add_aliases=["mail:ana-hush"], key="pr-ana")
    wire.ok("purchase", member=ANA, amount="70", key="p-ana")
    wire.ok("purchase", member=BEN, amount="30", key="p-ben")
    return ana, ben


@reduced
def test_who_is_erased_is_gone_at_once(world):
    """Live: no alias, no profile, no points, and nothing to test a guess against."""
    ledger = world.running()
    with ledger.wire() as wire:
        ana, _ = people(ledger, wire)
        enrolled = {"member": ANA, "aliases": [ANA_APP], "birthday": other_days(1)[0], "segments": ["vip-segment-of-ana"]}
        expect(wire.ok("enrol", **enrolled, key="e-ana"), replayed=True)
        wire.ok("erase", member=ANA, key="erase")
        for alias in (ANA, ANA_APP, "mail:ana-hush"):
            for op in ("balance", "history", "vouchers", "person"):
                wire.refused("NOT_FOUND", op, member=alias)
        # The right guess about the enrolment and a wrong one are told the same.
        right, wrong = wire.call("enrol", **enrolled, key="e-ana"), wire.call("enrol", **{**enrolled, "birthday": "01-01"}, key="e-ana")
        assert right.reason == wrong.reason == "REQUEST_ID_REUSED" and right.message == wrong.message, (right, wrong)
        assert not wire.ok("person", member_no=ana).person.ListFields()
        rows = wire.ok("history", member_no=ana).history
        assert [row.op for row in rows] == ["erase", "purchase", "profile", "enrol"], rows
        expect(rows[0], available="0", points="-70")
        expect(wire.ok("balance", member=BEN), available="30")
        fresh = wire.ok("enrol", member=ANA, key="again")
        assert fresh.member_no != ana
    books = ledger.books()
    assert books is not None
    ledger.stop()
    expect(ledger.audit(), status="OK")


def test_nothing_of_the_erased_is_left_in_the_files(world):
    """After a turn the live files have nothing; when the old epoch's key is gone, a backup cannot be read either."""
    ledger = world.running()
    with ledger.wire() as wire:
        ana, ben = people(ledger, wire)
    secrets = [ANA, ANA_APP, "mail:ana-hush", "vip-segment-of-ana", other_days(1)[0]]
    day = other_days(1)[0]
    secrets.append(bytes([1, int(day[:2]), int(day[3:])]) + bytes([0xae, 0xc0, 0x02]))      # as a profile has it: month, day, day of entry
    rows = [alias_row(ledger, 1, alias) for alias in (ANA, ANA_APP, "mail:ana-hush")]
    keys = wrapped_keys(ledger, ana)
    assert len(keys) >= 2, keys                    # the enrolment's row and the profile's
    vault = read(os.path.join(ledger.data, "vault", "1", "data.mdb"))
    assert all(row in vault for row in rows) and alias_row(ledger, 1, BEN) in vault
    backup = world.path("backup")
    ledger.stop()
    shutil.copytree(ledger.data, backup)
    key_backup = world.path("keys-of-the-day")
    shutil.copytree(ledger.keys, key_backup)
    ledger.start()
    with ledger.wire() as wire:
        wire.ok("erase", member=ANA, key="erase")
    vault = read(os.path.join(ledger.data, "vault", "1", "data.mdb"))
    assert any(key in vault for key in keys) and any(row in vault for row in rows), "LMDB drops what is deleted: there is no need of epochs"
    state = turn(ledger)
    assert state["epoch"] == 2 and [old["epoch"] for old in state["old"]] == [1], state
    must_be(epoch(ledger), 2)
    for path in files_below(ledger.data, ledger.keys, ledger.head_lock):
        data = read(path)
        for secret in secrets:
            for form in forms(secret):
                assert form not in data, f"{secret} is in {path}"
        for secret in [*rows, *keys]:
            assert secret not in data, f"a row of the erased is in {path}"
    vault = read(os.path.join(ledger.data, "vault", "2", "data.mdb"))
    assert alias_row(ledger, 2, BEN) in vault and alias_row(ledger, 1, BEN) not in vault       # the hashes are fresh too
    with ledger.wire() as wire:
        expect(wire.ok("balance", member=BEN), available="30")
        wire.refused("NOT_FOUND", "balance", member=ANA)
        first_key = read(os.path.join(ledger.keys, "vault.1.key")).strip()
        # The day before the last the key is there, and opens the backup, for whoever has to restore it.
        wire.ok("purchase", member=BEN, amount="1", at="2026-03-30T00:00:00Z", key="p-29")
        must_be(epoch_keys(ledger), {1, 2})
        wire.ok("purchase", member=BEN, amount="1", at="2026-04-10T00:00:00Z", key="p-40")
    eventually(lambda: epoch_keys(ledger) == {2}, "the old epoch's key to be destroyed")
    assert "vault.epoch_key_destroyed epoch=1" in ledger.daemon.log()
    for path in files_below(ledger.data, ledger.keys):
        assert first_key not in read(path), path
    assert [old for old in ledger.cli("admin", "vault", "show").json["vault"].get("old", [])] == []
    ledger.restart()
    with ledger.wire() as wire:
        expect(wire.ok("balance", member=BEN), available="32")
    ledger.stop()

    # The backup beside the keys that are left: refused, and with another epoch's key under that name it is noise.
    other = Ledger(world, "backup", "manual")
    shutil.copytree(ledger.keys, other.keys)
    assert "vault.1.key is not there" in other.start_refused(), other
    os.rename(os.path.join(other.keys, "vault.2.key"), os.path.join(other.keys, "vault.1.key"))
    other.start()
    with other.wire() as wire:
        for alias in (ANA, BEN):
            wire.refused("NOT_FOUND", "balance", member=alias)
        assert wire.call("person", member_no=ana).status != pb.OK
    other.stop()
    # With the keys of its day it can be: this is what destroying them is for.
    shutil.rmtree(other.keys)
    shutil.copytree(key_backup, other.keys)
    other.start()
    with other.wire() as wire:
        expect(wire.ok("balance", member=ANA), available="70")


def test_a_merged_member_is_turned_and_erased_whole(world):
    ledger = world.running()
    with ledger.wire() as wire:
        people(ledger, wire)
        wire.ok("merge", member=ANA, into=BEN, key="merge")
        turn(ledger)
        for alias in (ANA, ANA_APP, "mail:ana-hush", BEN):
            expect(wire.ok("balance", member=alias), available="100", member_no=2)
        assert sorted(wire.ok("person", member=ANA).person.aliases) == sorted([ANA, ANA_APP, "mail:ana-hush", BEN])
        wire.ok("profile", member=BEN, remove_aliases=[ANA_APP], key="less")
        turn(ledger)
        wire.refused("NOT_FOUND", "balance", member=ANA_APP)
        wire.ok("erase", member=ANA, key="erase")
        turn(ledger)
        for alias in (ANA, BEN):
            wire.refused("NOT_FOUND", "balance", member=alias)
    assert "failed" not in ledger.cli("admin", "vault", "show").json["vault"]
    ledger.stop()
    expect(ledger.audit(), status="OK")


# ---- turns ----

@plain_build
@seconds(300)
def test_killed_at_every_step_of_a_turn(world):
    """Whatever a kill leaves, the vault opens with its key, has all that was acknowledged and nothing of who was erased."""
    source, library = world.write("kill.c", KILL_SOURCE), world.path("kill.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-D_LARGEFILE64_SOURCE", "-o", library, source, "-ldl"], check=True)
    ledger = world.running()
    with ledger.wire() as wire:
        people(ledger, wire)
        wire.ok("erase", member=ANA, key="erase")
    when, steps, epochs = world.path("when"), 0, set()
    while True:
        steps += 1
        ledger.stop()
        ledger.start("--erasure-days", "0", env={"LD_PRELOAD": library, "KILL_AT": str(steps), "KILL_WHEN": when})
        before = epoch(ledger)
        world.write("when", "")
        done = ledger.cli("admin", "vault", "rotate", "--timeout", "2s", code=None)
        if done.code == 0:         # it may die of the old key's destruction still, at the next tick
            now = epoch(ledger)
            eventually(lambda: ledger.daemon.process.poll() is not None or epoch_keys(ledger) == {now}, "the end of a turn")
        survived = ledger.daemon.process.poll() is None
        ledger.daemon.kill()
        os.unlink(when)
        ledger.start("--erasure-days", "30")
        number = epoch(ledger)
        epochs.add(number)
        assert number >= before and number in epoch_keys(ledger), (steps, number, epoch_keys(ledger))
        with ledger.wire() as wire:
            expect(wire.ok("balance", member=BEN), member_no=2)
            assert list(wire.ok("person", member=BEN).person.segments) == ["segment-of-ben"]
            wire.refused("NOT_FOUND", "balance", member=ANA)
            wire.ok("purchase", member=BEN, amount="1", key=f"after-{steps}")
            wire.ok("profile", member=BEN, add_aliases=[f"step:{steps}"], key=f"profile-{steps}")
            if steps > 1:
                expect(wire.ok("balance", member=f"step:{steps - 1}"), member_no=2)
            if steps > 30:
                wire.ok("profile", member=BEN, remove_aliases=[f"step:{steps - 30}"], key=f"less-{steps}")
        if survived:
            break
    assert steps > 25 and len(epochs) >= 4, (steps, epochs)
    ledger.restart("--erasure-days", "0")
    state = turn(ledger)
    eventually(lambda: epoch_keys(ledger) == {state["epoch"]}, "the keys of turns that were cut short to go")
    ledger.stop()
    expect(ledger.audit(), status="OK")


@reduced
@seconds(120)
def test_turns_beside_traffic(world):
    """Enrolments, moves, erasures and reads go on while epochs turn; nobody is lost and nobody comes back."""
    ledger = world.running(programs.PLAIN, "--erasure-days", "0")
    stop, errors = threading.Event(), []

    def till(number):
        try:
            gone, there = [], []
            with ledger.wire(f"backend/b{number}") as wire, ledger.wire() as operator:
                while not stop.is_set():
                    alias = f"card:{number}-{len(gone) + len(there)}"
                    wire.ok("enrol", member=alias, aliases=[alias + "-app"], segments=[f"s{number}"])
                    wire.ok("purchase", member=alias + "-app", amount="7")
                    there.append(alias)
                    if len(there) > 5:
                        gone.append(there.pop(0))
                        operator.ok("erase", member=gone[-1])
                    expect(wire.ok("balance", member=there[0] + "-app"), available="7")
                    if gone:
                        wire.refused("NOT_FOUND", "balance", member=gone[-1] + "-app")
                for alias in there:
                    expect(wire.ok("balance", member=alias), available="7")
                    assert list(operator.ok("person", member=alias).person.segments) == [f"s{number}"]
                for alias in gone:
                    wire.refused("NOT_FOUND", "balance", member=alias)
        except Exception as e:  # pylint: disable=broad-except
            errors.append(e)

    threads = [threading.Thread(target=till, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(2, 7):
            must_be(turn(ledger)["epoch"], number)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not errors, errors
    eventually(lambda: os.listdir(os.path.join(ledger.data, "vault")) == ["6"], "the old file to go")
    eventually(lambda: epoch_keys(ledger) == {6}, "the old keys to go")
    ledger.restart()
    ledger.stop()
    expect(ledger.audit(), status="OK")


def test_an_idle_reader_does_not_keep_the_old_file(world):
    """A loop's transaction rests between requests; it is asked to leave."""
    ledger = world.running()
    with ledger.wire() as wire, ledger.wire() as other:
        people(ledger, wire)
        for w in (wire, other):
            w.ok("balance", member=BEN)
        turn(ledger)
        pid = ledger.daemon.pid

        def kept():
            return [os.readlink(path) for path in glob.glob(f"/proc/{pid}/fd/*") if os.path.lexists(path) and "/vault/1" in os.readlink(path)]
        eventually(lambda: not kept(), "the old vault to be closed")
        expect(other.ok("balance", member=BEN), available="30")


def test_a_turn_that_cannot_be(world):
    """No room, no directory for keys: told, tried later, and the vault is as it was."""
    ledger = world.running()
    with ledger.wire() as wire:
        people(ledger, wire)
    taken = os.path.join(ledger.data, "vault", "2.new")
    os.mkdir(taken)
    with open(os.path.join(taken, "in-the-way"), "w", encoding="utf-8"):
        pass
    done = ledger.cli("admin", "vault", "rotate", code=5).json
    assert "did not turn" in done["message"], done
    assert "vault.epoch_failed" in ledger.daemon.log()
    must_be(epoch_keys(ledger), {1})
    os.unlink(os.path.join(taken, "in-the-way"))
    must_be(turn(ledger)["epoch"], 2)
    for principal in ("pos/1/1", "backend/a", "auditor/a", "approver/a"):
        for arguments in (("admin", "vault", "rotate"), ("admin", "vault", "show"), ("member", "export", BEN)):
            must_be(ledger.cli(*arguments, principal=principal, code=1).json["reason"], "PERMISSION_DENIED")
    ledger.stop()
    os.unlink(os.path.join(ledger.keys, "vault.2.key"))
    assert "vault.2.key is not there" in ledger.start_refused()
    for words in (("--epoch-hours", "3"), ("--epoch-hours", "x"), ("--erasure-days", "400"), ("--erasure-days", "-1")):
        assert run_daemon_usage(ledger, words) == 2, words


def run_daemon_usage(ledger, words):
    return subprocess.run([FEALTYD, "--data", ledger.data, "--socket", ledger.socket, *words], capture_output=True, check=False, timeout=20).returncode


# ---- export ----

def test_an_export_has_all_of_one_and_nothing_of_others(world):
    ledger = world.running(programs.PLAIN + "transfers: {}\n")
    with ledger.wire() as wire:
        ana, ben = people(ledger, wire)
        wire.ok("consent", member=ANA, purpose="newsletter", given=True, key="consent")
        wire.ok("transfer", member=BEN, to=ANA, points="5", key="transfer")
        wire.batch([pb.Request(key="b1", purchase=pb.Purchase(member=ANA, amount="11")),
                    pb.Request(key="b2", purchase=pb.Purchase(member=BEN, amount="7654321.98"))], key="batch")
        wire.ok("purchase", member=BEN, amount="6543217", key="only-bens")
    out = world.path("out")
    told = expect(ledger.cli("member", "export", ANA_APP, "--out", out).json, status="OK", member_no=ana, shared=2)
    with open(os.path.join(out, "person.json"), encoding="utf-8") as file:
        text = file.read()
    person = json.loads(text)
    assert sorted(person["profile"]["aliases"]) == sorted([ANA, ANA_APP, "mail:ana-hush"]), person["profile"]
    assert person["profile"]["birthdays"][0]["birthday"] == other_days(1)[0] and person["profile"]["segments"] == ["vip-segment-of-ana"]
    expect(person["balance"], available="86")
    assert [(c["purpose"], c["given"]) for c in person["balance"]["consents"]] == [("newsletter", True)]
    whole, part = [e for e in person["entries"] if not e.get("shared")], [e for e in person["entries"] if e.get("shared")]
    assert [next(iter(e["inputs"])) for e in whole] == ["enrol", "profile", "purchase", "consent", "purchase"], whole
    assert [e["what"] for e in part] == ["transfer"] and [p["points"] for p in part[0]["postings"] if p.get("member") == ana] == ["5"], part
    for other in (BEN, "segment-of-ben", "6543217", "7654321", f'"member": {ben}', f'"to": {ana}'):
        assert other not in text, other
    receipts = sorted(int(name.split(".")[0]) for name in os.listdir(out) if name.endswith(".receipt"))
    must_be(len(receipts), told["receipts"])
    shared_seqs = {int(e["id"].split(".")[0]) for e in person["entries"]} - set(receipts)
    assert len(shared_seqs) == 2, (shared_seqs, receipts)
    policy = world.write("policy", ledger.cli("log", "policy", ledger.data, json_output=False).out)
    for seq in receipts:
        path = os.path.join(out, f"{seq}.receipt")
        verified = ledger.cli("receipt", "verify", "--policy", policy, path)
        must_be(verified.code, 0)
        assert os.stat(path).st_mode & 0o077 == 0
        assert b"4242" not in read(path)
    assert os.stat(out).st_mode & 0o077 == 0
    assert "is there already" in ledger.cli("member", "export", ANA, "--out", out, code=2).json["message"]
    # Without --out: the same data, and nothing is written.
    printed = expect(ledger.cli("member", "export", ANA).json, status="OK", member_no=ana)
    must_be([e["id"] for e in printed["entries"]], [e["id"] for e in person["entries"]])
    assert f"Member {ana}: " in ledger.cli("member", "export", ANA, json_output=False).out
    must_be(ledger.cli("member", "export", "card:nobody", code=1).json["reason"], "NOT_FOUND")
    must_be(ledger.cli("member", "export", str(ana), "--number").json["member_no"], ana)
    must_be(ledger.cli("member", "export", "999", "--number", code=1).json["reason"], "NOT_FOUND")
    # The erased: their entries are in the ledger under a number, and that is all.
    with ledger.wire() as wire:
        wire.ok("erase", member=ANA, key="erase")
    with ledger.wire("backend/a") as wire:
        wire.refused("PERMISSION_DENIED", "history", member_no=ana)
        wire.refused("PERMISSION_DENIED", "person", member=BEN)
    left = ledger.cli("member", "export", str(ana), "--number").json
    assert left["profile"] == {} and "balance" not in left and len(left["entries"]) == len(person["entries"]) + 1, left


def test_an_export_does_not_tell_who_referred(world):
    ledger = world.running(programs.PLAIN + 'referral: {referrer: "500", referee: "300", min_amount: "20", pending_days: 0, per_year: 5}\n')
    with ledger.wire() as wire:
        for n in range(40):                        # so that a number is not any digit
            wire.ok("enrol", member=f"other-{n}", key=f"o{n}")
        referrer = wire.ok("enrol", member=BEN, key="e-ben").member_no
        ana = wire.ok("enrol", member=ANA, referrer=BEN, key="e-ana").member_no
        wire.ok("purchase", member=ANA, amount="50", key="p-ana")
    for alias, number, others in ((ANA, ana, referrer), (BEN, referrer, ana)):
        done = ledger.cli("member", "export", alias)
        assert done.json["member_no"] == number and done.json["shared"] >= 1, done
        numbers = {e.get("member") for e in done.json["entries"]} | {row["member"] for e in done.json["entries"] for row in e["touched"]}
        assert others not in numbers and f'"referrer":{others}' not in done.out, done


def test_an_export_of_a_merged_member_has_both(world):
    ledger = world.running()
    with ledger.wire() as wire:
        ana, ben = people(ledger, wire)
        wire.ok("merge", member=ANA, into=BEN, key="merge")
    person = ledger.cli("member", "export", BEN).json
    assert person["member_no"] == ben and person["profile"]["absorbed"] == [ana], person["profile"]
    assert [next(iter(e["inputs"])) for e in person["entries"]] == ["enrol", "enrol", "profile", "purchase", "purchase", "merge"], person["entries"]
    must_be(person["shared"], 0)


# ---- a day of traffic ----

def all_requests(alias):
    """Each command, with an alias wherever one may stand; most are refused, and that is what is wanted."""
    for field in pb.Request.DESCRIPTOR.oneofs_by_name["op"].fields:
        if field.name == "subscribe":           # it has no answer before there is something to tell
            continue
        body = {}
        for inner in field.message_type.fields:
            if inner.cpp_type == inner.CPPTYPE_STRING:
                body[inner.name] = [alias] if inner.label == inner.LABEL_REPEATED else alias
        yield field.name, body
        if "member" in body:
            yield field.name, {"member": alias}


@seconds(240)
def test_no_word_about_anybody(world):
    """A ledger of several days with every kind of command at log-level debug: what the daemon writes has no alias, birthday or key in any form."""
    days = other_days(2)
    names = {f"card:{who}": f"card:{who}-{hashlib.sha256(who.encode()).hexdigest()[:12]}" for who in ("ana", "ben", "cho", "dan", "eve")}
    names |= {old.replace("card:", "app:"): new.replace("card:", "app:") for old, new in names.items()}
    stranger, garbage = "card:stranger-3f7a1c9e0b", "card:garbage-91be0d77aa"
    ledger = world.ledger()
    log_path = world.path("daemon.log")
    ledger.start("--log-level", "debug", "--snapshot-seconds", "1", "--admin", "127.0.0.1:0", "--log", log_path, "--erasure-days", "1")
    ledger.cli("program", "publish", os.path.join(SOURCE, "packaging", "examples", "everything.yaml"), "--at", "2025-12-01T00:00:00Z")
    said = []
    for number, event in enumerate(events_of("everything")):
        if event["op"] in ("approve", "approver_key", "publish", "report"):
            continue
        text = json.dumps(event)
        for old, new in names.items():
            text = text.replace(f'"{old}"', f'"{new}"')
        event = json.loads(text)
        if "birthday" in event:
            event["birthday"] = days[number % 2]
        if "segments" in event:
            event["segments"] = ["segment-9d2e71"]
        said.append(live(ledger, world, event))
        if number % 40 == 20:
            turn(ledger)
    assert sum(reply.get("status") == "OK" for reply in said) > 50
    with ledger.wire() as wire:
        wire.ok("enrol", member=stranger, birthday=days[0], key="s")
        wire.ok("erase", member=stranger, key="se")
    refused = 0
    for principal in ("operator/o", "pos/1/1", "backend/b", "auditor/a", "approver/a"):
        for op, body in all_requests(stranger):
            try:
                with ledger.wire(principal) as wire:
                    refused += wire.call(op, **body).status != pb.OK
            except (Fatal, Closed, ValueError, TypeError):
                refused += 1
    assert refused > 200, refused
    for junk in (garbage.encode() * 20, frame(3, garbage.encode() * 3, tag=1), frame(1, garbage.encode(), tag=0), frame(99, garbage.encode(), tag=5),
                 frame(3, pb.Request(key=garbage, balance=pb.Balance(member=garbage)), tag=7)[:-3] + b"\xff\xff\xff"):
        for hello in (False, True):
            try:
                with Wire(ledger.address, hello=hello) as wire:
                    wire.send_raw(junk)
                    wire.expect_end()
            except (Fatal, Closed, OSError):
                pass
    (listening,) = [line for line in read(log_path).decode().splitlines() if "admin.listening" in line]
    port = dict(word.split("=", 1) for word in listening.split() if "=" in word)["port"]
    pages = b""
    for page in ("metrics", "healthz", "readyz", "checkpoint", garbage):
        done = subprocess.run(["curl", "-si", f"http://127.0.0.1:{port}/{page}"], capture_output=True, check=True)
        pages += done.stdout
    eventually(lambda: glob.glob(os.path.join(ledger.data, "snapshot", "*.mdb")), "a snapshot")
    ledger.daemon.signal(signal.SIGHUP)
    eventually(lambda: b"log.reopened" in read(log_path), "the log to be reopened")
    secrets = [*names.values(), stranger, garbage, "segment-9d2e71", stranger.split(":")[1], garbage.split(":")[1]]
    keys = [bytes.fromhex(read(path).decode().strip()) for path in files_below(ledger.keys)]
    assert len(keys) > 7
    error = ledger.stop()
    assert read(log_path).count(b"\n") > 300, "there was no traffic"
    written = {"stderr": error.encode(), "http": pages, "log": read(log_path), **{path: read(path) for path in files_below(ledger.data, ledger.head_lock)}}
    assert any("/vault/" in path for path in written) and any("/snapshot/" in path for path in written)
    for where, data in written.items():
        for secret in [*secrets, *keys]:
            for form in forms(secret):
                assert form not in data, f"{secret} is in {where} as {form}"
        if "/ledger/" not in where and "/state/" not in where and "/snapshot/" not in where:      # there a birthday may be granted: a day for a number
            for day in days:
                assert day.encode() not in data and day.replace("-", "").encode() not in data or where == "http", f"{day} is in {where}"


def test_what_the_command_line_writes_of_members_is_its_owners(world):
    """With no umask at all: each file that has to do with members, whoever asked for it."""
    ledger = world.running()
    os.umask(0)
    place = world.path("written")
    os.mkdir(place)

    def at(name):
        return os.path.join(place, name)

    rows = world.write("rows.csv", "member,date,amount\ncard:1,2026-03-01,5\n" + ANA + ",1,x\n")
    secret = world.path("secret")
    ledger.cli("webhook", "--new-secret", secret)
    ledger.cli("enrol", ANA, "--birthday", other_days(1)[0], "--receipt", at("receipt"))
    ledger.cli("import", rows, "--columns", "member=1,date=2,amount=3", "--refused", at("refused"), code=1)
    ledger.cli("queue", "add", at("queue"), principal="pos/1/1", stdin='{"op":"purchase","member":"' + ANA + '","amount":"5"}\n')
    ledger.cli("member", "export", ANA, "--out", at("export"))
    ledger.cli("export", "sqlite", at("sqlite"), ledger.data)
    ledger.cli("backup", "--data", ledger.data, "--to", at("backup"))
    ledger.cli("webhook", "--url", "https://receiver.example/", "--secret-file", secret, "--state", at("place"), "--after", "now", "--to-head")
    written = [os.path.join(folder, name) for folder, folders, names in os.walk(place) for name in folders + names]
    for name in ("receipt", "refused", "queue", "export", "sqlite", "backup", "place", "place.lock"):
        assert at(name) in written, (name, written)
    open_to_others = {path for path in written if os.stat(path).st_mode & 0o077}
    assert not open_to_others, open_to_others
