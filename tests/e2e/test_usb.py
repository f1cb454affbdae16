# SPDX-License-Identifier: BSD-3-Clause
"""USB readers: plugged in and pulled out, and what PC/SC says of that. The table in cardrig-unplug(1) is this."""

import os
import re
import signal
import subprocess

import pytest

from processes import descriptors, wait_until_gone
from programs import CARDRIG, CARDS, run
from rig import Rig
from users import HAS_NAMESPACES
from waiting import TIMEOUT, wait_for

ISOLATIONS = ["namespaces", "redirect"] if HAS_NAMESPACES else ["redirect"]
PROBE = "0084000008"  # GET CHALLENGE
ATR = "3b878001636172647269676e"


@pytest.fixture(params=ISOLATIONS)
def key(request):
    """A rig with a USB reader and a serial one."""
    with Rig("--isolation", request.param, "--reader", "key,usb,serial=42", "--reader", "plain") as one:
        yield one
    assert one.process.returncode == 0, one.errors
    assert one.errors == ""


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


def plug(rig, name="key"):
    done = rig.cardrig("plug", name)
    assert done.returncode == 0, done.stderr
    return re.fullmatch(f"{re.escape(name)}: plugged in, in PC/SC '(.*)'\n", done.stdout).group(1)


def unplug(rig, name="key"):
    done = rig.cardrig("unplug", name)
    assert (done.returncode, done.stdout) == (0, f"{name}: unplugged\n"), done.stderr


def waits(log):
    """Which clients have begun to wait in SCardGetStatusChange; what they take for the present state is settled then."""
    return re.findall("CMD_WAIT_READER_STATE_CHANGE from client ([0-9]+)", log.read_text(errors="replace"))


def wait_until_it_is_not_listed(client):
    """pcscd takes it off its list only after it has closed the driver, which is what 'cardrig unplug' waits for."""
    wait_for("pcscd has taken the reader off its list", lambda: client.readers() == ["ok", ["plain 00 00"]])


def test_it_comes_and_goes(key):
    assert key.reader == "key (42) 00 00"
    with key.client() as client:
        assert client.establish() == ["ok"]
        for _ in range(3):
            assert client.readers() == ["ok", ["plain 00 00", "key (42) 00 00"]]
            assert client.change()[3:] == [["PRESENT"], ATR]
            assert client.connect() == ["ok", 2]
            assert client.transmit(PROBE)[0] == "ok"
            unplug(key)
            wait_until_it_is_not_listed(client)
            assert client.disconnect() == ["ok"]
            assert plug(key) == "key (42) 00 00"


def test_what_a_client_sees(key):
    with key.client() as client:
        client.establish()
        client.connect()
        unplug(key)
        wait_until_it_is_not_listed(client)
        assert client.status() == ["SCARD_E_READER_UNAVAILABLE", 0, ""]
        assert client.transmit(PROBE) == ["SCARD_E_INVALID_VALUE", ""]
        assert client.begin() == ["SCARD_E_INVALID_VALUE"]
        for step in ("leave", "warm", "cold"):
            assert client.reconnect(step)[0] == "SCARD_E_INVALID_VALUE"
        assert client.attribute("VENDOR_NAME")[0] == "SCARD_E_INVALID_VALUE"
        assert client.change()[0] == "SCARD_E_UNKNOWN_READER"
        assert client.connect()[0] == "SCARD_E_UNKNOWN_READER"


def test_a_handle_from_before(key):
    with key.client() as client:
        client.establish()
        client.connect()
        unplug(key)
        plug(key)
        assert client.status()[0] == "SCARD_E_INVALID_VALUE"
        assert client.transmit(PROBE)[0] == "SCARD_E_INVALID_VALUE"
        assert client.reconnect("leave")[0] == "SCARD_E_INVALID_VALUE"
        assert client.disconnect() == ["ok"]
        assert client.connect() == ["ok", 2]
        assert client.transmit(PROBE)[0] == "ok"


