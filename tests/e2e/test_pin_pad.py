# SPDX-License-Identifier: BSD-3-Clause
"""PIN pads through real pcscd: the table of docs/READERS.md, keys before and while they are asked for, each status word of
PC/SC part 10, and that no key is to be found anywhere."""

import re
import struct

import pytest

from card_state import wait_for_state
from programs import SOURCE
from rig import Rig
from tables import rows
from waiting import TIMEOUT

VERIFY, MODIFY, PROPERTIES = 0x42330006, 0x42330007, 0x42330012
VERIFY_START, VERIFY_FINISH, GET_KEY, ABORT = 0x42330001, 0x42330002, 0x42330005, 0x4233000B
FAILED = ["SCARD_E_NOT_TRANSACTED", ""]
CARD = """
local last = ""
local function keep(cmd) last = cmd.raw return "", 0x9000 end
return { atr = "%s", commands = {
  { "00 CA", function() return last, 0x9000 end }, { "00 20", keep }, { "00 24", keep }, { "00 2C", keep } } }
"""

OTHER_WAYS = """
local function verify(input)
  local answer, why = verify_pin(input)
  return answer or why
end
return {
  pinpad = true,
  features = { VERIFY_PIN_DIRECT = 0x42000DB2 },
  control = { [0x42000DB2] = verify, VERIFY_PIN_DIRECT = false },
  command = function(cmd) if cmd.cla == 0xFF then return verify(cmd.data) end return false end,
}
"""


@pytest.fixture
def card(request, temporary):
    """A card that tells the last PIN command that it got."""
    path = temporary / "card.lua"
    path.write_text(CARD % getattr(request, "param", "3B 80 01 81"))
    yield path
    path.unlink()


PROTOCOLS = pytest.mark.parametrize("card", ["3B 00", "3B 80 01 81"], indirect=True)


def verification(apdu="00 20 00 80 08 FF FF FF FF FF FF FF FF", seconds=0, seconds_after=0, condition=2, digits=0x0408, message=0):
    data = bytes.fromhex(apdu)
    return (struct.pack("<BBBBBHBBHB3xI", seconds, seconds_after, 0x82, 8, 0, digits, condition, 1, 0x0409, message, len(data))
            + data).hex()


def modification(confirm=3):
    data = bytes.fromhex("00 24 00 80 10" + "FF" * 16)
    return (struct.pack("<BBBBBBBHBBBHBBB3xI", 0, 0, 0x82, 8, 0, 0, 8, 0x0408, confirm, 2, 3, 0x0409, 0, 1, 2, len(data)) + data).hex()


def display(rig):
    return rig.do("status")["slots"][0]["pin_pad"]["display"]


def last(client):
    return client.transmit("00CA000000")[1][:-4]


STRUCTURES = [row for row in rows("docs/READERS.md", "structure")]


@PROTOCOLS
def test_the_table(card):
    with Rig("--reader", "pinpad", "--card", card) as rig, rig.client() as client:
        client.establish()
        assert client.connect()[0] == "ok"
        for sender, structure, pressed, command in STRUCTURES:
            data = bytes.fromhex(structure.replace("`", ""))
            is_verify = len(data) >= 19 and struct.unpack_from("<I", data, 15)[0] == len(data) - 19
            rig.press(pressed)
            assert client.control(VERIFY if is_verify else MODIFY, data.hex()) == ["ok", "9000"], sender
            assert last(client) == command.replace("`", "").replace(" ", "").lower(), sender


def test_keys_while_they_are_asked_for(card):
    with Rig("--reader", "pinpad", "--card", card) as rig, rig.client() as client, rig.client() as other:
        client.establish()
        other.establish()
        assert client.connect()[0] == "ok"
        assert display(rig) == ""
        client.start("control", MODIFY, modification())
        assert rig.cardrig("wait", "pin").returncode == 0
        assert display(rig) == "Enter PIN"
        assert other.status_change()[0] == "ok"  # others see the reader's state
        rig.press("12")
        rig.do("wait", event="pin")
        assert display(rig) == "Enter PIN\n**"
        rig.press("34 backspace 5 ok")
        rig.do("wait", event="pin")
        assert display(rig) == "Enter new PIN"
        rig.press("99 clear 5678 ok")
        rig.do("wait", event="pin")
        assert display(rig) == "Confirm new PIN"
        assert rig.cardrig("press", "pinpad", "5678", "ok").returncode == 0
        assert client.finish() == ["ok", "9000"]
        assert last(client) == "0024008010" "31323335ffffffff" "35363738ffffffff"
        assert display(rig) == ""


