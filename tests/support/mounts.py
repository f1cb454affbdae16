# SPDX-License-Identifier: BSD-3-Clause
"""Programs run where file systems are mounted otherwise."""

import os
import subprocess

import pytest

from programs import CARDRIG, PUBLIC
from users import HAS_NAMESPACES
from waiting import TIMEOUT

# root in a mount namespace of its own
PRIVATE_MOUNTS = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]


def with_an_empty_run(command):
    """The command with a /run that is its own and empty, so that nothing there is found: a system's rig, systemd's files.
    Where nobody may mount, as it is."""
    words = [*PRIVATE_MOUNTS, "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh"]
    can = subprocess.run([*words, "true"], capture_output=True).returncode == 0
    return [*(words if can else []), *map(str, command)]


def where_noexec_is(places, command):
    """Runs a command where file systems that are mounted noexec lie over these places. Our programs, which may be in one
    of these, are in /mnt there."""
    if not HAS_NAMESPACES and os.getuid() != 0:
        pytest.skip("needs a mount namespace")
    script = ('mount --rbind "$1" /mnt || exit 98; shift; '
              'for place in $0; do mount -t tmpfs -o noexec none "$place" || exit 99; done; exec "$@"')
    command = ["/mnt/bin/cardrig" if word == CARDRIG else word for word in command]
    return subprocess.run([*PRIVATE_MOUNTS, "sh", "-c", script, " ".join(map(str, places)), PUBLIC, *command],
                          capture_output=True, text=True, timeout=TIMEOUT)


def can_mount():
    """Whether we are root, with a mount namespace of our own."""
    return os.getuid() == 0 and subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"],
                                               capture_output=True).returncode == 0
