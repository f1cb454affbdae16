# SPDX-License-Identifier: BSD-3-Clause
"""The card pkcs15 with OpenSC: pkcs15-init, pkcs15-tool, pkcs15-crypt and pkcs11-tool do what they do with real cards."""

import contextlib
import pathlib
import tempfile

import pytest

from pkcs15_card import DATA, PIN, PUK, Card
from rig import Rig

RSA_KEYS = ("rsa/2048", "rsa/3072")
EC_KEYS = ("ec/prime256v1", "ec/secp384r1", "ec/secp521r1")


@contextlib.contextmanager
def a_card(temporary, *options):
    with tempfile.TemporaryDirectory(dir=temporary) as folder, Rig("--card", *options) as rig:
        yield Card(rig, pathlib.Path(folder))


@pytest.fixture
def card(temporary):
    with a_card(temporary, "pkcs15") as card:
        card.initialize()
        yield card


def sign_options(algorithm):
    return ("--pkcs1", "--sha-256") if algorithm.startswith("rsa") else ("--signature-format", "openssl")


@pytest.mark.parametrize("algorithm", (*RSA_KEYS, *EC_KEYS))
def test_a_generated_key_signs(card, algorithm):
    card.generate(algorithm, 10, "sign")
    card.sign(10, *sign_options(algorithm))
    card.openssl_verifies()


@pytest.mark.parametrize("algorithm", ("rsa", "ec"))
def test_a_stored_key_signs(card, algorithm):
    parameters = ["rsa_keygen_bits:2048"] if algorithm == "rsa" else ["ec_paramgen_curve:P-256"]
    card.do("openssl", "genpkey", "-algorithm", algorithm, "-pkeyopt", *parameters, "-out", "key.pem")
    card.do("openssl", "req", "-x509", "-key", "key.pem", "-subj", "/CN=Alice", "-out", "certificate.pem")
    card.do("openssl", "pkey", "-in", "key.pem", "-pubout", "-out", "public.pem")
    card.init("--store-private-key", "key.pem", "-a", 1, "-i", 10, *PIN)
    card.init("--store-certificate", "certificate.pem", "-a", 1, "-i", 10, *PIN)
    assert card.do("pkcs15-tool", "--read-certificate", 10) == (card.folder / "certificate.pem").read_bytes()
    card.sign(10, *sign_options(algorithm))
    card.openssl_verifies()
    listed = card.do("pkcs15-tool", "--dump").decode()
    for text in ("PIN [Security Officer PIN]", "PIN [User]", "Private " + algorithm.upper() + " Key", "X.509 Certificate"):
        assert text in listed
    assert b"Deleted 3 objects" in card.init("--delete-objects", "privkey,pubkey,cert", "-i", 10, *PIN)
    assert b"Private" not in card.do("pkcs15-tool", "--dump")


def test_decipher(card):
    card.generate("rsa/2048", 10, "decrypt")
    card.do("openssl", "pkeyutl", "-encrypt", "-pubin", "-inkey", "public.pem", "-in", "hash", "-out", "encrypted")
    plain = card.do("pkcs15-crypt", "--decipher", "-k", 10, *PIN, "--pkcs1", "-i", "encrypted", "--raw")
    assert plain == (card.folder / "hash").read_bytes()
    (card.folder / "encrypted").write_bytes(bytes(256))
    assert card.run("pkcs15-crypt", "--decipher", "-k", 10, *PIN, "--pkcs1", "-i", "encrypted").returncode != 0


