# SPDX-License-Identifier: BSD-3-Clause
"""Cards in a reader of another PC/SC service, which is another rig's here."""

import contextlib
import os
import subprocess
import time

import pytest

from card_state import wait_for_state
from programs import CARDRIG, CARDS, run
from rig import Rig
from waiting import TIMEOUT, wait_for

T0, T1 = 1, 2
READER = "cardrig 00 00"
TWO, WARM = CARDS / "two-protocols.lua", CARDS / "warm-differs.lua"
COLD_ATR, WARM_ATR, TWO_ATR = "3b84800163 6f6c6401".replace(" ", ""), "3b047761726d", "3b93968001 74776fe8".replace(" ", "")
HIT = "8010000002"
BURNS = """return { atr = "3B 80 01 81", commands = { { "80 10", function() while true do random(65536) end end },
                                              { "80 11", "90 00" },
                                              { "80 12", function() while true do end end } } }"""


def beside(other, *options):
    """A rig that was started with the other's PC/SC service."""
    return Rig(*options, env={**os.environ, "PCSCLITE_CSOCK_NAME": other.pcscd_socket})


@contextlib.contextmanager
def relayed(card, *options):
    """A rig with the card, one with a relay of it, and a client of that."""
    with Rig(*(["--card", card] if card else ["--empty"])) as other:
        with beside(other, "--card", f"relay={READER}", *options) as rig, rig.client() as client:
            assert client.establish() == ["ok"]
            yield other, rig, client
            assert rig.end() == 0, rig.errors
        assert other.end() in (0, None), other.errors


def card_in(rig):
    return wait_for("the card is in", rig.card)


def card_out(rig):
    wait_for("the card is out", lambda: rig.card() is None)


def connect(client, protocols=T0 | T1):
    """When PC/SC has seen the card."""
    wait_for("PC/SC connects", lambda: client.connect(protocols)[0] == "ok")


def test_atr_and_name():
    with relayed(WARM) as (_, rig, client):
        atr = subprocess.run(["opensc-tool", "--atr", "--reader", "0"], capture_output=True, text=True, timeout=TIMEOUT,
                             env=rig.environment())
        assert atr.stdout.strip().replace(":", "") == COLD_ATR, atr
        assert client.change()[4] == COLD_ATR
        assert rig.card()["name"] == f"relay of {READER}" and rig.card()["file"] == f"relay={READER}"
        assert f"card      relay of {READER} (relay={READER})" in rig.cardrig("status").stdout


def test_cold_and_warm_resets_stay_what_they_are():
    with relayed(WARM) as (other, _, client):
        connect(client)
        for step, atr, last in (("warm", WARM_ATR, b"warm"), ("cold", COLD_ATR, b"cold"), ("warm", WARM_ATR, b"warm")):
            before = other.card()["resets"]
            assert client.reconnect(step)[0] == "ok"
            assert client.status()[2] == atr
            after = other.card()["resets"]
            assert {how: after[how] - before[how] for how in ("cold", "warm")} == {
                "cold": int(step == "cold"), "warm": int(step == "warm")}
        assert client.transmit("8014000008")[1] == (b"warm".hex() + "9000")


@pytest.mark.parametrize("chosen", [T0, T1])
def test_the_protocol_that_is_chosen_here_is_in_use_there(chosen):
    with relayed(TWO) as (other, rig, client):
        connect(client, chosen)
        assert [client.transmit(HIT)[1] for _ in range(3)] == ["00019000", "00029000", "00039000"]
        name = "T=0" if chosen == T0 else "T=1"
        assert rig.card()["protocol"] == name and other.card()["protocol"] == name
        assert client.reconnect("cold", chosen)[0] == "ok"
        assert client.transmit(HIT)[1] == "00019000"
        assert other.card()["protocol"] == name


