# SPDX-License-Identifier: BSD-3-Clause
"""Readers for vpcd cards: every card that speaks vpcd, those that misbehave included, in a reader of ours."""

import contextlib
import os
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

import vpcd_card
from card_state import wait_for_state
from inserted_card import Inserted
from processes import stop
from programs import CARDRIG, CARDS, PYTHON, SUPPORT, run
from rig import Rig
from vpcd_card import GET_ATR, OFF, ON, RESET, Card
from waiting import TIMEOUT, wait_for

CARD = str(SUPPORT / "vpcd_card.py")


class VpcdRig(Rig):
    """A rig whose first reader is for vpcd cards."""

    def __init__(self, options="vpcd", *more):
        super().__init__("--reader", f"r,{options}", *more)
        self.ports = [slot["vpcd"]["port"] for slot in self.do("status")["slots"] if slot["vpcd"]]

    def __exit__(self, *exception):
        super().__exit__(*exception)
        assert self.process.returncode == 0, self.errors

    def card(self, *arguments, **options):
        return Inserted(self.ports[0], *arguments, **options)


@contextlib.contextmanager
def established(rig):
    with rig.client() as client:
        assert client.establish() == ["ok"]
        yield client


def test_connection_is_insertion_and_close_is_removal():
    with VpcdRig() as rig, established(rig) as client:
        state, counter, _ = wait_for_state(client, "EMPTY", 0)
        for _ in range(5):
            client.start("change", state, 30000)
            card = rig.card()
            code, state, _, names, atr = client.finish()
            assert (code, names, atr) == ("ok", ["PRESENT"], vpcd_card.ATR.hex())
            wait_for_state(client, "PRESENT", counter + 1)
            assert client.connect() == ["ok", 2]
            assert client.transmit("00A4000002DEAD") == ["ok", "dead9000"]
            client.start("change", client.change()[1], 30000)
            card.remove()
            code, _, _, names, _ = client.finish()
            assert code == "ok" and "EMPTY" in names
            state, counter, _ = wait_for_state(client, "EMPTY", counter + 2)
            assert client.transmit("00A4000002DEAD")[0] in ("SCARD_W_REMOVED_CARD", "SCARD_E_NO_SMARTCARD")
            client.disconnect()
            state = client.change()[1]


def test_each_kind_of_reset_reaches_the_card():
    with VpcdRig() as rig, established(rig) as client, rig.card() as inserted:
        wait_for_state(client, "PRESENT")
        controls = inserted.card.controls
        assert controls == [ON]
        assert client.connect()[0] == "ok"
        assert client.reconnect("warm")[0] == "ok"
        assert controls == [ON, RESET]
        assert client.reconnect("cold")[0] == "ok"
        assert controls == [ON, RESET, OFF, ON]
        assert client.reconnect("leave")[0] == "ok"
        assert client.transmit("00A4000002DEAD") == ["ok", "dead9000"]
        assert client.disconnect("cold") == ["ok"]
        assert client.connect()[0] == "ok"
        assert controls[4:] == [OFF, ON]


def test_every_slot_has_a_port():
    with VpcdRig("slots=3,vpcd") as rig:
        assert rig.ports == list(range(rig.ports[0], rig.ports[0] + 3))
        cards = [Inserted(port) for port in rig.ports]
        for number, inserted in enumerate(cards):
            rig.reader = f"r 00 {number:02X}"
            with established(rig) as client:
                wait_for_state(client, "PRESENT")
                assert client.connect()[0] == "ok"
                assert client.transmit(f"00A4000001{number:02X}") == ["ok", f"{number:02x}9000"]
            assert len(inserted.card.commands) == 1
        for inserted in cards:
            inserted.remove()


