# SPDX-License-Identifier: BSD-3-Clause
"""cardrig serve, and a pcscd that plays the installed one."""

import json
import os
import pathlib
import signal
import socket
import subprocess

from conftest import BUILD, CARDRIG, DRIVER, REDIRECT, Client
from waiting import TIMEOUT, Lines, child


# Debian 13's pcscd.service: root, that cannot open what belongs to others (CapabilityBoundingSet=)
WITHOUT_CAPABILITIES = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]


def as_user(number, *command):
    return ["setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups", *map(str, command)]


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


def device(config):
    """The readers of a configuration that was printed, as pcscd_alone takes them."""
    lines = [line.split(None, 1) for line in config.splitlines() if line]
    names = [value.strip('"') for key, value in lines if key == "FRIENDLYNAME"]
    return dict(zip(names, (value for key, value in lines if key == "DEVICENAME")))


class Pcscd:
    """A private pcscd with a driver and readers, by name and DEVICENAME, that plays the installed one.

    user is a number, for root alone to give; prefix is a command that goes before."""

    def __init__(self, folder, readers, driver=DRIVER, prefix=(), user=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(mode=0o700)
        # in a user namespace of its own it would not see who serves
        redirected = {} if user is None else {"REDIRECTED": "yes"}
        if user is not None:
            self.folder.chmod(0o711)
            os.chown(self.folder, user, user)
            prefix = as_user(user)
        self.readers = readers
        self.process = subprocess.Popen(
            [*prefix, BUILD / "bin" / "pcscd_alone", str(self.folder), *(f"{name}={device}" for name, device in readers.items()),
             "--", "sh", "-c", "echo up; read stay"],
            env={**os.environ, "DRIVER": str(driver), "REDIRECT": REDIRECT, **redirected},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert Lines(self.process.stdout).next() == "up", self.log()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.communicate("\n", timeout=TIMEOUT)
        log = self.log()
        subprocess.run(["rm", "-rf", str(self.folder)], check=True)
        assert self.process.returncode == 0, log

    def pid(self):
        """None: it is down."""
        return child(self.process.pid, "pcscd")

    def log(self):
        return (self.folder / "pcscd.log").read_text(errors="replace")

    def client(self, reader=None):
        """With a context; for the reader of this name, or the first one."""
        reader = reader or f"{next(iter(self.readers))} 00 00"
        client = Client({**os.environ, "PCSCLITE_CSOCK_NAME": f"{self.folder}/run/pcscd/pcscd.comm", "CARDRIG_READER": reader})
        assert client.establish() == ["ok"]
        return client
