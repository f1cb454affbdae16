# SPDX-License-Identifier: BSD-3-Clause
"""What GnuPG, ssh and OpenSC do with the OpenPGP card."""

import hashlib
import pathlib
import subprocess
import tempfile

import pytest

from gnupg import GnuPG
from rig import Rig
from waiting import TIMEOUT

PIN, ADMIN_PIN = "123456", "12345678"
SERIAL = "D276000124010304FFFE123456780000"
MESSAGE = "a message\n"
KEYS = "Signature key", "Encryption key", "Authentication key"


@pytest.fixture
def gnupg(request):
    arguments = getattr(request, "param", "")
    with Rig("--seed", 1, "--card", "openpgp" + arguments) as rig, GnuPG(rig, user=PIN, admin=ADMIN_PIN) as one:
        yield one


def with_keys(*names):
    return pytest.mark.parametrize("gnupg", [",keys=" + name for name in names], indirect=True)


def keys_on_card(gnupg):
    card = gnupg.card()
    return [card[name].replace(" ", "") for name in KEYS]


def check_key(gnupg, user, **options):
    """Signs, verifies, encrypts and decrypts."""
    message = gnupg.folder / "message"
    message.write_text(MESSAGE)
    gnupg.gpg("-u", user, "-o", "signature", "--detach-sign", message, **options)
    assert "GOODSIG" in gnupg.gpg("--status-fd", 1, "--verify", "signature", message)
    gnupg.gpg("-r", user, "-o", "encrypted", "--encrypt", message)
    assert gnupg.gpg("--decrypt", "encrypted", **options) == MESSAGE


# Answers to key-attr for all three keys: RSA and its length, or ECC and the number of a curve.
@pytest.mark.parametrize("answers, attributes", [
    (None, "rsa2048 rsa2048 rsa2048"),
    (("2", "1") * 3, "ed25519 cv25519 ed25519"),
    (("2", "3") * 3, "nistp256 nistp256 nistp256")], ids=["rsa2048", "25519", "nistp256"])
def test_gpg_generates_on_the_card(gnupg, answers, attributes):
    assert gnupg.card()["Application ID"] == SERIAL
    if answers:
        gnupg.edit_card("key-attr", *answers)
    assert gnupg.card()["Key attributes"] == attributes
    printed = gnupg.edit_card("generate", "n", "0", "y", "Alice", "alice@example.org", "")
    assert "KEY_CREATED" in printed, printed
    assert sorted(keys_on_card(gnupg)) == sorted(gnupg.fingerprints("-K", "alice"))
    assert gnupg.card()["Signature counter"] == "4"
    check_key(gnupg, "alice")


@with_keys("rsa2048", "ed25519")
def test_gpg_takes_the_keys_that_are_there(gnupg):
    there = keys_on_card(gnupg)
    options = "--faked-system-time", "1577836800!"  # when the keys were made; it is part of a fingerprint
    gnupg.gpg(*options, "--quick-gen-key", "alice@example.org", "card", "sign,cert", "never")
    key = gnupg.fingerprints("-K", "alice")[0]
    gnupg.gpg(*options, "--quick-add-key", key, "card", "encr", "never")
    assert gnupg.fingerprints("-K", "alice") == there[:2]
    check_key(gnupg, "alice")


@pytest.mark.parametrize("sign, encrypt", [("rsa2048", "rsa2048"), ("ed25519", "cv25519"),
                                           ("brainpoolP512r1", "brainpoolP512r1")])
def test_gpg_moves_keys_to_the_card(gnupg, sign, encrypt):
    made = "--passphrase", "", "--pinentry-mode", "loopback"
    gnupg.gpg(*made, "--quick-gen-key", "alice@example.org", sign, "sign,cert", "never")
    key = gnupg.fingerprints("-K", "alice")[0]
    gnupg.gpg(*made, "--quick-add-key", key, encrypt, "encr", "never")
    printed = gnupg.dialogue("--edit-key", "alice", lines=["keytocard", "y", "1", "key 1", "keytocard", "2", "save"])
    assert "FAILURE" not in printed, printed
    assert keys_on_card(gnupg) == [*gnupg.fingerprints("-K", "alice"), "[none]"]
    check_key(gnupg, "alice")


