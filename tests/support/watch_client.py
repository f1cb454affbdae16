# SPDX-License-Identifier: BSD-3-Clause
"""A client of scardmanage_watch.h in a process of its own: watch_client.c."""

import json
import subprocess

from programs import BUILD
from waiting import TIMEOUT, Lines

LONG = 1000 * TIMEOUT


class Watch:
    def __init__(self, environment):
        self.process = subprocess.Popen([BUILD / "bin" / "watch_client"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, env=environment)
        self.lines = Lines(self.process.stdout)

    def __enter__(self):
        return self

    def __exit__(self, kind, *exception):
        self.process.stdin.close()
        try:
            status = self.process.wait(TIMEOUT)
        finally:
            self.process.kill()
            self.process.stdout.close()
        if kind is None:
            assert status == 0, "it hangs, leaks, or has crashed"

    def ask(self, command, number=LONG):
        self.process.stdin.write(f"{command} {number}\n".encode())
        self.process.stdin.flush()
        line = self.lines.next()
        assert line, "the client has died"
        return json.loads(line)

    def event(self):
        """The next one: what happened, and the reader."""
        answer = self.ask("next")
        assert answer["code"] == "00000000", answer
        return answer["event"]

    def happened(self):
        event = self.event()
        return event["reader"], event["happened"]

    def is_quiet(self):
        """No event is due. There may be one later."""
        return self.ask("next", 0)["code"] == "8010000A"
