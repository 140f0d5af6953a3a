"""A private CA of the tests' own, by the openssl command: so that what `fealty pki` and the daemon have in common is not trusted."""
import os
import ssl
import subprocess

DOMAIN = "example.com"
CLIENT, SERVER = "clientAuth", "serverAuth"


def openssl(*arguments, stdin=None):
    done = subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"openssl {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def key_hash(cert):
    """SHA-256 of the SubjectPublicKeyInfo, as a deny list has it."""
    public = subprocess.run(["openssl", "x509", "-in", cert, "-noout", "-pubkey"], capture_output=True, check=True, timeout=60).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=public, capture_output=True, check=True, timeout=60).stdout
    return subprocess.run(["openssl", "dgst", "-sha256", "-r"], input=der, capture_output=True, check=True, timeout=60).stdout.decode().split()[0]


class Certificate:
    def __init__(self, path):
        self.cert, self.key = path + ".crt", path + ".key"

    @property
    def serial(self):
        return openssl("x509", "-in", self.cert, "-noout", "-serial").strip().split("=")[1]


class Authority:
    def __init__(self, directory, name="ca"):
        self.dir = os.path.join(directory, name)
        os.mkdir(self.dir)
        self.cert, self.key, self.crl, self.deny = (os.path.join(self.dir, n) for n in ("ca.crt", "ca.key", "ca.crl", "deny"))
        self.revoked, self.n = [], 0
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", self.key, "-out", self.cert, "-days", "30",
                "-subj", f"/CN=test {name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        self.write_crl()
        self.write_deny()

    def issue(self, principal=None, usage=CLIENT, names=None, days=("-days", "10"), newkey=("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), digest="-sha256"):
        """${names}: subjectAltName as openssl has it; by default the SPIFFE ID of ${principal}."""
        self.n += 1
        c = Certificate(os.path.join(self.dir, f"c{self.n}"))
        if names is None:
            names = f"URI:spiffe://{DOMAIN}/{principal}"
        extensions = ["basicConstraints=critical,CA:FALSE"] + ([f"extendedKeyUsage={usage}"] if usage else []) + ([f"subjectAltName={names}"] if names else [])
        config = c.cert + ".ext"
        with open(config, "w", encoding="ascii") as f:
            f.write("\n".join(extensions) + "\n")
        openssl("req", "-newkey", *newkey, "-noenc", "-keyout", c.key, "-out", c.cert + ".csr", "-subj", "/CN=x")
        openssl("x509", "-req", "-in", c.cert + ".csr", "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-out", c.cert, "-extfile", config, digest,
                *days)
        os.chmod(c.key, 0o400)
        return c

    def server(self, **options):
        names = f"URI:spiffe://{DOMAIN}/server/test,DNS:localhost,IP:127.0.0.1"
        return self.issue(usage=options.pop("usage", SERVER), names=options.pop("names", names), **options)

    def revoke(self, certificate):
        self.revoked.append(certificate.serial)
        self.write_crl()

    def write_crl(self, *until):
        """${until}: how long it is good, as `openssl ca` has it."""
        index, config = os.path.join(self.dir, "index"), os.path.join(self.dir, "ca.cnf")
        with open(index, "w", encoding="ascii") as f:
            for serial in self.revoked:
                f.write(f"R\t401231235959Z\t250101000000Z\t{serial}\tunknown\t/CN=x\n")
        with open(config, "w", encoding="ascii") as f:
            f.write(f"[ca]\ndefault_ca=d\n[d]\ndatabase={index}\ndefault_md=sha256\n")
        openssl("ca", "-gencrl", "-config", config, "-cert", self.cert, "-keyfile", self.key, "-out", self.crl, *(until or ("-crldays", "10")))

    def write_deny(self, *certificates):
        with open(self.deny, "w", encoding="ascii") as f:
            f.write("# keys that are refused\n\n")
            for c in certificates:
                f.write(key_hash(c.cert) + "  # " + c.cert + "\n")

    def context(self, certificate=None, alpn="fealty/1"):
        """What a client shows, and whom it trusts."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.cert)
        if certificate is not None:
            context.load_cert_chain(certificate.cert, certificate.key)
        if alpn:
            context.set_alpn_protocols([alpn])
        return context

    def options(self, server=None):
        server = server or self.server()
        return ["--listen", "127.0.0.1:0", "--tls-cert", server.cert, "--tls-key", server.key, "--tls-ca", self.cert, "--tls-crl", self.crl,
                "--tls-deny", self.deny]
