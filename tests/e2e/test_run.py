# SPDX-License-Identifier: BSD-3-Clause
"""cardrig run: what it gives to the command, how it ends, and that nothing is left, however it ends."""

import json
import os
import re
import shutil
import signal
import subprocess

import pytest

from processes import alive, child, stop, wait_until_gone
from programs import CARDRIG, CARDS, DRIVER, PYTHON, run
from rig import BUILT_IN_ATR, Rig
from terminal import COUNTS_INTERRUPTS, IN_A_TERMINAL
from users import HAS_NAMESPACES, no_namespaces, ordinary_user
from waiting import TIMEOUT, Lines, wait_for


@pytest.mark.parametrize("program", [["opensc-tool", "--atr"], ["pcsc_scan", "-r"],
                                     [PYTHON, "-c", "import smartcard.System as s; print(s.readers())"]])
def test_programs_that_know_only_pcsc(program):
    done = run("run", "--", *program)
    assert done.returncode == 0
    assert {"opensc-tool": BUILT_IN_ATR, "pcsc_scan": "0: cardrig 00 00", PYTHON: "['cardrig 00 00']"}[
        program[0]] in done.stdout


@pytest.mark.parametrize("isolation", ["auto", "namespaces", "redirect"])
def test_as_an_ordinary_user(temporary, isolation):
    done = subprocess.run([*ordinary_user(temporary), CARDRIG, "run", "--isolation", isolation, "--",
                           "opensc-tool", "--atr"], capture_output=True, text=True, timeout=TIMEOUT)
    if isolation == "namespaces" and not HAS_NAMESPACES:
        assert done.returncode == 125 and "cannot start" in done.stderr
        return
    assert done.stdout.strip() == BUILT_IN_ATR, done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize("user", ["root", "ordinary"])
def test_without_namespaces_it_falls_back_and_status_says_so(temporary, user):
    prefix = ordinary_user(temporary) if user == "ordinary" else []
    done = subprocess.run([*prefix, *no_namespaces, CARDRIG, "run", "--", "sh", "-c", 'opensc-tool --atr; "$0" status',
                           CARDRIG], capture_output=True, text=True, timeout=TIMEOUT)
    atr, _, pcscd, *_ = done.stdout.splitlines()
    assert atr == BUILT_IN_ATR, done.stderr
    assert pcscd.startswith("pcscd running; no namespaces here (")
    assert "namespaces" not in done.stderr
    done = subprocess.run([*prefix, *no_namespaces, CARDRIG, "run", "--pcscd", "/bin/true", "--", "true"],
                          capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 125 and "no namespaces here (" in done.stderr
    done = subprocess.run([*prefix, *no_namespaces, CARDRIG, "run", "--isolation", "namespaces", "--", "true"],
                          capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 125
    assert "cannot start" in done.stderr


def system_files():
    """What a pcscd for the whole system has in /run."""
    return sorted(os.listdir("/run/pcscd")) if os.path.exists("/run/pcscd") else None


@pytest.mark.parametrize("isolation", ["auto", "redirect"])
def test_the_systems_pcscd_is_left_alone(isolation):
    before = system_files()
    with Rig("--isolation", isolation) as rig, rig.client() as client:
        assert client.establish() == ["ok"]
        assert client.readers() == ["ok", ["cardrig 00 00"]]
        assert system_files() == before
        assert sorted(os.listdir(rig.directory / "run" / "pcscd")) == ["pcscd.comm", "pcscd.pid"]
    assert system_files() == before


def test_environment_of_the_command():
    done = run("run", "--reader", "My Reader", "--", "env")
    lines = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert lines["CARDRIG_READER"] == "My Reader 00 00"
    assert lines["PCSCLITE_CSOCK_NAME"].endswith("/pcscd.comm")
    assert lines["CARDRIG_SOCKET"].endswith("/control")
    assert "LISTEN_FDS" not in lines and "CARDRIG_REDIRECT" not in lines


def test_nothing_is_left_open_for_the_command():
    done = run("run", "--", "sh", "-c", "ls /proc/$$/fd")
    assert done.stdout.split() == ["0", "1", "2"]


@pytest.mark.parametrize("command, status", [
    (["true"], 0), (["sh", "-c", "exit 7"], 7), (["sh", "-c", "kill -TERM $$"], -15), (["sh", "-c", "kill -9 $$"], -9),
    (["sh", "-c", "kill -SEGV $$"], -11), (["no-such-command"], 127), (["/etc/passwd"], 126)])
def test_exit_status_is_the_commands(command, status):
    assert run("run", "--", *command).returncode == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1])
