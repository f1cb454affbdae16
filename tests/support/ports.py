# SPDX-License-Identifier: BSD-3-Clause
"""Ports that nobody listens at."""

import contextlib
import os
import socket


# From 32768 on, the kernel gives ports to those who do not ask for one, at any time.
FIRST, IN_A_ROW, ROWS = 20000, 16, 797


def free_ports(count, kind=socket.SOCK_STREAM, rows=iter(range(31 * os.getpid(), 31 * os.getpid() + ROWS))):
    """The first of so many ports (IN_A_ROW at most) in a row, at which nobody listens, and which nobody got from here before.

    They are TCP ports, or UDP ports with SOCK_DGRAM."""
    for base in (FIRST + IN_A_ROW * (row % ROWS) for row in rows):
        with contextlib.ExitStack() as stack:
            try:
                for port in range(base, base + count):
                    stack.enter_context(socket.socket(type=kind)).bind(("", port))
            except OSError:
                continue
            return base
    raise AssertionError("no free ports")