def test_readers_for_vpcd_cards_and_others_side_by_side():
    with VpcdRig("vpcd", "--reader", "own", "--reader", "s,vpcd,slots=2", "--card", f"own={CARDS / 't1-only.lua'}") as rig:
        assert len(set(rig.ports)) == 3
        status = rig.do("status")["slots"]
        assert [bool(slot["vpcd"]) for slot in status] == [True, False, True, True]
        assert status[1]["card"] and not status[0]["card"]
        with Inserted(rig.ports[2]) as inserted:
            rig.reader = "s 02 01"
            with established(rig) as client:
                wait_for_state(client, "PRESENT")
                assert client.connect()[0] == "ok"
                assert client.transmit("00A4000002DEAD") == ["ok", "dead9000"]
        assert rig.ask(command="insert", slot="r", file="")["error"] == \
            "slot r/0 is for vpcd cards: a card is inserted when its program connects"
        assert rig.ask(command="remove", slot="r")["error"] == "slot r/0 is empty"


def test_the_command_gets_the_ports():
    done = run("run", "--reader", "a", "--reader", "b,vpcd", "--reader", "c,vpcd,slots=2", "--", "sh", "-c",
               'echo "$CARDRIG_VPCD_HOST $CARDRIG_VPCD_PORT $CARDRIG_VPCD_PORTS"; '
               'exec "$0" run -- sh -c \'echo "inner: $CARDRIG_VPCD_HOST$CARDRIG_VPCD_PORT$CARDRIG_VPCD_PORTS"\'', CARDRIG)
    host, port, *ports = done.stdout.splitlines()[0].split()
    assert host == "127.0.0.1" and port == ports[0] and len(ports) == 3 and int(ports[2]) == int(ports[1]) + 1
    assert done.stdout.splitlines()[1] == "inner: "


def test_a_card_without_a_change_in_one_line():
    """What the README says to people who come from vpcd."""
    client = ("from smartcard.CardRequest import CardRequest\n"
              f"service = CardRequest(timeout={TIMEOUT}).waitforcard()\n"
              "service.connection.connect()\n"
              "print(service.connection.transmit([0, 0xA4, 0, 0, 2, 0xDE, 0xAD]))")
    done = run("run", "--reader", "r,vpcd", "--", "sh", "-c",
               f'"{PYTHON}" "{CARD}" "$CARDRIG_VPCD_HOST" "$CARDRIG_VPCD_PORT" & "{PYTHON}" -c "$0"; kill $!', client)
    assert done.stdout == "([222, 173], 144, 0)\n", done.stderr


def test_rigs_side_by_side_do_not_collide():
    with VpcdRig() as rig:
        done = run("run", "--reader", "r,vpcd", "--", "sh", "-c", 'echo "$CARDRIG_VPCD_PORT"')
        assert int(done.stdout) != rig.ports[0]
        done = run("run", "--reader", f"r,vpcd={rig.ports[0]}", "--", "true")
        assert done.returncode == 125
        assert f"cannot listen at 127.0.0.1:{rig.ports[0]} for 1 slot: Address already in use" in done.stderr
        port = rig.ports[0]
    with VpcdRig(f"vpcd={port}") as rig: # when a rig has ended, its port is free again
        assert rig.ports == [port]


def test_reversed_mode():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(TIMEOUT)
        connections = []

        def serve():
            for _ in range(4): # the reader connects again as soon as it is left
                connections.append(listener.accept()[0])
                Card().serve(connections[-1])

        thread = threading.Thread(target=serve, daemon=True)
        with VpcdRig(f"vpcd-connect=127.0.0.1:{listener.getsockname()[1]}") as rig, established(rig) as client:
            wait_for_state(client, "EMPTY", 0)
            listener.listen()
            thread.start()
            for round in range(3):
                wait_for_state(client, "PRESENT", 2 * round + 1)
                assert client.connect()[0] == "ok"
                assert client.transmit("00A4000002DEAD") == ["ok", "dead9000"]
                client.disconnect()
                connections[-1].shutdown(socket.SHUT_RDWR)
            wait_for_state(client, "PRESENT", 7)
        thread.join(TIMEOUT)
        for connection in connections:
            connection.close()


def test_reversed_mode_before_the_card_listens():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with VpcdRig(f"vpcd-connect=localhost:{port}") as rig, established(rig) as client:
        assert client.change()[3] == ["EMPTY"]
        process = subprocess.Popen([PYTHON, CARD, "listen", str(port)])
        wait_for_state(client, "PRESENT")
        assert client.connect()[0] == "ok"
        process.kill()
        process.wait()
        wait_for_state(client, "EMPTY")
    assert f"r/0: no vpcd card at 127.0.0.1:{port} yet (Connection refused): trying again" in rig.errors


