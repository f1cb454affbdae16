# SPDX-License-Identifier: BSD-3-Clause
"""Waiting for something, with a deadline."""

import os
import select
import time

TIMEOUT = 60  # seconds, on everything: a test that needs them has found something that hangs


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
