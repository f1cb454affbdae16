# SPDX-License-Identifier: BSD-3-Clause
"""Bad input to a rig's two sockets: each gets an answer or is disconnected, is reported in one line, and the rig goes on."""

import json
import os
import random
import select
import socket
import struct
import subprocess
import threading

import pytest

from client import Client
from link_message import (ATTRIBUTE, BAD_REQUEST, CONTROL, EVENT, HEADER_SIZE, HELLO, OK, PARAMETERS, POWER, REMOVED, TRANSMIT,
                          UNSUPPORTED, VERSION, header, packet)
from processes import cpu_ticks
from programs import CARDRIG, PYTHON
from rig import Rig
from waiting import TIMEOUT, wait_for


def link(rig):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(TIMEOUT)
    connection.connect(str(rig.directory / "link"))
    return connection


def exchange(connection, *arguments, **more):
    connection.send(packet(*arguments, **more))
    answer = connection.recv(70000)
    _, status, _, _, value = header(answer)
    return status, value, answer[HEADER_SIZE:]


def hello(rig, channel=0):
    connection = link(rig)
    status, value, _ = exchange(connection, HELLO, VERSION, channel, 0)
    assert (status, value) == (OK, VERSION)
    return connection


def assert_works(rig):
    """The rig still serves its drivers and its user."""
    with rig.client() as client:
        assert client.establish() == ["ok"]
        # it may have to hear of a removal first, of a reader whose card came and went
        wait_for("the card can be used", lambda: client.connect()[0] == "ok")
        assert client.transmit("0084000008")[0] == "ok"
    assert rig.cardrig("status").returncode == 0


BAD_PACKETS = {
    "empty": b"", "short": b"\1\1\0", "reserved": packet(HELLO, VERSION, reserved=4),
    "before hello": packet(POWER, 1), "event": packet(EVENT), "unknown type": packet(99),
    "version": packet(HELLO, VERSION + 1), "reader": packet(HELLO, VERSION, 0, 7 << 16), "slot": packet(HELLO, VERSION, 0, 7),
    "channel": packet(HELLO, VERSION, 2), "too long": packet(HELLO, VERSION) + bytes(66000),
}


@pytest.mark.parametrize("name", BAD_PACKETS)
def test_bad_first_packets(rig, name):
    with link(rig) as connection:
        connection.send(BAD_PACKETS[name])
        answer = connection.recv(70000)
        if answer:
            assert answer[1] == BAD_REQUEST
            assert connection.recv(70000) == b""
    assert_works(rig)


BAD_REQUESTS = {"hello": packet(HELLO, VERSION), "unknown type": packet(99), "power": packet(POWER, 9),
                "event": packet(EVENT), "zero": packet(0)}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_bad_requests_after_the_hello(rig, name):
    bad = BAD_REQUESTS[name]
    with hello(rig) as connection:
        # with the right number, so that it is the request that is wrong
        status, _, _ = exchange(connection, ATTRIBUTE, value=0x10100)
        assert status == OK
        connection.send(packet(ATTRIBUTE, value=0x10100))
        event = header(connection.recv(100))[3]
        connection.send(bad[:4] + struct.pack(">I", event) + bad[8:])
        assert connection.recv(100)[1] == BAD_REQUEST
        assert connection.recv(100) == b""
    assert_works(rig)


def test_requests_on_the_events_connection(rig):
    with hello(rig, 1) as connection:
        assert exchange(connection, POWER, 1)[0] == BAD_REQUEST
        assert connection.recv(100) == b""
    assert_works(rig)


def test_room_for_events_that_nobody_is_to_hear():
    """A driver that does not listen until its reader has been pulled, and stays: the simulator has nothing to do for it."""
    with Rig("--reader", "key,usb") as rig, hello(rig, 1) as connection:
        for _ in range(300):  # more than a socket holds
            rig.do("remove")
            rig.do("insert")
        rig.do("unplug")
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            while connection.recv(100):
                pass
        before = cpu_ticks(rig.children()["cardrig"])
        threading.Event().wait(0.5)
        assert cpu_ticks(rig.children()["cardrig"]) - before < 10 # of 50


