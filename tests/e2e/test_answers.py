# SPDX-License-Identifier: BSD-3-Clause
"""How long an answer may be: a script is held to Ne, and answers the same in T=0 and T=1, at whatever level."""

import pytest

from rig import Rig

# what it has: 300 bytes, or as many of 10 as the command asks for, or as many as its data say
SCRIPT = """
local long, short = "", "0123456789"
for i = 0, 299 do long = long .. string.char(i & 255) end
return { atr = "3B 80 80 01 01", commands = {
    { "00 CA", function(cmd) return long, 0x9000 end },
    { "00 CB", function(cmd) return short:sub(1, cmd.ne), 0x6283 end },
    { "00 CC", function(cmd) return cmd.ne == 0 and "" or string.pack(">I4", cmd.ne), 0x9000 end },
    { "00 CD", function(cmd) return cmd.raw, 0x9000 end },
    { "00 CE", "6A 82" },
    { "00 C0", "69 85" } } }
"""


@pytest.fixture
def script(temporary):
    path = temporary / "card.lua"
    path.write_text(SCRIPT)
    yield path
    path.unlink()


def bytes_from(at, count):
    return bytes(i & 255 for i in range(at, at + count)).hex()


DIGITS = b"0123456789".hex()
DATA = "035c017e"  # with its Lc

# commands in a row, and what each is answered
ROWS = [
    # case 2
    [("00ca000001", bytes_from(0, 1) + "6100"), ("00c000000a", bytes_from(1, 10) + "6100"),
     ("00c0000000", bytes_from(11, 256) + "6121"), ("00c0000021", bytes_from(267, 33) + "9000"), ("00c0000000", "6985")],
    [("00ca000010", bytes_from(0, 16) + "6100"), ("00c00000000000", bytes_from(16, 284) + "9000")],
    [("00ca000000", bytes_from(0, 256) + "612c"), ("00c0000000", bytes_from(256, 44) + "9000")],
    [("00ca0000000000", bytes_from(0, 300) + "9000")],
    [("00ca000000012b", bytes_from(0, 299) + "6101"), ("00c0000001", bytes_from(299, 1) + "9000")],
    [("00cb000004", DIGITS[:8] + "6283")], [("00cb000000", DIGITS + "6283")], [("00cb000000012c", DIGITS + "6283")],
    [("00cc000004", "000000049000")], [("00cc000000", "000001009000")], [("00cc0000000000", "000100009000")],
    [("00cc000000012c", "0000012c9000")],
    # case 1 and 3
    [("00ca0000", "6100"), ("00c0000000", bytes_from(0, 256) + "612c"), ("00c000002c", bytes_from(256, 44) + "9000")],
    [("00ca0000" + DATA, "6100"), ("00c0000010", bytes_from(0, 16) + "6100")],
    [("00cb0000", "6283")], [("00cb0000" + DATA, "6283")], [("00cc0000" + DATA, "9000")], [("00ce0000" + DATA, "6a82")],
    [("00cd0000", "6104"), ("00c0000004", "00cd00009000")],
    # case 4
    [("00ca0000" + DATA + "10", bytes_from(0, 16) + "6100"), ("00c0000000", bytes_from(16, 256) + "611c"),
     ("00c000001c", bytes_from(272, 28) + "9000")],
    [("00ca0000" + DATA + "00", bytes_from(0, 256) + "612c"), ("00c000002c", bytes_from(256, 44) + "9000")],
    [("00ca00000000" + DATA + "0000", bytes_from(0, 300) + "9000")],
    [("00cb0000" + DATA + "04", DIGITS[:8] + "6283")], [("00cb0000" + DATA + "00", DIGITS + "6283")],
    [("00cc0000" + DATA + "04", "000000049000")], [("00cc0000" + DATA + "00", "000001009000")],
    [("00cc00000000" + DATA + "0000", "000100009000")], [("00cd0000" + DATA + "20", "00cd0000" + DATA + "209000")],
    [("00ce0000" + DATA + "00", "6a82")],
    # with ENVELOPE in T=0
    [("00ca0000000100" + "aa" * 256 + "0010", bytes_from(0, 16) + "6100"), ("00c0000000", bytes_from(16, 256) + "611c")],
    [("00cb0000000100" + "aa" * 256 + "0004", DIGITS[:8] + "6283")],
    # what is left is dropped by any other command
    [("00ca000001", bytes_from(0, 1) + "6100"), ("00ce0000", "6a82"), ("00c0000000", "6985")],
]


