# SPDX-License-Identifier: BSD-3-Clause
"""A client of libscardmanage in a process of its own: manage_client.c."""

import collections
import json
import subprocess

from programs import BUILD
from waiting import TIMEOUT, Lines


FOREVER = 0xFFFFFFFF


class Manage:
    """A process of manage_client: each call is one of its, and what it got is a dictionary."""

    def __init__(self, environment, reader, prefix=(), **more):
        self.reader = reader
        self.process = subprocess.Popen([*prefix, BUILD / "bin" / "manage_client"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, env={**environment, **more})
        self.lines = Lines(self.process.stdout)

    def __enter__(self):
        return self

    def __exit__(self, kind, *exception):
        self.process.stdin.close()
        try:
            status = self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.process.stdout.close()
        if kind is None:
            assert status == 0, "it hangs, leaks, or has crashed"

    def line(self):
        """The next one. In its time, or it hangs."""
        try:
            line = self.lines.next()
            assert line, "the client has died"
        except AssertionError:
            self.process.kill()
            raise
        return json.loads(line)

    def ask(self, call, **arguments):
        self.process.stdin.write(json.dumps({"call": call, **arguments}).encode() + b"\n")
        self.process.stdin.flush()
        return self.line()

    def start(self, call, name="a", **arguments):
        """In a thread: for finish()."""
        self.ask("start", name=name, do={"call": call, **arguments})

    def finish(self, name="a"):
        return self.ask("finish", name=name)

    def __getattr__(self, call):
        if call in ("attach_by_ifd", "pcsc_connect", "pcsc_events"):
            return lambda **arguments: self.ask(call, **{"reader": self.reader, **arguments})
        return lambda **arguments: self.ask(call, **arguments)


Outcome = collections.namedtuple("Outcome", "code step verdict lock")


def outcome_of(answer):
    """What a test compares: code, step, verdict, lock."""
    report = answer["report"]
    return Outcome(answer["code"], report["step"], report["verdict"], report["lock"])


def count_in(answer):
    if answer["code"] != "S_OK":
        return answer["code"]
    response = bytes.fromhex(answer["response"])
    assert response[-2:] == b"\x90\x00", response
    return int.from_bytes(response[:2], "big"), response[4:-2].decode()


def total_in(answer):
    """How often the card was asked since it was put in."""
    assert answer["code"] == "S_OK", answer
    return int.from_bytes(bytes.fromhex(answer["response"])[2:4], "big")
