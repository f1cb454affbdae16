# SPDX-License-Identifier: BSD-3-Clause
"""What `cmake --install` installs: it works from where it lies, and pcscd, pkg-config, CMake and man find their parts."""

import os
import pathlib
import plistlib
import re
import shutil
import subprocess
import tempfile

import pytest

from mounts import with_an_empty_run
from programs import BUILD, CARDS, SOURCE, run
from waiting import TIMEOUT

SANITIZED = "CARDRIG_SANITIZE:BOOL=ON" in (BUILD / "CMakeCache.txt").read_text()
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
HEADERS = sorted((SOURCE / "lib/scardmanage/include").glob("*.h"))


def install(*options, destdir=None, umask=0o022):
    environment = {name: value for name, value in os.environ.items() if name != "DESTDIR"}
    if destdir:
        environment["DESTDIR"] = str(destdir)
    subprocess.run(["cmake", "--install", BUILD, *options], check=True, env=environment, umask=umask,
                   stdout=subprocess.DEVNULL, timeout=TIMEOUT)


def files(folder):
    """What is below it, as paths relative to it; without folders."""
    return {str(path.relative_to(folder)) for path in folder.glob("**/*") if path.is_symlink() or not path.is_dir()}


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory(prefix="root", dir="/tmp") as root:
        os.chmod(root, 0o755)  # others are to run what is installed
        yield pathlib.Path(root)


@pytest.fixture(scope="module")
def tree(folder):
    install(destdir=folder / "tree", umask=0o077)
    return folder / "tree"


def assert_gives_its_card(cardrig, isolation="auto"):
    done = subprocess.run([*NOBODY, cardrig, "run", "--isolation", isolation, "--", "opensc-tool", "--atr"],
                          capture_output=True, text=True, timeout=TIMEOUT, cwd="/")
    assert done.stdout.startswith("3b:87:80:01"), done.stderr


def test_everything_is_below_the_prefix(folder):
    """Whatever the umask was, for everybody to read."""
    install("--prefix", "/some/where", destdir=folder / "below", umask=0o077)
    prefix = folder / "below/some/where"
    assert files(prefix) and {f"some/where/{name}" for name in files(prefix)} == files(folder / "below")
    for path in (folder / "below").glob("**/*"):
        wanted = [0o755] if path.is_dir() or path.parent.name == "bin" else [0o644, 0o755]
        assert path.is_symlink() or path.stat().st_mode & 0o7777 in wanted, path


def test_what_names_others_names_the_prefix_that_was_installed_to(folder):
    prefix = folder / "named"
    install("--prefix", prefix)
    assert f"ExecStart={prefix}/bin/cardrig serve " in (prefix / "lib/systemd/system/cardrig.service").read_text()
    library = re.search("^LIBPATH +(.*)$", (prefix / "share/cardrig/reader.conf").read_text(), re.MULTILINE)[1]
    assert library.startswith(f"{prefix}/") and os.path.exists(library)


def test_completion_is_where_the_shells_look(tree):
    share = tree / "usr/local/share"
    for file in ("bash-completion/completions/cardrig", "zsh/site-functions/_cardrig", "fish/vendor_completions.d/cardrig.fish"):
        assert "__complete" in (share / file).read_text()


def test_what_was_installed_can_be_moved(folder):
    install("--prefix", folder / "first")
    (folder / "first").rename(folder / "moved")
    assert_gives_its_card(folder / "moved/bin/cardrig")
    assert_gives_its_card(folder / "moved/bin/cardrig", "redirect")


def test_components(folder):
    """Each file is in one of them, and the tool needs no other."""
    parts = {name: folder / f"component-{name}" for name in ("tool", "driver", "library", "development")}
    for name, prefix in parts.items():
        install("--component", name, "--prefix", prefix, umask=0o077)
        assert all(path.stat().st_mode & 0o7777 == 0o755 for path in prefix.glob("**/*") if path.is_dir())
    install("--prefix", folder / "all")
    found = [name for prefix in parts.values() for name in files(prefix)]
    assert sorted(found) == sorted(files(folder / "all"))
    assert_gives_its_card(parts["tool"] / "bin/cardrig")


