# SPDX-License-Identifier: BSD-3-Clause
"""Programs whose card is reset, removed or loses its power in the middle: they say so, and no try of the PIN is lost.
A wrong PIN costs one."""

import hashlib
import re

import pytest

from card_events import disconnect, insert, reconnect, replug
from gates import Gate
from gnupg import GnuPG
from home import MODULE, MODULE_PATH, home_with
from keytool import key_store
from pkcs15_card import PIN as USER_PIN
from pkcs15_card import SO_PIN, Card
from rig import Rig
from ssh_server import SshServer, answer_questions, ssh_agent

PIN = "123456"
VERIFY, SIGN = "00 20 00 80 08", "00 87"
MANAGEMENT_KEY = "0102030405060708" * 3
KEY = "pkcs11:id=%01;type=private"
PKCS11_SIGN = "--login", "--pin", PIN, "--sign", "-m", "ECDSA", "--id", "01", "-i", "hash", "-o", "signature"
SIGNERS = {
    "pkcs11-tool": ("pkcs11-tool", *PKCS11_SIGN),
    "ykcs11": ("pkcs11-tool", "--module", "libykcs11.so", *PKCS11_SIGN),
    "p11tool": ("p11tool", "--provider", MODULE, "--test-sign", "--login", "--set-pin", PIN, KEY),
    "openssl": ("openssl", "dgst", "-engine", "pkcs11", "-keyform", "engine", "-sign", f"{KEY}?pin-value={PIN}", "-sha256",
                "-out", "signature", "hash"),
    "pkcs15-crypt": ("pkcs15-crypt", "--sign", "-k", "01", "--pin", PIN, "-i", "hash", "-o", "signature"),
    "yubico-piv-tool": ("yubico-piv-tool", "-a", "verify-pin", "-P", PIN, "-a", "test-signature", "-s", "9a", "-i",
                        "certificate")}


@pytest.fixture
def home(temporary):
    with home_with("piv", temporary, options=("--reader", "Yubico YubiKey")) as home:
        home.environment.update(PKCS11_MODULE_PATH=MODULE_PATH, PIV_EXT_AUTH_KEY="key")
        home.do("pkcs15-tool", "--read-certificate", "01", "-o", "certificate")
        (home.folder / "key").write_text(":".join(re.findall("..", MANAGEMENT_KEY)))
        (home.folder / "hash").write_bytes(hashlib.sha256(b"a document").digest())
        yield home


def keytool(home, pin=PIN):
    return "keytool", "-certreq", *key_store(home, pin), "-alias", "Certificate for PIV Authentication", "-file", "request"


def tries_left(home):
    """What VERIFY without data answers after a reset."""
    reconnect(home.rig)
    printed = home.do("opensc-tool", "-s", "00 A4 04 00 05 A0 00 00 03 08", "-s", "00 20 00 80")
    return int(re.findall("SW1=0x63, SW2=0xC(.)", printed)[0])


def fails(home, command, *says):
    """It says one of these texts."""
    done = home.run(*command)
    assert done.returncode != 0, done
    assert any(text in f"{done.stdout}{done.stderr}" for text in says), done


def removed_at_each(home, command, *says, patterns=(VERIFY, SIGN)):
    """The card is removed at such a command: the program ends, and says it. Then all is well."""
    for pattern in patterns:
        home.rig.do("fault", faults=[f"removal:{pattern}"])
        fails(home, command, *says)
        assert home.rig.card() is None
        insert(home.rig)
        home.do(*command)


# Whether they say that the card is removed, or that there is an error, depends on whether pcscd has seen it already.
@pytest.mark.parametrize("signer, says", [("pkcs11-tool", ("CKR_DEVICE_REMOVED", "CKR_GENERAL_ERROR")),
                                          ("p11tool", ("PKCS #11 error",)), ("openssl", ("Device removed", "General Error")),
                                          ("ykcs11", ("CKR_DEVICE_ERROR", "CKR_GENERAL_ERROR")),
                                          ("pkcs15-crypt", ("Card removed", "Transmit failed")),
                                          ("yubico-piv-tool", ("Pin code verification failed", "Failed signing"))])
