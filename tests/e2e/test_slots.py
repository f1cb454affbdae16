# SPDX-License-Identifier: BSD-3-Clause
"""Every slot on its own: a card that is at work, or does not come back from it, delays nobody else."""

import contextlib
import json
import pathlib
import socket

import pytest

from programs import CARDS
from rig import Rig
from waiting import TIMEOUT, wait_for

ATR = "3B 80 01 81"
# Each kind of card that keeps the processor for itself: until its instructions are used up, in a function of Lua's
# libraries, which ends with the card, and while it loads.
INSTRUCTIONS = f'return {{ atr = "{ATR}", commands = {{ {{ "80 10", function() while true do random(65536) end end }} }} }}'
LIBRARY = f"""return {{ atr = "{ATR}", commands = {{ {{ "80 10", function(cmd)
    return string.find(string.rep("a", 50000), ".-.-.-.-.-b") and "x" or "", 0x9000 end }} }} }}"""
LOADING = f'for i = 1, 400 do random(65536) end return {{ atr = "{ATR}", commands = {{}} }}'
BURN = "8010000000"
GOOD = "0084000008"


@pytest.fixture
def script(tmp_path):
    def write(text, name="card.lua"):
        (tmp_path / name).write_text(text)
        return tmp_path / name
    return write


@contextlib.contextmanager
def burning(rig, slots):
    """Clients whose commands are under way in these slots."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(rig.client()) for _ in slots]
        for client, slot in zip(clients, slots):
            assert client.use(rig.do("status")["slots"][slot]["pcsc_name"]) == ["ok"]
            assert client.establish() == ["ok"] and client.connect()[0] == "ok"
        for client in clients:
            client.start("transmit", BURN)
        wait_for("all are at work", lambda: all(busy(rig, slots)))
        yield clients


def busy(rig, slots):
    found = rig.do("status")["slots"]
    return [found[slot]["busy"] for slot in slots]


@pytest.mark.parametrize("card", [INSTRUCTIONS, LIBRARY], ids=["instructions", "library"])
@pytest.mark.parametrize("count", [1, 15])
def test_burning_neighbours(script, card, count):
    """The good card answers, and is put in and taken out, while its neighbours burn; the log blames them alone."""
    readers = [word for i in range(count) for word in ("--reader", f"burns{i}", "--card", f"{i}={script(card)}")]
    with Rig(*readers, "--reader", "good", "--card", f"{count}={CARDS / 'two-protocols.lua'}") as rig:
        with rig.client() as good:
            assert good.use(f"good {count:02X} 00") == ["ok"] and good.establish() == ["ok"]
            assert good.connect()[0] == "ok"
            with burning(rig, range(count)) as burners:
                assert good.transmit(GOOD)[0] == "ok"
                assert good.reconnect("cold")[0] == "ok"
                rig.do("fault", slot=str(count), faults=["mute"])
                assert good.transmit(GOOD)[0] != "ok"
                rig.do("remove", slot=str(count))
                rig.do("insert", slot=str(count))
                assert any(busy(rig, range(count))), "the test came too late to see anything"
                results = [burner.finish() for burner in burners]
        assert {tuple(result) for result in results} <= {("ok", "6f00"), ("SCARD_E_NOT_TRANSACTED", "")}
    blamed = [line for line in rig.errors.splitlines() if "good" in line]
    assert all("no answer" in line or "does not answer" in line for line in blamed) and len(blamed) <= 1, rig.errors


def test_a_card_is_taken_out_while_it_burns(script):
    """Who takes it out does not wait, nor does its client, and the next card is used at once."""
    with Rig("--card", script(LIBRARY)) as rig:
        with burning(rig, [0]) as (burner,):
            rig.do("remove")
            assert burner.finish()[0] in ("SCARD_E_NOT_TRANSACTED", "SCARD_W_REMOVED_CARD")
            rig.do("insert", file=str(CARDS / "two-protocols.lua"))
            wait_for("PC/SC sees the card", lambda: burner.connect()[0] == "ok" and burner.transmit(GOOD)[0] == "ok")
    assert rig.end() == 0


def test_a_burning_card_is_swapped_again_and_again(script):
    burns, good = script(INSTRUCTIONS), CARDS / "two-protocols.lua"
    with Rig("--card", burns) as rig, rig.client() as client:
        assert client.establish() == ["ok"] and client.connect()[0] == "ok"
        for _ in range(10):
            client.start("transmit", BURN)
            wait_for("it burns", lambda: all(busy(rig, [0])))
            rig.do("swap", file=str(good))
            assert client.finish()[0] != "ok"
            wait_for("PC/SC sees the good card", lambda: client.connect()[0] == "ok" and client.transmit(GOOD)[0] == "ok")
            rig.do("swap", file=str(burns))
            wait_for("PC/SC sees the other", lambda: client.connect()[0] == "ok" and client.transmit("00A4040000")[1] == "6d00")
    assert rig.end() == 0


def ask(rig, **request):
    """A request on a connection of its own, whose answer is still to come."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(TIMEOUT)
    connection.connect(rig.control_socket)
    connection.sendall((json.dumps(request) + "\n").encode())
    return connection


def answer(connection):
    with connection, connection.makefile("r") as lines:
        return json.loads(lines.readline())


def test_a_card_that_burns_while_it_loads(script):
    """The other slot is served meanwhile; what concerns the same slot waits for its turn, in the order in which it came."""
    loading = script(LOADING)
    with Rig("--reader", "first", "--reader", "second", "--empty") as rig:
        slow = ask(rig, command="insert", slot="0", file=str(loading))
        out = ask(rig, command="remove", slot="0")
        back = ask(rig, command="insert", slot="0", file="")
        assert rig.do("insert", slot="1", file="")["card"]["name"] == "cardrig"
        assert rig.do("remove", slot="1")["card"] is None
        slow, out, back = answer(slow), answer(out), answer(back)
        assert slow["ok"] and slow["result"]["card"]["file"] == str(loading), slow
        assert out["ok"] and out["result"]["card"] is None, out
        assert back["ok"] and back["result"]["card"]["name"] == "cardrig", back


def test_who_asks_hangs_up_before_the_answer(script):
    with Rig("--empty") as rig:
        ask(rig, command="insert", slot="0", file=str(script(LOADING))).close()
        wait_for("the card is in", rig.card)
        assert rig.do("remove")["card"] is None


def test_the_rig_ends_while_a_card_burns(script):
    """Nobody waits for the card, whose client gets an error."""
    with Rig("--card", script(LIBRARY)) as rig:
        with burning(rig, [0]) as (burner,):
            assert rig.end() == 0
            assert burner.finish()[0] != "ok"
        assert not pathlib.Path(rig.directory).exists()
