# SPDX-License-Identifier: BSD-3-Clause
"""A service that is there, but refuses: libscardmanage says that, and not that there is no service."""

import pytest

from managed_rig import RunRig
from programs import PCSCD, PUBLIC
from waiting import wait_for
from watch_client import Watch

REFUSED, OK = "W_SECURITY_VIOLATION", {"code": "S_OK"}


def test_more_contexts_than_pcscd_allows(tmp_path):
    with RunRig(tmp_path) as world:
        world.attach("ifd")
        assert world.ours.create(object=1) == OK
        with world.client() as many:
            for _ in range(250):
                if many.pcsc_establish()["code"] != "S_OK":
                    break
            else:
                pytest.fail("there is no limit")
            for _ in range(10):
                assert world.ours.attach_by_ifd(object=1)["code"] == REFUSED
            with Watch(world.environment) as watch:
                assert watch.event()["service"] == "8010006A"
                assert watch.ask("names")["code"] == "8010006A"
            assert world.count() == (1, "card")  # who has a context is served
        wait_for("room again", lambda: world.ours.attach_by_ifd(object=1) == OK)


@pytest.fixture
def denied(tmp_path):
    """A file; while it is there, polkit denies access. It is not there yet."""
    return tmp_path / "denied"


def denying(folder, denied, what):
    script = folder / "pcscd"
    preload = f'LD_PRELOAD="$LD_PRELOAD:{PUBLIC}/lib/libdoctored.so"'
    script.write_text(f'#!/bin/sh\nexec env {preload} DOCTORED={what} DOCTORED_WHEN={denied} {PCSCD} "$@"\n')
    script.chmod(0o755)
    return RunRig(folder, "--pcscd", script)


@pytest.mark.parametrize("what", ["no-access", "no-card"])
def test_polkit_denies(tmp_path, temporary, denied, what):
    with denying(tmp_path, denied, what) as world:
        assert world.ours.create(object=1) == OK
        world.attach("ifd")
        denied.touch()
        for _ in range(10):
            assert world.ours.attach_by_ifd(object=1)["code"] == REFUSED
        assert world.count() == (1, "card")
        if what == "no-access":
            with Watch(world.environment) as watch:
                assert watch.event()["service"] == "8010006A"
                denied.unlink()
                assert watch.happened() == ("", ["started"])
        else:
            denied.unlink()
        assert world.ours.attach_by_ifd(object=1) == OK


@pytest.mark.parametrize("what", ["no-access", "no-card"])
def test_polkit_denies_a_reconnect(tmp_path, temporary, denied, what):
    with denying(tmp_path, denied, what) as world:
        world.change_card("remove")
        world.attach("ifd")
        world.change_card("insert")
        denied.touch()
        assert world.reconnect().code == (REFUSED if what == "no-card" else "S_OK")
        denied.unlink()
        assert world.reconnect().code == "S_OK"
        assert world.count() == (1, "card")
