# SPDX-License-Identifier: BSD-3-Clause
"""cardrig run --private-network: what a rig and its command see of the network, and that all else is as without."""

import contextlib
import json
import os
import pathlib
import shlex
import signal
import socket
import subprocess

import pytest

from card_state import wait_for_state
from killed_rig import KilledRig
from processes import alive, kill_at_once, wait_for_end, wait_until_gone
from programs import CARDRIG, PYTHON, SUPPORT, run
from rig import BUILT_IN_ATR, Rig
from terminal import COUNTS_INTERRUPTS, IN_A_TERMINAL
from users import HAS_PRIVATE_NETWORK, has_private_network, no_namespaces
from waiting import TIMEOUT

CARD = (SUPPORT / "vpcd_card.py").read_text()  # not every user can read it where it is
OPTION = "--private-network"

# Not nobody (65534): that is what all others are called in a user namespace.
ORDINARY = {"user": 65533, "group": 65533, "extra_groups": [65532]} if os.getuid() == 0 else {}


def skip_without_network(user):
    return pytest.mark.skipif(not has_private_network(user), reason="network namespaces are not available")


ALL_USERS = {"ordinary": ORDINARY, **({"root": {}} if os.getuid() == 0 else {})}
for_each_user = pytest.mark.parametrize("user", [
    pytest.param(user, id=name, marks=skip_without_network(user)) for name, user in ALL_USERS.items()])


@contextlib.contextmanager
def taken_port():
    """A port that somebody outside listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def rig_with_card(reader, card, user):
    """A rig with vpcd_card.py in its command."""
    card = shlex.join([PYTHON, "-c", CARD, *map(str, card)])
    return Rig(OPTION, "--reader", reader, script=f"{card} & card=$!; trap 'kill $card; wait' EXIT", **user)


@for_each_user
def test_rigs_side_by_side_with_cards_at_the_same_port(user):
    """Their commands, each with its card, are in their networks; we are outside and get to both."""
    atrs = ["3b80800101", "3b8180018080"]
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(taken_port())
        one, two = (stack.enter_context(rig_with_card(f"Virtual PCD,vpcd={port}", ["127.0.0.1", port, atr], user))
                    for atr in atrs)
        for rig, atr in ((one, atrs[0]), (two, atrs[1])):
            assert rig.reader == "Virtual PCD 00 00"
            with rig.client() as client:
                assert client.establish() == ["ok"]
                assert wait_for_state(client, "PRESENT")[2] == atr
                assert client.connect()[0] == "ok"
                assert client.transmit("00A40000023F00") == ["ok", "3f009000"]
    assert (one.process.returncode, one.errors, two.process.returncode, two.errors) == (0, "", 0, "")


@for_each_user
def test_a_reader_connects_to_a_card_in_its_network(user):
    with taken_port() as port, rig_with_card(f"r,vpcd-connect=127.0.0.1:{port}", ["listen", port], user) as rig, \
            rig.client() as client:
        assert client.establish() == ["ok"]
        assert wait_for_state(client, "PRESENT")[2] == "3b800181"


REACH = """
import errno, json, socket, sys
def reach(family, address):
    with socket.socket(family) as client:
        try:
            client.settimeout(5)
            client.connect(address)
            return "ok"
        except OSError as error:
            return errno.errorcode.get(error.errno, str(error))
with socket.create_server(("127.0.0.1", 0)) as own:
    print(json.dumps({
        "own": reach(socket.AF_INET, own.getsockname()), "port": reach(socket.AF_INET, ("127.0.0.1", int(sys.argv[1]))),
        "elsewhere": reach(socket.AF_INET, ("192.0.2.1", 9)), "abstract": reach(socket.AF_UNIX, "\\0" + sys.argv[2]),
        "file": reach(socket.AF_UNIX, sys.argv[2]), "devices": [name for _, name in socket.if_nameindex()]}))