@pytest.mark.parametrize("chosen", [T0, T1])
@pytest.mark.parametrize("size", [1, 256, 65535])
def test_long_commands_and_answers(chosen, size):
    with relayed(TWO) as (_, _, client):
        connect(client, chosen)
        data = os.urandom(size).hex()
        command = "80120000" + f"00{size:04x}" + data + "0000"
        assert client.transmit(command) == ["ok", data + "9000"]


def test_a_command_of_t0_without_an_le_has_none_there(tmp_path):
    path = tmp_path / "t0.lua"
    path.write_text('return { atr = "3B 00", commands = { { "80 11", function(c) return "", 0x9100 + #c.raw end } } }')
    with relayed(path, "--reader", "cardrig,level=tpdu") as (_, _, client):
        connect(client)
        assert client.transmit("8011000002DEAD") == ["ok", "9107"]
        assert client.transmit("8011000002DEAD05") == ["ok", "9108"]


def test_an_atr_as_it_is(tmp_path):
    """It has a wrong TCK; the protocol there is the other service's."""
    path = tmp_path / "as-is.lua"
    path.write_text('return { atr = as_is"3B 80 01 01", commands = { { "80 11", "AB CD 90 00" } } }')
    with relayed(path) as (_, rig, client):
        connect(client)
        assert client.status()[2] == "3b800101" and rig.card()["pps"] == 0
        assert client.transmit("8011000000") == ["ok", "abcd9000"]


def test_faults_are_those_of_our_contacts():
    with relayed(TWO) as (other, rig, client):
        connect(client, T1)
        assert client.transmit(HIT)[1] == "00019000"
        rig.do("fault", faults=["wrong-edc", "lost-block"])
        assert client.transmit(HIT)[1] == "00029000"
        assert rig.card()["t1"]["retransmissions"] > 0
        rig.do("fault", faults=["mute"])
        commands = other.card()["commands"]
        assert client.transmit(HIT)[0] != "ok"
        assert other.card()["commands"] == commands
        assert client.reconnect("cold", T1)[0] == "ok"
        assert client.transmit(HIT)[1] == "00019000"
        # who takes the card out here puts it in again
        rig.do("fault", faults=["removal"])
        assert client.transmit(HIT)[0] != "ok"
        wait_for_state(client, "EMPTY")  # PC/SC sees it a while after the reset
        rig.do("insert")
        connect(client, T1)
        assert client.transmit(HIT)[1] == "00019000"


def test_trace(tmp_path):
    trace = tmp_path / "trace"
    with relayed(TWO, "--trace", trace) as (_, _, client):
        connect(client)
        assert client.transmit(HIT)[0] == "ok"
    text = trace.read_text()
    assert f"card inserted: relay of {READER}" in text
    sent, answered = ("".join(line.split()[-1] for line in text.splitlines() if f" {who} " in line and line[0] != "#")
                      for who in ("ifd", "card"))
    assert "8010000002" in sent and "00019000" in answered, text


def test_removal_and_insertion():
    with relayed(TWO) as (other, rig, client):
        connect(client)
        state = client.change()
        for _ in range(5):
            other.do("remove")
            state = client.change(state[1], 1000 * TIMEOUT)
            assert state[0] == "ok" and "EMPTY" in state[3]
            other.do("insert")
            state = client.change(state[1], 1000 * TIMEOUT)
            assert state[0] == "ok" and "PRESENT" in state[3]
        assert client.transmit(HIT)[0] == "SCARD_W_REMOVED_CARD"
        assert rig.card()["name"] == f"relay of {READER}"


def test_another_card():
    """However quickly it takes the place of the first."""
    with relayed(TWO) as (other, _, client):
        connect(client)
        assert client.status()[2] == TWO_ATR
        for card, atr in 4 * ((WARM, COLD_ATR), (TWO, TWO_ATR)):
            other.do("swap", file=str(card))
            wait_for("the old one is gone", lambda: client.transmit(HIT)[0] in ("SCARD_W_REMOVED_CARD", "SCARD_E_NO_SMARTCARD"))
            connect(client)
            assert client.status()[2] == atr