def test_the_card_is_removed_while_it_signs(home, signer, says):
    removed_at_each(home, SIGNERS[signer], *says)
    assert tries_left(home) == 3


# piv-tool's exit status is a length.
STORE = ("sh", "-c", "piv-tool --admin M:9B:03 --cert 9E --in certificate;"
         "pkcs15-tool --read-certificate 04 | cmp - certificate")


@pytest.mark.parametrize("command, patterns, says", [
    (("pkcs15-tool", "--verify-pin", "--pin", PIN), [VERIFY], ("Card removed", "Transmit failed")),
    (("pkcs15-tool", "--change-pin", "--pin", PIN, "--new-pin", PIN), ["00 24"], ("Card removed", "Transmit failed")),
    (("pkcs15-tool", "--read-certificate", "02"), ["00 CB 3F FF 05 5C 03 5F C1 0A"], ("'02' not found",)),
    (STORE, ["00 87", "00 DB"], ("EOF",)),
    (("yubico-piv-tool", "--key=" + MANAGEMENT_KEY, "-a", "import-certificate", "-s", "9a", "-i", "certificate"),
     ["00 87", "00 DB"], ("Failed",)),
    (("yubico-piv-tool", "--key=" + MANAGEMENT_KEY, "-a", "generate", "-s", "9e", "-A", "ECCP256"), ["00 47"],
     ("Key generation failed",)),
], ids=["verify", "change", "read", "piv-tool", "yubico-piv-tool import", "yubico-piv-tool generate"])
def test_the_card_is_removed_from_a_tool(home, command, patterns, says):
    removed_at_each(home, command, *says, patterns=patterns)
    assert tries_left(home) == 3


def test_the_card_is_removed_from_openpgp_tool(temporary):
    with home_with("openpgp", temporary) as home:
        command = "openpgp-tool", "--verify", "CHV3", "--pin", "12345678", "--gen-key", "1", "--key-type", "rsa2048"
        removed_at_each(home, command, "Card removed", "failed", patterns=["00 20 00 83", "00 47"])


def test_the_card_is_removed_from_pkcs15_init(temporary):
    with home_with("pkcs15", temporary, Card) as card:
        card.initialize()
        for identifier, pattern in enumerate((VERIFY[:5], "00 E0", "00 D6", "00 46"), 20):
            command = ("pkcs15-init", "--generate-key", "ec/prime256v1", "-a", 1, *USER_PIN, *SO_PIN, "-i")
            card.rig.do("fault", faults=[f"removal:{pattern}"])
            fails(card, (*command, identifier), "Card removed", "failed", "Failed")
            insert(card.rig)
            card.do(*command, identifier + 10)


def test_the_card_is_removed_while_keytool_signs(home):
    removed_at_each(home, keytool(home), "load failed", "CKR_DEVICE_REMOVED", "CKR_GENERAL_ERROR")


def ssh(home, first=""):
    """A login with the card."""
    answer_questions(home, PIN, first)
    return SshServer(home, home.do("ssh-keygen", "-D", MODULE_PATH).splitlines()[0]).login("-I", MODULE_PATH)


def test_the_card_is_removed_during_a_login(home):
    removed_at_each(home, ssh(home), "login failed: error", "C_Sign failed:")


@pytest.mark.parametrize("signer", SIGNERS)
def test_a_wrong_pin_is_presented_once(home, signer):
    assert home.run(*(word.replace(PIN, "111111") for word in SIGNERS[signer])).returncode != 0
    assert tries_left(home) == 2
    home.do(*SIGNERS[signer])
    assert tries_left(home) == 3


def test_keytool_presents_a_wrong_pin_once(home):
    fails(home, keytool(home, "111111"), "load failed")
    assert tries_left(home) == 2


def test_ssh_presents_a_wrong_pin_once(home):
    login = ssh(home)
    answer_questions(home, "111111")
    assert home.run(*login).returncode != 0
    assert tries_left(home) == 2