@pytest.mark.skipif(SANITIZED, reason="it builds without sanitizers, as the other half of the tests does")
def test_an_ordinary_user_builds_and_installs(folder):
    """From the sources alone, without the tests and what they need; with a driver folder of his own choice."""
    home = folder / "home"
    for name in ("CMakeLists.txt", "cmake", "lib", "driver", "simulator", "fixtures"):
        copy = shutil.copytree if (SOURCE / name).is_dir() else shutil.copy
        (home / "sources").mkdir(parents=True, exist_ok=True)
        copy(SOURCE / name, home / "sources" / name)
    if NOBODY:
        subprocess.run(["chown", "-R", "65534:65534", home], check=True)
    environment = {**os.environ, "HOME": str(home), "CMAKE_C_COMPILER_LAUNCHER": ""}
    for words in (["-S", "sources", "-B", "build", "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_INSTALL_PREFIX=/usr",
                   "-DCARDRIG_DRIVER_DIR=lib/drivers"],
                  ["--build", "build", "--parallel", "2"],
                  ["--install", "build", "--prefix", home / "installed"]):
        done = subprocess.run([*NOBODY, "cmake", *words], cwd=home, env=environment, capture_output=True, text=True,
                              umask=0o022, timeout=10 * TIMEOUT)
        assert done.returncode == 0 and "warning" not in done.stdout + done.stderr, done.stdout + done.stderr
    assert (home / "installed/lib/drivers/serial/libifdcardrig.so").exists()
    assert_gives_its_card(home / "installed/bin/cardrig")


def variable(package, name):
    return subprocess.run(["pkg-config", f"--variable={name}", package], capture_output=True, text=True,
                          check=True).stdout.strip()


def test_the_installed_tool_finds_its_driver(tree):
    for isolation in ("auto", "redirect"):
        assert_gives_its_card(tree / "usr/local/bin/cardrig", isolation)


def test_the_driver_is_where_pcscd_looks(tree):
    """Which is below pcscd's prefix as below ours."""
    drivers = tree / "usr/local" / os.path.relpath(variable("libpcsclite", "usbdropdir"), variable("libpcsclite", "prefix"))
    bundle = drivers / "ifd-cardrig.bundle" / "Contents"
    plist = plistlib.loads((bundle / "Info.plist").read_bytes())
    library = bundle / "Linux" / plist["CFBundleExecutable"]
    assert library.read_bytes() == (drivers / "serial" / "libifdcardrig.so").read_bytes()
    assert len(plist["ifdVendorID"]) == len(plist["ifdProductID"]) == len(plist["ifdFriendlyName"]) > 0
    for key in ("ifdVendorID", "ifdProductID"):
        assert all(re.fullmatch("0x[0-9A-F]{4}", number) for number in plist[key])
    symbols = subprocess.run(["nm", "--dynamic", "--defined-only", library], capture_output=True, text=True,
                             check=True).stdout
    exported = {line.split()[-1] for line in symbols.splitlines()}
    assert {name for name in exported if not name.startswith("__")} == {
        f"IFDH{name}" for name in ("CreateChannelByName", "CreateChannel", "CloseChannel", "GetCapabilities",
                                   "SetCapabilities", "SetProtocolParameters", "PowerICC", "TransmitToICC",
                                   "ICCPresence", "Control")}


def test_the_template_of_reader_conf(tree):
    text = (tree / "usr/local/share/cardrig/reader.conf").read_text()
    fields = dict(line.split(None, 1) for line in text.splitlines() if line and not line.startswith("#"))
    assert sorted(fields) == ["CHANNELID", "DEVICENAME", "FRIENDLYNAME", "LIBPATH"]
    assert (tree / fields["LIBPATH"].strip().lstrip("/")).exists()