@pytest.mark.parametrize("pressed, answer", [("1 ok", "6403"), ("123456789 ok", "6403"), ("12 cancel", "6401"), ("1234 ok", "9000")])
def test_status_words(card, pressed, answer):
    with Rig("--reader", "pinpad", "--card", card) as rig, rig.client() as client:
        client.establish()
        client.connect()
        rig.press(pressed)
        assert client.control(VERIFY, verification()) == ["ok", answer]
        assert rig.card()["commands"] == (1 if answer == "9000" else 0)
        if answer != "9000":
            return
        rig.press("1234 ok 5678 ok 5679 ok")
        assert client.control(MODIFY, modification()) == ["ok", "6402"]
        rig.press("1234 ok")
        assert client.control(VERIFY, verification()[:-2]) == ["ok", "6b80"]  # and no key is lost
        assert client.control(VERIFY, verification(seconds=1)) == ["ok", "9000"]
        assert client.control(VERIFY, verification(seconds=1)) == ["ok", "6400"]
        rig.press("1234")
        assert client.control(VERIFY, verification(seconds=9, seconds_after=1)) == ["ok", "6400"]
        rig.press("1234")
        assert client.control(VERIFY, verification(seconds_after=1, condition=6)) == ["ok", "9000"]
        rig.press("1234")
        assert client.control(VERIFY, verification(digits=0x0404, condition=3)) == ["ok", "9000"]
        assert client.control(VERIFY, "00" * 70000)[0] != "ok"
        assert client.control(VERIFY, "00" * 400) == client.control(VERIFY) == ["ok", "6b80"]


def test_a_card_that_is_pulled(card):
    with Rig("--reader", "pinpad", "--card", card) as rig, rig.client() as client:
        client.establish()
        client.connect()
        client.start("control", VERIFY, verification())
        rig.do("wait", event="pin")
        rig.do("swap", file=str(card))
        assert client.finish() == FAILED
        assert display(rig) == ""
        wait_for_state(client, "PRESENT", 2)
        assert client.connect()[0] == "ok"
        rig.press("1234 ok")
        assert client.control(VERIFY, verification()) == ["ok", "9000"]


@pytest.mark.parametrize("way", [("control", 0x42000DB2, verification()), ("transmit", "FFC2010620" + verification())], ids=["control", "command"])
def test_a_client_that_dies(card, temporary, way):
    """The reader stops asking at once, also if other clients are connected, and one of them waits."""
    script = temporary / "reader.lua"
    script.write_text(OTHER_WAYS.replace("pinpad = true", "pinpad = { timeout = 255 }"))
    with (Rig("--reader", script, "--card", card) as rig, rig.client() as idle, rig.client() as waiting,
          rig.client() as other):
        idle.establish()
        assert idle.connect()[0] == "ok"
        waiting.establish()
        waiting.start("readers_change", 1000 * TIMEOUT)
        with rig.client() as client:
            client.establish()
            client.connect()
            client.start(*way)
            rig.do("wait", event="pin")
            client.process.kill()
        other.establish()
        assert other.connect()[0] == "ok"
        assert other.transmit("00CA000000") == ["ok", "9000"]  # which does not begin while the reader asks
        assert display(rig) == ""
        rig.press("1234 ok")
        other.start(*way)
        assert other.finish() == ["ok", "9000"]
        waiting.process.kill()
    script.unlink()


def test_a_service_that_is_killed(card):
    with Rig("--reader", "pinpad", "--card", card) as rig, rig.client() as client:
        client.establish()
        client.connect()
        client.start("control", VERIFY, verification())
        rig.do("wait", event="pin")
        rig.do("service", action="restart")
        assert client.finish()[0] != "ok"
        client.establish()
        assert client.connect()[0] == "ok"
        rig.press("1234 ok")
        assert client.control(VERIFY, verification()) == ["ok", "9000"]


def test_start_and_finish(card):
    with Rig("--reader", "pinpad,start", "--card", card) as rig, rig.client() as client:
        client.establish()
        client.connect()
        assert client.control(VERIFY_FINISH) == FAILED
        assert client.control(GET_KEY) == ["ok", "00"]
        assert client.control(VERIFY_START, verification()) == ["ok", ""]
        rig.do("wait", event="pin")
        assert client.control(GET_KEY) == ["ok", "00"]
        rig.press("12 backspace clear 1234 ok")
        assert [client.control(GET_KEY)[1] for _ in range(9)] == ["2b", "2b", "08", "0a", "2b", "2b", "2b", "2b", "0d"]
        assert client.control(VERIFY_FINISH) == ["ok", "9000"]
        assert last(client) == "0020008008" "31323334ffffffff"
        assert client.control(VERIFY_START, verification()) == ["ok", ""]
        rig.press("cancel")
        assert client.control(GET_KEY) == ["ok", "1b"]
        assert client.control(VERIFY_FINISH) == ["ok", "6401"]
        assert client.control(VERIFY_START, verification()) == ["ok", ""]
        assert client.control(ABORT) == ["ok", ""]
        assert client.control(GET_KEY) == ["ok", "40"]
        assert client.control(VERIFY_FINISH) == ["ok", "6401"]
        assert client.control(VERIFY_START, "00") == ["ok", "6b80"]
        assert client.control(VERIFY_START, verification()) == ["ok", ""]
        assert client.reconnect("warm")[0] == "ok"  # a reset ends it
        assert client.control(VERIFY_FINISH) == FAILED


