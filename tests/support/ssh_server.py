# SPDX-License-Identifier: BSD-3-Clause
"""An ssh server that takes the keys of a card, and what a user of it has: an agent, and what asks for the PIN."""

import contextlib
import os
import pwd
import shutil
import subprocess

from waiting import TIMEOUT, Lines

SSHD = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/local/sbin:/usr/sbin")


class SshServer:
    """Each login has an sshd of its own, as a service manager starts it, with its connection as standard input and output.
    So it needs no port, and ends with the login. It runs as who runs the test, and lets nobody else in."""

    def __init__(self, home, keys):
        folder = self.folder = home.folder
        home.do("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "host")
        (folder / "authorized").write_text(keys)
        (folder / "known").write_text("server " + (folder / "host.pub").read_text())
        (folder / "sshd.conf").write_text(
            f"HostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\nAuthenticationMethods publickey\nPidFile none\n"
            "StrictModes no\nUsePAM no\nPermitUserRC no\n"
            "SetEnv SHLVL=1\n")  # by which bash leaves out .bashrc
        if os.getuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)  # as its service does: the place in which it does what needs no rights

    def login(self, *options):
        """A command that logs in by ssh, and prints welcome."""
        return ("ssh", "-F", "none", "-o", f"ProxyCommand={SSHD} -i -e -f {self.folder}/sshd.conf", "-o",
                f"UserKnownHostsFile={self.folder}/known", "-o", "GlobalKnownHostsFile=none", "-o", "IdentityFile=none",
                *options, f"{pwd.getpwuid(os.getuid()).pw_name}@server", "echo", "welcome")


def answer_questions(home, pin, first=""):
    """What asks for a passphrase gets the PIN, and leaves what it asked in the file asked. first is what a shell does then."""
    program = home.folder / "ask"
    program.write_text(f'#!/bin/sh\necho "$1" >>{home.folder}/asked\n{first}\necho {pin}\n')
    program.chmod(0o700)
    home.environment.update(SSH_ASKPASS=str(program), SSH_ASKPASS_REQUIRE="force")


@contextlib.contextmanager
def ssh_agent(home):
    """The home's ssh-agent; it lets any PKCS#11 module in."""
    socket = home.folder / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", socket, "-P", "*"], stdout=subprocess.PIPE, cwd=home.folder,
                          env=home.environment) as agent:
        try:
            Lines(agent.stdout).next()  # what it says when it listens
            home.environment["SSH_AUTH_SOCK"] = str(socket)
            yield
        finally:
            agent.terminate()
            agent.communicate(timeout=TIMEOUT)
