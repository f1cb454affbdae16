# SPDX-License-Identifier: BSD-3-Clause
"""What a rig whose processes were all killed leaves behind: the next one clears it away, and nothing else."""

import os
import signal
import subprocess

import pytest

from killed_rig import KilledRig
from processes import alive, kill_at_once, wait_for_end
from programs import CARDRIG, run
from rig import Rig
from waiting import TIMEOUT


def test_everything_is_killed_at_once():
    left = KilledRig()
    assert alive(left.pid) and left.directory.exists()
    done = run("run", "--", "true")
    assert done.returncode == 0
    assert done.stderr == (f"cardrig: cleared away after a rig that was killed: {left.directory}, "
                           "and 1 process of its command\n")
    assert not alive(left.pid) and not left.directory.exists()
    assert run("run", "--", "true").stderr == ""


def test_a_shell_in_which_a_user_set_cardrig_socket_is_left_alone():
    """CARDRIG_SOCKET is what people set by hand in another terminal; it does not make that part of the rig."""
    left = KilledRig()
    shell = subprocess.Popen(["sleep", "1000"], env={"CARDRIG_SOCKET": f"{left.directory}/control"})
    assert "and 1 process of its command" in run("run", "--", "true").stderr
    assert not alive(left.pid) and shell.poll() is None
    shell.kill()
    shell.wait(TIMEOUT)


def test_supervisor_and_simulator_are_killed_together():
    with Rig() as rig:
        supervisor, parts = rig.supervisor(), rig.children()
        kill_at_once((parts["cardrig"], supervisor))  # the simulator has the lock of the directory to its end
        assert rig.wait() == 125
        assert "the rig's supervisor was killed (signal 9): clearing away" in rig.errors
        for pid in parts.values():
            wait_for_end(pid)
        assert not rig.directory.exists()


def test_the_supervisor_is_killed():
    rig = Rig()
    parts = rig.children()
    os.kill(rig.supervisor(), signal.SIGKILL)
    assert rig.wait() == 125
    for pid in parts.values():
        wait_for_end(pid)
    assert not rig.directory.exists()


def test_a_living_rig_is_left_alone():
    with Rig() as rig:
        assert run("run", "--", "true").stderr == ""
        assert rig.do("status")["service"]["state"] == "running"
        parts = rig.children()
        assert {"cardrig", "pcscd", "sh"} <= set(parts)


def test_a_rig_that_is_being_made_is_left_alone(temporary):
    """Many at once, each of which looks for what others have left."""
    rigs = [subprocess.Popen([CARDRIG, "run", "--", "true"], stderr=subprocess.PIPE, text=True) for _ in range(20)]
    assert [rig.communicate(timeout=TIMEOUT)[1] for rig in rigs] == [""] * 20
    assert {rig.returncode for rig in rigs} == {0}


def test_from_inside_the_rig_that_is_left():
    """A program in the rig is not ended by a cardrig that it runs itself."""
    rig = Rig()
    parts = [rig.process.pid, rig.supervisor(), *(pid for name, pid in rig.children().items() if name != "sh")]
    environment = {**os.environ, "CARDRIG_RIG": str(rig.directory)}
    kill_at_once(parts)
    rig.process.wait(TIMEOUT)
    for part in parts:
        wait_for_end(part)
    done = run("run", "--", "sh", "-c", "exit 3", env=environment)
    assert (done.returncode, done.stderr) == (3, "")
    assert rig.directory.exists()
    run("run", "--", "true")
    assert not rig.directory.exists()
    for stream in (rig.process.stdin, rig.process.stdout, rig.process.stderr):
        stream.close()


def test_what_looks_like_a_rig_and_is_none(temporary):
    folder = temporary / "cardrig-backup"  # six letters, too
    folder.mkdir(0o700)
    (folder / "letter").write_text("dear")
    empty = temporary / "cardrig-Empty1"
    empty.mkdir()
    os.mkfifo(temporary / "cardrig-Fifo12")
    (temporary / "cardrig-Link12").symlink_to(folder)
    (temporary / "cardrig-File12").write_text("")
    os.chmod(temporary / "cardrig-File12", 0o1700)
    marked = temporary / "cardrig-x"
    marked.mkdir()
    os.chmod(marked, 0o1700)
    before = sorted(os.listdir(temporary))
    assert run("run", "--", "true").stderr == ""
    assert sorted(os.listdir(temporary)) == before and (folder / "letter").exists()
    for name in ("cardrig-Fifo12", "cardrig-Link12", "cardrig-File12", "cardrig-backup/letter"):
        (temporary / name).unlink()
    for path in (folder, empty, marked):
        path.rmdir()


@pytest.mark.skipif(os.getuid() != 0, reason="a rig of another user needs another user")
def test_another_users_rig_is_left_alone(temporary):
    """And nobody can have us end what is not his: a process of ours with the mark of his rig, or the reverse."""
    left = KilledRig(user=65533, group=65533, extra_groups=[])
    assert run("run", "--", "true").stderr == ""
    assert alive(left.pid) and left.directory.exists()
    ours = subprocess.Popen(["sleep", "1000"], env={"CARDRIG_RIG": str(left.directory)})
    done = subprocess.run([CARDRIG, "run", "--", "true"], capture_output=True, text=True, timeout=TIMEOUT, user=65533,
                          group=65533, extra_groups=[])
    assert "cleared away after a rig that was killed" in done.stderr
    assert not left.directory.exists() and not alive(left.pid) and ours.poll() is None
    ours.kill()
    ours.wait(TIMEOUT)


@pytest.mark.skipif(os.getuid() != 0, reason="a process of another user needs another user")
def test_another_users_process_with_our_mark(temporary):
    left = KilledRig()
    other = subprocess.Popen(["sleep", "1000"], env={"CARDRIG_RIG": str(left.directory)}, user=65533)
    assert "and 1 process of its command" in run("run", "--", "true").stderr
    assert not alive(left.pid) and other.poll() is None
    other.kill()
    other.wait(TIMEOUT)


def test_a_folder_in_which_others_can_put_something_else_in_its_place(temporary, monkeypatch):
    """0777 without the sticky bit: there, what has our form may be something that was moved there."""
    folder = temporary / "shared"
    folder.mkdir()
    victim = folder / "cardrig-Moved1"
    victim.mkdir()
    os.chmod(victim, 0o1700)
    (victim / "letter").write_text("dear")
    monkeypatch.setenv("TMPDIR", str(folder))
    os.chmod(folder, 0o777)
    run("run", "--", "true")
    assert victim.exists()
    os.chmod(folder, 0o1777)
    assert f"cleared away after a rig that was killed: {victim}" in run("run", "--", "true").stderr
    assert not victim.exists()
    folder.rmdir()
