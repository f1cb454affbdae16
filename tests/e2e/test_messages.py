# SPDX-License-Identifier: BSD-3-Clause
"""What cardrig says: to mistakes, in full; and that help and manual have all that there is, in 80 columns."""

import os
import re
import subprocess

import pytest

from programs import CARDS, SOURCE, run

SUBCOMMANDS = re.findall(r"^  (\w+) ", run("--help").stdout, re.MULTILINE)
MANUAL = SOURCE / "simulator/cli/man"


def test_the_list_of_subcommands():
    assert {"run", "serve", "insert", "remove", "swap", "plug", "unplug", "fault", "status", "check", "atr"} <= \
        set(SUBCOMMANDS)
    assert run("help").stdout == run("--help").stdout == run("-h").stdout


@pytest.mark.parametrize("subcommand", SUBCOMMANDS)
def test_a_subcommand_has_one_summary(subcommand):
    summary = re.search(rf"^  {subcommand} +(.*)$", run("--help").stdout, re.MULTILINE)[1]
    assert f"\n.Nd {summary}\n" in (MANUAL / f"cardrig-{subcommand}.1").read_text()
    assert f"\n.It Xr cardrig-{subcommand} 1\n{summary}\n" in (MANUAL / "cardrig.1").read_text()


@pytest.mark.parametrize("subcommand", SUBCOMMANDS)
def test_help(subcommand):
    done = run(subcommand, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: cardrig {subcommand}")
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    assert run("help", subcommand).stdout == done.stdout
    wrong = run(subcommand, "--nonsense")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith(f"cardrig {subcommand}: unrecognized option '--nonsense'\n")


def options_in_help(subcommand):
    """As "-r, --reader name[,key[=value]]...": they are made from the table that getopt_long is given."""
    found = re.findall(r"^  (-\w,|   ) (--[a-z-]+)( \S+)?", run(subcommand, "--help").stdout, re.MULTILINE)
    return [f"{letter} {name}{value.lower()}".strip() for letter, name, value in found]


def sections(subcommand):
    """The manual page, formatted, with wide lines: each section's text by its heading."""
    text = subprocess.run(["man", "--local-file", MANUAL / f"cardrig-{subcommand}.1"], capture_output=True, text=True, check=True,
                          env={**os.environ, "MANPAGER": "cat", "MANWIDTH": "400", "LC_ALL": "C.UTF-8"}).stdout
    parts = re.split(r"^([A-Z ]+)\n", re.sub(".\b", "", text), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


@pytest.mark.parametrize("subcommand", SUBCOMMANDS)
def test_the_manual_has_the_options_of_the_help(subcommand):
    page = sections(subcommand)
    options = options_in_help(subcommand)
    assert "-h, --help" in options
    assert re.findall(r"^ +(-(?:\w, --|-)[a-z-]+(?: \S+)?)(?:   .*)?$", page["DESCRIPTION"], re.MULTILINE) == options
    usage = run(subcommand, "--help").stdout.split("\n\n")[0].replace("Usage:", "").lower()
    for option in options[:-1]:
        short = re.sub(r"^(-\w), --[a-z-]+", r"\1", option)
        assert f"[{short}]" in page["SYNOPSIS"] or short in usage or option.split(", ")[-1] in usage


def keys():
    said = run("run", "--reader", "r,no-such-thing=1", "--", "true").stderr
    return re.search(r"expected one of (.*)", said)[1].split(", ")


@pytest.mark.parametrize("key", keys())
def test_help_and_manual_have_every_key_of_a_reader(key):
    page = (MANUAL / "cardrig-reader.5").read_text()
    assert re.search(rf"^\.It Cm {key}\b", page, re.MULTILINE)
    for subcommand in ("run", "serve"):
        assert re.search(rf"(^  |, ){key}(=| |\[)", run(subcommand, "--help").stdout, re.MULTILINE), subcommand


def test_the_manual_has_every_command_of_the_control_socket(rig):
    page = (MANUAL / "cardrig-control.7").read_text()
    said = rig.ask(command="dance")["error"]
    names = re.findall(r"\w+", said.split("expected one of ")[1])
    assert {"status", "insert", "unplug"} <= set(names)
    for name in names:
        assert re.search(rf"^\.It Cm .*\b{name}\b", page, re.MULTILINE), name
    for field in re.findall(r"\w+", rig.ask(command="status", nonsense=1)["error"].split("expected one of ")[1]):
        assert re.search(rf"^\.It Va {field}\b", page, re.MULTILINE), field


WRONG = [
    (["run", "--reader", "r,vendor=Foo, Inc.", "--", "true"],
     f"--reader: reader 'r': ' Inc.': expected one of {', '.join(keys())}; a comma in a name or value is written "
     "twice: ',,'"),
    (["run", "--reader", "r,slost=2", "--", "true"],
     "--reader: reader 'r': 'slost=2': did you mean 'slots'?"),
    (["run", "--empty", "--card", "x.lua", "--", "true"],
     "--empty and --card exclude each other: leave --empty out, or use 'cardrig insert' later"),
    (["run", "--card", "3=x.lua", "--", "true"],
     "--card 3=x.lua: there is no slot '3': the slots are 0 (cardrig/0)"),
    (["run", "-r", "left", "-r", "right,slots=2", "--card", "x=x.lua", "--", "true"],
     "--card x=x.lua: there is no slot 'x': the slots are 0 (left/0), 1 (right/0), 2 (right/1)"),
    (["inset"], "there is no subcommand 'inset': did you mean 'insert'?"),
    (["dance"], "there is no subcommand 'dance'; 'cardrig --help' lists them"),
    (["help", "runn"], "there is no subcommand 'runn': did you mean 'run'?"),
    (["run"], "run: which command? For example: cardrig run -- opensc-tool --atr"),
]


@pytest.mark.parametrize("arguments, said", WRONG)
def test_wrong_command_lines(arguments, said):
    done = run(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"cardrig: {said}\n")


SCRIPTS = {
    'atr = "3B 00"\n{ atr = atr }':
        ":2: unexpected symbol near '{'; a card is a Lua script that returns its table: return { ... }",
    '{ "atr": "3B 00" }':
        ":1: unexpected symbol near '{'; a card is a Lua script that returns its table: return { ... }",
    '[{ "atr": "3B 00" }]': ":1: unexpected symbol near '['; this looks like JSON: a card is a Lua script",
    "\x7fELF\0\0": ":1: a binary file, expected the text of a card script",
    'local f = io.open("/etc/passwd")':
        ":1: attempt to index a nil value (global 'io'); the sandbox of card scripts has no 'io' ('man cardrig-card' "
        "lists what it has)",
    '\nrequire "posix"':
        ":2: require: 'posix': posix.lua: No such file or directory; nor is it a module of cardrig",
    "return { atr = '0x3B 0x00' }": ":1: atr: character 2: bytes are written without 0x",
    "return { atr = '3B 00', commands = { { '0x00', '90 00' } } }":
        ":1: commands[1]: pattern: character 2: bytes are written without 0x",
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_is_no_card(temporary, script):
    path = temporary / "card.lua"
    path.write_text(script)
    done = run("check", path)
    path.unlink()
    assert (done.returncode, done.stderr) == (1, f"{path}{SCRIPTS[script]}\n")


def test_a_file_that_was_taken_for_a_slot(rig, temporary, monkeypatch):
    rig.do("remove")
    monkeypatch.chdir(temporary)
    path = temporary / "hello"
    path.write_text((CARDS / "t0-only.lua").read_text())
    done = rig.cardrig("insert", "hello")
    assert (done.returncode, done.stderr) == (1, "cardrig: there is no slot 'hello': the slots are 0 (cardrig/0)\ncardrig: "
                                              "'hello' is a file, but was taken for a slot: write ./hello for the card "
                                              "in it\n")
    assert rig.cardrig("insert", "./hello").returncode == 0
    path.unlink()


def test_a_misspelt_fault(rig):
    for arguments in (["muet"], ["0", "muet"]):
        done = rig.cardrig("fault", *arguments)
        assert (done.returncode, done.stderr) == (2, "cardrig: there is no fault 'muet': did you mean 'mute'?\n")


def test_a_pcscd_that_is_none():
    done = run("run", "--pcscd", "/bin/true", "--", "sleep", "100")
    assert done.returncode == 125
    assert "cardrig: pcscd has died before it was ready (exit status 0): is /bin/true a pcscd?\n" in done.stderr


def test_commas_in_names_and_values():
    script = 'echo "$CARDRIG_READER"; opensc-tool --list-readers; cardrig status'
    done = run("run", "--reader", "Foo,, Inc. 1,vendor=Foo,, Inc.,serial=,,,slots=2", "--", "sh", "-c", script)
    lines = done.stdout.splitlines()
    assert lines[0] == "Foo, Inc. 1 00 00"
    assert sum("Foo, Inc. 1 00 0" in line for line in lines[1:]) >= 2, done
