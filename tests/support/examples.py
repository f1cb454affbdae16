# SPDX-License-Identifier: BSD-3-Clause
"""The examples of README.md, docs/ and the manual pages: where they are, and a terminal in which they are run.

In Markdown an example is a block of code, fenced or indented; in a manual page it is a display, .Dl or .Bd -literal. Its
first line is a command, after the prompt "$ ", or "# " for root. What follows, up to the next prompt, is what the command
prints: "..." stands for any text, and alone on a line for any lines. A command ends where a shell takes it to be complete.

A block whose first line is a comment with the name of a file ("-- hello.lua", "# ask.py", "/* main.c */") is that file: all
examples of the document find it in their folder."""

import contextlib
import dataclasses
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import time

from waiting import TIMEOUT

FILE_NAME = re.compile(r"(?:--|#|/\*) ([\w-]+\.\w+)(?: \*/)?")


@dataclasses.dataclass
class Example:
    document: pathlib.Path
    prompt: str
    steps: list  # of a command, and the lines that it prints
    files: dict  # the document's: text by name

    def __str__(self):
        return f"{self.document.name}: {self.steps[0][0].splitlines()[0]}"


def blocks_of_markdown(text):
    """The lines of each block of code, without fence or indentation."""
    block, fenced = [], False
    for line in [*text.splitlines(), ""]:
        if line.startswith("```"):
            fenced = not fenced
            if not fenced:
                yield block
            block = []
        elif fenced:
            block.append(line)
        elif line.startswith("    ") or block and not line:
            block.append(line[4:])
        elif block:
            yield block
            block = []


def blocks_of_manual(text):
    """The lines of each display, without roff's escapes."""
    for escape, meant in ((r"\(aq", "'"), (r"\(dq", '"'), (r"\-", "-"), (r"\&", ""), (r"\e", "\\")):
        text = text.replace(escape, meant)
    for line, display in re.findall(r"^\.Dl (.*)\n|^\.Bd -literal.*\n((?:.*\n)*?)\.Ed\n", text, re.MULTILINE):
        yield [line] if line else display.splitlines()


def is_complete(command):
    parsed = subprocess.run(["sh", "-n"], input=command, text=True, stderr=subprocess.DEVNULL)
    return parsed.returncode == 0 and not command.endswith("\\")


def steps_of(block, prompt):
    steps = []
    complete = True
    for line in "\n".join(block).rstrip().split("\n"):
        if not complete:
            steps[-1][0] += "\n" + line
        elif line.startswith(prompt):
            steps.append([line.removeprefix(prompt), []])
        else:
            steps[-1][1].append(line)
            continue
        complete = is_complete(steps[-1][0])
    return steps


def examples_of(document):
    """What is to be run, in the order of the document."""
    blocks_of = blocks_of_markdown if document.suffix == ".md" else blocks_of_manual
    blocks = [block for block in blocks_of(document.read_text()) if block]
    files = {match[1]: "\n".join(block) + "\n" for block in blocks if (match := FILE_NAME.fullmatch(block[0]))}
    for block in blocks:
        prompt = block[0][:2]
        if prompt in ("$ ", "# ") and not FILE_NAME.fullmatch(block[0]):
            yield Example(document, prompt, steps_of(block, prompt), files)


# What differs from run to run.
VARYING = [(r"\bseed \d+", "seed N"), (r"\b\d+\.\d+ ms\b", "N ms")]


def without_what_varies(text):
    for pattern, meant in VARYING:
        text = re.sub(pattern, meant, text)
    return text


def matches(wanted, printed):
    """Whether lines were printed as the document has them."""
    patterns = [r"(?:.*\n)*?" if line.strip() == "..." else re.escape(line.rstrip()).replace(r"\.\.\.", ".*") + r"\n"
                for line in without_what_varies("\n".join(wanted)).split("\n")] if wanted else []
    text = "".join(line.rstrip() + "\n" for line in without_what_varies(printed).splitlines())
    return re.fullmatch("".join(patterns) + r"\n*", text) is not None


class Terminal:
    """A shell whose commands print on a terminal, in the order in which one sees it there, and read nothing."""

    def __init__(self, folder, environment, prefix=()):
        self.folder = folder
        self.printed = ""
        ours, theirs = pty.openpty()
        self.screen = ours
        self.shell = subprocess.Popen([*prefix, "sh"], stdin=subprocess.PIPE, stdout=theirs, stderr=theirs, text=True,
                                      cwd=folder, env=environment, start_new_session=True)
        os.close(theirs)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.shell.stdin.close()
        try:
            self.shell.wait(TIMEOUT)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.shell.pid, signal.SIGKILL)
            os.close(self.screen)

    def read(self, seconds):
        """Takes what has been printed, for which it waits so long."""
        while select.select([self.screen], [], [], seconds)[0]:
            self.printed += os.read(self.screen, 1 << 16).decode(errors="replace").replace("\r", "")
            seconds = 0

    def run(self, command, wanted=()):
        """Runs a command of an example. Returns its exit status, and what it has printed. A command that stays, in the
        background, has time until it has printed what is wanted."""
        script = self.folder / ".command"
        status = self.folder / ".status"
        script.write_text(command + "\n")
        self.shell.stdin.write(". ./.command </dev/null; echo $? >.status.new; mv .status.new .status\n")
        self.shell.stdin.flush()
        self.printed = ""
        end = time.monotonic() + TIMEOUT
        while not status.exists() or command.endswith("&") and wanted and not matches(wanted, self.printed):
            assert time.monotonic() < end and self.shell.poll() is None, f"{command}: {self.printed}"
            self.read(0.02)
        self.read(0)
        result = int(status.read_text())
        script.unlink()
        status.unlink()
        return result, self.printed
