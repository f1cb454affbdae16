# SPDX-License-Identifier: BSD-3-Clause
"""cardrig run on the machines that there are: pcscd built in other ways, or behind a wrapper; temporary directories that
cannot hold a driver."""

import os
import pathlib
import signal
import subprocess

import pytest

from mounts import PRIVATE_MOUNTS, where_noexec_is
from processes import alive
from programs import CARDRIG, PCSCD, PUBLIC
from rig import BUILT_IN_ATR, Rig
from users import HAS_NAMESPACES, ordinary_user
from waiting import TIMEOUT, wait_for

# In place of pcscd: what is done to the installed one (see doctored.c), and how it is run.
KINDS = {
    "wrapper": ("", 'exec "$PCSCD" "$@"'),
    "forking-wrapper": ("", '"$PCSCD" "$@"; status=$?; exit $status'),
    "no-activation": ("no-activation", 'exec "$PCSCD" "$@"'),
    "polkit": ("polkit", 'exec "$PCSCD" "$@"'),
    "all": ("no-activation,polkit", '"$PCSCD" "$@"; status=$?; exit $status'),
}


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


@pytest.fixture
def pcscd(temporary):
    """Makes a script that stands for a pcscd of one of these kinds."""
    path = temporary / "a pcscd"

    def make(kind):
        doctored, start = KINDS[kind]
        path.write_text(f"#!/bin/sh\nPCSCD={PCSCD}\n" + start.replace(
            '"$PCSCD"', f'env LD_PRELOAD="$LD_PRELOAD:{PUBLIC}/lib/libdoctored.so" DOCTORED={doctored} "$PCSCD"', 1) + "\n")
        path.chmod(0o755)
        return path
    yield make
    path.unlink()


@pytest.mark.parametrize("user", ["root", "ordinary"])
@pytest.mark.parametrize("isolation", ["namespaces", "redirect"])
@pytest.mark.parametrize("kind", KINDS)
def test_any_pcscd(temporary, pcscd, kind, isolation, user):
    if isolation == "namespaces" and not HAS_NAMESPACES:
        pytest.skip("needs namespaces")
    prefix = ordinary_user(temporary) if user == "ordinary" else []
    done = subprocess.run([*prefix, CARDRIG, "run", "--isolation", isolation, "--pcscd", pcscd(kind), "--",
                           "opensc-tool", "--atr"], capture_output=True, text=True, timeout=TIMEOUT)
    assert done.stdout.strip() == BUILT_IN_ATR, done.stderr
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_usb_readers_with_any_pcscd(pcscd, kind):
    for isolation in ("auto", "redirect"):
        with Rig("--isolation", isolation, "--pcscd", pcscd(kind), "--reader", "key,usb") as rig, rig.client() as client:
            assert client.establish() == ["ok"]
            assert client.readers() == ["ok", ["key 00 00"]]
        assert rig.end() == 0, rig.errors


@pytest.mark.parametrize("kind", KINDS)
def test_root_does_not_touch_the_systems_run(pcscd, kind):
    """In a mount namespace of ours, the system's pcscd is a socket in /run, and there is nothing else."""
    if not HAS_NAMESPACES and os.getuid() != 0:
        pytest.skip("needs a mount namespace")
    script = """
import os, socket, subprocess, sys
os.mkdir("/run/pcscd")
system = socket.socket(socket.AF_UNIX)
system.bind("/run/pcscd/pcscd.comm")
system.listen()
def run():
    return [(entry.path, entry.stat().st_ino, entry.stat().st_mode, entry.stat().st_mtime_ns)
            for folder in ("/run", "/run/pcscd") for entry in os.scandir(folder)]
before = run()
for isolation in "auto", "redirect":
    subprocess.run([*sys.argv[1:], "--isolation", isolation, "--", "opensc-tool", "--atr"], check=True)
    assert run() == before, (before, run())
system.setblocking(False)
try:
    system.accept()
except BlockingIOError:
    print("untouched")
"""
    done = subprocess.run([*PRIVATE_MOUNTS, "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh", "/usr/bin/python3",
                           "-c", script, CARDRIG, "run", "--pcscd", pcscd(kind)],
                          capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [BUILT_IN_ATR, BUILT_IN_ATR, "untouched"]


@pytest.mark.parametrize("isolation", ["auto", "redirect"])
def test_what_a_wrapper_started_ends_with_the_rig(pcscd, isolation):
    with Rig("--isolation", isolation, "--pcscd", pcscd("forking-wrapper")) as rig, rig.client() as client:
        assert client.establish() == ["ok"]
        pids = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and belongs_to(rig, pid)]
        assert len(pids) == 2  # the wrapper and pcscd
        rig.process.send_signal(signal.SIGKILL)
        rig.wait()
    wait_for("their end", lambda: not any(map(alive, pids)))


def belongs_to(rig, pid):
    """Whether a process is pcscd, or was started by what stands for it."""
    try:
        return os.fsencode(f"CARDRIG_REDIRECT={rig.directory}\0") in pathlib.Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def test_pcscd_soon_sees_that_its_readers_are_set_up(tmp_path):
    """Until they are it looks every 10 ms; in a rig the first looks come sooner, and the later ones as they do elsewhere."""
    card = tmp_path / "slow.lua"
    card.write_text('return { atr = "3B 80 80 01 01", on_power = function() for i = 1, 9000000 do end end }')
    log = tmp_path / "pcscd.log"
    done = subprocess.run([CARDRIG, "run", "--card", card, "--pcscd-log", log, "--", "true"],
                          capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    naps, now = [], 0
    for line in log.read_text().splitlines():
        fields = line.split(maxsplit=1)  # the first one: microseconds since the line before
        now += int(fields[0]) if fields[0].isdigit() else 0
        if "Waiting init for reader" in line:
            naps.append(now)
            now = 0
    naps = naps[1:]
    assert min(naps) < 10000
    assert all(nap >= 10000 for nap in naps[7:]), naps
