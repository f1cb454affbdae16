# SPDX-License-Identifier: BSD-3-Clause
"""What real programs do with a PIN pad: OpenSC, p11-kit, GnuPG's scdaemon, pyscard's helpers for PC/SC part 10.

They get no PIN but from the PIN pad: their standard input is empty, and the user of GnuPG enters nothing."""

import json

import pytest

from gnupg import GnuPG
from home import Home, home_with
from programs import PYTHON
from rig import Rig

SO_PIN, PUK = ("--so-pin", "87654321"), "12345678"


class Pressing(Home):
    """A home whose programs find the keys pressed that are given."""

    def run(self, *words, keys="", **options):
        if keys:
            self.rig.press(keys)
        return super().run(*words, **options)


def with_pin_pad(temporary, card, reader="pinpad"):
    return home_with(card, temporary, Pressing, ("--reader", reader))


IN_STEPS = "return { pinpad = { start = true }, features = { VERIFY_PIN_DIRECT = false, MODIFY_PIN_DIRECT = false } }"


@pytest.mark.parametrize("script", [None, IN_STEPS], ids=["direct", "in steps"])
def test_opensc_logs_in(script, temporary):
    """By VERIFY_PIN_DIRECT, and by VERIFY_PIN_START and FINISH."""
    path = temporary / "steps.lua"
    path.write_text(script or "")
    with with_pin_pad(temporary, "piv", path if script else "pinpad") as programs:
        assert "PIN pad present" in programs.do("pkcs11-tool", "--list-slots")
        assert "No errors" in programs.do("pkcs11-tool", "--login", "--test", keys="123456 ok")
        done = programs.run("pkcs11-tool", "--login", "--test", keys="cancel")
        assert done.returncode != 0 and "CKR_FUNCTION_CANCELED" in done.stderr
        done = programs.run("pkcs11-tool", "--login", "--test", keys="1 ok")
        assert done.returncode != 0 and "CKR_PIN" in done.stderr
        done = programs.run("pkcs11-tool", "--login", "--test", keys="654321 ok")
        assert done.returncode != 0 and "CKR_PIN_INCORRECT" in done.stderr
    path.unlink()


def test_opensc_changes_and_unblocks(temporary):
    with with_pin_pad(temporary, "pkcs15") as programs:
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


TOKEN = "pkcs11:token=PIV%20Authentication"


@pytest.mark.parametrize("words", [("--list-privkeys", TOKEN), ("--test-sign", f"{TOKEN};id=%01;type=private")])
def test_p11tool_logs_in(words, temporary):
    """Over p11-kit, through the protected authentication path: GnuTLS logs in again for each key, and each time asks."""
    with with_pin_pad(temporary, "piv") as programs:
        programs.do("p11tool", "--login", *words, keys="123456 ok " * 10)


@pytest.mark.parametrize("keys, said", [("cancel", "PKCS #11 error"), ("654321 ok", "Error in provided PIN")])
def test_p11tool_does_not_log_in(keys, said, temporary):
    with with_pin_pad(temporary, "piv") as programs:
        done = programs.run("p11tool", "--login", "--list-privkeys", TOKEN, keys=keys)
        assert done.returncode != 0 and said in done.stderr, done


def test_p11_kits_proxy(temporary):
    with with_pin_pad(temporary, "piv") as programs:
        proxy = "pkcs11-tool", "--module", "p11-kit-proxy.so"
        assert "PIN pad present" in programs.do(*proxy, "--list-token-slots")
        assert "No errors" in programs.do(*proxy, "--login", "--test", keys="123456 ok")


def test_scdaemon():
    """It uses PIN pads that it does not know only with enable-pinpad-varlen."""
    with Rig("--reader", "pinpad", "--card", "openpgp") as rig:
        gnupg = GnuPG(rig)
        (gnupg.folder / "scdaemon.conf").write_text("disable-ccid\nenable-pinpad-varlen\n")
        with gnupg:
            serial = gnupg.card()["Application ID"]
            rig.press("123456 ok")
            assert gnupg.agent(f"scd checkpin {serial}").splitlines()[-1] == "OK"
            rig.press("123456 ok 654321 ok 654321 ok")
            assert gnupg.agent("scd passwd 1").splitlines()[-1] == "OK"
            rig.press("12345678 ok")
            assert gnupg.agent(f"scd checkpin {serial}[CHV3]").splitlines()[-1] == "OK"
            rig.press("cancel")
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


def test_pyscard(temporary):
    with with_pin_pad(temporary, "piv", "pinpad,min=4,max=12") as programs:
        features, verifies, starts, properties, pin_properties = json.loads(programs.do(PYTHON, "-c", PART_10))
    assert features == ["FEATURE_GET_TLV_PROPERTIES", "FEATURE_IFD_DISPLAY_PROPERTIES", "FEATURE_IFD_PIN_PROPERTIES",
                        "FEATURE_MODIFY_PIN_DIRECT", "FEATURE_VERIFY_PIN_DIRECT"]
    assert verifies == 0x42330006 and starts is None
    assert properties["PCSCv2_PART10_PROPERTY_bMinPINSize"] == 4 and properties["PCSCv2_PART10_PROPERTY_bMaxPINSize"] == 12
    assert pin_properties
