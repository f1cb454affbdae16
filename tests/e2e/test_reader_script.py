# SPDX-License-Identifier: BSD-3-Clause
"""Readers that are scripts, through real pcscd: control codes with and without a card, wrong lists, commands that the reader
answers itself."""

import re

import pytest

from programs import SOURCE, run
from rig import Rig

FEATURES, PROPERTIES = 0x42000000 + 3400, 0x42330012
UNSUPPORTED, FAILED = ["SCARD_E_UNSUPPORTED_FEATURE", ""], ["SCARD_E_NOT_TRANSACTED", ""]

READER = """
local calls = 0
return {
  name = "Script",
  options = { slots = 2, vendor = "Fine" },
  arguments = { firmware = "its version" },
  attributes = { [0x10101] = "4D 31 37 00" },
  features = { VERIFY_PIN_DIRECT = 0x42330006, [0x7F] = "00", GET_TLV_PROPERTIES = false },
  properties = { bMinPINSize = 4, wIdVendor = 0x1234, sFirmwareID = "41" },
  control = {
    VERIFY_PIN_DIRECT = "6B 80",
    [0x42000001] = function(input, slot)
      calls = calls + 1
      return string.char(slot.number, slot.present and 1 or 0, slot.powered and 1 or 0, calls) .. input .. args.firmware
    end,
    [0x42000002] = function() return nil end,
    [0x42000003] = false,
    [0x42000004] = function(input) return transmit(input) or "none" end,
    [0x42000005] = function() return ("x"):rep(0x8000) end,
  },
  command = function(cmd, slot)
    if cmd.cla == 0xFF then return slot.atr, 0x9000 end
    if cmd.ins == 0x84 then return transmit(cmd.raw) .. "!" end
    if cmd.ins == 0x85 then return transmit(cmd.raw) end
    return false
  end,
}
"""
CARD = """return { atr = "%s", commands = { { "00 84", "AA BB 90 00" }, { "00 B0", "90 00" } } }"""


@pytest.fixture
def scripts(temporary):
    """Writes a reader and a card; returns their paths."""
    paths = []

    def write(reader, atr="3B 00"):
        for name, text in (("script.lua", reader), ("card.lua", CARD % atr)):
            paths.append(temporary / name)
            paths[-1].write_text(text)
        return paths[-2:]
    yield write
    for path in set(paths):
        path.unlink()


@pytest.mark.parametrize("atr", ["3B 00", "3B 80 01 81"])
def test_a_reader_with_a_card(scripts, atr):
    reader, card = scripts(READER, atr)
    with Rig("--reader", f"{reader},firmware=2", "--card", card) as rig, rig.client() as client:
        client.establish()
        assert client.readers() == ["ok", ["Script 00 00", "Script 00 01"]]
        assert client.connect()[0] == "ok"
        assert client.attribute(0x10101) == ["ok", "4d313700"]
        assert client.attribute("VENDOR_NAME") == ["ok", "46696e6500"]
        assert client.control(FEATURES) == ["ok", "060442330006" "7f0100"]
        assert client.control(PROPERTIES) == ["ok", "01020000" "080141" "090100" "0a0400000100" "0b023412" "0c020100" "060104"]
        assert client.control(0x42330006, "00") == ["ok", "6b80"]
        assert client.control(0x42000001, "AA") == ["ok", "00010101" "aa" "32"]
        assert client.control(0x42000002) == FAILED
        assert client.control(0x42000003) == client.control(0x42000006) == UNSUPPORTED
        assert client.control(0x42000004, "0084000000") == ["ok", "aabb9000"]
        assert client.control_into(0x42000005, 0x8000) == ["ok", 0x8000]
        assert client.control_into(0x42000005, 0x7FFF) == ["SCARD_E_INSUFFICIENT_BUFFER", 0x8000]
        assert client.transmit("FFCA000000") == ["ok", atr.replace(" ", "").lower() + "9000"]
        assert client.transmit("0084000000") == ["ok", "aabb900021"]
        assert client.transmit("00B0000000") == ["ok", "9000"]
        assert rig.card()["commands"] == 3
        rig.do("fault", slot="0", faults=["mute"])
        assert client.transmit("0085000000") == FAILED


def test_a_reader_without_a_card(scripts):
    reader, _ = scripts(READER)
    with Rig("--reader", f"{reader},firmware=2", "--empty") as rig, rig.client() as client:
        client.establish()
        assert client.use("Script 00 01") == ["ok"]
        assert client.connect_directly()[0] == "ok"
        assert client.control(0x42000001) == ["ok", "01000001" "32"]
        assert client.control(0x42000004, "00840000") == ["ok", b"none".hex()]
        assert client.transmit("FFCA0000") == ["ok", "9000"]
        assert client.transmit("0084000000") == FAILED


@pytest.mark.parametrize("features, expected", [("''", ["ok", ""]), ("false", UNSUPPORTED), ("'06 04 42'", ["ok", "060442"])])
def test_wrong_lists(scripts, features, expected):
    reader, card = scripts(f"return {{ features = {features} }}")
    with Rig("--reader", reader, "--card", card) as rig, rig.client() as client:
        client.establish()
        client.connect()
        assert client.control(FEATURES) == expected


def test_check(scripts):
    reader, _ = scripts(READER)
    done = run("check", "--reader", reader, "plain,vendor=x")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{reader}: ok: 'Script'\n  firmware       its version\nplain,vendor=x: ok: 'plain'\n"
    done = run("check", "--reader", f"{reader},speed=1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{reader}:6: 'speed' was given, but the reader only takes firmware\n"
    done = run("run", "--reader", f"{reader},speed=1", "--", "true")
    assert done.returncode == 2
    assert done.stderr == f"cardrig: --reader: {reader}:6: 'speed' was given, but the reader only takes firmware\n"


READY = re.findall(r"^(\w+) ", run("readers").stdout.split("\n\n")[0], re.MULTILINE)


@pytest.mark.parametrize("reader", READY)
def test_ready_readers(reader):
    """Each is listed and sound, and its text is that of the source."""
    assert run("readers", "--text", reader).stdout == (SOURCE / f"simulator/readers/{reader}.lua").read_text()
    listed = run("readers", reader)
    assert (listed.returncode, listed.stderr) == (0, "")
    checked = run("check", "--reader", reader)
    assert (checked.returncode, checked.stdout.splitlines()[1:]) == (0, listed.stdout.splitlines()[1:])


def test_what_is_no_ready_reader():
    done = run("readers", "pinpda")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "cardrig: no ready reader 'pinpda': did you mean 'pinpad'?\n")
    done = run("readers", "--text", "piv")
    assert (done.returncode, done.stderr) == (1, "cardrig: no ready reader 'piv': 'cardrig readers' lists them\n")
    done = run("readers", "--text")
    assert (done.returncode, done.stderr) == (2, "cardrig readers: --text of which reader? 'cardrig readers --help' says more\n")
    done = run("cards", "--text", "pinpad")
    assert (done.returncode, done.stderr) == (1, "cardrig: no ready card or module 'pinpad': 'cardrig cards' lists them\n")