def test_a_common_secret(card):
    card.generate("ec/prime256v1", 10, "keyAgreement")
    card.do("openssl", "genpkey", "-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "other.pem")
    card.do("openssl", "pkey", "-in", "other.pem", "-pubout", "-outform", "DER", "-out", "other.der")
    card.do("pkcs11-tool", "--login", *PIN, "--derive", "-m", "ECDH1-COFACTOR-DERIVE", "--id", 10, "--input-file",
            "other.der", "-o", "secret")
    expected = card.do("openssl", "pkeyutl", "-derive", "-inkey", "other.pem", "-peerkey", "public.pem")
    assert (card.folder / "secret").read_bytes() == expected


def openssl_encrypt(card, key, iv, source):
    return card.do("openssl", "enc", "-aes-256-cbc", "-nopad", "-K", key.hex(), "-iv", iv.hex(), "-in", source)


def aes(card, operation, identifier, iv, source, target):
    card.do("pkcs11-tool", "--login", *PIN, operation, "-m", "AES-CBC", "--iv", iv.hex(), "--id", identifier, "-i", source,
            "-o", target)


def test_aes(card):
    key, iv = bytes(range(32)), bytes(range(16))
    (card.folder / "key").write_bytes(key)
    (card.folder / "plain").write_bytes(b"x" * 512)    # more than one command takes
    card.init("--store-secret-key", "key", "--secret-key-algorithm", "aes/256", "-a", 1, "-i", 10, *PIN)
    aes(card, "--encrypt", 10, iv, "plain", "encrypted")
    assert (card.folder / "encrypted").read_bytes() == openssl_encrypt(card, key, iv, "plain")
    aes(card, "--decrypt", 10, iv, "encrypted", "decrypted")
    assert (card.folder / "decrypted").read_bytes() == b"x" * 512


def test_unwrap(card):
    key, iv = bytes(range(32)), bytes(16)
    (card.folder / "key").write_bytes(key)
    card.generate("rsa/2048", 10, "decrypt,keyEncipherment")
    card.do("openssl", "pkeyutl", "-encrypt", "-pubin", "-inkey", "public.pem", "-in", "key", "-out", "wrapped")
    card.do("pkcs11-tool", "--login", *PIN, "--unwrap", "-m", "RSA-PKCS", "--id", 10, "-i", "wrapped", "--key-type",
            "AES:32", "--application-id", 11)
    aes(card, "--encrypt", 11, iv, "key", "encrypted")
    assert (card.folder / "encrypted").read_bytes() == openssl_encrypt(card, key, iv, "key")


def verifies(card, value):
    done = card.run("pkcs15-tool", "--verify-pin", "-a", 1, "--pin", value)
    return done.returncode == 0, done.stderr.decode()


def test_pin_and_puk(card):
    for _ in range(3):
        assert "PIN code or key incorrect" in verifies(card, "9999")[1]
    assert "Authentication method blocked" in verifies(card, "1234")[1]
    wrong = card.run("pkcs15-tool", "--unblock-pin", "-a", 1, "--puk", "99999999", "--new-pin", "4321")
    assert wrong.returncode != 0
    card.do("pkcs15-tool", "--unblock-pin", "-a", 1, "--puk", PUK, "--new-pin", "4321")
    assert verifies(card, "4321")[0]
    card.do("pkcs15-tool", "--change-pin", "-a", 1, "--pin", "4321", "--new-pin", "1234")
    assert verifies(card, "1234")[0]


def test_private_data(card):
    (card.folder / "data").write_bytes(DATA)
    card.init("--store-data", "data", "-l", "note", "-a", 1, "--application-name", "test", *PIN)
    read = ("pkcs15-tool", "--read-data-object", "note", "--raw", "-a", 1)
    assert DATA not in card.run(*read).stdout
    assert card.do(*read, "--verify-pin", *PIN) == DATA


def test_pkcs11_test(card):
    card.generate("rsa/2048", 10, "sign,decrypt")
    done = card.run("pkcs11-tool", "--login", *PIN, "--test")
    assert done.returncode == 0, done
    assert b"No errors" in done.stdout


def test_erase(card):
    card.generate("ec/prime256v1", 10, "sign")
    assert card.run("pkcs15-init", "--erase-card", "--secret", "@ff=11111111").returncode != 0
    assert b"Private EC Key" in card.do("pkcs15-tool", "--dump")
    card.do("pkcs15-init", "--erase-card", "--secret", "@ff=87654321")  # for this, --so-pin would not be used
    assert card.run("pkcs15-tool", "--dump").returncode != 0
    card.initialize()
    assert b"Private" not in card.do("pkcs15-tool", "--dump")


def test_the_card_is_kept(temporary):
    state = temporary / "state"
    with a_card(temporary, f"pkcs15,state={state},serial=77") as card:
        card.initialize()
        card.generate("rsa/2048", 10, "sign")
        public = (card.folder / "public.pem").read_bytes()
    with a_card(temporary, f"pkcs15,state={state},serial=77") as card:
        (card.folder / "public.pem").write_bytes(public)
        assert "3737" in card.do("pkcs15-tool", "--dump").decode()
        card.sign(10, "--pkcs1", "--sha-256")
        card.openssl_verifies()
    state.unlink()