def counters(gnupg):
    return gnupg.card()["PIN retry counter"]


def verify(gnupg, pin):
    return gnupg.agent("scd checkpin " + SERIAL, pins={"user": pin}).splitlines()[-1]


def test_gpg_changes_and_unblocks_pins(gnupg):
    done = "SC_OP_SUCCESS"
    assert done in gnupg.edit_card("passwd", "1", "q", pins={"new": "654321"})
    assert done in gnupg.edit_card("passwd", "3", "q", pins={"new": "87654321"})
    gnupg.pins["admin"] = "87654321"
    assert done in gnupg.edit_card("passwd", "4", "q", pins={"new": "resetting"})
    assert counters(gnupg) == "3 3 3"
    for left in (2, 1, 0):
        assert "Bad PIN" in verify(gnupg, PIN)
        assert counters(gnupg) == f"{left} 3 3"
    assert "blocked" in verify(gnupg, "654321")
    assert done in gnupg.edit_card("unblock", pins={"user": "resetting", "reset": "resetting", "new": PIN})
    assert verify(gnupg, PIN) == "OK"
    assert done in gnupg.edit_card("passwd", "2", "q", pins={"new": "234567"})
    assert verify(gnupg, "234567") == "OK"


def test_gpg_writes_data_objects(gnupg):
    gnupg.edit_card("name", "Doe", "Jane", "lang", "de", "salutation", "F", "url", "https://example.org/key", "login",
                    "jane", "forcesig", "privatedo 2", "something")
    card = gnupg.card()
    expected = {"Name of cardholder": "Jane Doe", "Language prefs": "de", "Salutation": "Ms.", "Login data": "jane",
                "URL of public key": "https://example.org/key", "Signature PIN": "not forced",
                "Private DO 2": "something"}
    assert {name: card[name] for name in expected} == expected


def test_gpg_writes_a_certificate(gnupg):
    certificate = bytes(range(256)) * 8  # to gpg it is just bytes
    (gnupg.folder / "certificate").write_bytes(certificate)
    gnupg.edit_card("writecert 3 < certificate")
    gnupg.edit_card("readcert 3 > read")
    assert (gnupg.folder / "read").read_bytes() == certificate


@with_keys("ed25519")
def test_gpg_resets_the_card(gnupg):
    assert keys_on_card(gnupg) != ["[none]"] * 3
    gnupg.edit_card("factory-reset", "y", "yes")
    assert keys_on_card(gnupg) == ["[none]"] * 3
    assert counters(gnupg) == "3 0 3"
    assert verify(gnupg, PIN) == "OK"


def test_gpg_hashes_pins(gnupg):
    gnupg.edit_card("kdf-setup")
    assert gnupg.card()["KDF setting"] == "on"
    assert verify(gnupg, PIN) == "OK"
    assert "SC_OP_SUCCESS" in gnupg.edit_card("passwd", "1", "q", pins={"new": "654321"})
    assert verify(gnupg, "654321") == "OK"


@with_keys("ed25519")
def test_ssh_signs_through_gpg_agent(gnupg):
    folder = gnupg.folder
    gnupg.environment["SSH_AUTH_SOCK"] = gnupg.do("gpgconf", "--list-dirs", "agent-ssh-socket").strip()
    key = gnupg.do("ssh-add", "-L")
    (folder / "key.pub").write_text(key)
    (folder / "allowed").write_text("alice " + key)
    (folder / "message").write_text(MESSAGE)
    gnupg.do("ssh-keygen", "-Y", "sign", "-f", "key.pub", "-n", "file", "message")
    assert "Good" in gnupg.do("ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", "alice", "-n", "file", "-s",
                              "message.sig", input=MESSAGE)


@pytest.fixture
def folder(temporary):
    with tempfile.TemporaryDirectory(dir=temporary) as name:
        yield pathlib.Path(name)


