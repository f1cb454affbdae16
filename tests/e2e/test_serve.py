# SPDX-License-Identifier: BSD-3-Clause
"""cardrig serve: a rig for an installed pcscd."""

import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile

import pytest

from card_state import wait_for_state
from link_message import HELLO, OK, VERSION, packet
from mounts import can_mount, with_an_empty_run
from private_pcscd import Pcscd
from programs import CARDRIG, CARDS, DRIVER, PYTHON, run
from serving import Serve, devices
from users import WITHOUT_CAPABILITIES, as_user
from waiting import TIMEOUT, Lines, wait_for

ATR = "3b87800163617264726967" + "6e"
STRANGER = 4711
# what a configuration says of us
root_only = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")


def user_key():
    """What a configuration says of us."""
    if os.getuid() != 0:
        return f":user={subprocess.getoutput('id -un')}"
    return ":user=cardrig" if user_exists("cardrig") else ""


@pytest.fixture
def place(temporary):
    """A folder below which rigs can be, and that others can enter."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=temporary))
    folder.chmod(0o711)
    yield folder
    assert list(folder.iterdir()) == []
    folder.rmdir()


def as_stranger(*command):
    return as_user(STRANGER, *command)


def user_exists(name):
    try:
        return pwd.getpwnam(name) is not None
    except KeyError:
        return False


def ready(directory, *users):
    """What it says when it serves."""
    known = ["root", *(["pcscd"] if user_exists("pcscd") else []), *map(str, users)]
    return f"cardrig: serving in {directory}, for a pcscd of {' or '.join(known)}\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_comes_and_goes(place, number):
    trace = place / "trace"
    serve = Serve(place / "rig", "--card", CARDS / "t1-only.lua", "--trace", trace)
    assert (place / "rig").stat().st_mode & 0o7777 == 0o711
    assert sorted(os.listdir(place / "rig")) == ["control", "link", "link.refused"]
    assert (place / "rig" / "control").stat().st_mode & 0o777 == 0o600
    assert (place / "rig" / "link").stat().st_mode & 0o007 == 0
    assert serve.do("remove")["card"] is None
    assert serve.end(number) == 0
    assert serve.errors == ready(place / "rig")
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


@pytest.mark.skipif(not can_mount(), reason="mount namespaces are not available")
def test_commands_find_it_where_it_is_by_default(place):
    script = (f"mount -t tmpfs none /run; {CARDRIG} serve 2>/run/said & "
              f"until grep -q serving /run/said; do :; done; {CARDRIG} remove && {CARDRIG} status; kill $!; wait $!; "
              "echo ended $?; cat /run/said; ls /run")
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=TIMEOUT)
    assert "cardrig/0: removed\n" in done.stdout
    assert done.stdout.endswith("    empty\nended 0\n" + ready("/run/cardrig") + "said\n"), done.stdout + done.stderr


def test_systemd_says_where(place):
    done = subprocess.run([CARDRIG, "serve", "--config"], capture_output=True, text=True, timeout=TIMEOUT,
                          env={**os.environ, "RUNTIME_DIRECTORY": "/run/other:/run/more"})
    assert "DEVICENAME   /dev/null:rig=/run/other/link:reader=0:slots=1" in done.stdout


def test_no_rig():
    done = subprocess.run(with_an_empty_run([CARDRIG, "status"]), capture_output=True, text=True, timeout=TIMEOUT)
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
    ("--directory", "rig"): (2, "directory 'rig': expected an absolute path of at most "),
    ("--directory", "/tmp/a:b"): (2, "directory '/tmp/a:b': expected an absolute path"),
    ("--directory", "/" + "x" * 100): (2, "expected an absolute path of at most "),
    ("--directory", "/no/such/place"): (1, "cannot make /no/such/place: No such file or directory"),
    ("--directory", "/dev/null"): (1, "cannot use /dev/null: Not a directory"),
    ("--pcscd-user", "no-such-user"): (2, "--pcscd-user no-such-user: there is no user of that name, nor"),
    tuple(f"-u{user}" for user in range(4711, 4716)): (2, ": there can be no more than 4 users"),
    ("--pcscd-user", "-1"): (2, "--pcscd-user -1: there is no user"),
    ("--pcscd-user", "4294967295"): (2, "--pcscd-user 4294967295: there is no user"),
    ("--seed", "x"): (2, "--seed x: expected a number"),
    ("--reader", ""): (2, "--reader: reader name ''"),
    ("--reader", "a,usb"): (2, "reader 'a': an installed pcscd finds real devices on USB"),
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
DEVICENAME   /dev/null:rig={place}/rig/link:reader=0:slots=1{user_key()}
LIBPATH      {os.path.realpath(DRIVER)}
CHANNELID    0

FRIENDLYNAME "two"
DEVICENAME   /dev/null:rig={place}/rig/link:reader=1:slots=3{user_key()}
LIBPATH      {os.path.realpath(DRIVER)}
CHANNELID    1
"""