def test_clients_that_wait_are_woken(log):
    with Rig("--reader", "key,usb", "--pcscd-log", log) as rig:
        with rig.client() as all_readers, rig.client() as this_reader:
            all_readers.establish()
            this_reader.establish()
            wait_for("the reader", lambda: rig.do("status")["slots"][0]["ready"])
            rig.do("remove")  # with an event counter of 0 the client asks again every 100 ms, and may find no reader
            wait_for("the removal", lambda: this_reader.change()[2] == 1)
            state = this_reader.change()[1]
            before = len(waits(log))
            all_readers.start("readers_change", 1000 * TIMEOUT)
            this_reader.start("change", state, 1000 * TIMEOUT)
            wait_for("two waiting clients", lambda: len(set(waits(log)[before:])) == 2)
            unplug(rig)
            assert all_readers.finish() == ["ok", True]
            assert this_reader.finish()[3] == ["UNKNOWN", "UNAVAILABLE"]
            before = len(waits(log))
            all_readers.start("readers_change", 1000 * TIMEOUT)
            wait_for("a waiting client", lambda: len(waits(log)) > before)
            plug(rig)
            assert all_readers.finish() == ["ok", True]
        assert rig.end() == 0, rig.errors


def test_the_only_reader():
    with Rig("--reader", "key,usb") as rig, rig.client() as client:
        client.establish()
        unplug(rig)
        assert client.readers()[0] == "SCARD_E_NO_READERS_AVAILABLE"
        plug(rig)
        assert client.readers() == ["ok", ["key 00 00"]]


def test_pulled_in_the_middle_of_a_command():
    """The removal of a token's card is that of the token."""
    with Rig("--reader", "key,usb,token") as rig:
        with rig.client() as client:
            client.establish()
            client.connect()
            rig.do("fault", faults=["removal"])
            assert client.transmit(PROBE)[0] == "SCARD_E_READER_UNAVAILABLE"
            assert rig.do("status")["slots"][0]["usb"]["plugged"] is False
            plug(rig)
            assert client.connect() == ["ok", 2]
            assert client.transmit(PROBE)[0] == "ok"
        assert rig.end() == 0


def test_pulled_while_a_client_transmits(key):
    with key.client() as client:
        client.establish()
        for _ in range(3):
            assert client.connect()[0] == "ok"
            client.start("transmit_until_error", PROBE)
            unplug(key)
            code, answers = client.finish()
            assert code in ("SCARD_E_READER_UNAVAILABLE", "SCARD_E_INVALID_VALUE")
            plug(key)


def test_the_card_stays_and_is_cold():
    with Rig("--reader", "key,usb", "--card", CARDS / "warm-differs.lua") as rig:
        with rig.client() as client:
            client.establish()
            client.connect()
            cold = client.change()[4]
            assert client.reconnect("warm")[0] == "ok"
            assert client.change()[4] != cold
            unplug(rig)
            card = rig.card()
            assert not card["powered"] and card["resets"] == {"cold": 1, "warm": 1, "off": 1}
            plug(rig)
            client.connect()
            assert client.change()[4] == cold
        assert rig.end() == 0


def test_cards_move_while_it_is_unplugged():
    with Rig("--reader", "key,usb,unplugged") as rig:
        rig.do("swap", file=str(CARDS / "t0-only.lua"))
        plug(rig)
        with rig.client() as client:
            client.establish()
            assert client.connect() == ["ok", 1]
            unplug(rig)
            rig.do("remove")
            plug(rig)
            assert client.change()[3] == ["EMPTY"]


def test_tokens(tmp_path):
    with Rig("--reader", "key,usb,token", "--reader", "other,usb,token", "--card", CARDS / "t0-only.lua") as rig:
        for command in ("remove", "insert", "swap"):
            answer = rig.ask(command=command, slot="0", **({"file": ""} if command == "swap" else {}))
            assert answer == {"ok": False, "error": "key is a token, reader and card in one: unplug it"}
        slots = rig.do("status")["slots"]
        assert [slot["card"]["name"] for slot in slots] == ["T=0 only", "cardrig"]  # none is without a card
        assert [slot["usb"] for slot in slots] == [{"id": f"1209:000{n}", "token": True, "plugged": True} for n in (1, 2)]


def test_names():
    with Rig("--reader", "A & B > C #1,usb=076b:3021,interface=CCID & more,serial=0001", "--reader", "caf\u00e9,usb",
             "--reader", "long" + "g" * 111 + ",usb,serial=42", "--reader", "S,usb,interface=I 7,serial=7") as rig:
        expected = ["A & B > C #1 [CCID & more] (0001) 00 00", "caf\u00e9 01 00", "long" + "g" * 111 + " (42) 02 00",
                    "S [I 7] 03 00"]
        assert rig.reader == expected[0]
        with rig.client() as client:
            client.establish()
            assert client.readers() == ["ok", expected]
        assert [slot["pcsc_name"] for slot in rig.do("status")["slots"]] == expected
        assert rig.do("status")["slots"][0]["usb"]["id"] == "076b:3021"


