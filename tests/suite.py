#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""suite.py [OPTION...] BUILD...: the tests of one or more build trees at once, by ctest: see './dev test --help'.

Most tests wait most of the time, so more of them run at once than there are processors. What ctest says is passed on line by
line, with the time; the end is ctest's own, for all trees together.
"""

import argparse
import json
import os
import pathlib
import re
import select
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))
from processes import busy_loops  # noqa: E402

AT_ONCE = 2  # tests for each processor
QUIET = 30  # seconds, after which it says what is under way
LAST_LINES = 25  # of what a failed test said, which come again at the end, where people look
TREE = "CTestTestfile.cmake"


def minutes(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def count(ctest, folder):
    listed = subprocess.run([*ctest, "--show-only=json-v1"], cwd=folder, capture_output=True, text=True, check=True)
    return len(json.loads(listed.stdout)["tests"])


class Progress:
    """ctest's output as it goes on to the user."""

    def __init__(self, expected):
        self.expected = expected
        self.begun = time.monotonic()
        self.running = []
        self.finished = ""  # N/M
        self.failed = {}  # name: what it said
        self.saying = None  # the failed test whose output is coming

    def seconds(self):
        return time.monotonic() - self.begun

    def say(self, text):
        expected = f" of about {minutes(self.expected)}" if self.expected else ""
        print(f"[{minutes(self.seconds())}{expected}] {text}", flush=True)

    def line(self, line):
        if started := re.match(r" +Start +\d+: (\S+)", line):
            if started[1] not in self.running:  # with --repeat it starts several times
                self.running.append(started[1])
            self.saying = None
        elif ended := re.match(r" *(\d+/\d+) Test +#\d+: (\S+)", line):
            self.finished = ended[1]
            if ended[2] in self.running:
                self.running.remove(ended[2])
            self.saying = self.failed.setdefault(ended[2], []) if "***" in line else None
            self.say(line)
        elif not line.startswith(("Test project ", "Internal ctest ")):
            if self.saying is not None and line.strip():
                self.saying.append(line)
            print(line, flush=True)

    def end(self):
        for name, lines in self.failed.items():
            print(f"\n{name} failed. The last that it said:")
            print(*lines[-LAST_LINES:], sep="\n", flush=True)

    def nothing(self):
        self.say(f"{self.finished or 'none'} done; under way: {', '.join(self.running)}")


def run(ctest, folder, progress):
    with subprocess.Popen(ctest, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0) as process:
        text = b""
        while True:
            if not select.select([process.stdout], [], [], QUIET)[0]:
                progress.nothing()
                continue
            if not (more := os.read(process.stdout.fileno(), 1 << 16)):
                break
            *lines, text = (text + more).split(b"\n")
            for line in lines:
                progress.line(line.decode(errors="replace"))
        print(text.decode(errors="replace"), end="", flush=True)
    return process.returncode


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("-R", metavar="REGEX", dest="only")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--load", action="store_true")
    parser.add_argument("builds", nargs="+", type=pathlib.Path)
    options = parser.parse_args()

    folder = options.builds[0] / "suite"
    folder.mkdir(exist_ok=True)
    (folder / TREE).write_text("".join(f'subdirs("{build.resolve()}")\n' for build in options.builds))
    at_once = AT_ONCE * len(os.sched_getaffinity(0))
    ctest = ["ctest", "--output-on-failure", "--no-label-summary", "--parallel", str(at_once)]
    ctest += ["-L", "^quick$"] if options.quick else []
    ctest += ["-R", options.only] if options.only else []
    ctest += ["--repeat", f"until-fail:{options.repeat}"] if options.repeat > 1 else []
    number = count(ctest, folder)
    if number == 0:
        print(f"There is no test {options.only}", file=sys.stderr)
        return 1

    last = folder / f"seconds{'-quick' * options.quick}"
    whole = not options.only and options.repeat == 1 and not options.load
    expected = float(last.read_text()) if whole and last.exists() else None
    print(f"Testing: {number} tests, {at_once} at once{', beside a load' * options.load}", flush=True)
    with busy_loops(options.load):
        progress = Progress(expected)
        status = run(ctest, folder, progress)
        progress.end()
    if whole and status == 0:
        last.write_text(str(progress.seconds()))
    return status


if __name__ == "__main__":
    sys.exit(main())