def test_reversed_mode_where_nobody_is_a_card():
    """Who hangs up at once is called now and then, and not as fast as can be."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT)
        with VpcdRig(f"vpcd-connect=127.0.0.1:{listener.getsockname()[1]}") as rig:
            times = []
            for _ in range(8):
                listener.accept()[0].close()
                times.append(time.monotonic())
    assert times[-1] - times[0] > 0.3 # 20 + 40 + 80 + 4 * 100 ms
    assert rig.errors.count("yet (Connection reset by peer): trying again") == 1


class Slow(Card):
    def answer(self, command):
        threading.Event().wait(0.3)
        return super().answer(command)


class InPieces(Card):
    def serve(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while message := vpcd_card.receive(connection):
            answer = self.atr if message == bytes([GET_ATR]) else None if len(message) == 1 else self.answer(message)
            for byte in struct.pack(">H", len(answer)) + answer if answer else b"":
                connection.sendall(bytes([byte]))


@pytest.mark.parametrize("kind", [Slow, InPieces])
def test_patience(kind):
    with VpcdRig() as rig, established(rig) as client, rig.card(kind()):
        wait_for_state(client, "PRESENT")
        assert client.connect()[0] == "ok"
        for _ in range(3):
            assert client.transmit("00A4000002DEAD") == ["ok", "dead9000"]
        assert client.reconnect("warm")[0] == "ok"


class Raw(Card):
    """Its answer to a command is bytes as they go over the wire, None (nothing) or "close"."""

    def __init__(self, wire, **more):
        super().__init__(**more)
        self.wire = wire

    def serve(self, connection):
        while message := vpcd_card.receive(connection):
            if message == bytes([GET_ATR]):
                vpcd_card.send(connection, self.atr)
            elif len(message) > 1 and self.wire == "close":
                connection.shutdown(socket.SHUT_RDWR)
            elif len(message) > 1 and self.wire:
                connection.sendall(self.wire)


MISDEEDS = {
    "not at all": (None, "no answer in time"),
    "too little": (b"\0\5\x90\0", "part of an answer, and not the rest in time"),
    "half a length": (b"\0", "part of an answer, and not the rest in time"),
    "too much": (b"\0\2\x90\0\0", "more than one answer"),
    "twice": (b"\0\2\x90\0\0\2\x90\0", "more than one answer"),
    "and leaves": ("close", ""),
}


@pytest.mark.parametrize("misdeed", MISDEEDS)
def test_a_card_that_answers(misdeed):
    wire, complaint = MISDEEDS[misdeed]
    with VpcdRig("vpcd,timeout=1500") as rig, established(rig) as client:
        with rig.card(Raw(wire)):
            wait_for_state(client, "PRESENT")
            assert client.connect()[0] == "ok"
            assert client.transmit("00A4000002DEAD")[0] in ("SCARD_E_NOT_TRANSACTED", "SCARD_W_REMOVED_CARD")
            wait_for_state(client, "EMPTY")
        client.disconnect()
        with rig.card():
            wait_for_state(client, "PRESENT")
            assert client.connect()[0] == "ok"
            assert client.transmit("00A4000002DEAD") == ["ok", "dead9000"]
    assert complaint in rig.errors and "the card does not answer" not in rig.errors


def test_a_card_that_trickles_has_one_deadline():
    class Trickle(Raw):
        def serve(self, connection):
            while message := vpcd_card.receive(connection):
                if message == bytes([GET_ATR]):
                    vpcd_card.send(connection, self.atr)
                elif len(message) > 1:
                    for byte in b"\xFF\xFF" + bytes(65535): # at ten bytes a second
                        connection.sendall(bytes([byte]))
                        threading.Event().wait(0.1)

    with VpcdRig("vpcd,timeout=1500") as rig, established(rig) as client:
        with rig.card(Trickle(None)):
            wait_for_state(client, "PRESENT")
            assert client.connect()[0] == "ok"
            assert client.transmit("00A4000002DEAD")[0] in ("SCARD_E_NOT_TRANSACTED", "SCARD_W_REMOVED_CARD")
            wait_for_state(client, "EMPTY")
    assert "part of an answer, and not the rest in time" in rig.errors


@pytest.mark.parametrize("wire", [b"\0\0", b"\0\1\x90"], ids=["nothing", "one byte"])
def test_an_answer_without_a_status(wire):
    """It is no response APDU, but the card stays in: this is how one says that it has no answer."""
    with VpcdRig() as rig, established(rig) as client, rig.card(Raw(wire)):
        wait_for_state(client, "PRESENT")
        assert client.connect()[0] == "ok"
        for _ in range(2):
            assert client.transmit("00A4000002DEAD")[0] == "SCARD_E_NOT_TRANSACTED"
        assert client.reconnect("warm")[0] == "ok"
    assert "an answer without SW1 SW2" in rig.errors


def test_one_that_speaks_unasked():
    with VpcdRig() as rig, established(rig) as client:
        with rig.card() as inserted:
            wait_for_state(client, "PRESENT")
            assert client.connect()[0] == "ok"
            vpcd_card.send(inserted.connection, b"\x90\x00")
            assert client.transmit("00A4000002DEAD")[0] in ("SCARD_E_NOT_TRANSACTED", "SCARD_W_REMOVED_CARD")
            wait_for_state(client, "EMPTY")
    assert "it spoke unasked: taken out" in rig.errors


@pytest.mark.parametrize("length", [34, 65535])
def test_atrs_that_are_none(length):
    with VpcdRig() as rig, established(rig) as client:
        with rig.card(Card(bytes(length))):
            wait_for_state(client, "MUTE")
            assert client.connect()[0] in ("SCARD_W_UNPOWERED_CARD", "SCARD_W_UNRESPONSIVE_CARD")
        wait_for_state(client, "EMPTY")
    assert "an ATR of more than 33 bytes" in rig.errors


def test_an_empty_atr_says_that_there_is_no_card():
    """As with vpcd's own reader, which hangs up. So say virt_cacard, and phones that wait for a card."""
    with VpcdRig() as rig, established(rig) as client:
        with rig.card(Card(b"")) as inserted:
            inserted.thread.join(TIMEOUT)  # until the reader hangs up
            assert client.change()[3] == ["EMPTY"]
        with rig.card() as inserted:
            wait_for_state(client, "PRESENT", 1)
            assert client.connect()[0] == "ok"
            inserted.card.atr = b""
            assert client.reconnect("warm")[0] != "ok"
            inserted.thread.join(TIMEOUT)
            # not asked of pcscd, whose SCardReconnect() can write "present, mute" over the removal
            wait_for("removal", lambda: rig.do("status")["slots"][0]["card"] is None)
    assert "is refused: an ATR of 0 bytes, so it has no card" in rig.errors
    assert "an ATR of 0 bytes, so it has no card: taken out" in rig.errors


