"""Vouchers at tills: codes, single use, holds, conflicts of offline tills, returns, through the socket and the command line.

Codes are made here again from the daemon's key file, by what daemon/apply/vouchers.h says and with none of our code.
"""
import hashlib
import json
import os
import struct

from case import reduced
from test_moves import finish, killed, rebuilt
from wire import days, keyless, pb
from world import expect

PROGRAM = """
id: drinks
name: Drinks
timezone: UTC
currency: USD
points: {unit: point, scale: 0}
earn:
  - {id: base, priority: 10, on: purchase, kind: base, per_amount: {amount: "1", points: "1", whole_steps: true}}
  - {id: gift, priority: 20, on: purchase, kind: voucher, voucher: drink, when: {min_amount: "10"}}
vouchers: [{id: drink, name: Free drink, valid: {days: 20}, value: {amount: "3.01"}}]
redemption: {value: {points: "100", amount: "1"}}
returns: {used_voucher: debt}
"""
SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
MONDAY = "2026-03-02T10:00:00Z"


def code_of(ledger, name, program=1):
    """The code of voucher "<seq>.<index>.<n>"."""
    seq, index, n = (int(part) for part in name.split("."))
    with open(os.path.join(ledger.data + ".keys", "voucher.key"), encoding="ascii") as f:
        key = bytes.fromhex(f.read().strip())
    with ledger.wire() as wire:
        origin = wire.hello_ok.origin
    for round in range(256):
        body = origin.encode() + b"\0" + struct.pack(">IQIIB", program, seq, index, n, round)
        number = int.from_bytes(hashlib.blake2b(body, key=key, digest_size=32).digest()[:8], "big") >> 14
        if number % 37 < 32:
            break
    text = "".join(SYMBOLS[number >> 5 * i & 31] for i in reversed(range(10))) + SYMBOLS[number % 37]
    return f"{text[:5]}-{text[5:]}"


def drinks(world, *members):
    """A ledger with members who have one voucher each, under the key p-NAME; and the codes."""
    ledger = world.running(PROGRAM)
    codes = {}
    with ledger.wire("backend/app") as wire:
        for name in members:
            wire.ok("enrol", member=name, key=f"e-{name}", at=MONDAY)
            r = wire.ok("purchase", member=name, amount="12", key=f"p-{name}")
            assert list(r.issued) == ["drink"] and list(r.vouchers) == ["drink"] and len(r.codes) == 1, r
            assert (r.codes[0].id, r.codes[0].last_day) == ("drink", days("2026-03-22")), r
            codes[name] = r.codes[0].code
            assert codes[name] == code_of(ledger, f"{r.id}.0"), (codes, r)
    return ledger, codes


@reduced
def test_a_code_is_used_once(world):
    ledger, codes = drinks(world, "m", "n")
    till = ledger.wire("pos/1/1")
    mistyped = codes["m"][:-1] + ("0" if codes["m"][-1] != "0" else "2")
    assert "mistyped" in till.refused("NOT_FOUND", "voucher_use", member="m", voucher=mistyped).message
    expect(till.refused("NOT_FOUND", "voucher_use", member="m", voucher=codes["n"]), field="voucher", status=pb.NOT_FOUND, available="12")
    used = till.ok("voucher_use", member="m", voucher=codes["m"].lower().replace("-", ""), order_amount="3.01", key="u1")
    expect(used, value="3.01", conflict=False, available="12")
    assert list(used.vouchers) == [] and list(used.issued) == [] and not used.codes
    till = killed(ledger, "m", "n")
    again = till.refused("ALREADY_USED", "voucher_use", member="m", voucher=codes["m"])
    assert used.id in again.message, again
    till = ledger.wire("pos/1/1")
    replayed = till.ok("voucher_use", member="m", voucher=codes["m"].lower().replace("-", ""), order_amount="3.01", key="u1")
    expect(replayed, replayed=True, id=used.id, value="3.01")
    replayed = ledger.wire("backend/app").ok("purchase", member="m", amount="12", key="p-m")
    assert replayed.replayed and [c.code for c in replayed.codes] == [codes["m"]], replayed
    rebuilt(ledger, "m", "n").refused("ALREADY_USED", "voucher_use", member="m", voucher="drink")
    finish(ledger)


