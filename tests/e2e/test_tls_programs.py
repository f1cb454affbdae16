# SPDX-License-Identifier: BSD-3-Clause
"""GnuTLS and OpenSSL sign with the key on a card, over PKCS#11: documents, and TLS connections."""

import hashlib
import re

import pytest

from home import MODULE, MODULE_PATH, home_with
from tls_server import CERTIFICATE, SAYS, TlsServer

PIN = "123456"
KEY, CERTIFICATE_OF_KEY = f"pkcs11:id=%01;type=private?pin-value={PIN}", "pkcs11:id=%01;type=cert"
ENGINE = "-engine", "pkcs11", "-keyform", "engine"


@pytest.fixture(params=["rsa2048", "p256"])
def home(request, temporary):
    """In it are the certificate and the public key of the PIV card's first key, and a document with its hash."""
    with home_with(f"piv,algorithm={request.param}", temporary) as home:
        home.environment["PKCS11_MODULE_PATH"] = MODULE_PATH
        home.do("p11tool", "--provider", MODULE, "--outfile", "certificate", "--export", CERTIFICATE_OF_KEY)
        home.do("openssl", "x509", "-in", "certificate", "-noout", "-pubkey", "-out", "public")
        (home.folder / "document").write_bytes(b"a document")
        (home.folder / "hash").write_bytes(hashlib.sha256(b"a document").digest())
        yield home


def p11tool(home, *words):
    return home.do("p11tool", "--provider", MODULE, *words)


def test_p11tool(home):
    assert "Label: PIV Authentication" in p11tool(home, "--list-tokens")
    logged_in = "--login", "--set-pin", PIN
    assert p11tool(home, "--list-privkeys", *logged_in).count("Type: Private key") == 4
    for key in ("01", "02"):
        done = home.run("p11tool", "--provider", MODULE, "--test-sign", *logged_in, f"pkcs11:id=%{key};type=private")
        assert done.returncode == 0 and done.stderr.count("... ok") == 3, done
    assert p11tool(home, "--export-pubkey", *logged_in, "pkcs11:id=%01") == (home.folder / "public").read_text()


def test_openssl_signs_by_its_engine(home):
    home.do("openssl", "dgst", *ENGINE, "-sign", KEY, "-sha256", "-out", "signature", "document")
    verify = "openssl", "dgst", "-sha256", "-verify", "public", "-signature", "signature", "document"
    assert "Verified OK" in home.do(*verify)
    home.do("openssl", "pkeyutl", *ENGINE, "-sign", "-inkey", KEY, "-in", "hash", "-out", "signature", "-pkeyopt",
            "digest:sha256")
    assert "Verified OK" in home.do(*verify)


def openssl_client(port, version):
    return ("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-quiet", f"-tls1_{version}", "-CAfile", CERTIFICATE,
            "-verify_return_error", *ENGINE, "-key", KEY, "-cert", "certificate")


def gnutls_client(port, version):
    return ("gnutls-cli", "--provider", MODULE, "--port", port, "--priority", f"NORMAL:-VERS-ALL:+VERS-TLS1.{version}",
            "--x509cafile", CERTIFICATE, "--x509keyfile", KEY, "--x509certfile", CERTIFICATE_OF_KEY, "127.0.0.1")


@pytest.mark.parametrize("client", [openssl_client, gnutls_client])
def test_a_tls_client_has_its_key_in_the_card(home, client):
    for version in (2, 3):
        with TlsServer(home, "certificate") as server:
            said = home.do(*client(server.port, version), input=SAYS)
            seen = server.end()
        assert "olleh" in said, (said, seen)
        assert re.search("CN ?= ?PIV Authentication", seen) and "Verification: OK" in seen, seen
