# SPDX-License-Identifier: BSD-3-Clause
"""A rig of cardrig serve."""

import json
import os
import pathlib
import signal
import socket
import subprocess

from programs import CARDRIG
from waiting import TIMEOUT


class Serve:
    """A rig that serves, ready when this is there. Ends when it is left; what it said is in errors then."""

    def __init__(self, folder, *options, prefix=(), environment=()):
        self.directory = pathlib.Path(folder)
        self.errors = None
        address = self.directory.with_name(self.directory.name + ".notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(str(address))
            os.chmod(address, 0o777)
            listener.settimeout(0.1)
            self.process = subprocess.Popen(
                [*prefix, CARDRIG, "serve", "--directory", str(folder), *map(str, options)],
                env={**os.environ, "NOTIFY_SOCKET": str(address), **dict(environment)},
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            self.notified = None
            while self.process.poll() is None and not self.notified:
                try:
                    self.notified = listener.recv(100)
                except TimeoutError:
                    pass
        address.unlink()
        if not self.notified:
            self.end()
            raise AssertionError(f"not ready: {self.errors}")
        assert self.notified == b"READY=1"

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        assert self.end() == 0, self.errors

    def end(self, number=signal.SIGTERM):
        if self.errors is None:
            self.process.send_signal(number)
            _, self.errors = self.process.communicate(timeout=TIMEOUT)
        return self.process.returncode

    def kill(self):
        self.end(signal.SIGKILL)

    def ask(self, **request):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(TIMEOUT)
            connection.connect(str(self.directory / "control"))
            connection.sendall((json.dumps(request) + "\n").encode())
            return json.loads(connection.makefile("r").readline())

    def do(self, command, **more):
        answer = self.ask(command=command, **more)
        assert answer["ok"], answer
        return answer["result"]

    def slots(self):
        return self.do("status")["slots"]

    def card(self):
        return self.slots()[0]["card"]


def devices(config):
    """The readers of a configuration that was printed, as pcscd_alone takes them."""
    lines = [line.split(None, 1) for line in config.splitlines() if line]
    names = [value.strip('"') for key, value in lines if key == "FRIENDLYNAME"]
    return dict(zip(names, (value for key, value in lines if key == "DEVICENAME")))
