"""Contexts: `fealty --context NAME COMMAND` connects as a file says, but for what options say."""
import os
import shutil
import stat

from test_pki import Authority, pki
from world import expect, run_fealty


class Contexts:
    def __init__(self, world, **files):
        self.world, self.dir = world, world.path("contexts")
        os.makedirs(self.dir, exist_ok=True)
        self.env = {"FEALTY_CONTEXT_DIR": self.dir, "FEALTY_CONNECT": "unix:" + world.path("nobody.sock"), "FEALTY_CONTEXT": ""}
        for name, text in files.items():
            self.write(name, text)

    def write(self, name, text):
        with open(os.path.join(self.dir, name + ".yaml"), "w", encoding="utf-8") as f:
            f.write(text)

    def run(self, *words, code=0, **env):
        done = run_fealty([str(w) for w in words], env={**self.env, **env})
        assert done.code == code, done
        return done

    def json(self, *words, **how):
        return self.run(*words, "--json", **how).json


def two_ledgers(world):
    ledgers = [world.running(name=name) for name in ("a", "b")]
    for points, ledger in zip((100, 200), ledgers):
        with ledger.wire() as wire:
            wire.ok("enrol", member="m1", key="e1")
            wire.ok("purchase", member="m1", amount=str(points), key="p1")
    return ledgers


def test_who_goes_before_whom(world):
    """An option before the context, the context before FEALTY_CONNECT; --context before FEALTY_CONTEXT."""
    a, b = two_ledgers(world)
    c = Contexts(world, a=f"connect: {a.address}\n", b=f"connect: {b.address}\n", nowhere="principal: operator/x\n")

    def of(*words, **env):
        return c.json(*words, **env)["available"]
    points = {}
    for name, ledger in (("a", a), ("b", b)):
        points[name] = of("balance", "m1", "--connect", ledger.address)
        assert of("balance", "m1", "--context", name) == of("--context", name, "balance", "m1") == of(f"--context={name}", "balance", "m1") == points[name]
        assert of("balance", f"--context={name}", "m1") == of("balance", "m1", FEALTY_CONTEXT=name) == points[name]
        assert of("balance", "m1", FEALTY_CONNECT=ledger.address) == points[name]
        assert of("balance", "m1", FEALTY_CONNECT=ledger.address, FEALTY_CONTEXT="nowhere") == points[name]
    assert points["a"] != points["b"]
    assert of("balance", "m1", "--context", "a", FEALTY_CONNECT=b.address) == points["a"]
    assert of("--context", "a", "balance", "m1", FEALTY_CONTEXT="b") == points["a"]
    assert of("--context", "a", "balance", "m1", "--connect", b.address) == points["b"]
    assert of("balance", "m1", "--connect", b.address, FEALTY_CONTEXT="a") == points["b"]
    assert of("--context", "a", "balance", "m1", "--context", "b") == points["b"], "the last of two options counts, as of every option"
    c.run("balance", "m1", "--timeout", "1s", "--context", "nowhere", code=3)


def test_options_in_front_of_a_command(world):
    """Any that all commands to the daemon have, several, with and without a value; in front of a group's command as well; the last of two counts."""
    a, b = two_ledgers(world)
    c = Contexts(world, a=f"connect: {a.address}\n", b=f"connect: {b.address}\n")
    wanted = c.json("balance", "m1", "--context", "a")
    seq = {"as_of", "seq"}

    def alike(*words):
        got = c.run(*words).json
        assert {k: v for k, v in got.items() if k not in seq} == {k: v for k, v in wanted.items() if k not in seq}, (words, got)
    for words in (["--json", "--context", "a", "balance", "m1"], ["--context=a", "--json", "--timeout=5s", "balance", "m1"],
                  ["--connect", a.address, "--as", "operator/anna", "--json", "balance", "m1"], ["--json", "balance", "--context", "a", "m1"],
                  ["--context", "b", "--json", "balance", "m1", "--context", "a"], ["--context", "b", "--context", "a", "--json", "balance", "m1"],
                  ["--timeout", "5s", "balance", "m1", "--connect", a.address, "--json"]):
        alike(*words)
    assert c.run("--context", "a", "--json", "adjust", "m1", "-1", "oops", "--key", "front").json["key"] == "front", "a negative number is a word"
    assert c.run("--json", "--context", "a", "--key", "front", "adjust", "m1", "-1", "oops").json["replayed"]
    shown = c.run("program", "--json", "--context", "a", "show").json
    assert shown == c.run("--json", "program", "--context=a", "show").json == c.run("program", "show", "--context", "a", "--json").json
    batch = run_fealty(["--json", "--context", "a", "batch", "-"], stdin='{"op":"enrol","member":"front"}\n', env=c.env)
    assert batch.code == 0 and a.cli("balance", "front").json["available"], batch
    for words, said in ((["--strict", "program", "check", "x"], 'as in "fealty COMMAND ... --strict"'),
                        (["--contex", "a", "balance", "m1"], "none of the options"),
                        (["program", "--strict", "check", "x"], 'as in "fealty program COMMAND ... --strict"'), (["-q", "simulate"], "Put it behind"),
                        (["--json=yes", "balance", "m1"], "takes no value"), (["--context", "a", "--timeout"], "--timeout: its value is missing"),
                        (["--timeout", "5s"], "a command is needed"), (["--connect", a.address, "frobnicate"], 'no command "frobnicate"')):
        assert said in c.run(*words, code=2).err, words
    for words in (["--json", "frobnicate"], ["--json", "--strict", "program"], ["--json"], ["--context", "a", "--json"]):
        assert c.run(*words, code=2).json["reason"] == "USAGE", words
    assert c.run("--json", "--version").json["version"] and "Usage: fealty COMMAND" in c.run("--context", "a", "--help").out