# Not openssl when it signs: in a program with threads, OpenSC 0.23 then waits for a lock that it has itself.
@pytest.mark.parametrize("signer, pattern, says", [
    ("pkcs11-tool", VERIFY, "CKR_GENERAL_ERROR"), ("pkcs11-tool", SIGN, "CKR_GENERAL_ERROR"),
    ("p11tool", VERIFY, "PKCS #11 error"), ("p11tool", SIGN, "PKCS #11 error"), ("openssl", VERIFY, "General Error")])
def test_the_card_loses_its_power(home, signer, pattern, says):
    """OpenSC does not reset a card that does not answer. Who resets it gets it back."""
    home.rig.do("fault", faults=[f"power-loss:{pattern}"])
    fails(home, SIGNERS[signer], says)
    reconnect(home.rig)
    home.do(*SIGNERS[signer])
    assert tries_left(home) == 3


def test_the_card_loses_its_power_while_keytool_signs(home):
    home.rig.do("fault", faults=[f"power-loss:{SIGN}"])
    fails(home, keytool(home), "CKR_GENERAL_ERROR")
    reconnect(home.rig)
    home.do(*keytool(home))
    assert tries_left(home) == 3


def test_ssh_asks_for_the_pin_meanwhile(home):
    gate = Gate(home.folder)
    login = ssh(home, gate.script)
    said, status = gate.run(home, login, lambda: reconnect(home.rig))
    assert status == 0 and "welcome" in said
    said, status = gate.run(home, login, lambda: replug(home.rig))
    assert status != 0 and "login failed: error" in said
    assert home.do(*login) == "welcome\n"
    assert tries_left(home) == 3


@pytest.mark.parametrize("happens", [reconnect, disconnect, replug])
def test_ssh_agent_has_to_log_in_again(home, happens):
    ssh(home)
    with ssh_agent(home):
        home.do("ssh-add", "-s", MODULE_PATH)
        home.do("ssh-add", "-T", "authorized")
        happens(home.rig)
        for _ in range(5):  # more than there are tries
            fails(home, ("ssh-add", "-T", "authorized"), "agent refused operation")
        home.do("ssh-add", "-e", MODULE_PATH)
        home.do("ssh-add", "-s", MODULE_PATH)
        home.do("ssh-add", "-T", "authorized")
    assert tries_left(home) == 3


@pytest.fixture
def gnupg():
    with Rig("--seed", 1, "--card", "openpgp,keys=nistp256") as rig, \
            GnuPG(rig, user=PIN, new=PIN, admin="12345678") as gnupg:
        gnupg.card()  # by which gpg-agent comes to know the keys
        made = "--faked-system-time", "1577836800!"  # when the keys were made; it is part of a fingerprint
        gnupg.gpg(*made, "--quick-gen-key", "alice", "card", "sign,cert", "never")
        gnupg.gpg(*made, "--quick-add-key", gnupg.fingerprints("-K", "alice")[0], "card", "encr", "never")
        (gnupg.folder / "message").write_text("a message\n")
        gnupg.gpg("-r", "alice", "-o", "encrypted", "--encrypt", "message")
        gnupg.environment["SSH_AUTH_SOCK"] = gnupg.do("gpgconf", "--list-dirs", "agent-ssh-socket").strip()
        (gnupg.folder / "key.pub").write_text(gnupg.do("ssh-add", "-L"))
        yield gnupg


GPG_SIGNS = "gpg", "--batch", "--yes", "-u", "alice", "-o", "signature", "--detach-sign", "message"


def gets_back(gnupg, user="alice"):
    gnupg.wait_until_card_is_seen()
    gnupg.do(*(user if word == "alice" else word for word in GPG_SIGNS))
    assert gnupg.card()["PIN retry counter"] == "3 0 3"


