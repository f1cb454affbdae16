# SPDX-License-Identifier: BSD-3-Clause
"""A vpcd card of the storm: as identity.lua, in a process that can be killed. storm_card.py PORT [HALF]

Connects to the reader at PORT, again and again. With HALF, its HALFth answer is but half an answer, and its end.
"""

import os
import pathlib
import signal
import socket
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import vpcd_card


class Identity(vpcd_card.Card):
    """Dies in the middle of an answer, if half says so."""

    def __init__(self, half):
        super().__init__()
        self.identity = os.urandom(8)
        self.half = half

    def serve(self, connection):
        self.connection = connection
        super().serve(connection)

    def answer(self, command):
        answer = self.identity + command[5:5 + command[4]] + b"\x90\x00"
        self.half -= 1
        if self.half == 0:
            self.connection.sendall(struct.pack(">H", len(answer)) + answer[:4])
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


half = int(sys.argv[2]) if len(sys.argv) > 2 else 0
while True:
    try:
        with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
            Identity(half).serve(connection)
    except OSError:
        pass
    time.sleep(0.02)
