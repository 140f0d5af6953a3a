"""`fealty pki`: what it makes is judged by the openssl command and by Python's TLS, and what it refuses leaves nothing behind."""
import glob
import hashlib
import json
import os
import re
import shutil
import ssl
import stat
import subprocess
import threading

from case import plain_build, seconds
from test_clock import faketime
from world import expect, run_fealty

DOMAIN = "points.example.com"

KILL_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
/* Ends the process in front of its $KILL_AT-th call that makes something last. */
static void
perhaps(void)
{
    static int n;
    const char *at = getenv("KILL_AT");
    if (at != NULL && ++n == atoi(at))
        kill(getpid(), SIGKILL);
}
int
fsync(int fd)
{
    perhaps();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}
int
rename(const char *from, const char *to)
{
    perhaps();
    return ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename"))(from, to);
}
"""


def pki(*words, code=0, env=None, people=False, stdin=None):
    arguments = ["pki", *[str(w) for w in words]]
    done = run_fealty(arguments if people else [*arguments, "--json"], env=env, stdin=stdin)
    assert done.code == code, done
    assert "PRIVATE" not in done.out + done.err
    return done.out if people else done.json


def openssl(*words, code=0):
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, check=False, timeout=60)
    assert code is None or (done.returncode == 0) == (code == 0), f"openssl {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


class Authority:
    def __init__(self, world, name="ca", *options):
        self.world, self.dir = world, world.path(name)
        self.made = pki("init", self.dir, "--domain", DOMAIN, *options)
        self.ca, self.crl, self.deny = (os.path.join(self.dir, n) for n in ("ca.pem", "crl.pem", "deny"))

    def issue(self, principal, *options, out=None, **how):
        out = self.world.path(out or principal.replace("/", "-"))
        addresses = [] if not principal.startswith("server/") or "--address" in options else ["--address", "ledger.example.com", "--address", "127.0.0.1"]
        return pki("issue", self.dir, principal, *addresses, "--out", out, *options, **how), out

    def verify(self, cert, purpose, code=0):
        """As strictly as OpenSSL can, with the list of each authority in the chain."""
        return openssl("verify", "-x509_strict", "-crl_check_all", "-CAfile", self.ca, "-CRLfile", self.crl, "-purpose", purpose, cert, code=code)

    def list(self, **how):
        return pki("list", self.dir, **how)

    def states(self, **how):
        return [(row["principal"], row["state"]) for row in self.list(**how)["certificates"]]

    def crl_text(self):
        openssl("crl", "-in", self.crl, "-CAfile", self.ca, "-noout", "-verify")
        return openssl("crl", "-in", self.crl, "-noout", "-text")

    def crl_number(self):
        return int(openssl("crl", "-in", self.crl, "-noout", "-crlnumber").split("=")[1], 16)

    def denied(self):
        with open(self.deny, encoding="ascii") as f:
            return [line for line in f.read().splitlines() if not line.startswith("#")]


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def files(directory):
    return {name: mode(os.path.join(directory, name)) for name in os.listdir(directory)}


def extensions(cert):
    """[(name, critical, text)] of a certificate, in the order of their names."""
    text = openssl("x509", "-in", cert, "-noout", "-text", "-certopt",
                   "no_header,no_version,no_serial,no_signame,no_validity,no_subject,no_issuer,no_pubkey,no_sigdump,no_aux")
    found, lines = [], [line.strip() for line in text.splitlines() if line.strip()]
    assert lines[0] == "X509v3 extensions:", text
    for line in lines[1:]:
        m = re.fullmatch(r"X509v3 ([A-Za-z ]+):( critical)?", line)
        if m:
            found.append([m[1], bool(m[2]), ""])
        else:
            found[-1][2] += line
    return sorted(tuple(f) for f in found)


def dates(cert):
    text = openssl("x509", "-in", cert, "-noout", "-startdate", "-enddate")
    return [ssl.cert_time_to_seconds(line.split("=")[1]) for line in text.splitlines()]


def spki(cert):
    der = subprocess.run(f"openssl x509 -in '{cert}' -noout -pubkey | openssl pkey -pubin -outform DER", shell=True, capture_output=True, check=True).stdout
    return hashlib.sha256(der).hexdigest()


def key_id(cert):
    """RFC 5280 section 4.2.1.2 (1): SHA-1 of the key's bits, which of P-256 are the last 65 bytes."""
    der = subprocess.run(f"openssl x509 -in '{cert}' -noout -pubkey | openssl pkey -pubin -outform DER", shell=True, capture_output=True, check=True).stdout
    return hashlib.sha1(der[-65:]).hexdigest().upper()