def test_one_that_hangs_up_without_an_atr():
    with VpcdRig() as rig, established(rig) as client:
        with socket.create_connection(("127.0.0.1", rig.ports[0]), TIMEOUT) as connection:
            assert vpcd_card.receive(connection) == bytes([GET_ATR])
        with rig.card():
            wait_for_state(client, "PRESENT", 1)
    assert "is refused: it has hung up without an ATR" in rig.errors


def test_no_atr():
    class Silent(Card):
        def serve(self, connection):
            while vpcd_card.receive(connection):
                pass

    with VpcdRig("vpcd,timeout=1500") as rig, established(rig) as client:
        wait_for_state(client, "EMPTY", 0)
        with rig.card(): # libpcsclite takes no notice of two events in one go if there were none before
            wait_for_state(client, "PRESENT")
        wait_for_state(client, "EMPTY", 2)
        with rig.card(Silent()) as silent:
            silent.thread.join(TIMEOUT) # until the reader hangs up
            wait_for_state(client, "EMPTY", 2)
        with rig.card():
            wait_for_state(client, "PRESENT")
    assert "no answer in time" in rig.errors


class LateRiser(Card):
    """As jCardSim does, which sleeps three seconds after it has connected; and as long for a reset."""

    class Controls(list):
        def append(self, control):
            threading.Event().wait(3 if control == RESET else 0)
            super().append(control)

    def serve(self, connection):
        self.controls = self.Controls()
        threading.Event().wait(3)
        super().serve(connection)


