"""cardrig run on the machines that there are: pcscd built in other ways, or behind a wrapper; temporary directories that
cannot hold a driver."""

import os
import subprocess

import pytest

from conftest import CARDRIG, TIMEOUT
from test_run import BUILT_IN_ATR, HAS_NAMESPACES

# root in a mount namespace of its own
PRIVATE_MOUNTS = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]


def where_noexec_is(places, command):
    """Runs a command where file systems that are mounted noexec lie over these places."""
    if not HAS_NAMESPACES and os.getuid() != 0:
        pytest.skip("needs a mount namespace")
    script = 'for place in $0; do mount -t tmpfs -o noexec none "$place" || exit 99; done; exec "$@"'
    return subprocess.run([*PRIVATE_MOUNTS, "sh", "-c", script, " ".join(map(str, places)), *command],
                          capture_output=True, text=True, timeout=TIMEOUT)


def test_a_tmpdir_that_is_mounted_noexec(temporary):
    done = where_noexec_is([temporary], [CARDRIG, "run", "--", "sh", "-c", 'opensc-tool --atr; dirname "$CARDRIG_SOCKET"'])
    assert done.returncode == 0, done.stderr
    atr, directory = done.stdout.split()
    assert atr == BUILT_IN_ATR
    assert directory.startswith("/tmp/cardrig-")


def test_everything_temporary_is_mounted_noexec(temporary):
    places = [place for place in ("/var/tmp", "/dev/shm", "/tmp") if os.path.isdir(place)]
    done = where_noexec_is([temporary, *places], ["env", "TMPDIR=/tmp", CARDRIG, "run", "--", "true"])
    assert done.returncode == 125
    assert "/tmp: mounted noexec" in done.stderr
    assert "set TMPDIR" in done.stderr