def test_principal_and_program(world):
    a, _ = two_ledgers(world)
    c = Contexts(world, till=f"connect: {a.address}\nprincipal: pos/0042/07\n", other=f"connect: {a.address}\nprogram: other\nprincipal: backend/app\n")

    def principal(done):
        seq, index = done["id"].split(".")
        return a.cli("transaction", seq).json["transaction"]["transaction"]["entries"][int(index)]["principal"]
    assert principal(c.json("--context", "till", "purchase", "m1", "5", "--key", "k1")) == "pos/0042/07"
    assert principal(c.json("--context", "till", "purchase", "m1", "5", "--key", "k2", "--as", "backend/other")) == "backend/other"
    expect(c.json("--context", "till", "adjust", "m1", "-5", "x", code=1), reason="PERMISSION_DENIED")
    assert c.json("--context", "till", "adjust", "m1", "-5", "x", "--as", "operator/o")["id"], "a negative word is no option"
    expect(c.json("purchase", "m1", "5", "--context", "other", code=1), reason="NOT_FOUND", field="program")
    shown = c.json("program", "show", FEALTY_CONTEXT="till")["program"]["id"]
    assert c.json("--context", "other", "purchase", "m1", "5", "--program", shown)["id"]
    assert c.json("--context", "till", "program", "show", shown)["program"]["id"] == shown, "a group's command"


def test_every_command_that_connects(world):
    a, _ = two_ledgers(world)
    c = Contexts(world, op=f"connect: {a.address}\nprincipal: operator/o\n", till=f"connect: {a.address}\nprincipal: pos/1/1\n")
    c.run("--context", "op", "audit")
    c.run("--context", "op", "rollforward")
    c.run("--context", "op", "report", "liability")
    c.run("--context", "op", "subscribe", "--to-head")
    c.run("--context", "op", "terminals")
    c.run("--context", "op", "export", "sqlite", world.path("x.sqlite"))
    queue = world.path("queue")
    c.run("queue", "add", queue, world.write("events", '{"op":"purchase","member":"m1","amount":"5"}\n'), "--as", "pos/1/1")
    assert "set the terminal's clock" in c.run("--context", "till", "queue", "upload", queue, code=1).out, "its clock is manual: it has answered"
    assert len(c.run("--context", "op", "subscribe", "--to-head", "--json").lines) > 3
    # and none that does not takes it for nothing
    for words in (["version"], ["dump", a.data], ["context", "list"], ["program", "check", "x"], ["audit", a.data], ["queue", "show", queue]):
        assert "context" in c.run("--context", "op", *words, code=2).err, words
    for words in (["--context"], ["--context", "op"], ["--context=op"]):
        assert "--context" in c.run(*words, code=2).err
    c.run("audit", a.data, FEALTY_CONTEXT="op")


