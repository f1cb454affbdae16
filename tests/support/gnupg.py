# SPDX-License-Identifier: BSD-3-Clause
"""GnuPG with a home of its own, whose scdaemon uses the card in a rig."""

import json
import pathlib
import shutil
import tempfile

from home import Home
from processes import alive
from programs import PYTHON, SUPPORT
from waiting import wait_for


class GnuPG(Home):
    """Its programs can be run until it is left. No agent stays behind. The user enters what is in pins."""

    def __init__(self, rig, **pins):
        super().__init__(rig, pathlib.Path(tempfile.mkdtemp(prefix="g", dir="/tmp")))  # sockets need a short path
        self.environment["GNUPGHOME"] = str(self.folder)
        self.pins = pins
        pinentry = self.folder / "pinentry"
        pinentry.write_text(f"#!/bin/sh\nexec {PYTHON} {SUPPORT}/pinentry.py\n")
        pinentry.chmod(0o700)
        (self.folder / "gpg-agent.conf").write_text(f"pinentry-program {pinentry}\nenable-ssh-support\n")
        (self.folder / "scdaemon.conf").write_text("disable-ccid\n")
        self.agents = []

    def __enter__(self):
        for question in ("getinfo pid", "scd getinfo pid"):
            self.agents.append(int(self.agent(question).split()[1]))
        return self

    def __exit__(self, *exception):
        self.run("gpgconf", "--kill", "all")
        wait_for("the end of gpg-agent and scdaemon", lambda: not any(map(alive, self.agents)))
        shutil.rmtree(self.folder)

    def run(self, *command, pins=None, **options):
        """Runs a program to its end. pins are other ones, for it only."""
        (self.folder / "pins.json").write_text(json.dumps({**self.pins, **(pins or {})}))
        return super().run(*command, **options)

    def gpg(self, *arguments, **options):
        """Runs gpg, which succeeds. Returns what it prints."""
        return self.do("gpg", "--batch", "--yes", "--trust-model", "always", *arguments, **options)

    def dialogue(self, *arguments, lines, **options):
        """Runs gpg, and answers its questions by lines. Returns what it prints, with its status lines."""
        return self.run("gpg", "--no-tty", "--command-fd", "0", "--status-fd", "1", *arguments,
                        input="\n".join(lines) + "\n", **options).stdout

    def edit_card(self, *lines, **options):
        return self.dialogue("--expert", "--card-edit", lines=["admin", *lines, "quit"], **options)

    def wait_until_card_is_seen(self):
        """scdaemon looks at the card every half second. Until then it says the serial number of the card that was there, but
        no command gets through."""
        wait_for("scdaemon sees the card", lambda: "ERR" not in self.agent("scd serialno", "scd apdu 00CA00C400"))

    def ask_at(self, gate):
        """What asks for a PIN waits at the gate first."""
        pinentry = self.folder / "pinentry"
        pinentry.write_text(pinentry.read_text().replace("exec", f"{gate.script}\nexec"))

    def agent(self, *commands, **options):
        """What gpg-agent answers."""
        return self.run("gpg-connect-agent", *commands, "/bye", **options).stdout

    def fingerprints(self, *arguments):
        """Of a key and its subkeys."""
        lines = self.gpg("--with-colons", "--with-subkey-fingerprints", *arguments).splitlines()
        return list(dict.fromkeys(line.split(":")[9] for line in lines if line.startswith("fpr:")))

    def card(self):
        """The status of the card, by the names of its fields."""
        pairs = (line.partition(":") for line in self.gpg("--card-status").splitlines())
        return {name.rstrip(" ."): value.strip() for name, _, value in pairs}
