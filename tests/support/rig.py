# SPDX-License-Identifier: BSD-3-Clause
"""A rig of cardrig run."""

import json
import os
import pathlib
import socket
import subprocess

from client import Client
from processes import children
from programs import CARDRIG
from waiting import TIMEOUT, Lines

BUILT_IN_ATR = "3b:87:80:01:63:61:72:64:72:69:67:6e"


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

    def press(self, text):
        """Presses keys of the PIN pad: of "1234 ok", the digits one by one."""
        self.do("press", keys=[key for word in text.split() for key in (word if word.isdigit() else [word])])

    def card(self):
        return self.do("status")["slots"][0]["card"]

    def client(self, **options):
        return Client(self.environment(), **options)
