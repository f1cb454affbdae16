# SPDX-License-Identifier: BSD-3-Clause
"""gpgsm signs, verifies, encrypts and decrypts with the keys on a card, through scdaemon."""

import contextlib
import re

from card_events import insert, replug
from gates import Gate
from gnupg import GnuPG
from pkcs15_card import PIN, Card
from rig import Rig

MESSAGE = "a message\n"


@contextlib.contextmanager
def a_gnupg(card, pin):
    with Rig("--seed", 1, "--card", card) as rig, GnuPG(rig, user=pin) as gnupg:
        (gnupg.folder / "gpgsm.conf").write_text("disable-crl-checks\n")
        (gnupg.folder / "message").write_text(MESSAGE)
        yield gnupg


def trust(gnupg):
    """All certificates that gpgsm has are trusted."""
    listed = gnupg.do("gpgsm", "--with-colons", "--list-keys").splitlines()
    fingerprints = [line.split(":")[9] for line in listed if line.startswith("fpr:")]
    (gnupg.folder / "trustlist.txt").write_text("".join(f"{one} S relax\n" for one in fingerprints))
    gnupg.agent("reloadagent")


def check_signature(gnupg, user):
    gnupg.do("gpgsm", "--batch", "--yes", "-u", user, "-o", "signature", "--detach-sign", "message")
    assert "GOODSIG" in gnupg.do("gpgsm", "--status-fd", 1, "--verify", "signature", "message")


def check_decryption(gnupg, user):
    gnupg.do("gpgsm", "--batch", "-r", user, "-o", "encrypted", "--encrypt", "message")
    assert gnupg.do("gpgsm", "--batch", "--decrypt", "encrypted") == MESSAGE


@contextlib.contextmanager
def a_learnt_pkcs15_card():
    """It has the key and the certificate of Alice."""
    with a_gnupg("pkcs15", PIN[1]) as gnupg:
        card = Card(gnupg.rig, gnupg.folder)
        card.initialize()
        card.do("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "certificate",
                "-subj", "/CN=Alice", "-addext", "keyUsage=critical,digitalSignature,keyEncipherment")
        card.init("--store-private-key", "key", "-a", 1, "-i", 10, "--key-usage", "sign,decrypt", *PIN)
        card.init("--store-certificate", "certificate", "-a", 1, "-i", 10, *PIN)
        gnupg.do("gpgsm", "--learn-card")
        trust(gnupg)
        yield gnupg


def test_gpgsm_learns_a_pkcs15_card():
    with a_learnt_pkcs15_card() as gnupg:
        check_signature(gnupg, "Alice")
        check_decryption(gnupg, "Alice")


SIGN = "gpgsm", "--batch", "--yes", "-u", "Alice", "-o", "signature", "--detach-sign", "message"


def test_gpgsm_asks_for_the_pin_meanwhile():
    """Another client cannot reset the card: scdaemon has it for itself."""
    with a_learnt_pkcs15_card() as gnupg:
        gate = Gate(gnupg.folder)
        gnupg.ask_at(gate)

        def cannot_reset():
            assert "in use by another application" in gnupg.run("opensc-tool", "--reset").stderr
        said, status = gate.run(gnupg, SIGN, lambda: replug(gnupg.rig))
        assert status != 0 and "error creating signature" in said, said
        gnupg.wait_until_card_is_seen()
        said, status = gate.run(gnupg, SIGN, cannot_reset)
        assert status == 0, said


def test_the_card_is_removed_while_gpgsm_signs():
    with a_learnt_pkcs15_card() as gnupg:
        for pattern in "00 20", "00 2A 9E 9A":
            gnupg.rig.do("fault", faults=["removal:" + pattern])
            done = gnupg.run(*SIGN)
            assert done.returncode != 0 and "error creating signature" in done.stderr, done
            insert(gnupg.rig)
            gnupg.wait_until_card_is_seen()
            check_signature(gnupg, "Alice")


def certify_by_openssl(gnupg, public):
    """A certificate for a public key of which nobody here has the private one, so the card has to have it."""
    do = gnupg.do
    do("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca", "-subj", "/CN=CA")
    do("openssl", "req", "-new", "-key", "ca.key", "-subj", "/CN=Bob", "-out", "request")
    (gnupg.folder / "extensions").write_text("keyUsage=critical,keyEncipherment\n")
    do("openssl", "x509", "-req", "-in", "request", "-force_pubkey", public, "-CA", "ca", "-CAkey", "ca.key",
       "-CAcreateserial", "-extfile", "extensions", "-out", "certificate")


def certify_by_card(gnupg, number, usage):
    """The key signs a certificate for itself."""
    learnt = gnupg.agent("scd learn --force").splitlines()
    grip = next(line.split()[2] for line in learnt if f" OPENPGP.{number} " in line)
    (gnupg.folder / "parameters").write_text(
        f"Key-Type: card:OPENPGP.{number}\nSigning-Key: {grip}\nName-DN: CN=Alice\nKey-Usage: {usage}\nSerial: random\n")
    gnupg.do("gpgsm", "--batch", "--gen-key", "-o", "certificate", "parameters")


def test_gpgsm_uses_an_openpgp_card():
    with a_gnupg("openpgp,keys=rsa2048", "123456") as gnupg:
        gnupg.do("pkcs15-tool", "--read-public-key", "02", "-o", "public")
        gnupg.card()  # by which gpg-agent comes to know the keys
        certify_by_card(gnupg, 1, "sign")
        gnupg.do("gpgsm", "--import", "certificate")
        gnupg.edit_card("writecert 3 < certificate", pins={"admin": "12345678"})
        gnupg.edit_card("readcert 3 > read")
        assert (gnupg.folder / "read").read_bytes() == (gnupg.folder / "certificate").read_bytes()
        certify_by_openssl(gnupg, "public")
        gnupg.do("gpgsm", "--import", "ca", "certificate")
        trust(gnupg)
        check_signature(gnupg, "Alice")
        check_decryption(gnupg, "Bob")


def test_gpgsm_uses_a_piv_card():
    with a_gnupg("piv,algorithm=rsa2048", "123456") as gnupg:
        if re.search(r"\) 2\.2\.", gnupg.do("gpgsm", "--version")):
            assert "No such device" in gnupg.agent("scd serialno")  # its scdaemon knows no PIV cards
            return
        gnupg.do("gpgsm", "--learn-card")
        trust(gnupg)
        check_signature(gnupg, "Digital Signature")
        check_decryption(gnupg, "Key Management")
