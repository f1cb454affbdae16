# SPDX-License-Identifier: BSD-3-Clause
"""Real time: a card's waits are those of who uses it, until nobody waits for it any more."""

import time

import pytest

from card_state import wait_for_state
from inserted_card import Inserted
from private_pcscd import Pcscd
from programs import CARDRIG, CARDS, run
from rig import Rig
from serving import Serve, devices
from vpcd_card import Card
from waiting import wait_for

# T=1, with a BWT of 90 ms; and of 46 s: then only what is interrupted ends in the time that a test has
QUICK = "3B 80 81 31 FE 00 CE"
LONG = "3B 80 81 31 FE 95 5B"
PROBE = "8010000000"
ANSWER = ["ok", "9000"]


@pytest.fixture
def card(tmp_path):
    def write(atr):
        path = tmp_path / "card.lua"
        path.write_text(f'return {{ name = "timed", atr = "{atr}", commands = {{ {{ "80 10", "90 00" }}, '
                        '{ "80 12", function(cmd) return cmd.data, 0x9000 end } } }')
        return path
    return write


def start_client(rig, reader=None):
    client = rig.client()
    if reader:
        client.use(reader)
    assert client.establish() == ["ok"]
    assert client.connect() == ["ok", 2]
    assert client.transmit(PROBE) == ANSWER
    return client


def begin_to_wait(rig, client, fault="mute", slot=0):
    """The card has got the command, and takes its time."""
    rig.do("fault", slot=str(slot), faults=[fault])
    client.start("transmit", PROBE)
    wait_for("the card is at work", lambda: rig.do("status")["slots"][slot]["busy"])


@pytest.mark.parametrize("fault, seconds, result", [("slow", 0.8, "ok"), ("wtx*3", 0.7, "ok"),
                                                    ("mute", 0.5, "SCARD_E_NOT_TRANSACTED")])
def test_an_application_waits(card, fault, seconds, result):
    with Rig("--real-time", "--card", card(QUICK)) as rig, start_client(rig) as client:
        rig.do("fault", faults=[fault])
        begun = time.monotonic()
        assert client.transmit(PROBE)[0] == result
        assert time.monotonic() - begun >= seconds
        last = rig.card()["last"]
        assert last["real_time_us"] >= last["card_time_us"] >= seconds * 1e6
        assert last["error"] is None if result == "ok" else "does not answer" in last["error"]


def test_an_application_s_own_limit(card):
    """What it does that has waited enough: it goes, and the rig with it."""
    done = run("run", "--real-time", "--card", card(LONG), "--", "sh", "-c",
               f"{CARDRIG} fault mute; timeout 1 opensc-tool -s {PROBE} >/dev/null; echo $?")
    assert (done.returncode, done.stdout) == (0, "124\n"), done.stderr
    assert "the card does not answer" not in done.stderr


def test_characters_take_their_time(card):
    """5,000 bytes each way at 10,752 bit/s, with 12 bits each: more than the driver waits by itself."""
    with Rig("--reader", "a,time=real", "--card", card(QUICK)) as rig, start_client(rig) as client:
        begun = time.monotonic()
        assert client.transmit("80120000001388" + "55" * 5000 + "0000")[1] == "55" * 5000 + "9000"
        assert time.monotonic() - begun >= 2 * 5000 * 12 / 10752.7


def test_what_says_so(card):
    with Rig("--real-time", "--reader", "a", "--reader", "b,time=virtual", "--card", f"b={card(LONG)}") as rig:
        assert [slot["real_time"] for slot in rig.do("status")["slots"]] == [True, False]
        shown = rig.cardrig("status").stdout
        assert shown.count("    time      real\n") == 1 and shown.index("time  ") < shown.index("1  b/0")
        with start_client(rig, "b 01 00") as client:  # minutes, of the card's
            rig.do("fault", slot="b", faults=["slow"])
            assert client.transmit(PROBE) == ANSWER


def test_not_where_it_is_not_asked_for(card):
    with Rig("--reader", "a", "--reader", "b,time=real", "--card", f"a={card(LONG)}") as rig:
        assert [slot["real_time"] for slot in rig.do("status")["slots"]] == [False, True]
        with start_client(rig, "a 00 00") as client:
            rig.do("fault", slot="a", faults=["mute"])
            assert client.transmit(PROBE)[0] == "SCARD_E_NOT_TRANSACTED"


@pytest.mark.parametrize("fault", ["mute", "slow"])
def test_a_card_is_taken_out_while_it_is_waited_for(card, fault):
    with Rig("--real-time", "--card", card(LONG)) as rig, start_client(rig) as client:
        begin_to_wait(rig, client, fault)
        rig.do("remove")
        assert client.finish()[0] == "SCARD_E_NOT_TRANSACTED"
        wait_for_state(client, "EMPTY")
        rig.do("insert")
        wait_for_state(client, "PRESENT")
        assert client.connect() == ["ok", 2]
        assert client.transmit(PROBE) == ANSWER
    assert (rig.process.returncode, rig.errors) == (0, "")


def test_a_card_goes_in_the_middle_of_a_command(card):
    with Rig("--real-time", "--card", card(LONG)) as rig, start_client(rig) as client:
        rig.do("fault", faults=["removal"])
        assert client.transmit(PROBE)[0] == "SCARD_E_NOT_TRANSACTED"
        assert rig.card() is None


