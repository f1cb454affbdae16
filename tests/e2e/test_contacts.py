# SPDX-License-Identifier: BSD-3-Clause
"""The contacts through real pcscd: each row of the tables of faults and of protocol changes, and what a trace shows."""

import re
import subprocess

import pytest

from card_state import insert_and_wait
from programs import CARDS, run
from rig import Rig
from tables import prefixed, rows


CHALLENGE = "0084000008"
LONG = "80120000000258" + "5a" * 600 + "0000"


def act(client, action, protocols):
    """What a row names; its outcome is a code, and what else there is to say."""
    if action in ("tx", "tx0"):
        code, answer = client.transmit(CHALLENGE)
        if code == "ok" and len(answer) <= 2:
            return "ok 1 byte" if answer else "ok 0 bytes"
        assert code != "ok" or (len(answer) == 20 and answer.endswith("9000")), answer
        return code
    if action == "long":
        code, answer = client.transmit(LONG)
        assert code != "ok" or answer == "5a" * 600 + "9000"
        return code
    if action == "connect":
        return client.connect(protocols)[0]
    return client.reconnect(action, protocols)[0]


FAULTS = rows("simulator/icc/faults.md", "card")


def expect(rig, client, action, code, before, protocols):
    """Does what a row names, and sees that card, status and SCardStatus agree with the code that it gives."""
    assert act(client, action, protocols) == code, action
    card = rig.card()
    if card is None:  # taken out
        assert "EMPTY" in client.change()[3] or client.change(client.change()[1], 20000)[3] == ["EMPTY"]
        return None
    changes = {kind: card["resets"][kind] - before["resets"][kind] for kind in ("cold", "warm")}
    if action in ("warm", "cold") and "slow" not in code:
        # without power there is no warm reset; and a PPS that goes wrong costs one more
        kind = "warm" if action == "warm" and before["powered"] else "cold"
        assert changes[kind] >= 1
    elif action in ("tx", "tx0", "long"):
        assert changes == {"cold": 0, "warm": 0}
        assert card["commands"] - before["commands"] == (1 if before["powered"] else 0)
    if code.startswith("ok"):
        result, protocol, atr = client.status()
        assert result == "ok"
        assert atr == card["atr"].replace(" ", "").lower() if card["powered"] else True
        if card["protocol"]:
            assert card["protocol"] == f"T={protocol - 1}"
    return card


@pytest.mark.parametrize("row", FAULTS, ids=[f"T={row[1]} {row[2]} {row[3]}" for row in FAULTS])
def test_fault(row):
    card, protocol, faults, first, reports, then = row
    protocols = 1 << int(protocol)
    with Rig("--card", CARDS / f"{card}.lua") as rig, rig.client() as client:
        client.establish()
        assert client.connect(protocols) == ["ok", protocols]
        rig.do("fault", faults=faults.split())
        # a client that takes either protocol, as most do, where falling back is what is to be seen
        wanted = 3 if "pps-refused" in faults else protocols
        before = rig.card()
        for step in [f"{first}: {reports}", *then.split(", ")]:
            action, code = step.split(": ")
            before = expect(rig, client, action, prefixed(code), before, wanted)
            if before is None:
                assert act(client, "tx", wanted) == "SCARD_W_REMOVED_CARD"
                break


BLOCKS = {
    # what the reader counts in one exchange: blocks received without error, invalid ones, retransmissions, WTX
    "none": (1, 0, 0, 0), "wrong-edc": (1, 1, 0, 0), "wrong-edc*2": (1, 2, 1, 0), "lost-block": (1, 0, 0, 0),
    "wrong-sequence-number": (2, 1, 0, 0), "wtx": (2, 0, 0, 1), "wtx*3": (4, 0, 0, 3), "ifs-change": (2, 0, 0, 0),
}


