# SPDX-License-Identifier: BSD-3-Clause
"""Waiting for something, with a deadline; and what there is to see of processes, which may end meanwhile."""

import contextlib
import os
import select
import signal
import time

TIMEOUT = 60  # seconds, on everything: a test that needs them has found something that hangs


def lead_a_group():
    """Makes this process and its children a group of processes of their own. In a group that no shell keeps from being
    orphaned, the end of a command of 'cardrig run', whose parent is in another group, is what orphans it; and if a process
    in it is stopped then, Linux sends SIGHUP to them all. Tests stop processes, and those beside them are not to end by it.
    At a terminal there is a shell, and Ctrl-C is for the whole group."""
    if os.isatty(0):
        return
    with contextlib.suppress(PermissionError):  # it leads a session
        os.setpgid(0, 0)


def wait_for(what, condition, seconds=TIMEOUT):
    """Waits until the condition holds, and returns what it gave."""
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.005)
    return result


class Lines:
    """The lines that come out of a pipe. Nothing else may read from it meanwhile."""

    def __init__(self, pipe):
        self.fd = pipe.fileno()
        self.seen = b""

    def ready(self, seconds):
        """Whether there is something to read within that time."""
        return b"\n" in self.seen or bool(select.select([self.fd], [], [], max(0, seconds))[0])

    def next(self, seconds=TIMEOUT):
        """Without its end; empty at the end of the pipe."""
        end = time.monotonic() + seconds
        while b"\n" not in self.seen:
            assert self.ready(end - time.monotonic()), f"no line within {seconds} s, but {self.seen}"
            more = os.read(self.fd, 1 << 20)
            if not more:
                break
            self.seen += more
        line, _, self.seen = self.seen.partition(b"\n")
        return line.decode()


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


def cpu_ticks(pid):
    """The processor time that it has used, in hundredths of a second."""
    return sum(map(int, stat(pid)[12:14]))


def insert_for(client, rig, **file):
    """Puts a card into the empty slot, and waits until PC/SC has it, now that the client is there: pcscd switches one off that
    nobody has used for five seconds, and on a busy machine a client takes as long to start."""
    rig.do("insert", **file)
    until(client, "PRESENT")


def until(client, name, count=None):
    """Waits until the client's reader is in a state of this name; returns state, event counter and ATR.

    pcscd sets the state before it raises the counter. So the counter is sure to be right only where it was asked for."""
    code, state, counter, names, atr = client.change()
    while name not in names or count not in (None, counter):
        code, state, counter, names, atr = client.change(state, 20000)
        assert code == "ok", f"not {name} after {count} events, but {names} after {counter}"
    return state, counter, atr
