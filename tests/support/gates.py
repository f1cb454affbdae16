# SPDX-License-Identifier: BSD-3-Clause
"""Programs that wait in the middle of what they do, while something happens to the card."""

import contextlib
import os
import pty
import subprocess
import termios
import threading

from waiting import TIMEOUT, wait_for


class Gate:
    """A file that can be read once something has happened. Who reads it waits: a program whose input it is, or, by the
    script, what asks for the PIN; the script waits once in each run."""

    def __init__(self, folder, contents=b""):
        self.shut, self.path, self.contents = folder / "shut", folder / "gate", contents
        os.mkfifo(self.path)
        self.script = f"if rm {self.shut} 2>/dev/null; then cat {self.path}; fi"

    def someone_there(self, process):
        with contextlib.suppress(OSError):
            return os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        assert process.poll() is None, process.stdout.read()

    def run(self, home, command, happens, input=None):
        """Returns what the program prints, and its exit status."""
        self.shut.touch()
        with subprocess.Popen(list(map(str, command)), env=home.environment, cwd=home.folder, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8") as process:
            try:
                if input:
                    process.stdin.write(input)
                process.stdin.close()
                process.stdin = None
                end = wait_for("who reads the file", lambda: self.someone_there(process))
                happens()
                with contextlib.suppress(BrokenPipeError):  # it need not wait to see that something is wrong
                    os.write(end, self.contents)
                os.close(end)
                return process.communicate(timeout=TIMEOUT)[0], process.returncode
            finally:
                process.kill()


def ask_in_terminal(home, command, happens, answer):
    """Runs a program in a terminal of its own until it reads without echo, as for a PIN; there it waits. Returns what it
    prints, and its exit status."""
    printed = b""

    def read_all():
        nonlocal printed
        with contextlib.suppress(OSError):  # at the end of the terminal
            while more := os.read(ours, 4096):
                printed += more

    ours, terminal = pty.openpty()
    with subprocess.Popen(["setsid", "-c", "-w", *map(str, command)], env=home.environment, cwd=home.folder, stdin=terminal,
                          stdout=terminal, stderr=terminal) as process:
        reader = threading.Thread(target=read_all)
        reader.start()

        def asks():
            assert process.poll() is None, printed
            return not termios.tcgetattr(ours)[3] & termios.ECHO

        try:
            wait_for("the program asks", asks)
            happens()
            os.write(ours, answer.encode() + b"\n")
            process.wait(TIMEOUT)
        finally:
            process.kill()
            os.close(terminal)  # the last one who has it
            reader.join()
            os.close(ours)
    return printed.decode(errors="replace"), process.returncode