@pytest.mark.parametrize("fault", BLOCKS)
def test_the_blocks_that_status_tells_of(fault):
    with Rig("--card", CARDS / "t1-only.lua") as rig, rig.client() as client:
        client.establish()
        assert client.connect()[0] == "ok"
        assert act(client, "tx", 2) == "ok"
        before = rig.card()["t1"]
        if fault != "none":
            rig.do("fault", faults=[fault])
        assert act(client, "tx", 2) == "ok"
        after = rig.card()["t1"]
        names = ("blocks_received", "invalid", "retransmissions", "wtx")
        assert tuple(after[name] - before[name] for name in names) == BLOCKS[fault]


def test_the_table_has_every_fault():
    names = run("fault", "--list").stdout.split()
    assert [row[0].strip("`") for row in rows("simulator/icc/faults.md", "fault")] == names
    for name in names:
        assert any(name in re.split("[@* 0-9]", row[2]) or row[2].startswith(name) for row in FAULTS), name


# as step.lua of an issue: the second VERIFY falls silent, not the command after it
STEP = """
local n, verified = 0, false
return { atr = "3B 80 80 01 01", on_power = function(how)
    verified = false
    if how == "warm" and n == 2 then n = 3; fault("mute") end
  end,
  commands = {
    { "00 20", function() n = n + 1; if n == 2 then fault("mute") end; verified = true; return "", 0x9000 end },
    { "00 B0", function() return verified and "hi" or "", verified and 0x9000 or 0x6982 end } } }
"""


@pytest.mark.parametrize("protocol", [0, 1])
def test_a_fault_that_a_script_asks_for_hits_the_command_in_hand(temporary, protocol):
    path = temporary / "step.lua"
    path.write_text(STEP)
    with Rig("--card", path) as rig, rig.client() as client:
        client.establish()
        assert client.connect(1 << protocol)[0] == "ok"
        assert client.transmit("0020000002CAFE") == ["ok", "9000"]
        assert client.transmit("00B0000002") == ["ok", "68699000"]
        assert client.transmit("0020000002CAFE")[0] == "SCARD_E_NOT_TRANSACTED"
        # the reset that on_power asks for is the one that the card does not answer
        assert client.reconnect("cold", 1 << protocol)[0] == "ok"
        assert client.reconnect("warm", 1 << protocol)[0] == "SCARD_W_UNRESPONSIVE_CARD"
        assert client.reconnect("warm", 1 << protocol)[0] == "ok"
        assert client.transmit("00B0000002") == ["ok", "6982"]
    path.unlink()


@pytest.mark.parametrize("card", ["t0-only", "t1-only"])
@pytest.mark.parametrize("level", ["apdu", "tpdu"])
def test_a_fault_that_names_a_command(card, level):
    """opensc-tool sends commands of its own before those of its command line; they do not count."""
    with Rig("--reader", f"cardrig,level={level}", "--card", CARDS / f"{card}.lua") as rig:
        rig.do("fault", faults=["mute@2:80 12 .4"])
        before = rig.card()["commands"]
        sent = [f"8012{p1}00" for p1 in ("04", "15", "14", "24")]
        tool = subprocess.run(["opensc-tool", *(word for apdu in sent for word in ("-s", apdu))],
                              env=rig.environment(), capture_output=True, text=True, timeout=60, check=False)
        assert tool.returncode != 0
        assert tool.stdout.count("Received") == 2, tool
        assert "80 12 14 00" in tool.stdout and "80 12 24 00" not in tool.stdout, tool
        assert rig.card()["commands"] - before > 3  # more than the three of its command line
        assert rig.card()["last"]["error"]


PROTOCOLS = rows("simulator/ifd/protocols.md", "ATR")