def test_a_card_that_takes_seconds_for_its_atr():
    with VpcdRig("vpcd,timeout=20000") as rig, established(rig) as client, rig.card(LateRiser()):
        wait_for_state(client, "PRESENT")
        assert client.connect()[0] == "ok"
        assert client.reconnect("warm")[0] == "ok"
        assert client.transmit("00A4000002DEAD") == ["ok", "dead9000"]


def test_the_rig_starts_with_a_card_that_never_says_who_it_is():
    """pcscd waits for a card that is in; this one is not yet."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with VpcdRig(f"vpcd-connect=127.0.0.1:{listener.getsockname()[1]}") as rig, established(rig) as client:
            with listener.accept()[0]:
                assert client.change()[3] == ["EMPTY"]


def test_what_other_cards_have(tmp_path):
    """Faults, the trace, counters, and what removes a card are the reader's, whatever the card."""
    trace = tmp_path / "trace"
    with VpcdRig("vpcd,timeout=5000", "--trace", trace) as rig, established(rig) as client:
        with rig.card() as inserted:
            wait_for_state(client, "PRESENT")
            assert client.connect()[0] == "ok"
            assert client.transmit("00A4000002DEAD") == ["ok", "dead9000"]
            status = rig.do("status")["slots"][0]["card"]
            assert status["name"].startswith("vpcd card 127.0.0.1:") and status["atr"] == "3B 80 01 81"
            assert (status["protocol"], status["commands"], status["resets"]["cold"]) == ("T=1", 1, 1)
            assert f"    card      {status['name']}\n" in rig.cardrig("status").stdout
            rig.do("fault", faults=["wrong-edc*2"])
            assert client.transmit("00A4000002BEEF") == ["ok", "beef9000"]
            assert rig.do("status")["slots"][0]["card"]["t1"]["invalid"] == 2
            rig.do("fault", faults=["mute:00 B0"])
            assert client.transmit("00A4000002DEAD") == ["ok", "dead9000"]
            assert client.transmit("00B0000002")[0] != "ok"
            assert client.reconnect("warm")[0] == "ok"
            assert client.transmit("00A4000002DEAD") == ["ok", "dead9000"]
            assert inserted.card.commands == [bytes.fromhex(c) for c in
                                              ("00A4000002DEAD", "00A4000002BEEF", "00A4000002DEAD", "00A4000002DEAD")]
            rig.do("fault", faults=["removal"])
            assert client.transmit("00A4000002DEAD")[0] in ("SCARD_E_NOT_TRANSACTED", "SCARD_W_REMOVED_CARD")
            wait_for_state(client, "EMPTY")
            inserted.thread.join(TIMEOUT)  # the reader has hung up
        client.disconnect()
        with rig.card() as inserted:
            wait_for_state(client, "PRESENT")
            rig.do("remove")
            inserted.thread.join(TIMEOUT)
    assert " r/0 card 3B" in trace.read_text() and "card inserted: vpcd card 127.0.0.1:" in trace.read_text()


def test_a_card_that_goes_is_not_called_unresponsive():
    with VpcdRig() as rig, established(rig) as client, rig.card():
        wait_for_state(client, "PRESENT")
        assert client.connect()[0] == "ok"
        rig.do("fault", faults=["removal"])
        assert client.transmit("00A4000002DEAD")[0] in ("SCARD_E_NOT_TRANSACTED", "SCARD_W_REMOVED_CARD")
        wait_for_state(client, "EMPTY")
    assert "r/0: " not in rig.errors


ATR_T0 = bytes.fromhex("3B00")


