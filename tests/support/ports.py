# SPDX-License-Identifier: BSD-3-Clause
"""TCP ports that nobody listens at."""

import contextlib
import os
import socket


def free_ports(count, bases=iter(range(20000 + os.getpid() % 20000, 60000, 16))):
    """The first of so many ports (16 at most) in a row, at which nobody listens, and which nobody got from here before."""
    for base in bases:
        with contextlib.ExitStack() as stack:
            try:
                for port in range(base, base + count):
                    stack.enter_context(socket.socket()).bind(("", port))
            except OSError:
                continue
            return base
    raise AssertionError("no free TCP ports")
