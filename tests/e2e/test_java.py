# SPDX-License-Identifier: BSD-3-Clause
"""Java's keytool has its key store in a card, by SunPKCS11."""

import pytest

from home import home_with
from keytool import key_store
from pkcs15_card import Card

def requests(home, store, key):
    """The key signs a request for a certificate, which OpenSSL verifies. Returns its subject."""
    home.do("keytool", "-certreq", *store, "-alias", key, "-file", "request")
    return home.do("openssl", "req", "-in", "request", "-verify", "-noout", "-subject", "-nameopt", "RFC2253")


@pytest.mark.parametrize("algorithm", ["rsa2048", "p256"])
def test_keytool_signs_with_a_piv_card(temporary, algorithm):
    with home_with(f"piv,algorithm={algorithm}", temporary) as home:
        store = key_store(home, "123456")
        assert home.do("keytool", "-list", *store).count("PrivateKeyEntry") == 4
        assert "CN=PIV Authentication" in requests(home, store, "Certificate for PIV Authentication")
        always = home.run("keytool", "-certreq", *store, "-alias", "Certificate for Digital Signature")
        assert "CKR_USER_NOT_LOGGED_IN" in always.stdout, always  # it does not know CKA_ALWAYS_AUTHENTICATE


def test_keytool_fills_a_pkcs15_card(temporary):
    with home_with("pkcs15", temporary, Card) as home:
        home.initialize()
        store = key_store(home, "1234")
        for key, algorithm in ("alice", ("RSA", "-keysize", "2048")), ("bob", ("EC", "-groupname", "secp256r1")):
            home.do("keytool", "-genkeypair", *store, "-alias", key, "-dname", f"CN={key}", "-ext", "bc:c",
                    "-keyalg", *algorithm)
            assert f"CN={key}".encode() in requests(home, store, key)
        home.do("keytool", "-gencert", *store, "-alias", "alice", "-infile", "request", "-rfc", "-outfile", "bob")
        home.do("keytool", "-exportcert", *store, "-alias", "alice", "-rfc", "-file", "alice")
        assert b"bob: OK" in home.do("openssl", "verify", "-CAfile", "alice", "bob")
        home.do("keytool", "-delete", *store, "-alias", "alice")
        listed = home.do("keytool", "-list", *store)
        assert b"bob, PrivateKeyEntry" in listed and b"alice" not in listed
