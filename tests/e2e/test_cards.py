# SPDX-License-Identifier: BSD-3-Clause
"""insert, remove, swap, status and check, as a user types them; and what cards do that are not sound."""

import json
import os
import re
import subprocess

import pytest

from card_state import insert_and_wait, wait_for_state
from mounts import with_an_empty_run
from programs import CARDRIG, CARDS, SOURCE, run
from rig import Rig
from waiting import TIMEOUT


def test_insert_remove_and_swap(rig):
    done = rig.cardrig("remove")
    assert (done.returncode, done.stdout) == (0, "cardrig/0: removed\n")
    done = rig.cardrig("insert", CARDS / "two-protocols.lua")
    assert (done.returncode, done.stdout) == (0, "cardrig/0: inserted 'two protocols'\n")
    done = rig.cardrig("swap", "cardrig", CARDS / "t0-only.lua")
    assert done.returncode == 0
    assert done.stdout.startswith("cardrig/0: swapped for '")
    done = rig.cardrig("swap", "--builtin")
    assert (done.returncode, done.stdout) == (0, "cardrig/0: swapped for 'cardrig'\n")
    done = rig.cardrig("remove", "0")
    assert done.returncode == 0
    done = rig.cardrig("insert")
    assert (done.returncode, done.stdout) == (0, "cardrig/0: inserted 'cardrig'\n")


def test_a_relative_file(rig):
    assert rig.cardrig("remove").returncode == 0
    done = subprocess.run([CARDRIG, "insert", "./t1-only.lua"], cwd=CARDS, capture_output=True, text=True,
                          env={**os.environ, "CARDRIG_SOCKET": rig.control_socket})
    assert done.returncode == 0, done.stderr
    assert rig.card()["file"] == str(CARDS / "t1-only.lua")


@pytest.mark.parametrize("arguments, text", [
    (["insert"], "holds a card already"), (["insert", "9"], "there is no slot '9'"),
    (["remove", "nobody"], "there is no slot 'nobody'"), (["swap", "/nowhere.lua"], "/nowhere.lua: No such file"),
    (["swap", CARDS / "bad" / "unknown-field.lua"], "unknown-field.lua:"),
    (["swap", "3", CARDS / "t0-only.lua"], "there is no slot '3'")])
def test_what_cannot_be_done(rig, arguments, text):
    done = rig.cardrig(*arguments)
    assert done.returncode == 1
    assert text in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert rig.card()["name"] == "cardrig"


@pytest.mark.parametrize("arguments", [["insert", "a", "b", "c"], ["remove", "a", "b"], ["swap"], ["status", "x"],
                                       ["remove", "--builtin"], ["check"], ["swap", ""], ["insert", "0", ""]])
