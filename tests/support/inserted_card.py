# SPDX-License-Identifier: BSD-3-Clause
"""A vpcd card of vpcd_card.py in a thread."""

import contextlib
import socket
import threading

from vpcd_card import Card
from waiting import TIMEOUT


class Inserted:
    """A card in a thread of its own, from its connection on to its end."""

    def __init__(self, port, card=None, host="127.0.0.1", source=None):
        self.card = card or Card()
        self.connection = socket.create_connection((host, port), TIMEOUT, source)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with contextlib.suppress(OSError):
            self.card.serve(self.connection)
            self.connection.close()

    def remove(self):
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.thread.join(TIMEOUT)
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.remove()