def test_removal_in_the_middle_of_a_command(tmp_path):
    path = tmp_path / "burns.lua"
    path.write_text(BURNS)
    with relayed(path) as (other, rig, client):
        connect(client)
        client.start("transmit", "8010000000")
        wait_for("it is at work there", lambda: other.do("status")["slots"][0]["busy"])
        other.do("remove")
        assert client.finish()[0] != "ok"
        card_out(rig)
        # and the other way round: out of our slot
        other.do("insert")
        card_in(rig)
        connect(client)
        client.start("transmit", "8010000000")
        wait_for("it is at work there", lambda: other.do("status")["slots"][0]["busy"])
        rig.do("remove")
        assert client.finish()[0] != "ok"
        assert rig.card() is None


def test_a_card_that_burns(tmp_path):
    path = tmp_path / "burns.lua"
    path.write_text(BURNS)
    with relayed(path) as (_, _, client):
        connect(client)
        burnt = client.transmit("8012000000")
        if burnt[0] != "ok":  # on a busy machine its second of processor time can be longer than a reader waits
            assert burnt[0] == "SCARD_E_NOT_TRANSACTED"
            wait_for("the card has come back", lambda: client.reconnect("cold")[0] == "ok")
        else:
            assert burnt[1] == "6f00"
        assert client.transmit("8011000000") == ["ok", "9000"]


def test_the_other_rig_ends():
    with relayed(TWO) as (other, rig, client):
        connect(client)
        other.end()
        card_out(rig)
        assert client.transmit(HIT)[0] != "ok"
        assert rig.cardrig("insert").stderr.startswith(f"cardrig: relay={READER}: no PC/SC service at ")
        assert "the PC/SC service has ended" in rig_errors(rig)


def rig_errors(rig):
    rig.end()
    return rig.errors


def test_the_other_service_is_restarted():
    with relayed(TWO) as (other, rig, client):
        connect(client)
        for _ in range(3):
            assert other.cardrig("service", "kill").returncode == 0
            card_out(rig)
            assert other.cardrig("service", "restart").returncode == 0
            card_in(rig)
            connect(client)
            assert client.transmit(HIT)[1] == "00019000"


def test_the_other_service_hangs():
    """Nothing here waits for it beyond its time, and what is not for the card does not wait."""
    with relayed(TWO) as (other, rig, client):
        connect(client)
        assert other.cardrig("service", "stop").returncode == 0
        begun = time.monotonic()
        client.start("transmit", HIT)
        wait_for("it is at work", lambda: rig.do("status")["slots"][0]["busy"])
        assert client.finish()[0] != "ok" and time.monotonic() - begun < 10
        client.start("reconnect", "cold")
        wait_for("it is at work", lambda: rig.do("status")["slots"][0]["busy"])
        begun = time.monotonic()
        rig.do("remove")
        client.finish()
        assert time.monotonic() - begun < 3
        assert other.cardrig("service", "continue").returncode == 0
        rig.do("insert")
        connect(client)
        assert client.transmit(HIT)[1] == "00019000"
        assert other.cardrig("service", "stop").returncode == 0
        client.start("transmit", HIT)
        wait_for("it is at work", lambda: rig.do("status")["slots"][0]["busy"])
        begun = time.monotonic()
        assert rig.end() == 0 and time.monotonic() - begun < 3
        assert client.finish()[0] != "ok"
        assert other.cardrig("service", "continue").returncode == 0


def test_a_card_that_comes_later():
    with relayed(None) as (other, rig, client):
        assert rig.card() is None
        other.do("insert", file=str(TWO))
        card_in(rig)
        connect(client)
        assert client.transmit(HIT)[1] == "00019000"
    assert f"cardrig/0: relay={READER}: no card is in '{READER}' yet; waiting for it" in rig.errors