@pytest.mark.parametrize("level", ["apdu", "tpdu"])
def test_a_card_of_t0(level):
    """It gets the command that the application has sent; with level=tpdu, which Le it has is lost, but not whether."""
    class Counts(Card):
        def answer(self, command):
            return bytes(range(10)) + b"\x90\x00" if command[0] == 0x80 else b"\x90\x00"

    with VpcdRig(f"vpcd,level={level}") as rig, established(rig) as client, rig.card(Counts(ATR_T0)) as inserted:
        wait_for_state(client, "PRESENT")
        assert client.connect()[0] == "ok"
        if level == "apdu":
            assert client.transmit("8010000002DEAD0A") == ["ok", bytes(range(10)).hex() + "9000"]
            assert inserted.card.commands == [bytes.fromhex("8010000002DEAD0A")]
        else:
            for command in "8010000002DEAD", "8010000002DEAD0A":
                assert client.transmit(command) == ["ok", "610a"]
                assert client.transmit("00C000000A") == ["ok", bytes(range(10)).hex() + "9000"]
            assert inserted.card.commands == [bytes.fromhex("8010000002DEAD"), bytes.fromhex("8010000002DEAD00")]


def test_the_second_card_is_refused_and_the_first_stays():
    with VpcdRig() as rig, established(rig) as client:
        with rig.card() as first:
            wait_for_state(client, "PRESENT")
            with socket.create_connection(("127.0.0.1", rig.ports[0]), TIMEOUT) as second:
                second.settimeout(TIMEOUT)
                assert second.recv(1) == b""
            assert client.connect()[0] == "ok"
            assert client.transmit("00A4000002DEAD") == ["ok", "dead9000"]
            assert first.card.controls == [ON]
            client.disconnect()
        wait_for_state(client, "EMPTY")
        with rig.card() as third:
            wait_for_state(client, "PRESENT")
            assert client.connect()[0] == "ok"
    assert "is refused: there is a card already" in rig.errors


def test_many_at_once_wait_for_no_second_try():
    with VpcdRig() as rig, established(rig) as client, contextlib.ExitStack() as many:
        simulator = rig.children()["cardrig"]
        stop(simulator)
        try:
            strangers = [many.enter_context(socket.create_connection(("127.0.0.1", rig.ports[0]), 0.9))
                         for _ in range(30)]
        finally:
            os.kill(simulator, signal.SIGCONT)
        for stranger in strangers[1:]:
            stranger.settimeout(TIMEOUT)
            assert stranger.recv(1) == b""
        strangers[0].close()
        with rig.card():
            wait_for_state(client, "PRESENT")


def test_only_from_where_they_may_come():
    with VpcdRig("vpcd,from=127.0.0.2/31") as rig, established(rig) as client:
        with socket.create_connection(("127.0.0.1", rig.ports[0]), TIMEOUT) as stranger:
            stranger.settimeout(TIMEOUT)
            assert stranger.recv(1) == b""
        with rig.card(source=("127.0.0.3", 0)):
            wait_for_state(client, "PRESENT")
    assert "is refused: from= does not allow it" in rig.errors


class Brief(Card):
    """Tells when it has said who it is: from then on it is a card."""

    def __init__(self):
        super().__init__()
        self.known = threading.Event()

    def serve(self, connection):
        vpcd_card.receive(connection)
        vpcd_card.send(connection, self.atr)
        self.known.set()
        super().serve(connection)


def test_a_card_that_comes_back_at_once_is_two_events():
    with VpcdRig() as rig, established(rig) as client:
        wait_for_state(client, "EMPTY", 0)
        inserted = rig.card()
        wait_for_state(client, "PRESENT", 1)
        for _ in range(100):
            inserted.remove()
            inserted = rig.card(Brief())
            assert inserted.card.known.wait(TIMEOUT)
        wait_for_state(client, "PRESENT", 201)
        assert client.connect()[0] == "ok"
        assert client.transmit("00A4000002DEAD") == ["ok", "dead9000"]
        inserted.remove()