def test_where_they_are(world):
    a, _ = two_ledgers(world)
    text = f"connect: {a.address}\n"
    for variable, below in (("FEALTY_CONTEXT_DIR", ""), ("XDG_CONFIG_HOME", "fealty/contexts"), ("HOME", ".config/fealty/contexts")):
        top = world.path(variable)
        os.makedirs(os.path.join(top, below))
        with open(os.path.join(top, below, variable + ".yaml"), "w", encoding="ascii") as f:
            f.write(text)
    where = {v: world.path(v) for v in ("FEALTY_CONTEXT_DIR", "XDG_CONFIG_HOME", "HOME")}

    def found(name, **env):
        return run_fealty(["balance", "m1", "--context", name, "--json"], env={"FEALTY_CONTEXT_DIR": "", "XDG_CONFIG_HOME": "", "HOME": "", **env}).code == 0
    assert found("FEALTY_CONTEXT_DIR", **where) and not found("XDG_CONFIG_HOME", **where) and not found("HOME", **where)
    where["FEALTY_CONTEXT_DIR"] = ""
    assert found("XDG_CONFIG_HOME", **where) and not found("HOME", **where)
    assert found("HOME", **{**where, "XDG_CONFIG_HOME": ""}) and found("HOME", **{**where, "XDG_CONFIG_HOME": "relative"})
    none = run_fealty(["balance", "m1", "--context", "x"], env={"FEALTY_CONTEXT_DIR": "", "XDG_CONFIG_HOME": "", "HOME": ""})
    assert none.code == 2 and "Set FEALTY_CONTEXT_DIR" in none.err


def test_what_one_says(world):
    c = Contexts(world, shop="connect: ledger.example.com:7450\nca: shop/ca.pem\ncert: ../cert.pem\nkey: /etc/key.pem\nserver_name: 10.0.0.1\n"
                             "principal: pos/1/1\nprogram: acme\n", empty="{}\n", bad="konnect: x\n", **{"not.this": "connect: unix:/x\n"})
    with open(os.path.join(c.dir, ".hidden.yaml"), "w", encoding="ascii") as f:
        f.write("{}\n")
    os.mkdir(os.path.join(c.dir, "shop"))
    expect(c.json("context", "show", "shop"), status="OK", name="shop", file=f"{c.dir}/shop.yaml", connect="ledger.example.com:7450", ca=f"{c.dir}/shop/ca.pem",
           cert=f"{c.dir}/../cert.pem", key="/etc/key.pem", server_name="10.0.0.1", principal="pos/1/1", program="acme")
    people = c.run("context", "show", "shop").out
    assert f"ca: '{c.dir}/shop/ca.pem'\n" in people
    c.write("again", people)                            # what is shown is a context
    again, shop = c.json("context", "show", "again"), c.json("context", "show", "shop")
    assert {**again, "name": 0, "file": 0} == {**shop, "name": 0, "file": 0}
    listed = c.json("context", "list")
    assert [x["name"] for x in listed["contexts"]] == ["again", "bad", "empty", "not.this", "shop"] and listed["directory"] == c.dir
    problems = {x["name"]: x["problem"] for x in listed["contexts"]}
    assert "line 1: unknown key `konnect`; did you mean connect?" in problems.pop("bad") and not any(problems.values())
    people = c.run("context", "list").out
    assert "unusable" in people and "ledger.example.com:7450" in people and "pos/1/1" in people
    shutil.rmtree(c.dir)
    assert c.json("context", "list")["contexts"] == [] and "There are no contexts" in c.run("context", "list").out


def test_what_is_no_context(world):
    c = Contexts(world)
    tls = "connect: h:1\nca: a\n"
    for text, words in (("connect: h:1\nfoo: x\n", "line 2: unknown key `foo`"), ("connect: h:1\nconnect: h:2\n", "line 2: connect: this key is given twice"),
                        ("connect:\n", "line 1: connect: a word is needed"), ("connect: [h]\n", "line 1: connect: a word"),
                        ("- connect\n", "line 1: a map is needed"), ("", "the file is empty"), ("connect: 'x\n", "this is not YAML"),
                        (tls + "cert: c\n", "belong together"), (tls + "key: c\n", "belong together"),
                        ("connect: h:1\ncert: c\nkey: k\n", "needs ca"), ("connect: h:1\nserver_name: c\n", "needs ca"), ("ca: a\n", "needs connect"),
                        ("connect: unix:/x\nca: a\n", "UNIX socket"), ("connect: /x\nca: a\n", "UNIX socket"), ("#" * 70000 + "\n", "cannot be read")):
        c.write("x", text)
        for words_of_it in (["context", "show", "x"], ["balance", "m1", "--context", "x"], ["--context", "x", "balance", "m1"]):
            done = c.json(*words_of_it, code=2)
            assert words in done["message"] and "x.yaml" in done["message"], (text, done)
    os.unlink(os.path.join(c.dir, "x.yaml"))
    assert "there is no context x" in c.json("balance", "m1", FEALTY_CONTEXT="x", code=2)["message"]
    for name in ("../x", "a/b", ".x", "", "a b", "x" * 65):
        assert "is no name of a context" in c.json("balance", "m1", "--context", name, code=2)["message"], name