def test_what_the_reader_tells():
    with Rig("--reader", "key,usb=076b:3021,serial=42") as rig, rig.client() as client:
        client.establish()
        client.connect()
        assert client.attribute("VENDOR_IFD_SERIAL_NO") == ["ok", b"42\0".hex()]
        assert client.attribute("CHANNEL_ID") == ["ok", "02002000"]
        code, properties = client.control(0x42330012)
        assert code == "ok" and "0b026b07" in properties and "0c022130" in properties  # wIdVendor, wIdProduct
        unplug(rig)
        plug(rig)
        client.connect()
        assert client.attribute("CHANNEL_ID") == ["ok", "03002000"]  # another device


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_readers_of_all_kinds(isolation):
    """pcscd numbers serial and USB readers apart, and gives a number again as soon as it is free."""
    with Rig("--isolation", isolation, "--reader", "s,slots=2", "--reader", "u,usb,slots=3", "--reader", "t", "--reader",
             "v,usb", "--reader", "v,usb", "--card", "t=" + str(CARDS / "t0-only.lua"), "--card",
             "u/2=" + str(CARDS / "t1-only.lua")) as rig:
        with rig.client() as client:
            client.establish()
            serial = ["s 00 00", "s 00 01", "t 01 00"]
            assert sorted(client.readers()[1]) == sorted(serial + ["u 00 00", "u 00 01", "u 00 02", "v 01 00", "v 02 00"])
            for name, protocol in (("t 01 00", 1), ("u 00 02", 2)):
                client.use(name)
                assert client.connect() == ["ok", protocol]
            unplug(rig, "u")
            assert sorted(client.readers()[1]) == sorted(serial + ["v 01 00", "v 02 00"])
            done = rig.cardrig("unplug", "v")
            assert done.returncode == 1 and "several called v" in done.stderr
            assert rig.cardrig("unplug", "7").stdout == "v: unplugged\n"
            assert rig.cardrig("plug", "7").stdout == "v: plugged in, in PC/SC 'v 00 00'\n"
            assert plug(rig, "u") == "u 02 00"
            names = [slot["pcsc_name"] for slot in rig.do("status")["slots"]]
            assert names == ["s 00 00", "s 00 01", "u 02 00", "u 02 01", "u 02 02", "t 01 00", "v 01 00", "v 00 00"]
            assert sorted(client.readers()[1]) == sorted(names)
        assert rig.end() == 0


def test_sixteen_readers():
    options = [word for i in range(16) for word in ("--reader", f"r{i},usb,token")]
    with Rig(*options) as rig:
        with rig.client() as client:
            client.establish()
            names = [slot["pcsc_name"] for slot in rig.do("status")["slots"]]
            assert names == [f"r{i} {i:02X} 00" for i in range(16)]
            assert sorted(client.readers()[1]) == sorted(names)
            for i in (3, 9, 15):
                unplug(rig, f"r{i}")
            assert len(client.readers()[1]) == 13
            for i in (15, 3, 9):
                plug(rig, f"r{i}")
            assert len(client.readers()[1]) == 16
            for slot in rig.do("status")["slots"]:
                client.use(slot["pcsc_name"])
                assert client.connect() == ["ok", 2]
        assert rig.end() == 0


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_fifty_times(isolation):
    with Rig("--isolation", isolation, "--reader", "key,usb", "--reader", "plain") as rig:
        with rig.client() as client:
            client.establish()
            parts = [pid for name, pid in rig.children().items() if name in ("cardrig", "pcscd")]
            assert len(parts) == 2
            counts = []
            for _ in range(50):
                unplug(rig)
                plug(rig)
                assert client.connect() == ["ok", 2]
                assert client.transmit(PROBE)[0] == "ok"
                client.disconnect()
                counts.append([descriptors(pid) for pid in parts])
            wait_for("no more descriptors than in the beginning",
                     lambda: all(descriptors(pid) <= count for pid, count in zip(parts, counts[1])))
        assert rig.end() == 0, rig.errors


def test_faster_than_pcscd_takes_it():
    """A client that does not wait gets either what was asked for or an error; in the end all agree."""
    with Rig("--reader", "key,usb") as rig:
        plugged, refused = True, 0
        for _ in range(500):
            answer = rig.ask(command="unplug" if plugged else "plug")
            if answer["ok"]:
                plugged = not plugged
            else:
                assert "pcscd has not yet handled the last change: try again" in answer["error"]
                refused += 1
        if plugged:
            wait_for("pcscd takes it", lambda: rig.ask(command="unplug")["ok"])
        plug(rig)
        with rig.client() as client:
            client.establish()
            client.use(rig.do("status")["slots"][0]["pcsc_name"])
            assert client.connect() == ["ok", 2]
            assert client.transmit(PROBE)[0] == "ok"