def test_a_card_is_swapped_while_it_is_waited_for(card):
    with Rig("--real-time", "--card", card(LONG)) as rig, start_client(rig) as client:
        begin_to_wait(rig, client)
        rig.do("swap", file=str(CARDS / "t1-only.lua"))
        assert client.finish()[0] == "SCARD_E_NOT_TRANSACTED"
        wait_for("the other is in", lambda: client.connect()[0] == "ok" and client.transmit("0084000008")[0] == "ok")


def test_who_asks_the_rig_does_not_wait(card):
    """Nor does who uses another slot."""
    with Rig("--real-time", "--reader", "a", "--reader", "b", "--card", f"a={card(LONG)}", "--card",
             f"b={CARDS / 't1-only.lua'}") as rig, start_client(rig, "a 00 00") as waiting, rig.client() as other:
        begin_to_wait(rig, waiting)
        assert other.use("b 01 00") == ["ok"] and other.establish() == ["ok"] and other.connect() == ["ok", 2]
        assert other.transmit("0084000008")[0] == "ok"
        assert rig.do("fault", slot="a", faults=["wtx"])["busy"]
        rig.do("remove", slot="b")
        rig.do("insert", slot="b")
        assert not waiting.lines.ready(0)
        rig.do("remove", slot="a")
        assert waiting.finish()[0] == "SCARD_E_NOT_TRANSACTED"


def test_a_reader_is_unplugged_while_its_card_is_waited_for(card):
    with Rig("--real-time", "--reader", "a,usb", "--card", card(LONG)) as rig, start_client(rig) as client:
        for fault in ("mute", "slow"):
            begin_to_wait(rig, client, fault)
            rig.do("unplug", slot="a")
            assert client.finish()[0] in ("SCARD_E_READER_UNAVAILABLE", "SCARD_E_NOT_TRANSACTED", "SCARD_E_INVALID_VALUE")
            rig.do("plug", slot="a")
            wait_for("it is back", lambda: client.connect()[0] == "ok" and client.transmit(PROBE) == ANSWER)
    assert (rig.process.returncode, rig.errors) == (0, "")


def test_pcscd_is_killed_while_the_card_is_waited_for(card):
    with Rig("--real-time", "--card", card(LONG)) as rig, start_client(rig) as client:
        begin_to_wait(rig, client)
        rig.do("service", action="kill")
        assert client.finish()[0] != "ok"
        wait_for("the card is at rest", lambda: not rig.do("status")["slots"][0]["busy"])
        rig.do("service", action="restart")
        with start_client(rig):
            pass
    assert (rig.process.returncode, rig.errors) == (0, "")


def test_the_rig_ends_while_the_card_is_waited_for(card):
    with Rig("--real-time", "--card", card(LONG)) as rig, start_client(rig) as client:
        begin_to_wait(rig, client)
        assert rig.end() == 0
        assert client.finish()[0] != "ok"
        assert rig.errors == ""


def test_a_vpcd_card():
    """Its own time is real anyway; a fault of its contacts is by the key."""
    with Rig("--reader", "r,vpcd,time=real") as rig:
        port = rig.do("status")["slots"][0]["vpcd"]["port"]
        with rig.client() as client, Inserted(port, Card(bytes.fromhex(QUICK))) as inserted:
            assert client.establish() == ["ok"]
            wait_for("it is in", lambda: client.connect() == ["ok", 2])
            assert client.transmit(PROBE) == ANSWER
            rig.do("fault", faults=["slow"])
            begun = time.monotonic()
            assert client.transmit(PROBE) == ANSWER
            assert time.monotonic() - begun >= 0.8
            rig.do("fault", faults=["slow@1"])
            client.start("transmit_until_error", PROBE)
            wait_for("it is at work", lambda: rig.do("status")["slots"][0]["busy"])
            inserted.remove()
            assert client.finish()[0] in ("SCARD_E_NOT_TRANSACTED", "SCARD_W_REMOVED_CARD")


# An installed pcscd


def config(directory, *options):
    done = run("serve", "--directory", directory, "--config", *options)
    assert done.returncode == 0, done.stderr
    return devices(done.stdout)


def test_the_driver_is_told_to_wait(card, temporary):
    """For longer than the 10 s that it does by itself."""
    readers = config(temporary / "rig", "--real-time")
    assert ":timeout=601000" in readers["cardrig"]
    assert ":timeout=601000" in config(temporary / "rig", "-r", "a,time=real")["a"]
    assert ":timeout=" not in config(temporary / "rig", "--real-time", "-r", "a,time=virtual")["a"]
    with Serve(temporary / "rig", "--real-time", "--card", card(LONG)) as serve, Pcscd(temporary / "pcscd", readers) as pcscd:
        with pcscd.client() as client:
            assert client.connect() == ["ok", 2]
            begin_to_wait(serve, client)
            serve.do("remove")
            assert client.finish()[0] == "SCARD_E_NOT_TRANSACTED"


def test_a_driver_that_does_not_wait(card, temporary):
    """The card is not kept busy for it, and what is wrong is said."""
    readers = config(temporary / "rig")
    readers = {name: text + ":timeout=3000" for name, text in readers.items()}
    with Serve(temporary / "rig", "--real-time", "--card", card(LONG)) as serve:
        with Pcscd(temporary / "pcscd", readers) as pcscd, pcscd.client() as client:
            assert client.connect() == ["ok", 2]
            begin_to_wait(serve, client)
            assert client.finish()[0] == "SCARD_E_NOT_TRANSACTED"
            assert client.reconnect("cold")[0] == "ok"
            assert client.transmit(PROBE) == ANSWER
    assert "cardrig/0: the driver has not waited for the card, whose time is real" in serve.errors
    assert serve.errors.count("\n") == 2, serve.errors