def test_options_of_tls(world):
    """They need each other, and are not for the local door; a context's are not asked about where an option says that door."""
    a, _ = two_ledgers(world)
    host = ["balance", "m1", "--connect", "127.0.0.1:1", "--timeout", "1s"]
    c = Contexts(world, tls="connect: 127.0.0.1:1\nca: /nowhere/ca.pem\ncert: /nowhere/c\nkey: /nowhere/k\nserver_name: x\n")
    for options, words in ((["--tls-cert", "x"], "belong together"), (["--tls-key", "x"], "belong together"),
                           (["--tls-cert", "x", "--tls-key", "y"], "need --tls-ca"),
                           (["--tls-server-name", "x"], "needs --tls-ca"), (["--tls-ca", "x", "--tls-cert", "x"], "belong together")):
        assert words in c.json(*host, *options, code=2)["message"], options
        assert "speaks no TLS" in c.json("balance", "m1", "--connect", a.address, *options, code=2)["message"]
    assert "belong together" in c.json("balance", "m1", "--context", "tls", "--tls-cert", "x", code=2)["message"], "not half of the context's pair"
    for option in ("--tls-ca", "--tls-cert", "--tls-key", "--tls-server-name"):
        both = {"--tls-ca": ["--tls-ca", "x"], "--tls-server-name": ["--tls-ca", "x", "--tls-server-name", "x"]}.get(
            option, ["--tls-ca", "x", "--tls-cert", "x", "--tls-key", "x"])
        done = c.json("audit", a.data, *both, FEALTY_CONNECT="127.0.0.1:1", code=2)
        assert f"{both[-2]} is about a daemon" in done["message"], done
    assert c.json("balance", "m1", "--context", "tls", "--connect", a.address)["available"]


# ---- contexts that `fealty pki issue` writes ----

def test_a_certificate_with_its_context(world):
    """Beside it with paths from there on, so that both can be moved; or elsewhere, from the root on."""
    ca, c = Authority(world), Contexts(world)
    shutil.rmtree(c.dir)
    env = {"FEALTY_CONTEXT_DIR": c.dir}
    made = pki("issue", ca.dir, "pos/0042/07", "--context", "shop42", "--server", "ledger.example.com:7450", env=env)
    expect(made, directory=f"{c.dir}/shop42", context="shop42", principal="pos/0042/07")
    assert sorted(os.listdir(c.dir)) == ["shop42", "shop42.yaml"] and stat.S_IMODE(os.stat(c.dir).st_mode) == 0o700
    moved = world.path("moved")
    os.rename(c.dir, moved)
    shown = c.json("context", "show", "shop42", FEALTY_CONTEXT_DIR=moved)
    expect(shown, connect="ledger.example.com:7450", principal="pos/0042/07", ca=f"{moved}/shop42/ca.pem", cert=f"{moved}/shop42/cert.pem",
           key=f"{moved}/shop42/key.pem")
    assert shown["server_name"] is None and all(os.path.isfile(shown[k]) for k in ("ca", "cert", "key"))
    out = world.path("an 'odd' place")
    pki("issue", ca.dir, "operator/anna", "--context", "anna", "--server", "[::1]:7450", "--out", out, env=env)
    expect(c.json("context", "show", "anna"), connect="[::1]:7450", key=f"{out}/key.pem")
    before = ca.states()
    for options, words in ((["--context", "anna", "--server", "h:1"], "is there already"), (["--context", "x"], "belong together"),
                           (["--server", "h:1"], "belong together"),
                           (["--context", "a/b", "--server", "h:1"], "is no name"), (["--context", "x", "--server", "h"], "HOST:PORT"),
                           (["--context", "x", "--server", "h:0"], "HOST:PORT"), (["--context", "x", "--server", "h:65536"], "HOST:PORT"),
                           (["--context", "x", "--server", "unix:/x:1"], "HOST:PORT"), (["--context", "x", "--server", ":1"], "HOST:PORT"),
                           (["--context", "x", "--server", "h:1", "--csr", "x"], "leaves where it was made")):
        done = pki("issue", ca.dir, "operator/ben", *options, "--out", world.path("out"), code=2, env=env)
        assert words in done["message"], (options, done)
    assert "answers" in pki("issue", ca.dir, "server/a", "--address", "a", "--context", "x", "--server", "h:1", code=2, env=env)["message"]
    assert ca.states() == before and not os.path.exists(world.path("out")) and sorted(os.listdir(c.dir)) == ["anna.yaml"]
    with open(os.path.join(c.dir, "anna.yaml"), encoding="utf-8") as f:
        assert "PRIVATE" not in f.read()
