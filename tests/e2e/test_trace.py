# SPDX-License-Identifier: BSD-3-Clause
"""--trace and --pcscd-log: files that are full, that nobody reads, that others write to. The rig goes on, and says so."""

import os
import re
import subprocess

import pytest

from mounts import can_mount
from programs import CARDRIG, PYTHON, run
from rig import Rig
from serving import Serve
from waiting import TIMEOUT, Lines, wait_for

COMMANDS = 4000  # more lines than buffer and pipe hold
MANY = (PYTHON, "-c", f"""
from smartcard.System import readers
card = readers()[0].createConnection()
card.connect()
for _ in range({COMMANDS}):
    assert card.transmit([0, 0xB0, 0, 0, 20])[1] == 0x90
""")
ONE = ("opensc-tool", "--send-apdu", "00B0000014")


def whole_lines(text):
    """Only whole lines, of the two kinds that there are."""
    assert text.endswith("\n")
    for line in text.splitlines():
        assert re.fullmatch(r"(# +\d+\.\d{6} .*|  +\d+\.\d{6} \S+ (card|ifd ) [0-9A-F]{2}.*|# \(\d+ lines were lost here: .*\))", line), line
    return text.splitlines()


def seeded(*words, **options):
    return run("run", "--seed", "1", *words, **options)


def lost(said):
    """How many lines, by what was said of it at the end."""
    return int(re.search(r"(\d+) lines were lost: the reader was too slow\n", said)[1])


def own(said):
    """What cardrig said, and not its command."""
    return "".join(line for line in said.splitlines(keepends=True) if line.startswith("cardrig: "))


def test_a_full_disk_at_once():
    done = seeded("--trace", "/dev/full", "--", *ONE)
    assert done.returncode == 0
    assert own(done.stderr) == "cardrig: trace /dev/full: cannot be written: No space left on device: it ends here\n"


def mount_prefix(folder, size):
    return ["unshare", "-m", "sh", "-c", f'mount -t tmpfs -o size={size} none {folder} && exec "$@"', "sh"]


@pytest.mark.skipif(not can_mount(), reason="root and a mount namespace are needed")
def test_a_disk_that_fills_up(temporary):
    """The trace ends with a whole line."""
    folder = temporary / "disk"
    folder.mkdir()
    copy = temporary / "copy"
    done = subprocess.run([*mount_prefix(folder, "64k"), "sh", "-c", f'"$@"; echo $?; cp {folder}/trace {copy}', "sh", CARDRIG, "run",
                           "--trace", f"{folder}/trace", "--", *MANY], capture_output=True, text=True, timeout=TIMEOUT)
    assert done.stdout == "0\n"
    assert done.stderr == f"cardrig: trace {folder}/trace: cannot be written: No space left on device: it ends here\n"
    whole_lines(copy.read_text())
    assert 65536 - 100 < copy.stat().st_size <= 65536
    copy.unlink()
    folder.rmdir()


@pytest.mark.parametrize("command", ["run", "serve"])
def test_a_file_that_may_not_grow(temporary, command):
    """ulimit -f: a signal would end the rig."""
    trace = temporary / "trace"
    if command == "run":
        done = subprocess.run(["sh", "-c", 'ulimit -f 2000; exec "$@"', "sh", CARDRIG, "run", "--trace", trace, "--", *MANY],
                              capture_output=True, text=True, timeout=TIMEOUT)
        assert done.returncode == 0
        said = done.stderr
    else:
        with Serve(temporary / "rig", "--trace", trace, prefix=["sh", "-c", 'ulimit -f 1; exec "$@"', "sh"]) as serve:
            for _ in range(20):
                serve.do("remove")
                serve.do("insert")
        said = "".join(serve.errors.splitlines(keepends=True)[1:])
    assert said == f"cardrig: trace {trace}: cannot be written: File too large: it ends here\n"
    whole_lines(trace.read_text())
    trace.unlink()


@pytest.mark.parametrize("option", ["--trace", "--pcscd-log"])
def test_a_fifo_that_nobody_reads(temporary, option):
    fifo = temporary / "fifo"
    os.mkfifo(fifo)
    done = seeded(option, fifo, "--", "true")
    assert done.returncode == 125
    assert done.stderr.startswith(f"cardrig: cannot write {fifo}: nobody reads it: start what reads from it first\n")
    fifo.unlink()


def all_lines(temporary):
    """How many lines a trace of MANY has."""
    trace = temporary / "trace"
    assert seeded("--trace", trace, "--", *MANY).returncode == 0
    count = len(whole_lines(trace.read_text()))
    trace.unlink()
    return count


def read_rest(fd):
    os.set_blocking(fd, True)
    with open(fd) as file:
        return file.read()


def test_a_reader_that_does_not_read(temporary):
    """It does not stop the rig; what is lost is count_in, and nothing else is."""
    count = all_lines(temporary)
    fifo = temporary / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    done = seeded("--trace", fifo, "--", *MANY)
    assert done.returncode == 0
    assert done.stderr.startswith(f"cardrig: trace {fifo}: lines are lost: the reader is too slow\n")
    text = read_rest(reader)
    # of the last one there may be a part
    assert text.count("\n") + lost(done.stderr) == count
    whole_lines(text[:text.rindex("\n") + 1])
    fifo.unlink()