# ---- the authority ----

def test_an_authority_is_as_it_says(world):
    ca = Authority(world)
    assert mode(ca.dir) == 0o700
    assert files(ca.dir) == {"ca.key": 0o400, "ca.pem": 0o444, "crl.pem": 0o644, "deny": 0o644, "issued.jsonl": 0o600}
    own = ":".join(re.findall("..", key_id(ca.ca)))
    assert extensions(ca.ca) == [
        ("Authority Key Identifier", False, own), ("Basic Constraints", True, "CA:TRUE, pathlen:0"), ("Key Usage", True, "Certificate Sign, CRL Sign"),
        ("Subject Alternative Name", False, f"URI:spiffe://{DOMAIN}"), ("Subject Key Identifier", False, own)]
    text = openssl("x509", "-in", ca.ca, "-noout", "-text")
    assert "NIST CURVE: P-256" in text and "ecdsa-with-SHA256" in text and "Version: 3" in text
    begins, ends = dates(ca.ca)
    assert ends - begins == 3650 * 86400 + 300
    openssl("verify", "-x509_strict", "-CAfile", ca.ca, ca.ca)
    assert openssl("pkey", "-in", os.path.join(ca.dir, "ca.key"), "-pubout") == openssl("x509", "-in", ca.ca, "-noout", "-pubkey")
    assert "No Revoked Certificates" in ca.crl_text() and ca.crl_number() == 1 and ca.denied() == []
    expect(ca.made, status="OK", domain=DOMAIN, spki_sha256=spki(ca.ca))
    assert "No certificate was issued yet" in pki("list", ca.dir, people=True)
    assert [d for d in os.listdir(world.dir) if d.startswith("ca")] == ["ca"]


def test_an_authority_takes_the_place_of_nothing(world):
    ca = Authority(world)
    before = {name: open(os.path.join(ca.dir, name), "rb").read() for name in os.listdir(ca.dir)}
    os.mkdir(world.path("empty"))
    world.write("file", "mine")
    os.symlink("nowhere", world.path("link"))
    for name in ("ca", "empty", "file", "link"):
        assert "is there already" in pki("init", world.path(name), "--domain", DOMAIN, code=2)["message"]
    assert {name: open(os.path.join(ca.dir, name), "rb").read() for name in os.listdir(ca.dir)} == before
    for domain in ("Points.example.com", "a b", "", "a/b", "a:1", "ü", "x" * 256, "a\nb"):
        assert "no trust domain" in pki("init", world.path("x"), "--domain", domain, code=2)["message"], domain
    assert "--domain is needed" in pki("init", world.path("x"), code=2)["message"]
    for days in ("0", "7301", "-1", "x"):
        pki("init", world.path("x"), "--domain", DOMAIN, "--days", days, code=2)
    pki("init", world.path("no/where"), "--domain", DOMAIN, code=2)
    assert not os.path.exists(world.path("x")) and not glob.glob(world.path("x.*"))
    assert pki("init", world.path("long"), "--domain", "x" * 255, "--days", "1")["domain"] == "x" * 255


# ---- certificates ----

