# SPDX-License-Identifier: BSD-3-Clause
"""The driver in a real pcscd, with a simulator that these tests play: one that comes late, dies, lies and comes back."""

import os
import pathlib
import socket
import subprocess
import tempfile
import threading

import pytest

from card_state import wait_for_state
from client import Client
from link_message import EVENT, HEADER_SIZE, HELLO, OFF, OK, POWER, TRANSMIT, VERSION, WAITING, header, packet
from programs import BUILD, DRIVER, PYTHON, REDIRECT
from waiting import TIMEOUT, Lines, wait_for

ATR = bytes.fromhex("3B8001 81".replace(" ", ""))


class Simulator:
    """Serves any number of connections, each in a thread; what it answers to requests can be set."""

    def __init__(self, path, event, respond=None):
        self.path, self.event = path, event
        self.respond = respond or (lambda kind, argument, data: (
            OK, ATR if kind == POWER and argument != OFF else b"\x90\x00" if kind == TRANSMIT else b""))
        self.connections, self.events = [], []
        self.welcomed = threading.Event()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(path)
        self.listener.listen(16)
        self.accepting = threading.Thread(target=self.accept, daemon=True)
        self.accepting.start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            while request := connection.recv(70000):
                kind, argument, _, event, value = header(request)
                if kind == HELLO:
                    if event == 1:  # before the driver, and with it the test, can know of it
                        self.events.append(connection)
                    connection.send(packet(HELLO, OK, self.event, VERSION))
                    if event == 1:
                        self.welcomed.set()
                    continue
                if kind == WAITING:
                    continue
                answer = self.respond(kind, argument, request[HEADER_SIZE:])
                if answer is None or (kind, argument) == (POWER, OFF):
                    continue
                if answer == "hang up":
                    self.connections.remove(connection)
                    connection.close()
                    return
                if isinstance(answer, bytes):
                    connection.send(answer)
                else:
                    connection.send(packet(kind, answer[0], self.event, data=answer[1]))
        except OSError:
            pass

    def report(self, event):
        self.event = event
        for connection in self.events:
            connection.send(packet(EVENT, event=event))

    def die(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.accepting.join(TIMEOUT)
        self.listener.close()
        os.unlink(self.path)
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()


class Alone:
    """A private pcscd with the driver, whose reader waits for a simulator."""

    def __init__(self, slots=1):
        self.folder = tempfile.TemporaryDirectory(prefix="a", dir=os.environ["TMPDIR"])
        self.link = f"{self.folder.name}/link"
        self.process = subprocess.Popen(
            [BUILD / "bin" / "pcscd_alone", self.folder.name,
             f"alone=/dev/null:rig={self.folder.name}/link:reader=0:slots={slots}", "--", "sh", "-c", "echo up; read stay"],
            env={**os.environ, "DRIVER": DRIVER, "REDIRECT": REDIRECT}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert Lines(self.process.stdout).next() == "up"
        self.environment = {**os.environ, "PCSCLITE_CSOCK_NAME": f"{self.folder.name}/run/pcscd/pcscd.comm",
                            "CARDRIG_READER": "alone 00 00"}
        self.simulators = []

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for simulator in self.simulators:
            try:
                simulator.die()
            except OSError:
                pass
        self.process.communicate("\n", timeout=TIMEOUT)
        log = pathlib.Path(self.folder.name, "pcscd.log").read_text()
        self.folder.cleanup()
        assert self.process.returncode == 0, log

    def simulator(self, event=0, respond=None):
        self.simulators.append(Simulator(self.link, event, respond))
        return self.simulators[-1]

    def client(self):
        client = Client(self.environment)
        assert client.establish() == ["ok"]
        return client


@pytest.fixture
def alone():
    with Alone() as one:
        yield one


def test_the_simulator_comes_after_pcscd(alone):
    with alone.client() as client:
        assert client.readers() == ["ok", ["alone 00 00"]]
        wait_for_state(client, "EMPTY")
        assert client.connect()[0] == "SCARD_E_NO_SMARTCARD"
        alone.simulator(event=7)
        wait_for_state(client, "PRESENT")
        assert client.connect() == ["ok", 2]
        assert client.transmit("00A40000") == ["ok", "9000"]


def test_the_simulator_dies_and_comes_back(alone):
    with alone.client() as client:
        wait_for_state(client, "EMPTY", 0)
        first = alone.simulator(event=7)
        wait_for_state(client, "PRESENT", 1)
        assert client.connect()[0] == "ok"
        first.die()
        wait_for_state(client, "EMPTY", 2)
        assert client.transmit("00A40000")[0] == "SCARD_W_REMOVED_CARD"
        alone.simulator(event=7)
        wait_for_state(client, "PRESENT", 3)
        assert client.reconnect("leave")[0] == "ok"
        assert client.transmit("00A40000") == ["ok", "9000"]


def test_it_dies_and_comes_back_again_and_again(alone):
    with alone.client() as client:
        for round in range(10):
            simulator = alone.simulator(event=2 * round + 1)
            wait_for_state(client, "PRESENT")
            simulator.die()
            wait_for_state(client, "EMPTY")


def test_card_events_that_come_at_once(alone):
    with alone.client() as client:
        wait_for_state(client, "EMPTY", 0)
        simulator = alone.simulator(event=7)
        wait_for_state(client, "PRESENT", 1)
        simulator.report(7 + 501)
        wait_for_state(client, "EMPTY", 502)


LIES = {
    "hangs up": "hang up",
    "another type": packet(EVENT),
    "no message": b"\1\2\3",
    "reserved bytes": packet(TRANSMIT, reserved=1),
    "status": (99, b""),
    "garbled": (4, b""),
    "longer than any answer": packet(TRANSMIT, data=bytes(68000)),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_in_an_exchange(alone, lie):
    simulator = alone.simulator(event=7)
    truth = simulator.respond
    with alone.client() as client:
        wait_for_state(client, "PRESENT")
        assert client.connect()[0] == "ok"
        simulator.respond = lambda kind, argument, data: LIES[lie]
        assert client.transmit("00A40000")[0] == "SCARD_E_NOT_TRANSACTED"
        simulator.respond = truth
        assert client.transmit("00A40000") == ["ok", "9000"]


def test_an_atr_that_is_too_long(alone):
    alone.simulator(event=7, respond=lambda kind, argument, data: (OK, bytes(34)))
    with alone.client() as client:
        wait_for_state(client, "MUTE")
        assert client.connect()[0] == "SCARD_W_UNPOWERED_CARD"


def test_an_answer_longer_than_the_clients_buffer_is_no_harm(alone):
    simulator = alone.simulator(event=7)
    truth = simulator.respond
    with alone.client() as client:
        wait_for_state(client, "PRESENT")
        assert client.connect()[0] == "ok"
        # pyscard's buffer holds an extended response; this is the longest that the link carries
        simulator.respond = lambda kind, argument, data: (OK, bytes(65538))
        assert client.transmit("00A40000")[0] in ("ok", "SCARD_E_INSUFFICIENT_BUFFER")
        simulator.respond = truth
        assert client.transmit("00A40000") == ["ok", "9000"]


def test_a_simulator_that_takes_too_long(alone):
    """The driver waits 10 s and no longer, and a late answer is not taken for that of the next command."""
    simulator = alone.simulator(event=7)
    truth = simulator.respond
    with alone.client() as client:
        wait_for_state(client, "PRESENT")
        assert client.connect()[0] == "ok"
        simulator.respond = lambda kind, argument, data: None
        assert client.transmit("00A40000")[0] == "SCARD_E_NOT_TRANSACTED"
        simulator.respond = truth
        assert client.transmit("00A40000") == ["ok", "9000"]


def test_a_silent_listener(alone):
    """Somebody who accepts and says nothing keeps neither pcscd nor its clients."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(alone.link)
    listener.listen(16)
    with alone.client() as client:
        wait_for_state(client, "EMPTY")
        assert client.connect()[0] == "SCARD_E_NO_SMARTCARD"
        listener.close()
        os.unlink(alone.link)
        alone.simulator(event=3)
        wait_for_state(client, "PRESENT")


NONSENSE = {"short": b"x", "reserved": b"\7" * 12, "no event": bytes(12), "backwards": packet(EVENT, event=1),
            "long": bytes(70000)}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_among_the_events(alone, name):
    with alone.client() as client:
        wait_for_state(client, "EMPTY", 0)
        simulator = alone.simulator(event=7)
        wait_for_state(client, "PRESENT", 1)
        assert simulator.welcomed.wait(TIMEOUT)
        simulator.welcomed.clear()
        connection = simulator.events.pop()
        connection.send(NONSENSE[name])
        # the driver hangs up, and comes back: to PC/SC the card went and came
        assert simulator.welcomed.wait(TIMEOUT)
        wait_for_state(client, "PRESENT", 3)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to another user")
def test_a_socket_of_another_user(alone):
    script = ("import socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.bind(sys.argv[1])\n"
              "s.listen(5); print('up', flush=True)\n"
              "while True: s.accept()")
    os.chmod(alone.folder.name, 0o777)
    stranger = subprocess.Popen(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", PYTHON, "-c", script,
                                 alone.link], stdout=subprocess.PIPE, text=True)
    assert Lines(stranger.stdout).next() == "up"
    with alone.client() as client:
        wait_for_state(client, "EMPTY")
        assert client.connect()[0] == "SCARD_E_NO_SMARTCARD"
        log = pathlib.Path(alone.folder.name, "pcscd.log")
        # it looks for a simulator now and then
        wait_for("the driver's complaint", lambda: "does not belong to pcscd's user, root" in log.read_text())
        stranger.kill()
        stranger.communicate()
        os.unlink(alone.link)
        os.chmod(alone.folder.name, 0o700)
        alone.simulator(event=3)
        wait_for_state(client, "PRESENT")


def test_several_slots(alone):
    with Alone(slots=4) as several:
        several.simulator(event=7)
        with several.client() as client:
            wait_for_state(client, "PRESENT")
            assert client.readers()[1] == [f"alone 00 0{slot}" for slot in range(4)]