def test_two_tills_offline_and_a_hold_between(world):
    """The second use is a conflict, in the ledger for settlement; a hold keeps others out until it is captured, released or over."""
    ledger, codes = drinks(world, "m", "n", "o")
    first, second = ledger.wire("pos/1/1"), ledger.wire("pos/2/1")
    expect(first.ok("voucher_use", member="m", voucher=codes["m"], offline=True, occurred_at="2026-03-02T09:00:00Z"), conflict=False)
    lost = second.ok("voucher_use", member="m", voucher=codes["m"], offline=True, occurred_at="2026-03-02T09:30:00Z", key="second")
    expect(lost, conflict=True, value="3.01", available="12")
    second.refused("ALREADY_USED", "voucher_use", member="m", voucher=codes["m"])
    hold = first.ok("hold", member="n", voucher=codes["n"], ttl="1h", key="h1")
    assert list(hold.vouchers) == [] and not hold.HasField("left") and hold.value == "3.01", hold
    second.refused("ALREADY_USED", "hold", member="n", voucher="drink")
    killed(ledger, "m", "n", "o")
    first = ledger.wire("pos/1/1")
    expect(first.refused("INVALID_ARGUMENT", "capture", member="n", hold="h1", points="1"), field="points")
    expect(first.ok("capture", member="n", hold="h1"), value="3.01", held="0")
    first.refused("HOLD_NOT_OPEN", "capture", member="n", hold="h1")
    first.ok("hold", member="o", voucher="drink", ttl="1h", key="h2")
    assert list(first.ok("balance", member="o", as_of="2026-03-02T11:30:00Z").vouchers) == ["drink"]
    first.ok("purchase", member="m", amount="1", at="2026-03-02T11:30:00Z")
    first.refused("HOLD_EXPIRED", "capture", member="o", hold="h2")
    assert list(first.ok("release", member="o", hold=first.ok("hold", member="o", voucher="drink").id).vouchers) == ["drink"]
    wire = rebuilt(ledger, "m", "n", "o")
    rows = wire.ok("vouchers", member="m", state="used").voucher_rows
    assert [(r.code, r.state, r.id, r.title, r.source, r.of, r.value) for r in rows] == [
        (codes["m"], "used", "drink", "Free drink", "rule", "gift", "3.01")], rows
    entry = json.loads(ledger.cli("transaction", lost.id.split(".")[0]).out)["transaction"]["transaction"]["entries"][0]
    assert entry["facts"] == {"value": "301", "conflict": True} and entry["inputs"]["voucher_use"]["offline"] is True, entry
    assert "in conflict" in ledger.cli("transaction", lost.id.split(".")[0], json_output=False).out
    finish(ledger)


def test_a_return_takes_what_was_not_used_and_owes_what_was(world):
    ledger, codes = drinks(world, "m", "n", "o")
    wire = ledger.wire("pos/1/1")
    wire.ok("voucher_use", member="m", voucher=codes["m"])
    expect(wire.ok("return", member="m", purchase="p-m", amount="3"), clawed="3", available="0", debt="292")        # 301 points, 9 of them there
    wire.ok("hold", member="n", voucher=codes["n"], key="h")
    r = wire.ok("return", member="n", purchase="p-n", amount="3")
    assert list(r.revoked) == ["drink"] and list(r.vouchers) == [] and r.available == "9" and r.debt == "0", r
    wire.refused("HOLD_NOT_OPEN", "capture", member="n", hold="h")
    wire.refused("NOT_FOUND", "voucher_use", member="n", voucher=codes["n"])
    wire = killed(ledger, "m", "n", "o")
    expect(wire.ok("return", member="m", purchase="p-m"), clawed="9", debt="301")
    r = wire.ok("voucher_void", member="o", voucher=codes["o"], reason="misprint")
    assert list(r.revoked) == ["drink"] and list(r.vouchers) == []
    wire = rebuilt(ledger, "m", "n", "o")
    wire.refused("NOT_FOUND", "voucher_use", member="o", voucher="drink")
    finish(ledger)


