# SPDX-License-Identifier: BSD-3-Clause
"""cardrig service: the rig's pcscd, stopped, killed and restarted while the command runs."""

import json
import os
import select
import signal
import socket
import subprocess

import pytest

from processes import stat
from programs import CARDRIG, CARDS, run
from rig import Rig
from serving import Serve
from waiting import TIMEOUT


def run_service(rig, action, expected):
    done = rig.cardrig("service", action)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"pcscd: {expected}\n", "")
    assert rig.do("status")["service"]["state"] == expected
    assert f"\npcscd {expected}" in rig.cardrig("status").stdout


def assert_answers(rig):
    with rig.client() as client:
        assert client.establish() == ["ok"]
        assert client.connect()[0] == "ok"
        assert client.transmit("0084000008")[0] == "ok"


def test_a_service_that_hangs():
    with Rig() as rig, rig.client() as client:
        assert client.establish() == ["ok"]
        assert client.connect()[0] == "ok"
        run_service(rig, "stop", "stopped")
        client.start("transmit", "0084000008")
        assert not select.select([client.process.stdout], [], [], 0.3)[0]
        run_service(rig, "stop", "stopped")
        run_service(rig, "continue", "running")
        assert client.finish()[0] == "ok"
        run_service(rig, "continue", "running")
    assert rig.end() == 0, rig.errors


def test_a_service_that_dies():
    with Rig() as rig, rig.client() as client:
        assert client.establish() == ["ok"]
        assert client.connect()[0] == "ok"
        run_service(rig, "kill", "down")
        assert client.transmit("0084000008")[0] != "ok"
        with rig.client() as other:
            assert other.establish() == ["SCARD_E_NO_SERVICE"]
        run_service(rig, "kill", "down")
        for action in ("stop", "continue"):
            done = rig.cardrig("service", action)
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr == "cardrig: pcscd is down: 'cardrig service restart' starts it\n"
        run_service(rig, "restart", "running")
        assert_answers(rig)
    assert rig.end() == 0 and rig.errors == ""


@pytest.mark.parametrize("before", ["restart", "stop", "kill"])
def test_a_service_that_comes_back(before):
    with Rig("--card", CARDS / "two-protocols.lua") as rig:
        rig.cardrig("service", before)
        old = rig.children().get("pcscd")
        run_service(rig, "restart", "running")
        assert rig.children()["pcscd"] != old
        slot = rig.do("status")["slots"][0]
        assert slot["ready"] and slot["card"]["powered"]
        assert_answers(rig)
    assert rig.end() == 0 and rig.errors == ""


@pytest.mark.parametrize("state", ["stop", "kill"])
def test_the_command_ends_meanwhile(state):
    done = run("run", "--", "sh", "-c", f'"$0" service {state}; exit 5', CARDRIG)
    assert (done.returncode, done.stderr) == (5, "")


def test_a_pcscd_that_does_not_end_when_it_is_asked_to():
    with Rig() as rig:
        pcscd = rig.children()["pcscd"]
        os.kill(rig.children()["cardrig"], signal.SIGSTOP)  # the driver waits for it
        os.kill(rig.children()["cardrig"], signal.SIGCONT)
        run_service(rig, "restart", "running")
        assert stat(pcscd) is None or rig.children()["pcscd"] != pcscd


def test_somebody_else_stops_it():
    with Rig() as rig:
        os.kill(rig.children()["pcscd"], signal.SIGSTOP)
        while rig.do("status")["service"]["state"] != "stopped":
            pass
        run_service(rig, "continue", "running")


def test_readers_on_usb():
    with Rig("--reader", "key,usb", "--reader", "other,usb,unplugged", "--reader", "serial") as rig:
        names = lambda: [slot["pcsc_name"] for slot in rig.do("status")["slots"] if slot["ready"]]
        before = names()
        run_service(rig, "restart", "running")
        assert names() == before and len(before) == 2
        run_service(rig, "kill", "down")
        rig.do("unplug", slot="key")
        rig.do("plug", slot="other")
        run_service(rig, "restart", "running")
        assert len(names()) == 2 and "other" in " ".join(names())
        with rig.client() as client:
            assert client.establish() == ["ok"]
            assert sorted(client.readers()[1]) == sorted(names())
        assert rig.cardrig("plug", "key").returncode == 0


