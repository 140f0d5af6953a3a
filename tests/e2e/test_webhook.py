"""`fealty webhook` against a receiver that verifies, fails, hangs, and is killed: nothing is lost, and each member's events come in their order."""
import base64
import hashlib
import hmac
import http.server
import json
import os
import shutil
import signal
import stat
import subprocess
import threading
import time

from case import long
from test_events import LIFE, Follower, lived
from wire import keyless, pb
from world import FEALTY, check_output, eventually

SECRET = bytes(range(32))


class Receiver:
    """What it takes is in `taken`, in the order of its answers; `answers` is asked first: a status, (status, headers), or None for 204."""

    def __init__(self, answers=None, secrets=(SECRET,)):
        receiver, self.taken, self.tries, self.lock, self.running = self, [], [], threading.Lock(), 0
        self.most = 0
        self.answers, self.secrets = answers or (lambda event, n: None), secrets

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                receiver.post(self)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_):
                pass

        self.http = Server(("127.0.0.1", 0), Handler)
        self.port = self.http.server_port
        self.url = f"http://127.0.0.1:{self.port}/hook?source=fealty"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def verify(self, headers, body):
        """As a receiver would by the words of Standard Webhooks alone."""
        assert abs(time.time() - int(headers["webhook-timestamp"])) < 60 and "." not in headers["webhook-id"]
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        given = headers["webhook-signature"].split(" ")
        return [f"v1,{base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()}" for secret in self.secrets] == given

    def post(self, handler):
        body = handler.rfile.read(int(handler.headers["content-length"]))
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        assert handler.path == "/hook?source=fealty" and handler.headers["content-type"] == "application/json"
        good = self.verify(handler.headers, body)
        event = json.loads(body)
        with self.lock:
            n = sum(t["data"]["id"] == event["data"]["id"] for t in self.tries)
            self.tries.append({**event, "webhook_id": handler.headers["webhook-id"], "good": good, "came": time.monotonic()})
        answer = self.answers(event, n)
        status, headers = answer if isinstance(answer, tuple) else (answer or 204, {})
        with self.lock:
            self.running -= 1
            if 200 <= status < 300:
                self.taken.append(event)
        handler.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            handler.send_header(name, value)
        handler.end_headers()

    def ids(self):
        with self.lock:
            return [event["data"]["id"] for event in self.taken]

    def close(self):
        self.http.shutdown()
        self.http.server_close()


def write_secret(world, *secrets, name="secret"):
    path = world.path(name)
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(f"whsec_{base64.b64encode(secret).decode()}\n" for secret in secrets)
    os.chmod(path, 0o400)
    return path


class Webhook:
    """The command, running."""

    def __init__(self, world, ledger, url, *arguments, state="state.json"):
        self.state = world.path(state)
        self.log = world.path(f"webhook{world.next_number()}.log")
        secret = world.path("secret")
        if not os.path.exists(secret):
            write_secret(world, SECRET)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([FEALTY, "webhook", "--url", url, "--secret-file", secret, "--state", self.state, "--json", *arguments],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "FEALTY_CONNECT": ledger.address})

    def lines(self):
        with open(self.log, encoding="utf-8") as f:
            return [json.loads(line) for line in f if line.endswith("\n")]

    def told(self, event):
        return [line for line in self.lines() if line.get("event") == event]

    def end(self, how=None, code=0):
        if how is not None:
            self.process.send_signal(how)
        got = self.process.wait(60)
        with open(self.log, encoding="utf-8") as f:
            check_output("fealty webhook", 0 if how == signal.SIGKILL else got, f.read())
        assert got == (-signal.SIGKILL if how == signal.SIGKILL else code), (got, self.lines()[-3:])

    def place(self):
        with open(self.state, encoding="utf-8") as f:
            return json.load(f)


def all_events(ledger):
    with ledger.wire("backend/crm") as wire:
        return Follower(wire).to_head()


def order_of(event):
    return tuple(map(int, event["data"]["id"].split(".")))


def in_order(receiver):
    """Of each member what was taken first came in the order of the log."""
    last, seen = {}, set()
    for event in receiver.taken:
        data = event["data"]
        place = order_of(event)
        if place in seen:
            continue
        seen.add(place)
        assert last.get(data["member_no"], (-1,)) < place, f"{data['id']} came behind {last[data['member_no']]}"
        last[data["member_no"]] = place
    return True


