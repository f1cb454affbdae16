# SPDX-License-Identifier: BSD-3-Clause
"""cardrig doctor: what it says of this machine, and of machines that lack something."""

import json
import os
import subprocess

import pytest

from mounts import where_noexec_is
from programs import CARDRIG, PCSCD, run
from rig import BUILT_IN_ATR
from users import HAS_NAMESPACES, HAS_PRIVATE_NETWORK, no_namespaces
from waiting import TIMEOUT

NAMES = ["pcscd", "driver", "directory", "libpcsclite", "namespaces", "network", "limits", "rig", "USB readers", "system"]


def doctor(*prefix, options=(), **more):
    """What it found, by name; its exit status goes with that."""
    done = subprocess.run([*prefix, CARDRIG, "doctor", "--json", *options], capture_output=True, text=True, timeout=TIMEOUT, **more)
    found = json.loads(done.stdout)
    assert [check["name"] for check in found["checks"]] == NAMES
    assert done.returncode == (0 if found["ok"] else 1), done.stderr
    assert found["ok"] == all(check["state"] != "missing" for check in found["checks"])
    return {check["name"]: check for check in found["checks"]}


def test_this_machine():
    checks = doctor()
    assert checks["rig"]["state"] == "ok", checks
    assert checks["rig"]["found"].endswith("ATR " + BUILT_IN_ATR.upper().replace(":", " "))
    assert checks["USB readers"]["state"] == "ok", checks
    assert checks["pcscd"]["found"].startswith(f"{PCSCD}, version ")
    assert checks["namespaces"]["state"] == ("ok" if HAS_NAMESPACES else "limited")
    assert checks["network"]["state"] == ("ok" if HAS_PRIVATE_NETWORK else "limited")


def test_for_people():
    done = run("doctor")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line[9:21].rstrip() for line in lines if line[0] != " "][:-1] == NAMES
    assert lines[-1] == "'cardrig run' works here"


def test_no_pcscd(temporary):
    missing = temporary / "pcscd"
    checks = doctor(options=["--pcscd", missing])
    assert checks["pcscd"]["state"] == checks["rig"]["state"] == "missing"
    assert str(missing) in checks["pcscd"]["found"]
    done = run("run", "--pcscd", missing, "--", "true")
    assert done.returncode == 125
    assert done.stderr.endswith("cardrig: 'cardrig doctor' says what this machine lacks\n")


@pytest.mark.parametrize("script, found", [("exit 0", "does not say with --version"), ("sleep 1000", "does not say with --version"),
                                           ("echo pcsc-lite version 1.8.26.", "version 1.8.26,"),
                                           ("head -c 100000 /dev/zero | tr '\\0' x", "does not say with --version")])
def test_what_is_no_pcscd(temporary, script, found):
    fake = temporary / "pcscd"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    checks = doctor(options=["--pcscd", fake])
    fake.unlink()
    assert found in checks["pcscd"]["found"]
    assert checks["pcscd"]["state"] == "limited"
    assert checks["rig"]["state"] == "missing"
    assert "'cardrig doctor'" not in checks["rig"]["found"]


def test_noexec(temporary):
    done = where_noexec_is([temporary], [CARDRIG, "doctor", "--json"])
    directory = json.loads(done.stdout)["checks"][2]
    assert done.returncode == 0
    assert directory["state"] == "limited" and "noexec" in directory["found"], directory
    places = [place for place in ("/var/tmp", "/dev/shm", "/tmp") if os.path.isdir(place)]
    done = where_noexec_is(places, ["env", "TMPDIR=/tmp", CARDRIG, "doctor", "--json"])
    directory = json.loads(done.stdout)["checks"][2]
    assert done.returncode == 1
    assert directory["state"] == "missing" and "TMPDIR" in directory["found"], directory


def test_no_namespaces():
    checks = doctor(*no_namespaces)
    for name in ("namespaces", "network") if HAS_NAMESPACES else ():
        assert checks[name]["state"] == "limited"
        assert "sysctl user.max_" in checks[name]["remedy"]
    assert checks["rig"]["state"] == "ok"


def test_no_umockdev(temporary):
    """A file of that name, which is not a library, comes first."""
    (temporary / "libumockdev-preload.so.0").write_text("no library")
    checks = doctor(env={**os.environ, "LD_LIBRARY_PATH": str(temporary)})
    (temporary / "libumockdev-preload.so.0").unlink()
    assert checks["USB readers"]["state"] == "limited"
    assert "install the package 'umockdev'" in checks["USB readers"]["found"]


def test_no_client_library(temporary):
    (temporary / "libpcsclite.so.1").write_text("no library")
    checks = doctor(env={**os.environ, "LD_LIBRARY_PATH": str(temporary)})
    (temporary / "libpcsclite.so.1").unlink()
    assert checks["libpcsclite"]["state"] == checks["rig"]["state"] == "missing"


@pytest.mark.parametrize("limit, remedy", [("-n 64", "ulimit -n 1024"), ("-f 10000", "ulimit -f unlimited")])
def test_limits(limit, remedy):
    checks = doctor("sh", "-c", f'ulimit {limit}; exec "$@"', "sh")
    assert checks["limits"]["state"] == "limited"
    assert checks["limits"]["remedy"] == remedy


def test_wrong_options():
    assert run("doctor", "--nonsense").returncode == 2
    assert run("doctor", "argument").returncode == 2
    done = run("doctor", "--help")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_what_it_found_is_a_line(temporary):
    """Whatever is in the environment: nothing that a terminal would obey, and JSON that has every check."""
    for name in (b"bad-\xff", b"red-\x1b[31m"):
        folder = os.path.join(os.fsencode(temporary), name)
        environment = {**os.environb, b"TMPDIR": folder}
        found = doctor(env=environment)["directory"]["found"]
        assert found.isprintable() and name[:4].decode() in found and "\\x" in found
        lines = subprocess.run([CARDRIG, "doctor"], env=environment, capture_output=True, text=True, timeout=TIMEOUT).stdout
        assert all(line.isprintable() for line in lines.splitlines())