def test_signals_are_passed_on(number):
    rig = Rig()
    rig.process.send_signal(number)
    rig.wait()
    assert rig.process.returncode == -number


# Not with a handler: Python calls it only after a read(2) that began just after the signal.
CATCHES_TERM = """
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print("ready", flush=True)
signal.sigwait([signal.SIGTERM])
print("caught", flush=True)
sys.exit(int(sys.stdin.readline()))
"""


def test_a_command_that_survives_a_signal_goes_on():
    process = subprocess.Popen([CARDRIG, "run", "--", PYTHON, "-c", CATCHES_TERM], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    lines = Lines(process.stdout)
    assert lines.next() == "ready"
    process.terminate()
    assert lines.next() == "caught"
    process.communicate("9\n", timeout=TIMEOUT)
    assert process.returncode == 9


def test_ctrl_c_reaches_the_command_once():
    """The terminal sends SIGINT to all of its foreground, so that cardrig must not send it again."""
    done = subprocess.run([PYTHON, "-c", IN_A_TERMINAL, CARDRIG, "run", "--", PYTHON, "-c", COUNTS_INTERRUPTS],
                          capture_output=True, text=True, timeout=TIMEOUT)
    assert done.stdout.split() == ["1", "5"], done.stderr


@pytest.mark.parametrize("part, text", [("pcscd", "pcscd has died (killed by signal 9"),
                                        ("cardrig", "the simulator has died (killed by signal 9")])
def test_a_part_is_killed(part, text):
    rig = Rig()
    children = rig.children()
    os.kill(children[part], signal.SIGKILL)
    assert rig.wait() == 125
    assert text in rig.errors
    assert not any(alive(pid) for pid in children.values())


def test_a_command_that_ignores_the_end_of_its_rig():
    process = subprocess.Popen([CARDRIG, "run", "--", "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert Lines(process.stdout).next() == "ready"
    os.kill(child(child(process.pid, "cardrig"), "pcscd"), signal.SIGKILL)
    process.communicate(timeout=TIMEOUT)
    assert process.returncode == 125


def test_cardrig_itself_is_killed():
    rig = Rig()
    parts = [*rig.children().values(), rig.supervisor()]
    rig.process.kill()
    rig.process.wait(TIMEOUT)
    wait_until_gone(parts, rig.directory)
    assert "cardrig was killed" in rig.process.stderr.read()
    rig.process.stdin.close()
    rig.process.stdout.close()
    rig.process.stderr.close()


def test_what_the_command_leaves_running_is_ended():
    done = run("run", "--", "sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $!; exit 3")
    assert done.returncode == 3
    assert "ended 1 process that the command had left running" in done.stderr
    assert not alive(int(done.stdout))


def test_the_simulator_is_killed_during_a_transmit():
    rig = Rig("--card", CARDS / "two-protocols.lua")
    with rig.client() as client:
        assert client.establish() == ["ok"]
        assert client.connect()[0] == "ok"
        simulator = rig.children()["cardrig"]
        stop(simulator)
        client.start("transmit", "0084000008")
        os.kill(simulator, signal.SIGKILL)
        # which code depends on what it hears of first: the exchange that failed, the card that went, the pcscd that ends
        assert client.finish()[0] != "ok"
        assert rig.wait() == 125


def test_a_group_that_no_shell_keeps_gets_no_signal():
    """The end of a command whose parent is in another group of processes does not orphan the group that it is in; if it did,
    the stopped process there would bring SIGHUP on all of them."""
    script = f"sleep 1000 & kill -STOP $!; {CARDRIG} run -- true; echo $?; kill -KILL $!"
    done = subprocess.run(["sh", "-c", script], start_new_session=True, capture_output=True, text=True, timeout=TIMEOUT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")


def test_pcscd_is_killed_during_a_transmit():
    rig = Rig("--card", CARDS / "two-protocols.lua")
    with rig.client() as client:
        assert client.establish() == ["ok"]
        assert client.connect()[0] == "ok"
        parts = rig.children()
        stop(parts["cardrig"])
        client.start("transmit", "0084000008")
        os.kill(parts["pcscd"], signal.SIGKILL)
        assert client.finish()[0] not in ("ok",)
        os.kill(parts["cardrig"], signal.SIGCONT)
        assert rig.wait() == 125
        assert not any(alive(pid) for pid in parts.values())


def test_without_pcscd():
    done = run("run", "--", "true", env={**os.environ, "PATH": "/nowhere", "CARDRIG_PCSCD": "/nowhere/pcscd"})
    assert done.returncode == 125
    assert "cannot run /nowhere/pcscd: No such file or directory" in done.stderr


def test_a_pcscd_that_does_not_start(temporary):
    fake = temporary / "pcscd"
    fake.write_text("#!/bin/sh\necho out of order\nexit 3\n")
    fake.chmod(0o755)
    done = run("run", "--pcscd", fake, "--", "sleep", 1000)
    fake.unlink()
    assert done.returncode == 125
    assert f"pcscd has died before it was ready (exit status 3): is {fake} a pcscd?" in done.stderr
    assert "cardrig: pcscd: out of order" in done.stderr


def test_pcscd_log(temporary):
    log = temporary / "log"
    done = run("run", "--pcscd-log", log, "--", "opensc-tool", "--send-apdu", "00A4040000")
    text = log.read_text()
    log.unlink()
    assert done.returncode == 0
    assert "APDU: 00 A4 04 00 00" in text


@pytest.mark.parametrize("options, status, text", [
    ([], 2, "which command?"),
    (["--nonsense", "--", "true"], 2, "--nonsense"),
    (["--seed", "x", "--", "true"], 2, "--seed x: expected a number"),
    (["--seed", "-1", "--", "true"], 2, "--seed -1: expected a number"),
    (["--isolation", "prayer", "--", "true"], 2, "expected auto, namespaces or redirect"),
    (["--empty", "--card", "x.lua", "--", "true"], 2, "exclude each other"),
    (["--reader", "a\"b", "--", "true"], 2, "must not contain"),
    (["--reader", "", "--", "true"], 2, "must have 1 to 121 bytes"),
    (["--reader", "a,slots=0", "--", "true"], 2, "N from 1 to 255"),
    (["--reader", "a,slots=256", "--", "true"], 2, "N from 1 to 255"),
    (["--reader", "a,slots=4294967297", "--", "true"], 2, "N from 1 to 255"),
    (["--reader", b"caf\xe9", "--", "true"], 2, "not UTF-8"),
    (["--reader", "a,colour=red", "--", "true"], 2, "'colour=red': expected one of name, slots, level"),
    (["--reader", "a,slots=200", "--reader", "b,slots=56", "--", "true"], 2, "255 in all (200 are taken)"),
    (["--card", "nowhere.lua", "--", "true"], 125, "nowhere.lua: No such file"),
    (["--card", "5=nowhere.lua", "--", "true"], 2, "there is no slot '5'"),
    (["--card", "/dev", "--", "true"], 125, "/dev"),
    (["--card", CARDS / "t0-only.lua", "--card", CARDS / "t1-only.lua", "--", "true"], 2, "no slot is left"),
    (["--card", "0=", "--", "true"], 2, "--card 0=: expected a file after the '='"),
    (["--card", CARDS / "bad" / "syntax-error.lua", "--", "true"], 125, "syntax-error.lua:"),
])
def test_wrong_command_lines(options, status, text):
    done = run("run", *options)
    assert done.returncode == status
    assert text in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_readers_and_slots():
    with Rig("--reader", "first,slots=2", "--reader", "second", "--card", CARDS / "t0-only.lua", "--card",
             f"second={CARDS / 't1-only.lua'}") as rig, rig.client() as client:
        assert client.establish() == ["ok"]
        assert client.readers() == ["ok", ["first 00 00", "first 00 01", "second 01 00"]]
        names = [slot["card"] and slot["card"]["name"] for slot in rig.do("status")["slots"]]
        assert names[0] and names[2] and not names[1]


def test_sixteen_slots():
    options = [word for i in range(8) for word in ("--reader", f"r{i},slots=2")]
    with Rig(*options) as rig, rig.client() as client:
        assert client.establish() == ["ok"]
        assert len(client.readers()[1]) == 16


def test_a_seed_repeats_a_run():
    def challenge(*options):
        return run("run", *options, "--", "opensc-tool", "--send-apdu", "0084000008").stdout
    assert challenge("--seed", 42) == challenge("--seed", 42)
    assert challenge("--seed", 42) != challenge("--seed", 43)
    with Rig("--seed", 42) as rig:
        assert rig.do("status")["seed"] == 42


RANDOM_CARDS = {
    "when it is loaded": 'random(1) return { atr = "3B 80 01 81" }',
    "by math.random": 'local x = math.random() return { atr = "3B 80 01 81" }',
    "seeded by itself": 'math.randomseed(4) local x = math.random() return { atr = "3B 80 01 81" }',
}


@pytest.mark.parametrize("how, reported", [("when it is loaded", True), ("by math.random", True), ("seeded by itself", False)])
def test_the_seed_is_reported_when_a_card_has_drawn(temporary, how, reported):
    card = temporary / "card.lua"
    card.write_text(RANDOM_CARDS[how])
    assert ("repeats what was random" in run("run", "--card", card, "--", "false").stderr) == reported
    card.unlink()


CHALLENGE = "opensc-tool -s 0084000008 >&2;"


@pytest.mark.parametrize("options, script, reported", [
    ((), CHALLENGE + "exit 1", True), ((), "exit 1", False), ((), CHALLENGE, False), (("--seed", 42), CHALLENGE + "exit 1", False)])
def test_the_seed_is_reported_where_it_helps(options, script, reported):
    """After a failure, if chance had a part in it, and only if the seed was not given."""
    assert ("repeats what was random" in run("run", *options, "--", "sh", "-c", script).stderr) == reported


def test_twenty_rigs_at_once():
    rigs = [Rig() for _ in range(20)]
    try:
        clients = [rig.client() for rig in rigs]
        for client in clients:
            assert client.establish() == ["ok"]
        for client in clients:
            assert client.connect()[0] == "ok"
        for number, rig in enumerate(rigs):
            for _ in range(number):
                assert clients[number].transmit("0084000008")[0] == "ok"
        assert [rig.card()["commands"] for rig in rigs] == list(range(20))
        for client in clients:
            client.__exit__()
    finally:
        statuses = [rig.end() for rig in rigs]
    assert statuses == [0] * 20


def test_main():
    assert run("--version").stdout.startswith("cardrig ")
    assert run("dance").returncode == 2
    assert run().returncode == 2


def test_a_tmpdir_that_will_not_do(monkeypatch):
    for folder in ("/nowhere", "/proc", "relative", "/tmp/" + "x" * 90, "/run", "/tmp/with space"):
        monkeypatch.setenv("TMPDIR", folder)
        done = run("run", "--", "sh", "-c", 'dirname "$CARDRIG_SOCKET"')
        assert done.returncode == 0
        assert done.stdout.startswith("/tmp/cardrig-")


@pytest.mark.parametrize("closed", ["<&-", "<&- >&-", "<&- >&- 2>&-"])
def test_with_standard_descriptors_closed(temporary, closed):
    found = temporary / "found"
    done = subprocess.run(["sh", "-c", f'"$0" run -- sh -c "opensc-tool --atr >{found}" {closed}', CARDRIG], timeout=TIMEOUT)
    assert done.returncode == 0
    assert found.read_text().strip() == BUILT_IN_ATR
    found.unlink()


def test_nobody_reads_what_the_rig_says(temporary):
    """A card that prints a lot, and a standard error that nobody empties."""
    card = temporary / "noisy.lua"
    card.write_text('return { atr = "3B 80 01 81", commands = { { "80", function() print(("x"):rep(200)) '
                    'return "", 0x9000 end } } }')
    process = subprocess.Popen(["timeout", str(TIMEOUT), CARDRIG, "run", "--card", card, "--", "sh", "-c",
                                "opensc-tool" + " -s 80000000" * 600 + ' >/dev/null 2>&1; "$0" status', CARDRIG],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    status = process.stdout.read()
    process.communicate(timeout=TIMEOUT)
    card.unlink()
    assert process.returncode == 0
    assert int(re.search(r"(\d+) commands", status)[1]) >= 600


def test_an_alarm_is_passed_on():
    done = subprocess.run([PYTHON, "-c", "import os, signal, sys; signal.alarm(1); os.execv(sys.argv[1], sys.argv[1:])",
                           CARDRIG, "run", "--", "sleep", "1000"], timeout=TIMEOUT)
    assert done.returncode == -signal.SIGALRM


def test_a_signal_while_the_rig_is_being_set_up(temporary):
    """Loading this card takes half a second and more of CPU time."""
    card = temporary / "slow.lua"
    card.write_text('for i = 1, 2000000 do end return { atr = "3B 00" }')
    process = subprocess.Popen([CARDRIG, "run", *["--reader", "a,slots=16"], *["--card", card] * 16, "--", "sleep", "1000"])
    wait_for("its directory", lambda: [name for name in os.listdir(temporary) if name.startswith("cardrig-")])
    process.terminate()
    assert process.wait(TIMEOUT) == -signal.SIGTERM
    card.unlink()


def test_messages_that_nobody_can_read():
    read, write = os.pipe()
    process = subprocess.Popen([CARDRIG, "run", "--", "sh", "-c", "read x; sleep 1000 & exit 3"], stdin=subprocess.PIPE,
                               stderr=write)
    os.close(write)
    os.close(read)
    process.communicate(b"\n", timeout=TIMEOUT)
    assert process.returncode == 3


def test_a_rig_in_a_rig():
    done = run("run", "--", CARDRIG, "run", "--reader", "inner", "--", "pcsc_scan", "-r")
    assert done.returncode == 0
    assert "0: inner 00 00" in done.stdout


def test_a_rig_that_is_left_in_a_rig():
    inner = f"{CARDRIG} run -- sh -c 'trap \"\" TERM; echo up >&3; exec sleep 1000'"
    done = run("run", "--", "bash", "-c", f"exec 4< <(exec 3>&1 >/dev/null; {inner}); read -u 4 up; echo $up")
    assert done.stdout == "up\n"
    assert "had left running" in done.stderr


@pytest.mark.parametrize("how", ["", "setsid", "env -i"])
def test_what_the_caller_had_started_before_goes_on(how):
    done = subprocess.run(["sh", "-c", f'{how} sleep 1000 >/dev/null 2>&1 & echo $!; exec "$0" run -- true', CARDRIG],
                          capture_output=True, text=True, timeout=TIMEOUT)
    pid = int(done.stdout)
    assert done.returncode == 0 and done.stderr == "" and alive(pid)
    os.kill(pid, signal.SIGKILL)


def test_a_grandchild_of_the_caller_that_becomes_an_orphan_meanwhile(temporary):
    """Its parent, which the caller had started before it became cardrig, ends while the command runs."""
    os.mkfifo(temporary / "go")
    script = ('(sleep 1000 >/dev/null 2>&1 & echo $!; read x <go) & exec "$0" run -- '
              'sh -c "echo >go; while pgrep -P $! >/dev/null; do :; done"')
    done = subprocess.run(["sh", "-c", script, CARDRIG], capture_output=True, text=True, timeout=TIMEOUT, cwd=temporary)
    (temporary / "go").unlink()
    pid = int(done.stdout)
    assert done.returncode == 0 and done.stderr == "" and alive(pid)
    os.kill(pid, signal.SIGKILL)


def test_the_log_of_the_shell_that_became_cardrig(temporary):
    log = temporary / "log"
    subprocess.run(["bash", "-c", f'exec > >(tee {log}); exec "$0" run -- echo told', CARDRIG], timeout=TIMEOUT,
                   stdout=subprocess.PIPE)
    assert log.read_text() == "told\n"
    log.unlink()


@pytest.mark.parametrize("script", [
    "setsid sh -c 'sleep 1000 & echo $!; wait'", "(setsid sleep 1000 & echo $! ) & wait", "env -i sleep 1000 & echo $!",
    "sh -c 'env -i sh -c \"sleep 1000 & echo \\$!; wait\" & wait'", "trap '' TERM; sleep 1000 & echo $!",
    "sleep 1000 & echo $!; kill -STOP $!"])
def test_whatever_the_command_leaves_is_ended(script):
    done = subprocess.run([CARDRIG, "run", "--", "sh", "-c",
                           f"mkfifo f; ({script}) >f 2>/dev/null & read pid <f; rm f; echo $pid; exit 4"],
                          capture_output=True, text=True, timeout=TIMEOUT, cwd=os.environ["TMPDIR"])
    assert done.returncode == 4
    assert "that the command had left running" in done.stderr
    assert not alive(int(done.stdout))


def test_a_card_that_is_busy_at_the_end(temporary):
    """What the simulator is about is no affair of the command's."""
    card = temporary / "busy.lua"
    card.write_text('return { atr = "3B 80 01 81", commands = { { "80 10", function(cmd) '
                    'return string.find(string.rep("a", 50000), ".-.-.-.-.-b") and "x" or "", 0x9000 end } } }')
    done = run("run", "--card", card, "--", "sh", "-c", "timeout 0.1 opensc-tool -s 8010000000 >/dev/null 2>&1; exit 7")
    card.unlink()
    assert done.returncode == 7, done.stderr


def test_the_rig_is_ready_when_the_command_starts():
    options = ["--reader", "a,slots=3", "--reader", "b", "--reader", "cards,vpcd", "--reader", "key,usb", "--reader",
               "later,usb,unplugged"]
    for _ in range(5):
        done = run("run", *options, "--", CARDRIG, "status", "--json")
        slots = json.loads(done.stdout)["slots"]
        assert [slot["ready"] for slot in slots] == [True] * 6 + [False], done.stderr
        assert slots[0]["card"]["powered"]


@pytest.mark.parametrize("script, text", [
    ("exec sleep 1000", "did not get ready: it does not answer (after 20 s)"),
    ("exec 3<&-; exec sleep 1000", "did not get ready: it refuses its clients")])
def test_a_pcscd_that_is_none(temporary, script, text):
    fake = temporary / "pcscd"
    fake.write_text(f"#!/bin/sh\necho I am here\n{script}\n")
    fake.chmod(0o755)
    done = run("run", "--pcscd", fake, "--", "true")
    fake.unlink()
    assert done.returncode == 125
    assert text in done.stderr and "cardrig: pcscd: I am here" in done.stderr


def test_a_signal_while_pcscd_does_not_get_ready(temporary):
    fake = temporary / "pcscd"
    fake.write_text("#!/bin/sh\nexec sleep 1000\n")
    fake.chmod(0o755)
    process = subprocess.Popen([CARDRIG, "run", "--pcscd", fake, "--", "touch", temporary / "ran"])
    while not list(temporary.glob("cardrig-*/pcscd.log")):
        assert process.poll() is None
    process.terminate()
    assert process.wait(TIMEOUT) == -signal.SIGTERM
    fake.unlink()


def test_as_many_slots_as_pcscd_has_room_for():
    found = {check["name"]: check["found"] for check in json.loads(run("doctor", "--json").stdout)["checks"]}
    room = int(re.search("room for ([0-9]+) slots", found["pcscd"])[1])
    with Rig("--reader", "wide,slots=14", "--reader", f"one,slots={2 if room == 16 else 6}") as rig:
        slots = rig.do("status")["slots"]
        assert len(slots) == min(room, 20) and all(slot["ready"] for slot in slots)
        with rig.client() as client:
            client.establish()
            assert client.readers() == ["ok", [slot["pcsc_name"] for slot in slots]]
    readers = [word for number in range(room + 1) for word in ("--reader", f"reader {number}")]
    some = min(room, 40)
    with Rig(*readers[:2 * some]) as rig, rig.client() as client:
        client.establish()
        assert client.readers() == ["ok", [f"reader {number} {number:02X} 00" for number in range(some)]]
    for too_many in (["--reader", f"wide,slots={min(room + 1, 255)}", "--reader", "one"], readers):
        done = run("run", *too_many, "--", "true")
        if room == 16:
            assert done.returncode == 125 and re.search("1[78] slots: .* has room for 16; from pcscd 2.5.0 on", done.stderr)
        else:
            assert done.returncode == 2 and "there can be 255 in all" in done.stderr


@pytest.mark.parametrize("said", ["pcsc-lite version 2.4.1.", "I am pcscd"])
def test_a_pcscd_without_room_is_not_started(temporary, said):
    fake = temporary / "pcscd"
    fake.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "{said}" || touch {temporary}/started\n')
    fake.chmod(0o755)
    done = run("run", "--pcscd", fake, "--reader", "wide,slots=17", "--", "true")
    version = " 2.4.1" if "2.4.1" in said else ""
    assert done.returncode == 125 and f"17 slots: {fake}{version} has room for 16;" in done.stderr
    fake.unlink()  # and nothing else is left


def test_too_few_file_descriptors():
    readers = [word for i in range(16) for word in ("--reader", f"r{i}")]
    done = subprocess.run(["sh", "-c", 'ulimit -n 32; exec "$0" run "$@"', CARDRIG, *readers, "--", "true"],
                          capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 125
    assert "16 slots need 48 file descriptors, and 32 are allowed: raise 'ulimit -n'" in done.stderr
    done = subprocess.run(["sh", "-c", 'ulimit -n 48; exec "$0" run "$@"', CARDRIG, *readers, "--", "sh", "-c", "ulimit -n"],
                          capture_output=True, text=True, timeout=TIMEOUT)
    assert (done.returncode, done.stdout) == (0, "48\n"), done.stderr


def test_a_limit_on_the_size_of_files():
    """It is reported, and no process dies of a signal."""
    done = subprocess.run(["sh", "-c", 'ulimit -f 8; exec "$0" run -- true', CARDRIG], capture_output=True, text=True,
                          timeout=TIMEOUT)
    assert done.returncode == 125
    assert "File too large" in done.stderr


def test_a_process_without_our_environment_is_ended_too():
    done = run("run", "--", "sh", "-c", "env -i sleep 1000 >/dev/null 2>&1 & echo $!")
    assert "ended 1 process that the command had left running" in done.stderr
    assert not alive(int(done.stdout))


def test_a_crash_of_pcscd_is_reported_even_when_the_command_ends_well():
    done = run("run", "--", "sh", "-c", "kill -KILL $(pgrep -P $PPID pcscd)")
    assert done.returncode == 125
    assert "pcscd" in done.stderr


def test_umask_is_the_commands():
    done = subprocess.run(["sh", "-c", 'umask 0777; "$0" run -- sh -c "umask; opensc-tool --atr"', CARDRIG],
                          capture_output=True, text=True, timeout=TIMEOUT)
    assert done.stdout.split() == ["0777", BUILT_IN_ATR]


@pytest.mark.parametrize("action", [signal.SIG_IGN, signal.SIG_DFL])
def test_the_command_ignores_the_signals_that_the_caller_ignores(action):
    """As env(1) does it. SIGINT and the like are for cardrig, which passes them on."""
    numbers = (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGUSR1)

    def act():
        for number in numbers:
            signal.signal(number, action)

    done = subprocess.run([CARDRIG, "run", "--", "grep", "SigIgn", "/proc/self/status"], capture_output=True, text=True,
                          preexec_fn=act, timeout=TIMEOUT, check=True)
    ignored = int(done.stdout.split()[1], 16)
    assert [bool(ignored >> number - 1 & 1) for number in numbers] == [action == signal.SIG_IGN] * len(numbers)


def test_a_long_path():
    done = run("run", "--", "true", env={**os.environ, "CARDRIG_PCSCD": "",
                                         "PATH": ":".join(f"/nowhere/{i:0>100}" for i in range(120)) + ":/usr/bin:/bin"})
    assert done.returncode == 0, done.stderr


def test_a_log_that_cannot_be_written():
    done = run("run", "--pcscd-log", "/nowhere/log", "--", "true")
    assert done.returncode == 125
    assert "cannot write /nowhere/log: No such file" in done.stderr


def test_a_driver_in_the_directory_that_is_covered(temporary):
    """As it is when cardrig is installed."""
    folder = temporary / "drivers"
    (folder / "serial").mkdir(parents=True)
    (folder / "serial" / "libifdcardrig.so").write_bytes(open(DRIVER, "rb").read())
    script = ('mount --bind "$1" /usr/lib/pcsc/drivers && '
              'CARDRIG_DRIVER=/usr/lib/pcsc/drivers/serial/libifdcardrig.so exec "$2" run -- opensc-tool --atr')
    prefix = ["unshare", "--user", "--map-root-user", "--mount"] if HAS_NAMESPACES else []
    if prefix or os.path.exists("/usr/lib/pcsc/drivers/serial/libifdcardrig.so"):
        done = subprocess.run([*prefix, "sh", "-c", script if prefix else 'exec "$2" run -- opensc-tool --atr', "sh", folder,
                               CARDRIG], capture_output=True, text=True, timeout=TIMEOUT)
        assert done.stdout.strip() == BUILT_IN_ATR, done.stderr
    shutil.rmtree(folder)