@pytest.mark.parametrize("how", ["connect", "warm", "cold"])
@pytest.mark.parametrize("row", PROTOCOLS, ids=[f"{row[0]} {row[1]} {row[2]}" for row in PROTOCOLS])
def test_protocol_change(temporary, row, how):
    """By SCardConnect, and by SCardReconnect of a handle that had no protocol yet."""
    atr, fault, asked, reports, active, pps, parameters = row
    path = temporary / "card.lua"
    path.write_text(f'return {{ atr = "{atr}", faults = {{ {fault} }}, '
                    'commands = { { "00 84", function(cmd) return random(cmd.ne), 0x9000 end } } }')
    wanted = sum({"T=0": 1, "T=1": 2}[name] for name in asked.split(" or "))
    with Rig("--empty") as rig, rig.client() as client:
        client.establish()
        insert_and_wait(client, rig, file=str(path))
        if how == "connect":
            code, protocol = client.connect(wanted)
        else:
            assert client.connect_directly()[0] == "ok"
            code, protocol = client.reconnect(how, wanted)
        assert code == prefixed(reports)
        card = rig.card()
        assert card["pps"] == int(pps)
        # the reset that was asked for, and one more after a PPS that went wrong
        resets = {"connect": (1, 0), "warm": (1, 1), "cold": (2, 0)}[how]
        assert (card["resets"]["cold"], card["resets"]["warm"]) == (resets[0], resets[1] + ("pps" in fault and pps == "1"))
        assert card["atr"] == atr
        if code == "ok":
            assert protocol == {"T=0": 1, "T=1": 2}[active]
            assert client.status() == ["ok", protocol, atr.replace(" ", "").lower()]
            assert act(client, "tx", wanted) == "ok"
            card = rig.card()
            assert card["protocol"] == active
            assert f"{card['f']}/{card['d']}" == parameters
            assert client.reconnect("leave", wanted)[0] == "ok"
            assert rig.card()["pps"] == int(pps)
    path.unlink()


@pytest.mark.parametrize("first, second", [(1, 2), (2, 1)])
def test_from_one_protocol_to_the_other_and_back(first, second):
    with Rig("--card", CARDS / "two-protocols.lua") as rig, rig.client() as client:
        client.establish()
        assert client.connect(first) == ["ok", first]
        assert client.reconnect("leave", second)[0] == "SCARD_E_PROTO_MISMATCH"
        for number, protocol in enumerate((second, first, second)):
            assert client.reconnect("warm", protocol) == ["ok", protocol]
            assert act(client, "tx", protocol) == "ok"
            card = rig.card()
            assert card["resets"]["warm"] == number + 1
            assert card["protocol"] == f"T={protocol - 1}"


def test_a_warm_atr_that_offers_another_protocol(temporary):
    path = temporary / "card.lua"
    path.write_text('return { atr = { cold = "3B 00", warm = "3B 80 01 81" }, commands = { { "00 84", '
                    'function(cmd) return random(cmd.ne), 0x9000 end } } }')
    with Rig("--card", path) as rig, rig.client() as client:
        client.establish()
        assert client.connect(3) == ["ok", 1]
        assert client.reconnect("warm", 3) == ["ok", 2]
        assert act(client, "tx", 3) == "ok"
        assert client.reconnect("cold", 2)[0] == "SCARD_E_PROTO_MISMATCH"
        assert client.reconnect("cold", 3) == ["ok", 1]
    path.unlink()


def test_a_warm_reset_leaves_specific_mode(temporary):
    """ISO/IEC 7816-3:2006, 6.3.1: TA2 may say that the mode can change; it does with a warm reset."""
    path = temporary / "card.lua"
    path.write_text('return { atr = { cold = "3B 90 11 10 00", warm = "3B 80 80 01 01" }, commands = { { "00 84", '
                    'function(cmd) return random(cmd.ne), 0x9000 end } } }')
    with Rig("--card", path) as rig, rig.client() as client:
        client.establish()
        assert client.connect(3) == ["ok", 1]
        assert rig.card()["pps"] == 0
        assert client.reconnect("warm", 3) == ["ok", 2]
        assert rig.card()["pps"] == 1
        assert act(client, "tx", 3) == "ok"
        assert client.reconnect("cold", 3) == ["ok", 1]
        assert act(client, "tx", 3) == "ok"
    path.unlink()


