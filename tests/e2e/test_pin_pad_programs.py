# SPDX-License-Identifier: BSD-3-Clause
"""What real programs do with a PIN pad: OpenSC, GnuPG's scdaemon, pyscard's helpers for PC/SC part 10.

They get no PIN but from the PIN pad: their standard input is empty, and the user of GnuPG enters nothing."""

import json
import subprocess

import pytest

from gnupg import GnuPG
from programs import PYTHON
from rig import Rig
from waiting import TIMEOUT

SO_PIN, PUK = ("--so-pin", "87654321"), "12345678"


def press(rig, text):
    rig.do("press", keys=[key for word in text.split() for key in (word if word.isdigit() else [word])])


class Programs:
    def __init__(self, rig):
        self.rig = rig

    def run(self, *words, keys=""):
        if keys:
            press(self.rig, keys)
        return subprocess.run(words, env=self.rig.environment(), capture_output=True, stdin=subprocess.DEVNULL, text=True,
                              timeout=TIMEOUT)

    def do(self, *words, **options):
        done = self.run(*words, **options)
        assert done.returncode == 0, done
        return done.stdout + done.stderr


IN_STEPS = "return { pinpad = { start = true }, features = { VERIFY_PIN_DIRECT = false, MODIFY_PIN_DIRECT = false } }"


@pytest.mark.parametrize("script", [None, IN_STEPS], ids=["direct", "in steps"])
def test_opensc_logs_in(script, temporary):
    """By VERIFY_PIN_DIRECT, and by VERIFY_PIN_START and FINISH."""
    path = temporary / "steps.lua"
    path.write_text(script or "")
    with Rig("--reader", path if script else "pinpad", "--card", "piv") as rig:
        programs = Programs(rig)
        assert "PIN pad present" in programs.do("pkcs11-tool", "--list-slots")
        assert "No errors" in programs.do("pkcs11-tool", "--login", "--test", keys="123456 ok")
        done = programs.run("pkcs11-tool", "--login", "--test", keys="cancel")
        assert done.returncode != 0 and "CKR_FUNCTION_CANCELED" in done.stderr
        done = programs.run("pkcs11-tool", "--login", "--test", keys="1 ok")
        assert done.returncode != 0 and "CKR_PIN" in done.stderr
        done = programs.run("pkcs11-tool", "--login", "--test", keys="654321 ok")
        assert done.returncode != 0 and "CKR_PIN_INCORRECT" in done.stderr
    path.unlink()


def test_opensc_changes_and_unblocks():
    with Rig("--reader", "pinpad", "--card", "pkcs15") as rig:
        programs = Programs(rig)
        programs.do("pkcs15-init", "--erase-card")
        programs.do("pkcs15-init", "--create-pkcs15", *SO_PIN, "--so-puk", PUK)
        programs.do("pkcs15-init", "--store-pin", "-a", "1", "-l", "User", "--pin", "1234", "--puk", PUK, *SO_PIN)
        programs.do("pkcs15-init", "--finalize")
        tool = ("pkcs15-tool", "--use-pinpad", "-a", "1")
        programs.do(*tool, "--verify-pin", keys="1234 ok")
        programs.do(*tool, "--change-pin", keys="1234 ok 56789 ok 56789 ok")
        programs.do(*tool, "--verify-pin", keys="56789 ok")
        assert programs.run(*tool, "--verify-pin", keys="1234 ok").returncode != 0
        assert programs.run(*tool, "--change-pin", keys="56789 ok 1234 ok 1235 ok").returncode != 0
        programs.do(*tool, "--unblock-pin", keys=f"{PUK} ok 4321 ok 4321 ok")
        programs.do(*tool, "--verify-pin", keys="4321 ok")


def test_scdaemon():
    """It uses PIN pads that it does not know only with enable-pinpad-varlen."""
    with Rig("--reader", "pinpad", "--card", "openpgp") as rig:
        gnupg = GnuPG(rig)
        (gnupg.folder / "scdaemon.conf").write_text("disable-ccid\nenable-pinpad-varlen\n")
        with gnupg:
            serial = gnupg.card()["Application ID"]
            press(rig, "123456 ok")
            assert gnupg.agent(f"scd checkpin {serial}").splitlines()[-1] == "OK"
            press(rig, "123456 ok 654321 ok 654321 ok")
            assert gnupg.agent("scd passwd 1").splitlines()[-1] == "OK"
            press(rig, "12345678 ok")
            assert gnupg.agent(f"scd checkpin {serial}[CHV3]").splitlines()[-1] == "OK"
            press(rig, "cancel")
            assert gnupg.agent("scd passwd 1").splitlines()[-1].startswith("ERR")


PART_10 = """
import json
from smartcard.System import readers
from smartcard.pcsc.PCSCPart10 import getFeatureRequest, getTlvProperties, getPinProperties, hasFeature, \\
    FEATURE_VERIFY_PIN_DIRECT, FEATURE_VERIFY_PIN_START, SCARD_SHARE_DIRECT
connection = readers()[0].createConnection()
connection.connect(mode=SCARD_SHARE_DIRECT)
features = getFeatureRequest(connection)
print(json.dumps([sorted(name for name, _ in features), hasFeature(features, FEATURE_VERIFY_PIN_DIRECT),
                  hasFeature(features, FEATURE_VERIFY_PIN_START), getTlvProperties(connection), getPinProperties(connection)],
                 default=str))
"""


def test_pyscard():
    with Rig("--reader", "pinpad,min=4,max=12", "--empty") as rig:
        features, verifies, starts, properties, pin_properties = json.loads(Programs(rig).do(PYTHON, "-c", PART_10))
    assert features == ["FEATURE_GET_TLV_PROPERTIES", "FEATURE_IFD_DISPLAY_PROPERTIES", "FEATURE_IFD_PIN_PROPERTIES",
                        "FEATURE_MODIFY_PIN_DIRECT", "FEATURE_VERIFY_PIN_DIRECT"]
    assert verifies == 0x42330006 and starts is None
    assert properties["PCSCv2_PART10_PROPERTY_bMinPINSize"] == 4 and properties["PCSCv2_PART10_PROPERTY_bMaxPINSize"] == 12
    assert pin_properties
