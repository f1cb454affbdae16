# SPDX-License-Identifier: BSD-3-Clause
"""Processes: what there is to see of them, though they may end meanwhile; stopping and killing them."""

import contextlib
import os
import select
import signal
import subprocess

from waiting import TIMEOUT, wait_for


def lead_a_group():
    """Makes this process and its children a group of processes of their own. In a group that no shell keeps from being
    orphaned, the end of a command of 'cardrig run', whose parent is in another group, is what orphans it; and if a process
    in it is stopped then, Linux sends SIGHUP to them all. Tests stop processes, and those beside them are not to end by it.
    At a terminal there is a shell, and Ctrl-C is for the whole group."""
    if os.isatty(0):
        return
    with contextlib.suppress(PermissionError):  # it leads a session
        os.setpgid(0, 0)


def stat(pid):
    """Name, state, and what follows that in /proc/PID/stat; None: there is no such process."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            name, rest = file.read().partition("(")[2].rsplit(")", 1)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return name, *rest.split()


def alive(pid):
    """Whether a process is there, and not just a remainder that nobody has reaped."""
    found = stat(pid)
    return found is not None and found[1] not in "ZX"


def children(pid):
    """Name and number of each that is alive. Not by /proc/PID/task/PID/children, which leaves out some while others end."""
    found = ((int(entry), stat(entry)) for entry in os.listdir("/proc") if entry.isdigit())
    return [(fields[0], child) for child, fields in found if fields and fields[1] not in "ZX" and int(fields[2]) == pid]


def child(pid, name):
    """The one of that name, or None."""
    return next((number for found, number in children(pid) if found == name), None)


def stop(pid):
    """A stopped process is stopped when all of its threads are."""
    os.kill(pid, signal.SIGSTOP)
    states = lambda: {(stat(f"{pid}/task/{task}") or " X")[1] for task in os.listdir(f"/proc/{pid}/task")}
    wait_for("all of it is stopped", lambda: states() <= {"T", "X"})


@contextlib.contextmanager
def busy_loops(wanted):
    """A busy loop on each processor, if that is wanted."""
    loops = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(os.cpu_count() * wanted)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()


def descriptors(pid):
    """How many it has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def cpu_ticks(pid):
    """The processor time that it has used, in hundredths of a second."""
    return sum(map(int, stat(pid)[12:14]))


def kill_at_once(pids):
    """So that none has the time to clear away. The first in the list dies last, and that is to be the front: the end of a
    parent has a child that is stopped, in a process group of its own, go on with SIGHUP and SIGCONT."""
    for number, order in ((signal.SIGSTOP, pids), (signal.SIGKILL, reversed(pids))):
        for pid in order:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def wait_for_end(pid):
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    with os.fdopen(handle):
        assert select.select([handle], [], [], TIMEOUT)[0], f"process {pid} is still there"


def wait_until_gone(pids, directory):
    """What clears away after a killed cardrig has no parent that could say so; its own end is the event."""
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        assert select.select([handle], [], [], TIMEOUT)[0], f"process {pid} is still there"
        os.close(handle)
    assert not directory.exists()