def test_level_tpdu_shows_61_and_6c(temporary):
    path = temporary / "card.lua"
    path.write_text('return { atr = "3B 00", commands = { { "00 01", function(cmd) return "four", 0x9000 end } } }')
    with Rig("--reader", "tpdu,level=tpdu", "--card", path) as rig, rig.client() as client:
        client.establish()
        assert client.connect() == ["ok", 1]
        assert client.transmit("0001000000") == ["ok", "6c04"]
        assert client.transmit("0001000004") == ["ok", b"four".hex() + "9000"]
        assert client.transmit("0001000002aabb") == ["ok", "6104"]
        assert client.transmit("00c0000004") == ["ok", b"four".hex() + "9000"]
        assert client.transmit("0001000002aa")[0] == "SCARD_E_NOT_TRANSACTED"
    with Rig("--reader", "apdu,level=apdu", "--card", path) as rig, rig.client() as client:
        client.establish()
        assert client.connect() == ["ok", 1]
        assert client.transmit("0001000000") == ["ok", b"four".hex() + "9000"]
        assert client.transmit("0001000002aabb00") == ["ok", b"four".hex() + "9000"]
    path.unlink()


@pytest.mark.parametrize("atr", ["3B 00", "3B 80 01 81"])
@pytest.mark.parametrize("length", [0, 1, 255, 256, 257, 3000, 65535])
def test_data_both_ways_in_both_protocols(temporary, atr, length):
    path = temporary / "card.lua"
    path.write_text(f'return {{ atr = "{atr}", commands = {{ {{ "80 12", function(cmd) return cmd.data, 0x9000 end }} }} }}')
    with Rig("--card", path) as rig, rig.client() as client:
        client.establish()
        assert client.connect()[0] == "ok"
        data = bytes(i * 7 & 255 for i in range(length)).hex()
        command = "80120000" + (f"00{length:04x}" + data + "0000" if length else "")
        assert client.transmit(command) == ["ok", data + "9000"]
    path.unlink()


def test_an_unresponsive_card_takes_the_cards_time_and_not_ours():
    with Rig("--card", CARDS / "t1-only.lua") as rig, rig.client() as client:
        client.establish()
        assert client.connect()[0] == "ok"
        rig.do("fault", faults=["mute"])
        assert client.transmit(CHALLENGE)[0] == "SCARD_E_NOT_TRANSACTED"
        last = rig.card()["last"]
        assert last["card_time_us"] > 1000000
        assert "T=1: " in last["error"]
        assert last["real_time_us"] < last["card_time_us"]
    assert re.search(r"cardrig/0: T=1: .* \(after [1-9]\d*\.\d{3} s of the card's time, [\d.]+ m?s of real time\)", rig.errors)


def test_trace(temporary):
    path = temporary / "trace"
    done = run("run", "--trace", path, "--", "opensc-tool", "--send-apdu", "0084000004")
    assert done.returncode == 0
    lines = path.read_text().splitlines()
    path.unlink()
    for line in lines:
        assert re.fullmatch(r"(# +\d+\.\d{6} cardrig/0 .+|  +\d+\.\d{6} cardrig/0 (card|ifd ) [0-9A-F]{2}( parity error)?)", line)
    characters = [line.split()[-1] for line in lines if not line.startswith("#")]
    text = " ".join(characters)
    assert text.startswith("3B 87 80 01 63 61 72 64 72 69 67 6E FF 01 FE FF 01 FE 00 C1 01 FE 3E 00 E1 01 FE 1E")
    assert "05 00 84 00 00 04" in text
    assert sum("card inserted" in line for line in lines) == 1
    times = [float(line.split()[0 if not line.startswith("#") else 1]) for line in lines]
    assert times == sorted(times)


