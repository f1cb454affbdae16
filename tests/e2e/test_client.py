# SPDX-License-Identifier: BSD-3-Clause
"""What the subcommands make of the answers of a control server that is of another version, lies, or is not a control server."""

import copy
import json
import os
import pathlib
import resource
import socket
import subprocess
import tempfile
import threading
import time

import pytest

from programs import CARDRIG, CARDS, run
from rig import Rig
from waiting import TIMEOUT

CARD = {"name": "a card", "file": "/a/card.lua", "powered": True, "atr": "3B 00", "protocol": "T=1", "f": 372, "d": 1,
        "commands": 3, "resets": {"cold": 1, "warm": 2, "off": 0}, "pps": 0, "t1": {"blocks_sent": 1},
        "last": {"card_time_us": 1, "real_time_us": 1, "error": None}}
SLOT = {"number": 0, "slot": "cardrig/0", "reader": 0, "pcsc_name": "cardrig 00 00", "driver_connected": True, "ready": True,
        "busy": False, "real_time": False, "usb": None, "vpcd": None, "vpcd_card": None, "pin_pad": None,
        "card": CARD}
SLOTS = [SLOT,
         {**SLOT, "card": None},
         {**SLOT, "usb": {"id": "0001:0002", "token": True, "plugged": True}},
         {**SLOT, "vpcd": {"reader": "listens", "host": "127.0.0.1", "port": 1}, "card": None},
         {**SLOT, "vpcd_card": {"host": "localhost", "port": 2, "listens": True}},
         {**SLOT, "pin_pad": {"asks": True, "display": "Enter PIN\n**"}}]
STATUS = {"seed": 1, "service": {"state": "runs", "note": "a note"}, "slots": SLOTS}
# what a subcommand reads of an answer, wherever it is
READ = {"seed", "service", "state", "note", "slots", "number", "slot", "reader", "pcsc_name", "driver_connected", "ready", "busy",
        "real_time", "usb", "vpcd", "vpcd_card", "pin_pad", "asks", "display", "card",
        "name", "file", "atr", "protocol", "commands", "resets", "cold", "warm", "off", "id", "token", "plugged", "host", "port",
        "listens"}
OTHERS = [None, True, 7, -1.5, "text", [], {}, [[]], {"name": {}}]


class Server:
    """Answers each request with the bytes that are set. Connections stay open until the client hangs up."""

    def __init__(self, folder):
        self.path = folder / "control"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(8)
        self.answer = b""
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                try:
                    answers = self.answer if callable(self.answer) else lambda: [self.answer]
                    for piece in answers():
                        connection.sendall(piece)
                    connection.recv(1)
                except OSError:
                    pass

    def cardrig(self, *words, answer, **options):
        self.answer = answer if callable(answer) or isinstance(answer, bytes) else json.dumps(answer).encode() + b"\n"
        # not looking for leaks, which takes as long as the rest: a program that ends at once may leave memory to the system
        return run(*words, env={**os.environ, "CARDRIG_SOCKET": str(self.path), "ASAN_OPTIONS": "detect_leaks=0"}, **options)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(TIMEOUT)
        self.path.unlink()


@pytest.fixture
def server(temporary):
    folder = pathlib.Path(tempfile.mkdtemp(dir=temporary))
    one = Server(folder)
    yield one
    one.close()
    folder.rmdir()


def assert_refused(done, why=""):
    """One line that says so, and no more."""
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("cardrig: ") and done.stderr.count("\n") == 1 and why in done.stderr
    assert len(done.stderr) > len("cardrig: \n")
    assert done.stderr.rstrip("\n").isprintable()


def paths(value, path=()):
    """Where there is something in a value: keys and indices."""
    if path:
        yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from paths(value[key], (*path, key))


def changed(value, path, *new):
    """A copy with another value there, or, without one, with nothing."""
    whole = place = copy.deepcopy(value)
    for key in path[:-1]:
        place = place[key]
    if new:
        place[path[-1]] = new[0]
    else:
        del place[path[-1]]
    return whole


def test_as_it_is(server):
    done = server.cardrig("status", answer={"ok": True, "result": STATUS})
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("cardrig/0") == len(SLOTS)
    done = server.cardrig("status", "--json", answer={"ok": True, "result": STATUS})
    assert json.loads(done.stdout) == STATUS
    assert server.cardrig("remove", answer={"ok": True, "result": {**SLOT, "card": None}}).stdout == "cardrig/0: removed\n"


def test_the_answers_here_are_those_of_a_rig():
    """Else what follows would prove nothing."""
    def keys(value):
        return {name: keys(one) for name, one in value.items()} if isinstance(value, dict) else None
    with Rig() as rig:
        status = rig.do("status")
    assert set(status) == set(STATUS)
    real, card = status["slots"][0], status["slots"][0]["card"]
    assert set(real) == set(SLOT) and set(card) == set(CARD) and set(card["resets"]) == set(CARD["resets"])