def test_who_may_and_what_nobody_sees(world):
    """Tills use and read; backends and operators void; auditors see no code, and nothing stored has one."""
    ledger, codes = drinks(world, "m")
    for who, may in (("pos/1/1", {"voucher_use", "vouchers"}), ("backend/app", {"voucher_use", "voucher_void", "vouchers"}), ("auditor/a", set()),
                     ("operator/o", {"voucher_use", "voucher_void", "vouchers"}), ("approver/a", set())):
        with ledger.wire(who) as wire:
            for op, fields in (("voucher_use", {"voucher": "tea"}), ("voucher_void", {"voucher": "tea", "reason": "r"}), ("vouchers", {"state": "used"})):
                r = wire.call(op, member="m", **fields)
                assert (r.reason != "PERMISSION_DENIED") == (op in may), (who, op, r)
    with ledger.wire("backend/app") as wire:
        expect(wire.refused("INVALID_ARGUMENT", "vouchers", member="m", state="gone"), field="state")
        results = wire.batch([keyless("purchase", member="m", amount="10"), keyless("voucher_use", member="m", voucher=codes["m"]),
                              keyless("vouchers", member="m")], key="b").results
        assert results[0].codes[0].code == code_of(ledger, f"{results[0].id}.0") and results[1].status == pb.OK, results
        assert results[2].reason == "INVALID_ARGUMENT", results
        ledger.cli("vouchers", "m")
    log = ledger.daemon.log()
    ledger.books()
    ledger.stop()
    for code in codes["m"], codes["m"].replace("-", ""):
        assert code not in log
        for folder, _, names in os.walk(ledger.data):
            for name in names:
                with open(os.path.join(folder, name), "rb") as f:
                    assert code.encode() not in f.read(), (folder, name)
    expect(ledger.audit(), status="OK")
    key = os.path.join(ledger.data + ".keys", "voucher.key")
    assert os.stat(key).st_mode & 0o777 == 0o400
    os.chmod(key, 0o444)
    assert "voucher.key" in ledger.start_refused()


def test_command_line(world):
    ledger, codes = drinks(world, "m")

    def said(*words, code=0):
        return ledger.cli(*words, json_output=False, code=code).out

    assert f"{codes['m']}  issued    drink (Free drink), worth 3.01, through 2026-03-22" in said("vouchers", "m"), said("vouchers", "m")
    assert "vouchers" in said("balance", "m") and "drink" in said("balance", "m")
    assert "the voucher set aside" in said("hold", "m", "--voucher", "drink", "--key", "h1")
    assert "Released" in said("release", "m", "h1")
    assert "give the POINTS" in str(ledger.cli("hold", "m", "5", "--voucher", "drink", code=2, json_output=False))
    assert "give the POINTS" in str(ledger.cli("hold", "m", code=2, json_output=False))
    assert "Used." in said("voucher-use", "m", codes["m"], "--order-amount", "5", "--key", "u1")
    assert "recorded for settlement" in said("voucher-use", "m", codes["m"], "--offline", "--key", "u2")
    assert json.loads(ledger.cli("voucher-use", "m", codes["m"], code=1).out)["reason"] == "ALREADY_USED"
    assert json.loads(ledger.cli("vouchers", "m", "--state", "used").out)["voucher_rows"][0]["code"] == codes["m"]
    said("purchase", "m", "10", "--key", "p2")
    assert "Done" in said("voucher-void", "m", "drink", "misprint")
    assert "voucher-void" in said("help") and "of_voucher" not in said("dump", ledger.data, "member", "1/1")
    finish(ledger)