def test_a_configuration_that_an_old_pcscd_has_no_room_for(place):
    warning = "17 slots, and before 2.5.0 pcscd has room for 16"
    for slots in (16, 17):
        done = run("serve", "--directory", place / "rig", "--config", "-r", f"wide,slots={slots}")
        assert done.returncode == 0 and (warning in done.stderr) == (slots == 17)


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
        f"/dev/null:rig={place}/rig/link:reader={reader}:slots={slots}{timeout}{user_key()}"
        for reader, slots, timeout in ((0, 2, ":timeout=62000"), (1, 1, ":timeout=62000"), (2, 1, ""), (3, 1, ":timeout=62000"))]


@pytest.mark.parametrize("readers", [("a,vpcd", "b,vpcd=35963"), ("a,vpcd=9001", "b,vpcd=9000,slots=2")])
def test_two_readers_for_vpcd_cards_at_one_port(readers):
    done = run("serve", "--config", "-r", readers[0], "-r", readers[1])
    assert (done.returncode, done.stdout) == (2, "")
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
    """As in cardrig.service: it runs as a user of its own, and DEVICENAME has to say so to a pcscd that is root."""
    (place / "rig").mkdir(mode=0o711)
    os.chown(place / "rig", STRANGER, STRANGER)
    with Serve(place / "rig", prefix=as_stranger()):
        readers = devices(run("serve", "--directory", place / "rig", "--config").stdout)
        assert readers["cardrig"].endswith(f":user={STRANGER}")
        with Pcscd(place / "pcscd", readers) as pcscd, pcscd.client() as client:
            wait_for_state(client, "PRESENT")
            assert client.connect()[0] == "ok"
        # without that it does not trust it
        readers = {"cardrig": readers["cardrig"].replace(f":user={STRANGER}", "")}
        with Pcscd(place / "pcscd", readers) as pcscd, pcscd.client() as client:
            wait_for_state(client, "EMPTY")
    assert os.listdir(place / "rig") == []
    (place / "rig").rmdir()


def test_an_installed_pcscd(place):
    """The pcscd is first; the rig comes, ends, comes back, is killed, and comes back, and clients go on."""
    options = ("--reader", "served", "--card", CARDS / "t1-only.lua")
    readers = devices(run("serve", "--directory", place / "rig", "--config", *options).stdout)
    with Pcscd(place / "pcscd", readers) as pcscd, pcscd.client() as client:
        assert client.readers() == ["ok", ["served 00 00"]]
        _, counter, _ = wait_for_state(client, "EMPTY", 0)
        for how in ("end", "kill", "end"):
            serve = Serve(place / "rig", *options)
            _, _, atr = wait_for_state(client, "PRESENT", counter + 1)
            assert client.connect() == ["ok", 2]
            assert client.transmit("00A4040000")[0] == "ok"
            assert serve.slots()[0]["driver_connected"]
            assert bytes.fromhex(serve.card()["atr"]) == bytes.fromhex(atr)
            getattr(serve, how)()
            _, counter, _ = wait_for_state(client, "EMPTY", counter + 2)
            assert client.transmit("00A4040000")[0] == "SCARD_W_REMOVED_CARD"
            client.disconnect()
        assert not (place / "rig" / "link").exists()
    # of the one that was killed the directory is left: the next did not make it
    (place / "rig").rmdir()


SAY_HELLO = """
import socket, sys
links = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(int(sys.argv[2]))]
answers = set()
for link in links:
    link.settimeout(20)
    try:
        link.connect(sys.argv[1])
        link.send(bytes.fromhex(sys.argv[3]))
        answer = link.recv(100)
        answers.add(f"status-{answer[1]}" if answer else "nothing")
    except OSError as error:
        answers.add(type(error).__name__)
print(*sorted(map(str, answers)))
"""