def test_each_event_once_signed_and_in_order(world):
    ledger = lived(world)
    events = all_events(ledger)
    receiver = Receiver()
    Webhook(world, ledger, receiver.url, "--to-head").end()
    assert sorted(receiver.ids()) == sorted(e.id for e in events) and in_order(receiver) and all(t["good"] for t in receiver.tries)
    assert len({t["webhook_id"] for t in receiver.tries}) == len(events)
    first = next(t for t in receiver.taken if t["type"] == "points.earned" and t["data"]["member_no"] == 1)
    assert first["data"] | {} == {"id": first["data"]["id"], "type": "points.earned", "program": "life", "member_no": 1, "at": first["timestamp"],
                                  "date": "2026-01-01", "op": "purchase", "points": "10.5", "pending": "2.5", "origin": ledger.origin}
    hook = Webhook(world, ledger, receiver.url, "--to-head")
    hook.end()
    assert len(receiver.taken) == len(events), "it went on where it was"
    with ledger.wire() as wire:
        size = wire.hello_ok.size
        assert hook.place() == {"origin": ledger.origin, "after": str(size - 1)}
        hook = Webhook(world, ledger, receiver.url)
        wire.ok("purchase", member="m2", amount="1000", key="live")
    eventually(lambda: len(receiver.taken) == len(events) + 1, "that what happens now comes")
    hook.end(signal.SIGTERM)
    assert hook.place()["after"] == f"{size}" or hook.place()["after"].startswith(f"{size}."), hook.place()
    assert hook.told("webhook.stopped")[0]["delivered"] == 1
    receiver.close()


def test_what_fails_is_sent_again(world):
    """500, 429 with Retry-After, 404, a redirect, and no answer at all: each is tried until it is taken, under the same id, and nobody overtakes it."""
    ledger = lived(world)
    events = all_events(ledger)
    bad = {events[2].id: 500, events[4].id: (429, {"Retry-After": "2"}), events[6].id: 404, events[8].id: (302, {"Location": "/elsewhere"})}
    receiver = Receiver(lambda event, n: bad.get(event["data"]["id"]) if n == 0 else None)
    hook = Webhook(world, ledger, receiver.url, "--to-head")
    hook.end()
    assert sorted(receiver.ids()) == sorted(e.id for e in events) and in_order(receiver)
    for place in bad:
        tries = [t for t in receiver.tries if t["data"]["id"] == place]
        assert len(tries) == 2 and tries[0]["webhook_id"] == tries[1]["webhook_id"], tries
        pause = tries[1]["came"] - tries[0]["came"]
        assert pause >= (2 if place == events[4].id else 0.25), (place, pause)
    failed = hook.told("webhook.failed")
    assert {line["id"]: line["status"] for line in failed} == {place: a if isinstance(a, int) else a[0] for place, a in bad.items()}
    assert len(hook.told("webhook.recovered")) == 4
    receiver.close()


def test_a_receiver_that_is_away(world):
    ledger = lived(world)
    events = all_events(ledger)
    receiver = Receiver()
    receiver.close()                    # its port is free, and refuses
    hook = Webhook(world, ledger, receiver.url, "--to-head", "--parallel", "2")
    eventually(lambda: len(hook.told("webhook.failed")) >= 2, "that it notices")
    failed = hook.told("webhook.failed")[0]
    assert failed["status"] == 0 and 250 <= failed["pause_ms"] <= 500, failed
    assert hook.place()["after"] in ("", *(str(n) for n in range(3))), "nothing was taken"
    back = Receiver.__new__(Receiver)
    http.server.ThreadingHTTPServer.allow_reuse_address = True
    original = http.server.ThreadingHTTPServer.__init__

    def at_port(self, address, handler):
        original(self, ("127.0.0.1", receiver.port), handler)
    http.server.ThreadingHTTPServer.__init__ = at_port
    try:
        Receiver.__init__(back)
    finally:
        http.server.ThreadingHTTPServer.__init__ = original
    hook.end()
    assert sorted(back.ids()) == sorted(e.id for e in events) and in_order(back) and back.most <= 2
    back.close()