def test_a_trace_that_cannot_be_written():
    done = run("run", "--trace", "/nowhere/trace", "--", "true")
    assert done.returncode == 125
    assert "cannot write /nowhere/trace: No such file" in done.stderr


def test_wrong_faults(rig):
    for faults in (["mutee"], ["mute*"], ["mute@0"], ["mute*-1"], ["mute", "nonsense"], ["*"], ["mute*99999999999"]):
        done = rig.cardrig("fault", *faults)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
    # none of a list is set when one is wrong
    with rig.client() as client:
        client.establish()
        client.connect()
        assert client.transmit(CHALLENGE)[0] == "ok"
    assert rig.cardrig("fault").returncode == 2
    assert rig.cardrig("fault", "7", "mute").returncode == 1
    assert rig.cardrig("remove").returncode == 0
    assert "cardrig/0 is empty" in rig.cardrig("fault", "mute").stderr


def test_faults_from_the_script(temporary):
    path = temporary / "card.lua"
    path.write_text('return { atr = "3B 80 01 81", faults = { "wtx*2" }, commands = { '
                    '{ "00 01", function() fault("mute") return "", 0x9000 end }, { "00 02", function() fault("mutee") end }, '
                    '{ "00 03", "90 00" } } }')
    with Rig("--card", path) as rig, rig.client() as client:
        client.establish()
        assert client.connect()[0] == "ok"
        assert client.transmit("00030000") == ["ok", "9000"]
        assert rig.card()["t1"]["wtx"] == 2
        assert client.transmit("00010000")[0] == "SCARD_E_NOT_TRANSACTED"
        assert client.reconnect("warm")[0] == "ok"
        assert client.transmit("00020000") == ["ok", "6f00"]
    path.unlink()
    assert "there is no fault 'mutee': did you mean 'mute'?" in rig.errors


def test_a_refused_pps_and_a_reset_that_fails(temporary):
    path = temporary / "card.lua"
    path.write_text('return { atr = "3B 80 80 01 01" }')
    with Rig("--card", path) as rig, rig.client() as client:
        client.establish()
        client.change()
        rig.do("fault", faults=["pps-refused", "mute"])
        assert client.connect(3)[0] == "SCARD_W_UNRESPONSIVE_CARD"
        assert not rig.card()["powered"]
    path.unlink()


def test_a_script_that_answers_bit_by_bit_for_ever(temporary):
    """One byte at a time, each after a second of CPU time: the rig gives up before the driver does, and goes on."""
    path = temporary / "card.lua"
    path.write_text('return { atr = "3B 00", commands = { { "00 01", "61 01" }, { "00 C0", function() '
                    'for i = 1, 2000000 do end return "x", 0x6101 end } } }')
    with Rig("--card", path) as rig, rig.client() as client:
        client.establish()
        assert client.connect()[0] == "ok"
        assert client.transmit("00010000000000")[0] == "SCARD_E_NOT_TRANSACTED"
        assert rig.card()["powered"] is False
        assert client.reconnect("warm")[0] == "ok"
    path.unlink()


def test_extra_guard_time_in_t1(temporary):
    """TC1 = 10: 22 etu between the characters of the interface device, 12 between those of the card."""
    path, trace = temporary / "card.lua", temporary / "trace"
    path.write_text('return { atr = "3B C0 0A 01 CB" }')
    run("run", "--card", path, "--trace", trace, "--", "opensc-tool", "--send-apdu", "00840000")
    sent = [line.split() for line in trace.read_text().splitlines() if not line.startswith("#")]
    path.unlink()
    trace.unlink()
    etu = 372 / 4
    first = next(i for i, line in enumerate(sent) if line[2] == "ifd")
    times = [float(line[0]) * 1e6 for line in sent]
    assert [round((times[i + 1] - times[i]) / etu) for i in range(first, first + 4)] == [22] * 4
    assert [round((times[i + 1] - times[i]) / etu) for i in range(first + 5, first + 9)] == [12] * 4