def test_requests_for_a_card_that_has_moved(rig):
    with rig.client() as client: # as long as it is there pcscd does nothing of its own
        assert client.establish() == ["ok"]
        assert client.connect()[0] == "ok"
        before = rig.card()["resets"]
        with hello(rig) as connection:
            connection.send(packet(POWER, 3, 12345)) # a power-off is not answered
            for kind, argument in ((POWER, 1), (PARAMETERS, 1), (TRANSMIT, 1)):
                assert exchange(connection, kind, argument, 12345)[0] == REMOVED
            assert exchange(connection, CONTROL, value=42 << 16)[0] == UNSUPPORTED
        assert rig.card()["resets"] == before
    assert_works(rig)


def test_a_driver_that_takes_the_power_away_too_late(rig):
    """As pcscd does when it ends: by then the card may have the power from the next one."""
    with rig.client() as client:
        assert client.establish() == ["ok"]
        assert client.connect()[0] == "ok"
    with hello(rig) as old, hello(rig) as new:
        old.send(packet(CONTROL, value=42 << 16))
        event = header(old.recv(70000))[3]

        def on(connection):
            assert exchange(connection, POWER, 1, event)[0] == OK
            return rig.card()["powered"]

        def off(connection):
            connection.send(packet(POWER, 3, event))  # which is not answered; what follows is, when it is done
            assert exchange(connection, CONTROL, value=42 << 16)[0] == UNSUPPORTED
            return not rig.card()["powered"]

        assert on(old) and off(old) and on(old)
        assert on(new) and not off(old)
        assert off(new)
        assert on(old) and off(old)
        assert on(old) and off(new)


def test_random_packets(rig):
    source = random.Random(4711)
    for _ in range(300):
        with (hello(rig, source.randrange(2)) if source.random() < 0.5 else link(rig)) as connection:
            try:
                for _ in range(5):
                    connection.send(source.randbytes(source.choice([0, 1, 11, 12, 13, 100, 65556])) if
                                    source.random() < 0.5 else
                                    packet(source.randrange(9), source.randrange(5), 0, source.randrange(20),
                                           source.randbytes(source.randrange(20))))
            except (BrokenPipeError, ConnectionResetError):
                pass
    assert_works(rig)


def wait_for_refusals(connections, count):
    """So many of them are hung up, and the others are not."""
    refused = lambda: select.select(connections, [], [], 0)[0]
    wait_for(f"{count} refused", lambda: len(refused()) >= count)
    assert len(refused()) == count
    assert all(connection.recv(1) == b"" for connection in refused())


def test_too_many_connections(rig):
    """64 are served, two of them pcscd's, who has used the card."""
    assert_works(rig)
    connections = [link(rig) for _ in range(100)]
    wait_for_refusals(connections, 100 - 64 + 2)
    assert_works(rig)
    for connection in connections:
        connection.close()
    wait_for("room", lambda: can_say_hello(rig))
    assert_works(rig)
    rig.end()
    assert "rig link: 64 connections are open: refused another one" in rig.errors


def can_say_hello(rig):
    with link(rig) as connection:
        try:
            return exchange(connection, HELLO, VERSION)[0] == OK
        except (BrokenPipeError, ConnectionResetError, struct.error):  # refused
            return False


def test_events_that_nobody_reads(rig):
    """A driver that does not read its events is not waited for, and learns of the last one when it does."""
    with hello(rig, 1) as lazy:
        for _ in range(300):  # more than a socket holds, by default about 280; pcscd is to be shown them all, too
            rig.do("remove")
            rig.do("insert")
        last = None
        lazy.settimeout(5)
        assert_works(rig)
        with hello(rig) as other:
            other.send(packet(ATTRIBUTE, value=0x10100))
            now = header(other.recv(100))[3]
        while last != now:
            answer = lazy.recv(100)
            assert answer[0] == EVENT
            last = header(answer)[3]


BAD_LINES = {
    "empty": b"\n", "garbage": b"garbage\n", "no command": b"{}\n", "list": b"[1,2]\n",
    "two": b'{"command": "status"} {"command": "status"}\n', "zeros": b"\0\0\0\n", "not UTF-8": b"\xff\xff\n",
    "zero in a name": b'{"command": "insert", "file": "/etc/shadow\\u0000"}\n', "deep": b"[" * 5000 + b"\n"}