def test_other_ways_to_the_pin_pad(card, temporary):
    """A script can give the features other control codes, and take the structures by commands."""
    script = temporary / "reader.lua"
    script.write_text(OTHER_WAYS)
    with Rig("--reader", script, "--card", card) as rig, rig.client() as client:
        client.establish()
        client.connect()
        assert "060442000db2" in client.control(0x42000000 + 3400)[1]
        assert client.control(VERIFY, verification())[0] == "SCARD_E_UNSUPPORTED_FEATURE"
        ways = ("control", 0x42000DB2, verification()), ("transmit", "FFC2010620" + verification())
        for number, way in enumerate(ways, 1):
            client.start(*way)
            rig.do("wait", event="pin")
            rig.press("1234 ok")
            assert client.finish() == ["ok", "9000"]
            assert last(client) == "0020008008" "31323334ffffffff"
            client.start(*way)
            rig.do("wait", event="pin")
            rig.do("swap", file=str(card))
            assert client.finish()[0] != "ok"
            wait_for_state(client, "PRESENT", 2 * number)
            client.disconnect()
            assert client.connect()[0] == "ok"
        assert client.control(0x42000DB2, "00") == ["ok", "6b80"]
    script.write_text(OTHER_WAYS.replace("pinpad = true,", ""))
    with Rig("--reader", script, "--card", card) as rig, rig.client() as client:
        client.establish()
        client.connect()
        assert client.control(0x42000DB2, verification()) == ["ok", b"no-pinpad".hex()]
    script.unlink()


def test_properties(card):
    with Rig("--reader", "pinpad,min=4,max=12,no-display", "--card", card) as rig, rig.client() as client:
        client.establish()
        client.connect()
        assert client.control(0x42000000 + 3400) == ["ok", "060442330006" "070442330007" "0a044233000a" "120442330012"]
        assert client.control(0x4233000A) == ["ok", "00000701"]
        assert client.control(0x42330011)[0] == "SCARD_E_UNSUPPORTED_FEATURE"
        assert client.control(PROPERTIES)[1].startswith("01020000" "020107" "030101" "04020000" "05020000" "060104" "07010c")
    with Rig("--reader", "pinpad", "--empty") as rig, rig.client() as client:
        client.establish()
        assert client.connect_directly()[0] == "ok"
        assert client.control(0x4233000A) == ["ok", "10020701"]
        assert client.control(0x42330011) == ["ok", "10000200"]
        assert client.control(VERIFY, verification()) == FAILED


@PROTOCOLS
def test_no_key_is_to_be_found(card, temporary):
    """Neither in the trace, nor in logs, nor in the status; and once it is with the card, not in the memory of the reader."""
    trace = temporary / "trace"
    pin = "82736455"
    with Rig("--reader", "pinpad", "--card", card, "--trace", trace) as rig, rig.client() as client:
        client.establish()
        client.connect()
        rig.press(pin + " ok")
        assert client.control(VERIFY, verification()) == ["ok", "9000"]
        said = str(rig.ask(command="press", keys=["8", "2x"]))
        status = str(rig.do("status")) + rig.cardrig("status").stdout
        log = (rig.directory / "pcscd.log").read_text(errors="replace")
    text = trace.read_text()
    trace.unlink()
    assert "a command with a PIN" in text and "2x" not in said
    hexadecimal = " ".join(f"{ord(digit):02X}" for digit in pin)
    for found in (text, status, log, rig.errors, said):
        assert pin not in found and not re.search(hexadecimal.replace(" ", r"\s*"), found, re.IGNORECASE)


def test_wrong_requests(card):
    with Rig("--reader", "pinpad", "--reader", "plain", "--card", card) as rig:
        assert "the keys are 0 to 9" in rig.cardrig("press", "pinpad", "x").stderr
        assert rig.ask(command="press", slot="plain", keys=["1"])["error"] == "reader 'plain' has no PIN pad"
        assert "a list of strings" in rig.ask(command="press")["error"]
        assert 'the "event" "pin"' in rig.ask(command="wait", event="card")["error"]
        done = rig.cardrig("wait", "--timeout", "1", "pin")
        assert done.returncode == 1 and "nothing has asked for a PIN in this time" in done.stderr
        assert "keys already wait" in rig.ask(command="press", keys=["1"] * 129)["error"]
    with Rig() as rig:
        assert "there is no reader with a PIN pad" in rig.cardrig("press", "1").stderr
