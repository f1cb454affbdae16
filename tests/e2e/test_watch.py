# SPDX-License-Identifier: BSD-3-Clause
"""scardmanage_watch.h: every reader, card and restart of the service is told, in order, and none is lost."""

import signal
import time

import pytest

from managed_rig import READER, RunRig, ServiceRig, atr
from rig import Rig
from waiting import wait_for
from watch_client import Watch

OK, CANCELLED, NO_SERVICE = "00000000", "80100002", "8010001D"
NAME = f"{READER} 00 00"


@pytest.fixture
def world(tmp_path):
    with RunRig(tmp_path, reader=f"{READER},usb") as world, Watch(world.environment) as world.watch:
        yield world


def begin(watch, *readers):
    """What is there when the watch begins."""
    assert watch.happened() == ("", ["started"])
    for name in readers:
        assert watch.happened() == (name, ["added", "in"])


def test_a_card_that_comes_and_goes(world):
    begin(world.watch, NAME)
    world.change_card("remove")
    event = world.watch.event()
    assert (event["happened"], event["state"], event["atr"], event["changes"]) == (["out"], "absent", "", 1)
    counter = event["counter"]
    world.change_card("insert", "other")
    event = world.watch.event()
    assert (event["happened"], event["state"], event["atr"]) == (["in"], "present", atr("other"))
    assert event["counter"] == counter + 1
    assert event["reader"] == NAME and event["service"] == OK
    assert world.watch.is_quiet()


def test_the_list_takes_no_event(world):
    listed = world.watch.ask("list")
    assert listed["code"] == OK
    (reader,) = listed["readers"]
    assert (reader["reader"], reader["state"], reader["atr"]) == (NAME, "present", atr("card"))
    assert (reader["happened"], reader["changes"]) == ([], 0)
    begin(world.watch, NAME)
    assert world.watch.is_quiet()


def test_names_of_readers(world):
    assert world.watch.ask("names") == {"code": OK, "names": [NAME]}
    world.unplug()
    wait_for("no reader", lambda: world.watch.ask("names") == {"code": OK, "names": []})


def test_a_swap_is_told_however_fast_it_is(world):
    """Seen at once, it is one event that says both, and its state is the last one; else it is two events."""
    begin(world.watch, NAME)
    for name in ("twin", "card", "twin"):
        world.change_card("swap", name)
        event = world.watch.event()
        if event["happened"] == ["out"]:
            event = world.watch.event()
            assert event["happened"] == ["in"]
        else:
            assert event["happened"] == ["in", "out"] and event["changes"] == 2
        assert event["state"] == "present" and event["atr"] == atr(name)
    assert world.watch.is_quiet()


def test_what_is_not_fetched_is_merged(world):
    begin(world.watch, NAME)
    for _ in range(20):
        world.change_card("remove")
        world.change_card("insert")
    world.change_card("remove")
    counter = world.other.pcsc_events()["counter"]
    wait_for("it has seen the last", lambda: world.watch.ask("list")["readers"][0]["counter"] == counter)
    event = world.watch.event()
    assert (event["happened"], event["state"], event["changes"]) == (["in", "out"], "absent", 41)
    assert world.watch.is_quiet()


def test_the_descriptor_is_readable_while_there_are_events(world):
    def readable(ms=0):
        answer = world.watch.ask("poll", ms)
        assert answer["code"] == OK
        return answer["readable"]

    assert readable(60000)
    begin(world.watch, NAME)
    assert not readable()
    world.change_card("remove")
    assert readable(60000) and readable()
    world.change_card("insert")
    assert readable()
    world.watch.ask("drain", 500)
    assert not readable()
    world.watch.ask("cancel", 1)
    assert readable()
    world.watch.ask("cancel", 0)
    assert not readable()


def test_cancelling(world):
    begin(world.watch, NAME)
    world.watch.ask("later", 100)
    assert world.watch.ask("next")["code"] == CANCELLED  # however the thread and the call come together
    assert world.watch.ask("next", 0)["code"] == world.watch.ask("list")["code"] == CANCELLED
    world.change_card("remove")
    world.watch.ask("cancel", 0)
    assert world.watch.happened() == (NAME, ["out"])


def test_an_unresponsive_card(world):
    begin(world.watch, NAME)
    world.other_connects()
    world.fault("mute*99")
    world.other.pcsc_reconnect(initialization="reset")
    event = world.watch.event()
    assert (event["happened"], event["state"], event["atr"]) == (["changed"], "swallowed", "")
    world.rig.do("remove", slot=world.slot)
    event = world.watch.event()
    assert (event["happened"], event["state"]) == (["out"], "absent")


def test_a_usb_reader_is_unplugged(world):
    begin(world.watch, NAME)
    for _ in range(3):
        world.unplug()
        event = world.watch.event()
        assert (event["reader"], event["happened"], event["state"]) == (NAME, ["removed", "out"], "unknown")
        assert world.watch.ask("list")["readers"] == []
        world.plug()
        events = [world.watch.event()]
        if events[-1]["state"] == "absent":  # pcscd lists a reader before it has looked for its card
            events.append(world.watch.event())
        assert events[0]["happened"][0] == "added" and events[-1]["happened"][-1] == "in"
        assert events[-1]["atr"] == atr("card")
    assert world.watch.is_quiet()