@pytest.mark.parametrize("protocol", [1, 2], ids=["T=0", "T=1"])
def test_a_script_answers_the_same_in_both_protocols(script, protocol):
    with Rig("--card", script) as rig, rig.client() as client:
        client.establish()
        assert client.connect(protocol) == ["ok", protocol]
        for row in ROWS:
            for command, answer in row:
                assert client.transmit(command) == ["ok", answer], (row, command)
        # a reset drops it, too
        assert client.transmit("00ca000001") == ["ok", "006100"]
        assert client.reconnect("warm", protocol) == ["ok", protocol]
        assert client.transmit("00c0000000") == ["ok", "6985"]


def test_level_tpdu_loses_nothing(script):
    """What ISO/IEC 7816-3:2006, 12.2 has for TPDUs: an Ne that the card does not learn is 256 for the script."""
    with Rig("--reader", "tpdu,level=tpdu", "--card", script) as rig, rig.client() as client:
        client.establish()
        assert client.connect(1) == ["ok", 1]
        for command, answer in [
            ("00ca000010", bytes_from(0, 16) + "6100"), ("00c0000000", bytes_from(16, 256) + "611c"),
            ("00c0000020", "6c1c"), ("00c000001c", bytes_from(272, 28) + "9000"), ("00c0000001", "6985"),
            ("00ca0000" + DATA, "6100"), ("00c0000010", bytes_from(0, 16) + "61f0"),
            ("00c00000f0", bytes_from(16, 240) + "612c"), ("00c000002c", bytes_from(256, 44) + "9000"),
            ("00cb000000", "6c0a"), ("00cb00000a", DIGITS + "6283"), ("00cb000004", DIGITS[:8] + "6283"),
            ("00cb0000" + DATA, "610a"), ("00c0000004", DIGITS[:8] + "6106"), ("00c0000006", DIGITS[8:] + "6283"),
            ("00cc0000" + DATA, "6104"), ("00c0000004", "000001009000"),
            ("00cb0000", "6283"), ("00ce0000" + DATA, "6a82"),
        ]:
            assert client.transmit(command) == ["ok", answer], command


def test_an_le_behind_the_data_at_level_tpdu(script):
    command, le = "00cb0000" + DATA, "04"
    with Rig("--reader", "r,level=tpdu", "--card", script) as rig, rig.client() as client:
        client.establish()
        assert client.connect(1) == ["ok", 1]
        assert client.transmit(command + le) == ["ok", "610a"]
        assert client.transmit("00c000000a") == ["ok", DIGITS + "6283"]
        assert client.transmit("00cd0000" + DATA + le) == ["ok", "6109"]
        assert client.transmit("00c0000009") == ["ok", "00cd0000" + DATA + "009000"]  # the 00 of "unknown"
        assert client.transmit(command + "0000")[0] == "SCARD_E_NOT_TRANSACTED"
    assert "more bytes of data than P3 says" in rig.errors
    with Rig("--reader", "r,level=tpdu,le=refuse", "--card", script) as rig, rig.client() as client:
        client.establish()
        assert client.connect(1) == ["ok", 1]
        assert client.transmit(command + le)[0] == "SCARD_E_NOT_TRANSACTED"
        assert client.transmit(command) == ["ok", "610a"]
    assert "an Le behind the data" in rig.errors


# a card that fetches for itself, and wants this class
STRICT = """
return {{ atr = "3B 00", commands = {{
    {{ "{cla} C0 00 00", "01 02 90 00" }}, {{ ".. C0", "6E 00" }}, {{ "..", "61 02" }} }} }}
"""


@pytest.mark.parametrize("option, command, cla", [
    ("", "00", "00"), ("", "02", "02"), ("", "80", "00"), ("", "81", "01"), ("", "0C", "00"), ("", "A0", "00"),
    (",get-response=command", "A0", "A0"), (",get-response=command", "8C", "8C"), (",get-response=command", "01", "01"),
    (",get-response=00", "81", "00"), (",get-response=a0", "00", "A0"),
])
def test_the_class_of_get_response(temporary, option, command, cla):
    path = temporary / "strict.lua"
    path.write_text(STRICT.format(cla=cla))
    with Rig("--reader", "r" + option, "--card", path) as rig, rig.client() as client:
        client.establish()
        assert client.connect() == ["ok", 1]
        assert client.transmit(command + "B2000000") == ["ok", "01029000"]
        assert client.transmit(command + "B2000001AA00") == ["ok", "01029000"]
    path.unlink()
