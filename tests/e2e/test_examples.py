# SPDX-License-Identifier: BSD-3-Clause
"""What README.md, docs/ and the manual pages show is run as it stands there, and prints what stands there."""

import os
import re
import shutil
import subprocess

import pytest

from examples import Terminal, blocks_of_markdown, examples_of, matches
from programs import BUILD, CARDRIG, PUBLIC, PYTHON, SOURCE

DOCUMENTS = [SOURCE / "README.md", *sorted((SOURCE / "docs").glob("*.md")),
             *sorted(page for folder in ("simulator/cli/man", "lib/scardmanage/man") for page in (SOURCE / folder).iterdir())]
EXAMPLES = [example for document in DOCUMENTS for example in examples_of(document)]

# What is not run here: an example with such a command, because it
NOT_RUN = {
    "./dev": "builds and tests for minutes; what CI runs of it is in .ci/run",
    "sudo": "installs packages",
    "cmake": "builds and installs, as e2e.install does",
    "systemd-sysusers": "needs a system with systemd, whose opinion of the service e2e.install asks for",
    "java": "needs jCardSim, which no distribution has",
}

# A system of its own for what root does: with its own network, /run and configuration of pcscd, in which vsmartcard's reader
# is, if it is wanted; and with a systemctl that restarts pcscd.
SYSTEM = r"""
unset CARDRIG_SOCKET CARDRIG_READER PCSCLITE_CSOCK_NAME
mkdir system system/run system/readers
[ -z "$VPCD" ] || cp /etc/reader.conf.d/vpcd system/readers
mount --bind system/run /run && mount --bind system/readers /etc/reader.conf.d || exit 1
[ -z "$VPCD" ] || systemctl restart pcscd
exec "$@" """
SYSTEMCTL = r"""#!/bin/sh
[ "$*" = "restart pcscd" ] || exit 1
pcscd=${CARDRIG_PCSCD:-$(PATH=$PATH:/usr/sbin command -v pcscd)}
"$pcscd" --help | grep -q disable-polkit && polkit=--disable-polkit
"$pcscd" --foreground $polkit >/run/pcscd.log 2>&1 &
until opensc-tool --list-readers >/dev/null; do sleep 0.1; done
"""


LIBRARY = f"""Name: scardmanage
Description: the one of the build, where e2e.install looks at the installed one
Version: 0
Requires: libpcsclite
Cflags: -I{SOURCE}/lib/scardmanage/include
Libs: -L{BUILD}/lib -Wl,-rpath,{BUILD}/lib -lscardmanage
"""


def own_system():
    as_root = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
    return [CARDRIG, "run", "--private-network", "--", "unshare", *as_root, "--mount", "sh", "-c", SYSTEM, "sh"]


def can_have_own_system(folder):
    return subprocess.run([*own_system(), "true"], cwd=folder, capture_output=True).returncode == 0


@pytest.fixture
def folder(temporary):
    """A clone after './dev build', in which to work."""
    place = temporary / "clone"
    (place / ".bin").mkdir(parents=True)
    (place / "build").symlink_to(BUILD)
    for name in ("docs", "fixtures", "tests"):
        (place / name).symlink_to(SOURCE / name)
    (place / ".bin/python3").symlink_to(PYTHON)
    (place / ".bin/systemctl").write_text(SYSTEMCTL)
    (place / ".bin/systemctl").chmod(0o755)
    (place / ".bin/scardmanage.pc").write_text(LIBRARY)
    yield place
    shutil.rmtree(place)


def has(example, word):
    return any(re.search(rf"(^|\s){re.escape(word)}\s", command + "\n") for command, _ in example.steps)


def is_run(example):
    return not any(has(example, word) for word in NOT_RUN)


@pytest.mark.parametrize("example", filter(is_run, EXAMPLES), ids=str)
def test_example(example, folder):
    for name, text in example.files.items():
        (folder / name).write_text(text)
    prefix = []
    if example.prompt == "# ":
        if not can_have_own_system(folder):
            pytest.skip("a system of its own needs namespaces")
        shutil.rmtree(folder / "system")
        prefix = own_system()
    environment = {**os.environ, "NO_COLOR": "1", "PATH": f"{folder}/.bin:{PUBLIC}/bin:{os.environ['PATH']}",
                   "PKG_CONFIG_PATH": f"{folder}/.bin", "VPCD": "vpcd" if has(example, "--vpcd") else ""}
    with Terminal(folder, environment, prefix) as terminal:
        for command, wanted in example.steps:
            status, printed = terminal.run(command, wanted)
            if wanted:
                assert matches(wanted, printed), f"$ {command}\n{printed}"
            else:
                assert status == 0, f"$ {command}\n{printed}"
            if prefix and command.endswith("&"):  # by the next command the installed pcscd has seen the rig's card
                terminal.run("until opensc-tool --atr >/dev/null 2>&1; do sleep 0.1; done")


@pytest.mark.parametrize("word", NOT_RUN)
def test_what_is_not_run_is_there(word):
    assert any(has(example, word) for example in EXAMPLES)


def test_the_c_of_the_readme_compiles(temporary):
    blocks = ["\n".join(block) for block in blocks_of_markdown((SOURCE / "README.md").read_text())]
    code, = (block for block in blocks if block.startswith("scardmanage_options"))
    source = temporary / "readme.c"
    source.write_text("#include <scardmanage.h>\n"
                      "scardmanage_unit select_verify_and_sign;\n"
                      "scardmanage_result read_serial_number(scardmanage *, uint8_t *, size_t *, void *);\n"
                      "scardmanage_result sign(scardmanage *, int);\n"
                      f"scardmanage_result sign(scardmanage *card, int job)\n{{\n scardmanage_result result;\n{code}\n return result;\n}}\n")
    options = subprocess.run(["pkg-config", "--cflags", "libpcsclite"], capture_output=True, text=True, check=True).stdout.split()
    subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{SOURCE}/lib/scardmanage/include", *options, source],
                   check=True)
    source.unlink()
