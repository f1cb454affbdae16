# SPDX-License-Identifier: BSD-3-Clause
"""A private pcscd that plays the installed one."""

import os
import pathlib
import subprocess

from client import Client
from processes import child
from programs import BUILD, DRIVER, REDIRECT
from users import as_user
from waiting import TIMEOUT, Lines


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