def test_a_card_that_is_in_use():
    """It is for one: for who has it first."""
    with Rig("--card", TWO) as other, other.client() as user:
        assert user.establish() == ["ok"] and user.connect()[0] == "ok"
        with beside(other, "--card", f"relay={READER}") as rig:
            assert rig.card() is None
            refused = rig.cardrig("insert")
            assert refused.returncode == 1 and "in use by another program" in refused.stderr
            assert user.transmit(HIT)[1] == "00019000"
            assert user.disconnect() == ["ok"]
            card_in(rig)
            assert user.connect()[0] == "SCARD_E_SHARING_VIOLATION"
            rig.do("remove")
            wait_for("it was let go", lambda: user.connect()[0] == "ok")
            assert user.transmit(HIT)[1] == "00019000"
        assert "in use by another program" in rig.errors


def test_insert_and_swap():
    with Rig("--card", TWO) as other, beside(other, "--empty") as rig, rig.client() as client:
        assert client.establish() == ["ok"]
        done = rig.cardrig("insert", f"relay={READER}")
        assert (done.returncode, done.stdout) == (0, f"cardrig/0: inserted 'relay of {READER}'\n"), done
        connect(client)
        assert rig.cardrig("swap", WARM).returncode == 0
        wait_for("another card", lambda: client.transmit(HIT)[0] == "SCARD_W_REMOVED_CARD")
        # the slot is not a relay's any more
        other.do("remove")
        other.do("insert")
        assert rig.card()["name"] == "warm differs"
        wait_for("PC/SC there has seen it",  # the beginning of a name
                 lambda: rig.cardrig("swap", "relay=card").returncode == 0)
        connect(client)
        assert client.status()[2] == TWO_ATR
        other.do("remove")
        card_out(rig)
        refused = rig.cardrig("insert")
        assert refused.returncode == 1 and f"no card is in '{READER}' yet" in refused.stderr
        other.do("insert")
        card_in(rig)


def test_two_slots():
    with Rig("--reader", "a", "--reader", "b", "--card", f"a={TWO}", "--card", f"b={WARM}") as other:
        with beside(other, "--reader", "x,slots=2", "--card", "x/1=relay=a 00 00", "--card", "relay=b") as rig:
            slots = rig.do("status")["slots"]
            assert [slot["card"]["name"] for slot in slots] == ["relay of b 01 00", "relay of a 00 00"]


@pytest.mark.parametrize("reader, message", [
    ("nothing", "there is no reader 'nothing': there are 'a 00 00', 'ab 01 00'"),
    ("a", "there are several whose names begin like reader 'a': there are 'a 00 00', 'ab 01 00'"),
])
def test_no_such_reader(reader, message):
    with Rig("--reader", "a", "--reader", "ab") as other:
        done = run("run", "--card", f"relay={reader}", "--", "true",
                   env={**os.environ, "PCSCLITE_CSOCK_NAME": other.pcscd_socket})
        assert done.returncode == 125 and f"cardrig: relay={reader}: {message}\n" in done.stderr, done


def test_no_service(tmp_path):
    done = run("run", "--card", "relay=any", "--", "true", env={**os.environ, "PCSCLITE_CSOCK_NAME": str(tmp_path / "none")})
    assert done.returncode == 125
    assert f"cardrig: relay=any: no PC/SC service at {tmp_path}/none (" in done.stderr


def test_a_token_is_no_relay():
    with Rig() as other:
        done = run("run", "--reader", "t,usb,token", "--card", "relay=cardrig", "--", "true",
                   env={**os.environ, "PCSCLITE_CSOCK_NAME": other.pcscd_socket})
        assert done.returncode == 125 and "t is a token" in done.stderr


def test_one_rig_inside_the_other():
    """As the manual has it."""
    done = run("run", "--card", TWO, "--", CARDRIG, "run", "--card", "relay=cardrig", "--", "opensc-tool", "--atr")
    assert done.returncode == 0 and done.stdout.strip().replace(":", "") == TWO_ATR, done
