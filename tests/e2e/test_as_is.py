# SPDX-License-Identifier: BSD-3-Clause
"""ATRs of real cards that no standard allows: what pcscd and a program see of them."""

import pytest

from rig import Rig

T0, T1, RAW = 1, 2, 4
MISMATCH = "SCARD_E_PROTO_MISMATCH"
LONG_35 = "35 39 32 " + " ".join(f"{i:02X}" for i in range(30))

# the ATR, and for a connection with T=0, T=1, either, or raw: the code, or the protocol in use
ROWS = [
    ("3B 80 01 01", [MISMATCH, T1, T1, RAW]),  # a wrong TCK
    ("3B 84 80 01 10 11 20 03 36 90 00", [T0, T1, T1, RAW]),  # a status word behind it
    (LONG_35, [MISMATCH, MISMATCH, MISMATCH, RAW]),  # no TS
    ("3B 80 80 01", [T0, T1, T1, RAW]),  # no TCK
    ("3B 00 00", [T0, MISMATCH, T0, RAW]),
    ("3B 80 0E 8E", [MISMATCH, MISMATCH, MISMATCH, RAW]),  # T=14
    ("3B", [MISMATCH, MISMATCH, MISMATCH, RAW]),
]


def script(temporary, atr):
    path = temporary / "card.lua"
    path.write_text(f'return {{ atr = as_is"{atr}", commands = {{ '
                    '{ "00 CA", function(cmd) return ("x"):rep(cmd.ne + 1), 0x9000 end } } }')
    return path


@pytest.mark.parametrize("row", ROWS, ids=[row[0][:20] for row in ROWS])
@pytest.mark.parametrize("level", ["apdu", "tpdu"])
def test_what_a_program_sees(temporary, row, level):
    atr, outcomes = row
    seen = atr.replace(" ", "").lower()
    path = script(temporary, atr)
    with Rig("--reader", f"r,level={level}", "--card", path) as rig, rig.client() as client:
        client.establish()
        assert client.change()[4] == seen
        for asked, outcome in zip((T0, T1, T0 | T1, RAW), outcomes):
            if outcome == MISMATCH:
                assert client.connect(asked)[0] == MISMATCH
                continue
            assert client.connect(asked) == ["ok", outcome]
            for step in ("warm", "cold"):
                assert client.status() == ["ok", outcome, seen]
                assert client.attribute("ATR_STRING") == ["ok", seen]
                assert client.transmit("00ca000010") == ["ok", "78" * 16 + "6101"]
                assert client.transmit("00c0000001") == ["ok", "789000"]
                assert client.transmit("00ca0000 0001 00 aa".replace(" ", "") + "aa" * 255 + "0000")[0] == "ok"
                assert client.reconnect(step, asked) == ["ok", outcome]
            assert client.disconnect("warm") == ["ok"]
        assert rig.card()["atr"] == atr and rig.card()["pps"] == 0
    path.unlink()


def test_a_card_that_says_nothing(temporary):
    path = script(temporary, "")
    with Rig("--card", path) as rig, rig.client() as client:
        client.establish()
        assert client.connect()[0] == "SCARD_W_UNPOWERED_CARD"
    assert "ATR: the card does not answer" in rig.errors
    path.unlink()


@pytest.mark.parametrize("how, outcome, contacts", [(None, "ok", False), ("ignore", "ok", True),
                                                    ("check", "SCARD_W_UNPOWERED_CARD", None)])
def test_a_wrong_tck(temporary, how, outcome, contacts):
    trace = temporary / "trace"
    path = script(temporary, "3B 80 01 01")
    with Rig("--reader", "r" + (f",tck={how}" if how else ""), "--card", path, "--trace", trace) as rig, \
            rig.client() as client:
        client.establish()
        assert client.connect()[0] == outcome
        if outcome == "ok":
            assert client.transmit("00ca000004") == ["ok", "78787878" + "6101"]
    text = trace.read_text()
    if contacts is None:
        assert "TCK is 01, expected 81" in rig.errors
    elif contacts:
        assert " card 3B\n" in text and " ifd  CA\n" in text and "without contacts" not in text
    else:
        assert "r/0 ATR without contacts: 3B 80 01 01 (4 bytes)\n" in text
        assert "r/0 command without contacts: 00 CA 00 00 04 (5 bytes)\n" in text
        assert "r/0 response without contacts: 78 78 78 78 61 01 (6 bytes)\n" in text
        assert all(line.startswith("#") for line in text.splitlines())
    trace.unlink()
    path.unlink()


def test_faults_without_contacts(temporary):
    path = script(temporary, LONG_35)
    with Rig("--card", path) as rig, rig.client() as client:
        client.establish()
        assert client.connect(RAW) == ["ok", RAW]
        rig.do("fault", faults=["mute@2:00 CA"])
        assert client.transmit("00ca000001") == ["ok", "786101"]
        assert client.transmit("00ca000001")[0] == "SCARD_E_NOT_TRANSACTED"
        assert client.reconnect("warm", RAW) == ["ok", RAW]
        assert client.transmit("00ca000001") == ["ok", "786101"]
        rig.do("fault", faults=["one-byte-answer"])
        assert client.transmit("00ca000001") == ["ok", "78"]
        rig.do("fault", faults=["removal"])
        assert client.transmit("00ca000001")[0] != "ok"
        assert rig.card() is None
    path.unlink()


def test_a_reset_changes_it(temporary):
    """To an ATR by which a protocol can be run, and back."""
    path = temporary / "card.lua"
    path.write_text('return { atr = { cold = as_is"3B 80 01 01", warm = "3B 80 01 81" }, '
                    'commands = { { "00 84", function(cmd) return random(cmd.ne), 0x9000 end } } }')
    with Rig("--card", path) as rig, rig.client() as client:
        client.establish()
        assert client.connect() == ["ok", T1]
        for step, blocks in (("leave", 0), ("warm", 1), ("cold", 0)):
            assert client.reconnect(step) == ["ok", T1]
            assert client.transmit("0084000004")[0] == "ok"
            assert (rig.card()["t1"]["blocks_sent"] > 0) == (blocks > 0)
    path.unlink()