def test_gone_for_good_and_passed_over(world):
    """410 ends the command, with the place kept; what a receiver never takes can be passed over, by name."""
    ledger = lived(world)
    events = all_events(ledger)
    receiver = Receiver(lambda event, n: 410 if event["data"]["id"] == events[3].id else None)
    hook = Webhook(world, ledger, receiver.url, "--to-head", "--parallel", "1")
    hook.end(code=1)
    assert receiver.ids() == [e.id for e in events[:3]] and hook.place()["after"] == events[2].id, hook.place()
    hook = Webhook(world, ledger, receiver.url, "--to-head", "--skip", events[3].id)
    hook.end()
    assert sorted(receiver.ids()) == sorted(e.id for e in events if e.id != events[3].id)
    assert len(hook.told("webhook.skipped")) == 1
    receiver.close()


def test_killed_again_and_again(world):
    """kill -9 of the command and of the daemon, while both work and the receiver fails now and then: each event comes, in its member's order."""
    ledger = world.running(LIFE, at="2026-01-01T00:00:00+09:00")
    with ledger.wire() as wire:
        for m in range(12):
            wire.ok("enrol", member=f"m{m}", key=f"e{m}")
    receiver = Receiver(lambda event, n: 503 if n == 0 and order_of(event)[0] % 9 == 4 and order_of(event)[1] % 20 == 0 else None)
    sent = 0
    for life in range(3):
        hook = Webhook(world, ledger, receiver.url)
        with ledger.wire() as wire:
            for _ in range(2):
                r = wire.batch([keyless("purchase", member=f"m{n % 12}", amount="1000") for n in range(60)], key=f"b{sent}")
                assert all(one.status == pb.OK for one in r.results)
                sent += 1
        taken = len(receiver.taken)
        eventually(lambda t=taken: len(receiver.taken) > t + 20, "that some come")
        if life == 0:
            ledger.daemon.kill()
            ledger.start()
        elif life == 1:
            ledger.restart()
            eventually(lambda: len(set(receiver.ids())) > 60 * 3, "that it connects again by itself")
        hook.end(signal.SIGKILL)
    Webhook(world, ledger, receiver.url, "--to-head").end()
    assert set(receiver.ids()) == {e.id for e in all_events(ledger)} and in_order(receiver)
    assert all(t["good"] for t in receiver.tries)
    receiver.close()


@long
def test_one_that_hangs(world):
    """A receiver that does not answer holds up its member alone, for ten seconds a try; then all wait for it."""
    ledger = lived(world)
    events = all_events(ledger)
    slow, released = next(e for e in events if e.member_no == 2), threading.Event()
    receiver = Receiver(lambda event, n: released.wait(20) and None if event["data"]["id"] == slow.id and n == 0 else None)
    hook = Webhook(world, ledger, receiver.url, "--to-head")
    others = [e.id for e in events if e.member_no == 1]
    eventually(lambda: sorted(receiver.ids()) == sorted(others), "that the other member's come")
    eventually(lambda: hook.told("webhook.failed"), "that it gives up waiting", 30)
    failed = hook.told("webhook.failed")[0]
    assert failed["id"] == slow.id and failed["status"] == 0, failed
    released.set()
    hook.end()
    assert {e.id for e in events} == set(receiver.ids()) and in_order(receiver)
    receiver.close()


def test_types_members_and_where_to_begin(world):
    ledger = lived(world)
    events = all_events(ledger)
    receiver = Receiver()
    Webhook(world, ledger, receiver.url, "--to-head", "--type", "tier.upgraded", "--type", "tier.downgraded", state="a").end()
    assert [t["type"] for t in receiver.taken] == ["tier.upgraded", "tier.downgraded"]
    receiver.taken.clear()
    Webhook(world, ledger, receiver.url, "--to-head", "--member", "m2", state="b").end()
    assert receiver.ids() == [e.id for e in events if e.member_no == 2]
    receiver.taken.clear()
    Webhook(world, ledger, receiver.url, "--to-head", "--after", events[5].id, state="c").end()
    assert sorted(receiver.ids()) == sorted(e.id for e in events[6:])
    receiver.taken.clear()
    hook = Webhook(world, ledger, receiver.url, "--to-head", "--after", "now", state="d")
    hook.end()
    assert not receiver.taken and hook.place()["after"] != ""
    with ledger.wire() as wire:
        wire.ok("purchase", member="m2", amount="1000", key="live")
    Webhook(world, ledger, receiver.url, "--to-head", "--after", "0", state="d").end()
    assert len(receiver.taken) == 1, "the file says where, once it is there"
    receiver.close()


