# SPDX-License-Identifier: BSD-3-Clause
"""A PC/SC client in a process of its own."""

import json
import subprocess

from programs import PYTHON, SUPPORT
from waiting import TIMEOUT, Lines


PROGRAM = str(SUPPORT / "client_calls.py")


class Client:
    """A PC/SC client in a process of its own: each call is one of client_calls.py's functions."""

    def __init__(self, environment, prefix=()):
        self.process = subprocess.Popen([*prefix, PYTHON, PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=environment)
        self.lines = Lines(self.process.stdout)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.stdin.close()
        self.process.wait(TIMEOUT)
        self.process.stdout.close()

    def start(self, name, *arguments):
        self.process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self.process.stdin.flush()

    def finish(self):
        line = self.lines.next()
        assert line, "the client has died"
        return json.loads(line)

    def __getattr__(self, name):
        def call(*arguments):
            self.start(name, *arguments)
            return self.finish()
        return call
