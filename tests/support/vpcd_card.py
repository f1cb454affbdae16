# SPDX-License-Identifier: BSD-3-Clause
"""A vpcd card, as small as can be: connects to HOST PORT (or, given 'listen', lets the reader connect) and answers.

As a module: class Card, for tests that misbehave. As a program: python3 vpcd_card.py HOST PORT [ATR] | listen PORT
"""

import socket
import struct
import sys

ATR = bytes.fromhex("3B8001 81".replace(" ", ""))
OFF, ON, RESET, GET_ATR = 0, 1, 2, 4


def send(connection, message):
    connection.sendall(struct.pack(">H", len(message)) + message)


def receive(connection):
    """A message, or None at the end."""
    def exactly(count):
        data = b""
        while len(data) < count:
            more = connection.recv(count - len(data))
            if not more:
                return None
            data += more
        return data
    head = exactly(2)
    return head and exactly(struct.unpack(">H", head)[0])


class Card:
    """Answers 90 00, behind the command's data; counts what is done to it."""

    def __init__(self, atr=ATR):
        self.atr = atr
        self.controls = []
        self.commands = []

    def answer(self, command):
        return command[5:] + b"\x90\x00"

    def serve(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while message := receive(connection):
            if message == bytes([GET_ATR]):
                send(connection, self.atr)
            elif len(message) == 1:
                self.controls.append(message[0])
            else:
                self.commands.append(message)
                send(connection, self.answer(message))


def main():
    if sys.argv[1] == "listen":
        with socket.create_server(("127.0.0.1", int(sys.argv[2]))) as listener:
            while True:
                with listener.accept()[0] as connection:
                    Card().serve(connection)
    with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
        Card(*map(bytes.fromhex, sys.argv[3:])).serve(connection)


if __name__ == "__main__":
    main()