def say_hello(link, count, user=STRANGER, prefix=()):
    """What a stranger's drivers get, each on a connection of its own, when they say hello."""
    done = subprocess.run([*prefix] + as_user(user, PYTHON, "-c", SAY_HELLO, link, count, packet(HELLO, VERSION).hex()),
                          capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@root_only
def test_a_stranger_cannot_connect(place):
    with Serve(place / "rig") as serve:
        assert say_hello(serve.directory / "link", 1) == ["PermissionError"]


@root_only
def test_the_user_of_pcscd_is_let_in(place):
    with Serve(place / "rig", "--pcscd-user", STRANGER) as serve:
        assert say_hello(serve.directory / "link", 10) == [f"status-{OK}"]
        # but not to the control socket
        done = subprocess.run(as_stranger(CARDRIG, "status"), capture_output=True, text=True, timeout=TIMEOUT,
                              env={**os.environ, "CARDRIG_SOCKET": str(serve.directory / "control")})
        assert done.returncode == 1 and "Permission denied" in done.stderr
    assert serve.errors == ready(place / "rig", STRANGER)


@root_only
def test_a_directory_that_the_user_of_pcscd_cannot_enter(place):
    (place / "rig").mkdir(mode=0o700)
    with Serve(place / "rig", "--pcscd-user", STRANGER) as serve:
        pass
    assert f"cardrig: a pcscd of user {STRANGER} cannot enter {place}/rig (mode 700)\n" in serve.errors
    (place / "rig").rmdir()


def test_a_link_to_a_directory(place):
    (place / "real").mkdir(mode=0o700)
    (place / "rig").symlink_to("real")
    done = run("serve", "--directory", place / "rig")
    assert done.returncode == 1 and f"cannot use {place}/rig: " in done.stderr
    (place / "rig").unlink()
    (place / "real").rmdir()


HAMMER = """
import errno, select, socket, sys
def attempt():
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        link.connect(sys.argv[1])
    except OSError as error:
        return error.errno
    kept.append(link)
    return 0
kept, seen = [], {attempt()}
print("begun", flush=True)
while not select.select([0], [], [], 0)[0]:
    seen.add(attempt())
    kept = kept[-50:]
print(*sorted(errno.errorcode.get(number, "OK") for number in seen))
"""


class Strangers:
    """Processes of another user that do nothing but connect to a socket, until they are left. It is the socket that
    they are to be in the way of, not the processor."""

    def __init__(self, path, count):
        self.processes = [subprocess.Popen(["nice", "-n", "19", *as_stranger(PYTHON, "-c", HAMMER, path)], stdin=subprocess.PIPE,
                                           stdout=subprocess.PIPE, text=True) for _ in range(count)]

    def __enter__(self):
        assert {Lines(process.stdout).next() for process in self.processes} == {"begun"}
        return self

    def __exit__(self, *exception):
        self.seen = {process.communicate(timeout=TIMEOUT)[0] for process in self.processes}


@root_only
def test_strangers_cannot_keep_pcscd_out(place):
    """The kernel refuses them, so that they are in nobody's way; and nobody reads of them."""
    with Serve(place / "rig", "--pcscd-user", STRANGER + 1) as serve:
        with Strangers(serve.directory / "link", 16) as strangers:
            readers = {"served": f"/dev/null:rig={serve.directory}/link"}
            with Pcscd(place / "pcscd", readers, user=STRANGER + 1) as pcscd, pcscd.client() as client:
                wait_for_state(client, "PRESENT")
        assert strangers.seen == {"EACCES\n"}
    assert serve.errors == ready(place / "rig", STRANGER + 1)


def with_passwd(folder, line):
    """A prefix for a command that finds this line in /etc/passwd, before another for the same user."""
    passwd = folder / "passwd"
    passwd.write_text(line + "\n" + pathlib.Path("/etc/passwd").read_text())
    passwd.chmod(0o644)
    return ["unshare", "-m", "sh", "-c", f'mount --bind {passwd} /etc/passwd && exec "$@"', "sh"]


# The services of today: as whom pcscd runs, and what with
SERVICES = {"Debian 12": {}, "Debian 13": {"prefix": WITHOUT_CAPABILITIES}, "sid": {"user": STRANGER + 1}}


@pytest.mark.skipif(not can_mount(), reason="root and a mount namespace are needed")
@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("user", [0, STRANGER], ids=["as root", "as cardrig.service"])
def test_the_services_of_today(place, service, user):
    """Without an option: pcscd as root, as root without capabilities, or as the user pcscd."""
    (place / "rig").mkdir(mode=0o711)
    os.chown(place / "rig", user, user)
    (place / "etc").mkdir(mode=0o711)
    prefix = with_passwd(place / "etc", f"pcscd:x:{STRANGER + 1}:{STRANGER + 1}::/:/usr/sbin/nologin")
    with Serve(place / "rig", prefix=[*prefix, *as_user(user)]) as serve:
        readers = devices(run("serve", "--directory", place / "rig", "--config").stdout)
        with Pcscd(place / "pcscd", readers, **SERVICES[service]) as pcscd, pcscd.client() as client:
            wait_for_state(client, "PRESENT")
            assert client.connect()[0] == "ok"
    assert serve.errors == f"cardrig: serving in {place}/rig, for a pcscd of root or pcscd\n"
    shutil.rmtree(place / "etc")
    (place / "rig").rmdir()


@root_only
def test_who_is_refused_is_reported(place):
    """Once for each user, to the one who can change it; and in pcscd's log."""
    with Serve(place / "rig") as serve:
        readers = {"one": f"/dev/null:rig={serve.directory}/link", "two": f"/dev/null:rig={serve.directory}/link"}
        with Pcscd(place / "pcscd", readers, user=STRANGER) as pcscd, pcscd.client() as client:
            wait_for_state(client, "EMPTY")
            wait_for("the reason in pcscd's log",
                     lambda: "permission denied; 'cardrig serve --pcscd-user' lets this user in" in pcscd.log())
        # whatever comes from there: strangers can write to it
        for user in range(STRANGER, STRANGER + 50):
            subprocess.run(as_user(user, PYTHON, "-c", REFUSED, serve.directory / "link.refused"), check=True,
                           timeout=TIMEOUT)
        assert serve.slots()[0]["card"]
    lines = serve.errors.splitlines(keepends=True)
    assert lines[0] == ready(place / "rig")
    assert lines[1:] == [f"cardrig: rig link: a driver that runs as {user} was refused; --pcscd-user {user} lets it in\n"
                         for user in range(STRANGER, STRANGER + 16)]


REFUSED = """
import array, os, socket, sys
refused = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
try:
    refused.connect(sys.argv[1])
    refused.send(b"x" * 5000)
    refused.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
    for _ in range(4):
        refused.send(b"")
except ConnectionError:
    pass  # there have been enough
"""


@pytest.mark.skipif(not can_mount(), reason="root and a mount namespace are needed")
def test_without_acls(place):
    """On a file system that has none strangers can connect, and are refused: each user is reported once."""
    (place / "rig").mkdir(mode=0o711)
    namespace = ["unshare", "-m", "sh", "-c", f'mount -t ramfs none {place}/rig && chmod 711 {place}/rig && exec "$@"', "sh"]
    with Serve(place / "rig", "--pcscd-user", STRANGER + 1, prefix=namespace) as serve:
        enter = ["nsenter", f"--mount=/proc/{serve.process.pid}/ns/mnt"]
        link = serve.directory / "link"
        assert set(say_hello(link, 300, prefix=enter)) <= {"nothing", "BrokenPipeError", "ConnectionResetError"}
        assert say_hello(link, 10, STRANGER + 1, prefix=enter) == [f"status-{OK}"]
    lines = serve.errors.splitlines(keepends=True)
    assert lines[0] == (f"cardrig: {place}/rig/link: no ACL can be set (Operation not supported): every user can connect, "
                        "and others are refused only then\n")
    assert lines[1] == ready(place / "rig", STRANGER + 1)
    assert lines[2:] == [f"cardrig: rig link: a driver that runs as {STRANGER} was refused; --pcscd-user {STRANGER} lets "
                         "it in\n"]
    (place / "rig").rmdir()


def test_what_a_service_does_not_see(place):
    """ProtectHome= and PrivateTmp= of pcscd's unit: what is there has to be elsewhere, and the file readable."""
    with open(place / "reader.conf", "w") as file:
        os.fchmod(file.fileno(), 0o600)
        done = subprocess.run([CARDRIG, "serve", "--directory", place / "rig", "--config"], stdout=file,
                              stderr=subprocess.PIPE, text=True, timeout=TIMEOUT)
    assert done.returncode == 0
    assert f"warning: the directory is {place}/rig, and pcscd.service (from 2.3 on) cannot see /tmp/: " in done.stderr
    assert "warning: the file has mode 600, " in done.stderr
    shutil.copy(DRIVER, place / "libifdcardrig.so")
    done = subprocess.run([CARDRIG, "serve", "--config"], capture_output=True, text=True, timeout=TIMEOUT,
                          env={**os.environ, "CARDRIG_DRIVER": str(place / "libifdcardrig.so")})
    assert f"warning: LIBPATH is {place}/libifdcardrig.so, and pcscd.service (from 2.3 on) cannot see /tmp/: " in done.stderr
    assert "warning: the directory" not in done.stderr and "warning: the file" not in done.stderr
    (place / "reader.conf").unlink()
    (place / "libifdcardrig.so").unlink()


def test_a_notify_socket_that_leads_nowhere(place):
    """A NOTIFY_SOCKET that leads nowhere is no reason not to serve."""
    for address in ("/no/such", "relative", "@nobody-listens", "/" + "x" * 200, ""):
        process = subprocess.Popen([CARDRIG, "serve", "--directory", place / "rig"], stderr=subprocess.PIPE, text=True,
                                   env={**os.environ, "NOTIFY_SOCKET": address})
        assert Lines(process.stderr).next() + "\n" == ready(place / "rig")
        process.terminate()
        assert process.communicate(timeout=TIMEOUT)[1] == ""
        assert process.returncode == 0
