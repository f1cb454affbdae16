"""cardrig serve: a rig for an installed pcscd."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import pytest

from conftest import CARDRIG, CARDS, DRIVER, PYTHON, run
from serving import Pcscd, Serve, device
from waiting import TIMEOUT, Lines, until

ATR = "3b87800163617264726967" + "6e"
STRANGER = 4711
# what a configuration says of us
USER = "" if os.getuid() == 0 else f":user={subprocess.getoutput('id -un')}"
root_only = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def place(temporary):
    """A folder below which rigs can be, and that others can enter."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=temporary))
    folder.chmod(0o711)
    yield folder
    assert list(folder.iterdir()) == []
    folder.rmdir()


def as_stranger(*command):
    return ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups", *map(str, command)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_comes_and_goes(place, number):
    trace = place / "trace"
    serve = Serve(place / "rig", "--card", CARDS / "t1-only.lua", "--trace", trace)
    assert (place / "rig").stat().st_mode & 0o7777 == 0o711
    assert sorted(os.listdir(place / "rig")) == ["control", "link"]
    assert [(place / "rig" / name).stat().st_mode & 0o777 for name in ("control", "link")] == [0o600, 0o600]
    assert serve.do("remove")["card"] is None
    assert serve.end(number) == 0
    assert serve.errors == f"cardrig: serving in {place}/rig\n"
    assert not (place / "rig").exists()
    assert "card removed" in trace.read_text()
    trace.unlink()


def test_a_directory_that_was_there_stays(place):
    (place / "rig").mkdir(mode=0o700)
    with Serve(place / "rig"):
        assert (place / "rig").stat().st_mode & 0o7777 == 0o700
    assert os.listdir(place / "rig") == []
    (place / "rig").rmdir()


def test_commands_find_it(place):
    with Serve(place / "rig", "--reader", "left", "--reader", "right,slots=2", "--empty") as serve:
        environment = {**os.environ, "CARDRIG_SOCKET": str(serve.directory / "control")}
        done = run("insert", "right/1", CARDS / "t1-only.lua", env=environment)
        assert done.returncode == 0, done.stderr
        assert run("fault", "right/1", "mute", env=environment).returncode == 0
        assert [slot["card"] and slot["card"]["name"] for slot in serve.slots()] == [None, None, "T=1 only"]
        assert "(no driver connected)" in run("status", env=environment).stdout


def can_mount():
    return subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/run"], capture_output=True).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="mount namespaces are not to be had")
def test_commands_find_it_where_it_is_by_default(place):
    script = (f"mount -t tmpfs none /run; {CARDRIG} serve 2>/run/said & "
              f"until grep -q serving /run/said; do :; done; {CARDRIG} remove && {CARDRIG} status; kill $!; wait $!; "
              "echo ended $?; cat /run/said; ls /run")
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=TIMEOUT)
    assert "cardrig/0: removed\n" in done.stdout
    assert done.stdout.endswith("    empty\nended 0\ncardrig: serving in /run/cardrig\nsaid\n"), done.stdout + done.stderr


def test_systemd_says_where(place):
    done = subprocess.run([CARDRIG, "serve", "--config"], capture_output=True, text=True, timeout=TIMEOUT,
                          env={**os.environ, "RUNTIME_DIRECTORY": "/run/other:/run/more"})
    assert "DEVICENAME   /dev/null:rig=/run/other/link:reader=0:slots=1" in done.stdout


def test_no_rig():
    done = run("status")
    assert done.returncode == 1
    assert done.stderr == ("cardrig: no rig: CARDRIG_SOCKET is not set, and there is no /run/cardrig/control; this works "
                           "inside 'cardrig run -- COMMAND', or while 'cardrig serve' runs\n")


def test_only_one(place):
    with Serve(place / "rig") as serve:
        done = run("serve", "--directory", place / "rig")
        assert done.returncode == 1
        assert done.stderr == f"cardrig: cannot use {place}/rig: a cardrig serves there already\n"
        assert serve.do("status")


