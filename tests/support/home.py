# SPDX-License-Identifier: BSD-3-Clause
"""A home for programs that use the card in a rig: what they read and write is in a folder, and nothing of the user's."""

import contextlib
import pathlib
import subprocess
import tempfile

from rig import Rig
from waiting import TIMEOUT

# OpenSC's PKCS#11 module. Some programs take its name only, some only its path.
MODULE = "opensc-pkcs11.so"
MODULE_PATH = next(map(str, pathlib.Path("/usr").glob(f"lib*/*/{MODULE}")))


class Home:
    def __init__(self, rig, folder, text=True):
        self.rig = rig
        self.folder = folder
        self.text = text
        self.decoding = {"encoding": "utf-8", "errors": "replace"} if text else {}
        self.environment = {**rig.environment(), "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "LC_ALL": "C"}
        self.environment.pop("SSH_AUTH_SOCK", None)

    def run(self, *words, input="", **options):
        """Runs a program to its end, whatever that is."""
        return subprocess.run(list(map(str, words)), env=self.environment, cwd=self.folder, capture_output=True,
                              input=input if self.text else input.encode(), timeout=TIMEOUT, **self.decoding, **options)

    def do(self, *words, **options):
        """Runs a program that succeeds. Returns what it prints."""
        done = self.run(*words, **options)
        assert done.returncode == 0, done
        return done.stdout


@contextlib.contextmanager
def home_with(card, temporary, kind=Home, options=()):
    """A home in a folder there, and a rig with that card, whose keys are always the same, and with other options."""
    with tempfile.TemporaryDirectory(dir=temporary) as folder, Rig("--seed", 1, "--card", card, *options) as rig:
        yield kind(rig, pathlib.Path(folder))