def test_each_member_missing(server):
    for path in paths(STATUS):
        done = server.cardrig("status", answer={"ok": True, "result": changed(STATUS, path)})
        if path[-1] in READ:
            assert_refused(done, f"{path[-1]}: expected ")
        else:
            assert done.returncode == 0, (path, done.stderr)


def test_each_member_of_another_type(server):
    count = 0
    for path in paths(STATUS):
        for other in OTHERS:
            answer = {"ok": True, "result": changed(STATUS, path, other)}
            done = server.cardrig("status", answer=answer)
            count += done.returncode
            if done.returncode == 0:
                assert done.stderr == "" and "null" not in done.stdout
            else:
                assert_refused(done, "expected ")
    assert count > 200


@pytest.mark.parametrize("command", [("insert",), ("remove",), ("swap", "--builtin"), ("fault", "mute"), ("plug",), ("unplug",)],
                         ids=lambda command: command[0])
def test_the_answers_of_other_commands(server, command):
    for path in paths(SLOT):
        refused_or_done = server.cardrig(*command, answer={"ok": True, "result": changed(SLOT, path)}) \
            if command[0] not in ("plug", "unplug") or path[-1] in READ else None
        if path[-1] in READ:
            assert_refused(refused_or_done, f"{path[-1]}: expected ")


WRONG = {
    "nothing": b"\n", "no JSON": b"hello\n", "half": b'{"ok": true\n', "a list": b"[]\n", "a number": b"7\n", "null": b"null\n",
    "text": b'"ok"\n', "no ok": b"{}\n", "ok is 1": b'{"ok": 1, "result": {}}\n', "no result": b'{"ok": true}\n',
    "result is null": b'{"ok": true, "result": null}\n', "no error": b'{"ok": false}\n', "error is 7": b'{"ok": false, "error": 7}\n',
    "empty error": b'{"ok": false, "error": ""}\n',
    "both": b'{"ok": true, "ok": false, "error": "x"}\n', "no UTF-8": b'{"ok": false, "error": "\xff\xfe"}\n',
    "a NUL": b'{"ok": false, "error": "\0"}\n', "deep": b"[" * 100000 + b"\n", "deep objects": b'{"a":' * 100000 + b"\n",
    "a huge number": b'{"ok": true, "result": {"seed": 99999999999999999999, "slots": []}}\n',
    "the case": b'{"ok":true,"result":{"slots":[{"vpcd":{}}]}}\n',
}


@pytest.mark.parametrize("command", ["status", "remove"])
@pytest.mark.parametrize("name", WRONG)
def test_nonsense(server, name, command):
    assert_refused(server.cardrig(command, answer=WRONG[name]))


def test_escapes(server):
    """Nothing of an answer is obeyed by a terminal, or shows something else than is there."""
    evil = "a\x1b[31mb\r\nc\x07\u202ed\u2066e\u200bf\x9b1mg\ufeff\x7f"
    answer = copy.deepcopy(STATUS)
    for path in list(paths(answer)):
        value = answer
        for key in path[:-1]:
            value = value[key]
        if isinstance(value[path[-1]], str) and path[-1] != "reader":
            value[path[-1]] = evil
    done = server.cardrig("status", answer={"ok": True, "result": answer})
    assert done.returncode == 0
    assert all(line.isprintable() for line in done.stdout.split("\n")), done.stdout
    assert "a\\x1B[31mb\\r\\nc\\x07\\xE2\\x80\\xAEd\\xE2\\x81\\xA6e\\xE2\\x80\\x8Bf\\xC2\\x9B1mg\\xEF\\xBB\\xBF\\x7F" in done.stdout
    done = server.cardrig("status", "--json", answer={"ok": True, "result": answer})
    assert done.stdout.isascii() and min(done.stdout.replace("\n", " ")) == " "
    assert json.loads(done.stdout) == answer
    done = server.cardrig("insert", answer={"ok": True, "result": answer["slots"][0]})
    assert done.stdout.rstrip("\n").isprintable() and done.stdout.count("\n") == 1
    assert_refused(server.cardrig("remove", answer={"ok": False, "error": evil}), "a\\x1B[31mb\\r\\nc")


def test_too_much(server):
    """An answer without end is given up after a megabyte."""
    def flood():
        while True:
            yield b"A" * 65536
    def little_memory():
        resource.setrlimit(resource.RLIMIT_DATA, (64 << 20, 64 << 20))
    limit = {} if "libasan" in subprocess.run(["ldd", CARDRIG], capture_output=True, text=True).stdout else \
        {"preexec_fn": little_memory}
    assert_refused(server.cardrig("status", answer=flood, **limit), "its answer has more than a megabyte")


