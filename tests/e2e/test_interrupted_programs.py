# SPDX-License-Identifier: BSD-3-Clause
"""Programs whose card is reset, removed or loses its power in the middle: they say so, and no try of the PIN is lost.
A wrong PIN costs one."""

import contextlib
import hashlib
import os
import re
import subprocess

import pytest

from gnupg import GnuPG
from home import MODULE, MODULE_PATH, home_with
from keytool import key_store
from rig import Rig
from ssh_server import SshServer, answer_questions, ssh_agent
from waiting import TIMEOUT, wait_for

PIN = "123456"
VERIFY, SIGN = "00 20 00 80 08", "00 87"
KEY = "pkcs11:id=%01;type=private"
SIGNERS = {
    "pkcs11-tool": ("pkcs11-tool", "--login", "--pin", PIN, "--sign", "-m", "ECDSA", "--id", "01", "-i", "hash", "-o",
                    "signature"),
    "p11tool": ("p11tool", "--provider", MODULE, "--test-sign", "--login", "--set-pin", PIN, KEY),
    "openssl": ("openssl", "dgst", "-engine", "pkcs11", "-keyform", "engine", "-sign", f"{KEY}?pin-value={PIN}", "-sha256",
                "-out", "signature", "hash")}


class Gate:
    """Who asks for the PIN waits at it, while something happens to the card."""

    def __init__(self, folder):
        self.shut, self.gate = folder / "shut", folder / "gate"
        os.mkfifo(self.gate)
        self.script = f"if rm {self.shut} 2>/dev/null; then cat {self.gate}; fi"

    def someone_there(self):
        with contextlib.suppress(OSError):
            return os.open(self.gate, os.O_WRONLY | os.O_NONBLOCK)

    def run(self, home, command, happens):
        self.shut.touch()
        with subprocess.Popen(list(map(str, command)), env=home.environment, cwd=home.folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8") as process:
            try:
                end = wait_for("a question for the PIN", self.someone_there)
                happens()
                os.close(end)
                return process.communicate(timeout=TIMEOUT)[0], process.returncode
            finally:
                process.kill()


@pytest.fixture
def home(temporary):
    with home_with("piv", temporary) as home:
        home.environment["PKCS11_MODULE_PATH"] = MODULE_PATH
        (home.folder / "hash").write_bytes(hashlib.sha256(b"a document").digest())
        yield home


def keytool(home, pin=PIN):
    return "keytool", "-certreq", *key_store(home, pin), "-alias", "Certificate for PIV Authentication", "-file", "request"


def reset(home):
    home.do("opensc-tool", "--reset")


def replug(home):
    home.rig.do("remove")
    home.rig.do("insert")


def tries_left(home):
    """What VERIFY without data answers after a reset."""
    reset(home)
    printed = home.do("opensc-tool", "-s", "00 A4 04 00 05 A0 00 00 03 08", "-s", "00 20 00 80")
    return int(re.findall("SW1=0x63, SW2=0xC(.)", printed)[0])


def fails(home, command, *says):
    """It says one of these texts."""
    done = home.run(*command)
    assert done.returncode != 0, done
    assert any(text in done.stdout + done.stderr for text in says), done


def removed_at_each(home, command, *says):
    """The card is removed at the command that verifies the PIN, or signs: the program ends, and says it. Then all is well."""
    for pattern in VERIFY, SIGN:
        home.rig.do("fault", faults=[f"removal:{pattern}"])
        fails(home, command, *says)
        assert home.rig.card() is None
        home.rig.do("insert")
        home.do(*command)
        assert tries_left(home) == 3


# Whether they say that the card is removed, or that there is an error, depends on whether pcscd has seen it already.
@pytest.mark.parametrize("signer, says", [("pkcs11-tool", ("CKR_DEVICE_REMOVED", "CKR_GENERAL_ERROR")),
                                          ("p11tool", ("PKCS #11 error",)), ("openssl", ("Device removed", "General Error"))])
def test_the_card_is_removed_while_it_signs(home, signer, says):
    removed_at_each(home, SIGNERS[signer], *says)


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
    reset(home)
    home.do(*SIGNERS[signer])
    assert tries_left(home) == 3


def test_the_card_loses_its_power_while_keytool_signs(home):
    home.rig.do("fault", faults=[f"power-loss:{SIGN}"])
    fails(home, keytool(home), "CKR_GENERAL_ERROR")
    reset(home)
    home.do(*keytool(home))
    assert tries_left(home) == 3


def test_ssh_asks_for_the_pin_meanwhile(home):
    gate = Gate(home.folder)
    login = ssh(home, gate.script)
    said, status = gate.run(home, login, lambda: reset(home))
    assert status == 0 and "welcome" in said
    said, status = gate.run(home, login, lambda: replug(home))
    assert status != 0 and "login failed: error" in said
    assert home.do(*login) == "welcome\n"
    assert tries_left(home) == 3


@pytest.mark.parametrize("happens", [reset, replug])
def test_ssh_agent_has_to_log_in_again(home, happens):
    ssh(home)
    with ssh_agent(home):
        home.do("ssh-add", "-s", MODULE_PATH)
        home.do("ssh-add", "-T", "authorized")
        happens(home)
        for _ in range(5):  # more than there are tries
            fails(home, ("ssh-add", "-T", "authorized"), "agent refused operation")
        home.do("ssh-add", "-e", MODULE_PATH)
        home.do("ssh-add", "-s", MODULE_PATH)
        home.do("ssh-add", "-T", "authorized")
    assert tries_left(home) == 3


@pytest.fixture
def gnupg():
    with Rig("--seed", 1, "--card", "openpgp,keys=nistp256") as rig, GnuPG(rig, user=PIN) as gnupg:
        gnupg.card()  # by which gpg-agent comes to know the keys
        gnupg.gpg("--faked-system-time", "1577836800!", "--quick-gen-key", "alice", "card", "sign,cert", "never")
        (gnupg.folder / "message").write_text("a message\n")
        yield gnupg


GPG_SIGNS = "gpg", "--batch", "--yes", "-u", "alice", "-o", "signature", "--detach-sign", "message"


def gets_back(gnupg):
    """scdaemon looks at the card every half second. Then all is well."""
    wait_for("gpg sees the card", lambda: gnupg.run("gpg", "--card-status").returncode == 0)
    gnupg.do(*GPG_SIGNS)
    assert gnupg.card()["PIN retry counter"] == "3 0 3"


@pytest.mark.parametrize("pattern", ["00 20 00 81", "00 2A 9E 9A"])
@pytest.mark.parametrize("fault", ["removal", "power-loss"])
def test_gpg_gets_back_to_the_card(gnupg, fault, pattern):
    gnupg.rig.do("fault", faults=[f"{fault}:{pattern}"])
    fails(gnupg, GPG_SIGNS, "Card error", "General error", "Card removed")
    gnupg.rig.cardrig("remove")
    gnupg.rig.do("insert")
    gets_back(gnupg)


def test_gpg_asks_for_the_pin_meanwhile(gnupg):
    gate = Gate(gnupg.folder)
    pinentry = gnupg.folder / "pinentry"
    pinentry.write_text(pinentry.read_text().replace("exec", f"{gate.script}\nexec"))
    refused = "opensc-tool", "--reset"  # while scdaemon has the card for itself
    assert gate.run(gnupg, GPG_SIGNS, lambda: fails(gnupg, refused, "in use by another application")) == ("", 0)
    said, status = gate.run(gnupg, GPG_SIGNS, lambda: replug(gnupg))
    assert status != 0 and "signing failed: Card" in said, said
    gets_back(gnupg)