def test_certificates_are_as_they_say(world):
    ca = Authority(world)
    rows = [("server/main", "serverAuth", "TLS Web Server Authentication", 397), ("pos/0042/07", "clientAuth", "TLS Web Client Authentication", 397),
            ("backend/app", "clientAuth", "TLS Web Client Authentication", 397), ("auditor/k.p-m_g", "clientAuth", "TLS Web Client Authentication", 90),
            ("operator/anna", "clientAuth", "TLS Web Client Authentication", 90), ("approver/ben", "clientAuth", "TLS Web Client Authentication", 90)]
    serials, keys = set(), set()
    for principal, usage, words, days in rows:
        issued, out = ca.issue(principal)
        cert = os.path.join(out, "cert.pem")
        assert mode(out) == 0o700 and files(out) == {"cert.pem": 0o444, "key.pem": 0o400, "ca.pem": 0o444}
        assert open(os.path.join(out, "ca.pem"), "rb").read() == open(ca.ca, "rb").read()
        names = f"URI:spiffe://{DOMAIN}/{principal}" + (", DNS:ledger.example.com, IP Address:127.0.0.1" if usage == "serverAuth" else "")
        colons = [":".join(re.findall("..", key_id(c))) for c in (ca.ca, cert)]
        assert extensions(cert) == [
            ("Authority Key Identifier", False, colons[0]), ("Basic Constraints", True, "CA:FALSE"), ("Extended Key Usage", False, words),
            ("Key Usage", True, "Digital Signature"), ("Subject Alternative Name", True, names), ("Subject Key Identifier", False, colons[1])]
        begins, ends = dates(cert)
        assert ends - begins == days * 86400 + 300
        good, bad = ("sslserver", "sslclient") if usage == "serverAuth" else ("sslclient", "sslserver")
        ca.verify(cert, good)
        ca.verify(cert, bad, code=1)
        text = openssl("x509", "-in", cert, "-noout", "-text")
        assert "NIST CURVE: P-256" in text and re.search(r"Subject: *\n", text), text
        assert openssl("pkey", "-in", os.path.join(out, "key.pem"), "-pubout") == openssl("x509", "-in", cert, "-noout", "-pubkey")
        serial = openssl("x509", "-in", cert, "-noout", "-serial").split("=")[1].strip().lower()
        assert len(serial) == 32 and int(serial, 16) > 0
        expect(issued, status="OK", principal=principal, serial=serial, spki_sha256=spki(cert), directory=out)
        serials.add(serial)
        keys.add(spki(cert))
    assert len(serials) == len(keys) == len(rows)
    listed = ca.list()
    assert [(r["principal"], r["state"]) for r in listed["certificates"]] == sorted((p, "valid") for p, *_ in rows)
    assert {r["serial"] for r in listed["certificates"]} == serials and {r["spki_sha256"] for r in listed["certificates"]} == keys
    assert listed["warnings"] == [], listed
    people = pki("list", ca.dir, people=True)
    assert all(p in people for p, *_ in rows) and "Warning" not in people


def test_what_is_no_principal_has_no_certificate(world):
    """What the daemon would take at its door, and a server's name beside it; nothing is listed, nothing is left."""
    ca = Authority(world)
    for principal in ("operator", "pos/1", "pos/1/2/3", "pos//1", "pos", "server", "server/", "backend/", "system", "simulate", "cashier/a", "operator/a b",
                      "operator/ü", "Operator/a", "/operator/a", "operator/a/", "operator/..", "pos/./1", "pos/../1", "pos/" + 65 * "x" + "/1",
                      "backend/" + 121 * "x", "operator/a\n", "server/a b", "server/..", "server/" + 121 * "x"):
        address = ["--address", "a"] if principal.startswith("server") else []
        done = pki("issue", ca.dir, principal, *address, "--out", world.path("out"), code=2)
        assert "is no principal" in done["message"], (principal, done)
    long = "backend/" + 120 * "x"
    for principal in (long, "server/" + 120 * "x", "pos/" + 64 * "x" + "/" + 59 * "y", "backend/a/b"):
        _, out = ca.issue(principal, out="out")
        assert f"URI:spiffe://{DOMAIN}/{principal}" in openssl("x509", "-in", os.path.join(out, "cert.pem"), "-noout", "-ext", "subjectAltName")
        shutil.rmtree(out)
    assert len(ca.states()) == 4
    with world.running(clock="real").wire(long) as wire:
        assert wire.hello_ok.principal == long


def test_addresses(world):
    ca = Authority(world)
    for address in ("", "a b", "host:7450", "*.example.com", "a_b", "-a", "a-", "a..b", ".a", "a.", "1.2.3", "1.2.3.4.5", "300.1.1.1", "::g", "[::1]", 64 * "x",
                    ".".join(["x" * 60] * 5), "a/b", "http://a"):
        done = pki("issue", ca.dir, "server/a", "--address", address, "--out", world.path("out"), code=2)
        assert "neither an IP address nor a DNS name" in done["message"], address
    assert "--address is needed" in pki("issue", ca.dir, "server/a", code=2)["message"]
    assert "has no address" in pki("issue", ca.dir, "operator/a", "--address", "a", code=2)["message"]
    assert ca.states() == [] and not os.path.exists(world.path("out"))
    _, out = ca.issue("server/a", "--address", "a", "--address", "2001:db8::1", "--address", "x-1.Example.com", "--address", "10.0.0.1")
    text = openssl("x509", "-in", os.path.join(out, "cert.pem"), "-noout", "-ext", "subjectAltName")
    assert "DNS:a, IP Address:2001:DB8:0:0:0:0:0:1, DNS:x-1.Example.com, IP Address:10.0.0.1" in text


