# SPDX-License-Identifier: BSD-3-Clause
"""What the end-to-end tests share: the built programs, rigs to work in, and a look at what a rig leaves behind."""

import atexit
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

import pytest

from waiting import TIMEOUT, Lines, children, lead_a_group

lead_a_group()

BUILD = pathlib.Path(os.environ["CARDRIG_BUILD"])
SOURCE = pathlib.Path(__file__).resolve().parents[2]
CARDS = SOURCE / "fixtures" / "cards"


def for_everybody():
    """The programs where every user can run them: tests of root's go on as others, and a clone may be below /root."""
    if os.getuid() != 0 or all(folder.stat().st_mode & 0o001 for folder in BUILD.resolve().parents):
        return BUILD
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cardrig-tests", dir="/tmp"))
    atexit.register(shutil.rmtree, folder)  # not a TemporaryDirectory: a process that is forked would remove it, too
    folder.chmod(0o755)
    for file in (BUILD / "bin" / "cardrig", *(BUILD / "lib").glob("*.so")):
        (folder / file.parent.name).mkdir(exist_ok=True)
        shutil.copy(file, folder / file.parent.name)
    return folder


PUBLIC = for_everybody()
CARDRIG = str(PUBLIC / "bin" / "cardrig")
DRIVER = str(PUBLIC / "lib" / "libifdcardrig.so")
REDIRECT = str(PUBLIC / "lib" / "libcardrig-redirect.so")
PYTHON = os.environ["CARDRIG_TEST_PYTHON"]
tempfile.gettempdir()  # which is remembered: pytest's own folders are not to be in a test's TMPDIR
CLIENT = str(pathlib.Path(__file__).with_name("client.py"))


def pytest_addoption(parser):
    parser.addoption("--part", metavar="K/N", help="every Nth case, beginning with the Kth")


def pytest_collection_modifyitems(config, items):
    if config.option.part:
        first, step = map(int, config.option.part.split("/"))
        items[:] = items[first - 1::step]


@pytest.fixture(autouse=True)
def temporary(monkeypatch):
    """A TMPDIR of the test's own, in which no rig may leave anything."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as folder:
        os.chmod(folder, 0o1777)  # as /tmp
        monkeypatch.setenv("TMPDIR", folder)
        for name in ("CARDRIG_SOCKET", "CARDRIG_RIG", "CARDRIG_READER", "PCSCLITE_CSOCK_NAME", "CARDRIG_DRIVER"):
            monkeypatch.delenv(name, raising=False)
        yield pathlib.Path(folder)
        assert os.listdir(folder) == []


@pytest.fixture(autouse=True)
def no_data_races(monkeypatch):
    """A cardrig built for ThreadSanitizer reports none."""
    with tempfile.TemporaryDirectory(prefix="races", dir="/tmp") as folder:
        os.chmod(folder, 0o1777)
        monkeypatch.setenv("TSAN_OPTIONS", f"log_path={folder}/report")
        yield
        reports = "".join(report.read_text() for report in pathlib.Path(folder).iterdir())
        assert not reports, reports


def run(*arguments, **options):
    """Runs cardrig to its end."""
    words = [word if isinstance(word, bytes) else str(word) for word in arguments]
    return subprocess.run([CARDRIG, *words], capture_output=True, text=True, timeout=TIMEOUT, **options)


class Rig:
    """A rig around a command that does nothing but stay, until it is left, or what a script says before."""

    def __init__(self, *options, prefix=(), script="", **popen):
        self.process = subprocess.Popen(
            [*prefix, CARDRIG, "run", *map(str, options), "--", "sh", "-c",
             script + '\necho "$PCSCLITE_CSOCK_NAME"; echo "$CARDRIG_SOCKET"; echo "$CARDRIG_READER"; read stay'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **popen)
        self.errors = None
        self.connection = None
        lines = Lines(self.process.stdout)
        self.pcscd_socket, self.control_socket, self.reader = (lines.next() for _ in range(3))
        if not self.reader:
            self.end()
            raise AssertionError(f"no rig: {self.errors}")
        self.directory = pathlib.Path(self.control_socket).parent

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.end()

    def end(self):
        """Lets the command end; returns the rig's exit status."""
        if self.connection:
            self.connection.close()
            self.connection = None
        if self.errors is None:
            _, self.errors = self.process.communicate("\n", timeout=TIMEOUT)
        return self.process.returncode

    def wait(self):
        """Waits for the rig to end by itself."""
        self.process.wait(TIMEOUT)
        return self.end()

    def supervisor(self):
        """The process number of the parent of all its parts."""
        return children(self.process.pid)[0][1]

    def children(self):
        """The process numbers of its parts, by name; the simulator's name is cardrig."""
        return dict(children(self.supervisor()))

    def environment(self):
        """For programs that use the rig without being ended with it."""
        return {**os.environ, "PCSCLITE_CSOCK_NAME": self.pcscd_socket, "CARDRIG_READER": self.reader}

    def cardrig(self, *arguments):
        return subprocess.run([CARDRIG, *map(str, arguments)], capture_output=True, text=True, timeout=TIMEOUT,
                              env={**os.environ, "CARDRIG_SOCKET": self.control_socket})

    def ask(self, **request):
        """A request on the control socket. Returns the whole answer."""
        if not self.connection:
            self.connection = socket.socket(socket.AF_UNIX)
            self.connection.settimeout(TIMEOUT)
            self.connection.connect(self.control_socket)
            self.lines = self.connection.makefile("r")
        self.connection.sendall((json.dumps(request) + "\n").encode())
        return json.loads(self.lines.readline())

    def do(self, command, **more):
        answer = self.ask(command=command, **more)
        assert answer["ok"], answer
        return answer["result"]

    def card(self):
        return self.do("status")["slots"][0]["card"]

    def client(self, **options):
        return Client(self.environment(), **options)


class Client:
    """A PC/SC client in a process of its own: each call is one of client.py's functions."""

    def __init__(self, environment, prefix=()):
        self.process = subprocess.Popen([*prefix, PYTHON, CLIENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=environment)
        self.lines = Lines(self.process.stdout)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.stdin.close()
        self.process.wait(TIMEOUT)
        self.process.stdout.close()

    def start(self, name, *arguments):
        self.process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self.process.stdin.flush()

    def finish(self):
        line = self.lines.next()
        assert line, "the client has died"
        return json.loads(line)

    def __getattr__(self, name):
        def call(*arguments):
            self.start(name, *arguments)
            return self.finish()
        return call


@pytest.fixture
def rig():
    with Rig() as one:
        yield one
    assert one.process.returncode == 0, one.errors