@pytest.fixture
def opensc(request, folder):
    """Runs OpenSC's programs in a rig, in which the card stays."""
    with Rig("--seed", 1, "--card", "openpgp" + getattr(request, "param", "")) as rig:
        def run(*command, allowed=(0,)):
            done = subprocess.run([str(word) for word in command], env=rig.environment(), cwd=folder,
                                  capture_output=True, text=True, timeout=TIMEOUT)
            assert done.returncode in allowed, done
            return done.stdout
        yield run


TOOL = "pkcs11-tool", "--login", "--pin", PIN
SIGN, OTHERS = (("--token-label", f"OpenPGP card (User {name})") for name in ("PIN (sig)", "PIN"))


def check_signature(opensc, token, key, *mechanism, signed="message"):
    """OpenSSL verifies it with the public key on the card."""
    opensc(*TOOL, *token, "--id", key, "--sign", "-m", *mechanism, "-i", signed, "-o", "signature")
    opensc("pkcs15-tool", "--read-public-key", key, "-o", "public")
    verify = "openssl", "dgst", "-sha256", "-verify", "public", "-signature", "signature"
    assert "Verified OK" in opensc(*verify, "message")


def test_opensc_knows_the_card(opensc):
    assert opensc("opensc-tool", "--name").strip() == "OpenPGP card v3.4 (FFFE 12345678)"
    printed = opensc("openpgp-tool", "--card-info", "--user-info", "--key-info")
    assert "unmanaged S/N range" in printed and "RSA2048" in printed


def test_opensc_generates_signs_and_decrypts(opensc, folder):
    for key in (1, 2, 3):
        opensc("openpgp-tool", "--verify", "CHV3", "--pin", ADMIN_PIN, "--gen-key", key, "--key-type", "rsa2048")
    (folder / "message").write_text(MESSAGE)
    check_signature(opensc, SIGN, "01", "SHA256-RSA-PKCS")
    check_signature(opensc, OTHERS, "03", "SHA256-RSA-PKCS")
    opensc("pkcs15-tool", "--read-public-key", "02", "-o", "public")
    opensc("openssl", "pkeyutl", "-encrypt", "-pubin", "-inkey", "public", "-in", "message", "-out", "encrypted")
    assert MESSAGE in opensc(*TOOL, *OTHERS, "--id", "02", "--decrypt", "-m", "RSA-PKCS", "--input-file", "encrypted")
    assert opensc(*TOOL, "--test").rstrip().endswith("No errors")


@pytest.mark.parametrize("opensc", [",keys=nistp256", ",keys=nistp384", ",keys=brainpoolP512r1"], indirect=True)
def test_opensc_signs_on_a_curve(opensc, folder):
    (folder / "message").write_text(MESSAGE)
    (folder / "hash").write_bytes(hashlib.sha256(MESSAGE.encode()).digest())
    mechanism = "ECDSA", "--signature-format", "openssl"
    check_signature(opensc, SIGN, "01", *mechanism, signed="hash")
    check_signature(opensc, OTHERS, "03", *mechanism, signed="hash")


def test_opensc_stores_a_key_and_its_certificate(opensc, folder):
    opensc("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "certificate", "-subj",
           "/CN=Alice")
    admin = "--auth-id", 3, "--verify-pin", "--pin", ADMIN_PIN
    opensc("pkcs15-init", "--store-private-key", "key", "--id", 3, *admin, allowed=(0, -6))  # 0.26 then frees it twice
    opensc("pkcs15-init", "--store-certificate", "certificate", "--id", 3, *admin)
    assert opensc("pkcs15-tool", "--read-certificate", 3) == (folder / "certificate").read_text()
    (folder / "message").write_text(MESSAGE)
    check_signature(opensc, OTHERS, "03", "SHA256-RSA-PKCS")


def test_opensc_erases_the_card(opensc):
    generate = "openpgp-tool", "--verify", "CHV3", "--pin", ADMIN_PIN, "--gen-key", 1, "--key-type", "rsa2048"
    opensc(*generate)
    none = "Sig Fingerprint: " + ":".join(["00"] * 20)
    assert none not in opensc("openpgp-tool", "--key-info")
    opensc("openpgp-tool", "--erase")
    assert none in opensc("openpgp-tool", "--key-info")
    opensc(*generate)