def test_an_answer_as_long_as_it_may_be(server):
    text = json.dumps({"ok": True, "result": STATUS, "more": ""}).encode()
    done = server.cardrig("status", answer=text[:-2] + b"x" * ((1 << 20) - len(text) - 1) + b'"}\n')
    assert done.returncode == 0, done.stderr


def full(path):
    """A listener that does not accept, and has no room for more."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(0)
    clients = [socket.socket(socket.AF_UNIX) for _ in range(3)]
    for client in clients:
        client.setblocking(False)
        try:
            client.connect(str(path))
        except BlockingIOError:
            pass
    return [listener, *clients]


def test_too_slow(temporary):
    """However an answer comes, or does not, there is an end to the waiting."""
    stop = threading.Event()

    def slow(begin):
        yield begin
        while not stop.wait(0.2):
            yield b" " if begin else b""

    folders = [pathlib.Path(tempfile.mkdtemp(dir=temporary)) for _ in range(4)]
    servers = [Server(folder) for folder in folders[:3]]
    sockets = full(folders[3] / "control")
    for server, begin in zip(servers, (b"", b" ", b'{"ok": true')):
        server.answer = lambda begin=begin: slow(begin)
    begun = time.monotonic()
    clients = [subprocess.Popen([CARDRIG, "status"], env={**os.environ, "CARDRIG_SOCKET": str(folder / "control")},
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for folder in folders]
    said = [client.communicate(timeout=TIMEOUT) for client in clients]
    took = time.monotonic() - begun
    stop.set()
    assert [client.returncode for client in clients] == [1] * 4
    assert said == [("", "cardrig: the rig did not answer: it took too long\n")] * 3 + [
        ("", f"cardrig: cannot reach the rig at {folders[3]}/control: it is too busy\n")]
    assert 29 < took < TIMEOUT
    for one in sockets:
        one.close()
    for server in servers:
        server.close()
    (folders[3] / "control").unlink()
    for folder in folders:
        folder.rmdir()


def hangs_up():
    raise OSError


def test_it_hangs_up(server):
    assert_refused(server.cardrig("status", answer=hangs_up), "the rig did not answer: Connection reset by peer")


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("atr", "3B00"), ("check", CARDS / "t1-only.lua"), ("status",)],
                         ids=lambda words: words[0])
def test_what_is_printed_has_to_get_there(server, words):
    server.answer = json.dumps({"ok": True, "result": STATUS}).encode() + b"\n"
    with open("/dev/full", "w") as full_disk:
        done = subprocess.run([CARDRIG, *map(str, words)], stdout=full_disk, stderr=subprocess.PIPE, text=True,
                              env={**os.environ, "CARDRIG_SOCKET": str(server.path)}, timeout=TIMEOUT)
    assert done.returncode == 1
    assert done.stderr == "cardrig: cannot write to standard output: No space left on device\n"


def test_a_script_whose_name_is_evil(temporary):
    """Scripts come from others, and so do the names of their files."""
    good, bad = temporary / "a\x1b[31m\u202eb.lua", temporary / "b\x1b]0;t\x07.lua"
    good.write_text('return { atr = "3B 80 01 81" }\n')
    bad.write_text('return { nonsense = 1 }\n')
    done = run("check", good, bad)
    good.unlink()
    bad.unlink()
    assert done.returncode == 1
    assert "a\\x1B[31m\\xE2\\x80\\xAEb.lua: ok" in done.stdout and "b\\x1B]0;t\\x07.lua" in done.stderr
    assert all(line.isprintable() for line in (done.stdout + done.stderr).split("\n"))


def test_what_scripts_print(temporary):
    """From the rig's own side: its log, and its answers."""
    script = temporary / "evil.lua"
    script.write_text('return { atr = "3B 80 01 81", commands = { { "..", function() print("p\\27]0;t\\7\\u{2067}q") '
                      'error("e\\27[2J\\u{200B}r") end } } }\n')
    named = temporary / "named.lua"
    named.write_text('return { name = "n\\u{202E}x", atr = "3B 80 01 81" }\n')
    with Rig("--card", script) as rig:
        assert_refused(rig.cardrig("swap", "0", named), "name is not usable")
        with rig.client() as client:
            client.establish()
            client.connect()
            client.transmit("00A40000")
    script.unlink()
    named.unlink()
    assert "p\\x1B]0;t\\x07\\xE2\\x81\\xA7q" in rig.errors and "e\\x1B[2J\\xE2\\x80\\x8Br" in rig.errors
    assert all(line.isprintable() for line in rig.errors.split("\n"))