def test_the_service(tree):
    """It starts what is installed, as a user that is made for it, where reader.conf's template expects it."""
    unit = (tree / "usr/local/lib/systemd/system/cardrig.service").read_text()
    settings = dict(line.split("=", 1) for line in unit.splitlines() if "=" in line and not line.startswith("#"))
    program, *words = settings["ExecStart"].split()
    assert (tree / program.lstrip("/")).exists() and words == ["serve", "$CARDRIG_OPTIONS"]
    kind, user, *_ = (tree / "usr/local/lib/sysusers.d/cardrig.conf").read_text().splitlines()[-1].split()
    assert (kind, user) == ("u", settings["User"])
    assert (settings["Type"], settings["RuntimeDirectoryMode"]) == ("notify", "0711")
    template = (tree / "usr/local/share/cardrig/reader.conf").read_text()
    assert (f"\nDEVICENAME   /dev/null:rig=/run/{settings['RuntimeDirectory']}/link:reader=0:slots=1:user={user}\n" in
            template)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_what_systemd_thinks_of_the_service(tree, tmp_path):
    unit = (tree / "usr/local/lib/systemd/system/cardrig.service").read_text()
    copy = tmp_path / "cardrig.service"
    copy.write_text(unit.replace("ExecStart=/", f"ExecStart={tree}/"))
    done = subprocess.run(with_an_empty_run(["systemd-analyze", "verify", "--man=no", copy]), capture_output=True, text=True,
                          timeout=TIMEOUT)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


PROGRAM = """
#include <scardmanage.h>
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
    scardmanage *card;
    scardmanage_state state;
    uint32_t protocol;
    scardmanage_create(&card);
    scardmanage_result result = scardmanage_attach_by_ifd(card, getenv("CARDRIG_READER"));
    if (result == SCARDMANAGE_S_OK)
        result = scardmanage_status(card, &state, &protocol);
    puts(scardmanage_strerror(result));
    scardmanage_free(card);
    return result != SCARDMANAGE_S_OK || state != SCARDMANAGE_STATE_SPECIFIC;
}
"""

flags = ["-fsanitize=address,undefined"] if SANITIZED else []


def test_the_library_with_pkg_config(tree, tmp_path):
    (tmp_path / "program.c").write_text(PROGRAM)
    found = list(tree.glob("usr/local/lib/**/scardmanage.pc"))
    assert len(found) == 1
    options = subprocess.run(["pkg-config", "--cflags", "--libs", "scardmanage"], capture_output=True, text=True,
                             check=True, env={**os.environ, "PKG_CONFIG_PATH": str(found[0].parent)}).stdout.split()
    subprocess.run(["cc", *flags, "program.c", "-o", "program", *options], check=True, cwd=tmp_path)
    library = found[0].parent.parent
    done = run("run", "--", tmp_path / "program", env={**os.environ, "LD_LIBRARY_PATH": str(library)})
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_example_gets_back_to_a_card_that_others_reset(tmp_path):
    """The card counts these commands, and begins again after each reset."""
    script = """
        mkfifo in out
        scardmanage-send "$CARDRIG_READER" <in >out & exec 3>in 4<out
        for reset in no no yes; do
            [ $reset = no ] || opensc-tool --reset >/dev/null || exit
            echo 8010000002 >&3 && read answer <&4 || exit
            echo "$answer"
        done
        exec 3>&-
        wait $!
        echo 80 | scardmanage-send "no such reader"
    """
    path = f"{BUILD / 'bin'}:{os.environ['PATH']}"
    done = run("run", "--card", CARDS / "two-protocols.lua", "--", "sh", "-c", script, cwd=tmp_path,
               env={**os.environ, "PATH": path})
    assert done.stdout.split() == ["00019000", "00029000", "00019000"], done.stderr
    assert "reconnected: reset, step leave\n" in done.stderr
    assert "no such reader: " in done.stderr and done.returncode == 1


