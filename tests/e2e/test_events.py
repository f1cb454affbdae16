# SPDX-License-Identifier: BSD-3-Clause
"""Card events as PC/SC clients see them: each one, soon, and none too many."""

import os
import subprocess

import pytest

from card_state import insert_and_wait
from client import Client
from programs import CARDRIG, CARDS
from rig import Rig
from waiting import wait_for


def wait_for_counter(client, counter):
    """Waits until the reader's event counter has arrived; returns the last state."""
    code, state, count, names, atr = client.change()
    while count != counter:
        code, state, count, names, atr = client.change(state, 20000)
        assert code == "ok", f"the event counter stays at {count}, not {counter}"
    return state, names, atr


def test_a_card_that_is_in_at_the_start_is_no_insertion(temporary):
    """pcscd is there before its card has loaded."""
    card = temporary / "slow.lua"
    card.write_text("for _ = 1, 5000000 do end\n" + (CARDS / "two-protocols.lua").read_text())
    with Rig("--card", card) as rig, rig.client() as client:
        client.establish()
        code, _, counter, names, _ = client.change()
        assert (code, names, counter) == ("ok", ["PRESENT"], 0)
    card.unlink()


def test_each_card_event_wakes_a_waiting_client(rig):
    with rig.client() as client:
        client.establish()
        code, state, counter, names, atr = client.change()
        assert names == ["PRESENT"] and atr.startswith("3b87")
        for round in range(10):
            for command, expected in (("remove", "EMPTY"), ("insert", "PRESENT")):
                client.start("change", state, 30000)
                rig.do(command)
                code, state, count, names, atr = client.finish()
                counter += 1
                assert (code, names, count) == ("ok", [expected], counter)


def test_commands_return_when_pcscd_has_noticed(rig):
    with rig.client() as client:
        client.establish()
        for _ in range(20):
            assert rig.cardrig("remove").returncode == 0
            assert client.connect()[0] == "SCARD_E_NO_SMARTCARD"
            assert rig.cardrig("insert", "piv").returncode == 0
            assert client.connect()[0] == "ok" and client.disconnect() == ["ok"]
            assert rig.cardrig("swap", "blank").returncode == 0
            assert client.change()[4].startswith("3b8b80")
        # a pcscd that cannot notice is not waited for
        rig.do("service", action="stop")
        assert rig.cardrig("remove").returncode == 0
        assert not rig.do("status")["slots"][0]["ready"]
        rig.do("service", action="continue")
        wait_for("pcscd notices", lambda: rig.do("status")["slots"][0]["ready"])


def test_through_the_command_line(rig):
    with rig.client() as client:
        client.establish()
        code, state, counter, names, _ = client.change()
        client.start("change", state, 30000)
        assert rig.cardrig("remove").returncode == 0
        code, state, count, names, _ = client.finish()
        assert (code, names, count) == ("ok", ["EMPTY"], counter + 1)
        client.start("change", state, 30000)
        assert rig.cardrig("insert", CARDS / "t0-only.lua").returncode == 0
        code, state, count, names, _ = client.finish()
        assert (code, names, count) == ("ok", ["PRESENT"], counter + 2)


def test_a_thousand_quick_pairs_are_two_thousand_events(rig):
    with rig.client() as client:
        client.establish()
        _, _, counter, _, _ = client.change()
        for _ in range(1000):
            rig.do("remove")
            rig.do("insert")
        state, names, atr = wait_for_counter(client, counter + 2000)
        assert names == ["PRESENT"] and atr.startswith("3b87")
        assert client.change(state, 300)[0] == "SCARD_E_TIMEOUT"
        assert client.connect()[0] == "ok"
        assert client.transmit("0084000008")[0] == "ok"


def test_a_hundred_quick_pairs_with_the_command_line_tool(rig):
    """As a shell script would: two processes a pair."""
    with rig.client() as client:
        client.establish()
        _, _, counter, _, _ = client.change()
        script = 'for i in $(seq 100); do "$0" remove && "$0" insert || exit 1; done >/dev/null'
        subprocess.run(["sh", "-c", script, CARDRIG], check=True,
                       env={**os.environ, "CARDRIG_SOCKET": rig.control_socket})
        wait_for_counter(client, counter + 200)