def test_a_command_meant_for_one_card_does_not_reach_the_next():
    with VpcdRig() as rig, established(rig) as client:
        wait_for_state(client, "EMPTY", 0)
        with rig.card():
            wait_for_state(client, "PRESENT")
            assert client.connect()[0] == "ok"
        with rig.card() as second:
            wait_for_state(client, "PRESENT", 3)
            assert client.transmit("00A4000002DEAD")[0] in ("SCARD_W_REMOVED_CARD", "SCARD_W_RESET_CARD")
            assert second.card.commands == []


def test_the_longest_messages():
    class Long(Card):
        def answer(self, command):
            return bytes(65533) + b"\x90\x00" if len(command) == 65535 else len(command).to_bytes(3, "big") + b"\x90\x00"

    with VpcdRig() as rig, established(rig) as client, rig.card(Long()):
        wait_for_state(client, "PRESENT")
        assert client.connect()[0] == "ok"
        longest = "00D00000" + "00FFF6" + "AB" * 65526 + "0000"
        assert client.transmit(longest) == ["ok", "00" * 65533 + "9000"]
        longest = "00D00000" + "00FFF5" + "AB" * 65525 + "0000"
        assert client.transmit(longest) == ["ok", "00fffe9000"]
        too_long = "00D00000" + "00FFF7" + "AB" * 65527 + "0000"
        assert client.transmit(too_long) == ["ok", "6700"]
        assert client.transmit("00A4000002DEAD")[0] == "ok"
    assert "vpcd has no message for a command of more than 65,535 bytes: 67 00 instead" in rig.errors


def test_a_card_that_takes_no_command():
    class Deaf(Card):
        def serve(self, connection):
            for _ in range(3): # asked who it is; powered, and asked again
                if vpcd_card.receive(connection) == bytes([GET_ATR]):
                    vpcd_card.send(connection, self.atr)
            threading.Event().wait(TIMEOUT)

    with VpcdRig("vpcd,timeout=1500") as rig, established(rig) as client:
        inserted = rig.card(Deaf())
        wait_for_state(client, "PRESENT")
        assert client.connect()[0] == "ok"
        longest = "00D00000" + "00FFF6" + "AB" * 65526 + "0000"
        assert client.transmit(longest)[0] in ("SCARD_E_NOT_TRANSACTED", "SCARD_W_REMOVED_CARD")
        wait_for_state(client, "EMPTY")
        inserted.connection.close()


def test_unplugging_the_plug_while_a_command_is_under_way():
    """pcscd ends while a card is thinking: at once, and not when it has thought."""
    class Thinker(Card):
        def __init__(self):
            super().__init__()
            self.begun = threading.Event()

        def answer(self, command):
            self.begun.set()
            threading.Event().wait(TIMEOUT)
            return b""

    card = Thinker()
    with VpcdRig() as rig:
        inserted = rig.card(card)
        with established(rig) as client:
            wait_for_state(client, "PRESENT")
            assert client.connect()[0] == "ok"
            client.start("transmit", "00A4000002DEAD")
            assert card.begun.wait(TIMEOUT)
            rig.end()
            assert client.finish()[0] != "ok"
            inserted.connection.close()


@pytest.mark.parametrize("options, text", [
    ("vpcd=0", "vpcd, vpcd=PORT or vpcd=HOST:PORT"),
    ("vpcd=65536", "vpcd, vpcd=PORT or vpcd=HOST:PORT"),
    ("vpcd=no.such.host.invalid:4000", "vpcd, vpcd=PORT or vpcd=HOST:PORT"),
    ("vpcd-connect", "vpcd-connect=HOST:PORT"),
    ("vpcd,from=", "from=ADDRESS"),
    ("vpcd,from=10.0.0.0/33", "from=ADDRESS"),
    ("vpcd-connect=127.0.0.1,from=any", "from= goes with vpcd"),
    ("timeout=10", "timeout= is for vpcd cards"),
    ("vpcd,timeout=0", "timeout=MS"),
    ("slots=2,vpcd=65535", "there are no 2 ports from 65535 on"),
    ("vpcd=192.0.2.1:4000", "cannot listen at 192.0.2.1:4000"),
])
def test_wrong_options(options, text):
    done = run("run", "--reader", f"r,{options}", "--", "true")
    assert done.returncode == (125 if text.startswith("cannot listen") else 2)
    assert text in done.stderr