def test_the_example_waits_for_a_card_that_is_out_and_selects_again(tmp_path):
    script = """
        mkfifo in out
        scardmanage-send "$CARDRIG_READER" 8010000002 <in >out & exec 3>in 4<out
        echo 8010000002 >&3 && read answer <&4 && echo "$answer"
        cardrig remove >&2
        echo 8010000002 >&3
        cardrig insert >&2
        read answer <&4 && echo "$answer"
        exec 3>&-
        wait $!
    """
    path = f"{BUILD / 'bin'}:{os.environ['PATH']}"
    done = run("run", "--card", CARDS / "two-protocols.lua", "--", "sh", "-c", script, cwd=tmp_path,
               env={**os.environ, "PATH": path})
    assert done.stdout.split() == ["00029000", "00029000"], done.stderr
    # pcscd may have said that the card is there before it has power
    assert re.search("reconnected: reinserted, step (leave|warm)\n", done.stderr)


def test_the_example_that_waits_for_a_card():
    script = """
        scardmanage-wait "$CARDRIG_READER" 1
        scardmanage-wait "$CARDRIG_READER" & cardrig insert >&2; wait $! || exit
        cardrig remove >&2
        timeout --signal INT 1 scardmanage-wait "$CARDRIG_READER"
    """
    path = f"{BUILD / 'bin'}:{os.environ['PATH']}"
    done = run("run", "--empty", "--", "sh", "-c", script, env={**os.environ, "PATH": path})
    assert done.stdout.split() == "3B 87 80 01 63 61 72 64 72 69 67 6E".split(), done.stderr
    assert "time is up (8010000A)" in done.stderr and "cancelled (80100002)" in done.stderr


def test_the_example_that_watches_readers(tmp_path):
    script = """
        cardrig insert >&2
        scardmanage-watch 2 | tail -n 1
        : > watched
        scardmanage-watch > watched & while [ "$(wc -l < watched)" -lt 2 ]; do sleep 0.01; done
        cardrig remove >&2
        while [ "$(wc -l < watched)" -lt 3 ]; do sleep 0.01; done
        kill $! && wait $! && cat watched && rm watched
    """
    path = f"{BUILD / 'bin'}:{os.environ['PATH']}"
    done = run("run", "--empty", "--", "sh", "-c", script, cwd=tmp_path, env={**os.environ, "PATH": path})
    reader = "cardrig 00 00: "
    added = reader + "reader added, card 3B 87 80 01 63 61 72 64 72 69 67 6E"
    assert done.stdout.splitlines() == [added, "service: success", added, reader + "no card"], done.stderr


