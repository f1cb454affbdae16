# SPDX-License-Identifier: BSD-3-Clause
"""The built programs, the tree that they are from, and cardrig run to its end."""

import atexit
import os
import pathlib
import shutil
import subprocess
import tempfile

from waiting import TIMEOUT

BUILD = pathlib.Path(os.environ["CARDRIG_BUILD"])
SOURCE = pathlib.Path(__file__).resolve().parents[2]
CARDS = SOURCE / "fixtures" / "cards"
SUPPORT = SOURCE / "tests" / "support"


def for_everybody():
    """The programs where every user can run them: tests of root's go on as others, and a clone may be below /root."""
    if os.getuid() != 0 or all(folder.stat().st_mode & 0o001 for folder in BUILD.resolve().parents):
        return BUILD
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cardrig-tests", dir="/tmp"))
    atexit.register(shutil.rmtree, folder)  # not a TemporaryDirectory: a process that is forked would remove it, too
    folder.chmod(0o755)
    for file in (BUILD / "bin" / "cardrig", *(BUILD / "lib").glob("*.so")):
        (folder / file.parent.name).mkdir(exist_ok=True)
        shutil.copy(file, folder / file.parent.name)
    return folder


PUBLIC = for_everybody()
CARDRIG = str(PUBLIC / "bin" / "cardrig")
DRIVER = str(PUBLIC / "lib" / "libifdcardrig.so")
REDIRECT = str(PUBLIC / "lib" / "libcardrig-redirect.so")
PYTHON = os.environ["CARDRIG_TEST_PYTHON"]
PCSCD = shutil.which("pcscd", path=os.environ["PATH"] + ":/usr/local/sbin:/usr/sbin")


def run(*arguments, **options):
    """Runs cardrig to its end."""
    words = [word if isinstance(word, bytes) else str(word) for word in arguments]
    return subprocess.run([CARDRIG, *words], capture_output=True, text=True, timeout=TIMEOUT, **options)
