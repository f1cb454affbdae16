# SPDX-License-Identifier: BSD-3-Clause
"""A rig whose processes were all killed."""

import pathlib
import subprocess

from processes import children, kill_at_once, stat, wait_for_end
from programs import CARDRIG
from waiting import TIMEOUT


class KilledRig:
    """A rig of which nothing lives but what its command has started, and its directory."""

    def __init__(self, script="setsid sleep 1000", rig=(), **options):
        self.process = subprocess.Popen(
            [CARDRIG, "run", *rig, "--", "sh", "-c", f'{script} >/dev/null 2>&1 & echo $! "$CARDRIG_SOCKET"; read stay'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, **options)
        pid, control = self.process.stdout.readline().split()
        self.pid, self.directory = int(pid), pathlib.Path(control).parent
        while stat(self.pid)[0] != "sleep":  # what is between two programs has no environment
            pass
        supervisor = dict(children(self.process.pid))["cardrig"]
        self.parts = [self.process.pid, supervisor, *dict(children(supervisor)).values()]
        kill_at_once(self.parts)
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(TIMEOUT)
        for part in self.parts:
            wait_for_end(part)