def refused(world, ledger, *arguments, code, words):
    result = ledger.cli("webhook", *arguments, code=code)
    assert words in result.json["message"], result
    return result


def test_secrets_and_places_are_guarded(world):
    ledger = lived(world)
    receiver = Receiver(secrets=(SECRET, SECRET[::-1]))
    made = world.path("made")
    ledger.cli("webhook", "--new-secret", made)
    with open(made, encoding="utf-8") as f:
        assert stat.S_IMODE(os.stat(made).st_mode) == 0o400 and len(base64.b64decode(f.read().strip().removeprefix("whsec_"))) == 32
    refused(world, ledger, "--new-secret", made, code=1, words="File exists")
    state = ["--state", world.path("s")]
    base = ["--url", receiver.url, *state, "--to-head"]
    both = write_secret(world, SECRET, SECRET[::-1], name="both")
    os.chmod(both, 0o440)
    refused(world, ledger, *base, "--secret-file", both, code=2, words="nobody else can read")
    os.chmod(both, 0o400)
    for name, text in (("empty", ""), ("bare", "hello\n"), ("short", "whsec_aGVsbG8=\n"), ("five", 5 * f"whsec_{base64.b64encode(SECRET).decode()}\n")):
        world.write(name, text)
        os.chmod(world.path(name), 0o600)
        refused(world, ledger, *base, "--secret-file", world.path(name), code=2, words="1 to 4 lines")
    refused(world, ledger, *base, "--secret-file", world.path("none"), code=2, words="--new-secret")
    secret = ["--secret-file", both]
    assert ledger.cli("webhook", *base, *secret).lines[-1]["event"] == "webhook.stopped" and all(t["good"] for t in receiver.tries)

    for url, words in (("http://example.org/x", "--insecure"), ("ftp://127.0.0.1/x", "https://"), ("https://u:p@127.0.0.1/x", "user"), ("hello", "scheme")):
        refused(world, ledger, "--url", url, *state, *secret, code=2, words=words)
    refused(world, ledger, *base, *secret, "--type", "points.lost", code=2, words="points.lost")
    refused(world, ledger, *base, *secret, "--skip", "4", code=2, words="--skip")
    refused(world, ledger, *base, *secret, "--parallel", "0", code=2, words="--parallel")

    world.write("s", '{"origin":"another.example/l","after":"1.0.0"}')
    refused(world, ledger, *base, *secret, code=1, words="another.example/l")
    world.write("s", json.dumps({"origin": ledger.origin, "after": "999.0.0"}))
    refused(world, ledger, *base, *secret, code=1, words="older copy")
    for text in ("", "{}", '{"origin":"x"}', json.dumps({"origin": ledger.origin, "after": "x"})):
        world.write("s", text)
        refused(world, ledger, *base, *secret, code=2, words="is no place")
    os.unlink(world.path("s"))
    count = len(receiver.taken)
    hook = Webhook(world, ledger, receiver.url, state="s")
    eventually(lambda: hook.told("webhook.started"), "that it begins")
    refused(world, ledger, *base, *secret, code=1, words="another `fealty webhook`")
    hook.end(signal.SIGTERM)
    assert len(receiver.taken) >= count
    receiver.close()


def test_an_older_copy_while_it_runs(world):
    """The ledger is rolled back beneath it: it ends and says why, and does not begin there again."""
    ledger = lived(world)
    receiver = Receiver()
    ledger.stop()
    shutil.copytree(ledger.data, ledger.data + ".old")
    ledger.start()
    with ledger.wire() as wire:
        wire.ok("purchase", member="m2", amount="1000", key="lost")
    count = len(all_events(ledger))
    hook = Webhook(world, ledger, receiver.url)
    eventually(lambda: len(receiver.taken) == count, "that all come")
    ledger.stop()
    shutil.rmtree(ledger.data)
    os.rename(ledger.data + ".old", ledger.data)
    os.unlink(ledger.head_lock)                     # or the daemon would not start
    ledger.start()
    hook.end(code=3)
    assert any("an old copy was restored" in line["message"] for line in hook.lines()), hook.lines()[-3:]
    hook = Webhook(world, ledger, receiver.url)
    hook.end(code=1)
    assert "older copy" in hook.lines()[-1]["message"] and len(receiver.taken) == count, hook.lines()
    receiver.close()