@pytest.mark.parametrize("name", BAD_LINES)
def test_bad_control_lines(rig, name):
    line = BAD_LINES[name]
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT)
        connection.connect(rig.control_socket)
        lines = connection.makefile("r")
        connection.sendall(line)
        answer = json.loads(lines.readline())
        assert answer["ok"] is False and answer["error"]
        # and the connection can still be used
        connection.sendall(b'{"command": "status"}\n')
        assert json.loads(lines.readline())["ok"] is True
    assert_works(rig)


def test_a_control_line_without_end(rig):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT)
        connection.connect(rig.control_socket)
        try:
            for _ in range(40):
                connection.sendall(b"x" * 4096)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            assert "65535 bytes" in connection.makefile("r").readline()
        except ConnectionResetError:
            pass  # it had hung up with bytes unread
    assert_works(rig)


def test_pieces_and_several_lines_at_once(rig):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT)
        connection.connect(rig.control_socket)
        lines = connection.makefile("r")
        for byte in b'{"command": "status"}\n':
            connection.send(bytes([byte]))
        assert json.loads(lines.readline())["ok"] is True
        connection.sendall(b'{"command": "remove"}\n{"command": "insert"}\n{"command": "dance"}\n')
        assert [json.loads(lines.readline())["ok"] for _ in range(3)] == [True, True, False]


def test_a_control_client_that_does_not_read(rig):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(rig.control_socket)
        connection.setblocking(False)
        try:
            for _ in range(100000):
                connection.send(b'{"command": "status"}\n')
            assert False, "the rig takes without end"
        except BlockingIOError:
            pass
        assert_works(rig)


def test_more_requests_than_answers_are_read(rig):
    """None of them is lost: the rig stops listening until there is room for its answers."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT)
        connection.connect(rig.control_socket)
        sender = threading.Thread(target=connection.sendall, args=(b'{"command": "status"}\n' * 3000,))
        sender.start()
        assert_works(rig)
        lines = connection.makefile("r")
        for _ in range(3000):
            assert json.loads(lines.readline())["ok"] is True
        sender.join(TIMEOUT)


def test_too_many_control_clients(rig):
    connections = []
    for _ in range(60):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(rig.control_socket)
        connections.append(connection)
    wait_for_refusals(connections, 60 - 32)
    assert rig.cardrig("status").returncode == 1
    for connection in connections:
        connection.close()
    wait_for("room", lambda: rig.cardrig("status").returncode == 0)
    assert_works(rig)
    rig.end()
    assert "control socket: 32 clients are connected: refused another one" in rig.errors


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_another_users_client(rig):
    """Even where the directory would let it in, a process of another user is refused."""
    rig.directory.chmod(0o755)
    for name in ("control", "link"):
        (rig.directory / name).chmod(0o777)
    other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    done = subprocess.run([*other, CARDRIG, "status"], capture_output=True, text=True, timeout=TIMEOUT,
                          env={**os.environ, "CARDRIG_SOCKET": rig.control_socket})
    assert done.returncode == 1
    script = ("import socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.settimeout(9)\n"
              "s.connect(sys.argv[1])\n"
              "try: print(s.recv(10))\n"
              "except ConnectionResetError: print(b'')")
    done = subprocess.run([*other, PYTHON, "-c", script, rig.directory / "link"], capture_output=True, text=True,
                          timeout=TIMEOUT)
    assert done.stdout.strip() == "b''", done.stderr
    assert_works(rig)
    rig.end()
    assert "control socket: a process of user nobody was refused" in rig.errors
    assert "rig link: a process of user nobody was refused" in rig.errors


def test_the_directory_keeps_others_out(rig):
    assert rig.directory.stat().st_mode & 0o777 == 0o700
    for name in ("control", "link"):
        assert (rig.directory / name).stat().st_mode & 0o077 == 0


def test_an_unknown_reader(rig):
    with Client({**rig.environment(), "CARDRIG_READER": "no such reader 00 00"}) as client:
        client.establish()
        assert client.connect()[0] == "SCARD_E_UNKNOWN_READER"
    assert_works(rig)