def test_a_reader_for_vpcd_cards():
    """Its sockets are the same after a restart; a card that comes while there is no pcscd waits for it."""
    with Rig("--reader", "cards,vpcd,slots=2") as rig:
        ports = [slot["vpcd"]["port"] for slot in rig.do("status")["slots"]]
        for before in ("restart", "kill"):
            run_service(rig, before, "running" if before == "restart" else "down")
            with socket.create_connection(("127.0.0.1", ports[1]), TIMEOUT) as card:
                if before == "kill":
                    run_service(rig, "restart", "running")
                assert card.recv(2) == b"\x00\x01"  # the reader wants something of it
        assert [slot["vpcd"]["port"] for slot in rig.do("status")["slots"]] == ports


def test_the_log_goes_on(temporary):
    log = temporary / "log"
    done = run("run", "--pcscd-log", log, "--", "sh", "-c", 'opensc-tool -s 00A4040000; "$0" service restart', CARDRIG)
    assert done.returncode == 0, done.stderr
    text = log.read_text(errors="replace")
    log.unlink()
    assert "APDU: 00 A4 04 00 00" in text and text.count("daemon ready") == 2


def test_a_pcscd_that_does_not_come_back(temporary):
    """The first time it is one. The command goes on, and so does the rig."""
    wrapper = temporary / "pcscd"
    wrapper.write_text(f'#!/bin/sh\n[ -e {temporary}/broken ] && echo out of order && exit 3\nexec "$(PATH=/usr/sbin:$PATH '
                       'command -v pcscd)" "$@"\n')
    wrapper.chmod(0o755)
    with Rig("--pcscd", wrapper) as rig:
        (temporary / "broken").write_text("")
        done = rig.cardrig("service", "restart")
        assert done.returncode == 1
        assert "pcscd has died before it was ready (exit status 3)" in done.stderr
        assert rig.do("status")["service"]["state"] == "down"
        (temporary / "broken").unlink()
        run_service(rig, "restart", "running")
        assert_answers(rig)
    wrapper.unlink()
    assert rig.end() == 0
    assert "cardrig: pcscd: out of order" in rig.errors


def test_two_at_once():
    """The second is refused while the first is not done: the client of the first has gone before."""
    with Rig() as rig:
        line = (json.dumps({"command": "service", "action": "restart"}) + "\n").encode()
        with socket.socket(socket.AF_UNIX) as first:
            first.connect(rig.control_socket)
            first.sendall(line)
        answers_ = [rig.ask(command="service", action="restart")]
        while not answers_[-1]["ok"]:
            assert answers_[-1]["error"] == "an earlier 'cardrig service' is not done yet"
            answers_.append(rig.ask(command="service", action="restart"))
        assert_answers(rig)


def test_requests_that_wait_behind_a_restart():
    with Rig() as rig, socket.socket(socket.AF_UNIX) as connection:
        connection.connect(rig.control_socket)
        connection.sendall(b'{"command": "service", "action": "restart"}\n{"command": "status"}\n')
        lines = connection.makefile("r")
        for _ in range(2):
            assert json.loads(lines.readline())["result"]["service"]["state"] == "running"


@pytest.mark.parametrize("request_, text", [
    ({}, 'service needs an "action"'), ({"action": "dance"}, "there is no action 'dance': expected one of stop, continue, kill, restart"),
    ({"action": "stop", "slot": "0"}, "service takes no")])
def test_requests_that_are_wrong(request_, text):
    with Rig() as rig:
        answer = rig.ask(command="service", **request_)
        assert not answer["ok"] and text in answer["error"]


@pytest.mark.parametrize("words, text", [
    ([], "which action?"), (["stop", "now"], "one action at a time"), (["stopp"], "there is no action 'stopp': did you "
                                                                      "mean 'stop'?"),
    (["dance"], "there is no action 'dance': expected one of stop, continue, kill, restart")])
def test_wrong_arguments(words, text):
    done = run("service", *words)
    assert (done.returncode, done.stderr) == (
        2, f"cardrig service: {text}; 'cardrig service --help' says what they do\n")


def test_a_rig_that_has_no_pcscd(temporary):
    with Serve(temporary / "rig") as serve:
        answer = serve.ask(command="service", action="stop")
        assert not answer["ok"] and "this rig has no pcscd of its own" in answer["error"]
        assert serve.do("status")["service"] is None
    subprocess.run(["rm", "-rf", temporary / "rig"], check=True)