def test_nothing_is_overwritten_by_a_certificate(world):
    ca = Authority(world)
    _, out = ca.issue("operator/anna")
    before = {name: open(os.path.join(out, name), "rb").read() for name in os.listdir(out)}
    done, _ = ca.issue("operator/anna", code=2)
    assert "is there already" in done["message"]
    assert {name: open(os.path.join(out, name), "rb").read() for name in os.listdir(out)} == before
    os.mkdir(world.path("taken"))
    ca.issue("operator/ben", out="taken", code=2)
    ca.issue("operator/ben", out="no/where", code=2)
    assert ca.states() == [("operator/anna", "valid")] and not glob.glob(world.path("*.??????"))


def test_how_long_they_last(world):
    ca = Authority(world, "short", "--days", "40")
    issued, out = ca.issue("operator/anna")
    assert dates(os.path.join(out, "cert.pem"))[1] == dates(ca.ca)[1], "not beyond the authority's end"
    assert issued["until"] == ca.made["until"]
    _, out = ca.issue("operator/ben", "--days", "7")
    begins, ends = dates(os.path.join(out, "cert.pem"))
    assert ends - begins == 7 * 86400 + 300
    for principal, days in (("operator/a", 398), ("auditor/a", 398), ("approver/a", 398), ("pos/1/1", 826), ("backend/a", 826), ("server/a", 826),
                            ("pos/1/1", 0)):
        done, out = ca.issue(principal, "--days", days, code=2)
        assert "--days" in done["message"], done
        assert not os.path.exists(out)
    whole = Authority(world)
    for principal, days in (("operator/a", 397), ("server/a", 825)):
        _, out = whole.issue(principal, "--days", days)
        begins, ends = dates(os.path.join(out, "cert.pem"))
        assert ends - begins == days * 86400 + 300


def request(world, name, *how):
    key, csr = world.path(name + ".key"), world.path(name + ".csr")
    openssl("req", "-new", "-newkey", *how, "-nodes", "-keyout", key, "-out", csr, "-subj", "/CN=operator\\/evil", "-addext",
            f"subjectAltName=URI:spiffe://{DOMAIN}/operator/evil,DNS:evil.example", "-addext", "basicConstraints=critical,CA:TRUE")
    return csr