@root_only
def test_a_directory_of_somebody_else(place):
    (place / "rig").mkdir(mode=0o700)
    os.chown(place / "rig", STRANGER, STRANGER)
    done = run("serve", "--directory", place / "rig")
    assert done.returncode == 1
    assert done.stderr == (f"cardrig: cannot use {place}/rig: it belongs to user ID {STRANGER}, and not to us or to root\n")
    (place / "rig").rmdir()


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_directory_that_others_can_write_to(place, mode):
    (place / "rig").mkdir()
    (place / "rig").chmod(mode)
    done = run("serve", "--directory", place / "rig")
    assert done.returncode == 1
    assert f"cannot use {place}/rig: others can write to it (mode {mode:03o})" in done.stderr
    (place / "rig").rmdir()


def test_what_is_in_the_way_stays(place):
    (place / "rig").mkdir(mode=0o711)
    (place / "rig" / "link").write_text("mine")
    done = run("serve", "--directory", place / "rig")
    assert done.returncode == 1
    assert f"cannot listen in {place}/rig: Address already in use" in done.stderr
    assert (place / "rig" / "link").read_text() == "mine"
    shutil.rmtree(place / "rig")


WRONG = {
    ("--directory", "rig"): (2, "directory 'rig': expected an absolute path of at most 85 characters"),
    ("--directory", "/tmp/a:b"): (2, "directory '/tmp/a:b': expected an absolute path"),
    ("--directory", "/" + "x" * 100): (2, "expected an absolute path of at most 85 characters"),
    ("--directory", "/no/such/place"): (1, "cannot make /no/such/place: No such file or directory"),
    ("--directory", "/dev/null"): (1, "cannot use /dev/null: Not a directory"),
    ("--pcscd-user", "no-such-user"): (2, "--pcscd-user no-such-user: there is no user of that name, nor"),
    ("--pcscd-user", "-1"): (2, "--pcscd-user -1: there is no user"),
    ("--pcscd-user", "4294967295"): (2, "--pcscd-user 4294967295: there is no user"),
    ("--seed", "x"): (2, "--seed x: expected a number"),
    ("--reader", ""): (1, "--reader: reader name ''"),
    ("--reader", "a,usb"): (1, "reader 'a': an installed pcscd finds real devices on USB"),
    ("--empty", "--card", "x"): (2, "--empty and --card exclude each other"),
    ("--nonsense",): (2, "'cardrig serve --help' lists the options"),
    ("opensc-tool",): (2, "serve: takes no arguments, got 'opensc-tool'; to run a command there is 'cardrig run'"),
}


@pytest.mark.parametrize("options", WRONG)
def test_wrong_options(place, options):
    status, said = WRONG[options]
    more = () if "--directory" in options else ("--directory", place / "rig")
    done = run("serve", *more, *options)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr


def test_a_bad_card(place):
    done = run("serve", "--directory", place / "rig", "--card", "/dev/null")
    assert done.returncode == 1 and "/dev/null" in done.stderr


def test_the_configuration(place):
    done = run("serve", "--directory", place / "rig", "--config", "-r", "one", "-r", "two,slots=3", "--card", "/not/read")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"""FRIENDLYNAME "one"
DEVICENAME   /dev/null:rig={place}/rig/link:reader=0:slots=1{USER}
LIBPATH      {os.path.realpath(DRIVER)}
CHANNELID    0

FRIENDLYNAME "two"
DEVICENAME   /dev/null:rig={place}/rig/link:reader=1:slots=3{USER}
LIBPATH      {os.path.realpath(DRIVER)}
CHANNELID    1
"""


def test_no_configuration_that_pcscd_would_refuse(place):
    """With it the system's pcscd would not start."""
    (place / "a b").mkdir()
    shutil.copy(DRIVER, place / "a b" / "libifdcardrig.so")
    done = subprocess.run([CARDRIG, "serve", "--config"], capture_output=True, text=True, timeout=TIMEOUT,
                          env={**os.environ, "CARDRIG_DRIVER": str(place / "a b" / "libifdcardrig.so")})
    shutil.rmtree(place / "a b")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"the driver is {os.path.realpath(place)}/a b/libifdcardrig.so, which pcscd's configuration cannot hold" in done.stderr


