# SPDX-License-Identifier: BSD-3-Clause
"""Ports that nobody listens at."""

import contextlib
import os
import socket


def free_ports(count, kind=socket.SOCK_STREAM, bases=iter(range(20000 + os.getpid() % 20000, 60000, 16))):
    """The first of so many ports (16 at most) in a row, at which nobody listens, and which nobody got from here before.

    They are TCP ports, or UDP ports with SOCK_DGRAM."""
    for base in bases:
        with contextlib.ExitStack() as stack:
            try:
                for port in range(base, base + count):
                    stack.enter_context(socket.socket(type=kind)).bind(("", port))
            except OSError:
                continue
            return base
    raise AssertionError("no free ports")