def test_a_swap_is_two_events_and_a_new_card(rig):
    with rig.client() as client:
        client.establish()
        _, _, counter, _, old = client.change()
        assert client.connect()[0] == "ok"
        rig.do("swap", file=str(CARDS / "t0-only.lua"))
        state, names, atr = wait_for_counter(client, counter + 2)
        assert "PRESENT" in names and atr != old
        # the handle is still the old card's
        assert client.transmit("0084000008")[0] == "SCARD_W_REMOVED_CARD"
        assert client.reconnect("leave")[0] == "ok"
        assert client.status()[2] == atr


def test_no_command_reaches_another_card():
    """A counter that each command raises: a command for the old card must not count on the new one."""
    with Rig("--card", CARDS / "two-protocols.lua") as rig, rig.client() as client:
        client.establish()
        _, state, counter, _, _ = client.change()
        assert client.connect()[0] == "ok"
        for _ in range(100):
            rig.do("swap", file=str(CARDS / "two-protocols.lua"))
            result = client.transmit("8010000002")[0]
            assert result in ("SCARD_E_NOT_TRANSACTED", "SCARD_W_REMOVED_CARD", "SCARD_E_PROTO_MISMATCH")
            assert rig.card()["commands"] == 0
            counter += 2
            wait_for_counter(client, counter)
            while client.reconnect("leave")[0] != "ok":
                assert client.reconnect("cold")[0] in ("ok", "SCARD_W_UNRESPONSIVE_CARD")
            assert client.transmit("8010000002") == ["ok", "00019000"]


def test_no_command_reaches_another_card_with_many_clients(temporary):
    """Each insertion has an identity of its own, and a handle must see but one."""
    card, stop = temporary / "identity.lua", temporary / "stop"
    card.write_text('local id = random(4) return { atr = "3B 90 96 80 01 87", '
                    'commands = { { "80 10", function() return id, 0x9000 end } } }')
    with Rig("--card", card) as rig:
        clients = [rig.client() for _ in range(4)]
        for client in clients:
            client.establish()
            client.start("hammer", "8010000004", str(stop))
        for _ in range(100):
            rig.do("swap", file=str(card))
            # not more often than the clients come to the card
            wait_for("20 commands", lambda: rig.card()["commands"] >= 20)
        stop.touch()
        rig.do("remove")
        results = [client.finish() for client in clients]
        for client in clients:
            client.__exit__()
    assert sum(answers for answers, _ in results) >= 100
    assert [others for _, others in results] == [0] * 4
    card.unlink()
    stop.unlink()


def test_a_waiting_client_sees_events_on_every_slot_of_sixteen():
    options = [word for i in range(8) for word in ("--reader", f"r{i},slots=2")]
    with Rig("--empty", *options) as rig:
        clients = []
        for slot in rig.do("status")["slots"]:
            client = Client({**rig.environment(), "CARDRIG_READER": slot["pcsc_name"]})
            client.establish()
            clients.append((client, client.change()))
        for client, (_, state, _, names, _) in clients:
            assert names == ["EMPTY"]
            client.start("change", state, 30000)
        for number in range(16):
            rig.do("insert", slot=str(number))
        for client, before in clients:
            code, _, counter, names, _ = client.finish()
            assert (code, names, counter) == ("ok", ["PRESENT"], before[2] + 1)
            client.__exit__()


def test_clients_transmit_while_cards_move():
    with Rig("--reader", "a", "--reader", "b", "--card", f"a={CARDS / 'two-protocols.lua'}", "--card",
             f"b={CARDS / 'two-protocols.lua'}") as rig:
        steady = Client({**rig.environment(), "CARDRIG_READER": "b 01 00"})
        steady.establish()
        assert steady.connect()[0] == "ok"
        for count in range(1, 200):
            rig.do("remove" if count % 2 else "insert", slot="a")
            assert steady.transmit("8010000002") == ["ok", f"{count:04x}9000"]
        steady.__exit__()