def test_the_configuration_of_readers_for_vpcd_cards(place):
    done = run("serve", "--directory", place / "rig", "--config", "-r", "one,vpcd,slots=2", "-r", "two,vpcd", "-r", "own",
               "-r", "three,vpcd=[::1]:9000")
    assert [line.split(None, 1)[1] for line in done.stdout.splitlines() if line.startswith("DEVICENAME")] == [
        "/dev/null:vpcd=listen:port=35963:host=127.0.0.1:slots=2", "/dev/null:vpcd=listen:port=35965:host=127.0.0.1:slots=1",
        f"/dev/null:rig={place}/rig/link:reader=2:slots=1{USER}", "/dev/null:vpcd=listen:port=9000:host=__1:slots=1"]


@pytest.mark.parametrize("readers", [("a,vpcd", "b,vpcd=35963"), ("a,vpcd=9001", "b,vpcd=9000,slots=2")])
def test_two_readers_for_vpcd_cards_at_one_port(readers):
    done = run("serve", "--config", "-r", readers[0], "-r", readers[1])
    assert (done.returncode, done.stdout) == (1, "")
    assert "readers 'a' and 'b' would listen at the same port" in done.stderr


@root_only
def test_the_configuration_names_the_user(place):
    (place / "rig").mkdir(mode=0o711)
    os.chown(place / "rig", STRANGER, STRANGER)
    assert f"/link:reader=0:slots=1:user={STRANGER}\n" in run("serve", "--directory", place / "rig", "--config").stdout
    os.chown(place / "rig", 2, 2)
    assert "/link:reader=0:slots=1:user=bin\n" in run("serve", "--directory", place / "rig", "--config").stdout
    (place / "rig").rmdir()


@root_only
def test_a_rig_of_another_user(place):
    """As cardrig.service has it: it runs as a user of its own, and pcscd as root has to be told so."""
    (place / "rig").mkdir(mode=0o711)
    os.chown(place / "rig", STRANGER, STRANGER)
    with Serve(place / "rig", prefix=as_stranger()):
        readers = device(run("serve", "--directory", place / "rig", "--config").stdout)
        assert readers["cardrig"].endswith(f":user={STRANGER}")
        with Pcscd(place / "pcscd", readers) as pcscd, pcscd.client() as client:
            until(client, "PRESENT")
            assert client.connect()[0] == "ok"
        # not told, it does not trust it
        readers = {"cardrig": readers["cardrig"].replace(f":user={STRANGER}", "")}
        with Pcscd(place / "pcscd", readers) as pcscd, pcscd.client() as client:
            until(client, "EMPTY")
    assert os.listdir(place / "rig") == []
    (place / "rig").rmdir()


def test_an_installed_pcscd(place):
    """The pcscd is first; the rig comes, ends, comes back, is killed, and comes back, and clients go on."""
    options = ("--reader", "served", "--card", CARDS / "t1-only.lua")
    readers = device(run("serve", "--directory", place / "rig", "--config", *options).stdout)
    with Pcscd(place / "pcscd", readers) as pcscd, pcscd.client() as client:
        assert client.readers() == ["ok", ["served 00 00"]]
        _, counter, _ = until(client, "EMPTY", 0)
        for how in ("end", "kill", "end"):
            serve = Serve(place / "rig", *options)
            _, _, atr = until(client, "PRESENT", counter + 1)
            assert client.connect() == ["ok", 2]
            assert client.transmit("00A4040000")[0] == "ok"
            assert serve.slots()[0]["driver_connected"]
            assert bytes.fromhex(serve.card()["atr"]) == bytes.fromhex(atr)
            getattr(serve, how)()
            _, counter, _ = until(client, "EMPTY", counter + 2)
            assert client.transmit("00A4040000")[0] == "SCARD_W_REMOVED_CARD"
            client.disconnect()
        assert not (place / "rig" / "link").exists()
    # of the one that was killed the directory is left: the next did not make it
    (place / "rig").rmdir()