def test_a_key_that_was_made_elsewhere(world):
    """The request's key counts and none of its words; it must be proven, strong, nobody else's, and not one that was revoked."""
    ca = Authority(world)
    strong = {"p256": ("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), "ed25519": ("ed25519",), "rsa2048": ("rsa:2048",)}
    for name, how in strong.items():
        csr = request(world, name, *how)
        issued, out = ca.issue(f"backend/{name}", "--csr", csr)
        cert = os.path.join(out, "cert.pem")
        assert files(out) == {"cert.pem": 0o444, "ca.pem": 0o444}
        assert openssl("x509", "-in", cert, "-noout", "-pubkey") == openssl("pkey", "-in", csr.replace(".csr", ".key"), "-pubout")
        assert ("Subject Alternative Name", True, f"URI:spiffe://{DOMAIN}/backend/{name}") in extensions(cert)
        assert ("Basic Constraints", True, "CA:FALSE") in extensions(cert) and "evil" not in openssl("x509", "-in", cert, "-noout", "-text")
        ca.verify(cert, "sslclient")
    before = ca.states()
    for name, how in {"p384": ("ec", "-pkeyopt", "ec_paramgen_curve:P-384"), "k1": ("ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"), "rsa1024": ("rsa:1024",),
                      "explicit": ("ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"), "ed448": ("ed448",)}.items():
        done, out = ca.issue("backend/weak", "--csr", request(world, name, *how), code=2)
        assert "neither ECDSA P-256, nor Ed25519, nor RSA" in done["message"] and not os.path.exists(out), name
    # one bit of the subject, which the signature is over
    der = subprocess.run(["openssl", "req", "-in", world.path("p256.csr"), "-outform", "DER"], capture_output=True, check=True).stdout
    at = der.index(b"operator/evil")
    with open(world.path("forged.der"), "wb") as f:
        f.write(der[:at] + b"O" + der[at + 1:])
    openssl("req", "-inform", "DER", "-in", world.path("forged.der"), "-out", world.path("forged.csr"))
    done, _ = ca.issue("backend/forged", "--csr", world.path("forged.csr"), code=2)
    assert "is not signed by the key" in done["message"]
    for text in ("", "no request", open(ca.ca, encoding="ascii").read()):
        done, _ = ca.issue("backend/x", "--csr", world.write("x.csr", text), code=2)
        assert "no certificate request" in done["message"]
    ca.issue("backend/x", "--csr", world.path("nothing"), code=2)
    assert "already" in ca.issue("backend/other", "--csr", world.path("p256.csr"), code=1)[0]["message"]
    assert ca.states() == before
    ca.issue("backend/p256", "--csr", world.path("p256.csr"), out="renewed")            # by whoever has it, a renewal
    pki("revoke", ca.dir, "backend/p256")
    for principal in ("backend/p256", "backend/new"):
        assert "was revoked" in ca.issue(principal, "--csr", world.path("p256.csr"), out="again", code=1)[0]["message"]
    assert not os.path.exists(world.path("again"))


def test_who_may_read_the_authority(world):
    ca = Authority(world)
    key = os.path.join(ca.dir, "ca.key")
    for loose in (0o440, 0o404, 0o444, 0o640):
        os.chmod(key, loose)
        for words in (("issue", ca.dir, "operator/a", "--out", world.path("out")), ("crl", ca.dir), ("revoke", ca.dir, "operator/a")):
            assert "nobody else can read" in pki(*words, code=2)["message"]
    assert ca.states() == []                # a list needs no key
    os.chmod(key, 0o400)
    os.chmod(ca.dir, 0o750)
    assert "set its mode to 0700" in pki("list", ca.dir, code=2)["message"]
    os.chmod(ca.dir, 0o700)
    other = Authority(world, "other")
    os.rename(key, world.path("kept"))
    assert "cannot be read" in ca.issue("operator/a", code=2)[0]["message"]
    os.symlink(world.path("kept"), key)
    ca.issue("operator/a", code=2)
    os.unlink(key)
    shutil.copy(os.path.join(other.dir, "ca.key"), key)
    assert "is not the key of ca.pem" in ca.issue("operator/a", code=2)[0]["message"]
    os.unlink(key)
    os.rename(world.path("kept"), key)
    shutil.copy(other.crl, ca.crl)
    assert "no list that this authority signed" in ca.issue("operator/a", code=5)[0]["message"]
    assert "no list that this authority signed" in pki("list", ca.dir, code=5)["message"]
    assert not os.path.exists(world.path("operator-a"))
    for name, made in (("leaf", "CA:FALSE"), ("nobody", "CA:TRUE")):            # neither an authority, nor one of a domain
        uri = ["-addext", f"subjectAltName=URI:spiffe://{DOMAIN}"] if name == "leaf" else []
        os.mkdir(world.path(name), 0o700)
        for file in ("crl.pem", "deny", "issued.jsonl"):
            shutil.copy(os.path.join(other.dir, file), world.path(name))
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", os.path.join(world.path(name), "ca.key"),
                "-subj", "/CN=x", "-out", os.path.join(world.path(name), "ca.pem"), "-addext", f"basicConstraints=critical,{made}", *uri)
        assert "no certificate of an authority" in pki("list", world.path(name), code=2)["message"]


# ---- revoking ----

def test_revoked(world):
    ca = Authority(world)
    certs = {p: ca.issue(p) for p in ("server/main", "pos/1/1", "pos/1/2", "operator/anna", "backend/app")}
    path = {p: os.path.join(out, "cert.pem") for p, (_, out) in certs.items()}
    serial = {p: made["serial"] for p, (made, _) in certs.items()}
    by_serial = pki("revoke", ca.dir, serial["pos/1/1"])
    expect(by_serial, status="OK", crl_number=2)
    assert by_serial["revoked"] == [{"serial": serial["pos/1/1"], "principal": "pos/1/1", "spki_sha256": spki(path["pos/1/1"]), "already": False}]
    upper = ":".join(re.findall("..", serial["pos/1/2"].upper()))
    pki("revoke", ca.dir, upper, "--reason", "superseded")
    pki("revoke", ca.dir, path["backend/app"], "--reason", "keyCompromise")
    told = pki("revoke", ca.dir, "operator/anna", people=True)
    assert "crl.pem" in told and "deny" in told and "SIGHUP" in told, told
    text = ca.crl_text()
    revoked = ("pos/1/1", "pos/1/2", "backend/app", "operator/anna")
    assert [s.lower() for s in re.findall(r"Serial Number: ([0-9A-F]+)", text)] == sorted(serial[p] for p in revoked)
    assert sorted(re.findall(r"Reason Code: *\n *([\w ]+)", text)) == ["Key Compromise", "Superseded"]
    assert ca.crl_number() == 5
    assert ca.denied() == [spki(path[p]) for p in revoked]
    with open(ca.deny, encoding="ascii") as f:
        remarks = [line for line in f if line.startswith("#")]
    assert all(any(p in r and serial[p] in r for r in remarks) for p in revoked)
    for p in revoked:
        assert "revoked" in ca.verify(path[p], "sslclient", code=1)
    ca.verify(path["server/main"], "sslserver")
    assert dict(ca.states()) == {"server/main": "valid", "pos/1/1": "revoked", "pos/1/2": "revoked", "backend/app": "revoked", "operator/anna": "revoked"}
    # again, in each way: nothing changes
    before = [open(p, "rb").read() for p in (ca.crl, ca.deny)]
    for what in (serial["pos/1/1"], path["pos/1/1"], "pos/1/1"):
        assert [r["already"] for r in pki("revoke", ca.dir, what)["revoked"]] == [True]
    assert "was revoked already" in pki("revoke", ca.dir, "pos/1/1", people=True)
    assert [open(p, "rb").read() for p in (ca.crl, ca.deny)] == before
    assert "Clients look at no revocation list" in pki("revoke", ca.dir, "server/main", people=True)
    # what is none of ours
    other = Authority(world, "other")
    _, foreign = other.issue("operator/zoe")
    for what in ("operator/nobody", "00ff", os.path.join(foreign, "cert.pem"), ca.ca, world.write("text", "x")):
        pki("revoke", ca.dir, what, code=2)
    pki("revoke", ca.dir, "pos/1/1", "--reason", "boredom", code=2)
    assert ca.crl_number() == 6
    pki("crl", ca.dir)
    expect(pki("crl", ca.dir, "--days", "10"), crl_number=8)
    assert ca.crl_text().count("Revocation Date") == 5


def test_a_principal_stands_for_all_its_certificates(world):
    ca = Authority(world)
    for out in ("one", "two"):
        ca.issue("pos/1/1", out=out)
    assert [r["already"] for r in pki("revoke", ca.dir, "pos/1/1")["revoked"]] == [False, False]
    _, third = ca.issue("pos/1/1", out="three")
    ca.verify(os.path.join(third, "cert.pem"), "sslclient")
    assert len(pki("revoke", ca.dir, "pos/1/1")["revoked"]) == 1
    assert ca.states() == [("pos/1/1", "revoked")] * 3
    # a certificate that the list has lost can be revoked by itself, and is listed again
    _, fourth = ca.issue("pos/1/1", out="four")
    with open(os.path.join(ca.dir, "issued.jsonl"), "r+", encoding="ascii") as f:
        lines = f.readlines()[:-1]
        f.seek(0)
        f.truncate()
        f.writelines(lines)
    assert len(ca.states()) == 3
    pki("revoke", ca.dir, os.path.join(fourth, "cert.pem"))
    assert ca.states() == [("pos/1/1", "revoked")] * 4
    assert "revoked" in ca.verify(os.path.join(fourth, "cert.pem"), "sslclient", code=1)


@plain_build
def test_ends_are_told_beforehand(world):
    ca = Authority(world, "ca", "--days", "500")
    _, anna = ca.issue("operator/anna")
    ca.issue("pos/1/1")
    ca.issue("pos/1/2", "--days", "50", out="first")
    ca.issue("pos/1/2", out="second")
    def warnings(days):
        return [w.split(" ")[0] + w.split(" ")[1] for w in ca.list(env=faketime(world, f"+{days}d"))["warnings"]]
    assert warnings(30) == [], "the first of pos/1/2 is no trouble: another one goes on"
    assert warnings(59) == []
    assert warnings(61) == ["operator/annahas"]
    later = faketime(world, "+91d")
    assert dict(ca.states(env=later)) == {"operator/anna": "expired", "pos/1/1": "valid", "pos/1/2": "valid"}
    assert [s for p, s in ca.states(env=later) if p == "pos/1/2"] == ["expired", "valid"]
    assert warnings(91) == []
    assert warnings(340) == ["therevocation"]
    assert warnings(375) == ["pos/1/1has", "pos/1/2has", "therevocation"]
    expect(pki("crl", ca.dir, env=faketime(world, "+375d")), status="OK", until=ca.made["until"])
    assert warnings(375) == ["pos/1/1has", "pos/1/2has"]
    assert warnings(480) == ["therevocation", "theauthority"]
    assert "has ended" in ca.issue("operator/late", code=1, env=faketime(world, "+501d"))[0]["message"]
    assert not os.path.exists(world.path("operator-late"))
    assert pki("revoke", ca.dir, "operator/anna", env=faketime(world, "+100d"))["revoked"][0]["already"] is False


# ---- TLS ----

def contexts(ca, server, client, crl=True):
    s = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    s.minimum_version = ssl.TLSVersion.TLSv1_3
    s.load_cert_chain(os.path.join(server, "cert.pem"), os.path.join(server, "key.pem"))
    s.load_verify_locations(ca.ca)
    s.verify_mode = ssl.CERT_REQUIRED
    if crl:
        s.load_verify_locations(ca.crl)
        s.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.minimum_version = ssl.TLSVersion.TLSv1_3
    c.load_verify_locations(os.path.join(client, "ca.pem"))
    c.load_cert_chain(os.path.join(client, "cert.pem"), os.path.join(client, "key.pem"))
    for context in (s, c):
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.set_alpn_protocols(["fealty/1"])
    return s, c


def handshake(server_context, client_context, name):
    """The URIs that each side sees of the other; raises what OpenSSL says."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    waiting = [client, server]
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                pass
    assert not waiting and server.version() == "TLSv1.3" and client.selected_alpn_protocol() == "fealty/1"
    return [[value for kind, value in side.getpeercert()["subjectAltName"] if kind == "URI"] for side in (server, client)]


def refused(words, *arguments):
    try:
        handshake(*arguments)
    except ssl.SSLError as e:
        assert words in str(e), e
        return
    raise AssertionError(f"it was to be refused: {words}")


def test_they_speak_tls_with_each_other(world):
    ca = Authority(world)
    _, server = ca.issue("server/main", "--address", "ledger.example.com", "--address", "127.0.0.1", "--address", "::1")
    _, till = ca.issue("pos/0042/07")
    for name in ("ledger.example.com", "127.0.0.1", "::1"):
        assert handshake(*contexts(ca, server, till), name) == [[f"spiffe://{DOMAIN}/pos/0042/07"], [f"spiffe://{DOMAIN}/server/main"]]
    refused("match", *contexts(ca, server, till), "other.example.com")
    refused("match", *contexts(ca, server, till), "127.0.0.2")
    refused("certificate", *contexts(ca, server, server), "127.0.0.1")          # a server's certificate is for no client
    refused("certificate", *contexts(ca, till, till), "127.0.0.1")              # and a till's for no server
    other = Authority(world, "other")
    _, stranger = other.issue("pos/0042/07", out="stranger")
    shutil.copy(ca.ca, os.path.join(stranger, "ca.pem.new"))
    os.replace(os.path.join(stranger, "ca.pem.new"), os.path.join(stranger, "ca.pem"))
    refused("certificate verify failed", *contexts(ca, server, stranger), "127.0.0.1")
    pki("revoke", ca.dir, "pos/0042/07")
    refused("revoked", *contexts(ca, server, till), "127.0.0.1")
    assert handshake(*contexts(ca, server, till, crl=False), "127.0.0.1"), "only the list turns it away"
    _, again = ca.issue("pos/0042/07", out="again")
    assert handshake(*contexts(ca, server, again), "127.0.0.1")


def test_another_authority_takes_over(world):
    """As TLS.md has it: both are trusted for a while, each with its own list."""
    old, new = Authority(world, "old"), Authority(world, "new")
    _, server = old.issue("server/main", out="s1")
    _, till = old.issue("pos/1/1", out="t1")
    _, next_till = new.issue("pos/1/1", out="t2")
    both = Authority.__new__(Authority)
    both.ca, both.crl = world.path("both.pem"), world.path("both.crl")
    for name, paths in ((both.ca, (old.ca, new.ca)), (both.crl, (old.crl, new.crl))):
        with open(name, "wb") as f:
            f.write(b"".join(open(p, "rb").read() for p in paths))
    shutil.copy(both.ca, os.path.join(next_till, "ca.both"))
    os.replace(os.path.join(next_till, "ca.both"), os.path.join(next_till, "ca.pem"))
    for client in (till, next_till):
        assert handshake(*contexts(both, server, client), "127.0.0.1")
    assert openssl("x509", "-in", old.ca, "-noout", "-subject") != openssl("x509", "-in", new.ca, "-noout", "-subject")


# ---- crashes, and several at once ----

def issued_lines(ca):
    with open(os.path.join(ca.dir, "issued.jsonl"), encoding="ascii") as f:
        return [json.loads(line) for line in f]


def killed_at_each_step(world, words):
    """Runs it with an end in front of each step in turn, until it gets through; yields after each end."""
    library = world.path("kill.so")
    if not os.path.exists(library):
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, world.write("kill.c", KILL_SOURCE), "-ldl"], check=True)
    for step in range(1, 60):
        done = run_fealty(words(step), env={"LD_PRELOAD": library, "KILL_AT": str(step)}, check=False)
        if done.code == 0:
            assert step > 3, "it was killed nowhere"
            return
        assert done.code == -9, done
        yield step
    raise AssertionError("it does not come to its end")


@plain_build
def test_killed_at_every_step_of_an_init(world):
    for step in killed_at_each_step(world, lambda step: ["pki", "init", world.path(f"ca{step}"), "--domain", DOMAIN]):
        directory = world.path(f"ca{step}")
        if os.path.exists(directory):
            expect(pki("list", directory), status="OK")
            pki("issue", directory, "operator/a", "--out", world.path(f"a{step}"))
        for left in glob.glob(directory + ".*"):
            assert mode(left) == 0o700


@plain_build
def test_killed_at_every_step_of_an_issue(world):
    """Whatever is in its place is whole and listed; what is listed and nowhere is nobody's."""
    ca, known = Authority(world), 0
    seen = set()                    # whether it was there, whether the list knew it
    for step in killed_at_each_step(world, lambda step: ["pki", "issue", ca.dir, "operator/anna", "--out", world.path(f"out{step}")]):
        out = world.path(f"out{step}")
        listed = {row["serial"] for row in ca.list()["certificates"]}
        seen.add((os.path.exists(out), len(listed) > known))
        known = len(listed)
        if os.path.exists(out):
            assert set(files(out)) == {"cert.pem", "key.pem", "ca.pem"}
            serial = openssl("x509", "-in", os.path.join(out, "cert.pem"), "-noout", "-serial").split("=")[1].strip().lower()
            assert serial in listed
            ca.verify(os.path.join(out, "cert.pem"), "sslclient")
        for left in glob.glob(out + ".*"):
            assert mode(left) == 0o700
            assert not os.path.exists(os.path.join(left, "key.pem")) or mode(os.path.join(left, "key.pem")) & 0o77 == 0
    assert seen == {(False, False), (False, True), (True, True)}, seen
    assert len(pki("revoke", ca.dir, "operator/anna")["revoked"]) == len(issued_lines(ca))


@plain_build
def test_killed_at_every_step_of_a_revocation(world):
    ca = Authority(world)
    made = {}
    for n in range(1, 20):
        made[n], _ = ca.issue("operator/anna", out=f"out{n}")
    halves = 0
    for step in killed_at_each_step(world, lambda step: ["pki", "revoke", ca.dir, made[step]["serial"]]):
        one = made[step]
        in_crl, in_deny = one["serial"].upper() in ca.crl_text(), one["spki_sha256"] in ca.denied()
        assert in_deny or not in_crl, "the deny file comes first"
        halves += in_deny and not in_crl
        state = next(r["state"] for r in ca.list()["certificates"] if r["serial"] == one["serial"])
        assert (state == "revoked") == in_crl
        again = pki("revoke", ca.dir, one["serial"])["revoked"][0]
        assert again["already"] == in_crl
        assert one["serial"].upper() in ca.crl_text() and ca.denied().count(one["spki_sha256"]) == 1
    assert halves > 0


def test_a_line_that_a_crash_cut_off(world):
    ca = Authority(world)
    ca.issue("operator/a")
    path = os.path.join(ca.dir, "issued.jsonl")
    with open(path, "a", encoding="ascii") as f:
        f.write('{"serial":"00')
    assert ca.states() == [("operator/a", "valid")]
    ca.issue("operator/b")
    assert ca.states() == [("operator/a", "valid"), ("operator/b", "valid")] and len(issued_lines(ca)) == 2
    good = open(path, encoding="ascii").read()
    first = good.splitlines()[0]
    for broken in ("{}\n", "x\n", "\n", first.replace("operator/a", "nobody") + "\n", first.replace('"serial":"', '"serial":"x') + "\n"):
        with open(path, "w", encoding="ascii") as f:
            f.write(good + broken)
        assert "line 3" in pki("list", ca.dir, code=5)["message"], broken
        assert "line 3" in ca.issue("operator/c", code=5)[0]["message"]


@seconds(120)
def test_many_at_once(world):
    ca = Authority(world)
    results = []

    def work(n):
        for i in range(4):
            made, _ = ca.issue(f"pos/{n}/{i}")
            results.append(made["serial"])
            if i % 2:
                pki("revoke", ca.dir, made["serial"])
    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(set(results)) == 16 and {r["serial"] for r in issued_lines(ca)} == set(results)
    assert sorted(s for _, s in ca.states()) == ["revoked"] * 8 + ["valid"] * 8
    assert ca.crl_number() == 9 and len(ca.denied()) == 8