"""


@for_each_user
@pytest.mark.parametrize("options", [[], [OPTION]], ids=["with ours", "private"])
def test_what_the_command_reaches(temporary, options, user):
    file = str(temporary / "socket")
    with taken_port() as port, socket.socket(socket.AF_UNIX) as abstract, socket.socket(socket.AF_UNIX) as named:
        abstract.bind("\0" + file)
        named.bind(file)
        os.chmod(file, 0o666)
        abstract.listen()
        named.listen()
        done = run("run", *options, "--", PYTHON, "-c", REACH, port, file, **user)
    os.unlink(file)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["own"], found["file"]) == ("ok", "ok")
    if options:
        assert found["devices"] == ["lo"]
        assert (found["port"], found["elsewhere"], found["abstract"]) == ("ECONNREFUSED", "ENETUNREACH", "ECONNREFUSED")
    else:
        assert (found["port"], found["abstract"]) == ("ok", "ok")


def capabilities(status):
    """The sets of a process that it can use, of /proc/PID/status."""
    fields = dict(line.split(":\t") for line in status.splitlines() if line.startswith("Cap"))
    return {name: int(fields[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")}


@skip_without_network(ORDINARY)
@pytest.mark.skipif(os.getuid() != 0, reason="a file of another group needs root")
def test_an_ordinary_user_is_who_it_was(temporary):
    """Same numbers, same files, also those of another group of its own; and no capabilities, in no process of the rig."""
    files = {"group": (65532, 0o040), "stranger": (65531, 0o040), "mine": (65533, 0o400)}
    for name, (group, mode) in files.items():
        (temporary / name).write_text(name)
        os.chown(temporary / name, 65533 if name == "mine" else 0, group)
        os.chmod(temporary / name, mode)
    with Rig(OPTION, script="cd $TMPDIR; (id -u; id -g; cat group stranger mine; exec cat /proc/self/status) >made 2>&1",
             **ORDINARY) as rig:
        parts = [rig.supervisor(), *rig.children().values()]
        said = (temporary / "made").read_text()
        made = os.stat(temporary / "made")
        for part in parts:
            assert not any(capabilities(pathlib.Path(f"/proc/{part}/status").read_text()).values())
    for name in (*files, "made"):
        (temporary / name).unlink()
    assert said.startswith("65533\n65533\ngroupcat: stranger: Permission denied\nmine"), said
    assert not any(capabilities(said).values())
    assert (made.st_uid, made.st_gid) == (65533, 65533)


@skip_without_network(ORDINARY)
@skip_without_network({})
@pytest.mark.skipif(os.getuid() != 0, reason="root is needed")
def test_root_is_who_it_was():
    """And where it may not make a network, as in many containers, but a user namespace, it has no rights that it had not."""
    for prefix in [], ["setpriv", "--bounding-set=-sys_admin,-sys_time"]:
        before, within = (capabilities(subprocess.run([*prefix, *command, "cat", "/proc/self/status"], timeout=TIMEOUT,
                                                      capture_output=True, text=True).stdout)
                          for command in ([], [CARDRIG, "run", OPTION, "--"]))
        assert within == before
    done = run("run", OPTION, "--", "readlink", "/proc/self/ns/user", "/proc/self/ns/net")
    user, network = done.stdout.split()
    assert user == os.readlink("/proc/self/ns/user") and network != os.readlink("/proc/self/ns/net")


@for_each_user
def test_the_rig_is_moved_from_outside(user):
    with Rig(OPTION, "--reader", "token,usb", **user) as rig:
        for request in (["remove"], ["insert"], ["unplug"], ["plug"], ["service", "restart"], ["status"]):
            done = subprocess.run([CARDRIG, *request], capture_output=True, text=True, timeout=TIMEOUT,
                                  env={**os.environ, "CARDRIG_SOCKET": rig.control_socket}, **user)
            assert done.returncode == 0, done.stderr
        assert "in PC/SC 'token 00 00'" in done.stdout
        with rig.client() as client:
            assert client.establish() == ["ok"]
            assert client.connect()[0] == "ok"


@for_each_user
@pytest.mark.parametrize("isolation", ["auto", "redirect"])
def test_how_pcscd_is_kept_apart_does_not_matter(isolation, user):
    done = run("run", OPTION, "--isolation", isolation, "--", "opensc-tool", "--atr", **user)
    assert (done.returncode, done.stdout.strip()) == (0, BUILT_IN_ATR), done.stderr


@for_each_user
@pytest.mark.parametrize("command, status", [
    (["sh", "-c", "exit 7"], 7), (["sh", "-c", "kill -TERM $$"], -15), (["/no/such/command"], 127), (["/etc/passwd"], 126)])
def test_exit_status_is_the_commands(command, status, user):
    assert run("run", OPTION, "--", *command, **user).returncode == status


@for_each_user
def test_signals_are_passed_on(user):
    rig = Rig(OPTION, **user)
    rig.process.send_signal(signal.SIGHUP)
    assert rig.wait() == -signal.SIGHUP


@for_each_user
def test_ctrl_c_reaches_the_command_once(user):
    done = subprocess.run([PYTHON, "-c", IN_A_TERMINAL, CARDRIG, "run", OPTION, "--", PYTHON, "-c", COUNTS_INTERRUPTS],
                          capture_output=True, text=True, timeout=TIMEOUT, **user)
    assert done.stdout.split() == ["1", "5"], done.stderr


@for_each_user
def test_what_the_command_leaves_running_is_ended(user):
    done = run("run", OPTION, "--", "sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $!; exit 3", **user)
    assert done.returncode == 3
    assert "ended 1 process that the command had left running" in done.stderr
    assert not alive(int(done.stdout))


@for_each_user
@pytest.mark.parametrize("who", ["front", "supervisor", "supervisor and simulator"])
def test_cardrig_is_killed(who, user):
    rig = Rig(OPTION, script="setsid sleep 1000 >/dev/null 2>&1 &", **user)
    parts = [*rig.children().values(), rig.supervisor()]
    kill_at_once({"front": [rig.process.pid], "supervisor": [rig.supervisor()],
                  "supervisor and simulator": [rig.children()["cardrig"], rig.supervisor()]}[who])
    rig.process.wait(TIMEOUT)
    wait_until_gone(parts, rig.directory)
    rig.end()


@for_each_user
@pytest.mark.parametrize("left_by, cleared_by", [([OPTION], []), ([], [OPTION]), ([OPTION], [OPTION])],
                         ids=["private", "ours", "both"])
def test_what_is_left_is_cleared_away(left_by, cleared_by, user):
    """By who can look into the processes that are left; one in another user namespace could not."""
    left = KilledRig(rig=left_by, **user)
    assert alive(left.pid) and left.directory.exists()
    done = run("run", *cleared_by, "--", "true", **user)
    assert done.returncode == 0
    assert done.stderr == (f"cardrig: cleared away after a rig that was killed: {left.directory}, "
                           "and 1 process of its command\n")
    wait_for_end(left.pid)
    assert not left.directory.exists()


@for_each_user
def test_a_rig_in_a_rig(user):
    done = run("run", OPTION, "--", CARDRIG, "run", OPTION, "--reader", "inner", "--", "pcsc_scan", "-r", **user)
    assert done.returncode == 0, done.stderr
    assert "0: inner 00 00" in done.stdout


@pytest.mark.skipif(not no_namespaces and HAS_PRIVATE_NETWORK, reason="it is available, and cannot be forbidden")
@pytest.mark.parametrize("user", ALL_USERS.values(), ids=ALL_USERS)
def test_not_available(user):
    """The command is not run in another network than it was to have."""
    done = subprocess.run([*no_namespaces, CARDRIG, "run", OPTION, "--", "echo", "ran"], capture_output=True, text=True,
                          timeout=TIMEOUT, **user)
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.startswith("cardrig: --private-network is not available here (unshare: "), done.stderr
    if no_namespaces:
        assert "); remedy: sysctl user.max_" in done.stderr


def test_a_port_that_is_taken():
    with taken_port() as port:
        done = run("run", "--reader", f"r,vpcd={port}", "--", "true")
    assert done.returncode == 125
    assert "with --private-network all are free" in done.stderr