HELLO = """
import socket, struct, sys
links = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(int(sys.argv[2]))]
answers = set()
for link in links:
    link.settimeout(20)
    try:
        link.connect(sys.argv[1])
        link.send(struct.pack(">BBHII", 1, 2, 0, 0, 0))
        answers.add(len(link.recv(100)))
    except OSError as error:
        answers.add(type(error).__name__)
print(*sorted(map(str, answers)))
"""


def knock(serve, count, name="link"):
    """What a stranger's drivers get, each on a connection of its own, when they say hello."""
    done = subprocess.run(as_stranger(PYTHON, "-c", HELLO, serve.directory / name, count), capture_output=True,
                          text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@root_only
def test_a_stranger_cannot_knock(place):
    with Serve(place / "rig") as serve:
        assert knock(serve, 1) == ["PermissionError"]


@root_only
def test_the_user_of_pcscd_is_let_in(place):
    with Serve(place / "rig", "--pcscd-user", STRANGER) as serve:
        assert [(serve.directory / name).stat().st_mode & 0o777 for name in ("control", "link")] == [0o600, 0o666]
        assert knock(serve, 10) == ["12"]
        # but not to the control socket
        done = subprocess.run(as_stranger(CARDRIG, "status"), capture_output=True, text=True, timeout=TIMEOUT,
                              env={**os.environ, "CARDRIG_SOCKET": str(serve.directory / "control")})
        assert done.returncode == 1 and "Permission denied" in done.stderr
    assert serve.errors == f"cardrig: serving in {place}/rig\n"


@root_only
def test_a_directory_that_the_user_of_pcscd_cannot_enter(place):
    (place / "rig").mkdir(mode=0o700)
    with Serve(place / "rig", "--pcscd-user", STRANGER) as serve:
        pass
    assert serve.errors.splitlines()[0] == (f"cardrig: user ID {STRANGER} cannot enter {place}/rig (mode 700), and is not let in "
                                            "for that")
    (place / "rig").rmdir()


def test_a_link_to_a_directory(place):
    (place / "real").mkdir(mode=0o700)
    (place / "rig").symlink_to("real")
    done = run("serve", "--directory", place / "rig")
    assert done.returncode == 1 and f"cannot use {place}/rig: " in done.stderr
    (place / "rig").unlink()
    (place / "real").rmdir()


@root_only
def test_another_user_is_not(place):
    """However often it comes: it is told of once, takes nobody's place, and is not waited for."""
    with Serve(place / "rig", "--pcscd-user", STRANGER + 1) as serve:
        assert set(knock(serve, 300)) <= {"0", "BrokenPipeError", "ConnectionResetError"}
        with Pcscd(place / "pcscd", {"served": f"/dev/null:rig={serve.directory}/link"}) as pcscd:
            with pcscd.client() as client:
                until(client, "PRESENT")
        assert serve.slots()[0]["card"]
    assert serve.errors == (f"cardrig: serving in {place}/rig\ncardrig: rig link: a process of another user was refused: "
                            f"user ID {STRANGER} (this is said once)\n")


def test_nobody_is_told_where_nobody_listens(place):
    """A NOTIFY_SOCKET that leads nowhere is no reason not to serve."""
    for address in ("/no/such", "relative", "@nobody-listens", "/" + "x" * 200, ""):
        process = subprocess.Popen([CARDRIG, "serve", "--directory", place / "rig"], stderr=subprocess.PIPE, text=True,
                                   env={**os.environ, "NOTIFY_SOCKET": address})
        assert Lines(process.stderr).next() == f"cardrig: serving in {place}/rig"
        process.terminate()
        assert process.communicate(timeout=TIMEOUT)[1] == ""
        assert process.returncode == 0