def test_wrong_arguments(rig, arguments):
    done = rig.cardrig(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("cardrig")


def test_outside_a_rig(temporary):
    done = subprocess.run(with_an_empty_run([CARDRIG, "status"]), capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 1
    assert "CARDRIG_SOCKET is not set, and there is no /run/cardrig/control" in done.stderr
    done = run("remove", env={**os.environ, "CARDRIG_SOCKET": f"{temporary}/gone"})
    assert done.returncode == 1
    assert "has it ended?" in done.stderr


def test_status():
    with Rig("--empty") as rig, rig.client() as client:
        client.establish()
        insert_and_wait(client, rig)
        client.connect()
        client.transmit("0084000008")
        client.reconnect("warm")
        client.reconnect("cold")
        done = rig.cardrig("status")
        assert done.returncode == 0
        for text in ("seed ", "0  cardrig/0, in PC/SC 'cardrig 00 00'", "card      cardrig (built in)", "powered   T=1",
                     "3B 87 80 01", "1 commands; resets: 2 cold, 1 warm; power taken away: 1"):
            assert text in done.stdout, done.stdout
        status = json.loads(rig.cardrig("status", "--json").stdout)
        assert status == rig.do("status")
        card = status["slots"][0]["card"]
        assert card["resets"] == {"cold": 2, "warm": 1, "off": 1}
        assert card["protocol"] == "T=1" and card["commands"] == 1


def test_check():
    good = [CARDS / name for name in sorted(os.listdir(CARDS)) if name.endswith(".lua")]
    done = run("check", *good)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": ok: ") == len(good)
    bad = CARDS / "bad" / "syntax-error.lua"
    done = run("check", good[0], bad, "/nowhere.lua")
    assert done.returncode == 1
    assert done.stdout.count(": ok: ") == 1
    lines = done.stderr.splitlines()
    assert len(lines) == 2 and lines[0].startswith(f"{bad}:") and "/nowhere.lua" in lines[1]


def test_check_reads_the_state(temporary):
    """It says what a rig would, makes no file, and needs no file for itself."""
    state = temporary / "state"
    ok = run("check", f"piv,state={state}")
    assert ok.returncode == 0 and not state.exists()
    with Rig("--card", f"piv,state={state}") as rig:
        assert run("check", f"piv,state={state}").stdout == ok.stdout
        assert rig.cardrig("remove").returncode == 0
    before = state.read_bytes()
    for card, contents, says in (("openpgp", before, "the state of the card 'piv', expected one of 'openpgp'"),
                                 ("piv", b"garbage", "not a state file of cardrig"),
                                 ("piv", b"cardrig state 1\npiv\nxx", "it has a value of an unknown type")):
        state.write_bytes(contents)
        done = run("check", f"{card},state={state}")
        assert done.returncode == 1 and says in done.stderr and state.read_bytes() == contents
    state.unlink()
    done = run("check", f"piv,state={temporary}/nowhere/state")
    assert done.returncode == 1 and "No such file or directory" in done.stderr


@pytest.mark.parametrize("name", sorted(os.listdir(CARDS / "bad")))
def test_bad_cards_are_refused_with_file_line_and_reason(rig, name):
    path = CARDS / "bad" / name
    assert rig.cardrig("remove").returncode == 0
    done = rig.cardrig("insert", path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    where, line, reason = done.stderr.removeprefix("cardrig: ").split(":", 2)
    assert where == str(path) and int(line) >= 1 and reason.strip()
    # and the rig goes on
    assert rig.cardrig("insert", "--builtin").returncode == 0


ROGUE = """
return { atr = "3B 00", commands = {
  { "00 01", function() while true do end end },
  { "00 02", function() return {} end },
  { "00 03", function() error("as asked") end },
  { "00 04", function() return string.rep("x", 1 << 30), 0x9000 end },
  { "00 05", function() return (("a"):rep(30000)):find((".-"):rep(12) .. "b") end },
  { "00 10", "90 00" },
} }
"""


def test_a_card_that_misbehaves(temporary):
    path = temporary / "rogue.lua"
    path.write_text(ROGUE)
    with Rig("--card", path) as rig, rig.client() as client:
        client.establish()
        assert client.connect()[0] == "ok"
        for command in ("0001", "0002", "0003", "0004"):
            assert client.transmit(command + "0000") == ["ok", "6f00"]
            assert client.transmit("00100000") == ["ok", "9000"]
        # one that does not come back at all is dead, until it is inserted again
        assert client.transmit("00050000")[0] == "SCARD_E_NOT_TRANSACTED"
        assert client.transmit("00100000")[0] == "SCARD_E_NOT_TRANSACTED"
        events = client.change()[2]
        assert rig.cardrig("remove").returncode == 0
        assert rig.cardrig("insert").returncode == 0
        wait_for_state(client, "PRESENT", events + 2)
        assert client.connect()[0] == "ok"
        assert client.transmit("00100000") == ["ok", "9000"]
    path.unlink()
    lines = [line for line in rig.errors.splitlines() if "rogue.lua:" in line]
    assert len(lines) == 5, rig.errors
    for number, line in enumerate(lines):
        assert f"rogue.lua:{number + 3}:" in line or number in (3, 4), line


def test_a_file_whose_name_is_not_utf8(temporary):
    path = bytes(temporary) + b"/caf\xe9.lua"
    with open(path, "wb") as file:
        file.write((CARDS / "t0-only.lua").read_bytes())
    done = run("run", "--card", path, "--", CARDRIG, "status")
    assert done.returncode == 0
    assert "/caf?.lua)" in done.stdout
    os.unlink(path)


EXAMPLES = [None, *sorted(path.name for path in CARDS.glob("*.lua"))]


@pytest.mark.parametrize("card", EXAMPLES, ids=[name or "builtin" for name in EXAMPLES])
def test_no_program_takes_an_example_for_a_card_that_it_knows(card):
    """OpenSC asks for the applications of many cards; an example has its own, and no other."""
    options = ["--card", CARDS / card] if card else []
    done = run("run", *options, "--", "sh", "-c", "opensc-tool --name; pkcs11-tool --list-slots")
    assert "Unsupported card" in done.stdout, done
    assert "(token not recognized)" in done.stdout, done


def test_the_builtin_card_selects_its_own_application(rig):
    with rig.client() as client:
        client.establish()
        client.connect()
        for name, answer in (("A000000308", "6a82"), ("A0000001010001", "6a82"), ("F063617264", "6f0a8408"),
                             ("F063617264726967", "6f0a8408"), ("F06361726472696700", "6a82"), ("F0", "6f0a8408")):
            code, found = client.transmit(f"00A40400{len(name) // 2:02X}{name}00")
            assert (code, found[:len(answer)]) == ("ok", answer), name


COUNTER = """
return { atr = "3B 80 01 81", arguments = { first = "the first count" }, commands = {
  { "00 10", function()
      persistent.count = (persistent.count or tonumber(args.first) - 1) + 1
      return string.pack(">I2", persistent.count), 0x9000
    end },
} }
"""


def counted(rig):
    """The count after one more."""
    with rig.client() as client:
        client.establish()
        assert client.connect()[0] == "ok"
        return client.transmit("0010000000")


def test_what_a_card_keeps(temporary):
    """Without a file while it is out, with a file for the next rig; and arguments, which status does not show."""
    path, state = temporary / "counter.lua", temporary / "state"
    path.write_text(COUNTER)
    with Rig("--card", f"{path},first=7") as rig:
        assert counted(rig) == ["ok", "00079000"]
        assert rig.card()["file"] == str(path)
        assert rig.cardrig("remove").returncode == 0
        assert rig.cardrig("insert").returncode == 0
        assert counted(rig) == ["ok", "00089000"]
        assert rig.cardrig("swap", f"{path},first=9,state={state}").returncode == 0
        assert counted(rig) == ["ok", "00099000"]
        second = run("run", "--card", f"{path},state={state}", "--", "true")
        assert second.returncode == 125
        assert second.stderr.startswith(f"cardrig: state={state}: another rig uses this file\n"), second.stderr
        assert rig.cardrig("swap", f"{path},first=7").returncode == 0
        assert counted(rig) == ["ok", "00099000"]
    with Rig("--card", f"{path},state={state}") as rig:
        assert counted(rig) == ["ok", "000a9000"]
    path.unlink()
    state.unlink()


def test_relative_files_and_the_folder_of_a_script(temporary):
    """Paths on the command line are the user's; those in the script begin at the script, wherever the rig is."""
    (temporary / "one.lua").write_text("return 1")
    (temporary / "card.lua").write_text("local one = require 'one'" + COUNTER.replace(" - 1)", " - one)"))
    with Rig("--empty") as rig:
        done = subprocess.run([CARDRIG, "insert", "card.lua,first=2,state=state"], cwd=temporary, capture_output=True,
                              text=True, env={**os.environ, "CARDRIG_SOCKET": rig.control_socket})
        assert (done.returncode, done.stderr) == (0, "")
        assert counted(rig) == ["ok", "00029000"]
    for name in ("one.lua", "card.lua", "state"):
        (temporary / name).unlink()


READY = dict(re.findall(r"^(\w+) +(.*)", run("cards").stdout.split("\n\n")[0], re.MULTILINE))  # what each is, by its name


@pytest.mark.parametrize("card", READY)
def test_a_ready_card_has_a_page_with_its_arguments(card):
    """Each with its default, which the list has in parentheses; and what the card is, in the same words."""
    page = (SOURCE / f"simulator/cli/man/cardrig-{card}.7").read_text()
    assert f"\n.Nd {READY[card][0].lower()}{READY[card][1:]}\n" in page
    assert f"\n.Xr cardrig-{card} 7" in (SOURCE / "simulator/cli/man/cardrig-cards.1").read_text()
    items = page.split("\n.Sh ARGUMENTS\n")[1].split("\n.Sh ")[0].split("\n.It Cm ")[1:]
    described = {re.match(r"\w+", item)[0]: item for item in items}
    listed = dict(re.findall(r"^  (\w+) +(.*)$", run("cards", card).stdout, re.MULTILINE))
    assert list(described) == [*listed, "state"]
    for name, said in listed.items():
        default = re.search(r"\(([^()]+)\)$", said)
        assert not default or re.search(rf"\nThe default is {re.escape(default[1])}\b", described[name]), name