def test_pcscd_that_does_nothing():
    with Rig("--reader", "key,usb") as rig:
        # a pcscd that does not have the reader yet is not waited for
        wait_for("the reader", lambda: rig.do("status")["slots"][0]["ready"])
        assert rig.cardrig("service", "stop").returncode == 0
        process = subprocess.Popen([CARDRIG, "unplug"], env={**os.environ, "CARDRIG_SOCKET": rig.control_socket},
                                   stdout=subprocess.PIPE, text=True)
        wait_for("the unplugging", lambda: not rig.do("status")["slots"][0]["usb"]["plugged"])
        assert process.poll() is None  # it waits for pcscd
        assert rig.cardrig("service", "continue").returncode == 0
        assert process.communicate(timeout=TIMEOUT)[0] == "key: unplugged\n"


@pytest.mark.parametrize("arguments, error", [
    (["unplug", "plain"], "reader 'plain' is not on USB"),
    (["plug", "plain"], "reader 'plain' is not on USB"),
    (["plug", "key"], "reader 'key' is plugged in already"),
    (["unplug", "nobody"], "there is no slot 'nobody'"),
    (["unplug", "key", "plain"], "takes one reader, got 'plain', too"),
    (["plug", "--now"], "unrecognized option '--now'"),
])
def test_what_cannot_be_done(arguments, error):
    with Rig("--reader", "key,usb", "--reader", "plain") as rig:
        done = rig.cardrig(*arguments)
        assert done.returncode in (1, 2)
        assert error in done.stderr
        answer = rig.ask(command="unplug", slot="0", file="x")
        assert not answer["ok"] and 'takes no "file"' in answer["error"]


@pytest.mark.parametrize("options, error", [
    (["--reader", "a,usb=1", "--", "true"], "expected usb or usb=VVVV:PPPP"),
    (["--reader", "a,usb,vpcd", "--", "true"], "vpcd cards are for readers that are not on USB"),
    (["--reader", "a,token", "--", "true"], "token is for USB readers"),
    (["--reader", "a,usb=1234:5678", "--reader", "b,usb=1234:5678", "--", "true"], "are those of reader 'a'"),
    (["--reader", "a" * 119 + ",usb,serial=1", "--", "true"], "has 123 bytes; pcscd has room for 121"),
])
def test_readers_that_cannot_be(options, error):
    done = run("run", *options)
    assert done.returncode == 2
    assert error in done.stderr


@pytest.mark.skipif(not HAS_NAMESPACES, reason="a file can only be hidden in a namespace")
def test_without_umockdev():
    script = """library=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p | sed -n 's/.*libumockdev-preload.so.0 .*=> //p' | head -1)
        mount --bind /dev/null "$library" && exec "$0" run --reader key,usb -- true"""
    done = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, CARDRIG],
                          capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 125
    assert "readers on USB need umockdev: install the package 'umockdev'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(not HAS_NAMESPACES, reason="a directory can only be hidden in a namespace")
def test_without_a_directory_of_drivers():
    """Nothing can be mounted over a directory that does not exist: the paths are redirected."""
    script = """mount -t tmpfs none /usr/lib/pcsc && exec "$0" run --reader key,usb -- sh -c 'echo "$CARDRIG_READER";
        opensc-tool --atr; exec "$0" status' "$0\""""
    done = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, CARDRIG],
                          capture_output=True, text=True, timeout=TIMEOUT)
    assert done.stdout.splitlines()[:2] == ["key 00 00", ":".join(re.findall("..", ATR))], done.stderr
    assert "its paths are redirected" in done.stdout


def test_the_command_sees_nothing_of_it():
    done = run("run", "--reader", "key,usb", "--", "env")
    assert "UMOCKDEV" not in done.stdout and "CARDRIG_USB" not in done.stdout and "LD_PRELOAD" not in done.stdout


def test_nothing_is_left_after_a_kill():
    rig = Rig("--reader", "key,usb", "--reader", "other,usb,unplugged")
    parts = [*rig.children().values(), rig.supervisor()]
    unplug(rig)
    plug(rig, "other")
    os.kill(rig.process.pid, signal.SIGKILL)
    rig.wait()
    wait_until_gone(parts, rig.directory)
    assert not rig.directory.exists()