@pytest.mark.parametrize("pattern", ["00 20 00 81", "00 2A 9E 9A"])
@pytest.mark.parametrize("fault", ["removal", "power-loss"])
def test_gpg_gets_back_to_the_card(gnupg, fault, pattern):
    gnupg.rig.do("fault", faults=[f"{fault}:{pattern}"])
    fails(gnupg, GPG_SIGNS, "Card error", "General error", "Card removed")
    gnupg.rig.cardrig("remove")
    insert(gnupg.rig)
    gets_back(gnupg)


GPG = "gpg", "--no-tty", "--command-fd", "0", "--status-fd", "1"
GPG_EDITS_THE_CARD = *GPG, "--card-edit"
GENERATE = "admin\ngenerate\nn\ny\n0\ny\nBob Builder\nbob@example.org\nnone\nquit\n"
GPG_MOVES_A_KEY = *GPG, "--edit-key", "bob"
MOVE = "keytocard\ny\n1\ny\nsave\n"


def prepare(gnupg, lines):
    """If each signature wants the PIN, gpg changes that before it generates a key, and back after a failure. If scdaemon has
    just seen the removal, this command waits for ever: for a lock in memory that scdaemon has freed."""
    if lines is MOVE:
        gnupg.gpg("--passphrase", "", "--pinentry-mode", "loopback", "--quick-gen-key", "bob", "nistp256", "sign,cert",
                  "never")
    elif lines is GENERATE:
        gnupg.edit_card("forcesig")
        assert gnupg.card()["Signature PIN"] == "not forced"


@pytest.mark.parametrize("command, lines, pattern", [
    (GPG_EDITS_THE_CARD, GENERATE, "00 47 80"), (GPG_MOVES_A_KEY, MOVE, ".. DB 3F FF")], ids=["generate", "move a key"])
@pytest.mark.parametrize("fault", ["removal", "power-loss"])
def test_the_card_goes_when_gpg_puts_a_key_on_it(gnupg, fault, command, lines, pattern):
    prepare(gnupg, lines)
    gnupg.rig.do("fault", faults=[f"{fault}:{pattern}"])
    assert "FAILURE" in gnupg.run(*command, input=lines).stdout
    gnupg.rig.cardrig("remove")
    insert(gnupg.rig)
    gnupg.wait_until_card_is_seen()
    printed = gnupg.run(*command, input=lines).stdout
    assert "FAILURE" not in printed, printed
    gets_back(gnupg, "bob")


OPERATIONS = {
    "sign": (GPG_SIGNS, None, "", "signing failed: Card"),
    "decrypt": (("gpg", "--batch", "--yes", "-o", "plain", "--decrypt", "encrypted"), None, "encrypted with",
                "decryption failed: "),
    "change the PIN": (GPG_EDITS_THE_CARD, "admin\npasswd\n1\nq\nquit\n", "SC_OP_SUCCESS", "SC_OP_FAILURE"),
    "ssh": (("sh", "-c", "rm -f message.sig; exec ssh-keygen -Y sign -f key.pub -n file message"), None, "Signing file",
            "agent refused operation"),
    "generate": (GPG_EDITS_THE_CARD, GENERATE, "KEY_CREATED", "SC_OP_FAILURE"),
    "move a key": (GPG_MOVES_A_KEY, MOVE, "", "SC_OP_FAILURE"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_gpg_asks_for_the_pin_meanwhile(gnupg, operation):
    """Another client cannot reset the card: scdaemon has it for itself."""
    command, lines, success, removed = OPERATIONS[operation]
    prepare(gnupg, lines)
    gate = Gate(gnupg.folder)
    gnupg.ask_at(gate)
    said, status = gate.run(gnupg, command, lambda: replug(gnupg.rig), lines)
    assert removed in said, (said, status)
    gnupg.wait_until_card_is_seen()
    refused = "opensc-tool", "--reset"
    said, status = gate.run(gnupg, command, lambda: fails(gnupg, refused, "in use by another application"), lines)
    assert status == 0 and success in said and "FAILURE" not in said, said
    gets_back(gnupg, "alice" if lines not in (GENERATE, MOVE) else "bob")