def test_the_library_with_find_package(tree, tmp_path):
    (tmp_path / "program.c").write_text(PROGRAM)
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(program C)\nfind_package(scardmanage REQUIRED)\n"
        "add_executable(program program.c)\ntarget_link_libraries(program scardmanage::scardmanage)\n")
    subprocess.run(["cmake", "-S", tmp_path, "-B", tmp_path / "b", f"-DCMAKE_PREFIX_PATH={tree}/usr/local",
                    f"-DCMAKE_C_FLAGS={' '.join(flags)}"],
                   check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", tmp_path / "b"], check=True, stdout=subprocess.DEVNULL)
    done = run("run", "--", tmp_path / "b" / "program")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_headers_are_fit_for_c99(tmp_path):
    (tmp_path / "c.c").write_text("".join(f"#include <{header.name}>\n" for header in HEADERS))
    options = subprocess.run(["pkg-config", "--cflags", "libpcsclite"], capture_output=True, text=True,
                             check=True).stdout.split()
    subprocess.run(["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{HEADERS[0].parent}", *options,
                    tmp_path / "c.c"], check=True)


SUBCOMMANDS = ["run", "serve", "insert", "remove", "swap", "plug", "unplug", "fault", "service", "status", "check", "atr"]


def test_man_pages_are_sound(tree):
    pages = sorted(tree.glob("usr/local/share/man/man*/*"))
    others = {"cardrig.1", "cardrig-card.5", "cardrig-devicename.5", "cardrig-reader.5", "cardrig-reader-script.5", "cardrig.7",
              "cardrig-control.7", "cardrig-piv.7", "scardmanage.3", "scardmanage-pcsclite.7"}
    assert {f"cardrig-{name}.1" for name in SUBCOMMANDS} | others <= {page.name for page in pages}
    for page in pages:
        if page.read_text().startswith(".so "):
            assert (page.parent.parent / page.read_text().split()[1]).exists()
            continue
        done = subprocess.run(["man", "--warnings", "--local-file", page], capture_output=True, text=True,
                              env={**os.environ, "MANPAGER": "cat", "LC_ALL": "C.UTF-8"})
        assert done.returncode == 0 and done.stderr == "", f"{page.name}: {done.stderr}"


def prototypes(header):
    for kind, name, arguments in re.findall(r"^SCARDMANAGE_API ([^;()]*?)(scardmanage_\w+)\(([^;]*)\);", header, re.MULTILINE):
        yield name, (kind.strip(), [" ".join(argument.split()) for argument in arguments.split(",")])


def test_every_function_of_the_library_is_in_one_man_page_as_it_is_declared(tree):
    header = dict(prototypes("".join(header.read_text() for header in HEADERS)))
    folder = tree / "usr/local/share/man/man3"
    seen = {}
    for page in folder.glob("scardmanage*.3"):
        text = page.read_text()
        names = re.findall(r"^\.Nm (scardmanage_\w+)", text, re.MULTILINE)
        synopsis = re.findall(r"^\.Ft (.*)\n\.Fn (\w+) (.*)", text, re.MULTILINE)
        assert names == [name for _, name, _ in synopsis]
        for kind, name, arguments in synopsis:
            assert name not in seen, f"{name} is in {seen[name]}, too"
            seen[name] = page.name
            assert (kind, re.findall(r'"([^"]*)"', arguments)) == header[name], f"{page.name}: {name}"
    assert len(header) > 20 and seen.keys() == header.keys()
    for name, page in seen.items():
        assert page == f"{name}.3" or (folder / f"{name}.3").read_text() == f".so man3/{page}\n"


def test_man_finds_a_function(tree):
    done = subprocess.run(["man", "--manpath", tree / "usr/local/share/man", "scardmanage_reconnect_ex"],
                          capture_output=True, text=True, env={**os.environ, "MANPAGER": "cat", "LC_ALL": "C.UTF-8"})
    assert "scardmanage_report *report" in re.sub(".\b", "", done.stdout), done.stderr


def test_the_installed_examples_are_sound(tree):
    documents = tree / "usr/local/share/doc/cardrig"
    cards = sorted((documents / "cards").iterdir())
    done = run("check", *cards)
    assert len(cards) > 5 and done.returncode == 0, done.stderr
    options = subprocess.run(["pkg-config", "--cflags", "libpcsclite"], capture_output=True, text=True, check=True).stdout.split()
    examples = sorted((documents / "examples").iterdir())
    assert len(examples) == 4
    subprocess.run(["cc", "-fsyntax-only", "-Werror", f"-I{tree}/usr/local/include", *options, *examples], check=True)


def test_references_between_man_pages_lead_somewhere(tree):
    folder = tree / "usr/local/share/man"
    for page in folder.glob("man*/*"):
        for name, section in re.findall(r"^\.Xr ((?:scardmanage|cardrig)[\w-]*) (\d)", page.read_text(), re.MULTILINE):
            assert (folder / f"man{section}/{name}.{section}").exists(), f"{page.name}: {name}"


def test_the_card_script_of_the_man_page(tmp_path):
    text = (SOURCE / "simulator/cli/man/cardrig-card.5").read_text()
    script = re.search(r"^\.Bd -literal.*?\n(.*?)^\.Ed", text, re.MULTILINE | re.DOTALL)[1]
    path = tmp_path / "card.lua"
    path.write_text(script)
    assert run("check", path).returncode == 0
    done = run("run", "--card", path, "--", "opensc-tool", "--send-apdu", "8010000002")
    assert "00 01" in done.stdout and "SW1=0x90, SW2=0x00" in done.stdout
