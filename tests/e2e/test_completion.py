# SPDX-License-Identifier: BSD-3-Clause
"""Completion in the shells: what cardrig proposes, and that bash, zsh and fish type it."""

import os
import pathlib
import pty
import re
import select
import signal
import time

import pytest

from programs import CARDRIG, CARDS, SOURCE, TIMEOUT, run

SCRIPTS = SOURCE / "simulator/cli/completions"


def proposals(*words, **options):
    done = run("__complete", *words, **options)
    assert done.returncode == 0
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


PROPOSALS = [
    (["unp"], ["unplug"]),
    (["help", "sw"], ["swap"]),
    (["swap", "--"], ["--builtin", "--help"]),
    (["remove", "--"], ["--help"]),
    (["run", "--is"], ["--isolation"]),
    (["run", "--isolation", ""], ["auto", "namespaces", "redirect"]),
    (["run", "--isolation=n"], ["--isolation=namespaces"]),
    (["run", "-e", "--tr"], ["--trace"]),
    (["run", "--trace", "--tr"], [":files"]),
    (["run", "--reader", "left"], [":files"]),
    (["run", "--reader", "pin"], ["pinpad", ":files"]),
    (["run", "--reader", "left,slots=2,tok"], ["left,slots=2,token"]),
    (["run", "--reader=left,tc"], ["--reader=left,tck"]),
    (["run", "-c", "rel"], ["relay=", ":files"]),
    (["run", ""], [":command"]),
    (["run", "--", "--"], [":command"]),
    (["run", "ls", "--"], [":files"]),
    (["serve", "--directory", ""], [":directories"]),
    (["serve", "-u", ""], [":users"]),
    (["service", "k"], ["kill"]),
    (["check", "x"], [":files"]),
    (["cards", "pi"], ["piv"]),
    (["readers", "pinp"], ["pinpad"]),
    (["readers", "--text", "pinp"], ["pinpad"]),
    (["doctor", "--probe"], []),
    (["fault", "mut"], ["mute"]),
    (["nonsense", ""], []),
    (["\x1b[31m", ""], []),
    ([], []),
]


@pytest.mark.parametrize("words, expected", PROPOSALS, ids=lambda value: " ".join(value) or "nothing")
def test_proposals(words, expected):
    assert proposals(*words) == expected


def test_slots_of_the_running_rig():
    script = "; ".join(f"{CARDRIG} __complete {words}" for words in
                       ("insert ''", "fault ''", "plug ''", "unplug '2'"))
    done = run("run", "--reader", "one,slots=2", "--reader", "other,usb,unplugged", "--card", f"0={CARDS / 't1-only.lua'}", "--",
               "sh", "-c", script)
    lines = done.stdout.splitlines()
    files = lines.index(":files")
    assert lines[:4] == ["0\tone/0: T=1 only", "1\tone/1: empty", "2\tother/0: empty",
                         "relay=\tthe card in a reader of another PC/SC service"]
    assert "openpgp" in lines[4:files]
    assert lines[files + 1:files + 4] == lines[:3] and "mute" in lines[files + 4:]
    assert lines[-2:] == ["2\tother/0: not plugged in"] * 2


class Shell:
    """A shell in a terminal, in which cardrig is found, and its completion."""

    def __init__(self, name, folder):
        start = {
            "bash": ["bash", "--norc", "--noprofile", "-i"],
            "zsh": ["zsh", "-f", "-i"],
            "fish": ["fish", "--no-config", "--private"],
        }[name]
        setup = {
            "bash": f"source {SCRIPTS}/cardrig.bash",
            "zsh": f"fpath=({SCRIPTS} $fpath); autoload -U compinit; compinit -u -D",
            "fish": f"source {SCRIPTS}/cardrig.fish",
        }[name]
        path = f"{pathlib.Path(CARDRIG).parent}:{os.environ['PATH']}"
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe(start[0], start, {"PATH": path, "HOME": str(folder), "TERM": "dumb", "LC_ALL": "C.UTF-8"})
        self.said = ""
        self.type(f"{setup}; echo rea''dy\n")
        self.wait("ready")

    def type(self, text):
        os.write(self.terminal, text.encode())

    def wait(self, text):
        """Until the shell or a program has printed it, since the last call."""
        end = time.monotonic() + TIMEOUT
        while text not in self.said:
            ready, _, _ = select.select([self.terminal], [], [], end - time.monotonic())
            assert ready, f"no '{text}' in {self.said!r}"
            self.said += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", os.read(self.terminal, 65536).decode(errors="replace"))
        self.said = self.said.split(text, 1)[1]

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.close(self.terminal)
        os.waitpid(self.pid, 0)


@pytest.fixture(params=["bash", "zsh", "fish"])
def shell(request, tmp_path):
    shell = Shell(request.param, tmp_path)
    yield shell
    shell.end()


def test_a_subcommand_and_an_option_are_completed(shell):
    shell.type("cardrig unpl\t--he\t\n")
    shell.wait("Unplug a USB reader of the running rig")


def test_a_value_is_completed(shell):
    shell.type("cardrig run --isolation nam\t -- echo do''ne\n")
    shell.wait("done")
    shell.type("cardrig run --isolation=nam\t -- echo agai''n\n")
    shell.wait("again")


def test_a_file_is_completed(shell, tmp_path):
    (tmp_path / "some-card.lua").write_text((CARDS / "t1-only.lua").read_text())
    shell.type("cardrig check some\t\n")
    shell.wait("some-card.lua: ok: 'T=1 only'")
    shell.type("cardrig run --card some\t -- cardrig status\n")
    shell.wait("T=1 only (")


def test_a_command_is_completed(shell):
    shell.type("cardrig run -- ech\t do''ne\n")
    shell.wait("done")