def test_a_reader_that_sleeps(temporary):
    """It finds out what it has missed."""
    count = all_lines(temporary)
    fifo = temporary / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with Rig("--seed", "1", "--trace", fifo) as rig:
        def many():
            subprocess.run(MANY, env=rig.environment(), check=True, timeout=TIMEOUT)
        many()
        os.set_blocking(reader, True)
        drain = subprocess.Popen(["cat"], stdin=reader, stdout=subprocess.PIPE)
        os.close(reader)
        lines = Lines(drain.stdout)
        seen = []
        while not seen or "lines were lost here" not in seen[-1]:
            if not lines.ready(0.2):  # it has caught up
                rig.do("remove")
                rig.do("insert")
            seen.append(lines.next())
        rig.end()
        while line := lines.next():
            seen.append(line)
    drain.wait(TIMEOUT)
    drain.stdout.close()
    whole_lines("\n".join(seen) + "\n")
    marks = [int(re.match(r"# \((\d+) lines", line)[1]) for line in seen if "lines were lost here" in line]
    assert sum(marks) == lost(rig.errors) and len(seen) + sum(marks) > count
    fifo.unlink()


def test_a_reader_that_leaves(temporary):
    fifo = temporary / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with Rig("--trace", fifo) as rig:
        os.close(reader)
        subprocess.run(ONE, env=rig.environment(), check=True, capture_output=True, timeout=TIMEOUT)
        assert rig.card()
    assert rig.process.returncode == 0
    assert rig.errors == f"cardrig: trace {fifo}: cannot be written: Broken pipe: it ends here\n"
    fifo.unlink()


def test_a_pipe_of_the_shell(temporary):
    """As '--trace >(gzip > FILE)' has it: all of it gets there."""
    out = temporary / "out"
    done = subprocess.run(["bash", "-c", f'{CARDRIG} run --trace >(cat > {out}; echo >> {out}.done) -- {" ".join(ONE)}; exit $?'],
                          capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0
    wait_for("the end of the pipe", (temporary / "out.done").exists)
    assert any("ifd  14" in line for line in whole_lines(out.read_text()))
    out.unlink()
    (temporary / "out.done").unlink()


@pytest.mark.parametrize("option", ["--trace", "--pcscd-log"])
def test_two_rigs_and_one_file(temporary, option):
    """The second one is refused, and spoils nothing; %p gives each a file of its own."""
    path = temporary / "file"
    with Rig(option, path):
        before = path.read_text()
        done = run("run", option, path, "--", "true")
        assert done.returncode == 125
        assert f"cannot write {path}: another cardrig writes to it; with %p in its name each has a file of its own\n" in done.stderr
        assert path.read_text().startswith(before)
        with Rig(option, temporary / "100%-%%-%p") as one, Rig(option, temporary / "100%-%%-%p") as two:
            names = {f"100%-%-{rig.process.pid}" for rig in (one, two)}
            assert {name for name in os.listdir(temporary) if name.startswith("100")} == names
    assert run("run", option, path, "--", "true").returncode == 0  # after its end there is no lock
    for name in ("file", *names):
        (temporary / name).unlink()


def test_serve_and_a_file_of_another(temporary):
    trace = temporary / "trace"
    with Serve(temporary / "rig", "--trace", trace):
        done = run("serve", "--directory", temporary / "other", "--trace", trace)
        assert done.returncode == 1
        assert f"cannot write {trace}: another cardrig writes to it" in done.stderr
    trace.unlink()


def test_pcscds_log_and_a_full_disk():
    done = run("run", "--pcscd-log", "/dev/full", "--", *ONE)
    assert done.returncode == 0
    assert own(done.stderr) == "cardrig: pcscd's log /dev/full is not complete: No space left on device\n"


def test_pcscds_log_and_a_reader_that_does_not_read(temporary):
    fifo = temporary / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    done = run("run", "--pcscd-log", fifo, "--", *MANY)
    os.close(reader)
    assert done.returncode == 0
    assert done.stderr == f"cardrig: pcscd's log {fifo} is not complete: the reader was too slow\n"
    fifo.unlink()


def test_a_pcscd_that_dies_and_a_log_without_end():
    """The end of a log is only looked for in a file that has one."""
    done = run("run", "--pcscd", "/bin/false", "--pcscd-log", "/dev/full", "--", "sleep", "60")
    assert done.returncode == 125


@pytest.mark.parametrize("option", ["--trace", "--pcscd-log"])
@pytest.mark.parametrize("name", ["x" * 5000, "%p" * 2000], ids=["as it is", "as it becomes"])
def test_a_name_that_is_too_long(option, name):
    done = run("run", option, name, "--", "true")
    assert done.returncode != 0 and "too long" in done.stderr