@pytest.mark.parametrize("how, resets", [("leave", (1, 0, 0)), ("warm", (1, 1, 0)), ("cold", (2, 0, 1))])
def test_reconnect_reaches_the_card(how, resets):
    with Rig("--empty") as rig, rig.client() as client:
        client.establish()
        insert_and_wait(client, rig)
        assert client.connect(1) == ["ok", 1]
        assert client.reconnect(how, 1) == ["ok", 1]
        card = rig.card()
        assert (card["resets"]["cold"], card["resets"]["warm"], card["resets"]["off"]) == resets
        assert card["protocol"] == "T=0"


def test_warm_and_cold_atr_differ():
    with Rig("--card", CARDS / "warm-differs.lua") as rig, rig.client() as client:
        client.establish()
        assert client.connect()[0] == "ok"
        cold = client.status()[2]
        assert client.reconnect("warm")[0] == "ok"
        warm = client.status()[2]
        assert warm != cold
        assert client.reconnect("cold")[0] == "ok"
        assert client.status()[2] == cold


@pytest.mark.parametrize("card, protocols, expected", [
    ("two-protocols", 3, ["ok", 2]), ("two-protocols", 1, ["ok", 1]), ("two-protocols", 2, ["ok", 2]),
    ("t0-only", 3, ["ok", 1]), ("t0-only", 2, ["SCARD_E_PROTO_MISMATCH", 0]),
    ("t1-only", 3, ["ok", 2]), ("t1-only", 1, ["SCARD_E_PROTO_MISMATCH", 0])])
def test_protocols(card, protocols, expected):
    with Rig("--card", CARDS / f"{card}.lua") as rig, rig.client() as client:
        client.establish()
        assert client.connect(protocols) == expected


def test_a_powered_card_that_nobody_uses_loses_its_power_only_after_a_while():
    """The event function must not return early: on any return pcscd powers an unused card down."""
    with Rig("--empty") as rig, rig.client() as client:
        client.establish()
        insert_and_wait(client, rig)
        client.connect()
        client.disconnect()
        assert client.connect()[0] == "ok"
        assert rig.card()["resets"] == {"cold": 1, "warm": 0, "off": 0}


def test_attributes(rig):
    with rig.client() as client:
        client.establish()
        client.connect()
        assert client.attribute("VENDOR_NAME") == ["ok", b"cardrig\0".hex()]
        assert client.attribute("ATR_STRING") == ["ok", client.status()[2]]
        assert client.attribute("ICC_PRESENCE") == ["ok", "02"]
        assert client.attribute("DEVICE_IN_USE")[0] == "SCARD_E_UNSUPPORTED_FEATURE"


@pytest.mark.parametrize("length", [2, 256, 258, 65537, 65538])
def test_long_answers(temporary, length):
    path = temporary / "long.lua"
    path.write_text('return { atr = "3B 80 01 81", commands = { { "00 01", function(cmd) '
                    f'return string.rep("x", {length - 2}), 0x9000 end }} }} }}')
    with Rig("--card", path) as rig, rig.client() as client:
        client.establish()
        assert client.connect()[0] == "ok"
        code, response = client.transmit("00010000000000")
        assert code == "ok"
        assert response == "78" * (length - 2) + "9000"
    path.unlink()


def test_long_commands(temporary):
    path = temporary / "long.lua"
    path.write_text('return { atr = "3B 80 01 81", commands = { { "00 01", function(cmd) '
                    'return string.format("%d %d", cmd.nc, cmd.ne), 0x9000 end } } }')
    with Rig("--card", path) as rig, rig.client() as client:
        client.establish()
        assert client.connect()[0] == "ok"
        for data in (0, 255):
            command = "00010000" + (f"{data:02x}" + "5a" * data if data else "") + "00"
            assert client.transmit(command) == ["ok", f"{data} 256".encode().hex() + "9000"]
        command = "0001000000" + "ffff" + "5a" * 65535 + "0000"
        assert client.transmit(command) == ["ok", b"65535 65536".hex() + "9000"]
    path.unlink()


def test_a_command_to_an_empty_slot():
    with Rig("--empty") as rig, rig.client() as client:
        client.establish()
        assert client.connect_directly()[0] == "ok"
        assert client.transmit("0084000008")[0] != "ok"
        rig.do("insert")