def last_of(answer):
    return {event["reader"]: event for event in answer["last"]}


@pytest.mark.parametrize("how", ["killed", "stopped", "restarted"])
def test_the_service_goes_and_comes_back(tmp_path, how):
    with ServiceRig(tmp_path) as world, Watch(world.environment) as watch:
        begin(watch, NAME)
        if how == "restarted":
            world.restart()
        else:
            world.kill() if how == "killed" else world.stop()
            event = watch.event()
            assert (event["reader"], event["happened"], event["service"]) == ("", ["lost"], NO_SERVICE)
            assert watch.happened() == (NAME, ["removed", "out"])
            assert watch.ask("list")["code"] == watch.ask("names")["code"] == NO_SERVICE
            world.start()
        seen = watch.event()
        assert (seen["reader"], seen["happened"][0], seen["service"]) == ("", "started", OK) if how != "restarted" \
            else seen["reader"] == ""
        wait_for("the card is there", lambda: [reader["state"] for reader in watch.ask("list").get("readers", [])]
                 == ["present"])
        last = last_of(watch.ask("drain", 300))
        assert last[NAME]["state"] == "present"
        assert watch.ask("list")["readers"][0]["atr"] == atr("card")


def test_no_service_yet(tmp_path):
    with ServiceRig(tmp_path) as world:
        world.stop()
        with Watch(world.environment) as watch:
            event = watch.event()
            assert (event["reader"], event["happened"], event["service"]) == ("", ["lost"], NO_SERVICE)
            assert watch.is_quiet()
            world.start()
            assert watch.happened() == ("", ["started"])
            assert watch.event()["reader"] == NAME


def test_a_service_that_does_not_answer(tmp_path):
    """Calls and freeing return in time; afterwards the watch goes on."""
    with RunRig(tmp_path) as world, Watch(world.environment) as watch:
        begin(watch, NAME)
        world.freeze()
        begun = time.monotonic()
        assert watch.ask("next", 300)["code"] == "8010000A"
        assert watch.ask("names", 300)["code"] == "8010000A"
        watch.ask("free")
        assert watch.ask("list", 300)["code"] == "8010000A"
        assert time.monotonic() - begun < 20
        world.thaw()
        begin(watch, NAME)
        world.change_card("remove")
        assert watch.happened() == (NAME, ["out"])


def test_sixteen_readers(tmp_path):
    """As many as pcsc-lite has: then there is no room to ask for new readers."""
    names = [f"reader{number:x}" for number in range(16)]
    options = [word for name in names for word in ("--reader", f"{name},usb")]
    with Rig(*options) as rig, Watch(rig.environment()) as watch:
        wait_for("all readers", lambda: len(watch.ask("list")["readers"]) == 16)
        listed = [reader["reader"] for reader in watch.ask("list")["readers"]]
        assert sorted(name.split()[0] for name in listed) == sorted(names)
        watch.ask("drain", 300)
        for name in (names[15], names[0], names[7]):
            slot = str(names.index(name))
            for command, happened in (("insert", "in"), ("remove", "out")) if slot != "0" else (("remove", "out"),):
                rig.do(command, slot=slot)
                event = watch.event()
                assert (event["reader"].split()[0], event["happened"]) == (name, [happened])
            assert rig.cardrig("unplug", name).returncode == 0
            event = watch.event()
            assert (event["reader"].split()[0], event["happened"]) == (name, ["removed"])
            assert rig.cardrig("plug", name).returncode == 0
            event = watch.event()
            assert (event["reader"].split()[0], event["happened"]) == (name, ["added"])


def test_it_is_told_at_once(world):
    """Not only at the next look, a tenth of a second later: then the average would be 50 ms."""
    begin(world.watch, NAME)
    took = []
    for turn in range(40):
        begun = time.monotonic()
        if turn % 2:
            world.rig.do("insert", slot=world.slot, file=world.card("card"))
        else:
            world.rig.do("remove", slot=world.slot)
        world.watch.event()
        took.append(time.monotonic() - begun)
    took.sort()
    print(f"median {1000 * took[20]:.2f} ms, longest {1000 * took[-1]:.2f} ms")
    assert took[2] < 0.03, took


def test_killed_again_and_again(tmp_path):
    """Restarts in the middle of anything: the last state is right."""
    with ServiceRig(tmp_path) as world, Watch(world.environment) as watch:
        for _ in range(10):
            world.restart(signal.SIGUSR2)
        wait_for("the card", lambda: [reader["state"] for reader in watch.ask("list").get("readers", [])] == ["present"])
        last = last_of(watch.ask("drain", 300))
        assert last[""]["service"] == OK and last[NAME]["state"] == "present"
